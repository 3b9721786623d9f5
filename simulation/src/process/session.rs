//! One client's connection, and its turns: what `server/src/net/connection.rs` does, over the network of the world.
//!
//! ```text
//! turn: [messages] ─► write what may leave ─► read once ─► execute the batch ─► write once
//! ```
//!
//! # Not here
//! - which replies may leave, what a batch does: `node::wire`, `node::requests`

use super::Process;
use super::parts::Session;
use crate::around::{Around, Leaving};
use crate::check::claims::Policy;
use crate::event::{Event, ToProcess};
use crate::net::{Read, Reset};
use crate::queue::MS;
use crate::reply::Reply;
use bytes::Buf;
use engine::session::Session as EngineSession;
use keyspace::hashing::hash_bytes;
use node::config::AppendFsync;
use node::wire::input::READ_BYTES;
use protocol::resp::Batch;
use protocol::resp::queue::Slices;

/// Turns in a row before others get theirs.
const TURNS_MAX: usize = 4;
/// Replies of a turn up to which limits are not looked at before they are sent, in bytes.
const UNCOUNTED_OUTPUT: usize = 16 << 10;

/// Why a turn ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Until something happens.
    Wait,
    /// Others first.
    Again,
    /// The connection is over.
    Close,
}

impl Process {
    /// A session's turn.
    pub(super) fn session_turn(&mut self, slot: usize, around: &mut Around) {
        let Some(mut session) = self.sessions.get_mut(slot).and_then(Option::take) else { return };
        session.is_queued = false;
        let turn = self.turn_of(&mut session, slot, around);
        let ends =
            turn == Turn::Close || (turn == Turn::Wait && self.end_turn(&session, slot, around));
        let conn = session.conn;
        self.sessions[slot] = Some(session);
        match turn {
            _ if ends => {
                self.sessions[slot] = None;
                self.by_conn.remove(&conn);
                around.net.close(conn, 1, &mut around.queue);
                self.turn(node::Event::Gone(slot), around);
            }
            Turn::Again => self.wake(slot),
            _ => {}
        }
    }

    fn turn_of(&mut self, session: &mut Session, slot: usize, around: &mut Around) -> Turn {
        let mut turns = 0;
        while turns < TURNS_MAX {
            if self.is_over(session, slot, around) {
                return Turn::Close;
            }
            self.take_messages(session, slot, around);
            if self.is_over(session, slot, around) || self.flush(session, slot, around).is_err() {
                return Turn::Close;
            }
            if session.half.is_closing() {
                return if session.half.output_is_empty() { Turn::Close } else { Turn::Wait };
            }
            if self.node.is_suspended(slot) {
                return Self::read_ahead(session, around);
            }
            if self.node.host.feeds_come_first() {
                return Turn::Again;
            }
            if session.is_delayed {
                return Turn::Wait;
            }
            turns += 1;
            if session.half.has_unexecuted() {
                let mut input = session.half.take_input();
                let used = self.execute(session, slot, input.unexecuted(), around);
                session.half.put_back(input, used);
                continue;
            }
            match self.read(session, slot, around) {
                Read::Nothing => return Turn::Wait,
                Read::End | Read::Reset => return Turn::Close,
                Read::Bytes(_) => {}
            }
            let queued = self.node.engine.session(slot).map_or(0, EngineSession::multi_bytes);
            let held = (session.half.input_len() + queued) as u64;
            if held > self.node.host.settings.client_query_buffer_limit {
                self.node.log_query_buffer_limit(slot);
                return Turn::Close;
            }
        }
        Turn::Again
    }

    /// Whether the node or the network has ended it. What was read of a connection that is reset is not executed: the world's
    /// clients rely on that when they come back.
    fn is_over(&self, session: &Session, slot: usize, around: &Around) -> bool {
        session.is_killed || self.node.host.is_killed(slot) || around.net.is_reset(session.conn)
    }

    /// Tells what the buffers take. True if it was too much.
    fn end_turn(&mut self, session: &Session, slot: usize, around: &mut Around) -> bool {
        let half = &session.half;
        self.node.note_buffers(slot, half.input_bytes(), half.output_memory());
        self.act(around);
        self.node.host.is_killed(slot)
    }

    fn read_ahead(session: &mut Session, around: &mut Around) -> Turn {
        while !session.half.is_full_ahead() {
            let Some((buffer, most)) = session.half.make_room_ahead() else { return Turn::Close };
            match around.net.read(session.conn, 1, most, buffer, &mut around.queue) {
                Read::Nothing => return Turn::Wait,
                Read::End | Read::Reset => return Turn::Close,
                Read::Bytes(_) => session.half.note_ahead(),
            }
        }
        Turn::Wait
    }

    fn take_messages(&mut self, session: &mut Session, slot: usize, around: &mut Around) {
        let (messages, closes) = self.node.take_messages(slot);
        if let Some((mut messages, receipt)) = messages {
            session.half.put_messages(&mut messages, receipt, self.node.host.released());
        }
        if closes {
            session.half.close_after_output();
        }
        self.act(around);
    }

    fn read(&mut self, session: &mut Session, slot: usize, around: &mut Around) -> Read {
        let Some((buffer, most)) = session.half.make_room() else { return Read::End };
        let most = most.min(READ_BYTES);
        let read = around.net.read(session.conn, 1, most, buffer, &mut around.queue);
        if let Read::Bytes(len) = read {
            self.node.host.note_input(slot, len);
            let mut input = session.half.take_input();
            let used = self.execute(session, slot, input.unexecuted(), around);
            session.half.put_back(input, used);
        }
        read
    }

    /// Executes the whole requests in `buffer`, answers them, and returns how many bytes they took.
    fn execute(
        &mut self,
        session: &mut Session,
        slot: usize,
        buffer: &mut [u8],
        around: &mut Around,
    ) -> usize {
        let mut batch = std::mem::take(&mut self.batch);
        let mut out = std::mem::take(&mut self.output);
        batch.clear();
        out.clear();
        let parsed = session.half.parse(buffer, self.node.bounds(slot), &mut batch);
        let now = self.now(around);
        let asks = if session.is_replica { self.expected(buffer, &batch, around) } else { None };
        let answered = self.node.execute(slot, buffer, &batch, &mut out, now);
        if let Some(asks) = asks {
            self.compare(&asks, &out, around);
        }
        self.look_at_watching(session, (buffer, &batch, answered.executed), &out, around);
        if let Some(error) = parsed.error.as_ref().filter(|_| answered.is_whole(&batch)) {
            self.node.log_protocol_error(slot, error);
        }
        let used = session.half.executed(&parsed, &batch, &answered, &mut out);
        if answered.delay_ms > 0 {
            session.is_delayed = true;
            let event = Event::Process(self.place, self.life, ToProcess::Delayed(slot));
            around.queue.after(answered.delay_ms * MS, event);
        }
        self.act(around);
        self.send(session, slot, &out, answered.receipt, around);
        self.output = out;
        self.batch = batch;
        used
    }

    /// Looks whether what is executed is what may be, by what the session watches.
    fn look_at_watching(
        &self,
        session: &mut Session,
        (buffer, batch, executed): (&[u8], &Batch, usize),
        out: &[u8],
        around: &mut Around,
    ) {
        let requests = &batch.requests()[..executed];
        let watches = |request| batch.args(buffer, request).at(0) == b"WATCH";
        if session.is_replica || !session.watching.is_any() && !requests.iter().any(watches) {
            return;
        }
        // A log's key is in one database only.
        let is_there = |key: &[u8]| {
            self.node.engine.dbs.iter().any(|db| db.get(hash_bytes(key), key).is_some())
        };
        let mut at = 0;
        for request in requests {
            let Some((reply, len)) = Reply::read(&out[at..]) else { return };
            at += len;
            let words: Vec<&[u8]> = batch.args(buffer, request).iter_from(0).collect();
            let judged = session.watching.answered(&words, &reply, self.replaced, is_there);
            if let Err(text) = judged {
                let text = format!("node {} {text}", self.place);
                return around.violate(crate::violation::Invariant::Kept, text);
            }
        }
    }

    /// Of what leaves now, for who checks it.
    fn leaving(&self, now_ns: u64) -> Leaving {
        let (settings, persistence) = (&self.node.host.settings, &self.node.host.persistence);
        let policy = match settings.appendfsync {
            AppendFsync::Always => Policy::Always,
            AppendFsync::EverySecond => Policy::EverySecond,
            AppendFsync::No => Policy::No,
        };
        let is_on = persistence.aof_is_on();
        let is_settled = self.configured_ns + 2_000 * MS < now_ns;
        Leaving {
            node: self.place,
            policy: (is_on && !persistence.lacks_base()).then_some(policy),
            is_gated: is_on && is_settled && policy == Policy::Always,
        }
    }

    fn send(
        &mut self,
        session: &mut Session,
        slot: usize,
        replies: &[u8],
        receipt: journal::Receipt,
        around: &mut Around,
    ) {
        if replies.is_empty() {
            return;
        }
        let answered = session.half.held_bytes() + replies.len();
        if answered > UNCOUNTED_OUTPUT {
            self.node.check_output(slot, answered);
            if self.node.host.is_killed(slot) {
                return;
            }
        }
        let mut sent = 0;
        if session.half.put_replies(replies, receipt, self.node.host.released()) {
            match around.net.write(session.conn, 1, replies, &mut around.queue) {
                Ok(len) => sent = len,
                Err(Reset) => {
                    session.is_killed = true;
                    return;
                }
            }
            around.leave(session.conn, &replies[..sent], self.leaving(around.now_ns()));
            self.node.host.note_output(slot, sent);
        }
        session.half.keep_output(&replies[sent..]);
        if session.half.is_gated() {
            self.node.host.wait_for_release(slot);
        }
        if !session.half.output_is_empty() || answered > UNCOUNTED_OUTPUT {
            self.node.check_output(slot, session.half.held_bytes());
        }
    }

    /// Writes what may leave.
    fn flush(
        &mut self,
        session: &mut Session,
        slot: usize,
        around: &mut Around,
    ) -> Result<(), Reset> {
        if !session.half.output_is_empty() {
            let (mut free, held) = session.half.free_output(self.node.host.released());
            while free > 0 {
                let mut slices = Slices::default();
                session.half.output_slices(free, &mut slices);
                let mut bytes = Vec::new();
                slices.get().iter().for_each(|slice| bytes.extend_from_slice(slice));
                let sent = around.net.write(session.conn, 1, &bytes, &mut around.queue)?;
                if sent == 0 {
                    break;
                }
                around.leave(session.conn, &bytes[..sent], self.leaving(around.now_ns()));
                session.half.advance_output(sent);
                free -= sent;
                self.node.host.note_output(slot, sent);
            }
            if !session.half.output_is_empty() && held > 0 {
                self.node.host.wait_for_release(slot);
            }
            self.node.check_output(slot, session.half.held_bytes());
            if !session.half.output_is_empty() {
                return Ok(());
            }
        }
        self.flush_feed(session, slot, around)
    }

    /// Writes what a replica is to get: snapshot, then stream.
    fn flush_feed(
        &mut self,
        session: &mut Session,
        slot: usize,
        around: &mut Around,
    ) -> Result<(), Reset> {
        loop {
            if session.feed.is_empty() && !self.node.next_feed(slot, &mut session.feed) {
                return Ok(());
            }
            let Some(front) = session.feed.front_mut() else { return Ok(()) };
            let sent = around.net.write(session.conn, 1, front, &mut around.queue)?;
            if sent == 0 {
                return Ok(());
            }
            around.trace.mix_bytes(&front[..sent]);
            self.node.host.note_feed_output(slot, sent);
            front.advance(sent);
            if front.is_empty() {
                session.feed.pop_front();
            }
        }
    }

    /// What a replica asks for in this batch, and whether it is to be answered by a partial sync.
    fn expected(&self, buffer: &[u8], batch: &Batch, around: &Around) -> Option<Expected> {
        let known = around.machines[self.place].known.as_ref()?;
        let request = batch.requests().iter().find_map(|request| {
            let words: Vec<&[u8]> = batch.args(buffer, request).iter_from(0).collect();
            (words.len() == 3 && words[0].eq_ignore_ascii_case(b"psync")).then(|| {
                [words[1], words[2]].map(|word| String::from_utf8_lossy(word).into_owned())
            })
        })?;
        let [id, next] = request;
        let is_partial = known.is_partial(&id, &next, &self.node.host.journal);
        Some(Expected { id, next, is_partial })
    }

    fn compare(&self, asks: &Expected, out: &[u8], around: &mut Around) {
        let said = out.windows(9).any(|part| part == b"+CONTINUE");
        if !said && out.contains(&b'-') {
            return;
        }
        around.figures.syncs[usize::from(!said)] += 1;
        if said != asks.is_partial {
            let Expected { id, next, is_partial } = asks;
            let sync = |partial: bool| if partial { "partial" } else { "full" };
            around.violate(
                crate::violation::Invariant::Partial,
                format!(
                    "node {} answers PSYNC {id} {next} by a {} sync, and the rule says {}; it has {:?}, its backlog {:?}",
                    self.place,
                    sync(said),
                    sync(*is_partial),
                    self.node.host.journal.history,
                    self.node.host.journal.backlog_extent(),
                ),
            );
        }
    }
}

/// What a replica asks for.
struct Expected {
    id: String,
    next: String,
    is_partial: bool,
}
