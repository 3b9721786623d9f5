//! What a request did, as the journal gets it: one unit of commands.

use protocol::resp::encode;

/// How a journal entry travels; see the `journal` crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// To disk and to replicas.
    Effect,
    /// To replicas only.
    Control,
    /// To disk only: writes of clients on a writable replica.
    Local,
}

/// The effects of the request that is being executed.
#[derive(Default)]
pub(crate) struct Unit {
    pub bytes: Vec<u8>,
    /// Commands in `bytes`.
    pub count: u32,
    /// The handler said what the effect is.
    pub stated: bool,
    /// Its commands need not happen together: keys that a scan came upon and found expired.
    pub loose: bool,
    /// The databases that the first and the last command belong to.
    pub dbs: (usize, usize),
    /// What goes before: units of a script that chose who hears of them. They are handed over with the rest, not before: what
    /// is done by half is nothing.
    pub before: Vec<(EntryKind, Unit)>,
    /// A script has chosen who hears of its command: all hear of keys that it found expired, whoever that is.
    pub is_chosen: bool,
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

    /// The same for a key whose time had come.
    pub fn add_removal(&mut self, db: usize, write: impl FnOnce(&mut Vec<u8>)) {
        if !self.is_chosen {
            return self.add(db, write);
        }
        let mut own = Unit::default();
        own.add(db, write);
        self.before.push((EntryKind::Effect, own));
    }

    pub fn clear(&mut self) {
        self.drop_rest();
        self.before.clear();
    }

    /// Forgets what came behind the last part that is complete.
    pub fn drop_rest(&mut self) {
        self.bytes.clear();
        self.count = 0;
        self.loose = false;
    }

    /// Whether there is nothing in it.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.count == 0 && self.before.is_empty()
    }

    /// What came so far is a unit of this kind; what comes behind it is another one.
    pub fn end_part(&mut self, kind: EntryKind) {
        if self.count > 0 {
            let before = std::mem::take(&mut self.before);
            let rest = Unit { before, is_chosen: self.is_chosen, ..Unit::default() };
            let part = std::mem::replace(self, rest);
            self.before.push((kind, part));
        }
    }
}
