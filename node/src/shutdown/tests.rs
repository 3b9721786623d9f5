//! The end of a node: who asks, what is waited for, what is in its way, and what is on disk when it comes.

use super::Asking;
use crate::actions::Exit;
use crate::config::{AppendFsync, Settings, ShutdownFlags};
use crate::event::Event;
use crate::testing::bench::{Bench, save_point};
use crate::testing::memory::{Call, Memory};
use crate::testing::outside::Disk;
use crate::testing::pair::Pair;

const FAILED: &str = "-ERR Errors trying to SHUTDOWN. Check logs.";
const PUT_OFF: &str = "PutOff";

fn node(change: impl FnOnce(&mut Settings)) -> (Bench, usize) {
    let mut bench = Bench::new(change);
    let slot = bench.connect();
    assert_eq!(bench.ask(slot, "SET a 1"), "+OK");
    (bench, slot)
}

fn reports(bench: &Bench, word: &str) -> usize {
    bench.outer().reports.iter().filter(|report| report.starts_with(word)).count()
}

#[track_caller]
fn expect_done(bench: &Bench) {
    assert_eq!(bench.exit, Some(Exit::Done));
}

#[track_caller]
fn expect_goes_on(bench: &mut Bench) {
    assert_eq!(bench.exit, None);
    let slot = bench.connect();
    assert_eq!(bench.ask(slot, "SET goes on"), "+OK");
    assert!(!bench.node.wants_to_end());
}

#[test]
fn whether_it_saves_follows_from_flags_and_save_points() {
    let cases = [
        ("SHUTDOWN", false, false),
        ("SHUTDOWN", true, true),
        ("SHUTDOWN NOSAVE", true, false),
        ("SHUTDOWN SAVE", false, true),
        ("SHUTDOWN NOW FORCE", true, true),
        ("SHUTDOWN nosave now force", true, false),
    ];
    for (request, has_points, saves) in cases {
        let (mut bench, slot) = node(|settings| {
            if has_points {
                settings.save = save_point(3600, 1000);
            }
        });
        let digest = bench.digest();
        assert_eq!(bench.ask(slot, request), "", "nobody is told of an end that comes");
        expect_done(&bench);
        assert_eq!(bench.memory.listed(), if saves { "dump.rdb" } else { "" }, "{request}");
        assert_eq!(reports(&bench, "Saving"), usize::from(saves));
        assert_eq!(bench.reloaded_now() == digest, saves);
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let (mut bench, slot) = node(|_| ());
    for request in ["SHUTDOWN LATER", "SHUTDOWN SAVE NOSAVE", "SHUTDOWN ABORT NOW"] {
        assert_eq!(bench.ask(slot, request), "-ERR syntax error", "{request}");
    }
    assert_eq!(bench.ask(slot, "SHUTDOWN ABORT"), "-ERR No shutdown in progress.");
    expect_goes_on(&mut bench);
}

#[test]
fn all_that_was_journaled_is_on_disk() {
    for policy in [AppendFsync::Always, AppendFsync::EverySecond, AppendFsync::No] {
        let (mut bench, slot) =
            node(|settings| (settings.appendonly, settings.appendfsync) = (true, policy));
        bench.hold_disk();
        bench.ask(slot, "SET b 1");
        bench.ask(slot, "INCR b");
        let digest = bench.digest();
        // The disk is slow: it begins after a while, and the end waits for it.
        let in_five_seconds = bench.now.steady_ns + 5_000_000_000;
        bench.outer().disk = Disk::Held(in_five_seconds);
        bench.ask(slot, "SHUTDOWN");
        expect_done(&bench);
        assert!(bench.now.steady_ns >= in_five_seconds);
        assert_eq!(bench.reloaded_now(), digest);
        assert!(bench.outer().logs.iter().all(backup::aof::SteppedWorker::has_stopped));
    }
}

#[test]
fn a_disk_that_stands_still_is_in_the_way_but_for_force() {
    for force in [false, true] {
        let (mut bench, slot) = node(|settings| settings.appendonly = true);
        bench.hold_disk();
        bench.ask(slot, "SET b 1");
        let begin = bench.now.steady_ms();
        let answer = bench.ask(slot, if force { "SHUTDOWN FORCE" } else { "SHUTDOWN" });
        let waited_s = (bench.now.steady_ms() - begin) / 1000;
        assert_eq!(waited_s, 60);
        if force {
            expect_done(&bench);
            continue;
        }
        assert_eq!(answer, FAILED);
        bench.free_disk();
        expect_goes_on(&mut bench);
        assert_eq!(bench.reloaded_now(), bench.digest());
        bench.ask(slot, "SHUTDOWN");
        expect_done(&bench);
    }
}

#[test]
fn a_disk_that_fails_is_in_the_way_but_for_force() {
    for (force, call) in [(false, Call::Write), (false, Call::Sync), (true, Call::Write)] {
        let (mut bench, slot) = node(|settings| settings.appendonly = true);
        let begin = bench.now.steady_ms();
        bench.memory.fail(call, "incr.aof", 1000);
        bench.ask(slot, "SET b 1");
        let answer = bench.ask(slot, if force { "SHUTDOWN FORCE" } else { "SHUTDOWN" });
        assert!(bench.now.steady_ms() - begin < 1000, "it is known at once");
        if force {
            expect_done(&bench);
            continue;
        }
        assert_eq!(answer, FAILED, "{call:?}");
        bench.memory.heal();
        bench.pass(1100);
        expect_goes_on(&mut bench);
        assert_eq!(bench.reloaded_now(), bench.digest());
    }
}

#[test]
fn a_snapshot_that_cannot_be_written_is_in_the_way_but_for_force() {
    let (mut bench, slot) = node(|settings| settings.save = save_point(3600, 1000));
    bench.memory.fail(Call::Write, "temp-1.rdb", 2);
    assert_eq!(bench.ask(slot, "SHUTDOWN"), FAILED);
    expect_goes_on(&mut bench);
    assert_eq!(bench.ask(slot, "SHUTDOWN FORCE"), "");
    expect_done(&bench);
    assert_eq!(bench.memory.listed(), "");
}

#[test]
fn children_are_ended_and_leave_no_files() {
    for request in ["BGSAVE", "BGREWRITEAOF"] {
        let (mut bench, slot) = node(|settings| settings.appendonly = true);
        assert!(bench.ask(slot, request).starts_with('+'));
        bench.ask(slot, "SET since 1");
        let digest = bench.digest();
        bench.child_is_half_way();
        assert!(bench.memory.listed().contains("temp-"));
        bench.ask(slot, "SHUTDOWN NOSAVE");
        expect_done(&bench);
        assert!(bench.outer().children[0].killed);
        assert!(!bench.memory.listed().contains("temp-"), "{}", bench.memory.listed());
        assert_eq!(bench.reloaded_now(), digest);
    }
    // That of a full sync, and what it writes for replicas.
    let mut pair = Pair::new(|settings| settings.repl_diskless_sync = false, |_| ());
    pair.holds_children = true;
    pair.follow();
    pair.pump();
    pair.primary.child_is_half_way();
    let slot = pair.primary.connect();
    pair.primary.ask(slot, "SHUTDOWN NOW");
    expect_done(&pair.primary);
    assert!(pair.primary.outer().children[0].killed);
    assert_eq!(pair.primary.memory.listed(), "");
}

#[test]
fn nobody_but_force_ends_it_before_the_first_base_is_there() {
    for force in [false, true] {
        let (mut bench, slot) = node(|_| ());
        let other = bench.connect();
        bench.ask(other, "CONFIG SET appendonly yes");
        let request = if force { "SHUTDOWN FORCE" } else { "SHUTDOWN" };
        if force {
            assert_eq!(bench.ask(slot, request), "");
            expect_done(&bench);
            assert!(bench.outer().children[0].killed);
            continue;
        }
        assert_eq!(bench.ask(slot, request), FAILED);
        expect_goes_on(&mut bench);
        bench.child_ends();
        bench.ask(slot, request);
        expect_done(&bench);
    }
}

#[test]
fn a_signal_is_put_off_until_the_first_base_is_there() {
    for fails in [false, true] {
        let (mut bench, slot) = node(|_| ());
        bench.ask(slot, "CONFIG SET appendonly yes");
        bench.turn(Event::Signal(Asking::Terminate));
        assert_eq!((bench.exit.as_ref(), reports(&bench, PUT_OFF)), (None, 1));
        bench.pass(1000);
        assert_eq!(bench.ask(slot, "SET since 1"), "+OK", "all goes on");
        assert_eq!(bench.ask(slot, "SHUTDOWN"), FAILED, "who asks by a command is refused");
        if fails {
            bench.child_fails("no room");
            bench.pass(1000);
            assert_eq!(bench.exit, None, "it waits for the next one as well");
        }
        let digest = bench.digest();
        bench.child_ends();
        bench.pass(100);
        expect_done(&bench);
        assert_eq!(bench.reloaded_now(), digest);
    }
}

#[test]
fn a_signal_that_was_put_off_can_be_taken_back() {
    let (mut bench, slot) = node(|_| ());
    bench.ask(slot, "CONFIG SET appendonly yes");
    bench.turn(Event::Signal(Asking::Terminate));
    bench.pass(500);
    assert_eq!(bench.ask(slot, "SHUTDOWN ABORT"), "+OK");
    bench.child_ends();
    bench.pass(1000);
    expect_goes_on(&mut bench);
}

#[test]
fn a_signal_ends_as_its_directive_says() {
    for (asking, saves) in [(Asking::Terminate, true), (Asking::Interrupt, false)] {
        let (mut bench, _) = node(|settings| {
            settings.shutdown_on_sigterm = ShutdownFlags { save: true, ..Default::default() };
        });
        bench.turn(Event::Signal(asking));
        expect_done(&bench);
        assert_eq!(bench.memory.listed(), if saves { "dump.rdb" } else { "" });
    }
}

#[test]
fn a_signal_while_it_loads_saves_nothing() {
    let (mut bench, slot) = node(|_| ());
    bench.ask(slot, "SAVE");
    let (memory, digest) = (Memory::of(bench.memory.image()), bench.digest());
    let mut other = Bench::start_with(memory, |settings| {
        settings.save = save_point(3600, 1);
        settings.shutdown_on_sigterm = ShutdownFlags { save: true, ..Default::default() };
    });
    let files = other.memory.listed();
    other.turn(Event::Signal(Asking::Terminate));
    expect_done(&other);
    assert_eq!((other.memory.listed(), other.reloaded_now()), (files, digest));
}

/// A primary and its replica, which does not hear what has been written.
fn lagging(change: impl FnOnce(&mut Settings)) -> (Pair, usize) {
    let mut pair = Pair::new(change, |_| ());
    pair.follow();
    pair.pump();
    pair.pass(1100);
    pair.expect_online();
    let slot = pair.primary.connect();
    assert_eq!(pair.primary.ask(slot, "SET a 1"), "+OK");
    (pair, slot)
}

#[test]
fn replicas_are_waited_for_and_nothing_is_written_meanwhile() {
    let (mut pair, slot) = lagging(|_| ());
    let writer = pair.primary.connect();
    assert_eq!(pair.primary.ask(slot, "SHUTDOWN"), "");
    pair.primary.pass(3000);
    assert_eq!(pair.primary.exit, None);
    assert_eq!(pair.primary.ask(writer, "SET b 1"), "", "it waits");
    assert_eq!(pair.primary.ask(writer, "GET b"), "");
    let reader = pair.primary.connect();
    assert_eq!(pair.primary.ask(reader, "GET a"), "$1 1");
    assert_eq!(pair.primary.info("shutdown_in_milliseconds"), "7000");
    assert_eq!(reports(&pair.primary, "Extend(10s)"), 1);
    // A replica acknowledges once a second.
    pair.pass(1100);
    expect_done(&pair.primary);
    assert_eq!(pair.replica.node.host.journal.end(), pair.primary.node.host.journal.end());
}

#[test]
fn replicas_are_waited_for_no_longer_than_configured() {
    for (request, timeout_s, waits_ms) in [
        ("SHUTDOWN", 10, 10_000),
        ("SHUTDOWN", 2, 2_000),
        ("SHUTDOWN", 0, 0),
        ("SHUTDOWN NOW", 10, 0),
    ] {
        let (mut pair, slot) = lagging(|settings| settings.shutdown_timeout = timeout_s);
        let begin = pair.primary.now.steady_ms();
        pair.primary.ask(slot, request);
        pair.primary.pass(20_000);
        expect_done(&pair.primary);
        assert_eq!(pair.primary.now.steady_ms() - begin, waits_ms, "{request} {timeout_s}");
    }
}

#[test]
fn an_end_that_waits_can_be_taken_back() {
    let (mut pair, slot) = lagging(|_| ());
    let (writer, admin) = (pair.primary.connect(), pair.primary.connect());
    pair.primary.ask(slot, "SHUTDOWN");
    assert_eq!(pair.primary.ask(writer, "SET b 1"), "");
    assert_eq!(pair.primary.ask(admin, "SHUTDOWN ABORT"), "+OK");
    assert_eq!(pair.primary.hear(slot), FAILED);
    assert_eq!(pair.primary.hear(writer), "+OK", "it goes on");
    pair.primary.pass(20_000);
    expect_goes_on(&mut pair.primary);
    assert_eq!(pair.primary.ask(admin, "SHUTDOWN ABORT"), "-ERR No shutdown in progress.");
    pair.pump();
    pair.expect_online();
}

#[test]
fn who_asked_and_is_gone_is_not_answered_and_the_end_comes() {
    let (mut pair, slot) = lagging(|_| ());
    let other = pair.primary.connect();
    pair.primary.ask(slot, "SHUTDOWN");
    assert_eq!(pair.primary.ask(other, "SHUTDOWN NOW"), "", "the first one holds");
    assert_eq!(pair.primary.node.host.shutdown.waiting_len(), 2);
    pair.primary.hang_up(slot);
    assert_eq!(pair.primary.node.host.shutdown.waiting_len(), 1);
    pair.primary.pass(5000);
    assert_eq!(pair.primary.exit, None);
    // A replica acknowledges once a second.
    pair.pass(1100);
    expect_done(&pair.primary);
}

#[test]
fn without_the_timer_a_signal_is_not_obeyed() {
    let (mut bench, slot) = node(|_| ());
    bench.ask(slot, "DEBUG PAUSE-CRON 1");
    bench.turn(Event::Signal(Asking::Terminate));
    bench.pass(5000);
    assert_eq!(bench.exit, None);
    bench.ask(slot, "DEBUG PAUSE-CRON 0");
    bench.pass(100);
    expect_done(&bench);
}
