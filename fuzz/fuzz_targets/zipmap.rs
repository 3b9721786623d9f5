//! The zipmap: bytes are accepted if and only if a plain reader accepts them, and say the same; a hash made of it obeys
//! its type and holds exactly these pairs, and is refused where a field comes twice.
//!
//! ```text
//! input:  kind u8 | bytes of a zipmap
//! ```

#![no_main]

use fuzzing::{packed, same};
use keyspace::entry::{Value, ValueRef};
use keyspace::limits::Limits;
use keyspace::rdb::ValueBuilder;
use libfuzzer_sys::fuzz_target;
use protocol::rdb::{PackedKind, ValueVisitor};
use protocol::zipmap;
use std::collections::BTreeMap;

fuzz_target!(|data: &[u8]| {
    let Some((kind, bytes)) = data.split_first() else { return };
    let mut bytes = bytes.to_vec();
    if kind & 1 == 1 {
        // With the end mark put right, and a count that is to be found by walking.
        bytes.insert(0, 0xfe);
        bytes.push(0xff);
    }
    let expected = packed::zipmap(&bytes);
    let found = zipmap::iter(&bytes).ok().map(|pairs| {
        let len = pairs.len();
        let pairs: Vec<_> = pairs.map(|(key, value)| (key.to_vec(), value.to_vec())).collect();
        assert_eq!(pairs.len(), len);
        pairs
    });
    assert_eq!(found, expected, "{}", bytes.escape_ascii());
    let Some(pairs) = expected else { return };

    let fields: BTreeMap<_, _> = pairs.iter().cloned().collect();
    let most = if kind & 2 == 0 { 512 } else { 2 };
    let limits = Limits { hash_max_listpack_entries: most, ..Limits::DEFAULT };
    let mut builder = ValueBuilder::new(&limits);
    match builder.packed(PackedKind::HashZipmap, &bytes) {
        Err(_) => assert!(fields.len() < pairs.len(), "refused without reason"),
        Ok(()) => match builder.take().expect("it was read") {
            None => assert!(pairs.is_empty()),
            Some(Value::Hash(hash)) => {
                assert_eq!(fields.len(), pairs.len(), "a field comes twice");
                same::check(ValueRef::Hash(hash.view()));
                let found =
                    hash.view().iter().map(|(field, value)| (field.to_vec(), value.to_vec()));
                assert_eq!(found.collect::<BTreeMap<_, _>>(), fields);
            }
            Some(other) => panic!("{other:?} is no hash"),
        },
    }
});
