//! The outside of a node under test: it records what is asked of it, and the test says when something comes of that.
//!
//! - jobs wait until they are run; children have what they are to write from the moment of the fork, and end when they are told
//! - the append log is a [`SteppedWorker`]: at once, or when the test drives it
//! - time is what the test says, and passes where the node stands still

use super::memory::Memory;
use crate::config::Settings;
use crate::jobs::Job;
use crate::world::{ChildJob, Identity, Memory as Used, Report, World};
use backup::aof::{
    AofDir, AppendLog, AppendWorker, Appender, BaseJob, FsyncPolicy, SteppedWorker, Work,
};
use backup::files::{Files, KeepRule};
use backup::fork::{rewrite_names, temporary_name};
use backup::snapshot::write_snapshot;
use engine::host::{Answers, Conversation, Interruption};
use keyspace::db::Db;
use keyspace::entry::Value;
use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// When the disk does what it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disk {
    /// At once.
    Prompt,
    /// When the test drives it, or from this moment on: nanoseconds.
    Held(u64),
}

/// What a child writes, as the data was when it was forked.
pub enum Task {
    /// A snapshot in this place.
    Save(Vec<u8>, PathBuf, KeepRule),
    /// A base.
    Rewrite(Vec<u8>),
    /// A snapshot for replicas: number, and a file if it is by file.
    FullSync(Vec<u8>, u64, Option<PathBuf>),
}

/// A child at work.
pub struct ChildAtWork {
    /// Its number.
    pub pid: i32,
    /// What it writes.
    pub task: Task,
    /// It was told to end.
    pub killed: bool,
    /// What its job came to, if it is done.
    pub result: Option<Result<String, String>>,
}

/// What the world has seen and has to do.
pub struct Outer {
    /// Its files.
    pub memory: Memory,
    /// What a clock shows inside a turn.
    pub ticks_ns: u64,
    /// By how much it goes on with each look at it.
    pub tick_step_ns: u64,
    seed: u64,
    drawn: u64,
    /// The children that have not ended.
    pub children: Vec<ChildAtWork>,
    /// Children so far.
    pub forked: i32,
    /// No child can be forked.
    pub no_forks: bool,
    /// Sessions whose connection is to be closed.
    pub closed: Vec<usize>,
    /// Jobs that have not begun.
    pub jobs: Vec<Job>,
    /// All append logs so far.
    pub logs: Vec<SteppedWorker>,
    /// Whether they work by themselves.
    pub disk: Disk,
    /// What the supervisor was told.
    pub reports: Vec<String>,
    /// Ports that it was told to listen on, with the addresses.
    pub listened: Vec<(u16, String)>,
    /// A port that somebody else listens on.
    pub taken_port: Option<u16>,
}

/// The outside, as the test and the node share it.
#[derive(Clone)]
pub struct Scripted(Arc<Mutex<Outer>>);

impl Scripted {
    /// Nothing has happened. The seed is for what the node draws.
    pub fn new(memory: &Memory, ticks_ns: u64, seed: u64) -> Scripted {
        Scripted(Arc::new(Mutex::new(Outer {
            memory: memory.clone(),
            ticks_ns,
            tick_step_ns: 0,
            seed,
            drawn: 0,
            children: Vec::new(),
            forked: 0,
            no_forks: false,
            closed: Vec::new(),
            jobs: Vec::new(),
            logs: Vec::new(),
            disk: Disk::Prompt,
            reports: Vec::new(),
            listened: Vec::new(),
            taken_port: None,
        })))
    }

    /// To be looked at, and changed.
    pub fn get(&self) -> MutexGuard<'_, Outer> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outer {
    /// The disk does all that it was told. Whether it did anything.
    pub fn disk_works(&mut self) -> bool {
        let (now_ms, mut done) = (self.ticks_ns / 1_000_000, false);
        for log in self.logs.iter().filter(|log| !log.has_stopped()) {
            done = true;
            while log.work(now_ms) == Work::Fsync {
                log.fsync();
            }
        }
        done
    }

    /// The same, if it works by itself.
    pub fn disk_works_by_itself(&mut self) -> bool {
        let works = match self.disk {
            Disk::Prompt => true,
            Disk::Held(until_ns) => self.ticks_ns >= until_ns,
        };
        works && self.disk_works()
    }
}

fn whole(files: &Files, path: &Path, bytes: &[u8]) -> Result<(), String> {
    let mut file = files.create(path).map_err(|error| error.to_string())?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|error| error.to_string())
}

impl ChildAtWork {
    /// The name under which it writes.
    fn temporary(&self) -> PathBuf {
        match &self.task {
            Task::Rewrite(_) => PathBuf::from(rewrite_names(self.pid).0),
            Task::Save(..) | Task::FullSync(..) => PathBuf::from(temporary_name(self.pid)),
        }
    }

    /// It has written a part.
    pub fn is_half_way(&self, files: &Files) {
        let (Task::Save(bytes, ..) | Task::Rewrite(bytes) | Task::FullSync(bytes, ..)) = &self.task;
        whole(files, &self.temporary(), &bytes[..bytes.len() / 2]).expect("nothing fails");
    }

    /// Does its work, as the process's children do it.
    pub fn work(&self, files: &Files) -> Result<String, String> {
        let temporary = self.temporary();
        let write = |bytes: &[u8]| whole(files, &temporary, bytes);
        let place = |target: &Path| {
            files.rename_synced(&temporary, target).map_err(|error| error.to_string())
        };
        let result = match &self.task {
            Task::Save(bytes, target, rule) => write(bytes).and_then(|()| {
                let replaced = files.replace_snapshot(&temporary, target, rule);
                replaced.map(|replaced| replaced.to_text()).map_err(|error| error.to_string())
            }),
            Task::Rewrite(bytes) => {
                let complete = PathBuf::from(rewrite_names(self.pid).1);
                write(bytes).and_then(|()| place(&complete)).map(|()| String::new())
            }
            Task::FullSync(bytes, _, Some(path)) => {
                write(bytes).and_then(|()| place(path)).map(|()| String::new())
            }
            Task::FullSync(_, _, None) => Ok(String::new()),
        };
        if result.is_err() {
            let _ = files.remove(&temporary);
        }
        result
    }
}

/// What a base has: made in files that nobody else has.
fn base_bytes(job: BaseJob<'_>) -> Vec<u8> {
    let files = Memory::default().files();
    let (folder, name) = (OsStr::new("d"), OsStr::new("p"));
    let (mut dir, _) = AofDir::open(&files, Path::new("."), folder, name).expect("nothing fails");
    dir.initialize(job).expect("nothing fails");
    let path = dir.path_of(dir.manifest().base.as_ref().expect("it was made"));
    let mut bytes = Vec::new();
    files.open(&path).expect("it is there").read_to_end(&mut bytes).expect("nothing fails");
    bytes
}

impl World for Scripted {
    fn ticks_ns(&self) -> u64 {
        let mut outer = self.get();
        outer.ticks_ns += outer.tick_step_ns;
        outer.ticks_ns
    }

    fn random(&mut self) -> [u8; 20] {
        let mut outer = self.get();
        outer.drawn += 1;
        let words = [outer.drawn, outer.seed, outer.ticks_ns];
        let drawn: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        std::array::from_fn(|at| drawn[at])
    }

    fn files(&self) -> Files {
        self.get().memory.files()
    }

    fn start_child(&mut self, job: ChildJob<'_>, _: &Settings) -> io::Result<i32> {
        let mut outer = self.get();
        if outer.no_forks {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        let snapshot = |data: crate::world::SaveData<'_>| {
            let mut bytes: Vec<u8> = Vec::new();
            let written =
                write_snapshot(&mut bytes, data.dbs, data.meta, data.options, &mut |_| ());
            written.map(|_| bytes).expect("a vector takes all")
        };
        let task = match job {
            ChildJob::Save { data, target, rule } => {
                Task::Save(snapshot(data), target.to_path_buf(), rule.clone())
            }
            ChildJob::Rewrite(job) => Task::Rewrite(base_bytes(job)),
            ChildJob::FullSync { number, data, file } => {
                Task::FullSync(snapshot(data), number, file)
            }
        };
        outer.forked += 1;
        let pid = 100 + outer.forked;
        outer.children.push(ChildAtWork { pid, task, killed: false, result: None });
        Ok(pid)
    }

    fn kill_child(&mut self, pid: i32) {
        let mut outer = self.get();
        let child = outer.children.iter_mut().find(|child| child.pid == pid);
        child.expect("who is killed has not ended").killed = true;
    }

    fn close(&mut self, slot: usize) {
        self.get().closed.push(slot);
    }

    fn start_job(&mut self, job: Job) {
        self.get().jobs.push(job);
    }

    fn start_appending(
        &mut self,
        appender: Appender,
        policy: FsyncPolicy,
    ) -> io::Result<Box<dyn AppendLog>> {
        let mut outer = self.get();
        let now_ms = outer.ticks_ns / 1_000_000;
        let worker = AppendWorker::new(appender, policy, now_ms);
        let (stepped, log) = SteppedWorker::new(worker, now_ms);
        outer.logs.push(stepped);
        Ok(log)
    }

    fn stand_still(&mut self, time: Duration) {
        let mut outer = self.get();
        outer.ticks_ns += time.as_nanos() as u64;
        outer.disk_works_by_itself();
    }

    fn free(&mut self, _: Vec<Value>, _: Vec<Db>, _: usize) {}

    fn memory_now(&self) -> usize {
        1 << 20
    }

    fn refresh_memory(&mut self) {}

    fn memory(&self) -> Used {
        Used { used: 1 << 20, ..Used::default() }
    }

    fn identity(&self) -> Identity {
        Identity::default()
    }

    fn pid(&self) -> u32 {
        1
    }

    fn converse(&mut self, _: &Conversation<'_>) -> Answers {
        Answers { interruption: Some(Interruption::Connecting), ..Answers::default() }
    }

    fn folder(&self) -> Option<PathBuf> {
        None
    }

    fn change_folder(&mut self, _: &Settings) -> Result<(), String> {
        Err("there is no other folder".into())
    }

    fn listen(&mut self, settings: &Settings) -> Result<(), String> {
        let outer = &mut *self.get();
        outer.listened.push((settings.port, settings.bind.0.join(" ")));
        match outer.taken_port {
            Some(port) if port == settings.port => Err("it is taken".into()),
            _ => Ok(()),
        }
    }

    fn report(&mut self, report: Report<'_>) {
        self.get().reports.push(format!("{report:?}"));
    }
}
