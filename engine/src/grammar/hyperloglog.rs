//! HyperLogLog: the group `hyperloglog` of COMMAND DOCS, 5 rows in order of name.
//!
//! The columns and the notation of `syntax` are explained in the parent module.

use super::key_spec::*;
use super::row::{Grammar, row};

// A fact per line: formatted, short rows would be joined and long ones torn apart.
#[rustfmt::skip]
pub(super) const ROWS: &[Grammar] = &[
    row("pfadd", "2.8.9", "O(1) for each element")
        .summary("Adds elements to a HyperLogLog. Creates it if it is not there.")
        .syntax("key:key [element...]")
        .keys(&[one(RW | INSERT, 1)])
        .categories(&["hyperloglog"]),
    row("pfcount", "2.8.9", "O(1) for one key, O(N) with a larger constant for N keys")
        .summary("Estimates how many different elements were added to HyperLogLogs.")
        .syntax("key:key...")
        .keys(&[
            range(RW | ACCESS, 1, -1, 1)
                .note("Written where the cached count is renewed, which replicas are told"),
        ])
        .categories(&["hyperloglog"]),
    row("pfdebug", "2.8.9", "N/A")
        .summary("Shows the inside of a HyperLogLog.")
        .syntax("subcommand key:key")
        .keys(&[one(RW | ACCESS, 2)])
        .categories(&["hyperloglog"])
        .internal(),
    row("pfmerge", "2.8.9", "O(N) for N keys, with a large constant")
        .summary("Merges HyperLogLogs into one.")
        .syntax("destkey:key [sourcekey:key#1...]")
        .keys(&[one(RW | ACCESS | INSERT, 1), range(RO | ACCESS, 2, -1, 1)])
        .categories(&["hyperloglog"]),
    row("pfselftest", "2.8.9", "N/A")
        .summary("Tests the implementation of HyperLogLogs.")
        .categories(&["hyperloglog"]).internal(),
];
