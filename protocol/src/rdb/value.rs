//! Values on their way out of the file: who takes them, and how each type is taken apart.
//!
//! A visitor is told what there is in the order in which it lies in the file, so that a value is converted while it
//! is read and nothing is built twice. Packed encodings are handed over whole: a keyspace that uses the same ones
//! checks and keeps them.
//!
//! # Invariants
//! - an error of the visitor ends reading, and gets the offset at which it happened
//! - a collection's `begin` comes before its parts; a whole packed value (and a string) has none

use super::ObjectType;
use super::error::{Malformed, ModuleName, ReadError};
use super::input::{Source, StrRef};
use super::read::Reader;
use super::stream::StreamValue;

/// What a value that comes in parts is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Collection {
    /// Elements in order, or packed nodes in order.
    List,
    /// Elements.
    Set,
    /// Pairs.
    Hash,
    /// Scored members, in any order.
    Zset,
}

/// The encoding of a packed value or of a list's node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PackedKind {
    /// Listpack: field, value, …
    HashListpack,
    /// Listpack: field, value, expiry in ms (0 = none), …
    HashListpackEx,
    /// Listpack: member, score, …
    ZsetListpack,
    /// Listpack: member, …
    SetListpack,
    /// Intset.
    SetIntset,
    /// Listpack: one node of a list.
    ListNodePacked,
    /// One element that is a node of a list by itself; the blob is the element.
    ListNodePlain,
    /// Ziplist: field, value, …
    HashZiplist,
    /// Ziplist: member, score, …
    ZsetZiplist,
    /// Ziplist: a whole old list, or one node of one.
    ListZiplist,
    /// Zipmap.
    HashZipmap,
}

/// Takes one value. Fields with expiries and streams are refused unless a visitor says otherwise.
pub trait ValueVisitor {
    /// A whole string.
    fn string(&mut self, value: StrRef<'_>) -> Result<(), Malformed>;

    /// A collection begins. `count` is what the file announces: elements, pairs or members, but *nodes* for a list
    /// that comes in packed nodes; a hint to be capped. With 0 nothing follows: peers skip such a key in a file and
    /// refuse it in RESTORE.
    fn begin(&mut self, kind: Collection, count: u64) -> Result<(), Malformed>;

    /// An element of a list or a member of a set.
    fn element(&mut self, element: StrRef<'_>) -> Result<(), Malformed>;

    /// A field of a hash and its value.
    fn pair(&mut self, field: StrRef<'_>, value: StrRef<'_>) -> Result<(), Malformed>;

    /// A field with its value and, unless `None`, the unix milliseconds at which it expires.
    fn field_with_expiry(
        &mut self,
        field: StrRef<'_>,
        value: StrRef<'_>,
        expire_ms: Option<i64>,
    ) -> Result<(), Malformed> {
        let _ = (field, value, expire_ms);
        Err(Malformed::invalid("fields with an expiry are not supported"))
    }

    /// A member of a sorted set; the score is not NaN.
    fn scored(&mut self, member: StrRef<'_>, score: f64) -> Result<(), Malformed>;

    /// A packed value, or a packed node of a list that has begun. The blob is *not* checked.
    fn packed(&mut self, kind: PackedKind, blob: &[u8]) -> Result<(), Malformed>;

    /// A whole stream; its nodes' listpacks are *not* checked.
    fn stream(&mut self, stream: StreamValue) -> Result<(), Malformed> {
        let _ = stream;
        Err(Malformed::invalid("streams are not supported"))
    }
}

/// Takes everything and keeps nothing.
struct Skip;

impl ValueVisitor for Skip {
    fn string(&mut self, _: StrRef<'_>) -> Result<(), Malformed> {
        Ok(())
    }
    fn begin(&mut self, _: Collection, _: u64) -> Result<(), Malformed> {
        Ok(())
    }
    fn element(&mut self, _: StrRef<'_>) -> Result<(), Malformed> {
        Ok(())
    }
    fn pair(&mut self, _: StrRef<'_>, _: StrRef<'_>) -> Result<(), Malformed> {
        Ok(())
    }
    fn field_with_expiry(
        &mut self,
        _: StrRef<'_>,
        _: StrRef<'_>,
        _: Option<i64>,
    ) -> Result<(), Malformed> {
        Ok(())
    }
    fn scored(&mut self, _: StrRef<'_>, _: f64) -> Result<(), Malformed> {
        Ok(())
    }
    fn packed(&mut self, _: PackedKind, _: &[u8]) -> Result<(), Malformed> {
        Ok(())
    }
    fn stream(&mut self, _: StreamValue) -> Result<(), Malformed> {
        Ok(())
    }
}

const NODE_PLAIN: u64 = 1;
const NODE_PACKED: u64 = 2;

impl<S: Source> Reader<S> {
    /// Reads past the value of the last key; even a module's.
    pub fn skip_value(&mut self) -> Result<(), ReadError<S::Error>> {
        let object_type = self.pending.expect("a key comes before its value");
        if object_type == ObjectType::Module {
            self.pending = None;
            self.input.length()?;
            return self.skip_module_values();
        }
        self.read_value(object_type, &mut Skip)
    }

    /// Reads the value of the last key, whose type was `object_type`, into `visitor`.
    #[inline]
    pub fn read_value<V: ValueVisitor>(
        &mut self,
        object_type: ObjectType,
        visitor: &mut V,
    ) -> Result<(), ReadError<S::Error>> {
        assert_eq!(self.pending.take(), Some(object_type), "a key comes before its value");
        if object_type == ObjectType::String {
            let piece = self.input.string(0)?;
            let result = visitor.string(self.input.get(piece));
            return self.told(result);
        }
        self.read_collection(object_type, visitor)
    }

    fn read_collection<V: ValueVisitor>(
        &mut self,
        object_type: ObjectType,
        visitor: &mut V,
    ) -> Result<(), ReadError<S::Error>> {
        match object_type {
            ObjectType::String => unreachable!("read_value takes strings"),
            ObjectType::List => self.elements(Collection::List, visitor),
            ObjectType::Set => self.elements(Collection::Set, visitor),
            ObjectType::Hash => self.pairs(visitor),
            ObjectType::ZsetAscii | ObjectType::Zset => self.members(object_type, visitor),
            ObjectType::HashExpiry => self.pairs_then_expiry(visitor),
            ObjectType::HashMetadata => self.expiries_then_pairs(visitor),
            ObjectType::HashListpackEx => {
                // The smallest expiry is for servers that keep the blob as it is.
                let _smallest: [u8; 8] = self.input.array()?;
                self.blob(PackedKind::HashListpackEx, visitor)
            }
            ObjectType::HashZipmap => self.blob(PackedKind::HashZipmap, visitor),
            ObjectType::ListZiplist => self.blob(PackedKind::ListZiplist, visitor),
            ObjectType::SetIntset => self.blob(PackedKind::SetIntset, visitor),
            ObjectType::ZsetZiplist => self.blob(PackedKind::ZsetZiplist, visitor),
            ObjectType::HashZiplist => self.blob(PackedKind::HashZiplist, visitor),
            ObjectType::HashListpack => self.blob(PackedKind::HashListpack, visitor),
            ObjectType::ZsetListpack => self.blob(PackedKind::ZsetListpack, visitor),
            ObjectType::SetListpack => self.blob(PackedKind::SetListpack, visitor),
            ObjectType::ListQuicklist | ObjectType::ListQuicklist2 => {
                self.nodes(object_type, visitor)
            }
            ObjectType::Stream1 | ObjectType::Stream2 | ObjectType::Stream3 => {
                let stream = StreamValue::read(&mut self.input, object_type)?;
                let result = visitor.stream(stream);
                self.told(result)
            }
            ObjectType::Module => {
                let name = ModuleName(self.input.length()?);
                self.input.fail(Malformed::Module(name))
            }
        }
    }

    /// Ends a part: gives an error of the visitor its offset, and lets go of what was lent.
    #[inline]
    fn told(&mut self, result: Result<(), Malformed>) -> Result<(), ReadError<S::Error>> {
        self.input.release();
        result.or_else(|reason| self.input.fail(reason))
    }

    fn begin<V: ValueVisitor>(
        &mut self,
        kind: Collection,
        visitor: &mut V,
    ) -> Result<u64, ReadError<S::Error>> {
        let count = self.input.length()?;
        let result = visitor.begin(kind, count);
        self.told(result)?;
        Ok(count)
    }

    fn elements<V: ValueVisitor>(
        &mut self,
        kind: Collection,
        visitor: &mut V,
    ) -> Result<(), ReadError<S::Error>> {
        for _ in 0..self.begin(kind, visitor)? {
            let piece = self.input.string(0)?;
            let result = visitor.element(self.input.get(piece));
            self.told(result)?;
        }
        Ok(())
    }

    fn pairs<V: ValueVisitor>(&mut self, visitor: &mut V) -> Result<(), ReadError<S::Error>> {
        for _ in 0..self.begin(Collection::Hash, visitor)? {
            let (field, value) = (self.input.string(0)?, self.input.string(1)?);
            let result = visitor.pair(self.input.get(field), self.input.get(value));
            self.told(result)?;
        }
        Ok(())
    }

    /// Type 22 of Valkey.
    fn pairs_then_expiry<V: ValueVisitor>(
        &mut self,
        visitor: &mut V,
    ) -> Result<(), ReadError<S::Error>> {
        for _ in 0..self.begin(Collection::Hash, visitor)? {
            let (field, value) = (self.input.string(0)?, self.input.string(1)?);
            let expire_ms = match i64::from_le_bytes(self.input.array()?) {
                -1 => None,
                expire_ms if expire_ms >= 0 => Some(expire_ms),
                _ => return self.input.invalid("negative expiry of a field"),
            };
            let (field, value) = (self.input.get(field), self.input.get(value));
            let result = visitor.field_with_expiry(field, value, expire_ms);
            self.told(result)?;
        }
        Ok(())
    }

    /// Type 24 of Redis 7.4: every expiry is counted from one before the smallest.
    fn expiries_then_pairs<V: ValueVisitor>(
        &mut self,
        visitor: &mut V,
    ) -> Result<(), ReadError<S::Error>> {
        let smallest = i64::from_le_bytes(self.input.array()?);
        for _ in 0..self.begin(Collection::Hash, visitor)? {
            let expire_ms = match self.input.length()? {
                0 => None,
                after => match smallest.checked_add_unsigned(after - 1) {
                    Some(expire_ms) if expire_ms >= 0 => Some(expire_ms),
                    _ => return self.input.invalid("expiry of a field is out of range"),
                },
            };
            let (field, value) = (self.input.string(0)?, self.input.string(1)?);
            let (field, value) = (self.input.get(field), self.input.get(value));
            let result = visitor.field_with_expiry(field, value, expire_ms);
            self.told(result)?;
        }
        Ok(())
    }

    fn members<V: ValueVisitor>(
        &mut self,
        object_type: ObjectType,
        visitor: &mut V,
    ) -> Result<(), ReadError<S::Error>> {
        for _ in 0..self.begin(Collection::Zset, visitor)? {
            let member = self.input.string(0)?;
            let score = if object_type == ObjectType::Zset {
                f64::from_le_bytes(self.input.array()?)
            } else {
                self.ascii_score()?
            };
            if score.is_nan() {
                return self.input.invalid("score is not a number");
            }
            let result = visitor.scored(self.input.get(member), score);
            self.told(result)?;
        }
        Ok(())
    }

    fn ascii_score(&mut self) -> Result<f64, ReadError<S::Error>> {
        match self.input.byte()? {
            253 => Ok(f64::NAN),
            254 => Ok(f64::INFINITY),
            255 => Ok(f64::NEG_INFINITY),
            len => {
                let text = self.input.short_bytes(len)?;
                let score = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
                match score {
                    Some(score) => Ok(score),
                    None => self.input.invalid("score is not a number"),
                }
            }
        }
    }

    fn blob<V: ValueVisitor>(
        &mut self,
        kind: PackedKind,
        visitor: &mut V,
    ) -> Result<(), ReadError<S::Error>> {
        let piece = self.input.string(0)?;
        let result = visitor.packed(kind, self.input.get_text(piece, 0));
        self.told(result)
    }

    fn nodes<V: ValueVisitor>(
        &mut self,
        object_type: ObjectType,
        visitor: &mut V,
    ) -> Result<(), ReadError<S::Error>> {
        for _ in 0..self.begin(Collection::List, visitor)? {
            let kind = if object_type == ObjectType::ListQuicklist {
                PackedKind::ListZiplist
            } else {
                match self.input.length()? {
                    NODE_PLAIN => PackedKind::ListNodePlain,
                    NODE_PACKED => PackedKind::ListNodePacked,
                    _ => return self.input.invalid("unknown container of a list node"),
                }
            };
            self.blob(kind, visitor)?;
        }
        Ok(())
    }

    /// Reads past a module's values, through the 0 that ends them.
    pub(super) fn skip_module_values(&mut self) -> Result<(), ReadError<S::Error>> {
        loop {
            match self.input.length()? {
                0 => return Ok(()),
                1 | 2 => {
                    self.input.length()?;
                }
                3 => {
                    self.input.array::<4>()?;
                }
                4 => {
                    self.input.array::<8>()?;
                }
                5 => {
                    self.input.string(0)?;
                    self.input.release();
                }
                _ => return self.input.invalid("unknown form of a module's value"),
            }
        }
    }
}
