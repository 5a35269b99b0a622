//! Fuzzes `inputs::definition_yaml`.
#![no_main]

#[path = "../inputs.rs"]
mod inputs;

libfuzzer_sys::fuzz_target!(|data: &[u8]| inputs::definition_yaml(data));
