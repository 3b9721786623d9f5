//! A file system whose calls fail on demand, around another one: every call that changes something is counted, and one of
//! them fails. Before each of those that follow it something can be looked at, as a crash there would leave it.
//!
//! ```text
//! Files of the test's subject ─► Faulty: count, fail? ─► the real files ◄─ Files of the test itself
//! ```
//!
//! # Invariants
//! - what only reads or looks is neither counted nor let fail
//!
//! # Not here
//! - what a power cut leaves: a simulated disk; the disk of an [`crate::aof::Appender`], which has fakes of its own

use super::Files;
use super::system::{FileSystem, Metadata, Mode, OpenFile, Taken};
use std::ffi::OsString;
use std::fmt;
use std::io::{self, IoSlice, SeekFrom};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing was done.
    Before(i32),
    /// It was done, and an error is returned all the same: an fsync that lost nothing, a rename whose answer was lost.
    After(i32),
    /// Half of what was to be written was. Other calls fail as with `Before`, and so does writing over what is there, which needs
    /// no room.
    Short(i32),
}

/// No space left on device; input/output error.
pub(crate) const FAULTS: [Fault; 3] = [Fault::Before(28), Fault::After(5), Fault::Short(28)];

/// So many calls after the one that failed are looked at.
const LOOKS: u64 = 16;

type Look = Arc<dyn Fn() + Send + Sync>;

#[derive(Default)]
struct State {
    look: Option<Look>,
    calls: u64,
    plan: Option<(u64, Fault)>,
}

/// The switch of such a file system.
#[derive(Clone, Default)]
pub(crate) struct Faulty(Arc<Mutex<State>>);

impl fmt::Debug for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (calls, plan) = self.with(|state| (state.calls, state.plan));
        f.debug_tuple("Faulty").field(&calls).field(&plan).finish()
    }
}

impl Faulty {
    /// The real files, until they are armed, and their switch.
    pub(crate) fn new() -> (Files, Self) {
        let faulty = Self::default();
        (Files::new(Arc::new(Around { inner: Files::real(), faulty: faulty.clone() })), faulty)
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Lets call number `at` fail, counted from now on.
    pub(crate) fn arm(&self, at: u64, fault: Fault) {
        self.with(|state| (state.calls, state.plan) = (0, Some((at, fault))));
    }

    /// Looks, before each of the calls behind the one that fails.
    pub(crate) fn look_before_calls(&self, look: impl Fn() + Send + Sync + 'static) {
        self.with(|state| state.look = Some(Arc::new(look)));
    }

    /// No call fails any more. Returns whether one has.
    pub(crate) fn disarm(&self) -> bool {
        self.with(|state| {
            state.look = None;
            state.plan.take().is_some_and(|(at, _)| state.calls > at)
        })
    }

    /// Does something whose calls neither count nor fail.
    pub(crate) fn unharmed<T>(&self, act: impl FnOnce() -> T) -> T {
        let plan = self.with(|state| state.plan.take());
        let result = act();
        self.with(|state| state.plan = plan);
        result
    }

    /// The fault of the call that is about to be made, if it has one.
    fn next(&self) -> Option<Fault> {
        let (fault, look) = self.with(|state| {
            let (at, fault) = state.plan?;
            let call = state.calls;
            state.calls += 1;
            let look = state.look.clone().filter(|_| call > at && call <= at + LOOKS);
            Some(((call == at).then_some(fault), look))
        })?;
        if let Some(look) = look {
            look();
        }
        fault
    }

    /// Makes a call, or lets it fail.
    fn call<T>(&self, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match self.next() {
            None => act(),
            Some(Fault::Before(code) | Fault::Short(code)) => {
                Err(io::Error::from_raw_os_error(code))
            }
            Some(Fault::After(code)) => {
                act()?;
                Err(io::Error::from_raw_os_error(code))
            }
        }
    }
}

#[derive(Debug)]
struct Around {
    inner: Files,
    faulty: Faulty,
}

impl FileSystem for Around {
    fn open(&self, path: &Path, mode: Mode) -> io::Result<Box<dyn OpenFile>> {
        let open = || self.inner.system().open(path, mode);
        let inner = match mode {
            Mode::Read | Mode::Write => open()?,
            Mode::Create | Mode::Append => self.faulty.call(open)?,
        };
        Ok(Box::new(AroundFile { inner, mode, faulty: self.faulty.clone() }))
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.inner.system().metadata(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        self.inner.system().list(directory)
    }

    fn rename(&self, source: &Path, target: &Path, taken: Taken) -> io::Result<()> {
        self.faulty.call(|| self.inner.system().rename(source, target, taken))
    }

    fn hard_link(&self, source: &Path, target: &Path) -> io::Result<()> {
        self.faulty.call(|| self.inner.system().hard_link(source, target))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.faulty.call(|| self.inner.system().remove_file(path))
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.faulty.call(|| self.inner.system().create_directory(path))
    }

    fn remove_directory_all(&self, path: &Path) -> io::Result<()> {
        self.faulty.call(|| self.inner.system().remove_directory_all(path))
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        self.faulty.call(|| self.inner.system().sync_directory(directory))
    }
}

#[derive(Debug)]
struct AroundFile {
    inner: Box<dyn OpenFile>,
    mode: Mode,
    faulty: Faulty,
}

impl OpenFile for AroundFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer)
    }

    fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self.faulty.next() {
            None => self.inner.write(slices),
            Some(Fault::Before(code)) => Err(io::Error::from_raw_os_error(code)),
            Some(Fault::After(code)) => {
                self.inner.write(slices)?;
                Err(io::Error::from_raw_os_error(code))
            }
            Some(Fault::Short(code)) if self.mode == Mode::Write => {
                Err(io::Error::from_raw_os_error(code))
            }
            Some(Fault::Short(code)) => {
                let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
                self.inner.write(&[IoSlice::new(&bytes[..bytes.len() / 2])])?;
                Err(io::Error::from_raw_os_error(code))
            }
        }
    }

    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.faulty.call(|| self.inner.set_len(len))
    }

    fn sync_all(&mut self) -> io::Result<()> {
        self.faulty.call(|| self.inner.sync_all())
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.faulty.call(|| self.inner.sync_data())
    }

    fn metadata(&self) -> io::Result<Metadata> {
        self.inner.metadata()
    }
}
