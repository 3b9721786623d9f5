//! MIGRATE between two of ours and between ours and real peers.

use integration::data::{DATABASES, Writes, command};
use integration::{Node, Peer};

/// Moves every key of a node to the same database of another, some at a time.
fn move_all(from: &Node, to: &Node, more: &[&str]) {
    let port = to.port().to_string();
    for db in 0..DATABASES {
        let (mut connection, db) = (from.connect_as(&format!("/{db}")), db.to_string());
        while command(&["DBSIZE"]).query::<i64>(&mut connection).expect("a number") > 0 {
            let mut keys: Vec<String> =
                command(&["KEYS", "*"]).query(&mut connection).expect("keys");
            keys.truncate(20);
            let mut words = vec!["MIGRATE", "127.0.0.1", &port, "", &db, "60000"];
            words.extend_from_slice(more);
            words.push("KEYS");
            words.extend(keys.iter().map(String::as_str));
            let reply: String = command(&words).query(&mut connection).expect("an answer");
            assert!(reply == "OK" || reply == "NOKEY" && keys.is_empty(), "{reply}");
        }
    }
}

#[test]
fn everything_moves_to_a_peer_and_back() {
    for peer in Peer::all() {
        let (ours, theirs) = (Node::start("ours", &[]), peer.start("peer", &[]));
        let replica = Node::start("replica", &[]);
        replica.follow(&ours);
        Writes::new(31).send(&mut ours.connect(), 3000);
        replica.wait_for_sync(&ours);
        let digest = ours.digest();
        assert!(ours.run::<i64>(&["DBSIZE"]) > 0);
        move_all(&ours, &theirs, &[]);
        assert_eq!(theirs.digest(), digest);
        replica.wait_for_sync(&ours);
        assert_eq!(replica.run::<i64>(&["DBSIZE"]), 0);

        move_all(&theirs, &ours, &["REPLACE"]);
        assert_eq!(ours.digest(), digest);
        replica.wait_for_sync(&ours);
        assert_eq!(replica.digest(), digest);
    }
}

#[test]
fn a_copy_leaves_what_it_copies_with_its_time_to_live() {
    for peer in Peer::all() {
        let (ours, theirs) = (Node::start("ours", &[]), peer.start("peer", &[]));
        let port = theirs.port().to_string();
        let _: String = ours.run(&["SET", "k", "v", "EX", "1000"]);
        let copy = ["MIGRATE", "127.0.0.1", &port, "k", "9", "60000", "COPY"];
        assert_eq!(ours.run::<String>(&copy), "OK");
        assert_eq!(ours.run::<String>(&["GET", "k"]), "v");
        assert_eq!(
            ours.refused(&copy),
            "ERR Target instance replied with error: BUSYKEY Target key name already exists."
        );
        assert_eq!(ours.run::<String>(&[&copy[..], &["REPLACE"]].concat()), "OK");
        let mut there = theirs.connect_as("/9");
        let left: i64 = redis::cmd("PTTL").arg("k").query(&mut there).expect("a time");
        assert!((1..=1_000_000).contains(&left), "{left}");
    }
}

#[test]
fn the_other_server_may_want_a_password_and_may_restart() {
    for peer in Peer::all() {
        let ours = Node::start("ours", &[]);
        let mut theirs = peer.start("peer", &[]);
        let port = theirs.port().to_string();
        let _: String = ours.run(&["MSET", "a", "1", "b", "2", "c", "3"]);
        assert_eq!(ours.run::<String>(&["MIGRATE", "127.0.0.1", &port, "a", "0", "60000"]), "OK");
        // The connection that is kept is broken then: another one is made.
        theirs.restart();
        assert_eq!(ours.run::<String>(&["MIGRATE", "127.0.0.1", &port, "b", "0", "60000"]), "OK");
        let _: String = theirs.run(&["CONFIG", "SET", "requirepass", "secret"]);
        let wrong = ["MIGRATE", "127.0.0.1", &port, "c", "0", "60000", "AUTH", "guess"];
        let text = ours.refused(&wrong);
        assert!(text.starts_with("ERR Target instance replied with error: WRONGPASS"), "{text}");
        assert_eq!(ours.run::<i64>(&["EXISTS", "c"]), 1);
        for auth in [&["AUTH", "secret"][..], &["AUTH2", "default", "secret"]] {
            let _: String = ours.run(&["SET", "c", "3"]);
            let words = ["MIGRATE", "127.0.0.1", &port, "c", "0", "60000", "REPLACE"];
            assert_eq!(ours.run::<String>(&[&words[..], auth].concat()), "OK");
            assert_eq!(ours.run::<i64>(&["EXISTS", "c"]), 0);
        }
    }
}

#[test]
fn nothing_is_lost_where_nobody_answers() {
    let (ours, mut other) = (Node::start("ours", &[]), Node::start("other", &[]));
    let port = other.port().to_string();
    let _: String = ours.run(&["SET", "k", "v"]);
    let words = ["MIGRATE", "127.0.0.1", &port, "k", "0", "50"];
    let _: String = other.run(&["CLIENT", "PAUSE", "60000", "ALL"]);
    assert_eq!(ours.refused(&words), "IOERR error or timeout reading to target instance");
    other.kill();
    assert_eq!(ours.refused(&words), "IOERR error or timeout connecting to the client");
    assert_eq!(ours.run::<String>(&["GET", "k"]), "v");
}
