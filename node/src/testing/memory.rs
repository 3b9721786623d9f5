//! Files in memory, for tests: calls fail when the test says so, and what a stop between two calls leaves can be started from.
//!
//! ```text
//! node ─► Files ─► Memory: plan? fail : do it, and keep an image ─► Image ─► another Memory, another node
//! ```
//!
//! The process may end between any two calls; the system goes on. So an image has all that was done before.
//!
//! # Not here
//! - what a power cut leaves: the disk of the simulation

use backup::files::{FileSystem, FileType, Files, Metadata, Mode, OpenFile, Taken};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, IoSlice, SeekFrom};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A call that changes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// A file is opened that is made or appended to.
    Create,
    /// Bytes.
    Write,
    /// Another length.
    Cut,
    /// A file's fsync.
    Sync,
    /// A folder's fsync.
    SyncFolder,
    /// Another name.
    Rename,
    /// A second name.
    Link,
    /// A name less.
    Remove,
    /// A folder.
    MakeFolder,
}

/// All files at one moment.
#[derive(Clone, Default)]
pub struct Image {
    /// What has a name, and which it is.
    names: BTreeMap<PathBuf, u64>,
    folders: BTreeMap<PathBuf, u64>,
    contents: BTreeMap<u64, (Arc<Vec<u8>>, i128)>,
    last: u64,
}

/// Calls that will fail.
struct Plan {
    call: Call,
    part: &'static str,
    times: u32,
}

#[derive(Default)]
struct State {
    image: Image,
    plans: Vec<Plan>,
    images: Option<Vec<(String, Image)>>,
    now_ns: i128,
}

/// The files. Clones are the same ones.
#[derive(Clone, Default)]
pub struct Memory(Arc<Mutex<State>>);

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Memory({:?})", self.state().image.names)
    }
}

fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

fn clean(path: &Path) -> PathBuf {
    path.components().filter(|part| !matches!(part, Component::CurDir)).collect()
}

impl Memory {
    /// Those that were there at one moment.
    pub fn of(image: Image) -> Memory {
        Memory(Arc::new(Mutex::new(State { image, ..State::default() })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For a node.
    pub fn files(&self) -> Files {
        Files::new(Arc::new(self.clone()))
    }

    /// The time that files are dated by.
    pub fn set_time(&self, now_ms: i64) {
        self.state().now_ns = i128::from(now_ms) * 1_000_000;
    }

    /// All that is there now.
    pub fn image(&self) -> Image {
        self.state().image.clone()
    }

    /// Lets such a call fail so many times, on paths that have this part.
    pub fn fail(&self, call: Call, part: &'static str, times: u32) {
        self.state().plans.push(Plan { call, part, times });
    }

    /// Nothing fails any more.
    pub fn heal(&self) {
        self.state().plans.clear();
    }

    /// How often planned calls can still fail.
    pub fn left_to_fail(&self) -> u32 {
        self.state().plans.iter().map(|plan| plan.times).sum()
    }

    /// From now on an image is kept of what each call leaves.
    pub fn record(&self) {
        let mut state = self.state();
        let begin = ("before".into(), state.image.clone());
        state.images = Some(vec![begin]);
    }

    /// The images, each with the call that it is from.
    pub fn recorded(&self) -> Vec<(String, Image)> {
        self.state().images.take().expect("they were recorded")
    }

    /// The names of all files, sorted.
    pub fn names(&self) -> Vec<String> {
        self.state().image.names.keys().map(|path| path.display().to_string()).collect()
    }

    /// The names of all files, in one line.
    pub fn listed(&self) -> String {
        self.names().join(" ")
    }

    /// What a file has.
    pub fn read(&self, path: &str) -> Vec<u8> {
        let state = self.state();
        let inode = state.image.names.get(Path::new(path));
        let inode = inode.unwrap_or_else(|| panic!("{path}: there are {:?}", state.image.names));
        state.image.contents[inode].0.to_vec()
    }

    /// What a file has, as text.
    pub fn text(&self, path: &str) -> String {
        String::from_utf8_lossy(&self.read(path)).into_owned()
    }

    /// Somebody else writes a file.
    pub fn put(&self, path: &str, bytes: &[u8]) {
        let mut state = self.state();
        let inode = state.image.new_inode(Path::new(path));
        let now_ns = state.now_ns;
        state.image.contents.insert(inode, (Arc::new(bytes.to_vec()), now_ns));
    }

    /// Somebody else removes a file.
    pub fn remove(&self, path: &str) {
        self.state().image.names.remove(Path::new(path)).expect("it is there");
    }

    /// Makes a call that changes something, unless it is to fail.
    fn call<T>(
        &self,
        call: Call,
        path: &Path,
        act: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = self.state();
        let text = path.to_string_lossy();
        let planned = state.plans.iter_mut();
        let planned = { planned }
            .find(|plan| plan.call == call && plan.times > 0 && text.contains(plan.part));
        if let Some(plan) = planned {
            plan.times -= 1;
            return Err(io::Error::from_raw_os_error(28));
        }
        let result = act(&mut state)?;
        let State { image, images, .. } = &mut *state;
        if let Some(images) = images {
            images.push((format!("{call:?} {text}"), image.clone()));
        }
        Ok(result)
    }
}

impl Image {
    fn new_inode(&mut self, path: &Path) -> u64 {
        self.last += 1;
        self.names.insert(path.to_path_buf(), self.last);
        self.contents.insert(self.last, (Arc::default(), 0));
        self.last
    }

    fn folder_is_there(&self, path: &Path) -> io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new(""));
        let is_there = folder == Path::new("") || self.folders.contains_key(folder);
        if is_there { Ok(()) } else { Err(missing()) }
    }
}

impl FileSystem for Memory {
    fn open(&self, path: &Path, mode: Mode) -> io::Result<Box<dyn OpenFile>> {
        let path = clean(path);
        let there = self.state().image.names.get(&path).copied();
        let inode = match (mode, there) {
            (Mode::Read | Mode::Write, there) => there.ok_or_else(missing)?,
            (Mode::Create | Mode::Append, there) => self.call(Call::Create, &path, |state| {
                state.image.folder_is_there(&path)?;
                let inode = there.unwrap_or_else(|| state.image.new_inode(&path));
                let now_ns = state.now_ns;
                let (bytes, dated) = state.image.contents.get_mut(&inode).expect("it is there");
                if mode == Mode::Create {
                    (*bytes, *dated) = (Arc::default(), now_ns);
                }
                Ok(inode)
            })?,
        };
        let memory = self.clone();
        Ok(Box::new(Opened { memory, path, inode, at: 0, appends: mode == Mode::Append }))
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        let (path, state) = (clean(path), self.state());
        let image = &state.image;
        if let Some(inode) = image.names.get(&path) {
            return Ok(image.metadata(*inode));
        }
        let inode = match path == Path::new("") {
            true => 0,
            false => *image.folders.get(&path).ok_or_else(missing)?,
        };
        let file_type = FileType::Directory;
        Ok(Metadata { file_type, len: 0, modified_ns: 0, device: 1, inode })
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        let (directory, state) = (clean(directory), self.state());
        let all = state.image.names.keys().chain(state.image.folders.keys());
        let within = all.filter(|path| path.parent() == Some(&directory));
        Ok(within.filter_map(|path| path.file_name().map(OsString::from)).collect())
    }

    fn rename(&self, source: &Path, target: &Path, taken: Taken) -> io::Result<()> {
        let (source, target) = (clean(source), clean(target));
        self.call(Call::Rename, &target.clone(), |state| {
            let image = &mut state.image;
            image.folder_is_there(&target)?;
            let is_taken = image.names.contains_key(&target) || image.folders.contains_key(&target);
            if taken == Taken::Refuse && is_taken {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            if let Some(inode) = image.names.remove(&source) {
                image.names.insert(target, inode);
                return Ok(());
            }
            let inode = image.folders.remove(&source).ok_or_else(missing)?;
            let moved = |path: &PathBuf| match path.strip_prefix(&source) {
                Ok(rest) => target.join(rest),
                Err(_) => path.clone(),
            };
            image.names = image.names.iter().map(|(path, inode)| (moved(path), *inode)).collect();
            image.folders.insert(target.clone(), inode);
            Ok(())
        })
    }

    fn hard_link(&self, source: &Path, target: &Path) -> io::Result<()> {
        let (source, target) = (clean(source), clean(target));
        self.call(Call::Link, &target.clone(), |state| {
            if state.image.names.contains_key(&target) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            let inode = *state.image.names.get(&source).ok_or_else(missing)?;
            state.image.names.insert(target, inode);
            Ok(())
        })
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let path = clean(path);
        self.call(Call::Remove, &path, |state| {
            state.image.names.remove(&path).map(|_| ()).ok_or_else(missing)
        })
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        let path = clean(path);
        self.call(Call::MakeFolder, &path, |state| {
            state.image.folder_is_there(&path)?;
            state.image.last += 1;
            let inode = state.image.last;
            state.image.folders.insert(path.clone(), inode);
            Ok(())
        })
    }

    fn remove_directory_all(&self, path: &Path) -> io::Result<()> {
        let path = clean(path);
        self.call(Call::Remove, &path, |state| {
            state.image.folders.remove(&path).ok_or_else(missing)?;
            state.image.names.retain(|name, _| !name.starts_with(&path));
            Ok(())
        })
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        self.call(Call::SyncFolder, &clean(directory), |_| Ok(()))
    }
}

impl Image {
    fn metadata(&self, inode: u64) -> Metadata {
        let (bytes, modified_ns) = &self.contents[&inode];
        let len = bytes.len() as u64;
        Metadata { file_type: FileType::File, len, modified_ns: *modified_ns, device: 1, inode }
    }
}

/// An open file.
#[derive(Debug)]
struct Opened {
    memory: Memory,
    path: PathBuf,
    inode: u64,
    at: usize,
    appends: bool,
}

impl Opened {
    fn change<T>(&self, call: Call, change: impl FnOnce(&mut Vec<u8>) -> T) -> io::Result<T> {
        self.memory.call(call, &self.path, |state| {
            let now_ns = state.now_ns;
            let (bytes, dated) = state.image.contents.get_mut(&self.inode).expect("it is open");
            *dated = now_ns;
            Ok(change(Arc::make_mut(bytes)))
        })
    }
}

impl OpenFile for Opened {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let state = self.memory.state();
        let bytes = &state.image.contents[&self.inode].0;
        let rest = &bytes[self.at.min(bytes.len())..];
        let len = rest.len().min(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        self.at += len;
        Ok(len)
    }

    fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let new: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
        let (at, appends) = (self.at, self.appends);
        self.at = self.change(Call::Write, |bytes| {
            let at = if appends { bytes.len() } else { at };
            bytes.resize(bytes.len().max(at + new.len()), 0);
            bytes[at..at + new.len()].copy_from_slice(&new);
            at + new.len()
        })?;
        Ok(new.len())
    }

    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let len = self.metadata()?.len as i64;
        let at = match to {
            SeekFrom::Start(at) => at as i64,
            SeekFrom::End(by) => len + by,
            SeekFrom::Current(by) => self.at as i64 + by,
        };
        self.at = usize::try_from(at).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(at as u64)
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.change(Call::Cut, |bytes| bytes.resize(len as usize, 0))
    }

    fn sync_all(&mut self) -> io::Result<()> {
        self.memory.call(Call::Sync, &self.path, |_| Ok(()))
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.sync_all()
    }

    fn metadata(&self) -> io::Result<Metadata> {
        Ok(self.memory.state().image.metadata(self.inode))
    }
}
