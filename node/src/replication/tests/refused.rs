//! What a primary sends and we cannot execute: the link stops in front of it, or goes on, and says so.

use crate::event::Event;
use crate::replication::refused::{NAMES_MAX, RefusedCommands};
use crate::testing::pair::Pair;
use engine::refusal::Kind;
use engine::refused::{Refusals, Refused};
use journal::Offset;
use replica::intake::{Executed, Skipped};
use replica::link::Stage;

/// The primary sends these requests, whatever they are.
fn sends(pair: &mut Pair, requests: &[&str]) {
    let mut bytes = Vec::new();
    for request in requests {
        let words: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
        protocol::resp::encode::command(&mut bytes, words.into_iter());
    }
    let attempt = pair.attempt();
    pair.replica.turn(Event::LinkBytes(attempt, &mut bytes));
}

fn figures(pair: &mut Pair) -> [String; 2] {
    ["replica_commands_failed", "replica_commands_unsupported"].map(|name| pair.replica.info(name))
}

#[test]
fn what_fails_for_the_data_is_counted_and_the_link_goes_on() {
    let mut pair = Pair::online();
    let end = pair.replica.node.host.journal.end();
    sends(
        &mut pair,
        &["SET text x", "INCR text", "MULTI", "INCR text", "SET b 1", "EXEC", "SET c 1"],
    );
    assert_eq!(pair.stage(), Some(Stage::Connected));
    assert_eq!(figures(&mut pair), ["2", "0"]);
    assert!(pair.replica.node.host.journal.end() > end);
    let slot = pair.replica.connect();
    assert_eq!(pair.replica.ask(slot, "DBSIZE"), ":3");
}

#[test]
fn in_front_of_what_is_not_known_the_link_stops() {
    for unknown in ["NOSUCH a b", "SET onlykey", "SELECT 99"] {
        let mut pair = Pair::online();
        pair.cut = true;
        sends(&mut pair, &["SET a 1"]);
        let end = pair.replica.node.host.journal.end();
        sends(&mut pair, &[unknown, "SET b 1"]);
        assert_eq!(pair.stage(), Some(Stage::Connect), "{unknown}");
        assert_eq!(pair.replica.node.host.journal.end(), end, "{unknown}");
        let slot = pair.replica.connect();
        assert_eq!(pair.replica.ask(slot, "MGET a b"), "*2 $1 1 $-1");
        assert!(!pair.replica.info("master_link_down_reason").is_empty());
        pair.pump();
        pair.cut = false;
        pair.pass(10_000);
        assert_eq!(pair.stage(), Some(Stage::Connected), "{unknown}");
    }
}

#[test]
fn what_is_not_known_is_left_out_where_that_is_configured() {
    let mut pair = Pair::new(
        |_| (),
        |settings| {
            (settings.replica_ignore_unsupported, settings.appendonly) = (true, true);
        },
    );
    pair.follow();
    pair.pump();
    pair.replica.child_ends();
    let end = pair.replica.node.host.journal.end();
    let requests =
        ["SET a 1", "NOSUCH a b", "MULTI", "SET b 1", "NOSUCH c", "SET c 1", "EXEC", "SET d 1"];
    sends(&mut pair, &requests);
    assert_eq!(pair.stage(), Some(Stage::Connected));
    assert_eq!(figures(&mut pair), ["0", "2"]);
    let lengths: usize = requests
        .iter()
        .map(|request| {
            let mut bytes = Vec::new();
            let words: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
            protocol::resp::encode::command(&mut bytes, words.into_iter());
            bytes.len()
        })
        .sum();
    assert_eq!(pair.replica.node.host.journal.end(), end.after(lengths as u64), "all of it counts");
    let slot = pair.replica.connect();
    assert_eq!(pair.replica.ask(slot, "DBSIZE"), ":4");
    assert_eq!(pair.replica.reloaded_now(), pair.replica.digest(), "the file can be loaded");
}

fn refused(index: usize, name: &str, kind: Kind) -> Refused {
    let (name, text) = (name.to_string(), "ERR no".to_string());
    Refused { index, queued: None, name, kind, text, half_done: false }
}

fn judged(halts: bool, list: Vec<Refused>, more: u64) -> (RefusedCommands, Executed) {
    let mut commands = RefusedCommands::default();
    let mut executed = Executed { count: 10, skipped: Vec::new(), end: Ok(()) };
    let offset = |index| Offset::from_wire(index as u64 * 100).expect("small");
    commands.judge(Refusals { list, more }, halts, offset, &mut executed);
    (commands, executed)
}

#[test]
fn the_first_difference_is_where_it_ends() {
    let list = || {
        vec![
            refused(2, "incr", Kind::State),
            refused(5, "nosuch", Kind::Unknown),
            refused(7, "set", Kind::Shape),
        ]
    };
    let (commands, executed) = judged(true, list(), 3);
    assert_eq!((commands.failed, commands.unsupported, executed.count), (4, 0, 5));
    let end = executed.end.expect_err("it halts");
    assert!(end.text.contains("'nosuch'") && !end.torn, "{}", end.text);
    let (commands, executed) = judged(false, list(), 0);
    assert_eq!((commands.failed, commands.unsupported, executed.count), (1, 2, 10));
    assert!(matches!(executed.skipped[..], [Skipped::Request(5), Skipped::Request(7)]));
    assert!(executed.end.is_ok());
}

#[test]
fn names_are_told_once_and_remembered_up_to_a_bound() {
    let names: Vec<String> = (0..1000).map(|number| format!("name{number}")).collect();
    let list = names.iter().map(|name| refused(0, name, Kind::Unknown)).collect();
    let (commands, _) = judged(false, list, 0);
    assert_eq!((commands.unsupported, commands.told.len()), (1000, NAMES_MAX));
}
