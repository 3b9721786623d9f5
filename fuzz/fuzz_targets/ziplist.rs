//! The ziplist: bytes are accepted if and only if a plain reader accepts them, and say the same; as a list, a hash and a
//! sorted set it becomes a value that obeys its type and holds exactly these elements, or is refused with reason.
//!
//! ```text
//! input:  kind u8 | bytes of a ziplist
//! ```

#![no_main]

use fuzzing::{packed, same};
use keyspace::entry::Value;
use keyspace::limits::Limits;
use keyspace::rdb::ValueBuilder;
use libfuzzer_sys::fuzz_target;
use protocol::listpack::Value as Text;
use protocol::number::parse_f64;
use protocol::rdb::{Collection, PackedKind, ValueVisitor};
use protocol::ziplist::{self, Entry};
use std::collections::BTreeMap;

fuzz_target!(|data: &[u8]| {
    let Some((kind, bytes)) = data.split_first() else { return };
    let bytes = match kind & 3 {
        // As it comes.
        0 => bytes.to_vec(),
        // With the total and the end mark put right.
        1 => {
            let mut bytes = [bytes, &[0xff]].concat();
            let total = (bytes.len() as u32).to_le_bytes();
            bytes.iter_mut().zip(total).for_each(|(byte, right)| *byte = right);
            bytes
        }
        // Of entries as they come.
        _ => packed::ziplist_of(bytes, kind & 4 != 0, kind & 8 == 0),
    };
    let expected = packed::ziplist(&bytes);
    let found = ziplist::iter(&bytes).ok().map(|entries| {
        let len = entries.len();
        let texts: packed::Texts = entries
            .map(|entry| match entry {
                Entry::Int(number) => number.to_string().into_bytes(),
                Entry::Bytes(bytes) => bytes.to_vec(),
            })
            .collect();
        assert_eq!(texts.len(), len);
        texts
    });
    assert_eq!(found, expected, "{}", bytes.escape_ascii());
    let Some(texts) = expected else { return };

    let limits = if kind & 16 == 0 { Limits::DEFAULT } else { small() };
    as_list(&bytes, &texts, &limits);
    as_hash(&bytes, &texts, &limits);
    as_zset(&bytes, &texts, &limits);
});

/// So that values soon become large ones.
fn small() -> Limits {
    Limits {
        hash_max_listpack_entries: 2,
        zset_max_listpack_entries: 2,
        list_max_listpack_size: 3,
        ..Limits::DEFAULT
    }
}

fn built(kind: PackedKind, bytes: &[u8], limits: &Limits) -> Option<Option<Value>> {
    let mut builder = ValueBuilder::new(limits);
    if kind == PackedKind::ListZiplist {
        builder.begin(Collection::List, 1).ok()?;
    }
    builder.packed(kind, bytes).ok()?;
    builder.take().ok()
}

fn as_list(bytes: &[u8], texts: &[Vec<u8>], limits: &Limits) {
    match built(PackedKind::ListZiplist, bytes, limits).expect("any ziplist is a list") {
        None => assert!(texts.is_empty()),
        Some(Value::List(list)) => {
            list.check();
            assert_eq!(list.iter().map(Text::to_vec).collect::<Vec<_>>(), texts);
        }
        Some(other) => panic!("{other:?} is no list"),
    }
}

fn as_hash(bytes: &[u8], texts: &[Vec<u8>], limits: &Limits) {
    let pairs = texts.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone()));
    let pairs: BTreeMap<_, _> = pairs.collect();
    let is_hash = texts.len().is_multiple_of(2) && pairs.len() == texts.len() / 2;
    match built(PackedKind::HashZiplist, bytes, limits) {
        None => assert!(!is_hash),
        Some(None) => assert!(texts.is_empty()),
        Some(Some(Value::Hash(hash))) => {
            assert!(is_hash);
            same::check(keyspace::entry::ValueRef::Hash(hash.view()));
            let found = hash.view().iter().map(|(field, value)| (field.to_vec(), value.to_vec()));
            assert_eq!(found.collect::<BTreeMap<_, _>>(), pairs);
        }
        Some(Some(other)) => panic!("{other:?} is no hash"),
    }
}

fn as_zset(bytes: &[u8], texts: &[Vec<u8>], limits: &Limits) {
    let scored = texts.chunks_exact(2).map(|pair| Some((pair[0].clone(), parse_f64(&pair[1])?)));
    let members: Option<BTreeMap<_, _>> = scored.collect();
    let members = members.filter(|members| {
        texts.len().is_multiple_of(2)
            && members.len() == texts.len() / 2
            && members.values().all(|score| !score.is_nan())
    });
    match (built(PackedKind::ZsetZiplist, bytes, limits), members) {
        (None, None) => {}
        (Some(None), _) => assert!(texts.is_empty()),
        (Some(Some(Value::Zset(zset))), Some(members)) => {
            same::check(keyspace::entry::ValueRef::Zset(&zset));
            let found: Vec<_> =
                zset.iter().map(|(member, score)| (member.to_vec(), score)).collect();
            assert!(found.is_sorted_by(|a, b| (a.1, &a.0) < (b.1, &b.0)), "in order: {found:?}");
            assert_eq!(found.into_iter().collect::<BTreeMap<_, _>>(), members);
        }
        (value, members) => panic!("{value:?} of {members:?}"),
    }
}
