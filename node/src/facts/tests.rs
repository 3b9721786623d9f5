//! Each fact is changed in the way in which it changes, and the condition is there in the next turn.

use super::*;
use crate::persistence::{LoadProgress, MissingAof};
use crate::testing::{self, later, run};
use backup::aof::AofDir;
use engine::session::Peer;
use journal::Class;
use replica::link::{Follower, Stage};
use std::cell::Cell;
use std::ffi::OsStr;
use std::path::Path;

thread_local! {
    /// How often conditions were derived on this thread.
    pub static DERIVED: Cell<u64> = const { Cell::new(0) };
}

/// Runs a test on a node that has begun a turn, and a slot for commands.
fn on_node(test: impl FnOnce(&mut Node, usize)) {
    let mut node = testing::node();
    let slot = node.engine.connect();
    test(&mut node, slot);
}

/// Changes something, and looks at a condition before and after it, at the next turn.
fn flips(
    node: &mut Node,
    condition: impl Fn(&Engine) -> bool,
    changes: [&mut dyn FnMut(&mut Node); 2],
) {
    for (change, expected) in changes.into_iter().zip([true, false]) {
        assert_eq!(condition(&node.engine), !expected);
        change(node);
        node.begin_turn(node.host.now);
        assert_eq!(condition(&node.engine), expected);
    }
}

#[test]
fn what_a_replica_may_do_follows_from_its_link() {
    on_node(|node, slot| {
        run(node, slot, &["REPLICAOF 127.0.0.1 1"]);
        node.begin_turn(node.host.now);
        assert!(node.engine.is_replica && node.engine.conditions.read_only);
        let at = |node: &mut Node, stage| Follower::entered(node, stage);
        flips(
            node,
            |engine| !engine.conditions.read_only,
            [
                &mut |node| drop(run(node, slot, &["CONFIG SET replica-read-only no"])),
                &mut |node| drop(run(node, slot, &["CONFIG SET replica-read-only yes"])),
            ],
        );
        run(node, slot, &["CONFIG SET replica-serve-stale-data no"]);
        flips(
            node,
            |engine| !engine.conditions.stale,
            [&mut |node| at(node, Stage::Connected), &mut |node| at(node, Stage::Connect)],
        );
        flips(
            node,
            |engine| engine.conditions.loading,
            [&mut |node| at(node, Stage::Load), &mut |node| at(node, Stage::Transfer)],
        );
        run(node, slot, &["REPLICAOF NO ONE"]);
        node.begin_turn(node.host.now);
        let engine = &node.engine;
        assert!(!engine.is_replica && !engine.conditions.read_only && !engine.conditions.stale);
    });
}

#[test]
fn writes_are_refused_while_the_disk_fails() {
    on_node(|node, slot| {
        let fails = |engine: &Engine| engine.conditions.disk_error.is_some();
        flips(
            node,
            fails,
            [
                &mut |node| {
                    let error = Some("full".to_string());
                    node.host.persistence.append_error.update(error);
                },
                &mut |node| {
                    node.host.persistence.append_error.update(None);
                },
            ],
        );
        flips(
            node,
            fails,
            [
                &mut |node| {
                    let missing = MissingAof { error: "x".into(), failures: 1, retry_ms: 0 };
                    *node.host.persistence.missing_aof = Some(missing);
                },
                &mut |node| *node.host.persistence.missing_aof = None,
            ],
        );
        assert!(!node.host.settings.save.0.is_empty(), "there are save points");
        flips(
            node,
            fails,
            [
                &mut |node| {
                    node.host.persistence.last_bgsave_ok.update(false);
                },
                &mut |node| drop(run(node, slot, &["CONFIG SET stop-writes-on-bgsave-error no"])),
            ],
        );
    });
}

#[test]
fn writers_wait_while_the_append_queue_is_full_and_go_on_when_it_is_not() {
    on_node(|node, slot| {
        let names = (OsStr::new("dir"), OsStr::new("aof"));
        let opened = AofDir::open(&node.host.files, Path::new("."), names.0, names.1);
        let (mut dir, _) = opened.expect("opened");
        let file = dir.begin_switch_on().expect("a file");
        node.host.start_appending(dir, file).expect("appending");
        let look = |node: &mut Node, bytes| {
            let now_ms = node.host.now.steady_ms();
            let queue = &mut node.host.persistence.aof.as_mut().expect("it is on").queue;
            assert!(queue.look(bytes, 100, now_ms), "it changes");
        };
        let late = |engine: &Engine| engine.conditions.disk_is_late;
        let suspended = |node: &Node| node.engine.session(slot).is_some_and(|s| s.suspended);
        node.begin_turn(node.host.now);
        flips(
            node,
            late,
            [&mut |node| look(node, 101), &mut |node| {
                // As a connection does whose command has to wait.
                node.host.paused.push(slot);
                node.engine.session_mut(slot).expect("connected").suspended = true;
                look(node, 50);
            }],
        );
        assert!(!suspended(node), "it was let go on");
        flips(node, late, [&mut |node| look(node, 101), &mut |node| node.host.stop_aof()]);
    });
}

#[test]
fn loading_and_pausing_are_seen_in_the_next_turn() {
    on_node(|node, slot| {
        flips(
            node,
            |engine| engine.conditions.loading,
            [
                &mut |node| *node.host.persistence.loading = Some(LoadProgress::default()),
                &mut |node| *node.host.persistence.loading = None,
            ],
        );
        flips(
            node,
            |engine| engine.conditions.pause == Pause::Writes,
            [&mut |node| drop(run(node, slot, &["CLIENT PAUSE 100000 WRITE"])), &mut |node| {
                drop(run(node, slot, &["CLIENT UNPAUSE"]))
            }],
        );
        flips(
            node,
            |engine| engine.conditions.pause == Pause::All,
            [&mut |node| drop(run(node, slot, &["CLIENT PAUSE 100000"])), &mut |node| {
                node.end_pause()
            }],
        );
    });
}

#[test]
fn a_limit_of_memory_is_one_from_the_next_command_on() {
    on_node(|node, slot| {
        let set = |bytes: &str| format!("CONFIG SET maxmemory {bytes}");
        flips(
            node,
            |engine| engine.eviction.limited,
            [&mut |node| drop(run(node, slot, &[&set("100gb")])), &mut |node| {
                drop(run(node, slot, &[&set("0")]))
            }],
        );
        // In the same turn: one byte is too little for any write.
        let replies = run(node, slot, &[&set("1"), "SET a 1", &set("0"), "SET a 1"]);
        let lines: Vec<&str> = replies.lines().map(|line| &line[..3]).collect();
        assert_eq!(lines, ["+OK", "-OO", "+OK", "+OK"], "{replies}");
    });
}

#[test]
fn too_few_good_replicas_are_noticed_when_one_comes_goes_or_says_nothing() {
    on_node(|node, slot| {
        let few = |engine: &Engine| engine.conditions.too_few_replicas;
        node.host.journal.start_backlog(1 << 20);
        let replica = node.engine.connect();
        let id = node.host.journal.history.id;
        let replies = run(node, slot, &["CONFIG SET min-replicas-to-write 1", "SET a 1"]);
        assert!(replies.ends_with("-NOREPLICAS Not enough good replicas to write.\r\n"));
        let come = |node: &mut Node, replica| {
            let replies = run(node, replica, &[&format!("PSYNC {id} 1")]);
            assert!(replies.starts_with("+CONTINUE"), "{replies}");
        };
        flips(
            node,
            |engine| !few(engine),
            [&mut |node| come(node, replica), &mut |node| {
                node.host.replica_gone(&mut node.engine, replica)
            }],
        );
        let replica = node.engine.connect();
        come(node, replica);
        assert_eq!(node.engine.session(replica).map(|s| s.peer), Some(Peer::Replica));
        node.begin_turn(node.host.now);
        assert!(!few(&node.engine));
        // A minute later it has said nothing: the timer counts.
        node.begin_turn(later(node.host.now, 60_000));
        node.replication_timer();
        node.see_facts();
        assert!(few(&node.engine));
    });
}

#[test]
fn nothing_is_encoded_that_nobody_reads() {
    on_node(|node, _| {
        let read = |engine: &Engine| !engine.nobody_reads;
        let disk = Cell::new(None);
        flips(
            node,
            read,
            [&mut |node| disk.set(Some(node.host.journal.subscribe(Class::Disk))), &mut |node| {
                node.host.journal.unsubscribe(disk.get().expect("it reads"))
            }],
        );
        flips(
            node,
            read,
            [&mut |node| node.host.journal.start_backlog(100), &mut |node| {
                node.host.journal.drop_backlog()
            }],
        );
    });
}

#[test]
fn a_turn_in_which_nothing_changed_derives_nothing() {
    on_node(|node, slot| {
        node.host.journal.start_backlog(1 << 20);
        run(node, slot, &["SET a 1"]);
        let before = DERIVED.get();
        for _ in 0..100 {
            run(node, slot, &["SET a 1", "GET a", "INCR b", "INFO replication"]);
            node.host.journal.seal();
            node.replication_timer();
        }
        assert_eq!(DERIVED.get(), before);
        run(node, slot, &["CONFIG SET maxmemory 100gb"]);
        assert_eq!(DERIVED.get(), before + 1);
    });
}
