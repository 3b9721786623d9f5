//! What a request did, as the journal gets it: one unit of commands.

use crate::engine::Engine;
use crate::host::{EntryKind, Host, Receipt};
use crate::session::Session;
use protocol::resp::encode;

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

impl Engine {
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
}
