//! verify: transport.decodes FAILED failed inside
//!
//! A codec in Rust that panics when it is pinged; with `panic = "start"` in its table already when it is started.

use chatring_sdk::{Arg, Broken, ChatEntry, Decoded, Flow, Kind, Record, Role, Transport};
use std::ffi::CStr;

/// The codec.
pub struct Panics;

impl Transport for Panics {
    const NAME: &'static CStr = c"panics";
    type Conn = ();

    fn start(config: &str) -> Result<Self, String> {
        assert!(!config.contains("start"), "as its table wishes");
        Ok(Panics)
    }

    fn open(&self, _role: Role) {}

    fn decode(&self, _conn: &mut (), input: &[u8], out: &mut dyn Decoded) -> Result<usize, Broken> {
        let mut used = 0;
        while let Some(end) = input[used..].iter().take(512).position(|byte| *byte == b'\n') {
            let line = &input[used..used + end];
            assert!(!line.starts_with(b"PING"), "as the peer wished");
            used += end + 1;
            if out.record(&Record::new(Kind::Command, &[Arg::new(line)])) == Flow::Stop {
                break;
            }
        }
        if input.len() - used > 512 && !input[used..].contains(&b'\n') { Err(Broken) } else { Ok(used) }
    }

    fn class_of(&self, _conn: &()) -> u32 {
        0
    }

    fn encode(&self, _class: u32, record: &Record<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(record.arg(0));
        out.push(b'\n');
    }
}

fn entry() -> &'static ChatEntry {
    chatring_sdk::entry::transport::<Panics>()
}

chatring_sdk::export!(entry);
