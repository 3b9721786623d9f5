//! A process around a node: what `server` does with sockets, timers, threads and children, in virtual time and in memory.
//!
//! ```text
//! Event ─► Process::happened ─► tasks that are ready, in order ─► Node::turn ─► actions ─► more that is ready
//! ```
//!
//! All that is ready has its turn at one moment, in the order in which it became ready: so a flush comes behind the sessions that
//! were ready when it was asked for, as in the server.
//!
//! - `session`: a client's or a replica's connection; `link`: that to the primary
//! - `parts`: what it consists of
//! - `background`: children, full syncs, jobs, the append-only file's workers; [`outside`]: what the node asks within a turn
//!
//! # Invariants
//! - nothing of a process happens behind its end: its events have the number of its life
//!
//! # Not here
//! - what becomes of machines, who starts and ends processes: [`crate::world`]

mod background;
mod link;
pub mod outside;
mod parts;
mod session;

use crate::around::Around;
use crate::check::rule::{Change, Known, Seen};
use crate::disk::Disk;
use crate::entry::Log;
use crate::event::{ConnId, Event, Place, ToProcess};
use crate::queue::MS;
use crate::violation::Invariant;
use engine::digest::{self, Digest};
use keyspace::entry::ValueRef;
use keyspace::hashing::hash_bytes;
use keyspace::list::List;
use node::clients::Arrival;
use node::config::{PrimaryAddress, Settings};
use node::jobs::Job;
use node::timer::TICK_MS;
use node::{Actions, Exit, Node, Now};
use outside::{Child, InMemory, Shared, Started};
use parts::{Ready, Session, SyncSource, Whose, Wire};
use protocol::listpack::TextBuffer;
use protocol::resp::request::Bounds;
use protocol::resp::{Batch, Parser, encode};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

/// When worlds begin, unix milliseconds.
const EPOCH_MS: i64 = 1_700_000_000_000;
/// Between two looks at whether the end can come.
const LOOK_AGAIN_MS: u64 = 10;
/// Tasks in a row after which a process is said not to come to rest.
const TASKS_MAX: usize = 200_000;

/// A process.
pub struct Process {
    /// Its node.
    pub node: Node,
    /// Where it runs.
    pub place: Place,
    /// Which process of this machine it is.
    pub life: u64,
    /// Why it ends, if it does.
    pub exit: Option<Exit>,
    /// It has loaded its files.
    pub is_ready: bool,
    /// It is stopped for a while, as by SIGSTOP.
    pub is_paused: bool,
    disk: Disk,
    shared: Shared,
    actions: Actions,
    sessions: Vec<Option<Session>>,
    by_conn: BTreeMap<ConnId, Whose>,
    ready: VecDeque<Ready>,
    wire: Option<Wire>,
    sync: Option<SyncSource>,
    opens_sync_file: bool,
    children: BTreeMap<i32, Child>,
    jobs: BTreeMap<u64, Job>,
    next_job: u64,
    alarm_ns: u64,
    follows: Option<PrimaryAddress>,
    /// When the steady clock was 0.
    base_ns: u64,
    batch: Batch,
    output: Vec<u8>,
    /// CONFIG SET changed something: replies of before are still on their way.
    configured_ns: u64,
    /// How often its data were replaced as a whole.
    replaced: u64,
}

impl Process {
    /// Starts one on a machine, with these directives. It loads its files.
    pub fn start(
        place: Place,
        life: u64,
        directives: &[String],
        around: &mut Around,
    ) -> Result<Self, String> {
        let disk = around.machines[place].disk.clone();
        let loaded = Settings::load(&disk.files(), None, directives);
        let loaded = loaded.map_err(|error| error.to_string())?;
        let follows = loaded.settings.replicaof.clone();
        let base_ns = (place as u64 + 1) * 1_000_000_000_000;
        let next_pid = 1_000 * (life as i32 + 1) + 1;
        let shared: Shared = Rc::new(RefCell::new(Started {
            steady_ns: base_ns + around.now_ns(),
            next_pid,
            ..Started::default()
        }));
        let chance = around.chance.fork();
        let outside = InMemory::new(Rc::clone(&shared), disk.clone(), chance, next_pid as u32 - 1);
        let now = now_of(&shared, base_ns, place, around);
        let node = Node::new(loaded.settings, loaded.file, now, Box::new(outside));
        let mut process = Self {
            node,
            place,
            life,
            exit: None,
            is_ready: false,
            is_paused: false,
            disk,
            shared,
            actions: Actions::default(),
            sessions: Vec::new(),
            by_conn: BTreeMap::new(),
            ready: VecDeque::new(),
            wire: None,
            sync: None,
            opens_sync_file: false,
            children: BTreeMap::new(),
            jobs: BTreeMap::new(),
            next_job: 0,
            alarm_ns: u64::MAX,
            follows,
            base_ns,
            batch: Batch::default(),
            output: Vec::new(),
            configured_ns: 0,
            replaced: 0,
        };
        process.schedule_at(around.now_ns() + TICK_MS * MS, ToProcess::Tick, around);
        process.turn(node::Event::Start, around);
        process.run(around);
        Ok(process)
    }

    fn schedule_at(&self, at_ns: u64, event: ToProcess, around: &mut Around) {
        around.queue.at(at_ns, Event::Process(self.place, self.life, event));
    }

    /// The time of a turn.
    fn now(&self, around: &Around) -> Now {
        now_of(&self.shared, self.base_ns, self.place, around)
    }

    // --- turns ---

    /// Something has happened to the node.
    fn turn(&mut self, event: node::Event<'_>, around: &mut Around) {
        let now = self.now(around);
        self.node.turn(event, now, &mut self.actions);
        self.do_actions(around);
    }

    /// Does what the node wants done: at the end of whatever was done with it.
    fn act(&mut self, around: &mut Around) {
        self.node.collect(&mut self.actions);
        self.do_actions(around);
    }

    fn do_actions(&mut self, around: &mut Around) {
        self.close_some(around);
        if !self.actions.is_empty() {
            self.do_some(around);
        }
        self.begin_started(around);
        self.look(around);
    }

    fn close_some(&mut self, around: &mut Around) {
        let closed = std::mem::take(&mut self.shared.borrow_mut().closed);
        for slot in closed {
            match self.sessions.get_mut(slot).and_then(Option::as_mut) {
                Some(session) => session.is_killed = true,
                None => drop(self.kill_link(slot, around)),
            }
            self.wake(slot);
        }
    }

    fn do_some(&mut self, around: &mut Around) {
        let mut actions = std::mem::take(&mut self.actions);
        actions.wake.drain(..).for_each(|slot| self.wake(slot));
        for (flag, ready) in [
            (&mut actions.flush, Ready::Flush),
            (&mut actions.react, Ready::React),
            (&mut actions.alarm, Ready::Alarm),
            (&mut actions.sync_room, Ready::SyncRoom),
            (&mut actions.link_room, Ready::LinkRoom),
            (&mut actions.end, Ready::LookAtEnd),
        ] {
            if std::mem::take(flag) && !self.ready.contains(&ready) {
                self.ready.push_back(ready);
            }
        }
        let link: Vec<_> = actions.link.drain(..).collect();
        self.opens_sync_file |= std::mem::take(&mut actions.open_sync_file);
        if self.opens_sync_file || std::mem::take(&mut actions.sync_ended) {
            self.ready.push_back(Ready::SyncRoom);
        }
        if std::mem::take(&mut actions.end_is_there) {
            self.ready.push_back(Ready::End);
        }
        if std::mem::take(&mut actions.ready) {
            self.ready.push_back(Ready::Follow);
            self.loaded(around);
        }
        if let Some(exit) = actions.exit.take() {
            self.exit.get_or_insert(exit);
        }
        self.actions = actions;
        link.into_iter().for_each(|action| self.do_link_action(action, around));
    }

    fn wake(&mut self, slot: usize) {
        if let Some(session) = self.sessions.get_mut(slot).and_then(Option::as_mut)
            && !std::mem::replace(&mut session.is_queued, true)
        {
            self.ready.push_back(Ready::Session(slot));
        }
    }

    fn link_task(&mut self) {
        if !self.ready.contains(&Ready::Link) {
            self.ready.push_back(Ready::Link);
        }
    }

    /// All that is ready has its turn.
    pub fn run(&mut self, around: &mut Around) {
        let mut tasks = 0;
        while let Some(task) = self.ready.pop_front_if(|_| self.exit.is_none() && !self.is_paused) {
            match task {
                Ready::Session(slot) => self.session_turn(slot, around),
                Ready::Link => self.link_turn(around),
                Ready::LinkRoom => self.link_wants(around),
                Ready::Flush => self.turn(node::Event::Flush, around),
                Ready::React => self.turn(node::Event::React, around),
                Ready::Alarm => self.alarm(around),
                Ready::Disk => self.turn(node::Event::Disk, around),
                Ready::SyncRoom => self.sync_now(around),
                Ready::LookAtEnd => self.look_at_end(around),
                Ready::End => self.turn(node::Event::End, around),
                Ready::Follow => {
                    if let Some(primary) = self.follows.clone() {
                        self.turn(node::Event::Follow(primary), around);
                    }
                }
            }
            tasks += 1;
            if tasks > TASKS_MAX {
                let text = format!("node {} does not come to rest: {task:?}", self.place);
                around.violate(Invariant::Bounds, text);
                return;
            }
        }
        self.look_at_workers(around);
        let now_ns = around.now_ns();
        around.trace.log(now_ns, self.place);
    }

    fn sync_now(&mut self, around: &mut Around) {
        match self.opens_sync_file {
            true => self.sync_piece(around),
            false => self.sync_room(around),
        }
    }

    /// Ends waits and pauses that are due, and notes when the next one is.
    fn alarm(&mut self, around: &mut Around) {
        self.turn(node::Event::Alarm, around);
        let Some(next) = self.node.next_alarm_ms() else {
            self.alarm_ns = u64::MAX;
            return;
        };
        let now_ns = around.now_ns();
        let at_ns = (next as u64 * MS).saturating_sub(self.base_ns).max(now_ns + 1);
        if at_ns < self.alarm_ns || self.alarm_ns <= now_ns {
            self.alarm_ns = at_ns;
            self.schedule_at(at_ns, ToProcess::Alarm, around);
        }
    }

    fn look_at_end(&mut self, around: &mut Around) {
        self.turn(node::Event::LookAtEnd, around);
        if self.node.wants_to_end() {
            self.schedule_at(around.now_ns() + LOOK_AGAIN_MS * MS, ToProcess::LookAtEnd, around);
        }
    }

    /// Something happens to the process.
    pub fn happened(&mut self, event: ToProcess, around: &mut Around) {
        match event {
            ToProcess::Tick => {
                self.schedule_at(around.now_ns() + TICK_MS * MS, ToProcess::Tick, around);
                self.turn(node::Event::Tick, around);
                self.check_bounds(around);
            }
            ToProcess::Alarm => {
                if around.now_ns() >= self.alarm_ns {
                    self.alarm_ns = u64::MAX;
                }
                self.alarm(around);
            }
            ToProcess::Run => {}
            ToProcess::Work(number) => self.work(number, false, around),
            ToProcess::Fsync(number) => self.work(number, true, around),
            ToProcess::Job(number) => self.job_ends(number, around),
            ToProcess::Child(pid) => self.child_ends(pid, around),
            ToProcess::SyncPiece => self.sync_piece(around),
            ToProcess::Delayed(slot) => {
                if let Some(session) = self.sessions.get_mut(slot).and_then(Option::as_mut) {
                    session.end_delay();
                }
                self.wake(slot);
            }
            ToProcess::LookAtEnd => self.look_at_end(around),
            ToProcess::Refused(attempt) => self.refused(attempt, around),
            ToProcess::Dialled(..) | ToProcess::Dial(..) => unreachable!("the world does that"),
        }
        self.run(around);
    }

    // --- connections ---

    /// A connection comes from a place: end 1 is here.
    pub fn accept(&mut self, conn: ConnId, from: Place, is_node: bool, around: &mut Around) {
        let (address, local_address) =
            (format!("10.0.0.{from}:{}", 40_000 + conn), "10.0.0.0:1".into());
        let arrival = Arrival { address, local_address, fd: conn as i32 + 8, is_unix: false };
        self.node.host.now = self.now(around);
        let slot = self.node.add_client(arrival);
        if self.sessions.len() <= slot {
            self.sessions.resize_with(slot + 1, || None);
        }
        self.sessions[slot] = Some(Session::new(conn, is_node));
        self.by_conn.insert(conn, Whose::Session(slot));
        self.act(around);
        self.wake(slot);
    }

    /// Something can be read from a connection, or it has ended.
    pub fn readable(&mut self, conn: ConnId) {
        match self.by_conn.get(&conn) {
            Some(Whose::Session(slot)) => self.wake(*slot),
            Some(Whose::Link) => self.link_task(),
            None => {}
        }
    }

    /// A connection can be written to again.
    pub fn writable(&mut self, conn: ConnId, around: &mut Around) {
        match self.by_conn.get(&conn) {
            Some(Whose::Session(slot)) => self.wake(*slot),
            Some(Whose::Link) => self.link_room(around),
            None => {}
        }
    }

    /// An operator's command, on a connection of its own. Returns the reply.
    pub fn command(&mut self, words: &[&str], around: &mut Around) -> String {
        let arrival =
            Arrival { address: "127.0.0.1:1".into(), is_unix: true, ..Arrival::default() };
        self.node.host.now = self.now(around);
        let slot = self.node.add_client(arrival);
        let mut bytes = Vec::new();
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        encode::command(&mut bytes, words.iter().copied());
        let (mut batch, mut out) = (Batch::default(), Vec::new());
        let bounds = Bounds { bulk_max: 1 << 20, authenticated: true };
        let parsed = Parser::default().parse(&mut bytes, bounds, 1, &mut batch);
        assert!(parsed.1.is_ok(), "the operator's commands are whole");
        let now = self.now(around);
        self.node.execute(slot, &bytes, &batch, &mut out, now);
        if words[0] == b"CONFIG" {
            self.configured_ns = around.now_ns();
        }
        self.replaced += u64::from(words == [b"DEBUG", &b"RELOAD"[..]] && out == b"+OK\r\n");
        self.act(around);
        if self.node.engine.session(slot).is_some_and(|session| !session.suspended) {
            self.turn(node::Event::Gone(slot), around);
        }
        self.run(around);
        String::from_utf8_lossy(&out).trim_end().to_string()
    }

    // --- what is seen of it ---

    /// Its files are loaded.
    fn loaded(&mut self, around: &mut Around) {
        self.is_ready = true;
        let seen = self.seen();
        let known = Known::begin(seen, &mut around.streams);
        around.machines[self.place].known = Some(known);
    }

    fn seen(&self) -> Seen<'_> {
        let replication = &self.node.host.replication;
        Seen {
            journal: &self.node.host.journal,
            is_replica: replication.is_replica(),
            is_up: replication.link_is_up(),
            backlog_bytes: self.node.host.settings.repl_backlog_size,
        }
    }

    /// Looks at what has become of its history.
    fn look(&mut self, around: &mut Around) {
        let machine = &mut around.machines[self.place];
        let Some(known) = machine.known.as_mut().filter(|_| self.is_ready) else { return };
        let seen = self.seen();
        let looked = known.look(seen, &mut around.streams);
        machine.reached.note(&known.id, known.end);
        match looked {
            Ok(Change::None) => {}
            Ok(Change::Adopted) => {
                machine.claims.clear();
                self.replaced += 1;
            }
            Err((is_rule, text)) => {
                let invariant = if is_rule { Invariant::Partial } else { Invariant::Stream };
                around.violate(invariant, format!("node {}: {text}", self.place));
            }
        }
    }

    /// The length of a log's lists; an error if two of a pair differ.
    pub fn len_of(&self, log: Log) -> Result<u64, String> {
        let len = |key: String| self.list(log.db(), &key).map_or(0, |list| list.len() as u64);
        let mut lens = log.keys().map(len);
        let first = lens.next().expect("a log has a list");
        match lens.find(|len| *len != first) {
            None => Ok(first),
            Some(other) => Err(format!(
                "node {}: the lists of client {}'s transactions have {first} and {other} entries",
                self.place, log.client
            )),
        }
    }

    fn list(&self, db: usize, key: &str) -> Option<&List> {
        let entry = self.node.engine.dbs[db].get(hash_bytes(key.as_bytes()), key.as_bytes());
        match entry?.value() {
            ValueRef::List(list) => Some(list),
            _ => None,
        }
    }

    /// The last entry of a log.
    pub fn last_of(&self, log: Log) -> Option<Vec<u8>> {
        let key = log.keys().next().expect("a log has a list");
        let list = self.list(log.db(), &key)?;
        let last = list.get(list.len() - 1);
        last.map(|value| value.to_text(&mut TextBuffer::new()).to_vec())
    }

    /// All elements of each of a log's lists.
    pub fn lists_of(&self, log: Log) -> Vec<Vec<Vec<u8>>> {
        let all = |key: String| {
            let elements = self.list(log.db(), &key).into_iter().flat_map(List::iter);
            elements.map(|value| value.to_text(&mut TextBuffer::new()).to_vec()).collect()
        };
        log.keys().map(all).collect()
    }

    /// The digest of its data.
    pub fn digest(&self) -> Digest {
        digest::of_all(&self.node.engine.dbs)
    }

    /// Whether what it keeps in memory has its bounds.
    pub fn check_bounds(&self, around: &mut Around) {
        let settings = &self.node.host.settings;
        let replica = settings.client_output_buffer_limit.replica;
        let backlog = settings.repl_backlog_size.max(replica.hard_bytes) as usize;
        // A block in each turn takes as much to keep account of as its bytes.
        let journal_most = 4 * (backlog + settings.aof_buffer_limit as usize) + (4 << 20);
        let journal = self.node.host.journal.memory_bytes();
        let sessions = self.sessions.iter().flatten();
        let held = sessions.map(|session| session.held_bytes() + session.input_bytes()).max();
        let session_most = (replica.hard_bytes as usize).max(1 << 20) + (8 << 20);
        let tasks = self.ready.len();
        for (what, is, most) in [
            ("its journal takes", journal, journal_most),
            ("a session keeps", held.unwrap_or(0), session_most),
            ("so many tasks are ready:", tasks, 10_000),
        ] {
            if is > most {
                let text = format!("node {}: {what} {is}, the most is {most}", self.place);
                around.violate(Invariant::Bounds, text);
            }
        }
    }
}

fn now_of(shared: &Shared, base_ns: u64, place: Place, around: &Around) -> Now {
    let steady_ns = {
        let shared = &mut *shared.borrow_mut();
        shared.steady_ns = shared.steady_ns.max(base_ns + around.now_ns());
        shared.steady_ns
    };
    let skew_ms = around.machines[place].skew_ms;
    let unix_ms = EPOCH_MS + (around.now_ns() / MS) as i64 + skew_ms;
    Now { unix_ms, steady_ns }
}
