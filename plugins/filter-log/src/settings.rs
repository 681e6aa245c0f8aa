//! What the operator says: read once, and whatever is no good is refused by its name.

use crate::archive::Place;
use serde::Deserialize;
use std::fs::{self, File};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// The settings, good ones.
pub(crate) struct Settings {
    /// What stands between the `*` of each, in lower case.
    groups: Vec<Vec<String>>,
    private: bool,
    pub place: Place,
}

/// As they are written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    directory: Option<PathBuf>,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    private: bool,
    #[serde(default = "rotate_size_default")]
    rotate_size: String,
    #[serde(default = "rotate_age_default")]
    rotate_age: String,
    #[serde(default = "keep_default")]
    keep: i64,
}

fn rotate_size_default() -> String {
    "64MiB".to_string()
}

fn rotate_age_default() -> String {
    "24h".to_string()
}

fn keep_default() -> i64 {
    30
}

const GROUPS_MAX: usize = 100;
/// The longest name of a group, in bytes.
const GROUP_MAX: usize = 64;
const KEEP: RangeInclusive<usize> = 1..=100_000;
const SIZE_UNITS: [(&str, u64); 3] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
const SIZE: RangeInclusive<u64> = 64 << 10..=64 << 30;
const AGE_UNITS: [(&str, u64); 3] = [("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
const AGE_MS: RangeInclusive<u64> = 60_000..=8_760 * 3_600_000;

impl Settings {
    pub fn read(config: &str) -> Result<Settings, String> {
        let raw: Raw = toml::from_str(config).map_err(|error| error.to_string().trim_end().to_string())?;
        let bytes_max = in_units(&raw.rotate_size, &SIZE_UNITS).filter(|size| SIZE.contains(size)).ok_or_else(|| {
            format!("rotate_size = {:?}: expected a size with its unit (KiB, MiB or GiB) from 64KiB to 64GiB", raw.rotate_size)
        })?;
        let age_ms_max = in_units(&raw.rotate_age, &AGE_UNITS)
            .filter(|age| AGE_MS.contains(age))
            .ok_or_else(|| format!("rotate_age = {:?}: expected a time with its unit (s, m or h) from 1m to 8760h", raw.rotate_age))?;
        let keep = usize::try_from(raw.keep).ok().filter(|keep| KEEP.contains(keep));
        let keep = keep.ok_or_else(|| format!("keep = {}: expected a number from {} to {}", raw.keep, KEEP.start(), KEEP.end()))?;
        if raw.groups.len() > GROUPS_MAX {
            return Err(format!("groups: found {}, expected at most {GROUPS_MAX}", raw.groups.len()));
        }
        let groups = raw.groups.iter().map(|group| pattern(group)).collect::<Result<_, _>>()?;
        let directory = raw.directory.ok_or("directory: expected the directory for its files")?;
        is_writable(&directory)?;
        Ok(Settings { groups, private: raw.private, place: Place { directory, bytes_max, age_ms_max, keep } })
    }

    /// Whether what is done there is written: a group, or a nick.
    pub fn is_wanted(&self, target: &str) -> bool {
        if !target.starts_with('#') {
            return self.private;
        }
        let target = target.to_ascii_lowercase();
        self.groups.is_empty() || self.groups.iter().any(|pattern| is_like(pattern, &target))
    }
}

fn pattern(text: &str) -> Result<Vec<String>, String> {
    let is_name = text.len() <= GROUP_MAX && text.starts_with(['#', '*']) && !text.contains([' ', ',', ':']);
    let pieces = || text.to_ascii_lowercase().split('*').map(str::to_string).collect();
    is_name.then(pieces).ok_or_else(|| format!("groups: {text:?}: expected the name of a group, `*` standing for anything"))
}

/// The first piece begins the name and the last one ends it; the leftmost place of each between leaves most for what follows.
fn is_like(pattern: &[String], name: &str) -> bool {
    match pattern {
        [] => false,
        [whole] => name == whole,
        [first, between @ .., last] => {
            let rest = name.strip_prefix(&**first).and_then(|rest| rest.strip_suffix(&**last));
            let end = rest.and_then(|rest| between.iter().try_fold(rest, |rest, piece| Some(rest.split_once(&**piece)?.1)));
            end.is_some()
        }
    }
}

fn in_units(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    digits.parse::<u64>().ok()?.checked_mul(*factor)
}

/// Leaves nothing behind: it is only a look, also where a configuration is only checked.
fn is_writable(directory: &Path) -> Result<(), String> {
    let probe = directory.join(format!(".probe-{}", std::process::id()));
    let tried = File::create(&probe).and_then(|_| fs::remove_file(&probe));
    tried.map_err(|error| format!("directory = {directory:?}: expected a directory that files can be made in: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, name: &str, expect: bool) {
        assert_eq!(is_like(&pattern(text).unwrap(), name), expect, "{text} {name}");
    }

    #[test]
    fn patterns() {
        check("#dev", "#dev", true);
        check("#Dev", "#devs", false);
        check("#dev*", "#devs", true);
        check("*", "#x", true);
        check("*s", "#devs", true);
        check("#a*b*c", "#axbxc", true);
        check("#a*b*c", "#acb", false);
        check("#aa*aa", "#aaa", false);
        check("#a**", "#a", true);
    }
}
