//! A server for tests: an engine with one client, whose requests are lines and whose replies are text, and a host that
//! keeps the journal.
//!
//! ```text
//! :1 → 1     $1 a → a     *2 → [a b]     +OK → +OK     -ERR … → -ERR …     $-1 → nil     *-1 → nil[]
//! ,1.5 → ,1.5     ~2 → ~[a b]     %1 → %[a b]     _ → _
//! ```

use crate::context::{Class, Context, Done};
use crate::host::{Answers, Conversation, EntryKind, Host, HostCall, LogLevel, Receipt};
use crate::refusal::Refusal;
use crate::refused::Refusals;
use crate::session::{Peer, Session};
use crate::{Engine, digest};
use protocol::resp::request::{OwnedArgs, split_inline};
use protocol::resp::{Args, Batch};
use std::collections::VecDeque;

/// A host that keeps journaled units and can do nothing else.
#[derive(Default)]
pub(crate) struct Recorder {
    units: Vec<((usize, usize), Vec<u8>)>,
    excess: u64,
    /// The time of its clock, and by how much each look at it puts it forward.
    ns: u64,
    ns_per_look: u64,
    last_kind: Option<EntryKind>,
    kinds: Vec<EntryKind>,
    /// What other servers will answer, and what they were asked.
    answers: VecDeque<Answers>,
    asked: Vec<u8>,
    logged: Vec<String>,
    /// Secrets that were given out.
    secrets: u8,
    /// Slots of clients that were disconnected.
    pub(crate) closed: Vec<usize>,
}

impl Host for Recorder {
    fn journal(&mut self, dbs: (usize, usize), kind: EntryKind, unit: &[u8]) -> Receipt {
        self.last_kind = Some(kind);
        self.kinds.push(kind);
        self.units.push((dbs, unit.to_vec()));
        Receipt::default()
    }

    fn ticks_ns(&mut self) -> u64 {
        self.ns += self.ns_per_look;
        self.ns
    }

    fn excess_bytes(&mut self) -> u64 {
        std::mem::take(&mut self.excess)
    }

    fn log(&mut self, level: LogLevel, text: &str) {
        self.logged.push(format!("{level:?} {text}"));
    }

    fn converse(&mut self, conversation: &Conversation<'_>) -> Answers {
        self.asked = conversation.requests.to_vec();
        self.answers.pop_front().unwrap_or_else(|| Answers {
            answers: vec![Ok(()); conversation.count],
            interruption: None,
        })
    }

    fn secret(&mut self) -> [u8; 20] {
        self.secrets += 1;
        [self.secrets; 20]
    }

    fn describe(&self, session: &Session, _: i64) -> String {
        format!("id={} cmd={}", session.id, session.last_command.map_or("NULL", |spec| spec.name))
    }

    fn disconnect(&mut self, engine: &mut Engine, slot: usize) {
        engine.withdraw(slot);
        self.closed.push(slot);
    }

    fn perform(
        &mut self,
        call: HostCall,
        _: &mut Context<'_>,
        _: Args<'_>,
    ) -> Result<Done, Refusal> {
        Err(Refusal::new(format!("ERR {call:?} is not for tests")))
    }
}

/// The same for who needs a host and no server.
pub(crate) type Nobody = Recorder;

/// An engine with one client.
pub(crate) struct Server {
    pub engine: Engine,
    recorder: Recorder,
    slot: usize,
}

impl Server {
    /// With empty databases, its journal being read.
    pub fn new() -> Server {
        let mut engine = Engine::new(16, 42);
        engine.nobody_reads = false;
        engine.now_ms = 1_700_000_000_000;
        let slot = engine.connect();
        Server { engine, recorder: Recorder::default(), slot }
    }

    /// The client's session.
    pub fn session(&mut self) -> &mut crate::Session {
        self.engine.session_mut(self.slot).expect("in its slot")
    }

    /// Changes the version of the protocol.
    pub fn resp3(&mut self, on: bool) {
        self.session().resp3 = on;
    }

    /// Executes a line and gives the reply as text.
    pub fn run(&mut self, line: &str) -> String {
        let mut buffer = line.as_bytes().to_vec();
        let mut spans = Vec::new();
        let len = buffer.len();
        split_inline(&mut buffer, 0, len, &mut spans).expect("quotes are balanced");
        let args = Args::new(&buffer, &spans);
        self.execute(args)
    }

    /// Executes a request and gives the reply as text.
    pub fn execute(&mut self, args: Args<'_>) -> String {
        let mut session = self.engine.take_session(self.slot);
        let mut out = Vec::new();
        self.engine.execute_one(&mut self.recorder, &mut session, args, &mut out);
        self.engine.return_session(session);
        let (mut text, mut rest) = (String::new(), &out[..]);
        if rest.is_empty() {
            return text;
        }
        show(&mut rest, &mut text);
        // Behind the reply: messages that the command itself gave rise to.
        let session = self.engine.session_mut(self.slot).expect("in its slot");
        session.outbox.extend_from_slice(rest);
        text
    }

    /// Slots of clients that were disconnected since the last call.
    pub fn closed(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.recorder.closed)
    }

    /// Each look at the clock takes so many nanoseconds.
    pub fn slow_clock(&mut self, ns: u64) {
        self.recorder.ns_per_look = ns;
    }

    /// So many bytes are in use too many, until the next command has made room.
    pub fn excess(&mut self, bytes: u64) {
        self.recorder.excess = bytes;
    }

    /// What the next server that is asked will answer; others take everything.
    pub fn will_answer(&mut self, answers: Answers) {
        self.recorder.answers.push_back(answers);
    }

    /// What another server was asked last, encoded.
    pub fn asked(&self) -> &[u8] {
        &self.recorder.asked
    }

    /// Goes on with a round of eviction, as the host's timer does.
    pub fn make_room(&mut self) {
        self.engine.make_room(&mut self.recorder);
    }

    /// How the last journaled unit travels.
    pub fn last_kind(&self) -> Option<EntryKind> {
        self.recorder.last_kind
    }

    /// Another client.
    pub fn join(&mut self) -> usize {
        self.engine.connect()
    }

    /// Executes a line as another client and gives the reply as text: nothing if it waits.
    pub fn run_as(&mut self, slot: usize, line: &str) -> String {
        let own = std::mem::replace(&mut self.slot, slot);
        let reply = self.run(line);
        self.slot = own;
        reply
    }

    /// What a client was sent beside the replies to its requests.
    pub fn sent_to(&mut self, slot: usize) -> String {
        let session = self.engine.session_mut(slot).expect("in its slot");
        let bytes = session.outbox.take();
        let mut rest = &bytes[..];
        let mut texts = Vec::new();
        while !rest.is_empty() {
            let mut text = String::new();
            show(&mut rest, &mut text);
            texts.push(text);
        }
        texts.join("; ")
    }

    /// Goes on with a script that has paused. Returns whether it has paused again.
    pub fn go_on(&mut self) -> bool {
        self.engine.go_on_with_script(&mut self.recorder)
    }

    /// A client is gone.
    pub fn leave(&mut self, slot: usize) {
        self.engine.disconnect(slot);
    }

    /// Lines of the log since the last call.
    pub fn logged(&mut self) -> Vec<String> {
        std::mem::take(&mut self.recorder.logged)
    }

    /// How the journaled units travelled since the last call to [`Server::journal`].
    pub fn kinds(&self) -> &[EntryKind] {
        &self.recorder.kinds
    }

    /// Removes what has expired, as the host's timer has it done.
    pub fn sweep(&mut self) {
        while self.engine.sweep(&mut self.recorder) {}
    }

    /// Executes a line that is to succeed.
    pub fn ok(&mut self, line: &str) {
        let reply = self.run(line);
        assert!(!is_error(&reply), "{line}: {reply}");
    }

    /// What was journaled since the last call: units by `; `, commands of a unit by ` | `.
    pub fn journal(&mut self) -> String {
        self.recorder.kinds.clear();
        let units = std::mem::take(&mut self.recorder.units);
        let texts = units.iter().map(|(_, unit)| {
            let lines = commands(unit).into_iter().map(|args| {
                let args = args.args();
                let words: Vec<_> = args.iter_from(0).map(String::from_utf8_lossy).collect();
                words.join(" ")
            });
            lines.collect::<Vec<_>>().join(" | ")
        });
        texts.collect::<Vec<_>>().join("; ")
    }

    /// Executes what another server journaled, as its replica would.
    pub fn replay(&mut self, from: &mut Server) {
        for (dbs, unit) in std::mem::take(&mut from.recorder.units) {
            self.session().db = dbs.0;
            self.replay_unit(&unit);
        }
    }

    /// The same for one unit.
    pub fn replay_unit(&mut self, unit: &[u8]) {
        self.session().peer = Peer::Primary;
        for args in commands(unit) {
            let reply = self.execute(args.args());
            assert!(!is_error(&reply), "{reply}");
        }
        self.session().peer = Peer::Client;
    }

    /// Executes lines in one batch, as our primary or a file says them. Gives how many were executed, and what was refused.
    pub fn feed(&mut self, peer: Peer, halts: bool, lines: &[&str]) -> (usize, Refusals) {
        let mut buffer = Vec::new();
        let mut batch = Batch::default();
        for line in lines {
            let mut words = line.as_bytes().to_vec();
            let (mut spans, len) = (Vec::new(), words.len());
            split_inline(&mut words, 0, len, &mut spans).expect("quotes are balanced");
            let at = buffer.len();
            buffer.extend_from_slice(&words);
            let places = spans.iter().map(|span| {
                let start = at + span.start as usize;
                (start, start + span.len as usize)
            });
            batch.push(at, buffer.len(), places);
        }
        let mut session = self.engine.take_session(self.slot);
        (session.peer, session.halts) = (peer, halts);
        let (host, mut out) = (&mut self.recorder, Vec::new());
        let done = self.engine.execute_batch(host, &mut session, &buffer, &batch, 0, &mut out).0;
        (session.peer, session.halts) = (Peer::Client, false);
        self.engine.return_session(session);
        (done, self.engine.take_refused())
    }

    /// Does something while the client is our primary.
    pub fn as_primary(&mut self, act: impl FnOnce(&mut Server)) {
        self.engine.session_mut(self.slot).expect("in its slot").peer = Peer::Primary;
        act(self);
        self.engine.session_mut(self.slot).expect("in its slot").peer = Peer::Client;
    }

    /// The digest of the data; checks all databases on the way.
    pub fn digest(&self) -> String {
        self.engine.dbs.iter().for_each(keyspace::db::Db::check);
        digest::hex(&digest::of_all(&self.engine.dbs))
    }

    /// Publishes all keyspace events but those of new and missed keys, and begins to listen.
    pub fn listen(&mut self) {
        self.listen_for(!(1 << Class::KeyMiss as u32 | 1 << Class::New as u32));
    }

    /// Publishes events of some classes, and begins to listen.
    pub fn listen_for(&mut self, classes: u32) {
        self.resp3(true);
        self.engine.events.by_event = true;
        self.engine.events.classes = classes;
        self.ok("PSUBSCRIBE __keyevent*");
        self.events();
    }

    /// The events since the last call: `lpush:key del:key`.
    pub fn events(&mut self) -> String {
        let outbox = self.engine.session_mut(self.slot).expect("in its slot").outbox.take();
        let mut rest = &outbox[..];
        let mut events = Vec::new();
        while !rest.is_empty() {
            let mut text = String::new();
            show(&mut rest, &mut text);
            if let Some(message) = text.strip_prefix(">[pmessage __keyevent* __keyevent@0__:") {
                events.push(message.trim_end_matches(']').replace(' ', ":"));
            }
        }
        events.join(" ")
    }
}

/// The error of a command for another type.
pub(crate) const WRONG_TYPE: &str =
    "-WRONGTYPE Operation against a key holding the wrong kind of value";

/// A server on which some lines were executed.
pub(crate) fn with(lines: &[&str]) -> Server {
    let mut server = Server::new();
    lines.iter().for_each(|line| server.ok(line));
    server.journal();
    server.engine.dirty = 0;
    server
}

/// Executes lines and compares their replies.
pub(crate) fn expect(server: &mut Server, cases: &[(&str, &str)]) {
    for (line, reply) in cases {
        assert_eq!(&server.run(line), reply, "{line}");
    }
}

/// The elements of an array, in order.
pub(crate) fn sorted(reply: &str) -> String {
    let inside = reply.trim_start_matches(['~', '%', '[']).trim_end_matches(']');
    let mut words: Vec<&str> = inside.split(' ').collect();
    words.sort_unstable();
    words.join(" ")
}

/// Whether a reply is an error: those begin with a word in capitals, negative numbers do not.
fn is_error(reply: &str) -> bool {
    reply.strip_prefix('-').is_some_and(|text| text.starts_with(|c: char| c.is_ascii_uppercase()))
}

/// The commands of a unit.
fn commands(mut unit: &[u8]) -> Vec<OwnedArgs> {
    let mut all = Vec::new();
    while !unit.is_empty() {
        let (_, count) = header(&mut unit);
        let mut args = OwnedArgs::default();
        for _ in 0..count.parse().expect("a count") {
            let (_, len) = header(&mut unit);
            args.push(bulk(&mut unit, len.parse().expect("a length")));
        }
        all.push(args);
    }
    all
}

fn header<'a>(rest: &mut &'a [u8]) -> (u8, &'a str) {
    let end = rest.windows(2).position(|pair| pair == b"\r\n").expect("a line");
    let line = std::str::from_utf8(&rest[1..end]).expect("text");
    let kind = rest[0];
    *rest = &rest[end + 2..];
    (kind, line)
}

fn bulk<'a>(rest: &mut &'a [u8], len: usize) -> &'a [u8] {
    let bytes = &rest[..len];
    assert_eq!(&rest[len..len + 2], b"\r\n");
    *rest = &rest[len + 2..];
    bytes
}

fn show(rest: &mut &[u8], text: &mut String) {
    let (kind, line) = header(rest);
    match (kind, line) {
        (b'$', "-1") => text.push_str("nil"),
        (b'*', "-1") => text.push_str("nil[]"),
        (b'_', _) => text.push('_'),
        (b':', line) => text.push_str(line),
        (b'$', len) => {
            let bytes = bulk(rest, len.parse().expect("a length"));
            text.push_str(&String::from_utf8_lossy(bytes));
        }
        (b'*' | b'~' | b'%' | b'>', len) => {
            let len: usize = len.parse().expect("a length");
            if kind != b'*' {
                text.push(kind as char);
            }
            text.push('[');
            for index in 0..if kind == b'%' { len * 2 } else { len } {
                if index > 0 {
                    text.push(' ');
                }
                show(rest, text);
            }
            text.push(']');
        }
        (kind, line) => {
            text.push(kind as char);
            text.push_str(line);
        }
    }
}
