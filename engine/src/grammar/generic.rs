//! Keys of any type: the group `generic` of COMMAND DOCS, 34 rows in order of name.
//!
//! The columns and the notation of `syntax` are explained in the parent module.

use super::key_spec::*;
use super::row::{Grammar, row};

// A fact per line: formatted, short rows would be joined and long ones torn apart.
#[rustfmt::skip]
pub(super) const ROWS: &[Grammar] = &[
    row("copy", "6.2.0", "O(N) for a collection of N elements, O(1) for a string")
        .summary("Puts a copy of a value at another key, in the same database or another.")
        .syntax("source:key destination:key#1 [DB destination-db:int] [REPLACE]")
        .keys(&[one(RO | ACCESS, 1), one(OW | UPDATE, 2)])
        .categories(&["keyspace"]),
    row("del", "1.0.0",
            "O(N) for N keys holding strings; O(M) for one that holds M elements; \
             O(1) for a single string")
        .summary("Removes keys and their values.")
        .syntax("key:key...")
        .keys(&[range(RM | DELETE, 1, -1, 1)])
        .tips(&["request_policy:multi_shard", "response_policy:agg_sum"])
        .categories(&["keyspace"]),
    row("dump", "2.6.0",
            "O(1) to find the key and O(N*M) to encode N objects of average size M, so O(1)+O(1*M) \
             or simply O(1) for a short string")
        .summary("Returns a value as bytes from which RESTORE can make it again.")
        .syntax("key:key")
        .keys(&[one(RO | ACCESS, 1)])
        .tips(&["nondeterministic_output"])
        .categories(&["keyspace"]),
    row("exists", "1.0.0", "O(N) for N keys")
        .summary("Counts how many of some keys are there.")
        .syntax("key:key...")
        .keys(&[range(RO, 1, -1, 1)])
        .tips(&["request_policy:multi_shard", "response_policy:agg_sum"])
        .categories(&["keyspace"])
        .history(&[("3.0.3", "More than one `key` at once.")]),
    row("expire", "1.0.0", "O(1)")
        .summary("Lets a key expire after a number of seconds.")
        .syntax("key:key seconds:int [condition=(NX|XX|GT|LT)@7.0.0]")
        .keys(&[one(RW | UPDATE, 1)])
        .categories(&["keyspace"])
        .history(&[("7.0.0", "New: `NX`, `XX`, `GT`, `LT`.")]),
    row("expireat", "1.2.0", "O(1)")
        .summary("Lets a key expire at a Unix time in seconds.")
        .syntax("key:key unix-time-seconds:time [condition=(NX|XX|GT|LT)@7.0.0]")
        .keys(&[one(RW | UPDATE, 1)])
        .categories(&["keyspace"])
        .history(&[("7.0.0", "New: `NX`, `XX`, `GT`, `LT`.")]),
    row("expiretime", "7.0.0", "O(1)")
        .summary("Tells at which Unix time in seconds a key expires.")
        .syntax("key:key")
        .keys(&[one(RO | ACCESS, 1)])
        .categories(&["keyspace"]),
    row("keys", "1.0.0", "O(N) for N keys in the database, names and pattern being short")
        .summary("Lists all keys of the database whose names match a pattern.")
        .syntax("pattern:pattern")
        .tips(&["request_policy:all_shards", "nondeterministic_output_order"])
        .categories(&["keyspace", "dangerous"]),
    // Two quotes are meant; Redis 7.2 itself replies an empty token in their place.
    row("migrate", "2.6.0", "DUMP and DEL here, RESTORE there, and O(N) for N bytes sent")
        .summary("Moves keys to another server.")
        .syntax(
            "host port:int key-selector=(key:key|empty-string='\"\"') destination-db:int \
             timeout:int [COPY@3.0.0] [REPLACE@3.0.0] \
             [authentication=(AUTH auth<password>@4.0.7|AUTH2 {username password}@6.0.0)] \
             [KEYS keys:key#1<key>...@3.0.6]")
        .keys(&[
            one(RW | ACCESS | DELETE, 3),
            after(RW | ACCESS | DELETE | INCOMPLETE, "KEYS", -2, -1, 0),
        ])
        .tips(&["nondeterministic_output"])
        .categories(&["keyspace", "dangerous"])
        .history(&[
            ("3.0.0", "New: `COPY`, `REPLACE`."),
            ("3.0.6", "New: `KEYS`."),
            ("4.0.7", "New: `AUTH`."),
            ("6.0.0", "New: `AUTH2`."),
        ]),
    row("move", "1.0.0", "O(1)")
        .summary("Takes a key and its value from the selected database to another.")
        .syntax("key:key db:int")
        .keys(&[one(RW | ACCESS | UPDATE, 1)])
        .categories(&["keyspace"]),
    row("object", "2.2.3", "By subcommand")
        .summary("Subcommands that tell how a value is kept in memory."),
    row("object|encoding", "2.2.3", "O(1)")
        .summary("Names the form in which a value is kept in memory.")
        .syntax("key:key")
        .keys(&[one(RO, 2)])
        .tips(&["nondeterministic_output"])
        .categories(&["keyspace"]),
    row("object|freq", "4.0.0", "O(1)")
        .summary("Tells how often a key is used, as the logarithm that eviction goes by.")
        .syntax("key:key")
        .keys(&[one(RO, 2)])
        .tips(&["nondeterministic_output"])
        .categories(&["keyspace"]),
    row("object|help", "6.2.0", "O(1)")
        .summary("Lists the subcommands of OBJECT, each with a sentence about it.")
        .categories(&["keyspace"]),
    row("object|idletime", "2.2.3", "O(1)")
        .summary("Tells for how many seconds a key has not been used.")
        .syntax("key:key")
        .keys(&[one(RO, 2)])
        .tips(&["nondeterministic_output"])
        .categories(&["keyspace"]),
    row("object|refcount", "2.2.3", "O(1)")
        .summary("Tells how many owners a value has, which is always one.")
        .syntax("key:key")
        .keys(&[one(RO, 2)])
        .tips(&["nondeterministic_output"])
        .categories(&["keyspace"]),
    row("persist", "2.2.0", "O(1)")
        .summary("Keeps a key from expiring.")
        .syntax("key:key")
        .keys(&[one(RW | UPDATE, 1)])
        .categories(&["keyspace"]),
    row("pexpire", "2.6.0", "O(1)")
        .summary("Lets a key expire after a number of milliseconds.")
        .syntax("key:key milliseconds:int [condition=(NX|XX|GT|LT)@7.0.0]")
        .keys(&[one(RW | UPDATE, 1)])
        .categories(&["keyspace"])
        .history(&[("7.0.0", "New: `NX`, `XX`, `GT`, `LT`.")]),
    row("pexpireat", "2.6.0", "O(1)")
        .summary("Lets a key expire at a Unix time in milliseconds.")
        .syntax("key:key unix-time-milliseconds:time [condition=(NX|XX|GT|LT)@7.0.0]")
        .keys(&[one(RW | UPDATE, 1)])
        .categories(&["keyspace"])
        .history(&[("7.0.0", "New: `NX`, `XX`, `GT`, `LT`.")]),
    row("pexpiretime", "7.0.0", "O(1)")
        .summary("Tells at which Unix time in milliseconds a key expires.")
        .syntax("key:key")
        .keys(&[one(RO | ACCESS, 1)])
        .categories(&["keyspace"]),
    row("pttl", "2.6.0", "O(1)")
        .summary("Tells in how many milliseconds a key expires.")
        .syntax("key:key")
        .keys(&[one(RO | ACCESS, 1)])
        .tips(&["nondeterministic_output"])
        .categories(&["keyspace"])
        .history(&[("2.8.0", "-2 for a key that is not there.")]),
    row("randomkey", "1.0.0", "O(1)")
        .summary("Returns a key of the database chosen by chance.")
        .tips(&["request_policy:all_shards", "response_policy:special", "nondeterministic_output"])
        .categories(&["keyspace"]),
    row("rename", "1.0.0", "O(1)")
        .summary("Gives a value another key, and drops what that key held.")
        .syntax("key:key newkey:key#1")
        .keys(&[one(RW | ACCESS | DELETE, 1), one(OW | UPDATE, 2)])
        .categories(&["keyspace"]),
    row("renamenx", "1.0.0", "O(1)")
        .summary("Gives a value another key, if that key is not there.")
        .syntax("key:key newkey:key#1")
        .keys(&[one(RW | ACCESS | DELETE, 1), one(OW | INSERT, 2)])
        .categories(&["keyspace"])
        .history(&[("3.2.0", "The same name twice is no error.")]),
    row("restore", "2.6.0",
            "O(1) to make the key and O(N*M) to decode N objects of average size M: O(1)+O(1*M) or \
             simply O(1) for a short string, O(N*M*log(N)) for a sorted set, each insertion being \
             O(log(N))")
        .summary("Makes a key from the bytes that DUMP has returned.")
        .syntax(
            "key:key ttl:int serialized-value [REPLACE@3.0.0] [ABSTTL@5.0.0] \
             [IDLETIME seconds:int@5.0.0] [FREQ frequency:int@5.0.0]")
        .keys(&[one(OW | UPDATE, 1)])
        .categories(&["keyspace", "dangerous"])
        .history(&[
            ("3.0.0", "New: `REPLACE`."),
            ("5.0.0", "New: `ABSTTL`."),
            ("5.0.0", "New: `IDLETIME`, `FREQ`."),
        ]),
    row("scan", "2.8.0", "O(1) for a call, O(N) for a whole pass over N elements")
        .summary("Iterates over the keys of the database, a few in each call.")
        .syntax("cursor:int [MATCH pattern:pattern] [COUNT count:int] [TYPE type@6.0.0]")
        .tips(&["nondeterministic_output", "request_policy:special", "response_policy:special"])
        .categories(&["keyspace"])
        .history(&[("6.0.0", "New: `TYPE`.")]),
    row("sort", "1.0.0",
            "O(N+M*log(M)), N: elements of the key, M: elements returned; \
             O(N) if nothing is sorted")
        .summary("Returns or stores the elements of a list, set or sorted set in order.")
        .syntax(
            "key:key [BY by-pattern:pattern#1<pattern>] [LIMIT {offset:int count:int}] \
             [GET... get-pattern:pattern#1<pattern>] [order=(ASC|DESC)] [sorting=ALPHA] \
             [STORE destination:key#2]")
        .keys(&[
            one(RO | ACCESS, 1),
            unknown(RO | ACCESS)
                .note("Keys named by BY and GET: their names come out of the elements"),
            unknown(OW | UPDATE).note("The target of STORE: the word may stand anywhere"),
        ])
        .categories(&["set", "sortedset", "list", "dangerous"]),
    row("sort_ro", "7.0.0",
            "O(N+M*log(M)), N: elements of the key, M: elements returned; \
             O(N) if nothing is sorted")
        .summary("Returns the elements of a list, set or sorted set in order.")
        .syntax(
            "key:key [BY by-pattern:pattern#1<pattern>] [LIMIT {offset:int count:int}] \
             [GET... get-pattern:pattern#1<pattern>] [order=(ASC|DESC)] [sorting=ALPHA]")
        .keys(&[
            one(RO | ACCESS, 1),
            unknown(RO | ACCESS)
                .note("Keys named by BY and GET: their names come out of the elements"),
        ])
        .categories(&["set", "sortedset", "list", "dangerous"]),
    row("touch", "3.2.1", "O(N) for N keys")
        .summary("Notes that keys have been used, and counts those that are there.")
        .syntax("key:key...")
        .keys(&[range(RO, 1, -1, 1)])
        .tips(&["request_policy:multi_shard", "response_policy:agg_sum"])
        .categories(&["keyspace"]),
    row("ttl", "1.0.0", "O(1)")
        .summary("Tells in how many seconds a key expires.")
        .syntax("key:key")
        .keys(&[one(RO | ACCESS, 1)])
        .tips(&["nondeterministic_output"])
        .categories(&["keyspace"])
        .history(&[("2.8.0", "-2 for a key that is not there.")]),
    row("type", "1.0.0", "O(1)")
        .summary("Names the type of a key's value.")
        .syntax("key:key").keys(&[one(RO, 1)]).categories(&["keyspace"]),
    row("unlink", "4.0.0",
            "O(1) for each key; another thread spends O(N) on the N allocations freed")
        .summary("Removes keys; large values are freed in the background.")
        .syntax("key:key...")
        .keys(&[range(RM | DELETE, 1, -1, 1)])
        .tips(&["request_policy:multi_shard", "response_policy:agg_sum"])
        .categories(&["keyspace"]),
    row("wait", "3.0.0", "O(1)")
        .summary("Waits until enough replicas have acknowledged what the connection has written.")
        .syntax("numreplicas:int timeout:int")
        .tips(&["request_policy:all_shards", "response_policy:agg_min"])
        .categories(&["connection"]),
    row("waitaof", "7.2.0", "O(1)")
        .summary("Waits until what the connection has written is in the append-only files here and on enough replicas.")
        .syntax("numlocal:int numreplicas:int timeout:int")
        .tips(&["request_policy:all_shards", "response_policy:agg_min"])
        .categories(&["connection"]),
];
