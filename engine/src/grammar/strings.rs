//! Strings: the group `string` of COMMAND DOCS, 22 rows in order of name.
//!
//! The columns and the notation of `syntax` are explained in the parent module.

use super::key_spec::*;
use super::row::{Grammar, row};

// A fact per line: formatted, short rows would be joined and long ones torn apart.
#[rustfmt::skip]
pub(super) const ROWS: &[Grammar] = &[
    row("append", "2.0.0", "O(1) amortized for short additions: room grows in larger steps")
        .summary("Adds bytes to the end of a string. Makes the string if it is not there.")
        .syntax("key:key value")
        .keys(&[one(RW | INSERT, 1)])
        .categories(&["string"]),
    row("decr", "1.0.0", "O(1)")
        .summary("Subtracts one from the value of a key, which is 0 if it is not there.")
        .syntax("key:key")
        .keys(&[one(RW | ACCESS | UPDATE, 1)])
        .categories(&["string"]),
    row("decrby", "1.0.0", "O(1)")
        .summary("Subtracts an integer from the value of a key, which is 0 if it is not there.")
        .syntax("key:key decrement:int")
        .keys(&[one(RW | ACCESS | UPDATE, 1)])
        .categories(&["string"]),
    row("get", "1.0.0", "O(1)")
        .summary("Returns the string at a key.")
        .syntax("key:key")
        .keys(&[one(RO | ACCESS, 1)])
        .categories(&["string"]),
    row("getdel", "6.2.0", "O(1)")
        .summary("Returns the string at a key and removes the key.")
        .syntax("key:key")
        .keys(&[one(RW | ACCESS | DELETE, 1)])
        .categories(&["string"]),
    row("getex", "6.2.0", "O(1)")
        .summary("Returns the string at a key and changes when the key expires.")
        .syntax(
            "key:key [expiration=(EX seconds:int|PX milliseconds:int|EXAT unix-time-seconds:time\
             |PXAT unix-time-milliseconds:time|PERSIST)]")
        .keys(&[one(RW | ACCESS | UPDATE, 1).note("Written where the expiry changes")])
        .categories(&["string"]),
    row("getrange", "2.4.0",
            "O(N) for N bytes returned, little more than O(1) for short strings")
        .summary("Returns the bytes of a string between two offsets.")
        .syntax("key:key start:int end:int")
        .keys(&[one(RO | ACCESS, 1)])
        .categories(&["string"]),
    row("getset", "1.0.0", "O(1)")
        .summary("Replaces the string at a key and returns the old one.")
        .syntax("key:key value")
        .keys(&[one(RW | ACCESS | UPDATE, 1)])
        .categories(&["string"])
        .deprecated("6.2.0", "`SET ... GET`"),
    row("incr", "1.0.0", "O(1)")
        .summary("Adds one to the value of a key, which is 0 if it is not there.")
        .syntax("key:key")
        .keys(&[one(RW | ACCESS | UPDATE, 1)])
        .categories(&["string"]),
    row("incrby", "1.0.0", "O(1)")
        .summary("Adds an integer to the value of a key, which is 0 if it is not there.")
        .syntax("key:key increment:int")
        .keys(&[one(RW | ACCESS | UPDATE, 1)])
        .categories(&["string"]),
    row("incrbyfloat", "2.6.0", "O(1)")
        .summary("Adds a number to the value of a key, which is 0 if it is not there.")
        .syntax("key:key increment:double")
        .keys(&[one(RW | ACCESS | UPDATE, 1)])
        .categories(&["string"]),
    row("lcs", "7.0.0", "O(N*M) for strings of N and M bytes")
        .summary("Finds the longest sequence of bytes that two strings have in common, gaps allowed.")
        .syntax("key1:key key2:key [LEN] [IDX] [MINMATCHLEN min-match-len:int] [WITHMATCHLEN]")
        .keys(&[range(RO | ACCESS, 1, 1, 1)])
        .categories(&["string"]),
    row("mget", "1.0.0", "O(N) for N keys")
        .summary("Returns the strings of several keys at once.")
        .syntax("key:key...")
        .keys(&[range(RO | ACCESS, 1, -1, 1)])
        .tips(&["request_policy:multi_shard"])
        .categories(&["string"]),
    row("mset", "1.0.1", "O(N) for N keys")
        .summary("Sets several keys to strings at once.")
        .syntax("data={key:key value}...")
        .keys(&[range(OW | UPDATE, 1, -1, 2)])
        .tips(&["request_policy:multi_shard", "response_policy:all_succeeded"])
        .categories(&["string"]),
    row("msetnx", "1.0.1", "O(N) for N keys")
        .summary("Sets several keys to strings at once, if none of the keys is there.")
        .syntax("data={key:key value}...")
        .keys(&[range(OW | INSERT, 1, -1, 2)])
        .categories(&["string"]),
    row("psetex", "2.6.0", "O(1)")
        .summary("Sets a key to a string that expires after a number of milliseconds.")
        .syntax("key:key milliseconds:int value")
        .keys(&[one(OW | UPDATE, 1)])
        .categories(&["string"])
        .deprecated("2.6.12", "`SET ... PX`"),
    row("set", "1.0.0", "O(1)")
        .summary("Sets a key to a string, whatever it held before.")
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
    row("setex", "2.0.0", "O(1)")
        .summary("Sets a key to a string that expires after a number of seconds.")
        .syntax("key:key seconds:int value")
        .keys(&[one(OW | UPDATE, 1)])
        .categories(&["string"])
        .deprecated("2.6.12", "`SET ... EX`"),
    row("setnx", "1.0.0", "O(1)")
        .summary("Sets a key to a string, if the key is not there.")
        .syntax("key:key value")
        .keys(&[one(OW | INSERT, 1)])
        .categories(&["string"])
        .deprecated("2.6.12", "`SET ... NX`"),
    row("setrange", "2.2.0", "O(1) for a short value, O(M) for one of M bytes")
        .summary("Overwrites the bytes of a string from an offset on. Makes the string if it is not there.")
        .syntax("key:key offset:int value")
        .keys(&[one(RW | UPDATE, 1)])
        .categories(&["string"]),
    row("strlen", "2.2.0", "O(1)")
        .summary("Returns how many bytes a string has.")
        .syntax("key:key").keys(&[one(RO, 1)]).categories(&["string"]),
    row("substr", "1.0.0", "O(N) for N bytes returned, little more than O(1) for short strings")
        .summary("Does the same as GETRANGE, under its old name.")
        .syntax("key:key start:int end:int")
        .keys(&[one(RO | ACCESS, 1)])
        .categories(&["string"])
        .deprecated("2.0.0", "`GETRANGE`"),
];
