//! `rename-command`: clients use other names; files and replicas do not.

use integration::data::command;
use integration::{Node, Peer, TIMEOUT, eventually};
use redis::Value;
use std::fs;
use std::thread;

/// Lines of a configuration: writes, reads, a container, a transaction, a command that waits, one that is off.
const LINES: &str = "rename-command SET put\nrename-command get FETCH\nrename-command FLUSHALL \"\"\n\
    rename-command CONFIG conf\nrename-command MULTI begin\nrename-command EXEC commit\n\
    rename-command BLPOP wait-for\nrename-command XADD log-line\nrename-command PUBLISH say\n\
    rename-command EXPIRE limit\nrename-command GETDEL take\n";

/// One that takes another command's own name. Redis's stream means the new one by it, ours never does.
const SWAPPED: &str = "rename-command DEL GET\n";

fn with_lines(mut node: Node, lines: &str) -> Node {
    let path = node.path("node.conf");
    let text = fs::read_to_string(&path).expect("a configuration file");
    fs::write(&path, format!("{text}{lines}")).expect("a configuration file");
    node.launch();
    node
}

fn with_names(node: Node) -> Node {
    with_lines(node, &format!("{LINES}{SWAPPED}"))
}

/// Writes in every way that reaches files and replicas.
fn write(node: &Node, del: &str) {
    let mut connection = node.connect();
    let mut run = |words: &[&str]| command(words).query::<Value>(&mut connection).expect("a reply");
    run(&["put", "plain", "1"]);
    run(&["PUT", "timed", "2", "EX", "100000"]);
    run(&["limit", "plain", "100000"]);
    run(&["put", "gone", "3"]);
    run(&[del, "gone"]);
    run(&["put", "taken", "3"]);
    run(&["take", "taken"]);
    run(&["begin"]);
    run(&["put", "inside", "4"]);
    run(&["INCR", "inside"]);
    run(&["log-line", "stream", "*", "field", "value"]);
    run(&["commit"]);
    run(&["say", "channel", "word"]);
    let mut waiting = node.connect();
    let waiter = thread::spawn(move || {
        command(&["wait-for", "list", "0"]).query::<Vec<String>>(&mut waiting)
    });
    eventually(TIMEOUT, "it waits", || node.number("blocked_clients") == 1);
    run(&["RPUSH", "list", "a", "b"]);
    assert_eq!(waiter.join().expect("a thread").expect("served"), ["list", "a"]);
}

fn check(node: &Node, get: &str) {
    assert_eq!(node.run::<String>(&[get, "plain"]), "1");
    assert_eq!(node.run::<String>(&[get, "inside"]), "5");
    assert!(node.run::<i64>(&["TTL", "timed"]) > 0 && node.run::<i64>(&["TTL", "plain"]) > 0);
    assert_eq!(node.run::<i64>(&["XLEN", "stream"]), 1);
    assert_eq!(node.run::<i64>(&["EXISTS", "gone", "taken"]), 0);
    assert_eq!(node.run::<Vec<String>>(&["LRANGE", "list", "0", "-1"]), ["b"]);
}

#[test]
fn clients_find_commands_by_their_new_names_only() {
    let node = with_names(Node::prepare("node", &[]));
    write(&node, "get");
    check(&node, "fetch");
    let warning = "'rename-command DEL GET': 'GET' is another command's own name";
    assert!(node.log().contains(warning), "{}", node.log());
    for name in ["SET", "CONFIG", "multi", "FLUSHALL"] {
        let error = node.refused(&[name, "a", "b"]);
        let expected = format!("ERR unknown command '{name}', with args beginning with: 'a' 'b' ");
        assert_eq!(error.trim(), expected.trim());
    }
    // Errors, COMMAND and its kin name the command itself, as in Redis 7.
    assert_eq!(node.refused(&["fetch"]), "ERR wrong number of arguments for 'get' command");
    let all: i64 = Node::start("plain", &[]).run(&["COMMAND", "COUNT"]);
    assert_eq!(node.run::<i64>(&["COMMAND", "COUNT"]), all - 1);
    let names: Vec<String> = node.run(&["COMMAND", "LIST"]);
    assert!(names.contains(&"set".into()) && !names.contains(&"flushall".into()));
    let found: Vec<Vec<Value>> = node.run(&["COMMAND", "INFO", "put"]);
    assert_eq!(found[0][0], Value::BulkString(b"set".to_vec()));
    let keys: Vec<String> = node.run(&["COMMAND", "GETKEYS", "put", "key", "value"]);
    assert_eq!(keys, ["key"]);
    let error = node.refused(&["COMMAND", "GETKEYS", "set", "key", "value"]);
    assert_eq!(error, "ERR Invalid command specified");
    assert!(node.info("cmdstat_set").starts_with("calls="));
    let found: Vec<String> = node.run(&["conf", "GET", "port"]);
    assert_eq!(found[1], node.port().to_string());
}

#[test]
fn files_are_written_under_own_names_and_load_with_any() {
    let mut node = Node::prepare("node", &[("appendonly", "yes"), ("appendfsync", "always")]);
    node = with_names(node);
    write(&node, "get");
    let digest = node.digest();
    node.restart();
    assert_eq!(node.digest(), digest);
    node.stop();
    let path = node.path("node.conf");
    let text = fs::read_to_string(&path).expect("a configuration file");
    fs::write(&path, text.replace(LINES, "").replace(SWAPPED, "")).expect("a configuration file");
    node.launch();
    assert_eq!(node.digest(), digest);
    check(&node, "GET");
}

/// Redis appends what was typed.
#[test]
fn a_file_with_new_names_is_understood_as_long_as_they_are_configured() {
    let mut node = Node::prepare("node", &[("appendonly", "yes")]);
    let folder = node.path("appendonlydir");
    fs::create_dir(&folder).expect("a folder");
    let manifest = "file appendonly.aof.1.incr.aof seq 1 type i\n";
    fs::write(folder.join("appendonly.aof.manifest"), manifest).expect("a file");
    let request = |words: &[&str]| {
        let parts = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len()));
        format!("*{}\r\n{}", words.len(), parts.collect::<String>())
    };
    let text = [
        request(&["SELECT", "0"]),
        request(&["put", "a", "1"]),
        request(&["SET", "b", "2"]),
        request(&["begin"]),
        request(&["PUT", "c", "3"]),
        request(&["commit"]),
    ];
    fs::write(folder.join("appendonly.aof.1.incr.aof"), text.concat()).expect("a file");
    let said = node.launch_refused();
    assert!(said.contains("Unknown command 'put'"), "{said}");
    let node = with_names(node);
    let values: Vec<String> = node.run(&["MGET", "a", "b", "c"]);
    assert_eq!(values, ["1", "2", "3"]);
}

#[test]
fn replicas_follow_whatever_names_they_have() {
    let primary = with_names(Node::prepare("primary", &[]));
    let plain = Node::start("plain", &[]);
    let named = with_names(Node::prepare("named", &[("appendonly", "yes")]));
    for replica in [&plain, &named] {
        replica.follow(&primary);
        replica.wait_for_sync(&primary);
    }
    write(&primary, "get");
    for (replica, get) in [(&plain, "GET"), (&named, "fetch")] {
        replica.wait_for_sync(&primary);
        check(replica, get);
        assert_eq!(replica.number("replica_commands_unsupported"), 0);
    }
}

/// Moving in: Redis's replicas hear what was typed.
#[test]
fn the_stream_of_a_redis_with_new_names_is_understood() {
    for peer in Peer::all() {
        let primary = with_lines(peer.prepare("redis", &[]), LINES);
        let replica = Node::prepare("replica", &[("appendonly", "yes")]);
        let mut replica = with_lines(replica, LINES);
        replica.follow(&primary);
        replica.wait_for_sync(&primary);
        write(&primary, "DEL");
        replica.wait_for_sync(&primary);
        check(&replica, "fetch");
        let _: String = replica.run(&["REPLICAOF", "NO", "ONE"]);
        let digest = replica.digest();
        replica.restart();
        assert_eq!(replica.digest(), digest);
    }
}

#[test]
fn a_wrong_renaming_refuses_the_start_in_the_words_of_redis() {
    for (line, said) in [
        ("rename-command nonsense x", "No such command in rename-command"),
        ("rename-command config|get x", "No such command in rename-command"),
        ("rename-command GET SET", "Target command name already exists"),
        ("rename-command GET", "Bad directive or wrong number of arguments"),
    ] {
        let mut node = Node::prepare("node", &[]);
        let path = node.path("node.conf");
        let text = fs::read_to_string(&path).expect("a configuration file");
        fs::write(&path, format!("{text}{line}\n")).expect("a configuration file");
        let output = node.launch_refused();
        assert!(output.contains(line) && output.contains(said), "{output}");
    }
}

#[test]
fn rewrite_keeps_the_lines() {
    let mut node = with_names(Node::prepare("node", &[]));
    let _: String = node.run(&["conf", "SET", "maxclients", "321"]);
    let _: String = node.run(&["conf", "REWRITE"]);
    let text = fs::read_to_string(node.path("node.conf")).expect("the file");
    assert!(text.contains(LINES) && text.contains("maxclients 321"), "{text}");
    node.restart();
    assert_eq!(node.run::<String>(&["put", "key", "value"]), "OK");
}
