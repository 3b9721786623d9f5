//! CONFIG: reading, changing and keeping the configuration.

use integration::{Node, TIMEOUT, eventually};
use std::collections::HashMap;
use std::fs;

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
