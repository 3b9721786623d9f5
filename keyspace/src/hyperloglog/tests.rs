//! HyperLogLogs against known values of Redis, against plain registers, and against damage.

use super::*;
use proptest::prelude::*;

fn registers_of(bytes: &[u8]) -> Result<Box<Registers>, Corrupt> {
    let mut registers = Box::new([0; REGISTERS]);
    merge_into(&mut registers, bytes).map(|()| registers)
}

/// Bytes that Redis 7.0.15 made of `PFADD key a b c d e f g`.
#[test]
fn bytes_are_those_of_redis() {
    let mut bytes = empty();
    let added = add(
        &mut bytes,
        [b"a", b"b", b"c", b"d", b"e", b"f", b"g"].map(|e| &e[..]).into_iter(),
        3000,
    );
    assert_eq!(added, Ok(7));
    assert_eq!(bytes, SEVEN_LETTERS);
    assert_eq!(count(&bytes), Ok(7));
}

const SEVEN_LETTERS: &[u8] = b"HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x46\x6d\x80\x56\x0c\x80\x44\x3c\x84\x38\x80\x50\xb1\x84\x49\x8c\x80\x42\x6d\x80\x42\x5a";

/// As PFDEBUG DECODE of Redis 7.0.15 shows them.
#[test]
fn elements_belong_where_redis_puts_them() {
    for (element, index, rank) in [
        ("a", 12711, 2),
        ("", 5938, 2),
        ("12345678", 10579, 3),
        ("123456789", 9293, 2),
        ("hello world, this is long", 796, 1),
    ] {
        assert_eq!(place(element.as_bytes()), (index, rank), "{element}");
    }
}

#[test]
fn self_test_passes() {
    for seed in [0, 42, u64::MAX] {
        assert_eq!(self_test(100_000, seed, 3000), Ok(()));
    }
}

#[test]
fn impossible_registers_do_no_harm() {
    let mut dense = to_dense(&empty()).unwrap();
    dense[HEADER..].fill(0xff);
    assert_eq!(count(&dense), Ok(1 << 63));
    assert_eq!(count_registers(&[63; REGISTERS]), 1 << 63);
}

#[derive(Debug, Clone)]
enum Op {
    Add(u64, u64),
    Raise(u16, u8),
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Sparse or dense, the registers are those of a plain array, and runs stay whole.
    #[test]
    fn behaves_like_plain_registers(
        ops in prop::collection::vec(prop_oneof![
            (any::<u64>(), 0u64..300).prop_map(|(from, count)| Op::Add(from, count)),
            (prop_oneof![0u16..40, 0u16..16384], 1u8..=51).prop_map(|(at, rank)| Op::Raise(at, rank)),
        ], 1..40),
        limit in prop_oneof![Just(3000usize), Just(100), Just(20), Just(100_000)],
    ) {
        let (mut bytes, mut model) = (empty(), Box::new([0u8; REGISTERS]));
        for op in ops {
            match op {
                Op::Add(from, count) => {
                    let texts: Vec<[u8; 8]> =
                        (0..count).map(|n| from.wrapping_add(n).to_le_bytes()).collect();
                    let mut changed = 0;
                    for text in &texts {
                        let (index, rank) = place(text);
                        changed += usize::from(rank > model[index]);
                        model[index] = model[index].max(rank);
                    }
                    let added = add(&mut bytes, texts.iter().map(|text| &text[..]), limit);
                    prop_assert_eq!(added, Ok(changed));
                }
                Op::Raise(index, rank) => {
                    let (index, before) = (index as usize, model[index as usize]);
                    let raised = match encoding(&bytes) {
                        Some(Encoding::Dense) => Ok(raise_dense(&mut bytes, index, rank)),
                        _ => raise_sparse(&mut bytes, index, rank, limit, &mut Walk::default()),
                    };
                    prop_assert_eq!(raised, Ok(rank > before));
                    model[index] = before.max(rank);
                }
            }
            prop_assert!(encoding(&bytes) == Some(Encoding::Dense) || bytes.len() <= limit.max(18));
        }
        prop_assert_eq!(&registers_of(&bytes).unwrap()[..], &model[..]);
        prop_assert_eq!(count(&bytes), Ok(count_registers(&model)));
        if encoding(&bytes) == Some(Encoding::Sparse) {
            let dense = to_dense(&bytes).unwrap();
            prop_assert_eq!(&dense_registers(&dense)[..], &model[..]);
            prop_assert_eq!(count(&dense), count(&bytes));
        }
    }

    /// A walk that goes on where the last one was finds what one from the beginning finds.
    #[test]
    fn raising_all_is_raising_one_by_one(
        old in prop::collection::vec((prop_oneof![0usize..200, 0usize..REGISTERS], 1u8..6), 0..200),
        new in prop::collection::vec((prop_oneof![0usize..200, 0usize..REGISTERS], 1u8..6), 0..200),
    ) {
        let mut bytes = empty();
        for (index, rank) in old {
            raise_sparse(&mut bytes, index, rank, 3000, &mut Walk::default()).unwrap();
        }
        let mut registers = registers_of(&bytes).unwrap();
        new.iter().for_each(|(index, rank)| registers[*index] = registers[*index].max(*rank));
        let (mut at_once, mut by_one) = (bytes.clone(), bytes);
        raise_all(&mut at_once, &registers, false, 3000).unwrap();
        for (index, rank) in registers.iter().enumerate().filter(|(_, rank)| **rank > 0) {
            raise_sparse(&mut by_one, index, *rank, 3000, &mut Walk::default()).unwrap();
        }
        spoil_cached_count(&mut by_one);
        prop_assert_eq!(at_once, by_one);
    }

    /// Damage is found or does no harm.
    #[test]
    fn damage_never_panics(
        mut bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            Just(empty()),
            (0u64..2000).prop_map(|count| {
                let mut bytes = empty();
                let texts: Vec<[u8; 8]> = (0..count).map(u64::to_le_bytes).collect();
                add(&mut bytes, texts.iter().map(|text| &text[..]), 3000).unwrap();
                bytes
            }),
        ],
        damage in prop::collection::vec((0usize..4000, any::<u8>()), 0..10),
        tail in prop::collection::vec(any::<u8>(), 0..3),
        cut in 0usize..5,
        elements in prop::collection::vec(any::<u64>(), 0..20),
        limit in prop_oneof![Just(3000usize), Just(0), Just(30)],
    ) {
        if bytes.len() > 4 {
            let sparse = bytes[4] & 1;
            bytes[..4].copy_from_slice(MAGIC);
            bytes[4] = sparse;
        }
        for (at, byte) in damage {
            if at >= 5 && at < bytes.len() { bytes[at] = byte }
        }
        if cut < bytes.len() { bytes.truncate(bytes.len() - cut) }
        bytes.extend(tail);
        if encoding(&bytes).is_some() {
            let sound = registers_of(&bytes);
            prop_assert_eq!(count(&bytes).is_ok(), sound.is_ok());
            cached_count(&bytes);
            runs(&bytes).for_each(drop);
            if encoding(&bytes) == Some(Encoding::Sparse) {
                prop_assert_eq!(to_dense(&bytes).is_ok(), sound.is_ok());
            }
            let texts: Vec<[u8; 8]> = elements.iter().map(|e| e.to_le_bytes()).collect();
            let added = add(&mut bytes, texts.iter().map(|text| &text[..]), limit);
            prop_assert!(added.is_ok() || sound.is_err());
        }
    }
}
