//! Strings: the group `string` of COMMAND DOCS, 22 rows in order of name.
//!
//! The columns and the notation of `syntax` are explained in the parent module.

use super::key_spec::*;
use super::{Grammar, row};

// A fact per line: formatted, short rows would be joined and long ones torn apart.
#[rustfmt::skip]
pub(super) const ROWS: &[Grammar] = &[
    row("append", 3, "2.0.0", "O(1) amortized for short additions: room grows in larger steps")
        .syntax("key:key value")
        .keys(&[one(RW | INSERT, 1)])
        .categories(&["string"]),
    row("decr", 2, "1.0.0", "O(1)")
        .syntax("key:key")
        .keys(&[one(RW | ACCESS | UPDATE, 1)])
        .categories(&["string"]),
    row("decrby", 3, "1.0.0", "O(1)")
        .syntax("key:key decrement:int")
        .keys(&[one(RW | ACCESS | UPDATE, 1)])
        .categories(&["string"]),
    row("get", 2, "1.0.0", "O(1)")
        .syntax("key:key")
        .keys(&[one(RO | ACCESS, 1)])
        .categories(&["string"]),
    row("getdel", 2, "6.2.0", "O(1)")
        .syntax("key:key")
        .keys(&[one(RW | ACCESS | DELETE, 1)])
        .categories(&["string"]),
    row("getex", -2, "6.2.0", "O(1)")
        .syntax(
            "key:key [expiration=(EX seconds:int|PX milliseconds:int|EXAT unix-time-seconds:time\
             |PXAT unix-time-milliseconds:time|PERSIST)]")
        .keys(&[one(RW | ACCESS | UPDATE, 1).note("Written where the expiry changes")])
        .categories(&["string"]),
    row("getrange", 4, "2.4.0",
            "O(N) for N bytes returned, little more than O(1) for short strings")
        .syntax("key:key start:int end:int")
        .keys(&[one(RO | ACCESS, 1)])
        .categories(&["string"]),
    row("getset", 3, "1.0.0", "O(1)")
        .syntax("key:key value")
        .keys(&[one(RW | ACCESS | UPDATE, 1)])
        .categories(&["string"])
        .deprecated("6.2.0", "`SET ... GET`"),
    row("incr", 2, "1.0.0", "O(1)")
        .syntax("key:key")
        .keys(&[one(RW | ACCESS | UPDATE, 1)])
        .categories(&["string"]),
    row("incrby", 3, "1.0.0", "O(1)")
        .syntax("key:key increment:int")
        .keys(&[one(RW | ACCESS | UPDATE, 1)])
        .categories(&["string"]),
    row("incrbyfloat", 3, "2.6.0", "O(1)")
        .syntax("key:key increment:double")
        .keys(&[one(RW | ACCESS | UPDATE, 1)])
        .categories(&["string"]),
    row("lcs", -3, "7.0.0", "O(N*M) for strings of N and M bytes")
        .syntax("key1:key key2:key [LEN] [IDX] [MINMATCHLEN min-match-len:int] [WITHMATCHLEN]")
        .keys(&[range(RO | ACCESS, 1, 1, 1)])
        .categories(&["string"]),
    row("mget", -2, "1.0.0", "O(N) for N keys")
        .syntax("key:key...")
        .keys(&[range(RO | ACCESS, 1, -1, 1)])
        .tips(&["request_policy:multi_shard"])
        .categories(&["string"]),
    row("mset", -3, "1.0.1", "O(N) for N keys")
        .syntax("data={key:key value}...")
        .keys(&[range(OW | UPDATE, 1, -1, 2)])
        .tips(&["request_policy:multi_shard", "response_policy:all_succeeded"])
        .categories(&["string"]),
    row("msetnx", -3, "1.0.1", "O(N) for N keys")
        .syntax("data={key:key value}...")
        .keys(&[range(OW | INSERT, 1, -1, 2)])
        .categories(&["string"]),
    row("psetex", 4, "2.6.0", "O(1)")
        .syntax("key:key milliseconds:int value")
        .keys(&[one(OW | UPDATE, 1)])
        .categories(&["string"])
        .deprecated("2.6.12", "`SET ... PX`"),
    row("set", -3, "1.0.0", "O(1)")
        .syntax(
            "key:key value [condition=(NX|XX)@2.6.12] [GET@6.2.0] \
             [expiration=(EX seconds:int@2.6.12|PX milliseconds:int@2.6.12\
             |EXAT unix-time-seconds:time@6.2.0|PXAT unix-time-milliseconds:time@6.2.0\
             |KEEPTTL@6.0.0)]")
        .keys(&[
            one(RW | ACCESS | UPDATE | VARIABLE_FLAGS, 1)
                .note("Read where GET asks for the old value"),
        ])
        .categories(&["string"])
        .history(&[
            ("2.6.12", "New: `EX`, `PX`, `NX`, `XX`."),
            ("6.0.0", "New: `KEEPTTL`."),
            ("6.2.0", "New: `GET`, `EXAT`, `PXAT`."),
            ("7.0.0", "`NX` and `GET` go together."),
        ]),
    row("setex", 4, "2.0.0", "O(1)")
        .syntax("key:key seconds:int value")
        .keys(&[one(OW | UPDATE, 1)])
        .categories(&["string"])
        .deprecated("2.6.12", "`SET ... EX`"),
    row("setnx", 3, "1.0.0", "O(1)")
        .syntax("key:key value")
        .keys(&[one(OW | INSERT, 1)])
        .categories(&["string"])
        .deprecated("2.6.12", "`SET ... NX`"),
    row("setrange", 4, "2.2.0", "O(1) for a short value, O(M) for one of M bytes")
        .syntax("key:key offset:int value")
        .keys(&[one(RW | UPDATE, 1)])
        .categories(&["string"]),
    row("strlen", 2, "2.2.0", "O(1)").syntax("key:key").keys(&[one(RO, 1)]).categories(&["string"]),
    row("substr", 4, "1.0.0", "O(N) for N bytes returned, little more than O(1) for short strings")
        .syntax("key:key start:int end:int")
        .keys(&[one(RO | ACCESS, 1)])
        .categories(&["string"])
        .deprecated("2.0.0", "`GETRANGE`"),
];
