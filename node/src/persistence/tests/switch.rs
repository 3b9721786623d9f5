//! Switching the append-only file on and off while the node runs.

use super::expect_each_loads;
use crate::child::Kind;
use crate::testing::bench::Bench;
use crate::testing::memory::Call;

const ON: &str = "CONFIG SET appendonly yes";
const OFF: &str = "CONFIG SET appendonly no";

/// A node without an append-only file, whose data are in a dump.
fn with_dump() -> (Bench, usize) {
    let mut bench = Bench::new(|_| ());
    let slot = bench.connect();
    bench.ask(slot, "SET dumped 1");
    assert_eq!(bench.ask(slot, "SAVE"), "+OK");
    (bench, slot)
}

/// The first base is being written, and something was journaled since.
fn switching_on() -> (Bench, usize) {
    let (mut bench, slot) = with_dump();
    assert_eq!(bench.ask(slot, ON), "+OK");
    assert_eq!(bench.children(), 1);
    bench.ask(slot, "SET since 1");
    (bench, slot)
}

fn state(bench: &mut Bench) -> [String; 3] {
    ["aof_enabled", "aof_rewrite_in_progress", "aof_rewrite_scheduled"].map(|name| bench.info(name))
}

#[track_caller]
fn expect_whole(bench: &mut Bench) {
    assert!(bench.memory.listed().contains("manifest"));
    assert_eq!(bench.reloaded_now(), bench.digest());
    let listed = bench.memory.listed();
    assert!(!listed.contains("temp-"), "{listed}");
}

#[test]
fn on_is_whole_when_the_base_is_there_and_the_dump_counts_until_then() {
    let (mut bench, slot) = with_dump();
    let dumped = bench.digest();
    bench.memory.record();
    assert_eq!(bench.ask(slot, ON), "+OK");
    bench.ask(slot, "SET since 1");
    assert_eq!(state(&mut bench), ["1", "1", "0"]);
    bench.child_works();
    bench.ask(slot, "SET late 1");
    let late = bench.digest();
    bench.child_ends();
    bench.ask(slot, "SET behind 1");
    let digests = [dumped, late, bench.digest()];
    expect_each_loads(&bench, bench.memory.recorded(), &digests);
    expect_whole(&mut bench);
    assert_eq!(state(&mut bench), ["1", "0", "0"]);
}

#[test]
fn nothing_can_be_restored_before_the_first_base_is_there() {
    let (mut bench, slot) = switching_on();
    assert!(bench.node.host.persistence.restorable().is_none());
    let waiting = bench.connect();
    bench.ask(waiting, "SET mine 1");
    assert_eq!(bench.ask(waiting, "WAITAOF 1 0 0"), "");
    bench.pass(1500);
    assert_eq!(bench.hear(waiting), "", "fsynced, but nobody could load it");
    bench.child_ends();
    assert_eq!(bench.hear(waiting), "*2 :1 :0");
    bench.ask(slot, "SET a 1");
    expect_whole(&mut bench);
}

#[test]
fn what_happened_before_was_not_journaled_so_the_history_is_another() {
    let (mut bench, slot) = with_dump();
    let before = bench.node.host.journal.history.id;
    bench.ask(slot, ON);
    assert_ne!(bench.node.host.journal.history.id, before);
    // Where there were readers it goes on.
    let (mut other, slot) = with_dump();
    other.node.host.journal.start_backlog(1 << 20);
    let before = other.node.host.journal.history.id;
    other.ask(slot, ON);
    assert_eq!(other.node.host.journal.history.id, before);
}

#[test]
fn a_first_base_that_fails_is_tried_again_with_another_file() {
    let (mut bench, slot) = switching_on();
    bench.child_is_half_way();
    bench.child_fails("no room");
    // It begins at once, with all that is there now.
    assert_eq!((bench.children(), state(&mut bench)), (1, ["1", "1", "0"].map(String::from)));
    assert_eq!(bench.info("aof_last_bgrewrite_status"), "err");
    bench.ask(slot, "SET later 1");
    bench.child_ends();
    expect_whole(&mut bench);
}

#[test]
fn a_first_base_that_does_not_get_its_place_is_tried_again() {
    let calls = [
        (Call::Rename, "base.rdb"),
        (Call::Rename, "incr.aof"),
        (Call::Rename, "manifest"),
        (Call::Sync, "manifest"),
        (Call::SyncFolder, "appendonlydir"),
    ];
    for (call, part) in calls {
        let (mut bench, slot) = switching_on();
        bench.memory.fail(call, part, 1);
        bench.child_ends();
        assert_eq!(bench.memory.left_to_fail(), 0, "{call:?} {part}");
        bench.ask(slot, "SET meanwhile 1");
        bench.pass(100);
        assert_eq!(bench.children(), 1, "{call:?} {part}");
        bench.ask(slot, "SET later 1");
        bench.child_ends();
        assert_eq!(state(&mut bench), ["1", "0", "0"], "{call:?} {part}");
        expect_whole(&mut bench);
    }
}

#[test]
fn a_first_base_that_fails_often_waits_ever_longer() {
    let (mut bench, _) = switching_on();
    let mut begun = Vec::new();
    for _ in 0..6 {
        bench.child_fails("no room");
        let failed_ms = bench.now.unix_ms;
        bench.pass_until_child();
        begun.push((bench.now.unix_ms - failed_ms) / 60_000);
    }
    assert_eq!(begun, [0, 0, 1, 2, 4, 8], "minutes");
    bench.child_ends();
    expect_whole(&mut bench);
}

#[test]
fn on_that_cannot_begin_is_refused_and_nothing_is_changed() {
    for (call, part) in [(Call::MakeFolder, "appendonlydir"), (Call::Create, "incr")] {
        let (mut bench, slot) = with_dump();
        bench.memory.fail(call, part, 1);
        let answer = bench.ask(slot, ON);
        assert!(answer.starts_with("-ERR CONFIG SET failed"), "{call:?} {part}: {answer}");
        assert_eq!(bench.ask(slot, "CONFIG GET appendonly"), "*2 $10 appendonly $2 no");
        assert_eq!((bench.children(), bench.info("aof_enabled")), (0, "0".into()));
        assert_eq!(bench.ask(slot, "SET a 1"), "+OK");
        assert_eq!(bench.ask(slot, ON), "+OK");
        bench.child_ends();
        expect_whole(&mut bench);
    }
}

#[test]
fn on_twice_is_on_once() {
    let (mut bench, slot) = switching_on();
    assert_eq!(bench.ask(slot, ON), "+OK");
    assert_eq!((bench.children(), bench.outer().forked), (1, 1));
    bench.child_ends();
    assert_eq!(bench.ask(slot, ON), "+OK");
    assert_eq!((bench.children(), bench.outer().forked), (0, 1));
    expect_whole(&mut bench);
}

#[test]
fn off_during_the_first_base_leaves_nothing_of_it() {
    for works in [false, true] {
        let (mut bench, slot) = switching_on();
        if works {
            // It has ended well, and nobody has heard of it.
            bench.child_works();
        } else {
            bench.child_is_half_way();
        }
        assert_eq!(bench.ask(slot, OFF), "+OK");
        assert!(bench.outer().children[0].killed);
        bench.child_ends();
        bench.pass(1000);
        assert_eq!((bench.children(), state(&mut bench)), (0, ["0", "0", "0"].map(String::from)));
        let listed = bench.memory.listed();
        assert_eq!(listed, "dump.rdb", "works: {works}");
        // On again: none of that is in the way.
        assert_eq!(bench.ask(slot, ON), "+OK");
        bench.ask(slot, "SET later 1");
        bench.child_ends();
        expect_whole(&mut bench);
    }
}

#[test]
fn off_and_on_before_the_child_has_gone_takes_none_of_its_base() {
    let (mut bench, slot) = switching_on();
    bench.child_works();
    assert_eq!(bench.ask(slot, OFF), "+OK");
    bench.ask(slot, "SET unseen 1");
    assert_eq!(bench.ask(slot, ON), "+OK");
    assert_eq!(state(&mut bench), ["1", "1", "1"], "the other one has not ended");
    bench.child_ends();
    assert_eq!((bench.children(), bench.outer().forked), (1, 2));
    bench.ask(slot, "SET later 1");
    bench.child_ends();
    expect_whole(&mut bench);
}

#[test]
fn off_during_a_rewrite_leaves_the_old_set() {
    let mut bench = Bench::new(|settings| settings.appendonly = true);
    let slot = bench.connect();
    bench.ask(slot, "SET a 1");
    bench.ask(slot, "BGREWRITEAOF");
    bench.ask(slot, "SET b 1");
    let digest = bench.digest();
    bench.child_works();
    assert_eq!(bench.ask(slot, OFF), "+OK");
    bench.ask(slot, "SET unseen 1");
    bench.child_ends();
    bench.node.host.settings.appendonly = true;
    assert_eq!(bench.reloaded_now(), digest);
    assert!(!bench.memory.listed().contains("temp-"), "{}", bench.memory.listed());
}

#[test]
fn on_during_a_save_begins_behind_it() {
    let (mut bench, slot) = with_dump();
    assert_eq!(bench.ask(slot, "BGSAVE"), "+Background saving started");
    assert_eq!(bench.ask(slot, ON), "+OK");
    assert_eq!(state(&mut bench), ["1", "0", "1"]);
    bench.ask(slot, "SET since 1");
    bench.child_ends();
    assert!(bench.node.host.child.running_as(Kind::Rewrite).is_some());
    bench.ask(slot, "SET later 1");
    bench.child_ends();
    expect_whole(&mut bench);
    // Off before it could begin: nothing begins.
    assert_eq!(bench.ask(slot, OFF), "+OK");
    bench.ask(slot, "BGSAVE");
    assert_eq!((bench.ask(slot, ON), bench.ask(slot, OFF)), ("+OK".into(), "+OK".into()));
    bench.child_ends();
    bench.pass(200);
    assert_eq!(bench.children(), 0);
}

#[test]
fn on_during_a_rewrite_of_a_base_alone_ends_that() {
    let (mut bench, slot) = with_dump();
    bench.ask(slot, "BGREWRITEAOF");
    bench.child_works();
    bench.ask(slot, "SET since 1");
    assert_eq!(bench.ask(slot, ON), "+OK");
    assert!(bench.outer().children[0].killed, "its base is of another time");
    bench.child_ends();
    assert_eq!((bench.children(), bench.outer().forked), (1, 2));
    bench.ask(slot, "SET later 1");
    bench.child_ends();
    expect_whole(&mut bench);
}

#[test]
fn on_inside_a_transaction_begins_behind_it() {
    let (mut bench, slot) = with_dump();
    for request in ["MULTI", "SET first 1", ON, "SET second 1"] {
        bench.ask(slot, request);
    }
    assert_eq!(bench.ask(slot, "EXEC"), "*3 +OK +OK +OK");
    assert_eq!(state(&mut bench), ["1", "0", "1"]);
    bench.pass(100);
    assert_eq!(bench.children(), 1);
    bench.child_ends();
    expect_whole(&mut bench);
}
