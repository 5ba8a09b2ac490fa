//! A program that does not outlive the demo, even if the demo is killed: the kernel ends it when
//! its parent is gone. The mark is set here because it survives `exec` and cannot be set from
//! outside.

use crate::failure::{Exit, Failure};
use std::{ffi::OsString, os::unix::process::CommandExt, process::Command};

/// A program that does not outlive the demo.
#[derive(clap::Args)]
pub(super) struct Child {
    /// The demo's process
    #[arg(long)]
    parent: i32,
    /// The program and its arguments
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

impl Child {
    /// Becomes the program; comes back only if it cannot.
    pub(super) fn run(self) -> Failure {
        if let Err(failure) = die_with(self.parent) {
            return failure;
        }
        let Some((program, arguments)) = self.command.split_first() else {
            return Failure::usage("there is no program to run", "see secretref help demo");
        };
        let error = Command::new(program).args(arguments).exec();
        let what = format!("{} cannot be started: {error}", program.display());
        Failure::new(Exit::Refused, what, "build it: cargo build --workspace --bins")
    }
}

#[cfg(target_os = "linux")]
fn die_with(parent: i32) -> Result<(), Failure> {
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};
    let gone = |what: String| Failure::new(Exit::Refused, what, "start the demo again");
    set_parent_process_death_signal(Some(Signal::TERM))
        .map_err(|error| gone(format!("the kernel does not tie a child to its parent: {error}")))?;
    // The parent may have ended before the mark was set, and then nothing would end this process.
    if getppid().map(|pid| pid.as_raw_nonzero().get()) != Some(parent) {
        return Err(gone("the demo has ended".to_owned()));
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn die_with(_parent: i32) -> Result<(), Failure> {
    Ok(())
}
