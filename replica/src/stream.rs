//! A replica's side of the command stream: which requests make a unit, and where we are.
//!
//! A unit is one command, or everything from MULTI to EXEC. It is applied as a whole, and the position moves over it as a
//! whole; so what we pass on and acknowledge never ends inside a transaction. The database is part of the position: a stream
//! that goes on says no SELECT.
//!
//! # Source
//! - offsets and transactions in the stream: Redis 7.2

use journal::Offset;
use protocol::number::parse_i64;

/// Where a replica is in the stream: what of it came, what of that is applied, and in which database it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamPoint {
    /// Received up to here.
    pub received: Offset,
    /// Applied up to here.
    pub applied: Offset,
    /// The database that the stream stands in behind the last unit that ended.
    db: usize,
    /// The same inside the transaction that is open, if one is.
    inside: Option<usize>,
    /// How many databases there are.
    databases: usize,
}

/// What a command of the stream is to the unit it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The unit ends behind it.
    Ends,
    /// The unit goes on.
    Inside,
}

/// The stream goes to a database that is not there: what follows would change another one's keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("SELECT of database '{asked}', there are {databases} (see the directive 'databases')")]
pub struct NoSuchDatabase {
    asked: String,
    databases: usize,
}

impl StreamPoint {
    /// A stream that goes on after `offset` in database `db`, on a node that has so many.
    pub fn at(offset: Offset, db: usize, databases: usize) -> StreamPoint {
        assert!(db < databases, "a stream stands in a database that is there");
        StreamPoint { received: offset, applied: offset, db, inside: None, databases }
    }

    /// Bytes came in.
    pub fn receive(&mut self, bytes: usize) {
        self.received = self.received.after(bytes as u64);
    }

    /// Whether a transaction is open.
    #[inline]
    pub fn is_inside(&self) -> bool {
        self.inside.is_some()
    }

    /// The database that the stream stands in behind the last unit that ended.
    pub fn db(&self) -> usize {
        self.db
    }

    /// Takes the name of the next command, and its first argument if it has just one.
    #[inline]
    pub fn command(
        &mut self,
        name: &[u8],
        argument: Option<&[u8]>,
    ) -> Result<Place, NoSuchDatabase> {
        match name.len() {
            5 if name.eq_ignore_ascii_case(b"MULTI") => self.inside = Some(self.db),
            4 if name.eq_ignore_ascii_case(b"EXEC") => {
                self.db = self.inside.take().unwrap_or(self.db);
            }
            7 if name.eq_ignore_ascii_case(b"DISCARD") => self.inside = None,
            6 if name.eq_ignore_ascii_case(b"SELECT") => {
                let db = self.select(argument)?;
                *self.inside.as_mut().unwrap_or(&mut self.db) = db;
            }
            _ => {}
        }
        Ok(if self.is_inside() { Place::Inside } else { Place::Ends })
    }

    fn select(&self, argument: Option<&[u8]>) -> Result<usize, NoSuchDatabase> {
        let asked = argument.and_then(parse_i64).and_then(|db| usize::try_from(db).ok());
        asked.filter(|db| *db < self.databases).ok_or_else(|| {
            let text = argument.unwrap_or_default();
            let asked = String::from_utf8_lossy(&text[..text.len().min(32)]).into_owned();
            NoSuchDatabase { asked, databases: self.databases }
        })
    }

    /// Units of so many bytes were applied.
    pub fn apply(&mut self, bytes: usize) {
        self.applied = self.applied.after(bytes as u64);
        assert!(self.applied <= self.received, "only what was received is applied");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(number: u64) -> Offset {
        Offset::from_wire(number).unwrap()
    }

    #[test]
    fn a_transaction_is_one_unit() {
        let mut point = StreamPoint::at(at(100), 0, 16);
        point.receive(90);
        assert_eq!(point.command(b"set", None), Ok(Place::Ends));
        point.apply(30);
        assert_eq!(point.command(b"MULTI", None), Ok(Place::Inside));
        assert_eq!(point.command(b"SELECT", Some(b"3")), Ok(Place::Inside));
        assert_eq!((point.applied, point.db()), (at(130), 0));
        assert_eq!(point.command(b"exec", None), Ok(Place::Ends));
        point.apply(60);
        assert_eq!((point.applied, point.received, point.db()), (at(190), at(190), 3));
    }

    #[test]
    fn the_database_is_that_of_the_last_unit() {
        let mut point = StreamPoint::at(Offset::START, 5, 16);
        let mut take = |name: &[u8], argument: Option<&[u8]>| {
            point.command(name, argument).unwrap();
            point.db()
        };
        assert_eq!(take(b"set", None), 5);
        assert_eq!(take(b"select", Some(b"2")), 2);
        assert_eq!(take(b"multi", None), 2);
        assert_eq!(take(b"select", Some(b"7")), 2, "not before EXEC");
        assert_eq!(take(b"discard", None), 2, "it was never selected");
        assert_eq!(take(b"multi", None), 2);
        assert_eq!(take(b"exec", None), 2);
        assert_eq!(take(b"exec", None), 2, "an EXEC without MULTI changes nothing");
    }

    #[test]
    fn a_database_that_is_not_there_ends_the_stream() {
        let mut point = StreamPoint::at(Offset::START, 0, 4);
        for bad in [&b"4"[..], b"-1", b"x", b"", b"99999999999999999999"] {
            let error = point.command(b"SELECT", Some(bad)).unwrap_err();
            assert!(error.to_string().contains("there are 4"), "{error}");
        }
        assert!(point.command(b"SELECT", None).is_err());
        assert_eq!(point.command(b"SELECT", Some(b"3")), Ok(Place::Ends));
        assert_eq!(point.db(), 3);
    }

    #[test]
    #[should_panic(expected = "only what was received is applied")]
    fn more_is_not_applied_than_came() {
        let mut point = StreamPoint::at(at(100), 0, 16);
        point.receive(10);
        point.apply(11);
    }

    #[test]
    #[should_panic(expected = "a stream stands in a database that is there")]
    fn a_stream_does_not_begin_in_a_database_that_is_not_there() {
        StreamPoint::at(at(100), 16, 16);
    }
}
