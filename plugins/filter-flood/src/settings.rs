//! What the operator says: read once, and whatever is no good is refused by its name.

use crate::rates::{Rate, Rules};
use serde::Deserialize;

/// The settings, good ones.
#[derive(Debug)]
pub(crate) struct Settings {
    pub warn_as: Option<String>,
    pub rules: Rules,
}

/// As they are written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Raw {
    messages: i64,
    burst: i64,
    joins: i64,
    join_burst: i64,
    per: String,
    repeats: i64,
    repeats_within: String,
    people: i64,
    warn_as: Option<String>,
}

impl Default for Raw {
    fn default() -> Raw {
        Raw {
            messages: 5,
            burst: 10,
            joins: 20,
            join_burst: 128,
            per: "5s".to_string(),
            repeats: 3,
            repeats_within: "60s".to_string(),
            people: 10_000,
            warn_as: None,
        }
    }
}

/// More of anything is as good as no limit.
const COUNT_MAX: u64 = 100_000;
/// About 200 bytes each.
const PEOPLE_MAX: u64 = 1_000_000;
const UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
const SPAN_MS: std::ops::RangeInclusive<u64> = 1_000..=86_400_000;

impl Settings {
    pub fn read(config: &str) -> Result<Settings, String> {
        let raw: Raw = toml::from_str(config).map_err(|error| error.to_string().trim_end().to_string())?;
        let per_ms = span("per", &raw.per)?;
        let rate = |(name, count), (burst_name, burst)| -> Result<Option<Rate>, String> {
            let (count, burst) = (number(name, count, 0, COUNT_MAX)?, number(burst_name, burst, 1, COUNT_MAX)?);
            Ok((count > 0).then(|| Rate::new(count, per_ms, burst)))
        };
        let rules = Rules {
            messages: rate(("messages", raw.messages), ("burst", raw.burst))?,
            joins: rate(("joins", raw.joins), ("join_burst", raw.join_burst))?,
            repeats: number("repeats", raw.repeats, 0, COUNT_MAX)? as u32,
            repeats_within_ms: span("repeats_within", &raw.repeats_within)?,
            people_max: number("people", raw.people, 1, PEOPLE_MAX)? as usize,
        };
        match raw.warn_as {
            Some(nick) if !is_nick(&nick) => Err(format!("warn_as = {nick:?}: expected a nick")),
            warn_as => Ok(Settings { warn_as, rules }),
        }
    }
}

fn number(name: &str, given: i64, min: u64, max: u64) -> Result<u64, String> {
    let number = u64::try_from(given).ok().filter(|number| (min..=max).contains(number));
    number.ok_or_else(|| format!("{name} = {given}: expected a number from {min} to {max}"))
}

/// In milliseconds.
fn span(name: &str, given: &str) -> Result<u64, String> {
    let split = given.find(|c: char| !c.is_ascii_digit()).map(|end| given.split_at(end));
    let ms = split.and_then(|(digits, unit)| {
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
        digits.parse::<u64>().ok()?.checked_mul(*factor)
    });
    ms.filter(|ms| SPAN_MS.contains(ms))
        .ok_or_else(|| format!("{name} = {given:?}: expected a time with its unit (ms, s, m or h) from 1s to 24h, like \"5s\""))
}

/// What chatd takes for one.
fn is_nick(text: &str) -> bool {
    let is_first = |byte: u8| byte.is_ascii_alphabetic() || b"_[]{}|\\`^".contains(&byte);
    let is_later = |byte: u8| is_first(byte) || byte.is_ascii_digit() || byte == b'-';
    text.len() <= 32 && text.bytes().next().is_some_and(is_first) && text.bytes().all(is_later)
}
