//! The stream against a model, its nodes byte by byte, and damage.

use super::*;
use crate::entry::{Value, ValueRef};
use crate::limits::Limits;
use crate::rdb::{ValueBuilder, write_value};
use proptest::prelude::*;
use protocol::rdb::{ObjectType, Sum, Writer, read_dump_value, verify_dump_payload};
use std::collections::BTreeMap;

const LIMITS: Limits = Limits { stream_node_max_entries: 3, ..Limits::DEFAULT };

fn id(ms: u64, seq: u64) -> StreamId {
    StreamId { ms, seq }
}

fn add(stream: &mut Stream, id: StreamId, pairs: &[(&[u8], &[u8])], limits: &Limits) {
    stream.entries_mut().append(id, pairs.len(), pairs.iter().copied(), limits);
}

/// A stream with entries 1-0, 2-0 and so on.
fn counted(len: u64, limits: &Limits) -> Stream {
    let mut stream = Stream::new();
    for ms in 1..=len {
        add(&mut stream, id(ms, 0), &[(b"f", ms.to_string().as_bytes())], limits);
    }
    stream
}

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

fn contents<'a>(entries: impl Iterator<Item = Entry<'a>>) -> Vec<(StreamId, Pairs)> {
    let pairs = |entry: Entry<'_>| entry.pairs().map(|(f, v)| (f.to_vec(), v.to_vec())).collect();
    entries.map(|entry| (entry.id, pairs(entry))).collect()
}

fn all(stream: &Stream) -> Vec<(StreamId, Pairs)> {
    contents(stream.entries().range(StreamId::MIN, StreamId::MAX))
}

fn dump(stream: &Stream) -> Vec<u8> {
    let mut writer = Writer::for_dump(false);
    write_value(&mut writer, None, ValueRef::Stream(stream)).expect("memory takes it");
    writer.into_dump_payload()
}

fn load(payload: &[u8]) -> Option<Stream> {
    let mut builder = ValueBuilder::new(&Limits::DEFAULT);
    read_dump_value(&verify_dump_payload(payload, Sum::Verified).ok()?, &mut builder).ok()?;
    match builder.take() {
        Ok(Some(Value::Stream(stream))) => Some(stream),
        _ => None,
    }
}

#[test]
fn nodes_are_those_of_redis() {
    // DUMP of Redis 7.0 after XADD s 1-1 f v, XADD s 1-2 f w, XGROUP CREATE s g 0.
    let mut stream = Stream::new();
    add(&mut stream, id(1, 1), &[(b"f", b"v")], &Limits::DEFAULT);
    add(&mut stream, id(1, 2), &[(b"f", b"w")], &Limits::DEFAULT);
    stream.add_group(b"g", StreamId::MIN, None);
    let node = [
        0x28, 0, 0, 0, 15, 0, 2, 1, 0, 1, 1, 1, 0x81, b'f', 2, 0, 1, // the master entry
        2, 1, 0, 1, 0, 1, 0x81, b'v', 2, 4, 1, // 1-1
        2, 1, 0, 1, 1, 1, 0x81, b'w', 2, 4, 1, 0xff, // 1-2
    ];
    let payload = dump(&stream);
    assert!(payload.windows(node.len()).any(|window| window == node), "{payload:02x?}");
    assert_eq!(payload[0], ObjectType::Stream2 as u8);
}

#[test]
fn ids_may_go_back_within_a_node() {
    let mut stream = Stream::new();
    let ids = [id(5, u64::MAX), id(6, 0), id(u64::MAX, 3), StreamId::MAX];
    for id in ids {
        add(&mut stream, id, &[(b"a", b"1"), (b"b", b"-7")], &Limits::DEFAULT);
        stream.check();
    }
    assert_eq!(stream.entries().node_count(), 1);
    assert_eq!(all(&stream).iter().map(|(id, _)| *id).collect::<Vec<_>>(), ids);
    assert_eq!(all(&load(&dump(&stream)).expect("our own")), &all(&stream)[..]);
}

#[test]
fn a_node_ends_at_its_limits() {
    assert_eq!(counted(7, &LIMITS).entries().node_count(), 3);
    let bytes = Limits { stream_node_max_bytes: 60, ..Limits::DEFAULT };
    assert!(counted(50, &bytes).entries().node_count() > 5);
    let none = Limits { stream_node_max_bytes: 0, stream_node_max_entries: 0, ..Limits::DEFAULT };
    let mut stream = counted(5_000, &none);
    assert_eq!(stream.entries().node_count(), 1);
    stream.check();
    assert!((1..=4_990).all(|ms| stream.entries_mut().delete(id(ms, 0))));
    stream.check();
    assert_eq!(stream.len(), 10);
}

#[test]
fn a_full_node_wastes_little() {
    let stream = counted(100_000, &Limits::DEFAULT);
    let used: usize = stream.0.entries.nodes.iter().map(|node| node.bytes().len()).sum();
    let memory = stream.memory_bytes();
    assert!(memory < used + used / 8, "{memory} for {used}");
    assert!(counted(1, &Limits::DEFAULT).memory_bytes() < 600);
}

#[test]
fn trimming_as_redis_does() {
    let trim = |keep, approximate, limit| Trim { keep, approximate, limit };
    let cases = [
        (trim(Keep::Length(4), false, 0), 6, 4),
        // Nodes of three: two of them go, then 1 more would be too many.
        (trim(Keep::Length(3), true, 0), 6, 4),
        (trim(Keep::Length(3), true, 5), 3, 7),
        (trim(Keep::Length(0), true, 2), 0, 10),
        (trim(Keep::Length(0), false, 0), 10, 0),
        (trim(Keep::Length(10), false, 0), 0, 10),
        (trim(Keep::From(id(5, 0)), false, 0), 4, 6),
        (trim(Keep::From(id(5, 0)), true, 0), 3, 7),
        (trim(Keep::From(id(7, 0)), true, 0), 6, 4),
        (trim(Keep::From(id(6, 1)), true, 0), 6, 4),
        (trim(Keep::From(id(99, 0)), true, 7), 6, 4),
        (trim(Keep::From(id(99, 0)), false, 0), 10, 0),
        (trim(Keep::From(id(0, 5)), false, 0), 0, 10),
    ];
    for (how, removed, left) in cases {
        let mut stream = counted(10, &LIMITS);
        assert_eq!(stream.trim(how).0, removed, "{how:?}");
        stream.check();
        assert_eq!(stream.len(), left, "{how:?}");
        assert_eq!(stream.entries().max_deleted_id(), StreamId::MIN, "trimming names nobody");
    }
    let mut stream = counted(10_000, &LIMITS);
    let (_, garbage) = stream.trim(trim(Keep::Length(5), false, 0));
    assert!(garbage.is_some_and(|garbage| garbage.entries().node_count() > 3_000));
    stream.check();
}

#[test]
fn a_node_of_deleted_entries_goes() {
    // Live 1-0, then a deleted one: trimming by id takes the last live one.
    let mut stream = counted(3, &LIMITS);
    assert!(stream.entries_mut().delete(id(2, 0)) && stream.entries_mut().delete(id(3, 0)));
    let trim = Trim { keep: Keep::From(id(2, 0)), approximate: false, limit: 0 };
    assert_eq!((stream.trim(trim).0, stream.entries().node_count()), (1, 0));
    stream.check();
}

#[test]
fn places_and_gaps_in_the_history() {
    let mut stream = counted(5, &LIMITS);
    let entries = stream.entries_mut();
    let places =
        |entries: &Entries| (0..=6).map(|ms| entries.place_of(id(ms, 0))).collect::<Vec<_>>();
    assert_eq!(places(entries), [Some(0), Some(1), None, None, None, Some(5), None]);
    entries.delete(id(3, 0));
    assert_eq!(places(entries), [None, None, None, None, None, Some(5), None]);
    assert!(entries.has_gap_from(id(3, 0)) && !entries.has_gap_from(id(3, 1)));
    (1..=2).for_each(|ms| assert!(entries.delete(id(ms, 0))));
    assert_eq!(places(entries), [Some(3), None, None, Some(3), Some(4), Some(5), None]);
    assert!(entries.has_gap_from(id(3, 0)) && entries.is_whole());
    (4..=5).for_each(|ms| assert!(entries.delete(id(ms, 0))));
    assert_eq!(places(entries), [Some(5), Some(5), Some(5), Some(5), Some(5), Some(5), None]);
    assert_eq!(Stream::new().entries().place_of(StreamId::MAX), Some(0));
}

#[test]
fn groups_survive_a_file() {
    let mut stream = counted(10, &LIMITS);
    assert!(stream.add_group(b"g", id(7, 0), Some(7)) && stream.add_group(b"a", id(0, 0), None));
    assert!(!stream.add_group(b"g", id(0, 0), None));
    let (_, group) = stream.group_mut(b"g").expect("added");
    let slots = [b"x", b"y"].map(|name| group.add_consumer(name, 77).expect("new"));
    for ms in 1..=7 {
        let consumer = slots[ms as usize % 2];
        group.set_pending(Pending { id: id(ms, 0), delivered_ms: -5, count: ms, consumer });
    }
    group.consumer_mut(slots[0]).active_ms = Some(78);
    let again = load(&dump(&stream)).expect("our own");
    again.check();
    assert_eq!(dump(&again), dump(&stream));
    let group = again.group(b"g").expect("kept");
    assert_eq!(
        (group.last_id, group.entries_read, group.lag(again.entries())),
        (id(7, 0), Some(7), Some(3))
    );
    assert_eq!(group.consumers().map(|c| c.active_ms).collect::<Vec<_>>(), [Some(77); 2]);
    let copy = stream.duplicate();
    copy.check();
    assert_eq!(dump(&copy), dump(&stream));
}

#[test]
fn groups_of_old_files_know_how_far_they_have_come_if_it_can_be_told() {
    // What Redis 5 wrote (as Redis's own tests have it): 1-0 to 6-0 of which 5-0 and 6-0 are left, g1 read to 5-0, g2 nothing.
    let hex = "0f011000000000000000010000000000000000c3404a405716570000002300020104010101846461746105 \
               000103010020010381610204200a0001400a0062600a0002400a0063600a4022018164200a4039200a0065 \
               600a0005400a0066200a00ff02060002026731050004000000000000000100000000000000003ef783437a \
               01000001000000000000000200000000000000003ef783437a010000010000000000000004000000000000 \
               00003ef783437a01000001000000000000000500000000000000003ef783437a0100000101036331313ef7 \
               83437a01000004000000000000000100000000000000000000000000000002000000000000000000000000 \
               0000000400000000000000000000000000000005000000000000000002673200000000";
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let digit = |byte: u8| char::from(byte).to_digit(16).expect("hexadecimal") as u8;
    let mut payload: Vec<u8> =
        digits.chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect();
    protocol::rdb::append_footer(&mut payload);
    let stream = load(&payload).expect("written by Redis");
    stream.check();
    assert_eq!((stream.len(), stream.entries().added()), (2, 2));
    let groups = stream.groups().map(|group| (group.entries_read, group.lag(stream.entries())));
    assert_eq!(groups.collect::<Vec<_>>(), [(Some(1), Some(1)), (Some(0), Some(2))]);
}

#[test]
fn damaged_bytes_are_refused_or_are_a_stream() {
    let mut stream = counted(8, &LIMITS);
    add(&mut stream, id(9, 3), &[(b"other", b"12345"), (b"x", b"y")], &LIMITS);
    stream.entries_mut().delete(id(2, 0));
    stream.add_group(b"g", id(5, 0), None);
    let (_, group) = stream.group_mut(b"g").expect("added");
    let consumer = group.add_consumer(b"c", 1).expect("new");
    group.set_pending(Pending { id: id(4, 0), delivered_ms: 1, count: 1, consumer });
    let payload = dump(&stream);
    let value = &payload[..payload.len() - 10];
    let (mut kept, mut refused) = (0, 0);
    for at in 1..value.len() {
        for byte in 0..=u8::MAX {
            let mut damaged = value.to_vec();
            damaged[at] = byte;
            // Version and checksum.
            protocol::rdb::append_footer(&mut damaged);
            match load(&damaged) {
                Some(stream) => {
                    stream.check();
                    all(&stream);
                    kept += 1;
                }
                None => refused += 1,
            }
        }
    }
    assert!(kept > 1_000 && refused > 10_000, "{kept} kept, {refused} refused");
}

#[derive(Clone, Debug)]
enum Step {
    Add { ms: u64, seq: u64, fields: u8, count: u8 },
    Delete(usize),
    Trim(Trim),
    Range(u64, u64),
    Reload,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let keep = prop_oneof![
        (0..300u64).prop_map(Keep::Length),
        (0..300u64).prop_map(|ms| Keep::From(id(ms, 0)))
    ];
    let trim = (keep, any::<bool>(), prop_oneof![Just(0), 1..50u64]);
    let step = prop_oneof![
        6 => (0..3u64, 0..4u64, 0..3u8, 1..40u8)
            .prop_map(|(ms, seq, fields, count)| Step::Add { ms, seq, fields, count }),
        5 => any::<usize>().prop_map(Step::Delete),
        1 => trim.prop_map(|(keep, approximate, limit)| {
            Step::Trim(Trim { keep, approximate, limit: if approximate { limit } else { 0 } })
        }),
        1 => (0..300u64, 0..300u64).prop_map(|(from, to)| Step::Range(from, to)),
        1 => Just(Step::Reload),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_stream_is_a_map_of_ids(steps in steps()) {
        let mut stream = Stream::new();
        let mut model: BTreeMap<StreamId, Pairs> = BTreeMap::new();
        let mut added = 0;
        for step in steps {
            match step {
                Step::Add { ms, seq, fields, count } => for n in 0..count {
                    let last = stream.entries().last_id();
                    let new = if ms > 0 { id(last.ms + ms, seq) } else { last.next().expect("small") };
                    let text = n.to_string();
                    let pairs: Vec<(&[u8], &[u8])> = match fields {
                        0 => vec![(b"f", text.as_bytes())],
                        1 => vec![(b"f", b"long text"), (b"7", text.as_bytes())],
                        _ => vec![(text.as_bytes(), b"")],
                    };
                    add(&mut stream, new, &pairs, &LIMITS);
                    let pairs = pairs.iter().map(|(f, v)| (f.to_vec(), v.to_vec()));
                    model.insert(new, pairs.collect());
                    added += 1;
                },
                Step::Delete(which) => {
                    let chosen = model.keys().nth(which % model.len().max(1)).copied();
                    let chosen = chosen.unwrap_or(id(1, 1));
                    prop_assert_eq!(stream.entries_mut().delete(chosen), model.remove(&chosen).is_some());
                    prop_assert!(!stream.entries_mut().delete(chosen));
                }
                Step::Trim(trim) => {
                    let (count, _) = stream.trim(trim);
                    let wanted = match trim.keep {
                        Keep::Length(max) => (model.len() as u64).saturating_sub(max),
                        Keep::From(id) => model.range(..id).count() as u64,
                    };
                    if !trim.approximate {
                        prop_assert_eq!(count, wanted);
                    }
                    prop_assert!(count <= wanted && (trim.limit == 0 || count <= trim.limit));
                    (0..count).for_each(|_| drop(model.pop_first()));
                }
                Step::Range(from, to) => {
                    let (from, to) = (id(from, 2), id(to, 1));
                    let mut expected: Vec<_> = match from <= to {
                        true => model.range(from..=to).map(|(id, p)| (*id, p.clone())).collect(),
                        false => Vec::new(),
                    };
                    prop_assert_eq!(contents(stream.entries().range(from, to)), expected.clone());
                    expected.reverse();
                    prop_assert_eq!(contents(stream.entries().range_down(from, to)), expected);
                }
                Step::Reload => {
                    let again = load(&dump(&stream)).expect("our own");
                    prop_assert_eq!(dump(&again), dump(&stream));
                    stream = again;
                }
            }
            stream.check();
            prop_assert_eq!(stream.len(), model.len());
            prop_assert_eq!(stream.entries().added(), added);
            let ends = (model.keys().next().copied(), model.keys().next_back().copied());
            prop_assert_eq!(stream.entries().first_id(), ends.0.unwrap_or_default());
            prop_assert_eq!(stream.entries().last_live_id(), ends.1);
        }
        let expected: Vec<_> = model.into_iter().collect();
        for (id, pairs) in &expected {
            let entry = stream.entries().get(*id).expect("there");
            prop_assert_eq!(&contents([entry].into_iter())[0].1, pairs);
        }
        prop_assert_eq!(all(&stream), expected);
    }

    #[test]
    fn pending_entries_have_one_owner(
        steps in prop::collection::vec((0..12u8, 0..400u64, 0..4u8), 1..1200),
    ) {
        let mut stream = Stream::new();
        stream.add_group(b"g", StreamId::MIN, None);
        let (_, group) = stream.group_mut(b"g").expect("added");
        let mut model: BTreeMap<StreamId, (u8, u64)> = BTreeMap::new();
        for (count, (kind, ms, owner)) in steps.into_iter().enumerate() {
            let (at, count) = (id(ms, 1), count as u64);
            match kind {
                0..=7 => {
                    let consumer = match group.find(&[owner]) {
                        Some(slot) => slot,
                        None => group.add_consumer(&[owner], 0).expect("new"),
                    };
                    group.set_pending(Pending { id: at, delivered_ms: 0, count, consumer });
                    model.insert(at, (owner, count));
                }
                8..=10 => prop_assert_eq!(group.acknowledge(at), model.remove(&at).is_some()),
                _ if ms < 40 => {
                    let owned = model.values().filter(|(who, _)| *who == owner).count();
                    let removed = group.remove_consumer(&[owner]);
                    prop_assert_eq!(removed.unwrap_or(0), owned);
                    model.retain(|_, (who, _)| *who != owner);
                }
                _ => {}
            }
            let pending = group.pending(at).map(|entry| entry.count);
            prop_assert_eq!(pending, model.get(&at).map(|(_, count)| *count));
            if count % 16 == 0 {
                group.check();
            }
        }
        group.check();
        let all: Vec<_> = group.pending_from(id(100, 0)).map(|entry| {
            (entry.id, (group.consumer(entry.consumer).name()[0], entry.count))
        }).collect();
        prop_assert_eq!(all, model.range(id(100, 0)..).map(|(k, v)| (*k, *v)).collect::<Vec<_>>());
        for consumer in group.consumers() {
            let own = model.iter().filter(|(_, (who, _))| *who == consumer.name()[0]);
            let own: Vec<_> = own.map(|(id, _)| *id).collect();
            prop_assert_eq!(consumer.pending_from(StreamId::MIN).collect::<Vec<_>>(), own);
        }
    }
}
