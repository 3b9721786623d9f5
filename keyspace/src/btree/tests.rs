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
}
