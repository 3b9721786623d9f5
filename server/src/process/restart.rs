//! DEBUG RESTART and CRASH-AND-RECOVER: the same program anew, in the same process.
//!
//! The process keeps its number, and who started it notices nothing but that connections end. All descriptors are closed on
//! the way, as they are all marked so; nothing of the old program runs any more.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// The folder in which the process began: names of files on its command line are meant from there.
static FOLDER: OnceLock<PathBuf> = OnceLock::new();

/// Notes where the process begins, before it works elsewhere.
pub fn note_folder() {
    if let Ok(folder) = std::env::current_dir() {
        let _ = FOLDER.set(folder);
    }
}

/// Starts the program anew. Returns why that failed.
pub fn restart() -> String {
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return format!("Can't find the program: {error}"),
    };
    let mut command = Command::new(program);
    command.args(std::env::args_os().skip(1));
    if let Some(folder) = FOLDER.get() {
        command.current_dir(folder);
    }
    format!("Can't start the program anew: {}", command.exec())
}
