//! The real binary: what it refuses before it connects, and what it prints of what a broker says.

#![allow(clippy::unwrap_used, reason = "all of this is tests, helpers of tests included")]

#[path = "it/authority.rs"]
mod authority;
#[path = "it/broker.rs"]
mod broker;

#[path = "it/answers.rs"]
mod answers;
#[path = "it/conditions.rs"]
mod conditions;
#[path = "it/connection.rs"]
mod connection;
#[path = "it/demo.rs"]
mod demo;
#[path = "it/openclaw.rs"]
mod openclaw;
#[path = "it/usage.rs"]
mod usage;

use std::{
    io::Write,
    process::{Command, Stdio},
};

/// What a run of the binary left behind.
pub struct Ran {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub out: Vec<u8>,
    /// Standard error.
    pub err: String,
}

impl Ran {
    /// Standard output as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.out).unwrap()
    }

    /// Standard output as one JSON document.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.out).unwrap()
    }
}

/// Runs the binary in an empty environment but for `env`.
pub fn run(env: &[(&str, &str)], arguments: &[&str], input: &[u8]) -> Ran {
    run_program(env!("CARGO_BIN_EXE_secretref"), env, arguments, input)
}

/// Runs any program like that.
pub fn run_program(program: &str, env: &[(&str, &str)], arguments: &[&str], input: &[u8]) -> Ran {
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(env.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A binary that refuses its arguments does not read its input.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code().unwrap(),
        out: output.stdout,
        err: String::from_utf8(output.stderr).unwrap(),
    }
}
