//! Values: on their own, and borrowed from a database.

use crate::hash::{Hash, HashRef};
use crate::list::List;
use crate::set::Set;
use crate::stream::Stream;
use crate::zset::Zset;
use protocol::listpack::Value as Text;
use protocol::number;

/// The type of a value, as TYPE names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Bytes, or an integer kept as one.
    String,
    /// A list.
    List,
    /// A hash.
    Hash,
    /// A set.
    Set,
    /// A sorted set.
    Zset,
    /// A stream.
    Stream,
}

impl Kind {
    /// The name that TYPE answers.
    pub fn name(self) -> &'static str {
        match self {
            Kind::String => "string",
            Kind::List => "list",
            Kind::Hash => "hash",
            Kind::Set => "set",
            Kind::Zset => "zset",
            Kind::Stream => "stream",
        }
    }
}

/// A value on its own: what is put into a database, and what a removal gives back.
#[derive(Debug)]
pub enum Value {
    /// An integer that stands for its decimal text.
    Int(i64),
    /// A string.
    Str(Vec<u8>),
    /// A list.
    List(List),
    /// A hash.
    Hash(Hash),
    /// A set.
    Set(Set),
    /// A sorted set.
    Zset(Zset),
    /// A stream.
    Stream(Stream),
}

/// Elements of a collection, and bytes of a string, up to which it is freed where it is let go.
const FREED_IN_PLACE: (usize, usize) = (64, 64 << 10);

impl Value {
    /// Whether freeing it takes so long that another thread should do it.
    pub fn is_slow_to_free(&self) -> bool {
        let (elements, bytes) = FREED_IN_PLACE;
        match self {
            Value::Int(_) => false,
            Value::Str(text) => text.len() >= bytes,
            Value::List(list) => list.len() > elements,
            Value::Hash(hash) => hash.len() > elements,
            Value::Set(set) => set.len() > elements,
            Value::Zset(zset) => zset.len() > elements,
            Value::Stream(stream) => stream.len() > elements || stream.groups().len() > 0,
        }
    }

    /// The string value of some bytes: kept as an integer if they are its canonical decimal.
    pub fn of_bytes(bytes: &[u8]) -> Value {
        match number::parse_i64(bytes) {
            Some(int) => Value::Int(int),
            None => Value::Str(bytes.to_vec()),
        }
    }
}

/// A borrowed value.
#[derive(Debug)]
pub enum ValueRef<'a> {
    /// A string.
    Str(Text<'a>),
    /// A list.
    List(&'a List),
    /// A hash.
    Hash(HashRef<'a>),
    /// A set.
    Set(&'a Set),
    /// A sorted set.
    Zset(&'a Zset),
    /// A stream.
    Stream(&'a Stream),
}
