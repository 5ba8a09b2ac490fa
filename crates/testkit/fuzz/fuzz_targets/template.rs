//! Fuzzes `parsers::template`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| secretref_fuzz::parsers::template(bytes));
