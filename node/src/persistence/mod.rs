//! Data at rest, as the process does it: when to save, what waits for the disk, what happens at the start.
//!
//! - [`snapshots`]: SAVE, BGSAVE and save points
//! - [`aof`]: the append-only file, as the node knows it; [`append`]: shipping the journal to it, rewriting it, switching it on and off
//! - [`queue`]: what waits for the disk, and when writers wait for it
//! - [`loader`]: files to data, on another thread; [`load`]: what is loaded at the start, and where it leaves us in the stream
//! - [`beside`]: what lies beside the files that are loaded: a dump that was never loaded, an append-only file that is younger
//!
//! # Not here
//! - formats and files: `backup`

pub mod aof;
pub mod append;
pub mod beside;
pub mod load;
pub mod loader;
pub mod queue;
pub mod snapshots;

use crate::config::{AppendFsync, Settings};
use crate::facts::fact::{Changed, Fact};
use aof::Aof;
use backup::aof::{FsyncPolicy, Order};
use backup::files::OwnFiles;
use engine::Engine;
use journal::planted::{self, Fault};
use journal::release::OnDisk;
use journal::{History, Offset};
use protocol::aof::HistoryMark;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// How loading goes.
#[derive(Clone, Debug, Default)]
pub struct LoadProgress {
    /// When it began, unix milliseconds.
    pub started_ms: i64,
    /// The same moment of the steady clock, milliseconds.
    pub started_at_ms: i64,
    /// Bytes to load.
    pub total_bytes: u64,
    /// Bytes loaded, when it was last looked at.
    pub loaded_bytes: u64,
    /// Where the loading thread counts them.
    pub counter: Arc<AtomicU64>,
    /// When the service manager heard of it last: a moment of the steady clock, milliseconds.
    pub told_ms: u64,
}

/// An append-only file that is to be on, and is not: what was tried, and when it is tried again.
#[derive(Clone, Debug)]
pub struct MissingAof {
    /// Why the last attempt failed.
    pub error: String,
    /// Attempts that failed.
    pub failures: u32,
    /// When the next attempt comes, monotonic milliseconds.
    pub retry_ms: u64,
}

/// The second in which commands are executed, for the file (`aof-timestamp-enabled`).
#[derive(Clone, Copy, Debug)]
pub struct Second {
    /// Which, unix seconds; `None` if it is not to be said.
    now_s: Option<i64>,
    /// When it ends, unix milliseconds.
    pub ends_ms: i64,
}

impl Second {
    /// The one of this moment.
    fn of(now_ms: i64, enabled: bool) -> Second {
        let now_s = now_ms.div_euclid(1000);
        match enabled {
            true => Second { now_s: Some(now_s), ends_ms: (now_s + 1) * 1000 },
            false => Second { now_s: None, ends_ms: i64::MAX },
        }
    }
}

/// Figures of INFO.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Snapshots written.
    pub saves: u64,
    /// Rewrites done.
    pub rewrites: u64,
    /// Rewrites that failed, one after the other.
    pub rewrite_failures: u32,
    /// Snapshots that were kept because they were not our own (`rdb_snapshots_kept`).
    pub snapshots_kept: u64,
    /// Folders of append-only files that were kept because nobody had loaded them (`aof_folders_kept`).
    pub folders_kept: u64,
    /// Keys of the last load.
    pub last_load_loaded: u64,
    /// Keys that had expired before it.
    pub last_load_expired: u64,
    /// Commands of the append-only file that did not fit the data.
    pub last_load_failed: u64,
    /// How often writers had to wait because an fsync was late (`aof_delayed_fsync`).
    pub delayed_fsyncs: u64,
    /// How often writers had to wait for the append queue at all.
    pub queue_stalls: u64,
}

/// The persistence side of the process.
pub struct Persistence {
    /// The append-only file, if it is on.
    pub aof: Option<Aof>,
    /// Loading at the start.
    pub loading: Fact<Option<LoadProgress>>,
    /// When data was last saved, unix milliseconds; the start if never. For LASTSAVE.
    saved_unix_ms: i64,
    /// The same moment of the steady clock, milliseconds.
    pub saved_at_ms: i64,
    /// Whether the last BGSAVE succeeded.
    pub last_bgsave_ok: Fact<bool>,
    /// Whether the last rewrite succeeded.
    pub last_rewrite_ok: bool,
    /// When the last attempt to save began: a moment of the steady clock, milliseconds.
    pub tried_ms: i64,
    /// When a rewrite may be tried by itself again: a moment of the steady clock, milliseconds; 0 if none was put off.
    pub rewrite_not_before_ms: i64,
    /// For how long the last one was put off.
    pub rewrite_delay_minutes: i64,
    /// The append-only file is to be on, but could not be begun anew.
    pub missing_aof: Fact<Option<MissingAof>>,
    /// Why the append thread cannot write or fsync, as far as it has been looked at.
    pub append_error: Fact<Option<String>>,
    changed: Changed,
    /// Figures of INFO.
    pub figures: Figures,
    /// The second in which commands are executed.
    pub second: Second,
    /// The snapshots that this process has loaded or written: no other is overwritten.
    own_files: OwnFiles,
    /// The folder of the append-only file that this process has loaded or written: no other is replaced.
    own_folder: Option<(u64, u64)>,
}

impl Persistence {
    /// Nothing saved, nothing on.
    pub fn new(engine: &Engine, changed: &Changed) -> Persistence {
        Persistence {
            aof: None,
            loading: Fact::new(None, changed),
            saved_unix_ms: engine.now_ms,
            saved_at_ms: engine.steady_ms,
            last_bgsave_ok: Fact::new(true, changed),
            last_rewrite_ok: true,
            tried_ms: i64::MIN / 2,
            rewrite_not_before_ms: 0,
            rewrite_delay_minutes: 0,
            missing_aof: Fact::new(None, changed),
            append_error: Fact::new(None, changed),
            changed: changed.clone(),
            figures: Figures::default(),
            second: Second::of(0, false),
            own_files: OwnFiles::default(),
            own_folder: None,
        }
    }

    /// Whether data is loaded at the start.
    pub fn is_loading(&self) -> bool {
        self.loading.is_some()
    }

    /// When data was last saved, unix seconds.
    pub fn last_save_s(&self) -> i64 {
        self.saved_unix_ms / 1000
    }

    /// Data was saved just now.
    pub fn note_saved(&mut self, engine: &Engine) {
        (self.saved_unix_ms, self.saved_at_ms) = (engine.now_ms, engine.steady_ms);
    }

    /// Why writes are refused, after `MISCONF `.
    pub fn refusal(&self, settings: &Settings) -> Option<String> {
        let missing = self.missing_aof.as_ref().map(|missing| &missing.error);
        if let Some(error) = self.append_error.as_ref().or(missing) {
            return Some(format!("Errors writing to the AOF file: {}", crate::text::plain(error)));
        }
        let saves = !settings.save.0.is_empty();
        (saves && settings.stop_writes_on_bgsave_error && !*self.last_bgsave_ok).then(|| {
            "Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that may modify \
             the data set are disabled, because this instance is configured to report errors during writes if RDB snapshotting \
             fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error."
                .to_string()
        })
    }

    /// What replies need not wait for any more.
    #[inline]
    pub fn released(&self) -> OnDisk {
        match &self.aof {
            _ if planted::is(Fault::ReplyBeforeFsync) => OnDisk::NOT_AWAITED,
            Some(aof) if aof.policy == FsyncPolicy::Always => OnDisk::up_to(aof.durable()),
            _ => OnDisk::NOT_AWAITED,
        }
    }

    /// What a restart would bring back, if there is an append-only file with a base to append to.
    pub fn restorable(&self) -> Option<OnDisk> {
        let aof = self.aof.as_ref().filter(|aof| !aof.lacks_base())?;
        Some(OnDisk::up_to(aof.durable()))
    }

    /// The replication offset that is on disk, if there is an append-only file.
    pub fn durable_offset(&self) -> Option<Offset> {
        self.aof.as_ref().map(Aof::durable_offset)
    }

    /// Whether there is an append-only file without its first base.
    pub fn lacks_base(&self) -> bool {
        self.aof.as_ref().is_some_and(Aof::lacks_base)
    }

    /// Whether the append-only file is on.
    pub fn aof_is_on(&self) -> bool {
        self.aof.is_some()
    }

    /// Lets the append log tell of each thing that it has done as long as somebody waits for that; `waits`: a client does.
    /// Who begins to wait looks at the positions behind this.
    pub fn watch_log(&self, waits: bool) {
        if let Some(aof) = &self.aof {
            let replies_wait = aof.policy == FsyncPolicy::Always;
            let is_full = aof.queue.full().is_some();
            let fails = self.append_error.is_some();
            aof.thread.status().watch(waits || replies_wait || is_full || fails);
        }
    }

    /// Asks for an fsync now.
    pub fn request_sync(&self) {
        if let Some(aof) = &self.aof {
            aof.thread.request_sync(aof.shipped());
        }
    }

    /// Whether who writes has to wait: so much waits to be appended, or for so long, that no more may be taken in.
    ///
    /// Clients are suspended by the engine. A link to a primary has to look before it reads on, and wait for
    /// [`crate::Actions::link_room`] (and look again: it may be full again at once).
    pub fn append_queue_is_full(&self) -> bool {
        self.aof.as_ref().is_some_and(|aof| aof.queue.full().is_some())
    }

    /// The policy was changed.
    pub fn set_policy(&mut self, settings: &Settings) {
        let policy = policy(settings);
        if let Some(aof) = &mut self.aof
            && aof.policy != policy
        {
            aof.policy = policy;
            aof.thread.status().watch(true);
            aof.thread.order(Order::SetPolicy(policy));
            self.request_sync();
        }
    }

    /// The history has another name: what follows in the file counts in it.
    pub fn note_history(&mut self, history: History) {
        let mark = HistoryMark {
            id: *history.id.as_bytes(),
            second_id: *history.second_id.as_bytes(),
            second_offset: history.second_offset,
        };
        if let Some(aof) = &mut self.aof
            && aof.history != Some(mark)
        {
            aof.history = Some(mark);
            aof.thread.order(Order::History(mark));
        }
    }

    /// CONFIG RESETSTAT.
    pub fn reset_stats(&mut self) {
        self.figures.saves = 0;
        self.figures.snapshots_kept = 0;
        self.figures.folders_kept = 0;
        self.figures.rewrites = 0;
        self.figures.delayed_fsyncs = 0;
        self.figures.queue_stalls = 0;
    }
}

/// `appendfsync` as the append thread knows it.
pub fn policy(settings: &Settings) -> FsyncPolicy {
    match settings.appendfsync {
        AppendFsync::Always => FsyncPolicy::Always,
        AppendFsync::EverySecond => FsyncPolicy::EverySec,
        AppendFsync::No => FsyncPolicy::No,
    }
}

#[cfg(test)]
mod tests;
