//! Whether the files that a manifest names belong together: each is tied to the end of the one before it.
//!
//! A manifest says which files there are, and a digit of it may have rotted, a line may be missing, a file may have been taken
//! from another copy. Inside a file every mark says where it stands; across files the first lines of each say what it was begun
//! behind:
//!
//! ```text
//! P.3.incr.aof  … #tm 900 950 … │ end: 4711 bytes, offset 950
//! P.4.incr.aof  #tm-follows 3 4711 950 │ #tm-history … │ #tm 964 …
//! ```
//!
//! | the file before it | |
//! |---|---|
//! | has this number, and as many bytes | fits |
//! | has this number, and more or fewer bytes | it was edited: whole blocks were taken from its end, or something was added |
//! | has another number; nothing is before it and the base does not reach up to it | a file is missing, doubled or out of order: refused |
//! | is the base, which was made behind that offset and, in one history, not behind the first mark | fits: what it follows became history |
//!
//! Offsets alone would not do: what only replicas get leaves gaps between blocks. Where there is no such line (files of other
//! servers and older ones of ours) only a step back in one history is told.
//!
//! # History
//! A file that the manifest calls history is not loaded, and will be deleted. One whose changes come after the base cannot be:
//! a letter of its line has rotted. Replaced bases stand behind the files that they were the base of, so a file of history that no older base
//! stands behind is looked at.
//!
//! # Invariants
//! - files without marks are judged by the manifest's own rules only, as in Redis

use super::AofError;
use super::dir::AofDir;
use super::edited::{Next, Records};
use crate::files::{FileError, Files};
use protocol::aof::{Annotation, FileEntry, FollowsMark, HistoryMark};
use std::path::Path;

/// The incremental files that are loaded before one, and where their base ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct Before {
    /// Numbers and sizes.
    pub(crate) files: Vec<(u64, u64)>,
    /// The replication offset of the base, if it is known.
    pub(crate) base: Option<u64>,
    /// Whether the base was edited: where it ends is not known then, and is not asked for.
    pub(crate) base_is_edited: bool,
}

/// How a file fits behind those before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    Well,
    /// The one before it was edited.
    Edited(String),
    /// Another one belongs before it.
    Misplaced(String),
}

/// Whether offsets of one history go on in another: it is the same, or its heir.
pub(super) fn goes_on(before: Option<HistoryMark>, after: &HistoryMark) -> bool {
    before.is_some_and(|before| before.id == after.id || before.id == after.second_id)
}

/// Judges a file by what it says that it follows. `floor` is the offset where what is before it ends, if both count in one
/// history, and `start` that of its first mark, if it counts in that history too.
pub(super) fn fit(
    before: &Before,
    follows: Option<FollowsMark>,
    floor: Option<u64>,
    start: Option<u64>,
) -> Fit {
    if let (Some(floor), Some(start)) = (floor, start)
        && start < floor
    {
        return Fit::Misplaced(format!(
            "it begins at replication offset {start}, and what is before it ends at {floor}"
        ));
    }
    let Some(FollowsMark { sequence, size, offset }) = follows else { return Fit::Well };
    let written = before.files.iter().rfind(|(_, size)| *size > 0);
    match before.files.iter().find(|(number, _)| *number == sequence) {
        Some((_, there)) if *there != size && written.is_none_or(|(last, _)| *last <= sequence) => {
            Fit::Edited(format!(
                "the file before it, number {sequence}, has {there} bytes, and had {size} when this one was begun"
            ))
        }
        Some(_) if written.is_some_and(|(last, _)| *last == sequence) => Fit::Well,
        None if written.is_none()
            && (before.base_is_edited || is_between(offset, before.base, start)) =>
        {
            Fit::Well
        }
        _ => {
            let found = match (written, before.base) {
                (Some((last, _)), _) => format!("file number {last}"),
                (None, Some(base)) => format!("a base of replication offset {base}"),
                (None, None) => "no file that says where it ends".to_string(),
            };
            let offset =
                offset.map_or(String::new(), |offset| format!(" (replication offset {offset})"));
            Fit::Misplaced(format!(
                "it was begun behind file number {sequence}{offset}, and what is before it is {found}"
            ))
        }
    }
}

/// Whether a base was made behind one offset and not behind the other.
fn is_between(from: Option<u64>, base: Option<u64>, to: Option<u64>) -> bool {
    base.is_some_and(|base| from.is_none_or(|from| from <= base) && to.is_none_or(|to| base <= to))
}

/// Looks at what the manifest calls history: nothing that comes after the base is. `base` is whose offset the base has, if that is known.
pub(super) fn check_history(
    dir: &AofDir,
    base: Option<(HistoryMark, u64)>,
) -> Result<(), AofError> {
    // The older a file, the further back: behind the files that followed it stands their base.
    let mut alone = true;
    for entry in dir.manifest().history.iter().rev() {
        if !is_incremental(entry) {
            alone = false;
            continue;
        }
        let path = dir.path_of(entry);
        if dir.files().size(&path)?.is_none_or(|size| size == 0) {
            continue;
        }
        let Some((history, start)) = first_mark(dir.files(), &path)? else { continue };
        let comes_after = match (base, history) {
            (None, _) | (_, None) => alone,
            (Some((of, at)), Some(history)) if of.id == history.id => {
                start > at || (alone && start == at)
            }
            (Some((of, at)), Some(history)) => of.id == history.second_id && start >= at,
        };
        if comes_after {
            let reason = "the manifest calls it history, which is not loaded and is deleted, and its changes come after the base";
            return Err(AofError::Misplaced { path, offset: 0, reason: reason.into() });
        }
    }
    Ok(())
}

/// By its name, which every server forms like this.
fn is_incremental(entry: &FileEntry) -> bool {
    entry.name.ends_with(b".incr.aof")
}

/// The first mark of a file that begins with one: in which history, and from which offset on.
fn first_mark(files: &Files, path: &Path) -> Result<Option<(Option<HistoryMark>, u64)>, FileError> {
    let end = files.size(path)?.unwrap_or(0);
    let mut records = Records::open(files, path, 0, end)?;
    let mut history = None;
    loop {
        match records.next()? {
            Next::Annotation(Ok(Annotation::History(mark))) => history = Some(mark),
            Next::Annotation(Ok(Annotation::Block(mark))) => {
                return Ok(Some((history, mark.start)));
            }
            Next::Annotation(Ok(_)) => {}
            _ => return Ok(None),
        }
    }
}
