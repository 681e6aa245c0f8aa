#![no_main]
//! Both ends of the RESP codec.

use chatring_resp::Resp;
use chatring_sdk::Role;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    chatring_fuzz::check::<Resp>(Role::Server, data);
    chatring_fuzz::check::<Resp>(Role::Client, data);
});
