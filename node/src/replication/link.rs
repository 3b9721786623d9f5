//! Following a primary: a task that connects, introduces itself, takes a snapshot if it must, and then the stream.
//!
//! ```text
//! Connect ─► Connecting ─► Handshake ─► Transfer ─► Loading ─► Connected
//!    ▲                         └── +CONTINUE ───────────────────► │
//!    └──── any error: logged once, then again, ever more seldom ──┘
//! ```
//!
//! The stream is executed batch by batch and journaled verbatim, so offsets stay equal down a chain. A snapshot goes to a
//! file first and is loaded by another thread into databases of its own: until it is complete and good, the old data stays.
//!
//! # Invariants
//! - the journal's end is the applied offset: between turns they are equal
//! - one task per link; a link that was replaced does nothing any more

use super::link_state::{LinkState, TransferProgress};
use crate::clients::{Arrival, Client};
use crate::node::{Node, Outside};
use crate::persistence::loader;
use engine::session::Peer;
use journal::{History, Kind, Offset, ReplicationId};
use protocol::resp::{Batch, encode};
use replica::handshake::{HandshakeError, Introduction};
use replica::intake::{Executed, StreamError, Target};
use replica::retry::{Cause, Retry, SETTLED_MS};
use replica::stream::StreamPoint;

/// Why an attempt ended.
pub struct Failure {
    /// A line for the log and for INFO.
    pub text: String,
    /// Which kind of reason.
    pub cause: Cause,
    /// What came is no stream, or the data is at no position of it: the next attempt asks for everything.
    pub loses_position: bool,
    /// The data is at no position of the stream any more.
    pub torn: bool,
}

impl Failure {
    /// The network, or the primary, did not do what it should.
    pub fn network(text: impl Into<String>) -> Failure {
        Failure { text: text.into(), cause: Cause::Network, loses_position: false, torn: false }
    }

    /// The next attempt will fail as well.
    pub fn repeating(text: impl Into<String>) -> Failure {
        Failure { cause: Cause::Repeating, ..Failure::network(text) }
    }
}

impl From<StreamError> for Failure {
    fn from(error: StreamError) -> Failure {
        let (loses_position, torn) = (error.loses_position(), error.is_torn());
        Failure { loses_position, torn, ..Failure::repeating(error.to_string()) }
    }
}

impl From<HandshakeError> for Failure {
    fn from(error: HandshakeError) -> Failure {
        match error {
            // It takes our question for none: another one may do, as Redis tries SYNC then.
            HandshakeError::Refused { to: "PSYNC", .. } => {
                Failure { loses_position: true, ..Failure::network(error.to_string()) }
            }
            HandshakeError::Refused { .. } => Failure::network(error.to_string()),
            _ => Failure::repeating(error.to_string()),
        }
    }
}

impl Node {
    /// Ends an attempt. Returns after how many milliseconds the next one may begin; `None` if there is no link any more.
    pub fn attempt_failed(&mut self, retry: &mut Retry, failure: Failure) -> Option<u64> {
        let now = self.host.now.steady_ms();
        let link = self.host.replication.link.as_mut()?;
        self.host.clients.remove(link.slot);
        if let Some(session) = self.engine.session_mut(link.slot) {
            // What came of a transaction without its end comes again.
            session.multi = None;
        }
        let up_ms = link.up_since_ms.take().map(|since| now.saturating_sub(since));
        link.state.update(LinkState::Connect);
        link.transfer = None;
        link.loading.update(false);
        link.failed_attempts += 1;
        if up_ms.is_some() {
            link.down_since_ms = Some(now);
            tracing::info!("Connection with master lost.");
        }
        if failure.loses_position {
            link.starts_over = true;
        } else if up_ms.is_some() {
            tracing::info!("Caching the disconnected master state.");
        }
        if up_ms.is_some_and(|up| up >= SETTLED_MS) {
            // What failed before the link worked for so long is another story.
            link.reason = None;
        }
        // Each reason once: what repeats is counted.
        if link.reason.as_ref() != Some(&failure.text) {
            tracing::warn!("{}", failure.text);
            link.reason = Some(failure.text);
        }
        if failure.torn {
            self.leave_history();
        }
        Some(retry.after(failure.cause, up_ms))
    }
}

impl Node {
    /// Lets CLIENT LIST and CLIENT KILL know of the connection to our primary. Returns its slot.
    pub fn register_link(&mut self, arrival: Arrival) -> Option<usize> {
        let link = self.host.replication.link.as_ref()?;
        let id = self.engine.session(link.slot).map_or(0, |session| session.id);
        let client = Client::new(id, arrival, self.host.now.steady_ms() as i64);
        self.host.clients.add(link.slot, client);
        Some(link.slot)
    }

    /// The link is so far now.
    pub fn set_link_state(&mut self, state: LinkState) {
        let now = self.host.now.steady_ms();
        if let Some(link) = &mut self.host.replication.link {
            link.state.update(state);
            link.last_io_ms = now;
        }
    }

    /// A part of a snapshot came.
    pub fn note_transfer(&mut self, total: Option<u64>, received: u64) {
        let now = self.host.now.steady_ms();
        if let Some(link) = &mut self.host.replication.link {
            link.last_io_ms = now;
            link.transfer = Some(TransferProgress { total, received, last_io_ms: now });
        }
    }

    /// A part of the stream came.
    pub fn note_stream(&mut self, bytes: usize) {
        let now = self.host.now.steady_ms();
        self.host.stats.note_link_input(bytes);
        if let Some(link) = &mut self.host.replication.link {
            link.last_io_ms = now;
            link.received = link.received.after(bytes as u64);
        }
    }

    /// A snapshot is being loaded.
    pub fn begin_loading(&mut self) {
        if let Some(link) = &mut self.host.replication.link {
            link.transfer = None;
            link.loading.update(true);
        }
    }

    /// How we introduce ourselves.
    pub fn introduction(&self) -> Introduction {
        let settings = &self.host.settings;
        let announced = settings.replica_announce_port;
        let port = if announced > 0 { announced } else { settings.port };
        let address = &settings.replica_announce_ip;
        let journal = &self.host.journal;
        let starts_over = self.host.replication.link.as_ref().is_some_and(|link| link.starts_over);
        Introduction {
            listening_port: port,
            address: (!address.is_empty()).then(|| address.clone()),
            credentials: (!settings.masterauth.is_empty())
                .then(|| (settings.masteruser.clone(), settings.masterauth.clone())),
            position: (journal.has_readers() && !starts_over)
                .then(|| (journal.history.id, journal.end())),
        }
    }

    /// The primary continues our history, perhaps under a new name.
    pub fn continue_history(&mut self, id: Option<ReplicationId>) {
        let journal = &mut self.host.journal;
        if let Some(id) = id.filter(|id| *id != journal.history.id) {
            let end = journal.end();
            journal.history.fork(id, end);
            tracing::info!("Master replication ID changed to {id}");
            self.close_replicas();
        }
        if !self.host.journal.has_backlog() {
            self.host.journal.start_backlog(self.host.settings.repl_backlog_size);
        }
        self.host.persistence.note_history(self.host.journal.history);
        self.link_is_up();
    }

    /// The data of the primary takes the place of ours.
    pub fn adopt(&mut self, outcome: loader::Outcome, id: ReplicationId, offset: Offset) {
        self.close_replicas();
        let db = outcome.selected();
        self.engine.replace_data(outcome.dbs, outcome.functions, None);
        loader::remark_on(outcome.meta.as_ref(), &self.engine.functions);
        self.host.begin_history(id, offset, db);
        self.engine.dirty = 0;
        self.replace_aof();
        self.link_is_up();
        // Not before commands are let in again.
        self.see_facts();
        self.engine.serve_waiters(&mut self.host);
        self.end_turn();
    }

    fn link_is_up(&mut self) {
        let end = self.host.journal.end();
        let now = self.host.now.steady_ms();
        if let Some(link) = &mut self.host.replication.link {
            link.state.update(LinkState::Connected);
            link.loading.update(false);
            link.transfer = None;
            link.was_up = true;
            link.starts_over = false;
            link.down_since_ms = None;
            link.up_since_ms = Some(now);
            link.received = end;
            link.last_io_ms = now;
        }
    }

    /// `REPLCONF ACK` for what is applied.
    pub fn acknowledgement(&self, offset: Offset) -> Vec<u8> {
        let mut bytes = Vec::new();
        let applied = offset.to_string();
        let durable =
            self.host.persistence.durable_offset().map(|durable| durable.min(offset).to_string());
        match &durable {
            Some(durable) => encode::command(
                &mut bytes,
                [&b"REPLCONF"[..], b"ACK", applied.as_bytes(), b"FACK", durable.as_bytes()]
                    .into_iter(),
            ),
            None => encode::command(
                &mut bytes,
                [&b"REPLCONF"[..], b"ACK", applied.as_bytes()].into_iter(),
            ),
        }
        bytes
    }
}

impl Node {
    /// The data is at no position of the history that it came from: it begins one of its own, which nobody else has.
    fn leave_history(&mut self) {
        self.host.journal.history = History::new(self.host.new_replication_id());
        self.host.persistence.note_history(self.host.journal.history);
        self.close_replicas();
    }

    /// What holds between two pieces of the stream: the journal stands where the intake does.
    pub fn check_stream(&self, point: &StreamPoint) {
        let journal = &self.host.journal;
        assert_eq!(journal.end(), point.applied, "what is applied is journaled");
        assert_eq!(journal.selected(), point.db(), "the stream stands in one database");
    }

    /// The session that executes the stream goes on where the journal ends.
    pub fn enter_stream(&mut self) -> StreamPoint {
        let journal = &self.host.journal;
        let (end, db) = (journal.end(), journal.selected());
        if let Some(link) = &self.host.replication.link
            && let Some(session) = self.engine.session_mut(link.slot)
        {
            session.db = db;
            session.multi = None;
        }
        StreamPoint::at(end, db, self.engine.dbs.len())
    }
}

impl Outside {
    /// Goes on at `offset` of another history, in database `db`.
    fn begin_history(&mut self, id: ReplicationId, offset: Offset, db: usize) {
        // What was journaled before counts in the history before: it must not get to the disk under the new name.
        self.journal.seal();
        self.ship_to_disk();
        self.journal.history = History::new(id);
        self.journal.restart_at(offset);
        self.journal.start_backlog(self.settings.repl_backlog_size);
        self.journal.set_selected(db);
        self.persistence.note_history(self.journal.history);
    }
}

impl Target for Node {
    fn execute(&mut self, start: Offset, bytes: &[u8], batch: &Batch) -> Executed {
        let link = self.host.replication.link.as_ref().expect("its stream ends with the link");
        let mut session = self.engine.take_session(link.slot);
        assert_eq!(session.peer, Peer::Primary);
        session.halts = !self.host.settings.replica_ignore_unsupported;
        // Nobody reads them: what was refused is kept by the engine.
        let mut replies = std::mem::take(&mut self.host.unread);
        replies.clear();
        let (count, _) =
            self.engine.execute_batch(&mut self.host, &mut session, bytes, batch, 0, &mut replies);
        self.engine.return_session(session);
        self.host.unread = replies;
        let refusals = self.engine.take_refused();
        let mut executed = Executed { count, skipped: Vec::new(), end: Ok(()) };
        if !refusals.list.is_empty() {
            let offset = |index: usize| start.after(u64::from(batch.requests()[index].start));
            let halts = !self.host.settings.replica_ignore_unsupported;
            self.host.replication.refused.judge(refusals, halts, offset, &mut executed);
        }
        executed
    }

    fn journal(&mut self, kind: Kind, bytes: &[u8]) {
        self.host.journal_verbatim(kind, bytes);
    }

    fn end_batch(&mut self, db: Option<usize>) {
        if let Some(db) = db {
            self.host.journal.set_selected(db);
        }
        self.end_turn();
    }
}

#[cfg(test)]
mod tests;
