//! The stories: what SecretRef promises, told with its real binaries, on both engines.

mod canaries;
mod cancelled;
mod denied;
mod enrolment;
mod examples;
mod expired;
mod hooks;
mod kills;
mod race;
mod restarts;
mod revoked;
mod root_key;
mod rotation;
mod scene;
mod soak;
mod socket;
mod tampered;
mod templates;
