//! Numbers with 64 bits of precision: what INCRBYFLOAT and HINCRBYFLOAT compute in.
//!
//! Redis computes these in the long double of x86, whose sums show 17 decimals without the noise of a double: 0.1 and 0.2
//! are 0.3. Other processors have no such type, and Rust has none at all, so it is done in integers here: texts are read,
//! added and written as that type would, each rounded once, to the nearest and to even in the middle.
//!
//! ```text
//! value = ± mantissa × 2^exponent      the mantissa's highest bit is set, or it is 0
//! ```
//!
//! # Not here
//! - infinities and hexadecimal forms: the callers have read the text as a double before and refused what is none

use std::cmp::Ordering;

/// Decimals that are written.
const DECIMALS: usize = 17;
/// The highest power of two that the type of x86 reaches.
const MAX_POWER: i64 = 16384;
/// A power of ten beyond all that the type can be.
const TOO_FAR: i64 = 5000;

/// A number of 64 bits' precision.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extended {
    negative: bool,
    mantissa: u64,
    exponent: i32,
}

impl Extended {
    /// Nothing.
    pub const ZERO: Extended = Extended { negative: false, mantissa: 0, exponent: 0 };

    /// Reads a decimal number, with a sign, a point and a power of ten if need be. `None` for what is no such number or
    /// outside of what the type can be.
    pub fn parse(text: &[u8]) -> Option<Extended> {
        let (negative, text) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, text),
        };
        let (digits, power) = match text.iter().position(|byte| matches!(byte, b'e' | b'E')) {
            Some(at) => {
                let power = std::str::from_utf8(&text[at + 1..]).ok()?.parse::<i64>().ok()?;
                (&text[..at], power.clamp(-2 * TOO_FAR, 2 * TOO_FAR))
            }
            None => (text, 0),
        };
        let (mut number, mut power, mut seen, mut point) = (Natural::default(), power, 0, false);
        for byte in digits {
            match byte {
                b'.' if !point => point = true,
                b'0'..=b'9' => {
                    number.multiply_add(10, u32::from(byte - b'0'));
                    seen += 1;
                    power -= i64::from(point);
                }
                _ => return None,
            }
        }
        if seen == 0 {
            return None;
        }
        if number.is_zero() {
            return Some(Extended { negative, ..Extended::ZERO });
        }
        if power.abs() > TOO_FAR + seen {
            return None;
        }
        let mut divisor = Natural::from(1);
        let scaled = if power < 0 { &mut divisor } else { &mut number };
        (0..power.abs()).for_each(|_| scaled.multiply_add(10, 0));
        // The quotient shall have 66 bits at least: two more than are kept.
        let shift = 66 + divisor.bits() as i64 - number.bits() as i64;
        if shift >= 0 {
            number.shift_left(shift as usize)
        } else {
            divisor.shift_left(-shift as usize)
        }
        let (quotient, exact) = number.divide(divisor);
        Extended::rounded(negative, quotient, -shift, !exact)
    }

    /// The nearest number to `value × 2^exponent`, and a little more if `more`. `None` if it is too large.
    fn rounded(negative: bool, value: u128, exponent: i64, more: bool) -> Option<Extended> {
        if value == 0 {
            return Some(Extended { negative, ..Extended::ZERO });
        }
        let excess = 64 - i64::from(value.leading_zeros());
        let (mut mantissa, mut exponent) = (value, exponent + excess);
        if excess <= 0 {
            mantissa <<= -excess;
        } else {
            mantissa >>= excess;
            let rest = value & ((1 << excess) - 1);
            let up = match rest.cmp(&(1 << (excess - 1))) {
                Ordering::Less => false,
                Ordering::Equal => more || mantissa & 1 == 1,
                Ordering::Greater => true,
            };
            mantissa += u128::from(up);
            if mantissa >> 64 != 0 {
                (mantissa, exponent) = (mantissa >> 1, exponent + 1);
            }
        }
        (exponent + 64 <= MAX_POWER).then_some(Extended {
            negative,
            mantissa: mantissa as u64,
            exponent: exponent as i32,
        })
    }

    /// The sum. `None` if it is too large.
    pub fn plus(self, other: Extended) -> Option<Extended> {
        if self.mantissa == 0 || other.mantissa == 0 {
            return Some(if self.mantissa == 0 { other } else { self });
        }
        let order = |number: Extended| (number.exponent, number.mantissa);
        let (large, small) =
            if order(self) >= order(other) { (self, other) } else { (other, self) };
        // 62 bits below the last one; what is still lower only matters for rounding.
        const BELOW: u32 = 62;
        let distance = (large.exponent - small.exponent) as u32;
        let (a, b) = (u128::from(large.mantissa) << BELOW, u128::from(small.mantissa) << BELOW);
        let (shifted, lost) = match distance {
            0..128 => (b >> distance, b & ((1u128 << distance) - 1) != 0),
            _ => (0, true),
        };
        let sum = match large.negative == small.negative {
            true => a + shifted,
            false => a - shifted - u128::from(lost),
        };
        let negative = large.negative && sum != 0;
        Extended::rounded(negative, sum, i64::from(large.exponent) - i64::from(BELOW), lost)
    }

    /// As it is stored and replied: never an exponent, at most 17 decimals, no zeros at the end, no negative zero.
    pub fn text(self) -> Vec<u8> {
        let digits = match self.exponent {
            0.. => {
                let mut number = Natural::from(self.mantissa);
                number.shift_left(self.exponent as usize);
                number.text()
            }
            _ => self.decimal_text(),
        };
        if self.negative && digits != "0" {
            format!("-{digits}").into_bytes()
        } else {
            digits.into()
        }
    }

    /// The same for one with bits below the point, without the sign.
    fn decimal_text(self) -> String {
        let below = self.exponent.unsigned_abs();
        // 64 bits times 10^17 are 121 bits.
        let scaled = u128::from(self.mantissa) * 10u128.pow(DECIMALS as u32);
        let mut units = scaled.checked_shr(below).unwrap_or(0);
        if below <= 128 {
            let rest = if below == 128 { scaled } else { scaled & ((1 << below) - 1) };
            let half = 1u128 << (below - 1);
            units += u128::from(rest > half || rest == half && units & 1 == 1);
        }
        let text = format!("{units:018}");
        let (whole, decimals) = text.split_at(text.len() - DECIMALS);
        match decimals.trim_end_matches('0') {
            "" => whole.to_string(),
            decimals => format!("{whole}.{decimals}"),
        }
    }
}

/// A natural number of any size, the lowest 32 bits first, no zeros at the end.
#[derive(Clone, Default)]
struct Natural(Vec<u32>);

impl From<u64> for Natural {
    fn from(value: u64) -> Natural {
        let mut number = Natural(vec![value as u32, (value >> 32) as u32]);
        number.trim();
        number
    }
}

impl Natural {
    fn trim(&mut self) {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }

    fn is_zero(&self) -> bool {
        self.0.is_empty()
    }

    fn bits(&self) -> usize {
        self.0.last().map_or(0, |last| self.0.len() * 32 - last.leading_zeros() as usize)
    }

    fn multiply_add(&mut self, factor: u32, summand: u32) {
        let mut carry = u64::from(summand);
        for part in &mut self.0 {
            carry += u64::from(*part) * u64::from(factor);
            *part = carry as u32;
            carry >>= 32;
        }
        if carry > 0 {
            self.0.push(carry as u32);
        }
    }

    fn shift_left(&mut self, bits: usize) {
        (0..bits % 32).for_each(|_| self.multiply_add(2, 0));
        if !self.is_zero() {
            self.0.splice(0..0, std::iter::repeat_n(0, bits / 32));
        }
    }

    fn halve(&mut self) {
        let mut carry = 0;
        for part in self.0.iter_mut().rev() {
            let lowest = *part << 31;
            *part = *part >> 1 | carry;
            carry = lowest;
        }
        self.trim();
    }

    fn compare(&self, other: &Natural) -> Ordering {
        let by_length = self.0.len().cmp(&other.0.len());
        by_length.then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
    }

    /// Subtracts what is not larger.
    fn subtract(&mut self, other: &Natural) {
        let mut borrow = false;
        for (at, part) in self.0.iter_mut().enumerate() {
            let subtrahend = other.0.get(at).copied().unwrap_or(0);
            let (difference, first) = part.overflowing_sub(subtrahend);
            let (difference, second) = difference.overflowing_sub(u32::from(borrow));
            (*part, borrow) = (difference, first || second);
        }
        assert!(!borrow, "the larger number is subtracted from");
        self.trim();
    }

    /// The quotient, which has less than 68 bits, and whether nothing is left.
    fn divide(mut self, mut divisor: Natural) -> (u128, bool) {
        const BITS: usize = 68;
        divisor.shift_left(BITS - 1);
        let mut quotient = 0;
        for _ in 0..BITS {
            quotient <<= 1;
            if self.compare(&divisor).is_ge() {
                self.subtract(&divisor);
                quotient |= 1;
            }
            divisor.halve();
        }
        (quotient, self.is_zero())
    }

    fn text(mut self) -> String {
        const STEP: u64 = 1_000_000_000;
        let mut steps = Vec::new();
        while !self.is_zero() {
            let mut rest = 0;
            for part in self.0.iter_mut().rev() {
                rest = rest << 32 | u64::from(*part);
                (*part, rest) = ((rest / STEP) as u32, rest % STEP);
            }
            self.trim();
            steps.push(rest);
        }
        let mut text = steps.pop().unwrap_or(0).to_string();
        steps.iter().rev().for_each(|step| text.push_str(&format!("{step:09}")));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::Extended;

    fn sum(a: &str, b: &str) -> String {
        let parse = |text: &str| Extended::parse(text.as_bytes()).expect("a number");
        let sum = parse(a).plus(parse(b)).expect("in range");
        String::from_utf8(sum.text()).expect("digits")
    }

    #[test]
    fn sums_are_those_of_redis_7_0() {
        for (a, b, expected) in [
            ("0.1", "0.2", "0.3"),
            ("8.67", "-36.875", "-28.205"),
            ("-28.205", "36.625", "8.42"),
            ("619743", "-7.02", "619735.98000000000001819"),
            ("0", "123456789.123456789", "123456789.12345678899873747"),
            ("23", "-9223372036854775808", "-9223372036854775785"),
            ("0.5", "9223372036854775807", "9223372036854775807.5"),
            ("0", "1e21", "1000000000000000000000"),
            ("-1000000", "1e21", "999999999999999000000"),
            ("0", "1e-7", "0.0000001"),
            ("0", "1e-20", "0"),
            ("0", "-0", "0"),
            ("1.5", "-1.5", "0"),
            ("-5", "5", "0"),
            ("0", "3.0e3", "3000"),
            ("0", ".5", "0.5"),
            ("0", "5.", "5"),
            ("1e-4000", "1", "1"),
        ] {
            assert_eq!(sum(a, b), expected, "{a} + {b}");
        }
    }

    #[test]
    fn large_numbers_have_all_their_digits() {
        let text = sum("1e308", "0");
        assert_eq!(text.len(), 308);
        assert!(text.starts_with("9999999999999999999668587965584564566056"), "{text}");
        assert!(text.ends_with("318142424510452728255046343928578048"), "{text}");
        assert!(Extended::parse(b"1e4932").is_some());
        assert_eq!(Extended::parse(b"1e4933"), None);
        let most = Extended::parse(b"1e4932").expect("a number");
        assert_eq!(most.plus(most), None);
    }

    #[test]
    fn doubles_are_read_exactly() {
        // What a double can be has at most 53 bits: read, and written with 17 decimals, it comes back.
        for (n, scale) in [(1u64, 0i32), (3, 1), (12345, 7), (9_007_199_254_740_991, 10), (77, 16)]
        {
            let value = n as f64 / 2f64.powi(scale);
            let read = Extended::parse(format!("{value}").as_bytes()).expect("a number");
            let text = String::from_utf8(read.text()).expect("digits");
            assert_eq!(text.parse::<f64>(), Ok(value));
        }
    }

    #[test]
    fn other_texts_are_no_numbers() {
        for text in ["", "-", ".", "e5", "1e", "1.2.3", "x", "1x", "0x1", "inf", "nan", " 1"] {
            assert_eq!(Extended::parse(text.as_bytes()), None, "{text}");
        }
    }
}
