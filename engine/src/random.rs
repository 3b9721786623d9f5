//! Random words for choices among data: fast and even, the same for the same seed, not for secrets.
//!
//! The engine owns one generator. A choice inside a collection is made while the engine is borrowed, so it is given a
//! generator of its own, seeded with one word of the engine's: see [`crate::Engine::draws`].
//!
//! # Source
//! - SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014)

/// A generator of random words.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator that is told where to begin.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// The next word.
    #[inline]
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_splitmix64() {
        let mut random = Random::new(0);
        let words = [random.draw(), random.draw(), random.draw()];
        assert_eq!(words, [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4, 0x06c4_5d18_8009_454f]);
    }
}
