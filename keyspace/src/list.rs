//! Lists: one packed node, or a chain of them.
//!
//! ```text
//! Packed:  one listpack                                           "listpack"
//! Chain:   node | node | node      packed up to the node limit,   "quicklist"
//!                                  or one element too large for a node
//! ```
//!
//! The nodes lie in a ring buffer, so both ends are O(1), and finding an index passes over nodes by
//! their counts: 24 bytes of a row per up to 8 KiB of elements, so a list of a million elements is
//! searched faster than its middle node is read. Rejected: linked nodes (a cache miss per node) and
//! a tree of nodes (more code for lists that are seldom indexed).
//!
//! Conversions follow Redis 7.2: a packed list becomes a chain when what is to be added would pass
//! the node limit; a chain becomes packed again when something was removed or replaced and its only
//! node is at most half of the limit.
//!
//! # Invariants
//! - no node of a chain is empty; the count of a node is that of its elements, `len` their sum
//!
//! # Not here
//! - compression of inner nodes (`list-compress-depth`): accepted and without effect

use std::collections::VecDeque;
use std::ops::Range;

use protocol::listpack::{self, Malformed, Value};

use crate::limits::Limits;
use crate::packed::Packed;

mod chain;
use chain::Chain;
pub use chain::NodeBytes;

/// A list.
#[derive(Clone, Debug)]
pub struct List(Form);

const _: () = assert!(size_of::<List>() <= 16 && align_of::<List>() == 8);
const _: fn(List) -> Box<dyn Send> = |value| Box::new(value);

#[derive(Clone, Debug)]
enum Form {
    Packed(Packed),
    Chain(Box<Chain>),
}

/// An end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Where index 0 is; *left* in commands.
    Front,
    /// Where index −1 is; *right* in commands.
    Back,
}

impl List {
    /// A list without elements.
    pub fn new() -> Self {
        Self(Form::Packed(Packed::new()))
    }

    /// A list of nodes from outside, which may be larger than the limits; the form is chosen as
    /// after a load. Empty nodes are left out.
    pub fn from_nodes<'a>(
        nodes: impl IntoIterator<Item = NodeBytes<'a>>,
        limits: &Limits,
    ) -> Result<Self, Malformed> {
        let mut chain = Chain::new();
        for node in nodes {
            match node {
                NodeBytes::Packed(bytes) => chain.push_node(Packed::from_bytes(bytes)?),
                NodeBytes::Plain(bytes) => chain.push_plain(bytes),
            }
        }
        let mut list = Self(Form::Chain(Box::new(chain)));
        list.unchain(|bytes, count| limits.list_node_fits(bytes, count));
        Ok(list)
    }

    /// The nodes, for RDB.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = NodeBytes<'_>> + '_ {
        let (packed, nodes) = match &self.0 {
            Form::Packed(packed) => (Some(packed), None),
            Form::Chain(chain) => (None, Some(chain.nodes())),
        };
        let count = nodes.map_or(1, VecDeque::len);
        (0..count).map(move |index| match (packed, nodes) {
            (Some(packed), _) => NodeBytes::Packed(packed.as_bytes()),
            (None, nodes) => nodes.expect("either form")[index].bytes(),
        })
    }

    /// Name of the form, as OBJECT ENCODING gives it.
    pub fn encoding(&self) -> &'static str {
        match &self.0 {
            Form::Packed(_) => "listpack",
            Form::Chain(_) => "quicklist",
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        match &self.0 {
            Form::Packed(packed) => packed.len(),
            Form::Chain(chain) => chain.len(),
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        match &self.0 {
            Form::Packed(packed) => packed.is_empty(),
            Form::Chain(chain) => chain.len() == 0,
        }
    }

    /// Bytes allocated.
    pub fn memory_bytes(&self) -> usize {
        match &self.0 {
            Form::Packed(packed) => packed.memory_bytes(),
            Form::Chain(chain) => chain.memory_bytes(),
        }
    }

    /// A list of its own with the same elements.
    pub fn duplicate(&self) -> Self {
        self.clone()
    }

    /// To be called with the sum of lengths before several elements are pushed by one command, so
    /// that the form is chosen as Redis does it.
    pub fn reserve(&mut self, bytes: usize, count: usize, limits: &Limits) {
        if let Form::Packed(packed) = &mut self.0
            && !limits.list_node_fits(packed.total_bytes() + bytes, packed.len() + count)
        {
            self.chain();
        }
    }

    /// Makes room for one element.
    fn reserve_one(&mut self, element: &[u8], limits: &Limits) {
        if limits.list_element_is_plain(Value::Bytes(element)) {
            self.chain();
        }
        self.reserve(element.len(), 1, limits);
    }

    /// Takes the large form.
    fn chain(&mut self) {
        if let Form::Packed(packed) = &mut self.0 {
            let mut chain = Chain::new();
            chain.push_node(std::mem::take(packed));
            self.0 = Form::Chain(Box::new(chain));
        }
    }

    /// Adds an element at an end.
    pub fn push(&mut self, end: End, element: &[u8], limits: &Limits) {
        self.reserve_one(element, limits);
        let value = Value::of(element);
        match (&mut self.0, end) {
            (Form::Packed(packed), End::Front) => packed.push_front(value),
            (Form::Packed(packed), End::Back) => packed.push_back(value),
            (Form::Chain(chain), End::Front) => chain.insert(0, value, limits),
            (Form::Chain(chain), End::Back) => chain.insert(chain.len(), value, limits),
        }
    }

    /// Removes the element at an end, which `give` sees first.
    pub fn pop_with<R>(
        &mut self,
        end: End,
        limits: &Limits,
        give: impl FnOnce(Value<'_>) -> R,
    ) -> Option<R> {
        let index = match end {
            End::Front => 0,
            End::Back => self.len().checked_sub(1)?,
        };
        let given = give(self.get(index)?);
        self.remove_range(index..index + 1, limits);
        Some(given)
    }

    /// Removes the element at an end.
    pub fn pop(&mut self, end: End, limits: &Limits) -> Option<Vec<u8>> {
        self.pop_with(end, limits, |value| value.to_vec())
    }

    /// The element with that index.
    pub fn get(&self, index: usize) -> Option<Value<'_>> {
        match &self.0 {
            Form::Packed(packed) => packed.get(index),
            Form::Chain(chain) => chain.get(index),
        }
    }

    /// Replaces the element with that index; `false` if there is none.
    pub fn set(&mut self, index: usize, element: &[u8], limits: &Limits) -> bool {
        if index >= self.len() {
            return false;
        }
        self.reserve_one(element, limits);
        let value = Value::of(element);
        match &mut self.0 {
            Form::Packed(packed) => {
                let at = packed.seek(index).expect("the index was checked");
                packed.replace(at, value);
            }
            Form::Chain(chain) => chain.set(index, value, limits),
        }
        self.shrink(limits);
        true
    }

    /// Puts an element before the one with that index, or at the end.
    pub fn insert(&mut self, index: usize, element: &[u8], limits: &Limits) {
        self.reserve_one(element, limits);
        let value = Value::of(element);
        match &mut self.0 {
            Form::Packed(packed) => {
                let at = packed.seek(index).unwrap_or(packed.end());
                packed.insert(at, value);
            }
            Form::Chain(chain) => chain.insert(index, value, limits),
        }
    }

    /// Puts an element before the first one that is `pivot`, or after it; returns whether there is
    /// one.
    pub fn insert_beside(
        &mut self,
        pivot: &[u8],
        after: bool,
        element: &[u8],
        limits: &Limits,
    ) -> bool {
        let Some(index) = self.position(pivot) else { return false };
        self.insert(index + usize::from(after), element, limits);
        true
    }

    /// Removes elements that are `element`: the first ones if `count` is positive, the last ones if
    /// it is negative, all if it is zero. Returns how many.
    pub fn remove(&mut self, count: i64, element: &[u8], limits: &Limits) -> usize {
        let most = match count {
            0 => usize::MAX,
            count => usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX),
        };
        let needle = Value::of(element);
        let is_hit = |(_, value): &(usize, Value<'_>)| value.same_text(needle);
        let mut found: Vec<usize> = if count < 0 {
            let last = self.len().wrapping_sub(1);
            let hits = self.iter().rev().enumerate().filter(is_hit).take(most);
            hits.map(|(back, _)| last - back).collect()
        } else {
            let hits = self.iter().enumerate().filter(is_hit).take(most);
            hits.map(|(index, _)| index).collect()
        };
        found.sort_unstable();
        match &mut self.0 {
            Form::Packed(packed) => {
                for index in found.iter().rev() {
                    packed.remove_range(*index..*index + 1);
                }
            }
            Form::Chain(chain) => chain.remove_each(&found),
        }
        if !found.is_empty() {
            self.shrink(limits);
        }
        found.len()
    }

    /// Removes the elements with the indexes in `range`.
    pub fn remove_range(&mut self, range: Range<usize>, limits: &Limits) {
        match &mut self.0 {
            Form::Packed(packed) => packed.remove_range(range),
            Form::Chain(chain) => chain.remove_range(range),
        }
        self.shrink(limits);
    }

    /// Removes the elements with other indexes than those in `range`.
    pub fn trim(&mut self, range: Range<usize>, limits: &Limits) {
        let len = self.len();
        let end = range.end.min(len);
        let start = range.start.min(end);
        self.remove_range(end..len, limits);
        self.remove_range(0..start, limits);
    }

    /// Index of the first element that is `element`.
    pub fn position(&self, element: &[u8]) -> Option<usize> {
        let needle = Value::of(element);
        self.iter().position(|value| value.same_text(needle))
    }

    /// The elements with the indexes in `range`, as far as they exist, in both directions.
    pub fn range(&self, range: Range<usize>) -> Elements<'_> {
        match &self.0 {
            Form::Packed(packed) => Elements::Packed(packed.range(range)),
            Form::Chain(chain) => Elements::Chain(chain.range(range)),
        }
    }

    /// All elements, in both directions.
    pub fn iter(&self) -> Elements<'_> {
        self.range(0..usize::MAX)
    }

    /// Verifies the invariants.
    pub fn check(&self) {
        match &self.0 {
            Form::Packed(packed) => packed.check(),
            Form::Chain(chain) => chain.check(),
        }
    }

    /// Back to the small form if little is left.
    fn shrink(&mut self, limits: &Limits) {
        self.unchain(|bytes, count| limits.list_node_is_small(bytes, count));
    }

    fn unchain(&mut self, small: impl FnOnce(usize, usize) -> bool) {
        if let Form::Chain(chain) = &mut self.0
            && let Some(packed) = chain.take_only_node(small)
        {
            self.0 = Form::Packed(packed);
        }
    }
}

impl Default for List {
    fn default() -> Self {
        Self::new()
    }
}

/// Iterator over elements, see [`List::range`].
#[derive(Clone, Debug)]
pub enum Elements<'a> {
    /// Of a packed list.
    Packed(listpack::Iter<'a>),
    /// Of a chain.
    Chain(ChainElements<'a>),
}

pub use chain::ChainElements;

impl<'a> Iterator for Elements<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        match self {
            Elements::Packed(iter) => iter.next(),
            Elements::Chain(iter) => iter.next(),
        }
    }
}

impl DoubleEndedIterator for Elements<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        match self {
            Elements::Packed(iter) => iter.next_back(),
            Elements::Chain(iter) => iter.next_back(),
        }
    }
}

#[cfg(test)]
mod tests;
