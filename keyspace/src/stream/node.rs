//! A node: a run of entries in one listpack, as RDB stores it.
//!
//! ```text
//! node:   live | deleted | n | field₁ … fieldₙ | 0                          the master entry
//! entry:  flags | ms − node.ms | seq − node.seq | …                         flags: 1 deleted, 2 same fields as the master entry
//!   same fields:  … value₁ … valueₙ | n + 3
//!   own fields:   … k | field₁ | value₁ … fieldₖ | valueₖ | 2k + 4
//! ```
//!
//! The last element of an entry says how many came before it, so a node is read from either end.
//!
//! # Invariants
//! - `live` is what the master entry says, and more than 0
//! - the ids of live entries ascend, from the node's id on
//!
//! # Source
//! - `t_stream.c` of Redis 7.2

use super::order::HasId;
use protocol::listpack::{self, Appender, HEADER_BYTES, Value};
use protocol::rdb::StreamId;

const DELETED: u8 = 1;
const SAME_FIELDS: u8 = 2;

/// Elements of an entry besides fields and values: flags and the two parts of the id.
const FIXED: i64 = 3;

/// A node.
#[derive(Clone, Debug)]
pub(super) struct Node {
    id: StreamId,
    /// Entries that are not deleted.
    pub live: u32,
    list: Vec<u8>,
}

const _: () = assert!(size_of::<Node>() == 48);

impl HasId for Node {
    #[inline]
    fn id(&self) -> StreamId {
        self.id
    }
}

/// The master entry.
#[derive(Clone, Copy)]
struct Master {
    deleted_at: usize,
    deleted: i64,
    fields: usize,
    fields_at: usize,
}

impl Master {
    #[inline]
    fn of(list: &[u8]) -> Master {
        let deleted_at = HEADER_BYTES + listpack::entry_len(list, HEADER_BYTES);
        let (deleted, fields_count_at) = listpack::read(list, deleted_at);
        let (fields, fields_at) = listpack::read(list, fields_count_at);
        Master { deleted_at, deleted: int(deleted), fields: int(fields) as usize, fields_at }
    }

    /// Where the first entry is.
    fn end(&self, list: &[u8]) -> usize {
        pass(list, self.fields_at, self.fields + 1)
    }
}

/// An element that is known to be an integer.
#[inline]
fn int(value: Value<'_>) -> i64 {
    match value {
        Value::Int(number) => number,
        Value::Bytes(_) => unreachable!("nodes from outside were checked"),
    }
}

/// The position after `count` elements.
#[inline]
fn pass(list: &[u8], mut at: usize, count: usize) -> usize {
    for _ in 0..count {
        at += listpack::entry_len(list, at);
    }
    at
}

/// An entry of a stream, borrowed from its node.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Its id.
    pub id: StreamId,
    /// How many pairs of fields and values it has.
    pub len: usize,
    list: &'a [u8],
    /// Where its flags are.
    at: usize,
    /// Where its fields are, if they are those of the master entry.
    shared_at: Option<usize>,
    body_at: usize,
}

impl<'a> Entry<'a> {
    #[inline]
    fn read(list: &'a [u8], node: StreamId, master: &Master, at: usize) -> Entry<'a> {
        let (ms, seq_at) = listpack::read(list, at + 2);
        let (seq, mut body_at) = listpack::read(list, seq_at);
        let id = StreamId {
            ms: node.ms.wrapping_add_signed(int(ms)),
            seq: node.seq.wrapping_add_signed(int(seq)),
        };
        let mut shared_at = None;
        let len = if list[at] & SAME_FIELDS != 0 {
            shared_at = Some(master.fields_at);
            master.fields
        } else {
            let (count, next) = listpack::read(list, body_at);
            body_at = next;
            int(count) as usize
        };
        Entry { id, len, list, at, shared_at, body_at }
    }

    #[inline]
    fn is_deleted(&self) -> bool {
        self.list[self.at] & DELETED != 0
    }

    /// The position after the entry.
    #[inline]
    fn end(&self) -> usize {
        let values = if self.shared_at.is_some() { self.len } else { self.len * 2 };
        pass(self.list, self.body_at, values + 1)
    }

    /// Its fields with their values, in order.
    pub fn pairs(&self) -> Pairs<'a> {
        let Entry { list, len, shared_at, body_at, .. } = *self;
        Pairs { list, left: len, shared_at, at: body_at }
    }
}

/// The fields of an entry with their values.
pub struct Pairs<'a> {
    list: &'a [u8],
    left: usize,
    shared_at: Option<usize>,
    at: usize,
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (Value<'a>, Value<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let field = match &mut self.shared_at {
            Some(at) => {
                let (field, next) = listpack::read(self.list, *at);
                *at = next;
                field
            }
            None => {
                let (field, next) = listpack::read(self.list, self.at);
                self.at = next;
                field
            }
        };
        let (value, next) = listpack::read(self.list, self.at);
        self.at = next;
        Some((field, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Pairs<'_> {}

/// The entries of a node, deleted ones included, first to last.
pub(super) struct Forward<'a> {
    node: &'a Node,
    master: Master,
    at: usize,
    /// The entry at `at` was given out, and where the next one is was not looked for yet.
    last: Option<Entry<'a>>,
}

impl<'a> Iterator for Forward<'a> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        if let Some(last) = self.last.take() {
            self.at = last.end();
        }
        let list = &self.node.list[..];
        if self.at >= list.len() - 1 {
            return None;
        }
        self.last = Some(Entry::read(list, self.node.id, &self.master, self.at));
        self.last
    }
}

/// The same, last to first.
pub(super) struct Backward<'a> {
    node: &'a Node,
    master: Master,
    end: usize,
}

impl<'a> Iterator for Backward<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        let list = &self.node.list[..];
        let mut at = listpack::prev(list, self.end)?;
        let elements = int(listpack::value(list, at));
        if elements == 0 {
            return None;
        }
        for _ in 0..elements {
            at = listpack::prev(list, at).expect("an entry lies within its node");
        }
        self.end = at;
        Some(Entry::read(list, self.node.id, &self.master, at))
    }
}

impl Node {
    /// A node whose master entry has the fields of its first entry, which is to be appended then.
    pub fn new<'a>(
        id: StreamId,
        capacity: usize,
        count: usize,
        fields: impl Iterator<Item = &'a [u8]>,
    ) -> Node {
        let mut list = Vec::with_capacity(capacity);
        list.extend_from_slice(&listpack::EMPTY);
        let mut to = Appender::new(&mut list);
        [0, 0, count as i64].into_iter().for_each(|number| to.push(Value::Int(number)));
        fields.for_each(|field| to.push(Value::of(field)));
        to.push(Value::Int(0));
        to.finish();
        Node { id, live: 0, list }
    }

    /// The listpack.
    pub fn bytes(&self) -> &[u8] {
        &self.list
    }

    /// Bytes of the allocation.
    pub fn memory_bytes(&self) -> usize {
        self.list.capacity()
    }

    /// How many entries there are, deleted ones included.
    #[inline]
    pub fn entries(&self) -> u64 {
        self.live as u64 + Master::of(&self.list).deleted as u64
    }

    /// Gives back memory that no entry will need.
    pub fn finish(&mut self) {
        if self.list.capacity() - self.list.len() > self.list.len() / 8 {
            self.list.shrink_to_fit();
        }
    }

    /// Appends an entry whose id is greater than those of all others.
    #[inline]
    pub fn push<'a>(
        &mut self,
        id: StreamId,
        count: usize,
        pairs: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
    ) {
        let list = &mut self.list;
        let master = Master::of(list);
        let mut at = master.fields_at;
        let same = count == master.fields
            && pairs.clone().all(|(name, _)| {
                let (field, next) = listpack::read(list, at);
                at = next;
                field.eq_bytes(name)
            });
        self.live += 1;
        // The count takes more room now and then.
        listpack::replace_int(list, HEADER_BYTES, self.live as i64);
        let mut to = Appender::new(list);
        to.push(Value::Int(if same { SAME_FIELDS as i64 } else { 0 }));
        to.push(Value::Int(id.ms.wrapping_sub(self.id.ms) as i64));
        to.push(Value::Int(id.seq.wrapping_sub(self.id.seq) as i64));
        if same {
            pairs.for_each(|(_, value)| to.push(Value::of(value)));
            to.push(Value::Int(count as i64 + FIXED));
        } else {
            to.push(Value::Int(count as i64));
            pairs.for_each(|(field, value)| {
                to.push(Value::of(field));
                to.push(Value::of(value));
            });
            to.push(Value::Int(count as i64 * 2 + 1 + FIXED));
        }
        to.finish();
    }

    /// All entries, first to last.
    #[inline]
    pub fn forward(&self) -> Forward<'_> {
        let master = Master::of(&self.list);
        Forward { node: self, master, at: master.end(&self.list), last: None }
    }

    /// All entries, last to first.
    pub fn backward(&self) -> Backward<'_> {
        let master = Master::of(&self.list);
        Backward { node: self, master, end: self.list.len() - 1 }
    }

    /// Entries that are not deleted, first to last.
    #[inline]
    pub fn forward_live(&self) -> impl Iterator<Item = Entry<'_>> {
        self.forward().filter(|entry| !entry.is_deleted())
    }

    /// Entries that are not deleted, last to first.
    pub fn backward_live(&self) -> impl Iterator<Item = Entry<'_>> {
        self.backward().filter(|entry| !entry.is_deleted())
    }

    /// The id of the last entry, deleted or not.
    pub fn last_id(&self) -> StreamId {
        self.backward().next().map_or(self.id, |entry| entry.id)
    }

    /// The entry with this id, if it is not deleted.
    pub fn get(&self, id: StreamId) -> Option<Entry<'_>> {
        self.forward_live().take_while(|entry| entry.id <= id).find(|entry| entry.id == id)
    }

    /// Marks the entry with this id as deleted; false if there is none.
    pub fn delete(&mut self, id: StreamId) -> bool {
        let Some(at) = self.get(id).map(|entry| entry.at) else { return false };
        self.list[at] |= DELETED;
        self.count_deleted(1);
        true
    }

    /// Marks entries from the first one on as deleted, as long as they are `wanted`, `most` of them. Returns how many, and
    /// the id of the first one that is left.
    pub fn delete_front(
        &mut self,
        most: u64,
        wanted: impl Fn(StreamId) -> bool,
    ) -> (u32, Option<StreamId>) {
        let master = Master::of(&self.list);
        let (mut at, end) = (master.end(&self.list), self.list.len() - 1);
        let (mut count, mut left) = (0, None);
        while at < end {
            let entry = Entry::read(&self.list, self.id, &master, at);
            let (id, next) = (entry.id, entry.end());
            if !entry.is_deleted() {
                if count as u64 == most || !wanted(id) {
                    left = Some(id);
                    break;
                }
                self.list[at] |= DELETED;
                count += 1;
            }
            at = next;
        }
        if count > 0 {
            self.count_deleted(count);
        }
        (count, left)
    }

    /// Enters in the master entry that so many more entries are deleted.
    fn count_deleted(&mut self, more: u32) {
        let master = Master::of(&self.list);
        self.live -= more;
        let deleted = master.deleted + more as i64;
        listpack::replace_int(&mut self.list, master.deleted_at, deleted);
        listpack::replace_int(&mut self.list, HEADER_BYTES, self.live as i64);
    }

    /// A node from outside, if its bytes are one; its live entries must all come after `after` and before `before`.
    pub fn from_bytes(
        id: StreamId,
        list: Vec<u8>,
        after: Option<StreamId>,
        before: Option<StreamId>,
    ) -> Result<Node, &'static str> {
        listpack::validate(&list).map_err(|error| error.reason)?;
        let end = list.len() - 1;
        let skip = |at: &mut usize, count: i64| -> Result<(), &'static str> {
            // An element has two bytes at least.
            if !(0..=(end - *at) as i64 / 2).contains(&count) {
                return Err("stream node has too few elements");
            }
            for _ in 0..count {
                if *at >= end {
                    return Err("stream node has too few elements");
                }
                *at += listpack::entry_len(&list, *at);
            }
            Ok(())
        };
        let number = |at: &mut usize| -> Result<i64, &'static str> {
            if *at >= end {
                return Err("stream node ends too early");
            }
            let (value, next) = listpack::read(&list, *at);
            *at = next;
            match value {
                Value::Int(number) => Ok(number),
                Value::Bytes(_) => Err("stream node has a text where a number belongs"),
            }
        };
        let mut at = HEADER_BYTES;
        let (live, deleted) = (number(&mut at)?, number(&mut at)?);
        let (Ok(live), Ok(deleted)) = (u32::try_from(live), u32::try_from(deleted)) else {
            return Err("stream node has a count out of range");
        };
        let fields = number(&mut at)?;
        skip(&mut at, fields)?;
        if number(&mut at)? != 0 {
            return Err("stream node's master entry does not end");
        }
        let (mut found_live, mut found_deleted) = (0u32, 0u32);
        let mut last = after;
        while at < end {
            let flags = list[at];
            if flags & !(DELETED | SAME_FIELDS) != 0 {
                return Err("stream entry has unknown flags");
            }
            number(&mut at)?;
            let (ms, seq) = (number(&mut at)?, number(&mut at)?);
            let id = StreamId {
                ms: id.ms.wrapping_add_signed(ms),
                seq: id.seq.wrapping_add_signed(seq),
            };
            let elements = if flags & SAME_FIELDS != 0 {
                skip(&mut at, fields)?;
                fields + FIXED
            } else {
                let own = number(&mut at)?;
                let both = own.checked_mul(2).ok_or("stream entry has too many fields")?;
                skip(&mut at, both)?;
                both + 1 + FIXED
            };
            if number(&mut at)? != elements {
                return Err("stream entry differs from its length");
            }
            if flags & DELETED != 0 {
                found_deleted += 1;
                continue;
            }
            found_live += 1;
            if last.is_some_and(|last| id <= last) || before.is_some_and(|before| id >= before) {
                return Err("ids of stream entries do not ascend");
            }
            last = Some(id);
        }
        if (found_live, found_deleted) != (live, deleted) {
            return Err("stream node has other counts than entries");
        }
        Ok(Node { id, live, list })
    }

    /// Asserts the node's invariants. For tests.
    pub fn check(&self, after: Option<StreamId>, before: Option<StreamId>) {
        let again = Node::from_bytes(self.id, self.list.clone(), after, before);
        let again = again.expect("a node that is kept is a node");
        assert_eq!(again.live, self.live, "live entries");
        assert!(self.live > 0, "a node without live entries is removed");
        let forward: Vec<_> = self.forward().map(|entry| entry.at).collect();
        let mut backward: Vec<_> = self.backward().map(|entry| entry.at).collect();
        backward.reverse();
        assert_eq!(forward, backward, "both directions");
        assert_eq!(self.entries(), forward.len() as u64);
    }
}
