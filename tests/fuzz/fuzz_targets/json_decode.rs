#![no_main]
//! The JSON codec, as a server.

use chatring_json::Json;
use chatring_sdk::Role;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    chatring_fuzz::check::<Json>(Role::Server, data);
});
