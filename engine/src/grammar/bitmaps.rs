//! Bits: the group `bitmap` of COMMAND DOCS, 7 rows in order of name.
//!
//! The columns and the notation of `syntax` are explained in the parent module.

use super::key_spec::*;
use super::row::{Grammar, row};

// A fact per line: formatted, short rows would be joined and long ones torn apart.
#[rustfmt::skip]
pub(super) const ROWS: &[Grammar] = &[
    row("bitcount", "2.6.0", "O(N) for N bytes counted")
        .summary("Counts the bits that are set in a string.")
        .syntax("key:key [range={start:int end:int [unit=(BYTE|BIT)@7.0.0]}]")
        .keys(&[one(RO | ACCESS, 1)])
        .categories(&["bitmap"])
        .history(&[("7.0.0", "The range counts in `BYTE` or `BIT`.")]),
    row("bitfield", "3.2.0", "O(1) for each operation")
        .summary("Reads and writes integers of any width at any place of a string.")
        .syntax(
            "key:key [operation=(GET get-block={encoding offset:int}\
             |write={[OVERFLOW overflow-block=(WRAP|SAT|FAIL)] \
             write-operation=(SET set-block={encoding offset:int value:int}\
             |INCRBY incrby-block={encoding offset:int increment:int})})...]")
        .keys(&[
            one(RW | ACCESS | UPDATE | VARIABLE_FLAGS, 1).note("Reads or writes, by operation"),
        ])
        .categories(&["bitmap"]),
    row("bitfield_ro", "6.0.0", "O(1) for each operation")
        .summary("Reads integers of any width at any place of a string.")
        .syntax("key:key [GET... get-block={encoding offset:int}]")
        .keys(&[one(RO | ACCESS, 1)])
        .categories(&["bitmap"]),
    row("bitop", "2.6.0", "O(N) for N bytes counted")
        .summary("Combines strings bit by bit and stores the result.")
        .syntax("operation=(AND|OR|XOR|NOT) destkey:key key:key#1...")
        .keys(&[one(OW | UPDATE, 2), range(RO | ACCESS, 3, -1, 1)])
        .categories(&["bitmap"]),
    row("bitpos", "2.8.7", "O(N) for N bytes counted")
        .summary("Finds the first bit that is set, or that is not, in a string.")
        .syntax(
            "key:key bit:int [range={start:int [end-unit-block={end:int \
             [unit=(BYTE|BIT)@7.0.0]}]}]")
        .keys(&[one(RO | ACCESS, 1)])
        .categories(&["bitmap"])
        .history(&[("7.0.0", "The range counts in `BYTE` or `BIT`.")]),
    row("getbit", "2.2.0", "O(1)")
        .summary("Returns a bit of a string.")
        .syntax("key:key offset:int")
        .keys(&[one(RO | ACCESS, 1)])
        .categories(&["bitmap"]),
    row("setbit", "2.2.0", "O(1)")
        .summary("Sets or clears a bit of a string. The string grows to hold it, and is created if it is not there.")
        .syntax("key:key offset:int value:int")
        .keys(&[one(RW | ACCESS | UPDATE, 1)])
        .categories(&["bitmap"]),
];
