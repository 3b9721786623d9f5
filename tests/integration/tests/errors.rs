//! When the disk does not do what it should: a log line, writes refused before data would be lost, and recovery.
//!
//! Permissions do not stop a test that runs as root, so what is in the way is a folder with the file's name.

use integration::data::Writes;
use integration::{Node, TIMEOUT, eventually};
use std::fs;

#[test]
fn a_failing_bgsave_refuses_writes_until_one_succeeds() {
    let node = Node::start("node", &[("save", "3600 1")]);
    let _: String = node.run(&["SET", "key", "value"]);
    fs::create_dir(node.path("dump.rdb")).expect("a folder in the way");
    let _: String = node.run(&["BGSAVE"]);
    eventually(TIMEOUT, "the save fails", || node.info("rdb_last_bgsave_status") == "err");
    assert!(node.log().contains("Background saving error"), "{}", node.log());
    for write in [&["SET", "key", "other"][..], &["DEL", "key"], &["PING"]] {
        assert!(node.refused(write).starts_with("MISCONF"), "{write:?}");
    }
    assert_eq!(node.run::<String>(&["GET", "key"]), "value", "reads go on");

    fs::remove_dir(node.path("dump.rdb")).expect("the folder");
    let _: String = node.run(&["BGSAVE"]);
    eventually(TIMEOUT, "the save succeeds", || node.info("rdb_last_bgsave_status") == "ok");
    let _: String = node.run(&["SET", "key", "other"]);
    assert_eq!(leftovers(&node), [""; 0], "no temporary files stay");
}

#[test]
fn writes_go_on_where_that_is_asked() {
    let node = Node::start("node", &[("save", "3600 1"), ("stop-writes-on-bgsave-error", "no")]);
    fs::create_dir(node.path("dump.rdb")).expect("a folder in the way");
    let _: String = node.run(&["BGSAVE"]);
    eventually(TIMEOUT, "the save fails", || node.info("rdb_last_bgsave_status") == "err");
    let _: String = node.run(&["SET", "key", "value"]);
}

#[test]
fn a_failing_save_answers_with_an_error_and_keeps_the_old_file() {
    let mut node = Node::start("node", &[]);
    let _: String = node.run(&["SET", "key", "value"]);
    let _: String = node.run(&["SAVE"]);
    let saved = fs::read(node.path("dump.rdb")).expect("a snapshot");
    // The temporary file cannot be made.
    let temporary = node.path(&format!("temp-{}.rdb", node.pid()));
    fs::create_dir(&temporary).expect("a folder in the way");
    let _: String = node.run(&["SET", "key", "other"]);
    node.refused(&["SAVE"]);
    assert!(node.log().contains("Error saving DB on disk"), "{}", node.log());
    assert_eq!(fs::read(node.path("dump.rdb")).expect("a snapshot"), saved);
    fs::remove_dir(&temporary).expect("the folder");
    node.kill();
    node.launch();
    assert_eq!(node.run::<String>(&["GET", "key"]), "value");
}

#[test]
fn an_end_that_cannot_save_is_refused() {
    let mut node = Node::start("node", &[("save", "3600 1")]);
    let _: String = node.run(&["SET", "key", "value"]);
    fs::create_dir(node.path("dump.rdb")).expect("a folder in the way");
    assert!(node.refused(&["SHUTDOWN"]).contains("Errors trying to SHUTDOWN"));
    assert_eq!(node.run::<String>(&["GET", "key"]), "value", "it goes on");
    fs::remove_dir(node.path("dump.rdb")).expect("the folder");
    node.restart();
    assert_eq!(node.run::<String>(&["GET", "key"]), "value");
}

#[test]
fn a_failing_rewrite_keeps_all_data() {
    let mut node = Node::start("node", &[("appendonly", "yes"), ("appendfsync", "always")]);
    let mut connection = node.connect();
    let mut writes = Writes::new(1);
    writes.send(&mut connection, 500);
    // The name of the next base is taken by a folder that is not empty.
    let taken = node.path("appendonlydir/appendonly.aof.2.base.rdb");
    fs::create_dir_all(taken.join("full")).expect("a folder in the way");
    let _: String = node.run(&["BGREWRITEAOF"]);
    writes.send(&mut connection, 500);
    eventually(TIMEOUT, "the rewrite fails", || node.info("aof_last_bgrewrite_status") == "err");
    writes.send(&mut connection, 500);
    let digest = node.digest();
    node.kill();
    node.launch();
    assert_eq!(node.digest(), digest);

    fs::remove_dir_all(taken).expect("the folder");
    let _: String = node.run(&["BGREWRITEAOF"]);
    eventually(TIMEOUT, "the rewrite succeeds", || node.number("aof_rewrites") == 1);
    writes.send(&mut node.connect(), 500);
    let digest = node.digest();
    node.kill();
    node.launch();
    assert_eq!(node.digest(), digest);
}

#[test]
fn a_first_base_that_cannot_be_stored_is_made_later() {
    let mut node = Node::start("node", &[]);
    let mut connection = node.connect();
    let mut writes = Writes::new(2);
    writes.send(&mut connection, 500);
    let taken = node.path("appendonlydir/appendonly.aof.1.base.rdb");
    fs::create_dir_all(taken.join("full")).expect("a folder in the way");
    let _: String = node.run(&["CONFIG", "SET", "appendonly", "yes"]);
    writes.send(&mut connection, 500);
    eventually(TIMEOUT, "it fails, and is tried again by itself", || {
        node.number("aof_rewrites_consecutive_failures") >= 2
    });
    writes.send(&mut connection, 500);
    fs::remove_dir_all(taken).expect("the folder");
    eventually(TIMEOUT, "the base is there", || {
        // By itself it is tried ever more seldom; asked for, it is made now.
        let _ = node.try_run::<String>(&["BGREWRITEAOF"]);
        node.number("aof_rewrites") >= 1
    });
    writes.send(&mut connection, 500);
    eventually(TIMEOUT, "no rewrite is left", || {
        node.number("aof_rewrite_in_progress") + node.number("aof_rewrite_scheduled") == 0
    });
    let digest = node.digest();
    node.set_option("appendonly", "yes");
    node.restart();
    assert_eq!(node.digest(), digest);
    let kept = fs::read_dir(node.path("appendonlydir")).expect("the folder");
    let kept: Vec<_> = kept.map(|entry| entry.expect("an entry").file_name()).collect();
    assert_eq!(kept.len(), 3, "base, incremental file and manifest: {kept:?}");
}

#[test]
fn a_replica_that_cannot_store_a_snapshot_keeps_its_data_and_tries_again() {
    let primary = Node::start("primary", &[]);
    let replica = Node::start("replica", &[]);
    let _: String = primary.run(&["SET", "yours", "value"]);
    let _: String = replica.run(&["SET", "mine", "value"]);
    fs::create_dir(replica.path("dump.rdb")).expect("a folder in the way");
    replica.follow(&primary);
    eventually(TIMEOUT, "two attempts fail", || primary.number("sync_full") >= 2);
    eventually(TIMEOUT, "the data is there, where no attempt is loading", || {
        replica.try_run::<String>(&["GET", "mine"]).is_ok_and(|value| value == "value")
    });
    assert!(!replica.is_linked());
    fs::remove_dir(replica.path("dump.rdb")).expect("the folder");
    replica.wait_for_sync(&primary);
    assert_eq!(leftovers(&replica), [""; 0], "no temporary files stay");
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let mut node = Node::prepare("node", &[("dir", "./missing")]);
    let said = node.launch_refused();
    assert!(said.contains("./missing"), "{said}");
}

/// Temporary files in a node's folder.
fn leftovers(node: &Node) -> Vec<String> {
    let entries = fs::read_dir(node.folder()).expect("the folder");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let names = names.map(|name| name.to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("temp-")).collect()
}
