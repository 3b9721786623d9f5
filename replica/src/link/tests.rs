//! Transcripts of a link: what comes in, what goes out, cut at every byte. No socket, no clock.

mod attempts;
mod handshakes;
mod snapshots;
mod streams;

use super::*;
use crate::handshake::Introduction;
use crate::intake::{Executed, Refused, Target};
use crate::stream::StreamPoint;
use crate::told::told;
use journal::{Kind, Offset, ReplicationId};
use protocol::resp::{Batch, encode};
use std::io;

const DATABASES: usize = 4;
/// `repl-timeout`.
const TIMEOUT_MS: u64 = 10_000;
const START_MS: u64 = 1_000_000;
/// Where the node stands before it follows anybody.
const OWN_END: u64 = 500;

fn id(byte: u8) -> ReplicationId {
    ReplicationId::from_random([byte; 20])
}

fn at(number: u64) -> Offset {
    Offset::from_wire(number).expect("small")
}

fn command(words: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode::command(&mut bytes, words.iter().map(|word| word.as_bytes()));
    bytes
}

/// A node that keeps account of what is asked of it.
struct Node {
    /// Calls, in order; but for those below.
    calls: Vec<String>,
    /// The end of its journal, and the database there.
    end: Offset,
    db: usize,
    history: ReplicationId,
    has_position: bool,
    credentials: Option<(String, String)>,
    address: Option<String>,
    /// Bytes of the temporary file, if there is one.
    file: Option<Vec<u8>>,
    open_fails: bool,
    /// The file takes so many bytes.
    disk_takes: usize,
    queue_is_full: bool,
    durable: Option<Offset>,
    // What is done in pieces: the sums are compared.
    input: usize,
    executed: Vec<String>,
    /// Bytes journaled, one text for each run of a kind.
    journaled: Vec<(Kind, Vec<u8>)>,
}

impl Node {
    fn new() -> Node {
        Node {
            calls: Vec::new(),
            end: at(OWN_END),
            db: 2,
            history: id(1),
            has_position: true,
            credentials: None,
            address: None,
            file: None,
            open_fails: false,
            disk_takes: usize::MAX,
            queue_is_full: false,
            durable: None,
            input: 0,
            executed: Vec::new(),
            journaled: Vec::new(),
        }
    }

    fn call(&mut self, text: impl Into<String>) {
        self.calls.push(text.into());
    }

    /// What was journaled, whatever it was for.
    fn journal_bytes(&self) -> Vec<u8> {
        self.journaled.iter().flat_map(|(_, bytes)| bytes.clone()).collect()
    }
}

impl Target for Node {
    fn execute(&mut self, _: Offset, bytes: &[u8], batch: &Batch) -> Executed {
        let mut done = Executed::all(batch);
        for (index, request) in batch.requests().iter().enumerate() {
            let args = batch.args(bytes, request);
            let words: Vec<_> = args.iter_from(0).map(String::from_utf8_lossy).collect();
            if words[0] == "UNKNOWN" || words[0] == "TORN" {
                let text = format!("'{}' is not known here", words[0]);
                done.end = Err(Refused { text, torn: words[0] == "TORN" });
                done.count = index;
                return done;
            }
            self.executed.push(words.join(" "));
        }
        done
    }

    fn journal(&mut self, kind: Kind, bytes: &[u8]) {
        self.end = self.end.after(bytes.len() as u64);
        match self.journaled.last_mut() {
            Some((last, run)) if *last == kind => run.extend_from_slice(bytes),
            _ => self.journaled.push((kind, bytes.to_vec())),
        }
    }

    fn end_batch(&mut self, db: Option<usize>) {
        self.db = db.unwrap_or(self.db);
    }
}

impl Follower for Node {
    /// The database that the stream stands in.
    type Loaded = usize;

    fn timeout_ms(&self) -> u64 {
        TIMEOUT_MS
    }

    fn introduction(&self) -> Introduction {
        Introduction {
            listening_port: 6380,
            address: self.address.clone(),
            credentials: self.credentials.clone(),
            position: self.has_position.then_some((self.history, self.end)),
        }
    }

    fn entered(&mut self, stage: Stage) {
        self.call(format!("entered {stage:?}"));
    }

    fn note_input(&mut self, bytes: usize) {
        self.input += bytes;
    }

    fn begin_file(&mut self) -> io::Result<()> {
        assert!(self.file.is_none(), "one snapshot at a time");
        if self.open_fails {
            return Err(io::Error::other("no room"));
        }
        self.call("begin_file");
        self.file = Some(Vec::new());
        Ok(())
    }

    fn append_file(&mut self, bytes: &[u8]) -> io::Result<()> {
        let file = self.file.as_mut().expect("it was begun");
        assert!(!bytes.is_empty(), "not for nothing");
        if file.len() + bytes.len() > self.disk_takes {
            return Err(io::Error::other("disk is full"));
        }
        file.extend_from_slice(bytes);
        Ok(())
    }

    fn drop_file(&mut self) {
        let file = self.file.take().expect("it is dropped once");
        self.call(format!("drop_file of {} bytes", file.len()));
    }

    fn kill_saving_child(&mut self) {
        self.call("kill_saving_child");
    }

    fn adopt(&mut self, db: usize, id: ReplicationId, offset: Offset) {
        self.call(format!("adopt at {offset} in {db}"));
        (self.history, self.end, self.db, self.has_position) = (id, offset, db, true);
    }

    fn continue_history(&mut self, id: Option<ReplicationId>) {
        self.call(match id {
            Some(id) => format!("continue_history as {id}"),
            None => "continue_history".to_string(),
        });
        self.history = id.unwrap_or(self.history);
    }

    fn leave_history(&mut self) {
        self.call("leave_history");
    }

    fn enter_stream(&mut self) -> StreamPoint {
        self.call("enter_stream");
        StreamPoint::at(self.end, self.db, DATABASES)
    }

    fn stream_end(&self) -> (Offset, usize) {
        (self.end, self.db)
    }

    fn leave_stream(&mut self) {
        self.call("leave_stream");
    }

    fn stream_waits(&self) -> bool {
        self.queue_is_full
    }

    fn durable_offset(&self) -> Option<Offset> {
        self.durable
    }

    fn synced(&mut self, how: &'static str) {
        self.call(format!("synced: {how}"));
    }
}

/// What happens next in a transcript.
#[derive(Clone, Debug)]
enum Move {
    /// The timer rings when it is due.
    Timer,
    /// So much time passes; the timer rings whenever it is due.
    Wait(u64),
    /// The primary says something: to be cut anywhere.
    Says(Vec<u8>),
    Connected,
    DialFailed,
    Closed,
    Killed,
    SendFailed,
    Stuck,
    Drained,
    Synced(bool),
    /// Good, and standing in this database; or bad.
    Loaded(Option<usize>),
    Replaced(bool),
    /// The append queue is full, or not.
    Full(bool),
    Stop,
}
use Move::*;

fn says(text: &str) -> Move {
    Says(text.as_bytes().to_vec())
}

/// How the bytes of a transcript are cut.
#[derive(Clone, Copy, Debug)]
enum Cut {
    Nowhere,
    /// Once, at this byte of all.
    At(usize),
    /// Into pieces of this many bytes.
    Every(usize),
}

/// A link, its node, and what there is between them.
struct Play {
    link: Link<usize>,
    node: Node,
    now_ms: u64,
    buffer: Vec<u8>,
    /// The attempt that the driver knows.
    attempt: Option<Attempt>,
    is_open: bool,
    said: usize,
}

impl Play {
    fn new(node: Node) -> Play {
        Play {
            link: Link::new("primary", 6379, 7, START_MS),
            node,
            now_ms: START_MS,
            buffer: Vec::new(),
            attempt: None,
            is_open: false,
            said: 0,
        }
    }

    /// Lets the machine do something; what comes out goes among the node's calls, and is looked at.
    fn turn(&mut self, act: impl FnOnce(&mut Link<usize>, &mut Vec<u8>, &mut Turn<'_, Node>)) {
        let mut actions = Vec::new();
        let (node, now_ms) = (&mut self.node, self.now_ms);
        let mut turn = Turn { follower: node, now_ms, actions: &mut actions };
        act(&mut self.link, &mut self.buffer, &mut turn);
        for action in actions {
            match action {
                Action::Dial(attempt) => {
                    assert!(self.attempt < Some(attempt) && !self.is_open, "one at a time");
                    (self.attempt, self.is_open) = (Some(attempt), true);
                    self.buffer.clear();
                    self.node.call("dial");
                }
                Action::Send(attempt, bytes) => {
                    assert!(self.attempt == Some(attempt) && self.is_open);
                    self.node.call(format!("send {}", spoken(&bytes)));
                }
                Action::Close(attempt) => {
                    assert!(self.attempt == Some(attempt) && self.is_open, "closed once");
                    self.is_open = false;
                    self.buffer.clear();
                    self.node.call("close");
                }
                Action::Start(attempt, job) => {
                    assert!(self.attempt == Some(attempt) && self.is_open);
                    self.node.call(format!("start {job:?}"));
                }
            }
        }
        let due = self.link.next_timer_ms();
        assert!(due.is_some() || self.link.stage() == Stage::Connect);
    }

    fn event(&mut self, event: Event<usize>) {
        let Some(attempt) = self.attempt else { return };
        self.turn(|link, _, turn| link.happened(attempt, event, turn));
        // What is left is looked at again.
        self.bytes(&[]);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        let Some(attempt) = self.attempt else { return };
        self.buffer.extend_from_slice(bytes);
        if !self.buffer.is_empty() {
            self.turn(|link, buffer, turn| link.bytes(attempt, buffer, turn));
        }
    }

    fn timer(&mut self) {
        self.turn(|link, _, turn| link.timer(turn));
    }

    /// Plays one move; returns whether it was played to its end.
    fn play(&mut self, next: &Move, cut: Cut) {
        let failed = || "planted".to_string();
        let result = |good: bool| if good { Ok(()) } else { Err(failed()) };
        match next {
            Timer => {
                self.now_ms = self.link.next_timer_ms().expect("a timer is due").max(self.now_ms);
                self.timer();
            }
            Wait(ms) => {
                let until = self.now_ms + ms;
                while let Some(due) = self.link.next_timer_ms().filter(|due| *due <= until) {
                    self.now_ms = due.max(self.now_ms);
                    self.timer();
                }
                self.now_ms = until;
            }
            Says(bytes) => {
                let pieces: Vec<&[u8]> = match cut {
                    Cut::Nowhere => vec![bytes],
                    Cut::Every(size) => bytes.chunks(size).collect(),
                    Cut::At(at) => {
                        let at = at.saturating_sub(self.said).min(bytes.len());
                        vec![&bytes[..at], &bytes[at..]]
                    }
                };
                self.said += bytes.len();
                let attempt = self.attempt;
                for piece in pieces.into_iter().filter(|piece| !piece.is_empty()) {
                    // What comes for an attempt that has ended meanwhile does not come any more.
                    if self.is_open && self.attempt == attempt {
                        self.bytes(piece);
                    }
                }
            }
            Connected => self.event(Event::Connected),
            DialFailed => self.event(Event::DialFailed(failed())),
            Closed => self.event(Event::Closed),
            Killed => self.event(Event::Killed),
            SendFailed => self.event(Event::SendFailed(failed())),
            Stuck => self.event(Event::Stuck),
            Drained => self.event(Event::Drained),
            Synced(good) => self.event(Event::Synced(result(*good))),
            Loaded(db) => self.event(Event::Loaded(db.ok_or_else(failed))),
            Replaced(good) => self.event(Event::Replaced(result(*good))),
            Full(full) => self.node.queue_is_full = *full,
            Stop => self.turn(|link, _, turn| link.stop(turn)),
        }
    }

    fn play_all(&mut self, moves: &[Move], cut: Cut) -> Vec<String> {
        told(|| moves.iter().for_each(|next| self.play(next, cut))).1
    }

    fn reason(&self) -> &str {
        self.link.figures().reason.as_deref().unwrap_or_default()
    }

    fn read_size(&self) -> usize {
        self.link.read_size(self.buffer.len(), &self.node)
    }
}

/// Bytes that go to the primary, as text.
fn spoken(bytes: &[u8]) -> String {
    let text = String::from_utf8(bytes.to_vec()).expect("commands are text");
    if text == "\n" {
        return "a newline".to_string();
    }
    let mut commands = Vec::new();
    let mut lines = text.split_terminator("\r\n");
    while let Some(count) = lines.next().and_then(|line| line.strip_prefix('*')) {
        let count: usize = count.parse().expect("a count");
        let words: Vec<&str> = lines.by_ref().take(2 * count).skip(1).step_by(2).collect();
        commands.push(words.join(" "));
    }
    commands.join(", ")
}

/// All that can be told two runs apart by, but for the pieces in which it was done.
fn record(play: &Play, lines: &[String]) -> String {
    format!(
        "calls {:#?}\nlog {lines:#?}\nexecuted {:?}\njournaled {:?}\ninput {} end {} db {}\n{:#?} {:?}",
        play.node.calls,
        play.node.executed,
        play.node.journaled,
        play.node.input,
        play.node.end,
        play.node.db,
        play.link.figures(),
        play.link.stage(),
    )
}

/// Plays a transcript whole, then cut in all ways: always the same is done. Returns the run that was not cut, and its log.
#[track_caller]
fn transcript(make: fn() -> Node, moves: &[Move]) -> (Play, Vec<String>) {
    let run = |cut| {
        let mut play = Play::new(make());
        let lines = play.play_all(moves, cut);
        (play, lines)
    };
    let (whole, lines) = run(Cut::Nowhere);
    let expected = record(&whole, &lines);
    let cuts = (1..whole.said).map(Cut::At).chain([1, 2, 3, 7].map(Cut::Every));
    for cut in cuts {
        let (play, lines) = run(cut);
        assert_eq!(record(&play, &lines), expected, "cut {cut:?}");
    }
    (whole, lines)
}

/// An attempt up to the question for the stream, of a node that has no password.
fn asking() -> Vec<Move> {
    vec![Timer, Connected, says("+PONG\r\n"), says("+OK\r\n+OK\r\n")]
}

/// One that goes on where it was.
fn going_on() -> Vec<Move> {
    [asking(), vec![says("+CONTINUE\r\n")]].concat()
}

/// One that gets a snapshot: of `id(2)` at 900, standing in database 3.
fn full_sync(snapshot: &str) -> Vec<Move> {
    let answer = format!("+FULLRESYNC {} 900\r\n", id(2));
    let jobs = vec![says(snapshot), Synced(true), Loaded(Some(3)), Replaced(true)];
    [asking(), vec![says(&answer)], jobs].concat()
}
