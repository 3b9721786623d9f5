//! Reading arguments: numbers, times, options, with the errors of Redis.

use crate::refusal::Refusal;
use protocol::number;

/// An integer, in the strict form of requests.
pub fn int(text: &[u8]) -> Result<i64, Refusal> {
    number::parse_i64(text).ok_or(Refusal::NOT_INTEGER)
}

/// Whether a text may be a client's name: printable, no blanks. `what` it is, for the refusal.
pub fn client_name(name: &[u8], what: &str) -> Result<(), Refusal> {
    if name.iter().all(|byte| (b'!'..=b'~').contains(byte)) {
        return Ok(());
    }
    Err(Refusal::new(format!("ERR {what} cannot contain spaces, newlines or special characters.")))
}

/// An integer of 32 bits, which numbers of databases are.
pub fn small_int(text: &[u8]) -> Result<i32, Refusal> {
    const OUTSIDE: Refusal =
        Refusal::fixed("ERR value is out of range, value must between -2147483648 and 2147483647");
    i32::try_from(int(text)?).map_err(|_| OUTSIDE)
}

/// A floating point number; infinity is one, NaN is not.
pub fn float(text: &[u8]) -> Result<f64, Refusal> {
    number::parse_f64(text).ok_or(Refusal::NOT_FLOAT)
}

/// A number as the C library reads it: blanks may come first, nothing may follow, an empty text is 0, and what is too
/// large or too small for a double is none. So SORT reads elements.
pub fn loose_float(text: &[u8]) -> Option<f64> {
    if let Some(number) = number::parse_i64(text) {
        return Some(number as f64);
    }
    let text = text.split(|byte| *byte == 0).next().unwrap_or(text);
    if text.is_empty() {
        return Some(0.0);
    }
    let blanks = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t'..=b'\r')).count();
    let digits = std::str::from_utf8(&text[blanks..]).ok()?;
    let number = number::parse_f64(digits.as_bytes())?;
    let mantissa = digits.split(['e', 'E']).next().unwrap_or(digits);
    let is_zero = !mantissa.contains(|digit: char| ('1'..='9').contains(&digit));
    let fits = match number.classify() {
        std::num::FpCategory::Nan | std::num::FpCategory::Subnormal => false,
        std::num::FpCategory::Infinite => digits.contains(['i', 'I']),
        std::num::FpCategory::Zero => is_zero,
        std::num::FpCategory::Normal => true,
    };
    fits.then_some(number)
}

/// The same where nobody asks whether it fits: what is too large is infinite, what is too small is what is left of it. So
/// ZCOUNT and its kin read bounds.
pub fn bound_float(text: &[u8]) -> Option<f64> {
    loose_float(text).or_else(|| {
        let text = text.split(|byte| *byte == 0).next().unwrap_or(text).trim_ascii_start();
        let digits = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
        let is_number = digits.first().is_some_and(|byte| matches!(byte, b'0'..=b'9' | b'.'));
        let number: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
        (is_number && !number.is_nan()).then_some(number)
    })
}

/// An integer that can change its sign: any but the lowest.
pub fn signed(text: &[u8]) -> Result<i64, Refusal> {
    match int(text)? {
        i64::MIN => Err(Refusal::fixed(
            "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
        )),
        value => Ok(value),
    }
}

/// A count of `least` or more; whatever else it may be is refused with one text.
pub fn count(text: &[u8], least: i64, otherwise: Refusal) -> Result<usize, Refusal> {
    match number::parse_i64(text) {
        Some(value) if value >= least => Ok(value as usize),
        _ => Err(otherwise),
    }
}

/// Whether an argument is this word, in any letter case.
#[inline]
pub fn is(text: &[u8], word: &str) -> bool {
    text.eq_ignore_ascii_case(word.as_bytes())
}

/// Turns an index that may count from the end into one from the start, as ranges of Redis do: clamped on both sides.
/// `None` if the range is empty.
pub fn range(start: i64, stop: i64, len: usize) -> Option<(usize, usize)> {
    let len = len as i64;
    let absolute = |index: i64| if index < 0 { (len + index).max(0) } else { index };
    let first = absolute(start);
    let last = if stop < 0 { len + stop } else { stop.min(len - 1) };
    (first <= last && first < len).then_some((first as usize, last as usize))
}

/// A time to expire given in an option or argument, as unix milliseconds.
///
/// `unit_ms` is 1 or 1000; `base` is now for relative times and 0 for absolute ones.
pub fn expiry(text: &[u8], unit_ms: i64, base: i64, command: &str) -> Result<i64, Refusal> {
    let value = int(text)?;
    if value <= 0 {
        return Err(Refusal::invalid_expiry(command));
    }
    let at = value.checked_mul(unit_ms).and_then(|ms| ms.checked_add(base));
    at.ok_or_else(|| Refusal::invalid_expiry(command))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_databases_have_32_bits() {
        assert_eq!(small_int(b"-2147483648"), Ok(i32::MIN));
        for text in [&b"2147483648"[..], b"-9223372036854775808"] {
            let refusal = small_int(text).unwrap_err();
            assert!(
                refusal
                    .text
                    .starts_with(b"ERR value is out of range, value must between -2147483648")
            );
        }
        assert_eq!(small_int(b"x"), Err(Refusal::NOT_INTEGER));
    }

    #[test]
    fn ranges_are_clamped() {
        assert_eq!(range(0, -1, 5), Some((0, 4)));
        assert_eq!(range(-3, 10, 5), Some((2, 4)));
        assert_eq!(range(-100, 1, 5), Some((0, 1)));
        assert_eq!(range(3, 1, 5), None);
        assert_eq!(range(5, 9, 5), None);
        assert_eq!(range(0, -6, 5), None);
        assert_eq!(range(0, 0, 0), None);
        assert_eq!(range(i64::MIN, i64::MAX, 2), Some((0, 1)));
    }

    #[test]
    fn times_do_not_overflow() {
        assert_eq!(expiry(b"10", 1000, 5, "set"), Ok(10_005));
        assert!(expiry(b"0", 1000, 5, "set").is_err());
        assert!(expiry(b"9223372036854775807", 1000, 5, "set").is_err());
        assert!(expiry(b"9223372036854775807", 1, 5, "set").is_err());
    }

    #[test]
    fn bounds_need_not_fit() {
        for (text, number) in [
            (&b"1e400"[..], Some(f64::INFINITY)),
            (b"-1e400", Some(f64::NEG_INFINITY)),
            (b" 1e-310", Some(1e-310)),
            (b"-1e-400", Some(-0.0)),
            (b"1.5", Some(1.5)),
            (b"", Some(0.0)),
            (b"nan", None),
            (b"1e", None),
            (b"x", None),
            (b"1e400x", None),
        ] {
            assert_eq!(bound_float(text), number, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn numbers_are_those_of_the_c_library() {
        for (text, number) in [
            (&b""[..], Some(0.0)),
            (b" \t\n5", Some(5.0)),
            (b"+1.5e3", Some(1500.0)),
            (b"-inf", Some(f64::NEG_INFINITY)),
            (b"Infinity", Some(f64::INFINITY)),
            (b"0e0", Some(0.0)),
            (b"0.000", Some(0.0)),
            (b"9223372036854775808", Some(9223372036854775808.0)),
            (b"5\0x", Some(5.0)),
            (b"1e400", None),
            (b"1e-400", None),
            (b"nan", None),
            (b"5 ", None),
            (b" ", None),
            (b"1e", None),
            (b"\xff", None),
        ] {
            assert_eq!(loose_float(text), number, "{}", text.escape_ascii());
        }
    }
}
