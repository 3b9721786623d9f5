//! Appending: what goes to the disk, whose replies wait for it, and what a disk does to whom that fails or is late.

use crate::actions::Exit;
use crate::config::{AppendFsync, Settings};
use crate::event::Event;
use crate::testing::bench::Bench;
use crate::testing::memory::{Call, Memory};
use crate::testing::pair::Pair;

const FILE: &str = "appendonlydir/appendonly.aof.1.incr.aof";
const MISCONF: &str = "-MISCONF Errors writing to the AOF file: ";

fn appending(change: impl FnOnce(&mut Settings)) -> Bench {
    Bench::new(|settings| {
        settings.appendonly = true;
        change(settings);
    })
}

fn with_policy(policy: AppendFsync) -> Bench {
    appending(|settings| settings.appendfsync = policy)
}

/// Start, end and length that the marks of the file tell, in their order.
fn marks(bench: &Bench) -> Vec<[u64; 3]> {
    let text = bench.memory.text(FILE);
    let marks = text.lines().filter_map(|line| line.strip_prefix("#tm "));
    let numbers = marks.map(|mark| {
        let mut words = mark.split(' ').map(|word| word.parse().expect("a number"));
        std::array::from_fn(|_| words.next().expect("three numbers"))
    });
    numbers.collect()
}

#[test]
fn what_is_journaled_is_appended_once_in_order_with_its_positions() {
    let mut bench = with_policy(AppendFsync::EverySecond);
    let slot = bench.connect();
    for request in ["SET first 1", "GET first", "SELECT 3", "SET second 2", "MULTI"] {
        bench.ask(slot, request);
    }
    assert_eq!(bench.ask(slot, "INCR third"), "+QUEUED");
    assert_eq!(bench.ask(slot, "EXEC"), "*1 :1");
    let text = bench.memory.text(FILE);
    for word in ["first", "second", "third", "SELECT\r\n$1\r\n3"] {
        assert_eq!(text.matches(word).count(), 1, "{word}: {text}");
    }
    assert!(!text.contains("GET"), "{text}");
    let marks = marks(&bench);
    assert_eq!(marks.len(), 3, "{text}");
    assert!(marks.windows(2).all(|pair| pair[0][1] == pair[1][0]), "{marks:?}");
    assert_eq!(marks[2][1], bench.node.host.journal.end().get());
    assert_eq!(bench.reloaded_now(), bench.digest());
}

#[test]
fn what_is_written_in_one_round_is_one_block() {
    let mut bench = with_policy(AppendFsync::EverySecond);
    let (one, other) = (bench.connect(), bench.connect());
    bench.holds_flush = true;
    assert_eq!(bench.ask(one, "SET a 1"), "+OK");
    assert_eq!(bench.ask(other, "SET b 2"), "+OK");
    assert_eq!(marks(&bench), [[0; 3]; 0]);
    bench.holds_flush = false;
    bench.turn(Event::React);
    assert_eq!(marks(&bench).len(), 1);
    assert_eq!(bench.reloaded_now(), bench.digest());
    bench.turn(Event::Flush);
    assert_eq!(marks(&bench).len(), 1, "there is nothing more");
}

#[test]
fn with_always_a_reply_waits_for_its_own_fsync() {
    let mut bench = with_policy(AppendFsync::Always);
    bench.hold_disk();
    let (writer, second, reader) = (bench.connect(), bench.connect(), bench.connect());
    assert_eq!(bench.ask(writer, "SET a 1"), "");
    assert_eq!(bench.ask(reader, "GET a"), "$1 1", "who has written nothing waits for nobody");
    assert_eq!(bench.ask(writer, "GET a"), "", "its later replies wait as well");
    bench.write();
    assert_eq!(bench.ask(second, "INCR n"), "");
    assert_eq!(bench.hear(writer), "", "it is written, not durable");
    bench.fsync();
    assert_eq!(bench.hear(writer), "+OK $1 1");
    assert_eq!(bench.hear(second), "", "it came while the fsync was under way");
    bench.fsync();
    assert_eq!(bench.hear(second), ":1");
    bench.free_disk();
    assert_eq!(bench.ask(writer, "SET a 2"), "+OK");
}

#[test]
fn with_other_policies_nobody_waits() {
    for policy in [AppendFsync::EverySecond, AppendFsync::No] {
        let mut bench = with_policy(policy);
        bench.hold_disk();
        let slot = bench.connect();
        assert_eq!(bench.ask(slot, "SET a 1"), "+OK");
        let offsets = |bench: &Bench| {
            let host = &bench.node.host;
            (host.persistence.durable_offset(), Some(host.journal.end()))
        };
        bench.write();
        let (durable, end) = offsets(&bench);
        assert_ne!(durable, end);
        bench.pass(1000);
        bench.fsync();
        let (durable, end) = offsets(&bench);
        assert_eq!(durable == end, policy == AppendFsync::EverySecond, "it fsyncs by itself");
    }
}

#[test]
fn replies_that_wait_leave_when_the_policy_asks_for_less() {
    let mut bench = with_policy(AppendFsync::Always);
    bench.hold_disk();
    let (writer, admin) = (bench.connect(), bench.connect());
    assert_eq!(bench.ask(writer, "SET a 1"), "");
    assert_eq!(bench.ask(admin, "CONFIG SET appendfsync everysec"), "+OK");
    bench.write();
    assert_eq!(bench.hear(writer), "+OK");
    // And back: what was written under the other policy is asked for at once.
    assert_eq!(bench.ask(writer, "SET a 2"), "+OK");
    assert_eq!(bench.ask(admin, "CONFIG SET appendfsync always"), "+OK");
    assert_eq!(bench.ask(writer, "GET a"), "", "its write is not durable");
    bench.fsync();
    bench.fsync();
    assert_eq!(bench.hear(writer), "$1 2");
}

#[test]
fn what_was_written_under_another_policy_is_made_durable_once() {
    let mut bench = with_policy(AppendFsync::EverySecond);
    bench.hold_disk();
    let slot = bench.connect();
    bench.ask(slot, "SET a 1");
    bench.write();
    let end = bench.node.host.journal.end();
    assert_eq!(bench.ask(slot, "CONFIG SET appendfsync no"), "+OK");
    bench.fsync();
    assert_eq!(bench.node.host.persistence.durable_offset(), Some(end));
    bench.ask(slot, "SET a 2");
    bench.pass(5000);
    bench.fsync();
    assert_eq!(bench.node.host.persistence.durable_offset(), Some(end), "never by itself");
}

#[test]
fn switching_off_lets_replies_leave_with_what_they_wait_for() {
    let mut bench = with_policy(AppendFsync::Always);
    bench.hold_disk();
    let (writer, admin) = (bench.connect(), bench.connect());
    assert_eq!(bench.ask(writer, "SET a 1"), "");
    let digest = bench.digest();
    assert_eq!(bench.ask(admin, "CONFIG SET appendonly no"), "+OK");
    assert_eq!(bench.hear(writer), "+OK");
    assert_eq!(bench.ask(writer, "SET b 1"), "+OK");
    let text = bench.memory.text(FILE);
    assert!(text.contains("\r\na\r\n") && !text.contains("\r\nb\r\n"), "{text}");
    bench.node.host.settings.appendonly = true;
    assert_eq!(bench.reloaded_now(), digest);
}

#[test]
fn while_a_write_fails_writes_are_refused() {
    let mut bench = with_policy(AppendFsync::EverySecond);
    let slot = bench.connect();
    bench.memory.fail(Call::Write, "incr.aof", 2);
    assert_eq!(bench.ask(slot, "SET a 1"), "+OK");
    for _ in 0..9 {
        let answer = bench.ask(slot, "SET b 1");
        assert!(answer.starts_with(MISCONF) && answer.contains("No space left"), "{answer}");
        bench.pass(100);
    }
    assert_eq!(bench.ask(slot, "GET a"), "$1 1");
    assert_eq!(bench.info("aof_last_write_status"), "err");
    bench.pass(900);
    assert!(bench.ask(slot, "PING").starts_with(MISCONF), "the second attempt fails too");
    bench.pass(200);
    assert_eq!(bench.memory.left_to_fail(), 0);
    assert_eq!(bench.ask(slot, "SET b 1"), "+OK");
    assert_eq!(bench.info("aof_last_write_status"), "ok");
    assert_eq!(bench.reloaded_now(), bench.digest(), "nothing is lost or doubled");
}

#[test]
fn an_fsync_that_fails_is_fatal_only_where_replies_wait_for_it() {
    for policy in [AppendFsync::Always, AppendFsync::EverySecond] {
        let mut bench = with_policy(policy);
        let slot = bench.connect();
        let before = bench.digest();
        bench.memory.fail(Call::Sync, "incr.aof", 1);
        let answer = bench.ask(slot, "SET a 1");
        bench.pass(1500);
        if policy == AppendFsync::Always {
            assert_eq!((bench.exit.take(), answer.as_str()), (Some(Exit::Fatal), ""));
            assert_eq!(bench.reloaded_now(), before, "nobody was told of it");
        } else {
            assert_eq!((&bench.exit, answer.as_str()), (&None, "+OK"));
            assert!(bench.ask(slot, "SET a 2").starts_with(MISCONF));
            bench.pass(1000);
            assert_eq!(bench.ask(slot, "SET a 2"), "+OK");
        }
    }
}

#[test]
fn writers_wait_while_too_much_waits_for_the_disk() {
    let mut bench = appending(|settings| settings.aof_buffer_limit = 1000);
    let (writer, reader) = (bench.connect(), bench.connect());
    bench.hold_disk();
    let big = format!("SET big {}", "x".repeat(1000));
    assert_eq!(bench.ask(writer, &big), "+OK");
    assert_eq!(bench.ask(writer, "SET a 1"), "");
    assert_eq!(bench.ask(reader, "GET a"), "$-1", "it was not executed");
    assert_eq!(bench.ask(reader, "STRLEN big"), ":1000");
    assert_eq!(bench.info("aof_buffer_full"), "1");
    bench.free_disk();
    assert_eq!(bench.hear(writer), "+OK");
    assert_eq!(bench.ask(reader, "GET a"), "$1 1");
    assert_eq!(
        (bench.info("aof_buffer_full"), bench.info("aof_buffer_stalls")),
        ("0".into(), "1".into())
    );
}

#[test]
fn writers_wait_for_what_has_waited_two_seconds() {
    let mut bench = with_policy(AppendFsync::EverySecond);
    let writer = bench.connect();
    bench.hold_disk();
    bench.ask(writer, "SET goes 1 PX 500");
    bench.pass(1000);
    bench.write();
    assert_eq!(bench.info("aof_pending_bio_fsync"), "1");
    assert_eq!(bench.ask(writer, "SET soon 1 PX 1500"), "+OK");
    bench.pass(2000);
    assert_eq!(bench.ask(writer, "SET b 1"), "+OK", "for two seconds nobody waits");
    let keys = bench.ask(writer, "DBSIZE");
    bench.ask(writer, "SET late 1 PX 200");
    bench.pass(300);
    assert_eq!(bench.ask(writer, "SET c 1"), "");
    assert_eq!(bench.info("aof_delayed_fsync"), "1");
    let reader = bench.connect();
    assert_eq!(keys, ":1");
    assert_eq!(
        bench.ask(reader, "DBSIZE"),
        ":2",
        "what has expired stays, as its end is journaled"
    );
    bench.free_disk();
    assert_eq!(bench.hear(writer), "+OK");
    bench.pass(200);
    assert_eq!(bench.ask(reader, "DBSIZE"), ":2", "late is gone, c has come");
    assert_eq!(bench.reloaded_now(), bench.digest());
}

#[test]
fn the_link_to_a_primary_is_not_read_while_too_much_waits() {
    let mut pair = Pair::new(
        |_| (),
        |settings| (settings.appendonly, settings.aof_buffer_limit) = (true, 1000),
    );
    pair.follow();
    pair.pump();
    pair.replica.child_ends();
    pair.expect_online();
    pair.replica.hold_disk();
    let slot = pair.primary.connect();
    pair.primary.ask(slot, &format!("SET big {}", "x".repeat(1000)));
    pair.pump();
    assert_eq!(pair.replica.node.link_read_size(0), 0);
    pair.primary.ask(slot, "SET a 1");
    pair.pump();
    assert_ne!(pair.replica.digest(), pair.primary.digest());
    pair.replica.free_disk();
    pair.pump();
    pair.expect_online();
    assert_eq!(pair.replica.reloaded_now(), pair.replica.digest());
}

#[test]
fn each_second_in_which_something_is_written_is_said_once() {
    let mut bench = appending(|settings| settings.aof_timestamp_enabled = true);
    let slot = bench.connect();
    let seconds = |bench: &Bench| -> Vec<i64> {
        let text = bench.memory.text(FILE);
        let lines = text.lines().filter_map(|line| line.strip_prefix("#TS:"));
        lines.map(|line| line.parse().expect("a number")).collect()
    };
    let begin = bench.now.unix_ms / 1000;
    bench.ask(slot, "SET a 1");
    bench.ask(slot, "SET a 2");
    assert_eq!(seconds(&bench), [begin]);
    bench.pass(3000);
    bench.ask(slot, "SET a 3");
    assert_eq!(seconds(&bench), [begin, begin + 3]);
    // A clock that goes back says nothing until it is where it was.
    bench.now.unix_ms -= 2000;
    bench.ask(slot, "SET a 4");
    assert_eq!(seconds(&bench).len(), 2);
    bench.pass(4000);
    bench.ask(slot, "SET a 5");
    assert_eq!(seconds(&bench), [begin, begin + 3, begin + 5]);
    assert_eq!(bench.ask(slot, "CONFIG SET aof-timestamp-enabled no"), "+OK");
    bench.pass(2000);
    bench.ask(slot, "SET a 6");
    assert_eq!(seconds(&bench).len(), 3);
    assert_eq!(bench.reloaded_now(), bench.digest());
}

#[test]
fn another_name_of_the_history_is_in_the_file_before_what_counts_in_it() {
    let mut bench = with_policy(AppendFsync::EverySecond);
    let slot = bench.connect();
    let first = bench.node.host.journal.history.id;
    bench.ask(slot, "SET before 1");
    assert_eq!(bench.ask(slot, "DEBUG CHANGE-REPL-ID"), "+OK");
    let second = bench.node.host.journal.history.id;
    bench.ask(slot, "SET behind 1");
    bench.ask(slot, "SET again 1");
    let text = bench.memory.text(FILE);
    let places = [first.as_str(), "before", second.as_str(), "behind", "again"]
        .map(|word| text.find(word).unwrap_or_else(|| panic!("{word} in {text}")));
    assert!(places.is_sorted(), "{text}");
    assert_eq!(text.matches("#tm-history").count(), 2, "{text}");
    let history = bench.again_with(bench.memory.image()).node.host.journal.history;
    assert_eq!(history.second_id, second, "it is known after a start");
}

#[test]
fn what_is_durable_is_known_order_by_order() {
    let mut bench = with_policy(AppendFsync::No);
    let slot = bench.connect();
    bench.hold_disk();
    let durable = |bench: &Bench| bench.node.host.persistence.durable_offset().expect("it is on");
    let mut ends = vec![durable(&bench)];
    for request in ["SET a 1", "SET b 2", "SET c 3"] {
        bench.ask(slot, request);
        bench.write();
        assert_eq!(durable(&bench), ends[0]);
        ends.push(bench.node.host.journal.end());
        if request == "SET b 2" {
            bench.node.host.persistence.request_sync();
            bench.write();
        }
    }
    // The fsync was asked for behind the second.
    bench.fsync();
    assert_eq!(durable(&bench), ends[2]);
}

#[test]
fn wherever_a_replicas_file_is_torn_its_offset_is_known() {
    let mut pair = Pair::new(
        |_| (),
        |settings| {
            settings.appendonly = true;
            settings.replica_read_only = false;
        },
    );
    pair.follow();
    pair.pump();
    pair.expect_online();
    pair.replica.pass_until_child();
    pair.replica.child_ends();
    pair.replica.run_jobs();
    let (own, writer) = (pair.replica.connect(), pair.primary.connect());
    pair.primary.ask(writer, "SELECT 3");
    // All of it is shipped at once: what counts, what does not, and what only the stream has.
    pair.replica.holds_flush = true;
    let begin = pair.replica.node.host.journal.end().get();
    for round in 0..3 {
        pair.primary.ask(writer, &format!("RPUSH key {round} {}", "v".repeat(10)));
        pair.primary.ask(writer, "PUBLISH nobody hears");
        pair.pump();
        pair.replica.ask(own, &format!("SET own:{round} 1"));
        pair.primary.pass(10_000);
        pair.pump();
        pair.primary.ask(writer, &format!("SET other:{round} 1"));
        pair.pump();
    }
    pair.replica.holds_flush = false;
    pair.replica.turn(Event::React);
    pair.replica.turn(Event::Flush);
    let name = pair.replica.memory.names().into_iter().rfind(|name| name.ends_with(".incr.aof"));
    let name = name.expect("it appends");
    let whole = pair.replica.memory.read(&name);
    let history = pair.primary.node.host.journal.history.id;
    let (mut known, mut ends) = (0, Vec::new());
    for len in 0..=whole.len() {
        let memory = Memory::of(pair.replica.memory.image());
        memory.put(&name, &whole[..len]);
        let torn = pair.replica.again_with(memory.image());
        let journal = &torn.node.host.journal;
        let cut = torn.memory.names().into_iter().find(|name| name.contains(".cut-"));
        // Who cut between two commands may have edited the file: that is the only exception.
        if cut.is_some_and(|cut| torn.memory.read(&cut).is_empty()) {
            assert_ne!(journal.history.second_id, history, "{len}");
            continue;
        }
        // It starts as a primary, which goes on under another name.
        assert_eq!(journal.history.second_id, history, "{len}");
        let end = journal.end().get();
        assert!(ends.last().is_none_or(|last| *last <= end), "{len}: {ends:?}, {end}");
        (known, ends) = (known + 1, [ends, vec![end]].concat());
    }
    assert!(known > whole.len() * 9 / 10, "{known} of {}", whole.len());
    ends.dedup();
    let last = pair.replica.node.host.journal.end().get();
    assert_eq!((ends[0], ends[ends.len() - 1]), (begin, last), "{ends:?}");
    // Two counted commands a round, and a message.
    assert!(ends.len() >= 10, "{ends:?}");
}
