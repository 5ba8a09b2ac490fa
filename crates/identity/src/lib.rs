//! Who is speaking: certificates, the names in them, and the TLS configurations of broker, sidecar
//! and command line. Nothing here knows of secrets, and nothing here can issue a certificate.
//!
//! The rules, each with the place that keeps it:
//! - TLS 1.3 only, with the post-quantum hybrid first and no resumption ([`provider`]). A resumed
//!   session would skip the verifier, and with it whatever was learned since.
//! - A peer is the one URI in its verified certificate, and nothing else ([`peer`], [`subject`]).
//! - Agents, administrators and brokers are told apart by issuer, by purpose and by name; each of
//!   the three has to fit ([`server`], [`client`]).
//! - The whole configuration is swapped at once, and the next connection takes it
//!   ([`credentials::Publisher`], [`credentials::Holder`]).

pub mod certificate;
pub mod client;
pub mod clock;
pub mod credentials;
pub mod join_token;
pub mod note;
pub mod peer;
pub mod provider;
pub mod request;
pub mod server;
pub mod subject;
