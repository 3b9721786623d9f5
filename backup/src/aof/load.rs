//! Loading the whole append-only file: base, incremental files, and repair of the tail.
//!
//! ```text
//! base ─ RDB? ─► databases, snapshot(meta) ─► commands behind it (old single files)
//! incremental files, in order ─► commands …, each from database 0 and outside of MULTI
//! the last one that is not empty may be torn: its tail is kept aside and cut, if aof-load-truncated says so
//! ```
//!
//! What a crash can leave is a torn tail of the file that was written last, or, on some file systems, zeros there.
//! A tear anywhere else means that something is missing *between* what we have; peers cut it, stop, and start without
//! a word the second time. Here it stays as it is and every start says so, until someone decides.
//!
//! A command that makes no sense (`SET key`) is damage like bytes that are none, and refused with its place. As the very
//! last thing of the last file it counts as torn. What the unit that it stands in did before it must not stay: all is
//! loaded anew, up to that unit.
//!
//! A file that was edited is refused, unless `aof-load-edited` says that it was meant: then it is loaded as it is, the files
//! get new marks ([`super::edited`]), and the position is unknown.
//!
//! The position at the end is exact or unknown, never guessed: it comes from the marks, or from the base if nothing
//! follows it.
//!
//! # Invariants
//! - a file that is not the last is never changed
//!
//! # Source
//! - `aof.c` of Redis 7.2: order of files, damage, expiry while loading

use super::dir::AofDir;
use super::edited::{Edited, Remark, find_mark, replace_by_new, write_anew};
use super::repair::{Cut, cut_tail, end_without_zeros};
use super::scan::{BETWEEN, CommandRefused, Handler, Progress, Tolerance, is_snapshot, scan_file};
use super::tie::{Before, check_history};
use super::{AofError, ScanSummary};
use crate::files::{File, Files, OnPath};
use crate::snapshot::{FileLoadError, FileSource, LoadError, LoadOptions, LoadedMeta, load_values};
use keyspace::db::Db;
use keyspace::limits::Limits;
use protocol::aof::{FollowsMark, HistoryMark, REPLICATION_ID_BYTES};
use protocol::rdb::{ReadError, Reader};
use protocol::resp::Batch;
use std::io::{self, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Takes what the files have. All of it is to be thrown away if loading fails.
pub trait Apply {
    /// Fresh databases for the snapshot in the base, and who hears how many bytes of it have been loaded.
    fn databases(&mut self) -> (&mut [Db], &mut dyn FnMut(u64));

    /// What was applied is to be thrown away: loading begins anew, without the end of the last file.
    fn restart(&mut self);

    /// The snapshot is in the databases.
    fn snapshot(&mut self, meta: &LoadedMeta) -> Result<(), String> {
        let _ = meta;
        Ok(())
    }

    /// The commands of another file begin, in database 0.
    fn begin_file(&mut self, path: &Path) {
        let _ = path;
    }

    /// Commands to be executed in this order. Transactions are whole, and MULTI and EXEC are left out.
    fn commands(&mut self, buffer: &[u8], batch: &Batch) -> Result<(), CommandRefused>;

    /// How many bytes of all files have been loaded.
    fn progress(&mut self, bytes: u64) {
        let _ = bytes;
    }
}

/// How to load.
#[derive(Clone, Copy)]
pub struct LoadLimits<'a> {
    /// Whether a torn tail is cut (`aof-load-truncated`).
    pub truncated: bool,
    /// Whether edited files are loaded (`aof-load-edited`): the name of the history in which they are marked anew. Nothing
    /// may append to them yet.
    pub edited: Option<[u8; REPLICATION_ID_BYTES]>,
    /// When collections change their form.
    pub limits: &'a Limits,
    /// For the snapshot in the base. Keys whose time has passed must be kept.
    pub snapshot: LoadOptions<'a>,
}

/// What was loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// What the snapshot in the base said, if there was one.
    pub base: Option<LoadedMeta>,
    /// Whose offsets the position counts.
    pub history: Option<HistoryMark>,
    /// The replication offset at the end, if it is known exactly.
    pub position: Option<u64>,
    /// The database that is selected at the end.
    pub selected_db: u64,
    /// Bytes loaded of all files.
    pub bytes: u64,
    /// Commands executed.
    pub commands: u64,
    /// What was cut.
    pub cut: Option<Cut>,
    /// What was edited.
    pub edited: Option<Edited>,
}

/// Inside of what a file ends whose last unit has a command that makes no sense.
const SENSELESS: &str = "in a command that makes no sense";

/// Loads all files that the manifest names.
pub fn load(
    dir: &AofDir,
    options: LoadLimits<'_>,
    apply: &mut dyn Apply,
) -> Result<Loaded, AofError> {
    assert!(
        !options.snapshot.drop_expired,
        "what expired is part of the state that commands change"
    );
    match load_up_to(dir, options, apply, None) {
        Err(AofError::Command { path, offset, torn: true, .. }) => {
            apply.restart();
            load_up_to(dir, options, apply, Some((&path, offset)))
        }
        result => result,
    }
}

/// Loads all files, of which one ends where it is said.
fn load_up_to(
    dir: &AofDir,
    options: LoadLimits<'_>,
    apply: &mut dyn Apply,
    end: Option<(&Path, u64)>,
) -> Result<Loaded, AofError> {
    let present = existing_files(dir)?;
    let last = present.iter().rposition(|file| file.size > 0);
    let loaded = Loaded::default();
    let before = Before::default();
    let mut loading = Loading {
        files: dir.files(),
        options,
        apply,
        loaded,
        end,
        edited: None,
        begins: Vec::new(),
        before,
    };
    for (index, file) in present.iter().enumerate() {
        // Empty files behind it do not matter: the process died before anything was written to them.
        let may_be_cut = Some(index) == last;
        loading.file(file, may_be_cut)?;
        if file.sequence.is_none() {
            let Loaded { history, position, .. } = loading.loaded;
            let base = history.zip(position);
            loading.before.base = base.map(|(_, position)| position);
            loading.before.base_is_edited = loading.edited.is_some();
            check_history(dir, base)?;
        }
    }
    if dir.manifest().base.is_none() {
        check_history(dir, None)?;
    }
    if let (Some(first), Some(id)) = (loading.edited, options.edited) {
        mark_all_anew(dir.files(), &present, first, &loading.begins, id)?;
        if let Some(edited) = &mut loading.loaded.edited {
            edited.files = present.len() - first;
        }
        loading.loaded.position = None;
    }
    Ok(loading.loaded)
}

/// Marks files anew from the first one on, which gets its place at the end: until that is done it says itself that it was edited.
fn mark_all_anew(
    files: &Files,
    all: &[LoadFile],
    first: usize,
    begins: &[u64],
    id: [u8; REPLICATION_ID_BYTES],
) -> Result<(), AofError> {
    let none = [b'0'; REPLICATION_ID_BYTES];
    let history = HistoryMark { id, second_id: none, second_offset: -1 };
    let (mut start, mut follows) = (0, None);
    for (index, file) in all.iter().enumerate() {
        let mut size = files.size(&file.path)?.unwrap_or(0);
        if index >= first {
            let path = &file.path;
            let job = Remark { path, from: begins[index], history, start, follows };
            size = write_anew(files, &job)?;
            // The commands of a file are fewer bytes than it has, so offsets only go on.
            start += size;
        }
        if let Some(sequence) = file.sequence.filter(|_| size > 0) {
            follows = Some(FollowsMark { sequence, size, offset: Some(start) });
        }
    }
    all[first..].iter().rev().try_for_each(|file| replace_by_new(files, &file.path))?;
    Ok(())
}

/// A file to be loaded.
struct LoadFile {
    path: PathBuf,
    size: u64,
    /// The number of an incremental file.
    sequence: Option<u64>,
}

/// The files to be loaded, with their sizes.
fn existing_files(dir: &AofDir) -> Result<Vec<LoadFile>, AofError> {
    let manifest = dir.manifest();
    let base = manifest.base.iter().map(|entry| (entry, None));
    let incremental = manifest.incremental.iter().map(|entry| (entry, Some(entry.sequence)));
    let sized = base.chain(incremental).map(|(entry, sequence)| {
        let path = dir.path_of(entry);
        match dir.files().size(&path)? {
            Some(size) => Ok(LoadFile { path, size, sequence }),
            None => Err(AofError::Missing { path }),
        }
    });
    sized.collect()
}

struct Loading<'a, 'b> {
    files: &'b Files,
    options: LoadLimits<'a>,
    apply: &'b mut dyn Apply,
    loaded: Loaded,
    /// The file whose end makes no sense, and from where.
    end: Option<(&'b Path, u64)>,
    /// Index of the first file that was edited.
    edited: Option<usize>,
    /// Where the commands of each file begin.
    begins: Vec<u64>,
    /// What is before the next file.
    before: Before,
}

impl Loading<'_, '_> {
    fn file(&mut self, file: &LoadFile, may_be_cut: bool) -> Result<(), AofError> {
        let LoadFile { ref path, size, sequence } = *file;
        let mut file = self.files.open(path)?;
        let (history, position) = (self.loaded.history, self.loaded.position);
        let mut from = Progress { history, position, ..Progress::default() };
        let mut read_ahead = Vec::new();
        if sequence.is_none() && is_snapshot(&mut file, path)? {
            let (meta, ahead, position) = self.snapshot(path, &mut file)?;
            (from, read_ahead) = (position, ahead);
            self.loaded.selected_db = meta.replication.map_or(0, |point| point.stream_db);
            self.loaded.base = Some(meta);
        }
        let cuttable = may_be_cut && self.options.truncated;
        let senseless = self.end.filter(|(other, _)| *other == path);
        let end = match senseless {
            Some((_, offset)) => offset,
            None if cuttable => end_without_zeros(path, &mut file, from.offset, size)?,
            None => size,
        };
        file.seek(SeekFrom::Start(from.offset + read_ahead.len() as u64)).on("seek in", path)?;
        self.begins.push(from.offset);
        self.apply.begin_file(path);
        let mut handler = ApplyCommands { apply: self.apply, before: self.loaded.bytes };
        let edited = self.options.edited.is_some();
        // No crash tears a base of our own: what is missing in a block of it was taken out.
        let torn_block = cuttable && sequence.is_some();
        let tolerance = Tolerance { torn: cuttable, torn_block, edited };
        let from = (sequence.map(|_| &self.before), from);
        let summary =
            scan_file(self.files, (path, file), read_ahead, from, end, tolerance, &mut handler)?;
        if let Some(sequence) = sequence {
            self.before.files.push((sequence, size));
        }
        if let Some(offset) = summary.edited.filter(|_| self.edited.is_none()) {
            self.edited = Some(self.begins.len() - 1);
            self.loaded.edited = Some(Edited { path: path.to_path_buf(), offset, files: 0 });
        }
        let mut known = summary.committed;
        let beyond = if senseless.is_some() { SENSELESS } else { "in zeros" };
        if let Some(reason) = summary.torn.or((end < size).then_some(beyond)) {
            if !cuttable && !may_be_cut && reason == BETWEEN {
                let (path, offset) = (path.to_path_buf(), known.offset);
                let reason =
                    "the file ends between two commands of a block, and is not the last one".into();
                return Err(AofError::Edited { path, offset, reason });
            }
            if let Some(why) = why_not_cut(may_be_cut, cuttable, sequence.is_none(), &summary) {
                return Err(torn(path, &summary, reason, why));
            }
            self.nothing_follows(path, &known, size)?;
            let (cut, after) = cut_tail(self.files, path, known, reason)?;
            self.loaded.cut = Some(cut);
            known = after;
        }
        self.loaded.bytes += known.offset;
        self.loaded.commands += summary.commands;
        self.loaded.history = known.history;
        self.loaded.position = known.position;
        if summary.commands > 0 {
            self.loaded.selected_db = known.selected_db;
        }
        self.apply.progress(self.loaded.bytes);
        Ok(())
    }

    /// A file that is torn has nothing behind the tear. Where marks follow, a length has led over them, and what they
    /// speak of must not be cut.
    fn nothing_follows(&self, path: &Path, known: &Progress, size: u64) -> Result<(), AofError> {
        let Some(at) = find_mark(self.files, path, (known.offset, size), known.last_end)? else {
            return Ok(());
        };
        let reason = format!(
            "what begins here reaches over the mark at byte {at}: a length has rotted, or is not that of what was edited"
        );
        let offset = known.offset;
        Err(AofError::Malformed { path: path.to_path_buf(), offset, reason: reason.into() })
    }

    /// Loads the snapshot at the beginning of the base. Gives back what was read behind it, and where that is.
    fn snapshot(
        &mut self,
        path: &Path,
        file: &mut File,
    ) -> Result<(LoadedMeta, Vec<u8>, Progress), AofError> {
        let at = |error: LoadError<io::Error>| FileLoadError::at(path, error);
        let mut reader = Reader::new(FileSource(file)).map_err(|error| at(header_error(error)))?;
        let LoadLimits { limits, snapshot, .. } = self.options;
        let (dbs, progress) = self.apply.databases();
        let meta = load_values(&mut reader, dbs, limits, snapshot, progress).map_err(at)?;
        self.apply.snapshot(&meta).map_err(|reason| AofError::Command {
            path: path.to_path_buf(),
            offset: meta.bytes,
            reason,
            torn: false,
        })?;
        let (_, read_ahead) = reader.into_parts();
        let history = meta.replication.map(|point| HistoryMark {
            id: point.id,
            second_id: [b'0'; REPLICATION_ID_BYTES],
            second_offset: -1,
        });
        let position = meta.replication.map(|point| point.offset);
        let progress = Progress { offset: meta.bytes, history, position, ..Progress::default() };
        Ok((meta, read_ahead, progress))
    }
}

fn header_error(error: ReadError<io::Error>) -> LoadError<io::Error> {
    match error {
        ReadError::Source(error) => LoadError::Source(error),
        ReadError::Malformed { offset, reason } => {
            LoadError::Malformed { offset, key: crate::snapshot::InKey(None), reason }
        }
    }
}

/// Why the torn end of a file is not cut; none if it is.
fn why_not_cut(
    may_be_cut: bool,
    cuttable: bool,
    is_base: bool,
    summary: &ScanSummary,
) -> Option<&'static str> {
    // With our own marks: others append to what is a base later.
    let known = &summary.committed;
    let is_own = known.history.is_some() || known.block.is_some() || summary.blocks > 0;
    match (may_be_cut, cuttable) {
        (false, _) => Some("it is not the last file, and cutting it would leave a hole"),
        (true, false) => Some("aof-load-truncated is off"),
        (true, true) => (is_base && is_own).then_some(
            "it is a base, which no crash tears: it was put in its place when all of it was on disk",
        ),
    }
}

fn torn(
    path: &Path,
    summary: &ScanSummary,
    reason: &'static str,
    why_not_cut: &'static str,
) -> AofError {
    let reason = match reason {
        "inside a block" => "the file ends inside a block",
        BETWEEN => {
            "the file ends between two commands of a block, as it does if it was edited (then 'aof-load-edited yes' loads it, \
             and its replication position is unknown from there)"
        }
        "inside a transaction" => "the file ends inside a transaction",
        "inside an annotation" => "the file ends inside an annotation",
        "in zeros" => "the file ends in zeros",
        _ => "the file ends inside a command",
    };
    let offset = super::repair::cut_offset(&summary.committed);
    AofError::Torn { path: path.to_path_buf(), offset, reason, why_not_cut }
}

/// Hands the commands of one file to the host.
struct ApplyCommands<'a> {
    apply: &'a mut dyn Apply,
    /// Bytes of the files before.
    before: u64,
}

impl Handler for ApplyCommands<'_> {
    fn commands(&mut self, buffer: &[u8], batch: &Batch) -> Result<(), CommandRefused> {
        self.apply.commands(buffer, batch)
    }

    fn progress(&mut self, offset: u64) {
        self.apply.progress(self.before + offset);
    }
}
