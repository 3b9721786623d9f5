//! Sets.
//!
//! ```text
//! Ints:   a sorted array of integers                     "intset"
//! Packed: one listpack of members                        "listpack"
//! Table:  one block per member, crate::block::Alone      "hashtable"
//! ```
//!
//! Forms change only to the right, as in Redis 7.2: a set of integers becomes packed when something
//! else is added, or a table if a limit of packed sets is passed by that; too many integers make a
//! table at once, even if a packed set could hold them.
//!
//! # Invariants
//! - members differ

use std::fmt;

use protocol::listpack::{Malformed, TextBuffer, Value};
use protocol::number::parse_i64;

use crate::block::{Alone, Blocks};
use crate::either::Either;
use crate::limits::Limits;
use crate::packed::{Packed, PackedInts};
use crate::sample::{below, choose};

/// A set.
#[derive(Clone)]
pub struct Set(Form);

const _: () = assert!(size_of::<Set>() <= 16 && align_of::<Set>() == 8);
const _: fn(Set) -> Box<dyn Send> = |value| Box::new(value);

#[derive(Clone)]
enum Form {
    Ints(PackedInts),
    Packed(Packed),
    Table(Box<Blocks<Alone>>),
}

impl Set {
    /// A set without members.
    pub fn new() -> Self {
        Self(Form::Ints(PackedInts::new()))
    }

    /// A set without members that soon has that many, of which `member` is the first: the form is
    /// chosen as SADD does it.
    pub fn for_member(member: &[u8], members: usize, limits: &Limits) -> Self {
        let integer = parse_i64(member).is_some();
        if integer && members <= limits.set_max_intset_entries {
            Self::new()
        } else if members <= limits.set_max_listpack_entries {
            Self(Form::Packed(Packed::new()))
        } else {
            Self(Form::Table(Box::default()))
        }
    }

    /// A set without members that soon has that many of any kind: the form in which a loader
    /// begins.
    pub fn with_capacity(members: usize, limits: &Limits) -> Self {
        if members <= limits.set_max_intset_entries {
            Self::new()
        } else {
            Self(Form::Table(Box::default()))
        }
    }

    /// A set of an intset from outside.
    pub fn from_ints(bytes: &[u8], limits: &Limits) -> Result<Self, Malformed> {
        let mut set = Self(Form::Ints(PackedInts::from_bytes(bytes)?));
        if set.len() > limits.set_max_intset_entries {
            set.enlarge();
        }
        Ok(set)
    }

    /// A set of a listpack from outside, with no member twice.
    pub fn from_packed(bytes: &[u8], limits: &Limits) -> Result<Self, Malformed> {
        let packed = Packed::from_bytes(bytes)?;
        if packed.has_duplicates(0) {
            return Err(Malformed { offset: 0, reason: "set has a member twice" });
        }
        let mut set = Self(Form::Packed(packed));
        if set.len() > limits.set_max_listpack_entries {
            set.enlarge();
        }
        Ok(set)
    }

    /// The intset, if that is the form.
    pub fn ints_bytes(&self) -> Option<&[u8]> {
        match &self.0 {
            Form::Ints(ints) => Some(ints.as_bytes()),
            _ => None,
        }
    }

    /// The listpack, if that is the form.
    pub fn packed_bytes(&self) -> Option<&[u8]> {
        match &self.0 {
            Form::Packed(packed) => Some(packed.as_bytes()),
            _ => None,
        }
    }

    /// Name of the form, as OBJECT ENCODING gives it.
    pub fn encoding(&self) -> &'static str {
        match &self.0 {
            Form::Ints(_) => "intset",
            Form::Packed(_) => "listpack",
            Form::Table(_) => "hashtable",
        }
    }

    /// Number of members.
    pub fn len(&self) -> usize {
        match &self.0 {
            Form::Ints(ints) => ints.len(),
            Form::Packed(packed) => packed.len(),
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
            Form::Ints(ints) => ints.memory_bytes(),
            Form::Packed(packed) => packed.memory_bytes(),
            Form::Table(table) => size_of::<Blocks<Alone>>() + table.memory_bytes(),
        }
    }

    /// A set of its own with the same members.
    pub fn duplicate(&self) -> Self {
        self.clone()
    }

    /// Adds a member; returns whether it is new.
    pub fn add(&mut self, member: &[u8], limits: &Limits) -> bool {
        match &mut self.0 {
            Form::Ints(ints) => match parse_i64(member) {
                Some(number) => {
                    let new = ints.add(number);
                    if ints.len() > limits.set_max_intset_entries {
                        self.enlarge();
                    }
                    return new;
                }
                None => self.leave_ints(member, limits),
            },
            Form::Packed(packed) => {
                if packed.find(member, 0).is_some() {
                    return false;
                }
                if packed.len() >= limits.set_max_listpack_entries
                    || member.len() > limits.set_max_listpack_value
                    || !packed.has_room_for(member.len())
                {
                    self.enlarge();
                }
            }
            Form::Table(_) => {}
        }
        match &mut self.0 {
            Form::Ints(_) => unreachable!("integers were dealt with"),
            Form::Packed(packed) => {
                packed.push_back(Value::of(member));
                true
            }
            Form::Table(table) => table.set(member, &[]),
        }
    }

    /// Removes a member; returns whether it was there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        match &mut self.0 {
            Form::Ints(ints) => parse_i64(member).is_some_and(|number| ints.remove(number)),
            Form::Packed(packed) => {
                let at = packed.find(member, 0);
                if let Some(at) = at {
                    packed.remove(at, 1);
                }
                at.is_some()
            }
            Form::Table(table) => table.remove(member),
        }
    }

    /// Whether there is such a member.
    pub fn contains(&self, member: &[u8]) -> bool {
        match &self.0 {
            Form::Ints(ints) => parse_i64(member).is_some_and(|number| ints.contains(number)),
            Form::Packed(packed) => packed.find(member, 0).is_some(),
            Form::Table(table) => table.get(member).is_some(),
        }
    }

    /// Members: ascending if integers, in the order of insertion if packed.
    pub fn iter(&self) -> impl Iterator<Item = Value<'_>> + '_ {
        match &self.0 {
            Form::Ints(ints) => Either::Left(Either::Left(ints.iter().map(Value::Int))),
            Form::Packed(packed) => Either::Left(Either::Right(packed.iter())),
            Form::Table(table) => Either::Right(table.iter().map(|(key, _)| Value::Bytes(key))),
        }
    }

    /// Visits some members; returns the cursor to go on with. 0 begins and ends.
    pub fn scan(&self, cursor: u64, mut visit: impl FnMut(Value<'_>)) -> u64 {
        match &self.0 {
            Form::Table(table) => table.scan(cursor, |member, _| visit(Value::Bytes(member))),
            _ => {
                self.iter().for_each(visit);
                0
            }
        }
    }

    /// A member by chance.
    pub fn random(&self, draw: &mut dyn FnMut() -> u64) -> Option<Value<'_>> {
        if self.is_empty() {
            return None;
        }
        match &self.0 {
            Form::Ints(ints) => ints.get(below(ints.len(), draw)).map(Value::Int),
            Form::Packed(packed) => packed.get(below(packed.len(), draw)),
            Form::Table(table) => table.random(draw).map(|(member, _)| Value::Bytes(member)),
        }
    }

    /// Removes a member by chance.
    pub fn pop_random(&mut self, draw: &mut dyn FnMut() -> u64) -> Option<Vec<u8>> {
        let member = self.random(draw)?.to_vec();
        self.remove(&member);
        Some(member)
    }

    /// Visits `count` different members by chance, or all if there are not so many.
    pub fn sample(
        &self,
        count: usize,
        draw: &mut dyn FnMut() -> u64,
        mut visit: impl FnMut(Value<'_>),
    ) {
        match &self.0 {
            Form::Table(table) => {
                table.sample(count, draw, |member, _| visit(Value::Bytes(member)));
            }
            _ => choose(self.iter().collect(), count, draw).into_iter().for_each(visit),
        }
    }

    /// Verifies the invariants.
    pub fn check(&self) {
        match &self.0 {
            Form::Ints(ints) => assert!(ints.iter().is_sorted_by(|a, b| a < b)),
            Form::Packed(packed) => {
                packed.check();
                assert!(!packed.has_duplicates(0));
            }
            Form::Table(table) => table.check(),
        }
    }

    /// Before something that is no integer is added to a set of integers.
    fn leave_ints(&mut self, member: &[u8], limits: &Limits) {
        let Form::Ints(ints) = &self.0 else { return };
        let ends = [ints.get(0), ints.get(ints.len().wrapping_sub(1))];
        let longest = ends.into_iter().flatten().map(|end| Value::Int(end).len()).max();
        if ints.len() < limits.set_max_listpack_entries
            && member.len().max(longest.unwrap_or(0)) <= limits.set_max_listpack_value
        {
            let mut packed = Packed::new();
            ints.iter().for_each(|number| packed.push_back(Value::Int(number)));
            self.0 = Form::Packed(packed);
        } else {
            self.enlarge();
        }
    }

    /// Prepares for so many members that are about to be added. Like Redis we guess that they are new: more than a small
    /// form may have do not go into one.
    #[inline]
    pub fn expect(&mut self, members: usize, limits: &Limits) {
        let is_over = match &self.0 {
            Form::Ints(_) => members > limits.set_max_intset_entries,
            Form::Packed(_) => members > limits.set_max_listpack_entries,
            Form::Table(_) => false,
        };
        if is_over {
            self.enlarge();
        }
    }

    fn enlarge(&mut self) {
        let mut table = Box::new(Blocks::new());
        let mut buffer = TextBuffer::new();
        for member in self.iter() {
            table.set(member.to_text(&mut buffer), &[]);
        }
        self.0 = Form::Table(table);
    }
}

impl fmt::Debug for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl Default for Set {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    const LIMITS: Limits = Limits::DEFAULT;

    fn ints(count: i64) -> Set {
        let mut set = Set::new();
        (0..count).for_each(|number| assert!(set.add(number.to_string().as_bytes(), &LIMITS)));
        set
    }

    #[test]
    fn forms_change_as_in_redis() {
        assert_eq!(ints(512).encoding(), "intset");
        assert_eq!(ints(513).encoding(), "hashtable");
        for (count, member, encoding) in
            [(127, 64, "listpack"), (128, 1, "hashtable"), (3, 65, "hashtable")]
        {
            let mut set = ints(count);
            assert!(set.add(&vec![b'm'; member], &LIMITS));
            assert_eq!(set.encoding(), encoding, "{count} integers and {member} bytes");
            assert_eq!(set.len() as i64, count + 1);
            set.check();
        }
        let mut packed = Set::for_member(b"a", 1, &LIMITS);
        (0..128).for_each(|n| assert!(packed.add(format!("m{n}").as_bytes(), &LIMITS)));
        assert!(!packed.add(b"m5", &LIMITS));
        assert_eq!(packed.encoding(), "listpack");
        assert!(packed.add(b"m128", &LIMITS));
        assert_eq!(packed.encoding(), "hashtable");
        assert_eq!(Set::for_member(b"1", 513, &LIMITS).encoding(), "hashtable");
        assert_eq!(Set::for_member(b"a", 129, &LIMITS).encoding(), "hashtable");
    }

    #[test]
    fn sets_from_outside_are_checked() {
        let set = ints(5);
        let copy = Set::from_ints(set.ints_bytes().unwrap(), &LIMITS).unwrap();
        assert_eq!(copy.len(), 5);
        let mut packed = Packed::new();
        packed.push_back(Value::Int(5));
        assert!(Set::from_packed(packed.as_bytes(), &LIMITS).is_ok());
        packed.push_back(Value::Bytes(b"5"));
        assert!(Set::from_packed(packed.as_bytes(), &LIMITS).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn set_is_a_set(
            steps in prop::collection::vec((-20i8..60, 0u8..5), 0..200),
            entries in (0usize..40, 0usize..40),
        ) {
            let limits = Limits {
                set_max_intset_entries: entries.0,
                set_max_listpack_entries: entries.1,
                ..LIMITS
            };
            let mut set = Set::new();
            let mut model: HashSet<Vec<u8>> = HashSet::new();
            let mut draw = crate::sample::tests::draw();
            for (number, kind) in steps {
                let prefix = if number < 40 { "" } else { "m" };
                let member = format!("{prefix}{number}").into_bytes();
                match kind {
                    0 => prop_assert_eq!(set.remove(&member), model.remove(&member)),
                    1 => {
                        let popped = set.pop_random(&mut draw);
                        prop_assert_eq!(popped.is_some(), !model.is_empty());
                        prop_assert!(popped.is_none_or(|popped| model.remove(&popped)));
                    }
                    _ => prop_assert_eq!(set.add(&member, &limits), model.insert(member.clone())),
                }
                prop_assert_eq!(set.contains(&member), model.contains(&member));
                prop_assert_eq!(set.len(), model.len());
            }
            set.check();
            let members = |set: &Set| set.iter().map(Value::to_vec).collect::<HashSet<_>>();
            prop_assert_eq!(&members(&set.duplicate()), &model);
            let mut scanned = HashSet::new();
            let mut cursor = 0;
            loop {
                cursor = set.scan(cursor, |member| { scanned.insert(member.to_vec()); });
                if cursor == 0 {
                    break;
                }
            }
            prop_assert_eq!(&scanned, &model);
            let mut sampled = HashSet::new();
            set.sample(5, &mut draw, |member| assert!(sampled.insert(member.to_vec())));
            prop_assert!(sampled.len() == model.len().min(5) && sampled.is_subset(&model));
        }
    }
}
