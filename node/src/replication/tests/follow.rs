//! Following a primary: each stage, what clients may do in it, and what is left when it ends there.

use super::synced;
use crate::config::Settings;
use crate::event::Event;
use crate::testing::memory::Call;
use crate::testing::pair::Pair;
use replica::link::Stage;

/// A pair of which the primary has data that the replica has not, and the replica some of its own.
fn strangers(primary: impl FnOnce(&mut Settings), replica: impl FnOnce(&mut Settings)) -> Pair {
    let mut pair = Pair::new(primary, replica);
    let slot = pair.primary.connect();
    for number in 0..300 {
        pair.primary.ask(slot, &format!("SET key:{number} {number}"));
    }
    let slot = pair.replica.connect();
    assert_eq!(pair.replica.ask(slot, "SET own 1"), "+OK");
    pair
}

/// Runs a test after each number of steps that a first sync takes, and on the stream behind it.
fn after_each_step(mut test: impl FnMut(&mut Pair, usize)) {
    for diskless in [true, false] {
        for steps in 0.. {
            let mut pair = strangers(|settings| settings.repl_diskless_sync = diskless, |_| ());
            pair.follow();
            let all_taken = (0..steps).all(|_| pair.step());
            test(&mut pair, steps);
            if !all_taken {
                assert!(steps > 15, "{steps} steps are no sync");
                break;
            }
        }
    }
}

/// Says who is to be followed. While a snapshot is loaded that is refused, as in Redis, and the sync goes on to its end.
fn ends_while_it_loads(pair: &mut Pair, slot: usize, request: &str) -> bool {
    let (is_loading, answer) = (pair.stage() == Some(Stage::Load), pair.replica.ask(slot, request));
    if is_loading {
        assert!(answer.starts_with("-LOADING"), "{answer}");
        pair.pump();
        pair.expect_online();
    } else {
        assert_eq!(answer, "+OK");
    }
    is_loading
}

fn temporary_files(pair: &Pair) -> Vec<String> {
    let names = pair.replica.memory.names().into_iter();
    names.filter(|name| name.starts_with("temp-")).collect()
}

#[test]
fn a_first_sync_goes_through_all_stages() {
    let mut pair = strangers(|_| (), |_| ());
    let (mut stages, mut asked) = (vec![], pair.replica.connect());
    pair.cut = true;
    pair.follow();
    pair.pump();
    assert_eq!(pair.stage(), Some(Stage::Connect), "nobody is there");
    assert!(pair.replica.info("master_link_down_reason").contains("no route"));
    pair.cut = false;
    pair.replica.pass(1000);
    for _ in 0..1000 {
        let stage = pair.stage().expect("it follows");
        if stages.last() != Some(&stage) {
            stages.push(stage);
            let [get, set] = ["GET own", "SET a 1"].map(|request| pair.replica.ask(asked, request));
            match stage {
                Stage::Load => {
                    assert!(get.starts_with("-LOADING") && set.starts_with("-READONLY"));
                }
                Stage::Connected => {
                    assert!(get == "$-1" && set.starts_with("-READONLY"), "{get} {set}")
                }
                _ => assert!(get == "$1 1" && set.starts_with("-READONLY"), "{get} {set}"),
            }
            let up = if stage == Stage::Connected { "up" } else { "down" };
            assert_eq!(pair.replica.info("master_link_status"), up);
            asked = pair.replica.connect();
        }
        if !pair.step() {
            break;
        }
    }
    let all = [Stage::Connecting, Stage::Handshake, Stage::Transfer, Stage::Load, Stage::Connected];
    assert_eq!(stages, all);
    pair.expect_online();
    assert_eq!(temporary_files(&pair), [""; 0]);
    assert!(pair.replica.outer().reports.iter().any(|report| report.starts_with("Synced")));
    assert_eq!(pair.replica.reloaded_now(), pair.primary.digest(), "the snapshot has its place");
}

#[test]
fn where_stale_data_are_not_served_they_are_not_in_any_stage() {
    let mut pair = strangers(|_| (), |settings| settings.replica_serve_stale_data = false);
    pair.follow();
    while pair.stage() != Some(Stage::Connected) {
        let slot = pair.replica.connect();
        let answer = pair.replica.ask(slot, "GET own");
        assert!(answer.starts_with("-MASTERDOWN") || answer.starts_with("-LOADING"), "{answer}");
        assert!(pair.replica.ask(slot, "INFO replication").contains("role:slave"));
        assert!(pair.step());
    }
    pair.pump();
    let slot = pair.replica.connect();
    assert_eq!(pair.replica.ask(slot, "GET key:7"), "$1 7");
    pair.lose();
    pair.cut = true;
    pair.pump();
    assert!(pair.replica.ask(slot, "GET key:7").starts_with("-MASTERDOWN"));
}

#[test]
fn no_one_ends_it_after_any_step_and_leaves_old_data_or_new() {
    let (mut old, mut new) = (0, 0);
    after_each_step(|pair, steps| {
        let slot = pair.replica.connect();
        let was_up = pair.stage() == Some(Stage::Connected);
        if ends_while_it_loads(pair, slot, "REPLICAOF NO ONE") {
            return;
        }
        assert!(pair.replica.node.host.replication.link().is_none());
        let digest = pair.replica.digest();
        // What belonged to it comes too late.
        pair.pump();
        pair.pass(5000);
        assert_eq!(pair.replica.digest(), digest, "after {steps} steps");
        assert_eq!(temporary_files(pair), [""; 0], "after {steps} steps");
        assert_eq!(pair.replica.ask(slot, "SET free 1"), "+OK");
        assert_eq!(pair.replica.info("role"), "master");
        assert_eq!(pair.primary.info("connected_slaves"), "0", "after {steps} steps");
        assert_eq!(pair.primary.children(), 0);
        *(if was_up { &mut new } else { &mut old }) += 1;
        assert_eq!(digest == pair.primary.digest(), was_up, "after {steps} steps");
    });
    assert!(old > 15 && new > 2, "{old} {new}");
}

#[test]
fn another_primary_takes_the_place_of_the_first_after_any_step() {
    after_each_step(|pair, steps| {
        let slot = pair.replica.connect();
        pair.cut = true;
        if ends_while_it_loads(pair, slot, "REPLICAOF elsewhere 1") {
            return;
        }
        let digest = pair.replica.digest();
        pair.pump();
        assert_eq!(pair.replica.digest(), digest, "after {steps} steps");
        assert_eq!(pair.replica.info("master_host"), "elsewhere");
        assert_eq!(temporary_files(pair), [""; 0], "after {steps} steps");
        // And back.
        pair.cut = false;
        pair.follow();
        pair.pump();
        pair.pass(5000);
        pair.expect_online();
    });
}

#[test]
fn a_link_that_breaks_after_any_step_comes_back() {
    after_each_step(|pair, steps| {
        pair.lose();
        assert_ne!(pair.stage(), None, "after {steps} steps");
        pair.pass(5000);
        pair.expect_online();
        assert_eq!(temporary_files(pair), [""; 0], "after {steps} steps");
    });
}

#[test]
fn client_kill_ends_the_connection_after_any_step_and_it_comes_back() {
    after_each_step(|pair, steps| {
        let slot = pair.replica.connect();
        let killed = pair.replica.ask(slot, "CLIENT KILL TYPE master");
        assert!(killed == ":0" || killed == ":1", "{killed}");
        pair.pass(5000);
        pair.expect_online();
        assert_eq!(temporary_files(pair), [""; 0], "after {steps} steps");
    });
    let mut pair = Pair::online();
    let slot = pair.replica.connect();
    let before = pair.attempt();
    assert!(pair.replica.ask(slot, "CLIENT LIST TYPE master").contains("flags=M"));
    assert_eq!(pair.replica.ask(slot, "CLIENT KILL TYPE master"), ":1");
    pair.pass(2000);
    assert_ne!(pair.attempt(), before);
    pair.expect_online();
}

#[test]
fn the_same_primary_again_changes_nothing() {
    let mut pair = Pair::online();
    let (slot, attempt) = (pair.replica.connect(), pair.attempt());
    let answer = pair.replica.ask(slot, "REPLICAOF primary 6379");
    assert_eq!(answer, "+OK Already connected to specified master");
    pair.pump();
    assert_eq!((pair.attempt(), pair.stage()), (attempt, Some(Stage::Connected)));
    assert_eq!(pair.replica.ask(slot, "REPLICAOF primary x"), "-ERR Invalid master port");
    let answer = pair.replica.ask(slot, "REPLICAOF NO ONE");
    assert_eq!((answer.as_str(), pair.stage()), ("+OK", None));
    assert_eq!(pair.replica.ask(slot, "REPLICAOF NO ONE"), "+OK", "and once more");
}

#[test]
fn the_stream_is_followed_and_goes_on_where_it_was_lost() {
    let mut pair = Pair::online();
    let slot = pair.primary.connect();
    for request in ["SELECT 5", "SET a 1", "MULTI", "INCR a", "RPUSH l 1 2", "EXEC"] {
        pair.primary.ask(slot, request);
    }
    pair.pump();
    pair.expect_online();
    for round in 1..4 {
        pair.pass(2000);
        pair.cut = true;
        pair.lose();
        pair.primary.ask(slot, "INCR a");
        pair.primary.ask(slot, "SET soon gone PX 1");
        pair.pass(1000);
        assert_ne!(pair.replica.digest(), pair.primary.digest());
        pair.cut = false;
        pair.pass(3000);
        pair.expect_online();
        assert_eq!(pair.primary.info("sync_partial_ok"), round.to_string());
        assert_eq!(pair.primary.info("sync_full"), "1");
    }
    let reader = pair.replica.connect();
    pair.replica.ask(reader, "SELECT 5");
    assert_eq!(pair.replica.ask(reader, "GET a"), "$1 5", "in its database");
}

#[test]
fn what_the_primary_deletes_is_deleted_and_nothing_expires_by_itself() {
    let mut pair = Pair::online();
    let slot = pair.primary.connect();
    pair.primary.ask(slot, "SET a 1 PX 500");
    pair.pump();
    let reader = pair.replica.connect();
    pair.replica.pass(2000);
    assert_eq!(pair.replica.ask(reader, "DBSIZE"), ":1", "it is not its to say");
    assert_eq!(pair.replica.ask(reader, "GET a"), "$-1", "but nobody sees it");
    pair.primary.pass(2000);
    pair.pump();
    assert_eq!(pair.replica.ask(reader, "DBSIZE"), ":0");
    pair.expect_online();
}

#[test]
fn while_clients_are_paused_the_stream_waits_in_the_primary() {
    for mode in ["ALL", "WRITE"] {
        let mut pair = Pair::online();
        let (writer, local) = (pair.primary.connect(), pair.replica.connect());
        let end = pair.replica.node.host.journal.end();
        // For longer than a primary may be silent.
        assert_eq!(pair.replica.ask(local, &format!("CLIENT PAUSE 100000 {mode}")), "+OK");
        pair.primary.ask(writer, "SET a 1");
        pair.pass(90_000);
        assert_eq!(pair.stage(), Some(Stage::Connected));
        assert_eq!(pair.replica.node.host.journal.end(), end);
        pair.pass(10_000);
        pair.expect_online();
        pair.replica.ask(local, &format!("CLIENT PAUSE 100000 {mode}"));
        pair.primary.ask(writer, "SET a 2");
        pair.pump();
        let ends = [&pair.primary, &pair.replica].map(|bench| bench.node.host.journal.end());
        assert!(ends[0] > ends[1], "{ends:?}");
        match mode {
            "WRITE" => assert_eq!(pair.replica.ask(local, "CLIENT UNPAUSE"), "+OK"),
            // Nobody is heard.
            _ => pair.pass(100_000),
        }
        pair.pump();
        pair.expect_online();
    }
}

#[test]
fn a_primary_that_is_silent_is_given_up() {
    let mut pair = Pair::online();
    let attempt = pair.attempt();
    pair.replica.pass(60_000);
    assert_eq!(pair.replica.info("master_link_status"), "up");
    pair.replica.pass(2000);
    assert_ne!(pair.stage(), Some(Stage::Connected));
    pair.pump();
    assert_ne!(pair.attempt(), attempt);
    pair.pass(3000);
    pair.expect_online();
}

#[test]
fn a_writable_replica_has_writes_of_its_own_that_do_not_count() {
    let mut pair = Pair::new(|_| (), |settings| settings.replica_read_only = false);
    pair.follow();
    pair.pump();
    let (slot, local) = (pair.primary.connect(), pair.replica.connect());
    pair.primary.ask(slot, "SET a 1");
    pair.pump();
    let end = pair.replica.node.host.journal.end();
    assert_eq!(pair.replica.ask(local, "SET local 1"), "+OK");
    assert_eq!(pair.replica.node.host.journal.end(), end);
    pair.primary.ask(slot, "SET b 1");
    pair.pump();
    assert_eq!(pair.replica.ask(local, "DBSIZE"), ":3");
    pair.replica.ask(local, "DEL local");
    pair.expect_online();
}

#[test]
fn no_snapshot_is_taken_where_there_is_no_room_for_it() {
    for (call, part) in [
        (Call::Create, "temp-"),
        (Call::Write, "temp-"),
        (Call::Sync, "temp-"),
        (Call::Rename, "dump.rdb"),
    ] {
        let mut pair = strangers(|_| (), |_| ());
        let digest = pair.replica.digest();
        pair.replica.memory.fail(call, part, 2);
        pair.follow();
        pair.pump();
        assert_eq!(pair.replica.digest(), digest, "{call:?}: the old data stay");
        assert_eq!(temporary_files(&pair), [""; 0], "{call:?}");
        let reason = pair.replica.info("master_link_down_reason");
        assert!(reason.contains("No space left"), "{reason}");
        pair.pass(10_000);
        pair.expect_online();
        assert_eq!(pair.primary.info("sync_full"), "3");
    }
}

#[test]
fn a_replica_says_who_it_is() {
    let mut pair = Pair::new(
        |settings| settings.requirepass = "secret".into(),
        |settings| {
            settings.masterauth = "secret".into();
            settings.replica_announce_ip = "replica.example".into();
            settings.replica_announce_port = 7777;
        },
    );
    pair.follow();
    pair.pump();
    assert_eq!(pair.stage(), Some(Stage::Connected));
    let slot = pair.primary.connect();
    assert_eq!(pair.primary.ask(slot, "AUTH secret"), "+OK");
    let shown = pair.primary.ask(slot, "INFO replication");
    assert!(shown.contains("slave0:ip=replica.example,port=7777,state=online"), "{shown}");
    // With a wrong password nothing is asked for.
    let mut pair = Pair::new(
        |settings| settings.requirepass = "secret".into(),
        |settings| settings.masterauth = "wrong".into(),
    );
    pair.follow();
    pair.pump();
    pair.pass(5000);
    let reason = pair.replica.info("master_link_down_reason");
    assert!(reason.contains("WRONGPASS"), "{reason}");
    assert_eq!(pair.primary.outer().forked, 0);
}

#[test]
fn a_stream_that_stands_where_we_have_no_database_is_not_taken_over() {
    let mut pair = Pair::new(|_| (), |settings| settings.databases = 4);
    pair.primary.node.host.journal.start_backlog(1 << 20);
    let (slot, local) = (pair.primary.connect(), pair.replica.connect());
    for request in ["SELECT 9", "SET a 1", "DEL a"] {
        pair.primary.ask(slot, request);
    }
    pair.replica.ask(local, "SET own 1");
    pair.follow();
    pair.pump();
    let reason = pair.replica.info("master_link_down_reason");
    assert!(reason.contains("database 9, there are 4"), "{reason}");
    assert_eq!(pair.replica.ask(local, "GET own"), "$1 1", "the old data stay");
    pair.primary.ask(slot, "SELECT 3");
    pair.primary.ask(slot, "SET a 1");
    pair.pass(3000);
    pair.expect_online();
}

#[test]
fn half_a_transaction_is_not_executed_and_comes_again() {
    let mut pair = Pair::online();
    let (slot, reader) = (pair.primary.connect(), pair.replica.connect());
    for request in ["MULTI", "SET a 1", "SET b 1", "EXEC"] {
        pair.primary.ask(slot, request);
    }
    let bytes = pair.primary.hear_bytes(pair.slot());
    let at = bytes.windows(4).position(|part| part == b"EXEC").expect("it is sent");
    let (attempt, mut half) = (pair.attempt(), bytes[..at].to_vec());
    let end = pair.replica.node.host.journal.end();
    pair.replica.turn(Event::LinkBytes(attempt, &mut half));
    assert_eq!(pair.replica.ask(reader, "DBSIZE"), ":0");
    assert_eq!(pair.replica.node.host.journal.end(), end, "the unit is the transaction");
    pair.lose();
    pair.pass(3000);
    pair.expect_online();
    assert_eq!(pair.replica.ask(reader, "DBSIZE"), ":2");
    assert_eq!(pair.primary.info("sync_full"), "1");
}

#[test]
fn who_is_a_replica_cannot_send_us_to_another_primary() {
    let mut pair = Pair::online();
    let sub = synced(&mut pair.replica);
    pair.replica.hear(sub);
    pair.replica.say(sub, "REPLICAOF elsewhere 1");
    assert_eq!(pair.replica.info("master_host"), "primary");
    // It was answered, which must not get into its stream.
    assert!(!pair.replica.is_connected(sub));
    // What ends its session all the same does not end a batch of somebody else.
    let sub = synced(&mut pair.replica);
    pair.replica.hear(sub);
    pair.replica.say(sub, "REPLICAOF NO ONE");
    assert!(!pair.replica.is_connected(sub) && !pair.replica.node.engine.yields);
    assert_eq!(pair.replica.info("role"), "master");
    assert_eq!(pair.replica.info("blocked_clients"), "0");
}
