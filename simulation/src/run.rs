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
    catch(&mut world, World::run);
    let virtual_ns = world.around.now_ns();
    world.around.trace.log(virtual_ns, 0);
    let lines = world.around.trace.take_lines().collect();
    let (figures, hash) = (world.around.figures, world.around.trace.hash());
    let violation = world.around.violation.take();
    // Destructors of a world that has panicked may find it half changed.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(world)));
    Outcome { hash, virtual_ns, figures, violation, lines }
}

/// Lets something happen to a world. If it panics, that is what was violated.
fn catch(world: &mut World, happens: impl FnOnce(&mut World)) {
    let Err(payload) = catch_unwind(AssertUnwindSafe(|| happens(world))) else { return };
    let said = payload.downcast_ref::<String>().cloned();
    let said = said.or_else(|| payload.downcast_ref::<&str>().map(ToString::to_string));
    let found = PANIC.take().or(said).unwrap_or_else(|| "a panic without words".into());
    let (invariant, at_ns) = (Invariant::Asserts, world.around.now_ns());
    world.around.violation = Some(Violation { invariant, at_ns, found });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assertion_that_fails_is_a_violation() {
        let scenario = Scenario::find("calm").expect("a scenario");
        let mut world = World::new(1, scenario, 1_000_000_000, Trace::new(Lines::Off));
        catch(&mut world, World::run);
        assert_eq!(world.around.violation, None);
        catch(&mut world, |world| assert_eq!(world.machines.len(), 99, "so many machines"));
        let found = world.around.violation.expect("it is found");
        assert_eq!(found.invariant, Invariant::Asserts);
        assert!(found.found.contains("so many machines"), "{found}");
    }
}
