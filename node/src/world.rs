//! What a node asks of the outside in the midst of a turn, because it needs the answer there: a fork, a figure, a file.
//!
//! What happens outside by itself comes as an [`crate::Event`]; what may be done when the turn is over goes out as an
//! [`crate::Actions`]. So this trait has what is left: it is implemented by the process (threads, forks, the system) and by
//! the simulation (memory alone).
//!
//! # Not here
//! - clocks: what the time is comes with each event ([`crate::Now`]); [`World::ticks_ns`] is for measuring within a turn
//! - files: `backup::files`, behind [`World::files`]

use crate::config::Settings;
use crate::jobs::Job;
use backup::aof::{AppendLog, Appender, BaseJob, FsyncPolicy};
use backup::files::{Files, KeepRule};
use backup::snapshot::{SaveOptions, SnapshotMeta};
use engine::host::{Answers, Conversation};
use keyspace::db::Db;
use keyspace::entry::Value;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a child is to do.
pub enum ChildJob<'a> {
    /// A snapshot in the place of the one that is there.
    Save {
        /// The data.
        data: SaveData<'a>,
        /// The snapshot's place.
        target: &'a Path,
        /// What becomes of the one that is there.
        rule: &'a KeepRule,
    },
    /// A base of the append-only file, under the names of `backup::fork::rewrite_names`.
    Rewrite(BaseJob<'a>),
    /// A snapshot for the replicas of the full sync of this number: comes back in [`crate::Event::Sync`].
    FullSync {
        /// Which one.
        number: u64,
        /// The data.
        data: SaveData<'a>,
        /// The file that the child writes, if the snapshot is not to come through a pipe.
        file: Option<PathBuf>,
    },
}

/// Data to be written as a snapshot.
#[derive(Clone, Copy)]
pub struct SaveData<'a> {
    /// The databases.
    pub dbs: &'a [Db],
    /// What the snapshot says about itself.
    pub meta: &'a SnapshotMeta,
    /// How to write.
    pub options: SaveOptions,
}

/// Bytes of memory, as INFO shows them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// Given out by the allocator.
    pub used: usize,
    /// In pages that hold some of it.
    pub active: usize,
    /// In memory for the allocator.
    pub resident: usize,
    /// In memory for the process.
    pub rss: usize,
    /// The most that was given out when somebody looked.
    pub peak: usize,
    /// What was given out before there were data.
    pub at_start: usize,
    /// What the machine has.
    pub system: usize,
}

/// Whose processor time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// This process's.
    Own,
    /// That of its children that have ended.
    Children,
    /// That of the calling thread.
    Thread,
}

/// A thread of the process.
pub struct Thread {
    /// Its name, as the system knows it.
    pub name: String,
    /// Its number, as the system knows it.
    pub id: u32,
    /// Processor time, user and system, seconds.
    pub cpu_seconds: (f64, f64),
}

/// How busy the executing thread is: counters since the start, or since CONFIG RESETSTAT. Times are in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoopFigures {
    /// Cycles: from the moment when it wakes to the one when it has nothing left to do.
    pub cycles: u64,
    /// Time in them.
    pub busy_ns: u64,
    /// The longest of them.
    pub longest_ns: u64,
    /// The most commands of one.
    pub most_commands: u64,
    /// Time spent on handing the journal to the disk.
    pub append_ns: u64,
    /// Time spent in the timer.
    pub timer_ns: u64,
    /// Turns of connections whose replies were held for a moment, to leave together with those of others.
    pub turns_held: u64,
}

/// What another thread frees.
#[derive(Clone, Copy, Debug, Default)]
pub struct Freeing {
    /// Bytes that are as good as free.
    pub pending_bytes: usize,
    /// Values that wait to be freed.
    pub pending: u64,
    /// Values that were freed in all.
    pub freed: u64,
}

/// What the process is, for INFO.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// Its number.
    pub pid: u32,
    /// Name, release and machine of the system.
    pub os: String,
    /// The program's path.
    pub executable: String,
    /// Who supervises it: `no`, `upstart` or `systemd`.
    pub supervised: &'static str,
}

/// How DEBUG lets the process crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// By an access to memory that is not there.
    Segfault,
    /// By a panic.
    Panic,
    /// By an assertion.
    Assert,
    /// For want of memory.
    OutOfMemory,
}

/// What a service manager hears of us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report<'a> {
    /// What we are doing.
    Status(&'a str),
    /// So much of what is to be loaded has been.
    Loading {
        /// Bytes loaded.
        loaded: u64,
        /// Bytes to load.
        total: u64,
    },
    /// A snapshot or a stream of our primary is there.
    Synced(&'a str),
    /// The end has begun.
    Stopping,
    /// It takes so long at least.
    Extend(Duration),
    /// The last snapshot is written.
    Saving,
    /// The end was put off for a file.
    PutOff,
}

/// The outside of a node.
///
/// Methods with a body mean nothing where there is no process.
pub trait World {
    /// Nanoseconds of the steady clock: how long something takes within a turn.
    fn ticks_ns(&self) -> u64;

    /// A number without pattern: for names and seeds.
    fn random(&mut self) -> [u8; 20];

    /// Where its files are.
    fn files(&self) -> Files;

    /// Starts a child that shares the memory of now, and returns its number. It is followed: its reports and its end come as
    /// events.
    fn start_child(&mut self, job: ChildJob<'_>, settings: &Settings) -> io::Result<i32>;

    /// Ends a child at once. Its end comes as an event all the same.
    fn kill_child(&mut self, pid: i32);

    /// Closes the connection of a session at once: the other side learns of it also while a long command follows in the same
    /// turn. Its end comes as that of any connection.
    fn close(&mut self, slot: usize);

    /// Does something on another thread. What comes of it comes as an event.
    fn start_job(&mut self, job: Job);

    /// Begins to append to a file. What is published comes as an event.
    fn start_appending(
        &mut self,
        appender: Appender,
        policy: FsyncPolicy,
    ) -> io::Result<Box<dyn AppendLog>>;

    /// Lets time pass while nothing happens, until something outside may have: at the end, and for DEBUG SLEEP.
    fn stand_still(&mut self, time: Duration);

    /// Frees values and databases, best on another thread. `bytes`: what those of them take that were given up for want of
    /// memory.
    fn free(&mut self, values: Vec<Value>, dbs: Vec<Db>, bytes: usize);

    /// What it still has to free.
    fn freeing(&self) -> Freeing {
        Freeing::default()
    }

    /// Bytes given out by the allocator, with what other threads did since [`World::refresh_memory`] left out.
    fn memory_now(&self) -> usize;

    /// Asks the allocator itself.
    fn refresh_memory(&mut self);

    /// Figures of memory.
    fn memory(&self) -> Memory;

    /// Bytes of the process that are in huge pages.
    fn huge_page_bytes(&self) -> usize {
        0
    }

    /// Gives unused pages back to the system.
    fn purge_memory(&mut self) {}

    /// What the allocator says about itself.
    fn allocator_report(&self) -> Vec<u8> {
        Vec::new()
    }

    /// Reads a number of the allocator, after setting it if there is a value.
    fn allocator_number(&mut self, _name: &str, _value: Option<i64>) -> Result<i64, String> {
        Err("there is no allocator of our own".into())
    }

    /// Reads a text of the allocator.
    fn allocator_text(&self, _name: &str) -> Result<String, String> {
        Err("there is no allocator of our own".into())
    }

    /// Crashes on purpose. Returns only where that means nothing.
    fn crash(&mut self, _how: Crash) {}

    /// Ends this program at once and starts it anew, in the same process, after so long. Returns only if that failed.
    fn restart(&mut self, _delay: Duration) -> String {
        "there is no process".into()
    }

    /// Processor time, user and system, seconds.
    fn cpu_seconds(&self, _whose: Whose) -> (f64, f64) {
        (0.0, 0.0)
    }

    /// The threads of the process.
    fn threads(&self) -> Vec<Thread> {
        Vec::new()
    }

    /// How busy the executing thread is.
    fn loop_figures(&self) -> LoopFigures {
        LoopFigures::default()
    }

    /// Begins to count them anew.
    fn reset_loop_figures(&mut self) {}

    /// What the process is.
    fn identity(&self) -> Identity;

    /// Its number: a part of temporary files' names.
    fn pid(&self) -> u32;

    /// Speaks with another server, for MIGRATE, and waits for its answers.
    fn converse(&mut self, conversation: &Conversation<'_>) -> Answers;

    /// Connections that are kept for that.
    fn kept_connections(&self) -> usize {
        0
    }

    /// Closes those that were not used for a while.
    fn close_idle_connections(&mut self) {}

    /// The working folder.
    fn folder(&self) -> Option<PathBuf>;

    /// Works in another folder (`dir`).
    fn change_folder(&mut self, settings: &Settings) -> Result<(), String>;

    /// Listens where the configuration says now, and nowhere else; if that fails, where it did before.
    fn listen(&mut self, _settings: &Settings) -> Result<(), String> {
        Ok(())
    }

    /// Prepares for as many clients as the configuration allows now.
    fn make_room_for_clients(&mut self, _clients: u32) -> Result<(), String> {
        Ok(())
    }

    /// Applies what concerns the process alone: log, title, allocator.
    fn apply_settings(&mut self, _settings: &Settings, _file: Option<&Path>) {}

    /// Gives the process the score of its role for when memory runs out. False if that failed, which is logged.
    fn apply_oom_score(&mut self, _settings: &Settings, _is_replica: bool) -> bool {
        true
    }

    /// We are a replica now, or a primary.
    fn note_role(&mut self, _is_replica: bool) {}

    /// Tells who supervises the process.
    fn report(&mut self, _report: Report<'_>) {}

    /// The end that a signal asked for does not come: the next one is the first again.
    fn forget_signals(&mut self) {}

    /// Removes what tells others that we are there.
    fn remove_places(&mut self, _settings: &Settings) {}

    /// Lets the wall clock jump by so many milliseconds, against the system's.
    fn shift_wall_clock(&mut self, _ms: i64) {}
}
