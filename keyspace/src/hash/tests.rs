//! Hashes against maps, on their own and in a database.

use super::*;
use crate::db::{Collection, Db};
use crate::table::hash_bytes;
use proptest::prelude::*;
use protocol::listpack;
use std::collections::HashMap;

const LIMITS: Limits = Limits::DEFAULT;

#[test]
fn limits_decide_the_form() {
    let mut hash = Hash::new();
    for number in 0..512 {
        hash.set(format!("field {number}").as_bytes(), b"1", &LIMITS);
    }
    assert_eq!(hash.view().encoding(), "listpack");
    hash.set(b"field 7", &[b'v'; 64], &LIMITS);
    assert_eq!(hash.view().encoding(), "listpack");
    let mut long = hash.view().duplicate();
    assert!(!long.set(b"field 7", &[b'v'; 65], &LIMITS));
    assert_eq!((long.view().encoding(), long.len()), ("hashtable", 512));
    hash.set(b"one more", b"", &LIMITS);
    assert_eq!((hash.view().encoding(), hash.len()), ("hashtable", 513));
    assert_eq!(Hash::with_capacity(513, &LIMITS).view().encoding(), "hashtable");
    hash.view().check();
    long.view().check();
}

#[test]
fn a_listpack_above_the_limit_becomes_a_table() {
    let mut list = listpack::EMPTY.to_vec();
    (0..6).for_each(|number| listpack::push(&mut list, Value::Int(number)));
    let hash = |entries| {
        let limits = Limits { hash_max_listpack_entries: entries, ..LIMITS };
        let hash = Hash::from_listpack(&list, &limits).unwrap();
        (hash.len(), hash.view().encoding())
    };
    assert_eq!(hash(3), (3, "listpack"));
    assert_eq!(hash(2), (3, "hashtable"));
}

/// Whether the hash of a key lies in its block.
fn is_embedded(db: &Db, key: &[u8]) -> bool {
    db.get(hash_bytes(key), key).is_some_and(|entry| entry.value_bytes() == 0)
}

fn lend<'d>(db: &'d mut Db, key: &[u8]) -> HashMut<'d> {
    let found = db.use_collection::<Hash>(hash_bytes(key), key, |entry| entry.clock());
    found.expect("a key").expect("a hash")
}

fn read<'d>(db: &'d Db, key: &[u8]) -> HashRef<'d> {
    Hash::of(db.get(hash_bytes(key), key).expect("it is there").value()).expect("a hash")
}

#[test]
fn a_hash_of_20_fields_lies_in_384_bytes() {
    let mut db = Db::new();
    db.add_new(b"h:000000001", Hash::new().into_value(), None, 0);
    let fields: Vec<_> =
        (0..20).map(|number| (format!("f{number:02}"), format!("value-{number:07}"))).collect();
    let pairs = fields.iter().map(|(field, value)| (field.as_bytes(), value.as_bytes()));
    assert_eq!(lend(&mut db, b"h:000000001").set_all(pairs.clone(), &LIMITS), 20);
    assert_eq!(lend(&mut db, b"h:000000001").set_all(pairs, &LIMITS), 0);
    let entry = db.get(hash_bytes(b"h:000000001"), b"h:000000001").unwrap();
    assert_eq!((entry.block_bytes(), entry.value_bytes()), (384, 0));
    db.check();
}

#[test]
fn a_hash_leaves_its_block_above_its_limit_and_returns_under_another_key() {
    for at_once in [false, true] {
        let mut db = Db::new();
        db.add_new(b"k", Hash::new().into_value(), Some(5), 7);
        let fields: Vec<_> = (0..90).map(|number| format!("field {number:06}")).collect();
        let pairs = || fields.iter().map(|field| (field.as_bytes(), &b"1"[..]));
        // 73 pairs of 13 + 1 bytes and their number take 1024 bytes.
        for upto in [73, 74, 90] {
            let mut hash = lend(&mut db, b"k");
            if at_once {
                hash.set_all(pairs().take(upto), &LIMITS);
            } else {
                pairs().take(upto).for_each(|(f, v)| assert!(hash.set(f, v, &LIMITS) || upto > 73));
            }
            assert_eq!((hash.view().len(), hash.view().encoding()), (upto, "listpack"));
            assert_eq!(is_embedded(&db, b"k"), upto == 73);
        }
        let entry = db.get(hash_bytes(b"k"), b"k").unwrap();
        assert_eq!((entry.expiry(), entry.clock()), (Some(5), 7));
        pairs().skip(3).for_each(|(field, _)| assert!(lend(&mut db, b"k").remove(field)));
        assert!(!is_embedded(&db, b"k"), "it goes back only when it is put anew");
        let copy = read(&db, b"k").duplicate();
        db.add_new(b"copy", copy.into_value(), None, 0);
        assert!(is_embedded(&db, b"copy"));
        assert!(read(&db, b"copy").iter().eq(read(&db, b"k").iter()));
        db.check();
    }
}

#[test]
fn an_embedded_hash_that_is_given_up_leaves_no_garbage() {
    let mut db = Db::new();
    let mut garbage = Vec::new();
    let mut large = Hash::new();
    (0..600).for_each(|n| assert!(large.set(format!("{n}").as_bytes(), b"v", &LIMITS)));
    for (hash, worth) in [(Hash::new(), 0), (large, 1)] {
        db.add_new(b"k", hash.into_value(), Some(1), 0);
        assert!(db.delete(hash_bytes(b"k"), b"k", &mut garbage));
        assert!(!db.delete(hash_bytes(b"k"), b"k", &mut garbage));
        assert_eq!((garbage.len(), db.len(), db.expiring_len()), (worth, 0, 0));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The hash on its own and that of a database go the same ways.
    #[test]
    fn hash_is_a_map(
        steps in prop::collection::vec((0u8..40, 0u8..6, 0usize..40, 0usize..12), 0..200),
        entries in 0usize..60,
    ) {
        let limits = Limits {
            hash_max_listpack_entries: entries,
            hash_max_listpack_value: 38,
            ..LIMITS
        };
        let mut key = "key".to_owned();
        let mut hash = Hash::new();
        let mut db = Db::new();
        db.add_new(key.as_bytes(), Hash::new().into_value(), None, 0);
        let mut model: HashMap<Vec<u8>, Vec<u8>> = HashMap::new();
        let name = |field: u8| {
            let prefix = if field < 20 { "" } else { "f" };
            format!("{prefix}{field}").into_bytes()
        };
        for (field, kind, len, several) in steps {
            let value = vec![b'0' + kind; len];
            let mut lent = lend(&mut db, key.as_bytes());
            match kind {
                0 => {
                    let gone = model.remove(&name(field)).is_some();
                    prop_assert_eq!(hash.remove(&name(field)), gone);
                    prop_assert_eq!(lent.remove(&name(field)), gone);
                }
                1 if several > 10 => {
                    let moved = "k".repeat(len);
                    let (old, new) = (hash_bytes(key.as_bytes()), hash_bytes(moved.as_bytes()));
                    prop_assert!(db.rename(old, key.as_bytes(), new, moved.as_bytes()));
                    db.set_expiry(new, moved.as_bytes(), (several == 11).then_some(9));
                    key = moved;
                }
                _ => {
                    let fields: Vec<_> = (0..several.max(1)).map(|n| name((field + n as u8) % 40)).collect();
                    let count = |model: &mut HashMap<_, _>| {
                        fields.iter().filter(|f| model.insert(f.to_vec(), value.clone()).is_none()).count()
                    };
                    let new = count(&mut model);
                    let set = fields.iter().filter(|field| hash.set(field, &value, &limits)).count();
                    prop_assert_eq!(set, new);
                    let lent = if several == 1 {
                        lent.set(&fields[0], &value, &limits) as usize
                    } else {
                        lent.set_all(fields.iter().map(|field| (field.as_slice(), value.as_slice())), &limits)
                    };
                    prop_assert_eq!(lent, new);
                    for hash in [hash.view(), read(&db, key.as_bytes())] {
                        prop_assert!(hash.get(&fields[0]).is_some_and(|found| found.eq_bytes(&value)));
                        prop_assert!(hash.contains(&fields[0]) && !hash.contains(b"another"));
                    }
                }
            }
            prop_assert_eq!(hash.len(), model.len());
        }
        db.check();
        let pairs = |hash: HashRef<'_>| {
            let pairs = hash.iter().map(|(f, v)| (f.to_vec(), v.to_vec()));
            pairs.collect::<HashMap<_, _>>()
        };
        let lent = read(&db, key.as_bytes());
        prop_assert_eq!(lent.encoding(), hash.view().encoding());
        if lent.encoding() == "listpack" {
            prop_assert!(lent.iter().eq(hash.view().iter()), "in the same order");
        }
        for hash in [hash.view(), lent] {
            hash.check();
            prop_assert_eq!(&pairs(hash), &model);
            prop_assert_eq!(&pairs(hash.duplicate().view()), &model);
            let mut scanned = HashMap::new();
            let mut cursor = 0;
            loop {
                cursor = hash.scan(cursor, |f, v| { scanned.insert(f.to_vec(), v.to_vec()); });
                if cursor == 0 {
                    break;
                }
            }
            prop_assert_eq!(&scanned, &model);
            if let Some(packed) = hash.pairs() {
                let mut list = Vec::new();
                packed.to_listpack(&mut list);
                prop_assert_eq!(&pairs(Hash::from_listpack(&list, &limits).unwrap().view()), &model);
            }
            let mut draw = crate::sample::tests::draw();
            let random = hash.random(&mut draw).map(|(field, _)| field.to_vec());
            prop_assert_eq!(random.is_some(), !model.is_empty());
            prop_assert!(random.is_none_or(|field| model.contains_key(&field)));
            let mut sampled = HashMap::new();
            hash.sample(5, &mut draw, |f, v| {
                assert!(sampled.insert(f.to_vec(), v.to_vec()).is_none());
            });
            prop_assert_eq!(sampled.len(), model.len().min(5));
            let mut drawn = Vec::new();
            hash.sample_anew(70, &mut draw, |f, v| drawn.push((f.to_vec(), v.to_vec())));
            prop_assert_eq!(drawn.len(), if model.is_empty() { 0 } else { 70 });
            prop_assert!(drawn.iter().all(|(field, value)| model.get(field) == Some(value)));
        }
        let removed = db.remove(hash_bytes(key.as_bytes()), key.as_bytes()).unwrap();
        let crate::entry::Value::Hash(removed) = removed.value else { panic!("a hash") };
        prop_assert_eq!(&pairs(removed.view()), &model);
    }
}
