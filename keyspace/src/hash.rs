//! Hashes: fields with values.
//!
//! ```text
//! Pairs:  field | value | field | value | …        crate::pairs                  "listpack"
//! Table:  one block per field, with its value      crate::block::Pair            "hashtable"
//! ```
//!
//! A hash of pairs becomes a table when it gets more fields than the limit, or a field or value
//! longer than the limit; it never goes back.
//!
//! Few pairs lie in the block of their key, not behind a pointer (see [`crate::entry`]). So what a
//! database lends is no `&Hash` or `&mut Hash`, but a view of either place, [`HashRef`], and a handle
//! that changes the hash where it is, [`HashMut`]. A [`struct@Hash`] is one on its own: made by a command or
//! a file, on its way from one key to another, or too large for the block.
//!
//! # Invariants
//! - fields differ

use std::fmt;

use protocol::listpack::{Malformed, TextBuffer, Value};

use crate::block::{Blocks, Pair};
use crate::either::Either;
use crate::limits::Limits;
use crate::packed::PackedPairs;
use crate::pairs::{Pairs, PairsMut};
use crate::sample::{below, choose};

mod in_place;
pub use in_place::HashMut;

/// A hash.
#[derive(Clone)]
pub struct Hash(Form);

const _: () = assert!(size_of::<Hash>() <= 16 && align_of::<Hash>() == 8);
const _: fn(Hash) -> Box<dyn Send> = |value| Box::new(value);

#[derive(Clone)]
enum Form {
    Pairs(PackedPairs),
    Table(Box<Blocks<Pair>>),
}

/// A hash for reading, wherever it is.
#[derive(Clone, Copy)]
pub struct HashRef<'a>(View<'a>);

#[derive(Clone, Copy)]
enum View<'a> {
    Pairs(Pairs<'a>),
    Table(&'a Blocks<Pair>),
}

impl Hash {
    /// A hash without fields.
    pub fn new() -> Self {
        Self(Form::Pairs(PackedPairs::new()))
    }

    /// A hash without fields that soon has that many.
    pub fn with_capacity(fields: usize, limits: &Limits) -> Self {
        if fields > limits.hash_max_listpack_entries {
            return Self(Form::Table(Box::default()));
        }
        Self::new()
    }

    /// A hash of a listpack from outside: fields and values in turn, no field twice.
    pub fn from_listpack(list: &[u8], limits: &Limits) -> Result<Self, Malformed> {
        let mut hash = Self(Form::Pairs(PackedPairs::from_listpack(list)?));
        if hash.len() > limits.hash_max_listpack_entries {
            hash.enlarge();
        }
        Ok(hash)
    }

    /// A hash of its own with these pairs.
    pub(crate) fn of_pairs(pairs: Pairs<'_>) -> Self {
        Self(Form::Pairs(PackedPairs::copy_of(pairs)))
    }

    /// For reading.
    #[inline]
    pub fn view(&self) -> HashRef<'_> {
        HashRef(match &self.0 {
            Form::Pairs(packed) => View::Pairs(packed.pairs()),
            Form::Table(table) => View::Table(table),
        })
    }

    /// The pairs, if that is the form.
    pub fn pairs(&self) -> Option<Pairs<'_>> {
        self.view().pairs()
    }

    /// Number of fields.
    pub fn len(&self) -> usize {
        self.view().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sets a field; returns whether it is new.
    pub fn set(&mut self, field: &[u8], value: &[u8], limits: &Limits) -> bool {
        if let Form::Pairs(packed) = &mut self.0 {
            if let Some(new) = packed.set(field, value, limits) {
                return new;
            }
            self.enlarge();
        }
        let Form::Table(table) = &mut self.0 else { unreachable!("enlarged above") };
        table.set(field, value)
    }

    /// Removes a field; returns whether it was there.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        match &mut self.0 {
            Form::Pairs(packed) => packed.remove(field),
            Form::Table(table) => table.remove(field),
        }
    }

    fn enlarge(&mut self) {
        let mut table = Box::new(Blocks::new());
        let mut buffers = (TextBuffer::new(), TextBuffer::new());
        for (field, value) in self.view().iter() {
            table.set(field.to_text(&mut buffers.0), value.to_text(&mut buffers.1));
        }
        self.0 = Form::Table(table);
    }
}

impl<'a> HashRef<'a> {
    /// The pairs, if that is the form.
    #[inline]
    pub fn pairs(self) -> Option<Pairs<'a>> {
        match self.0 {
            View::Pairs(pairs) => Some(pairs),
            View::Table(_) => None,
        }
    }

    /// Name of the form, as OBJECT ENCODING gives it.
    pub fn encoding(self) -> &'static str {
        match self.0 {
            View::Pairs(_) => "listpack",
            View::Table(_) => "hashtable",
        }
    }

    /// Number of fields.
    pub fn len(self) -> usize {
        match self.0 {
            View::Pairs(pairs) => pairs.len(),
            View::Table(table) => table.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Bytes allocated by a hash that is not embedded.
    pub(crate) fn memory_bytes(self) -> usize {
        match self.0 {
            View::Pairs(pairs) => PackedPairs::memory_bytes(pairs),
            View::Table(table) => size_of::<Blocks<Pair>>() + table.memory_bytes(),
        }
    }

    /// A hash of its own with the same fields.
    pub fn duplicate(self) -> Hash {
        match self.0 {
            View::Pairs(pairs) => Hash::of_pairs(pairs),
            View::Table(table) => Hash(Form::Table(Box::new(table.clone()))),
        }
    }

    /// The value of a field.
    #[inline]
    pub fn get(self, field: &[u8]) -> Option<Value<'a>> {
        match self.0 {
            View::Pairs(pairs) => pairs.get(field),
            View::Table(table) => table.get(field).map(Value::Bytes),
        }
    }

    /// Whether there is such a field.
    pub fn contains(self, field: &[u8]) -> bool {
        match self.0 {
            View::Pairs(pairs) => pairs.contains(field),
            View::Table(table) => table.get(field).is_some(),
        }
    }

    /// Fields and values, in the order of insertion if they are pairs.
    pub fn iter(self) -> impl Iterator<Item = (Value<'a>, Value<'a>)> {
        match self.0 {
            View::Pairs(pairs) => Either::Left(pairs.iter()),
            View::Table(table) => Either::Right(table.iter().map(bytes_of)),
        }
    }

    /// Visits some fields; returns the cursor to go on with. 0 begins and ends.
    pub fn scan(self, cursor: u64, mut visit: impl FnMut(Value<'_>, Value<'_>)) -> u64 {
        match self.0 {
            View::Pairs(pairs) => {
                pairs.iter().for_each(|(field, value)| visit(field, value));
                0
            }
            View::Table(table) => {
                table.scan(cursor, |field, value| visit(Value::Bytes(field), Value::Bytes(value)))
            }
        }
    }

    /// A field by chance.
    pub fn random(self, draw: &mut dyn FnMut() -> u64) -> Option<(Value<'a>, Value<'a>)> {
        match self.0 {
            View::Pairs(pairs) if pairs.is_empty() => None,
            View::Pairs(pairs) => pairs.nth(below(pairs.len(), draw)),
            View::Table(table) => table.random(draw).map(bytes_of),
        }
    }

    /// Visits `count` different fields by chance, or all if there are not so many.
    pub fn sample(
        self,
        count: usize,
        draw: &mut dyn FnMut() -> u64,
        mut visit: impl FnMut(Value<'_>, Value<'_>),
    ) {
        match self.0 {
            View::Pairs(pairs) => {
                let chosen = choose(pairs.iter().collect(), count, draw);
                chosen.into_iter().for_each(|(field, value)| visit(field, value));
            }
            View::Table(table) => table.sample(count, draw, |field, value| {
                visit(Value::Bytes(field), Value::Bytes(value));
            }),
        }
    }

    /// Visits `count` fields by chance, each of all: some may come twice.
    pub fn sample_anew(
        self,
        count: usize,
        draw: &mut dyn FnMut() -> u64,
        mut visit: impl FnMut(Value<'_>, Value<'_>),
    ) {
        // Pairs are found by a walk, which is made once for all.
        let pairs: Vec<_> = self.pairs().into_iter().flat_map(Pairs::iter).collect();
        for _ in 0..count {
            let chosen = match self.0 {
                View::Pairs(_) if pairs.is_empty() => None,
                View::Pairs(_) => Some(pairs[below(pairs.len(), draw)]),
                View::Table(table) => table.random(draw).map(bytes_of),
            };
            let Some((field, value)) = chosen else { return };
            visit(field, value);
        }
    }

    /// Verifies the invariants.
    pub fn check(self) {
        match self.0 {
            View::Pairs(pairs) => pairs.check(),
            View::Table(table) => table.check(),
        }
    }
}

impl<'a> From<Pairs<'a>> for HashRef<'a> {
    #[inline]
    fn from(pairs: Pairs<'a>) -> Self {
        Self(View::Pairs(pairs))
    }
}

impl fmt::Debug for HashRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}

impl Default for Hash {
    fn default() -> Self {
        Self::new()
    }
}

fn bytes_of<'a>((field, value): (&'a [u8], &'a [u8])) -> (Value<'a>, Value<'a>) {
    (Value::Bytes(field), Value::Bytes(value))
}

#[cfg(test)]
mod tests;
