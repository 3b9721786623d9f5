//! Publish and subscribe.
//!
//! # Not here
//! - delivery: [`crate::messages`]

use crate::command::*;
use crate::context::{Context, Done};
use crate::glob;
use crate::host::EntryKind;
use crate::messages::forget;
use crate::refusal::Refusal;
use protocol::resp::{Args, encode};

const SUB: Flags = PUBSUB | NO_SCRIPT | LOADING | STALE | IN_SUBSCRIBED;
const LOOK: Flags = PUBSUB | LOADING | STALE;

#[rustfmt::skip]
pub(super) const COMMANDS: &[Spec] = &[
    //  name            arity        flags                        keys     handler
    cmd("psubscribe",   at_least(2), SUB,                         NO_KEYS, psubscribe),
    cmd("publish",      exactly(3),  LOOK | FAST | MAY_REPLICATE, NO_KEYS, publish),
    cmd("pubsub",       at_least(2), 0,                           NO_KEYS, channels).with(PUBSUB_COMMANDS),
    cmd("punsubscribe", at_least(1), SUB,                         NO_KEYS, punsubscribe),
    cmd("spublish",     exactly(3),  LOOK | FAST | MAY_REPLICATE, NO_KEYS, spublish),
    cmd("ssubscribe",   at_least(2), SUB,                         NO_KEYS, ssubscribe),
    cmd("subscribe",    at_least(2), SUB,                         NO_KEYS, subscribe),
    cmd("sunsubscribe", at_least(1), SUB,                         NO_KEYS, sunsubscribe),
    cmd("unsubscribe",  at_least(1), SUB,                         NO_KEYS, unsubscribe),
];

#[rustfmt::skip]
const PUBSUB_COMMANDS: &[Spec] = &[
    //  name                    arity        flags            keys     handler
    cmd("pubsub|channels",      at_least(2), LOOK,            NO_KEYS, channels),
    cmd("pubsub|help",          exactly(2),  LOADING | STALE, NO_KEYS, help),
    cmd("pubsub|numpat",        exactly(2),  LOOK,            NO_KEYS, numpat),
    cmd("pubsub|numsub",        at_least(2), LOOK,            NO_KEYS, numsub),
    cmd("pubsub|shardchannels", at_least(2), LOOK,            NO_KEYS, shardchannels),
    cmd("pubsub|shardnumsub",   at_least(2), LOOK,            NO_KEYS, shardnumsub),
];

/// The three kinds of subscriptions.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sort {
    Channel,
    Pattern,
    Shard,
}

/// One confirmation: what happened, the name, how many subscriptions there are.
///
/// Shard channels are counted on their own, the others together.
fn confirm(ctx: &mut Context<'_>, what: &[u8], sort: Sort, name: Option<&[u8]>) {
    ctx.reply.push(3);
    ctx.reply.bulk(what);
    match name {
        Some(name) => ctx.reply.bulk(name),
        None => ctx.reply.null(),
    }
    let (channels, patterns, shard) = ctx.session.subscription_counts();
    let count = if sort == Sort::Shard { shard } else { channels + patterns };
    ctx.reply.int(count as i64);
}

fn add(ctx: &mut Context<'_>, args: Args<'_>, sort: Sort, what: &[u8]) -> Done {
    for name in args.iter_from(1) {
        let (session, engine) = (&mut *ctx.session, &mut *ctx.engine);
        let (own, slots) = match sort {
            Sort::Channel => (&mut session.channels, engine.channels.entry(name.to_vec())),
            Sort::Shard => {
                (&mut session.shard_channels, engine.shard_channels.entry(name.to_vec()))
            }
            Sort::Pattern => {
                if session.patterns.insert(name.to_vec()) {
                    engine.patterns.entry(name.to_vec()).or_default().push(session.slot);
                }
                confirm(ctx, what, sort, Some(name));
                continue;
            }
        };
        if own.insert(name.to_vec()) {
            slots.or_default().push(session.slot);
        }
        confirm(ctx, what, sort, Some(name));
    }
    Done::NOTHING
}

/// Ends the subscriptions that are named, or all.
fn remove(ctx: &mut Context<'_>, args: Args<'_>, sort: Sort, what: &[u8]) -> Done {
    let own = match sort {
        Sort::Channel => &ctx.session.channels,
        Sort::Pattern => &ctx.session.patterns,
        Sort::Shard => &ctx.session.shard_channels,
    };
    let names: Vec<Vec<u8>> = match args.len() {
        1 => own.iter().cloned().collect(),
        _ => args.iter_from(1).map(<[u8]>::to_vec).collect(),
    };
    if names.is_empty() {
        confirm(ctx, what, sort, None);
    }
    for name in names {
        let (session, engine) = (&mut *ctx.session, &mut *ctx.engine);
        match sort {
            Sort::Channel if session.channels.remove(&name) => {
                forget(&mut engine.channels, &name, session.slot);
            }
            Sort::Shard if session.shard_channels.remove(&name) => {
                forget(&mut engine.shard_channels, &name, session.slot);
            }
            Sort::Pattern if session.patterns.remove(&name) => {
                engine.forget_pattern(&name, session.slot);
            }
            _ => {}
        }
        confirm(ctx, what, sort, Some(&name));
    }
    Done::NOTHING
}

fn psubscribe(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    Ok(add(ctx, args, Sort::Pattern, b"psubscribe"))
}

/// `PUBLISH channel message` → how many clients got it. Passed on to replicas, not to disk.
fn publish(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let count = ctx.engine.publish(args.at(1), args.at(2));
    pass_on(ctx, args);
    ctx.reply.int(count as i64);
    Ok(Done::NOTHING)
}

fn pass_on(ctx: &mut Context<'_>, args: Args<'_>) {
    if !ctx.engine.is_replica
        && ctx.engine.is_journaling(ctx.session)
        && let Some(host) = &mut ctx.host
    {
        let mut unit = Vec::new();
        encode::command(&mut unit, args.iter_from(0));
        host.journal((ctx.session.db, ctx.session.db), EntryKind::Control, &unit);
    }
}

fn punsubscribe(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    Ok(remove(ctx, args, Sort::Pattern, b"punsubscribe"))
}

/// `SPUBLISH shardchannel message` → how many clients got it.
fn spublish(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let count = ctx.engine.publish_to_shard(args.at(1), args.at(2));
    pass_on(ctx, args);
    ctx.reply.int(count as i64);
    Ok(Done::NOTHING)
}

fn ssubscribe(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    Ok(add(ctx, args, Sort::Shard, b"ssubscribe"))
}

fn subscribe(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    Ok(add(ctx, args, Sort::Channel, b"subscribe"))
}

fn sunsubscribe(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    Ok(remove(ctx, args, Sort::Shard, b"sunsubscribe"))
}

fn unsubscribe(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    Ok(remove(ctx, args, Sort::Channel, b"unsubscribe"))
}

/// `PUBSUB CHANNELS [pattern]` → the names of those with subscribers.
fn channels(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    show_names(ctx, args, Sort::Channel)
}

fn show_names(ctx: &mut Context<'_>, args: Args<'_>, sort: Sort) -> Result<Done, Refusal> {
    if args.len() > 3 {
        return Err(Refusal::arity(ctx.spec.name));
    }
    let all = if sort == Sort::Shard { &ctx.engine.shard_channels } else { &ctx.engine.channels };
    let fits = |name: &&Vec<u8>| args.get(2).is_none_or(|p| glob::matches(p, name, false));
    let names: Vec<&Vec<u8>> = all.sorted_keys().into_iter().filter(fits).collect();
    ctx.reply.array(names.len());
    names.iter().for_each(|name| ctx.reply.bulk(name));
    Ok(Done::NOTHING)
}

fn help(ctx: &mut Context<'_>, _args: Args<'_>) -> Result<Done, Refusal> {
    super::help::help(ctx, "pubsub");
    Ok(Done::NOTHING)
}

fn numpat(ctx: &mut Context<'_>, _args: Args<'_>) -> Result<Done, Refusal> {
    let count = ctx.engine.patterns.len();
    ctx.reply.int(count as i64);
    Ok(Done::NOTHING)
}

/// `PUBSUB NUMSUB [channel …]` → each with its number of subscribers.
fn numsub(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    Ok(show_counts(ctx, args, Sort::Channel))
}

fn show_counts(ctx: &mut Context<'_>, args: Args<'_>, sort: Sort) -> Done {
    let all = if sort == Sort::Shard { &ctx.engine.shard_channels } else { &ctx.engine.channels };
    ctx.reply.array((args.len() - 2) * 2);
    for channel in args.iter_from(2) {
        ctx.reply.bulk(channel);
        ctx.reply.int(all.get(channel).map_or(0, Vec::len) as i64);
    }
    Done::NOTHING
}

fn shardchannels(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    show_names(ctx, args, Sort::Shard)
}

fn shardnumsub(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    Ok(show_counts(ctx, args, Sort::Shard))
}
