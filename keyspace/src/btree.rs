//! A counted B+tree: the order of a large sorted set.
//!
//! Items are pairs of score and member, ordered by score and then by the bytes of the member. Every
//! inner node knows how many items lie below each child, so a rank is found, and an item found by
//! its rank, in one descent. All questions about ranges are asked in one form, [`Tree::rank_where`],
//! and all walks are walks over ranks.
//!
//! ```text
//! Inner:  children | items below each child | first item of each child       up to 64 children
//! Leaf:   scores   | members                                                 up to 64 items
//! ```
//!
//! A member is a thin pointer in use, and small fixed arrays in tests: the tree copies it, reads
//! its bytes and owns nothing. Scores lie in an array of their own, and a search reads members only
//! where scores are equal: each of them is a cache line somewhere else.
//!
//! A score that changes a little mostly stays in its leaf; then nothing is allocated or merged.
//!
//! Memory: a leaf's arrays grow in steps of eight items, so a half-full leaf costs little more per
//! item than a full one. A full node splits where the new item goes if that is one of its ends, so
//! ascending and descending insertions leave full nodes behind, and in the middle otherwise.
//!
//! Rejected: a skip list (a pointer, a span and an allocation per item and level: 133 bytes per
//! member in Redis); links between leaves (a walk needs one descent per 50 items without them).
//!
//! # Invariants
//! - all leaves have the same depth; no node is empty but the root leaf of an empty tree
//! - the first item and the count that a parent holds are those of the child
//! - items ascend strictly; scores are never NaN

use std::cmp::Ordering;
use std::ops::Range;

/// Most items in a leaf and most children of an inner node.
const FANOUT: usize = 64;
/// A node with fewer entries looks for a neighbour to merge with …
const SPARSE: usize = 16;
/// … if both together do not have more than this.
const MERGED: usize = 48;
/// Entries per node of a tree that is built at once: room for some insertions.
const BUILT: usize = 56;
/// Steps in which the arrays of a leaf grow.
const STEP: usize = 8;

/// The tree; `K` gives the bytes of a member.
#[derive(Debug)]
pub struct Tree<K> {
    root: Node<K>,
    len: usize,
}

#[derive(Debug)]
enum Node<K> {
    Leaf(Box<Leaf<K>>),
    Inner(Box<Inner<K>>),
}

#[derive(Debug)]
struct Leaf<K> {
    scores: Vec<f64>,
    members: Vec<K>,
}

#[derive(Debug)]
struct Inner<K> {
    children: Vec<Node<K>>,
    counts: Vec<usize>,
    firsts: Vec<(f64, K)>,
}

/// Compares two items in the order of sorted sets.
pub fn compare(left: (f64, &[u8]), right: (f64, &[u8])) -> Ordering {
    left.0.partial_cmp(&right.0).expect("no score is NaN").then_with(|| left.1.cmp(right.1))
}

/// As [`compare`], reading the member only if it has to.
#[inline]
fn is_before<K: AsRef<[u8]>>(score: f64, member: &K, item: (f64, &[u8])) -> bool {
    score < item.0 || (score == item.0 && member.as_ref() < item.1)
}

/// As [`compare`], reading the member only if it has to.
#[inline]
fn is_after<K: AsRef<[u8]>>(score: f64, member: &K, item: (f64, &[u8])) -> bool {
    score > item.0 || (score == item.0 && member.as_ref() > item.1)
}

/// What became of a change of score inside one node.
enum Move {
    /// The item has its new place.
    Done,
    /// Its new place is in another node; nothing has changed.
    Elsewhere,
    /// There is no such item.
    NoItem,
}

impl<K: Copy + AsRef<[u8]>> Tree<K> {
    /// A tree without items.
    pub fn new() -> Self {
        Self { root: Node::Leaf(Box::new(Leaf::new())), len: 0 }
    }

    /// A tree of items that ascend strictly.
    pub fn from_sorted(items: impl IntoIterator<Item = (f64, K)>) -> Self {
        let mut items = items.into_iter().peekable();
        let mut level = Vec::new();
        let mut len = 0;
        while items.peek().is_some() {
            let mut leaf = Leaf::new();
            leaf.scores.reserve_exact(BUILT);
            leaf.members.reserve_exact(BUILT);
            for (score, member) in items.by_ref().take(BUILT) {
                leaf.scores.push(score);
                leaf.members.push(member);
            }
            len += leaf.scores.len();
            level.push(Node::Leaf(Box::new(leaf)));
        }
        while level.len() > 1 {
            let mut above = Vec::new();
            let mut nodes = level.into_iter().peekable();
            while nodes.peek().is_some() {
                let inner = Inner::of(nodes.by_ref().take(BUILT).collect());
                above.push(Node::Inner(Box::new(inner)));
            }
            level = above;
        }
        match level.pop() {
            Some(root) => Self { root, len },
            None => Self::new(),
        }
    }

    /// Number of items.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no items.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Inserts an item that is not in the tree.
    pub fn insert(&mut self, score: f64, member: K) {
        assert!(!score.is_nan(), "a score is a number");
        self.len += 1;
        if let Some(right) = self.root.insert(score, member) {
            let empty = Node::Leaf(Box::new(Leaf::new()));
            let left = std::mem::replace(&mut self.root, empty);
            self.root = Node::Inner(Box::new(Inner::of(vec![left, right])));
        }
    }

    /// Removes an item; returns the member that the tree held.
    pub fn remove(&mut self, score: f64, member: &[u8]) -> Option<K> {
        let removed = self.root.remove((score, member))?;
        self.len -= 1;
        self.lower();
        Some(removed)
    }

    /// Gives an item another score; `false` if there is no such item.
    pub fn change_score(&mut self, member: &[u8], old: f64, new: f64) -> bool {
        assert!(!new.is_nan(), "a score is a number");
        match self.root.move_item(member, old, new) {
            Move::Done => true,
            Move::NoItem => false,
            Move::Elsewhere => {
                let held = self.remove(old, member);
                held.inspect(|held| self.insert(new, *held)).is_some()
            }
        }
    }

    /// Removes the items with the ranks in `range`, giving out each of them.
    pub fn remove_range(&mut self, range: Range<usize>, mut visit: impl FnMut(f64, K)) {
        let range = range.start..range.end.min(self.len);
        if range.is_empty() {
            return;
        }
        self.len -= range.len();
        self.root.remove_range(range, &mut visit);
        self.lower();
    }

    /// After removals: a root with one child or none is no root.
    fn lower(&mut self) {
        while let Node::Inner(inner) = &mut self.root {
            match inner.children.len() {
                0 => self.root = Node::Leaf(Box::new(Leaf::new())),
                1 => self.root = inner.children.pop().expect("there is one child"),
                _ => break,
            }
        }
    }

    /// How many items come first for which `before` holds; it must hold for a prefix of the order.
    ///
    /// It should look at the member only if it has to.
    pub fn rank_where(&self, mut before: impl FnMut(f64, &K) -> bool) -> usize {
        let mut node = &self.root;
        let mut rank = 0;
        loop {
            match node {
                Node::Leaf(leaf) => {
                    return rank + leaf.position(before);
                }
                Node::Inner(inner) => {
                    let child = inner.child_where(&mut before);
                    rank += inner.counts[..child].iter().sum::<usize>();
                    node = &inner.children[child];
                }
            }
        }
    }

    /// Rank of an item, counted from 0.
    pub fn rank(&self, score: f64, member: &[u8]) -> Option<usize> {
        let (mut node, mut rank) = (&self.root, 0);
        loop {
            match node {
                Node::Leaf(leaf) => return Some(rank + leaf.find((score, member))?),
                Node::Inner(inner) => {
                    let child = inner.child_of((score, member));
                    rank += inner.counts[..child].iter().sum::<usize>();
                    node = &inner.children[child];
                }
            }
        }
    }

    /// The item with that rank.
    pub fn select(&self, rank: usize) -> Option<(f64, K)> {
        let (leaf, index) = self.locate(rank)?;
        Some((leaf.scores[index], leaf.members[index]))
    }

    /// The items with the ranks in `range`, in both directions.
    pub fn range(&self, range: Range<usize>) -> Walk<'_, K> {
        let end = range.end.min(self.len);
        Walk { tree: self, front: range.start.min(end), back: end, head: None, tail: None }
    }

    /// Bytes allocated for the tree.
    pub fn memory_bytes(&self) -> usize {
        self.root.memory_bytes()
    }

    /// Verifies the invariants.
    pub fn check(&self) {
        if self.len > 0 {
            assert_eq!(self.root.check().0, self.len);
        }
        let mut last: Option<(f64, K)> = None;
        for (score, member) in self.range(0..self.len) {
            assert!(!score.is_nan());
            if let Some((s, m)) = &last {
                assert!(compare((*s, m.as_ref()), (score, member.as_ref())).is_lt());
            }
            last = Some((score, member));
        }
    }

    fn locate(&self, mut rank: usize) -> Option<(&Leaf<K>, usize)> {
        if rank >= self.len {
            return None;
        }
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(leaf) => return Some((leaf, rank)),
                Node::Inner(inner) => {
                    let mut child = 0;
                    while rank >= inner.counts[child] {
                        rank -= inner.counts[child];
                        child += 1;
                    }
                    node = &inner.children[child];
                }
            }
        }
    }
}

impl<K: Copy + AsRef<[u8]>> Default for Tree<K> {
    fn default() -> Self {
        Self::new()
    }
}

/// Iterator over a range of ranks, see [`Tree::range`].
#[derive(Debug)]
pub struct Walk<'a, K> {
    tree: &'a Tree<K>,
    front: usize,
    back: usize,
    /// Leaf and index of the item `front`.
    head: Option<(&'a Leaf<K>, usize)>,
    /// Leaf and index of the item `back - 1`.
    tail: Option<(&'a Leaf<K>, usize)>,
}

impl<K: Copy + AsRef<[u8]>> Iterator for Walk<'_, K> {
    type Item = (f64, K);

    fn next(&mut self) -> Option<(f64, K)> {
        if self.front >= self.back {
            return None;
        }
        let (leaf, index) = match self.head {
            Some((leaf, index)) if index < leaf.scores.len() => (leaf, index),
            _ => self.tree.locate(self.front)?,
        };
        self.head = Some((leaf, index + 1));
        self.front += 1;
        Some((leaf.scores[index], leaf.members[index]))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = self.back - self.front;
        (len, Some(len))
    }
}

impl<K: Copy + AsRef<[u8]>> DoubleEndedIterator for Walk<'_, K> {
    fn next_back(&mut self) -> Option<(f64, K)> {
        if self.front >= self.back {
            return None;
        }
        let (leaf, index) = match self.tail {
            Some(tail) => tail,
            None => self.tree.locate(self.back - 1)?,
        };
        self.tail = index.checked_sub(1).map(|index| (leaf, index));
        self.back -= 1;
        Some((leaf.scores[index], leaf.members[index]))
    }
}

impl<K: Copy + AsRef<[u8]>> ExactSizeIterator for Walk<'_, K> {}

impl<K: Copy + AsRef<[u8]>> Node<K> {
    /// Items below this node.
    fn count(&self) -> usize {
        match self {
            Node::Leaf(leaf) => leaf.scores.len(),
            Node::Inner(inner) => inner.counts.iter().sum(),
        }
    }

    /// Items or children of this node itself.
    fn entries(&self) -> usize {
        match self {
            Node::Leaf(leaf) => leaf.scores.len(),
            Node::Inner(inner) => inner.children.len(),
        }
    }

    /// The first item below this node, which is not empty.
    fn first(&self) -> (f64, K) {
        match self {
            Node::Leaf(leaf) => (leaf.scores[0], leaf.members[0]),
            Node::Inner(inner) => inner.firsts[0],
        }
    }

    /// Inserts; if the node had to split, returns its right half.
    fn insert(&mut self, score: f64, member: K) -> Option<Self> {
        match self {
            Node::Leaf(leaf) => leaf.insert(score, member).map(|right| Node::Leaf(Box::new(right))),
            Node::Inner(inner) => {
                let child = inner.child_of((score, member.as_ref()));
                let Some(right) = inner.children[child].insert(score, member) else {
                    inner.counts[child] += 1;
                    inner.firsts[child] = inner.children[child].first();
                    return None;
                };
                inner.refresh(child);
                inner.insert_child(child + 1, right).map(|right| Node::Inner(Box::new(right)))
            }
        }
    }

    fn remove(&mut self, item: (f64, &[u8])) -> Option<K> {
        match self {
            Node::Leaf(leaf) => {
                let at = leaf.find(item)?;
                leaf.scores.remove(at);
                let member = leaf.members.remove(at);
                leaf.shrink();
                Some(member)
            }
            Node::Inner(inner) => {
                let child = inner.child_of(item);
                let member = inner.children[child].remove(item)?;
                inner.tidy(child..child + 1);
                Some(member)
            }
        }
    }

    fn move_item(&mut self, member: &[u8], old: f64, new: f64) -> Move {
        match self {
            Node::Leaf(leaf) => leaf.move_item(member, old, new),
            Node::Inner(inner) => {
                let child = inner.child_of((old, member));
                if child != inner.child_of((new, member)) {
                    return Move::Elsewhere;
                }
                let moved = inner.children[child].move_item(member, old, new);
                if let Move::Done = moved {
                    inner.firsts[child] = inner.children[child].first();
                }
                moved
            }
        }
    }

    fn remove_range(&mut self, range: Range<usize>, visit: &mut impl FnMut(f64, K)) {
        let inner = match self {
            Node::Leaf(leaf) => {
                let scores = leaf.scores.drain(range.clone());
                scores.zip(leaf.members.drain(range)).for_each(|(s, m)| visit(s, m));
                return leaf.shrink();
            }
            Node::Inner(inner) => inner,
        };
        let mut touched: Option<Range<usize>> = None;
        let mut below = 0;
        for child in 0..inner.children.len() {
            let count = inner.counts[child];
            let from = range.start.clamp(below, below + count) - below;
            let to = range.end.clamp(below, below + count) - below;
            if from < to {
                inner.children[child].remove_range(from..to, visit);
                touched = Some(touched.map_or(child, |span| span.start)..child + 1);
            }
            below += count;
            if below >= range.end {
                break;
            }
        }
        if let Some(touched) = touched {
            inner.tidy(touched);
        }
    }

    /// Appends the entries of `right`, a node of the same level.
    fn merge(&mut self, right: Self) {
        match (self, right) {
            (Node::Leaf(left), Node::Leaf(right)) => {
                left.grow(right.scores.len());
                left.scores.extend(right.scores);
                left.members.extend(right.members);
            }
            (Node::Inner(left), Node::Inner(right)) => {
                left.children.extend(right.children);
                left.counts.extend(right.counts);
                left.firsts.extend(right.firsts);
            }
            _ => unreachable!("neighbours have the same depth"),
        }
    }

    fn memory_bytes(&self) -> usize {
        match self {
            Node::Leaf(leaf) => {
                size_of::<Leaf<K>>()
                    + leaf.scores.capacity() * size_of::<f64>()
                    + leaf.members.capacity() * size_of::<K>()
            }
            Node::Inner(inner) => {
                let entry = size_of::<Self>() + size_of::<usize>() + size_of::<(f64, K)>();
                let own = size_of::<Inner<K>>() + inner.children.capacity() * entry;
                own + inner.children.iter().map(Self::memory_bytes).sum::<usize>()
            }
        }
    }

    /// Count of items and depth, verified.
    fn check(&self) -> (usize, usize) {
        assert!((1..=FANOUT).contains(&self.entries()));
        match self {
            Node::Leaf(leaf) => {
                assert_eq!(leaf.scores.len(), leaf.members.len());
                (leaf.scores.len(), 0)
            }
            Node::Inner(inner) => {
                assert_eq!(inner.children.len(), inner.counts.len());
                assert_eq!(inner.children.len(), inner.firsts.len());
                let depth = inner.children[0].check().1;
                for (index, child) in inner.children.iter().enumerate() {
                    assert_eq!(child.check(), (inner.counts[index], depth));
                    let ((score, member), held) = (child.first(), inner.firsts[index]);
                    assert!(compare((score, member.as_ref()), (held.0, held.1.as_ref())).is_eq());
                }
                (self.count(), depth + 1)
            }
        }
    }
}

impl<K: Copy + AsRef<[u8]>> Leaf<K> {
    fn new() -> Self {
        Self { scores: Vec::new(), members: Vec::new() }
    }

    /// How many items come first for which `before` holds.
    fn position(&self, mut before: impl FnMut(f64, &K) -> bool) -> usize {
        let (mut low, mut high) = (0, self.scores.len());
        while low < high {
            let middle = low.midpoint(high);
            if before(self.scores[middle], &self.members[middle]) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Where an item is.
    fn find(&self, item: (f64, &[u8])) -> Option<usize> {
        let at = self.position(|score, member| is_before(score, member, item));
        let there = self.scores.get(at) == Some(&item.0) && self.members[at].as_ref() == item.1;
        there.then_some(at)
    }

    /// Gives an item another score; its new place is in this leaf.
    fn move_item(&mut self, member: &[u8], old: f64, new: f64) -> Move {
        let Some(from) = self.find((old, member)) else { return Move::NoItem };
        let to = self.position(|s, m| is_before(s, m, (new, member)));
        self.scores[from] = new;
        if to > from {
            // It was counted itself.
            self.scores[from..to].rotate_left(1);
            self.members[from..to].rotate_left(1);
        } else {
            self.scores[to..=from].rotate_right(1);
            self.members[to..=from].rotate_right(1);
        }
        Move::Done
    }

    fn insert(&mut self, score: f64, member: K) -> Option<Self> {
        let item = (score, member.as_ref());
        let at = self.position(|score, member| is_before(score, member, item));
        if self.scores.len() < FANOUT {
            self.put(at, score, member);
            return None;
        }
        let mut right = self.split_off(split_point(at, FANOUT));
        if at > self.scores.len() || right.scores.is_empty() {
            right.put(at - self.scores.len(), score, member);
        } else {
            self.put(at, score, member);
        }
        Some(right)
    }

    fn put(&mut self, at: usize, score: f64, member: K) {
        self.grow(1);
        self.scores.insert(at, score);
        self.members.insert(at, member);
    }

    fn split_off(&mut self, at: usize) -> Self {
        let right = Self { scores: self.scores.split_off(at), members: self.members.split_off(at) };
        self.shrink();
        right
    }

    /// Room for more items, in steps.
    fn grow(&mut self, more: usize) {
        let len = self.scores.len();
        if len + more > self.scores.capacity() {
            let room = (len + more).next_multiple_of(STEP) - len;
            self.scores.reserve_exact(room);
            self.members.reserve_exact(room);
        }
    }

    /// Gives back room of more than one step.
    fn shrink(&mut self) {
        let room = (self.scores.len() + 1).next_multiple_of(STEP);
        if self.scores.capacity() > room {
            self.scores.shrink_to(room);
            self.members.shrink_to(room);
        }
    }
}

impl<K: Copy + AsRef<[u8]>> Inner<K> {
    fn of(children: Vec<Node<K>>) -> Self {
        let counts = children.iter().map(Node::count).collect();
        let firsts = children.iter().map(Node::first).collect();
        Self { children, counts, firsts }
    }

    /// The child in which the last item lies for which `before` holds, or the first child.
    fn child_where(&self, mut before: impl FnMut(f64, &K) -> bool) -> usize {
        let (mut low, mut high) = (0, self.firsts.len());
        while high - low > 1 {
            let middle = low.midpoint(high);
            let (score, member) = &self.firsts[middle];
            if before(*score, member) {
                low = middle;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The child in which an item is, or would be.
    fn child_of(&self, item: (f64, &[u8])) -> usize {
        self.child_where(|score, member| !is_after(score, member, item))
    }

    fn refresh(&mut self, child: usize) {
        self.counts[child] = self.children[child].count();
        self.firsts[child] = self.children[child].first();
    }

    fn insert_child(&mut self, at: usize, child: Node<K>) -> Option<Self> {
        if self.children.len() < FANOUT {
            self.put(at, child);
            return None;
        }
        // Descending insertions put each new child second, after the child that split.
        let point = if at <= 1 { 1 } else { split_point(at, FANOUT) };
        let mut right = Self {
            children: self.children.split_off(point),
            counts: self.counts.split_off(point),
            firsts: self.firsts.split_off(point),
        };
        self.children.shrink_to(FANOUT / 2);
        self.counts.shrink_to(FANOUT / 2);
        self.firsts.shrink_to(FANOUT / 2);
        if at >= point {
            right.put(at - point, child);
        } else {
            self.put(at, child);
        }
        Some(right)
    }

    fn put(&mut self, at: usize, child: Node<K>) {
        self.counts.insert(at, child.count());
        self.firsts.insert(at, child.first());
        self.children.insert(at, child);
    }

    fn take(&mut self, at: usize) -> Node<K> {
        self.counts.remove(at);
        self.firsts.remove(at);
        self.children.remove(at)
    }

    /// After removals in the children `touched`: drops the empty, merges the sparse.
    fn tidy(&mut self, touched: Range<usize>) {
        for child in touched.clone().rev() {
            if self.children[child].entries() == 0 {
                self.take(child);
            } else {
                self.refresh(child);
            }
        }
        // Seams: those of the children that remain, and the one before the next.
        let last = touched.end.min(self.children.len().saturating_sub(1));
        for right in (touched.start.max(1)..=last).rev() {
            let (a, b) = (self.children[right - 1].entries(), self.children[right].entries());
            if a.min(b) < SPARSE && a + b <= MERGED {
                let node = self.take(right);
                self.children[right - 1].merge(node);
                self.refresh(right - 1);
            }
        }
    }
}

/// Where a full node splits if the new entry goes to `at`.
fn split_point(at: usize, len: usize) -> usize {
    match at {
        0 => 0,
        at if at == len => len,
        _ => len / 2,
    }
}

#[cfg(test)]
mod tests;
