//! A replica's intake: bytes of the stream in, commands executed and units journaled out.
//!
//! ```text
//! bytes ─► whole requests ─► [execute] ─► units that ended ─► [journal, verbatim] ─► position
//!                                            └── inside MULTI: kept until EXEC
//! ```
//!
//! Requests are executed batch by batch by whoever owns the data; then the units that ended go into the journal as they came.
//! What changes no data (PING, GETACK, PUBLISH) counts and goes on to replicas, but not to disk.
//!
//! # Invariants
//! - between two calls the journal ends at [`Position::applied`], and its stream stands in [`Position::db`]
//! - what was executed outside a transaction has been journaled, also where the stream ends with an error
//!
//! # Not here
//! - sockets and timers: the server; executing: the engine

use crate::stream::{NoSuchDatabase, Place, Position};
use journal::{Kind, Offset};
use protocol::resp::request::Bounds;
use protocol::resp::{Batch, Parser};

/// Requests executed before others get a turn.
const BATCH_MAX: usize = 2048;

/// Where commands of the stream go.
pub trait Target {
    /// Executes requests in order. Returns how many were executed, and why not the rest.
    fn execute(&mut self, bytes: &[u8], batch: &Batch) -> (usize, Result<(), Refused>);

    /// Journals bytes of the stream, verbatim. They begin where the last ones ended.
    fn journal(&mut self, kind: Kind, bytes: &[u8]);

    /// What was executed has been journaled. With the database that the stream stands in now, if a unit ended.
    fn end_batch(&mut self, db: Option<usize>);
}

/// A command that the target will not execute.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Refused {
    /// Which one and why.
    pub text: String,
    /// A part of its transaction was executed: the data is at no position of the stream any more.
    pub torn: bool,
}

/// Why the stream cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// What came is no command.
    #[error("Protocol error from MASTER: {0}")]
    Protocol(String),
    /// It goes where we have nothing.
    #[error("The stream of MASTER cannot be followed at offset {offset}: {error}")]
    Database {
        /// The offset before the SELECT.
        offset: Offset,
        /// What it asks for.
        error: NoSuchDatabase,
    },
    /// A command that changes data cannot be executed here.
    #[error("The stream of MASTER cannot be followed at offset {offset}: {refused}")]
    Refused {
        /// The offset before its unit.
        offset: Offset,
        /// What it is.
        refused: Refused,
    },
}

impl StreamError {
    /// Whether the position means nothing any more: the next attempt starts over.
    pub fn loses_position(&self) -> bool {
        match self {
            StreamError::Protocol(_) => true,
            StreamError::Database { .. } => false,
            StreamError::Refused { refused, .. } => refused.torn,
        }
    }
}

/// Where a unit ends.
#[derive(Clone, Copy)]
struct Boundary {
    /// Index of its last request in the batch.
    request: usize,
    /// The end of that in the buffer.
    end: usize,
    /// It changes no data.
    control: bool,
    /// The primary asks for an acknowledgement.
    asks: bool,
    /// The database behind it.
    db: usize,
}

/// The stream of one connection.
pub struct Intake {
    position: Position,
    parser: Parser,
    batch: Batch,
    boundaries: Vec<Boundary>,
    /// Bytes of a transaction that has not ended.
    open: Vec<u8>,
}

impl Intake {
    /// A stream that goes on at a position.
    pub fn new(position: Position) -> Intake {
        Intake {
            position,
            parser: Parser::default(),
            batch: Batch::default(),
            boundaries: Vec::new(),
            open: Vec::new(),
        }
    }

    /// Where we are.
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// Bytes that the unfinished request is known to need beyond the `have` bytes of the buffer.
    pub fn wanted(&self, have: usize) -> usize {
        self.parser.wanted(have)
    }

    /// Bytes of a transaction that has not ended.
    pub fn open_bytes(&self) -> usize {
        self.open.len()
    }

    /// Executes the whole requests in `buffer` and removes them. Returns the offsets that the primary asks to be
    /// acknowledged.
    pub fn take(
        &mut self,
        buffer: &mut Vec<u8>,
        target: &mut impl Target,
    ) -> Result<Vec<Offset>, StreamError> {
        let (mut acks, mut taken) = (Vec::new(), 0);
        let result = loop {
            let (used, more) = match self.part(&mut buffer[taken..], target, &mut acks) {
                Ok(part) => part,
                Err(error) => break Err(error),
            };
            taken += used;
            if !more {
                break Ok(acks);
            }
        };
        buffer.drain(..taken);
        result
    }

    /// One batch. Returns how many bytes it took, and whether there may be more.
    fn part(
        &mut self,
        bytes: &mut [u8],
        target: &mut impl Target,
        acks: &mut Vec<Offset>,
    ) -> Result<(usize, bool), StreamError> {
        self.batch.clear();
        let bounds = Bounds { bulk_max: i64::from(u32::MAX) - 1, authenticated: true };
        let (used, parsed) = self.parser.parse(bytes, bounds, BATCH_MAX, &mut self.batch);
        let bytes = &bytes[..used];
        let count = self.batch.requests().len();
        self.check(bytes)?;
        self.position.receive(used);
        let bad_select = self.find_boundaries(bytes);
        let (executed, refused) = match self.batch.requests() {
            [] => (0, Ok(())),
            _ => target.execute(bytes, &self.batch),
        };
        self.pass_on(bytes, executed, target, acks);
        let offset = self.position.applied;
        refused.map_err(|refused| StreamError::Refused { offset, refused })?;
        bad_select.map_err(|error| StreamError::Database { offset, error })?;
        parsed.map_err(|error| StreamError::Protocol(error.text))?;
        Ok((used, count == BATCH_MAX))
    }

    /// All must be commands in array form, without anything between them: else offsets would not be equal.
    fn check(&self, bytes: &[u8]) -> Result<(), StreamError> {
        let mut end = 0;
        for request in self.batch.requests() {
            if !request.array || request.start as usize != end {
                break;
            }
            end = request.end as usize;
        }
        match end == bytes.len() {
            true => Ok(()),
            false => {
                Err(StreamError::Protocol("something that is no command in the stream".into()))
            }
        }
    }

    /// Finds where units end. A SELECT that cannot be followed ends the batch before it.
    fn find_boundaries(&mut self, bytes: &[u8]) -> Result<(), NoSuchDatabase> {
        self.boundaries.clear();
        let mut failed = None;
        for (index, request) in self.batch.requests().iter().enumerate() {
            let args = self.batch.args(bytes, request);
            let name = args.at(0);
            let argument = if args.len() == 2 { args.get(1) } else { None };
            let was_inside = self.position.is_inside();
            match self.position.command(name, argument) {
                Ok(Place::Inside) => {}
                Ok(Place::Ends) => {
                    let control = !was_inside && is_control(name);
                    self.boundaries.push(Boundary {
                        request: index,
                        end: request.end as usize,
                        control,
                        asks: control && name.eq_ignore_ascii_case(b"REPLCONF"),
                        db: self.position.db(),
                    });
                }
                Err(error) => {
                    failed = Some((request.start as usize, error));
                    break;
                }
            }
        }
        match failed {
            Some((start, error)) => {
                self.batch.truncate_at(start);
                Err(error)
            }
            None => Ok(()),
        }
    }

    /// Journals the units that ended, as they came, and moves the position.
    fn pass_on(
        &mut self,
        bytes: &[u8],
        executed: usize,
        target: &mut impl Target,
        acks: &mut Vec<Offset>,
    ) {
        let boundaries = std::mem::take(&mut self.boundaries);
        let (mut from, mut upto) = (0usize, 0usize);
        let mut db = None;
        for boundary in boundaries.iter().take_while(|boundary| boundary.request < executed) {
            db = Some(boundary.db);
            if !boundary.control {
                upto = boundary.end;
                if !self.open.is_empty() {
                    self.open.extend_from_slice(&bytes[from..upto]);
                    let unit = std::mem::take(&mut self.open);
                    self.journal(target, Kind::Effect, &unit);
                    from = upto;
                }
                continue;
            }
            self.journal(target, Kind::Effect, &bytes[from..upto]);
            if boundary.asks {
                acks.push(self.position.applied);
            }
            self.journal(target, Kind::Control, &bytes[upto..boundary.end]);
            (from, upto) = (boundary.end, boundary.end);
        }
        self.journal(target, Kind::Effect, &bytes[from..upto]);
        self.open.extend_from_slice(&bytes[upto..]);
        self.boundaries = boundaries;
        target.end_batch(db);
    }

    fn journal(&mut self, target: &mut impl Target, kind: Kind, bytes: &[u8]) {
        if !bytes.is_empty() {
            target.journal(kind, bytes);
            self.position.apply(bytes.len());
        }
    }
}

/// Whether a command of the stream changes no data.
fn is_control(name: &[u8]) -> bool {
    let words: &[&[u8]] = match name.len() {
        4 => &[b"PING"],
        7 => &[b"PUBLISH"],
        8 => &[b"REPLCONF", b"SPUBLISH"],
        _ => return false,
    };
    words.iter().any(|word| name.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests;
