//! Bytes that wait to be sent, in pieces.
//!
//! A reader that is slow but reads always leaves something behind, and a buffer in one piece would never be empty: what was
//! sent long ago would stay in front, and what is added would double it. Here a piece is freed once it is sent.
//!
//! ```text
//! pieces:  [ sent | waits ][ waits ][ waits | room ]      each of at most PIECE_BYTES
//! ```
//!
//! # Invariants
//! - memory is at most the bytes that wait, two pieces, and the queue's own small change; next to nothing where none wait
//! - a byte is moved at most once after it was added

use std::collections::VecDeque;
use std::io::IoSlice;

/// Bytes of a piece. Source: `PROTO_REPLY_CHUNK_BYTES` of Redis.
pub const PIECE_BYTES: usize = 16 * 1024;

/// An empty queue keeps no more than this: there are many connections, and most write past their queue.
const KEPT_BYTES: usize = 1024;

/// Bytes that wait to be sent.
#[derive(Default)]
pub struct ByteQueue {
    pieces: VecDeque<Vec<u8>>,
    /// Bytes of the first piece that were sent.
    sent: usize,
    /// Bytes that wait.
    len: usize,
    /// Bytes allocated for pieces.
    allocated: usize,
}

impl ByteQueue {
    /// How many bytes wait.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none does.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes allocated.
    #[inline]
    pub fn memory_bytes(&self) -> usize {
        self.allocated + self.pieces.capacity() * size_of::<Vec<u8>>()
    }

    /// Adds one byte.
    pub fn push(&mut self, byte: u8) {
        self.extend_from_slice(&[byte]);
    }

    /// Adds bytes.
    pub fn extend_from_slice(&mut self, mut bytes: &[u8]) {
        self.len += bytes.len();
        while !bytes.is_empty() {
            let full = self.pieces.back().is_none_or(|last| last.len() == PIECE_BYTES);
            if full {
                self.pieces.push_back(Vec::new());
            }
            let last = self.pieces.back_mut().expect("there is one");
            let (now, later) = bytes.split_at(bytes.len().min(PIECE_BYTES - last.len()));
            let needed = last.len() + now.len();
            if needed > last.capacity() {
                self.allocated -= last.capacity();
                let capacity = needed.max(last.capacity() * 2).min(PIECE_BYTES);
                last.reserve_exact(capacity - last.len());
                self.allocated += last.capacity();
            }
            last.extend_from_slice(now);
            bytes = later;
        }
    }

    /// Moves all bytes of another queue behind those of this one.
    pub fn append(&mut self, other: &mut ByteQueue) {
        if self.is_empty() && self.allocated <= other.allocated {
            std::mem::swap(self, other);
        }
        let mut sent = std::mem::take(&mut other.sent);
        while let Some(piece) = other.pieces.pop_front() {
            self.extend_from_slice(&piece[sent..]);
            sent = 0;
        }
        *other = ByteQueue::default();
    }

    /// The first `most` of the bytes that wait, in as many slices as one call to the system takes.
    pub fn slices<'a>(&'a self, most: usize, into: &mut Slices<'a>) {
        into.used = 0;
        let (mut skip, mut left) = (self.sent, most);
        for piece in &self.pieces {
            let slice = &piece[skip..];
            let slice = &slice[..slice.len().min(left)];
            (skip, left) = (0, left - slice.len());
            if slice.is_empty() || into.used == SLICES_MAX {
                return;
            }
            into.slices[into.used] = IoSlice::new(slice);
            into.used += 1;
        }
    }

    /// The first `count` of the bytes that wait were sent.
    pub fn advance(&mut self, count: usize) {
        assert!(count <= self.len, "only what waits can be sent");
        self.len -= count;
        self.sent += count;
        while let Some(first) = self.pieces.front().map(Vec::len)
            && self.sent >= first
        {
            self.sent -= first;
            if self.pieces.len() == 1 && self.allocated <= KEPT_BYTES {
                // Kept for what comes next.
                self.pieces[0].clear();
                break;
            }
            self.allocated -= self.pieces.pop_front().map_or(0, |piece| piece.capacity());
        }
        if self.pieces.capacity() > 64 && self.pieces.len() < self.pieces.capacity() / 4 {
            self.pieces.shrink_to(self.pieces.len() * 2);
        }
    }

    /// Takes all bytes out, in one piece.
    pub fn take(&mut self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.len);
        let mut sent = self.sent;
        for piece in &self.pieces {
            bytes.extend_from_slice(&piece[sent..]);
            sent = 0;
        }
        *self = ByteQueue::default();
        bytes
    }
}

/// Slices in one call to the system: up to a megabyte.
const SLICES_MAX: usize = 64;

/// Room for slices of a queue, without an allocation.
pub struct Slices<'a> {
    slices: [IoSlice<'a>; SLICES_MAX],
    used: usize,
}

impl Default for Slices<'_> {
    fn default() -> Self {
        Slices { slices: [IoSlice::new(&[]); SLICES_MAX], used: 0 }
    }
}

impl<'a> Slices<'a> {
    /// The slices.
    pub fn get(&self) -> &[IoSlice<'a>] {
        &self.slices[..self.used]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Beyond the bytes that wait: the sent part of the first piece, the room of the last, and the list of pieces.
    const BEYOND: usize = 2 * PIECE_BYTES + 64 * size_of::<Vec<u8>>();

    fn bytes_of(queue: &ByteQueue, most: usize) -> Vec<u8> {
        let mut slices = Slices::default();
        queue.slices(most, &mut slices);
        slices.get().iter().flat_map(|slice| slice.to_vec()).collect()
    }

    #[derive(Clone, Debug)]
    enum Op {
        Add(usize),
        Append(usize, usize),
        Send(usize),
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            (0usize..40_000).prop_map(Op::Add),
            (0usize..40_000, 0usize..20_000).prop_map(|(a, b)| Op::Append(a, b)),
            (0usize..60_000).prop_map(Op::Send),
            (0usize..300).prop_map(Op::Add),
            (0usize..300).prop_map(Op::Send),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn behaves_like_a_queue_of_bytes(ops in prop::collection::vec(op(), 1..200)) {
            let (mut queue, mut model, mut next) = (ByteQueue::default(), VecDeque::new(), 0u8);
            let mut some = |count: usize| -> Vec<u8> {
                (0..count).map(|_| { next = next.wrapping_add(7); next }).collect()
            };
            for op in ops {
                match op {
                    Op::Add(count) => {
                        let bytes = some(count);
                        queue.extend_from_slice(&bytes);
                        model.extend(bytes);
                    }
                    Op::Append(count, sent) => {
                        let (bytes, mut other) = (some(count), ByteQueue::default());
                        let sent = sent.min(count);
                        other.extend_from_slice(&bytes);
                        other.advance(sent);
                        queue.append(&mut other);
                        prop_assert!(other.is_empty());
                        model.extend(&bytes[sent..]);
                    }
                    Op::Send(most) => {
                        let most = most.min(model.len());
                        let sent = bytes_of(&queue, most);
                        prop_assert_eq!(&sent, &model.drain(..sent.len()).collect::<Vec<_>>());
                        prop_assert!(sent.len() == most);
                        queue.advance(sent.len());
                    }
                }
                prop_assert_eq!(queue.len(), model.len());
                let beyond = queue.memory_bytes() as i64 - queue.len() as i64;
                prop_assert!(beyond <= (BEYOND + queue.len() / 64) as i64, "{} beyond", beyond);
                let pieces: usize = queue.pieces.iter().map(Vec::capacity).sum();
                prop_assert_eq!(pieces, queue.allocated);
            }
            prop_assert_eq!(queue.take(), model.into_iter().collect::<Vec<_>>());
        }
    }

    /// A reader that always has something in flight: what it has read takes no memory.
    #[test]
    fn a_queue_that_is_never_empty_does_not_grow() {
        let mut queue = ByteQueue::default();
        queue.extend_from_slice(&[1; 100_000]);
        for _ in 0..10_000 {
            queue.extend_from_slice(&[2; 30_000]);
            queue.advance(30_000);
            assert!(queue.memory_bytes() <= 100_000 + BEYOND, "{}", queue.memory_bytes());
        }
        queue.advance(100_000);
        assert!(queue.is_empty() && queue.memory_bytes() <= 4096, "{}", queue.memory_bytes());
        // After a large one the list of pieces is small again.
        queue.extend_from_slice(&vec![3; 40 << 20]);
        queue.advance(40 << 20);
        assert!(queue.memory_bytes() <= BEYOND, "{}", queue.memory_bytes());
    }
}
