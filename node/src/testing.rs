//! A world for tests of this crate: it has memory and files, and nothing happens in it by itself.
//!
//! - here: the least of it, for tests of one turn
//! - [`bench`]: a node whose outside the test is; [`pair`]: two of them; [`memory`]: files; [`outside`]: jobs, children, the log

pub mod bench;
pub mod memory;
pub mod outside;
pub mod pair;

use crate::config::Settings;
use crate::jobs::Job;
use crate::node::Node;
use crate::time::Now;
use crate::world::{ChildJob, Identity, Memory, World};
use backup::aof::{AppendLog, AppendThread, Appender, FsyncPolicy};
use backup::files::Files;
use engine::host::{Answers, Conversation, Interruption};
use keyspace::db::Db;
use keyspace::entry::Value;
use protocol::resp::request::Bounds;
use protocol::resp::{Batch, Parser};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What a test and its node's world share.
#[derive(Clone, Default)]
pub struct Shared {
    ticks_ns: Arc<AtomicU64>,
}

struct Still {
    shared: Shared,
    drawn: u64,
}

impl World for Still {
    fn ticks_ns(&self) -> u64 {
        self.shared.ticks_ns.load(Ordering::Relaxed)
    }

    fn random(&mut self) -> [u8; 20] {
        self.drawn += 1;
        let mut bytes = [0x5a; 20];
        bytes[..8].copy_from_slice(&self.drawn.to_be_bytes());
        bytes
    }

    fn files(&self) -> Files {
        Files::real()
    }

    fn start_child(&mut self, _: ChildJob<'_>, _: &Settings) -> io::Result<i32> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn kill_child(&mut self, _: i32) {}

    fn start_job(&mut self, _: Job) {}

    fn start_appending(
        &mut self,
        appender: Appender,
        policy: FsyncPolicy,
    ) -> io::Result<Box<dyn AppendLog>> {
        let ticks = Arc::clone(&self.shared.ticks_ns);
        let clock = move || ticks.load(Ordering::Relaxed) / 1_000_000;
        let thread = AppendThread::spawn(appender, policy, Box::new(clock), Box::new(|| ()))?;
        Ok(Box::new(thread))
    }

    fn stand_still(&mut self, time: Duration) {
        self.shared.ticks_ns.fetch_add(time.as_nanos() as u64, Ordering::Relaxed);
        std::thread::yield_now();
    }

    fn free(&mut self, _: Vec<Value>, _: Vec<Db>, _: usize) {}

    fn memory_now(&self) -> usize {
        1 << 20
    }

    fn refresh_memory(&mut self) {}

    fn memory(&self) -> Memory {
        Memory { used: 1 << 20, ..Memory::default() }
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
}

/// The moment at which tests begin.
pub const BEGINNING: Now = Now { unix_ms: 1_700_000_000_000, steady_ns: 1_000_000_000_000 };

/// So much later.
pub fn later(now: Now, ms: u64) -> Now {
    Now { unix_ms: now.unix_ms + ms as i64, steady_ns: now.steady_ns + ms * 1_000_000 }
}

/// A node that has begun a turn.
pub fn node() -> Node {
    let shared = Shared::default();
    shared.ticks_ns.store(BEGINNING.steady_ns, Ordering::Relaxed);
    let world = Box::new(Still { shared, drawn: 0 });
    let mut node = Node::new(Settings::default(), None, BEGINNING, world);
    node.begin_turn(BEGINNING);
    node
}

/// Executes requests in one turn of this moment, and returns the replies.
pub fn run_at(node: &mut Node, slot: usize, requests: &[&str], now: Now) -> String {
    let mut bytes: Vec<u8> = Vec::new();
    for request in requests {
        let words = request.split(' ').map(str::as_bytes);
        protocol::resp::encode::command(&mut bytes, words.collect::<Vec<_>>().into_iter());
    }
    let (mut batch, mut out) = (Batch::default(), Vec::new());
    let bounds = Bounds { bulk_max: 1 << 20, authenticated: true };
    let (used, parsed) = Parser::default().parse(&mut bytes, bounds, 100, &mut batch);
    assert!(parsed.is_ok() && used == bytes.len());
    node.execute(slot, &bytes, &batch, &mut out, now);
    String::from_utf8_lossy(&out).into_owned()
}

/// The same at the moment of the turn before.
pub fn run(node: &mut Node, slot: usize, requests: &[&str]) -> String {
    let now = node.host.now;
    run_at(node, slot, requests, now)
}
