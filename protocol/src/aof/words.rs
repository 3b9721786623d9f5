//! Words separated by blanks, with quotes, as an inline command and a manifest line have them.
//!
//! # Source
//! - `sds.c` of Redis 7.2 (`sdssplitargs`), which takes inline commands and lines of manifests apart

use crate::resp::encode::quote;
use crate::resp::request::split_inline;

/// Splits a line, by the rules of inline requests; `None` if its quotes are unbalanced.
pub(super) fn split(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (mut bytes, mut spans) = (line.to_vec(), Vec::new());
    split_inline(&mut bytes, 0, line.len(), &mut spans).ok()?;
    let word = |start: u32, len: u32| bytes[start as usize..][..len as usize].to_vec();
    Some(spans.iter().map(|span| word(span.start, span.len)).collect())
}

/// Appends a word, quoted if it could not be read back otherwise.
pub(super) fn put(out: &mut Vec<u8>, word: &[u8]) {
    let plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\');
    if !word.is_empty() && word.iter().all(plain) {
        out.extend_from_slice(word);
        return;
    }
    quote(out, word);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quotes_and_escapes() {
        let words =
            split(b" a \"b c\"\t'd \\' e' \"\\x41\\n\\\"\\q\" f\"g\" \"\"\r").expect("balanced");
        let expected: [&[u8]; 6] = [b"a", b"b c", b"d ' e", b"A\n\"q", b"fg", b""];
        assert_eq!(words, expected);
        assert_eq!(split(b"  "), Some(vec![]));
        for line in ["\"a", "'a", "\"a\"b", "\"a\\\""] {
            assert_eq!(split(line.as_bytes()), None, "{line}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_words_round_trip(
            words in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..5),
        ) {
            let mut line = Vec::new();
            for word in &words {
                put(&mut line, word);
                line.push(b' ');
            }
            prop_assert!(!line.contains(&b'\n'));
            prop_assert_eq!(split(&line), Some(words));
        }
    }
}
