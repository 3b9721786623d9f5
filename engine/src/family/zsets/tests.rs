//! Sorted set commands on single members: replies, errors, events, effects.

use crate::testing::{WRONG_TYPE, expect, sorted, with};

#[test]
fn every_command_refuses_another_type() {
    let mut server = with(&["SET s x"]);
    for line in [
        "ZADD s 1 a",
        "ZADD s XX 1 a",
        "ZADD s INCR 1 a",
        "ZCARD s",
        "ZINCRBY s 1 a",
        "ZMPOP 2 none s MIN",
        "ZMSCORE s a",
        "ZPOPMAX s",
        "ZPOPMIN s 0",
        "ZRANDMEMBER s",
        "ZRANDMEMBER s 0",
        "ZRANK s a",
        "ZREM s a",
        "ZREVRANK s a",
        "ZSCAN s 0",
        "ZSCORE s a",
    ] {
        assert_eq!(server.run(line), WRONG_TYPE, "{line}");
    }
    assert_eq!(server.journal(), "");
}

#[test]
fn a_missing_key_is_an_empty_sorted_set() {
    let mut server = with(&[]);
    expect(
        &mut server,
        &[
            ("ZADD z XX 1 a", "0"),
            ("ZADD z XX INCR 1 a", "nil"),
            ("ZCARD z", "0"),
            ("ZMPOP 2 z y MAX", "nil[]"),
            ("ZMSCORE z a b", "[nil nil]"),
            ("ZPOPMAX z", "[]"),
            ("ZPOPMIN z 3", "[]"),
            ("ZRANDMEMBER z", "nil"),
            ("ZRANDMEMBER z 3 WITHSCORES", "[]"),
            ("ZRANK z a", "nil"),
            ("ZRANK z a WITHSCORE", "nil[]"),
            ("ZREVRANK z a", "nil"),
            ("ZREM z a", "0"),
            ("ZSCAN z 0", "[0 []]"),
            ("ZSCORE z a", "nil"),
            ("EXISTS z", "0"),
        ],
    );
    assert_eq!(server.journal(), "");
    server.resp3(true);
    expect(
        &mut server,
        &[
            ("ZADD z XX INCR 1 a", "_"),
            ("ZMPOP 1 z MAX", "_"),
            ("ZMSCORE z a", "[_]"),
            ("ZRANK z a", "_"),
            ("ZRANK z a WITHSCORE", "_"),
            ("ZSCORE z a", "_"),
            ("ZPOPMIN z", "[]"),
        ],
    );
}

#[test]
fn members_get_scores() {
    let mut server = with(&[]);
    expect(
        &mut server,
        &[
            ("ZADD z 1 a 2.5 b -inf low inf high", "4"),
            ("ZADD z 1 a", "0"),
            ("ZADD z 3 a 4 c", "1"),
            ("ZADD z CH 5 a 6 d", "2"),
            ("ZADD z NX 9 a 7 e", "1"),
            ("ZADD z XX CH 1 a 9 none", "1"),
            ("ZADD z GT CH 0 a", "0"),
            ("ZADD z GT CH 2 a", "1"),
            ("ZADD z LT CH 3 a 1 f", "1"),
            ("ZADD z LT XX CH 1.5 a 1 none", "1"),
            ("ZADD z INCR 1 a", "2.5"),
            ("ZADD z NX INCR 1 a", "nil"),
            ("ZADD z GT INCR -1 a", "nil"),
            ("ZADD z INCR 0 a", "2.5"),
            ("ZADD z -0 zero", "1"),
            ("ZSCORE z zero", "0"),
            ("ZSCORE z a", "2.5"),
            ("ZSCORE z low", "-inf"),
            ("ZSCORE z none", "nil"),
            ("ZMSCORE z a none high", "[2.5 nil inf]"),
            ("ZCARD z", "9"),
            ("ZINCRBY z 0.1 a", "2.6"),
            ("ZINCRBY z 4 new", "4"),
            ("ZINCRBY z -inf high", "-ERR resulting score is not a number (NaN)"),
            ("ZSCORE z high", "inf"),
        ],
    );
    assert_eq!(
        server.journal(),
        "ZADD z 1 a 2.5 b -inf low inf high; ZADD z 3 a 4 c; ZADD z CH 5 a 6 d; \
         ZADD z NX 9 a 7 e; ZADD z XX CH 1 a 9 none; ZADD z GT CH 2 a; ZADD z LT CH 3 a 1 f; \
         ZADD z LT XX CH 1.5 a 1 none; ZADD z INCR 1 a; ZADD z -0 zero; ZINCRBY z 0.1 a; \
         ZINCRBY z 4 new"
    );
    assert_eq!(server.engine.dirty, 4 + 2 + 2 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 2);
    server.resp3(true);
    expect(
        &mut server,
        &[
            ("ZSCORE z a", ",2.6"),
            ("ZINCRBY z 1 new", ",5"),
            ("ZADD z INCR 1 new", ",6"),
            ("ZMSCORE z low none", "[,-inf _]"),
        ],
    );
}

#[test]
fn nothing_is_changed_by_a_refused_request() {
    let mut server = with(&[]);
    expect(
        &mut server,
        &[
            ("ZADD z 1 a b", "-ERR syntax error"),
            ("ZADD z NX CH", "-ERR syntax error"),
            ("ZADD z NX XX 1 a", "-ERR XX and NX options at the same time are not compatible"),
            (
                "ZADD z NX GT 1 a",
                "-ERR GT, LT, and/or NX options at the same time are not compatible",
            ),
            (
                "ZADD z LT GT 1 a",
                "-ERR GT, LT, and/or NX options at the same time are not compatible",
            ),
            ("ZADD z INCR 1 a 2 b", "-ERR INCR option supports a single increment-element pair"),
            ("ZADD z 1 a x b", "-ERR value is not a valid float"),
            ("ZADD z nan a", "-ERR value is not a valid float"),
            ("ZINCRBY z x a", "-ERR value is not a valid float"),
            ("EXISTS z", "0"),
        ],
    );
    assert_eq!(server.journal(), "");
}

#[test]
fn ranks_are_counted_from_both_sides() {
    let mut server = with(&["ZADD z 1 a 2 b 2 c 9 d"]);
    expect(
        &mut server,
        &[
            ("ZRANK z a", "0"),
            ("ZRANK z c", "2"),
            ("ZREVRANK z d", "0"),
            ("ZREVRANK z b", "2"),
            ("ZRANK z none", "nil"),
            ("ZRANK z c WITHSCORE", "[2 2]"),
            ("ZREVRANK z c withscore", "[1 2]"),
            ("ZRANK z none WITHSCORE", "nil[]"),
            ("ZRANK z c WITHSCORES", "-ERR syntax error"),
            ("ZRANK z c WITHSCORE x", "-ERR wrong number of arguments for 'zrank' command"),
            ("ZREVRANK z c WITHSCORE x", "-ERR wrong number of arguments for 'zrevrank' command"),
        ],
    );
    server.resp3(true);
    expect(&mut server, &[("ZRANK z c WITHSCORE", "[2 ,2]"), ("ZRANK z none WITHSCORE", "_")]);
}

#[test]
fn members_are_removed() {
    let mut server = with(&["ZADD z 1 a 2 b 3 c"]);
    expect(
        &mut server,
        &[("ZREM z none", "0"), ("ZREM z a none a", "1"), ("ZREM z b c", "2"), ("EXISTS z", "0")],
    );
    assert_eq!(server.journal(), "ZREM z a none a; ZREM z b c");
    assert_eq!(server.engine.dirty, 3);
}

#[test]
fn members_are_popped_from_both_sides() {
    let mut server = with(&["ZADD z 1 a 2 b 3 c 4 d 5 e 6 f"]);
    expect(
        &mut server,
        &[
            ("ZPOPMIN z", "[a 1]"),
            ("ZPOPMAX z", "[f 6]"),
            ("ZPOPMAX z 2", "[e 5 d 4]"),
            ("ZPOPMIN z 0", "[]"),
            ("ZPOPMIN z -1", "-ERR value is out of range, must be positive"),
            ("ZPOPMIN z x", "-ERR value is out of range, must be positive"),
            ("ZPOPMIN z 1 2", "-ERR syntax error"),
            ("ZPOPMIN z 9223372036854775807", "[b 2 c 3]"),
            ("EXISTS z", "0"),
        ],
    );
    assert_eq!(
        server.journal(),
        "ZPOPMIN z; ZPOPMAX z; ZPOPMAX z 2; ZPOPMIN z 9223372036854775807"
    );
    assert_eq!(server.engine.dirty, 6);
    server.resp3(true);
    server.ok("ZADD z 1 a 2 b 3 c");
    expect(
        &mut server,
        &[("ZPOPMIN z", "[a ,1]"), ("ZPOPMAX z 1", "[[c ,3]]"), ("ZPOPMAX z 5", "[[b ,2]]")],
    );
}

#[test]
fn the_first_sorted_set_there_is_gives_members() {
    let mut server = with(&["ZADD z 1 a 2 b 3 c", "ZADD y 1 x"]);
    expect(
        &mut server,
        &[
            ("ZMPOP 2 none z MIN", "[z [[a 1]]]"),
            ("ZMPOP 2 z y max count 5", "[z [[c 3] [b 2]]]"),
            ("ZMPOP 2 z y MIN", "[y [[x 1]]]"),
            ("DBSIZE", "0"),
            ("ZMPOP 0 z MIN", "-ERR numkeys should be greater than 0"),
            ("ZMPOP 1 z", "-ERR wrong number of arguments for 'zmpop' command"),
            ("ZMPOP 2 z MIN", "-ERR syntax error"),
            ("ZMPOP 1 z LEFT", "-ERR syntax error"),
            ("ZMPOP 1 z MIN COUNT 0", "-ERR count should be greater than 0"),
            ("ZMPOP 1 z MIN COUNT 1 COUNT 2", "-ERR syntax error"),
        ],
    );
    assert_eq!(server.journal(), "ZPOPMIN z 1; ZPOPMAX z 2; ZPOPMIN y 1");
    server.resp3(true);
    server.ok("ZADD z 1 a");
    expect(&mut server, &[("ZMPOP 1 z MAX", "[z [[a ,1]]]")]);
}

#[test]
fn members_are_chosen_by_chance() {
    let mut server = with(&["ZADD z 1 a 2 b 3 c"]);
    expect(
        &mut server,
        &[
            ("ZRANDMEMBER z 0", "[]"),
            ("ZRANDMEMBER z x", "-ERR value is not an integer or out of range"),
            ("ZRANDMEMBER z 1 WITHVALUES", "-ERR syntax error"),
            ("ZRANDMEMBER z -9223372036854770000 withscores", "-ERR value is out of range"),
            (
                "ZRANDMEMBER z -9223372036854775808",
                "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
            ),
        ],
    );
    assert_eq!(sorted(&server.run("ZRANDMEMBER z 10")), "a b c");
    assert_eq!(sorted(&server.run("ZRANDMEMBER z 10 WITHSCORES")), "1 2 3 a b c");
    assert_eq!(server.run("ZRANDMEMBER z -20").split(' ').count(), 20);
    assert!("abc".contains(&server.run("ZRANDMEMBER z")));
    server.resp3(true);
    let reply = server.run("ZRANDMEMBER z -1 WITHSCORES");
    assert!(["[[a ,1]]", "[[b ,2]]", "[[c ,3]]"].contains(&reply.as_str()));
}

#[test]
fn scans_show_every_member() {
    let mut server = with(&["ZADD z 1 a 0.1 b 3 other"]);
    expect(
        &mut server,
        &[
            ("ZSCAN z 0", "[0 [b 0.1 a 1 other 3]]"),
            ("ZSCAN z 0 MATCH o*", "[0 [other 3]]"),
            ("ZSCAN z 0 NONSENSE 1", "-ERR syntax error"),
        ],
    );
    server.resp3(true);
    expect(&mut server, &[("ZSCAN z 0", "[0 [b 0.1 a 1 other 3]]")]);
}

#[test]
fn many_or_long_members_choose_the_encoding() {
    let mut line = "ZADD z".to_string();
    (0..129).for_each(|n| line.push_str(&format!(" {n} m{n}")));
    let long = format!("ZADD y 1 {}", "x".repeat(65));
    let mut server = with(&[&line, &long, "ZADD x 1 a"]);
    expect(
        &mut server,
        &[
            ("OBJECT ENCODING z", "skiplist"),
            ("OBJECT ENCODING y", "skiplist"),
            ("OBJECT ENCODING x", "listpack"),
            ("ZRANK z m100", "100"),
        ],
    );
}

#[test]
fn events_are_published() {
    let mut server = with(&[]);
    server.listen();
    for (line, events) in [
        ("ZADD z 1 a 2 b 3 c 4 d 5 e", "zadd:z"),
        ("ZADD z 1 a", ""),
        ("ZADD z INCR 1 a", "zincr:z"),
        ("ZINCRBY z 1 a", "zincr:z"),
        ("ZINCRBY z 0 a", ""),
        ("ZREM z none", ""),
        ("ZREM z a", "zrem:z"),
        ("ZPOPMIN z", "zpopmin:z"),
        ("ZPOPMAX z 2", "zpopmax:z"),
        ("ZMPOP 1 z MIN", "zpopmin:z del:z"),
        ("ZADD z 1 a", "zadd:z"),
        ("ZREM z a", "zrem:z del:z"),
    ] {
        server.ok(line);
        assert_eq!(server.events(), events, "{line}");
    }
}
