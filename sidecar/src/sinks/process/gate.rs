//! What a program has to pass before its credentials count as applied.

use super::{environment::Environment, launch::Launcher, reap::End};
use crate::sinks::loopback;
use secretref_domain::{agent::GateSpec, loopback::LoopbackUrl};
use std::{ffi::OsString, path::PathBuf, time::Duration};
use tokio::time::{sleep, timeout};

/// Passes a gate, or says why not. Whether the program lives all the while is for the caller to
/// see. Checks are repeated until they pass or the gate's time is over: a service needs a moment
/// to answer.
pub(super) async fn pass(
    gate: &GateSpec,
    launcher: &Launcher,
    environment: &Environment,
    allowed: &[PathBuf],
) -> Result<(), String> {
    let command: Vec<OsString> = gate.command.iter().map(OsString::from).collect();
    if let Some(program) = gate.command.first()
        && !allowed.iter().any(|allowed| allowed.as_os_str() == program.as_str())
    {
        return Err(format!(
            "the gate's command {program:?} may not be run here. Fix: start the sidecar with \
             --allow-exec {program}"
        ));
    }
    let mut last = "it did not live long enough".to_owned();
    let all = async {
        let checks = async {
            if let Some(url) = &gate.http {
                answers(url, &mut last).await;
            }
            if !command.is_empty() {
                succeeds(&command, launcher, environment, &mut last).await;
            }
        };
        tokio::join!(sleep(millis(gate.alive_ms)), checks);
    };
    let within = millis(gate.timeout_ms);
    match timeout(within, all).await {
        Ok(()) => Ok(()),
        Err(_) => Err(format!("its gate was not passed within {within:?}: {last}")),
    }
}

async fn answers(url: &LoopbackUrl, last: &mut String) {
    loop {
        *last = match timeout(ANSWER_MAX, loopback::ask("GET", url, None)).await {
            Ok(Ok(200..=299)) => return,
            Ok(Ok(status)) => format!("GET {url} was answered with {status}"),
            Ok(Err(error)) => format!("GET {url}: {error}"),
            Err(_) => format!("GET {url} was not answered within {ANSWER_MAX:?}"),
        };
        sleep(AGAIN).await;
    }
}

async fn succeeds(
    command: &[OsString],
    launcher: &Launcher,
    environment: &Environment,
    last: &mut String,
) {
    loop {
        let program = command.first().cloned().unwrap_or_default();
        *last = match launcher.start(command, environment).await {
            Ok(mut check) => match check.ended().await {
                End::Code(0) => return,
                end => format!("{program:?}: {end}"),
            },
            Err(error) => error.to_string(),
        };
        sleep(AGAIN).await;
    }
}

pub(super) fn millis(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

/// Longest wait for one answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// How long to wait before a check is repeated.
const AGAIN: Duration = Duration::from_millis(100);
