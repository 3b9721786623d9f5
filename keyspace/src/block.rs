//! Thin blocks: the members of large collections, each one allocation behind one thin pointer.
//!
//! A block says its own length, so the table that holds it spends eight bytes and a tag on it. The
//! table of this module owns its blocks and is all that [`crate::hash`] and [`crate::set`] need;
//! for sorted sets [`Ordered`] joins it with a tree that orders the same blocks. Only these two
//! ever see a pointer to a block, which is why it cannot outlive the block.
//!
//! ```text
//! Alone   (set):        key length | key
//! Scored  (sorted set): key length | member | score (8 bytes, LE)
//! Pair    (hash):       key length | value length | field | value
//! ```
//!
//! Lengths are LEB128, so one byte for up to 127.
//!
//! # Invariants
//! - every item of a table is a block that was made for it, and is freed when it leaves the table
//! - keys in a table differ
//! - the tree of an [`Ordered`] holds exactly the blocks of its table, with their scores
//!
//! # Not here
//! - small forms: [`crate::packed`]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::collections::HashSet;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::slice;

use crate::hashing::Keyed;
use crate::sample::choose;
use crate::table::{RawTable, hash_bytes};

mod ordered;
pub use ordered::{Members, Ordered, OrderedBuilder};

/// What a block holds after its key.
pub trait Shape {
    /// Length of the tail, if it is the same in all blocks of this shape; else the block says it.
    const TAIL_BYTES: Option<usize>;
}

/// A key alone.
#[derive(Debug)]
pub enum Alone {}
/// A key and eight bytes.
#[derive(Debug)]
pub enum Scored {}
/// A key and any bytes.
#[derive(Debug)]
pub enum Pair {}

impl Shape for Alone {
    const TAIL_BYTES: Option<usize> = Some(0);
}

impl Shape for Scored {
    const TAIL_BYTES: Option<usize> = Some(8);
}

impl Shape for Pair {
    const TAIL_BYTES: Option<usize> = None;
}

/// A hash table that owns blocks.
pub struct Blocks<S: Shape> {
    table: RawTable,
    /// Bytes of all blocks.
    bytes: usize,
    shape: PhantomData<S>,
}

impl<S: Shape> Blocks<S> {
    /// A table without blocks.
    pub fn new() -> Self {
        Self { table: RawTable::new(), bytes: 0, shape: PhantomData }
    }

    /// Number of blocks.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes allocated for the table and its blocks.
    pub fn memory_bytes(&self) -> usize {
        self.table.memory_bytes() + self.bytes
    }

    /// The tail that belongs to `key`.
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.find(hash_bytes(key), key).map(|block| self.parts(block).1)
    }

    /// Stores `tail` for `key`; returns whether the key is new.
    pub fn set(&mut self, key: &[u8], tail: &[u8]) -> bool {
        let hash = hash_bytes(key);
        let Some(old) = self.find(hash, key) else {
            self.insert(hash, key, tail);
            return true;
        };
        if self.parts(old).1.len() == tail.len() {
            old.overwrite_tail(tail);
        } else {
            let new = Block::<S>::new(key, tail);
            self.bytes = self.bytes + new.total() - old.total();
            self.table.replace(hash, old.start, new.start);
            old.free();
        }
        false
    }

    /// Removes a key; returns whether it was there.
    pub fn remove(&mut self, key: &[u8]) -> bool {
        match self.find(hash_bytes(key), key) {
            Some(block) => {
                self.remove_block(block);
                true
            }
            None => false,
        }
    }

    /// Keys and tails in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> + '_ {
        self.table.iter().map(|item| self.parts(Block::at(item)))
    }

    /// Visits some keys and tails; returns the cursor to go on with. 0 begins and ends.
    pub fn scan(&self, cursor: u64, mut visit: impl FnMut(&[u8], &[u8])) -> u64 {
        self.table.scan(cursor, Self::rehash, |item| {
            let (key, tail) = self.parts(Block::at(item));
            visit(key, tail);
        })
    }

    /// One block by chance.
    pub fn random(&self, draw: &mut dyn FnMut() -> u64) -> Option<(&[u8], &[u8])> {
        self.table.random(draw).map(|item| self.parts(Block::at(item)))
    }

    /// Visits `count` different blocks by chance, or all if there are not so many.
    pub fn sample(
        &self,
        count: usize,
        draw: &mut dyn FnMut() -> u64,
        mut visit: impl FnMut(&[u8], &[u8]),
    ) {
        let mut give = |item| {
            let (key, tail) = self.parts(Block::at(item));
            visit(key, tail);
        };
        if count.saturating_mul(3) < self.len() {
            let mut taken = HashSet::with_capacity_and_hasher(count, Keyed);
            // Two in three draws find a new one, unless hashes collide.
            let mut draws_left = count.saturating_mul(8) + 64;
            while taken.len() < count && draws_left > 0 {
                draws_left -= 1;
                let Some(item) = self.table.random(draw) else { return };
                if taken.insert(item) {
                    give(item);
                }
            }
            let left = count - taken.len();
            if left > 0 {
                let others = self.table.iter().filter(|item| !taken.contains(item)).collect();
                choose(others, left, draw).into_iter().for_each(give);
            }
        } else {
            let items = choose(self.table.iter().collect(), count, draw);
            items.into_iter().for_each(give);
        }
    }

    /// Starts loading what a look-up of `key` will read.
    pub fn prefetch(&self, key: &[u8]) {
        self.table.prefetch(hash_bytes(key));
    }

    /// Verifies the invariants.
    pub fn check(&self) {
        self.table.check(Self::rehash);
        let mut bytes = 0;
        for item in self.table.iter() {
            let block = Block::<S>::at(item);
            bytes += block.total();
            let key = self.parts(block).0;
            assert!(self.find(hash_bytes(key), key).is_some_and(|found| found.start == item));
        }
        assert_eq!(bytes, self.bytes);
    }

    fn find(&self, hash: u64, key: &[u8]) -> Option<Block<S>> {
        let same = |item| Block::<S>::at(item).parts().0 == key;
        self.table.find(hash, same).map(Block::at)
    }

    /// Adds a block for a key that is not there.
    fn insert(&mut self, hash: u64, key: &[u8], tail: &[u8]) -> Block<S> {
        let block = Block::new(key, tail);
        self.bytes += block.total();
        self.table.insert_unique(hash, block.start, Self::rehash);
        block
    }

    /// Takes a block of this table out of it and frees it.
    fn remove_block(&mut self, block: Block<S>) {
        let hash = hash_bytes(block.parts().0);
        let removed = self.table.remove(hash, |item| item == block.start, Self::rehash);
        assert!(removed.is_some(), "a block is in its table");
        self.bytes -= block.total();
        block.free();
    }

    /// Key and tail of a block of this table.
    fn parts(&self, block: Block<S>) -> (&[u8], &[u8]) {
        block.parts()
    }

    fn rehash(item: NonNull<u8>) -> u64 {
        hash_bytes(Block::<S>::at(item).parts().0)
    }
}

impl<S: Shape> Default for Blocks<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Shape> Clone for Blocks<S> {
    fn clone(&self) -> Self {
        let mut copy = Self::new();
        for (key, tail) in self.iter() {
            copy.insert(hash_bytes(key), key, tail);
        }
        copy
    }
}

impl<S: Shape> Drop for Blocks<S> {
    fn drop(&mut self) {
        for item in self.table.iter() {
            Block::<S>::at(item).free();
        }
    }
}

/// Pointer to a block. Private to this module and [`ordered`], which keep it no longer than the
/// block is in its table: that is what the safety of everything below rests on.
struct Block<S> {
    start: NonNull<u8>,
    shape: PhantomData<S>,
}

impl<S> Clone for Block<S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Block<S> {}

// SAFETY: a block belongs to one table, and whoever owns the table may use it from any one thread.
unsafe impl<S> Send for Block<S> {}
// SAFETY: a shared reference to the owner only reads blocks.
unsafe impl<S> Sync for Block<S> {}

impl<S: Shape> AsRef<[u8]> for Block<S> {
    fn as_ref(&self) -> &[u8] {
        self.parts().0
    }
}

impl<S: Shape> Block<S> {
    /// A block at an item of a table of this shape.
    fn at(start: NonNull<u8>) -> Self {
        Self { start, shape: PhantomData }
    }

    fn new(key: &[u8], tail: &[u8]) -> Self {
        let mut head = [0; 20];
        let mut used = put_length(&mut head, 0, key.len());
        match S::TAIL_BYTES {
            Some(fixed) => assert_eq!(tail.len(), fixed),
            None => used = put_length(&mut head, used, tail.len()),
        }
        let layout = layout(used + key.len() + tail.len());
        // SAFETY: the layout is not empty, as the length of the key takes a byte.
        let Some(start) = NonNull::new(unsafe { alloc(layout) }) else {
            handle_alloc_error(layout)
        };
        let mut at = start;
        for part in [&head[..used], key, tail] {
            // SAFETY: the parts together are as long as the new allocation.
            unsafe {
                at.copy_from_nonoverlapping(NonNull::from(part).cast(), part.len());
                at = at.add(part.len());
            }
        }
        Self::at(start)
    }

    fn free(self) {
        // SAFETY: allocated in `new` with this layout; the owner has given up its pointer.
        unsafe { dealloc(self.start.as_ptr(), layout(self.total())) };
    }

    /// Lengths of head, key and tail.
    fn lengths(self) -> (usize, usize, usize) {
        let (key, used) = self.length_at(0);
        match S::TAIL_BYTES {
            Some(tail) => (used, key, tail),
            None => {
                let (tail, used) = self.length_at(used);
                (used, key, tail)
            }
        }
    }

    fn total(self) -> usize {
        let (head, key, tail) = self.lengths();
        head + key + tail
    }

    /// Key and tail; the caller shortens the lifetime to that of the owner.
    fn parts<'a>(self) -> (&'a [u8], &'a [u8]) {
        let (head, key, tail) = self.lengths();
        // SAFETY: the block was made with these lengths and is still in its table; references end
        // before the owner is changed, as they borrow it.
        unsafe {
            let key_start = self.start.add(head);
            (
                slice::from_raw_parts(key_start.as_ptr(), key),
                slice::from_raw_parts(key_start.add(key).as_ptr(), tail),
            )
        }
    }

    /// Replaces the tail by one of the same length; the caller has the owner for itself.
    fn overwrite_tail(self, tail: &[u8]) {
        let (head, key, old) = self.lengths();
        assert_eq!(tail.len(), old);
        // SAFETY: the tail lies there, `tail` is as long, and no reference into the block is left.
        unsafe { self.start.add(head + key).copy_from(NonNull::from(tail).cast(), tail.len()) };
    }

    /// A length in the head, and where the next part begins.
    fn length_at(self, mut at: usize) -> (usize, usize) {
        let (mut length, mut shift) = (0, 0);
        loop {
            // SAFETY: the head of a block ends each length with a byte below 0x80.
            let byte = unsafe { self.start.add(at).read() };
            at += 1;
            length |= usize::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return (length, at);
            }
            shift += 7;
        }
    }
}

fn layout(total: usize) -> Layout {
    Layout::array::<u8>(total).expect("a block is smaller than the address space")
}

fn put_length(head: &mut [u8; 20], mut at: usize, mut length: usize) -> usize {
    while length >= 0x80 {
        head[at] = length as u8 | 0x80;
        length >>= 7;
        at += 1;
    }
    head[at] = length as u8;
    at + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    #[test]
    fn lengths_of_every_size_are_kept() {
        for key in [0, 1, 127, 128, 16_383, 16_384, 100_000] {
            for tail in [0, 1, 127, 128, 70_000] {
                let (key, tail) = (vec![b'k'; key], vec![b't'; tail]);
                let mut pairs = Blocks::<Pair>::new();
                assert!(pairs.set(&key, &tail));
                assert_eq!(pairs.get(&key), Some(&tail[..]));
                pairs.check();
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn blocks_are_a_map(
            steps in prop::collection::vec((0u16..200, 0u8..4, 0usize..20), 0..500),
        ) {
            let mut blocks = Blocks::<Pair>::new();
            let mut model: HashMap<Vec<u8>, Vec<u8>> = HashMap::new();
            for (key, kind, len) in steps {
                let (key, tail) = (key.to_string().into_bytes(), vec![kind; len]);
                if kind == 0 {
                    prop_assert_eq!(blocks.remove(&key), model.remove(&key).is_some());
                } else {
                    prop_assert_eq!(blocks.set(&key, &tail), model.insert(key, tail).is_none());
                }
            }
            blocks.check();
            let copy = blocks.clone();
            drop(blocks);
            copy.check();
            let found: HashMap<_, _> = copy.iter().map(|(k, t)| (k.to_vec(), t.to_vec())).collect();
            prop_assert_eq!(&found, &model);
            let mut seen = HashMap::new();
            let mut cursor = 0;
            loop {
                cursor = copy.scan(cursor, |k, t| { seen.insert(k.to_vec(), t.to_vec()); });
                if cursor == 0 {
                    break;
                }
            }
            prop_assert_eq!(&seen, &model);
            let mut draw = crate::sample::tests::draw();
            for count in [0, 1, model.len() / 4, model.len() / 2, model.len() + 3] {
                let mut sample = HashSet::new();
                copy.sample(count, &mut draw, |k, _| assert!(sample.insert(k.to_vec())));
                prop_assert_eq!(sample.len(), count.min(model.len()));
            }
        }
    }
}
