//! Repair of a torn tail: what cannot be used is kept aside, then cut.
//!
//! ```text
//! before:  … | #tm 100 180 80 crc | SET … SET … SE▒            the file ends inside a block
//! 1        copy from the end of the last whole unit on to <name>.cut-<offset>, fsync
//! 2        … | #tm 100 180 80 crc | SET … SET …                truncate, fsync
//! 3        … | #+m 100 180 80 crc | SET … SET …                the mark is a comment: one byte, fsync
//! 4        … | #+m 100 154 54 crc␣| SET … SET …                it says what is left, in the same place, fsync
//! 5        … | #tm 100 154 54 crc␣| SET … SET …                and is a mark again: one byte, fsync
//! ```
//!
//! A file that ends between two commands of a block may have been torn there, or edited: then what is left need not be
//! the beginning of what the mark speaks of. So its position is unknown.
//!
//! A crash after 1 or 2 leaves a file that is torn as before, and the next start does the same again. Step 4 writes
//! one line over another of the same length (blanks fill it). A line lies in two sectors as often as not in one, and a power cut
//! may leave a part of it: so it is a comment meanwhile, whatever it says. A crash after 3 or 4 costs the position. Where the
//! offset inside of the block is not known (some of its bytes count and some do not: no such block is written any more), it
//! stays a comment, and the position is lost too.
//!
//! # Invariants
//! - nothing is cut that is not on disk elsewhere; no file with cut bytes is ever overwritten

use super::scan::Progress;
use crate::files::{File, FileError, Files, OnPath};
use journal::planted::{self, Fault};
use protocol::aof::{BlockMark, UNFINISHED};
use protocol::crc64::journal_crc;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// What was cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The file.
    pub path: PathBuf,
    /// Its size now.
    pub offset: u64,
    /// How many bytes were cut.
    pub bytes: u64,
    /// Where they are kept.
    pub aside: PathBuf,
    /// Inside of what the file ended.
    pub reason: &'static str,
}

/// Where a file that is whole up to `committed` is to be cut: not behind a mark without a block.
pub(crate) fn cut_offset(committed: &Progress) -> u64 {
    match committed.block {
        Some(block) if block.body_offset == committed.offset => block.mark_offset,
        _ => committed.offset,
    }
}

/// Cuts the file behind what is whole, and returns what is known of its new end.
pub(super) fn cut_tail(
    files: &Files,
    path: &Path,
    committed: Progress,
    reason: &'static str,
) -> Result<(Cut, Progress), FileError> {
    let offset = cut_offset(&committed);
    let aside = unused_name(files, path, offset)?;
    let bytes = files.copy_aside(path, offset, &aside)?;
    if !planted::is(Fault::TornTailLeft) {
        files.cut(path, offset)?;
    }
    let mut now = Progress { offset, block: None, ..committed };
    if let Some(block) = committed.block {
        if offset == block.mark_offset {
            now.position = Some(block.mark.start);
        } else {
            let (line, position) = shorter_mark(files, path, offset, committed, bytes == 0)?;
            write_line_over(files, path, block.mark_offset, &line)?;
            now.position = position;
        }
    }
    Ok((Cut { path: path.to_path_buf(), offset, bytes, aside, reason }, now))
}

/// Writes a line over a mark, so that at every moment it is one of the two or a comment.
fn write_line_over(files: &Files, path: &Path, at: u64, line: &[u8]) -> Result<(), FileError> {
    files.overwrite(path, at + 1, &[UNFINISHED])?;
    files.overwrite(path, at + 2, &line[2..])?;
    files.overwrite(path, at + 1, &line[1..2])
}

/// What takes the place of the mark, and the replication offset at the end of what is left. `between`: the file ended
/// between two commands.
fn shorter_mark(
    files: &Files,
    path: &Path,
    end: u64,
    committed: Progress,
    between: bool,
) -> Result<(Vec<u8>, Option<u64>), FileError> {
    let block = committed.block.expect("the caller has looked");
    let line_len = (block.body_offset - block.mark_offset) as usize;
    let mut line = Vec::with_capacity(line_len);
    let BlockMark { start, end: after, len, .. } = block.mark;
    let position = match after - start {
        _ if between => None,
        0 => Some(start),
        counted if counted == len => Some(start + (end - block.body_offset)),
        _ => None,
    };
    match position {
        Some(position) => {
            let kept = read_range(files, path, block.body_offset, end)?;
            let crc = journal_crc(&kept);
            let len = kept.len() as u64;
            // It stays where it is.
            BlockMark { end: position, len, crc, ..block.mark }.encode(&mut line);
            line.truncate(line.len() - 2);
        }
        None => line.extend_from_slice(b"# block that was cut"),
    }
    line.resize(line_len - 2, b' ');
    line.extend_from_slice(b"\r\n");
    assert_eq!(line.len(), line_len, "what is left has a mark no longer than the whole");
    Ok((line, position))
}

fn read_range(files: &Files, path: &Path, start: u64, end: u64) -> Result<Vec<u8>, FileError> {
    let mut file = files.open(path)?;
    file.seek(SeekFrom::Start(start)).on("seek in", path)?;
    let mut bytes = Vec::new();
    file.take(end - start).read_to_end(&mut bytes).on("read", path)?;
    Ok(bytes)
}

fn unused_name(files: &Files, path: &Path, offset: u64) -> Result<PathBuf, FileError> {
    let mut number = 1;
    loop {
        let mut name = path.file_name().expect("a file has a name").to_os_string();
        name.push(format!(".cut-{offset}"));
        if number > 1 {
            name.push(format!(".{number}"));
        }
        let aside = path.with_file_name(name);
        if files.size(&aside)?.is_none() {
            return Ok(aside);
        }
        number += 1;
    }
}

/// Where the zeros begin in which a file ends, but not before `from`: a file system may lengthen a file before its
/// bytes are on disk, and no record ends in a zero.
pub(crate) fn end_without_zeros(
    path: &Path,
    file: &mut File,
    from: u64,
    len: u64,
) -> Result<u64, FileError> {
    const STEP_BYTES: u64 = 64 * 1024;
    let mut end = len;
    while end > from {
        let start = end.saturating_sub(STEP_BYTES).max(from);
        let mut bytes = vec![0; (end - start) as usize];
        file.seek(SeekFrom::Start(start)).on("seek in", path)?;
        file.read_exact(&mut bytes).on("read", path)?;
        let zeros = bytes.iter().rev().take_while(|byte| **byte == 0).count();
        end -= zeros as u64;
        if zeros < bytes.len() {
            break;
        }
    }
    Ok(end)
}
