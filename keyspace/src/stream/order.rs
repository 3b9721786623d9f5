//! A sequence ordered by stream ids: the nodes of a stream, and the pending entries of its groups.
//!
//! All three grow at the end and shrink at the front; the rest happens now and then. So it is a deque of short vectors:
//! an item at the end is a push, a full vector is left full, and what happens in the middle moves one vector's items and
//! perhaps the deque's shorter side: for ten million items a few hundred kilobytes.
//!
//! ```text
//! chunks:  [ 3 … 90 ]  [ 91 … 240 ]  …  [ 977 … ]      up to 64 items each
//! ```
//!
//! Rejected: `BTreeMap`, whose nodes stay half empty when keys ascend; a radix tree as Redis has it, with an allocation
//! for each item that is pending.
//!
//! # Invariants
//! - ids ascend strictly; no chunk is empty; `len` is the number of items

use protocol::rdb::StreamId;
use std::collections::VecDeque;

/// Most items in a chunk.
const CHUNK: usize = 64;
/// A chunk with fewer items is joined with the next one …
const SPARSE: usize = 16;
/// … if both together do not have more than this.
const JOINED: usize = 48;

/// What is ordered by an id.
pub(super) trait HasId {
    fn id(&self) -> StreamId;
}

impl HasId for StreamId {
    #[inline]
    fn id(&self) -> StreamId {
        *self
    }
}

/// The sequence.
#[derive(Clone, Debug)]
pub(super) struct Ordered<T> {
    chunks: VecDeque<Vec<T>>,
    len: usize,
}

/// Where an item is. An `item` past the end of its chunk is nowhere.
#[derive(Clone, Copy)]
struct Place {
    chunk: usize,
    item: usize,
}

impl<T> Default for Ordered<T> {
    fn default() -> Self {
        Self { chunks: VecDeque::new(), len: 0 }
    }
}

impl<T: HasId> Ordered<T> {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn first(&self) -> Option<&T> {
        self.chunks.front()?.first()
    }

    pub fn first_mut(&mut self) -> Option<&mut T> {
        self.chunks.front_mut()?.first_mut()
    }

    pub fn last(&self) -> Option<&T> {
        self.chunks.back()?.last()
    }

    #[inline]
    pub fn last_mut(&mut self) -> Option<&mut T> {
        self.chunks.back_mut()?.last_mut()
    }

    /// Appends an item that comes after all others.
    #[inline]
    pub fn push(&mut self, item: T) {
        debug_assert!(self.last().is_none_or(|last| last.id() < item.id()));
        self.len += 1;
        match self.chunks.back_mut() {
            Some(chunk) if chunk.len() < CHUNK => {
                if chunk.len() == chunk.capacity() {
                    chunk.reserve_exact(chunk.len().min(CHUNK - chunk.len()));
                }
                chunk.push(item);
            }
            // A second chunk will most likely become full.
            Some(_) => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(item);
                self.chunks.push_back(chunk);
            }
            None => {
                self.chunks.reserve_exact(1);
                self.chunks.push_back(vec![item]);
            }
        }
    }

    /// Puts an item where it belongs. There must be none with its id.
    pub fn insert(&mut self, item: T) {
        if self.last().is_none_or(|last| last.id() < item.id()) {
            return self.push(item);
        }
        let Place { mut chunk, item: mut at } = self.seek(item.id());
        if self.chunks[chunk].len() == CHUNK {
            let tail = self.chunks[chunk].split_off(CHUNK / 2);
            self.chunks.insert(chunk + 1, tail);
            if at > CHUNK / 2 {
                (chunk, at) = (chunk + 1, at - CHUNK / 2);
            }
        }
        let chunk = &mut self.chunks[chunk];
        debug_assert!(chunk.get(at).is_none_or(|next| next.id() > item.id()));
        chunk.insert(at, item);
        self.len += 1;
    }

    /// The first item with this id or a greater one.
    fn seek(&self, id: StreamId) -> Place {
        // What is asked for is mostly at one of the ends.
        let chunk = match self.chunks.front() {
            Some(first) if last_of(first) >= id => 0,
            _ => self.chunks.partition_point(|chunk| last_of(chunk) < id),
        };
        let item = match self.chunks.get(chunk) {
            Some(items) => items.partition_point(|item| item.id() < id),
            None => 0,
        };
        Place { chunk, item }
    }

    fn exact(&self, id: StreamId) -> Option<Place> {
        let place = self.seek(id);
        let item = self.chunks.get(place.chunk)?.get(place.item)?;
        (item.id() == id).then_some(place)
    }

    /// The last item with this id or a smaller one.
    fn floor(&self, id: StreamId) -> Option<Place> {
        if let Some(chunk) = self.chunks.back()
            && last_of(chunk) <= id
        {
            return Some(Place { chunk: self.chunks.len() - 1, item: chunk.len() - 1 });
        }
        let Place { chunk, item } = self.seek(id);
        match self.chunks.get(chunk)?.get(item) {
            Some(at) if at.id() == id => Some(Place { chunk, item }),
            _ if item > 0 => Some(Place { chunk, item: item - 1 }),
            _ if chunk > 0 => {
                Some(Place { chunk: chunk - 1, item: self.chunks[chunk - 1].len() - 1 })
            }
            _ => None,
        }
    }

    #[inline]
    pub fn get(&self, id: StreamId) -> Option<&T> {
        self.exact(id).map(|place| &self.chunks[place.chunk][place.item])
    }

    pub fn get_mut(&mut self, id: StreamId) -> Option<&mut T> {
        self.exact(id).map(|place| &mut self.chunks[place.chunk][place.item])
    }

    /// The last item with this id or a smaller one.
    pub fn at_or_before(&self, id: StreamId) -> Option<&T> {
        self.floor(id).map(|place| &self.chunks[place.chunk][place.item])
    }

    pub fn at_or_before_mut(&mut self, id: StreamId) -> Option<&mut T> {
        self.floor(id).map(|place| &mut self.chunks[place.chunk][place.item])
    }

    /// Removes the item with this id.
    pub fn remove(&mut self, id: StreamId) -> Option<T> {
        let Place { chunk: at, item } = self.exact(id)?;
        let removed = self.chunks[at].remove(item);
        self.len -= 1;
        if self.chunks[at].is_empty() {
            self.chunks.remove(at);
        } else if self.chunks[at].len() < SPARSE
            && let Some(next) = self.chunks.get(at + 1)
            && self.chunks[at].len() + next.len() <= JOINED
        {
            let mut next = self.chunks.remove(at + 1).expect("looked at above");
            self.chunks[at].append(&mut next);
        }
        Some(removed)
    }

    /// Takes items from the front, as long as they are `wanted`.
    pub fn take_front(&mut self, mut wanted: impl FnMut(&T) -> bool) -> Self {
        let (mut whole, mut part) = (0, 0);
        'chunks: for chunk in &self.chunks {
            for item in chunk {
                if !wanted(item) {
                    break 'chunks;
                }
                part += 1;
            }
            (whole, part) = (whole + 1, 0);
        }
        let mut taken = Self { chunks: self.chunks.drain(..whole).collect(), len: 0 };
        if part > 0 {
            taken.chunks.push_back(self.chunks[0].drain(..part).collect());
        }
        taken.len = taken.chunks.iter().map(Vec::len).sum();
        self.len -= taken.len;
        taken
    }

    /// Removes the items that are not `wanted`.
    pub fn retain(&mut self, mut wanted: impl FnMut(&T) -> bool) {
        self.chunks.iter_mut().for_each(|chunk| chunk.retain(&mut wanted));
        self.chunks.retain(|chunk| !chunk.is_empty());
        self.len = self.chunks.iter().map(Vec::len).sum();
    }

    /// All items.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &T> {
        Whole { items: self.walk(Place { chunk: 0, item: 0 }), left: self.len }
    }

    /// The items from `id` on, upwards.
    pub fn upwards(&self, id: StreamId) -> Upwards<'_, T> {
        self.walk(self.seek(id))
    }

    /// The same, beginning with the item before if there is none with this id.
    pub fn upwards_from_before(&self, id: StreamId) -> Upwards<'_, T> {
        self.walk(self.floor(id).unwrap_or(Place { chunk: 0, item: 0 }))
    }

    fn walk(&self, place: Place) -> Upwards<'_, T> {
        Upwards { chunks: &self.chunks, place }
    }

    /// The items from `id` on, downwards.
    pub fn downwards(&self, id: StreamId) -> Downwards<'_, T> {
        Downwards { chunks: &self.chunks, place: self.floor(id) }
    }

    /// Bytes of the sequence itself.
    pub fn memory_bytes(&self) -> usize {
        let items: usize = self.chunks.iter().map(Vec::capacity).sum();
        items * size_of::<T>() + self.chunks.capacity() * size_of::<Vec<T>>()
    }

    /// Walks the sequence and asserts its invariants. For tests.
    pub fn check(&self) {
        assert!(self.chunks.iter().all(|chunk| !chunk.is_empty() && chunk.len() <= CHUNK));
        assert_eq!(self.chunks.iter().map(Vec::len).sum::<usize>(), self.len, "items");
        let ids: Vec<StreamId> = self.iter().map(HasId::id).collect();
        assert!(ids.is_sorted_by(|a, b| a < b), "ids ascend");
    }
}

fn last_of<T: HasId>(chunk: &[T]) -> StreamId {
    chunk.last().expect("no chunk is empty").id()
}

/// Items in ascending order.
pub(super) struct Upwards<'a, T> {
    chunks: &'a VecDeque<Vec<T>>,
    place: Place,
}

impl<'a, T> Iterator for Upwards<'a, T> {
    type Item = &'a T;

    #[inline]
    fn next(&mut self) -> Option<&'a T> {
        loop {
            let chunk = self.chunks.get(self.place.chunk)?;
            if let Some(item) = chunk.get(self.place.item) {
                self.place.item += 1;
                return Some(item);
            }
            self.place = Place { chunk: self.place.chunk + 1, item: 0 };
        }
    }
}

/// All items, and how many are to come.
struct Whole<'a, T> {
    items: Upwards<'a, T>,
    left: usize,
}

impl<'a, T> Iterator for Whole<'a, T> {
    type Item = &'a T;

    fn next(&mut self) -> Option<&'a T> {
        self.left = self.left.saturating_sub(1);
        self.items.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<T> ExactSizeIterator for Whole<'_, T> {}

/// Items in descending order.
pub(super) struct Downwards<'a, T> {
    chunks: &'a VecDeque<Vec<T>>,
    place: Option<Place>,
}

impl<'a, T> Iterator for Downwards<'a, T> {
    type Item = &'a T;

    fn next(&mut self) -> Option<&'a T> {
        let Place { chunk, item } = self.place?;
        self.place = match (chunk, item) {
            (_, 1..) => Some(Place { chunk, item: item - 1 }),
            (1.., 0) => Some(Place { chunk: chunk - 1, item: self.chunks[chunk - 1].len() - 1 }),
            (0, 0) => None,
        };
        Some(&self.chunks[chunk][item])
    }
}
