//! CLIENT: who is connected, and what to do with them.

use crate::clients::Client;
use crate::node::Outside;
use engine::Engine;
use engine::acl::user::User;
use engine::arguments::{client_name, int, is};
use engine::blocking::Unblock;
use engine::context::{Context, Done};
use engine::engine::Pause;
use engine::refusal::Refusal;
use engine::session::{Peer, Session};
use protocol::resp::Args;
use std::sync::Arc;

const SYNTAX: Refusal = Refusal::SYNTAX;

/// The class of a client, as TYPE names it.
fn class(session: &Session) -> &'static str {
    match session.peer {
        Peer::Replica => "replica",
        Peer::Primary => "master",
        _ if session.subscriptions() > 0 => "pubsub",
        _ => "normal",
    }
}

impl Outside {
    /// Closes another client's connection at once.
    pub fn close_client(&mut self, engine: &mut Engine, slot: usize) {
        self.kill(slot);
        // What is executed next finds it gone, as it will be.
        engine.withdraw(slot);
        self.replica_gone(engine, slot);
    }
}

/// Answers CLIENT's subcommands.
pub fn client(host: &mut Outside, ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    match ctx.spec.own_name() {
        "id" => ctx.reply.int(ctx.session.id as i64),
        "getname" if ctx.session.name.is_empty() => ctx.reply.null(),
        "getname" => ctx.reply.bulk(&ctx.session.name),
        "setname" => {
            client_name(args.at(2), "Client names")?;
            ctx.session.name = args.at(2).to_vec();
            ctx.reply.ok();
        }
        "setinfo" => set_info(ctx, args)?,
        "no-evict" => {
            ctx.session.no_evict = on_or_off(args.at(2))?;
            ctx.reply.ok();
        }
        "info" => {
            let line = host
                .clients
                .get(ctx.session.slot)
                .map(|c| line(c, ctx.session, ctx.engine.steady_ms, encoded_len(args)));
            ctx.reply.verbatim("txt", format!("{}\n", line.unwrap_or_default()).as_bytes());
        }
        "list" => list(host, ctx, args)?,
        "kill" => kill(host, ctx, args)?,
        "pause" => pause(host, ctx, args)?,
        "unblock" => unblock(host, ctx, args)?,
        "unpause" => {
            host.pause_until_ms = 0;
            host.client_pause.update(Pause::Nothing);
            ctx.reply.ok();
        }
        _ => engine::family::help::help(ctx, "client"),
    }
    Ok(Done::NOTHING)
}

fn on_or_off(word: &[u8]) -> Result<bool, Refusal> {
    match word.to_ascii_lowercase().as_slice() {
        b"on" => Ok(true),
        b"off" => Ok(false),
        _ => Err(SYNTAX),
    }
}

fn set_info(ctx: &mut Context<'_>, args: Args<'_>) -> Result<(), Refusal> {
    let (attribute, value) = (args.at(2), args.at(3));
    let slot = match attribute.to_ascii_lowercase().as_slice() {
        b"lib-name" => 0,
        b"lib-ver" => 1,
        _ => {
            let attribute = String::from_utf8_lossy(attribute).into_owned();
            return Err(Refusal::new(format!("ERR Unrecognized option '{attribute}'")));
        }
    };
    client_name(value, ["lib-name", "lib-ver"][slot])?;
    ctx.session.library[slot] = value.to_vec();
    ctx.reply.ok();
    Ok(())
}

/// `CLIENT UNBLOCK id [TIMEOUT|ERROR]` → whether that client waited.
fn unblock(host: &mut Outside, ctx: &mut Context<'_>, args: Args<'_>) -> Result<(), Refusal> {
    let how = match args.get(3) {
        None => Unblock::Timeout,
        Some(word) if args.len() == 4 && is(word, "TIMEOUT") => Unblock::Timeout,
        Some(word) if args.len() == 4 && is(word, "ERROR") => Unblock::Error,
        Some(_) => {
            return Err(Refusal::fixed("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"));
        }
    };
    let id = int(args.at(2))?;
    let slot = host.clients.iter().find(|(_, client)| client.id as i64 == id).map(|(slot, _)| slot);
    let ended = slot
        .is_some_and(|slot| ctx.engine.unblock(slot, how) || host.unblock(ctx.engine, slot, how));
    ctx.reply.int(i64::from(ended));
    Ok(())
}

/// Its flags there, a letter each.
fn flags(client: &Client, session: &Session) -> String {
    let mut flags = String::new();
    match session.peer {
        Peer::Replica => flags.push('S'),
        Peer::Primary => flags.push('M'),
        _ => {}
    }
    if session.subscriptions() > 0 {
        flags.push('P');
    }
    if session.monitor {
        flags.push('O');
    }
    if let Some(mode) = &session.tracking {
        flags.push('t');
        if mode.broken {
            flags.push('R');
        }
        if mode.broadcast {
            flags.push('B');
        }
    }
    if session.no_touch {
        flags.push('T');
    }
    if session.queued() >= 0 {
        flags.push('x');
    }
    if session.suspended {
        flags.push('b');
    }
    if client.is_unix {
        flags.push('U');
    }
    if session.no_evict {
        flags.push('e');
    }
    if session.close_after_reply {
        flags.push('c');
    }
    if flags.is_empty() {
        flags.push('N');
    }
    flags
}

/// A client as CLIENT LIST shows it, without the line's end.
///
/// `executing`: bytes of the request that it is executing. To Redis they are part of the input until it is done.
pub fn line(client: &Client, session: &Session, now_ms: i64, executing: usize) -> String {
    let flags = flags(client, session);
    let (channels, patterns, shard) = session.subscription_counts();
    let redirect = session.tracking.as_ref().map_or(-1, |mode| mode.redirect.unwrap_or(0) as i64);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let idle_ms = if client.active { 0 } else { now_ms - client.last_active_ms };
    format!(
        "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={flags} db={} sub={channels} psub={patterns} ssub={shard} \
         multi={} qbuf={} qbuf-free={} argv-mem={} multi-mem={} rbs={} rbp={} obl={} oll=0 omem={} tot-mem={} events=r cmd={} \
         user={} redir={redirect} resp={} lib-name={} lib-ver={}",
        session.id,
        client.address,
        client.local_address,
        client.fd,
        text(&session.name),
        (now_ms - client.created_ms) / 1000,
        idle_ms / 1000,
        session.db,
        session.queued(),
        client.input.unparsed + executing,
        client.input.room,
        client.input.arguments,
        session.multi_bytes(),
        client.output_room,
        client.output_room,
        client.output_bytes,
        client.output_room,
        client.memory_bytes(session),
        session.last_command.map_or("NULL", |spec| spec.name),
        session.account.name().map_or_else(|| "(superuser)".into(), text),
        if session.resp3 { 3 } else { 2 },
        text(&session.library[0]),
        text(&session.library[1]),
    )
}

/// Bytes of a request as clients send it.
fn encoded_len(args: Args<'_>) -> usize {
    let mut bytes = Vec::new();
    protocol::resp::encode::command(&mut bytes, args.iter_from(0));
    bytes.len()
}

fn list(host: &Outside, ctx: &mut Context<'_>, args: Args<'_>) -> Result<(), Refusal> {
    let (mut kind, mut ids) = (None, None);
    match args.get(2) {
        None => {}
        Some(word) if is(word, "TYPE") && args.len() == 4 => kind = Some(client_type(args.at(3))?),
        Some(word) if is(word, "ID") && args.len() > 3 => {
            let parse =
                |text: &[u8]| int(text).map_err(|_| Refusal::fixed("ERR Invalid client ID"));
            ids = Some(args.iter_from(3).map(parse).collect::<Result<Vec<i64>, Refusal>>()?);
        }
        Some(_) => return Err(SYNTAX),
    }
    let mut text = String::new();
    for (slot, client) in host.clients.iter().filter(|(_, client)| !client.is_killed) {
        let (session, executing) = match slot == ctx.session.slot {
            true => (Some(&*ctx.session), encoded_len(args)),
            false => (ctx.engine.session(slot), 0),
        };
        let Some(session) = session else { continue };
        let listed = kind.is_none_or(|kind| class(session) == kind)
            && ids.as_ref().is_none_or(|ids| ids.contains(&(session.id as i64)));
        if listed {
            text.push_str(&line(client, session, ctx.engine.steady_ms, executing));
            text.push('\n');
        }
    }
    ctx.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

fn client_type(word: &[u8]) -> Result<&'static str, Refusal> {
    Ok(match word.to_ascii_lowercase().as_slice() {
        b"normal" => "normal",
        b"slave" | b"replica" => "replica",
        b"pubsub" => "pubsub",
        b"master" => "master",
        _ => {
            let word = String::from_utf8_lossy(word).into_owned();
            return Err(Refusal::new(format!("ERR Unknown client type '{word}'")));
        }
    })
}

/// What CLIENT KILL looks for.
#[derive(Default)]
struct Filter {
    id: Option<u64>,
    address: Option<String>,
    local_address: Option<String>,
    kind: Option<&'static str>,
    user: Option<Arc<User>>,
    spare_self: bool,
}

fn filter(engine: &Engine, args: Args<'_>) -> Result<Filter, Refusal> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut filter = Filter { spare_self: true, ..Filter::default() };
    if args.len() == 3 {
        filter.address = Some(text(args.at(2)));
        filter.spare_self = false;
        return Ok(filter);
    }
    let mut at = 2;
    while let Some(word) = args.get(at) {
        let value = args.get(at + 1).ok_or(SYNTAX)?;
        if is(word, "ID") {
            let id = int(value).ok().and_then(|id| u64::try_from(id).ok()).filter(|id| *id > 0);
            filter.id = Some(id.ok_or(Refusal::fixed("ERR client-id should be greater than 0"))?);
        } else if is(word, "ADDR") {
            filter.address = Some(text(value));
        } else if is(word, "LADDR") {
            filter.local_address = Some(text(value));
        } else if is(word, "TYPE") {
            filter.kind = Some(client_type(value)?);
        } else if is(word, "USER") {
            let user = engine.users.get(value).cloned();
            let missing = || Refusal::quoting("ERR No such user '", value, "'");
            filter.user = Some(user.ok_or_else(missing)?);
        } else if is(word, "SKIPME") {
            filter.spare_self = match value.to_ascii_lowercase().as_slice() {
                b"yes" => true,
                b"no" => false,
                _ => return Err(SYNTAX),
            };
        } else {
            return Err(SYNTAX);
        }
        at += 2;
    }
    Ok(filter)
}

fn kill(host: &mut Outside, ctx: &mut Context<'_>, args: Args<'_>) -> Result<(), Refusal> {
    let filter = filter(ctx.engine, args)?;
    let (mut killed, mut others) = (0, Vec::new());
    for (slot, client) in host.clients.iter().filter(|(_, client)| !client.is_killed) {
        let own = slot == ctx.session.slot;
        let session = if own { Some(&*ctx.session) } else { ctx.engine.session(slot) };
        let Some(session) = session else { continue };
        let wanted = filter.id.is_none_or(|id| id == session.id)
            && filter.address.as_ref().is_none_or(|a| *a == client.address)
            && filter.local_address.as_ref().is_none_or(|a| *a == client.local_address)
            && filter.kind.is_none_or(|kind| kind == class(session))
            && filter.user.as_ref().is_none_or(|user| session.account.is(user))
            && !(own && filter.spare_self);
        if !wanted {
            continue;
        }
        killed += 1;
        if own {
            ctx.session.close_after_reply = true;
        } else {
            others.push(slot);
        }
    }
    for slot in others {
        host.close_client(ctx.engine, slot);
    }
    if args.len() > 3 {
        ctx.reply.int(killed);
    } else if killed > 0 {
        ctx.reply.ok();
    } else {
        return Err(Refusal::fixed("ERR No such client"));
    }
    Ok(())
}

/// `CLIENT PAUSE ms [WRITE|ALL]`.
fn pause(host: &mut Outside, ctx: &mut Context<'_>, args: Args<'_>) -> Result<(), Refusal> {
    let ms = int(args.at(2))
        .map_err(|_| Refusal::fixed("ERR timeout is not an integer or out of range"))?;
    if ms < 0 {
        return Err(Refusal::fixed("ERR timeout is negative"));
    }
    let mode = match args.get(3) {
        None => Pause::All,
        Some(word) if is(word, "ALL") && args.len() == 4 => Pause::All,
        Some(word) if is(word, "WRITE") && args.len() == 4 => Pause::Writes,
        Some(_) => return Err(Refusal::fixed("ERR CLIENT PAUSE mode must be WRITE or ALL")),
    };
    // A pause is only ever made longer and stricter.
    let until = ctx.engine.steady_ms.saturating_add(ms);
    host.pause_until_ms = host.pause_until_ms.max(until);
    if *host.client_pause != Pause::All {
        host.client_pause.update(mode);
    }
    host.set_alarm();
    ctx.reply.ok();
    Ok(())
}
