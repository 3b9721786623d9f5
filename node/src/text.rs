//! Words for operators.

use std::borrow::Cow;

/// A text without what Rust adds to the system's own words: `Permission denied (os error 13)`.
pub fn plain(text: &str) -> Cow<'_, str> {
    const ADDED: &str = " (os error ";
    let mut kept = Cow::Borrowed(text);
    let mut from = 0;
    while let Some(at) = kept[from..].find(ADDED).map(|at| from + at) {
        let number = &kept[at + ADDED.len()..];
        let digits = number.bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 && number[digits..].starts_with(')') {
            kept.to_mut().replace_range(at..at + ADDED.len() + digits + 1, "");
            from = at;
        } else {
            from = at + ADDED.len();
        }
    }
    kept
}
