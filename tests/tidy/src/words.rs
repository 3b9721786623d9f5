//! Words that may not be said, and where; and the first line of a file.
//!
//! Clippy holds what it can (`clippy.toml`: clocks, renames; `[workspace.lints]`). Here is what depends on the place.

use crate::source::{Source, test_files};
use crate::tree::Tree;

/// Where a word is banned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Everywhere.
    Everywhere,
    /// In sources below these folders, tests included.
    Below(&'static [&'static str]),
    /// In sources below these folders, but for what is for tests only.
    BelowWithoutTests(&'static [&'static str]),
}

/// Words that may not be said.
#[derive(Clone, Copy, Debug)]
pub struct Ban {
    /// They follow each other, as the compiler sees them.
    pub words: &'static [&'static str],
    /// Where.
    pub place: Place,
    /// Files in which they may be said all the same, and why.
    pub except: &'static [(&'static str, &'static str)],
    /// What to do.
    pub instead: &'static str,
}

/// Words said where they are banned, and exceptions that nothing needs.
pub fn bans(tree: &Tree, bans: &[Ban]) -> Vec<String> {
    let tests = test_files(tree);
    let sources: Vec<_> =
        tree.sources().map(|(path, text)| (path, Source::of(path, text))).collect();
    let mut wrong = Vec::new();
    for ban in bans {
        let said = ban.words.concat();
        let is_below = |path: &str, folders: &[&str]| folders.iter().any(|f| path.starts_with(f));
        let mut excepted = Vec::new();
        for (path, source) in &sources {
            let concerns = |line| match ban.place {
                Place::Everywhere => true,
                Place::Below(folders) => is_below(path, folders),
                Place::BelowWithoutTests(folders) => {
                    is_below(path, folders) && !tests.contains(*path) && !source.is_test_line(line)
                }
            };
            let is_excepted = ban.except.iter().any(|(file, _)| file == path);
            for line in source.lines_with(ban.words).filter(|line| concerns(*line)) {
                if is_excepted {
                    excepted.push(*path);
                } else {
                    wrong.push(format!("{path}:{line}: {said}: {}", ban.instead));
                }
            }
        }
        let stale = ban.except.iter().filter(|(file, _)| !excepted.contains(file));
        wrong.extend(stale.map(|(file, _)| {
            format!(
                "tests/tidy/src/lists.rs: {file} does not say {said} any more; remove the exception"
            )
        }));
    }
    wrong
}

/// Sources that do not open by saying what they are.
pub fn headers(tree: &Tree) -> Vec<String> {
    let is_header = |text: &str| {
        let first = text.lines().next().unwrap_or_default();
        first.strip_prefix("//! ").is_some_and(|said| said.len() >= 5)
    };
    let without = tree.sources().filter(|(_, text)| !is_header(text));
    without
        .map(|(path, _)| {
            format!("{path}: the first line is to say what the file is: `//! <a noun phrase>`")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn one(found: Vec<String>, part: &str) {
        assert!(found.len() == 1 && found[0].contains(part), "{found:?}");
    }

    fn ban(place: Place, except: &'static [(&'static str, &'static str)]) -> Ban {
        Ban { words: &["thread", "::", "sleep"], place, except, instead: "wait for it" }
    }

    #[test]
    fn banned_words_are_found_where_they_are_banned() {
        let said = "fn f() { std::thread::sleep(X); }";
        let tree = Tree::default().with("a/src/b.rs", said).with("c/src/d.rs", said);
        assert_eq!(bans(&tree, &[ban(Place::Everywhere, &[])]).len(), 2);
        one(
            bans(&tree, &[ban(Place::Below(&["a/"]), &[])]),
            "a/src/b.rs:1: thread::sleep: wait for it",
        );
        let except = &[("a/src/b.rs", "planted")];
        one(bans(&tree, &[ban(Place::Everywhere, except)]), "c/src/d.rs");
        one(
            bans(&tree.with("a/src/b.rs", ""), &[ban(Place::Below(&["a/"]), except)]),
            "remove the exception",
        );
    }

    #[test]
    fn comments_and_texts_say_nothing() {
        let text = "//! thread::sleep\n/// thread::sleep\nconst A: &str = \"thread::sleep\";";
        assert_eq!(
            bans(&Tree::default().with("a.rs", text), &[ban(Place::Everywhere, &[])]),
            [""; 0]
        );
    }

    #[test]
    fn tests_may_say_more_where_that_is_meant() {
        let text = "#[cfg(test)] mod tests { fn f() { std::thread::sleep(X); } }";
        let tree = Tree::default().with("a/src/b.rs", text);
        assert_eq!(bans(&tree, &[ban(Place::BelowWithoutTests(&["a/"]), &[])]), [""; 0]);
        one(bans(&tree, &[ban(Place::Below(&["a/"]), &[])]), "a/src/b.rs:1");
    }

    #[test]
    fn a_file_without_a_header_is_found() {
        for text in ["", "use a::b;", "// What it is.", "//!\n//! Late.", "//! Mod"] {
            one(headers(&Tree::default().with("a/b.rs", text)), "a/b.rs: the first line");
        }
        assert_eq!(headers(&Tree::default().with("a/b.rs", "//! What it is.\n")), [""; 0]);
    }
}
