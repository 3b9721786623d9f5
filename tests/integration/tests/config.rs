//! CONFIG: reading, changing and keeping the configuration.

use integration::node::free_ports;
use integration::{Node, TIMEOUT, eventually};
use std::collections::HashMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;

/// One directive's value.
fn get(node: &Node, name: &str) -> String {
    let found: HashMap<String, String> = node.run(&["CONFIG", "GET", name]);
    found.get(name).unwrap_or_else(|| panic!("no {name}")).clone()
}

#[test]
fn directives_are_read_by_patterns() {
    let node = Node::start("node", &[("maxclients", "123")]);
    assert_eq!(get(&node, "maxclients"), "123");
    let found: HashMap<String, String> =
        node.run(&["CONFIG", "GET", "repl-diskless-sync*", "port"]);
    assert_eq!(found["port"], node.port().to_string());
    assert_eq!(found["repl-diskless-sync-delay"], "0");
    let none: HashMap<String, String> = node.run(&["CONFIG", "GET", "nothing-like-it"]);
    assert!(none.is_empty());
    let folder = fs::canonicalize(node.folder()).expect("a folder");
    assert_eq!(get(&node, "dir"), folder.to_string_lossy());
}

#[test]
fn several_directives_change_together_or_not_at_all() {
    let node = Node::start("node", &[]);
    let _: String = node.run(&["CONFIG", "SET", "maxclients", "100", "timeout", "300"]);
    assert_eq!((get(&node, "maxclients"), get(&node, "timeout")), ("100".into(), "300".into()));
    node.refused(&["CONFIG", "SET", "maxclients", "200", "timeout", "many"]);
    assert_eq!((get(&node, "maxclients"), get(&node, "timeout")), ("100".into(), "300".into()));
    assert!(node.refused(&["CONFIG", "SET", "databases", "4"]).contains("immutable"));
    node.refused(&["CONFIG", "SET", "no-such-directive", "1"]);
}

#[test]
fn what_was_set_is_kept_by_rewrite() {
    let mut node = Node::start("node", &[]);
    let path = node.path("node.conf");
    let text = fs::read_to_string(&path).expect("a file");
    fs::write(&path, format!("# A line of the operator's.\n{text}")).expect("a file");
    node.restart();
    let _: String = node.run(&["CONFIG", "SET", "maxclients", "77", "save", "900 1 300 10"]);
    let _: String = node.run(&["CONFIG", "SET", "appendonly", "yes"]);
    let _: String = node.run(&["SET", "key", "value"]);
    let _: String = node.run(&["CONFIG", "REWRITE"]);
    let text = fs::read_to_string(&path).expect("the file");
    assert!(text.starts_with("# A line of the operator's.\n"), "{text}");
    eventually(TIMEOUT, "the first base is there", || node.number("aof_rewrites") == 1);
    node.restart();
    assert_eq!(get(&node, "maxclients"), "77");
    assert_eq!(get(&node, "save"), "900 1 300 10");
    assert_eq!(get(&node, "appendonly"), "yes");
    assert_eq!(node.run::<String>(&["GET", "key"]), "value");
    // A second time nothing changes.
    let before = fs::read_to_string(&path).expect("the file");
    let _: String = node.run(&["CONFIG", "REWRITE"]);
    assert_eq!(fs::read_to_string(&path).expect("the file"), before);
}

#[test]
fn a_new_role_is_kept_by_rewrite() {
    let primary = Node::start("primary", &[]);
    let mut replica = Node::start("replica", &[]);
    let _: String = primary.run(&["SET", "key", "value"]);
    replica.follow(&primary);
    replica.wait_for_sync(&primary);
    let _: String = replica.run(&["CONFIG", "REWRITE"]);
    replica.restart();
    assert_eq!(replica.info("role"), "slave");
    replica.wait_for_sync(&primary);
    let _: String = replica.run(&["REPLICAOF", "NO", "ONE"]);
    let _: String = replica.run(&["CONFIG", "REWRITE"]);
    replica.restart();
    assert_eq!(replica.info("role"), "master");
}

#[test]
fn a_wrong_directive_refuses_the_start() {
    for (name, value) in [("maxclients", "none"), ("no-such-directive", "1")] {
        let mut node = Node::prepare("node", &[(name, value)]);
        let said = node.launch_refused();
        assert!(said.contains(name), "{said}");
    }
}

#[test]
fn switching_the_append_only_file_off_and_on_loses_nothing() {
    let mut node = Node::start("node", &[("appendonly", "yes"), ("appendfsync", "always")]);
    let _: String = node.run(&["SET", "one", "1"]);
    let _: String = node.run(&["CONFIG", "SET", "appendonly", "no"]);
    let _: String = node.run(&["SET", "two", "2"]);
    let _: String = node.run(&["CONFIG", "SET", "appendonly", "yes"]);
    eventually(TIMEOUT, "the new base is there", || node.number("aof_rewrites") == 1);
    let _: String = node.run(&["SET", "three", "3"]);
    node.kill();
    node.launch();
    assert_eq!(node.run::<Vec<String>>(&["MGET", "one", "two", "three"]), ["1", "2", "3"]);
}

#[test]
fn the_score_for_want_of_memory_follows_the_role() {
    let node = Node::start("node", &[("oom-score-adj-values", "10 20 30")]);
    let score = || {
        let path = format!("/proc/{}/oom_score_adj", node.pid());
        let text = std::fs::read_to_string(path).expect("a score");
        text.trim().parse::<i32>().expect("a number")
    };
    let before = score();
    let _: String = node.run(&["CONFIG", "SET", "oom-score-adj", "yes"]);
    assert_eq!(score(), before + 10);
    let _: String = node.run(&["REPLICAOF", "127.0.0.1", "1"]);
    assert_eq!(score(), before + 20);
    let _: String = node.run(&["REPLICAOF", "NO", "ONE"]);
    assert_eq!(score(), before + 10);
    let _: String = node.run(&["CONFIG", "SET", "oom-score-adj", "no"]);
    assert_eq!(score(), before);
}

/// A node, and a port to which it may go. Commands keep the connection that the first of them makes, wherever it listens.
fn movable(options: &[(&str, &str)]) -> (Node, u16) {
    let node = Node::start("node", options);
    assert_eq!(node.run::<String>(&["PING"]), "PONG");
    (node, free_ports(1))
}

/// Whether somebody listens there.
fn listens(host: &str, port: u16) -> bool {
    TcpStream::connect((host, port)).is_ok()
}

/// What is said of port and addresses, and where of two addresses and the ports somebody listens.
fn places(node: &Node, ports: [u16; 2]) -> (String, String, Vec<(&'static str, u16)>) {
    let hosts = ["127.0.0.1", "127.0.0.2"].into_iter();
    let all = hosts.flat_map(|host| ports.map(|port| (host, port)));
    let there = all.filter(|(host, port)| listens(host, *port)).collect();
    (get(node, "port"), get(node, "bind"), there)
}

/// Asks on a new connection.
fn expect_pong(mut stream: impl Read + Write) {
    stream.write_all(b"PING\r\n").expect("somebody listens");
    let mut reply = [0; 7];
    stream.read_exact(&mut reply).expect("a reply");
    assert_eq!(&reply, b"+PONG\r\n");
}

/// Everything that CONFIG SET is refused with for an argument.
fn failed(name: &str, reason: &str) -> String {
    format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}")
}

const NO_PORT: &str = "Unable to listen on this port. Check server logs.";
const NO_ADDRESSES: &str = "Failed to bind to specified addresses.";
/// For documentation only: no machine has it.
const NOWHERE: &str = "192.0.2.1";

#[test]
fn port_and_addresses_change_together_in_any_order() {
    let (node, new) = movable(&[]);
    let (old, both) = (node.port(), "127.0.0.1 127.0.0.2");
    let (old_text, new_text) = (old.to_string(), new.to_string());
    let set = |words: &[&str]| {
        assert_eq!(node.run::<String>(&[&["CONFIG", "SET"], words].concat()), "OK");
        places(&node, [old, new])
    };
    let (first, second) = ("127.0.0.1", "127.0.0.2");
    assert_eq!(
        set(&["port", &new_text, "bind", both]),
        (new_text.clone(), both.into(), vec![(first, new), (second, new)])
    );
    assert_eq!(
        set(&["bind", first, "port", &old_text]),
        (old_text.clone(), first.into(), vec![(first, old)])
    );
    assert_eq!(
        set(&["bind", both, "maxclients", "77", "port", &new_text]),
        (new_text.clone(), both.into(), vec![(first, new), (second, new)])
    );
    assert_eq!(get(&node, "maxclients"), "77");
    assert_eq!(set(&["port", "0"]), ("0".into(), both.into(), vec![]));
    assert_eq!(
        set(&["port", &old_text, "bind", second]),
        (old_text.clone(), second.into(), vec![(second, old)])
    );
    assert_eq!(set(&["bind", first, "port", "0"]), ("0".into(), first.into(), vec![]));
    assert_eq!(set(&["port", &new_text]), (new_text.clone(), first.into(), vec![(first, new)]));
    expect_pong(TcpStream::connect((first, new)).expect("a connection"));
}

#[test]
fn addresses_that_overlap_the_old_ones_take_their_place() {
    let (node, new) = movable(&[]);
    let (old, ports) = (node.port(), [node.port(), new]);
    let (first, second) = ("127.0.0.1", "127.0.0.2");
    let alone = |at: &'static str| vec![(at, old)];
    for (bind, there) in [
        ("*", vec![(first, old), (second, old)]),
        ("127.0.0.1 127.0.0.2", vec![(first, old), (second, old)]),
        ("127.0.0.2 127.0.0.1", vec![(first, old), (second, old)]),
        ("127.0.0.2 -192.0.2.1", alone(second)),
        ("-192.0.2.1 *", vec![(first, old), (second, old)]),
        ("-127.0.0.1", alone(first)),
    ] {
        let _: String = node.run(&["CONFIG", "SET", "bind", bind]);
        assert_eq!(places(&node, ports), (old.to_string(), bind.into(), there));
    }
}

#[test]
fn what_fails_beside_a_port_leaves_it_where_it_was() {
    let (node, new) = movable(&[("unixsocket", "node.sock"), ("enable-protected-configs", "yes")]);
    let (old, new_text) = (node.port(), new.to_string());
    let before = places(&node, [old, new]);
    let folder = get(&node, "dir");
    let other = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let taken = other.local_addr().expect("an address").port().to_string();
    for (words, expected) in [
        (["port", &new_text, "maxclients", "100000000"], ("maxclients", "")),
        (["maxclients", "100000000", "port", &new_text], ("maxclients", "")),
        (["port", &new_text, "dir", "/nowhere/at/all"], ("dir", "")),
        (["dir", "/", "port", &taken], ("port", NO_PORT)),
        (["bind", "127.0.0.2", "maxclients", "100000000"], ("maxclients", "")),
        (["port", &new_text, "bind", NOWHERE], ("port", NO_PORT)),
        (["bind", NOWHERE, "port", &new_text], ("bind", NO_ADDRESSES)),
        (["bind", "127.0.0.2 192.0.2.1", "port", &new_text], ("bind", NO_ADDRESSES)),
        (["bind", "127.0.0.2 127.0.0.2", "timeout", "7"], ("bind", NO_ADDRESSES)),
        (["bind", "* 192.0.2.1", "timeout", "7"], ("bind", NO_ADDRESSES)),
        // The old address is in the way of the last, and is bound again when that one fails all the same.
        (["bind", "127.0.0.2 *", "timeout", "7"], ("bind", NO_ADDRESSES)),
    ] {
        let said = node.refused(&[&["CONFIG", "SET"], &words[..]].concat());
        assert!(said.starts_with(&failed(expected.0, expected.1)), "{words:?}: {said}");
        assert_eq!(places(&node, [old, new]), before, "{words:?}");
        assert_eq!(get(&node, "timeout"), "0");
        assert_eq!(get(&node, "dir"), folder);
        expect_pong(TcpStream::connect(("127.0.0.1", old)).expect("a connection"));
        expect_pong(UnixStream::connect(node.path("node.sock")).expect("a connection"));
    }
    assert!(!node.log().contains("cannot be put back"), "{}", node.log());
}

#[test]
fn a_port_that_goes_and_comes_back_at_once_is_served() {
    let (node, new) = movable(&[]);
    let old = node.port();
    let mut stream = TcpStream::connect(("127.0.0.1", old)).expect("a connection");
    let there_and_back = format!("CONFIG SET port {new}\r\nCONFIG SET port {old}\r\n");
    for _ in 0..10 {
        stream.write_all(there_and_back.as_bytes()).expect("it listens");
        let mut replies = [0; 10];
        stream.read_exact(&mut replies).expect("replies");
        assert_eq!(&replies, b"+OK\r\n+OK\r\n");
        assert_eq!(
            places(&node, [old, new]),
            (old.to_string(), "127.0.0.1".into(), vec![("127.0.0.1", old)])
        );
    }
    expect_pong(TcpStream::connect(("127.0.0.1", old)).expect("a connection"));
}

/// A client that has come and was not let in yet is not lost either: its address stays.
#[test]
fn an_address_that_stays_is_listened_on_without_an_interruption() {
    let (node, _) = movable(&[]);
    let mut stream = TcpStream::connect(("127.0.0.1", node.port())).expect("a connection");
    for (bind, reply) in [
        ("127.0.0.1 127.0.0.2", "+OK\r\n".to_string()),
        ("127.0.0.2 127.0.0.1", "+OK\r\n".to_string()),
        ("127.0.0.1", "+OK\r\n".to_string()),
        ("127.0.0.2 192.0.2.1", format!("-{}\r\n", failed("bind", NO_ADDRESSES))),
    ] {
        node.suspend();
        let request = format!("CONFIG SET bind \"{bind}\"\r\n");
        stream.write_all(request.as_bytes()).expect("it is connected");
        let waiting = TcpStream::connect(("127.0.0.1", node.port())).expect("a connection");
        node.resume();
        let mut said = vec![0; reply.len()];
        stream.read_exact(&mut said).expect("a reply");
        assert_eq!(String::from_utf8_lossy(&said), reply);
        expect_pong(waiting);
    }
}

/// What the append-only file of a folder has, once a node that is started there has loaded it.
fn loaded_from(node: &mut Node, folder: &str, keys: &[&str]) -> Vec<Option<String>> {
    node.kill();
    node.set_option("dir", folder);
    node.launch();
    node.run(&[&["MGET"], keys].concat())
}

/// A write that was acknowledged outlives a kill, in a folder that may be changed.
const DURABLE: [(&str, &str); 3] =
    [("appendonly", "yes"), ("appendfsync", "always"), ("enable-protected-configs", "yes")];

/// Writes would go on in the old folder, where no start with the new one looks for them.
#[test]
fn the_folder_stays_while_the_append_only_file_is_open() {
    let mut node = Node::start("node", &[&DURABLE[..], &[("timeout", "9")]].concat());
    let (folder, log) = (get(&node, "dir"), node.path("node.log"));
    let other = node.path("other");
    fs::create_dir(&other).expect("a folder");
    let other = fs::canonicalize(other).expect("a folder").to_string_lossy().into_owned();
    node.set_option("logfile", &log.to_string_lossy());
    let _: String = node.run(&["SET", "one", "1"]);
    let said = node.refused(&["CONFIG", "SET", "timeout", "7", "dir", "other"]);
    assert!(said.starts_with(&failed("dir", "the append only file is open")), "{said}");
    assert!(said.contains("CONFIG SET appendonly no"), "{said}");
    assert_eq!((get(&node, "dir"), get(&node, "timeout")), (folder.clone(), "9".into()));
    let said = node.refused(&["CONFIG", "SET", "dir", "nowhere"]);
    assert!(said.contains("No such file or directory"), "{said}");
    // Where it is already it may be.
    for same in [".", &folder, "other/.."] {
        let _: String = node.run(&["CONFIG", "SET", "dir", same]);
        assert_eq!(get(&node, "dir"), folder);
    }
    let _: String = node.run(&["SET", "two", "2"]);
    let _: String = node.run(&["BGREWRITEAOF"]);
    eventually(TIMEOUT, "a new base is there", || node.number("aof_rewrites") == 1);
    let _: String = node.run(&["SET", "three", "3"]);
    let expected: Vec<Option<String>> = ["1", "2", "3"].map(|v| Some(v.into())).into();
    assert_eq!(loaded_from(&mut node, &folder, &["one", "two", "three"]), expected);
    // The way that the error names.
    let _: String = node.run(&["CONFIG", "SET", "appendonly", "no"]);
    let _: String = node.run(&["CONFIG", "SET", "dir", "other"]);
    let _: String = node.run(&["CONFIG", "SET", "appendonly", "yes"]);
    assert_eq!(get(&node, "dir"), other);
    eventually(TIMEOUT, "the first base is there", || node.number("aof_rewrites") == 1);
    let _: String = node.run(&["SET", "three", "4"]);
    let expected: Vec<Option<String>> = ["1", "2", "4"].map(|v| Some(v.into())).into();
    assert_eq!(loaded_from(&mut node, &other, &["one", "two", "three"]), expected);
}

#[test]
fn the_append_only_file_is_switched_off_before_the_folder_changes_and_on_behind_it() {
    let mut node = Node::start("node", &DURABLE);
    let log = node.path("node.log");
    node.set_option("logfile", &log.to_string_lossy());
    let folder = get(&node, "dir");
    fs::create_dir(node.path("other")).expect("a folder");
    let _: String = node.run(&["SET", "one", "1"]);
    // What was done before the one that fails is taken back.
    let other = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let taken = other.local_addr().expect("an address").port().to_string();
    node.refused(&["CONFIG", "SET", "port", &taken, "dir", "other", "appendonly", "no"]);
    assert_eq!((get(&node, "dir"), get(&node, "appendonly")), (folder.clone(), "yes".into()));
    eventually(TIMEOUT, "the old folder has a base", || node.number("aof_rewrites") == 1);
    let _: String = node.run(&["SET", "two", "2"]);
    let expected: Vec<Option<String>> = ["1", "2"].map(|v| Some(v.into())).into();
    assert_eq!(loaded_from(&mut node, &folder, &["one", "two"]), expected);
    let _: String = node.run(&["CONFIG", "SET", "dir", "other", "appendonly", "no"]);
    let _: String = node.run(&["CONFIG", "SET", "appendonly", "yes", "dir", ".."]);
    assert_eq!(get(&node, "dir"), folder);
    eventually(TIMEOUT, "the folder has a base", || node.number("aof_rewrites") == 1);
    let _: String = node.run(&["SET", "two", "3"]);
    let expected: Vec<Option<String>> = ["1", "3"].map(|v| Some(v.into())).into();
    assert_eq!(loaded_from(&mut node, &folder, &["one", "two"]), expected);
}
