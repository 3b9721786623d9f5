//! Strings as arrays of bits: counting, finding, combining, and integers of any width at any place.
//!
//! Bit 0 is the highest of the first byte. All loops go over words or blocks that the compiler turns into vector
//! instructions; none depends on how the bytes are aligned.

use std::collections::TryReserveError;
use std::ops::Range;

/// Bytes that [`count`] adds up at a time.
const BLOCK: usize = 16 * size_of::<Lanes>();

/// Words that go through the same steps side by side.
type Lanes = [u64; 4];

/// How many bits are set.
pub fn count(bytes: &[u8]) -> u64 {
    let mut total = 0;
    let mut blocks = bytes.chunks_exact(BLOCK);
    let mut state = Adder::default();
    for block in &mut blocks {
        total += 16 * state.add(block);
    }
    total += state.rest();
    let mut words = blocks.remainder().chunks_exact(8);
    for word in &mut words {
        total += word_at(word).count_ones() as u64;
    }
    total + words.remainder().iter().map(|byte| byte.count_ones() as u64).sum::<u64>()
}

#[inline]
fn word_at(bytes: &[u8]) -> u64 {
    u64::from_be_bytes(bytes.try_into().expect("eight bytes"))
}

/// A counter for each of 256 positions, kept as one bit of each power of two in four vectors.
///
/// Adding a block of 16 vectors takes 15 additions with carry and only one count of bits, of what is carried out:
/// Harley and Seal's method.
#[derive(Default)]
struct Adder {
    ones: Lanes,
    twos: Lanes,
    fours: Lanes,
    eights: Lanes,
}

/// Adds two vectors to `sum`, bit by bit, and returns what is carried.
#[inline(always)]
fn carry(sum: &mut Lanes, b: Lanes, c: Lanes) -> Lanes {
    let mut out = [0; 4];
    for lane in 0..4 {
        let half = sum[lane] ^ b[lane];
        out[lane] = (sum[lane] & b[lane]) | (half & c[lane]);
        sum[lane] = half ^ c[lane];
    }
    out
}

#[inline(always)]
fn ones_of(lanes: &Lanes) -> u64 {
    lanes.iter().map(|lane| lane.count_ones() as u64).sum()
}

impl Adder {
    /// Adds a block; returns how many sixteens were carried out.
    #[inline]
    fn add(&mut self, block: &[u8]) -> u64 {
        // How the bytes of a word are ordered makes no difference to a count.
        let at = |index: usize| -> Lanes {
            std::array::from_fn(|lane| {
                let from = index * size_of::<Lanes>() + lane * 8;
                u64::from_ne_bytes(block[from..from + 8].try_into().expect("eight bytes"))
            })
        };
        let mut eights = [[0; 4]; 2];
        for (half, eights) in eights.iter_mut().enumerate() {
            let mut fours = [[0; 4]; 2];
            for (quarter, fours) in fours.iter_mut().enumerate() {
                let first = half * 8 + quarter * 4;
                let a = carry(&mut self.ones, at(first), at(first + 1));
                let b = carry(&mut self.ones, at(first + 2), at(first + 3));
                *fours = carry(&mut self.twos, a, b);
            }
            *eights = carry(&mut self.fours, fours[0], fours[1]);
        }
        ones_of(&carry(&mut self.eights, eights[0], eights[1]))
    }

    /// What was added and not carried out.
    fn rest(&self) -> u64 {
        8 * ones_of(&self.eights)
            + 4 * ones_of(&self.fours)
            + 2 * ones_of(&self.twos)
            + ones_of(&self.ones)
    }
}

/// How many bits are set among those in `bits`, a range inside the string.
pub fn count_in(bytes: &[u8], bits: Range<u64>) -> u64 {
    let Some((first, middle, last)) = split(bytes, bits) else { return 0 };
    first.0.count_ones() as u64 + count(middle) + last.0.count_ones() as u64
}

/// The first bit in `bits`, a range inside the string, that is `wanted`.
pub fn find_in(bytes: &[u8], bits: Range<u64>, wanted: bool) -> Option<u64> {
    let (first, middle, last) = split(bytes, bits.clone())?;
    let start = bits.start / 8;
    let in_byte = |(byte, mask): (u8, u8)| {
        let hits = if wanted { byte } else { !byte & mask };
        (hits != 0).then(|| hits.leading_zeros() as u64)
    };
    if let Some(bit) = in_byte(first) {
        return Some(start * 8 + bit);
    }
    let middle_at = start + 1;
    if let Some(bit) = find(middle, wanted) {
        return Some(middle_at * 8 + bit);
    }
    in_byte(last).map(|bit| (middle_at + middle.len() as u64) * 8 + bit)
}

/// A byte of which only the bits in a mask count, the others being zero; and the mask.
type Edge = (u8, u8);

/// Parts a range of bits: in its first byte, whole bytes, in its last byte. `None` if it is empty.
fn split(bytes: &[u8], bits: Range<u64>) -> Option<(Edge, &[u8], Edge)> {
    if bits.is_empty() {
        return None;
    }
    let (first, last) = ((bits.start / 8) as usize, ((bits.end - 1) / 8) as usize);
    let from = 0xff >> (bits.start % 8);
    let to = !(0x7f >> ((bits.end - 1) % 8)) as u8;
    if first == last {
        let mask = from & to;
        return Some(((bytes[first] & mask, mask), &[], (0, 0)));
    }
    Some(((bytes[first] & from, from), &bytes[first + 1..last], (bytes[last] & to, to)))
}

/// The first bit that is `wanted`.
fn find(bytes: &[u8], wanted: bool) -> Option<u64> {
    const WIDE: usize = 64;
    let skipped = if wanted { 0 } else { 0xff };
    let same = |chunk: &[u8]| chunk.iter().fold(0, |all, byte| all | (byte ^ skipped)) == 0;
    let wide = bytes.chunks_exact(WIDE).take_while(|chunk| same(chunk)).count() * WIDE;
    let rest = &bytes[wide..];
    let at = wide + rest.iter().position(|byte| *byte != skipped)?;
    Some(at as u64 * 8 + (bytes[at] ^ skipped).leading_zeros() as u64)
}

/// What BITOP makes of several strings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Set where all are.
    And,
    /// Set where any is.
    Or,
    /// Set where an odd number is.
    Xor,
    /// Set where the only one is not.
    Not,
}

/// Combines strings; shorter ones are as if filled up with zeros.
pub fn combine(operation: Operation, sources: &[&[u8]]) -> Result<Vec<u8>, TryReserveError> {
    // Parts of this size stay in the fastest cache while one source after the other is applied to them.
    const PART: usize = 8192;
    let len = sources.iter().map(|source| source.len()).max().unwrap_or(0);
    let mut result = Vec::new();
    result.try_reserve_exact(len)?;
    let (first, others) = sources.split_first().expect("at least one source");
    while result.len() < len {
        let at = result.len();
        let end = len.min(at + PART);
        let part = |source: &'_ [u8]| source.len().min(at)..source.len().min(end);
        result.extend_from_slice(&first[part(first)]);
        result.resize(end, 0);
        let target = &mut result[at..];
        if operation == Operation::Not {
            target.iter_mut().for_each(|byte| *byte = !*byte);
        }
        for other in others {
            let source = &other[part(other)];
            let pairs = target.iter_mut().zip(source);
            match operation {
                Operation::And => {
                    pairs.for_each(|(byte, more)| *byte &= more);
                    target[source.len()..].fill(0);
                }
                Operation::Or => pairs.for_each(|(byte, more)| *byte |= more),
                Operation::Xor => pairs.for_each(|(byte, more)| *byte ^= more),
                Operation::Not => unreachable!("it takes one source"),
            }
        }
    }
    Ok(result)
}

/// Bytes that an integer of up to 64 bits touches at most.
const SPAN: usize = 9;

/// The integer of `width` bits at `offset`, without a sign; bits behind the end are zero.
pub fn get(bytes: &[u8], offset: u64, width: u32) -> u64 {
    debug_assert!((1..=64).contains(&width));
    let at = (offset / 8).min(bytes.len() as u64) as usize;
    let (mut buffer, there) = ([0; 16], &bytes[at..]);
    let len = there.len().min(SPAN);
    buffer[..len].copy_from_slice(&there[..len]);
    let window = u128::from_be_bytes(buffer) << (offset % 8);
    (window >> (128 - width)) as u64
}

/// Writes the lowest `width` bits of an integer at `offset`.
///
/// # Panics
/// If the string is too short.
pub fn set(bytes: &mut [u8], offset: u64, width: u32, value: u64) {
    debug_assert!((1..=64).contains(&width));
    let at = (offset / 8) as usize;
    let len = (offset % 8 + width as u64).div_ceil(8) as usize;
    let target = &mut bytes[at..at + len];
    let mut buffer = [0; 16];
    buffer[..len].copy_from_slice(target);
    let shift = 128 - width - (offset % 8) as u32;
    let mask = (u64::MAX >> (64 - width)) as u128;
    let window = u128::from_be_bytes(buffer) & !(mask << shift);
    let window = window | (value as u128 & mask) << shift;
    target.copy_from_slice(&window.to_be_bytes()[..len]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bit(bytes: &[u8], at: u64) -> bool {
        bytes[(at / 8) as usize] & (0x80 >> (at % 8)) != 0
    }

    fn strings() -> impl Strategy<Value = Vec<u8>> {
        let sparse = prop_oneof![8 => Just(0u8), 1 => any::<u8>()];
        let dense = prop_oneof![8 => Just(0xffu8), 1 => any::<u8>()];
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..2000),
            prop::collection::vec(sparse, 0..400),
            prop::collection::vec(dense, 0..400),
        ]
    }

    proptest! {
        #[test]
        fn ranges_are_counted_and_searched_bit_by_bit(
            bytes in strings(), a in 0.0f64..=1.0, b in 0.0f64..=1.0
        ) {
            let len = bytes.len() as u64 * 8;
            let (a, b) = ((a * len as f64) as u64, (b * len as f64) as u64);
            let range = a.min(b)..a.max(b);
            let ones = range.clone().filter(|at| bit(&bytes, *at)).count() as u64;
            prop_assert_eq!(count_in(&bytes, range.clone()), ones);
            prop_assert_eq!(count(&bytes), (0..len).filter(|at| bit(&bytes, *at)).count() as u64);
            for wanted in [false, true] {
                let first = range.clone().find(|at| bit(&bytes, *at) == wanted);
                prop_assert_eq!(find_in(&bytes, range.clone(), wanted), first);
            }
        }

        #[test]
        fn strings_are_combined_byte_by_byte(
            mut sources in prop::collection::vec(strings(), 1..5), repeat in 1usize..12
        ) {
            sources[0] = sources[0].repeat(repeat);
            let refs: Vec<&[u8]> = sources.iter().map(|source| &source[..]).collect();
            let len = refs.iter().map(|source| source.len()).max().unwrap();
            let at = |source: &[u8], at: usize| source.get(at).copied().unwrap_or(0);
            let by_byte = |fold: fn(u8, u8) -> u8| -> Vec<u8> {
                (0..len).map(|i| refs.iter().map(|s| at(s, i)).reduce(fold).unwrap()).collect()
            };
            prop_assert_eq!(combine(Operation::And, &refs).unwrap(), by_byte(|a, b| a & b));
            prop_assert_eq!(combine(Operation::Or, &refs).unwrap(), by_byte(|a, b| a | b));
            prop_assert_eq!(combine(Operation::Xor, &refs).unwrap(), by_byte(|a, b| a ^ b));
            let not: Vec<u8> = refs[0].iter().map(|byte| !byte).collect();
            prop_assert_eq!(combine(Operation::Not, &refs[..1]).unwrap(), not);
        }

        #[test]
        fn integers_are_read_and_written_bit_by_bit(
            bytes in prop::collection::vec(any::<u8>(), 24), offset in 0u64..100,
            width in 1u32..=64, value: u64,
        ) {
            let mut changed = bytes.clone();
            set(&mut changed, offset, width, value);
            for at in 0..bytes.len() as u64 * 8 {
                let inside = at >= offset && at < offset + width as u64;
                let shift = (offset + width as u64 - 1).wrapping_sub(at);
                let expected = if inside { value >> shift & 1 != 0 } else { bit(&bytes, at) };
                prop_assert_eq!(bit(&changed, at), expected);
            }
            prop_assert_eq!(get(&changed, offset, width), value & (u64::MAX >> (64 - width)));
        }
    }

    #[test]
    fn bits_behind_the_end_are_zero() {
        assert_eq!(get(b"\xff", 4, 8), 0xf0);
        assert_eq!(get(b"\xff", 8, 64), 0);
        assert_eq!(get(b"", u64::MAX, 64), 0);
        assert_eq!((count(b""), find_in(b"", 0..0, false)), (0, None));
    }
}
