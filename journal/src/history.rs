//! Names of histories: which byte stream an offset belongs to.

use crate::planted::{self, Fault};
use crate::position::Offset;
use std::fmt;

/// 40 hexadecimal characters that name a history.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReplicationId([u8; 40]);

impl ReplicationId {
    /// The empty name: no history.
    pub const NONE: ReplicationId = ReplicationId([b'0'; 40]);

    /// A name from 20 random bytes.
    pub fn from_random(bytes: [u8; 20]) -> ReplicationId {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 40];
        for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
            pair[0] = DIGITS[byte as usize >> 4];
            pair[1] = DIGITS[byte as usize & 15];
        }
        ReplicationId(text)
    }

    /// Reads a name; letter case does not matter.
    pub fn parse(text: &[u8]) -> Option<ReplicationId> {
        let mut id: [u8; 40] = text.try_into().ok()?;
        id.make_ascii_lowercase();
        id.iter().all(u8::is_ascii_hexdigit).then_some(ReplicationId(id))
    }

    /// The name as text.
    pub fn as_bytes(&self) -> &[u8; 40] {
        &self.0
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("hexadecimal digits")
    }
}

impl fmt::Display for ReplicationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ReplicationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The history that is being written, and the one that it continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// Name of the current history.
    pub id: ReplicationId,
    /// Name of the previous one; [`ReplicationId::NONE`] if there is none.
    pub second_id: ReplicationId,
    /// The first offset that is *not* shared with the previous history, as PSYNC counts (last shared one + 1); −1 if none.
    pub second_offset: i64,
}

impl History {
    /// A history without a past.
    pub fn new(id: ReplicationId) -> History {
        History { id, second_id: ReplicationId::NONE, second_offset: -1 }
    }

    /// Goes on under a new name: what came before `end` is shared with the old one.
    pub fn fork(&mut self, id: ReplicationId, end: Offset) {
        let too_far = i64::from(planted::is(Fault::SecondHistoryTooFar));
        let second_offset = end.next_byte() + too_far;
        *self = History { id, second_id: self.id, second_offset };
    }

    /// Whether somebody who asks for offset `asked` (the next byte, as PSYNC counts) of history `id` has our past.
    pub fn includes(&self, id: &ReplicationId, asked: i64) -> bool {
        *id == self.id || (*id == self.second_id && asked <= self.second_offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(byte: u8) -> ReplicationId {
        ReplicationId::from_random([byte; 20])
    }

    #[test]
    fn names_are_read_in_any_letter_case() {
        let text = "ABCDEF0123456789abcdef0123456789abcdef01";
        assert_eq!(ReplicationId::parse(text.as_bytes()).unwrap().as_str(), text.to_lowercase());
        assert!(ReplicationId::parse(b"?").is_none());
        assert!(ReplicationId::parse(&[b'g'; 40]).is_none());
    }

    #[test]
    fn a_forked_history_includes_the_old_one_up_to_the_fork() {
        let mut history = History::new(id(1));
        history.fork(id(2), Offset::from_wire(100).unwrap());
        assert!(history.includes(&id(2), 5_000));
        assert!(history.includes(&id(1), 101));
        assert!(!history.includes(&id(1), 102));
        assert!(!history.includes(&id(3), 1));
    }
}
