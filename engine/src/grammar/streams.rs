//! Streams: the group `stream` of COMMAND DOCS, 25 rows in order of name.
//!
//! The columns and the notation of `syntax` are explained in the parent module.

use super::key_spec::*;
use super::row::{Grammar, row};

// A fact per line: formatted, short rows would be joined and long ones torn apart.
#[rustfmt::skip]
pub(super) const ROWS: &[Grammar] = &[
    row("xack", "5.0.0", "O(1) for each ID")
        .summary("Acknowledges entries that were delivered to a group. Returns how many were pending.")
        .syntax("key:key group id...")
        .keys(&[one(RW | UPDATE, 1)])
        .categories(&["stream"]),
    row("xadd", "5.0.0", "O(1), and O(N) for N entries trimmed")
        .summary("Appends an entry to a stream. Makes the stream if it is not there.")
        .syntax(
            "key:key [NOMKSTREAM@6.2.0] [trim={strategy=(MAXLEN|MINID@6.2.0) \
             [operator=(equal='='|approximately='~')] threshold [LIMIT count:int@6.2.0]}] \
             id-selector=(auto-id='*'|id) data={field value}...")
        .keys(&[one(RW | UPDATE, 1).note("Updated, not only added to: trimming removes entries")])
        .tips(&["nondeterministic_output"])
        .categories(&["stream"])
        .history(&[
            ("6.2.0", "New: `NOMKSTREAM`, `MINID`, `LIMIT`."),
            ("7.0.0", "IDs of the form `<ms>-*`."),
        ]),
    row("xautoclaim", "6.2.0", "O(1) for a small `COUNT`")
        .summary("Makes entries that have been pending for long those of another consumer, as if by XCLAIM.")
        .syntax("key:key group consumer min-idle-time start [COUNT count:int] [JUSTID]")
        .keys(&[one(RW | DELETE, 1)])
        .tips(&["nondeterministic_output"])
        .categories(&["stream"])
        .history(&[
            ("7.0.0",
             "Third element of the reply: pending entries dropped because the stream has them no \
              more."),
        ]),
    row("xclaim", "5.0.0", "O(log N) for N pending entries of the group")
        .summary("Makes pending entries those of another consumer.")
        .syntax(
            "key:key group consumer min-idle-time id... [IDLE ms:int] \
             [TIME unix-time-milliseconds:time] [RETRYCOUNT count:int] [FORCE] [JUSTID] \
             [LASTID lastid]")
        .keys(&[one(RW | UPDATE, 1)])
        .tips(&["nondeterministic_output"])
        .categories(&["stream"]),
    row("xdel", "5.0.0", "O(1) for each entry, however long the stream")
        .summary("Deletes entries. Returns how many there were.")
        .syntax("key:key id...")
        .keys(&[one(RW | DELETE, 1)])
        .categories(&["stream"]),
    row("xgroup", "5.0.0", "By subcommand")
        .summary("A container for consumer groups commands."),
    row("xgroup|create", "5.0.0", "O(1)")
        .summary("Makes a group.")
        .syntax(
            "key:key group id-selector=(id|new-id='$') [MKSTREAM] [ENTRIESREAD entries-read:int]")
        .keys(&[one(RW | INSERT, 2)])
        .categories(&["stream"])
        .history(&[("7.0.0", "New: `ENTRIESREAD`.")]),
    row("xgroup|createconsumer", "6.2.0", "O(1)")
        .summary("Makes a consumer of a group.")
        .syntax("key:key group consumer")
        .keys(&[one(RW | INSERT, 2)])
        .categories(&["stream"]),
    row("xgroup|delconsumer", "5.0.0", "O(1)")
        .summary("Removes a consumer, and what is pending for it.")
        .syntax("key:key group consumer")
        .keys(&[one(RW | DELETE, 2)])
        .categories(&["stream"]),
    row("xgroup|destroy", "5.0.0", "O(N) for N pending entries of the group")
        .summary("Removes a group.")
        .syntax("key:key group")
        .keys(&[one(RW | DELETE, 2)])
        .categories(&["stream"]),
    row("xgroup|help", "5.0.0", "O(1)")
        .summary("Returns helpful text about the different subcommands.")
        .categories(&["stream"]),
    row("xgroup|setid", "5.0.0", "O(1)")
        .summary("Sets the last id that was delivered to a group.")
        .syntax(
            "key:key group id-selector=(id|new-id='$') \
             [ENTRIESREAD entriesread:int<entries-read>]")
        .keys(&[one(RW | UPDATE, 2)])
        .categories(&["stream"])
        .history(&[("7.0.0", "New: `ENTRIESREAD`.")]),
    row("xinfo", "5.0.0", "By subcommand")
        .summary("A container for stream introspection commands."),
    row("xinfo|consumers", "5.0.0", "O(1)")
        .summary("Returns the consumers of a group.")
        .syntax("key:key group")
        .keys(&[one(RO | ACCESS, 2)])
        .tips(&["nondeterministic_output"])
        .categories(&["stream"])
        .history(&[("7.2.0", "New field: `inactive`.")]),
    row("xinfo|groups", "5.0.0", "O(1)")
        .summary("Returns the groups of a stream.")
        .syntax("key:key")
        .keys(&[one(RO | ACCESS, 2)])
        .categories(&["stream"])
        .history(&[("7.0.0", "New fields: `entries-read`, `lag`.")]),
    row("xinfo|help", "5.0.0", "O(1)")
        .summary("Returns helpful text about the different subcommands.")
        .categories(&["stream"]),
    row("xinfo|stream", "5.0.0", "O(1)")
        .summary("Returns what there is to know of a stream.")
        .syntax("key:key [full-block={FULL [COUNT count:int]}]")
        .keys(&[one(RO | ACCESS, 2)])
        .categories(&["stream"])
        .history(&[
            ("6.0.0", "New: `FULL`."),
            ("7.0.0",
             "New fields: `max-deleted-entry-id`, `entries-added`, `recorded-first-entry-id`, \
              `entries-read`, `lag`."),
            ("7.2.0", "New field: `active-time`; `seen-time` means another moment."),
        ]),
    row("xlen", "5.0.0", "O(1)")
        .summary("Returns the number of entries of a stream.")
        .syntax("key:key").keys(&[one(RO, 1)]).categories(&["stream"]),
    row("xpending", "5.0.0",
            "O(N) for N entries returned, O(1) while N is small; \
             O(M) for M entries looked at with IDLE; \
             the summary is O(1) while there are few consumers, O(N) for N of them")
        .summary("Returns what is delivered to a group and not acknowledged.")
        .syntax(
            "key:key group [filters={[IDLE min-idle-time:int@6.2.0] start end count:int \
             [consumer]}]")
        .keys(&[one(RO | ACCESS, 1)])
        .tips(&["nondeterministic_output"])
        .categories(&["stream"])
        .history(&[("6.2.0", "New: `IDLE`. Bounds may be exclusive.")]),
    row("xrange", "5.0.0", "O(N) for N entries returned, O(1) while COUNT bounds it")
        .summary("Returns the entries within a range of ids.")
        .syntax("key:key start end [COUNT count:int]")
        .keys(&[one(RO | ACCESS, 1)])
        .categories(&["stream"])
        .history(&[("6.2.0", "Bounds may be exclusive.")]),
    row("xread", "5.0.0", "")
        .summary("Returns entries of streams with ids greater than those given.")
        .syntax("[COUNT count:int] [BLOCK milliseconds:int] STREAMS {key:key... id...}")
        .keys(&[after(RO | ACCESS, "STREAMS", 1, -1, 2)])
        .categories(&["stream"]),
    row("xreadgroup", "5.0.0",
            "O(M) for M entries of each stream, O(1) while COUNT bounds it; \
             a waiting client costs XADD its part of O(N) for N of them")
        .summary("Returns entries to a consumer of a group: new ones, or those that it has not acknowledged.")
        .syntax(
            "GROUP group-block={group consumer} [COUNT count:int] [BLOCK milliseconds:int] [NOACK] \
             STREAMS {key:key... id...}")
        .keys(&[after(RO | ACCESS, "STREAMS", 4, -1, 2)])
        .categories(&["stream"]),
    row("xrevrange", "5.0.0", "O(N) for N entries returned, O(1) while COUNT bounds it")
        .summary("Returns the entries within a range of ids, the last one first.")
        .syntax("key:key end start [COUNT count:int]")
        .keys(&[one(RO | ACCESS, 1)])
        .categories(&["stream"])
        .history(&[("6.2.0", "Bounds may be exclusive.")]),
    row("xsetid", "5.0.0", "O(1)")
        .summary("Sets the last id of a stream, for the use of servers.")
        .syntax(
            "key:key last-id [ENTRIESADDED entries-added:int@7.0.0] \
             [MAXDELETEDID max-deleted-id@7.0.0]")
        .keys(&[one(RW | UPDATE, 1)])
        .categories(&["stream"])
        .history(&[("7.0.0", "New: `ENTRIESADDED`, `MAXDELETEDID`.")]),
    row("xtrim", "5.0.0",
            "O(N) for N entries removed, with a small constant: whole nodes are freed at once")
        .summary("Removes the first entries of a stream.")
        .syntax(
            "key:key trim={strategy=(MAXLEN|MINID@6.2.0) [operator=(equal='='|approximately='~')] \
             threshold [LIMIT count:int@6.2.0]}")
        .keys(&[one(RW | DELETE, 1)])
        .tips(&["nondeterministic_output"])
        .categories(&["stream"])
        .history(&[("6.2.0", "New: `MINID`, `LIMIT`.")]),
];
