//! The operating system's files.
//!
//! # Invariants
//! - `std::fs` is used for files nowhere else in this crate, and `rename` nowhere else in the project (`clippy.toml` bans it)

use super::system::{FileSystem, FileType, Metadata, Mode, OpenFile, Taken};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, IoSlice, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Paths are those of the process, relative ones included.
#[derive(Debug)]
pub(super) struct Real;

impl FileSystem for Real {
    fn open(&self, path: &Path, mode: Mode) -> io::Result<Box<dyn OpenFile>> {
        let mut options = File::options();
        match mode {
            Mode::Read => options.read(true),
            Mode::Write => options.write(true),
            Mode::Create => options.write(true).create(true).truncate(true),
            Mode::Append => options.append(true).create(true),
        };
        Ok(Box::new(options.open(path)?))
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        fs::metadata(path).map(|metadata| converted(&metadata))
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.file_name())).collect()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place that may")]
    fn rename(&self, source: &Path, target: &Path, taken: Taken) -> io::Result<()> {
        match taken {
            Taken::Replace => fs::rename(source, target),
            Taken::Refuse => Ok(renameat_with(CWD, source, CWD, target, RenameFlags::NOREPLACE)?),
        }
    }

    fn hard_link(&self, source: &Path, target: &Path) -> io::Result<()> {
        fs::hard_link(source, target)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    fn remove_directory_all(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        let directory = File::open(directory)?;
        lasting(|| directory.sync_all())
    }
}

impl OpenFile for File {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Read::read(self, buffer)
    }

    fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        Write::write_vectored(self, slices)
    }

    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        Seek::seek(self, to)
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        File::set_len(self, len)
    }

    fn sync_all(&mut self) -> io::Result<()> {
        lasting(|| File::sync_all(self))
    }

    fn sync_data(&mut self) -> io::Result<()> {
        lasting(|| File::sync_data(self))
    }

    fn metadata(&self) -> io::Result<Metadata> {
        File::metadata(self).map(|metadata| converted(&metadata))
    }
}

/// Makes something last. No test on real files loses its power: what it would wait for shows nothing.
fn lasting(sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    if cfg!(test) { Ok(()) } else { sync() }
}

fn converted(metadata: &fs::Metadata) -> Metadata {
    let file_type = match metadata.file_type() {
        kind if kind.is_file() => FileType::File,
        kind if kind.is_dir() => FileType::Directory,
        _ => FileType::Other,
    };
    let seconds = i128::from(metadata.mtime());
    Metadata {
        file_type,
        len: metadata.len(),
        modified_ns: seconds * 1_000_000_000 + i128::from(metadata.mtime_nsec()),
        device: metadata.dev(),
        inode: metadata.ino(),
    }
}
