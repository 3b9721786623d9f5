//! Pairs in each of their memories against a vector, and against the listpacks that they come from.

use super::*;
use crate::packed::PackedPairs;
use proptest::prelude::*;

const LIMITS: Limits = Limits { hash_max_listpack_value: 20_000, ..Limits::DEFAULT };

fn listpack_of(elements: &[&[u8]]) -> Vec<u8> {
    let mut list = listpack::EMPTY.to_vec();
    elements.iter().for_each(|element| listpack::push(&mut list, Value::of(element)));
    list
}

fn texts(pairs: Pairs<'_>) -> Vec<(Vec<u8>, Vec<u8>)> {
    pairs.iter().map(|(field, value)| (field.to_vec(), value.to_vec())).collect()
}

#[test]
fn a_pair_takes_two_bytes_less_than_in_a_listpack() {
    let mut packed = PackedPairs::new();
    let mut list = listpack::EMPTY.to_vec();
    for number in 0..20 {
        let (field, value) = (format!("f{number:02}"), format!("value-{number:07}"));
        assert_eq!(packed.set(field.as_bytes(), value.as_bytes(), &LIMITS), Some(true));
        listpack::push(&mut list, Value::of(field.as_bytes()));
        listpack::push(&mut list, Value::of(value.as_bytes()));
    }
    assert_eq!((packed.pairs().body().len(), list.len()), (20 * 18, 7 + 20 * 20));
}

#[test]
fn bytes_are_bodies_of_a_listpack() {
    let mut packed = PackedPairs::new();
    packed.set(b"f", b"300", &LIMITS);
    packed.set(b"7", &[b'x'; 70], &LIMITS);
    let body = [&b"\x81f\xc1\x2c\x07\xe0\x46"[..], &[b'x'; 70]].concat();
    assert_eq!((packed.pairs().len(), packed.pairs().body()), (2, body.as_slice()));
}

#[test]
fn listpacks_that_are_no_hashes_are_refused() {
    let reason = |list: &[u8]| PackedPairs::from_listpack(list).unwrap_err().reason;
    assert_eq!(reason(&listpack_of(&[b"f", b"v", b"g"])), "hash has a field without value");
    assert_eq!(reason(&listpack_of(&[b"f", b"v", b"f", b"w"])), "hash has a field twice");
    let mut twice = listpack_of(&[b"5", b"v"]);
    listpack::push(&mut twice, Value::Bytes(b"5"));
    listpack::push(&mut twice, Value::Bytes(b"w"));
    assert_eq!(reason(&twice), "hash has a field twice");
    let mut many: Vec<_> = (0..100).map(|number| number.to_string().into_bytes()).collect();
    many.extend([b"98".to_vec(), b"98".to_vec()]);
    let many: Vec<_> = many.iter().map(Vec::as_slice).collect();
    assert_eq!(reason(&listpack_of(&many)), "hash has a field twice");
    let pairs = PackedPairs::from_listpack(&listpack_of(&many[..100])).unwrap();
    assert_eq!(pairs.pairs().len(), 50);
    let pairs = PackedPairs::from_listpack(&listpack_of(&[b"f", b"g", b"g", b"g"])).unwrap();
    assert_eq!(pairs.pairs().len(), 2);
}

/// Other writers may choose forms that are larger than needed, and keep the text of an integer as text.
#[test]
fn elements_in_other_forms_are_found() {
    let wide = b"\x1a\0\0\0\x04\0\xf1\x05\0\x03\x81v\x02\xf0\x01\0\0\0g\x06\x817\x02\xff";
    let wide = [&wide[..], &[]].concat();
    let mut wide = wide;
    let total = (wide.len() as u32).to_le_bytes();
    wide[..4].copy_from_slice(&total);
    let mut packed = PackedPairs::from_listpack(&wide).unwrap();
    packed.pairs().check();
    assert_eq!(packed.pairs().get(b"5"), Some(Value::Bytes(b"v")));
    assert_eq!(packed.pairs().get(b"g"), Some(Value::Bytes(b"7")));
    assert_eq!(packed.set(b"g", b"8", &LIMITS), Some(false));
    assert_eq!(packed.pairs().get(b"g"), Some(Value::Int(8)));
    let mut text = listpack::EMPTY.to_vec();
    listpack::push(&mut text, Value::Bytes(b"12"));
    listpack::push(&mut text, Value::Int(1));
    let packed = PackedPairs::from_listpack(&text).unwrap();
    assert_eq!(packed.pairs().get(b"12"), Some(Value::Int(1)));
    assert!(!packed.pairs().contains(b"012"));
}

#[test]
#[should_panic(expected = "a known entry")]
fn a_cut_body_does_not_pass_the_check() {
    Pairs::new(1, b"\x81f\x82v").check();
}

#[test]
#[should_panic(expected = "for each pair")]
fn a_wrong_number_does_not_pass_the_check() {
    Pairs::new(2, b"\x81f\x81v").check();
}

#[test]
#[should_panic(expected = "no field twice")]
fn a_field_twice_does_not_pass_the_check() {
    Pairs::new(2, b"\x81f\x81v\x81f\x81w").check();
}

fn element() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => any::<i64>().prop_map(|n| (n >> (n & 63)).to_string().into_bytes()),
        4 => prop::collection::vec(any::<u8>(), 0..80),
        1 => prop::collection::vec(any::<u8>(), 4000..4200),
        1 => (16_370usize..16_390).prop_map(|len| vec![b'x'; len]),
    ]
}

fn field() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => (0..12u8).prop_map(|number| number.to_string().into_bytes()),
        3 => (0..12u8).prop_map(|number| format!("field {number}").into_bytes()),
        1 => element(),
    ]
}

/// Does the same in a vector of pairs.
fn set(model: &mut Vec<(Vec<u8>, Vec<u8>)>, field: &[u8], value: &[u8]) -> bool {
    match model.iter_mut().find(|(name, _)| name == field) {
        Some(pair) => pair.1 = value.to_vec(),
        None => {
            model.push((field.to_vec(), value.to_vec()));
            return true;
        }
    }
    false
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pairs_are_a_vector_of_pairs(
        steps in prop::collection::vec((field(), element(), any::<bool>()), 0..60),
        most in prop_oneof![0usize..2000, Just(usize::MAX)],
    ) {
        let mut model = Vec::new();
        let mut packed = PackedPairs::new();
        let mut vector = vec![7; 3];
        let mut draft = Draft::of(Pairs::default(), &mut vector, most);
        for (field, value, keep) in steps {
            let before = texts(draft.pairs());
            match draft.set(&field, &value, &LIMITS) {
                None => {
                    prop_assert_eq!(texts(draft.pairs()), before, "nothing is changed");
                    continue;
                }
                Some(new) => {
                    prop_assert_eq!(new, set(&mut model, &field, &value));
                    prop_assert_eq!(packed.set(&field, &value, &LIMITS), Some(new));
                }
            }
            if !keep {
                model.retain(|(name, _)| *name != field);
                prop_assert!(draft.remove(&field) && packed.remove(&field));
                prop_assert!(!draft.remove(&field) && !packed.remove(&field));
            }
            for pairs in [draft.pairs(), packed.pairs()] {
                pairs.check();
                prop_assert_eq!(&texts(pairs), &model);
                prop_assert!(pairs.body().len() <= most);
            }
        }
        let pairs = packed.pairs();
        for (index, (field, value)) in model.iter().enumerate() {
            prop_assert!(pairs.get(field).is_some_and(|found| found.eq_bytes(value)));
            let (name, _) = pairs.nth(index).expect("as many as in the model");
            prop_assert!(name.eq_bytes(field));
        }
        prop_assert!(pairs.nth(model.len()).is_none());
        let copy = PackedPairs::copy_of(pairs);
        prop_assert_eq!(copy.pairs().body(), pairs.body());

        let elements: Vec<_> = model.iter().flat_map(|(f, v)| [f.as_slice(), v]).collect();
        let mut list = b"what was there before".to_vec();
        pairs.to_listpack(&mut list);
        prop_assert_eq!(&list, &listpack_of(&elements));
        let again = PackedPairs::from_listpack(&list).unwrap();
        prop_assert_eq!(again.pairs().body(), pairs.body());
    }

    /// A damaged listpack is refused, or is another hash.
    #[test]
    fn damage_makes_no_pairs_that_are_not_sound(
        pairs in prop::collection::vec((field(), prop::collection::vec(any::<u8>(), 0..20)), 0..8),
        damage in prop::collection::vec((any::<usize>(), any::<u8>()), 0..3),
    ) {
        let mut list = listpack::EMPTY.to_vec();
        for (field, value) in &pairs {
            listpack::push(&mut list, Value::of(field));
            listpack::push(&mut list, Value::of(value));
        }
        for (at, byte) in damage {
            let at = at % list.len();
            list[at] = byte;
        }
        if let Ok(packed) = PackedPairs::from_listpack(&list) {
            packed.pairs().check();
            let mut again = Vec::new();
            packed.pairs().to_listpack(&mut again);
            prop_assert_eq!(again.len(), list.len());
            prop_assert_eq!(&again[listpack::HEADER_BYTES..], &list[listpack::HEADER_BYTES..]);
        }
    }
}
