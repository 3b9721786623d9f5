//! Scripts that have paused while a full sync goes on: no script outlives the interpreter that it runs in, and none is cut
//! off from its data (CVE-2026-23631).

use crate::testing::bench::Bench;
use crate::testing::pair::Pair;
use protocol::resp::encode;

/// A library whose function takes its time, and says what has changed meanwhile.
fn library(name: &str) -> String {
    format!(
        "#!lua name={name}
        local text
        redis.register_function('{name}', function(keys, args)
            text = string.rep('x', 1000)
            local before = redis.call('dbsize')
            for i = 1, 300000 do text = text end
            return {{redis.call('dbsize') - before, #text}}
        end)"
    )
}

fn say(bench: &mut Bench, slot: usize, words: &[&str]) {
    let mut bytes = Vec::new();
    encode::command(&mut bytes, words.iter().map(|word| word.as_bytes()));
    bench.say_bytes(slot, &bytes);
}

fn load(bench: &mut Bench, name: &str) {
    let slot = bench.connect();
    say(bench, slot, &["FUNCTION", "LOAD", &library(name)]);
    assert_eq!(bench.hear(slot), format!("$3 {name}"));
    bench.hang_up(slot);
}

/// A pair in which both have data and a library of their own; the second takes writes, and is about to follow.
fn strangers() -> Pair {
    let mut pair = Pair::new(|_| (), |settings| settings.replica_read_only = false);
    let (one, other) = (pair.primary.connect(), pair.replica.connect());
    for number in 0..300 {
        pair.primary.ask(one, &format!("SET key:{number} {number}"));
    }
    pair.replica.ask(other, "SET own 1");
    load(&mut pair.primary, "new");
    load(&mut pair.replica, "old");
    assert_eq!(pair.replica.ask(other, "CONFIG SET busy-reply-threshold 1"), "+OK");
    pair.replica.outer().tick_step_ns = 2_000_000;
    pair
}

/// Whether a script has paused, after one was called that takes long.
fn pauses(pair: &mut Pair, slot: usize, words: &[&str]) -> bool {
    pair.replica.holds_react = true;
    say(&mut pair.replica, slot, words);
    pair.replica.node.engine.is_paused_in_script()
}

/// The script goes on, to its end if nobody ends it.
fn release(pair: &mut Pair) {
    pair.replica.holds_react = false;
    pair.replica.turn(crate::event::Event::React);
    assert!(!pair.replica.node.engine.is_paused_in_script());
    pair.replica.outer().tick_step_ns = 0;
}

fn functions(bench: &mut Bench) -> String {
    let slot = bench.connect();
    let text = bench.ask(slot, "FUNCTION LIST WITHCODE");
    bench.hang_up(slot);
    text
}

/// Lets a script pause after each number of steps that a full sync takes, and the sync go on as far as it can.
fn at_each_step(words: &[&str], mut meanwhile: impl FnMut(&mut Pair), said: &str) -> usize {
    let mut paused = 0;
    for steps in 0.. {
        let mut pair = strangers();
        pair.follow();
        let all_taken = (0..steps).all(|_| pair.step());
        let slot = pair.replica.connect();
        if pauses(&mut pair, slot, words) {
            pair.pump();
            assert!(pair.replica.node.engine.is_paused_in_script(), "after {steps} steps");
            meanwhile(&mut pair);
            release(&mut pair);
            assert_eq!(pair.replica.hear(slot), said, "after {steps} steps");
            paused += 1;
        }
        pair.replica.holds_react = false;
        pair.pump();
        pair.pass(5000);
        pair.expect_online();
        let there = functions(&mut pair.replica);
        assert!(there.contains("$3 new") && !there.contains("$3 old"), "{there}");
        assert_eq!(there, functions(&mut pair.primary));
        if !all_taken {
            assert!(steps > 15, "{steps} steps are no sync");
            return paused;
        }
    }
    unreachable!("a sync ends")
}

#[test]
fn a_full_sync_waits_for_a_function_at_any_step() {
    let paused = at_each_step(&["FCALL", "old", "0"], |_| (), "*2 :0 :1000");
    assert!(paused >= 10, "{paused}");
}

#[test]
fn a_full_sync_waits_for_a_script_at_any_step() {
    let script =
        "local n = redis.call('dbsize') for i = 1, 300000 do end return redis.call('dbsize') - n";
    let paused = at_each_step(&["EVAL", script, "0"], |_| (), ":0");
    assert!(paused >= 10, "{paused}");
}

#[test]
fn a_script_that_is_killed_during_a_full_sync_leaves_nothing() {
    let kill = |pair: &mut Pair| {
        let slot = pair.replica.connect();
        assert_eq!(pair.replica.ask(slot, "SCRIPT KILL"), "+OK");
    };
    let script = "while true do end";
    let paused = at_each_step(
        &["EVAL", script, "0"],
        kill,
        "-ERR Script killed by user with SCRIPT KILL... script: 694a5fe1ddb97a4c6a1bf299d9537c7d3d0f84e7, on @user_script:1.",
    );
    assert!(paused >= 10, "{paused}");
}
