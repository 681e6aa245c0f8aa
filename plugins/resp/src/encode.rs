//! Events as RESP2 and RESP3. Never allocates but in the caller's buffer.

use crate::frame::is_integer;
use crate::{NATIVE, PROTO3};
use chatring_sdk::{Arg, Kind, Record};

/// What the bytes of an event depend on beside the event.
#[derive(Clone, Copy, Debug)]
pub struct Class {
    proto3: bool,
    native: bool,
}

impl Class {
    pub fn of(class: u32) -> Class {
        Class { proto3: class & u32::from(PROTO3) != 0, native: class & u32::from(NATIVE) != 0 }
    }

    fn push_tag(self) -> u8 {
        if self.proto3 { b'>' } else { b'*' }
    }
}

/// Where the text of a `message` stands: word, group, seq, term, id, time, nick, user, host, account, real, kind, text.
const TEXT: usize = 12;

/// Appends an event.
pub fn record(class: Class, record: &Record<'_>, out: &mut Vec<u8>) {
    let rest = record.argv.get(1..).unwrap_or_default();
    match record.kind {
        Kind::Push => push(class, record, out),
        Kind::Command | Kind::Named => list(b'*', record.argv, out),
        Kind::Array => list(b'*', rest, out),
        Kind::Rows => rows(rest, out),
        Kind::Map => map(class, record, rest, out),
        Kind::Status => line(b'+', &[record.arg(1)], out),
        Kind::Error => error(record, out),
        Kind::Integer => integer(record.arg(1), out),
        Kind::Text => bulk(record.arg(1), out),
        Kind::Null => null(class, out),
    }
}

/// Appends whatever it is as a command: what the end that dialled sends.
pub fn command(record: &Record<'_>, out: &mut Vec<u8>) {
    list(b'*', record.argv, out);
}

/// `PONG` for a RESP2 client with subscriptions, to whom everything has to look like a push.
pub fn pushed_pong(record: &Record<'_>, out: &mut Vec<u8>) {
    let text = if record.kind == Kind::Text { record.arg(1) } else { b"" };
    list(b'*', &[Arg::from("pong"), Arg::new(text)], out);
}

fn push(class: Class, record: &Record<'_>, out: &mut Vec<u8>) {
    match record.arg(0) {
        // Redis clients know no pings from the server, and would not answer.
        b"ping" => {}
        b"subscribe" | b"unsubscribe" => subscription(class, record, out),
        _ if class.native => list(class.push_tag(), record.argv, out),
        b"message" => message(class, record, out),
        // Redis has no word for it, and its clients stumble over words they don't know.
        _ => {}
    }
}

fn message(class: Class, record: &Record<'_>, out: &mut Vec<u8>) {
    let (group, text) = (record.arg(1), record.arg(TEXT));
    if !matches!(group.first(), Some(b'#' | b'@')) {
        return;
    }
    out.reserve(group.len() + text.len() + 48);
    head(class.push_tag(), 3, out);
    out.extend_from_slice(b"$7\r\nmessage\r\n");
    bulk(group, out);
    bulk(text, out);
}

fn subscription(class: Class, record: &Record<'_>, out: &mut Vec<u8>) {
    head(class.push_tag(), 3, out);
    bulk(record.arg(0), out);
    match record.arg(1) {
        b"" => null(class, out),
        group => bulk(group, out),
    }
    integer(record.arg(2), out);
}

fn list(tag: u8, argv: &[Arg<'_>], out: &mut Vec<u8>) {
    head(tag, argv.len(), out);
    for arg in argv {
        bulk(arg, out);
    }
}

fn rows(rest: &[Arg<'_>], out: &mut Vec<u8>) {
    let (width, cells) = rest.split_first().map_or((1, rest), |(width, cells)| (number(width).max(1), cells));
    head(b'*', cells.len().div_ceil(width), out);
    for row in cells.chunks(width) {
        list(b'*', row, out);
    }
}

fn map(class: Class, record: &Record<'_>, rest: &[Arg<'_>], out: &mut Vec<u8>) {
    let pairs = rest.len().div_ceil(2);
    if class.proto3 {
        head(b'%', pairs, out)
    } else {
        head(b'*', pairs * 2, out)
    }
    let hello = record.arg(0) == b"hello";
    for pair in rest.chunks(2) {
        bulk(&pair[0], out);
        match (&*pair[0], pair.get(1)) {
            (_, None) => null(class, out),
            // Client libraries compare the version with a number, and walk over the modules.
            (b"proto" | b"id", Some(value)) if hello && is_integer(value) => integer(value, out),
            (b"modules", Some(value)) if hello && value.is_empty() => head(b'*', 0, out),
            (_, Some(value)) => bulk(value, out),
        }
    }
}

fn error(record: &Record<'_>, out: &mut Vec<u8>) {
    let code = record.arg(1);
    line(b'-', &[if code.is_empty() { b"ERR" } else { code }, b" ", record.arg(2)], out);
}

/// A number that is none would break the stream, so it goes as text.
fn integer(text: &[u8], out: &mut Vec<u8>) {
    if is_integer(text) { line(b':', &[text], out) } else { bulk(text, out) }
}

fn null(class: Class, out: &mut Vec<u8>) {
    out.extend_from_slice(if class.proto3 { b"_\r\n" } else { b"$-1\r\n" });
}

/// One line. Line breaks inside become blanks: they would start a reply that nobody sent.
fn line(tag: u8, parts: &[&[u8]], out: &mut Vec<u8>) {
    out.push(tag);
    for part in parts {
        out.extend(part.iter().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte }));
    }
    out.extend_from_slice(b"\r\n");
}

fn bulk(text: &[u8], out: &mut Vec<u8>) {
    head(b'$', text.len(), out);
    out.extend_from_slice(text);
    out.extend_from_slice(b"\r\n");
}

fn head(tag: u8, number: usize, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut from = digits.len();
    let mut rest = number;
    loop {
        from -= 1;
        digits[from] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.push(tag);
    out.extend_from_slice(&digits[from..]);
    out.extend_from_slice(b"\r\n");
}

fn number(text: &[u8]) -> usize {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}
