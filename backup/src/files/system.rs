//! A file system, as a trait: all that this crate asks of the one below it.
//!
//! The operating system is one ([`super::Files::real`]); a test wraps it and lets calls fail; a simulation has one in memory, which
//! can lose its power. So the set is small: what the steps that make files last are made of, each as one call.
//!
//! ```text
//! snapshot, aof, check ─► Files (clones of one handle) ─► dyn FileSystem   names: open, rename, link, remove, list, fsync of a directory
//!                           ╰─► File ───────────────────► dyn OpenFile     contents: read, write, seek, set_len, fsync
//! ```
//!
//! There is no current file system: who works on files has the handle. One dynamic call is made for each buffer, not for each
//! byte; buffers are the callers'.
//!
//! # Invariants
//! - a call does one thing, and either all of what it says or an error (but a write may do less, and says how much)
//!
//! # Not here
//! - the order of calls that survives a crash: [`super::Files`]
//! - pipes and sockets: they are descriptors of a process ([`crate::fork`])

use std::ffi::OsString;
use std::fmt::Debug;
use std::io::{self, IoSlice, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// For what a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Reading; it is there.
    Read,
    /// Writing over what it has; it is there.
    Write,
    /// Writing; it is made, or emptied.
    Create,
    /// Writing at its end, wherever that is by then; it is made if it is not there.
    Append,
}

/// What a rename does with a file that has the new name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is replaced.
    Replace,
    /// The call fails with [`io::ErrorKind::AlreadyExists`].
    Refuse,
}

/// What has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileType {
    /// A file.
    File,
    /// A directory.
    Directory,
    /// Something else: a socket, a device.
    Other,
}

/// What is known of a file without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// What it is.
    pub file_type: FileType,
    /// Its size.
    pub len: u64,
    /// When it was last written, nanoseconds since 1970.
    pub modified_ns: i128,
    /// Of the file system.
    pub device: u64,
    /// Which file of it, whatever its names are.
    pub inode: u64,
}

impl Metadata {
    /// Whether it is a directory.
    pub fn is_directory(&self) -> bool {
        self.file_type == FileType::Directory
    }
}

/// Where files are.
pub trait FileSystem: Debug + Send + Sync {
    /// Opens a file.
    fn open(&self, path: &Path, mode: Mode) -> io::Result<Box<dyn OpenFile>>;
    /// Looks at what has a name.
    fn metadata(&self, path: &Path) -> io::Result<Metadata>;
    /// The names in a directory, in any order.
    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>>;
    /// Gives a file or directory another name, in one step.
    fn rename(&self, source: &Path, target: &Path, taken: Taken) -> io::Result<()>;
    /// Gives a file a second name, which nothing has yet.
    fn hard_link(&self, source: &Path, target: &Path) -> io::Result<()>;
    /// Takes a name from a file, and removes it if it has no other.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Makes a directory; the one that it is in is there.
    fn create_directory(&self, path: &Path) -> io::Result<()>;
    /// Removes a directory and all that is in it.
    fn remove_directory_all(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a directory last.
    fn sync_directory(&self, directory: &Path) -> io::Result<()>;
}

/// An open file, with a position of its own. A name that it loses does not matter to it.
pub trait OpenFile: Debug + Send {
    /// Reads some bytes at the position; none at the end.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;
    /// Writes some of the bytes at the position, or at the end of a file that was opened for appending.
    fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize>;
    /// Moves the position.
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64>;
    /// Cuts the file, or lengthens it by zeros.
    fn set_len(&mut self, len: u64) -> io::Result<()>;
    /// Makes contents and length last, and what else is known of the file.
    fn sync_all(&mut self) -> io::Result<()>;
    /// Makes contents and length last.
    fn sync_data(&mut self) -> io::Result<()>;
    /// Looks at the file.
    fn metadata(&self) -> io::Result<Metadata>;
}

/// An open file of any file system.
#[derive(Debug)]
pub struct File(Box<dyn OpenFile>);

impl File {
    /// Takes what a file system has opened.
    pub fn new(open: Box<dyn OpenFile>) -> Self {
        Self(open)
    }

    /// Cuts the file, or lengthens it by zeros.
    pub fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    /// Makes contents and length last, and what else is known of the file.
    pub fn sync_all(&mut self) -> io::Result<()> {
        self.0.sync_all()
    }

    /// Makes contents and length last.
    pub fn sync_data(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }

    /// Looks at the file.
    pub fn metadata(&self) -> io::Result<Metadata> {
        self.0.metadata()
    }
}

impl Read for File {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.write(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        // Nothing is buffered on this side of the file system.
        Ok(())
    }
}

impl Seek for File {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}
