//! SORT: orders, patterns, limits, stores, effects.

use crate::testing::{Server, WRONG_TYPE, expect, with};

const SAMPLE: &[&str] = &[
    "RPUSH list 10 9 2 1 4 3",
    "RPUSH words b a C aa",
    "RPUSH mixed 5 x",
    "SADD set 3 1 2",
    "ZADD zset 1 c 5 b 2 a 3 d",
    "MSET w_1 30 w_2 20 w_3 10 w_4 x",
    "MSET n_1 one n_2 two n_3 three",
    "HSET h_1 weight 3 name uno",
    "HSET h_2 weight 2 name dos",
    "HSET h_3 weight 1",
    "SET string s",
];

#[test]
fn elements_come_in_order() {
    let mut server = with(SAMPLE);
    expect(
        &mut server,
        &[
            ("SORT list", "[1 2 3 4 9 10]"),
            ("SORT list DESC", "[10 9 4 3 2 1]"),
            ("SORT list DESC ASC", "[1 2 3 4 9 10]"),
            ("SORT list ALPHA", "[1 10 2 3 4 9]"),
            ("SORT list LIMIT 1 2", "[2 3]"),
            ("SORT list LIMIT -5 2", "[1 2]"),
            ("SORT list LIMIT 4 -1 DESC", "[2 1]"),
            ("SORT list LIMIT 2 0", "[]"),
            ("SORT list LIMIT 100 1", "[]"),
            ("SORT list LIMIT 5 9223372036854775807", "[10]"),
            ("SORT_RO list", "[1 2 3 4 9 10]"),
            ("SORT words ALPHA", "[C a aa b]"),
            ("SORT set", "[1 2 3]"),
            ("SORT zset ALPHA DESC", "[d c b a]"),
            ("SORT none", "[]"),
        ],
    );
}

#[test]
fn other_keys_say_the_order() {
    let mut server = with(SAMPLE);
    expect(
        &mut server,
        &[
            ("SORT set BY w_*", "[3 2 1]"),
            ("SORT set BY w_* DESC", "[1 2 3]"),
            ("SORT set BY n_* ALPHA", "[1 3 2]"),
            ("SORT set BY h_*->weight", "[3 2 1]"),
            ("SORT set BY h_*->name ALPHA", "[3 2 1]"),
            ("SORT set BY none_*", "[1 2 3]"),
            ("SORT set BY h_*", "[1 2 3]"),
            ("SORT set BY w_*->weight", "[1 2 3]"),
            ("SORT set BY w_* LIMIT 1 1", "[2]"),
            ("SORT list BY nosort", "[10 9 2 1 4 3]"),
            ("SORT list BY nosort DESC LIMIT 1 2", "[4 1]"),
            ("SORT list BY # ALPHA", "[10 9 2 1 4 3]"),
            ("SORT list BY nosort BY w_* LIMIT 0 2", "[10 9]"),
            ("SORT zset BY nosort", "[c a d b]"),
            ("SORT zset BY nosort DESC LIMIT 1 2", "[d a]"),
            ("SORT zset BY nosort LIMIT 3 5", "[b]"),
        ],
    );
}

#[test]
fn other_keys_are_shown() {
    let mut server = with(SAMPLE);
    expect(
        &mut server,
        &[
            ("SORT set GET n_*", "[one two three]"),
            ("SORT set GET # GET h_*->name GET w_*", "[1 uno 30 2 dos 20 3 nil 10]"),
            ("SORT set GET nothing", "[nil nil nil]"),
            ("SORT set GET n_*-> GET h_*->none", "[nil nil nil nil nil nil]"),
            ("SORT set BY w_* GET n_* LIMIT 0 1", "[three]"),
            ("SORT set GET list GET w_*->x", "[nil nil nil nil nil nil]"),
        ],
    );
    server.resp3(true);
    assert_eq!(server.run("SORT set GET h_*->name"), "[uno dos _]");
}

#[test]
fn results_are_stored() {
    let mut server = with(SAMPLE);
    server.listen();
    server.resp3(true);
    for (line, reply, changes, events) in [
        ("SORT list STORE d", "6", 6, "sortstore:d"),
        ("SORT set GET # GET h_*->name STORE d", "6", 6, "sortstore:d"),
        ("SORT set BY nosort STORE set2", "3", 3, "sortstore:set2"),
        ("SORT list LIMIT 0 2 STORE string", "2", 2, "sortstore:string"),
        ("SORT none STORE string", "0", 1, "del:string"),
        ("SORT none STORE string", "0", 0, ""),
        ("SORT list LIMIT 9 1 STORE list", "0", 1, "del:list"),
    ] {
        server.engine.dirty = 0;
        assert_eq!(server.run(line), reply, "{line}");
        assert_eq!((server.engine.dirty, server.events().as_str()), (changes, events), "{line}");
        // What was stored is passed on, not how it was found.
        let journal = server.journal();
        let expected = match (changes, reply) {
            (0, _) => journal.is_empty(),
            (_, "0") => journal == events.replace("del:", "DEL "),
            _ => journal.contains("RPUSH ") && !journal.contains("SORT"),
        };
        assert!(expected, "{line}: {journal}");
    }
    assert_eq!(server.run("LRANGE d 0 -1"), "[1 uno 2 dos 3 ]");
    assert_eq!(server.run("LRANGE set2 0 -1"), "[1 2 3]");
}

#[test]
fn requests_are_refused() {
    let number = "-ERR One or more scores can't be converted into double";
    let mut server = with(SAMPLE);
    expect(
        &mut server,
        &[
            ("SORT string", WRONG_TYPE),
            ("SORT h_1", WRONG_TYPE),
            ("SORT string LIMIT", "-ERR syntax error"),
            ("SORT list LIMIT 1", "-ERR syntax error"),
            ("SORT list BY", "-ERR syntax error"),
            ("SORT list GET", "-ERR syntax error"),
            ("SORT list STORE", "-ERR syntax error"),
            ("SORT list SOMEHOW", "-ERR syntax error"),
            ("SORT_RO list STORE d", "-ERR syntax error"),
            ("SORT list LIMIT x 1", "-ERR value is not an integer or out of range"),
            ("SORT list LIMIT 0 x WHAT", "-ERR value is not an integer or out of range"),
            ("SORT words", number),
            ("SORT mixed STORE list", number),
            ("LLEN list", "6"),
            ("SORT list BY w_*", number),
            ("SORT mixed LIMIT 0 1", number),
        ],
    );
    assert_eq!(server.journal(), "");
}

#[test]
fn keys_that_expired_are_gone_first() {
    let mut server = with(&["SADD s 1 2", "MSET w_1 5 w_2 1", "PEXPIRE w_1 10"]);
    server.engine.now_ms += 20;
    assert_eq!(server.run("SORT s BY w_* STORE d"), "2");
    assert_eq!(server.journal(), "MULTI | DEL w_1 | RPUSH d 1 2 | EXEC");
    assert_eq!(server.run("LRANGE d 0 -1"), "[1 2]");
}

#[test]
fn keys_are_found_behind_options() {
    let mut server = with(&[]);
    for (line, keys) in [
        ("COMMAND GETKEYS SORT k", "[k]"),
        ("COMMAND GETKEYS SORT k BY STORE GET STORE LIMIT 0 STORE ALPHA STORE d", "[k d]"),
        ("COMMAND GETKEYS SORT k STORE a STORE b", "[k b]"),
        ("COMMAND GETKEYS SORT k STORE", "[k]"),
        ("COMMAND GETKEYS SORT_RO k BY x_*", "[k]"),
    ] {
        assert_eq!(server.run(line), keys, "{line}");
    }
}

#[test]
fn command_says_that_keys_are_behind_options() {
    let mut server = with(&[]);
    let shown = server.run("COMMAND INFO SORT");
    assert!(shown.contains("+movablekeys") && shown.contains("unknown"), "{shown}");
    assert!(shown.contains("] 1 1 1 ["), "{shown}");
    assert!(shown.contains("+@list") && shown.contains("+@dangerous"), "{shown}");
}

#[test]
fn effects_make_a_copy_equal() {
    for line in [
        "SORT set BY nosort STORE d",
        "SORT zset ALPHA DESC STORE list",
        "SORT set BY same_* ALPHA GET # GET n_* STORE d",
        "SORT none STORE list",
    ] {
        let (mut primary, mut replica): (Server, Server) = (with(SAMPLE), with(SAMPLE));
        primary.ok(line);
        replica.replay(&mut primary);
        assert_eq!(primary.digest(), replica.digest(), "{line}");
    }
}

/// Against sorting everything and cutting it.
#[test]
fn limits_cut_what_is_sorted() {
    let mut server = with(&[]);
    for number in 0..500u64 {
        server.ok(&format!("RPUSH list {}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 97));
    }
    for order in ["ASC", "DESC"] {
        for kind in ["", "ALPHA", "BY none_*", "BY none_* ALPHA"] {
            let all = server.run(&format!("SORT list {kind} {order}"));
            let all: Vec<&str> = all.trim_matches(['[', ']']).split(' ').collect();
            for (offset, count) in [(0, 1), (3, 10), (490, 20), (0, 500), (499, 1)] {
                let part = server.run(&format!("SORT list {kind} {order} LIMIT {offset} {count}"));
                let expected = all[offset..500.min(offset + count)].join(" ");
                assert_eq!(part, format!("[{expected}]"), "{kind} {order} {offset} {count}");
            }
        }
    }
}
