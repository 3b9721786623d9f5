//! The two numbers that count what was journaled, as types that cannot be mixed.
//!
//! ```text
//!            Offset                                   Position
//! counts     what replicas get: Effect and Control    what the disk gets: Effect and Local
//! begins     where its history does                   at 0, with the process
//! goes back  with another history                     never
//! is for     PSYNC, acknowledgements, files           replies that wait for the disk, orders to it
//! ```
//!
//! Only a [`Journal`](crate::Journal) makes either of them; what another server or a file says becomes an [`Offset`] by
//! [`Offset::from_wire`], which knows the bound. So whoever has a `Position` has one that the journal has reached.
//!
//! # Not here
//! - who waits for which of them: [`crate::release`]

use std::fmt;
use std::ops::Sub;
use std::sync::atomic::{AtomicU64, Ordering};

/// A place in a history: how many bytes of it came before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
#[repr(transparent)]
pub struct Offset(u64);

impl Offset {
    /// The begin of a history that nobody continues.
    pub const START: Offset = Offset(0);
    /// The largest one that a stream may begin at: what follows has to have offsets too, and PSYNC counts in 64 bits with a
    /// sign.
    pub const MAX: Offset = Offset(1 << 62);

    /// What another server or a file says; `None` if it is none.
    pub fn from_wire(number: u64) -> Option<Offset> {
        Some(Offset(number)).filter(|offset| *offset <= Offset::MAX)
    }

    /// The number, for the wire, for files and for figures.
    #[inline]
    pub fn get(self) -> u64 {
        self.0
    }

    /// The number of the byte behind it, as PSYNC counts: its first byte has number 1.
    #[inline]
    pub fn next_byte(self) -> i64 {
        self.0 as i64 + 1
    }

    /// The place so many bytes further on in the same stream.
    #[inline]
    pub fn after(self, bytes: u64) -> Offset {
        Offset(self.0 + bytes)
    }

    #[inline]
    pub(crate) fn from_note(word: u64) -> Offset {
        Offset(word)
    }

    /// The place `bytes` before it, or [`Offset::START`].
    pub(crate) fn back(self, bytes: u64) -> Offset {
        Offset(self.0.saturating_sub(bytes))
    }

    /// How many bytes lie behind `earlier` and before this; 0 if it is not earlier.
    #[inline]
    pub fn since(self, earlier: Offset) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// How many bytes lie between two places of one history. The second must not be behind the first.
impl Sub for Offset {
    type Output = u64;

    #[inline]
    fn sub(self, earlier: Offset) -> u64 {
        debug_assert!(earlier <= self, "{earlier} is behind {self}");
        self.0 - earlier.0
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How much was journaled for the disk since the process began: what replies and orders to the disk go by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
#[repr(transparent)]
pub struct Position(u64);

impl Position {
    /// Before anything.
    pub const START: Position = Position(0);

    #[inline]
    pub(crate) fn after(self, bytes: u64) -> Position {
        Position(self.0 + bytes)
    }

    /// Behind everything that will ever be: nobody waits for it, nothing reaches it.
    pub(crate) const NEVER: Position = Position(u64::MAX);

    #[inline]
    pub(crate) fn from_note(word: u64) -> Position {
        Position(word)
    }

    /// The number, for figures and messages.
    #[inline]
    pub fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A position that one thread publishes and others read. It only grows.
#[derive(Debug, Default)]
pub struct PublishedPosition(AtomicU64);

impl PublishedPosition {
    /// Where it is.
    #[inline]
    pub fn get(&self) -> Position {
        Position(self.0.load(Ordering::Acquire))
    }

    /// It has come so far; an earlier one changes nothing.
    pub fn advance(&self, to: Position) {
        self.0.fetch_max(to.0, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_from_outside_has_a_bound() {
        assert_eq!(Offset::from_wire(0), Some(Offset::START));
        assert_eq!(Offset::from_wire(1 << 62), Some(Offset::MAX));
        assert_eq!(Offset::from_wire((1 << 62) + 1), None);
        assert_eq!(Offset::from_wire(u64::MAX), None);
        assert_eq!(Offset::MAX.next_byte(), (1 << 62) + 1, "it is none that PSYNC cannot say");
    }

    #[test]
    fn distances_are_those_of_the_stream() {
        let at = |number| Offset::from_wire(number).expect("small");
        assert_eq!((at(30) - at(10), at(10).since(at(30)), at(10).after(20)), (20, 0, at(30)));
        assert_eq!((at(10).back(4), at(10).back(40)), (at(6), Offset::START));
    }

    #[test]
    #[should_panic(expected = "30 is behind 10")]
    #[cfg(debug_assertions)]
    fn a_distance_is_not_measured_backwards() {
        let at = |number| Offset::from_wire(number).expect("small");
        let _ = at(10) - at(30);
    }

    #[test]
    fn what_is_published_only_grows() {
        let published = PublishedPosition::default();
        published.advance(Position(7));
        published.advance(Position(3));
        assert_eq!(published.get(), Position(7));
    }
}
