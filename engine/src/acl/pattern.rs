//! Patterns of keys and channels, taken apart once so that most are matched by comparing bytes.

use crate::glob;

/// What may be done with keys, a bit each.
pub type Access = u8;

/// Their values may be read.
pub const READ: Access = 1;
/// They may be changed or removed.
pub const WRITE: Access = 2;
/// Both.
pub const READ_WRITE: Access = READ | WRITE;

/// A pattern as KEYS and PSUBSCRIBE take it.
///
/// Most names do not fit most patterns, and differ in their first bytes: these are compared as one number, without looking at
/// the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// The first bytes that a name must have, and which of its first bytes they are.
    head: u64,
    mask: u64,
    form: Form,
    text: Vec<u8>,
}

/// A name with its first bytes as a number.
#[derive(Clone, Copy)]
pub struct Name<'a> {
    bytes: &'a [u8],
    head: u64,
}

impl<'a> Name<'a> {
    /// Looks at a name.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Name<'a> {
        Name { bytes, head: head_of(bytes) }
    }
}

/// The first eight bytes, followed by zeros if there are fewer.
#[inline]
fn head_of(bytes: &[u8]) -> u64 {
    match bytes.first_chunk() {
        Some(head) => u64::from_le_bytes(*head),
        None => {
            let mut head = [0; 8];
            head[..bytes.len()].copy_from_slice(bytes);
            u64::from_le_bytes(head)
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// `*`.
    All,
    /// Without anything special in it.
    Exact,
    /// The same and then one star.
    Prefix,
    /// Any other.
    Glob,
}

impl Pattern {
    /// Takes a pattern apart.
    pub fn new(text: &[u8]) -> Pattern {
        let special = text.iter().position(|byte| b"*?[\\".contains(byte));
        let form = match special {
            _ if text == b"*" => Form::All,
            None => Form::Exact,
            Some(at) if at + 1 == text.len() && text[at] == b'*' => Form::Prefix,
            Some(_) => Form::Glob,
        };
        let literal = &text[..special.unwrap_or(text.len()).min(8)];
        let mask = match literal.len() {
            0 => 0,
            len => u64::MAX >> (64 - 8 * len),
        };
        Pattern { head: head_of(literal), mask, form, text: text.to_vec() }
    }

    /// As it was written.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Whether it stands for every name, as far as one sees at once.
    pub fn is_all(&self) -> bool {
        self.form == Form::All
    }

    /// Whether a name fits.
    #[inline]
    pub fn matches(&self, name: Name<'_>) -> bool {
        name.head & self.mask == self.head && self.fits(name.bytes)
    }

    /// The same for a name whose first bytes fit.
    fn fits(&self, name: &[u8]) -> bool {
        match self.form {
            Form::All => true,
            Form::Exact => self.text == name,
            Form::Prefix => name.starts_with(&self.text[..self.text.len() - 1]),
            Form::Glob => glob::matches(&self.text, name, false),
        }
    }
}

/// A pattern of keys with what may be done with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPattern {
    /// The keys.
    pub pattern: Pattern,
    /// What may be done.
    pub access: Access,
}

impl KeyPattern {
    /// Whether it allows `need` for a key.
    #[inline]
    pub fn allows(&self, key: Name<'_>, need: Access) -> bool {
        self.access & need == need && self.pattern.matches(key)
    }

    /// The rule that adds it.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(match self.access {
            READ => b"%R~",
            WRITE => b"%W~",
            _ => b"~",
        });
        out.extend_from_slice(self.pattern.text());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_matches_as_the_pattern_does() {
        let patterns = [
            "*",
            "abc",
            "abc*",
            "a*c",
            "a?c",
            "[ab]*",
            "a\\*",
            "",
            "**",
            "abc**",
            "12345678*",
            "123456789*",
            "12345678",
            "1234567?",
            "a\0*",
        ];
        for pattern in patterns {
            for name in [
                "",
                "a",
                "abc",
                "abcd",
                "ab",
                "a*",
                "bbb",
                "*",
                "12345678",
                "1234567",
                "123456789",
                "12345678x",
                "a\0",
                "a\0b",
            ] {
                let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
                let expected = glob::matches(pattern, name, false);
                let matches = Pattern::new(pattern).matches(Name::new(name));
                assert_eq!(matches, expected, "{pattern:?} {name:?}");
            }
        }
        assert_eq!(Pattern::new(b"user:*").form, Form::Prefix);
        assert_eq!(Pattern::new(b"user:1").form, Form::Exact);
        assert_eq!(Pattern::new(b"user:\\*").form, Form::Glob);
    }
}
