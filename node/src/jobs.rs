//! What takes long and needs no node: done on another thread, with an event at its end.

use crate::persistence::loader::Outcome;
use backup::aof::AofDir;
use backup::files::{File, Files, Replaced};
use replica::link::{Attempt, Event as LinkEvent};
use std::path::PathBuf;

/// Something to do on another thread.
pub type Job = Box<dyn FnOnce() -> JobDone + Send>;

/// The first files of an append-only file, and the data that they were made of.
pub type Made = ((AofDir, File), Outcome);

/// What came of it.
pub enum JobDone {
    /// What the files hold at the start, if there are any.
    Loaded(Box<Result<Option<Outcome>, String>>),
    /// The first files of the append-only file, made of a dump that was loaded.
    FirstFiles(Box<Result<Made, String>>),
    /// What an attempt of the link waits for.
    Link(Attempt, Box<LinkEvent<Outcome>>),
    /// A snapshot of our primary took the place of our own, or could not: for an attempt of the link.
    SnapshotPlaced(Attempt, Result<Replaced, String>),
}

/// A file that is removed unless it was renamed.
pub struct Temporary(pub Files, pub PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = self.0.remove(&self.1);
    }
}
