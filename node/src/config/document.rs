//! The list of all directives, made from their table: `docs/directives.md`.
//!
//! It is the output of `cargo run -p node --example directives > docs/directives.md`; a test compares the two. Others see to
//! it that every directive of Redis 7.2 is in it, and that what is said to have an effect is read by somebody.

use super::file::{LINES, REFUSED};
use super::table::{HIDDEN, IMMUTABLE, NO_EFFECT, PROTECTED, ROWS, Row};
use std::fmt::Write;

/// The document.
pub fn document() -> String {
    let mut text = String::from(
        "# Directives\n\n\
         Made from the table of directives by `cargo run -p node --example directives`; do not edit.\n\n\
         Every directive of Redis 7.2 is here: it has its effect, or the reason stands beside it why it means nothing or is \
         refused. None is ignored in silence: a start and CONFIG SET warn of one that is set and has no effect.\n\n\
         *any time*: CONFIG SET changes it. *protected*: as far as `enable-protected-configs` allows.\n\n\
         ## With an effect\n\n| directive | default | when | |\n|---|---|---|---|\n",
    );
    let (idle, effective): (Vec<&Row>, Vec<&Row>) = ROWS.iter().partition(|row| row.is(NO_EFFECT));
    for row in sorted(effective) {
        let note = row.note.unwrap_or("");
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| {} | {} | {} | {note} |", names(row), default(row), when(row));
    }
    text += "\n## Without an effect\n\nTaken, shown by CONFIG GET and written by CONFIG REWRITE, so that files made for Redis load.\n\n\
             | directive | default | why |\n|---|---|---|\n";
    for row in sorted(idle) {
        let note = row.note.unwrap_or("");
        let _ = writeln!(text, "| {} | {} | {note} |", names(row), default(row));
    }
    text += "\n## Lines of a file that are no settings\n\n| line | |\n|---|---|\n";
    for (name, note) in LINES {
        let _ = writeln!(text, "| `{name}` | {note} |");
    }
    text += "\n## Refused\n\nA file with one of these does not load.\n\n| directive | why |\n|---|---|\n";
    for (name, why) in REFUSED {
        let _ = writeln!(text, "| `{name}` | {why} |");
    }
    text
}

fn sorted(mut rows: Vec<&'static Row>) -> Vec<&'static Row> {
    rows.sort_unstable_by_key(|row| row.name);
    rows
}

fn names(row: &Row) -> String {
    let names: Vec<String> = row.names().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

fn default(row: &Row) -> String {
    match row.default() {
        text if text.is_empty() => String::new(),
        text => format!("`{text}`"),
    }
}

fn when(row: &Row) -> String {
    let when = if row.is(IMMUTABLE) { "at start" } else { "any time" };
    let protected = if row.is(PROTECTED) { ", protected" } else { "" };
    let hidden = if row.is(HIDDEN) { ", hidden" } else { "" };
    format!("{when}{protected}{hidden}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::{Path, PathBuf};

    fn root() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace")
    }

    #[test]
    fn the_document_is_up_to_date() {
        let written =
            std::fs::read_to_string(root().join("docs/directives.md")).expect("it is there");
        let again = "cargo run -p node --example directives > docs/directives.md";
        assert!(written == document(), "docs/directives.md is old: {again}");
    }

    /// Names of all directives of Redis 7.2, those of builds with TLS included.
    const REDIS: &str = include_str!("redis_7_2.txt");

    #[test]
    fn every_directive_of_redis_is_there_or_refused_with_a_reason() {
        assert!(REDIS.lines().count() > 200);
        let refused = |name: &str| REFUSED.iter().any(|(known, _)| *known == name);
        let line = |name: &str| LINES.iter().any(|(known, _)| *known == name);
        let forgotten: Vec<&str> = REDIS
            .lines()
            .filter(|name| Row::find(name).is_none() && !refused(name) && !line(name))
            .collect();
        assert!(forgotten.is_empty(), "{forgotten:?}");
        for (name, why) in REFUSED {
            assert!(Row::find(name).is_none() && !why.is_empty(), "{name} is there");
        }
    }

    /// The sources of those who obey the configuration.
    fn sources(folder: &Path, found: &mut String) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path: PathBuf = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            if path.is_dir() && name != "tests" && name != "testing" {
                sources(&path, found);
            } else if name.ends_with(".rs") && name != "tests.rs" && name != "table.rs" {
                let text = std::fs::read_to_string(&path).expect("a source");
                found.push_str(text.split("#[cfg(test)]\nmod tests {").next().expect("a part"));
            }
        }
    }

    #[test]
    fn what_has_an_effect_is_read_by_somebody_and_what_has_none_by_nobody_who_matters() {
        let mut code = String::new();
        for folder in ["node/src", "server/src"] {
            sources(&root().join(folder), &mut code);
        }
        let is_read = |row: &Row| {
            let field = format!(".{}", row.name.replace('-', "_"));
            code.match_indices(&field).any(|(at, _)| {
                let behind = code[at + field.len()..].chars().next().unwrap_or(' ');
                !behind.is_ascii_alphanumeric() && behind != '_'
            })
        };
        // What can only be switched off needs nobody: the only value is that nothing happens.
        let only_off = |row: &Row| row.note.is_some_and(|note| note.ends_with("is not supported"));
        let ignored: Vec<&str> = ROWS
            .iter()
            .filter(|row| !row.is(NO_EFFECT) && !only_off(row) && !is_read(row))
            .map(|row| row.name)
            .collect();
        assert!(ignored.is_empty(), "said to have an effect, and nobody reads them: {ignored:?}");
    }
}
