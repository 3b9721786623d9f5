//! A sorted set's large form: a table of scored blocks, and a tree that orders the same blocks.
//!
//! The table answers "which score has this member", the tree everything about order. A block is in
//! both or in neither; a change touches the tree first, because the tree reads the block.

use std::ops::Range;

use super::{Block, Blocks, Scored};
use crate::btree::{Tree, Walk, compare};
use crate::table::hash_bytes;

const MISSING: &str = "the tree has every block of the table";

/// Members with scores, in order and by name.
pub struct Ordered {
    blocks: Blocks<Scored>,
    tree: Tree<Block<Scored>>,
}

impl Ordered {
    /// No members.
    pub fn new() -> Self {
        Self { blocks: Blocks::new(), tree: Tree::new() }
    }

    /// Number of members.
    pub fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes allocated.
    pub fn memory_bytes(&self) -> usize {
        self.blocks.memory_bytes() + self.tree.memory_bytes()
    }

    /// The score of a member.
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        self.blocks.get(member).map(score_of)
    }

    /// Gives a member a score; returns the score that it had.
    pub fn set(&mut self, member: &[u8], score: f64) -> Option<f64> {
        let hash = hash_bytes(member);
        let Some(block) = self.blocks.find(hash, member) else {
            let block = self.blocks.insert(hash, member, &score.to_le_bytes());
            self.tree.insert(score, block);
            return None;
        };
        let old = score_of(block.parts().1);
        if old != score {
            assert!(self.tree.change_score(member, old, score), "{MISSING}");
            block.overwrite_tail(&score.to_le_bytes());
        }
        Some(old)
    }

    /// Removes a member; returns its score.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        let block = self.blocks.find(hash_bytes(member), member)?;
        let score = score_of(block.parts().1);
        self.tree.remove(score, member).expect(MISSING);
        self.blocks.remove_block(block);
        Some(score)
    }

    /// Removes the members with the ranks in `range`, showing each.
    pub fn remove_range(&mut self, range: Range<usize>, mut visit: impl FnMut(&[u8], f64)) {
        let mut removed = Vec::with_capacity(range.len().min(self.len()));
        self.tree.remove_range(range, |_, block| removed.push(block));
        for block in removed {
            let (member, score) = self.blocks.parts(block);
            visit(member, score_of(score));
            self.blocks.remove_block(block);
        }
    }

    /// Rank of a member, from 0.
    pub fn rank(&self, member: &[u8]) -> Option<usize> {
        self.tree.rank(self.score(member)?, member)
    }

    /// How many members come first for whose score `before` holds; see [`Tree::rank_where`].
    pub fn rank_by_score(&self, mut before: impl FnMut(f64) -> bool) -> usize {
        self.tree.rank_where(|score, _| before(score))
    }

    /// The same for members by their names.
    pub fn rank_by_name(&self, mut before: impl FnMut(&[u8]) -> bool) -> usize {
        self.tree.rank_where(|_, block| before(block.as_ref()))
    }

    /// The members with the ranks in `range`.
    pub fn range(&self, range: Range<usize>) -> Members<'_> {
        Members { walk: self.tree.range(range), owner: &self.blocks }
    }

    /// Members and scores in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], f64)> + '_ {
        self.blocks.iter().map(|(member, score)| (member, score_of(score)))
    }

    /// As [`Blocks::scan`].
    pub fn scan(&self, cursor: u64, mut visit: impl FnMut(&[u8], f64)) -> u64 {
        self.blocks.scan(cursor, |member, score| visit(member, score_of(score)))
    }

    /// As [`Blocks::sample`].
    pub fn sample(
        &self,
        count: usize,
        draw: &mut dyn FnMut() -> u64,
        mut visit: impl FnMut(&[u8], f64),
    ) {
        self.blocks.sample(count, draw, |member, score| visit(member, score_of(score)));
    }

    /// As [`Blocks::prefetch`].
    pub fn prefetch(&self, member: &[u8]) {
        self.blocks.prefetch(member);
    }

    /// Verifies the invariants.
    pub fn check(&self) {
        self.blocks.check();
        self.tree.check();
        assert_eq!(self.blocks.len(), self.tree.len());
        for (score, block) in self.tree.range(0..self.tree.len()) {
            let (member, tail) = block.parts();
            assert!(score_of(tail) == score);
            let found = self.blocks.find(hash_bytes(member), member);
            assert!(found.is_some_and(|found| found.start == block.start));
        }
    }
}

impl Default for Ordered {
    fn default() -> Self {
        Self::new()
    }
}

impl Clone for Ordered {
    fn clone(&self) -> Self {
        let mut builder = OrderedBuilder::new();
        for (member, score) in self.range(0..self.len()) {
            assert!(builder.push(member, score), "members differ");
        }
        builder.finish()
    }
}

/// Iterator over members in order.
pub struct Members<'a> {
    walk: Walk<'a, Block<Scored>>,
    /// What the members borrow.
    owner: &'a Blocks<Scored>,
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a [u8], f64);

    fn next(&mut self) -> Option<Self::Item> {
        self.walk.next().map(|(score, block)| (self.owner.parts(block).0, score))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.walk.size_hint()
    }
}

impl DoubleEndedIterator for Members<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.walk.next_back().map(|(score, block)| (self.owner.parts(block).0, score))
    }
}

/// Makes an [`Ordered`] of members in any order; cheapest if they ascend or descend.
pub struct OrderedBuilder {
    blocks: Blocks<Scored>,
    items: Vec<(f64, Block<Scored>)>,
}

impl OrderedBuilder {
    /// Nothing yet.
    pub fn new() -> Self {
        Self { blocks: Blocks::new(), items: Vec::new() }
    }

    /// Adds a member; `false` if there is one of that name.
    #[must_use]
    pub fn push(&mut self, member: &[u8], score: f64) -> bool {
        let hash = hash_bytes(member);
        if self.blocks.find(hash, member).is_some() {
            return false;
        }
        let block = self.blocks.insert(hash, member, &score.to_le_bytes());
        self.items.push((score, block));
        true
    }

    /// Orders what was added.
    pub fn finish(mut self) -> Ordered {
        let order = |a: &(f64, Block<Scored>), b: &(f64, Block<Scored>)| {
            compare((a.0, a.1.as_ref()), (b.0, b.1.as_ref()))
        };
        if self.items.first().zip(self.items.last()).is_some_and(|(a, b)| order(a, b).is_gt()) {
            self.items.reverse();
        }
        if !self.items.is_sorted_by(|a, b| order(a, b).is_lt()) {
            self.items.sort_unstable_by(order);
        }
        Ordered { blocks: self.blocks, tree: Tree::from_sorted(self.items) }
    }
}

impl Default for OrderedBuilder {
    fn default() -> Self {
        Self::new()
    }
}

fn score_of(tail: &[u8]) -> f64 {
    f64::from_le_bytes(tail.try_into().expect("a score has eight bytes"))
}
