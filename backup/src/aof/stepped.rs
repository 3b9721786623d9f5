//! A worker that somebody else drives, in a time of his own: what a simulation has in place of the thread.
//!
//! ```text
//! a node:            dyn AppendLog ─► order, request_sync, stop ─╮
//!                                                                ├─► one AppendWorker
//! whose time it is:  SteppedWorker ─► work(now), fsync, next_ms ─╯
//! ```
//!
//! # Invariants
//! - nothing happens to the file but inside of calls of who drives it, and of `stop`, which waits for the end

use super::worker::{AppendLog, AppendStatus, AppendWorker, Order, Work};
use journal::Position;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The end of who drives it.
#[derive(Debug)]
pub struct SteppedWorker(Arc<Mutex<State>>);

/// The end of who gives it orders. Dropping this is as good as [`Order::Stop`], without waiting.
#[derive(Debug)]
struct SteppedLog {
    state: Arc<Mutex<State>>,
    status: Arc<AppendStatus>,
}

#[derive(Debug)]
struct State {
    worker: AppendWorker,
    now_ms: u64,
    delay: Duration,
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SteppedWorker {
    /// Shares a worker that was made at this time: both ends.
    pub fn new(worker: AppendWorker, now_ms: u64) -> (Self, Box<dyn AppendLog>) {
        let status = Arc::clone(worker.status());
        let state = Arc::new(Mutex::new(State { worker, now_ms, delay: Duration::ZERO }));
        (Self(Arc::clone(&state)), Box::new(SteppedLog { state, status }))
    }

    /// Does what can be done now, up to the next fsync. While one is under way that is nothing.
    pub fn work(&self, now_ms: u64) -> Work {
        let mut state = locked(&self.0);
        state.now_ms = now_ms;
        if state.worker.status().is_syncing() { Work::Fsync } else { state.worker.work(now_ms) }
    }

    /// Makes the fsync that [`Self::work`] has asked for: its time is over.
    pub fn fsync(&self) {
        let mut state = locked(&self.0);
        // Who stopped the log has waited for it.
        if state.worker.status().is_syncing() {
            state.worker.fsync();
        }
    }

    /// When there is something to do if no order comes.
    pub fn next_ms(&self) -> Option<u64> {
        locked(&self.0).worker.next_ms()
    }

    /// Whether it was told to stop and has: it does nothing more.
    pub fn has_stopped(&self) -> bool {
        locked(&self.0).worker.has_stopped()
    }

    /// For how long it is to wait before it writes: who drives it sees to that.
    pub fn delay(&self) -> Duration {
        locked(&self.0).delay
    }
}

impl AppendLog for SteppedLog {
    fn order(&self, order: Order) {
        locked(&self.state).worker.push(order);
    }

    fn status(&self) -> &Arc<AppendStatus> {
        &self.status
    }

    fn request_sync(&self, position: Position) {
        if self.status.want_sync(position) {
            self.order(Order::Sync);
        }
    }

    fn delay_writes(&self, delay: Duration) {
        locked(&self.state).delay = delay;
    }

    fn stop(self: Box<Self>) -> Arc<AppendStatus> {
        let mut state = locked(&self.state);
        let now_ms = state.now_ms;
        state.worker.push(Order::Stop);
        if self.status.is_syncing() {
            state.worker.fsync();
        }
        while state.worker.work(now_ms) == Work::Fsync {
            state.worker.fsync();
        }
        assert!(state.worker.has_stopped(), "it ends also with what it cannot write");
        drop(state);
        Arc::clone(&self.status)
    }
}

impl Drop for SteppedLog {
    fn drop(&mut self) {
        let mut state = locked(&self.state);
        if !state.worker.has_stopped() {
            state.worker.push(Order::Stop);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aof::{Appender, FsyncPolicy};
    use crate::files::Files;
    use bytes::Bytes;
    use journal::{Journal, Kind, Offset, ReplicationId};
    use tempfile::TempDir;

    fn appended(journal: &mut Journal) -> Order {
        journal.append_raw(Kind::Effect, b"*1\r\n$4\r\nPING\r\n");
        let (start, position) = (Offset::from_wire(0).expect("small"), journal.receipt().position);
        let bytes = vec![Bytes::from_static(b"*1\r\n$4\r\nPING\r\n")];
        Order::Append { bytes, start, end: start.after(14), position, timestamp_s: None }
    }

    fn begun(policy: FsyncPolicy) -> (TempDir, SteppedWorker, Box<dyn AppendLog>) {
        let folder = tempfile::tempdir().expect("a folder");
        let file = Files::real().open_append(&folder.path().join("a")).expect("a file");
        let worker = AppendWorker::new(Appender::new(file).expect("a size"), policy, 5);
        let (driver, log) = SteppedWorker::new(worker, 5);
        (folder, driver, log)
    }

    #[test]
    fn time_passes_between_the_beginning_of_an_fsync_and_its_end() {
        let (_folder, driver, log) = begun(FsyncPolicy::Always);
        let mut journal = Journal::new(ReplicationId::NONE);
        assert_eq!((driver.work(6), driver.next_ms()), (Work::Idle, None));
        log.order(appended(&mut journal));
        assert_eq!(driver.work(7), Work::Fsync);
        let (first, status) = (journal.receipt().position, Arc::clone(log.status()));
        assert!(status.is_syncing() && status.written() == first && status.durable() < first);
        // What comes meanwhile waits, however often it is driven.
        log.order(appended(&mut journal));
        assert_eq!(driver.work(9), Work::Fsync);
        assert_eq!((status.written(), status.queued_bytes()), (first, 14));
        driver.fsync();
        assert!(!status.is_syncing() && status.durable() < first);
        // It becomes durable when the fsync has ended, and the next group follows at once.
        assert_eq!(driver.work(12), Work::Fsync);
        let second = journal.receipt().position;
        assert_eq!((status.durable(), status.written()), (first, second));
        // Stopping waits for the fsync that is under way, and writes what else there is.
        log.order(appended(&mut journal));
        let status = log.stop();
        assert_eq!(status.durable(), journal.receipt().position);
        driver.fsync();
        assert!(driver.has_stopped() && driver.work(13) == Work::Idle);
    }

    #[test]
    fn a_wish_for_an_fsync_is_one_order_and_a_delay_is_handed_on() {
        let (_folder, driver, log) = begun(FsyncPolicy::No);
        let mut journal = Journal::new(ReplicationId::NONE);
        log.order(appended(&mut journal));
        assert_eq!(driver.work(6), Work::Idle);
        let position = journal.receipt().position;
        (0..3).for_each(|_| log.request_sync(position));
        assert_eq!(driver.work(6), Work::Fsync);
        driver.fsync();
        assert_eq!(driver.work(6), Work::Idle);
        assert_eq!(log.status().durable(), position);
        log.delay_writes(Duration::from_micros(7));
        assert_eq!(driver.delay(), Duration::from_micros(7));
    }

    #[test]
    fn what_is_given_up_is_written_all_the_same() {
        let (_folder, driver, log) = begun(FsyncPolicy::No);
        let mut journal = Journal::new(ReplicationId::NONE);
        let status = Arc::clone(log.status());
        log.order(appended(&mut journal));
        drop(log);
        assert_eq!(driver.work(6), Work::Fsync);
        driver.fsync();
        assert!(driver.work(7) == Work::Idle && driver.has_stopped());
        assert_eq!(status.durable(), journal.receipt().position);
    }
}
