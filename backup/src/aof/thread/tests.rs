//! The thread, with a disk that stands still and with a real file.

use super::*;
use crate::files::Files;
use bytes::Bytes;
use journal::{Journal, Kind, Offset, ReplicationId};
use std::io::IoSlice;

fn offset(number: u64) -> Offset {
    Offset::from_wire(number).expect("small")
}

/// The position of that number: a journal's of so many bytes.
fn position(number: u64) -> Position {
    let mut journal = Journal::new(ReplicationId::NONE);
    journal.append_raw(Kind::Effect, &vec![b'x'; number as usize]);
    journal.receipt().position
}

/// A disk whose fsync waits until it is let go.
struct Frozen {
    entered: mpsc::Sender<()>,
    released: Receiver<()>,
}

impl Disk for Frozen {
    fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(slices.iter().map(|slice| slice.len()).sum())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.entered.send(()).expect("the test listens");
        self.released.recv().map_err(|_| io::Error::other("the test is over"))
    }

    fn cut(&mut self, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(0)
    }
}

#[test]
fn a_disk_that_stands_still_is_seen_from_outside_and_wishes_do_not_queue_up() {
    let ((entered, enters), (release, released)) = (mpsc::channel(), mpsc::channel());
    let appender = Appender::new(Frozen { entered, released }).expect("a size");
    let (told, tell) = mpsc::channel();
    let notify = Box::new(move || {
        let _ = told.send(());
    });
    let thread = AppendThread::spawn(appender, FsyncPolicy::Always, Box::new(|| 0), notify);
    let thread = thread.expect("spawned");
    let order = |number: u64| {
        let bytes = vec![Bytes::from_static(b"*1\r\n$4\r\nPING\r\n")];
        let (start, end, position) = (offset(0), offset(14), position(number));
        thread.order(Order::Append { bytes, start, end, position, timestamp_s: None });
    };
    let status = Arc::clone(thread.status());
    status.watch(true);
    assert!(!status.is_syncing());
    order(1);
    enters.recv().expect("it fsyncs");
    assert!(status.is_syncing());
    assert_eq!((status.written().get(), status.durable().get(), status.queued_bytes()), (1, 0, 0));
    for number in 2..=1000 {
        order(number);
        thread.request_sync(position(number));
        assert!(status.sync_ordered.load(Ordering::Acquire), "one order is on its way");
    }
    assert_eq!((status.written().get(), status.queued_bytes()), (1, 999 * 14));
    // What had queued up is one group, with one fsync.
    release.send(()).expect("it waits");
    enters.recv().expect("it fsyncs");
    assert_eq!((status.written().get(), status.queued_bytes()), (1000, 0));
    release.send(()).expect("it waits");
    while status.durable().get() < 1000 {
        tell.recv().expect("notified");
    }
    drop(release);
    let status = thread.stop();
    assert!(!status.is_syncing() && !status.failed());
}

#[test]
fn the_thread_publishes_and_notifies() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.aof");
    let file = Files::real().open_append(&path).expect("opened");
    let appender = Appender::new(file).expect("a size");
    let (told, tell) = mpsc::channel();
    let notify = Box::new(move || told.send(()).expect("the test listens"));
    let clock = Box::new(|| 0);
    let thread =
        AppendThread::spawn(appender, FsyncPolicy::Always, clock, notify).expect("spawned");
    thread.status().watch(true);
    for number in 1..=100 {
        let bytes = vec![Bytes::from_static(b"*1\r\n$4\r\nPING\r\n")];
        let (start, position) = (offset(number * 14), position(number));
        thread.order(Order::Append {
            bytes,
            start,
            end: start.after(14),
            position,
            timestamp_s: None,
        });
    }
    while thread.status().durable().get() < 100 {
        tell.recv().expect("notified");
    }
    let status = thread.stop();
    drop(tell);
    assert_eq!(status.size(), std::fs::metadata(&path).expect("there").len());
    let bytes = std::fs::read(&path).expect("read");
    assert_eq!(String::from_utf8(bytes).expect("ASCII").matches("PING").count(), 100);
}

/// A disk that is full while it is told to be.
struct Full(Arc<AtomicU64>);

impl Disk for Full {
    fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self.0.load(Ordering::SeqCst) {
            0 => Ok(slices.iter().map(|slice| slice.len()).sum()),
            _ => Err(io::ErrorKind::StorageFull.into()),
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn cut(&mut self, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(0)
    }
}

#[test]
fn who_does_not_watch_is_told_of_failures_alone() {
    let full = Arc::new(AtomicU64::new(0));
    let appender = Appender::new(Full(Arc::clone(&full))).expect("a size");
    let (told, tell) = mpsc::channel();
    let notify = Box::new(move || {
        let _ = told.send(());
    });
    // A clock that lets what failed be tried again at once.
    let looks = AtomicU64::new(0);
    let clock = Box::new(move || looks.fetch_add(1000, Ordering::SeqCst));
    let thread = AppendThread::spawn(appender, FsyncPolicy::No, clock, notify).expect("spawned");
    let order = |number: u64| {
        let bytes = vec![Bytes::from_static(b"*1\r\n$4\r\nPING\r\n")];
        let (start, end, position) = (offset(0), offset(14), position(number));
        thread.order(Order::Append { bytes, start, end, position, timestamp_s: None });
    };
    let written = |number: u64| {
        while thread.status().written().get() < number {
            std::thread::yield_now();
        }
    };
    order(1);
    written(1);
    full.store(1, Ordering::SeqCst);
    order(2);
    tell.recv().expect("it fails");
    assert!(thread.status().failed());
    full.store(0, Ordering::SeqCst);
    tell.recv().expect("it works again");
    assert!(!thread.status().failed());
    order(3);
    written(3);
    assert!(tell.try_recv().is_err(), "nobody asked for it");
    thread.status().watch(true);
    order(4);
    tell.recv().expect("watched");
    thread.stop();
}
