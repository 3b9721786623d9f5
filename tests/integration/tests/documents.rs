//! What the documents name exists: files and headings that they link to, scripts with their commands and options,
//! directives, fields of INFO.

use integration::document::{Document, read, root, script, text};
use integration::node::server;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Documents for users and operators, by their paths.
fn documents() -> Vec<String> {
    let mut found = vec!["README.md".to_string()];
    let folder = std::fs::read_dir(root().join("docs")).expect("docs");
    found.extend(
        folder
            .map(|entry| format!("docs/{}", entry.expect("a file").file_name().to_string_lossy())),
    );
    found.sort();
    assert!(found.len() >= 5, "{found:?}");
    found
}

/// All documents, those for contributors included.
fn all_documents() -> Vec<String> {
    let others = ["ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(str::to_string);
    documents().into_iter().chain(others).collect()
}

/// A document without its fenced blocks.
fn prose(name: &str) -> String {
    let mut inside = false;
    let text = read(name);
    let lines = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        !inside && !fence
    });
    lines.map(|line| format!("{line}\n")).collect()
}

/// What stands in backquotes.
fn code(name: &str) -> Vec<String> {
    let prose = prose(name);
    // A paragraph at a time, so that one lost backquote does not turn the rest inside out.
    let spans = prose.split("\n\n").flat_map(|paragraph| paragraph.split('`').skip(1).step_by(2));
    spans.map(|span| span.replace('\n', " ")).collect()
}

/// The name of a heading in links: in lower case, without signs, with - for blanks.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    kept.chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[test]
fn links_lead_somewhere() {
    let mut count = 0;
    for name in all_documents() {
        let folder = Path::new(&name).parent().expect("a folder").to_path_buf();
        for target in prose(&name).split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.contains("://") || target.contains(' ') {
                continue;
            }
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let path = if file.is_empty() { PathBuf::from(&name) } else { folder.join(file) };
            assert!(root().join(&path).exists(), "{name}: {target} leads nowhere");
            if !heading.is_empty() {
                let text = prose(&path.to_string_lossy());
                let mut headings = text.lines().filter(|line| line.starts_with('#'));
                let found = headings.any(|line| anchor(line.trim_start_matches('#')) == heading);
                assert!(found, "{name}: no heading for {target}");
            }
            count += 1;
        }
    }
    assert!(count > 25, "{count} links");
}

#[test]
fn scripts_have_the_commands_and_options_that_are_named() {
    let mut count = 0;
    for name in all_documents() {
        let blocks = Document::open(&name).blocks();
        let lines = blocks
            .iter()
            .filter(|block| block.language == "sh")
            .flat_map(|block| block.text.lines());
        let spans = code(&name).into_iter().chain(lines.map(str::to_string));
        for span in spans.filter(|span| span.contains("scripts/")) {
            let from = span.split("scripts/").nth(1).expect("a script");
            let mut words = from.split([' ', '#', ';']).filter(|word| !word.is_empty());
            let Some(called) = words.next() else { continue };
            let path = root().join("scripts").join(called);
            assert!(path.exists(), "{name}: no scripts/{called}");
            if path.is_dir() || path.extension().is_some() {
                continue;
            }
            let help = text(&script(called).arg("--help").output().expect("its help").stdout);
            let known = |word: &str| {
                help.split([' ', '\n', '[', ']', '`', ':', ';', ',', '.']).any(|w| w == word)
            };
            let mut words = words.peekable();
            if called == "cluster" && words.peek().is_some_and(|word| !word.starts_with('-')) {
                let command = words.next().expect("a command");
                let begins = format!("scripts/cluster {command}");
                assert!(help.contains(&begins), "{name}: cluster has no {command}: {span}");
            }
            for word in words.take_while(|word| *word != "--").filter(|word| word.starts_with("--"))
            {
                assert!(word == "--help" || known(word), "{name}: {called} has no {word}: {span}");
            }
            count += 1;
        }
    }
    assert!(count > 30, "{count} calls");
}

/// Everything that the README says of `scripts/cluster` in short: "`promote 2`, `start 1`".
#[test]
fn commands_of_the_cluster_in_short_exist() {
    let help = text(&script("cluster").arg("--help").output().expect("its help").stdout);
    let readme = read("README.md");
    let short = readme.split("Then break it:").nth(1).expect("the paragraph");
    let short = short.split("\n\n").next().expect("the paragraph");
    let spans: Vec<&str> = short.split('`').skip(1).step_by(2).collect();
    for span in spans.iter().filter(|span| !span.contains("redis-")) {
        let span = span.trim_start_matches("scripts/cluster ");
        let command = span.split(' ').next().expect("a command");
        assert!(
            command == "--help" || help.contains(&format!("scripts/cluster {command}")),
            "no {command}"
        );
    }
    assert!(spans.len() >= 7, "{spans:?}");
}

/// The directives that there are, those without effect included.
fn directives() -> BTreeSet<String> {
    let output = Command::new(server()).arg("--directives").output().expect("a server");
    let found = text(&output.stdout);
    let found: BTreeSet<String> =
        found.lines().filter_map(|line| Some(line.split('\t').next()?.into())).collect();
    assert!(found.len() > 100, "{} directives", found.len());
    found
}

/// Our Rust sources as one text, without tests.
fn sources() -> String {
    fn collect(folder: &Path, all: &mut String) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                collect(&path, all);
            } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("tests.rs") {
                *all += &std::fs::read_to_string(path).expect("a source");
            }
        }
    }
    let mut all = String::new();
    for part in ["protocol", "keyspace", "journal", "engine", "backup", "replica", "node", "server"]
    {
        collect(&root().join(part).join("src"), &mut all);
    }
    all
}

/// Words in lower case joined by `sign`: two or more.
fn is_joined_by(sign: char, word: &str) -> bool {
    let parts: Vec<&str> = word.split(sign).collect();
    let plain = |part: &&str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    parts.len() > 1 && parts.iter().all(plain) && word.starts_with(|c: char| c.is_ascii_lowercase())
}

#[test]
fn directives_that_are_named_exist() {
    // What looks like one: programs, words of other programs' configuration, a field of RDB files; and a directive that is
    // not one of those with a value, in Redis neither.
    const OTHERS: [&str; 12] = [
        "redis-server",
        "redis-cli",
        "redis-check-aof",
        "redis-sentinel",
        "valkey-cli",
        "prometheus-redis-exporter",
        "tidemark-server",
        "apt-get",
        "tcp-check",
        "repl-stream-db",
        "rename-command",
        // A rule of a user.
        "skip-sanitize-payload",
    ];
    let known = directives();
    let (mut count, mut unknown) = (0, Vec::new());
    // These are made from the tables.
    let is_made =
        |name: &String| name.ends_with("compatibility.md") || name.ends_with("directives.md");
    for name in documents().iter().filter(|name| !is_made(name)) {
        for span in code(name) {
            let Some(word) = span.split(' ').next().filter(|word| is_joined_by('-', word)) else {
                continue;
            };
            if !known.contains(word) && !OTHERS.contains(&word) {
                unknown.push(format!("{name}: {word}"));
            }
            count += usize::from(known.contains(word));
        }
    }
    assert!(unknown.is_empty(), "no such directives: {unknown:#?}");
    assert!(count > 25, "{count} directives");
    for line in read("contrib/tidemark.conf").lines() {
        // Those that are commented out too: they are proposals.
        let line = line.trim_start_matches("# ");
        let word = line.split(' ').next().unwrap_or_default();
        let proposal = is_joined_by('-', word) && line.split(' ').count() == 2;
        assert!(!proposal || known.contains(word), "contrib/tidemark.conf: no directive {word}");
    }
}

#[test]
fn fields_and_names_with_underscores_exist() {
    // Names of other programs.
    const OTHERS: [&str; 2] = ["fnv1a_64", "auto_eject_hosts"];
    let sources = sources();
    let (mut count, mut unknown) = (0, Vec::new());
    for name in documents() {
        for span in code(&name) {
            let words = span.split(|c: char| !c.is_ascii_alphanumeric() && !"_-./".contains(c));
            for word in words.filter(|word| is_joined_by('_', word)) {
                if !sources.contains(word) && !OTHERS.contains(&word) {
                    unknown.push(format!("{name}: {word}"));
                }
                count += 1;
            }
        }
    }
    assert!(unknown.is_empty(), "nowhere in our sources: {unknown:#?}");
    assert!(count > 40, "{count} names");
}
