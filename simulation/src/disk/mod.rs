//! A disk in memory, with a file system: what was written is in the cache, and only what was fsynced is sure to be on disk.
//!
//! ```text
//! Files (of one process) ─► View ─► State: cache ── fsync ──► disk
//!                                     kill: handles are dead, the cache stays
//!                                     power cut: the disk, and what of the rest the system has written by itself
//! ```
//!
//! # The model, and what it promises less than real ones
//! | | here | why |
//! |---|---|---|
//! | fsync of a file | its contents and length last; its name does not | POSIX promises no more; ext4 does |
//! | fsync of a directory | all changes of names up to the last one in it last, in order | ext4 and XFS keep metadata in one log |
//! | names after a power cut | as after any number of the changes that were not fsynced | the same log: never a part of a rename |
//! | contents after a power cut | any sectors of 512 bytes of what was not fsynced, also torn; any length between | page cache and disk write in any order |
//! | contents that were added | [`DataOrder`]: from front to back and then zeros, or any sectors with zeros between | ext4; XFS |
//! | names and contents | know nothing of each other: a file that is renamed over another before its fsync may be empty | ext4's `auto_da_alloc` is an option, XFS has none |
//! | an fsync that fails | the pages are called clean: a later fsync does not write them, and each open file is told once | ext4, XFS; Linux since 4.13 |
//!
//! Never: bytes of other files, an overwritten sector that has neither the old nor the new contents, contents of before a cut
//! behind the new end. ext4 and XFS promise these, and disks write a sector as one or, torn, in order.
//!
//! # Why not turmoil's
//! Tokio's turmoil-fs stands in for `std::fs` by its name, for the thread's current host; here a handle is given to who works on
//! files. A crash there drops what is pending but for a prefix of each write, and a name lasts or not by itself; our proofs
//! need what is worse: sectors of later writes without those of earlier ones, lengths without contents, renames that the disk has
//! done already, an fsync that fails and is asked for again.
//!
//! # Map
//! - `contents`: a file in cache and on disk; `names`: the same of directories
//! - `faults`: what fails, and how long it takes; `state`: what each call does; `view`: calls of a process
//!
//! # Invariants
//! - ordered maps and a seed: the same calls have the same results
//! - one thread at a time: the lock is there because [`backup::files::FileSystem`] asks for it

mod contents;
mod faults;
mod names;
mod state;
#[cfg(test)]
mod tests;
mod view;

pub use contents::DataOrder;
pub use faults::{Call, Failure, Fault, IO_ERROR, Latency, NO_SPACE, Rates};

use crate::chance::Chance;
use backup::files::Files;
use state::State;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use view::View;

/// One node's disk. Clones are the same disk.
#[derive(Clone)]
pub struct Disk(Arc<Mutex<State>>);

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        write!(f, "Disk(process {}, {} calls)", state.process, state.calls)
    }
}

impl Disk {
    /// An empty one without a limit. The seed is for what happens by chance while it is used.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State::new(seed))))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The files, as the process sees them that runs now. When it has ended, every call fails.
    pub fn files(&self) -> Files {
        let process = self.state().process;
        Files::new(Arc::new(View::new(Arc::clone(&self.0), process)))
    }

    /// The process ends, as by a signal: the system keeps all that it has done.
    pub fn kill(&self) {
        self.state().end_process();
    }

    /// The process will have ended before call number `at` of those that change something, counted from now.
    pub fn kill_at(&self, at: u64) {
        let mut state = self.state();
        state.kill_at = Some(state.calls + at);
    }

    /// The power goes, and comes back: what is left is on disk.
    pub fn power_cut(&self, chance: &mut Chance) {
        self.state().cut_power(chance);
    }

    /// Calls so far that may have changed something.
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// How what was added to a file shows after a power cut.
    pub fn set_order(&self, order: DataOrder) {
        self.state().order = order;
    }

    /// The room for all files; none is as much as there is.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state().capacity = bytes;
    }

    /// Shows what would be left of each file if the power went now and nothing else had been written: by its number.
    pub fn lasting(&self, see: &mut dyn FnMut(u64, &[u8])) {
        self.state().lasting(see);
    }

    /// Whether the process that ran has ended, by [`Self::kill_at`].
    pub fn has_ended(&self) -> bool {
        let state = self.state();
        state.check(state.process).is_err()
    }

    /// Bytes that are taken up.
    pub fn used(&self) -> u64 {
        self.state().used()
    }

    /// The time that files are dated by, nanoseconds since 1970.
    pub fn set_time(&self, now_ns: i128) {
        self.state().now_ns = now_ns;
    }

    /// Lets calls fail that will come.
    pub fn plan(&self, fault: Fault) {
        self.state().faults.plan(fault);
    }

    /// Lets calls fail by chance.
    pub fn set_rates(&self, rates: Rates) {
        self.state().faults.set_rates(rates);
    }

    /// Calls that failed so far, by plan or chance.
    pub fn failures(&self) -> u64 {
        self.state().failures
    }

    /// Nothing fails any more, by plan or chance.
    pub fn heal(&self) {
        self.state().faults.clear();
    }

    /// Changes one bit of a file at rest, which has it.
    pub fn flip(&self, path: &Path, bit: u64) -> io::Result<()> {
        self.state().flip(path, bit)
    }

    /// How long calls take.
    pub fn set_latency(&self, latency: Latency) {
        self.state().latency = latency;
    }

    /// How long an fsync would take that begins now, of all that is not on disk: for who lets that time pass before it ends.
    pub fn draw_sync_us(&self) -> u64 {
        let mut state = self.state();
        let bytes = state.dirty_bytes();
        let State { latency, chance, .. } = &mut *state;
        latency.draw_sync_us(bytes, chance)
    }

    /// How long the calls took since this was asked last.
    pub fn take_spent_us(&self) -> u64 {
        std::mem::take(&mut self.state().spent_us)
    }
}
