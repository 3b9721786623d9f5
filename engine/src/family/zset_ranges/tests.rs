//! Ranges of sorted sets: replies, errors, events, effects.

use crate::testing::{WRONG_TYPE, expect, with};

#[test]
fn every_command_refuses_another_type() {
    let mut server = with(&["SET s x"]);
    for line in [
        "ZCOUNT s 0 1",
        "ZLEXCOUNT s - +",
        "ZRANGE s 0 1",
        "ZRANGEBYLEX s - +",
        "ZRANGEBYSCORE s 0 1",
        "ZRANGESTORE d s 0 1",
        "ZREMRANGEBYLEX s - +",
        "ZREMRANGEBYRANK s 0 1",
        "ZREMRANGEBYSCORE s 0 1",
        "ZREVRANGE s 0 1",
        "ZREVRANGEBYLEX s + -",
        "ZREVRANGEBYSCORE s 1 0",
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
            ("ZCOUNT z 0 1", "0"),
            ("ZLEXCOUNT z - +", "0"),
            ("ZRANGE z 0 1 WITHSCORES", "[]"),
            ("ZRANGEBYLEX z - +", "[]"),
            ("ZRANGEBYSCORE z 0 1", "[]"),
            ("ZRANGESTORE d z 0 1", "0"),
            ("ZREMRANGEBYLEX z - +", "0"),
            ("ZREMRANGEBYRANK z 0 1", "0"),
            ("ZREMRANGEBYSCORE z 0 1", "0"),
            ("ZREVRANGE z 0 1", "[]"),
            ("ZREVRANGEBYLEX z + -", "[]"),
            ("ZREVRANGEBYSCORE z 1 0", "[]"),
        ],
    );
    assert_eq!(server.journal(), "");
}

#[test]
fn ranks_and_scores_bound_ranges() {
    let mut server = with(&["ZADD z -inf a 1 b 2 c 3 d 4.5 e inf f"]);
    expect(
        &mut server,
        &[
            ("ZRANGE z 0 1", "[a b]"),
            ("ZRANGE z -2 -1 WITHSCORES", "[e 4.5 f inf]"),
            ("ZRANGE z 4 1", "[]"),
            ("ZRANGE z 0 1 REV", "[f e]"),
            ("ZRANGE z -100 0 rev withscores", "[f inf]"),
            ("ZREVRANGE z 1 2 WITHSCORES", "[e 4.5 d 3]"),
            ("ZRANGE z 1 3 BYSCORE", "[b c d]"),
            ("ZRANGE z 3 1 BYSCORE REV", "[d c b]"),
            ("ZRANGE z (1 (3 BYSCORE WITHSCORES", "[c 2]"),
            ("ZRANGE z -inf +inf BYSCORE LIMIT 1 2", "[b c]"),
            ("ZRANGE z +inf -inf BYSCORE REV LIMIT 1 2", "[e d]"),
            ("ZRANGEBYSCORE z (-inf 2", "[b c]"),
            ("ZRANGEBYSCORE z -inf inf LIMIT 4 -1", "[e f]"),
            ("ZRANGEBYSCORE z -inf inf LIMIT 0 0", "[]"),
            ("ZRANGEBYSCORE z -inf inf LIMIT -1 2", "[]"),
            ("ZRANGEBYSCORE z -inf inf LIMIT 9 2", "[]"),
            ("ZRANGEBYSCORE z 3 1", "[]"),
            ("ZREVRANGEBYSCORE z 3 (1 WITHSCORES LIMIT 0 1", "[d 3]"),
            ("ZCOUNT z 1 3", "3"),
            ("ZCOUNT z (1 (3", "1"),
            ("ZCOUNT z 3 1", "0"),
            ("ZCOUNT z -inf +inf", "6"),
        ],
    );
    server.resp3(true);
    expect(
        &mut server,
        &[
            ("ZRANGE z 1 2 WITHSCORES", "[[b ,1] [c ,2]]"),
            ("ZREVRANGE z 0 0 WITHSCORES", "[[f ,inf]]"),
            ("ZRANGEBYSCORE z 4 5 WITHSCORES", "[[e ,4.5]]"),
            ("ZRANGE z 1 2", "[b c]"),
        ],
    );
}

#[test]
fn names_bound_ranges() {
    let mut server = with(&["ZADD z 0 a 0 b 0 c 0 d 0 10 0 9"]);
    expect(
        &mut server,
        &[
            ("ZRANGEBYLEX z - +", "[10 9 a b c d]"),
            ("ZRANGEBYLEX z [b (d", "[b c]"),
            ("ZRANGEBYLEX z (b +", "[c d]"),
            ("ZRANGEBYLEX z + -", "[]"),
            ("ZRANGEBYLEX z - [9 LIMIT 1 5", "[9]"),
            ("ZREVRANGEBYLEX z [c -", "[c b a 9 10]"),
            ("ZREVRANGEBYLEX z + - LIMIT 1 2", "[c b]"),
            ("ZRANGE z [b [c BYLEX", "[b c]"),
            ("ZRANGE z [c [b BYLEX REV", "[c b]"),
            ("ZLEXCOUNT z [b (d", "2"),
            ("ZLEXCOUNT z - +", "6"),
            ("ZLEXCOUNT z + -", "0"),
        ],
    );
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let mut server = with(&["ZADD z 1 a"]);
    let limit =
        "-ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX";
    let scores = "-ERR syntax error, WITHSCORES not supported in combination with BYLEX";
    expect(
        &mut server,
        &[
            ("ZRANGE z 0 1 LIMIT 0 1", limit),
            ("ZREVRANGE z 0 1 LIMIT 0 1", limit),
            ("ZRANGE z 0 1 LIMIT 0 -1", "[a]"),
            ("ZRANGE z 0 1 LIMIT 5 -1", "[a]"),
            ("ZRANGE z 0 1 LIMIT -5 -1", "[a]"),
            ("ZRANGE z - + BYLEX WITHSCORES", scores),
            ("ZRANGEBYLEX z - + WITHSCORES", scores),
            ("ZRANGE z 0 1 BYSCORE BYLEX", "-ERR syntax error"),
            ("ZRANGE z 0 1 LIMIT 0", "-ERR syntax error"),
            ("ZRANGE z 0 1 BYSCORE LIMIT x 1", "-ERR value is not an integer or out of range"),
            ("ZREVRANGE z 0 1 REV", "-ERR syntax error"),
            ("ZRANGEBYSCORE z 0 1 REV", "-ERR syntax error"),
            ("ZRANGEBYSCORE z 0 1 BYLEX", "-ERR syntax error"),
            ("ZREVRANGE z 0 1 BYSCORE", "-ERR syntax error"),
            ("ZRANGESTORE d z 0 1 WITHSCORES", "-ERR syntax error"),
            ("ZRANGE z x 1", "-ERR value is not an integer or out of range"),
            ("ZRANGE z x 1 BYSCORE", "-ERR min or max is not a float"),
            ("ZRANGEBYSCORE z 1 (x", "-ERR min or max is not a float"),
            ("ZCOUNT z nan 1", "-ERR min or max is not a float"),
            ("ZRANGEBYLEX z a b", "-ERR min or max not valid string range item"),
            ("ZLEXCOUNT z - ++", "-ERR min or max not valid string range item"),
            ("ZREMRANGEBYLEX z a b", "-ERR min or max not valid string range item"),
            ("ZREMRANGEBYSCORE z a b", "-ERR min or max is not a float"),
            ("ZREMRANGEBYRANK z a b", "-ERR value is not an integer or out of range"),
        ],
    );
}

#[test]
fn ranges_are_stored() {
    let mut server = with(&["ZADD z 1 a 2 b 3 c 4 d", "SET d old"]);
    expect(
        &mut server,
        &[
            ("ZRANGESTORE d z 1 2", "2"),
            ("ZRANGE d 0 -1 WITHSCORES", "[b 2 c 3]"),
            ("ZRANGESTORE d z (1 +inf BYSCORE LIMIT 1 1", "1"),
            ("ZRANGE d 0 -1", "[c]"),
            ("ZRANGESTORE d z 0 1 REV", "2"),
            ("ZRANGE d 0 -1", "[c d]"),
            ("ZRANGESTORE z z 0 -2", "3"),
            ("ZRANGESTORE d z 7 9", "0"),
            ("EXISTS d", "0"),
            ("ZRANGESTORE d none 0 -1", "0"),
            ("ZRANGESTORE z none 0 -1", "0"),
            ("EXISTS z", "0"),
        ],
    );
    assert_eq!(
        server.journal(),
        "ZRANGESTORE d z 1 2; ZRANGESTORE d z (1 +inf BYSCORE LIMIT 1 1; ZRANGESTORE d z 0 1 REV; \
         ZRANGESTORE z z 0 -2; ZRANGESTORE d z 7 9; ZRANGESTORE z none 0 -1"
    );
    assert_eq!(server.engine.dirty, 6);
}

#[test]
fn ranges_are_removed() {
    let mut server = with(&["ZADD z 1 a 2 b 3 c 4 d 5 e", "ZADD y 0 a 0 b 0 c"]);
    expect(
        &mut server,
        &[
            ("ZREMRANGEBYRANK z 0 0", "1"),
            ("ZREMRANGEBYRANK z 7 9", "0"),
            ("ZREMRANGEBYSCORE z (2 3", "1"),
            ("ZREMRANGEBYRANK z -1 -1", "1"),
            ("ZRANGE z 0 -1", "[b d]"),
            ("ZREMRANGEBYSCORE z -inf +inf", "2"),
            ("ZREMRANGEBYLEX y [b [b", "1"),
            ("ZREMRANGEBYLEX y - +", "2"),
            ("DBSIZE", "0"),
        ],
    );
    assert_eq!(server.engine.dirty, 8);
    assert_eq!(
        server.journal(),
        "ZREMRANGEBYRANK z 0 0; ZREMRANGEBYSCORE z (2 3; ZREMRANGEBYRANK z -1 -1; \
         ZREMRANGEBYSCORE z -inf +inf; ZREMRANGEBYLEX y [b [b; ZREMRANGEBYLEX y - +"
    );
}

#[test]
fn a_large_sorted_set_answers_as_a_small_one() {
    let mut line = "ZADD z".to_string();
    (0..500).for_each(|n| line.push_str(&format!(" {n} m{n}")));
    let mut server = with(&[&line]);
    expect(
        &mut server,
        &[
            ("ZRANGE z 498 -1 REV", "[m1 m0]"),
            ("ZRANGEBYSCORE z (100 103", "[m101 m102 m103]"),
            ("ZREVRANGEBYSCORE z (103 100 LIMIT 1 2", "[m101 m100]"),
            ("ZCOUNT z 100 (200", "100"),
            ("ZREMRANGEBYRANK z 5 -5", "491"),
            ("ZRANGE z 0 -1", "[m0 m1 m2 m3 m4 m496 m497 m498 m499]"),
            ("ZRANGESTORE d z 0 2", "3"),
            ("OBJECT ENCODING d", "listpack"),
        ],
    );
}

#[test]
fn events_are_published() {
    let mut server = with(&["ZADD z 1 a 2 b 3 c 4 d"]);
    server.listen();
    for (line, events) in [
        ("ZRANGESTORE d z 0 0", "zrangestore:d"),
        ("ZRANGESTORE d z 9 9", "del:d"),
        ("ZRANGESTORE d z 9 9", ""),
        ("ZREMRANGEBYRANK z 0 0", "zremrangebyrank:z"),
        ("ZREMRANGEBYRANK z 9 9", ""),
        ("ZREMRANGEBYSCORE z 2 2", "zremrangebyscore:z"),
        ("ZREMRANGEBYLEX z - +", "zremrangebylex:z del:z"),
    ] {
        server.ok(line);
        assert_eq!(server.events(), events, "{line}");
    }
}

#[test]
fn ends_without_a_number_are_zero() {
    let mut server = with(&["ZADD z -1 a 0 b 1 c"]);
    expect(
        &mut server,
        &[
            ("ZCOUNT z '' +inf", "2"),
            ("ZRANGEBYSCORE z ( ' 1'", "[c]"),
            ("ZREMRANGEBYSCORE z '' ''", "1"),
            ("ZCOUNT z x 1", "-ERR min or max is not a float"),
            ("ZCOUNT z '1 ' 1", "-ERR min or max is not a float"),
        ],
    );
}
