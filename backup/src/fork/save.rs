//! What children do: save to a file, or into a pipe or socket.
//!
//! ```text
//! to a file:    temp-<pid>.rdb ─► fsync ─► rename to the target ─► fsync of the directory
//!               (the snapshot: what is in its place and not our own is kept first; the last report tells)
//! to a reader:  everything into one descriptor; marks before and after are the caller's
//! ```

use super::{Child, Reporter, fork_child};
use crate::aof::{BaseJob, save_base};
use crate::files::{self, Files, KeepRule};
use crate::snapshot::{SaveOptions, SnapshotMeta, save_file, save_snapshot, write_snapshot};
use keyspace::db::Db;
use protocol::rdb::Sink;
use rustix::event::{PollFd, PollFlags, poll};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

/// What a child is to save.
#[derive(Clone, Copy)]
pub struct SaveJob<'a> {
    /// The databases.
    pub dbs: &'a [Db],
    /// What the snapshot says about itself.
    pub meta: &'a SnapshotMeta,
    /// How to write.
    pub options: SaveOptions,
    /// Any monotonic time.
    pub clock_ms: fn() -> u64,
}

/// Forks a child that saves the snapshot `target`, by way of [`temporary_name`] in the same directory; one in its place
/// that is not our own is kept as `rule` says. Its result is [`Replaced::to_text`](files::Replaced::to_text). A child that
/// is killed leaves the temporary file: the parent removes it.
pub fn save_snapshot_child(
    files: &Files,
    job: SaveJob<'_>,
    target: &Path,
    rule: &KeepRule,
) -> io::Result<Child> {
    fork_child(&[], job.clock_ms, |reporter| {
        let pid = std::process::id() as i32;
        let temporary = files::parent(target).join(temporary_name(pid));
        let (data, mut progress) = ((job.dbs, job.meta), |keys| reporter.progress(keys));
        let saved =
            save_snapshot(files, target, &temporary, data, job.options, rule, &mut progress);
        saved.map(|replaced| replaced.to_text()).map_err(|error| error.to_string())
    })
}

/// The same for a file that is not the snapshot, and nobody else's.
pub fn save_to_file_child(files: &Files, job: SaveJob<'_>, target: &Path) -> io::Result<Child> {
    fork_child(&[], job.clock_ms, |reporter| {
        let pid = std::process::id() as i32;
        let temporary = files::parent(target).join(temporary_name(pid));
        let mut progress = |keys| reporter.progress(keys);
        save_file(files, target, &temporary, job.dbs, job.meta, job.options, &mut progress)
            .map(|_| String::new())
            .map_err(|error| error.to_string())
    })
}

/// Forks a child that writes the base of a rewrite into `dir`, under the first of [`rewrite_names`], and renames it to
/// the second when it is complete. The parent moves that one into the append-only file's directory.
pub fn rewrite_child(
    files: &Files,
    job: BaseJob<'_>,
    clock_ms: fn() -> u64,
    dir: &Path,
) -> io::Result<Child> {
    fork_child(&[], clock_ms, |reporter| {
        let (temporary, complete) = rewrite_names(std::process::id() as i32);
        let mut progress = |keys| reporter.progress(keys);
        save_base(files, &dir.join(complete), &dir.join(temporary), job, &mut progress)
            .map(|()| String::new())
            .map_err(|error| error.to_string())
    })
}

/// The names of the file that a rewriting child with this process number writes, before and after it is complete.
pub fn rewrite_names(pid: i32) -> (String, String) {
    (format!("temp-rewriteaof-{pid}.aof"), format!("temp-rewriteaof-bg-{pid}.aof"))
}

/// The name of the file that a saving child with this process number writes.
pub fn temporary_name(pid: i32) -> String {
    format!("temp-{pid}.rdb")
}

/// Forks a child that writes a snapshot into `fd`, a pipe or a socket.
pub fn save_to_fd_child(job: SaveJob<'_>, fd: BorrowedFd<'_>) -> io::Result<Child> {
    fork_child(&[fd], job.clock_ms, |reporter: &mut Reporter| {
        let mut progress = |keys| reporter.progress(keys);
        write_snapshot(FdSink(fd), job.dbs, job.meta, job.options, &mut progress)
            .map(|_| String::new())
            .map_err(|error| format!("write snapshot: {error}"))
    })
}

/// A descriptor as a sink: writes all, and waits where a non-blocking one takes no more.
#[derive(Debug)]
pub struct FdSink<F>(pub F);

impl<F: AsFd> Sink for FdSink<F> {
    type Error = io::Error;

    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match rustix::io::write(&self.0, bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => bytes = &bytes[written..],
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => {
                    match poll(&mut [PollFd::new(&self.0, PollFlags::OUT)], None) {
                        Ok(_) | Err(rustix::io::Errno::INTR) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
