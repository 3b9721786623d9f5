//! A database of strings against a model.

use super::*;
use proptest::prelude::*;
use protocol::listpack::Value as Text;
use std::collections::HashMap;

fn text(entry: EntryRef<'_>) -> Vec<u8> {
    match entry.value() {
        ValueRef::Str(Text::Bytes(bytes)) => bytes.to_vec(),
        ValueRef::Str(Text::Int(int)) => int.to_string().into_bytes(),
        other => panic!("{other:?}"),
    }
}

#[derive(Debug, Clone)]
enum Op {
    Set(u8, Vec<u8>, Option<i64>),
    Append(u8, Vec<u8>),
    Fill(u8, usize, u8),
    Expire(u8, Option<i64>),
    Remove(u8),
    Rename(u8, u8),
}

fn op() -> impl Strategy<Value = Op> {
    let value = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..80),
        (0u32..100_000).prop_map(|n| n.to_string().into_bytes()),
        (1000usize..3000).prop_map(|n| vec![b'x'; n]),
    ];
    let expiry = prop::option::of(0i64..1000);
    prop_oneof![
        4 => (0u8..40, value.clone(), expiry.clone()).prop_map(|(k, v, e)| Op::Set(k, v, e)),
        2 => (0u8..40, value).prop_map(|(k, v)| Op::Append(k, v)),
        2 => (0u8..40, 1usize..3000, any::<u8>()).prop_map(|(k, n, byte)| Op::Fill(k, n, byte)),
        2 => (0u8..40, expiry).prop_map(|(k, e)| Op::Expire(k, e)),
        1 => (0u8..40).prop_map(Op::Remove),
        1 => (0u8..40, 40u8..60).prop_map(|(a, b)| Op::Rename(a, b)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn behaves_like_a_map(ops in prop::collection::vec(op(), 1..200)) {
        let mut db = Db::new();
        let mut model: HashMap<Vec<u8>, (Vec<u8>, Option<i64>)> = HashMap::new();
        let key = |k: u8| vec![b'k'; k as usize + 1];
        for op in ops {
            match op {
                Op::Set(k, v, e) => {
                    db.set_bytes(hash_bytes(&key(k)), &key(k), &v, e, 0);
                    model.insert(key(k), (v, e));
                }
                Op::Append(k, v) => {
                    let there = db.append(hash_bytes(&key(k)), &key(k), &v).unwrap();
                    match model.get_mut(&key(k)) {
                        Some((old, _)) => { prop_assert!(there); old.extend_from_slice(&v) }
                        None => prop_assert!(!there),
                    }
                }
                Op::Fill(k, least, byte) => {
                    let bytes = db.bytes_mut(hash_bytes(&key(k)), &key(k), least);
                    match (model.get_mut(&key(k)), bytes) {
                        (Some((old, _)), Some(bytes)) => {
                            old.resize(old.len().max(least), 0);
                            prop_assert_eq!(&*bytes, &old[..]);
                            bytes[least - 1] = byte;
                            old[least - 1] = byte;
                            prop_assert!(db.get(hash_bytes(&key(k)), &key(k)).unwrap().is_raw());
                        }
                        (model, bytes) => prop_assert!(model.is_none() && bytes.is_none()),
                    }
                }
                Op::Expire(k, e) => {
                    let there = db.set_expiry(hash_bytes(&key(k)), &key(k), e);
                    prop_assert_eq!(there, model.contains_key(&key(k)));
                    if let Some(slot) = model.get_mut(&key(k)) { slot.1 = e }
                }
                Op::Remove(k) => {
                    let there = db.remove(hash_bytes(&key(k)), &key(k)).is_some();
                    prop_assert_eq!(there, model.remove(&key(k)).is_some());
                }
                Op::Rename(a, b) => {
                    if model.contains_key(&key(a)) && !model.contains_key(&key(b)) {
                        let moved = model.remove(&key(a)).unwrap();
                        model.insert(key(b), moved);
                        prop_assert!(db.rename(hash_bytes(&key(a)), &key(a), hash_bytes(&key(b)), &key(b)));
                    }
                }
            }
        }
        db.check();
        prop_assert_eq!(db.len(), model.len());
        for (key, (value, expiry)) in &model {
            let entry = db.get(hash_bytes(key), key).expect("the key is there");
            prop_assert_eq!(&text(entry), value);
            prop_assert_eq!(entry.expiry(), *expiry);
        }
        let (mut position, mut due) = (0, Vec::new());
        loop {
            position = db.due(position, 500, 4, &mut due);
            if position == 0 { break }
        }
        let expected = model.values().filter(|(_, e)| e.is_some_and(|at| at <= 500)).count();
        prop_assert_eq!(due.len(), expected);
    }
}
