//! Import cycles: sets of files each of which reaches all the others by arrows.

use crate::modules::Graph;

/// The cycles of a graph, each with its files in order; a file without a cycle is in none.
///
/// Two files are in one cycle if each can be reached from the other. Crates have some dozens of files, so the plain
/// closure does.
pub fn knots(graph: &Graph) -> Vec<Vec<String>> {
    let reached: Vec<(&String, Vec<&String>)> =
        graph.keys().map(|file| (file, reach(graph, file))).collect();
    let reaches = |from: &String, to: &String| {
        let row = reached.iter().find(|(file, _)| *file == from);
        row.is_some_and(|(_, all)| all.contains(&to))
    };
    let mut knots: Vec<Vec<String>> = Vec::new();
    for (file, all) in &reached {
        if !all.contains(file) || knots.iter().flatten().any(|known| known == *file) {
            continue;
        }
        let mut knot: Vec<_> =
            all.iter().filter(|to| reaches(to, file)).map(|to| (*to).clone()).collect();
        knot.sort();
        knots.push(knot);
    }
    knots
}

/// What can be reached from a file by one arrow or more.
fn reach<'a>(graph: &'a Graph, from: &String) -> Vec<&'a String> {
    let mut found: Vec<&String> = Vec::new();
    let mut todo: Vec<&String> = graph.get(from).into_iter().flat_map(|row| row.keys()).collect();
    while let Some(next) = todo.pop() {
        if !found.contains(&next) {
            found.push(next);
            todo.extend(graph.get(next).into_iter().flat_map(|row| row.keys()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(rows: &[(&str, &[&str])]) -> Graph {
        let row = |(from, to): &(&str, &[&str])| {
            (from.to_string(), to.iter().map(|to| (to.to_string(), Default::default())).collect())
        };
        rows.iter().map(row).collect()
    }

    #[test]
    fn layers_have_no_knot() {
        assert!(knots(&graph(&[("a", &["b", "c"]), ("b", &["c"]), ("c", &[])])).is_empty());
    }

    #[test]
    fn each_knot_is_found_once_and_nothing_else_is_in_it() {
        let found = knots(&graph(&[
            ("a", &["b"]),
            ("b", &["c", "x"]),
            ("c", &["a"]),
            ("x", &["y"]),
            ("y", &["x", "z"]),
            ("z", &[]),
        ]));
        assert_eq!(found, [vec!["a", "b", "c"], vec!["x", "y"]]);
    }
}
