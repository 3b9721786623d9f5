//! Append-only files that nobody has loaded are not lost: files without their manifest are refused, a folder that another one takes
//! the place of is kept, and files that do not belong together are no data set.

use integration::{Node, TIMEOUT, eventually};
use std::fs;
use std::path::PathBuf;

const FOLDER: &str = "appendonlydir";
const MANIFEST: &str = "appendonlydir/appendonly.aof.manifest";
const INCREMENTAL: &str = "appendonlydir/appendonly.aof.1.incr.aof";

/// The folders that were kept, the oldest first.
fn kept(node: &Node) -> Vec<PathBuf> {
    let entries = fs::read_dir(node.folder()).expect("a folder");
    let is_kept = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("appendonlydir.") && name.ends_with('Z')
    };
    let mut kept: Vec<PathBuf> =
        entries.map(|entry| entry.expect("an entry").path()).filter(is_kept).collect();
    kept.sort();
    kept
}

/// A node that has written a key to its append-only file and was killed.
fn with_files(key: &str) -> Node {
    let mut node = Node::start("node", &[("appendonly", "yes"), ("appendfsync", "always")]);
    let _: String = node.run(&["SET", key, "1"]);
    node.kill();
    node
}

/// Switches the append-only file on and waits until it is complete.
fn switch_on(node: &Node) {
    let before = node.number("aof_rewrites");
    let _: String = node.run(&["CONFIG", "SET", "appendonly", "yes"]);
    eventually(TIMEOUT, "the base is there", || node.number("aof_rewrites") > before);
}

#[test]
fn files_without_their_manifest_are_not_overwritten() {
    let mut node = with_files("precious");
    let manifest = fs::read(node.path(MANIFEST)).expect("a manifest");
    let data = fs::read(node.path(INCREMENTAL)).expect("a file");
    fs::remove_file(node.path(MANIFEST)).expect("removed");
    // With a dump and without one.
    for dump in [false, true] {
        if dump {
            let other = Node::start("other", &[]);
            let _: String = other.run(&["SAVE"]);
            fs::copy(other.path("dump.rdb"), node.path("dump.rdb")).expect("copied");
        }
        let said = node.launch_refused();
        let told = said.contains("no manifest (appendonly.aof.manifest)")
            && said.contains("appendonly.aof.1.incr.aof")
            && said.contains("Ways out: copy the manifest");
        assert!(told, "{said}");
        assert_eq!(fs::read(node.path(INCREMENTAL)).expect("a file"), data, "it is untouched");
        assert!(!node.path(MANIFEST).exists());
    }
    // The ways out: the manifest, the folder elsewhere, and Redis's way.
    fs::write(node.path(MANIFEST), manifest).expect("written");
    node.launch();
    assert_eq!(node.run::<i64>(&["EXISTS", "precious"]), 1);
    node.kill();
    fs::remove_file(node.path(MANIFEST)).expect("removed");
    node.set_option("aof-ignore-dump", "yes");
    node.launch();
    assert_eq!(node.run::<i64>(&["DBSIZE"]), 0);
    assert!(node.log().contains("overwritten"), "{}", node.log());
}

#[test]
fn a_folder_that_was_never_loaded_is_kept_when_the_file_is_switched_on() {
    let mut node = with_files("only there");
    node.set_option("appendonly", "no");
    for most in [1, 2] {
        node.launch();
        assert_eq!(node.run::<i64>(&["DBSIZE"]), 0, "it is not loaded");
        let _: String = node.run(&["SET", "in memory", "1"]);
        switch_on(&node);
        assert_eq!(node.number("aof_folders_kept"), 1);
        let kept = kept(&node);
        assert_eq!(kept.len(), most);
        let name = kept[0].file_name().and_then(|name| name.to_str()).expect("a name");
        assert!(node.log().contains(name), "{}", node.log());
        // What this process has written is its own.
        let _: String = node.run(&["CONFIG", "SET", "appendonly", "no"]);
        switch_on(&node);
        assert_eq!(node.number("aof_folders_kept"), 1);
        node.kill();
    }
    // It is a whole set: renamed back it loads.
    let kept = kept(&node);
    assert!(kept[0].join("appendonly.aof.1.incr.aof").exists());
    fs::remove_dir_all(node.path(FOLDER)).expect("removed");
    copy_folder(&kept[0], &node.path(FOLDER));
    node.set_option("appendonly", "yes");
    node.launch();
    assert_eq!(node.run::<Vec<String>>(&["KEYS", "*"]), ["only there"]);
    // And what was loaded is our own.
    let _: String = node.run(&["CONFIG", "SET", "appendonly", "no"]);
    switch_on(&node);
    assert_eq!(node.number("aof_folders_kept"), 0);
}

fn copy_folder(source: &std::path::Path, target: &std::path::Path) {
    fs::create_dir(target).expect("a folder");
    for entry in fs::read_dir(source).expect("a folder") {
        let entry = entry.expect("an entry");
        fs::copy(entry.path(), target.join(entry.file_name())).expect("copied");
    }
}

#[test]
fn a_base_alone_does_not_replace_a_folder_either_and_the_bound_is_kept() {
    let mut node = with_files("only there");
    let files = node.path("saved");
    copy_folder(&node.path(FOLDER), &files);
    node.set_option("appendonly", "no");
    node.set_option("aof-keep-replaced", "2");
    for round in 1..=3 {
        let _ = fs::remove_dir_all(node.path(FOLDER));
        copy_folder(&files, &node.path(FOLDER));
        node.launch();
        let _: String = node.run(&["BGREWRITEAOF"]);
        eventually(TIMEOUT, "the base is there", || node.number("aof_rewrites") == 1);
        let _: String = node.run(&["BGREWRITEAOF"]);
        eventually(TIMEOUT, "the next one is", || node.number("aof_rewrites") == 2);
        assert_eq!(node.number("aof_folders_kept"), 1);
        assert_eq!(kept(&node).len(), round.min(2));
        node.kill();
    }
    // None: as Redis does.
    node.set_option("aof-keep-replaced", "0");
    fs::remove_dir_all(node.path(FOLDER)).expect("removed");
    copy_folder(&files, &node.path(FOLDER));
    node.launch();
    switch_on(&node);
    assert_eq!((node.number("aof_folders_kept"), kept(&node).len()), (0, 2));
}

/// Two incremental files: a rewrite that did not come to its end.
fn with_two_files(node: &Node) {
    for key in ["one", "two"] {
        let _: String = node.run(&["SET", key, "1"]);
    }
    let _: String = node.run(&["CONFIG", "SET", "rdb-key-save-delay", "10000000"]);
    let _: String = node.run(&["BGREWRITEAOF"]);
    let second = node.path("appendonlydir/appendonly.aof.2.incr.aof");
    eventually(TIMEOUT, "it has begun", || second.exists());
    let _: String = node.run(&["SET", "three", "1"]);
}

#[test]
fn blocks_taken_from_the_end_of_a_file_that_is_not_the_last_are_no_data_set_to_go_on_from() {
    let mut primary = Node::start("primary", &[]);
    let options = [("appendonly", "yes"), ("appendfsync", "always"), ("save", "")];
    let mut replica = Node::start("replica", &options);
    replica.follow(&primary);
    replica.wait_for_sync(&primary);
    // The replica's own file: the full sync has begun it anew.
    eventually(TIMEOUT, "its base is there", || replica.number("aof_rewrites") >= 1);
    let names = |replica: &Node| -> Vec<PathBuf> {
        let entries = fs::read_dir(replica.path(FOLDER)).expect("a folder");
        let mut paths: Vec<PathBuf> =
            entries.map(|entry| entry.expect("an entry").path()).collect();
        paths.retain(|path| path.to_string_lossy().ends_with(".incr.aof"));
        paths.sort();
        paths
    };
    for key in ["one", "two"] {
        let _: String = primary.run(&["SET", key, "1"]);
        replica.wait_for_sync(&primary);
    }
    let _: String = replica.run(&["CONFIG", "SET", "rdb-key-save-delay", "10000000"]);
    let _: String = replica.run(&["BGREWRITEAOF"]);
    eventually(TIMEOUT, "it has begun", || names(&replica).len() == 2);
    let _: String = primary.run(&["SET", "three", "1"]);
    replica.wait_for_sync(&primary);
    // What was received is not on disk yet by that.
    let has_block = |path: &PathBuf| fs::metadata(path).is_ok_and(|file| file.len() > 0);
    eventually(TIMEOUT, "it is appended", || names(&replica).iter().all(has_block));
    replica.kill();
    // The last block of the first file goes, with its mark.
    let first = &names(&replica)[0];
    let bytes = fs::read(first).expect("a file");
    let mark = (0..bytes.len()).rfind(|at| bytes[*at..].starts_with(b"#tm ")).expect("a mark");
    fs::write(first, &bytes[..mark]).expect("edited");
    let said = replica.launch_refused();
    assert!(said.contains("the file before it") && said.contains("aof-load-edited"), "{said}");
    replica.set_option("aof-load-edited", "yes");
    replica.set_option("replicaof", &format!("127.0.0.1 {}", primary.port()));
    let full = primary.number("sync_full");
    replica.launch();
    replica.wait_for_sync(&primary);
    assert_eq!(replica.digest(), primary.digest());
    assert_eq!(primary.number("sync_full"), full + 1);
    primary.stop();
}

#[test]
fn a_manifest_that_leaves_a_file_out_or_calls_it_history_is_refused() {
    let mut node = Node::start("node", &[("appendonly", "yes"), ("appendfsync", "always")]);
    with_two_files(&node);
    node.kill();
    let manifest = fs::read_to_string(node.path(MANIFEST)).expect("a manifest");
    let first = "file appendonly.aof.1.incr.aof seq 1 type i\n";
    let data = fs::read(node.path(INCREMENTAL)).expect("a file");
    for (changed, told) in [
        (manifest.replace(first, ""), "it was begun behind file number 1"),
        (manifest.replace(first, &first.replace("type i", "type h")), "calls it history"),
        (manifest.replace("2.incr", "1.incr"), "named twice"),
        (format!("{manifest}\0\0\0\0"), "newline"),
    ] {
        assert_ne!(changed, manifest);
        fs::write(node.path(MANIFEST), &changed).expect("written");
        let said = node.launch_refused();
        assert!(said.contains(told), "{said}");
        assert_eq!(fs::read(node.path(INCREMENTAL)).expect("a file"), data, "it is there");
    }
    fs::write(node.path(MANIFEST), manifest).expect("written");
    node.launch();
    assert_eq!(node.run::<i64>(&["DBSIZE"]), 3);
}
