//! Server commands: what the engine knows itself (DBSIZE, FLUSHALL, COMMAND, DEBUG), and the rows of those that the host answers.

use crate::arguments::{int, is, small_int};
use crate::command::*;
use crate::context::{Context, Done, Key};
use crate::digest;
use crate::family::help::help;
use crate::family::keys::encoding;
use crate::host::HostCall;
use crate::refusal::Refusal;
use keyspace::entry::can_allocate;
use keyspace::table::hash_bytes;
use protocol::resp::Args;

const ANY: Flags = LOADING | STALE;
const OPS: Flags = ADMIN | NO_SCRIPT;
const OPS_ANY: Flags = OPS | LOADING | STALE;

macro_rules! host_rows {
    ($($handler:ident => $call:ident;)*) => {
        $(fn $handler(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
            ctx.host(HostCall::$call, args)
        })*
    };
}

host_rows! {
    bgrewriteaof => BgRewriteAof;
    bgsave => BgSave;
    config => Config;
    info => Info;
    lastsave => LastSave;
    memory => Memory;
    psync => Psync;
    replconf => Replconf;
    replicaof => ReplicaOf;
    role => Role;
    save => Save;
    shutdown => Shutdown;
    wait => Wait;
    waitaof => WaitAof;
}

#[rustfmt::skip]
pub(super) const COMMANDS: &[Spec] = &[
    //  name            arity        flags                                keys     handler
    cmd("bgrewriteaof", exactly(1),  OPS | NO_ASYNC_LOADING,              NO_KEYS, bgrewriteaof),
    cmd("bgsave",       at_least(1), OPS | NO_ASYNC_LOADING,              NO_KEYS, bgsave),
    cmd("config",       at_least(2), 0,                                   NO_KEYS, config).with(CONFIG),
    cmd("dbsize",       exactly(1),  READ | FAST,                         NO_KEYS, dbsize),
    cmd("debug",        at_least(2), OPS_ANY,                             NO_KEYS, debug),
    cmd("flushall",     at_least(1), WRITE,                               NO_KEYS, flushall),
    cmd("flushdb",      at_least(1), WRITE,                               NO_KEYS, flushdb),
    cmd("info",         at_least(1), ANY,                                 NO_KEYS, info),
    cmd("lastsave",     exactly(1),  ANY | FAST,                          NO_KEYS, lastsave),
    cmd("memory",       at_least(2), 0,                                   NO_KEYS, memory).with(MEMORY),
    cmd("monitor",      exactly(1),  ADMIN | NO_SCRIPT | LOADING | STALE, NO_KEYS, monitor),
    cmd("psync",        at_least(3), OPS | NO_MULTI | NO_ASYNC_LOADING,   NO_KEYS, psync),
    cmd("replconf",     at_least(1), OPS_ANY | ALLOW_BUSY | IN_STREAM,    NO_KEYS, replconf),
    cmd("replicaof",    exactly(3),  OPS | STALE | NO_ASYNC_LOADING,      NO_KEYS, replicaof),
    cmd("role",         exactly(1),  ANY | NO_SCRIPT | FAST,              NO_KEYS, role),
    cmd("save",         exactly(1),  OPS | NO_MULTI | NO_ASYNC_LOADING,   NO_KEYS, save),
    cmd("shutdown",     at_least(1), OPS_ANY | NO_MULTI | ALLOW_BUSY,     NO_KEYS, shutdown),
    cmd("slaveof",      exactly(3),  OPS | STALE | NO_ASYNC_LOADING,      NO_KEYS, replicaof),
    cmd("swapdb",       exactly(3),  WRITE | FAST,                        NO_KEYS, swapdb),
    cmd("sync",         exactly(1),  OPS | NO_MULTI | NO_ASYNC_LOADING,   NO_KEYS, psync),
    cmd("time",         exactly(1),  ANY | FAST,                          NO_KEYS, time),
    cmd("wait",         exactly(3),  0,                                   NO_KEYS, wait),
    cmd("waitaof",      exactly(4),  NO_SCRIPT,                           NO_KEYS, waitaof),
];

#[rustfmt::skip]
const MEMORY: &[Spec] = &[
    //  name                   arity        flags            keys     handler
    cmd("memory|doctor",       exactly(2),  0,               NO_KEYS, memory),
    cmd("memory|help",         exactly(2),  LOADING | STALE, NO_KEYS, memory_help),
    cmd("memory|malloc-stats", exactly(2),  0,               NO_KEYS, memory),
    cmd("memory|purge",        exactly(2),  0,               NO_KEYS, memory),
    cmd("memory|stats",        exactly(2),  0,               NO_KEYS, memory),
    cmd("memory|usage",        at_least(3), READ,            key(2),  memory),
];

#[rustfmt::skip]
const CONFIG: &[Spec] = &[
    //  name                arity        flags    keys     handler
    cmd("config|get",       at_least(3), OPS_ANY, NO_KEYS, config),
    cmd("config|help",      exactly(2),  ANY,     NO_KEYS, config_help),
    cmd("config|resetstat", exactly(2),  OPS_ANY, NO_KEYS, config),
    cmd("config|rewrite",   exactly(2),  OPS_ANY, NO_KEYS, config),
    cmd("config|set",       at_least(4), OPS_ANY, NO_KEYS, config),
];

fn memory_help(ctx: &mut Context<'_>, _args: Args<'_>) -> Result<Done, Refusal> {
    help(ctx, "memory");
    Ok(Done::NOTHING)
}

fn config_help(ctx: &mut Context<'_>, _args: Args<'_>) -> Result<Done, Refusal> {
    help(ctx, "config");
    Ok(Done::NOTHING)
}

fn dbsize(ctx: &mut Context<'_>, _args: Args<'_>) -> Result<Done, Refusal> {
    let len = ctx.engine.dbs[ctx.scope.db].len();
    ctx.reply.int(len as i64);
    Ok(Done::NOTHING)
}

/// What the engine can answer of DEBUG; the rest is the host's.
fn debug(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    if !ctx.session.may_debug && !ctx.session.is_trusted() {
        return Err(Refusal::fixed(
            "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it from a \
             local connection, otherwise you need to set this option in the configuration file, and then restart the server.",
        ));
    }
    let word = args.at(1);
    if is(word, "OBJECT") && args.len() == 3 {
        let key = Key::new(args.at(2));
        let Some(entry) = ctx.engine.dbs[ctx.scope.db].get(key.hash, key.bytes) else {
            return Err(Refusal::NO_SUCH_KEY);
        };
        let idle = ctx.engine.seconds().wrapping_sub(entry.clock()) & 0xff_ffff;
        let text = format!(
            "Value at:0x{:x} refcount:1 encoding:{} serializedlength:{} lru:{} lru_seconds_idle:{idle}",
            entry.key().as_ptr() as usize,
            encoding(entry),
            entry.block_bytes(),
            entry.clock(),
        );
        ctx.reply.simple(&text);
    } else if is(word, "SET-ACTIVE-EXPIRE") && args.len() == 3 {
        ctx.engine.active_expire = int(args.at(2))? != 0;
        ctx.reply.ok();
    } else if is(word, "PROTOCOL") && args.len() == 3 {
        debug_protocol(ctx, args.at(2))?;
    } else if is(word, "DIGEST") && args.len() == 2 {
        let text = digest::hex(&digest::of_all(&ctx.engine.dbs));
        ctx.reply.simple(&text);
    } else if is(word, "DIGEST-VALUE") && args.len() >= 3 {
        ctx.reply.array(args.len() - 2);
        for bytes in args.iter_from(2) {
            let key = Key::new(bytes);
            let entry = ctx.engine.dbs[ctx.scope.db].get(key.hash, bytes);
            let digest = entry.map(digest::of_value).unwrap_or_default();
            ctx.reply.simple(&digest::hex(&digest));
        }
    } else if is(word, "POPULATE") && (3..=5).contains(&args.len()) {
        populate(ctx, args)?;
    } else if is(word, "HELP") && args.len() == 2 {
        ctx.reply.array(1 + DEBUG_HELP.len() * 2);
        ctx.reply.simple("DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
        for (usage, summary) in DEBUG_HELP {
            ctx.reply.simple(usage);
            ctx.reply.simple(&format!("    {summary}"));
        }
    } else if !super::debugging::answer(ctx, args)? {
        return ctx.host(HostCall::DebugHost, args);
    }
    Ok(Done::NOTHING)
}

/// What DEBUG can do, here and at the host.
const DEBUG_HELP: &[(&str, &str)] = &[
    (
        "AOF-FLUSH-SLEEP <microseconds>",
        "Waits for so long before each write to the append-only file.",
    ),
    ("CHANGE-REPL-ID", "Gives the history another name: replicas need a full synchronization."),
    ("CONFIG-REWRITE-FORCE-ALL", "Writes every directive into the configuration file."),
    ("DIGEST", "Returns a digest of all data."),
    ("DIGEST-VALUE <key> [<key> ...]", "Returns digests of values."),
    ("HELP", "Lists the subcommands."),
    ("LOADAOF", "Loads the append-only file in the place of the data."),
    ("OBJECT <key>", "Shows how a value is kept."),
    ("SHIFT-CLOCK <milliseconds>", "Lets the wall clock of this process differ from the system's."),
    ("PAUSE-CRON <0|1>", "Stops the timer, or lets it go on."),
    ("POPULATE <count> [<prefix> [<size>]]", "Makes keys, here only: they are not passed on."),
    ("PROTOCOL <type>", "Returns a sample of a type of reply."),
    ("ERROR <text>", "Answers with that error."),
    ("HTSTATS <db>", "Shows how many keys a database has, and what its table takes."),
    ("LEAK <text>", "Loses the memory of that text."),
    ("LOG <text>", "Writes a line into the log."),
    ("MALLCTL <name> [<value>]", "Reads or sets a number of the allocator."),
    ("MALLCTL-STR <name>", "Reads a text of the allocator."),
    ("OOM", "Crashes for want of memory."),
    ("PANIC", "Crashes as a fault of the program does; so does ASSERT."),
    ("REPLICATE <command> [<arg> ...]", "Sends a command to replicas that is not executed here."),
    ("RESTART [<milliseconds>]", "Ends in order, and starts anew after so long."),
    ("CRASH-AND-RECOVER [<milliseconds>]", "Ends at once, and starts anew after so long."),
    ("SDSLEN <key>", "Shows how long a key and a string are."),
    ("SEGFAULT", "Crashes by SIGSEGV."),
    ("SET-DISABLE-DENY-SCRIPTS <0|1>", "Lets scripts run commands that they may not."),
    (
        "SET-SKIP-CHECKSUM-VALIDATION <0|1>",
        "Takes payloads of RESTORE whatever their checksums are.",
    ),
    (
        "QUICKLIST-PACKED-THRESHOLD <size>",
        "Elements of lists above that size get a node of their own.",
    ),
    ("RELOAD [NOSAVE]", "Saves the data and loads them again."),
    ("REPLYBUFFER RESIZING <0|1>", "Keeps buffers of replies, or gives them back."),
    ("SET-ACTIVE-EXPIRE <0|1>", "Switches the search for expired keys."),
    ("SLEEP <seconds>", "Stops everything for that long; fractions are possible."),
    ("STRINGMATCH-LEN <length> <pattern>", "Matches a text with a pattern."),
];

/// Keys that DEBUG POPULATE looks ahead at.
const POPULATE_AT_ONCE: usize = 32;

/// `DEBUG POPULATE count [prefix [size]]`: strings `prefix:0` and so on, where there is no such key yet.
fn populate(ctx: &mut Context<'_>, args: Args<'_>) -> Result<(), Refusal> {
    let positive = |at: usize| match int(args.at(at))? {
        number @ 0..=0xffff_ffff => Ok(number as usize),
        _ => Err(Refusal::OUT_OF_RANGE),
    };
    let count = positive(2)?;
    let prefix = args.get(3).unwrap_or(b"key");
    let size = if args.len() == 5 { positive(4)? } else { 0 };
    if size as u64 > ctx.engine.string_max {
        return Err(Refusal::STRING_TOO_LONG);
    }
    can_allocate(size).map_err(|_| Refusal::NO_MEMORY)?;
    let db = ctx.scope.db;
    let (mut names, mut value) = (Vec::new(), Vec::new());
    for first in (0..count).step_by(POPULATE_AT_ONCE) {
        let numbers = first..count.min(first + POPULATE_AT_ONCE);
        names.clear();
        let places: Vec<(usize, usize, u64)> = numbers
            .clone()
            .map(|number| {
                let start = names.len();
                names.extend_from_slice(prefix);
                names.push(b':');
                names.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
                let hash = hash_bytes(&names[start..]);
                ctx.engine.dbs[db].prefetch(hash);
                ctx.engine.dbs[db].prefetch_room(hash);
                (start, names.len(), hash)
            })
            .collect();
        for (number, (start, end, hash)) in numbers.zip(places) {
            let key = Key { bytes: &names[start..end], hash };
            if ctx.engine.exists(ctx.scope, key) {
                continue;
            }
            value.clear();
            value.extend_from_slice(b"value:");
            value.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
            if size > 0 {
                value.resize(size, 0);
            }
            ctx.engine.put_bytes(db, key, &value, None);
            ctx.engine.key_changed(db, key.bytes);
        }
    }
    ctx.no_effect();
    ctx.reply.ok();
    Ok(())
}

/// A sample of each type of reply, for tests of clients.
#[expect(clippy::approx_constant, reason = "the sample is Redis's")]
fn debug_protocol(ctx: &mut Context<'_>, name: &[u8]) -> Result<(), Refusal> {
    let reply = &mut ctx.reply;
    match name.to_ascii_lowercase().as_slice() {
        b"string" => reply.bulk(b"Hello World"),
        b"integer" => reply.int(12345),
        b"double" => reply.double(3.141),
        b"null" => reply.null(),
        b"array" => {
            reply.array(3);
            (0..3).for_each(|n| reply.int(n));
        }
        b"set" => {
            reply.set(3);
            (0..3).for_each(|n| reply.int(n));
        }
        b"map" => {
            reply.map(3);
            for n in 0..3 {
                reply.int(n);
                reply.boolean(n == 1);
            }
        }
        b"attrib" => {
            if reply.is_resp3() {
                reply.attribute(1);
                reply.bulk(b"key-popularity");
                reply.array(2);
                reply.bulk(b"key:123");
                reply.int(90);
            }
            // An attribute belongs to the reply behind it.
            reply.bulk(b"Some real reply following the attribute");
        }
        b"push" => {
            if !reply.is_resp3() {
                return Err(Refusal::fixed("ERR RESP2 is not supported by this command"));
            }
            reply.push(2);
            reply.bulk(b"server-cpu-usage");
            reply.int(42);
            // A push answers nothing: the request still gets its reply.
            reply.bulk(b"Some real reply following the push reply");
        }
        b"true" => reply.boolean(true),
        b"false" => reply.boolean(false),
        b"verbatim" => reply.verbatim("txt", b"This is a verbatim\nstring"),
        b"bignum" => reply.big_number("1234567999999999999999999999999999999"),
        _ => {
            return Err(Refusal::fixed(
                "ERR Wrong protocol type name. Please use one of the following: string|integer|double|null|array|set|map|attrib|push|verbatim|true|false",
            ));
        }
    }
    Ok(())
}

/// Whether a flush is to free in the background: `[ASYNC|SYNC]`.
fn flush_mode(args: Args<'_>) -> Result<(), Refusal> {
    match args.get(1) {
        None => Ok(()),
        Some(word) if args.len() == 2 && (is(word, "ASYNC") || is(word, "SYNC")) => Ok(()),
        Some(_) => Err(Refusal::SYNTAX),
    }
}

/// Memory is always given back by another thread: SYNC only promises that the keys are gone, which they are.
fn flush(ctx: &mut Context<'_>, index: usize) -> usize {
    ctx.engine.keys_changed(index, None);
    let db = std::mem::take(&mut ctx.engine.dbs[index]);
    let count = db.len();
    if count > 0 {
        ctx.engine.garbage_dbs.push(db);
    }
    count
}

fn flushall(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    flush_mode(args)?;
    ctx.engine.invalidate_all(Some(ctx.session));
    let count: usize = (0..ctx.engine.dbs.len()).map(|index| flush(ctx, index)).sum();
    ctx.reply.ok();
    ctx.engine.emptied = true;
    // Passed on even if there was nothing to remove: replicas may have more.
    Ok(Done::changes(count.max(1)))
}

fn flushdb(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    flush_mode(args)?;
    ctx.engine.invalidate_all(Some(ctx.session));
    let count = flush(ctx, ctx.scope.db);
    ctx.reply.ok();
    Ok(Done::changes(count.max(1)))
}

/// `MONITOR` → `+OK`, then a line for every command.
fn monitor(ctx: &mut Context<'_>, _args: Args<'_>) -> Result<Done, Refusal> {
    if ctx.session.in_exec {
        return Err(Refusal::fixed("ERR MONITOR isn't allowed for DENY BLOCKING client"));
    }
    ctx.reply.ok();
    ctx.engine.start_monitor(ctx.session);
    Ok(Done::NOTHING)
}

fn swapdb(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let index = |text: &[u8], which: &str| {
        small_int(text).map_err(|_| Refusal::new(format!("ERR invalid {which} DB index")))
    };
    let pair = [index(args.at(1), "first")?, index(args.at(2), "second")?];
    let len = ctx.engine.dbs.len() as i32;
    if pair.iter().any(|db| !(0..len).contains(db)) {
        return Err(Refusal::fixed("ERR DB index is out of range"));
    }
    let [a, b] = pair.map(|db| db as usize);
    ctx.engine.keys_changed(a, Some(b));
    ctx.engine.keys_changed(b, Some(a));
    ctx.engine.dbs.swap(a, b);
    ctx.reply.ok();
    Ok(Done::ONE)
}

fn time(ctx: &mut Context<'_>, _args: Args<'_>) -> Result<Done, Refusal> {
    let now = ctx.now();
    ctx.reply.array(2);
    ctx.reply.bulk_int(now / 1000);
    ctx.reply.bulk_int(now % 1000 * 1000);
    Ok(Done::NOTHING)
}
