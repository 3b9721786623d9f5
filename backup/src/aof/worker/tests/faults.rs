//! Every call to the disk fails, once or for a while, in every way: everything is appended in the end, once and in order,
//! and never is more called written or durable than is.

use super::*;

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Nothing was done.
    Error(i32),
    /// A write does half of it. Other calls fail with nothing done.
    Short(i32),
    /// A write does half of it and says so.
    Half,
}

const FAULTS: [Fault; 4] = [Fault::Error(28), Fault::Error(5), Fault::Short(28), Fault::Half];

#[derive(Default)]
struct Contents {
    bytes: Vec<u8>,
    synced: usize,
    calls: u64,
    /// Calls from the first number up to the second fail.
    failing: Option<(u64, u64, Fault)>,
}

/// A disk whose calls are counted.
#[derive(Clone, Default)]
struct Counted(Arc<Mutex<Contents>>);

impl Counted {
    fn with<T>(&self, look: impl FnOnce(&mut Contents) -> T) -> T {
        look(&mut self.0.lock().expect("not poisoned"))
    }
}

impl Contents {
    fn fault(&mut self) -> Option<Fault> {
        let call = self.calls;
        self.calls += 1;
        self.failing.filter(|(from, to, _)| (*from..*to).contains(&call)).map(|(_, _, fault)| fault)
    }

    fn call(&mut self) -> io::Result<()> {
        match self.fault() {
            Some(Fault::Error(code) | Fault::Short(code)) => {
                Err(io::Error::from_raw_os_error(code))
            }
            Some(Fault::Half) | None => Ok(()),
        }
    }
}

impl Disk for Counted {
    fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.with(|disk| {
            let all: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
            let (written, result) = match disk.fault() {
                None => (all.len(), Ok(all.len())),
                Some(Fault::Half) => (all.len().div_ceil(2), Ok(all.len().div_ceil(2))),
                Some(Fault::Error(code)) => (0, Err(io::Error::from_raw_os_error(code))),
                Some(Fault::Short(code)) => {
                    (all.len() / 2, Err(io::Error::from_raw_os_error(code)))
                }
            };
            disk.bytes.extend_from_slice(&all[..written]);
            result
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        self.with(|disk| {
            disk.call()?;
            disk.synced = disk.bytes.len();
            Ok(())
        })
    }

    fn cut(&mut self, len: u64) -> io::Result<()> {
        self.with(|disk| {
            disk.call()?;
            disk.bytes.truncate(len as usize);
            disk.synced = disk.synced.min(disk.bytes.len());
            Ok(())
        })
    }

    fn size(&self) -> io::Result<u64> {
        self.with(|disk| disk.call().map(|()| disk.bytes.len() as u64))
    }
}

/// The numbers of the orders whose commands are whole in these bytes.
fn numbers(bytes: &[u8]) -> Vec<u64> {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.split_inclusive("\r\n").filter(|line| line.ends_with("\r\n"));
    lines
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.trim().parse().expect("a number"))
        .collect()
}

struct Life {
    first: Counted,
    second: Counted,
    now_ms: u64,
    worker: AppendWorker<Counted>,
    ordered: u64,
}

impl Life {
    fn begin(policy: FsyncPolicy) -> Life {
        let (first, now_ms) = (Counted::default(), 5000);
        let appender = Appender::new(first.clone()).expect("not failing yet");
        let worker = AppendWorker::new(appender, policy, now_ms);
        Life { first, second: Counted::default(), now_ms, worker, ordered: 0 }
    }

    fn append(&mut self) {
        self.ordered += 1;
        let bytes = vec![Bytes::from(format!("{:>200}\r\n", self.ordered))];
        let (start, position) = (offset(self.ordered * 202), position(self.ordered));
        self.worker.push(Order::Append {
            bytes,
            start,
            end: start.after(202),
            position,
            timestamp_s: None,
        });
    }

    /// Lets the thread work, as it would after so long, and compares what it says with what is there.
    fn work(&mut self, ms: u64) {
        self.now_ms += ms;
        drive(&mut self.worker, self.now_ms);
        let status = &self.worker.status;
        let on = |disk: &Counted, synced: bool| {
            let bytes = disk.with(|disk| {
                disk.bytes[..if synced { disk.synced } else { disk.bytes.len() }].to_vec()
            });
            numbers(&bytes)
        };
        let written = [on(&self.first, false), on(&self.second, false)].concat();
        let synced = [on(&self.first, true), on(&self.second, true)].concat();
        let (up_to, durable) = (status.written().get(), status.durable().get());
        let is_there = (1..=up_to).all(|number| written.contains(&number));
        assert!(is_there || status.is_fatal(), "{up_to} of {written:?}");
        assert!((1..=durable).all(|number| synced.contains(&number)), "{durable} of {synced:?}");
        assert_eq!(status.queued_bytes(), (self.ordered - up_to) * 202);
        assert_eq!(status.failed(), status.error().is_some());
        let retries = self.worker.next_ms();
        assert!(!status.failed() || retries.is_some(), "what failed is tried again");
    }
}

/// Appends, and switches to another file half-way. Returns how many calls both disks got.
fn live(policy: FsyncPolicy, on_second: bool, failing: Option<(u64, u64, Fault)>) -> u64 {
    let mut life = Life::begin(policy);
    let disk = if on_second { life.second.clone() } else { life.first.clone() };
    disk.with(|disk| (disk.calls, disk.failing) = (0, failing));
    let mut fatal = false;
    for round in 0..6 {
        (0..3).for_each(|_| life.append());
        if round == 3 {
            life.worker.push(Order::Switch(life.second.clone(), Some(1)));
            life.append();
        }
        life.work(400);
        fatal |= life.worker.status.is_fatal();
    }
    for _ in 0..20 {
        life.work(1000);
    }
    let calls = disk.with(|disk| {
        let calls = disk.calls;
        disk.failing = None;
        calls
    });
    fatal |= life.worker.status.is_fatal();
    if fatal {
        // The process ends: with `always` for a failed fsync, or since the file to go on in cannot be used.
        assert!(policy == FsyncPolicy::Always || on_second, "{failing:?}");
        return calls;
    }
    life.worker.status.sync_wanted.advance(position(life.ordered));
    life.work(2000);
    assert!(!life.worker.status.failed());
    let all =
        [&life.first, &life.second].map(|disk| numbers(&disk.with(|disk| disk.bytes.clone())));
    assert_eq!(all.concat(), (1..=life.ordered).collect::<Vec<_>>(), "{policy:?} {failing:?}");
    assert_eq!(life.worker.status.durable().get(), life.ordered);
    calls
}

#[test]
fn whatever_call_fails_all_is_appended_once_and_in_order() {
    for policy in [FsyncPolicy::No, FsyncPolicy::EverySec, FsyncPolicy::Always] {
        for on_second in [false, true] {
            let calls = live(policy, on_second, None);
            assert!(calls >= 3, "{policy:?}");
            for fault in FAULTS {
                for from in 0..calls {
                    for count in [1, 2, 3, 7] {
                        live(policy, on_second, Some((from, from + count, fault)));
                    }
                }
            }
        }
    }
}
