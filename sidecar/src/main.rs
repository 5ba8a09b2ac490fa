//! The binary `secretref-sidecar`.

use secretref_sidecar::{
    command,
    config::{self, Command},
    hardening,
    sinks::process::become_program,
};
use std::process::ExitCode;

fn main() -> ExitCode {
    match config::from_env() {
        // On its way to be another program: nothing of ours holds for it.
        Ok(Command::ExecChild(config)) => become_program(&config).into(),
        Ok(command) => command::execute(command, &hardening::harden()),
        Err(error) => command::refuse(&error),
    }
}
