//! The broker as its callers meet it: custody on a real database, and the whole broker on free
//! ports, by a clock that the tests move.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "helpers of tests, which clippy takes for ordinary code"
)]

mod admins;
mod alerts;
mod authority_log;
mod channels;
mod conditions;
mod delivery;
mod enrolment;
mod expiry;
mod fields;
mod hello;
mod hostile;
mod leaving;
mod limits;
mod lost_answer;
mod matrix;
mod methods;
mod notifiers;
mod pages;
mod paths;
mod place;
mod providers;
mod refusals;
mod rotators;
mod schedules;
mod sealed_rows;
mod stream;
mod tls;
mod world;
mod writer;
mod zoo;
