//! What holds for every command that changes data: its effects make a copy equal to the original, and the journal alone
//! builds it from nothing.
//!
//! # Not here
//! - groups and consumers of streams, which digests do not show: `streams/tests.rs`

use crate::command::{self, HasFlags};
use crate::random::Random;
use crate::testing::{Server, with};
use std::sync::LazyLock;

mod shapes;

/// Data of all types. Tests of other crates read the same file, to let real servers execute the effects.
static SAMPLE: LazyLock<Vec<&str>> =
    LazyLock::new(|| include_str!("tests/sample.txt").lines().collect());

/// Commands whose effects a digest does not show: those on groups and consumers.
const UNSEEN: &[&str] = &["xack", "xautoclaim", "xclaim", "xgroup", "xreadgroup", "xsetid"];

/// Requests that change something in the sample.
static WRITES: LazyLock<Vec<&str>> =
    LazyLock::new(|| include_str!("tests/writes.txt").lines().collect());

fn name(line: &str) -> String {
    line.split(' ').next().expect("a word").to_lowercase()
}

/// When the keys of all databases expire.
fn expiries(server: &Server) -> Vec<String> {
    let dbs = server.engine.dbs.iter().enumerate();
    let mut all: Vec<_> = dbs
        .flat_map(|(index, db)| db.iter().map(move |entry| (index, entry)))
        .map(|(db, entry)| format!("{db} {} {:?}", entry.key().escape_ascii(), entry.expiry()))
        .collect();
    all.sort();
    all
}

/// The data of both servers are the same, and expire at the same time.
fn assert_equal(primary: &Server, replica: &Server, what: &str) {
    assert_eq!(primary.digest(), replica.digest(), "{what}");
    assert_eq!(expiries(primary), expiries(replica), "{what}");
}

#[test]
fn every_writing_command_has_a_request() {
    for spec in crate::family::table().all() {
        // Those of a container are requests of the container.
        let of_a_name = |line: &&str| name(line) == spec.name.split('|').next().unwrap_or_default();
        let sub = spec.name.split_once('|').map(|(_, sub)| sub);
        let fits = |line: &&str| {
            of_a_name(line)
                && sub.is_none_or(|sub| {
                    line.split(' ').nth(1).is_some_and(|w| w.eq_ignore_ascii_case(sub))
                })
        };
        if spec.flags.has(command::WRITE) {
            assert!(WRITES.iter().any(fits), "{}", spec.name);
        }
    }
}

#[test]
fn effects_make_a_copy_equal() {
    for line in WRITES.iter() {
        let (mut primary, mut replica) = (with(&SAMPLE), with(&SAMPLE));
        let before = primary.digest();
        primary.ok(line);
        assert!(primary.engine.dirty > 0, "{line} changes something");
        let unseen = UNSEEN.contains(&name(line).as_str());
        if !unseen && *line != "RPOPLPUSH list2 list2" {
            assert_ne!(primary.digest(), before, "{line}");
        }
        replica.replay(&mut primary);
        assert_equal(&primary, &replica, line);
    }
}

#[test]
fn effects_on_expired_keys_make_a_copy_equal() {
    let expiring = || {
        let mut server = with(&SAMPLE);
        for line in SAMPLE.iter() {
            let key = line.split(' ').nth(1).expect("a key");
            server.ok(&format!("PEXPIRE {key} 10"));
        }
        server.journal();
        server.engine.now_ms += 20;
        server
    };
    for line in WRITES.iter() {
        let (mut primary, mut replica): (Server, Server) = (expiring(), expiring());
        primary.run(line);
        replica.replay(&mut primary);
        assert_equal(&primary, &replica, line);
    }
}

#[test]
fn effects_of_a_transaction_make_a_copy_equal() {
    let (mut primary, mut replica) = (with(&SAMPLE), with(&SAMPLE));
    primary.ok("MULTI");
    for line in WRITES.iter() {
        assert_eq!(primary.run(line), "+QUEUED", "{line}");
    }
    primary.ok("EXEC");
    replica.replay(&mut primary);
    assert_equal(&primary, &replica, "all in a transaction");
}

#[test]
fn the_journal_alone_builds_the_data_from_nothing() {
    for line in WRITES.iter() {
        let (mut primary, mut replica) = (Server::new(), Server::new());
        SAMPLE.iter().for_each(|sample| primary.ok(sample));
        primary.ok(line);
        replica.replay(&mut primary);
        assert_equal(&primary, &replica, line);
    }
}

/// The line with some of its keys exchanged for others, so that commands meet keys of other types and themselves.
fn mixed(random: &mut Random, line: &str) -> String {
    const KEYS: [&str; 18] = [
        "list",
        "list2",
        "hash",
        "ints",
        "set",
        "zset",
        "zset2",
        "names",
        "string",
        "bits",
        "hll",
        "hll2",
        "geo",
        "number",
        "temporary",
        "stream",
        "new",
        "none",
    ];
    let words =
        line.split(' ').map(|word| match KEYS.contains(&word) && random.draw().is_multiple_of(4) {
            true => KEYS[random.draw() as usize % KEYS.len()],
            false => word,
        });
    words.collect::<Vec<_>>().join(" ")
}

fn any_of(random: &mut Random, lines: &[&str]) -> String {
    let line = lines[random.draw() as usize % lines.len()];
    mixed(random, line)
}

/// Requests in any order, in two databases and in transactions, while keys expire: what is journaled is never refused, and
/// gives the same data.
#[test]
fn random_requests_are_rebuilt_from_the_journal() {
    for seed in 0..40 {
        let mut random = Random::new(seed);
        let (mut primary, mut replica) = (Server::new(), Server::new());
        let mut refused = 0;
        for step in 0..600 {
            let line = match random.draw() % 16 {
                0 => format!("SELECT {}", random.draw() % 2),
                1 => mixed(&mut random, "PEXPIRE list 5"),
                2 => ["MULTI", "EXEC", "EXEC", "DISCARD"][random.draw() as usize % 4].to_string(),
                3 => {
                    primary.engine.now_ms += random.draw() as i64 % 4;
                    continue;
                }
                4 => {
                    primary.sweep();
                    continue;
                }
                5..10 => any_of(&mut random, &SAMPLE),
                // Not FLUSHALL all the time.
                _ if step % 100 != 99 => any_of(&mut random, &WRITES[..WRITES.len() - 3]),
                _ => WRITES[WRITES.len() - 1 - random.draw() as usize % 3].to_string(),
            };
            // There is no other client that would end a wait: in a transaction nobody waits.
            let spec = crate::family::table().find(name(&line).as_bytes()).expect("a command");
            let waits = spec.flags.has(command::BLOCKING);
            if waits {
                primary.run("MULTI");
            }
            refused += usize::from(primary.run(&line).starts_with("-"));
            if waits {
                primary.run("EXEC");
            }
        }
        assert!(refused < 300, "most requests of seed {seed} are sound");
        primary.run("DISCARD");
        primary.engine.now_ms += 10;
        primary.sweep();
        replica.replay(&mut primary);
        assert_equal(&primary, &replica, &format!("seed {seed}"));
    }
}

#[test]
fn keys_of_counted_commands_are_found() {
    let mut server = with(&[]);
    for (line, keys) in [
        ("COMMAND GETKEYS LMPOP 2 a b LEFT", "[a b]"),
        ("COMMAND GETKEYS ZUNIONSTORE d 2 a b WEIGHTS 1 2", "[d a b]"),
        ("COMMAND GETKEYS SINTERCARD 1 a LIMIT 2", "[a]"),
        ("COMMAND GETKEYS SMOVE a b c", "[a b]"),
    ] {
        assert_eq!(server.run(line), keys, "{line}");
    }
}

#[test]
fn what_redis_8_says_of_hincrbyfloat_is_understood_from_a_primary_only() {
    let mut server = with(&["HSET h a 1"]);
    let effect = "HSETEX h KEEPTTL FIELDS 2 a 1.5 b x";
    assert!(server.run(effect).starts_with("-ERR unknown command 'HSETEX'"));
    server.as_primary(|server| {
        assert_eq!(server.run(effect), "1");
        for other in [
            "HSETEX h EX 10 FIELDS 1 a 1",
            "HSETEX h KEEPTTL FIELDS 2 a 1",
            "HSETEX h KEEPTTL FIELDS 0",
            "HSETEX h KEEPTTL FIELDS 9223372036854775807 a 1",
            "HSETEX h KEEPTTL",
        ] {
            assert!(server.run(other).starts_with("-ERR unknown command"), "{other}");
        }
    });
    assert_eq!(server.run("HGETALL h"), "[a 1.5 b x]");
}

#[test]
fn more_members_than_a_small_form_may_have_make_a_large_one() {
    let mut server = Server::new();
    let limits = &mut server.engine.limits;
    (limits.set_max_intset_entries, limits.set_max_listpack_entries) = (4, 3);
    (limits.zset_max_listpack_entries, limits.hash_max_listpack_entries) = (3, 3);
    for (first, many, encoding) in [
        ("", "SADD key a a a a", "hashtable"),
        ("SADD key a", "SADD key a a a a", "hashtable"),
        ("SADD key a", "SADD key a a a", "listpack"),
        ("SADD key 1", "SADD key 1 1 1 1 1", "hashtable"),
        ("SADD key 1", "SADD key 1 1 1 1", "intset"),
        ("ZADD key 1 a", "ZADD key 1 a 1 a 1 a 1 a", "skiplist"),
        ("ZADD key 1 a", "ZADD key 1 a 1 a 1 a", "listpack"),
        ("HSET key a 1", "HSET key a 1 a 1 a 1 a 1", "hashtable"),
        ("HSET key a 1", "HSET key a 1 a 1 a 1", "listpack"),
        ("", "HSET key a 1 a 1 a 1 a 1", "hashtable"),
    ] {
        server.run("DEL key");
        if !first.is_empty() {
            server.ok(first);
        }
        server.ok(many);
        assert_eq!(server.run("OBJECT ENCODING key"), encoding, "{first}; {many}");
    }
}
