//! Worlds from fixed seeds: each scenario holds, and a seed is the same world whenever and wherever it is run.

use simulation::run::{Outcome, run};
use simulation::scenario::{SCENARIOS, Scenario};
use simulation::trace::Lines;
use std::process::Command;

fn world(seed: u64, name: &str, seconds: u64) -> Outcome {
    run(seed, Scenario::find(name).expect("a scenario"), seconds, Lines::Off)
}

#[test]
fn each_scenario_holds_and_does_what_it_is_about() {
    for scenario in SCENARIOS {
        let (mut acknowledged, mut acts) = (0, 0);
        for seed in 1..4 {
            let outcome = run(seed, scenario, 10, Lines::Off);
            if let Some(violation) = outcome.violation {
                panic!("seed {seed}, scenario {}: {violation}", scenario.name);
            }
            let figures = outcome.figures;
            acknowledged += figures.acknowledged;
            acts += figures.ends.iter().sum::<u64>() + figures.promotions;
        }
        assert!(acknowledged > 500, "{}: {acknowledged} writes acknowledged", scenario.name);
        let ends = ["kill", "power", "failover", "bit-rot", "mixed"];
        assert!(acts > 0 || !ends.contains(&scenario.name), "{}: nothing happened", scenario.name);
    }
}

#[test]
fn ten_seeds_are_the_same_worlds_twice_with_and_without_lines() {
    for seed in 0..10 {
        let scenario = &SCENARIOS[(seed as usize * 3 + 1) % SCENARIOS.len()];
        let once = run(seed, scenario, 5, Lines::Off);
        let again = run(seed, scenario, 5, Lines::Kept);
        assert_eq!((once.hash, once.figures), (again.hash, again.figures), "{}", scenario.name);
        assert!(once.lines.is_empty() && !again.lines.is_empty());
        assert_ne!(once.hash, run(seed + 100, scenario, 5, Lines::Off).hash);
    }
}

#[test]
fn another_process_has_the_same_worlds() {
    let hashes = || {
        let program = Command::new(env!("CARGO_BIN_EXE_simulate"))
            .args(["--seeds", "0..10", "--seconds", "4", "--scenario", "mixed", "--hashes"])
            .output()
            .expect("it runs");
        assert!(program.status.success());
        let text = String::from_utf8(program.stdout).expect("text");
        let mut lines: Vec<String> =
            text.lines().filter(|line| line.contains(" mixed ")).map(str::to_string).collect();
        lines.sort();
        lines
    };
    let first = hashes();
    assert_eq!(first.len(), 10);
    assert_eq!(first, hashes());
}

#[test]
fn a_wrong_call_is_answered_with_what_there_is() {
    for words in
        [&["--scenario", "nothing"][..], &["--nonsense"], &["--seeds", "5..5"], &["--seed"]]
    {
        let program =
            Command::new(env!("CARGO_BIN_EXE_simulate")).args(words).output().expect("it runs");
        let said = String::from_utf8_lossy(&program.stderr).into_owned();
        assert_eq!(program.status.code(), Some(2), "{words:?}");
        assert!(said.contains("usage") && said.contains("failover"), "{said}");
    }
}

#[test]
fn writes_go_on_in_the_calm() {
    let outcome = world(3, "calm", 10);
    assert!(outcome.violation.is_none() && outcome.figures.acknowledged > 300);
    assert!(outcome.virtual_ns < 20_000_000_000, "they come to rest soon");
}
