//! Times to live: EXPIRE, TTL, PERSIST and their kin.
//!
//! # Not here
//! - the removal of what has expired: [`crate::Engine`]

use crate::arguments::int;
use crate::command::*;
use crate::context::{Class, Context, Done};
use crate::refusal::Refusal;
use keyspace::db::EntryRef;
use protocol::resp::Args;

#[rustfmt::skip]
pub(super) const COMMANDS: &[Spec] = &[
    //  name           arity        flags         keys    handler
    cmd("expire",      at_least(3), WRITE | FAST, key(1), expire),
    cmd("expireat",    at_least(3), WRITE | FAST, key(1), expireat),
    cmd("expiretime",  exactly(2),  READ | FAST,  key(1), expiretime),
    cmd("persist",     exactly(2),  WRITE | FAST, key(1), persist),
    cmd("pexpire",     at_least(3), WRITE | FAST, key(1), pexpire),
    cmd("pexpireat",   at_least(3), WRITE | FAST, key(1), pexpireat),
    cmd("pexpiretime", exactly(2),  READ | FAST,  key(1), pexpiretime),
    cmd("pttl",        exactly(2),  READ | FAST,  key(1), pttl),
    cmd("ttl",         exactly(2),  READ | FAST,  key(1), ttl),
];

fn expire(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let now = ctx.now();
    expire_at(ctx, args, 1000, now)
}

fn expireat(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    expire_at(ctx, args, 1000, 0)
}

fn pexpire(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let now = ctx.now();
    expire_at(ctx, args, 1, now)
}

fn pexpireat(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    expire_at(ctx, args, 1, 0)
}

/// The conditions of EXPIRE and its kin.
#[derive(Default)]
struct Conditions {
    /// NX: only without an expiry.
    none: bool,
    /// XX: only with one.
    some: bool,
    /// GT: only to a later time.
    later: bool,
    /// LT: only to an earlier one.
    earlier: bool,
}

fn conditions(args: Args<'_>) -> Result<Conditions, Refusal> {
    let mut found = Conditions::default();
    for word in args.iter_from(3) {
        match word.to_ascii_lowercase().as_slice() {
            b"nx" => found.none = true,
            b"xx" => found.some = true,
            b"gt" => found.later = true,
            b"lt" => found.earlier = true,
            _ => return Err(Refusal::quoting("ERR Unsupported option ", word, "")),
        }
    }
    if found.none && (found.some || found.later || found.earlier) {
        return Err(Refusal::fixed(
            "ERR NX and XX, GT or LT options at the same time are not compatible",
        ));
    }
    if found.later && found.earlier {
        return Err(Refusal::fixed("ERR GT and LT options at the same time are not compatible"));
    }
    Ok(found)
}

fn expire_at(
    ctx: &mut Context<'_>,
    args: Args<'_>,
    unit_ms: i64,
    base: i64,
) -> Result<Done, Refusal> {
    let key = ctx.key(args, 1);
    let only = conditions(args)?;
    let value = int(args.at(2))?;
    let name = ctx.spec.name;
    let at = value.checked_mul(unit_ms).and_then(|ms| ms.checked_add(base));
    let at = at.ok_or_else(|| Refusal::invalid_expiry(name))?;
    let now = ctx.now();
    let Some(entry) = ctx.engine.lookup_write(ctx.scope, key) else {
        ctx.reply.int(0);
        return Ok(Done::NOTHING);
    };
    let current = entry.expiry();
    let refused = (only.none && current.is_some())
        || (only.some && current.is_none())
        || (only.later && current.is_none_or(|current| at <= current))
        || (only.earlier && current.is_some_and(|current| at >= current));
    if refused {
        ctx.reply.int(0);
        return Ok(Done::NOTHING);
    }
    if at <= now && !ctx.scope.sees_expired && !ctx.engine.is_replica {
        ctx.engine.delete(ctx.scope.db, key);
        ctx.changed(key, Class::Generic, "del");
        ctx.effect(&[b"DEL", key.bytes]);
    } else {
        ctx.engine.dbs[ctx.scope.db].set_expiry(key.hash, key.bytes, Some(at));
        ctx.changed(key, Class::Generic, "expire");
        ctx.effect(&[b"PEXPIREAT", key.bytes, at.to_string().as_bytes()]);
    }
    ctx.reply.int(1);
    Ok(Done::ONE)
}

/// Answers −2 without a key, −1 without an expiry, else what `show` makes of it.
fn time_left(
    ctx: &mut Context<'_>,
    args: Args<'_>,
    show: impl Fn(i64, i64) -> i64,
) -> Result<Done, Refusal> {
    let key = ctx.key(args, 1);
    let now = ctx.now();
    let mut scope = ctx.scope;
    scope.no_touch = true;
    let answer = match ctx.engine.read(scope, key).map(EntryRef::expiry) {
        None => -2,
        Some(None) => -1,
        Some(Some(at)) => show(at, now),
    };
    ctx.reply.int(answer);
    Ok(Done::NOTHING)
}

fn expiretime(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    time_left(ctx, args, |at, _| (at + 500) / 1000)
}

fn pexpiretime(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    time_left(ctx, args, |at, _| at)
}

fn ttl(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    time_left(ctx, args, |at, now| (at.saturating_sub(now).max(0) + 500) / 1000)
}

fn pttl(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    time_left(ctx, args, |at, now| at.saturating_sub(now).max(0))
}

fn persist(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let key = ctx.key(args, 1);
    if ctx.engine.lookup_write(ctx.scope, key).and_then(EntryRef::expiry).is_none() {
        ctx.reply.int(0);
        return Ok(Done::NOTHING);
    }
    ctx.engine.dbs[ctx.scope.db].set_expiry(key.hash, key.bytes, None);
    ctx.changed(key, Class::Generic, "persist");
    ctx.reply.int(1);
    Ok(Done::ONE)
}
