//! The files of the repository as a value: read once from the disk, or made up by a test.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Folders that hold nothing that somebody wrote: what is built, what a fuzzer found.
const SKIPPED: &[&str] = &["target", ".git", "corpus", "artifacts", "nodes"];

/// Ends of the names of files that are read. Of all others it is only known that they are there.
const READ: &[&str] = &[".rs", ".md", ".toml", ".sh", ".py", ".yml", ".yaml", ".conf", ".service"];

/// Files by their path from the root of the repository, with `/` between the parts.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    files: BTreeMap<String, String>,
}

impl Tree {
    /// Reads a repository.
    ///
    /// # Panics
    /// If a file cannot be read: a rule that has seen half of the files has seen nothing.
    pub fn read(root: &Path) -> Tree {
        let mut tree = Tree::default();
        tree.read_folder(root, "");
        assert!(tree.text("Cargo.toml").is_some(), "{} is no root", root.display());
        tree
    }

    fn read_folder(&mut self, folder: &Path, prefix: &str) {
        let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        for entry in entries {
            let entry = entry.unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
            let name = entry.file_name().into_string().expect("names are UTF-8");
            let (path, kind) = (entry.path(), entry.file_type());
            let kind = kind.unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            if kind.is_dir() {
                if !SKIPPED.contains(&name.as_str()) {
                    self.read_folder(&path, &format!("{prefix}{name}/"));
                }
            } else {
                let is_script = prefix == "scripts/";
                let is_read = is_script || READ.iter().any(|end| name.ends_with(end));
                let text = if is_read {
                    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
                } else {
                    String::new()
                };
                self.files.insert(format!("{prefix}{name}"), text);
            }
        }
    }

    /// The same tree with one more file, or another text in one.
    #[must_use]
    pub fn with(mut self, path: &str, text: &str) -> Tree {
        self.files.insert(path.to_owned(), text.to_owned());
        self
    }

    /// The text of a file.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// Whether there is a file or a folder of that path.
    pub fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let folder = format!("{path}/");
        self.files.contains_key(path) || self.files.keys().any(|file| file.starts_with(&folder))
    }

    /// All files, by path.
    pub fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// Rust sources, by path.
    pub fn sources(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files().filter(|(path, _)| path.ends_with(".rs"))
    }

    /// Folders of the crates, by path: those that have a `Cargo.toml` with a package.
    pub fn crates(&self) -> impl Iterator<Item = &str> {
        self.files().filter_map(|(path, text)| {
            let folder = path.strip_suffix("/Cargo.toml")?;
            text.contains("[package]").then_some(folder)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_folders_are_there() {
        let tree = Tree::default()
            .with("a/Cargo.toml", "[package]")
            .with("a/src/lib.rs", "text")
            .with("Cargo.toml", "[workspace]");
        assert!(tree.has("a/src") && tree.has("a/src/") && tree.has("a/src/lib.rs"));
        assert!(!tree.has("a/sr") && !tree.has("src/lib.rs"));
        assert_eq!(tree.sources().collect::<Vec<_>>(), [("a/src/lib.rs", "text")]);
        assert_eq!(tree.crates().collect::<Vec<_>>(), ["a"]);
    }
}
