//! String commands: SET, GET, INCR and their kin.
//!
//! # Not here
//! - how a string is kept: `keyspace::entry`; its bits: [`super::bitmaps`], [`super::bitfield`]

use crate::arguments::{self, int, is};
use crate::command::*;
use crate::context::{Class, Context, Done, Key};
use crate::extended::Extended;
use crate::refusal::Refusal;
use keyspace::db::{EntryRef, Sum};
use keyspace::entry::{Value, ValueRef, can_allocate, grown_bytes};
use protocol::listpack::{TextBuffer, Value as Text};
use protocol::resp::{Args, Reply};

#[rustfmt::skip]
pub(super) const COMMANDS: &[Spec] = &[
    //  name           arity        flags                 keys            handler
    cmd("append",      exactly(3),  WRITE | GROWS | FAST, key(1),         append),
    cmd("decr",        exactly(2),  WRITE | GROWS | FAST, key(1),         decr),
    cmd("decrby",      exactly(3),  WRITE | GROWS | FAST, key(1),         decrby),
    cmd("get",         exactly(2),  READ | FAST,          key(1),         get),
    cmd("getdel",      exactly(2),  WRITE | FAST,         key(1),         getdel),
    cmd("getex",       at_least(2), WRITE | FAST,         key(1),         getex),
    cmd("getrange",    exactly(4),  READ,                 key(1),         getrange),
    cmd("getset",      exactly(3),  WRITE | GROWS | FAST, key(1),         getset),
    cmd("incr",        exactly(2),  WRITE | GROWS | FAST, key(1),         incr),
    cmd("incrby",      exactly(3),  WRITE | GROWS | FAST, key(1),         incrby),
    cmd("incrbyfloat", exactly(3),  WRITE | GROWS | FAST, key(1),         incrbyfloat),
    cmd("lcs",         at_least(3), READ,                 keys(1, 2, 1),  lcs),
    cmd("mget",        at_least(2), READ | FAST,          keys(1, -1, 1), mget),
    cmd("mset",        at_least(3), WRITE | GROWS,        keys(1, -1, 2), mset),
    cmd("msetnx",      at_least(3), WRITE | GROWS,        keys(1, -1, 2), msetnx),
    cmd("psetex",      exactly(4),  WRITE | GROWS,        key(1),         psetex),
    cmd("set",         at_least(3), WRITE | GROWS,        key(1),         set),
    cmd("setex",       exactly(4),  WRITE | GROWS,        key(1),         setex),
    cmd("setnx",       exactly(3),  WRITE | GROWS | FAST, key(1),         setnx),
    cmd("setrange",    exactly(4),  WRITE | GROWS,        key(1),         setrange),
    cmd("strlen",      exactly(2),  READ | FAST,          key(1),         strlen),
    cmd("substr",      exactly(4),  READ,                 key(1),         getrange),
];

/// The string of an entry, or the error that it is not one.
pub(super) fn text(entry: EntryRef<'_>) -> Result<Text<'_>, Refusal> {
    match entry.value() {
        ValueRef::Str(text) => Ok(text),
        _ => Err(Refusal::WRONG_TYPE),
    }
}

/// The string under a key, looked up for writing.
pub(super) fn text_to_write<'c>(
    ctx: &'c mut Context<'_>,
    key: Key<'_>,
) -> Result<Option<Text<'c>>, Refusal> {
    ctx.engine.lookup_write(ctx.scope, key).map(text).transpose()
}

/// The bytes of a string for changing them, at least `least`; and whether it was not there or is longer now.
pub(super) fn bytes_mut<'c>(
    ctx: &'c mut Context<'_>,
    key: Key<'_>,
    least: usize,
) -> Result<(&'c mut [u8], bool), Refusal> {
    let old = text_to_write(ctx, key)?.map(|text| text.len());
    if old.is_none_or(|len| len < least) {
        can_allocate(grown_bytes(least)).map_err(|_| Refusal::NO_MEMORY)?;
    }
    if old.is_none() {
        ctx.engine.put(ctx.scope.db, key, Value::Str(vec![0; least]), None);
    }
    let db = &mut ctx.engine.dbs[ctx.scope.db];
    let bytes = db.bytes_mut(key.hash, key.bytes, least).expect("looked at or put there above");
    Ok((bytes, old.is_none_or(|len| len < least)))
}

/// `APPEND key value` → length of the result.
fn append(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let (key, more) = (ctx.key(args, 1), args.at(2));
    let len = match text_to_write(ctx, key)? {
        None => {
            ctx.engine.put_bytes(ctx.scope.db, key, more, None);
            more.len()
        }
        Some(old) => {
            let len = old.len() + more.len();
            if len as u64 > ctx.string_max() {
                return Err(Refusal::STRING_TOO_LONG);
            }
            let appended = ctx.engine.dbs[ctx.scope.db].append(key.hash, key.bytes, more);
            appended.map_err(|_| Refusal::NO_MEMORY)?;
            len
        }
    };
    ctx.changed(key, Class::String, "append");
    ctx.reply.int(len as i64);
    Ok(Done::ONE)
}

fn decr(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    add(ctx, args, -1, "decrby")
}

fn decrby(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let by = int(args.at(2))?;
    let by = by.checked_neg().ok_or(Refusal::fixed("ERR decrement would overflow"))?;
    add(ctx, args, by, "decrby")
}

fn get(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let key = ctx.key(args, 1);
    match ctx.engine.read(ctx.scope, key) {
        None => ctx.reply.null(),
        Some(entry) => ctx.reply.text(text(entry)?),
    }
    Ok(Done::NOTHING)
}

fn getdel(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let key = ctx.key(args, 1);
    let Some(entry) = ctx.engine.read(ctx.scope, key) else {
        ctx.reply.null();
        return Ok(Done::NOTHING);
    };
    ctx.reply.text(text(entry)?);
    ctx.engine.delete(ctx.scope.db, key);
    ctx.changed(key, Class::Generic, "del");
    ctx.effect(&[b"DEL", key.bytes]);
    Ok(Done::ONE)
}

/// How a time to expire is given.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Unit {
    ms: i64,
    /// Since 1970, not from now on.
    absolute: bool,
}

/// What the options of SET and GETEX ask for.
#[derive(Default)]
struct Options<'a> {
    not_exists: bool,
    exists: bool,
    get: bool,
    keep_ttl: bool,
    persist: bool,
    time: Option<(Unit, &'a [u8])>,
}

impl Options<'_> {
    /// PXAT was used: the request can be passed on as it is.
    fn is_absolute_ms(&self) -> bool {
        self.time.is_some_and(|(unit, _)| unit == Unit { ms: 1, absolute: true })
    }
}

/// Reads the options of SET and GETEX. A time may be given again in the same unit, and then the last one counts; what it
/// is comes to light in [`expiry`].
fn options(args: Args<'_>, first: usize, set: bool) -> Result<Options<'_>, Refusal> {
    let (mut options, mut at) = (Options::default(), first);
    while let Some(word) = args.get(at) {
        let untimed = options.time.is_none();
        if set && is(word, "NX") && !options.exists {
            options.not_exists = true;
        } else if set && is(word, "XX") && !options.not_exists {
            options.exists = true;
        } else if set && is(word, "GET") {
            options.get = true;
        } else if set && is(word, "KEEPTTL") && untimed {
            options.keep_ttl = true;
        } else if !set && is(word, "PERSIST") && untimed {
            options.persist = true;
        } else if let (false, Some(text)) = (options.keep_ttl || options.persist, args.get(at + 1))
        {
            let unit = match word {
                word if is(word, "EX") => Unit { ms: 1000, absolute: false },
                word if is(word, "PX") => Unit { ms: 1, absolute: false },
                word if is(word, "EXAT") => Unit { ms: 1000, absolute: true },
                word if is(word, "PXAT") => Unit { ms: 1, absolute: true },
                _ => return Err(Refusal::SYNTAX),
            };
            if options.time.is_some_and(|(other, _)| other != unit) {
                return Err(Refusal::SYNTAX);
            }
            options.time = Some((unit, text));
            at += 1;
        } else {
            return Err(Refusal::SYNTAX);
        }
        at += 1;
    }
    Ok(options)
}

/// When the key is to expire.
fn expiry(ctx: &Context<'_>, options: &Options<'_>) -> Result<Option<i64>, Refusal> {
    let Some((unit, text)) = options.time else { return Ok(None) };
    let base = if unit.absolute { 0 } else { ctx.now() };
    arguments::expiry(text, unit.ms, base, ctx.spec.name).map(Some)
}

fn getex(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let key = ctx.key(args, 1);
    let options = options(args, 2, false)?;
    let now = ctx.now();
    let Some(entry) = ctx.engine.read(ctx.scope, key) else {
        ctx.reply.null();
        return Ok(Done::NOTHING);
    };
    let had = entry.expiry().is_some();
    ctx.reply.text(text(entry)?);
    match expiry(ctx, &options)? {
        Some(at) if at <= now && !ctx.scope.sees_expired => {
            ctx.engine.delete(ctx.scope.db, key);
            ctx.changed(key, Class::Generic, "del");
            ctx.effect(&[b"DEL", key.bytes]);
        }
        Some(at) => {
            ctx.engine.dbs[ctx.scope.db].set_expiry(key.hash, key.bytes, Some(at));
            ctx.changed(key, Class::Generic, "expire");
            ctx.effect(&[b"PEXPIREAT", key.bytes, at.to_string().as_bytes()]);
        }
        None if options.persist && had => {
            ctx.engine.dbs[ctx.scope.db].set_expiry(key.hash, key.bytes, None);
            ctx.changed(key, Class::Generic, "persist");
            ctx.effect(&[b"PERSIST", key.bytes]);
        }
        None => return Ok(Done::NOTHING),
    }
    Ok(Done::ONE)
}

fn getrange(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let (start, stop) = (int(args.at(2))?, int(args.at(3))?);
    let key = ctx.key(args, 1);
    let Some(entry) = ctx.engine.read(ctx.scope, key) else {
        ctx.reply.bulk(b"");
        return Ok(Done::NOTHING);
    };
    let mut buffer = TextBuffer::new();
    let bytes = text(entry)?.to_text(&mut buffer);
    // Both ends negative and crossed is empty even where clamping would make it one byte.
    let crossed = start < 0 && stop < 0 && start > stop;
    let stop = if stop < 0 { (bytes.len() as i64 + stop).max(0) } else { stop };
    match arguments::range(start, stop, bytes.len()) {
        Some((first, last)) if !crossed => ctx.reply.bulk(&bytes[first..=last]),
        _ => ctx.reply.bulk(b""),
    }
    Ok(Done::NOTHING)
}

fn getset(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let key = ctx.key(args, 1);
    match ctx.engine.read(ctx.scope, key) {
        None => ctx.reply.null(),
        Some(entry) => ctx.reply.text(text(entry)?),
    }
    ctx.engine.eviction.begin_use();
    ctx.engine.put_bytes(ctx.scope.db, key, args.at(2), None);
    ctx.changed(key, Class::String, "set");
    ctx.effect(&[b"SET", key.bytes, args.at(2)]);
    Ok(Done::ONE)
}

fn incr(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    add(ctx, args, 1, "incrby")
}

fn incrby(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let by = int(args.at(2))?;
    add(ctx, args, by, "incrby")
}

const OVERFLOW: Refusal = Refusal::fixed("ERR increment or decrement would overflow").of_state();

fn add(
    ctx: &mut Context<'_>,
    args: Args<'_>,
    by: i64,
    event: &'static str,
) -> Result<Done, Refusal> {
    let key = ctx.key(args, 1);
    let new = match ctx.engine.add_to_int(ctx.scope, key, by) {
        Sum::Is(new) => new,
        Sum::Overflow => return Err(OVERFLOW),
        Sum::NoKey => {
            ctx.engine.put(ctx.scope.db, key, Value::Int(by), None);
            by
        }
        Sum::NotInteger => {
            let entry = ctx.engine.peek(ctx.scope, key).expect("looked at above");
            let (old, expiry) =
                (text(entry)?.to_i64().ok_or(Refusal::NOT_INTEGER.of_state())?, entry.expiry());
            let new = old.checked_add(by).ok_or(OVERFLOW)?;
            ctx.engine.put(ctx.scope.db, key, Value::Int(new), expiry);
            new
        }
    };
    ctx.changed(key, Class::String, event);
    ctx.reply.int(new);
    Ok(Done::ONE)
}

fn incrbyfloat(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let key = ctx.key(args, 1);
    let old = match text_to_write(ctx, key)? {
        None => Some(Extended::ZERO),
        Some(text) => {
            extended(text.to_text(&mut TextBuffer::new())).ok_or(Refusal::NOT_FLOAT.of_state())?
        }
    };
    let by = extended(args.at(2)).ok_or(Refusal::NOT_FLOAT)?;
    let text = sum_text(old, by)?;
    let expiry = ctx.engine.peek(ctx.scope, key).and_then(|entry| entry.expiry());
    ctx.engine.put_bytes(ctx.scope.db, key, &text, expiry);
    ctx.changed(key, Class::String, "incrbyfloat");
    ctx.effect(&[b"SET", key.bytes, &text, b"KEEPTTL"]);
    ctx.reply.bulk(&text);
    Ok(Done::ONE)
}

/// A number to add by INCRBYFLOAT or HINCRBYFLOAT: `None` if it is none, `Some(None)` if it is infinite.
pub(super) fn extended(text: &[u8]) -> Option<Option<Extended>> {
    // A sum of large numbers has thousands of digits.
    const LONGEST: usize = 5 * 1024 - 1;
    if text.len() > LONGEST {
        return None;
    }
    if let Some(number) = Extended::parse(text) {
        return Some(Some(number));
    }
    // Infinities, and hexadecimal forms, which a double holds as a decimal text of its own.
    let value = protocol::number::parse_f64(text)?;
    Some(if value.is_finite() { Extended::parse(format!("{value:e}").as_bytes()) } else { None })
}

/// The sum of two such numbers as it is stored.
pub(super) fn sum_text(a: Option<Extended>, b: Option<Extended>) -> Result<Vec<u8>, Refusal> {
    let sum = a.zip(b).and_then(|(a, b)| a.plus(b));
    let sum =
        sum.ok_or(Refusal::fixed("ERR increment would produce NaN or Infinity").of_state())?;
    Ok(sum.text())
}

fn mget(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    ctx.reply.array(args.len() - 1);
    for position in 1..args.len() {
        let key = ctx.key(args, position);
        match ctx.engine.read(ctx.scope, key).map(text) {
            Some(Ok(text)) => ctx.reply.text(text),
            _ => ctx.reply.null(),
        }
    }
    Ok(Done::NOTHING)
}

fn mset(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    set_pairs(ctx, args)?;
    ctx.reply.ok();
    Ok(Done::changes(args.len() / 2))
}

fn set_pairs(ctx: &mut Context<'_>, args: Args<'_>) -> Result<(), Refusal> {
    if args.len().is_multiple_of(2) {
        return Err(Refusal::arity(ctx.spec.name));
    }
    for position in (1..args.len()).step_by(2) {
        let key = ctx.key(args, position);
        ctx.engine.peek(ctx.scope, key);
        ctx.engine.put_bytes(ctx.scope.db, key, args.at(position + 1), None);
        ctx.changed(key, Class::String, "set");
    }
    Ok(())
}

fn msetnx(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    if args.len().is_multiple_of(2) {
        return Err(Refusal::arity(ctx.spec.name));
    }
    for position in (1..args.len()).step_by(2) {
        let key = ctx.key(args, position);
        if ctx.engine.lookup_write(ctx.scope, key).is_some() {
            ctx.reply.int(0);
            return Ok(Done::NOTHING);
        }
    }
    set_pairs(ctx, args)?;
    ctx.reply.int(1);
    Ok(Done::changes(args.len() / 2))
}

fn psetex(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let at = arguments::expiry(args.at(2), 1, ctx.now(), "psetex")?;
    set_timed(ctx, args, at)
}

fn setex(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let at = arguments::expiry(args.at(2), 1000, ctx.now(), "setex")?;
    set_timed(ctx, args, at)
}

fn set_timed(ctx: &mut Context<'_>, args: Args<'_>, at: i64) -> Result<Done, Refusal> {
    let (key, value) = (ctx.key(args, 1), args.at(3));
    ctx.engine.peek(ctx.scope, key);
    ctx.engine.put_bytes(ctx.scope.db, key, value, Some(at));
    ctx.changed(key, Class::String, "set");
    ctx.engine.notify(ctx.scope.db, Class::Generic, "expire", key.bytes);
    ctx.effect(&[b"SET", key.bytes, value, b"PXAT", at.to_string().as_bytes()]);
    ctx.reply.ok();
    Ok(Done::ONE)
}

/// `SET key value [NX|XX] [GET] [EX s|PX ms|EXAT s|PXAT ms|KEEPTTL]`.
fn set(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let (key, value) = (ctx.key(args, 1), args.at(2));
    if args.len() == 3 {
        // Whether the old value had expired makes no difference to anyone: it is replaced either way.
        ctx.engine.put_bytes(ctx.scope.db, key, value, None);
        ctx.changed(key, Class::String, "set");
        ctx.reply.ok();
        return Ok(Done::ONE);
    }
    let options = options(args, 3, true)?;
    let time = expiry(ctx, &options)?;
    let now = ctx.now();
    let old = ctx.engine.lookup_write(ctx.scope, key);
    let there = old.is_some();
    let had = old.and_then(|entry| entry.expiry());
    if options.get {
        match old.map(text).transpose()? {
            None => ctx.reply.null(),
            Some(text) => ctx.reply.text(text),
        }
        // Read, and then set.
        ctx.engine.eviction.begin_use();
    }
    if (options.not_exists && there) || (options.exists && !there) {
        if !options.get {
            ctx.reply.null();
        }
        return Ok(Done::NOTHING);
    }
    let expiry = if options.keep_ttl { had } else { time };
    if time.is_some_and(|at| at <= now) && !ctx.scope.sees_expired {
        // Already over: what remains is that the key is gone.
        if there {
            ctx.engine.delete(ctx.scope.db, key);
            ctx.changed(key, Class::Generic, "del");
            ctx.effect(&[b"DEL", key.bytes]);
        }
        if !options.get {
            ctx.reply.ok();
        }
        return Ok(if there { Done::ONE } else { Done::NOTHING });
    }
    ctx.engine.put_bytes(ctx.scope.db, key, value, expiry);
    ctx.changed(key, Class::String, "set");
    if let Some(at) = time {
        ctx.engine.notify(ctx.scope.db, Class::Generic, "expire", key.bytes);
        if !options.is_absolute_ms() || options.get {
            ctx.effect(&[b"SET", key.bytes, value, b"PXAT", at.to_string().as_bytes()]);
        }
    } else if options.get {
        match options.keep_ttl {
            true => ctx.effect(&[b"SET", key.bytes, value, b"KEEPTTL"]),
            false => ctx.effect(&[b"SET", key.bytes, value]),
        }
    }
    if !options.get {
        ctx.reply.ok();
    }
    Ok(Done::ONE)
}

fn setnx(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let key = ctx.key(args, 1);
    if ctx.engine.lookup_write(ctx.scope, key).is_some() {
        ctx.reply.int(0);
        return Ok(Done::NOTHING);
    }
    ctx.engine.put_bytes(ctx.scope.db, key, args.at(2), None);
    ctx.changed(key, Class::String, "set");
    ctx.reply.int(1);
    Ok(Done::ONE)
}

fn setrange(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let (key, part) = (ctx.key(args, 1), args.at(3));
    let offset = int(args.at(2))?;
    if offset < 0 {
        return Err(Refusal::fixed("ERR offset is out of range"));
    }
    let old = text_to_write(ctx, key)?.map(|text| text.len());
    if part.is_empty() {
        ctx.reply.int(old.unwrap_or(0) as i64);
        return Ok(Done::NOTHING);
    }
    let end = (offset as u64).checked_add(part.len() as u64);
    let Some(end) = end.filter(|end| *end <= ctx.string_max()) else {
        return Err(Refusal::STRING_TOO_LONG);
    };
    let (bytes, _) = bytes_mut(ctx, key, end as usize)?;
    bytes[offset as usize..end as usize].copy_from_slice(part);
    let len = bytes.len();
    ctx.changed(key, Class::String, "setrange");
    ctx.reply.int(len as i64);
    Ok(Done::ONE)
}

fn strlen(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let key = ctx.key(args, 1);
    let len = match ctx.engine.read(ctx.scope, key) {
        None => 0,
        Some(entry) => text(entry)?.len(),
    };
    ctx.reply.int(len as i64);
    Ok(Done::NOTHING)
}

/// `LCS key1 key2 [LEN] [IDX] [MINMATCHLEN len] [WITHMATCHLEN]`: the longest common subsequence.
fn lcs(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let mut strings = [Vec::new(), Vec::new()];
    for (string, position) in strings.iter_mut().zip([1, 2]) {
        let key = ctx.key(args, position);
        if let Some(entry) = ctx.engine.read(ctx.scope, key) {
            let not_text =
                Refusal::fixed("ERR The specified keys must contain string values").of_state();
            *string = text(entry).map_err(|_| not_text)?.to_vec();
        }
    }
    let (mut want_len, mut want_index, mut with_len, mut least, mut at) =
        (false, false, false, 0, 3);
    while let Some(word) = args.get(at) {
        if is(word, "IDX") {
            want_index = true;
        } else if is(word, "LEN") {
            want_len = true;
        } else if is(word, "WITHMATCHLEN") {
            with_len = true;
        } else if is(word, "MINMATCHLEN") && args.get(at + 1).is_some() {
            least = int(args.at(at + 1))?.max(0);
            at += 1;
        } else {
            return Err(Refusal::SYNTAX);
        }
        at += 1;
    }
    if want_len && want_index {
        return Err(Refusal::fixed(
            "ERR If you want both the length and indexes, please just use IDX.",
        ));
    }
    let [a, b] = strings;
    let cells = (a.len() as u128 + 1) * (b.len() as u128 + 1);
    let bytes = cells * size_of::<u32>() as u128;
    if bytes > u128::from(ctx.engine.string_max) {
        return Err(Refusal::fixed(
            "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
        ));
    }
    can_allocate(bytes as usize).map_err(|_| {
        Refusal::fixed("ERR Insufficient memory, failed allocating transient memory for LCS")
    })?;
    let matches = longest_common(&a, &b);
    if want_len {
        ctx.reply.int(matches.iter().map(|run| run.len as i64).sum());
    } else if want_index {
        show_runs(&mut ctx.reply, &matches, least, with_len);
    } else {
        let mut common = Vec::new();
        matches.iter().rev().for_each(|run| common.extend_from_slice(&a[run.a..run.a + run.len]));
        ctx.reply.bulk(&common);
    }
    Ok(Done::NOTHING)
}

/// The reply of LCS IDX: runs of at least so many bytes, and how long all are together.
fn show_runs(reply: &mut Reply<'_>, runs: &[Run], least: i64, with_len: bool) {
    reply.map(2);
    reply.bulk(b"matches");
    let shown: Vec<&Run> = runs.iter().filter(|run| run.len as i64 >= least).collect();
    reply.array(shown.len());
    for run in shown {
        reply.array(if with_len { 3 } else { 2 });
        for start in [run.a, run.b] {
            reply.array(2);
            reply.int(start as i64);
            reply.int((start + run.len - 1) as i64);
        }
        if with_len {
            reply.int(run.len as i64);
        }
    }
    reply.bulk(b"len");
    reply.int(runs.iter().map(|run| run.len as i64).sum());
}

/// Bytes that two strings share one after the other.
struct Run {
    a: usize,
    b: usize,
    len: usize,
}

/// The runs of a longest common subsequence, the last one first. Time and memory: product of the lengths.
fn longest_common(a: &[u8], b: &[u8]) -> Vec<Run> {
    let width = b.len() + 1;
    let mut best = vec![0u32; (a.len() + 1) * width];
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            best[i * width + j] = if a[i - 1] == b[j - 1] {
                best[(i - 1) * width + j - 1] + 1
            } else {
                best[(i - 1) * width + j].max(best[i * width + j - 1])
            };
        }
    }
    let (mut i, mut j, mut runs) = (a.len(), b.len(), Vec::<Run>::new());
    while i > 0 && j > 0 {
        if a[i - 1] == b[j - 1] {
            (i, j) = (i - 1, j - 1);
            match runs.last_mut() {
                Some(run) if run.a == i + 1 && run.b == j + 1 => {
                    (run.a, run.b, run.len) = (i, j, run.len + 1);
                }
                _ => runs.push(Run { a: i, b: j, len: 1 }),
            }
        } else if best[(i - 1) * width + j] > best[i * width + j - 1] {
            i -= 1;
        } else {
            j -= 1;
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{WRONG_TYPE, expect, with};
    use protocol::number;

    #[test]
    fn arguments_are_looked_at_in_the_order_of_redis() {
        let mut server = with(&["RPUSH list a", "SET k 1"]);
        expect(
            &mut server,
            &[
                ("INCRBYFLOAT list x", WRONG_TYPE),
                ("INCRBYFLOAT k x", "-ERR value is not a valid float"),
                ("GETEX none EX x", "nil"),
                ("GETEX list EX x", WRONG_TYPE),
                ("GETEX k EX x", "-ERR value is not an integer or out of range"),
                ("GETEX k EX 0", "-ERR invalid expire time in 'getex' command"),
                ("GETEX k EX 10 PX 10", "-ERR syntax error"),
                ("GETEX k PX 10 PX 9000", "1"),
                ("PTTL k", "9000"),
                ("SET k 2 EX PX 5 EX 10", "-ERR syntax error"),
                ("SET k 2 EX x EX 10", "+OK"),
                ("PTTL k", "10000"),
                ("SET list 2 GET EX 0", "-ERR invalid expire time in 'set' command"),
                ("SET list 2 GET EX 10", WRONG_TYPE),
                ("SET k 3 KEEPTTL EX 10", "-ERR syntax error"),
                ("LCS k list NONSENSE", "-ERR The specified keys must contain string values"),
                ("LCS k none NONSENSE", "-ERR syntax error"),
            ],
        );
    }

    /// CVE-2023-41056's kind: a text that is resized between its forms keeps what it holds.
    #[test]
    fn texts_of_all_sizes_keep_their_bytes() {
        let mut server = with(&[]);
        let text = |from: usize, len: usize| -> String {
            (from..from + len).map(|at| char::from(b'a' + (at % 26) as u8)).collect()
        };
        for len in (0..200).chain(1000..1060).chain(4080..4110).chain(16_370..16_400) {
            for more in [1, 7, 100, 2000] {
                server.run(&format!("SET k {}", text(0, len.max(1))));
                let grown = len.max(1) + more;
                assert_eq!(
                    server.run(&format!("APPEND k {}", text(len.max(1), more))),
                    grown.to_string()
                );
                assert_eq!(
                    server.run(&format!("SETRANGE k {} x", grown + more)),
                    (grown + more + 1).to_string()
                );
                let expected = [&text(0, grown)[..], &"\0".repeat(more), "x"].concat();
                assert_eq!(server.run("GET k"), expected, "{len} {more}");
                assert_eq!(
                    server.run(&format!("SETRANGE k 0 {}", text(3, more))),
                    expected.len().to_string()
                );
                let expected = [&text(3, more)[..], &expected[more..]].concat();
                assert_eq!(server.run("GETDEL k"), expected, "{len} {more}");
            }
        }
    }

    #[test]
    fn floats_have_no_exponent() {
        let mut server = with(&["SET x 0.1", "SET y 8"]);
        for (line, reply) in [
            ("INCRBYFLOAT x 0.2", "0.3"),
            ("INCRBYFLOAT x 1e21", "1000000000000000000000"),
            ("INCRBYFLOAT y 0x1p3", "16"),
            ("INCRBYFLOAT y -inf", "-ERR increment would produce NaN or Infinity"),
            ("INCRBYFLOAT y 1e5000", "-ERR value is not a valid float"),
            ("INCRBYFLOAT y 5.0e3", "5016"),
        ] {
            assert_eq!(server.run(line), reply, "{line}");
        }
        assert_eq!(number::parse_f64(b"5.0e3"), Some(5000.0));
    }

    #[test]
    fn common_subsequence_of_the_documentation() {
        let runs = longest_common(b"ohmytext", b"mynewtext");
        let found: Vec<_> = runs.iter().map(|run| (run.a, run.b, run.len)).collect();
        assert_eq!(found, [(4, 5, 4), (2, 0, 2)]);
    }
}
