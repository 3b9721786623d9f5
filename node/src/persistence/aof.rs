//! The append-only file as the node knows it: its thread, its place in the journal, and what of it is durable.
//!
//! # Invariants
//! - orders ascend, and what is durable was ordered
//!
//! # Not here
//! - what is done with it: [`super::append`]

use super::queue::AppendQueue;
use backup::aof::{AofDir, AppendLog, FsyncPolicy};
use journal::release::OnDisk;
use journal::{CursorId, Offset, Position, Receipt};
use protocol::aof::HistoryMark;
use std::collections::VecDeque;

/// The most positions that are remembered between what was shipped and what is on disk. Beyond that they get coarser.
const SHIPPED_MAX: usize = 16 * 1024;

/// What the child at work on a base is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rewriting {
    /// A smaller file; the files from this number on are kept.
    Shrink {
        /// The first incremental file that is kept.
        first_kept: u64,
    },
    /// The first base after switching on.
    SwitchOn,
    /// A base alone: nothing is appended.
    Base,
}

/// The append-only file.
pub struct Aof {
    /// The thread that writes.
    pub thread: Box<dyn AppendLog>,
    /// When it fsyncs, and so when replies leave.
    pub policy: FsyncPolicy,
    /// The size of the base.
    pub base_bytes: u64,
    /// The size of base and incremental files when the present file was begun.
    pub before_bytes: u64,
    /// It was switched on at run time, and its first base is not there yet: no manifest names the file.
    pub(super) waits_for_base: bool,
    pub(super) dir: AofDir,
    pub(super) cursor: CursorId,
    /// What waits to be written.
    pub queue: AppendQueue,
    /// Whose offsets the thread was told to count last.
    pub history: Option<HistoryMark>,
    /// Where each order that was shipped ended, oldest first; at most [`SHIPPED_MAX`].
    pub(super) orders: VecDeque<Receipt>,
    /// All up to here was shipped, or journaled before the file was begun.
    pub(super) shipped: Position,
    /// What was journaled up to here is none of the file's: its replies wait for nothing.
    pub(super) first: Position,
    pub(super) durable_offset: Offset,
    /// The second that the file was told last.
    pub(super) timestamp_s: i64,
}

impl Aof {
    /// The replication offset that is on disk.
    pub fn durable_offset(&self) -> Offset {
        let durable = OnDisk::up_to(self.durable());
        let reached = self.orders.iter().take_while(|order| durable.covers(order)).last();
        reached.map_or(self.durable_offset, |order| order.offset)
    }

    /// All up to here is on disk, as far as it belongs there.
    #[inline]
    pub fn durable(&self) -> Position {
        self.thread.status().durable().max(self.first)
    }

    /// All up to here was handed to the thread.
    pub fn shipped(&self) -> Position {
        self.shipped
    }

    /// Whether the first base is still missing: until it is there, nothing in the file can be loaded.
    pub fn lacks_base(&self) -> bool {
        self.waits_for_base
    }

    /// Bytes of base and incremental files.
    pub fn size(&self) -> u64 {
        self.before_bytes + self.thread.status().size()
    }
}

/// Remembers where an order ended: so where the stream is when that is on disk. With `appendfsync no` nothing may be for long.
pub(super) fn note_order(orders: &mut VecDeque<Receipt>, order: Receipt) {
    let full = orders.len() >= SHIPPED_MAX;
    match orders.back_mut() {
        Some(last) if full => *last = order,
        _ => orders.push_back(order),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use journal::{Journal, Kind, ReplicationId};

    #[test]
    fn positions_that_wait_for_an_fsync_have_a_bound_and_never_say_too_much() {
        let (mut orders, mut journal) = (VecDeque::new(), Journal::new(ReplicationId::NONE));
        for _ in 1..=5 * SHIPPED_MAX {
            journal.append_raw(Kind::Effect, b"x");
            journal.append_raw(Kind::Control, b"x");
            note_order(&mut orders, journal.receipt());
        }
        assert_eq!(orders.len(), SHIPPED_MAX);
        assert!(orders.iter().all(|order| order.offset.get() == 2 * order.position.get()));
        assert_eq!(orders.back(), Some(&journal.receipt()));
        assert!(orders.iter().is_sorted_by_key(|order| order.position));
    }
}
