//! IRC, as the clients people use every day speak it.
//!
//! A codec: lines become command records, events become lines and numerics (docs/records.md). It knows no group and no person;
//! whatever depends on them is the node's to say. It keeps per connection what IRC keeps per connection: the capabilities, the
//! client's own nick, and, until the client is welcome, what it has told so far. The way in is `line` → `command` and `register`,
//! the way out `entry` (what a group hears, the same for everyone of a class) and `reply` (what one client hears), both through
//! `write`, where every outgoing line is made safe.
//!
//! Absent on purpose: services, server-to-server IRC, operators of the network, user modes, and being a client.
#![warn(missing_docs)]

mod caps;
mod command;
mod entry;
mod line;
mod register;
mod reply;
mod sink;
mod time;
mod write;

use caps::Caps;
use chatring_sdk::{Broken, ChatEntry, Decoded, Record, Role, Transport};
use command::Step;
use line::{Cut, Message};
use register::Registration;
use sink::Sink;
use std::ffi::CStr;
use write::Line;

/// The plugin, for programs that link it in.
pub fn entry() -> &'static ChatEntry {
    chatring_sdk::entry::transport::<Irc>()
}

#[cfg(feature = "export")]
chatring_sdk::export!(entry);

/// The codec.
pub struct Irc {
    /// What the server is called before the node has said its name.
    server_name: String,
}

/// State of one connection: 64 bytes and two short names once its client is welcome.
pub struct Conn {
    /// What the client is called; [`NOBODY`] until it is welcome.
    nick: Box<str>,
    server: Box<str>,
    /// `None` once the client is welcome.
    registration: Option<Box<Registration>>,
    /// Whom the latest WHOIS was about, while unanswered: it ends with a line of its own even when refused.
    whois: Option<Box<str>>,
    /// How many items of the list at the front of the input were handed over before the node said stop.
    item: u16,
    caps: Caps,
    /// What comes is the rest of a line that was too long.
    skipping: bool,
    role: Role,
}

// There is one per connected client.
const _: () = assert!(size_of::<Conn>() <= 64);

impl Transport for Irc {
    const NAME: &'static CStr = c"irc";
    const VERSION: &'static CStr = chatring_sdk::version!();
    type Conn = Conn;

    /// `server_name` is the only setting.
    fn start(config: &str) -> Result<Irc, String> {
        let table: toml::Table = config.parse().map_err(|error: toml::de::Error| error.to_string())?;
        let mut irc = Irc { server_name: "chatring".to_owned() };
        for (key, value) in &table {
            match (key.as_str(), value) {
                ("server_name", toml::Value::String(name)) if !name.is_empty() => irc.server_name = server_name(name.as_bytes()),
                ("server_name", _) => return Err("server_name: expected a name in quotes".to_owned()),
                _ => return Err(format!("{key}: unknown; expected server_name")),
            }
        }
        Ok(irc)
    }

    fn open(&self, role: Role) -> Conn {
        Conn {
            nick: NOBODY.into(),
            server: self.server_name.as_str().into(),
            registration: Some(Box::default()),
            whois: None,
            item: 0,
            caps: Caps::default(),
            skipping: false,
            role,
        }
    }

    /// Refuses to be the client's end: nothing in chatring dials out in IRC.
    fn decode(&self, conn: &mut Conn, input: &[u8], out: &mut dyn Decoded) -> Result<usize, Broken> {
        if conn.role == Role::Client {
            return Err(Broken);
        }
        let mut sink = Sink::new(out);
        let mut used = 0;
        while used < input.len() && !sink.stopped() {
            let rest = &input[used..];
            if conn.skipping {
                let end = rest.iter().position(|&b| b == b'\n');
                conn.skipping = end.is_none();
                used += end.map_or(rest.len(), |end| end + 1);
                continue;
            }
            command::expect_irc(conn, rest[0], &mut sink)?;
            match line::cut(rest) {
                Cut::More => break,
                Cut::TooLong(len, ended) => {
                    sink.line(|out| conn.reply(out, "417").trailing(b"Input line was too long"));
                    conn.skipping = !ended;
                    used += len;
                }
                Cut::Line(line, len) => match conn.take(line, &mut sink)? {
                    Step::Done => used += len,
                    Step::Unfinished => break,
                },
            }
        }
        Ok(used)
    }

    fn class_of(&self, conn: &Conn) -> u32 {
        conn.caps.class()
    }

    fn encode(&self, class: u32, record: &Record<'_>, out: &mut Vec<u8>) {
        entry::encode(Caps::of_class(class), record, out);
    }

    fn encode_private(&self, conn: &mut Conn, record: &Record<'_>, out: &mut Vec<u8>) {
        if !reply::encode(conn, record, out) {
            self.encode(conn.caps.class(), record, out);
        }
    }
}

impl Conn {
    /// Takes one line, or as much of it as the node wants this turn.
    fn take(&mut self, line: &[u8], sink: &mut Sink<'_>) -> Result<Step, Broken> {
        let text = std::str::from_utf8(line).ok().filter(|text| !text.contains(['\0', '\r']));
        let Some(text) = text else {
            self.expect_text(line, sink)?;
            sink.line(|out| {
                let line = Line::new(out).raw(":").raw(&self.server).raw(" FAIL * INVALID_UTF8");
                line.trailing(b"That line was not UTF-8 text and is ignored");
            });
            return Ok(Step::Done);
        };
        match Message::parse(text) {
            Some(message) => command::take(self, &message, sink),
            None => Ok(Step::Done),
        }
    }

    /// A strange byte in a text is a client's wrong setting; a zero byte from who has not even said a name is another protocol.
    fn expect_text(&self, line: &[u8], sink: &mut Sink<'_>) -> Result<(), Broken> {
        if line.contains(&0) { command::expect_irc(self, 0, sink) } else { Ok(()) }
    }

    /// Begins a line from the server to this client: a numeric or a command, and whom it is for.
    fn reply<'o>(&self, out: &'o mut Vec<u8>, word: &str) -> Line<'o> {
        let line = Line::new(out).raw(":").raw(&self.server).raw(" ").raw(word);
        line.middle(self.nick.as_bytes())
    }

    /// The client's next `CAP END` is waited for.
    fn negotiate(&mut self) {
        if let Some(registration) = &mut self.registration {
            registration.negotiate();
        }
    }
}

/// What someone without a nick is called.
const NOBODY: &str = "*";

/// What IRC calls a node: a server's name has no colon (`127.0.0.2:7411`), nor anything else that would end a word.
pub(crate) fn server_name(node: &[u8]) -> String {
    let plain = |&b: &u8| if b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_') { b as char } else { '-' };
    let name: String = node.iter().take(SERVER_NAME_MAX).map(plain).collect();
    if name.is_empty() { "chatring".to_owned() } else { name }
}

/// Most of a server's name, in bytes.
const SERVER_NAME_MAX: usize = 63;
