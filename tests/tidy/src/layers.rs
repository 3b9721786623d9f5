//! Arrows between crates and between the modules of a crate.
//!
//! # Not here
//! - what an arrow between modules is: [`crate::modules`]

use crate::knots::knots;
use crate::modules::{Graph, graph};
use crate::source::Source;
use crate::tree::Tree;
use std::collections::{BTreeMap, BTreeSet};
use toml::{Table, Value};

/// A cycle that is known: files that name each other.
#[derive(Clone, Copy, Debug)]
pub struct Knot {
    /// The folder of the crate.
    pub folder: &'static str,
    /// Its files, from the folder's `src`, in order of name.
    pub files: &'static [&'static str],
    /// Why it is there.
    pub reason: &'static str,
}

/// What each crate may depend on, as the code map of `ARCHITECTURE.md` says: the third column.
pub fn code_map(architecture: &str) -> BTreeMap<String, BTreeSet<String>> {
    let names = |cell: &str| -> Vec<String> {
        cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    };
    let mut map = BTreeMap::new();
    let map_of_crates = architecture.split("\n## ").find(|part| part.starts_with("Code map"));
    for row in map_of_crates.unwrap_or_default().lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split('|').collect();
        let [_, name, _, allowed, ..] = cells[..] else { continue };
        let allowed = if allowed.contains("all of the above") {
            map.keys().cloned().collect()
        } else {
            names(allowed).into_iter().collect()
        };
        map.extend(names(name).first().map(|name| (name.clone(), allowed)));
    }
    map
}

/// Crates that depend on what the code map does not allow, or that it does not name.
pub fn crates(tree: &Tree) -> Vec<String> {
    let map = code_map(tree.text("ARCHITECTURE.md").unwrap_or_default());
    let folders: BTreeSet<&str> = tree.crates().collect();
    let mut wrong = Vec::new();
    for folder in &folders {
        let Some(allowed) = map.get(*folder) else {
            wrong.push(format!(
                "{folder}: not in the code map of ARCHITECTURE.md; add a row with what it may depend on"
            ));
            continue;
        };
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let ours = dependencies(tree, folder, section).into_iter();
            for name in ours.filter(|name| folders.contains(name.as_str())) {
                if !allowed.contains(&name) {
                    wrong.push(format!(
                        "{folder}/Cargo.toml: [{section}] {name}: the code map of ARCHITECTURE.md does not \
                         allow it. Put what is needed where both may use it, or change the map and say why"
                    ));
                }
            }
        }
    }
    let gone = map.keys().filter(|name| !folders.contains(name.as_str()));
    wrong.extend(
        gone.map(|name| format!("ARCHITECTURE.md: {name} is in the code map and is no crate")),
    );
    wrong
}

/// Names of the packages that a crate depends on.
fn dependencies(tree: &Tree, folder: &str, section: &str) -> Vec<String> {
    let path = format!("{folder}/Cargo.toml");
    let text = tree.text(&path).unwrap_or_else(|| panic!("{path} is not there"));
    let table: Table = text.parse().unwrap_or_else(|e| panic!("{path}: {e}"));
    let section = table.get(section).and_then(Value::as_table);
    section.map(|section| section.keys().cloned().collect()).unwrap_or_default()
}

/// Dependencies that no source of a crate names.
pub fn unused_dependencies(tree: &Tree) -> Vec<String> {
    let mut wrong = Vec::new();
    for folder in tree.crates() {
        let inside = format!("{folder}/");
        let nested = |path: &str| {
            tree.crates().any(|other| other.starts_with(&inside) && path.starts_with(other))
        };
        // What is compiled for tests and examples only may not do with less than what is shipped.
        let is_shipped = |path: &str| {
            let folder = path[inside.len()..].split('/').next().unwrap_or_default();
            !["tests", "examples", "benches"].contains(&folder)
        };
        let sources: Vec<(bool, Source)> = tree
            .sources()
            .filter(|(path, _)| path.starts_with(&inside) && !nested(path))
            .map(|(path, text)| (is_shipped(path), Source::of(path, text)))
            .collect();
        for (section, everywhere) in [("dependencies", false), ("dev-dependencies", true)] {
            for name in dependencies(tree, folder, section) {
                let word = name.replace('-', "_");
                let mut places = sources.iter().filter(|(shipped, _)| everywhere || *shipped);
                if !places.any(|(_, source)| source.has(&word)) {
                    wrong.push(format!(
                        "{folder}/Cargo.toml: [{section}] {name}: nothing names {word}; remove it"
                    ));
                }
            }
        }
    }
    wrong
}

/// Cycles that are not on the list, and rows of the list that are true no more.
pub fn cycles(tree: &Tree, known: &[Knot]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut found_all = BTreeSet::new();
    for folder in tree.crates() {
        let root = ["src/lib.rs", "src/main.rs"].map(|file| format!("{folder}/{file}"));
        if !root.iter().any(|file| tree.text(file).is_some()) {
            continue;
        }
        let graph = graph(tree, folder);
        for knot in knots(&graph) {
            let stem = format!("{folder}/src/");
            let files: Vec<&str> = knot.iter().filter_map(|f| f.strip_prefix(&stem)).collect();
            let row = known.iter().position(|row| row.folder == folder && row.files == files);
            match row {
                Some(row) => drop(found_all.insert(row)),
                None => wrong.push(format!(
                    "{folder}: these files name each other:\n{}    Move what two of them need to a third, \
                     or down. The list of known cycles (tests/tidy/src/lists.rs) may only shrink",
                    arrows(&graph, &knot)
                )),
            }
        }
    }
    for (row, knot) in known.iter().enumerate().filter(|(row, _)| !found_all.contains(row)) {
        let (folder, files) = (knot.folder, knot.files.join(", "));
        wrong.push(format!(
            "tests/tidy/src/lists.rs: cycle {row} ({folder}: {files}) is not there as listed; \
             remove the row, or take from it the files that are out"
        ));
    }
    wrong
}

fn arrows(graph: &Graph, knot: &[String]) -> String {
    let mut text = String::new();
    for file in knot {
        for (to, paths) in graph[file].iter().filter(|(to, _)| knot.contains(to)) {
            let paths: Vec<_> = paths.iter().map(String::as_str).collect();
            text += &format!("    {file} → {to}: {}\n", paths.join(", "));
        }
    }
    text
}

/// Crate roots that say neither that `unsafe` is forbidden nor why it is needed somewhere.
///
/// The workspace denies `unsafe_code`, so the compiler finds modules that do not say that they expect it.
pub fn unsafe_code(tree: &Tree, known: &[(&str, &str)]) -> Vec<String> {
    let mut wrong = Vec::new();
    let denied = tree.text("Cargo.toml").is_some_and(|text| {
        ["unsafe_code = \"deny\"", "unsafe_op_in_unsafe_fn = \"deny\""]
            .iter()
            .all(|l| text.contains(l))
    });
    if !denied {
        wrong.push(
            "Cargo.toml: [workspace.lints.rust] is to deny unsafe_code and unsafe_op_in_unsafe_fn"
                .to_owned(),
        );
    }
    for folder in tree.crates().filter(|folder| *folder != "fuzz") {
        let (inside, path) = (format!("{folder}/"), format!("{folder}/src/lib.rs"));
        let manifest = tree.text(&format!("{folder}/Cargo.toml")).unwrap_or_default();
        if !manifest.contains("[lints]\nworkspace = true") {
            wrong.push(format!(
                "{folder}/Cargo.toml: it does not inherit the lints of the workspace"
            ));
        }
        let needs = known.iter().any(|(file, _)| file.starts_with(&inside));
        let forbids = tree.text(&path).is_some_and(|text| text.contains("#![forbid(unsafe_code)]"));
        if !needs && !forbids && tree.text(&path).is_some() {
            wrong.push(format!("{path}: no module needs unsafe: say #![forbid(unsafe_code)]"));
        }
    }
    let mut found = BTreeSet::new();
    for (path, text) in tree.sources() {
        let source = Source::of(path, text);
        if let Some(line) = source.lines_with(&["allow", "(", "unsafe_code"]).next() {
            wrong.push(format!(
                "{path}:{line}: expect(unsafe_code, reason = …), so that it goes when the need goes"
            ));
        }
        if source.has("unsafe") {
            found.insert(path);
            if !known.iter().any(|(file, _)| *file == path) {
                wrong.push(format!(
                    "{path}: unsafe in a file that is not on the list (tests/tidy/src/lists.rs). Do without, or keep \
                     it to a module that is on it"
                ));
            }
        }
    }
    let stale = known.iter().filter(|(file, _)| !found.contains(file));
    wrong.extend(stale.map(|(file, _)| {
        format!("tests/tidy/src/lists.rs: {file} has no unsafe any more; remove the row")
    }));
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: &str = "# A\n\n## Code map, in reading order\n\n| crate | what it is | may depend on | modules |\n\
        |---|---|---|---|\n| `low` | x | – | `a` |\n| `high` | x | `low` | `b` |\n| `top` | x | all of the above | `c` |\n";

    fn tree() -> Tree {
        let package = |dependencies: &str| {
            format!("[package]\nname = \"x\"\n[lints]\nworkspace = true\n{dependencies}")
        };
        let lints =
            "[workspace.lints.rust]\nunsafe_code = \"deny\"\nunsafe_op_in_unsafe_fn = \"deny\"\n";
        let root = "//! Text.\n#![forbid(unsafe_code)]\n";
        Tree::default()
            .with("Cargo.toml", lints)
            .with("ARCHITECTURE.md", MAP)
            .with("low/Cargo.toml", &package(""))
            .with("low/src/lib.rs", root)
            .with("high/Cargo.toml", &package("[dependencies]\nlow.workspace = true\n"))
            .with("high/src/lib.rs", &format!("{root}use low::a;"))
            .with(
                "top/Cargo.toml",
                &package("[dependencies]\nlow.workspace = true\nhigh.workspace = true\n"),
            )
            .with("top/src/main.rs", "//! Text.\nuse low::a; use high::b;")
    }

    #[track_caller]
    fn one(found: Vec<String>, part: &str) {
        assert!(found.len() == 1 && found[0].contains(part), "{found:?}");
    }

    #[test]
    fn a_tree_in_order_passes() {
        let tree = tree();
        assert_eq!(crates(&tree), [""; 0]);
        assert_eq!(unused_dependencies(&tree), [""; 0]);
        assert_eq!(cycles(&tree, &[]), [""; 0]);
        let known = [("top/src/main.rs", "planted")];
        assert_eq!(unsafe_code(&tree.with("top/src/main.rs", "unsafe fn f() {}"), &known), [""; 0]);
    }

    #[test]
    fn an_arrow_upwards_is_found() {
        let text = tree().text("low/Cargo.toml").unwrap().to_owned();
        for section in ["dependencies", "dev-dependencies"] {
            let upwards = format!("{text}[{section}]\nhigh.workspace = true\n");
            one(crates(&tree().with("low/Cargo.toml", &upwards)), "low/Cargo.toml: [");
        }
        one(crates(&tree().with("new/Cargo.toml", "[package]")), "new: not in the code map");
        let more = format!("{MAP}| `gone` | x | – | `d` |\n");
        one(crates(&tree().with("ARCHITECTURE.md", &more)), "gone is in the code map");
    }

    #[test]
    fn a_dependency_without_use_is_found() {
        one(
            unused_dependencies(&tree().with("high/src/lib.rs", "//! low::a\n")),
            "nothing names low",
        );
        let text = tree().text("high/Cargo.toml").unwrap().to_owned();
        let more = format!("{text}[dev-dependencies]\nsome-tool = \"1\"\n");
        one(unused_dependencies(&tree().with("high/Cargo.toml", &more)), "some_tool");
        let used =
            tree().with("high/Cargo.toml", &more).with("high/tests/a.rs", "use some_tool::x;");
        assert_eq!(unused_dependencies(&used), [""; 0]);
    }

    #[test]
    fn a_cycle_is_found_and_its_row_must_be_right() {
        let knotted = tree()
            .with("low/src/lib.rs", "mod a; mod b;")
            .with("low/src/a.rs", "use crate::b::T;")
            .with("low/src/b.rs", "pub struct T(crate::a::S);");
        one(cycles(&knotted, &[]), "low/src/a.rs → low/src/b.rs: crate::b::T");
        let row = Knot { folder: "low", files: &["a.rs", "b.rs"], reason: "planted" };
        assert_eq!(cycles(&knotted, &[row]), [""; 0]);
        one(cycles(&tree(), &[row]), "cycle 0 (low: a.rs, b.rs) is not there as listed");
        let wide = Knot { files: &["a.rs", "b.rs", "c.rs"], ..row };
        assert_eq!(cycles(&knotted, &[wide]).len(), 2, "a row may not allow more than there is");
    }

    #[test]
    fn unsafe_is_found_where_it_is_not_expected() {
        one(
            unsafe_code(&tree().with("low/src/a.rs", "fn f() { unsafe { g() } }"), &[]),
            "low/src/a.rs: unsafe in a file that is not on the list",
        );
        one(
            unsafe_code(&tree().with("low/src/lib.rs", "//! unsafe"), &[]),
            "say #![forbid(unsafe_code)]",
        );
        one(unsafe_code(&tree(), &[("top/src/main.rs", "planted")]), "has no unsafe any more");
        let allowed = tree().with("top/src/main.rs", "#[allow(unsafe_code)] mod a;");
        one(unsafe_code(&allowed, &[]), "top/src/main.rs:1: expect(unsafe_code");
        one(unsafe_code(&tree().with("Cargo.toml", ""), &[]), "Cargo.toml: [workspace.lints.rust]");
        one(unsafe_code(&tree().with("low/Cargo.toml", "[package]"), &[]), "does not inherit");
    }
}
