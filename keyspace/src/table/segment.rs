//! The parts of a table: segments of buckets, one cache line each. The picture is in [`crate::table`].
//!
//! All that touches their memory is here.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ops::RangeInclusive;
use std::ptr::NonNull;

/// Items in one bucket: what fits into a cache line at 7 bytes each.
pub(super) const SLOTS: usize = 9;
/// Bytes of a bucket and of a segment's header: one cache line.
pub(super) const LINE: usize = 64;
/// Sizes a segment takes as it grows, in buckets. With the header each is a whole size class of the allocator, and steps of
/// about 1.2 keep the load between 0.75 and 0.9. The last two steps are larger: a table of many items has segments of
/// these sizes only, and each step hashes all items of a segment anew (3.5 hashes for each item added, where smaller steps
/// took 6.5; 9.5 bytes per item in the mean, instead of 8.7).
pub(super) const SIZES: [u8; 16] = [1, 2, 3, 4, 5, 7, 9, 11, 15, 19, 23, 31, 39, 47, 63, 95];
/// The largest segment, in buckets; a full one splits.
pub(super) const BUCKETS_MAX: usize = 127;
pub(super) const ADDRESS: u64 = (1 << 48) - 1;
/// The bit of a directory word that says that the segment has spilled.
pub(super) const SPILLED: u64 = 1 << 63;
/// Bytes behind the start of an item where a name of usual length ends.
pub(super) const PREFETCH_REACH: usize = 31;
/// No expiry is known in this segment.
pub(super) const NEVER: i64 = i64::MAX;

/// The first line of a segment.
#[repr(C, align(64))]
pub(super) struct Header {
    pub(super) count: u32,
    /// A lower bound of the expiry times of the items (ms); kept by `RawTable::note_expiry`.
    pub(super) expiry_min: i64,
}

/// Where a segment lies and how large it is: one word of the directory, unpacked.
#[derive(Clone, Copy)]
pub(super) struct Segment {
    pub(super) at: NonNull<u8>,
    pub(super) buckets: usize,
    pub(super) depth: u32,
    pub(super) spilled: bool,
}

impl Segment {
    #[inline]
    pub(super) fn unpack(word: u64) -> Segment {
        let at = (word & ADDRESS) as *mut u8;
        // SAFETY: words are only made by `pack` from live segments, whose address is not null.
        let at = unsafe { NonNull::new_unchecked(at) };
        Segment {
            at,
            buckets: ((word >> 48) & 0xff) as usize,
            depth: (word >> 56) as u32 & 0x7f,
            spilled: word & SPILLED != 0,
        }
    }

    pub(super) fn pack(self) -> u64 {
        let address = self.at.as_ptr() as u64;
        assert!(address & !ADDRESS == 0, "an address of user space has 47 bits");
        let spilled = if self.spilled { SPILLED } else { 0 };
        address | (self.buckets as u64) << 48 | (self.depth as u64) << 56 | spilled
    }

    pub(super) fn layout(buckets: usize) -> Layout {
        Layout::from_size_align(LINE + buckets * LINE, LINE).expect("a segment is small")
    }

    pub(super) fn new(buckets: usize, depth: u32) -> Segment {
        assert!((1..=BUCKETS_MAX).contains(&buckets));
        let layout = Segment::layout(buckets);
        // SAFETY: the layout has a size above zero.
        let raw = unsafe { alloc_zeroed(layout) };
        let Some(at) = NonNull::new(raw) else { handle_alloc_error(layout) };
        let segment = Segment { at, buckets, depth, spilled: false };
        segment.header().expiry_min = NEVER;
        segment
    }

    pub(super) fn free(self) {
        // SAFETY: made by `new` with the same layout; the caller gives the segment up.
        unsafe { dealloc(self.at.as_ptr(), Segment::layout(self.buckets)) }
    }

    #[inline]
    #[expect(clippy::mut_from_ref, reason = "the table owns its segments and lends one at a time")]
    pub(super) fn header(&self) -> &mut Header {
        // SAFETY: every segment begins with a header; `RawTable` hands out no references to it.
        unsafe { &mut *self.at.as_ptr().cast::<Header>() }
    }

    #[inline]
    pub(super) fn bucket(&self, index: usize) -> Bucket {
        debug_assert!(index < self.buckets);
        // SAFETY: `index` is below the number of buckets that were allocated behind the header.
        Bucket(unsafe { self.at.add(LINE + index * LINE) })
    }

    /// The hashes that belong to the segment, `hash` being one of them.
    pub(super) fn hashes(&self, hash: u64) -> RangeInclusive<u64> {
        let below = u64::MAX >> self.depth;
        hash & !below..=hash | below
    }

    /// The bits of `hash` after the segment's depth, as a fraction of 2^32.
    #[inline]
    pub(super) fn fraction(&self, hash: u64) -> u64 {
        (hash << self.depth) >> 32
    }

    #[inline]
    pub(super) fn home(&self, hash: u64) -> usize {
        ((self.fraction(hash) * self.buckets as u64) >> 32) as usize
    }

    #[inline]
    pub(super) fn after(&self, index: usize) -> usize {
        if index + 1 == self.buckets { 0 } else { index + 1 }
    }

    /// Puts an item that is not there into the first free slot from its home on.
    #[inline]
    pub(super) fn place(&self, hash: u64, item: NonNull<u8>) {
        let mut index = self.home(hash);
        for _ in 0..self.buckets {
            let bucket = self.bucket(index);
            let free = bucket.matches(0);
            if free != 0 {
                bucket.put(free.trailing_zeros() as usize, tag(hash), item);
                self.header().count += 1;
                return;
            }
            bucket.passed_by(1);
            index = self.after(index);
        }
        unreachable!("a segment never fills up: it grows before");
    }

    /// Fetches what hashing the items of a bucket will read: names begin near the start of an item, and often end in the
    /// next cache line.
    pub(super) fn prefetch_items(&self, index: usize) {
        if index < self.buckets {
            self.bucket(index).items().for_each(|item| {
                prefetch(item);
                prefetch(item.map_addr(|address| address.saturating_add(PREFETCH_REACH)));
            });
        }
    }
}

#[inline]
pub(super) fn tag(hash: u64) -> u8 {
    (hash as u8).max(1)
}

/// Asks the processor to fetch the cache line of an address.
#[inline]
pub fn prefetch(at: NonNull<u8>) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch has no effect on memory, whatever the address.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(at.as_ptr().cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// One cache line of the table.
#[derive(Clone, Copy)]
pub(super) struct Bucket(pub(super) NonNull<u8>);

impl Bucket {
    /// The slots whose tag is `tag`, a bit each. Tag 0 finds the empty ones.
    #[inline]
    pub(super) fn matches(self, tag: u8) -> u32 {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a bucket has 64 bytes and is aligned to 64, so its first 16 can be loaded; SSE2 is
        // part of x86-64.
        unsafe {
            use std::arch::x86_64::*;
            let tags = _mm_load_si128(self.0.as_ptr().cast());
            let equal = _mm_cmpeq_epi8(tags, _mm_set1_epi8(tag as i8));
            (_mm_movemask_epi8(equal) as u32) & ((1 << SLOTS) - 1)
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            // SAFETY: the first 9 bytes of a bucket are its tags.
            let tags = unsafe { &*self.0.as_ptr().cast::<[u8; SLOTS]>() };
            tags.iter().enumerate().fold(0, |bits, (i, t)| bits | ((*t == tag) as u32) << i)
        }
    }

    #[inline]
    pub(super) fn occupied(self) -> u32 {
        !self.matches(0) & ((1 << SLOTS) - 1)
    }

    /// The item of an occupied slot.
    #[inline]
    pub(super) fn item(self, slot: usize) -> NonNull<u8> {
        debug_assert!(slot < SLOTS);
        // SAFETY: the eight bytes that end with the slot's item lie inside the bucket: 8 + 6 * 8 + 8 = 64.
        // Occupied slots hold addresses of `NonNull` items.
        unsafe {
            let word = self.0.as_ptr().add(8 + 6 * slot).cast::<u64>().read_unaligned();
            NonNull::new_unchecked((u64::from_le(word) >> 16) as *mut u8)
        }
    }

    #[inline]
    pub(super) fn put(self, slot: usize, tag: u8, item: NonNull<u8>) {
        let address = item.as_ptr() as u64;
        debug_assert!(address & !ADDRESS == 0);
        // SAFETY: as in `item`; the two bytes before the item are written back as they were read.
        unsafe {
            let at = self.0.as_ptr().add(8 + 6 * slot).cast::<u64>();
            let before = u64::from_le(at.read_unaligned()) & 0xffff;
            at.write_unaligned((before | address << 16).to_le());
            self.0.as_ptr().add(slot).write(tag);
        }
    }

    #[inline]
    pub(super) fn clear(self, slot: usize) {
        debug_assert!(slot < SLOTS);
        // SAFETY: the first 9 bytes of a bucket are its tags.
        unsafe { self.0.as_ptr().add(slot).write(0) }
    }

    #[inline]
    pub(super) fn overflow(self) -> u8 {
        // SAFETY: byte 9 of a bucket is its overflow count.
        unsafe { self.0.as_ptr().add(SLOTS).read() }
    }

    /// Counts items that passed by; a count that reached 255 stays there, which only costs probes.
    #[inline]
    pub(super) fn passed_by(self, change: i8) {
        let count = self.overflow();
        if count != u8::MAX {
            // SAFETY: byte 9 of a bucket is its overflow count.
            unsafe { self.0.as_ptr().add(SLOTS).write(count.wrapping_add_signed(change)) }
        }
    }

    pub(super) fn items(self) -> impl Iterator<Item = NonNull<u8>> {
        Bits(self.occupied()).map(move |slot| self.item(slot))
    }
}

/// The positions of the set bits of a mask.
pub(super) struct Bits(pub(super) u32);

impl Iterator for Bits {
    type Item = usize;
    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let bit = self.0.trailing_zeros() as usize;
        self.0 &= self.0 - 1;
        Some(bit)
    }
}

/// The number of buckets for `count` items with room to grow.
pub(super) fn buckets_for(count: usize) -> usize {
    let slots = count + count / 4 + 1;
    SIZES.iter().map(|s| *s as usize).find(|s| s * SLOTS > slots).unwrap_or(BUCKETS_MAX)
}

pub(super) fn each_prefetched(segment: Segment, mut visit: impl FnMut(NonNull<u8>)) {
    segment.prefetch_items(0);
    segment.prefetch_items(1);
    for index in 0..segment.buckets {
        segment.prefetch_items(index + 2);
        segment.bucket(index).items().for_each(&mut visit);
    }
}
