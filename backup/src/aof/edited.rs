//! A file that a person has edited: telling it from a rotten one, and marking it anew.
//!
//! Taking a mistaken FLUSHALL out of the file by an editor is an old procedure, and what follows it in the file is then no
//! longer what its marks say. Rot must not pass for that. What tells them apart is *where the marks stand*:
//!
//! ```text
//! written:  mark@0 | SET a | mark@60 | SET b FLUSHALL | mark@150 | SET c
//! edited:   mark@0 | SET a | mark@60 | SET b | mark@150 …             stands at 132: 18 bytes are gone in front of it
//! rotten:   mark@0 | SET a | mark@60 | SEt b FLUSHALL | mark@150 …    stands at 150: nothing was added or taken away
//! ```
//!
//! An editor adds bytes or takes some away, and so moves all that follows. Rot changes bytes where they are. A mark cannot
//! lie about its place: it has a seal. So a block that does not have its checksum is
//!
//! | | |
//! |---|---|
//! | *rotten* | if the next mark is shifted no more than this one; if it is the last and as long as it says; if it is no longer made of commands |
//! | *torn* | if the file ends before it does, and no mark follows: perhaps edited, if it ends between two commands and cannot be torn, as it is not the last file |
//! | *edited* | otherwise |
//!
//! In an edited block nobody can tell what was meant from what has rotted: who asks for it to be loaded vouches for it.
//! Changing a value in place, byte for byte, is not told apart from rot, and refused like that.
//!
//! # Marking anew
//! All files from the first edited one on get new marks, in a history of their own: the offsets of the old one are no
//! longer those of this data. All are written under other names, each tied to the new end of the one before it, and then renamed over the
//! old ones, the last file first and the edited one at the end: as long as that is as it was, a start asks again and does the
//! same again.
//!
//! # Invariants
//! - a file with marks that were not damaged loads as edited only if it has more or fewer bytes than were written
//! - commands are copied as they are
//!
//! # Source
//! - marks: [`protocol::aof`]

use super::AofError;
use super::window::Window;
use crate::files::{self, File, FileError, Files, OnPath};
use protocol::aof::{
    Annotation, BlockMark, FollowsMark, HistoryMark, MAX_ANNOTATION_BYTES, Record, Span,
    parse_record,
};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The most bytes of a block that is marked anew, unless a unit has more.
const BLOCK_BYTES: usize = 1024 * 1024;

/// That a file was edited, and was loaded all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited {
    /// The first such file.
    pub path: PathBuf,
    /// Where that showed first.
    pub offset: u64,
    /// How many files were marked anew.
    pub files: usize,
}

/// What a block is that does not have the checksum of its mark, or is cut off by the end of its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Its bytes were changed where they are.
    Rotten,
    /// The file ends inside of it.
    Torn {
        /// Between two commands: so it is also if the last block was edited.
        between: bool,
    },
    /// It has so many bytes more than its mark says, or fewer.
    Edited { by: i64 },
    /// A length in it reaches over the mark at this offset.
    Swallowed { at: u64 },
}

/// How far a mark stands from where it was written; 0 if it does not say where.
pub(super) fn shift(mark: &BlockMark, offset: u64) -> i64 {
    mark.place.map_or(0, |place| offset.wrapping_sub(place) as i64)
}

/// Judges the block behind a mark at `offset`, whose commands begin at `body`; the file is taken to end at `end`.
///
/// The lengths inside of it are the last thing to be believed: one that has rotted leads past all that follows. What the
/// mark says of the block's length is sealed, so the next mark is looked for there first.
pub(super) fn judge(
    files: &Files,
    path: &Path,
    (offset, body): (u64, u64),
    mark: &BlockMark,
    end: u64,
) -> Result<Verdict, FileError> {
    let moved = shift(mark, offset);
    let left = end - body;
    if mark.len < left
        && let Some((at, next)) = next_mark(files, path, body + mark.len, end)?
        && (mark.place.is_none() || next.place.is_none() || shift(&next, at) == moved)
    {
        // Nothing between the two has become longer or shorter.
        return Ok(Verdict::Rotten);
    }
    let written =
        mark.place.map(|place| place.saturating_add(body - offset).saturating_add(mark.len));
    let mut records = Records::open(files, path, body, end)?;
    let mut block_end = None;
    let next = loop {
        let at = records.offset();
        match records.next()? {
            Next::Command => {}
            Next::Annotation(Ok(Annotation::Block(next))) => break Some((at, next)),
            Next::Annotation(Ok(Annotation::History(_))) => block_end = block_end.or(Some(at)),
            Next::Annotation(Ok(_)) => {}
            Next::Annotation(Err(_)) | Next::Malformed => break None,
            Next::End => {
                if let Some(swallowed) = find_mark(files, path, (body, end), written)? {
                    return Ok(Verdict::Swallowed { at: swallowed });
                }
                if mark.len > left {
                    return Ok(Verdict::Torn { between: records.offset() == end });
                }
                let by = left as i64 - mark.len as i64;
                return Ok(if by == 0 { Verdict::Rotten } else { Verdict::Edited { by } });
            }
        }
    };
    let Some((at, next)) = next else {
        let torn = mark.len > left && find_mark(files, path, (body, end), written)?.is_none();
        return Ok(if torn { Verdict::Torn { between: false } } else { Verdict::Rotten });
    };
    if let Some(swallowed) = find_mark(files, path, (body, at), written)? {
        return Ok(Verdict::Swallowed { at: swallowed });
    }
    let by = match (mark.place, next.place) {
        (Some(_), Some(_)) => shift(&next, at) - moved,
        // Older marks do not say where they stand.
        _ => (block_end.unwrap_or(at) - body) as i64 - mark.len as i64,
    };
    Ok(if by == 0 { Verdict::Rotten } else { Verdict::Edited { by } })
}

/// The mark that stands at an offset, behind other lines of ours that may go before it.
fn next_mark(
    files: &Files,
    path: &Path,
    from: u64,
    end: u64,
) -> Result<Option<(u64, BlockMark)>, FileError> {
    let mut records = Records::open(files, path, from, end)?;
    loop {
        let at = records.offset();
        match records.next()? {
            Next::Annotation(Ok(Annotation::Block(mark))) => return Ok(Some((at, mark))),
            Next::Annotation(Ok(_)) => {}
            _ => return Ok(None),
        }
    }
}

/// Where the first line is that looks like a sealed mark, whatever there is before it. With `written`, only one that was
/// written at that place of the file or behind it: a value may have all the lines of another file.
pub(super) fn find_mark(
    files: &Files,
    path: &Path,
    (from, end): (u64, u64),
    written: Option<u64>,
) -> Result<Option<u64>, FileError> {
    let mut file = files.open(path)?;
    file.seek(SeekFrom::Start(from)).on("seek in", path)?;
    let mut input = BufReader::new(file.take(end - from));
    let (mut at, mut line) = (from, Vec::new());
    loop {
        // Longer ones are no annotations, and need not be in memory.
        line.clear();
        let most = MAX_ANNOTATION_BYTES as u64;
        let read = input.by_ref().take(most).read_until(b'\n', &mut line).on("read", path)?;
        if read == 0 {
            return Ok(None);
        }
        // A mark may also follow a line end that has rotted. One without its own has no block: the file ends inside of it.
        if line.ends_with(b"\n")
            && let Some(start) = memchr::memmem::find(&line, b"#tm ")
            && let Ok(Annotation::Block(mark)) =
                Annotation::parse(line[start + 1..].trim_ascii_end())
            && mark.sealed
            && mark.place >= written
        {
            return Ok(Some(at + start as u64));
        }
        at += read as u64;
    }
}

/// A file that is to be marked anew.
pub(super) struct Remark<'a> {
    /// The file.
    pub(super) path: &'a Path,
    /// Where its records begin.
    pub(super) from: u64,
    /// The history of the new marks.
    pub(super) history: HistoryMark,
    /// The offset before them.
    pub(super) start: u64,
    /// Behind which file it comes.
    pub(super) follows: Option<FollowsMark>,
}

/// Under which name a file is written.
fn temporary_name(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from("temp-");
    name.push(path.file_name().expect("a file has a name"));
    path.with_file_name(name)
}

/// Puts what [`write_anew`] has written in the place of the old file.
pub(super) fn replace_by_new(files: &Files, path: &Path) -> Result<(), FileError> {
    files.replace(&temporary_name(path), path)
}

/// Writes a file with new marks, beside the old one. Returns how large it is.
pub(super) fn write_anew(files: &Files, job: &Remark<'_>) -> Result<u64, AofError> {
    let Remark { path, from, history, start, follows } = *job;
    let size = files.size(path)?.unwrap_or(0);
    let temporary = temporary_name(path);
    let mut out = Marked {
        file: files.create(&temporary)?,
        path: &temporary,
        bytes: 0,
        offset: start,
        block: Vec::new(),
        before: Vec::new(),
        follows,
        history: Some(history),
    };
    out.copy_before(files, path, from)?;
    let mut records = Records::open(files, path, from, size)?;
    let mut in_transaction = false;
    loop {
        let offset = records.offset();
        match records.next()? {
            Next::Command => {
                in_transaction = records.transaction_word().unwrap_or(in_transaction);
            }
            // The old marks end blocks, and are left out.
            Next::Annotation(Ok(
                Annotation::Block(_) | Annotation::History(_) | Annotation::Follows(_),
            )) => {
                if !in_transaction {
                    out.end_block()?;
                }
                continue;
            }
            // A time stands in front of a block, where a file may be cut.
            Next::Annotation(Ok(Annotation::Timestamp(_))) if !in_transaction => {
                out.end_block()?;
                out.before.extend_from_slice(records.last());
                continue;
            }
            // What is no mark of ours is copied like commands: it may stand inside a block.
            Next::Annotation(Ok(_)) => {}
            Next::End if records.offset() == size => break,
            // It was loaded: this cannot be, unless the file was changed meanwhile.
            Next::Annotation(Err(_)) | Next::Malformed | Next::End => {
                let reason = "the file was changed while it was loaded".into();
                return Err(AofError::Malformed { path: path.to_path_buf(), offset, reason });
            }
        }
        out.block.extend_from_slice(records.last());
        if out.block.len() >= BLOCK_BYTES && !in_transaction {
            out.end_block()?;
        }
    }
    out.end_block()?;
    Ok(out.bytes)
}

/// A file that is written with marks.
struct Marked<'a> {
    file: File,
    path: &'a Path,
    /// Bytes written.
    bytes: u64,
    /// The replication offset there.
    offset: u64,
    block: Vec<u8>,
    /// Lines that stand in front of the block.
    before: Vec<u8>,
    /// To be written with the first block.
    follows: Option<FollowsMark>,
    history: Option<HistoryMark>,
}

impl Marked<'_> {
    /// Copies what is no record: the snapshot at the beginning of an old single file.
    fn copy_before(&mut self, files: &Files, source: &Path, len: u64) -> Result<(), FileError> {
        let mut input = files.open(source)?.take(len);
        files::copy(&mut input, &mut self.file).on("copy to", self.path)?;
        self.bytes = len;
        Ok(())
    }

    fn end_block(&mut self) -> Result<(), FileError> {
        if self.block.is_empty() {
            return Ok(());
        }
        let mut lines = std::mem::take(&mut self.before);
        if let Some(follows) = self.follows.take() {
            follows.encode(&mut lines);
        }
        if let Some(history) = self.history.take() {
            history.encode(&mut lines);
        }
        let end = self.offset + self.block.len() as u64;
        let place = self.bytes + lines.len() as u64;
        BlockMark::of(self.offset, end, &self.block).at(place).encode(&mut lines);
        self.file.write_all(&lines).on("write", self.path)?;
        self.file.write_all(&self.block).on("write", self.path)?;
        self.bytes += (lines.len() + self.block.len()) as u64;
        self.offset = end;
        self.block.clear();
        Ok(())
    }
}

/// The records of a file, one after the other, whatever blocks they are in.
pub(super) struct Records<'a> {
    path: &'a Path,
    window: Window,
    /// Of the next record, in the window.
    at: usize,
    /// Length of the last one.
    len: usize,
    spans: Vec<Span>,
}

/// What comes next.
pub(super) enum Next {
    Command,
    Annotation(Result<Annotation, protocol::aof::AnnotationError>),
    Malformed,
    /// The file ends here, or inside of the next record.
    End,
}

impl<'a> Records<'a> {
    pub(super) fn open(
        files: &Files,
        path: &'a Path,
        from: u64,
        end: u64,
    ) -> Result<Self, FileError> {
        let mut file = files.open(path)?;
        file.seek(SeekFrom::Start(from)).on("seek in", path)?;
        let window = Window::new(file, Vec::new(), from, end);
        Ok(Self { path, window, at: 0, len: 0, spans: Vec::new() })
    }

    /// Where the next record begins.
    fn offset(&self) -> u64 {
        self.window.offset() + self.at as u64
    }

    /// The bytes of the last record.
    fn last(&self) -> &[u8] {
        &self.window.bytes()[self.at - self.len..self.at]
    }

    /// Whether the last command begins or ends a transaction.
    fn transaction_word(&self) -> Option<bool> {
        let [span] = self.spans[..] else { return None };
        let name = span.of(self.last());
        let begins = name.eq_ignore_ascii_case(b"multi");
        (begins || name.eq_ignore_ascii_case(b"exec")).then_some(begins)
    }

    pub(super) fn next(&mut self) -> Result<Next, FileError> {
        loop {
            let (len, next) = match parse_record(&self.window.bytes()[self.at..], &mut self.spans) {
                Record::Command { len } => (len, Next::Command),
                Record::Annotation { text, len } => {
                    (len, Next::Annotation(Annotation::parse(text)))
                }
                Record::Malformed(_) => return Ok(Next::Malformed),
                Record::Incomplete { needed } => {
                    if self.window.has_all()
                        || !self.window.advance(self.at, needed).on("read", self.path)?
                    {
                        return Ok(Next::End);
                    }
                    (self.at, self.len) = (0, 0);
                    continue;
                }
            };
            (self.at, self.len) = (self.at + len, len);
            return Ok(next);
        }
    }
}
