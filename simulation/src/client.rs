//! A client: it asks, waits for what it asked, and thinks before it asks again.
//!
//! ```text
//! Apart ─► dials whom it believes to be the primary ─► asks how long its logs are ─► asks, waits, thinks, asks …
//!   ▲                                                      ▲ an error that passes
//!   ╰───── reset, no answer in time, an error of a replica ╯
//! ```
//!
//! One of them only reads, wherever it happens to be: it watches a log of another, thinks, and looks at it in a transaction.
//!
//! Of each log at most one command is on its way, so that a command which is refused leaves no hole behind itself.
//!
//! # Not here
//! - what its replies prove: [`crate::around`]

use crate::around::{Around, Asked};
use crate::chance::Chance;
use crate::entry::{Entry, LOGS, Log, PAIR};
use crate::event::{ConnId, Event, Place};
use crate::net::{Read, Reset};
use crate::queue::MS;
use crate::reply::Reply;
use protocol::resp::encode;

/// How long it waits for an answer.
const PATIENCE_MS: u64 = 4_000;
/// The most entries of one command.
const ENTRIES_MAX: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It has no connection.
    Apart,
    /// It has dialled this node.
    Dialling(Place),
    /// It thinks.
    Thinking,
    /// It waits for answers.
    Waiting,
}

/// A client.
#[derive(Debug)]
pub struct Client {
    /// Where it is.
    place: Place,
    index: usize,
    chance: Chance,
    state: State,
    conn: Option<ConnId>,
    /// Timers of before are not obeyed.
    timer: u64,
    /// Whom it believes to be the primary.
    believes: Place,
    epoch: u64,
    /// How long its logs are; none while it does not know.
    lens: [Option<u64>; LOGS],
    /// How many answers are to come.
    awaited: usize,
    outgoing: Vec<u8>,
    /// How it ends what it waits for.
    ends: Ends,
    /// It watches this log: a transaction follows.
    watches: Option<usize>,
    /// It only reads, of whatever node.
    is_reader: bool,
    /// The database that it is in when it does nothing in particular.
    home: usize,
    /// The mean time that it thinks, milliseconds.
    think_ms: u64,
    is_over: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Ends {
    Well,
    AsksAgain,
    Leaves,
}

/// What is to be asked.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    asked: Vec<Asked>,
}

impl Batch {
    fn add(&mut self, words: &[&str], asked: Asked) {
        encode::command(
            &mut self.bytes,
            words.iter().map(|word| word.as_bytes()).collect::<Vec<_>>().into_iter(),
        );
        self.asked.push(asked);
    }

    fn say(&mut self, words: &[&str]) {
        self.add(words, Asked::Anything);
    }
}

impl Client {
    /// One at this place, which thinks so long on the average.
    pub fn new(place: Place, index: usize, think_ms: u64, mut chance: Chance) -> Self {
        let home = if chance.one_in(3) { 3 } else { 0 };
        Self {
            place,
            index,
            chance,
            state: State::Apart,
            conn: None,
            timer: 0,
            believes: 0,
            epoch: 0,
            lens: [None; LOGS],
            awaited: 0,
            outgoing: Vec::new(),
            ends: Ends::Well,
            watches: None,
            is_reader: false,
            home,
            think_ms,
            is_over: false,
        }
    }

    /// One that only reads.
    pub fn reader(place: Place, index: usize, think_ms: u64, chance: Chance) -> Self {
        Self { is_reader: true, ..Self::new(place, index, think_ms, chance) }
    }

    /// It hears who is the primary.
    pub fn told(&mut self, primary: Place) {
        self.believes = primary;
    }

    /// It asks no more.
    pub fn end(&mut self, around: &mut Around) {
        self.is_over = true;
        self.leave(around);
    }

    fn wake_in(&mut self, ms: u64, around: &mut Around) {
        self.timer += 1;
        let ns = ms * MS + self.chance.below(MS);
        around.queue.after(ns, Event::Client(self.place, self.timer));
    }

    /// Begins.
    pub fn begin(&mut self, around: &mut Around) {
        let ms = self.chance.below(50);
        self.wake_in(ms, around);
    }

    /// Its time has come. `is_there`: whether a node takes connections: `None` if nothing is heard of it.
    pub fn wake(
        &mut self,
        timer: u64,
        around: &mut Around,
        is_there: impl Fn(&Around, Place) -> Option<bool>,
    ) -> Option<(ConnId, Place)> {
        if timer != self.timer || self.is_over {
            return None;
        }
        match self.state {
            State::Apart => {
                if self.is_reader {
                    self.believes = self.chance.index(self.place - self.index);
                }
                self.state = State::Dialling(self.believes);
                self.wake_in(1, around);
            }
            State::Dialling(node) => match is_there(around, node) {
                Some(true) => {
                    let conn = around.net.connect(self.place, node);
                    around.begin_talk(conn);
                    around.note(self.place, "connects", [node as u64, conn as u64]);
                    self.conn = Some(conn);
                    self.epoch += 1;
                    match self.is_reader {
                        true => self.look(around),
                        false => self.find_out(around),
                    }
                    return Some((conn, node));
                }
                answer => {
                    self.state = State::Apart;
                    let ms = if answer.is_none() { 1_000 } else { 100 + self.chance.below(200) };
                    self.wake_in(ms, around);
                }
            },
            State::Thinking if self.is_reader => self.look(around),
            State::Thinking if self.lens.contains(&None) => self.find_out(around),
            State::Thinking => self.step(around),
            State::Waiting => {
                around.note(self.place, "gives up", [self.awaited as u64, 0]);
                self.leave(around);
            }
        }
        None
    }

    /// Gives its connection up, and comes back.
    fn leave(&mut self, around: &mut Around) {
        if let Some(conn) = self.conn.take() {
            around.net.abort(conn, 0, &mut around.queue);
            around.end_talk(conn);
        }
        (self.state, self.lens, self.watches) = (State::Apart, [None; LOGS], None);
        self.outgoing.clear();
        let ms = 20 + self.chance.below(300);
        self.wake_in(ms, around);
    }

    fn log(&self, which: usize) -> Log {
        Log { client: self.index, which }
    }

    fn send(&mut self, batch: Batch, around: &mut Around) {
        let Some(conn) = self.conn else { return };
        self.awaited = batch.asked.len();
        self.ends = Ends::Well;
        around.ask(conn, batch.asked.into_iter());
        self.outgoing = batch.bytes;
        self.state = State::Waiting;
        self.wake_in(PATIENCE_MS, around);
        self.write(around);
    }

    /// There is room again.
    pub fn write(&mut self, around: &mut Around) {
        let Some(conn) = self.conn.filter(|_| !self.outgoing.is_empty()) else { return };
        match around.net.write(conn, 0, &self.outgoing, &mut around.queue) {
            Ok(len) => drop(self.outgoing.drain(..len)),
            Err(Reset) => self.leave(around),
        }
    }

    /// Whether this is its connection.
    pub fn has(&self, conn: ConnId) -> bool {
        self.conn == Some(conn)
    }

    /// Something came, or an end.
    pub fn read(&mut self, around: &mut Around) {
        let Some(conn) = self.conn else { return };
        let mut bytes = Vec::new();
        let read = around.net.read(conn, 0, usize::MAX, &mut bytes, &mut around.queue);
        while let Some((asked, reply)) = around.hear(conn) {
            self.heard(asked, &reply);
        }
        if matches!(read, Read::End | Read::Reset) || self.ends == Ends::Leaves {
            return self.leave(around);
        }
        if self.state == State::Waiting && self.awaited == 0 {
            self.state = State::Thinking;
            let ms = match self.ends {
                Ends::AsksAgain => {
                    self.lens = [None; LOGS];
                    100 + self.chance.below(300)
                }
                // Time for others to touch what it watches.
                _ if self.watches.is_some() => self.chance.below(1_500),
                _ if self.chance.one_in(4) => 0,
                _ => self.chance.below(2 * self.think_ms),
            };
            self.wake_in(ms, around);
        }
    }

    fn heard(&mut self, asked: Asked, reply: &Reply) {
        self.awaited = self.awaited.saturating_sub(1);
        match (asked, reply) {
            (_, Reply::Error(text)) => {
                let leaves = ["READONLY", "UNBLOCKED", "MASTERDOWN", "NOAUTH"];
                let leaves = leaves.iter().any(|code| text.starts_with(code));
                // A transaction with a refused command, a disk that is full, data that are loaded: it passes.
                let ends = if leaves { Ends::Leaves } else { Ends::AsksAgain };
                self.ends = self.ends.max(ends);
            }
            (Asked::Length(log), Reply::Int(len)) => self.lens[log.which] = Some(*len as u64),
            (Asked::Push(log, len, _), Reply::Int(_))
            | (Asked::Exec(log, len, _), Reply::Array(_)) => self.lens[log.which] = Some(len),
            // Somebody else has touched what it watched: the data were replaced.
            (Asked::Exec(..), _) => self.ends = self.ends.max(Ends::AsksAgain),
            _ => {}
        }
    }

    /// Asks how long its logs are.
    fn find_out(&mut self, around: &mut Around) {
        let mut batch = Batch::default();
        for which in 0..LOGS {
            let log = self.log(which);
            let key = log.keys().next().expect("a log has a list");
            batch.say(&["SELECT", &log.db().to_string()]);
            batch.add(&["LLEN", &key], Asked::Length(log));
        }
        batch.say(&["SELECT", &self.home.to_string()]);
        self.epoch += 1;
        self.send(batch, around);
    }

    /// Watches a log, or looks at the one that it watches; at times it goes elsewhere.
    fn look(&mut self, around: &mut Around) {
        let log = Log { client: 0, which: 0 };
        let key = log.keys().next().expect("a log has a list");
        let mut batch = Batch::default();
        match self.watches.take() {
            Some(_) => {
                batch.say(&["MULTI"]);
                batch.say(&["LLEN", &key]);
                batch.say(&["EXEC"]);
            }
            None if self.chance.one_in(10) => return self.leave(around),
            None => {
                batch.say(&["WATCH", &key]);
                self.watches = Some(log.which);
            }
        }
        self.send(batch, around);
    }

    /// Asks for something.
    fn step(&mut self, around: &mut Around) {
        let mut batch = Batch::default();
        if let Some(which) = self.watches.take() {
            self.append(which, true, &mut batch);
            return self.send(batch, around);
        }
        let long = self.lens.iter().position(|len| len.is_some_and(|len| len > 0));
        if let Some(which) = long.filter(|_| self.chance.one_in(15)) {
            let log = self.log(which);
            let key = log.keys().next().expect("a log has a list");
            batch.say(&["SELECT", &log.db().to_string()]);
            batch.say(&["WATCH", &key]);
            batch.say(&["SELECT", &self.home.to_string()]);
            self.watches = Some(which);
            return self.send(batch, around);
        }
        for _ in 0..self.chance.index(3) {
            self.other(&mut batch);
        }
        let mut logs: Vec<usize> = (0..LOGS).filter(|_| self.chance.one_in(2)).collect();
        if logs.is_empty() {
            logs.push(self.chance.index(LOGS));
        }
        for which in logs {
            self.append(which, false, &mut batch);
            if self.chance.one_in(3) {
                self.other(&mut batch);
            }
        }
        if self.chance.one_in(12) {
            self.wait(&mut batch);
        }
        self.send(batch, around);
    }

    /// Appends to a log, in a transaction if it has to be in one, or watches something, or by chance.
    fn append(&mut self, which: usize, is_watching: bool, batch: &mut Batch) {
        let (log, epoch) = (self.log(which), self.epoch);
        let Some(from) = self.lens[which] else { return };
        let count = 1 + self.chance.index(ENTRIES_MAX) as u64;
        let entries: Vec<String> =
            (from..from + count).map(|number| Entry { log, number, epoch }.to_string()).collect();
        let in_exec = is_watching || which == PAIR || self.chance.one_in(5);
        let len = from + count;
        if log.db() != self.home {
            batch.say(&["SELECT", &log.db().to_string()]);
        }
        if in_exec {
            let key = log.keys().next().expect("a log has a list");
            if !is_watching && self.chance.one_in(2) {
                batch.say(&["WATCH", &key]);
            }
            batch.say(&["MULTI"]);
        }
        for key in log.keys() {
            let mut words = vec!["RPUSH", &key];
            words.extend(entries.iter().map(String::as_str));
            let asked = if in_exec { Asked::Anything } else { Asked::Push(log, len, epoch) };
            batch.add(&words, asked);
        }
        if in_exec {
            batch.add(&["EXEC"], Asked::Exec(log, len, epoch));
        }
        if log.db() != self.home {
            batch.say(&["SELECT", &self.home.to_string()]);
        }
    }

    /// Something that others may touch, too.
    fn other(&mut self, batch: &mut Batch) {
        let (client, number) = (self.index, self.chance.below(12).to_string());
        let own = |kind: &str| format!("{kind}:{client}:{number}");
        let value = self.chance.draw().to_string();
        match self.chance.index(22) {
            0 => batch.say(&["SET", &own("text"), &value]),
            1 => batch.say(&["INCR", &own("count")]),
            2 => {
                let ms = (1 + self.chance.below(3_000)).to_string();
                batch.say(&["SET", &own("short"), &value, "PX", &ms]);
            }
            3 => batch.say(&["HSET", &own("hash"), &number, &value]),
            4 => batch.say(&["ZADD", &own("zset"), &number, &value[..2]]),
            5 => batch.say(&["XADD", &own("stream"), "MAXLEN", "~", "50", "*", "f", &value]),
            6 => batch.say(&["SADD", &own("set"), &value[..2]]),
            7 => batch.say(&["GET", &own("text")]),
            8 => batch.say(&["PUBLISH", "all", &value]),
            9 => batch.say(&["LPUSH", "queue", &value]),
            10 => batch.say(&["DEL", &own("text"), &own("hash"), &own("zset"), &own("set")]),
            11 => batch.say(&["APPEND", &own("long"), &value.repeat(20)]),
            12 => {
                batch.say(&["PEXPIRE", &own("hash"), &(1 + self.chance.below(2_000)).to_string()])
            }
            13 => batch.say(&["SPOP", &own("set")]),
            14 => batch.say(&["GETDEL", &own("long")]),
            15 => batch.say(&["INCRBYFLOAT", &own("float"), "0.25"]),
            16 => batch.say(&["SETRANGE", &own("range"), &number, &value]),
            17 => batch.say(&["HINCRBY", &own("hash"), "n", "3"]),
            18 => batch.say(&["LMOVE", "queue", "done", "LEFT", "RIGHT"]),
            19 => batch.say(&["LTRIM", "done", "-20", "-1"]),
            20 => batch.say(&["ZPOPMIN", &own("zset")]),
            _ => batch.say(&["COPY", &own("text"), &own("copy"), "DB", "5", "REPLACE"]),
        }
    }

    /// Something that lasts: the last of what it asks.
    fn wait(&mut self, batch: &mut Batch) {
        let ms = (1 + self.chance.below(300)).to_string();
        match self.chance.index(4) {
            0 => batch.add(&["WAIT", "1", &ms], Asked::Replicas),
            1 => batch.say(&["BLPOP", "queue", "0.2"]),
            2 => batch.say(&["BLMOVE", "queue", "done", "LEFT", "RIGHT", "0.1"]),
            _ => batch.add(&["WAITAOF", "0", "1", &ms], Asked::Replicas),
        }
    }
}
