//! Finds the end of a frame, and reads the elements of one that is whole.
//!
//! RESP says beforehand how long everything is, so the end of a frame can be found by hopping from head to head:
//!
//! ```text
//!     *2\r\n  $4\r\n PING\r\n  $5\r\n hello\r\n
//!     ^head   ^head            ^head           ^end: no elements are left
//! ```
//!
//! [`Progress`] remembers the hop between calls, so no byte of an unfinished frame is scanned twice. Every length is held to
//! its limit when its head is read, before anyone waits for what it announces. Only a whole frame is taken apart
//! ([`item`]), so an unfinished one costs no memory but its own bytes.

use thiserror::Error;

/// What is wrong with the peer's bytes. The text goes to the peer.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Fault {
    #[error("expected '$', got '{}'", .0.escape_ascii())]
    Word(u8),
    #[error("'{}' starts no value", .0.escape_ascii())]
    Tag(u8),
    #[error("invalid count of arguments")]
    Count,
    #[error("invalid length of a bulk string")]
    Length,
    #[error("invalid number, boolean or null")]
    Scalar,
    #[error("expected CR LF at the end of a value")]
    Ending,
    #[error("more than {0} arguments")]
    Args(usize),
    #[error("a bulk string of more than {0} bytes")]
    Bulk(usize),
    #[error("a frame of more than {0} bytes")]
    Frame(usize),
    #[error("a line of more than {0} bytes")]
    Line(usize),
    #[error("nested more than {0} deep")]
    Depth(usize),
    #[error("binary data where a command was expected")]
    Binary,
    #[error("unbalanced quotes")]
    Quotes,
    #[error("this is a chat server that speaks RESP, not HTTP; try redis-cli or chatctl")]
    Http,
}

/// Bounds of one frame, in bytes and counts.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub frame: usize,
    pub bulk: usize,
    pub args: usize,
    pub line: usize,
}

/// Which frames are expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Arrays of bulk strings. What does not start with `*` is typed by hand and not for [`Progress::frame`].
    Commands,
    /// Whatever a server may send.
    Replies,
}

/// How far the unfinished frame at the front of the input was understood. All zero: not at all.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// Where the next head starts; past the end of the input while a bulk string is awaited.
    at: u32,
    /// How many elements are still to come.
    left: u32,
    /// Up to here the line at `at` is known to hold no line feed.
    scanned: u32,
}

impl Progress {
    /// The length of the frame at the front of `input`, once all of it is there.
    pub fn frame(&mut self, input: &[u8], dialect: Dialect, limits: &Limits) -> Result<Option<usize>, Fault> {
        if self.at == 0 {
            self.left = 1;
        }
        loop {
            let at = self.at as usize;
            let Some(before) = input.get(..at) else {
                return Ok(None);
            };
            if at > 0 && !before.ends_with(b"\r\n") {
                return Err(Fault::Ending);
            }
            if self.left == 0 {
                *self = Progress::default();
                return Ok(Some(at));
            }
            let Some(line) = self.head_line(input, dialect, limits)? else {
                return Ok(None);
            };
            let (body, children) = match head(line)? {
                Head::Nested(count) => (0, count),
                Head::Bulk(len) if len > limits.bulk => return Err(Fault::Bulk(limits.bulk)),
                Head::Bulk(len) => (len + 2, 0),
                Head::Null if dialect == Dialect::Commands => return Err(null_in_command(line)),
                Head::Null | Head::Line => (0, 0),
            };
            let left = (self.left as usize - 1).saturating_add(children);
            if left > limits.args {
                return Err(Fault::Args(limits.args));
            }
            // Every element still to come takes at least three bytes.
            let next = at + line.len() + 2 + body;
            if next.saturating_add(left * 3) > limits.frame {
                return Err(Fault::Frame(limits.frame));
            }
            // Both fit: limits are below 2^32.
            (self.at, self.left) = (next as u32, left as u32);
        }
    }

    /// The head at `at` without its CR LF. Refuses a wrong first byte at once, not when the line is whole.
    fn head_line<'a>(&mut self, input: &'a [u8], dialect: Dialect, limits: &Limits) -> Result<Option<&'a [u8]>, Fault> {
        let at = self.at as usize;
        let Some(&tag) = input.get(at) else {
            return Ok(None);
        };
        match dialect {
            Dialect::Commands if at > 0 && tag != b'$' => return Err(Fault::Word(tag)),
            Dialect::Replies if !TAGS.contains(&tag) => return Err(Fault::Tag(tag)),
            _ => {}
        }
        match self.line_feed(input) {
            Some(end) if end - at > limits.line => Err(Fault::Line(limits.line)),
            Some(end) => input[at..end].strip_suffix(b"\r").ok_or(Fault::Ending).map(Some),
            None if input.len() - at > limits.line => Err(Fault::Line(limits.line)),
            None => Ok(None),
        }
    }

    /// The first line feed at or behind `at`, looked for only where no call has looked yet.
    fn line_feed(&mut self, input: &[u8]) -> Option<usize> {
        let from = self.at.max(self.scanned) as usize;
        let found = input.get(from..)?.iter().position(|byte| *byte == b'\n');
        if found.is_none() {
            self.scanned = input.len() as u32;
        }
        Some(from + found?)
    }

    /// The length of the line of text at the front of `input` with its line feed, of at most `max` bytes. Refuses control
    /// characters as soon as they come.
    pub fn text_line(&mut self, input: &[u8], max: usize) -> Result<Option<usize>, Fault> {
        let known = self.scanned as usize;
        let end = self.line_feed(input);
        let line = &input[..end.unwrap_or(input.len())];
        // What stands past the limit is not looked at, so that the cuts in the input don't decide what is wrong with it.
        let fresh = line[..line.len().min(max + 1)].get(known..).unwrap_or_default();
        if fresh.iter().any(|byte| byte.is_ascii_control() && !b"\t\r".contains(byte)) {
            return Err(Fault::Binary);
        }
        if line.len() > max {
            return Err(Fault::Line(max));
        }
        if end.is_some() {
            *self = Progress::default();
        }
        Ok(end.map(|end| end + 1))
    }
}

/// One element of a whole frame.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    /// The byte that says its type.
    pub tag: u8,
    /// What the head says.
    pub head: Head,
    /// Its text; the digits of the count for an aggregate; empty for null.
    pub text: &'a [u8],
    /// Where the next one starts.
    pub next: usize,
}

/// What the first line of an element says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// The element is the line.
    Line,
    /// Nothing there.
    Null,
    /// So many bytes and CR LF follow.
    Bulk(usize),
    /// So many elements follow.
    Nested(usize),
}

/// The element at `at` in a frame that [`Progress::frame`] found whole.
pub fn item(frame: &[u8], at: usize) -> Result<Item<'_>, Fault> {
    let rest = frame.get(at..).ok_or(Fault::Ending)?;
    let end = rest.iter().position(|byte| *byte == b'\n').ok_or(Fault::Ending)?;
    let line = rest[..end].strip_suffix(b"\r").ok_or(Fault::Ending)?;
    let head = head(line)?;
    let (text, len) = match head {
        Head::Null => (&line[..0], end + 1),
        Head::Line | Head::Nested(_) => (&line[1..], end + 1),
        Head::Bulk(len) => (rest[end + 1..].get(..len).ok_or(Fault::Ending)?, end + 1 + len + 2),
    };
    Ok(Item { tag: line[0], head, text, next: at + len })
}

fn head(line: &[u8]) -> Result<Head, Fault> {
    let (&tag, rest) = line.split_first().ok_or(Fault::Tag(b'\r'))?;
    Ok(match (tag, rest) {
        (b'+' | b'-', _) => Head::Line,
        (b':' | b'(', _) if is_integer(rest) => Head::Line,
        (b',', [_, ..]) if rest.iter().all(u8::is_ascii_graphic) => Head::Line,
        (b'#', b"t" | b"f") => Head::Line,
        (b'_', b"") | (b'$' | b'*', b"-1") => Head::Null,
        (b'$' | b'=' | b'!', _) => Head::Bulk(length(rest).ok_or(Fault::Length)?),
        (b'*' | b'~' | b'>', _) => Head::Nested(length(rest).ok_or(Fault::Count)?),
        (b'%', _) => Head::Nested(length(rest).ok_or(Fault::Count)?.saturating_mul(2)),
        (b':' | b'(' | b',' | b'#' | b'_', _) => return Err(Fault::Scalar),
        _ => return Err(Fault::Tag(tag)),
    })
}

fn null_in_command(line: &[u8]) -> Fault {
    if line[0] == b'*' { Fault::Count } else { Fault::Length }
}

/// A decimal number; one too large for any limit counts as half of the largest there is, so that sums don't overflow.
fn length(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = digits.iter().try_fold(0usize, |sum, digit| sum.checked_mul(10)?.checked_add(usize::from(digit - b'0')));
    Some(number.unwrap_or(usize::MAX).min(usize::MAX / 2))
}

/// Whether these are the digits of a whole number, of whatever size.
pub fn is_integer(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

const TAGS: &[u8] = b"+-:$*>%~_#,(=!";
