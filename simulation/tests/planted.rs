//! Mistakes that are planted are found, each within a stated number of seeds.
#![cfg(feature = "planted")]

use journal::planted::{Fault, plant};
use simulation::run::run;
use simulation::scenario::Scenario;
use simulation::trace::Lines;
use simulation::violation::Invariant;

/// Each mistake: in which scenario it shows, within how many seeds, and by which of the invariants.
const CASES: &[(Fault, &str, u64, &[Invariant])] = &[
    (Fault::ReplyBeforeFsync, "calm", 20, &[Invariant::Durable]),
    (Fault::FsyncLeftOut, "calm", 20, &[Invariant::Durable]),
    (Fault::DecisionOffByOne, "network", 20, &[Invariant::Partial]),
    (Fault::SelectMissing, "care", 120, &[Invariant::Prefix, Invariant::Kept, Invariant::Equal]),
    (Fault::ReplicaExpires, "clocks", 60, &[Invariant::Equal, Invariant::Asserts]),
    (Fault::SecondHistoryTooFar, "failover", 20, &[Invariant::Partial]),
    (Fault::BacklogDropped, "failover", 20, &[Invariant::Partial]),
    (Fault::NamedBeforeFsync, "power", 120, &[Invariant::Prefix, Invariant::Kept]),
];

#[test]
fn each_planted_mistake_is_found_within_so_many_seeds() {
    assert!(Fault::ALL.iter().all(|fault| CASES.iter().any(|case| case.0 == *fault)));
    for (fault, name, most, invariants) in CASES {
        let scenario = Scenario::find(name).expect("a scenario");
        plant(Some(*fault));
        let found = (1..=*most).find_map(|seed| {
            let outcome = run(seed, scenario, 20, Lines::Off);
            outcome.violation.map(|violation| (seed, violation))
        });
        plant(None);
        let Some((seed, violation)) = found else {
            panic!("{fault:?} is not found in {most} seeds")
        };
        println!("{fault:?}: seed {seed} of at most {most}: {violation}");
        assert!(invariants.contains(&violation.invariant), "{fault:?}: {violation}");
    }
}
