//! `openclaw secrets reload --json`, where the gateway's token is not for the sidecar to have:
//! the program finds it by itself, in the configuration of the user that it runs as.

use super::{super::exec, Permits, verdict};
use crate::sinks::process::End;
use serde_json::Value;
use std::{io, os::fd::OwnedFd, process::Stdio};
use tokio::{io::AsyncReadExt, net::unix::pipe};

/// Most of its output that is read, in bytes.
const OUTPUT_BYTES_MAX: u64 = 64 * 1024;

/// Runs it, and reads its answer. Dropping the future ends it with all its own children.
pub(in super::super) async fn run(program: &str, permits: &Permits) -> Result<(), String> {
    let failed = |error: io::Error| format!("its answer was not read: {error}");
    let (reader, writer) = io::pipe().map_err(failed)?;
    let reader = pipe::Receiver::from_owned_fd(OwnedFd::from(reader)).map_err(failed)?;
    let running = exec::start(program, WORDS, Stdio::from(writer), permits)?;
    let mut said = Vec::new();
    reader.take(OUTPUT_BYTES_MAX + 1).read_to_end(&mut said).await.map_err(failed)?;
    if said.len() as u64 > OUTPUT_BYTES_MAX {
        return Err(format!("it said more than {OUTPUT_BYTES_MAX} bytes"));
    }
    match running.ended().await? {
        End::Code(0) => verdict(&answer(&said)),
        end => Err(end.to_string()),
    }
}

/// The first JSON object that begins a line: a banner may stand before it.
fn answer(said: &[u8]) -> Value {
    let lines = said.split(|byte| *byte == b'\n');
    let before: usize =
        lines.take_while(|line| !line.starts_with(b"{")).map(|line| line.len() + 1).sum();
    let rest = said.get(before..).unwrap_or_default();
    let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<Value>();
    values.next().and_then(Result::ok).unwrap_or_default()
}

const WORDS: [&str; 3] = ["secrets", "reload", "--json"];
