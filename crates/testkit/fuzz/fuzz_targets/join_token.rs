//! Fuzzes `parsers::join_token`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| secretref_fuzz::parsers::join_token(bytes));
