//! Bits: the group `bitmap` of COMMAND DOCS, 7 rows in order of name.
//!
//! The columns and the notation of `syntax` are explained in the parent module.

use super::key_spec::*;
use super::{Grammar, row};

// A fact per line: formatted, short rows would be joined and long ones torn apart.
#[rustfmt::skip]
pub(super) const ROWS: &[Grammar] = &[
    row("bitcount", -2, "2.6.0", "O(N) for N bytes counted")
        .syntax("key:key [range={start:int end:int [unit=(BYTE|BIT)@7.0.0]}]")
        .keys(&[one(RO | ACCESS, 1)])
        .categories(&["bitmap"])
        .history(&[("7.0.0", "The range counts in `BYTE` or `BIT`.")]),
    row("bitfield", -2, "3.2.0", "O(1) for each operation")
        .syntax(
            "key:key [operation=(GET get-block={encoding offset:int}\
             |write={[OVERFLOW overflow-block=(WRAP|SAT|FAIL)] \
             write-operation=(SET set-block={encoding offset:int value:int}\
             |INCRBY incrby-block={encoding offset:int increment:int})})...]")
        .keys(&[
            one(RW | ACCESS | UPDATE | VARIABLE_FLAGS, 1).note("Reads or writes, by operation"),
        ])
        .categories(&["bitmap"]),
    row("bitfield_ro", -2, "6.0.0", "O(1) for each operation")
        .syntax("key:key [GET... get-block={encoding offset:int}]")
        .keys(&[one(RO | ACCESS, 1)])
        .categories(&["bitmap"]),
    row("bitop", -4, "2.6.0", "O(N) for N bytes counted")
        .syntax("operation=(AND|OR|XOR|NOT) destkey:key key:key#1...")
        .keys(&[one(OW | UPDATE, 2), range(RO | ACCESS, 3, -1, 1)])
        .categories(&["bitmap"]),
    row("bitpos", -3, "2.8.7", "O(N) for N bytes counted")
        .syntax(
            "key:key bit:int [range={start:int [end-unit-block={end:int \
             [unit=(BYTE|BIT)@7.0.0]}]}]")
        .keys(&[one(RO | ACCESS, 1)])
        .categories(&["bitmap"])
        .history(&[("7.0.0", "The range counts in `BYTE` or `BIT`.")]),
    row("getbit", 3, "2.2.0", "O(1)")
        .syntax("key:key offset:int")
        .keys(&[one(RO | ACCESS, 1)])
        .categories(&["bitmap"]),
    row("setbit", 4, "2.2.0", "O(1)")
        .syntax("key:key offset:int value:int")
        .keys(&[one(RW | ACCESS | UPDATE, 1)])
        .categories(&["bitmap"]),
];
