//! One file of records: whole commands in batches, transactions only when complete, blocks verified first.
//!
//! ```text
//! #tm 100 180 80 crc   *3 SET …   *1 MULTI   *2 INCR …   *1 EXEC   #TS:…   *3 SE▒
//! └ block verified     └ command  └───────── one unit ─────────┘   └ skip  └ torn: unit not whole
//! ▲ ──────────────────▲ ─────────▲ ────────────────────────────▲ ────────▲ committed after each
//! ```
//!
//! A *unit* is a command outside of MULTI, or everything from MULTI to EXEC. The handler gets units only, without the
//! words MULTI and EXEC: a transaction that the file does not finish is never begun. `committed` is what is known at
//! the end of the last unit; reading begins there again when a unit needs more bytes than the window has.
//!
//! A block whose mark says more than the file has is torn. Its whole commands are taken all the same, but only where
//! the file may be cut; see [`super::repair`] for what becomes of its mark. Nothing says that they are what was written, and a power
//! cut may leave sectors of zeros between others: so those before such a sector are taken. One whose bytes are not what its mark says was
//! edited or has rotted: [`super::edited`] judges which. What was edited is taken only where that is allowed, and then as
//! if it had no mark.
//!
//! # Invariants
//! - no command of a complete block is handed over before the block's checksum was found right
//! - what a block with the right checksum has is no tear, whatever it says
//! - what is committed was handed over or is an annotation; what is cut never was
//!
//! # Source
//! - `aof.c` of Redis 7.2: records, and what is cut of a damaged file

use super::AofError;
use super::edited::{Verdict, judge, shift};
use super::tie::{Before, Fit, fit, goes_on};
use super::window::Window;
use crate::files::{File, FileError, Files, OnPath};
use protocol::aof::{Annotation, BlockMark, FollowsMark, HistoryMark, Record, Span, parse_record};
use protocol::number::parse_i64;
use protocol::resp::Batch;
use std::borrow::Cow;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// The most commands that are handed over at once.
const BATCH_COMMANDS: usize = 512;

/// What a disk writes as one, at least.
const SECTOR: u64 = 512;

/// Inside of what a file ends that may have been edited as well as torn.
pub(super) const BETWEEN: &str = "between two commands of a block";

/// What is known at some place of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The place.
    pub offset: u64,
    /// Whose offsets the marks count.
    pub history: Option<HistoryMark>,
    /// The replication offset here, if a mark says it.
    pub position: Option<u64>,
    /// The selected database.
    pub selected_db: u64,
    /// The block in which this is.
    pub(super) block: Option<OpenBlock>,
    /// How far what was edited has moved the marks from where they were written.
    pub(super) shift: i64,
    /// Behind which file this one was begun.
    pub(super) follows: Option<FollowsMark>,
    /// Whether its place behind the files before it was looked at: with its first mark or command.
    pub(super) tied: bool,
    /// Where what is before it ends, in the history that goes on here.
    pub(super) floor: Option<u64>,
    /// Where the end of the last block was written: a mark that follows was written there or behind it.
    pub(super) last_end: Option<u64>,
}

impl Progress {
    /// What is known at the beginning of the file that follows this one.
    pub(crate) fn next_file(self) -> Self {
        Self { history: self.history, position: self.position, ..Self::default() }
    }
}

/// A block that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OpenBlock {
    pub(super) mark: BlockMark,
    /// Where its line begins.
    pub(super) mark_offset: u64,
    /// Where its commands begin.
    pub(super) body_offset: u64,
    /// Whether the file ends before the block does.
    pub(super) torn: bool,
}

impl OpenBlock {
    fn end(&self) -> u64 {
        self.body_offset.saturating_add(self.mark.len)
    }
}

/// A command that the host cannot execute: which of the batch, and why. That a command does not fit the data is no reason
/// (it may have failed like that when it was written); that it is unknown is one, or that its arguments make no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandRefused {
    /// Index in the batch.
    pub index: usize,
    /// Why.
    pub reason: String,
    /// Whether bytes that a crash left may look like this: a known name with arguments that make no sense. A name that is
    /// not known comes from a server that knows more.
    pub may_be_torn: bool,
}

/// Takes what a file has.
pub(crate) trait Handler {
    /// Whole units, as commands.
    fn commands(&mut self, buffer: &[u8], batch: &Batch) -> Result<(), CommandRefused>;
    /// How far reading has come, in this file.
    fn progress(&mut self, offset: u64);
}

/// How a file ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanSummary {
    /// What is known after the last whole unit.
    pub committed: Progress,
    /// Commands handed over.
    pub commands: u64,
    /// Blocks whose checksum was right.
    pub blocks: u64,
    /// Inside of what the file ends; `None` if it ends well.
    pub torn: Option<&'static str>,
    /// Where it showed first that the file was edited.
    pub edited: Option<u64>,
}

/// What else than a whole file is taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tolerance {
    /// One whose end is torn.
    pub torn: bool,
    /// The commands of a block that is not whole are handed over too.
    pub torn_block: bool,
    /// One that was edited.
    pub edited: bool,
}

/// Whether a file begins like a snapshot.
pub(crate) fn is_snapshot(file: &mut File, path: &Path) -> Result<bool, FileError> {
    let mut start = Vec::new();
    file.take(6).read_to_end(&mut start).on("read", path)?;
    file.seek(SeekFrom::Start(0)).on("seek in", path)?;
    Ok(start.starts_with(b"REDIS") || start.starts_with(b"VALKEY"))
}

/// Reads a file from `from.offset` on, of which `read_ahead` has been read already, up to `end`. `before` are the files that it is to
/// fit behind, if it is one that follows others.
pub(crate) fn scan_file(
    files: &Files,
    (path, file): (&Path, File),
    read_ahead: Vec<u8>,
    (before, from): (Option<&Before>, Progress),
    end: u64,
    tolerance: Tolerance,
    handler: &mut dyn Handler,
) -> Result<ScanSummary, AofError> {
    let mut scan = Scan {
        files,
        path,
        before,
        window: Window::new(file, read_ahead, from.offset, end),
        batch: Batch::default(),
        committed: from,
        now: from,
        in_transaction: false,
        unit: Unit::default(),
        commands: 0,
        blocks: 0,
        tolerance,
        edited: None,
        end,
    };
    let torn = scan.run(handler)?;
    let Scan { committed, commands, blocks, edited, .. } = scan;
    Ok(ScanSummary { committed, commands, blocks, torn, edited })
}

struct Scan<'a> {
    files: &'a Files,
    path: &'a Path,
    before: Option<&'a Before>,
    window: Window,
    batch: Batch,
    committed: Progress,
    /// `committed` and the unit that is being read.
    now: Progress,
    in_transaction: bool,
    unit: Unit,
    commands: u64,
    blocks: u64,
    tolerance: Tolerance,
    /// Where it showed first that the file was edited.
    edited: Option<u64>,
    /// Where the file is taken to end.
    end: u64,
}

/// The last whole unit of the batch.
#[derive(Clone, Copy, Default)]
struct Unit {
    /// Where it begins in the file.
    offset: u64,
    /// Requests of the batch up to its end.
    requests: usize,
    /// Whether it belongs to a block with the right checksum.
    verified: bool,
}

/// What the next record asks for.
enum Step {
    Next,
    /// The unit needs a window of so many bytes from its record on.
    More(usize),
    /// Here begins a block that the file does not finish: inside of what it ends.
    TornBlock(&'static str),
}

impl Scan<'_> {
    /// Reads to the end. Says inside of what the file ends, if it does not end well.
    fn run(&mut self, handler: &mut dyn Handler) -> Result<Option<&'static str>, AofError> {
        let mut spans = Vec::new();
        loop {
            let at = self.at();
            let step = match self.record(at, &mut spans) {
                // What is wrong inside a block that the file does not finish belongs to its tear.
                Err(_) if self.block_is_torn() => {
                    self.deliver(handler)?;
                    return Ok(Some("inside a block"));
                }
                result => result?,
            };
            match step {
                Step::TornBlock(reason) => {
                    self.deliver(handler)?;
                    return Ok(Some(reason));
                }
                Step::Next if self.in_transaction => {}
                Step::Next => {
                    let requests = self.batch.requests().len();
                    if requests > self.unit.requests {
                        let offset = self.committed.offset;
                        let verified = self.committed.block.is_some_and(|block| !block.torn);
                        self.unit = Unit { offset, requests, verified };
                    }
                    self.committed = self.now;
                    if self.batch.requests().len() >= BATCH_COMMANDS {
                        self.deliver(handler)?;
                    }
                }
                Step::More(needed) => {
                    self.deliver(handler)?;
                    let from = (self.committed.offset - self.window.offset()) as usize;
                    let ahead = at - from;
                    let came = !self.window.has_all()
                        && self
                            .window
                            .advance(from, ahead.saturating_add(needed))
                            .on("read", self.path)?;
                    if !came {
                        return Ok(self.end());
                    }
                    (self.now, self.in_transaction) = (self.committed, false);
                }
            }
        }
    }

    fn at(&self) -> usize {
        (self.now.offset - self.window.offset()) as usize
    }

    fn block_is_torn(&self) -> bool {
        self.now.block.is_some_and(|block| block.torn)
    }

    /// Inside of what the file ends.
    fn end(&self) -> Option<&'static str> {
        if self.in_transaction {
            Some("inside a transaction")
        } else if self.block_is_torn() {
            Some("inside a block")
        } else if self.window.left_from(self.at()) > 0 {
            Some(match self.window.bytes().get(self.at()) {
                Some(b'#') => "inside an annotation",
                _ => "inside a command",
            })
        } else {
            self.now.block.is_some().then_some("inside a block")
        }
    }

    /// Hands over the units that are whole. Those of the batch are, unless a transaction is open: then its commands
    /// are in the batch too, and are taken out to be read again.
    fn deliver(&mut self, handler: &mut dyn Handler) -> Result<(), AofError> {
        let base = self.window.offset();
        self.batch.truncate_at((self.committed.offset - base) as usize);
        if self.batch.requests().is_empty() {
            return Ok(());
        }
        let result = handler.commands(self.window.bytes(), &self.batch);
        result.map_err(|refused| {
            let request = self.batch.requests().get(refused.index);
            let offset = base + request.map_or(0, |request| u64::from(request.start));
            let torn = refused.may_be_torn && self.tolerance.torn && self.is_tail(offset);
            let path = self.path.to_path_buf();
            AofError::Command { path, offset, reason: refused.reason, torn }
        })?;
        self.commands += self.batch.requests().len() as u64;
        self.batch.clear();
        self.unit = Unit::default();
        handler.progress(self.committed.offset);
        Ok(())
    }

    /// Whether the command at an offset is in the last unit of the file, or in a block that the file does not finish.
    fn is_tail(&self, offset: u64) -> bool {
        let unfinished = self.now.block.is_some_and(|b| b.torn && offset >= b.body_offset);
        let at = (self.committed.offset - self.window.offset()) as usize;
        let last = offset >= self.unit.offset && self.window.left_from(at) == 0;
        unfinished || (last && !self.unit.verified)
    }

    fn malformed(&self, at: usize, reason: impl Into<Cow<'static, str>>) -> AofError {
        let offset = self.window.offset() + at as u64;
        AofError::Malformed { path: PathBuf::from(self.path), offset, reason: reason.into() }
    }

    /// Reads one record at `at` in the window.
    #[inline]
    fn record(&mut self, at: usize, spans: &mut Vec<Span>) -> Result<Step, AofError> {
        match parse_record(&self.window.bytes()[at..], spans) {
            Record::Command { len } => self.command(at, len, spans),
            Record::Annotation { text, len } => match Annotation::parse(text) {
                Err(error) => Err(self.malformed(at, error.to_string())),
                Ok(Annotation::Block(mark)) => self.mark(at, len, mark),
                Ok(Annotation::Follows(_)) if self.now.tied || self.now.follows.is_some() => {
                    self.is_edited("this line stands at the beginning of a file only".into())?;
                    self.pass(len)
                }
                Ok(Annotation::Follows(follows)) => {
                    self.now.follows = Some(follows);
                    self.pass(len)
                }
                Ok(Annotation::History(history)) => {
                    self.history(history);
                    self.pass(len)
                }
                Ok(Annotation::Timestamp(_) | Annotation::Other) => self.pass(len),
            },
            Record::Incomplete { needed } => Ok(Step::More(needed)),
            Record::Malformed(error) => Err(self.malformed(at + error.offset, error.reason)),
        }
    }

    /// Other offsets are counted from here on, or it is said again which.
    fn history(&mut self, history: HistoryMark) {
        let before = self.now.history.replace(history);
        if !self.now.tied {
            // More than one may come before the first block: behind one whose block was torn and cut stands the next start's.
            let floor = self.now.position.or(self.now.floor);
            self.now.floor = floor.filter(|_| goes_on(before, &history));
        }
        if before.is_none_or(|before| before.id != history.id) {
            self.now.position = None;
        }
    }

    /// Goes past a record, and out of the block that ends with it.
    #[inline]
    fn pass(&mut self, len: usize) -> Result<Step, AofError> {
        self.now.offset += len as u64;
        if let Some(block) = self.now.block {
            if self.now.offset == block.end() {
                self.now.position = Some(block.mark.end);
                self.now.block = None;
            } else if self.now.offset > block.end() {
                return Err(
                    self.malformed(self.at() - len, "record goes beyond the end of its block")
                );
            }
        }
        Ok(Step::Next)
    }

    #[inline]
    fn command(&mut self, at: usize, len: usize, spans: &[Span]) -> Result<Step, AofError> {
        if self.now.block.is_none() {
            self.now.position = None;
            if !self.now.tied {
                self.tie(None)?;
            }
        }
        if self.block_is_torn()
            && let Some(step) = self.unwritten(at, at + len)
        {
            return Ok(step);
        }
        let bytes = &self.window.bytes()[at..];
        let name = spans[0].of(bytes);
        let is = |word: &[u8]| name.eq_ignore_ascii_case(word);
        match name.len() {
            4 if is(b"exec") && spans.len() == 1 => {
                if !self.in_transaction {
                    return Err(self.malformed(at, "EXEC without MULTI"));
                }
                self.in_transaction = false;
                return self.pass(len);
            }
            5 if is(b"multi") && spans.len() == 1 => {
                if self.in_transaction {
                    return Err(self.malformed(at, "MULTI inside MULTI"));
                }
                self.in_transaction = true;
                return self.pass(len);
            }
            7 if is(b"discard") => {
                return Err(self.malformed(at, "DISCARD, which is never written"));
            }
            6 if spans.len() == 2 && is(b"select") => {
                let number = parse_i64(spans[1].of(bytes)).and_then(|n| u64::try_from(n).ok());
                self.now.selected_db = number.unwrap_or(self.now.selected_db);
            }
            _ => {}
        }
        let end = at + len;
        if end >= u32::MAX as usize {
            return Err(self.malformed(at, "command or transaction of more than 4 GiB"));
        }
        let places = spans.iter().map(|span| (at + span.start, at + span.end));
        self.batch.push(at, end, places);
        self.pass(len)
    }

    /// Whether sectors may be missing in which a command lies: of one that is not on disk, or not to its end, the last byte is zero.
    fn unwritten(&self, at: usize, end: usize) -> Option<Step> {
        let base = self.window.offset();
        let first = (base + at as u64) / SECTOR;
        let last_bytes = (first..).map(|sector| (sector + 1) * SECTOR - 1);
        // The last one of the file ends where the file does, and not in zeros.
        for last in last_bytes.take_while(|last| *last < self.end) {
            match self.window.bytes().get((last - base) as usize) {
                Some(0) => return Some(Step::TornBlock("inside a block")),
                Some(_) if last + 1 >= base + end as u64 => return None,
                Some(_) => {}
                None if self.window.has_all() => return None,
                None => return Some(Step::More((last + 1 - base) as usize - at)),
            }
        }
        None
    }

    /// Begins a block: all of it must be in the window, and fit its mark.
    fn mark(&mut self, at: usize, line: usize, mark: BlockMark) -> Result<Step, AofError> {
        if self.now.block.is_some() {
            return Err(self.malformed(at, "mark of a block inside another block"));
        }
        if !self.now.tied {
            self.tie(Some(&mark))?;
        }
        let shift =
            if mark.place.is_some() { shift(&mark, self.now.offset) } else { self.now.shift };
        if shift != self.now.shift {
            let by = shift.wrapping_sub(self.now.shift);
            self.is_edited(format!(
                "what is before this mark is {} than it was written",
                more(by)
            ))?;
            (self.now.shift, self.now.position) = (shift, None);
        }
        if self.now.position.is_some_and(|position| position > mark.start) {
            return Err(self.malformed(at, "mark of a block brings the replication offset back"));
        }
        let written = mark.place.map(|place| place.saturating_add(line as u64 + mark.len));
        self.now.last_end = written.or(self.now.last_end);
        let body = at + line;
        let torn = mark.len > self.window.left_from(body);
        let verdict = if torn {
            self.judge(line, &mark)?
        } else {
            let len = mark.len as usize;
            match self.window.bytes().get(body..body + len) {
                None => return Ok(Step::More(line + len)),
                Some(block) if mark.fits(block) => {
                    self.blocks += 1;
                    self.now.position = None;
                    self.now.block = Some(self.open_block(mark, line, false));
                    return self.pass(line);
                }
                Some(_) => self.judge(line, &mark)?,
            }
        };
        match verdict {
            Verdict::Rotten => {
                return Err(self.malformed(at, "block does not have the checksum of its mark"));
            }
            Verdict::Swallowed { at: over } => {
                let reason = format!(
                    "block does not have the checksum of its mark, and the length of an argument in it reaches over the mark at byte {over}"
                );
                return Err(self.malformed(at, reason));
            }
            Verdict::Torn { .. } if self.tolerance.torn_block => {
                self.now.block = Some(self.open_block(mark, line, true));
            }
            Verdict::Torn { between: true } if self.tolerance.edited => {
                self.is_edited("the file ends inside the block behind this mark".into())?;
            }
            Verdict::Torn { between: true } => return Ok(Step::TornBlock(BETWEEN)),
            Verdict::Torn { between: false } => return Ok(Step::TornBlock("inside a block")),
            Verdict::Edited { by } => {
                self.is_edited(format!("the block behind this mark is {} than it says", more(by)))?;
            }
        }
        self.now.position = None;
        self.pass(line)
    }

    /// Looks whether the file belongs behind those before it.
    fn tie(&mut self, first: Option<&BlockMark>) -> Result<(), AofError> {
        self.now.tied = true;
        let Some(before) = self.before else { return Ok(()) };
        let Progress { follows, floor, .. } = self.now;
        // Where another history begins, its offsets say nothing of where the file was begun.
        let start = first.map(|mark| mark.start).filter(|_| floor.is_some());
        match fit(before, follows, floor, start) {
            Fit::Well => Ok(()),
            Fit::Edited(reason) => self.is_edited(reason),
            Fit::Misplaced(reason) => {
                let (path, offset) = (self.path.to_path_buf(), self.now.offset);
                Err(AofError::Misplaced { path, offset, reason })
            }
        }
    }

    fn judge(&self, line: usize, mark: &BlockMark) -> Result<Verdict, FileError> {
        let offset = self.now.offset;
        judge(self.files, self.path, (offset, offset + line as u64), mark, self.end)
    }

    /// The file was edited: an error, unless that is allowed.
    fn is_edited(&mut self, reason: String) -> Result<(), AofError> {
        let offset = self.now.offset;
        if !self.tolerance.edited {
            return Err(AofError::Edited { path: self.path.to_path_buf(), offset, reason });
        }
        self.edited.get_or_insert(offset);
        Ok(())
    }

    fn open_block(&self, mark: BlockMark, line: usize, torn: bool) -> OpenBlock {
        let mark_offset = self.now.offset;
        OpenBlock { mark, mark_offset, body_offset: mark_offset + line as u64, torn }
    }
}

/// A difference in length, as words.
fn more(by: i64) -> String {
    let bytes = by.unsigned_abs();
    format!("{bytes} byte(s) {}", if by < 0 { "shorter" } else { "longer" })
}
