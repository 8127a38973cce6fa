//! The validity of an X.509 certificate, so that an expired one can be told from one of an unknown
//! authority.
//!
//! Pure. Whether a certificate is trusted is for OpenSSL alone to say.

/// The two times between which a certificate is valid, each as `YYYYMMDDHHMMSS` in UTC; none when it is
/// no certificate.
pub(super) fn validity(der: &[u8]) -> Option<[String; 2]> {
    const SEQUENCE: u8 = 0x30;
    const VERSION: u8 = 0xa0;
    let inner = |(tag, content, _): (u8, _, _)| (tag == SEQUENCE).then_some(content);
    let certificate = inner(element(der)?)?;
    let mut rest: &[u8] = inner(element(certificate)?)?;
    if rest.first() == Some(&VERSION) {
        rest = element(rest)?.2;
    }
    // Serial number, signature algorithm, issuer.
    for _ in 0..3 {
        rest = element(rest)?.2;
    }
    let times = inner(element(rest)?)?;
    let (tag, from, rest) = element(times)?;
    let until = element(rest)?;
    Some([time(tag, from)?, time(until.0, until.1)?])
}

/// The first element: its tag, its content, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    const LONG: u8 = 0x80;
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < LONG {
        (usize::from(first), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(first - LONG))?;
        let length = digits
            .iter()
            .try_fold(0usize, |sum, digit| sum.checked_mul(256)?.checked_add((*digit).into()))?;
        (length, rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

fn time(tag: u8, text: &[u8]) -> Option<String> {
    const SHORT: u8 = 0x17;
    const LONG: u8 = 0x18;
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    match (tag, text.len()) {
        // Years of two digits go from 1950 to 2049 (RFC 5280).
        (SHORT, 12) => Some(format!("{}{text}", if text < "50" { "20" } else { "19" })),
        (LONG, 14) => Some(text.to_owned()),
        _ => None,
    }
}

/// Seconds since 1970 as `YYYYMMDDHHMMSS` in UTC.
pub(super) fn time_of(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Years begin in March here, so that a leap day is a year's last (proleptic Gregorian calendar).
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = year + era * 400 + next;
    format!("{year:04}{month:02}{day:02}{:02}{:02}{:02}", rest / 3_600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).expect("short").to_be_bytes();
        [&[0x30, 0x82], length.as_slice(), content].concat()
    }

    fn certificate(times: &[u8]) -> Vec<u8> {
        let begin =
            [&[0xa0, 3, 2, 1, 2, 2, 1, 9], sequence(b"").as_slice(), sequence(b"").as_slice()].concat();
        sequence(&sequence(&[begin, sequence(times)].concat()))
    }

    #[test]
    fn both_forms_of_a_time() {
        let der = certificate(b"\x17\x0d700102030405Z\x18\x0f20600102030405Z");
        assert_eq!(validity(&der), Some(["19700102030405".into(), "20600102030405".into()]));
    }

    #[test]
    fn what_is_no_certificate_has_no_times() {
        let der = certificate(b"\x17\x0d200102030405Z\x17\x0d250102030405Z");
        assert!(validity(&der).is_some());
        for end in 0..der.len() {
            assert_eq!(validity(&der[..end]), None, "{end}");
        }
        for bad in [b"\x17\x0d20010203040xZ\x17\x0d250102030405Z".as_slice(), b"\x17\xff", b"", b"\x17\x88"] {
            assert_eq!(validity(&certificate(bad)), None);
        }
    }

    #[test]
    fn times_as_certificates_write_them() {
        for (seconds, text) in [
            (0, "19700101000000"),
            (951_782_400, "20000229000000"),
            (1_709_251_199, "20240229235959"),
            (1_709_251_200, "20240301000000"),
            (4_107_542_399, "21000228235959"),
            (4_107_542_400, "21000301000000"),
        ] {
            assert_eq!(time_of(seconds), text);
        }
    }
}
