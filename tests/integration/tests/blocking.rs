//! Clients that wait for keys: served in order, on disk before they hear of it, passed on to replicas, let go.

use integration::{Node, TIMEOUT, eventually};
use std::io::{Read, Write};
use std::net::TcpStream;

/// A bare connection on which `line` was sent, and which waits by now.
fn waiting(node: &Node, line: &str) -> TcpStream {
    let before = node.number("blocked_clients");
    let mut stream = TcpStream::connect(("127.0.0.1", node.port())).expect("a connection");
    stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
    stream.write_all(format!("{line}\r\n").as_bytes()).expect("a request");
    eventually(TIMEOUT, "the client waits", || node.number("blocked_clients") > before);
    stream
}

/// Reads exactly the bytes of `expected`.
fn expect(stream: &mut TcpStream, expected: &str) {
    let mut bytes = vec![0; expected.len()];
    stream.read_exact(&mut bytes).expect("a reply");
    assert_eq!(String::from_utf8_lossy(&bytes), expected);
}

#[test]
fn clients_are_served_in_order_and_replicas_see_the_same() {
    let primary = Node::start("primary", &[("appendonly", "yes"), ("appendfsync", "always")]);
    let replica = Node::start("replica", &[]);
    replica.follow(&primary);
    let mut first = waiting(&primary, "BLPOP a b 0");
    let mut second = waiting(&primary, "BLMOVE b c LEFT RIGHT 0");
    let mut third = waiting(&primary, "BZPOPMIN z 0");
    assert_eq!(primary.number("total_blocking_keys"), 3);
    primary.run::<i64>(&["RPUSH", "b", "x", "y", "rest"]);
    primary.run::<i64>(&["ZADD", "z", "1.5", "m"]);
    expect(&mut first, "*2\r\n$1\r\nb\r\n$1\r\nx\r\n");
    expect(&mut second, "$1\r\ny\r\n");
    expect(&mut third, "*3\r\n$1\r\nz\r\n$1\r\nm\r\n$3\r\n1.5\r\n");
    // What came behind the command that waited is executed now.
    first.write_all(b"PING\r\nBLPOP b 0\r\n").expect("a request");
    expect(&mut first, "+PONG\r\n*2\r\n$1\r\nb\r\n$4\r\nrest\r\n");
    assert_eq!(primary.number("blocked_clients"), 0);
    replica.wait_for_sync(&primary);
    assert_eq!(replica.run::<Vec<String>>(&["KEYS", "*"]), ["c"]);
    assert_eq!(replica.digest(), primary.digest());
    // A file written by these commands says the same.
    let digest = primary.digest();
    let mut primary = primary;
    primary.restart();
    assert_eq!(primary.digest(), digest);
}

#[test]
fn what_a_waiting_client_sends_ahead_is_kept() {
    let node = Node::start("node", &[]);
    let mut stream = waiting(&node, "BLPOP l 0\r\nECHO after\r\nBLPOP l 0");
    node.run::<i64>(&["RPUSH", "l", "1"]);
    expect(&mut stream, "*2\r\n$1\r\nl\r\n$1\r\n1\r\n$5\r\nafter\r\n");
    eventually(TIMEOUT, "it waits again", || node.number("blocked_clients") == 1);
    node.run::<i64>(&["RPUSH", "l", "2"]);
    expect(&mut stream, "*2\r\n$1\r\nl\r\n$1\r\n2\r\n");
}

#[test]
fn waits_end_by_time_by_command_and_by_leaving() {
    let node = Node::start("node", &[]);
    let mut brief = waiting(&node, "BLPOP l 0.3");
    expect(&mut brief, "*-1\r\n");
    let mut unblocked = waiting(&node, "CLIENT ID\r\nBRPOP l 0");
    let mut id = Vec::new();
    while !id.ends_with(b"\n") {
        let mut byte = [0];
        unblocked.read_exact(&mut byte).expect("an id");
        id.push(byte[0]);
    }
    let id = String::from_utf8_lossy(&id).trim_matches([':', '\r', '\n']).to_string();
    let bad = node.refused(&["CLIENT", "UNBLOCK", &id, "maybe"]);
    assert!(bad.contains("CLIENT UNBLOCK reason should be TIMEOUT or ERROR"), "{bad}");
    assert_eq!(node.run::<i64>(&["CLIENT", "UNBLOCK", &id, "ERROR"]), 1);
    assert_eq!(node.run::<i64>(&["CLIENT", "UNBLOCK", &id]), 0);
    expect(&mut unblocked, "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n");
    let gone = waiting(&node, "BLPOP l 0");
    let mut stays = waiting(&node, "BLPOP l 0");
    drop(gone);
    eventually(TIMEOUT, "one has left", || node.number("blocked_clients") == 1);
    node.run::<i64>(&["RPUSH", "l", "x"]);
    expect(&mut stays, "*2\r\n$1\r\nl\r\n$1\r\nx\r\n");
}

#[test]
fn a_node_that_becomes_a_replica_lets_go_who_waits() {
    let primary = Node::start("primary", &[]);
    let node = Node::start("node", &[]);
    let mut stream = waiting(&node, "BLPOP l 0");
    node.follow(&primary);
    let text = "-UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)\r\n";
    expect(&mut stream, text);
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).expect("the connection is closed");
    assert!(rest.is_empty());
}
