//! The one child: who may begin beside whom, who waits until it has ended, and what INFO shows of it.
//!
//! ```text
//!          try_begin ─► fork ─► begin          exited             end
//! (nobody) ──────────────────────► at work ───────────► is sent ─────► (nobody) ─► who waits begins
//!     └─ Err(WhoIsThere): refused, or scheduled  │ kill: what it made is thrown away
//!                                                ╰───────────────────► end
//! ```
//!
//! There is one at most, as in Redis: two would copy what changes twice. Who asks while somebody is there:
//!
//! | asks \ is there | save | rewrite | full sync | a transaction that asks |
//! |---|---|---|---|---|
//! | BGSAVE | refused | refused; with SCHEDULE it waits | waits | waits |
//! | BGREWRITEAOF | waits | refused | waits | waits |
//! | the first base after `appendonly yes` | waits | kills it, and waits | waits | waits |
//! | save points, growth of the file | is asked again | is asked again | is asked again | – |
//! | a full sync | is asked again | is asked again | is asked again | – |
//! | SAVE | refused | goes on | goes on | goes on |
//! | what else replaces the snapshot on the main thread | kills it | goes on | goes on | goes on |
//!
//! Of those who wait the rewrite comes first: a file without its base cannot be loaded. Full syncs wait in their replicas, and
//! come last.
//!
//! # Invariants
//! - memory is shared exactly while a child's process is there; nobody else says so
//! - a child that was killed has made nothing, also where it had ended well before
//!
//! # Not here
//! - forking and what children do: `backup::fork`; the way from here to the world, the engine and the log: [`duties`]

pub mod duties;

use crate::persistence::aof::Rewriting;
use std::time::Duration;

/// What a child has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Keys written.
    pub keys: u64,
    /// Memory copied on write, bytes.
    pub copied_bytes: u64,
}

/// What a child does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A snapshot for the file.
    Save,
    /// A base of the append-only file.
    Rewrite,
    /// A snapshot for replicas.
    FullSync,
}

/// What a child is for, and what has to be known when it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A snapshot for the file.
    Save {
        /// Changes since the last one, which this one will have.
        dirty: u64,
    },
    /// A base of the append-only file.
    Rewrite {
        /// What the base is for.
        rewriting: Rewriting,
        /// Whether it is a snapshot: what was configured when it was begun.
        is_rdb: bool,
    },
    /// A snapshot for replicas: the full sync of this number.
    FullSync {
        /// Which one.
        number: u64,
    },
}

impl Purpose {
    /// What such a child does.
    pub fn kind(self) -> Kind {
        match self {
            Purpose::Save { .. } => Kind::Save,
            Purpose::Rewrite { .. } => Kind::Rewrite,
            Purpose::FullSync { .. } => Kind::FullSync,
        }
    }
}

/// Why none may begin now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhoIsThere {
    /// A child.
    Child(Kind),
    /// A transaction is being executed: what it has changed so far is not journaled yet, and what it will change belongs to
    /// the same moment.
    Transaction,
}

/// The leave to begin a child of this kind: given back to [`Child::begin`] when it has been forked.
#[must_use = "the child is to be forked, or the leave dropped"]
#[derive(Debug, PartialEq, Eq)]
pub struct Leave(Kind);

/// A child that has just been forked.
#[derive(Clone, Copy, Debug)]
pub struct Forked {
    /// Its process.
    pub pid: i32,
    /// How long the fork took.
    pub took: Duration,
    /// Keys that it is to write.
    pub keys: u64,
    /// Memory in use, bytes.
    pub bytes: usize,
}

/// A child at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    /// What it is for.
    pub purpose: Purpose,
    /// Its process; none when that has ended, and what it made is still on its way to replicas.
    pub pid: Option<i32>,
    /// When it began: a moment of the steady clock, milliseconds.
    pub started_ms: i64,
    /// Keys that it is to write.
    pub keys_total: u64,
    /// Keys that it has written, and memory copied on write.
    pub progress: Progress,
    killed: bool,
}

/// A child that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// What it was for.
    pub purpose: Purpose,
    /// It was told to stop: that it did is no failure, and what it made is not used.
    pub killed: bool,
}

/// What is remembered of the last child of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Last {
    /// How long it took, seconds; −1 if there was none.
    pub seconds: i64,
    /// Memory copied on write, bytes.
    pub copied_bytes: u64,
}

const NONE_YET: Last = Last { seconds: -1, copied_bytes: 0 };

/// The child, if there is one, and those that wait for its end.
#[derive(Debug)]
pub struct Child {
    running: Option<Running>,
    save_waits: bool,
    rewrite_waits: bool,
    last_snapshot: Last,
    last_rewrite: Last,
    /// Children forked since the statistics were reset.
    pub forks: u64,
    /// How long the last fork took, microseconds.
    pub fork_us: u64,
    /// How much memory there was then, bytes.
    pub fork_bytes: usize,
}

impl Default for Child {
    fn default() -> Child {
        Child {
            running: None,
            save_waits: false,
            rewrite_waits: false,
            last_snapshot: NONE_YET,
            last_rewrite: NONE_YET,
            forks: 0,
            fork_us: 0,
            fork_bytes: 0,
        }
    }
}

impl Child {
    /// Whether a child of this kind may be forked now; else who is in its way.
    pub fn try_begin(&self, kind: Kind, in_exec: bool) -> Result<Leave, WhoIsThere> {
        match self.running {
            Some(child) => Err(WhoIsThere::Child(child.purpose.kind())),
            None if in_exec => Err(WhoIsThere::Transaction),
            None => Ok(Leave(kind)),
        }
    }

    /// It has been forked, and no longer waits.
    pub fn begin(&mut self, leave: &Leave, purpose: Purpose, forked: Forked, now_ms: i64) {
        assert!(self.running.is_none(), "one child at most");
        assert_eq!(leave.0, purpose.kind(), "the leave was for another one");
        self.cancel(purpose.kind());
        self.forks += 1;
        self.fork_us = forked.took.as_micros() as u64;
        self.fork_bytes = forked.bytes;
        self.running = Some(Running {
            purpose,
            pid: Some(forked.pid),
            started_ms: now_ms,
            keys_total: forked.keys,
            progress: Progress::default(),
            killed: false,
        });
    }

    /// The one at work.
    pub fn running(&self) -> Option<&Running> {
        self.running.as_ref()
    }

    /// The one at work, if it is of this kind.
    pub fn running_as(&self, kind: Kind) -> Option<&Running> {
        self.running().filter(|child| child.purpose.kind() == kind)
    }

    /// The one at work, if it writes a snapshot: for INFO, as in Redis, a full sync is a BGSAVE like others.
    pub fn saving(&self) -> Option<&Running> {
        self.running().filter(|child| child.purpose.kind() != Kind::Rewrite)
    }

    /// Whether the memory is shared with a child: what is written is copied.
    pub fn shares_memory(&self) -> bool {
        self.running.is_some_and(|child| child.pid.is_some())
    }

    /// What it reports.
    pub fn note(&mut self, progress: Progress) {
        if let Some(child) = &mut self.running {
            child.progress = progress;
        }
    }

    /// Its process has ended; what it made is not used up yet, and nobody else may begin.
    pub fn exited(&mut self) {
        if let Some(child) = &mut self.running {
            child.pid = None;
        }
    }

    /// What the one of this kind makes is not wanted any more. The process to kill, if it is still there.
    pub fn kill(&mut self, kind: Kind) -> Option<i32> {
        let child = self.running.as_mut().filter(|child| child.purpose.kind() == kind)?;
        child.killed = true;
        child.pid
    }

    /// It has ended, and what it made was used or thrown away. None if there was none.
    pub fn end(&mut self, kind: Kind, now_ms: i64) -> Option<Ended> {
        let Running { purpose, started_ms, progress, killed, .. } = self.running.take()?;
        assert_eq!(purpose.kind(), kind, "another child's end");
        let seconds = (now_ms - started_ms) / 1000;
        let last = Last { seconds, copied_bytes: progress.copied_bytes };
        match kind {
            Kind::Rewrite => self.last_rewrite = last,
            Kind::Save | Kind::FullSync => self.last_snapshot = last,
        }
        Some(Ended { purpose, killed })
    }

    /// The last one that wrote a snapshot, or the last rewrite.
    pub fn last(&self, kind: Kind) -> Last {
        match kind {
            Kind::Rewrite => self.last_rewrite,
            Kind::Save | Kind::FullSync => self.last_snapshot,
        }
    }

    // --- who waits ---

    /// One of this kind begins as soon as it may. Full syncs wait in their replicas.
    pub fn schedule(&mut self, kind: Kind) {
        *self.waits_mut(kind) = true;
    }

    /// It does not wait any more.
    pub fn cancel(&mut self, kind: Kind) {
        if kind != Kind::FullSync {
            *self.waits_mut(kind) = false;
        }
    }

    fn waits_mut(&mut self, kind: Kind) -> &mut bool {
        match kind {
            Kind::Save => &mut self.save_waits,
            Kind::Rewrite => &mut self.rewrite_waits,
            Kind::FullSync => unreachable!("full syncs wait in their replicas"),
        }
    }

    /// Whether one of this kind waits.
    pub fn waits(&self, kind: Kind) -> bool {
        match kind {
            Kind::Save => self.save_waits,
            Kind::Rewrite => self.rewrite_waits,
            Kind::FullSync => false,
        }
    }

    /// Who may begin now of those that wait, the first one first; nobody while somebody is there.
    pub fn next(&self) -> impl Iterator<Item = (Kind, Leave)> + use<> {
        let free = self.running.is_none();
        let rewrite = (free && self.rewrite_waits).then_some(Kind::Rewrite);
        let save = (free && self.save_waits).then_some(Kind::Save);
        rewrite.into_iter().chain(save).map(|kind| (kind, Leave(kind)))
    }

    /// CONFIG RESETSTAT.
    pub fn reset_stats(&mut self) {
        (self.forks, self.fork_us) = (0, 0);
    }
}

#[cfg(test)]
mod tests;
