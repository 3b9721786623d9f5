//! Our replicas, as a node serves them: who is let in, full syncs and what fails of them, limits, PING, the backlog, promotion.

use super::{acknowledge, introduced, synced};
use crate::child::Kind;
use crate::testing::bench::Bench;
use crate::testing::memory::Memory;
use crate::testing::pair::Pair;

fn state(bench: &mut Bench) -> String {
    let line = bench.info("slave0");
    let state = line.split(',').find_map(|part| part.strip_prefix("state="));
    state.expect("it has one").to_string()
}

fn with_data() -> Bench {
    let mut bench = Bench::new(|_| ());
    let slot = bench.connect();
    bench.ask(slot, "SET a 1");
    bench
}

#[test]
fn who_asks_too_early_is_told_to_come_later() {
    let mut source = with_data();
    let slot = source.connect();
    source.ask(slot, "SAVE");
    let mut bench = Bench::start_with(Memory::of(source.memory.image()), |_| ());
    let replica = introduced(&mut bench, "PSYNC ? -1");
    assert!(bench.hear(replica).starts_with("-LOADING"));
    bench.run_jobs();
    let replica = introduced(&mut bench, "PSYNC ? -1");
    assert!(bench.hear(replica).starts_with("+FULLRESYNC") && bench.children() == 1);
    // A replica without its primary has nothing to give.
    let mut bench = with_data();
    let slot = bench.connect();
    bench.ask(slot, "REPLICAOF nobody 1");
    let replica = introduced(&mut bench, "PSYNC ? -1");
    assert!(bench.hear(replica).starts_with("-NOMASTERLINK"));
    assert_eq!((bench.children(), bench.info("connected_slaves")), (0, "0".into()));
}

#[test]
fn a_full_sync_goes_through_its_states() {
    for diskless in [true, false] {
        let mut bench = Bench::new(|settings| settings.repl_diskless_sync = diskless);
        let writer = bench.connect();
        bench.ask(writer, "SET before 1");
        let replica = introduced(&mut bench, "PSYNC ? -1");
        assert_eq!(bench.children(), 1);
        bench.ask(writer, "SET since 1");
        bench.pass(1000);
        assert_eq!(state(&mut bench), "send_bulk");
        assert_eq!(bench.info("rdb_bgsave_in_progress"), "1");
        bench.full_sync_runs();
        assert_eq!((bench.children(), bench.info("rdb_bgsave_in_progress")), (0, "0".into()));
        let heard = bench.hear(replica);
        let head = if diskless { "$EOF:" } else { "$1" };
        assert!(heard.starts_with("+FULLRESYNC ") && heard.contains(head), "{heard}");
        assert!(heard.contains("before"), "{heard}");
        assert_eq!(heard.contains("since"), !diskless, "by pipe not before it has loaded: {heard}");
        acknowledge(&mut bench, replica);
        assert_eq!(state(&mut bench), "online");
        assert_eq!(bench.hear(replica).contains("since"), diskless);
        bench.ask(writer, "SET behind 1");
        assert!(bench.hear(replica).contains("behind"));
        assert_eq!(bench.memory.listed(), "", "its file is gone");
    }
}

#[test]
fn a_child_that_fails_costs_its_replicas_the_connection() {
    for diskless in [true, false] {
        let mut pair = Pair::new(|settings| settings.repl_diskless_sync = diskless, |_| ());
        pair.holds_children = true;
        pair.follow();
        pair.pump();
        pair.primary.child_is_half_way();
        pair.primary.child_fails("no room");
        assert_eq!(pair.primary.info("connected_slaves"), "0");
        pair.holds_children = false;
        pair.pass(3000);
        pair.expect_online();
        assert_eq!(pair.primary.info("sync_full"), "2");
    }
}

#[test]
fn without_a_fork_there_is_no_full_sync_and_it_is_tried_again() {
    let mut pair = Pair::new(|_| (), |_| ());
    pair.primary.outer().no_forks = true;
    pair.follow();
    pair.pump();
    pair.pass(3000);
    assert_eq!(pair.primary.info("connected_slaves"), "0");
    assert!(pair.primary.node.host.child.running().is_none());
    pair.primary.outer().no_forks = false;
    pair.pass(3000);
    pair.expect_online();
}

#[test]
fn when_nobody_waits_for_it_any_more_the_child_is_ended() {
    for diskless in [true, false] {
        let mut bench = Bench::new(|settings| settings.repl_diskless_sync = diskless);
        let slot = bench.connect();
        bench.ask(slot, "BGSAVE");
        let [one, other] = [(); 2].map(|()| introduced(&mut bench, "PSYNC ? -1"));
        bench.child_ends();
        assert_eq!(bench.outer().forked, 2, "one for both");
        bench.hang_up(one);
        bench.child_is_half_way();
        assert!(!bench.outer().children[0].killed);
        bench.hang_up(other);
        assert!(bench.outer().children[0].killed);
        assert!(bench.node.host.child.running().is_some(), "it has not ended");
        bench.child_ends();
        assert!(bench.node.host.child.running().is_none());
        // The next one gets a child of its own.
        let forked = bench.outer().forked;
        let replica = introduced(&mut bench, "PSYNC ? -1");
        assert_eq!(bench.outer().forked, forked + 1);
        bench.full_sync_runs();
        assert!(bench.hear(replica).starts_with("+FULLRESYNC"));
    }
}

#[test]
fn one_child_serves_all_that_have_come_while_it_was_waited_for() {
    let mut bench = with_data();
    bench.node.host.settings.repl_diskless_sync_delay = 5;
    let one = introduced(&mut bench, "PSYNC ? -1");
    bench.pass(4000);
    let other = introduced(&mut bench, "PSYNC ? -1");
    assert_eq!(bench.children(), 0);
    bench.pass(1100);
    assert_eq!(bench.children(), 1);
    bench.full_sync_runs();
    assert!([one, other].iter().all(|slot| bench.hear(*slot).contains("+FULLRESYNC")));
    assert_eq!(bench.outer().forked, 1);
}

#[test]
fn it_waits_until_another_child_has_ended_and_goes_before_what_is_scheduled() {
    let mut bench = with_data();
    let slot = bench.connect();
    bench.ask(slot, "BGSAVE");
    let replica = introduced(&mut bench, "PSYNC ? -1");
    bench.pass(2000);
    assert_eq!(bench.outer().forked, 1);
    assert!(bench.hear(replica).is_empty(), "newlines only");
    bench.child_ends();
    assert!(bench.node.host.child.running_as(Kind::FullSync).is_some());
    assert_eq!(bench.ask(slot, "BGSAVE"), "+Background saving scheduled");
    bench.full_sync_runs();
    bench.pass(100);
    assert!(bench.node.host.child.running_as(Kind::Save).is_some());
}

#[test]
fn what_is_written_during_a_full_sync_is_bounded() {
    let mut bench = Bench::new(|settings| {
        settings.repl_backlog_size = 20_000;
        settings.client_output_buffer_limit.replica.hard_bytes = 30_000;
        settings.client_output_buffer_limit.replica.soft_bytes = 0;
        settings.repl_backpressure_seconds = 0;
    });
    let writer = bench.connect();
    let replica = introduced(&mut bench, "PSYNC ? -1");
    for _ in 0..2 {
        bench.ask(writer, &format!("SET a {}", "x".repeat(14_000)));
    }
    assert!(bench.is_connected(replica));
    bench.ask(writer, &format!("SET a {}", "x".repeat(14_000)));
    assert!(!bench.is_connected(replica));
    assert!(bench.outer().children[0].killed);
    assert_eq!(bench.info("client_output_buffer_limit_disconnections"), "1");
}

#[test]
fn writers_are_slowed_before_a_replica_is_given_up() {
    let mut bench = Bench::new(|settings| {
        settings.repl_backlog_size = 1000;
        settings.client_output_buffer_limit.replica.hard_bytes = 800_000;
        settings.client_output_buffer_limit.replica.soft_bytes = 0;
    });
    let writer = bench.connect();
    introduced(&mut bench, "PSYNC ? -1");
    let write = |bench: &mut Bench| {
        bench.ask(writer, &format!("SET a {}", "x".repeat(50_000)));
        let slow_ms: u64 = bench.info("repl_backpressure_delay_ms").parse().expect("a number");
        let delays: u64 = bench.info("repl_backpressure_delays").parse().expect("a number");
        (slow_ms, delays)
    };
    let figures: Vec<_> = (0..10).map(|_| write(&mut bench)).collect();
    assert_eq!(figures[0], (0, 0));
    assert!(figures.is_sorted() && figures[9].0 > 1 && figures[9].1 > 1, "{figures:?}");
    bench.ask(writer, "GET a");
    assert_eq!(
        bench.info("repl_backpressure_delays"),
        figures[9].1.to_string(),
        "who reads is not"
    );
    bench.pass(3000);
    let slow_ms = |bench: &mut Bench| bench.info("repl_backpressure_delay_ms");
    assert_eq!(slow_ms(&mut bench), figures[9].0.to_string(), "it waits for our child");
    bench.full_sync_runs();
    bench.pass(1000);
    assert_ne!(slow_ms(&mut bench), "0");
    bench.pass(1000);
    assert_eq!(slow_ms(&mut bench), "0", "nobody waits for one that does not move");
}

#[test]
fn writes_want_as_many_good_replicas_as_configured() {
    let mut bench = Bench::new(|settings| {
        (settings.min_replicas_to_write, settings.min_replicas_max_lag) = (1, 10);
    });
    let writer = bench.connect();
    assert!(bench.ask(writer, "SET a 1").starts_with("-NOREPLICAS"));
    let replica = introduced(&mut bench, "PSYNC ? -1");
    bench.full_sync_runs();
    assert!(bench.ask(writer, "SET a 1").starts_with("-NOREPLICAS"), "it has not loaded it");
    acknowledge(&mut bench, replica);
    assert_eq!(bench.ask(writer, "SET a 1"), "+OK");
    assert_eq!(bench.info("min_slaves_good_slaves"), "1");
    bench.pass(10_000);
    assert_eq!(bench.ask(writer, "SET a 1"), "+OK");
    bench.pass(200);
    assert!(bench.ask(writer, "SET a 1").starts_with("-NOREPLICAS"), "it is silent");
    assert_eq!(bench.ask(writer, "GET a"), "$1 1");
    acknowledge(&mut bench, replica);
    assert_eq!(bench.ask(writer, "SET a 1"), "+OK");
    bench.hang_up(replica);
    assert!(bench.ask(writer, "SET a 1").starts_with("-NOREPLICAS"));
    assert_eq!(bench.ask(writer, "CONFIG SET min-replicas-to-write 0"), "+OK");
    assert_eq!(bench.ask(writer, "SET a 1"), "+OK");
}

#[test]
fn a_replica_that_says_nothing_is_given_up() {
    let mut bench = with_data();
    let replica = synced(&mut bench);
    bench.pass(59_000);
    acknowledge(&mut bench, replica);
    bench.pass(59_900);
    assert!(bench.is_connected(replica));
    bench.pass(300);
    assert!(!bench.is_connected(replica));
    assert_eq!(bench.info("connected_slaves"), "0");
}

#[test]
fn the_stream_is_kept_alive_while_somebody_reads_it() {
    let mut bench = with_data();
    let end = |bench: &Bench| bench.node.host.journal.end();
    let before = end(&bench);
    bench.pass(30_000);
    assert_eq!(end(&bench), before, "nobody reads");
    let replica = synced(&mut bench);
    bench.hear(replica);
    for _ in 0..5 {
        bench.pass(10_000);
        assert_eq!(bench.hear(replica), "*1 $4 ping");
        acknowledge(&mut bench, replica);
    }
    bench.hang_up(replica);
    let before = end(&bench);
    bench.pass(30_000);
    assert_eq!(end(&bench), before);
}

#[test]
fn the_backlog_ends_when_nobody_has_come_back_for_long() {
    let mut bench = Bench::new(|settings| settings.repl_backlog_ttl = 60);
    let slot = synced(&mut bench);
    let (id, end) = (bench.node.host.journal.history.id, bench.node.host.journal.end());
    let psync = format!("PSYNC {id} {}", end.next_byte());
    bench.hang_up(slot);
    bench.pass(59_000);
    let slot = introduced(&mut bench, &psync);
    assert!(bench.hear(slot).starts_with("+CONTINUE"));
    bench.pass(100);
    bench.hang_up(slot);
    bench.pass(60_000);
    assert!(bench.node.host.journal.has_backlog(), "the time begins anew");
    bench.pass(300);
    assert!(!bench.node.host.journal.has_backlog());
    assert_ne!(bench.node.host.journal.history.id, id);
    introduced(&mut bench, &psync);
    assert_eq!((bench.children(), bench.info("sync_partial_err")), (1, "1".into()));
}

#[test]
fn promotion_closes_replicas_which_go_on_by_the_old_name() {
    let mut pair = Pair::online();
    let sub = synced(&mut pair.replica);
    let slot = pair.primary.connect();
    pair.primary.ask(slot, "SET a 1");
    pair.pump();
    let journal = &pair.replica.node.host.journal;
    let (old, end) = (journal.history.id, journal.end());
    let admin = pair.replica.connect();
    assert_eq!(pair.replica.ask(admin, "REPLICAOF NO ONE"), "+OK");
    assert!(!pair.replica.is_connected(sub));
    let history = pair.replica.node.host.journal.history;
    assert_ne!(history.id, old);
    assert_eq!((history.second_id, history.second_offset), (old, end.next_byte()));
    assert_eq!(pair.replica.ask(admin, "SET b 1"), "+OK");
    // One that had all of it, one that had a part, and the old primary with writes that we never got.
    for next in [end.next_byte(), 1 + end.next_byte() / 2] {
        let sub = introduced(&mut pair.replica, &format!("PSYNC {old} {next}"));
        let heard = pair.replica.hear(sub);
        assert!(heard.starts_with(&format!("+CONTINUE {}", history.id)), "{heard}");
        assert!(heard.contains("SET $1 b"), "{heard}");
    }
    introduced(&mut pair.replica, &format!("PSYNC {old} {}", end.next_byte() + 1));
    assert_eq!(pair.replica.children(), 1, "it needs a full sync");
}

#[test]
fn the_old_primary_can_follow_the_new_one() {
    let mut pair = Pair::online();
    let (slot, admin) = (pair.primary.connect(), pair.replica.connect());
    pair.primary.ask(slot, "SET shared 1");
    pair.pump();
    pair.cut = true;
    pair.lose();
    pair.replica.ask(admin, "REPLICAOF NO ONE");
    pair.replica.ask(admin, "SET ours 1");
    // They change their places.
    let Pair { primary: old, replica: new, .. } = pair;
    let mut pair = Pair::new(|_| (), |_| ());
    (pair.primary, pair.replica) = (new, old);
    pair.follow();
    pair.pump();
    pair.expect_online();
    assert_eq!(pair.primary.info("sync_partial_ok"), "1");
    assert_eq!(pair.primary.info("sync_full"), "0");
}

#[test]
fn who_is_no_client_is_no_replica_again() {
    let mut bench = with_data();
    let replica = synced(&mut bench);
    bench.hear(replica);
    bench.say(replica, "PSYNC ? -1");
    assert_eq!((bench.children(), bench.info("connected_slaves")), (0, "1".into()));
    let monitor = bench.connect();
    assert_eq!(bench.ask(monitor, "MONITOR"), "+OK");
    bench.say(monitor, "PSYNC ? -1");
    assert_eq!((bench.children(), bench.info("connected_slaves")), (0, "1".into()));
    let slot = introduced(&mut bench, "PSYNC ? x");
    assert!(bench.hear(slot).starts_with("-ERR"), "not an offset");
    assert_eq!(bench.ask(slot, "GET a"), "$1 1", "it is a client still");
}
