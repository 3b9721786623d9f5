//! LZF: any bytes are decompressed exactly as a plain decompressor does it, or refused; the output is never longer than
//! announced, and its room is bounded by the input's size. What is compressed comes back, also with a compressor that
//! has seen other inputs before.
//!
//! ```text
//! input:  kind u8 | announced u16 | bytes
//! ```

#![no_main]

use fuzzing::Input;
use libfuzzer_sys::fuzz_target;
use protocol::lzf::{Compressor, compress, decompress};

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let kind = input.byte();
    let announced = usize::from(input.byte()) << 8 | usize::from(input.byte());
    let bytes = input.0;

    let expected = plain(bytes);
    let announced = match (&expected, kind & 3) {
        // What it really is, or near it: otherwise next to nothing is accepted.
        (Some(text), 0 | 1) => text.len(),
        (Some(text), 2) => (text.len() + (announced & 3)).saturating_sub(1),
        _ if kind & 4 == 0 => announced,
        _ => usize::MAX >> (announced & 63),
    };
    let mut out = b"before".to_vec();
    let result = decompress(bytes, announced, &mut out);
    let right = expected.filter(|text| text.len() == announced);
    match right {
        Some(text) => {
            assert_eq!(result, Ok(()));
            assert_eq!(&out[6..], text);
        }
        None => {
            assert!(result.is_err());
            assert_eq!(out, b"before", "an error leaves nothing behind");
        }
    }
    assert!(out.capacity() <= 64 + 2 * 88 * bytes.len().max(1), "room of {}", out.capacity());

    // The same compressor for all: what it remembers of one text must not show in the next.
    let mut state = Compressor::new();
    if kind & 8 != 0 {
        // A text with itself behind it, so that copies reach far.
        let twice = [bytes, &bytes[bytes.len() / 3..], bytes].concat();
        round_trip(&twice, &mut state);
        round_trip(&bytes[bytes.len() / 2..], &mut state);
    }
    round_trip(bytes, &mut state);
});

fn round_trip(bytes: &[u8], state: &mut Compressor) {
    let mut packed = b"before".to_vec();
    let worth_it = compress(bytes, &mut packed, state);
    let Some(packed) = packed.strip_prefix(b"before") else { panic!("it only appends") };
    if !worth_it {
        return assert!(packed.is_empty(), "nothing is left of an attempt");
    }
    assert!(packed.len() + 4 <= bytes.len(), "it saves 4 bytes");
    let mut back = Vec::new();
    assert_eq!(decompress(packed, bytes.len(), &mut back), Ok(()));
    assert_eq!(back, bytes);
    assert_eq!(plain(packed).as_deref(), Some(bytes));
}

/// What the bytes stand for, one byte at a time.
fn plain(packed: &[u8]) -> Option<Vec<u8>> {
    let (mut input, mut out) = (packed.iter().copied(), Vec::new());
    while let Some(control) = input.next() {
        if control < 32 {
            for _ in 0..=control {
                out.push(input.next()?);
            }
            continue;
        }
        let mut len = usize::from(control >> 5) + 2;
        if len == 9 {
            len += usize::from(input.next()?);
        }
        let distance = usize::from(control & 31) << 8 | usize::from(input.next()?);
        let from = out.len().checked_sub(distance + 1)?;
        // Byte by byte: a copy may overlap what it makes.
        for at in from..from + len {
            out.push(out[at]);
        }
    }
    Some(out)
}
