//! Hash commands: replies, errors, events, effects.

use crate::testing::{WRONG_TYPE, expect, sorted, with};

#[test]
fn every_command_refuses_another_type() {
    let mut server = with(&["SET s x"]);
    for line in [
        "HDEL s f",
        "HEXISTS s f",
        "HGET s f",
        "HGETALL s",
        "HINCRBY s f 1",
        "HINCRBYFLOAT s f 1",
        "HKEYS s",
        "HLEN s",
        "HMGET s f",
        "HMSET s f v",
        "HRANDFIELD s",
        "HRANDFIELD s 0",
        "HSCAN s 0",
        "HSET s f v",
        "HSETNX s f v",
        "HSTRLEN s f",
        "HVALS s",
    ] {
        assert_eq!(server.run(line), WRONG_TYPE, "{line}");
    }
    assert_eq!(server.journal(), "");
}

#[test]
fn a_missing_key_is_an_empty_hash() {
    let mut server = with(&[]);
    expect(
        &mut server,
        &[
            ("HDEL h f", "0"),
            ("HEXISTS h f", "0"),
            ("HGET h f", "nil"),
            ("HGETALL h", "[]"),
            ("HKEYS h", "[]"),
            ("HLEN h", "0"),
            ("HMGET h f g", "[nil nil]"),
            ("HRANDFIELD h", "nil"),
            ("HRANDFIELD h 3", "[]"),
            ("HRANDFIELD h -3 WITHVALUES", "[]"),
            ("HSCAN h 0", "[0 []]"),
            ("HSCAN h 0 BAD", "[0 []]"),
            ("HSCAN h x", "-ERR invalid cursor"),
            ("HSTRLEN h f", "0"),
            ("HVALS h", "[]"),
            ("EXISTS h", "0"),
        ],
    );
    assert_eq!(server.journal(), "");
    server.resp3(true);
    expect(
        &mut server,
        &[
            ("HGETALL h", "%[]"),
            ("HGET h f", "_"),
            ("HMGET h f", "[_]"),
            ("HRANDFIELD h", "_"),
            ("HRANDFIELD h 1", "[]"),
        ],
    );
}

#[test]
fn fields_are_set_and_read() {
    let mut server = with(&[]);
    expect(
        &mut server,
        &[
            ("HSET h a 1 b two c 3", "3"),
            ("HSET h a 1 d 4", "1"),
            ("HMSET h b 2", "+OK"),
            ("HSETNX h b 3", "0"),
            ("HSETNX h e 55", "1"),
            ("HGET h b", "2"),
            ("HGET h none", "nil"),
            ("HMGET h a none e", "[1 nil 55]"),
            ("HGETALL h", "[a 1 b 2 c 3 d 4 e 55]"),
            ("HKEYS h", "[a b c d e]"),
            ("HVALS h", "[1 2 3 4 55]"),
            ("HLEN h", "5"),
            ("HEXISTS h c", "1"),
            ("HEXISTS h f", "0"),
            ("HSTRLEN h e", "2"),
            ("HSTRLEN h none", "0"),
            ("HDEL h a none c", "2"),
            ("HDEL h none", "0"),
            ("HSET h a 1 b", "-ERR wrong number of arguments for 'hset' command"),
            ("HMSET h a 1 b", "-ERR wrong number of arguments for 'hmset' command"),
            ("HDEL h b d e", "3"),
            ("EXISTS h", "0"),
        ],
    );
    assert_eq!(
        server.journal(),
        "HSET h a 1 b two c 3; HSET h a 1 d 4; HMSET h b 2; HSETNX h e 55; HDEL h a none c; \
         HDEL h b d e"
    );
    assert_eq!(server.engine.dirty, 3 + 2 + 1 + 1 + 2 + 3);
    server.resp3(true);
    server.ok("HSET h a 1");
    assert_eq!(server.run("HGETALL h"), "%[a 1]");
}

#[test]
fn numbers_are_added() {
    let mut server = with(&["HSET h text x max 9223372036854775807 spaced \" 1\""]);
    expect(
        &mut server,
        &[
            ("HINCRBY h n 5", "5"),
            ("HINCRBY h n -7", "-2"),
            ("HINCRBY new n 1", "1"),
            ("HINCRBY h text 1", "-ERR hash value is not an integer"),
            ("HINCRBY h spaced 1", "-ERR hash value is not an integer"),
            ("HINCRBY h max 1", "-ERR increment or decrement would overflow"),
            ("HINCRBY h n x", "-ERR value is not an integer or out of range"),
            ("HINCRBYFLOAT h f 10.5", "10.5"),
            ("HINCRBYFLOAT h f 0.1", "10.6"),
            ("HINCRBYFLOAT h f -5.0e3", "-4989.39999999999999991"),
            ("HINCRBYFLOAT h text 1", "-ERR hash value is not a float"),
            ("HINCRBYFLOAT h f x", "-ERR value is not a valid float"),
            ("HINCRBYFLOAT h f inf", "-ERR value is NaN or Infinity"),
            ("HINCRBYFLOAT none f -inf", "-ERR value is NaN or Infinity"),
            ("EXISTS none", "0"),
        ],
    );
    assert_eq!(
        server.journal(),
        "HINCRBY h n 5; HINCRBY h n -7; HINCRBY new n 1; HSET h f 10.5; HSET h f 10.6; \
         HSET h f -4989.39999999999999991"
    );
}

#[test]
fn fields_are_chosen_by_chance() {
    let mut server = with(&["HSET h a 1 b 2 c 3"]);
    expect(
        &mut server,
        &[
            ("HRANDFIELD h 0", "[]"),
            ("HRANDFIELD h x", "-ERR value is not an integer or out of range"),
            ("HRANDFIELD h 1 WITHSCORES", "-ERR syntax error"),
            ("HRANDFIELD h 1 WITHVALUES x", "-ERR syntax error"),
            (
                "HRANDFIELD h -9223372036854775808",
                "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
            ),
            ("HRANDFIELD h -9223372036854775807 withvalues", "-ERR value is out of range"),
            ("HRANDFIELD h 9223372036854775807 withvalues", "-ERR value is out of range"),
        ],
    );
    assert_eq!(sorted(&server.run("HRANDFIELD h 9223372036854775807")), "a b c");
    assert_eq!(sorted(&server.run("HRANDFIELD h 10 withvalues")), "1 2 3 a b c");
    assert_eq!(server.run("HRANDFIELD h -50").split(' ').count(), 50);
    assert_eq!(server.run("HRANDFIELD h -50 WITHVALUES").split(' ').count(), 100);
    assert!(["a", "b", "c"].contains(&server.run("HRANDFIELD h").as_str()));
    server.resp3(true);
    let pairs = ["[[a 1]]", "[[b 2]]", "[[c 3]]"];
    for line in ["HRANDFIELD h 1 WITHVALUES", "HRANDFIELD h -1 WITHVALUES"] {
        assert!(pairs.contains(&server.run(line).as_str()));
    }
}

#[test]
fn scans_show_every_field() {
    let mut server = with(&["HSET h a 1 b 2 other 3"]);
    expect(
        &mut server,
        &[
            ("HSCAN h 0", "[0 [a 1 b 2 other 3]]"),
            ("HSCAN h 0 MATCH o* COUNT 1", "[0 [other 3]]"),
            ("HSCAN h 0 COUNT 0", "-ERR syntax error"),
            ("HSCAN h 0 COUNT x", "-ERR value is not an integer or out of range"),
            ("HSCAN h 0 TYPE hash", "-ERR syntax error"),
            ("HSCAN h x", "-ERR invalid cursor"),
        ],
    );
    for n in 0..1000 {
        server.ok(&format!("HSET large field{n} {n}"));
    }
    assert_eq!(server.run("OBJECT ENCODING large"), "hashtable");
    let (mut cursor, mut calls, mut seen) = ("0".to_string(), 0, std::collections::HashSet::new());
    loop {
        let reply = server.run(&format!("HSCAN large {cursor} COUNT 50"));
        let (next, fields) = reply[1..].split_once(' ').expect("two parts");
        let words: Vec<&str> = fields.trim_matches(['[', ']']).split(' ').collect();
        words.chunks(2).for_each(|pair| {
            assert_eq!(pair[0], format!("field{}", pair[1]));
            seen.insert(pair[0].to_string());
        });
        calls += 1;
        cursor = next.to_string();
        if cursor == "0" {
            break;
        }
    }
    assert!(seen.len() == 1000 && (5..=40).contains(&calls), "{} {calls}", seen.len());
}

#[test]
fn events_are_published() {
    let mut server = with(&[]);
    server.listen();
    for (line, events) in [
        ("HSET h a 1", "hset:h"),
        ("HMSET h a 1", "hset:h"),
        ("HSETNX h a 2", ""),
        ("HSETNX h b 2", "hset:h"),
        ("HINCRBY h b 2", "hincrby:h"),
        ("HINCRBYFLOAT h b 2", "hincrbyfloat:h"),
        ("HDEL h none", ""),
        ("HDEL h a", "hdel:h"),
        ("HDEL h b none", "hdel:h del:h"),
    ] {
        server.ok(line);
        assert_eq!(server.events(), events, "{line}");
    }
}

#[test]
fn many_fields_at_once_make_a_table() {
    let mut line = "HSET h".to_string();
    (0..513).for_each(|n| line.push_str(&format!(" f{n} {n}")));
    let mut server = with(&[&line]);
    expect(&mut server, &[("OBJECT ENCODING h", "hashtable"), ("HLEN h", "513")]);
}
