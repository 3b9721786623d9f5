//! How much happens per second, measured once a second.

use crate::eventloop;
use crate::node::Outside;
use engine::Engine;

/// Of the last second.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rates {
    /// Commands.
    pub commands: u64,
    /// Bytes from clients and from the primary.
    pub input_bytes: u64,
    /// Bytes to clients and replicas.
    pub output_bytes: u64,
    /// Bytes from the primary.
    pub repl_input_bytes: u64,
    /// Bytes to replicas.
    pub repl_output_bytes: u64,
    /// Cycles of the event loop.
    pub cycles: u64,
    /// The time that one took, on average, microseconds.
    pub cycle_us: u64,
    totals: [u64; 7],
}

impl Outside {
    /// Takes the difference to the last second.
    pub fn measure_rates(&mut self, engine: &Engine) {
        let eventloop = eventloop::figures();
        let now = [
            engine.stats.commands,
            self.stats.all_input_bytes(),
            self.stats.output_bytes,
            self.stats.repl_input_bytes,
            self.stats.repl_output_bytes,
            eventloop.cycles,
            eventloop.busy_ns,
        ];
        let before = self.rates.totals;
        // CONFIG RESETSTAT lets totals begin anew.
        let [commands, input_bytes, output_bytes, repl_input_bytes, repl_output_bytes, cycles, ns] =
            std::array::from_fn(|at| now[at].checked_sub(before[at]).unwrap_or(now[at]));
        self.rates = Rates {
            commands,
            input_bytes,
            output_bytes,
            repl_input_bytes,
            repl_output_bytes,
            cycles,
            cycle_us: ns / 1000 / cycles.max(1),
            totals: now,
        };
    }
}
