//! Keys whose time has come: their removal, one by one and in sweeps.
//!
//! On a replica only keys that clients wrote to it are ours to expire; of all others the primary says when they go.

use crate::context::{Class, Key};
use crate::engine::Engine;
use crate::host::{EntryKind, Host};
use protocol::resp::encode;

impl Engine {
    /// Whether [`Engine::note_writer`] has to be told of a command that changed something.
    #[inline]
    pub(crate) fn wants_writers(&self, ours: bool) -> bool {
        self.is_replica && (ours || !self.own_expiring.is_empty())
    }

    /// Removes a key whose time has come, and says so to the journal.
    pub(crate) fn expire(&mut self, db: usize, key: Key<'_>) {
        self.delete(db, key);
        self.stats.expired_keys += 1;
        self.key_gone(db, key.bytes);
        self.notify(db, Class::Expired, "expired", key.bytes);
        if !self.nobody_reads {
            let name = if self.unlinks_expired { &b"UNLINK"[..] } else { b"DEL" };
            let del = [name, key.bytes];
            self.unit.add_removal(db, |bytes| encode::command(bytes, del.into_iter()));
        }
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
}
