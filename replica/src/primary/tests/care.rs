//! What happens from time to time: who is given up, who is kept, what is said meanwhile.

use super::*;

/// Two replicas online, of which the second takes nothing.
fn two_online() -> Stage {
    let mut stage = Stage::new();
    stage.online(1);
    stage.online(2);
    stage
}

#[test]
fn who_falls_behind_the_hard_limit_is_given_up_once() {
    let mut stage = two_online();
    stage.settings.backlog_bytes = 1000;
    stage.settings.output.hard_bytes = 5000;
    stage.journal.resize_backlog(1000);
    for _ in 0..20 {
        stage.write(500);
        stage.pump(1, usize::MAX);
        stage.timer(false);
    }
    let (kept, slow) = (&stage.peers[&1], &stage.peers[&2]);
    assert_eq!((kept.killed, slow.killed, slow.overflowed), (0, 1, true));
    assert!(stage.journal.held_bytes() > 9000, "what it lacks is kept until it is gone");
    stage.gone(2);
    assert!(stage.journal.held_bytes() < 2000);
    stage.expect_got(1, &[format!("+CONTINUE {}\r\n", id(1)).as_bytes()], Offset::START);
}

#[test]
fn who_is_above_the_soft_limit_for_too_long_is_given_up() {
    let mut stage = two_online();
    stage.settings.backlog_bytes = 100;
    stage.settings.output.soft_bytes = 2000;
    stage.settings.output.soft_ms = 3000;
    stage.write(3000);
    stage.pump(1, usize::MAX);
    stage.pass(3000);
    assert_eq!(stage.peers[&2].killed, 0);
    // It takes some just in time, and falls behind again.
    stage.pump(2, usize::MAX);
    stage.pass(100);
    stage.write(3000);
    stage.pump(1, usize::MAX);
    stage.pass(3100);
    assert_eq!(stage.peers[&2].killed, 0);
    stage.pass(100);
    assert!(stage.peers[&2].overflowed && !stage.peers[&1].overflowed);
}

#[test]
fn what_is_in_the_backlog_anyway_is_no_reason() {
    let mut stage = two_online();
    stage.settings.output.hard_bytes = 10;
    stage.settings.backlog_bytes = 10_000;
    stage.write(9000);
    stage.timer(false);
    assert_eq!(stage.peers[&2].killed, 0);
    stage.write(1000);
    stage.timer(false);
    assert_eq!(stage.peers[&2].killed, 1);
}

#[test]
fn writers_are_slowed_for_who_moves_and_not_for_long() {
    let mut stage = two_online();
    stage.settings.backlog_bytes = 1000;
    stage.settings.output.hard_bytes = 80_000;
    stage.settings.slow_most_ms = 2000;
    stage.write(50_000);
    stage.timer(false);
    assert_eq!(stage.primary.slow_ms(), 0, "neither has taken anything yet");
    stage.pump(1, usize::MAX);
    stage.pump(2, 100);
    let mut slowed_ms = 0;
    for _ in 0..100 {
        stage.pump(2, 1);
        stage.pass(100);
        slowed_ms += if stage.primary.slow_ms() > 0 { 100 } else { 0 };
    }
    assert!((1900..=2100).contains(&slowed_ms), "{slowed_ms}");
    // Another minute.
    stage.pump(2, 1);
    stage.now_ms += 60_000;
    stage.pump(2, 1);
    stage.turn(|primary, turn| primary.limit(turn));
    assert!(stage.primary.slow_ms() > 0);
    stage.gone(1);
    stage.gone(2);
    stage.timer(false);
    assert_eq!(stage.primary.slow_ms(), 0);
}

#[test]
fn who_says_nothing_is_given_up_in_each_state() {
    let mut stage = two_online();
    let ((), told) = told(|| {
        for _ in 0..61 {
            stage.ack(1);
            stage.pump_all();
            stage.pass(1000);
        }
    });
    assert_eq!((stage.peers[&1].killed, stage.peers[&2].killed), (0, 1));
    assert_eq!(told, ["Disconnecting timedout replica (streaming sync): 10.0.0.1:7002"]);
    // One that does not take its snapshot, and one that never says that it has loaded it.
    let mut stage = Stage::new();
    stage.waiting(1);
    stage.waiting(2);
    stage.pass(5000);
    stage.begin();
    stage.piece(b"snapshot");
    stage.sync_event(SyncEvent::AllRead);
    stage.sync_event(SyncEvent::ChildEnded(Ok(())));
    stage.pump(2, usize::MAX);
    let ((), mut told) = crate::told::told(|| stage.pass(61_000));
    told.sort();
    let expected = [
        "Disconnecting timedout replica (after full sync): 10.0.0.1:7002",
        "Disconnecting timedout replica (full sync): 10.0.0.1:7001",
    ];
    assert_eq!(told, expected);
    // Newlines while it loads are signs of life.
    let mut stage = Stage::new();
    stage.waiting(1);
    stage.pass(5000);
    stage.begin();
    stage.sync_event(SyncEvent::AllRead);
    stage.sync_event(SyncEvent::ChildEnded(Ok(())));
    stage.pump(1, usize::MAX);
    for _ in 0..100 {
        stage.primary.heard(1, stage.now_ms);
        stage.pass(2000);
    }
    assert_eq!(stage.peers[&1].killed, 0);
}

#[test]
fn who_waits_gets_newlines() {
    let mut stage = Stage::new();
    stage.settings.diskless_delay_ms = 60_000;
    stage.introduce(2);
    stage.waiting(1);
    stage.pass(3000);
    assert_eq!((stage.got(1), stage.got(2)), ("\n\n\n".into(), String::new()));
}

#[test]
fn a_ping_is_due_from_time_to_time_for_who_reads() {
    let mut stage = Stage::new();
    stage.journal.start_backlog(1000);
    stage.pass(20_000);
    assert_eq!(stage.stream.len(), 0, "nobody would get it");
    stage.online(1);
    stage.pass(20_000);
    stage.pump(1, usize::MAX);
    assert_eq!(stage.stream, b"*1\r\n$4\r\nping\r\n".repeat(2));
    stage.expect_got(1, &[format!("+CONTINUE {}\r\n", id(1)).as_bytes()], Offset::START);
    // A replica passes its primary's on.
    for _ in 0..300 {
        stage.now_ms += 100;
        stage.timer(true);
    }
    assert_eq!(stage.stream.len(), 28);
}

#[test]
fn the_backlog_ends_when_nobody_comes_back() {
    let mut stage = Stage::new();
    stage.settings.backlog_ttl_ms = 10_000;
    stage.online(1);
    stage.pass(20_000);
    stage.gone(1);
    // Who has only introduced itself does not count.
    stage.introduce(2);
    stage.pass(10_000);
    assert!(stage.journal.has_backlog());
    let ((), told) = told(|| stage.pass(100));
    assert!(!stage.journal.has_backlog());
    assert_eq!(told, ["Replication backlog freed after 10 seconds without connected replicas."]);
    assert_eq!((stage.journal.history.id, stage.others), (id(8), vec![Action::NoteHistory]));
    // Not of a replica, and not where it is to stay.
    for (ttl_ms, is_replica) in [(0, false), (10_000, true)] {
        let mut stage = Stage::new();
        stage.journal.start_backlog(1000);
        stage.settings.backlog_ttl_ms = ttl_ms;
        for _ in 0..300 {
            stage.now_ms += 100;
            stage.timer(is_replica);
        }
        assert!(stage.journal.has_backlog());
    }
}

#[test]
fn good_are_those_that_answered_lately() {
    let mut stage = two_online();
    stage.waiting(3);
    let good = |stage: &Stage| stage.primary.good_replicas(&stage.settings, stage.now_ms);
    assert_eq!(good(&stage), 2);
    stage.pass(10_000);
    stage.ack(1);
    assert_eq!(good(&stage), 2);
    stage.pass(100);
    assert_eq!(good(&stage), 1);
    stage.gone(1);
    assert_eq!(good(&stage), 0);
    assert!(stage.primary.is_read());
    stage.gone(2);
    assert!(!stage.primary.is_read() && !stage.primary.is_empty());
    // A connection that is none of ours changes nothing.
    stage.gone(7);
    stage.primary.heard(7, stage.now_ms);
    stage.primary.sent(7, 1, stage.now_ms);
    let mut out = VecDeque::new();
    assert_eq!(stage.primary.next(7, &mut stage.journal, &mut out, stage.now_ms), None);
}

#[test]
fn its_own_connection_tells_when_it_moves() {
    let mut stage = Stage::new();
    stage.waiting(1);
    stage.pass(5000);
    stage.begin();
    stage.sync_event(SyncEvent::AllRead);
    stage.sync_event(SyncEvent::ChildEnded(Ok(())));
    stage.write(10);
    let mut out = VecDeque::new();
    let mut fed = Vec::new();
    let ((), lines) = told(|| {
        for _ in 0..3 {
            let next = stage.primary.next(1, &mut stage.journal, &mut out, stage.now_ms);
            fed.push(next.expect("it is a replica"));
        }
    });
    let moved: Vec<bool> = fed.iter().map(|fed| fed.has_moved).collect();
    assert_eq!(moved, [false, false, true], "behind header and mark");
    assert_eq!(fed[2].pending_bytes, stage.stream.len() as u64);
    let waits = "Streamed replica with replica 10.0.0.1:7001 succeeded. Waiting for REPLCONF ACK from replica to enable streaming";
    assert_eq!(lines, [waits]);
    let ((), lines) = told(|| stage.ack(1));
    assert_eq!(lines, ["Synchronization with replica 10.0.0.1:7001 succeeded"]);
}
