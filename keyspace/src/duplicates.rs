//! Whether values that came from outside differ.

use crate::hashing::hash_bytes;
use protocol::listpack::{TextBuffer, Value};
use std::collections::BTreeSet;

/// Whether two of `count` values have the same text.
pub(crate) fn has_duplicates<'a>(
    values: impl Iterator<Item = Value<'a>> + Clone,
    count: usize,
) -> bool {
    let mut buffer = TextBuffer::new();
    let (mut few, mut many) = ([0; 64], Vec::new());
    let hashes = if count <= few.len() {
        &mut few[..count]
    } else {
        many.resize(count, 0);
        &mut many[..]
    };
    for (hash, value) in hashes.iter_mut().zip(values.clone()) {
        *hash = hash_bytes(value.to_text(&mut buffer));
    }
    hashes.sort_unstable();
    if hashes.windows(2).all(|pair| pair[0] != pair[1]) {
        return false;
    }
    let mut texts = BTreeSet::new();
    values.map(Value::to_vec).any(|text| !texts.insert(text))
}
