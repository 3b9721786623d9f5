//! The state of a disk, and what each call does to it.
//!
//! # Invariants
//! - a file is kept as long as it has a name in the cache, on disk or in between, or is open
//!
//! # Not here
//! - what a power cut leaves: of a file, `contents`; of names, `names`

use super::contents::{Contents, DataOrder};
use super::faults::{Call, Failure, Faults, IO_ERROR, Latency, NO_SPACE, error};
use super::names::{Inode, Names, Place, ROOT};
use crate::chance::Chance;
use backup::files::{FileType, Metadata, Mode, Taken};
use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::path::Path;

/// Bad file descriptor.
const BAD_FILE: i32 = 9;
/// Invalid argument.
const INVALID: i32 = 22;
/// The device of all files here.
const DEVICE: u64 = 1;

#[derive(Debug, Default)]
struct Node {
    contents: Contents,
    modified_ns: i128,
    /// How many have it open.
    opens: u64,
    /// How many fsyncs of it have failed.
    failed_syncs: u64,
}

#[derive(Debug)]
pub(super) struct State {
    nodes: BTreeMap<Inode, Node>,
    names: Names,
    next_inode: Inode,
    /// Counts the processes that have used it.
    pub(super) process: u64,
    pub(super) order: DataOrder,
    pub(super) capacity: Option<u64>,
    pub(super) now_ns: i128,
    pub(super) faults: Faults,
    /// Calls that they let fail, so far.
    pub(super) failures: u64,
    pub(super) latency: Latency,
    pub(super) spent_us: u64,
    pub(super) chance: Chance,
    /// Calls that change something, so far.
    pub(super) calls: u64,
    /// The process ends before the call of this number.
    pub(super) kill_at: Option<u64>,
}

impl State {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            nodes: BTreeMap::from([(ROOT, Node::default())]),
            names: Names::new(),
            next_inode: ROOT + 1,
            process: 0,
            order: DataOrder::Ordered,
            capacity: None,
            now_ns: 0,
            faults: Faults::default(),
            failures: 0,
            latency: Latency::default(),
            spent_us: 0,
            chance: Chance::new(seed),
            calls: 0,
            kill_at: None,
        }
    }

    /// Whether this process still runs.
    pub(super) fn check(&self, process: u64) -> io::Result<()> {
        let killed = self.kill_at.is_some_and(|at| self.calls >= at);
        if process == self.process && !killed {
            return Ok(());
        }
        Err(io::Error::other("the process of this file has ended"))
    }

    /// A call begins. `Some` says how it fails though it is done.
    pub(super) fn begin(
        &mut self,
        process: u64,
        call: Call,
        path: &Path,
    ) -> io::Result<Option<Failure>> {
        self.check(process)?;
        self.calls += u64::from(call.changes());
        self.spent_us += self.latency.call_us;
        let failure = self.faults.next(call, path, &mut self.chance);
        self.failures += u64::from(failure.is_some());
        match failure {
            // An fsync that fails does something, and a short write too.
            Some(failure) if call == Call::Sync || failure == Failure::Half => Ok(Some(failure)),
            Some(Failure::NotDone(code)) => Err(error(code)),
            failure => Ok(failure),
        }
    }

    fn node(&mut self, inode: Inode) -> &mut Node {
        self.nodes.get_mut(&inode).expect("what is open or has a name is there")
    }

    fn new_node(&mut self) -> Inode {
        let inode = self.next_inode;
        self.next_inode += 1;
        let modified_ns = self.now_ns;
        self.nodes.insert(inode, Node { modified_ns, ..Node::default() });
        inode
    }

    /// The place of a name, which is not that of the root.
    fn place(&self, path: &Path) -> io::Result<Place> {
        self.names.place(path)?.ok_or(io::ErrorKind::AlreadyExists.into())
    }

    pub(super) fn open(&mut self, path: &Path, mode: Mode) -> io::Result<Inode> {
        let place = self.place(path)?;
        let inode = match (self.names.at(&place), mode) {
            (Some(inode), _) if self.names.is_directory(inode) => {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            (Some(inode), Mode::Create) => {
                self.set_len(inode, 0);
                inode
            }
            (Some(inode), _) => inode,
            (None, Mode::Create | Mode::Append) => {
                let inode = self.new_node();
                self.names.add(place, inode, false);
                inode
            }
            (None, Mode::Read | Mode::Write) => return Err(io::ErrorKind::NotFound.into()),
        };
        self.node(inode).opens += 1;
        Ok(inode)
    }

    pub(super) fn close(&mut self, process: u64, inode: Inode) {
        // Those of processes that have ended were closed with them.
        if process == self.process {
            self.node(inode).opens -= 1;
            self.forget();
        }
    }

    /// Frees what can never be seen again.
    fn forget(&mut self) {
        let possible = self.names.possible();
        self.nodes.retain(|inode, node| node.opens > 0 || possible.contains(inode));
    }

    pub(super) fn contents(&self, inode: Inode) -> &Contents {
        &self.nodes.get(&inode).expect("what is open or has a name is there").contents
    }

    /// Bytes that are taken up by what has a name or is open.
    pub(super) fn used(&self) -> u64 {
        let seen = self.names.seen();
        let present = self.nodes.iter().filter(|(inode, n)| n.opens > 0 || seen.contains(inode));
        present.map(|(_, node)| node.contents.cache().len() as u64).sum()
    }

    /// Writes some of it, and returns how much.
    pub(super) fn write(
        &mut self,
        inode: Inode,
        offset: u64,
        slices: &[IoSlice<'_>],
        half: bool,
    ) -> io::Result<usize> {
        let mut bytes: Vec<u8> = Vec::new();
        slices.iter().for_each(|slice| bytes.extend_from_slice(slice));
        if half {
            bytes.truncate(bytes.len().div_ceil(2));
        }
        if let Some(capacity) = self.capacity {
            let len = self.contents(inode).cache().len() as u64;
            let grows = (offset + bytes.len() as u64).saturating_sub(len);
            let lacks = grows.saturating_sub(capacity.saturating_sub(self.used()));
            let fits = (bytes.len() as u64).saturating_sub(lacks);
            if fits == 0 && !bytes.is_empty() {
                return Err(error(NO_SPACE));
            }
            bytes.truncate(fits as usize);
        }
        self.spent_us += self.latency.write_us(bytes.len() as u64) - self.latency.call_us;
        let now_ns = self.now_ns;
        let node = self.node(inode);
        node.contents.write(offset as usize, &bytes);
        node.modified_ns = now_ns;
        Ok(bytes.len())
    }

    pub(super) fn set_len(&mut self, inode: Inode, len: u64) {
        let now_ns = self.now_ns;
        let node = self.node(inode);
        node.contents.set_len(len as usize);
        node.modified_ns = now_ns;
    }

    /// fsync by somebody who has been told of so many failures of other ones.
    pub(super) fn sync(
        &mut self,
        inode: Inode,
        told: &mut u64,
        failure: Option<Failure>,
    ) -> io::Result<()> {
        let bytes = self.contents(inode).dirty_bytes() as u64;
        self.spent_us += self.latency.draw_sync_us(bytes, &mut self.chance);
        let (order, chance) = (self.order, &mut self.chance);
        let node = self.nodes.get_mut(&inode).expect("it is open");
        match failure {
            Some(Failure::NotDone(_)) => {
                node.contents.fail_sync(order, chance);
                node.failed_syncs += 1;
            }
            Some(Failure::Done(_) | Failure::Half) | None => node.contents.sync(),
        }
        let is_news = node.failed_syncs > *told;
        *told = node.failed_syncs;
        match failure {
            Some(Failure::NotDone(code) | Failure::Done(code)) => Err(error(code)),
            _ if is_news => Err(error(IO_ERROR)),
            _ => Ok(()),
        }
    }

    /// How many fsyncs of a file have failed.
    pub(super) fn failed_syncs(&self, inode: Inode) -> u64 {
        self.nodes.get(&inode).map_or(0, |node| node.failed_syncs)
    }

    pub(super) fn metadata(&self, inode: Inode) -> Metadata {
        let node = self.nodes.get(&inode).expect("what is open or has a name is there");
        let is_directory = self.names.is_directory(inode);
        Metadata {
            file_type: if is_directory { FileType::Directory } else { FileType::File },
            len: node.contents.cache().len() as u64,
            modified_ns: node.modified_ns,
            device: DEVICE,
            inode,
        }
    }

    pub(super) fn metadata_at(&self, path: &Path) -> io::Result<Metadata> {
        Ok(self.metadata(self.names.find(path)?))
    }

    pub(super) fn list(&self, directory: &Path) -> io::Result<Vec<std::ffi::OsString>> {
        self.names.list(self.names.find(directory)?)
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path, taken: Taken) -> io::Result<()> {
        let (source, target) = (self.place(from)?, self.place(to)?);
        let inode = self.names.at(&source).ok_or(io::ErrorKind::NotFound)?;
        let is_directory = self.names.is_directory(inode);
        if is_directory && self.names.is_inside(target.directory, inode) {
            return Err(error(INVALID));
        }
        if let Some(there) = self.names.at(&target) {
            let is_other = self.names.is_directory(there) != is_directory;
            match taken {
                Taken::Refuse => return Err(io::ErrorKind::AlreadyExists.into()),
                // Two names of one file stay as they are.
                Taken::Replace if there == inode => return Ok(()),
                Taken::Replace if is_other && is_directory => {
                    return Err(io::ErrorKind::NotADirectory.into());
                }
                Taken::Replace if is_other => return Err(io::ErrorKind::IsADirectory.into()),
                Taken::Replace if is_directory && !self.names.list(there)?.is_empty() => {
                    return Err(io::ErrorKind::DirectoryNotEmpty.into());
                }
                Taken::Replace => {}
            }
        }
        self.names.rename(source, target);
        self.forget();
        Ok(())
    }

    pub(super) fn hard_link(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let inode = self.names.find(from)?;
        let place = self.place(to)?;
        if self.names.is_directory(inode) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        if self.names.at(&place).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.names.add(place, inode, false);
        Ok(())
    }

    pub(super) fn remove_file(&mut self, path: &Path) -> io::Result<()> {
        let place = self.place(path)?;
        let inode = self.names.at(&place).ok_or(io::ErrorKind::NotFound)?;
        if self.names.is_directory(inode) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        self.names.remove(place);
        self.forget();
        Ok(())
    }

    pub(super) fn create_directory(&mut self, path: &Path) -> io::Result<()> {
        let place = self.place(path)?;
        if self.names.at(&place).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = self.new_node();
        self.names.add(place, inode, true);
        Ok(())
    }

    /// One name after the other, so that a crash may leave any of them.
    pub(super) fn remove_directory_all(&mut self, path: &Path) -> io::Result<()> {
        let place = self.place(path)?;
        let inode = self.names.at(&place).ok_or(io::ErrorKind::NotFound)?;
        for name in self.names.list(inode)? {
            let inner = Place { directory: inode, name };
            let is_directory = self.names.at(&inner).is_some_and(|at| self.names.is_directory(at));
            match is_directory {
                true => self.remove_directory_all(&path.join(&inner.name))?,
                false => self.names.remove(inner),
            }
        }
        self.names.remove(place);
        self.forget();
        Ok(())
    }

    pub(super) fn sync_directory(&mut self, path: &Path) -> io::Result<()> {
        let directory = self.names.find(path)?;
        if !self.names.is_directory(directory) {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        self.spent_us += self.latency.draw_sync_us(0, &mut self.chance);
        self.names.sync(directory);
        self.forget();
        Ok(())
    }

    /// The process has ended; what it did stays.
    pub(super) fn end_process(&mut self) {
        self.process += 1;
        self.kill_at = None;
        self.nodes.values_mut().for_each(|node| node.opens = 0);
        self.forget();
    }

    pub(super) fn cut_power(&mut self, chance: &mut Chance) {
        self.names.cut_power(chance);
        let order = self.order;
        self.nodes.values_mut().for_each(|node| node.contents.cut_power(order, chance));
        self.end_process();
    }

    /// Changes one bit of a file.
    pub(super) fn flip(&mut self, path: &Path, bit: u64) -> io::Result<()> {
        let inode = self.names.find(path)?;
        if bit / 8 >= self.contents(inode).cache().len() as u64 {
            return Err(error(INVALID));
        }
        self.node(inode).contents.flip(bit);
        Ok(())
    }

    pub(super) fn lasting(&self, see: &mut dyn FnMut(Inode, &[u8])) {
        self.nodes.iter().for_each(|(inode, node)| see(*inode, node.contents.lasting()));
    }

    pub(super) fn dirty_bytes(&self) -> u64 {
        self.nodes.values().map(|node| node.contents.dirty_bytes() as u64).sum()
    }
}

/// What an open file may not do.
pub(super) fn not_open_for_that() -> io::Error {
    error(BAD_FILE)
}
