//! Users of a live server: kept in its configuration or in a file of their own, and what becomes of their connections.

use integration::data::command;
use integration::node::Node;
use integration::{TIMEOUT, eventually};
use std::fs;

/// A request that is answered with an error: its text.
fn refused(connection: &mut redis::Connection, words: &[&str]) -> String {
    let answer: redis::RedisResult<redis::Value> = command(words).query(connection);
    let error = answer.expect_err("it is refused");
    format!("{} {}", error.code().unwrap_or_default(), error.detail().unwrap_or_default())
}

/// A connection of a user.
fn log_in(node: &Node, user: &str, password: &str) -> redis::RedisResult<redis::Connection> {
    let mut connection = node.connect();
    let _: String = command(&["AUTH", user, password]).query(&mut connection)?;
    Ok(connection)
}

fn list(node: &Node) -> Vec<String> {
    node.run(&["ACL", "LIST"])
}

#[test]
fn users_of_the_configuration_are_there_after_a_start_and_kept_by_rewrite() {
    let mut node = Node::start("node", &[]);
    let path = node.path("node.conf");
    let before = fs::read_to_string(&path).expect("a file");
    let _: String = node.run(&["CONFIG", "REWRITE"]);
    let text = fs::read_to_string(&path).expect("a file");
    assert!(!text.contains("\nuser "), "there is nothing to say: {text}");
    fs::write(&path, format!("user shop on >secret ~shop:* +@all -@admin (+get ~p:*)\n{before}"))
        .expect("a file");
    node.restart();
    let mut shop = log_in(&node, "shop", "secret").expect("a user");
    let _: () = command(&["SET", "shop:1", "x"]).query(&mut shop).expect("its own key");
    assert!(refused(&mut shop, &["SET", "p:1", "x"]).contains("NOPERM"));
    assert!(refused(&mut shop, &["CONFIG", "GET", "port"]).contains("config|get"));
    let _: String = node.run(&["ACL", "SETUSER", "other", "on", "nopass", "+ping"]);
    let _: String = node.run(&["ACL", "SETUSER", "shop", "+flushall"]);
    let users = list(&node);
    let _: String = node.run(&["CONFIG", "REWRITE"]);
    let text = fs::read_to_string(&path).expect("a file");
    assert!(!text.contains("secret"), "{text}");
    node.restart();
    assert_eq!(list(&node), users);
    let _: String = node.run(&["CONFIG", "REWRITE"]);
    assert_eq!(fs::read_to_string(&path).expect("a file"), text, "it stays so");
}

#[test]
fn what_is_wrong_with_users_keeps_a_server_from_starting() {
    let cases = [
        ("user a on\nuser a off\n", "Duplicate user found"),
        ("user a +nosuch\n", "Unknown command or category name in ACL"),
        ("user a (+get\n", "Unmatched parenthesis"),
        ("user a ~* ~x\n", "Try 'resetkeys'"),
        ("aclfile nothing.acl\n", "opening file 'nothing.acl'"),
        ("aclfile nothing.acl\nuser a on\n", "declare them in one of the two places"),
    ];
    for (lines, reason) in cases {
        let mut node = Node::prepare("node", &[]);
        let path = node.path("node.conf");
        let text = fs::read_to_string(&path).expect("a file");
        fs::write(&path, format!("{text}{lines}")).expect("a file");
        let said = node.launch_refused();
        assert!(said.contains(reason), "{lines}: {said}");
    }
}

#[test]
fn a_file_of_users_is_written_and_read() {
    let mut node = Node::prepare("node", &[("aclfile", "users.acl")]);
    let path = node.path("users.acl");
    fs::write(&path, "user shop on nopass ~* +@all\n\nuser default on nopass ~* &* +@all\n")
        .expect("a file");
    node.begin();
    node.wait_until_up();
    let mut shop = log_in(&node, "shop", "any").expect("a user");
    let _: String = node.run(&["ACL", "SETUSER", "late", "on", "nopass", "+ping"]);
    let _: String = node.run(&["ACL", "SAVE"]);
    let users = list(&node);
    let text = fs::read_to_string(&path).expect("a file");
    assert_eq!(text.lines().collect::<Vec<_>>(), users);
    let _: String = node.run(&["CONFIG", "REWRITE"]);
    let config = fs::read_to_string(node.path("node.conf")).expect("a file");
    assert!(!config.contains("\nuser "), "{config}");
    let _: String = node.run(&["ACL", "LOAD"]);
    let gone: redis::RedisResult<String> = command(&["PING"]).query(&mut shop);
    assert!(gone.is_err(), "the clients of all users but the default one");
    fs::write(&path, "user late +nosuch\n").expect("a file");
    let errors = node.refused(&["ACL", "LOAD"]);
    assert!(errors.contains("users.acl:1: Error in applying operation '+nosuch'"), "{errors}");
    assert_eq!(list(&node), users);
    fs::write(&path, &text).expect("a file");
    node.restart();
    assert_eq!(list(&node), users);
}

#[test]
fn clients_of_a_user_are_seen_and_disconnected() {
    let node = Node::start("node", &[]);
    let _: String = node.run(&["ACL", "SETUSER", "shop", "on", "nopass", "~*", "+@all"]);
    let mut shop = log_in(&node, "shop", "any").expect("a user");
    let _: String = command(&["PING"]).query(&mut shop).expect("a reply");
    let clients: String = node.run(&["CLIENT", "LIST"]);
    assert!(clients.contains(" user=shop ") && clients.contains(" user=default "), "{clients}");
    assert!(node.refused(&["CLIENT", "KILL", "USER", "nobody"]).contains("No such user 'nobody'"));
    assert_eq!(node.run::<i64>(&["CLIENT", "KILL", "USER", "shop"]), 1);
    let gone: redis::RedisResult<String> = command(&["PING"]).query(&mut shop);
    assert!(gone.is_err());
    let mut again = log_in(&node, "shop", "any").expect("a user");
    assert_eq!(node.run::<i64>(&["ACL", "DELUSER", "shop"]), 1);
    let gone: redis::RedisResult<String> = command(&["PING"]).query(&mut again);
    assert!(gone.is_err());
    assert!(log_in(&node, "shop", "any").is_err());
}

#[test]
fn a_replica_logs_in_as_a_user_with_three_commands() {
    let primary = Node::start("primary", &[]);
    let rules = ["ACL", "SETUSER", "replica", "on", ">secret", "+psync", "+replconf", "+ping"];
    let _: String = primary.run(&rules);
    let _: String = primary.run(&["SET", "key", "value"]);
    let options = [("masteruser", "replica"), ("masterauth", "secret")];
    let replica = Node::start("replica", &options);
    replica.follow(&primary);
    replica.wait_for_sync(&primary);
    let _: String = primary.run(&["SET", "key", "other"]);
    eventually(TIMEOUT, "it is there", || replica.run::<String>(&["GET", "key"]) == "other");
}

#[test]
fn users_follow_a_failover_if_that_is_wanted() {
    let options = [("acl-replicate", "yes")];
    let primary = Node::start("primary", &options);
    let replica = Node::start("replica", &options);
    let other = Node::start("other", &[]);
    let _: String = primary.run(&["ACL", "SETUSER", "shop", "on", ">secret", "~shop:*", "+@all"]);
    let _: String = replica.run(&["ACL", "SETUSER", "stray", "on"]);
    let _: String = other.run(&["ACL", "SETUSER", "stray", "on"]);
    for node in [&replica, &other] {
        node.follow(&primary);
        node.wait_for_sync(&primary);
    }
    eventually(TIMEOUT, "it has the same users", || replica.info("acl_in_sync") == "yes");
    assert_eq!(list(&replica), list(&primary));
    assert_eq!(other.run::<Vec<String>>(&["ACL", "USERS"]), ["default", "stray"]);
    let _: String = primary.run(&["ACL", "SETUSER", "late", "on", "nopass", "+@all"]);
    let _: i64 = primary.run(&["ACL", "DELUSER", "shop"]);
    eventually(TIMEOUT, "changes are there", || list(&replica) == list(&primary));
    // Locally changed, it says so, until it comes again.
    let _: String = replica.run(&["ACL", "SETUSER", "late", "off"]);
    assert_eq!(replica.info("acl_in_sync"), "no");
    let _: i64 = primary.run(&["CLIENT", "KILL", "TYPE", "replica"]);
    eventually(TIMEOUT, "it is told all again", || replica.info("acl_in_sync") == "yes");
    let users = list(&primary);
    drop(primary);
    let _: String = replica.run(&["REPLICAOF", "NO", "ONE"]);
    assert_eq!(list(&replica), users);
    let _: String = log_in(&replica, "late", "any")
        .and_then(|mut late| command(&["PING"]).query(&mut late))
        .expect("it may log in");
}
