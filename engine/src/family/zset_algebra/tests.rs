//! Sorted sets combined: replies, errors, events, effects.

use crate::testing::{WRONG_TYPE, expect, with};

const SAMPLE: &[&str] =
    &["ZADD a 1 x 2 y 3 z", "ZADD b 10 y 20 z 30 w", "SADD s y q", "SET text v"];

#[test]
fn every_command_refuses_another_type() {
    let mut server = with(SAMPLE);
    for line in [
        "ZDIFF 2 a text",
        "ZDIFFSTORE d 2 none text",
        "ZINTER 2 none text",
        "ZINTERCARD 1 text",
        "ZINTERSTORE d 2 a text",
        "ZUNION 2 a text",
        "ZUNIONSTORE d 1 text",
        "ZUNION 1 text NONSENSE",
    ] {
        assert_eq!(server.run(line), WRONG_TYPE, "{line}");
    }
    assert_eq!(server.journal(), "");
}

#[test]
fn sorted_sets_are_combined() {
    let mut server = with(SAMPLE);
    expect(
        &mut server,
        &[
            ("ZUNION 2 a b WITHSCORES", "[x 1 y 12 z 23 w 30]"),
            ("ZUNION 1 none", "[]"),
            ("ZUNION 2 a s WITHSCORES", "[q 1 x 1 y 3 z 3]"),
            ("ZUNION 2 a b WEIGHTS 2 0.5 WITHSCORES", "[x 2 y 9 w 15 z 16]"),
            ("ZUNION 2 a b AGGREGATE MIN WITHSCORES", "[x 1 y 2 z 3 w 30]"),
            ("ZUNION 2 a b aggregate max weights 1 1 withscores", "[x 1 y 10 z 20 w 30]"),
            ("ZINTER 2 a b", "[y z]"),
            ("ZINTER 2 a b WITHSCORES", "[y 12 z 23]"),
            ("ZINTER 3 a b s WITHSCORES", "[y 13]"),
            ("ZINTER 2 a none", "[]"),
            ("ZINTER 2 a b WEIGHTS -1 1 AGGREGATE MIN WITHSCORES", "[z -3 y -2]"),
            ("ZDIFF 2 a b WITHSCORES", "[x 1]"),
            ("ZDIFF 2 a s WITHSCORES", "[x 1 z 3]"),
            ("ZDIFF 2 none a", "[]"),
            ("ZDIFF 2 a none", "[x y z]"),
            ("ZDIFF 2 a a", "[]"),
            ("ZINTERCARD 2 a b", "2"),
            ("ZINTERCARD 2 a b LIMIT 1", "1"),
            ("ZINTERCARD 2 a b LIMIT 0", "2"),
            ("ZINTERCARD 2 a none", "0"),
            ("ZUNION 1 s WITHSCORES", "[q 1 y 1]"),
        ],
    );
    server.resp3(true);
    expect(
        &mut server,
        &[
            ("ZUNION 2 a b WITHSCORES", "[[x ,1] [y ,12] [z ,23] [w ,30]]"),
            ("ZINTER 2 a b", "[y z]"),
            ("ZDIFF 2 a b WITHSCORES", "[[x ,1]]"),
        ],
    );
    assert_eq!(server.journal(), "");
}

#[test]
fn infinities_make_no_nan() {
    let mut server = with(&["ZADD a inf x", "ZADD b -inf x"]);
    expect(
        &mut server,
        &[
            ("ZUNION 2 a b WITHSCORES", "[x 0]"),
            ("ZINTER 2 a b WITHSCORES", "[x 0]"),
            ("ZUNION 1 a WEIGHTS 0 WITHSCORES", "[x 0]"),
            ("ZINTER 1 a WEIGHTS 0 WITHSCORES", "[x 0]"),
        ],
    );
}

#[test]
fn requests_that_make_no_sense_are_refused() {
    let mut server = with(SAMPLE);
    expect(
        &mut server,
        &[
            ("ZUNION 0 a", "-ERR at least 1 input key is needed for 'zunion' command"),
            ("ZDIFFSTORE d 0 a", "-ERR at least 1 input key is needed for 'zdiffstore' command"),
            ("ZINTERCARD -1 a", "-ERR at least 1 input key is needed for 'zintercard' command"),
            ("ZUNION x a", "-ERR value is not an integer or out of range"),
            ("ZUNION 3 a b", "-ERR syntax error"),
            ("ZUNION 2 a b WEIGHTS 1", "-ERR syntax error"),
            ("ZUNION 2 a b WEIGHTS 1 x", "-ERR weight value is not a float"),
            ("ZUNION 2 a b AGGREGATE AVG", "-ERR syntax error"),
            ("ZUNION 2 a b AGGREGATE", "-ERR syntax error"),
            ("ZUNIONSTORE d 2 a b WITHSCORES", "-ERR syntax error"),
            ("ZDIFF 2 a b WEIGHTS 1 1", "-ERR syntax error"),
            ("ZDIFF 2 a b LIMIT 1", "-ERR syntax error"),
            ("ZINTERCARD 2 a b WITHSCORES", "-ERR syntax error"),
            ("ZINTERCARD 2 a b LIMIT -1", "-ERR LIMIT can't be negative"),
            ("ZINTERCARD 2 a b LIMIT x", "-ERR LIMIT can't be negative"),
            ("ZINTERCARD 2 a b LIMIT", "-ERR syntax error"),
        ],
    );
}

#[test]
fn results_are_stored() {
    let mut server = with(SAMPLE);
    expect(
        &mut server,
        &[
            ("ZUNIONSTORE d 2 a b WEIGHTS 1 2", "4"),
            ("ZRANGE d 0 -1 WITHSCORES", "[x 1 y 22 z 43 w 60]"),
            ("ZINTERSTORE d 2 a s", "1"),
            ("ZRANGE d 0 -1 WITHSCORES", "[y 3]"),
            ("ZDIFFSTORE d 2 a b", "1"),
            ("ZINTERSTORE text 2 a b", "2"),
            ("TYPE text", "+zset"),
            ("OBJECT ENCODING text", "listpack"),
            ("ZINTERSTORE d 2 a none", "0"),
            ("EXISTS d", "0"),
            ("ZDIFFSTORE d 1 none", "0"),
            ("ZUNIONSTORE a 1 a WEIGHTS 3", "3"),
            ("ZSCORE a z", "9"),
        ],
    );
    assert_eq!(
        server.journal(),
        "ZUNIONSTORE d 2 a b WEIGHTS 1 2; ZINTERSTORE d 2 a s; ZDIFFSTORE d 2 a b; \
         ZINTERSTORE text 2 a b; ZINTERSTORE d 2 a none; ZUNIONSTORE a 1 a WEIGHTS 3"
    );
    assert_eq!(server.engine.dirty, 6);
}

#[test]
fn results_take_the_form_that_their_size_allows() {
    let (mut low, mut high) = ("ZADD low".to_string(), "ZADD high".to_string());
    (0..200).for_each(|n| low.push_str(&format!(" {n} m{n}")));
    (100..300).for_each(|n| high.push_str(&format!(" {n} m{n}")));
    let mut server = with(&[&low, &high]);
    expect(
        &mut server,
        &[
            ("ZUNIONSTORE d 2 low high", "300"),
            ("OBJECT ENCODING d", "skiplist"),
            ("ZSCORE d m150", "300"),
            ("ZINTERSTORE d 2 low high", "100"),
            ("OBJECT ENCODING d", "listpack"),
            ("ZDIFFSTORE d 2 low high", "100"),
            ("OBJECT ENCODING d", "listpack"),
            ("ZINTERCARD 2 low high LIMIT 30", "30"),
        ],
    );
}

#[test]
fn events_are_published() {
    let mut server = with(SAMPLE);
    server.listen();
    for (line, events) in [
        ("ZUNIONSTORE d 1 a", "zunionstore:d"),
        ("ZINTERSTORE d 1 a", "zinterstore:d"),
        ("ZDIFFSTORE d 1 a", "zdiffstore:d"),
        ("ZDIFFSTORE d 2 a a", "del:d"),
        ("ZDIFFSTORE d 2 a a", ""),
    ] {
        server.ok(line);
        assert_eq!(server.events(), events, "{line}");
    }
}
