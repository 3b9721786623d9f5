//! The machine without a process.

use super::*;

fn forked(pid: i32) -> Forked {
    Forked { pid, took: Duration::from_micros(250), keys: 1000, bytes: 1 << 20 }
}

fn purpose(kind: Kind) -> Purpose {
    match kind {
        Kind::Save => Purpose::Save { dirty: 3 },
        Kind::Rewrite => Purpose::Rewrite { rewriting: Rewriting::SwitchOn, is_rdb: true },
        Kind::FullSync => Purpose::FullSync { number: 1 },
    }
}

const KINDS: [Kind; 3] = [Kind::Save, Kind::Rewrite, Kind::FullSync];

fn begun(kind: Kind) -> Child {
    let mut child = Child::default();
    let leave = child.try_begin(kind, false).expect("nobody is there");
    child.begin(&leave, purpose(kind), forked(77), 5_000);
    child
}

#[test]
fn while_one_is_at_work_nobody_else_may_begin() {
    for kind in KINDS {
        let mut child = begun(kind);
        assert!(child.shares_memory() && child.running_as(kind).is_some());
        for other in KINDS {
            let there = Err(WhoIsThere::Child(kind));
            assert_eq!(child.try_begin(other, false), there);
            assert_eq!(child.try_begin(other, true), there, "what is there is named first");
            assert_eq!(child.running_as(other).is_some(), kind == other);
        }
        let ended = child.end(kind, 5_000);
        assert_eq!(ended, Some(Ended { purpose: purpose(kind), killed: false }));
        assert!(!child.shares_memory() && child.running().is_none());
        assert!(KINDS.into_iter().all(|other| child.try_begin(other, false).is_ok()));
        assert_eq!(child.end(kind, 5_000), None, "it ends once");
    }
}

#[test]
fn nobody_begins_inside_a_transaction() {
    for kind in KINDS {
        assert_eq!(Child::default().try_begin(kind, true), Err(WhoIsThere::Transaction));
    }
}

#[test]
fn a_fork_that_fails_leaves_nobody() {
    let mut child = Child::default();
    child.schedule(Kind::Save);
    let leave = child.try_begin(Kind::Save, false).expect("nobody is there");
    drop(leave);
    assert!(child.running().is_none() && !child.shares_memory());
    assert!(child.waits(Kind::Save), "it is tried again");
    assert_eq!((child.forks, child.last(Kind::Save)), (0, NONE_YET));
}

#[test]
fn what_waits_begins_in_its_order_and_once() {
    let mut child = begun(Kind::FullSync);
    child.schedule(Kind::Save);
    child.schedule(Kind::Rewrite);
    child.schedule(Kind::Save);
    assert_eq!(child.next().count(), 0, "not while somebody is there");
    child.end(Kind::FullSync, 6_000);
    let next: Vec<Kind> = child.next().map(|(kind, _)| kind).collect();
    assert_eq!(next, [Kind::Rewrite, Kind::Save], "a file without its base cannot be loaded");
    // The rewrite is put off: the save goes first.
    let (_, leave) = child.next().last().expect("two wait");
    child.begin(&leave, purpose(Kind::Save), forked(78), 6_000);
    assert!(child.waits(Kind::Rewrite) && !child.waits(Kind::Save));
    child.end(Kind::Save, 7_000);
    assert_eq!(child.next().map(|(kind, _)| kind).collect::<Vec<_>>(), [Kind::Rewrite]);
    child.cancel(Kind::Rewrite);
    assert_eq!(child.next().count(), 0);
}

#[test]
fn what_is_killed_is_thrown_away_whenever_it_ends() {
    for kind in KINDS {
        let mut child = begun(kind);
        for other in KINDS.into_iter().filter(|other| *other != kind) {
            assert_eq!(child.kill(other), None, "it is not the one that is meant");
        }
        assert!(!child.running().expect("it is at work").killed);
        assert_eq!(child.kill(kind), Some(77));
        assert!(child.shares_memory(), "until its process has ended");
        assert_eq!(child.end(kind, 9_000).map(|ended| ended.killed), Some(true));
        // The next one is not.
        let leave = child.try_begin(kind, false).expect("nobody is there");
        child.begin(&leave, purpose(kind), forked(79), 9_000);
        assert_eq!(child.end(kind, 9_000).map(|ended| ended.killed), Some(false));
    }
}

#[test]
fn a_process_that_has_ended_shares_no_memory_and_is_not_killed() {
    let mut child = begun(Kind::FullSync);
    child.exited();
    assert!(!child.shares_memory());
    assert_eq!(child.kill(Kind::FullSync), None, "its number may be another one's by now");
    let there = Err(WhoIsThere::Child(Kind::FullSync));
    assert_eq!(child.try_begin(Kind::Save, false), there, "the file is still being sent");
    assert!(child.saving().is_some());
}

#[test]
fn figures_are_those_of_the_last_of_its_kind() {
    let mut child = begun(Kind::Save);
    assert_eq!((child.forks, child.fork_us), (1, 250));
    child.note(Progress { keys: 10, copied_bytes: 4096 });
    assert_eq!(child.saving().expect("at work").progress.keys, 10);
    child.end(Kind::Save, 8_999);
    assert_eq!(child.last(Kind::Save), Last { seconds: 3, copied_bytes: 4096 });
    assert_eq!(child.last(Kind::Rewrite), NONE_YET);
    child.note(Progress { keys: 99, copied_bytes: 1 });
    assert_eq!(child.last(Kind::Save).copied_bytes, 4096, "a late report changes nothing");
    // A full sync is a save like others, for INFO.
    let leave = child.try_begin(Kind::FullSync, false).expect("nobody is there");
    child.begin(&leave, purpose(Kind::FullSync), forked(80), 10_000);
    child.end(Kind::FullSync, 20_000);
    assert_eq!(child.last(Kind::Save), Last { seconds: 10, copied_bytes: 0 });
    child.reset_stats();
    assert_eq!((child.forks, child.fork_us), (0, 0));
}

#[test]
#[should_panic(expected = "one child at most")]
fn a_second_child_is_our_mistake() {
    let mut child = Child::default();
    let leave = child.try_begin(Kind::Save, false).expect("nobody is there");
    child.begin(&leave, purpose(Kind::Save), forked(77), 0);
    child.begin(&leave, purpose(Kind::Save), forked(78), 0);
}

#[test]
#[should_panic(expected = "another child's end")]
fn the_end_of_one_that_is_not_there_is_our_mistake() {
    begun(Kind::Save).end(Kind::Rewrite, 0);
}
