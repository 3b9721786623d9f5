//! Sets: the group `set` of COMMAND DOCS, 17 rows in order of name.
//!
//! The columns and the notation of `syntax` are explained in the parent module.

use super::key_spec::*;
use super::row::{Grammar, row};

// A fact per line: formatted, short rows would be joined and long ones torn apart.
#[rustfmt::skip]
pub(super) const ROWS: &[Grammar] = &[
    row("sadd", "1.0.0", "O(1) for each element, so O(N) for N")
        .summary("Adds members to a set. Makes the set if it is not there.")
        .syntax("key:key member...")
        .keys(&[one(RW | INSERT, 1)])
        .categories(&["set"])
        .history(&[("2.4.0", "More than one `member` at once.")]),
    row("scard", "1.0.0", "O(1)")
        .summary("Counts the members of a set.")
        .syntax("key:key").keys(&[one(RO, 1)]).categories(&["set"]),
    row("sdiff", "1.0.0", "O(N) for N elements in all sets")
        .summary("Returns the members of a set that are in none of the others.")
        .syntax("key:key...")
        .keys(&[range(RO | ACCESS, 1, -1, 1)])
        .tips(&["nondeterministic_output_order"])
        .categories(&["set"]),
    row("sdiffstore", "1.0.0", "O(N) for N elements in all sets")
        .summary("Stores the members of a set that are in none of the others.")
        .syntax("destination:key key:key#1...")
        .keys(&[one(OW | UPDATE, 1), range(RO | ACCESS, 2, -1, 1)])
        .categories(&["set"]),
    row("sinter", "1.0.0", "O(N*M) at worst, N: elements of the smallest set, M: sets")
        .summary("Returns the members that all sets have.")
        .syntax("key:key...")
        .keys(&[range(RO | ACCESS, 1, -1, 1)])
        .tips(&["nondeterministic_output_order"])
        .categories(&["set"]),
    row("sintercard", "7.0.0", "O(N*M) at worst, N: elements of the smallest set, M: sets")
        .summary("Returns the number of members that all sets have.")
        .syntax("numkeys:int key:key... [LIMIT limit:int]")
        .keys(&[counted(RO | ACCESS, 1)])
        .categories(&["set"]),
    row("sinterstore", "1.0.0", "O(N*M) at worst, N: elements of the smallest set, M: sets")
        .summary("Stores the members that all sets have.")
        .syntax("destination:key key:key#1...")
        .keys(&[one(RW | UPDATE, 1), range(RO | ACCESS, 2, -1, 1)])
        .categories(&["set"]),
    row("sismember", "1.0.0", "O(1)")
        .summary("Tells whether a set has a member.")
        .syntax("key:key member")
        .keys(&[one(RO, 1)])
        .categories(&["set"]),
    row("smembers", "1.0.0", "O(N) for a set of N elements")
        .summary("Returns every member that a set has.")
        .syntax("key:key")
        .keys(&[one(RO | ACCESS, 1)])
        .tips(&["nondeterministic_output_order"])
        .categories(&["set"]),
    row("smismember", "6.2.0", "O(N) for N members given")
        .summary("Tells for several members whether a set has them.")
        .syntax("key:key member...")
        .keys(&[one(RO | ACCESS, 1)])
        .categories(&["set"]),
    row("smove", "1.0.0", "O(1)")
        .summary("Takes a member out of one set and puts it into another.")
        .syntax("source:key destination:key#1 member")
        .keys(&[one(RW | ACCESS | DELETE, 1), one(RW | INSERT, 2)])
        .categories(&["set"]),
    row("spop", "1.0.0", "O(1), with a count O(N) for N elements asked for")
        .summary("Takes members of a set by chance.")
        .syntax("key:key [count:int@3.2.0]")
        .keys(&[one(RW | ACCESS | DELETE, 1)])
        .tips(&["nondeterministic_output"])
        .categories(&["set"])
        .history(&[("3.2.0", "Takes a `count`.")]),
    row("srandmember", "1.0.0",
            "O(1), with a count O(N) for N elements asked for, whatever its sign")
        .summary("Returns members of a set chosen by chance.")
        .syntax("key:key [count:int@2.6.0]")
        .keys(&[one(RO | ACCESS, 1)])
        .tips(&["nondeterministic_output"])
        .categories(&["set"])
        .history(&[("2.6.0", "Takes a `count`.")]),
    row("srem", "1.0.0", "O(N) for N members given")
        .summary("Removes members of a set, and the set with its last one.")
        .syntax("key:key member...")
        .keys(&[one(RW | DELETE, 1)])
        .categories(&["set"])
        .history(&[("2.4.0", "More than one `member` at once.")]),
    row("sscan", "2.8.0", "O(1) for a call, O(N) for a whole pass over N elements")
        .summary("Iterates over the members of a set, a few in each call.")
        .syntax("key:key cursor:int [MATCH pattern:pattern] [COUNT count:int]")
        .keys(&[one(RO | ACCESS, 1)])
        .tips(&["nondeterministic_output"])
        .categories(&["set"]),
    row("sunion", "1.0.0", "O(N) for N elements in all sets")
        .summary("Returns the members that any of the sets has.")
        .syntax("key:key...")
        .keys(&[range(RO | ACCESS, 1, -1, 1)])
        .tips(&["nondeterministic_output_order"])
        .categories(&["set"]),
    row("sunionstore", "1.0.0", "O(N) for N elements in all sets")
        .summary("Stores the members that any of the sets has.")
        .syntax("destination:key key:key#1...")
        .keys(&[one(OW | UPDATE, 1), range(RO | ACCESS, 2, -1, 1)])
        .categories(&["set"]),
];
