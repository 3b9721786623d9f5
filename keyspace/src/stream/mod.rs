//! A stream: entries with ascending ids, and groups of consumers that share them.
//!
//! Entries lie in nodes exactly as RDB stores them, so a snapshot copies bytes, and what adding, deleting and trimming
//! leave in a node is what Redis leaves there.
//!
//! ```text
//! Stream ──► entries: nodes in order of ids ──► listpack of about 100 entries
//!        └─► groups, in order of names ──► pending entries, consumers
//! ```
//!
//! - `node`: one listpack of entries
//! - `order`: what keeps nodes and pending entries in order
//! - `entries`: all entries and the counters: adding, ranges, deleting, trimming
//! - `group`: a group and its consumers
//! - `rdb`: from and to the bytes of a file
//!
//! # Not here
//! - ids made of the time, and what the commands mean: `engine::family::streams`

mod entries;
mod group;
mod node;
mod order;
pub(crate) mod rdb;

pub use entries::{ENTRY_MAX_BYTES, Entries, Keep, Trim};
pub use group::{Consumer, ConsumerSlot, Group, Pending};
pub use node::{Entry, Pairs};
pub use protocol::rdb::StreamId;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Place;

/// A stream, one pointer wide.
#[derive(Debug)]
pub struct Stream(Box<Body>);

#[derive(Clone, Debug, Default)]
struct Body {
    entries: Entries,
    /// By their names.
    groups: BTreeMap<Box<[u8]>, Group>,
}

/// Nodes that are worth freeing elsewhere: fewer are freed at once.
const MANY_NODES: usize = 64;
/// The same for pending entries of a group.
const MANY_PENDING: usize = 10_000;

impl Stream {
    /// A stream without entries.
    pub fn new() -> Stream {
        Stream(Box::default())
    }

    /// The name that OBJECT ENCODING answers.
    pub fn encoding(&self) -> &'static str {
        "stream"
    }

    /// How many entries there are. A stream without entries is a value like others.
    #[expect(clippy::len_without_is_empty, reason = "nothing follows from it being empty")]
    pub fn len(&self) -> usize {
        self.0.entries.len() as usize
    }

    /// Its entries.
    pub fn entries(&self) -> &Entries {
        &self.0.entries
    }

    /// Its entries, to change them.
    pub fn entries_mut(&mut self) -> &mut Entries {
        &mut self.0.entries
    }

    /// Removes entries from the front. Returns how many, and perhaps what is worth freeing elsewhere.
    pub fn trim(&mut self, trim: Trim) -> (u64, Option<Stream>) {
        let (count, nodes) = self.0.entries.trim(trim);
        let garbage = (nodes.len() >= MANY_NODES).then(|| {
            let mut garbage = Stream::new();
            garbage.0.entries.nodes = nodes;
            garbage
        });
        (count, garbage)
    }

    /// The groups, in the order of their names.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = &Group> {
        self.0.groups.values()
    }

    /// A group.
    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.0.groups.get(name)
    }

    /// A group, to change it, beside the entries.
    #[inline]
    pub fn group_mut(&mut self, name: &[u8]) -> Option<(&Entries, &mut Group)> {
        let Body { entries, groups } = &mut *self.0;
        Some((entries, groups.get_mut(name)?))
    }

    /// Adds a group; false if there is one of this name.
    pub fn add_group(&mut self, name: &[u8], last_id: StreamId, entries_read: Option<u64>) -> bool {
        match self.0.groups.entry(name.into()) {
            Place::Occupied(_) => false,
            Place::Vacant(place) => {
                place.insert(Group::new(name, last_id, entries_read));
                true
            }
        }
    }

    /// Removes a group. `None` if there is none of this name; else perhaps what is worth freeing elsewhere.
    pub fn remove_group(&mut self, name: &[u8]) -> Option<Option<Stream>> {
        let (name, group) = self.0.groups.remove_entry(name)?;
        Some((group.pending_len() >= MANY_PENDING).then(|| {
            let mut garbage = Stream::new();
            garbage.0.groups.insert(name, group);
            garbage
        }))
    }

    /// A copy.
    pub fn duplicate(&self) -> Stream {
        Stream(self.0.clone())
    }

    /// Bytes of all that it has.
    pub fn memory_bytes(&self) -> usize {
        let nodes = &self.0.entries.nodes;
        size_of::<Body>()
            + nodes.memory_bytes()
            + nodes.iter().map(|node| node.memory_bytes()).sum::<usize>()
            + self.0.groups.len() * size_of::<(Box<[u8]>, Group)>()
            + self.groups().map(|group| group.name().len() + group.memory_bytes()).sum::<usize>()
    }

    /// Walks the stream and asserts its invariants. For tests.
    pub fn check(&self) {
        self.0.entries.check();
        assert!(self.groups().is_sorted_by(|a, b| a.name() < b.name()), "names ascend");
        self.groups().for_each(Group::check);
    }
}

impl Default for Stream {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
