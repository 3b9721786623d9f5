//! The node: all state of the process, and the turns in which it changes.
//!
//! Everything runs on one thread; tasks share the node by `Rc<RefCell<…>>` and borrow it for a turn at a time, never across an
//! await.
//!
//! ```text
//! connection's turn: begin_turn ─► engine executes ─► end_turn ─► flusher's turn: journal ─► disk, replicas
//! ```
//!
//! The flusher is woken by the first write of a loop iteration and runs after all connections that were ready: so one
//! iteration's writes go to disk and to each replica together.

use crate::admin::replicaof::NewRole;
use crate::child::Child;
use crate::clients::{Client, Clients, InputBytes};
use crate::clock;
use crate::config::{MemoryOrPercent, Settings};
use crate::conversation::OtherServers;
use crate::eventloop;
use crate::facts::{Changed, Fact};
use crate::lazy::LazyFree;
use crate::net::handle::Handle;
use crate::net::stream::Stream;
use crate::oom::OomScore;
use crate::persistence::Persistence;
use crate::process::supervisor::Supervisor;
use crate::process::title::Title;
use crate::rates::Rates;
use crate::replication::Replication;
use crate::shutdown::Shutdown;
use bytes::Bytes;
use engine::Engine;
use engine::context::{Context, Done};
use engine::engine::Pause;
use engine::host::{Answers, Conversation, EntryKind, Host, HostCall};
use engine::refusal::Refusal;
use engine::session::Peer;
use journal::release::OnDisk;
use journal::{Journal, Kind, Receipt, ReplicationId};
use protocol::resp::{Args, Batch, ProtocolError};
use replica::feed::Feed;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use tokio::sync::Notify;

/// The node as tasks share it.
pub type SharedNode = Rc<RefCell<Node>>;

/// Bytes of a buffer of turns that are kept though nobody needs them.
const SCRATCH_KEPT: usize = 64 << 10;

/// Bytes of the stream that are not shipped yet after which replicas get a turn before clients go on: less than a socket takes.
const FEED_BYTES: u64 = 512 << 10;

/// Buffers that every turn uses and gives back.
#[derive(Default)]
pub struct Scratch {
    /// What was read.
    pub input: Vec<u8>,
    /// What is answered.
    pub output: Vec<u8>,
    /// The requests found.
    pub batch: Batch,
}

/// Counters of the outside; see INFO.
#[derive(Default)]
pub struct HostStats {
    pub connections: u64,
    pub rejected_connections: u64,
    pub input_bytes: u64,
    pub output_bytes: u64,
    pub repl_input_bytes: u64,
    pub repl_output_bytes: u64,
    pub sync_full: u64,
    pub sync_partial_ok: u64,
    pub sync_partial_err: u64,
    pub query_buffer_limit_disconnections: u64,
    pub output_buffer_limit_disconnections: u64,
    pub evicted_clients: u64,
    /// Reads from sockets that brought something, and writes to them that took something.
    pub reads: u64,
    pub writes: u64,
    pub sweeps_cut_short: u64,
    /// Time spent on removing expired keys, microseconds.
    pub sweep_us: u64,
}

impl HostStats {
    /// Bytes received in all: from clients, and from the primary.
    pub fn all_input_bytes(&self) -> u64 {
        self.input_bytes + self.repl_input_bytes
    }

    /// Bytes came from the primary.
    pub fn note_link_input(&mut self, bytes: usize) {
        self.repl_input_bytes += bytes as u64;
        self.reads += 1;
    }
}

/// Everything but the data.
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
    /// Buffers of a turn.
    pub scratch: Scratch,
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
    /// Wakes the flusher.
    pub flush: Rc<Notify>,
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
    /// Wakes the task that ends pauses.
    pub unpaused: Rc<Notify>,
    /// Wakes the task that acts at a certain moment.
    pub alarm: Rc<Notify>,
    /// What `ps` shows of us, if that is ours to say.
    pub title: Option<Title>,
    /// Who started us and wants to hear how we are.
    pub supervisor: Supervisor,
    /// How soon the kernel ends this process.
    pub oom: OomScore,
    /// Connections that MIGRATE keeps.
    pub other_servers: OtherServers,
    /// Tasks that accept TCP connections.
    pub listeners: Vec<tokio::task::AbortHandle>,
    /// The node itself, for tasks that outlive a turn.
    pub myself: Weak<RefCell<Node>>,
    /// What had been journaled when the journal was last shipped.
    shipped: Receipt,
    /// What [`LazyFree::freed`] was when it was last looked at.
    freed_elsewhere: u64,
    /// Slots of clients whose replies wait for the disk.
    gated: Vec<usize>,
    lazy: LazyFree,
}

/// Who this process is.
pub struct Identity {
    /// 40 hexadecimal characters, new with every start.
    pub run_id: String,
    /// When it started: a moment of the steady clock, milliseconds.
    pub started_ms: i64,
}

/// All state of the process.
pub struct Node {
    /// Data and sessions.
    pub engine: Engine,
    /// Everything else.
    pub host: Outside,
}

impl Node {
    /// A node without data.
    pub fn new(settings: Settings, config_file: Option<std::path::PathBuf>) -> Node {
        let mut engine = Engine::new(settings.databases as usize, rand::random());
        engine.now_ms = clock::unix_ms();
        engine.set_ticks(clock::monotonic_ns());
        let id = new_replication_id();
        let identity =
            Identity { run_id: new_replication_id().to_string(), started_ms: engine.steady_ms };
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
                scratch: Scratch { input: Vec::with_capacity(SCRATCH_KEPT), ..Scratch::default() },
                stats: HostStats::default(),
                paused: Vec::new(),
                client_pause: Fact::new(Pause::Nothing, &changed),
                pause_until_ms: 0,
                flush: Rc::new(Notify::new()),
                shutdown: Shutdown::new(&changed),
                identity,
                new_role: None,
                settings_changed: false,
                rates: Rates::default(),
                cron_paused: false,
                unpaused: Rc::new(Notify::new()),
                alarm: Rc::new(Notify::new()),
                title: None,
                supervisor: Supervisor::Nobody,
                oom: OomScore::default(),
                other_servers: OtherServers::default(),
                listeners: Vec::new(),
                myself: Weak::new(),
                shipped: Receipt::NOTHING,
                freed_elsewhere: 0,
                gated: Vec::new(),
                lazy: LazyFree::start(),
                changed,
            },
        };
        node.apply_settings();
        node
    }

    /// Brings what the engine needs to know of the configuration up to date.
    pub fn apply_settings(&mut self) {
        let settings = &self.host.settings;
        crate::memory::set_background_thread(settings.jemalloc_bg_thread);
        crate::config_apply::to_engine(settings, &mut self.engine);
        self.host.journal.resize_backlog(settings.repl_backlog_size);
        self.host.begin_second(self.engine.now_ms);
        self.see_facts();
    }

    /// Begins a turn: the time stands still during it, and what commands may do follows from how things are.
    #[inline]
    pub fn begin_turn(&mut self) {
        let now_ms = clock::unix_ms();
        // Asking the allocator takes longer than a command: in between, this thread's own use is counted.
        if now_ms != self.engine.now_ms && self.engine.eviction.limited {
            crate::memory::refresh();
        }
        if now_ms >= self.host.persistence.second.ends_ms {
            self.host.begin_second(now_ms);
        }
        self.engine.now_ms = now_ms;
        self.see_facts();
    }

    /// Begins a turn in which time matters though no request is executed: a timer's, or a task's that has waited.
    pub fn begin_timer_turn(&mut self) {
        self.begin_turn();
        self.engine.set_ticks(clock::monotonic_ns());
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
        eventloop::note_turn(self.engine.stats.commands);
        self.engine.end_tracking_turn();
        if !self.engine.woken.is_empty() {
            for slot in std::mem::take(&mut self.engine.woken) {
                self.host.clients.wake(slot);
            }
        }
        if !self.engine.garbage.is_empty() || !self.engine.garbage_dbs.is_empty() {
            let values = std::mem::take(&mut self.engine.garbage);
            let dbs = std::mem::take(&mut self.engine.garbage_dbs);
            let bytes = std::mem::take(&mut self.engine.eviction.handed_over);
            self.host.lazy.free(values, dbs, bytes);
        }
        if self.engine.take_alarm() {
            self.host.set_alarm();
        }
        // Also what was sealed in this turn already (by BGSAVE, or for a replica that asked) has not been shipped.
        if self.host.journal.has_open_bytes() || self.host.journal.receipt() != self.host.shipped {
            self.host.flush.notify_one();
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
        if self.host.clients.len() >= settings.maxclients as usize {
            return Some("-ERR max number of clients reached\r\n");
        }
        if settings.protected_mode && settings.requirepass.is_empty() && !local {
            return Some(concat!(
                "-DENIED Redis is running in protected mode because protected mode is enabled and no password is set for ",
                "the default user. In this mode connections are only accepted from the loopback interface. If you want to ",
                "connect from external computers, set a password with requirepass, or disable protected mode by sending ",
                "'CONFIG SET protected-mode no' from the loopback interface, or start the server with '--protected-mode no'.\r\n"
            ));
        }
        None
    }

    /// Registers a client that was let in.
    pub fn add_client(&mut self, stream: &Stream, handle: Rc<Handle>) -> usize {
        let slot = self.engine.connect();
        let now_ms = clock::monotonic_ms() as i64;
        let mut client = Client::new(0, stream.addresses(), stream.number(), handle, now_ms);
        client.is_unix = matches!(stream, Stream::Unix(_));
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
        self.replica_gone(slot);
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

    /// What a client's buffers take after its turn. Above `maxmemory-clients` the clients that take the most go.
    #[inline]
    pub fn note_buffers(&mut self, slot: usize, input: InputBytes, output: usize) {
        let Some(client) = self.host.clients.get_mut(slot) else { return };
        client.input = input;
        client.output_room = output;
        self.limit_outbox(slot);
        let most = self.host.clients_limit();
        if most > 0 {
            self.count_client(slot);
            self.evict_clients(most);
        }
    }

    fn count_client(&mut self, slot: usize) {
        let Some(session) = self.engine.session(slot) else { return };
        let counts = session.peer == Peer::Client && !session.no_evict && !session.monitor;
        let client =
            self.host.clients.get(slot).filter(|client| counts && !client.handle.is_killed());
        let bytes = client.map_or(0, |client| client.memory_bytes(session));
        self.host.clients.count_bytes(slot, bytes);
    }

    /// Counts all clients: the limit may be another than when they were last looked at.
    fn recount_clients(&mut self) {
        let most = self.host.clients_limit();
        let slots: Vec<usize> = self.host.clients.iter().map(|(slot, _)| slot).collect();
        slots.iter().for_each(|slot| self.limit_outbox(*slot));
        if most > 0 {
            slots.into_iter().for_each(|slot| self.count_client(slot));
            self.evict_clients(most);
        }
    }

    /// Closes clients until all that count take no more than `most` bytes.
    fn evict_clients(&mut self, most: u64) {
        while self.host.clients.counted_bytes() as u64 > most {
            let Some(slot) = self.host.clients.largest() else { return };
            if let (Some(client), Some(session)) =
                (self.host.clients.get(slot), self.engine.session(slot))
            {
                let line = crate::admin::client::line(client, session, self.engine.steady_ms, 0);
                tracing::info!("Evicting client: {line}");
                client.handle.kill();
            }
            self.host.clients.give_up(slot);
            self.host.stats.evicted_clients += 1;
        }
    }

    /// Closes a client whose replies pile up beyond its class's limits.
    #[inline]
    pub fn check_output(&mut self, slot: usize, bytes: usize) {
        let Some(client) = self.host.clients.get_mut(slot) else { return };
        client.output_bytes = bytes;
        match bytes {
            0 => client.soft_limit_since_ms = None,
            _ => self.check_output_limit(slot),
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
    fn excess(&mut self) -> u64 {
        let excess = self.excess_as_counted();
        let freed = self.lazy.freed();
        if excess == 0 || std::mem::replace(&mut self.freed_elsewhere, freed) == freed {
            return excess;
        }
        // Other threads gave something back since the allocator was asked.
        crate::memory::refresh();
        self.excess_as_counted()
    }

    fn excess_as_counted(&self) -> u64 {
        let going = self.lazy.pending_bytes() + self.clients.given_up_bytes();
        let counted = (crate::memory::used_now() as u64).saturating_sub(going as u64);
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
        let sending: usize = self.replication.replicas.values().map(Feed::held_bytes).sum();
        self.journal.memory_bytes().saturating_sub(backlog) + sending
    }

    /// Gives the process the score of its role for when memory runs out; what fails is logged.
    pub fn apply_oom_score(&mut self) -> bool {
        let is_replica = self.replication.is_replica();
        self.oom.apply(&self.settings, is_replica).is_ok()
    }

    /// Gives back what unusually large requests and replies have left in the buffers of turns.
    pub fn trim_scratch(&mut self) {
        self.scratch.input.shrink_to(SCRATCH_KEPT);
        self.scratch.output.shrink_to(SCRATCH_KEPT);
        self.scratch.batch.trim();
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
            self.clients.wake(slot);
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
        let Some(client) = self.clients.get_mut(slot) else { return };
        if !std::mem::replace(&mut client.gated, true) {
            self.gated.push(slot);
        }
    }

    /// Lets the task that acts at certain moments know that there is another one.
    pub fn set_alarm(&self) {
        self.alarm.notify_one();
    }

    /// Values freed by the other thread since the statistics were reset.
    pub fn lazy_freed(&self) -> u64 {
        self.lazy.counted()
    }

    /// Counts them anew.
    pub fn reset_lazy_freed(&mut self) {
        self.lazy.reset();
    }

    /// Values that wait to be freed.
    pub fn lazy_pending(&self) -> u64 {
        self.lazy.pending()
    }

    /// The primary that we follow, or are about to.
    pub fn primary(&self) -> Option<crate::config::PrimaryAddress> {
        match &self.new_role {
            Some(NewRole::Primary) => None,
            Some(NewRole::ReplicaOf(host, port)) => {
                Some(crate::config::PrimaryAddress { host: host.clone(), port: *port })
            }
            None => self.replication.link().map(|link| crate::config::PrimaryAddress {
                host: link.host.clone(),
                port: link.port,
            }),
        }
    }

    /// Wakes the clients whose replies waited for the disk.
    pub fn wake_gated(&mut self) {
        for slot in std::mem::take(&mut self.gated) {
            if let Some(client) = self.clients.get_mut(slot) {
                client.gated = false;
                client.handle.wake();
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
        if !self.replication.replicas.is_empty()
            && let Some(replica) = self.replication.replicas.get_mut(&slot)
        {
            replica.hear(clock::monotonic_ms());
        }
    }

    /// Bytes went to a client.
    #[inline]
    pub fn note_output(&mut self, slot: usize, bytes: usize) {
        self.stats.output_bytes += bytes as u64;
        self.stats.writes += 1;
        if let Some(client) = self.clients.get_mut(slot) {
            client.output_total += bytes as u64;
        }
    }

    /// Appends to the journal what belongs to no database.
    pub fn journal_control(&mut self, bytes: &[u8]) {
        assert!(!self.replication.is_replica(), "a replica's stream is its primary's alone");
        self.journal.append_raw(Kind::Control, bytes);
        self.flush.notify_one();
    }
}

impl Host for Outside {
    #[inline]
    fn excess_bytes(&mut self) -> u64 {
        self.excess()
    }

    #[inline]
    fn ticks_ns(&mut self) -> u64 {
        clock::monotonic_ns()
    }

    #[inline]
    fn journal(
        &mut self,
        dbs: (usize, usize),
        kind: EntryKind,
        unit: &[u8],
    ) -> engine::host::Receipt {
        let kind = match kind {
            EntryKind::Effect => Kind::Effect,
            EntryKind::Control => Kind::Control,
            EntryKind::Local => Kind::Local,
        };
        assert!(
            kind == Kind::Local || !self.replication.is_replica(),
            "a replica's stream is its primary's alone"
        );
        self.journal.append(kind, dbs, unit);
        engine::host::Receipt::new(self.journal.receipt().to_note())
    }

    fn converse(&mut self, conversation: &Conversation<'_>) -> Answers {
        self.other_servers.converse(conversation)
    }

    fn perform(
        &mut self,
        call: HostCall,
        context: &mut Context<'_>,
        args: Args<'_>,
    ) -> Result<Done, Refusal> {
        let done = crate::admin::perform(self, call, context, args);
        // What is executed behind it in this turn, or in its transaction, goes by what it changed.
        self.see_facts(context.engine);
        done
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
            && !self.replication.replicas.is_empty()
    }

    /// The journal was shipped.
    pub fn note_shipped(&mut self) {
        self.shipped = self.journal.receipt();
    }

    /// Appends what our primary sent, verbatim.
    pub fn journal_verbatim(&mut self, kind: Kind, bytes: &[u8]) {
        self.journal.append_raw(kind, bytes);
        self.flush.notify_one();
    }
}

/// A new, random name for a history or a process.
pub fn new_replication_id() -> ReplicationId {
    ReplicationId::from_random(rand::random())
}

/// What a replica's connection sends next.
pub type Outbound = VecDeque<Bytes>;
