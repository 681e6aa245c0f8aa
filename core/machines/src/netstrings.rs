//! A value of the wire language as one string of bytes: its byte strings as netstrings, `3:joe,0:,`. Readable at a `sqlite3` prompt, exact for any bytes.

use crate::wire::{Argv, Bad, Field, Reader, push_digits};

/// Writes a value.
pub fn pack(value: &impl Field) -> Vec<u8> {
    let mut argv = Argv::default();
    value.put(&mut argv);
    let mut bytes = Vec::with_capacity(argv.bytes_len() + 5 * argv.len());
    netstrings(&argv, &mut bytes);
    bytes
}

/// Writes values one after the other into buffers that are used again: what [`unpack`] reads as a [`Rest`](crate::wire::Rest).
#[derive(Debug, Default)]
pub struct Packer {
    argv: Argv,
    /// What was packed.
    pub bytes: Vec<u8>,
}

impl Packer {
    /// Appends a value.
    pub fn add(&mut self, value: &impl Field) {
        self.argv.clear();
        value.put(&mut self.argv);
        netstrings(&self.argv, &mut self.bytes);
    }
}

fn netstrings(argv: &Argv, bytes: &mut Vec<u8>) {
    for arg in argv.iter() {
        push_digits(arg.len() as u64, bytes);
        bytes.push(b':');
        bytes.extend_from_slice(arg);
        bytes.push(b',');
    }
}

/// Reads it back. Total: whatever the bytes, a value or what is wrong with them.
pub fn unpack<T: Field>(bytes: &[u8]) -> Result<T, Bad> {
    let mut args = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (arg, after) = netstring(rest).ok_or_else(|| Bad::value("must be netstrings"))?;
        args.push(arg);
        rest = after;
    }
    let mut reader = Reader::new(&args);
    let value = T::take(&mut reader)?;
    reader.finish()?;
    Ok(value)
}

/// Reads one column's text as a value.
pub fn parse<T: Field>(text: &str) -> Result<T, Bad> {
    T::take(&mut Reader::new(&[text.as_bytes()]))
}

fn netstring(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = bytes.iter().take(20).position(|&byte| byte == b':')?;
    let len: usize = std::str::from_utf8(&bytes[..colon]).ok()?.parse().ok()?;
    let body = &bytes[colon + 1..];
    (body.get(len) == Some(&b',')).then(|| (&body[..len], &body[len + 1..]))
}

#[cfg(test)]
mod tests {
    use crate::wire::Text;

    use super::*;

    #[track_caller]
    fn check(bytes: &str, expect: Option<&[&str]>) {
        let texts = unpack::<Vec<Text>>(bytes.as_bytes()).ok();
        let expect = expect.map(|texts| texts.iter().map(|&text| Text::from(text)).collect::<Vec<_>>());
        assert_eq!(texts, expect, "{bytes:?}");
        if let Some(texts) = texts {
            assert_eq!(pack(&texts), bytes.as_bytes());
        }
    }

    #[test]
    fn netstrings() {
        check("1:2,3:a,b,0:,", Some(&["a,b", ""]));
        check("1:1,2:é,", Some(&["é"]));
        check("1:0,", Some(&[]));
        check("1:2,1:a,", None);
        check("1:0,1:x,", None);
        check("", None);
        check("1:0", None);
        check("9:0,", None);
        check("18446744073709551615:0,", None);
        check("0,", None);
    }
}
