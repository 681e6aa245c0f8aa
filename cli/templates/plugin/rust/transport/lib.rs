//! The transport `{{name}}`: people talk to it in lines, with netcat if they like.
//!
//! ```text
//! NICK joe                         what is sent: a command and its arguments; a last one with blanks begins with `:`
//! ENTER #lobby
//! MSG #lobby :hello, everyone
//! [#lobby] <ann> hi joe            what comes: what is said in groups, …
//! = sent #lobby 12                 … answers, …
//! ! NOGROUP no such group          … refusals, …
//! * ping 1700000000                … and whatever else happens. `PONG 1700000000` answers this one
//! ```
//!
//! Settings: `prefix = "text"` stands before every line that is sent.

mod settings;

use chatring_sdk::{Arg, Broken, ChatEntry, Decoded, Flow, Kind, Record, Role, Transport};
use std::ffi::CStr;

/// A longer line is not believed.
pub const LINE_MAX: usize = 4096;

/// The codec. It never sees a socket: bytes come in and records go out, and the other way round.
pub struct Plugin {
    prefix: String,
}

impl Transport for Plugin {
    const NAME: &'static CStr = c"{{name}}";
    const VERSION: &'static CStr = chatring_sdk::version!();
    /// What is known of one connection. Keep it small: there are many.
    type Conn = ();

    fn start(config: &str) -> Result<Self, String> {
        Ok(Plugin { prefix: settings::read(config, "prefix")? })
    }

    fn open(&self, _role: Role) {}

    fn decode(&self, _conn: &mut (), input: &[u8], out: &mut dyn Decoded) -> Result<usize, Broken> {
        let mut used = 0;
        // Whole lines only: what is left is offered again, with more behind it.
        while let Some(end) = input[used..].iter().take(LINE_MAX + 1).position(|byte| *byte == b'\n') {
            let line = &input[used..used + end];
            used += end + 1;
            let words = words(line.strip_suffix(b"\r").unwrap_or(line));
            if !words.is_empty() && out.record(&Record::new(Kind::Command, &words)) == Flow::Stop {
                return Ok(used);
            }
        }
        if input.len() - used > LINE_MAX { Err(Broken) } else { Ok(used) }
    }

    /// All get the same bytes for the same event.
    fn class_of(&self, _conn: &()) -> u32 {
        0
    }

    fn encode(&self, _class: u32, event: &Record<'_>, out: &mut Vec<u8>) {
        // The fields of an event are listed in docs/records.md; what is missing reads as empty.
        let (group, nick) = (event.arg(1), event.arg(6));
        let line: Vec<&[u8]> = match (event.kind, event.name()) {
            (Kind::Push, "message") => vec![b"[", group, b"] <", nick, b"> ", event.arg(12)],
            (Kind::Push, "join") => vec![b"[", group, b"] ", nick, b" came"],
            (Kind::Push, "part") => vec![b"[", group, b"] ", nick, b" left: ", event.arg(11)],
            (Kind::Push, "return" | "away" | "call") => return,
            (kind, _) => {
                let mark: &[u8] = match kind {
                    Kind::Push => b"*",
                    Kind::Error => b"!",
                    _ => b"=",
                };
                // The name of an error is always `error`.
                let args = event.argv.iter().skip(usize::from(kind == Kind::Error));
                std::iter::once(mark).chain(args.flat_map(|arg| [&b" "[..], arg.as_bytes()])).collect()
            }
        };
        out.extend_from_slice(self.prefix.as_bytes());
        // A line stays one, whatever somebody wrote.
        out.extend(line.into_iter().flatten().map(|byte| if byte.is_ascii_control() { b' ' } else { *byte }));
        out.push(b'\n');
    }
}

/// The words of a line. One that begins with `:` goes on to the end.
fn words(line: &[u8]) -> Vec<Arg<'_>> {
    let (mut words, mut rest) = (Vec::new(), line);
    while let Some(start) = rest.iter().position(|byte| *byte != b' ') {
        rest = &rest[start..];
        if let Some(text) = rest.strip_prefix(b":").filter(|_| !words.is_empty()) {
            words.push(Arg::new(text));
            break;
        }
        let end = rest.iter().position(|byte| *byte == b' ').unwrap_or(rest.len());
        words.push(Arg::new(&rest[..end]));
        rest = &rest[end..];
    }
    words
}

/// What chatd finds in this library.
pub fn entry() -> &'static ChatEntry {
    chatring_sdk::entry::transport::<Plugin>()
}

chatring_sdk::export!(entry);
