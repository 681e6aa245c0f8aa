//! From typed values to argv and back.
//!
//! Everything that crosses a wire or the plugin edge is a flat list of byte strings, as in Redis. A [`Field`] knows how many of them it takes and how to read
//! them back; `wire_enum!` and `wire_struct!` (in `wire_tables`) build the commands, events and records out of fields, and with them the tables that
//! help, completion and the reference read. Reading is total: whatever the bytes, the answer is a value or a [`Bad`].

use std::any::Any;
use std::fmt::{Display, Write as _};
use std::sync::Arc;

use crate::ids::{Birth, EntryId, Epoch, Incarnation, ServerId, SessionId, Ticket};
use crate::names::{GroupName, Nick, NodeKey};
use crate::operators::Role;
use crate::time::Time;

/// Appends a number's decimal digits, without what formatting costs.
pub fn push_digits(mut number: u64, bytes: &mut Vec<u8>) {
    let (mut digits, mut at) = ([0; 20], 20);
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return bytes.extend_from_slice(&digits[at..]);
        }
    }
}

/// A list of byte strings in one buffer, made to be cleared and used again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Argv {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Argv {
    /// Empties it and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Appends a byte string.
    pub fn push(&mut self, arg: &[u8]) {
        self.bytes.extend_from_slice(arg);
        self.ends.push(self.bytes.len() as u32);
    }

    /// Appends a value's text.
    pub fn push_display(&mut self, value: impl Display) {
        struct Sink<'a>(&'a mut Vec<u8>);
        impl std::fmt::Write for Sink<'_> {
            fn write_str(&mut self, text: &str) -> std::fmt::Result {
                self.0.extend_from_slice(text.as_bytes());
                Ok(())
            }
        }
        // Writing to a Vec cannot fail; a Display that reports an error is cut short.
        let _ = write!(Sink(&mut self.bytes), "{value}");
        self.ends.push(self.bytes.len() as u32);
    }

    /// Appends a number's digits: what most of what nodes say to each other consists of.
    pub fn push_number(&mut self, number: u64) {
        push_digits(number, &mut self.bytes);
        self.ends.push(self.bytes.len() as u32);
    }

    /// How many byte strings.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// All bytes together: what it costs to send.
    pub fn bytes_len(&self) -> usize {
        self.bytes.len()
    }

    /// A number that is the same where all of it is, and most likely another where it is not.
    pub fn hash(&self) -> u64 {
        let mut digest = md5::Md5::default();
        for arg in self.iter() {
            md5::Digest::update(&mut digest, (arg.len() as u64).to_le_bytes());
            md5::Digest::update(&mut digest, arg);
        }
        let digest = md5::Digest::finalize(digest);
        digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// The byte strings in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.bytes[start as usize..end as usize])
    }
}

/// What is wrong with what a peer sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Bad {
    /// No such command or event.
    #[error("unknown command '{0}'")]
    Unknown(String),
    /// An argument is not there.
    #[error("argument '{what}' is missing")]
    Missing {
        /// Its name.
        what: &'static str,
    },
    /// An argument is not what it should be.
    #[error("argument '{what}': {why}")]
    Value {
        /// Its name.
        what: &'static str,
        /// What was expected.
        why: String,
    },
    /// There are arguments left over.
    #[error("{0} arguments too many")]
    TooMany(usize),
}

impl Bad {
    /// Not what was expected; [`Bad::of`] names the argument.
    pub fn value(why: impl Display) -> Bad {
        Bad::Value { what: "", why: why.to_string() }
    }

    /// Names the argument, if nobody inside did.
    pub fn of(self, name: &'static str) -> Bad {
        match self {
            Bad::Missing { what: "" } => Bad::Missing { what: name },
            Bad::Value { what: "", why } => Bad::Value { what: name, why },
            named => named,
        }
    }
}

/// Reads byte strings one after the other.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    args: &'a [&'a [u8]],
    /// What was read last of what often comes again, and what it looked like.
    last: Option<(&'a [&'a [u8]], Anything)>,
}

impl<'a> Reader<'a> {
    /// Starts at the first.
    pub fn new(args: &'a [&'a [u8]]) -> Reader<'a> {
        Reader { args, last: None }
    }

    /// How many are left.
    pub fn left(&self) -> usize {
        self.args.len()
    }

    /// The next one, as it is.
    pub fn bytes(&mut self) -> Result<&'a [u8], Bad> {
        let (first, rest) = self.args.split_first().ok_or(Bad::Missing { what: "" })?;
        self.args = rest;
        Ok(first)
    }

    /// The next one, as text.
    pub fn text(&mut self) -> Result<&'a str, Bad> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Bad::value("must be UTF-8"))
    }

    /// Reads a value that is likely to be the same as the last one that was read so: then it is that one.
    pub fn again<T: Field + Any + Send + Sync>(&mut self) -> Result<Arc<T>, Bad> {
        if let Some((looks, last)) = &self.last
            && self.args.starts_with(looks)
            && let Ok(same) = last.clone().downcast::<T>()
        {
            self.args = &self.args[looks.len()..];
            return Ok(same);
        }
        let before = self.args;
        let value = Arc::new(T::take(self)?);
        self.last = Some((&before[..before.len() - self.args.len()], value.clone()));
        Ok(value)
    }

    /// The next one without taking it.
    pub fn peek(&self) -> Option<&'a [u8]> {
        self.args.first().copied()
    }

    /// Whether all were read.
    pub fn finish(&self) -> Result<(), Bad> {
        if self.args.is_empty() { Ok(()) } else { Err(Bad::TooMany(self.args.len())) }
    }
}

/// How often an argument stands in a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arity {
    /// Always.
    One,
    /// Once or not at all.
    Optional,
    /// Any number of times, to the end.
    Rest,
}

/// A value that is some byte strings in a row.
pub trait Field: Sized {
    /// For the reference.
    const ARITY: Arity = Arity::One;
    /// Appends itself.
    fn put(&self, out: &mut Argv);
    /// Reads itself.
    fn take(reader: &mut Reader<'_>) -> Result<Self, Bad>;
}

macro_rules! field_by_text {
    ($($Type:ty, $expected:literal;)*) => {$(
        impl Field for $Type {
            fn put(&self, out: &mut Argv) {
                out.push_display(self);
            }
            fn take(reader: &mut Reader<'_>) -> Result<Self, Bad> {
                reader.text()?.parse().map_err(|_| Bad::value($expected))
            }
        }
    )*};
}

macro_rules! field_by_number {
    ($($Type:ty, $expected:literal;)*) => {$(
        impl Field for $Type {
            fn put(&self, out: &mut Argv) {
                out.push_number(u64::from(*self));
            }
            fn take(reader: &mut Reader<'_>) -> Result<Self, Bad> {
                reader.text()?.parse().map_err(|_| Bad::value($expected))
            }
        }
    )*};
}

field_by_number! {
    u64, "must be a number";
    u32, "must be a number up to 4294967295";
    u16, "must be a number up to 65535";
}

impl Field for Epoch {
    fn put(&self, out: &mut Argv) {
        push_digits(u64::from(self.generation), &mut out.bytes);
        out.bytes.push(b'.');
        out.push_number(self.number);
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Bad> {
        reader.text()?.parse().map_err(|_| Bad::value("must be an epoch like 1.42"))
    }
}

field_by_text! {
    SessionId, "must be 16 hexadecimal digits";
    Birth, "must be 16 hexadecimal digits";
    Incarnation, "must be 16 hexadecimal digits";
    ServerId, "must be 16 hexadecimal digits";
    EntryId, "must be an entry id like 00000000000000a1-7";
}

macro_rules! field_by_name {
    ($($Type:ident)*) => {$(
        impl Field for $Type {
            fn put(&self, out: &mut Argv) {
                out.push(self.as_str().as_bytes());
            }
            fn take(reader: &mut Reader<'_>) -> Result<Self, Bad> {
                $Type::new(reader.text()?).map_err(Bad::value)
            }
        }
    )*};
}

field_by_name!(GroupName Nick NodeKey);

impl Field for Time {
    fn put(&self, out: &mut Argv) {
        self.0.put(out);
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Bad> {
        Field::take(reader).map(Time)
    }
}

impl Field for Ticket {
    fn put(&self, out: &mut Argv) {
        self.0.put(out);
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Bad> {
        Field::take(reader).map(Ticket)
    }
}

impl Field for bool {
    fn put(&self, out: &mut Argv) {
        out.push(if *self { b"1" } else { b"0" });
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Bad> {
        match reader.bytes()? {
            b"1" => Ok(true),
            b"0" => Ok(false),
            _ => Err(Bad::value("must be 1 or 0")),
        }
    }
}

/// A value of any type.
type Anything = Arc<dyn Any + Send + Sync>;

/// Any UTF-8 text, shared.
pub type Text = Arc<str>;

impl Field for Text {
    fn put(&self, out: &mut Argv) {
        out.push(self.as_bytes());
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Bad> {
        reader.text().map(Text::from)
    }
}

impl<T: Field> Field for Arc<T> {
    fn put(&self, out: &mut Argv) {
        T::put(self, out);
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Bad> {
        T::take(reader).map(Arc::new)
    }
}

impl<T: Field> Field for Box<T> {
    fn put(&self, out: &mut Argv) {
        T::put(self, out);
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Bad> {
        T::take(reader).map(Box::new)
    }
}

/// Absent when it is the last argument and missing, or when it is empty: only for values that are never empty text.
impl<T: Field> Field for Option<T> {
    const ARITY: Arity = Arity::Optional;
    fn put(&self, out: &mut Argv) {
        match self {
            Some(value) => value.put(out),
            None => out.push(b""),
        }
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Bad> {
        match reader.peek() {
            None => Ok(None),
            Some(b"") => reader.bytes().map(|_| None),
            Some(_) => T::take(reader).map(Some),
        }
    }
}

/// The last argument, where empty text means something else than no text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given<T>(pub Option<T>);

impl<T: Field> Field for Given<T> {
    const ARITY: Arity = Arity::Optional;
    fn put(&self, out: &mut Argv) {
        if let Some(value) = &self.0 {
            value.put(out);
        }
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Bad> {
        if reader.left() == 0 { Ok(Given(None)) } else { T::take(reader).map(|value| Given(Some(value))) }
    }
}

/// A counted list: its length, then its elements.
impl<T: Field> Field for Vec<T> {
    fn put(&self, out: &mut Argv) {
        (self.len() as u64).put(out);
        self.iter().for_each(|element| element.put(out));
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Bad> {
        let count = u64::take(reader)? as usize;
        if count > reader.left() {
            return Err(Bad::value("counts more elements than follow"));
        }
        (0..count).map(|_| T::take(reader)).collect()
    }
}

/// All arguments to the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rest<T>(pub Vec<T>);

impl<T: Field> Field for Rest<T> {
    const ARITY: Arity = Arity::Rest;
    fn put(&self, out: &mut Argv) {
        self.0.iter().for_each(|element| element.put(out));
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Bad> {
        let mut elements = Vec::new();
        while reader.left() > 0 {
            elements.push(T::take(reader)?);
        }
        Ok(Rest(elements))
    }
}

impl<A: Field, B: Field, C: Field> Field for (A, B, C) {
    fn put(&self, out: &mut Argv) {
        self.0.put(out);
        self.1.put(out);
        self.2.put(out);
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Bad> {
        Ok((A::take(reader)?, B::take(reader)?, C::take(reader)?))
    }
}

impl<A: Field, B: Field> Field for (A, B) {
    fn put(&self, out: &mut Argv) {
        self.0.put(out);
        self.1.put(out);
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, Bad> {
        Ok((A::take(reader)?, B::take(reader)?))
    }
}

/// One argument in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArgSpec {
    /// What help calls it.
    pub name: &'static str,
    /// How often it stands there.
    pub arity: Arity,
}

/// Who may send a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Anyone who connects.
    Anyone,
    /// Whoever an authenticator has let in.
    Session,
    /// Operators who may look.
    Viewer,
    /// Operators who may steer.
    Operator,
    /// Operators who may do everything.
    Admin,
    /// Nodes that proved to know the network's secret.
    Peer,
}

impl Caller {
    /// Which role an operator needs, where it is for operators.
    pub fn role(self) -> Option<Role> {
        match self {
            Caller::Viewer => Some(Role::Viewer),
            Caller::Operator => Some(Role::Operator),
            Caller::Admin => Some(Role::Admin),
            Caller::Anyone | Caller::Session | Caller::Peer => None,
        }
    }
}

/// Which server answers a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// Directory servers.
    Directory,
    /// Super nodes.
    SuperNode,
    /// Both.
    Both,
}

/// One row of a command table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spec {
    /// The command's name.
    pub word: &'static str,
    /// Its arguments in order.
    pub args: &'static [ArgSpec],
    /// The first line says what it does; the rest is detail.
    pub doc: &'static str,
    /// Who may send it.
    pub caller: Caller,
    /// Who answers it.
    pub at: At,
    /// The version it came with.
    pub since: &'static str,
}

impl Spec {
    /// `JOIN group [key] word…`
    pub fn usage(&self) -> String {
        let mut usage = self.word.to_string();
        for arg in self.args {
            let name = arg.name;
            usage.push_str(&match arg.arity {
                Arity::One => format!(" {name}"),
                Arity::Optional => format!(" [{name}]"),
                Arity::Rest => format!(" [{name} ...]"),
            });
        }
        usage
    }
}

/// A block in which `?` ends the block and not the function.
#[doc(hidden)]
pub fn attempt<T>(block: impl FnOnce() -> Result<T, Bad>) -> Result<T, Bad> {
    block()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_they_are_shown() {
        for number in [0, 7, 10, 909, u64::from(u32::MAX), u64::MAX] {
            let mut out = Argv::default();
            number.put(&mut out);
            Epoch { generation: 3, number }.put(&mut out);
            let shown = [number.to_string(), Epoch { generation: 3, number }.to_string()];
            assert!(out.iter().eq(shown.iter().map(|text| text.as_bytes())), "{out:?}");
        }
    }

    #[test]
    fn what_comes_again_is_the_one_that_was_there() {
        let args: [&[u8]; 6] = [b"1", b"2", b"1", b"2", b"1", b"3"];
        let mut reader = Reader::new(&args);
        let [first, second, third] = std::array::from_fn(|_| reader.again::<(u64, u64)>().unwrap());
        assert!(Arc::ptr_eq(&first, &second) && *third == (1, 3));
        assert_eq!(reader.finish(), Ok(()));
        // Another kind of value that looks the same is another value.
        let args: [&[u8]; 2] = [b"1", b"1"];
        let mut reader = Reader::new(&args);
        assert_eq!((*reader.again::<u64>().unwrap(), &**reader.again::<Text>().unwrap()), (1, "1"));
    }
}
