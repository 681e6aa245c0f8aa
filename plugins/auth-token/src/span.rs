//! Spans of time as people write them: `"60s"`, `"1h"`.

const UNITS: [(&str, u64); 4] = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];

/// Digits and one of the units s, m, h and d: so many seconds.
pub fn seconds(text: &str) -> Option<u64> {
    let digits_end = text.find(|c: char| !c.is_ascii_digit())?;
    let (digits, unit) = text.split_at(digits_end);
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit.trim_start())?;
    digits.parse::<u64>().ok()?.checked_mul(*factor)
}

#[cfg(test)]
mod tests {
    #[track_caller]
    fn check(text: &str, expect: Option<u64>) {
        assert_eq!(super::seconds(text), expect, "{text:?}");
    }

    #[test]
    fn spans() {
        check("60s", Some(60));
        check("2 m", Some(120));
        check("1h", Some(3_600));
        check("30d", Some(2_592_000));
        check("0s", Some(0));
        check("60", None);
        check("", None);
        check("s", None);
        check("-1s", None);
        check("1.5h", None);
        check("1h30m", None);
        check("99999999999999999999s", None);
        check("9999999999999999999d", None);
    }
}
