//! The counted tree against a sorted vector.

use super::*;
use proptest::prelude::*;

type Member = [u8; 8];

fn member(number: u64) -> Member {
    number.to_be_bytes()
}

/// A full-period sequence that looks random.
fn scattered(count: u64) -> impl Iterator<Item = u64> {
    (1..=count).map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20)
}

fn bytes_per_item(tree: &Tree<Member>) -> f64 {
    tree.memory_bytes() as f64 / tree.len() as f64
}

#[test]
fn memory_per_item_is_bounded_in_every_order() {
    let orders: [Vec<u64>; 3] =
        [(0..50_000).collect(), (0..50_000).rev().collect(), scattered(50_000).collect()];
    for (order, limit) in orders.iter().zip([18.5, 18.5, 20.0]) {
        let mut tree = Tree::new();
        for number in order {
            tree.insert(*number as f64, member(*number));
        }
        tree.check();
        let bytes = bytes_per_item(&tree);
        assert!(bytes < limit, "{bytes} bytes per item");
    }
}

#[test]
fn equal_scores_are_ordered_by_member() {
    let mut tree = Tree::new();
    for number in scattered(3000) {
        tree.insert(if number % 2 == 0 { 0.0 } else { -0.0 }, member(number));
    }
    tree.check();
    assert_eq!(tree.rank_where(|score, _| score < 0.0), 0);
    assert_eq!(tree.rank_where(|score, _| score <= 0.0), 3000);
}

#[test]
fn infinite_scores_are_the_ends() {
    let mut tree = Tree::new();
    tree.insert(f64::INFINITY, member(1));
    tree.insert(f64::NEG_INFINITY, member(2));
    tree.insert(f64::MAX, member(3));
    assert_eq!(tree.range(0..9).map(|(_, m)| m).collect::<Vec<_>>(), [2, 3, 1].map(member));
}

#[test]
fn draining_from_either_end_or_the_middle_keeps_the_tree_sound() {
    for from in [0, 1, 2] {
        let mut tree = Tree::from_sorted((0..5000).map(|n| (n as f64, member(n))));
        tree.check();
        while !tree.is_empty() {
            let rank = from * (tree.len() - 1) / 2;
            let (score, found) = tree.select(rank).unwrap();
            assert_eq!(tree.remove(score, &found), Some(found));
            if tree.len().is_multiple_of(97) {
                tree.check();
            }
        }
        assert_eq!(tree.range(0..1).next(), None);
    }
}

/// Members 0, 1, … with these scores, in order.
fn ordered(scores: &[f64]) -> Vec<(f64, Member)> {
    let mut items: Vec<_> =
        scores.iter().enumerate().map(|(n, score)| (*score, member(n as u64))).collect();
    items.sort_by(|a, b| compare((a.0, &a.1), (b.0, &b.1)));
    items
}

#[test]
fn an_item_that_is_not_there_gets_no_score() {
    let mut tree = Tree::new();
    assert!(!tree.change_score(&member(1), 1.0, 2.0));
    (0..1000).for_each(|n| tree.insert(n as f64, member(n)));
    assert!(!tree.change_score(&member(5), 6.0, 7.0));
    assert!(!tree.change_score(&member(5), 6.0, 700.0));
    assert_eq!(tree.remove(6.0, &member(5)), None);
    tree.check();
    assert_eq!(tree.len(), 1000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn tree_is_a_sorted_vector(
        built in 0u64..400,
        steps in prop::collection::vec((0u8..8, 0u64..500, 0usize..300), 0..600),
    ) {
        let item = |n: u64| ((n / 3) as f64, member(n));
        let mut tree = Tree::from_sorted((0..built).map(item));
        let mut model: Vec<(f64, Member)> = (0..built).map(item).collect();
        for (kind, number, span) in steps {
            let (score, name) = item(number);
            let found = model.binary_search_by(|(s, m)| compare((*s, m), (score, &name)));
            prop_assert_eq!(tree.rank(score, &name), found.ok());
            match (kind, found) {
                (0..=4, Err(at)) => {
                    tree.insert(score, name);
                    model.insert(at, (score, name));
                }
                (5 | 6, Ok(at)) => {
                    prop_assert_eq!(tree.remove(score, &name), Some(name));
                    model.remove(at);
                }
                (7, Ok(at) | Err(at)) => {
                    let mut removed = Vec::new();
                    tree.remove_range(at..at + span / 10, |s, m| removed.push((s, m)));
                    let end = (at + span / 10).min(model.len());
                    prop_assert_eq!(removed, model.drain(at..end).collect::<Vec<_>>());
                }
                _ => {}
            }
            prop_assert_eq!(tree.len(), model.len());
            let rank = tree.rank_where(|s, _| s < score);
            prop_assert_eq!(rank, model.iter().filter(|(s, _)| *s < score).count());
        }
        tree.check();
        prop_assert!(tree.range(0..tree.len()).eq(model.iter().copied()));
        let (from, to) = (model.len() / 3, model.len() * 2 / 3);
        prop_assert!(tree.range(from..to).rev().eq(model[from..to].iter().rev().copied()));
        let mut both = tree.range(0..tree.len());
        let mut met = Vec::new();
        while let Some(item) = both.next() {
            met.push(item);
            met.extend(both.next_back());
        }
        met.sort_by(|a, b| compare((a.0, &a.1), (b.0, &b.1)));
        prop_assert_eq!(met, model);
    }

    #[test]
    fn scores_that_change_a_little_or_much_keep_the_order(
        count in 1usize..600,
        built in any::<bool>(),
        steps in prop::collection::vec((0usize..600, 0u8..4, -40i32..40), 0..400),
    ) {
        let mut scores: Vec<f64> = (0..count).map(|n| (n / 2) as f64).collect();
        let mut tree = Tree::new();
        match built {
            true => tree = Tree::from_sorted(ordered(&scores)),
            false => ordered(&scores).iter().for_each(|(score, name)| tree.insert(*score, *name)),
        }
        for (number, kind, by) in steps {
            let number = number % count;
            let old = scores[number];
            // Next to it, in the leaf, in another leaf, at an end.
            scores[number] += f64::from(by) * [0.02, 0.5, 8.0, 1e6][kind as usize];
            prop_assert!(tree.change_score(&member(number as u64), old, scores[number]));
            prop_assert_eq!(tree.len(), count);
            let ranks = ordered(&scores);
            let rank = ranks.iter().position(|(_, name)| *name == member(number as u64));
            prop_assert_eq!(tree.rank(scores[number], &member(number as u64)), rank);
        }
        tree.check();
        prop_assert!(tree.range(0..count).eq(ordered(&scores)));
    }
}
