//! Commands typed by hand: one line, words between blanks, quotes as in Redis.
//!
//! `"…"` knows `\n \r \t \b \a \\ \" \xHH`; `'…'` knows `\'` only. A closing quote ends its word. A browser that was talked
//! into speaking to this port sends lines as well: they are refused before anything in them is run.

use crate::frame::Fault;
use chatring_sdk::Arg;

/// The words of a line, unquoted.
pub struct Line {
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl Line {
    pub fn words(&self) -> Vec<Arg<'_>> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| Arg::new(&self.text[start..*end])).collect()
    }
}

/// Splits one line, its ending included.
pub fn split(line: &[u8], words_max: usize) -> Result<Line, Fault> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let mut rest = line.strip_suffix(b"\r").unwrap_or(line);
    if rest.contains(&b'\r') || std::str::from_utf8(rest).is_err() {
        return Err(Fault::Binary);
    }
    let mut found = Line { text: Vec::with_capacity(rest.len()), ends: Vec::new() };
    loop {
        rest = rest.trim_ascii_start();
        if rest.is_empty() {
            break;
        }
        if found.ends.len() == words_max {
            return Err(Fault::Args(words_max));
        }
        rest = word(rest, &mut found.text)?;
        found.ends.push(found.text.len());
    }
    if is_http(&found.words()) { Err(Fault::Http) } else { Ok(found) }
}

/// Appends the first word and returns what follows it.
fn word<'a>(mut rest: &'a [u8], text: &mut Vec<u8>) -> Result<&'a [u8], Fault> {
    loop {
        match rest {
            [] | [b' ' | b'\t', ..] => return Ok(rest),
            [quote @ (b'"' | b'\''), after @ ..] => {
                let after = quoted(*quote, after, text)?;
                return if matches!(after, [] | [b' ' | b'\t', ..]) { Ok(after) } else { Err(Fault::Quotes) };
            }
            [byte, after @ ..] => {
                text.push(*byte);
                rest = after;
            }
        }
    }
}

/// Appends what stands before the closing quote and returns what follows it.
fn quoted<'a>(quote: u8, mut rest: &'a [u8], text: &mut Vec<u8>) -> Result<&'a [u8], Fault> {
    loop {
        let (byte, after) = match (quote, rest) {
            (_, []) => return Err(Fault::Quotes),
            (_, [byte, after @ ..]) if *byte == quote => return Ok(after),
            (b'"', [b'\\', b'x', high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                (nibble(*high) << 4 | nibble(*low), after)
            }
            (b'"', [b'\\', byte, after @ ..]) => (escaped(*byte), after),
            (b'\'', [b'\\', b'\'', after @ ..]) => (b'\'', after),
            (_, [byte, after @ ..]) => (*byte, after),
        };
        text.push(byte);
        rest = after;
    }
}

fn escaped(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 8,
        b'a' => 7,
        other => other,
    }
}

fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

/// A request line, or the headers that can't be missing from a request that carries a body.
fn is_http(words: &[Arg<'_>]) -> bool {
    match words {
        [_, target, version] if version.starts_with(b"HTTP/") => {
            &**target == b"*" || target.starts_with(b"/") || target.starts_with(b"http:")
        }
        [first, ..] => first.eq_ignore_ascii_case(b"post") || first.eq_ignore_ascii_case(b"host:"),
        [] => false,
    }
}
