//! Text that others wrote, made safe for a terminal; numbers and times made readable.

use chatring_machines::time::Time;

/// Takes out what could move the cursor, ring, recolour, or turn the reading direction: each such character becomes `·`. Also from text that is shown inside one line.
pub fn clean(text: &str) -> String {
    let harmful = |c: char| c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if harmful(c) { '·' } else { c }).collect()
}

/// What this machine's clock says.
pub fn now() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Time(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// `14:03`, in UTC.
pub fn clock(time: Time) -> String {
    let minutes = time.0 / 60_000;
    format!("{:02}:{:02}", minutes / 60 % 24, minutes % 60)
}

/// `2026-11-22 14:03:07`, in UTC.
pub fn date(time: Time) -> String {
    let seconds = time.0 / 1000;
    let (year, month, day) = civil(seconds / 86_400);
    format!("{year}-{month:02}-{day:02} {:02}:{:02}:{:02}", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60)
}

/// Year, month and day of a day counted from 1970-01-01, after Howard Hinnant's description: years that begin in March put the leap day last.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + u64::from(month <= 2), month, day)
}

/// `3 days`, `2 h 5 min`, `40 s`: the two largest units that say something.
pub fn span(ms: u64) -> String {
    let seconds = ms / 1000;
    match (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0, s) => format!("{s} s"),
        (0, 0, m, s) => format!("{m} min {s} s"),
        (0, h, m, _) => format!("{h} h {m} min"),
        (d, h, ..) => format!("{d} d {h} h"),
    }
}

/// `1 group`, `2 groups`.
pub fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// `user@host`, of which a native client's user is empty.
pub fn from(user: &str, host: &str) -> String {
    if user.is_empty() { host.into() } else { format!("{user}@{host}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (ms, expect) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_400_000, "2000-02-29 00:00:00"),
            (1_155_600_000_000, "2006-08-15 00:00:00"),
            (1_798_761_599_999, "2026-12-31 23:59:59"),
        ] {
            assert_eq!(date(Time(ms)), expect);
        }
        assert_eq!(clock(Time(951_782_400_000 + 3_660_000)), "01:01");
        for (ms, expect) in [(999, "0 s"), (61_000, "1 min 1 s"), (3_600_000, "1 h 0 min"), (90_000_000, "1 d 1 h")] {
            assert_eq!(span(ms), expect);
        }
    }

    #[test]
    fn nothing_moves_the_cursor() {
        assert_eq!(clean("a\x1b[2Jb\r\nc\u{202e}d\u{9b}ü"), "a·[2Jb··c·d·ü");
    }
}
