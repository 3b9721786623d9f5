//! What a handler sees: the engine's state, its client, the reply, and the bookkeeping it owes.

use crate::command::Spec;
use crate::engine::Engine;
use crate::host::{Answers, Conversation, Host, HostCall, LogLevel};
use crate::refusal::Refusal;
use crate::session::Session;
use keyspace::db::{Collection, EntryRef};
use keyspace::table::hash_bytes;
use protocol::resp::{Args, Reply, encode};

/// How many changes a command made. None: nothing is journaled.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// Counted as INFO's `rdb_changes_since_last_save` does.
    pub changes: u64,
}

impl Done {
    /// Nothing was changed.
    pub const NOTHING: Done = Done { changes: 0 };
    /// One change.
    pub const ONE: Done = Done { changes: 1 };

    /// So many changes.
    pub fn changes(changes: usize) -> Done {
        Done { changes: changes as u64 }
    }
}

/// A key and its hash, computed once per command.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    /// The key.
    pub bytes: &'a [u8],
    /// Its hash.
    pub hash: u64,
}

impl<'a> Key<'a> {
    /// Computes the hash.
    pub fn new(bytes: &'a [u8]) -> Key<'a> {
        Key { bytes, hash: hash_bytes(bytes) }
    }
}

/// From whose point of view keys are looked up.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    /// The selected database.
    pub db: usize,
    /// Expired keys are seen: our primary or a file speaks.
    pub sees_expired: bool,
    /// Lookups leave the access clock alone.
    pub no_touch: bool,
}

/// The classes of keyspace events, a bit each, as `notify-keyspace-events` names them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names are the documentation")]
pub enum Class {
    Generic,
    String,
    List,
    Set,
    Hash,
    Zset,
    Stream,
    Expired,
    Evicted,
    New,
    KeyMiss,
}

/// What a handler sees.
pub struct Context<'a> {
    /// The state of all.
    pub engine: &'a mut Engine,
    /// The client.
    pub session: &'a mut Session,
    /// Where the reply goes.
    pub reply: Reply<'a>,
    /// From whose point of view keys are looked up.
    pub scope: Scope,
    /// The command's row.
    pub spec: &'static Spec,
    /// The hash of the first key, if dispatch knows it.
    pub(crate) first_hash: Option<u64>,
    pub(crate) host: Option<&'a mut dyn Host>,
}

impl<'a> Context<'a> {
    /// Milliseconds since 1970, the same for the whole command.
    pub fn now(&self) -> i64 {
        self.engine.now_ms
    }

    /// The key at a position of the arguments.
    #[inline]
    pub fn key<'k>(&self, args: Args<'k>, position: usize) -> Key<'k> {
        let bytes = args.at(position);
        match self.first_hash {
            Some(hash) if self.spec.keys.first() == Some(position) => Key { bytes, hash },
            _ => Key::new(bytes),
        }
    }

    /// The longest string that a command may make, in bytes. Our primary or the server that wrote a file may have allowed
    /// more than we do.
    #[inline]
    pub fn string_max(&self) -> u64 {
        const TRUSTED_BYTES_MAX: u64 = 1 << 40;
        if self.session.is_trusted() { TRUSTED_BYTES_MAX } else { self.engine.string_max }
    }

    /// Looks a key up for reading. Counts hit or miss, sets its access clock.
    #[inline]
    pub fn read(&mut self, key: Key<'_>) -> Option<EntryRef<'_>> {
        self.engine.read(self.scope, key)
    }

    /// Asks the host.
    pub fn host(&mut self, call: HostCall, args: Args<'_>) -> Result<Done, Refusal> {
        let host = self.host.take().expect("a host does not call itself");
        let result = host.perform(call, self, args);
        self.host = Some(host);
        result
    }

    /// Writes a warning into the log.
    pub fn warn(&mut self, text: &str) {
        self.host.as_mut().expect("a host does not call itself").log(LogLevel::Warning, text);
    }

    /// Talks to another server.
    pub fn converse(&mut self, conversation: &Conversation<'_>) -> Answers {
        self.host.as_mut().expect("a host does not call itself").converse(conversation)
    }

    /// Records that a key was changed, with the event that subscribers hear of.
    ///
    /// Owed for every key that a command changed; dispatch does the rest from [`Done`].
    #[inline]
    pub fn changed(&mut self, key: Key<'_>, class: Class, event: &'static str) {
        self.engine.key_changed(self.scope.db, key.bytes);
        self.engine.notify(self.scope.db, class, event, key.bytes);
    }

    /// Removes a key whose collection became empty.
    pub fn remove_if_empty<T: Collection>(&mut self, key: Key<'_>) {
        let entry = self.engine.dbs[self.scope.db].get(key.hash, key.bytes);
        if entry.and_then(|entry| T::of(entry.value())).is_some_and(T::is_empty) {
            self.engine.delete(self.scope.db, key);
            self.engine.notify(self.scope.db, Class::Generic, "del", key.bytes);
        }
    }

    /// States what the command did, where that is not the command as received.
    pub fn effect(&mut self, args: &[&[u8]]) {
        self.engine.unit.stated = true;
        if self.engine.is_journaling(self.session) {
            let unit = &mut self.engine.unit;
            unit.add(self.session.db, |bytes| encode::command(bytes, args.iter().copied()));
        }
    }

    /// The same for arguments that are made one by one.
    pub fn effect_of<'e>(&mut self, args: impl ExactSizeIterator<Item = &'e [u8]>) {
        self.engine.unit.stated = true;
        if self.engine.is_journaling(self.session) {
            self.engine.unit.add(self.session.db, |bytes| encode::command(bytes, args));
        }
    }

    /// States that what was done is not passed on.
    pub fn no_effect(&mut self) {
        self.engine.unit.stated = true;
    }
}
