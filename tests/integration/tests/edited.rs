//! The append-only file is edited to take a mistake back: refused with the way out, loaded where that is asked for, and
//! nothing that it claimed before is believed afterwards.

use integration::data::Writes;
use integration::{Node, Peer, TIMEOUT, eventually};
use std::fs;
use std::path::Path;

const INCREMENTAL: &str = "appendonlydir/appendonly.aof.1.incr.aof";
const FLUSHALL: &[u8] = b"*1\r\n$8\r\nFLUSHALL\r\n";

/// Takes the only occurrence of `part` out of a file.
fn take_out(path: &Path, part: &[u8]) {
    let bytes = fs::read(path).expect("a file");
    let places: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(part)).collect();
    assert_eq!(places.len(), 1);
    let edited = [&bytes[..places[0]], &bytes[places[0] + part.len()..]].concat();
    fs::write(path, edited).expect("an edited file");
}

#[test]
fn a_flushall_is_taken_back_by_editing() {
    // Every write in a block of its own: what follows FLUSHALL is then not in its block.
    let mut node = Node::start("node", &[("appendonly", "yes"), ("appendfsync", "always")]);
    let mut replica = Node::start("replica", &[]);
    replica.follow(&node);
    replica.wait_for_sync(&node);
    let keep = |node: &Node, number: &str| {
        let _: String = node.run(&["SET", &format!("kept:{number}"), number]);
    };
    keep(&node, "1");
    keep(&node, "2");
    let _: String = node.run(&["FLUSHALL"]);
    keep(&node, "3");
    keep(&node, "4");
    replica.wait_for_sync(&node);
    let claimed = node.info("master_replid");
    node.stop();
    take_out(&node.path(INCREMENTAL), FLUSHALL);
    let edited = fs::read(node.path(INCREMENTAL)).expect("the file");

    // What it is, and what can be done.
    let said = node.launch_refused();
    let told = said.contains("appendonly.aof.1.incr.aof, byte ")
        && said.contains("The file was edited")
        && said.contains("start once with 'aof-load-edited yes'");
    assert!(told, "{said}");
    assert_eq!(fs::read(node.path(INCREMENTAL)).expect("the file"), edited, "it is untouched");

    node.set_option("aof-load-edited", "yes");
    node.launch();
    assert_eq!(node.run::<i64>(&["DBSIZE"]), 4);
    let log = node.log();
    assert!(log.contains("The replication position is unknown from there"), "{log}");
    // A replica that goes on from what the file claimed would not have what came back.
    assert_ne!(node.info("master_replid2"), claimed);
    replica.wait_for_sync(&node);
    assert_eq!((node.number("sync_full"), node.number("sync_partial_ok")), (1, 0));
    assert_eq!(replica.run::<i64>(&["DBSIZE"]), 4);

    // Afterwards it is a file like any other.
    node.set_option("aof-load-edited", "no");
    for number in 5..7 {
        node.restart();
        keep(&node, &number.to_string());
    }
    node.kill();
    node.launch();
    assert!(node.run::<i64>(&["DBSIZE"]) >= 5);
    replica.stop();
}

#[test]
fn a_file_that_was_marked_anew_is_loaded_by_others_and_checked() {
    let mut node = Node::start("node", &[("appendonly", "yes")]);
    Writes::new(1).send(&mut node.connect(), 2000);
    let digest = node.digest();
    let _: String = node.run(&["SET", "a mistake", "1"]);
    let _: i64 = node.run(&["DEL", "a mistake"]);
    let _: String = node.run(&["SET", "later", "1"]);
    let _: i64 = node.run(&["DEL", "later"]);
    node.stop();
    take_out(&node.path(INCREMENTAL), b"*3\r\n$3\r\nSET\r\n$9\r\na mistake\r\n$1\r\n1\r\n");
    node.set_option("aof-load-edited", "yes");
    node.launch();
    assert_eq!(node.digest(), digest);
    node.stop();
    integration::peer::check_file(
        "redis-check-aof",
        &node.path("appendonlydir/appendonly.aof.manifest"),
    );
    for peer in Peer::all() {
        let mut other = peer.prepare("other", &[("appendonly", "yes")]);
        fs::create_dir(other.path("appendonlydir")).expect("a folder");
        for entry in fs::read_dir(node.path("appendonlydir")).expect("a folder") {
            let entry = entry.expect("an entry");
            let target = other.path("appendonlydir").join(entry.file_name());
            fs::copy(entry.path(), target).expect("copied");
        }
        other.launch();
        assert_eq!(other.digest(), digest);
    }
}

#[test]
fn a_base_of_commands_is_edited_like_any_other_file() {
    let options = [("appendonly", "yes"), ("aof-use-rdb-preamble", "no")];
    let mut node = Node::start("node", &options);
    for key in ["one", "two", "six"] {
        let _: String = node.run(&["SET", key, "1"]);
    }
    let _: String = node.run(&["BGREWRITEAOF"]);
    eventually(TIMEOUT, "the rewrite ends", || node.number("aof_rewrites") == 1);
    let _: String = node.run(&["SET", "later", "1"]);
    node.stop();
    take_out(
        &node.path("appendonlydir/appendonly.aof.2.base.aof"),
        b"*3\r\n$3\r\nSET\r\n$3\r\ntwo\r\n$1\r\n1\r\n",
    );
    let said = node.launch_refused();
    // All of it is one block, and nothing follows in this file.
    assert!(said.contains("base.aof, byte ") && said.contains("aof-load-edited"), "{said}");
    node.set_option("aof-load-edited", "yes");
    node.launch();
    node.set_option("aof-load-edited", "no");
    for _ in 0..2 {
        let mut keys = node.run::<Vec<String>>(&["KEYS", "*"]);
        keys.sort();
        assert_eq!(keys, ["later", "one", "six"]);
        node.restart();
    }
}

#[test]
fn what_has_rotted_is_refused_also_where_edited_files_are_loaded() {
    let mut node = Node::start("node", &[("appendonly", "yes"), ("aof-load-edited", "yes")]);
    for number in 0..20 {
        let _: String = node.run(&["SET", &format!("key:{number}"), "a value that rots"]);
    }
    node.stop();
    let path = node.path(INCREMENTAL);
    let mut bytes = fs::read(&path).expect("the file");
    let at = bytes.windows(4).position(|part| part == b"rots").expect("a value");
    bytes[at] ^= 1;
    fs::write(&path, &bytes).expect("a rotten file");
    let said = node.launch_refused();
    assert!(said.contains("block does not have the checksum of its mark"), "{said}");
    assert_eq!(fs::read(&path).expect("the file"), bytes, "it is untouched");
}
