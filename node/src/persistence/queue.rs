//! What waits to be written by the append thread: how long, how much, and whether writers wait for it.
//!
//! A disk that stands still, or is full, must not make the process grow. As Redis documents for `everysec`, a late fsync
//! holds nobody up for two seconds; after that, who writes waits. Here it is not the executing thread that waits: clients
//! are suspended before a command that may write, a link to a primary is not read, and all others go on.
//!
//! ```text
//! shipped ─► | order order order … | ─► append thread ─► written
//!            └ older than 2 s, or more than aof-buffer-limit: writers wait
//!              until what waits is younger, and half the limit at most
//! ```
//!
//! # Invariants
//! - marks ascend in position and time, and there are at most `MARKS_MAX`
//!
//! # Not here
//! - a write that fails: a primary refuses writes then, with MISCONF, and they need not wait
//!
//! # Source
//! - `flushAppendOnlyFile` of Redis 7.2, for the two seconds

use crate::facts::fact::{Changed, Fact};
use journal::Position;
use std::collections::VecDeque;

/// What was ordered so long ago and is not written holds up writers, milliseconds. Source: Redis.
pub const LATE_MS: u64 = 2000;
/// Marks are so far apart at least, milliseconds.
const STEP_MS: u64 = 50;
/// Most marks: as many as there can be before writers wait, and some for what is journaled without them.
const MARKS_MAX: usize = 64;

/// An order that waits, and when it was given.
#[derive(Clone, Copy, Debug)]
struct Mark {
    position: Position,
    /// The first order behind the mark before this one was given then, monotonic milliseconds.
    since_ms: u64,
}

/// Why writers wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Something has waited for too long.
    Late,
    /// Too much waits.
    Much,
}

/// What waits to be written.
#[derive(Debug)]
pub struct AppendQueue {
    marks: VecDeque<Mark>,
    /// Why writers wait, and since when.
    full: Fact<Option<(Reason, u64)>>,
}

impl AppendQueue {
    /// Nothing waits.
    pub fn new(changed: &Changed) -> AppendQueue {
        AppendQueue { marks: VecDeque::new(), full: Fact::new(None, changed) }
    }

    /// An order was given that ends at `position`.
    pub fn shipped(&mut self, position: Position, now_ms: u64) {
        let full = self.marks.len() == MARKS_MAX;
        match self.marks.back_mut() {
            Some(last) if full || now_ms < last.since_ms + STEP_MS => last.position = position,
            _ => self.marks.push_back(Mark { position, since_ms: now_ms }),
        }
    }

    /// The system has everything up to `position`.
    pub fn written(&mut self, position: Position) {
        while self.marks.front().is_some_and(|mark| mark.position <= position) {
            self.marks.pop_front();
        }
    }

    /// For how long the oldest order has waited, milliseconds; 0 if none does.
    pub fn age_ms(&self, now_ms: u64) -> u64 {
        self.marks.front().map_or(0, |mark| now_ms.saturating_sub(mark.since_ms))
    }

    /// Looks at what waits: `bytes` of at most `limit`. Returns whether writers began or ceased to wait.
    pub fn look(&mut self, bytes: u64, limit: u64, now_ms: u64) -> bool {
        let late = self.age_ms(now_ms) > LATE_MS;
        let full = match *self.full {
            // So that writers do not come and go one by one.
            Some(_) if late || bytes > limit / 2 => *self.full,
            Some(_) => None,
            None if late => Some((Reason::Late, now_ms)),
            None if bytes > limit => Some((Reason::Much, now_ms)),
            None => None,
        };
        let changed = self.full.is_some() != full.is_some();
        self.full.update(full);
        changed
    }

    /// Why writers wait, if they do.
    pub fn full(&self) -> Option<Reason> {
        self.full.map(|(reason, _)| reason)
    }

    /// Since when writers wait, monotonic milliseconds.
    pub fn full_since_ms(&self) -> Option<u64> {
        self.full.map(|(_, since)| since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use journal::{Journal, Kind, ReplicationId};

    /// Positions one byte apart.
    struct Positions(Journal, Vec<Position>);

    impl Positions {
        fn new() -> Positions {
            Positions(Journal::new(ReplicationId::NONE), vec![Position::START])
        }

        fn at(&mut self, number: u64) -> Position {
            while self.1.len() as u64 <= number {
                self.0.append_raw(Kind::Effect, b"x");
                self.1.push(self.0.receipt().position);
            }
            self.1[number as usize]
        }
    }

    #[test]
    fn writers_wait_for_what_is_late_until_it_is_written() {
        let (mut queue, mut positions) = (AppendQueue::new(&Changed::default()), Positions::new());
        queue.shipped(positions.at(1), 10_000);
        queue.shipped(positions.at(2), 10_500);
        assert!(!queue.look(10, 100, 12_000));
        assert_eq!((queue.age_ms(12_000), queue.full()), (2_000, None));
        assert!(queue.look(10, 100, 12_001));
        assert_eq!((queue.full(), queue.full_since_ms()), (Some(Reason::Late), Some(12_001)));
        queue.written(positions.at(1));
        assert!(queue.look(10, 100, 12_002), "what is left is younger");
        assert_eq!((queue.full(), queue.age_ms(12_002)), (None, 1_502));
        assert!(queue.look(10, 100, 12_501));
        queue.written(positions.at(2));
        assert!(queue.look(0, 100, 12_501));
        assert_eq!((queue.full(), queue.age_ms(99_000)), (None, 0));
    }

    #[test]
    fn writers_wait_while_there_is_too_much() {
        let (mut queue, mut positions) = (AppendQueue::new(&Changed::default()), Positions::new());
        queue.shipped(positions.at(1), 0);
        assert!(!queue.look(100, 100, 0));
        assert!(queue.look(101, 100, 0));
        assert_eq!(queue.full(), Some(Reason::Much));
        assert!(!queue.look(51, 100, 1), "not before half of it is gone");
        assert!(queue.look(50, 100, 1));
    }

    #[test]
    fn a_disk_that_keeps_up_holds_up_nobody() {
        let (mut queue, mut positions) = (AppendQueue::new(&Changed::default()), Positions::new());
        for now in 0..100_000_u64 {
            queue.shipped(positions.at(now), now);
            queue.written(positions.at(now.saturating_sub(1_900)));
            assert!(!queue.look(10, 100, now), "{now}");
            assert!(queue.marks.len() <= MARKS_MAX);
            let least = if now < 1_900 { 0 } else { 1_899 };
            assert!((least..=1_900 + STEP_MS).contains(&queue.age_ms(now)), "{now}");
        }
    }

    #[test]
    fn marks_have_a_bound_and_forget_no_age() {
        let (mut queue, mut positions) = (AppendQueue::new(&Changed::default()), Positions::new());
        (0..1_000_000).for_each(|now| queue.shipped(positions.at(now), now));
        assert_eq!((queue.marks.len(), queue.age_ms(1_000_000)), (MARKS_MAX, 1_000_000));
        queue.written(positions.at(999_998));
        assert_ne!(queue.age_ms(1_000_000), 0);
        queue.written(positions.at(999_999));
        assert_eq!(queue.age_ms(1_000_000), 0);
    }
}
