//! Limits that the system sets for the process.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that the process needs for itself: files, pipes, listeners. Source: Redis.
const RESERVED: u64 = 32;

/// Raises the limit of open files so that `clients` can be served. Returns how many can.
pub fn raise_open_files(clients: u64) -> Result<(), String> {
    let wanted = clients + RESERVED;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    let maximum = limit.maximum.map(|maximum| maximum.max(wanted));
    let raised = Rlimit { current: Some(wanted), maximum };
    if setrlimit(Resource::Nofile, raised).is_ok() {
        return Ok(());
    }
    let possible = limit.maximum.unwrap_or(wanted);
    let raised = Rlimit { current: Some(possible.min(wanted)), maximum: limit.maximum };
    let _ = setrlimit(Resource::Nofile, raised);
    let have = getrlimit(Resource::Nofile).current.unwrap_or(wanted);
    if have >= wanted {
        return Ok(());
    }
    Err(format!(
        "The operating system is not able to handle the specified number of clients, try with {}",
        have.saturating_sub(RESERVED)
    ))
}
