//! Tests that an engine's seed and the history of its requests decide every byte that leaves it: replies, pushes, journal.
//!
//! The secret of the process ([`keyspace::hashing`]) is no part of the history. It may show in what an order of hashes is
//! documented to decide (SCAN, KEYS, SMEMBERS of a large set), and nowhere else.

use crate::testing::Server;
use std::fmt::Write;
use std::process::Command;

/// Clients beside the first.
const CLIENTS: usize = 12;

/// What leaves an engine while many clients subscribe, wait, track and watch.
fn history() -> String {
    let mut server = Server::new();
    let clients: Vec<usize> = (0..CLIENTS).map(|_| server.join()).collect();
    let mut told = String::new();
    let mut say = |server: &mut Server, slot: usize, line: &str| {
        let reply = server.run_as(slot, line);
        writeln!(told, "{slot} {line}: {reply}").expect("a string takes all");
        for other in &clients {
            if server.engine.session(*other).is_none() {
                continue;
            }
            let sent = server.sent_to(*other);
            if !sent.is_empty() {
                writeln!(told, "  to {other}: {sent}").expect("a string takes all");
            }
        }
        server.engine.end_tracking_turn();
        writeln!(told, "  journal: {}", server.journal()).expect("a string takes all");
    };
    // Channels come and go.
    for (at, slot) in clients.iter().enumerate() {
        server.engine.session_mut(*slot).expect("in its slot").resp3 = true;
        for n in 0..6 {
            say(&mut server, *slot, &format!("SUBSCRIBE channel:{}", (at * 5 + n * 3) % 40));
            say(&mut server, *slot, &format!("SSUBSCRIBE shard:{}", (at * 7 + n) % 40));
        }
        say(&mut server, *slot, &format!("UNSUBSCRIBE channel:{}", at * 5 % 40));
    }
    say(&mut server, clients[0], "PUBSUB CHANNELS");
    say(&mut server, clients[0], "PUBSUB SHARDCHANNELS");
    say(&mut server, clients[0], "PUBLISH channel:3 text");
    // More keys are tracked than may be.
    server.engine.tracking_table_max = 20;
    for slot in &clients[..4] {
        say(&mut server, *slot, "CLIENT TRACKING on");
        for key in 0..20 {
            say(&mut server, *slot, &format!("GET {slot}:{key}"));
        }
    }
    // Many wait, and all keys change at once.
    for (at, slot) in clients[4..].iter().enumerate() {
        let keys: Vec<_> = (0..5).map(|n| format!("list:{}", (at * 3 + n) % 16)).collect();
        say(&mut server, *slot, &format!("BLPOP {} 0", keys.join(" ")));
    }
    say(&mut server, clients[0], "SELECT 1");
    for n in 0..16 {
        say(&mut server, clients[0], &format!("RPUSH list:{n} a b"));
    }
    say(&mut server, clients[0], "SWAPDB 0 1");
    // Transactions are spoilt by all that goes.
    for slot in &clients[4..] {
        say(&mut server, *slot, "WATCH list:1 list:2 x y");
        say(&mut server, *slot, "MULTI");
    }
    say(&mut server, clients[0], "FLUSHALL");
    for slot in &clients[4..] {
        say(&mut server, *slot, "EXEC");
    }
    // What is drawn comes from the engine's seed.
    say(&mut server, clients[0], "SADD set a b c d e f g h");
    for command in ["SRANDMEMBER set -5", "SPOP set 3", "SPOP set"] {
        say(&mut server, clients[0], command);
    }
    server.engine.disconnect(clients[3]);
    say(&mut server, clients[0], "PUBSUB CHANNELS");
    told
}

#[test]
fn one_seed_and_one_history_give_one_result() {
    assert_eq!(history(), history());
}

/// Says in which process a history is told: under which secret.
const SECRET: &str = "TIDEMARK_TEST_SECRET";

/// What [`history`] is in a process of its own, under a secret of its own.
fn history_elsewhere(secret: &str) -> String {
    let program = std::env::current_exe().expect("tests are a program");
    let output = Command::new(program)
        .args(["--exact", "chance::told_to_another_process", "--nocapture"])
        .env(SECRET, secret)
        .output()
        .expect("a program that runs can be run");
    let text = String::from_utf8(output.stdout).expect("text");
    let begin = text.find("BEGIN\n").unwrap_or_else(|| panic!("told nothing: {text}"));
    text[begin..].split("END\n").next().expect("one part at least").to_owned()
}

/// No test by itself: another one runs it in a process that has hashed nothing yet.
#[test]
fn told_to_another_process() {
    let Ok(secret) = std::env::var(SECRET) else { return };
    let bytes = secret.as_bytes().try_into().expect("as long as a secret");
    keyspace::hashing::seed_hash(bytes);
    println!("BEGIN\n{}END", history());
}

#[test]
fn another_process_with_another_secret_gives_the_same_result() {
    let (one, other) = ("0123456789abcdef", "fedcba9876543210");
    assert_eq!(history_elsewhere(one), history_elsewhere(other));
}
