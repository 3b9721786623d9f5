//! What a table holds beside its segments: items whose hashes agree in more bits than any split can tell apart.
//!
//! With a keyed hash this is empty. If names collide all the same (the secret is known, or there is none), the table
//! must neither stop nor double its directory for every name: such items lie here, ordered by hash. Only those with the
//! very same hash are compared one by one.
//!
//! # Invariants
//! - `places` has an entry for each of `items`, with its index there

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::ptr::NonNull;

/// Items by hash.
#[derive(Default)]
pub(super) struct Overflow {
    /// In no order, so that one of them can be chosen by its index.
    items: Vec<(u64, NonNull<u8>)>,
    /// Index in `items` by hash and address.
    places: BTreeMap<(u64, usize), usize>,
}

/// All addresses with hashes in a range.
fn keys(hashes: RangeInclusive<u64>) -> RangeInclusive<(u64, usize)> {
    (*hashes.start(), 0)..=(*hashes.end(), usize::MAX)
}

impl Overflow {
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Bytes allocated, near enough: nodes of a B-tree are two thirds full.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Overflow>()
            + self.items.capacity() * size_of::<(u64, NonNull<u8>)>()
            + self.places.len() * size_of::<((u64, usize), usize)>() * 3 / 2
    }

    pub fn insert(&mut self, hash: u64, item: NonNull<u8>) {
        let before = self.places.insert((hash, item.as_ptr() as usize), self.items.len());
        assert!(before.is_none(), "an item is in a table once");
        self.items.push((hash, item));
    }

    /// The item with this hash for which `eq` is true.
    pub fn find(&self, hash: u64, mut eq: impl FnMut(NonNull<u8>) -> bool) -> Option<NonNull<u8>> {
        self.within(hash..=hash).find(|item| eq(*item))
    }

    /// Takes an item out that is there.
    pub fn remove(&mut self, hash: u64, item: NonNull<u8>) {
        let place = self.places.remove(&(hash, item.as_ptr() as usize)).expect("it is there");
        self.items.swap_remove(place);
        if let Some((hash, moved)) = self.items.get(place) {
            self.places.insert((*hash, moved.as_ptr() as usize), place);
        }
    }

    /// Puts `new` where `old` is.
    pub fn replace(&mut self, hash: u64, old: NonNull<u8>, new: NonNull<u8>) {
        let place = self.places.remove(&(hash, old.as_ptr() as usize)).expect("it is there");
        self.places.insert((hash, new.as_ptr() as usize), place);
        self.items[place].1 = new;
    }

    /// Whether there are items with hashes in a range.
    pub fn has_any(&self, hashes: RangeInclusive<u64>) -> bool {
        self.within(hashes).next().is_some()
    }

    /// Takes an item with a hash in a range out.
    pub fn take_any(&mut self, hashes: RangeInclusive<u64>) -> Option<(u64, NonNull<u8>)> {
        let (_, place) = self.places.range(keys(hashes)).next()?;
        let (hash, item) = self.items[*place];
        self.remove(hash, item);
        Some((hash, item))
    }

    /// Items with hashes in a range, in the order of these.
    pub fn within(&self, hashes: RangeInclusive<u64>) -> impl Iterator<Item = NonNull<u8>> + '_ {
        self.places.range(keys(hashes)).map(|(_, place)| self.items[*place].1)
    }

    /// All items from the one with this index on.
    pub fn from(&self, index: usize) -> impl Iterator<Item = NonNull<u8>> + '_ {
        self.items[index..].iter().map(|(_, item)| *item)
    }

    /// Asserts the invariants. For tests.
    pub fn check(&self, rehash: impl Fn(NonNull<u8>) -> u64) {
        assert_eq!(self.items.len(), self.places.len());
        for ((hash, address), place) in &self.places {
            assert_eq!(self.items[*place].0, *hash);
            assert_eq!(self.items[*place].1.as_ptr() as usize, *address);
            assert_eq!(rehash(self.items[*place].1), *hash);
        }
    }
}
