//! The hash of keys, fields and members: SipHash-1-3 under a secret of the process.
//!
//! Whoever sends names may know everything about this program but the key, and sees what depends on hashes: cursors of
//! SCAN, the order of KEYS and SMEMBERS, which keys a sample names. SipHash is a pseudo-random function: neither its
//! outputs nor any choice of inputs tell the key or further outputs, so names that collide cannot be chosen. One
//! compression and three finalization rounds are what Rust's and Ruby's own tables use; Redis uses one and two.
//!
//! Measured on names of 16 bytes: 8 ns, against 1 ns of foldhash, which was here before. Foldhash and its kind mix by
//! multiplication with constants that are public: names exist that hash to 0 under every seed of it.
//!
//! # Not here
//! - what a table does when hashes collide all the same: [`crate::table`]
//!
//! # Source
//! - Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012

use siphasher::sip::SipHasher13;
use std::hash::{BuildHasher, Hasher};
use std::sync::OnceLock;

/// Bytes of the secret.
pub const SEED_BYTES: usize = 16;

/// What tests, benchmarks and fuzz targets hash with: they need runs that can be repeated, and names that collide.
const TEST_SEED: [u8; SEED_BYTES] = *b"no secret at all";

static HASHER: OnceLock<SipHasher13> = OnceLock::new();

/// Sets the secret of this process: bytes of the system's generator, known to nobody, written nowhere.
///
/// # Panics
/// If something was hashed before, or if there is a secret: what lies in tables could not be found any more.
pub fn seed_hash(seed: &[u8; SEED_BYTES]) {
    let set = HASHER.set(SipHasher13::new_with_key(seed));
    assert!(set.is_ok(), "the secret comes before the first hash, and once");
}

/// The hash of a key, field or member.
#[inline]
pub fn hash_bytes(bytes: &[u8]) -> u64 {
    HASHER.get_or_init(|| SipHasher13::new_with_key(&TEST_SEED)).hash(bytes)
}

/// Hashes the keys of tables from other crates under the same secret, in place of the chance that std's have.
///
/// For names, and for names with small numbers beside them. Numbers alone are spread and not hidden: those are for what we
/// number ourselves. An order that shows must not come from such a hash: the secret is no part of the history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keyed;

impl BuildHasher for Keyed {
    type Hasher = KeyedHasher;

    #[inline]
    fn build_hasher(&self) -> KeyedHasher {
        KeyedHasher(0)
    }
}

/// See [`Keyed`]. What collides here has hashes of [`hash_bytes`] that fit each other, and those cannot be chosen.
#[derive(Clone, Copy, Debug)]
pub struct KeyedHasher(u64);

impl KeyedHasher {
    /// An odd number: what is multiplied by it stays different.
    const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
}

impl Hasher for KeyedHasher {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        self.0 = self.0.wrapping_mul(Self::SPREAD) ^ hash_bytes(bytes);
    }

    #[inline]
    fn write_u64(&mut self, number: u64) {
        let spread = (self.0 ^ number).wrapping_mul(Self::SPREAD);
        // The upper bits are the good ones, and tables use both ends.
        self.0 = spread ^ (spread >> 32);
    }

    #[inline]
    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::Hasher;

    #[test]
    fn it_is_siphash_1_3() {
        // The example of the paper's appendix A, of the variant with other rounds: key and words are read as there.
        let key: [u8; SEED_BYTES] = std::array::from_fn(|at| at as u8);
        let input: [u8; 15] = std::array::from_fn(|at| at as u8);
        let variant = siphasher::sip::SipHasher24::new_with_key(&key);
        assert_eq!(variant.hash(&input), 0xa129_ca61_49be_45e5);
        for len in 0..70u8 {
            let bytes: Vec<u8> = (0..len).collect();
            // The standard library's is SipHash-1-3 with a key of zeros.
            let mut other = std::hash::DefaultHasher::new();
            other.write(&bytes);
            assert_eq!(other.finish(), SipHasher13::new_with_keys(0, 0).hash(&bytes));
        }
    }

    #[test]
    fn all_of_the_secret_counts() {
        let plain = SipHasher13::new_with_key(&[0; SEED_BYTES]).hash(b"name");
        for bit in 0..SEED_BYTES * 8 {
            let mut seed = [0; SEED_BYTES];
            seed[bit / 8] = 1 << (bit % 8);
            assert_ne!(SipHasher13::new_with_key(&seed).hash(b"name"), plain, "bit {bit}");
        }
    }

    #[test]
    fn keys_of_tables_are_hashed_by_all_that_they_are() {
        let of = |db: usize, name: &[u8]| Keyed.hash_one((db, name.to_vec()));
        assert_eq!(of(1, b"name"), of(1, b"name"));
        let mut all = std::collections::BTreeSet::new();
        for db in 0..16 {
            for name in 0..1000u32 {
                all.insert(of(db, &name.to_le_bytes()));
            }
        }
        assert_eq!(all.len(), 16_000);
        // Both ends of the word differ, for numbers that follow each other as well.
        for shift in [0, 57] {
            let parts = (0..128u64).map(|n| (Keyed.hash_one(n) >> shift) & 0x7f);
            assert!(parts.collect::<std::collections::BTreeSet<_>>().len() > 64);
        }
        // The secret decides: it is that of `hash_bytes`, so no name has a hash that anybody knows.
        let mut hasher = Keyed.build_hasher();
        hasher.write(b"name");
        assert_eq!(hasher.finish(), hash_bytes(b"name"));
    }

    /// Names of foldhash's public constant, twice, behind 8 bytes of choice: it gives them one hash under every seed.
    #[test]
    fn public_constants_are_no_names_of_power() {
        let constant = 0xc0ac_29b7_c97c_50dd_u64.to_le_bytes();
        let hashes: std::collections::HashSet<u64> = (0..3000u64)
            .map(|n| hash_bytes(&[&n.to_le_bytes()[..], &constant, &constant].concat()) >> 32)
            .collect();
        assert!(hashes.len() > 2990, "{} of 3000 differ in their upper half", hashes.len());
    }
}
