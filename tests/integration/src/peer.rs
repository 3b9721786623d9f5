//! The servers of this machine to test with: real Redis from PATH, and others that are named.
//!
//! A test that needs a peer fails where there is none: a test that silently did nothing would pass for ever.

use crate::node::Node;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A server program that is not ours.
#[derive(Clone, Debug)]
pub struct Peer {
    program: PathBuf,
}

impl Peer {
    /// All peers: `redis-server` in PATH, and those of `TIDEMARK_PEER_SERVERS`.
    ///
    /// # Panics
    /// Without `redis-server`.
    pub fn all() -> Vec<Peer> {
        let named = std::env::var_os("TIDEMARK_PEER_SERVERS").unwrap_or_default();
        let named = std::env::split_paths(&named).filter(|path| !path.as_os_str().is_empty());
        let mut programs = vec![tool("redis-server")];
        programs.extend(named);
        for program in &programs {
            assert!(program.is_file(), "TIDEMARK_PEER_SERVERS: no server {}", program.display());
        }
        programs.into_iter().map(|program| Peer { program }).collect()
    }

    /// Starts one, with `options` beyond those that all nodes have.
    pub fn start(&self, name: &str, options: &[(&str, &str)]) -> Node {
        let mut node = self.prepare(name, options);
        node.launch();
        node
    }

    /// One that is not started yet: files may be put into its folder.
    pub fn prepare(&self, name: &str, options: &[(&str, &str)]) -> Node {
        Node::prepare_program(&self.program, name, options)
    }
}

/// Finds a program that tests need in PATH, or where Debian keeps services.
///
/// # Panics
/// When there is none.
pub fn tool(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let found = folders.map(|folder| folder.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("no {name} in PATH: scripts/test installs it, on Debian"))
}

/// Runs one of Redis's file checkers on `file`.
///
/// # Panics
/// When it finds a fault, with all that it says.
pub fn check_file(checker: &str, file: &Path) {
    let output = Command::new(tool(checker)).arg(file).output().expect("a checker that runs");
    assert!(
        output.status.success(),
        "{checker} {}: {}\n{}{}",
        file.display(),
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
