//! What we pass on is taken by real servers: every writing command, with its words exchanged for others at the limits of
//! what is possible, is executed by us, and a real replica executes what we made of it. It refuses nothing, and has the
//! same data.
//!
//! ```text
//! for each request:  SELECT n ─► the sample ─► the request     of one database each; then digests are compared
//! ```

use integration::{Node, Peer, TIMEOUT, eventually};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;

/// Data of all types, and a request at least for each command that writes: those of the engine's own tests.
const SAMPLE: &str = include_str!("../../../engine/src/family/tests/sample.txt");
const WRITES: &str = include_str!("../../../engine/src/family/tests/writes.txt");

/// Requests between two comparisons, each in a database of its own.
const DATABASES: usize = 400;

/// Words that take the place of others.
const WORDS: &[&str] = &[
    "-1",
    "0",
    "3",
    "100",
    "-0",
    "1.5",
    "1e3",
    "0x10",
    "+0X1P3",
    "(0x10",
    "inf",
    "-Infinity",
    "nan",
    "\"\"",
    "\" 1\"",
    "\"\\x00\\xff\"",
    ".5",
    "5.",
    "1e-310",
    "00",
    "(1",
    "[a",
    "4294967296",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "1e308",
    "5-5",
    "*",
    "string",
    "zset",
    "none",
];

/// Requests of which variants of the others know nothing.
const MORE: &[&str] = &[
    "LREM list -9223372036854775808 a",
    "ZADD zset XX GT CH 0x7f a 0x7f b",
    "ZUNIONSTORE new 2 zset zset2 WEIGHTS 0x2 3 AGGREGATE MIN",
    "ZREMRANGEBYSCORE zset (0x1 \"\\t3\"",
    "SORT list BY *_none ALPHA STORE new",
];

/// A request as it is, in other letters, with a word less or more, and each of its words exchanged.
fn variants(line: &str) -> Vec<String> {
    let words: Vec<&str> = line.split(' ').collect();
    let mut all = vec![line.to_string(), format!("{line} x"), format!("{line} 1")];
    if !line.contains('\\') {
        all.push(line.to_lowercase());
    }
    for at in 1..words.len() {
        let mut fewer = words.clone();
        fewer.remove(at);
        all.push(fewer.join(" "));
        all.extend(WORDS.iter().map(|word| {
            let mut other = words.clone();
            other[at] = word;
            other.join(" ")
        }));
    }
    all
}

fn requests() -> Vec<String> {
    // It needs another server, and what it passes on is DEL.
    let lines = WRITES.lines().filter(|line| !line.starts_with("MIGRATE"));
    let all = lines.chain(MORE.iter().copied()).flat_map(variants);
    // Of the engine's time, which has passed.
    all.map(|line| line.replace("17000", "41000")).collect()
}

/// Whether a replica of Redis's own may differ after a request: BITFIELD makes a key, but does not pass it on, if all that it
/// is to write overflows; and the order of equal texts is that of a hash table.
fn differs_by_itself(request: &str) -> bool {
    let request = request.to_uppercase();
    request.contains("OVERFLOW FAIL") || request.starts_with("SORT") && request.contains(" BY ")
}

/// Whether a request may wait: in a transaction none does.
fn may_wait(line: &str) -> bool {
    let name = line.split(' ').next().unwrap_or_default().to_uppercase();
    name.starts_with('B') && !name.starts_with("BIT") || name.starts_with("XREAD")
}

/// Sends lines, and waits until all have been answered.
fn send(node: &Node, lines: &str) {
    let mut stream = TcpStream::connect(("127.0.0.1", node.port())).expect("a connection");
    stream.set_read_timeout(Some(TIMEOUT)).expect("a limit");
    let mut reader = stream.try_clone().expect("the other direction");
    let answers = thread::spawn(move || {
        let (mut end, mut part) = (Vec::new(), vec![0; 1 << 16]);
        while !end.ends_with(b"all of it\r\n") {
            let read = reader.read(&mut part).expect("answers");
            assert!(read > 0, "the connection was closed");
            end.extend_from_slice(&part[..read]);
            end.drain(..end.len().saturating_sub(100));
        }
    });
    stream.write_all(lines.as_bytes()).expect("sent");
    stream.write_all(b"ECHO \"all of it\"\r\n").expect("sent");
    answers.join().expect("all is answered");
}

/// Waits until the replica has executed all that its primary has.
fn wait_for_offset(primary: &Node, replica: &Node) {
    eventually(TIMEOUT, "the replica has it", || {
        replica.is_linked()
            && replica.number("slave_repl_offset") >= primary.number("master_repl_offset")
    });
}

/// Whether both make the same digest of the same scores: newer servers write them in fewer digits before they hash them.
fn digests_are_comparable(primary: &Node, replica: &Node) -> bool {
    let _: i64 = primary.run(&["ZADD", "scores", "0.3", "a"]);
    wait_for_offset(primary, replica);
    primary.digest() == replica.digest()
}

/// Lets both execute some requests. Returns how many errors the replica answered, and whether the data is the same.
fn execute(primary: &Node, replica: &Node, requests: &[String], compare: bool) -> (i64, bool) {
    let before = replica.number("unexpected_error_replies");
    let mut lines = String::from("FLUSHALL\r\n");
    for (db, request) in requests.iter().enumerate() {
        lines += &format!("SELECT {db}\r\n");
        SAMPLE.lines().for_each(|line| lines += &(line.replace("17000", "41000") + "\r\n"));
        match may_wait(request) {
            true => lines += &format!("MULTI\r\n{request}\r\nEXEC\r\n"),
            false => lines += &format!("{request}\r\n"),
        }
    }
    send(primary, &lines);
    wait_for_offset(primary, replica);
    // What expires goes a moment later there.
    let mut looks = 0..50;
    let same = |primary: &Node, replica: &Node| primary.digest() == replica.digest();
    eventually(TIMEOUT, "it has looked often enough", || {
        !compare || same(primary, replica) || looks.next().is_none()
    });
    let same = !compare || same(primary, replica);
    (replica.number("unexpected_error_replies") - before, same)
}

/// Lets a primary execute all requests, and its replica what it passes on. Returns the requests of which something was
/// refused, or after which the data is not the same.
fn refused(primary: &Node, replica: &Node, all: &[String]) -> Vec<String> {
    replica.follow(primary);
    replica.wait_for_sync(primary);
    let compare = digests_are_comparable(primary, replica);
    let mut bad = Vec::new();
    for requests in all.chunks(DATABASES) {
        if execute(primary, replica, requests, compare) == (0, true) {
            continue;
        }
        for request in requests {
            let one = std::slice::from_ref(request);
            let one = execute(primary, replica, one, compare);
            if one != (0, true) {
                bad.push(format!("{request}: {} refused, same data: {}", one.0, one.1));
            }
        }
    }
    bad
}

/// As many databases as requests in a comparison, and nothing in the stream but what is looked at.
fn options() -> [(&'static str, &'static str); 3] {
    assert_eq!(DATABASES, 400);
    [("databases", "400"), ("repl-ping-replica-period", "1000"), ("loglevel", "warning")]
}

#[test]
fn real_servers_take_what_we_pass_on_and_we_load_it() {
    for peer in Peer::all() {
        let file = [("appendonly", "yes"), ("auto-aof-rewrite-percentage", "0")];
        let appending = [&options()[..], &file].concat();
        let (mut ours, theirs) = (Node::start("ours", &appending), peer.start("peer", &options()));
        let bad = refused(&ours, &theirs, &requests());
        assert!(bad.is_empty(), "{peer:?}: {bad:#?}");
        // And so does the next start, all of it from the beginning.
        let digest = ours.digest();
        ours.restart();
        assert_eq!(ours.digest(), digest);
        assert_eq!(ours.number("aof_last_load_commands_failed"), 0);
    }
}

#[test]
fn we_take_what_real_servers_pass_on_and_load_it_again() {
    for peer in Peer::all() {
        let appending = [&options()[..], &[("appendonly", "yes")]].concat();
        let (mut ours, theirs) = (Node::start("ours", &appending), peer.start("peer", &options()));
        let mut all = requests();
        all.retain(|request| !differs_by_itself(request));
        let bad = refused(&theirs, &ours, &all);
        assert!(bad.is_empty(), "{peer:?}: {bad:#?}");
        let _: String = ours.run(&["REPLICAOF", "NO", "ONE"]);
        let digest = ours.digest();
        ours.restart();
        assert_eq!(ours.digest(), digest);
        assert_eq!(ours.number("aof_last_load_commands_failed"), 0);
    }
}
