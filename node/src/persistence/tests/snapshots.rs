//! Snapshots: who asks for one and when, what becomes of one that fails, and of files that are not our own.

use super::expect_each_loads;
use crate::testing::bench::{Bench, save_point};
use crate::testing::memory::Call;

const STARTED: &str = "+Background saving started";
const AT_WORK: &str = "-ERR Background save already in progress";

fn saving_after(seconds: u64, changes: u64) -> (Bench, usize) {
    let mut bench = Bench::new(|settings| settings.save = save_point(seconds, changes));
    let slot = bench.connect();
    (bench, slot)
}

fn without_points() -> (Bench, usize) {
    let mut bench = Bench::new(|_| ());
    let slot = bench.connect();
    (bench, slot)
}

#[test]
fn a_save_point_wants_both_its_changes_and_its_seconds() {
    let (mut bench, slot) = saving_after(60, 2);
    bench.ask(slot, "SET a 1");
    bench.pass(120_000);
    assert_eq!(bench.children(), 0, "one change");
    bench.ask(slot, "SET b 1");
    bench.pass(100);
    assert_eq!(bench.children(), 1);
    bench.ask(slot, "SET c 1");
    assert_eq!(bench.info("rdb_changes_since_last_save"), "3");
    bench.child_ends();
    assert_eq!(bench.info("rdb_changes_since_last_save"), "1", "what came since is not in it");
    bench.ask(slot, "SET d 1");
    bench.pass(60_000);
    assert_eq!(bench.children(), 0, "not yet");
    bench.pass(200);
    assert_eq!(bench.children(), 1);
    bench.child_ends();
    assert_eq!(bench.reloaded_now(), bench.digest());
    assert_eq!(bench.info("rdb_saves"), "2");
}

#[test]
fn of_several_points_the_first_that_is_due_counts() {
    let (mut bench, slot) = without_points();
    bench.node.host.settings.save = crate::config::SavePoints::usual();
    bench.ask(slot, "SET a 1");
    bench.pass(3_600_000);
    assert_eq!(bench.children(), 0);
    bench.pass(200);
    assert_eq!(bench.children(), 1);
    bench.child_ends();
    (0..100).for_each(|number| drop(bench.ask(slot, &format!("SET a {number}"))));
    bench.pass(300_200);
    assert_eq!(bench.children(), 1);
}

#[test]
fn a_background_save_has_the_data_of_its_beginning() {
    let (mut bench, slot) = without_points();
    bench.ask(slot, "SET a 1");
    let digest = bench.digest();
    let before = bench.ask(slot, "LASTSAVE");
    assert_eq!(bench.ask(slot, "BGSAVE"), STARTED);
    bench.ask(slot, "SET a 2");
    bench.pass(5000);
    assert_eq!(bench.ask(slot, "LASTSAVE"), before);
    bench.child_ends();
    assert_eq!(bench.reloaded_now(), digest);
    assert_ne!(bench.ask(slot, "LASTSAVE"), before);
    assert_eq!(bench.info("rdb_last_bgsave_status"), "ok");
    assert_eq!(bench.info("rdb_last_bgsave_time_sec"), "5");
}

#[test]
fn while_a_child_is_at_work_it_is_refused_or_waits() {
    let (mut bench, slot) = without_points();
    assert_eq!(bench.ask(slot, "BGSAVE"), STARTED);
    for request in ["BGSAVE", "BGSAVE SCHEDULE", "SAVE"] {
        assert_eq!(bench.ask(slot, request), AT_WORK, "{request}");
    }
    bench.child_ends();
    bench.ask(slot, "BGREWRITEAOF");
    assert!(bench.ask(slot, "BGSAVE").starts_with("-ERR Another child process is active (AOF?)"));
    assert_eq!(bench.ask(slot, "BGSAVE SCHEDULE"), "+Background saving scheduled");
    bench.ask(slot, "SET a 1");
    assert_eq!(bench.ask(slot, "SAVE"), "+OK", "beside a rewrite");
    bench.ask(slot, "SET b 1");
    bench.child_ends();
    assert_eq!(bench.children(), 1, "what was scheduled begins at once");
    bench.child_ends();
    assert_eq!(bench.reloaded_now(), bench.digest());
    for request in ["MULTI", "SET c 1", "BGSAVE", "SET d 1"] {
        bench.ask(slot, request);
    }
    assert_eq!(bench.ask(slot, "EXEC"), "*3 +OK +Background saving scheduled +OK");
    assert_eq!(bench.children(), 0, "not inside a transaction");
    bench.pass(100);
    bench.child_ends();
    assert_eq!(bench.reloaded_now(), bench.digest());
    assert_eq!(bench.ask(slot, "BGSAVE NOW"), "-ERR syntax error");
}

#[test]
fn after_a_failure_writes_are_refused_and_it_is_tried_again() {
    let (mut bench, slot) = saving_after(1, 1);
    bench.ask(slot, "SET a 1");
    bench.pass(1200);
    bench.child_is_half_way();
    bench.child_fails("no room");
    assert!(!bench.memory.listed().contains("temp-"), "{}", bench.memory.listed());
    assert_eq!(bench.info("rdb_last_bgsave_status"), "err");
    let refused = bench.ask(slot, "SET b 1");
    assert!(refused.starts_with("-MISCONF Redis is configured to save RDB snapshots"), "{refused}");
    assert_eq!(bench.ask(slot, "GET a"), "$1 1");
    assert_eq!(bench.ask(slot, "CONFIG SET stop-writes-on-bgsave-error no"), "+OK");
    assert_eq!(bench.ask(slot, "SET b 1"), "+OK");
    assert_eq!(bench.ask(slot, "CONFIG SET stop-writes-on-bgsave-error yes"), "+OK");
    bench.pass(4800);
    assert_eq!(bench.children(), 0, "five seconds after the last attempt began, not sooner");
    bench.pass(300);
    assert_eq!(bench.children(), 1);
    bench.child_ends();
    assert_eq!(bench.ask(slot, "SET c 1"), "+OK");
    assert_eq!(bench.info("rdb_last_bgsave_status"), "ok");
}

#[test]
fn without_save_points_a_failure_refuses_nothing() {
    let (mut bench, slot) = without_points();
    bench.ask(slot, "BGSAVE");
    bench.child_fails("no room");
    assert_eq!(bench.info("rdb_last_bgsave_status"), "err");
    assert_eq!(bench.ask(slot, "SET a 1"), "+OK");
}

#[test]
fn a_child_that_cannot_be_forked_is_a_failure() {
    let (mut bench, slot) = saving_after(3600, 1);
    bench.outer().no_forks = true;
    assert_eq!(bench.ask(slot, "BGSAVE"), "-ERR");
    assert!(bench.ask(slot, "SET a 1").starts_with("-MISCONF"));
    bench.outer().no_forks = false;
    assert_eq!(bench.ask(slot, "BGSAVE"), STARTED);
    bench.child_ends();
    assert_eq!(bench.ask(slot, "SET a 1"), "+OK");
}

#[test]
fn a_save_in_the_foreground_makes_an_earlier_failure_good() {
    let (mut bench, slot) = saving_after(3600, 1);
    bench.ask(slot, "BGSAVE");
    bench.child_fails("no room");
    assert!(bench.ask(slot, "SET a 1").starts_with("-MISCONF"));
    assert_eq!(bench.ask(slot, "SAVE"), "+OK");
    assert_eq!(bench.ask(slot, "SET a 1"), "+OK");
    bench.memory.fail(Call::Rename, "dump.rdb", 1);
    assert_eq!(bench.ask(slot, "SAVE"), "-ERR");
    assert_eq!(bench.info("rdb_changes_since_last_save"), "1", "it was not saved");
    assert_eq!(bench.memory.listed(), "dump.rdb");
    assert_eq!(bench.ask(slot, "SAVE"), "+OK");
    assert_eq!(bench.reloaded_now(), bench.digest());
}

#[test]
fn the_process_may_end_between_any_two_steps() {
    for in_background in [false, true] {
        let (mut bench, slot) = without_points();
        bench.ask(slot, "SET old 1");
        bench.ask(slot, "SAVE");
        let old = bench.digest();
        bench.ask(slot, "SET new 1");
        bench.memory.record();
        if in_background {
            bench.ask(slot, "BGSAVE");
            bench.child_ends();
        } else {
            bench.ask(slot, "SAVE");
        }
        let digests = [old, bench.digest()];
        expect_each_loads(&bench, bench.memory.recorded(), &digests);
    }
}

#[test]
fn a_snapshot_that_is_not_our_own_is_kept() {
    let (mut other, slot) = without_points();
    other.ask(slot, "SET precious 1");
    other.ask(slot, "SAVE");
    let precious = other.memory.read("dump.rdb");
    for request in ["SAVE", "BGSAVE"] {
        let (mut bench, slot) = without_points();
        bench.ask(slot, "SET a 1");
        bench.memory.put("dump.rdb", &precious);
        bench.ask(slot, request);
        if request == "BGSAVE" {
            bench.child_ends();
        }
        let names = bench.memory.names();
        assert!(names.len() == 2 && names[1].starts_with("dump.rdb.20"), "{names:?}");
        assert_eq!(bench.memory.read(&names[1]), precious);
        assert_eq!(bench.info("rdb_snapshots_kept"), "1");
        assert_eq!(bench.reloaded_now(), bench.digest());
        // The one that is there now is our own, whoever of us wrote it.
        bench.ask(slot, "SAVE");
        bench.ask(slot, "BGSAVE");
        bench.child_ends();
        bench.ask(slot, "SAVE");
        assert_eq!(bench.memory.names().len(), 2);
    }
    // One that was loaded is our own as well.
    let mut bench = other.again_with(other.memory.image());
    let slot = bench.connect();
    bench.ask(slot, "SAVE");
    assert_eq!(bench.memory.listed(), "dump.rdb");
}

#[test]
fn of_those_that_are_kept_the_oldest_goes() {
    let (mut bench, slot) = without_points();
    assert_eq!(bench.ask(slot, "CONFIG SET rdb-keep-replaced 2"), "+OK");
    for number in 0..4 {
        bench.memory.put("dump.rdb", format!("foreign {number}").as_bytes());
        bench.pass(1000);
        assert_eq!(bench.ask(slot, "SAVE"), "+OK");
    }
    let names = bench.memory.names();
    let kept: Vec<_> = names[1..].iter().map(|name| bench.memory.text(name)).collect();
    assert_eq!(kept, ["foreign 2", "foreign 3"]);
}

#[test]
fn what_was_deleted_at_once_does_not_come_back_by_a_restart() {
    for request in ["FLUSHALL", "FLUSHALL SYNC", "FLUSHALL ASYNC"] {
        let (mut bench, slot) = saving_after(3600, 1000);
        let empty = bench.digest();
        bench.ask(slot, "SET a 1");
        bench.ask(slot, "SAVE");
        bench.ask(slot, "BGSAVE");
        bench.child_is_half_way();
        assert_eq!(bench.ask(slot, request), "+OK");
        assert!(bench.outer().children[0].killed, "what it saves is gone");
        bench.child_ends();
        assert_eq!(bench.reloaded_now(), empty);
        assert_eq!(bench.memory.listed(), "dump.rdb");
        assert_eq!(bench.info("rdb_last_bgsave_status"), "ok", "killed is not failed");
        // Without save points nothing is saved.
        bench.ask(slot, "SET a 1");
        assert_eq!(bench.ask(slot, "CONFIG SET save "), "+OK");
        bench.ask(slot, "SAVE");
        assert_eq!(bench.ask(slot, request), "+OK");
        assert_ne!(bench.reloaded_now(), empty);
    }
}

#[test]
fn reloading_changes_nothing_and_spoils_watches() {
    let (mut bench, slot) = without_points();
    let watcher = bench.connect();
    for request in ["SET a 1", "SELECT 4", "RPUSH list 1 2 3", "SET gone 1 PX 10", "SELECT 0"] {
        bench.ask(slot, request);
    }
    let (digest, dirty) = (bench.digest(), bench.info("rdb_changes_since_last_save"));
    assert_eq!(dirty, "5");
    bench.ask(watcher, "WATCH a");
    assert_eq!(bench.ask(slot, "DEBUG RELOAD"), "+OK");
    assert_eq!(bench.digest(), digest);
    bench.ask(watcher, "MULTI");
    bench.ask(watcher, "INCR a");
    assert_eq!(bench.ask(watcher, "EXEC"), "*-1", "the data are others");
    bench.ask(slot, "SET b 1");
    assert_eq!(bench.ask(slot, "DEBUG RELOAD NOSAVE"), "+OK");
    assert_eq!(bench.digest(), digest, "what was saved");
    // Beside what is there: what is in both is refused, or what was loaded takes its place.
    bench.ask(slot, "SET a 7");
    bench.ask(slot, "SET kept 1");
    let refused = bench.ask(slot, "DEBUG RELOAD NOSAVE NOFLUSH");
    assert!(refused.starts_with("-ERR Error trying to load"), "{refused}");
    assert_eq!(bench.ask(slot, "GET a"), "$1 7");
    assert_eq!(bench.ask(slot, "DEBUG RELOAD NOSAVE NOFLUSH MERGE"), "+OK");
    assert_eq!(bench.ask(slot, "MGET a kept"), "*2 $1 1 $1 1");
    bench.ask(slot, "DEL kept");
    assert_eq!(bench.digest(), digest);
    // What cannot be loaded changes nothing.
    bench.ask(slot, "SET c 1");
    let digest = bench.digest();
    bench.memory.put("dump.rdb", b"rubbish");
    assert!(bench.ask(slot, "DEBUG RELOAD NOSAVE").starts_with("-ERR Error trying to load"));
    assert_eq!(bench.digest(), digest);
}

#[test]
fn the_append_only_file_can_be_loaded_in_place() {
    let mut bench = Bench::new(|settings| settings.appendonly = true);
    let slot = bench.connect();
    bench.ask(slot, "SET a 1");
    bench.ask(slot, "INCR a");
    let digest = bench.digest();
    assert_eq!(bench.ask(slot, "DEBUG LOADAOF"), "+OK");
    assert_eq!(bench.digest(), digest);
    bench.ask(slot, "INCR a");
    assert_eq!(bench.reloaded_now(), bench.digest());
}
