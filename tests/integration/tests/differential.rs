//! Random requests to us and to real Redis: replies and data are the same.

use integration::differential::contest::{self, Contest};
use integration::{Node, Peer};
use std::collections::BTreeSet;

/// Requests of each run, and the seeds: together they choose both protocols, and small and usual limits of packed forms.
const REQUESTS: u64 = 8000;
/// Requests between two comparisons of all data.
const BETWEEN_DIGESTS: u64 = 500;
const SEEDS: [u64; 4] = [1, 2, 3, 4];

fn from_environment(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}: {text} is no number")))
}

fn run(seed: u64) {
    // Further peers are of other versions, which say other things.
    let peer = &Peer::all()[0];
    let count = from_environment("TIDEMARK_DIFFERENTIAL_COMMANDS").unwrap_or(REQUESTS);
    let seed = from_environment("TIDEMARK_DIFFERENTIAL_SEED").map_or(seed, |base| base + seed - 1);
    let interval = from_environment("TIDEMARK_DIFFERENTIAL_INTERVAL").unwrap_or(BETWEEN_DIGESTS);
    let report = Contest::new(peer, seed).run(peer, count, interval);
    println!(
        "seed {seed}: {} requests, {} refused, {} transactions, data compared {} times, {} differences explained",
        report.requests, report.errors, report.transactions, report.digests, report.known
    );
    assert!(
        report.differences.is_empty(),
        "{} differences\n{}",
        report.differences.len(),
        report.differences.join("\n\n")
    );
    assert!(report.errors * 2 < report.requests, "most requests are sound: {report:?}");
}

#[test]
fn resp2_with_usual_limits() {
    run(SEEDS[0]);
}

#[test]
fn resp3_with_small_limits() {
    run(SEEDS[1]);
}

#[test]
fn resp3_with_usual_limits() {
    run(SEEDS[2]);
}

#[test]
fn resp2_with_small_limits() {
    run(SEEDS[3]);
}

#[test]
fn every_data_command_is_sent() {
    let node = Node::start("ours", &[]);
    let covered = contest::covered();
    let mut missing = BTreeSet::new();
    for category in [
        "keyspace",
        "string",
        "bitmap",
        "hyperloglog",
        "list",
        "hash",
        "set",
        "sortedset",
        "geo",
        "stream",
        "transaction",
    ] {
        let names: Vec<String> = node.run(&["COMMAND", "LIST", "FILTERBY", "ACLCAT", category]);
        missing.extend(
            names.into_iter().filter(|name| !name.contains('|') && !covered.contains(name)),
        );
    }
    assert!(missing.is_empty(), "no request is made of {missing:?}");
}
