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
//! - between two calls the journal ends at [`StreamPoint::applied`], and its stream stands in [`StreamPoint::db`]
//! - what was executed outside a transaction has been journaled, also where the stream ends with an error
//!
//! # Not here
//! - sockets and timers: the server; executing: the engine

use crate::stream::{NoSuchDatabase, Place, StreamPoint};
use journal::planted::{self, Fault};
use journal::{Kind, Offset};
use protocol::resp::request::Bounds;
use protocol::resp::{Batch, Parser};

/// Requests executed before others get a turn.
const BATCH_MAX: usize = 2048;

/// Where commands of the stream go.
pub trait Target {
    /// Executes requests in order; `start` is the offset before the first of them.
    fn execute(&mut self, start: Offset, bytes: &[u8], batch: &Batch) -> Executed;

    /// Journals bytes of the stream, verbatim. They begin where the last ones ended.
    fn journal(&mut self, kind: Kind, bytes: &[u8]);

    /// What was executed has been journaled. With the database that the stream stands in now, if a unit ended.
    fn end_batch(&mut self, db: Option<usize>);
}

/// What became of a batch.
#[derive(Debug)]
pub struct Executed {
    /// How many requests were executed.
    pub count: usize,
    /// Commands among them that were left out, because this node does not know them: replicas of ours get them all the
    /// same, and decide for themselves; our disk does not, it could not be loaded.
    pub skipped: Vec<Skipped>,
    /// Why the others were not executed.
    pub end: Result<(), Refused>,
}

impl Executed {
    /// All was executed.
    pub fn all(batch: &Batch) -> Executed {
        Executed { count: batch.requests().len(), skipped: Vec::new(), end: Ok(()) }
    }
}

/// A command that was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skipped {
    /// A request of the batch.
    Request(usize),
    /// Of the transaction that this request of the batch, its EXEC, has executed: the command at this place of its queue.
    Queued(usize, usize),
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
        matches!(self, StreamError::Protocol(_)) || self.is_torn()
    }

    /// Whether the data is at no position of the stream any more.
    pub fn is_torn(&self) -> bool {
        matches!(self, StreamError::Refused { refused: Refused { torn: true, .. }, .. })
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
    point: StreamPoint,
    parser: Parser,
    batch: Batch,
    boundaries: Vec<Boundary>,
    /// Bytes of a transaction that has not ended.
    open: Vec<u8>,
    /// Where in `open` commands begin that were left out when they came.
    open_skipped: Vec<usize>,
}

impl Intake {
    /// A stream that goes on at a position.
    pub fn new(point: StreamPoint) -> Intake {
        Intake {
            point,
            parser: Parser::default(),
            batch: Batch::default(),
            boundaries: Vec::new(),
            open: Vec::new(),
            open_skipped: Vec::new(),
        }
    }

    /// Where we are.
    pub fn point(&self) -> &StreamPoint {
        &self.point
    }

    /// Bytes that the unfinished request is known to need beyond the `have` bytes of the buffer.
    pub fn wanted(&self, have: usize) -> usize {
        self.parser.wanted(have)
    }

    /// Bytes of a transaction that has not ended.
    #[cfg(test)]
    fn open_bytes(&self) -> usize {
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
        let start = self.point.received;
        self.point.receive(used);
        let bad_select = self.find_boundaries(bytes);
        let executed = match self.batch.requests() {
            [] => Executed::all(&self.batch),
            _ => target.execute(start, bytes, &self.batch),
        };
        self.pass_on(bytes, &executed, target, acks);
        let offset = self.point.applied;
        executed.end.map_err(|refused| StreamError::Refused { offset, refused })?;
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
            let was_inside = self.point.is_inside();
            match self.point.command(name, argument) {
                Ok(Place::Inside) => {}
                Ok(Place::Ends) => {
                    let control = !was_inside && is_control(name);
                    self.boundaries.push(Boundary {
                        request: index,
                        end: request.end as usize,
                        control,
                        asks: control && name.eq_ignore_ascii_case(b"REPLCONF"),
                        db: self.point.db(),
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
        executed: &Executed,
        target: &mut impl Target,
        acks: &mut Vec<Offset>,
    ) {
        if !executed.skipped.is_empty() {
            return self.pass_on_but(bytes, executed, target, acks);
        }
        let boundaries = std::mem::take(&mut self.boundaries);
        let (mut from, mut upto) = (0usize, 0usize);
        let mut db = None;
        for boundary in boundaries.iter().take_while(|boundary| boundary.request < executed.count) {
            db = Some(boundary.db);
            if !boundary.control {
                upto = boundary.end;
                if !self.open.is_empty() {
                    self.open.extend_from_slice(&bytes[from..upto]);
                    let unit = std::mem::take(&mut self.open);
                    let skipped = std::mem::take(&mut self.open_skipped);
                    self.journal_but(target, &unit, &skipped);
                    from = upto;
                }
                continue;
            }
            self.journal(target, Kind::Effect, &bytes[from..upto]);
            if boundary.asks {
                acks.push(self.point.applied);
            }
            self.journal(target, Kind::Control, &bytes[upto..boundary.end]);
            (from, upto) = (boundary.end, boundary.end);
        }
        self.journal(target, Kind::Effect, &bytes[from..upto]);
        self.open.extend_from_slice(&bytes[upto..]);
        self.boundaries = boundaries;
        target.end_batch(db);
    }

    /// The same for a batch of which commands were left out: unit by unit.
    #[cold]
    fn pass_on_but(
        &mut self,
        bytes: &[u8],
        executed: &Executed,
        target: &mut impl Target,
        acks: &mut Vec<Offset>,
    ) {
        let boundaries = std::mem::take(&mut self.boundaries);
        let starts: Vec<usize> =
            self.batch.requests().iter().map(|request| request.start as usize).collect();
        let is_skipped = |index: usize| executed.skipped.contains(&Skipped::Request(index));
        let (mut from, mut next) = (0usize, 0usize);
        let mut db = None;
        for boundary in boundaries.iter().take_while(|boundary| boundary.request < executed.count) {
            db = Some(boundary.db);
            if boundary.asks {
                acks.push(self.point.applied);
            }
            let before = self.open.len();
            self.open.extend_from_slice(&bytes[from..boundary.end]);
            let mine = (next..=boundary.request).filter(|index| is_skipped(*index));
            self.open_skipped.extend(mine.map(|index| before + starts[index] - from));
            let queued = executed.skipped.iter().filter_map(|skipped| match skipped {
                Skipped::Queued(exec, place) if *exec == boundary.request => Some(*place),
                _ => None,
            });
            let places: Vec<usize> = queued.collect();
            let unit = std::mem::take(&mut self.open);
            let mut skipped = std::mem::take(&mut self.open_skipped);
            skipped.extend(queued_at(&unit, &skipped, &places));
            match boundary.control {
                true => self.journal(target, Kind::Control, &unit),
                false => self.journal_but(target, &unit, &skipped),
            }
            (from, next) = (boundary.end, boundary.request + 1);
        }
        let before = self.open.len();
        self.open.extend_from_slice(&bytes[from..]);
        let rest = (next..starts.len()).filter(|index| is_skipped(*index));
        self.open_skipped.extend(rest.map(|index| before + starts[index] - from));
        self.boundaries = boundaries;
        target.end_batch(db);
    }

    /// Journals a unit: to replicas as it came, to the disk without the commands that begin at `skipped`.
    fn journal_but(&mut self, target: &mut impl Target, unit: &[u8], skipped: &[usize]) {
        if skipped.is_empty() {
            return self.journal(target, Kind::Effect, unit);
        }
        self.journal(target, Kind::Control, unit);
        let kept: Vec<&[u8]> = commands(unit)
            .filter(|command| !skipped.contains(&command.start))
            .map(|command| &unit[command])
            .collect();
        if !kept.is_empty() {
            target.journal(Kind::Local, &kept.concat());
        }
    }

    fn journal(&mut self, target: &mut impl Target, kind: Kind, bytes: &[u8]) {
        if !bytes.is_empty() {
            target.journal(kind, bytes);
            if planted::is(Fault::PingTwice) && kind == Kind::Control {
                target.journal(kind, bytes);
            }
            self.point.apply(bytes.len());
        }
    }
}

/// Where the commands of a unit lie in it.
fn commands(unit: &[u8]) -> impl Iterator<Item = std::ops::Range<usize>> {
    let (mut parser, mut batch) = (Parser::default(), Batch::default());
    let bounds = Bounds { bulk_max: i64::from(u32::MAX) - 1, authenticated: true };
    let (used, parsed) = parser.parse(&mut unit.to_vec(), bounds, usize::MAX, &mut batch);
    assert!(parsed.is_ok() && used == unit.len(), "it was read before");
    let ranges =
        batch.requests().iter().map(|request| request.start as usize..request.end as usize);
    ranges.collect::<Vec<_>>().into_iter()
}

/// Where the commands at some places of a transaction's queue begin in it. What was left out when it came is not in the queue;
/// nor are MULTI and EXEC.
fn queued_at(unit: &[u8], skipped: &[usize], places: &[usize]) -> Vec<usize> {
    if places.is_empty() {
        return Vec::new();
    }
    let queued = commands(unit).skip(1).map(|command| command.start);
    let queued: Vec<usize> = queued.filter(|start| !skipped.contains(start)).collect();
    places.iter().filter_map(|place| queued.get(*place).copied()).collect()
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
