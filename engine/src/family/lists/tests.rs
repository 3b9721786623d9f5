//! List commands: replies, errors, events, effects.

use crate::testing::{WRONG_TYPE, expect, with};

#[test]
fn every_command_refuses_another_type() {
    let mut server = with(&["SET s x", "RPUSH l a"]);
    for line in [
        "LINDEX s 0",
        "LINSERT s BEFORE a b",
        "LLEN s",
        "LMOVE s l LEFT LEFT",
        "LMOVE l s LEFT LEFT",
        "LMPOP 2 none s LEFT",
        "LPOP s",
        "LPOP s 0",
        "LPOS s a",
        "LPUSH s a",
        "LPUSHX s a",
        "LRANGE s 0 -1",
        "LREM s 0 a",
        "LSET s 0 a",
        "LTRIM s 0 0",
        "RPOP s",
        "RPOPLPUSH s l",
        "RPOPLPUSH l s",
        "RPUSH s a",
        "RPUSHX s a",
    ] {
        assert_eq!(server.run(line), WRONG_TYPE, "{line}");
    }
    assert_eq!((server.journal(), server.run("LRANGE l 0 -1")), (String::new(), "[a]".into()));
}

#[test]
fn a_missing_key_is_an_empty_list() {
    let mut server = with(&[]);
    expect(
        &mut server,
        &[
            ("LINDEX l 0", "nil"),
            ("LINDEX l nonsense", "nil"),
            ("LINSERT l BEFORE a b", "0"),
            ("LLEN l", "0"),
            ("LMOVE l m LEFT RIGHT", "nil"),
            ("LMPOP 2 l m LEFT", "nil[]"),
            ("LPOP l", "nil"),
            ("LPOP l 2", "nil[]"),
            ("LPOP l 0", "nil[]"),
            ("RPOP l", "nil"),
            ("LPOS l a", "nil"),
            ("LPOS l a COUNT 0", "[]"),
            ("LPUSHX l a", "0"),
            ("RPUSHX l a", "0"),
            ("LRANGE l 0 -1", "[]"),
            ("LREM l 0 a", "0"),
            ("LSET l 0 a", "-ERR no such key"),
            ("LTRIM l 0 0", "+OK"),
            ("RPOPLPUSH l l", "nil"),
            ("EXISTS l", "0"),
        ],
    );
    assert_eq!(server.journal(), "");
    server.resp3(true);
    expect(&mut server, &[("LPOP l", "_"), ("LPOP l 2", "_"), ("LMPOP 1 l LEFT", "_")]);
}

#[test]
fn elements_are_pushed_and_read() {
    let mut server = with(&[]);
    expect(
        &mut server,
        &[
            ("RPUSH l c d", "2"),
            ("LPUSH l b a", "4"),
            ("LPUSHX l 0", "5"),
            ("RPUSHX l 9 x", "7"),
            ("LRANGE l 0 -1", "[0 a b c d 9 x]"),
            ("LRANGE l -3 100", "[d 9 x]"),
            ("LRANGE l 5 2", "[]"),
            ("LRANGE l x 2", "-ERR value is not an integer or out of range"),
            ("LINDEX l -1", "x"),
            ("LINDEX l 7", "nil"),
            ("LINDEX l -8", "nil"),
            ("LINDEX l -9223372036854775808", "nil"),
            ("LINDEX l x", "-ERR value is not an integer or out of range"),
            ("LLEN l", "7"),
        ],
    );
    assert_eq!(server.journal(), "RPUSH l c d; LPUSH l b a; LPUSHX l 0; RPUSHX l 9 x");
    assert_eq!(server.engine.dirty, 7);
}

#[test]
fn elements_are_popped_from_both_ends() {
    let mut server = with(&["RPUSH l a b c d e f"]);
    expect(
        &mut server,
        &[
            ("LPOP l", "a"),
            ("RPOP l", "f"),
            ("RPOP l 2", "[e d]"),
            ("LPOP l 0", "[]"),
            ("LPOP l -1", "-ERR value is out of range, must be positive"),
            ("LPOP l x", "-ERR value is out of range, must be positive"),
            ("LPOP l 1 2", "-ERR wrong number of arguments for 'lpop' command"),
            ("RPOP l 1 2", "-ERR wrong number of arguments for 'rpop' command"),
            ("LPOP l 9223372036854775807", "[b c]"),
            ("EXISTS l", "0"),
        ],
    );
    assert_eq!(server.journal(), "LPOP l; RPOP l; RPOP l 2; LPOP l 9223372036854775807");
}

#[test]
fn elements_are_inserted_replaced_and_removed() {
    let mut server = with(&["RPUSH l a b a c a"]);
    expect(
        &mut server,
        &[
            ("LINSERT l BEFORE c x", "6"),
            ("LINSERT l after a y", "7"),
            ("LINSERT l BEFORE none z", "-1"),
            ("LINSERT l BESIDE a z", "-ERR syntax error"),
            ("LRANGE l 0 -1", "[a y b a x c a]"),
            ("LSET l -1 last", "+OK"),
            ("LSET l 7 z", "-ERR index out of range"),
            ("LSET l x z", "-ERR value is not an integer or out of range"),
            ("LREM l -1 a", "1"),
            ("LREM l -9223372036854775808 nothing", "0"),
            ("LRANGE l 0 -1", "[a y b x c last]"),
            ("LTRIM l 1 -2", "+OK"),
            ("LTRIM l 0 -1", "+OK"),
            ("LRANGE l 0 -1", "[y b x c]"),
            ("LTRIM l 5 9", "+OK"),
            ("EXISTS l", "0"),
            ("RPUSH l 5 5", "2"),
            ("LREM l 0 5", "2"),
            ("EXISTS l", "0"),
        ],
    );
    assert_eq!(
        server.journal(),
        "LINSERT l BEFORE c x; LINSERT l after a y; LSET l -1 last; LREM l -1 a; LTRIM l 1 -2; \
         LTRIM l 5 9; RPUSH l 5 5; LREM l 0 5"
    );
}

#[test]
fn positions_are_found_from_both_ends() {
    let mut server = with(&["RPUSH l a b c 1 2 3 c c"]);
    expect(
        &mut server,
        &[
            ("LPOS l c", "2"),
            ("LPOS l 3", "5"),
            ("LPOS l c RANK 2", "6"),
            ("LPOS l c RANK 4", "nil"),
            ("LPOS l c RANK -1", "7"),
            ("LPOS l c RANK -2 COUNT 0", "[6 2]"),
            ("LPOS l c COUNT 2", "[2 6]"),
            ("LPOS l c COUNT 0 RANK 2", "[6 7]"),
            ("LPOS l c COUNT 0 MAXLEN 7", "[2 6]"),
            ("LPOS l c MAXLEN 2", "nil"),
            ("LPOS l none COUNT 0", "[]"),
            (
                "LPOS l c RANK 0",
                "-ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list",
            ),
            (
                "LPOS l c RANK -9223372036854775808",
                "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
            ),
            ("LPOS l c RANK", "-ERR syntax error"),
            ("LPOS l c COUNT -1", "-ERR COUNT can't be negative"),
            ("LPOS l c MAXLEN -1", "-ERR MAXLEN can't be negative"),
            ("LPOS l c OTHER 1", "-ERR syntax error"),
        ],
    );
}

#[test]
fn elements_move_between_lists() {
    let mut server = with(&["RPUSH l a b c"]);
    expect(
        &mut server,
        &[
            ("LMOVE l m LEFT RIGHT", "a"),
            ("LMOVE l m right left", "c"),
            ("LRANGE m 0 -1", "[c a]"),
            ("LMOVE m m LEFT RIGHT", "c"),
            ("LRANGE m 0 -1", "[a c]"),
            ("RPOPLPUSH m m", "c"),
            ("RPOPLPUSH l m", "b"),
            ("LRANGE m 0 -1", "[b c a]"),
            ("EXISTS l", "0"),
            ("RPUSH l x", "1"),
            ("RPOPLPUSH l l", "x"),
            ("LLEN l", "1"),
            ("LMOVE l m UP DOWN", "-ERR syntax error"),
        ],
    );
    assert_eq!(
        server.journal(),
        "LMOVE l m LEFT RIGHT; LMOVE l m right left; LMOVE m m LEFT RIGHT; RPOPLPUSH m m; \
         RPOPLPUSH l m; RPUSH l x; RPOPLPUSH l l"
    );
}

#[test]
fn the_first_list_there_is_gives_elements() {
    let mut server = with(&["RPUSH l a b c d", "RPUSH m x"]);
    expect(
        &mut server,
        &[
            ("LMPOP 3 none l m LEFT", "[l [a]]"),
            ("LMPOP 2 none l RIGHT COUNT 2", "[l [d c]]"),
            ("LMPOP 2 l m left count 10", "[l [b]]"),
            ("LMPOP 2 l m RIGHT", "[m [x]]"),
            ("DBSIZE", "0"),
            ("LMPOP 0 l LEFT", "-ERR numkeys should be greater than 0"),
            ("LMPOP x l LEFT", "-ERR numkeys should be greater than 0"),
            ("LMPOP 2 l LEFT", "-ERR syntax error"),
            ("LMPOP 9223372036854775807 l LEFT", "-ERR syntax error"),
            ("LMPOP 1 l UP", "-ERR syntax error"),
            ("LMPOP 1 l LEFT COUNT", "-ERR syntax error"),
            ("LMPOP 1 l LEFT COUNT 0", "-ERR count should be greater than 0"),
            ("LMPOP 1 l LEFT COUNT x", "-ERR count should be greater than 0"),
            ("LMPOP 1 l LEFT COUNT 1 COUNT 1", "-ERR syntax error"),
        ],
    );
    assert_eq!(server.journal(), "LPOP l 1; RPOP l 2; LPOP l 1; RPOP m 1");
    assert_eq!(server.engine.dirty, 5);
}

#[test]
fn events_are_published_in_order() {
    let mut server = with(&[]);
    server.listen();
    for (line, events) in [
        ("RPUSH l a b", "rpush:l"),
        ("LPUSH l c", "lpush:l"),
        ("LMOVE l m LEFT RIGHT", "rpush:m lpop:l"),
        ("RPOPLPUSH m l", "lpush:l rpop:m del:m"),
        ("LINSERT l BEFORE a x", "linsert:l"),
        ("LINSERT l BEFORE none x", ""),
        ("LSET l 0 y", "lset:l"),
        ("LTRIM l 0 -1", "ltrim:l"),
        ("LREM l 0 y", "lrem:l"),
        ("LPOP l", "lpop:l"),
        ("RPOP l 5", "rpop:l del:l"),
        ("RPUSH l a", "rpush:l"),
        ("LMPOP 1 l LEFT", "lpop:l del:l"),
        ("RPUSH l a", "rpush:l"),
        ("LTRIM l 1 0", "ltrim:l del:l"),
    ] {
        server.ok(line);
        assert_eq!(server.events(), events, "{line}");
    }
}

#[test]
fn a_long_list_becomes_a_chain_and_back() {
    let mut server = with(&[]);
    for n in 0..3000 {
        server.ok(&format!("RPUSH l element-{n}"));
    }
    expect(
        &mut server,
        &[
            ("OBJECT ENCODING l", "quicklist"),
            ("LINDEX l 1500", "element-1500"),
            ("LRANGE l -2 -1", "[element-2998 element-2999]"),
            ("LTRIM l 10 12", "+OK"),
            ("OBJECT ENCODING l", "listpack"),
            ("LRANGE l 0 -1", "[element-10 element-11 element-12]"),
        ],
    );
}
