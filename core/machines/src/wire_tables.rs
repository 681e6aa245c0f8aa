//! The macros that build commands, events and records out of fields, and with them the tables that help, completion and the reference read.

/// The part of a table row in brackets: `[who where since]`; for peers it may be left out.
#[doc(hidden)]
#[macro_export]
macro_rules! wire_meta {
    () => {
        ($crate::wire::Caller::Peer, $crate::wire::At::Both, "0.1")
    };
    ($caller:ident $at:ident $since:literal) => {
        ($crate::wire::Caller::$caller, $crate::wire::At::$at, $since)
    };
}

/// An enum whose variants are words with fields: a command table, or a kind of event.
#[macro_export]
macro_rules! wire_enum {
    (
        $(#[$meta:meta])*
        pub enum $Enum:ident {
            $(
                $(#[doc = $doc:literal])*
                $([$($row:tt)*])?
                $word:literal $Variant:ident { $( $(#[doc = $field_doc:literal])* $field:ident : $Type:ty ),* $(,)? }
            ),* $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        #[allow(missing_docs)] // fields speak for themselves where they carry no comment of their own
        pub enum $Enum {
            $( $(#[doc = $doc])* $Variant { $( $(#[doc = $field_doc])* $field: $Type ),* } ),*
        }

        impl $Enum {
            /// The table: one row for each word.
            pub const WORDS: &'static [$crate::wire::Spec] = &[$({
                const ROW: ($crate::wire::Caller, $crate::wire::At, &str) = $crate::wire_meta!($($($row)*)?);
                $crate::wire::Spec {
                    word: $word,
                    args: &[$( $crate::wire::ArgSpec { name: stringify!($field), arity: <$Type as $crate::wire::Field>::ARITY } ),*],
                    doc: concat!($($doc, "\n"),*),
                    caller: ROW.0,
                    at: ROW.1,
                    since: ROW.2,
                }
            }),*];

            /// Its name on the wire.
            pub fn word(&self) -> &'static str {
                match self { $( $Enum::$Variant { .. } => $word ),* }
            }

            /// Its row in the table.
            pub fn spec(&self) -> &'static $crate::wire::Spec {
                let word = self.word();
                Self::WORDS.iter().find(|spec| spec.word == word).expect("every variant has a row")
            }

            /// Appends everything but the name.
            pub fn put_args(&self, out: &mut $crate::wire::Argv) {
                let _ = &out; // a variant without fields appends nothing
                match self {
                    $( $Enum::$Variant { $($field),* } => { $( $crate::wire::Field::put($field, out); )* } ),*
                }
            }

            /// Reads what follows the name. `None` when there is no such name.
            pub fn take_args(word: &[u8], reader: &mut $crate::wire::Reader<'_>) -> Option<Result<Self, $crate::wire::Bad>> {
                let _ = &reader;
                $( if word.eq_ignore_ascii_case($word.as_bytes()) {
                    return Some($crate::wire::attempt(|| Ok($Enum::$Variant {
                        $( $field: <$Type as $crate::wire::Field>::take(reader).map_err(|bad| bad.of(stringify!($field)))? ),*
                    })));
                } )*
                None
            }
        }

        impl $crate::wire::Field for $Enum {
            fn put(&self, out: &mut $crate::wire::Argv) {
                out.push(self.word().as_bytes());
                self.put_args(out);
            }
            fn take(reader: &mut $crate::wire::Reader<'_>) -> Result<Self, $crate::wire::Bad> {
                let word = reader.bytes()?;
                Self::take_args(word, reader)
                    .unwrap_or_else(|| Err($crate::wire::Bad::Unknown(String::from_utf8_lossy(word).into_owned())))
            }
        }
    };
}

/// A struct that is its fields in a row.
#[macro_export]
macro_rules! wire_struct {
    (
        $(#[$meta:meta])*
        pub struct $Struct:ident { $( $(#[doc = $doc:literal])* $field:ident : $Type:ty ),* $(,)? }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $Struct { $( $(#[doc = $doc])* pub $field: $Type ),* }

        impl $crate::wire::Field for $Struct {
            fn put(&self, out: &mut $crate::wire::Argv) {
                $( $crate::wire::Field::put(&self.$field, out); )*
            }
            fn take(reader: &mut $crate::wire::Reader<'_>) -> Result<Self, $crate::wire::Bad> {
                Ok($Struct { $( $field: <$Type as $crate::wire::Field>::take(reader).map_err(|bad| bad.of(stringify!($field)))? ),* })
            }
        }
    };
}

/// An enum of plain words, one byte string each.
#[macro_export]
macro_rules! wire_words {
    (
        $(#[$meta:meta])*
        pub enum $Enum:ident { $( $(#[doc = $doc:literal])* $word:literal $Variant:ident ),* $(,)? }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $Enum { $( $(#[doc = $doc])* $Variant ),* }

        impl $Enum {
            /// All of them: word and meaning.
            pub const WORDS: &'static [(&'static str, &'static str)] = &[$( ($word, concat!($($doc),*)) ),*];

            /// All of them.
            pub const ALL: &'static [$Enum] = &[$( $Enum::$Variant ),*];

            /// Its word on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $( $Enum::$Variant => $word ),* }
            }
        }

        impl std::fmt::Display for $Enum {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl $crate::wire::Field for $Enum {
            fn put(&self, out: &mut $crate::wire::Argv) {
                out.push(self.as_str().as_bytes());
            }
            fn take(reader: &mut $crate::wire::Reader<'_>) -> Result<Self, $crate::wire::Bad> {
                let word = reader.bytes()?;
                $( if word.eq_ignore_ascii_case($word.as_bytes()) { return Ok($Enum::$Variant); } )*
                Err($crate::wire::Bad::value(concat!("must be one of:", $(" ", $word),*)))
            }
        }
    };
}
