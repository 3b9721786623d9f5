//! Which keys to give up when memory is short: how recently or often they were used, and choosing the worst of a few.
//!
//! Exact order would need a list through all keys. As Redis does, a few keys are sampled at a time and the worst seen so
//! far are remembered in a small pool: with 5 samples each the result is close to the exact order.
//!
//! ```text
//! access clock (24 bits)   by recency:    | seconds, 24                  |
//!                          by frequency:  | minutes, 16 | counter, 8     |
//! ```
//!
//! The counter of uses grows the more slowly the higher it is, and falls with time: it is about the logarithm of the
//! number of uses.
//!
//! # Source
//! - behaviour of `maxmemory-policy`, `maxmemory-samples`, `lfu-log-factor` and `lfu-decay-time` in Redis 7.2

/// What makes a key worth keeping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// It was used recently.
    Recency,
    /// It is used often.
    Frequency,
    /// Nothing: the choice is random.
    Chance,
    /// It expires late.
    Expiry,
}

/// Which keys may go, and which of them go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The order in which they go.
    pub order: Order,
    /// Only keys with an expiry may go.
    pub volatile: bool,
}

/// How fast counters of uses grow and fall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frequency {
    /// The higher, the slower a counter grows (`lfu-log-factor`).
    pub log_factor: u32,
    /// Minutes in which a counter falls by one; 0: never (`lfu-decay-time`).
    pub decay_minutes: u32,
}

/// The counter of a new key: enough not to go at once.
pub const FIRST_COUNT: u8 = 5;

impl Frequency {
    /// The access clock of a key that is new at `minutes` (since 1970).
    pub fn first(minutes: u64) -> u32 {
        Self::pack(minutes, FIRST_COUNT)
    }

    /// The access clock of a key with a certain counter.
    pub fn pack(minutes: u64, count: u8) -> u32 {
        (minutes as u32 & 0xffff) << 8 | u32::from(count)
    }

    /// The counter as it has fallen by `minutes`.
    pub fn count(self, clock: u32, minutes: u64) -> u8 {
        let count = clock as u8;
        let elapsed = (minutes as u32 & 0xffff).wrapping_sub(clock >> 8) & 0xffff;
        let fallen = elapsed.checked_div(self.decay_minutes).unwrap_or(0);
        count.saturating_sub(fallen.min(255) as u8)
    }

    /// The access clock after one more use; `draw` is a random word.
    pub fn used(self, clock: u32, minutes: u64, draw: u64) -> u32 {
        let count = self.count(clock, minutes);
        let above = f64::from(count.saturating_sub(FIRST_COUNT));
        let chance = 1.0 / (above * f64::from(self.log_factor) + 1.0);
        let grows = count < u8::MAX && (draw >> 11) as f64 / ((1u64 << 53) as f64) < chance;
        Self::pack(minutes, count + u8::from(grows))
    }
}

/// Keys in the pool.
const POOL: usize = 16;

/// A key that may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The higher, the sooner it goes.
    pub score: u64,
    /// Its database.
    pub db: usize,
    /// The key.
    pub key: Vec<u8>,
}

/// The worst keys seen so far, by ascending score.
#[derive(Debug, Default)]
pub struct Pool(Vec<Candidate>);

impl Pool {
    /// Remembers a key, if it is worse than one of those that are remembered or there is room.
    pub fn offer(&mut self, score: u64, db: usize, key: &[u8]) {
        if self.0.len() == POOL && score <= self.0[0].score {
            return;
        }
        if self.0.iter().any(|other| other.db == db && other.key == key) {
            return;
        }
        if self.0.len() == POOL {
            self.0.remove(0);
        }
        let at = self.0.partition_point(|other| other.score < score);
        self.0.insert(at, Candidate { score, db, key: key.to_vec() });
    }

    /// Takes the worst. It may be gone by now.
    pub fn take(&mut self) -> Option<Candidate> {
        self.0.pop()
    }

    /// Forgets all: the scores are not comparable any longer.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_grow_slowly_and_fall_with_time() {
        let frequency = Frequency { log_factor: 10, decay_minutes: 1 };
        let mut clock = Frequency::first(100);
        assert_eq!(frequency.count(clock, 100), FIRST_COUNT);
        // The first use always counts, as the chance is 1.
        clock = frequency.used(clock, 100, u64::MAX);
        assert_eq!(frequency.count(clock, 100), FIRST_COUNT + 1);
        // The chance is now 1/11.
        assert_eq!(frequency.used(clock, 100, u64::MAX), clock);
        assert_eq!(frequency.count(frequency.used(clock, 100, 0), 100), FIRST_COUNT + 2);
        assert_eq!(frequency.count(clock, 104), 2);
        assert_eq!(frequency.count(clock, 200), 0);
        assert_eq!(Frequency { decay_minutes: 0, ..frequency }.count(clock, 200), 6);
        // 16 bits of minutes wrap around.
        assert_eq!(frequency.count(Frequency::pack(0xffff, 9), 0x1_0001), 7);
        let full = Frequency::pack(100, 255);
        assert_eq!(frequency.used(full, 100, 0), full);
    }

    #[test]
    fn the_pool_keeps_the_worst() {
        let mut pool = Pool::default();
        for score in 0..100u64 {
            pool.offer(score * 37 % 101, 0, &score.to_le_bytes());
        }
        pool.offer(1000, 0, &5u64.to_le_bytes());
        pool.offer(1000, 0, &5u64.to_le_bytes());
        let taken: Vec<u64> = std::iter::from_fn(|| pool.take()).map(|c| c.score).collect();
        let mut best: Vec<u64> = (0..100u64).map(|score| score * 37 % 101).collect();
        best.sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!(taken[0], 1000);
        assert_eq!(taken[1..], best[..15]);
    }
}
