//! Server commands: what the engine knows itself (DBSIZE, FLUSHALL, COMMAND, DEBUG), and the rows of those that the host answers.

use crate::arguments::{int, is};
use crate::command::{Group::Server as G, *};
use crate::context::{Context, Done, Key};
use crate::digest;
use crate::family::keys::encoding;
use crate::glob;
use crate::host::HostCall;
use crate::refusal::Refusal;
use protocol::resp::{Args, Reply};

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
    acl => Acl;
    bgrewriteaof => BgRewriteAof;
    bgsave => BgSave;
    config => Config;
    failover => Failover;
    info => Info;
    lastsave => LastSave;
    latency => Latency;
    memory => Memory;
    psync => Psync;
    replconf => Replconf;
    replicaof => ReplicaOf;
    role => Role;
    save => Save;
    shutdown => Shutdown;
    slowlog => Slowlog;
    wait => Wait;
    waitaof => WaitAof;
}

pub(super) const COMMANDS: &[Spec] = &[
    //  name           arity        flags                                             keys     since    group complexity handler
    cmd(
        "acl",
        at_least(2),
        OPS_ANY,
        NO_KEYS,
        "6.0.0",
        G,
        "By subcommand.",
        acl,
        "Subcommands about users and what they are allowed to do.",
    ),
    cmd(
        "bgrewriteaof",
        exactly(1),
        OPS | NO_ASYNC_LOADING,
        NO_KEYS,
        "1.0.0",
        G,
        "O(1)",
        bgrewriteaof,
        "Writes the append-only file anew in the background, as short as the data allows.",
    ),
    cmd(
        "bgsave",
        at_least(1),
        OPS | NO_ASYNC_LOADING,
        NO_KEYS,
        "1.0.0",
        G,
        "O(1)",
        bgsave,
        "Writes a snapshot of all databases to disk in the background.",
    ),
    cmd(
        "command",
        at_least(1),
        ANY,
        NO_KEYS,
        "2.8.13",
        G,
        "O(N) for N commands of the server.",
        command,
        "Describes all commands: arity, flags, where their keys are.",
    )
    .with(COMMAND),
    cmd(
        "config",
        at_least(2),
        0,
        NO_KEYS,
        "2.0.0",
        G,
        "By subcommand.",
        config,
        "Subcommands that read the server's settings and change them.",
    )
    .with(CONFIG),
    cmd(
        "dbsize",
        exactly(1),
        READ | FAST,
        NO_KEYS,
        "1.0.0",
        G,
        "O(1)",
        dbsize,
        "Counts the keys of the selected database.",
    ),
    cmd(
        "debug",
        at_least(2),
        OPS_ANY,
        NO_KEYS,
        "1.0.0",
        G,
        "By subcommand.",
        debug,
        "Subcommands for tests and for finding faults.",
    ),
    cmd(
        "failover",
        at_least(1),
        OPS | STALE,
        NO_KEYS,
        "6.2.0",
        G,
        "O(1)",
        failover,
        "Makes a primary and one of its replicas change roles in good order.",
    ),
    cmd(
        "flushall",
        at_least(1),
        WRITE,
        NO_KEYS,
        "1.0.0",
        G,
        "O(N) for N keys in all databases.",
        flushall,
        "Empties every database.",
    ),
    cmd(
        "flushdb",
        at_least(1),
        WRITE,
        NO_KEYS,
        "1.0.0",
        G,
        "O(N) for N keys in the database.",
        flushdb,
        "Empties the selected database.",
    ),
    cmd(
        "info",
        at_least(1),
        ANY,
        NO_KEYS,
        "1.0.0",
        G,
        "O(1)",
        info,
        "Reports figures about the server and its state, section by section.",
    ),
    cmd(
        "lastsave",
        exactly(1),
        ANY | FAST,
        NO_KEYS,
        "1.0.0",
        G,
        "O(1)",
        lastsave,
        "Tells at which Unix time the last snapshot was complete.",
    ),
    cmd(
        "latency",
        at_least(2),
        OPS_ANY,
        NO_KEYS,
        "2.8.13",
        G,
        "By subcommand.",
        latency,
        "Subcommands that tell where the server has lost time.",
    ),
    cmd(
        "memory",
        at_least(2),
        0,
        NO_KEYS,
        "4.0.0",
        G,
        "By subcommand.",
        memory,
        "Subcommands that tell what memory is used for.",
    ),
    cmd(
        "monitor",
        exactly(1),
        ADMIN | NO_SCRIPT | LOADING | STALE,
        NO_KEYS,
        "1.0.0",
        G,
        "O(1)",
        monitor,
        "Shows the client every command that the server executes.",
    ),
    cmd(
        "psync",
        at_least(3),
        OPS | NO_MULTI | NO_ASYNC_LOADING,
        NO_KEYS,
        "2.8.0",
        G,
        "",
        psync,
        "Used by replicas: asks for the changes after an offset, or for everything.",
    ),
    cmd(
        "replconf",
        at_least(1),
        OPS_ANY | ALLOW_BUSY,
        NO_KEYS,
        "3.0.0",
        G,
        "O(1)",
        replconf,
        "Used between primary and replica: properties of the replica, acknowledged offsets.",
    ),
    cmd(
        "replicaof",
        exactly(3),
        OPS | STALE | NO_ASYNC_LOADING,
        NO_KEYS,
        "5.0.0",
        G,
        "O(1)",
        replicaof,
        "Makes the server a replica of another one; with NO ONE, a primary.",
    ),
    cmd(
        "role",
        exactly(1),
        ANY | NO_SCRIPT | FAST,
        NO_KEYS,
        "2.8.12",
        G,
        "O(1)",
        role,
        "Tells whether the server is primary or replica, of whom, and at which offset.",
    ),
    cmd(
        "save",
        exactly(1),
        OPS | NO_MULTI | NO_ASYNC_LOADING,
        NO_KEYS,
        "1.0.0",
        G,
        "O(N) for N keys in all databases.",
        save,
        "Writes a snapshot of all databases to disk while everybody waits.",
    ),
    cmd(
        "shutdown",
        at_least(1),
        OPS_ANY | NO_MULTI | ALLOW_BUSY,
        NO_KEYS,
        "1.0.0",
        G,
        "O(N) to save N keys of all databases, O(1) without saving.",
        shutdown,
        "Stops the server, after a snapshot if one is wanted.",
    ),
    cmd(
        "slaveof",
        exactly(3),
        OPS | STALE | NO_ASYNC_LOADING,
        NO_KEYS,
        "1.0.0",
        G,
        "O(1)",
        replicaof,
        "Does the same as REPLICAOF, under its old name.",
    ),
    cmd(
        "slowlog",
        at_least(2),
        0,
        NO_KEYS,
        "2.2.12",
        G,
        "By subcommand.",
        slowlog,
        "Subcommands that show and clear the log of slow commands.",
    ),
    cmd(
        "swapdb",
        exactly(3),
        WRITE | FAST,
        NO_KEYS,
        "4.0.0",
        G,
        "O(N) for N clients that watch or wait for keys of the two databases.",
        swapdb,
        "Exchanges the contents of two databases for all clients.",
    ),
    cmd(
        "sync",
        exactly(1),
        OPS | NO_MULTI | NO_ASYNC_LOADING,
        NO_KEYS,
        "1.0.0",
        G,
        "",
        psync,
        "Used by old replicas: asks for all data and the changes after it.",
    ),
    cmd(
        "time",
        exactly(1),
        ANY | FAST,
        NO_KEYS,
        "2.6.0",
        G,
        "O(1)",
        time,
        "Tells the Unix time of the server in seconds and microseconds.",
    ),
    cmd(
        "wait",
        exactly(3),
        0,
        NO_KEYS,
        "3.0.0",
        Group::Generic,
        "O(1)",
        wait,
        "Waits until enough replicas have acknowledged what the connection has written.",
    ),
    cmd(
        "waitaof",
        exactly(4),
        NO_SCRIPT,
        NO_KEYS,
        "7.2.0",
        Group::Generic,
        "O(1)",
        waitaof,
        "Waits until what the connection has written is in the append-only files here and on enough replicas.",
    ),
];

const COMMAND: &[Spec] = &[
    cmd(
        "command|count",
        exactly(2),
        ANY,
        NO_KEYS,
        "2.8.13",
        G,
        "O(1)",
        command_count,
        "Counts the commands that the server has.",
    ),
    cmd(
        "command|docs",
        at_least(2),
        ANY,
        NO_KEYS,
        "7.0.0",
        G,
        "O(N) for N commands asked for.",
        command_docs,
        "Returns what there is to read about some commands, or about all.",
    ),
    cmd(
        "command|getkeys",
        at_least(3),
        ANY,
        NO_KEYS,
        "2.8.13",
        G,
        "O(N) for N arguments.",
        command_getkeys,
        "Tells which arguments of a whole request are keys.",
    ),
    cmd(
        "command|help",
        exactly(2),
        ANY,
        NO_KEYS,
        "5.0.0",
        G,
        "O(1)",
        command_help,
        "Lists the subcommands of COMMAND, each with a sentence about it.",
    ),
    cmd(
        "command|info",
        at_least(2),
        ANY,
        NO_KEYS,
        "2.8.13",
        G,
        "O(N) for N commands asked for.",
        command_info,
        "Describes some commands, or all: arity, flags, where their keys are.",
    ),
    cmd(
        "command|list",
        at_least(2),
        ANY,
        NO_KEYS,
        "7.0.0",
        G,
        "O(N) for N commands of the server.",
        command_list,
        "Lists the names of all commands, or of those that pass a filter.",
    ),
];

const CONFIG: &[Spec] = &[
    cmd(
        "config|get",
        at_least(3),
        OPS_ANY,
        NO_KEYS,
        "2.0.0",
        G,
        "O(N) for N parameters given.",
        config,
        "Returns the settings whose names match patterns.",
    ),
    cmd(
        "config|help",
        exactly(2),
        ANY,
        NO_KEYS,
        "5.0.0",
        G,
        "O(1)",
        config_help,
        "Lists the subcommands of CONFIG, each with a sentence about it.",
    ),
    cmd(
        "config|resetstat",
        exactly(2),
        OPS_ANY,
        NO_KEYS,
        "2.0.0",
        G,
        "O(1)",
        config,
        "Sets the counters of INFO back to zero.",
    ),
    cmd(
        "config|rewrite",
        exactly(2),
        OPS_ANY,
        NO_KEYS,
        "2.8.0",
        G,
        "O(1)",
        config,
        "Writes the settings in force into the configuration file.",
    ),
    cmd(
        "config|set",
        at_least(4),
        OPS_ANY,
        NO_KEYS,
        "2.0.0",
        G,
        "O(N) for N parameters given.",
        config,
        "Changes settings while the server runs.",
    ),
];

/// The reply of a container's HELP: what its rows say.
pub(super) fn help(ctx: &mut Context<'_>, rows: &[Spec], container: &str) {
    ctx.reply.array(1 + rows.len() * 2);
    let head = format!("{container} <subcommand> [argument ...], where <subcommand> is one of:");
    ctx.reply.simple(&head);
    for row in rows {
        ctx.reply.simple(&row.own_name().to_uppercase());
        ctx.reply.simple(&format!("    {}", row.summary));
    }
}

fn config_help(ctx: &mut Context<'_>, _args: Args<'_>) -> Result<Done, Refusal> {
    help(ctx, CONFIG, "CONFIG");
    Ok(Done::NOTHING)
}

fn command_help(ctx: &mut Context<'_>, _args: Args<'_>) -> Result<Done, Refusal> {
    help(ctx, COMMAND, "COMMAND");
    Ok(Done::NOTHING)
}

fn command(ctx: &mut Context<'_>, _args: Args<'_>) -> Result<Done, Refusal> {
    let all = table().all();
    ctx.reply.array(all.len());
    all.iter().for_each(|spec| describe(&mut ctx.reply, spec));
    Ok(Done::NOTHING)
}

fn command_count(ctx: &mut Context<'_>, _args: Args<'_>) -> Result<Done, Refusal> {
    ctx.reply.int(table().all().len() as i64);
    Ok(Done::NOTHING)
}

/// The commands that some names stand for; unknown ones are `None`.
fn named(args: Args<'_>) -> Vec<Option<&'static Spec>> {
    let find = |name: &[u8]| {
        let mut parts = name.splitn(2, |byte| *byte == b'|');
        let spec = table().find(parts.next()?)?;
        match parts.next() {
            None => Some(spec),
            Some(own) => {
                spec.subcommands.iter().find(|s| s.own_name().as_bytes().eq_ignore_ascii_case(own))
            }
        }
    };
    match args.len() {
        2 => table().all().iter().map(|spec| Some(*spec)).collect(),
        _ => args.iter_from(2).map(find).collect(),
    }
}

fn command_info(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let specs = named(args);
    ctx.reply.array(specs.len());
    for spec in specs {
        match spec {
            Some(spec) => describe(&mut ctx.reply, spec),
            None => ctx.reply.null_array(),
        }
    }
    Ok(Done::NOTHING)
}

/// One command as COMMAND INFO shows it.
fn describe(reply: &mut Reply<'_>, spec: &Spec) {
    reply.array(10);
    reply.bulk(spec.name.as_bytes());
    reply.int(spec.arity.0 as i64);
    let mut flags: Vec<&str> = FLAG_NAMES
        .iter()
        .filter(|(flag, _)| spec.flags.has(*flag))
        .map(|(_, name)| *name)
        .collect();
    if matches!(spec.keys, Keys::Counted { .. }) {
        flags.push("movablekeys");
    }
    flags.retain(|name| !name.is_empty());
    reply.set(flags.len());
    flags.iter().for_each(|flag| reply.simple(flag));
    let (first, last, step) = match spec.keys {
        Keys::Range { first, last, step } => (first, last, step),
        Keys::Counted { destination, .. } if destination > 0 => (destination, destination, 1),
        Keys::Found { first, .. } if first > 0 => (first, first, 1),
        _ => (0, 0, 0),
    };
    [first, last, step].iter().for_each(|position| reply.int(*position as i64));
    let categories = categories(spec);
    reply.set(categories.len());
    categories.iter().for_each(|name| reply.simple(name));
    reply.array(0);
    describe_keys(reply, spec);
    reply.array(spec.subcommands.len());
    spec.subcommands.iter().for_each(|sub| describe(reply, sub));
}

fn describe_keys(reply: &mut Reply<'_>, spec: &Spec) {
    let writes = spec.flags.has(WRITE);
    match spec.keys {
        Keys::Range { first, last, step } => {
            reply.array(1);
            let access: &[&str] =
                if writes { &["RW", "access", "update"] } else { &["RO", "access"] };
            describe_range(reply, access, (first, last, step));
        }
        // One that is read, and what only the options say: where the result goes.
        Keys::Found { first, .. } => {
            reply.array(1 + usize::from(first > 0));
            if first > 0 {
                describe_range(reply, &["RO", "access"], (first, first, 1));
            }
            describe_unknown(reply, if writes { &["OW", "update"] } else { &["RO", "access"] });
        }
        Keys::None | Keys::Counted { .. } => reply.array(0),
    }
}

/// Keys that are found by asking COMMAND GETKEYS.
fn describe_unknown(reply: &mut Reply<'_>, access: &[&str]) {
    reply.map(3);
    reply.bulk(b"flags");
    reply.set(access.len());
    access.iter().for_each(|flag| reply.simple(flag));
    for part in [&b"begin_search"[..], b"find_keys"] {
        reply.bulk(part);
        reply.map(2);
        reply.bulk(b"type");
        reply.bulk(b"unknown");
        reply.bulk(b"spec");
        reply.map(0);
    }
}

fn describe_range(reply: &mut Reply<'_>, access: &[&str], (first, last, step): (i16, i16, i16)) {
    reply.map(3);
    reply.bulk(b"flags");
    reply.set(access.len());
    access.iter().for_each(|flag| reply.simple(flag));
    reply.bulk(b"begin_search");
    reply.map(2);
    reply.bulk(b"type");
    reply.bulk(b"index");
    reply.bulk(b"spec");
    reply.map(1);
    reply.bulk(b"index");
    reply.int(first as i64);
    reply.bulk(b"find_keys");
    reply.map(2);
    reply.bulk(b"type");
    reply.bulk(b"range");
    reply.bulk(b"spec");
    reply.map(3);
    reply.bulk(b"lastkey");
    reply.int(if last < 0 { last as i64 } else { (last - first) as i64 });
    reply.bulk(b"keystep");
    reply.int(step as i64);
    reply.bulk(b"limit");
    reply.int(0);
}

/// The ACL categories of a command.
pub fn categories(spec: &Spec) -> Vec<String> {
    let mut all = match spec.name {
        // Looks into keys that it is not given.
        "sort" | "sort_ro" => vec!["list", "set", "sortedset", "dangerous"],
        _ => vec![spec.group.category()],
    };
    let flags = [
        (WRITE, "write"),
        (READ, "read"),
        (ADMIN, "admin"),
        (PUBSUB, "pubsub"),
        (BLOCKING, "blocking"),
    ];
    all.extend(flags.iter().filter(|(flag, _)| spec.flags.has(*flag)).map(|(_, name)| *name));
    if spec.flags.has(ADMIN) {
        all.push("dangerous");
    }
    all.push(if spec.flags.has(FAST) { "fast" } else { "slow" });
    all.sort_unstable();
    all.dedup();
    all.iter().map(|name| format!("@{name}")).collect()
}

fn command_docs(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let specs: Vec<&Spec> = named(args).into_iter().flatten().collect();
    ctx.reply.map(specs.len());
    specs.iter().for_each(|spec| document(&mut ctx.reply, spec));
    Ok(Done::NOTHING)
}

fn document(reply: &mut Reply<'_>, spec: &Spec) {
    reply.bulk(spec.name.as_bytes());
    reply.map(4 + !spec.subcommands.is_empty() as usize);
    let rows = [
        ("summary", spec.summary),
        ("since", spec.since),
        ("group", spec.group.name()),
        ("complexity", spec.complexity),
    ];
    for (name, text) in rows {
        reply.bulk(name.as_bytes());
        reply.bulk(text.as_bytes());
    }
    if !spec.subcommands.is_empty() {
        reply.bulk(b"subcommands");
        reply.map(spec.subcommands.len());
        spec.subcommands.iter().for_each(|sub| document(reply, sub));
    }
}

fn command_getkeys(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let inner = args.tail(2);
    let Some(spec) = resolve(inner) else {
        return Err(Refusal::fixed("ERR Invalid command specified"));
    };
    if spec.keys == Keys::None {
        return Err(Refusal::fixed("ERR The command has no key arguments"));
    }
    if !spec.arity.fits(inner.len()) {
        return Err(Refusal::fixed("ERR Invalid number of arguments specified for command"));
    }
    let Some(positions) = spec.keys.positions(inner) else {
        return Err(Refusal::fixed("ERR Invalid arguments specified for command"));
    };
    ctx.reply.array(positions.len());
    positions.iter().for_each(|at| ctx.reply.bulk(inner.at(*at)));
    Ok(Done::NOTHING)
}

/// `COMMAND LIST [FILTERBY MODULE name|ACLCAT category|PATTERN pattern]`.
fn command_list(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let all = table().all().iter().flat_map(|spec| [*spec].into_iter().chain(spec.subcommands));
    let names: Vec<&str> = if args.len() == 2 {
        all.map(|spec| spec.name).collect()
    } else if args.len() == 5 && is(args.at(2), "FILTERBY") {
        let wanted = args.at(4);
        if is(args.at(3), "MODULE") {
            Vec::new()
        } else if is(args.at(3), "ACLCAT") {
            let wanted = [b"@", wanted].concat();
            let has = |spec: &&Spec| {
                categories(spec).iter().any(|c| c.as_bytes().eq_ignore_ascii_case(&wanted))
            };
            all.filter(has).map(|spec| spec.name).collect()
        } else if is(args.at(3), "PATTERN") {
            all.filter(|s| glob::matches(wanted, s.name.as_bytes(), true)).map(|s| s.name).collect()
        } else {
            return Err(Refusal::SYNTAX);
        }
    } else {
        return Err(Refusal::SYNTAX);
    };
    ctx.reply.array(names.len());
    names.iter().for_each(|name| ctx.reply.bulk(name.as_bytes()));
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
    } else {
        return ctx.host(HostCall::DebugHost, args);
    }
    Ok(Done::NOTHING)
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
    ctx.reply.ok();
    ctx.engine.start_monitor(ctx.session);
    Ok(Done::NOTHING)
}

fn swapdb(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let index = |text: &[u8], which: &str| {
        int(text).map_err(|_| Refusal::new(format!("ERR invalid {which} DB index")))
    };
    let pair = [index(args.at(1), "first")?, index(args.at(2), "second")?];
    let len = ctx.engine.dbs.len() as i64;
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
