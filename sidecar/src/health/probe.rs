//! Asking a running sidecar how it is.

use crate::config::HealthConfig;
use std::{
    io::{self, Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

/// What a sidecar answered.
#[derive(Debug)]
pub enum Answer {
    /// All is well.
    Well(String),
    /// It answers, and is not ready.
    NotYet(String),
    /// It does not answer.
    Silent(io::Error),
}

impl Answer {
    /// The exit code that says it.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Well(_) => 0,
            Self::NotYet(_) => 1,
            Self::Silent(_) => 69,
        }
    }
}

/// Asks, and asks again until the answer is good or the wait is over. Blocks.
#[must_use]
pub fn probe(config: &HealthConfig) -> Answer {
    let path = if config.live { "/healthz" } else { "/readyz" };
    let deadline = Instant::now() + config.wait;
    loop {
        let answer = ask(config, path);
        if matches!(answer, Answer::Well(_)) || Instant::now() >= deadline {
            return answer;
        }
        thread::sleep(AGAIN);
    }
}

fn ask(config: &HealthConfig, path: &str) -> Answer {
    let asked = || -> io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&config.address, ANSWER_MAX)?;
        stream.set_read_timeout(Some(ANSWER_MAX))?;
        stream.set_write_timeout(Some(ANSWER_MAX))?;
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", config.address);
        stream.write_all(request.as_bytes())?;
        let mut text = String::new();
        stream.take(ANSWER_BYTES_MAX).read_to_string(&mut text)?;
        Ok(text)
    };
    match asked() {
        Err(error) => Answer::Silent(error),
        Ok(text) => {
            let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body).trim().to_owned();
            let well = text.starts_with("HTTP/1.1 200 ");
            if well { Answer::Well(body) } else { Answer::NotYet(body) }
        }
    }
}

const AGAIN: Duration = Duration::from_millis(100);
const ANSWER_MAX: Duration = Duration::from_secs(2);
const ANSWER_BYTES_MAX: u64 = 64 * 1024;
