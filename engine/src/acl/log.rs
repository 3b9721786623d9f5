//! What was refused to whom, for ACL LOG: the newest first, alike ones as one entry.
//!
//! # Invariants
//! - there are at most as many entries as `acllog-max-len` says, of a few kilobytes each

use std::collections::VecDeque;

/// The most entries unless configured (`acllog-max-len`).
pub const ENTRIES_MOST: usize = 128;
/// The most bytes that are kept of a key, a channel or a name: whoever may do little must not fill the memory with what it may
/// not do.
pub(super) const OBJECT_BYTES_MOST: usize = 4 << 10;
/// How long after the last one something alike is counted with it, milliseconds. Source: Redis 7.2.
const ALIKE_MS: i64 = 60_000;
/// How many of the newest entries are looked at for one that is alike. Source: Redis 7.2.
const LOOKED_AT: usize = 10;

/// What was not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The command.
    Command,
    /// A key.
    Key,
    /// Logging in.
    Auth,
    /// A channel.
    Channel,
}

impl Reason {
    /// Its name in ACL LOG.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Command => "command",
            Reason::Key => "key",
            Reason::Auth => "auth",
            Reason::Channel => "channel",
        }
    }
}

/// Where the command came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The client itself.
    Toplevel,
    /// A transaction.
    Multi,
    /// A script.
    Lua,
}

impl Origin {
    /// Its name in ACL LOG.
    pub fn name(self) -> &'static str {
        match self {
            Origin::Toplevel => "toplevel",
            Origin::Multi => "multi",
            Origin::Lua => "lua",
        }
    }
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What was not allowed.
    pub reason: Reason,
    /// Where the command came from.
    pub origin: Origin,
    /// The command, key or channel.
    pub object: Vec<u8>,
    /// The user, or the name that was given.
    pub user: Vec<u8>,
    /// The client, as CLIENT INFO shows it.
    pub client: Vec<u8>,
}

/// Events that are alike.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its number; no two have the same.
    pub id: u64,
    /// How many there were.
    pub count: u64,
    /// The last of them.
    pub event: Event,
    /// When the first one was: a moment of the wall clock, milliseconds.
    pub created_ms: i64,
    /// When the last one was.
    pub updated_ms: i64,
}

/// The entries.
#[derive(Debug)]
pub struct Log {
    entries: VecDeque<Entry>,
    next_id: u64,
    most: usize,
}

impl Default for Log {
    fn default() -> Log {
        Log { entries: VecDeque::new(), next_id: 0, most: ENTRIES_MOST }
    }
}

impl Log {
    /// The newest first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// Sets the most entries. Those that are too many go with the next event, as in Redis.
    pub fn set_most(&mut self, most: usize) {
        self.most = most;
    }

    /// Notes an event at this moment.
    pub fn note(&mut self, mut event: Event, now_ms: i64) {
        for text in [&mut event.object, &mut event.user, &mut event.client] {
            text.truncate(OBJECT_BYTES_MOST);
            text.shrink_to_fit();
        }
        let alike = |entry: &Entry| {
            (entry.event.reason, entry.event.origin) == (event.reason, event.origin)
                && (entry.updated_ms - now_ms).abs() <= ALIKE_MS
                && entry.event.object == event.object
                && entry.event.user == event.user
        };
        let found = self.entries.iter().take(LOOKED_AT).position(alike);
        let entry = match found.and_then(|at| self.entries.remove(at)) {
            Some(entry) => Entry { count: entry.count + 1, event, updated_ms: now_ms, ..entry },
            None => {
                let id = self.next_id;
                self.next_id += 1;
                Entry { id, count: 1, event, created_ms: now_ms, updated_ms: now_ms }
            }
        };
        self.entries.push_front(entry);
        self.entries.truncate(self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(object: &str) -> Event {
        Event {
            reason: Reason::Key,
            origin: Origin::Toplevel,
            object: object.into(),
            user: b"alice".to_vec(),
            client: b"id=1".to_vec(),
        }
    }

    #[test]
    fn alike_events_are_one_entry_for_a_minute_and_the_newest_is_first() {
        let mut log = Log::default();
        log.note(event("a"), 1000);
        log.note(event("b"), 2000);
        log.note(Event { client: b"id=2".to_vec(), ..event("a") }, 61_000);
        let seen: Vec<_> =
            log.iter().map(|e| (e.id, e.count, e.created_ms, e.updated_ms)).collect();
        assert_eq!(seen, [(0, 2, 1000, 61_000), (1, 1, 2000, 2000)]);
        assert_eq!(log.iter().next().map(|e| &e.event.client[..]), Some(&b"id=2"[..]));
        log.note(event("a"), 121_001);
        assert_eq!(log.iter().map(|entry| entry.id).collect::<Vec<_>>(), [2, 0, 1]);
        log.clear();
        log.note(event("a"), 121_001);
        assert_eq!(log.iter().next().map(|entry| entry.id), Some(3), "numbers are not used again");
    }

    #[test]
    fn only_the_newest_ten_are_looked_at_and_no_more_kept_than_allowed() {
        let mut log = Log::default();
        (0..11).for_each(|n| log.note(event(&n.to_string()), 0));
        log.note(event("0"), 0);
        assert_eq!(log.iter().len(), 12, "the eleventh is not found");
        log.set_most(5);
        assert_eq!(log.iter().len(), 12);
        log.note(event("new"), 0);
        assert_eq!(log.iter().len(), 5);
        log.note(event(&"k".repeat(1 << 20)), 0);
        let kept = log.iter().next().map(|entry| entry.event.object.capacity());
        assert_eq!(kept, Some(OBJECT_BYTES_MOST));
        log.set_most(0);
        log.note(event("new"), 0);
        assert_eq!(log.iter().len(), 0);
    }
}
