//! Chance: choices that follow from a seed.

use engine::random::Random;

/// A generator of choices.
#[derive(Clone, Debug)]
pub struct Chance(Random);

impl Chance {
    /// One that is told where to begin.
    pub fn new(seed: u64) -> Self {
        Self(Random::new(seed))
    }

    /// Any word.
    pub fn draw(&mut self) -> u64 {
        self.0.draw()
    }

    /// A number below `count`, which is not 0.
    pub fn below(&mut self, count: u64) -> u64 {
        assert!(count > 0, "nothing is below 0");
        // The upper half of the product is as even as 64 bits allow.
        ((u128::from(self.draw()) * u128::from(count)) >> 64) as u64
    }

    /// An index of something that has so many.
    pub fn index(&mut self, count: usize) -> usize {
        self.below(count as u64) as usize
    }

    /// Whether something happens that does so once in `count` times; never if that is 0.
    pub fn one_in(&mut self, count: u64) -> bool {
        count > 0 && self.below(count) == 0
    }

    /// Another generator, so that how many choices are made there changes nothing here.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self::new(self.draw())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_follow_from_the_seed_and_are_about_even() {
        let (mut one, mut other) = (Chance::new(7), Chance::new(7));
        let mut counts = [0_u32; 10];
        for _ in 0..10_000 {
            let number = one.index(10);
            assert_eq!(number, other.index(10));
            counts[number] += 1;
        }
        assert!(counts.iter().all(|count| (800..1200).contains(count)), "{counts:?}");
        assert!((0..100).all(|_| !one.one_in(0) && one.one_in(1)));
        assert_ne!(one.fork().draw(), Chance::new(7).draw());
    }
}
