//! How long files and functions are.
//!
//! Files count with their tests: a reader opens all of it. Functions for tests do not count: a transcript or a table of
//! cases is data, and splitting it helps nobody.

use crate::source::{Source, test_files};
use crate::tree::Tree;

/// Lines that a file may have.
pub const FILE_MAX: usize = 800;
/// Lines that a function may have, from its signature to its closing brace.
pub const FUNCTION_MAX: usize = 70;

/// Something that is too long, and by what name it goes.
struct Found {
    name: String,
    place: String,
    lines: usize,
}

/// Files that are too long; `known` are those that may be, with the number of their lines.
pub fn files(tree: &Tree, known: &[(&str, usize)]) -> Vec<String> {
    let long = tree.sources().map(|(path, text)| (path, text.lines().count()));
    let long = long.filter(|(_, lines)| *lines > FILE_MAX).map(|(path, lines)| Found {
        name: path.to_owned(),
        place: path.to_owned(),
        lines,
    });
    compare(
        long.collect(),
        known,
        FILE_MAX,
        "Split it by meaning: what would a reader look for apart?",
    )
}

/// Functions that are too long; `known` are those that may be, as `file::name`, with the number of their lines.
pub fn functions(tree: &Tree, known: &[(&str, usize)]) -> Vec<String> {
    let tests = test_files(tree);
    let mut long = Vec::new();
    for (path, text) in tree.sources().filter(|(path, _)| !tests.contains(*path)) {
        let functions = Source::of(path, text).functions.into_iter();
        for function in functions.filter(|f| !f.is_test && f.lines > FUNCTION_MAX) {
            let (name, line, lines) = (function.name, function.line, function.lines);
            long.push(Found {
                name: format!("{path}::{name}"),
                place: format!("{path}:{line}: {name}"),
                lines,
            });
        }
    }
    compare(long, known, FUNCTION_MAX, "Give a step of it a name of its own")
}

fn compare(found: Vec<Found>, known: &[(&str, usize)], most: usize, advice: &str) -> Vec<String> {
    let list = "tests/tidy/src/lists.rs";
    let mut wrong = Vec::new();
    for Found { name, place, lines } in &found {
        match known.iter().find(|(row, _)| row == name) {
            None => wrong.push(format!("{place}: {lines} lines, {most} are allowed. {advice}")),
            Some((_, allowed)) if lines > allowed => {
                wrong.push(format!("{place}: {lines} lines, {list} allows {allowed}. {advice}"));
            }
            Some((_, allowed)) if lines < allowed => {
                wrong.push(format!("{list}: {name} has {lines} lines now, not {allowed}: the number may only shrink"));
            }
            Some(_) => {}
        }
    }
    let stale = known.iter().filter(|(row, _)| !found.iter().any(|f| f.name == *row));
    wrong.extend(
        stale.map(|(row, _)| format!("{list}: {row} is short enough or gone; remove the row")),
    );
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(count: usize) -> String {
        "//\n".repeat(count)
    }

    #[track_caller]
    fn one(found: Vec<String>, part: &str) {
        assert!(found.len() == 1 && found[0].contains(part), "{found:?}");
    }

    #[test]
    fn long_files_are_found_and_rows_follow_them() {
        let tree = |count| Tree::default().with("a/src/b.rs", &lines(count));
        assert_eq!(files(&tree(FILE_MAX), &[]), [""; 0]);
        one(files(&tree(FILE_MAX + 1), &[]), "a/src/b.rs: 801 lines, 800 are allowed");
        assert_eq!(files(&tree(900), &[("a/src/b.rs", 900)]), [""; 0]);
        one(
            files(&tree(901), &[("a/src/b.rs", 900)]),
            "901 lines, tests/tidy/src/lists.rs allows 900",
        );
        one(files(&tree(899), &[("a/src/b.rs", 900)]), "may only shrink");
        one(files(&tree(FILE_MAX), &[("a/src/b.rs", 900)]), "remove the row");
    }

    #[test]
    fn long_functions_are_found_but_for_tests() {
        let function = |count| format!("fn f() {{\n{}}}\n", lines(count));
        let tree = |count| Tree::default().with("a/src/b.rs", &function(count));
        assert_eq!(functions(&tree(FUNCTION_MAX - 2), &[]), [""; 0]);
        one(functions(&tree(FUNCTION_MAX - 1), &[]), "a/src/b.rs:1: f: 71 lines, 70 are allowed");
        assert_eq!(functions(&tree(98), &[("a/src/b.rs::f", 100)]), [""; 0]);
        one(functions(&tree(3), &[("a/src/b.rs::f", 100)]), "remove the row");
        let test = format!("#[cfg(test)] mod tests {{ {} }}", function(100));
        assert_eq!(functions(&Tree::default().with("a/src/b.rs", &test), &[]), [""; 0]);
        assert_eq!(
            functions(&Tree::default().with("a/src/b/tests.rs", &function(100)), &[]),
            [""; 0]
        );
        let method = format!("impl T {{ {} }}", function(100));
        one(functions(&Tree::default().with("a/src/b.rs", &method), &[]), "102 lines");
    }
}
