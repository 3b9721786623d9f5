//! How much happens per second, measured once a second.

use crate::node::Outside;
use engine::Engine;

/// Of the last second.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rates {
    /// Commands.
    pub commands: u64,
    /// Bytes from clients.
    pub input_bytes: u64,
    /// Bytes to clients.
    pub output_bytes: u64,
    totals: [u64; 3],
}

impl Outside {
    /// Takes the difference to the last second.
    pub fn measure_rates(&mut self, engine: &Engine) {
        let now = [engine.stats.commands, self.stats.input_bytes, self.stats.output_bytes];
        let before = self.rates.totals;
        let difference = |index: usize| now[index].saturating_sub(before[index]);
        self.rates = Rates {
            commands: difference(0),
            input_bytes: difference(1),
            output_bytes: difference(2),
            totals: now,
        };
    }
}
