//! Until when a certificate is good: the one thing of it that is told to whoever watches.

/// The end of a certificate's validity, in seconds since 1970. `None` where its bytes are not those of a certificate.
pub(super) fn ends(der: &[u8]) -> Option<u64> {
    let (certificate, _) = value(SEQUENCE, der)?;
    let (mut body, _) = value(SEQUENCE, certificate)?;
    if let Some((_, rest)) = value(VERSION, body) {
        body = rest;
    }
    // The serial number, how it was signed, and by whom.
    for tag in [INTEGER, SEQUENCE, SEQUENCE] {
        (_, body) = value(tag, body)?;
    }
    let (validity, _) = value(SEQUENCE, body)?;
    let (_, _, rest) = element(validity)?;
    let (tag, text, _) = element(rest)?;
    moment(tag, text)
}

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// The content of the first element, if it has this tag, and what follows it.
fn value(tag: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (found, value, rest) = element(bytes)?;
    (found == tag).then_some((value, rest))
}

/// The tag and the content of the first element, and what follows it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = bytes.split_first_chunk()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        // As many bytes of it follow; a certificate is never so long that more were needed.
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (value, rest) = rest.split_at_checked(length)?;
    Some((tag, value, rest))
}

/// `YYMMDDHHMMSSZ`, of 1950 to 2049, or `YYYYMMDDHHMMSSZ`.
fn moment(tag: u8, text: &[u8]) -> Option<u64> {
    let digits = text.strip_suffix(b"Z")?;
    let (years, of_year) = match tag {
        UTC_TIME => digits.split_at_checked(2)?,
        GENERALIZED_TIME => digits.split_at_checked(4)?,
        _ => return None,
    };
    let number = |digits: &[u8]| std::str::from_utf8(digits).ok()?.parse::<i64>().ok();
    let year = match (tag, number(years)?) {
        (UTC_TIME, year @ 50..) => 1900 + year,
        (UTC_TIME, year) => 2000 + year,
        (_, year) => year,
    };
    let [month, day, hour, minute, second] = of_year.as_chunks::<2>().0 else { return None };
    let [month, day, hour, minute, second] = [number(month)?, number(day)?, number(hour)?, number(minute)?, number(second)?];
    u64::try_from(days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second).ok()
}

/// Days from 1970 to a day of the Gregorian calendar. Years begin in March here, so that a leap day is the last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + (153 * month + 2) / 5 + day - 719_469
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        for (tag, text, expect) in [
            (UTC_TIME, "700101000000Z", Some(0)),
            (UTC_TIME, "000229235959Z", Some(951_868_799)),
            (UTC_TIME, "491231235959Z", Some(2_524_607_999)),
            (GENERALIZED_TIME, "20500101000000Z", Some(2_524_608_000)),
            (GENERALIZED_TIME, "99991231235959Z", Some(253_402_300_799)),
            (UTC_TIME, "500101000000Z", None),
            (UTC_TIME, "700101000000", None),
            (UTC_TIME, "7001010000Z", None),
            (UTC_TIME, "70010100000xZ", None),
            (SEQUENCE, "700101000000Z", None),
        ] {
            assert_eq!(moment(tag, text.as_bytes()), expect, "{text}");
        }
    }

    #[test]
    fn a_certificate_says_when_it_ends_and_noise_does_not() {
        let mut params = rcgen::CertificateParams::new(["chat.example.org".to_string()]).unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        for (year, expect) in [(2031, 1_924_992_000), (2075, 3_313_526_400)] {
            params.not_after = rcgen::date_time_ymd(year, 1, 1);
            let certificate = params.self_signed(&key).unwrap();
            let der: &[u8] = certificate.der();
            assert_eq!(ends(der), Some(expect));
            // Whatever is missing, nothing is read that is not there.
            let cut = (0..der.len()).filter_map(|length| ends(&der[..length]));
            assert_eq!(cut.count(), 0);
        }
        assert_eq!(ends(b"no certificate"), None);
    }
}
