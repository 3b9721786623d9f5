//! Sorted sets against a map and a sorted vector, in both forms.

use super::*;
use proptest::prelude::*;
use std::collections::HashMap;

const LIMITS: Limits = Limits::DEFAULT;

fn zset_of(items: &[(&str, f64)], limits: &Limits) -> Zset {
    let mut zset = Zset::new();
    items.iter().for_each(|(member, score)| {
        assert_eq!(zset.add(member.as_bytes(), *score, limits), Change::Added)
    });
    zset
}

fn items(zset: &Zset, range: Range<usize>) -> Vec<(Vec<u8>, f64)> {
    zset.range(range).map(|(member, score)| (member.to_vec(), score)).collect()
}

#[test]
fn bytes_are_those_of_redis() {
    // From a DUMP of Redis 7.0.15.
    let zset = zset_of(&[("c", f64::INFINITY), ("b", 1.5), ("a", 1.0)], &LIMITS);
    let expected = b"\x1c\0\0\0\x06\0\x81a\x02\x01\x01\x81b\x02\x831.5\x04\x81c\x02\x83inf\x04\xff";
    assert_eq!(zset.packed_bytes(), Some(&expected[..]));
    zset.check();
}

#[test]
fn limits_decide_the_form() {
    let mut zset = Zset::new();
    for n in 0..128 {
        zset.add(format!("member {n}").as_bytes(), f64::from(n), &LIMITS);
    }
    assert_eq!(zset.encoding(), "listpack");
    let mut long = zset.duplicate();
    long.pop_min();
    assert_eq!(long.add(&[b'm'; 65], 1.0, &LIMITS), Change::Added);
    assert_eq!((long.encoding(), long.len()), ("skiplist", 128));
    assert_eq!(zset.add(b"one more", 1.0, &LIMITS), Change::Added);
    assert_eq!((zset.encoding(), zset.len()), ("skiplist", 129));
    zset.check();
    zset.shrink(&LIMITS);
    assert_eq!(zset.encoding(), "skiplist");
    zset.remove(b"one more");
    zset.shrink(&LIMITS);
    assert_eq!((zset.encoding(), zset.len()), ("listpack", 128));
    zset.check();
    assert_eq!(Zset::with_capacity(129, 1, &LIMITS).encoding(), "skiplist");
    assert_eq!(Zset::with_capacity(1, 65, &LIMITS).encoding(), "skiplist");
}

#[test]
fn negative_zero_is_zero() {
    for limits in [LIMITS, Limits { zset_max_listpack_entries: 0, ..LIMITS }] {
        let mut zset = zset_of(&[("m", -0.0)], &limits);
        assert!(zset.score(b"m").unwrap().is_sign_positive());
        assert_eq!(zset.add(b"m", 0.0, &limits), Change::Unchanged);
    }
}

#[test]
fn listpacks_that_are_no_sorted_sets_are_refused() {
    let refused = |elements: &[&[u8]]| {
        let mut packed = Packed::new();
        elements.iter().for_each(|element| packed.push_back(Value::of(element)));
        Zset::from_packed(packed.as_bytes(), &LIMITS).is_err()
    };
    assert!(!refused(&[b"a", b"1", b"b", b"1", b"a0", b"1.5", b"c", b"inf"]));
    assert!(refused(&[b"a"]));
    assert!(refused(&[b"a", b"nan"]));
    assert!(refused(&[b"a", b"x"]));
    assert!(refused(&[b"a", b"2", b"b", b"1"]));
    assert!(refused(&[b"b", b"1", b"a", b"1"]));
    assert!(refused(&[b"a", b"1", b"a", b"2"]));
}

#[test]
fn builder_takes_any_order_and_refuses_twins() {
    let item = |n: u32| (format!("member {n:05}").into_bytes(), f64::from(n / 3));
    let orders: [Vec<u32>; 3] =
        [(0..500).collect(), (0..500).rev().collect(), (0..500).map(|n| n * 7 % 500).collect()];
    for order in &orders {
        let mut builder = ZsetBuilder::new(500, &LIMITS);
        for (member, score) in order.iter().map(|n| item(*n)) {
            builder.push(&member, score).unwrap();
        }
        assert_eq!(builder.push(b"member 00007", 1.0).unwrap_err().offset, 500);
        assert!(builder.push(b"new", f64::NAN).is_err());
        let zset = builder.finish();
        zset.check();
        assert_eq!(items(&zset, 0..500), (0..500).map(item).collect::<Vec<_>>());
        zset.duplicate().check();
    }
}

#[test]
fn a_large_set_costs_less_than_64_bytes_per_member() {
    let mut zset = Zset::with_capacity(20_000, 16, &LIMITS);
    for n in 0..20_000u64 {
        let score = n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
        zset.add(format!("member {n:09}").as_bytes(), score as f64, &LIMITS);
    }
    // The allocator rounds each block of 25 bytes up to 32.
    let bytes = zset.memory_bytes() as f64 / zset.len() as f64 + 7.0;
    assert!(bytes <= 64.0, "{bytes} bytes per member");
}

fn model_order(model: &HashMap<Vec<u8>, f64>) -> Vec<(Vec<u8>, f64)> {
    let mut order: Vec<_> = model.iter().map(|(m, s)| (m.clone(), *s)).collect();
    order.sort_by(|a, b| a.1.partial_cmp(&b.1).unwrap().then_with(|| a.0.cmp(&b.0)));
    order
}

fn check_against(zset: &Zset, order: &[(Vec<u8>, f64)], draw: &mut dyn FnMut() -> u64) {
    zset.check();
    assert_eq!(items(zset, 0..usize::MAX), order);
    let (from, to) = (order.len() / 3, order.len() * 2 / 3);
    let part: Vec<_> = zset.range(from..to).rev().map(|(m, s)| (m.to_vec(), s)).collect();
    assert!(part.iter().eq(order[from..to].iter().rev()));
    for (rank, (member, score)) in order.iter().enumerate() {
        assert_eq!(zset.rank(member), Some(rank));
        assert_eq!(zset.rev_rank(member), Some(order.len() - 1 - rank));
        assert_eq!(zset.score(member), Some(*score));
    }
    for (min, max) in [(0.0, 2.0), (-1.5, 3.0), (f64::NEG_INFINITY, 1.0), (3.0, 1.0)] {
        for (min_exclusive, max_exclusive) in
            [(false, false), (true, false), (false, true), (true, true)]
        {
            let ranks = zset.score_range(&ScoreRange { min, max, min_exclusive, max_exclusive });
            let inside = |s: f64| {
                (s > min || (!min_exclusive && s == min))
                    && (s < max || (!max_exclusive && s == max))
            };
            let expected: Vec<_> = order.iter().filter(|(_, s)| inside(*s)).cloned().collect();
            assert_eq!(items(zset, ranks), expected);
        }
    }
    let mut scanned = HashMap::new();
    let mut cursor = 0;
    loop {
        cursor = zset.scan(cursor, |m, s| {
            scanned.insert(m.to_vec(), s);
        });
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(model_order(&scanned), order);
    let mut sampled = HashMap::new();
    zset.sample(4, draw, |m, s| assert!(sampled.insert(m.to_vec(), s).is_none()));
    assert_eq!(sampled.len(), order.len().min(4));
    assert_eq!(zset.random(draw).is_some(), !order.is_empty());
    if let Some(bytes) = zset.packed_bytes() {
        let limits = Limits { zset_max_listpack_entries: 0, ..LIMITS };
        assert_eq!(items(&Zset::from_packed(bytes, &limits).unwrap(), 0..usize::MAX), order);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn zset_is_a_sorted_map(
        steps in prop::collection::vec((0u8..60, -6i8..12, 0u8..8), 0..250),
        entries in 0usize..40,
    ) {
        let limits = Limits { zset_max_listpack_entries: entries, ..LIMITS };
        let mut zset = Zset::new();
        let mut model: HashMap<Vec<u8>, f64> = HashMap::new();
        for (number, score, kind) in steps {
            let prefix = if number < 30 { "" } else { "m" };
            let member = format!("{prefix}{number}").into_bytes();
            let score = if score == 11 { f64::INFINITY } else { f64::from(score) / 2.0 };
            match kind {
                0 => prop_assert_eq!(zset.remove(&member), model.remove(&member)),
                1 => {
                    let order = model_order(&model);
                    let (popped, expected) = if number % 2 == 0 {
                        (zset.pop_min(), order.first())
                    } else {
                        (zset.pop_max(), order.last())
                    };
                    prop_assert_eq!(popped.as_ref(), expected);
                    expected.map(|(member, _)| model.remove(member));
                }
                2 => {
                    let order = model_order(&model);
                    let from = usize::from(number).min(order.len());
                    let to = (from + 3).min(order.len());
                    let mut removed = Vec::new();
                    zset.remove_range(from..from + 3, |m, s| removed.push((m.to_vec(), s)));
                    prop_assert_eq!(removed.as_slice(), &order[from..to]);
                    model.retain(|member, _| removed.iter().all(|(gone, _)| gone != member));
                }
                _ => {
                    let expected = match model.insert(member.clone(), score) {
                        None => Change::Added,
                        Some(old) if old == score => Change::Unchanged,
                        Some(_) => Change::Updated,
                    };
                    prop_assert_eq!(zset.add(&member, score, &limits), expected);
                }
            }
            prop_assert_eq!(zset.len(), model.len());
        }
        let mut draw = crate::sample::tests::draw();
        let order = model_order(&model);
        check_against(&zset, &order, &mut draw);
        check_against(&zset.duplicate(), &order, &mut draw);
    }

    #[test]
    fn lex_ranges_are_filters(
        names in prop::collection::btree_set("[a-c0-3]{0,3}", 0..40),
        ends in ("[a-c0-3]{0,2}", "[a-c0-3]{0,2}"),
        kinds in (0u8..4, 0u8..4),
        entries in prop::sample::select(vec![0usize, 100]),
    ) {
        let limits = Limits { zset_max_listpack_entries: entries, ..LIMITS };
        let mut zset = Zset::new();
        for name in &names {
            zset.add(name.as_bytes(), 0.0, &limits);
        }
        let bound = |kind, name| match kind {
            0 => LexBound::Lowest,
            1 => LexBound::Highest,
            2 => LexBound::Included(name),
            _ => LexBound::Excluded(name),
        };
        let (low, high) = (ends.0.as_bytes(), ends.1.as_bytes());
        let inside = |name: &[u8]| {
            let above = match bound(kinds.0, low) {
                LexBound::Lowest => true,
                LexBound::Highest => false,
                LexBound::Included(low) => name >= low,
                LexBound::Excluded(low) => name > low,
            };
            above && match bound(kinds.1, high) {
                LexBound::Lowest => false,
                LexBound::Highest => true,
                LexBound::Included(high) => name <= high,
                LexBound::Excluded(high) => name < high,
            }
        };
        let all = names.iter().map(|name| name.as_bytes().to_vec());
        let expected: Vec<_> = all.filter(|name| inside(name)).collect();
        let ranks = zset.lex_range(bound(kinds.0, low), bound(kinds.1, high));
        let found: Vec<_> = zset.range(ranks).map(|(m, _)| m.to_vec()).collect();
        prop_assert_eq!(found, expected);
    }
}
