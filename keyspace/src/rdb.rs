//! One value between memory and RDB bytes, in both directions; snapshots and DUMP payloads share it.
//!
//! ```text
//! in memory                 written as                          read from
//! string                    0                                   0
//! list, nodes               18: packed and plain nodes          18, 14, 10, 1
//! hash  pairs | table       16 | 4                              16, 4, 13, 9
//! set   intset | listpack | table   11 | 2 | 2                  11, 20, 2
//! zset  listpack | ordered  17 | 5, from high to low            17, 5, 12, 3
//! stream                    19, in `stream::rdb`                19, 21, 15
//! ```
//!
//! # Invariants
//! - a value that was read obeys the invariants of its type: a packed blob's order and uniqueness are verified, an
//!   element that comes twice is refused
//! - counts of a file never size an allocation: they choose the form in which building begins
//!
//! # Not here
//! - fields with an expiry: refused
//!
//! # Source
//! - `rdb.c` of Redis 7.2: types of values

use crate::entry::{Value, ValueRef};
use crate::hash::{Hash, HashRef};
use crate::limits::Limits;
use crate::list::{End, List, NodeBytes};
use crate::set::Set;
use crate::stream;
use crate::zset::{Zset, ZsetBuilder};
use protocol::listpack::{self, Value as Text};
use protocol::number::parse_f64;
use protocol::rdb::{
    Collection, Malformed, ObjectType, PackedKind, Sink, StrRef, StreamValue, ValueVisitor, Writer,
};
use protocol::{ziplist, zipmap};

/// What comes before a plain and a packed node of a list.
const NODE_PLAIN: u64 = 1;
const NODE_PACKED: u64 = 2;

/// Writes type, key (unless it is a DUMP payload) and value.
#[inline]
pub fn write_value<S: Sink>(
    writer: &mut Writer<S>,
    key: Option<&[u8]>,
    value: ValueRef<'_>,
) -> Result<(), S::Error> {
    let begin = |writer: &mut Writer<S>, object_type| {
        writer.object_type(object_type)?;
        key.map_or(Ok(()), |key| writer.string(key))
    };
    match value {
        ValueRef::Str(text) => {
            begin(writer, ObjectType::String)?;
            write_text(writer, text)
        }
        ValueRef::List(list) => {
            begin(writer, ObjectType::ListQuicklist2)?;
            write_list(writer, list)
        }
        ValueRef::Hash(hash) => {
            if let Some(pairs) = hash.pairs() {
                begin(writer, ObjectType::HashListpack)?;
                return writer.blob_made(|blob| pairs.to_listpack(blob));
            }
            begin(writer, ObjectType::Hash)?;
            write_hash(writer, hash)
        }
        ValueRef::Set(set) => {
            if let Some(blob) = set.ints_bytes() {
                begin(writer, ObjectType::SetIntset)?;
                return writer.blob(blob);
            }
            begin(writer, ObjectType::Set)?;
            writer.length(set.len() as u64)?;
            set.iter().try_for_each(|member| write_text(writer, member))
        }
        ValueRef::Zset(zset) => {
            if let Some(blob) = zset.packed_bytes() {
                begin(writer, ObjectType::ZsetListpack)?;
                return writer.blob(blob);
            }
            begin(writer, ObjectType::Zset)?;
            write_zset(writer, zset)
        }
        ValueRef::Stream(stream) => {
            begin(writer, ObjectType::Stream2)?;
            stream::rdb::write(writer, stream)
        }
    }
}

#[inline]
fn write_text<S: Sink>(writer: &mut Writer<S>, text: Text<'_>) -> Result<(), S::Error> {
    match text {
        Text::Int(number) => writer.integer(number),
        Text::Bytes(bytes) => writer.string(bytes),
    }
}

fn write_list<S: Sink>(writer: &mut Writer<S>, list: &List) -> Result<(), S::Error> {
    let nodes = list.nodes();
    writer.length(nodes.len() as u64)?;
    for node in nodes {
        let (container, blob) = match node {
            NodeBytes::Plain(element) => (NODE_PLAIN, element),
            NodeBytes::Packed(blob) => (NODE_PACKED, blob),
        };
        writer.length(container)?;
        writer.blob(blob)?;
    }
    Ok(())
}

fn write_hash<S: Sink>(writer: &mut Writer<S>, hash: HashRef<'_>) -> Result<(), S::Error> {
    writer.length(hash.len() as u64)?;
    for (field, value) in hash.iter() {
        write_text(writer, field)?;
        write_text(writer, value)?;
    }
    Ok(())
}

fn write_zset<S: Sink>(writer: &mut Writer<S>, zset: &Zset) -> Result<(), S::Error> {
    writer.length(zset.len() as u64)?;
    for (member, score) in zset.iter().rev() {
        write_text(writer, member)?;
        writer.score(score)?;
    }
    Ok(())
}

/// What has been read of a value.
#[derive(Default)]
enum Building {
    #[default]
    Nothing,
    Done(Value),
    List(List),
    /// A list of packed nodes; its blobs were verified.
    Nodes(Vec<Node>),
    Set(Set),
    Hash(Hash),
    Zset(Box<ZsetBuilder>),
}

enum Node {
    Packed(Vec<u8>),
    Plain(Vec<u8>),
}

/// Builds a value while it is read: the visitor for `Reader::read_value` and RESTORE.
pub struct ValueBuilder<'a> {
    limits: &'a Limits,
    building: Building,
    mended: bool,
}

impl<'a> ValueBuilder<'a> {
    /// For one value after another.
    pub fn new(limits: &'a Limits) -> Self {
        Self { limits, building: Building::Nothing, mended: false }
    }

    /// Whether the last value said something wrong of itself that could be mended: a stream, of its entries.
    pub fn take_mended(&mut self) -> bool {
        std::mem::take(&mut self.mended)
    }

    /// The value that was read; `None` if it is a collection without elements, which cannot be stored.
    pub fn take(&mut self) -> Result<Option<Value>, Malformed> {
        let value = match std::mem::take(&mut self.building) {
            Building::Nothing => return Ok(None),
            Building::Done(value) => value,
            Building::List(list) => Value::List(list),
            Building::Nodes(nodes) => {
                let nodes = nodes.iter().map(|node| match node {
                    Node::Packed(blob) => NodeBytes::Packed(blob),
                    Node::Plain(element) => NodeBytes::Plain(element),
                });
                Value::List(List::from_nodes(nodes, self.limits).map_err(packed_error)?)
            }
            Building::Set(set) => Value::Set(set),
            Building::Hash(hash) => Value::Hash(hash),
            Building::Zset(builder) => Value::Zset(builder.finish()),
        };
        let empty = match &value {
            Value::Int(_) | Value::Str(_) | Value::Stream(_) => false,
            Value::List(list) => list.is_empty(),
            Value::Set(set) => set.is_empty(),
            Value::Hash(hash) => hash.is_empty(),
            Value::Zset(zset) => zset.is_empty(),
        };
        Ok((!empty).then_some(value))
    }

    fn set_pair(hash: &mut Hash, limits: &Limits, f: &[u8], v: &[u8]) -> Result<(), Malformed> {
        if hash.set(f, v, limits) { Ok(()) } else { Err(Malformed::invalid("a field comes twice")) }
    }

    fn hash_ziplist(&self, blob: &[u8]) -> Result<Hash, Malformed> {
        let mut hash = Hash::new();
        for_pairs(blob, |field, value| Self::set_pair(&mut hash, self.limits, field, value))?;
        Ok(hash)
    }

    fn hash_zipmap(&self, blob: &[u8]) -> Result<Hash, Malformed> {
        let mut hash = Hash::new();
        for (field, value) in zipmap::iter(blob)? {
            Self::set_pair(&mut hash, self.limits, field, value)?;
        }
        Ok(hash)
    }

    fn zset_ziplist(&self, blob: &[u8]) -> Result<Zset, Malformed> {
        let mut builder = ZsetBuilder::new(ziplist::iter(blob)?.len() / 2, self.limits);
        for_pairs(blob, |member, score| {
            let score = parse_f64(score).ok_or(Malformed::invalid("a score is not a number"))?;
            builder.push(member, score).map_err(packed_error)
        })?;
        Ok(builder.finish())
    }

    fn list_ziplist(&mut self, blob: &[u8]) -> Result<(), Malformed> {
        if !matches!(self.building, Building::List(_)) {
            self.building = Building::List(List::new());
        }
        let Building::List(list) = &mut self.building else { unreachable!("set above") };
        let mut number = itoa::Buffer::new();
        for entry in ziplist::iter(blob)? {
            list.push(End::Back, ziplist_text(entry, &mut number), self.limits);
        }
        Ok(())
    }

    fn packed_value(&self, kind: PackedKind, blob: &[u8]) -> Result<Value, Malformed> {
        let limits = self.limits;
        Ok(match kind {
            PackedKind::HashListpack => {
                Value::Hash(Hash::from_listpack(blob, limits).map_err(packed_error)?)
            }
            PackedKind::ZsetListpack => {
                Value::Zset(Zset::from_packed(blob, limits).map_err(packed_error)?)
            }
            PackedKind::SetListpack => {
                Value::Set(Set::from_packed(blob, limits).map_err(packed_error)?)
            }
            PackedKind::SetIntset => {
                Value::Set(Set::from_ints(blob, limits).map_err(packed_error)?)
            }
            PackedKind::HashZiplist => Value::Hash(self.hash_ziplist(blob)?),
            PackedKind::HashZipmap => Value::Hash(self.hash_zipmap(blob)?),
            PackedKind::ZsetZiplist => Value::Zset(self.zset_ziplist(blob)?),
            PackedKind::HashListpackEx => {
                return Err(Malformed::invalid("fields with an expiry are not supported"));
            }
            PackedKind::ListNodePacked | PackedKind::ListNodePlain | PackedKind::ListZiplist => {
                unreachable!("lists come in nodes")
            }
        })
    }
}

impl ValueVisitor for ValueBuilder<'_> {
    #[inline]
    fn string(&mut self, value: StrRef<'_>) -> Result<(), Malformed> {
        self.building = Building::Done(match value {
            StrRef::Int(number) => Value::Int(number),
            StrRef::Bytes(bytes) => Value::of_bytes(bytes),
        });
        Ok(())
    }

    fn begin(&mut self, kind: Collection, count: u64) -> Result<(), Malformed> {
        let hint = usize::try_from(count).unwrap_or(usize::MAX);
        self.building = match kind {
            Collection::List => Building::Nothing,
            Collection::Set => Building::Set(Set::with_capacity(hint, self.limits)),
            Collection::Hash => Building::Hash(Hash::with_capacity(hint, self.limits)),
            Collection::Zset => Building::Zset(Box::new(ZsetBuilder::new(hint, self.limits))),
        };
        Ok(())
    }

    fn element(&mut self, element: StrRef<'_>) -> Result<(), Malformed> {
        let mut number = itoa::Buffer::new();
        let text = element.text(&mut number);
        if let Building::Set(set) = &mut self.building {
            let new = set.add(text, self.limits);
            return if new { Ok(()) } else { Err(Malformed::invalid("a member comes twice")) };
        }
        if let Building::Nothing = self.building {
            self.building = Building::List(List::new());
        }
        let Building::List(list) = &mut self.building else {
            unreachable!("elements belong to sets and lists");
        };
        list.push(End::Back, text, self.limits);
        Ok(())
    }

    fn pair(&mut self, field: StrRef<'_>, value: StrRef<'_>) -> Result<(), Malformed> {
        let Building::Hash(hash) = &mut self.building else {
            unreachable!("pairs belong to hashes");
        };
        let (mut a, mut b) = (itoa::Buffer::new(), itoa::Buffer::new());
        Self::set_pair(hash, self.limits, field.text(&mut a), value.text(&mut b))
    }

    fn scored(&mut self, member: StrRef<'_>, score: f64) -> Result<(), Malformed> {
        let Building::Zset(builder) = &mut self.building else {
            unreachable!("scores belong to sorted sets");
        };
        builder.push(member.text(&mut itoa::Buffer::new()), score).map_err(packed_error)
    }

    fn stream(&mut self, stream: StreamValue) -> Result<(), Malformed> {
        let (stream, mended) = stream::rdb::read(stream)?;
        self.building = Building::Done(Value::Stream(stream));
        self.mended = mended;
        Ok(())
    }

    fn packed(&mut self, kind: PackedKind, blob: &[u8]) -> Result<(), Malformed> {
        let node = match kind {
            PackedKind::ListZiplist => return self.list_ziplist(blob),
            // No server makes a node for one, only for what is too long for a listpack.
            PackedKind::ListNodePlain if blob.is_empty() => {
                return Err(Malformed::invalid("an empty element has a node of its own"));
            }
            PackedKind::ListNodePlain => Node::Plain(blob.to_vec()),
            PackedKind::ListNodePacked => {
                listpack::validate(blob).map_err(packed_error)?;
                Node::Packed(blob.to_vec())
            }
            _ => {
                self.building = Building::Done(self.packed_value(kind, blob)?);
                return Ok(());
            }
        };
        match &mut self.building {
            Building::Nodes(nodes) => nodes.push(node),
            building => *building = Building::Nodes(vec![node]),
        }
        Ok(())
    }
}

fn packed_error(error: listpack::Malformed) -> Malformed {
    Malformed::invalid(format!("packed value, byte {}: {}", error.offset, error.reason))
}

fn ziplist_text<'b>(entry: ziplist::Entry<'b>, number: &'b mut itoa::Buffer) -> &'b [u8] {
    match entry {
        ziplist::Entry::Int(int) => number.format(int).as_bytes(),
        ziplist::Entry::Bytes(bytes) => bytes,
    }
}

/// The pairs of a ziplist.
fn for_pairs(
    blob: &[u8],
    mut each: impl FnMut(&[u8], &[u8]) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let mut entries = ziplist::iter(blob)?;
    if !entries.len().is_multiple_of(2) {
        return Err(Malformed::invalid("ziplist of pairs has an odd number of entries"));
    }
    let (mut a, mut b) = (itoa::Buffer::new(), itoa::Buffer::new());
    while let (Some(first), Some(second)) = (entries.next(), entries.next()) {
        each(ziplist_text(first, &mut a), ziplist_text(second, &mut b))?;
    }
    Ok(())
}
