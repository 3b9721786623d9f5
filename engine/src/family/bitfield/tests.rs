//! Bit fields: signed and unsigned, overflow, bounds, effects.

use super::{Overflow, Type};
use crate::testing::{WRONG_TYPE, expect, with};

#[test]
fn integers_are_read_and_written() {
    let mut server = with(&["SET n 5", "RPUSH list a"]);
    expect(
        &mut server,
        &[
            ("BITFIELD k", "[]"),
            ("BITFIELD k GET u8 0 GET i64 1000", "[0 0]"),
            ("EXISTS k", "0"),
            ("BITFIELD k SET u8 0 255 GET u8 0 GET i8 0 GET i3 6", "[0 255 -1 -2]"),
            ("BITFIELD k SET i8 #1 -100 INCRBY i8 #1 -20 GET i8 8", "[0 -120 -120]"),
            ("BITFIELD k SET u63 1 9223372036854775807 SET i64 0 -1", "[9189595039649497088 -1]"),
            ("STRLEN k", "8"),
            ("BITFIELD n GET u8 0", "[53]"),
            ("BITFIELD n INCRBY u8 0 2", "[55]"),
            ("GET n", "7"),
            ("BITFIELD_RO n GET u8 0 GET u4 4", "[55 7]"),
            ("BITFIELD_RO none GET u8 0", "[0]"),
            ("BITFIELD list GET u8 0", WRONG_TYPE),
            ("BITFIELD list SET u8 0 1", WRONG_TYPE),
            ("BITFIELD_RO list", WRONG_TYPE),
        ],
    );
}

#[test]
fn overflow_wraps_saturates_or_fails() {
    let mut server = with(&[]);
    expect(
        &mut server,
        &[
            ("BITFIELD k SET u2 0 3 INCRBY u2 0 1", "[0 0]"),
            ("BITFIELD k OVERFLOW SAT INCRBY u2 0 9 INCRBY u2 0 -9", "[3 0]"),
            ("BITFIELD k OVERFLOW FAIL INCRBY u2 0 4 SET u2 0 4 GET u2 0", "[nil nil 0]"),
            (
                "BITFIELD k OVERFLOW FAIL SET i8 8 127 INCRBY i8 8 1 OVERFLOW WRAP INCRBY i8 8 1",
                "[0 nil -128]",
            ),
            ("BITFIELD k OVERFLOW SAT SET u8 8 -1 GET u8 8", "[128 255]"),
            ("BITFIELD k OVERFLOW SAT SET i8 8 -1000 GET i8 8", "[-1 -128]"),
            ("BITFIELD k OVERFLOW SAT SET i8 8 -9223372036854775808 GET i8 8", "[-128 127]"),
            (
                "BITFIELD k SET i64 0 9223372036854775807 OVERFLOW SAT INCRBY i64 0 1",
                "[35747322042253312 9223372036854775807]",
            ),
            ("BITFIELD k INCRBY i64 0 1", "[-9223372036854775808]"),
        ],
    );
}

#[test]
fn what_fits_is_kept() {
    for width in 1..=64 {
        for signed in [false, true] {
            if !signed && width == 64 {
                continue;
            }
            let of = Type { signed, width };
            let max = if signed { (1i128 << (width - 1)) - 1 } else { (1i128 << width) - 1 };
            let min = if signed { -max - 1 } else { 0 };
            for number in [min, max, 0] {
                assert_eq!(of.fit(number, Overflow::Fail), Some(number as i64), "{of:?}");
            }
            for (number, wrapped) in [(max + 1, min), (min - 1, max)] {
                assert_eq!(of.fit(number, Overflow::Fail), None);
                assert_eq!(of.fit(number, Overflow::Wrap), Some(wrapped as i64), "{of:?}");
            }
            assert_eq!(of.fit(max + 1, Overflow::Saturate), Some(max as i64));
        }
    }
}

#[test]
fn requests_are_refused_before_anything_is_done() {
    let of = "-ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.";
    let offset = "-ERR bit offset is not an integer or out of range";
    let mut server = with(&[]);
    expect(
        &mut server,
        &[
            ("BITFIELD k SET u64 0 1", of),
            ("BITFIELD k SET i65 0 1", of),
            ("BITFIELD k SET u0 0 1", of),
            ("BITFIELD k SET u08 0 1", of),
            ("BITFIELD k SET '' 0 1", of),
            ("BITFIELD k SET u8 -1 1", offset),
            ("BITFIELD k SET u8 #-1 1", offset),
            ("BITFIELD k SET u8 #9223372036854775807 1", offset),
            ("BITFIELD k SET u8 4294967296 1", offset),
            ("BITFIELD k SET u8 0 x", "-ERR value is not an integer or out of range"),
            ("BITFIELD k SET u8 0", "-ERR syntax error"),
            ("BITFIELD k SET u8 0 1 WHAT", "-ERR syntax error"),
            ("BITFIELD k SET u8 0 1 OVERFLOW", "-ERR syntax error"),
            ("BITFIELD k SET u8 0 1 OVERFLOW NO", "-ERR Invalid OVERFLOW type specified"),
            ("BITFIELD_RO k SET u8 0 1", "-ERR BITFIELD_RO only supports the GET subcommand"),
            ("BITFIELD_RO k GET u8 x", offset),
            ("EXISTS k", "0"),
        ],
    );
    assert_eq!(server.journal(), "");
}

#[test]
fn what_changed_is_told_and_repeated() {
    let mut server = with(&["SET k abc"]);
    server.listen();
    let mut replica = with(&["SET k abc"]);
    for (line, changes, events) in [
        ("BITFIELD k GET u8 0", 0, ""),
        ("BITFIELD k SET u8 0 97", 0, ""),
        ("BITFIELD k SET u8 0 1 SET u8 8 98 SET u8 16 2", 2, "setbit:k"),
        ("BITFIELD k SET u8 24 0 SET u8 0 1", 2, "setbit:k"),
        ("BITFIELD new OVERFLOW FAIL SET u8 8 256", 1, "setbit:new"),
    ] {
        server.engine.dirty = 0;
        server.ok(line);
        assert_eq!((server.engine.dirty, server.events().as_str()), (changes, events), "{line}");
        replica.replay(&mut server);
        assert_eq!(server.digest(), replica.digest(), "{line}");
    }
}
