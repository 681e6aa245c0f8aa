#![no_main]
//! The IRC codec, as a server.

use chatring_irc::Irc;
use chatring_sdk::Role;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    chatring_fuzz::check::<Irc>(Role::Server, data);
});
