//! What is saved is loaded; what other servers wrote is loaded; damage is refused with key, offset and reason.

use super::*;
use crate::files::Files;
use keyspace::db::Db;
use keyspace::entry::{Value, ValueRef};
use keyspace::hash::Hash;
use keyspace::limits::Limits;
use keyspace::list::{End, List};
use keyspace::set::Set;
use keyspace::stream::{Pending, Stream, StreamId};
use keyspace::table::hash_bytes;
use keyspace::zset::Zset;
use proptest::prelude::*;
use protocol::listpack;
use protocol::rdb::{KeyMeta, ObjectType, Options, Writer};
use std::collections::BTreeMap;
use std::convert::Infallible;

const LIMITS: Limits = Limits::DEFAULT;

fn options() -> LoadOptions<'static> {
    LoadOptions { now_ms: 1_000, drop_expired: false, checksum: true, clock: &|_: &KeyMeta| 7 }
}

fn databases(count: usize) -> Vec<Db> {
    (0..count).map(|_| Db::new()).collect()
}

fn meta() -> SnapshotMeta {
    SnapshotMeta {
        redis_ver: "7.2.4".into(),
        ctime_s: 1_700_000_000,
        used_mem_bytes: 1 << 33,
        replication: None,
        aof_base: false,
        functions: Vec::new(),
        users: None,
    }
}

fn save(dbs: &[Db], meta: &SnapshotMeta) -> Vec<u8> {
    let mut bytes = Vec::new();
    let stats = write_snapshot(&mut bytes, dbs, meta, SaveOptions::default(), &mut |_| ());
    assert_eq!(stats.expect("a vector takes all").bytes, bytes.len() as u64);
    bytes
}

fn load(bytes: &[u8], count: usize) -> Result<(Vec<Db>, LoadedMeta), LoadError<Infallible>> {
    let mut dbs = databases(count);
    let meta = load_snapshot(bytes, &mut dbs, &LIMITS, options(), &mut |_| ())?;
    dbs.iter().for_each(Db::check);
    Ok((dbs, meta))
}

/// The contents in a form that can be compared.
fn digest(dbs: &[Db]) -> BTreeMap<(usize, Vec<u8>), (Option<i64>, String)> {
    let mut all = BTreeMap::new();
    for (index, db) in dbs.iter().enumerate() {
        for entry in db.iter() {
            let text = match entry.value() {
                ValueRef::Str(text) => format!("string {:?}", text.to_vec()),
                ValueRef::List(list) => {
                    list.check();
                    let elements: Vec<_> = list.iter().map(|element| element.to_vec()).collect();
                    format!("list {elements:?}")
                }
                ValueRef::Hash(hash) => {
                    hash.check();
                    let pairs = hash.iter().map(|(field, value)| (field.to_vec(), value.to_vec()));
                    format!("hash {:?}", pairs.collect::<BTreeMap<_, _>>())
                }
                ValueRef::Set(set) => {
                    set.check();
                    let mut members: Vec<_> = set.iter().map(|member| member.to_vec()).collect();
                    members.sort();
                    format!("set {members:?}")
                }
                ValueRef::Zset(zset) => {
                    zset.check();
                    let members: Vec<_> = zset.iter().map(|(m, s)| (m.to_vec(), s)).collect();
                    format!("zset {members:?}")
                }
                ValueRef::Stream(stream) => {
                    stream.check();
                    format!("{stream:?}")
                }
            };
            all.insert((index, entry.key().to_vec()), (entry.expiry(), text));
        }
    }
    all
}

/// Every form of every type.
fn samples() -> Vec<Db> {
    let mut dbs = databases(3);
    let mut put = |db: usize, key: &str, value: Value, expiry| {
        assert!(dbs[db].add_new(key.as_bytes(), value, expiry, 0));
    };
    put(0, "int", Value::Int(-129), None);
    put(0, "big int", Value::Int(i64::MIN), Some(4_102_444_800_000));
    put(0, "text", Value::Str(b"hello".to_vec()), Some(1));
    put(0, "not canonical", Value::Str(b"007".to_vec()), None);
    put(0, "long", Value::Str(vec![b'x'; 100_000]), None);
    put(0, "", Value::Str(Vec::new()), None);
    for count in [1, 5, 3_000] {
        let name =
            |index: usize| format!("{}{index}", if index.is_multiple_of(3) { "" } else { "item " });
        let (mut list, mut hash) = (List::new(), Hash::new());
        let (mut set, mut ints, mut zset) = (Set::new(), Set::new(), Zset::new());
        let mut stream = Stream::new();
        stream.add_group(b"readers", StreamId { ms: 7, seq: 0 }, Some(3));
        for index in 0..count {
            let item = name(index);
            list.push(End::Back, item.as_bytes(), &LIMITS);
            hash.set(item.as_bytes(), format!("v{index}").as_bytes(), &LIMITS);
            set.add(item.as_bytes(), &LIMITS);
            ints.add(index.to_string().as_bytes(), &LIMITS);
            zset.add(item.as_bytes(), index as f64 / 4.0 - 10.0, &LIMITS);
            let id = StreamId { ms: index as u64 + 1, seq: 5 };
            let pairs = [(&b"item"[..], item.as_bytes()), (b"kind", b"sample")];
            stream.entries_mut().append(id, 2, pairs.into_iter(), &LIMITS);
            let (_, group) = stream.group_mut(b"readers").expect("added above");
            let consumer = group.find(b"r").or_else(|| group.add_consumer(b"r", 9)).expect("one");
            group.consumer_mut(consumer).active_ms = Some(9);
            group.set_pending(Pending { id, delivered_ms: 8, count: 2, consumer });
        }
        list.push(End::Front, &[b'y'; 20_000], &LIMITS);
        zset.add(b"top", f64::INFINITY, &LIMITS);
        zset.add(b"bottom", f64::NEG_INFINITY, &LIMITS);
        put(2, &format!("list {count}"), Value::List(list), None);
        put(2, &format!("hash {count}"), Value::Hash(hash), Some(99));
        put(2, &format!("set {count}"), Value::Set(set), None);
        put(2, &format!("ints {count}"), Value::Set(ints), None);
        put(2, &format!("zset {count}"), Value::Zset(zset), None);
        put(2, &format!("stream {count}"), Value::Stream(stream), None);
    }
    dbs
}

fn encodings(dbs: &[Db]) -> BTreeMap<Vec<u8>, &'static str> {
    let all = dbs.iter().flat_map(|db| db.iter()).map(|entry| {
        let encoding = match entry.value() {
            ValueRef::Str(_) => "string",
            ValueRef::List(list) => list.encoding(),
            ValueRef::Hash(hash) => hash.encoding(),
            ValueRef::Set(set) => set.encoding(),
            ValueRef::Zset(zset) => zset.encoding(),
            ValueRef::Stream(stream) => stream.encoding(),
        };
        (entry.key().to_vec(), encoding)
    });
    all.collect()
}

#[test]
fn what_is_saved_is_loaded() {
    let dbs = samples();
    let point = ReplicationPoint { id: [b'a'; 40], offset: 1 << 40, stream_db: 2 };
    let functions = vec![b"#!lua name=one\n".to_vec(), vec![b'f'; 50_000]];
    let meta = SnapshotMeta {
        replication: Some(point),
        aof_base: true,
        functions: functions.clone(),
        ..meta()
    };
    let bytes = save(&dbs, &meta);
    let (loaded, found) = load(&bytes, 3).expect("our own file");
    assert_eq!(digest(&loaded), digest(&dbs));
    let mut expected = encodings(&dbs);
    // Written as type 2, a small set of texts begins again as integers would.
    expected.insert(b"set 1".to_vec(), "intset");
    assert_eq!(encodings(&loaded), expected);
    assert_eq!(found.replication, Some(point));
    assert_eq!((found.redis_ver.as_deref(), found.ctime_s), (Some("7.2.4"), Some(1_700_000_000)));
    assert_eq!((found.used_mem_bytes, found.aof_base), (Some(1 << 33), true));
    assert_eq!((found.functions, found.verified), (functions, true));
    assert_eq!((found.keys_loaded, found.bytes), (24, bytes.len() as u64));
    assert_eq!(loaded[0].iter().next().expect("a key").clock(), 7);
}

#[test]
fn nothing_is_the_smallest_file_and_no_option_changes_the_contents() {
    let bytes = save(&databases(2), &meta());
    assert!(digest(&load(&bytes, 1).expect("empty").0).is_empty());
    let dbs = samples();
    for (checksum, compression) in [(false, false), (true, false), (false, true)] {
        let mut bytes = Vec::new();
        let format = Options { checksum, compression };
        let options = SaveOptions {
            format,
            access: Access::Idle { seconds: 1_000_000 },
            ..SaveOptions::default()
        };
        let mut seen = Vec::new();
        let stats = write_snapshot(&mut bytes, &dbs, &meta(), options, &mut |keys| seen.push(keys));
        let stats = stats.expect("a vector takes all");
        assert_eq!((stats.keys, stats.expires, seen.last()), (24, 5, Some(&24)));
        let (loaded, found) = load(&bytes, 3).expect("our own file");
        assert_eq!((digest(&loaded), found.verified), (digest(&dbs), checksum));
    }
}

#[test]
fn a_file_of_redis_7_0() {
    let hex = "524544495330303130\
        fa0972656469732d76657206372e302e3135fa0a72656469732d62697473c040fa056374696d65c28546006b\
        fa08757365642d6d656dc2881a1e00fa0e7265706c2d73747265616d2d6462c000\
        fa077265706c2d69642833356564666564313938336633613664636136323834333832306130333436663666306663616430\
        fa0b7265706c2d6f6666736574c1e607fa08616f662d62617365c000\
        fe00fb02010001 6b0176fc00d8c32cbb030000000165 0176ffb9de56937ba52019";
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let bytes: Vec<u8> = digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hex"))
        .collect();
    let (dbs, found) = load(&bytes, 16).expect("a file of Redis");
    let value = |key: &[u8]| dbs[0].get(hash_bytes(key), key).map(|entry| entry.expiry());
    assert_eq!((value(b"k"), value(b"e")), (Some(None), Some(Some(4_102_444_800_000))));
    assert_eq!(found.replication.expect("a point").offset, 2022);
    assert_eq!((found.redis_ver.as_deref(), found.aof_base), (Some("7.0.15"), false));
}

/// A file as KeyDB writes it: between the expiry of a key and the key stands a field with its own time stamp.
#[test]
fn a_file_of_keydb() {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes, Options::default());
    writer.header().expect("infallible");
    writer.select_db(0).expect("infallible");
    for (key, expire_ms) in [(&b"past"[..], Some(900)), (b"future", Some(2_000)), (b"none", None)] {
        if let Some(at) = expire_ms {
            writer.expire_ms(at).expect("infallible");
        }
        writer.aux(b"mvcc-tstamp", b"1733000000000").expect("infallible");
        writer.object_type(ObjectType::String).expect("infallible");
        writer.string(key).expect("infallible");
        writer.string(b"v").expect("infallible");
    }
    writer.eof().expect("infallible");
    drop(writer);
    let expiry =
        |dbs: &[Db], key: &[u8]| dbs[0].get(hash_bytes(key), key).map(|entry| entry.expiry());
    let (dbs, found) = load(&bytes, 1).expect("whole");
    assert_eq!(found.keys_loaded, 3);
    let expiries = [&b"past"[..], b"future", b"none"].map(|key| expiry(&dbs, key));
    assert_eq!(expiries, [Some(Some(900)), Some(Some(2_000)), Some(None)]);
    let mut dbs = databases(1);
    let options = LoadOptions { drop_expired: true, ..options() };
    let found = load_snapshot(&bytes[..], &mut dbs, &LIMITS, options, &mut |_| ()).expect("loaded");
    assert_eq!((found.keys_loaded, found.keys_expired), (2, 1));
    assert_eq!(expiry(&dbs, b"past"), None, "what has expired stays dead");

    // Behind a collection it says which of its members expire: that is data which cannot be kept.
    let mut member = Vec::new();
    let mut writer = Writer::new(&mut member, Options::default());
    writer.header().expect("infallible");
    writer.select_db(0).expect("infallible");
    writer.object_type(ObjectType::Set).expect("infallible");
    writer.string(b"s").expect("infallible");
    writer.length(1).expect("infallible");
    writer.string(b"m").expect("infallible");
    writer.aux(b"keydb-subexpire-key", b"m").expect("infallible");
    writer.aux(b"keydb-subexpire-when", b"4102444800000").expect("infallible");
    writer.eof().expect("infallible");
    drop(writer);
    let error = refusal(&member);
    assert!(error.contains("byte 17: members with an expiry are not supported"), "{error}");
}

#[test]
fn users_are_brought_to_who_is_to_have_the_same() {
    let users = Some(b"user alice on\nuser default on nopass".to_vec());
    for users in [users, None] {
        let bytes = save(&samples(), &SnapshotMeta { users: users.clone(), ..meta() });
        assert_eq!(load(&bytes, 3).expect("it loads").1.users, users);
    }
}

#[test]
fn expired_keys_are_dropped_where_asked_for() {
    let point = ReplicationPoint { id: [b'a'; 40], offset: 7, stream_db: 0 };
    let bytes = save(&samples(), &SnapshotMeta { replication: Some(point), ..meta() });
    let mut dbs = databases(3);
    let options = LoadOptions { now_ms: 50, drop_expired: true, ..options() };
    let found = load_snapshot(&bytes[..], &mut dbs, &LIMITS, options, &mut |_| ()).expect("loaded");
    assert_eq!((found.keys_loaded, found.keys_expired), (23, 1));
    assert_eq!(found.expired, [(0, b"text".to_vec())]);
    assert!(dbs[0].get(hash_bytes(b"text"), b"text").is_none());
}

/// A file with one key whose value `body` writes.
fn one(object_type: ObjectType, body: impl FnOnce(&mut Writer<&mut Vec<u8>>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes, Options::default());
    writer.header().expect("infallible");
    writer.select_db(0).expect("infallible");
    writer.object_type(object_type).expect("infallible");
    writer.string(b"the key").expect("infallible");
    body(&mut writer);
    writer.eof().expect("infallible");
    drop(writer);
    bytes
}

fn blob(object_type: ObjectType, blob: &[u8]) -> Vec<u8> {
    one(object_type, |writer| writer.blob(blob).expect("infallible"))
}

fn packed(elements: &[&str]) -> Vec<u8> {
    let mut list = listpack::EMPTY.to_vec();
    elements.iter().for_each(|e| listpack::push(&mut list, listpack::Value::of(e.as_bytes())));
    list
}

/// The error of a file that must be refused.
fn refusal(bytes: &[u8]) -> String {
    load(bytes, 1).err().expect("refused").to_string()
}

#[test]
fn old_and_foreign_encodings() {
    let only = |bytes: &[u8]| {
        let (dbs, _) = load(bytes, 1).expect("loads");
        digest(&dbs).into_values().next().expect("one key").1
    };
    let ziplist = b"\x13\0\0\0\x0d\0\0\0\x02\0\0\x01a\x03\xfe\x07\xff";
    let ziplist = {
        let mut bytes = ziplist.to_vec();
        let len = bytes.len() as u32;
        bytes[..4].copy_from_slice(&len.to_le_bytes());
        bytes
    };
    let list = "list [[97], [55]]";
    assert_eq!(only(&blob(ObjectType::ListZiplist, &ziplist)), list);
    let quicklist = one(ObjectType::ListQuicklist, |writer| {
        writer.length(2).expect("infallible");
        writer.blob(&ziplist).expect("infallible");
        writer.blob(&ziplist).expect("infallible");
    });
    assert_eq!(only(&quicklist), "list [[97], [55], [97], [55]]");
    assert_eq!(only(&blob(ObjectType::HashZiplist, &ziplist)), "hash {[97]: [55]}");
    assert_eq!(only(&blob(ObjectType::ZsetZiplist, &ziplist)), "zset [([97], 7.0)]");
    let zipmap = b"\x01\x01a\x01\x007\xff";
    assert_eq!(only(&blob(ObjectType::HashZipmap, zipmap)), "hash {[97]: [55]}");
    assert_eq!(only(&blob(ObjectType::SetListpack, &packed(&["a", "7"]))), "set [[55], [97]]");
    let plain = one(ObjectType::List, |writer| {
        writer.length(2).expect("infallible");
        writer.string(b"a").expect("infallible");
        writer.string(b"7").expect("infallible");
    });
    assert_eq!(only(&plain), list);
    let ascii = one(ObjectType::ZsetAscii, |writer| {
        writer.length(2).expect("infallible");
        writer.string(b"a").expect("infallible");
        writer.raw(b"\x031.5").expect("infallible");
        writer.string(b"b").expect("infallible");
        writer.raw(b"\xff").expect("infallible");
    });
    assert_eq!(only(&ascii), "zset [([98], -inf), ([97], 1.5)]");
}

#[test]
fn collections_without_elements_are_left_out() {
    for object_type in [ObjectType::Set, ObjectType::Hash, ObjectType::Zset, ObjectType::List] {
        let bytes = one(object_type, |writer| writer.length(0).expect("infallible"));
        let (dbs, found) = load(&bytes, 1).expect("loads");
        assert!(dbs[0].is_empty());
        assert_eq!((found.keys_loaded, found.keys_empty, found.empty_names.len()), (0, 1, 1));
    }
    let bytes = blob(ObjectType::HashListpack, &packed(&[]));
    assert_eq!(load(&bytes, 1).expect("loads").1.keys_empty, 1);
}

#[test]
fn what_is_not_what_it_says_is_refused_with_key_offset_and_reason() {
    let twice = one(ObjectType::Set, |writer| {
        writer.length(2).expect("infallible");
        writer.string(b"a").expect("infallible");
        writer.string(b"a").expect("infallible");
    });
    let mut intset = vec![2, 0, 0, 0, 2, 0, 0, 0, 9, 0, 3, 0];
    for (bytes, reason) in [
        (blob(ObjectType::HashListpack, &packed(&["f", "v", "f", "w"])), "field twice"),
        (blob(ObjectType::HashListpack, &packed(&["f"])), "field without value"),
        (blob(ObjectType::ZsetListpack, &packed(&["b", "2", "a", "1"])), "not in order"),
        (blob(ObjectType::ZsetListpack, &packed(&["b", "x"])), "no number"),
        (blob(ObjectType::SetListpack, &packed(&["a", "a"])), "member twice"),
        (blob(ObjectType::SetIntset, &intset), "out of order"),
        (blob(ObjectType::HashListpack, b"not a listpack"), "packed value"),
        (blob(ObjectType::HashZiplist, b"not a ziplist"), "ziplist"),
        (twice, "a member comes twice"),
    ] {
        let error = refusal(&bytes);
        assert!(error.contains(reason) && error.contains("\"the key\" of type"), "{error}");
        assert!(error.starts_with("byte "), "{error}");
    }
    intset[8] = 1;
    assert!(load(&blob(ObjectType::SetIntset, &intset), 1).is_ok());
}

#[test]
fn a_stream_that_contradicts_itself_is_refused_by_name() {
    let bytes = one(ObjectType::Stream2, |writer| {
        // No nodes, but one entry; the rest is 0.
        for number in [0, 1, 0, 0, 0, 0, 0, 0, 0, 0] {
            writer.length(number).expect("infallible");
        }
    });
    let error = refusal(&bytes);
    let reason = "stream has another number of entries than announced";
    assert!(error.contains(&format!("\"the key\" of type stream-v2: {reason}")), "{error}");
}

#[test]
fn figures_of_a_stream_that_its_entries_disprove_are_mended_and_told() {
    // A node with the entries 1-1 and 1-2, as Redis 7.0 writes it.
    let node = [
        0x28, 0, 0, 0, 15, 0, 2, 1, 0, 1, 1, 1, 0x81, b'f', 2, 0, 1, 2, 1, 0, 1, 0, 1, 0x81, b'v',
        2, 4, 1, 2, 1, 0, 1, 1, 1, 0x81, b'w', 2, 4, 1, 0xff,
    ];
    let id = |ms, seq| StreamId { ms, seq };
    let file = |entries: u64, last: StreamId, added: u64| {
        one(ObjectType::Stream2, |writer| {
            writer.length(1).expect("infallible");
            writer.stream_node(id(1, 1), &node).expect("infallible");
            writer.length(entries).expect("infallible");
            for id in [last, id(1, 1), id(0, 0)] {
                writer.stream_id(id).expect("infallible");
            }
            writer.length(added).expect("infallible");
            writer.length(0).expect("infallible");
        })
    };
    let right = (2, id(1, 2), 2);
    for (told, loaded) in [
        (right, right),
        ((2, id(9, 0), 7), (2, id(9, 0), 7)),
        ((3, id(1, 2), 3), (2, id(1, 2), 3)),
        ((1, id(1, 2), 2), right),
        ((0, id(1, 2), 2), right),
        ((2, id(1, 2), 1), right),
        ((2, id(1, 1), 2), right),
        ((u64::MAX, id(0, 0), 0), right),
    ] {
        let (dbs, meta) = load(&file(told.0, told.1, told.2), 1).expect("it is mended");
        let entry = dbs[0].get(hash_bytes(b"the key"), b"the key").expect("it is there");
        let ValueRef::Stream(stream) = entry.value() else { panic!("a stream") };
        let entries = stream.entries();
        assert_eq!((stream.len() as u64, entries.last_id(), entries.added()), loaded, "{told:?}");
        let mended = u64::from(told != loaded);
        assert_eq!((meta.streams_mended.0, meta.streams_mended.1.len() as u64), (mended, mended));
        // What is saved then is right.
        let saved = save(&dbs, &SnapshotMeta { ..self::meta() });
        assert_eq!(load(&saved, 1).expect("our own").1.streams_mended.0, 0);
    }
}

#[test]
fn keys_twice_and_databases_too_many_are_refused() {
    let string = |writer: &mut Writer<&mut Vec<u8>>| {
        writer.string(b"v").expect("infallible");
        writer.object_type(ObjectType::String).expect("infallible");
        writer.string(b"the key").expect("infallible");
        writer.string(b"w").expect("infallible");
    };
    let error = refusal(&one(ObjectType::String, string));
    assert!(error.contains("the key \"the key\" comes twice"), "{error}");
    let bytes = save(&samples(), &meta());
    let error = load(&bytes, 2).err().expect("refused").to_string();
    assert!(error.contains("database 2, but there are only 2"), "{error}");
}

#[test]
fn files_are_replaced_and_named_in_errors() {
    let folder = tempfile::tempdir().expect("a folder");
    let (target, temporary) = (folder.path().join("dump.rdb"), folder.path().join("temp-1.rdb"));
    let dbs = samples();
    let stats = save_file(
        &Files::real(),
        &target,
        &temporary,
        &dbs,
        &meta(),
        SaveOptions::default(),
        &mut |_| (),
    );
    assert_eq!(stats.expect("saved").keys, 24);
    assert_eq!(Files::real().list(folder.path()).expect("listed"), ["dump.rdb"]);
    let load = |path: &std::path::Path| {
        let mut dbs = databases(3);
        let mut progress = 0;
        load_file(&Files::real(), path, &mut dbs, &LIMITS, options(), &mut |bytes| progress = bytes)
            .map(|_| (digest(&dbs), progress))
    };
    let size = Files::real().size(&target).expect("there").expect("there");
    assert_eq!(load(&target).expect("loaded"), (digest(&dbs), size));
    let bytes = std::fs::read(&target).expect("read");
    std::fs::write(&target, &bytes[..bytes.len() - 1]).expect("written");
    let error = load(&target).expect_err("torn").to_string();
    assert!(error.contains("dump.rdb, byte ") && error.contains("ends too early"), "{error}");
    let error = load(&folder.path().join("none.rdb")).expect_err("not there").to_string();
    assert!(error.contains("open ") && error.contains("none.rdb"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn damage_anywhere_is_noticed(at in 0_usize..5_000, flip in 1_u8..) {
        let mut bytes = save(&samples(), &meta());
        let at = at % bytes.len();
        bytes[at] ^= flip;
        prop_assert!(load(&bytes, 3).is_err());
        prop_assert!(load(&bytes[..at], 3).is_err());
    }
}
