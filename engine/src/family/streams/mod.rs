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
use crate::command::*;
use crate::refusal::Refusal;
use keyspace::stream::Entry;
use protocol::resp::{Args, Reply};

mod changes;
mod claims;
mod groups;
mod ids;
mod info;
mod reads;

#[rustfmt::skip]
pub(super) const COMMANDS: &[Spec] = &[
    //  name          arity        flags                            keys                 handler
    cmd("xack",       at_least(4), WRITE | FAST,                    key(1),              claims::xack),
    cmd("xadd",       at_least(5), WRITE | GROWS | FAST,            key(1),              changes::xadd),
    cmd("xautoclaim", at_least(6), WRITE | FAST,                    key(1),              claims::xautoclaim),
    cmd("xclaim",     at_least(6), WRITE | FAST,                    key(1),              claims::xclaim),
    cmd("xdel",       at_least(3), WRITE | FAST,                    key(1),              changes::xdel),
    cmd("xgroup",     at_least(2), 0,                               NO_KEYS,             groups::help).with(XGROUP),
    cmd("xinfo",      at_least(2), 0,                               NO_KEYS,             info::help).with(XINFO),
    cmd("xlen",       exactly(2),  READ | FAST,                     key(1),              changes::xlen),
    cmd("xpending",   at_least(3), READ,                            key(1),              claims::xpending),
    cmd("xrange",     at_least(4), READ,                            key(1),              reads::xrange),
    cmd("xread",      at_least(4), READ | BLOCKING | MOVABLE_KEYS,  found(0, read_keys), reads::xread),
    cmd("xreadgroup", at_least(7), WRITE | BLOCKING | MOVABLE_KEYS, found(0, read_keys), reads::xreadgroup),
    cmd("xrevrange",  at_least(4), READ,                            key(1),              reads::xrevrange),
    cmd("xsetid",     at_least(3), WRITE | GROWS | FAST,            key(1),              changes::xsetid),
    cmd("xtrim",      at_least(4), WRITE,                           key(1),              changes::xtrim),
];

#[rustfmt::skip]
const XGROUP: &[Spec] = &[
    //  name                     arity        flags            keys     handler
    cmd("xgroup|create",         at_least(5), WRITE | GROWS,   key(2),  groups::create),
    cmd("xgroup|createconsumer", exactly(5),  WRITE | GROWS,   key(2),  groups::create_consumer),
    cmd("xgroup|delconsumer",    exactly(5),  WRITE,           key(2),  groups::delete_consumer),
    cmd("xgroup|destroy",        exactly(4),  WRITE,           key(2),  groups::destroy),
    cmd("xgroup|help",           exactly(2),  LOADING | STALE, NO_KEYS, groups::help),
    cmd("xgroup|setid",          at_least(5), WRITE,           key(2),  groups::set_id),
];

#[rustfmt::skip]
const XINFO: &[Spec] = &[
    //  name               arity        flags            keys     handler
    cmd("xinfo|consumers", exactly(4),  READ,            key(2),  info::consumers),
    cmd("xinfo|groups",    exactly(3),  READ,            key(2),  info::groups),
    cmd("xinfo|help",      exactly(2),  LOADING | STALE, NO_KEYS, info::help),
    cmd("xinfo|stream",    at_least(3), READ,            key(2),  info::stream),
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
