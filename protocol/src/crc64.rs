//! The two CRC-64 of this project: Redis's own for RDB and DUMP, XZ's for the blocks of our journal.
//!
//! They are different polynomials and no trick turns one into the other, so each has a name that says where it
//! belongs. RDB's has no choice: peers compute it. The journal's annotations are read by us alone.
//!
//! ```text
//!           polynomial        init  xor out  check ("123456789")  computed by
//! RDB       AD93D23594C935A9  0     0        E9C6D914C4B8D9CA     crc-fast, Crc64Redis
//! journal   42F0E1EBA9EA3693  ~0    ~0       995DC9BBDF1939FA     crc64fast (XZ)
//! ```
//!
//! # Source
//! - `crc64.c` of Redis 7.2 for the parameters; the ends of files of Redis 7.0, 8.0 and Valkey 9.1

use crc_fast::{CrcAlgorithm, Digest};

/// The checksum of an RDB file or DUMP payload, fed piece by piece.
///
/// Each `update` costs a fixed few nanoseconds before the first byte, so callers hand over whole buffers, not
/// fields; the reader and the writer of [`crate::rdb`] do.
#[derive(Clone, Debug)]
pub struct RdbCrc {
    digest: Digest,
}

impl RdbCrc {
    /// The checksum of nothing, which is 0.
    #[must_use]
    pub fn new() -> Self {
        Self { digest: Digest::new(CrcAlgorithm::Crc64Redis) }
    }

    /// Takes in the bytes that follow those of the calls before.
    #[inline]
    pub fn update(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.digest.update(bytes);
        }
    }

    /// The checksum of everything taken in so far.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.digest.finalize()
    }
}

impl Default for RdbCrc {
    fn default() -> Self {
        Self::new()
    }
}

/// RDB's checksum of one piece.
#[must_use]
pub fn rdb_crc(bytes: &[u8]) -> u64 {
    let mut crc = RdbCrc::new();
    crc.update(bytes);
    crc.value()
}

/// The checksum (CRC-64/XZ) of one block of the journal.
#[must_use]
pub fn journal_crc(bytes: &[u8]) -> u64 {
    journal_crc_of(std::iter::once(bytes))
}

/// The checksum of a block of the journal that comes in pieces.
#[must_use]
pub fn journal_crc_of<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> u64 {
    let mut digest = crc64fast::Digest::new();
    pieces.for_each(|piece| digest.write(piece));
    digest.sum64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn check_values() {
        assert_eq!(rdb_crc(b"123456789"), 0xE9C6_D914_C4B8_D9CA);
        assert_eq!(rdb_crc(b"a"), 0x5FB3_5402_5B27_7B14);
        assert_eq!(journal_crc(b"123456789"), 0x995D_C9BB_DF19_39FA);
    }

    #[test]
    fn rdb_crc_of_nothing_and_of_zeros_is_zero() {
        assert_eq!(RdbCrc::new().value(), 0);
        assert_eq!(rdb_crc(&[0; 1000]), 0);
    }

    /// The definition, one bit at a time.
    fn slow(bytes: &[u8]) -> u64 {
        bytes.iter().fold(0, |crc, &byte| {
            (0..8).fold(crc ^ u64::from(byte), |crc, _| {
                if crc & 1 == 1 { (crc >> 1) ^ 0x95AC_9329_AC4B_C9B5 } else { crc >> 1 }
            })
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn pieces_give_what_the_definition_gives(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..6),
        ) {
            let mut crc = RdbCrc::new();
            for piece in &pieces {
                crc.update(piece);
            }
            prop_assert_eq!(crc.value(), slow(&pieces.concat()));
        }
    }
}
