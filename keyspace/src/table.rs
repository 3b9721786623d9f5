//! The hash table under everything: keys of a database, fields and members of large collections.
//!
//! It holds thin pointers and does not know what they point to: callers pass closures that compare
//! and hash. A probe costs two cache lines, one of the table and one of the item. Memory is nine
//! to ten bytes per item at every size, because the table grows in small steps and one part at a time:
//! no operation ever touches more than one segment (about a thousand items), so there is no pause that
//! grows with the table, and no rehash storm under a forked child.
//!
//! ```text
//! directory: 2^depth words, indexed by the top bits of the hash (extendible hashing)
//!   word:    48 bits address of a segment | 8 bits number of buckets | 7 bits local depth | 1 bit: spilled
//! segment:   header (64 bytes) | 1 to 127 buckets, in the order of the hash bits that follow the depth
//! bucket:    tag x 9 | overflow | item x 9        one cache line
//!            1 byte    1 byte     6 bytes each
//! ```
//!
//! A tag is the low byte of the hash (0 means empty, so 0 is stored as 1). `overflow` counts the items
//! that passed by this bucket because it was full and lie further on: a search that finds 0 stops.
//! Growing rebuilds one segment with more buckets, and splits it in two when it has 127.
//!
//! The directory is at most an eighth of a byte per item (above a few words), which is several times what evenly
//! spread hashes need. If a full segment may not be split for that, because too many hashes agree in their top bits,
//! its further items *spill* into an overflow (`table/overflow.rs`), ordered by hash, and come back as places become
//! free or the directory may grow. Nothing is paid for that but a bit looked at when a search finds nothing.
//!
//! Buckets lie in hash order, so a scan cursor is simply a position in the space of hashes: it stays
//! valid whatever grows, splits or shrinks meanwhile, and every item that is there from the first
//! call to the last is visited.
//!
//! Rejected: `hashbrown::HashTable` per segment (two cache lines for the table, power-of-two sizes, so
//! 9 to 19 bytes per item and all segments doubling at about the same time).
//!
//! # Invariants
//! - all items of a segment share its `local depth` top hash bits
//! - an item lies in its home bucket, or after it with `overflow > 0` in every bucket passed by
//! - directory words that share a segment are equal
//! - a segment has spilled if, and only if, items with its hash bits lie in the overflow; it is full then
//!
//! # Not here
//! - what is stored: [`crate::entry`] for keys, [`crate::hash`], [`crate::set`], [`crate::zset`] for members

mod overflow;
mod segment;

pub use crate::hashing::{hash_bytes, seed_hash};
pub use segment::prefetch;

use overflow::Overflow;
use segment::{
    BUCKETS_MAX, Bits, LINE, NEVER, SIZES, SLOTS, Segment, buckets_for, each_prefetched, tag,
};
use std::ops::ControlFlow;
use std::ops::RangeInclusive;
use std::ptr::NonNull;

/// The most bits of a hash that the directory looks at: as many follow for the buckets.
const DEPTH_MAX: u32 = 32;
/// Words that a directory may have however few items there are.
const DIRECTORY_LEAST: usize = 16;
/// Items for each word of a larger directory. A full segment has a thousand.
const ITEMS_PER_WORD: usize = 64;

/// A hash table of thin pointers. See the module for its shape.
///
/// The table does not own what the pointers point to: dropping it frees the table alone.
pub struct RawTable {
    directory: Vec<u64>,
    depth: u32,
    dense: bool,
    /// Items, those in the overflow among them.
    len: usize,
    overflow: Option<Box<Overflow>>,
}

// SAFETY: a table is its directory and its segments, which only it refers to. The items are the
// owner's: types that hold a table are `Send` if their items are.
unsafe impl Send for RawTable {}

impl Default for RawTable {
    fn default() -> Self {
        RawTable::new()
    }
}

impl Drop for RawTable {
    fn drop(&mut self) {
        let mut index = 0;
        while index < self.directory.len() {
            let segment = Segment::unpack(self.directory[index]);
            index += 1 << (self.depth - segment.depth);
            segment.free();
        }
    }
}

impl RawTable {
    /// An empty table; allocates nothing until the first item.
    pub fn new() -> RawTable {
        RawTable { directory: Vec::new(), depth: 0, dense: false, len: 0, overflow: None }
    }

    /// How many items there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no items.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes allocated for the table itself.
    pub fn memory_bytes(&self) -> usize {
        let segments: usize = self.segments().map(|s| LINE + s.buckets * LINE).sum();
        let overflow = self.overflow.as_ref().map_or(0, |overflow| overflow.memory_bytes());
        segments + self.directory.capacity() * 8 + overflow
    }

    /// Postpones growth as far as possible: set while a forked child shares the memory, so that pages
    /// are not copied for nothing.
    pub fn set_dense(&mut self, dense: bool) {
        self.dense = dense;
    }

    #[inline]
    fn index(&self, hash: u64) -> usize {
        ((hash >> 1) >> (63 - self.depth)) as usize
    }

    #[inline]
    fn segment(&self, hash: u64) -> Option<Segment> {
        self.directory.get(self.index(hash)).map(|word| Segment::unpack(*word))
    }

    fn segments(&self) -> impl Iterator<Item = Segment> + '_ {
        let mut index = 0;
        std::iter::from_fn(move || {
            let segment = Segment::unpack(*self.directory.get(index)?);
            index += 1 << (self.depth - segment.depth);
            Some(segment)
        })
    }

    /// Fetches the cache line that a search for `hash` begins with.
    #[inline]
    pub fn prefetch(&self, hash: u64) {
        if let Some(segment) = self.segment(hash) {
            prefetch(segment.bucket(segment.home(hash)).0);
        }
    }

    /// Fetches what an item with `hash` needs to be added, beyond what [`Self::prefetch`] fetches: the segment's count.
    #[inline]
    pub fn prefetch_count(&self, hash: u64) {
        if let Some(segment) = self.segment(hash) {
            prefetch(segment.at);
        }
    }

    /// Fetches the items that a search for `hash` is likely to look at. Comes after [`Self::prefetch`].
    #[inline]
    pub fn prefetch_items(&self, hash: u64) {
        if let Some(segment) = self.segment(hash) {
            let bucket = segment.bucket(segment.home(hash));
            let slots = bucket.matches(tag(hash));
            if slots != 0 {
                prefetch(bucket.item(slots.trailing_zeros() as usize));
            }
        }
    }

    #[inline]
    fn locate(
        &self,
        segment: Segment,
        hash: u64,
        mut eq: impl FnMut(NonNull<u8>) -> bool,
    ) -> Option<(usize, usize)> {
        let tag = tag(hash);
        let mut index = segment.home(hash);
        for _ in 0..segment.buckets {
            let bucket = segment.bucket(index);
            for slot in Bits(bucket.matches(tag)) {
                if eq(bucket.item(slot)) {
                    return Some((index, slot));
                }
            }
            if bucket.overflow() == 0 {
                return None;
            }
            index = segment.after(index);
        }
        None
    }

    /// The item with this hash for which `eq` is true.
    #[inline]
    pub fn find(&self, hash: u64, mut eq: impl FnMut(NonNull<u8>) -> bool) -> Option<NonNull<u8>> {
        let segment = self.segment(hash)?;
        match self.locate(segment, hash, &mut eq) {
            Some((index, slot)) => Some(segment.bucket(index).item(slot)),
            None if segment.spilled => self.spilled().find(hash, eq),
            None => None,
        }
    }

    /// What segments have spilled, if one has.
    #[cold]
    fn spilled(&self) -> &Overflow {
        self.overflow.as_ref().expect("a segment has spilled")
    }

    /// Puts `new` where `old` is: the same key at another address.
    pub fn replace(&mut self, hash: u64, old: NonNull<u8>, new: NonNull<u8>) {
        let segment = self.segment(hash).expect("the item to replace is there");
        match self.locate(segment, hash, |item| item == old) {
            Some((index, slot)) => segment.bucket(index).put(slot, tag(hash), new),
            None => {
                let overflow = self.overflow.as_mut().expect("the item to replace is there");
                overflow.replace(hash, old, new);
            }
        }
    }

    /// Adds an item that is not there. `rehash` gives the hash of any item of the table.
    pub fn insert_unique(
        &mut self,
        hash: u64,
        item: NonNull<u8>,
        rehash: impl Fn(NonNull<u8>) -> u64,
    ) {
        if self.directory.is_empty() {
            self.directory.push(Segment::new(1, 0).pack());
        }
        loop {
            let segment = Segment::unpack(self.directory[self.index(hash)]);
            if (segment.header().count as usize) < self.room(segment.buckets) {
                segment.place(hash, item);
                self.len += 1;
                return;
            }
            if segment.buckets == BUCKETS_MAX && !self.may_split(segment) {
                return self.spill(hash, segment, item);
            }
            self.grow(hash, segment, &rehash);
        }
    }

    /// Whether a full segment may be split: the directory stays within what the items justify.
    fn may_split(&self, segment: Segment) -> bool {
        let words_most = (self.len / ITEMS_PER_WORD).max(DIRECTORY_LEAST);
        let fits = segment.depth < self.depth || self.directory.len() * 2 <= words_most;
        segment.depth < DEPTH_MAX && fits
    }

    /// Adds an item whose segment is full and may not be split.
    #[cold]
    fn spill(&mut self, hash: u64, segment: Segment, item: NonNull<u8>) {
        self.overflow.get_or_insert_default().insert(hash, item);
        self.len += 1;
        if !segment.spilled {
            self.publish(hash, Segment { spilled: true, ..segment });
        }
    }

    /// Takes an item with the hash bits of a spilled segment back from the overflow.
    fn take_spilled(&mut self, hashes: RangeInclusive<u64>) -> Option<(u64, NonNull<u8>)> {
        let overflow = self.overflow.as_mut()?;
        let taken = overflow.take_any(hashes);
        if overflow.len() == 0 {
            self.overflow = None;
        }
        taken
    }

    /// Whether there are items with the hash bits of a segment in the overflow.
    fn has_spilled(&self, hashes: RangeInclusive<u64>) -> bool {
        self.overflow.as_ref().is_some_and(|overflow| overflow.has_any(hashes))
    }

    /// How many items a segment takes before it grows: nine tenths of its slots.
    fn room(&self, buckets: usize) -> usize {
        let slots = buckets * SLOTS;
        if self.dense { slots - slots / 32 - 1 } else { slots - slots / 10 - 1 }
    }

    /// Removes the item with this hash for which `eq` is true, and returns it.
    pub fn remove(
        &mut self,
        hash: u64,
        mut eq: impl FnMut(NonNull<u8>) -> bool,
        rehash: impl Fn(NonNull<u8>) -> u64,
    ) -> Option<NonNull<u8>> {
        let segment = self.segment(hash)?;
        let Some((index, slot)) = self.locate(segment, hash, &mut eq) else {
            return if segment.spilled { self.remove_spilled(hash, segment, eq) } else { None };
        };
        let item = segment.bucket(index).item(slot);
        segment.bucket(index).clear(slot);
        let mut passed = segment.home(hash);
        while passed != index {
            segment.bucket(passed).passed_by(-1);
            passed = segment.after(passed);
        }
        segment.header().count -= 1;
        self.len -= 1;
        if segment.spilled {
            self.refill(hash, segment);
            return Some(item);
        }
        let sparse = (segment.header().count as usize) < segment.buckets * SLOTS / 4;
        if sparse && segment.buckets > 2 && !self.dense {
            self.shrink(hash, segment, &rehash);
        }
        Some(item)
    }

    #[cold]
    fn remove_spilled(
        &mut self,
        hash: u64,
        segment: Segment,
        eq: impl FnMut(NonNull<u8>) -> bool,
    ) -> Option<NonNull<u8>> {
        let overflow = self.overflow.as_mut()?;
        let item = overflow.find(hash, eq)?;
        overflow.remove(hash, item);
        self.len -= 1;
        if overflow.len() == 0 {
            self.overflow = None;
        }
        let hashes = segment.hashes(hash);
        if !self.has_spilled(hashes) {
            self.publish(hash, Segment { spilled: false, ..segment });
        }
        Some(item)
    }

    /// A place in a spilled segment has become free.
    #[cold]
    fn refill(&mut self, hash: u64, segment: Segment) {
        let (spilled, item) =
            self.take_spilled(segment.hashes(hash)).expect("a spilled segment has more items");
        segment.place(spilled, item);
        if !self.has_spilled(segment.hashes(hash)) {
            self.publish(hash, Segment { spilled: false, ..segment });
        }
    }

    /// Puts a segment into all the directory words that `hash` shares its top bits with.
    fn publish(&mut self, hash: u64, segment: Segment) {
        let span = 1usize << (self.depth - segment.depth);
        let first = self.index(hash) & !(span - 1);
        self.directory[first..first + span].fill(segment.pack());
    }

    fn grow(&mut self, hash: u64, old: Segment, rehash: &impl Fn(NonNull<u8>) -> u64) {
        if old.buckets < BUCKETS_MAX {
            let buckets = SIZES.iter().map(|s| *s as usize).find(|s| *s > old.buckets);
            self.rebuild(hash, old, buckets.unwrap_or(BUCKETS_MAX), rehash);
            return;
        }
        assert!(old.depth < DEPTH_MAX, "callers look whether it may be split");
        if old.depth == self.depth {
            self.directory = self.directory.iter().flat_map(|word| [*word, *word]).collect();
            self.depth += 1;
        }
        self.split(hash, old, rehash);
    }

    /// Makes two segments of one, and takes as many spilled items back as they have room for.
    fn split(&mut self, hash: u64, old: Segment, rehash: &impl Fn(NonNull<u8>) -> u64) {
        let depth = old.depth + 1;
        let upper = 1u64 << (64 - depth);
        let mut hashed: [Vec<(u64, NonNull<u8>)>; 2] =
            std::array::from_fn(|_| Vec::with_capacity(BUCKETS_MAX * SLOTS * 5 / 8));
        each_prefetched(old, |item| {
            let hash = rehash(item);
            hashed[(hash & upper != 0) as usize].push((hash, item));
        });
        for (mut items, bit) in hashed.into_iter().zip([0, upper]) {
            let hash = hash & !upper | bit;
            if old.spilled {
                let hashes = Segment { depth, ..old }.hashes(hash);
                while items.len() < self.room(BUCKETS_MAX)
                    && let Some(item) = self.take_spilled(hashes.clone())
                {
                    items.push(item);
                }
            }
            let mut half = Segment::new(buckets_for(items.len()), depth);
            items.into_iter().for_each(|(hash, item)| half.place(hash, item));
            half.header().expiry_min = old.header().expiry_min;
            half.spilled = old.spilled && self.has_spilled(half.hashes(hash));
            self.publish(hash, half);
        }
        old.free();
    }

    fn rebuild(
        &mut self,
        hash: u64,
        old: Segment,
        buckets: usize,
        rehash: &impl Fn(NonNull<u8>) -> u64,
    ) {
        let new = Segment::new(buckets, old.depth);
        each_prefetched(old, |item| new.place(rehash(item), item));
        new.header().expiry_min = old.header().expiry_min;
        self.publish(hash, new);
        old.free();
    }

    /// Gives memory back after removals: fewer buckets, and two half-empty segments become one.
    fn shrink(&mut self, hash: u64, old: Segment, rehash: &impl Fn(NonNull<u8>) -> u64) {
        if old.depth > 0 {
            let bit = 1u64 << (64 - old.depth);
            let buddy = self.segment(hash ^ bit).expect("the directory is complete");
            let count = (old.header().count + buddy.header().count) as usize;
            if buddy.depth == old.depth && count < BUCKETS_MAX * SLOTS / 3 {
                let merged = Segment::new(buckets_for(count), old.depth - 1);
                for half in [old, buddy] {
                    each_prefetched(half, |item| merged.place(rehash(item), item));
                }
                merged.header().expiry_min = old.header().expiry_min.min(buddy.header().expiry_min);
                self.publish(hash, merged);
                old.free();
                buddy.free();
                self.shrink_directory();
                return;
            }
        }
        let buckets = buckets_for(old.header().count as usize);
        if buckets < old.buckets {
            self.rebuild(hash, old, buckets, rehash);
        }
    }

    /// Halves a directory that is twice as fine as its deepest segment. Looks only when it may pay:
    /// when the directory has many more words than the items need.
    fn shrink_directory(&mut self) {
        while self.depth > 0 && self.directory.len() > 4 * (self.len / 256).max(1) {
            if self.segments().any(|segment| segment.depth == self.depth) {
                return;
            }
            self.directory = self.directory.iter().copied().step_by(2).collect();
            self.depth -= 1;
        }
    }

    /// Visits the items of one home bucket (about seven) and returns the next cursor; 0 begins and ends.
    ///
    /// An item that is in the table from the first call to the last is visited at least once, whatever
    /// happens to the table in between.
    pub fn scan(
        &self,
        cursor: u64,
        rehash: impl Fn(NonNull<u8>) -> u64,
        mut visit: impl FnMut(NonNull<u8>),
    ) -> u64 {
        // Positions are prefixes of hashes; reversed they are small numbers, as clients expect of cursors.
        let from = cursor.reverse_bits();
        let Some(segment) = self.segment(from) else { return 0 };
        let home = segment.home(from);
        let step = ((home as u64 + 1) << 32).div_ceil(segment.buckets as u64);
        let base = if segment.depth == 0 { 0 } else { from & !(u64::MAX >> segment.depth) };
        let next = base.wrapping_add(step.checked_shl(32 - segment.depth).unwrap_or(0));
        let next = if step == 1 << 32 && segment.depth == 0 { 0 } else { next };
        let mut index = home;
        for _ in 0..segment.buckets {
            let bucket = segment.bucket(index);
            for item in bucket.items() {
                let hash = rehash(item);
                if hash >= from && (next == 0 || hash < next) {
                    visit(item);
                }
            }
            if bucket.overflow() == 0 {
                break;
            }
            index = segment.after(index);
        }
        if segment.spilled {
            self.spilled().within(from..=next.wrapping_sub(1)).for_each(visit);
        }
        next.reverse_bits()
    }

    /// All items, in hash order but for those that did not lie in their place. Fetches ahead.
    pub fn iter(&self) -> impl Iterator<Item = NonNull<u8>> + '_ {
        let spilled = self.overflow.iter().flat_map(|overflow| overflow.from(0));
        let in_place = self.segments().flat_map(|segment| {
            segment.prefetch_items(0);
            (0..segment.buckets).flat_map(move |index| {
                segment.prefetch_items(index + 1);
                segment.bucket(index).items()
            })
        });
        in_place.chain(spilled)
    }

    /// A spilled item, or none, so that each of the table's items has the same chance. `word` is random.
    fn random_spilled(&self, word: u64) -> Option<usize> {
        let overflow = self.overflow.as_ref()?;
        let index = ((u128::from(word) * self.len as u128) >> 64) as usize;
        (index < overflow.len()).then_some(index)
    }

    /// An item chosen nearly uniformly; `draw` gives random words.
    pub fn random(&self, draw: &mut dyn FnMut() -> u64) -> Option<NonNull<u8>> {
        if self.len == 0 {
            return None;
        }
        if self.overflow.is_some()
            && let Some(index) = self.random_spilled(draw())
        {
            return self.spilled().from(index).next();
        }
        for _ in 0..1000 {
            let segment = self.segment(draw())?;
            let slot = (((draw() >> 32) * (segment.buckets * SLOTS) as u64) >> 32) as usize;
            let bucket = segment.bucket(slot / SLOTS);
            if bucket.occupied() & 1 << (slot % SLOTS) != 0 {
                return Some(bucket.item(slot % SLOTS));
            }
        }
        // Segments of very different load: hashes collide, or much was removed.
        let mut any = None;
        self.sample(draw(), false, |item| {
            any = Some(item);
            ControlFlow::Break(())
        });
        any
    }

    /// Visits items from the position of `start` (a random word) on, going around at most once, until `visit` breaks.
    /// With `expiring`, segments without any expiry are passed over. Returns whether it was stopped.
    pub fn sample(
        &self,
        start: u64,
        expiring: bool,
        mut visit: impl FnMut(NonNull<u8>) -> ControlFlow<()>,
    ) -> bool {
        // Where most have spilled, a visitor that breaks soon would never see them.
        if let Some(index) = self.random_spilled(start.rotate_left(32))
            && self.spilled().from(index).any(|item| visit(item).is_break())
        {
            return true;
        }
        let mut position = start;
        // The first segment is entered in the middle, so it is visited again, from its beginning, at the end.
        for round in 0..=self.directory.len() {
            let Some(segment) = self.segment(position) else { return false };
            if !expiring || segment.header().expiry_min < NEVER {
                let first = if round == 0 { segment.home(position) } else { 0 };
                for index in first..segment.buckets {
                    for item in segment.bucket(index).items() {
                        if visit(item).is_break() {
                            return true;
                        }
                    }
                }
                if segment.spilled {
                    let mut spilled = self.spilled().within(segment.hashes(position));
                    if spilled.any(|item| visit(item).is_break()) {
                        return true;
                    }
                }
            }
            let base = if segment.depth == 0 { 0 } else { position & !(u64::MAX >> segment.depth) };
            let next = match segment.depth {
                0 => 0,
                depth => base.wrapping_add(1 << (64 - depth)),
            };
            // Around, and past the segment that it began in.
            if round > 0 && base <= start && (next == 0 || next > start) {
                return false;
            }
            position = next;
        }
        false
    }

    /// Records that the item with this hash expires at `at_ms`, for [`Self::expiring`].
    pub fn note_expiry(&mut self, hash: u64, at_ms: i64) {
        if let Some(segment) = self.segment(hash) {
            let header = segment.header();
            header.expiry_min = header.expiry_min.min(at_ms);
        }
    }

    /// Looks for a segment that may hold items expired by `now_ms`, from position `from` (a cursor of
    /// this function; 0 begins), looking at no more than `most` segments.
    ///
    /// The items of the segment found are given to `visit`, which answers each item's expiry (if it has one)
    /// and remembers which ones are due; the segment's bound becomes the least expiry that is not
    /// due. Returns where to go on (0 after the last segment), and how many segments were looked at.
    pub fn expiring(
        &self,
        from: u64,
        now_ms: i64,
        most: usize,
        mut visit: impl FnMut(NonNull<u8>) -> Option<i64>,
    ) -> (u64, usize) {
        let mut position = from;
        for looked in 1..=most.max(1) {
            let Some(segment) = self.segment(position) else { return (0, looked) };
            let found = segment.header().expiry_min <= now_ms;
            if found {
                let mut least = NEVER;
                let mut look = |item| {
                    if let Some(at) = visit(item)
                        && at > now_ms
                    {
                        least = least.min(at);
                    }
                };
                each_prefetched(segment, &mut look);
                if segment.spilled {
                    self.spilled().within(segment.hashes(position)).for_each(look);
                }
                segment.header().expiry_min = least;
            }
            let base = if segment.depth == 0 { 0 } else { position & !(u64::MAX >> segment.depth) };
            position = match segment.depth {
                0 => 0,
                depth => base.wrapping_add(1 << (64 - depth)),
            };
            if found || position == 0 {
                return (position, looked);
            }
        }
        (position, most)
    }

    /// Walks the whole table and asserts its invariants. For tests.
    pub fn check(&self, rehash: impl Fn(NonNull<u8>) -> u64) {
        let mut len = 0;
        let mut at = 0;
        for segment in self.segments() {
            let span = 1usize << (self.depth - segment.depth);
            assert!(self.directory[at..at + span].iter().all(|w| *w == segment.pack()));
            let mut passed = vec![0u32; segment.buckets];
            let mut count = 0;
            for index in 0..segment.buckets {
                for item in segment.bucket(index).items() {
                    let hash = rehash(item);
                    assert!((at..at + span).contains(&self.index(hash)), "an item's segment");
                    let mut step = segment.home(hash);
                    while step != index {
                        passed[step] += 1;
                        step = segment.after(step);
                    }
                    count += 1;
                }
            }
            for (index, passed) in passed.iter().enumerate() {
                let overflow = segment.bucket(index).overflow();
                assert!(overflow == u8::MAX || overflow as u32 == *passed, "overflow counts");
            }
            assert_eq!(count, segment.header().count, "a segment's count");
            let first = (at as u64).checked_shl(64 - self.depth).unwrap_or(0);
            let spilled =
                self.overflow.as_ref().map_or(0, |o| o.within(segment.hashes(first)).count());
            assert_eq!(segment.spilled, spilled > 0, "who has spilled says so");
            if segment.spilled {
                assert_eq!(segment.buckets, BUCKETS_MAX, "only the largest segments spill");
                let slots = BUCKETS_MAX * SLOTS;
                assert!(count as usize >= slots - slots / 10 - 1, "they are full");
            }
            len += count as usize + spilled;
            at += span;
        }
        if let Some(overflow) = &self.overflow {
            overflow.check(&rehash);
        }
        assert_eq!(at, self.directory.len(), "the directory is covered");
        assert_eq!(len, self.len, "the table's count");
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod collisions;
