//! Watched keys: which transactions a change spoils, and everybody else who has an eye on a key.
//!
//! # Invariants
//! - [`Watches`] has exactly the keys in the sessions' lists of watched keys

use crate::context::Key;
use crate::engine::Engine;
use crate::session::{Session, SessionId, Watched};
use crate::tables::Unordered;
use keyspace::db::Db;
use std::collections::BTreeSet;

/// Who watches what.
#[derive(Default)]
pub(crate) struct Watches {
    by_key: Unordered<(usize, Vec<u8>), Vec<Watcher>>,
    /// Sessions of which a key was changed.
    spoiled: BTreeSet<SessionId>,
}

/// One that watches a key.
struct Watcher {
    id: SessionId,
    /// The key is there, but its time has come: that it goes is no change to this one.
    expired: bool,
}

impl Engine {
    /// Remembers that a session watches a key.
    pub(crate) fn watch(&mut self, session: &mut Session, db: usize, key: &[u8]) {
        if !session.watched.insert(Watched { db, key: key.to_vec() }) {
            return;
        }
        let watcher = Watcher { id: session.id, expired: self.is_there(db, key) == Some(true) };
        self.watches.by_key.entry((db, key.to_vec())).or_default().push(watcher);
    }

    /// Forgets all that a session watches.
    pub(crate) fn unwatch_all(&mut self, session: &mut Session) {
        for watched in std::mem::take(&mut session.watched) {
            let place = (watched.db, watched.key);
            if let Some(watchers) = self.watches.by_key.get_mut(&place) {
                watchers.retain(|watcher| watcher.id != session.id);
                if watchers.is_empty() {
                    self.watches.by_key.remove(&place);
                }
            }
        }
        self.watches.spoiled.remove(&session.id);
    }

    /// Whether a key that this session watches was touched, or has come to its time since it is watched.
    pub(crate) fn is_spoiled(&self, session: &Session) -> bool {
        let has_expired = |watched: &Watched| {
            let watchers = self.watches.by_key.get(&(watched.db, watched.key.clone()));
            let mine = watchers.and_then(|all| all.iter().find(|w| w.id == session.id));
            mine.is_some_and(|watcher| !watcher.expired)
                && self.is_there(watched.db, &watched.key) == Some(true)
        };
        self.watches.spoiled.contains(&session.id) || session.watched.iter().any(has_expired)
    }

    /// Whether a key is in a database; `Some(true)` if it is there but its time has come.
    fn is_there(&self, db: usize, key: &[u8]) -> Option<bool> {
        self.is_there_in(&self.dbs[db], key)
    }

    pub(crate) fn is_there_in(&self, db: &Db, key: &[u8]) -> Option<bool> {
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
        if !self.watches.by_key.is_empty() {
            self.spoil(db, key);
        }
    }

    /// Spoils the transactions that watch a key.
    fn spoil(&mut self, db: usize, key: &[u8]) {
        let there = self.dbs[db].get(Key::new(key).hash, key).is_some();
        let Some(watchers) = self.watches.by_key.get_mut(&(db, key.to_vec())) else { return };
        for watcher in watchers {
            if std::mem::take(&mut watcher.expired) && !there {
                // It had expired before, and now it is gone: no change.
                continue;
            }
            self.watches.spoiled.insert(watcher.id);
        }
    }

    /// All keys of `db` are about to be replaced: by those of `replacement`, if any.
    pub(crate) fn keys_changed(&mut self, db: usize, replacement: Option<usize>) {
        self.waiters.note_all(db);
        self.spoil_all(db, |engine, key| replacement.and_then(|other| engine.is_there(other, key)));
    }

    /// Spoils the transactions that watch a key of `db`, all of which is about to be replaced. `after` says of a key what
    /// [`Engine::is_there`] will say.
    pub(crate) fn spoil_all(&mut self, db: usize, after: impl Fn(&Engine, &[u8]) -> Option<bool>) {
        let mut watchers = std::mem::take(&mut self.watches.by_key);
        for ((_, key), all) in watchers.in_any_order_mut().filter(|((at, _), _)| *at == db) {
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
                        self.watches.spoiled.insert(watcher.id);
                    }
                }
            }
        }
        self.watches.by_key = watchers;
    }

    /// How many keys are watched.
    pub fn watched_len(&self) -> usize {
        self.watches.by_key.len()
    }
}
