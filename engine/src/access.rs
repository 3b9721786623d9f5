//! Keys, one by one: looking them up, setting and removing them, and what that does to their access clocks.
//!
//! Every look-up that a command makes for a client first asks whether the key's time has come.

use crate::context::{Class, Key, Scope};
use crate::engine::{Engine, Pause};
use crate::refusal::Refusal;
use keyspace::db::{Collection, EntryRef, Sum, WrongType};
use keyspace::entry::Value;
use keyspace::eviction::Frequency;
use keyspace::limits::Limits;

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

    /// Whether a key's expiry has come, and whether it may be removed for that.
    #[inline]
    fn is_due(&self, scope: Scope, entry: EntryRef<'_>) -> bool {
        !scope.sees_expired && entry.expiry().is_some_and(|at| at <= self.now_ms)
    }

    /// Whether a key must not be seen, as its time has come. It is removed, or hidden on a replica.
    #[inline]
    fn hides(&mut self, scope: Scope, key: Key<'_>) -> bool {
        #[cfg(test)]
        self.touched[0].push(key.bytes.to_vec());
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
        #[cfg(test)]
        self.touched[1].push(key.bytes.to_vec());
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
        #[cfg(test)]
        self.touched[1].push(key.bytes.to_vec());
        self.dbs[db].delete(key.hash, key.bytes, &mut self.garbage)
    }
}
