//! What the fuzz targets share: choices out of the input, a server with one client, and equality of values.
//!
//! ```text
//! fuzz_targets/NAME.rs     one target each; its header says what it verifies
//! corpus/NAME/             inputs to begin with, and every input that once found something
//! dictionaries/NAME.dict   words that mutations rarely hit upon
//! examples/seeds.rs        makes the inputs to begin with
//! ```
//!
//! An input that finds something has to find it again, alone and at any time: so nothing here reads a clock or draws
//! by chance, and every input that gets as far as changing a server begins with a fresh one.

pub mod client;
pub mod grammar;
pub mod packed;
pub mod same;
pub mod scripts;

use keyspace::limits::Limits;

/// Limits under which values soon become large ones.
pub fn small_limits() -> Limits {
    Limits {
        hash_max_listpack_entries: 2,
        zset_max_listpack_entries: 2,
        set_max_intset_entries: 2,
        set_max_listpack_entries: 3,
        list_max_listpack_size: 2,
        stream_node_max_entries: 2,
        hll_sparse_max_bytes: 40,
        ..Limits::DEFAULT
    }
}

/// Choices and bytes, taken from the front of an input. When it is used up, all choices are 0.
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One byte.
    pub fn byte(&mut self) -> u8 {
        match self.0 {
            [first, rest @ ..] => {
                self.0 = rest;
                *first
            }
            [] => 0,
        }
    }

    /// A number below `limit`, which is not 0.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::from(self.byte()) % limit
    }

    /// Up to `len` bytes.
    pub fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// A number of any size, the limits of all widths among them.
    pub fn number(&mut self) -> i64 {
        let kind = self.byte();
        let mut bytes = [0; 8];
        let taken = self.take(usize::from(kind & 7) + 1);
        bytes[..taken.len()].copy_from_slice(taken);
        let number = i64::from_le_bytes(bytes);
        match kind >> 3 & 7 {
            0..=2 => number,
            3 => number.wrapping_neg(),
            // The last number of a width, or a few beyond it.
            4 => (i64::MAX >> (number as u32 & 63)).wrapping_add(number >> 6 & 3),
            5 => (i64::MIN >> (number as u32 & 63)).wrapping_sub(number >> 6 & 3),
            6 => number & 0x7f,
            _ => number >> 32,
        }
    }

    /// An element of a collection: short text, a number's text, a text at one of the limits of the encodings' lengths.
    pub fn element(&mut self) -> Vec<u8> {
        match self.byte() {
            kind @ 0..=0x9f => self.take(usize::from(kind & 0x0f)).to_vec(),
            0xa0..=0xdf => self.number().to_string().into_bytes(),
            0xe0..=0xef => format!("{:02}", self.byte()).into_bytes(),
            kind => {
                const LENGTHS: [usize; 8] = [62, 63, 64, 65, 126, 127, 128, 300];
                vec![self.byte(); LENGTHS[usize::from(kind & 7)]]
            }
        }
    }

    /// One of few elements, so that they meet again.
    pub fn familiar(&mut self) -> Vec<u8> {
        let choice = self.byte();
        match choice >> 5 {
            0..=4 => format!("e{}", choice & 0x0f).into_bytes(),
            5 => (i64::from(choice & 0x1f) - 8).to_string().into_bytes(),
            6 => (i64::from(choice & 0x1f) << 28).to_string().into_bytes(),
            _ => self.element(),
        }
    }
}
