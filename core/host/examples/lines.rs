//! A whole transport plugin, as small as one can be: every line is a command of one word, `?` is answered on the wire.
//!
//! `cargo build -p chatring-host --example lines` makes the shared library. The host's tests load it, and link in this very
//! file, to see that both ways are one.

use chatring_sdk::{Arg, Broken, ChatEntry, Decoded, Flow, Kind, Record, Role, Transport};
use std::ffi::CStr;

/// A longer line is not believed.
const LINE_MAX: usize = 512;

/// The codec. Its config, if any, goes before every line it writes.
pub struct Lines {
    prefix: String,
}

/// State of one connection: how many lines came.
pub struct Conn {
    lines: u32,
}

impl Transport for Lines {
    const NAME: &'static CStr = c"lines";
    const VERSION: &'static CStr = chatring_sdk::version!();
    type Conn = Conn;

    fn start(config: &str) -> Result<Self, String> {
        if config.contains('\n') {
            return Err("its config must be one line".to_string());
        }
        Ok(Lines { prefix: config.to_string() })
    }

    fn open(&self, _role: Role) -> Conn {
        Conn { lines: 0 }
    }

    fn decode(&self, conn: &mut Conn, input: &[u8], out: &mut dyn Decoded) -> Result<usize, Broken> {
        let mut used = 0;
        while let Some(end) = input[used..].iter().take(LINE_MAX + 1).position(|byte| *byte == b'\n') {
            let line = &input[used..used + end];
            used += end + 1;
            conn.lines = conn.lines.saturating_add(1);
            let flow = match line {
                b"?" => out.wire(b"!\n"),
                b"panic" => panic!("as the peer wished"),
                line => out.record(&Record::new(Kind::Command, &[Arg::new(line)])),
            };
            if flow == Flow::Stop {
                return Ok(used);
            }
        }
        if input.len() - used > LINE_MAX { Err(Broken) } else { Ok(used) }
    }

    /// Who has said three lines is of a class of its own.
    fn class_of(&self, conn: &Conn) -> u32 {
        u32::from(conn.lines >= 3)
    }

    fn encode(&self, class: u32, record: &Record<'_>, out: &mut Vec<u8>) {
        assert_ne!(record.name(), "panic", "as the node wished");
        out.extend_from_slice(format!("{}{class}", self.prefix).as_bytes());
        for arg in record.argv {
            out.push(b' ');
            out.extend_from_slice(arg);
        }
        out.push(b'\n');
    }
}

/// For programs that link it in.
pub fn entry() -> &'static ChatEntry {
    chatring_sdk::entry::transport::<Lines>()
}

chatring_sdk::export!(entry);
