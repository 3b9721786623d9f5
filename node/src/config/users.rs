//! `user` lines of a configuration file, as CONFIG REWRITE leaves them.
//!
//! The lines that are there are replaced one by one, in order; what there is beyond them is added at the end. Where users have
//! a file of their own, none is left. Where there is only the default user, and no more to say of it than `requirepass`
//! does, none is added. (Redis adds one; then `requirepass` would mean nothing any more.)
//!
//! # Not here
//! - what the words mean: `engine::acl`

use super::file::{quoted, split_words};
use super::rewrite::{SIGNATURE, is_plain};

/// The line of a user. `line` is how the engine shows it; none if that is no text.
pub fn line(line: &[u8]) -> Option<String> {
    let line = std::str::from_utf8(line).ok()?;
    let word = |word: &str| if is_plain(word) { word.to_owned() } else { quoted(word) };
    Some(line.split(' ').map(word).collect::<Vec<_>>().join(" "))
}

fn is_user(line: &str) -> bool {
    let line = line.trim_ascii();
    let words = if line.starts_with('#') { None } else { split_words(line.as_bytes()) };
    let first = words.unwrap_or_default().into_iter().next();
    first.is_some_and(|word| word.eq_ignore_ascii_case(b"user"))
}

/// The text with these `user` lines in place of those that are in it.
pub fn rewrite(text: &str, users: &[String]) -> String {
    let mut left = users.iter();
    let mut lines: Vec<&str> = Vec::new();
    for line in text.lines() {
        match is_user(line) {
            true => lines.extend(left.next().map(String::as_str)),
            false => lines.push(line),
        }
    }
    if left.len() > 0 && !lines.iter().any(|line| line.trim_ascii() == SIGNATURE) {
        lines.push(SIGNATURE);
    }
    lines.extend(left.map(String::as_str));
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// Whether a text has such lines.
pub fn has_any(text: &str) -> bool {
    text.lines().any(is_user)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_replaced_in_order_and_the_rest_is_added() {
        let text = "# user a\nuser a on\nport 1\n USER 'b' on\n";
        let users = ["user a off".to_string(), "user c off".into(), "user d off".into()];
        let one = format!("# user a\nuser a off\nport 1\nuser c off\n{SIGNATURE}\nuser d off\n");
        assert_eq!(rewrite(text, &users), one);
        assert_eq!(rewrite(&one, &users), one, "it stays so");
        assert_eq!(rewrite(text, &users[..1]), "# user a\nuser a off\nport 1\n");
        assert_eq!(rewrite(text, &[]), "# user a\nport 1\n");
        assert!(has_any(text) && !has_any("# user a\nusers 1\n"));
    }

    #[test]
    fn words_that_need_them_get_quotes() {
        assert_eq!(line(b"user a\"b on ~x").as_deref(), Some("user \"a\\\"b\" on ~x"));
        assert_eq!(line(b"user \xff on"), None);
    }
}
