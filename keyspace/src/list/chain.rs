//! The large form of a list: nodes in a ring buffer.
//!
//! Nodes are filled from the ends, so pushes leave full nodes behind. An insertion into a full node
//! splits it and then joins what fits together, so insertions all over a list leave no crumbs.

use std::collections::VecDeque;
use std::ops::Range;

use protocol::listpack::{self, Value};

use crate::limits::Limits;
use crate::packed::Packed;

/// A node of a list as RDB stores it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeBytes<'a> {
    /// A listpack.
    Packed(&'a [u8]),
    /// The bytes of one element.
    Plain(&'a [u8]),
}

/// The nodes of a list.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    nodes: VecDeque<Node>,
    len: usize,
}

#[derive(Clone, Debug)]
pub(super) struct Node {
    body: Body,
    count: u32,
}

#[derive(Clone, Debug)]
enum Body {
    Packed(Packed),
    Plain(Box<[u8]>),
}

const _: () = assert!(size_of::<Node>() == 24);

impl Node {
    fn packed(packed: Packed) -> Self {
        let count = u32::try_from(packed.len()).expect("a node has fewer than 2^32 elements");
        Self { body: Body::Packed(packed), count }
    }

    /// A node of one element.
    fn of(value: Value<'_>, limits: &Limits) -> Self {
        let bytes = listpack::EMPTY.len() + listpack::encoded_len(value);
        match value {
            Value::Bytes(plain)
                if limits.list_element_is_plain(value) || !limits.list_node_fits(bytes, 1) =>
            {
                Self { body: Body::Plain(plain.into()), count: 1 }
            }
            _ => {
                let mut packed = Packed::new();
                packed.push_back(value);
                Self::packed(packed)
            }
        }
    }

    pub(super) fn bytes(&self) -> NodeBytes<'_> {
        match &self.body {
            Body::Packed(packed) => NodeBytes::Packed(packed.as_bytes()),
            Body::Plain(plain) => NodeBytes::Plain(plain),
        }
    }

    fn len(&self) -> usize {
        self.count as usize
    }

    fn get(&self, index: usize) -> Option<Value<'_>> {
        match &self.body {
            Body::Packed(packed) => packed.get(index),
            Body::Plain(plain) => (index == 0).then_some(Value::Bytes(plain)),
        }
    }

    /// Inserts if the node may grow by that much.
    fn try_insert(&mut self, index: usize, value: Value<'_>, limits: &Limits) -> bool {
        let Body::Packed(packed) = &mut self.body else { return false };
        let bytes = packed.total_bytes() + listpack::encoded_len(value);
        if limits.list_element_is_plain(value)
            || !limits.list_node_fits(bytes, self.count as usize + 1)
        {
            return false;
        }
        let at = if index == self.count as usize { None } else { packed.seek(index) };
        packed.insert(at.unwrap_or(packed.end()), value);
        self.count += 1;
        true
    }

    fn remove_range(&mut self, range: Range<usize>) {
        let removed = range.len() as u32;
        if let Body::Packed(packed) = &mut self.body {
            packed.remove_range(range);
        }
        self.count -= removed;
    }

    /// Appends the elements of `right` if both fit into one node.
    fn try_append(&mut self, right: &Self, limits: &Limits) -> bool {
        let (Body::Packed(own), Body::Packed(other)) = (&mut self.body, &right.body) else {
            return false;
        };
        let bytes = own.total_bytes() + other.total_bytes() - listpack::EMPTY.len();
        let fits = limits.list_node_fits(bytes, self.count as usize + right.len());
        if fits {
            own.append(other);
            self.count += right.count;
        }
        fits
    }

    fn split_off(&mut self, index: usize) -> Option<Self> {
        let Body::Packed(packed) = &mut self.body else { return None };
        let tail = Self::packed(packed.split_off(index));
        self.count -= tail.count;
        Some(tail)
    }

    fn range(&self, range: Range<usize>) -> NodeElements<'_> {
        match &self.body {
            Body::Packed(packed) => NodeElements::Packed(packed.range(range)),
            Body::Plain(plain) => NodeElements::Plain(range.contains(&0).then_some(&**plain)),
        }
    }
}

impl Chain {
    pub(super) fn new() -> Self {
        Self { nodes: VecDeque::new(), len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn nodes(&self) -> &VecDeque<Node> {
        &self.nodes
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let bodies = self.nodes.iter().map(|node| match &node.body {
            Body::Packed(packed) => packed.memory_bytes(),
            Body::Plain(plain) => plain.len(),
        });
        size_of::<Self>() + self.nodes.capacity() * size_of::<Node>() + bodies.sum::<usize>()
    }

    /// Appends a packed node, unless it is empty.
    pub(super) fn push_node(&mut self, packed: Packed) {
        let node = Node::packed(packed);
        if node.count > 0 {
            self.len += node.len();
            self.nodes.push_back(node);
        }
    }

    /// Appends an element as a node of its own.
    pub(super) fn push_plain(&mut self, element: &[u8]) {
        self.nodes.push_back(Node { body: Body::Plain(element.into()), count: 1 });
        self.len += 1;
    }

    pub(super) fn get(&self, index: usize) -> Option<Value<'_>> {
        if index >= self.len {
            return None;
        }
        let (node, within) = self.locate(index);
        self.nodes[node].get(within)
    }

    pub(super) fn set(&mut self, index: usize, value: Value<'_>, limits: &Limits) {
        let (at, within) = self.locate(index);
        let node = &mut self.nodes[at];
        if let Body::Packed(packed) = &mut node.body {
            let position = packed.seek(within).expect("the element was located");
            let old = listpack::entry_len(packed.as_bytes(), position);
            let bytes = packed.total_bytes() - old + listpack::encoded_len(value);
            if !limits.list_element_is_plain(value)
                && limits.list_node_fits(bytes, node.count as usize)
            {
                packed.replace(position, value);
                return;
            }
        }
        self.remove_range(index..index + 1);
        self.insert(index, value, limits);
    }

    /// Puts an element before the one with that index, or at the end.
    pub(super) fn insert(&mut self, index: usize, value: Value<'_>, limits: &Limits) {
        self.place(index.min(self.len), value, limits);
        self.len += 1;
    }

    fn place(&mut self, index: usize, value: Value<'_>, limits: &Limits) {
        let (mut at, within) = match index {
            0 => (0, 0),
            // At the end, and between two nodes, the left one is asked first.
            _ => {
                let (node, within) = self.locate(index - 1);
                (node, within + 1)
            }
        };
        let Some(node) = self.nodes.get_mut(at) else {
            return self.nodes.push_back(Node::of(value, limits));
        };
        if node.try_insert(within, value, limits) {
            return;
        }
        if within == node.len() {
            at += 1;
            let next = self.nodes.get_mut(at);
            if next.is_some_and(|next| next.try_insert(0, value, limits)) {
                return;
            }
        } else if within > 0 {
            let tail = node.split_off(within).expect("a node of several elements is packed");
            at += 1;
            self.nodes.insert(at, tail);
        }
        self.nodes.insert(at, Node::of(value, limits));
        if at > 0 && at + 1 < self.nodes.len() {
            self.join(at, limits);
            self.join(at - 1, limits);
        }
    }

    pub(super) fn remove_range(&mut self, range: Range<usize>) {
        let range = range.start..range.end.min(self.len);
        if range.is_empty() {
            return;
        }
        let (mut at, mut within) = self.locate(range.start);
        let mut emptied = 0..0;
        let mut left = range.len();
        self.len -= left;
        while left > 0 {
            let node = &mut self.nodes[at];
            let count = left.min(node.len() - within);
            if count == node.len() {
                emptied = if emptied.is_empty() { at..at + 1 } else { emptied.start..at + 1 };
            } else {
                node.remove_range(within..within + count);
            }
            left -= count;
            within = 0;
            at += 1;
        }
        match (emptied.start, emptied.len()) {
            (_, 0) => {}
            (0, 1) => drop(self.nodes.pop_front()),
            (start, 1) if start + 1 == self.nodes.len() => drop(self.nodes.pop_back()),
            _ => drop(self.nodes.drain(emptied)),
        }
        if self.nodes.capacity() > 64 && self.nodes.len() < self.nodes.capacity() / 4 {
            self.nodes.shrink_to(self.nodes.len() * 2);
        }
    }

    /// Removes the elements with these ascending indexes, in one pass over the nodes.
    pub(super) fn remove_each(&mut self, indexes: &[usize]) {
        let mut end = self.len;
        let mut left = indexes;
        for node in self.nodes.iter_mut().rev() {
            let start = end - node.len();
            while let [rest @ .., index] = left
                && *index >= start
            {
                node.remove_range(index - start..index - start + 1);
                left = rest;
            }
            end = start;
        }
        self.nodes.retain(|node| node.count > 0);
        self.len -= indexes.len();
    }

    /// The only node, if it is packed and `small` says so of its bytes and its count.
    pub(super) fn take_only_node(
        &mut self,
        small: impl FnOnce(usize, usize) -> bool,
    ) -> Option<Packed> {
        if self.nodes.is_empty() {
            return Some(Packed::new());
        }
        if self.nodes.len() > 1 {
            return None;
        }
        match &mut self.nodes[0].body {
            Body::Packed(packed) if small(packed.total_bytes(), self.len) => {
                Some(std::mem::take(packed))
            }
            _ => None,
        }
    }

    pub(super) fn range(&self, range: Range<usize>) -> ChainElements<'_> {
        let end = range.end.min(self.len);
        ChainElements {
            chain: self,
            front: range.start.min(end),
            back: end,
            head: None,
            tail: None,
        }
    }

    pub(super) fn check(&self) {
        let mut len = 0;
        for node in &self.nodes {
            assert!(node.count > 0);
            match &node.body {
                Body::Packed(packed) => {
                    packed.check();
                    assert_eq!(packed.len(), node.len());
                }
                Body::Plain(_) => assert_eq!(node.count, 1),
            }
            len += node.len();
        }
        assert_eq!(len, self.len);
    }

    /// Node and index in it of an element that exists, from the nearer end.
    fn locate(&self, index: usize) -> (usize, usize) {
        if index < self.len / 2 {
            let mut start = 0;
            for (at, node) in self.nodes.iter().enumerate() {
                if index < start + node.len() {
                    return (at, index - start);
                }
                start += node.len();
            }
        } else {
            let mut start = self.len;
            for (at, node) in self.nodes.iter().enumerate().rev() {
                start -= node.len();
                if index >= start {
                    return (at, index - start);
                }
            }
        }
        unreachable!("the index is below the length");
    }

    /// Joins a node with the one after it, if they fit.
    fn join(&mut self, left: usize, limits: &Limits) {
        if let Some(right) = self.nodes.remove(left + 1)
            && !self.nodes[left].try_append(&right, limits)
        {
            self.nodes.insert(left + 1, right);
        }
    }
}

/// Iterator over the elements of one node.
#[derive(Clone, Debug)]
enum NodeElements<'a> {
    Packed(listpack::Iter<'a>),
    Plain(Option<&'a [u8]>),
}

/// Iterator over elements of a chain.
#[derive(Clone, Debug)]
pub struct ChainElements<'a> {
    chain: &'a Chain,
    front: usize,
    back: usize,
    /// Node of the element `front`, and its elements from there on.
    head: Option<(usize, NodeElements<'a>)>,
    /// Node of the element `back - 1`, and its elements up to there.
    tail: Option<(usize, NodeElements<'a>)>,
}

impl<'a> Iterator for ChainElements<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        if self.front >= self.back {
            return None;
        }
        let (node, mut elements) = self.head.take().unwrap_or_else(|| {
            let (node, within) = self.chain.locate(self.front);
            (node, self.chain.nodes[node].range(within..usize::MAX))
        });
        self.front += 1;
        if let Some(value) = elements.next() {
            self.head = Some((node, elements));
            return Some(value);
        }
        let mut elements = self.chain.nodes[node + 1].range(0..usize::MAX);
        let value = elements.next();
        self.head = Some((node + 1, elements));
        value
    }
}

impl DoubleEndedIterator for ChainElements<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.front >= self.back {
            return None;
        }
        let (node, mut elements) = self.tail.take().unwrap_or_else(|| {
            let (node, within) = self.chain.locate(self.back - 1);
            (node, self.chain.nodes[node].range(0..within + 1))
        });
        self.back -= 1;
        if let Some(value) = elements.next_back() {
            self.tail = Some((node, elements));
            return Some(value);
        }
        let mut elements = self.chain.nodes[node - 1].range(0..usize::MAX);
        let value = elements.next_back();
        self.tail = Some((node - 1, elements));
        value
    }
}

impl<'a> Iterator for NodeElements<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        match self {
            NodeElements::Packed(iter) => iter.next(),
            NodeElements::Plain(plain) => plain.take().map(Value::Bytes),
        }
    }
}

impl DoubleEndedIterator for NodeElements<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        match self {
            NodeElements::Packed(iter) => iter.next_back(),
            NodeElements::Plain(plain) => plain.take().map(Value::Bytes),
        }
    }
}
