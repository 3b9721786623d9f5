//! The directory of the append-only file: its manifest, its names, and the steps that change them.
//!
//! ```text
//! open:     old single file? ─► directory, manifest naming it, rename it in        (any step can be the last)
//!           nothing?         ─► initialize: base 1, incremental 1, then the manifest
//! rewrite:  begin_rewrite: incremental n+1, manifest ─► … fork … ─►
//!           finish_rewrite: rename the base in, manifest (old files are history) ─► delete_history: files, manifest
//! at run time on: begin_switch_on: temporary incremental file ─► … fork … ─► finish_switch_on: both renamed, manifest
//! ```
//!
//! The manifest on disk always names a complete set: files are made before it names them and deleted after it says
//! that they are history. A step that fails leaves the manifest as before, or, if it failed behind the rename, as it was
//! to become: the directory's fsync tells nothing of what it did. Which of them it is has to be known before the next
//! step: names that the manifest on disk uses must not be used again for something else.
//!
//! # Invariants
//! - `manifest` is what is on disk, once [`AofDir::open`] has found or [`AofDir::initialize`] has made one
//! - nothing is done while it is not known what is on disk
//!
//! # Source
//! - `aof.c` of Redis 7.2: files, manifest, start

use super::AofError;
use super::base::{BaseJob, save_base};
use crate::files::{self, File, FileError, Files, OnPath};
use journal::planted::{self, Fault};
use protocol::aof::{FileEntry, FileKind, FollowsMark, Manifest};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The most a manifest can have. Ours have three lines.
const MANIFEST_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// The manifest while the first files get their names: Redis takes it for one without files, as we do.
const NOTHING_YET: &[u8] = b"# There is no base yet.\n";

/// An append-only file's directory.
#[derive(Debug)]
pub struct AofDir {
    files: Files,
    /// Where the server's files are.
    dir: PathBuf,
    /// Where the files of the append-only file are.
    directory: PathBuf,
    prefix: OsString,
    manifest: Manifest,
    /// A manifest may have been written or not: it has to be read again.
    doubtful: bool,
    /// The number of the file that was given out to be appended to, if the manifest names it.
    appended: Option<u64>,
}

/// What [`AofDir::open`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// Nothing: [`AofDir::initialize`] comes next.
    Nothing,
    /// Files to be loaded.
    Files,
    /// A single file of an older server, which is now the base.
    Upgraded,
}

impl AofDir {
    /// Looks at what is there, and takes over the single file of an older server. `directory_name` and `prefix` are
    /// plain names (`appenddirname`, `appendfilename`).
    pub fn open(
        files: &Files,
        dir: &Path,
        directory_name: &OsStr,
        prefix: &OsStr,
    ) -> Result<(Self, Opened), AofError> {
        let mut this = Self {
            files: files.clone(),
            dir: dir.to_path_buf(),
            directory: dir.join(directory_name),
            prefix: prefix.to_os_string(),
            manifest: Manifest::default(),
            doubtful: false,
            appended: None,
        };
        let path = this.manifest_path();
        let found = match files.size(&path)? {
            Some(_) => {
                let text = files.read_small(&path, MANIFEST_MAX_BYTES)?;
                let manifest = Manifest::parse(&text);
                this.manifest =
                    manifest.map_err(|source| AofError::Manifest { path: path.clone(), source })?;
                true
            }
            None => false,
        };
        this.files.remove(&this.temporary_manifest_path())?;
        // One that names nothing was written while the first files got their names.
        let found = found && this.manifest.files().next().is_some();
        if this.must_upgrade(found)? {
            this.upgrade(found)?;
            return Ok((this, Opened::Upgraded));
        }
        let nothing = this.manifest.base.is_none() && this.manifest.incremental.is_empty();
        Ok((this, if nothing { Opened::Nothing } else { Opened::Files }))
    }

    /// Whether a single file is to become the base: also after a start that stopped half-way.
    fn must_upgrade(&self, has_manifest: bool) -> Result<bool, FileError> {
        if self.files.size(&self.dir.join(&self.prefix))?.is_none() {
            return Ok(false);
        }
        let mut named = self.manifest.files();
        let only_it = matches!(
            (named.next(), named.next()),
            (Some((FileKind::Base, entry)), None) if entry.name == self.prefix.as_bytes()
        );
        let there = self.files.size(&self.directory.join(&self.prefix))?.is_some();
        Ok(!has_manifest || (only_it && !there))
    }

    fn upgrade(&mut self, has_manifest: bool) -> Result<(), FileError> {
        self.files.create_directory(&self.directory)?;
        if !has_manifest {
            let base = FileEntry { name: self.prefix.as_bytes().to_vec(), sequence: 1 };
            self.adopt(Manifest { base: Some(base), ..Manifest::default() })?;
        }
        self.files.rename_synced(&self.dir.join(&self.prefix), &self.directory.join(&self.prefix))
    }

    /// Files with data that no manifest names, because there is none: it was lost, or not copied with them. A first start
    /// that was stopped half-way leaves base 1 and an empty file at most, and [`Self::finish_switch_on`] a manifest.
    pub fn strays(&self) -> Result<Vec<PathBuf>, FileError> {
        if !self.files.is_directory(&self.directory)
            || self.files.size(&self.manifest_path())?.is_some()
        {
            return Ok(Vec::new());
        }
        let names = self.files.list(&self.directory)?.into_iter();
        let paths =
            names.filter(|name| self.is_of_set(name, 1)).map(|name| self.directory.join(name));
        let mut strays = Vec::new();
        for path in paths {
            if holds_data(&self.files, &path)? {
                strays.push(path);
            }
        }
        Ok(strays)
    }

    /// Whether the directory has files with data, named or not.
    pub fn has_data(&self) -> Result<bool, FileError> {
        if !self.files.is_directory(&self.directory) {
            return Ok(false);
        }
        let named: Vec<PathBuf> = self.manifest.files().map(|(_, e)| self.path_of(e)).collect();
        let all = self.files.list(&self.directory)?.into_iter();
        let of_set =
            all.filter(|name| self.is_of_set(name, 0)).map(|name| self.directory.join(name));
        for path in named.into_iter().chain(of_set) {
            if holds_data(&self.files, &path)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a name is one of an incremental file, or of a base above some number.
    fn is_of_set(&self, name: &OsStr, base: u64) -> bool {
        let rest = name.as_bytes().strip_prefix(self.prefix.as_bytes());
        let Some(rest) = rest.and_then(|rest| rest.strip_prefix(b".")) else { return false };
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (number, kind) = rest.split_at(digits);
        let number = std::str::from_utf8(number).ok().and_then(|text| text.parse::<u64>().ok());
        match kind {
            b".incr.aof" => number.is_some(),
            b".base.rdb" | b".base.aof" => number.is_some_and(|number| number > base),
            _ => false,
        }
    }

    /// Which of the files was written last, and when, unix milliseconds. Changes nothing, and takes what cannot be read for
    /// nothing: for who does not load them.
    pub fn newest(
        files: &Files,
        dir: &Path,
        directory_name: &OsStr,
        prefix: &OsStr,
    ) -> Option<(PathBuf, i64)> {
        let directory = dir.join(directory_name);
        let manifest =
            files.read_small(&directory.join(join(prefix, ".manifest")), MANIFEST_MAX_BYTES);
        let manifest = manifest.ok().and_then(|text| Manifest::parse(&text).ok());
        let manifest = manifest.unwrap_or_default();
        let named = manifest.base.iter().chain(&manifest.incremental);
        let named = named.map(|entry| directory.join(OsStr::from_bytes(&entry.name)));
        let all = named.chain(std::iter::once(dir.join(prefix)));
        let dated = all.filter_map(|path| files.modified_ms(&path).map(|ms| (path, ms)));
        dated.max_by_key(|(_, ms)| *ms)
    }

    /// Makes the first set of files. Returns the incremental file, to be appended to.
    pub fn initialize(&mut self, base: BaseJob<'_>) -> Result<File, FileError> {
        self.files.create_directory(&self.directory)?;
        let mut next = self.next_manifest()?;
        let rdb = base.form.is_rdb();
        let target = self.path_of(next.replace_base(self.prefix.as_bytes(), rdb, u64::MAX));
        let temporary = self.directory.join(if rdb { "temp-base.rdb" } else { "temp-base.aof" });
        save_base(&self.files, &target, &temporary, base, &mut |_| ())?;
        let entry = next.add_incremental(self.prefix.as_bytes()).clone();
        let path = self.path_of(&entry);
        self.files.create(&path)?;
        self.adopt(next)?;
        self.appended = Some(entry.sequence);
        self.files.open_append(&path)
    }

    /// The manifest on disk.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Where its files are.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// The directory of the files.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where a file is.
    pub fn path_of(&self, entry: &FileEntry) -> PathBuf {
        self.directory.join(OsStr::from_bytes(&entry.name))
    }

    fn manifest_path(&self) -> PathBuf {
        self.directory.join(join(&self.prefix, ".manifest"))
    }

    fn temporary_manifest_path(&self) -> PathBuf {
        self.directory.join(join(OsStr::new("temp-"), join(&self.prefix, ".manifest")))
    }

    fn temporary_incremental_path(&self) -> PathBuf {
        self.directory.join(join(OsStr::new("temp-"), join(&self.prefix, ".incr")))
    }

    /// Makes `next` the manifest, on disk first.
    fn adopt(&mut self, next: Manifest) -> Result<(), FileError> {
        let text = next.to_bytes();
        self.doubtful = true;
        self.files.write_whole(&self.manifest_path(), &self.temporary_manifest_path(), &text)?;
        self.manifest = next;
        self.doubtful = false;
        Ok(())
    }

    /// A copy of the manifest that is to become the next one. What is on disk is looked at first, if that is not known.
    fn next_manifest(&mut self) -> Result<Manifest, FileError> {
        if self.doubtful {
            let path = self.manifest_path();
            self.manifest = match self.files.size(&path)? {
                None => Manifest::default(),
                Some(_) => {
                    let text = self.files.read_small(&path, MANIFEST_MAX_BYTES)?;
                    let wrong = |error| io::Error::new(io::ErrorKind::InvalidData, error);
                    Manifest::parse(&text).map_err(wrong).on("read", &path)?
                }
            };
            // It is to last before something else goes by it.
            self.files.sync_directory(&self.directory)?;
            self.doubtful = false;
        }
        Ok(self.manifest.clone())
    }

    /// Opens the last incremental file for appending, after a load; makes one if there is none. What was loaded lasts when this
    /// returns.
    pub fn open_last(&mut self) -> Result<File, FileError> {
        self.sync_loaded()?;
        let Some(entry) = self.manifest.incremental.last() else {
            return self.add_incremental().map(|(file, _)| file);
        };
        self.appended = Some(entry.sequence);
        self.files.open_append(&self.path_of(entry))
    }

    /// A process that was killed leaves what the system has and the disk may not: names that were not fsynced, the end of the file
    /// that it wrote to, or of that before it. What comes behind them must not be on disk without them.
    fn sync_loaded(&self) -> Result<(), FileError> {
        self.files.sync_directory(files::parent(&self.directory))?;
        self.files.sync_directory(&self.directory)?;
        for entry in &self.manifest.incremental {
            self.files.sync(&self.path_of(entry))?;
        }
        Ok(())
    }

    /// The number of the file that is appended to, if the manifest names it: for [`super::Order::Switch`].
    pub fn appended(&self) -> Option<u64> {
        self.appended
    }

    /// What the file of [`Self::open_last`] follows, if nothing is in it yet: the last one before it that is not empty.
    pub fn followed(&self) -> Result<Option<FollowsMark>, FileError> {
        let sized = self.manifest.incremental.iter().rev().map(|entry| {
            let size = self.files.size(&self.path_of(entry))?.unwrap_or(0);
            Ok(FollowsMark { sequence: entry.sequence, size, offset: None })
        });
        let written = sized.skip_while(|mark| mark.as_ref().is_ok_and(|mark| mark.size == 0));
        let written: Option<FollowsMark> = { written }.next().transpose()?;
        Ok(written.filter(|mark| Some(mark.sequence) != self.appended))
    }

    /// The first step of a rewrite: the file to which everything goes from now on, and its number, which
    /// [`Self::finish_rewrite`] asks for.
    pub fn begin_rewrite(&mut self) -> Result<(File, u64), FileError> {
        self.add_incremental()
    }

    fn add_incremental(&mut self) -> Result<(File, u64), FileError> {
        let manifest = self.next_manifest()?;
        let mut least = 0;
        let (next, path, sequence) = loop {
            let mut next = manifest.clone();
            let entry = next.add_incremental_above(self.prefix.as_bytes(), least);
            let (path, sequence) = (self.path_of(entry), entry.sequence);
            // An empty file of this name is left from a crash between the two steps below. One with data was named once: the
            // manifest has lost a line, and nobody has loaded it.
            if !holds_data(&self.files, &path)? {
                break (next, path, sequence);
            }
            least = sequence;
        };
        let file = self.files.create(&path)?;
        drop(file);
        self.files.sync_directory(&self.directory)?;
        self.adopt(next)?;
        let file = self.files.open_append(&path)?;
        self.appended = Some(sequence);
        Ok((file, sequence))
    }

    /// The last step of a rewrite: `temporary` (complete and fsynced) becomes the base, the files before `first_kept`
    /// become history.
    pub fn finish_rewrite(
        &mut self,
        temporary: &Path,
        rdb: bool,
        first_kept: u64,
    ) -> Result<(), FileError> {
        // Not there yet, if nothing was ever appended.
        self.files.create_directory(&self.directory)?;
        let mut next = self.next_manifest()?;
        let target = self.path_of(next.replace_base(self.prefix.as_bytes(), rdb, first_kept));
        if planted::is(Fault::ManifestBeforeBase) {
            self.adopt(next)?;
            return self.files.replace(temporary, &target);
        }
        self.files.replace(temporary, &target)?;
        self.adopt(next)
    }

    /// Switching on at run time: a file for what happens until the first base is there. It is in no manifest.
    pub fn begin_switch_on(&mut self) -> Result<File, FileError> {
        self.files.create_directory(&self.directory)?;
        let path = self.temporary_incremental_path();
        // Not emptied but made anew: one of an attempt before may still be written to, and its base has all of that.
        self.files.remove(&path)?;
        self.files.create(&path)?;
        self.appended = None;
        self.files.open_append(&path)
    }

    /// The base is there: it and the file of [`Self::begin_switch_on`] become the set, all older files history.
    pub fn finish_switch_on(&mut self, temporary: &Path, rdb: bool) -> Result<(), FileError> {
        let mut next = self.next_manifest()?;
        let prefix = self.prefix.as_bytes();
        // The new number must be above those that become history now.
        let incremental = next.add_incremental(prefix).clone();
        let base = self.path_of(next.replace_base(prefix, rdb, incremental.sequence));
        let manifest = self.manifest_path();
        if self.files.size(&manifest)?.is_none() {
            // Tells what a crash leaves before the last step from files whose manifest was lost.
            self.files.write_whole(&manifest, &self.temporary_manifest_path(), NOTHING_YET)?;
        }
        self.files.replace(temporary, &base)?;
        self.files.replace(&self.temporary_incremental_path(), &self.path_of(&incremental))?;
        self.adopt(next)?;
        self.appended = Some(incremental.sequence);
        Ok(())
    }

    /// Switching on has failed or was taken back: its file goes.
    pub fn cancel_switch_on(&mut self) -> Result<(), FileError> {
        self.files.remove(&self.temporary_incremental_path())
    }

    /// Deletes what is history, then forgets it. Returns the names of the deleted files.
    pub fn delete_history(&mut self) -> Result<Vec<PathBuf>, FileError> {
        let mut next = self.next_manifest()?;
        let history = next.take_history();
        if history.is_empty() {
            return Ok(Vec::new());
        }
        let paths: Vec<PathBuf> = history.iter().map(|entry| self.path_of(entry)).collect();
        paths.iter().try_for_each(|path| self.files.remove(path))?;
        self.adopt(next)?;
        Ok(paths)
    }

    /// The size of the base, and of base and incremental files together.
    pub fn sizes(&self) -> Result<(u64, u64), FileError> {
        let size = |entry: &FileEntry| Ok(self.files.size(&self.path_of(entry))?.unwrap_or(0));
        let base = self.manifest.base.as_ref().map_or(Ok(0), size)?;
        let incremental: Result<u64, FileError> = self.manifest.incremental.iter().map(size).sum();
        Ok((base, base + incremental?))
    }
}

/// Whether it is a file, and not empty.
fn holds_data(files: &Files, path: &Path) -> Result<bool, FileError> {
    let is_file = files.identity_at(path)?.is_some();
    Ok(is_file && files.size(path)?.is_some_and(|size| size > 0))
}

fn join(left: &OsStr, right: impl AsRef<OsStr>) -> OsString {
    let mut name = left.to_os_string();
    name.push(right);
    name
}
