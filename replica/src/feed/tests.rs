//! Scripted peers against a feed, in time that the test moves: who stalls, reads byte by byte, or goes away in any state.

use super::*;
use journal::{Class, Kind, ReplicationId};

const TIMEOUT_MS: u64 = 60_000;
/// What the socket between them holds.
const SOCKET: usize = 200_000;
const SNAPSHOT: usize = 3_000_000;
const QUEUE_MAX: usize = 1_000_000;
const PIECE: usize = 256 * 1024;

/// A primary and its connection to one replica.
struct Stage {
    journal: Journal,
    feed: Feed,
    /// Taken from the feed, not yet in the socket.
    out: VecDeque<Bytes>,
    in_socket: usize,
    snapshot_left: usize,
    now_ms: u64,
    given_up: Option<Overdue>,
    received: usize,
    most_pending: u64,
}

impl Stage {
    fn waiting() -> Stage {
        let mut journal = Journal::new(ReplicationId::from_random([1; 20]));
        journal.start_backlog(1 << 16);
        let mut feed = Feed::new("127.0.0.1".into(), 0);
        feed.ask(false, 0);
        feed.wait(0);
        Stage {
            journal,
            feed,
            out: VecDeque::new(),
            in_socket: 0,
            snapshot_left: SNAPSHOT,
            now_ms: 0,
            given_up: None,
            received: 0,
            most_pending: 0,
        }
    }

    fn in_bulk() -> Stage {
        let mut stage = Stage::waiting();
        let cursor = stage.journal.subscribe(Class::Replica);
        stage.feed.begin(1, cursor, false, 0);
        stage
    }

    fn online() -> Stage {
        let mut stage = Stage::waiting();
        stage.feed = Feed::new("127.0.0.1".into(), 0);
        let cursor = stage.journal.subscribe(Class::Replica);
        stage.feed.go_on(cursor, stage.journal.end(), 0);
        stage.snapshot_left = 0;
        stage
    }

    /// What the primary does in a turn: reads the child while there is room, writes while the socket takes it.
    fn primary(&mut self) {
        while matches!(self.feed.state(), State::Bulk { .. })
            && self.snapshot_left > 0
            && self.feed.queued_bytes() < QUEUE_MAX
        {
            let len = PIECE.min(self.snapshot_left);
            self.snapshot_left -= len;
            self.feed.queue(Bytes::from(vec![0; len]), self.now_ms);
            if self.snapshot_left == 0 {
                self.feed.complete();
            }
        }
        loop {
            if self.out.is_empty() {
                let next = self.feed.next(&mut self.journal, &mut self.out, self.now_ms);
                if next != Next::Bytes {
                    break;
                }
            }
            let front = self.out.front_mut().expect("there are bytes");
            let len = front.len().min(SOCKET - self.in_socket);
            if len == 0 {
                break;
            }
            let _ = front.split_to(len);
            if front.is_empty() {
                self.out.pop_front();
            }
            self.in_socket += len;
            self.feed.sent(len, self.now_ms);
        }
        self.feed.check();
        self.most_pending = self.most_pending.max(self.feed.pending_bytes(&self.journal));
        self.given_up = self.feed.overdue(TIMEOUT_MS, self.now_ms);
    }

    /// A second passes in which the peer takes at most so many bytes, and 10 kB are written.
    fn second(&mut self, takes: usize) {
        let taken = takes.min(self.in_socket);
        self.in_socket -= taken;
        self.received += taken;
        self.journal.append_raw(Kind::Effect, &[b'x'; 10_000]);
        self.journal.seal();
        self.now_ms += 1000;
        self.primary();
    }

    /// Seconds until it is given up, of at most `most`.
    fn seconds_until_given_up(&mut self, most: u64, takes: usize) -> Option<u64> {
        (1..=most).find(|_| {
            self.second(takes);
            self.given_up.is_some()
        })
    }
}

#[test]
fn who_takes_no_snapshot_is_given_up() {
    for takes in [0, 1, 100] {
        let mut stage = Stage::in_bulk();
        stage.primary();
        let seconds = stage.seconds_until_given_up(1000, takes);
        assert_eq!(seconds, Some(61), "takes {takes} bytes a second");
        assert_eq!(stage.given_up, Some(Overdue::Snapshot));
        assert_eq!(stage.given_up.map(|why| why.to_string()).as_deref(), Some("full sync"));
        assert!(stage.most_pending <= 61 * 10_000, "{}", stage.most_pending);
        assert!(stage.feed.held_bytes() <= QUEUE_MAX + 2 * PIECE);
    }
}

#[test]
fn who_reads_slowly_but_reads_is_kept() {
    let mut stage = Stage::in_bulk();
    stage.primary();
    // A little more than the least.
    assert_eq!(stage.seconds_until_given_up(1000, 1200), None);
    assert!(stage.received > 1_000_000);
}

#[test]
fn a_child_that_is_slow_is_not_the_replicas_fault() {
    let mut stage = Stage::in_bulk();
    stage.snapshot_left = 0;
    assert_eq!(stage.seconds_until_given_up(500, 0), None, "there is nothing to take");
    stage.feed.queue(Bytes::from(vec![0; 2 * SOCKET]), stage.now_ms);
    // The socket's buffer takes some of it in the first second.
    assert_eq!(stage.seconds_until_given_up(500, 0), Some(62), "now there is");
}

#[test]
fn who_never_says_that_it_loaded_is_given_up() {
    let mut stage = Stage::in_bulk();
    stage.primary();
    while stage.feed.state() != State::AwaitAck {
        stage.second(usize::MAX);
        assert!(stage.now_ms < 60_000);
    }
    assert_eq!(stage.seconds_until_given_up(1000, usize::MAX), Some(61));
    assert_eq!(stage.given_up, Some(Overdue::Loading));
}

#[test]
fn newlines_while_it_loads_are_signs_of_life() {
    let mut stage = Stage::in_bulk();
    stage.primary();
    for _ in 0..300 {
        stage.feed.hear(stage.now_ms);
        stage.second(usize::MAX);
        assert_eq!(stage.given_up, None);
    }
    assert_eq!(stage.feed.state(), State::AwaitAck);
    assert!(stage.feed.acknowledge(Offset::START, None, stage.now_ms), "the stream begins");
    let at = |number| Offset::from_wire(number).unwrap();
    assert!(!stage.feed.acknowledge(at(7), Some(at(5)), stage.now_ms));
    assert_eq!(stage.feed.acked(), at(7));
    let acknowledged = Acknowledged { applied: at(7), durable: Some(at(5)) };
    assert_eq!(stage.feed.acknowledged(), acknowledged);
    // What was written meanwhile comes now.
    let before = stage.received;
    (0..40).for_each(|_| stage.second(usize::MAX));
    assert!(stage.received - before > 3_000_000);
}

#[test]
fn who_is_silent_or_stuck_online_is_given_up() {
    let mut silent = Stage::online();
    assert_eq!(silent.seconds_until_given_up(1000, usize::MAX), Some(61));
    assert_eq!(silent.given_up, Some(Overdue::Stream));
    // It talks and does not read.
    let mut stuck = Stage::online();
    let mut seconds = 0;
    while stuck.given_up.is_none() {
        stuck.feed.acknowledge(Offset::START, None, stuck.now_ms);
        stuck.second(0);
        seconds += 1;
        assert!(seconds < 1000);
    }
    assert!((60..=60 + (SOCKET / 10_000) as u64 + 2).contains(&seconds), "{seconds}");
    // One that used SYNC says nothing; it reads.
    let mut old = Stage::online();
    old.feed.old = true;
    assert_eq!(old.seconds_until_given_up(1000, usize::MAX), None);
    assert!(old.seconds_until_given_up(1000, 0).is_some());
}

#[test]
fn what_is_pending_counts_from_the_start_of_the_snapshot() {
    let mut stage = Stage::in_bulk();
    // Until the queue is full.
    (0..3).for_each(|_| stage.primary());
    let before = stage.feed.pending_bytes(&stage.journal);
    (0..10).for_each(|_| stage.second(0));
    assert_eq!(stage.feed.pending_bytes(&stage.journal), before + 100_000);
}

#[test]
fn writers_are_slowed_for_one_that_moves() {
    let on = Pressure { start: 100, limit: 1100 };
    let mut stage = Stage::online();
    assert_eq!(stage.feed.pressure(600, on, 5000), 0, "it has not taken anything yet");
    stage.feed.sent(1, 5000);
    let at = |pending, now_ms| stage.feed.pressure(pending, on, now_ms);
    assert_eq!(at(100, 5000), 0);
    let delays: Vec<u64> = (1..=11).map(|step| at(step * 100, 5000)).collect();
    assert_eq!(delays, [0, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000]);
    assert_eq!(at(u64::MAX, 5000), PRESSURE_MOST_MS);
    // It takes nothing for two seconds.
    assert_eq!(at(600, 6999), 32);
    assert_eq!(at(600, 7000), 0);
}

#[test]
fn patience_is_one_for_all_replicas_and_for_a_minute() {
    let mut patience = Patience::default();
    // Ten times a second somebody asks for it, for an hour: also one that comes again and again.
    let slowed = (0..36_000).filter(|step| patience.allow(16, 10_000, 5_000 + step * 100) > 0);
    let seconds = slowed.count() as u64 / 10;
    assert!((600..=611).contains(&seconds), "{seconds} of 3600 seconds");
    assert_eq!(Patience::default().allow(16, 0, 1), 0, "never");
    // What is not asked for is not spent.
    let mut patience = Patience::default();
    (0..500).for_each(|step| assert_eq!(patience.allow(0, 1_000, step * 100), 0));
    assert_eq!(patience.allow(7, 1_000, 50_000), 7);
}

#[test]
fn nobody_is_slowed_for_one_that_does_not_read_its_snapshot_or_says_nothing() {
    let on = Pressure { start: 10_000, limit: 100_000_000 };
    let mut stage = Stage::in_bulk();
    let mut slowed = 0;
    while stage.given_up.is_none() {
        stage.second(0);
        let pending = stage.feed.pending_bytes(&stage.journal);
        slowed += u64::from(stage.feed.pressure(pending, on, stage.now_ms) > 0);
    }
    assert!(slowed <= 2, "{slowed} seconds");
    let mut loading = Stage::in_bulk();
    for _ in 0..30 {
        loading.second(usize::MAX);
        loading.feed.hear(loading.now_ms);
    }
    assert_eq!(loading.feed.state(), State::AwaitAck);
    assert!(loading.feed.pressure(20_000, on, loading.now_ms) > 0, "newlines show that it loads");
    assert_eq!(loading.feed.pressure(20_000, on, loading.now_ms + 2000), 0);
}

#[test]
fn who_goes_away_gives_its_cursor_back_in_every_state() {
    let stages: [fn() -> Stage; 3] = [Stage::waiting, Stage::in_bulk, Stage::online];
    for make in stages {
        for seconds in 0..20 {
            let mut stage = make();
            (0..seconds).for_each(|_| stage.second(300_000));
            let Stage { feed, mut journal, .. } = stage;
            feed.end(&mut journal);
            journal.drop_backlog();
            assert!(!journal.has_readers());
            assert_eq!(journal.held_bytes(), 0);
        }
    }
}

#[test]
fn who_came_for_a_snapshot_alone_is_closed_behind_it() {
    let mut stage = Stage::in_bulk();
    stage.feed.known.snapshot_only = true;
    stage.feed.queue(Bytes::from_static(b"all"), 0);
    stage.feed.complete();
    let mut out = VecDeque::new();
    assert_eq!(stage.feed.next(&mut stage.journal, &mut out, 0), Next::Bytes);
    assert_eq!(stage.feed.next(&mut stage.journal, &mut out, 0), Next::Close);
}

#[test]
#[should_panic(expected = "it was waiting")]
fn a_snapshot_begins_for_who_waits_for_one() {
    let mut stage = Stage::online();
    let cursor = stage.journal.subscribe(Class::Replica);
    stage.feed.begin(1, cursor, false, 0);
}

#[test]
#[should_panic(expected = "who waits is not fed")]
fn who_is_fed_does_not_wait() {
    Stage::online().feed.wait(0);
}

#[test]
#[should_panic(expected = "a replica has one cursor")]
fn who_goes_on_does_not_go_on_twice() {
    let mut stage = Stage::online();
    let cursor = stage.journal.subscribe(Class::Replica);
    stage.feed.go_on(cursor, stage.journal.end(), 0);
}

#[test]
#[should_panic(expected = "a snapshot is sent in Bulk only")]
fn who_is_online_gets_no_snapshot() {
    Stage::online().feed.queue(Bytes::from_static(b"x"), 0);
}

#[test]
#[should_panic(expected = "nothing follows the end of a snapshot")]
fn nothing_is_queued_behind_a_whole_snapshot() {
    let mut stage = Stage::in_bulk();
    stage.feed.complete();
    stage.feed.queue(Bytes::from_static(b"x"), 0);
}

#[test]
#[should_panic(expected = "a replica that is fed has a cursor")]
fn who_loses_its_cursor_is_noticed_when_the_stream_is_to_reach_it() {
    let mut stage = Stage::online();
    stage.feed.cursor = None;
    stage.primary();
}
