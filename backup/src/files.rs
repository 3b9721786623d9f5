//! Files: the only place where one file replaces another.
//!
//! A reader must find either the old file or the whole new one, whenever the machine stops. So a new version is
//! written under another name in the same directory, and takes the old one's place only when it is on disk:
//!
//! ```text
//! write temporary ─► fsync temporary ─► rename over the target ─► fsync the directory
//! ```
//!
//! Before the rename a crash leaves the old file and a temporary one that no start looks at; after it, the new file.
//! Only the fsync of the directory makes the rename last.
//!
//! A snapshot that takes the place of another follows a rule of its own: [`Files::replace_snapshot`].
//!
//! Where the files are is behind [`FileSystem`] (`system`): the operating system (`real`), or what a test or a simulation puts
//! in its place. What order of calls survives a crash is known here only; below are single calls.
//!
//! # Invariants
//! - every failure names what was tried and on which path
//!
//! # Not here
//! - what is in the files: [`crate::snapshot`], [`crate::aof`]

#[cfg(test)]
pub(crate) mod fault;
mod kept;
mod real;
mod system;

pub use kept::{Identity, KeepRule, OwnFiles, Replaced, date};
pub use system::{File, FileSystem, FileType, Metadata, Mode, OpenFile, Taken};

use std::ffi::OsString;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use thiserror::Error;

/// What is copied at once.
const COPY_BYTES: usize = 256 * 1024;

/// The operating system's refusal.
#[derive(Debug, Error)]
#[error("{operation} {}: {source}", .path.display())]
pub struct FileError {
    /// What was tried.
    pub operation: &'static str,
    /// On which file or directory.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl FileError {
    /// Tells an error's operation and path.
    pub fn new(operation: &'static str, path: &Path, source: io::Error) -> Self {
        Self { operation, path: path.to_path_buf(), source }
    }

    /// Whether the file is not there.
    pub fn is_missing(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }
}

/// Short for `map_err` with operation and path.
pub(crate) trait OnPath<T> {
    fn on(self, operation: &'static str, path: &Path) -> Result<T, FileError>;
}

impl<T> OnPath<T> for io::Result<T> {
    fn on(self, operation: &'static str, path: &Path) -> Result<T, FileError> {
        self.map_err(|source| FileError::new(operation, path, source))
    }
}

/// The directory in which a file is.
pub fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Copies to the end of `input`.
pub(crate) fn copy(input: &mut impl Read, output: &mut File) -> io::Result<u64> {
    let mut buffer = vec![0; COPY_BYTES];
    let mut copied = 0;
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok(copied),
            Ok(read) => {
                output.write_all(&buffer[..read])?;
                copied += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// A file system, and what is done with files in it.
#[derive(Clone, Debug)]
pub struct Files(Arc<dyn FileSystem>);

impl Files {
    /// Those of this file system.
    pub fn new(system: Arc<dyn FileSystem>) -> Self {
        Self(system)
    }

    /// The operating system's.
    pub fn real() -> Self {
        Self(Arc::new(real::Real))
    }

    /// What is below: single calls.
    pub fn system(&self) -> &dyn FileSystem {
        &*self.0
    }

    fn open_as(&self, path: &Path, mode: Mode) -> io::Result<File> {
        self.0.open(path, mode).map(File::new)
    }

    /// Creates a file or empties it, for writing.
    pub fn create(&self, path: &Path) -> Result<File, FileError> {
        self.open_as(path, Mode::Create).on("create", path)
    }

    /// Opens a file for reading.
    pub fn open(&self, path: &Path) -> Result<File, FileError> {
        self.open_as(path, Mode::Read).on("open", path)
    }

    /// Opens a file for appending, which is created if it is not there.
    pub fn open_append(&self, path: &Path) -> Result<File, FileError> {
        self.open_as(path, Mode::Append).on("open for appending", path)
    }

    /// Makes a file's contents last.
    pub fn sync(&self, path: &Path) -> Result<(), FileError> {
        let file = self.open_as(path, Mode::Read);
        file.and_then(|mut file| file.sync_all()).on("fsync", path)
    }

    /// Makes a directory's names last: those created, renamed and removed in it.
    pub fn sync_directory(&self, directory: &Path) -> Result<(), FileError> {
        self.0.sync_directory(directory).on("fsync directory", directory)
    }

    /// Puts the file `temporary` in the place of `target`: fsync, rename, fsync of the directory.
    pub fn replace(&self, temporary: &Path, target: &Path) -> Result<(), FileError> {
        self.sync(temporary)?;
        self.rename_synced(temporary, target)
    }

    /// The second half of [`Self::replace`], for who has fsynced the file already.
    pub fn rename_synced(&self, source: &Path, target: &Path) -> Result<(), FileError> {
        self.0.rename(source, target, Taken::Replace).on("rename", source)?;
        self.sync_directory(parent(target))?;
        if parent(source) != parent(target) {
            self.sync_directory(parent(source))?;
        }
        Ok(())
    }

    /// Gives `target` these contents, by way of `temporary`.
    pub fn write_whole(
        &self,
        target: &Path,
        temporary: &Path,
        contents: &[u8],
    ) -> Result<(), FileError> {
        let mut file = self.create(temporary)?;
        file.write_all(contents).on("write", temporary)?;
        drop(file);
        self.replace(temporary, target)
    }

    /// Reads a whole small file, of at most `most` bytes.
    pub fn read_small(&self, path: &Path, most: u64) -> Result<Vec<u8>, FileError> {
        let file = self.open(path)?;
        let mut contents = Vec::new();
        file.take(most + 1).read_to_end(&mut contents).on("read", path)?;
        if contents.len() as u64 > most {
            let error =
                io::Error::new(io::ErrorKind::FileTooLarge, "larger than such a file can be");
            return Err(FileError::new("read", path, error));
        }
        Ok(contents)
    }

    /// Removes a file; one that is not there is no error.
    pub fn remove(&self, path: &Path) -> Result<(), FileError> {
        match self.0.remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result.on("remove", path),
        }
    }

    /// The size of a file; `None` if it is not there.
    pub fn size(&self, path: &Path) -> Result<Option<u64>, FileError> {
        self.metadata(path).map(|metadata| metadata.map(|metadata| metadata.len))
    }

    /// What has this name; `None` if nothing does.
    fn metadata(&self, path: &Path) -> Result<Option<Metadata>, FileError> {
        match self.0.metadata(path) {
            Ok(metadata) => Ok(Some(metadata)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(FileError::new("look at", path, error)),
        }
    }

    /// When a file was last written, unix milliseconds; `None` if it is not there or cannot be looked at.
    pub fn modified_ms(&self, path: &Path) -> Option<i64> {
        let modified_ns = self.0.metadata(path).ok()?.modified_ns;
        i64::try_from(modified_ns / 1_000_000).ok().filter(|_| modified_ns >= 0)
    }

    /// Whether this is a directory.
    pub fn is_directory(&self, path: &Path) -> bool {
        self.0.metadata(path).is_ok_and(|metadata| metadata.is_directory())
    }

    /// The names in a directory, sorted.
    pub fn list(&self, directory: &Path) -> Result<Vec<OsString>, FileError> {
        let mut names = self.0.list(directory).on("list", directory)?;
        names.sort();
        Ok(names)
    }

    /// Creates a directory, if it is not there, and makes its name last.
    pub fn create_directory(&self, directory: &Path) -> Result<(), FileError> {
        if self.is_directory(directory) {
            return Ok(());
        }
        self.0.create_directory(directory).on("create directory", directory)?;
        self.sync_directory(parent(directory))
    }

    /// Copies what `source` has from `offset` on into a new file `aside`, on disk when this returns.
    pub fn copy_aside(&self, source: &Path, offset: u64, aside: &Path) -> Result<u64, FileError> {
        let mut input = self.open(source)?;
        input.seek(SeekFrom::Start(offset)).on("seek in", source)?;
        let mut output = self.create(aside)?;
        let copied = copy(&mut input, &mut output).on("copy to", aside)?;
        output.sync_all().on("fsync", aside)?;
        self.sync_directory(parent(aside))?;
        Ok(copied)
    }

    /// Cuts a file to its first `len` bytes, on disk when this returns.
    pub fn cut(&self, path: &Path, len: u64) -> Result<(), FileError> {
        let mut file = self.open_as(path, Mode::Write).on("open", path)?;
        file.set_len(len).on("truncate", path)?;
        file.sync_all().on("fsync", path)
    }

    /// Overwrites a few bytes inside a file, on disk when this returns. They are there already, so there is no lack of room in
    /// the middle of them: all are written or none.
    pub fn overwrite(&self, path: &Path, offset: u64, bytes: &[u8]) -> Result<(), FileError> {
        let mut file = self.open_as(path, Mode::Write).on("open", path)?;
        file.seek(SeekFrom::Start(offset)).on("seek in", path)?;
        file.write_all(bytes).on("write", path)?;
        file.sync_all().on("fsync", path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_is_replaced_as_a_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let (target, temporary) = (folder.path().join("a"), folder.path().join("temp-a"));
        Files::real().write_whole(&target, &temporary, b"one").expect("written");
        Files::real().write_whole(&target, &temporary, b"two").expect("written");
        assert_eq!(Files::real().read_small(&target, 3).expect("read"), b"two");
        assert_eq!(Files::real().list(folder.path()).expect("listed"), ["a"]);
        assert!(Files::real().read_small(&target, 2).is_err());
        Files::real().remove(&target).expect("removed");
        Files::real().remove(&target).expect("removing what is not there");
        assert_eq!(Files::real().size(&target).expect("looked at"), None);
    }

    #[test]
    fn a_failure_leaves_the_old_file_and_names_the_path() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("a");
        Files::real().write_whole(&target, &folder.path().join("t"), b"one").expect("written");
        let nowhere = folder.path().join("no such folder/t");
        let error = Files::real().write_whole(&target, &nowhere, b"two").expect_err("no folder");
        assert!(error.is_missing() && error.to_string().contains("no such folder"), "{error}");
        assert_eq!(fs::read(&target).expect("read"), b"one");
    }

    #[test]
    fn tails_are_kept_before_they_are_cut() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, aside) = (folder.path().join("f"), folder.path().join("f.cut-3"));
        fs::write(&file, b"abcdef").expect("written");
        assert_eq!(Files::real().copy_aside(&file, 3, &aside).expect("copied"), 3);
        Files::real().cut(&file, 3).expect("cut");
        Files::real().overwrite(&file, 1, b"X").expect("overwritten");
        assert_eq!(fs::read(&file).expect("read"), b"aXc");
        assert_eq!(fs::read(&aside).expect("read"), b"def");
    }
}
