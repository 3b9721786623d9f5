//! The state that commands work on: databases, sessions, channels, settings.
//!
//! # Invariants
//! - a session that is executing a command is not in its slot: its handler holds it
//!
//! # Not here
//! - the rules of what may run when: [`crate::dispatch`]
//! - keys, one by one: `access`; those whose time has come: `sweep`; those that somebody watches: `watch`

use crate::acl::users::Users;
use crate::blocking::Waiters;
use crate::command::Spec;
use crate::eviction::Eviction;
use crate::latency::Latency;
use crate::messages::{EventSettings, Message};
use crate::names::Names;
use crate::random::Random;
use crate::refused::Refusals;
use crate::scripting::Scripts;
use crate::session::{OutboxLimits, Session, SessionId};
use crate::slowlog::Slowlog;
use crate::statistics::Stats;
use crate::tables::Unordered;
use crate::tracking::Tracking;
use crate::unit::Unit;
use crate::watch::Watches;
use keyspace::db::Db;
use keyspace::entry::Value;
use keyspace::limits::Limits;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the outside allows; a refusal here stops commands before they run.
#[derive(Default)]
pub struct Conditions {
    /// Data is being loaded.
    pub loading: bool,
    /// We are a replica, writes of clients are refused.
    pub read_only: bool,
    /// We are a replica, and stale data must not be served.
    pub stale: bool,
    /// Writes are refused because the disk is: the text after `MISCONF `.
    pub disk_error: Option<String>,
    /// More memory is used than allowed: commands that may need more are refused.
    pub out_of_memory: bool,
    /// Writes are refused because too few replicas are there.
    pub too_few_replicas: bool,
    /// Commands wait: CLIENT PAUSE, or a failover.
    pub pause: Pause,
    /// Commands that may write wait: too much waits for the disk already.
    pub disk_is_late: bool,
}

/// Which commands of clients wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pause {
    /// None.
    #[default]
    Nothing,
    /// Those that may write.
    Writes,
    /// All.
    All,
}

/// The state that commands work on.
pub struct Engine {
    /// The databases.
    pub dbs: Vec<Db>,
    /// When a small form becomes a large one.
    pub limits: Limits,
    /// Milliseconds since 1970. See [`Engine::set_time`].
    pub now_ms: i64,
    /// Milliseconds of a clock that never goes back nor jumps: what waits or lasts goes by it. See [`Engine::set_time`].
    pub steady_ms: i64,
    /// Set by the host: nobody reads the journal, so nothing is encoded.
    pub nobody_reads: bool,
    /// A child shares the memory.
    pub(crate) memory_shared: bool,
    /// Whether we follow a primary: keys expire only by its word.
    pub is_replica: bool,
    /// What the outside allows.
    pub conditions: Conditions,
    /// What goes when memory is short.
    pub eviction: Eviction,
    /// Counters.
    pub stats: Stats,
    /// Whether it is recorded how long each command takes (`latency-tracking`).
    pub tracks_latency: bool,
    /// Commands that took long.
    pub slowlog: Slowlog,
    /// Moments in which something took long.
    pub latency: Latency,
    /// How long a command takes, in nanoseconds, that the slow log is to have; and one that is to be looked at at all.
    pub(crate) slow_ns: u64,
    pub(crate) long_ns: u64,
    /// Changes since the last save.
    pub dirty: u64,
    /// What clients may call commands, if that was changed (`rename-command`).
    pub names: Option<Arc<Names>>,
    /// Who there may be, and what each may do.
    pub users: Users,
    /// The longest string, in bytes (`proto-max-bulk-len`).
    pub string_max: u64,
    /// Replicas and files are told to UNLINK what is removed on the way (`lazyfree-lazy-server-del`), not to DEL it.
    pub unlinks_removed: bool,
    /// The same for what has expired (`lazyfree-lazy-expire`).
    pub unlinks_expired: bool,
    /// Payloads of RESTORE are taken whatever their checksums are (DEBUG SET-SKIP-CHECKSUM-VALIDATION).
    pub skips_checksums: bool,
    /// Whether keys expire by themselves (DEBUG SET-ACTIVE-EXPIRE).
    pub active_expire: bool,
    /// Classes of keyspace events that are published, as bits of [`crate::context::Class`]; with the two kinds of channels.
    pub events: EventSettings,
    /// Scripts and functions.
    pub scripts: Scripts,
    /// Values that are to be freed elsewhere.
    pub garbage: Vec<Value>,
    /// Databases that are to be freed elsewhere.
    pub garbage_dbs: Vec<Db>,
    /// What was just executed takes effect when the turn ends: the next request is one of the next turn.
    pub yields: bool,
    /// FLUSHALL was executed in this turn: the host saves that, if it saves at all.
    pub emptied: bool,
    /// Most keys that client tracking remembers (`tracking-table-max-keys`).
    pub tracking_table_max: u64,
    /// Slots of sessions whose outbox got something and had nothing before.
    pub woken: Vec<usize>,
    /// The last command that was begun, and the slot of its session.
    pub(crate) last_command: Option<(&'static Spec, usize)>,
    /// When the last command ended, as [`Host::ticks_ns`] tells.
    pub(crate) tick_ns: u64,
    /// The tick from which on the present millisecond is over.
    pub(crate) time_goes_on_ns: u64,
    pub(crate) unit: Unit,
    /// What our primary or a file said in this batch and was not done.
    pub(crate) refused: Refusals,
    pub(crate) channels: Unordered<Vec<u8>, Vec<usize>>,
    pub(crate) patterns: BTreeMap<Vec<u8>, Vec<usize>>,
    pub(crate) shard_channels: Unordered<Vec<u8>, Vec<usize>>,
    /// Messages for the sessions that are executing a command right now.
    pub(crate) late: Vec<(usize, Message)>,
    /// Bytes of what these consist of, those that were not kept among them; and the most that are kept.
    pub(crate) late_bytes: usize,
    pub(crate) late_limits: OutboxLimits,
    pub(crate) tracking: Tracking,
    /// What a message is written into before it goes to an outbox.
    pub(crate) message: Vec<u8>,
    /// Slots of those who see every command.
    pub(crate) monitors: Vec<usize>,
    pub(crate) watches: Watches,
    pub(crate) waiters: Waiters,
    sessions: Vec<Option<Box<Session>>>,
    slots_by_id: BTreeMap<SessionId, usize>,
    free_slots: Vec<usize>,
    next_id: SessionId,
    random: Random,
    pub(crate) sweep: (usize, u64),
    /// Keys with an expiry that clients wrote to a replica: the primary knows nothing of them, so they are ours to expire.
    pub(crate) own_expiring: BTreeSet<(usize, Vec<u8>)>,
    /// Where the next part of them begins that is looked at.
    pub(crate) own_sweep: (usize, Vec<u8>),
    /// Keys that commands looked at, and those that they changed.
    #[cfg(test)]
    pub(crate) touched: [Vec<Vec<u8>>; 2],
}

impl Engine {
    /// An engine with so many empty databases; `seed` starts its random choices.
    pub fn new(databases: usize, seed: u64) -> Engine {
        Engine {
            dbs: (0..databases).map(|_| Db::new()).collect(),
            limits: Limits::default(),
            now_ms: 0,
            steady_ms: 0,
            nobody_reads: true,
            memory_shared: false,
            is_replica: false,
            conditions: Conditions::default(),
            eviction: Eviction::default(),
            stats: Stats::default(),
            tracks_latency: true,
            slowlog: Slowlog::default(),
            latency: Latency::default(),
            slow_ns: u64::MAX,
            long_ns: u64::MAX,
            dirty: 0,
            names: None,
            users: Users::default(),
            string_max: 512 << 20,
            unlinks_removed: false,
            unlinks_expired: false,
            skips_checksums: false,
            active_expire: true,
            events: EventSettings::default(),
            scripts: Scripts::default(),
            garbage: Vec::new(),
            garbage_dbs: Vec::new(),
            yields: false,
            emptied: false,
            tracking_table_max: u64::MAX,
            woken: Vec::new(),
            last_command: None,
            tick_ns: 0,
            // Whoever does not say what the time is has none that passes.
            time_goes_on_ns: u64::MAX,
            unit: Unit::default(),
            refused: Refusals::default(),
            channels: Unordered::default(),
            patterns: BTreeMap::new(),
            shard_channels: Unordered::default(),
            late: Vec::new(),
            late_bytes: 0,
            late_limits: OutboxLimits::default(),
            tracking: Tracking::default(),
            message: Vec::new(),
            monitors: Vec::new(),
            watches: Watches::default(),
            waiters: Waiters::default(),
            sessions: Vec::new(),
            slots_by_id: BTreeMap::new(),
            free_slots: Vec::new(),
            next_id: 1,
            random: Random::new(seed),
            sweep: (0, 0),
            own_expiring: BTreeSet::new(),
            own_sweep: Default::default(),
            #[cfg(test)]
            touched: Default::default(),
        }
    }

    /// A random word.
    pub fn draw(&mut self) -> u64 {
        self.random.draw()
    }

    /// The last command that was begun, and the slot of its session: what a crash log names.
    pub fn last_command(&self) -> Option<(&'static Spec, usize)> {
        self.last_command
    }

    /// Random words for choices to be made while the engine is borrowed.
    pub fn draws(&mut self) -> impl FnMut() -> u64 + use<> {
        let mut random = Random::new(self.draw());
        move || random.draw()
    }

    /// Seconds since 1970, 24 bits: the access clock under all policies that do not count uses.
    #[inline]
    pub fn seconds(&self) -> u32 {
        (self.now_ms as u64 / 1000) as u32 & 0xff_ffff
    }

    /// Minutes since 1970: what access clocks that count uses are made of.
    pub fn minutes(&self) -> u64 {
        self.now_ms as u64 / 60_000
    }

    /// Says whether a child shares the memory, a snapshot's for instance: what can be put off is not written then.
    pub fn set_memory_shared(&mut self, shared: bool) {
        self.memory_shared = shared;
        self.dbs.iter_mut().for_each(|db| db.set_dense(shared));
    }

    // --- sessions ---

    /// Makes a session and returns its slot.
    pub fn connect(&mut self) -> usize {
        let mut session = Box::new(Session::new(self.next_id));
        self.next_id += 1;
        session.account = self.first_account();
        let slot = self.free_slots.pop().unwrap_or_else(|| {
            self.sessions.push(None);
            self.sessions.len() - 1
        });
        session.slot = slot;
        self.slots_by_id.insert(session.id, slot);
        self.sessions[slot] = Some(session);
        slot
    }

    /// Ends a session: its subscriptions and watched keys are dropped.
    pub fn disconnect(&mut self, slot: usize) {
        let mut session = self.take_session(slot);
        self.withdraw_from_all(&mut session);
        self.slots_by_id.remove(&session.id);
        if self.leaves_script_behind(&session) {
            // Its slot is its own until the script has ended.
            self.return_session(session);
        } else {
            self.free_slots.push(slot);
        }
    }

    /// A session's connection is closed, and it keeps its slot until it is [disconnected](Self::disconnect): it gets and hears
    /// nothing any more.
    pub fn withdraw(&mut self, slot: usize) {
        let mut session = self.take_session(slot);
        self.withdraw_from_all(&mut session);
        self.return_session(session);
    }

    /// A session whose client is gone since long does nothing any more.
    pub(crate) fn give_up(&mut self, mut session: Box<Session>) {
        self.withdraw_from_all(&mut session);
        self.late.retain(|(slot, _)| *slot != session.slot);
        self.free_slots.push(session.slot);
    }

    fn withdraw_from_all(&mut self, session: &mut Session) {
        self.forget_waiter(session);
        self.unwatch_all(session);
        self.unsubscribe_all(session);
        self.stop_tracking(session);
        self.stop_monitor(session);
    }

    /// The slot of the session with that id.
    pub fn slot_of(&self, id: SessionId) -> Option<usize> {
        self.slots_by_id.get(&id).copied()
    }

    /// Takes a session out of its slot to execute a command.
    #[inline]
    pub fn take_session(&mut self, slot: usize) -> Box<Session> {
        let session =
            self.sessions[slot].take().expect("a session is in its slot between commands");
        self.late_limits = session.outbox_limits;
        session
    }

    /// Puts it back.
    #[inline]
    pub fn return_session(&mut self, mut session: Box<Session>) {
        let slot = session.slot;
        if !self.late.is_empty() {
            let mut late = Vec::new();
            self.deliver_late(&mut session, &mut late);
            if session.add_message(&late) {
                self.woken.push(slot);
            }
        }
        debug_assert!(self.sessions[slot].is_none());
        self.sessions[slot] = Some(session);
    }

    /// A session that is in its slot.
    pub fn session(&self, slot: usize) -> Option<&Session> {
        self.sessions.get(slot)?.as_deref()
    }

    /// A session that is in its slot.
    pub fn session_mut(&mut self, slot: usize) -> Option<&mut Session> {
        self.sessions.get_mut(slot)?.as_deref_mut()
    }

    /// Puts other data in place of all there is: the one way for data that come from elsewhere (a file, a full sync).
    ///
    /// Whoever has an eye on a key learns of it: transactions that watch one are spoilt unless it is missing before and
    /// after, clients that track are told to forget all (`executing` among them, which is not in its slot), and for
    /// clients that wait every key has changed: the host calls [`Engine::serve_waiters`] once it is done. What is wrong
    /// with libraries of functions that cannot be run comes back.
    pub fn replace_data(
        &mut self,
        mut dbs: Vec<Db>,
        functions: Vec<Vec<u8>>,
        executing: Option<&Session>,
    ) -> Vec<String> {
        assert!(!self.is_paused_in_script(), "nothing changes behind a script's back");
        assert_eq!(dbs.len(), self.dbs.len(), "sessions have selected some of them");
        for (db, replacement) in dbs.iter().enumerate() {
            self.waiters.note_all(db);
            self.spoil_all(db, |engine, key| engine.is_there_in(replacement, key));
        }
        self.invalidate_all(executing);
        dbs.iter_mut().for_each(|db| db.set_dense(self.memory_shared));
        let old = std::mem::replace(&mut self.dbs, dbs);
        self.garbage_dbs.extend(old);
        self.own_expiring.clear();
        self.sweep = (0, 0);
        self.replace_functions(functions)
    }

    /// All sessions that are in their slots.
    pub(crate) fn sessions_mut(&mut self) -> impl Iterator<Item = &mut Session> {
        self.sessions.iter_mut().filter_map(|session| session.as_deref_mut())
    }

    /// All sessions that are in their slots.
    pub fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.sessions.iter().filter_map(|session| session.as_deref())
    }
}
