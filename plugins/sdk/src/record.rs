//! Records: what passes between a codec and the node. See docs/records.md.
//!
//! A record borrows everything it holds, and its list of arguments has the layout of the C edge, so that it crosses the edge
//! in both directions without copying or allocating.

use chatring_abi::{ChatBytes, kind};
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

/// One byte string of a record. Laid out as the ABI's `chat_bytes`, so that a list of them crosses without copying.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct Arg<'a> {
    // Invariant: `data` is valid for `len` bytes for the whole of 'a, or `len` is 0 (then `data` may be anything, null included).
    raw: ChatBytes,
    life: PhantomData<&'a [u8]>,
}

// SAFETY: an Arg is a `&[u8]` in another layout: shared, immutable bytes.
unsafe impl Send for Arg<'_> {}
// SAFETY: as above.
unsafe impl Sync for Arg<'_> {}

impl<'a> Arg<'a> {
    /// Borrows some bytes.
    pub const fn new(bytes: &'a [u8]) -> Arg<'a> {
        Arg { raw: ChatBytes { data: bytes.as_ptr(), len: bytes.len() }, life: PhantomData }
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &'a [u8] {
        if self.raw.len == 0 {
            return &[];
        }
        // SAFETY: `len` is not 0, so by the invariant `data` is valid for `len` bytes during 'a.
        unsafe { std::slice::from_raw_parts(self.raw.data, self.raw.len) }
    }

    /// The bytes as text, if they are valid UTF-8.
    pub fn as_str(&self) -> Option<&'a str> {
        std::str::from_utf8(self.as_bytes()).ok()
    }
}

impl Deref for Arg<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl AsRef<[u8]> for Arg<'_> {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl<'a> From<&'a [u8]> for Arg<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Arg::new(bytes)
    }
}

impl<'a> From<&'a str> for Arg<'a> {
    fn from(text: &'a str) -> Self {
        Arg::new(text.as_bytes())
    }
}

impl Default for Arg<'_> {
    fn default() -> Self {
        Arg::new(&[])
    }
}

impl PartialEq for Arg<'_> {
    fn eq(&self, other: &Arg<'_>) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Arg<'_> {}

impl fmt::Debug for Arg<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.as_bytes().escape_ascii())
    }
}

/// What shape a record has on a wire that knows shapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
#[allow(missing_docs)]
pub enum Kind {
    Command = kind::COMMAND,
    Status = kind::STATUS,
    Error = kind::ERROR,
    Integer = kind::INTEGER,
    Text = kind::TEXT,
    Array = kind::ARRAY,
    Map = kind::MAP,
    Named = kind::NAMED,
    Push = kind::PUSH,
    Null = kind::NULL,
    Rows = kind::ROWS,
}

impl TryFrom<u32> for Kind {
    type Error = u32;

    /// A number that names no kind comes back as the error: its sender speaks a later minor version.
    fn try_from(number: u32) -> Result<Kind, u32> {
        Ok(match number {
            kind::COMMAND => Kind::Command,
            kind::STATUS => Kind::Status,
            kind::ERROR => Kind::Error,
            kind::INTEGER => Kind::Integer,
            kind::TEXT => Kind::Text,
            kind::ARRAY => Kind::Array,
            kind::MAP => Kind::Map,
            kind::NAMED => Kind::Named,
            kind::PUSH => Kind::Push,
            kind::NULL => Kind::Null,
            kind::ROWS => Kind::Rows,
            unknown => return Err(unknown),
        })
    }
}

/// A command or an event, borrowed for the length of a call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its shape.
    pub kind: Kind,
    /// Its name and arguments.
    pub argv: &'a [Arg<'a>],
}

impl<'a> Record<'a> {
    /// A record of these arguments, the first of which is its name.
    pub const fn new(kind: Kind, argv: &'a [Arg<'a>]) -> Record<'a> {
        Record { kind, argv }
    }

    /// `argv[0]` as text; empty if it is absent or not UTF-8.
    pub fn name(&self) -> &'a str {
        self.str(0)
    }

    /// `argv[i]`; empty if absent.
    pub fn arg(&self, i: usize) -> &'a [u8] {
        self.argv.get(i).map_or(&[], Arg::as_bytes)
    }

    /// `argv[i]` as text, never altered; empty if it is absent or not UTF-8. Where that difference matters, use [`Arg::as_str`].
    pub fn str(&self, i: usize) -> &'a str {
        self.argv.get(i).and_then(Arg::as_str).unwrap_or("")
    }
}

impl fmt::Debug for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}{:?}", self.kind, self.argv)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arg_is_its_bytes() {
        let arg = Arg::new(b"caf\xc3\xa9");
        assert_eq!((arg.as_bytes(), arg.as_str(), arg.len()), (&b"caf\xc3\xa9"[..], Some("café"), 5));
        assert_eq!(Arg::new(b"\xff").as_str(), None);
        assert_eq!(Arg::default(), Arg::new(b""));
        assert_eq!(format!("{:?}", Arg::new(b"a\r\n")), r#""a\r\n""#);
    }

    #[test]
    fn absent_and_broken_arguments_read_as_empty() {
        let argv = [Arg::from("MSG"), Arg::new(b"\xff"), Arg::from("hi")];
        let record = Record::new(Kind::Command, &argv);
        assert_eq!((record.name(), record.str(1), record.str(2), record.str(3)), ("MSG", "", "hi", ""));
        assert_eq!((record.arg(1), record.arg(9)), (&b"\xff"[..], &b""[..]));
        assert_eq!(format!("{record:?}"), r#"Command["MSG", "\xff", "hi"]"#);
    }

    #[test]
    fn kinds_keep_their_numbers() {
        for number in 0..=10 {
            assert_eq!(Kind::try_from(number).map(|kind| kind as u32), Ok(number));
        }
        assert_eq!(Kind::try_from(11), Err(11));
    }
}
