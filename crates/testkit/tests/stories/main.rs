//! The stories: what SecretRef promises, told with its real binaries, on both engines.

mod canaries;
mod cancelled;
mod denied;
mod enrolment;
mod expired;
mod kills;
mod process;
mod race;
mod restarts;
mod revoked;
mod root_key;
mod rotation;
mod scene;
mod soak;
mod tampered;
