//! Where values go: the only code of the sidecar that puts a secret within the agent's reach.

pub mod files;
pub mod hooks;
pub mod loopback;
pub mod process;
pub mod socket;
pub mod templates;
