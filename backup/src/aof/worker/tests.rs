//! The worker with a disk that fails on demand and a clock that is set.

use super::*;
use journal::{Journal, Kind, ReplicationId};
use std::io::IoSlice;

mod faults;

fn offset(number: u64) -> Offset {
    Offset::from_wire(number).expect("small")
}

/// The position of that number: a journal's of so many bytes.
fn position(number: u64) -> Position {
    let mut journal = Journal::new(ReplicationId::NONE);
    journal.append_raw(Kind::Effect, &vec![b'x'; number as usize]);
    journal.receipt().position
}

/// Does what a thread would.
fn drive<D: Disk>(worker: &mut AppendWorker<D>, now_ms: u64) {
    while worker.work(now_ms) == Work::Fsync {
        worker.fsync();
    }
}

/// A disk in memory.
#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    synced: usize,
    syncs: usize,
    /// How many more bytes fit.
    room: Option<usize>,
    sync_fails: bool,
    cut_fails: bool,
}

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<State>>);

impl Memory {
    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.0.lock().expect("not poisoned"))
    }

    fn text(&self) -> String {
        self.with(|state| {
            let text = String::from_utf8(state.bytes.clone()).expect("ASCII");
            let lines = text.split_inclusive("\r\n").filter(|line| !line.starts_with("#tm "));
            lines.collect::<String>().replace("\r\n", " ")
        })
    }
}

impl Disk for Memory {
    fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.with(|state| {
            let all: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
            // As a system may: less than asked for.
            let len = all.len().min(50).min(state.room.unwrap_or(usize::MAX));
            if len == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            state.bytes.extend(&all[..len]);
            state.room = state.room.map(|room| room - len);
            Ok(len)
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        self.with(|state| {
            if state.sync_fails {
                return Err(io::Error::other("the disk is gone"));
            }
            state.synced = state.bytes.len();
            state.syncs += 1;
            Ok(())
        })
    }

    fn cut(&mut self, len: u64) -> io::Result<()> {
        self.with(|state| {
            if state.cut_fails {
                return Err(io::Error::other("cannot cut"));
            }
            state.bytes.truncate(len as usize);
            Ok(())
        })
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.with(|state| state.bytes.len() as u64))
    }
}

struct Bench {
    disk: Memory,
    now_ms: u64,
    worker: AppendWorker<Memory>,
    next: u64,
}

impl Bench {
    fn new(policy: FsyncPolicy) -> Self {
        let (disk, now_ms) = (Memory::default(), 5000);
        let appender = Appender::new(disk.clone()).expect("a size");
        let worker = AppendWorker::new(appender, policy, now_ms);
        Self { disk, now_ms, worker, next: 0 }
    }

    fn append(&mut self, text: &'static str) {
        self.next += 1;
        let bytes = vec![Bytes::from_static(text.as_bytes()), Bytes::from_static(b"\r\n")];
        let (start, position) = (offset(self.next * 10), position(self.next));
        let order =
            Order::Append { bytes, start, end: start.after(10), position, timestamp_s: None };
        self.worker.push(order);
    }

    fn order(&mut self, order: Order<Memory>) {
        self.worker.push(order);
    }

    fn work_after(&mut self, ms: u64) -> &AppendStatus {
        self.now_ms += ms;
        drive(&mut self.worker, self.now_ms);
        &self.worker.status
    }

    fn patience_ms(&self) -> Option<u64> {
        self.worker.next_ms().map(|next_ms| next_ms.saturating_sub(self.now_ms))
    }
}

#[test]
fn always_writes_and_syncs_what_has_queued_up_as_one_group() {
    let mut bench = Bench::new(FsyncPolicy::Always);
    ["a", "b", "c"].into_iter().for_each(|text| bench.append(text));
    let status = bench.work_after(0);
    assert_eq!((status.written().get(), status.durable().get()), (3, 3));
    assert_eq!(status.queued_bytes(), 0);
    assert_eq!(bench.disk.text(), "a b c ");
    let (syncs, marks) = bench
        .disk
        .with(|state| (state.syncs, String::from_utf8_lossy(&state.bytes).matches("#tm ").count()));
    assert_eq!((syncs, marks), (1, 1), "contiguous orders are one block");
    assert_eq!(bench.patience_ms(), None);
}

#[test]
fn everysec_syncs_once_a_second_and_no_never() {
    let mut bench = Bench::new(FsyncPolicy::EverySec);
    bench.append("a");
    let status = bench.work_after(10);
    assert_eq!((status.written().get(), status.durable().get()), (1, 0));
    assert_eq!(bench.patience_ms(), Some(990));
    assert_eq!(bench.work_after(990).durable().get(), 1);
    assert_eq!(bench.patience_ms(), None);
    bench.order(Order::SetPolicy(FsyncPolicy::No));
    bench.append("b");
    assert_eq!(bench.work_after(5000).durable().get(), 1);
    assert_eq!(bench.patience_ms(), None);
    bench.worker.status.sync_wanted.advance(position(2));
    bench.order(Order::Sync);
    assert_eq!(bench.work_after(0).durable().get(), 2);
    bench.append("c");
    bench.order(Order::SetPolicy(FsyncPolicy::Always));
    assert_eq!(bench.work_after(0).durable().get(), 3);
}

#[test]
fn a_failed_write_is_cut_back_and_tried_again_in_order() {
    for room in 0..100 {
        for cut_fails in [false, true] {
            let mut bench = Bench::new(FsyncPolicy::EverySec);
            bench.append("first");
            bench.work_after(0);
            let good = bench.disk.with(|state| {
                (state.room, state.cut_fails) = (Some(room), cut_fails);
                state.bytes.clone()
            });
            bench.append("second");
            bench.order(Order::History(HistoryMark {
                id: [b'a'; 40],
                second_id: [b'b'; 40],
                second_offset: -1,
            }));
            bench.append("third");
            let status = bench.work_after(1);
            if !status.failed() {
                continue;
            }
            assert!(status.error().expect("an error").contains("write to append-only file"));
            if !cut_fails && status.written().get() == 1 {
                assert_eq!(bench.disk.with(|state| state.bytes.clone()), good);
            }
            assert_eq!(bench.patience_ms(), Some(1000));
            bench.disk.with(|state| (state.room, state.cut_fails) = (None, false));
            bench.append("fourth");
            assert!(bench.work_after(999).failed(), "not before a second has passed");
            let status = bench.work_after(1);
            assert!(!status.failed() && status.error().is_none());
            assert_eq!((status.written().get(), status.queued_bytes()), (4, 0));
            let text = bench.disk.text();
            let places = ["first", "second", "#tm-history", "third", "fourth"]
                .map(|word| text.find(word).expect(word));
            assert!(places.is_sorted(), "{text}");
        }
    }
}

#[test]
fn a_failed_fsync_is_fatal_only_where_replies_wait_for_it() {
    for (policy, fatal) in [(FsyncPolicy::Always, true), (FsyncPolicy::EverySec, false)] {
        let mut bench = Bench::new(policy);
        bench.disk.with(|state| state.sync_fails = true);
        bench.append("a");
        let status = bench.work_after(1000);
        assert_eq!((status.failed(), status.is_fatal()), (true, fatal));
        assert_eq!((status.written().get(), status.durable().get()), (1, 0));
        bench.disk.with(|state| state.sync_fails = false);
        bench.append("b");
        let status = bench.work_after(1000);
        // The process ends, and what waited for the fsync is not there for a start that takes it for durable.
        assert_eq!((status.failed(), status.durable().get()), (fatal, if fatal { 0 } else { 2 }));
        assert_eq!(bench.disk.text(), if fatal { "" } else { "a b " });
        assert_eq!(bench.worker.has_stopped(), fatal);
    }
}

#[test]
fn what_was_answered_under_another_policy_is_not_cut_off() {
    for before in [FsyncPolicy::No, FsyncPolicy::EverySec] {
        let mut bench = Bench::new(before);
        bench.append("told");
        bench.work_after(0);
        bench.disk.with(|state| state.sync_fails = true);
        // Answered as well: it was ordered before the policy.
        bench.append("too");
        bench.order(Order::SetPolicy(FsyncPolicy::Always));
        bench.append("waits");
        let status = bench.work_after(0);
        assert!(status.is_fatal() && status.durable().get() == 0);
        assert_eq!(bench.disk.text(), "told too ", "{before:?}");
    }
}

#[test]
fn a_switch_syncs_the_old_file_and_goes_on_in_the_new_one() {
    let mut bench = Bench::new(FsyncPolicy::No);
    let new = Memory::default();
    bench.append("old");
    bench.order(Order::Switch(new.clone(), Some(1)));
    bench.append("new");
    let status = bench.work_after(0);
    assert_eq!((status.written().get(), status.durable().get()), (2, 1));
    assert_eq!(bench.disk.text(), "old ");
    let text = new.text();
    assert!(text.starts_with("#tm-follows 1 ") && text.ends_with(" new "), "{text}");
    assert_eq!(bench.worker.status.size(), new.size().expect("a size"));
}

#[test]
fn a_wish_for_an_fsync_is_granted_under_every_policy() {
    for policy in [FsyncPolicy::No, FsyncPolicy::EverySec, FsyncPolicy::Always] {
        let mut bench = Bench::new(policy);
        bench.append("a");
        // It comes while the thread is at work on what was ordered before it.
        bench.worker.status.sync_wanted.advance(position(2));
        bench.work_after(0);
        bench.append("b");
        bench.order(Order::Sync);
        assert_eq!(bench.work_after(0).durable().get(), 2, "{policy:?}");
    }
}

#[test]
fn stopping_writes_and_syncs_what_is_left_or_says_that_it_could_not() {
    let mut bench = Bench::new(FsyncPolicy::No);
    bench.append("a");
    bench.order(Order::Stop);
    assert_eq!(bench.work_after(0).durable().get(), 1);
    assert!(bench.worker.stopped);
    let mut bench = Bench::new(FsyncPolicy::No);
    bench.disk.with(|state| state.room = Some(0));
    bench.append("a");
    assert!(bench.work_after(0).failed());
    bench.order(Order::Stop);
    assert!(bench.work_after(0).failed());
    assert!(bench.worker.stopped);
}

#[test]
#[should_panic(expected = "orders ascend: 1 behind 2")]
fn an_order_behind_a_later_one_is_our_mistake() {
    let mut bench = Bench::new(FsyncPolicy::No);
    ["a", "b"].into_iter().for_each(|text| bench.append(text));
    bench.worker.pending.swap(0, 1);
    bench.work_after(0);
}
