//! Hashes: fields with values.
//!
//! ```text
//! Packed: field | value | field | value | …        one listpack            "listpack"
//! Table:  one block per field, with its value      crate::block::Pair      "hashtable"
//! ```
//!
//! A packed hash becomes a table when it gets more fields than the limit, or a field or value
//! longer than the limit; it never goes back.
//!
//! # Invariants
//! - fields differ; a packed hash has an even number of elements

use std::fmt;

use protocol::listpack::{Malformed, TextBuffer, Value};

use crate::block::{Blocks, Pair};
use crate::either::Either;
use crate::limits::Limits;
use crate::packed::Packed;
use crate::sample::{below, choose};

/// A hash.
#[derive(Clone)]
pub struct Hash(Form);

const _: () = assert!(size_of::<Hash>() <= 16 && align_of::<Hash>() == 8);
const _: fn(Hash) -> Box<dyn Send> = |value| Box::new(value);

#[derive(Clone)]
enum Form {
    Packed(Packed),
    Table(Box<Blocks<Pair>>),
}

impl Hash {
    /// A hash without fields.
    pub fn new() -> Self {
        Self(Form::Packed(Packed::new()))
    }

    /// A hash without fields that soon has that many.
    pub fn with_capacity(fields: usize, limits: &Limits) -> Self {
        let mut hash = Self::new();
        if fields > limits.hash_max_listpack_entries {
            hash.enlarge();
        }
        hash
    }

    /// A hash of a listpack from outside: fields and values in turn, no field twice.
    pub fn from_packed(bytes: &[u8], limits: &Limits) -> Result<Self, Malformed> {
        let packed = Packed::from_bytes(bytes)?;
        if !packed.len().is_multiple_of(2) {
            return Err(Malformed { offset: 4, reason: "hash has a field without value" });
        }
        if packed.has_duplicates(1) {
            return Err(Malformed { offset: 0, reason: "hash has a field twice" });
        }
        let mut hash = Self(Form::Packed(packed));
        if hash.len() > limits.hash_max_listpack_entries {
            hash.enlarge();
        }
        Ok(hash)
    }

    /// The listpack, if that is the form.
    pub fn packed_bytes(&self) -> Option<&[u8]> {
        match &self.0 {
            Form::Packed(packed) => Some(packed.as_bytes()),
            Form::Table(_) => None,
        }
    }

    /// Name of the form, as OBJECT ENCODING gives it.
    pub fn encoding(&self) -> &'static str {
        match &self.0 {
            Form::Packed(_) => "listpack",
            Form::Table(_) => "hashtable",
        }
    }

    /// Number of fields.
    pub fn len(&self) -> usize {
        match &self.0 {
            Form::Packed(packed) => packed.len() / 2,
            Form::Table(table) => table.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes allocated.
    pub fn memory_bytes(&self) -> usize {
        match &self.0 {
            Form::Packed(packed) => packed.memory_bytes(),
            Form::Table(table) => size_of::<Blocks<Pair>>() + table.memory_bytes(),
        }
    }

    /// A hash of its own with the same fields.
    pub fn duplicate(&self) -> Self {
        self.clone()
    }

    /// The value of a field.
    pub fn get(&self, field: &[u8]) -> Option<Value<'_>> {
        match &self.0 {
            Form::Packed(packed) => {
                let at = packed.find(field, 1)?;
                Some(packed.value(packed.next(at).expect("a value follows its field")))
            }
            Form::Table(table) => table.get(field).map(Value::Bytes),
        }
    }

    /// Whether there is such a field.
    pub fn contains(&self, field: &[u8]) -> bool {
        match &self.0 {
            Form::Packed(packed) => packed.find(field, 1).is_some(),
            Form::Table(table) => table.get(field).is_some(),
        }
    }

    /// Sets a field; returns whether it is new.
    pub fn set(&mut self, field: &[u8], value: &[u8], limits: &Limits) -> bool {
        if let Form::Packed(packed) = &self.0 {
            let longest = field.len().max(value.len());
            let room = packed.has_room_for(field.len() + value.len());
            if longest > limits.hash_max_listpack_value || !room {
                self.enlarge();
            }
        }
        match &mut self.0 {
            Form::Packed(packed) => {
                if let Some(at) = packed.find(field, 1) {
                    let at = packed.next(at).expect("a value follows its field");
                    packed.replace(at, Value::of(value));
                    return false;
                }
                packed.push_back(Value::of(field));
                packed.push_back(Value::of(value));
                if self.len() > limits.hash_max_listpack_entries {
                    self.enlarge();
                }
                true
            }
            Form::Table(table) => table.set(field, value),
        }
    }

    /// Removes a field; returns whether it was there.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        match &mut self.0 {
            Form::Packed(packed) => {
                let at = packed.find(field, 1);
                if let Some(at) = at {
                    packed.remove(at, 2);
                }
                at.is_some()
            }
            Form::Table(table) => table.remove(field),
        }
    }

    /// Fields and values, in the order of insertion if packed.
    pub fn iter(&self) -> impl Iterator<Item = (Value<'_>, Value<'_>)> + '_ {
        match &self.0 {
            Form::Packed(packed) => {
                let mut elements = packed.iter();
                Either::Left(std::iter::from_fn(move || elements.next().zip(elements.next())))
            }
            Form::Table(table) => Either::Right(table.iter().map(bytes_of)),
        }
    }

    /// Visits some fields; returns the cursor to go on with. 0 begins and ends.
    pub fn scan(&self, cursor: u64, mut visit: impl FnMut(Value<'_>, Value<'_>)) -> u64 {
        match &self.0 {
            Form::Packed(_) => {
                self.iter().for_each(|(field, value)| visit(field, value));
                0
            }
            Form::Table(table) => {
                table.scan(cursor, |field, value| visit(Value::Bytes(field), Value::Bytes(value)))
            }
        }
    }

    /// A field by chance.
    pub fn random(&self, draw: &mut dyn FnMut() -> u64) -> Option<(Value<'_>, Value<'_>)> {
        match &self.0 {
            Form::Packed(packed) if packed.is_empty() => None,
            Form::Packed(packed) => {
                let at = packed.seek(below(packed.len() / 2, draw) * 2)?;
                Some((packed.value(at), packed.value(packed.next(at)?)))
            }
            Form::Table(table) => table.random(draw).map(bytes_of),
        }
    }

    /// Visits `count` different fields by chance, or all if there are not so many.
    pub fn sample(
        &self,
        count: usize,
        draw: &mut dyn FnMut() -> u64,
        mut visit: impl FnMut(Value<'_>, Value<'_>),
    ) {
        match &self.0 {
            Form::Packed(_) => {
                let chosen = choose(self.iter().collect(), count, draw);
                chosen.into_iter().for_each(|(field, value)| visit(field, value));
            }
            Form::Table(table) => table.sample(count, draw, |field, value| {
                visit(Value::Bytes(field), Value::Bytes(value));
            }),
        }
    }

    /// Verifies the invariants.
    pub fn check(&self) {
        match &self.0 {
            Form::Packed(packed) => {
                packed.check();
                assert!(packed.len().is_multiple_of(2) && !packed.has_duplicates(1));
            }
            Form::Table(table) => table.check(),
        }
    }

    fn enlarge(&mut self) {
        let mut table = Box::new(Blocks::new());
        let mut buffers = (TextBuffer::new(), TextBuffer::new());
        for (field, value) in self.iter() {
            table.set(field.to_text(&mut buffers.0), value.to_text(&mut buffers.1));
        }
        self.0 = Form::Table(table);
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
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
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    const LIMITS: Limits = Limits::DEFAULT;

    #[test]
    fn limits_decide_the_form() {
        let mut hash = Hash::new();
        for number in 0..512 {
            hash.set(format!("field {number}").as_bytes(), b"1", &LIMITS);
        }
        assert_eq!(hash.encoding(), "listpack");
        hash.set(b"field 7", &[b'v'; 64], &LIMITS);
        assert_eq!(hash.encoding(), "listpack");
        let mut long = hash.duplicate();
        assert!(!long.set(b"field 7", &[b'v'; 65], &LIMITS));
        assert_eq!((long.encoding(), long.len()), ("hashtable", 512));
        hash.set(b"one more", b"", &LIMITS);
        assert_eq!((hash.encoding(), hash.len()), ("hashtable", 513));
        assert_eq!(Hash::with_capacity(513, &LIMITS).encoding(), "hashtable");
        hash.check();
        long.check();
    }

    #[test]
    fn listpacks_that_are_no_hashes_are_refused() {
        let list = |elements: &[&[u8]]| {
            let mut packed = Packed::new();
            elements.iter().for_each(|element| packed.push_back(Value::of(element)));
            packed
        };
        let refused = |packed: Packed| Hash::from_packed(packed.as_bytes(), &LIMITS).is_err();
        assert!(refused(list(&[b"f", b"v", b"g"])));
        assert!(refused(list(&[b"f", b"v", b"f", b"w"])));
        let mut twice = list(&[b"5", b"v"]);
        twice.push_back(Value::Bytes(b"5"));
        twice.push_back(Value::Bytes(b"w"));
        assert!(refused(twice));
        let hash = list(&[b"f", b"g", b"g", b"g"]);
        assert_eq!(Hash::from_packed(hash.as_bytes(), &LIMITS).unwrap().len(), 2);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn hash_is_a_map(
            steps in prop::collection::vec((0u8..40, 0u8..5, 0usize..12), 0..200),
            entries in 0usize..30,
        ) {
            let limits = Limits {
                hash_max_listpack_entries: entries,
                hash_max_listpack_value: 10,
                ..LIMITS
            };
            let mut hash = Hash::new();
            let mut model: HashMap<Vec<u8>, Vec<u8>> = HashMap::new();
            for (field, kind, len) in steps {
                let prefix = if field < 20 { "" } else { "f" };
                let field = format!("{prefix}{field}").into_bytes();
                let value = vec![b'0' + kind; len];
                if kind == 0 {
                    prop_assert_eq!(hash.remove(&field), model.remove(&field).is_some());
                } else {
                    let new = model.insert(field.clone(), value.clone()).is_none();
                    prop_assert_eq!(hash.set(&field, &value, &limits), new);
                    prop_assert!(hash.get(&field).is_some_and(|found| found.eq_bytes(&value)));
                }
                prop_assert_eq!(hash.len(), model.len());
            }
            hash.check();
            let pairs = |hash: &Hash| {
                let pairs = hash.iter().map(|(f, v)| (f.to_vec(), v.to_vec()));
                pairs.collect::<HashMap<_, _>>()
            };
            prop_assert_eq!(&pairs(&hash), &model);
            prop_assert_eq!(&pairs(&hash.duplicate()), &model);
            let mut scanned = HashMap::new();
            let mut cursor = 0;
            loop {
                cursor = hash.scan(cursor, |f, v| { scanned.insert(f.to_vec(), v.to_vec()); });
                if cursor == 0 {
                    break;
                }
            }
            prop_assert_eq!(&scanned, &model);
            if let Some(bytes) = hash.packed_bytes() {
                prop_assert_eq!(&pairs(&Hash::from_packed(bytes, &limits).unwrap()), &model);
            }
            let mut draw = crate::sample::tests::draw();
            let random = hash.random(&mut draw).map(|(field, _)| field.to_vec());
            prop_assert_eq!(random.is_some(), !model.is_empty());
            prop_assert!(random.is_none_or(|field| model.contains_key(&field)));
            let mut sampled = HashMap::new();
            hash.sample(5, &mut draw, |f, v| {
                assert!(sampled.insert(f.to_vec(), v.to_vec()).is_none());
            });
            prop_assert_eq!(sampled.len(), model.len().min(5));
        }
    }
}
