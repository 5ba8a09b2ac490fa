//! Real handshakes: who is let in, who is not, and what each side learns of it.

#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

#[path = "handshake/world.rs"]
mod world;

#[path = "handshake/brokers.rs"]
mod brokers;
#[path = "handshake/channel.rs"]
mod channel;
#[path = "handshake/clients.rs"]
mod clients;
#[path = "handshake/protocol.rs"]
mod protocol;
