//! Sorted set commands on ranges: ZRANGE, ZCOUNT, ZREMRANGEBYSCORE and their kin.
//!
//! All of them read a `Query`, which a sorted set turns into a range of ranks; what remains is to count, show, store or
//! remove it.
//!
//! # Not here
//! - how a range is found: `keyspace::zset`

use super::collections::{self, open_members, open_pair};
use crate::arguments::{self, bound_float, int, is};
use crate::command::*;
use crate::context::{Class, Context, Done};
use crate::refusal::Refusal;
use keyspace::zset::{LexBound, ScoreRange, Zset, ZsetBuilder};
use protocol::listpack::{TextBuffer, Value as Text};
use protocol::resp::Args;
use std::ops::Range;

#[rustfmt::skip]
pub(super) const COMMANDS: &[Spec] = &[
    //  name                arity        flags          keys           handler
    cmd("zcount",           exactly(4),  READ | FAST,   key(1),        zcount),
    cmd("zlexcount",        exactly(4),  READ | FAST,   key(1),        zlexcount),
    cmd("zrange",           at_least(4), READ,          key(1),        zrange),
    cmd("zrangebylex",      at_least(4), READ,          key(1),        zrangebylex),
    cmd("zrangebyscore",    at_least(4), READ,          key(1),        zrangebyscore),
    cmd("zrangestore",      at_least(5), WRITE | GROWS, keys(1, 2, 1), zrangestore),
    cmd("zremrangebylex",   exactly(4),  WRITE,         key(1),        zremrangebylex),
    cmd("zremrangebyrank",  exactly(4),  WRITE,         key(1),        zremrangebyrank),
    cmd("zremrangebyscore", exactly(4),  WRITE,         key(1),        zremrangebyscore),
    cmd("zrevrange",        at_least(4), READ,          key(1),        zrevrange),
    cmd("zrevrangebylex",   at_least(4), READ,          key(1),        zrevrangebylex),
    cmd("zrevrangebyscore", at_least(4), READ,          key(1),        zrevrangebyscore),
];

/// What the ends of a range are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum By {
    Rank,
    Score,
    Name,
}

/// A range, by its ends.
#[derive(Clone, Copy, Debug)]
enum Bounds<'a> {
    Ranks(i64, i64),
    Scores(ScoreRange),
    Names(LexBound<'a>, LexBound<'a>),
}

impl<'a> Bounds<'a> {
    /// Reads the lower and the upper end.
    fn read(by: By, min: &'a [u8], max: &'a [u8]) -> Result<Bounds<'a>, Refusal> {
        Ok(match by {
            By::Rank => Bounds::Ranks(int(min)?, int(max)?),
            By::Score => {
                let bad = || Refusal::fixed("ERR min or max is not a float");
                let (min, min_exclusive) = score_bound(min).ok_or_else(bad)?;
                let (max, max_exclusive) = score_bound(max).ok_or_else(bad)?;
                Bounds::Scores(ScoreRange { min, max, min_exclusive, max_exclusive })
            }
            By::Name => {
                let bad = || Refusal::fixed("ERR min or max not valid string range item");
                let min = name_bound(min).ok_or_else(bad)?;
                Bounds::Names(min, name_bound(max).ok_or_else(bad)?)
            }
        })
    }

    /// The ranks of the members inside, counted from the lowest score; ranks of the range itself are counted from the
    /// highest if `reverse`.
    fn ranks(&self, zset: &Zset, reverse: bool) -> Range<usize> {
        let len = zset.len();
        match *self {
            Bounds::Scores(range) => zset.score_range(&range),
            Bounds::Names(min, max) => zset.lex_range(min, max),
            Bounds::Ranks(start, stop) => match arguments::range(start, stop, len) {
                None => 0..0,
                Some((first, last)) if reverse => len - 1 - last..len - first,
                Some((first, last)) => first..last + 1,
            },
        }
    }
}

/// `score` or `(score`: the score, and whether it is outside.
fn score_bound(text: &[u8]) -> Option<(f64, bool)> {
    match text {
        [b'(', text @ ..] => Some((bound_float(text)?, true)),
        text => Some((bound_float(text)?, false)),
    }
}

/// `-`, `+`, `[name` or `(name`.
fn name_bound(text: &[u8]) -> Option<LexBound<'_>> {
    match text {
        b"-" => Some(LexBound::Lowest),
        b"+" => Some(LexBound::Highest),
        [b'[', name @ ..] => Some(LexBound::Included(name)),
        [b'(', name @ ..] => Some(LexBound::Excluded(name)),
        _ => None,
    }
}

/// What ZRANGE and its kin ask for.
struct Query<'a> {
    bounds: Bounds<'a>,
    reverse: bool,
    with_scores: bool,
    /// Members left out at the beginning; negative: all.
    offset: i64,
    /// Members shown at most; negative: all.
    limit: i64,
}

/// Reads `min max [option ...]` from `first` on. What the command's name says already cannot be an option.
fn query<'a>(
    args: Args<'a>,
    first: usize,
    by: Option<By>,
    reverse: Option<bool>,
    store: bool,
) -> Result<Query<'a>, Refusal> {
    let (mut found_by, mut found_reverse, mut with_scores) = (by, reverse, false);
    let (mut offset, mut limit, mut at) = (0, -1, first + 2);
    while let Some(word) = args.get(at) {
        if !store && is(word, "WITHSCORES") {
            with_scores = true;
        } else if is(word, "LIMIT") && args.len() - at > 2 {
            (offset, limit) = (int(args.at(at + 1))?, int(args.at(at + 2))?);
            at += 2;
        } else if found_reverse.is_none() && is(word, "REV") {
            found_reverse = Some(true);
        } else if found_by.is_none() && is(word, "BYLEX") {
            found_by = Some(By::Name);
        } else if found_by.is_none() && is(word, "BYSCORE") {
            found_by = Some(By::Score);
        } else {
            return Err(Refusal::SYNTAX);
        }
        at += 1;
    }
    let (by, reverse) = (found_by.unwrap_or(By::Rank), found_reverse.unwrap_or(false));
    if limit != -1 && by == By::Rank {
        return Err(Refusal::fixed(
            "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
        ));
    }
    if with_scores && by == By::Name {
        return Err(Refusal::fixed(
            "ERR syntax error, WITHSCORES not supported in combination with BYLEX",
        ));
    }
    let (mut min, mut max) = (args.at(first), args.at(first + 1));
    if reverse && by != By::Rank {
        (min, max) = (max, min);
    }
    if by == By::Rank {
        // A LIMIT without an end is let through, and means nothing.
        offset = 0;
    }
    Ok(Query { bounds: Bounds::read(by, min, max)?, reverse, with_scores, offset, limit })
}

impl Query<'_> {
    /// The ranks of the members asked for, offset and limit applied.
    fn ranks(&self, zset: &Zset) -> Range<usize> {
        let Range { start, end } = self.bounds.ranks(zset, self.reverse);
        let len = end - start;
        let left_out = usize::try_from(self.offset).map_or(len, |offset| offset.min(len));
        let rest = len - left_out;
        let shown = usize::try_from(self.limit).map_or(rest, |limit| limit.min(rest));
        match self.reverse {
            false => start + left_out..start + left_out + shown,
            true => end - left_out - shown..end - left_out,
        }
    }
}

fn zcount(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    count(ctx, args, By::Score)
}

/// `ZCOUNT key min max` → how many members are inside.
fn count(ctx: &mut Context<'_>, args: Args<'_>, by: By) -> Result<Done, Refusal> {
    let bounds = Bounds::read(by, args.at(2), args.at(3))?;
    let key = ctx.key(args, 1);
    let zset = ctx.engine.read_as::<Zset>(ctx.scope, key)?;
    ctx.reply.int(zset.map_or(0, |zset| bounds.ranks(zset, false).len()) as i64);
    Ok(Done::NOTHING)
}

fn zlexcount(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    count(ctx, args, By::Name)
}

/// `ZRANGE key start stop [BYSCORE|BYLEX] [REV] [LIMIT offset count] [WITHSCORES]` → the members inside.
fn zrange(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    show(ctx, args, None, None)
}

fn show(
    ctx: &mut Context<'_>,
    args: Args<'_>,
    by: Option<By>,
    reverse: Option<bool>,
) -> Result<Done, Refusal> {
    let query = query(args, 2, by, reverse, false)?;
    let key = ctx.key(args, 1);
    let Some(zset) = ctx.engine.read_as::<Zset>(ctx.scope, key)? else {
        ctx.reply.array(0);
        return Ok(Done::NOTHING);
    };
    let ranks = query.ranks(zset);
    open_members(&mut ctx.reply, ranks.len(), query.with_scores);
    let show = |(member, score): (Text<'_>, f64)| {
        if query.with_scores {
            open_pair(&mut ctx.reply);
        }
        ctx.reply.text(member);
        if query.with_scores {
            ctx.reply.double(score);
        }
    };
    match query.reverse {
        false => zset.range(ranks).for_each(show),
        true => zset.range(ranks).rev().for_each(show),
    }
    Ok(Done::NOTHING)
}

fn zrangebylex(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    show(ctx, args, Some(By::Name), Some(false))
}

fn zrangebyscore(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    show(ctx, args, Some(By::Score), Some(false))
}

/// `ZRANGESTORE destination source min max [BYSCORE|BYLEX] [REV] [LIMIT offset count]` → how many were stored.
fn zrangestore(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let query = query(args, 3, None, None, true)?;
    let (destination, source, limits) = (ctx.key(args, 1), ctx.key(args, 2), ctx.engine.limits);
    let mut result = Zset::new();
    if let Some(zset) = ctx.engine.read_as::<Zset>(ctx.scope, source)? {
        let ranks = query.ranks(zset);
        let mut builder = ZsetBuilder::new(ranks.len(), &limits);
        let mut buffer = TextBuffer::new();
        for (member, score) in zset.range(ranks) {
            builder.push(member.to_text(&mut buffer), score).expect("members differ");
        }
        result = builder.finish();
    }
    let len = result.len();
    let done = collections::store(ctx, destination, result, len, Class::Zset, "zrangestore");
    if done != Done::NOTHING && matches!(query.bounds, Bounds::Scores(..)) {
        ctx.respell(args, 3..5);
    }
    Ok(done)
}

fn zremrangebylex(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    remove(ctx, args, By::Name, "zremrangebylex")
}

/// `ZREMRANGEBYSCORE key min max` → how many were removed.
fn remove(
    ctx: &mut Context<'_>,
    args: Args<'_>,
    by: By,
    event: &'static str,
) -> Result<Done, Refusal> {
    let bounds = Bounds::read(by, args.at(2), args.at(3))?;
    let key = ctx.key(args, 1);
    let mut removed = 0;
    if let Some(zset) = ctx.engine.change::<Zset>(ctx.scope, key)? {
        let ranks = bounds.ranks(zset, false);
        removed = ranks.len();
        if removed > 0 {
            zset.remove_range(ranks, |_, _| {});
            ctx.changed(key, Class::Zset, event);
            ctx.remove_if_empty::<Zset>(key);
            if by == By::Score {
                ctx.respell(args, 2..4);
            }
        }
    }
    ctx.reply.int(removed as i64);
    Ok(Done::changes(removed))
}

fn zremrangebyrank(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    remove(ctx, args, By::Rank, "zremrangebyrank")
}

fn zremrangebyscore(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    remove(ctx, args, By::Score, "zremrangebyscore")
}

fn zrevrange(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    show(ctx, args, Some(By::Rank), Some(true))
}

fn zrevrangebylex(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    show(ctx, args, Some(By::Name), Some(true))
}

fn zrevrangebyscore(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    show(ctx, args, Some(By::Score), Some(true))
}

#[cfg(test)]
mod tests;
