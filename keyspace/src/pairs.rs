//! Pairs: the small form of a hash, fields and values one behind the other.
//!
//! It is a listpack without what a hash never needs: no back lengths, as nobody walks it backwards,
//! no end mark and no header of six bytes. An element costs one byte less, and the bytes are few
//! enough to lie in the block of their key. RDB files and DUMP payloads hold listpacks; the way there
//! and back is one pass over the bytes.
//!
//! ```text
//! body:  field | value | field | value | …        each the body of a listpack's entry
//! ```
//!
//! How many pairs there are is kept beside the body, by whoever owns the bytes:
//!
//! ```text
//! in the block of a key    crate::entry     up to EMBED_MAX bytes
//! in an allocation         crate::packed    beyond, and while a hash is in no database
//! ```
//!
//! # Invariants
//! - a body holds whole entries, two for each pair, and no field twice

use std::fmt;

use protocol::listpack::{self, Malformed, Value};

use crate::duplicates::has_duplicates;
use crate::limits::Limits;

/// Borrowed pairs.
#[derive(Clone, Copy, Default)]
pub struct Pairs<'a> {
    len: usize,
    body: &'a [u8],
}

/// Where a pair lies in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    field: usize,
    value: usize,
}

impl<'a> Pairs<'a> {
    /// A body with that many pairs.
    #[inline]
    pub(crate) fn new(len: usize, body: &'a [u8]) -> Self {
        Self { len, body }
    }

    /// The bytes.
    #[inline]
    pub fn body(self) -> &'a [u8] {
        self.body
    }

    /// Number of pairs.
    #[inline]
    pub fn len(self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.len == 0
    }

    /// The value of a field.
    #[inline]
    pub fn get(self, field: &[u8]) -> Option<Value<'a>> {
        let place = self.find(Value::of(field), field)?;
        Some(listpack::decode(&self.body[place.value..]).0)
    }

    /// Whether there is such a field.
    #[inline]
    pub fn contains(self, field: &[u8]) -> bool {
        self.find(Value::of(field), field).is_some()
    }

    /// All pairs, in the order in which they were added.
    #[inline]
    pub fn iter(self) -> Iter<'a> {
        Iter { left: self.len, rest: self.body }
    }

    /// The pair with that index.
    pub fn nth(self, index: usize) -> Option<(Value<'a>, Value<'a>)> {
        if index >= self.len {
            return None;
        }
        let mut rest = self.body;
        for _ in 0..2 * index {
            rest = &rest[listpack::body_len(rest)..];
        }
        Iter { left: 1, rest }.next()
    }

    /// Writes the listpack of the pairs, as RDB stores it, over what `list` holds.
    pub fn to_listpack(self, list: &mut Vec<u8>) {
        listpack::of_bodies(self.body, 2 * self.len, list);
    }

    /// Verifies the invariants.
    pub fn check(self) {
        let (mut at, mut entries) = (0, 0);
        while at < self.body.len() {
            let body = listpack::checked_body_len(&self.body[at..]);
            at += body.expect("a known entry that ends within the body");
            entries += 1;
        }
        assert_eq!(entries, 2 * self.len, "a field and a value for each pair");
        assert!(!self.has_duplicates(), "no field twice");
    }

    /// Whether two fields have the same text.
    fn has_duplicates(self) -> bool {
        has_duplicates(self.iter().map(|(field, _)| field), self.len)
    }

    /// Where a field is, given in its stored form and as text.
    #[inline]
    fn find(self, field: Value<'_>, text: &[u8]) -> Option<Place> {
        let body = self.body;
        let mut at = 0;
        while at < body.len() {
            let (name, len) = listpack::decode(&body[at..]);
            let place = Place { field: at, value: at + len };
            let same = match name {
                Value::Bytes(name) => name == text,
                name => name == field,
            };
            if same {
                return Some(place);
            }
            at = place.value + listpack::body_len(&body[place.value..]);
        }
        None
    }
}

impl fmt::Debug for Pairs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Iterator over pairs, see [`Pairs::iter`].
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    left: usize,
    rest: &'a [u8],
}

impl<'a> Iterator for Iter<'a> {
    type Item = (Value<'a>, Value<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let (field, len) = listpack::decode(self.rest);
        let rest = &self.rest[len..];
        let (value, len) = listpack::decode(rest);
        self.rest = &rest[len..];
        Some((field, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

/// Memory that pairs can be changed in.
pub(crate) trait PairsMut {
    /// What is there.
    fn pairs(&self) -> Pairs<'_>;

    /// Whether a body of that many bytes, with so many pairs, has a place here.
    fn fits(&self, bytes: usize, len: usize) -> bool;

    /// Replaces `remove` bytes of the body at `at` by a gap of `insert` bytes, which the caller fills;
    /// afterwards there are `len` pairs.
    fn splice(&mut self, at: usize, remove: usize, insert: usize, len: usize) -> &mut [u8];

    /// Sets a field; returns whether it is new, or `None` if the result would be over a limit: then
    /// nothing is changed.
    fn set(&mut self, field: &[u8], value: &[u8], limits: &Limits) -> Option<bool> {
        if field.len().max(value.len()) > limits.hash_max_listpack_value {
            return None;
        }
        let (name, new) = (Value::of(field), Value::of(value));
        let (pairs, new_bytes) = (self.pairs(), listpack::encoded_body_len(new));
        let (bytes, len) = (pairs.body.len(), pairs.len);
        if let Some(Place { value: at, .. }) = pairs.find(name, field) {
            let old_bytes = listpack::body_len(&pairs.body[at..]);
            if !self.fits(bytes - old_bytes + new_bytes, len) {
                return None;
            }
            listpack::write_body(new, self.splice(at, old_bytes, new_bytes, len));
            return Some(false);
        }
        let more = listpack::encoded_body_len(name) + new_bytes;
        if len >= limits.hash_max_listpack_entries || !self.fits(bytes + more, len + 1) {
            return None;
        }
        let gap = self.splice(bytes, 0, more, len + 1);
        let at = listpack::write_body(name, gap);
        listpack::write_body(new, &mut gap[at..]);
        Some(true)
    }

    /// Removes a field; returns whether it was there.
    fn remove(&mut self, field: &[u8]) -> bool {
        let pairs = self.pairs();
        let Some(place) = pairs.find(Value::of(field), field) else { return false };
        let end = place.value + listpack::body_len(&pairs.body[place.value..]);
        let len = pairs.len - 1;
        self.splice(place.field, end - place.field, 0, len);
        true
    }
}

/// Makes room in the middle of a body of `end` bytes, or closes it: moves what lies behind `at` and `remove`.
/// `bytes` reaches to the end of the longer of both bodies.
pub(crate) fn shift(bytes: &mut [u8], end: usize, at: usize, remove: usize, insert: usize) {
    if remove != insert {
        bytes.copy_within(at + remove..end, at + insert);
    }
}

/// Pairs in a vector, for many changes at once.
pub(crate) struct Draft<'v> {
    len: usize,
    body: &'v mut Vec<u8>,
    most: usize,
}

impl<'v> Draft<'v> {
    /// A copy of pairs in the memory of a vector, which may become `most` bytes long.
    pub(crate) fn of(pairs: Pairs<'_>, body: &'v mut Vec<u8>, most: usize) -> Self {
        body.clear();
        body.extend_from_slice(pairs.body);
        Self { len: pairs.len, body, most }
    }
}

impl PairsMut for Draft<'_> {
    fn pairs(&self) -> Pairs<'_> {
        Pairs::new(self.len, self.body)
    }

    fn fits(&self, bytes: usize, _: usize) -> bool {
        bytes <= self.most
    }

    fn splice(&mut self, at: usize, remove: usize, insert: usize, len: usize) -> &mut [u8] {
        let end = self.body.len();
        let new = end - remove + insert;
        self.body.resize(end.max(new), 0);
        shift(self.body, end, at, remove, insert);
        self.body.truncate(new);
        self.len = len;
        &mut self.body[at..at + insert]
    }
}

/// Looks at a listpack from outside: the number of its pairs and the size of their body, if they are a hash.
pub(crate) fn measure(list: &[u8]) -> Result<(usize, usize), Malformed> {
    let entries = listpack::validate(list)?;
    if !entries.is_multiple_of(2) {
        return Err(Malformed { offset: 4, reason: "hash has a field without value" });
    }
    let fields = listpack::iter(list).step_by(2);
    if has_duplicates(fields, entries / 2) {
        return Err(Malformed { offset: 0, reason: "hash has a field twice" });
    }
    Ok((entries / 2, listpack::bodies(list).map(<[u8]>::len).sum()))
}

#[cfg(test)]
mod tests;
