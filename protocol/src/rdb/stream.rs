//! Streams in the file: types 15, 19 and 21.
//!
//! ```text
//! len n, n × (str 16 bytes: id of the node, str listpack)
//! len entries | len last ms, seq
//! 19, 21:  len first ms, seq | len greatest deleted ms, seq | len entries added
//! len groups, each:
//!   str name | len last delivered ms, seq | 19, 21: len entries read (−1 = unknown)
//!   len pending, each:    16 bytes id | i64 LE delivered at, ms | len delivery count
//!   len consumers, each:  str name | i64 LE seen at, ms | 21: i64 LE active at, ms (−1 = never)
//!                         len pending, each: 16 bytes id
//! ```
//!
//! Ids of 16 bytes are big-endian ms and seq.
//!
//! # Invariants
//! - nodes come in ascending order of their ids
//! - every pending id of a group is owned by exactly one of its consumers, whose names are all different
//!
//! # Not here
//! - the nodes' listpacks, and whether they have as many entries as announced: who keeps the stream checks them
//!
//! # Source
//! - `rdb.c` and `t_stream.c` of Redis 7.2: types 15, 19 and 21

use super::ObjectType;
use super::error::ReadError;
use super::input::{Input, Source};
use super::write::{Sink, Writer};

/// The id of an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// Unix milliseconds.
    pub ms: u64,
    /// Number within the millisecond.
    pub seq: u64,
}

impl StreamId {
    /// The lowest id, which no entry has.
    pub const MIN: Self = Self { ms: 0, seq: 0 };
    /// The highest id.
    pub const MAX: Self = Self { ms: u64::MAX, seq: u64::MAX };

    /// The id after this one; `None` after the highest.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(Self { seq, ..self }),
            None => Some(Self { ms: self.ms.checked_add(1)?, seq: 0 }),
        }
    }

    /// The id before this one; `None` before the lowest.
    #[must_use]
    pub fn prev(self) -> Option<Self> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(Self { seq, ..self }),
            None => Some(Self { ms: self.ms.checked_sub(1)?, seq: u64::MAX }),
        }
    }

    /// The form of 16 bytes, which sorts like the id.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.ms.to_be_bytes());
        bytes[8..].copy_from_slice(&self.seq.to_be_bytes());
        bytes
    }

    /// Reads the form of 16 bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        let both = u128::from_be_bytes(bytes);
        Self { ms: (both >> 64) as u64, seq: both as u64 }
    }
}

/// Entries under one id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamNode {
    /// The id of the node's first entry ever.
    pub id: StreamId,
    /// The entries; not checked.
    pub listpack: Vec<u8>,
}

/// An entry delivered and not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PendingEntry {
    /// Which.
    pub id: StreamId,
    /// When it was last delivered, unix milliseconds.
    pub delivered_ms: i64,
    /// How often it was delivered.
    pub count: u64,
}

/// A consumer of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamConsumer {
    /// Its name.
    pub name: Vec<u8>,
    /// When it last tried, unix milliseconds.
    pub seen_ms: i64,
    /// When it last got something; `None` = never. Below type 21 the same as `seen_ms`.
    pub active_ms: Option<i64>,
    /// What it has not acknowledged.
    pub pending: Vec<StreamId>,
}

/// A group of consumers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamGroup {
    /// Its name.
    pub name: Vec<u8>,
    /// The last id delivered.
    pub last_delivered: StreamId,
    /// How many entries it has read, if that is known.
    pub entries_read: Option<u64>,
    /// What its consumers have not acknowledged.
    pub pending: Vec<PendingEntry>,
    /// Its consumers.
    pub consumers: Vec<StreamConsumer>,
}

/// A whole stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamValue {
    /// The entries.
    pub nodes: Vec<StreamNode>,
    /// How many live entries there are, says the file.
    pub entries: u64,
    /// The last id given out.
    pub last_id: StreamId,
    /// The first live id (0-0 if there is none); `None` in type 15, which does not say.
    pub first_id: Option<StreamId>,
    /// The greatest id ever deleted.
    pub max_deleted_id: StreamId,
    /// How many entries were ever added.
    pub entries_added: u64,
    /// The groups.
    pub groups: Vec<StreamGroup>,
}

type Read<T, S> = Result<T, ReadError<<S as Source>::Error>>;

/// `entries_read` of a group that does not know it: −1.
const UNKNOWN: u64 = u64::MAX;

impl StreamValue {
    pub(super) fn read<S: Source>(input: &mut Input<S>, object_type: ObjectType) -> Read<Self, S> {
        let mut nodes: Vec<StreamNode> = Vec::new();
        for _ in 0..input.length()? {
            let Ok(id) = <[u8; 16]>::try_from(input.string_owned()?) else {
                return input.invalid("id of a stream node has not 16 bytes");
            };
            let id = StreamId::from_bytes(id);
            if nodes.last().is_some_and(|last| last.id >= id) {
                return input.invalid("ids of stream nodes do not ascend");
            }
            nodes.push(StreamNode { id, listpack: input.string_owned()? });
        }
        let entries = input.length()?;
        let last_id = read_id(input)?;
        let (first_id, max_deleted_id, entries_added) = if object_type == ObjectType::Stream1 {
            (None, StreamId::default(), entries)
        } else {
            (Some(read_id(input)?), read_id(input)?, input.length()?)
        };
        let mut groups: Vec<StreamGroup> = Vec::new();
        for _ in 0..input.length()? {
            groups.push(StreamGroup::read(input, object_type)?);
        }
        if has_duplicates(groups.iter().map(|group| &group.name[..])) {
            return input.invalid("stream has two groups of one name");
        }
        Ok(Self { nodes, entries, last_id, first_id, max_deleted_id, entries_added, groups })
    }
}

impl StreamGroup {
    fn read<S: Source>(input: &mut Input<S>, object_type: ObjectType) -> Read<Self, S> {
        let name = input.string_owned()?;
        let last_delivered = read_id(input)?;
        let entries_read = match object_type {
            ObjectType::Stream1 => None,
            _ => Some(input.length()?).filter(|&read| read != UNKNOWN),
        };
        let mut pending = Vec::new();
        for _ in 0..input.length()? {
            let id = StreamId::from_bytes(input.array()?);
            let delivered_ms = i64::from_le_bytes(input.array()?);
            pending.push(PendingEntry { id, delivered_ms, count: input.length()? });
        }
        let mut consumers = Vec::new();
        for _ in 0..input.length()? {
            let name = input.string_owned()?;
            let seen_ms = i64::from_le_bytes(input.array()?);
            let active_ms = match object_type {
                ObjectType::Stream3 => {
                    Some(i64::from_le_bytes(input.array()?)).filter(|&active| active != -1)
                }
                _ => Some(seen_ms),
            };
            let mut pending = Vec::new();
            for _ in 0..input.length()? {
                pending.push(StreamId::from_bytes(input.array()?));
            }
            consumers.push(StreamConsumer { name, seen_ms, active_ms, pending });
        }
        let group = Self { name, last_delivered, entries_read, pending, consumers };
        match group.check() {
            Ok(()) => Ok(group),
            Err(reason) => input.invalid(reason),
        }
    }

    /// Whether pending entries and their owners agree.
    fn check(&self) -> Result<(), &'static str> {
        if has_duplicates(self.consumers.iter().map(|consumer| &consumer.name[..])) {
            return Err("Duplicate stream consumer detected");
        }
        let mut pending: Vec<_> = self.pending.iter().map(|entry| entry.id).collect();
        let mut owned: Vec<_> =
            self.consumers.iter().flat_map(|consumer| consumer.pending.iter().copied()).collect();
        pending.sort_unstable();
        owned.sort_unstable();
        if pending.windows(2).any(|two| two[0] == two[1]) {
            return Err("stream group has an entry pending twice");
        }
        if pending != owned {
            return Err("pending entries of a stream group are not each owned by one consumer");
        }
        Ok(())
    }
}

fn has_duplicates<'a>(names: impl Iterator<Item = &'a [u8]>) -> bool {
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    names.windows(2).any(|two| two[0] == two[1])
}

fn read_id<S: Source>(input: &mut Input<S>) -> Read<StreamId, S> {
    Ok(StreamId { ms: input.length()?, seq: input.length()? })
}

impl<S: Sink> Writer<S> {
    /// Writes one node of a stream.
    pub fn stream_node(&mut self, id: StreamId, listpack: &[u8]) -> Result<(), S::Error> {
        self.blob(&id.to_bytes())?;
        self.blob(listpack)
    }

    /// Writes an id as two lengths.
    pub fn stream_id(&mut self, id: StreamId) -> Result<(), S::Error> {
        self.length(id.ms)?;
        self.length(id.seq)
    }

    /// Writes what comes before the `pending` pending entries of a group.
    pub fn stream_group(
        &mut self,
        name: &[u8],
        last_delivered: StreamId,
        entries_read: Option<u64>,
        pending: usize,
    ) -> Result<(), S::Error> {
        self.blob(name)?;
        self.stream_id(last_delivered)?;
        self.length(entries_read.unwrap_or(UNKNOWN))?;
        self.length(pending as u64)
    }

    /// Writes one pending entry of a group.
    pub fn stream_pending(&mut self, entry: PendingEntry) -> Result<(), S::Error> {
        self.raw(&entry.id.to_bytes())?;
        self.raw(&entry.delivered_ms.to_le_bytes())?;
        self.length(entry.count)
    }

    /// Writes a consumer as type 19 has it: without the time at which it was active.
    pub fn stream_consumer(
        &mut self,
        name: &[u8],
        seen_ms: i64,
        pending: impl ExactSizeIterator<Item = StreamId>,
    ) -> Result<(), S::Error> {
        self.blob(name)?;
        self.raw(&seen_ms.to_le_bytes())?;
        self.length(pending.len() as u64)?;
        for id in pending {
            self.raw(&id.to_bytes())?;
        }
        Ok(())
    }

    /// Writes a whole stream as type 19, after its key. `first_id` must be known.
    #[cfg(test)]
    pub fn stream(&mut self, stream: &StreamValue) -> Result<(), S::Error> {
        self.length(stream.nodes.len() as u64)?;
        for node in &stream.nodes {
            self.stream_node(node.id, &node.listpack)?;
        }
        self.length(stream.entries)?;
        self.stream_id(stream.last_id)?;
        self.stream_id(stream.first_id.expect("the first id is known to who keeps the stream"))?;
        self.stream_id(stream.max_deleted_id)?;
        self.length(stream.entries_added)?;
        self.length(stream.groups.len() as u64)?;
        for group in &stream.groups {
            let pending = group.pending.len();
            self.stream_group(&group.name, group.last_delivered, group.entries_read, pending)?;
            group.pending.iter().try_for_each(|entry| self.stream_pending(*entry))?;
            self.length(group.consumers.len() as u64)?;
            for consumer in &group.consumers {
                let pending = consumer.pending.iter().copied();
                self.stream_consumer(&consumer.name, consumer.seen_ms, pending)?;
            }
        }
        Ok(())
    }
}
