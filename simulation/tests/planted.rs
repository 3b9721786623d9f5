//! Mistakes that are planted are found, each within a stated number of seeds.
#![cfg(feature = "planted")]

use journal::planted::{Fault, plant};
use simulation::run::run;
use simulation::scenario::Scenario;
use simulation::trace::Lines;
use simulation::violation::Invariant;

/// Each mistake: in which scenario it shows, within how many seeds, and by which of the invariants.
#[rustfmt::skip]
const CASES: &[(Fault, &str, u64, &[Invariant])] = &[
    (Fault::ReplyBeforeFsync, "calm", 20, &[Invariant::Durable]),
    (Fault::FsyncLeftOut, "calm", 20, &[Invariant::Durable]),
    (Fault::ReceiptLeftOut, "calm", 20, &[Invariant::Durable]),
    (Fault::DecisionOffByOne, "network", 20, &[Invariant::Partial]),
    (Fault::SecondHistoryTooFar, "failover", 20, &[Invariant::Partial]),
    (Fault::BacklogDropped, "failover", 20, &[Invariant::Partial]),
    (Fault::NameKept, "failover", 20, &[Invariant::Stream, Invariant::Partial]),
    (Fault::SelectMissing, "kill", 60, &[Invariant::Prefix, Invariant::Kept, Invariant::Equal]),
    (Fault::DatabaseForgotten, "chain", 60, &[Invariant::Equal, Invariant::Stream]),
    (Fault::OldBlocksFound, "chain", 20, &[Invariant::Asserts]),
    (Fault::TrimmedBelowCursor, "pause", 60, &[Invariant::Asserts]),
    (Fault::HalfTransaction, "network", 20, &[Invariant::Stream, Invariant::Equal]),
    (Fault::TransferCutShort, "network", 90, &[Invariant::Stream, Invariant::Equal]),
    (Fault::PingTwice, "network", 20, &[Invariant::Asserts]),
    (Fault::SentIsAcknowledged, "network", 20, &[Invariant::Kept]),
    (Fault::ReplicaExpires, "clocks", 60, &[Invariant::Equal, Invariant::Asserts]),
    (Fault::WatchKeptBySync, "failover", 60, &[Invariant::Kept]),
    (Fault::WatchKeptByReload, "care", 20, &[Invariant::Kept]),
    (Fault::NamedBeforeFsync, "power", 120, &[Invariant::Prefix, Invariant::Kept]),
    (Fault::ManifestBeforeBase, "kill", 90, &[Invariant::Prefix]),
    (Fault::RewriteLosesTail, "kill", 20, &[Invariant::Kept, Invariant::Prefix]),
    (Fault::TornTailLeft, "power", 60, &[Invariant::Prefix]),
    (Fault::FileNotBegunAnew, "kill", 20, &[Invariant::Prefix, Invariant::Kept]),
];

#[test]
fn each_planted_mistake_is_found_within_so_many_seeds() {
    assert!(Fault::ALL.iter().all(|fault| CASES.iter().any(|case| case.0 == *fault)));
    let mut wrong = Vec::new();
    for (fault, name, most, invariants) in CASES {
        let scenario = Scenario::find(name).expect("a scenario");
        plant(Some(*fault));
        let found = (1..=*most).find_map(|seed| {
            let outcome = run(seed, scenario, 20, Lines::Off);
            outcome.violation.map(|violation| (seed, violation))
        });
        plant(None);
        match found {
            Some((seed, violation)) => {
                println!("{fault:?}: seed {seed} of at most {most}: {violation}");
                if !invariants.contains(&violation.invariant) {
                    wrong.push(format!("{fault:?}, seed {seed}: {violation}"));
                }
            }
            None => wrong.push(format!("{fault:?} is not found in {most} seeds")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
