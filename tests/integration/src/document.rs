//! Documents of this project as test material: what they say in blocks is run, so that it stays true.
//!
//! ```text
//! <!-- run: move-in-follow -->          the name of the block that follows
//! ```sh
//! redis-cli -p 7379 REPLICAOF …         run as it stands, with other ports and folders
//! ```

use crate::TIMEOUT;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The folder of the project.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the project")
}

/// Reads a file of the project.
///
/// # Panics
/// When it is not there.
pub fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// A document, in Markdown.
pub struct Document {
    name: String,
    text: String,
}

/// A fenced block of a document.
#[derive(Clone, Debug)]
pub struct Block {
    /// What the comment above it calls it.
    pub name: Option<String>,
    /// What its fence says that it is.
    pub language: String,
    /// What is in it.
    pub text: String,
}

impl Document {
    /// Opens a document by its path in the project.
    pub fn open(name: &str) -> Document {
        Document { name: name.to_string(), text: read(name) }
    }

    /// All fenced blocks.
    pub fn blocks(&self) -> Vec<Block> {
        let (mut blocks, mut open, mut name) = (Vec::new(), None::<Block>, None);
        for line in self.text.lines() {
            let fence = line.trim_start().strip_prefix("```");
            match (&mut open, fence) {
                (None, Some(language)) => {
                    let (name, language) = (name.take(), language.to_string());
                    open = Some(Block { name, language, text: String::new() });
                }
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (Some(block), None) => block.text += &format!("{line}\n"),
                (None, None) => {
                    let marked = line.strip_prefix("<!-- run: ");
                    name = marked.and_then(|m| m.strip_suffix(" -->")).map(str::to_string);
                }
            }
        }
        assert!(open.is_none(), "{}: a block has no end", self.name);
        blocks
    }

    /// The block of this name.
    ///
    /// # Panics
    /// When there is none, or more than one.
    pub fn block(&self, name: &str) -> Block {
        let mut found = self.blocks();
        found.retain(|block| block.name.as_deref() == Some(name));
        assert!(found.len() == 1, "{}: {} blocks are named {name}", self.name, found.len());
        found.remove(0)
    }
}

impl Block {
    /// The block with every number or path `old` (as a whole) replaced.
    ///
    /// # Panics
    /// When it is not there: then the document is about something else than the test.
    #[must_use]
    pub fn with(mut self, old: &str, new: &str) -> Block {
        let inside = |c: char| c.is_ascii_alphanumeric();
        let (mut text, mut rest, mut count) = (String::new(), self.text.as_str(), 0);
        while let Some(at) = rest.find(old) {
            let (before, after) = (&rest[..at], &rest[at + old.len()..]);
            text += before;
            let whole = !text.ends_with(inside) && !after.starts_with(inside);
            text += if whole { new } else { old };
            count += usize::from(whole);
            rest = after;
        }
        text += rest;
        assert!(count > 0, "{:?} has no {old}", self.name);
        self.text = text;
        self
    }

    /// Runs it as somebody would who types it in, and returns what it prints.
    ///
    /// # Panics
    /// When a command of it fails, or it does not end.
    pub fn run(&self, shell: &Shell) -> String {
        assert_eq!(self.language, "sh", "{:?} is no script", self.name);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = shell.programs.iter().cloned().chain(std::env::split_paths(&path));
        let limit = format!("{}", 2 * TIMEOUT.as_secs());
        let output = Command::new("timeout")
            .args([&limit, "bash", "-euo", "pipefail", "-c", &self.text])
            .current_dir(&shell.folder)
            .env("PATH", std::env::join_paths(folders).expect("paths"))
            .env("DESTDIR", &shell.destination)
            .stdin(Stdio::null())
            .output()
            .expect("bash");
        let (said, errors) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{}\n{said}{errors}", self.text);
        said
    }
}

/// Where blocks are run.
pub struct Shell {
    /// The working folder.
    pub folder: PathBuf,
    /// A folder of programs that come before those of the system.
    pub programs: Option<PathBuf>,
    /// What DESTDIR is.
    pub destination: PathBuf,
}

impl Shell {
    /// A shell in a folder, with the system's programs.
    pub fn new(folder: &Path) -> Shell {
        Shell { folder: folder.into(), programs: None, destination: folder.into() }
    }
}

/// What a program printed.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A script of the project, to be run with the server under test.
pub fn script(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(root().join("scripts").join(name.as_ref()));
    command.env("TIDEMARK_SERVER", crate::node::server()).stdin(Stdio::null());
    command
}

#[cfg(test)]
mod tests {
    use super::Block;

    #[test]
    fn what_is_replaced_is_whole() {
        let text = "-p 6379 16379 6379x 127.0.0.1:6379\n".to_string();
        let block = Block { name: None, language: String::new(), text };
        assert_eq!(block.with("6379", "1").text, "-p 1 16379 6379x 127.0.0.1:1\n");
    }
}
