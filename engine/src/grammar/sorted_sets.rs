//! Sorted sets: the group `sorted-set` of COMMAND DOCS, 35 rows in order of name.
//!
//! The columns and the notation of `syntax` are explained in the parent module.

use super::key_spec::*;
use super::row::{Grammar, row};

// A fact per line: formatted, short rows would be joined and long ones torn apart.
#[rustfmt::skip]
pub(super) const ROWS: &[Grammar] = &[
    row("bzmpop", "7.0.0",
            "O(K) + O(M*log(N)), K: keys, N: elements of the sorted set, M: elements popped")
        .summary("Takes members of the first sorted set that is not empty; waits until there is one.")
        .syntax("timeout:double numkeys:int key:key... where=(MIN|MAX) [COUNT count:int]")
        .keys(&[counted(RW | ACCESS | DELETE, 2)])
        .categories(&["sortedset"]),
    row("bzpopmax", "5.0.0", "O(log(N)) for N elements of the sorted set")
        .summary("Takes the highest member of the first sorted set that is not empty; waits until there is one.")
        .syntax("key:key... timeout:double")
        .keys(&[range(RW | ACCESS | DELETE, 1, -2, 1)])
        .categories(&["sortedset"])
        .history(&[("6.0.0", "Fractions of a second in `timeout`.")]),
    row("bzpopmin", "5.0.0", "O(log(N)) for N elements of the sorted set")
        .summary("Takes the lowest member of the first sorted set that is not empty; waits until there is one.")
        .syntax("key:key... timeout:double")
        .keys(&[range(RW | ACCESS | DELETE, 1, -2, 1)])
        .categories(&["sortedset"])
        .history(&[("6.0.0", "Fractions of a second in `timeout`.")]),
    row("zadd", "1.2.0", "O(log(N)) for each member, N: elements of the sorted set")
        .summary("Gives members scores. Adds those that are not there.")
        .syntax(
            "key:key [condition=(NX|XX)@3.0.2] [comparison=(GT|LT)@6.2.0] [change=CH@3.0.2] \
             [increment=INCR@3.0.2] data={score:double member}...")
        .keys(&[one(RW | UPDATE, 1)])
        .categories(&["sortedset"])
        .history(&[
            ("2.4.0", "More than one `member` at once."),
            ("3.0.2", "New: `XX`, `NX`, `CH`, `INCR`."),
            ("6.2.0", "New: `GT`, `LT`."),
        ]),
    row("zcard", "1.2.0", "O(1)")
        .summary("Counts the members of a sorted set.")
        .syntax("key:key")
        .keys(&[one(RO, 1)])
        .categories(&["sortedset"]),
    row("zcount", "2.0.0", "O(log(N)) for N elements of the sorted set")
        .summary("Counts the members with scores in a range.")
        .syntax("key:key min:double max:double")
        .keys(&[one(RO | ACCESS, 1)])
        .categories(&["sortedset"]),
    row("zdiff", "6.2.0",
            "O(L + (N-K)log(N)) at worst, L: elements of all sets, N: elements of the first, K: \
             elements of the result")
        .summary("Returns the members of a sorted set that are in none of the others.")
        .syntax("numkeys:int key:key... [WITHSCORES]")
        .keys(&[counted(RO | ACCESS, 1)])
        .categories(&["sortedset"]),
    row("zdiffstore", "6.2.0",
            "O(L + (N-K)log(N)) at worst, L: elements of all sets, N: elements of the first, K: \
             elements of the result")
        .summary("Stores the members of a sorted set that are in none of the others.")
        .syntax("destination:key numkeys:int key:key#1...")
        .keys(&[one(OW | UPDATE, 1), counted(RO | ACCESS, 2)])
        .categories(&["sortedset"]),
    row("zincrby", "1.2.0", "O(log(N)) for N elements of the sorted set")
        .summary("Adds to the score of a member.")
        .syntax("key:key increment:int member")
        .keys(&[one(RW | ACCESS | UPDATE, 1)])
        .categories(&["sortedset"]),
    row("zinter", "6.2.0",
            "O(N*K)+O(M*log(M)) at worst, N: elements of the smallest sorted set, K: sorted sets, \
             M: elements of the result")
        .summary("Returns the members that all sorted sets have.")
        .syntax(
            "numkeys:int key:key... [WEIGHTS weight:int...] [AGGREGATE (SUM|MIN|MAX)] \
             [WITHSCORES]")
        .keys(&[counted(RO | ACCESS, 1)])
        .categories(&["sortedset"]),
    row("zintercard", "7.0.0",
            "O(N*K) at worst, N: elements of the smallest sorted set, K: sorted sets")
        .summary("Returns the number of members that all sorted sets have.")
        .syntax("numkeys:int key:key... [LIMIT limit:int]")
        .keys(&[counted(RO | ACCESS, 1)])
        .categories(&["sortedset"]),
    row("zinterstore", "2.0.0",
            "O(N*K)+O(M*log(M)) at worst, N: elements of the smallest sorted set, K: sorted sets, \
             M: elements of the result")
        .summary("Stores the members that all sorted sets have.")
        .syntax(
            "destination:key numkeys:int key:key#1... [WEIGHTS weight:int...] \
             [AGGREGATE (SUM|MIN|MAX)]")
        .keys(&[one(OW | UPDATE, 1), counted(RO | ACCESS, 2)])
        .categories(&["sortedset"]),
    row("zlexcount", "2.8.9", "O(log(N)) for N elements of the sorted set")
        .summary("Counts the members with names in a range.")
        .syntax("key:key min max")
        .keys(&[one(RO | ACCESS, 1)])
        .categories(&["sortedset"]),
    row("zmpop", "7.0.0",
            "O(K) + O(M*log(N)), K: keys, N: elements of the sorted set, M: elements popped")
        .summary("Takes the lowest or highest members of the first sorted set that is not empty.")
        .syntax("numkeys:int key:key... where=(MIN|MAX) [COUNT count:int]")
        .keys(&[counted(RW | ACCESS | DELETE, 1)])
        .categories(&["sortedset"]),
    row("zmscore", "6.2.0", "O(N) for N members given")
        .summary("Returns the scores of several members.")
        .syntax("key:key member...")
        .keys(&[one(RO | ACCESS, 1)])
        .categories(&["sortedset"]),
    row("zpopmax", "5.0.0", "O(log(N)*M), N: elements of the sorted set, M: elements popped")
        .summary("Takes the members with the highest scores.")
        .syntax("key:key [count:int]")
        .keys(&[one(RW | ACCESS | DELETE, 1)])
        .categories(&["sortedset"]),
    row("zpopmin", "5.0.0", "O(log(N)*M), N: elements of the sorted set, M: elements popped")
        .summary("Takes the members with the lowest scores.")
        .syntax("key:key [count:int]")
        .keys(&[one(RW | ACCESS | DELETE, 1)])
        .categories(&["sortedset"]),
    row("zrandmember", "6.2.0", "O(N) for N members returned")
        .summary("Returns members of a sorted set chosen by chance.")
        .syntax("key:key [options={count:int [WITHSCORES]}]")
        .keys(&[one(RO | ACCESS, 1)])
        .tips(&["nondeterministic_output"])
        .categories(&["sortedset"]),
    row("zrange", "1.2.0", "O(log(N)+M), N: elements of the sorted set, M: elements returned")
        .summary("Returns a range of members by rank, score or name.")
        .syntax(
            "key:key start stop [sortby=(BYSCORE|BYLEX)@6.2.0] [REV@6.2.0] \
             [LIMIT {offset:int count:int}@6.2.0] [WITHSCORES]")
        .keys(&[one(RO | ACCESS, 1)])
        .categories(&["sortedset"])
        .history(&[("6.2.0", "New: `REV`, `BYSCORE`, `BYLEX`, `LIMIT`.")]),
    row("zrangebylex", "2.8.9",
            "O(log(N)+M), N: elements of the sorted set, M: elements returned; \
             O(log(N)) while LIMIT bounds M")
        .summary("Returns the members with names in a range.")
        .syntax("key:key min max [LIMIT {offset:int count:int}]")
        .keys(&[one(RO | ACCESS, 1)])
        .categories(&["sortedset"])
        .deprecated("6.2.0", "`ZRANGE ... BYLEX`"),
    row("zrangebyscore", "1.0.5",
            "O(log(N)+M), N: elements of the sorted set, M: elements returned; \
             O(log(N)) while LIMIT bounds M")
        .summary("Returns the members with scores in a range.")
        .syntax("key:key min:double max:double [WITHSCORES@2.0.0] [LIMIT {offset:int count:int}]")
        .keys(&[one(RO | ACCESS, 1)])
        .categories(&["sortedset"])
        .history(&[("2.0.0", "New: `WITHSCORES`.")])
        .deprecated("6.2.0", "`ZRANGE ... BYSCORE`"),
    row("zrangestore", "6.2.0",
            "O(log(N)+M), N: elements of the sorted set, M: elements stored")
        .summary("Stores a range of members by rank, score or name.")
        .syntax(
            "dst:key src:key#1 min max [sortby=(BYSCORE|BYLEX)] [REV] \
             [LIMIT {offset:int count:int}]")
        .keys(&[one(OW | UPDATE, 1), one(RO | ACCESS, 2)])
        .categories(&["sortedset"]),
    row("zrank", "2.0.0", "O(log(N))")
        .summary("Returns how many members have lower scores than one.")
        .syntax("key:key member [WITHSCORE]")
        .keys(&[one(RO | ACCESS, 1)])
        .categories(&["sortedset"])
        .history(&[("7.2.0", "New: `WITHSCORE`.")]),
    row("zrem", "1.2.0", "O(M*log(N)), N: elements of the sorted set, M: members removed")
        .summary("Removes members of a sorted set, and the sorted set with its last one.")
        .syntax("key:key member...")
        .keys(&[one(RW | DELETE, 1)])
        .categories(&["sortedset"])
        .history(&[("2.4.0", "More than one `member` at once.")]),
    row("zremrangebylex", "2.8.9",
            "O(log(N)+M), N: elements of the sorted set, M: elements removed")
        .summary("Removes the members with names in a range.")
        .syntax("key:key min max")
        .keys(&[one(RW | DELETE, 1)])
        .categories(&["sortedset"]),
    row("zremrangebyrank", "2.0.0",
            "O(log(N)+M), N: elements of the sorted set, M: elements removed")
        .summary("Removes the members with ranks in a range.")
        .syntax("key:key start:int stop:int")
        .keys(&[one(RW | DELETE, 1)])
        .categories(&["sortedset"]),
    row("zremrangebyscore", "1.2.0",
            "O(log(N)+M), N: elements of the sorted set, M: elements removed")
        .summary("Removes the members with scores in a range.")
        .syntax("key:key min:double max:double")
        .keys(&[one(RW | DELETE, 1)])
        .categories(&["sortedset"]),
    row("zrevrange", "1.2.0",
            "O(log(N)+M), N: elements of the sorted set, M: elements returned")
        .summary("Returns a range of members by rank, counted from the highest score.")
        .syntax("key:key start:int stop:int [WITHSCORES]")
        .keys(&[one(RO | ACCESS, 1)])
        .categories(&["sortedset"])
        .deprecated("6.2.0", "`ZRANGE ... REV`"),
    row("zrevrangebylex", "2.8.9",
            "O(log(N)+M), N: elements of the sorted set, M: elements returned; \
             O(log(N)) while LIMIT bounds M")
        .summary("Returns the members with names in a range, the last name first.")
        .syntax("key:key max min [LIMIT {offset:int count:int}]")
        .keys(&[one(RO | ACCESS, 1)])
        .categories(&["sortedset"])
        .deprecated("6.2.0", "`ZRANGE ... BYLEX REV`"),
    row("zrevrangebyscore", "2.2.0",
            "O(log(N)+M), N: elements of the sorted set, M: elements returned; \
             O(log(N)) while LIMIT bounds M")
        .summary("Returns the members with scores in a range, the highest first.")
        .syntax("key:key max:double min:double [WITHSCORES] [LIMIT {offset:int count:int}]")
        .keys(&[one(RO | ACCESS, 1)])
        .categories(&["sortedset"])
        .history(&[("2.1.6", "Bounds may be exclusive.")])
        .deprecated("6.2.0", "`ZRANGE ... BYSCORE REV`"),
    row("zrevrank", "2.0.0", "O(log(N))")
        .summary("Returns how many members have higher scores than one.")
        .syntax("key:key member [WITHSCORE]")
        .keys(&[one(RO | ACCESS, 1)])
        .categories(&["sortedset"])
        .history(&[("7.2.0", "New: `WITHSCORE`.")]),
    row("zscan", "2.8.0", "O(1) for a call, O(N) for a whole pass over N elements")
        .summary("Iterates over the members of a sorted set and their scores.")
        .syntax("key:key cursor:int [MATCH pattern:pattern] [COUNT count:int]")
        .keys(&[one(RO | ACCESS, 1)])
        .tips(&["nondeterministic_output"])
        .categories(&["sortedset"]),
    row("zscore", "1.2.0", "O(1)")
        .summary("Looks up the score of a member.")
        .syntax("key:key member")
        .keys(&[one(RO | ACCESS, 1)])
        .categories(&["sortedset"]),
    row("zunion", "6.2.0",
            "O(N)+O(M*log(M)), N: elements of all sorted sets, M: elements of the result")
        .summary("Returns the members that any of the sorted sets has.")
        .syntax(
            "numkeys:int key:key... [WEIGHTS weight:int...] [AGGREGATE (SUM|MIN|MAX)] \
             [WITHSCORES]")
        .keys(&[counted(RO | ACCESS, 1)])
        .categories(&["sortedset"]),
    row("zunionstore", "2.0.0",
            "O(N)+O(M log(M)), N: elements of all sorted sets, M: elements of the result")
        .summary("Stores the members that any of the sorted sets has.")
        .syntax(
            "destination:key numkeys:int key:key#1... [WEIGHTS weight:int...] \
             [AGGREGATE (SUM|MIN|MAX)]")
        .keys(&[one(OW | UPDATE, 1), counted(RO | ACCESS, 2)])
        .categories(&["sortedset"]),
];
