//! The parsers, as the fuzzer sees them: the same file that `make test` feeds the corpora to.

#[path = "../../src/parsers.rs"]
pub mod parsers;
