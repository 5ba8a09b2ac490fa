//! The sidecar as its neighbours see it: a broker on the wire, and whoever starts it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "it/authority.rs"]
mod authority;
#[path = "it/broker.rs"]
mod broker;
#[path = "it/guest.rs"]
mod guest;
#[path = "it/leaving.rs"]
mod leaving;
#[path = "it/program.rs"]
mod program;
#[path = "it/schedule.rs"]
mod schedule;
#[path = "it/slow.rs"]
mod slow;
#[path = "it/socket.rs"]
mod socket;
#[path = "it/streams.rs"]
mod streams;
#[path = "it/usage.rs"]
mod usage;
