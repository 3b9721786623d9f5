//! Generic commands on keys: DEL, COPY, RENAME, SCAN, OBJECT and their kin.
//!
//! # Not here
//! - times to live: [`super::expiry`]
//! - DUMP, RESTORE, MIGRATE: [`super::transfer`]

use crate::arguments::{int, is, small_int};
use crate::command::*;
use crate::context::{Class, Context, Done, Key};
use crate::glob;
use crate::refusal::Refusal;
use keyspace::db::EntryRef;
use keyspace::entry::{Value, ValueRef};
use protocol::listpack::Value as Text;
use protocol::resp::Args;

#[rustfmt::skip]
pub(super) const COMMANDS: &[Spec] = &[
    //  name         arity        flags            keys            handler
    cmd("copy",      at_least(3), WRITE | GROWS,   keys(1, 2, 1),  copy),
    cmd("del",       at_least(2), WRITE,           keys(1, -1, 1), del),
    cmd("exists",    at_least(2), READ | FAST,     keys(1, -1, 1), exists),
    cmd("keys",      exactly(2),  READ,            NO_KEYS,        keys_matching),
    cmd("move",      exactly(3),  WRITE | FAST,    key(1),         move_key),
    cmd("object",    at_least(2), 0,               NO_KEYS,        object_help).with(OBJECT),
    cmd("randomkey", exactly(1),  READ | ANY_KEYS, NO_KEYS,        randomkey),
    cmd("rename",    exactly(3),  WRITE,           keys(1, 2, 1),  rename),
    cmd("renamenx",  exactly(3),  WRITE | FAST,    keys(1, 2, 1),  renamenx),
    cmd("scan",      at_least(2), READ | ANY_KEYS, NO_KEYS,        scan),
    cmd("touch",     at_least(2), READ | FAST,     keys(1, -1, 1), touch),
    cmd("type",      exactly(2),  READ | FAST,     key(1),         type_of),
    cmd("unlink",    at_least(2), WRITE | FAST,    keys(1, -1, 1), del),
];

#[rustfmt::skip]
const OBJECT: &[Spec] = &[
    //  name               arity       flags            keys     handler
    cmd("object|encoding", exactly(3), READ,            key(2),  object_encoding),
    cmd("object|freq",     exactly(3), READ,            key(2),  object_freq),
    cmd("object|help",     exactly(2), LOADING | STALE, NO_KEYS, object_help),
    cmd("object|idletime", exactly(3), READ,            key(2),  object_idletime),
    cmd("object|refcount", exactly(3), READ,            key(2),  object_refcount),
];

/// A copy of a value.
pub(crate) fn duplicate(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Str(Text::Int(int)) => Value::Int(int),
        ValueRef::Str(Text::Bytes(bytes)) => Value::Str(bytes.to_vec()),
        ValueRef::List(list) => Value::List(list.duplicate()),
        ValueRef::Hash(hash) => Value::Hash(hash.duplicate()),
        ValueRef::Set(set) => Value::Set(set.duplicate()),
        ValueRef::Zset(zset) => Value::Zset(zset.duplicate()),
        ValueRef::Stream(stream) => Value::Stream(stream.duplicate()),
    }
}

/// `COPY source destination [DB index] [REPLACE]` → 1 if it was copied.
fn copy(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let (mut to_db, mut replace, mut at) = (ctx.scope.db, false, 3);
    while let Some(word) = args.get(at) {
        if is(word, "REPLACE") {
            replace = true;
        } else if is(word, "DB") && args.get(at + 1).is_some() {
            to_db = db_index(ctx, args.at(at + 1), "ERR DB index is out of range")?;
            at += 1;
        } else {
            return Err(Refusal::SYNTAX);
        }
        at += 1;
    }
    let (from, to) = (ctx.key(args, 1), ctx.key(args, 2));
    if to_db == ctx.scope.db && from.bytes == to.bytes {
        return Err(Refusal::fixed("ERR source and destination objects are the same"));
    }
    let Some(entry) = ctx.engine.read(ctx.scope, from) else {
        ctx.reply.int(0);
        return Ok(Done::NOTHING);
    };
    let (value, expiry) = (duplicate(entry.value()), entry.expiry());
    let mut scope = ctx.scope;
    scope.db = to_db;
    if ctx.engine.lookup_write(scope, to).is_some() {
        if !replace {
            ctx.reply.int(0);
            return Ok(Done::NOTHING);
        }
        ctx.engine.delete(to_db, to);
    }
    ctx.engine.put(to_db, to, value, expiry);
    ctx.engine.key_changed(to_db, to.bytes);
    ctx.engine.notify(to_db, Class::Generic, "copy_to", to.bytes);
    ctx.reply.int(1);
    Ok(Done::ONE)
}

fn db_index(ctx: &Context<'_>, text: &[u8], outside: &'static str) -> Result<usize, Refusal> {
    let index = small_int(text)?;
    usize::try_from(index)
        .ok()
        .filter(|index| *index < ctx.engine.dbs.len())
        .ok_or(Refusal::fixed(outside))
}

fn del(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let mut count = 0;
    for position in 1..args.len() {
        let key = ctx.key(args, position);
        if ctx.engine.exists(ctx.scope, key) {
            ctx.engine.delete(ctx.scope.db, key);
            ctx.changed(key, Class::Generic, "del");
            count += 1;
        }
    }
    ctx.reply.int(count as i64);
    Ok(Done::changes(count))
}

fn exists(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let (mut count, mut scope) = (0, ctx.scope);
    scope.no_touch = true;
    for position in 1..args.len() {
        let key = ctx.key(args, position);
        count += ctx.engine.read(scope, key).is_some() as i64;
    }
    ctx.reply.int(count);
    Ok(Done::NOTHING)
}

fn keys_matching(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let (pattern, now) = (args.at(1), ctx.now());
    let mut count = 0;
    let mark = ctx.reply.open();
    for entry in ctx.engine.dbs[ctx.scope.db].iter() {
        let due = entry.expiry().is_some_and(|at| at <= now) && !ctx.scope.sees_expired;
        if !due && glob::matches(pattern, entry.key(), false) {
            ctx.reply.bulk(entry.key());
            count += 1;
        }
    }
    ctx.reply.close_array(mark, count);
    Ok(Done::NOTHING)
}

fn move_key(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let key = ctx.key(args, 1);
    let to = db_index(ctx, args.at(2), "ERR DB index is out of range")?;
    if to == ctx.scope.db {
        return Err(Refusal::fixed("ERR source and destination objects are the same"));
    }
    let mut scope = ctx.scope;
    scope.db = to;
    let found = ctx.engine.lookup_write(ctx.scope, key).is_some();
    if !found || ctx.engine.lookup_write(scope, key).is_some() {
        ctx.reply.int(0);
        return Ok(Done::NOTHING);
    }
    let moved = ctx.engine.dbs[ctx.scope.db].remove(key.hash, key.bytes).expect("it exists");
    ctx.engine.put(to, key, moved.value, moved.expiry);
    ctx.changed(key, Class::Generic, "move_from");
    ctx.engine.key_changed(to, key.bytes);
    ctx.engine.notify(to, Class::Generic, "move_to", key.bytes);
    ctx.reply.int(1);
    Ok(Done::ONE)
}

/// The name of an encoding, as OBJECT ENCODING answers it.
pub(crate) fn encoding(entry: EntryRef<'_>) -> &'static str {
    match entry.value() {
        ValueRef::Str(Text::Int(_)) => "int",
        ValueRef::Str(Text::Bytes(bytes)) if bytes.len() <= 44 && !entry.is_raw() => "embstr",
        ValueRef::Str(_) => "raw",
        ValueRef::List(list) => list.encoding(),
        ValueRef::Hash(hash) => hash.encoding(),
        ValueRef::Set(set) => set.encoding(),
        ValueRef::Zset(zset) => zset.encoding(),
        ValueRef::Stream(stream) => stream.encoding(),
    }
}

fn object_encoding(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    object(ctx, args, |ctx, key| {
        let entry = ctx.engine.peek(ctx.scope, key)?;
        let name = encoding(entry);
        ctx.reply.bulk(name.as_bytes());
        Some(())
    })
}

fn object(
    ctx: &mut Context<'_>,
    args: Args<'_>,
    show: impl FnOnce(&mut Context<'_>, Key<'_>) -> Option<()>,
) -> Result<Done, Refusal> {
    let key = ctx.key(args, 2);
    if show(ctx, key).is_none() {
        ctx.reply.null();
    }
    Ok(Done::NOTHING)
}

fn object_help(ctx: &mut Context<'_>, _args: Args<'_>) -> Result<Done, Refusal> {
    super::help::help(ctx, "object");
    Ok(Done::NOTHING)
}

fn object_freq(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let counts = ctx.engine.eviction.counts_uses();
    if !counts && ctx.engine.exists(ctx.scope, Key::new(args.at(2))) {
        return Err(Refusal::fixed(
            "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.",
        )
        .of_state());
    }
    object(ctx, args, |ctx, key| {
        let (frequency, minutes) = (ctx.engine.eviction.frequency, ctx.engine.minutes());
        let clock = ctx.engine.peek(ctx.scope, key)?.clock();
        ctx.reply.int(i64::from(frequency.count(clock, minutes)));
        Some(())
    })
}

fn object_idletime(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let counts = ctx.engine.eviction.counts_uses();
    if counts && ctx.engine.exists(ctx.scope, Key::new(args.at(2))) {
        return Err(Refusal::fixed(
            "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.",
        )
        .of_state());
    }
    object(ctx, args, |ctx, key| {
        let now = ctx.engine.seconds();
        let idle = now.wrapping_sub(ctx.engine.peek(ctx.scope, key)?.clock()) & 0xff_ffff;
        ctx.reply.int(idle as i64);
        Some(())
    })
}

/// Values are never shared, so each has one owner.
fn object_refcount(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    object(ctx, args, |ctx, key| {
        ctx.engine.peek(ctx.scope, key)?;
        ctx.reply.int(1);
        Some(())
    })
}

fn randomkey(ctx: &mut Context<'_>, _args: Args<'_>) -> Result<Done, Refusal> {
    // Expired keys are removed as they turn up; on a replica, where they must stay, we give up after some.
    for _ in 0..100 {
        let mut draw = ctx.engine.draws();
        let Some(entry) = ctx.engine.dbs[ctx.scope.db].random(&mut draw) else { break };
        let key = entry.key().to_vec();
        if ctx.engine.exists(ctx.scope, Key::new(&key)) {
            ctx.reply.bulk(&key);
            return Ok(Done::NOTHING);
        }
    }
    ctx.reply.null();
    Ok(Done::NOTHING)
}

fn rename(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let (from, to) = (ctx.key(args, 1), ctx.key(args, 2));
    if ctx.engine.lookup_write(ctx.scope, from).is_none() {
        return Err(Refusal::NO_SUCH_KEY);
    }
    ctx.reply.ok();
    if from.bytes == to.bytes {
        return Ok(Done::NOTHING);
    }
    if ctx.engine.lookup_write(ctx.scope, to).is_some() {
        ctx.engine.delete(ctx.scope.db, to);
    }
    move_name(ctx, from, to);
    Ok(Done::ONE)
}

fn renamenx(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let (from, to) = (ctx.key(args, 1), ctx.key(args, 2));
    if ctx.engine.lookup_write(ctx.scope, from).is_none() {
        return Err(Refusal::NO_SUCH_KEY);
    }
    if ctx.engine.lookup_write(ctx.scope, to).is_some() {
        ctx.reply.int(0);
        return Ok(Done::NOTHING);
    }
    move_name(ctx, from, to);
    ctx.reply.int(1);
    Ok(Done::ONE)
}

fn move_name(ctx: &mut Context<'_>, from: Key<'_>, to: Key<'_>) {
    ctx.engine.dbs[ctx.scope.db].rename(from.hash, from.bytes, to.hash, to.bytes);
    ctx.engine.notify(ctx.scope.db, Class::New, "new", to.bytes);
    ctx.changed(from, Class::Generic, "rename_from");
    ctx.changed(to, Class::Generic, "rename_to");
}

/// The options that SCAN and its kin share.
pub(super) struct ScanOptions<'a> {
    pub cursor: u64,
    pub count: usize,
    pub pattern: Option<&'a [u8]>,
    pub kind: Option<&'a [u8]>,
}

impl ScanOptions<'_> {
    pub fn fits(&self, name: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| glob::matches(pattern, name, false))
    }
}

/// A position to go on from, as the C library reads an unsigned number: a sign may come first, a negative number counts
/// from the highest one down, nothing is 0, and a byte 0 ends the text.
fn cursor(text: &[u8]) -> Option<u64> {
    let text = text.split(|byte| *byte == 0).next().unwrap_or(text);
    let (negative, digits) = match text {
        [] => return Some(0),
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if !digits.first()?.is_ascii_digit() {
        return None;
    }
    let number: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(if negative { number.wrapping_neg() } else { number })
}

/// Reads `cursor [MATCH pattern] [COUNT n] [TYPE t]` from `first` on.
pub(super) fn scan_options<'a>(
    args: Args<'a>,
    first: usize,
    takes_type: bool,
) -> Result<ScanOptions<'a>, Refusal> {
    let cursor = cursor(args.at(first)).ok_or(Refusal::INVALID_CURSOR)?;
    let mut options = ScanOptions { cursor, count: 10, pattern: None, kind: None };
    let mut at = first + 1;
    while let Some(word) = args.get(at) {
        let value = args.get(at + 1).ok_or(Refusal::SYNTAX)?;
        if is(word, "COUNT") {
            let count = int(value)?;
            options.count =
                usize::try_from(count).ok().filter(|n| *n > 0).ok_or(Refusal::SYNTAX)?;
        } else if is(word, "MATCH") {
            options.pattern = (value != b"*").then_some(value);
        } else if takes_type && is(word, "TYPE") {
            options.kind = Some(value);
        } else {
            return Err(Refusal::SYNTAX);
        }
        at += 2;
    }
    Ok(options)
}

fn scan(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let options = scan_options(args, 1, true)?;
    let now = ctx.now();
    let (mut cursor, mut seen, mut steps) = (options.cursor, 0, 0);
    let mut names: Vec<Vec<u8>> = Vec::new();
    let mut due: Vec<Vec<u8>> = Vec::new();
    loop {
        cursor = ctx.engine.dbs[ctx.scope.db].scan(cursor, |entry| {
            seen += 1;
            if entry.expiry().is_some_and(|at| at <= now) && !ctx.scope.sees_expired {
                due.push(entry.key().to_vec());
                return;
            }
            let typed = options.kind.is_none_or(|kind| is(kind, entry.kind().name()));
            if typed && options.fits(entry.key()) {
                names.push(entry.key().to_vec());
            }
        });
        steps += 1;
        if cursor == 0 || seen >= options.count || steps >= options.count.saturating_mul(10) {
            break;
        }
    }
    for key in due {
        ctx.engine.exists(ctx.scope, Key::new(&key));
    }
    ctx.reply.array(2);
    ctx.reply.bulk(cursor.to_string().as_bytes());
    ctx.reply.array(names.len());
    names.iter().for_each(|name| ctx.reply.bulk(name));
    Ok(Done::NOTHING)
}

fn touch(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let mut count = 0;
    let mut scope = ctx.scope;
    scope.no_touch = false;
    for position in 1..args.len() {
        let key = ctx.key(args, position);
        count += ctx.engine.read(scope, key).is_some() as i64;
    }
    ctx.reply.int(count);
    Ok(Done::NOTHING)
}

fn type_of(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let key = ctx.key(args, 1);
    let mut scope = ctx.scope;
    scope.no_touch = true;
    let name = ctx.engine.read(scope, key).map_or("none", |entry| entry.kind().name());
    ctx.reply.simple(name);
    Ok(Done::NOTHING)
}
