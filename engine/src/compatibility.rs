//! The list of what is there of Redis 7.2, made from the table of commands and from [`crate::grammar`].
//!
//! `docs/compatibility.md` is its output: `cargo run -p engine --example compatibility > docs/compatibility.md`. A test
//! compares the two.

use crate::command::{HasFlags, OFF, Spec};
use crate::family::table;
use crate::grammar::{GROUPS, Grammar};
use std::fmt::Write;

/// The row of a command or subcommand, if it is there.
fn spec(name: &str) -> Option<&'static Spec> {
    let (container, own) = match name.split_once('|') {
        None => (name, None),
        Some((container, own)) => (container, Some(own)),
    };
    let spec = table().find(container.as_bytes())?;
    match own {
        None => Some(spec),
        Some(own) => spec.subcommands.iter().find(|sub| sub.own_name() == own),
    }
}

/// Whether subcommands of a container are missing.
fn has_gaps(container: &Spec, documented: usize) -> bool {
    container.subcommands.len() < documented
}

/// How many subcommands a command has in Redis.
fn rows_of(container: &Spec) -> usize {
    let prefix = format!("{}|", container.name);
    let rows = GROUPS.iter().flat_map(|(_, rows)| rows.iter());
    rows.filter(|row| row.name.starts_with(&prefix)).count()
}

/// The document.
pub fn document() -> String {
    let mut text = String::from(
        "# Commands of Redis 7.2\n\n\
         Made from the table of commands by `cargo run -p engine --example compatibility`; do not edit.\n\n\
         *There*: with Redis 7.2's arguments, replies and effects. *In part*: a command with subcommands, of which \
         some are there; a missing one answers with an error. *Off*: answers as Redis does where its family is off. \
         *Missing*: answers with an error.\n",
    );
    let (mut there, mut all) = (0, 0);
    let mut tables = String::new();
    for (group, rows) in GROUPS {
        let mut rows: Vec<&Grammar> = rows.iter().collect();
        rows.sort_unstable_by_key(|row| row.name);
        // Writing to a string cannot fail.
        let _ = write!(tables, "\n## {group}\n\n| command | since | here |\n|---|---|---|\n");
        for row in rows {
            let state = match spec(row.name) {
                Some(spec) if spec.flags.has(OFF) => "off",
                Some(spec) if has_gaps(spec, rows_of(spec)) => "in part",
                Some(_) => "there",
                None => "missing",
            };
            all += 1;
            there += usize::from(state == "there");
            let name = row.name.to_uppercase().replace('|', " ");
            let _ = writeln!(tables, "| {name} | {} | {state} |", row.since);
        }
    }
    let _ = writeln!(text, "\n{there} of {all} commands and subcommands are there.");
    text + &tables
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_document_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/compatibility.md");
        let written = std::fs::read_to_string(path).expect("the document is there");
        let again = "cargo run -p engine --example compatibility > docs/compatibility.md";
        assert!(written == super::document(), "docs/compatibility.md is old: {again}");
    }
}
