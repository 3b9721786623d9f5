//! Snapshots in files: big-buffered reading, and saving by way of a temporary file.
//!
//! # Not here
//! - saving in a forked child: [`crate::fork`]

use super::load::{LoadError, LoadOptions, LoadedMeta, load_snapshot};
use super::save::{SaveOptions, SaveStats, SnapshotMeta, write_snapshot};
use crate::files::{File, FileError, Files, KeepRule, OnPath, Replaced};
use journal::planted::{self, Fault};
use keyspace::db::Db;
use keyspace::limits::Limits;
use protocol::rdb::{Item, Reader, Sink, Source};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// How often a file being written is handed to the disk, so that the last fsync has little left to do. Redis's
/// `rdb-save-incremental-fsync` has the same distance.
const SYNC_BYTES: u64 = 4 * 1024 * 1024;

/// A file, or any other stream of bytes, as a source. The reader behind it has the buffer.
#[derive(Debug)]
pub struct FileSource<R>(pub R);

impl<R: Read> Source for FileSource<R> {
    type Error = io::Error;

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }
}

/// A file as a sink. The writer before it has the buffer.
#[derive(Debug)]
pub struct FileSink {
    file: File,
    unsynced: u64,
    /// Whether the disk is kept busy on the way (`rdb-save-incremental-fsync`).
    incremental_sync: bool,
}

impl FileSink {
    /// Writes to the file's present position.
    pub fn new(file: File, incremental_sync: bool) -> Self {
        Self { file, unsynced: 0, incremental_sync }
    }

    /// Makes everything last and gives back the file.
    pub fn finish(mut self) -> io::Result<File> {
        self.file.sync_all()?;
        Ok(self.file)
    }
}

impl Sink for FileSink {
    type Error = io::Error;

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.unsynced += bytes.len() as u64;
        if self.incremental_sync && self.unsynced >= SYNC_BYTES {
            self.file.sync_data()?;
            self.unsynced = 0;
        }
        Ok(())
    }
}

/// Saves as the snapshot `target`, by way of `temporary`, which is removed if that fails. What SAVE does. One in its place
/// that is not our own is kept as `rule` says.
pub fn save_snapshot(
    files: &Files,
    target: &Path,
    temporary: &Path,
    (dbs, meta): (&[Db], &SnapshotMeta),
    options: SaveOptions,
    rule: &KeepRule,
    progress: &mut dyn FnMut(u64),
) -> Result<Replaced, FileError> {
    let write = |sink: &mut FileSink| write_snapshot(sink, dbs, meta, options, progress);
    let place = || files.replace_snapshot(temporary, target, rule);
    save_and(files, temporary, write, place).map(|(_, replaced)| replaced)
}

/// Saves to `target`, which is nobody else's, by way of `temporary`, which is removed if that fails.
pub fn save_file(
    files: &Files,
    target: &Path,
    temporary: &Path,
    dbs: &[Db],
    meta: &SnapshotMeta,
    options: SaveOptions,
    progress: &mut dyn FnMut(u64),
) -> Result<SaveStats, FileError> {
    let write = |sink: &mut FileSink| write_snapshot(sink, dbs, meta, options, progress);
    let place = || files.rename_synced(temporary, target);
    save_and(files, temporary, write, place).map(|(stats, ())| stats)
}

/// The same for what is not a snapshot.
pub(crate) fn save_commands(
    files: &Files,
    target: &Path,
    temporary: &Path,
    write: impl FnOnce(&mut FileSink) -> io::Result<()>,
) -> Result<(), FileError> {
    let place = || files.rename_synced(temporary, target);
    save_and(files, temporary, write, place).map(|_| ())
}

/// Saves to `temporary`, and lets `place` do the rest when that is on disk.
pub(crate) fn save_and<T, P>(
    files: &Files,
    temporary: &Path,
    write: impl FnOnce(&mut FileSink) -> io::Result<T>,
    place: impl FnOnce() -> Result<P, FileError>,
) -> Result<(T, P), FileError> {
    let save = || {
        let sink = &mut FileSink::new(files.create(temporary)?, true);
        let written = write(sink).on("write", temporary)?;
        if !planted::is(Fault::NamedBeforeFsync) {
            sink.file.sync_all().on("fsync", temporary)?;
        }
        Ok((written, place()?))
    };
    let result = save();
    if result.is_err() {
        // The error that matters is the first one.
        let _ = files.remove(temporary);
    }
    result
}

/// Whether a snapshot has a key; `None` if that cannot be read. Reads no further than the first one.
pub fn has_keys(files: &Files, path: &Path) -> Option<bool> {
    let mut reader = Reader::new(FileSource(files.open(path).ok()?)).ok()?;
    loop {
        match reader.next().ok()? {
            Item::Key { .. } => return Some(true),
            Item::End(_) => return Some(false),
            _ => {}
        }
    }
}

/// Why a file was not loaded.
#[derive(Debug, Error)]
pub enum FileLoadError {
    /// The operating system's refusal.
    #[error(transparent)]
    File(#[from] FileError),
    /// The bytes are wrong.
    #[error("{}, {source}", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where and what.
        source: LoadError<io::Error>,
    },
}

impl FileLoadError {
    /// Adds the path to an error.
    pub(crate) fn at(path: &Path, error: LoadError<io::Error>) -> Self {
        match error {
            LoadError::Source(source) => Self::File(FileError::new("read", path, source)),
            source => Self::Malformed { path: path.to_path_buf(), source },
        }
    }
}

/// Loads a file. Bytes after its checksum are not looked at, as with peers.
pub fn load_file(
    files: &Files,
    path: &Path,
    dbs: &mut [Db],
    limits: &Limits,
    options: LoadOptions<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<LoadedMeta, FileLoadError> {
    load_opened(path, files.open(path)?, dbs, limits, options, progress)
}

/// The same of a file that is open already: whatever has its name by now.
pub fn load_opened(
    path: &Path,
    file: File,
    dbs: &mut [Db],
    limits: &Limits,
    options: LoadOptions<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<LoadedMeta, FileLoadError> {
    load_snapshot(FileSource(file), dbs, limits, options, progress)
        .map_err(|error| FileLoadError::at(path, error))
}
