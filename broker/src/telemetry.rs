//! The log, and what the process forbids itself.

use crate::config::{LogArguments, LogFormat};
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit,
};
use std::io;
use tracing_subscriber::EnvFilter;

/// Starts the log on standard error.
pub fn start(arguments: &LogArguments) {
    let filter =
        EnvFilter::try_new(&arguments.log_level).unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match arguments.log_format {
        LogFormat::Text => log.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).init(),
        LogFormat::Json => log.json().init(),
    }
}

/// No core dump, no debugger of the same user, files for us alone, and as many descriptors as the
/// system allows.
///
/// # Errors
/// Where the system refuses.
pub fn harden() -> io::Result<()> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    let files = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: files.maximum, maximum: files.maximum })?;
    Ok(())
}

/// Says on standard error why nothing was done.
#[expect(clippy::print_stderr, reason = "this is the program's own voice, not its log")]
pub fn complain(error: &impl std::fmt::Display) {
    eprintln!("error: {error:#}");
}

/// Says on standard output what scripts wait for.
#[expect(clippy::print_stdout, reason = "this is the program's own voice, not its log")]
pub fn announce(line: &str) {
    println!("{line}");
}
