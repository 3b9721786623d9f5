//! Which bytes of a session's output may leave: those whose receipts are covered.

use journal::Receipt;
use journal::release::OnDisk;
use std::collections::VecDeque;

/// Gates of replies for which an idle connection has room.
const KEPT: usize = 64;

/// Which bytes of an output may leave.
#[derive(Debug, Default)]
pub struct Gates {
    /// Bytes ever put into the output.
    total: u64,
    /// Of these, how many may leave.
    free: u64,
    /// Output up to `.0` may leave once the disk covers `.1`.
    waiting: VecDeque<(u64, Receipt)>,
}

impl Gates {
    /// `len` bytes were put out; they depend on what `receipt` is for.
    #[inline]
    pub fn put(&mut self, len: usize, receipt: Receipt, released: OnDisk) {
        self.total += len as u64;
        if self.waiting.is_empty() && released.covers(&receipt) {
            self.free = self.total;
            return;
        }
        match self.waiting.back_mut() {
            Some(last) if last.1.includes(&receipt) => last.0 = self.total,
            _ => self.waiting.push_back((self.total, receipt)),
        }
    }

    /// Whether nothing waits.
    #[inline]
    pub fn are_open(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Bytes allocated.
    #[inline]
    pub fn memory_bytes(&self) -> usize {
        self.waiting.capacity() * size_of::<(u64, Receipt)>()
    }

    /// How many bytes at the end of the output must stay.
    #[inline]
    pub fn held(&mut self, released: OnDisk) -> usize {
        while let Some((end, receipt)) = self.waiting.front()
            && released.covers(receipt)
        {
            self.free = *end;
            self.waiting.pop_front();
        }
        if self.waiting.is_empty() && self.waiting.capacity() > KEPT {
            self.waiting = VecDeque::new();
        }
        (self.total - self.free) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use journal::{Journal, Kind, ReplicationId};

    #[test]
    fn replies_wait_for_their_position_and_later_ones_for_them() {
        let mut journal = Journal::new(ReplicationId::NONE);
        // The receipt of a unit that brings the disk to this position.
        let mut write = |upto: u64| {
            let from = journal.receipt().position.get();
            journal.append_raw(Kind::Effect, &vec![b'x'; (upto - from) as usize]);
            journal.receipt()
        };
        let [at_50, at_100, at_199, at_200] = [50, 100, 199, 200].map(&mut write);
        let on = |receipt: Receipt| OnDisk::up_to(receipt.position);
        let mut gates = Gates::default();
        gates.put(10, Receipt::NOTHING, on(Receipt::NOTHING));
        assert_eq!(gates.held(on(Receipt::NOTHING)), 0);
        gates.put(10, at_100, on(at_50));
        gates.put(5, Receipt::NOTHING, on(at_50));
        gates.put(10, at_200, on(at_50));
        assert_eq!(gates.held(on(at_50)), 25);
        assert_eq!(gates.held(on(at_100)), 10);
        assert_eq!(gates.held(on(at_199)), 10);
        assert_eq!(gates.held(on(at_200)), 0);
    }
}
