//! Words separated by blanks, with quotes, as an inline command and a manifest line have them.
//!
//! `"…"` understands `\n \r \t \b \a \xHH`, and any other escaped byte stands for itself; `'…'` understands only `\'`.
//! After a closing quote comes a blank or the end.
//!
//! # Source
//! - formats.md 1.2, 4.2

/// Splits a line; `None` if its quotes are unbalanced.
pub(super) fn split(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        rest = rest.trim_ascii_start();
        if rest.is_empty() {
            return Some(words);
        }
        let mut word = Vec::new();
        rest = take_word(rest, &mut word)?;
        words.push(word);
    }
}

/// Takes the word at the front of `line` and returns what follows it.
fn take_word<'a>(mut line: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    while let [byte, after @ ..] = line {
        line = after;
        match byte {
            b'"' | b'\'' => {
                line = take_quoted(line, *byte, word)?;
                let ended = line.first().is_none_or(u8::is_ascii_whitespace);
                return ended.then_some(line);
            }
            blank if blank.is_ascii_whitespace() => break,
            _ => word.push(*byte),
        }
    }
    Some(line)
}

/// Takes what is inside quotes, and the closing one.
fn take_quoted<'a>(mut line: &'a [u8], quote: u8, word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        line = match line {
            [byte, after @ ..] if *byte == quote => return Some(after),
            [b'\\', b'\'', after @ ..] if quote == b'\'' => {
                word.push(b'\'');
                after
            }
            [b'\\', b'x', high, low, after @ ..]
                if quote == b'"' && high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                let digit = |byte: &u8| char::from(*byte).to_digit(16).unwrap_or(0) as u8;
                word.push(digit(high) << 4 | digit(low));
                after
            }
            [b'\\', escaped, after @ ..] if quote == b'"' => {
                word.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => *other,
                });
                after
            }
            [byte, after @ ..] => {
                word.push(*byte);
                after
            }
            [] => return None,
        }
    }
}

/// Appends a word, quoted if it could not be read back otherwise.
pub(super) fn put(out: &mut Vec<u8>, word: &[u8]) {
    let plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\');
    if !word.is_empty() && word.iter().all(plain) {
        out.extend_from_slice(word);
        return;
    }
    out.push(b'"');
    for byte in word {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x07 => out.extend_from_slice(b"\\a"),
            0x08 => out.extend_from_slice(b"\\b"),
            b' '..=b'~' => out.push(*byte),
            _ => out.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
        }
    }
    out.push(b'"');
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
