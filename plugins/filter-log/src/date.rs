//! Milliseconds since 1970 as people write a moment, in UTC.

/// Years have four digits: later ones are written as the end of the last of these.
const LAST_MS: u64 = 253_402_300_799_999;
const DAY_MS: u64 = 86_400_000;

/// `2026-11-29T05:17:07.123Z`.
pub(crate) fn stamp(ms: u64) -> String {
    let ms = ms.min(LAST_MS);
    let (year, month, day) = date(ms / DAY_MS);
    let [hour, minute, second, milli] = clock(ms);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// `2026-11-29T05-17-07Z`, for names of files. Later moments sort behind earlier ones.
pub(crate) fn name(ms: u64) -> String {
    let ms = ms.min(LAST_MS);
    let (year, month, day) = date(ms / DAY_MS);
    let [hour, minute, second, _] = clock(ms);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}-{minute:02}-{second:02}Z")
}

fn clock(ms: u64) -> [u64; 4] {
    [ms / 3_600_000 % 24, ms / 60_000 % 60, ms / 1_000 % 60, ms % 1_000]
}

/// Year, month and day of the day with this number, counted from 1 January 1970.
fn date(mut day: u64) -> (u64, u64, u64) {
    let mut year = 1970;
    while day >= days_of_year(year) {
        day -= days_of_year(year);
        year += 1;
    }
    let mut month = 1;
    while day >= days_of_month(year, month) {
        day -= days_of_month(year, month);
        month += 1;
    }
    (year, month, day + 1)
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_of_year(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

fn days_of_month(year: u64, month: u64) -> u64 {
    match month {
        2 => 28 + u64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(ms: u64, expect: &str) {
        assert_eq!(stamp(ms), expect);
        assert_eq!(name(ms), expect[..19].replace(':', "-") + "Z");
    }

    #[test]
    fn moments() {
        check(0, "1970-01-01T00:00:00.000Z");
        check(951_782_399_999, "2000-02-28T23:59:59.999Z");
        check(951_782_400_000, "2000-02-29T00:00:00.000Z");
        check(1_709_251_200_000, "2024-03-01T00:00:00.000Z");
        check(1_795_929_427_123, "2026-11-29T05:17:07.123Z");
        check(4_107_542_400_000, "2100-03-01T00:00:00.000Z");
        check(u64::MAX, "9999-12-31T23:59:59.999Z");
    }
}
