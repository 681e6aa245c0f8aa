//! Milliseconds since 1970 as the text of a `server-time` tag. Pure, and small enough to need no date library.

/// The last instant with a year of four digits; later ones are written as this one.
const LAST_MS: u64 = 253_402_300_799_999;
/// Days from 1 March of the year 0 to 1 January 1970.
const DAYS_BEFORE_1970: u64 = 719_468;
/// Days before each month of a year that begins in March, so that a leap day is the last day of its year.
const DAYS_BEFORE_MONTH: [u64; 12] = [0, 31, 61, 92, 122, 153, 184, 214, 245, 275, 306, 337];

/// `2026-01-02T03:04:05.678Z`.
pub(crate) fn stamp(ms: u64) -> String {
    let ms = ms.min(LAST_MS);
    let (year, month, day) = date(ms / 86_400_000);
    let (hour, minute, second) = (ms / 3_600_000 % 24, ms / 60_000 % 60, ms / 1000 % 60);
    let milli = ms % 1000;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// Year, month and day of a day counted from 1970.
fn date(day_of_1970: u64) -> (u64, u64, u64) {
    let days = day_of_1970 + DAYS_BEFORE_1970;
    let (cycles, days) = (days / 146_097, days % 146_097);
    // The last century of a cycle, and the last year of four, are a day longer: the extra day belongs to them.
    let centuries = (days / 36_524).min(3);
    let days = days - centuries * 36_524;
    let (fours, days) = (days / 1461, days % 1461);
    let years = (days / 365).min(3);
    let days = days - years * 365;
    let year = cycles * 400 + centuries * 100 + fours * 4 + years;
    let month = DAYS_BEFORE_MONTH.partition_point(|&before| before <= days) - 1;
    let day = days - DAYS_BEFORE_MONTH[month] + 1;
    // March is the month 0 of the count: January and February are the 10th and 11th, already in the next year.
    if month < 10 { (year, month as u64 + 3, day) } else { (year + 1, month as u64 - 9, day) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_799_999, "2000-02-29T23:59:59.999Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_709_164_800_000, "2024-02-29T00:00:00.000Z"),
            (1_767_225_599_001, "2025-12-31T23:59:59.001Z"),
            (1_767_323_045_678, "2026-01-02T03:04:05.678Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (LAST_MS, "9999-12-31T23:59:59.999Z"),
            (u64::MAX, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(stamp(ms), text, "{ms}");
        }
    }

    #[test]
    fn days_follow_each_other() {
        let mut before = date(0);
        for day in 1..400_000 {
            let now = date(day);
            let next_day = now.2 == before.2 + 1 && (now.0, now.1) == (before.0, before.1);
            let next_month = now.2 == 1 && before.2 >= 28 && now.0 * 12 + now.1 == before.0 * 12 + before.1 + 1;
            assert!(next_day || next_month, "{before:?} {now:?}");
            before = now;
        }
    }
}
