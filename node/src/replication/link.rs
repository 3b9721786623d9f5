//! Following a primary: what `replica::link` asks of the node it belongs to, and how it gets its turns.
//!
//! ```text
//! Event::Link, LinkBytes, Alarm ─► Link (taken out of the node for the call) ─► Follower: the node
//!                                    ╰─► actions: dial, send, close ─► the outside;  jobs ─► another thread
//! ```
//!
//! # Invariants
//! - the machine of a link that was replaced gets no turn any more
//!
//! # Not here
//! - what is said, when it tries again, what becomes of a snapshot: `replica::link`

use super::Incoming;
use crate::child::Kind as ChildKind;
use crate::clients::{Arrival, Client};
use crate::jobs::{JobDone, Temporary};
use crate::node::{Node, Outside};
use crate::persistence::load::snapshot_loader;
use crate::persistence::loader::{self, Outcome};
use crate::world::Report;
use backup::files::Replaced;
use engine::engine::Pause;
use engine::session::Peer;
use journal::planted::{self, Fault};
use journal::{History, Kind, Offset, ReplicationId};
use protocol::resp::request::Bounds;
use protocol::resp::{Batch, Parser};
use replica::handshake::Introduction;
use replica::intake::{Executed, Target};
use replica::link::{Action, Attempt, Event, Follower, Job, Link, Stage, Turn};
use replica::stream::StreamPoint;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

impl Node {
    /// Gives the link's machine a turn, if there is one.
    fn with_link(&mut self, act: impl FnOnce(&mut Link<Outcome>, &mut Turn<'_, Node>)) {
        let Some(mut link) = self.host.replication.link.take() else { return };
        let number = self.host.replication.following().map(|following| following.number);
        let (mut actions, now_ms) = (Vec::new(), self.host.now.steady_ms());
        let due_before = link.next_timer_ms();
        act(&mut link, &mut Turn { follower: self, now_ms, actions: &mut actions });
        // The alarm is set anew only where it would come too late: a link has a turn for every read of the stream.
        let due = link.next_timer_ms();
        self.host.actions.alarm |=
            due.is_some_and(|due| due_before.is_none_or(|before| due < before));
        // It may have ended the role that it belongs to.
        if self.host.replication.following().map(|following| following.number) == number {
            self.host.replication.link = Some(link);
        }
        self.do_link_actions(actions);
        self.host.actions.link_room = true;
    }

    fn do_link_actions(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Start(attempt, job) => self.start_link_job(attempt, job),
                action => self.host.actions.link.push(action),
            }
        }
    }

    /// Ends the link, if there is one.
    pub(super) fn stop_link(&mut self) {
        self.with_link(|link, turn| link.stop(turn));
        self.host.replication.link = None;
    }

    /// Something happened to an attempt.
    pub(crate) fn link_happened(&mut self, attempt: Attempt, event: Event<Outcome>) {
        self.with_link(|link, turn| link.happened(attempt, event, turn));
    }

    /// Something came.
    pub(crate) fn link_bytes(&mut self, attempt: Attempt, buffer: &mut Vec<u8>) {
        // Behind a script's back nothing changes: what has come stays where it is until the script has ended.
        if !self.engine.is_paused_in_script() {
            self.with_link(|link, turn| link.bytes(attempt, buffer, turn));
        }
    }

    /// Time has passed.
    pub(crate) fn link_timer(&mut self) {
        let due = self.host.replication.link.as_ref().and_then(Link::next_timer_ms);
        if due.is_some_and(|due| due <= self.host.now.steady_ms()) {
            self.with_link(|link, turn| link.timer(turn));
        }
    }

    /// How many bytes should be read now from our primary, behind those that were left in the buffer.
    pub fn link_read_size(&self, have: usize) -> usize {
        match self.host.replication.link() {
            Some(link) if !self.engine.is_paused_in_script() => link.read_size(have, self),
            _ => 0,
        }
    }

    /// Lets CLIENT LIST and CLIENT KILL know of an attempt's connection to our primary. Returns its slot; none if another
    /// attempt is under way by now.
    pub fn register_link(&mut self, attempt: Attempt, arrival: Arrival) -> Option<usize> {
        self.host.replication.link().filter(|link| link.is_under_way(attempt))?;
        let slot = self.host.replication.following()?.slot;
        let id = self.engine.session(slot).map_or(0, |session| session.id);
        let client = Client::new(id, arrival, self.host.now.steady_ms() as i64);
        self.host.clients.remove(slot);
        self.host.clients.add(slot, client);
        Some(slot)
    }

    /// A mistake: the transaction that is open is executed as far as it came.
    fn execute_what_came(&mut self, slot: usize) {
        if self.engine.session(slot).is_none_or(|session| session.multi.is_none()) {
            return;
        }
        let (mut exec, mut batch) = (b"*1\r\n$4\r\nEXEC\r\n".to_vec(), Batch::default());
        let bounds = Bounds { bulk_max: 4, authenticated: true };
        let (_, parsed) = Parser::default().parse(&mut exec, bounds, 1, &mut batch);
        assert!(parsed.is_ok(), "a whole command");
        let end = self.host.journal.end();
        Target::execute(self, end, &exec, &batch);
    }

    fn start_link_job(&mut self, attempt: Attempt, job: Job) {
        let Some(incoming) = &mut self.host.replication.incoming else {
            panic!("a job is about a snapshot that has come")
        };
        let path = Arc::clone(&incoming.path);
        let job: crate::jobs::Job = match job {
            Job::Sync => {
                let mut file = incoming.file.take().expect("it is written once");
                Box::new(move || {
                    let result = file.sync_all().map_err(|error| error.to_string());
                    drop(path);
                    JobDone::Link(attempt, Box::new(Event::Synced(result)))
                })
            }
            Job::Load => {
                let load = snapshot_loader(self);
                Box::new(move || {
                    let loaded = load(&path.1).and_then(in_a_database_of_ours);
                    drop(path);
                    JobDone::Link(attempt, Box::new(Event::Loaded(loaded)))
                })
            }
            Job::Replace => {
                let files = self.host.files.clone();
                let target = PathBuf::from(&self.host.settings.dbfilename);
                let rule = self.host.keep_rule();
                Box::new(move || {
                    let replaced = files.replace_snapshot(&path.1, &target, &rule);
                    drop(path);
                    JobDone::SnapshotPlaced(attempt, replaced.map_err(|error| error.to_string()))
                })
            }
        };
        self.host.world.start_job(job);
    }

    /// A snapshot has taken the place of our own, whoever still wants it.
    pub(crate) fn snapshot_placed(&mut self, attempt: Attempt, result: Result<Replaced, String>) {
        if let Ok(replaced) = &result {
            self.host.note_replaced(replaced);
        }
        self.link_happened(attempt, Event::Replaced(result.map(|_| ())));
    }
}

/// What stands in a database that is not there is not good.
fn in_a_database_of_ours(outcome: Outcome) -> Result<Outcome, String> {
    let (selected, databases) = (outcome.selected(), outcome.dbs.len());
    match selected < databases {
        true => Ok(outcome),
        false => Err(format!("its stream stands in database {selected}, there are {databases}")),
    }
}

impl Follower for Node {
    type Loaded = Outcome;

    fn timeout_ms(&self) -> u64 {
        self.host.settings.repl_timeout as u64 * 1000
    }

    fn introduction(&self) -> Introduction {
        let settings = &self.host.settings;
        let announced = settings.replica_announce_port;
        let port = if announced > 0 { announced } else { settings.port };
        let address = &settings.replica_announce_ip;
        let journal = &self.host.journal;
        Introduction {
            listening_port: port,
            address: (!address.is_empty()).then(|| address.clone()),
            credentials: (!settings.masterauth.is_empty())
                .then(|| (settings.masteruser.clone(), settings.masterauth.clone())),
            position: (journal.has_readers()).then(|| (journal.history.id, journal.end())),
        }
    }

    fn entered(&mut self, stage: Stage) {
        let Some(following) = &mut *self.host.replication.following else { return };
        following.stage = stage;
        if stage == Stage::Connected {
            // Commands are let in again: those that waited for what the data has now can be served.
            self.see_facts();
            self.engine.serve_waiters(&mut self.host);
            self.end_turn();
        }
    }

    fn note_input(&mut self, bytes: usize) {
        self.host.stats.note_link_input(bytes);
    }

    fn begin_file(&mut self) -> io::Result<()> {
        let (now_s, pid) = (self.host.now.unix_ms / 1000, self.host.world.pid());
        let path = PathBuf::from(format!("temp-{now_s}.{pid}.rdb"));
        let file = self.host.files.create(&path).map_err(|error| error.source)?;
        let path = Arc::new(Temporary(self.host.files.clone(), path));
        self.host.replication.incoming = Some(Incoming { file: Some(file), path });
        Ok(())
    }

    fn append_file(&mut self, bytes: &[u8]) -> io::Result<()> {
        let incoming = self.host.replication.incoming.as_mut().expect("it has begun");
        let file = incoming.file.as_mut().expect("not all of it has come");
        io::Write::write_all(file, bytes)
    }

    fn drop_file(&mut self) {
        self.host.replication.incoming = None;
    }

    fn kill_saving_child(&mut self) {
        self.host.kill_child(ChildKind::Save);
    }

    fn adopt(&mut self, outcome: Outcome, id: ReplicationId, offset: Offset) {
        self.close_replicas();
        let db = outcome.selected();
        let users = outcome.meta.as_ref().and_then(|meta| meta.users.as_deref());
        if let Some(users) = users.filter(|_| self.host.settings.acl_replicate) {
            self.engine.adopt_users(&mut self.host, users);
        }
        let mut wrong = Vec::new();
        match planted::is(Fault::WatchKeptBySync) {
            false => wrong = self.engine.replace_data(outcome.dbs, outcome.functions, None),
            true => self.engine.dbs = outcome.dbs,
        }
        loader::remark_on(outcome.meta.as_ref(), &wrong);
        self.host.begin_history(id, offset, db);
        self.engine.dirty = 0;
        if !planted::is(Fault::FileNotBegunAnew) {
            self.replace_aof();
        }
    }

    fn continue_history(&mut self, id: Option<ReplicationId>) {
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
    }

    fn leave_history(&mut self) {
        self.host.journal.history = History::new(self.host.new_replication_id());
        self.host.persistence.note_history(self.host.journal.history);
        self.close_replicas();
    }

    fn enter_stream(&mut self) -> StreamPoint {
        let journal = &self.host.journal;
        let (end, db) = (journal.end(), journal.selected());
        if let Some(following) = self.host.replication.following()
            && let Some(session) = self.engine.session_mut(following.slot)
        {
            session.db = db;
            session.multi = None;
        }
        StreamPoint::at(end, db, self.engine.dbs.len())
    }

    fn stream_end(&self) -> (Offset, usize) {
        (self.host.journal.end(), self.host.journal.selected())
    }

    fn leave_stream(&mut self) {
        let Some(following) = self.host.replication.following() else { return };
        let slot = following.slot;
        self.host.clients.remove(slot);
        if planted::is(Fault::HalfTransaction) {
            self.execute_what_came(slot);
        }
        if let Some(session) = self.engine.session_mut(slot) {
            session.multi = None;
        }
    }

    fn stream_waits(&self) -> bool {
        // CLIENT PAUSE holds for what a primary says as well, as in Redis.
        self.host.persistence.append_queue_is_full()
            || self.engine.is_paused_in_script()
            || self.engine.conditions.pause != Pause::Nothing
    }

    fn durable_offset(&self) -> Option<Offset> {
        self.host.persistence.durable_offset()
    }

    fn synced(&mut self, how: &'static str) {
        self.host.world.report(Report::Synced(how));
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
        if !planted::is(Fault::DatabaseForgotten) {
            self.journal.set_selected(db);
        }
        self.persistence.note_history(self.journal.history);
    }
}

impl Target for Node {
    fn execute(&mut self, start: Offset, bytes: &[u8], batch: &Batch) -> Executed {
        let following = self.host.replication.following().expect("its stream ends with the link");
        let mut session = self.engine.take_session(following.slot);
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
