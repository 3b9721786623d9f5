//! Replicas get all that their primary has, and go on where they were after whatever happens to the link.

use integration::data::Writes;
use integration::{Node, TIMEOUT, eventually};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

/// A primary, and a replica of it that has all its data.
fn pair(primary: &[(&str, &str)], replica: &[(&str, &str)]) -> (Node, Node) {
    let primary = Node::start("primary", primary);
    let replica = Node::start("replica", replica);
    Writes::new(1).send(&mut primary.connect(), 2000);
    replica.follow(&primary);
    replica.wait_for_sync(&primary);
    (primary, replica)
}

/// Cuts the links of all replicas of `primary`, and waits until `count` partial syncs in all were granted.
fn cut_links(primary: &Node, count: i64) {
    let _: i64 = primary.run(&["CLIENT", "KILL", "TYPE", "replica"]);
    eventually(TIMEOUT, "the replica goes on where it was", || {
        primary.number("sync_partial_ok") >= count
    });
}

#[test]
fn a_full_sync_through_a_pipe_brings_all_types() {
    let (primary, replica) = pair(&[("repl-diskless-sync", "yes")], &[]);
    assert!(primary.log().contains("with target: replicas sockets"));
    Writes::new(2).send(&mut primary.connect(), 1000);
    replica.wait_for_sync(&primary);
    assert_eq!(primary.number("sync_full"), 1);
    let state = primary.info("slave0");
    assert!(state.contains(&format!("port={},state=online", replica.port())), "{state}");
}

#[test]
fn a_full_sync_through_a_file_brings_all_types() {
    let (primary, replica) = pair(&[("repl-diskless-sync", "no")], &[]);
    assert!(primary.log().contains("with target: disk"));
    Writes::new(2).send(&mut primary.connect(), 1000);
    replica.wait_for_sync(&primary);
    assert_eq!(primary.number("sync_full"), 1);
}

#[test]
fn writes_during_a_full_sync_arrive() {
    let primary = Node::start("primary", &[]);
    let one = Node::start("one", &[]);
    let two = Node::start("two", &[("appendonly", "yes")]);
    let mut connection = primary.connect();
    let mut writes = Writes::new(3);
    writes.send(&mut connection, 5000);
    one.follow(&primary);
    two.follow(&primary);
    eventually(TIMEOUT, "both replicas are linked", || {
        writes.send(&mut connection, 200);
        one.is_linked() && two.is_linked()
    });
    one.wait_for_sync(&primary);
    two.wait_for_sync(&primary);
}

#[test]
fn a_cut_link_goes_on_where_it_was() {
    let (primary, replica) = pair(&[], &[]);
    let mut writes = Writes::new(4);
    for round in 1..=3 {
        cut_links(&primary, round);
        writes.send(&mut primary.connect(), 500);
        replica.wait_for_sync(&primary);
    }
    assert_eq!(primary.number("sync_full"), 1);
    assert_eq!(primary.number("sync_partial_err"), 0);
    assert_eq!(primary.info("master_replid"), replica.info("master_replid"));
}

#[test]
fn a_primary_learns_of_a_killed_link_while_its_replica_is_busy() {
    let (primary, replica) = pair(&[], &[]);
    let mut client = TcpStream::connect(("127.0.0.1", replica.port())).unwrap();
    client.write_all(b"MULTI\r\nCLIENT KILL TYPE master\r\nDEBUG SLEEP 600\r\nEXEC\r\n").unwrap();
    eventually(TIMEOUT, "the primary has no replica", || primary.number("connected_slaves") == 0);
    // Replies of one read leave together.
    client.set_nonblocking(true).unwrap();
    assert!(client.read(&mut [0; 64]).is_err(), "the replica is still busy");
}

#[test]
fn no_reply_gets_into_the_stream_of_a_replica() {
    let primary = Node::start("primary", &[("repl-diskless-sync-delay", "0")]);
    for (ask, command, name) in [
        ("SYNC", "PING", "ping"),
        ("PSYNC ? -1", "GET key", "get"),
        ("PSYNC ? -1", "SUBSCRIBE c", "subscribe"),
        ("SYNC", "nonsense", "NULL"),
    ] {
        for at_once in [true, false] {
            let mut replica = TcpStream::connect(("127.0.0.1", primary.port())).unwrap();
            replica.set_read_timeout(Some(TIMEOUT)).unwrap();
            replica.write_all(format!("{ask}\r\n").as_bytes()).unwrap();
            if !at_once {
                replica.read_exact(&mut [0]).unwrap();
            }
            let _ = replica.write_all(format!("{command}\r\n").as_bytes());
            let mut got = Vec::new();
            let _ = replica.read_to_end(&mut got);
            let got = String::from_utf8_lossy(&got);
            for reply in ["+PONG", "-ERR", "subscribe"] {
                assert!(!got.contains(reply), "{ask}, {command}: {got}");
            }
        }
        let line = format!("Replica generated a reply to command '{name}', disconnecting it: id=");
        assert_eq!(primary.log().matches(&line).count(), 2, "{name}");
    }
    assert!(primary.log().contains("'ERR Replica can't interact with the keyspace' after"));
    eventually(TIMEOUT, "they are gone", || primary.number("connected_slaves") == 0);
}

#[test]
fn a_backlog_that_is_too_small_means_a_full_sync() {
    let (primary, mut replica) = pair(&[("repl-backlog-size", "16kb")], &[("save", "3600 1")]);
    replica.stop();
    eventually(TIMEOUT, "the replica is gone", || primary.number("connected_slaves") == 0);
    Writes::new(5).send(&mut primary.connect(), 5000);
    replica.set_option("replicaof", &format!("127.0.0.1 {}", primary.port()));
    replica.launch();
    replica.wait_for_sync(&primary);
    assert_eq!(primary.number("sync_full"), 2);
    assert_eq!(primary.number("sync_partial_err"), 1);
    assert_eq!(primary.number("sync_partial_ok"), 0);
}

#[test]
fn a_restarted_replica_goes_on_where_it_was() {
    for persistence in [("save", "3600 1"), ("appendonly", "yes")] {
        let (primary, mut replica) = pair(&[], &[persistence]);
        replica.set_option("replicaof", &format!("127.0.0.1 {}", primary.port()));
        replica.stop();
        Writes::new(6).send(&mut primary.connect(), 500);
        replica.launch();
        replica.wait_for_sync(&primary);
        assert_eq!(primary.number("sync_full"), 1, "with {persistence:?}");
        assert_eq!(primary.number("sync_partial_ok"), 1, "with {persistence:?}");
    }
}

#[test]
fn a_restarted_replica_goes_on_in_the_database_of_the_stream() {
    for persistence in [("save", "3600 1"), ("appendonly", "yes")] {
        let (primary, mut replica) = pair(&[], &[persistence]);
        replica.set_option("replicaof", &format!("127.0.0.1 {}", primary.port()));
        let mut connection = primary.connect_as("2");
        let mut push = || -> i64 {
            redis::cmd("RPUSH").arg("in:two").arg("x").query(&mut connection).expect("a push")
        };
        push();
        replica.wait_for_sync(&primary);
        replica.stop();
        // The stream is in database 2 already, and does not say so again.
        push();
        replica.launch();
        replica.wait_for_sync(&primary);
        assert_eq!(primary.number("sync_full"), 1, "with {persistence:?}");
    }
}

#[test]
fn a_killed_replica_with_an_append_only_file_goes_on_where_it_was() {
    let options = [("appendonly", "yes"), ("appendfsync", "always")];
    let (primary, mut replica) = pair(&[], &options);
    replica.set_option("replicaof", &format!("127.0.0.1 {}", primary.port()));
    // The first base after the full sync is there: from now on the file is whole.
    eventually(TIMEOUT, "the base is written", || replica.number("aof_rewrites") >= 1);
    let mut writes = Writes::new(7);
    writes.send(&mut primary.connect(), 500);
    replica.kill();
    writes.send(&mut primary.connect(), 500);
    replica.launch();
    replica.wait_for_sync(&primary);
    // A kill can end a write where a page does. If a command does there as well, the file may have been edited.
    let edited = i64::from(replica.log().contains("It ended between two commands"));
    assert_eq!(primary.number("sync_full"), 1 + edited);
    assert_eq!(primary.number("sync_partial_ok"), 1 - edited);
}

#[test]
fn replicas_of_a_restarted_primary_go_on_where_they_were() {
    for persistence in [("save", "3600 1"), ("appendonly", "yes")] {
        let (mut primary, replica) = pair(&[persistence], &[]);
        let old = primary.info("master_replid");
        primary.restart();
        replica.wait_for_sync(&primary);
        Writes::new(8).send(&mut primary.connect(), 500);
        replica.wait_for_sync(&primary);
        assert_eq!(primary.number("sync_full"), 0, "with {persistence:?}");
        assert_eq!(primary.number("sync_partial_ok"), 1, "with {persistence:?}");
        assert_eq!(primary.info("master_replid2"), old, "with {persistence:?}");
    }
}

#[test]
fn a_promoted_replica_continues_the_history_under_a_new_name() {
    let (primary, one) = pair(&[], &[]);
    let two = Node::start("two", &[]);
    two.follow(&primary);
    two.wait_for_sync(&primary);
    let old = primary.info("master_replid");

    let _: String = one.run(&["REPLICAOF", "NO", "ONE"]);
    assert_eq!(one.info("role"), "master");
    assert_eq!(one.info("master_replid2"), old);
    assert_ne!(one.info("master_replid"), old);
    Writes::new(9).send(&mut one.connect(), 500);
    two.follow(&one);
    two.wait_for_sync(&one);
    assert_eq!(one.number("sync_full"), 0);
    assert_eq!(one.number("sync_partial_ok"), 1);
    assert_eq!(two.info("master_replid"), one.info("master_replid"));
    assert_eq!(two.info("master_replid2"), old);
}

#[test]
fn an_old_primary_that_returns_goes_on_where_it_was() {
    let (primary, replica) = pair(&[], &[]);
    let _: String = replica.run(&["REPLICAOF", "NO", "ONE"]);
    Writes::new(10).send(&mut replica.connect(), 500);
    primary.follow(&replica);
    primary.wait_for_sync(&replica);
    assert_eq!(replica.number("sync_full"), 0);
    assert_eq!(replica.number("sync_partial_ok"), 1);
    assert!(primary.refused(&["SET", "key", "value"]).starts_with("READONLY"));
}

#[test]
fn an_old_primary_with_writes_of_its_own_takes_the_new_ones_data() {
    let (primary, replica) = pair(&[], &[]);
    let _: String = replica.run(&["REPLICAOF", "NO", "ONE"]);
    let _: String = primary.run(&["SET", "only:here", "1"]);
    let _: String = replica.run(&["SET", "only:there", "1"]);
    primary.follow(&replica);
    primary.wait_for_sync(&replica);
    assert_eq!(replica.number("sync_full"), 1);
    assert_eq!(primary.run::<i64>(&["EXISTS", "only:here"]), 0);
    assert_eq!(primary.run::<i64>(&["EXISTS", "only:there"]), 1);
}

#[test]
fn a_chain_has_one_history() {
    let (first, second) = pair(&[], &[]);
    let third = Node::start("third", &[]);
    third.follow(&second);
    third.wait_for_sync(&first);
    let mut writes = Writes::new(11);
    writes.send(&mut first.connect(), 1000);
    third.wait_for_sync(&first);
    assert_eq!(third.info("master_replid"), first.info("master_replid"));
    // Each link is cut once, and the middle is promoted in the end: no full sync follows.
    cut_links(&second, 1);
    cut_links(&first, 1);
    writes.send(&mut first.connect(), 500);
    third.wait_for_sync(&first);
    assert_eq!(first.number("sync_full") + second.number("sync_full"), 2);
    let _: String = second.run(&["REPLICAOF", "NO", "ONE"]);
    writes.send(&mut second.connect(), 500);
    third.wait_for_sync(&second);
    assert_eq!(second.number("sync_full"), 1);
    assert_eq!(third.info("master_replid"), second.info("master_replid"));
}

#[test]
fn offsets_are_equal_down_a_chain() {
    let (first, second) = pair(&[], &[]);
    let third = Node::start("third", &[]);
    third.follow(&second);
    third.wait_for_sync(&first);
    Writes::new(12).send(&mut first.connect(), 1000);
    eventually(TIMEOUT, "all have the same offset", || {
        let offset = first.number("master_repl_offset");
        [&second, &third].iter().all(|node| node.number("slave_repl_offset") == offset)
    });
    assert_eq!(third.digest(), first.digest());
}

#[test]
fn wait_counts_the_replicas_that_have_a_write() {
    let (primary, replica) = pair(&[], &[]);
    let _: String = primary.run(&["SET", "key", "value"]);
    assert_eq!(primary.run::<i64>(&["WAIT", "1", "0"]), 1);
    assert_eq!(replica.run::<String>(&["GET", "key"]), "value");
    let _: String = primary.run(&["SET", "key", "again"]);
    // There is no second replica: the time runs out.
    assert_eq!(primary.run::<i64>(&["WAIT", "2", "200"]), 1);
    assert!(replica.refused(&["WAIT", "0", "0"]).contains("replica instances"));
}

#[test]
fn waitaof_counts_disks() {
    let (primary, replica) = pair(&[("appendonly", "yes")], &[("appendonly", "yes")]);
    eventually(TIMEOUT, "the base is written", || replica.number("aof_rewrites") >= 1);
    let _: String = primary.run(&["SET", "key", "value"]);
    assert_eq!(primary.run::<Vec<i64>>(&["WAITAOF", "1", "1", "0"]), [1, 1]);
}

#[test]
fn waitaof_waits_for_the_fsync_that_the_policy_brings() {
    let node = Node::start("node", &[("appendonly", "yes"), ("appendfsync", "no")]);
    let mut connection = node.connect();
    let mut incr =
        || -> i64 { redis::cmd("INCR").arg("n").query(&mut connection).expect("a write") };
    incr();
    let mut waiting = node.connect();
    let mut wait = move |timeout_ms: i64| -> Vec<i64> {
        let _: i64 = redis::cmd("INCR").arg("n").query(&mut waiting).expect("a write");
        redis::cmd("WAITAOF").arg(&[1, 0, timeout_ms]).query(&mut waiting).expect("a reply")
    };
    assert_eq!(wait(50), [0, 0]);
    for policy in ["everysec", "always"] {
        let _: String = node.run(&["CONFIG", "SET", "appendfsync", policy]);
        assert_eq!(wait(0), [1, 0], "{policy}");
    }
    // Who waits already hears of a policy that is changed.
    let _: String = node.run(&["CONFIG", "SET", "appendfsync", "no"]);
    let waiter = std::thread::spawn(move || wait(0));
    eventually(TIMEOUT, "it waits", || node.number("blocked_clients") == 1);
    let _: String = node.run(&["CONFIG", "SET", "appendfsync", "everysec"]);
    assert_eq!(waiter.join().expect("no panic"), [1, 0]);
}

#[test]
fn a_replica_takes_no_writes_unless_it_may() {
    let (primary, replica) = pair(&[], &[]);
    assert!(replica.refused(&["SET", "key", "value"]).starts_with("READONLY"));
    let _: String = replica.run(&["CONFIG", "SET", "replica-read-only", "no"]);
    let _: String = replica.run(&["SET", "local", "value"]);
    assert_eq!(primary.run::<i64>(&["EXISTS", "local"]), 0);
    // Writes of its own do not count in the stream.
    let _: String = replica.run(&["DEL", "local"]);
    Writes::new(13).send(&mut primary.connect(), 200);
    replica.wait_for_sync(&primary);
    eventually(TIMEOUT, "the offsets are equal", || {
        replica.number("slave_repl_offset") == primary.number("master_repl_offset")
    });
}

#[test]
fn writes_of_a_replicas_own_do_not_move_the_stream_to_their_database() {
    let options = [("appendonly", "yes"), ("replica-read-only", "no")];
    let (primary, mut replica) = pair(&[], &options);
    eventually(TIMEOUT, "the base is written", || replica.number("aof_rewrites") >= 1);
    let mut connection = primary.connect();
    let mut push = |key: &str| -> i64 {
        redis::cmd("RPUSH").arg(key).arg("x").query(&mut connection).expect("a push")
    };
    push("before");
    replica.wait_for_sync(&primary);
    let mut other = replica.connect_as("1");
    let _: String = redis::cmd("SET").arg("own").arg("1").query(&mut other).expect("a write");
    push("after");
    eventually(TIMEOUT, "the write arrives", || replica.run::<i64>(&["EXISTS", "after"]) == 1);
    let digest = replica.digest();
    replica.restart();
    assert_eq!(replica.digest(), digest);
}

#[test]
fn too_few_replicas_refuse_writes() {
    let (primary, mut replica) = pair(&[], &[]);
    let _: String = primary.run(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    let _: String = primary.run(&["SET", "key", "value"]);
    replica.kill();
    eventually(TIMEOUT, "the replica is gone", || primary.number("connected_slaves") == 0);
    assert!(primary.refused(&["SET", "key", "value"]).starts_with("NOREPLICAS"));
}

#[test]
fn keys_expire_by_the_primarys_word() {
    let (primary, replica) = pair(&[], &[]);
    let _: String = primary.run(&["FLUSHALL"]);
    // The primary will not look at its keys by itself.
    let _: String = primary.run(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    let _: String = primary.run(&["SET", "short", "value", "PX", "30"]);
    let _: String = primary.run(&["SET", "long", "value", "EX", "1000"]);
    eventually(TIMEOUT, "the time has passed", || {
        replica.run::<Option<String>>(&["GET", "short"]).is_none()
            && replica.run::<i64>(&["DBSIZE"]) == 2
    });
    // Hidden, but there until the primary says otherwise: by a read that finds it expired.
    assert_eq!(primary.run::<Option<String>>(&["GET", "short"]), None);
    eventually(TIMEOUT, "the key is deleted", || replica.run::<i64>(&["DBSIZE"]) == 1);
    assert_eq!(primary.number("expired_keys"), 1);
    assert_eq!(replica.number("expired_keys"), 0);
    assert_eq!(replica.digest(), primary.digest());
}

#[test]
fn a_replica_keeps_its_data_when_it_is_promoted_without_its_primary() {
    let (mut primary, replica) = pair(&[], &[]);
    let digest = replica.digest();
    primary.kill();
    eventually(TIMEOUT, "the link is lost", || !replica.is_linked());
    assert_eq!(replica.digest(), digest, "stale data is served");
    let _: String = replica.run(&["CONFIG", "SET", "replica-serve-stale-data", "no"]);
    eventually(TIMEOUT, "stale data is not served", || {
        replica
            .try_run::<Option<String>>(&["GET", "key"])
            .is_err_and(|error| error.code() == Some("MASTERDOWN"))
    });
    let _: String = replica.run(&["REPLICAOF", "NO", "ONE"]);
    assert_eq!(replica.digest(), digest);
    let _: String = replica.run(&["SET", "key", "value"]);
}

#[test]
fn published_messages_reach_subscribers_of_replicas() {
    let (primary, replica) = pair(&[], &[]);
    let mut connection = replica.connect();
    let mut subscriber = connection.as_pubsub();
    subscriber.subscribe("news").expect("a subscription");
    let _: i64 = primary.run(&["PUBLISH", "news", "hello"]);
    let message = subscriber.get_message().expect("a message");
    assert_eq!(message.get_payload::<String>().expect("a text"), "hello");
    // One published on a replica stays there, and moves no offset.
    let _: i64 = replica.run(&["PUBLISH", "news", "local"]);
    let message = subscriber.get_message().expect("a message");
    assert_eq!(message.get_payload::<String>().expect("a text"), "local");
    let _: String = primary.run(&["SET", "key", "value"]);
    eventually(TIMEOUT, "the offsets are equal", || {
        replica.number("master_repl_offset") == primary.number("master_repl_offset")
    });
}

#[test]
fn a_snapshot_that_is_none_does_not_replace_the_file() {
    let mut replica = Node::start("replica", &[]);
    let _: String = replica.run(&["SET", "mine", "value"]);
    let _: String = replica.run(&["SAVE"]);
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let _: String = replica.run(&["REPLICAOF", "127.0.0.1", &port.to_string()]);
    let (mut stream, _) = listener.accept().expect("a replica");
    let full = format!("+FULLRESYNC {} 0\r\n$10\r\nREDIS00109", "0".repeat(40));
    stream.write_all(&shaken(full.as_bytes())).expect("a conversation");
    wait_until_closed(stream, "half a snapshot");
    replica.kill();
    replica.launch();
    assert_eq!(replica.run::<String>(&["GET", "mine"]), "value");
}

#[test]
fn nonsense_from_a_primary_is_dropped_and_tried_again() {
    let replica = Node::start("replica", &[]);
    let _: String = replica.run(&["SET", "mine", "value"]);
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    // What the false primary does with one connection after the other.
    let id = "0123456789012345678901234567890123456789";
    let attempts: [(&str, Vec<u8>); 6] = [
        ("no answer to PING that makes sense", b"*1\r\n*1\r\n:1\r\n".to_vec()),
        ("a line without end", vec![b'+'; 200_000]),
        ("a full sync without an offset", shaken(b"+FULLRESYNC nonsense\r\n")),
        (
            "a length that is no number",
            shaken(format!("+FULLRESYNC {id} 0\r\n$many\r\n").as_bytes()),
        ),
        (
            "a snapshot that is none",
            shaken(format!("+FULLRESYNC {id} 0\r\n$26\r\nthis is no snapshot at all").as_bytes()),
        ),
        ("a partial sync nobody asked for, and rubbish", shaken(b"+CONTINUE\r\nrubbish\r\n")),
    ];
    let _: String = replica.run(&["REPLICAOF", "127.0.0.1", &port.to_string()]);
    for (what, answer) in attempts {
        let (mut stream, _) = listener.accept().expect("a replica that tries again");
        stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
        let _ = stream.write_all(&answer);
        wait_until_closed(stream, what);
        assert_eq!(replica.run::<i64>(&["EXISTS", "mine"]), 1, "after {what}");
    }
    // A true one in its place is followed.
    let primary = Node::start("primary", &[]);
    let _: String = primary.run(&["SET", "yours", "value"]);
    replica.follow(&primary);
    replica.wait_for_sync(&primary);
}

/// Answers to the introduction (PING, two REPLCONFs), then `answer` to PSYNC.
fn shaken(answer: &[u8]) -> Vec<u8> {
    [b"+PONG\r\n+OK\r\n+OK\r\n", answer].concat()
}

/// Reads what the other side sends until it hangs up.
fn wait_until_closed(mut stream: TcpStream, what: &str) {
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return,
            Err(error) => panic!("the replica keeps the link after {what}: {error}"),
        }
    }
}
