//! A node on the bench: the test is its outside, says what happens and when, and hears what is answered.
//!
//! ```text
//! ask, say ─► Half ─► Node::execute ─╮
//! pass, turn ──────► Node::turn ─────┴─► Actions ─► settle: wake, close, flush, react, alarm, end ─► until nothing is left
//! ```
//!
//! What the process's tasks do for each action is done here at once. Not done by itself: jobs ([`Bench::run_jobs`]), children
//! ([`Bench::child_ends`]), what the link to a primary wants ([`Bench::link`]), and a disk that is held.

use super::memory::{Image, Memory};
use super::outside::{ChildAtWork, Disk, Outer, Scripted, Task};
use super::{BEGINNING, later};
use crate::actions::{Actions, Exit};
use crate::clients::Arrival;
use crate::config::{Permission, SavePoint, SavePoints, Settings};
use crate::event::Event;
use crate::node::{Node, Outbound};
use crate::time::Now;
use crate::wire::Half;
use bytes::Bytes;
use protocol::resp::Batch;
use protocol::resp::queue::Slices;
use replica::link::{Action, Attempt, Event as LinkEvent};
use replica::primary::SyncEvent;
use std::collections::{BTreeMap, VecDeque};
use std::io::Read;
use std::sync::MutexGuard;

/// Between two ticks.
const TICK_MS: u64 = crate::timer::TICK_MS;
/// Turns that one event may lead to.
const TURNS_MAX: u32 = 10_000;

/// The connection of a client.
#[derive(Default)]
struct Socket {
    half: Half,
    feed: Outbound,
    sent: Vec<u8>,
}

/// A node, and all that is around it.
pub struct Bench {
    /// The node.
    pub node: Node,
    /// The time.
    pub now: Now,
    /// Its files.
    pub memory: Memory,
    /// Why it ended, if it did.
    pub exit: Option<Exit>,
    /// Data were loaded.
    pub ready: bool,
    /// What the link to its primary wants done.
    pub link: VecDeque<Action>,
    /// Slots that were closed.
    pub closed: Vec<usize>,
    /// While this is set no flush comes.
    pub holds_flush: bool,
    /// While this is set a script that has paused does not go on.
    pub holds_react: bool,
    outside: Scripted,
    sockets: BTreeMap<usize, Socket>,
    /// What was sent to those that are gone.
    last_words: BTreeMap<usize, Vec<u8>>,
    actions: Actions,
    wants: Actions,
    settling: bool,
    opens_sync_file: bool,
}

/// Settings without save points, in which clients may do all.
fn usual(change: impl FnOnce(&mut Settings)) -> Settings {
    let mut settings = Settings {
        save: SavePoints(Vec::new()),
        enable_debug_command: Permission::Yes,
        repl_diskless_sync_delay: 0,
        ..Settings::default()
    };
    change(&mut settings);
    settings
}

/// One save point.
pub fn save_point(seconds: u64, changes: u64) -> SavePoints {
    SavePoints(vec![SavePoint { seconds, changes }])
}

impl Bench {
    /// A node with these settings, no files and no data, that has begun.
    pub fn new(change: impl FnOnce(&mut Settings)) -> Bench {
        let mut bench = Bench::start(Memory::default(), usual(change));
        bench.run_jobs();
        assert!(bench.ready && bench.exit.is_none());
        bench
    }

    /// A node that starts with these files, and has to load them.
    pub fn start_with(memory: Memory, change: impl FnOnce(&mut Settings)) -> Bench {
        Bench::start(memory, usual(change))
    }

    fn start(memory: Memory, settings: Settings) -> Bench {
        Bench::start_at(memory, settings, BEGINNING)
    }

    fn start_at(memory: Memory, settings: Settings, now: Now) -> Bench {
        memory.set_time(now.unix_ms);
        let outside = Scripted::new(&memory, now.steady_ns, u64::from(settings.port));
        let node = Node::new(settings, None, now, Box::new(outside.clone()));
        let mut bench = Bench {
            node,
            now,
            memory,
            exit: None,
            ready: false,
            link: VecDeque::new(),
            closed: Vec::new(),
            holds_flush: false,
            holds_react: false,
            outside,
            sockets: BTreeMap::new(),
            last_words: BTreeMap::new(),
            actions: Actions::default(),
            wants: Actions::default(),
            settling: false,
            opens_sync_file: false,
        };
        bench.turn(Event::Start);
        bench
    }

    /// Another process with the same settings that starts with these files a second later, and loads them.
    pub fn again_with(&self, image: Image) -> Bench {
        let settings = self.node.host.settings.clone();
        let mut other = Bench::start_at(Memory::of(image), settings, later(self.now, 1000));
        other.run_jobs();
        other
    }

    /// The digest of what such a process has loaded, or why it did not start.
    pub fn reloaded(&self, image: Image) -> String {
        let mut other = self.again_with(image);
        match &other.exit {
            Some(exit) => format!("{exit:?}"),
            None => other.digest(),
        }
    }

    /// What a process loads that starts with the files of now.
    pub fn reloaded_now(&self) -> String {
        self.reloaded(self.memory.image())
    }

    /// The digest of the data.
    pub fn digest(&mut self) -> String {
        let slot = self.connect();
        let digest = self.ask(slot, "DEBUG DIGEST");
        self.hang_up(slot);
        assert!(digest.starts_with('+') && digest.len() == 41, "{digest}");
        digest
    }

    /// What the world knows.
    pub fn outer(&self) -> MutexGuard<'_, Outer> {
        self.outside.get()
    }

    // --- turns ---

    /// Something happens.
    pub fn turn(&mut self, event: Event<'_>) {
        self.outer().ticks_ns = self.now.steady_ns;
        self.node.turn(event, self.now, &mut self.actions);
        self.take_actions();
        self.settle();
    }

    fn take_actions(&mut self) {
        let ticks_ns = self.outer().ticks_ns;
        let passed_ms = ticks_ns.saturating_sub(self.now.steady_ns) / 1_000_000;
        self.now = later(self.now, passed_ms);
        if self.node.wants_something() {
            self.node.collect(&mut self.actions);
        }
        let actions = std::mem::take(&mut self.actions);
        let wants = &mut self.wants;
        wants.wake.extend(actions.wake);
        wants.flush |= actions.flush;
        wants.react |= actions.react;
        wants.alarm |= actions.alarm;
        wants.end |= actions.end;
        wants.end_is_there |= actions.end_is_there;
        wants.exit = wants.exit.take().or(actions.exit);
        self.ready |= actions.ready;
        self.link.extend(actions.link);
        self.opens_sync_file |= actions.open_sync_file;
    }

    /// What the process's tasks do, until there is nothing left to do.
    fn settle(&mut self) {
        if std::mem::replace(&mut self.settling, true) {
            return;
        }
        for _ in 0..TURNS_MAX {
            if let Some(exit) = self.wants.exit.take() {
                self.exit = Some(exit);
            }
            if self.exit.is_some() || !self.next() {
                self.settling = false;
                return;
            }
        }
        panic!("one thing leads to another without end");
    }

    /// The next of what is wanted. False if there is nothing.
    fn next(&mut self) -> bool {
        let closed = self.outer().closed.pop();
        let wants = &mut self.wants;
        if let Some(slot) = closed {
            self.closed.push(slot);
            self.hang_up(slot);
        } else if !wants.wake.is_empty() {
            let mut slots = std::mem::take(&mut wants.wake);
            slots.sort_unstable();
            slots.dedup();
            slots.into_iter().for_each(|slot| self.session_turn(slot));
        } else if !self.holds_react && std::mem::take(&mut wants.react) {
            self.turn(Event::React);
        } else if std::mem::take(&mut wants.alarm) {
            self.turn(Event::Alarm);
        } else if !self.holds_flush && std::mem::take(&mut wants.flush) {
            self.turn(Event::Flush);
            self.disk_by_itself();
        } else if std::mem::take(&mut wants.end) {
            self.turn(Event::LookAtEnd);
        } else if std::mem::take(&mut wants.end_is_there) {
            self.turn(Event::End);
        } else {
            return false;
        }
        true
    }

    /// Time passes, tick by tick.
    pub fn pass(&mut self, ms: u64) {
        let until = later(self.now, ms);
        while self.now.steady_ns < until.steady_ns && self.exit.is_none() {
            let left_ms = (until.steady_ns - self.now.steady_ns) / 1_000_000;
            self.now = later(self.now, TICK_MS.min(left_ms.max(1)));
            self.memory.set_time(self.now.unix_ms);
            let now_ms = self.now.steady_ms() as i64;
            if self.node.next_alarm_ms().is_some_and(|due| due <= now_ms) {
                self.turn(Event::Alarm);
            }
            self.outer().ticks_ns = self.now.steady_ns;
            self.disk_by_itself();
            self.turn(Event::Tick);
            if self.exit.is_none() && self.node.wants_to_end() {
                self.turn(Event::LookAtEnd);
            }
        }
    }

    /// Time passes until there is a child, two hours at most.
    pub fn pass_until_child(&mut self) {
        for _ in 0..2 * 36_000 {
            if self.children() > 0 {
                return;
            }
            self.pass(TICK_MS);
        }
        panic!("no child begins");
    }

    // --- clients ---

    /// Somebody connects.
    pub fn connect(&mut self) -> usize {
        let arrival = Arrival { address: "127.0.0.1:5000".into(), ..Arrival::default() };
        self.node.host.now = self.now;
        let slot = self.node.add_client(arrival);
        self.last_words.remove(&slot);
        self.sockets.insert(slot, Socket::default());
        slot
    }

    /// A connection is gone.
    pub fn hang_up(&mut self, slot: usize) {
        if let Some(socket) = self.sockets.remove(&slot) {
            self.last_words.insert(slot, socket.sent);
            self.turn(Event::Gone(slot));
        }
    }

    /// Whether somebody is connected.
    pub fn is_connected(&self, slot: usize) -> bool {
        self.sockets.contains_key(&slot)
    }

    /// Sends a request.
    pub fn say(&mut self, slot: usize, request: &str) {
        let mut bytes = Vec::new();
        let words: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
        protocol::resp::encode::command(&mut bytes, words.into_iter());
        self.say_bytes(slot, &bytes);
    }

    /// Sends bytes.
    pub fn say_bytes(&mut self, slot: usize, bytes: &[u8]) {
        let Some(socket) = self.sockets.get_mut(&slot) else { return };
        let (buffer, _) = socket.half.make_room_ahead().expect("there is memory");
        buffer.extend_from_slice(bytes);
        socket.half.note_ahead();
        self.node.host.now = self.now;
        self.node.host.note_input(slot, bytes.len());
        self.wants.wake.push(slot);
        self.settle();
    }

    /// What has been sent to somebody since this was asked.
    pub fn hear_bytes(&mut self, slot: usize) -> Vec<u8> {
        match self.sockets.get_mut(&slot) {
            Some(socket) => std::mem::take(&mut socket.sent),
            None => self.last_words.remove(&slot).unwrap_or_default(),
        }
    }

    /// The same as text, without the ends of lines.
    pub fn hear(&mut self, slot: usize) -> String {
        let text = String::from_utf8_lossy(&self.hear_bytes(slot)).into_owned();
        text.trim_end().replace("\r\n", " ")
    }

    /// Sends a request, and returns what is answered at once.
    pub fn ask(&mut self, slot: usize, request: &str) -> String {
        self.say(slot, request);
        self.hear(slot)
    }

    /// A line of INFO.
    pub fn info(&mut self, name: &str) -> String {
        let slot = self.connect();
        self.say(slot, "INFO everything");
        let text = String::from_utf8_lossy(&self.hear_bytes(slot)).into_owned();
        self.hang_up(slot);
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.unwrap_or_else(|| panic!("{name} in {text}")).trim_end().to_string()
    }

    /// A connection's turn.
    fn session_turn(&mut self, slot: usize) {
        while let Some(mut socket) = self.sockets.remove(&slot) {
            let goes_on = self.session_step(slot, &mut socket);
            let closes = socket.half.is_closing() && socket.half.output_is_empty();
            self.sockets.insert(slot, socket);
            self.take_actions();
            if closes {
                self.closed.push(slot);
                self.hang_up(slot);
            }
            if !goes_on {
                return;
            }
        }
    }

    fn session_step(&mut self, slot: usize, socket: &mut Socket) -> bool {
        let (node, half) = (&mut self.node, &mut socket.half);
        let (messages, closes) = node.take_messages(slot);
        if let Some((mut messages, receipt)) = messages {
            half.put_messages(&mut messages, receipt, node.host.released());
        }
        if closes {
            half.close_after_output();
        }
        while let (free @ 1.., _) = half.free_output(node.host.released()) {
            let mut slices = Slices::default();
            half.output_slices(free, &mut slices);
            let taken: Vec<u8> = slices.get().iter().flat_map(|slice| slice.to_vec()).collect();
            half.advance_output(taken.len());
            socket.sent.extend(taken);
        }
        if !half.output_is_empty() {
            node.host.wait_for_release(slot);
        } else {
            while node.next_feed(slot, &mut socket.feed) {
                for piece in socket.feed.drain(..) {
                    socket.sent.extend_from_slice(&piece);
                    node.host.note_feed_output(slot, piece.len());
                }
            }
        }
        if half.is_closing() || node.is_suspended(slot) || !half.has_unexecuted() {
            return false;
        }
        self.execute(slot, socket);
        true
    }

    fn execute(&mut self, slot: usize, socket: &mut Socket) {
        let (node, half) = (&mut self.node, &mut socket.half);
        let mut input = half.take_input();
        let (mut batch, mut out) = (Batch::default(), Vec::new());
        let parsed = half.parse(input.unexecuted(), node.bounds(slot), &mut batch);
        self.outside.get().ticks_ns = self.now.steady_ns;
        let answered = node.execute(slot, input.unexecuted(), &batch, &mut out, self.now);
        let used = half.executed(&parsed, &batch, &answered, &mut out);
        half.put_back(input, used);
        half.put_replies(&out, answered.receipt, node.host.released());
        half.keep_output(&out);
    }

    // --- the disk ---

    fn disk_by_itself(&mut self) {
        let works = self.outer().disk_works_by_itself();
        if works {
            self.turn(Event::Disk);
        }
    }

    /// From now on the disk does nothing by itself.
    pub fn hold_disk(&mut self) {
        self.outer().disk = Disk::Held(u64::MAX);
    }

    /// From now on it does all at once, what waited included.
    pub fn free_disk(&mut self) {
        self.outer().disk = Disk::Prompt;
        self.disk_by_itself();
    }

    /// The log writes what it was told; an fsync that it asks for has not ended.
    pub fn write(&mut self) {
        {
            let outer = self.outer();
            let now_ms = outer.ticks_ns / 1_000_000;
            outer.logs.iter().for_each(|log| _ = log.work(now_ms));
        }
        self.turn(Event::Disk);
    }

    /// The log writes, and fsyncs once if it wants to.
    pub fn fsync(&mut self) {
        self.write();
        self.outer().logs.iter().for_each(backup::aof::SteppedWorker::fsync);
        self.write();
    }

    // --- jobs and children ---

    /// Runs the jobs that were given, and those that follow from them.
    pub fn run_jobs(&mut self) {
        while self.run_job() {}
    }

    /// Runs one. False if there is none.
    pub fn run_job(&mut self) -> bool {
        let next = {
            let mut outer = self.outer();
            (!outer.jobs.is_empty()).then(|| outer.jobs.remove(0))
        };
        let Some(job) = next else { return false };
        self.turn(Event::JobDone(job()));
        true
    }

    /// How many children are at work.
    pub fn children(&self) -> usize {
        self.outer().children.len()
    }

    /// The child does its work, and has not ended.
    pub fn child_works(&mut self) {
        let (files, mut outer) = (self.memory.files(), self.outer());
        let child = outer.children.first_mut().expect("there is one");
        child.result = Some(child.work(&files));
    }

    /// The child has written a part.
    pub fn child_is_half_way(&mut self) {
        let (files, outer) = (self.memory.files(), self.outer());
        outer.children.first().expect("there is one").is_half_way(&files);
    }

    /// The child does its work, unless it was killed, and ends.
    pub fn child_ends(&mut self) {
        let child = self.outer().children.remove(0);
        let result = match &child.result {
            Some(result) => result.clone(),
            None if child.killed => Err("terminated by signal 9".into()),
            None => child.work(&self.memory.files()),
        };
        self.tell_end(child, result);
    }

    /// The child fails.
    pub fn child_fails(&mut self, reason: &str) {
        let child = self.outer().children.remove(0);
        self.tell_end(child, Err(reason.into()));
    }

    fn tell_end(&mut self, child: ChildAtWork, result: Result<String, String>) {
        match child.task {
            Task::FullSync(_, number, file) => {
                if file.is_none() {
                    // Its end of the pipe is closed.
                    self.turn(Event::Sync(number, SyncEvent::AllRead));
                }
                let event = SyncEvent::ChildEnded(result.map(|_| ()));
                self.turn(Event::Sync(number, event));
            }
            _ => self.turn(Event::ChildEnded { pid: child.pid, result }),
        }
    }

    /// The child of a full sync does all of its work unless it was killed, and what it made is read.
    pub fn full_sync_runs(&mut self) {
        let (bytes, number, file) = match self.outer().children.first().expect("there is one") {
            ChildAtWork { killed: true, .. } => (Vec::new(), 0, None),
            ChildAtWork { task: Task::FullSync(bytes, number, file), .. } => {
                (bytes.clone(), *number, file.clone())
            }
            _ => panic!("it is another child"),
        };
        let Some(file) = file else {
            self.sync_pieces(number, &bytes);
            return self.child_ends();
        };
        self.child_ends();
        assert!(std::mem::take(&mut self.opens_sync_file), "its file is to be read");
        let mut bytes = Vec::new();
        let opened = self.memory.files().open(&file);
        opened.expect("it is there").read_to_end(&mut bytes).expect("nothing fails");
        self.turn(Event::Sync(number, SyncEvent::Opened(bytes.len() as u64)));
        self.sync_pieces(number, &bytes);
        self.turn(Event::Sync(number, SyncEvent::AllRead));
    }

    fn sync_pieces(&mut self, number: u64, bytes: &[u8]) {
        for piece in bytes.chunks(1000) {
            assert!(self.node.wants_sync_piece(number));
            self.turn(Event::Sync(number, SyncEvent::Piece(Bytes::copy_from_slice(piece))));
        }
    }

    // --- the link to a primary, word by word ---

    /// The attempt that the link begins, which is to be dialled.
    pub fn dialled(&mut self) -> Attempt {
        match self.link.pop_front() {
            Some(Action::Dial(attempt)) => attempt,
            other => panic!("it does not dial: {other:?}"),
        }
    }

    /// Something happens to an attempt.
    pub fn link_event(
        &mut self,
        attempt: Attempt,
        event: LinkEvent<crate::persistence::loader::Outcome>,
    ) {
        self.turn(Event::Link(attempt, Box::new(event)));
    }
}
