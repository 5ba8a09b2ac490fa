//! Fuzzes `parsers::scan`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| secretref_fuzz::parsers::scan(bytes));
