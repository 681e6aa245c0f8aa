//! RESP2 and RESP3, Redis's protocol, as a codec: the language of native clients, of nodes among themselves, and of anyone's
//! `redis-cli` or Redis library.
//!
//! One connection is in one of two dialects. A *native* peer (it said `JOIN`, `SESSION`, `PEER` or `WATCH`) hears every push whole.
//! Any other peer is taken for a Redis client and hears only what Redis itself would push: `message`, `subscribe`,
//! `unsubscribe`. Replies are the same for both.
//!
//! Invariants: a frame is held to its limits before its bytes are waited for; a byte is scanned once however finely the input
//! is cut; nothing is kept between calls but [`Conn`]'s few numbers. Commands are not looked at here beyond their name: which
//! exist, and who may call them, is the node's business.
#![warn(missing_docs)]

mod command;
mod config;
mod encode;
mod frame;
mod inline;
mod reply;

use chatring_sdk::{Broken, ChatEntry, Decoded, Flow, Kind, Record, Role, Transport};
use config::Config;
use frame::Progress;

/// The plugin, for a program that links it in.
pub fn entry() -> &'static ChatEntry {
    chatring_sdk::entry::transport::<Resp>()
}

#[cfg(feature = "export")]
chatring_sdk::export!(entry);

/// The codec.
pub struct Resp {
    config: Config,
}

/// State of one connection.
#[derive(Debug)]
pub struct Conn {
    progress: Progress,
    flags: u8,
}

// There is one per connected client.
const _: () = assert!(size_of::<Conn>() <= 16);

/// The peer asked for RESP3. Part of the class.
const PROTO3: u8 = 1;
/// The peer speaks our own language. Part of the class.
const NATIVE: u8 = 2;
/// We dialled: the peer sends replies.
const DIALLED: u8 = 4;
/// A Redis client with subscriptions: in RESP2 it expects `PONG` in the shape of a push.
const SUBSCRIBED: u8 = 8;

/// The part of the flags that decides how a push looks.
const CLASS: u8 = PROTO3 | NATIVE;

/// What only native clients say.
const NATIVE_COMMANDS: [&[u8]; 4] = [b"JOIN", b"SESSION", b"PEER", b"WATCH"];

impl Transport for Resp {
    const NAME: &'static std::ffi::CStr = c"resp";
    const VERSION: &'static std::ffi::CStr = chatring_sdk::version!();
    type Conn = Conn;

    fn start(config: &str) -> Result<Self, String> {
        let config = Config::parse(config)?;
        Ok(Resp { config })
    }

    fn open(&self, role: Role) -> Conn {
        let flags = match role {
            Role::Server => 0,
            Role::Client => DIALLED | PROTO3 | NATIVE,
        };
        Conn { progress: Progress::default(), flags }
    }

    fn decode(&self, conn: &mut Conn, input: &[u8], out: &mut dyn Decoded) -> Result<usize, Broken> {
        if conn.has(DIALLED) {
            // A server that breaks the protocol is not told so: it would take the words for a command.
            return reply::decode(&mut conn.progress, input, out).map_err(|_| Broken);
        }
        let mut seen = Commands { flags: &mut conn.flags, out };
        command::decode(&self.config, &mut conn.progress, input, &mut seen).map_err(|fault| {
            let _ = out.wire(format!("-ERR Protocol error: {fault}\r\n").as_bytes());
            Broken
        })
    }

    fn class_of(&self, conn: &Conn) -> u32 {
        u32::from(conn.flags & CLASS)
    }

    fn encode(&self, class: u32, record: &Record<'_>, out: &mut Vec<u8>) {
        encode::record(encode::Class::of(class), record, out);
    }

    fn encode_private(&self, conn: &mut Conn, record: &Record<'_>, out: &mut Vec<u8>) {
        if conn.has(DIALLED) {
            return encode::command(record, out);
        }
        conn.note(record);
        if conn.has(SUBSCRIBED) && !conn.has(PROTO3) && record.arg(0) == b"pong" {
            return encode::pushed_pong(record, out);
        }
        self.encode(self.class_of(conn), record, out);
    }
}

impl Conn {
    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    fn set(&mut self, flag: u8, on: bool) {
        self.flags = if on { self.flags | flag } else { self.flags & !flag };
    }

    /// Learns from an event on its way out: the reply to `HELLO` is already in the protocol it announces.
    fn note(&mut self, record: &Record<'_>) {
        match (record.kind, record.arg(0)) {
            (Kind::Map, b"hello") => {
                let pairs = record.argv.get(1..).unwrap_or_default().chunks_exact(2);
                if let Some(pair) = pairs.into_iter().find(|pair| &*pair[0] == b"proto") {
                    self.set(PROTO3, &*pair[1] == b"3");
                }
            }
            (Kind::Push, b"subscribe" | b"unsubscribe") => self.set(SUBSCRIBED, !matches!(record.arg(2), b"" | b"0")),
            _ => {}
        }
    }
}

/// Passes commands on, and notices by their names who is speaking.
struct Commands<'a> {
    flags: &'a mut u8,
    out: &'a mut dyn Decoded,
}

impl Decoded for Commands<'_> {
    fn record(&mut self, record: &Record<'_>) -> Flow {
        if NATIVE_COMMANDS.iter().any(|name| record.arg(0).eq_ignore_ascii_case(name)) {
            *self.flags |= NATIVE;
        }
        self.out.record(record)
    }

    fn wire(&mut self, bytes: &[u8]) -> Flow {
        self.out.wire(bytes)
    }
}
