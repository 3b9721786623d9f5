//! XADD, XDEL, XSETID and XTRIM: what changes the entries themselves.
//!
//! What is passed on is exact, so that the copy is equal: the id that was given out, and trimming `~` as `=` with what
//! it left.

use super::ids::{self, IdText, NewId};
use crate::arguments::{int, is};
use crate::context::{Class, Context, Done};
use crate::refusal::Refusal;
use keyspace::entry::Value;
use keyspace::stream::{ENTRY_MAX_BYTES, Keep, Stream, StreamId, Trim};
use protocol::resp::Args;

/// The limit of approximate trimming when `stream-node-max-entries` says nothing usable, and the highest one.
const DEFAULT_LIMIT: u64 = 10_000;
const HIGHEST_LIMIT: u64 = 1_000_000;

/// The options that XADD and XTRIM share.
#[derive(Default)]
struct Options {
    trim: Option<Trim>,
    /// Where the length or id to trim to is.
    keep_at: usize,
    no_new_key: bool,
    /// Where the id is (XADD), or the end.
    id_at: usize,
}

/// Reads options from position 2 on: up to the id if there is one, else to the end.
fn options(ctx: &Context<'_>, args: Args<'_>, adds: bool) -> Result<Options, Refusal> {
    let (mut options, mut limit) = (Options::default(), None);
    let mut at = 2;
    while at < args.len() {
        let (word, more) = (args.at(at), args.len() - 1 - at);
        let by_length = is(word, "MAXLEN");
        if adds && word == b"*" {
            break;
        } else if (by_length || is(word, "MINID")) && more > 0 {
            if options.trim.is_some() {
                return Err(Refusal::fixed(
                    "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
                ));
            }
            let sign = args.at(at + 1);
            let approximate = more >= 2 && sign == b"~";
            at += 1 + usize::from(approximate || more >= 2 && sign == b"=");
            let keep = if by_length {
                let negative = Refusal::fixed("ERR The MAXLEN argument must be >= 0.");
                Keep::Length(u64::try_from(int(args.at(at))?).map_err(|_| negative)?)
            } else {
                Keep::From(ids::whole(args.at(at), 0)?)
            };
            options.trim = Some(Trim { keep, approximate, limit: 0 });
            options.keep_at = at;
        } else if is(word, "LIMIT") && more > 0 {
            at += 1;
            let negative = Refusal::fixed("ERR The LIMIT argument must be >= 0.");
            limit = Some(u64::try_from(int(args.at(at))?).map_err(|_| negative)?);
        } else if adds && is(word, "NOMKSTREAM") {
            options.no_new_key = true;
        } else if adds {
            // Not an option: the id, or it will be refused as one.
            NewId::parse(word)?;
            break;
        } else {
            return Err(Refusal::SYNTAX);
        }
        at += 1;
    }
    options.id_at = at;
    let Some(trim) = &mut options.trim else {
        if limit.is_some_and(|limit| limit > 0) {
            return Err(Refusal::fixed(
                "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
            ));
        }
        if !adds {
            return Err(Refusal::fixed(
                "ERR syntax error, XTRIM must be called with a trimming strategy",
            ));
        }
        return Ok(options);
    };
    // From our primary or a file comes what trimming left: it has no limit, whatever it says.
    if !ctx.session.is_trusted() {
        trim.limit = match limit {
            Some(_) if !trim.approximate => {
                return Err(Refusal::fixed(
                    "ERR syntax error, LIMIT cannot be used without the special ~ option",
                ));
            }
            Some(limit) => limit,
            None if trim.approximate => {
                match (ctx.engine.limits.stream_node_max_entries as u64).saturating_mul(100) {
                    0 => DEFAULT_LIMIT,
                    limit => limit.min(HIGHEST_LIMIT),
                }
            }
            None => 0,
        };
    }
    Ok(options)
}

/// What trimming left, as the argument that makes a copy trim to the same.
fn what_was_kept(stream: &Stream, keep: Keep) -> Kept {
    match keep {
        Keep::Length(_) => Kept::Length(itoa::Buffer::new(), stream.len() as u64),
        // Without entries everything goes, whatever its id.
        Keep::From(_) => {
            Kept::From(IdText::of(stream.entries().first_kept_id().unwrap_or(StreamId::MAX)))
        }
    }
}

enum Kept {
    Length(itoa::Buffer, u64),
    From(IdText),
}

impl Kept {
    fn bytes(&mut self) -> &[u8] {
        match self {
            Kept::Length(buffer, len) => buffer.format(*len).as_bytes(),
            Kept::From(text) => text.bytes(),
        }
    }
}

/// `XADD key [NOMKSTREAM] [MAXLEN|MINID [=|~] threshold [LIMIT count]] *|id field value [field value ...]` → the id.
pub(super) fn xadd(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let options = options(ctx, args, true)?;
    let first = options.id_at + 1;
    let words = args.len().saturating_sub(first);
    if words < 2 || !words.is_multiple_of(2) {
        return Err(Refusal::arity(ctx.spec.name));
    }
    let wanted = NewId::parse(args.at(options.id_at))?;
    if wanted == NewId::Exactly(StreamId::MIN) {
        return Err(Refusal::fixed("ERR The ID specified in XADD must be greater than 0-0"));
    }
    let (key, now_ms, limits) = (ctx.key(args, 1), ctx.now() as u64, ctx.engine.limits);
    let add = |stream: &mut Stream| {
        let last = stream.entries().last_id();
        if last == StreamId::MAX {
            return Err(Refusal::fixed(
                "ERR The stream has exhausted the last possible ID, unable to add more items",
            )
            .of_state());
        }
        let id = wanted.after(last, now_ms).ok_or(
            Refusal::fixed(
                "ERR The ID specified in XADD is equal or smaller than the target stream top item",
            )
            .of_state(),
        )?;
        if args.iter_from(first).map(<[u8]>::len).sum::<usize>() > ENTRY_MAX_BYTES {
            return Err(Refusal::fixed("ERR Elements are too large to be stored"));
        }
        let pairs = (0..words / 2).map(|n| (args.at(first + 2 * n), args.at(first + 2 * n + 1)));
        stream.entries_mut().append(id, words / 2, pairs, &limits);
        let (trimmed, garbage) = options.trim.map_or((0, None), |trim| stream.trim(trim));
        let kept = options.trim.map(|trim| what_was_kept(stream, trim.keep));
        Ok((id, trimmed, garbage, kept))
    };
    let (id, trimmed, garbage, kept) = match ctx.engine.change::<Stream>(ctx.scope, key)? {
        Some(stream) => add(stream)?,
        None if options.no_new_key => {
            ctx.reply.null();
            return Ok(Done::NOTHING);
        }
        None => {
            let mut stream = Stream::new();
            let added = add(&mut stream)?;
            ctx.engine.put(ctx.scope.db, key, Value::Stream(stream), None);
            added
        }
    };
    ctx.engine.discard(garbage.map(Value::Stream));
    let text = IdText::of(id);
    ctx.reply.bulk(text.bytes());
    ctx.changed(key, Class::Stream, "xadd");
    if trimmed > 0 {
        ctx.engine.notify(ctx.scope.db, Class::Stream, "xtrim", key.bytes);
    }
    let approximate = options.trim.is_some_and(|trim| trim.approximate);
    let made = !matches!(wanted, NewId::Exactly(_));
    if approximate || made {
        let mut kept = kept.filter(|_| approximate);
        let kept = kept.as_mut().map(Kept::bytes);
        let id = made.then_some((options.id_at, text.bytes()));
        exact_effect(ctx, args, options.keep_at, kept, id);
    }
    Ok(Done::ONE)
}

/// States the request with `=` and what was kept, if that is given, and with another id.
fn exact_effect(
    ctx: &mut Context<'_>,
    args: Args<'_>,
    keep_at: usize,
    kept: Option<&[u8]>,
    id: Option<(usize, &[u8])>,
) {
    let word = |(at, word)| match (kept, id) {
        (Some(_), _) if at + 1 == keep_at => &b"="[..],
        (Some(kept), _) if at == keep_at => kept,
        (_, Some((id_at, id))) if at == id_at => id,
        _ => word,
    };
    ctx.effect_of(args.iter_from(0).enumerate().map(word));
}

/// `XDEL key id [id ...]` → how many were there.
pub(super) fn xdel(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let key = ctx.key(args, 1);
    let Some(stream) = ctx.engine.change::<Stream>(ctx.scope, key)? else {
        ctx.reply.int(0);
        return Ok(Done::NOTHING);
    };
    args.iter_from(2).try_for_each(|text| ids::whole(text, 0).map(drop))?;
    let entries = stream.entries_mut();
    let ids = args.iter_from(2).map(|text| ids::whole(text, 0).expect("read above"));
    let deleted = ids.filter(|id| entries.delete(*id)).count();
    ctx.reply.int(deleted as i64);
    if deleted > 0 {
        ctx.changed(key, Class::Stream, "xdel");
    }
    Ok(Done::changes(deleted))
}

/// `XLEN key` → how many entries there are.
pub(super) fn xlen(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let key = ctx.key(args, 1);
    let len = ctx.engine.read_as::<Stream>(ctx.scope, key)?.map_or(0, Stream::len);
    ctx.reply.int(len as i64);
    Ok(Done::NOTHING)
}

/// `XSETID key last-id [ENTRIESADDED count] [MAXDELETEDID id]` → OK.
pub(super) fn xsetid(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let id = ids::whole(args.at(2), 0)?;
    let (mut added, mut max_deleted) = (None, StreamId::MIN);
    let mut at = 3;
    while at < args.len() {
        let (word, value) = (args.at(at), args.get(at + 1).ok_or(Refusal::SYNTAX)?);
        if is(word, "ENTRIESADDED") {
            let negative = Refusal::fixed("ERR entries_added must be positive");
            added = Some(u64::try_from(int(value)?).map_err(|_| negative)?);
        } else if is(word, "MAXDELETEDID") {
            max_deleted = ids::whole(value, 0)?;
            if id < max_deleted {
                return Err(Refusal::fixed(
                    "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
                ));
            }
        } else {
            return Err(Refusal::SYNTAX);
        }
        at += 2;
    }
    let key = ctx.key(args, 1);
    let Some(stream) = ctx.engine.change::<Stream>(ctx.scope, key)? else {
        return Err(Refusal::NO_SUCH_KEY);
    };
    let entries = stream.entries_mut();
    if id < entries.max_deleted_id() {
        return Err(Refusal::fixed(
            "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id",
        )
        .of_state());
    }
    if let Some(last) = entries.last_live_id() {
        if id < last {
            return Err(Refusal::fixed(
                "ERR The ID specified in XSETID is smaller than the target stream top item",
            )
            .of_state());
        }
        if added.is_some_and(|added| added < entries.len()) {
            return Err(Refusal::fixed(
                "ERR The entries_added specified in XSETID is smaller than the target stream length",
            )
            .of_state());
        }
    }
    entries.set_counters(id, added, Some(max_deleted).filter(|id| *id != StreamId::MIN));
    ctx.reply.ok();
    ctx.engine.notify(ctx.scope.db, Class::Stream, "xsetid", key.bytes);
    Ok(Done::ONE)
}

/// `XTRIM key MAXLEN|MINID [=|~] threshold [LIMIT count]` → how many entries were removed.
pub(super) fn xtrim(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let options = options(ctx, args, false)?;
    let trim = options.trim.expect("refused without");
    let key = ctx.key(args, 1);
    let Some(stream) = ctx.engine.change::<Stream>(ctx.scope, key)? else {
        ctx.reply.int(0);
        return Ok(Done::NOTHING);
    };
    let (trimmed, garbage) = stream.trim(trim);
    let mut kept = what_was_kept(stream, trim.keep);
    ctx.engine.discard(garbage.map(Value::Stream));
    ctx.reply.int(trimmed as i64);
    if trimmed > 0 {
        ctx.changed(key, Class::Stream, "xtrim");
        if trim.approximate {
            exact_effect(ctx, args, options.keep_at, Some(kept.bytes()), None);
        }
    }
    Ok(Done::changes(trimmed as usize))
}
