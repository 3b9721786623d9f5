//! The intset: bytes are accepted if and only if a plain reader accepts them, and say the same; whatever is accepted is
//! walked both ways, searched, and then changed step by step, equal to an ordered set after each.
//!
//! ```text
//! input:  kind u8 | len u8 | len bytes of an intset | steps …
//! ```

#![no_main]

use fuzzing::{Input, packed};
use keyspace::limits::Limits;
use keyspace::packed::PackedInts;
use keyspace::set::Set;
use libfuzzer_sys::fuzz_target;
use protocol::intset;
use std::collections::BTreeSet;

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let kind = input.byte();
    let len = usize::from(input.byte());
    let bytes = input.take(len);
    let bytes = match kind & 3 {
        // As it comes.
        0 => bytes.to_vec(),
        // With the header put right.
        1 => {
            let width = [2, 4, 8, 4][usize::from(kind >> 2 & 3)];
            let mut whole = intset::header(width, bytes.len() / width).to_vec();
            whole.extend_from_slice(&bytes[..bytes.len() / width * width]);
            whole
        }
        // In order, too.
        _ => {
            let width = [2, 4, 8, 4][usize::from(kind >> 2 & 3)];
            let numbers: BTreeSet<i64> = bytes.chunks_exact(width).map(intset::read).collect();
            let mut whole = intset::header(width, numbers.len()).to_vec();
            for number in numbers {
                whole.extend_from_slice(&number.to_le_bytes()[..width]);
            }
            whole
        }
    };
    let expected = packed::intset(&bytes);
    let found = intset::validate(&bytes);
    assert_eq!(found.ok(), expected.as_ref().map(Vec::len), "{}", bytes.escape_ascii());
    let Some(numbers) = expected else { return };

    let ints = PackedInts::from_bytes(&bytes).expect("validated");
    assert!(ints.iter().eq(numbers.iter().copied()));
    assert!(ints.iter().rev().eq(numbers.iter().rev().copied()));
    for (index, number) in numbers.iter().enumerate() {
        assert_eq!(intset::search(&bytes, *number), Ok(index));
        assert_eq!(ints.get(index), Some(*number));
    }
    assert_eq!(ints.get(numbers.len()), None);
    change(ints, numbers.iter().copied().collect(), &mut input);

    // A set of these numbers keeps them whatever its limit is.
    let limits = Limits { set_max_intset_entries: usize::from(kind >> 4), ..Limits::DEFAULT };
    let set = Set::from_ints(&bytes, &limits).expect("validated");
    set.check();
    let mut members: Vec<i64> = set.iter().filter_map(|member| member.to_i64()).collect();
    members.sort_unstable();
    assert_eq!(members, numbers);
});

/// The most steps of one input: each is followed by a whole comparison.
const STEPS: usize = 8;

fn change(mut ints: PackedInts, mut numbers: BTreeSet<i64>, input: &mut Input<'_>) {
    for _ in 0..STEPS {
        if input.is_empty() {
            return;
        }
        let step = input.byte();
        let number = match step & 4 {
            0 => input.number(),
            _ => {
                let place = input.below(numbers.len() + 1);
                numbers
                    .iter()
                    .nth(place)
                    .map_or(i64::MIN, |number| number.wrapping_add(step as i64 >> 6))
            }
        };
        match step & 3 {
            0 | 1 => assert_eq!(ints.add(number), numbers.insert(number)),
            2 => assert_eq!(ints.remove(number), numbers.remove(&number)),
            _ => assert_eq!(ints.contains(number), numbers.contains(&number)),
        }
        assert!(ints.iter().eq(numbers.iter().copied()));
        assert_eq!(ints.len(), numbers.len());
        assert!(ints.is_empty() || intset::validate(ints.as_bytes()).is_ok());
    }
}
