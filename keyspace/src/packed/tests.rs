//! Owned listpacks and integer sets against vectors.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn texts(packed: &Packed) -> Vec<Vec<u8>> {
    packed.iter().map(Value::to_vec).collect()
}

#[test]
fn capacity_leaves_little_room() {
    for total in 7..100_000 {
        let capacity = capacity(total);
        assert!(capacity >= total && capacity - total < 16.max(total / 8));
        assert!(capacity.is_multiple_of(16));
    }
}

#[test]
fn damaged_bytes_are_not_owned() {
    assert!(Packed::from_bytes(b"").is_err());
    assert!(Packed::from_bytes(&[7, 0, 0, 0, 1, 0, 0xFF]).is_err());
    assert!(PackedInts::from_bytes(&intset::EMPTY).is_err());
}

#[test]
fn count_survives_the_limit_of_the_header() {
    let mut packed = Packed::new();
    for number in 0..65_540 {
        packed.push_back(Value::Int(number));
    }
    assert_eq!(packed.len(), 65_540);
    packed.remove_range(10..20);
    assert_eq!(packed.len(), 65_530);
    let tail = packed.split_off(65_000);
    assert_eq!((packed.len(), tail.len()), (65_000, 530));
    packed.check();
    tail.check();
}

#[derive(Clone, Debug)]
enum Step {
    Insert(usize, Vec<u8>),
    Replace(usize, Vec<u8>),
    Remove(usize, usize),
    Cut(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let element = || {
        prop_oneof![
            any::<i64>().prop_map(|n| (n >> (n & 63)).to_string().into_bytes()),
            prop::collection::vec(any::<u8>(), 0..300),
        ]
    };
    let step = prop_oneof![
        4 => (any::<usize>(), element()).prop_map(|(at, e)| Step::Insert(at, e)),
        1 => (any::<usize>(), element()).prop_map(|(at, e)| Step::Replace(at, e)),
        1 => (any::<usize>(), 0usize..4).prop_map(|(at, n)| Step::Remove(at, n)),
        1 => any::<usize>().prop_map(Step::Cut),
    ];
    prop::collection::vec(step, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn packed_is_a_vector(steps in steps()) {
        let mut model: Vec<Vec<u8>> = Vec::new();
        let mut packed = Packed::new();
        for step in steps {
            let position = |at: usize| packed.seek(at).unwrap_or(packed.end());
            match step {
                Step::Insert(at, element) => {
                    let at = at % (model.len() + 1);
                    packed.insert(position(at), Value::of(&element));
                    model.insert(at, element);
                }
                Step::Replace(at, element) if !model.is_empty() => {
                    let at = at % model.len();
                    packed.replace(position(at), Value::of(&element));
                    model[at] = element;
                }
                Step::Remove(at, count) if !model.is_empty() => {
                    let at = at % model.len();
                    let to = (at + count).min(model.len());
                    packed.remove_range(at..at + count);
                    model.drain(at..to);
                }
                Step::Cut(at) => {
                    let at = at % (model.len() + 1);
                    let tail = packed.split_off(at);
                    prop_assert_eq!(&texts(&tail), &model[at..]);
                    packed.append(&tail);
                }
                _ => {}
            }
            packed.check();
            prop_assert_eq!(packed.len(), model.len());
        }
        prop_assert_eq!(texts(&packed), model);
        let copy = Packed::from_bytes(packed.as_bytes()).unwrap();
        let twin = packed.clone();
        prop_assert_eq!(copy.as_bytes(), twin.as_bytes());
    }

    #[test]
    fn ints_are_a_set(
        numbers in prop::collection::vec((any::<i64>(), 0u32..64, any::<bool>()), 0..80),
    ) {
        let mut model = BTreeSet::new();
        let mut set = PackedInts::new();
        for (number, shift, keep) in numbers {
            let number = number >> shift;
            prop_assert_eq!(set.add(number), model.insert(number));
            if !keep {
                prop_assert_eq!(set.remove(number), model.remove(&number));
            }
            prop_assert_eq!(set.contains(number), keep);
            prop_assert_eq!(set.len(), model.len());
        }
        prop_assert!(set.iter().eq(model.iter().copied()));
        if !set.is_empty() {
            let copy = PackedInts::from_bytes(set.as_bytes()).unwrap();
            prop_assert!(copy.iter().eq(set.iter()));
        }
    }
}
