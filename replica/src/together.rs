//! Both sides against each other: a primary and its followers, with a network between them that cuts where it likes.
//!
//! Everything follows from a seed: what is written and when, how many bytes of each direction arrive at a time, when jobs end,
//! when a connection is cut and what was on its way is lost. Always: what a follower executed is what the primary journaled,
//! no byte twice and none missing; and who can go on, by its history and the backlog, does.

use crate::handshake::Introduction;
use crate::intake::{Executed, Target};
use crate::link::{self, Attempt, Event, Follower, Job, Link, Stage};
use crate::primary::{self, OutputLimit, Primary, Replconf, Settings, SyncEvent, Welcome};
use crate::stream::StreamPoint;
use crate::told::told;
use bytes::Bytes;
use journal::{Class, CursorId, History, Journal, Kind, Offset, ReplicationId};
use protocol::resp::request::Bounds;
use protocol::resp::{Batch, Parser, encode};
use std::collections::{BTreeMap, VecDeque};
use std::io;

const DATABASES: usize = 4;
const FOLLOWERS: usize = 2;
const SEEDS: u64 = 400;
const STEPS: usize = 3000;

/// Numbers that follow from a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % most
    }

    fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }
}

fn id(number: u64) -> ReplicationId {
    let mut bytes = [7; 20];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    ReplicationId::from_random(bytes)
}

/// What a snapshot says: where it was taken. With some bytes, as if there were data.
fn snapshot_of(journal: &Journal, padding: usize) -> Vec<u8> {
    let mut text = format!("{}:{}:", journal.end(), journal.selected()).into_bytes();
    text.resize(text.len() + padding, b'd');
    text
}

/// The data of a follower: its journal, and the stream that it has executed since its last snapshot.
struct Data {
    journal: Journal,
    /// Executed behind the offset `from`.
    executed: Vec<u8>,
    from: Offset,
    file: Option<Vec<u8>>,
    queue_is_full: bool,
    full_syncs: usize,
    partial_syncs: usize,
}

impl Target for Data {
    fn execute(&mut self, _: Offset, _: &[u8], batch: &Batch) -> Executed {
        Executed::all(batch)
    }

    fn journal(&mut self, kind: Kind, bytes: &[u8]) {
        self.journal.append_raw(kind, bytes);
        self.executed.extend_from_slice(bytes);
    }

    fn end_batch(&mut self, db: Option<usize>) {
        if let Some(db) = db {
            self.journal.set_selected(db);
        }
    }
}

impl Follower for Data {
    type Loaded = (Offset, usize);

    fn timeout_ms(&self) -> u64 {
        5000
    }

    fn introduction(&self) -> Introduction {
        Introduction {
            listening_port: 7000,
            address: None,
            credentials: None,
            position: self
                .journal
                .has_readers()
                .then(|| (self.journal.history.id, self.journal.end())),
        }
    }

    fn entered(&mut self, _: Stage) {}

    fn note_input(&mut self, _: usize) {}

    fn begin_file(&mut self) -> io::Result<()> {
        assert!(self.file.is_none());
        self.file = Some(Vec::new());
        Ok(())
    }

    fn append_file(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.as_mut().expect("it was begun").extend_from_slice(bytes);
        Ok(())
    }

    fn drop_file(&mut self) {
        self.file.take().expect("it is dropped once");
    }

    fn kill_saving_child(&mut self) {}

    fn adopt(&mut self, (end, db): (Offset, usize), id: ReplicationId, offset: Offset) {
        assert_eq!(end, offset, "the snapshot is of the announced offset");
        self.journal.history = History::new(id);
        self.journal.restart_at(offset);
        self.journal.start_backlog(1000);
        self.journal.set_selected(db);
        (self.executed, self.from) = (Vec::new(), offset);
        self.full_syncs += 1;
    }

    fn continue_history(&mut self, id: Option<ReplicationId>) {
        let end = self.journal.end();
        if let Some(id) = id.filter(|id| *id != self.journal.history.id) {
            self.journal.history.fork(id, end);
        }
        self.partial_syncs += 1;
    }

    fn leave_history(&mut self) {
        panic!("nothing is torn here");
    }

    fn enter_stream(&mut self) -> StreamPoint {
        StreamPoint::at(self.journal.end(), self.journal.selected(), DATABASES)
    }

    fn stream_end(&self) -> (Offset, usize) {
        (self.journal.end(), self.journal.selected())
    }

    fn leave_stream(&mut self) {}

    fn stream_waits(&self) -> bool {
        self.queue_is_full
    }

    fn durable_offset(&self) -> Option<Offset> {
        Some(self.journal.end())
    }

    fn synced(&mut self, _: &'static str) {}
}

/// One connection, with what is on its way in both directions.
struct Connection {
    slot: usize,
    up: VecDeque<u8>,
    down: VecDeque<u8>,
    /// Taken from the primary's machine, not yet on its way.
    out: VecDeque<Bytes>,
    /// Requests that are not whole.
    input: Vec<u8>,
    /// The primary has closed it.
    is_closed: bool,
}

/// A follower and its link.
struct Replica {
    link: Link<(Offset, usize)>,
    data: Data,
    attempt: Option<Attempt>,
    buffer: Vec<u8>,
    jobs: Vec<(Attempt, Job)>,
    dials: bool,
    connection: Option<Connection>,
}

/// A child of the primary, and what it writes.
struct Child {
    snapshot: VecDeque<u8>,
    by_pipe: bool,
    is_killed: bool,
    has_ended: bool,
    was_read: bool,
    is_open: bool,
}

/// All of them.
struct World {
    dice: Dice,
    now_ms: u64,
    settings: Settings,
    primary: Primary,
    journal: Journal,
    witness: CursorId,
    /// All that the primary has journaled for replicas.
    stream: Vec<u8>,
    replicas: Vec<Replica>,
    child: Option<Child>,
    slots: usize,
    ids: u64,
    /// How often a replica had to start over that had asked to go on.
    refused: usize,
    /// No faults any more: it settles.
    is_calm: bool,
}

impl World {
    fn new(seed: u64) -> World {
        let mut dice = Dice(seed);
        let mut journal = Journal::new(id(0));
        let witness = journal.subscribe(Class::Replica);
        let settings = Settings {
            timeout_ms: 5000,
            ping_period_ms: 700,
            diskless: dice.below(3) > 0,
            diskless_delay_ms: 200 * dice.below(3),
            diskless_max_replicas: 0,
            backlog_bytes: 500 + dice.below(8000),
            backlog_ttl_ms: 0,
            lag_most_ms: 10_000,
            output: OutputLimit { hard_bytes: 6000, soft_bytes: 0, soft_ms: 0 },
            slow_most_ms: 0,
        };
        let replica = |number| Replica {
            link: Link::new("primary", 6379, number, 0),
            data: Data {
                journal: Journal::new(id(1000 + u64::from(number))),
                executed: Vec::new(),
                from: Offset::START,
                file: None,
                queue_is_full: false,
                full_syncs: 0,
                partial_syncs: 0,
            },
            attempt: None,
            buffer: Vec::new(),
            jobs: Vec::new(),
            dials: false,
            connection: None,
        };
        World {
            dice,
            now_ms: 0,
            settings,
            primary: Primary::new(0),
            journal,
            witness,
            stream: Vec::new(),
            replicas: (0..FOLLOWERS as u32).map(replica).collect(),
            child: None,
            slots: 0,
            ids: 1,
            refused: 0,
            is_calm: false,
        }
    }

    // --- the primary ---

    fn primary_turn<T>(
        &mut self,
        act: impl FnOnce(&mut Primary, &mut primary::Turn<'_>) -> T,
    ) -> T {
        let mut actions = Vec::new();
        let (journal, settings) = (&mut self.journal, &self.settings);
        let mut turn =
            primary::Turn { journal, settings, now_ms: self.now_ms, actions: &mut actions };
        let done = act(&mut self.primary, &mut turn);
        for action in actions {
            use primary::Action::*;
            match action {
                // Whoever has something is looked at anyway.
                Wake(_) | NoteHistory => {}
                Send(slot, bytes) => {
                    if let Some(connection) = self.connection(slot) {
                        assert!(connection.out.is_empty());
                        connection.down.extend(bytes);
                    }
                }
                Kill(slot) | Overflow(slot) => {
                    if let Some(connection) = self.connection(slot) {
                        connection.is_closed = true;
                    }
                    self.gone(slot);
                }
                Journal(bytes) => self.journal.append_raw(Kind::Control, bytes),
                KillChild => self.child.as_mut().expect("there is one").is_killed = true,
                OpenFile => self.child.as_mut().expect("there is one").is_open = true,
                SyncEnded => assert!(self.child.take().is_some_and(|child| child.has_ended)),
            }
        }
        done
    }

    fn gone(&mut self, slot: usize) {
        self.primary_turn(|primary, turn| primary.gone(slot, turn));
    }

    fn connection(&mut self, slot: usize) -> Option<&mut Connection> {
        let connections = self.replicas.iter_mut().filter_map(|one| one.connection.as_mut());
        connections.into_iter().find(|connection| connection.slot == slot)
    }

    fn write(&mut self) {
        let db = self.dice.below(DATABASES as u64) as usize;
        let value = "v".repeat(self.dice.below(60) as usize);
        let commands: &[&[&str]] = match self.dice.below(3) {
            0 => &[&["MULTI"], &["INCR", "a"], &["SET", "b", &value], &["EXEC"]],
            _ => &[&["SET", "a", &value]],
        };
        let mut unit = Vec::new();
        for words in commands {
            encode::command(&mut unit, words.iter().map(|word| word.as_bytes()));
        }
        self.journal.append(Kind::Effect, (db, db), &unit);
    }

    fn collect(&mut self) {
        self.journal.seal();
        let mut pieces = Vec::new();
        self.journal.read(self.witness, usize::MAX, &mut pieces);
        pieces.iter().for_each(|piece| self.stream.extend_from_slice(&piece.bytes));
    }

    /// What came from a replica on its connection.
    fn hear(&mut self, slot: usize, bytes: Vec<u8>) {
        self.primary.heard(slot, self.now_ms);
        let Some(connection) = self.connection(slot) else { return };
        connection.input.extend(bytes);
        let mut input = std::mem::take(&mut connection.input);
        let (mut parser, mut batch) = (Parser::default(), Batch::default());
        let bounds = Bounds { bulk_max: 1 << 20, authenticated: true };
        let (used, parsed) = parser.parse(&mut input, bounds, usize::MAX, &mut batch);
        parsed.expect("our links speak well");
        for request in batch.requests() {
            let args = batch.args(&input, request);
            let words: Vec<&[u8]> = args.iter_from(0).collect();
            self.command(slot, &words);
        }
        input.drain(..used);
        if let Some(connection) = self.connection(slot) {
            connection.input = input;
        }
    }

    fn command(&mut self, slot: usize, words: &[&[u8]]) {
        let answer = match words[0] {
            b"PING" => "+PONG\r\n".to_string(),
            b"REPLCONF" => {
                let answer = self
                    .primary_turn(|primary, turn| primary.replconf(slot, "r", &words[1..], turn));
                match answer.expect("our links speak well") {
                    Replconf::Ok => "+OK\r\n".to_string(),
                    Replconf::Silence | Replconf::Acknowledged => return,
                }
            }
            b"PSYNC" => return self.psync(slot, words[1], words[2]),
            other => panic!("{}", String::from_utf8_lossy(other)),
        };
        if let Some(connection) = self.connection(slot) {
            connection.down.extend(answer.into_bytes());
        }
    }

    fn psync(&mut self, slot: usize, id: &[u8], next: &[u8]) {
        // What is sealed may push older bytes out of the backlog.
        self.collect();
        let asked = String::from_utf8_lossy(next).parse::<i64>().expect("a number");
        let known = ReplicationId::parse(id);
        let from = u64::try_from(asked - 1).ok().and_then(Offset::from_wire);
        let can = known.is_some_and(|id| self.journal.history.includes(&id, asked))
            && from.is_some_and(|from| self.journal.can_serve(from));
        let words = Some((id, next));
        let welcome = self.primary_turn(|primary, turn| primary.psync(slot, "r", words, turn));
        match welcome.expect("it is understood") {
            Welcome::Continue(line) => {
                assert!(can, "{asked} is not there");
                let connection = self.connection(slot).expect("it asked");
                connection.down.extend(format!("+{line}\r\n").into_bytes());
            }
            Welcome::Waits { refused } => {
                assert!(!can, "{asked} is there: it could go on");
                self.refused += usize::from(refused);
            }
            Welcome::Silence => panic!("it asks once"),
        }
    }

    fn start_full_sync(&mut self) {
        if self.child.is_some() {
            return;
        }
        let Some(due) = self.primary.due(&self.settings, self.now_ms) else { return };
        self.ids += 1;
        let (by_pipe, new_id) = (due.by_pipe, id(self.ids));
        let prepared = self.primary_turn(|primary, turn| primary.prepare(due, new_id, turn));
        if !self.is_calm && self.dice.one_in(20) {
            return self.primary_turn(|primary, turn| primary.failed(prepared, "planted", turn));
        }
        let padding = self.dice.below(300) as usize;
        self.child = Some(Child {
            snapshot: snapshot_of(&self.journal, padding).into(),
            by_pipe,
            is_killed: false,
            has_ended: false,
            was_read: false,
            is_open: false,
        });
        let mark = *id(self.ids).as_bytes();
        self.primary_turn(|primary, turn| primary.begin(prepared, mark, turn));
    }

    /// The child, its pipe or its file come a little further.
    fn child(&mut self) {
        let (calm, most) = (self.is_calm, 1 + self.dice.below(80) as usize);
        let fails = !calm && self.dice.one_in(100);
        let Some(child) = &mut self.child else { return };
        let wants = self.primary.wants_piece();
        let event = if child.is_killed && !child.has_ended {
            child.has_ended = true;
            SyncEvent::ChildEnded(Err("killed".into()))
        } else if !child.by_pipe && !child.has_ended {
            child.has_ended = true;
            SyncEvent::ChildEnded(if fails { Err("planted".into()) } else { Ok(()) })
        } else if child.is_open {
            child.is_open = false;
            SyncEvent::Opened(child.snapshot.len() as u64)
        } else if wants && !child.snapshot.is_empty() {
            let len = most.min(child.snapshot.len());
            SyncEvent::Piece(child.snapshot.drain(..len).collect::<Vec<u8>>().into())
        } else if wants && !child.was_read {
            child.was_read = true;
            SyncEvent::AllRead
        } else if child.by_pipe && child.snapshot.is_empty() && !child.has_ended {
            child.has_ended = true;
            SyncEvent::ChildEnded(if fails { Err("planted".into()) } else { Ok(()) })
        } else {
            return;
        };
        let number = self.primary.sync_number().expect("there is a child");
        self.primary_turn(|primary, turn| primary.happened(number, event, turn));
    }

    // --- a replica ---

    fn link_turn(
        &mut self,
        number: usize,
        act: impl FnOnce(&mut Link<(Offset, usize)>, &mut Vec<u8>, &mut link::Turn<'_, Data>),
    ) {
        let mut actions = Vec::new();
        let replica = &mut self.replicas[number];
        let follower = &mut replica.data;
        let mut turn = link::Turn { follower, now_ms: self.now_ms, actions: &mut actions };
        act(&mut replica.link, &mut replica.buffer, &mut turn);
        for action in actions {
            let replica = &mut self.replicas[number];
            match action {
                link::Action::Dial(attempt) => {
                    (replica.attempt, replica.dials) = (Some(attempt), true);
                }
                link::Action::Send(_, bytes) => {
                    replica.connection.as_mut().expect("it is open").up.extend(bytes);
                }
                link::Action::Close(_) => {
                    replica.buffer.clear();
                    replica.dials = false;
                    let connection = replica.connection.take();
                    self.lose(connection);
                }
                link::Action::Start(attempt, job) => replica.jobs.push((attempt, job)),
            }
        }
    }

    fn link_event(&mut self, number: usize, event: Event<(Offset, usize)>) {
        let attempt = self.replicas[number].attempt.expect("there is one");
        self.link_turn(number, |link, _, turn| link.happened(attempt, event, turn));
        self.deliver(number, 0);
    }

    /// Its connection is gone for the primary.
    fn lose(&mut self, connection: Option<Connection>) {
        if let Some(connection) = connection {
            self.gone(connection.slot);
        }
    }

    /// Up to `most` bytes reach the follower.
    fn deliver(&mut self, number: usize, most: usize) {
        let replica = &mut self.replicas[number];
        let Some(attempt) = replica.attempt else { return };
        let reads = replica.link.read_size(replica.buffer.len(), &replica.data);
        if let Some(connection) = &mut replica.connection {
            let len = most.min(reads).min(connection.down.len());
            replica.buffer.extend(connection.down.drain(..len));
        }
        if !replica.buffer.is_empty() {
            self.link_turn(number, |link, buffer, turn| link.bytes(attempt, buffer, turn));
        }
        self.compare(number);
    }

    /// What it has executed is what was journaled.
    fn compare(&mut self, number: usize) {
        self.collect();
        let Data { executed, from, journal, .. } = &self.replicas[number].data;
        if executed.is_empty() {
            return;
        }
        let from = from.get() as usize;
        let expected = &self.stream[from..from + executed.len()];
        assert!(executed == expected, "what is executed is what was journaled");
        assert_eq!(journal.end().get() as usize, from + executed.len());
    }

    /// One thing happens to a follower or its connection.
    fn replica(&mut self, number: usize) {
        let most = self.dice.below(120) as usize;
        let fault = !self.is_calm && self.dice.one_in(250);
        let choice = self.dice.below(6);
        let replica = &mut self.replicas[number];
        if replica.dials {
            replica.dials = false;
            if fault {
                return self.link_event(number, Event::DialFailed("planted".into()));
            }
            self.slots += 1;
            replica.connection = Some(Connection {
                slot: self.slots,
                up: VecDeque::new(),
                down: VecDeque::new(),
                out: VecDeque::new(),
                input: Vec::new(),
                is_closed: false,
            });
            return self.link_event(number, Event::Connected);
        }
        let Some(connection) = &mut replica.connection else { return };
        let slot = connection.slot;
        let all_came = connection.down.is_empty() && connection.out.is_empty();
        if fault || connection.is_closed && all_came {
            // What was on its way is lost; the primary may notice before or behind.
            let connection = replica.connection.take();
            self.lose(connection);
            return self.link_event(number, Event::Closed);
        }
        match choice {
            0 => {
                let len = most.min(connection.up.len());
                let bytes: Vec<u8> = connection.up.drain(..len).collect();
                if !connection.is_closed && len > 0 {
                    self.hear(slot, bytes);
                }
            }
            1 => self.feed(number, most),
            2 | 3 => self.deliver(number, most),
            4 => {
                if let Some((attempt, job)) = replica.jobs.pop() {
                    let event = self.job(number, job);
                    self.link_turn(number, |link, _, turn| link.happened(attempt, event, turn));
                    self.deliver(number, 0);
                }
            }
            _ => replica.data.queue_is_full = !self.is_calm && self.dice.one_in(4),
        }
    }

    fn job(&mut self, number: usize, job: Job) -> Event<(Offset, usize)> {
        let fails = !self.is_calm && self.dice.one_in(15);
        let planted = || "planted".to_string();
        match job {
            Job::Sync => Event::Synced(if fails { Err(planted()) } else { Ok(()) }),
            Job::Replace => Event::Replaced(if fails { Err(planted()) } else { Ok(()) }),
            Job::Load => {
                let file = self.replicas[number].data.file.clone().unwrap_or_default();
                let text = String::from_utf8(file).expect("a text");
                let mut parts = text.split(':');
                let mut part = || parts.next().and_then(|part| part.parse::<u64>().ok());
                let loaded = part().and_then(Offset::from_wire).zip(part());
                let loaded = loaded.filter(|_| !fails).ok_or_else(planted);
                Event::Loaded(loaded.map(|(offset, db)| (offset, db as usize)))
            }
        }
    }

    /// The primary's end of a connection takes up to `most` bytes.
    fn feed(&mut self, number: usize, most: usize) {
        self.collect();
        let (now_ms, journal) = (self.now_ms, &mut self.journal);
        let Some(connection) = &mut self.replicas[number].connection else { return };
        // What a network holds is bounded.
        if connection.down.len() > 500 {
            return;
        }
        if connection.out.is_empty() && !connection.is_closed {
            self.primary.next(connection.slot, journal, &mut connection.out, now_ms);
        }
        if let Some(front) = connection.out.front_mut() {
            let part = front.split_to(front.len().min(most));
            if front.is_empty() {
                connection.out.pop_front();
            }
            connection.down.extend(&part);
            self.primary.sent(connection.slot, part.len(), now_ms);
        }
    }

    fn step(&mut self) {
        self.now_ms += self.dice.below(30);
        if !self.is_calm && self.dice.one_in(12) {
            self.write();
        }
        if self.dice.one_in(4) {
            self.primary_turn(|primary, turn| {
                primary.limit(turn);
                primary.timer(false, id(999), turn);
            });
            self.start_full_sync();
        }
        self.child();
        if !self.is_calm && self.dice.one_in(1000) {
            self.ids += 1;
            let new_id = id(self.ids);
            self.primary_turn(|primary, turn| primary.promoted(new_id, turn));
        }
        for number in 0..FOLLOWERS {
            let due = self.replicas[number].link.next_timer_ms().expect("it goes on");
            if due <= self.now_ms {
                self.link_turn(number, |link, _, turn| link.timer(turn));
            }
            self.replica(number);
        }
        self.collect();
    }

    fn has_settled(&self) -> bool {
        let end = self.journal.end();
        let settled = |replica: &Replica| replica.link.is_up() && replica.data.journal.end() == end;
        self.child.is_none() && self.replicas.iter().all(settled)
    }
}

#[test]
fn what_followers_execute_is_what_was_journaled_whatever_the_network_does() {
    let mut sums = BTreeMap::new();
    for seed in 0..SEEDS {
        let ((), _) = told(|| {
            let mut world = World::new(seed);
            (0..STEPS).for_each(|_| world.step());
            world.is_calm = true;
            let mut steps = 0;
            while !world.has_settled() {
                world.step();
                steps += 1;
                assert!(steps < 200_000, "seed {seed} does not settle");
            }
            (0..FOLLOWERS).for_each(|number| world.compare(number));
            let mut add = |what, count| *sums.entry(what).or_insert(0) += count;
            add("bytes", world.stream.len());
            add("refused", world.refused);
            for replica in &world.replicas {
                add("full syncs", replica.data.full_syncs);
                add("partial syncs", replica.data.partial_syncs);
                add("attempts that failed", replica.link.figures().failed_attempts as usize);
            }
        });
    }
    // It has come to all of it.
    for (what, least) in [("full syncs", SEEDS), ("partial syncs", SEEDS), ("refused", SEEDS / 10)]
    {
        assert!(sums[what] as u64 >= least, "{sums:?}");
    }
}
