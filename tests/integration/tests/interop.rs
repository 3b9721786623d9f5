//! Real Redis (and other peers) as replica and as primary of ours, and files of each loaded by the other.

use integration::data::Writes;
use integration::{Node, Peer, TIMEOUT, eventually, peer};
use std::fs;
use std::path::{Path, PathBuf};

/// Mixed writes while the link is cut in the middle: equal data at the end, and no second full sync.
fn follow_through_a_cut(primary: &Node, replica: &Node, seed: u64) {
    let mut connection = primary.connect();
    let mut writes = Writes::new(seed);
    writes.send(&mut connection, 2000);
    replica.follow(primary);
    writes.send(&mut connection, 1000);
    replica.wait_for_sync(primary);
    assert_eq!(primary.number("sync_full"), 1);
    // A former primary asks for a partial sync first, in a history that nobody knows.
    let refused = primary.number("sync_partial_err");
    for round in 1..=2 {
        writes.send(&mut connection, 500);
        let _: i64 = primary.run(&["CLIENT", "KILL", "TYPE", "replica"]);
        writes.send(&mut connection, 500);
        eventually(TIMEOUT, "a partial sync", || primary.number("sync_partial_ok") == round);
        writes.send(&mut connection, 500);
        replica.wait_for_sync(primary);
    }
    assert_eq!(primary.number("sync_full"), 1);
    assert_eq!(primary.number("sync_partial_err"), refused);
    // The replica counts as the primary does.
    eventually(TIMEOUT, "the offsets are equal", || {
        replica.number("slave_repl_offset") == primary.number("master_repl_offset")
    });
    let _: String = primary.run(&["SET", "last", "1"]);
    assert_eq!(primary.run::<i64>(&["WAIT", "1", "0"]), 1);
}

#[test]
fn a_peer_follows_us() {
    for peer in Peer::all() {
        for diskless in ["yes", "no"] {
            let primary = Node::start("ours", &[("repl-diskless-sync", diskless)]);
            let replica = peer.start("peer", &[]);
            follow_through_a_cut(&primary, &replica, 1);
        }
    }
}

#[test]
fn we_follow_a_peer() {
    for peer in Peer::all() {
        for diskless in ["yes", "no"] {
            let primary = peer.start("peer", &[("repl-diskless-sync", diskless)]);
            let replica = Node::start("ours", &[("appendonly", "yes")]);
            follow_through_a_cut(&primary, &replica, 2);
            assert_eq!(replica.number("unexpected_error_replies"), 0);
        }
    }
}

#[test]
fn a_peer_follows_a_replica_of_ours_and_us_a_replica_of_a_peer() {
    for peer in Peer::all() {
        for ours_in_the_middle in [true, false] {
            let start = |ours: bool, name: &str| match ours {
                true => Node::start(name, &[]),
                false => peer.start(name, &[]),
            };
            let first = start(!ours_in_the_middle, "first");
            let middle = start(ours_in_the_middle, "middle");
            let last = start(!ours_in_the_middle, "last");
            let mut writes = Writes::new(3);
            writes.send(&mut first.connect(), 1000);
            middle.follow(&first);
            middle.wait_for_sync(&first);
            last.follow(&middle);
            last.wait_for_sync(&first);
            writes.send(&mut first.connect(), 1000);
            last.wait_for_sync(&first);
            // Promotion: the last one goes on under the new name.
            let _: String = middle.run(&["REPLICAOF", "NO", "ONE"]);
            writes.send(&mut middle.connect(), 500);
            last.wait_for_sync(&middle);
            assert_eq!(middle.number("sync_full"), 1);
            assert!(middle.number("sync_partial_ok") >= 1);
            // And so does the old primary, from where it was.
            let _: String = first.run(&["REPLICAOF", "127.0.0.1", &middle.port().to_string()]);
            first.wait_for_sync(&middle);
        }
    }
}

#[test]
fn a_peer_goes_on_after_our_restart() {
    for peer in Peer::all() {
        for persistence in [("save", "3600 1"), ("appendonly", "yes")] {
            let mut primary = Node::start("ours", &[persistence]);
            let replica = peer.start("peer", &[]);
            Writes::new(4).send(&mut primary.connect(), 1000);
            replica.follow(&primary);
            replica.wait_for_sync(&primary);
            primary.restart();
            Writes::new(5).send(&mut primary.connect(), 1000);
            replica.wait_for_sync(&primary);
            assert_eq!(primary.number("sync_full"), 0, "with {persistence:?}");
            assert_eq!(primary.number("sync_partial_ok"), 1, "with {persistence:?}");
        }
    }
}

#[test]
fn we_go_on_after_a_restart_as_a_peers_replica() {
    for peer in Peer::all() {
        for persistence in [("save", "3600 1"), ("appendonly", "yes")] {
            let primary = peer.start("peer", &[]);
            let mut replica = Node::start("ours", &[persistence]);
            replica.set_option("replicaof", &format!("127.0.0.1 {}", primary.port()));
            replica.restart();
            let mut writes = Writes::new(6);
            writes.send(&mut primary.connect(), 1000);
            replica.wait_for_sync(&primary);
            replica.stop();
            writes.send(&mut primary.connect(), 500);
            replica.launch();
            replica.wait_for_sync(&primary);
            assert_eq!(primary.number("sync_full"), 1, "with {persistence:?}");
            assert_eq!(primary.number("sync_partial_ok"), 1, "with {persistence:?}");
        }
    }
}

#[test]
fn a_peer_loads_our_snapshot_and_we_load_a_peers() {
    for peer in Peer::all() {
        let ours = Node::start("ours", &[]);
        Writes::new(7).send(&mut ours.connect(), 5000);
        let _: String = ours.run(&["SAVE"]);
        peer::check_file("redis-check-rdb", &ours.path("dump.rdb"));
        let mut theirs = peer.prepare("peer", &[]);
        copy(&ours.path("dump.rdb"), &theirs.path("dump.rdb"));
        theirs.launch();
        assert_eq!(theirs.digest(), ours.digest());

        Writes::new(8).send(&mut theirs.connect(), 2000);
        let _: String = theirs.run(&["SAVE"]);
        let mut second = Node::prepare("second", &[]);
        copy(&theirs.path("dump.rdb"), &second.path("dump.rdb"));
        second.launch();
        assert_eq!(second.digest(), theirs.digest());
    }
}

#[test]
fn a_peer_loads_our_append_only_files_and_we_load_a_peers() {
    for peer in Peer::all() {
        let mut ours = Node::start("ours", &[("appendonly", "yes")]);
        let mut writes = Writes::new(9);
        writes.send(&mut ours.connect(), 3000);
        rewrite(&ours);
        writes.send(&mut ours.connect(), 3000);
        let digest = ours.digest();
        ours.stop();
        peer::check_file("redis-check-aof", &ours.path("appendonlydir/appendonly.aof.manifest"));
        let mut theirs = peer.prepare("peer", &[("appendonly", "yes")]);
        copy(&ours.path("appendonlydir"), &theirs.path("appendonlydir"));
        theirs.launch();
        assert_eq!(theirs.digest(), digest);

        writes.send(&mut theirs.connect(), 2000);
        rewrite(&theirs);
        writes.send(&mut theirs.connect(), 1000);
        let digest = theirs.digest();
        theirs.stop();
        let mut second = Node::prepare("second", &[("appendonly", "yes")]);
        copy(&theirs.path("appendonlydir"), &second.path("appendonlydir"));
        second.launch();
        assert_eq!(second.digest(), digest);
        // And goes on in the peer's files.
        writes.send(&mut second.connect(), 1000);
        let digest = second.digest();
        second.restart();
        assert_eq!(second.digest(), digest);
        peer::check_file("redis-check-aof", &second.path("appendonlydir/appendonly.aof.manifest"));
    }
}

#[test]
fn a_peers_append_only_file_in_command_form_is_loaded() {
    for peer in Peer::all() {
        let options = [
            ("appendonly", "yes"),
            ("aof-use-rdb-preamble", "no"),
            ("aof-timestamp-enabled", "yes"),
        ];
        let mut theirs = peer.start("peer", &options);
        let mut writes = Writes::new(10);
        writes.send(&mut theirs.connect(), 2000);
        rewrite(&theirs);
        writes.send(&mut theirs.connect(), 500);
        let digest = theirs.digest();
        theirs.stop();
        let mut ours = Node::prepare("ours", &[("appendonly", "yes")]);
        copy(&theirs.path("appendonlydir"), &ours.path("appendonlydir"));
        ours.launch();
        assert_eq!(ours.digest(), digest);
    }
}

#[test]
fn replicas_files_of_ours_are_sound_for_the_checkers() {
    for peer in Peer::all() {
        let primary = peer.start("peer", &[]);
        let mut replica = Node::start("ours", &[("appendonly", "yes"), ("save", "3600 1")]);
        let mut writes = Writes::new(11);
        writes.send(&mut primary.connect(), 1000);
        replica.follow(&primary);
        replica.wait_for_sync(&primary);
        eventually(TIMEOUT, "the base is written", || replica.number("aof_rewrites") >= 1);
        writes.send(&mut primary.connect(), 1000);
        replica.wait_for_sync(&primary);
        let digest = replica.digest();
        replica.stop();
        peer::check_file("redis-check-rdb", &replica.path("dump.rdb"));
        peer::check_file("redis-check-aof", &replica.path("appendonlydir/appendonly.aof.manifest"));
        let mut second = peer.prepare("second", &[("appendonly", "yes")]);
        copy(&replica.path("appendonlydir"), &second.path("appendonlydir"));
        second.launch();
        assert_eq!(second.digest(), digest);
    }
}

/// Rewrites the append-only file and waits for the end.
fn rewrite(node: &Node) {
    let _: String = node.run(&["BGREWRITEAOF"]);
    eventually(TIMEOUT, "the rewrite ends", || {
        node.number("aof_rewrite_in_progress") == 0 && node.number("aof_rewrite_scheduled") == 0
    });
    assert_eq!(node.info("aof_last_bgrewrite_status"), "ok");
}

/// Copies a file, or a folder of files.
fn copy(source: &Path, target: &Path) {
    if source.is_file() {
        fs::copy(source, target).expect("a copy");
        return;
    }
    fs::create_dir_all(target).expect("a folder");
    for entry in fs::read_dir(source).expect("a folder") {
        let path: PathBuf = entry.expect("an entry").path();
        copy(&path, &target.join(path.file_name().expect("a name")));
    }
}

#[test]
fn functions_that_came_with_a_snapshot_run_and_are_passed_on() {
    const LIBRARY: &str = "#!lua name=one\nredis.register_function('f', function() return 1 end)";
    let peer = &Peer::all()[0];
    let theirs = peer.start("theirs", &[]);
    let _: String = theirs.run(&["FUNCTION", "LOAD", LIBRARY]);
    let _: String = theirs.run(&["SET", "key", "value"]);
    let ours = Node::start("ours", &[]);
    assert_eq!(ours.number("number_of_libraries"), 0);
    ours.follow(&theirs);
    ours.wait_for_sync(&theirs);
    assert_eq!((ours.number("number_of_libraries"), ours.number("number_of_functions")), (1, 1));
    assert!(ours.refused(&["FCALL", "f", "0"]).contains("READONLY"), "it may write");

    // Who wants only a part of the snapshot gets it: redis-cli asks for all, and for functions alone.
    let ask = |option: &str, file: &Path| {
        let status = std::process::Command::new(peer::tool("redis-cli"))
            .args(["-p", &ours.port().to_string(), option])
            .arg(file)
            .stdout(std::process::Stdio::null())
            .status();
        assert!(status.expect("redis-cli runs").success(), "redis-cli {option}");
    };
    for (option, keys) in [("--rdb", 1), ("--functions-rdb", 0)] {
        let mut loads = peer.prepare("loads", &[]);
        ask(option, &loads.path("dump.rdb"));
        loads.launch();
        assert_eq!(loads.run::<i64>(&["DBSIZE"]), keys, "{option}");
        assert_eq!(loads.run::<i64>(&["FCALL", "f", "0"]), 1, "{option}");
    }
}
