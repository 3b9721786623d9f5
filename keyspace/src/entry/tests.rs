//! Blocks: every form, moved, grown and overwritten.

use super::*;

fn bytes(entry: Entry) -> Vec<u8> {
    match entry.value() {
        ValueRef::Str(Text::Bytes(bytes)) => bytes.to_vec(),
        ValueRef::Str(Text::Int(int)) => int.to_string().into_bytes(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_small_key_takes_56_bytes_and_64_with_an_expiry() {
    let entry = Entry::new_bytes(b"key:000000000001", &[b'v'; 32], None, 0);
    assert_eq!(entry.size(), 56);
    let entry = entry.rebuild(b"key:000000000001", Some(1_000_000));
    assert_eq!(entry.size(), 64);
    entry.free();
}

#[test]
fn every_form_keeps_key_value_expiry_and_clock() {
    let long_key = vec![b'k'; 70_000];
    for key in [&b""[..], b"k", b"a longer key than most keys are", &long_key] {
        for value in [&b""[..], b"12345", b"text", &[b'x'; 1024], &[b'y'; 5000]] {
            for expiry in [None, Some(77)] {
                let entry = Entry::new_bytes(key, value, expiry, 0xabcdef);
                assert_eq!((entry.key(), entry.expiry()), (key, expiry));
                assert_eq!((bytes(entry).as_slice(), entry.clock()), (value, 0xabcdef));
                entry.set_clock(5);
                let entry = entry.rebuild(b"other", Some(99));
                assert_eq!((entry.key(), entry.expiry()), (&b"other"[..], Some(99)));
                assert_eq!((bytes(entry).as_slice(), entry.clock()), (value, 5));
                let entry = entry.edit_bytes(|v| v.extend_from_slice(b"+more"));
                assert_eq!(bytes(entry), [value, b"+more"].concat());
                assert!(entry.is_raw());
                entry.free();
            }
        }
    }
}

#[test]
fn classes_have_at_most_a_quarter_of_room() {
    for (size, class) in
        [(8, 8), (57, 64), (64, 64), (65, 80), (129, 160), (379, 384), (70_000, 73_728)]
    {
        assert_eq!(class_bytes(size), class);
    }
    for size in 9..100_000 {
        let class = class_bytes(size);
        assert_eq!(class_bytes(class), class, "a class is its own");
        assert!(class >= size && class - size < 8.max(size / 4) && class.is_multiple_of(8));
    }
}

#[test]
fn overwriting_in_place_needs_the_same_block() {
    let entry = Entry::new_bytes(b"k", b"12-45", None, 0);
    assert!(entry.overwrite(b"ab", None));
    assert_eq!(bytes(entry), b"ab");
    assert!(!entry.overwrite(b"12", None), "an integer has another form");
    assert!(!entry.overwrite(&[b'x'; 100], None));
    assert!(!entry.overwrite(b"ab", Some(1)));
    let entry = entry.append_embedded(&[b'z'; 200]).unwrap();
    assert_eq!(bytes(entry).len(), 202);
    assert!(entry.is_raw());
    assert!(entry.append_embedded(&[b'z'; 1000]).is_none());
    entry.free();
}

fn pairs_of(entry: Entry) -> Vec<(Vec<u8>, Vec<u8>)> {
    let ValueRef::Hash(hash) = entry.value() else { panic!("a hash") };
    hash.check();
    hash.iter().map(|(field, value)| (field.to_vec(), value.to_vec())).collect()
}

#[test]
fn an_embedded_hash_is_changed_in_its_block_whatever_else_is_there() {
    let long_key = vec![b'k'; 70_000];
    for (key, expiry) in [(&b""[..], None), (b"key", Some(77)), (&long_key, Some(78))] {
        let mut entry = Entry::new(key, Value::Hash(Hash::new()), expiry, 0xabcdef);
        assert!(entry.has_pairs() && pairs_of(entry).is_empty());
        let bodies = b"\x81f\x82vw\x81g\x07";
        // SAFETY: nobody else has the block.
        unsafe { entry.splice_pairs(0, 0, 8, 2) }.copy_from_slice(bodies);
        let two = [(b"f".to_vec(), b"vw".to_vec()), (b"g".to_vec(), b"7".to_vec())];
        assert_eq!(pairs_of(entry), two);
        // SAFETY: as above.
        let gap = unsafe { entry.splice_pairs(2, 3, 70, 2) };
        let bytes = protocol::listpack::write_body(Text::Bytes(&[b'x'; 68]), gap);
        assert_eq!((bytes, pairs_of(entry)[0].1.len(), &pairs_of(entry)[1]), (70, 68, &two[1]));
        // SAFETY: as above.
        unsafe { entry.splice_pairs(0, 72, 0, 1) };
        assert_eq!(pairs_of(entry), two[1..]);
        assert_eq!((entry.key(), entry.expiry(), entry.clock()), (key, expiry, 0xabcdef));
        assert_eq!((entry.outside_bytes(), entry.kind()), (0, Kind::Hash));

        let copy = Hash::of_pairs(entry.pairs());
        let entry = entry.rebuild(b"other", Some(9)).rebuild(b"another", None).move_out(copy);
        assert_eq!((entry.key(), entry.expiry(), entry.clock()), (&b"another"[..], None, 0xabcdef));
        assert!(!entry.has_pairs() && entry.outside_bytes() > 0);
        assert_eq!(pairs_of(entry), two[1..]);
        entry.free();
    }
}

#[test]
fn an_embedded_hash_keeps_to_its_limit() {
    let entry = Entry::new(b"key", Value::Hash(Hash::new()), None, 0);
    for (insert, fits) in [(EMBEDDED_PAIRS_MAX + 1, false), (EMBEDDED_PAIRS_MAX, true)] {
        let mut moved = entry;
        // SAFETY: nobody else has the block; it stays whole when the change is refused.
        let splice = || unsafe { moved.splice_pairs(0, 0, insert, 0) }.len();
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(splice));
        assert_eq!(done.ok(), fits.then_some(EMBEDDED_PAIRS_MAX));
        if fits {
            moved.free();
        }
    }
}

/// Of the bytes outside, only those of a long string and of collections are there.
#[test]
fn memory_is_counted_where_it_is() {
    let long_key = vec![b'k'; 5000];
    for (value, outside) in [(&b"12"[..], 0), (&[b'v'; 1024], 0), (&[b'v'; 2000], 2000)] {
        let entry = Entry::new_bytes(&long_key, value, None, 0);
        assert_eq!((entry.outside_bytes(), entry.block_bytes() >= 5000), (outside, true));
        entry.free();
    }
}
