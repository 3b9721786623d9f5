//! Hashes: the group `hash` of COMMAND DOCS, 16 rows in order of name.
//!
//! The columns and the notation of `syntax` are explained in the parent module.

use super::key_spec::*;
use super::{Grammar, row};

// A fact per line: formatted, short rows would be joined and long ones torn apart.
#[rustfmt::skip]
pub(super) const ROWS: &[Grammar] = &[
    row("hdel", -3, "2.0.0", "O(N) for N fields given")
        .syntax("key:key field...")
        .keys(&[one(RW | DELETE, 1)])
        .categories(&["hash"])
        .history(&[("2.4.0", "More than one `field` at once.")]),
    row("hexists", 3, "2.0.0", "O(1)")
        .syntax("key:key field")
        .keys(&[one(RO, 1)])
        .categories(&["hash"]),
    row("hget", 3, "2.0.0", "O(1)")
        .syntax("key:key field")
        .keys(&[one(RO | ACCESS, 1)])
        .categories(&["hash"]),
    row("hgetall", 2, "2.0.0", "O(N) for a hash of N fields")
        .syntax("key:key")
        .keys(&[one(RO | ACCESS, 1)])
        .tips(&["nondeterministic_output_order"])
        .categories(&["hash"]),
    row("hincrby", 4, "2.0.0", "O(1)")
        .syntax("key:key field increment:int")
        .keys(&[one(RW | ACCESS | UPDATE, 1)])
        .categories(&["hash"]),
    row("hincrbyfloat", 4, "2.6.0", "O(1)")
        .syntax("key:key field increment:double")
        .keys(&[one(RW | ACCESS | UPDATE, 1)])
        .categories(&["hash"]),
    row("hkeys", 2, "2.0.0", "O(N) for a hash of N fields")
        .syntax("key:key")
        .keys(&[one(RO | ACCESS, 1)])
        .tips(&["nondeterministic_output_order"])
        .categories(&["hash"]),
    row("hlen", 2, "2.0.0", "O(1)").syntax("key:key").keys(&[one(RO, 1)]).categories(&["hash"]),
    row("hmget", -3, "2.0.0", "O(N) for N fields given")
        .syntax("key:key field...")
        .keys(&[one(RO | ACCESS, 1)])
        .categories(&["hash"]),
    row("hmset", -4, "2.0.0", "O(N) for N fields given")
        .syntax("key:key data={field value}...")
        .keys(&[one(RW | UPDATE, 1)])
        .categories(&["hash"])
        .deprecated("4.0.0", "`HSET`, which takes several pairs"),
    row("hrandfield", -2, "6.2.0", "O(N) for N fields returned")
        .syntax("key:key [options={count:int [WITHVALUES]}]")
        .keys(&[one(RO | ACCESS, 1)])
        .tips(&["nondeterministic_output"])
        .categories(&["hash"]),
    row("hscan", -3, "2.8.0", "O(1) for a call, O(N) for a whole pass over N elements")
        .syntax("key:key cursor:int [MATCH pattern:pattern] [COUNT count:int]")
        .keys(&[one(RO | ACCESS, 1)])
        .tips(&["nondeterministic_output"])
        .categories(&["hash"]),
    row("hset", -4, "2.0.0", "O(1) for each field, so O(N) for N")
        .syntax("key:key data={field value}...")
        .keys(&[one(RW | UPDATE, 1)])
        .categories(&["hash"])
        .history(&[("4.0.0", "More than one pair of `field` and `value` at once.")]),
    row("hsetnx", 4, "2.0.0", "O(1)")
        .syntax("key:key field value")
        .keys(&[one(RW | INSERT, 1)])
        .categories(&["hash"]),
    row("hstrlen", 3, "3.2.0", "O(1)")
        .syntax("key:key field")
        .keys(&[one(RO, 1)])
        .categories(&["hash"]),
    row("hvals", 2, "2.0.0", "O(N) for a hash of N fields")
        .syntax("key:key")
        .keys(&[one(RO | ACCESS, 1)])
        .tips(&["nondeterministic_output_order"])
        .categories(&["hash"]),
];
