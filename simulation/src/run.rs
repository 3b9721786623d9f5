//! A seed from beginning to end.

use crate::around::Figures;
use crate::scenario::Scenario;
use crate::trace::{Lines, Logs, Trace};
use crate::violation::{Invariant, Violation};
use crate::world::World;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// A hash of all that happened.
    pub hash: u64,
    /// Virtual time, nanoseconds.
    pub virtual_ns: u64,
    /// Figures.
    pub figures: Figures,
    /// What must not have happened.
    pub violation: Option<Violation>,
    /// What happened, as far as lines were asked for.
    pub lines: Vec<String>,
}

thread_local! {
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Keeps what panics say for who catches them, instead of printing it. For programs: it is for all threads.
pub fn keep_panics() {
    std::panic::set_hook(Box::new(|info| {
        let text = info.to_string();
        PANIC.with_borrow_mut(|panic| *panic = Some(text));
    }));
}

/// Runs a world of this seed, in which faults last so many seconds.
pub fn run(seed: u64, scenario: &'static Scenario, seconds: u64, lines: Lines) -> Outcome {
    match lines {
        Lines::Off => run_here(seed, scenario, seconds, lines),
        _ => tracing::subscriber::with_default(Logs, || run_here(seed, scenario, seconds, lines)),
    }
}

fn run_here(seed: u64, scenario: &'static Scenario, seconds: u64, lines: Lines) -> Outcome {
    let mut world = World::new(seed, scenario, seconds * 1_000_000_000, Trace::new(lines));
    let ran = catch_unwind(AssertUnwindSafe(|| world.run()));
    if let Err(payload) = ran {
        let said = payload.downcast_ref::<String>().cloned();
        let said = said.or_else(|| payload.downcast_ref::<&str>().map(ToString::to_string));
        let said = PANIC.take().or(said).unwrap_or_else(|| "a panic without words".into());
        let at_ns = world.around.now_ns();
        world.around.violation =
            Some(Violation { invariant: Invariant::Asserts, at_ns, found: said });
    }
    let virtual_ns = world.around.now_ns();
    world.around.trace.log(virtual_ns, 0);
    let lines = world.around.trace.take_lines().collect();
    let (figures, hash) = (world.around.figures, world.around.trace.hash());
    let violation = world.around.violation.take();
    // Destructors of a world that has panicked may find it half changed.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(world)));
    Outcome { hash, virtual_ns, figures, violation, lines }
}
