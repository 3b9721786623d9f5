//! What a node asks of the outside within a turn, answered from memory. What it starts is noted, and done when the turn is over.

use crate::disk::Disk;
use backup::aof::{AppendLog, AppendStatus, AppendWorker, Appender, FsyncPolicy, Order};
use backup::aof::{SteppedWorker, Work};
use backup::files::{Files, KeepRule};
use backup::frozen::Frozen;
use engine::host::{Answers, Conversation, Interruption};
use journal::Position;
use keyspace::db::Db;
use keyspace::entry::Value;
use node::World;
use node::config::Settings;
use node::jobs::Job;
use node::world::{ChildJob, Identity, Memory, SaveData};
use std::cell::RefCell;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What a child is to do with what was frozen for it.
#[derive(Debug)]
pub enum Task {
    /// Save it as the snapshot.
    Save(PathBuf, KeepRule),
    /// Save it as a base.
    Rewrite,
    /// Save it to a file, which replicas of the full sync of this number get.
    SyncFile(u64, PathBuf),
    /// Write it into a pipe, for the same.
    SyncPipe(u64),
}

/// A child.
#[derive(Debug)]
pub struct Child {
    /// Its number.
    pub pid: i32,
    /// What it writes.
    pub frozen: Frozen,
    /// What it does with it.
    pub task: Task,
    /// It was told to end.
    pub is_killed: bool,
}

/// What writes the append-only file.
#[derive(Debug)]
pub struct Worker {
    /// Names it.
    pub number: u64,
    /// It.
    pub worker: SteppedWorker,
    /// It was told something since somebody looked.
    pub told: Arc<AtomicBool>,
    /// An event for it is on its way.
    pub is_scheduled: bool,
}

/// What the node has started in this turn, and what goes on.
#[derive(Default)]
pub struct Started {
    /// Children, in order.
    pub children: Vec<Child>,
    /// Children that were to end.
    pub killed: Vec<i32>,
    /// Sessions whose connection is to be closed.
    pub closed: Vec<usize>,
    /// Jobs.
    pub jobs: Vec<Job>,
    /// Workers, those that were given up too: they still have to write.
    pub workers: Vec<Worker>,
    /// The steady clock, nanoseconds.
    pub steady_ns: u64,
    /// The next number of a process here.
    pub next_pid: i32,
    /// The next number of a worker.
    pub next_worker: u64,
}

/// Shared by the node's world and who drives the node.
pub type Shared = Rc<RefCell<Started>>;

/// The world of a node.
pub struct InMemory {
    shared: Shared,
    disk: Disk,
    chance: crate::chance::Chance,
    pid: u32,
}

impl InMemory {
    /// That of a process with this number.
    pub fn new(shared: Shared, disk: Disk, chance: crate::chance::Chance, pid: u32) -> Self {
        Self { shared, disk, chance, pid }
    }
}

/// The node's end of a worker, which notes that something was said.
#[derive(Debug)]
struct Noting {
    log: Box<dyn AppendLog>,
    told: Arc<AtomicBool>,
}

impl Noting {
    fn note(&self) {
        self.told.store(true, Ordering::Relaxed);
    }
}

impl AppendLog for Noting {
    fn order(&self, order: Order) {
        self.note();
        self.log.order(order);
    }

    fn status(&self) -> &Arc<AppendStatus> {
        self.log.status()
    }

    fn request_sync(&self, position: Position) {
        self.note();
        self.log.request_sync(position);
    }

    fn delay_writes(&self, delay: Duration) {
        self.log.delay_writes(delay);
    }

    fn stop(self: Box<Self>) -> Arc<AppendStatus> {
        let this = *self;
        this.note();
        this.log.stop()
    }
}

fn snapshot_of(data: SaveData<'_>) -> Frozen {
    Frozen::snapshot(data.dbs, data.meta, data.options)
}

impl World for InMemory {
    fn ticks_ns(&self) -> u64 {
        self.shared.borrow().steady_ns
    }

    fn random(&mut self) -> [u8; 20] {
        let words = [self.chance.draw(), self.chance.draw(), self.chance.draw()];
        let mut bytes = words.iter().flat_map(|word| word.to_le_bytes());
        std::array::from_fn(|_| bytes.next().expect("three words are 24 bytes"))
    }

    fn files(&self) -> Files {
        self.disk.files()
    }

    fn start_child(&mut self, job: ChildJob<'_>, _: &Settings) -> io::Result<i32> {
        let (frozen, task) = match job {
            ChildJob::Save { data, target, rule } => {
                (snapshot_of(data), Task::Save(target.to_path_buf(), rule.clone()))
            }
            ChildJob::Rewrite(job) => (Frozen::base(job), Task::Rewrite),
            ChildJob::FullSync { number, data, file: Some(path) } => {
                (snapshot_of(data), Task::SyncFile(number, path))
            }
            ChildJob::FullSync { number, data, file: None } => {
                (snapshot_of(data), Task::SyncPipe(number))
            }
        };
        let shared = &mut *self.shared.borrow_mut();
        let pid = shared.next_pid;
        shared.next_pid += 1;
        shared.children.push(Child { pid, frozen, task, is_killed: false });
        Ok(pid)
    }

    fn kill_child(&mut self, pid: i32) {
        self.shared.borrow_mut().killed.push(pid);
    }

    fn close(&mut self, slot: usize) {
        self.shared.borrow_mut().closed.push(slot);
    }

    fn start_job(&mut self, job: Job) {
        self.shared.borrow_mut().jobs.push(job);
    }

    fn start_appending(
        &mut self,
        appender: Appender,
        policy: FsyncPolicy,
    ) -> io::Result<Box<dyn AppendLog>> {
        let shared = &mut *self.shared.borrow_mut();
        let worker = AppendWorker::new(appender, policy, shared.steady_ns / 1_000_000);
        let (worker, log) = SteppedWorker::new(worker, shared.steady_ns / 1_000_000);
        let (number, told) = (shared.next_worker, Arc::new(AtomicBool::new(true)));
        shared.next_worker += 1;
        shared.workers.push(Worker {
            number,
            worker,
            told: Arc::clone(&told),
            is_scheduled: false,
        });
        Ok(Box::new(Noting { log, told }))
    }

    fn stand_still(&mut self, time: Duration) {
        let shared = &mut *self.shared.borrow_mut();
        shared.steady_ns += time.as_nanos() as u64;
        let now_ms = shared.steady_ns / 1_000_000;
        for worker in &shared.workers {
            // While nothing else happens the thread does.
            worker.worker.fsync();
            if worker.worker.work(now_ms) == Work::Fsync {
                worker.worker.fsync();
                let _ = worker.worker.work(now_ms);
            }
        }
    }

    fn free(&mut self, values: Vec<Value>, dbs: Vec<Db>, _: usize) {
        drop((values, dbs));
    }

    fn memory_now(&self) -> usize {
        1 << 20
    }

    fn refresh_memory(&mut self) {}

    fn memory(&self) -> Memory {
        Memory { used: 1 << 20, ..Memory::default() }
    }

    fn identity(&self) -> Identity {
        Identity { pid: self.pid, os: "none".into(), ..Identity::default() }
    }

    fn pid(&self) -> u32 {
        self.pid
    }

    fn converse(&mut self, _: &Conversation<'_>) -> Answers {
        Answers { interruption: Some(Interruption::Connecting), ..Answers::default() }
    }

    fn folder(&self) -> Option<PathBuf> {
        Some(PathBuf::from("/"))
    }

    fn change_folder(&mut self, _: &Settings) -> Result<(), String> {
        Err("there is no other folder".into())
    }
}
