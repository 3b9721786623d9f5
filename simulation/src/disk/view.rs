//! A disk as one process sees it: the calls of its files.
//!
//! # Invariants
//! - after its end, whatever the process still has of it gives errors and changes nothing

use super::faults::{Call, Failure, error};
use super::names::Inode;
use super::state::{State, not_open_for_that};
use backup::files::{FileSystem, Metadata, Mode, OpenFile, Taken};
use std::ffi::OsString;
use std::fmt;
use std::io::{self, IoSlice, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Clone)]
pub(super) struct View {
    state: Arc<Mutex<State>>,
    process: u64,
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "View(process {})", self.process)
    }
}

impl View {
    pub(super) fn new(state: Arc<Mutex<State>>, process: u64) -> Self {
        Self { state, process }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look<T>(&self, act: impl FnOnce(&State) -> io::Result<T>) -> io::Result<T> {
        let state = self.state();
        state.check(self.process)?;
        act(&state)
    }

    /// Makes a call that is done as a whole or not at all.
    fn call<T>(
        &self,
        call: Call,
        path: &Path,
        act: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = self.state();
        let failure = state.begin(self.process, call, path)?;
        let done = act(&mut state)?;
        match failure {
            Some(Failure::Done(code) | Failure::NotDone(code)) => Err(error(code)),
            Some(Failure::Half) | None => Ok(done),
        }
    }
}

impl FileSystem for View {
    fn open(&self, path: &Path, mode: Mode) -> io::Result<Box<dyn OpenFile>> {
        let mut state = self.state();
        let failure = state.begin(self.process, Call::Open, path)?;
        let inode = state.open(path, mode)?;
        if let Some(Failure::Done(code)) = failure {
            state.close(self.process, inode);
            return Err(error(code));
        }
        let told = state.failed_syncs(inode);
        drop(state);
        let (view, path) = (self.clone(), path.to_path_buf());
        Ok(Box::new(Open { view, inode, path, mode, position: 0, told }))
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.look(|state| state.metadata_at(path))
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        self.look(|state| state.list(directory))
    }

    fn rename(&self, source: &Path, target: &Path, taken: Taken) -> io::Result<()> {
        self.call(Call::Rename, target, |state| state.rename(source, target, taken))
    }

    fn hard_link(&self, source: &Path, target: &Path) -> io::Result<()> {
        self.call(Call::Link, target, |state| state.hard_link(source, target))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.call(Call::Remove, path, |state| state.remove_file(path))
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.call(Call::CreateDirectory, path, |state| state.create_directory(path))
    }

    fn remove_directory_all(&self, path: &Path) -> io::Result<()> {
        self.call(Call::Remove, path, |state| state.remove_directory_all(path))
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        self.call(Call::SyncDirectory, directory, |state| state.sync_directory(directory))
    }
}

struct Open {
    view: View,
    inode: Inode,
    path: PathBuf,
    mode: Mode,
    position: u64,
    /// Of so many failed fsyncs it knows, or they were before its time.
    told: u64,
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Open").field(&self.path).field(&self.mode).field(&self.position).finish()
    }
}

impl OpenFile for Open {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.mode != Mode::Read {
            return Err(not_open_for_that());
        }
        let (inode, position) = (self.inode, self.position);
        let read = self.view.call(Call::Read, &self.path, |state| {
            let bytes = state.contents(inode).cache();
            let rest = &bytes[(position as usize).min(bytes.len())..];
            let len = rest.len().min(buffer.len());
            buffer[..len].copy_from_slice(&rest[..len]);
            Ok(len)
        })?;
        self.position += read as u64;
        Ok(read)
    }

    fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.mode == Mode::Read {
            return Err(not_open_for_that());
        }
        let mut state = self.view.state();
        let failure = state.begin(self.view.process, Call::Write, &self.path)?;
        let offset = match self.mode {
            Mode::Append => state.contents(self.inode).cache().len() as u64,
            _ => self.position,
        };
        let written = state.write(self.inode, offset, slices, failure == Some(Failure::Half))?;
        drop(state);
        self.position = offset + written as u64;
        match failure {
            Some(Failure::Done(code) | Failure::NotDone(code)) => Err(error(code)),
            Some(Failure::Half) | None => Ok(written),
        }
    }

    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let len = self.view.look(|state| Ok(state.contents(self.inode).cache().len() as u64))?;
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(by) => len.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        if self.mode == Mode::Read {
            return Err(not_open_for_that());
        }
        let inode = self.inode;
        self.view.call(Call::SetLen, &self.path, |state| {
            state.set_len(inode, len);
            Ok(())
        })
    }

    fn sync_all(&mut self) -> io::Result<()> {
        let mut state = self.view.state();
        let failure = state.begin(self.view.process, Call::Sync, &self.path)?;
        state.sync(self.inode, &mut self.told, failure)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.sync_all()
    }

    fn metadata(&self) -> io::Result<Metadata> {
        self.view.look(|state| Ok(state.metadata(self.inode)))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let process = self.view.process;
        self.view.state().close(process, self.inode);
    }
}
