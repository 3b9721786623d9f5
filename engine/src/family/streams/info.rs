//! XINFO: what there is to know of a stream, its groups and its consumers.

use super::ids;
use super::replies::{entries_read, missing_group, write_entry, wrong_subcommand};
use crate::arguments::{int, is};
use crate::context::{Context, Done};
use crate::refusal::Refusal;
use keyspace::stream::{Consumer, Entries, Group, Stream, StreamId};
use protocol::resp::{Args, Reply};

/// `XINFO STREAM key [FULL [COUNT count]]` → a map.
pub(super) fn stream(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let key = ctx.key(args, 2);
    let Some(stream) = ctx.engine.read_as::<Stream>(ctx.scope, key)? else {
        return Err(Refusal::NO_SUCH_KEY);
    };
    let full = match args.len() {
        3 => None,
        4 if is(args.at(3), "FULL") => Some(10),
        6 if is(args.at(3), "FULL") && is(args.at(4), "COUNT") => match int(args.at(5))? {
            ..0 => Some(10),
            count => Some(count as usize),
        },
        _ => return Err(wrong_subcommand(args)),
    };
    let (reply, entries) = (&mut ctx.reply, stream.entries());
    reply.map(if full.is_some() { 9 } else { 10 });
    number(reply, "length", entries.len() as i64);
    // There is no radix tree: what it would hold, and about as many nodes.
    number(reply, "radix-tree-keys", entries.node_count() as i64);
    number(reply, "radix-tree-nodes", entries.node_count() as i64 + 1);
    id(reply, "last-generated-id", entries.last_id());
    id(reply, "max-deleted-entry-id", entries.max_deleted_id());
    number(reply, "entries-added", entries.added() as i64);
    id(reply, "recorded-first-entry-id", entries.first_id());
    if let Some(count) = full {
        describe_fully(reply, stream, if count == 0 { usize::MAX } else { count });
        return Ok(Done::NOTHING);
    }
    number(reply, "groups", stream.groups().len() as i64);
    reply.bulk(b"first-entry");
    match entries.range(StreamId::MIN, StreamId::MAX).next() {
        Some(entry) => write_entry(reply, &entry),
        None => reply.null(),
    }
    reply.bulk(b"last-entry");
    match entries.range_down(StreamId::MIN, StreamId::MAX).next() {
        Some(entry) => write_entry(reply, &entry),
        None => reply.null(),
    }
    Ok(Done::NOTHING)
}

fn number(reply: &mut Reply<'_>, name: &str, value: i64) {
    reply.bulk(name.as_bytes());
    reply.int(value);
}

fn id(reply: &mut Reply<'_>, name: &str, value: StreamId) {
    reply.bulk(name.as_bytes());
    ids::write(reply, value);
}

fn text(reply: &mut Reply<'_>, name: &str, value: &[u8]) {
    reply.bulk(name.as_bytes());
    reply.bulk(value);
}

/// How far a group has come.
fn progress(reply: &mut Reply<'_>, entries: &Entries, group: &Group) {
    id(reply, "last-delivered-id", group.last_id);
    reply.bulk(b"entries-read");
    match group.entries_read {
        Some(_) => reply.int(entries_read(group.entries_read)),
        None => reply.null(),
    }
    reply.bulk(b"lag");
    match group.lag(entries) {
        Some(lag) => reply.int(lag),
        None => reply.null(),
    }
}

fn describe_fully(reply: &mut Reply<'_>, stream: &Stream, count: usize) {
    let entries = stream.entries();
    reply.bulk(b"entries");
    reply.array((entries.len() as usize).min(count));
    let first = entries.range(StreamId::MIN, StreamId::MAX).take(count);
    first.for_each(|entry| write_entry(reply, &entry));
    reply.bulk(b"groups");
    reply.array(stream.groups().len());
    for group in stream.groups() {
        reply.map(7);
        text(reply, "name", group.name());
        progress(reply, entries, group);
        number(reply, "pel-count", group.pending_len() as i64);
        reply.bulk(b"pending");
        reply.array(group.pending_len().min(count));
        for pending in group.pending_from(StreamId::MIN).take(count) {
            reply.array(4);
            ids::write(reply, pending.id);
            reply.bulk(group.consumer(pending.consumer).name());
            reply.int(pending.delivered_ms);
            reply.int(pending.count as i64);
        }
        reply.bulk(b"consumers");
        reply.array(group.consumer_count());
        group.consumers().for_each(|consumer| describe_consumer(reply, group, consumer, count));
    }
}

fn describe_consumer(reply: &mut Reply<'_>, group: &Group, consumer: &Consumer, count: usize) {
    reply.map(5);
    text(reply, "name", consumer.name());
    number(reply, "seen-time", consumer.seen_ms);
    number(reply, "active-time", consumer.active_ms.unwrap_or(-1));
    number(reply, "pel-count", consumer.pending_len() as i64);
    reply.bulk(b"pending");
    reply.array(consumer.pending_len().min(count));
    for id in consumer.pending_from(StreamId::MIN).take(count) {
        let pending = group.pending(id).expect("the group has it as well");
        reply.array(3);
        ids::write(reply, id);
        reply.int(pending.delivered_ms);
        reply.int(pending.count as i64);
    }
}

/// `XINFO GROUPS key` → a map for each group.
pub(super) fn groups(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let key = ctx.key(args, 2);
    let Some(stream) = ctx.engine.read_as::<Stream>(ctx.scope, key)? else {
        return Err(Refusal::NO_SUCH_KEY);
    };
    let reply = &mut ctx.reply;
    reply.array(stream.groups().len());
    for group in stream.groups() {
        reply.map(6);
        text(reply, "name", group.name());
        number(reply, "consumers", group.consumer_count() as i64);
        number(reply, "pending", group.pending_len() as i64);
        progress(reply, stream.entries(), group);
    }
    Ok(Done::NOTHING)
}

/// `XINFO CONSUMERS key group` → a map for each consumer.
pub(super) fn consumers(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let (key, now_ms) = (ctx.key(args, 2), ctx.now());
    let Some(stream) = ctx.engine.read_as::<Stream>(ctx.scope, key)? else {
        return Err(Refusal::NO_SUCH_KEY);
    };
    let Some(group) = stream.group(args.at(3)) else {
        return Err(missing_group(key.bytes, args.at(3)));
    };
    let reply = &mut ctx.reply;
    reply.array(group.consumer_count());
    for consumer in group.consumers() {
        let inactive = consumer.active_ms.map_or(-1, |active| now_ms.saturating_sub(active));
        reply.map(4);
        text(reply, "name", consumer.name());
        number(reply, "pending", consumer.pending_len() as i64);
        number(reply, "idle", now_ms.saturating_sub(consumer.seen_ms).max(0));
        number(reply, "inactive", inactive);
    }
    Ok(Done::NOTHING)
}
