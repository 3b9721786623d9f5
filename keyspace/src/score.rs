//! Scores of sorted sets as they lie in listpacks: an integer, or the text that Redis 7.2 prints.
//!
//! # Source
//! - `docs` of the formats, 1.1: the shortest digits that read back as the same number, in plain
//!   notation where that is short and with an exponent otherwise

use protocol::listpack::Value;

/// Room for the text of a score.
pub type ScoreBuffer = [u8; 40];

/// Scores up to this size that are integers are stored as such.
const MAX_INTEGER: f64 = (1u64 << 62) as f64;

/// The element that stands for `score`; a text is written into `buffer`.
pub fn to_value(score: f64, buffer: &mut ScoreBuffer) -> Value<'_> {
    if score == f64::INFINITY {
        return Value::Bytes(b"inf");
    }
    if score == f64::NEG_INFINITY {
        return Value::Bytes(b"-inf");
    }
    if score.trunc() == score && score.abs() <= MAX_INTEGER {
        return Value::Int(score as i64);
    }
    let mut text = Text { buffer, len: 0 };
    write_shortest(score, &mut text);
    let Text { buffer, len } = text;
    Value::of(&buffer[..len])
}

/// The score for which an element stands; `None` if that is not a number.
pub fn from_value(value: Value<'_>) -> Option<f64> {
    match value {
        Value::Int(number) => Some(number as f64),
        Value::Bytes(text) => {
            let score: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
            (!score.is_nan()).then_some(score)
        }
    }
}

struct Text<'a> {
    buffer: &'a mut ScoreBuffer,
    len: usize,
}

impl Text<'_> {
    fn put(&mut self, bytes: &[u8]) {
        self.buffer[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    fn put_zeros(&mut self, count: usize) {
        (0..count).for_each(|_| self.put(b"0"));
    }
}

impl std::fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.put(text.as_bytes());
        Ok(())
    }
}

fn write_shortest(score: f64, text: &mut Text<'_>) {
    use std::fmt::Write;

    // The standard library prints d.ddde±x with the shortest digits that read back the same.
    let mut raw = Text { buffer: &mut [0; 40], len: 0 };
    write!(raw, "{:e}", score.abs()).expect("the text of a number fits");
    let raw = &raw.buffer[..raw.len];
    let mark = raw.iter().position(|byte| *byte == b'e').expect("scientific notation");
    let (mut digits, mut count) = ([0; 20], 0);
    for digit in raw[..mark].iter().filter(|byte| **byte != b'.') {
        digits[count] = *digit;
        count += 1;
    }
    let digits = &digits[..count];
    let exponent = std::str::from_utf8(&raw[mark + 1..]).ok().and_then(|text| text.parse().ok());
    let exponent: i32 = exponent.expect("an exponent is a small integer");
    if score.is_sign_negative() {
        text.put(b"-");
    }
    // value = digits × 10^scale = d.ddd × 10^exponent
    let scale = exponent - (count as i32 - 1);
    let size = exponent.unsigned_abs() as usize;
    if scale >= 0 && size < count + 7 {
        text.put(digits);
        text.put_zeros(scale as usize);
    } else if scale < 0 && (scale > -7 || size < 4) {
        let point = count as i32 + scale;
        if point <= 0 {
            text.put(b"0.");
            text.put_zeros(point.unsigned_abs() as usize);
            text.put(digits);
        } else {
            let (whole, fraction) = digits.split_at(point as usize);
            text.put(whole);
            text.put(b".");
            text.put(fraction);
        }
    } else {
        text.put(&digits[..1]);
        if count > 1 {
            text.put(b".");
            text.put(&digits[1..]);
        }
        write!(text, "e{exponent:+}").expect("an exponent fits");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(score: f64) -> String {
        String::from_utf8(to_value(score, &mut [0; 40]).to_vec()).unwrap()
    }

    #[test]
    fn texts_are_those_of_redis() {
        for (score, expected) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-17.0, "-17"),
            (1.5, "1.5"),
            (0.1, "0.1"),
            (-0.25, "-0.25"),
            (1e21, "1e+21"),
            (1.234e-5, "1.234e-5"),
            (123456789012345680000.0, "123456789012345680000"),
            (0.000001, "0.000001"),
            (1e-7, "1e-7"),
            (4e18, "4000000000000000000"),
            (3.141592653589793, "3.141592653589793"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::MAX, "1.7976931348623157e+308"),
            (5e-324, "5e-324"),
            (-1.7976931348623157e-300, "-1.7976931348623157e-300"),
        ] {
            assert_eq!(text(score), expected);
        }
    }

    #[test]
    fn texts_that_are_no_scores_are_refused() {
        for text in ["", "nan", "-nan", "abc", "1.5x", " 1"] {
            assert_eq!(from_value(Value::Bytes(text.as_bytes())), None, "{text}");
        }
        assert_eq!(from_value(Value::Bytes(b"3.1000000000000001")), Some(3.1));
        assert_eq!(from_value(Value::Bytes(b"-inf")), Some(f64::NEG_INFINITY));
    }

    proptest! {
        #[test]
        fn texts_read_back_the_same(bits in any::<u64>(), small in -1_000_000i32..1_000_000) {
            for score in [f64::from_bits(bits), f64::from(small) / 1000.0] {
                if !score.is_nan() {
                    prop_assert_eq!(from_value(to_value(score, &mut [0; 40])), Some(score));
                }
            }
        }
    }
}
