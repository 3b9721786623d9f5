//! The one log: append-only bytes with absolute offsets, read by cursors.
//!
//! Every change is encoded once; disk, replicas and waiting replies read the same bytes, each at its own pace. What replicas
//! get is counted by an [`Offset`], the one of PSYNC; what the disk gets by a [`Position`]. A [`Receipt`] is both, behind a
//! unit: what its reply waits for ([`release`]).
//!
//! ```text
//!            first_offset                                              end
//! blocks:    | effect | effect | local | control | effect | … | tail (open)
//!                 ▲                  ▲                         ▲
//!            backlog floor      replica's cursor          disk's cursor
//! ```
//!
//! - *Effect* entries go to disk and to replicas. *Control* entries (PING, GETACK, PUBLISH) go to replicas only and count.
//!   *Local* entries (writes on a writable replica, a SELECT for a new file) go to disk only and do not count.
//! - A block is immutable once sealed ([`Journal::seal`]) and shared by reference count. It is dropped when it lies below the
//!   backlog floor and below every cursor.
//! - A SELECT is put in front of an entry whose database is not the one that the stream stands in, and after
//!   [`Journal::announce`]: wherever a new reader may start.
//! - After [`Journal::restart_at`] another history begins. What the disk has not read yet of the one before stays for the
//!   disk alone: its offsets mean nothing any more.
//!
//! # Invariants
//! - offsets of counted blocks of one history are contiguous: each starts where the one before ended
//! - a replica's cursor only ever sees blocks of the present history, and gets each of its bytes once
//! - positions never go back; a disk's cursor that has read all has read what the position says
//! - one writer at a time: the engine of a primary, or the link of a replica (the primary's bytes verbatim)
//!
//! # Not here
//! - files: `backup`; sockets and the conversation: `replica`

#![forbid(unsafe_code)]

pub mod history;
pub mod planted;
pub mod position;
pub mod release;

use bytes::{Bytes, BytesMut};
pub use history::{History, ReplicationId};
use planted::Fault;
pub use position::{Offset, Position};
use protocol::resp::encode;
pub use release::Receipt;
use std::collections::VecDeque;

/// How an entry travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// To disk and to replicas.
    Effect,
    /// To replicas only; counts.
    Control,
    /// To disk only; does not count.
    Local,
}

/// Which entries a reader gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Effect and Local.
    Disk,
    /// Effect and Control.
    Replica,
}

impl Class {
    #[inline]
    fn reads(self, kind: Kind) -> bool {
        match kind {
            Kind::Effect => true,
            Kind::Control => self == Class::Replica,
            Kind::Local => self == Class::Disk,
        }
    }
}

/// A sealed part of the journal.
#[derive(Clone, Debug)]
struct Block {
    kind: Kind,
    /// Offset before its first byte. A local block has the offset of its neighbours and no extent.
    start: Offset,
    bytes: Bytes,
}

impl Block {
    fn end(&self) -> Offset {
        self.start.after(counted(Class::Replica, self.kind, self.bytes.len()))
    }
}

/// How many of so many bytes count for readers of a class.
#[inline]
fn counted(class: Class, kind: Kind, len: usize) -> u64 {
    if class.reads(kind) { len as u64 } else { 0 }
}

/// Memory that blocks share, in the order of the blocks: it is given back when the last of them is.
#[derive(Debug)]
struct Allocation {
    /// Sequence number of the first block that lies in it.
    first_block: u64,
    bytes: usize,
}

/// Names a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CursorId(usize);

/// Where a reader is.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    class: Class,
    /// Sequence number of the next block.
    block: u64,
    /// Bytes of it that were read.
    inside: usize,
    /// How far that is: for a replica the offset tells what it has got, for the disk the position.
    reached: Receipt,
}

/// What a reader gets: shared bytes and the numbers around them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The bytes.
    pub bytes: Bytes,
    /// The offset before them.
    pub start: Offset,
    /// The offset after them; equal to `start` for local entries.
    pub end: Offset,
    /// For the disk: the position after them.
    pub position: Position,
}

impl Piece {
    /// Whether its bytes are for the disk only, and do not count. Of other pieces all bytes do.
    pub fn is_local(&self) -> bool {
        self.start == self.end
    }
}

/// Bytes of the open block's allocation.
const TAIL_BYTES: usize = 128 * 1024;
/// What a unit begins with that is a transaction.
const MULTI: &[u8] = b"*1\r\n$5\r\nMULTI\r\n";

/// The one log.
pub struct Journal {
    /// The names of this history and the previous one.
    pub history: History,
    blocks: VecDeque<Block>,
    /// Sequence number of the first block in `blocks`.
    first_block: u64,
    /// Sequence number of the first block of the present history: those before it are the disk's alone.
    present: u64,
    /// Bytes of all of `blocks`.
    sealed_bytes: usize,
    /// What `blocks` and `tail` lie in; the last one is the tail's.
    allocations: VecDeque<Allocation>,
    /// Bytes of all of `allocations`.
    allocated_bytes: usize,
    tail: BytesMut,
    tail_kind: Kind,
    /// Offset before the tail.
    tail_start: Offset,
    /// Position before the tail.
    tail_position: Position,
    cursors: Vec<Option<Cursor>>,
    /// Who reads may have changed since this was last looked at.
    readers_changed: bool,
    /// The database that the stream stands in at its end.
    selected: usize,
    /// A reader may start here: the next entry begins with a SELECT.
    announces: bool,
    /// Bytes to keep for replicas that come back; `None` while there is no backlog.
    backlog_bytes: Option<u64>,
    /// Offset before the first byte that a replica can still be given.
    backlog_start: Offset,
}

impl Journal {
    /// An empty journal of a new history.
    pub fn new(id: ReplicationId) -> Journal {
        Journal {
            history: History::new(id),
            blocks: VecDeque::new(),
            first_block: 0,
            present: 0,
            sealed_bytes: 0,
            allocations: VecDeque::new(),
            allocated_bytes: 0,
            tail: BytesMut::new(),
            tail_kind: Kind::Effect,
            tail_start: Offset::START,
            tail_position: Position::START,
            cursors: Vec::new(),
            readers_changed: false,
            selected: 0,
            announces: false,
            backlog_bytes: None,
            backlog_start: Offset::START,
        }
    }

    /// The offset after the last byte.
    #[inline]
    pub fn end(&self) -> Offset {
        self.tail_start.after(counted(Class::Replica, self.tail_kind, self.tail.len()))
    }

    /// What a reply depends on that depends on all that was journaled so far.
    #[inline]
    pub fn receipt(&self) -> Receipt {
        Receipt { offset: self.end(), position: self.position() }
    }

    /// The position after the last byte for the disk.
    #[inline]
    fn position(&self) -> Position {
        self.tail_position.after(counted(Class::Disk, self.tail_kind, self.tail.len()))
    }

    /// The receipt that [`Receipt::to_note`] was of.
    #[inline]
    pub fn recall(&self, note: [u64; 2]) -> Receipt {
        let receipt = Receipt::from_note(note);
        debug_assert!(receipt.position <= self.position(), "{receipt:?} was not given here");
        receipt
    }

    /// Whether anyone reads: else nothing needs to be encoded.
    pub fn has_readers(&self) -> bool {
        self.backlog_bytes.is_some() || self.cursors.iter().any(Option::is_some)
    }

    /// Whether the answer of [`Journal::has_readers`] may be another than when [`Journal::take_readers_changed`] was called.
    #[inline]
    pub fn readers_changed(&self) -> bool {
        self.readers_changed
    }

    /// The same; what has changed so far is known now.
    pub fn take_readers_changed(&mut self) -> bool {
        std::mem::take(&mut self.readers_changed)
    }

    /// The database that the stream stands in at its end: where one goes on who has everything up to there.
    pub fn selected(&self) -> usize {
        self.selected
    }

    /// Says which database the stream stands in: a link has moved it, or it is known from a file.
    pub fn set_selected(&mut self, db: usize) {
        self.selected = db;
    }

    /// Makes the next entry begin with a SELECT: a new reader starts here. Where the stream is a primary's, verbatim, only
    /// the disk hears of it: a replica has learned where the stream stands from its snapshot.
    pub fn announce(&mut self) {
        self.announces = !planted::is(Fault::SelectMissing);
    }

    /// Appends one unit of commands. The first belongs to database `dbs.0`; after the last one `dbs.1` is selected.
    ///
    /// What is local stands between two entries of a stream that does not know of it, and that goes on verbatim:
    /// behind it the stream's own database is selected again. A SELECT that a transaction needs is inside it: so it
    /// comes or is lost with the rest.
    #[inline]
    pub fn append(&mut self, kind: Kind, dbs: (usize, usize), unit: &[u8]) {
        let (stream, announces) = (self.selected, self.announces);
        let selects = announces || stream != dbs.0;
        assert!(
            kind != Kind::Control || dbs.0 == dbs.1,
            "the disk would not hear of the other one"
        );
        // All who read the stream have to know which database it is in, also those who skip this entry.
        self.open(if kind == Kind::Control { Kind::Effect } else { kind });
        if selects
            && kind != Kind::Control
            && let Some(rest) = unit.strip_prefix(MULTI)
        {
            // In one piece: no block ends inside a unit.
            let mut whole = Vec::with_capacity(unit.len() + 32);
            whole.extend_from_slice(MULTI);
            encode_select(&mut whole, dbs.0);
            whole.extend_from_slice(rest);
            self.put(&whole);
        } else {
            if selects {
                self.select(dbs.0);
            }
            self.open(kind);
            self.put(unit);
        }
        if kind != Kind::Local {
            (self.selected, self.announces) = (dbs.1, false);
        } else if dbs.1 != stream {
            self.select(stream);
        }
    }

    #[cold]
    fn select(&mut self, db: usize) {
        let mut select = Vec::with_capacity(24);
        encode_select(&mut select, db);
        self.put(&select);
    }

    /// Appends bytes that belong to no database, or that come from our primary: verbatim. They begin in the database that
    /// the stream stands in; where they leave it is told by [`Journal::set_selected`].
    pub fn append_raw(&mut self, kind: Kind, bytes: &[u8]) {
        if kind == Kind::Effect && std::mem::take(&mut self.announces) {
            self.open(Kind::Local);
            self.select(self.selected);
        }
        self.open(kind);
        self.put(bytes);
    }

    #[inline]
    fn open(&mut self, kind: Kind) {
        if self.tail_kind != kind {
            self.seal();
            self.tail_kind = kind;
        }
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        if self.tail.capacity() - self.tail.len() < bytes.len() {
            self.seal();
            self.allocate_tail(TAIL_BYTES.max(bytes.len()));
        }
        self.tail.extend_from_slice(bytes);
    }

    #[cold]
    fn allocate_tail(&mut self, bytes: usize) {
        self.tail = BytesMut::with_capacity(bytes);
        let first_block = self.next_block();
        self.allocations.push_back(Allocation { first_block, bytes });
        self.allocated_bytes += bytes;
        self.forget_allocations();
    }

    /// No longer counts what only blocks lay in that have been dropped.
    fn forget_allocations(&mut self) {
        while self.allocations.get(1).is_some_and(|next| next.first_block <= self.first_block) {
            let gone = self.allocations.pop_front().expect("there is one before it");
            self.allocated_bytes -= gone.bytes;
        }
    }

    /// Whether there is something that readers have not been able to get yet.
    #[inline]
    pub fn has_open_bytes(&self) -> bool {
        !self.tail.is_empty()
    }

    /// Ends the open block, so that readers get it.
    pub fn seal(&mut self) {
        if self.tail.is_empty() {
            return;
        }
        let bytes = self.tail.split().freeze();
        let block = Block { kind: self.tail_kind, start: self.tail_start, bytes };
        if let Some(last) = self.blocks.back().filter(|_| self.next_block() > self.present) {
            assert_eq!(last.end(), block.start, "offsets of one history are contiguous");
        }
        self.tail_start = block.end();
        let for_disk = counted(Class::Disk, block.kind, block.bytes.len());
        self.tail_position = self.tail_position.after(for_disk);
        self.sealed_bytes += block.bytes.len();
        self.blocks.push_back(block);
        self.trim();
    }

    // --- readers ---

    /// A reader that starts at the end.
    pub fn subscribe(&mut self, class: Class) -> CursorId {
        self.seal();
        let block = self.next_block();
        self.add_cursor(Cursor { class, block, inside: 0, reached: self.receipt() })
    }

    /// Sequence number that the next block will have.
    #[inline]
    fn next_block(&self) -> u64 {
        self.first_block + self.blocks.len() as u64
    }

    /// Index of the block of the present history that has the byte after `offset`; behind the last one if none has.
    fn find_block(&self, offset: Offset) -> usize {
        let mut from = self.present.saturating_sub(self.first_block) as usize;
        let mut upto = self.blocks.len();
        while from < upto {
            let middle = from + (upto - from) / 2;
            match self.blocks[middle].end() <= offset {
                true => from = middle + 1,
                false => upto = middle,
            }
        }
        from
    }

    /// A replica that asks for everything after `offset`. `None` if that is not there (any more, or yet).
    pub fn subscribe_at(&mut self, offset: Offset) -> Option<CursorId> {
        self.seal();
        if !self.can_serve(offset) {
            return None;
        }
        let at = self.find_block(offset);
        let inside = match self.blocks.get(at) {
            Some(block) => {
                assert!(block.start <= offset, "what can be served is there");
                (offset - block.start) as usize
            }
            None => 0,
        };
        let block = self.first_block + at as u64;
        let reached = Receipt { offset, ..self.receipt() };
        Some(self.add_cursor(Cursor { class: Class::Replica, block, inside, reached }))
    }

    fn add_cursor(&mut self, cursor: Cursor) -> CursorId {
        self.readers_changed = true;
        match self.cursors.iter().position(Option::is_none) {
            Some(free) => {
                self.cursors[free] = Some(cursor);
                CursorId(free)
            }
            None => {
                self.cursors.push(Some(cursor));
                CursorId(self.cursors.len() - 1)
            }
        }
    }

    /// Ends a reader.
    pub fn unsubscribe(&mut self, id: CursorId) {
        let gone = self.cursors[id.0].take();
        assert!(gone.is_some(), "a reader ends once");
        self.readers_changed = true;
        self.trim();
    }

    /// Gives a reader its next pieces, about `most` bytes of them, and moves it on. Only sealed blocks are read.
    pub fn read(&mut self, id: CursorId, most: usize, pieces: &mut Vec<Piece>) -> usize {
        let mut cursor = self.cursors[id.0].expect("who reads has not ended");
        assert!(cursor.block >= self.first_block, "what a reader lacks is kept");
        assert!(
            cursor.class == Class::Disk || cursor.block >= self.present,
            "a replica reads the present history"
        );
        let mut total = 0;
        while total < most {
            let index = (cursor.block - self.first_block) as usize;
            let Some(block) = self.blocks.get(index) else { break };
            if cursor.class.reads(block.kind) && cursor.inside < block.bytes.len() {
                let bytes = block.bytes.slice(cursor.inside..);
                let start = block.start.after(counted(Class::Replica, block.kind, cursor.inside));
                let reached = &mut cursor.reached;
                match cursor.class {
                    Class::Replica => assert_eq!(start, reached.offset, "each byte comes once"),
                    Class::Disk => reached.position = reached.position.after(bytes.len() as u64),
                }
                reached.offset = block.end();
                let position = reached.position;
                total += bytes.len();
                pieces.push(Piece { bytes, start, end: block.end(), position });
            }
            cursor.block += 1;
            cursor.inside = 0;
        }
        if cursor.block == self.next_block() {
            self.check_read_all(&cursor);
        }
        self.cursors[id.0] = Some(cursor);
        self.trim();
        total
    }

    /// Who has read all sealed blocks of its class has come as far as they count for it.
    fn check_read_all(&self, cursor: &Cursor) {
        match cursor.class {
            Class::Disk => assert_eq!(cursor.reached.position, self.tail_position, "all was read"),
            Class::Replica => assert_eq!(cursor.reached.offset, self.tail_start, "all was read"),
        }
    }

    /// Bytes that a replica has not been given yet, the open block included.
    pub fn behind(&self, id: CursorId) -> u64 {
        let cursor = self.cursors[id.0].expect("who reads has not ended");
        assert_eq!(cursor.class, Class::Replica, "the disk reads what does not count, too");
        self.end() - cursor.reached.offset
    }

    /// Shows the bytes of the present history from `offset` on, as far as they are there, the open block's too. Who looks
    /// on is no reader: nothing is kept for it.
    pub fn look_on(&self, offset: Offset, mut see: impl FnMut(Offset, &[u8])) {
        let sealed = self.blocks.iter().skip(self.find_block(offset));
        let sealed = sealed.map(|block| (block.kind, block.start, &block.bytes[..]));
        let open = (self.tail_kind, self.tail_start, &self.tail[..]);
        for (kind, start, bytes) in sealed.chain([open]) {
            let before = offset.since(start) as usize;
            if Class::Replica.reads(kind) && before < bytes.len() {
                see(start.after(before as u64), &bytes[before..]);
            }
        }
    }

    // --- backlog ---

    /// Whether there is a backlog.
    pub fn has_backlog(&self) -> bool {
        self.backlog_bytes.is_some()
    }

    /// Begins to keep the last `bytes` for replicas that come back, from here on.
    pub fn start_backlog(&mut self, bytes: u64) {
        self.seal();
        self.backlog_bytes = Some(bytes);
        self.readers_changed = true;
        self.backlog_start = self.end();
        self.trim();
    }

    /// Changes how much is kept, if there is a backlog.
    pub fn resize_backlog(&mut self, bytes: u64) {
        if self.backlog_bytes.is_some() {
            self.backlog_bytes = Some(bytes);
            self.trim();
        }
    }

    /// Gives the backlog up.
    pub fn drop_backlog(&mut self) {
        self.backlog_bytes = None;
        self.readers_changed = true;
        self.trim();
    }

    /// Offset before the first byte of the backlog, and how many bytes it holds.
    pub fn backlog_extent(&self) -> (Offset, u64) {
        (self.backlog_start, self.end() - self.backlog_start)
    }

    /// Whether a replica that has everything up to `offset` can go on from here.
    pub fn can_serve(&self, offset: Offset) -> bool {
        assert!(self.backlog_start <= self.end(), "the backlog ends where the journal does");
        self.backlog_bytes.is_some() && offset >= self.backlog_start && offset <= self.end()
    }

    /// Continues at another offset with nothing before it, in database 0: after a full sync, or a start from disk.
    pub fn restart_at(&mut self, offset: Offset) {
        assert!(
            self.cursors.iter().flatten().all(|c| c.class == Class::Disk),
            "no replicas are fed"
        );
        self.seal();
        // The disk reader still gets what is in `blocks`; nobody else does.
        if !planted::is(Fault::OldBlocksFound) {
            self.present = self.next_block();
        }
        self.tail_start = offset;
        self.backlog_start = offset;
        (self.selected, self.announces) = (0, false);
        self.trim();
    }

    /// Drops blocks that nobody will ask for.
    fn trim(&mut self) {
        let is_kept_for = |cursor: &&Cursor| {
            cursor.class == Class::Disk || !planted::is(Fault::TrimmedBelowCursor)
        };
        let slowest = self.cursors.iter().flatten().filter(is_kept_for);
        let slowest = slowest.map(|cursor| cursor.block).min();
        let keep_from =
            self.backlog_bytes.map(|bytes| self.end().back(bytes).max(self.backlog_start));
        while let Some(block) = self.blocks.front() {
            let read = slowest.is_none_or(|slowest| self.first_block < slowest);
            let is_present = self.first_block >= self.present;
            if !read || is_present && keep_from.is_some_and(|keep_from| block.end() > keep_from) {
                break;
            }
            if is_present {
                self.backlog_start = self.backlog_start.max(block.end());
            }
            self.sealed_bytes -= block.bytes.len();
            self.blocks.pop_front();
            self.first_block += 1;
        }
        self.forget_allocations();
        if self.backlog_bytes.is_none() {
            self.backlog_start = self.end();
        }
        // After a reader that was far behind.
        if self.blocks.capacity() > 1024 && self.blocks.len() < self.blocks.capacity() / 8 {
            self.blocks.shrink_to(self.blocks.len() * 2);
        }
    }

    /// Walks over everything and looks whether it fits together: for tests.
    #[cfg(test)]
    fn check(&self) {
        let mut end = None;
        for (index, block) in self.blocks.iter().enumerate() {
            assert!(!block.bytes.is_empty(), "a block holds something");
            if self.first_block + index as u64 >= self.present {
                assert!(end.is_none_or(|end| end == block.start), "offsets are contiguous");
                end = Some(block.end());
            }
        }
        assert!(end.is_none_or(|end| end == self.tail_start), "the tail goes on");
        let sealed: usize = self.blocks.iter().map(|block| block.bytes.len()).sum();
        assert_eq!(sealed, self.sealed_bytes);
        let allocated: usize = self.allocations.iter().map(|allocation| allocation.bytes).sum();
        assert_eq!(allocated, self.allocated_bytes);
        assert!(self.backlog_start <= self.end() && self.present <= self.next_block());
        for cursor in self.cursors.iter().flatten() {
            assert!((self.first_block..=self.next_block()).contains(&cursor.block));
            // Behind it are as many bytes for its class as the numbers say.
            let unread = self.blocks.iter().skip((cursor.block - self.first_block) as usize);
            let bytes = |block: &Block| counted(cursor.class, block.kind, block.bytes.len());
            let unread: u64 = unread.map(bytes).sum();
            let unread = unread - cursor.inside as u64;
            match cursor.class {
                Class::Disk => {
                    assert_eq!(cursor.reached.position.after(unread), self.tail_position);
                }
                Class::Replica => assert_eq!(cursor.reached.offset.after(unread), self.tail_start),
            }
        }
    }

    /// Bytes of the journal that are kept.
    pub fn held_bytes(&self) -> usize {
        self.sealed_bytes + self.tail.len()
    }

    /// Bytes of memory that the journal takes: what is kept, what lies beside it in the same allocations, and what it takes
    /// to keep account of it. With a write in every turn the account takes as much as the bytes.
    pub fn memory_bytes(&self) -> usize {
        self.allocated_bytes
            + self.blocks.capacity() * size_of::<Block>()
            + self.allocations.capacity() * size_of::<Allocation>()
    }
}

fn encode_select(out: &mut Vec<u8>, db: usize) {
    let text = db.to_string();
    encode::command(out, [&b"SELECT"[..], text.as_bytes()].into_iter());
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
