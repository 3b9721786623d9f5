//! Transactions: MULTI, EXEC, DISCARD, WATCH, UNWATCH.
//!
//! # Not here
//! - queueing and running the queue: [`crate::dispatch`]

use crate::command::{Group::Transactions as G, *};
use crate::context::{Context, Done, Key};
use crate::dispatch;
use crate::refusal::Refusal;
use protocol::resp::Args;

const BASE: Flags = NO_SCRIPT | LOADING | STALE | FAST | ALLOW_BUSY;
const NOW: Flags = BASE | NOT_QUEUED;

pub(super) const COMMANDS: &[Spec] = &[
    //  name       arity        flags                          keys            since    group complexity handler
    cmd(
        "discard",
        exactly(1),
        NOW,
        NO_KEYS,
        "2.0.0",
        G,
        "O(N), when N is the number of queued commands",
        discard,
        "Discards a transaction.",
    ),
    cmd(
        "exec",
        exactly(1),
        NO_SCRIPT | LOADING | STALE | SKIP_SLOWLOG | NOT_QUEUED,
        NO_KEYS,
        "1.2.0",
        G,
        "Depends on commands in the transaction",
        exec,
        "Executes all commands in a transaction.",
    ),
    cmd("multi", exactly(1), NOW, NO_KEYS, "1.2.0", G, "O(1)", multi, "Starts a transaction."),
    cmd(
        "unwatch",
        exactly(1),
        BASE,
        NO_KEYS,
        "2.2.0",
        G,
        "O(1)",
        unwatch,
        "Forgets about watched keys of a transaction.",
    ),
    cmd(
        "watch",
        at_least(2),
        NOW | NO_MULTI,
        keys(1, -1, 1),
        "2.2.0",
        G,
        "O(1) for every key.",
        watch,
        "Monitors changes to keys to determine the execution of a transaction.",
    ),
];

fn discard(ctx: &mut Context<'_>, _args: Args<'_>) -> Result<Done, Refusal> {
    if ctx.session.multi.take().is_none() {
        return Err(Refusal::fixed("ERR DISCARD without MULTI"));
    }
    ctx.engine.unwatch_all(ctx.session);
    ctx.reply.ok();
    Ok(Done::NOTHING)
}

fn exec(ctx: &mut Context<'_>, _args: Args<'_>) -> Result<Done, Refusal> {
    let Some(multi) = ctx.session.multi.take() else {
        return Err(Refusal::fixed("ERR EXEC without MULTI"));
    };
    let expired = ctx.session.watched.clone().into_iter().any(|watched| {
        let entry = ctx.engine.dbs[watched.db].get(Key::new(&watched.key).hash, &watched.key);
        let now = ctx.engine.now_ms;
        !watched.expired && entry.is_some_and(|e| e.expiry().is_some_and(|at| at <= now))
    });
    let spoiled = ctx.engine.is_spoiled(ctx.session) || expired;
    ctx.engine.unwatch_all(ctx.session);
    if multi.failed {
        return Err(Refusal::fixed("EXECABORT Transaction discarded because of previous errors."));
    }
    if spoiled {
        ctx.reply.null_array();
        return Ok(Done::NOTHING);
    }
    let host = ctx.host.take().expect("a host does not call itself");
    let out = ctx.reply.buffer();
    let _changes = ctx.engine.execute_queue(host, ctx.session, multi.queue, out);
    ctx.host = Some(host);
    // Counted by the commands in the queue.
    Ok(Done::NOTHING)
}

fn multi(ctx: &mut Context<'_>, _args: Args<'_>) -> Result<Done, Refusal> {
    if ctx.session.multi.is_some() {
        return Err(Refusal::fixed("ERR MULTI calls can not be nested"));
    }
    dispatch::begin(ctx.session);
    ctx.reply.ok();
    Ok(Done::NOTHING)
}

fn unwatch(ctx: &mut Context<'_>, _args: Args<'_>) -> Result<Done, Refusal> {
    ctx.engine.unwatch_all(ctx.session);
    ctx.reply.ok();
    Ok(Done::NOTHING)
}

fn watch(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let db = ctx.session.db;
    for bytes in args.iter_from(1) {
        let key = Key::new(bytes);
        let entry = ctx.engine.dbs[db].get(key.hash, bytes);
        let expired = entry.is_some_and(|e| e.expiry().is_some_and(|at| at <= ctx.engine.now_ms));
        ctx.engine.watch(ctx.session, db, bytes, expired);
    }
    ctx.reply.ok();
    Ok(Done::NOTHING)
}
