//! Choosing by chance: indexes that differ, drawn from words that the caller provides.

/// A random number below `bound`, which is not zero.
pub(crate) fn below(bound: usize, draw: &mut dyn FnMut() -> u64) -> usize {
    ((u128::from(draw()) * bound as u128) >> 64) as usize
}

/// `count` different items of `items` in random order, or all if there are not so many.
pub(crate) fn choose<T: Copy>(
    mut items: Vec<T>,
    count: usize,
    draw: &mut dyn FnMut() -> u64,
) -> Vec<T> {
    let count = count.min(items.len());
    for chosen in 0..count {
        let other = chosen + below(items.len() - chosen, draw);
        items.swap(chosen, other);
    }
    items.truncate(count);
    items
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Words that look random, the same in every run.
    pub(crate) fn draw() -> impl FnMut() -> u64 {
        let mut state = 7u64;
        move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state ^ (state >> 29)
        }
    }

    #[test]
    fn chosen_items_differ_and_every_item_can_be_chosen() {
        let mut draw = draw();
        let mut hits = [0; 10];
        for _ in 0..1000 {
            let mut chosen = choose((0..10).collect(), 3, &mut draw);
            chosen.iter().for_each(|index: &usize| hits[*index] += 1);
            chosen.sort_unstable();
            chosen.dedup();
            assert_eq!(chosen.len(), 3);
        }
        assert!(hits.iter().all(|hits| (200..400).contains(hits)), "{hits:?}");
        assert_eq!(choose(vec![1, 2], 5, &mut draw).len(), 2);
    }
}
