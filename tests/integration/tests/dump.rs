//! A snapshot that was never loaded is not lost: it becomes the base of a new append-only file, and is never overwritten.

use integration::data::Writes;
use integration::{Node, Peer, TIMEOUT, eventually};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

const APPENDONLY: [(&str, &str); 1] = [("appendonly", "yes")];
const MANIFEST: &str = "appendonlydir/appendonly.aof.manifest";

/// The snapshots that were kept of `name`, the oldest first.
fn kept(folder: &Path, name: &str) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let is_kept = |path: &PathBuf| {
        let file = path.file_name().and_then(|file| file.to_str()).unwrap_or_default();
        file.strip_prefix(name).is_some_and(|rest| rest.starts_with('.') && rest.ends_with('Z'))
    };
    let mut kept: Vec<PathBuf> = entries.filter(is_kept).collect();
    kept.sort();
    kept
}

/// A snapshot with one key, as somebody else might have made it.
fn foreign_dump(value: &str) -> Vec<u8> {
    let node = Node::start("other", &[]);
    let _: String = node.run(&["SET", "foreign", value]);
    let _: String = node.run(&["SAVE"]);
    fs::read(node.path("dump.rdb")).expect("a snapshot")
}

/// A snapshot of a server without an append-only file, which then gets one by its configuration alone.
fn with_dump(options: &[(&str, &str)]) -> (Node, String) {
    let mut node = Node::start("node", &[&[("save", "3600 1")], options].concat());
    Writes::new(1).send(&mut node.connect(), 3000);
    let digest = node.digest();
    node.stop();
    node.set_option("appendonly", "yes");
    (node, digest)
}

#[test]
fn a_dump_without_an_append_only_file_becomes_its_base() {
    let (mut node, digest) = with_dump(&[]);
    node.launch();
    assert_eq!(node.digest(), digest);
    assert!(node.log().contains("dump.rdb becomes its base"), "{}", node.log());
    assert!(node.path(MANIFEST).exists());
    // From now on the append-only file has it all.
    let _: String = node.run(&["SET", "after", "1"]);
    let digest = node.digest();
    node.restart();
    assert_eq!(node.digest(), digest);
    fs::remove_file(node.path("dump.rdb")).expect("removed");
    node.restart();
    assert_eq!(node.digest(), digest);
    assert_eq!(node.log().matches("becomes its base").count(), 1);
}

#[test]
fn a_dump_of_another_server_becomes_the_base_and_that_server_loads_it() {
    for peer in Peer::all() {
        let mut other = peer.start("other", &[]);
        Writes::new(2).send(&mut other.connect(), 2000);
        let _: String = other.run(&["SAVE"]);
        let digest = other.digest();
        let mut node = Node::prepare("node", &APPENDONLY);
        fs::copy(other.path("dump.rdb"), node.path("dump.rdb")).expect("copied");
        node.launch();
        assert_eq!(node.digest(), digest);
        node.stop();
        other.stop();
        copy_files(&node.path("appendonlydir"), &other.path("appendonlydir"));
        other.set_option("appendonly", "yes");
        other.launch();
        assert_eq!(other.digest(), digest);
    }
}

fn copy_files(source: &Path, target: &Path) {
    fs::create_dir(target).expect("a folder");
    for entry in fs::read_dir(source).expect("a folder") {
        let entry = entry.expect("an entry");
        fs::copy(entry.path(), target.join(entry.file_name())).expect("copied");
    }
}

#[test]
fn killed_before_its_base_is_there_the_next_start_does_the_same_again() {
    let (mut node, digest) = with_dump(&[]);
    let dump = fs::read(node.path("dump.rdb")).expect("a snapshot");
    // Slow enough to be killed while the base is written: a few hundred keys.
    node.set_option("rdb-key-save-delay", "100000");
    for round in 0..2 {
        node.launch_unattended();
        let base = node.path("appendonlydir/temp-base.rdb");
        eventually(TIMEOUT, "the base is being written", || base.exists());
        // Nobody is served before it is there.
        let mut connection = node.connect();
        let pong: redis::RedisResult<String> = redis::cmd("GET").arg("key").query(&mut connection);
        assert_eq!(pong.expect_err("loading").code(), Some("LOADING"), "round {round}");
        node.kill();
        assert!(!node.path(MANIFEST).exists());
        assert_eq!(fs::read(node.path("dump.rdb")).expect("a snapshot"), dump);
        fs::remove_file(base).expect("removed");
    }
    node.set_option("rdb-key-save-delay", "0");
    node.launch();
    assert_eq!(node.digest(), digest);
    node.kill();
    node.launch();
    assert_eq!(node.digest(), digest);
}

#[test]
fn a_dump_that_cannot_be_loaded_stops_the_start_and_the_ways_out_are_named() {
    let (mut node, _) = with_dump(&[]);
    let mut dump = fs::read(node.path("dump.rdb")).expect("a snapshot");
    let middle = dump.len() / 2;
    dump[middle] ^= 4;
    fs::write(node.path("dump.rdb"), &dump).expect("written");
    let said = node.launch_refused();
    assert!(said.contains("dump.rdb") && said.contains("aof-ignore-dump"), "{said}");
    assert!(!node.path(MANIFEST).exists());
    assert_eq!(fs::read(node.path("dump.rdb")).expect("a snapshot"), dump);
    // As Redis does, for who wants it; and the dump is not lost even then.
    node.set_option("aof-ignore-dump", "yes");
    node.launch();
    assert_eq!(node.run::<i64>(&["DBSIZE"]), 0);
    assert!(node.log().contains("starting without data"), "{}", node.log());
    let _: String = node.run(&["SET", "new", "1"]);
    node.stop();
    let kept = kept(node.folder(), "dump.rdb");
    assert_eq!(kept.len(), 1);
    assert_eq!(fs::read(&kept[0]).expect("kept"), dump);
}

#[test]
fn a_replica_that_gets_an_append_only_file_goes_on_where_its_dump_ends() {
    let primary = Node::start("primary", &[]);
    let mut replica = Node::start("replica", &[("save", "3600 1")]);
    replica.follow(&primary);
    let mut writes = Writes::new(3);
    writes.send(&mut primary.connect(), 500);
    replica.wait_for_sync(&primary);
    replica.stop();
    writes.send(&mut primary.connect(), 100);
    replica.set_option("appendonly", "yes");
    replica.set_option("replicaof", &format!("127.0.0.1 {}", primary.port()));
    replica.launch();
    replica.wait_for_sync(&primary);
    assert_eq!((primary.number("sync_full"), primary.number("sync_partial_ok")), (1, 1));
    // And so it does after another start, from the append-only file.
    replica.restart();
    replica.wait_for_sync(&primary);
    assert_eq!((primary.number("sync_full"), primary.number("sync_partial_ok")), (1, 2));
}

#[test]
fn no_way_of_saving_overwrites_what_this_process_neither_loaded_nor_wrote() {
    type Way = (&'static str, &'static [(&'static str, &'static str)], fn(&mut Node));
    let ways: [Way; 5] = [
        ("SAVE", &[], |node| node.run(&["SAVE"])),
        ("BGSAVE", &[], |node| {
            let _: String = node.run(&["BGSAVE"]);
            eventually(TIMEOUT, "it is saved", || node.number("rdb_saves") == 1);
        }),
        ("FLUSHALL", &[("save", "3600 1")], |node| node.run(&["FLUSHALL"])),
        ("DEBUG RELOAD", &[], |node| node.run(&["DEBUG", "RELOAD"])),
        ("the end", &[("save", "3600 1")], Node::stop),
    ];
    let dump = foreign_dump("1");
    for (name, options, save) in ways {
        let mut node = Node::start("node", options);
        let _: String = node.run(&["SET", "own", "1"]);
        // What was written by this process is.
        let _: String = node.run(&["SAVE"]);
        let _: String = node.run(&["CONFIG", "RESETSTAT"]);
        assert_eq!(kept(node.folder(), "dump.rdb").len(), 0, "{name}");
        fs::write(node.path("dump.rdb"), &dump).expect("written");
        save(&mut node);
        let kept = kept(node.folder(), "dump.rdb");
        assert_eq!(kept.len(), 1, "{name}");
        assert_eq!(fs::read(&kept[0]).expect("kept"), dump, "{name}");
        assert_ne!(fs::read(node.path("dump.rdb")).expect("saved"), dump, "{name}");
        let file = kept[0].file_name().and_then(|name| name.to_str()).expect("a name");
        assert!(node.log().contains(file), "{name}: {}", node.log());
        if name != "the end" {
            assert_eq!(node.number("rdb_snapshots_kept"), 1, "{name}");
            let _: String = node.run(&["SAVE"]);
            assert_eq!(node.number("rdb_snapshots_kept"), 1, "{name}");
        }
    }
}

#[test]
fn a_full_sync_does_not_overwrite_it_and_a_load_makes_it_our_own() {
    let dump = foreign_dump("2");
    let primary = Node::start("primary", &[]);
    Writes::new(4).send(&mut primary.connect(), 100);
    let replica = Node::start("replica", &[]);
    fs::write(replica.path("dump.rdb"), &dump).expect("written");
    replica.follow(&primary);
    replica.wait_for_sync(&primary);
    let before = kept(replica.folder(), "dump.rdb");
    assert_eq!(before.len(), 1);
    assert_eq!(fs::read(&before[0]).expect("kept"), dump);
    // What the full sync brought is our own.
    let _: String = replica.run(&["SAVE"]);
    assert_eq!(kept(replica.folder(), "dump.rdb"), before);
    // So is what was loaded at the start.
    let mut node = Node::prepare("node", &[]);
    fs::write(node.path("dump.rdb"), &dump).expect("written");
    node.launch();
    assert_eq!(node.run::<String>(&["GET", "foreign"]), "2");
    let _: String = node.run(&["SAVE"]);
    assert_eq!(kept(node.folder(), "dump.rdb").len(), 0);
}

#[test]
fn another_name_and_another_folder_are_looked_at_as_well() {
    let (first, second) = (foreign_dump("3"), foreign_dump("4"));
    let node = Node::start("node", &[("enable-protected-configs", "local")]);
    fs::write(node.path("other.rdb"), &first).expect("written");
    let folder = node.path("elsewhere");
    fs::create_dir(&folder).expect("a folder");
    fs::write(folder.join("other.rdb"), &second).expect("written");
    let _: String = node.run(&["SAVE"]);
    let _: String = node.run(&["CONFIG", "SET", "dbfilename", "other.rdb"]);
    let _: String = node.run(&["SAVE"]);
    let _: String = node.run(&["CONFIG", "SET", "dir", folder.to_str().expect("a path")]);
    let _: String = node.run(&["SAVE"]);
    for (folder, dump) in [(node.folder(), &first), (&folder, &second)] {
        let kept = kept(folder, "other.rdb");
        assert_eq!(kept.len(), 1);
        assert_eq!(&fs::read(&kept[0]).expect("kept"), dump);
    }
    // Back again: that one this process has written.
    let back = node.folder().to_str().expect("a path");
    let _: String = node.run(&["CONFIG", "SET", "dir", back, "dbfilename", "dump.rdb"]);
    let _: String = node.run(&["SAVE"]);
    assert_eq!(kept(node.folder(), "dump.rdb").len(), 0);
}

#[test]
fn as_many_are_kept_as_are_configured() {
    let node = Node::start("node", &[("rdb-keep-replaced", "2")]);
    for number in 0..4 {
        fs::write(node.path("dump.rdb"), format!("theirs {number}")).expect("written");
        let _: String = node.run(&["SAVE"]);
    }
    let contents: Vec<String> = kept(node.folder(), "dump.rdb")
        .iter()
        .map(|path| fs::read_to_string(path).expect("kept"))
        .collect();
    assert_eq!(contents, ["theirs 2", "theirs 3"]);
    assert_eq!(node.number("rdb_snapshots_kept"), 4);
    // None: as Redis does.
    let _: String = node.run(&["CONFIG", "SET", "rdb-keep-replaced", "0"]);
    fs::write(node.path("dump.rdb"), "theirs 4").expect("written");
    let _: String = node.run(&["SAVE"]);
    assert_eq!(kept(node.folder(), "dump.rdb").len(), 2);
}

#[test]
fn a_younger_append_only_file_that_is_not_loaded_is_said() {
    let mut node = Node::start("node", &APPENDONLY);
    let _: String = node.run(&["SAVE"]);
    let written = |name: &str| fs::metadata(node.path(name)).and_then(|file| file.modified());
    let dump = written("dump.rdb").expect("a time") + Duration::from_millis(1);
    eventually(TIMEOUT, "the append-only file is younger", || {
        let _: String = node.run(&["SET", "only", "there"]);
        written("appendonlydir/appendonly.aof.1.incr.aof").expect("a time") > dump
    });
    node.kill();
    node.set_option("appendonly", "no");
    let warning = "is loaded, and the append only file is not, although it is younger";
    node.launch();
    let log = node.log();
    assert!(log.contains(warning) && log.contains("dump.rdb (written "), "{log}");
    assert!(log.contains("appendonlydir/appendonly.aof.1.incr.aof (written "), "{log}");
    // The dump is the younger one from now on.
    let _: String = node.run(&["SAVE"]);
    node.restart();
    assert_eq!(node.log().matches(warning).count(), 1);
    // Without a dump there is nothing to load at all.
    node.stop();
    fs::remove_file(node.path("dump.rdb")).expect("removed");
    node.launch();
    assert!(node.log().contains("there is no dump.rdb to load"), "{}", node.log());
}

#[test]
fn an_append_only_file_without_keys_beside_a_dump_is_said() {
    let mut node = Node::start("node", &APPENDONLY);
    let _: String = node.run(&["SAVE"]);
    // A dump without keys is no reason to say anything.
    node.restart();
    assert!(!node.log().contains("has no keys"), "{}", node.log());
    node.stop();
    fs::write(node.path("dump.rdb"), foreign_dump("5")).expect("written");
    node.launch();
    assert!(node.log().contains("has no keys. dump.rdb (written "), "{}", node.log());
    let _: String = node.run(&["SAVE"]);
    assert_eq!(kept(node.folder(), "dump.rdb").len(), 1);
}
