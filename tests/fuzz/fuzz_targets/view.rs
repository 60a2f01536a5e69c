//! libFuzzer at the target `view`, see src/lib.rs.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| harness::view(data));
