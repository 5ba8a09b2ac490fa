//! The broker as its callers meet it: custody on a real database, and the whole broker on free
//! ports, by a clock that the tests move.

mod authority_log;
mod delivery;
mod enrolment;
mod fields;
mod hello;
mod hostile;
mod methods;
mod pages;
mod place;
mod sealed_rows;
mod stream;
mod world;
mod writer;
