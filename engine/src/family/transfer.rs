//! Values on their way to another server: DUMP, RESTORE and MIGRATE.
//!
//! ```text
//! MIGRATE: keys that are here ─► [AUTH] [SELECT] RESTORE … ─► the other server ─► +OK: key deleted, effect DEL
//! ```
//!
//! MIGRATE holds everything up until the other server has answered or its timeout is over, as with Redis: nobody can
//! change a key between its copy there and its end here.
//!
//! # Not here
//! - the conversation with the other server, and connections kept for the next one: [`Host::converse`](crate::Host)

use crate::arguments::{int, is};
use crate::command::*;
use crate::context::{Class, Context, Done, Key};
use crate::host::{Conversation, Interruption};
use crate::refusal::Refusal;
use keyspace::db::EntryRef;
use keyspace::entry::{Value, ValueRef};
use keyspace::eviction::Frequency;
use keyspace::limits::Limits;
use keyspace::rdb::{ValueBuilder, write_value};
use protocol::rdb::{DumpPayload, ObjectType, Sum, Writer, read_dump_value, verify_dump_payload};
use protocol::resp::{Args, encode};

#[rustfmt::skip]
pub(super) const COMMANDS: &[Spec] = &[
    //  name              arity        flags                                 keys                     handler
    cmd("dump",           exactly(2),  READ,                                 key(1),                  dump),
    cmd("migrate",        at_least(6), WRITE | MOVABLE_KEYS | NOT_IN_STREAM, found(3, migrated_keys), migrate),
    cmd("restore",        at_least(4), WRITE | GROWS,                        key(1),                  restore),
    cmd("restore-asking", at_least(4), WRITE | GROWS,                        key(1),                  restore),
];

/// `DUMP key` → the value in the form of RDB version 10, with version and checksum.
fn dump(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let key = ctx.key(args, 1);
    match ctx.engine.read(ctx.scope, key) {
        None => ctx.reply.null(),
        Some(entry) => {
            let payload = payload_of(entry.value());
            ctx.reply.bulk(&payload);
        }
    }
    Ok(Done::NOTHING)
}

pub(super) fn payload_of(value: ValueRef<'_>) -> Vec<u8> {
    let mut writer = Writer::<Vec<u8>>::for_dump(true);
    match write_value(&mut writer, None, value) {
        Ok(()) => writer.into_dump_payload(),
        Err(never) => match never {},
    }
}

/// What the options of RESTORE ask for.
#[derive(Default)]
struct RestoreOptions<'a> {
    replace: bool,
    /// The word that says so, as it was written.
    absolute: Option<&'a [u8]>,
    idle_s: Option<i64>,
    count: Option<u8>,
}

fn restore_options(args: Args<'_>) -> Result<RestoreOptions<'_>, Refusal> {
    let (mut options, mut at) = (RestoreOptions::default(), 4);
    while let Some(word) = args.get(at) {
        let more = args.get(at + 1);
        if is(word, "REPLACE") {
            options.replace = true;
        } else if is(word, "ABSTTL") {
            options.absolute = Some(word);
        } else if let (true, Some(value), None) = (is(word, "IDLETIME"), more, options.count) {
            let idle = int(value)?;
            if idle < 0 {
                return Err(Refusal::fixed("ERR Invalid IDLETIME value, must be >= 0"));
            }
            options.idle_s = Some(idle);
            at += 1;
        } else if let (true, Some(value), None) = (is(word, "FREQ"), more, options.idle_s) {
            let counter = int(value)?;
            if !(0..=255).contains(&counter) {
                return Err(Refusal::fixed("ERR Invalid FREQ value, must be >= 0 and <= 255"));
            }
            options.count = Some(counter as u8);
            at += 1;
        } else {
            return Err(Refusal::SYNTAX);
        }
        at += 1;
    }
    Ok(options)
}

/// `RESTORE key ttl payload [REPLACE] [ABSTTL] [IDLETIME s] [FREQ n]`.
///
/// Passed on with a payload of our own: a foreign one may have a version that an older replica refuses silently.
fn restore(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let options = restore_options(args)?;
    let key = ctx.key(args, 1);
    if !options.replace && ctx.engine.lookup_write(ctx.scope, key).is_some() {
        return Err(Refusal::fixed("BUSYKEY Target key name already exists.").of_state());
    }
    let ttl = int(args.at(2))?;
    // A time beyond all times becomes one before them in Redis, which passes it on: the key has expired.
    if ttl < 0 && !ctx.session.is_trusted() {
        return Err(Refusal::fixed("ERR Invalid TTL value, must be >= 0"));
    }
    let value = restored(ctx, args.at(3))?;
    let now = ctx.now();
    let expiry = match ttl {
        0 => None,
        at if options.absolute.is_some() => Some(at),
        ms => Some(ms.checked_add(now).ok_or(Refusal::invalid_expiry("restore"))?),
    };
    let there = ctx.engine.exists(ctx.scope, key);
    ctx.reply.ok();
    if expiry.is_some_and(|at| at <= now) && !ctx.scope.sees_expired && !ctx.engine.is_replica {
        // Already over: what remains is that the old value is gone.
        if !there {
            return Ok(Done::NOTHING);
        }
        ctx.engine.delete(ctx.scope.db, key);
        ctx.changed(key, Class::Generic, "del");
        let name: &[u8] = if ctx.engine.unlinks_removed { b"UNLINK" } else { b"DEL" };
        ctx.effect(&[name, key.bytes]);
        return Ok(Done::ONE);
    }
    if there {
        ctx.engine.delete(ctx.scope.db, key);
    }
    ctx.engine.put(ctx.scope.db, key, value, expiry);
    let clock = match (ctx.engine.eviction.counts_uses(), &options) {
        (true, RestoreOptions { count: Some(count), .. }) => {
            Some(Frequency::pack(ctx.engine.minutes(), *count))
        }
        (false, RestoreOptions { idle_s: Some(idle), .. }) => {
            let idle = (*idle).min(0xff_ffff) as u32;
            Some(ctx.engine.seconds().wrapping_sub(idle) & 0xff_ffff)
        }
        _ => None,
    };
    let db = &ctx.engine.dbs[ctx.scope.db];
    if let (Some(clock), Some(entry)) = (clock, db.get(key.hash, key.bytes)) {
        db.touch(entry, clock);
    }
    ctx.changed(key, Class::Generic, "restore");
    let at = expiry.unwrap_or(0).to_string();
    let entry = ctx.engine.dbs[ctx.scope.db].get(key.hash, key.bytes);
    let own = entry.map_or_else(Vec::new, |entry| payload_of(entry.value()));
    let mut effect = vec![b"RESTORE", key.bytes, at.as_bytes(), &own];
    if options.replace {
        effect.push(b"REPLACE");
    }
    if expiry.is_some() {
        effect.push(options.absolute.unwrap_or(b"ABSTTL"));
    }
    ctx.effect(&effect);
    Ok(Done::ONE)
}

/// The value of a payload, if it is one.
fn restored(ctx: &mut Context<'_>, payload: &[u8]) -> Result<Value, Refusal> {
    let sum = if ctx.engine.skips_checksums { Sum::Ignored } else { Sum::Verified };
    let payload = verify_dump_payload(payload, sum)
        .map_err(|_| Refusal::fixed("ERR DUMP payload version or checksum are wrong"))?;
    ctx.engine.stats.dump_payload_sanitizations += 1;
    decode(&payload, &ctx.engine.limits).map_err(|reason| {
        let what = name_of(payload.object_type);
        ctx.warn(&format!(
            "{what} integrity check failed. A payload of RESTORE was refused: {reason}"
        ));
        Refusal::fixed("ERR Bad data format")
    })
}

/// The value of a payload, or why there is none: its body is not what its type says, or holds nothing.
fn decode(payload: &DumpPayload<'_>, limits: &Limits) -> Result<Value, String> {
    let mut builder = ValueBuilder::new(limits);
    read_dump_value(payload, &mut builder).map_err(|error| error.to_string())?;
    let value = builder.take().map_err(|error| error.to_string())?;
    value.ok_or_else(|| "a collection without elements".into())
}

/// What a payload holds, as the log calls it.
fn name_of(object_type: ObjectType) -> &'static str {
    match object_type {
        ObjectType::HashZipmap => "Zipmap",
        ObjectType::ListZiplist => "List ziplist",
        ObjectType::SetIntset => "Intset",
        ObjectType::ZsetZiplist => "Zset ziplist",
        ObjectType::HashZiplist => "Hash ziplist",
        ObjectType::ListQuicklist | ObjectType::ListQuicklist2 => "List node",
        ObjectType::HashListpack => "Hash listpack",
        ObjectType::ZsetListpack => "Zset listpack",
        ObjectType::SetListpack => "Set listpack",
        ObjectType::Stream1 | ObjectType::Stream2 | ObjectType::Stream3 => "Stream listpack",
        _ => "Value",
    }
}

/// What a MIGRATE asks for.
#[derive(Default)]
struct MigrateOptions<'a> {
    copy: bool,
    replace: bool,
    auth: Option<(Option<&'a [u8]>, &'a [u8])>,
    /// Position of the first key, where they follow KEYS.
    keys: Option<usize>,
}

fn migrate_options(args: Args<'_>) -> Result<MigrateOptions<'_>, Refusal> {
    let (mut options, mut at) = (MigrateOptions::default(), 6);
    while let Some(word) = args.get(at) {
        if is(word, "COPY") {
            options.copy = true;
        } else if is(word, "REPLACE") {
            options.replace = true;
        } else if let (true, Some(password)) = (is(word, "AUTH"), args.get(at + 1)) {
            options.auth = Some((options.auth.and_then(|(user, _)| user), password));
            at += 1;
        } else if let (true, Some(password)) = (is(word, "AUTH2"), args.get(at + 2)) {
            options.auth = Some((args.get(at + 1), password));
            at += 2;
        } else if is(word, "KEYS") {
            if !args.at(3).is_empty() {
                return Err(Refusal::fixed(
                    "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string",
                ));
            }
            options.keys = Some(at + 1);
            return Ok(options);
        } else {
            return Err(Refusal::SYNTAX);
        }
        at += 1;
    }
    Ok(options)
}

/// The key at its place or, where that is empty, those behind KEYS.
fn migrated_keys(args: Args<'_>) -> Option<Vec<usize>> {
    match migrate_options(args).ok()?.keys {
        Some(first) => Some((first..args.len()).collect()),
        None => Some(vec![3]),
    }
}

/// `MIGRATE host port key|"" db timeout-ms [COPY] [REPLACE] [AUTH password | AUTH2 user password] [KEYS key …]`.
fn migrate(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let options = migrate_options(args)?;
    let timeout_ms = match int(args.at(5))? {
        ms if ms <= 0 => 1000,
        ms => ms as u64,
    };
    let db = int(args.at(4))?;
    ctx.no_effect();
    let (mut keys, mut requests) = (Vec::new(), Vec::new());
    for at in options.keys.map_or(3..4, |first| first..args.len()) {
        let key = Key::new(args.at(at));
        let now = ctx.now();
        if let Some(entry) = ctx.read(key) {
            write_restore(&mut requests, entry, now, options.replace);
            keys.push(key);
        }
    }
    if keys.is_empty() {
        ctx.reply.simple("NOKEY");
        return Ok(Done::NOTHING);
    }
    let outcome = ctx.converse(&Conversation {
        host: args.at(1),
        port: args.at(2),
        timeout_ms,
        auth: options.auth,
        db,
        requests: &requests,
        count: keys.len(),
    });
    let answers = keys.into_iter().zip(&outcome.answers);
    let arrived: Vec<_> =
        answers.filter(|(_, answer)| answer.is_ok()).map(|(key, _)| key).collect();
    if !options.copy {
        for key in &arrived {
            ctx.engine.delete(ctx.scope.db, *key);
            ctx.changed(*key, Class::Generic, "del");
        }
        // Also where the command fails in the end: what has arrived there is no longer here.
        if !arrived.is_empty() {
            let words = std::iter::once(&b"DEL"[..]).chain(arrived.iter().map(|key| key.bytes));
            ctx.effect(&words.collect::<Vec<_>>());
        }
    }
    let refused = outcome.answers.iter().find_map(|answer| answer.as_ref().err());
    let moved = if options.copy { 0 } else { arrived.len() };
    let failed = match (refused, outcome.interruption) {
        (Some(text), _) => Refusal::quoting("ERR Target instance replied with error: ", text, ""),
        (None, Some(interruption)) => Refusal::fixed(match interruption {
            Interruption::Connecting => "IOERR error or timeout connecting to the client",
            Interruption::Writing => "IOERR error or timeout writing to target instance",
            Interruption::Reading => "IOERR error or timeout reading to target instance",
        }),
        (None, None) => {
            ctx.reply.ok();
            return Ok(Done::changes(moved));
        }
    };
    ctx.engine.dirty += moved as u64;
    Err(failed)
}

/// The request that makes a key again at another server. A key that is over at this moment gets its last millisecond.
fn write_restore(out: &mut Vec<u8>, entry: EntryRef<'_>, now: i64, replace: bool) {
    let left = entry.expiry().map_or(0, |at| at.saturating_sub(now).max(1)).to_string();
    let payload = payload_of(entry.value());
    let words = [&b"RESTORE"[..], entry.key(), left.as_bytes(), &payload, b"REPLACE"];
    let words = &words[..if replace { 5 } else { 4 }];
    encode::command(out, words.iter().copied());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Answers;
    use crate::testing::Server;

    /// A request with its last argument as bytes.
    fn quoted(payload: &[u8]) -> String {
        payload.iter().map(|byte| format!("\\x{byte:02x}")).collect()
    }

    #[test]
    fn payloads_are_those_of_the_peers() {
        for (value, hex) in [
            (Value::Str(b"hello".to_vec()), "000568656c6c6f0a006372df766534200a"),
            (Value::Int(-129), "00c17fff0a001760822854808480"),
        ] {
            let mut db = keyspace::db::Db::new();
            assert!(db.add_new(b"k", value, None, 0));
            let entry = db.get(Key::new(b"k").hash, b"k").unwrap();
            let text: String =
                payload_of(entry.value()).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(text, hex);
        }
    }

    #[test]
    fn a_payload_damaged_anywhere_is_refused_and_leaves_nothing() {
        let mut server = Server::new();
        server.run("RPUSH list a b 300");
        let entry = server.engine.dbs[0].get(Key::new(b"list").hash, b"list").unwrap();
        let payload = payload_of(entry.value());
        for at in 0..payload.len() {
            let mut damaged = payload.clone();
            damaged[at] ^= 1;
            let answer = server.run(&format!("RESTORE copy 0 \"{}\"", quoted(&damaged)));
            assert!(answer.contains("payload version or checksum are wrong"), "{at}: {answer}");
            assert_eq!(server.engine.dbs[0].len(), 1);
        }
        let whole = format!("RESTORE copy 0 \"{}\"", quoted(&payload));
        assert!(server.run(&whole).contains("OK"));
        assert!(server.run(&whole).contains("BUSYKEY"));
        assert!(server.run(&format!("{whole} REPLACE")).contains("OK"));
        let digests: Vec<_> = [&b"list"[..], b"copy"]
            .map(|key| {
                crate::digest::of_value(server.engine.dbs[0].get(Key::new(key).hash, key).unwrap())
            })
            .to_vec();
        assert_eq!(digests[0], digests[1]);
    }

    #[test]
    fn what_has_arrived_elsewhere_is_deleted_here() {
        let mut server = Server::new();
        server.run("MSET a 1 b 2 c 3");
        server.run("PEXPIREAT b 1700000001000");
        assert_eq!(server.run(r#"MIGRATE host 7 "" 3 0 KEYS a none b"#), "+OK");
        let payload = |int: u8| {
            let mut db = keyspace::db::Db::new();
            assert!(db.add_new(b"k", Value::Int(int.into()), None, 0));
            payload_of(db.get(Key::new(b"k").hash, b"k").unwrap().value())
        };
        let mut expected = Vec::new();
        for (key, ttl, payload) in [(b"a", &b"0"[..], payload(1)), (b"b", b"1000", payload(2))] {
            encode::command(&mut expected, [&b"RESTORE"[..], key, ttl, &payload].into_iter());
        }
        assert_eq!(server.asked().escape_ascii().to_string(), expected.escape_ascii().to_string());
        assert_eq!(server.run("KEYS *"), "[c]");
        assert_eq!(server.run("MIGRATE host 7 a 0 0"), "+NOKEY");
        assert_eq!(server.run("MIGRATE host 7 c 0 0 COPY REPLACE"), "+OK");
        assert!(server.asked().ends_with(b"$7\r\nREPLACE\r\n"));
        assert_eq!(server.run("EXISTS c"), "1");
    }

    #[test]
    fn what_has_not_arrived_elsewhere_stays() {
        for (interruption, answers, left, reply) in [
            (
                None,
                vec![Ok(()), Err(b"BUSYKEY no".to_vec()), Ok(())],
                "[b]",
                "-ERR Target instance replied with error: BUSYKEY no",
            ),
            (
                Some(Interruption::Reading),
                vec![Ok(())],
                "[b c]",
                "-IOERR error or timeout reading to target instance",
            ),
            (
                Some(Interruption::Writing),
                vec![],
                "[a b c]",
                "-IOERR error or timeout writing to target instance",
            ),
            (
                Some(Interruption::Connecting),
                vec![],
                "[a b c]",
                "-IOERR error or timeout connecting to the client",
            ),
        ] {
            let mut server = Server::new();
            server.run("MSET a 1 b 2 c 3");
            let mut copy = Server::new();
            copy.replay(&mut server);
            server.will_answer(Answers { answers, interruption });
            assert_eq!(server.run(r#"MIGRATE host 7 "" 0 0 KEYS a b c"#), reply);
            copy.replay(&mut server);
            assert_eq!(copy.digest(), server.digest());
            let here = |key: &&str| server.run(&format!("EXISTS {key}")) == "1";
            let keys: Vec<_> = ["a", "b", "c"].into_iter().filter(here).collect();
            assert_eq!(format!("[{}]", keys.join(" ")), left);
        }
    }

    #[test]
    fn words_of_migrate() {
        let mut server = Server::new();
        server.run("SET a 1");
        for (line, reply) in [
            ("MIGRATE host 7 a 0 0 AUTH", "-ERR syntax error"),
            ("MIGRATE host 7 a 0 0 AUTH2 user", "-ERR syntax error"),
            ("MIGRATE host 7 a 0 0 FRESH", "-ERR syntax error"),
            ("MIGRATE host 7 a 0 x", "-ERR value is not an integer or out of range"),
            ("MIGRATE host 7 a x 0", "-ERR value is not an integer or out of range"),
            (
                "MIGRATE host 7 a 0 0 KEYS b",
                "-ERR When using MIGRATE KEYS option, the key argument must be set to the empty string",
            ),
            (r#"COMMAND GETKEYS MIGRATE host 7 "" 0 0 COPY KEYS b c"#, "[b c]"),
            ("COMMAND GETKEYS MIGRATE host 7 a 0 0 AUTH2 user keys", "[a]"),
        ] {
            assert_eq!(server.run(line), reply, "{line}");
        }
    }
}
