//! Connection commands: PING, SELECT and their kin.
//!
//! # Not here
//! - AUTH, HELLO: [`super::acl`]
//! - CLIENT's subcommands: the host answers them, it knows the sockets

use super::tracking;
use crate::arguments::small_int;
use crate::command::*;
use crate::context::{Context, Done};
use crate::host::HostCall;
use crate::refusal::Refusal;
use crate::session::ReplyMode;
use protocol::resp::{Args, Reply};

const OPEN: Flags = NO_SCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY;
const PING: Flags = FAST | IN_SUBSCRIBED | IN_STREAM | TELLS_DISK_ERROR;
const CLIENT: Flags = NO_SCRIPT | LOADING | STALE | KEEPS_CACHING;
const CLIENT_HELP: Flags = LOADING | STALE | KEEPS_CACHING;
const CLIENT_ADMIN: Flags = CLIENT | ADMIN;

#[rustfmt::skip]
pub(super) const COMMANDS: &[Spec] = &[
    //  name      arity        flags                               keys     handler
    cmd("client", at_least(2), 0,                                  NO_KEYS, client).with(CLIENT_COMMANDS),
    cmd("echo",   exactly(2),  FAST | LOADING | STALE | IN_STREAM, NO_KEYS, echo),
    cmd("ping",   at_least(1), PING,                               NO_KEYS, ping),
    cmd("quit",   at_least(1), OPEN | IN_SUBSCRIBED | NOT_QUEUED,  NO_KEYS, quit),
    cmd("reset",  exactly(1),  OPEN | IN_SUBSCRIBED | NOT_QUEUED,  NO_KEYS, reset),
    cmd("select", exactly(2),  FAST | LOADING | STALE | IN_STREAM, NO_KEYS, select),
];

#[rustfmt::skip]
const CLIENT_COMMANDS: &[Spec] = &[
    //  name                   arity        flags         keys     handler
    cmd("client|caching",      exactly(3),  CLIENT,       NO_KEYS, tracking::caching),
    cmd("client|getname",      exactly(2),  CLIENT,       NO_KEYS, client),
    cmd("client|getredir",     exactly(2),  CLIENT,       NO_KEYS, tracking::getredir),
    cmd("client|help",         exactly(2),  CLIENT_HELP,  NO_KEYS, client),
    cmd("client|id",           exactly(2),  CLIENT,       NO_KEYS, client),
    cmd("client|info",         exactly(2),  CLIENT,       NO_KEYS, client),
    cmd("client|kill",         at_least(3), CLIENT_ADMIN, NO_KEYS, client),
    cmd("client|list",         at_least(2), CLIENT_ADMIN, NO_KEYS, client),
    cmd("client|no-evict",     exactly(3),  CLIENT_ADMIN, NO_KEYS, client),
    cmd("client|no-touch",     exactly(3),  CLIENT,       NO_KEYS, tracking::no_touch),
    cmd("client|pause",        at_least(3), CLIENT_ADMIN, NO_KEYS, client),
    cmd("client|reply",        exactly(3),  CLIENT,       NO_KEYS, client_reply),
    cmd("client|setinfo",      exactly(4),  CLIENT,       NO_KEYS, client),
    cmd("client|setname",      exactly(3),  CLIENT,       NO_KEYS, client),
    cmd("client|tracking",     at_least(3), CLIENT,       NO_KEYS, tracking::tracking),
    cmd("client|trackinginfo", exactly(2),  CLIENT,       NO_KEYS, tracking::trackinginfo),
    cmd("client|unblock",      at_least(3), CLIENT_ADMIN, NO_KEYS, client),
    cmd("client|unpause",      exactly(2),  CLIENT_ADMIN, NO_KEYS, client),
];

fn client(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    ctx.host(HostCall::Client, args)
}

/// `CLIENT REPLY ON|OFF|SKIP`: only ON is answered.
fn client_reply(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    match args.at(2).to_ascii_lowercase().as_slice() {
        b"on" => {
            ctx.session.reply_mode = ReplyMode::On;
            ctx.reply.ok();
        }
        b"off" => ctx.session.reply_mode = ReplyMode::Off,
        b"skip" if ctx.session.reply_mode != ReplyMode::Off => {
            ctx.session.reply_mode = ReplyMode::SkipNext;
        }
        b"skip" => {}
        _ => return Err(Refusal::SYNTAX),
    }
    Ok(Done::NOTHING)
}

fn echo(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    ctx.reply.bulk(args.at(1));
    Ok(Done::NOTHING)
}

/// `PING [message]`; an array in version 2 while subscribed.
fn ping(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    if args.len() > 2 {
        return Err(Refusal::arity("ping"));
    }
    if ctx.session.subscriptions() > 0 && !ctx.session.resp3 {
        ctx.reply.array(2);
        ctx.reply.bulk(b"pong");
        ctx.reply.bulk(args.get(1).unwrap_or(b""));
        return Ok(Done::NOTHING);
    }
    match args.get(1) {
        Some(message) => ctx.reply.bulk(message),
        None => ctx.reply.simple("PONG"),
    }
    Ok(Done::NOTHING)
}

fn quit(ctx: &mut Context<'_>, _args: Args<'_>) -> Result<Done, Refusal> {
    ctx.session.close_after_reply = true;
    ctx.reply.ok();
    Ok(Done::NOTHING)
}

/// `RESET`: the connection is as good as new.
fn reset(ctx: &mut Context<'_>, _args: Args<'_>) -> Result<Done, Refusal> {
    let session = &mut *ctx.session;
    session.multi = None;
    ctx.engine.unwatch_all(session);
    ctx.engine.unsubscribe_all(session);
    session.db = 0;
    session.resp3 = false;
    session.name.clear();
    ctx.engine.stop_tracking(session);
    ctx.engine.stop_monitor(session);
    session.no_evict = false;
    session.no_touch = false;
    session.reply_mode = ReplyMode::On;
    session.account = ctx.engine.first_account();
    let mut reply = Reply::new(ctx.reply.buffer(), false);
    reply.simple("RESET");
    Ok(Done::NOTHING)
}

fn select(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let db = small_int(args.at(1))?;
    match usize::try_from(db) {
        Ok(db) if db < ctx.engine.dbs.len() => ctx.session.db = db,
        _ => return Err(Refusal::fixed("ERR DB index is out of range")),
    }
    ctx.reply.ok();
    Ok(Done::NOTHING)
}
