//! Lists: the group `list` of COMMAND DOCS, 22 rows in order of name.
//!
//! The columns and the notation of `syntax` are explained in the parent module.

use super::key_spec::*;
use super::row::{Grammar, row};

// A fact per line: formatted, short rows would be joined and long ones torn apart.
#[rustfmt::skip]
pub(super) const ROWS: &[Grammar] = &[
    row("blmove", "6.2.0", "O(1)")
        .summary("Moves an element from one list to another; waits until there is one.")
        .syntax(
            "source:key destination:key#1 wherefrom=(LEFT|RIGHT) whereto=(LEFT|RIGHT) \
             timeout:double")
        .keys(&[one(RW | ACCESS | DELETE, 1), one(RW | INSERT, 2)])
        .categories(&["list"]),
    row("blmpop", "7.0.0", "O(N+M), N: keys, M: elements popped")
        .summary("Takes elements of the first list that is not empty; waits until there is one.")
        .syntax("timeout:double numkeys:int key:key... where=(LEFT|RIGHT) [COUNT count:int]")
        .keys(&[counted(RW | ACCESS | DELETE, 2)])
        .categories(&["list"]),
    row("blpop", "2.0.0", "O(N) for N keys")
        .summary("Takes the first element of the first list that is not empty; waits until there is one.")
        .syntax("key:key... timeout:double")
        .keys(&[range(RW | ACCESS | DELETE, 1, -2, 1)])
        .categories(&["list"])
        .history(&[("6.0.0", "Fractions of a second in `timeout`.")]),
    row("brpop", "2.0.0", "O(N) for N keys")
        .summary("Takes the last element of the first list that is not empty; waits until there is one.")
        .syntax("key:key... timeout:double")
        .keys(&[range(RW | ACCESS | DELETE, 1, -2, 1)])
        .categories(&["list"])
        .history(&[("6.0.0", "Fractions of a second in `timeout`.")]),
    row("brpoplpush", "2.2.0", "O(1)")
        .summary("Moves the last element of a list to the front of another; waits until there is one.")
        .syntax("source:key destination:key#1 timeout:double")
        .keys(&[one(RW | ACCESS | DELETE, 1), one(RW | INSERT, 2)])
        .categories(&["list"])
        .history(&[("6.0.0", "Fractions of a second in `timeout`.")])
        .deprecated("6.2.0", "`BLMOVE ... RIGHT LEFT`"),
    row("lindex", "1.0.0", "O(N) for N elements passed on the way, O(1) at both ends")
        .summary("Returns the element at an index of a list.")
        .syntax("key:key index:int")
        .keys(&[one(RO | ACCESS, 1)])
        .categories(&["list"]),
    row("linsert", "2.2.0",
            "O(N) for N elements before the pivot: O(1) near the head, O(N) near the tail")
        .summary("Puts an element before or after the first one that equals another.")
        .syntax("key:key where=(BEFORE|AFTER) pivot element")
        .keys(&[one(RW | INSERT, 1)])
        .categories(&["list"]),
    row("llen", "1.0.0", "O(1)")
        .summary("Counts the elements of a list.")
        .syntax("key:key").keys(&[one(RO, 1)]).categories(&["list"]),
    row("lmove", "6.2.0", "O(1)")
        .summary("Takes an element from an end of a list, puts it at an end of another and returns it.")
        .syntax("source:key destination:key#1 wherefrom=(LEFT|RIGHT) whereto=(LEFT|RIGHT)")
        .keys(&[one(RW | ACCESS | DELETE, 1), one(RW | INSERT, 2)])
        .categories(&["list"]),
    row("lmpop", "7.0.0", "O(N+M), N: keys, M: elements popped")
        .summary("Takes elements from an end of the first list that is not empty.")
        .syntax("numkeys:int key:key... where=(LEFT|RIGHT) [COUNT count:int]")
        .keys(&[counted(RW | ACCESS | DELETE, 1)])
        .categories(&["list"]),
    row("lpop", "1.0.0", "O(N) for N elements returned")
        .summary("Takes the first elements of a list.")
        .syntax("key:key [count:int@6.2.0]")
        .keys(&[one(RW | ACCESS | DELETE, 1)])
        .categories(&["list"])
        .history(&[("6.2.0", "Takes a `count`.")]),
    row("lpos", "6.0.6",
            "O(N) for a list of N elements, less if matches are near or MAXLEN is given")
        .summary("Returns where elements of a list equal another.")
        .syntax("key:key element [RANK rank:int] [COUNT num-matches:int] [MAXLEN len:int]")
        .keys(&[one(RO | ACCESS, 1)])
        .categories(&["list"]),
    row("lpush", "1.0.0", "O(1) for each element, so O(N) for N")
        .summary("Puts elements before the first one of a list. Makes the list if it is not there.")
        .syntax("key:key element...")
        .keys(&[one(RW | INSERT, 1)])
        .categories(&["list"])
        .history(&[("2.4.0", "More than one `element` at once.")]),
    row("lpushx", "2.2.0", "O(1) for each element, so O(N) for N")
        .summary("Puts elements before the first one of a list, if the list is there.")
        .syntax("key:key element...")
        .keys(&[one(RW | INSERT, 1)])
        .categories(&["list"])
        .history(&[("4.0.0", "More than one `element` at once.")]),
    row("lrange", "1.0.0",
            "O(S+N), S: distance of the start from the head, or from the nearer end of a large \
             list, N: elements returned")
        .summary("Returns the elements of a list between two indexes.")
        .syntax("key:key start:int stop:int")
        .keys(&[one(RO | ACCESS, 1)])
        .categories(&["list"]),
    row("lrem", "1.0.0", "O(N+M), N: elements of the list, M: elements removed")
        .summary("Removes elements that equal another.")
        .syntax("key:key count:int element")
        .keys(&[one(RW | DELETE, 1)])
        .categories(&["list"]),
    row("lset", "1.0.0", "O(N) for a list of N elements, O(1) at both ends")
        .summary("Replaces the element at an index of a list.")
        .syntax("key:key index:int element")
        .keys(&[one(RW | UPDATE, 1)])
        .categories(&["list"]),
    row("ltrim", "1.0.0", "O(N) for N elements removed")
        .summary("Removes the elements outside of a range of a list.")
        .syntax("key:key start:int stop:int")
        .keys(&[one(RW | DELETE, 1)])
        .categories(&["list"]),
    row("rpop", "1.0.0", "O(N) for N elements returned")
        .summary("Takes the last elements of a list.")
        .syntax("key:key [count:int@6.2.0]")
        .keys(&[one(RW | ACCESS | DELETE, 1)])
        .categories(&["list"])
        .history(&[("6.2.0", "Takes a `count`.")]),
    row("rpoplpush", "1.2.0", "O(1)")
        .summary("Takes the last element of a list, puts it before the first one of another and returns it.")
        .syntax("source:key destination:key#1")
        .keys(&[one(RW | ACCESS | DELETE, 1), one(RW | INSERT, 2)])
        .categories(&["list"])
        .deprecated("6.2.0", "`LMOVE ... RIGHT LEFT`"),
    row("rpush", "1.0.0", "O(1) for each element, so O(N) for N")
        .summary("Puts elements after the last one of a list. Makes the list if it is not there.")
        .syntax("key:key element...")
        .keys(&[one(RW | INSERT, 1)])
        .categories(&["list"])
        .history(&[("2.4.0", "More than one `element` at once.")]),
    row("rpushx", "2.2.0", "O(1) for each element, so O(N) for N")
        .summary("Puts elements after the last one of a list, if the list is there.")
        .syntax("key:key element...")
        .keys(&[one(RW | INSERT, 1)])
        .categories(&["list"])
        .history(&[("4.0.0", "More than one `element` at once.")]),
];
