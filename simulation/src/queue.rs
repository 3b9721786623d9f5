//! What will happen, in order: by virtual time, and where that is equal by when it was noted.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// Nanoseconds of a millisecond.
pub const MS: u64 = 1_000_000;
/// Nanoseconds of a microsecond.
pub const US: u64 = 1_000;

#[derive(Debug)]
struct Entry<E> {
    at_ns: u64,
    number: u64,
    event: E,
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl<E> Eq for Entry<E> {}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Entry<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at_ns, self.number).cmp(&(other.at_ns, other.number))
    }
}

/// What will happen.
#[derive(Debug)]
pub struct Queue<E> {
    heap: BinaryHeap<Reverse<Entry<E>>>,
    next: u64,
    now_ns: u64,
}

impl<E> Default for Queue<E> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), next: 0, now_ns: 0 }
    }
}

impl<E> Queue<E> {
    /// Virtual time, nanoseconds since the world began.
    pub fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// Something will happen at this moment, which is not over.
    pub fn at(&mut self, at_ns: u64, event: E) {
        let entry = Entry { at_ns: at_ns.max(self.now_ns), number: self.next, event };
        self.next += 1;
        self.heap.push(Reverse(entry));
    }

    /// Something will happen so much later.
    pub fn after(&mut self, ns: u64, event: E) {
        self.at(self.now_ns + ns, event);
    }

    /// The next that happens: it is that late now.
    pub fn pop(&mut self) -> Option<E> {
        let Reverse(Entry { at_ns, event, .. }) = self.heap.pop()?;
        self.now_ns = at_ns;
        Some(event)
    }

    /// How much is to come.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether nothing is to come.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_at_once_happens_in_the_order_in_which_it_was_noted() {
        let mut queue = Queue::default();
        for (at, name) in [(5, 'c'), (1, 'a'), (5, 'd'), (2, 'b')] {
            queue.at(at, name);
        }
        let mut said = String::new();
        while let Some(name) = queue.pop() {
            said.push(name);
            if name == 'b' {
                queue.at(0, 'B');
                queue.after(3, 'e');
            }
        }
        assert_eq!((said.as_str(), queue.now_ns(), queue.len()), ("abBcde", 5, 0));
    }
}
