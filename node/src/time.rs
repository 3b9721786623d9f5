//! The time of a turn, as it comes with what has happened.

/// The time at which a turn begins. It stands still while the turn lasts, but for commands behind a long one: see [`engine::time`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// The wall clock, unix milliseconds.
    pub unix_ms: i64,
    /// The steady clock, nanoseconds since some moment, never going back.
    pub steady_ns: u64,
}

impl Now {
    /// The steady clock, milliseconds.
    #[inline]
    pub fn steady_ms(self) -> u64 {
        self.steady_ns / 1_000_000
    }
}
