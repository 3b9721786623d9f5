//! The table against a model, and the promises of its scan.

use super::*;
use proptest::prelude::*;
use std::collections::{HashMap, HashSet};

/// Items are leaked boxes of a number; the number is the key.
fn item(key: u64) -> NonNull<u8> {
    NonNull::from(Box::leak(Box::new(key))).cast()
}

fn key_of(item: NonNull<u8>) -> u64 {
    // SAFETY: every item of these tests is a leaked `u64`.
    unsafe { item.cast::<u64>().read() }
}

fn hash_of(item: NonNull<u8>) -> u64 {
    hash_bytes(&key_of(item).to_le_bytes())
}

struct Numbers(RawTable);

impl Numbers {
    fn insert(&mut self, key: u64) -> bool {
        let hash = hash_bytes(&key.to_le_bytes());
        if self.0.find(hash, |i| key_of(i) == key).is_some() {
            return false;
        }
        self.0.insert_unique(hash, item(key), hash_of);
        true
    }
    fn remove(&mut self, key: u64) -> bool {
        let hash = hash_bytes(&key.to_le_bytes());
        self.0.remove(hash, |i| key_of(i) == key, hash_of).is_some()
    }
    fn scan_all(&mut self, mut between: impl FnMut(&mut Self, usize)) -> HashMap<u64, usize> {
        let mut seen = HashMap::new();
        let (mut cursor, mut step) = (0, 0);
        loop {
            cursor = self.0.scan(cursor, hash_of, |i| *seen.entry(key_of(i)).or_insert(0) += 1);
            if cursor == 0 {
                return seen;
            }
            between(self, step);
            step += 1;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn behaves_like_a_set(ops in prop::collection::vec((0u64..3000, prop::bool::weighted(0.7)), 1..6000)) {
        let mut table = Numbers(RawTable::new());
        let mut model = HashSet::new();
        for (key, add) in ops {
            if add {
                prop_assert_eq!(table.insert(key), model.insert(key));
            } else {
                prop_assert_eq!(table.remove(key), model.remove(&key));
            }
        }
        table.0.check(hash_of);
        let all: HashSet<u64> = table.0.iter().map(key_of).collect();
        prop_assert_eq!(&all, &model);
        prop_assert_eq!(table.scan_all(|_, _| ()).len(), model.len());
    }
}

#[test]
fn grows_and_shrinks() {
    let mut table = Numbers(RawTable::new());
    for key in 0..100_000 {
        assert!(table.insert(key));
    }
    table.0.check(hash_of);
    let per_item = table.0.memory_bytes() as f64 / 100_000.0;
    assert!(per_item < 11.0, "{per_item} bytes per item");
    for key in 0..99_900 {
        assert!(table.remove(key));
    }
    table.0.check(hash_of);
    assert!(table.0.memory_bytes() < 16 * 1024, "{} bytes", table.0.memory_bytes());
    assert_eq!(table.scan_all(|_, _| ()).len(), 100);
}

#[test]
fn a_scan_visits_each_item_once_when_nothing_changes() {
    let mut table = Numbers(RawTable::new());
    (0..20_000).for_each(|key| assert!(table.insert(key)));
    let seen = table.scan_all(|_, _| ());
    assert_eq!(seen.len(), 20_000);
    assert!(seen.values().all(|count| *count == 1));
}

#[test]
fn a_scan_visits_what_stays_while_the_table_grows_and_shrinks() {
    let mut table = Numbers(RawTable::new());
    (0..5_000).for_each(|key| assert!(table.insert(key)));
    let seen = table.scan_all(|table, step| {
        let base = 10_000 + step as u64 * 50;
        let more = if step < 300 { 50 } else { 0 };
        (base..base + more).for_each(|key| assert!(table.insert(key)));
    });
    assert!((0..5_000).all(|key| seen.contains_key(&key)));
    let stays: Vec<u64> = (0..500).collect();
    let mut doomed: Vec<u64> = table.0.iter().map(key_of).filter(|key| *key >= 500).collect();
    let seen = table.scan_all(|table, _| {
        for key in doomed.drain(..doomed.len().min(40)) {
            assert!(table.remove(key));
        }
    });
    assert!(stays.iter().all(|key| seen.contains_key(key)));
    table.0.check(hash_of);
}

#[test]
fn random_items_are_spread_evenly() {
    let mut table = Numbers(RawTable::new());
    (0..1_000).for_each(|key| assert!(table.insert(key)));
    let mut state = 1u64;
    let mut draw = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        hash_bytes(&state.to_le_bytes())
    };
    let mut counts = HashMap::new();
    for _ in 0..100_000 {
        *counts.entry(key_of(table.0.random(&mut draw).unwrap())).or_insert(0u32) += 1;
    }
    assert_eq!(counts.len(), 1_000);
    assert!(counts.values().all(|count| (50..200).contains(count)));
}

#[test]
fn segments_with_expired_items_are_found_and_others_skipped() {
    let mut table = Numbers(RawTable::new());
    (0..50_000).for_each(|key| assert!(table.insert(key)));
    let due = [7u64, 4_000, 49_999];
    for key in due {
        table.0.note_expiry(hash_bytes(&key.to_le_bytes()), 100);
    }
    let (mut position, mut found, mut visited) = (0, Vec::new(), 0);
    loop {
        (position, _) = table.0.expiring(position, 200, 10, |item| {
            visited += 1;
            let key = key_of(item);
            let at = due.contains(&key).then_some(100);
            if at.is_some() {
                found.push(key);
            }
            at
        });
        if position == 0 {
            break;
        }
    }
    found.sort_unstable();
    assert_eq!(found, due);
    assert!(visited < 5_000, "{visited} items were visited for three");
}
