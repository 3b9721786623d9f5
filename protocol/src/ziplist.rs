//! Ziplists: the packed lists, hashes and sorted sets of RDB versions 2 to 9. Read only.
//!
//! ```text
//! u32 LE bytes | u32 LE offset of last entry | u16 LE count (65535: walk) | entries … | FF
//!
//! entry:    prevlen | encoding | data
//! prevlen:  size of the entry before: 1 byte below FE, or FE and u32 LE
//! encoding: 00nnnnnn  string of n bytes        C0 / F0 / D0 / E0  int16 / 24 / 32 / 64, LE
//!           01nnnnnn  + 1: 14 bits, BE         FE                 int8
//!           80        + 4: 32 bits, BE         F1 … FD            the numbers 0 … 12
//! ```
//!
//! A blob is walked once in full before anything of it is given out, and everything redundant in it (total, last
//! offset, count, every prevlen) must agree; so a caller converts without half a value in its hands.
//!
//! # Not here
//! - that a hash has no field twice, a sorted set ascending scores: the caller's, while converting
//!
//! # Source
//! - `ziplist.c` of Redis 7.2

use thiserror::Error;

const HEADER_BYTES: usize = 10;
const END: u8 = 0xFF;
const UNKNOWN_COUNT: usize = 0xFFFF;

/// One entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry<'a> {
    /// A number, which stands for its decimal text.
    Int(i64),
    /// A string.
    Bytes(&'a [u8]),
}

/// Why a ziplist is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("ziplist, byte {offset}: {reason}")]
pub struct ZiplistError {
    /// Where in the blob.
    pub offset: usize,
    /// What is wrong there.
    pub reason: &'static str,
}

/// Checks a whole ziplist and returns its entries.
pub fn iter(blob: &[u8]) -> Result<Iter<'_>, ZiplistError> {
    let fail = |offset, reason| Err(ZiplistError { offset, reason });
    if blob.len() < HEADER_BYTES + 1 {
        return fail(blob.len(), "shorter than the smallest ziplist");
    }
    let word = |at: usize| u32::from_le_bytes([blob[at], blob[at + 1], blob[at + 2], blob[at + 3]]);
    if word(0) as usize != blob.len() {
        return fail(0, "total is not the length of the blob");
    }
    if blob[blob.len() - 1] != END {
        return fail(blob.len() - 1, "does not end in FF");
    }
    let entries = &blob[..blob.len() - 1];
    let (mut at, mut last, mut previous, mut count) = (HEADER_BYTES, HEADER_BYTES, 0, 0);
    while at < entries.len() {
        let (_, prevlen, size) = decode(entries, at)?;
        if prevlen != previous {
            return fail(at, "length of the previous entry is wrong");
        }
        (last, previous) = (at, size);
        at += size;
        count += 1;
    }
    if word(4) as usize != last {
        return fail(4, "offset of the last entry is wrong");
    }
    let announced = usize::from(u16::from_le_bytes([blob[8], blob[9]]));
    if announced != UNKNOWN_COUNT && announced != count {
        return fail(8, "count is wrong");
    }
    Ok(Iter { entries, at: HEADER_BYTES, left: count })
}

/// The entry at `at`: itself, its prevlen and its whole size.
fn decode(entries: &[u8], at: usize) -> Result<(Entry<'_>, usize, usize), ZiplistError> {
    let short = ZiplistError { offset: at, reason: "entry ends behind the end" };
    let take = |from: usize, len: usize| {
        from.checked_add(len).and_then(|to| entries.get(from..to)).ok_or(short)
    };
    let (prevlen, mut next) = match take(at, 1)?[0] {
        0xFE => {
            let b = take(at + 1, 4)?;
            (u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize, at + 5)
        }
        END => return Err(ZiplistError { offset: at, reason: "FF before the end" }),
        byte => (usize::from(byte), at + 1),
    };
    let encoding = take(next, 1)?[0];
    next += 1;
    // Sign-extends the little-endian number of `len` bytes at `next`.
    let number = |len: usize| {
        let bytes = take(next, len)?;
        let mut wide = [if bytes[len - 1] & 0x80 == 0 { 0 } else { 0xFF }; 8];
        wide[..len].copy_from_slice(bytes);
        Ok((Entry::Int(i64::from_le_bytes(wide)), len))
    };
    let (entry, len) = match encoding {
        0x00..=0x3F => {
            let len = usize::from(encoding);
            (Entry::Bytes(take(next, len)?), len)
        }
        0x40..=0x7F => {
            let len = usize::from(encoding & 0x3F) << 8 | usize::from(take(next, 1)?[0]);
            (Entry::Bytes(take(next + 1, len)?), len + 1)
        }
        0x80 => {
            let b = take(next, 4)?;
            let len = u32::from_be_bytes([b[0], b[1], b[2], b[3]]) as usize;
            (Entry::Bytes(take(next + 4, len)?), len + 4)
        }
        0xC0 => number(2)?,
        0xD0 => number(4)?,
        0xE0 => number(8)?,
        0xF0 => number(3)?,
        0xFE => number(1)?,
        0xF1..=0xFD => (Entry::Int(i64::from(encoding & 0x0F) - 1), 0),
        _ => return Err(ZiplistError { offset: next - 1, reason: "unknown encoding" }),
    };
    Ok((entry, prevlen, next + len - at))
}

/// The entries of a checked ziplist.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    entries: &'a [u8],
    at: usize,
    left: usize,
}

impl<'a> Iterator for Iter<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        if self.left == 0 {
            return None;
        }
        let (entry, _, size) = decode(self.entries, self.at).expect("checked by iter()");
        self.at += size;
        self.left -= 1;
        Some(entry)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Iter<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A ziplist of entries given as encoding and data.
    fn build(entries: &[Vec<u8>]) -> Vec<u8> {
        let (mut body, mut previous, mut last) = (Vec::new(), 0_usize, HEADER_BYTES);
        for entry in entries {
            last = HEADER_BYTES + body.len();
            let start = body.len();
            if previous < 0xFE {
                body.push(previous as u8);
            } else {
                body.push(0xFE);
                body.extend((previous as u32).to_le_bytes());
            }
            body.extend(entry);
            previous = body.len() - start;
        }
        let mut blob = ((HEADER_BYTES + body.len() + 1) as u32).to_le_bytes().to_vec();
        blob.extend((last as u32).to_le_bytes());
        blob.extend((entries.len() as u16).to_le_bytes());
        blob.extend(body);
        blob.push(END);
        blob
    }

    fn sample() -> Vec<u8> {
        let mut long = vec![0x41, 0x2C];
        long.extend([b'x'; 300]);
        let mut wide = vec![0x80, 0, 0, 0, 2];
        wide.extend(b"hi");
        build(&[
            vec![1, b'a'],
            vec![0xF1],
            vec![0xFD],
            vec![0xFE, 0x80],
            vec![0xC0, 0x2C, 0x01],
            vec![0xF0, 0xFF, 0xFF, 0xFF],
            long,
            vec![0xD0, 0, 0, 0, 0x80],
            vec![0xE0, 0, 0, 0, 0, 0, 0, 0, 0x80],
            wide,
            vec![0],
        ])
    }

    #[test]
    fn every_encoding() {
        let blob = sample();
        let entries: Vec<_> = iter(&blob).expect("well-formed").collect();
        assert_eq!(
            entries,
            [
                Entry::Bytes(b"a"),
                Entry::Int(0),
                Entry::Int(12),
                Entry::Int(-128),
                Entry::Int(300),
                Entry::Int(-1),
                Entry::Bytes(&[b'x'; 300]),
                Entry::Int(i64::from(i32::MIN)),
                Entry::Int(i64::MIN),
                Entry::Bytes(b"hi"),
                Entry::Bytes(b""),
            ]
        );
        assert_eq!(iter(&build(&[])).expect("empty").len(), 0);
    }

    #[test]
    fn redundant_fields_must_agree() {
        for at in [0, 4, 8, HEADER_BYTES, HEADER_BYTES + 3] {
            let mut blob = sample();
            blob[at] ^= 1;
            assert!(iter(&blob).is_err(), "byte {at}");
        }
        let mut unknown = sample();
        unknown[8..10].fill(0xFF);
        assert_eq!(iter(&unknown).expect("count left open").len(), 11);
    }

    #[test]
    fn every_cut_is_noticed() {
        let blob = sample();
        for len in 0..blob.len() {
            assert!(iter(&blob[..len]).is_err());
            let mut mended = blob[..len].to_vec();
            if len > HEADER_BYTES {
                mended[..4].copy_from_slice(&(len as u32).to_le_bytes());
                mended[len - 1] = END;
                assert!(iter(&mended).is_err());
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn damage_is_harmless(at in 0_usize..400, value in any::<u8>()) {
            let mut blob = sample();
            let at = at % blob.len();
            blob[at] = value;
            if let Ok(entries) = iter(&blob) {
                let expected = entries.len();
                prop_assert_eq!(entries.count(), expected);
            }
        }
    }
}
