//! When a replica tries again: at once after a link that worked, then ever more seldom.
//!
//! ```text
//! lost after it had worked for a while:    0 s, 1 s, 2 s, 2 s …
//! the primary is not there:                1 s, 1 s, 2 s, 2 s …
//! a failure that is bound to repeat:       1 s, 1 s, 2 s, 4 s … 60 s, 60 s …
//! ```
//!
//! What is bound to repeat (bytes that are no commands, a command that cannot be executed, a disk that takes no snapshot)
//! costs the primary a fork or a part of its backlog each time, so it is tried seldom. A network that fails costs nothing, and a
//! primary that comes back should not wait long for its replicas.

/// A link that worked for so long before the network failed makes what failed before it forgotten, milliseconds.
pub const WORKED_MS: u64 = 1_000;
/// The same for one that ended by a failure that is bound to repeat: it may take a while to come again.
pub const SETTLED_MS: u64 = 10_000;
/// The longest delay after a failure of the network or of the other side, milliseconds.
pub const NETWORK_MOST_MS: u64 = 2_000;
/// The longest delay after a failure that is bound to repeat, milliseconds.
pub const REPEATING_MOST_MS: u64 = 60_000;
/// The first delay, milliseconds.
const FIRST_MS: u64 = 1_000;

/// What kind of failure ended an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The connection, or the other side for now.
    Network,
    /// The next attempt will probably fail in the same way.
    Repeating,
}

/// How often attempts have failed lately.
#[derive(Clone, Copy, Debug, Default)]
pub struct Retry {
    failures: u32,
}

impl Retry {
    /// An attempt has ended; the link carried the stream for `up_ms` milliseconds. Returns after how many milliseconds the
    /// next one may begin.
    pub fn after(&mut self, cause: Cause, up_ms: Option<u64>) -> u64 {
        let settled = match cause {
            Cause::Network => WORKED_MS,
            Cause::Repeating => SETTLED_MS,
        };
        if up_ms.is_some_and(|up| up >= settled) {
            self.failures = 0;
        }
        let first = self.failures == 0;
        self.failures = self.failures.saturating_add(1);
        if first && up_ms.is_some() && cause == Cause::Network {
            return 0;
        }
        // The attempt at once after a lost link counts as none.
        let doublings = if first { 0 } else { self.failures - 2 };
        let most = match cause {
            Cause::Network => NETWORK_MOST_MS,
            Cause::Repeating => REPEATING_MOST_MS,
        };
        FIRST_MS.saturating_mul(1 << doublings.min(16)).min(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Cause::{Network, Repeating};

    fn delays(cause: Cause, up_ms: Option<u64>, count: usize) -> Vec<u64> {
        let mut retry = Retry::default();
        (0..count).map(|_| retry.after(cause, up_ms)).collect()
    }

    #[test]
    fn delays_grow_up_to_their_most() {
        assert_eq!(delays(Network, Some(0), 6), [0, 1000, 2000, 2000, 2000, 2000]);
        assert_eq!(delays(Network, None, 6), [1000, 1000, 2000, 2000, 2000, 2000]);
        let repeating = [1000, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000];
        assert_eq!(delays(Repeating, Some(5), 9), repeating);
        assert_eq!(delays(Repeating, None, 9), repeating);
        assert_eq!(delays(Repeating, None, 100)[99], REPEATING_MOST_MS);
    }

    #[test]
    fn a_link_that_worked_starts_anew() {
        let mut retry = Retry::default();
        (0..20).for_each(|_| assert!(retry.after(Repeating, Some(SETTLED_MS - 1)) > 0));
        assert!(retry.after(Network, Some(WORKED_MS - 1)) > 0);
        assert_eq!(retry.after(Network, Some(WORKED_MS)), 0);
        assert_eq!(retry.after(Network, Some(WORKED_MS)), 0);
        assert_eq!(retry.after(Network, Some(0)), 1000);
    }

    /// Whatever fails, and however long links hold in between, a minute sees few attempts.
    #[test]
    fn attempts_per_minute_are_bounded() {
        for up in [None, Some(0), Some(50), Some(900)] {
            for causes in [[Network, Network], [Network, Repeating], [Repeating, Repeating]] {
                let (mut retry, mut now, mut attempts) = (Retry::default(), 0, 0);
                while now < 60_000 {
                    now += up.unwrap_or(0) + retry.after(causes[attempts % 2], up);
                    attempts += 1;
                }
                assert!(attempts <= 33, "{attempts} in a minute: {causes:?}, up for {up:?}");
            }
        }
    }
}
