//! What lies beside the files that are loaded: a dump that was never loaded, an append-only file that is younger.
//!
//! A server loads one of two: the append-only file where that is on, the snapshot otherwise. Who switches from one to the
//! other by the configuration alone, as many instructions say, leaves data unread that a later save or rewrite replaces. So
//!
//! - with `appendonly yes`, no append-only file and a dump, the dump becomes the base of the new append-only file:
//!
//! ```text
//! load the dump ─► base 1 of what was loaded, fsynced ─► incremental file 1 ─► manifest ─► clients are served
//!                                                                              ╰ before it: the next start does the same
//! ```
//!
//! - with `appendonly no` beside an append-only file that is younger than the dump, both are named in a warning; so they are
//!   where the append-only file has no key and the dump has.
//!
//! - with `appendonly yes` and append-only files without a manifest, the start is refused: beginning anew would overwrite
//!   them, and which belong together only the manifest says
//! - a folder of append-only files that this process has not loaded is renamed before another takes its place (CONFIG SET
//!   appendonly yes, BGREWRITEAOF while it is off)
//!
//! `aof-ignore-dump yes` leaves the dump and such files unread, as Redis does.
//!
//! # Not here
//! - what is not loaded is not overwritten either: `backup::files::Files::replace_snapshot`

use super::loader::Outcome;
use crate::config::Settings;
use crate::node::{Node, Outside};
use backup::aof::{AofDir, BaseForm, BaseJob};
use backup::files::{File, Files};
use backup::snapshot::{SaveOptions, SnapshotMeta};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Says that nothing can be loaded, and what can be done.
pub fn refused_dump(path: &Path, error: &str) -> String {
    let path = path.display();
    format!(
        "{error}. There is no append only file yet, so {path} is to become its base, and it cannot be loaded. Ways out: put a \
         snapshot that can be loaded in its place; move it elsewhere, to begin without data; or start with 'aof-ignore-dump \
         yes', which leaves it unread as Redis does"
    )
}

/// Append-only files are there and no manifest: why nothing is begun, and what can be done.
pub fn refuse_strays(dir: &AofDir, settings: &Settings) -> Result<(), String> {
    let strays = dir.strays().map_err(|error| error.to_string())?;
    let Some(first) = strays.first() else { return Ok(()) };
    let (folder, count) = (&settings.appenddirname, strays.len());
    if settings.aof_ignore_dump {
        tracing::warn!(
            "{folder} has {count} append only file(s) without a manifest. They are not loaded, because aof-ignore-dump is set: \
             those with the names of new ones are overwritten"
        );
        return Ok(());
    }
    Err(format!(
        "{folder} has {count} append only file(s) with data, {} for one, and no manifest ({}.manifest) that says which belong \
         together. Beginning anew would overwrite them. Ways out: copy the manifest there too; move {folder} elsewhere, to begin \
         with the dump or without data; or start with 'aof-ignore-dump yes', which overwrites them as Redis does",
        first.display(),
        settings.appendfilename
    ))
}

/// The snapshot that is to become the base of an append-only file that does not exist yet.
pub fn dump_for_base(files: &Files, settings: &Settings) -> Result<Option<(PathBuf, u64)>, String> {
    let path = PathBuf::from(&settings.dbfilename);
    let size = files.size(&path).map_err(|error| error.to_string())?;
    if size.is_some() && settings.aof_ignore_dump {
        tracing::warn!(
            "{} is not loaded, because the append only file is on and aof-ignore-dump is set: starting without data",
            path.display()
        );
        return Ok(None);
    }
    Ok(size.map(|size| (path, size)))
}

/// Seconds since a file was written, as words.
fn age(modified_ms: i64, now_ms: i64) -> String {
    let seconds = (now_ms - modified_ms).max(0) / 1000;
    format!("written {seconds} seconds ago")
}

/// With `appendonly no`: whether an append-only file is there that is younger than the snapshot. It is only said.
pub fn warn_of_younger_aof(files: &Files, settings: &Settings, now_ms: i64) {
    let (directory, name) = (&settings.appenddirname, &settings.appendfilename);
    let newest = AofDir::newest(files, Path::new("."), OsStr::new(directory), OsStr::new(name));
    let Some((aof, aof_ms)) = newest else { return };
    let dump = Path::new(&settings.dbfilename);
    let loaded = match files.modified_ms(dump) {
        Some(dump_ms) if dump_ms >= aof_ms => return,
        Some(dump_ms) => format!("{} ({}) is loaded", dump.display(), age(dump_ms, now_ms)),
        None => format!("there is no {} to load", dump.display()),
    };
    let aof_name = aof.strip_prefix(".").unwrap_or(&aof).display();
    tracing::warn!(
        "appendonly is 'no': {loaded}, and the append only file is not, although it is younger: {aof_name} ({}). If its data \
         are wanted, stop this server by SHUTDOWN NOSAVE and start it with 'appendonly yes'",
        age(aof_ms, now_ms)
    );
}

/// With `appendonly yes`: the append-only file was loaded and gave no key, and there is a snapshot that has some, or that
/// nobody can read.
pub fn warn_of_empty_aof(files: &Files, settings: &Settings, now_ms: i64) {
    let dump = Path::new(&settings.dbfilename);
    if backup::snapshot::has_keys(files, dump) == Some(false) {
        return;
    }
    let Some(dump_ms) = files.modified_ms(dump) else { return };
    tracing::warn!(
        "The append only file in {} has no keys. {} ({}) is beside it and is not loaded. If its data are wanted, stop this \
         server by SHUTDOWN NOSAVE, move {} elsewhere and start it again",
        settings.appenddirname,
        dump.display(),
        age(dump_ms, now_ms),
        settings.appenddirname
    );
}

/// What is to become the first base: for another thread.
pub struct NewBase {
    dir: AofDir,
    meta: SnapshotMeta,
    options: SaveOptions,
    form: BaseForm,
}

impl NewBase {
    /// Makes the files. The manifest is the last of them: without it a start loads the dump again.
    pub fn make(self, outcome: &Outcome) -> Result<(AofDir, File), String> {
        let Self { mut dir, meta, options, form } = self;
        let base = BaseJob { dbs: &outcome.dbs, meta: &meta, options, form };
        let file = dir.initialize(base).map_err(|error| error.to_string())?;
        Ok((dir, file))
    }
}

impl Node {
    /// Goes on where the dump ends, of which the base is to be made.
    pub(super) fn begin_base_of_dump(&mut self, outcome: &mut Outcome) -> Result<NewBase, String> {
        tracing::info!(
            "There is no append only file yet: {} becomes its base",
            self.host.settings.dbfilename
        );
        if let Some(point) = outcome.point.take() {
            self.continue_from(point, outcome.meta.as_ref());
        }
        let meta = self.host.snapshot_meta(&self.engine, true);
        let meta = SnapshotMeta { functions: outcome.functions.clone(), ..meta };
        let options = self.host.save_options();
        let form = self.host.base_form();
        Ok(NewBase { dir: self.host.aof_to_load()?.0, meta, options, form })
    }
}

impl Outside {
    /// This process has loaded or written the append-only file that is there.
    pub(super) fn note_own_folder(&mut self) {
        let folder = Path::new(&self.settings.appenddirname);
        self.persistence.own_folder = self.files.directory_id(folder);
    }

    /// Another append-only file is to take the place of the one that is there: one that this process has neither loaded nor
    /// written is kept.
    pub(super) fn keep_other_folder(&mut self) -> Result<(), String> {
        let folder = Path::new(&self.settings.appenddirname).to_path_buf();
        let most = self.settings.aof_keep_replaced as usize;
        let is_own = self.files.directory_id(&folder) == self.persistence.own_folder;
        // Opening it takes over the single file of an older server, which then is in it.
        let (dir, _) = self.aof_to_load()?;
        if most == 0 || is_own || !dir.has_data().map_err(|error| error.to_string())? {
            return Ok(());
        }
        let kept = self.files.keep_directory(&folder, most, self.now.unix_ms);
        let (path, not_removed) = kept.map_err(|error| error.to_string())?;
        self.persistence.figures.folders_kept += 1;
        tracing::warn!(
            "The append only file in {} was neither loaded nor written by this process. It is kept as {}; at most {most} are \
             (aof-keep-replaced)",
            folder.display(),
            path.display()
        );
        if let Some(error) = not_removed {
            tracing::warn!("Removing older append only files that were kept: {error}");
        }
        Ok(())
    }

    /// The first files are there.
    pub(super) fn append_to_first(&mut self, (dir, file): (AofDir, File)) -> Result<(), String> {
        self.start_appending(dir, file).map_err(|error| error.to_string())
    }
}
