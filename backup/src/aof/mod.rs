//! The append-only file: every change since a base, in a directory of files that a manifest names.
//!
//! ```text
//! appendonlydir/
//!   P.manifest        which files, in which order
//!   P.2.base.rdb      the state to begin with: a snapshot (or P.2.base.aof: commands)
//!   P.3.incr.aof      #tm-history … | #tm mark, block of commands | #tm mark, block | …
//!
//! start:  AofDir::open ─► load (base, incremental files, repair of the tail) ─► AppendThread on the last file
//! run:    journal ─► AppendThread ─► file, fsync ─► "written up to", "durable up to"
//! rewrite: AofDir::begin_rewrite (new file) ─► fork ─► AofDir::finish_rewrite (new base) ─► delete_history
//! ```
//!
//! # Map
//! - [`AofDir`] (`dir`): manifest, names, the steps of start and rewrite
//! - [`load`] (`load`): a whole directory into an [`Apply`]; `scan` reads one file, `window` its bytes, `repair` cuts
//!   a torn tail, `edited` judges and marks anew what a person has edited, `tie` tells whether the files belong together
//! - [`BaseForm`] (`base`): the base as a snapshot or as commands
//! - [`Appender`] (`append`): one file and its marks; [`AppendWorker`] (`worker`): policy, group commit, retries;
//!   [`AppendLog`]: how it is told, whether [`AppendThread`] (`thread`) drives it or, in a simulation, [`SteppedWorker`] (`stepped`)
//!
//! # Invariants
//! - a file is cut only at its end, only if nothing was written after it, and never before what is cut is kept aside
//! - every block that we write carries its position and checksum, so that rot is told apart from a tear
//!
//! # Not here
//! - the syntax of manifest, records and marks: [`protocol::aof`]; what commands mean: the host's [`Apply`]

mod append;
mod base;
mod dir;
mod edited;
mod load;
mod repair;
mod scan;
mod stepped;
#[cfg(test)]
mod tests;
mod thread;
mod tie;
mod window;
mod worker;

pub use append::{Appender, Block, Disk};
pub use base::{BaseForm, BaseJob};
pub use dir::{AofDir, Opened};
pub use edited::Edited;
pub use load::{Apply, LoadLimits, Loaded, load};
pub use repair::Cut;
pub use scan::{CommandRefused, Progress, ScanSummary};
pub use stepped::SteppedWorker;
pub use thread::AppendThread;
pub use worker::{AppendLog, AppendStatus, AppendWorker, FsyncPolicy, Order, Work};

pub(crate) use base::{save_base, write_commands};
pub(crate) use repair::cut_offset;
pub(crate) use scan::{Handler, Tolerance, is_snapshot, scan_file};
pub(crate) use tie::Before;

use crate::files::FileError;
use crate::snapshot::FileLoadError;
use protocol::aof::ManifestError;
use std::borrow::Cow;
use std::path::PathBuf;
use thiserror::Error;

/// Why an append-only file cannot be used.
#[derive(Debug, Error)]
pub enum AofError {
    /// The operating system's refusal.
    #[error(transparent)]
    File(#[from] FileError),
    /// The manifest breaks its rules.
    #[error("{}: {source}", .path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// The line and the reason.
        source: ManifestError,
    },
    /// A file that the manifest names is not there.
    #[error("{} is named in the manifest, but there is none: No such file or directory", .path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The snapshot in the base is damaged.
    #[error(transparent)]
    Snapshot(#[from] FileLoadError),
    /// Bytes that are no record, or a block that is not what its mark says.
    #[error(
        "Bad file format reading the append only file {}, byte {offset}: {reason}. Make a backup of the file, then use \
         redis-check-aof --fix with the manifest", .path.display()
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where.
        offset: u64,
        /// What is wrong there.
        reason: Cow<'static, str>,
    },
    /// The file ends inside a record, a transaction or a block, where it must not be cut.
    #[error(
        "Unexpected end of file reading the append only file {}, byte {offset}: {reason}; {why_not_cut}. You can: 1) make a \
         backup of the file, then use redis-check-aof --fix with the manifest; 2) if it is the last file, set \
         aof-load-truncated to yes and restart the server", .path.display()
    )]
    Torn {
        /// The file.
        path: PathBuf,
        /// The end of the last whole command.
        offset: u64,
        /// Inside of what the file ends.
        reason: &'static str,
        /// Why it is not cut here.
        why_not_cut: &'static str,
    },
    /// The file is not as long as it was written: somebody has edited it.
    #[error(
        "Bad file format reading the append only file {}, byte {offset}: {reason}. The file was edited, or put together from parts of files. If that was meant, start \
         once with 'aof-load-edited yes': it is loaded as it is and its marks are written anew, but its replication position \
         is unknown from there", .path.display()
    )]
    Edited {
        /// The file.
        path: PathBuf,
        /// Where that shows.
        offset: u64,
        /// By what.
        reason: String,
    },
    /// The file does not belong where the manifest has it.
    #[error(
        "Bad file format reading the append only file {}, byte {offset}: {reason}. The manifest does not name the files that \
         belong together, or one of them is not the one that was written. Ways out: put the manifest and all files that it names back as they were, from \
         one copy of the folder; or, to begin with what is before this file, take its line and all lines behind it out of the manifest, \
         and move these files elsewhere; or, if everything is to be loaded as the manifest has it, take the lines that begin with #tm out of \
         these files", .path.display()
    )]
    Misplaced {
        /// The file.
        path: PathBuf,
        /// Where that shows.
        offset: u64,
        /// By what.
        reason: String,
    },
    /// A command that the host cannot execute.
    #[error("{}, byte {offset}: {reason}", .path.display())]
    Command {
        /// The file.
        path: PathBuf,
        /// Where the command begins.
        offset: u64,
        /// What the host says.
        reason: String,
        /// Whether it may be what a crash left: it is the last in the last file, which may be cut.
        torn: bool,
    },
}
