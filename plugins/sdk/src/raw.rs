//! Records as they cross the C edge, and back. For this crate and the plugin host; a plugin needs none of it.

use crate::{Arg, Kind, Record};
use chatring_abi::{ChatBytes, ChatRecord};

/// What can be wrong with a record from the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadRecord {
    /// The record or its argument list is a null pointer.
    Null,
    /// An argument is a null pointer with a length.
    NullArgument(usize),
    /// More arguments than [`ARGC_MAX`].
    TooMany(u32),
    /// A number that is no [`Kind`], maybe from a later version.
    UnknownKind(u32),
}

impl std::fmt::Display for BadRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            BadRecord::Null => write!(f, "a null record"),
            BadRecord::NullArgument(i) => write!(f, "a record whose argument {i} is null"),
            BadRecord::TooMany(argc) => write!(f, "a record of {argc} arguments"),
            BadRecord::UnknownKind(kind) => write!(f, "a record of unknown kind {kind}"),
        }
    }
}

impl std::error::Error for BadRecord {}

/// No record has more arguments: a list of everything a node can list still fits, and garbage mostly doesn't.
pub const ARGC_MAX: u32 = 1 << 24;

/// A record as C sees it. It borrows from `argv`, though its type can't say so.
pub fn lower(kind: u32, argv: &[Arg<'_>]) -> Option<ChatRecord> {
    let argc = u32::try_from(argv.len()).ok().filter(|argc| *argc <= ARGC_MAX)?;
    // Arg is a transparent ChatBytes, so the list needs no copy.
    Some(ChatRecord { kind, argc, argv: argv.as_ptr().cast::<ChatBytes>() })
}

/// A record that came over the edge, checked for all that can be checked.
///
/// # Safety
/// `record` is null or points to a record; its non-null pointers are valid for the lengths beside them, and nobody writes to
/// what they point to, during `'a`.
pub unsafe fn lift<'a>(record: *const ChatRecord) -> Result<Record<'a>, BadRecord> {
    // SAFETY: null or a record, says the caller.
    let record = unsafe { record.as_ref() }.ok_or(BadRecord::Null)?;
    let kind = Kind::try_from(record.kind).map_err(BadRecord::UnknownKind)?;
    if record.argc == 0 {
        return Ok(Record::new(kind, &[]));
    }
    if record.argv.is_null() {
        return Err(BadRecord::Null);
    }
    if record.argc > ARGC_MAX {
        return Err(BadRecord::TooMany(record.argc));
    }
    // SAFETY: not null, so valid for argc elements, says the caller.
    let raw = unsafe { std::slice::from_raw_parts(record.argv, record.argc as usize) };
    if let Some(i) = raw.iter().position(|bytes| bytes.data.is_null() && bytes.len != 0) {
        return Err(BadRecord::NullArgument(i));
    }
    // SAFETY: Arg is a transparent ChatBytes, and no element breaks its invariant.
    let argv = unsafe { std::slice::from_raw_parts(raw.as_ptr().cast::<Arg<'a>>(), raw.len()) };
    Ok(Record::new(kind, argv))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ptr::null;

    #[track_caller]
    fn check(record: *const ChatRecord, expected: Result<(), BadRecord>) {
        // SAFETY: the tests below pass null or valid pointers.
        assert_eq!(unsafe { lift(record) }.map(|_| ()), expected);
    }

    #[test]
    fn there_and_back() {
        let argv = [Arg::from("message"), Arg::from(""), Arg::new(b"\0\xff")];
        let raw = lower(Kind::Push as u32, &argv).unwrap();
        // SAFETY: argv outlives this.
        assert_eq!(unsafe { lift(&raw) }, Ok(Record::new(Kind::Push, &argv)));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let hole = [ChatBytes::new(b"x"), ChatBytes { data: null(), len: 1 }];
        let empty = [ChatBytes { data: null(), len: 0 }];
        check(null(), Err(BadRecord::Null));
        check(&ChatRecord { kind: 0, argc: 0, argv: null() }, Ok(()));
        check(&ChatRecord { kind: 0, argc: 1, argv: empty.as_ptr() }, Ok(()));
        check(&ChatRecord { kind: 0, argc: 1, argv: null() }, Err(BadRecord::Null));
        check(&ChatRecord { kind: 0, argc: 2, argv: hole.as_ptr() }, Err(BadRecord::NullArgument(1)));
        check(&ChatRecord { kind: 11, argc: 0, argv: null() }, Err(BadRecord::UnknownKind(11)));
        let many = ChatRecord { kind: 0, argc: u32::MAX, argv: hole.as_ptr() };
        check(&many, Err(BadRecord::TooMany(u32::MAX)));
    }
}
