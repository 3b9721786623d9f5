//! A replica's side of the command stream: which requests make a unit, and where we are.
//!
//! A unit is one command, or everything from MULTI to EXEC. It is applied as a whole, and the applied offset moves over it as a
//! whole; so what we pass on and acknowledge never ends inside a transaction.
//!
//! # Source
//! - offsets and transactions in the stream: Redis 7.2

use journal::Offset;

/// Where a replica is in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Received up to here.
    pub received: Offset,
    /// Applied up to here.
    pub applied: Offset,
    in_multi: bool,
}

/// What a command of the stream is to the unit it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The unit ends behind it.
    Ends,
    /// The unit goes on.
    Inside,
}

impl Position {
    /// A stream that goes on after `offset`.
    pub fn at(offset: Offset) -> Position {
        Position { received: offset, applied: offset, in_multi: false }
    }

    /// Bytes came in.
    pub fn receive(&mut self, bytes: usize) {
        self.received += bytes as u64;
    }

    /// Whether a transaction is open.
    pub fn is_inside(&self) -> bool {
        self.in_multi
    }

    /// Takes the name of the next command.
    pub fn command(&mut self, name: &[u8]) -> Place {
        if name.eq_ignore_ascii_case(b"MULTI") {
            self.in_multi = true;
        } else if name.eq_ignore_ascii_case(b"EXEC") || name.eq_ignore_ascii_case(b"DISCARD") {
            self.in_multi = false;
        }
        if self.in_multi { Place::Inside } else { Place::Ends }
    }

    /// Units of so many bytes were applied.
    pub fn apply(&mut self, bytes: usize) {
        self.applied += bytes as u64;
        assert!(self.applied <= self.received, "only what was received is applied");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_is_one_unit() {
        let mut position = Position::at(100);
        position.receive(90);
        assert_eq!(position.command(b"set"), Place::Ends);
        position.apply(30);
        assert_eq!(position.command(b"MULTI"), Place::Inside);
        assert_eq!(position.command(b"SELECT"), Place::Inside);
        assert_eq!(position.applied, 130);
        assert_eq!(position.command(b"exec"), Place::Ends);
        position.apply(60);
        assert_eq!((position.applied, position.received), (190, 190));
    }
}
