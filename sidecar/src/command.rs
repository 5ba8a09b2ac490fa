//! One invocation: from what was asked for to an exit code. Data goes to standard output, what is
//! for people to standard error.

use crate::{
    SystemClock,
    app::{self, AppError},
    config::{self, Command, HELP, UsageError},
    hardening::Hardened,
    health::{self, Answer},
    sinks::process::{Group, Host, become_program},
    telemetry,
};
use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
    sync::Arc,
};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Does what was asked for.
#[must_use]
pub fn execute(command: Command, hardened: &Hardened) -> ExitCode {
    let log = match &command {
        Command::Run(config) => Some(config.log),
        Command::Enroll(config) => Some(config.log),
        _ => None,
    };
    if let Some(log) = log {
        telemetry::init(log);
        let refused = hardened.refused.iter();
        refused.for_each(|what| tracing::warn!("not hardened: {what}"));
    }
    match command {
        Command::Help => print(HELP),
        Command::ExecChild(config) => become_program(&config).into(),
        Command::Version => print(concat!("secretref-sidecar ", env!("CARGO_PKG_VERSION"), "\n")),
        Command::Health(config) => {
            let answer = health::probe(&config);
            let code = answer.exit_code();
            match answer {
                Answer::Well(body) => print(&format!("{body}\n")),
                Answer::NotYet(body) => fail(&format!("not ready: {body}"), code),
                Answer::Silent(error) => {
                    let address = config.address;
                    let text = format!(
                        "no sidecar answers at {address}: {error}. \
                         Fix: start it with --health-listen {address}"
                    );
                    fail(&text, code)
                }
            }
        }
        Command::Enroll(config) => {
            serve(async { app::enroll(config, Arc::new(SystemClock)).await.map(|_| 0) })
        }
        Command::Run(config) => {
            let host = host(hardened);
            serve(async {
                // Where a program may run, signals are its own, and end it first.
                let shutdown =
                    if config.may_run() { CancellationToken::new() } else { on_signals() };
                let telling = telemetry::tell();
                let running = app::run(*config, host, Arc::new(SystemClock), shutdown);
                let outcome = Box::pin(running).await;
                if let Some(telling) = telling {
                    telling.end().await;
                }
                outcome
            })
        }
    }
}

/// Says what is wrong with a command line.
#[must_use]
pub fn refuse(error: &UsageError) -> ExitCode {
    fail(&error.to_string(), 2)
}

/// What a program finds here. On a terminal it stays in our process group, so that it can read
/// what is typed.
fn host(hardened: &Hardened) -> Host {
    let terminal = io::stdin().is_terminal();
    let group = if terminal { Group::Terminal } else { Group::Own };
    Host { variables: config::environment(), umask: hardened.umask, group }
}

fn serve(work: impl Future<Output = Result<u8, AppError>>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("the runtime did not start: {error}"), 1),
    };
    let outcome = runtime.block_on(work);
    // A read of standard input may be under way; nobody waits for it.
    runtime.shutdown_background();
    match outcome {
        Ok(code) => code.into(),
        Err(error) => fail(&error.to_string(), error.exit_code()),
    }
}

/// Cancelled by SIGTERM or SIGINT.
fn on_signals() -> CancellationToken {
    let token = CancellationToken::new();
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let token = token.clone();
        match signal(kind) {
            Ok(mut signal) => {
                tokio::spawn(async move {
                    signal.recv().await;
                    token.cancel();
                });
            }
            Err(error) => tracing::error!(%error, "a signal will not be heard"),
        }
    }
    token
}

fn print(text: &str) -> ExitCode {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn fail(text: &str, code: u8) -> ExitCode {
    // Where nobody reads, the exit code still says it.
    drop(writeln!(io::stderr().lock(), "error: {text}"));
    ExitCode::from(code)
}
