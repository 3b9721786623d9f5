//! The append-only file as commands: its base without RDB, and the times that it says.

use integration::data::{DATABASES, Writes};
use integration::peer::tool;
use integration::{Node, Peer, TIMEOUT, eventually};
use redis::{FromRedisValue, Value};
use std::fs;
use std::path::Path;
use std::process::Command;

const COMMANDS: [(&str, &str); 2] = [("appendonly", "yes"), ("aof-use-rdb-preamble", "no")];
const MANIFEST: &str = "appendonlydir/appendonly.aof.manifest";

fn rewrite(node: &Node) {
    let before = node.number("aof_rewrites");
    let _: String = node.run(&["BGREWRITEAOF"]);
    eventually(TIMEOUT, "the rewrite ends", || node.number("aof_rewrites") == before + 1);
}

/// The newest base and the newest incremental file, as the manifest names them.
fn named(node: &Node, kind: &str) -> std::path::PathBuf {
    let manifest = fs::read_to_string(node.path(MANIFEST)).expect("a manifest");
    let line = manifest.lines().rfind(|line| line.ends_with(&format!("type {kind}")));
    let name = line.and_then(|line| line.split(' ').nth(1)).expect("a file of this kind");
    node.path("appendonlydir").join(name)
}

fn copy_files(source: &Path, target: &Path) {
    fs::create_dir(target).expect("a folder");
    for entry in fs::read_dir(source).expect("a folder") {
        let entry = entry.expect("an entry");
        fs::copy(entry.path(), target.join(entry.file_name())).expect("copied");
    }
}

/// Another server with the append-only file of `node`, which has stopped.
fn with_files_of(node: &Node, mut other: Node) -> Node {
    copy_files(&node.path("appendonlydir"), &other.path("appendonlydir"));
    other.launch();
    other
}

/// Fields of a map, as text.
fn fields(value: Value, names: &[&str]) -> String {
    let pairs = Vec::<(String, Value)>::from_redis_value(value).expect("a map");
    let wanted = |(name, _): &(String, Value)| names.contains(&name.as_str());
    format!("{:?}", pairs.into_iter().filter(wanted).collect::<Vec<_>>())
}

/// What no digest tells: counters, groups and what is pending in streams. Times are left out.
fn streams(node: &Node) -> Vec<String> {
    let mut all = Vec::new();
    for db in 0..DATABASES {
        let mut connection = node.connect_as(&db.to_string());
        let mut ask = |words: &[&str]| -> Value {
            integration::data::command(words).query(&mut connection).expect("an answer")
        };
        let keys = ask(&["SCAN", "0", "COUNT", "100000", "TYPE", "stream"]);
        let (_, mut keys) = <(String, Vec<String>)>::from_redis_value(keys).expect("keys");
        keys.sort();
        for key in keys {
            let counters = ["length", "last-generated-id", "max-deleted-entry-id", "entries-added"];
            let more = ["groups", "recorded-first-entry-id"];
            let stream = fields(ask(&["XINFO", "STREAM", &key]), &[&counters[..], &more].concat());
            all.push(format!("{db} {key} {stream}"));
            let groups = Vec::<Value>::from_redis_value(ask(&["XINFO", "GROUPS", &key]));
            for group in groups.expect("groups") {
                let names = ["name", "consumers", "pending", "last-delivered-id", "entries-read"];
                all.push(fields(group.clone(), &names));
                let pairs = Vec::<(String, Value)>::from_redis_value(group).expect("a map");
                let name = pairs.into_iter().find(|(name, _)| name == "name").expect("a name").1;
                let name = String::from_redis_value(name).expect("a name");
                let pending = ask(&["XPENDING", &key, &name, "-", "+", "100000"]);
                type Pending = (String, String, i64, i64);
                let pending = Vec::<Pending>::from_redis_value(pending).expect("pending entries");
                let timeless = pending.into_iter().map(|(id, to, _, count)| (id, to, count));
                all.push(format!("{:?}", timeless.collect::<Vec<_>>()));
                let consumers = ask(&["XINFO", "CONSUMERS", &key, &name]);
                for consumer in Vec::<Value>::from_redis_value(consumers).expect("consumers") {
                    all.push(fields(consumer, &["name", "pending"]));
                }
            }
        }
    }
    all
}

#[test]
fn a_base_of_commands_is_the_same_data_here_and_in_other_servers() {
    for seed in 1..4 {
        let mut node = Node::start("node", &COMMANDS);
        assert!(named(&node, "b").ends_with("appendonly.aof.1.base.aof"));
        let mut connection = node.connect();
        Writes::new(seed).send(&mut connection, 4000);
        for number in 0..1000 {
            let (number, score) = (number.to_string(), format!("{}e-3", number * number));
            let _: i64 = node.run(&["RPUSH", "long list", &number]);
            let _: i64 = node.run(&["ZADD", "long zset", &score, &number]);
            let _: i64 = node.run(&["HSET", "long hash", &number, &number]);
            let _: i64 = node.run(&["SADD", "long set", &number, "x"]);
        }
        let _: i64 =
            node.run(&["ZADD", "scores", "inf", "a", "-inf", "b", "0.1", "c", "5e-324", "d"]);
        let _: i64 = node.run(&["ZADD", "scores", "-0", "e", "1e300", "f", "-12345678.9", "g"]);
        let _: String = node.run(&["SET", "\r\n*3\r\n", "#TS:1\r\n"]);
        // No entry, and nothing ever was; all are gone that are pending; one of several is.
        let _: String = node.run(&["XGROUP", "CREATE", "never", "g", "$", "MKSTREAM"]);
        for (key, count) in [("all gone", 3), ("some gone", 9)] {
            let _: String = node.run(&["XGROUP", "CREATE", key, "g", "$", "MKSTREAM"]);
            for id in 1..=count {
                let _: String = node.run(&["XADD", key, &format!("{id}-1"), "f", &id.to_string()]);
            }
            let _: Value = node.run(&["XREADGROUP", "GROUP", "g", "c", "STREAMS", key, ">"]);
            let _: i64 = node.run(&["XDEL", key, "1-1", "2-1", "3-1", "6-1"]);
        }
        let _: i64 = node.run(&["XTRIM", "some gone", "MINID", "5"]);
        rewrite(&node);
        let base = fs::read(named(&node, "b")).expect("a base");
        assert!(named(&node, "b").to_string_lossy().ends_with(".base.aof"));
        assert!(!base.starts_with(b"REDIS"));
        let (digest, groups) = (node.digest(), streams(&node));
        assert!(groups.iter().any(|line| line.contains("\"1-1\"")), "pending and gone");
        node.restart();
        assert_eq!(node.digest(), digest, "seed {seed}");
        assert_eq!(streams(&node), groups, "seed {seed}");
        node.stop();
        integration::peer::check_file("redis-check-aof", &node.path(MANIFEST));
        for peer in Peer::all() {
            let other = with_files_of(&node, peer.prepare("other", &[("appendonly", "yes")]));
            assert_eq!(other.digest(), digest, "seed {seed}");
            assert_eq!(streams(&other), groups, "seed {seed}");
        }
    }
}

#[test]
fn expiries_and_functions_are_in_a_base_of_commands() {
    let library = "#!lua name=lib\nredis.register_function('f', function() return 1 end)";
    for peer in Peer::all() {
        let other = peer.start("other", &[]);
        let _: String = other.run(&["FUNCTION", "LOAD", library]);
        let _: String = other.run(&["SET", "far", "1", "PXAT", "4102444800123"]);
        let _: String = other.run(&["SAVE"]);
        let digest = other.digest();
        // The base of a dump, and one that a child writes.
        let mut node = Node::prepare("node", &COMMANDS);
        fs::copy(other.path("dump.rdb"), node.path("dump.rdb")).expect("copied");
        node.launch();
        for _ in 0..2 {
            assert_eq!(node.digest(), digest);
            assert_eq!(node.run::<i64>(&["PEXPIRETIME", "far"]), 4_102_444_800_123);
            let base = String::from_utf8(fs::read(named(&node, "b")).expect("a base"));
            assert!(base.expect("text").contains(library));
            node.restart();
            rewrite(&node);
        }
        node.stop();
        let other = with_files_of(&node, peer.prepare("again", &[("appendonly", "yes")]));
        assert_eq!(other.digest(), digest);
        assert_eq!(other.run::<i64>(&["FCALL", "f", "0"]), 1);
        // And what that one writes comes back.
        let _: String = other.run(&["CONFIG", "SET", "aof-use-rdb-preamble", "no"]);
        rewrite(&other);
        let node = with_files_of(&other, Node::prepare("back", &COMMANDS));
        assert_eq!(node.digest(), digest);
    }
}

#[test]
fn killed_while_a_base_of_commands_is_written_nothing_is_lost() {
    let mut node = Node::start("node", &[&COMMANDS[..], &[("appendfsync", "always")]].concat());
    let mut writes = Writes::new(5);
    writes.send(&mut node.connect(), 1000);
    for round in 0..3 {
        let _: String = node.run(&["CONFIG", "SET", "rdb-key-save-delay", "50000"]);
        let _: String = node.run(&["BGREWRITEAOF"]);
        writes.send(&mut node.connect(), 200);
        assert_eq!(node.number("aof_rewrite_in_progress"), 1);
        let digest = node.digest();
        node.kill();
        node.launch();
        assert_eq!(node.digest(), digest, "round {round}");
    }
    rewrite(&node);
    let digest = node.digest();
    node.kill();
    node.launch();
    assert_eq!(node.digest(), digest);
}

#[test]
fn the_form_can_be_changed_at_run_time_and_goes_with_the_child() {
    let mut node = Node::start("node", &[]);
    Writes::new(6).send(&mut node.connect(), 500);
    let _: String = node.run(&["CONFIG", "SET", "aof-use-rdb-preamble", "no"]);
    let _: String = node.run(&["CONFIG", "SET", "rdb-key-save-delay", "1000"]);
    let _: String = node.run(&["CONFIG", "SET", "appendonly", "yes"]);
    // What is being written is of the form that was set then.
    let _: String = node.run(&["CONFIG", "SET", "aof-use-rdb-preamble", "yes"]);
    eventually(TIMEOUT, "the first base is there", || node.number("aof_rewrites") == 1);
    assert!(named(&node, "b").to_string_lossy().ends_with(".base.aof"));
    let _: String = node.run(&["CONFIG", "SET", "rdb-key-save-delay", "0"]);
    rewrite(&node);
    assert!(named(&node, "b").to_string_lossy().ends_with(".base.rdb"));
    let digest = node.digest();
    node.stop();
    node.set_option("appendonly", "yes");
    node.launch();
    assert_eq!(node.digest(), digest);
}

#[test]
fn a_replica_goes_on_where_its_base_of_commands_ends() {
    let primary = Node::start("primary", &[]);
    let mut replica = Node::start("replica", &COMMANDS);
    replica.follow(&primary);
    let mut writes = Writes::new(7);
    writes.send(&mut primary.connect(), 500);
    replica.wait_for_sync(&primary);
    // Nothing follows the base: the stream stands in the database that was written to last.
    rewrite(&replica);
    replica.set_option("replicaof", &format!("127.0.0.1 {}", primary.port()));
    replica.stop();
    writes.send(&mut primary.connect(), 50);
    replica.launch();
    replica.wait_for_sync(&primary);
    assert_eq!((primary.number("sync_full"), primary.number("sync_partial_ok")), (1, 1));
}

#[test]
fn rot_in_a_base_of_commands_is_refused() {
    let mut node = Node::start("node", &COMMANDS);
    let _: String = node.run(&["SET", "key", "a value that rots"]);
    rewrite(&node);
    node.stop();
    let path = named(&node, "b");
    let mut bytes = fs::read(&path).expect("a base");
    let at = bytes.windows(4).position(|part| part == b"rots").expect("a value");
    bytes[at] ^= 1;
    fs::write(&path, &bytes).expect("written");
    let said = node.launch_refused();
    assert!(said.contains(".base.aof") && said.contains("checksum of its mark"), "{said}");
}

// --- times ---

/// The times that a file says, in order.
fn times(path: &Path) -> Vec<i64> {
    let bytes = fs::read(path).expect("a file");
    let lines = bytes.split(|byte| *byte == b'\n').filter_map(|line| line.strip_prefix(b"#TS:"));
    let number =
        |line: &[u8]| String::from_utf8_lossy(line.trim_ascii()).parse().expect("a number");
    lines.map(number).collect()
}

/// Lets a node's clock jump to another second.
fn another_second(node: &Node, shift_ms: &mut i64) {
    *shift_ms += 1000;
    let _: String = node.run(&["DEBUG", "SHIFT-CLOCK", &shift_ms.to_string()]);
}

#[test]
fn times_are_said_when_the_second_changes_and_the_file_can_be_cut_there() {
    let mut node = Node::start("node", &[("appendonly", "yes")]);
    let _: String = node.run(&["SET", "before", "1"]);
    assert_eq!(times(&named(&node, "i")), [], "it is off");
    let _: String = node.run(&["CONFIG", "SET", "aof-timestamp-enabled", "yes"]);
    let mut shift_ms = 0;
    for number in 0..4 {
        another_second(&node, &mut shift_ms);
        // Without a write nothing is said.
        another_second(&node, &mut shift_ms);
        let mut pipe = redis::pipe();
        pipe.cmd("SELECT").arg(number % 2);
        pipe.cmd("SET").arg(format!("key:{number}")).arg(number).cmd("INCR").arg("count");
        pipe.exec(&mut node.connect()).expect("written");
    }
    let _: String = node.run(&["CONFIG", "SET", "aof-timestamp-enabled", "no"]);
    another_second(&node, &mut shift_ms);
    let _: String = node.run(&["SET", "after", "1"]);
    node.stop();
    let all = times(&named(&node, "i"));
    assert!(all.len() >= 4 && all.is_sorted_by(|a, b| a < b), "{all:?}");
    let text = fs::read(named(&node, "i")).expect("a file");
    let text = String::from_utf8_lossy(&text).into_owned();
    let time_of = |key: &str| -> i64 {
        let before = &text[..text.find(key).expect("it is in the file")];
        let line = before.rsplit_once("#TS:").expect("a time before it").1;
        line.split("\r\n").next().and_then(|time| time.parse().ok()).expect("a time")
    };
    let written: Vec<i64> = (0..4).map(|number| time_of(&format!("key:{number}"))).collect();
    // Two jumps of a second are between two of them.
    assert!(written.is_sorted_by(|a, b| a + 1 < *b), "{written:?}");
    let check = |second: i64| {
        let output = Command::new(tool("redis-check-aof"))
            .args(["--truncate-to-timestamp", &second.to_string()])
            .arg(node.path(MANIFEST))
            .output()
            .expect("a checker that runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}");
        assert!(said.contains("Successfully truncated AOF"), "{said}");
    };
    // From the end to the beginning: ever less is left, and all of it loads without a repair, here and elsewhere.
    for second in all[1..].iter().rev().map(|second| second - 1).chain([all[0] - 1]) {
        check(second);
        let left = times(&named(&node, "i"));
        assert!(left.iter().all(|time| *time <= second), "{left:?} {second}");
        let mut here =
            Node::prepare("here", &[("appendonly", "yes"), ("aof-load-truncated", "no")]);
        copy_files(&node.path("appendonlydir"), &here.path("appendonlydir"));
        here.launch();
        let there = |node: &Node, db: i64| {
            let mut connection = node.connect_as(&db.to_string());
            let keys = redis::cmd("KEYS").arg("key:*").query::<Vec<String>>(&mut connection);
            keys.expect("keys").len()
        };
        let expected = written.iter().filter(|time| **time <= second).count();
        assert_eq!(there(&here, 0) + there(&here, 1), expected, "{second} of {written:?}");
        assert_eq!(here.run::<i64>(&["EXISTS", "before", "after"]), 1);
        let peer = &Peer::all()[0];
        let other = with_files_of(&node, peer.prepare("other", &[("appendonly", "yes")]));
        assert_eq!(other.digest(), here.digest());
        // What is appended from there on is marked right.
        let _: String = here.run(&["SET", "later", "1"]);
        let digest = here.digest();
        here.restart();
        assert_eq!(here.digest(), digest);
    }
}

#[test]
fn a_base_of_commands_begins_with_its_time() {
    let options = [&COMMANDS[..], &[("aof-timestamp-enabled", "yes")]].concat();
    let mut node = Node::start("node", &options);
    let _: String = node.run(&["SET", "k", "v"]);
    let first = |path: &Path| fs::read(path).expect("a file").starts_with(b"#TS:");
    eventually(TIMEOUT, "it is written", || first(&named(&node, "i")));
    rewrite(&node);
    assert!(first(&named(&node, "b")));
    let digest = node.digest();
    node.restart();
    assert_eq!(node.digest(), digest);
}
