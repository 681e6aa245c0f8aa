//! JSON, one object a line: the simplest way to write a bot, and what docs/json.md describes.
//!
//! A codec: lines become command records, events become lines (docs/records.md). It knows no group and no person; whatever depends on
//! them is the node's to say. The way in is `line` → `command`, the way out `event` (what there is) and `encode` (how it looks); `waiting`
//! keeps which command the next reply answers, so that it can carry the command's `id`.
//!
//! Invariants: whatever a line says, it is answered once and in its turn, and the connection stays; what a group hears is the same bytes
//! for everyone. Absent on purpose: being a client, and what only operators of the network ask for.
#![warn(missing_docs)]

mod command;
mod config;
mod encode;
mod event;
mod line;
mod mode;
#[cfg(test)]
mod reference;
mod waiting;

use chatring_sdk::{Arg, Broken, ChatEntry, Decoded, Flow, Kind, Record, Role, Transport};
use command::Fault;
use config::Config;
use line::{Cut, Lines};
use std::ffi::CStr;
use waiting::Waiting;

/// The plugin, for programs that link it in.
pub fn entry() -> &'static ChatEntry {
    chatring_sdk::entry::transport::<Json>()
}

#[cfg(feature = "export")]
chatring_sdk::export!(entry);

/// The codec.
pub struct Json {
    config: Config,
}

/// State of one connection.
pub struct Conn {
    waiting: Waiting,
    lines: Lines,
    /// A line has come, so this is no web browser.
    is_known: bool,
    role: Role,
}

// There is one per connected client.
const _: () = assert!(size_of::<Conn>() <= 64);

/// Answers that one connection may wait for. A node stops reading long before, so past it something is wrong with the node.
const WAITING_MAX: usize = 1 << 16;

/// The only class: everyone hears the same.
const CLASS: u32 = 0;

impl Transport for Json {
    const NAME: &'static CStr = c"json";
    const VERSION: &'static CStr = chatring_sdk::version!();
    type Conn = Conn;

    fn start(config: &str) -> Result<Json, String> {
        let config = Config::parse(config)?;
        Ok(Json { config })
    }

    fn open(&self, role: Role) -> Conn {
        Conn { waiting: Waiting::default(), lines: Lines::default(), is_known: false, role }
    }

    /// Refuses to be the client's end: nothing in chatring dials out in JSON.
    fn decode(&self, conn: &mut Conn, input: &[u8], out: &mut dyn Decoded) -> Result<usize, Broken> {
        if conn.role == Role::Client {
            return Err(Broken);
        }
        let mut used = 0;
        loop {
            let rest = &input[used..];
            if !conn.is_known && rest.first() == Some(&TLS) {
                return Err(refuse("this is not TLS", out));
            }
            let Some((cut, taken)) = conn.lines.next(rest, self.config.line_max) else { break };
            used += taken;
            if conn.take(cut, self.config.line_max, out)? == Flow::Stop {
                break;
            }
        }
        Ok(used)
    }

    fn class_of(&self, _conn: &Conn) -> u32 {
        CLASS
    }

    fn encode(&self, _class: u32, record: &Record<'_>, out: &mut Vec<u8>) {
        match record.kind {
            Kind::Push => encode::push(record, out),
            Kind::Command => {}
            _ => encode::reply(record, encode::Answered::default(), out),
        }
    }

    fn encode_private(&self, conn: &mut Conn, record: &Record<'_>, out: &mut Vec<u8>) {
        match record.kind {
            Kind::Push | Kind::Command => self.encode(CLASS, record, out),
            _ => conn.waiting.answer(record, out),
        }
    }
}

impl Conn {
    fn take(&mut self, cut: Cut<'_>, line_max: usize, out: &mut dyn Decoded) -> Result<Flow, Broken> {
        let line = match cut {
            Cut::Line(line) | Cut::TooLong(line) => line.trim_ascii(),
            Cut::Rest => return Ok(Flow::Continue),
        };
        if line.is_empty() && matches!(cut, Cut::Line(_)) {
            return Ok(Flow::Continue);
        }
        if !std::mem::replace(&mut self.is_known, true) && is_http(line) {
            return Err(refuse("this is not HTTP", out));
        }
        if self.waiting.len() >= WAITING_MAX {
            return Err(refuse("too many commands wait for their answers", out));
        }
        let parsed = match cut {
            Cut::TooLong(_) => {
                let text = format!("a line is at most {line_max} bytes; this one is skipped");
                Err((Box::new(Fault { code: "TOOLONG", text, word: None }), None))
            }
            _ => command::parse(line),
        };
        match parsed {
            Ok(asked) => {
                self.waiting.expect(asked.command, asked.id);
                // All records of a line, whatever the node says between them: it comes back for the next line.
                let flows: Vec<Flow> = asked.records.iter().map(|words| tell(words, out)).collect();
                Ok(if flows.contains(&Flow::Stop) { Flow::Stop } else { Flow::Continue })
            }
            Err((fault, id)) => {
                self.waiting.fault(fault, id);
                Ok(tell(&["PING".to_string()], out))
            }
        }
    }
}

fn tell(words: &[String], out: &mut dyn Decoded) -> Flow {
    let argv: Vec<Arg<'_>> = words.iter().map(|word| Arg::from(word.as_str())).collect();
    out.record(&Record::new(Kind::Command, &argv))
}

/// The last words to who speaks something else.
fn refuse(what: &str, out: &mut dyn Decoded) -> Broken {
    let mut bytes = Vec::new();
    encode::error("ERR", &format!("{what}; {}", command::EXPECTED), encode::Answered::default(), &mut bytes);
    let _ = out.wire(&bytes);
    Broken
}

/// What TLS begins with, and no JSON.
const TLS: u8 = 0x16;

/// What a web browser begins with.
const HTTP_METHODS: [&[u8]; 10] = [b"GET", b"POST", b"PUT", b"HEAD", b"DELETE", b"OPTIONS", b"CONNECT", b"TRACE", b"PATCH", b"PRI"];

/// Whether a first line is a request of a web browser: any page could have it say things here, in the name of whoever looks at it.
fn is_http(line: &[u8]) -> bool {
    let word = line.split(|byte| *byte == b' ').next().unwrap_or_default();
    word.len() < line.len() && HTTP_METHODS.contains(&word)
}
