//! The node: all its state, and how the turns begin and end in which it changes.
//!
//! ```text
//! a session's turn: begin_turn ─► engine executes ─► end_turn ─► the flush's turn: journal ─► disk, replicas
//! ```
//!
//! A flush is asked for by the first write and has its turn after all sessions that were ready: so what is written in one
//! round goes to disk and to each replica together.

use crate::actions::Actions;
use crate::child::Child;
use crate::clients::{Arrival, Client, Clients};
use crate::config::{MemoryOrPercent, Settings};
use crate::facts::fact::{Changed, Fact};
use crate::figures::{HostStats, Rates};
use crate::jobs::JobDone;
use crate::persistence::Persistence;
use crate::replication::{NewRole, Replication};
use crate::shutdown::Shutdown;
use crate::time::Now;
use crate::world::World;
use backup::files::Files;
use bytes::Bytes;
use engine::Engine;
use engine::engine::Pause;
use journal::release::OnDisk;
use journal::{Journal, Kind, Receipt, ReplicationId};
use protocol::resp::ProtocolError;
use std::collections::VecDeque;

/// Bytes of the stream that are not shipped yet after which replicas get a turn before clients go on: less than a socket takes.
const FEED_BYTES: u64 = 512 << 10;

/// Everything but the data, and the way to the outside.
pub struct Outside {
    /// Whether something has changed that conditions follow from.
    pub changed: Changed,
    /// The configuration in force.
    pub settings: Fact<Settings>,
    /// The configuration file, if there is one.
    pub config_file: Option<std::path::PathBuf>,
    /// The one log.
    pub journal: Journal,
    /// Who is connected.
    pub clients: Clients,
    /// Replies to what our primary sends, which nobody reads.
    pub(crate) unread: Vec<u8>,
    /// Counters.
    pub stats: HostStats,
    /// Slots of clients that wait for a pause to end, or for the disk.
    pub paused: Vec<usize>,
    /// What CLIENT PAUSE asked for; what is in force is [`Outside::pause_in_force`].
    pub client_pause: Fact<Pause>,
    /// When CLIENT PAUSE ends: a moment of the steady clock, milliseconds; 0 if there is none.
    pub pause_until_ms: i64,
    /// The child, and who waits for its end.
    pub child: Child,
    /// Data at rest.
    pub persistence: Persistence,
    /// Data elsewhere.
    pub replication: Replication,
    /// What is to be done when the turn is over.
    pub actions: Actions,
    /// The time of this turn.
    pub now: Now,
    /// Where our files are.
    pub files: Files,
    /// What is asked within a turn.
    pub world: Box<dyn World>,
    /// Asks the process to end.
    pub shutdown: Shutdown,
    /// Identity and start of this process.
    pub identity: Identity,
    /// What REPLICAOF asked for in this turn.
    pub new_role: Option<NewRole>,
    /// CONFIG SET changed something in this turn.
    pub settings_changed: bool,
    /// How much happens per second.
    pub rates: Rates,
    /// The timer does nothing (DEBUG PAUSE-CRON).
    pub cron_paused: bool,
    /// A pause has ended, or another one has begun: those whose commands wait are to try again.
    pub(crate) pause_changed: bool,
    /// Ticks so far.
    pub(crate) ticks: u64,
    /// What had been journaled when the journal was last shipped.
    shipped: Receipt,
    /// What [`crate::world::Freeing::freed`] was when it was last looked at.
    freed_elsewhere: u64,
    /// Slots of clients whose replies wait for the disk.
    gated: Vec<usize>,
    /// How long replies have waited for it at most since the last tick.
    pub(crate) release_wait_ms: u64,
    /// What had been freed elsewhere when the statistics were reset.
    freed_before: u64,
    /// Jobs that are done and wait for the end of a script: at most one of each kind is under way.
    pub(crate) held_back: Vec<JobDone>,
}

/// Who this node is.
pub struct Identity {
    /// 40 hexadecimal characters, new with every start.
    pub run_id: String,
    /// When it started: a moment of the steady clock, milliseconds.
    pub started_ms: i64,
}

/// A node.
pub struct Node {
    /// Data and sessions.
    pub engine: Engine,
    /// Everything else.
    pub host: Outside,
}

impl Node {
    /// A node without data, at this moment.
    pub fn new(
        settings: Settings,
        config_file: Option<std::path::PathBuf>,
        now: Now,
        mut world: Box<dyn World>,
    ) -> Node {
        let seed = world.random();
        let seed = u64::from_le_bytes(std::array::from_fn(|at| seed[at]));
        let mut engine = Engine::new(settings.databases as usize, seed);
        engine.set_time(now.unix_ms, now.steady_ns);
        engine.set_default_password(None, settings.requirepass.as_bytes());
        let id = ReplicationId::from_random(world.random());
        let run_id = ReplicationId::from_random(world.random()).to_string();
        let identity = Identity { run_id, started_ms: engine.steady_ms };
        let changed = Changed::default();
        let persistence = Persistence::new(&engine, &changed);
        let replication = Replication::new(&engine, &changed);
        let mut node = Node {
            engine,
            host: Outside {
                child: Child::default(),
                persistence,
                replication,
                settings: Fact::new(settings, &changed),
                config_file,
                journal: Journal::new(id),
                clients: Clients::default(),
                unread: Vec::new(),
                stats: HostStats::default(),
                paused: Vec::new(),
                client_pause: Fact::new(Pause::Nothing, &changed),
                pause_until_ms: 0,
                actions: Actions::default(),
                now,
                files: world.files(),
                world,
                shutdown: Shutdown::new(&changed),
                identity,
                new_role: None,
                settings_changed: false,
                rates: Rates::default(),
                cron_paused: false,
                pause_changed: false,
                ticks: 0,
                shipped: Receipt::NOTHING,
                freed_elsewhere: 0,
                gated: Vec::new(),
                release_wait_ms: 0,
                freed_before: 0,
                held_back: Vec::new(),
                changed,
            },
        };
        node.apply_settings();
        node
    }

    /// Brings what the engine needs to know of the configuration up to date.
    pub fn apply_settings(&mut self) {
        let settings = &self.host.settings;
        self.host.world.apply_settings(settings, self.host.config_file.as_deref());
        crate::config_apply::to_engine(settings, &mut self.engine);
        self.host.journal.resize_backlog(settings.repl_backlog_size);
        self.host.begin_second(self.engine.now_ms);
        self.see_facts();
    }

    /// Begins a turn: the time is that of its beginning (and goes on behind long commands, see [`engine::time`]), and what commands may do follows from how things are.
    #[inline]
    pub fn begin_turn(&mut self, now: Now) {
        self.host.now = now;
        let now_ms = now.unix_ms;
        // Asking the allocator takes longer than a command: in between, this thread's own use is counted.
        if now_ms != self.engine.now_ms && self.engine.eviction.limited {
            self.host.world.refresh_memory();
        }
        if now_ms >= self.host.persistence.second.ends_ms {
            self.host.begin_second(now_ms);
        }
        self.engine.set_time(now_ms, now.steady_ns);
        self.see_facts();
    }

    /// Ends a turn: whoever got something is woken.
    #[inline]
    pub fn end_turn(&mut self) {
        // First, as it may wake clients and leave garbage.
        if self.host.settings_changed {
            self.host.settings_changed = false;
            self.recount_clients();
            self.check_waits();
            self.engine.make_room(&mut self.host);
        }
        self.engine.end_tracking_turn();
        if !self.engine.woken.is_empty() {
            self.host.actions.wake.append(&mut self.engine.woken);
        }
        if !self.engine.garbage.is_empty() || !self.engine.garbage_dbs.is_empty() {
            let values = std::mem::take(&mut self.engine.garbage);
            let dbs = std::mem::take(&mut self.engine.garbage_dbs);
            let bytes = std::mem::take(&mut self.engine.eviction.handed_over);
            self.host.world.free(values, dbs, bytes);
        }
        if self.engine.is_paused_in_script() {
            self.host.actions.react = true;
        }
        if self.engine.take_alarm() {
            self.host.actions.alarm = true;
        }
        // Also what was sealed in this turn already (by BGSAVE, or for a replica that asked) has not been shipped.
        if self.host.journal.has_open_bytes() || self.host.journal.receipt() != self.host.shipped {
            self.host.actions.flush = true;
        }
        if std::mem::take(&mut self.engine.emptied) {
            self.host.save_emptied(&mut self.engine);
        }
        if let Some(role) = self.host.new_role.take() {
            match role {
                NewRole::Primary => self.promote(),
                NewRole::ReplicaOf(host, port) => self.follow(&host, port),
            }
            self.host.apply_oom_score();
        }
    }

    /// Whether a client's last command waits.
    #[inline]
    pub fn is_suspended(&self, slot: usize) -> bool {
        self.engine.session(slot).is_some_and(|session| session.suspended)
    }

    /// Lets a suspended client go on.
    pub fn resume(&mut self, slot: usize) {
        self.host.resume(&mut self.engine, slot);
    }

    /// The time of CLIENT PAUSE is over.
    pub fn end_pause(&mut self) {
        self.host.client_pause.update(Pause::Nothing);
        self.host.pause_until_ms = 0;
        self.see_facts();
        self.resume_paused();
    }

    /// Lets all go on whose command had to wait. Those that have to all the same wait again.
    pub fn resume_paused(&mut self) {
        self.host.resume_paused(&mut self.engine);
    }

    // --- clients ---

    /// Why a client is not let in: the error line to send it.
    pub fn refuses_client(&self, local: bool) -> Option<&'static str> {
        let settings = &self.host.settings;
        if self.host.clients.count() >= settings.maxclients as usize {
            return Some("-ERR max number of clients reached\r\n");
        }
        if settings.protected_mode && self.engine.users.default_user().nopass && !local {
            return Some(concat!(
                "-DENIED Redis is running in protected mode because protected mode is enabled and no password is set for ",
                "the default user. In this mode connections are only accepted from the loopback interface. If you want to ",
                "connect from external computers, set a password with requirepass, or disable protected mode by sending ",
                "'CONFIG SET protected-mode no' from the loopback interface, or start the server with '--protected-mode no'.\r\n"
            ));
        }
        None
    }

    /// Registers a client that was let in, and returns its slot.
    pub fn add_client(&mut self, arrival: Arrival) -> usize {
        let slot = self.engine.connect();
        let client = Client::new(0, arrival, self.host.now.steady_ms() as i64);
        let settings = &self.host.settings;
        let may_debug = settings.enable_debug_command.allows(client.is_local());
        let may_load_modules = settings.enable_module_command.allows(client.is_local());
        let id = self.engine.session_mut(slot).map_or(0, |session| {
            session.may_debug = may_debug;
            session.may_load_modules = may_load_modules;
            session.address = client.monitor_address();
            session.id
        });
        self.host.stats.connections += 1;
        self.host.clients.add(slot, Client { id, ..client });
        self.limit_outbox(slot);
        slot
    }

    /// A client is gone.
    pub fn forget_client(&mut self, slot: usize) {
        self.host.replica_gone(&mut self.engine, slot);
        self.engine.disconnect(slot);
        self.host.clients.remove(slot);
        self.host.gated.retain(|other| *other != slot);
        self.host.paused.retain(|other| *other != slot);
        self.host.replication.waits.retain(|wait| wait.slot != slot);
        self.host.shutdown.forget(slot);
    }

    /// Says why a client is closed that sent rubbish.
    pub fn log_protocol_error(&self, slot: usize, error: &ProtocolError) {
        let Some(client) = self.host.clients.get(slot) else { return };
        if error.attack {
            tracing::warn!(
                "Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: commands to Redis. This is \
                 likely due to an attacker attempting to use Cross Protocol Scripting to compromise your Redis instance. \
                 Connection from {} aborted.",
                client.address
            );
        } else {
            tracing::debug!("Protocol error ({}) from client: {}", error.text, client.address);
        }
    }

    /// Says why a client is closed that sends a request without end.
    pub fn log_query_buffer_limit(&mut self, slot: usize) {
        self.host.stats.query_buffer_limit_disconnections += 1;
        if let Some(client) = self.host.clients.get(slot) {
            tracing::warn!(
                "Closing client that reached max query buffer length: {}",
                client.address
            );
        }
    }

    /// Says why a client is closed whose request finds no memory.
    pub fn log_no_memory(&self, slot: usize, have: usize) {
        if let Some(client) = self.host.clients.get(slot) {
            tracing::warn!(
                "Closing client for whose request of more than {have} bytes there is no memory: {}",
                client.address
            );
        }
    }
}

impl Outside {
    /// The longest argument taken, in bytes.
    #[inline]
    pub fn bulk_max(&self) -> i64 {
        self.settings.proto_max_bulk_len as i64
    }

    /// The most that all clients may take (`maxmemory-clients`), in bytes; 0 is no limit.
    #[inline]
    pub fn clients_limit(&self) -> u64 {
        match self.settings.maxmemory_clients {
            MemoryOrPercent::Bytes(bytes) => bytes,
            MemoryOrPercent::Percent(percent) => {
                (u128::from(self.settings.maxmemory) * u128::from(percent) / 100) as u64
            }
        }
    }

    /// Whether there is a limit to memory that is ours to keep. A replica leaves that to its primary, unless configured.
    pub fn is_limited(&self) -> bool {
        let ignored = self.replication.is_replica() && self.settings.replica_ignore_maxmemory;
        self.settings.maxmemory > 0 && !ignored
    }

    /// Bytes in use beyond `maxmemory`, without what is about to be freed and what does not count.
    pub(crate) fn excess(&mut self) -> u64 {
        let excess = self.excess_as_counted();
        if excess == 0 {
            return excess;
        }
        let freed = self.world.freeing().freed;
        if std::mem::replace(&mut self.freed_elsewhere, freed) == freed {
            return excess;
        }
        // Other threads gave something back since the allocator was asked.
        self.world.refresh_memory();
        self.excess_as_counted()
    }

    fn excess_as_counted(&self) -> u64 {
        let going = self.world.freeing().pending_bytes + self.clients.given_up_bytes();
        let counted = (self.world.memory_now() as u64).saturating_sub(going as u64);
        match counted.saturating_sub(self.settings.maxmemory) {
            0 => 0,
            excess => excess.saturating_sub(self.uncounted() as u64),
        }
    }

    /// Bytes that are used but are not data: what the journal holds for the disk and for replicas beyond its backlog.
    /// If it counted, deletions that wait to be sent would lead to more deletions.
    pub fn uncounted(&self) -> usize {
        let backlog = match self.journal.has_backlog() {
            true => self.settings.repl_backlog_size as usize,
            false => 0,
        };
        let feeds = self.replication.primary.feeds();
        let sending: usize = feeds.map(|(_, feed)| feed.held_bytes()).sum();
        self.journal.memory_bytes().saturating_sub(backlog) + sending
    }

    /// Gives the process the score of its role for when memory runs out; what fails is logged.
    pub fn apply_oom_score(&mut self) -> bool {
        let is_replica = self.replication.is_replica();
        self.world.apply_oom_score(&self.settings, is_replica)
    }

    /// Which commands wait: CLIENT PAUSE says so, or an end that waits for replicas.
    pub fn pause_in_force(&self) -> Pause {
        match *self.client_pause {
            Pause::Nothing if self.shutdown.pauses() => Pause::Writes,
            asked => asked,
        }
    }

    /// Lets a suspended client go on.
    pub fn resume(&mut self, engine: &mut Engine, slot: usize) {
        if let Some(session) = engine.session_mut(slot) {
            session.suspended = false;
            self.actions.wake(slot);
        }
    }

    /// The same for all whose command had to wait.
    pub fn resume_paused(&mut self, engine: &mut Engine) {
        for slot in std::mem::take(&mut self.paused) {
            self.resume(engine, slot);
        }
    }

    /// What replies need not wait for any more.
    #[inline]
    pub fn released(&self) -> OnDisk {
        self.persistence.released()
    }

    /// A client's replies wait for the disk: it is woken when that is through.
    pub fn wait_for_release(&mut self, slot: usize) {
        let now_ms = self.now.steady_ms();
        let Some(client) = self.clients.get_mut(slot) else { return };
        client.gated_since_ms.get_or_insert(now_ms);
        if !std::mem::replace(&mut client.gated, true) {
            self.gated.push(slot);
        }
    }

    /// There is another moment at which something is due.
    pub fn set_alarm(&mut self) {
        self.actions.alarm = true;
    }

    /// Closes a client's connection at once.
    pub fn kill(&mut self, slot: usize) {
        if let Some(client) = self.clients.get_mut(slot) {
            client.is_killed = true;
            self.world.close(slot);
        }
    }

    /// Whether a client's connection is closed, and its task has not ended yet.
    #[inline]
    pub fn is_killed(&self, slot: usize) -> bool {
        self.clients.get(slot).is_none_or(|client| client.is_killed)
    }

    /// A new, random name for a history.
    pub fn new_replication_id(&mut self) -> ReplicationId {
        ReplicationId::from_random(self.world.random())
    }

    /// Values freed by the other thread since the statistics were reset.
    pub fn lazy_freed(&self) -> u64 {
        self.world.freeing().freed - self.freed_before
    }

    /// Counts them anew.
    pub fn reset_lazy_freed(&mut self) {
        self.freed_before = self.world.freeing().freed;
    }

    /// The primary that we follow, or are about to.
    pub fn primary(&self) -> Option<crate::config::PrimaryAddress> {
        match &self.new_role {
            Some(NewRole::Primary) => None,
            Some(NewRole::ReplicaOf(host, port)) => {
                Some(crate::config::PrimaryAddress { host: host.clone(), port: *port })
            }
            None => self.replication.following().map(|following| crate::config::PrimaryAddress {
                host: following.host.clone(),
                port: following.port,
            }),
        }
    }

    /// Wakes the clients whose replies waited for the disk.
    pub fn wake_gated(&mut self) {
        for slot in std::mem::take(&mut self.gated) {
            if let Some(client) = self.clients.get_mut(slot) {
                client.gated = false;
                self.actions.wake(slot);
            }
        }
    }

    /// Bytes came from a client.
    #[inline]
    pub fn note_input(&mut self, slot: usize, bytes: usize) {
        self.stats.input_bytes += bytes as u64;
        self.stats.reads += 1;
        if let Some(client) = self.clients.get_mut(slot) {
            client.input_total += bytes as u64;
            client.active = true;
        }
        // Also a newline of a replica that loads is a sign of life.
        if !self.replication.primary.is_empty() {
            self.replication.primary.heard(slot, self.now.steady_ms());
        }
    }

    /// Bytes went to a client.
    #[inline]
    pub fn note_output(&mut self, slot: usize, bytes: usize) {
        self.stats.output_bytes += bytes as u64;
        self.stats.writes += 1;
        if let Some(client) = self.clients.get_mut(slot) {
            client.output_total += bytes as u64;
            if let Some(since_ms) = client.gated_since_ms.take() {
                let waited_ms = self.now.steady_ms().saturating_sub(since_ms);
                self.release_wait_ms = self.release_wait_ms.max(waited_ms);
            }
        }
    }

    /// Appends to the journal what belongs to no database.
    pub fn journal_control(&mut self, bytes: &[u8]) {
        assert!(!self.replication.is_replica(), "a replica's stream is its primary's alone");
        self.journal.append_raw(Kind::Control, bytes);
        self.actions.flush = true;
    }
}

impl Outside {
    /// What the engine has carried for us: where a session's last unit went.
    #[inline]
    pub fn recall(&self, carried: engine::host::Receipt) -> Receipt {
        self.journal.recall(carried.note())
    }

    /// Whether clients let replicas have a turn before they go on: many connections with deep pipelines write more in one round
    /// of turns than a replica's socket takes in one, and it would fall behind though it is quicker than we are.
    #[inline]
    pub fn feeds_come_first(&self) -> bool {
        self.journal.end().since(self.shipped.offset) > FEED_BYTES
            && !self.replication.primary.is_empty()
    }

    /// The journal was shipped.
    pub fn note_shipped(&mut self) {
        self.shipped = self.journal.receipt();
    }

    /// Appends what our primary sent, verbatim.
    pub fn journal_verbatim(&mut self, kind: Kind, bytes: &[u8]) {
        self.journal.append_raw(kind, bytes);
        self.actions.flush = true;
    }
}

/// What a replica's connection sends next.
pub type Outbound = VecDeque<Bytes>;
