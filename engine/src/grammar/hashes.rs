//! Hashes: the group `hash` of COMMAND DOCS, 16 rows in order of name.
//!
//! The columns and the notation of `syntax` are explained in the parent module.

use super::key_spec::*;
use super::row::{Grammar, row};

// A fact per line: formatted, short rows would be joined and long ones torn apart.
#[rustfmt::skip]
pub(super) const ROWS: &[Grammar] = &[
    row("hdel", "2.0.0", "O(N) for N fields given")
        .summary("Removes fields of a hash, and the hash with its last one.")
        .syntax("key:key field...")
        .keys(&[one(RW | DELETE, 1)])
        .categories(&["hash"])
        .history(&[("2.4.0", "More than one `field` at once.")]),
    row("hexists", "2.0.0", "O(1)")
        .summary("Tells whether a hash has a field.")
        .syntax("key:key field")
        .keys(&[one(RO, 1)])
        .categories(&["hash"]),
    row("hget", "2.0.0", "O(1)")
        .summary("Looks up the value of a field.")
        .syntax("key:key field")
        .keys(&[one(RO | ACCESS, 1)])
        .categories(&["hash"]),
    row("hgetall", "2.0.0", "O(N) for a hash of N fields")
        .summary("Returns all fields of a hash with their values.")
        .syntax("key:key")
        .keys(&[one(RO | ACCESS, 1)])
        .tips(&["nondeterministic_output_order"])
        .categories(&["hash"]),
    row("hincrby", "2.0.0", "O(1)")
        .summary("Adds an integer to the value of a field, which is 0 if it is not there.")
        .syntax("key:key field increment:int")
        .keys(&[one(RW | ACCESS | UPDATE, 1)])
        .categories(&["hash"]),
    row("hincrbyfloat", "2.6.0", "O(1)")
        .summary("Adds a number to the value of a field, which is 0 if it is not there.")
        .syntax("key:key field increment:double")
        .keys(&[one(RW | ACCESS | UPDATE, 1)])
        .categories(&["hash"]),
    row("hkeys", "2.0.0", "O(N) for a hash of N fields")
        .summary("Returns the names of a hash's fields without their values.")
        .syntax("key:key")
        .keys(&[one(RO | ACCESS, 1)])
        .tips(&["nondeterministic_output_order"])
        .categories(&["hash"]),
    row("hlen", "2.0.0", "O(1)")
        .summary("Counts the fields of a hash.")
        .syntax("key:key").keys(&[one(RO, 1)]).categories(&["hash"]),
    row("hmget", "2.0.0", "O(N) for N fields given")
        .summary("Returns the values of several fields.")
        .syntax("key:key field...")
        .keys(&[one(RO | ACCESS, 1)])
        .categories(&["hash"]),
    row("hmset", "2.0.0", "O(N) for N fields given")
        .summary("Sets fields of a hash. HSET does the same and counts the new ones.")
        .syntax("key:key data={field value}...")
        .keys(&[one(RW | UPDATE, 1)])
        .categories(&["hash"])
        .deprecated("4.0.0", "`HSET`, which takes several pairs"),
    row("hrandfield", "6.2.0", "O(N) for N fields returned")
        .summary("Returns fields of a hash chosen by chance.")
        .syntax("key:key [options={count:int [WITHVALUES]}]")
        .keys(&[one(RO | ACCESS, 1)])
        .tips(&["nondeterministic_output"])
        .categories(&["hash"]),
    row("hscan", "2.8.0", "O(1) for a call, O(N) for a whole pass over N elements")
        .summary("Iterates over the fields of a hash and their values.")
        .syntax("key:key cursor:int [MATCH pattern:pattern] [COUNT count:int]")
        .keys(&[one(RO | ACCESS, 1)])
        .tips(&["nondeterministic_output"])
        .categories(&["hash"]),
    row("hset", "2.0.0", "O(1) for each field, so O(N) for N")
        .summary("Sets fields of a hash. Makes the hash if it is not there.")
        .syntax("key:key data={field value}...")
        .keys(&[one(RW | UPDATE, 1)])
        .categories(&["hash"])
        .history(&[("4.0.0", "More than one pair of `field` and `value` at once.")]),
    row("hsetnx", "2.0.0", "O(1)")
        .summary("Sets a field of a hash, if the field is not there.")
        .syntax("key:key field value")
        .keys(&[one(RW | INSERT, 1)])
        .categories(&["hash"]),
    row("hstrlen", "3.2.0", "O(1)")
        .summary("Returns how many bytes the value of a field has.")
        .syntax("key:key field")
        .keys(&[one(RO, 1)])
        .categories(&["hash"]),
    row("hvals", "2.0.0", "O(N) for a hash of N fields")
        .summary("Returns the values of a hash without the names of their fields.")
        .syntax("key:key")
        .keys(&[one(RO | ACCESS, 1)])
        .tips(&["nondeterministic_output_order"])
        .categories(&["hash"]),
];
