//! Sorted sets: members with scores, in the order of (score, bytes of the member).
//!
//! ```text
//! Packed:  member | score | member | score | …     one listpack, in order     "listpack"
//! Ordered: a tree and a table over shared blocks   crate::block::Ordered      "skiplist"
//! ```
//!
//! Every question about order ends in ranks: a range of scores or of names is first turned into a
//! range of ranks ([`Zset::score_range`], [`Zset::lex_range`]), in one descent for each end. Its
//! length is the count; limits and offsets cut it; [`Zset::range`] walks it in both directions, and
//! [`Zset::remove_range`] removes it.
//!
//! A packed sorted set becomes ordered when it gets more members than the limit or a longer one; it
//! goes back only where a command builds a new one ([`Zset::shrink`]).
//!
//! # Invariants
//! - members differ; scores are not NaN and not −0
//! - a packed sorted set is in order

use std::cmp::Ordering;
use std::fmt;
use std::ops::Range;

use protocol::listpack::{self, Malformed, TextBuffer, Value};
use protocol::number::{parse_f64, push_f64};

use crate::block::{Members, Ordered, OrderedBuilder};
use crate::either::Either;
use crate::limits::Limits;
use crate::packed::Packed;
use crate::sample::{below, choose};

/// A sorted set.
#[derive(Clone)]
pub struct Zset(Form);

const _: () = assert!(size_of::<Zset>() <= 16 && align_of::<Zset>() == 8);
const _: fn(Zset) -> Box<dyn Send> = |value| Box::new(value);

#[derive(Clone)]
enum Form {
    Packed(Packed),
    Ordered(Box<Ordered>),
}

/// What [`Zset::add`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The member is new.
    Added,
    /// The member had another score.
    Updated,
    /// The member had this score.
    Unchanged,
}

/// A range of scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreRange {
    /// Smallest score.
    pub min: f64,
    /// Largest score.
    pub max: f64,
    /// Whether `min` itself is outside.
    pub min_exclusive: bool,
    /// Whether `max` itself is outside.
    pub max_exclusive: bool,
}

/// An end of a range of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LexBound<'a> {
    /// Before all members: `-`.
    Lowest,
    /// After all members: `+`.
    Highest,
    /// `[name`
    Included(&'a [u8]),
    /// `(name`
    Excluded(&'a [u8]),
}

impl Zset {
    /// A sorted set without members.
    pub fn new() -> Self {
        Self(Form::Packed(Packed::new()))
    }

    /// A sorted set without members that soon has that many, the longest of that many bytes.
    pub fn with_capacity(members: usize, longest: usize, limits: &Limits) -> Self {
        let small = members <= limits.zset_max_listpack_entries;
        if small && longest <= limits.zset_max_listpack_value {
            Self::new()
        } else {
            Self(Form::Ordered(Box::default()))
        }
    }

    /// A sorted set of a listpack from outside: members and scores in turn, in order, no member
    /// twice.
    pub fn from_packed(bytes: &[u8], limits: &Limits) -> Result<Self, Malformed> {
        let fail = |offset, reason| Err(Malformed { offset, reason });
        let packed = Packed::from_bytes(bytes)?;
        if !packed.len().is_multiple_of(2) {
            return fail(4, "sorted set has a member without score");
        }
        let mut last: Option<(f64, Value<'_>)> = None;
        let mut elements = packed.iter();
        while let Some((member, score)) = elements.next().zip(elements.next()) {
            let Some(score) = parse_score(score) else {
                return fail(0, "sorted set has a score that is no number");
            };
            if last.is_some_and(|last| compare(last, (score, member)).is_ge()) {
                return fail(0, "sorted set is not in order");
            }
            last = Some((score, member));
        }
        if packed.has_duplicates(1) {
            return fail(0, "sorted set has a member twice");
        }
        let mut zset = Self(Form::Packed(packed));
        if zset.len() > limits.zset_max_listpack_entries {
            zset.enlarge();
        }
        Ok(zset)
    }

    /// The listpack, if that is the form.
    pub fn packed_bytes(&self) -> Option<&[u8]> {
        match &self.0 {
            Form::Packed(packed) => Some(packed.as_bytes()),
            Form::Ordered(_) => None,
        }
    }

    /// Name of the form, as OBJECT ENCODING gives it.
    pub fn encoding(&self) -> &'static str {
        match &self.0 {
            Form::Packed(_) => "listpack",
            Form::Ordered(_) => "skiplist",
        }
    }

    /// Number of members.
    pub fn len(&self) -> usize {
        match &self.0 {
            Form::Packed(packed) => packed.len() / 2,
            Form::Ordered(ordered) => ordered.len(),
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
            Form::Ordered(ordered) => size_of::<Ordered>() + ordered.memory_bytes(),
        }
    }

    /// A sorted set of its own with the same members.
    pub fn duplicate(&self) -> Self {
        self.clone()
    }

    /// Gives a member a score.
    ///
    /// # Panics
    /// If the score is NaN.
    pub fn add(&mut self, member: &[u8], score: f64, limits: &Limits) -> Change {
        assert!(!score.is_nan(), "a score is a number");
        let score = score + 0.0; // −0 becomes 0
        if let Form::Packed(packed) = &mut self.0 {
            if let Some(at) = packed.find(member, 1) {
                if score_after(packed, at) == score {
                    return Change::Unchanged;
                }
                packed.remove(at, 2);
                insert_packed(packed, member, score);
                return Change::Updated;
            }
            if packed.len() / 2 < limits.zset_max_listpack_entries
                && member.len() <= limits.zset_max_listpack_value
                && packed.has_room_for(member.len())
            {
                insert_packed(packed, member, score);
                return Change::Added;
            }
            self.enlarge();
        }
        match self.ordered_mut().set(member, score) {
            None => Change::Added,
            Some(old) if old == score => Change::Unchanged,
            Some(_) => Change::Updated,
        }
    }

    /// The score of a member.
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match &self.0 {
            Form::Packed(packed) => packed.find(member, 1).map(|at| score_after(packed, at)),
            Form::Ordered(ordered) => ordered.score(member),
        }
    }

    /// Removes a member; returns its score.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        match &mut self.0 {
            Form::Packed(packed) => {
                let at = packed.find(member, 1)?;
                let score = score_after(packed, at);
                packed.remove(at, 2);
                Some(score)
            }
            Form::Ordered(ordered) => ordered.remove(member),
        }
    }

    /// Rank of a member by ascending score, from 0.
    pub fn rank(&self, member: &[u8]) -> Option<usize> {
        match &self.0 {
            Form::Packed(packed) => {
                let needle = Value::of(member);
                packed.iter().step_by(2).position(|value| value.same_text(needle))
            }
            Form::Ordered(ordered) => ordered.rank(member),
        }
    }

    /// Rank of a member by descending score, from 0.
    pub fn rev_rank(&self, member: &[u8]) -> Option<usize> {
        self.rank(member).map(|rank| self.len() - 1 - rank)
    }

    /// The ranks of the members with a score in `range`.
    pub fn score_range(&self, range: &ScoreRange) -> Range<usize> {
        let ScoreRange { min, max, min_exclusive, max_exclusive } = *range;
        let below = |score| score < min || (min_exclusive && score == min);
        let within = |score| score < max || (!max_exclusive && score == max);
        let start = self.rank_by_score(below);
        let end = self.rank_by_score(within);
        start..end.max(start)
    }

    /// The ranks of the members with a name in a range; expects all scores to be equal.
    pub fn lex_range(&self, min: LexBound<'_>, max: LexBound<'_>) -> Range<usize> {
        let start = self.rank_by_name(|member| match min {
            LexBound::Lowest => false,
            LexBound::Highest => true,
            LexBound::Included(name) => member.text_cmp(name).is_lt(),
            LexBound::Excluded(name) => member.text_cmp(name).is_le(),
        });
        let end = self.rank_by_name(|member| match max {
            LexBound::Lowest => false,
            LexBound::Highest => true,
            LexBound::Included(name) => member.text_cmp(name).is_le(),
            LexBound::Excluded(name) => member.text_cmp(name).is_lt(),
        });
        start..end.max(start)
    }

    /// Members and scores with the ranks in `range`, as far as they exist, in both directions.
    pub fn range(
        &self,
        range: Range<usize>,
    ) -> impl DoubleEndedIterator<Item = (Value<'_>, f64)> + '_ {
        match &self.0 {
            Form::Packed(packed) => {
                let elements = range.start.saturating_mul(2)..range.end.saturating_mul(2);
                Either::Left(PackedMembers(packed.range(elements)))
            }
            Form::Ordered(ordered) => Either::Right(OrderedMembers(ordered.range(range))),
        }
    }

    /// All members and scores in order, in both directions.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (Value<'_>, f64)> + '_ {
        self.range(0..usize::MAX)
    }

    /// Removes the members with the ranks in `range`, as far as they exist, showing each.
    pub fn remove_range(&mut self, range: Range<usize>, mut visit: impl FnMut(Value<'_>, f64)) {
        match &mut self.0 {
            Form::Packed(packed) => {
                let elements = range.start.saturating_mul(2)..range.end.saturating_mul(2);
                let members = PackedMembers(packed.range(elements.clone()));
                members.for_each(|(member, score)| visit(member, score));
                packed.remove_range(elements);
            }
            Form::Ordered(ordered) => {
                ordered.remove_range(range, |member, score| visit(Value::Bytes(member), score));
            }
        }
    }

    /// Removes the member with the lowest score.
    pub fn pop_min(&mut self) -> Option<(Vec<u8>, f64)> {
        self.pop(0)
    }

    /// Removes the member with the highest score.
    pub fn pop_max(&mut self) -> Option<(Vec<u8>, f64)> {
        self.pop(self.len().checked_sub(1)?)
    }

    /// Visits some members; returns the cursor to go on with. 0 begins and ends.
    pub fn scan(&self, cursor: u64, mut visit: impl FnMut(Value<'_>, f64)) -> u64 {
        match &self.0 {
            Form::Packed(_) => {
                self.iter().for_each(|(member, score)| visit(member, score));
                0
            }
            Form::Ordered(ordered) => {
                ordered.scan(cursor, |member, score| visit(Value::Bytes(member), score))
            }
        }
    }

    /// A member by chance.
    pub fn random(&self, draw: &mut dyn FnMut() -> u64) -> Option<(Value<'_>, f64)> {
        let rank = below(self.len().max(1), draw);
        self.range(rank..rank + 1).next()
    }

    /// Visits `count` different members by chance, or all if there are not so many.
    pub fn sample(
        &self,
        count: usize,
        draw: &mut dyn FnMut() -> u64,
        mut visit: impl FnMut(Value<'_>, f64),
    ) {
        match &self.0 {
            Form::Ordered(ordered) => {
                ordered.sample(count, draw, |member, score| visit(Value::Bytes(member), score));
            }
            Form::Packed(_) => {
                let chosen = choose(self.iter().collect(), count, draw);
                chosen.into_iter().for_each(|(member, score)| visit(member, score));
            }
        }
    }

    /// Takes the small form if the limits allow it: for commands that built the set themselves.
    pub fn shrink(&mut self, limits: &Limits) {
        if let Form::Ordered(ordered) = &self.0
            && ordered.len() <= limits.zset_max_listpack_entries
            && ordered.iter().all(|(member, _)| member.len() <= limits.zset_max_listpack_value)
        {
            let mut packed = Packed::new();
            for (member, score) in ordered.range(0..ordered.len()) {
                insert_at(&mut packed, None, member, score);
            }
            self.0 = Form::Packed(packed);
        }
    }

    /// Verifies the invariants.
    pub fn check(&self) {
        match &self.0 {
            Form::Packed(packed) => {
                let limits = Limits { zset_max_listpack_entries: usize::MAX, ..Limits::DEFAULT };
                Self::from_packed(packed.as_bytes(), &limits).expect("a packed sorted set");
            }
            Form::Ordered(ordered) => ordered.check(),
        }
    }

    fn pop(&mut self, rank: usize) -> Option<(Vec<u8>, f64)> {
        let mut popped = None;
        self.remove_range(rank..rank + 1, |member, score| popped = Some((member.to_vec(), score)));
        popped
    }

    /// How many members come first for whose score `before` holds.
    fn rank_by_score(&self, mut before: impl FnMut(f64) -> bool) -> usize {
        match &self.0 {
            Form::Packed(_) => self.iter().take_while(|(_, score)| before(*score)).count(),
            Form::Ordered(ordered) => ordered.rank_by_score(before),
        }
    }

    /// How many members come first for whose name `before` holds.
    fn rank_by_name(&self, mut before: impl FnMut(Value<'_>) -> bool) -> usize {
        match &self.0 {
            Form::Packed(_) => self.iter().take_while(|(member, _)| before(*member)).count(),
            Form::Ordered(ordered) => ordered.rank_by_name(|name| before(Value::Bytes(name))),
        }
    }

    fn ordered_mut(&mut self) -> &mut Ordered {
        match &mut self.0 {
            Form::Ordered(ordered) => ordered,
            Form::Packed(_) => unreachable!("the small form was dealt with"),
        }
    }

    /// Prepares for so many members that are about to be added. Like Redis we guess that they are new: more than a small
    /// form may have do not go into one.
    #[inline]
    pub fn expect(&mut self, members: usize, limits: &Limits) {
        if matches!(self.0, Form::Packed(_)) && members > limits.zset_max_listpack_entries {
            self.enlarge();
        }
    }

    fn enlarge(&mut self) {
        let mut builder = OrderedBuilder::new();
        let mut buffer = TextBuffer::new();
        for (member, score) in self.iter() {
            assert!(builder.push(member.to_text(&mut buffer), score), "members differ");
        }
        self.0 = Form::Ordered(Box::new(builder.finish()));
    }
}

impl Default for Zset {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Zset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Makes a sorted set of members in any order; cheapest if they ascend or descend.
pub struct ZsetBuilder {
    form: BuilderForm,
    limits: Limits,
    pushed: usize,
}

enum BuilderForm {
    Small(Zset),
    Large(OrderedBuilder),
}

impl ZsetBuilder {
    /// For about that many members.
    pub fn new(expected: usize, limits: &Limits) -> Self {
        let form = if expected <= limits.zset_max_listpack_entries {
            BuilderForm::Small(Zset::new())
        } else {
            BuilderForm::Large(OrderedBuilder::new())
        };
        Self { form, limits: *limits, pushed: 0 }
    }

    /// Adds a member. The offset of an error is the number of members before it.
    pub fn push(&mut self, member: &[u8], score: f64) -> Result<(), Malformed> {
        let fail = |reason| Err(Malformed { offset: self.pushed, reason });
        if score.is_nan() {
            return fail("sorted set has a score that is no number");
        }
        let new = match &mut self.form {
            BuilderForm::Small(zset) => {
                zset.score(member).is_none()
                    && zset.add(member, score, &self.limits) == Change::Added
            }
            BuilderForm::Large(builder) => builder.push(member, score + 0.0),
        };
        if !new {
            return fail("sorted set has a member twice");
        }
        self.pushed += 1;
        Ok(())
    }

    /// The sorted set.
    pub fn finish(self) -> Zset {
        match self.form {
            BuilderForm::Small(zset) => zset,
            BuilderForm::Large(builder) => Zset(Form::Ordered(Box::new(builder.finish()))),
        }
    }
}

/// Pairs of a packed sorted set.
struct PackedMembers<'a>(listpack::Iter<'a>);

impl<'a> Iterator for PackedMembers<'a> {
    type Item = (Value<'a>, f64);

    fn next(&mut self) -> Option<Self::Item> {
        let member = self.0.next()?;
        Some((member, own_score(self.0.next()?)))
    }
}

impl DoubleEndedIterator for PackedMembers<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let score = own_score(self.0.next_back()?);
        Some((self.0.next_back()?, score))
    }
}

/// Members of an ordered set, as values.
struct OrderedMembers<'a>(Members<'a>);

impl<'a> Iterator for OrderedMembers<'a> {
    type Item = (Value<'a>, f64);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(member, score)| (Value::Bytes(member), score))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl DoubleEndedIterator for OrderedMembers<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.next_back().map(|(member, score)| (Value::Bytes(member), score))
    }
}

fn compare(left: (f64, Value<'_>), right: (f64, Value<'_>)) -> Ordering {
    let scores = left.0.partial_cmp(&right.0).expect("no score is NaN");
    scores.then_with(|| left.1.text_cmp(right.1.to_text(&mut TextBuffer::new())))
}

/// The score in an element: an integer, or the text that replies show.
fn parse_score(value: Value<'_>) -> Option<f64> {
    match value {
        Value::Int(number) => Some(number as f64),
        Value::Bytes(text) => parse_f64(text).map(|score| score + 0.0),
    }
}

fn own_score(value: Value<'_>) -> f64 {
    parse_score(value).expect("scores were checked when they came in")
}

/// The score of the member at `at`.
fn score_after(packed: &Packed, at: usize) -> f64 {
    own_score(packed.value(packed.next(at).expect("a score follows its member")))
}

/// Inserts a member that is not there, in order.
fn insert_packed(packed: &mut Packed, member: &[u8], score: f64) {
    let item = (score, Value::of(member));
    let mut at = packed.seek(0);
    while let Some(position) = at {
        if compare((score_after(packed, position), packed.value(position)), item).is_gt() {
            break;
        }
        at = packed.next(position).and_then(|score| packed.next(score));
    }
    insert_at(packed, at, member, score);
}

/// Inserts a pair before the one at `at`, or at the end.
fn insert_at(packed: &mut Packed, at: Option<usize>, member: &[u8], score: f64) {
    let at = at.unwrap_or(packed.end());
    let mut text = Vec::new();
    let score = if score.trunc() == score && score.abs() < (1u64 << 62) as f64 {
        Value::Int(score as i64)
    } else {
        push_f64(&mut text, score);
        Value::of(&text)
    };
    packed.insert(at, score);
    packed.insert(at, Value::of(member));
}

#[cfg(test)]
mod tests;
