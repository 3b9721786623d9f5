//! The entries of a stream and its counters.
//!
//! # Invariants
//! - `len` is the number of live entries; `first_id` the id of the first one, 0-0 if there is none
//! - `last_id` is not less than the id of any live entry

use super::node::{Entry, Node};
use super::order::{HasId, Ordered};
use crate::limits::Limits;
use protocol::listpack;
use protocol::rdb::StreamId;

/// What a whole entry may take, in bytes of fields and values.
pub const ENTRY_MAX_BYTES: usize = listpack::MAX_BYTES;

/// The largest first node, in bytes: streams with a few entries stay small, it grows by doubling.
const FIRST_NODE_BYTES: usize = 64;

/// Entries in nodes, and what is known of those that are gone.
#[derive(Clone, Debug, Default)]
pub struct Entries {
    pub(super) nodes: Ordered<Node>,
    pub(super) len: u64,
    pub(super) first_id: StreamId,
    pub(super) last_id: StreamId,
    pub(super) max_deleted_id: StreamId,
    pub(super) added: u64,
}

/// What trimming leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// So many of the last entries.
    Length(u64),
    /// The entries with this id and greater ones.
    From(StreamId),
}

/// How to trim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trim {
    /// What is to be left.
    pub keep: Keep,
    /// Only whole nodes are removed.
    pub approximate: bool,
    /// Most entries to remove; 0 is no limit. For approximate trimming.
    pub limit: u64,
}

impl Entries {
    /// How many entries there are.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many nodes they lie in.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// The last id given out, or set.
    pub fn last_id(&self) -> StreamId {
        self.last_id
    }

    /// The id of the first entry; 0-0 if there is none.
    pub fn first_id(&self) -> StreamId {
        self.first_id
    }

    /// The greatest id of an entry that was deleted by name.
    pub fn max_deleted_id(&self) -> StreamId {
        self.max_deleted_id
    }

    /// How many entries were ever added.
    pub fn added(&self) -> u64 {
        self.added
    }

    /// Sets the last id, and the other two counters if they are given.
    pub fn set_counters(
        &mut self,
        last_id: StreamId,
        added: Option<u64>,
        max_deleted_id: Option<StreamId>,
    ) {
        assert!(self.last_live_id().is_none_or(|last| last <= last_id), "callers look first");
        self.last_id = last_id;
        self.added = added.unwrap_or(self.added);
        self.max_deleted_id = max_deleted_id.unwrap_or(self.max_deleted_id);
    }

    /// Appends an entry of `count` pairs.
    ///
    /// # Panics
    /// If the id is not greater than the last one, or the entry has more than [`ENTRY_MAX_BYTES`]: callers look first.
    pub fn append<'a>(
        &mut self,
        id: StreamId,
        count: usize,
        pairs: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
        limits: &Limits,
    ) {
        assert!(id > self.last_id, "ids ascend");
        let bytes: usize = pairs.clone().map(|(field, value)| field.len() + value.len()).sum();
        assert!(bytes <= ENTRY_MAX_BYTES, "an entry fits into a node");
        let max_bytes = match limits.stream_node_max_bytes {
            0 => listpack::MAX_BYTES,
            max => max.min(listpack::MAX_BYTES),
        };
        let max_entries = match limits.stream_node_max_entries {
            0 => u64::MAX,
            max => max as u64,
        };
        let mut capacity = Some(FIRST_NODE_BYTES);
        if let Some(node) = self.nodes.last_mut() {
            let used = node.bytes().len();
            capacity = None;
            if used + bytes >= max_bytes || node.entries() >= max_entries {
                node.finish();
                // The next one will be about as large.
                capacity = Some((used + used / 16 + 16).min(max_bytes.max(used)));
            }
        }
        if let Some(capacity) = capacity {
            let fields = pairs.clone().map(|(field, _)| field);
            self.nodes.push(Node::new(id, capacity, count, fields));
        }
        let node = self.nodes.last_mut().expect("pushed above");
        node.push(id, count, pairs);
        self.len += 1;
        self.added = self.added.wrapping_add(1);
        self.last_id = id;
        if self.len == 1 {
            self.first_id = id;
        }
    }

    /// The entry with this id.
    pub fn get(&self, id: StreamId) -> Option<Entry<'_>> {
        self.nodes.at_or_before(id)?.get(id)
    }

    /// Entries from `first` to `last`, both included, upwards.
    pub fn range(&self, first: StreamId, last: StreamId) -> impl Iterator<Item = Entry<'_>> {
        self.nodes
            .upwards_from_before(first)
            .take_while(move |node| node.id() <= last)
            .flat_map(Node::forward_live)
            .skip_while(move |entry| entry.id < first)
            .take_while(move |entry| entry.id <= last)
    }

    /// The same, downwards.
    pub fn range_down(&self, first: StreamId, last: StreamId) -> impl Iterator<Item = Entry<'_>> {
        self.nodes
            .downwards(last)
            .flat_map(Node::backward_live)
            .skip_while(move |entry| entry.id > last)
            .take_while(move |entry| entry.id >= first)
    }

    /// The id of the last entry.
    #[inline]
    pub fn last_live_id(&self) -> Option<StreamId> {
        let entry = self.nodes.last()?.backward_live().next();
        Some(entry.expect("a node has a live entry").id)
    }

    /// The id of the first entry of all, deleted ones included, that are still in a node.
    pub fn first_kept_id(&self) -> Option<StreamId> {
        self.nodes.first()?.forward().next().map(|entry| entry.id)
    }

    /// Deletes the entry with this id; false if there is none.
    pub fn delete(&mut self, id: StreamId) -> bool {
        let Some(node) = self.nodes.at_or_before_mut(id) else { return false };
        if !node.delete(id) {
            return false;
        }
        if node.live == 0 {
            let node = node.id();
            self.nodes.remove(node);
        }
        self.len -= 1;
        self.max_deleted_id = self.max_deleted_id.max(id);
        if id == self.first_id {
            self.find_first();
        }
        true
    }

    pub(super) fn find_first(&mut self) {
        self.first_id = self.nodes.first().map_or(StreamId::MIN, |node| {
            node.forward_live().next().expect("a node has a live entry").id
        });
    }

    /// Removes entries from the front. Returns how many, and nodes that are worth freeing elsewhere.
    pub(super) fn trim(&mut self, trim: Trim) -> (u64, Ordered<Node>) {
        let Trim { keep, approximate, limit } = trim;
        let (before, mut len) = (self.len, self.len);
        // A node is over if the next one begins at the id, so only the last one that begins before it is looked into.
        let over = match keep {
            Keep::Length(_) => StreamId::MIN,
            Keep::From(id) => match self.nodes.at_or_before(id) {
                None => StreamId::MIN,
                Some(node) if node.last_id() < id => id,
                Some(node) => node.id(),
            },
        };
        let removed = self.nodes.take_front(|node| {
            let live = node.live as u64;
            let fits = limit == 0 || before - len + live <= limit;
            let wanted = match keep {
                Keep::Length(max) => len > max && len - live >= max,
                Keep::From(_) => node.id() < over,
            };
            if fits && wanted {
                len -= live;
            }
            fits && wanted
        });
        let mut first_left = None;
        if !approximate && let Some(node) = self.nodes.first_mut() {
            let (count, left) = match keep {
                Keep::Length(max) => node.delete_front(len.saturating_sub(max), |_| true),
                Keep::From(id) => node.delete_front(u64::MAX, |entry| entry < id),
            };
            len -= count as u64;
            first_left = left;
            if node.live == 0 {
                let node = node.id();
                self.nodes.remove(node);
            }
        }
        self.len = len;
        match first_left {
            _ if len == before => {}
            Some(id) => self.first_id = id,
            None => self.find_first(),
        }
        (before - len, removed)
    }

    /// How many entries were added up to this id, if that can be told: the id's place in the history of the stream.
    pub fn place_of(&self, id: StreamId) -> Option<u64> {
        if self.added == 0 {
            return Some(0);
        }
        if self.len == 0 && id <= self.last_id {
            return Some(self.added);
        }
        if id != StreamId::MIN && id < self.max_deleted_id {
            return None;
        }
        if id == self.last_id {
            return Some(self.added);
        }
        if id > self.last_id || !self.is_whole() {
            return None;
        }
        match id.cmp(&self.first_id) {
            std::cmp::Ordering::Less => Some(self.added.wrapping_sub(self.len)),
            std::cmp::Ordering::Equal => Some(self.added.wrapping_sub(self.len).wrapping_add(1)),
            std::cmp::Ordering::Greater => None,
        }
    }

    /// Whether nothing was deleted by name among the entries.
    pub fn is_whole(&self) -> bool {
        self.max_deleted_id == StreamId::MIN || self.max_deleted_id < self.first_id
    }

    /// Whether an entry with this id or a greater one was deleted by name.
    pub fn has_gap_from(&self, id: StreamId) -> bool {
        self.len > 0 && self.max_deleted_id != StreamId::MIN && id <= self.max_deleted_id
    }

    /// Asserts the invariants. For tests.
    pub(super) fn check(&self) {
        self.nodes.check();
        let nodes: Vec<&Node> = self.nodes.iter().collect();
        for (index, node) in nodes.iter().enumerate() {
            let after = index.checked_sub(1).and_then(|index| nodes[index].backward_live().next());
            let before = nodes.get(index + 1).map(|next| next.id());
            node.check(after.map(|entry| entry.id), before);
        }
        assert_eq!(nodes.iter().map(|node| node.live as u64).sum::<u64>(), self.len, "entries");
        let mut ids = self.range(StreamId::MIN, StreamId::MAX).map(|entry| entry.id);
        assert_eq!(ids.next().unwrap_or_default(), self.first_id, "the first entry");
        assert!(self.last_live_id().is_none_or(|last| last <= self.last_id), "the last id");
    }
}
