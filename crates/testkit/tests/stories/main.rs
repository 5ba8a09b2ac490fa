//! The stories: what SecretRef promises, told with its real binaries, on both engines.

mod attacks;
mod canaries;
mod cancelled;
mod denied;
mod drain;
mod enrolment;
mod examples;
mod expired;
mod groups;
mod hooks;
mod kills;
mod manifests;
mod operator;
mod process;
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
