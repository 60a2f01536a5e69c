//! libFuzzer at the target `filter`, see src/lib.rs.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| harness::filter(data));
