//! Publish and subscribe.
//!
//! # Not here
//! - delivery: [`crate::engine::Engine::publish`]

use crate::command::{Group::PubSub as G, *};
use crate::context::{Context, Done};
use crate::engine::forget;
use crate::glob;
use crate::host::EntryKind;
use crate::refusal::Refusal;
use protocol::resp::{Args, encode};

const SUB: Flags = PUBSUB | NO_SCRIPT | LOADING | STALE | IN_SUBSCRIBED;
const LOOK: Flags = PUBSUB | LOADING | STALE;

pub(super) const COMMANDS: &[Spec] = &[
    //  name           arity        flags                                              keys     since    group complexity handler
    cmd(
        "psubscribe",
        at_least(2),
        SUB,
        NO_KEYS,
        "2.0.0",
        G,
        "O(N) for N patterns given.",
        psubscribe,
        "Subscribes to all channels whose names match patterns.",
    ),
    cmd(
        "publish",
        exactly(3),
        LOOK | FAST | MAY_REPLICATE,
        NO_KEYS,
        "2.0.0",
        G,
        "O(N+M) for N subscribers of the channel and M patterns of all clients.",
        publish,
        "Sends a message to all subscribers of a channel.",
    ),
    cmd(
        "pubsub",
        at_least(2),
        0,
        NO_KEYS,
        "2.8.0",
        G,
        "By subcommand.",
        channels,
        "Subcommands that tell which subscriptions there are.",
    )
    .with(PUBSUB_COMMANDS),
    cmd(
        "punsubscribe",
        at_least(1),
        SUB,
        NO_KEYS,
        "2.0.0",
        G,
        "O(N) for N patterns given.",
        punsubscribe,
        "Ends the subscriptions to some patterns, or to all of them.",
    ),
    cmd(
        "subscribe",
        at_least(2),
        SUB,
        NO_KEYS,
        "2.0.0",
        G,
        "O(N) for N channels given.",
        subscribe,
        "Subscribes to channels.",
    ),
    cmd(
        "unsubscribe",
        at_least(1),
        SUB,
        NO_KEYS,
        "2.0.0",
        G,
        "O(N) for N channels given.",
        unsubscribe,
        "Ends the subscriptions to some channels, or to all of them.",
    ),
];

const PUBSUB_COMMANDS: &[Spec] = &[
    cmd(
        "pubsub|channels",
        at_least(2),
        LOOK,
        NO_KEYS,
        "2.8.0",
        G,
        "O(N) for N channels with subscribers.",
        channels,
        "Lists the channels that have subscribers.",
    ),
    cmd(
        "pubsub|help",
        exactly(2),
        LOADING | STALE,
        NO_KEYS,
        "6.2.0",
        G,
        "O(1)",
        help,
        "Lists the subcommands of PUBSUB, each with a sentence about it.",
    ),
    cmd(
        "pubsub|numpat",
        exactly(2),
        LOOK,
        NO_KEYS,
        "2.8.0",
        G,
        "O(1)",
        numpat,
        "Counts the different patterns that clients have subscribed to.",
    ),
    cmd(
        "pubsub|numsub",
        at_least(2),
        LOOK,
        NO_KEYS,
        "2.8.0",
        G,
        "O(N) for N channels given.",
        numsub,
        "Tells for several channels how many subscribers each has.",
    ),
];

/// One confirmation: what happened, the name, how many subscriptions there are.
fn confirm(ctx: &mut Context<'_>, what: &[u8], name: Option<&[u8]>) {
    ctx.reply.push(3);
    ctx.reply.bulk(what);
    match name {
        Some(name) => ctx.reply.bulk(name),
        None => ctx.reply.null(),
    }
    let count = ctx.session.subscriptions();
    ctx.reply.int(count as i64);
}

fn psubscribe(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    for pattern in args.iter_from(1) {
        if ctx.session.patterns.insert(pattern.to_vec()) {
            ctx.engine.patterns.entry(pattern.to_vec()).or_default().push(ctx.session.slot);
        }
        confirm(ctx, b"psubscribe", Some(pattern));
    }
    Ok(Done::NOTHING)
}

/// `PUBLISH channel message` → how many clients got it. Passed on to replicas, not to disk.
fn publish(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let count = ctx.engine.publish(args.at(1), args.at(2));
    if !ctx.engine.is_replica
        && ctx.engine.is_journaling(ctx.session)
        && let Some(host) = &mut ctx.host
    {
        let mut unit = Vec::new();
        encode::command(&mut unit, args.iter_from(0));
        host.journal((ctx.session.db, ctx.session.db), EntryKind::Control, &unit);
    }
    ctx.reply.int(count as i64);
    Ok(Done::NOTHING)
}

fn punsubscribe(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let all: Vec<Vec<u8>> = match args.len() {
        1 => ctx.session.patterns.iter().cloned().collect(),
        _ => args.iter_from(1).map(<[u8]>::to_vec).collect(),
    };
    if all.is_empty() {
        confirm(ctx, b"punsubscribe", None);
    }
    for pattern in all {
        if ctx.session.patterns.remove(&pattern) {
            let patterns = &mut ctx.engine.patterns;
            forget(patterns.get_mut(&pattern), ctx.session.slot);
            patterns.retain(|_, slots| !slots.is_empty());
        }
        confirm(ctx, b"punsubscribe", Some(&pattern));
    }
    Ok(Done::NOTHING)
}

fn subscribe(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    for channel in args.iter_from(1) {
        if ctx.session.channels.insert(channel.to_vec()) {
            ctx.engine.channels.entry(channel.to_vec()).or_default().push(ctx.session.slot);
        }
        confirm(ctx, b"subscribe", Some(channel));
    }
    Ok(Done::NOTHING)
}

fn unsubscribe(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let all: Vec<Vec<u8>> = match args.len() {
        1 => ctx.session.channels.iter().cloned().collect(),
        _ => args.iter_from(1).map(<[u8]>::to_vec).collect(),
    };
    if all.is_empty() {
        confirm(ctx, b"unsubscribe", None);
    }
    for channel in all {
        if ctx.session.channels.remove(&channel) {
            let channels = &mut ctx.engine.channels;
            forget(channels.get_mut(&channel), ctx.session.slot);
            if channels.get(&channel).is_some_and(Vec::is_empty) {
                channels.remove(&channel);
            }
        }
        confirm(ctx, b"unsubscribe", Some(&channel));
    }
    Ok(Done::NOTHING)
}

fn channels(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    if args.len() > 3 {
        return Err(Refusal::arity("pubsub|channels"));
    }
    let fits = |name: &&Vec<u8>| args.get(2).is_none_or(|p| glob::matches(p, name, false));
    let names: Vec<Vec<u8>> = ctx.engine.channels.keys().filter(fits).cloned().collect();
    ctx.reply.array(names.len());
    names.iter().for_each(|name| ctx.reply.bulk(name));
    Ok(Done::NOTHING)
}

fn help(ctx: &mut Context<'_>, _args: Args<'_>) -> Result<Done, Refusal> {
    super::server::help(ctx, PUBSUB_COMMANDS, "PUBSUB");
    Ok(Done::NOTHING)
}

fn numpat(ctx: &mut Context<'_>, _args: Args<'_>) -> Result<Done, Refusal> {
    let count = ctx.engine.patterns.len();
    ctx.reply.int(count as i64);
    Ok(Done::NOTHING)
}

fn numsub(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    ctx.reply.array((args.len() - 2) * 2);
    for channel in args.iter_from(2) {
        ctx.reply.bulk(channel);
        let count = ctx.engine.channels.get(channel).map_or(0, Vec::len);
        ctx.reply.int(count as i64);
    }
    Ok(Done::NOTHING)
}
