//! Sets: the group `set` of COMMAND DOCS, 17 rows in order of name.
//!
//! The columns and the notation of `syntax` are explained in the parent module.

use super::key_spec::*;
use super::{Grammar, row};

// A fact per line: formatted, short rows would be joined and long ones torn apart.
#[rustfmt::skip]
pub(super) const ROWS: &[Grammar] = &[
    row("sadd", -3, "1.0.0", "O(1) for each element, so O(N) for N")
        .syntax("key:key member...")
        .keys(&[one(RW | INSERT, 1)])
        .categories(&["set"])
        .history(&[("2.4.0", "More than one `member` at once.")]),
    row("scard", 2, "1.0.0", "O(1)").syntax("key:key").keys(&[one(RO, 1)]).categories(&["set"]),
    row("sdiff", -2, "1.0.0", "O(N) for N elements in all sets")
        .syntax("key:key...")
        .keys(&[range(RO | ACCESS, 1, -1, 1)])
        .tips(&["nondeterministic_output_order"])
        .categories(&["set"]),
    row("sdiffstore", -3, "1.0.0", "O(N) for N elements in all sets")
        .syntax("destination:key key:key#1...")
        .keys(&[one(OW | UPDATE, 1), range(RO | ACCESS, 2, -1, 1)])
        .categories(&["set"]),
    row("sinter", -2, "1.0.0", "O(N*M) at worst, N: elements of the smallest set, M: sets")
        .syntax("key:key...")
        .keys(&[range(RO | ACCESS, 1, -1, 1)])
        .tips(&["nondeterministic_output_order"])
        .categories(&["set"]),
    row("sintercard", -3, "7.0.0", "O(N*M) at worst, N: elements of the smallest set, M: sets")
        .syntax("numkeys:int key:key... [LIMIT limit:int]")
        .keys(&[counted(RO | ACCESS, 1)])
        .categories(&["set"]),
    row("sinterstore", -3, "1.0.0", "O(N*M) at worst, N: elements of the smallest set, M: sets")
        .syntax("destination:key key:key#1...")
        .keys(&[one(RW | UPDATE, 1), range(RO | ACCESS, 2, -1, 1)])
        .categories(&["set"]),
    row("sismember", 3, "1.0.0", "O(1)")
        .syntax("key:key member")
        .keys(&[one(RO, 1)])
        .categories(&["set"]),
    row("smembers", 2, "1.0.0", "O(N) for a set of N elements")
        .syntax("key:key")
        .keys(&[one(RO | ACCESS, 1)])
        .tips(&["nondeterministic_output_order"])
        .categories(&["set"]),
    row("smismember", -3, "6.2.0", "O(N) for N members given")
        .syntax("key:key member...")
        .keys(&[one(RO | ACCESS, 1)])
        .categories(&["set"]),
    row("smove", 4, "1.0.0", "O(1)")
        .syntax("source:key destination:key#1 member")
        .keys(&[one(RW | ACCESS | DELETE, 1), one(RW | INSERT, 2)])
        .categories(&["set"]),
    row("spop", -2, "1.0.0", "O(1), with a count O(N) for N elements asked for")
        .syntax("key:key [count:int@3.2.0]")
        .keys(&[one(RW | ACCESS | DELETE, 1)])
        .tips(&["nondeterministic_output"])
        .categories(&["set"])
        .history(&[("3.2.0", "Takes a `count`.")]),
    row("srandmember", -2, "1.0.0",
            "O(1), with a count O(N) for N elements asked for, whatever its sign")
        .syntax("key:key [count:int@2.6.0]")
        .keys(&[one(RO | ACCESS, 1)])
        .tips(&["nondeterministic_output"])
        .categories(&["set"])
        .history(&[("2.6.0", "Takes a `count`.")]),
    row("srem", -3, "1.0.0", "O(N) for N members given")
        .syntax("key:key member...")
        .keys(&[one(RW | DELETE, 1)])
        .categories(&["set"])
        .history(&[("2.4.0", "More than one `member` at once.")]),
    row("sscan", -3, "2.8.0", "O(1) for a call, O(N) for a whole pass over N elements")
        .syntax("key:key cursor:int [MATCH pattern:pattern] [COUNT count:int]")
        .keys(&[one(RO | ACCESS, 1)])
        .tips(&["nondeterministic_output"])
        .categories(&["set"]),
    row("sunion", -2, "1.0.0", "O(N) for N elements in all sets")
        .syntax("key:key...")
        .keys(&[range(RO | ACCESS, 1, -1, 1)])
        .tips(&["nondeterministic_output_order"])
        .categories(&["set"]),
    row("sunionstore", -3, "1.0.0", "O(N) for N elements in all sets")
        .syntax("destination:key key:key#1...")
        .keys(&[one(OW | UPDATE, 1), range(RO | ACCESS, 2, -1, 1)])
        .categories(&["set"]),
];
