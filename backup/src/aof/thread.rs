//! The thread that writes the append-only file: a channel in front of the worker that does the work.
//!
//! ```text
//! main:    Append Append History Switch …  ─► channel ─►  append thread: take all ─► one write ─► one fsync
//!          written, durable (positions), size, error  ◄─ atomics, then notify()
//! ```
//!
//! Main is told of what was published only if it watches ([`AppendStatus::watch`]), or something fails: waking it for each write
//! costs more than the write. (Gathering orders for half a millisecond was tried: rounds of the loop under load are longer.)
//!
//! The thread itself fsyncs, so a slow disk holds up the writes behind it but never the executing thread; what queues
//! up is one larger write afterwards. How much queues up is the caller's to bound: `queued_bytes` and `written`
//! tell it, and no more than one order of each other kind needs to wait.
//!
//! # Not here
//! - policy, groups and what is tried again: [`super::AppendWorker`]

use super::append::{Appender, Disk};
use super::worker::{AppendLog, AppendStatus, AppendWorker, FsyncPolicy, Order, Work};
use crate::files::File;
use journal::Position;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

/// The thread, from outside. Dropping it is as good as [`Order::Stop`], without waiting.
#[derive(Debug)]
pub struct AppendThread<D: Disk = File> {
    orders: Sender<Order<D>>,
    status: Arc<AppendStatus>,
    /// How long to wait before each write, microseconds: for experiments.
    delay_us: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl<D: Disk + 'static> AppendThread<D> {
    /// Starts it. `clock_ms` is any monotonic time; `notify` is called, by the thread, after what it publishes changed, as far
    /// as that is watched.
    pub fn spawn(
        appender: Appender<D>,
        policy: FsyncPolicy,
        clock_ms: Box<dyn Fn() -> u64 + Send>,
        notify: Box<dyn Fn() + Send>,
    ) -> io::Result<Self> {
        // Without a bound of its own: main must not wait for a disk. The caller bounds it, see the module's header.
        let (orders, received) = mpsc::channel();
        let delay_us = Arc::new(AtomicU64::new(0));
        let worker = AppendWorker::new(appender, policy, clock_ms());
        let status = Arc::clone(worker.status());
        let mut inside = Inside { worker, clock_ms, delay_us: Arc::clone(&delay_us) };
        let thread = std::thread::Builder::new().name("append".into());
        let thread = thread.spawn(move || inside.run(&received, &notify))?;
        Ok(Self { orders, status, delay_us, thread })
    }

    /// What it publishes.
    pub fn status(&self) -> &Arc<AppendStatus> {
        &self.status
    }

    /// Gives an order. One to a thread that has stopped is lost.
    pub fn order(&self, order: Order<D>) {
        self.status.count(&order);
        let _ = self.orders.send(order);
    }

    /// Asks for an fsync, without waiting, of all up to that position.
    pub fn request_sync(&self, position: Position) {
        if self.status.want_sync(position) {
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

impl AppendLog for AppendThread {
    fn order(&self, order: Order) {
        AppendThread::order(self, order);
    }

    fn status(&self) -> &Arc<AppendStatus> {
        AppendThread::status(self)
    }

    fn request_sync(&self, position: Position) {
        AppendThread::request_sync(self, position);
    }

    fn delay_writes(&self, delay: Duration) {
        self.delay_us.store(delay.as_micros() as u64, Ordering::Relaxed);
    }

    fn stop(self: Box<Self>) -> Arc<AppendStatus> {
        AppendThread::stop(*self)
    }
}

/// The thread, from inside.
struct Inside<D: Disk> {
    worker: AppendWorker<D>,
    clock_ms: Box<dyn Fn() -> u64 + Send>,
    delay_us: Arc<AtomicU64>,
}

impl<D: Disk> Inside<D> {
    fn run(&mut self, orders: &Receiver<Order<D>>, notify: &dyn Fn()) {
        while !self.worker.has_stopped() {
            let received = match self.worker.next_ms() {
                None => orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(next_ms) => {
                    let patience_ms = next_ms.saturating_sub((self.clock_ms)());
                    orders.recv_timeout(Duration::from_millis(patience_ms))
                }
            };
            match received {
                Ok(order) => self.worker.take(order),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => self.worker.take(Order::Stop),
            }
            orders.try_iter().for_each(|order| self.worker.take(order));
            let had_failed = self.worker.status().failed();
            self.work();
            let status = self.worker.status();
            if status.is_watched() || status.failed() != had_failed || self.worker.has_stopped() {
                notify();
            }
        }
    }

    fn work(&mut self) {
        loop {
            let now_ms = (self.clock_ms)();
            let delay_us = self.delay_us.load(Ordering::Relaxed);
            if delay_us > 0 && self.worker.writes_at(now_ms) {
                std::thread::sleep(Duration::from_micros(delay_us));
            }
            let work = self.worker.work(now_ms);
            let worked_ms = (self.clock_ms)();
            // The delay before is as good as a part of it.
            self.worker.status().note_write(worked_ms.saturating_sub(now_ms));
            match work {
                Work::Fsync => {
                    self.worker.fsync();
                    let took_ms = (self.clock_ms)().saturating_sub(worked_ms);
                    self.worker.status().note_fsync(took_ms);
                }
                Work::Idle => return,
            }
        }
    }
}

#[cfg(test)]
mod tests;
