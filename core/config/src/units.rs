//! Times and sizes as people write them: `"3s"`, `"200ms"`, `"64KiB"`.
//!
//! A time always has a unit: a bare number would be read as seconds by one and as milliseconds by the next. A size may be plain bytes.

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;

/// A span of time, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span(pub u64);

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Size(pub u64);

/// How many of something. May be negative: how many there may be is said by whoever knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Count(pub i64);

const SPAN_UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
const SIZE_UNITS: [(&str, u64); 4] = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
const SPAN_EXPECTED: &str = "a time with its unit (ms, s, m or h), like \"3s\" or \"200ms\"";
const SIZE_EXPECTED: &str = "a size in bytes, or with its unit (KiB, MiB or GiB), like \"64KiB\"";

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_in_units(f, self.0, &SPAN_UNITS)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_in_units(f, self.0, &SIZE_UNITS)
    }
}

/// In the largest unit that leaves a whole number.
fn write_in_units(f: &mut fmt::Formatter<'_>, number: u64, units: &[(&str, u64)]) -> fmt::Result {
    let whole = units.iter().rev().find(|(_, factor)| number >= *factor && number.is_multiple_of(*factor));
    let (unit, factor) = whole.unwrap_or(&units[0]);
    write!(f, "{}{unit}", number / factor)
}

/// Digits, then one of the units.
fn read_in_units(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits_end = text.find(|c: char| !c.is_ascii_digit())?;
    let (digits, unit) = text.split_at(digits_end);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    digits.parse::<u64>().ok()?.checked_mul(*factor)
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Span, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Span;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(SPAN_EXPECTED)
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Span, E> {
                read_in_units(text, &SPAN_UNITS).map(Span).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
            }
        }
        from.deserialize_any(Reader)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Size, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Size;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(SIZE_EXPECTED)
            }
            fn visit_i64<E: Error>(self, bytes: i64) -> Result<Size, E> {
                u64::try_from(bytes).map(Size).map_err(|_| E::invalid_value(Unexpected::Signed(bytes), &self))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Size, E> {
                read_in_units(text, &SIZE_UNITS).map(Size).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
            }
        }
        from.deserialize_any(Reader)
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Count, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Count;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number")
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<Count, E> {
                Ok(Count(number))
            }
        }
        from.deserialize_any(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_span(text: &str, ms: Option<u64>) {
        assert_eq!(read_in_units(text, &SPAN_UNITS), ms, "{text:?}");
    }

    #[test]
    fn spans() {
        check_span("3s", Some(3_000));
        check_span("200ms", Some(200));
        check_span("2m", Some(120_000));
        check_span("1 h", Some(3_600_000));
        check_span("3", None);
        check_span("", None);
        check_span("s", None);
        check_span("-3s", None);
        check_span("3S", None);
        check_span("1.5s", None);
        check_span("99999999999999999999s", None);
        check_span("9999999999999999999h", None);
    }

    #[test]
    fn shown_in_the_largest_whole_unit() {
        for (ms, shown) in [(3_000, "3s"), (1_500, "1500ms"), (120_000, "2m"), (0, "0ms")] {
            assert_eq!(Span(ms).to_string(), shown);
        }
        for (bytes, shown) in [(65_536, "64KiB"), (1_000, "1000B"), (4 << 20, "4MiB")] {
            assert_eq!(Size(bytes).to_string(), shown);
        }
    }
}
