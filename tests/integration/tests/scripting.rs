//! Scripts and functions in live servers: what becomes of what they did, and what may come while one runs.

use integration::{Node, Peer, TIMEOUT, eventually};
use redis::{Connection, RedisResult, cmd};
use std::io::Write;
use std::net::TcpStream;
use std::thread::{self, JoinHandle};

const LIBRARY: &str = "#!lua name=counters
    redis.register_function('bump', function(keys, args)
        for i = 1, tonumber(args[1]) do redis.call('incr', keys[1]) end
        redis.call('rpush', keys[1] .. ':log', args[1])
        return redis.call('get', keys[1])
    end)
    redis.register_function{function_name='look', callback=function(keys)
        return redis.call('get', keys[1])
    end, flags={'no-writes'}}";

/// Scripts of many kinds: writes of several types, chance, time, deletions, expiry, errors in the midst.
const SCRIPTS: &[&str] = &[
    "for i = 1, 10 do redis.call('set', KEYS[1] .. i, math.random(1000)) end return 1",
    "redis.call('sadd', KEYS[1] .. 's', 1, 2, 3, 4, 5) return redis.call('spop', KEYS[1] .. 's', 2)",
    "local t = redis.call('time') redis.call('hset', KEYS[1] .. 'h', 'at', t[1] .. '.' .. t[2]) return t",
    "redis.call('set', KEYS[1] .. 'e', 'x', 'ex', 10000) return redis.call('pttl', KEYS[1] .. 'e')",
    "redis.call('zadd', KEYS[1] .. 'z', 1.5, 'a', 2, 'b') redis.call('zincrby', KEYS[1] .. 'z', 0.1, 'a') error('late')",
    "redis.call('select', 3) redis.call('incr', KEYS[1]) return redis.call('select', 0)",
    "redis.call('xadd', KEYS[1] .. 'x', '*', 'f', 'v') return redis.call('xlen', KEYS[1] .. 'x')",
    "redis.pcall('incr', KEYS[1] .. 's') redis.call('append', KEYS[1] .. 'a', 'tail') return 1",
    "return cjson.encode({redis.call('incrbyfloat', KEYS[1] .. 'f', '0.1'), cmsgpack.pack(KEYS[1])})",
    "redis.call('rpush', KEYS[1] .. 'l', unpack(ARGV)) return redis.call('lmove', KEYS[1] .. 'l', KEYS[1] .. 'm', 'LEFT', 'RIGHT')",
];

/// Runs all of them, and functions.
fn write(connection: &mut Connection, rounds: u32) {
    for round in 0..rounds {
        let key = format!("k{}", round % 7);
        for script in SCRIPTS {
            let mut eval = cmd("EVAL");
            eval.arg(*script).arg(1).arg(&key).arg("a").arg("b");
            let said: RedisResult<redis::Value> = eval.query(connection);
            assert!(said.is_ok() || script.contains("error("), "{script}: {said:?}");
        }
        let mut call = cmd("FCALL");
        call.arg("bump").arg(1).arg(format!("n{key}")).arg(3);
        call.query::<String>(connection).unwrap_or_else(|error| panic!("{error}"));
    }
}

/// A server that kills whoever takes too long after a tenth of a second.
fn impatient(name: &str, options: &[(&str, &str)]) -> Node {
    let node = Node::start(name, options);
    let _: String = node.run(&["CONFIG", "SET", "busy-reply-threshold", "100"]);
    node
}

/// Runs a script that does not end by itself, and waits until others hear of it.
fn begin(node: &Node, script: &'static str) -> JoinHandle<String> {
    let mut connection = node.connect();
    let _: redis::Value = cmd("PING").query(&mut connection).expect("it answers");
    let running = thread::spawn(move || {
        let said: RedisResult<redis::Value> =
            cmd("EVAL").arg(script).arg(1).arg("key").query(&mut connection);
        format!("{said:?}")
    });
    eventually(TIMEOUT, "others hear of the script", || is_busy(node));
    running
}

fn is_busy(node: &Node) -> bool {
    let said = node.try_run::<redis::Value>(&["GET", "key"]);
    said.is_err_and(|error| error.code() == Some("BUSY"))
}

#[test]
fn what_scripts_did_is_the_same_in_files_and_on_replicas() {
    let mut primary = Node::start("primary", &[("appendonly", "yes")]);
    let _: String = primary.run(&["FUNCTION", "LOAD", LIBRARY]);
    let early = Node::start("early", &[]);
    early.follow(&primary);
    early.wait_for_sync(&primary);
    write(&mut primary.connect(), 20);
    let late = Node::start("late", &[]);
    late.follow(&primary);
    write(&mut primary.connect(), 5);
    for replica in [&early, &late] {
        replica.wait_for_sync(&primary);
        assert_eq!(replica.digest(), primary.digest());
        assert_eq!(
            replica.run::<i64>(&["FCALL_RO", "look", "1", "nk0"]),
            primary.run::<i64>(&["GET", "nk0"])
        );
        let refused = replica.refused(&["FCALL", "bump", "1", "nk0", "1"]);
        assert!(refused.contains("READONLY"), "{refused}");
    }
    let digest = primary.digest();
    for rewritten in [false, true] {
        if rewritten {
            let _: String = primary.run(&["BGREWRITEAOF"]);
            eventually(TIMEOUT, "the file is rewritten", || {
                primary.number("aof_rewrite_in_progress") == 0
                    && primary.number("aof_rewrite_scheduled") == 0
            });
        }
        primary.restart();
        assert_eq!(primary.digest(), digest);
        assert_eq!(primary.number("number_of_functions"), 2);
    }
    let _: String = primary.run(&["DEBUG", "RELOAD"]);
    assert_eq!(primary.digest(), digest);
    let _: i64 = primary.run(&["FCALL", "bump", "1", "nk0", "1"]);
}

#[test]
fn peers_take_our_scripts_effects_and_functions_and_we_theirs() {
    for peer in Peer::all() {
        for ours_first in [true, false] {
            let start = |ours: bool, name: &str| match ours {
                true => Node::start(name, &[]),
                false => peer.start(name, &[]),
            };
            let primary = start(ours_first, "primary");
            let replica = start(!ours_first, "replica");
            let _: String = primary.run(&["FUNCTION", "LOAD", LIBRARY]);
            write(&mut primary.connect(), 3);
            replica.follow(&primary);
            replica.wait_for_sync(&primary);
            write(&mut primary.connect(), 3);
            let _: String = primary.run(&["FUNCTION", "LOAD", "REPLACE", LIBRARY]);
            replica.wait_for_sync(&primary);
            assert_eq!(replica.digest(), primary.digest());
            let _: String = replica.run(&["REPLICAOF", "NO", "ONE"]);
            assert_eq!(
                replica.run::<i64>(&["FCALL", "look", "1", "nk0"]),
                primary.run::<i64>(&["GET", "nk0"])
            );
            let dump: Vec<u8> = primary.run(&["FUNCTION", "DUMP"]);
            let mut connection = replica.connect();
            let mut restore = cmd("FUNCTION");
            restore.arg("RESTORE").arg(&dump).arg("FLUSH");
            restore.query::<String>(&mut connection).unwrap_or_else(|error| panic!("{error}"));
        }
    }
}

#[test]
fn while_a_script_runs_others_are_told_so_and_may_end_it() {
    let node = impatient("node", &[]);
    let running = begin(&node, "while true do end");
    for request in [&["PING"][..], &["FLUSHALL"], &["REPLICAOF", "127.0.0.1", "1"], &["SHUTDOWN"]] {
        assert!(node.refused(request).contains("BUSY"), "{request:?}");
    }
    let mut connection = node.connect();
    let _: String = cmd("MULTI").query(&mut connection).expect("it may be said");
    let _: String = node.run(&["SCRIPT", "KILL"]);
    let said = running.join().expect("it has ended");
    assert!(said.contains("Script killed by user"), "{said}");
    let _: String = node.run(&["SET", "key", "1"]);
    assert!(node.log().contains("Slow script detected: still in execution after"));
}

#[test]
fn a_client_that_goes_leaves_its_script_to_its_end() {
    let node = impatient("node", &[("appendonly", "yes")]);
    let mut stream = TcpStream::connect(("127.0.0.1", node.port())).expect("it listens");
    let script = "redis.call('set', KEYS[1], 1) for i = 1, 200000000 do end return redis.call('incr', KEYS[1])";
    stream.write_all(format!("EVAL \"{script}\" 1 key\r\n").as_bytes()).expect("it reads");
    eventually(TIMEOUT, "others hear of the script", || is_busy(&node));
    let refused = node.refused(&["SCRIPT", "KILL"]);
    assert!(refused.contains("UNKILLABLE"), "{refused}");
    drop(stream);
    let mut digest = String::new();
    eventually(TIMEOUT, "the script has ended", || {
        let ended = node.try_run::<i64>(&["GET", "key"]).is_ok_and(|value| value == 2);
        if ended {
            digest = node.digest();
        }
        ended
    });
}

#[test]
fn shutdown_nosave_ends_a_script_and_leaves_nothing_of_it() {
    let mut node = impatient("node", &[("appendonly", "yes"), ("appendfsync", "always")]);
    let _: String = node.run(&["SET", "before", "1"]);
    let running = begin(&node, "redis.call('set', KEYS[1], 'half') while true do end");
    let _ = node.try_run::<redis::Value>(&["SHUTDOWN", "NOSAVE"]);
    node.wait_for_end();
    running.join().expect("its connection has ended");
    node.launch();
    node.wait_until_up();
    assert_eq!(node.run::<i64>(&["EXISTS", "key"]), 0, "half of a script is nothing");
    assert_eq!(node.run::<i64>(&["EXISTS", "before"]), 1);
}

#[test]
fn a_replica_with_a_busy_script_follows_when_it_has_ended() {
    let primary = Node::start("primary", &[]);
    let replica = impatient("replica", &[]);
    replica.follow(&primary);
    replica.wait_for_sync(&primary);
    let running = begin(
        &replica,
        "local n = redis.call('dbsize') for i = 1, 200000000 do end return redis.call('dbsize') - n",
    );
    for n in 0..100 {
        let _: String = primary.run(&["SET", &format!("k{n}"), "v"]);
    }
    let said = running.join().expect("it has ended");
    assert!(said.contains("0"), "nothing changed behind its back: {said}");
    replica.wait_for_sync(&primary);
    assert_eq!(replica.digest(), primary.digest());
}

#[test]
fn a_full_sync_that_comes_while_a_script_runs_waits_for_its_end() {
    let primary = Node::start("primary", &[]);
    let _: String = primary.run(&["DEBUG", "POPULATE", "1000"]);
    let replica = impatient("replica", &[]);
    let _: String = replica.run(&["SET", "old", "1"]);
    replica.follow(&primary);
    // It may begin before or behind the full sync; its data are the same from its beginning to its end.
    let running = begin(
        &replica,
        "local n = redis.call('dbsize') for i = 1, 200000000 do end return redis.call('dbsize') == n",
    );
    let said = running.join().expect("it has ended");
    assert!(said.contains("1"), "{said}");
    replica.wait_for_sync(&primary);
    assert_eq!(replica.digest(), primary.digest());
}

#[test]
fn an_old_file_with_scripts_in_it_is_loaded() {
    let mut node = Node::prepare("node", &[("appendonly", "yes")]);
    let mut bytes = Vec::new();
    for words in [
        &["SELECT", "0"][..],
        &["SCRIPT", "LOAD", "return redis.call('set', KEYS[1], ARGV[1])"],
        &["EVAL", "return redis.call('set', KEYS[1], ARGV[1])", "1", "a", "1"],
        &["EVALSHA", "55b22c0d0cedf3866879ce7c854970626dcef0c3", "1", "b", "2"],
        &["FUNCTION", "LOAD", LIBRARY],
        &["SET", "c", "3"],
    ] {
        bytes.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
        for word in words {
            bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
        }
    }
    std::fs::create_dir_all(node.path("appendonlydir")).expect("the folder can be made");
    std::fs::write(node.path("appendonlydir/appendonly.aof.1.incr.aof"), bytes)
        .expect("it can be written");
    std::fs::write(
        node.path("appendonlydir/appendonly.aof.manifest"),
        "file appendonly.aof.1.incr.aof seq 1 type i\n",
    )
    .expect("it can be written");
    node.launch();
    node.wait_until_up();
    for (key, value) in [("a", 1), ("b", 2), ("c", 3)] {
        assert_eq!(node.run::<i64>(&["GET", key]), value);
    }
    assert_eq!(node.number("number_of_functions"), 2);
}

#[test]
fn a_signal_waits_for_the_script_of_a_replica_and_a_shutdown_is_refused() {
    let primary = Node::start("primary", &[]);
    let mut replica = impatient("replica", &[("save", "3600 1000000")]);
    replica.follow(&primary);
    let _: String = primary.run(&["SET", "a", "1"]);
    replica.wait_for_sync(&primary);
    let digest = primary.digest();
    let script = "for i = 1, 200000000 do end return redis.call('get', 'a')";
    let running = begin(&replica, script);
    let _: String = primary.run(&["SET", "a", "2"]);
    let refused = replica.refused(&["SHUTDOWN"]);
    assert!(refused.contains("BUSY"), "{refused}");
    replica.stop();
    let said = running.join().expect("it has ended");
    assert!(said.contains("'1'") || said.contains("\"1\""), "before anything else changed: {said}");
    // What it had when the script ended, or what came behind it: nothing in between.
    replica.launch();
    replica.wait_until_up();
    let kept = replica.digest();
    assert!(kept == digest || kept == primary.digest(), "{}", replica.log());
    replica.follow(&primary);
    replica.wait_for_sync(&primary);
    assert_eq!(replica.digest(), primary.digest());
}

#[test]
fn the_memory_of_scripts_has_a_limit_that_is_changed_while_they_are_there() {
    let node = Node::start("node", &[("script-memory-limit", "2mb")]);
    let _: String = node.run(&["FUNCTION", "LOAD", LIBRARY]);
    let _: String = node.run(&["SET", "key", "1"]);
    let most =
        "local t = {} for i = 1, tonumber(ARGV[1]) do t[i] = ('x'):rep(1000) .. i end return #t";
    let run = |count: &str| node.try_run::<i64>(&["EVAL", most, "1", "key", count]);
    assert_eq!(run("1000").expect("there is room"), 1000);
    let error = run("4000").expect_err("that is too much").to_string();
    assert!(error.contains("not enough memory"), "{error}");
    // The next one finds room again, and the functions have theirs.
    assert_eq!(run("1000").expect("there is room"), 1000);
    assert_eq!(node.run::<i64>(&["FCALL_RO", "look", "1", "key"]), 1);
    assert!(node.number("used_memory_vm_eval") < 3 << 20);
    let _: String = node.run(&["CONFIG", "SET", "script-memory-limit", "16mb"]);
    assert_eq!(run("4000").expect("there is room"), 4000);
    let _: String = node.run(&["CONFIG", "SET", "script-memory-limit", "1mb"]);
    let error = run("1000").expect_err("that is too much now").to_string();
    assert!(error.contains("not enough memory"), "{error}");
    assert_eq!(run("100").expect("there is room"), 100);
    let refused = node.refused(&["CONFIG", "SET", "script-memory-limit", "1kb"]);
    assert!(
        refused.contains("argument must be a memory value") || refused.contains("between"),
        "{refused}"
    );
}

#[test]
fn who_hears_of_a_script_is_the_same_down_a_chain_and_in_any_database() {
    let mut primary = Node::start("primary", &[("appendonly", "yes"), ("appendfsync", "always")]);
    let (middle, last) = (Node::start("middle", &[]), Node::start("last", &[]));
    middle.follow(&primary);
    middle.wait_for_sync(&primary);
    last.follow(&middle);
    last.wait_for_sync(&middle);
    let script = "redis.call('select', 3)
        for who, bits in pairs({all = redis.REPL_ALL, aof = redis.REPL_AOF, replica = redis.REPL_REPLICA, none = redis.REPL_NONE}) do
            redis.set_repl(bits)
            redis.call('set', who, 1)
            redis.call('incr', who)
        end
        redis.set_repl(redis.REPL_ALL)
        return redis.call('dbsize')";
    assert_eq!(primary.run::<i64>(&["EVAL", script, "0"]), 4);
    let _: String = primary.run(&["SET", "behind", "1"]);
    let there = |node: &Node| -> String {
        let mut connection = node.connect_as("3");
        let keys: Vec<Option<i64>> = cmd("MGET")
            .arg(&["all", "aof", "replica", "none"])
            .query(&mut connection)
            .expect("it answers");
        format!("{keys:?}")
    };
    for node in [&middle, &last] {
        // The data are not those of the primary: so it is waited for what comes last, in its own database.
        eventually(TIMEOUT, "the stream has come", || {
            node.try_run::<i64>(&["GET", "behind"]).is_ok_and(|value| value == 1)
        });
        assert_eq!(there(node), "[Some(2), None, Some(2), None]");
    }
    assert_eq!(middle.digest(), last.digest());
    primary.restart();
    assert_eq!(there(&primary), "[Some(2), Some(2), None, None]");
    assert_eq!(primary.run::<i64>(&["GET", "behind"]), 1);
}
