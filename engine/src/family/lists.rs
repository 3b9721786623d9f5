//! List commands: LPUSH, LRANGE, LMOVE and their kin.
//!
//! # Not here
//! - the list itself: `keyspace::list`

use super::collections::{MultiPop, multi_pop};
use crate::arguments::{self, int, is, signed};
use crate::command::*;
use crate::context::{Class, Context, Done, Key};
use crate::refusal::Refusal;
use keyspace::list::{End, List};
use protocol::listpack::Value as Text;
use protocol::resp::Args;

#[rustfmt::skip]
pub(super) const COMMANDS: &[Spec] = &[
    //  name         arity        flags                 keys           handler
    cmd("lindex",    exactly(3),  READ,                 key(1),        lindex),
    cmd("linsert",   exactly(5),  WRITE | GROWS,        key(1),        linsert),
    cmd("llen",      exactly(2),  READ | FAST,          key(1),        llen),
    cmd("lmove",     exactly(5),  WRITE | GROWS,        keys(1, 2, 1), lmove),
    cmd("lmpop",     at_least(4), WRITE | MOVABLE_KEYS, counted(0, 1), lmpop),
    cmd("lpop",      at_least(2), WRITE | FAST,         key(1),        lpop),
    cmd("lpos",      at_least(3), READ,                 key(1),        lpos),
    cmd("lpush",     at_least(3), WRITE | GROWS | FAST, key(1),        lpush),
    cmd("lpushx",    at_least(3), WRITE | GROWS | FAST, key(1),        lpushx),
    cmd("lrange",    exactly(4),  READ,                 key(1),        lrange),
    cmd("lrem",      exactly(4),  WRITE,                key(1),        lrem),
    cmd("lset",      exactly(4),  WRITE | GROWS,        key(1),        lset),
    cmd("ltrim",     exactly(4),  WRITE,                key(1),        ltrim),
    cmd("rpop",      at_least(2), WRITE | FAST,         key(1),        rpop),
    cmd("rpoplpush", exactly(3),  WRITE | GROWS,        keys(1, 2, 1), rpoplpush),
    cmd("rpush",     at_least(3), WRITE | GROWS | FAST, key(1),        rpush),
    cmd("rpushx",    at_least(3), WRITE | GROWS | FAST, key(1),        rpushx),
];

/// The index of an element, counted from the front. `None`: there is no such element.
fn absolute(index: i64, len: usize) -> Option<usize> {
    let index = if index < 0 { index + len as i64 } else { index };
    usize::try_from(index).ok().filter(|index| *index < len)
}

/// `LEFT` or `RIGHT`.
pub(super) fn end(word: &[u8]) -> Result<End, Refusal> {
    if is(word, "LEFT") {
        Ok(End::Front)
    } else if is(word, "RIGHT") {
        Ok(End::Back)
    } else {
        Err(Refusal::SYNTAX)
    }
}

fn push_event(end: End) -> &'static str {
    if end == End::Front { "lpush" } else { "rpush" }
}

fn pop_event(end: End) -> &'static str {
    if end == End::Front { "lpop" } else { "rpop" }
}

fn lindex(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let key = ctx.key(args, 1);
    let element = match ctx.engine.read_as::<List>(ctx.scope, key)? {
        None => None,
        Some(list) => absolute(int(args.at(2))?, list.len()).and_then(|index| list.get(index)),
    };
    match element {
        None => ctx.reply.null(),
        Some(element) => ctx.reply.text(element),
    }
    Ok(Done::NOTHING)
}

/// `LINSERT key BEFORE|AFTER pivot element` → length, −1 without the pivot, 0 without the list.
fn linsert(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let after = is(args.at(2), "AFTER");
    if !after && !is(args.at(2), "BEFORE") {
        return Err(Refusal::SYNTAX);
    }
    let (key, limits) = (ctx.key(args, 1), ctx.engine.limits);
    let Some(list) = ctx.engine.change::<List>(ctx.scope, key)? else {
        ctx.reply.int(0);
        return Ok(Done::NOTHING);
    };
    if !list.insert_beside(args.at(3), after, args.at(4), &limits) {
        ctx.reply.int(-1);
        return Ok(Done::NOTHING);
    }
    ctx.reply.int(list.len() as i64);
    ctx.changed(key, Class::List, "linsert");
    Ok(Done::ONE)
}

fn llen(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let key = ctx.key(args, 1);
    let len = ctx.engine.read_as::<List>(ctx.scope, key)?.map_or(0, List::len);
    ctx.reply.int(len as i64);
    Ok(Done::NOTHING)
}

fn lmove(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let (from, to) = (end(args.at(3))?, end(args.at(4))?);
    let (source, target) = (ctx.key(args, 1), ctx.key(args, 2));
    move_element(ctx, source, target, from, to)
}

/// Moves an element and writes it, or a null if there is none.
pub(super) fn move_element(
    ctx: &mut Context<'_>,
    source: Key<'_>,
    target: Key<'_>,
    from: End,
    to: End,
) -> Result<Done, Refusal> {
    let limits = ctx.engine.limits;
    if ctx.engine.change::<List>(ctx.scope, source)?.is_none() {
        ctx.reply.null();
        return Ok(Done::NOTHING);
    }
    // Both types are looked at before anything is taken.
    ctx.engine.change::<List>(ctx.scope, target)?;
    let list = ctx.engine.change::<List>(ctx.scope, source)?.expect("looked at above");
    let element = list.pop(from, &limits).expect("lists are not empty");
    ctx.engine.change_or_new::<List>(ctx.scope, target)?.push(to, &element, &limits);
    ctx.reply.bulk(&element);
    ctx.changed(target, Class::List, push_event(to));
    ctx.changed(source, Class::List, pop_event(from));
    ctx.remove_if_empty::<List>(source);
    Ok(Done::ONE)
}

/// `LMPOP numkeys key [key ...] LEFT|RIGHT [COUNT count]` → key and elements of the first list there is.
fn lmpop(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let done = pop_first(ctx, args, multi_pop(args, 1, end)?)?;
    Ok(done.unwrap_or_else(|| {
        ctx.reply.null_array();
        Done::NOTHING
    }))
}

/// Takes elements of the first list there is and writes them behind its key. `None`: there is none.
pub(super) fn pop_first(
    ctx: &mut Context<'_>,
    args: Args<'_>,
    wanted: MultiPop<End>,
) -> Result<Option<Done>, Refusal> {
    for position in wanted.keys {
        let key = ctx.key(args, position);
        if ctx.engine.change::<List>(ctx.scope, key)?.is_none() {
            continue;
        }
        ctx.reply.array(2);
        ctx.reply.bulk(key.bytes);
        let popped = pop_many(ctx, key, wanted.side, wanted.count)?;
        let name: &[u8] = if wanted.side == End::Front { b"LPOP" } else { b"RPOP" };
        ctx.effect(&[name, key.bytes, popped.to_string().as_bytes()]);
        return Ok(Some(Done::changes(popped)));
    }
    Ok(None)
}

/// Announces that an element was taken from a list, which is removed if it was the last.
pub(super) fn popped(ctx: &mut Context<'_>, key: Key<'_>, end: End) {
    ctx.changed(key, Class::List, pop_event(end));
    ctx.remove_if_empty::<List>(key);
}

/// Takes up to `count` elements from a list that is there and writes them as an array. Returns how many.
pub(super) fn pop_many(
    ctx: &mut Context<'_>,
    key: Key<'_>,
    end: End,
    count: usize,
) -> Result<usize, Refusal> {
    let limits = ctx.engine.limits;
    let list = ctx.engine.change::<List>(ctx.scope, key)?.expect("callers look first");
    let (len, count) = (list.len(), count.min(list.len()));
    ctx.reply.array(count);
    match end {
        End::Front => {
            list.range(0..count).for_each(|element| ctx.reply.text(element));
            list.remove_range(0..count, &limits);
        }
        End::Back => {
            list.range(len - count..len).rev().for_each(|element| ctx.reply.text(element));
            list.remove_range(len - count..len, &limits);
        }
    }
    ctx.changed(key, Class::List, pop_event(end));
    if count == len {
        ctx.remove_if_empty::<List>(key);
    }
    Ok(count)
}

fn lpop(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    pop(ctx, args, End::Front)
}

/// `LPOP key [count]` → an element, or an array of them.
fn pop(ctx: &mut Context<'_>, args: Args<'_>, end: End) -> Result<Done, Refusal> {
    if args.len() > 3 {
        return Err(Refusal::arity(ctx.spec.name));
    }
    let (key, limits) = (ctx.key(args, 1), ctx.engine.limits);
    let count = args.get(2).map(|text| arguments::count(text, 0, Refusal::OUT_OF_RANGE));
    let count = count.transpose()?;
    let Some(list) = ctx.engine.change::<List>(ctx.scope, key)? else {
        if count.is_some() {
            ctx.reply.null_array()
        } else {
            ctx.reply.null()
        }
        return Ok(Done::NOTHING);
    };
    match count {
        None => {
            list.pop_with(end, &limits, |element| ctx.reply.text(element));
            let emptied = list.is_empty();
            ctx.changed(key, Class::List, pop_event(end));
            if emptied {
                ctx.remove_if_empty::<List>(key);
            }
            Ok(Done::ONE)
        }
        Some(0) => {
            ctx.reply.array(0);
            Ok(Done::NOTHING)
        }
        Some(count) => pop_many(ctx, key, end, count).map(Done::changes),
    }
}

/// What the options of LPOS ask for.
struct Search {
    /// Which hit is the first wanted one, from 1; negative: from the back.
    rank: i64,
    /// How many are wanted, in an array; 0 is all.
    count: Option<usize>,
    /// How many elements are compared at most; 0 is all.
    compared: usize,
}

fn search(args: Args<'_>) -> Result<Search, Refusal> {
    let mut search = Search { rank: 1, count: None, compared: 0 };
    for at in (3..args.len()).step_by(2) {
        let (word, value) = (args.at(at), args.get(at + 1).ok_or(Refusal::SYNTAX)?);
        if is(word, "RANK") {
            search.rank = signed(value)?;
            if search.rank == 0 {
                return Err(Refusal::fixed(
                    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list",
                ));
            }
        } else if is(word, "COUNT") {
            let negative = Refusal::fixed("ERR COUNT can't be negative");
            search.count = Some(arguments::count(value, 0, negative)?);
        } else if is(word, "MAXLEN") {
            let negative = Refusal::fixed("ERR MAXLEN can't be negative");
            search.compared = arguments::count(value, 0, negative)?;
        } else {
            return Err(Refusal::SYNTAX);
        }
    }
    Ok(search)
}

/// `LPOS key element [RANK rank] [COUNT count] [MAXLEN len]` → an index, or with COUNT an array of them.
fn lpos(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let search = search(args)?;
    let key = ctx.key(args, 1);
    let needle = Text::of(args.at(2));
    let all = |limit| if limit == 0 { usize::MAX } else { limit };
    let mut found = Vec::new();
    if let Some(list) = ctx.engine.read_as::<List>(ctx.scope, key)? {
        let len = list.len();
        let elements: Box<dyn Iterator<Item = (usize, Text<'_>)>> = if search.rank > 0 {
            Box::new(list.iter().enumerate())
        } else {
            Box::new(list.iter().rev().enumerate().map(|(back, text)| (len - 1 - back, text)))
        };
        let hits = elements
            .take(all(search.compared))
            .filter(|(_, element)| element.same_text(needle))
            .skip(search.rank.unsigned_abs() as usize - 1)
            .take(search.count.map_or(1, all));
        found.extend(hits.map(|(index, _)| index as i64));
    }
    match (search.count, found.first()) {
        (Some(_), _) => {
            ctx.reply.array(found.len());
            found.iter().for_each(|index| ctx.reply.int(*index));
        }
        (None, Some(index)) => ctx.reply.int(*index),
        (None, None) => ctx.reply.null(),
    }
    Ok(Done::NOTHING)
}

fn lpush(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    push(ctx, args, End::Front)
}

fn push(ctx: &mut Context<'_>, args: Args<'_>, end: End) -> Result<Done, Refusal> {
    let (key, limits) = (ctx.key(args, 1), ctx.engine.limits);
    let list = ctx.engine.change_or_new::<List>(ctx.scope, key)?;
    let count = args.len() - 2;
    if count > 1 {
        list.reserve(args.iter_from(2).map(<[u8]>::len).sum(), count, &limits);
    }
    args.iter_from(2).for_each(|element| list.push(end, element, &limits));
    ctx.reply.int(list.len() as i64);
    ctx.changed(key, Class::List, push_event(end));
    Ok(Done::changes(count))
}

fn lpushx(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    push_existing(ctx, args, End::Front)
}

fn push_existing(ctx: &mut Context<'_>, args: Args<'_>, end: End) -> Result<Done, Refusal> {
    let key = ctx.key(args, 1);
    if ctx.engine.change::<List>(ctx.scope, key)?.is_none() {
        ctx.reply.int(0);
        return Ok(Done::NOTHING);
    }
    push(ctx, args, end)
}

fn lrange(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let (start, stop) = (int(args.at(2))?, int(args.at(3))?);
    let key = ctx.key(args, 1);
    let list = ctx.engine.read_as::<List>(ctx.scope, key)?;
    let range = list.and_then(|list| arguments::range(start, stop, list.len()));
    match (list, range) {
        (Some(list), Some((first, last))) => {
            ctx.reply.array(last - first + 1);
            list.range(first..last + 1).for_each(|element| ctx.reply.text(element));
        }
        _ => ctx.reply.array(0),
    }
    Ok(Done::NOTHING)
}

/// `LREM key count element` → how many were removed.
fn lrem(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let count = int(args.at(2))?;
    let (key, limits) = (ctx.key(args, 1), ctx.engine.limits);
    let list = ctx.engine.change::<List>(ctx.scope, key)?;
    let removed = list.map_or(0, |list| list.remove(count, args.at(3), &limits));
    if removed > 0 {
        ctx.changed(key, Class::List, "lrem");
        if count == i64::MIN {
            // Redis 8 and Valkey 9 refuse the one number whose opposite is none; the next one says the same.
            ctx.effect(&[b"LREM", key.bytes, b"-9223372036854775807", args.at(3)]);
        }
        ctx.remove_if_empty::<List>(key);
    }
    ctx.reply.int(removed as i64);
    Ok(Done::changes(removed))
}

fn lset(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let (key, limits) = (ctx.key(args, 1), ctx.engine.limits);
    let list = ctx.engine.change::<List>(ctx.scope, key)?.ok_or(Refusal::NO_SUCH_KEY)?;
    let index = match int(args.at(2))? {
        // Redis from 7.2 on takes the lower half of what has more than 32 bits, and passes the request on as it came.
        index if ctx.session.is_trusted() => i64::from(index as i32),
        index => index,
    };
    let index = absolute(index, list.len()).ok_or(Refusal::INDEX_RANGE)?;
    list.set(index, args.at(3), &limits);
    ctx.changed(key, Class::List, "lset");
    ctx.reply.ok();
    Ok(Done::ONE)
}

fn ltrim(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let (start, stop) = (int(args.at(2))?, int(args.at(3))?);
    let (key, limits) = (ctx.key(args, 1), ctx.engine.limits);
    ctx.reply.ok();
    let Some(list) = ctx.engine.change::<List>(ctx.scope, key)? else {
        return Ok(Done::NOTHING);
    };
    let len = list.len();
    match arguments::range(start, stop, len) {
        Some((first, last)) => list.trim(first..last + 1, &limits),
        None => list.trim(0..0, &limits),
    }
    let removed = len - list.len();
    // The event comes even if nothing was outside, as in Redis.
    ctx.changed(key, Class::List, "ltrim");
    ctx.remove_if_empty::<List>(key);
    Ok(Done::changes(removed))
}

fn rpop(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    pop(ctx, args, End::Back)
}

fn rpoplpush(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let (source, target) = (ctx.key(args, 1), ctx.key(args, 2));
    move_element(ctx, source, target, End::Back, End::Front)
}

fn rpush(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    push(ctx, args, End::Back)
}

fn rpushx(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    push_existing(ctx, args, End::Back)
}

#[cfg(test)]
mod tests;
