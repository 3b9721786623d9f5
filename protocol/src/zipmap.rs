//! Zipmaps: the packed hashes of RDB versions 1 to 3. Read only.
//!
//! ```text
//! u8 count (254 or more: walk) | pairs … | FF
//!
//! pair:   length | key | length | u8 free | value | free unused bytes
//! length: 1 byte below FE, or FE and u32 LE
//! ```
//!
//! # Not here
//! - that no key comes twice: the caller's, while converting
//!
//! # Source
//! - `zipmap.c` of Redis 7.2

use thiserror::Error;

const END: u8 = 0xFF;
const LONG: u8 = 0xFE;

/// Why a zipmap is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("zipmap, byte {offset}: {reason}")]
pub struct ZipmapError {
    /// Where in the blob.
    pub offset: usize,
    /// What is wrong there.
    pub reason: &'static str,
}

/// Checks a whole zipmap and returns its pairs of key and value.
pub fn iter(blob: &[u8]) -> Result<Iter<'_>, ZipmapError> {
    if blob.len() < 2 {
        return Err(ZipmapError { offset: blob.len(), reason: "shorter than the smallest zipmap" });
    }
    if blob[blob.len() - 1] != END {
        return Err(ZipmapError { offset: blob.len() - 1, reason: "does not end in FF" });
    }
    let pairs = &blob[..blob.len() - 1];
    let (mut at, mut count) = (1, 0);
    while at < pairs.len() {
        at = decode(pairs, at)?.1;
        count += 1;
    }
    if blob[0] < LONG && usize::from(blob[0]) != count {
        return Err(ZipmapError { offset: 0, reason: "count is wrong" });
    }
    Ok(Iter { pairs, at: 1, left: count })
}

type Pair<'a> = (&'a [u8], &'a [u8]);

/// The pair at `at`, and where the next one begins.
fn decode(pairs: &[u8], at: usize) -> Result<(Pair<'_>, usize), ZipmapError> {
    let short = ZipmapError { offset: at, reason: "pair ends behind the end" };
    let take = |from: usize, len: usize| {
        from.checked_add(len).and_then(|to| pairs.get(from..to)).ok_or(short)
    };
    let length = |from: usize| match take(from, 1)?[0] {
        LONG => {
            let b = take(from + 1, 4)?;
            Ok((u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize, from + 5))
        }
        END => Err(ZipmapError { offset: from, reason: "FF before the end" }),
        len => Ok((usize::from(len), from + 1)),
    };
    let (key_len, key_at) = length(at)?;
    let key = take(key_at, key_len)?;
    let (value_len, free_at) = length(key_at + key_len)?;
    let free = usize::from(take(free_at, 1)?[0]);
    let value = take(free_at + 1, value_len)?;
    let next = free_at + 1 + value_len + free;
    take(free_at + 1, value_len + free)?;
    Ok(((key, value), next))
}

/// The pairs of a checked zipmap.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    pairs: &'a [u8],
    at: usize,
    left: usize,
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        let (pair, next) = decode(self.pairs, self.at).expect("checked by iter()");
        self.at = next;
        self.left -= 1;
        Some(pair)
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

    fn sample() -> Vec<u8> {
        let mut blob = b"\x02\x03foo\x03\x02bar__\x01k\xfe".to_vec();
        blob.extend(300_u32.to_le_bytes());
        blob.push(0);
        blob.extend([b'v'; 300]);
        blob.push(END);
        blob
    }

    #[test]
    fn pairs_long_values_and_free_bytes() {
        let blob = sample();
        let pairs: Vec<Pair<'_>> = iter(&blob).expect("well-formed").collect();
        assert_eq!(pairs, [(&b"foo"[..], &b"bar"[..]), (b"k", &[b'v'; 300])]);
        assert_eq!(iter(b"\x00\xff").expect("empty").len(), 0);
        let mut open = blob.clone();
        open[0] = 254;
        assert_eq!(iter(&open).expect("count left open").len(), 2);
        open[0] = 3;
        assert_eq!(iter(&open).expect_err("wrong count").offset, 0);
    }

    #[test]
    fn every_cut_is_noticed() {
        let blob = sample();
        for len in 0..blob.len() {
            let mut cut = blob[..len].to_vec();
            assert!(iter(&cut).is_err());
            if let Some(last) = cut.last_mut() {
                *last = END;
                assert!(iter(&cut).is_err());
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn damage_is_harmless(at in 0_usize..330, value in any::<u8>()) {
            let mut blob = sample();
            let at = at % blob.len();
            blob[at] = value;
            if let Ok(pairs) = iter(&blob) {
                let expected = pairs.len();
                prop_assert_eq!(pairs.count(), expected);
            }
        }
    }
}
