//! All histories, as they were first journaled.
//!
//! ```text
//! A: [ start ───────────────────── end ]
//! B:                 ╰ fork ──────────── end ]     what is before the fork is A's
//! ```
//!
//! # Invariants
//! - a byte of a history is written once: who journals it later journals the same

use crate::entry::{Entry, Log};
use journal::ReplicationId;
use std::collections::BTreeMap;

/// An entry's place in a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The entry.
    pub entry: Entry,
    /// The offset behind it.
    pub end: u64,
}

#[derive(Debug)]
struct Stream {
    start: u64,
    bytes: Vec<u8>,
    /// The history that it goes on from, and where.
    parent: Option<([u8; 40], u64)>,
    /// The entries of each log, in order.
    entries: BTreeMap<Log, Vec<Placed>>,
    /// Up to where entries were looked for.
    searched: u64,
}

impl Stream {
    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

/// All histories.
#[derive(Debug, Default)]
pub struct Streams(BTreeMap<[u8; 40], Stream>);

/// Bytes at the end of what was searched that may be half an entry.
const HALF: u64 = 64;

impl Streams {
    /// A history is seen for the first time, or not: it begins here, perhaps as the continuation of another one.
    pub fn begin(&mut self, id: ReplicationId, start: u64, parent: Option<ReplicationId>) {
        let parent = parent.map(|parent| (*parent.as_bytes(), start));
        self.0.entry(*id.as_bytes()).or_insert_with(|| Stream {
            start,
            bytes: Vec::new(),
            parent,
            entries: BTreeMap::new(),
            searched: start,
        });
    }

    /// Whether it is known.
    pub fn knows(&self, id: &ReplicationId) -> bool {
        self.0.contains_key(id.as_bytes())
    }

    /// Whether what `id` has up to `offset` is also the beginning of `other`.
    pub fn is_shared(&self, id: &ReplicationId, offset: u64, other: &ReplicationId) -> bool {
        let (wanted, mut at) = (id.as_bytes(), *other.as_bytes());
        let mut most = u64::MAX;
        loop {
            if at == *wanted {
                return offset <= most;
            }
            let Some(Stream { parent: Some((parent, fork)), .. }) = self.0.get(&at) else {
                return false;
            };
            (at, most) = (*parent, most.min(*fork));
        }
    }

    /// Somebody journaled these bytes. `Err`: something else stood there.
    pub fn take(&mut self, id: &ReplicationId, offset: u64, bytes: &[u8]) -> Result<(), String> {
        let Some(stream) = self.0.get_mut(id.as_bytes()) else {
            return Err(format!("history {id} is not known"));
        };
        stream.skip_to(offset);
        let known_from = offset.max(stream.start);
        let bytes = &bytes[((known_from - offset) as usize).min(bytes.len())..];
        let at = (known_from - stream.start) as usize;
        let known = &stream.bytes[at.min(stream.bytes.len())..];
        let common = known.len().min(bytes.len());
        if let Some(place) = (0..common).find(|place| known[*place] != bytes[*place]) {
            let show = |bytes: &[u8]| {
                let (from, to) = (place.saturating_sub(30), (place + 60).min(bytes.len()));
                String::from_utf8_lossy(&bytes[from..to]).escape_debug().to_string()
            };
            return Err(format!(
                "at offset {} of history {id}: \"{}\", and first it was \"{}\"",
                known_from + place as u64,
                show(bytes),
                show(known)
            ));
        }
        stream.bytes.extend_from_slice(&bytes[common..]);
        stream.search();
        Ok(())
    }

    /// A history has come so far. What was journaled and read by the only reader within one turn (keys that expired just before a rewrite,
    /// where nobody has ever asked for the stream) was never there to be seen.
    pub fn skip_to(&mut self, id: &ReplicationId, offset: u64) {
        if let Some(stream) = self.0.get_mut(id.as_bytes()) {
            stream.skip_to(offset);
        }
    }

    /// Up to where it is known.
    pub fn end(&self, id: &ReplicationId) -> Option<u64> {
        self.0.get(id.as_bytes()).map(Stream::end)
    }

    /// The last entry of a log that a history has up to an offset.
    pub fn last(&self, id: &ReplicationId, offset: u64, log: Log) -> Option<Placed> {
        let (mut at, mut most) = (*id.as_bytes(), offset);
        loop {
            let stream = self.0.get(&at)?;
            let entries = stream.entries.get(&log).map_or(&[][..], Vec::as_slice);
            let upto = entries.partition_point(|placed| placed.end <= most);
            if upto > 0 {
                return Some(entries[upto - 1]);
            }
            let (parent, fork) = stream.parent?;
            (at, most) = (parent, most.min(fork));
        }
    }

    /// Where an entry was journaled that a history has, and the offset behind it there; `None` if that is not known.
    pub fn place(&self, id: &ReplicationId, entry: Entry) -> Option<(ReplicationId, u64)> {
        let (mut at, mut most) = (*id.as_bytes(), u64::MAX);
        loop {
            let stream = self.0.get(&at)?;
            let entries = stream.entries.get(&entry.log).map_or(&[][..], Vec::as_slice);
            if let Some(placed) = entries.iter().rev().find(|placed| placed.entry == entry) {
                return ReplicationId::parse(&at)
                    .filter(|_| placed.end <= most)
                    .map(|id| (id, placed.end));
            }
            let (parent, fork) = stream.parent?;
            (at, most) = (parent, most.min(fork));
        }
    }

    /// Bytes that are kept.
    pub fn bytes(&self) -> u64 {
        self.0.values().map(|stream| stream.bytes.len() as u64).sum()
    }
}

impl Stream {
    fn skip_to(&mut self, offset: u64) {
        if offset > self.end() {
            (self.start, self.searched) = (offset, offset);
            self.bytes.clear();
        }
    }

    fn search(&mut self) {
        // An entry that was cut before is looked at again, and one that was found is not counted twice.
        let again = self.searched.saturating_sub(HALF).max(self.start);
        let (end, searched) = (self.end(), self.searched);
        let entries = &mut self.entries;
        Entry::find(&self.bytes[(again - self.start) as usize..], |entry, place| {
            let end = again + place as u64;
            if end > searched {
                entries.entry(entry.log).or_default().push(Placed { entry, end });
            }
        });
        self.searched = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(byte: u8) -> ReplicationId {
        ReplicationId::from_random([byte; 20])
    }

    fn entry(number: u64) -> Entry {
        Entry { log: Log { client: 1, which: 0 }, number, epoch: 1 }
    }

    #[test]
    fn another_byte_at_the_same_offset_is_found() {
        let mut streams = Streams::default();
        streams.begin(id(1), 10, None);
        streams.take(&id(1), 10, b"abcdef").expect("first");
        streams
            .take(&id(1), 8, b"xyabcdefgh")
            .expect("the same, and more; what was before is not known");
        assert_eq!(streams.end(&id(1)), Some(18));
        let error = streams.take(&id(1), 12, b"cdXf").expect_err("another byte");
        assert!(error.contains("offset 14"), "{error}");
    }

    #[test]
    fn entries_are_those_of_the_history_and_of_what_it_goes_on_from() {
        let mut streams = Streams::default();
        streams.begin(id(1), 0, None);
        let text = format!("{} {} {}", entry(0), entry(1), entry(2)).into_bytes();
        // In two pieces that cut an entry.
        streams.take(&id(1), 0, &text[..14]).expect("first");
        streams.take(&id(1), 14, &text[14..]).expect("more");
        let log = entry(0).log;
        let last = |streams: &Streams, byte, upto| {
            streams.last(&id(byte), upto, log).map(|placed| placed.entry.number)
        };
        assert_eq!(
            [8, 9, 18, 19, 99].map(|upto| last(&streams, 1, upto)),
            [None, Some(0), Some(0), Some(1), Some(2)]
        );
        streams.begin(id(2), 20, Some(id(1)));
        assert_eq!(last(&streams, 2, 99), Some(1), "what came behind the fork is not shared");
        assert!(streams.is_shared(&id(1), 20, &id(2)) && !streams.is_shared(&id(1), 21, &id(2)));
        assert_eq!(streams.place(&id(2), entry(1)), Some((id(1), 19)));
        assert_eq!(streams.place(&id(1), entry(2)), Some((id(1), 29)));
        assert_eq!(streams.place(&id(2), entry(2)), None, "it came behind the fork");
    }
}
