//! The binary `secretref-sidecar`.

use secretref_sidecar::{command, config, hardening};
use std::process::ExitCode;

fn main() -> ExitCode {
    let not_hardened = hardening::harden();
    match config::from_env() {
        Ok(command) => command::execute(command, &not_hardened),
        Err(error) => command::refuse(&error),
    }
}
