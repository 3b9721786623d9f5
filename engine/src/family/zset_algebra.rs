//! Sorted set commands on several keys: ZUNION, ZINTER, ZDIFF, with results shown, counted or stored.
//!
//! Plain sets take part as sorted sets whose scores are all 1.
//!
//! # Not here
//! - the sorted set itself: `keyspace::zset`

use super::collections::{self, entry, open_members, open_pair, present};
use crate::arguments::{self, int, is};
use crate::command::*;
use crate::context::{Class, Context, Done, Key};
use crate::refusal::Refusal;
use keyspace::entry::{Kind, ValueRef};
use keyspace::limits::Limits;
use keyspace::set::Set;
use keyspace::zset::{Zset, ZsetBuilder};
use protocol::listpack::{TextBuffer, Value as Text};
use protocol::number::parse_f64;
use protocol::resp::Args;
use std::ops::Range;

#[rustfmt::skip]
pub(super) const COMMANDS: &[Spec] = &[
    //  name           arity        flags                         keys           handler
    cmd("zdiff",       at_least(3), READ | MOVABLE_KEYS,          counted(0, 1), zdiff),
    cmd("zdiffstore",  at_least(4), WRITE | GROWS | MOVABLE_KEYS, counted(1, 2), zdiffstore),
    cmd("zinter",      at_least(3), READ | MOVABLE_KEYS,          counted(0, 1), zinter),
    cmd("zintercard",  at_least(3), READ | MOVABLE_KEYS,          counted(0, 1), zintercard),
    cmd("zinterstore", at_least(4), WRITE | GROWS | MOVABLE_KEYS, counted(1, 2), zinterstore),
    cmd("zunion",      at_least(3), READ | MOVABLE_KEYS,          counted(0, 1), zunion),
    cmd("zunionstore", at_least(4), WRITE | GROWS | MOVABLE_KEYS, counted(1, 2), zunionstore),
];

/// What is to be made of several sorted sets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Difference,
    Intersection,
    Union,
}

/// What becomes of the result.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Show,
    Count,
    Store,
}

/// How the scores of a member in several sorted sets become one.
#[derive(Clone, Copy)]
enum Aggregate {
    Sum,
    Min,
    Max,
}

impl Aggregate {
    fn of(self, a: f64, b: f64) -> f64 {
        match self {
            // The two infinities cancel out.
            Aggregate::Sum => number(a + b),
            Aggregate::Min => a.min(b),
            Aggregate::Max => a.max(b),
        }
    }
}

/// 0 for what is no number: infinity times 0, or infinity less infinity.
fn number(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// A request that was read: which keys are there, and what to do with them.
struct Plan<'k> {
    keys: Vec<Option<Key<'k>>>,
    /// One for each key.
    weights: Vec<f64>,
    aggregate: Aggregate,
    with_scores: bool,
    /// The most that is counted; 0 is all.
    limit: usize,
    /// Where in the request weights are.
    weights_at: Vec<usize>,
}

/// Reads `numkeys key [key ...] [option ...]` from `first` on. Keys are looked at before options, as in Redis.
fn plan<'k>(
    ctx: &mut Context<'_>,
    args: Args<'k>,
    first: usize,
    operation: Operation,
    purpose: Purpose,
) -> Result<Plan<'k>, Refusal> {
    let count = int(args.at(first))?;
    if count < 1 {
        let name = ctx.spec.name;
        return Err(Refusal::new(format!(
            "ERR at least 1 input key is needed for '{name}' command"
        )));
    }
    let room = args.len() - first - 1;
    let count = usize::try_from(count).ok().filter(|count| *count <= room);
    let count = count.ok_or(Refusal::SYNTAX)?;
    let positions = first + 1..first + 1 + count;
    let keys = present(ctx, args, positions.clone(), |k| matches!(k, Kind::Zset | Kind::Set))?;
    let weights = vec![1.0; count];
    let mut plan = Plan {
        keys,
        weights,
        aggregate: Aggregate::Sum,
        with_scores: false,
        limit: 0,
        weights_at: Vec::new(),
    };
    read_options(&mut plan, args, positions, operation, purpose)?;
    Ok(plan)
}

fn read_options(
    plan: &mut Plan<'_>,
    args: Args<'_>,
    keys: Range<usize>,
    operation: Operation,
    purpose: Purpose,
) -> Result<(), Refusal> {
    let scored = operation != Operation::Difference && purpose != Purpose::Count;
    let mut at = keys.end;
    while let Some(word) = args.get(at) {
        let left = args.len() - at - 1;
        if scored && is(word, "WEIGHTS") && left >= keys.len() {
            for weight in &mut plan.weights {
                at += 1;
                plan.weights_at.push(at);
                *weight = parse_f64(args.at(at))
                    .ok_or(Refusal::fixed("ERR weight value is not a float"))?;
            }
        } else if scored && is(word, "AGGREGATE") && left >= 1 {
            at += 1;
            plan.aggregate = match args.at(at) {
                word if is(word, "SUM") => Aggregate::Sum,
                word if is(word, "MIN") => Aggregate::Min,
                word if is(word, "MAX") => Aggregate::Max,
                _ => return Err(Refusal::SYNTAX),
            };
        } else if purpose == Purpose::Show && is(word, "WITHSCORES") {
            plan.with_scores = true;
        } else if purpose == Purpose::Count && is(word, "LIMIT") && left >= 1 {
            at += 1;
            let negative = Refusal::fixed("ERR LIMIT can't be negative");
            plan.limit = arguments::count(args.at(at), 0, negative)?;
        } else {
            return Err(Refusal::SYNTAX);
        }
        at += 1;
    }
    Ok(())
}

/// A set or sorted set that takes part.
#[derive(Clone, Copy)]
enum Source<'e> {
    Plain(&'e Set),
    Sorted(&'e Zset),
}

impl<'e> Source<'e> {
    fn len(self) -> usize {
        match self {
            Source::Plain(set) => set.len(),
            Source::Sorted(zset) => zset.len(),
        }
    }

    fn score(self, member: &[u8]) -> Option<f64> {
        match self {
            Source::Plain(set) => set.contains(member).then_some(1.0),
            Source::Sorted(zset) => zset.score(member),
        }
    }

    fn members(self) -> Box<dyn Iterator<Item = (Text<'e>, f64)> + 'e> {
        match self {
            Source::Plain(set) => Box::new(set.iter().map(|member| (member, 1.0))),
            Source::Sorted(zset) => Box::new(zset.iter()),
        }
    }
}

impl Plan<'_> {
    /// What takes part, with its weight; `None` for a key that is not there.
    fn sources<'e>(&self, ctx: &'e Context<'_>) -> Vec<Option<(Source<'e>, f64)>> {
        let source = |key| match entry(ctx, key).value() {
            ValueRef::Set(set) => Source::Plain(set),
            ValueRef::Zset(zset) => Source::Sorted(zset),
            _ => unreachable!("its type was looked at"),
        };
        let pairs = self.keys.iter().zip(&self.weights);
        pairs.map(|(key, weight)| key.map(|key| (source(key), *weight))).collect()
    }

    /// Gives the members that all sources have, with their scores, until `give` says that it is enough.
    fn intersect(&self, ctx: &Context<'_>, mut give: impl FnMut(&[u8], f64) -> bool) {
        let sources: Option<Vec<_>> = self.sources(ctx).into_iter().collect();
        let Some(mut sources) = sources else { return };
        sources.sort_by_key(|(source, _)| source.len());
        let ((smallest, weight), others) = (sources[0], &sources[1..]);
        let mut buffer = TextBuffer::new();
        for (member, score) in smallest.members() {
            let text = member.to_text(&mut buffer);
            let total = others.iter().try_fold(number(score * weight), |total, (other, weight)| {
                Some(self.aggregate.of(total, other.score(text)? * weight))
            });
            if total.is_some_and(|total| !give(text, total)) {
                return;
            }
        }
    }

    /// The result as a sorted set.
    fn result(&self, ctx: &Context<'_>, operation: Operation) -> Zset {
        let limits = &ctx.engine.limits;
        match operation {
            Operation::Union => self.union(ctx, limits),
            Operation::Intersection => {
                let there = self.keys.iter().flatten();
                let least = there.map(|key| len_of(ctx, *key)).min().unwrap_or(0);
                let mut builder = ZsetBuilder::new(least, limits);
                self.intersect(ctx, |member, score| {
                    builder.push(member, score).expect("members differ");
                    true
                });
                shrunk(builder.finish(), limits)
            }
            Operation::Difference => {
                let sources = self.sources(ctx);
                let Some(Some((first, _))) = sources.first() else { return Zset::new() };
                let mut others: Vec<_> = sources[1..].iter().flatten().collect();
                // The largest is the likeliest to have a member.
                others.sort_by_key(|(source, _)| std::cmp::Reverse(source.len()));
                let mut builder = ZsetBuilder::new(first.len(), limits);
                let mut buffer = TextBuffer::new();
                for (member, score) in first.members() {
                    let text = member.to_text(&mut buffer);
                    if others.iter().all(|(other, _)| other.score(text).is_none()) {
                        builder.push(text, score).expect("members differ");
                    }
                }
                shrunk(builder.finish(), limits)
            }
        }
    }

    fn union(&self, ctx: &Context<'_>, limits: &Limits) -> Zset {
        let mut sources: Vec<_> = self.sources(ctx).into_iter().flatten().collect();
        sources.sort_by_key(|(source, _)| source.len());
        let most = sources.last().map_or(0, |(source, _)| source.len());
        let mut result = Zset::with_capacity(most, 0, limits);
        let mut buffer = TextBuffer::new();
        for (source, weight) in sources {
            for (member, score) in source.members() {
                let (text, score) = (member.to_text(&mut buffer), number(score * weight));
                let total = match result.score(text) {
                    None => score,
                    Some(before) => self.aggregate.of(before, score),
                };
                result.add(text, total, limits);
            }
        }
        shrunk(result, limits)
    }
}

fn len_of(ctx: &Context<'_>, key: Key<'_>) -> usize {
    match entry(ctx, key).value() {
        ValueRef::Set(set) => set.len(),
        ValueRef::Zset(zset) => zset.len(),
        _ => 0,
    }
}

fn shrunk(mut zset: Zset, limits: &Limits) -> Zset {
    zset.shrink(limits);
    zset
}

fn zdiff(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    show(ctx, args, Operation::Difference)
}

/// `ZUNION numkeys key [key ...] [option ...] [WITHSCORES]` → the members of the result.
fn show(ctx: &mut Context<'_>, args: Args<'_>, operation: Operation) -> Result<Done, Refusal> {
    let plan = plan(ctx, args, 1, operation, Purpose::Show)?;
    let result = plan.result(ctx, operation);
    open_members(&mut ctx.reply, result.len(), plan.with_scores);
    for (member, score) in result.iter() {
        if plan.with_scores {
            open_pair(&mut ctx.reply);
        }
        ctx.reply.text(member);
        if plan.with_scores {
            ctx.reply.double(score);
        }
    }
    Ok(Done::NOTHING)
}

fn zdiffstore(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    store(ctx, args, Operation::Difference, "zdiffstore")
}

/// `ZUNIONSTORE destination numkeys key [key ...] [option ...]` → how many members the result has.
fn store(
    ctx: &mut Context<'_>,
    args: Args<'_>,
    operation: Operation,
    event: &'static str,
) -> Result<Done, Refusal> {
    let plan = plan(ctx, args, 2, operation, Purpose::Store)?;
    let result = plan.result(ctx, operation);
    let (destination, len) = (ctx.key(args, 1), result.len());
    let done = collections::store(ctx, destination, result, len, Class::Zset, event);
    if done != Done::NOTHING {
        ctx.respell(args, plan.weights_at.iter().copied());
    }
    Ok(done)
}

fn zinter(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    show(ctx, args, Operation::Intersection)
}

/// `ZINTERCARD numkeys key [key ...] [LIMIT limit]` → how many members all have, counted up to the limit.
fn zintercard(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let plan = plan(ctx, args, 1, Operation::Intersection, Purpose::Count)?;
    let mut len = 0;
    plan.intersect(ctx, |_, _| {
        len += 1;
        len != plan.limit
    });
    ctx.reply.int(len as i64);
    Ok(Done::NOTHING)
}

fn zinterstore(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    store(ctx, args, Operation::Intersection, "zinterstore")
}

fn zunion(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    show(ctx, args, Operation::Union)
}

fn zunionstore(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    store(ctx, args, Operation::Union, "zunionstore")
}

#[cfg(test)]
mod tests;
