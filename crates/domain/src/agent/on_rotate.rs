//! What happens to an agent when a value changes.

use crate::loopback::LoopbackUrl;
use serde::{Deserialize, Serialize};

/// What happens to the agent when a value changes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum OnRotate {
    /// It is restarted.
    Restart,
    /// The program that the sidecar started gets this signal, such as `HUP`.
    Signal(String),
    /// The process that a file names gets this signal.
    SignalFile {
        /// The signal, such as `HUP`.
        signal: String,
        /// Absolute path of the file with its number; 512 bytes at most.
        pid_file: String,
    },
    /// This address of the agent's own host is posted to.
    Http(LoopbackUrl),
    /// This program is run, where the sidecar allows it.
    Exec(String),
    /// OpenClaw's gateway on the agent's own host is asked to resolve its secrets anew. Where it
    /// is, and what it takes for a token, the sidecar was told when it was started.
    OpenClaw,
    /// This `openclaw` is run to ask its gateway for that, where the sidecar allows it.
    OpenClawProgram(String),
    /// Nothing.
    None,
}

pub(crate) const SIGNALS: [&str; 7] = ["HUP", "INT", "TERM", "USR1", "USR2", "QUIT", "WINCH"];

impl TryFrom<String> for OnRotate {
    type Error = String;
    fn try_from(given: String) -> Result<Self, String> {
        parse(&given).ok_or_else(|| {
            let signals = SIGNALS.join(", ");
            format!(
                "{given:?} is none of `restart`, `none`, `signal:NAME` (one of {signals}), \
                 `signal:NAME@/absolute/pid-file`, `http://127.0.0.1:PORT/path` (a loopback \
                 address), `exec:/absolute/program`, `openclaw` and `openclaw:/absolute/openclaw`"
            )
        })
    }
}

impl From<OnRotate> for String {
    fn from(given: OnRotate) -> Self {
        match given {
            OnRotate::Restart => "restart".into(),
            OnRotate::Signal(signal) => format!("signal:{signal}"),
            OnRotate::SignalFile { signal, pid_file } => format!("signal:{signal}@{pid_file}"),
            OnRotate::Http(url) => url.into(),
            OnRotate::Exec(program) => format!("exec:{program}"),
            OnRotate::OpenClaw => "openclaw".into(),
            OnRotate::OpenClawProgram(program) => format!("openclaw:{program}"),
            OnRotate::None => "none".into(),
        }
    }
}

fn parse(given: &str) -> Option<OnRotate> {
    match given {
        "restart" => return Some(OnRotate::Restart),
        "none" => return Some(OnRotate::None),
        "openclaw" => return Some(OnRotate::OpenClaw),
        _ => {}
    }
    if let Some(signal) = given.strip_prefix("signal:") {
        return match signal.split_once('@') {
            None => is_signal(signal).then(|| OnRotate::Signal(signal.to_owned())),
            Some((signal, pid_file)) => (is_signal(signal) && is_path(pid_file)).then(|| {
                let (signal, pid_file) = (signal.to_owned(), pid_file.to_owned());
                OnRotate::SignalFile { signal, pid_file }
            }),
        };
    }
    if let Some(program) = given.strip_prefix("exec:") {
        return is_path(program).then(|| OnRotate::Exec(program.to_owned()));
    }
    if let Some(program) = given.strip_prefix("openclaw:") {
        return is_path(program).then(|| OnRotate::OpenClawProgram(program.to_owned()));
    }
    // Only what stays on the agent's own host: a manifest must not make a host call another.
    LoopbackUrl::parse(given).ok().map(OnRotate::Http)
}

fn is_signal(name: &str) -> bool {
    SIGNALS.contains(&name)
}

/// Absolute, and what it seems to be: no step up, no control character.
fn is_path(path: &str) -> bool {
    path.starts_with('/')
        && path.len() <= PATH_BYTES_MAX
        && path.split('/').all(|step| step != "..")
        && !path.chars().any(char::is_control)
}

const PATH_BYTES_MAX: usize = 512;

#[cfg(test)]
mod tests;
