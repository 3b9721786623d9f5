//! What holds for every command that changes more than a plain string: its effects make a copy of the data equal to the original.

use crate::command::{self, Group, HasFlags};
use crate::testing::{Server, with};

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
];

/// Requests that change something in the sample.
const WRITES: &[&str] = &[
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
];

fn name(line: &str) -> String {
    line.split(' ').next().expect("a word").to_lowercase()
}

#[test]
fn every_writing_command_has_a_request() {
    let families = [
        Group::List,
        Group::Hash,
        Group::Set,
        Group::SortedSet,
        Group::Bitmap,
        Group::HyperLogLog,
        Group::Geo,
    ];
    for spec in command::table().all() {
        let writes = spec.flags.has(command::WRITE) && !spec.flags.has(command::BLOCKING);
        if writes && families.contains(&spec.group) {
            assert!(WRITES.iter().any(|line| name(line) == spec.name), "{}", spec.name);
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
        if !line.starts_with("RPOPLPUSH list2 list2") {
            assert_ne!(primary.digest(), before, "{line}");
        }
        replica.replay(&mut primary);
        assert_eq!(primary.digest(), replica.digest(), "{line}");
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
        assert_eq!(primary.digest(), replica.digest(), "{line}");
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
    assert_eq!(primary.digest(), replica.digest());
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
