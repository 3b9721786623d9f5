//! Set commands: replies, errors, events, effects.

use crate::testing::{Server, WRONG_TYPE, expect, sorted, with};

#[test]
fn every_command_refuses_another_type() {
    let mut server = with(&["SET s x", "SADD t a"]);
    for line in [
        "SADD s a",
        "SCARD s",
        "SDIFF t s",
        "SDIFFSTORE t t s",
        "SINTER t s",
        "SINTER none s",
        "SINTERCARD 2 none s",
        "SINTERSTORE t none s",
        "SISMEMBER s a",
        "SMEMBERS s",
        "SMISMEMBER s a b",
        "SMOVE s t a",
        "SMOVE t s a",
        "SPOP s",
        "SPOP s 0",
        "SRANDMEMBER s",
        "SRANDMEMBER s 0",
        "SREM s a",
        "SSCAN s 0",
        "SUNION none s",
        "SUNIONSTORE t t s",
    ] {
        assert_eq!(server.run(line), WRONG_TYPE, "{line}");
    }
    assert_eq!((server.journal().as_str(), server.run("SMEMBERS t").as_str()), ("", "[a]"));
}

#[test]
fn a_missing_key_is_an_empty_set() {
    let mut server = with(&["SET s x"]);
    expect(
        &mut server,
        &[
            ("SCARD t", "0"),
            ("SDIFF t u", "[]"),
            ("SDIFFSTORE t u v", "0"),
            ("SINTER t", "[]"),
            ("SINTERCARD 1 t", "0"),
            ("SISMEMBER t a", "0"),
            ("SMEMBERS t", "[]"),
            ("SMISMEMBER t a b", "[0 0]"),
            ("SMOVE t u a", "0"),
            ("SMOVE t s a", "0"),
            ("SPOP t", "nil"),
            ("SPOP t 2", "[]"),
            ("SRANDMEMBER t", "nil"),
            ("SRANDMEMBER t 2", "[]"),
            ("SRANDMEMBER t -1000000000", "[]"),
            ("SREM t a", "0"),
            ("SSCAN t 0", "[0 []]"),
            ("SUNION t u", "[]"),
            ("EXISTS t u", "0"),
        ],
    );
    assert_eq!(server.journal(), "");
    server.resp3(true);
    expect(
        &mut server,
        &[
            ("SMEMBERS t", "~[]"),
            ("SINTER t", "~[]"),
            ("SPOP t 2", "~[]"),
            ("SRANDMEMBER t 2", "[]"),
            ("SPOP t", "_"),
        ],
    );
}

#[test]
fn members_are_added_and_removed() {
    let mut server = with(&[]);
    expect(
        &mut server,
        &[
            ("SADD t 3 1 2 1", "3"),
            ("SADD t 1", "0"),
            ("OBJECT ENCODING t", "intset"),
            ("SMEMBERS t", "[1 2 3]"),
            ("SADD t word", "1"),
            ("OBJECT ENCODING t", "listpack"),
            ("SADD u word 1", "2"),
            ("OBJECT ENCODING u", "listpack"),
            ("SCARD t", "4"),
            ("SISMEMBER t word", "1"),
            ("SISMEMBER t 01", "0"),
            ("SMISMEMBER t 1 none word", "[1 0 1]"),
            ("SREM t none", "0"),
            ("SREM t 1 none word", "2"),
            ("SREM t 2 3 2", "2"),
            ("EXISTS t", "0"),
        ],
    );
    assert_eq!(
        server.journal(),
        "SADD t 3 1 2 1; SADD t word; SADD u word 1; SREM t 1 none word; SREM t 2 3 2"
    );
    assert_eq!(server.engine.dirty, 3 + 1 + 2 + 2 + 2);
    server.resp3(true);
    expect(&mut server, &[("SMEMBERS u", "~[word 1]"), ("SISMEMBER u word", "1")]);
}

#[test]
fn many_members_at_once_choose_the_encoding() {
    for (count, prefix, encoding) in [
        (512, "", "intset"),
        (513, "", "hashtable"),
        (128, "m", "listpack"),
        (129, "m", "hashtable"),
    ] {
        let mut server = with(&[]);
        let mut line = "SADD t".to_string();
        (0..count).for_each(|n| line.push_str(&format!(" {prefix}{n}")));
        server.ok(&line);
        assert_eq!(server.run("OBJECT ENCODING t"), encoding, "{count} {prefix}");
    }
}

#[test]
fn members_move() {
    let mut server = with(&["SADD a 1 2", "SADD b 2 x"]);
    expect(
        &mut server,
        &[
            ("SMOVE a b none", "0"),
            ("SMOVE a a 1", "1"),
            ("SMOVE a a none", "0"),
            ("SMOVE a b 1", "1"),
            ("SMOVE a b 2", "1"),
            ("EXISTS a", "0"),
            ("SMEMBERS b", "[2 x 1]"),
            ("SMOVE b c 1", "1"),
            ("OBJECT ENCODING c", "intset"),
        ],
    );
    assert_eq!(server.journal(), "SMOVE a b 1; SMOVE a b 2; SMOVE b c 1");
    assert_eq!(server.engine.dirty, 2 + 1 + 2);
}

#[test]
fn sets_are_combined() {
    let mut server = with(&["SADD a 1 2 3 x", "SADD b 2 3 4", "SADD c 3 x"]);
    expect(
        &mut server,
        &[
            ("SINTER a b", "[2 3]"),
            ("SINTER a b c", "[3]"),
            ("SINTER a none", "[]"),
            ("SINTER a a", "[1 2 3 x]"),
            ("SDIFF a b", "[1 x]"),
            ("SDIFF a b c", "[1]"),
            ("SDIFF none a", "[]"),
            ("SDIFF a none", "[1 2 3 x]"),
            ("SDIFF a a", "[]"),
            ("SUNION b", "[2 3 4]"),
            ("SINTERCARD 2 a b", "2"),
            ("SINTERCARD 2 a b LIMIT 1", "1"),
            ("SINTERCARD 2 a b LIMIT 0", "2"),
            ("SINTERCARD 2 a b limit 9 LIMIT 1", "1"),
            ("SINTERCARD 2 a none", "0"),
            ("SINTERCARD 0 a", "-ERR numkeys should be greater than 0"),
            ("SINTERCARD a a", "-ERR numkeys should be greater than 0"),
            ("SINTERCARD 2 a", "-ERR Number of keys can't be greater than number of args"),
            ("SINTERCARD 1 a b", "-ERR syntax error"),
            ("SINTERCARD 1 a LIMIT", "-ERR syntax error"),
            ("SINTERCARD 1 a LIMIT -1", "-ERR LIMIT can't be negative"),
            ("SINTERCARD 1 a LIMIT x", "-ERR LIMIT can't be negative"),
        ],
    );
    assert_eq!(sorted(&server.run("SUNION a b c none")), "1 2 3 4 x");
    server.resp3(true);
    expect(&mut server, &[("SINTER a b", "~[2 3]"), ("SDIFF a b", "~[1 x]")]);
    assert_eq!(server.journal(), "");
}

#[test]
fn combined_sets_are_stored() {
    let mut server =
        with(&["SADD a 1 2 3 x", "SADD b 2 3 4", "SADD c 3 x", "SET d old", "EXPIRE d 100"]);
    expect(
        &mut server,
        &[
            ("SINTERSTORE d a b", "2"),
            ("TTL d", "-1"),
            ("SMEMBERS d", "[2 3]"),
            ("OBJECT ENCODING d", "intset"),
            ("SINTERSTORE d a c", "2"),
            ("OBJECT ENCODING d", "listpack"),
            ("SDIFFSTORE d a b", "2"),
            ("SUNIONSTORE b a b", "5"),
            ("SINTERSTORE d a none", "0"),
            ("EXISTS d", "0"),
            ("SDIFFSTORE d a a", "0"),
            ("SUNIONSTORE d none", "0"),
            ("SDIFFSTORE a a a", "0"),
            ("EXISTS a", "0"),
        ],
    );
    assert_eq!(
        server.journal(),
        "SINTERSTORE d a b; SINTERSTORE d a c; SDIFFSTORE d a b; SUNIONSTORE b a b; \
         SINTERSTORE d a none; SDIFFSTORE a a a"
    );
    assert_eq!(server.engine.dirty, 6);
}

#[test]
fn members_are_taken_by_chance() {
    let mut server = with(&["SADD one x", "SADD few a b c"]);
    expect(
        &mut server,
        &[
            ("SPOP one", "x"),
            ("EXISTS one", "0"),
            ("SPOP few 0", "[]"),
            ("SPOP few -1", "-ERR value is out of range, must be positive"),
            ("SPOP few x", "-ERR value is out of range, must be positive"),
            ("SPOP few 1 2", "-ERR syntax error"),
            ("SPOP few 3", "[a b c]"),
        ],
    );
    assert_eq!(server.journal(), "SREM one x; DEL few");
    assert_eq!(server.engine.dirty, 4);
    let mut line = "SADD many".to_string();
    (0..3000).for_each(|n| line.push_str(&format!(" member-{n}")));
    server.ok(&line);
    server.journal();
    let taken = sorted(&server.run("SPOP many 2500"));
    assert_eq!((taken.split(' ').count(), server.run("SCARD many")), (2500, "500".into()));
    let journal = server.journal();
    let lines: Vec<&str> = journal.split(" | ").collect();
    let counts: Vec<_> = lines.iter().map(|line| line.matches("member-").count()).collect();
    assert_eq!((lines[0], lines[4], counts), ("MULTI", "EXEC", vec![0, 1024, 1024, 452, 0]));
}

#[test]
fn members_are_chosen_by_chance() {
    let mut server = with(&["SADD t a b c"]);
    expect(
        &mut server,
        &[
            ("SRANDMEMBER t 0", "[]"),
            ("SRANDMEMBER t x", "-ERR value is not an integer or out of range"),
            ("SRANDMEMBER t 1 2", "-ERR syntax error"),
            (
                "SRANDMEMBER t -9223372036854775808",
                "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
            ),
            ("SRANDMEMBER t -9223372036854775807", "-ERR value is out of range"),
        ],
    );
    assert_eq!(sorted(&server.run("SRANDMEMBER t 9223372036854775807")), "a b c");
    assert_eq!(server.run("SRANDMEMBER t -100").split(' ').count(), 100);
    assert!("abc".contains(&server.run("SRANDMEMBER t")));
    server.resp3(true);
    assert_eq!(server.run("SRANDMEMBER t 2").split(' ').count(), 2);
}

#[test]
fn scans_show_every_member() {
    let mut server = with(&["SADD t 1 2 30"]);
    expect(
        &mut server,
        &[
            ("SSCAN t 0", "[0 [1 2 30]]"),
            ("SSCAN t 0 MATCH 3* COUNT 1", "[0 [30]]"),
            ("SSCAN t 0 COUNT", "-ERR syntax error"),
        ],
    );
}

#[test]
fn events_are_published() {
    let mut server = with(&[]);
    server.listen();
    for (line, events) in [
        ("SADD t 1 2 3", "sadd:t"),
        ("SADD t 1", ""),
        ("SREM t none", ""),
        ("SREM t 1", "srem:t"),
        ("SMOVE t u 2", "srem:t sadd:u"),
        ("SMOVE t u 3", "srem:t del:t sadd:u"),
        ("SUNIONSTORE t u", "sunionstore:t"),
        ("SINTERSTORE t u", "sinterstore:t"),
        ("SDIFFSTORE v u none", "sdiffstore:v"),
        ("SDIFFSTORE v u u", "del:v"),
        ("SDIFFSTORE v u u", ""),
        ("SPOP t", "spop:t"),
        ("SPOP t", "spop:t del:t"),
        ("SPOP u 1", "spop:u"),
        ("SPOP u 9", "spop:u del:u"),
        ("SADD t 1", "sadd:t"),
        ("SREM t 1", "srem:t del:t"),
    ] {
        server.ok(line);
        assert_eq!(server.events(), events, "{line}");
    }
}

#[test]
fn what_expired_is_not_combined() {
    let mut server = with(&["SADD a 1 2", "SADD b 1 2", "PEXPIRE b 10"]);
    server.engine.now_ms += 20;
    assert_eq!(server.run("SINTERSTORE c a b"), "0");
    assert_eq!(server.journal(), "DEL b");
    let mut replica: Server = with(&["SADD a 1 2", "SADD b 1 2", "PEXPIRE b 10"]);
    replica.engine.is_replica = true;
    replica.engine.now_ms += 20;
    expect(&mut replica, &[("SINTER a b", "[]"), ("SUNION a b", "[1 2]")]);
}
