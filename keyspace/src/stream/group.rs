//! A group of consumers: what was delivered, to whom, and not acknowledged yet.
//!
//! ```text
//! group:     pending:   [ id, time, count, consumer ] in order of ids
//!            consumers: slots, and their numbers in order of names
//! consumer:  pending:   [ id ] in order of ids
//! ```
//!
//! A consumer's own list holds ids only; the rest is in the group's: 56 bytes for a pending entry in all.
//!
//! # Invariants
//! - each pending entry of the group is in the list of the consumer that it names, and in no other

use super::entries::Entries;
use super::order::{HasId, Ordered};
use protocol::rdb::StreamId;

/// An entry that was delivered and not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Which.
    pub id: StreamId,
    /// When it was last delivered, unix milliseconds.
    pub delivered_ms: i64,
    /// How often it was delivered.
    pub count: u64,
    /// To whom.
    pub consumer: ConsumerSlot,
}

impl HasId for Pending {
    #[inline]
    fn id(&self) -> StreamId {
        self.id
    }
}

/// The place of a consumer in its group; it stays the same while the consumer lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerSlot(u32);

/// A consumer.
#[derive(Clone, Debug)]
pub struct Consumer {
    name: Box<[u8]>,
    /// When it last tried, unix milliseconds.
    pub seen_ms: i64,
    /// When it last got something; `None` is never.
    pub active_ms: Option<i64>,
    pub(super) pending: Ordered<StreamId>,
}

impl Consumer {
    /// Its name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// How many entries it has not acknowledged.
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// What it has not acknowledged, from an id on.
    pub fn pending_from(&self, id: StreamId) -> impl Iterator<Item = StreamId> {
        self.pending.upwards(id).copied()
    }
}

/// A group.
#[derive(Clone, Debug)]
pub struct Group {
    name: Box<[u8]>,
    /// The last id delivered.
    pub last_id: StreamId,
    /// How many entries of the stream were delivered or passed over, if that is known.
    pub entries_read: Option<u64>,
    pub(super) pending: Ordered<Pending>,
    slots: Vec<Option<Box<Consumer>>>,
    /// Slots in the order of their consumers' names.
    by_name: Vec<u32>,
    free: Vec<u32>,
}

impl Group {
    pub(super) fn new(name: &[u8], last_id: StreamId, entries_read: Option<u64>) -> Group {
        Group {
            name: name.into(),
            last_id,
            entries_read,
            pending: Ordered::default(),
            slots: Vec::new(),
            by_name: Vec::new(),
            free: Vec::new(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// How many entries come after the last one delivered, if that can be told. As Redis 8.0 counts, which mended what
    /// 7.2 made of streams that were trimmed or of which entries were deleted.
    pub fn lag(&self, entries: &Entries) -> Option<i64> {
        if entries.added() == 0 || entries.is_empty() {
            return Some(0);
        }
        if self.last_id < entries.first_id() && entries.is_whole() {
            return Some(entries.len() as i64);
        }
        let read = match self.entries_read {
            Some(read) if !entries.has_gap_from(self.last_id) => read,
            _ => entries.place_of(self.last_id)?,
        };
        Some(entries.added().wrapping_sub(read) as i64)
    }

    /// Goes on to an entry that is being delivered and comes after all that were.
    #[inline]
    pub fn advance(&mut self, entries: &Entries, id: StreamId) {
        // What was trimmed before it was delivered counts as passed over.
        let is_next = self.last_id >= entries.first_id() && !entries.has_gap_from(self.last_id);
        match self.entries_read {
            Some(read) if is_next => {
                self.entries_read = Some(read.wrapping_add(1));
            }
            _ if entries.added() > 0 => self.entries_read = entries.place_of(id),
            _ => {}
        }
        self.last_id = id;
    }

    // --- consumers ---

    fn place(&self, name: &[u8]) -> Result<usize, usize> {
        self.by_name.binary_search_by(|slot| self.consumer(ConsumerSlot(*slot)).name().cmp(name))
    }

    /// The consumer of this name.
    pub fn find(&self, name: &[u8]) -> Option<ConsumerSlot> {
        self.place(name).ok().map(|place| ConsumerSlot(self.by_name[place]))
    }

    /// A consumer.
    ///
    /// # Panics
    /// If it was removed.
    pub fn consumer(&self, slot: ConsumerSlot) -> &Consumer {
        self.slots[slot.0 as usize].as_ref().expect("a slot in use")
    }

    /// A consumer, to change its times.
    pub fn consumer_mut(&mut self, slot: ConsumerSlot) -> &mut Consumer {
        self.slots[slot.0 as usize].as_mut().expect("a slot in use")
    }

    /// How many consumers there are.
    pub fn consumer_count(&self) -> usize {
        self.by_name.len()
    }

    /// All consumers in the order of their names.
    pub fn consumers(&self) -> impl ExactSizeIterator<Item = &Consumer> {
        self.by_name.iter().map(|slot| self.consumer(ConsumerSlot(*slot)))
    }

    /// Adds a consumer; `None` if there is one of this name.
    pub fn add_consumer(&mut self, name: &[u8], seen_ms: i64) -> Option<ConsumerSlot> {
        let place = self.place(name).err()?;
        let pending = Ordered::default();
        let consumer = Consumer { name: name.into(), seen_ms, active_ms: None, pending };
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            u32::try_from(self.slots.len() - 1).expect("a group has fewer than 4 billion consumers")
        });
        self.slots[slot as usize] = Some(Box::new(consumer));
        self.by_name.insert(place, slot);
        Some(ConsumerSlot(slot))
    }

    /// Removes a consumer with all that is pending for it. Returns how many entries that were.
    pub fn remove_consumer(&mut self, name: &[u8]) -> Option<usize> {
        let place = self.place(name).ok()?;
        let slot = self.by_name.remove(place);
        let consumer = self.slots[slot as usize].take().expect("a slot in use");
        self.free.push(slot);
        let count = consumer.pending.len();
        if count > self.pending.len() / 16 {
            self.pending.retain(|entry| entry.consumer.0 != slot);
        } else {
            for id in consumer.pending.iter() {
                self.pending.remove(*id).expect("what a consumer has is the group's");
            }
        }
        Some(count)
    }

    // --- pending entries ---

    /// How many entries are pending.
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// A pending entry.
    pub fn pending(&self, id: StreamId) -> Option<&Pending> {
        self.pending.get(id)
    }

    /// The first and the last pending id.
    pub fn pending_bounds(&self) -> Option<(StreamId, StreamId)> {
        Some((self.pending.first()?.id, self.pending.last()?.id))
    }

    /// Pending entries from an id on.
    pub fn pending_from(&self, id: StreamId) -> impl Iterator<Item = &Pending> {
        self.pending.upwards(id)
    }

    /// Makes an entry pending, or changes all about it if it was.
    #[inline]
    pub fn set_pending(&mut self, entry: Pending) {
        if self.pending.last().is_none_or(|last| last.id < entry.id) {
            self.pending.push(entry);
        } else if let Some(old) = self.pending.get_mut(entry.id) {
            let owner = std::mem::replace(old, entry).consumer;
            if owner == entry.consumer {
                return;
            }
            let removed = self.consumer_mut(owner).pending.remove(entry.id);
            removed.expect("what is pending is its consumer's");
        } else {
            self.pending.insert(entry);
        }
        self.consumer_mut(entry.consumer).pending.insert(entry.id);
    }

    /// Takes an entry from what is pending; false if it was not.
    pub fn acknowledge(&mut self, id: StreamId) -> bool {
        let Some(entry) = self.pending.remove(id) else { return false };
        let removed = self.consumer_mut(entry.consumer).pending.remove(id);
        removed.expect("what is pending is its consumer's");
        true
    }

    /// Bytes of all that it has, without itself.
    pub fn memory_bytes(&self) -> usize {
        let consumer = |consumer: &Consumer| {
            size_of::<Consumer>() + consumer.name.len() + consumer.pending.memory_bytes()
        };
        self.name.len()
            + self.pending.memory_bytes()
            + self.slots.capacity() * 8
            + (self.by_name.capacity() + self.free.capacity()) * 4
            + self.consumers().map(consumer).sum::<usize>()
    }

    /// Asserts the invariants. For tests.
    pub(super) fn check(&self) {
        self.pending.check();
        assert_eq!(self.by_name.len() + self.free.len(), self.slots.len(), "slots");
        assert!(self.consumers().is_sorted_by(|a, b| a.name < b.name), "names ascend");
        let mut owned = 0;
        for slot in &self.by_name {
            let consumer = self.consumer(ConsumerSlot(*slot));
            consumer.pending.check();
            owned += consumer.pending.len();
            for id in consumer.pending.iter() {
                let entry = self.pending.get(*id).expect("a consumer's entry is the group's");
                assert_eq!(entry.consumer.0, *slot, "one owner");
            }
        }
        assert_eq!(owned, self.pending.len(), "every entry has an owner");
    }
}
