//! Owners of packed encodings: a listpack, an intset or pairs behind one thin pointer.
//!
//! Most collections are small, so what surrounds their bytes counts: here it is nothing. The
//! encodings say their own length, so neither length nor capacity is stored beside the pointer; the
//! capacity is computed from the length. It is rounded up in steps, so that most appends find room
//! in place.
//!
//! ```text
//! Packed      ──► total | count | entry … | FF | room up to `capacity(total)`
//! PackedPairs ──► u32 LE total | u32 LE number of pairs | body | room
//! ```
//!
//! Algorithms on the bytes are in `protocol`; this module makes and closes gaps, and is the only
//! place that knows where the bytes are.
//!
//! # Invariants
//! - the header always says the length in bytes, which `capacity` turns into the size of the
//!   allocation
//! - all bytes up to that length are initialized, and are a valid listpack or intset, or valid pairs

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error, realloc};
use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;
use std::ptr::NonNull;
use std::slice;

use protocol::intset;
use protocol::listpack::{self, Malformed, Value};

use crate::duplicates::has_duplicates;
use crate::pairs::{self, Pairs, PairsMut};

/// A listpack with its memory: one pointer wide, and so is `Option<Packed>`.
///
/// Positions are byte offsets of entries, as in [`protocol::listpack`]; a change makes all
/// positions after it stale.
#[derive(Clone)]
pub struct Packed(Thin<ListpackFormat>);

/// An intset with its memory: one pointer wide.
#[derive(Clone)]
pub struct PackedInts(Thin<IntsetFormat>);

/// Pairs with their memory: one pointer wide.
#[derive(Clone)]
pub struct PackedPairs(Thin<PairsFormat>);

const _: () = assert!(size_of::<Option<Packed>>() == 8 && size_of::<Option<PackedInts>>() == 8);
const _: () = assert!(size_of::<Option<PackedPairs>>() == 8);

impl Packed {
    /// A listpack without entries.
    pub fn new() -> Self {
        Self(Thin::copy_of(&listpack::EMPTY))
    }

    /// A copy of bytes from outside, if they are a listpack.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        listpack::validate(bytes)?;
        Ok(Self(Thin::copy_of(bytes)))
    }

    /// The listpack, as RDB stores it.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// Number of elements; O(1) up to 65534 of them.
    pub fn len(&self) -> usize {
        listpack::count(self.as_bytes())
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.total_bytes() == listpack::EMPTY.len()
    }

    /// Size of the listpack.
    pub fn total_bytes(&self) -> usize {
        self.0.total()
    }

    /// Size of the allocation.
    pub fn memory_bytes(&self) -> usize {
        capacity(self.total_bytes())
    }

    /// Whether elements of that many bytes can be added without leaving the size peers accept.
    pub fn has_room_for(&self, bytes: usize) -> bool {
        self.total_bytes() + bytes < listpack::MAX_BYTES
    }

    /// Appends an element.
    pub fn push_back(&mut self, value: Value<'_>) {
        self.insert(self.end(), value);
    }

    /// Puts an element before all others.
    pub fn push_front(&mut self, value: Value<'_>) {
        self.insert(listpack::HEADER_BYTES, value);
    }

    /// Puts an element before the one at `at`, which may be [`Packed::end`].
    pub fn insert(&mut self, at: usize, value: Value<'_>) {
        let gap = self.splice(at, 0, listpack::encoded_len(value), 1);
        listpack::write(value, gap);
    }

    /// Replaces the element at `at`.
    pub fn replace(&mut self, at: usize, value: Value<'_>) {
        let old = listpack::entry_len(self.as_bytes(), at);
        let gap = self.splice(at, old, listpack::encoded_len(value), 0);
        listpack::write(value, gap);
    }

    /// Removes up to `count` elements from position `at` on. What follows them is then at `at`.
    pub fn remove(&mut self, at: usize, count: usize) {
        let mut removed = 0;
        let mut to = at;
        while removed < count && to < self.end() {
            to += listpack::entry_len(self.as_bytes(), to);
            removed += 1;
        }
        self.splice(at, to - at, 0, -(removed as isize));
    }

    /// Removes the elements with the indexes in `range`, as far as they exist.
    pub fn remove_range(&mut self, range: Range<usize>) {
        if let Some(at) = self.seek(range.start) {
            self.remove(at, range.len());
        }
    }

    /// Removes all elements.
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    /// Moves the elements with index `index` and above into a listpack of their own.
    pub fn split_off(&mut self, index: usize) -> Self {
        let mut tail = Self::new();
        let Some(at) = self.seek(index) else { return tail };
        let moved = self.len() - index;
        let body = self.end() - at;
        tail.splice(listpack::HEADER_BYTES, 0, body, moved as isize)
            .copy_from_slice(&self.as_bytes()[at..at + body]);
        self.splice(at, body, 0, -(moved as isize));
        tail
    }

    /// Appends all elements of `other`.
    pub fn append(&mut self, other: &Self) {
        let body = &other.as_bytes()[listpack::HEADER_BYTES..other.end()];
        self.splice(self.end(), 0, body.len(), other.len() as isize).copy_from_slice(body);
    }

    /// Position of the end mark: where an element would be appended.
    pub fn end(&self) -> usize {
        self.total_bytes() - 1
    }

    /// Position of the element with that index.
    pub fn seek(&self, index: usize) -> Option<usize> {
        listpack::seek(self.as_bytes(), index)
    }

    /// The element with that index.
    pub fn get(&self, index: usize) -> Option<Value<'_>> {
        self.seek(index).map(|at| self.value(at))
    }

    /// The element at a position.
    pub fn value(&self, at: usize) -> Value<'_> {
        listpack::value(self.as_bytes(), at)
    }

    /// Position after the element at `at`, if another follows.
    pub fn next(&self, at: usize) -> Option<usize> {
        listpack::next(self.as_bytes(), at)
    }

    /// Position of the first element that is `needle`, passing over `skip` elements after each one.
    pub fn find(&self, needle: &[u8], skip: usize) -> Option<usize> {
        listpack::find(self.as_bytes(), needle, skip)
    }

    /// Whether two elements have the same text, passing over `skip` elements after each one.
    pub fn has_duplicates(&self, skip: usize) -> bool {
        has_duplicates(self.iter().step_by(skip + 1), self.len().div_ceil(skip + 1))
    }

    /// All elements, in both directions.
    pub fn iter(&self) -> listpack::Iter<'_> {
        listpack::iter(self.as_bytes())
    }

    /// The elements with the indexes in `range`, in both directions.
    pub fn range(&self, range: Range<usize>) -> listpack::Iter<'_> {
        listpack::range(self.as_bytes(), range)
    }

    /// Verifies the invariants.
    pub fn check(&self) {
        listpack::validate(self.as_bytes()).expect("an owned listpack is valid");
    }

    /// Replaces `remove` bytes at `at` by a gap of `insert` bytes, which the caller fills with
    /// entries; `more` is by how many the count changes.
    fn splice(&mut self, at: usize, remove: usize, insert: usize, more: isize) -> &mut [u8] {
        let old = self.total_bytes();
        assert!((listpack::HEADER_BYTES..old).contains(&at) && at + remove < old);
        let count = listpack::stored_count(self.as_bytes())
            .map(|count| count.checked_add_signed(more).expect("no more removed than there are"));
        let head = listpack::header(old - remove + insert, count);
        let tail = at + remove..old;
        if insert > remove {
            self.0.resize(&head);
            self.0.as_mut_slice().copy_within(tail, at + insert);
        } else {
            self.0.as_mut_slice().copy_within(tail, at + insert);
            self.0.resize(&head);
        }
        &mut self.0.as_mut_slice()[at..at + insert]
    }
}

impl Default for Packed {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl PackedInts {
    /// An intset without integers.
    pub fn new() -> Self {
        Self(Thin::copy_of(&intset::EMPTY))
    }

    /// A copy of bytes from outside, if they are an intset.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        intset::validate(bytes)?;
        Ok(Self(Thin::copy_of(bytes)))
    }

    /// The intset, as RDB stores it.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// Number of integers.
    pub fn len(&self) -> usize {
        intset::len(self.as_bytes())
    }

    /// Whether there are no integers.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Size of the allocation.
    pub fn memory_bytes(&self) -> usize {
        capacity(self.0.total())
    }

    /// Whether `number` is in the set.
    pub fn contains(&self, number: i64) -> bool {
        intset::search(self.as_bytes(), number).is_ok()
    }

    /// The integer at `index` in ascending order.
    pub fn get(&self, index: usize) -> Option<i64> {
        (index < self.len()).then(|| intset::get(self.as_bytes(), index))
    }

    /// All integers in ascending order, in both directions.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = i64> + ExactSizeIterator + '_ {
        intset::iter(self.as_bytes())
    }

    /// Adds an integer; returns whether it is new.
    pub fn add(&mut self, number: i64) -> bool {
        let Err(index) = intset::search(self.as_bytes(), number) else { return false };
        let (width, len) = (intset::width(self.as_bytes()), self.len());
        if intset::width_for(number) > width {
            self.widen(intset::width_for(number));
            return self.add(number);
        }
        let at = intset::HEADER_BYTES + index * width;
        let end = self.0.total();
        self.0.resize(&intset::header(width, len + 1));
        let bytes = self.0.as_mut_slice();
        bytes.copy_within(at..end, at + width);
        intset::write(number, &mut bytes[at..at + width]);
        true
    }

    /// Removes an integer; returns whether it was there.
    pub fn remove(&mut self, number: i64) -> bool {
        let Ok(index) = intset::search(self.as_bytes(), number) else { return false };
        let (width, len) = (intset::width(self.as_bytes()), self.len());
        let at = intset::HEADER_BYTES + index * width;
        self.0.as_mut_slice().copy_within(at + width.., at);
        self.0.resize(&intset::header(width, len - 1));
        true
    }

    fn widen(&mut self, width: usize) {
        let mut wide = Thin::copy_of(&intset::EMPTY);
        wide.resize(&intset::header(width, self.len()));
        let slots = wide.as_mut_slice()[intset::HEADER_BYTES..].chunks_exact_mut(width);
        for (slot, number) in slots.zip(self.iter()) {
            intset::write(number, slot);
        }
        self.0 = wide;
    }
}

impl Default for PackedInts {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for PackedInts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl PackedPairs {
    /// No pairs.
    pub fn new() -> Self {
        Self(Thin::zeroed(&pairs_header(0, 0)))
    }

    /// A copy of pairs.
    pub fn copy_of(pairs: Pairs<'_>) -> Self {
        let mut packed = Self(Thin::zeroed(&pairs_header(pairs.len(), pairs.body().len())));
        packed.0.as_mut_slice()[PairsFormat::HEADER_BYTES..].copy_from_slice(pairs.body());
        packed
    }

    /// The pairs of a listpack from outside: fields and values in turn, no field twice.
    pub fn from_listpack(list: &[u8]) -> Result<Self, Malformed> {
        let (len, bytes) = pairs::measure(list)?;
        let mut packed = Self(Thin::zeroed(&pairs_header(len, bytes)));
        let mut rest = &mut packed.0.as_mut_slice()[PairsFormat::HEADER_BYTES..];
        for body in listpack::bodies(list) {
            let (place, behind) = rest.split_at_mut(body.len());
            place.copy_from_slice(body);
            rest = behind;
        }
        assert!(rest.is_empty(), "as much as was measured");
        Ok(packed)
    }

    /// Size of the allocation for these pairs.
    pub fn memory_bytes(pairs: Pairs<'_>) -> usize {
        capacity(PairsFormat::HEADER_BYTES + pairs.body().len())
    }

    /// The pairs.
    #[inline]
    pub fn pairs(&self) -> Pairs<'_> {
        let (head, body) = self.0.as_slice().split_at(PairsFormat::HEADER_BYTES);
        let len = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        Pairs::new(len as usize, body)
    }
}

impl PairsMut for PackedPairs {
    fn pairs(&self) -> Pairs<'_> {
        self.pairs()
    }

    /// The listpack that is made for an RDB file must have a size that peers accept: what an entry has there beyond
    /// its body are at most five bytes.
    fn fits(&self, bytes: usize, len: usize) -> bool {
        listpack::EMPTY.len() + bytes + 2 * len * 5 < listpack::MAX_BYTES
    }

    fn splice(&mut self, at: usize, remove: usize, insert: usize, len: usize) -> &mut [u8] {
        let old = self.0.total();
        let at = PairsFormat::HEADER_BYTES + at;
        assert!(at + remove <= old);
        let head = pairs_header(len, old - PairsFormat::HEADER_BYTES - remove + insert);
        if insert > remove {
            self.0.resize(&head);
            pairs::shift(self.0.as_mut_slice(), old, at, remove, insert);
        } else {
            pairs::shift(self.0.as_mut_slice(), old, at, remove, insert);
            self.0.resize(&head);
        }
        &mut self.0.as_mut_slice()[at..at + insert]
    }
}

fn pairs_header(len: usize, bytes: usize) -> [u8; PairsFormat::HEADER_BYTES] {
    let total = u32::try_from(PairsFormat::HEADER_BYTES + bytes);
    let total = total.expect("pairs are smaller than 4 GiB").to_le_bytes();
    let [a, b, c, d] = total;
    let [e, f, g, h] = u32::try_from(len).expect("a pair has at least two bytes").to_le_bytes();
    [a, b, c, d, e, f, g, h]
}

impl Default for PackedPairs {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for PackedPairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pairs().fmt(f)
    }
}

/// How a packed encoding tells its length.
trait Format {
    const HEADER_BYTES: usize;
    fn total(header: &[u8]) -> usize;
}

#[derive(Clone)]
enum ListpackFormat {}

impl Format for ListpackFormat {
    const HEADER_BYTES: usize = listpack::HEADER_BYTES;

    fn total(header: &[u8]) -> usize {
        listpack::total_bytes(header)
    }
}

#[derive(Clone)]
enum IntsetFormat {}

impl Format for IntsetFormat {
    const HEADER_BYTES: usize = intset::HEADER_BYTES;

    fn total(header: &[u8]) -> usize {
        intset::total_bytes(header)
    }
}

#[derive(Clone)]
enum PairsFormat {}

impl Format for PairsFormat {
    const HEADER_BYTES: usize = 8;

    #[inline]
    fn total(header: &[u8]) -> usize {
        u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize
    }
}

/// Size of the allocation for `total` bytes: a step of 16 bytes for small ones, an eighth for
/// others.
fn capacity(total: usize) -> usize {
    let step = if total <= 256 { 16 } else { (1 << total.ilog2()) / 8 };
    total.next_multiple_of(step)
}

fn layout(total: usize) -> Layout {
    Layout::array::<u8>(capacity(total)).expect("packed encodings are smaller than 4 GiB")
}

/// Bytes that begin with their own length.
struct Thin<F: Format> {
    start: NonNull<u8>,
    format: PhantomData<F>,
}

// SAFETY: the bytes belong to this value alone and are changed only through `&mut`.
unsafe impl<F: Format> Send for Thin<F> {}
// SAFETY: as above.
unsafe impl<F: Format> Sync for Thin<F> {}

impl<F: Format> Thin<F> {
    fn copy_of(bytes: &[u8]) -> Self {
        assert_eq!(F::total(bytes), bytes.len(), "packed bytes say their own length");
        let start = Self::allocate(bytes.len());
        // SAFETY: the new allocation has room for `bytes` and overlaps nothing.
        unsafe { start.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len()) };
        Self { start, format: PhantomData }
    }

    /// Bytes with this header, which says how many there are; all others are zero.
    fn zeroed(header: &[u8]) -> Self {
        let total = F::total(header);
        assert!(header.len() == F::HEADER_BYTES && total >= header.len());
        let start = Self::allocate(total);
        // SAFETY: the new allocation has room for `total` bytes, of which the header is a part.
        unsafe {
            start.copy_from_nonoverlapping(NonNull::from(header).cast(), header.len());
            start.add(header.len()).write_bytes(0, total - header.len());
        }
        Self { start, format: PhantomData }
    }

    /// Memory for `total` bytes, which are at least those of a header.
    fn allocate(total: usize) -> NonNull<u8> {
        let layout = layout(total);
        // SAFETY: the layout is not empty, as every encoding has a header.
        NonNull::new(unsafe { alloc(layout) }).unwrap_or_else(|| handle_alloc_error(layout))
    }

    fn total(&self) -> usize {
        // SAFETY: by the invariant at least the header is there and initialized.
        F::total(unsafe { slice::from_raw_parts(self.start.as_ptr(), F::HEADER_BYTES) })
    }

    fn as_slice(&self) -> &[u8] {
        // SAFETY: by the invariant that many bytes are there and initialized.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.total()) }
    }

    /// The caller leaves the length in the header as it is.
    fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: as in `as_slice`, and `&mut self` makes this the only reference.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.total()) }
    }

    /// Gives the bytes the length that the new header says, and that header. New bytes are zero.
    fn resize(&mut self, header: &[u8]) {
        assert_eq!(header.len(), F::HEADER_BYTES);
        let (old, new) = (self.total(), F::total(header));
        assert!(new >= header.len());
        if capacity(new) != capacity(old) {
            // SAFETY: the pointer came from this allocator with the layout of `old` bytes; the new
            // size is not zero and, as `layout` checks, not too large.
            let moved = unsafe { realloc(self.start.as_ptr(), layout(old), layout(new).size()) };
            self.start = NonNull::new(moved).unwrap_or_else(|| handle_alloc_error(layout(new)));
        }
        // SAFETY: the allocation now has room for `new` bytes, of which the header is a part.
        unsafe {
            self.start.add(old.min(new)).write_bytes(0, new.saturating_sub(old));
            self.start.copy_from_nonoverlapping(NonNull::from(header).cast(), header.len());
        }
    }
}

impl<F: Format> Clone for Thin<F> {
    fn clone(&self) -> Self {
        Self::copy_of(self.as_slice())
    }
}

impl<F: Format> Drop for Thin<F> {
    fn drop(&mut self) {
        // SAFETY: allocated by this type with the layout of `total` bytes; nobody uses it
        // hereafter.
        unsafe { dealloc(self.start.as_ptr(), layout(self.total())) };
    }
}

#[cfg(test)]
mod tests;
