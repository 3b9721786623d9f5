//! Connection commands: AUTH, HELLO, PING, SELECT and their kin.
//!
//! # Not here
//! - CLIENT's subcommands: the host answers them, it knows the sockets

use super::tracking;
use crate::arguments::small_int;
use crate::command::{Group::Connection as G, *};
use crate::context::{Context, Done};
use crate::host::HostCall;
use crate::refusal::Refusal;
use crate::session::ReplyMode;
use protocol::resp::{Args, Reply};

const OPEN: Flags = NO_SCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY;
const CLIENT: Flags = NO_SCRIPT | LOADING | STALE;
const CLIENT_ADMIN: Flags = CLIENT | ADMIN;

pub(super) const COMMANDS: &[Spec] = &[
    //  name      arity        flags                                   keys     since    group complexity handler
    cmd(
        "auth",
        at_least(2),
        OPEN,
        NO_KEYS,
        "1.0.0",
        G,
        "O(N) for N passwords of the user.",
        auth,
        "Logs in with a password, or with the name of a user and a password.",
    ),
    cmd(
        "client",
        at_least(2),
        0,
        NO_KEYS,
        "2.4.0",
        G,
        "By subcommand.",
        client,
        "Subcommands that tell about the connections of clients and control them.",
    )
    .with(CLIENT_COMMANDS),
    cmd(
        "echo",
        exactly(2),
        FAST | LOADING | STALE,
        NO_KEYS,
        "1.0.0",
        G,
        "O(1)",
        echo,
        "Sends its argument back.",
    ),
    cmd(
        "hello",
        at_least(1),
        OPEN,
        NO_KEYS,
        "6.0.0",
        G,
        "O(1)",
        hello,
        "Chooses the version of the protocol; may also log in and name the connection.",
    ),
    cmd(
        "ping",
        at_least(1),
        FAST | IN_SUBSCRIBED,
        NO_KEYS,
        "1.0.0",
        G,
        "O(1)",
        ping,
        "Replies PONG, or the text given: a sign that the server is there.",
    ),
    cmd(
        "quit",
        at_least(1),
        OPEN | IN_SUBSCRIBED | NOT_QUEUED,
        NO_KEYS,
        "1.0.0",
        G,
        "O(1)",
        quit,
        "Replies OK and then disconnects.",
    ),
    cmd(
        "reset",
        exactly(1),
        OPEN | IN_SUBSCRIBED | NOT_QUEUED,
        NO_KEYS,
        "6.2.0",
        G,
        "O(1)",
        reset,
        "Makes the connection like a new one: logged out, database 0, RESP2, no subscriptions.",
    ),
    cmd(
        "select",
        exactly(2),
        FAST | LOADING | STALE,
        NO_KEYS,
        "1.0.0",
        G,
        "O(1)",
        select,
        "Makes later commands of the connection use another database.",
    ),
];

const CLIENT_COMMANDS: &[Spec] = &[
    cmd(
        "client|caching",
        exactly(3),
        CLIENT,
        NO_KEYS,
        "6.0.0",
        G,
        "O(1)",
        tracking::caching,
        "Says whether the keys of the next command are to be tracked.",
    ),
    cmd(
        "client|getname",
        exactly(2),
        CLIENT,
        NO_KEYS,
        "2.6.9",
        G,
        "O(1)",
        client,
        "Tells what CLIENT SETNAME has called the connection.",
    ),
    cmd(
        "client|getredir",
        exactly(2),
        CLIENT,
        NO_KEYS,
        "6.0.0",
        G,
        "O(1)",
        tracking::getredir,
        "Tells which client gets the invalidations of this one.",
    ),
    cmd(
        "client|help",
        exactly(2),
        LOADING | STALE,
        NO_KEYS,
        "5.0.0",
        G,
        "O(1)",
        client,
        "Lists the subcommands of CLIENT, each with a sentence about it.",
    ),
    cmd(
        "client|id",
        exactly(2),
        CLIENT,
        NO_KEYS,
        "5.0.0",
        G,
        "O(1)",
        client,
        "Tells the number by which the server knows the connection.",
    ),
    cmd(
        "client|info",
        exactly(2),
        CLIENT,
        NO_KEYS,
        "6.2.0",
        G,
        "O(1)",
        client,
        "Describes the connection as its line of CLIENT LIST does.",
    ),
    cmd(
        "client|kill",
        at_least(3),
        CLIENT_ADMIN,
        NO_KEYS,
        "2.4.0",
        G,
        "O(N) for N clients.",
        client,
        "Disconnects the clients with an address, a number or other properties.",
    ),
    cmd(
        "client|list",
        at_least(2),
        CLIENT_ADMIN,
        NO_KEYS,
        "2.4.0",
        G,
        "O(N) for N clients.",
        client,
        "Describes the clients that are connected, one in each line.",
    ),
    cmd(
        "client|no-evict",
        exactly(3),
        CLIENT_ADMIN,
        NO_KEYS,
        "7.0.0",
        G,
        "O(1)",
        client,
        "Exempts the connection from being closed to save memory, or no longer does.",
    ),
    cmd(
        "client|no-touch",
        exactly(3),
        CLIENT,
        NO_KEYS,
        "7.2.0",
        G,
        "O(1)",
        tracking::no_touch,
        "Chooses whether reading a key makes it count as used.",
    ),
    cmd(
        "client|pause",
        at_least(3),
        CLIENT_ADMIN,
        NO_KEYS,
        "3.0.0",
        G,
        "O(1)",
        client,
        "Holds back the commands of all clients for a while, or only those that write.",
    ),
    cmd(
        "client|reply",
        exactly(3),
        CLIENT,
        NO_KEYS,
        "3.2.0",
        G,
        "O(1)",
        client_reply,
        "Turns replies to the connection off or on, or leaves out the next one.",
    ),
    cmd(
        "client|setinfo",
        exactly(4),
        CLIENT,
        NO_KEYS,
        "7.2.0",
        G,
        "O(1)",
        client,
        "Notes the name or the version of the library that the client uses.",
    ),
    cmd(
        "client|setname",
        exactly(3),
        CLIENT,
        NO_KEYS,
        "2.6.9",
        G,
        "O(1)",
        client,
        "Gives the connection a name, which CLIENT LIST shows.",
    ),
    cmd(
        "client|tracking",
        at_least(3),
        CLIENT,
        NO_KEYS,
        "6.0.0",
        G,
        "O(1), but O(N) for N prefixes.",
        tracking::tracking,
        "Switches on or off that the client is told when keys change that it may hold.",
    ),
    cmd(
        "client|trackinginfo",
        exactly(2),
        CLIENT,
        NO_KEYS,
        "6.2.0",
        G,
        "O(1)",
        tracking::trackinginfo,
        "Tells how the client tracks keys.",
    ),
    cmd(
        "client|unblock",
        at_least(3),
        CLIENT_ADMIN,
        NO_KEYS,
        "5.0.0",
        G,
        "O(log N) for N clients.",
        client,
        "Ends the wait of a client.",
    ),
    cmd(
        "client|unpause",
        exactly(2),
        CLIENT_ADMIN,
        NO_KEYS,
        "6.2.0",
        G,
        "O(N) for N paused clients.",
        client,
        "Ends a CLIENT PAUSE before its time is over.",
    ),
];

fn auth(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    ctx.host(HostCall::Auth, args)
}

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

fn hello(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    ctx.host(HostCall::Hello, args)
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
    session.authenticated = ctx.engine.password.is_empty();
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
