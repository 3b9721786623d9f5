//! What documents and comments point to: files.
//!
//! A path is looked for from the root, from the folder of the file that names it and from the folder of its crate, in this
//! order, and as what is written beside the other documents, in `docs`. Paths with a wildcard or a word in capitals to be
//! replaced are none.
//!
//! # Not here
//! - links, and what documents say of scripts, directives and fields: the integration test `documents`

use crate::tree::Tree;

/// Ends of paths that are looked for wherever they are named.
const ENDS: &[&str] = &[".rs", ".md", ".toml", ".sh"];

/// Beginnings of paths that are looked for, whatever their end.
const BEGINNINGS: &[&str] = &["docs/", "scripts/", "contrib/", "tests/", "fuzz/"];

/// Paths that are named and are not there; but for `known`, each with a reason.
pub fn paths(tree: &Tree, known: &[(&str, &str)]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (path, text) in tree.files().filter(|(path, _)| is_searched(path)) {
        for (number, line) in text.lines().enumerate() {
            let said = if path.ends_with(".md") { line } else { comment(path, line) };
            for word in said.split(|c: char| !is_path_char(c)).map(trimmed) {
                let is_known = known.iter().any(|(known, _)| *known == word);
                if is_path(word) && !is_known && !is_there(tree, path, word) {
                    let line = number + 1;
                    wrong.push(format!(
                        "{path}:{line}: {word}: there is no such file; name one that is there"
                    ));
                }
            }
        }
    }
    wrong
}

fn is_searched(path: &str) -> bool {
    let is_source =
        [".md", ".rs", ".toml", ".sh", ".py", ".yml"].iter().any(|end| path.ends_with(end));
    // What was is not there any more.
    (is_source || path.starts_with("scripts/"))
        && path != "CHANGELOG.md"
        && !path.starts_with("tests/tidy/")
}

/// What a line says to a reader.
fn comment<'l>(path: &str, line: &'l str) -> &'l str {
    let sign = if path.ends_with(".rs") { "//" } else { "#" };
    line.split_once(sign).map_or("", |(_, said)| said)
}

fn is_path_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_-./*<>{}$~:@…".contains(c)
}

/// A word without the sentence around it.
fn trimmed(word: &str) -> &str {
    word.trim_start_matches([':', '>']).trim_end_matches([':', '.'])
}

fn is_path(word: &str) -> bool {
    let plain = word.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-./".contains(&b));
    let begins = BEGINNINGS.iter().any(|start| word.starts_with(start) && word.len() > start.len());
    let ends = ENDS.iter().any(|end| word.ends_with(end) && word.len() > end.len());
    let hidden = word.starts_with('.') && (word.starts_with("..") || !word.contains('/'));
    plain && !hidden && !word.starts_with(['/', '-']) && !has_gap(word) && (begins || ends)
}

/// Whether a part of a path stands for others: TARGET, NAME.rs.
fn has_gap(path: &str) -> bool {
    let is_gap = |part: &str| {
        let stem = part.strip_suffix(".rs").unwrap_or(part);
        stem.len() > 2 && stem.bytes().all(|b| b.is_ascii_uppercase())
    };
    path.split('/').any(is_gap)
}

fn is_there(tree: &Tree, from: &str, word: &str) -> bool {
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    let root =
        tree.crates().filter(|root| from.starts_with(&format!("{root}/"))).max_by_key(|r| r.len());
    let module = from.strip_suffix(".rs").unwrap_or(folder);
    let inside = root.map(|root| format!("{root}/src"));
    ["", folder, root.unwrap_or(""), inside.as_deref().unwrap_or(""), module, "docs"]
        .iter()
        .any(|start| tree.has(&joined(start, word)))
}

fn joined(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(path: &str, text: &str) -> Tree {
        Tree::default()
            .with("a/Cargo.toml", "[package]")
            .with("a/src/deep/mod.rs", "")
            .with("docs/page.md", "# A page\n\n## Its `second` part, told\n")
            .with("scripts/check", "")
            .with(".hidden/config.toml", "")
            .with(path, text)
    }

    #[track_caller]
    fn one(found: Vec<String>, part: &str) {
        assert!(found.len() == 1 && found[0].contains(part), "{found:?}");
    }

    #[test]
    fn a_path_to_nothing_is_found() {
        for (path, text) in [
            ("a/src/b.rs", "//! - formats.md 2.9\n"),
            ("a/src/b.rs", "fn f() {} // see `a/src/gone.rs`.\n"),
            ("README.md", "Run scripts/gone first.\n"),
            ("docs/other.md", "In (docs/gone.md) it is said.\n"),
            ("Cargo.toml", "# See docs/gone.md.\n"),
            ("scripts/run", "# needs scripts/gone\n"),
        ] {
            one(paths(&tree(path, text), &[]), ":1: ");
        }
        one(
            paths(&tree("a/src/b.rs", "//! - formats.md\n"), &[]),
            "a/src/b.rs:1: formats.md: there is no such file",
        );
        assert_eq!(paths(&tree("a/src/b.rs", "// gone.md"), &[("gone.md", "planted")]), [""; 0]);
    }

    #[test]
    fn paths_are_found_from_where_a_reader_would_look() {
        let said = "// a/src/deep/mod.rs, .hidden/config.toml, `deep/mod.rs`; src/deep/mod.rs: docs/page.md and page.md. scripts/check";
        assert_eq!(paths(&tree("a/src/b.rs", said), &[]), [""; 0]);
        // Code, patterns and places of the machine are no citations.
        let other = "const A: &str = \"gone.rs\";\n// *.rs, /etc/gone.md, <name>.toml, x.rs.tmp, .md, docs/NAME.rs\n";
        assert_eq!(paths(&tree("a/src/b.rs", other), &[]), [""; 0]);
    }
}
