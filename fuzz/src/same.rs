//! Equality of values, and the walk over one that asserts its invariants.

use engine::digest::of_value;
use keyspace::db::EntryRef;
use keyspace::entry::ValueRef;
use keyspace::rdb::write_value;
use protocol::rdb::Writer;

/// Asserts the invariants of a value.
pub fn check(value: ValueRef<'_>) {
    match value {
        ValueRef::Str(_) => {}
        ValueRef::List(list) => {
            list.check();
            assert!(!list.is_empty(), "an empty list is no value");
        }
        ValueRef::Hash(hash) => {
            hash.check();
            assert!(!hash.is_empty(), "an empty hash is no value");
        }
        ValueRef::Set(set) => {
            set.check();
            assert!(!set.is_empty(), "an empty set is no value");
        }
        ValueRef::Zset(zset) => {
            zset.check();
            assert!(!zset.is_empty(), "an empty sorted set is no value");
        }
        ValueRef::Stream(stream) => stream.check(),
    }
}

/// The payload of DUMP for a value.
pub fn dump(value: ValueRef<'_>) -> Vec<u8> {
    let mut writer = Writer::for_dump(false);
    let Ok(()) = write_value(&mut writer, None, value);
    writer.into_dump_payload()
}

/// Asserts that two keys have the same value and expiry: for a stream its groups too, whatever a digest leaves out.
///
/// A large value of which little is left is restored as a small one, as it is in Redis: only values in the same form, one
/// that has an order, must have the same payload.
pub fn assert_same(left: EntryRef<'_>, right: EntryRef<'_>) {
    assert_eq!(left.expiry(), right.expiry(), "expiry");
    assert_eq!(left.kind(), right.kind(), "type");
    let has_order = match (left.value(), right.value()) {
        (ValueRef::Hash(a), ValueRef::Hash(b)) => {
            a.encoding() == "listpack" && b.encoding() == "listpack"
        }
        (ValueRef::Set(a), ValueRef::Set(b)) => {
            a.ints_bytes().is_some() && b.ints_bytes().is_some()
        }
        (ValueRef::Zset(a), ValueRef::Zset(b)) => a.encoding() == b.encoding(),
        _ => true,
    };
    if has_order {
        assert_eq!(dump(left.value()), dump(right.value()), "payload");
    }
    assert_eq!(of_value(left), of_value(right), "digest");
}
