//! What SecretRef is about, without any input or output: names, versions, agents, policy, the
//! changes that make up the authority log, and the ledger that they fold to.
//!
//! Nothing here reads a clock, does I/O or is async: time and randomness are arguments.

pub mod agent;
pub mod alert;
pub mod audit;
pub mod caller;
pub mod change;
pub mod checkpoint;
pub mod clock;
pub mod condition;
pub mod delivery;
pub mod exec_protocol;
pub mod expiry;
pub mod fault;
pub mod group;
pub mod hash;
pub mod id;
pub mod ledger;
pub mod limit;
pub mod loopback;
pub mod manifest;
pub mod name;
pub mod openclaw;
pub mod placeholder;
pub mod policy;
pub mod reference;
pub mod rotation;
pub mod scan;
pub mod schedule;
pub mod service;
pub mod trace;
pub mod traceparent;
pub mod trail;
pub mod tree;
pub mod value;
pub mod version;
