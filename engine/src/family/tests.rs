//! What holds for every command that changes data: its effects make a copy equal to the original, and the journal alone
//! builds it from nothing.
//!
//! # Not here
//! - groups and consumers of streams, which digests do not show: `streams/tests.rs`

use crate::command::{self, HasFlags};
use crate::random::Random;
use crate::testing::{Server, with};

mod shapes;

const SAMPLE: &[&str] = &[
    "RPUSH list a b c a 5",
    "RPUSH list2 x",
    "HSET hash f 1 g 2.5 h text",
    "SADD ints 1 2 3",
    "SADD set a b c 1 2",
    "ZADD zset 1 a 2 b 3 c 4 d",
    "ZADD zset2 -1 b 10 c 0.5 z",
    "ZADD names 0 a 0 b 0 c",
    "SET string s",
    "SET bits foobar",
    "PFADD hll a b c",
    "PFADD hll2 c d",
    "GEOADD geo 13.361389 38.115556 Palermo 15.087269 37.502669 Catania",
    "SET number 17",
    "SET temporary s PXAT 1700000500000",
    "XADD stream 1-1 f v",
    "XADD stream 2-1 f w",
    "XADD stream 3-1 f x",
    "XGROUP CREATE stream g 0",
    "XREADGROUP GROUP g c COUNT 2 STREAMS stream >",
];

/// Commands whose effects a digest does not show: those on groups and consumers.
const UNSEEN: &[&str] = &["xack", "xautoclaim", "xclaim", "xgroup", "xreadgroup", "xsetid"];

/// Requests that change something in the sample.
const WRITES: &[&str] = &[
    "APPEND string x",
    "APPEND new x",
    "DECR number",
    "DECRBY number 3",
    "GETDEL string",
    "GETEX string EX 100",
    "GETEX string PXAT 1",
    "GETEX temporary PERSIST",
    "GETSET temporary x",
    "INCR number",
    "INCRBY new 5",
    "INCRBYFLOAT number 0.1",
    "MSET string 2 new 1",
    "MSETNX new 1 other 2",
    "PSETEX string 5000 x",
    "SET string x EX 100",
    "SET string x PXAT 1700000100000 GET",
    "SET temporary x KEEPTTL",
    "SET temporary x",
    "SET list x",
    "SETEX string 100 x",
    "SETNX new x",
    "SETRANGE string 5 x",
    "SETRANGE temporary 0 x",
    "COPY list new",
    "COPY list hash REPLACE",
    "COPY temporary temporary DB 1",
    "DEL list hash none",
    "EXPIRE list 100",
    "EXPIRE list -1",
    "EXPIREAT list 1700000100",
    "EXPIREAT list 1",
    "MOVE temporary 1",
    "PERSIST temporary",
    "PEXPIRE list 5000",
    "PEXPIREAT list 1700000100000",
    "RENAME temporary new",
    "RENAME list hash",
    "RENAMENX list new",
    r#"RESTORE new 0 "\x00\x01s\n\x00jg6\xacbG:\x97""#,
    r#"RESTORE-ASKING new 0 "\x00\x01s\n\x00jg6\xacbG:\x97""#,
    "MIGRATE 127.0.0.1 7000 list 0 100",
    r#"MIGRATE 127.0.0.1 7000 "" 0 100 REPLACE KEYS none list hash temporary"#,
    r#"RESTORE list 5000 "\x00\x01s\n\x00jg6\xacbG:\x97" REPLACE"#,
    r#"RESTORE list 1 "\x00\x01s\n\x00jg6\xacbG:\x97" REPLACE ABSTTL"#,
    "UNLINK list hash none",
    "BLMOVE list list2 LEFT RIGHT 0",
    "BLMPOP 0 2 none list LEFT COUNT 2",
    "BLPOP none list 0",
    "BRPOP list 0",
    "BRPOPLPUSH list list2 0",
    "BZMPOP 0 1 zset MIN COUNT 2",
    "BZPOPMAX zset 0",
    "BZPOPMIN none zset 0",
    "XACK stream g 1-1",
    "XADD stream * f y",
    "XADD stream MAXLEN = 2 9-* f y",
    "XADD new 5 f y g z",
    "XAUTOCLAIM stream g d 0 0",
    "XCLAIM stream g d 0 1-1",
    "XDEL stream 2-1",
    "XGROUP CREATE stream h $",
    "XGROUP CREATE new h 0 MKSTREAM",
    "XGROUP CREATECONSUMER stream g d",
    "XGROUP DELCONSUMER stream g c",
    "XGROUP DESTROY stream g",
    "XGROUP SETID stream g 0",
    "XREADGROUP GROUP g c STREAMS stream >",
    "XSETID stream 9-9",
    "XTRIM stream MAXLEN 1",
    "XTRIM stream MINID 3",
    "LINSERT list BEFORE c x",
    "LMOVE list list2 LEFT RIGHT",
    "LMOVE list2 list3 RIGHT LEFT",
    "LMPOP 2 none list RIGHT COUNT 2",
    "LMPOP 2 none list LEFT COUNT 100",
    "LPOP list",
    "LPOP list 100",
    "LPUSH list y z",
    "LPUSHX list y",
    "LREM list -1 a",
    "LSET list 2 new",
    "LTRIM list 1 2",
    "LTRIM list 9 9",
    "RPOP list 2",
    "RPOPLPUSH list2 list2",
    "RPOPLPUSH list list2",
    "RPUSH new y z",
    "RPUSHX list y",
    "HDEL hash f g none",
    "HDEL hash f g h",
    "HINCRBY hash f 5",
    "HINCRBYFLOAT hash g 0.1",
    "HINCRBYFLOAT new g 1e3",
    "HMSET hash f 9 n 9",
    "HSET hash f 9 n 9",
    "HSETNX hash n 9",
    "SADD ints 7 word",
    "SADD new 7",
    "SDIFFSTORE string set ints",
    "SDIFFSTORE string set set",
    "SINTERSTORE new set ints",
    "SINTERSTORE set set none",
    "SMOVE set ints a",
    "SMOVE set new a",
    "SPOP set",
    "SPOP set 3",
    "SPOP set 100",
    "SREM set a 1 none",
    "SREM ints 1 2 3",
    "SUNIONSTORE new set ints",
    "ZADD zset XX CH 9 a 9 none",
    "ZADD zset GT 0 b 7 c 5 n",
    "ZADD zset INCR 2.5 a",
    "ZDIFFSTORE new 2 zset zset2",
    "ZDIFFSTORE zset 1 none",
    "ZINCRBY zset 0.3 a",
    "ZINTERSTORE new 3 zset zset2 set WEIGHTS 2 3 4",
    "ZMPOP 2 none zset MAX COUNT 2",
    "ZMPOP 1 zset MIN COUNT 100",
    "ZPOPMAX zset",
    "ZPOPMIN zset 100",
    "ZRANGESTORE new zset (1 3 BYSCORE",
    "ZRANGESTORE zset zset 9 9",
    "ZREM zset a none",
    "ZREMRANGEBYLEX names [b +",
    "ZREMRANGEBYRANK zset 0 1",
    "ZREMRANGEBYSCORE zset -inf +inf",
    "ZUNIONSTORE new 2 zset zset2 AGGREGATE MAX",
    "SETBIT bits 7 1",
    "SETBIT new 100 0",
    "BITOP XOR new bits string",
    "BITOP NOT bits bits",
    "BITOP AND bits none",
    "BITFIELD bits SET u8 0 1 INCRBY i5 #9 -3 GET u8 0",
    "BITFIELD new OVERFLOW FAIL SET u8 0 256",
    "PFADD hll x y z",
    "PFADD new",
    "PFMERGE hll hll2",
    "PFMERGE new hll hll2 none",
    "PFCOUNT hll",
    "PFDEBUG TODENSE hll",
    "PFDEBUG GETREG hll2",
    "GEOADD geo CH 13.4 38.2 Palermo 1 1 new",
    "GEORADIUS geo 15 37 200 km STORE new",
    "GEORADIUSBYMEMBER geo Catania 1 m STOREDIST geo",
    "GEORADIUSBYMEMBER none a 1 m STORE geo",
    "GEOSEARCHSTORE new geo FROMLONLAT 15 37 BYBOX 400 400 km STOREDIST",
    "SORT list ALPHA DESC STORE new",
    "SORT set BY nosort STORE set",
    "SORT zset ALPHA BY h_*->f GET # GET string_* STORE list",
    "SORT none STORE list",
    "SWAPDB 0 1",
    "FLUSHDB",
    "FLUSHALL",
];

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
    for spec in command::table().all() {
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
    for line in WRITES {
        let (mut primary, mut replica) = (with(SAMPLE), with(SAMPLE));
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
        let mut server = with(SAMPLE);
        for line in SAMPLE {
            let key = line.split(' ').nth(1).expect("a key");
            server.ok(&format!("PEXPIRE {key} 10"));
        }
        server.journal();
        server.engine.now_ms += 20;
        server
    };
    for line in WRITES {
        let (mut primary, mut replica): (Server, Server) = (expiring(), expiring());
        primary.run(line);
        replica.replay(&mut primary);
        assert_equal(&primary, &replica, line);
    }
}

#[test]
fn effects_of_a_transaction_make_a_copy_equal() {
    let (mut primary, mut replica) = (with(SAMPLE), with(SAMPLE));
    primary.ok("MULTI");
    for line in WRITES {
        assert_eq!(primary.run(line), "+QUEUED", "{line}");
    }
    primary.ok("EXEC");
    replica.replay(&mut primary);
    assert_equal(&primary, &replica, "all in a transaction");
}

#[test]
fn the_journal_alone_builds_the_data_from_nothing() {
    for line in WRITES {
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
                5..10 => any_of(&mut random, SAMPLE),
                // Not FLUSHALL all the time.
                _ if step % 100 != 99 => any_of(&mut random, &WRITES[..WRITES.len() - 3]),
                _ => WRITES[WRITES.len() - 1 - random.draw() as usize % 3].to_string(),
            };
            // There is no other client that would end a wait: in a transaction nobody waits.
            let spec = command::table().find(name(&line).as_bytes()).expect("a command");
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
