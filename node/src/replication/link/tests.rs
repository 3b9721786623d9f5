//! What a link does to its node, without a primary.

use super::*;
use crate::testing;
use backup::aof::AofDir;
use backup::files::Files;
use std::ffi::OsStr;

fn id(byte: u8) -> ReplicationId {
    ReplicationId::from_random([byte; 20])
}

fn at(number: u64) -> Offset {
    Offset::from_wire(number).expect("small")
}

#[test]
fn what_was_journaled_before_another_history_is_on_disk_under_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut node = testing::node();
    let opened = AofDir::open(&Files::real(), folder.path(), OsStr::new("dir"), OsStr::new("aof"));
    let (mut dir, _) = opened.expect("opened");
    let file = dir.begin_switch_on().expect("a file");
    node.host.journal.history = History::new(id(1));
    node.host.journal.restart_at(at(1000));
    node.host.start_appending(dir, file).expect("appending");
    let local = b"*2\r\n$4\r\nINCR\r\n$5\r\nlocal\r\n";
    // Not shipped yet when the other history begins.
    node.host.journal.append_raw(Kind::Local, local);
    node.host.begin_history(id(2), at(50), 0);
    node.host.journal.append_raw(Kind::Effect, b"*2\r\n$4\r\nINCR\r\n$3\r\nnew\r\n");
    node.host.stop_aof();
    let files = std::fs::read_dir(folder.path().join("dir")).expect("a folder");
    let texts: Vec<String> = files
        .map(|entry| std::fs::read_to_string(entry.expect("an entry").path()).expect("read"))
        .collect();
    let text = texts.iter().find(|text| text.contains("local")).expect("it was appended");
    let places = [id(1).as_str(), "local", id(2).as_str(), "new"]
        .map(|word| text.find(word).unwrap_or_else(|| panic!("{word} in {text}")));
    assert!(places.is_sorted(), "{text}");
}
