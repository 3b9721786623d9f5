//! Our replicas: their commands, their connections' turns, and what the machine of them wants done.
//!
//! # Not here
//! - who gets what and when, and when somebody is given up: `replica::primary`

use crate::child::duties::all_keys;
use crate::child::{Kind, Purpose};
use crate::config::Settings;
use crate::node::{Node, Outbound, Outside};
use crate::world::{ChildJob, SaveData};
use backup::fork::temporary_name;
use engine::Engine;
use engine::context::{Context, Done};
use engine::refusal::Refusal;
use engine::session::Peer;
use protocol::resp::Args;
use replica::feed::{Feed, Next};
use replica::primary::{self, Action, OutputLimit, Primary, Replconf, SyncEvent, Turn, Welcome};
use std::path::{Path, PathBuf};

/// What the machine goes by.
fn settings_of(settings: &Settings) -> primary::Settings {
    let output = settings.client_output_buffer_limit.replica;
    primary::Settings {
        timeout_ms: settings.repl_timeout as u64 * 1000,
        ping_period_ms: settings.repl_ping_replica_period as u64 * 1000,
        diskless: settings.repl_diskless_sync,
        diskless_delay_ms: settings.repl_diskless_sync_delay as u64 * 1000,
        diskless_max_replicas: settings.repl_diskless_sync_max_replicas as usize,
        backlog_bytes: settings.repl_backlog_size,
        backlog_ttl_ms: settings.repl_backlog_ttl.saturating_mul(1000),
        lag_most_ms: settings.min_replicas_max_lag as u64 * 1000,
        output: OutputLimit {
            hard_bytes: output.hard_bytes,
            soft_bytes: output.soft_bytes,
            soft_ms: output.soft_seconds * 1000,
        },
        slow_most_ms: u64::from(settings.repl_backpressure_seconds) * 1000,
    }
}

impl Outside {
    /// Gives the machine of our replicas a turn.
    fn with_primary<T>(
        &mut self,
        engine: &mut Engine,
        act: impl FnOnce(&mut Primary, &mut Turn<'_>) -> T,
    ) -> T {
        let (settings, mut actions) = (settings_of(&self.settings), Vec::new());
        let mut turn = Turn {
            journal: &mut self.journal,
            settings: &settings,
            now_ms: self.now.steady_ms(),
            actions: &mut actions,
        };
        let result = act(&mut self.replication.primary, &mut turn);
        for action in actions {
            self.do_for_replicas(engine, action);
        }
        self.count_good_replicas();
        result
    }

    fn do_for_replicas(&mut self, engine: &mut Engine, action: Action) {
        match action {
            Action::Wake(slot) => self.actions.wake(slot),
            Action::Send(slot, bytes) => {
                if let Some(session) = engine.session_mut(slot) {
                    session.outbox.extend_from_slice(&bytes);
                    self.actions.wake(slot);
                }
            }
            Action::Kill(slot) => self.kill(slot),
            Action::Overflow(slot) => self.close_for_output(slot),
            Action::Journal(bytes) => self.journal_control(bytes),
            Action::NoteHistory => self.persistence.note_history(self.journal.history),
            Action::KillChild => {
                self.kill_child(Kind::FullSync);
            }
            Action::OpenFile => self.actions.open_sync_file = true,
            Action::SyncEnded => {
                if let Some(path) = self.replication.sync_file.take() {
                    let _ = self.files.remove(&path);
                }
                self.actions.sync_ended = true;
                self.end_child(engine, Kind::FullSync);
            }
        }
        self.actions.sync_room |= self.replication.primary.sync_number().is_some();
    }

    /// Notes whether there are more good replicas now, or fewer.
    pub fn count_good_replicas(&mut self) {
        let good = self.good_replicas();
        self.replication.good.update(good);
    }

    /// How many replicas are online and answered lately.
    pub fn good_replicas(&self) -> usize {
        let settings = settings_of(&self.settings);
        self.replication.primary.good_replicas(&settings, self.now.steady_ms())
    }

    /// The replicas that introduced themselves and asked for data.
    pub fn shown_replicas(&self) -> impl Iterator<Item = &Feed> {
        self.replication.primary.feeds().map(|(_, feed)| feed).filter(|feed| feed.is_shown())
    }

    fn ip_of(&self, slot: usize) -> String {
        let address = self.clients.get(slot).map_or("", |client| client.address.as_str());
        address.rsplit_once(':').map_or("", |(ip, _)| ip).trim_matches(['[', ']']).into()
    }

    /// `REPLCONF option value …`.
    pub fn replconf(&mut self, ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
        if ctx.session.is_trusted() {
            // GETACK of our primary: the link answers it, it knows the offset.
            return Ok(Done::NOTHING);
        }
        let words: Vec<&[u8]> = args.iter_from(1).collect();
        let (slot, address) = (ctx.session.slot, self.ip_of(ctx.session.slot));
        let answer = self.with_primary(ctx.engine, |primary, turn| {
            primary.replconf(slot, &address, &words, turn)
        });
        match answer.map_err(Refusal::new)? {
            Replconf::Ok => ctx.reply.ok(),
            Replconf::Silence => {}
            Replconf::Acknowledged => self.actions.react = true,
        }
        Ok(Done::NOTHING)
    }

    /// `PSYNC id offset` and `SYNC`.
    pub fn psync(&mut self, ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
        // Who is a replica already, or sees all commands, would get something else into its stream.
        if ctx.session.peer != Peer::Client || ctx.session.monitor {
            return Ok(Done::NOTHING);
        }
        if self.replication.is_replica() && !self.replication.link_is_up() {
            return Err(Refusal::fixed(
                "NOMASTERLINK Can't SYNC while not connected with my master",
            ));
        }
        if self.persistence.is_loading() {
            return Err(Refusal::fixed("LOADING Redis is loading the dataset in memory"));
        }
        let arguments = (args.len() > 1).then(|| (args.at(1), args.at(2)));
        let (slot, address) = (ctx.session.slot, self.ip_of(ctx.session.slot));
        let welcome = self.with_primary(ctx.engine, |primary, turn| {
            primary.psync(slot, &address, arguments, turn)
        });
        if !matches!(welcome, Err(primary::Unwelcome::NotInteger)) {
            ctx.session.peer = Peer::Replica;
        }
        match welcome.map_err(|error| Refusal::new(error.to_string()))? {
            Welcome::Continue(line) => {
                ctx.reply.simple(&line);
                self.stats.sync_partial_ok += 1;
                self.replication.users_due = true;
            }
            Welcome::Waits { refused } => {
                self.stats.sync_full += 1;
                self.stats.sync_partial_err += u64::from(refused);
                self.actions.react = true;
            }
            Welcome::Silence => {}
        }
        Ok(Done::NOTHING)
    }

    /// A connection is gone, or is to be: what belonged to a replica is given back.
    pub fn replica_gone(&mut self, engine: &mut Engine, slot: usize) {
        if self.replication.primary.feed(slot).is_some() {
            self.with_primary(engine, |primary, turn| primary.gone(slot, turn));
        }
    }

    /// Bytes went to a replica.
    pub fn note_feed_output(&mut self, slot: usize, bytes: usize) {
        self.stats.repl_output_bytes += bytes as u64;
        self.replication.primary.sent(slot, bytes, self.now.steady_ms());
        self.note_output(slot, bytes);
    }
}

impl Node {
    /// Gives the machine of our replicas a turn.
    pub(super) fn with_primary<T>(
        &mut self,
        act: impl FnOnce(&mut Primary, &mut Turn<'_>) -> T,
    ) -> T {
        self.host.with_primary(&mut self.engine, act)
    }

    /// Puts what a replica gets next into its connection's queue. False if there is nothing.
    #[inline]
    pub fn next_feed(&mut self, slot: usize, feed: &mut Outbound) -> bool {
        !self.host.replication.primary.is_empty() && self.fill_feed(slot, feed)
    }

    fn fill_feed(&mut self, slot: usize, feed: &mut Outbound) -> bool {
        let Outside { replication, journal, clients, now, .. } = &mut self.host;
        let Some(fed) = replication.primary.next(slot, journal, feed, now.steady_ms()) else {
            return false;
        };
        if let Some(client) = clients.get_mut(slot) {
            client.output_bytes = fed.pending_bytes as usize;
        }
        if fed.next == Next::Close {
            // All of it has been written to the socket: that is what it came for.
            self.host.kill(slot);
        }
        self.host.actions.sync_room |= self.host.replication.primary.sync_number().is_some();
        if fed.has_moved {
            self.host.count_good_replicas();
        }
        fed.next == Next::Bytes
    }

    /// Gives up the replicas that are too far behind: what is on its way to each is bounded, whatever state it is in.
    pub fn limit_replicas(&mut self) {
        if self.host.replication.primary.is_empty() && self.host.replication.primary.slow_ms() == 0
        {
            return;
        }
        let Outside { replication, journal, clients, .. } = &mut self.host;
        for (slot, feed) in replication.primary.feeds().filter(|(_, feed)| feed.is_fed()) {
            if let Some(client) = clients.get_mut(slot) {
                client.output_bytes = feed.pending_bytes(journal) as usize;
            }
        }
        self.with_primary(Primary::limit);
    }

    /// What the timer does for replication, ten times a second.
    pub fn replication_timer(&mut self) {
        let (is_replica, new_id) =
            (self.host.replication.is_replica(), self.host.new_replication_id());
        self.with_primary(|primary, turn| primary.timer(is_replica, new_id, turn));
        if self.host.replication.users_due && !is_replica {
            self.tell_users();
        }
        self.check_waits();
    }

    /// Tells replicas all users, if they are to have the same: some of them have just come, and had others.
    #[cold]
    fn tell_users(&mut self) {
        self.host.replication.users_due = false;
        let listens = !self.host.replication.primary.is_empty();
        if listens && self.host.settings.acl_replicate {
            let unit = self.engine.users.announcement();
            self.host.journal_control(&unit);
        }
    }

    /// Begins a full sync if one is due.
    pub fn start_full_sync(&mut self) {
        let Ok(leave) = self.host.child.try_begin(Kind::FullSync, false) else { return };
        let settings = settings_of(&self.host.settings);
        let now_ms = self.host.now.steady_ms();
        let Some(due) = self.host.replication.primary.due(&settings, now_ms) else { return };
        let (by_pipe, left_out) = (due.by_pipe, due.left_out);
        let (new_id, mark) = (self.host.new_replication_id(), self.host.new_replication_id());
        let prepared = self.with_primary(|primary, turn| primary.prepare(due, new_id, turn));
        let mut meta = self.host.snapshot_meta(&self.engine, false);
        if self.host.settings.acl_replicate {
            meta.users = Some(self.engine.users.lines().join(&b'\n'));
        }
        if left_out.functions {
            meta.functions.clear();
        }
        let options = self.host.save_options();
        let dbs = if left_out.data { &[] } else { &self.engine.dbs[..] };
        let keys = if left_out.data { 0 } else { all_keys(&self.engine) };
        let number = self.host.replication.primary.next_sync_number();
        let file =
            (!by_pipe).then(|| PathBuf::from(format!("temp-repl-{}.rdb", self.host.journal.end())));
        let data = SaveData { dbs, meta: &meta, options };
        let job = ChildJob::FullSync { number, data, file: file.clone() };
        let forked = match self.host.start_child(job, keys) {
            Ok(forked) => forked,
            Err(error) => {
                let error = error.to_string();
                return self.with_primary(|primary, turn| primary.failed(prepared, &error, turn));
            }
        };
        match by_pipe {
            true => tracing::info!("Background RDB transfer started by pid {}", forked.pid),
            false => tracing::info!("Background saving started by pid {}", forked.pid),
        }
        self.host.replication.sync_file = file;
        self.host.begin_child(&mut self.engine, &leave, Purpose::FullSync { number }, forked);
        let begun =
            self.with_primary(|primary, turn| primary.begin(prepared, *mark.as_bytes(), turn));
        assert_eq!(begun, number, "the child was told which full sync it is for");
        self.host.replication.users_due = true;
    }

    /// Something happened to a full sync.
    pub(crate) fn sync_happened(&mut self, number: u64, event: SyncEvent) {
        if let SyncEvent::ChildEnded(result) = &event
            && self.host.replication.primary.sync_number() == Some(number)
        {
            let pid = self.host.child.running().and_then(|child| child.pid);
            if let Some(pid) = pid.filter(|_| result.is_err()) {
                // What it was writing when it was killed, or failed.
                let _ = self.host.files.remove(Path::new(&temporary_name(pid)));
            }
            self.host.child_exited(&mut self.engine);
        }
        self.with_primary(|primary, turn| primary.happened(number, event, turn));
    }

    /// Whether the next bytes of the full sync of this number should be read.
    pub fn wants_sync_piece(&self, number: u64) -> bool {
        let primary = &self.host.replication.primary;
        primary.sync_number() == Some(number) && primary.wants_piece()
    }
}
