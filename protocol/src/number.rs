//! Numbers as text, exactly as peers read and write them.
//!
//! # Source
//! - formats of Redis 7.2: strict decimals in requests, the shortest digits in replies

/// Room for any 64-bit integer as text.
pub type IntText = [u8; 20];

/// Reads a canonical decimal: an optional `-`, no `+`, no leading zeros, no blanks, within 64 bits.
#[inline]
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    match digits {
        [b'0'] => return (!negative).then_some(0),
        [b'1'..=b'9', ..] if digits.len() <= 19 => {}
        _ => return None,
    }
    let mut value: u64 = 0;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        // 19 digits stay below 10^19, which fits 64 bits unsigned.
        value = value * 10 + digit as u64;
    }
    if negative {
        (value <= 1 << 63).then(|| (value as i64).wrapping_neg())
    } else {
        i64::try_from(value).ok()
    }
}

/// Writes an integer as text into `buffer` and returns the part used.
#[inline]
pub fn format_i64(value: i64, buffer: &mut IntText) -> &[u8] {
    let mut text = itoa::Buffer::new();
    let text = text.format(value).as_bytes();
    buffer[..text.len()].copy_from_slice(text);
    &buffer[..text.len()]
}

/// Appends an integer as text.
#[inline]
pub fn push_i64(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// How many characters an integer takes as text.
pub fn len_i64(value: i64) -> usize {
    itoa::Buffer::new().format(value).len()
}

/// Reads a floating point number as commands take it, that is as C's `strtod` reads the whole of a text: `inf` and
/// `infinity` in any letter case and hexadecimal forms are numbers; blanks, `nan` and what is too large or too small for
/// a double are refused.
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?;
    if text.is_empty() || text.len() > 255 {
        return None;
    }
    let (negative, digits) = match text.as_bytes()[0] {
        sign @ (b'-' | b'+') => (sign == b'-', &text[1..]),
        _ => (false, text),
    };
    if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        return parse_hex(hex.as_bytes()).map(|value| if negative { -value } else { value });
    }
    let value: f64 = text.parse().ok()?;
    let is_word = digits.as_bytes().first().is_some_and(u8::is_ascii_alphabetic);
    let mantissa = digits.split(['e', 'E']).next().unwrap_or(digits);
    let is_zero = mantissa.bytes().all(|byte| matches!(byte, b'0' | b'.'));
    match value {
        value if value.is_nan() => None,
        value if value.is_infinite() => is_word.then_some(value),
        value if value == 0.0 => is_zero.then_some(value),
        value => Some(value),
    }
}

/// Reads what follows `0x`: digits, perhaps with a point among them, perhaps `p` and a power of two.
fn parse_hex(text: &[u8]) -> Option<f64> {
    let (mantissa, power) = match text.iter().position(|byte| matches!(byte, b'p' | b'P')) {
        Some(at) => {
            let power = &text[at + 1..];
            let power = power.strip_prefix(b"+").unwrap_or(power);
            (&text[..at], std::str::from_utf8(power).ok()?.parse::<i32>().ok()?)
        }
        None => (text, 0),
    };
    let (mut bits, mut exponent, mut digits, mut point) = (0u64, 0i64, 0, false);
    for byte in mantissa {
        if *byte == b'.' && !std::mem::replace(&mut point, true) {
            continue;
        }
        let digit = u64::from((*byte as char).to_digit(16)?);
        digits += 1;
        if bits >> 60 == 0 {
            bits = bits << 4 | digit;
            exponent -= if point { 4 } else { 0 };
        } else {
            // Beyond what a double can tell apart: only whether there is anything matters, for rounding.
            bits |= u64::from(digit != 0);
            exponent += if point { 0 } else { 4 };
        }
    }
    if digits == 0 {
        return None;
    }
    let exponent = (exponent + i64::from(power)).clamp(-4000, 4000) as i32;
    // In two steps, since the power alone may be outside of what a double can be.
    let half = exponent / 2;
    let value = bits as f64 * 2f64.powi(half) * 2f64.powi(exponent - half);
    (value.is_finite() && (value != 0.0 || bits == 0)).then_some(value)
}

/// Writes a double as replies show it: integers without a point, else the shortest digits that read
/// back as the same number.
///
/// With digits d1...dn times 10^k and e = |k + n - 1|: digits and k zeros if k >= 0 and e < n + 7; plain
/// decimals if k < 0 and (k > -7 or e < 4); otherwise `d1.d2...dn` with `e+` or `e-`.
pub fn push_f64(out: &mut Vec<u8>, value: f64) {
    if value.is_nan() {
        return out.extend_from_slice(b"nan");
    }
    if value.is_infinite() {
        return out.extend_from_slice(if value > 0.0 { b"inf" } else { b"-inf" });
    }
    if value == 0.0 {
        return out.extend_from_slice(if value.is_sign_negative() { b"-0" } else { b"0" });
    }
    const WHOLE: f64 = (1u64 << 62) as f64;
    if value.abs() <= WHOLE && value.trunc() == value {
        return push_i64(out, value as i64);
    }
    if value < 0.0 {
        out.push(b'-');
    }
    // `{:e}` gives the shortest digits as d1.d2...e<exponent>.
    let text = format!("{:e}", value.abs());
    let (mantissa, exponent) = text.split_once('e').expect("an exponent is always printed");
    let exponent: i32 = exponent.parse().expect("a decimal exponent");
    let digits: Vec<u8> = mantissa.bytes().filter(|b| *b != b'.').collect();
    let n = digits.len() as i32;
    let k = exponent - (n - 1);
    let e = exponent.abs();
    if k >= 0 && e < n + 7 {
        out.extend_from_slice(&digits);
        out.extend(std::iter::repeat_n(b'0', k as usize));
    } else if k < 0 && (k > -7 || e < 4) {
        if exponent < 0 {
            out.extend_from_slice(b"0.");
            out.extend(std::iter::repeat_n(b'0', (-exponent - 1) as usize));
            out.extend_from_slice(&digits);
        } else {
            let (whole, rest) = digits.split_at(exponent as usize + 1);
            out.extend_from_slice(whole);
            out.push(b'.');
            out.extend_from_slice(rest);
        }
    } else {
        out.push(digits[0]);
        if n > 1 {
            out.push(b'.');
            out.extend_from_slice(&digits[1..]);
        }
        out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
        push_i64(out, e as i64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_canonical() {
        for good in ["0", "7", "-1", "9223372036854775807", "-9223372036854775808"] {
            assert_eq!(parse_i64(good.as_bytes()), Some(good.parse().unwrap()), "{good}");
        }
        for bad in ["", "-", "-0", "+1", "01", " 1", "1 ", "9223372036854775808", "1.0", "a", "--1"]
        {
            assert_eq!(parse_i64(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(parse_i64(b"-9223372036854775809"), None);
        assert_eq!(parse_i64(b"99999999999999999999"), None);
    }

    #[test]
    fn doubles_print_as_replies_of_redis_7_2() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-3.0, "-3"),
            (0.1, "0.1"),
            (1.5, "1.5"),
            (1e21, "1e+21"),
            (1.234e-5, "1.234e-5"),
            (123456789012345680000.0, "123456789012345680000"),
            (0.000001, "0.000001"),
            (1e-7, "1e-7"),
            (4e18, "4000000000000000000"),
            (3.141592653589791, "3.141592653589791"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            let mut out = Vec::new();
            push_f64(&mut out, value);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }

    #[test]
    fn floats_are_read_as_commands_take_them() {
        assert_eq!(parse_f64(b"1.5e3"), Some(1500.0));
        assert_eq!(parse_f64(b"-inf"), Some(f64::NEG_INFINITY));
        assert_eq!(parse_f64(b"+Infinity"), Some(f64::INFINITY));
        assert_eq!(parse_f64(b"0x7FFFFFFFFFFFFF"), Some(36_028_797_018_963_967.0));
        assert_eq!(parse_f64(b"-0X1.8p1"), Some(-3.0));
        assert_eq!(parse_f64(b"0x.1"), Some(0.0625));
        assert_eq!(parse_f64(b"0x1p-1074"), Some(5e-324));
        assert_eq!(parse_f64(b"0x10000000000000000000p-76"), Some(1.0));
        assert_eq!(parse_f64(b"0e400"), Some(0.0));
        for bad in [
            &b"nan"[..],
            b"",
            b" 1",
            b"1 ",
            b"0x",
            b"0x.",
            b"0xg",
            b"0x1p",
            b"0x1.1.1",
            b"abc",
            b"1e",
            b"1e400",
            b"-1e400",
            b"1e-400",
            b"0x1p2000",
            b"0x1p-2000",
            b"-",
            b"+",
        ] {
            assert_eq!(parse_f64(bad), None);
        }
    }
}
