//! XRANGE, XREVRANGE, XREAD and XREADGROUP: entries for clients.
//!
//! XREAD and XREADGROUP are read, resolved (`$` and the groups are looked up) and then served. If there is nothing to
//! send, they are kept and run again as a whole when one of the streams has changed.
//!
//! What XREADGROUP did is passed on as what it changed: an XCLAIM for each entry that became pending, and XGROUP SETID for
//! how far the group has come.

use super::effects::{Claim, pass_on_claims, pass_on_progress};
use super::ids::{self, IdText};
use super::replies::{no_such_group, write_entry};
use crate::arguments::{int, is};
use crate::blocking::{Want, deadline_ms};
use crate::context::{Class, Context, Done};
use crate::refusal::Refusal;
use keyspace::entry::Kind;
use keyspace::stream::{Group, Pending, Stream, StreamId};
use protocol::resp::request::OwnedArgs;
use protocol::resp::{Args, Reply};

/// `XRANGE key start end [COUNT count]` → entries.
pub(super) fn xrange(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    range(ctx, args, (2, 3), false)
}

/// `XREVRANGE key end start [COUNT count]` → entries, the last one first.
pub(super) fn xrevrange(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    range(ctx, args, (3, 2), true)
}

fn range(
    ctx: &mut Context<'_>,
    args: Args<'_>,
    (start_at, end_at): (usize, usize),
    down: bool,
) -> Result<Done, Refusal> {
    let start = ids::range_start(args.at(start_at))?;
    let end = ids::range_end(args.at(end_at))?;
    let mut count = usize::MAX;
    let mut at = 4;
    while at < args.len() {
        if !is(args.at(at), "COUNT") || at + 1 == args.len() {
            return Err(Refusal::SYNTAX);
        }
        count = int(args.at(at + 1))?.max(0) as usize;
        at += 2;
    }
    let key = ctx.key(args, 1);
    let Some(stream) = ctx.engine.read_as::<Stream>(ctx.scope, key)? else {
        ctx.reply.array(0);
        return Ok(Done::NOTHING);
    };
    if count == 0 {
        ctx.reply.null_array();
        return Ok(Done::NOTHING);
    }
    let mark = ctx.reply.open();
    let (entries, reply) = (stream.entries(), &mut ctx.reply);
    let written = if down {
        entries.range_down(start, end).take(count).map(|entry| write_entry(reply, &entry)).count()
    } else {
        entries.range(start, end).take(count).map(|entry| write_entry(reply, &entry)).count()
    };
    ctx.reply.close_array(mark, written);
    Ok(Done::NOTHING)
}

/// What XREAD and XREADGROUP ask for.
struct Read<'a> {
    /// Most entries of each stream.
    count: usize,
    /// Until when the client waits if there is nothing: not at all, forever, or unix milliseconds.
    until: Option<Option<i64>>,
    /// Group and consumer.
    group: Option<(&'a [u8], &'a [u8])>,
    no_ack: bool,
    /// Where the keys begin, and how many there are; the ids follow them.
    keys_at: usize,
    streams: usize,
}

/// From where a stream is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    /// Entries after this one; of a group, those that its consumer has not acknowledged.
    Id(StreamId),
    /// Entries that the group has not delivered.
    Undelivered,
}

/// Until when a client waits. Scripts do not.
fn block_deadline(ctx: &Context<'_>, args: Args<'_>, at: usize) -> Result<Option<i64>, Refusal> {
    if ctx.session.in_script {
        let text = " command is not allowed with BLOCK option from scripts";
        return Err(Refusal::quoting("ERR ", args.at(0), text));
    }
    deadline_ms(args.at(at), ctx.engine)
}

/// Reads the options. `grouped` says that it is XREADGROUP.
fn parse<'a>(ctx: &Context<'_>, args: Args<'a>, grouped: bool) -> Result<Read<'a>, Refusal> {
    let mut read =
        Read { count: usize::MAX, until: None, group: None, no_ack: false, keys_at: 0, streams: 0 };
    let mut at = 1;
    while at < args.len() {
        let (word, more) = (args.at(at), args.len() - 1 - at);
        if is(word, "BLOCK") && more > 0 {
            at += 1;
            read.until = Some(block_deadline(ctx, args, at)?);
        } else if is(word, "COUNT") && more > 0 {
            at += 1;
            read.count = match int(args.at(at))? {
                ..=0 => usize::MAX,
                count => count as usize,
            };
        } else if is(word, "STREAMS") && more > 0 {
            if !more.is_multiple_of(2) {
                let (name, symbol) = (ctx.spec.name, if grouped { '>' } else { '$' });
                return Err(Refusal::new(format!(
                    "ERR Unbalanced '{name}' list of streams: for each stream key an ID or '{symbol}' must be specified."
                )));
            }
            (read.keys_at, read.streams) = (at + 1, more / 2);
            break;
        } else if is(word, "GROUP") && more >= 2 {
            if !grouped {
                return Err(Refusal::fixed(
                    "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.",
                ));
            }
            read.group = Some((args.at(at + 1), args.at(at + 2)));
            at += 2;
        } else if is(word, "NOACK") {
            if !grouped {
                return Err(Refusal::fixed(
                    "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.",
                ));
            }
            read.no_ack = true;
        } else {
            return Err(Refusal::SYNTAX);
        }
        at += 1;
    }
    if read.keys_at == 0 {
        return Err(Refusal::SYNTAX);
    }
    if grouped && read.group.is_none() {
        return Err(Refusal::fixed("ERR Missing GROUP option for XREADGROUP"));
    }
    Ok(read)
}

/// Looks up keys and groups, and from where each stream is read.
fn resolve(ctx: &mut Context<'_>, args: Args<'_>, read: &Read<'_>) -> Result<Vec<After>, Refusal> {
    let mut all = Vec::with_capacity(read.streams);
    for key_at in read.keys_at..read.keys_at + read.streams {
        let (key, text) = (ctx.key(args, key_at), args.at(key_at + read.streams));
        let stream = ctx.engine.read_as::<Stream>(ctx.scope, key)?;
        if let Some((group, _)) = read.group
            && stream.and_then(|stream| stream.group(group)).is_none()
        {
            return Err(Refusal::from(
                [
                    b"NOGROUP No such key '",
                    key.bytes,
                    b"' or consumer group '",
                    group,
                    b"' in XREADGROUP with GROUP option",
                ]
                .concat(),
            )
            .of_state());
        }
        all.push(match text {
            b"$" if read.group.is_some() => {
                return Err(Refusal::fixed(
                    "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.",
                ));
            }
            b"$" => {
                After::Id(stream.map_or(StreamId::MIN, |stream| stream.entries().last_id()))
            }
            b">" if read.group.is_some() => After::Undelivered,
            b">" => {
                return Err(Refusal::fixed(
                    "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
                ));
            }
            _ => match ids::whole(text, 0)? {
                // As in Redis: no entry comes after the greatest id, so it stands for `>`.
                StreamId::MAX if read.group.is_some() => After::Undelivered,
                id => After::Id(id),
            },
        });
    }
    Ok(all)
}

/// `XREAD [COUNT count] [BLOCK milliseconds] STREAMS key [key ...] id [id ...]` → entries by stream.
pub(super) fn xread(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let read = parse(ctx, args, false)?;
    let after = resolve(ctx, args, &read)?;
    match serve(ctx, args, &read, &after)? {
        Some(done) => Ok(done),
        None => {
            // What comes from now on, not from when it is run again.
            let resolved = with_ids(args, &read, &after);
            Ok(wait(ctx, resolved.as_ref().map_or(args, OwnedArgs::args), &read))
        }
    }
}

/// `XREADGROUP GROUP group consumer [COUNT count] [BLOCK milliseconds] [NOACK] STREAMS key [key ...] id [id ...]`
/// → entries by stream.
pub(super) fn xreadgroup(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let read = parse(ctx, args, true)?;
    let after = resolve(ctx, args, &read)?;
    // What it does is stated piece by piece.
    ctx.no_effect();
    let (served, done) = serve_group(ctx, args, &read, &after)?;
    if served == 0 {
        // What it changed all the same, it changed: a consumer may be new.
        let _ = wait(ctx, args, &read);
    }
    Ok(done)
}

/// The request with the ids that `$` stood for, if there is one.
fn with_ids(args: Args<'_>, read: &Read<'_>, after: &[After]) -> Option<OwnedArgs> {
    let ids_at = read.keys_at + read.streams;
    if !args.iter_from(ids_at).any(|text| text == b"$") {
        return None;
    }
    let mut resolved = OwnedArgs::of(args.iter_from(0).take(ids_at));
    for (text, after) in args.iter_from(ids_at).zip(after) {
        match after {
            After::Id(id) if text == b"$" => resolved.push(IdText::of(*id).bytes()),
            _ => resolved.push(text),
        }
    }
    Some(resolved)
}

/// There is nothing to send: waits, if that is asked for.
fn wait(ctx: &mut Context<'_>, args: Args<'_>, read: &Read<'_>) -> Done {
    let Some(until) = read.until else {
        ctx.reply.null_array();
        return Done::NOTHING;
    };
    // A group that is gone is an error.
    let want = Want { kind: Kind::Stream, or_gone: read.group.is_some() };
    ctx.block(args, read.keys_at..read.keys_at + read.streams, want, until)
}

/// Writes what there is for XREAD; `None` if there is nothing.
fn serve(
    ctx: &mut Context<'_>,
    args: Args<'_>,
    read: &Read<'_>,
    after: &[After],
) -> Result<Option<Done>, Refusal> {
    let (mark, mut served) = (ctx.reply.open(), 0);
    for (at, after) in (read.keys_at..).zip(after) {
        let key = ctx.key(args, at);
        let Some(stream) = ctx.engine.read_as::<Stream>(ctx.scope, key)? else { continue };
        let After::Id(after) = *after else { unreachable!("groups are XREADGROUP's") };
        let entries = stream.entries();
        if entries.last_live_id().is_none_or(|last| last <= after) {
            continue;
        }
        let first = after.next().expect("an entry comes after it");
        served += 1;
        begin_stream(&mut ctx.reply, key.bytes);
        let inner = ctx.reply.open();
        let found = entries.range(first, StreamId::MAX).take(read.count);
        let written = found.map(|entry| write_entry(&mut ctx.reply, &entry)).count();
        ctx.reply.close_array(inner, written);
    }
    if served == 0 {
        return Ok(None);
    }
    close_streams(&mut ctx.reply, mark, served);
    Ok(Some(Done::NOTHING))
}

fn begin_stream(reply: &mut Reply<'_>, key: &[u8]) {
    if !reply.is_resp3() {
        reply.array(2);
    }
    reply.bulk(key);
}

fn close_streams(reply: &mut Reply<'_>, mark: protocol::resp::reply::Mark, count: usize) {
    if reply.is_resp3() { reply.close_map(mark, count) } else { reply.close_array(mark, count) }
}

/// What one stream of XREADGROUP changed.
#[derive(Default)]
struct Delivery {
    created: bool,
    claims: Vec<Claim>,
    /// The group's last id and how many entries it has read, if it went on.
    advanced: Option<(StreamId, Option<u64>)>,
}

/// Writes what there is for XREADGROUP. Returns of how many streams, and what changed: also with none a consumer may be new.
fn serve_group(
    ctx: &mut Context<'_>,
    args: Args<'_>,
    read: &Read<'_>,
    after: &[After],
) -> Result<(usize, Done), Refusal> {
    let (name, consumer_name) = read.group.expect("parsed with it");
    let now_ms = ctx.now();
    // Without anybody who reads the journal no claim is collected.
    let keeps_claims = ctx.engine.is_journaling(ctx.session);
    let (mark, mut served, mut changes) = (ctx.reply.open(), 0, 0);
    for (at, after) in (read.keys_at..).zip(after) {
        let key = ctx.key(args, at);
        let Some(stream) = ctx.engine.change::<Stream>(ctx.scope, key)? else { continue };
        let Some((entries, group)) = stream.group_mut(name) else {
            return Err(no_such_group(key.bytes, name));
        };
        let mut delivery = Delivery::default();
        let consumer = match group.find(consumer_name) {
            Some(consumer) => consumer,
            None => {
                delivery.created = true;
                group.add_consumer(consumer_name, now_ms).expect("looked for above")
            }
        };
        group.consumer_mut(consumer).seen_ms = now_ms;
        match after {
            After::Id(id) => {
                let first = id.next().expect("the greatest id means something else");
                begin_stream(&mut ctx.reply, key.bytes);
                write_history(&mut ctx.reply, entries, group, consumer, first, read.count, now_ms);
                served += 1;
                changes += 1;
            }
            After::Undelivered
                if entries.last_live_id().is_some_and(|last| last > group.last_id) =>
            {
                begin_stream(&mut ctx.reply, key.bytes);
                let inner = ctx.reply.open();
                let first = group.last_id.next().expect("an entry comes after it");
                let mut written = 0;
                for entry in entries.range(first, StreamId::MAX).take(read.count) {
                    group.advance(entries, entry.id);
                    write_entry(&mut ctx.reply, &entry);
                    written += 1;
                    if read.no_ack {
                        continue;
                    }
                    let pending =
                        Pending { id: entry.id, delivered_ms: now_ms, count: 1, consumer };
                    group.set_pending(pending);
                    if keeps_claims {
                        delivery.claims.push(Claim::of(&pending, None));
                    }
                }
                if !read.no_ack {
                    group.consumer_mut(consumer).active_ms = Some(now_ms);
                }
                delivery.advanced = Some((group.last_id, group.entries_read));
                ctx.reply.close_array(inner, written);
                served += 1;
                changes += 1;
            }
            After::Undelivered => {}
        }
        changes += usize::from(delivery.created);
        pass_on(ctx, key.bytes, read, &delivery);
        if delivery.created {
            ctx.engine.notify(ctx.scope.db, Class::Stream, "xgroup-createconsumer", key.bytes);
        }
    }
    if served > 0 {
        close_streams(&mut ctx.reply, mark, served);
    }
    Ok((served, Done::changes(changes)))
}

/// What a consumer was given before and has not acknowledged. Who asks for it is given it once more.
fn write_history(
    reply: &mut Reply<'_>,
    entries: &keyspace::stream::Entries,
    group: &mut Group,
    consumer: keyspace::stream::ConsumerSlot,
    first: StreamId,
    count: usize,
    now_ms: i64,
) {
    let mark = reply.open();
    let mut given = Vec::new();
    let mut written = 0;
    for id in group.consumer(consumer).pending_from(first).take(count) {
        written += 1;
        match entries.get(id) {
            Some(entry) => {
                write_entry(reply, &entry);
                given.push(id);
            }
            None => {
                // It was deleted from the stream.
                reply.array(2);
                ids::write(reply, id);
                reply.null_array();
            }
        }
    }
    reply.close_array(mark, written);
    for id in given {
        let pending = *group.pending(id).expect("what a consumer has is the group's");
        let count = pending.count.saturating_add(1);
        group.set_pending(Pending { delivered_ms: now_ms, count, ..pending });
    }
}

/// States what was delivered from one stream.
fn pass_on(ctx: &mut Context<'_>, key: &[u8], read: &Read<'_>, delivery: &Delivery) {
    let (group, consumer) = read.group.expect("parsed with it");
    if delivery.created && delivery.claims.is_empty() {
        // No XCLAIM makes it known. (Redis says it with NOACK only; its copies then lack the consumer.)
        ctx.effect(&[b"XGROUP", b"CREATECONSUMER", key, group, consumer]);
    }
    // Each entry is then the last one that was delivered.
    pass_on_claims(
        ctx,
        key,
        group,
        consumer,
        delivery.claims.iter().map(|claim| (claim, claim.id)),
    );
    if let Some((last_id, entries_read)) = delivery.advanced {
        pass_on_progress(ctx, key, group, last_id, entries_read);
    }
}
