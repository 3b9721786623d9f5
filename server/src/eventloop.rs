//! How busy the main thread is: from the moment when it wakes to the one when it has nothing left to do is a cycle. One in
//! which the node had no turn is none: the runtime may wake a little before a timer is due.
//!
//! ```text
//! waits ─► woke ─► turns of connections, timers, flusher ─► parks ─► waits
//!           ╰───────────────── one cycle ──────────────────╯
//! ```
//!
//! The runtime tells when it parks. Under full load it never does, and a cycle is long; so the cycle of now is part of all
//! that is told here.

use crate::clock;
use node::world::LoopFigures;
use std::cell::Cell;

struct Loop {
    figures: Cell<LoopFigures>,
    woke_ns: Cell<u64>,
    /// Commands executed in all, now and when the cycle began.
    commands: Cell<u64>,
    commands_before: Cell<u64>,
    /// The node had a turn in this cycle.
    turned: Cell<bool>,
}

thread_local! {
    static LOOP: Loop = const {
        Loop {
            figures: Cell::new(LoopFigures {
                cycles: 0, busy_ns: 0, longest_ns: 0, most_commands: 0, append_ns: 0, timer_ns: 0, turns_held: 0,
            }),
            woke_ns: Cell::new(0),
            commands: Cell::new(0),
            commands_before: Cell::new(0),
            turned: Cell::new(false),
        }
    };
}

impl Loop {
    /// The figures with the cycle of now.
    fn with_present(&self) -> LoopFigures {
        let took = clock::monotonic_ns().saturating_sub(self.woke_ns.get());
        let commands = self.commands.get().saturating_sub(self.commands_before.get());
        let figures = self.figures.get();
        LoopFigures {
            cycles: figures.cycles + u64::from(self.turned.get()),
            busy_ns: figures.busy_ns + took,
            longest_ns: figures.longest_ns.max(took),
            most_commands: figures.most_commands.max(commands),
            ..figures
        }
    }
}

/// The thread goes on.
pub fn woke() {
    LOOP.with(|l| {
        l.woke_ns.set(clock::monotonic_ns());
        l.commands_before.set(l.commands.get());
        l.turned.set(false);
    });
}

/// The thread has nothing left to do.
pub fn parks() {
    LOOP.with(|l| l.figures.set(l.with_present()));
}

/// The node had a turn; so many commands were executed in all.
#[inline]
pub fn note_turn(commands: u64) {
    LOOP.with(|l| {
        l.commands.set(commands);
        l.turned.set(true);
    });
}

/// The replies of a turn are held.
pub fn note_held() {
    LOOP.with(|l| {
        let figures = l.figures.get();
        l.figures.set(LoopFigures { turns_held: figures.turns_held + 1, ..figures });
    });
}

/// Does something, and counts its time as that of handing the journal to the disk.
pub fn append<T>(work: impl FnOnce() -> T) -> T {
    timed(work, |figures, ns| figures.append_ns += ns)
}

/// Does something, and counts its time as the timer's.
pub fn timer<T>(work: impl FnOnce() -> T) -> T {
    timed(work, |figures, ns| figures.timer_ns += ns)
}

fn timed<T>(work: impl FnOnce() -> T, add: fn(&mut LoopFigures, u64)) -> T {
    let start = clock::monotonic_ns();
    let result = work();
    LOOP.with(|l| {
        let mut figures = l.figures.get();
        add(&mut figures, clock::monotonic_ns().saturating_sub(start));
        l.figures.set(figures);
    });
    result
}

/// The figures of now.
pub fn figures() -> LoopFigures {
    LOOP.with(Loop::with_present)
}

/// Begins to count anew.
pub fn reset() {
    LOOP.with(|l| l.figures.set(LoopFigures::default()));
    woke();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cycle_is_counted_with_its_commands_and_its_parts() {
        reset();
        note_turn(10);
        assert_eq!(timer(|| 7), 7);
        parks();
        woke();
        parks();
        woke();
        note_turn(13);
        append(|| ());
        let now = figures();
        assert_eq!((now.cycles, now.most_commands), (2, 10));
        assert!(now.busy_ns >= now.timer_ns + now.append_ns && now.longest_ns <= now.busy_ns);
        reset();
        assert_eq!((figures().cycles, figures().most_commands), (0, 0));
    }
}
