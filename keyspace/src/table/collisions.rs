//! The table when hashes collide: nothing stops, nothing is lost, and memory stays in proportion to the items.
//!
//! With the secret of a process nobody can choose such names; here the hash is another one, or its seed is known.

use super::*;
use proptest::prelude::*;
use std::collections::HashMap;

/// The hash of an item, which is the address of a leaked pair of key and hash.
fn hash_of(item: NonNull<u8>) -> u64 {
    // SAFETY: every item of these tests is a leaked pair of `u64`.
    unsafe { item.cast::<[u64; 2]>().read()[1] }
}

fn key_of(item: NonNull<u8>) -> u64 {
    // SAFETY: as above.
    unsafe { item.cast::<[u64; 2]>().read()[0] }
}

fn item(key: u64, hash: u64) -> NonNull<u8> {
    NonNull::from(Box::leak(Box::new([key, hash]))).cast()
}

type HashFunction = fn(u64) -> u64;

/// A table of numbers under a hash function of choice, beside a model.
struct Tested {
    table: RawTable,
    hash: HashFunction,
    model: HashMap<u64, NonNull<u8>>,
}

impl Tested {
    fn new(hash: HashFunction) -> Tested {
        Tested { table: RawTable::new(), hash, model: HashMap::new() }
    }

    fn filled(hash: HashFunction, count: u64) -> Tested {
        let mut tested = Tested::new(hash);
        (0..count).for_each(|key| tested.insert(key));
        tested.check();
        tested
    }

    fn find(&self, key: u64) -> Option<NonNull<u8>> {
        self.table.find((self.hash)(key), |item| key_of(item) == key)
    }

    /// Adds a key, or gives it another address if it is there.
    fn insert(&mut self, key: u64) {
        let hash = (self.hash)(key);
        let new = item(key, hash);
        let old = self.find(key);
        assert_eq!(old, self.model.insert(key, new));
        match old {
            Some(old) => self.table.replace(hash, old, new),
            None => self.table.insert_unique(hash, new, hash_of),
        }
    }

    fn remove(&mut self, key: u64) {
        let removed = self.table.remove((self.hash)(key), |item| key_of(item) == key, hash_of);
        assert_eq!(removed, self.model.remove(&key));
    }

    /// Asserts that the table holds what the model holds, and takes memory in proportion.
    fn check(&self) {
        self.table.check(hash_of);
        assert_eq!(self.table.len(), self.model.len());
        for (key, item) in &self.model {
            assert_eq!(self.find(*key), Some(*item), "key {key}");
        }
        let mut seen = HashMap::new();
        self.table.iter().for_each(|item| *seen.entry(key_of(item)).or_insert(0) += 1);
        assert!(seen.len() == self.model.len() && seen.values().all(|times| *times == 1));
        assert_eq!(self.scanned(), seen, "a scan of a table at rest");
    }

    fn scanned(&self) -> HashMap<u64, u32> {
        let (mut seen, mut cursor) = (HashMap::new(), 0);
        loop {
            cursor = self.table.scan(cursor, hash_of, |i| *seen.entry(key_of(i)).or_insert(0) += 1);
            if cursor == 0 {
                return seen;
            }
        }
    }
}

fn draws() -> impl FnMut() -> u64 {
    let mut state = 0u64;
    move || {
        state += 1;
        hash_bytes(&state.to_le_bytes())
    }
}

fn spread(key: u64) -> u64 {
    hash_bytes(&key.to_le_bytes())
}

/// Hash functions that fail in ways of their own.
const BAD: [(&str, HashFunction); 7] = [
    ("all 0", |_| 0),
    ("all ones", |_| u64::MAX),
    ("40 leading bits alike", |key| 0x1234_5678_9a00_0000 | spread(key) >> 40),
    ("all but the first bits alike", |key| spread(key) & 0xff << 56),
    ("halves far apart", |key| if key % 2 == 0 { 0 } else { u64::MAX - (key & 3) }),
    ("every other one spread", |key| if key % 2 == 0 { 77 << 50 } else { spread(key) }),
    ("numbers as they are", |key| key),
];

#[test]
fn names_that_collide_are_kept_and_found() {
    for (name, hash) in BAD {
        let mut tested = Tested::filled(hash, 6_000);
        let bytes = tested.table.memory_bytes();
        assert!(bytes < 6_000 * 100, "{name}: {bytes} bytes for 6,000 items");
        (0..5_990).for_each(|key| tested.remove(key));
        tested.check();
        (5_990..6_000).for_each(|key| tested.remove(key));
        tested.check();
        let bytes = tested.table.memory_bytes();
        assert!(bytes < 100_000, "{name}: {bytes} bytes for nothing");
    }
}

/// The directory is what used to double with every name.
#[test]
fn the_directory_stays_small_whatever_the_hashes() {
    for (name, hash) in BAD {
        let mut tested = Tested::new(hash);
        for key in 0..3_000 {
            tested.insert(key);
            let words = tested.table.directory.len();
            assert!(words <= DIRECTORY_LEAST.max(tested.table.len / ITEMS_PER_WORD), "{name}");
        }
    }
}

/// What spilled comes back into segments once there are enough items to justify a deeper directory.
#[test]
fn items_that_spilled_come_back_as_the_directory_grows() {
    // The first 3,000 agree in eight bits: more than a directory for so few looks at.
    let hash = |key: u64| match key {
        0..3_000 => spread(key) >> 8,
        _ => spread(key),
    };
    let mut tested = Tested::filled(hash, 3_000);
    let spilled = |tested: &Tested| tested.table.overflow.as_ref().map_or(0, |o| o.len());
    assert!(spilled(&tested) > 1_500, "{} spilled", spilled(&tested));
    (3_000..200_000).for_each(|key| tested.insert(key));
    assert_eq!(spilled(&tested), 0);
    tested.table.check(hash_of);
}

#[test]
fn chance_reaches_all_and_favours_none() {
    for (name, hash) in BAD {
        let tested = Tested::filled(hash, 2_400);
        let (mut counts, mut sampled, mut draw) = (HashMap::new(), HashMap::new(), draws());
        for _ in 0..60_000 {
            let item = tested.table.random(&mut draw).unwrap();
            *counts.entry(key_of(item)).or_insert(0u32) += 1;
            tested.table.sample(draw(), false, |item| {
                *sampled.entry(key_of(item)).or_insert(0u32) += 1;
                ControlFlow::Break(())
            });
        }
        // Twenty-five times is the mean. One of a segment that shares its depth with few is drawn more often.
        let most = counts.values().max().unwrap();
        assert!(counts.len() > 2_000 && *most < 1_000, "{name}: {} keys, {most}", counts.len());
        assert!(sampled.len() > 100, "{name}: {} keys were sampled", sampled.len());
        let whole_round = tested.table.sample(draw(), false, |_| ControlFlow::Continue(()));
        assert!(!whole_round);
    }
}

#[test]
fn what_expires_is_found_among_those_that_spilled() {
    for (name, hash) in BAD {
        let mut tested = Tested::filled(hash, 3_000);
        let due = |key: u64| key.is_multiple_of(3).then_some(100 + key as i64 % 2 * 200);
        for key in 0..3_000 {
            if let Some(at) = due(key) {
                tested.table.note_expiry(hash(key), at);
            }
        }
        let mut found = Vec::new();
        for now_ms in [200, 400] {
            let mut position = 0;
            loop {
                (position, _) = tested.table.expiring(position, now_ms, 10, |item| {
                    let at = due(key_of(item));
                    if at.is_some_and(|at| at <= now_ms && at > now_ms - 200) {
                        found.push(key_of(item));
                    }
                    at
                });
                if position == 0 {
                    break;
                }
            }
        }
        found.sort_unstable();
        let expected: Vec<u64> = (0..3_000).filter(|key| key % 3 == 0).collect();
        assert_eq!(found, expected, "{name}");
        tested.remove(0);
    }
}

/// Names that were found by trying, as an attacker would who knows the seed: their hashes agree in more leading bits
/// than so many items can make the directory look at.
#[test]
fn names_crafted_for_a_known_seed_do_no_harm() {
    let crafted = |n: &u64| hash_bytes(format!("key:{n}").as_bytes()) >> 53 == 5;
    let names: Vec<u64> = (0..).filter(crafted).take(4_000).collect();
    let mut tested = Tested::new(|n| hash_bytes(format!("key:{n}").as_bytes()));
    names.iter().for_each(|n| tested.insert(*n));
    tested.check();
    assert!(tested.table.overflow.is_some(), "they are many enough to test something");
    let bytes = tested.table.memory_bytes();
    assert!(bytes < 4_000 * 100, "{bytes} bytes");
    names.iter().for_each(|n| tested.remove(*n));
    tested.check();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn behaves_like_a_map_under_any_hash(
        hash in 0..BAD.len(),
        ops in prop::collection::vec((0u64..2_500, prop::bool::weighted(0.8), prop::bool::weighted(0.01)), 1..6_000),
    ) {
        let mut tested = Tested::new(BAD[hash].1);
        let mut dense = false;
        for (key, add, toggle) in ops {
            if toggle {
                dense = !dense;
                tested.table.set_dense(dense);
            }
            if add { tested.insert(key) } else { tested.remove(key) }
        }
        tested.check();
    }
}
