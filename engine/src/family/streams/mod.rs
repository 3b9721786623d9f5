//! Stream commands: XADD, XREADGROUP and their kin.
//!
//! - `ids`: ids as text
//! - `changes`: XADD, XDEL, XSETID, XTRIM, XLEN
//! - `reads`: XRANGE, XREVRANGE, XREAD, XREADGROUP
//! - `claims`: XACK, XPENDING, XCLAIM, XAUTOCLAIM
//! - `groups`: XGROUP; `info`: XINFO
//!
//! As in Redis, what changes only a group does not spoil transactions that watch the key: XREADGROUP, XACK, XCLAIM, and
//! XGROUP on a stream that is there.
//!
//! # Not here
//! - the stream itself: `keyspace::stream`

use crate::arguments::is;
use crate::command::{Group::Stream as G, *};
use crate::refusal::Refusal;
use keyspace::stream::Entry;
use protocol::resp::{Args, Reply};

mod changes;
mod claims;
mod groups;
mod ids;
mod info;
mod reads;

pub(super) const COMMANDS: &[Spec] = &[
    //  name     arity        flags                 keys           since    group complexity handler
    cmd(
        "xack",
        at_least(4),
        WRITE | FAST,
        key(1),
        "5.0.0",
        G,
        "O(N) where N is the number of ids.",
        claims::xack,
        "Acknowledges entries that were delivered to a group. Returns how many were pending.",
    ),
    cmd(
        "xadd",
        at_least(5),
        WRITE | GROWS | FAST,
        key(1),
        "5.0.0",
        G,
        "O(1), and O(N) where N is the number of entries trimmed.",
        changes::xadd,
        "Appends an entry to a stream. Makes the stream if it is not there.",
    ),
    cmd(
        "xautoclaim",
        at_least(6),
        WRITE | FAST,
        key(1),
        "6.2.0",
        G,
        "O(1) if COUNT is small.",
        claims::xautoclaim,
        "Makes entries that have been pending for long those of another consumer, as if by XCLAIM.",
    ),
    cmd(
        "xclaim",
        at_least(6),
        WRITE | FAST,
        key(1),
        "5.0.0",
        G,
        "O(log N) for each id, where N is the number of pending entries.",
        claims::xclaim,
        "Makes pending entries those of another consumer.",
    ),
    cmd(
        "xdel",
        at_least(3),
        WRITE | FAST,
        key(1),
        "5.0.0",
        G,
        "O(1) for each id.",
        changes::xdel,
        "Deletes entries. Returns how many there were.",
    ),
    cmd(
        "xgroup",
        at_least(2),
        0,
        NO_KEYS,
        "5.0.0",
        G,
        "Depends on subcommand.",
        groups::help,
        "A container for consumer groups commands.",
    )
    .with(XGROUP),
    cmd(
        "xinfo",
        at_least(2),
        0,
        NO_KEYS,
        "5.0.0",
        G,
        "Depends on subcommand.",
        info::help,
        "A container for stream introspection commands.",
    )
    .with(XINFO),
    cmd(
        "xlen",
        exactly(2),
        READ | FAST,
        key(1),
        "5.0.0",
        G,
        "O(1)",
        changes::xlen,
        "Returns the number of entries of a stream.",
    ),
    cmd(
        "xpending",
        at_least(3),
        READ,
        key(1),
        "5.0.0",
        G,
        "O(N) where N is the number of entries returned, or of consumers without a range.",
        claims::xpending,
        "Returns what is delivered to a group and not acknowledged.",
    ),
    cmd(
        "xrange",
        at_least(4),
        READ,
        key(1),
        "5.0.0",
        G,
        "O(N) where N is the number of entries returned.",
        reads::xrange,
        "Returns the entries within a range of ids.",
    ),
    cmd(
        "xread",
        at_least(4),
        READ | BLOCKING | MOVABLE_KEYS,
        found(0, read_keys),
        "5.0.0",
        G,
        "O(N) where N is the number of entries returned.",
        reads::xread,
        "Returns entries of streams with ids greater than those given.",
    ),
    cmd(
        "xreadgroup",
        at_least(7),
        WRITE | BLOCKING | MOVABLE_KEYS,
        found(0, read_keys),
        "5.0.0",
        G,
        "O(N) where N is the number of entries returned.",
        reads::xreadgroup,
        "Returns entries to a consumer of a group: new ones, or those that it has not acknowledged.",
    ),
    cmd(
        "xrevrange",
        at_least(4),
        READ,
        key(1),
        "5.0.0",
        G,
        "O(N) where N is the number of entries returned.",
        reads::xrevrange,
        "Returns the entries within a range of ids, the last one first.",
    ),
    cmd(
        "xsetid",
        at_least(3),
        WRITE | GROWS | FAST,
        key(1),
        "5.0.0",
        G,
        "O(1)",
        changes::xsetid,
        "Sets the last id of a stream, for the use of servers.",
    ),
    cmd(
        "xtrim",
        at_least(4),
        WRITE,
        key(1),
        "5.0.0",
        G,
        "O(N) where N is the number of entries removed.",
        changes::xtrim,
        "Removes the first entries of a stream.",
    ),
];

const XGROUP: &[Spec] = &[
    cmd(
        "xgroup|create",
        at_least(5),
        WRITE | GROWS,
        key(2),
        "5.0.0",
        G,
        "O(1)",
        groups::create,
        "Makes a group.",
    ),
    cmd(
        "xgroup|createconsumer",
        exactly(5),
        WRITE | GROWS,
        key(2),
        "6.2.0",
        G,
        "O(1)",
        groups::create_consumer,
        "Makes a consumer of a group.",
    ),
    cmd(
        "xgroup|delconsumer",
        exactly(5),
        WRITE,
        key(2),
        "5.0.0",
        G,
        "O(N) where N is the number of entries pending for it.",
        groups::delete_consumer,
        "Removes a consumer, and what is pending for it.",
    ),
    cmd(
        "xgroup|destroy",
        exactly(4),
        WRITE,
        key(2),
        "5.0.0",
        G,
        "O(N) where N is the number of entries pending.",
        groups::destroy,
        "Removes a group.",
    ),
    cmd(
        "xgroup|help",
        exactly(2),
        LOADING | STALE,
        NO_KEYS,
        "5.0.0",
        G,
        "O(1)",
        groups::help,
        "Returns helpful text about the different subcommands.",
    ),
    cmd(
        "xgroup|setid",
        at_least(5),
        WRITE,
        key(2),
        "5.0.0",
        G,
        "O(1)",
        groups::set_id,
        "Sets the last id that was delivered to a group.",
    ),
];

const XINFO: &[Spec] = &[
    cmd(
        "xinfo|consumers",
        exactly(4),
        READ,
        key(2),
        "5.0.0",
        G,
        "O(N) where N is the number of consumers.",
        info::consumers,
        "Returns the consumers of a group.",
    ),
    cmd(
        "xinfo|groups",
        exactly(3),
        READ,
        key(2),
        "5.0.0",
        G,
        "O(N) where N is the number of groups.",
        info::groups,
        "Returns the groups of a stream.",
    ),
    cmd(
        "xinfo|help",
        exactly(2),
        LOADING | STALE,
        NO_KEYS,
        "5.0.0",
        G,
        "O(1)",
        info::help,
        "Returns helpful text about the different subcommands.",
    ),
    cmd(
        "xinfo|stream",
        at_least(3),
        READ,
        key(2),
        "5.0.0",
        G,
        "O(1), and O(N) with FULL, where N is what COUNT allows.",
        info::stream,
        "Returns what there is to know of a stream.",
    ),
];

/// Where the keys of XREAD and XREADGROUP are: behind the word STREAMS among the options, the first half of what follows.
fn read_keys(args: Args<'_>) -> Option<Vec<usize>> {
    let word = |at: usize, word: &str| args.get(at).is_some_and(|arg| is(arg, word));
    let mut at = 1;
    while !word(at, "STREAMS") {
        at += match () {
            _ if word(at, "COUNT") || word(at, "BLOCK") => 2,
            _ if word(at, "GROUP") => 3,
            _ if word(at, "NOACK") => 1,
            _ => return None,
        };
    }
    let rest = args.len() - at - 1;
    let found = rest > 0 && rest.is_multiple_of(2);
    found.then(|| (at + 1..at + 1 + rest / 2).collect())
}

/// Writes an entry: its id and its fields with their values.
#[inline]
fn write_entry(reply: &mut Reply<'_>, entry: &Entry<'_>) {
    reply.array(2);
    ids::write(reply, entry.id);
    reply.array(entry.len * 2);
    for (field, value) in entry.pairs() {
        reply.text(field);
        reply.text(value);
    }
}

/// How many entries a group has read, as commands say it: −1 is unknown.
fn entries_read(count: Option<u64>) -> i64 {
    count.map_or(-1, |count| count as i64)
}

/// A group is not there, or the stream is not.
fn no_such_group(key: &[u8], group: &[u8]) -> Refusal {
    let parts = [b"NOGROUP No such key '", key, b"' or consumer group '", group, b"'"];
    Refusal::from(parts.concat()).of_state()
}

/// A group of a stream is not there.
fn missing_group(key: &[u8], group: &[u8]) -> Refusal {
    let parts = [b"NOGROUP No such consumer group '", group, b"' for key name '", key, b"'"];
    Refusal::from(parts.concat()).of_state()
}

/// A subcommand that exists was not given what it takes.
fn wrong_subcommand(args: Args<'_>) -> Refusal {
    let (container, name) = (args.at(0).to_ascii_uppercase(), args.at(1));
    let name = &name[..name.len().min(128)];
    let parts = [
        b"ERR unknown subcommand or wrong number of arguments for '",
        name,
        b"'. Try ",
        &container,
        b" HELP.",
    ];
    Refusal::from(parts.concat())
}

#[cfg(test)]
mod tests;
