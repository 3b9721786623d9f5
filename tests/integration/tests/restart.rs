//! What is on disk comes back after a restart, and damage is never passed over in silence.

use integration::data::Writes;
use integration::{Node, TIMEOUT, eventually};
use std::fs;
use std::path::PathBuf;

#[test]
fn a_saved_snapshot_is_loaded() {
    let mut node = Node::start("node", &[]);
    Writes::new(1).send(&mut node.connect(), 3000);
    let _: String = node.run(&["SAVE"]);
    let digest = node.digest();
    node.kill();
    node.launch();
    assert_eq!(node.digest(), digest);
}

#[test]
fn an_orderly_end_saves_where_save_points_are_set() {
    let mut node = Node::start("node", &[("save", "3600 1")]);
    Writes::new(2).send(&mut node.connect(), 500);
    let digest = node.digest();
    node.restart();
    assert_eq!(node.digest(), digest);
}

#[test]
fn the_append_only_file_is_loaded() {
    let mut node = Node::start("node", &[("appendonly", "yes")]);
    Writes::new(3).send(&mut node.connect(), 3000);
    let digest = node.digest();
    node.restart();
    assert_eq!(node.digest(), digest);
    let _: i64 = node.run(&["RPUSH", "after", "restart"]);
    let digest = node.digest();
    node.restart();
    assert_eq!(node.digest(), digest);
}

#[test]
fn a_rewritten_file_is_loaded() {
    let mut node = Node::start("node", &[("appendonly", "yes")]);
    let mut writes = Writes::new(4);
    writes.send(&mut node.connect(), 1000);
    rewrite(&node);
    writes.send(&mut node.connect(), 1000);
    let digest = node.digest();
    node.restart();
    assert_eq!(node.digest(), digest);
}

#[test]
fn a_message_does_not_move_the_next_write_to_another_database() {
    let mut node = Node::start("node", &[("appendonly", "yes")]);
    let replica = Node::start("replica", &[]);
    replica.follow(&node);
    replica.wait_for_sync(&node);
    let _: String = node.run(&["SET", "key", "zero"]);
    let mut connection = node.connect_as("3");
    let _: i64 = redis::cmd("PUBLISH").arg("a").arg("b").query(&mut connection).expect("a message");
    let _: String =
        redis::cmd("SET").arg("key").arg("three").query(&mut connection).expect("a write");
    let digest = node.digest();
    replica.wait_for_sync(&node);
    node.restart();
    assert_eq!(node.digest(), digest);
}

#[test]
fn an_end_right_behind_a_message_waits_for_nothing() {
    let mut node = Node::start("node", &[("appendonly", "yes")]);
    let _: String = node.run(&["SET", "key", "value"]);
    let _: i64 = node.run(&["PUBLISH", "a", "b"]);
    node.restart();
    assert!(!node.log().contains("takes too long"), "{}", node.log());
    assert_eq!(node.run::<String>(&["GET", "key"]), "value");
}

#[test]
fn where_both_are_there_the_append_only_file_counts() {
    let mut node = Node::start("node", &[("appendonly", "yes")]);
    let _: String = node.run(&["SET", "key", "old"]);
    let _: String = node.run(&["SAVE"]);
    let _: String = node.run(&["SET", "key", "new"]);
    node.restart();
    assert_eq!(node.run::<String>(&["GET", "key"]), "new");
}

#[test]
fn switching_on_at_run_time_keeps_what_was_there() {
    let mut node = Node::start("node", &[]);
    let mut writes = Writes::new(5);
    writes.send(&mut node.connect(), 1000);
    let _: String = node.run(&["CONFIG", "SET", "appendonly", "yes"]);
    writes.send(&mut node.connect(), 1000);
    eventually(TIMEOUT, "the first base is there", || node.number("aof_rewrites") == 1);
    let digest = node.digest();
    node.stop();
    node.set_option("appendonly", "yes");
    node.launch();
    assert_eq!(node.digest(), digest);
}

#[test]
fn an_end_waits_for_the_first_base() {
    let mut node = Node::start("node", &[]);
    Writes::new(9).send(&mut node.connect(), 3000);
    let digest = node.digest();
    node.set_option("appendonly", "yes");
    let _: String = node.run(&["CONFIG", "SET", "appendonly", "yes"]);
    node.restart();
    assert_eq!(node.digest(), digest);
}

#[test]
fn reloading_in_place_changes_no_data() {
    let node = Node::start("node", &[("appendonly", "yes")]);
    let mut writes = Writes::new(6);
    writes.send(&mut node.connect(), 2000);
    let digest = node.digest();
    let _: String = node.run(&["DEBUG", "RELOAD"]);
    assert_eq!(node.digest(), digest);
    let _: String = node.run(&["DEBUG", "LOADAOF"]);
    assert_eq!(node.digest(), digest);
    writes.send(&mut node.connect(), 500);
    let digest = node.digest();
    let _: String = node.run(&["DEBUG", "LOADAOF"]);
    assert_eq!(node.digest(), digest);
}

#[test]
fn a_snapshot_at_work_does_not_replace_one_that_was_made_after_it_began() {
    let mut node = Node::start("node", &[]);
    for number in 0..100 {
        let _: String = node.run(&["SET", &format!("key:{number}"), "old"]);
    }
    // Slow enough to be there still when the other one is done.
    let _: String = node.run(&["CONFIG", "SET", "rdb-key-save-delay", "30000"]);
    let _: String = node.run(&["BGSAVE"]);
    assert_eq!(node.info("rdb_bgsave_in_progress"), "1");
    let _: String = node.run(&["SET", "later", "1"]);
    let _: String = node.run(&["CONFIG", "SET", "rdb-key-save-delay", "0"]);
    let _: String = node.run(&["DEBUG", "RELOAD"]);
    eventually(TIMEOUT, "the child has ended", || node.info("rdb_bgsave_in_progress") == "0");
    assert_eq!(node.info("rdb_last_bgsave_status"), "ok", "that it was ended is no failure");
    node.kill();
    node.launch();
    assert_eq!(node.run::<Option<String>>(&["GET", "later"]), Some("1".into()));
}

#[test]
fn a_rewrite_under_writes_loses_nothing_at_kill_nine() {
    let mut node = Node::start("node", &[("appendonly", "yes"), ("appendfsync", "always")]);
    let mut connection = node.connect();
    let mut writes = Writes::new(7);
    writes.send(&mut connection, 2000);
    for round in 1..=3 {
        let _: String = node.run(&["BGREWRITEAOF"]);
        eventually(TIMEOUT, "the rewrite ends", || {
            writes.send(&mut connection, 200);
            node.number("aof_rewrites") == round
        });
    }
    // Once more, and killed in the middle or right behind it.
    let _: String = node.run(&["BGREWRITEAOF"]);
    writes.send(&mut connection, 400);
    let digest = node.digest();
    node.kill();
    node.launch();
    assert_eq!(node.digest(), digest);
}

#[test]
fn a_torn_tail_is_cut_and_kept_aside() {
    let mut node = Node::start("node", &[("appendonly", "yes")]);
    let _: String = node.run(&["SET", "whole", "1"]);
    node.stop();
    let path = node.path("appendonlydir/appendonly.aof.1.incr.aof");
    let mut bytes = fs::read(&path).expect("an incremental file");
    let whole = bytes.len();
    let torn: &[u8] = b"*3\r\n$3\r\nSET\r\n$4\r\ntorn\r\n$5\r\nab";
    bytes.extend_from_slice(torn);
    fs::write(&path, &bytes).expect("a torn file");
    node.launch();
    assert_eq!(node.run::<Vec<String>>(&["KEYS", "*"]), ["whole"]);
    assert_eq!(fs::read(&path).expect("the file").get(..whole), bytes.get(..whole));
    let aside: Vec<PathBuf> = fs::read_dir(node.path("appendonlydir"))
        .expect("the folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.to_string_lossy().contains(".cut-"))
        .collect();
    assert_eq!(aside.len(), 1, "{aside:?}");
    assert_eq!(fs::read(&aside[0]).expect("what was cut"), torn);
    // And what is written from now on comes back.
    let _: String = node.run(&["SET", "later", "1"]);
    node.restart();
    assert_eq!(node.number("rdb_last_load_keys_loaded"), 2);
}

#[test]
fn a_torn_tail_is_refused_where_that_is_asked() {
    let options = [("appendonly", "yes"), ("aof-load-truncated", "no")];
    let mut node = Node::start("node", &options);
    let _: String = node.run(&["SET", "whole", "1"]);
    node.stop();
    let path = node.path("appendonlydir/appendonly.aof.1.incr.aof");
    let mut bytes = fs::read(&path).expect("an incremental file");
    bytes.extend_from_slice(b"*3\r\n$3\r\nSET\r\n");
    fs::write(&path, &bytes).expect("a torn file");
    let said = node.launch_refused();
    assert!(said.contains("appendonly.aof.1.incr.aof"), "{said}");
    assert_eq!(fs::read(&path).expect("the file"), bytes, "the file is untouched");
}

/// Requests as a file holds them.
fn encoded(lines: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        bytes.extend(format!("*{}\r\n", words.len()).into_bytes());
        words.iter().for_each(|w| bytes.extend(format!("${}\r\n{w}\r\n", w.len()).into_bytes()));
    }
    bytes
}

/// A node whose append-only file is one file of these requests.
fn node_with(lines: &[&str]) -> (Node, PathBuf) {
    let node = Node::prepare("node", &[("appendonly", "yes")]);
    let folder = node.path("appendonlydir");
    fs::create_dir(&folder).expect("a folder");
    let manifest = "file appendonly.aof.1.incr.aof seq 1 type i\n";
    fs::write(folder.join("appendonly.aof.manifest"), manifest).expect("a manifest");
    let path = folder.join("appendonly.aof.1.incr.aof");
    fs::write(&path, encoded(lines)).expect("a file");
    (node, path)
}

#[test]
fn a_command_that_cannot_be_executed_refuses_the_start() {
    for command in [
        "SET a",
        "SET a b IFEQ c",
        "SELECT 99",
        "EXPIRE a soon",
        "HSETEX h EX 10 FIELDS 1 f v",
        "FUNCTION LOAD lib",
        "XGROUP RENAME s g h",
    ] {
        for lines in [
            &["SET whole 1", command, "SET later 1"][..],
            &["SET whole 1", "MULTI", "INCR whole", command, "EXEC", "SET later 1"],
        ] {
            let (mut node, path) = node_with(lines);
            let before = fs::read(&path).expect("the file");
            let at = lines.iter().position(|line| *line == command).expect("it is there");
            let offset = encoded(&lines[..at]).len();
            let said = node.launch_refused();
            let place = format!("appendonly.aof.1.incr.aof, byte {offset}: ");
            assert!(said.contains(&place), "{command}: {said}");
            assert_eq!(fs::read(&path).expect("the file"), before, "the file is untouched");
        }
    }
}

#[test]
fn a_senseless_command_at_the_very_end_is_cut_with_its_transaction() {
    for lines in
        [&["SET whole 1", "SET a"][..], &["SET whole 1", "MULTI", "INCR whole", "SET a", "EXEC"]]
    {
        let (mut node, path) = node_with(lines);
        node.launch();
        assert_eq!(node.run::<String>(&["GET", "whole"]), "1");
        assert_eq!(fs::read(&path).expect("the file"), encoded(&lines[..1]));
        let _: String = node.run(&["SET", "later", "1"]);
        node.restart();
        assert_eq!(node.run::<i64>(&["DBSIZE"]), 2);
    }
}

#[test]
fn commands_that_do_not_fit_the_data_are_told_and_counted() {
    let (mut node, _) = node_with(&["SET text x", "LPUSH text a", "INCR text", "INCR text"]);
    node.launch();
    assert_eq!(node.run::<String>(&["GET", "text"]), "x");
    assert_eq!(node.number("aof_last_load_commands_failed"), 3);
    let log = node.log();
    assert!(log.contains("2 'incr' command(s) of the append only file did not fit"), "{log}");
    assert!(log.contains("The first was answered: WRONGTYPE"), "{log}");
}

#[test]
fn rot_in_the_middle_of_the_append_only_file_is_refused() {
    let mut node = Node::start("node", &[("appendonly", "yes")]);
    for number in 0..50 {
        let _: String = node.run(&["SET", &format!("key:{number}"), "a value that rots"]);
    }
    node.stop();
    let path = node.path("appendonlydir/appendonly.aof.1.incr.aof");
    let mut bytes = fs::read(&path).expect("an incremental file");
    let at = bytes.windows(4).position(|part| part == b"rots").expect("a value");
    bytes[at] = b'n';
    fs::write(&path, &bytes).expect("a rotten file");
    let said = node.launch_refused();
    assert!(said.contains("appendonly.aof.1.incr.aof"), "{said}");
    assert_eq!(fs::read(&path).expect("the file"), bytes, "the file is untouched");
}

#[test]
fn a_damaged_snapshot_is_refused() {
    let mut node = Node::start("node", &[]);
    Writes::new(8).send(&mut node.connect(), 500);
    let _: String = node.run(&["SAVE"]);
    node.stop();
    let path = node.path("dump.rdb");
    let mut bytes = fs::read(&path).expect("a snapshot");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x40;
    fs::write(&path, &bytes).expect("a damaged snapshot");
    let said = node.launch_refused();
    assert!(said.contains("dump.rdb"), "{said}");
    assert_eq!(fs::read(&path).expect("the file"), bytes, "the file is untouched");
}

#[test]
fn a_damaged_manifest_is_refused() {
    let mut node = Node::start("node", &[("appendonly", "yes")]);
    let _: String = node.run(&["SET", "key", "value"]);
    node.stop();
    let path = node.path("appendonlydir/appendonly.aof.manifest");
    let text = fs::read_to_string(&path).expect("a manifest");
    fs::write(&path, text.replace("seq 1", "seq one")).expect("a damaged manifest");
    let said = node.launch_refused();
    assert!(said.contains("appendonly.aof.manifest"), "{said}");
}

#[test]
fn a_missing_file_of_the_manifest_is_refused() {
    let mut node = Node::start("node", &[("appendonly", "yes")]);
    let _: String = node.run(&["SET", "key", "value"]);
    node.stop();
    fs::remove_file(node.path("appendonlydir/appendonly.aof.1.base.rdb")).expect("a base");
    let said = node.launch_refused();
    assert!(said.contains("appendonly.aof.1.base.rdb"), "{said}");
}

/// Rewrites the append-only file and waits for the end.
fn rewrite(node: &Node) {
    let before = node.number("aof_rewrites");
    let _: String = node.run(&["BGREWRITEAOF"]);
    eventually(TIMEOUT, "the rewrite ends", || node.number("aof_rewrites") == before + 1);
}

#[test]
fn a_rewrite_without_an_append_only_file_makes_one_that_can_be_loaded() {
    let mut node = Node::start("node", &[]);
    let _: String = node.run(&["SET", "k", "v"]);
    let text = node.refused(&["DEBUG", "LOADAOF"]);
    assert_eq!(text, "ERR Error trying to load the AOF files, check server logs");
    assert_eq!(node.run::<String>(&["GET", "k"]), "v");
    rewrite(&node);
    let digest = node.digest();
    let _: String = node.run(&["SET", "k", "later"]);
    let _: String = node.run(&["DEBUG", "LOADAOF"]);
    assert_eq!(node.digest(), digest);
    node.stop();
    node.set_option("appendonly", "yes");
    node.launch();
    assert_eq!(node.digest(), digest);
}

#[test]
fn what_was_flushed_does_not_come_back() {
    let mut node = Node::start("node", &[("save", "3600 1")]);
    let _: String = node.run(&["SET", "k", "v"]);
    let _: String = node.run(&["SAVE"]);
    let _: String = node.run(&["FLUSHALL"]);
    assert_eq!(node.number("rdb_changes_since_last_save"), 0);
    node.kill();
    node.launch();
    assert_eq!(node.run::<i64>(&["DBSIZE"]), 0);
}

#[test]
fn waiting_for_the_disk_is_waiting_for_the_base_too() {
    let node = Node::start("node", &[("appendonly", "no")]);
    let _: String = node.run(&["SET", "k", "v"]);
    // A snapshot that takes long, so that the base has to wait.
    let _: String = node.run(&["CONFIG", "SET", "rdb-key-save-delay", "60000000"]);
    let _: String = node.run(&["BGSAVE"]);
    let _: String = node.run(&["CONFIG", "SET", "appendonly", "yes"]);
    assert_eq!(node.number("aof_rewrite_scheduled"), 1);
    let _: String = node.run(&["SET", "k", "w"]);
    assert_eq!(node.run::<Vec<i64>>(&["WAITAOF", "1", "0", "100"]), [0, 0]);

    // Who still waits when the file is switched off is told.
    let mut waiting = node.connect();
    let waiter = std::thread::spawn(move || {
        redis::cmd("WAITAOF").arg(&[1, 0, 0]).query::<Vec<i64>>(&mut waiting)
    });
    eventually(TIMEOUT, "it waits", || {
        node.run::<String>(&["CLIENT", "LIST"]).contains("cmd=waitaof")
    });
    let _: String = node.run(&["CONFIG", "SET", "appendonly", "no"]);
    let error = waiter.join().expect("no panic").expect_err("an error");
    assert!(error.to_string().contains("appendonly is disabled"), "{error}");

    let _: String = node.run(&["CONFIG", "SET", "appendonly", "yes"]);
    let _: String = node.run(&["SET", "k", "x"]);
    let _: String = node.run(&["CONFIG", "SET", "rdb-key-save-delay", "0"]);
    // The child goes on as slowly as it began.
    let child: String = node.info("rdb_bgsave_in_progress");
    assert_eq!(child, "1");
    let _: String = node.run(&["FLUSHALL"]);
    assert_eq!(node.run::<Vec<i64>>(&["WAITAOF", "1", "0", "0"]), [1, 0]);
    assert_eq!(node.number("aof_rewrite_scheduled"), 0);
}

#[test]
fn what_is_sealed_in_the_midst_of_a_turn_reaches_the_disk() {
    use std::io::{Read, Write};
    let options = [("appendonly", "yes"), ("appendfsync", "always")];
    let mut node = Node::start("node", &options);
    for (number, sealing) in ["BGSAVE", "BGREWRITEAOF", "PSYNC ? -1"].iter().enumerate() {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", node.port())).expect("a node");
        stream.set_read_timeout(Some(integration::TIMEOUT)).expect("a timeout");
        // Both in one turn; the first reply waits for the disk.
        let both = format!("SET key:{number} 1\r\n{sealing}\r\n");
        stream.write_all(both.as_bytes()).expect("two requests");
        let mut reply = [0; 5];
        stream.read_exact(&mut reply).expect("a reply, without another write");
        assert_eq!(&reply, b"+OK\r\n", "before {sealing}");
    }
    node.kill();
    node.launch();
    assert_eq!(node.run::<i64>(&["DBSIZE"]), 3);
}
