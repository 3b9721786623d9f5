//! What is refused to a primary or a file, and why: for its shape by all data, for the data by some.

use super::{SAMPLE, WRITES, name};
use crate::command::{self, HasFlags};
use crate::refusal::Kind;
use crate::refused::REFUSED_MAX;
use crate::session::Peer;
use crate::testing::{Server, with};

/// Words that take the place of others: what is no number, what is one at its limits, and nothing.
const WORDS: &[&str] = &[
    "x",
    "-1",
    "0",
    "1.5",
    "nan",
    "(1",
    "5-5",
    "9223372036854775807",
    "-9223372036854775808",
    "\"\"",
];

/// A request with a word less, a word more, and each of its words but the name exchanged.
fn variants(line: &str) -> Vec<String> {
    // RESTORE's payload has no blanks that would part it.
    let words: Vec<&str> = line.split(' ').collect();
    let mut all = vec![line.to_string(), format!("{line} x"), format!("{line} 1")];
    for at in 1..words.len() {
        let mut fewer = words.clone();
        fewer.remove(at);
        all.push(fewer.join(" "));
        all.extend(WORDS.iter().map(|word| {
            let mut other = words.clone();
            other[at] = word;
            other.join(" ")
        }));
    }
    all
}

/// States of data that a request may meet: none, the sample, and all of the sample's keys of one type.
fn states() -> Vec<Vec<String>> {
    let keys: Vec<&str> =
        SAMPLE.iter().map(|line| line.split(' ').nth(1).expect("a key")).collect();
    let all_are = |make: &[&str]| {
        let lines =
            keys.iter().flat_map(|key| make.iter().map(move |line| line.replace("KEY", key)));
        lines.collect::<Vec<String>>()
    };
    vec![
        Vec::new(),
        SAMPLE.iter().map(|line| line.to_string()).collect(),
        all_are(&["SET KEY 1"]),
        all_are(&["SET KEY text"]),
        all_are(&["SET KEY 9223372036854775807"]),
        all_are(&["DEL KEY", "RPUSH KEY a b c"]),
        all_are(&["DEL KEY", "HSET KEY f 1 g 2 h 3"]),
        all_are(&["DEL KEY", "SADD KEY 1 2 a"]),
        all_are(&["DEL KEY", "ZADD KEY 1 a 2 b 3 c"]),
        all_are(&["DEL KEY", "XADD KEY 1-1 f v", "XGROUP CREATE KEY g 0"]),
    ]
}

#[test]
fn what_is_refused_for_its_shape_is_refused_by_all_data_and_changes_none() {
    let states: Vec<Vec<String>> = states();
    let (mut shapes, mut data) = (0, 0);
    for line in WRITES.iter() {
        for request in variants(line) {
            let (mut refused, mut changed) = (None, None);
            for (at, state) in states.iter().enumerate() {
                let lines: Vec<&str> = state.iter().map(String::as_str).collect();
                let mut server = with(&lines);
                let before = server.digest();
                let (_, refusals) = server.feed(Peer::Loader, false, &[&request]);
                match refusals.list.first() {
                    Some(refusal) if refusal.kind == Kind::Shape => {
                        assert_eq!(server.digest(), before, "{request}: {}", refusal.text);
                        refused = refused.or(Some((at, refusal.text.clone())));
                    }
                    Some(refusal) => data += usize::from(refusal.kind == Kind::State),
                    None if server.engine.dirty > 0 => changed = changed.or(Some(at)),
                    None => {}
                }
            }
            shapes += usize::from(refused.is_some());
            if let (Some((refusing, text)), Some(changing)) = (refused, changed) {
                panic!("{request}: state {refusing} refuses it ({text}), {changing} takes it");
            }
        }
    }
    assert!(shapes > 1000 && data > 1000, "both kinds occur: {shapes}, {data}");
}

#[test]
fn kinds_of_refusals() {
    let of_state = [
        "INCR string",
        "INCRBYFLOAT string 1",
        "LPUSH string a",
        "LSET none 0 a",
        "LSET list 100 a",
        "RENAME none new",
        "HINCRBY hash h 1",
        "HINCRBYFLOAT hash h 1",
        "ZINCRBY infinite -inf a",
        "XADD stream 1-1 f v",
        "XSETID stream 1-1",
        "XSETID none 1-1",
        "XGROUP CREATE stream g 0",
        "XGROUP CREATE none g 0",
        "XGROUP SETID stream none 0",
        "XCLAIM stream none c 0 1-1",
        "XREADGROUP GROUP none c STREAMS stream >",
        r#"RESTORE string 0 "\x00\x01s\n\x00jg6\xacbG:\x97""#,
        "PFADD string a",
        "PFMERGE new string",
        "SORT set STORE new",
        "GEOSEARCHSTORE new geo FROMMEMBER none BYRADIUS 1 m",
        "INCRBY largest 1",
    ];
    let of_shape = [
        "SET string",
        "SET string x IFEQ s",
        "SET string x EX",
        "SET string x EX 0",
        "GETEX string EX x",
        "INCRBY string x",
        "INCRBYFLOAT number x",
        "HSET hash f",
        "HINCRBY hash f x",
        "SELECT 99",
        "SELECT x",
        "SWAPDB 0 99",
        "MOVE string 99",
        "COPY string new DB 99",
        "EXPIRE string 10 XX NX",
        "LMOVE list list2 UP DOWN",
        "ZADD zset NX GT 1 a",
        "XADD stream KEEPREF 9-9 f v",
        "XTRIM stream MAXLEN",
        "RESTORE new 0 rubbish",
        "EXEC",
        "BITFIELD bits SET u64 0 1",
        "FLUSHALL FULLY",
        "FUNCTION LOAD x",
    ];
    let unknown = ["HEXPIRE hash 10 FIELDS 1 f", "XGROUP RENAME stream g h", "NOSUCH"];
    let lines = [&SAMPLE[..], &["ZADD infinite inf a", "SET largest 9223372036854775807"]].concat();
    for (requests, kind) in
        [(&of_state[..], Kind::State), (&of_shape[..], Kind::Shape), (&unknown[..], Kind::Unknown)]
    {
        for request in requests {
            for peer in [Peer::Loader, Peer::Primary] {
                let (_, refusals) = with(&lines).feed(peer, true, &[request]);
                let found = refusals.list.first().unwrap_or_else(|| panic!("{request} was taken"));
                assert_eq!(found.kind, kind, "{request}: {}", found.text);
                let of = crate::family::table().find(name(request).as_bytes());
                assert!(of.is_none_or(|spec| found.name.starts_with(spec.name)), "{request}");
            }
        }
    }
    // What a client is refused says nothing about the data.
    let mut server = with(&lines);
    assert!(server.run("SET string").starts_with("-ERR"));
    assert!(server.engine.take_refused().list.is_empty());
}

#[test]
fn a_batch_halts_behind_what_cannot_have_failed_elsewhere() {
    let batch = ["SET a 1", "INCR text", "SET a", "NOSUCH", "SET b 1"];
    let mut server = with(&["SET text x"]);
    let (done, refusals) = server.feed(Peer::Primary, true, &batch);
    assert_eq!(done, 3, "up to the first that differs");
    let seen: Vec<_> = refusals.list.iter().map(|r| (r.index, &r.name[..], r.kind)).collect();
    assert_eq!(seen, [(1, "incr", Kind::State), (2, "set", Kind::Shape)]);
    assert_eq!(server.run("MGET a b"), "[1 nil]");
    let (done, refusals) = server.feed(Peer::Primary, false, &batch);
    assert_eq!((done, refusals.list.len()), (5, 3));
    assert_eq!(server.run("GET b"), "1");
    let (_, refusals) = server.feed(Peer::Primary, true, &["SET a 2"]);
    assert!(refusals.list.is_empty(), "a batch forgets the one before");
}

#[test]
fn of_a_transaction_all_is_done_that_can_be_and_half_done_ones_are_told() {
    let batch = ["MULTI", "SET a 1", "NOSUCH", "SET b 1", "EXEC"];
    let mut server = Server::new();
    let (done, refusals) = server.feed(Peer::Primary, true, &batch);
    assert_eq!((done, refusals.list[0].index, refusals.list[0].half_done), (3, 2, false));
    server.ok("DISCARD");
    assert_eq!(server.run("EXISTS a"), "0", "it halts before anything was done");
    let mut server = Server::new();
    let (done, refusals) = server.feed(Peer::Primary, false, &batch);
    assert_eq!((done, refusals.list.len()), (5, 1));
    assert_eq!(server.run("MGET a b"), "[1 1]");

    for (first, half_done) in [("SET a 1", true), ("DEL a", false)] {
        let mut server = Server::new();
        let batch = ["MULTI", first, "SET b x IFEQ y", "EXEC"];
        let (done, refusals) = server.feed(Peer::Primary, true, &batch);
        assert_eq!((done, refusals.list[0].index), (4, 3));
        assert_eq!(refusals.list[0].half_done, half_done, "{first}");
    }
}

#[test]
fn refusals_of_a_batch_have_a_bound() {
    let mut batch = vec!["MULTI"];
    batch.resize(REFUSED_MAX + 11, "INCR text");
    batch.push("EXEC");
    let (_, refusals) = with(&["SET text x"]).feed(Peer::Primary, true, &batch);
    assert_eq!((refusals.list.len(), refusals.more), (REFUSED_MAX, 10));
    // One that nobody else would refuse is among them, wherever it stands.
    let exec = batch.pop().expect("EXEC");
    batch.extend(["SET a 1 IFEQ x", "INCR text", exec]);
    let (done, refusals) = with(&["SET text x"]).feed(Peer::Primary, true, &batch);
    assert_eq!((done, refusals.list.len(), refusals.more), (batch.len(), REFUSED_MAX, 12));
    assert_eq!(refusals.list.iter().filter(|refused| refused.is_difference()).count(), 1);
}

#[test]
fn what_a_primary_or_a_file_makes_may_be_longer_than_what_a_client_may() {
    for line in ["APPEND text 123456", "SETRANGE text 6 123456", "SETBIT text 88 1"] {
        let mut server = with(&["SET text x"]);
        server.engine.string_max = 6;
        let (_, refusals) = server.feed(Peer::Loader, true, &[line]);
        assert!(refusals.list.is_empty(), "{line}: {refusals:?}");
        assert!(server.run(line).starts_with("-ERR"), "{line}");
    }
    let spec = crate::family::table().find(b"append").expect("a command");
    assert!(spec.flags.has(command::WRITE));
}

#[test]
fn what_newer_servers_pass_on_is_taken_as_they_mean_it() {
    // Redis from 7.2 on has 32 bits for an index, and adds times without a look at the sum.
    let mut server = with(&["RPUSH list a b c"]);
    let lines = [
        "LSET list 4294967297 new",
        r#"RESTORE over -5 "\x00\x01s\n\x00jg6\xacbG:\x97" ABSTTL"#,
        "ZADD zset 1e-310 a 1 b",
        "ZREMRANGEBYSCORE zset 1e-310 1e-309",
    ];
    let (done, refusals) = server.feed(Peer::Primary, true, &lines);
    assert_eq!((done, refusals.list), (lines.len(), Vec::new()));
    assert_eq!(server.run("LRANGE list 0 -1"), "[a new c]");
    assert_eq!(
        (server.run("EXISTS over"), server.run("ZRANGE zset 0 -1")),
        ("0".into(), "[b]".into())
    );
    // Clients are told.
    assert!(server.run("LSET list 4294967297 x").starts_with("-ERR index"));
}
