//! Commands of every type through a real client, in both protocols, alone, in pipelines and in transactions.

use integration::data::command;
use integration::{Node, TIMEOUT};
use redis::{Connection, FromRedisValue, PushKind, RedisError, Value};
use std::collections::{HashMap, HashSet};

/// Runs a command that succeeds.
fn run<T: FromRedisValue>(connection: &mut Connection, words: &[&str]) -> T {
    command(words).query(connection).unwrap_or_else(|error| panic!("{words:?}: {error}"))
}

/// Both protocols, as options of the client's URL.
const PROTOCOLS: [&str; 2] = ["", "?protocol=resp3"];

#[test]
fn strings() {
    let node = Node::start("node", &[]);
    for protocol in PROTOCOLS {
        let c = &mut node.connect_as(protocol);
        let _: String = run(c, &["FLUSHALL"]);
        assert_eq!(run::<String>(c, &["SET", "s", "10"]), "OK");
        assert_eq!(run::<Option<String>>(c, &["SET", "s", "x", "NX"]), None);
        assert_eq!(run::<i64>(c, &["INCRBY", "s", "5"]), 15);
        assert_eq!(run::<f64>(c, &["INCRBYFLOAT", "s", "0.5"]), 15.5);
        assert_eq!(run::<i64>(c, &["APPEND", "s", "!"]), 5);
        assert_eq!(run::<String>(c, &["GETRANGE", "s", "0", "1"]), "15");
        assert_eq!(run::<String>(c, &["MSET", "a", "1", "b", "2"]), "OK");
        assert_eq!(
            run::<Vec<Option<String>>>(c, &["MGET", "a", "none", "b"]),
            [Some("1".into()), None, Some("2".into())]
        );
        assert_eq!(run::<String>(c, &["GETDEL", "a"]), "1");
        assert_eq!(run::<i64>(c, &["EXPIRE", "b", "1000"]), 1);
        assert!((1..=1000).contains(&run::<i64>(c, &["TTL", "b"])));
        assert_eq!(run::<i64>(c, &["EXISTS", "a", "b"]), 1);
        assert_eq!(run::<String>(c, &["TYPE", "b"]), "string");
        let bytes: Vec<u8> = (0..=255).collect();
        redis::cmd("SET").arg(&bytes).arg(&bytes).exec(c).expect("any bytes");
        assert_eq!(redis::cmd("GET").arg(&bytes).query::<Vec<u8>>(c).expect("bytes"), bytes);
    }
}

#[test]
fn lists() {
    let node = Node::start("node", &[]);
    for protocol in PROTOCOLS {
        let c = &mut node.connect_as(protocol);
        let _: String = run(c, &["FLUSHALL"]);
        assert_eq!(run::<i64>(c, &["RPUSH", "l", "a", "b", "c"]), 3);
        assert_eq!(run::<i64>(c, &["LPUSH", "l", "z"]), 4);
        assert_eq!(run::<Vec<String>>(c, &["LRANGE", "l", "0", "-1"]), ["z", "a", "b", "c"]);
        assert_eq!(run::<i64>(c, &["LINSERT", "l", "AFTER", "a", "n"]), 5);
        assert_eq!(run::<Vec<String>>(c, &["LPOP", "l", "2"]), ["z", "a"]);
        assert_eq!(run::<String>(c, &["LMOVE", "l", "m", "RIGHT", "LEFT"]), "c");
        assert_eq!(run::<Option<i64>>(c, &["LPOS", "l", "b"]), Some(1));
        assert_eq!(run::<Option<String>>(c, &["LPOP", "none"]), None);
        assert_eq!(
            run::<(String, Vec<String>)>(c, &["LMPOP", "2", "none", "l", "LEFT", "COUNT", "9"]),
            ("l".into(), vec!["n".into(), "b".into()])
        );
    }
}

#[test]
fn hashes() {
    let node = Node::start("node", &[]);
    for protocol in PROTOCOLS {
        let c = &mut node.connect_as(protocol);
        let _: String = run(c, &["FLUSHALL"]);
        assert_eq!(run::<i64>(c, &["HSET", "h", "a", "1", "b", "2"]), 2);
        assert_eq!(run::<i64>(c, &["HINCRBY", "h", "a", "9"]), 10);
        assert_eq!(run::<f64>(c, &["HINCRBYFLOAT", "h", "b", "0.25"]), 2.25);
        let all: HashMap<String, String> = run(c, &["HGETALL", "h"]);
        assert_eq!(all, [("a", "10"), ("b", "2.25")].map(|(f, v)| (f.into(), v.into())).into());
        assert_eq!(run::<i64>(c, &["HDEL", "h", "a", "b"]), 2);
        assert_eq!(run::<i64>(c, &["EXISTS", "h"]), 0);
    }
}

#[test]
fn sets() {
    let node = Node::start("node", &[]);
    for protocol in PROTOCOLS {
        let c = &mut node.connect_as(protocol);
        let _: String = run(c, &["FLUSHALL"]);
        assert_eq!(run::<i64>(c, &["SADD", "s", "1", "2", "3"]), 3);
        assert_eq!(run::<i64>(c, &["SADD", "t", "3", "x"]), 2);
        assert!(run::<bool>(c, &["SISMEMBER", "s", "2"]));
        assert_eq!(run::<HashSet<String>>(c, &["SINTER", "s", "t"]), ["3".to_string()].into());
        assert_eq!(run::<i64>(c, &["SUNIONSTORE", "u", "s", "t"]), 4);
        assert_eq!(run::<HashSet<String>>(c, &["SPOP", "u", "10"]).len(), 4);
        assert_eq!(run::<i64>(c, &["EXISTS", "u"]), 0);
        assert_eq!(run::<i64>(c, &["SMOVE", "s", "t", "1"]), 1);
    }
}

#[test]
fn sorted_sets() {
    let node = Node::start("node", &[]);
    for protocol in PROTOCOLS {
        let c = &mut node.connect_as(protocol);
        let _: String = run(c, &["FLUSHALL"]);
        assert_eq!(run::<i64>(c, &["ZADD", "z", "1", "a", "2.5", "b", "-inf", "c"]), 3);
        assert_eq!(run::<Option<f64>>(c, &["ZSCORE", "z", "b"]), Some(2.5));
        assert_eq!(run::<f64>(c, &["ZINCRBY", "z", "2", "a"]), 3.0);
        assert_eq!(run::<Vec<String>>(c, &["ZRANGE", "z", "0", "-1"]), ["c", "b", "a"]);
        assert_eq!(
            run::<Vec<(String, f64)>>(c, &["ZRANGE", "z", "0", "5", "BYSCORE", "WITHSCORES"]),
            [("b".to_string(), 2.5), ("a".to_string(), 3.0)]
        );
        assert_eq!(run::<Option<i64>>(c, &["ZRANK", "z", "a"]), Some(2));
        assert_eq!(run::<i64>(c, &["ZUNIONSTORE", "u", "2", "z", "z", "WEIGHTS", "1", "2"]), 3);
        assert_eq!(run::<Option<f64>>(c, &["ZSCORE", "u", "a"]), Some(9.0));
        assert_eq!(run::<(String, f64)>(c, &["ZPOPMAX", "u"]), ("a".into(), 9.0));
    }
}

#[test]
fn replies_have_types_in_resp3_only() {
    let node = Node::start("node", &[]);
    let (two, three) = (&mut node.connect(), &mut node.connect_as("?protocol=resp3"));
    let _: i64 = run(two, &["HSET", "h", "f", "v"]);
    let _: i64 = run(two, &["SADD", "s", "m"]);
    let _: i64 = run(two, &["ZADD", "z", "1.5", "m"]);
    assert!(matches!(run(two, &["HGETALL", "h"]), Value::Array(_)));
    assert!(matches!(run(three, &["HGETALL", "h"]), Value::Map(_)));
    assert!(matches!(run(two, &["SMEMBERS", "s"]), Value::Array(_)));
    assert!(matches!(run(three, &["SMEMBERS", "s"]), Value::Set(_)));
    assert!(matches!(run(two, &["ZSCORE", "z", "m"]), Value::BulkString(_)));
    assert_eq!(run::<Value>(three, &["ZSCORE", "z", "m"]), Value::Double(1.5));
    assert_eq!(run::<Value>(two, &["GET", "none"]), Value::Nil);
    assert_eq!(run::<Value>(three, &["GET", "none"]), Value::Nil);
    let hello: HashMap<String, Value> = run(three, &["HELLO"]);
    assert_eq!(hello["proto"], Value::Int(3));
    // And back.
    let _: Value = run(three, &["HELLO", "2"]);
    assert!(matches!(run(three, &["HGETALL", "h"]), Value::Array(_)));
}

#[test]
fn a_pipeline_of_ten_thousand_commands() {
    let node = Node::start("node", &[]);
    let mut connection = node.connect();
    let mut pipe = redis::Pipeline::new();
    for number in 0..10_000 {
        pipe.cmd("SET").arg(number).arg(number).ignore();
        pipe.cmd("GET").arg(number);
    }
    let values: Vec<u32> = pipe.query(&mut connection).expect("all replies");
    assert!(values.into_iter().eq(0..10_000));
}

#[test]
fn values_of_ten_megabytes() {
    let node = Node::start("node", &[]);
    for protocol in PROTOCOLS {
        let connection = &mut node.connect_as(protocol);
        let value: Vec<u8> =
            (0..10_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        redis::cmd("SET").arg("big").arg(&value).exec(connection).expect("a big value");
        let got: Vec<u8> = redis::cmd("GET").arg("big").query(connection).expect("it again");
        assert!(got == value);
        redis::cmd("RPUSH").arg("list").arg(&value).arg("small").exec(connection).expect("a push");
        let got: Vec<Vec<u8>> =
            redis::cmd("LPOP").arg("list").arg(2).query(connection).expect("it again");
        assert!(got == [value, b"small".to_vec()]);
    }
}

#[test]
fn transactions() {
    let node = Node::start("node", &[]);
    let (one, two) = (&mut node.connect(), &mut node.connect());
    let _: String = run(one, &["MULTI"]);
    assert_eq!(run::<String>(one, &["INCR", "n"]), "QUEUED");
    assert_eq!(run::<i64>(two, &["EXISTS", "n"]), 0, "nothing happens before EXEC");
    assert_eq!(run::<String>(one, &["INCR", "n"]), "QUEUED");
    assert_eq!(run::<Vec<i64>>(one, &["EXEC"]), [1, 2]);

    // A watched key that changed ends it without effect.
    let _: String = run(one, &["WATCH", "n"]);
    let _: i64 = run(two, &["INCR", "n"]);
    let _: String = run(one, &["MULTI"]);
    let _: String = run(one, &["INCR", "n"]);
    assert_eq!(run::<Value>(one, &["EXEC"]), Value::Nil);
    assert_eq!(run::<i64>(one, &["GET", "n"]), 3);

    // A command that could not be queued ends it as a whole; one that fails later does not.
    let _: String = run(one, &["MULTI"]);
    command(&["NOSUCH"]).exec(one).expect_err("an unknown command");
    let error: RedisError = command(&["EXEC"]).exec(one).expect_err("nothing to execute");
    assert_eq!(error.code(), Some("EXECABORT"));
    let _: String = run(one, &["MULTI"]);
    let _: String = run(one, &["LPUSH", "n", "x"]);
    let _: String = run(one, &["INCR", "n"]);
    let mut exec = redis::Pipeline::new();
    exec.cmd("EXEC");
    let replies: Vec<Value> =
        redis::ConnectionLike::req_packed_commands(one, &exec.get_packed_pipeline(), 0, 1)
            .expect("replies");
    let Value::Array(replies) = &replies[0] else { panic!("{replies:?}") };
    assert!(matches!(&replies[0], Value::ServerError(error) if error.code() == "WRONGTYPE"));
    assert_eq!(replies[1], Value::Int(4));

    let _: String = run(one, &["MULTI"]);
    let _: String = run(one, &["DISCARD"]);
    command(&["EXEC"]).exec(one).expect_err("no transaction");
}

#[test]
fn messages_reach_subscribers() {
    let node = Node::start("node", &[]);
    let publisher = &mut node.connect();
    let mut connection = node.connect();
    let mut subscriber = connection.as_pubsub();
    subscriber.subscribe("news").expect("a channel");
    subscriber.psubscribe("w*r").expect("a pattern");
    assert_eq!(run::<i64>(publisher, &["PUBLISH", "news", "one"]), 1);
    assert_eq!(run::<i64>(publisher, &["PUBLISH", "weather", "two"]), 1);
    assert_eq!(run::<i64>(publisher, &["PUBLISH", "nobody", "hears"]), 0);
    for (channel, payload) in [("news", "one"), ("weather", "two")] {
        let message = subscriber.get_message().expect("a message");
        assert_eq!(message.get_channel_name(), channel);
        assert_eq!(message.get_payload::<String>().expect("a text"), payload);
    }
    let counts: Vec<(String, i64)> = run(publisher, &["PUBSUB", "NUMSUB", "news", "none"]);
    assert_eq!(counts, [("news".to_string(), 1), ("none".to_string(), 0)]);
}

#[test]
fn messages_are_pushed_between_replies_in_resp3() {
    let node = Node::start("node", &[]);
    let mut subscriber = node.connect_as("?protocol=resp3");
    let (sender, pushes) = std::sync::mpsc::channel();
    subscriber.set_push_sender(sender);
    subscriber.subscribe_resp3("news").expect("a channel");
    let _: i64 = node.run(&["PUBLISH", "news", "hello"]);
    // Commands go on beside the subscription.
    assert_eq!(run::<String>(&mut subscriber, &["PING"]), "PONG");
    let kinds: Vec<PushKind> =
        [(); 2].map(|()| pushes.recv_timeout(TIMEOUT).expect("a push").kind).into();
    assert_eq!(kinds, [PushKind::Subscribe, PushKind::Message]);
}

#[test]
fn a_scan_finds_every_key_once_that_stays() {
    let node = Node::start("node", &[]);
    let mut connection = node.connect();
    let mut pipe = redis::Pipeline::new();
    for number in 0..10_000 {
        pipe.cmd("SET").arg(format!("stays:{number}")).arg(number).ignore();
    }
    pipe.exec(&mut connection).expect("all keys");
    let mut found = HashSet::new();
    let mut cursor = "0".to_string();
    let mut turn = 0;
    loop {
        let words = ["SCAN", &cursor, "MATCH", "stays:*", "COUNT", "100"];
        let (next, keys): (String, Vec<String>) = run(&mut connection, &words);
        found.extend(keys);
        if next == "0" {
            break;
        }
        cursor = next;
        // The table grows and shrinks meanwhile.
        turn += 1;
        let mut pipe = redis::Pipeline::new();
        for number in 0..200 {
            let name = format!("goes:{}:{number}", turn % 40);
            match turn % 80 {
                0..40 => pipe.cmd("SET").arg(&name).arg(1).ignore(),
                _ => pipe.cmd("DEL").arg(&name).ignore(),
            };
        }
        pipe.exec(&mut connection).expect("other keys");
    }
    assert_eq!(found.len(), 10_000);
}

#[test]
fn keys_expire_by_themselves() {
    let node = Node::start("node", &[]);
    let mut pipe = redis::Pipeline::new();
    for number in 0..1000 {
        pipe.cmd("SET").arg(number).arg(1).arg("PX").arg(50).ignore();
    }
    pipe.exec(&mut node.connect()).expect("all keys");
    integration::eventually(TIMEOUT, "nobody reads them, and they go", || {
        node.run::<i64>(&["DBSIZE"]) == 0
    });
    assert_eq!(node.number("expired_keys"), 1000);
}
