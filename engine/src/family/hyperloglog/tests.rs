//! HyperLogLogs: counts, merges, damage, effects.

use crate::testing::{Server, WRONG_TYPE, expect, with};

const NOT_ONE: &str = "-WRONGTYPE Key is not a valid HyperLogLog string value.";
const CORRUPTED: &str = "-INVALIDOBJ Corrupted HLL object detected";

#[test]
fn elements_are_added_and_counted() {
    let mut server = with(&["RPUSH list a", "SET n 5", "SET word hello"]);
    expect(
        &mut server,
        &[
            ("PFADD k", "1"),
            ("PFADD k", "0"),
            ("PFCOUNT k", "0"),
            ("PFADD k a b c", "1"),
            ("PFADD k a b c", "0"),
            ("PFCOUNT k", "3"),
            ("PFADD other c d", "1"),
            ("PFCOUNT k other none", "4"),
            ("PFCOUNT none", "0"),
            ("PFCOUNT none none2", "0"),
            ("PFMERGE k other none", "+OK"),
            ("PFCOUNT k", "4"),
            ("PFMERGE new", "+OK"),
            ("PFCOUNT new", "0"),
            ("PFDEBUG DECODE new", "Z:16384"),
            ("OBJECT ENCODING k", "raw"),
            ("TYPE k", "+string"),
            ("PFADD list a", WRONG_TYPE),
            ("PFADD n a", NOT_ONE),
            ("PFADD word a", NOT_ONE),
            ("PFCOUNT list", WRONG_TYPE),
            ("PFCOUNT k n", NOT_ONE),
            ("PFMERGE word k", NOT_ONE),
            ("PFMERGE k list", WRONG_TYPE),
            ("PFDEBUG GETREG word", NOT_ONE),
        ],
    );
}

#[test]
fn the_inside_is_shown() {
    let mut server = with(&["PFADD k a b c d"]);
    expect(
        &mut server,
        &[
            ("PFDEBUG ENCODING k", "+sparse"),
            ("PFDEBUG DECODE k", "Z:7292 v:1,1 Z:1143 v:1,1 Z:4274 v:2,1 Z:3068 v:1,1 Z:603"),
            ("PFDEBUG TODENSE k", "1"),
            ("PFDEBUG TODENSE k", "0"),
            ("PFDEBUG ENCODING k", "+dense"),
            ("PFDEBUG DECODE k", "-ERR HLL encoding is not sparse"),
            ("PFDEBUG NOTHING k", "-ERR Unknown PFDEBUG subcommand 'NOTHING'"),
            ("PFDEBUG NOTHING none", "-ERR The specified key does not exist"),
            ("PFDEBUG ENCODING", "-ERR wrong number of arguments for 'pfdebug' command"),
            ("PFCOUNT k", "4"),
            ("STRLEN k", "12304"),
        ],
    );
    let registers = server.run("PFDEBUG GETREG k");
    assert_eq!(registers.matches(['1', '2']).count(), 4);
    assert_eq!(registers.split(' ').count(), 16384);
}

#[test]
fn damage_is_refused() {
    let mut server = with(&["PFADD tail a", "PFADD cut a", r#"SET version "HYLL\x05""#]);
    expect(
        &mut server,
        &[
            ("APPEND tail hello", "26"),
            ("PFCOUNT tail", CORRUPTED),
            ("PFCOUNT tail tail", CORRUPTED),
            ("PFMERGE new tail", CORRUPTED),
            ("PFDEBUG TODENSE tail", CORRUPTED),
            ("PFDEBUG GETREG tail", CORRUPTED),
            ("EXISTS new", "0"),
            ("APPEND version 12345678901234567890", "25"),
            ("PFCOUNT version", NOT_ONE),
            (r#"SET cut "HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80""#, "+OK"),
            ("PFADD cut a", CORRUPTED),
            ("PFCOUNT cut", CORRUPTED),
            ("SETRANGE tail 20000 x", "20001"),
            ("PFADD tail a", CORRUPTED),
            ("PFCOUNT tail", CORRUPTED),
            (r#"SETRANGE tail 4 "\x00""#, "20001"),
            ("PFCOUNT tail", NOT_ONE),
        ],
    );
}

/// The first elements are found a place; the next belong behind the end.
#[test]
fn nothing_is_kept_when_damage_is_found_half_way() {
    let mut server =
        with(&[r#"SET k "HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x66\xe2""#]);
    let before = server.digest();
    assert_eq!(server.run("PFADD k d a"), CORRUPTED);
    assert_eq!((server.digest(), server.journal().as_str()), (before, ""));
    assert_eq!(server.run("PFADD k d"), "1");
}

#[test]
fn the_limit_makes_it_dense() {
    let mut server = with(&[]);
    server.engine.limits.hll_sparse_max_bytes = 30;
    expect(
        &mut server,
        &[
            ("PFADD k a b c d", "1"),
            ("PFDEBUG ENCODING k", "+sparse"),
            ("PFADD k e", "1"),
            ("PFDEBUG ENCODING k", "+dense"),
            ("PFCOUNT k", "5"),
            ("PFADD other x", "1"),
            ("PFMERGE other k", "+OK"),
            ("PFDEBUG ENCODING other", "+dense"),
            ("PFCOUNT other", "6"),
        ],
    );
}

#[test]
fn a_refreshed_count_is_passed_on() {
    let mut server = with(&["PFADD k a"]);
    server.listen();
    for (line, journal, events) in [
        ("PFADD k a", "", ""),
        ("PFADD k b", "PFADD k b", "pfadd:k"),
        ("PFCOUNT k", "PFCOUNT k", ""),
        ("PFCOUNT k", "", ""),
        ("PFADD k a", "", ""),
        ("PFCOUNT k", "", ""),
        ("PFMERGE k none", "PFMERGE k none", "pfadd:k"),
        ("PFCOUNT k k", "", ""),
        ("PFDEBUG GETREG k", "PFDEBUG GETREG k", ""),
        ("PFDEBUG TODENSE k", "", ""),
    ] {
        server.ok(line);
        assert_eq!(
            (server.journal().as_str(), server.events().as_str()),
            (journal, events),
            "{line}"
        );
    }
}

#[test]
fn a_replica_keeps_what_a_reader_counts() {
    let mut server = with(&["PFADD k a"]);
    server.engine.is_replica = true;
    let before = server.digest();
    assert_eq!(server.run("PFCOUNT k"), "1");
    // It is what the primary keeps when it counts.
    let mut primary = with(&["PFADD k a"]);
    assert_eq!(primary.digest(), before);
    assert_eq!(primary.run("PFCOUNT k"), "1");
    assert_eq!((server.digest(), server.journal().as_str()), (primary.digest(), "PFCOUNT k"));
    server.replay(&mut primary);
    assert_eq!(server.digest(), primary.digest());
    // One that has expired is nothing to count, and is not removed either.
    server.run("PEXPIRE k 1");
    server.engine.now_ms += 10;
    assert_eq!(server.run("PFCOUNT k"), "0");
    assert_eq!((server.run("PFCOUNT k none"), server.run("DBSIZE")), ("0".into(), "1".into()));
}

#[test]
fn a_transaction_notices_a_refreshed_count() {
    let mut server = with(&["PFADD k a", "WATCH k"]);
    server.ok("PFCOUNT k");
    server.ok("MULTI");
    server.ok("PING");
    assert_eq!(server.run("EXEC"), "nil[]");
}

#[test]
fn effects_make_a_copy_equal() {
    let sample = &["PFADD a 1 2 3", "PFADD b 3 4", "PFADD c x", "PFDEBUG TODENSE c"];
    for line in [
        "PFADD a 9",
        "PFADD new",
        "PFADD c y",
        "PFMERGE a b",
        "PFMERGE b c",
        "PFMERGE n a b",
        "PFCOUNT a",
        "PFDEBUG TODENSE b",
    ] {
        let (mut primary, mut replica): (Server, Server) = (with(sample), with(sample));
        primary.ok(line);
        replica.replay(&mut primary);
        assert_eq!(primary.digest(), replica.digest(), "{line}");
    }
}
