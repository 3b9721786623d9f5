//! XGROUP: making and removing groups and consumers.

use super::ids;
use super::replies::{missing_group, wrong_subcommand};
use crate::arguments::{int, is};
use crate::context::{Class, Context, Done, Key};
use crate::refusal::Refusal;
use keyspace::entry::Value;
use keyspace::stream::{Group, Stream, StreamId};
use protocol::resp::Args;

const NO_KEY: Refusal = Refusal::fixed(
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.",
)
.of_state();

/// The options of CREATE and SETID.
struct Options {
    make_stream: bool,
    entries_read: Option<u64>,
}

fn options(args: Args<'_>, creates: bool) -> Result<Options, Refusal> {
    let mut options = Options { make_stream: false, entries_read: None };
    let mut at = 5;
    while at < args.len() {
        if creates && is(args.at(at), "MKSTREAM") {
            options.make_stream = true;
            at += 1;
        } else if is(args.at(at), "ENTRIESREAD") && at + 1 < args.len() {
            options.entries_read = match int(args.at(at + 1))? {
                -1 => None,
                ..-1 => {
                    return Err(Refusal::fixed("ERR value for ENTRIESREAD must be positive or -1"));
                }
                count => Some(count as u64),
            };
            at += 2;
        } else {
            return Err(wrong_subcommand(args));
        }
    }
    Ok(options)
}

/// The group that a request names, to be changed; an error if key or group is not there.
fn group<'e>(
    ctx: &'e mut Context<'_>,
    args: Args<'_>,
) -> Result<(StreamId, &'e mut Group), Refusal> {
    let key = ctx.key(args, 2);
    let stream = ctx.engine.change::<Stream>(ctx.scope, key)?.ok_or(NO_KEY)?;
    let last_id = stream.entries().last_id();
    match stream.group_mut(args.at(3)) {
        Some((_, group)) => Ok((last_id, group)),
        None => Err(missing_group(key.bytes, args.at(3))),
    }
}

fn notify(ctx: &mut Context<'_>, key: Key<'_>, event: &str) {
    ctx.engine.notify(ctx.scope.db, Class::Stream, event, key.bytes);
}

/// `XGROUP CREATE key group id|$ [MKSTREAM] [ENTRIESREAD count]` → OK.
pub(super) fn create(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let options = options(args, true)?;
    let key = ctx.key(args, 2);
    let stream = ctx.engine.change::<Stream>(ctx.scope, key)?;
    if stream.is_none() && !options.make_stream {
        return Err(NO_KEY);
    }
    if args.len() > 8 {
        return Err(wrong_subcommand(args));
    }
    let id = match (args.at(4), &stream) {
        (b"$", Some(stream)) => stream.entries().last_id(),
        (b"$", None) => StreamId::MIN,
        (text, _) => ids::whole(text, 0)?,
    };
    match stream {
        Some(stream) => {
            if !stream.add_group(args.at(3), id, options.entries_read) {
                return Err(
                    Refusal::fixed("BUSYGROUP Consumer Group name already exists").of_state()
                );
            }
        }
        None => {
            let mut stream = Stream::new();
            stream.add_group(args.at(3), id, options.entries_read);
            ctx.engine.put(ctx.scope.db, key, Value::Stream(stream), None);
            ctx.engine.key_changed(ctx.scope.db, key.bytes);
        }
    }
    ctx.reply.ok();
    notify(ctx, key, "xgroup-create");
    Ok(Done::ONE)
}

/// `XGROUP CREATECONSUMER key group consumer` → 1 if it is new.
pub(super) fn create_consumer(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let now_ms = ctx.now();
    let created = group(ctx, args)?.1.add_consumer(args.at(4), now_ms).is_some();
    ctx.reply.int(created as i64);
    if created {
        let key = ctx.key(args, 2);
        notify(ctx, key, "xgroup-createconsumer");
    }
    Ok(Done::changes(usize::from(created)))
}

/// `XGROUP DELCONSUMER key group consumer` → how many entries were pending for it.
pub(super) fn delete_consumer(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let removed = group(ctx, args)?.1.remove_consumer(args.at(4));
    ctx.reply.int(removed.unwrap_or(0) as i64);
    if removed.is_some() {
        let key = ctx.key(args, 2);
        notify(ctx, key, "xgroup-delconsumer");
    }
    Ok(Done::changes(usize::from(removed.is_some())))
}

/// `XGROUP DESTROY key group` → 1 if it was there.
pub(super) fn destroy(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let key = ctx.key(args, 2);
    let stream = ctx.engine.change::<Stream>(ctx.scope, key)?.ok_or(NO_KEY)?;
    let Some(garbage) = stream.remove_group(args.at(3)) else {
        ctx.reply.int(0);
        return Ok(Done::NOTHING);
    };
    ctx.engine.garbage.extend(garbage.map(Value::Stream));
    // Who waits in the group has an error to report.
    ctx.engine.waiters.note(ctx.scope.db, key.bytes);
    ctx.reply.int(1);
    notify(ctx, key, "xgroup-destroy");
    Ok(Done::ONE)
}

/// `XGROUP SETID key group id|$ [ENTRIESREAD count]` → OK.
pub(super) fn set_id(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let options = options(args, false)?;
    let (last_id, group) = group(ctx, args)?;
    if args.len() != 5 && args.len() != 7 {
        return Err(wrong_subcommand(args));
    }
    group.last_id = match args.at(4) {
        b"$" => last_id,
        text => ids::any(text, 0)?,
    };
    group.entries_read = options.entries_read;
    ctx.reply.ok();
    let key = ctx.key(args, 2);
    notify(ctx, key, "xgroup-setid");
    Ok(Done::ONE)
}
