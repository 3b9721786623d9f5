//! Bitmaps: bits, counts, positions, operations, bounds, effects.

use crate::testing::{Server, WRONG_TYPE, expect, with};

#[test]
fn bits_are_set_and_read() {
    let mut server = with(&["SET n 5", "RPUSH list a"]);
    expect(
        &mut server,
        &[
            ("SETBIT k 7 1", "0"),
            ("SETBIT k 7 1", "1"),
            ("GETBIT k 7", "1"),
            ("GETBIT k 8", "0"),
            ("GETBIT none 0", "0"),
            ("SETBIT k 17 0", "0"),
            ("STRLEN k", "3"),
            ("SETBIT k 7 0", "1"),
            ("OBJECT ENCODING k", "raw"),
            ("GETBIT n 2", "1"),
            ("SETBIT n 6 1", "0"),
            ("GET n", "7"),
            ("OBJECT ENCODING n", "raw"),
            ("SETBIT list 0 1", WRONG_TYPE),
            ("GETBIT list 0", WRONG_TYPE),
        ],
    );
}

#[test]
fn offsets_are_bounded() {
    let bad = "-ERR bit offset is not an integer or out of range";
    let bit = "-ERR bit is not an integer or out of range";
    let mut server = with(&[]);
    server.engine.string_max = 1 << 20;
    expect(
        &mut server,
        &[
            ("SETBIT k -1 1", bad),
            ("SETBIT k x 1", bad),
            ("SETBIT k 8388608 1", bad),
            ("SETBIT k 9223372036854775807 1", bad),
            ("SETBIT k #1 1", bad),
            ("GETBIT k 8388608", bad),
            ("SETBIT k x 2", bad),
            ("SETBIT k 0 2", bit),
            ("SETBIT k 0 x", bit),
            ("SETBIT k 0 01", bit),
            ("EXISTS k", "0"),
            ("SETBIT k 8388607 1", "0"),
            ("STRLEN k", "1048576"),
        ],
    );
}

#[test]
fn bits_are_counted() {
    let mut server = with(&["SET k foobar", "RPUSH list a", "SET n 1023"]);
    expect(
        &mut server,
        &[
            ("BITCOUNT k", "26"),
            ("BITCOUNT k 0 0", "4"),
            ("BITCOUNT k 1 1 byte", "6"),
            ("BITCOUNT k 5 30 BIT", "17"),
            ("BITCOUNT k -2 -1", "7"),
            ("BITCOUNT k -1 -2 nonsense", "0"),
            ("BITCOUNT k 0 -100", "4"),
            ("BITCOUNT k 100 200", "0"),
            ("BITCOUNT k 0 -9223372036854775808 BIT", "0"),
            ("BITCOUNT n", "12"),
            ("BITCOUNT none", "0"),
            ("BITCOUNT none x", "0"),
            ("BITCOUNT k 0", "-ERR syntax error"),
            ("BITCOUNT k 0 1 word", "-ERR syntax error"),
            ("BITCOUNT k 0 1 BIT x", "-ERR syntax error"),
            ("BITCOUNT k x 1", "-ERR value is not an integer or out of range"),
            ("BITCOUNT list x", WRONG_TYPE),
        ],
    );
}

#[test]
fn bits_are_found() {
    let mut server = with(&[r#"SET k "\xff\xf0\x00""#, r#"SET full "\xff\xff""#, "SET empty ''"]);
    expect(
        &mut server,
        &[
            ("BITPOS k 0", "12"),
            ("BITPOS k 1", "0"),
            ("BITPOS k 1 2", "-1"),
            ("BITPOS k 1 1 -1", "8"),
            ("BITPOS k 0 13 -1 BIT", "13"),
            ("BITPOS k 1 12 -1 BIT", "-1"),
            ("BITPOS k 1 7 8 bit", "7"),
            ("BITPOS full 0", "16"),
            ("BITPOS full 0 0", "16"),
            ("BITPOS full 0 0 -1", "-1"),
            ("BITPOS full 0 5", "-1"),
            ("BITPOS full 0 0 15 BIT", "-1"),
            ("BITPOS empty 0", "-1"),
            ("BITPOS empty 0 0", "-1"),
            ("BITPOS none 0", "0"),
            ("BITPOS none 1", "-1"),
            ("BITPOS none 2", "-ERR The bit argument must be 1 or 0."),
            ("BITPOS none x", "-ERR value is not an integer or out of range"),
            ("BITPOS k 0 0 1 word", "-ERR syntax error"),
            ("BITPOS k 0 0 x word", "-ERR syntax error"),
            ("BITPOS k 0 0 x BIT", "-ERR value is not an integer or out of range"),
            ("BITPOS k 0 0 1 BIT x", "-ERR syntax error"),
        ],
    );
}

#[test]
fn strings_are_combined() {
    let mut server = with(&["SET a abc", "SET b x", "SET n 12", "RPUSH list a"]);
    expect(
        &mut server,
        &[
            ("BITOP AND d a a", "3"),
            ("GET d", "abc"),
            ("OBJECT ENCODING d", "raw"),
            ("BITOP or d a b none", "3"),
            ("GET d", "ybc"),
            ("BITOP XOR d n n", "2"),
            ("GET d", "\0\0"),
            ("BITOP XOR d n", "2"),
            ("GET d", "12"),
            ("BITOP AND d a none", "3"),
            ("BITCOUNT d", "0"),
            ("BITOP NOT d a", "3"),
            ("BITOP NOT d d", "3"),
            ("GET d", "abc"),
            ("BITOP NOT d a b", "-ERR BITOP NOT must be called with a single source key."),
            ("BITOP NAND d a b", "-ERR syntax error"),
            ("BITOP AND d a list", WRONG_TYPE),
            ("BITOP AND list none none", "0"),
            ("EXISTS list", "0"),
            ("BITOP AND list none", "0"),
        ],
    );
}

#[test]
fn only_changes_are_told() {
    let mut server = with(&["SET k a", "SET gone b"]);
    server.listen();
    for (line, journal, events) in [
        ("SETBIT k 1 1", "", ""),
        ("SETBIT k 0 1", "SETBIT k 0 1", "setbit:k"),
        ("SETBIT k 8 0", "SETBIT k 8 0", "setbit:k"),
        ("BITOP AND gone none", "BITOP AND gone none", "del:gone"),
        ("BITOP AND gone none", "", ""),
        ("BITOP OR d k", "BITOP OR d k", "set:d"),
    ] {
        server.ok(line);
        assert_eq!(
            (server.journal().as_str(), server.events().as_str()),
            (journal, events),
            "{line}"
        );
    }
    assert_eq!(server.engine.dirty, 4);
}

#[test]
fn effects_make_a_copy_equal() {
    let sample = &["SET a abc", "SET b xyz0", "SET n 12"];
    for line in
        ["SETBIT a 3 0", "SETBIT new 100 0", "BITOP XOR a b n", "BITOP NOT n a", "BITOP OR b x"]
    {
        let (mut primary, mut replica): (Server, Server) = (with(sample), with(sample));
        primary.ok(line);
        replica.replay(&mut primary);
        assert_eq!(primary.digest(), replica.digest(), "{line}");
    }
}
