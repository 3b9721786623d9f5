//! Faults of a disk, and how long its calls take: what a world has planned, and what happens by chance.
//!
//! # Invariants
//! - chance is asked only for what may happen: a disk without rates makes no choices

use crate::chance::Chance;
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};

/// A kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Opening, for whatever.
    Open,
    /// Reading from an open file.
    Read,
    /// Writing to one.
    Write,
    /// Cutting or lengthening one.
    SetLen,
    /// fsync or fdatasync of a file.
    Sync,
    /// fsync of a directory.
    SyncDirectory,
    /// A rename, of either kind.
    Rename,
    /// A second name.
    Link,
    /// Removing a file, or a directory with all that is in it.
    Remove,
    /// Making a directory.
    CreateDirectory,
}

impl Call {
    /// Whether something may be different afterwards.
    pub(super) fn changes(self) -> bool {
        !matches!(self, Call::Read)
    }
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It was not done, and this is the error. An fsync may have been done in part: see [`super::DataOrder`].
    NotDone(i32),
    /// It was done, and this is the error all the same.
    Done(i32),
    /// A write does half of it, and says so. Other calls are done.
    Half,
}

/// No space left on device.
pub const NO_SPACE: i32 = 28;
/// Input/output error.
pub const IO_ERROR: i32 = 5;

/// A fault that will happen.
#[derive(Clone, Debug)]
pub struct Fault {
    /// To which calls.
    pub call: Call,
    /// On which file or directory: the end of its path. None: any.
    pub path: Option<PathBuf>,
    /// So many of these calls are made before it.
    pub skip: u64,
    /// So many fail.
    pub count: u64,
    /// How.
    pub failure: Failure,
}

/// How often calls fail by chance: once in so many, never if 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// An fsync of a file, with [`IO_ERROR`].
    pub sync_one_in: u64,
    /// A write: with [`IO_ERROR`], or half of it is done.
    pub write_one_in: u64,
    /// Opening, with [`IO_ERROR`].
    pub open_one_in: u64,
    /// A rename, with [`IO_ERROR`].
    pub rename_one_in: u64,
}

/// How long calls take, microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// Each call.
    pub call_us: u64,
    /// Each mebibyte that is written to the cache, on top of that.
    pub write_us_per_mib: u64,
    /// Each fsync, of a file or directory.
    pub sync_us: u64,
    /// Each mebibyte that an fsync has to write, on top of that.
    pub sync_us_per_mib: u64,
    /// Once in so many times an fsync is slow; never if 0.
    pub slow_one_in: u64,
    /// Then it takes up to so long more.
    pub slow_us: u64,
}

impl Latency {
    /// How long an fsync takes that has so much to write.
    pub(super) fn draw_sync_us(&self, bytes: u64, chance: &mut Chance) -> u64 {
        let slow_us = match self.slow_us > 0 && chance.one_in(self.slow_one_in) {
            true => chance.below(self.slow_us) + 1,
            false => 0,
        };
        self.sync_us + per_mib(self.sync_us_per_mib, bytes) + slow_us
    }

    /// How long a write to the cache takes.
    pub(super) fn write_us(&self, bytes: u64) -> u64 {
        self.call_us + per_mib(self.write_us_per_mib, bytes)
    }
}

fn per_mib(us: u64, bytes: u64) -> u64 {
    us.saturating_mul(bytes) >> 20
}

/// The faults to come.
#[derive(Debug, Default)]
pub(super) struct Faults {
    planned: VecDeque<Fault>,
    rates: Rates,
}

impl Faults {
    pub(super) fn plan(&mut self, fault: Fault) {
        self.planned.push_back(fault);
    }

    pub(super) fn set_rates(&mut self, rates: Rates) {
        self.rates = rates;
    }

    /// Nothing fails any more.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// How this call fails, if it does.
    pub(super) fn next(&mut self, call: Call, path: &Path, chance: &mut Chance) -> Option<Failure> {
        let concerns = |fault: &&mut Fault| {
            let is_there = fault.path.as_ref().is_none_or(|end| path.ends_with(end));
            fault.call == call && fault.count > 0 && is_there
        };
        let mut failure = None;
        for fault in self.planned.iter_mut().filter(concerns) {
            match fault.skip {
                0 if failure.is_none() => {
                    fault.count -= 1;
                    failure = Some(fault.failure);
                }
                0 => {}
                _ => fault.skip -= 1,
            }
        }
        self.planned.retain(|fault| fault.count > 0);
        failure.or_else(|| self.by_chance(call, chance))
    }

    fn by_chance(&self, call: Call, chance: &mut Chance) -> Option<Failure> {
        let one_in = match call {
            Call::Sync => self.rates.sync_one_in,
            Call::Write => self.rates.write_one_in,
            Call::Open => self.rates.open_one_in,
            Call::Rename => self.rates.rename_one_in,
            _ => 0,
        };
        if !chance.one_in(one_in) {
            return None;
        }
        let is_half = call == Call::Write && chance.one_in(2);
        Some(if is_half { Failure::Half } else { Failure::NotDone(IO_ERROR) })
    }
}

/// The system's error of this number.
pub(super) fn error(code: i32) -> io::Error {
    io::Error::from_raw_os_error(code)
}
