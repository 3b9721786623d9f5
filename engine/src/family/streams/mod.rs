//! Stream commands: XADD, XREADGROUP and their kin.
//!
//! - `ids`: ids as text
//! - `changes`: XADD, XDEL, XSETID, XTRIM, XLEN
//! - `reads`: XRANGE, XREVRANGE, XREAD, XREADGROUP
//! - `claims`: XACK, XPENDING, XCLAIM, XAUTOCLAIM
//! - `groups`: XGROUP; `info`: XINFO
//! - `replies`: entries and errors as several of them say it; `effects`: what becomes of groups, as copies are told
//!
//! As in Redis, what changes only a group does not spoil transactions that watch the key: XREADGROUP, XACK, XCLAIM, and
//! XGROUP on a stream that is there.
//!
//! # Not here
//! - the stream itself: `keyspace::stream`

use super::help::help;
use crate::arguments::is;
use crate::command::*;
use crate::context::{Context, Done};
use crate::refusal::Refusal;
use protocol::resp::Args;

mod changes;
mod claims;
mod effects;
mod groups;
mod ids;
mod info;
mod reads;
mod replies;

#[rustfmt::skip]
pub(super) const COMMANDS: &[Spec] = &[
    //  name          arity        flags                            keys                 handler
    cmd("xack",       at_least(4), WRITE | FAST,                    key(1),              claims::xack),
    cmd("xadd",       at_least(5), WRITE | GROWS | FAST,            key(1),              changes::xadd),
    cmd("xautoclaim", at_least(6), WRITE | FAST,                    key(1),              claims::xautoclaim),
    cmd("xclaim",     at_least(6), WRITE | FAST,                    key(1),              claims::xclaim),
    cmd("xdel",       at_least(3), WRITE | FAST,                    key(1),              changes::xdel),
    cmd("xgroup",     at_least(2), 0,                               NO_KEYS,             xgroup_help).with(XGROUP),
    cmd("xinfo",      at_least(2), 0,                               NO_KEYS,             xinfo_help).with(XINFO),
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
    cmd("xgroup|help",           exactly(2),  LOADING | STALE, NO_KEYS, xgroup_help),
    cmd("xgroup|setid",          at_least(5), WRITE,           key(2),  groups::set_id),
];

#[rustfmt::skip]
const XINFO: &[Spec] = &[
    //  name               arity        flags            keys     handler
    cmd("xinfo|consumers", exactly(4),  READ,            key(2),  info::consumers),
    cmd("xinfo|groups",    exactly(3),  READ,            key(2),  info::groups),
    cmd("xinfo|help",      exactly(2),  LOADING | STALE, NO_KEYS, xinfo_help),
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

fn xgroup_help(ctx: &mut Context<'_>, _: Args<'_>) -> Result<Done, Refusal> {
    help(ctx, "xgroup");
    Ok(Done::NOTHING)
}

fn xinfo_help(ctx: &mut Context<'_>, _: Args<'_>) -> Result<Done, Refusal> {
    help(ctx, "xinfo");
    Ok(Done::NOTHING)
}

#[cfg(test)]
mod tests;
