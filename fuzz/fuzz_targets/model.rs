//! The data types against the plainest models there are: a sequence of changes, made out of the input, is done to a list,
//! hash, set or sorted set of the keyspace and to a vector or map alike. After each step both hold the same, in the same
//! order where there is one, and the value obeys its type. Limits are small, so that forms change on the way.
//!
//! ```text
//! input:  kind u8 | limit u8 | steps …
//! ```

#![no_main]

use fuzzing::Input;
use fuzzing::packed::are;
use keyspace::hash::Hash;
use keyspace::limits::Limits;
use keyspace::list::{End, List};
use keyspace::set::Set;
use keyspace::zset::{Change, LexBound, ScoreRange, Zset};
use libfuzzer_sys::fuzz_target;
use protocol::listpack::{TextBuffer, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The most steps of one input: each is followed by a whole comparison.
const STEPS: usize = 16;

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let kind = input.byte();
    let limit = usize::from(input.byte());
    let limits = Limits {
        hash_max_listpack_entries: limit % 12,
        hash_max_listpack_value: 64,
        set_max_intset_entries: limit % 9,
        set_max_listpack_entries: limit % 12,
        set_max_listpack_value: if limit < 128 { 64 } else { 3 },
        zset_max_listpack_entries: limit % 12,
        zset_max_listpack_value: if limit < 128 { 64 } else { 3 },
        list_max_listpack_size: if limit < 200 { (limit % 7) as i32 } else { -1 },
        list_plain_bytes: if limit & 1 == 0 { 63 } else { usize::MAX },
        ..Limits::DEFAULT
    };
    match kind & 3 {
        0 => list(&mut input, &limits),
        1 => hash(&mut input, &limits),
        2 => set(&mut input, &limits),
        _ => zset(&mut input, &limits),
    }
});

fn list(input: &mut Input<'_>, limits: &Limits) {
    let (mut list, mut model) = (List::new(), Vec::<Vec<u8>>::new());
    for _ in 0..STEPS {
        if input.is_empty() {
            return;
        }
        let step = input.byte();
        let index = input.below(model.len() + 1);
        match step % 13 {
            0..=1 => {
                let element = input.familiar();
                list.push(End::Back, &element, limits);
                model.push(element);
            }
            2..=3 => {
                let element = input.familiar();
                list.push(End::Front, &element, limits);
                model.insert(0, element);
            }
            4 => {
                assert_eq!(list.pop(End::Back, limits), model.pop());
            }
            5 => {
                let first = (!model.is_empty()).then(|| model.remove(0));
                assert_eq!(list.pop(End::Front, limits), first);
            }
            6 => {
                let element = input.familiar();
                assert_eq!(list.set(index, &element, limits), index < model.len());
                if index < model.len() {
                    model[index] = element;
                }
            }
            7 => {
                let element = input.familiar();
                list.insert(index, &element, limits);
                model.insert(index, element);
            }
            8 => {
                let (pivot, element) = (input.familiar(), input.familiar());
                let place = model.iter().position(|other| *other == pivot);
                let after = step & 0x80 != 0;
                assert_eq!(list.insert_beside(&pivot, after, &element, limits), place.is_some());
                if let Some(place) = place {
                    model.insert(place + usize::from(after), element);
                }
            }
            9 => {
                let (count, element) = (input.below(5) as i64 - 2, input.familiar());
                let most = if count == 0 { usize::MAX } else { count.unsigned_abs() as usize };
                let hits = (0..model.len()).filter(|place| model[*place] == element);
                let mut hits: Vec<usize> = hits.collect();
                if count < 0 {
                    hits.reverse();
                }
                hits.truncate(most);
                assert_eq!(list.remove(count, &element, limits), hits.len());
                hits.sort_unstable();
                for place in hits.into_iter().rev() {
                    model.remove(place);
                }
            }
            10 => {
                let end = index + input.below(5);
                list.remove_range(index..end, limits);
                model.drain(index..end.min(model.len()));
            }
            11 => {
                let end = index + input.below(32);
                list.trim(index..end, limits);
                model.truncate(end);
                model.drain(..index.min(model.len()));
            }
            _ => {
                let nodes: Vec<_> = list.nodes().collect();
                list = List::from_nodes(nodes, limits).expect("its own nodes");
            }
        }
        list.check();
        assert_eq!(list.len(), model.len());
        assert!(are(list.iter(), model.iter()));
        assert!(are(list.iter().rev(), model.iter().rev()));
        assert_eq!(list.get(index).map(Value::to_vec).as_ref(), model.get(index));
        let (from, to) = (index / 2, index.max(1));
        assert!(are(
            list.range(from..to),
            model[from.min(model.len())..to.min(model.len())].iter()
        ));
    }
}

fn hash(input: &mut Input<'_>, limits: &Limits) {
    let (mut hash, mut model) = (Hash::new(), BTreeMap::<Vec<u8>, Vec<u8>>::new());
    for _ in 0..STEPS {
        if input.is_empty() {
            return;
        }
        let step = input.byte();
        let field = input.familiar();
        match step % 5 {
            0..=2 => {
                let value = input.element();
                assert_eq!(hash.set(&field, &value, limits), !model.contains_key(&field));
                model.insert(field.clone(), value);
            }
            3 => assert_eq!(hash.remove(&field), model.remove(&field).is_some()),
            _ => {
                let copied = match hash.view().pairs() {
                    Some(pairs) => {
                        let mut list = Vec::new();
                        pairs.to_listpack(&mut list);
                        Hash::from_listpack(&list, limits).expect("its own listpack")
                    }
                    None => hash.view().duplicate(),
                };
                hash = copied;
            }
        }
        hash.view().check();
        assert_eq!(hash.len(), model.len());
        assert_eq!(hash.view().get(&field).map(Value::to_vec).as_ref(), model.get(&field));
        assert_eq!(hash.view().contains(&field), model.contains_key(&field));
        let mut text = TextBuffer::new();
        let mut found = 0;
        for (field, value) in hash.view().iter() {
            let expected = model.get(field.to_text(&mut text)).expect("the model has it");
            assert!(value.eq_bytes(expected));
            found += 1;
        }
        // No field comes twice: `check` has seen to that.
        assert_eq!(found, model.len());
        if step & 0x80 != 0 {
            continue;
        }
        let mut draw = draws(step);
        let chosen =
            hash.view().random(&mut draw).map(|(field, value)| (field.to_vec(), value.to_vec()));
        assert_eq!(chosen.is_some(), !model.is_empty());
        assert!(chosen.is_none_or(|(field, value)| model.get(&field) == Some(&value)));
        let mut seen = BTreeSet::new();
        hash.view().sample(3, &mut draw, |field, _| assert!(seen.insert(field.to_vec())));
        assert_eq!(seen.len(), model.len().min(3));
        let mut scanned = BTreeSet::new();
        scan(|cursor| {
            hash.view().scan(cursor, |field, _| {
                scanned.insert(field.to_vec());
            })
        });
        assert!(scanned.iter().eq(model.keys()));
    }
}

fn set(input: &mut Input<'_>, limits: &Limits) {
    let (mut set, mut model) = (Set::new(), BTreeSet::<Vec<u8>>::new());
    for _ in 0..STEPS {
        if input.is_empty() {
            return;
        }
        let step = input.byte();
        // Numbers only, for a while: else no set stays an intset.
        let member = match step & 0x40 {
            0 => input.familiar(),
            _ => input.number().to_string().into_bytes(),
        };
        let mut draw = draws(step);
        match step % 7 {
            0..=3 => assert_eq!(set.add(&member, limits), model.insert(member.clone())),
            4 => assert_eq!(set.remove(&member), model.remove(&member)),
            5 => {
                let popped = set.pop_random(&mut draw);
                assert_eq!(popped.is_some(), !model.is_empty());
                assert!(popped.is_none_or(|member| model.remove(&member)));
            }
            _ => {
                if let Some(bytes) = set.ints_bytes().filter(|_| !set.is_empty()) {
                    set = Set::from_ints(bytes, limits).expect("its own intset");
                } else if let Some(bytes) = set.packed_bytes() {
                    set = Set::from_packed(bytes, limits).expect("its own listpack");
                } else {
                    set = set.duplicate();
                }
            }
        }
        set.check();
        assert_eq!(set.len(), model.len());
        assert_eq!(set.contains(&member), model.contains(&member));
        let mut text = TextBuffer::new();
        assert!(set.iter().all(|member| model.contains(member.to_text(&mut text))));
        assert_eq!(set.iter().count(), model.len());
        if step & 0x80 != 0 {
            continue;
        }
        let mut seen = BTreeSet::new();
        set.sample(3, &mut draw, |member| assert!(seen.insert(member.to_vec())));
        assert!(seen.len() == model.len().min(3) && seen.is_subset(&model));
        let mut scanned = BTreeSet::new();
        scan(|cursor| {
            set.scan(cursor, |member| {
                scanned.insert(member.to_vec());
            })
        });
        assert_eq!(scanned, model);
    }
}

/// A score: few different ones, so that names decide, and the odd ones.
fn score(input: &mut Input<'_>) -> f64 {
    match input.byte() {
        few @ 0..=99 => f64::from(few % 5),
        100 => f64::INFINITY,
        101 => f64::NEG_INFINITY,
        102 => -0.0,
        103..=180 => input.number() as f64 / 8.0,
        _ => {
            let score = f64::from_bits(input.number() as u64);
            if score.is_nan() { 0.1 } else { score }
        }
    }
}

fn zset(input: &mut Input<'_>, limits: &Limits) {
    let (mut zset, mut model) = (Zset::new(), BTreeMap::<Vec<u8>, f64>::new());
    for _ in 0..STEPS {
        if input.is_empty() {
            return;
        }
        let step = input.byte();
        let member = input.familiar();
        match step % 9 {
            0..=3 => {
                let score = score(input) + 0.0;
                let expected = match model.insert(member.clone(), score) {
                    None => Change::Added,
                    Some(old) if old == score => Change::Unchanged,
                    Some(_) => Change::Updated,
                };
                assert!(zset.add(&member, score, limits) == expected);
            }
            4 => assert_eq!(zset.remove(&member), model.remove(&member)),
            5 => {
                let first = in_order(&model).first().cloned();
                assert_eq!(zset.pop_min(), first);
                if let Some((member, _)) = first {
                    model.remove(&member);
                }
            }
            6 => {
                let last = in_order(&model).last().cloned();
                assert_eq!(zset.pop_max(), last);
                if let Some((member, _)) = last {
                    model.remove(&member);
                }
            }
            7 => {
                let from = input.below(model.len() + 1);
                let to = from + input.below(4);
                let gone: Vec<_> =
                    in_order(&model).into_iter().skip(from).take(to - from).collect();
                let mut shown = Vec::new();
                zset.remove_range(from..to, |member, score| shown.push((member.to_vec(), score)));
                assert_eq!(shown, gone);
                for (member, _) in gone {
                    model.remove(&member);
                }
            }
            _ => match zset.packed_bytes() {
                Some(bytes) => zset = Zset::from_packed(bytes, limits).expect("its own listpack"),
                None if step & 0x80 != 0 => zset.shrink(limits),
                None => zset = zset.duplicate(),
            },
        }
        zset.check();
        let order = in_order(&model);
        assert_eq!(zset.len(), order.len());
        let mut text = TextBuffer::new();
        let mut same = |(member, score): (Value<'_>, f64), (name, expected): &(Vec<u8>, f64)| {
            member.to_text(&mut text) == name && score == *expected
        };
        assert!(zset.iter().zip(&order).all(|(found, expected)| same(found, expected)));
        assert!(zset.iter().rev().zip(order.iter().rev()).all(|(a, b)| same(a, b)));
        assert_eq!(zset.iter().count(), order.len());
        assert_eq!(zset.score(&member), model.get(&member).copied());
        assert_eq!(zset.rank(&member), order.iter().position(|(other, _)| *other == member));

        let pivot =
            order.get(usize::from(step) % order.len().max(1)).map_or(1.0, |(_, score)| *score);
        let (min_exclusive, max_exclusive) = (step & 1 == 0, step & 2 == 0);
        let range = ScoreRange { min: pivot, max: pivot.max(2.0), min_exclusive, max_exclusive };
        let within = |score: f64| {
            (score > range.min || !min_exclusive && score == range.min)
                && (score < range.max || !max_exclusive && score == range.max)
        };
        let ranks = zset.score_range(&range);
        let inside = order.iter().filter(|(_, score)| within(*score)).count();
        assert_eq!(ranks.len(), inside);
        assert!(order[ranks].iter().all(|(_, score)| within(*score)));
        if order.iter().all(|(_, score)| *score == order[0].1) {
            let ranks = zset.lex_range(LexBound::Included(&member), LexBound::Highest);
            assert_eq!(ranks.start, order.iter().filter(|(other, _)| *other < member).count());
            assert_eq!(ranks.end, order.len());
            let ranks = zset.lex_range(LexBound::Lowest, LexBound::Excluded(&member));
            assert_eq!(ranks, 0..order.iter().filter(|(other, _)| *other < member).count());
        }
        let mut seen = BTreeSet::new();
        zset.sample(3, &mut draws(step), |member, _| assert!(seen.insert(member.to_vec())));
        assert_eq!(seen.len(), model.len().min(3));
    }
}

/// Members and scores in the order of a sorted set.
fn in_order(model: &BTreeMap<Vec<u8>, f64>) -> Vec<(Vec<u8>, f64)> {
    let mut order: Vec<_> = model.iter().map(|(member, score)| (member.clone(), *score)).collect();
    order.sort_by(|a, b| a.1.partial_cmp(&b.1).expect("no score is NaN").then(a.0.cmp(&b.0)));
    order
}

/// Words that look as if drawn by chance, always the same.
fn draws(seed: u8) -> impl FnMut() -> u64 {
    let mut state = u64::from(seed);
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^ mixed >> 27
    }
}

/// A scan from its beginning to its end.
fn scan(mut step: impl FnMut(u64) -> u64) {
    let mut cursor = 0;
    for _ in 0..10_000 {
        cursor = step(cursor);
        if cursor == 0 {
            return;
        }
    }
    panic!("the scan does not end");
}
