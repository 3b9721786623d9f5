//! The appending end of one file: blocks of commands behind their marks.
//!
//! ```text
//! [#TS:…] | [#tm-follows …] | [#tm-history …] | #tm <start> <end> <len> <crc> <place> <seal> | command … | #tm … | command …    one vectored write
//! ```
//!
//! A time (`aof-timestamp-enabled`) stands in front of a mark, never inside a block: who cuts a file there, as
//! `redis-check-aof --truncate-to-timestamp` does, leaves whole blocks.
//!
//! A mark is never written without its block: peers do not notice a torn annotation at the end of a file, and let it
//! swallow the next command. For the same reason a history is kept back until there is a block to follow it.
//!
//! A file that is begun behind another says so with its first block: which one, how long it was, and at which offset. So a start
//! notices when the end of that one is missing, or the whole of it ([`super::tie`]).
//!
//! # Invariants
//! - after an error the file has the length that it had before: what was written of the batch is cut off again. If even
//!   that fails, it is tried again before anything else is written.
//! - every file begins with the history, if one is known
//!
//! # Source
//! - `aof.c` of Redis 7.2: records, and when they are fsynced; marks: [`protocol::aof`]

use crate::files::File;
use bytes::Bytes;
use journal::Offset;
use journal::planted::{self, Fault};
use protocol::aof::{BlockMark, FollowsMark, HistoryMark, encode_timestamp};
use std::io::{self, IoSlice, Write};

/// The most slices of one call. Source: `IOV_MAX` of Linux.
const SLICES_MAX: usize = 1024;

/// What an append-only file must be able to do.
pub trait Disk: Send {
    /// Appends some of the bytes and returns how many.
    fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize>;
    /// Makes what was written last.
    fn sync(&mut self) -> io::Result<()>;
    /// Cuts off what is beyond `len`.
    fn cut(&mut self, len: u64) -> io::Result<()>;
    /// The present size.
    fn size(&self) -> io::Result<u64>;
}

/// Opened for appending.
impl Disk for File {
    fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.write_vectored(slices)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn cut(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len)
    }
}

/// Commands that bring the replication offset from `start` to `end`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The commands, in any pieces.
    pub bytes: Vec<Bytes>,
    /// The offset before.
    pub start: Offset,
    /// The offset after.
    pub end: Offset,
    /// The unix second in which they were executed, where it is to be said.
    pub timestamp_s: Option<i64>,
}

/// One file that is appended to.
#[derive(Debug)]
pub struct Appender<D = File> {
    disk: D,
    /// Everything below is whole.
    size: u64,
    /// Everything below is on disk.
    synced_size: u64,
    /// Everything below may have been answered, whether it is on disk or not.
    told_size: u64,
    /// Whether the file may be longer than `size`.
    dirty: bool,
    history: Option<HistoryMark>,
    history_due: bool,
    /// What this file follows, while it is empty.
    follows: Option<FollowsMark>,
    /// The replication offset at the end of what was appended, if it is known.
    offset: Option<Offset>,
    marks: Vec<u8>,
}

impl<D: Disk> Appender<D> {
    /// Goes on at the end of a file, which is whole and on disk.
    pub fn new(disk: D) -> io::Result<Self> {
        let size = disk.size()?;
        Ok(Self {
            disk,
            size,
            synced_size: size,
            told_size: 0,
            dirty: false,
            history: None,
            history_due: false,
            follows: None,
            offset: None,
            marks: Vec::new(),
        })
    }

    /// The replication offset from which on is appended, and what the file follows, if nothing is in it yet.
    #[must_use]
    pub fn begin_at(self, offset: Offset, follows: Option<FollowsMark>) -> Self {
        let follows = follows.map(|follows| FollowsMark { offset: Some(offset.get()), ..follows });
        Self { offset: Some(offset), follows, ..self }
    }

    /// The size of the file, whole blocks only.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Says whose offsets follow: written with the next block.
    pub fn set_history(&mut self, history: HistoryMark) {
        self.history_due |= self.history != Some(history);
        self.history = Some(history);
    }

    /// Appends blocks, each behind its mark; all or nothing. Blocks without bytes are left out.
    pub fn append<'a>(
        &mut self,
        blocks: impl Iterator<Item = &'a Block> + Clone,
    ) -> io::Result<()> {
        self.tidy()?;
        let blocks = blocks.filter(|block| block.bytes.iter().any(|piece| !piece.is_empty()));
        let mut marks = std::mem::take(&mut self.marks);
        marks.clear();
        let mut history = self.history.filter(|_| self.history_due);
        let mut follows = self.follows.filter(|_| self.size == 0);
        let mut offset = self.offset;
        let mut ends = Vec::new();
        // Bytes of the blocks before, which lie between the marks.
        let mut between = 0;
        for block in blocks.clone() {
            if let Some(seconds) = block.timestamp_s {
                encode_timestamp(seconds, &mut marks);
            }
            if let Some(follows) = follows.take() {
                follows.encode(&mut marks);
            }
            if let Some(history) = history.take() {
                history.encode(&mut marks);
            }
            assert!(block.start <= block.end, "a block lies in one history");
            offset = Some(block.end);
            let pieces = block.bytes.iter().map(|piece| &piece[..]);
            let mark = BlockMark::of_pieces(block.start.get(), block.end.get(), pieces);
            mark.at(self.size + marks.len() as u64 + between).encode(&mut marks);
            ends.push(marks.len());
            between += mark.len;
        }
        if ends.is_empty() {
            self.marks = marks;
            return Ok(());
        }
        let mut slices = Vec::new();
        let mut start = 0;
        for (block, end) in blocks.zip(&ends) {
            slices.push(IoSlice::new(&marks[start..*end]));
            slices.extend(block.bytes.iter().map(|piece| IoSlice::new(piece)));
            start = *end;
        }
        let result = self.write_all(&mut slices);
        drop(slices);
        self.marks = marks;
        if let Ok(written) = result {
            self.size += written;
            self.history_due = false;
            self.offset = offset;
        } else {
            // The error to be told is the first one; an unsuccessful cut is tried again.
            let _ = self.tidy();
        }
        result.map(|_| ())
    }

    fn write_all(&mut self, mut slices: &mut [IoSlice<'_>]) -> io::Result<u64> {
        let mut written = 0;
        IoSlice::advance_slices(&mut slices, 0);
        while !slices.is_empty() {
            self.dirty = true;
            match self.disk.write(&slices[..slices.len().min(SLICES_MAX)]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(some) => {
                    written += some as u64;
                    IoSlice::advance_slices(&mut slices, some);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.dirty = false;
        Ok(written)
    }

    /// Cuts off what an unsuccessful write left.
    fn tidy(&mut self) -> io::Result<()> {
        if self.dirty {
            self.disk.cut(self.size)?;
            self.dirty = false;
        }
        Ok(())
    }

    /// Makes everything appended last.
    pub fn sync(&mut self) -> io::Result<()> {
        self.tidy()?;
        if !planted::is(Fault::FsyncLeftOut) {
            self.disk.sync()?;
        }
        self.synced_size = self.size;
        Ok(())
    }

    /// Whoever wrote what was appended so far may have been told that it is written.
    pub fn note_told(&mut self) {
        self.told_size = self.size;
    }

    /// Cuts off what was appended since the last fsync, as far as nobody has been told of it: one has failed. The system may call that clean without having written it, and
    /// would tell a later fsync, or the next start, that all is well.
    pub fn cut_unsynced(&mut self) -> io::Result<()> {
        self.size = self.synced_size.max(self.told_size);
        self.dirty = true;
        self.tidy()
    }

    /// Goes on in another file, at its end. The old one should have been synced. It has the number `before`, if both are of one
    /// set.
    pub fn switch_to(&mut self, disk: D, before: Option<u64>) -> io::Result<()> {
        let size = disk.size()?;
        self.follows = match before {
            Some(sequence) if self.size > 0 => Some(FollowsMark {
                sequence,
                size: self.size,
                offset: self.offset.map(Offset::get),
            }),
            // Nothing was written to it: what it follows is what this one follows.
            Some(_) => self.follows,
            None => None,
        };
        (self.disk, self.size, self.dirty) = (disk, size, false);
        (self.synced_size, self.told_size) = (size, 0);
        self.history_due = self.history.is_some();
        Ok(())
    }
}
