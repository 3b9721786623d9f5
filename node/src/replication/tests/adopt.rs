//! A snapshot of the primary takes the place of the data: what that means for clients, children, files and replicas.

use super::{acknowledge, synced};
use crate::testing::memory::Call;
use crate::testing::pair::Pair;
use replica::link::Stage;

/// The snapshot has come, and is about to be put in place.
fn about_to_adopt(pair: &mut Pair) {
    pair.holds_jobs = true;
    pair.follow();
    pair.pump();
    assert_eq!(pair.stage(), Some(Stage::Transfer));
    assert!(pair.replica.run_job(), "fsync");
    assert_eq!(pair.stage(), Some(Stage::Load));
}

fn adopt(pair: &mut Pair) {
    pair.holds_jobs = false;
    pair.pump();
    pair.expect_online();
}

#[test]
fn who_watches_tracks_or_waits_hears_of_it() {
    let mut pair = Pair::new(|_| (), |_| ());
    let slot = pair.primary.connect();
    for request in ["SET a 2", "XADD s 1-1 f v"] {
        pair.primary.ask(slot, request);
    }
    let [watcher, tracker, waiter] = [(); 3].map(|()| pair.replica.connect());
    pair.replica.ask(watcher, "SET a 1");
    pair.replica.ask(watcher, "WATCH a");
    pair.replica.ask(watcher, "MULTI");
    pair.replica.ask(watcher, "GET a");
    pair.replica.ask(tracker, "HELLO 3");
    assert_eq!(pair.replica.ask(tracker, "CLIENT TRACKING ON"), "+OK");
    assert_eq!(pair.replica.ask(tracker, "GET a"), "$1 1");
    pair.holds_jobs = true;
    pair.follow();
    pair.pump();
    assert_eq!(pair.replica.ask(waiter, "XREAD BLOCK 0 STREAMS s 0"), "");
    adopt(&mut pair);
    assert_eq!(pair.replica.ask(watcher, "EXEC"), "*-1", "the data are others");
    assert_eq!(pair.replica.hear(tracker), ">2 $10 invalidate _");
    assert!(pair.replica.hear(waiter).contains("1-1"), "it is served with what has come");
}

#[test]
fn a_child_that_saves_the_old_data_is_ended_first() {
    let mut pair = Pair::new(|_| (), |_| ());
    let (slot, local) = (pair.primary.connect(), pair.replica.connect());
    pair.primary.ask(slot, "SET a 1");
    pair.replica.ask(local, "SET old 1");
    pair.replica.ask(local, "BGSAVE");
    about_to_adopt(&mut pair);
    assert!(!pair.replica.outer().children[0].killed);
    assert!(pair.replica.run_job(), "load");
    assert!(pair.replica.outer().children[0].killed, "before the new snapshot gets its place");
    adopt(&mut pair);
    pair.replica.child_ends();
    assert_eq!(pair.replica.reloaded_now(), pair.primary.digest());
    assert_eq!(pair.replica.info("rdb_last_bgsave_status"), "ok");
}

#[test]
fn an_own_snapshot_that_nobody_has_loaded_is_kept() {
    let mut pair = Pair::new(|_| (), |_| ());
    pair.replica.memory.put("dump.rdb", b"precious");
    pair.follow();
    adopt(&mut pair);
    let names = pair.replica.memory.names();
    assert!(names.len() == 2 && names[1].starts_with("dump.rdb.20"), "{names:?}");
    assert_eq!(pair.replica.memory.text(&names[1]), "precious");
}

#[test]
fn the_append_only_file_begins_anew() {
    let mut pair = Pair::new(|_| (), |settings| settings.appendonly = true);
    let (slot, local) = (pair.primary.connect(), pair.replica.connect());
    pair.primary.ask(slot, "SET a 1");
    pair.replica.ask(local, "SET old 1");
    let old = pair.replica.digest();
    let before = pair.replica.memory.image();
    assert_eq!(pair.replica.reloaded(before), old);
    pair.replica.memory.record();
    pair.follow();
    adopt(&mut pair);
    assert_eq!(pair.replica.reloaded_now(), old, "until the new base is there");
    pair.primary.ask(slot, "SET b 1");
    pair.pump();
    pair.replica.child_ends();
    pair.expect_online();
    let new = pair.replica.digest();
    let (mut seen_new, images) = (false, pair.replica.memory.recorded());
    for (call, image) in images {
        let loaded = pair.replica.reloaded(image);
        assert!(loaded == new || (loaded == old && !seen_new), "after {call}: {loaded}");
        seen_new = loaded == new;
    }
    assert!(seen_new);
    // The position is in it: after a start it goes on.
    let restarted = pair.replica.again_with(pair.replica.memory.image());
    assert_eq!(restarted.node.host.journal.end(), pair.primary.node.host.journal.end());
    assert_eq!(
        restarted.node.host.journal.history.second_id,
        pair.primary.node.host.journal.history.id
    );
}

#[test]
fn a_rewrite_of_the_old_data_is_of_no_use() {
    let mut pair = Pair::new(|_| (), |settings| settings.appendonly = true);
    let (slot, local) = (pair.primary.connect(), pair.replica.connect());
    pair.primary.ask(slot, "SET a 1");
    pair.replica.ask(local, "SET old 1");
    pair.replica.ask(local, "BGREWRITEAOF");
    pair.replica.child_works();
    pair.follow();
    adopt(&mut pair);
    assert!(pair.replica.outer().children[0].killed);
    pair.replica.child_ends();
    assert_eq!(pair.replica.children(), 1, "that of the new data");
    pair.replica.child_ends();
    assert_eq!(pair.replica.reloaded_now(), pair.primary.digest());
    assert!(!pair.replica.memory.listed().contains("temp-"), "{}", pair.replica.memory.listed());
}

#[test]
fn an_append_only_file_that_cannot_begin_anew_is_tried_ever_more_seldom() {
    let mut pair = Pair::new(|_| (), |settings| settings.appendonly = true);
    pair.replica.memory.fail(Call::Create, ".incr", 8);
    pair.follow();
    adopt(&mut pair);
    assert_eq!(pair.replica.info("aof_last_write_status"), "err");
    assert!(!pair.replica.node.host.persistence.aof_is_on());
    let (mut tried, mut left, mut last_ms) = (Vec::new(), 7, pair.replica.now.steady_ms());
    assert_eq!(pair.replica.memory.left_to_fail(), left);
    for _ in 0..2000 {
        pair.pass(100);
        let now_left = pair.replica.memory.left_to_fail();
        let is_on = pair.replica.node.host.persistence.aof_is_on();
        if now_left < left || (is_on && tried.len() < 8) {
            let now_ms = pair.replica.now.steady_ms();
            tried.push((now_ms - last_ms) / 1000);
            (left, last_ms) = (now_left, now_ms);
        }
    }
    assert_eq!(tried, [1, 2, 4, 8, 16, 32, 60, 60], "seconds");
    pair.replica.child_ends();
    assert_eq!(pair.replica.info("aof_last_write_status"), "ok");
    assert_eq!(pair.replica.reloaded_now(), pair.replica.digest());
}

#[test]
fn while_it_is_missing_a_primary_refuses_writes_and_who_switches_it_off_ends_that() {
    let mut pair = Pair::new(|_| (), |settings| settings.appendonly = true);
    pair.replica.memory.fail(Call::Create, ".incr", 1000);
    pair.follow();
    adopt(&mut pair);
    let slot = pair.replica.connect();
    pair.replica.ask(slot, "REPLICAOF NO ONE");
    let answer = pair.replica.ask(slot, "SET a 1");
    assert!(answer.starts_with("-MISCONF Errors writing to the AOF file: "), "{answer}");
    assert_eq!(pair.replica.ask(slot, "CONFIG SET appendonly no"), "+OK");
    assert_eq!(pair.replica.ask(slot, "SET a 1"), "+OK");
    pair.replica.pass(70_000);
    assert_eq!(pair.replica.children(), 0, "it is not tried any more");
}

#[test]
fn our_replicas_have_to_come_again() {
    let mut pair = Pair::new(|_| (), |_| ());
    let sub = synced(&mut pair.replica);
    pair.follow();
    adopt(&mut pair);
    assert!(!pair.replica.is_connected(sub), "the history that it follows is another one");
    let sub = synced(&mut pair.replica);
    // What comes from the primary goes on to it as it came.
    let slot = pair.primary.connect();
    pair.primary.ask(slot, "SET a 1");
    pair.pump();
    assert!(pair.replica.hear(sub).contains("SET $1 a $1 1"));
    acknowledge(&mut pair.replica, sub);
    // A link that is lost and comes back under the same name disturbs nobody.
    pair.lose();
    pair.pass(2000);
    pair.expect_online();
    assert!(pair.replica.is_connected(sub));
    pair.lose();
    assert_eq!(pair.primary.ask(slot, "DEBUG CHANGE-REPL-ID"), "+OK");
    pair.pass(2000);
    assert!(!pair.replica.is_connected(sub), "it has to learn the new name");
}
