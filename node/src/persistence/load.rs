//! What is loaded at the start, and where it leaves us in the stream.
//!
//! Another thread loads into an engine of its own, so that clients get `-LOADING` meanwhile instead of silence; the databases
//! are put in place when all is well. Both files there: the append-only file counts. What the other one is good for:
//! [`super::beside`].

use super::loader::{Job, Outcome, Point, job, load_aof, load_rdb, remark_on};
use super::{LoadProgress, beside};
use crate::actions::Exit;
use crate::config::Settings;
use crate::jobs::{Job as OtherThread, JobDone, Made};
use crate::node::{Node, Outside};
use crate::time::Now;
use crate::world::Report;
use backup::aof::{AofDir, Opened};
use backup::files::{File, Files, Identity};
use backup::snapshot::LoadedMeta;
use engine::Engine;
use engine::merge::Twice;
use engine::session::Session;
use journal::planted::{self, Fault};
use journal::{Offset, ReplicationId};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How often the manager hears of a load's progress, milliseconds.
const PROGRESS_PERIOD_MS: u64 = 1000;

/// What another thread is to load, and its size.
type Prepared = (Box<dyn FnOnce() -> Result<Option<Outcome>, String> + Send>, u64);

fn prepare(host: &Outside, job: Job) -> Result<Prepared, String> {
    let settings: &Settings = &host.settings;
    if settings.appendonly {
        let (dir, opened) = host.aof_to_load()?;
        if opened == Opened::Nothing {
            beside::refuse_strays(&dir, settings)?;
            return Ok(match beside::dump_for_base(&host.files, settings)? {
                None => (Box::new(|| Ok(None)), 0),
                Some((path, size)) => {
                    let refused = |path: &Path, error: String| beside::refused_dump(path, &error);
                    let load = move || load_rdb(&job, &path).map_err(|error| refused(&path, error));
                    (Box::new(move || load().map(Some)), size)
                }
            });
        }
        let total = dir.sizes().map_or(0, |(_, all)| all);
        return Ok((Box::new(move || load_aof(&job, dir).map(Some)), total));
    }
    beside::warn_of_younger_aof(&host.files, settings, host.now.unix_ms);
    let path = PathBuf::from(&settings.dbfilename);
    match host.files.size(&path).map_err(|error| error.to_string())? {
        None => Ok((Box::new(|| Ok(None)), 0)),
        Some(size) => Ok((Box::new(move || load_rdb(&job, &path).map(Some)), size)),
    }
}

/// Loads the snapshot of a primary, by the same rules as one of our own: for another thread.
pub fn snapshot_loader(
    node: &Node,
) -> impl FnOnce(&Path) -> Result<Outcome, String> + Send + use<> {
    let job = job(
        &node.engine,
        &node.host.files,
        &node.host.settings,
        &Arc::default(),
        ReplicationId::NONE,
    );
    let job = job.of_a_transfer();
    move |path| load_rdb(&job, path)
}

/// What DEBUG loads again.
pub enum ReloadFrom {
    /// The snapshot; beside what is there, if it is said what becomes of what is there already.
    Snapshot(Option<Twice>),
    /// The append-only file.
    Aof(AofDir),
}

impl Node {
    /// Loads what the files hold, and opens the append-only file if it is to be on. Where that fails the process must not
    /// start: nothing was changed.
    pub(crate) fn load_at_start(&mut self) {
        let progress = Arc::new(AtomicU64::new(0));
        let new_history = self.host.new_replication_id();
        let job = job(&self.engine, &self.host.files, &self.host.settings, &progress, new_history);
        let (task, total_bytes) = match prepare(&self.host, job) {
            Ok(prepared) => prepared,
            Err(error) => return self.cannot_load(error),
        };
        let Now { unix_ms, .. } = self.host.now;
        *self.host.persistence.loading = Some(LoadProgress {
            started_ms: unix_ms,
            started_at_ms: self.engine.steady_ms,
            total_bytes,
            loaded_bytes: 0,
            counter: progress,
            told_ms: 0,
        });
        self.see_facts();
        let job: OtherThread = Box::new(move || JobDone::Loaded(Box::new(task())));
        self.host.world.start_job(job);
    }

    fn cannot_load(&mut self, error: String) {
        self.host.actions.exit = Some(Exit::NotLoaded(error));
    }

    /// Tells how far the load is.
    pub(crate) fn note_load_progress(&mut self) {
        let now_ms = self.host.now.steady_ms();
        let Some(loading) = &mut *self.host.persistence.loading else { return };
        let (loaded, total) = (loading.counter.load(Ordering::Relaxed), loading.total_bytes);
        loading.loaded_bytes = loaded;
        if now_ms >= loading.told_ms + PROGRESS_PERIOD_MS {
            loading.told_ms = now_ms;
            self.host.world.report(Report::Loading { loaded, total });
        }
    }

    /// The files have been read.
    pub(crate) fn loaded(&mut self, outcome: Result<Option<Outcome>, String>) {
        let mut outcome = match outcome {
            Ok(Some(outcome)) => outcome,
            Ok(None) => return self.begin_with(None, None),
            Err(error) => return self.cannot_load(error),
        };
        let started_ms = self.host.persistence.loading.as_ref().map_or(0, |l| l.started_at_ms);
        let seconds = (self.engine.steady_ms - started_ms) as f64 / 1000.0;
        tracing::info!("DB loaded from {}: {seconds:.3} seconds", outcome.source);
        if outcome.aof.is_some() || !self.host.settings.appendonly {
            return self.begin_with(Some(outcome), None);
        }
        match self.begin_base_of_dump(&mut outcome) {
            Ok(base) => {
                let make = move || base.make(&outcome).map(|files| (files, outcome));
                let job: OtherThread = Box::new(move || JobDone::FirstFiles(Box::new(make())));
                self.host.world.start_job(job);
            }
            Err(error) => self.cannot_load(error),
        }
    }

    /// The base of what was loaded has been written.
    pub(crate) fn first_files_made(&mut self, made: Result<Made, String>) {
        match made {
            Ok((files, outcome)) => self.begin_with(Some(outcome), Some(files)),
            Err(error) => self.cannot_load(error),
        }
    }

    /// Begins with what was loaded, if there was anything.
    fn begin_with(&mut self, outcome: Option<Outcome>, first_files: Option<(AofDir, File)>) {
        *self.host.persistence.loading = None;
        let mut begun = match outcome {
            Some(outcome) => self.take_over(outcome, first_files),
            None => Ok(()),
        };
        if begun.is_ok() && self.host.settings.appendonly && !self.host.persistence.aof_is_on() {
            begun = self.host.open_aof(&self.engine, None);
        }
        match begun {
            Ok(()) => {
                self.see_facts();
                self.host.actions.ready = true;
                self.end_turn();
            }
            Err(error) => self.cannot_load(error),
        }
    }

    /// Puts what was loaded in place. `first_files`: those of the append-only file that were made of it.
    fn take_over(
        &mut self,
        outcome: Outcome,
        first_files: Option<(AofDir, File)>,
    ) -> Result<(), String> {
        let wrong = self.engine.replace_data(outcome.dbs, outcome.functions, None);
        remark_on(outcome.meta.as_ref(), &wrong);
        let figures = &mut self.host.persistence.figures;
        figures.last_load_loaded = outcome.loaded;
        figures.last_load_failed = outcome.failed;
        if let Some(meta) = &outcome.meta {
            figures.last_load_expired = meta.keys_expired;
            let empty = match meta.keys_empty {
                0 => String::new(),
                count => format!(", empty keys skipped: {count}"),
            };
            tracing::info!(
                "Done loading RDB, keys loaded: {}, keys expired: {}{empty}.",
                meta.keys_loaded,
                meta.keys_expired
            );
        }
        if let Some(point) = outcome.point {
            self.continue_from(point, outcome.meta.as_ref());
        }
        if let Some(file) = outcome.file {
            self.host.persistence.note_own(file);
        }
        if let Some(files) = first_files {
            return self.host.append_to_first(files);
        }
        if self.host.settings.appendonly {
            if outcome.loaded == 0 {
                beside::warn_of_empty_aof(
                    &self.host.files,
                    &self.host.settings,
                    self.host.now.unix_ms,
                );
            }
            self.host.open_aof(&self.engine, outcome.aof)?;
        }
        Ok(())
    }

    /// Goes on in the stream where the files end: as a replica under the old name, as a primary under a new one.
    pub(super) fn continue_from(&mut self, point: Point, meta: Option<&LoadedMeta>) {
        let Some(offset) = Offset::from_wire(point.offset) else {
            tracing::warn!(
                "The files end at offset {}, which is none: it is not gone on with",
                point.offset
            );
            return;
        };
        if point.selected >= self.engine.dbs.len() {
            tracing::warn!(
                "The stream that the files go on from stands in database {}, there are {}: it is not gone on with",
                point.selected,
                self.engine.dbs.len()
            );
            return;
        }
        let backlog_bytes = self.host.settings.repl_backlog_size;
        let will_follow = self.host.settings.replicaof.is_some();
        let new_id = self.host.new_replication_id();
        let journal = &mut self.host.journal;
        journal.restart_at(offset);
        journal.history = point.history;
        journal.start_backlog(backlog_bytes);
        journal.set_selected(point.selected);
        if will_follow {
            return;
        }
        journal.announce();
        journal.history.fork(new_id, offset);
        // Replicas of the process before us go on from here: they have to hear what we dropped as expired.
        for (db, key) in meta.map_or(&[][..], |meta| &meta.expired) {
            let mut del = Vec::new();
            protocol::resp::encode::command(&mut del, [&b"DEL"[..], key].into_iter());
            journal.append(journal::Kind::Effect, (*db, *db), &del);
        }
    }

    /// DEBUG RELOAD and LOADAOF: loads what is on disk in the place of the data, while nothing else happens.
    /// Returns which file was loaded, if it is a snapshot.
    pub fn reload_in_place(
        engine: &mut Engine,
        executing: &Session,
        files: &Files,
        settings: &Settings,
        from: ReloadFrom,
    ) -> Result<Option<Identity>, String> {
        let job = job(engine, files, settings, &Arc::default(), ReplicationId::NONE);
        let job = job.in_place();
        let outcome = match from {
            ReloadFrom::Aof(dir) => load_aof(&job, dir)?,
            ReloadFrom::Snapshot(twice) => {
                let mut outcome = load_rdb(&job, Path::new(&settings.dbfilename))?;
                if let Some(twice) = twice {
                    let Outcome { dbs, functions, .. } = &mut outcome;
                    engine.merge_present(dbs, functions, twice)?;
                }
                outcome
            }
        };
        let mut wrong = Vec::new();
        match planted::is(Fault::WatchKeptByReload) {
            false => {
                wrong = engine.replace_data(outcome.dbs, outcome.functions, Some(executing));
            }
            true => engine.dbs = outcome.dbs,
        }
        remark_on(outcome.meta.as_ref(), &wrong);
        Ok(outcome.file)
    }
}
