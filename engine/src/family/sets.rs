//! Set commands: SADD, SMEMBERS, SINTER and their kin.
//!
//! # Not here
//! - the set itself: `keyspace::set`

use super::collections::{self, entry, present};
use crate::arguments::{self, is};
use crate::command::*;
use crate::context::{Class, Context, Done, Key};
use crate::refusal::Refusal;
use keyspace::db::Collection;
use keyspace::entry::Kind;
use keyspace::limits::Limits;
use keyspace::set::Set;
use protocol::listpack::{TextBuffer, Value as Text};
use protocol::resp::Args;
use protocol::resp::request::OwnedArgs;

#[rustfmt::skip]
pub(super) const COMMANDS: &[Spec] = &[
    //  name           arity        flags                 keys            handler
    cmd("sadd",        at_least(3), WRITE | GROWS | FAST, key(1),         sadd),
    cmd("scard",       exactly(2),  READ | FAST,          key(1),         scard),
    cmd("sdiff",       at_least(2), READ,                 keys(1, -1, 1), sdiff),
    cmd("sdiffstore",  at_least(3), WRITE | GROWS,        keys(1, -1, 1), sdiffstore),
    cmd("sinter",      at_least(2), READ,                 keys(1, -1, 1), sinter),
    cmd("sintercard",  at_least(3), READ | MOVABLE_KEYS,  counted(0, 1),  sintercard),
    cmd("sinterstore", at_least(3), WRITE | GROWS,        keys(1, -1, 1), sinterstore),
    cmd("sismember",   exactly(3),  READ | FAST,          key(1),         sismember),
    cmd("smembers",    exactly(2),  READ,                 key(1),         smembers),
    cmd("smismember",  at_least(3), READ | FAST,          key(1),         smismember),
    cmd("smove",       exactly(4),  WRITE | FAST,         keys(1, 2, 1),  smove),
    cmd("spop",        at_least(2), WRITE | FAST,         key(1),         spop),
    cmd("srandmember", at_least(2), READ,                 key(1),         srandmember),
    cmd("srem",        at_least(3), WRITE | FAST,         key(1),         srem),
    cmd("sscan",       at_least(3), READ,                 key(1),         sscan),
    cmd("sunion",      at_least(2), READ,                 keys(1, -1, 1), sunion),
    cmd("sunionstore", at_least(3), WRITE | GROWS,        keys(1, -1, 1), sunionstore),
];

/// Most members in one SREM that tells what SPOP took.
const MEMBERS_PER_EFFECT: usize = 1024;

/// `SADD key member [member ...]` → how many are new.
fn sadd(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let (key, limits) = (ctx.key(args, 1), ctx.engine.limits);
    let make = |limits: &Limits| Set::for_member(args.at(2), args.len() - 2, limits);
    let set = ctx.engine.change_or_put::<Set>(ctx.scope, key, make)?;
    set.expect(args.len() - 2, &limits);
    let added = args.iter_from(2).filter(|member| set.add(member, &limits)).count();
    if added > 0 {
        ctx.changed(key, Class::Set, "sadd");
    }
    ctx.reply.int(added as i64);
    Ok(Done::changes(added))
}

fn scard(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let key = ctx.key(args, 1);
    let len = ctx.engine.read_as::<Set>(ctx.scope, key)?.map_or(0, Set::len);
    ctx.reply.int(len as i64);
    Ok(Done::NOTHING)
}

/// What is to be made of several sets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Difference,
    Intersection,
    Union,
}

fn sdiff(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    answer(ctx, args, Operation::Difference)
}

/// Writes what an operation makes of the sets under all keys.
fn answer(ctx: &mut Context<'_>, args: Args<'_>, operation: Operation) -> Result<Done, Refusal> {
    let keys = present(ctx, args, 1..args.len(), |kind| kind == Kind::Set)?;
    let limits = ctx.engine.limits;
    // Not the methods of the context: sets and reply are borrowed side by side.
    let db = &ctx.engine.dbs[ctx.scope.db];
    let sets = keys.iter().map(|key| {
        key.map(|key| db.get(key.hash, key.bytes).and_then(|e| Set::of(e.value())).expect("there"))
    });
    let sets: Vec<Option<&Set>> = sets.collect();
    let (mark, mut len) = (ctx.reply.open(), 0);
    combine(&sets, operation, &limits, |member| {
        ctx.reply.text(member);
        len += 1;
        true
    });
    ctx.reply.close_set(mark, len);
    Ok(Done::NOTHING)
}

/// Gives the members of the result one by one, until `give` says that it is enough.
fn combine(
    sets: &[Option<&Set>],
    operation: Operation,
    limits: &Limits,
    mut give: impl FnMut(Text<'_>) -> bool,
) {
    let there: Vec<&Set> = sets.iter().copied().flatten().collect();
    match operation {
        Operation::Difference => {
            let Some(Some(first)) = sets.first() else { return };
            let mut others = there[1..].to_vec();
            // The largest is the likeliest to have a member.
            others.sort_by_key(|set| std::cmp::Reverse(set.len()));
            let mut buffer = TextBuffer::new();
            first.iter().all(|member| {
                let text = member.to_text(&mut buffer);
                others.iter().any(|set| set.contains(text)) || give(member)
            });
        }
        Operation::Intersection => {
            if there.len() < sets.len() {
                return;
            }
            let mut sorted = there;
            sorted.sort_by_key(|set| set.len());
            let mut buffer = TextBuffer::new();
            sorted[0].iter().all(|member| {
                let text = member.to_text(&mut buffer);
                !sorted[1..].iter().all(|set| set.contains(text)) || give(member)
            });
        }
        Operation::Union if there.len() == 1 => {
            there[0].iter().all(give);
        }
        Operation::Union => {
            union(&there, limits).iter().all(give);
        }
    }
}

fn union(sets: &[&Set], limits: &Limits) -> Set {
    let (mut result, mut buffer) = (Set::new(), TextBuffer::new());
    for member in sets.iter().flat_map(|set| set.iter()) {
        result.add(member.to_text(&mut buffer), limits);
    }
    result
}

fn sdiffstore(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    store(ctx, args, Operation::Difference, "sdiffstore")
}

/// Stores what an operation makes of the sets under all keys but the first, under the first.
fn store(
    ctx: &mut Context<'_>,
    args: Args<'_>,
    operation: Operation,
    event: &'static str,
) -> Result<Done, Refusal> {
    let keys = present(ctx, args, 2..args.len(), |kind| kind == Kind::Set)?;
    let limits = ctx.engine.limits;
    let sets: Vec<Option<&Set>> = keys.iter().map(|key| key.map(|key| set_of(ctx, key))).collect();
    let result = match operation {
        Operation::Union => union(&sets.into_iter().flatten().collect::<Vec<_>>(), &limits),
        _ => {
            let mut result = Set::new();
            let mut buffer = TextBuffer::new();
            combine(&sets, operation, &limits, |member| {
                result.add(member.to_text(&mut buffer), &limits);
                true
            });
            result
        }
    };
    let (destination, len) = (ctx.key(args, 1), result.len());
    Ok(collections::store(ctx, destination, result, len, Class::Set, event))
}

fn set_of<'e>(ctx: &'e Context<'_>, key: Key<'_>) -> &'e Set {
    Set::of(entry(ctx, key).value()).expect("its type was looked at")
}

fn sinter(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    answer(ctx, args, Operation::Intersection)
}

/// `SINTERCARD numkeys key [key ...] [LIMIT limit]` → how many members all sets have, counted up to the limit.
fn sintercard(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let few = Refusal::fixed("ERR numkeys should be greater than 0");
    let count = arguments::count(args.at(1), 1, few)?;
    if count > args.len() - 2 {
        return Err(Refusal::fixed("ERR Number of keys can't be greater than number of args"));
    }
    let mut limit = 0;
    for at in (2 + count..args.len()).step_by(2) {
        let Some(value) = args.get(at + 1).filter(|_| is(args.at(at), "LIMIT")) else {
            return Err(Refusal::SYNTAX);
        };
        limit = arguments::count(value, 0, Refusal::fixed("ERR LIMIT can't be negative"))?;
    }
    let keys = present(ctx, args, 2..2 + count, |kind| kind == Kind::Set)?;
    let sets: Vec<Option<&Set>> = keys.iter().map(|key| key.map(|key| set_of(ctx, key))).collect();
    let mut len = 0;
    combine(&sets, Operation::Intersection, &ctx.engine.limits, |_| {
        len += 1;
        len != limit
    });
    ctx.reply.int(len as i64);
    Ok(Done::NOTHING)
}

fn sinterstore(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    store(ctx, args, Operation::Intersection, "sinterstore")
}

fn sismember(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let key = ctx.key(args, 1);
    let set = ctx.engine.read_as::<Set>(ctx.scope, key)?;
    let there = set.is_some_and(|set| set.contains(args.at(2)));
    ctx.reply.int(there as i64);
    Ok(Done::NOTHING)
}

fn smembers(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let key = ctx.key(args, 1);
    let set = ctx.engine.read_as::<Set>(ctx.scope, key)?;
    ctx.reply.set(set.map_or(0, Set::len));
    if let Some(set) = set {
        set.iter().for_each(|member| ctx.reply.text(member));
    }
    Ok(Done::NOTHING)
}

fn smismember(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let key = ctx.key(args, 1);
    let set = ctx.engine.read_as::<Set>(ctx.scope, key)?;
    ctx.reply.array(args.len() - 2);
    for member in args.iter_from(2) {
        ctx.reply.int(set.is_some_and(|set| set.contains(member)) as i64);
    }
    Ok(Done::NOTHING)
}

/// `SMOVE source destination member` → 1 if it was in the source.
fn smove(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let (source, target, member) = (ctx.key(args, 1), ctx.key(args, 2), args.at(3));
    let limits = ctx.engine.limits;
    if ctx.engine.change::<Set>(ctx.scope, source)?.is_none() {
        ctx.reply.int(0);
        return Ok(Done::NOTHING);
    }
    // Both types are looked at before anything is taken.
    ctx.engine.change::<Set>(ctx.scope, target)?;
    let set = ctx.engine.change::<Set>(ctx.scope, source)?.expect("looked at above");
    if source.bytes == target.bytes {
        ctx.reply.int(set.contains(member) as i64);
        return Ok(Done::NOTHING);
    }
    if !set.remove(member) {
        ctx.reply.int(0);
        return Ok(Done::NOTHING);
    }
    ctx.changed(source, Class::Set, "srem");
    ctx.remove_if_empty::<Set>(source);
    let make = |limits: &Limits| Set::for_member(member, 1, limits);
    let added = ctx.engine.change_or_put::<Set>(ctx.scope, target, make)?.add(member, &limits);
    if added {
        ctx.changed(target, Class::Set, "sadd");
    }
    ctx.reply.int(1);
    Ok(Done::changes(1 + added as usize))
}

/// `SPOP key [count]` → a member, or a set of them.
fn spop(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    if args.len() > 3 {
        return Err(Refusal::SYNTAX);
    }
    if let Some(text) = args.get(2) {
        let count = arguments::count(text, 0, Refusal::OUT_OF_RANGE)?;
        return pop_many(ctx, args, count);
    }
    let key = ctx.key(args, 1);
    let mut draw = ctx.engine.draws();
    let set = ctx.engine.change::<Set>(ctx.scope, key)?;
    let Some(member) = set.and_then(|set| set.pop_random(&mut draw)) else {
        ctx.reply.null();
        return Ok(Done::NOTHING);
    };
    ctx.reply.bulk(&member);
    ctx.effect(&[b"SREM", key.bytes, &member]);
    ctx.changed(key, Class::Set, "spop");
    ctx.remove_if_empty::<Set>(key);
    Ok(Done::ONE)
}

fn pop_many(ctx: &mut Context<'_>, args: Args<'_>, count: usize) -> Result<Done, Refusal> {
    let key = ctx.key(args, 1);
    let mut draw = ctx.engine.draws();
    let Some(set) = ctx.engine.change::<Set>(ctx.scope, key)?.filter(|_| count > 0) else {
        ctx.reply.set(0);
        return Ok(Done::NOTHING);
    };
    let len = set.len();
    if count >= len {
        ctx.reply.set(len);
        set.iter().for_each(|member| ctx.reply.text(member));
        ctx.engine.delete(ctx.scope.db, key);
        ctx.changed(key, Class::Set, "spop");
        ctx.changed(key, Class::Generic, "del");
        let name: &[u8] = if ctx.engine.unlinks_removed { b"UNLINK" } else { b"DEL" };
        ctx.effect(&[name, key.bytes]);
        return Ok(Done::changes(len));
    }
    let mut taken = OwnedArgs::default();
    set.sample(count, &mut draw, |member| {
        taken.push(member.to_text(&mut TextBuffer::new()));
    });
    ctx.reply.set(count);
    for member in taken.args().iter_from(0) {
        set.remove(member);
        ctx.reply.bulk(member);
    }
    ctx.changed(key, Class::Set, "spop");
    let members: Vec<&[u8]> = taken.args().iter_from(0).collect();
    for part in members.chunks(MEMBERS_PER_EFFECT) {
        ctx.effect(&[&[b"SREM", key.bytes], part].concat());
    }
    Ok(Done::changes(count))
}

/// `SRANDMEMBER key [count]` → a member, or an array of them.
fn srandmember(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let pick = collections::pick(args, None)?;
    let key = ctx.key(args, 1);
    let mut draw = ctx.engine.draws();
    let set = ctx.engine.read_as::<Set>(ctx.scope, key)?;
    match (set, pick) {
        (set, None) => match set.and_then(|set| set.random(&mut draw)) {
            None => ctx.reply.null(),
            Some(member) => ctx.reply.text(member),
        },
        (None, Some(_)) => ctx.reply.array(0),
        (Some(set), Some(pick)) => {
            let count = pick.of(set.len())?;
            ctx.reply.array(count);
            if pick.repeats {
                for _ in 0..count {
                    ctx.reply.text(set.random(&mut draw).expect("sets are not empty"));
                }
            } else {
                set.sample(count, &mut draw, |member| ctx.reply.text(member));
            }
        }
    }
    Ok(Done::NOTHING)
}

/// `SREM key member [member ...]` → how many were there.
fn srem(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let key = ctx.key(args, 1);
    let (mut removed, mut emptied) = (0, false);
    if let Some(set) = ctx.engine.change::<Set>(ctx.scope, key)? {
        removed = args.iter_from(2).filter(|member| set.remove(member)).count();
        emptied = set.is_empty();
    }
    if removed > 0 {
        ctx.changed(key, Class::Set, "srem");
    }
    if emptied {
        ctx.remove_if_empty::<Set>(key);
    }
    ctx.reply.int(removed as i64);
    Ok(Done::changes(removed))
}

fn sscan(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    collections::scan::<Set>(ctx, args, |set, cursor, page| {
        set.scan(cursor, |member| page.offer(member, None))
    })
}

fn sunion(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    answer(ctx, args, Operation::Union)
}

fn sunionstore(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    store(ctx, args, Operation::Union, "sunionstore")
}

#[cfg(test)]
mod tests;
