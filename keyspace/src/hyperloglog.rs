//! HyperLogLog: how many different elements were added, within about 1 %, in at most 12 KB of a string.
//!
//! An element's hash chooses one of 16384 registers, by its lowest 14 bits, and a rank, the number of zeros behind them
//! plus one. A register holds the highest rank it has seen; how many registers hold which rank tells how many elements
//! there were. The string is one of Redis, byte for byte: servers compare values, and a replica repeats the command.
//!
//! ```text
//! 0      4          5    8                   16
//! | HYLL | encoding | 0  | count, 8 bytes LE | registers …
//!   count:  what was counted last; highest bit set: registers have changed since
//!
//! dense (0):  6 bits each, the lowest first: 11000000 22221111 33333322 …; 12304 bytes in all
//! sparse (1): runs   00nnnnnn            1 … 64 registers of 0        (n + 1)
//!                    01nnnnnn nnnnnnnn   1 … 16384 registers of 0     (n + 1)
//!                    1vvvvvnn            1 … 4 registers of 1 … 32    (n + 1 of v + 1)
//! ```
//!
//! # Invariants
//! - whatever the bytes are, nothing here panics: clients write them with SET as they like
//!
//! # Source
//! - hash, layout and the steps by which runs are split and joined: Redis 7.2
//! - estimator: Otmar Ertl, "New cardinality estimation algorithms for HyperLogLog sketches", arXiv:1702.01284

/// Number of registers.
pub const REGISTERS: usize = 1 << INDEX_BITS;
/// Bytes of the dense form.
pub const DENSE_BYTES: usize = HEADER + REGISTERS / 4 * 3;

/// The most bytes that a sparse one can have: a run for each register. Beyond, it is damaged.
pub const SPARSE_BYTES_MAX: usize = HEADER + REGISTERS;

const INDEX_BITS: u32 = 14;
/// The highest rank that a hash can have.
const RANK_MAX: usize = 64 - INDEX_BITS as usize + 1;
const HEADER: usize = 16;
const MAGIC: &[u8] = b"HYLL";
const ENCODING_AT: usize = 4;
const COUNT_AT: usize = 8;
/// In the highest byte of the count: it is out of date.
const STALE: u8 = 0x80;

/// The forms of the registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encoding {
    /// 6 bits each.
    Dense = 0,
    /// Runs of equal ones.
    Sparse = 1,
}

/// The runs do not add up to all registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Corrupt;

/// One register after the other.
pub type Registers = [u8; REGISTERS];

/// A HyperLogLog without elements.
pub fn empty() -> Vec<u8> {
    let mut bytes = vec![0; HEADER];
    bytes[..MAGIC.len()].copy_from_slice(MAGIC);
    bytes[ENCODING_AT] = Encoding::Sparse as u8;
    Run::Zeros(REGISTERS).push_to(&mut bytes);
    bytes
}

/// The form of a HyperLogLog; `None` if the string is none.
pub fn encoding(bytes: &[u8]) -> Option<Encoding> {
    if bytes.len() < HEADER || !bytes.starts_with(MAGIC) {
        return None;
    }
    match bytes[ENCODING_AT] {
        0 if bytes.len() == DENSE_BYTES => Some(Encoding::Dense),
        1 => Some(Encoding::Sparse),
        _ => None,
    }
}

/// What was counted last, if no register has changed since.
pub fn cached_count(bytes: &[u8]) -> Option<u64> {
    let field = bytes[COUNT_AT..HEADER].try_into().expect("eight bytes");
    (bytes[HEADER - 1] & STALE == 0).then(|| u64::from_le_bytes(field))
}

/// Keeps what was counted.
pub fn set_cached_count(bytes: &mut [u8], count: u64) {
    bytes[COUNT_AT..HEADER].copy_from_slice(&count.to_le_bytes());
}

/// Says that the count that is kept is out of date.
pub fn spoil_cached_count(bytes: &mut [u8]) {
    bytes[HEADER - 1] |= STALE;
}

/// The register that an element belongs to, and its rank.
#[inline]
pub fn place(element: &[u8]) -> (usize, u8) {
    let hash = murmur(element);
    let rank = (hash >> INDEX_BITS | 1 << (64 - INDEX_BITS)).trailing_zeros() + 1;
    (hash as usize % REGISTERS, rank as u8)
}

/// MurmurHash64A with the seed of Redis.
fn murmur(bytes: &[u8]) -> u64 {
    const FACTOR: u64 = 0xc6a4_a793_5bd1_e995;
    let mut hash = 0xadc8_3b19 ^ (bytes.len() as u64).wrapping_mul(FACTOR);
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        let word = u64::from_le_bytes(word.try_into().expect("eight bytes")).wrapping_mul(FACTOR);
        let word = (word ^ word >> 47).wrapping_mul(FACTOR);
        hash = (hash ^ word).wrapping_mul(FACTOR);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        hash = (hash ^ u64::from_le_bytes(last)).wrapping_mul(FACTOR);
    }
    hash = (hash ^ hash >> 47).wrapping_mul(FACTOR);
    hash ^ hash >> 47
}

/// Adds elements. Returns how many of them changed a register.
///
/// A sparse one becomes dense where it would exceed `sparse_max` bytes, and for ranks over 32. After an error the
/// bytes may be half changed: callers work on a copy.
pub fn add<'a>(
    bytes: &mut Vec<u8>,
    elements: impl Iterator<Item = &'a [u8]>,
    sparse_max: usize,
) -> Result<usize, Corrupt> {
    let mut changed = 0;
    for element in elements {
        let (index, rank) = place(element);
        changed += usize::from(match encoding(bytes) {
            Some(Encoding::Dense) => raise_dense(bytes, index, rank),
            _ => raise_sparse(bytes, index, rank, sparse_max, &mut Walk::default())?,
        });
    }
    Ok(changed)
}

/// Adds elements to a dense one. Returns how many of them changed a register.
pub fn add_dense<'a>(bytes: &mut [u8], elements: impl Iterator<Item = &'a [u8]>) -> usize {
    elements
        .filter(|element| {
            let (index, rank) = place(element);
            raise_dense(bytes, index, rank)
        })
        .count()
}

/// Gives a register of the dense form a rank if that is higher. Returns whether it is.
#[inline]
fn raise_dense(bytes: &mut [u8], index: usize, rank: u8) -> bool {
    let at = HEADER + index / 4 * 3;
    let three = &mut bytes[at..at + 3];
    let mut four = u32::from_le_bytes([three[0], three[1], three[2], 0]);
    let shift = index % 4 * 6;
    if four >> shift & 63 >= rank as u32 {
        return false;
    }
    four = four & !(63 << shift) | (rank as u32) << shift;
    three.copy_from_slice(&four.to_le_bytes()[..3]);
    true
}

/// The registers of the dense form, four at a time.
#[inline]
fn groups(bytes: &[u8]) -> impl Iterator<Item = [u8; 4]> + '_ {
    bytes[HEADER..].chunks_exact(3).map(|three| {
        let [a, b, c] = [three[0], three[1], three[2]];
        [a & 63, (a >> 6 | b << 2) & 63, (b >> 4 | c << 4) & 63, c >> 2]
    })
}

/// Writes all registers of the dense form.
fn write_dense(bytes: &mut [u8], registers: &Registers) {
    let threes = bytes[HEADER..].chunks_exact_mut(3);
    for (three, four) in threes.zip(registers.chunks_exact(4)) {
        three[0] = four[0] | four[1] << 6;
        three[1] = four[1] >> 2 | four[2] << 4;
        three[2] = four[2] >> 4 | four[3] << 2;
    }
}

/// A run of equal registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Run {
    /// So many registers of 0, in the form of one byte up to 64, of two beyond.
    Zeros(usize),
    /// So many registers of 0, in the form of two bytes whatever their number.
    WideZeros(usize),
    /// Registers of a rank, and how many.
    Ranks(u8, usize),
}

impl Run {
    const ZEROS_MAX: usize = 64;
    const RANKS_MAX: usize = 4;
    const RANK_MAX: u8 = 32;

    /// The run at `at`, which is inside. The second byte of a wide run that is cut off is taken for 0.
    #[inline]
    fn read(bytes: &[u8], at: usize) -> Run {
        let head = bytes[at];
        if head & 0x80 != 0 {
            Run::Ranks((head >> 2 & 0x1f) + 1, (head & 3) as usize + 1)
        } else if head & 0x40 == 0 {
            Run::Zeros(head as usize + 1)
        } else {
            let low = bytes.get(at + 1).copied().unwrap_or(0);
            Run::WideZeros(((head as usize & 0x3f) << 8 | low as usize) + 1)
        }
    }

    /// How many registers it is.
    #[inline]
    pub fn registers(self) -> usize {
        match self {
            Run::Zeros(len) | Run::WideZeros(len) | Run::Ranks(_, len) => len,
        }
    }

    /// How many bytes it takes.
    #[inline]
    fn bytes(self) -> usize {
        match self {
            Run::Zeros(len) if len > Run::ZEROS_MAX => 2,
            Run::WideZeros(_) => 2,
            _ => 1,
        }
    }

    fn push_to(self, out: &mut Vec<u8>) {
        match self {
            Run::Ranks(rank, len) => out.push(0x80 | (rank - 1) << 2 | (len - 1) as u8),
            Run::Zeros(len) if len <= Run::ZEROS_MAX => out.push((len - 1) as u8),
            Run::Zeros(len) | Run::WideZeros(len) => {
                out.extend_from_slice(&[0x40 | ((len - 1) >> 8) as u8, (len - 1) as u8]);
            }
        }
    }
}

/// The runs of the sparse form, whether they add up or not.
pub fn runs(bytes: &[u8]) -> impl Iterator<Item = Run> + '_ {
    let mut at = HEADER;
    std::iter::from_fn(move || {
        let run = (at < bytes.len()).then(|| Run::read(bytes, at))?;
        at += run.bytes();
        Some(run)
    })
}

/// Visits the runs of ranks of the sparse form, each with its first register.
fn each_sparse(bytes: &[u8], mut visit: impl FnMut(usize, u8, usize)) -> Result<(), Corrupt> {
    let mut index = 0;
    for run in runs(bytes) {
        if run.registers() > REGISTERS - index {
            return Err(Corrupt);
        }
        if let Run::Ranks(rank, len) = run {
            visit(index, rank, len);
        }
        index += run.registers();
    }
    if index == REGISTERS { Ok(()) } else { Err(Corrupt) }
}

/// Where a walk over the runs of the sparse form can begin for a register that is not before the last one: the run
/// before the one before it.
#[derive(Default)]
struct Walk {
    /// Bytes behind the header.
    at: usize,
    /// The first register of the run there.
    first: usize,
}

/// Gives a register of the sparse form a rank if that is higher. Returns whether it is. The string may become dense.
fn raise_sparse(
    bytes: &mut Vec<u8>,
    index: usize,
    rank: u8,
    sparse_max: usize,
    walk: &mut Walk,
) -> Result<bool, Corrupt> {
    if rank > Run::RANK_MAX {
        *bytes = to_dense(bytes)?;
        return Ok(raise_dense(bytes, index, rank));
    }
    let (mut at, mut first) = (HEADER + walk.at, walk.first);
    let mut before: [Option<(usize, usize)>; 2] = [None, None];
    let run = loop {
        if at >= bytes.len() {
            return Err(Corrupt);
        }
        let run = Run::read(bytes, at);
        if index < first + run.registers() {
            break run;
        }
        before = [before[1], Some((at, first))];
        at += run.bytes();
        first += run.registers();
    };
    if at + run.bytes() > bytes.len() {
        return Err(Corrupt);
    }
    if let Some((at, first)) = before[0] {
        (walk.at, walk.first) = (at - HEADER, first);
    }
    match run {
        Run::Ranks(old, _) if old >= rank => return Ok(false),
        Run::Ranks(_, 1) | Run::Zeros(1) => {
            bytes[at] = 0x80 | (rank - 1) << 2;
        }
        _ => {
            let mut split = Vec::with_capacity(5);
            let same = |len| match run {
                Run::Ranks(old, _) => Run::Ranks(old, len),
                _ => Run::Zeros(len),
            };
            if index > first {
                same(index - first).push_to(&mut split);
            }
            Run::Ranks(rank, 1).push_to(&mut split);
            let last = first + run.registers() - 1;
            if index < last {
                same(last - index).push_to(&mut split);
            }
            let len = bytes.len() - run.bytes() + split.len();
            if len > bytes.len() && len > sparse_max {
                *bytes = to_dense(bytes)?;
                return Ok(raise_dense(bytes, index, rank));
            }
            bytes.splice(at..at + run.bytes(), split);
        }
    }
    join_ranks(bytes, before[1].map_or(HEADER, |(at, _)| at));
    spoil_cached_count(bytes);
    Ok(true)
}

/// Joins runs of the same rank among the next five runs.
fn join_ranks(bytes: &mut Vec<u8>, mut at: usize) {
    for _ in 0..5 {
        if at >= bytes.len() {
            return;
        }
        let run = Run::read(bytes, at);
        if let (Run::Ranks(rank, len), true) = (run, at + 1 < bytes.len())
            && let Run::Ranks(next, more) = Run::read(bytes, at + 1)
            && next == rank
            && len + more <= Run::RANKS_MAX
        {
            bytes[at + 1] = 0x80 | (rank - 1) << 2 | (len + more - 1) as u8;
            bytes.remove(at);
            // The joined run may be joined with the next one.
            continue;
        }
        at += run.bytes();
    }
}

/// The same in the dense form.
pub fn to_dense(bytes: &[u8]) -> Result<Vec<u8>, Corrupt> {
    let mut dense = vec![0; DENSE_BYTES];
    dense[..HEADER].copy_from_slice(&bytes[..HEADER]);
    dense[ENCODING_AT] = Encoding::Dense as u8;
    each_sparse(bytes, |first, rank, len| {
        (first..first + len).for_each(|index| {
            raise_dense(&mut dense, index, rank);
        });
    })?;
    Ok(dense)
}

/// Raises registers to those of a HyperLogLog where those are higher.
pub fn merge_into(registers: &mut Registers, bytes: &[u8]) -> Result<(), Corrupt> {
    match encoding(bytes) {
        Some(Encoding::Dense) => {
            for (old, new) in registers.chunks_exact_mut(4).zip(groups(bytes)) {
                old.iter_mut().zip(new).for_each(|(old, new)| *old = new.max(*old));
            }
            Ok(())
        }
        _ => each_sparse(bytes, |first, rank, len| {
            registers[first..first + len].iter_mut().for_each(|old| *old = rank.max(*old));
        }),
    }
}

/// Raises a HyperLogLog's registers to those given, which none of its own exceeds. It becomes dense if `dense`, or where
/// it would exceed `sparse_max` bytes.
pub fn raise_all(
    bytes: &mut Vec<u8>,
    registers: &Registers,
    dense: bool,
    sparse_max: usize,
) -> Result<(), Corrupt> {
    if dense && encoding(bytes) == Some(Encoding::Sparse) {
        *bytes = to_dense(bytes)?;
    }
    let mut walk = Walk::default();
    for (index, rank) in registers.iter().enumerate().filter(|(_, rank)| **rank > 0) {
        if encoding(bytes) == Some(Encoding::Dense) {
            write_dense(bytes, registers);
            break;
        }
        raise_sparse(bytes, index, *rank, sparse_max, &mut walk)?;
    }
    spoil_cached_count(bytes);
    Ok(())
}

/// The registers of a dense one.
pub fn dense_registers(bytes: &[u8]) -> Box<Registers> {
    let mut registers = Box::new([0; REGISTERS]);
    registers
        .chunks_exact_mut(4)
        .zip(groups(bytes))
        .for_each(|(to, four)| to.copy_from_slice(&four));
    registers
}

/// How many registers have which value.
type Histogram = [u32; 64];

/// Estimates how many different elements were added.
pub fn count(bytes: &[u8]) -> Result<u64, Corrupt> {
    let mut histogram: Histogram = [0; 64];
    match encoding(bytes) {
        Some(Encoding::Dense) => {
            // Counted apart, neighbours that are equal do not wait for each other.
            let mut parts: [Histogram; 4] = [[0; 64]; 4];
            for four in groups(bytes) {
                parts.iter_mut().zip(four).for_each(|(part, rank)| part[rank as usize & 63] += 1);
            }
            for part in parts {
                histogram.iter_mut().zip(part).for_each(|(sum, more)| *sum += more);
            }
        }
        _ => {
            let mut zeros = REGISTERS;
            each_sparse(bytes, |_, rank, len| {
                histogram[rank as usize] += len as u32;
                zeros -= len;
            })?;
            histogram[0] = zeros as u32;
        }
    }
    Ok(estimate(&histogram))
}

/// The same for plain registers.
pub fn count_registers(registers: &Registers) -> u64 {
    let mut histogram: Histogram = [0; 64];
    registers.iter().for_each(|rank| histogram[*rank as usize & 63] += 1);
    estimate(&histogram)
}

/// Ertl's improved estimator. The order of the operations is that of Redis, so that the last digit is.
fn estimate(histogram: &Histogram) -> u64 {
    const HALF_BY_LN_2: f64 = 0.721_347_520_444_481_7;
    let m = REGISTERS as f64;
    let mut z = m * tau((m - histogram[RANK_MAX] as f64) / m);
    for rank in (1..RANK_MAX).rev() {
        z = (z + histogram[rank] as f64) * 0.5;
    }
    z += m * sigma(histogram[0] as f64 / m);
    let estimate = HALF_BY_LN_2 * m * m / z;
    // Registers that no hash can fill may say infinity; what Redis makes of it reads as the lowest number.
    if estimate < (1u64 << 63) as f64 { estimate.round() as u64 } else { 1 << 63 }
}

fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if before == z {
            return z;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if before == z {
            return z / 3.0;
        }
    }
}

/// Tries both forms with so many elements made of `seed`: they must agree, and be right within six times the usual
/// error. Says what is wrong otherwise.
pub fn self_test(elements: u64, seed: u64, sparse_max: usize) -> Result<(), String> {
    let broken = |_: Corrupt| String::from("runs do not add up");
    let mut dense = to_dense(&empty()).map_err(broken)?;
    let mut other = empty();
    let mut checkpoint = 1;
    for number in 1..=elements {
        let element = (number ^ seed).to_le_bytes();
        add_dense(&mut dense, std::iter::once(&element[..]));
        let added = add(&mut other, std::iter::once(&element[..]), sparse_max);
        added.map_err(broken)?;
        if number < checkpoint {
            continue;
        }
        if number < sparse_max as u64 / 2 && encoding(&other) != Some(Encoding::Sparse) {
            return Err("sparse encoding not used".into());
        }
        let counted = count(&dense).map_err(broken)?;
        if Ok(counted) != count(&other) {
            return Err("dense/sparse disagree".into());
        }
        // One of ten elements is often lost to a collision.
        let usual = 1.04 / (REGISTERS as f64).sqrt();
        let most = if number == 10 { 1 } else { (usual * 6.0 * number as f64).ceil() as u64 };
        if counted.abs_diff(number) > most {
            let error = counted.abs_diff(number);
            return Err(format!("Too big error. card:{number} abserr:{error}"));
        }
        checkpoint *= 10;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
