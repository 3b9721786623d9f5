//! Lists: the group `list` of COMMAND DOCS, 22 rows in order of name.
//!
//! The columns and the notation of `syntax` are explained in the parent module.

use super::key_spec::*;
use super::{Grammar, row};

// A fact per line: formatted, short rows would be joined and long ones torn apart.
#[rustfmt::skip]
pub(super) const ROWS: &[Grammar] = &[
    row("blmove", 6, "6.2.0", "O(1)")
        .syntax(
            "source:key destination:key#1 wherefrom=(LEFT|RIGHT) whereto=(LEFT|RIGHT) \
             timeout:double")
        .keys(&[one(RW | ACCESS | DELETE, 1), one(RW | INSERT, 2)])
        .categories(&["list"]),
    row("blmpop", -5, "7.0.0", "O(N+M), N: keys, M: elements popped")
        .syntax("timeout:double numkeys:int key:key... where=(LEFT|RIGHT) [COUNT count:int]")
        .keys(&[counted(RW | ACCESS | DELETE, 2)])
        .categories(&["list"]),
    row("blpop", -3, "2.0.0", "O(N) for N keys")
        .syntax("key:key... timeout:double")
        .keys(&[range(RW | ACCESS | DELETE, 1, -2, 1)])
        .categories(&["list"])
        .history(&[("6.0.0", "Fractions of a second in `timeout`.")]),
    row("brpop", -3, "2.0.0", "O(N) for N keys")
        .syntax("key:key... timeout:double")
        .keys(&[range(RW | ACCESS | DELETE, 1, -2, 1)])
        .categories(&["list"])
        .history(&[("6.0.0", "Fractions of a second in `timeout`.")]),
    row("brpoplpush", 4, "2.2.0", "O(1)")
        .syntax("source:key destination:key#1 timeout:double")
        .keys(&[one(RW | ACCESS | DELETE, 1), one(RW | INSERT, 2)])
        .categories(&["list"])
        .history(&[("6.0.0", "Fractions of a second in `timeout`.")])
        .deprecated("6.2.0", "`BLMOVE ... RIGHT LEFT`"),
    row("lindex", 3, "1.0.0", "O(N) for N elements passed on the way, O(1) at both ends")
        .syntax("key:key index:int")
        .keys(&[one(RO | ACCESS, 1)])
        .categories(&["list"]),
    row("linsert", 5, "2.2.0",
            "O(N) for N elements before the pivot: O(1) near the head, O(N) near the tail")
        .syntax("key:key where=(BEFORE|AFTER) pivot element")
        .keys(&[one(RW | INSERT, 1)])
        .categories(&["list"]),
    row("llen", 2, "1.0.0", "O(1)").syntax("key:key").keys(&[one(RO, 1)]).categories(&["list"]),
    row("lmove", 5, "6.2.0", "O(1)")
        .syntax("source:key destination:key#1 wherefrom=(LEFT|RIGHT) whereto=(LEFT|RIGHT)")
        .keys(&[one(RW | ACCESS | DELETE, 1), one(RW | INSERT, 2)])
        .categories(&["list"]),
    row("lmpop", -4, "7.0.0", "O(N+M), N: keys, M: elements popped")
        .syntax("numkeys:int key:key... where=(LEFT|RIGHT) [COUNT count:int]")
        .keys(&[counted(RW | ACCESS | DELETE, 1)])
        .categories(&["list"]),
    row("lpop", -2, "1.0.0", "O(N) for N elements returned")
        .syntax("key:key [count:int@6.2.0]")
        .keys(&[one(RW | ACCESS | DELETE, 1)])
        .categories(&["list"])
        .history(&[("6.2.0", "Takes a `count`.")]),
    row("lpos", -3, "6.0.6",
            "O(N) for a list of N elements, less if matches are near or MAXLEN is given")
        .syntax("key:key element [RANK rank:int] [COUNT num-matches:int] [MAXLEN len:int]")
        .keys(&[one(RO | ACCESS, 1)])
        .categories(&["list"]),
    row("lpush", -3, "1.0.0", "O(1) for each element, so O(N) for N")
        .syntax("key:key element...")
        .keys(&[one(RW | INSERT, 1)])
        .categories(&["list"])
        .history(&[("2.4.0", "More than one `element` at once.")]),
    row("lpushx", -3, "2.2.0", "O(1) for each element, so O(N) for N")
        .syntax("key:key element...")
        .keys(&[one(RW | INSERT, 1)])
        .categories(&["list"])
        .history(&[("4.0.0", "More than one `element` at once.")]),
    row("lrange", 4, "1.0.0",
            "O(S+N), S: distance of the start from the head, or from the nearer end of a large \
             list, N: elements returned")
        .syntax("key:key start:int stop:int")
        .keys(&[one(RO | ACCESS, 1)])
        .categories(&["list"]),
    row("lrem", 4, "1.0.0", "O(N+M), N: elements of the list, M: elements removed")
        .syntax("key:key count:int element")
        .keys(&[one(RW | DELETE, 1)])
        .categories(&["list"]),
    row("lset", 4, "1.0.0", "O(N) for a list of N elements, O(1) at both ends")
        .syntax("key:key index:int element")
        .keys(&[one(RW | UPDATE, 1)])
        .categories(&["list"]),
    row("ltrim", 4, "1.0.0", "O(N) for N elements removed")
        .syntax("key:key start:int stop:int")
        .keys(&[one(RW | DELETE, 1)])
        .categories(&["list"]),
    row("rpop", -2, "1.0.0", "O(N) for N elements returned")
        .syntax("key:key [count:int@6.2.0]")
        .keys(&[one(RW | ACCESS | DELETE, 1)])
        .categories(&["list"])
        .history(&[("6.2.0", "Takes a `count`.")]),
    row("rpoplpush", 3, "1.2.0", "O(1)")
        .syntax("source:key destination:key#1")
        .keys(&[one(RW | ACCESS | DELETE, 1), one(RW | INSERT, 2)])
        .categories(&["list"])
        .deprecated("6.2.0", "`LMOVE ... RIGHT LEFT`"),
    row("rpush", -3, "1.0.0", "O(1) for each element, so O(N) for N")
        .syntax("key:key element...")
        .keys(&[one(RW | INSERT, 1)])
        .categories(&["list"])
        .history(&[("2.4.0", "More than one `element` at once.")]),
    row("rpushx", -3, "2.2.0", "O(1) for each element, so O(N) for N")
        .syntax("key:key element...")
        .keys(&[one(RW | INSERT, 1)])
        .categories(&["list"])
        .history(&[("4.0.0", "More than one `element` at once.")]),
];
