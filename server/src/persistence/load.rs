//! What is loaded at the start, and where it leaves us in the stream.
//!
//! Another thread loads into an engine of its own, so that clients get `-LOADING` meanwhile instead of silence; the databases
//! are put in place when all is well. Both files there: the append-only file counts. What the other one is good for:
//! [`super::beside`].

use super::{LoadProgress, beside};
use crate::clock;
use crate::config::Settings;
use crate::node::{Node, SharedNode, new_replication_id};
use crate::process::supervisor::PROGRESS_PERIOD_MS;
use backup::aof::{AofDir, Apply, CommandRefused, LoadLimits, Opened};
use backup::files::{File, Files, Identity};
use backup::snapshot::{LoadOptions, LoadedMeta, load_opened};
use engine::Engine;
use engine::arguments::is;
use engine::context::{Context, Done};
use engine::host::{Answers, Conversation, EntryKind, Host, HostCall, Interruption, Receipt};
use engine::names::Names;
use engine::refusal::{Kind, Refusal};
use engine::refused::{Refusals, Refused};
use engine::session::{Peer, Session};
use journal::{History, Offset, ReplicationId};
use keyspace::db::Db;
use keyspace::eviction::{Frequency, Order, Policy};
use keyspace::limits::Limits;
use protocol::rdb::KeyMeta;
use protocol::resp::{Args, Batch};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Where the data was in a replication stream.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    history: History,
    /// As the files say: not looked at yet.
    offset: u64,
    /// The database that the stream stands in.
    pub selected: usize,
}

/// What loading gave.
pub struct Outcome {
    /// The databases.
    pub dbs: Vec<Db>,
    /// Sources of function libraries.
    pub functions: Vec<Vec<u8>>,
    /// Where the data was in a replication stream.
    pub point: Option<Point>,
    source: &'static str,
    aof: Option<AofDir>,
    /// What the snapshot said.
    pub(crate) meta: Option<LoadedMeta>,
    /// Which file the snapshot is.
    file: Option<Identity>,
    loaded: u64,
    /// Commands that did not fit the data.
    failed: u64,
}

/// A host for commands from a file: they are not journaled, and those that need a host are none of data's.
struct NoHost;

impl Host for NoHost {
    fn excess_bytes(&mut self) -> u64 {
        0
    }

    fn ticks_ns(&mut self) -> u64 {
        0
    }

    fn journal(&mut self, _: (usize, usize), _: EntryKind, _: &[u8]) -> Receipt {
        Receipt::default()
    }

    fn converse(&mut self, _: &Conversation<'_>) -> Answers {
        // What a file holds is DEL, never MIGRATE.
        Answers { interruption: Some(Interruption::Connecting), ..Answers::default() }
    }

    fn perform(
        &mut self,
        _: HostCall,
        ctx: &mut Context<'_>,
        _: Args<'_>,
    ) -> Result<Done, Refusal> {
        // PING and REPLCONF GETACK may stand in the file of a replica; they mean nothing here.
        ctx.reply.ok();
        Ok(Done::NOTHING)
    }
}

/// Executes what an append-only file holds.
struct Loader<'a> {
    job: &'a Job,
    engine: Engine,
    session: Box<Session>,
    replies: Vec<u8>,
    report: Box<dyn FnMut(u64) + Send>,
    failures: Failures,
    /// Sources of function libraries that commands load.
    functions: Vec<Vec<u8>>,
}

impl Loader<'_> {
    fn new(job: &Job) -> Loader<'_> {
        let (engine, session) = Self::begin(job);
        let counter = Arc::clone(&job.progress);
        let report = Box::new(move |bytes| counter.store(bytes, Ordering::Relaxed));
        let failures = Failures::default();
        let (replies, functions) = (Vec::new(), Vec::new());
        Loader { job, engine, session, replies, report, failures, functions }
    }

    /// An engine without data, and the session of the file.
    fn begin(job: &Job) -> (Engine, Box<Session>) {
        let mut engine = Engine::new(job.databases, 0);
        engine.limits = job.limits;
        engine.names = job.names.clone();
        engine.now_ms = clock::unix_ms();
        engine.active_expire = false;
        engine.eviction.set_policy(job.policy);
        engine.eviction.frequency = job.frequency;
        let slot = engine.connect();
        let mut session = engine.take_session(slot);
        session.peer = Peer::Loader;
        session.halts = true;
        session.authenticated = true;
        (engine, session)
    }
}

/// Commands of a file that did not fit the data. It may be so where they were executed first, and it may be that
/// something is missing: that is said, once for each name.
#[derive(Default)]
struct Failures {
    /// How often, and what was answered first.
    by_name: BTreeMap<String, (u64, String)>,
    count: u64,
}

impl Failures {
    fn add(&mut self, refusals: Refusals) {
        self.count += refusals.list.len() as u64 + refusals.more;
        for refused in refusals.list {
            // Names are those of the table of commands.
            self.by_name.entry(refused.name).or_insert((0, refused.text)).0 += 1;
        }
    }

    fn log(&self) {
        for (name, (count, text)) in &self.by_name {
            tracing::warn!(
                "{count} '{name}' command(s) of the append only file did not fit the data and changed nothing. \
                 The first was answered: {text}"
            );
        }
    }
}

fn cannot_execute(refused: Refused) -> CommandRefused {
    let name = &refused.name;
    let reason = match refused.kind {
        Kind::Unknown => format!("Unknown command '{name}' reading the append only file"),
        _ => format!("Command '{name}' cannot be executed: {}", refused.text),
    };
    let may_be_torn = refused.kind == Kind::Shape;
    CommandRefused { index: refused.index, reason, may_be_torn }
}

/// The source of a function library, if a command loads one. As those of a snapshot it is kept, not run.
fn library<'a>(args: Args<'a>) -> Option<&'a [u8]> {
    let loads = args.len() == 3 && is(args.at(0), "FUNCTION") && is(args.at(1), "LOAD");
    (loads && args.at(2).starts_with(b"#!")).then(|| args.at(2))
}

impl Apply for Loader<'_> {
    fn databases(&mut self) -> (&mut [Db], &mut dyn FnMut(u64)) {
        (&mut self.engine.dbs, &mut self.report)
    }

    fn restart(&mut self) {
        (self.engine, self.session) = Self::begin(self.job);
        self.failures = Failures::default();
        self.functions.clear();
    }

    fn begin_file(&mut self, _path: &Path) {
        self.session.db = 0;
    }

    fn commands(&mut self, buffer: &[u8], batch: &Batch) -> Result<(), CommandRefused> {
        let mut next = 0;
        while next < batch.requests().len() {
            self.replies.clear();
            let (engine, session) = (&mut self.engine, &mut self.session);
            let replies = &mut self.replies;
            (next, _) = engine.execute_batch(&mut NoHost, session, buffer, batch, next, replies);
            self.engine.garbage.clear();
            self.engine.garbage_dbs.clear();
            self.engine.emptied = false;
            let mut refusals = self.engine.take_refused();
            if let Some(at) = refusals.list.iter().position(Refused::is_difference) {
                let refused = refusals.list.remove(at);
                let request = &batch.requests()[refused.index];
                match library(batch.args(buffer, request)) {
                    Some(source) => self.functions.push(source.to_vec()),
                    None => return Err(cannot_execute(refused)),
                }
            }
            if !refusals.list.is_empty() {
                self.failures.add(refusals);
            }
        }
        Ok(())
    }

    fn progress(&mut self, bytes: u64) {
        self.job.progress.store(bytes, Ordering::Relaxed);
    }
}

/// What a loading thread needs to know.
struct Job {
    databases: usize,
    /// What clients may call commands: Redis writes what was typed.
    names: Option<Arc<Names>>,
    limits: Limits,
    checksum: bool,
    truncated: bool,
    /// The name of a new history, if edited files may be loaded.
    edited: Option<[u8; 40]>,
    drop_expired: bool,
    progress: Arc<AtomicU64>,
    policy: Option<Policy>,
    frequency: Frequency,
}

impl Job {
    /// The access clock of a key that is loaded: what the file says, if the policy goes by it.
    fn clock(&self, now_ms: i64, meta: &KeyMeta) -> u32 {
        let seconds = (now_ms / 1000) as u32;
        match self.policy.map(|policy| policy.order) {
            Some(Order::Frequency) => {
                let minutes = now_ms as u64 / 60_000;
                meta.freq.map_or(Frequency::first(minutes), |count| Frequency::pack(minutes, count))
            }
            _ => seconds.wrapping_sub(meta.idle.unwrap_or(0) as u32) & 0xff_ffff,
        }
    }
}

impl Outcome {
    /// The database that the stream stands in behind this data.
    pub fn selected(&self) -> usize {
        self.point.map_or(0, |point| point.selected)
    }
}

fn load_aof(job: &Job, dir: AofDir) -> Result<Outcome, String> {
    let now_ms = clock::unix_ms();
    let access = |meta: &KeyMeta| job.clock(now_ms, meta);
    let snapshot =
        LoadOptions { now_ms, drop_expired: false, checksum: job.checksum, clock: &access };
    let options =
        LoadLimits { truncated: job.truncated, edited: job.edited, limits: &job.limits, snapshot };
    let mut loader = Loader::new(job);
    let loaded = backup::aof::load(&dir, options, &mut loader).map_err(|e| e.to_string())?;
    if let Some(cut) = &loaded.cut {
        tracing::warn!("!!! Warning: short read while loading the AOF file !!!");
        tracing::warn!(
            "AOF loaded anyway because aof-load-truncated is enabled: {} ended {}, {} bytes behind offset {} are in {} now",
            cut.path.display(),
            cut.reason,
            cut.bytes,
            cut.offset,
            cut.aside.display()
        );
        if cut.bytes == 0 {
            tracing::warn!(
                "It ended between two commands of its last block: by a crash, or because it was edited. The replication \
                 position is unknown from there"
            );
        }
    }
    if let Some(edited) = &loaded.edited {
        tracing::warn!(
            "AOF loaded although it was edited, because aof-load-edited is enabled: {}, from byte {} on. {} file(s) have new \
             marks now. The replication position is unknown from there: replicas need a full sync. Set aof-load-edited back to \
             'no'",
            edited.path.display(),
            edited.offset,
            edited.files
        );
    }
    loader.failures.log();
    let id = |text: &[u8; 40]| ReplicationId::parse(text).unwrap_or(ReplicationId::NONE);
    let selected = loaded.selected_db as usize;
    let point = match (&loaded.history, loaded.position) {
        (Some(mark), Some(offset)) => Some(Point {
            history: History {
                id: id(&mark.id),
                second_id: id(&mark.second_id),
                second_offset: mark.second_offset,
            },
            offset,
            selected,
        }),
        // Nothing was appended to the base yet.
        (None, _) if loaded.commands == 0 => point_of(loaded.base.as_ref()),
        _ => None,
    };
    let keys = loader.engine.dbs.iter().map(|db| db.len() as u64).sum();
    let mut functions = loaded.base.as_ref().map_or_else(Vec::new, |base| base.functions.clone());
    functions.append(&mut loader.functions);
    Ok(Outcome {
        dbs: std::mem::take(&mut loader.engine.dbs),
        functions,
        point,
        source: "append only file",
        aof: Some(dir),
        meta: loaded.base,
        file: None,
        loaded: keys,
        failed: loader.failures.count,
    })
}

fn point_of(meta: Option<&LoadedMeta>) -> Option<Point> {
    let point = meta?.replication?;
    Some(Point {
        history: History::new(ReplicationId::parse(&point.id)?),
        offset: point.offset,
        selected: point.stream_db as usize,
    })
}

fn load_rdb(job: &Job, path: &Path) -> Result<Outcome, String> {
    let now_ms = clock::unix_ms();
    let access = |meta: &KeyMeta| job.clock(now_ms, meta);
    let mut dbs: Vec<Db> = (0..job.databases).map(|_| Db::new()).collect();
    let options = LoadOptions {
        now_ms,
        drop_expired: job.drop_expired,
        checksum: job.checksum,
        clock: &access,
    };
    let mut progress = |bytes| job.progress.store(bytes, Ordering::Relaxed);
    let opened = Files::real().open(path).map_err(|error| error.to_string())?;
    let file = Identity::of(&opened).map_err(|error| format!("{}: {error}", path.display()))?;
    let meta = load_opened(path, opened, &mut dbs, &job.limits, options, &mut progress)
        .map_err(|error| error.to_string())?;
    Ok(Outcome {
        dbs,
        functions: meta.functions.clone(),
        point: point_of(Some(&meta)),
        source: "disk",
        aof: None,
        file: Some(file),
        loaded: meta.keys_loaded,
        meta: Some(meta),
        failed: 0,
    })
}

fn job(engine: &Engine, settings: &Settings, progress: &Arc<AtomicU64>) -> Job {
    Job {
        databases: engine.dbs.len(),
        names: engine.names.clone(),
        limits: engine.limits,
        checksum: settings.rdbchecksum,
        truncated: settings.aof_load_truncated,
        edited: settings.aof_load_edited.then(|| *new_replication_id().as_bytes()),
        drop_expired: settings.replicaof.is_none(),
        progress: Arc::clone(progress),
        policy: engine.eviction.policy,
        frequency: engine.eviction.frequency,
    }
}

/// Loads the snapshot of a primary, by the same rules as one of our own: for another thread.
pub fn snapshot_loader(
    node: &Node,
) -> impl FnOnce(&Path) -> Result<Outcome, String> + Send + use<> {
    let job = job(&node.engine, &node.host.settings, &Arc::default());
    // Keys whose time has come are there until the primary says that they are gone. A transfer is always checked.
    let job = Job { drop_expired: false, checksum: true, ..job };
    move |path| load_rdb(&job, path)
}

/// Loads what the files hold, and opens the append-only file if it is to be on. An error means that the server must not
/// start: nothing was changed.
pub async fn load_at_start(node: &SharedNode) -> Result<(), String> {
    let start = clock::now();
    let progress = Arc::new(AtomicU64::new(0));
    let (task, total) = {
        let node = node.borrow();
        let job = job(&node.engine, &node.host.settings, &progress);
        prepare(&node, job)?
    };
    {
        let node = &mut *node.borrow_mut();
        let (started_ms, started_at_ms) = (clock::unix_ms(), clock::monotonic_ms() as i64);
        *node.host.persistence.loading =
            Some(LoadProgress { started_ms, started_at_ms, total_bytes: total, loaded_bytes: 0 });
        node.see_facts();
    }
    let outcome = on_another_thread(node, &progress, task).await?;
    let seconds = clock::since(start).as_secs_f64();
    let mut first_files = None;
    let outcome = match outcome {
        Some(mut outcome) => {
            tracing::info!("DB loaded from {}: {seconds:.3} seconds", outcome.source);
            if outcome.aof.is_none() && node.borrow().host.settings.appendonly {
                let base = node.borrow_mut().begin_base_of_dump(&mut outcome)?;
                let make = move || base.make(&outcome).map(|files| (files, outcome));
                let (files, outcome) = on_another_thread(node, &progress, make).await?;
                first_files = Some(files);
                Some(outcome)
            } else {
                Some(outcome)
            }
        }
        None => None,
    };
    let node = &mut *node.borrow_mut();
    *node.host.persistence.loading = None;
    if let Some(outcome) = outcome {
        node.take_over(outcome, first_files)?;
    }
    if node.host.settings.appendonly && !node.host.persistence.aof_is_on() {
        node.host.open_aof(&node.engine, None)?;
    }
    Ok(())
}

/// Does what takes long, while INFO tells how far it is.
async fn on_another_thread<T: Send + 'static>(
    node: &SharedNode,
    progress: &AtomicU64,
    task: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    let mut task = tokio::task::spawn_blocking(task);
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    let mut told_ms = 0;
    loop {
        tokio::select! {
            done = &mut task => return done.map_err(|error| error.to_string())?,
            _ = tick.tick() => {
                let node = &mut *node.borrow_mut();
                let Some(loading) = &mut *node.host.persistence.loading else { continue };
                loading.loaded_bytes = progress.load(Ordering::Relaxed);
                let now_ms = clock::monotonic_ms();
                if now_ms >= told_ms + PROGRESS_PERIOD_MS {
                    told_ms = now_ms;
                    node.host.supervisor.loading(loading.loaded_bytes, loading.total_bytes);
                }
            }
        }
    }
}

type Task = Box<dyn FnOnce() -> Result<Option<Outcome>, String> + Send>;

fn prepare(node: &Node, job: Job) -> Result<(Task, u64), String> {
    let settings: &Settings = &node.host.settings;
    if settings.appendonly {
        let (dir, opened) = node.host.aof_to_load()?;
        if opened == Opened::Nothing {
            beside::refuse_strays(&dir, settings)?;
            return Ok(match beside::dump_for_base(settings)? {
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
    beside::warn_of_younger_aof(settings);
    let path = PathBuf::from(&settings.dbfilename);
    match Files::real().size(&path).map_err(|error| error.to_string())? {
        None => Ok((Box::new(|| Ok(None)), 0)),
        Some(size) => Ok((Box::new(move || load_rdb(&job, &path).map(Some)), size)),
    }
}

/// Says what of loaded data is not as it might be expected.
pub(crate) fn remark_on(meta: Option<&LoadedMeta>, functions: &[Vec<u8>]) {
    if let Some((count @ 1.., names)) = meta.map(|meta| &meta.streams_mended) {
        let names: Vec<_> = names.iter().map(|name| String::from_utf8_lossy(name)).collect();
        let more = if *count > names.len() as u64 { " and others" } else { "" };
        tracing::warn!(
            "Streams that said something wrong of their own entries (their number, the last ID, or how many were ever \
             added), which was made out anew from the entries: {count}, {}{more}",
            names.join(", ")
        );
    }
    if !functions.is_empty() {
        tracing::warn!(
            "Libraries of functions loaded: {}. They are kept, and written to snapshots and to replicas, but this version of \
             Tidemark cannot call their functions.",
            functions.len()
        );
    }
}

impl Node {
    /// Puts what was loaded in place. `first_files`: those of the append-only file that were made of it.
    fn take_over(
        &mut self,
        outcome: Outcome,
        first_files: Option<(AofDir, File)>,
    ) -> Result<(), String> {
        self.engine.replace_data(outcome.dbs, outcome.functions, None);
        remark_on(outcome.meta.as_ref(), &self.engine.functions);
        let figures = &mut self.host.persistence.figures;
        figures.last_load_loaded = outcome.loaded;
        figures.last_load_failed = outcome.failed;
        if let Some(meta) = &outcome.meta {
            figures.last_load_expired = meta.keys_expired;
            tracing::info!(
                "Done loading RDB, keys loaded: {}, keys expired: {}.",
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
                beside::warn_of_empty_aof(&self.host.settings);
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
        let journal = &mut self.host.journal;
        journal.restart_at(offset);
        journal.history = point.history;
        journal.start_backlog(backlog_bytes);
        journal.set_selected(point.selected);
        if will_follow {
            return;
        }
        journal.announce();
        journal.history.fork(new_replication_id(), offset);
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
        settings: &Settings,
        aof: Option<AofDir>,
    ) -> Result<Option<Identity>, String> {
        // What is appended to meanwhile must not be replaced.
        let job =
            Job { drop_expired: false, edited: None, ..job(engine, settings, &Arc::default()) };
        let outcome = match aof {
            Some(dir) => load_aof(&job, dir)?,
            None => load_rdb(&job, Path::new(&settings.dbfilename))?,
        };
        engine.replace_data(outcome.dbs, outcome.functions, Some(executing));
        remark_on(outcome.meta.as_ref(), &engine.functions);
        Ok(outcome.file)
    }
}
