//! What the tests stand on: the real binaries on port 0, a throwaway Postgres, a manual clock, and
//! a scanner that finds a secret wherever it leaked to.
//!
//! Never shipped: other crates may name it as a dev-dependency only.

pub mod admin;
pub mod agent;
pub mod authority;
pub mod broker;
pub mod canary;
pub mod cli;
pub mod clock;
pub mod collector;
pub mod engine;
pub mod faketime;
pub mod faulty;
pub mod fleet;
pub mod frames;
pub mod guardian;
pub mod hook;
pub mod memory;
pub mod moto;
pub mod network;
pub mod openbao;
pub mod openclaw;
pub mod parsers;
pub mod peer;
pub mod postgres;
pub mod process;
pub mod python;
pub mod service;
pub mod sql;
pub mod switch;
pub mod terminal;
pub mod tmpfs;
pub mod wait;
