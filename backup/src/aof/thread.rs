//! The thread that writes the append-only file: one queue of orders in, two positions out.
//!
//! ```text
//! main:    Append Append History Switch …  ─► channel ─►  append thread: take all ─► one write ─► one fsync
//!          written, durable (positions), size, error  ◄─ atomics, then notify()
//! ```
//!
//! | policy | fsync |
//! |---|---|
//! | `always` | after each write: all that has queued up meanwhile is one group |
//! | `everysec` | once a second, if anything was written |
//! | `no` | never by itself |
//!
//! The thread itself fsyncs, so a slow disk holds up the writes behind it but never the executing thread; what queues
//! up is one larger write afterwards. How much queues up is the caller's to bound: `queued_bytes` and `written`
//! tell it, and no more than one order of each other kind needs to wait. A failed write is tried again every second with the same bytes: nothing is lost
//! and the order is kept. With `always` replies wait for durability, and a failed fsync may have dropped what it was
//! to keep: that is fatal, and the host ends the process.
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
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
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

/// What the thread is told.
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
    /// Look at [`AppendThread::request_sync`]'s wish.
    Sync,
    /// fsync, and go on in another file. The one before has this number, if both are of one set.
    Switch(D, Option<u64>),
    /// Another policy.
    SetPolicy(FsyncPolicy),
    /// fsync, and end.
    Stop,
}

/// What the thread publishes.
#[derive(Debug, Default)]
pub struct AppendStatus {
    written: PublishedPosition,
    durable: PublishedPosition,
    size: AtomicU64,
    queued_bytes: AtomicU64,
    /// What is to be on disk as soon as possible.
    sync_wanted: PublishedPosition,
    /// An [`Order::Sync`] is on its way.
    sync_ordered: AtomicBool,
    syncing: AtomicBool,
    failed: AtomicBool,
    fatal: AtomicBool,
    /// How long to wait before each write, microseconds: for experiments.
    delay_us: AtomicU64,
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

    fn set_error(&self, text: Option<String>) {
        self.failed.store(text.is_some(), Ordering::Release);
        *self.error.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }
}

/// The thread, from outside. Dropping it is as good as [`Order::Stop`], without waiting.
#[derive(Debug)]
pub struct AppendThread<D: Disk = File> {
    orders: Sender<Order<D>>,
    status: Arc<AppendStatus>,
    thread: JoinHandle<()>,
}

impl<D: Disk + 'static> AppendThread<D> {
    /// Starts it. `clock_ms` is any monotonic time; `notify` is called, by the thread, after what it publishes changed.
    pub fn spawn(
        appender: Appender<D>,
        policy: FsyncPolicy,
        clock_ms: Box<dyn Fn() -> u64 + Send>,
        notify: Box<dyn Fn() + Send>,
    ) -> io::Result<Self> {
        let status = Arc::new(AppendStatus::default());
        // Without a bound of its own: main must not wait for a disk. The caller bounds it, see the module's header.
        let (orders, received) = mpsc::channel();
        let mut worker = Worker::new(appender, policy, clock_ms, Arc::clone(&status));
        let thread = std::thread::Builder::new().name("append".into());
        let thread = thread.spawn(move || worker.run(&received, &notify))?;
        Ok(Self { orders, status, thread })
    }

    /// What it publishes.
    pub fn status(&self) -> &Arc<AppendStatus> {
        &self.status
    }

    /// Gives an order. One to a thread that has stopped is lost.
    pub fn order(&self, order: Order<D>) {
        if let Order::Append { bytes, .. } = &order {
            let len: usize = bytes.iter().map(Bytes::len).sum();
            self.status.queued_bytes.fetch_add(len as u64, Ordering::AcqRel);
        }
        let _ = self.orders.send(order);
    }

    /// Lets it wait for so long before each write (DEBUG AOF-FLUSH-SLEEP).
    pub fn delay_writes(&self, delay: Duration) {
        self.status.delay_us.store(delay.as_micros() as u64, Ordering::Relaxed);
    }

    /// Asks for an fsync, without waiting, of all up to that position. However often it is asked, one order waits at most.
    pub fn request_sync(&self, position: Position) {
        self.status.sync_wanted.advance(position);
        if !self.status.sync_ordered.swap(true, Ordering::AcqRel) {
            self.order(Order::Sync);
        }
    }

    /// Lets it write and fsync everything, and waits for its end. It ends with what it cannot write unwritten; the
    /// status says so.
    pub fn stop(self) -> Arc<AppendStatus> {
        self.order(Order::Stop);
        let _ = self.thread.join();
        self.status
    }
}

/// The thread, from inside; everything but the waiting can be tested without one.
struct Worker<D: Disk> {
    appender: Appender<D>,
    policy: FsyncPolicy,
    clock_ms: Box<dyn Fn() -> u64 + Send>,
    status: Arc<AppendStatus>,
    pending: VecDeque<Order<D>>,
    unsynced: bool,
    synced_ms: u64,
    /// When what failed is tried again.
    retry_ms: Option<u64>,
    stopped: bool,
}

impl<D: Disk> Worker<D> {
    fn new(
        appender: Appender<D>,
        policy: FsyncPolicy,
        clock_ms: Box<dyn Fn() -> u64 + Send>,
        status: Arc<AppendStatus>,
    ) -> Self {
        status.size.store(appender.size(), Ordering::Release);
        let synced_ms = clock_ms();
        Self {
            appender,
            policy,
            clock_ms,
            status,
            pending: VecDeque::new(),
            unsynced: false,
            synced_ms,
            retry_ms: None,
            stopped: false,
        }
    }

    fn run(&mut self, orders: &Receiver<Order<D>>, notify: &dyn Fn()) {
        while !self.stopped {
            let received = match self.patience_ms() {
                None => orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(ms) => orders.recv_timeout(Duration::from_millis(ms)),
            };
            match received {
                Ok(order) => self.pending.push_back(order),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => self.pending.push_back(Order::Stop),
            }
            self.pending.extend(orders.try_iter());
            self.work();
            notify();
        }
    }

    /// How long to wait for orders before there is something to do anyway.
    fn patience_ms(&self) -> Option<u64> {
        let sync_ms = (self.policy == FsyncPolicy::EverySec && self.unsynced)
            .then(|| self.synced_ms + SECOND_MS);
        let next = self.retry_ms.or(sync_ms)?;
        Some(next.saturating_sub((self.clock_ms)()))
    }

    /// Does what can be done now.
    fn work(&mut self) {
        if self.retry_ms.is_some_and(|retry_ms| (self.clock_ms)() < retry_ms) && !self.stopping() {
            return;
        }
        self.retry_ms = None;
        let result = self.try_work();
        match result {
            Ok(()) if self.status.failed() => self.status.set_error(None),
            Ok(()) => {}
            Err((what, error)) => {
                self.status.set_error(Some(format!("{what} append-only file: {error}")));
                self.retry_ms = Some((self.clock_ms)() + SECOND_MS);
                // There is no later time to try.
                self.stopped |= self.stopping();
            }
        }
        self.status.size.store(self.appender.size(), Ordering::Release);
    }

    fn stopping(&self) -> bool {
        matches!(self.pending.back(), Some(Order::Stop))
    }

    fn try_work(&mut self) -> Result<(), (&'static str, io::Error)> {
        while let Some(order) = self.pending.front_mut() {
            match order {
                Order::Append { .. } => {
                    self.write_group()?;
                    continue;
                }
                Order::History(history) => self.appender.set_history(*history),
                Order::SetPolicy(policy) => self.policy = *policy,
                // Before the wish is read below: a later one comes with an order of its own.
                Order::Sync => self.status.sync_ordered.store(false, Ordering::Release),
                Order::Stop => {
                    self.stopped = true;
                    self.sync()?;
                }
                Order::Switch(..) => {
                    self.sync()?;
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
            FsyncPolicy::EverySec => (self.clock_ms)() >= self.synced_ms + SECOND_MS,
        };
        let wanted = self.status.sync_wanted.get();
        if due || wanted > self.status.durable() { self.sync() } else { Ok(()) }
    }

    /// Writes the appends at the front of the queue in one go.
    fn write_group(&mut self) -> Result<(), (&'static str, io::Error)> {
        let delay_us = self.status.delay_us.load(Ordering::Relaxed);
        if delay_us > 0 {
            std::thread::sleep(Duration::from_micros(delay_us));
        }
        let mut blocks: Vec<Block> = Vec::new();
        let (mut count, mut total, mut last_bytes) = (0, 0, 0);
        let mut up_to = self.status.written();
        for order in &self.pending {
            let Order::Append { bytes, start, end, position, timestamp_s } = order else { break };
            let len: usize = bytes.iter().map(Bytes::len).sum();
            let joins = |block: &Block| {
                block.end == *start && timestamp_s.is_none() && last_bytes + len <= BLOCK_BYTES
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

    fn sync(&mut self) -> Result<(), (&'static str, io::Error)> {
        if self.unsynced {
            self.status.syncing.store(true, Ordering::Release);
            let result = self.appender.sync();
            self.status.syncing.store(false, Ordering::Release);
            if result.is_err() && self.policy == FsyncPolicy::Always {
                self.status.fatal.store(true, Ordering::Release);
            }
            result.map_err(|error| ("fsync", error))?;
        }
        self.unsynced = false;
        self.synced_ms = (self.clock_ms)();
        self.status.durable.advance(self.status.written());
        assert!(self.status.durable() <= self.status.written(), "what is durable was written");
        Ok(())
    }
}

#[cfg(test)]
mod tests;
