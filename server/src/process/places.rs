//! Files that tell others of us, and the folder that we write to.

use node::config::Settings;
use rustix::fs::{Access, access};
use std::io;
use std::path::Path;

/// Where the process id goes when we are in the background and nothing else is said. Source: Redis.
pub const PID_FILE: &str = "/var/run/redis.pid";

/// Writes our process id into `pidfile`, if there is one. Without it everything else works: the text says what failed.
pub fn write_pid_file(settings: &Settings) -> Result<(), String> {
    let path = settings.pidfile.as_str();
    if path.is_empty() {
        return Ok(());
    }
    std::fs::write(path, format!("{}\n", std::process::id()))
        .map_err(|error| format!("Failed to write PID file: {error}"))
}

/// Removes what tells others that we are there: the file with our id, and the Unix socket.
pub fn remove(settings: &Settings) {
    if !settings.pidfile.is_empty() {
        tracing::info!("Removing the pid file.");
    }
    for path in [&settings.pidfile, &settings.unixsocket] {
        if !path.is_empty() {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Why files cannot be made in a folder, as far as its permissions tell.
pub fn forbidden(folder: &Path) -> Option<io::Error> {
    access(folder, Access::WRITE_OK | Access::EXEC_OK).err().map(io::Error::from)
}

/// Why a file cannot be written, as far as its permissions tell.
pub fn forbidden_file(path: &Path) -> Option<io::Error> {
    access(path, Access::WRITE_OK).err().map(io::Error::from)
}

/// Why files cannot be made in a folder: one is made, and removed. Permissions tell root nothing.
pub fn refusal_to_write(folder: &Path) -> Option<io::Error> {
    let path = folder.join(format!("temp-{}.try", std::process::id()));
    let made = std::fs::File::options().write(true).create_new(true).open(&path);
    made.and_then(|_| std::fs::remove_file(&path)).err()
}

/// What an operator should know of the working folder: that what is to be kept cannot be written there. `refusal` says of a
/// folder why not.
pub fn unwritable(
    settings: &Settings,
    folder: &Path,
    refusal: impl Fn(&Path) -> Option<io::Error>,
) -> Option<String> {
    let saves = !settings.save.0.is_empty();
    let appends = folder.join(&settings.appenddirname);
    let (folder, error) = match refusal(folder) {
        Some(error) => (folder.to_path_buf(), error),
        None if settings.appendonly && appends.is_dir() => {
            let error = refusal(&appends)?;
            (appends, error)
        }
        None => return None,
    };
    let consequence = match (saves, settings.appendonly, settings.replicaof.is_some()) {
        (true, ..) if settings.stop_writes_on_bgsave_error => {
            "Snapshots will fail, and after the first failure writes are refused; SIGTERM and SHUTDOWN are refused \
             unless NOSAVE or FORCE is given"
        }
        (true, ..) => {
            "Snapshots will fail; SIGTERM and SHUTDOWN are refused unless NOSAVE or FORCE is given"
        }
        (_, true, _) => "The append only file cannot be rewritten",
        (_, _, true) => "The primary's snapshot cannot be received",
        _ => return None,
    };
    let folder = std::fs::canonicalize(&folder).unwrap_or(folder);
    Some(format!(
        "WARNING The folder '{}' cannot be written to: {error}. {consequence}. Choose another 'dir', or switch off what \
         writes there (save \"\", appendonly no).",
        folder.display()
    ))
}
