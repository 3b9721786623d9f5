//! The worker behind the append-only file: orders in, two positions out, without a thread, a clock or a wait.
//!
//! Who drives it says what time it is, and makes the fsyncs that it asks for: the thread ([`super::AppendThread`]) at once, a
//! simulation when so much time has passed as the fsync is to take.
//!
//! ```text
//! push(order) … ─► work(now) ─► Fsync: all is written that could be, and published as written
//!                     ▲           ╰─► fsync() ─╮ the disk is at it: nothing else is done to the file meanwhile
//!                     ╰────────────────────────╯ the next work() publishes what it made durable, and goes on
//!                  ─► Idle: until the next order, or next_ms()
//! ```
//!
//! | policy | fsync |
//! |---|---|
//! | `always` | after each write: all that has queued up meanwhile is one group |
//! | `everysec` | once a second, if anything was written |
//! | `no` | never by itself |
//!
//! A failed write is tried again every second with the same bytes: nothing is lost and the order is kept. With `always` replies
//! wait for durability, and a failed fsync may have dropped what it was to keep: that is fatal, and the host ends the process. What
//! waited for it is cut off, so that the next start does not take for durable what is in the system's memory only.
//!
//! # Invariants
//! - orders take effect in the order in which they came; an order behind a failing write waits
//! - `durable` ≤ `written`, and both only grow; orders come with ascending positions
//! - an error is published until what failed has succeeded

use super::append::{Appender, Block, Disk};
use crate::files::File;
use bytes::Bytes;
use journal::position::PublishedPosition;
use journal::{Offset, Position};
use protocol::aof::HistoryMark;
use std::collections::VecDeque;
use std::fmt::Debug;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Milliseconds between two fsyncs of `everysec`, and before a failed write is tried again.
const SECOND_MS: u64 = 1000;
/// The most bytes of one block: what a load must see whole to verify it. A longer order is a block of its own.
const BLOCK_BYTES: usize = 1024 * 1024;

/// When to fsync (`appendfsync`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FsyncPolicy {
    /// The system decides.
    No,
    /// Once a second.
    EverySec,
    /// After each write.
    Always,
}

/// What it is told.
#[derive(Debug)]
pub enum Order<D = File> {
    /// Commands to be appended. Sizes are counted in [`AppendStatus::queued_bytes`].
    Append {
        /// The commands, in any pieces.
        bytes: Vec<Bytes>,
        /// The replication offset before.
        start: Offset,
        /// The replication offset after.
        end: Offset,
        /// The position after: what is published once it is written, and durable. Ascending.
        position: Position,
        /// The unix second in which they were executed, if it is another than that of the order before and to be said.
        timestamp_s: Option<i64>,
    },
    /// Whose offsets follow.
    History(HistoryMark),
    /// Look at [`AppendLog::request_sync`]'s wish.
    Sync,
    /// fsync, and go on in another file. The one before has this number, if both are of one set.
    Switch(D, Option<u64>),
    /// Another policy.
    SetPolicy(FsyncPolicy),
    /// fsync, and end.
    Stop,
}

/// What is published.
#[derive(Debug, Default)]
pub struct AppendStatus {
    written: PublishedPosition,
    durable: PublishedPosition,
    size: AtomicU64,
    queued_bytes: AtomicU64,
    /// What is to be on disk as soon as possible.
    sync_wanted: PublishedPosition,
    /// An [`Order::Sync`] is on its way.
    pub(super) sync_ordered: AtomicBool,
    syncing: AtomicBool,
    /// Somebody waits for what is published.
    watched: AtomicBool,
    failed: AtomicBool,
    fatal: AtomicBool,
    /// The longest write and the longest fsync since somebody asked, milliseconds.
    longest_ms: [AtomicU64; 2],
    error: Mutex<Option<String>>,
}

impl AppendStatus {
    /// The system has everything up to here.
    pub fn written(&self) -> Position {
        self.written.get()
    }
    /// Everything up to here is on disk.
    pub fn durable(&self) -> Position {
        self.durable.get()
    }
    /// The size of the present file.
    pub fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }
    /// Bytes ordered and not written yet (`aof_buffer_length`).
    pub fn queued_bytes(&self) -> u64 {
        self.queued_bytes.load(Ordering::Acquire)
    }
    /// Whether an fsync is under way (`aof_pending_bio_fsync`).
    pub fn is_syncing(&self) -> bool {
        self.syncing.load(Ordering::Acquire)
    }
    /// Whether the last write or fsync failed (`aof_last_write_status`).
    pub fn failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }
    /// Whether the process must end: an fsync failed for whose success replies wait.
    pub fn is_fatal(&self) -> bool {
        self.fatal.load(Ordering::Acquire)
    }
    /// Why the last write or fsync failed.
    pub fn error(&self) -> Option<String> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A write took so long.
    pub(super) fn note_write(&self, ms: u64) {
        self.longest_ms[0].fetch_max(ms, Ordering::Relaxed);
    }

    /// An fsync took so long.
    pub(super) fn note_fsync(&self, ms: u64) {
        self.longest_ms[1].fetch_max(ms, Ordering::Relaxed);
    }

    /// How long the longest write and the longest fsync took since this was last asked, milliseconds.
    pub fn take_longest_ms(&self) -> [u64; 2] {
        [&self.longest_ms[0], &self.longest_ms[1]].map(|longest| longest.swap(0, Ordering::Relaxed))
    }

    /// Says whether somebody waits for what is published: then each change of it is told, else only that something fails, or
    /// works again. To be said before the positions are looked at: what they are by then needs no telling.
    pub fn watch(&self, watched: bool) {
        self.watched.store(watched, Ordering::SeqCst);
    }

    /// Whether somebody does.
    pub fn is_watched(&self) -> bool {
        self.watched.load(Ordering::SeqCst)
    }

    /// Notes a wish. Returns whether an [`Order::Sync`] is to be sent: one waits at most.
    pub(super) fn want_sync(&self, position: Position) -> bool {
        self.sync_wanted.advance(position);
        !self.sync_ordered.swap(true, Ordering::AcqRel)
    }

    /// Counts what an order is to write, as it is given.
    pub(super) fn count<D>(&self, order: &Order<D>) {
        if let Order::Append { bytes, .. } = order {
            let len: usize = bytes.iter().map(Bytes::len).sum();
            self.queued_bytes.fetch_add(len as u64, Ordering::AcqRel);
        }
    }

    fn set_error(&self, text: Option<String>) {
        self.failed.store(text.is_some(), Ordering::Release);
        *self.error.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }
}

/// A worker, as who gives it orders sees it: whatever drives it.
pub trait AppendLog: Debug + Send {
    /// Gives an order. One to a worker that has stopped is lost.
    fn order(&self, order: Order);

    /// What it publishes.
    fn status(&self) -> &Arc<AppendStatus>;

    /// Asks for an fsync, without waiting, of all up to that position. However often it is asked, one order waits at most.
    fn request_sync(&self, position: Position);

    /// Lets it wait for so long before each write (DEBUG AOF-FLUSH-SLEEP).
    fn delay_writes(&self, delay: Duration);

    /// Lets it write and fsync everything, and waits for its end. It ends with what it cannot write unwritten; the
    /// status says so.
    fn stop(self: Box<Self>) -> Arc<AppendStatus>;
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Work {
    /// [`AppendWorker::fsync`], and then [`AppendWorker::work`] again.
    Fsync,
    /// Nothing before the next order or [`AppendWorker::next_ms`].
    Idle,
}

/// What was tried on the file, and why it failed.
type Failure = (&'static str, io::Error);

/// The worker.
#[derive(Debug)]
pub struct AppendWorker<D: Disk = File> {
    appender: Appender<D>,
    policy: FsyncPolicy,
    status: Arc<AppendStatus>,
    pending: VecDeque<Order<D>>,
    unsynced: bool,
    synced_ms: u64,
    /// When what failed is tried again.
    retry_ms: Option<u64>,
    /// What came of the fsync that was asked for.
    fsynced: Option<io::Result<()>>,
    stopped: bool,
}

impl<D: Disk> AppendWorker<D> {
    /// Goes on at the end of a file.
    pub fn new(appender: Appender<D>, policy: FsyncPolicy, now_ms: u64) -> Self {
        let status = Arc::new(AppendStatus::default());
        status.size.store(appender.size(), Ordering::Release);
        Self {
            appender,
            policy,
            status,
            pending: VecDeque::new(),
            unsynced: false,
            synced_ms: now_ms,
            retry_ms: None,
            fsynced: None,
            stopped: false,
        }
    }

    /// What it publishes.
    pub fn status(&self) -> &Arc<AppendStatus> {
        &self.status
    }

    /// Gives an order.
    pub fn push(&mut self, order: Order<D>) {
        self.status.count(&order);
        self.take(order);
    }

    /// Takes an order that was counted when it was given.
    pub(super) fn take(&mut self, order: Order<D>) {
        self.pending.push_back(order);
    }

    /// Whether [`Order::Stop`] was obeyed, or an error was fatal: it does nothing more.
    pub fn has_stopped(&self) -> bool {
        self.stopped
    }

    /// When there is something to do if no order comes.
    pub fn next_ms(&self) -> Option<u64> {
        let sync_ms = (self.policy == FsyncPolicy::EverySec && self.unsynced)
            .then(|| self.synced_ms + SECOND_MS);
        self.retry_ms.or(sync_ms)
    }

    /// Whether the next work writes something.
    pub fn writes_at(&self, now_ms: u64) -> bool {
        let appends = self.pending.iter().any(|order| matches!(order, Order::Append { .. }));
        appends && !self.waits_at(now_ms)
    }

    /// Whether what failed is not to be tried again yet.
    fn waits_at(&self, now_ms: u64) -> bool {
        self.retry_ms.is_some_and(|retry_ms| now_ms < retry_ms) && !self.stopping()
    }

    fn stopping(&self) -> bool {
        let stops = |order: Option<&Order<D>>| matches!(order, Some(Order::Stop));
        stops(self.pending.front()) || stops(self.pending.back())
    }

    /// Does what can be done now, up to the next fsync.
    pub fn work(&mut self, now_ms: u64) -> Work {
        assert!(!self.status.is_syncing(), "an fsync that was asked for is made first");
        let fsynced = self.fsynced.take();
        if self.stopped || (fsynced.is_none() && self.waits_at(now_ms)) {
            return Work::Idle;
        }
        self.retry_ms = None;
        let work = self.end_fsync(fsynced, now_ms).and_then(|()| self.try_work(now_ms));
        match &work {
            Ok(Work::Idle) if self.status.failed() => self.status.set_error(None),
            Ok(Work::Idle) => {}
            Ok(Work::Fsync) => self.status.syncing.store(true, Ordering::Release),
            Err((what, error)) => {
                self.status.set_error(Some(format!("{what} append-only file: {error}")));
                self.retry_ms = Some(now_ms + SECOND_MS);
                // There is no later time to try.
                self.stopped |= self.stopping();
            }
        }
        self.status.size.store(self.appender.size(), Ordering::Release);
        work.unwrap_or(Work::Idle)
    }

    /// Makes the fsync that [`Self::work`] has asked for.
    pub fn fsync(&mut self) {
        assert!(self.status.is_syncing(), "it was asked for");
        self.fsynced = Some(self.appender.sync());
        self.status.syncing.store(false, Ordering::Release);
    }

    /// Publishes what came of an fsync.
    fn end_fsync(&mut self, result: Option<io::Result<()>>, now_ms: u64) -> Result<(), Failure> {
        match result {
            None => return Ok(()),
            Some(Ok(())) => self.synced(now_ms),
            Some(Err(error)) => {
                if self.policy == FsyncPolicy::Always {
                    self.status.fatal.store(true, Ordering::Release);
                    // Of what is cut off nobody has been told. Where that fails, a start finds it, or what is left of it.
                    let _ = self.appender.cut_unsynced();
                    self.stopped = true;
                }
                return Err(("fsync", error));
            }
        }
        Ok(())
    }

    /// All that is written is durable.
    fn synced(&mut self, now_ms: u64) {
        self.unsynced = false;
        self.synced_ms = now_ms;
        self.status.durable.advance(self.status.written());
        assert!(self.status.durable() <= self.status.written(), "what is durable was written");
    }

    fn try_work(&mut self, now_ms: u64) -> Result<Work, Failure> {
        while let Some(order) = self.pending.front_mut() {
            match order {
                Order::Append { .. } => {
                    self.write_group()?;
                    continue;
                }
                Order::Switch(..) | Order::Stop if self.unsynced => return Ok(Work::Fsync),
                Order::History(history) => self.appender.set_history(*history),
                Order::SetPolicy(policy) => {
                    if self.policy != FsyncPolicy::Always {
                        self.appender.note_told();
                    }
                    self.policy = *policy;
                }
                // Before the wish is read below: a later one comes with an order of its own.
                Order::Sync => self.status.sync_ordered.store(false, Ordering::Release),
                Order::Stop => {
                    self.synced(now_ms);
                    self.stopped = true;
                }
                Order::Switch(..) => {
                    self.synced(now_ms);
                    let Some(Order::Switch(file, before)) = self.pending.pop_front() else {
                        unreachable!("it was at the front")
                    };
                    if let Err(error) = self.appender.switch_to(file, before) {
                        // What follows belongs to a file that cannot be used.
                        self.status.fatal.store(true, Ordering::Release);
                        return Err(("look at", error));
                    }
                    continue;
                }
            }
            self.pending.pop_front();
        }
        let due = match self.policy {
            FsyncPolicy::No => false,
            FsyncPolicy::Always => true,
            FsyncPolicy::EverySec => now_ms >= self.synced_ms + SECOND_MS,
        };
        if due || self.status.sync_wanted.get() > self.status.durable() {
            if self.unsynced {
                return Ok(Work::Fsync);
            }
            self.synced(now_ms);
        }
        Ok(Work::Idle)
    }

    /// Writes the appends at the front of the queue in one go.
    fn write_group(&mut self) -> Result<(), Failure> {
        let mut blocks: Vec<Block> = Vec::new();
        let (mut count, mut total, mut last_bytes) = (0, 0, 0);
        let mut up_to = self.status.written();
        for order in &self.pending {
            let Order::Append { bytes, start, end, position, timestamp_s } = order else { break };
            let len: usize = bytes.iter().map(Bytes::len).sum();
            // All bytes of a block count, or none: so the offset is known wherever it is torn.
            let joins = |block: &Block| {
                block.end == *start
                    && (block.start == block.end) == (start == end)
                    && timestamp_s.is_none()
                    && last_bytes + len <= BLOCK_BYTES
            };
            match blocks.last_mut() {
                Some(block) if joins(block) => {
                    block.bytes.extend(bytes.iter().cloned());
                    block.end = *end;
                    last_bytes += len;
                }
                _ => {
                    let (bytes, timestamp_s) = (bytes.clone(), *timestamp_s);
                    blocks.push(Block { bytes, start: *start, end: *end, timestamp_s });
                    last_bytes = len;
                }
            }
            assert!(up_to <= *position, "orders ascend: {position} behind {up_to}");
            (count, up_to, total) = (count + 1, *position, total + len as u64);
        }
        self.appender.append(blocks.iter()).map_err(|error| ("write to", error))?;
        self.pending.drain(..count);
        self.unsynced = true;
        self.status.queued_bytes.fetch_sub(total, Ordering::AcqRel);
        self.status.written.advance(up_to);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
