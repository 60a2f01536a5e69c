//! libFuzzer at the target `index`, see src/lib.rs.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| harness::index(data));
