//! `simulate [--seed N | --seeds A..B] [--minutes M] [--scenario NAME] [--seconds S] [--trace] [--hashes]`: runs worlds.
//!
//! A world is one thread; several run side by side. The first violation ends all of them.
//!
//! Exit code: 0 nothing was violated, 1 something was, 2 wrong usage.

use simulation::run::{Outcome, keep_panics, run};
use simulation::scenario::{SCENARIOS, Scenario};
use simulation::trace::Lines;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

/// Virtual seconds of load and faults in each world.
const SECONDS: u64 = 60;

/// What is asked for.
struct Call {
    seeds: std::ops::Range<u64>,
    minutes: Option<u64>,
    scenario: Option<&'static Scenario>,
    seconds: u64,
    trace: bool,
    hashes: bool,
    goes_on: bool,
}

fn usage() -> String {
    let mut text = String::from(
        "usage: simulate [--seed N | --seeds A..B] [--minutes M] [--scenario NAME] [--seconds S] [--trace] [--hashes] [--go-on]\n\
         scenarios:\n",
    );
    for scenario in SCENARIOS {
        text += &format!("  {:<10} {}\n", scenario.name, scenario.about);
    }
    text
}

fn number(name: &str, word: Option<String>) -> Result<u64, String> {
    let word = word.ok_or_else(|| format!("{name} needs a number"))?;
    word.parse().map_err(|_| format!("{name} needs a number, not {word}"))
}

fn parse(words: impl IntoIterator<Item = String>) -> Result<Call, String> {
    let mut call = Call {
        seeds: 1..33,
        minutes: None,
        scenario: None,
        seconds: SECONDS,
        trace: false,
        hashes: false,
        goes_on: false,
    };
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--seed" => {
                let seed = number("--seed", words.next())?;
                call.seeds = seed..seed.saturating_add(1);
            }
            "--seeds" => {
                let range = words.next().unwrap_or_default();
                let ends = range.split_once("..").and_then(|(from, to)| {
                    Some((from.parse::<u64>().ok()?, to.parse::<u64>().ok()?))
                });
                let (from, to) = ends
                    .filter(|(from, to)| from < to)
                    .ok_or_else(|| format!("--seeds needs A..B with A below B, not {range}"))?;
                call.seeds = from..to;
            }
            "--minutes" => call.minutes = Some(number("--minutes", words.next())?),
            "--seconds" => call.seconds = number("--seconds", words.next())?.clamp(1, 100_000),
            "--scenario" => {
                let name = words.next().unwrap_or_default();
                let found = Scenario::find(&name);
                call.scenario =
                    Some(found.ok_or_else(|| format!("there is no scenario {name:?}"))?);
            }
            "--trace" => call.trace = true,
            "--hashes" => call.hashes = true,
            "--go-on" => call.goes_on = true,
            other => return Err(format!("unknown option {other}")),
        }
    }
    Ok(call)
}

/// The mix that a seed stands for, if none is asked for.
fn scenario_of(call: &Call, seed: u64) -> &'static Scenario {
    call.scenario.unwrap_or(&SCENARIOS[(seed % SCENARIOS.len() as u64) as usize])
}

fn report(call: &Call, seed: u64, outcome: &Outcome) {
    let scenario = scenario_of(call, seed);
    let Some(violation) = &outcome.violation else { return };
    // It is the same run, with lines.
    let again = run(seed, scenario, call.seconds, Lines::Kept);
    println!("\nseed {seed}, scenario {}: violated: {violation}", scenario.name);
    println!("what happened last, of all nodes by time:");
    again.lines.iter().for_each(|line| println!("{line}"));
    println!(
        "violated: {violation}\nreplay: scripts/simulate --seed {seed} --scenario {} --seconds {} --trace",
        scenario.name, call.seconds
    );
    if again.hash != outcome.hash {
        println!("the second run was another one: the simulation is not deterministic");
    }
}

#[derive(Default)]
struct Totals {
    runs: AtomicU64,
    virtual_ms: AtomicU64,
    events: AtomicU64,
    acknowledged: AtomicU64,
    violations: AtomicU64,
    stops: AtomicBool,
}

fn work(call: &Call, next: &AtomicU64, totals: &Totals, printing: &Mutex<()>) {
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        let is_over = call.minutes.is_none() && seed >= call.seeds.end;
        if is_over || totals.stops.load(Ordering::Relaxed) {
            return;
        }
        let scenario = scenario_of(call, seed);
        let lines = if call.trace { Lines::All } else { Lines::Off };
        let outcome = run(seed, scenario, call.seconds, lines);
        totals.runs.fetch_add(1, Ordering::Relaxed);
        totals.virtual_ms.fetch_add(outcome.virtual_ns / 1_000_000, Ordering::Relaxed);
        totals.events.fetch_add(outcome.figures.events, Ordering::Relaxed);
        totals.acknowledged.fetch_add(outcome.figures.acknowledged, Ordering::Relaxed);
        let _one_at_a_time = printing.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        outcome.lines.iter().for_each(|line| println!("{line}"));
        if call.hashes {
            println!("{seed} {} {:016x} {:?}", scenario.name, outcome.hash, outcome.figures);
        }
        if outcome.violation.is_some() {
            totals.violations.fetch_add(1, Ordering::Relaxed);
            totals.stops.fetch_or(!call.goes_on, Ordering::Relaxed);
            report(call, seed, &outcome);
        }
    }
}

fn main() -> ExitCode {
    let call = match parse(std::env::args().skip(1)) {
        Ok(call) => call,
        Err(error) => {
            eprint!("simulate: {error}\n{}", usage());
            return ExitCode::from(2);
        }
    };
    keep_panics();
    keyspace::hashing::seed_hash(b"the same for all");
    let (next, totals, printing) =
        (AtomicU64::new(call.seeds.start), Totals::default(), Mutex::new(()));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let is_one = call.seeds.end - call.seeds.start == 1 && call.minutes.is_none();
    let workers = if is_one { 1 } else { cores };
    std::thread::scope(|scope| {
        let (ends, ended) = std::sync::mpsc::channel::<()>();
        for _ in 0..workers {
            let ends = ends.clone();
            let (call, next, totals, printing) = (&call, &next, &totals, &printing);
            scope.spawn(move || {
                work(call, next, totals, printing);
                drop(ends);
            });
        }
        drop(ends);
        let most = call.minutes.map_or(Duration::MAX, |minutes| Duration::from_secs(60 * minutes));
        // Nothing is ever sent: the last one who ends hangs up.
        if ended.recv_timeout(most) == Err(RecvTimeoutError::Timeout) {
            totals.stops.store(true, Ordering::Relaxed);
        }
    });
    let violations = totals.violations.into_inner();
    println!(
        "{} worlds, {} virtual seconds on {workers} threads, {} events, {} writes acknowledged, {violations} violations",
        totals.runs.into_inner(),
        totals.virtual_ms.into_inner() / 1000,
        totals.events.into_inner(),
        totals.acknowledged.into_inner(),
    );
    if violations > 0 { ExitCode::from(1) } else { ExitCode::SUCCESS }
}
