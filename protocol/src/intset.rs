//! The intset: a sorted array of integers, the small form of a set of integers.
//!
//! Algorithms on slices, as in [`crate::listpack`]; who owns the bytes is `keyspace::packed`.
//!
//! ```text
//! u32 LE width (2, 4 or 8) | u32 LE count | count integers, LE, of that width, strictly ascending
//! ```
//!
//! The width is the smallest one that fits every integer ever added; it never shrinks, so a wider
//! one than needed is legal.

use crate::listpack::Malformed;

/// Bytes before the first integer.
pub const HEADER_BYTES: usize = 8;
/// The intset without integers, in the width in which it starts.
pub const EMPTY: [u8; HEADER_BYTES] = [2, 0, 0, 0, 0, 0, 0, 0];

/// Checks bytes from outside; returns the number of integers, which is not zero.
pub fn validate(bytes: &[u8]) -> Result<usize, Malformed> {
    let fail = |offset, reason| Err(Malformed { offset, reason });
    if bytes.len() < HEADER_BYTES {
        return fail(0, "intset shorter than its header");
    }
    let (width, count) = (width(bytes), len(bytes));
    if !matches!(width, 2 | 4 | 8) {
        return fail(0, "intset of unknown width");
    }
    if count == 0 {
        return fail(4, "intset without integers");
    }
    if count.checked_mul(width).and_then(|body| body.checked_add(HEADER_BYTES)) != Some(bytes.len())
    {
        return fail(4, "intset count differs from its length");
    }
    for index in 1..count {
        if get(bytes, index - 1) >= get(bytes, index) {
            return fail(HEADER_BYTES + index * width, "intset out of order");
        }
    }
    Ok(count)
}

/// Bytes per integer.
pub fn width(set: &[u8]) -> usize {
    u32::from_le_bytes([set[0], set[1], set[2], set[3]]) as usize
}

/// Number of integers.
pub fn len(set: &[u8]) -> usize {
    u32::from_le_bytes([set[4], set[5], set[6], set[7]]) as usize
}

/// The eight bytes of a header.
///
/// # Panics
/// If `count` is too large for an intset.
pub fn header(width: usize, count: usize) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[0] = width as u8;
    let count = u32::try_from(count).expect("an intset has fewer than 2^32 integers");
    header[4..].copy_from_slice(&count.to_le_bytes());
    header
}

/// Total bytes by the header.
pub fn total_bytes(set: &[u8]) -> usize {
    HEADER_BYTES + width(set) * len(set)
}

/// The smallest width for `number`.
pub fn width_for(number: i64) -> usize {
    match number {
        -0x8000..=0x7FFF => 2,
        -0x8000_0000..=0x7FFF_FFFF => 4,
        _ => 8,
    }
}

/// The integer at `index`.
///
/// # Panics
/// If there is none.
pub fn get(set: &[u8], index: usize) -> i64 {
    let width = width(set);
    read(&set[HEADER_BYTES + index * width..][..width])
}

/// The integer in a slot of 2, 4 or 8 bytes.
pub fn read(slot: &[u8]) -> i64 {
    match *slot {
        [a, b] => i64::from(i16::from_le_bytes([a, b])),
        [a, b, c, d] => i64::from(i32::from_le_bytes([a, b, c, d])),
        [a, b, c, d, e, f, g, h] => i64::from_le_bytes([a, b, c, d, e, f, g, h]),
        _ => panic!("not a slot of an intset"),
    }
}

/// Puts `number` into a slot of [`width_for`] it or more bytes.
pub fn write(number: i64, slot: &mut [u8]) {
    slot.copy_from_slice(&number.to_le_bytes()[..slot.len()]);
}

/// Index of `number`, or where it belongs.
pub fn search(set: &[u8], number: i64) -> Result<usize, usize> {
    let (mut low, mut high) = (0, len(set));
    while low < high {
        let middle = low.midpoint(high);
        match get(set, middle).cmp(&number) {
            std::cmp::Ordering::Equal => return Ok(middle),
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Greater => high = middle,
        }
    }
    Err(low)
}

/// All integers, ascending; the iterator goes both ways.
pub fn iter(set: &[u8]) -> impl DoubleEndedIterator<Item = i64> + ExactSizeIterator + '_ {
    set[HEADER_BYTES..].chunks_exact(width(set)).map(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From a DUMP of Redis 7.0.15: 1, 2, 70000.
    const SAMPLE: &[u8] = b"\x04\0\0\0\x03\0\0\0\x01\0\0\0\x02\0\0\0\x70\x11\x01\0";

    #[test]
    fn reads_the_bytes_of_redis() {
        assert_eq!(validate(SAMPLE), Ok(3));
        assert_eq!(iter(SAMPLE).collect::<Vec<_>>(), [1, 2, 70_000]);
        assert_eq!(search(SAMPLE, 2), Ok(1));
        assert_eq!(search(SAMPLE, 3), Err(2));
        assert_eq!(search(SAMPLE, i64::MAX), Err(3));
        assert_eq!(search(SAMPLE, i64::MIN), Err(0));
        assert_eq!(total_bytes(SAMPLE), SAMPLE.len());
        assert_eq!(header(4, 3), SAMPLE[..8]);
    }

    #[test]
    fn damage_is_refused() {
        for cut in 0..SAMPLE.len() {
            assert!(validate(&SAMPLE[..cut]).is_err());
        }
        for (at, byte) in [(0, 3), (4, 0), (4, 4), (7, 0xFF), (8, 2), (19, 0x80)] {
            let mut bytes = SAMPLE.to_vec();
            bytes[at] = byte;
            assert!(validate(&bytes).is_err(), "byte {at} = {byte}");
        }
    }

    #[test]
    fn slots_keep_the_sign() {
        for number in [0, -1, i64::from(i16::MIN), i64::from(i32::MIN), i64::MIN, i64::MAX] {
            for width in [2, 4, 8] {
                if width >= width_for(number) {
                    let mut slot = vec![0; width];
                    write(number, &mut slot);
                    assert_eq!(read(&slot), number);
                }
            }
        }
    }
}
