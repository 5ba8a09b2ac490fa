//! What a process that will hold secrets does before anything else.

use rustix::process::{DumpableBehavior, Resource, Rlimit};

/// What was changed, and what was not.
#[derive(Debug)]
pub struct Hardened {
    /// What the system refused.
    pub refused: Vec<String>,
    /// The file mode mask that there was before.
    pub umask: u32,
}

/// No core dump, no tracing by processes of the same user, and files of our own alone.
#[must_use]
pub fn harden() -> Hardened {
    let umask = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let refused = |what: &str, errno| format!("{what}: {errno}");
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let refused = [
        rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
            .map_err(|errno| refused("memory can be read by this user's other processes", errno)),
        rustix::process::setrlimit(Resource::Core, none)
            .map_err(|errno| refused("a crash may write memory to a file", errno)),
    ]
    .into_iter()
    .filter_map(Result::err)
    .collect();
    Hardened { refused, umask: umask.as_raw_mode() }
}
