//! libFuzzer at the target `record`, see src/lib.rs.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| harness::record(data));
