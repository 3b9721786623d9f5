//! The state that commands work on: databases, sessions, watched keys, channels.
//!
//! # Invariants
//! - a session that is executing a command is not in its slot: its handler holds it
//! - `watchers` holds exactly the keys in the sessions' lists of watched keys
//!
//! # Not here
//! - the rules of what may run when: [`crate::dispatch`]

use crate::blocking::Waiters;
use crate::context::{Class, Key, Scope};
use crate::eviction::Eviction;
use crate::host::{EntryKind, Host, Receipt};
use crate::messages::{EventSettings, Message};
use crate::names::Names;
use crate::random::Random;
use crate::refusal::Refusal;
use crate::refused::Refusals;
use crate::session::{OutboxLimits, Session, SessionId};
use crate::statistics::Stats;
use crate::tracking::Tracking;
use keyspace::db::{Collection, Db, EntryRef, Sum, WrongType};
use keyspace::entry::Value;
use keyspace::eviction::Frequency;
use keyspace::limits::Limits;
use protocol::resp::encode;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
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

/// The effects of the request that is being executed.
#[derive(Default)]
pub(crate) struct Unit {
    bytes: Vec<u8>,
    /// Commands in `bytes`.
    pub count: u32,
    /// The handler said what the effect is.
    pub stated: bool,
    /// Its commands need not happen together: keys that a scan came upon and found expired.
    pub loose: bool,
    /// The databases that the first and the last command belong to.
    dbs: (usize, usize),
}

impl Unit {
    /// Adds one command that belongs to database `db`, with a SELECT before it if that is another than before.
    pub fn add(&mut self, db: usize, write: impl FnOnce(&mut Vec<u8>)) {
        if self.count == 0 {
            self.dbs = (db, db);
        } else if self.dbs.1 != db {
            self.dbs.1 = db;
            self.count += 1;
            let text = db.to_string();
            encode::command(&mut self.bytes, [&b"SELECT"[..], text.as_bytes()].into_iter());
        }
        self.count += 1;
        write(&mut self.bytes);
    }

    pub fn clear(&mut self) {
        self.bytes.clear();
        self.count = 0;
        self.loose = false;
    }
}

/// The state that commands work on.
pub struct Engine {
    /// The databases.
    pub dbs: Vec<Db>,
    /// When a small form becomes a large one.
    pub limits: Limits,
    /// Milliseconds since 1970; set by the host before it executes anything.
    pub now_ms: i64,
    /// Milliseconds of a clock that never goes back nor jumps: what waits or lasts goes by it. See [`Engine::set_ticks`].
    pub steady_ms: i64,
    /// Set by the host: nobody reads the journal, so nothing is encoded.
    pub nobody_reads: bool,
    /// A child shares the memory.
    memory_shared: bool,
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
    /// Changes since the last save.
    pub dirty: u64,
    /// What clients may call commands, if that was changed (`rename-command`).
    pub names: Option<Arc<Names>>,
    /// Password that clients need, if any.
    pub password: Vec<u8>,
    /// The longest string, in bytes (`proto-max-bulk-len`).
    pub string_max: u64,
    /// Replicas and files are told to UNLINK what is removed on the way (`lazyfree-lazy-server-del`), not to DEL it.
    pub unlinks_removed: bool,
    /// The same for what has expired (`lazyfree-lazy-expire`).
    pub unlinks_expired: bool,
    /// Whether keys expire by themselves (DEBUG SET-ACTIVE-EXPIRE).
    pub active_expire: bool,
    /// Classes of keyspace events that are published, as bits of [`Class`]; with the two kinds of channels.
    pub events: EventSettings,
    /// Sources of function libraries, kept for the files that they came in.
    pub functions: Vec<Vec<u8>>,
    /// Values that are to be freed elsewhere.
    pub garbage: Vec<Value>,
    /// Databases that are to be freed elsewhere.
    pub garbage_dbs: Vec<Db>,
    /// FLUSHALL was executed in this turn: the host saves that, if it saves at all.
    pub emptied: bool,
    /// Most keys that client tracking remembers (`tracking-table-max-keys`).
    pub tracking_table_max: u64,
    /// Slots of sessions whose outbox got something and had nothing before.
    pub woken: Vec<usize>,
    /// When the last command ended, as [`Host::ticks_ns`] tells.
    pub(crate) tick_ns: u64,
    pub(crate) unit: Unit,
    /// What our primary or a file said in this batch and was not done.
    pub(crate) refused: Refusals,
    pub(crate) channels: HashMap<Vec<u8>, Vec<usize>>,
    pub(crate) patterns: BTreeMap<Vec<u8>, Vec<usize>>,
    pub(crate) shard_channels: HashMap<Vec<u8>, Vec<usize>>,
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
    watchers: HashMap<(usize, Vec<u8>), Vec<Watcher>>,
    pub(crate) waiters: Waiters,
    spoiled: HashSet<SessionId>,
    sessions: Vec<Option<Box<Session>>>,
    slots_by_id: HashMap<SessionId, usize>,
    free_slots: Vec<usize>,
    next_id: SessionId,
    random: Random,
    sweep: (usize, u64),
    /// Keys with an expiry that clients wrote to a replica: the primary knows nothing of them, so they are ours to expire.
    own_expiring: BTreeSet<(usize, Vec<u8>)>,
    /// Where the next part of them begins that is looked at.
    own_sweep: (usize, Vec<u8>),
}

/// One that watches a key.
struct Watcher {
    id: SessionId,
    /// The key is there, but its time has come: that it goes is no change to this one.
    expired: bool,
}

/// What a use of a key does to its access clock.
struct Use {
    /// The clock of a key that is there stays as it is.
    unnoticed: bool,
    clock: UseClock,
}

enum UseClock {
    /// It is set to these seconds.
    At(u32),
    /// It counts one more.
    Counted { frequency: Frequency, minutes: u64, draw: u64 },
}

impl Use {
    /// The access clock of a new key.
    fn first(&self) -> u32 {
        match &self.clock {
            UseClock::At(seconds) => *seconds,
            UseClock::Counted { minutes, .. } => Frequency::first(*minutes),
        }
    }

    /// The access clock of a key that is there.
    #[inline]
    fn after(&self, entry: EntryRef<'_>) -> u32 {
        match &self.clock {
            _ if self.unnoticed => entry.clock(),
            UseClock::At(seconds) => *seconds,
            UseClock::Counted { frequency, minutes, draw } => {
                frequency.used(entry.clock(), *minutes, *draw)
            }
        }
    }
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
            dirty: 0,
            names: None,
            password: Vec::new(),
            string_max: 512 << 20,
            unlinks_removed: false,
            unlinks_expired: false,
            active_expire: true,
            events: EventSettings::default(),
            functions: Vec::new(),
            garbage: Vec::new(),
            garbage_dbs: Vec::new(),
            emptied: false,
            tracking_table_max: u64::MAX,
            woken: Vec::new(),
            tick_ns: 0,
            unit: Unit::default(),
            refused: Refusals::default(),
            channels: HashMap::new(),
            patterns: BTreeMap::new(),
            shard_channels: HashMap::new(),
            late: Vec::new(),
            late_bytes: 0,
            late_limits: OutboxLimits::default(),
            tracking: Tracking::default(),
            message: Vec::new(),
            monitors: Vec::new(),
            watchers: HashMap::new(),
            waiters: Waiters::default(),
            spoiled: HashSet::new(),
            sessions: Vec::new(),
            slots_by_id: HashMap::new(),
            free_slots: Vec::new(),
            next_id: 1,
            random: Random::new(seed),
            sweep: (0, 0),
            own_expiring: BTreeSet::new(),
            own_sweep: Default::default(),
        }
    }

    /// Says what [`Host::ticks_ns`] is. A batch of requests asks for itself.
    #[inline]
    pub fn set_ticks(&mut self, ticks_ns: u64) {
        self.steady_ms = (ticks_ns / 1_000_000) as i64;
        self.tick_ns = ticks_ns;
    }

    /// A random word.
    pub fn draw(&mut self) -> u64 {
        self.random.draw()
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

    /// What a use of a key does to its access clock.
    ///
    /// While a child shares the memory, readers must not make it copy page after page for the sake of the clocks.
    #[inline]
    fn using(&mut self, scope: Scope, key: Key<'_>) -> Use {
        let unnoticed = scope.no_touch || self.memory_shared || self.is_counted(key);
        Use { unnoticed, clock: self.use_clock() }
    }

    /// Whether the command has used the key before, and that is counted.
    #[inline]
    fn is_counted(&mut self, key: Key<'_>) -> bool {
        self.eviction.counts_uses() && self.eviction.is_counted(key.bytes)
    }

    #[inline]
    fn use_clock(&mut self) -> UseClock {
        if self.eviction.counts_uses() {
            let (minutes, draw) = (self.minutes(), self.draw());
            return UseClock::Counted { frequency: self.eviction.frequency, minutes, draw };
        }
        UseClock::At(self.seconds())
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
        session.authenticated = self.password.is_empty();
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
        self.forget_waiter(&mut session);
        self.unwatch_all(&mut session);
        self.unsubscribe_all(&mut session);
        self.stop_tracking(&mut session);
        self.stop_monitor(&mut session);
        self.slots_by_id.remove(&session.id);
        self.free_slots.push(slot);
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
    /// clients that wait every key has changed: the host calls [`Engine::serve_waiters`] once it is done.
    pub fn replace_data(
        &mut self,
        mut dbs: Vec<Db>,
        functions: Vec<Vec<u8>>,
        executing: Option<&Session>,
    ) {
        assert_eq!(dbs.len(), self.dbs.len(), "sessions have selected some of them");
        for (db, replacement) in dbs.iter().enumerate() {
            self.waiters.note_all(db);
            self.spoil_all(db, |engine, key| engine.is_there_in(replacement, key));
        }
        self.invalidate_all(executing);
        dbs.iter_mut().for_each(|db| db.set_dense(self.memory_shared));
        let old = std::mem::replace(&mut self.dbs, dbs);
        self.garbage_dbs.extend(old);
        self.functions = functions;
        self.own_expiring.clear();
        self.sweep = (0, 0);
    }

    /// All sessions that are in their slots.
    pub fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.sessions.iter().filter_map(|session| session.as_deref())
    }

    // --- keys ---

    /// Whether [`Engine::note_writer`] has to be told of a command that changed something.
    #[inline]
    pub(crate) fn wants_writers(&self, ours: bool) -> bool {
        self.is_replica && (ours || !self.own_expiring.is_empty())
    }

    /// Whether a key's expiry has come, and whether it may be removed for that.
    #[inline]
    fn is_due(&self, scope: Scope, entry: EntryRef<'_>) -> bool {
        !scope.sees_expired && entry.expiry().is_some_and(|at| at <= self.now_ms)
    }

    /// Whether a key must not be seen, as its time has come. It is removed, or hidden on a replica.
    #[inline]
    fn hides(&mut self, scope: Scope, key: Key<'_>) -> bool {
        self.dbs[scope.db].expiring_len() > 0 && self.reap(scope, key)
    }

    fn reap(&mut self, scope: Scope, key: Key<'_>) -> bool {
        match self.dbs[scope.db].get(key.hash, key.bytes) {
            Some(entry) if self.is_due(scope, entry) => {}
            _ => return false,
        }
        // While writes are paused nothing changes.
        let stays = self.conditions.loading || self.conditions.pause != Pause::Nothing;
        if !self.is_replica && !stays {
            self.expire(scope.db, key);
        }
        true
    }

    /// Removes a key whose time has come, and says so to the journal.
    fn expire(&mut self, db: usize, key: Key<'_>) {
        self.delete(db, key);
        self.stats.expired_keys += 1;
        self.key_gone(db, key.bytes);
        self.notify(db, Class::Expired, "expired", key.bytes);
        if !self.nobody_reads {
            let name = if self.unlinks_expired { &b"UNLINK"[..] } else { b"DEL" };
            let del = [name, key.bytes];
            self.unit.add(db, |bytes| encode::command(bytes, del.into_iter()));
        }
    }

    /// Looks a key up for reading. Counts hit or miss, sets its access clock.
    #[inline]
    pub fn read(&mut self, scope: Scope, key: Key<'_>) -> Option<EntryRef<'_>> {
        let expired = self.hides(scope, key);
        if expired || self.events.has(Class::KeyMiss) && !self.has(scope.db, key) {
            self.stats.keyspace_misses += 1;
            self.notify(scope.db, Class::KeyMiss, "keymiss", key.bytes);
            return None;
        }
        let using = self.using(scope, key);
        let db = &self.dbs[scope.db];
        let Some(entry) = db.get(key.hash, key.bytes) else {
            self.stats.keyspace_misses += 1;
            return None;
        };
        self.stats.keyspace_hits += 1;
        db.touch(entry, using.after(entry));
        Some(entry)
    }

    fn has(&self, db: usize, key: Key<'_>) -> bool {
        self.dbs[db].get(key.hash, key.bytes).is_some()
    }

    /// Looks a key up without leaving a trace.
    #[inline]
    pub fn peek(&mut self, scope: Scope, key: Key<'_>) -> Option<EntryRef<'_>> {
        if self.hides(scope, key) {
            return None;
        }
        self.dbs[scope.db].get(key.hash, key.bytes)
    }

    /// Looks a key up that a command may write to: that is a use of it, also when the command changes nothing then.
    #[inline]
    pub fn lookup_write(&mut self, scope: Scope, key: Key<'_>) -> Option<EntryRef<'_>> {
        if self.hides(scope, key) {
            return None;
        }
        let using = self.using(scope, key);
        let db = &self.dbs[scope.db];
        let entry = db.get(key.hash, key.bytes)?;
        db.touch(entry, using.after(entry));
        Some(entry)
    }

    /// Adds to the integer under a key, if it can be done in place.
    #[inline]
    pub fn add_to_int(&mut self, scope: Scope, key: Key<'_>, by: i64) -> Sum {
        if self.hides(scope, key) {
            return Sum::NoKey;
        }
        let using = self.using(scope, key);
        self.dbs[scope.db].add_to_int(key.hash, key.bytes, by, |entry| using.after(entry))
    }

    /// Whether a key is there.
    pub fn exists(&mut self, scope: Scope, key: Key<'_>) -> bool {
        self.peek(scope, key).is_some()
    }

    /// A collection for reading.
    pub fn read_as<T: Collection>(
        &mut self,
        scope: Scope,
        key: Key<'_>,
    ) -> Result<Option<T::Ref<'_>>, Refusal> {
        match self.read(scope, key) {
            None => Ok(None),
            Some(entry) => T::of(entry.value()).map(Some).ok_or(Refusal::WRONG_TYPE),
        }
    }

    /// A collection for changing it in place.
    #[inline]
    pub fn change<T: Collection>(
        &mut self,
        scope: Scope,
        key: Key<'_>,
    ) -> Result<Option<T::Mut<'_>>, Refusal> {
        if self.hides(scope, key) {
            return Ok(None);
        }
        let using = self.using(scope, key);
        let db = &mut self.dbs[scope.db];
        let found = db.use_collection::<T>(key.hash, key.bytes, |entry| using.after(entry));
        found.transpose().map_err(|WrongType| Refusal::WRONG_TYPE)
    }

    /// A collection for changing it in place, made empty if the key is not there.
    ///
    /// Whoever asks for one must add to it: empty collections do not exist.
    pub fn change_or_new<T: Collection>(
        &mut self,
        scope: Scope,
        key: Key<'_>,
    ) -> Result<T::Mut<'_>, Refusal> {
        self.change_or_put(scope, key, |_| T::empty())
    }

    /// The same, where the caller makes the empty collection, in the form that suits what it will add.
    pub fn change_or_put<T: Collection>(
        &mut self,
        scope: Scope,
        key: Key<'_>,
        make: impl FnOnce(&Limits) -> T,
    ) -> Result<T::Mut<'_>, Refusal> {
        if self.hides(scope, key) {
            // On a replica it is there still.
            self.delete(scope.db, key);
        }
        self.notify_new(scope.db, key);
        let (using, limits) = (self.using(scope, key), &self.limits);
        self.dbs[scope.db]
            .use_collection_or_put(
                key.hash,
                key.bytes,
                |entry| entry.map_or_else(|| using.first(), |entry| using.after(entry)),
                || make(limits),
            )
            .map_err(|WrongType| Refusal::WRONG_TYPE)
    }

    /// The access clock of a key that is about to be set: counted uses go on.
    #[inline]
    fn clock_of(&mut self, db: usize, key: Key<'_>) -> u32 {
        let using = Use { unnoticed: self.is_counted(key), clock: self.use_clock() };
        match using.clock {
            UseClock::At(seconds) => seconds,
            UseClock::Counted { .. } => match self.dbs[db].get(key.hash, key.bytes) {
                Some(entry) => using.after(entry),
                None => using.first(),
            },
        }
    }

    /// Publishes that a key is about to be added, if anybody asked for that and it is not there yet.
    #[inline]
    fn notify_new(&mut self, db: usize, key: Key<'_>) {
        if self.events.has(Class::New) && !self.has(db, key) {
            self.notify(db, Class::New, "new", key.bytes);
        }
    }

    /// Sets a key to a value, whatever it was before.
    pub fn put(&mut self, db: usize, key: Key<'_>, value: Value, expiry: Option<i64>) {
        self.notify_new(db, key);
        let clock = self.clock_of(db, key);
        let old = self.dbs[db].put(key.hash, key.bytes, value, expiry, clock);
        self.discard(old);
    }

    /// Sets a key to a string, whatever it was before.
    #[inline]
    pub fn put_bytes(&mut self, db: usize, key: Key<'_>, value: &[u8], expiry: Option<i64>) {
        self.notify_new(db, key);
        let clock = self.clock_of(db, key);
        let old = self.dbs[db].set_bytes(key.hash, key.bytes, value, expiry, clock);
        if old.is_some() {
            self.discard(old);
        }
    }

    /// Frees a value that nobody needs any more: here, or elsewhere if that would take long.
    pub fn discard(&mut self, value: Option<Value>) {
        self.garbage.extend(value.filter(Value::is_slow_to_free));
    }

    /// Removes a key without a word to anyone. Large values are freed elsewhere.
    pub fn delete(&mut self, db: usize, key: Key<'_>) -> bool {
        self.dbs[db].delete(key.hash, key.bytes, &mut self.garbage)
    }

    /// Removes keys whose time has come: the next part of the databases that can have any. The host calls it
    /// again while it returns true and there is time.
    pub fn sweep(&mut self, host: &mut dyn Host) -> bool {
        let more = self.sweep_part(host);
        if !self.waiters.is_empty() {
            self.serve_waiters(host);
        }
        more
    }

    fn sweep_part(&mut self, host: &mut dyn Host) -> bool {
        if !self.active_expire || self.conditions.loading {
            return false;
        }
        if self.is_replica {
            return self.sweep_own(host);
        }
        self.own_expiring.clear();
        let (mut db, mut position) = self.sweep;
        let mut due = Vec::new();
        db %= self.dbs.len();
        position = self.dbs[db].due(position, self.now_ms, 64, &mut due);
        let more = !due.is_empty() || position != 0;
        if position == 0 {
            db = (db + 1) % self.dbs.len();
        }
        let at_end = db == 0 && position == 0;
        let swept = if position == 0 { (db + self.dbs.len() - 1) % self.dbs.len() } else { db };
        for key in due {
            self.expire(swept, Key::new(&key));
            self.stats.expired_by_sweep += 1;
            self.dirty += 1;
            self.flush_unit(EntryKind::Effect, host);
        }
        self.sweep = (db, position);
        more || !at_end
    }

    /// On a replica: how many keys with an expiry clients have written.
    pub fn own_expiring_len(&self) -> usize {
        self.own_expiring.len()
    }

    /// Keeps account of who wrote a command's keys last on a replica: keys with an expiry that a client wrote are ours
    /// to expire, until the primary writes them.
    pub(crate) fn note_writer(
        &mut self,
        db: usize,
        keys: impl Iterator<Item = Vec<u8>>,
        ours: bool,
    ) {
        for key in keys {
            let entry = self.dbs[db].get(Key::new(&key).hash, &key);
            if ours && entry.is_some_and(|entry| entry.expiry().is_some()) {
                self.own_expiring.insert((db, key));
            } else {
                self.own_expiring.remove(&(db, key));
            }
        }
    }

    /// On a replica: removes keys written by clients whose time has come, of the next few that there are. The file hears
    /// of it, replicas of ours do not. True if it is worth going on.
    fn sweep_own(&mut self, host: &mut dyn Host) -> bool {
        const PART: usize = 64;
        let part: Vec<_> = self.own_expiring.range(self.own_sweep.clone()..).take(PART).collect();
        let (mut due, mut gone) = (Vec::new(), Vec::new());
        for place in &part {
            let entry = self.dbs[place.0].get(Key::new(&place.1).hash, &place.1);
            match entry.and_then(|entry| entry.expiry()) {
                None => gone.push((*place).clone()),
                Some(at) if at <= self.now_ms => due.push((*place).clone()),
                Some(_) => {}
            }
        }
        self.own_sweep = match part.last() {
            Some(last) if part.len() == PART => (last.0, [&last.1[..], &[0]].concat()),
            _ => Default::default(),
        };
        let go_on = due.len() > PART / 4;
        gone.iter().chain(&due).for_each(|place| {
            self.own_expiring.remove(place);
        });
        for (db, key) in due {
            self.expire(db, Key::new(&key));
            self.stats.expired_by_sweep += 1;
            self.flush_unit(EntryKind::Local, host);
        }
        go_on
    }

    /// Hands the effects collected so far to the journal, as one unit.
    pub(crate) fn flush_unit(&mut self, kind: EntryKind, host: &mut dyn Host) -> Option<Receipt> {
        let receipt = match self.unit.count {
            0 => return None,
            1 => host.journal(self.unit.dbs, kind, &self.unit.bytes),
            _ if self.unit.loose => host.journal(self.unit.dbs, kind, &self.unit.bytes),
            _ => {
                let mut whole = Vec::with_capacity(self.unit.bytes.len() + 30);
                whole.extend_from_slice(b"*1\r\n$5\r\nMULTI\r\n");
                whole.extend_from_slice(&self.unit.bytes);
                whole.extend_from_slice(b"*1\r\n$4\r\nEXEC\r\n");
                host.journal(self.unit.dbs, kind, &whole)
            }
        };
        self.unit.clear();
        Some(receipt)
    }

    /// Whether what this session does is encoded for the journal.
    #[inline]
    pub(crate) fn is_journaling(&self, session: &Session) -> bool {
        !self.nobody_reads && !session.is_trusted()
    }

    // --- watched keys ---

    /// Remembers that a session watches a key.
    pub(crate) fn watch(&mut self, session: &mut Session, db: usize, key: &[u8]) {
        if !session.watched.insert(crate::session::Watched { db, key: key.to_vec() }) {
            return;
        }
        let watcher = Watcher { id: session.id, expired: self.is_there(db, key) == Some(true) };
        self.watchers.entry((db, key.to_vec())).or_default().push(watcher);
    }

    /// Forgets all that a session watches.
    pub(crate) fn unwatch_all(&mut self, session: &mut Session) {
        for watched in std::mem::take(&mut session.watched) {
            let place = (watched.db, watched.key);
            if let Some(watchers) = self.watchers.get_mut(&place) {
                watchers.retain(|watcher| watcher.id != session.id);
                if watchers.is_empty() {
                    self.watchers.remove(&place);
                }
            }
        }
        self.spoiled.remove(&session.id);
    }

    /// Whether a key that this session watches was touched, or has come to its time since it is watched.
    pub(crate) fn is_spoiled(&self, session: &Session) -> bool {
        let has_expired = |watched: &crate::session::Watched| {
            let watchers = self.watchers.get(&(watched.db, watched.key.clone()));
            let mine = watchers.and_then(|all| all.iter().find(|w| w.id == session.id));
            mine.is_some_and(|watcher| !watcher.expired)
                && self.is_there(watched.db, &watched.key) == Some(true)
        };
        self.spoiled.contains(&session.id) || session.watched.iter().any(has_expired)
    }

    /// Whether a key is in a database; `Some(true)` if it is there but its time has come.
    fn is_there(&self, db: usize, key: &[u8]) -> Option<bool> {
        self.is_there_in(&self.dbs[db], key)
    }

    fn is_there_in(&self, db: &Db, key: &[u8]) -> Option<bool> {
        let entry = db.get(Key::new(key).hash, key)?;
        Some(entry.expiry().is_some_and(|at| at <= self.now_ms))
    }

    /// A key went by itself: whoever has an eye on it learns of it, the client that is executing as well.
    pub(crate) fn key_gone(&mut self, db: usize, key: &[u8]) {
        self.key_changed(db, key);
        if self.tracking.is_active() {
            self.invalidate_expired(key);
        }
    }

    /// A key was changed or removed: whoever has an eye on it learns of it.
    #[inline]
    pub(crate) fn key_changed(&mut self, db: usize, key: &[u8]) {
        if !self.waiters.is_empty() {
            self.waiters.note(db, key);
        }
        if self.tracking.is_active() {
            self.invalidate(key);
        }
        if !self.watchers.is_empty() {
            self.spoil(db, key);
        }
    }

    /// Spoils the transactions that watch a key.
    fn spoil(&mut self, db: usize, key: &[u8]) {
        let there = self.dbs[db].get(Key::new(key).hash, key).is_some();
        let Some(watchers) = self.watchers.get_mut(&(db, key.to_vec())) else { return };
        for watcher in watchers {
            if std::mem::take(&mut watcher.expired) && !there {
                // It had expired before, and now it is gone: no change.
                continue;
            }
            self.spoiled.insert(watcher.id);
        }
    }

    /// All keys of `db` are about to be replaced: by those of `replacement`, if any.
    pub(crate) fn keys_changed(&mut self, db: usize, replacement: Option<usize>) {
        self.waiters.note_all(db);
        self.spoil_all(db, |engine, key| replacement.and_then(|other| engine.is_there(other, key)));
    }

    /// Spoils the transactions that watch a key of `db`, all of which is about to be replaced. `after` says of a key what
    /// [`Engine::is_there`] will say.
    fn spoil_all(&mut self, db: usize, after: impl Fn(&Engine, &[u8]) -> Option<bool>) {
        let mut watchers = std::mem::take(&mut self.watchers);
        for ((_, key), all) in watchers.iter_mut().filter(|((at, _), _)| *at == db) {
            let before = self.is_there(db, key);
            let after = after(self, key);
            if before.is_none() && after.is_none() {
                continue;
            }
            for watcher in all {
                match (watcher.expired, after) {
                    // What had expired is gone, or there is something else that has expired.
                    (true, None) => watcher.expired = false,
                    (true, Some(true)) => {}
                    (false, Some(true)) if before.is_none() => watcher.expired = true,
                    _ => {
                        self.spoiled.insert(watcher.id);
                    }
                }
            }
        }
        self.watchers = watchers;
    }

    /// How many keys are watched.
    pub fn watched_len(&self) -> usize {
        self.watchers.len()
    }
}
