//! What is configured for the primary's side, as plain numbers, and what follows from them alone.

use crate::feed::Pressure;

/// The directives that the machine goes by. Times in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `repl-timeout`.
    pub timeout_ms: u64,
    /// `repl-ping-replica-period`.
    pub ping_period_ms: u64,
    /// `repl-diskless-sync`.
    pub diskless: bool,
    /// `repl-diskless-sync-delay`.
    pub diskless_delay_ms: u64,
    /// `repl-diskless-sync-max-replicas`; 0 is no matter how many.
    pub diskless_max_replicas: usize,
    /// `repl-backlog-size`, bytes.
    pub backlog_bytes: u64,
    /// `repl-backlog-ttl`; 0 is for ever.
    pub backlog_ttl_ms: u64,
    /// `min-replicas-max-lag`.
    pub lag_most_ms: u64,
    /// `client-output-buffer-limit replica`.
    pub output: OutputLimit,
    /// `repl-backpressure-seconds`: for so long of any minute writers may be slowed.
    pub slow_most_ms: u64,
}

/// How much may wait for one replica; 0 is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputLimit {
    /// Never more than this.
    pub hard_bytes: u64,
    /// Not more than this for long.
    pub soft_bytes: u64,
    /// What long is.
    pub soft_ms: u64,
}

impl Settings {
    /// The limits as they hold: what is in the backlog anyway costs nothing.
    pub(super) fn output_limit(&self) -> OutputLimit {
        let at_least = |bytes: u64| if bytes > 0 { bytes.max(self.backlog_bytes) } else { 0 };
        OutputLimit {
            hard_bytes: at_least(self.output.hard_bytes),
            soft_bytes: at_least(self.output.soft_bytes),
            ..self.output
        }
    }

    /// When writers are slowed: from half the soft limit on, as one that is above that for long is given up, too.
    pub(super) fn pressure(&self) -> Pressure {
        let least = self.backlog_bytes;
        let limit = self.output_limit();
        let given = |bytes: u64| if bytes == 0 { u64::MAX } else { bytes };
        let (hard, soft) = (given(limit.hard_bytes), given(limit.soft_bytes));
        // Where there is no limit nobody is given up: the start is as far away then.
        let limit = hard.min(if soft == u64::MAX { hard } else { soft.saturating_mul(4) });
        Pressure { start: (limit / 8).min(soft / 2).max(least), limit }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(backlog_bytes: u64, hard_bytes: u64, soft_bytes: u64) -> Settings {
        Settings {
            timeout_ms: 60_000,
            ping_period_ms: 10_000,
            diskless: true,
            diskless_delay_ms: 5000,
            diskless_max_replicas: 0,
            backlog_bytes,
            backlog_ttl_ms: 3_600_000,
            lag_most_ms: 10_000,
            output: OutputLimit { hard_bytes, soft_bytes, soft_ms: 60_000 },
            slow_most_ms: 10_000,
        }
    }

    #[test]
    fn limits_are_no_less_than_the_backlog() {
        let limit = |backlog, hard, soft| {
            let limit = settings(backlog, hard, soft).output_limit();
            (limit.hard_bytes, limit.soft_bytes)
        };
        assert_eq!(limit(100, 50, 70), (100, 100));
        assert_eq!(limit(100, 500, 200), (500, 200));
        assert_eq!(limit(100, 0, 0), (0, 0), "no limit stays none");
    }

    #[test]
    fn writers_are_slowed_long_before_a_limit() {
        let pressure = |backlog, hard, soft| {
            let pressure = settings(backlog, hard, soft).pressure();
            (pressure.start, pressure.limit)
        };
        assert_eq!(pressure(1, 800, 0), (100, 800));
        assert_eq!(pressure(1, 800, 150), (75, 600), "the soft one is near");
        assert_eq!(pressure(1, 0, 100), (50, 400));
        assert_eq!(pressure(300, 800, 150), (300, 800), "not for what the backlog holds");
        assert_eq!(pressure(1, 0, 0), (u64::MAX / 8, u64::MAX));
    }
}
