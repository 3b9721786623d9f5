//! Adding many new keys: each goes into the table a few keys later than asked for.
//!
//! A load meets keys in no order, so each insertion waits for a cache line of the table. Here the line is fetched when
//! the key is given, and used when the next few keys have been made meanwhile.
//!
//! # Invariants
//! - when a loader is dropped, every key that was given is in the database, except those that were there already
//!
//! # Not here
//! - the entry of a duplicate is fetched late; duplicates are errors, so this does not matter

use super::{Db, UnixMillis};
use crate::entry::{Entry, Value};
use crate::table::hash_bytes;

/// How many keys later.
const AHEAD: usize = 16;

/// A key was there already. It is named here, as it was given a while ago.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duplicate(pub Vec<u8>);

/// Adds new keys to a database; see [`Db::loader`].
pub struct Loader<'d> {
    db: &'d mut Db,
    pending: [Option<(u64, Entry)>; AHEAD],
    next: usize,
}

impl Db {
    /// For adding many new keys at once.
    pub fn loader(&mut self) -> Loader<'_> {
        Loader { db: self, pending: [None; AHEAD], next: 0 }
    }
}

impl Loader<'_> {
    /// Adds a string.
    #[inline]
    pub fn add_bytes(
        &mut self,
        key: &[u8],
        value: &[u8],
        expiry: Option<UnixMillis>,
        clock: u32,
    ) -> Result<(), Duplicate> {
        self.add_entry(key, |key| Entry::new_bytes(key, value, expiry, clock))
    }

    /// Adds any value.
    #[inline]
    pub fn add(
        &mut self,
        key: &[u8],
        value: Value,
        expiry: Option<UnixMillis>,
        clock: u32,
    ) -> Result<(), Duplicate> {
        self.add_entry(key, |key| Entry::new(key, value, expiry, clock))
    }

    #[inline]
    fn add_entry(
        &mut self,
        key: &[u8],
        entry: impl FnOnce(&[u8]) -> Entry,
    ) -> Result<(), Duplicate> {
        let hash = hash_bytes(key);
        self.db.prefetch(hash);
        let due = self.pending[self.next].replace((hash, entry(key)));
        self.next = (self.next + 1) % AHEAD;
        due.map_or(Ok(()), |(hash, entry)| self.insert(hash, entry))
    }

    #[inline]
    fn insert(&mut self, hash: u64, entry: Entry) -> Result<(), Duplicate> {
        if self.db.find(hash, entry.key()).is_some() {
            let duplicate = Duplicate(entry.key().to_vec());
            entry.free();
            return Err(duplicate);
        }
        self.db.add(hash, entry);
        Ok(())
    }

    /// Adds what is still on its way.
    pub fn finish(mut self) -> Result<(), Duplicate> {
        self.flush()
    }

    fn flush(&mut self) -> Result<(), Duplicate> {
        let mut result = Ok(());
        for place in 0..AHEAD {
            let due = self.pending[(self.next + place) % AHEAD].take();
            if let Some((hash, entry)) = due {
                result = result.and(self.insert(hash, entry));
            }
        }
        result
    }
}

impl Drop for Loader<'_> {
    fn drop(&mut self) {
        // After `finish` nothing is left; before it, the load has failed for another reason.
        let _ = self.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_keys_arrive_and_duplicates_are_named() {
        let mut db = Db::new();
        let mut loader = db.loader();
        for index in 0..1000_u32 {
            let key = index.to_string();
            let value = Value::Str(key.clone().into_bytes());
            let added = if index.is_multiple_of(2) {
                loader.add_bytes(key.as_bytes(), b"value", Some(index.into()), 0)
            } else {
                loader.add(key.as_bytes(), value, None, 0)
            };
            assert_eq!(added, Ok(()));
        }
        loader.finish().expect("all are new");
        assert_eq!((db.len(), db.expiring_len()), (1000, 500));
        for repeat in ["7", "new"] {
            let mut loader = db.loader();
            loader.add_bytes(repeat.as_bytes(), b"", None, 0).expect("it is not looked at yet");
            loader.add_bytes(b"7", b"", None, 0).expect("it is not looked at yet");
            assert_eq!(loader.finish(), Err(Duplicate(b"7".to_vec())));
        }
        drop(db.loader().add_bytes(b"last", b"", None, 0));
        assert_eq!(db.len(), 1002);
        db.check();
    }
}
