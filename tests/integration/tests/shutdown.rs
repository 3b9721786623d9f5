//! The end of a process: what it waits for, how it is taken back, what refuses it.

use integration::data::command;
use integration::{Node, TIMEOUT, eventually};
use redis::{Connection, Value};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::thread::{self, JoinHandle};

fn signal(node: &Node, signal: Signal) {
    let pid = Pid::from_raw(node.pid() as i32).expect("a process");
    kill_process(pid, signal).expect("a child of ours");
}

/// Sends a command whose reply may be long in coming.
fn send(mut connection: Connection, words: &'static [&'static str]) -> JoinHandle<String> {
    thread::spawn(move || match command(words).query::<Value>(&mut connection) {
        Ok(reply) => panic!("{words:?}: {reply:?}"),
        Err(error) => error.to_string(),
    })
}

/// A primary with a replica that stands still and lacks a key.
fn pair(options: &[(&str, &str)]) -> (Node, Node) {
    let primary = Node::start("primary", options);
    let replica = Node::start("replica", &[]);
    replica.follow(&primary);
    replica.wait_for_sync(&primary);
    replica.suspend();
    let _: String = primary.run(&["SET", "late", "1"]);
    (primary, replica)
}

fn info_has(node: &Node, field: &str) -> bool {
    let text: String = node.run(&["INFO", "server"]);
    text.contains(&format!("{field}:"))
}

#[test]
fn the_end_waits_for_replicas_and_says_how_long() {
    for by_signal in [true, false] {
        let (mut primary, replica) = pair(&[("shutdown-timeout", "300")]);
        assert!(!info_has(&primary, "shutdown_in_milliseconds"));
        let asked = (!by_signal).then(|| send(primary.connect(), &["SHUTDOWN"]));
        if by_signal {
            signal(&primary, Signal::TERM);
        }
        eventually(TIMEOUT, "the end has begun", || info_has(&primary, "shutdown_in_milliseconds"));
        let left = primary.number("shutdown_in_milliseconds");
        assert!((1..=300_000).contains(&left), "{left}");
        assert_eq!(primary.number("blocked_clients"), i64::from(!by_signal));
        replica.resume();
        primary.wait_for_end();
        eventually(TIMEOUT, "it came", || {
            replica.run::<Option<String>>(&["GET", "late"]).is_some()
        });
        let log = primary.log();
        assert!(log.contains("Waiting for replicas before shutting down."), "{log}");
        assert!(log.contains("1 of 1 replicas are in sync when shutting down."), "{log}");
        assert!(!log.contains("Lagging replica"), "{log}");
        assert!(log.contains("Tidemark is now ready to exit, bye bye..."), "{log}");
        if let Some(asked) = asked {
            asked.join().expect("the connection is closed");
        }
    }
}

#[test]
fn a_replica_that_does_not_come_is_not_waited_for_longer_than_said() {
    let (mut primary, replica) = pair(&[("shutdown-timeout", "1")]);
    signal(&primary, Signal::TERM);
    primary.wait_for_end();
    let log = primary.log();
    assert!(log.contains("Lagging replica 127.0.0.1:"), "{log}");
    assert!(log.contains("behind master, lag=") && log.contains("state=online."), "{log}");
    assert!(log.contains("0 of 1 replicas are in sync when shutting down."), "{log}");
    replica.resume();
}

#[test]
fn now_waits_for_nobody_and_no_timeout_neither() {
    let (mut primary, replica) = pair(&[("shutdown-timeout", "300")]);
    let asked = send(primary.connect(), &["SHUTDOWN", "NOW"]);
    primary.wait_for_end();
    asked.join().expect("the connection is closed");
    assert!(!primary.log().contains("Waiting for replicas"));
    replica.resume();
    let (mut primary, replica) = pair(&[("shutdown-timeout", "0")]);
    signal(&primary, Signal::TERM);
    primary.wait_for_end();
    assert!(!primary.log().contains("Waiting for replicas"));
    replica.resume();
}

#[test]
fn an_end_is_taken_back_for_all_who_asked() {
    let (primary, replica) = pair(&[("shutdown-timeout", "300")]);
    assert_eq!(primary.refused(&["SHUTDOWN", "ABORT"]), "ERR No shutdown in progress.");
    let asked = [send(primary.connect(), &["SHUTDOWN"]), send(primary.connect(), &["SHUTDOWN"])];
    eventually(TIMEOUT, "both wait", || primary.number("blocked_clients") == 2);
    // Writes wait meanwhile, and go on afterwards.
    let mut writer = primary.connect();
    let written = thread::spawn(move || {
        redis::cmd("SET").arg("meanwhile").arg("1").query::<String>(&mut writer)
    });
    assert_eq!(primary.run::<Option<String>>(&["GET", "meanwhile"]), None);
    let _: String = primary.run(&["SHUTDOWN", "ABORT"]);
    for asked in asked {
        let error = asked.join().expect("a reply");
        assert!(error.contains("Errors trying to SHUTDOWN. Check logs."), "{error}");
    }
    written.join().expect("a thread").expect("it goes on");
    assert_eq!(primary.number("blocked_clients"), 0);
    assert!(!info_has(&primary, "shutdown_in_milliseconds"));
    assert!(primary.log().contains("Shutdown manually aborted."));
    replica.resume();
    replica.wait_for_sync(&primary);
}

#[test]
fn taking_it_back_does_not_end_the_pause_of_another() {
    let (primary, replica) = pair(&[("shutdown-timeout", "300")]);
    let _: String = primary.run(&["CLIENT", "PAUSE", "3600000", "WRITE"]);
    let asked = send(primary.connect(), &["SHUTDOWN"]);
    eventually(TIMEOUT, "it waits", || info_has(&primary, "shutdown_in_milliseconds"));
    let _: String = primary.run(&["SHUTDOWN", "ABORT"]);
    asked.join().expect("a reply");
    let mut writer = primary.connect();
    let written = thread::spawn(move || {
        redis::cmd("SET").arg("paused").arg("1").query::<String>(&mut writer)
    });
    // Whoever comes after the writer is answered, and its key is not there.
    for _ in 0..50 {
        assert_eq!(primary.run::<Option<String>>(&["GET", "paused"]), None);
    }
    let _: String = primary.run(&["CLIENT", "UNPAUSE"]);
    written.join().expect("a thread").expect("it goes on");
    replica.resume();
}

#[test]
fn a_signal_can_be_taken_back_before_the_timer_obeys() {
    let node = Node::start("node", &[("save", "900 1")]);
    let _: String = node.run(&["DEBUG", "PAUSE-CRON", "1"]);
    signal(&node, Signal::TERM);
    eventually(TIMEOUT, "it came", || node.log().contains("Received SIGTERM scheduling shutdown"));
    let _: String = node.run(&["SHUTDOWN", "ABORT"]);
    let _: String = node.run(&["DEBUG", "PAUSE-CRON", "0"]);
    assert_eq!(node.refused(&["SHUTDOWN", "ABORT"]), "ERR No shutdown in progress.");
    assert_eq!(node.run::<String>(&["PING"]), "PONG");
}

#[test]
fn wrong_words_are_refused() {
    let node = Node::start("node", &[]);
    for words in [
        &["SHUTDOWN", "ABORT", "NOW"][..],
        &["SHUTDOWN", "SAVE", "NOSAVE"],
        &["SHUTDOWN", "LATER"],
        &["SHUTDOWN", "NOSAVE", "ABORT"],
    ] {
        assert_eq!(node.refused(words), "ERR syntax error", "{words:?}");
    }
}

#[test]
fn what_cannot_be_saved_refuses_a_signal_unless_it_is_forced() {
    for (how, ends) in [("default", false), ("save", false), ("nosave", true), ("force", true)] {
        let options =
            [("save", "3600 1"), ("shutdown-on-sigterm", how), ("shutdown-on-sigint", how)];
        let mut node = Node::start("node", &options);
        let _: String = node.run(&["SET", "key", "value"]);
        fs::create_dir(node.path("dump.rdb")).expect("a folder in the way");
        if ends {
            signal(&node, Signal::TERM);
            node.wait_for_end();
            let log = node.log();
            assert!(log.contains("Tidemark is now ready to exit"), "{how}: {log}");
            assert_eq!(log.contains("Error trying to save the DB. Exit anyway."), how == "force");
            continue;
        }
        for which in [Signal::TERM, Signal::INT] {
            let refusals = || {
                let log = node.log();
                log.matches("Error trying to save the DB, can't exit.").count()
            };
            let before = refusals();
            signal(&node, which);
            eventually(TIMEOUT, "it is refused", || refusals() > before);
            assert_eq!(node.run::<String>(&["GET", "key"]), "value", "it goes on");
        }
        fs::remove_dir(node.path("dump.rdb")).expect("the folder");
        node.stop();
    }
}

#[test]
fn the_first_base_of_an_append_only_file_puts_a_signal_off_and_refuses_a_client() {
    let mut node = Node::start("node", &[("rdb-key-save-delay", "100000000")]);
    let _: String = node.run(&["SET", "key", "value"]);
    let _: String = node.run(&["CONFIG", "SET", "appendonly", "yes"]);
    signal(&node, Signal::TERM);
    eventually(TIMEOUT, "it is refused", || {
        node.log().contains("Writing initial AOF, can't exit.")
    });
    let _: String = node.run(&["SHUTDOWN", "ABORT"]);
    assert!(node.refused(&["SHUTDOWN"]).contains("Errors trying to SHUTDOWN. Check logs."));
    let forced = send(node.connect(), &["SHUTDOWN", "FORCE"]);
    node.wait_for_end();
    forced.join().expect("the connection is closed");
    assert!(node.log().contains("Writing initial AOF. Exit anyway."));
}

/// A service manager sends SIGTERM once, and then SIGKILL: what came in between would be lost.
#[test]
fn a_signal_that_was_put_off_is_obeyed_when_the_base_is_there() {
    let mut node = Node::start("node", &[("rdb-key-save-delay", "1500000")]);
    let _: String = node.run(&["SET", "key", "value"]);
    let _: String = node.run(&["CONFIG", "SET", "appendonly", "yes"]);
    signal(&node, Signal::TERM);
    eventually(TIMEOUT, "it is put off", || {
        node.log().contains("Writing initial AOF, can't exit.")
    });
    let _: String = node.run(&["SET", "meanwhile", "1"]);
    // That another one is refused does not take the signal back.
    let error = send(node.connect(), &["SHUTDOWN"]).join().expect("a reply");
    assert!(
        error.contains("Errors trying to SHUTDOWN") || node.log().contains("bye bye"),
        "{error}"
    );
    node.wait_for_end();
    assert!(node.log().contains("Tidemark is now ready to exit"), "{}", node.log());
    node.set_option("appendonly", "yes");
    node.set_option("rdb-key-save-delay", "0");
    node.launch();
    let kept = command(&["MGET", "key", "meanwhile"]).query::<Vec<String>>(&mut node.connect());
    assert_eq!(kept.expect("a reply"), ["value", "1"]);
}

/// The child of the node that the system lists first.
fn child_of(node: &Node) -> Option<Pid> {
    let path = format!("/proc/{0}/task/{0}/children", node.pid());
    let children = fs::read_to_string(path).expect("a list of children");
    Pid::from_raw(children.split_whitespace().next()?.parse().expect("a process id"))
}

#[test]
fn a_signal_that_was_put_off_outlives_a_base_that_failed() {
    let mut node = Node::start("node", &[("rdb-key-save-delay", "100000000")]);
    let _: String = node.run(&["SET", "key", "value"]);
    let _: String = node.run(&["CONFIG", "SET", "appendonly", "yes"]);
    signal(&node, Signal::TERM);
    eventually(TIMEOUT, "it is put off", || {
        node.log().contains("Writing initial AOF, can't exit.")
    });
    // The next child is fast.
    let _: String = node.run(&["CONFIG", "SET", "rdb-key-save-delay", "0"]);
    let child = child_of(&node).expect("it writes the base");
    kill_process(child, Signal::KILL).expect("it is there");
    node.wait_for_end();
    assert!(node.log().contains("Tidemark is now ready to exit"), "{}", node.log());
}

#[test]
fn a_terminal_that_hangs_up_ends_nothing() {
    let node = Node::start("node", &[("rdb-key-save-delay", "100000000")]);
    let _: String = node.run(&["SET", "key", "value"]);
    let _: String = node.run(&["BGSAVE"]);
    eventually(TIMEOUT, "a child saves", || child_of(&node).is_some());
    let child = child_of(&node).expect("it saves");
    for sent in [Signal::HUP, Signal::ALARM] {
        signal(&node, sent);
    }
    kill_process(child, Signal::HUP).expect("it is there");
    for _ in 0..3 {
        assert_eq!(node.run::<String>(&["GET", "key"]), "value");
    }
    assert_eq!(node.info("rdb_bgsave_in_progress"), "1");
}

#[test]
fn an_unfinished_snapshot_of_a_child_does_not_stay() {
    let mut node = Node::start("node", &[("rdb-key-save-delay", "100000000")]);
    let _: String = node.run(&["SET", "key", "value"]);
    let _: String = node.run(&["BGSAVE"]);
    let unfinished = || {
        let names = fs::read_dir(node.folder()).expect("a folder");
        let names = names.map(|entry| entry.expect("an entry").file_name());
        names.filter(|name| name.to_string_lossy().starts_with("temp-")).count()
    };
    eventually(TIMEOUT, "it is there", || unfinished() == 1);
    let asked = send(node.connect(), &["SHUTDOWN", "NOSAVE"]);
    asked.join().expect("the connection is closed");
    node.wait_for_end();
    assert!(node.log().contains("There is a child saving an .rdb. Killing it!"));
    let names = fs::read_dir(node.folder()).expect("a folder");
    let names: Vec<_> = names.map(|entry| entry.expect("an entry").file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().starts_with("temp-")), "{names:?}");
}

#[test]
fn an_unfinished_snapshot_for_a_replica_does_not_stay() {
    let options = [("repl-diskless-sync", "no"), ("rdb-key-save-delay", "100000000")];
    let mut primary = Node::start("primary", &options);
    let _: String = primary.run(&["SET", "key", "value"]);
    let replica = Node::start("replica", &[]);
    replica.follow(&primary);
    let unfinished = |node: &Node| {
        let names = fs::read_dir(node.folder()).expect("a folder");
        let names = names.map(|entry| entry.expect("an entry").file_name());
        names.filter(|name| name.to_string_lossy().starts_with("temp-")).count()
    };
    eventually(TIMEOUT, "it is there", || unfinished(&primary) == 1);
    let asked = send(primary.connect(), &["SHUTDOWN", "NOW"]);
    asked.join().expect("the connection is closed");
    primary.wait_for_end();
    assert_eq!(unfinished(&primary), 0);
    assert!(primary.log().contains("0 of 1 replicas are in sync when shutting down."));
}

/// The main thread writes the snapshot and does nothing else: only a signal's handler can end it.
#[test]
fn a_second_interrupt_does_not_wait_for_the_snapshot() {
    let mut node = Node::start("node", &[("save", "900 1"), ("rdb-key-save-delay", "0")]);
    for number in 0..20 {
        let _: String = node.run(&["SET", &format!("key:{number}"), "value"]);
    }
    let _: String = node.run(&["CONFIG", "SET", "rdb-key-save-delay", "100000000"]);
    let temporary = node.path(&format!("temp-{}.rdb", node.pid()));
    signal(&node, Signal::INT);
    eventually(TIMEOUT, "it saves", || temporary.exists());
    // One of the other kind is none.
    signal(&node, Signal::TERM);
    signal(&node, Signal::INT);
    node.wait_for_end();
    assert!(!temporary.exists());
    let log = node.log();
    assert!(log.contains("signal-handler") && log.contains("You insist... exiting now."), "{log}");
    assert!(!log.contains("bye bye"), "{log}");
}

// ---- Pauses

#[test]
fn who_is_held_up_by_a_pause_is_counted_and_who_is_refused_is_not_held_up() {
    let node = Node::start("node", &[]);
    let _: String = node.run(&["SET", "short", "1", "PX", "1"]);
    let _: String = node.run(&["CLIENT", "PAUSE", "3600000", "WRITE"]);
    assert_eq!(node.number("blocked_clients"), 0);
    for words in [&["SET", "key"][..], &["NOSUCH"], &["LPUSH", "key"]] {
        assert!(node.refused(words).starts_with("ERR "), "{words:?}");
    }
    let writers: Vec<_> = (0..3)
        .map(|number: i32| {
            let mut writer = node.connect();
            thread::spawn(move || {
                redis::cmd("SET").arg(number).arg("1").query::<String>(&mut writer)
            })
        })
        .collect();
    eventually(TIMEOUT, "they wait", || node.number("blocked_clients") == 3);
    // Nothing changes meanwhile: what has expired is hidden, and stays.
    eventually(TIMEOUT, "its time has come", || {
        node.run::<Option<String>>(&["GET", "short"]).is_none()
    });
    assert_eq!((node.number("expired_keys"), node.run::<i64>(&["DBSIZE"])), (0, 1));
    let _: String = node.run(&["CLIENT", "UNPAUSE"]);
    for writer in writers {
        writer.join().expect("a thread").expect("it goes on");
    }
    eventually(TIMEOUT, "it is removed", || node.number("expired_keys") == 1);
    assert_eq!((node.number("blocked_clients"), node.run::<i64>(&["DBSIZE"])), (0, 3));
}
