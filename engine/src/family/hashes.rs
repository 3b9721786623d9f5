//! Hash commands: HSET, HGET, HDEL and their kin.
//!
//! # Not here
//! - the hash itself: `keyspace::hash`

use super::collections::{self, open_members, open_pair};
use super::strings::{extended, sum_text};
use crate::arguments::int;
use crate::command::*;
use crate::context::{Class, Context, Done};
use crate::extended::Extended;
use crate::refusal::Refusal;
use keyspace::hash::{Hash, HashRef};
use protocol::listpack::{TextBuffer, Value as Text};
use protocol::number::format_i64;
use protocol::resp::Args;

#[rustfmt::skip]
pub(super) const COMMANDS: &[Spec] = &[
    //  name            arity        flags                 keys    handler
    cmd("hdel",         at_least(3), WRITE | FAST,         key(1), hdel),
    cmd("hexists",      exactly(3),  READ | FAST,          key(1), hexists),
    cmd("hget",         exactly(3),  READ | FAST,          key(1), hget),
    cmd("hgetall",      exactly(2),  READ,                 key(1), hgetall),
    cmd("hincrby",      exactly(4),  WRITE | GROWS | FAST, key(1), hincrby),
    cmd("hincrbyfloat", exactly(4),  WRITE | GROWS | FAST, key(1), hincrbyfloat),
    cmd("hkeys",        exactly(2),  READ,                 key(1), hkeys),
    cmd("hlen",         exactly(2),  READ | FAST,          key(1), hlen),
    cmd("hmget",        at_least(3), READ | FAST,          key(1), hmget),
    cmd("hmset",        at_least(4), WRITE | GROWS | FAST, key(1), hmset),
    cmd("hrandfield",   at_least(2), READ,                 key(1), hrandfield),
    cmd("hscan",        at_least(3), READ,                 key(1), hscan),
    cmd("hset",         at_least(4), WRITE | GROWS | FAST, key(1), hset),
    cmd("hsetnx",       exactly(4),  WRITE | GROWS | FAST, key(1), hsetnx),
    cmd("hstrlen",      exactly(3),  READ | FAST,          key(1), hstrlen),
    cmd("hvals",        exactly(2),  READ,                 key(1), hvals),
];

/// `HDEL key field [field ...]` → how many were there.
fn hdel(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let key = ctx.key(args, 1);
    let (mut removed, mut emptied) = (0, false);
    if let Some(mut hash) = ctx.engine.change::<Hash>(ctx.scope, key)? {
        removed = args.iter_from(2).filter(|field| hash.remove(field)).count();
        emptied = hash.view().is_empty();
    }
    if removed > 0 {
        ctx.changed(key, Class::Hash, "hdel");
    }
    if emptied {
        ctx.remove_if_empty::<Hash>(key);
    }
    ctx.reply.int(removed as i64);
    Ok(Done::changes(removed))
}

fn hexists(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let key = ctx.key(args, 1);
    let hash = ctx.engine.read_as::<Hash>(ctx.scope, key)?;
    let there = hash.is_some_and(|hash| hash.contains(args.at(2)));
    ctx.reply.int(there as i64);
    Ok(Done::NOTHING)
}

fn hget(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let key = ctx.key(args, 1);
    let hash = ctx.engine.read_as::<Hash>(ctx.scope, key)?;
    match hash.and_then(|hash| hash.get(args.at(2))) {
        None => ctx.reply.null(),
        Some(value) => ctx.reply.text(value),
    }
    Ok(Done::NOTHING)
}

fn hgetall(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let key = ctx.key(args, 1);
    let Some(hash) = ctx.engine.read_as::<Hash>(ctx.scope, key)? else {
        ctx.reply.map(0);
        return Ok(Done::NOTHING);
    };
    ctx.reply.map(hash.len());
    for (field, value) in hash.iter() {
        ctx.reply.text(field);
        ctx.reply.text(value);
    }
    Ok(Done::NOTHING)
}

fn hincrby(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let (key, field, by) = (ctx.key(args, 1), args.at(2), int(args.at(3))?);
    let limits = ctx.engine.limits;
    let hash = ctx.engine.change::<Hash>(ctx.scope, key)?;
    let old = match hash.and_then(|hash| hash.into_view().get(field)) {
        None => 0,
        Some(text) => {
            text.to_i64().ok_or(Refusal::fixed("ERR hash value is not an integer").of_state())?
        }
    };
    let new = old.checked_add(by);
    let new = new.ok_or(Refusal::fixed("ERR increment or decrement would overflow").of_state())?;
    let mut hash = ctx.engine.change_or_new::<Hash>(ctx.scope, key)?;
    hash.set(field, format_i64(new, &mut Default::default()), &limits);
    ctx.changed(key, Class::Hash, "hincrby");
    ctx.reply.int(new);
    Ok(Done::ONE)
}

fn hincrbyfloat(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let (key, field, by) = (ctx.key(args, 1), args.at(2), extended(args.at(3)));
    let by = by.ok_or(Refusal::NOT_FLOAT)?;
    let by = by.ok_or(Refusal::fixed("ERR value is NaN or Infinity"))?;
    let limits = ctx.engine.limits;
    let hash = ctx.engine.change::<Hash>(ctx.scope, key)?;
    let old = match hash.and_then(|hash| hash.into_view().get(field)) {
        None => Some(Extended::ZERO),
        Some(text) => extended(text.to_text(&mut TextBuffer::new()))
            .ok_or(Refusal::fixed("ERR hash value is not a float").of_state())?,
    };
    let text = sum_text(old, Some(by))?;
    ctx.engine.change_or_new::<Hash>(ctx.scope, key)?.set(field, &text, &limits);
    ctx.changed(key, Class::Hash, "hincrbyfloat");
    ctx.effect(&[b"HSET", key.bytes, field, &text]);
    ctx.reply.bulk(&text);
    Ok(Done::ONE)
}

fn hkeys(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    list(ctx, args, |(field, _)| field)
}

/// Writes a part of every field as an array.
fn list(
    ctx: &mut Context<'_>,
    args: Args<'_>,
    part: for<'t> fn((Text<'t>, Text<'t>)) -> Text<'t>,
) -> Result<Done, Refusal> {
    let key = ctx.key(args, 1);
    let hash = ctx.engine.read_as::<Hash>(ctx.scope, key)?;
    ctx.reply.array(hash.map_or(0, HashRef::len));
    if let Some(hash) = hash {
        hash.iter().map(part).for_each(|text| ctx.reply.text(text));
    }
    Ok(Done::NOTHING)
}

fn hlen(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let key = ctx.key(args, 1);
    let len = ctx.engine.read_as::<Hash>(ctx.scope, key)?.map_or(0, HashRef::len);
    ctx.reply.int(len as i64);
    Ok(Done::NOTHING)
}

fn hmget(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let key = ctx.key(args, 1);
    let hash = ctx.engine.read_as::<Hash>(ctx.scope, key)?;
    ctx.reply.array(args.len() - 2);
    for field in args.iter_from(2) {
        match hash.and_then(|hash| hash.get(field)) {
            None => ctx.reply.null(),
            Some(value) => ctx.reply.text(value),
        }
    }
    Ok(Done::NOTHING)
}

fn hmset(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    set_fields(ctx, args)?;
    ctx.reply.ok();
    Ok(Done::changes(args.len() / 2 - 1))
}

/// Sets fields and returns how many are new.
fn set_fields(ctx: &mut Context<'_>, args: Args<'_>) -> Result<usize, Refusal> {
    if !args.len().is_multiple_of(2) {
        return Err(Refusal::arity(ctx.spec.name));
    }
    let (key, limits) = (ctx.key(args, 1), ctx.engine.limits);
    let fields = args.len() / 2 - 1;
    let make = |limits: &_| Hash::with_capacity(fields, limits);
    let mut hash = ctx.engine.change_or_put::<Hash>(ctx.scope, key, make)?;
    hash.expect(fields, &limits);
    let new = match fields {
        1 => hash.set(args.at(2), args.at(3), &limits) as usize,
        _ => {
            let pairs = (2..args.len()).step_by(2).map(|at| (args.at(at), args.at(at + 1)));
            hash.set_all(pairs, &limits)
        }
    };
    ctx.changed(key, Class::Hash, "hset");
    Ok(new)
}

/// `HRANDFIELD key [count [WITHVALUES]]` → a field, or an array of them.
fn hrandfield(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let pick = collections::pick(args, Some("WITHVALUES"))?;
    let key = ctx.key(args, 1);
    let mut draw = ctx.engine.draws();
    let hash = ctx.engine.read_as::<Hash>(ctx.scope, key)?;
    let Some(pick) = pick else {
        match hash.and_then(|hash| hash.random(&mut draw)) {
            None => ctx.reply.null(),
            Some((field, _)) => ctx.reply.text(field),
        }
        return Ok(Done::NOTHING);
    };
    let Some(hash) = hash else {
        ctx.reply.array(0);
        return Ok(Done::NOTHING);
    };
    let count = pick.of(hash.len())?;
    open_members(&mut ctx.reply, count, pick.pairs);
    let show = |field: Text<'_>, value: Text<'_>| {
        if pick.pairs {
            open_pair(&mut ctx.reply);
        }
        ctx.reply.text(field);
        if pick.pairs {
            ctx.reply.text(value);
        }
    };
    if pick.repeats {
        hash.sample_anew(count, &mut draw, show);
    } else {
        hash.sample(count, &mut draw, show);
    }
    Ok(Done::NOTHING)
}

fn hscan(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    collections::scan::<Hash>(ctx, args, |hash, cursor, page| {
        hash.scan(cursor, |field, value| page.offer(field, Some(value)))
    })
}

/// `HSET key field value [field value ...]` → how many fields are new.
fn hset(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let new = set_fields(ctx, args)?;
    ctx.reply.int(new as i64);
    Ok(Done::changes(args.len() / 2 - 1))
}

fn hsetnx(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let (key, limits) = (ctx.key(args, 1), ctx.engine.limits);
    let mut hash = ctx.engine.change_or_new::<Hash>(ctx.scope, key)?;
    if hash.view().contains(args.at(2)) {
        ctx.reply.int(0);
        return Ok(Done::NOTHING);
    }
    hash.set(args.at(2), args.at(3), &limits);
    ctx.changed(key, Class::Hash, "hset");
    ctx.reply.int(1);
    Ok(Done::ONE)
}

fn hstrlen(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let key = ctx.key(args, 1);
    let hash = ctx.engine.read_as::<Hash>(ctx.scope, key)?;
    let len = hash.and_then(|hash| hash.get(args.at(2))).map_or(0, Text::len);
    ctx.reply.int(len as i64);
    Ok(Done::NOTHING)
}

fn hvals(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    list(ctx, args, |(_, value)| value)
}

#[cfg(test)]
mod tests;
