//! What a primary keeps of one replica: how far it has come, what is on its way to it, when to give it up.
//!
//! ```text
//! REPLCONF…     PSYNC            snapshot starts        all sent        ACK
//! Preparing ──► Waiting ───────► Bulk ────────────────► AwaitAck ─────► Online
//!     │                            └── by file, or to SYNC ──────────────▲
//!     └── can go on where it was ────────────────────────────────────────┘
//! ```
//!
//! # Invariants
//! - a replica in `Bulk`, `AwaitAck` or `Online` has a cursor, and only such a one
//! - a state in which we wait for the replica is left within `repl-timeout`: it goes on, or is given up
//!
//! # Not here
//! - sockets, forks and clocks: the server. All times are milliseconds of a clock that never goes back

use crate::capability::Capabilities;
use bytes::Bytes;
use journal::planted::{self, Fault};
use journal::release::Acknowledged;
use journal::{CursorId, Journal, Offset, Piece};
use std::collections::VecDeque;

/// Bytes of journal handed to a connection at a time.
const STREAM_BYTES: usize = 1024 * 1024;
/// What a replica has to take of a snapshot within `repl-timeout`, in bytes, unless there is less: else it does not
/// really read, and the child, other replicas and the next BGSAVE wait for it.
pub const PROGRESS_LEAST: u64 = 64 * 1024;

/// The most that a client which writes is slowed at a time for the sake of a replica, milliseconds.
pub const PRESSURE_MOST_MS: u64 = 1000;
/// A replica that has taken nothing for so long does not move, milliseconds: nobody waits for it.
const STANDS_STILL_MS: u64 = 2000;

/// When writers are slowed for the sake of a replica.
#[derive(Clone, Copy, Debug)]
pub struct Pressure {
    /// From so many pending bytes on. What the backlog holds in any case costs nothing and is no reason.
    pub start: u64,
    /// With so many the replica is given up.
    pub limit: u64,
}

/// Time in which what writers were slowed is counted, milliseconds.
const PATIENCE_WINDOW_MS: u64 = 60_000;

/// How much longer writers may be slowed, for the sake of all replicas together: one that comes again and again takes from the
/// same purse.
#[derive(Clone, Copy, Debug, Default)]
pub struct Patience {
    window_ms: u64,
    spent_ms: u64,
    /// When writers were last slowed.
    slowed_at_ms: Option<u64>,
}

impl Patience {
    /// What is left of a delay of `wanted_ms`, if writers may be slowed for `longest_ms` of any minute. To be called often.
    pub fn allow(&mut self, wanted_ms: u64, longest_ms: u64, now_ms: u64) -> u64 {
        if now_ms.saturating_sub(self.window_ms) >= PATIENCE_WINDOW_MS {
            (self.window_ms, self.spent_ms) = (now_ms, 0);
        }
        if let Some(at) = self.slowed_at_ms.take() {
            self.spent_ms += now_ms.saturating_sub(at);
        }
        if wanted_ms == 0 || self.spent_ms >= longest_ms {
            return 0;
        }
        self.slowed_at_ms = Some(now_ms);
        wanted_ms
    }
}

/// How far a replica has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It introduces itself.
    Preparing,
    /// It waits for a snapshot to begin.
    Waiting {
        /// Since when.
        since_ms: u64,
    },
    /// It gets the snapshot of this number.
    Bulk {
        /// The full sync's number.
        sync: u64,
    },
    /// It has the snapshot, and has not said yet that it loaded it.
    AwaitAck,
    /// It gets the stream.
    Online,
}

/// Why a replica is given up. As text: what the log says, in Redis's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Overdue {
    /// It does not take the snapshot.
    #[error("full sync")]
    Snapshot,
    /// It has the snapshot and says nothing.
    #[error("after full sync")]
    Loading,
    /// It says nothing, or does not take the stream.
    #[error("streaming sync")]
    Stream,
}

/// What a connection is to send next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// These bytes.
    Bytes,
    /// Nothing for now.
    Nothing,
    /// Nothing any more: it has what it came for.
    Close,
}

/// One replica, as its primary sees it.
pub struct Feed {
    /// What it said of itself.
    pub known: Capabilities,
    /// The address it connected from.
    pub peer_address: String,
    /// It used SYNC: it gets no `+FULLRESYNC` and sends no acknowledgements.
    pub old: bool,
    state: State,
    acked: Offset,
    durable: Option<Offset>,
    heard_ms: u64,
    cursor: Option<CursorId>,
    queue: VecDeque<Bytes>,
    queued_bytes: usize,
    /// Bytes that its connection has taken and not sent yet: they are no longer the journal's.
    unsent_bytes: usize,
    /// The snapshot's header is in the queue, or was: what is sent now is part of the snapshot.
    begun: bool,
    /// The whole snapshot is in the queue.
    complete: bool,
    /// The stream may begin right behind the snapshot.
    streams_at_once: bool,
    /// When it had last taken enough, or all that there was.
    moved_ms: u64,
    /// Bytes that it took since.
    moved_bytes: u64,
    /// When it last took anything at all.
    sent_ms: Option<u64>,
}

impl Feed {
    /// A replica that begins to introduce itself.
    pub fn new(peer_address: String, now_ms: u64) -> Feed {
        Feed {
            known: Capabilities::default(),
            peer_address,
            old: false,
            state: State::Preparing,
            acked: Offset::START,
            durable: None,
            heard_ms: now_ms,
            cursor: None,
            queue: VecDeque::new(),
            queued_bytes: 0,
            unsent_bytes: 0,
            begun: false,
            complete: false,
            streams_at_once: false,
            moved_ms: now_ms,
            moved_bytes: 0,
            sent_ms: None,
        }
    }

    // --- what it is ---

    /// How far it has come.
    pub fn state(&self) -> State {
        self.state
    }

    /// It has applied up to here.
    pub fn acked(&self) -> Offset {
        self.acked
    }

    /// What it has, for those who wait for it.
    pub fn acknowledged(&self) -> Acknowledged {
        Acknowledged { applied: self.acked, durable: self.durable }
    }

    /// How long it has said nothing, milliseconds.
    pub fn silent_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.heard_ms)
    }

    /// Whether the stream reaches it.
    pub fn is_online(&self) -> bool {
        self.state == State::Online
    }

    /// Whether it is a replica at all: it asked for data.
    pub fn is_shown(&self) -> bool {
        self.state != State::Preparing
    }

    /// Whether what is journaled now will reach it.
    pub fn is_fed(&self) -> bool {
        self.cursor.is_some()
    }

    /// Whether it waits for the first byte of a snapshot, where a newline tells it that we are there.
    pub fn may_get_newlines(&self) -> bool {
        match self.state {
            State::Waiting { .. } => true,
            State::Bulk { .. } => self.streams_at_once && !self.begun,
            _ => false,
        }
    }

    /// The address to show, and the port it listens on.
    pub fn address(&self) -> (&str, u16) {
        let own = self.known.address.as_str();
        (if own.is_empty() { &self.peer_address } else { own }, self.known.listening_port)
    }

    /// `address:port`, for log lines.
    pub fn name(&self) -> String {
        let (address, port) = self.address();
        format!("{address}:{port}")
    }

    /// The state's name in INFO.
    pub fn state_name(&self) -> &'static str {
        match self.state {
            State::Preparing | State::Waiting { .. } => "wait_bgsave",
            State::Bulk { .. } | State::AwaitAck => "send_bulk",
            State::Online => "online",
        }
    }

    /// Bytes of memory that it takes beyond what the journal holds.
    pub fn held_bytes(&self) -> usize {
        self.queued_bytes + self.unsent_bytes
    }

    /// Bytes of the snapshot that wait for it.
    pub fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// Bytes of the stream that it has not been sent, from the start of its snapshot on: what
    /// `client-output-buffer-limit replica` bounds. The snapshot itself has a bound of its own: the child waits.
    pub fn pending_bytes(&self, journal: &Journal) -> u64 {
        let unsent = if self.is_online() { self.unsent_bytes as u64 } else { 0 };
        unsent + self.cursor.map_or(0, |cursor| journal.behind(cursor))
    }

    // --- what happens to it ---

    /// It asks for data.
    pub fn ask(&mut self, old: bool, now_ms: u64) {
        self.old = old;
        self.heard_ms = now_ms;
    }

    /// It goes on behind `from`.
    pub fn go_on(&mut self, cursor: CursorId, from: Offset, now_ms: u64) {
        assert!(self.cursor.is_none(), "a replica has one cursor");
        self.cursor = Some(cursor);
        self.acked = from;
        self.enter(State::Online, now_ms);
    }

    /// It has to start over, as soon as there is a snapshot.
    pub fn wait(&mut self, now_ms: u64) {
        assert!(self.cursor.is_none(), "who waits is not fed");
        self.enter(State::Waiting { since_ms: now_ms }, now_ms);
    }

    /// The snapshot of this number begins; the stream from `cursor` on belongs behind it.
    pub fn begin(&mut self, sync: u64, cursor: CursorId, streams_at_once: bool, now_ms: u64) {
        assert!(matches!(self.state, State::Waiting { .. }), "it was waiting");
        self.cursor = Some(cursor);
        self.streams_at_once = streams_at_once || self.old;
        self.enter(State::Bulk { sync }, now_ms);
    }

    /// A piece of the snapshot is there for it.
    pub fn queue(&mut self, bytes: Bytes, now_ms: u64) {
        assert!(matches!(self.state, State::Bulk { .. }), "a snapshot is sent in Bulk only");
        assert!(!self.complete, "nothing follows the end of a snapshot");
        if self.held_bytes() == 0 {
            // It had taken all.
            self.moved(now_ms);
        }
        self.begun = true;
        self.queued_bytes += bytes.len();
        self.queue.push_back(bytes);
    }

    /// The whole snapshot is in its queue.
    pub fn complete(&mut self) {
        assert!(matches!(self.state, State::Bulk { .. }), "a snapshot ends in Bulk only");
        self.complete = true;
    }

    /// It acknowledges `acked`, and perhaps what it has on disk. True if the stream begins with that.
    pub fn acknowledge(&mut self, acked: Offset, durable: Option<Offset>, now_ms: u64) -> bool {
        self.heard_ms = now_ms;
        self.acked = self.acked.max(acked);
        self.durable = durable.or(self.durable);
        let begins = self.state == State::AwaitAck;
        if begins {
            self.enter(State::Online, now_ms);
        }
        begins
    }

    /// It said anything at all: a newline while it loads.
    pub fn hear(&mut self, now_ms: u64) {
        self.heard_ms = now_ms;
    }

    /// Its connection has sent so many bytes.
    pub fn sent(&mut self, bytes: usize, now_ms: u64) {
        self.unsent_bytes = self.unsent_bytes.saturating_sub(bytes);
        self.sent_ms = Some(now_ms);
        self.moved_bytes += bytes as u64;
        if self.moved_bytes >= PROGRESS_LEAST || self.held_bytes() == 0 {
            self.moved(now_ms);
        }
    }

    /// Puts what its connection sends next into `out`. To be called when it has sent all that it took.
    pub fn next(&mut self, journal: &mut Journal, out: &mut VecDeque<Bytes>, now_ms: u64) -> Next {
        if matches!(self.state, State::Bulk { .. }) {
            if let Some(bytes) = self.queue.pop_front() {
                self.queued_bytes -= bytes.len();
                self.unsent_bytes += bytes.len();
                out.push_back(bytes);
                return Next::Bytes;
            }
            if !self.complete {
                return Next::Nothing;
            }
            if self.known.snapshot_only {
                return Next::Close;
            }
            let next = if self.streams_at_once { State::Online } else { State::AwaitAck };
            self.enter(next, now_ms);
        }
        if self.state != State::Online {
            return Next::Nothing;
        }
        assert!(self.queue.is_empty(), "the stream comes behind the snapshot");
        let cursor = self.cursor.expect("a replica that is fed has a cursor");
        let mut pieces: Vec<Piece> = Vec::new();
        journal.read(cursor, STREAM_BYTES, &mut pieces);
        if self.held_bytes() == 0 {
            self.moved(now_ms);
        }
        self.unsent_bytes += pieces.iter().map(|piece| piece.bytes.len()).sum::<usize>();
        if planted::is(Fault::SentIsAcknowledged) {
            self.acked = pieces.last().map_or(self.acked, |piece| piece.end);
        }
        let empty = pieces.is_empty();
        out.extend(pieces.into_iter().map(|piece| piece.bytes));
        if empty { Next::Nothing } else { Next::Bytes }
    }

    /// Why it is to be given up, if it is. With `repl-timeout` in milliseconds.
    pub fn overdue(&self, timeout_ms: u64, now_ms: u64) -> Option<Overdue> {
        let silent = self.silent_ms(now_ms) > timeout_ms;
        let stuck = self.held_bytes() > 0 && now_ms.saturating_sub(self.moved_ms) > timeout_ms;
        match self.state {
            State::Preparing | State::Waiting { .. } => None,
            State::Bulk { .. } => stuck.then_some(Overdue::Snapshot),
            State::AwaitAck => (stuck || silent).then_some(Overdue::Loading),
            State::Online => (stuck || silent && !self.old).then_some(Overdue::Stream),
        }
    }

    /// For how long a client that has just written should wait, milliseconds, so that this replica is not given up for its
    /// output: a full sync that is lost so would have to be done again, under the same writes. The closer to the limit the
    /// longer, doubling in ten steps. Nobody waits for one that does not move; see also [`Patience`].
    pub fn pressure(&self, pending: u64, on: Pressure, now_ms: u64) -> u64 {
        if pending <= on.start || on.limit <= on.start || !self.is_moving(now_ms) {
            return 0;
        }
        let doublings = (pending - on.start).min(on.limit - on.start) * 10 / (on.limit - on.start);
        (1 << doublings).min(PRESSURE_MOST_MS)
    }

    /// Whether it takes what is there for it, or waits for us, or shows that it loads.
    fn is_moving(&self, now_ms: u64) -> bool {
        let lately = |at: u64| now_ms.saturating_sub(at) < STANDS_STILL_MS;
        let taken = self.sent_ms.is_some_and(lately);
        match self.state {
            State::Preparing | State::Waiting { .. } => false,
            State::Bulk { .. } => taken || self.held_bytes() == 0,
            State::AwaitAck => self.silent_ms(now_ms) < STANDS_STILL_MS,
            State::Online => taken,
        }
    }

    /// It is gone: its cursor is given back.
    pub fn end(mut self, journal: &mut Journal) {
        if let Some(cursor) = self.cursor.take() {
            journal.unsubscribe(cursor);
        }
    }

    fn enter(&mut self, state: State, now_ms: u64) {
        self.state = state;
        // Each state has the whole time.
        self.heard_ms = now_ms;
        self.moved(now_ms);
        self.check();
    }

    /// What holds between any two calls.
    fn check(&self) {
        let fed = matches!(self.state, State::Bulk { .. } | State::AwaitAck | State::Online);
        assert_eq!(fed, self.cursor.is_some(), "a replica that is fed has a cursor");
        let queued: usize = self.queue.iter().map(Bytes::len).sum();
        assert_eq!(queued, self.queued_bytes, "what waits is counted");
        let bulk = matches!(self.state, State::Bulk { .. });
        assert!(bulk || self.queue.is_empty(), "a snapshot is sent in Bulk only");
    }

    fn moved(&mut self, now_ms: u64) {
        (self.moved_ms, self.moved_bytes) = (now_ms, 0);
    }
}

#[cfg(test)]
mod tests;
