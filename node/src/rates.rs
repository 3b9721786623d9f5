//! How much happens per second, measured once a second.

use crate::figures::Rates;
use crate::node::Outside;
use engine::Engine;

impl Outside {
    /// Takes the difference to the last second.
    pub fn measure_rates(&mut self, engine: &Engine) {
        let eventloop = self.world.loop_figures();
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
