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
//! A snapshot that takes the place of another follows a rule of its own: [`replace_snapshot`].
//!
//! # Invariants
//! - `rename` is called nowhere else in the project (`clippy.toml` bans it)
//! - whatever changes something on disk is one `call`, so that tests can let each of them fail
//! - every failure names what was tried and on which path
//!
//! # Not here
//! - what is in the files: [`crate::snapshot`], [`crate::aof`]

#[cfg(test)]
pub(crate) mod fault;
mod kept;

pub use kept::{
    Identity, KeepRule, OwnFiles, Replaced, date, directory_id, keep_directory, kept_of,
    replace_snapshot,
};

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use thiserror::Error;

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

/// Makes one call to the system.
#[cfg(not(test))]
#[inline]
fn call<T>(act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    act()
}
#[cfg(test)]
use fault::call;

/// Writes all of `bytes` at the file's present position.
pub(crate) fn write_all(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    #[cfg(test)]
    if let Some(fault::Fault::Short(code)) = fault::peek() {
        let _ = fault::next();
        file.write_all(&bytes[..bytes.len() / 2])?;
        return Err(io::Error::from_raw_os_error(code));
    }
    call(|| file.write_all(bytes))
}

/// Makes what was written to a file last.
pub(crate) fn sync(file: &File) -> io::Result<()> {
    // No test loses its power: what it would wait for shows nothing.
    call(|| if cfg!(test) { Ok(()) } else { file.sync_all() })
}

/// Creates a file or empties it, for writing.
pub fn create(path: &Path) -> Result<File, FileError> {
    call(|| File::create(path)).on("create", path)
}

/// Opens a file for reading.
pub fn open(path: &Path) -> Result<File, FileError> {
    File::open(path).on("open", path)
}

/// Opens a file for appending, which is created if it is not there.
pub fn open_append(path: &Path) -> Result<File, FileError> {
    call(|| OpenOptions::new().append(true).create(true).open(path)).on("open for appending", path)
}

/// Makes a directory's names last: those created, renamed and removed in it.
pub fn sync_directory(directory: &Path) -> Result<(), FileError> {
    File::open(directory).and_then(|file| sync(&file)).on("fsync directory", directory)
}

/// Puts the file `temporary` in the place of `target`: fsync, rename, fsync of the directory.
pub fn replace(temporary: &Path, target: &Path) -> Result<(), FileError> {
    File::open(temporary).and_then(|file| sync(&file)).on("fsync", temporary)?;
    rename_synced(temporary, target)
}

/// The second half of [`replace`], for who has fsynced the file already.
#[expect(clippy::disallowed_methods, reason = "this is the one place that may")]
pub fn rename_synced(source: &Path, target: &Path) -> Result<(), FileError> {
    call(|| fs::rename(source, target)).on("rename", source)?;
    sync_directory(parent(target))?;
    if parent(source) != parent(target) {
        sync_directory(parent(source))?;
    }
    Ok(())
}

/// Gives `target` these contents, by way of `temporary`.
pub fn write_whole(target: &Path, temporary: &Path, contents: &[u8]) -> Result<(), FileError> {
    let mut file = create(temporary)?;
    write_all(&mut file, contents).on("write", temporary)?;
    drop(file);
    replace(temporary, target)
}

/// Reads a whole small file, of at most `most` bytes.
pub fn read_small(path: &Path, most: u64) -> Result<Vec<u8>, FileError> {
    let file = open(path)?;
    let mut contents = Vec::new();
    file.take(most + 1).read_to_end(&mut contents).on("read", path)?;
    if contents.len() as u64 > most {
        let error = io::Error::new(io::ErrorKind::FileTooLarge, "larger than such a file can be");
        return Err(FileError::new("read", path, error));
    }
    Ok(contents)
}

/// Removes a file; one that is not there is no error.
pub fn remove(path: &Path) -> Result<(), FileError> {
    match call(|| fs::remove_file(path)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result.on("remove", path),
    }
}

/// The size of a file; `None` if it is not there.
pub fn size(path: &Path) -> Result<Option<u64>, FileError> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some(metadata.len())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FileError::new("look at", path, error)),
    }
}

/// When a file was last written, unix milliseconds; `None` if it is not there or cannot be looked at.
pub fn modified_ms(path: &Path) -> Option<i64> {
    let modified = fs::metadata(path).and_then(|metadata| metadata.modified()).ok()?;
    let since = modified.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok()
}

/// The names in a directory, sorted.
pub fn list(directory: &Path) -> Result<Vec<OsString>, FileError> {
    let entries = fs::read_dir(directory).on("list", directory)?;
    let names: io::Result<Vec<OsString>> =
        entries.map(|entry| entry.map(|entry| entry.file_name())).collect();
    let mut names = names.on("list", directory)?;
    names.sort();
    Ok(names)
}

/// Creates a directory, if it is not there, and makes its name last.
pub fn create_directory(directory: &Path) -> Result<(), FileError> {
    if directory.is_dir() {
        return Ok(());
    }
    call(|| fs::create_dir(directory)).on("create directory", directory)?;
    sync_directory(parent(directory))
}

/// Copies what `source` has from `offset` on into a new file `aside`, on disk when this returns.
pub fn copy_aside(source: &Path, offset: u64, aside: &Path) -> Result<u64, FileError> {
    let mut input = open(source)?;
    input.seek(SeekFrom::Start(offset)).on("seek in", source)?;
    let mut output = create(aside)?;
    let copied = call(|| io::copy(&mut input, &mut output)).on("copy to", aside)?;
    sync(&output).on("fsync", aside)?;
    sync_directory(parent(aside))?;
    Ok(copied)
}

/// Cuts a file to its first `len` bytes, on disk when this returns.
pub fn cut(path: &Path, len: u64) -> Result<(), FileError> {
    let file = OpenOptions::new().write(true).open(path).on("open", path)?;
    call(|| file.set_len(len)).on("truncate", path)?;
    sync(&file).on("fsync", path)
}

/// Overwrites a few bytes inside a file, on disk when this returns. They are there already, so there is no lack of room in
/// the middle of them: all are written or none.
pub fn overwrite(path: &Path, offset: u64, bytes: &[u8]) -> Result<(), FileError> {
    let mut file = OpenOptions::new().write(true).open(path).on("open", path)?;
    file.seek(SeekFrom::Start(offset)).on("seek in", path)?;
    call(|| file.write_all(bytes)).on("write", path)?;
    sync(&file).on("fsync", path)
}

/// The directory in which a file is.
pub fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let (target, temporary) = (folder.path().join("a"), folder.path().join("temp-a"));
        write_whole(&target, &temporary, b"one").expect("written");
        write_whole(&target, &temporary, b"two").expect("written");
        assert_eq!(read_small(&target, 3).expect("read"), b"two");
        assert_eq!(list(folder.path()).expect("listed"), ["a"]);
        assert!(read_small(&target, 2).is_err());
        remove(&target).expect("removed");
        remove(&target).expect("removing what is not there");
        assert_eq!(size(&target).expect("looked at"), None);
    }

    #[test]
    fn a_failure_leaves_the_old_file_and_names_the_path() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("a");
        write_whole(&target, &folder.path().join("t"), b"one").expect("written");
        let nowhere = folder.path().join("no such folder/t");
        let error = write_whole(&target, &nowhere, b"two").expect_err("no folder");
        assert!(error.is_missing() && error.to_string().contains("no such folder"), "{error}");
        assert_eq!(fs::read(&target).expect("read"), b"one");
    }

    #[test]
    fn tails_are_kept_before_they_are_cut() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, aside) = (folder.path().join("f"), folder.path().join("f.cut-3"));
        fs::write(&file, b"abcdef").expect("written");
        assert_eq!(copy_aside(&file, 3, &aside).expect("copied"), 3);
        cut(&file, 3).expect("cut");
        overwrite(&file, 1, b"X").expect("overwritten");
        assert_eq!(fs::read(&file).expect("read"), b"aXc");
        assert_eq!(fs::read(&aside).expect("read"), b"def");
    }
}
