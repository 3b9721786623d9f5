//! RESTORE of any payload, by the command: what is refused leaves nothing behind; what is accepted obeys its type, and
//! DUMP of it gives the same value again. Then commands of its type read and change it, at both ends, by chance and
//! beyond its limits, and it obeys its type after each.
//!
//! ```text
//! input:  kind u8 | type u8 | value
//!         kind u8 | type u8 | len u8 | len bytes of entries | what follows the packed value
//! ```
//!
//! The target writes the footer, version and checksum, unless `kind` says that it comes with the input. In the second form
//! it also makes the packed value, or the node of a list or stream, of entries as they come.

#![no_main]

use fuzzing::client::Client;
use fuzzing::{Input, packed, same, small_limits};
use keyspace::entry::ValueRef;
use keyspace::limits::Limits;
use libfuzzer_sys::fuzz_target;
use protocol::crc64::rdb_crc;
use protocol::rdb::put_length;
use std::cell::RefCell;

const VERSIONS: [u16; 8] = [10, 11, 12, 80, 9, 6, 1, 10];

thread_local! {
    /// For payloads that are refused, which are most: they leave it as it is.
    static EMPTY: RefCell<Option<Client>> = const { RefCell::new(None) };
}

fuzz_target!(|data: &[u8]| {
    let Some((kind, body)) = data.split_first() else { return };
    let mut payload = if kind & 32 == 0 { body.to_vec() } else { around_entries(body) };
    if kind & 8 == 0 {
        payload.extend_from_slice(&VERSIONS[usize::from(kind & 7)].to_le_bytes());
        let crc = rdb_crc(&payload);
        payload.extend_from_slice(&crc.to_le_bytes());
    }
    let limits = if kind & 16 == 0 { Limits::DEFAULT } else { small_limits() };
    let mut client = EMPTY.take().unwrap_or_else(|| Client::new(limits));
    client.engine.limits = limits;
    let reply = client.call(&[b"RESTORE", b"key", b"0", &payload]);
    if reply != b"+OK\r\n" {
        let text = reply.escape_ascii().to_string();
        assert!(
            ["-ERR Bad data format\\r\\n", "-ERR DUMP payload version or checksum are wrong\\r\\n"]
                .contains(&text.as_str()),
            "{text}"
        );
        assert!(client.engine.dbs[0].is_empty() && client.engine.dirty == 0);
        EMPTY.replace(Some(client));
        return;
    }
    // What its commands do must not hang on the inputs before this one.
    let mut client = Client::new(limits);
    client.call(&[b"RESTORE", b"key", b"0", &payload]);
    again(&mut client);
    for line in COMMANDS[usize::from(type_of(&client))] {
        command(&mut client, line);
        if client.entry(b"key").is_none() {
            client.call(&[b"RESTORE", b"key", b"0", &payload]);
        }
    }
    with_own_parts(&mut client);
    again(&mut client);
});

/// A payload without its footer whose packed value has the lengths and counts that its entries ask for.
fn around_entries(body: &[u8]) -> Vec<u8> {
    let mut input = Input(body);
    let object_type = input.byte();
    let len = usize::from(input.byte());
    let entries = input.take(len);
    // The id of a stream's node is not far from those that commands name.
    let before: &[u8] = match object_type {
        14 => &[1],
        18 => &[1, 2],
        15 | 19 | 21 => &[1, 16, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1],
        _ => &[],
    };
    let packed = match object_type {
        10 | 12 | 13 | 14 => packed::ziplist_of(entries, false, true),
        _ => packed::listpack_of(entries, true),
    };
    let mut payload = [&[object_type], before].concat();
    put_length(&mut payload, packed.len() as u64);
    payload.extend_from_slice(&packed);
    payload.extend_from_slice(input.0);
    payload
}

fn type_of(client: &Client) -> u8 {
    match client.entry(b"key").expect("it was restored").value() {
        ValueRef::Str(_) => 0,
        ValueRef::List(_) => 1,
        ValueRef::Set(_) => 2,
        ValueRef::Zset(_) => 3,
        ValueRef::Hash(_) => 4,
        ValueRef::Stream(_) => 5,
    }
}

fn check(client: &Client) {
    client.engine.dbs[0].check();
    client.engine.dbs[0].iter().for_each(|entry| same::check(entry.value()));
}

/// DUMP and RESTORE give the same value, and so does COPY.
fn again(client: &mut Client) {
    check(client);
    let Some(payload) = client.bulk(&[b"DUMP", b"key"]) else {
        assert!(client.entry(b"key").is_none());
        return;
    };
    let reply = client.call(&[b"RESTORE", b"again", b"0", &payload, b"REPLACE"]);
    assert_eq!(reply, b"+OK\r\n", "our own payload {}", payload.escape_ascii());
    client.line("COPY key copy REPLACE");
    check(client);
    let value = |key: &[u8]| client.entry(key).expect("it is there");
    same::assert_same(value(b"key"), value(b"again"));
    same::assert_same(value(b"key"), value(b"copy"));
    client.line("DEL again copy");
}

fn command(client: &mut Client, line: &str) {
    client.line(line);
    check(client);
}

/// Commands on an element that the value has.
fn with_own_parts(client: &mut Client) {
    let Some(entry) = client.entry(b"key") else { return };
    let own = |text: protocol::listpack::Value<'_>| text.to_vec();
    let (element, commands): (Option<Vec<u8>>, &[[&str; 3]]) = match entry.value() {
        ValueRef::List(list) => (
            list.get(list.len() / 2).map(own),
            &[
                ["LPOS key", "", ""],
                ["LINSERT key BEFORE", "", "new"],
                ["LINSERT key AFTER", "", "12"],
                ["LREM key -1", "", ""],
                ["LREM key 0", "", ""],
            ],
        ),
        ValueRef::Set(set) => (
            set.iter().last().map(own),
            &[
                ["SISMEMBER key", "", ""],
                ["SMOVE key other", "", ""],
                ["SADD key", "", "new"],
                ["SREM key", "", "12"],
            ],
        ),
        ValueRef::Zset(zset) => (
            zset.iter().last().map(|(member, _)| own(member)),
            &[
                ["ZRANK key", "", "WITHSCORE"],
                ["ZREVRANK key", "", ""],
                ["ZINCRBY key 1e300", "", ""],
                ["ZADD key GT CH -5", "", ""],
                ["ZADD key -inf", "", ""],
                ["ZREM key", "", "12"],
            ],
        ),
        ValueRef::Hash(hash) => (
            hash.iter().last().map(|(field, _)| own(field)),
            &[
                ["HGET key", "", ""],
                ["HSTRLEN key", "", ""],
                ["HSET key", "", "new"],
                ["HINCRBY key", "", "1"],
                ["HINCRBYFLOAT key", "", "1.5"],
                ["HDEL key", "", "12"],
            ],
        ),
        ValueRef::Str(_) | ValueRef::Stream(_) => (None, &[]),
    };
    let Some(element) = element else { return };
    for [start, _, end] in commands {
        let mut words: Vec<&[u8]> = start.split(' ').map(str::as_bytes).collect();
        words.push(&element);
        if !end.is_empty() {
            words.push(end.as_bytes());
        }
        client.call(&words);
        check(client);
    }
}

/// What is tried on every value, by its type.
const COMMANDS: [&[&str]; 6] = [
    // Strings; any of them may be a HyperLogLog.
    &[
        "OBJECT ENCODING key",
        "STRLEN key",
        "GETRANGE key -5 -1",
        "BITCOUNT key 1 -2",
        "BITPOS key 0",
        "BITFIELD key GET u63 7 SET i5 #3 -1 OVERFLOW SAT INCRBY u8 9 250",
        "PFCOUNT key",
        "PFADD key a b c",
        "PFCOUNT key other",
        "PFMERGE other key",
        "PFDEBUG ENCODING key",
        "INCRBYFLOAT key 1.5",
        "INCR key",
        "APPEND key tail",
        "SETRANGE key 3 xyz",
        "SETBIT key 77 1",
        "LCS key key LEN",
        "GETEX key PERSIST",
    ],
    // Lists.
    &[
        "OBJECT ENCODING key",
        "LLEN key",
        "LRANGE key 0 -1",
        "LRANGE key -3 -2",
        "LINDEX key -1",
        "LPOS key 1 RANK -1 MAXLEN 5",
        "SORT key ALPHA LIMIT 0 5",
        "LSET key 0 replaced",
        "LSET key -1 77",
        "LPUSH key a 1",
        "RPUSH key \"\" 100000",
        "RPOP key",
        "LPOP key 2",
        "LMOVE key key LEFT RIGHT",
        "LINSERT key BEFORE a b",
        "LREM key -1 a",
        "LTRIM key 1 -2",
        "RPOP key 1000",
    ],
    // Sets.
    &[
        "OBJECT ENCODING key",
        "SCARD key",
        "SMEMBERS key",
        "SRANDMEMBER key 3",
        "SRANDMEMBER key -3",
        "SSCAN key 0 COUNT 100",
        "SMISMEMBER key a 1",
        "SORT key ALPHA DESC",
        "SUNIONSTORE other key key",
        "SDIFFSTORE third key other",
        "SINTERCARD 2 key other LIMIT 2",
        "SADD key 5 70000 -9223372036854775808",
        "SADD key a \"\"",
        "SREM key 5 a",
        "SPOP key",
        "SPOP key 2",
        "SPOP key 1000",
    ],
    // Sorted sets.
    &[
        "OBJECT ENCODING key",
        "ZCARD key",
        "ZRANGE key 0 -1 WITHSCORES",
        "ZRANGE key 0 1 REV",
        "ZRANGEBYSCORE key -inf (5",
        "ZREVRANGEBYSCORE key +inf -inf LIMIT 1 2",
        "ZRANGEBYLEX key - [m",
        "ZREVRANGEBYLEX key + -",
        "ZLEXCOUNT key - +",
        "ZCOUNT key 1 2",
        "ZRANDMEMBER key 3 WITHSCORES",
        "ZRANDMEMBER key -3",
        "ZSCAN key 0",
        "ZRANGESTORE other key 1 -2",
        "ZUNIONSTORE third 2 key other WEIGHTS 2 -1",
        "ZDIFF 2 key other",
        "GEOPOS key a",
        "ZADD key 1 a -2.5 \"\" inf 7",
        "ZINCRBY key 3 a",
        "ZPOPMIN key",
        "ZPOPMAX key 2",
        "ZREMRANGEBYRANK key 1 1",
        "ZREMRANGEBYSCORE key -1 0",
        "ZREMRANGEBYLEX key [x +",
        "ZPOPMIN key 1000",
    ],
    // Hashes.
    &[
        "OBJECT ENCODING key",
        "HLEN key",
        "HGETALL key",
        "HKEYS key",
        "HVALS key",
        "HRANDFIELD key 3 WITHVALUES",
        "HRANDFIELD key -3",
        "HSCAN key 0 COUNT 100",
        "HMGET key a 1",
        "HSET key a 1 \"\" x 1 70000",
        "HSETNX key b \"\"",
        "HINCRBY key a 9223372036854775806",
        "HINCRBYFLOAT key a 0.5",
        "HDEL key a 1",
        "HDEL key b \"\"",
    ],
    // Streams.
    &[
        "OBJECT ENCODING key",
        "XLEN key",
        "XRANGE key - +",
        "XRANGE key (0-1 5 COUNT 2",
        "XREVRANGE key + -",
        "XREVRANGE key 9999999999999-0 (1 COUNT 2",
        "XINFO STREAM key FULL COUNT 0",
        "XINFO STREAM key",
        "XINFO GROUPS key",
        "XINFO CONSUMERS key g",
        "XREAD COUNT 2 STREAMS key 0",
        "XGROUP CREATE key own 0 ENTRIESREAD 1",
        "XREADGROUP GROUP own me COUNT 2 STREAMS key >",
        "XREADGROUP GROUP g me COUNT 2 STREAMS key >",
        "XREADGROUP GROUP g me STREAMS key 0",
        "XPENDING key g",
        "XPENDING key g IDLE 1 - + 10",
        "XAUTOCLAIM key g me 0 0 COUNT 3",
        "XAUTOCLAIM key own you 0 0-1 JUSTID",
        "XCLAIM key g me 0 1-1 5-0 FORCE RETRYCOUNT 3",
        "XACK key g 1-1 2-1",
        "XADD key * a 1 b 2",
        "XADD key MAXLEN ~ 3 * a 1",
        "XADD key * other fields 1 2 x y",
        "XADD key 18446744073709551615-18446744073709551615 last one",
        "XDEL key 1-1 2-1 5-0",
        "XTRIM key MINID 1-2",
        "XTRIM key MAXLEN = 2",
        "XSETID key 18446744073709551615-18446744073709551615 ENTRIESADDED 100 MAXDELETEDID 3-3",
        "XGROUP SETID key g $",
        "XGROUP DELCONSUMER key g c",
        "XGROUP DESTROY key own",
        "XINFO STREAM key FULL",
    ],
];
