//! Sorted set commands on single members: ZADD, ZSCORE, ZPOPMIN and their kin.
//!
//! # Not here
//! - ranges: [`super::zset_ranges`]; unions and the like: [`super::zset_algebra`]
//! - the sorted set itself: `keyspace::zset`

use super::collections::{self, MultiPop, multi_pop, open_members, open_pair};
use crate::arguments::{self, float, is};
use crate::command::*;
use crate::context::{Class, Context, Done, Key};
use crate::refusal::Refusal;
use keyspace::limits::Limits;
use keyspace::zset::{Change, Zset};
use protocol::listpack::Value as Text;
use protocol::number::push_f64;
use protocol::resp::Args;

#[rustfmt::skip]
pub(super) const COMMANDS: &[Spec] = &[
    //  name           arity        flags                 keys           handler
    cmd("zadd",        at_least(4), WRITE | GROWS | FAST, key(1),        zadd),
    cmd("zcard",       exactly(2),  READ | FAST,          key(1),        zcard),
    cmd("zincrby",     exactly(4),  WRITE | GROWS | FAST, key(1),        zincrby),
    cmd("zmpop",       at_least(4), WRITE | MOVABLE_KEYS, counted(0, 1), zmpop),
    cmd("zmscore",     at_least(3), READ | FAST,          key(1),        zmscore),
    cmd("zpopmax",     at_least(2), WRITE | FAST,         key(1),        zpopmax),
    cmd("zpopmin",     at_least(2), WRITE | FAST,         key(1),        zpopmin),
    cmd("zrandmember", at_least(2), READ,                 key(1),        zrandmember),
    cmd("zrank",       at_least(3), READ | FAST,          key(1),        zrank),
    cmd("zrem",        at_least(3), WRITE | FAST,         key(1),        zrem),
    cmd("zrevrank",    at_least(3), READ | FAST,          key(1),        zrevrank),
    cmd("zscan",       at_least(3), READ,                 key(1),        zscan),
    cmd("zscore",      exactly(3),  READ | FAST,          key(1),        zscore),
];

/// The options of ZADD.
#[derive(Clone, Copy, Default)]
struct Terms {
    /// NX: only members that are not there.
    new: bool,
    /// XX: only members that are there.
    known: bool,
    /// GT: scores only rise.
    rise: bool,
    /// LT: scores only fall.
    fall: bool,
    /// CH: updated members are counted as well.
    count_updates: bool,
    /// INCR: scores are added to.
    add: bool,
}

/// Reads the options of ZADD from 2 on, and returns where the scores begin.
fn terms(args: Args<'_>, add: bool) -> Result<(Terms, usize), Refusal> {
    let (mut terms, mut at) = (Terms { add, ..Terms::default() }, 2);
    while let Some(word) = args.get(at) {
        match word {
            word if is(word, "NX") => terms.new = true,
            word if is(word, "XX") => terms.known = true,
            word if is(word, "GT") => terms.rise = true,
            word if is(word, "LT") => terms.fall = true,
            word if is(word, "CH") => terms.count_updates = true,
            word if is(word, "INCR") => terms.add = true,
            _ => break,
        }
        at += 1;
    }
    let given = args.len() - at;
    if given == 0 || !given.is_multiple_of(2) {
        return Err(Refusal::SYNTAX);
    }
    if terms.new && terms.known {
        return Err(Refusal::fixed("ERR XX and NX options at the same time are not compatible"));
    }
    if (terms.new && (terms.rise || terms.fall)) || (terms.rise && terms.fall) {
        return Err(Refusal::fixed(
            "ERR GT, LT, and/or NX options at the same time are not compatible",
        ));
    }
    if terms.add && given > 2 {
        return Err(Refusal::fixed("ERR INCR option supports a single increment-element pair"));
    }
    Ok((terms, at))
}

/// `ZADD key [NX|XX] [GT|LT] [CH] [INCR] score member [score member ...]` → how many are new; with INCR a score.
pub(super) fn zadd(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let (terms, first) = terms(args, false)?;
    add(ctx, args, terms, first)
}

fn add(ctx: &mut Context<'_>, args: Args<'_>, terms: Terms, first: usize) -> Result<Done, Refusal> {
    // All scores are looked at before anything is changed; most often there is one.
    let first_score = float(args.at(first))?;
    for at in (first + 2..args.len()).step_by(2) {
        float(args.at(at))?;
    }
    let (key, limits) = (ctx.key(args, 1), ctx.engine.limits);
    if terms.known && ctx.engine.change::<Zset>(ctx.scope, key)?.is_none() {
        if terms.add {
            ctx.reply.null()
        } else {
            ctx.reply.int(0)
        }
        return Ok(Done::NOTHING);
    }
    let zset = ctx.engine.change_or_put(ctx.scope, key, |limits| empty_for(args, first, limits))?;
    zset.expect((args.len() - first) / 2, &limits);
    let (mut added, mut updated, mut last) = (0, 0, None);
    for at in (first..args.len()).step_by(2) {
        let score = if at == first { first_score } else { float(args.at(at))? };
        match apply(zset, terms, args.at(at + 1), score, &limits)? {
            None => {}
            Some((Change::Added, score)) => (added, last) = (added + 1, Some(score)),
            Some((Change::Updated, score)) => (updated, last) = (updated + 1, Some(score)),
            Some((Change::Unchanged, score)) => last = Some(score),
        }
    }
    if added + updated > 0 {
        ctx.changed(key, Class::Zset, if terms.add { "zincr" } else { "zadd" });
        ctx.respell(args, (first..args.len()).step_by(2));
    }
    match last {
        Some(score) if terms.add => ctx.reply.double(score),
        None if terms.add => ctx.reply.null(),
        _ => ctx.reply.int(if terms.count_updates { added + updated } else { added }),
    }
    Ok(Done::changes((added + updated) as usize))
}

/// An empty sorted set in the form that suits the members from `first` on.
fn empty_for(args: Args<'_>, first: usize, limits: &Limits) -> Zset {
    let lens = args.iter_from(first + 1).step_by(2).map(<[u8]>::len);
    Zset::with_capacity((args.len() - first) / 2, lens.max().unwrap_or(0), limits)
}

/// Gives one member a score, if the terms allow it. `None`: they do not.
fn apply(
    zset: &mut Zset,
    terms: Terms,
    member: &[u8],
    score: f64,
    limits: &Limits,
) -> Result<Option<(Change, f64)>, Refusal> {
    if !(terms.new || terms.known || terms.rise || terms.fall || terms.add) {
        return Ok(Some((zset.add(member, score, limits), score)));
    }
    let mut score = score;
    match zset.score(member) {
        None if terms.known => return Ok(None),
        None => {}
        Some(_) if terms.new => return Ok(None),
        Some(old) => {
            if terms.add {
                score += old;
            }
            if score.is_nan() {
                return Err(Refusal::fixed("ERR resulting score is not a number (NaN)").of_state());
            }
            if (terms.rise && score <= old) || (terms.fall && score >= old) {
                return Ok(None);
            }
        }
    }
    // −0 becomes 0, as it does inside.
    Ok(Some((zset.add(member, score, limits), score + 0.0)))
}

fn zcard(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let key = ctx.key(args, 1);
    let len = ctx.engine.read_as::<Zset>(ctx.scope, key)?.map_or(0, Zset::len);
    ctx.reply.int(len as i64);
    Ok(Done::NOTHING)
}

/// `ZINCRBY key increment member` → its score. The same as ZADD with INCR, whose options it takes as well.
fn zincrby(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let (terms, first) = terms(args, true)?;
    add(ctx, args, terms, first)
}

/// A side of a sorted set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    /// Where the lowest score is.
    Min,
    /// Where the highest score is.
    Max,
}

/// `MIN` or `MAX`.
pub(super) fn side(word: &[u8]) -> Result<Side, Refusal> {
    if is(word, "MIN") {
        Ok(Side::Min)
    } else if is(word, "MAX") {
        Ok(Side::Max)
    } else {
        Err(Refusal::SYNTAX)
    }
}

/// `ZMPOP numkeys key [key ...] MIN|MAX [COUNT count]` → key and members of the first sorted set there is.
fn zmpop(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let done = pop_first(ctx, args, multi_pop(args, 1, side)?)?;
    Ok(done.unwrap_or_else(|| {
        ctx.reply.null_array();
        Done::NOTHING
    }))
}

/// Takes members of the first sorted set there is and writes them behind its key. `None`: there is none.
pub(super) fn pop_first(
    ctx: &mut Context<'_>,
    args: Args<'_>,
    wanted: MultiPop<Side>,
) -> Result<Option<Done>, Refusal> {
    for position in wanted.keys {
        let key = ctx.key(args, position);
        let Some(zset) = ctx.engine.change::<Zset>(ctx.scope, key)? else { continue };
        let count = wanted.count.min(zset.len());
        ctx.reply.array(2);
        ctx.reply.bulk(key.bytes);
        ctx.reply.array(count);
        take(ctx, key, wanted.side, count, true)?;
        let name: &[u8] = if wanted.side == Side::Min { b"ZPOPMIN" } else { b"ZPOPMAX" };
        ctx.effect(&[name, key.bytes, count.to_string().as_bytes()]);
        return Ok(Some(Done::changes(count)));
    }
    Ok(None)
}

/// Takes members from one side of a sorted set that has at least `count` and writes them with their scores, each pair in
/// an array if `nested`.
pub(super) fn take(
    ctx: &mut Context<'_>,
    key: Key<'_>,
    side: Side,
    count: usize,
    nested: bool,
) -> Result<(), Refusal> {
    let zset = ctx.engine.change::<Zset>(ctx.scope, key)?.expect("callers look first");
    let len = zset.len();
    let show = |(member, score): (Text<'_>, f64)| {
        if nested {
            ctx.reply.array(2);
        }
        ctx.reply.text(member);
        ctx.reply.double(score);
    };
    let ranks = match side {
        Side::Min => 0..count,
        Side::Max => len - count..len,
    };
    match side {
        Side::Min => zset.range(ranks.clone()).for_each(show),
        Side::Max => zset.range(ranks.clone()).rev().for_each(show),
    }
    zset.remove_range(ranks, |_, _| {});
    ctx.changed(key, Class::Zset, if side == Side::Min { "zpopmin" } else { "zpopmax" });
    if count == len {
        ctx.remove_if_empty::<Zset>(key);
    }
    Ok(())
}

fn zmscore(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let key = ctx.key(args, 1);
    let zset = ctx.engine.read_as::<Zset>(ctx.scope, key)?;
    ctx.reply.array(args.len() - 2);
    for member in args.iter_from(2) {
        match zset.and_then(|zset| zset.score(member)) {
            None => ctx.reply.null(),
            Some(score) => ctx.reply.double(score),
        }
    }
    Ok(Done::NOTHING)
}

fn zpopmax(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    pop(ctx, args, Side::Max)
}

/// `ZPOPMIN key [count]` → member and score; in version 3 with a count, an array of pairs.
fn pop(ctx: &mut Context<'_>, args: Args<'_>, side: Side) -> Result<Done, Refusal> {
    if args.len() > 3 {
        return Err(Refusal::SYNTAX);
    }
    let count = args.get(2).map(|text| arguments::count(text, 0, Refusal::OUT_OF_RANGE));
    let count = count.transpose()?;
    let key = ctx.key(args, 1);
    let len = ctx.engine.change::<Zset>(ctx.scope, key)?.map_or(0, |zset| zset.len());
    let taken = count.unwrap_or(1).min(len);
    if taken == 0 {
        ctx.reply.array(0);
        return Ok(Done::NOTHING);
    }
    let nested = ctx.reply.is_resp3() && count.is_some();
    ctx.reply.array(if nested { taken } else { taken * 2 });
    take(ctx, key, side, taken, nested)?;
    Ok(Done::changes(taken))
}

fn zpopmin(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    pop(ctx, args, Side::Min)
}

/// `ZRANDMEMBER key [count [WITHSCORES]]` → a member, or an array of them.
fn zrandmember(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let pick = collections::pick(args, Some("WITHSCORES"))?;
    let key = ctx.key(args, 1);
    let mut draw = ctx.engine.draws();
    let zset = ctx.engine.read_as::<Zset>(ctx.scope, key)?;
    let Some(pick) = pick else {
        match zset.and_then(|zset| zset.random(&mut draw)) {
            None => ctx.reply.null(),
            Some((member, _)) => ctx.reply.text(member),
        }
        return Ok(Done::NOTHING);
    };
    let Some(zset) = zset else {
        ctx.reply.array(0);
        return Ok(Done::NOTHING);
    };
    let count = pick.of(zset.len())?;
    open_members(&mut ctx.reply, count, pick.pairs);
    let mut show = |member: Text<'_>, score: f64| {
        if pick.pairs {
            open_pair(&mut ctx.reply);
        }
        ctx.reply.text(member);
        if pick.pairs {
            ctx.reply.double(score);
        }
    };
    if pick.repeats {
        for _ in 0..count {
            let (member, score) = zset.random(&mut draw).expect("sorted sets are not empty");
            show(member, score);
        }
    } else {
        zset.sample(count, &mut draw, show);
    }
    Ok(Done::NOTHING)
}

fn zrank(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    rank(ctx, args, Zset::rank)
}

/// `ZRANK key member [WITHSCORE]` → a rank, or an array of rank and score.
fn rank(
    ctx: &mut Context<'_>,
    args: Args<'_>,
    rank_of: fn(&Zset, &[u8]) -> Option<usize>,
) -> Result<Done, Refusal> {
    if args.len() > 4 {
        return Err(Refusal::arity(ctx.spec.name));
    }
    let with_score = match args.get(3) {
        None => false,
        Some(word) if is(word, "WITHSCORE") => true,
        Some(_) => return Err(Refusal::SYNTAX),
    };
    let (key, member) = (ctx.key(args, 1), args.at(2));
    let zset = ctx.engine.read_as::<Zset>(ctx.scope, key)?;
    let found = zset.and_then(|zset| Some((rank_of(zset, member)?, zset.score(member)?)));
    match found {
        None if with_score => ctx.reply.null_array(),
        None => ctx.reply.null(),
        Some((rank, _)) if !with_score => ctx.reply.int(rank as i64),
        Some((rank, score)) => {
            ctx.reply.array(2);
            ctx.reply.int(rank as i64);
            ctx.reply.double(score);
        }
    }
    Ok(Done::NOTHING)
}

/// `ZREM key member [member ...]` → how many were there.
fn zrem(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let key = ctx.key(args, 1);
    let (mut removed, mut emptied) = (0, false);
    if let Some(zset) = ctx.engine.change::<Zset>(ctx.scope, key)? {
        removed = args.iter_from(2).filter(|member| zset.remove(member).is_some()).count();
        emptied = zset.is_empty();
    }
    if removed > 0 {
        ctx.changed(key, Class::Zset, "zrem");
    }
    if emptied {
        ctx.remove_if_empty::<Zset>(key);
    }
    ctx.reply.int(removed as i64);
    Ok(Done::changes(removed))
}

fn zrevrank(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    rank(ctx, args, Zset::rev_rank)
}

/// Scores are bulk strings here in both versions of the protocol.
fn zscan(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    collections::scan::<Zset>(ctx, args, |zset, cursor, page| {
        let mut text = Vec::with_capacity(24);
        zset.scan(cursor, |member, score| {
            text.clear();
            push_f64(&mut text, score);
            page.offer(member, Some(Text::Bytes(&text)));
        })
    })
}

fn zscore(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let key = ctx.key(args, 1);
    let zset = ctx.engine.read_as::<Zset>(ctx.scope, key)?;
    match zset.and_then(|zset| zset.score(args.at(2))) {
        None => ctx.reply.null(),
        Some(score) => ctx.reply.double(score),
    }
    Ok(Done::NOTHING)
}

#[cfg(test)]
mod tests;
