//! Fuzzes `parsers::certificate`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| secretref_fuzz::parsers::certificate(bytes));
