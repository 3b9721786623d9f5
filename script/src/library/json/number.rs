//! Numbers as JSON has them, and as C reads and writes them.

use protocol::number::parse_f64;

/// Appends a finite number with so many digits that count, as `%.14g` of C does.
pub(super) fn push_general(out: &mut Vec<u8>, number: f64, digits: usize) {
    let digits = digits.max(1);
    let text = format!("{:.*e}", digits - 1, number);
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..digits as i32).contains(&exponent) {
        let text = format!("{:.*}", (digits as i32 - 1 - exponent) as usize, number);
        out.extend_from_slice(without_zeros(&text).as_bytes());
        return;
    }
    out.extend_from_slice(without_zeros(mantissa).as_bytes());
    let sign = if exponent < 0 { '-' } else { '+' };
    out.extend_from_slice(format!("e{sign}{:02}", exponent.abs()).as_bytes());
}

fn without_zeros(text: &str) -> &str {
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => text,
    }
}

/// The number that a text begins with, and how long it is: what `strtod` of C takes.
pub(super) fn parse_prefix(text: &[u8]) -> Option<(f64, usize)> {
    let sign = usize::from(matches!(text.first(), Some(b'+' | b'-')));
    let negative = text.first() == Some(&b'-');
    let rest = &text[sign..];
    let signed = |number: f64| if negative { -number } else { number };
    let starts = |word: &[u8]| rest.get(..word.len()).is_some_and(|s| s.eq_ignore_ascii_case(word));
    for word in [&b"infinity"[..], b"inf"] {
        if starts(word) {
            return Some((signed(f64::INFINITY), sign + word.len()));
        }
    }
    if starts(b"nan") {
        return Some((signed(f64::NAN), sign + 3));
    }
    let is_hex = starts(b"0x");
    let number = |len: usize| {
        let number = match is_hex {
            true => parse_f64(&rest[..len]),
            // What is too large is infinite.
            false => std::str::from_utf8(&rest[..len]).ok().and_then(|text| text.parse().ok()),
        };
        number.map(|number: f64| (signed(number), sign + len))
    };
    let digits = |from: usize, hex: bool| {
        let is_digit =
            |byte: &&u8| if hex { byte.is_ascii_hexdigit() } else { byte.is_ascii_digit() };
        rest[from..].iter().take_while(is_digit).count()
    };
    let start = if is_hex { 2 } else { 0 };
    let whole = digits(start, is_hex);
    let mut end = start + whole;
    let mut fraction = 0;
    if rest.get(end) == Some(&b'.') {
        fraction = digits(end + 1, is_hex);
        end += usize::from(whole + fraction > 0) * (1 + fraction);
    }
    if whole + fraction == 0 {
        // Of `0x` without a digit the 0 is one.
        return if is_hex { Some((signed(0.0), sign + 1)) } else { None };
    }
    let letter = if is_hex { b'p' } else { b'e' };
    if rest.get(end).is_some_and(|byte| byte | 0x20 == letter) {
        let with_sign = end + 1 + usize::from(matches!(rest.get(end + 1), Some(b'+' | b'-')));
        if with_sign <= rest.len() && digits(with_sign, false) > 0 {
            end = with_sign + digits(with_sign, false);
        }
    }
    number(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn general(number: f64, digits: usize) -> String {
        let mut out = Vec::new();
        push_general(&mut out, number, digits);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_are_written_as_c_does() {
        for (number, digits, text) in [
            (0.0, 14, "0"),
            (-0.0, 14, "-0"),
            (1.0, 14, "1"),
            (0.1, 14, "0.1"),
            (2.500_000_000_000_045, 14, "2.5"),
            (1e14, 14, "1e+14"),
            (123456789012345.0, 14, "1.2345678901234e+14"),
            (12345678901234.0, 14, "12345678901234"),
            (0.0001, 14, "0.0001"),
            (0.00001, 14, "1e-05"),
            (1e300, 14, "1e+300"),
            (9.99, 1, "1e+01"),
            (9.5, 3, "9.5"),
            (1.0 / 3.0, 3, "0.333"),
        ] {
            assert_eq!(general(number, digits), text);
        }
    }

    #[test]
    fn numbers_are_read_as_c_does() {
        for (text, number, len) in [
            ("12", 12.0, 2),
            ("-12.5e2x", -1250.0, 7),
            ("1e", 1.0, 1),
            ("1e+", 1.0, 1),
            (".5", 0.5, 2),
            ("5.", 5.0, 2),
            ("0x10", 16.0, 4),
            ("0x", 0.0, 1),
            ("0x.8p1", 1.0, 6),
            ("+1", 1.0, 2),
            ("Infinity", f64::INFINITY, 8),
            ("-inf1", f64::NEG_INFINITY, 4),
            ("1e400", f64::INFINITY, 5),
        ] {
            assert_eq!(parse_prefix(text.as_bytes()), Some((number, len)), "{text}");
        }
        assert!(parse_prefix(b"nan").is_some_and(|(number, len)| number.is_nan() && len == 3));
        for text in ["", "-", "x", ".", "e5", "-.e1"] {
            assert_eq!(parse_prefix(text.as_bytes()), None, "{text}");
        }
    }
}
