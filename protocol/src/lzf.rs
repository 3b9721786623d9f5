//! LZF, the small and fast compression of RDB strings.
//!
//! ```text
//! 000LLLLL                      L + 1 literal bytes follow               (1 to 32)
//! LLLDDDDD dddddddd             copy L + 2 bytes, L in 1..=6             (3 to 8)
//! 111DDDDD llllllll dddddddd    copy l + 9 bytes                         (9 to 264)
//!                               from Dd + 1 bytes back                   (1 to 8192)
//! ```
//!
//! A copy may overlap what it writes: distance 1 repeats one byte.
//!
//! Snapshots compress millions of strings of some 30 bytes, so what counts is the fixed cost of a call. The table of
//! earlier positions is therefore never cleared: positions are numbered on from call to call, and a number below the
//! base of the present call is one of an earlier input. Short inputs use only the front of the table, which stays in
//! the nearest cache. We choose the copies ourselves; the output need not equal a peer's, only be readable by it.
//!
//! # Invariants
//! - what [`compress`] makes is at least 4 bytes shorter than its input, else nothing is written
//! - [`decompress`] never holds more than 88 times its input
//!
//! # Source
//! - LibLZF 3.5 for the form; `rdb.c` of Redis 7.2 for the strings it is used on

use thiserror::Error;

/// The farthest that a copy reaches back.
const MAX_DISTANCE: usize = 8192;
/// The longest copy.
const MAX_COPY: usize = 264;
/// The shortest copy that is worth its two bytes.
const MIN_COPY: usize = 3;
/// The longest run of literals under one control byte.
const MAX_LITERALS: usize = 32;
/// What compression must save: peers store the string plain if it saves less.
const MIN_SAVING: usize = 4;
/// The most output that a byte of input can stand for: 264 bytes from three.
const MAX_EXPANSION: usize = MAX_COPY / 3;

const TABLE_BITS: u32 = 13;
const SHORT_TABLE_BITS: u32 = 9;
const SHORT_INPUT_BYTES: usize = 256;
/// Inputs above this are left as they are (Redis stores at most 512 MB in a string by default).
const MAX_INPUT_BYTES: usize = 1 << 30;
const GOLDEN: u32 = 0x9E37_79B1;

/// The memory of [`compress`], to be reused from call to call.
#[derive(Debug)]
pub struct Compressor {
    /// Number of the last position with a given hash of three bytes.
    table: Vec<u32>,
    /// Number of the first position of the next input. Never 0, so that a zeroed table is an empty one.
    base: u32,
}

impl Compressor {
    /// An empty table (32 KiB).
    #[must_use]
    pub fn new() -> Self {
        Self { table: vec![0; 1 << TABLE_BITS], base: 1 }
    }

    /// Takes `len` position numbers for an input and returns the first.
    fn number(&mut self, len: usize) -> u32 {
        let len = u32::try_from(len).expect("inputs are bounded by MAX_INPUT_BYTES");
        if self.base > u32::MAX - len {
            self.table.fill(0);
            self.base = 1;
        }
        let base = self.base;
        self.base += len;
        base
    }
}

impl Default for Compressor {
    fn default() -> Self {
        Self::new()
    }
}

/// Appends the compressed form of `input` to `out` if that is at least 4 bytes shorter, and says whether it did.
/// Otherwise `out` is as it was.
pub fn compress(input: &[u8], out: &mut Vec<u8>, state: &mut Compressor) -> bool {
    if input.len() <= MIN_SAVING + MIN_COPY || input.len() > MAX_INPUT_BYTES {
        return false;
    }
    let start = out.len();
    let limit = start + input.len() - MIN_SAVING;
    let base = state.number(input.len());
    let bits = if input.len() <= SHORT_INPUT_BYTES { SHORT_TABLE_BITS } else { TABLE_BITS };
    let shift = 32 - bits;
    let table = &mut state.table[..1 << bits];

    let last = input.len() - MIN_COPY;
    let (mut at, mut pending) = (0, 0);
    while at <= last {
        let slot = &mut table[slot_of(&input[at..], shift)];
        let seen = std::mem::replace(slot, base + at as u32);
        // Numbers below the base belong to earlier inputs, and wrap to something huge here.
        let from = seen.wrapping_sub(base) as usize;
        if from < at && at - from <= MAX_DISTANCE && input[from..from + 3] == input[at..at + 3] {
            let copied = MIN_COPY + common(&input[from + 3..], &input[at + 3..], MAX_COPY - 3);
            if !literals(&input[pending..at], out, limit) || out.len() + 3 > limit {
                out.truncate(start);
                return false;
            }
            reference(at - from, copied, out);
            at += copied;
            pending = at;
            // Enter the last two positions of the copy, so that a repetition going on is found at once.
            for inside in [at - 2, at - 1] {
                if inside <= last {
                    table[slot_of(&input[inside..], shift)] = base + inside as u32;
                }
            }
        } else {
            // Look less closely the longer nothing is found: random bytes pass quickly.
            at += 1 + ((at - pending) >> 6);
        }
    }
    if !literals(&input[pending..], out, limit) {
        out.truncate(start);
        return false;
    }
    true
}

#[inline]
fn slot_of(bytes: &[u8], shift: u32) -> usize {
    let three = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0]);
    (three.wrapping_mul(GOLDEN) >> shift) as usize
}

/// How many bytes two slices have in common at their front, at most `max`.
#[inline]
fn common(a: &[u8], b: &[u8], max: usize) -> usize {
    let len = a.len().min(b.len()).min(max);
    let (a, b) = (&a[..len], &b[..len]);
    let (wide_a, wide_b) = (a.chunks_exact(8), b.chunks_exact(8));
    let mut same = 0;
    for (x, y) in wide_a.zip(wide_b) {
        let x = u64::from_le_bytes(x.try_into().expect("chunks of 8"));
        let y = u64::from_le_bytes(y.try_into().expect("chunks of 8"));
        if x != y {
            return same + ((x ^ y).trailing_zeros() / 8) as usize;
        }
        same += 8;
    }
    same + a[same..].iter().zip(&b[same..]).take_while(|(x, y)| x == y).count()
}

/// Appends a run of literals, unless `out` would pass `limit`.
#[inline]
fn literals(run: &[u8], out: &mut Vec<u8>, limit: usize) -> bool {
    if out.len() + run.len() + run.len().div_ceil(MAX_LITERALS) > limit {
        return false;
    }
    for chunk in run.chunks(MAX_LITERALS) {
        out.push((chunk.len() - 1) as u8);
        out.extend_from_slice(chunk);
    }
    true
}

#[inline]
fn reference(distance: usize, len: usize, out: &mut Vec<u8>) {
    debug_assert!((1..=MAX_DISTANCE).contains(&distance) && (MIN_COPY..=MAX_COPY).contains(&len));
    let (back, code) = (distance - 1, len - 2);
    let high = (back >> 8) as u8;
    if code < 7 {
        out.extend_from_slice(&[(code as u8) << 5 | high, back as u8]);
    } else {
        out.extend_from_slice(&[0xE0 | high, (code - 7) as u8, back as u8]);
    }
}

/// Why compressed bytes are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LzfError {
    /// The input ends inside a run or a reference.
    #[error("compressed string ends too early at its byte {0}")]
    Truncated(usize),
    /// A reference reaches back before the first byte of output.
    #[error("compressed string refers to bytes before its start at its byte {0}")]
    BeforeStart(usize),
    /// There is more or less output than announced.
    #[error("compressed string does not have the announced size of {0} bytes")]
    WrongSize(usize),
}

/// Appends the original of `input` to `out`; it must have exactly `expected_len` bytes.
///
/// On an error `out` is cut back to what it was.
pub fn decompress(input: &[u8], expected_len: usize, out: &mut Vec<u8>) -> Result<(), LzfError> {
    if expected_len > input.len().saturating_mul(MAX_EXPANSION) {
        return Err(LzfError::WrongSize(expected_len));
    }
    let start = out.len();
    let result = expand(input, expected_len, out, start);
    if result.is_err() {
        out.truncate(start);
    }
    result
}

fn expand(input: &[u8], expected: usize, out: &mut Vec<u8>, start: usize) -> Result<(), LzfError> {
    // At most this much ahead of the output that has really been seen.
    out.reserve(expected.min(1 << 20));
    let end = start.checked_add(expected).ok_or(LzfError::WrongSize(expected))?;
    let byte = |at: usize| input.get(at).copied().ok_or(LzfError::Truncated(at));
    let mut at = 0;
    while at < input.len() {
        let control = usize::from(input[at]);
        at += 1;
        if control < MAX_LITERALS {
            let run = input.get(at..at + control + 1).ok_or(LzfError::Truncated(at))?;
            if run.len() > end - out.len() {
                return Err(LzfError::WrongSize(expected));
            }
            out.extend_from_slice(run);
            at += run.len();
            continue;
        }
        let mut len = (control >> 5) + 2;
        if len == 9 {
            len += usize::from(byte(at)?);
            at += 1;
        }
        let distance = ((control & 31) << 8 | usize::from(byte(at)?)) + 1;
        at += 1;
        if distance > out.len() - start {
            return Err(LzfError::BeforeStart(at));
        }
        if len > end - out.len() {
            return Err(LzfError::WrongSize(expected));
        }
        // An overlapping copy repeats; each round can take as much as the last ones have made.
        let from = out.len() - distance;
        let mut left = len;
        while left > 0 {
            let step = left.min(out.len() - from);
            out.extend_from_within(from..from + step);
            left -= step;
        }
    }
    if out.len() == end { Ok(()) } else { Err(LzfError::WrongSize(expected)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round_trip(input: &[u8], state: &mut Compressor) -> Option<usize> {
        let mut packed = b"before".to_vec();
        if !compress(input, &mut packed, state) {
            assert_eq!(packed, b"before");
            return None;
        }
        let packed = &packed[6..];
        assert!(packed.len() + MIN_SAVING <= input.len());
        let mut back = b"x".to_vec();
        decompress(packed, input.len(), &mut back).expect("own output");
        assert_eq!(&back[1..], input);
        Some(packed.len())
    }

    #[test]
    fn reads_what_redis_wrote() {
        let mut out = Vec::new();
        let packed = [0x01, 0x61, 0x61, 0xE0, 0x25, 0x00, 0x01, 0x61, 0x61];
        decompress(&packed, 50, &mut out).expect("vector of Redis 7.0.15");
        assert_eq!(out, [b'a'; 50]);
    }

    #[test]
    fn compresses_repetitions_and_leaves_noise() {
        let mut state = Compressor::new();
        assert_eq!(round_trip(&[b'a'; 50], &mut state), Some(5));
        assert_eq!(round_trip(b"abcdefghijklmnopqrstuvwxyz012345", &mut state), None);
        assert_eq!(round_trip(b"", &mut state), None);
        assert!(round_trip(&[0; 100_000], &mut state).is_some());
        let text = b"user:1000:session user:1001:session user:1002:session";
        assert!(round_trip(text, &mut state).is_some());
    }

    #[test]
    fn earlier_inputs_are_not_referred_to() {
        let mut state = Compressor::new();
        assert!(round_trip(b"abcabcabcabcabcabcabcabc", &mut state).is_some());
        assert_eq!(round_trip(b"abcdefgh-ijklmnopqrstuvw", &mut state), None);
    }

    #[test]
    fn numbers_start_again_when_they_run_out() {
        let mut state = Compressor::new();
        state.base = u32::MAX - 60;
        for _ in 0..4 {
            assert_eq!(round_trip(&[b'a'; 50], &mut state), Some(5));
        }
        assert!(state.base < 1000);
    }

    #[test]
    fn copies_reach_exactly_8192_bytes_back() {
        let mut state = Compressor::new();
        let mut random = 1_u32;
        let mut noise = |len: usize| -> Vec<u8> {
            let mut step = || {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (random >> 24) as u8
            };
            (0..len).map(|_| step()).collect()
        };
        for gap in [8192 - 300, 8192 - 299, 8192 - 301, 9000] {
            let head = noise(300);
            let mut input = head.clone();
            input.extend(noise(gap));
            input.extend(&head);
            input.extend([7; 600]);
            round_trip(&input, &mut state);
        }
    }

    #[test]
    fn refuses_damage() {
        let mut out = b"kept".to_vec();
        for (packed, len, error) in [
            (&[0x02, 1, 2][..], 3, LzfError::Truncated(1)),
            (&[0x00, 1, 0x20][..], 4, LzfError::Truncated(3)),
            (&[0x00, 1, 0x20, 1][..], 4, LzfError::BeforeStart(4)),
            (&[0x00, 1, 0x20, 0][..], 5, LzfError::WrongSize(5)),
            (&[0x00, 1, 0x20, 0][..], 3, LzfError::WrongSize(3)),
            (&[0x00, 1][..], usize::MAX, LzfError::WrongSize(usize::MAX)),
            (&[0x01, 1, 1][..], 1, LzfError::WrongSize(1)),
        ] {
            assert_eq!(decompress(packed, len, &mut out), Err(error));
            assert_eq!(out, b"kept");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn round_trips(inputs in prop::collection::vec(
            prop::collection::vec(prop_oneof![4 => 0_u8..3, 1 => any::<u8>()], 0..700), 1..4,
        )) {
            let mut state = Compressor::new();
            for input in &inputs {
                round_trip(input, &mut state);
            }
        }

        #[test]
        fn any_bytes_are_read_without_harm(
            packed in prop::collection::vec(any::<u8>(), 0..200), len in 0_usize..2000,
        ) {
            let mut out = Vec::new();
            if decompress(&packed, len, &mut out).is_ok() {
                prop_assert_eq!(out.len(), len);
            }
        }
    }
}
