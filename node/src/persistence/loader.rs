//! Files to data: what an append-only file or a snapshot holds, loaded into databases of its own by another thread.
//!
//! # Not here
//! - what becomes of it: [`super::load`]; formats and files: `backup`

use crate::config::Settings;
use backup::aof::{AofDir, Apply, CommandRefused, LoadLimits};
use backup::files::{Files, Identity};
use backup::snapshot::{LoadOptions, LoadedMeta, load_opened};
use engine::Engine;
use engine::acl::account::Account;
use engine::arguments::is;
use engine::context::{Context, Done};
use engine::host::{
    Answers, Conversation, EntryKind, Host, HostCall, Interruption, LogLevel, Receipt,
};
use engine::names::Names;
use engine::refusal::{Kind, Refusal};
use engine::refused::{Refusals, Refused};
use engine::session::{Peer, Session};
use journal::{History, ReplicationId};
use keyspace::db::Db;
use keyspace::eviction::{Frequency, Order, Policy};
use keyspace::limits::Limits;
use protocol::rdb::KeyMeta;
use protocol::resp::{Args, Batch};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Where the data was in a replication stream.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    pub(super) history: History,
    /// As the files say: not looked at yet.
    pub(super) offset: u64,
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
    pub(super) source: &'static str,
    pub(super) aof: Option<AofDir>,
    /// What the snapshot said.
    pub(crate) meta: Option<LoadedMeta>,
    /// Which file the snapshot is.
    pub(super) file: Option<Identity>,
    pub(super) loaded: u64,
    /// Commands that did not fit the data.
    pub(super) failed: u64,
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

    fn log(&mut self, level: LogLevel, text: &str) {
        if level == LogLevel::Warning {
            tracing::warn!("{text}");
        }
    }

    fn converse(&mut self, _: &Conversation<'_>) -> Answers {
        // What a file holds is DEL, never MIGRATE.
        Answers { interruption: Some(Interruption::Connecting), ..Answers::default() }
    }

    fn secret(&mut self) -> [u8; 20] {
        // Nobody asks for a password here.
        [0; 20]
    }

    fn describe(&self, _: &Session, _: i64) -> String {
        String::new()
    }

    fn disconnect(&mut self, engine: &mut Engine, slot: usize) {
        engine.withdraw(slot);
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
}

impl Loader<'_> {
    fn new(job: &Job) -> Loader<'_> {
        let (engine, session) = Self::begin(job);
        let counter = Arc::clone(&job.progress);
        let report = Box::new(move |bytes| counter.store(bytes, Ordering::Relaxed));
        let failures = Failures::default();
        Loader { job, engine, session, replies: Vec::new(), report, failures }
    }

    /// An engine without data, and the session of the file.
    fn begin(job: &Job) -> (Engine, Box<Session>) {
        let mut engine = Engine::new(job.databases, 0);
        engine.limits = job.limits;
        engine.names = job.names.clone();
        engine.now_ms = job.now_ms;
        engine.active_expire = false;
        engine.eviction.set_policy(job.policy);
        engine.eviction.frequency = job.frequency;
        let slot = engine.connect();
        let mut session = engine.take_session(slot);
        session.peer = Peer::Loader;
        session.halts = true;
        session.account = Account::default();
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

/// The source of a library of functions, if a command loads one. One that cannot be run here is kept.
fn library<'a>(args: Args<'a>) -> Option<&'a [u8]> {
    let loads = args.len() >= 3 && is(args.at(0), "FUNCTION") && is(args.at(1), "LOAD");
    let source = args.at(args.len() - 1);
    (loads && source.starts_with(b"#!")).then_some(source)
}

impl Apply for Loader<'_> {
    fn databases(&mut self) -> (&mut [Db], &mut dyn FnMut(u64)) {
        (&mut self.engine.dbs, &mut self.report)
    }

    fn restart(&mut self) {
        (self.engine, self.session) = Self::begin(self.job);
        self.failures = Failures::default();
    }

    fn snapshot(&mut self, meta: &LoadedMeta) -> Result<(), String> {
        // What cannot be run is kept; that is said when all of it is in place.
        self.engine.replace_functions(meta.functions.clone());
        Ok(())
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
            for refused in &refusals.list {
                let request = &batch.requests()[refused.index];
                if let Some(source) = library(batch.args(buffer, request)) {
                    self.engine.keep_function_source(source.to_vec());
                }
            }
            if let Some(at) = refusals.list.iter().position(Refused::is_difference) {
                return Err(cannot_execute(refusals.list.remove(at)));
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
pub struct Job {
    /// The moment at which it was begun, unix milliseconds.
    now_ms: i64,
    files: Files,
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
    /// For the snapshot of a primary.
    pub(super) fn of_a_transfer(self) -> Job {
        // Keys whose time has come are there until the primary says that they are gone. A transfer is always checked.
        Job { drop_expired: false, checksum: true, ..self }
    }

    /// For what is loaded while the server goes on.
    pub(super) fn in_place(self) -> Job {
        // What is appended to meanwhile must not be replaced.
        Job { drop_expired: false, edited: None, ..self }
    }

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

pub(super) fn load_aof(job: &Job, dir: AofDir) -> Result<Outcome, String> {
    let now_ms = job.now_ms;
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
    let functions = loader.engine.function_sources();
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

pub(super) fn load_rdb(job: &Job, path: &Path) -> Result<Outcome, String> {
    let now_ms = job.now_ms;
    let access = |meta: &KeyMeta| job.clock(now_ms, meta);
    let mut dbs: Vec<Db> = (0..job.databases).map(|_| Db::new()).collect();
    let options = LoadOptions {
        now_ms,
        drop_expired: job.drop_expired,
        checksum: job.checksum,
        clock: &access,
    };
    let mut progress = |bytes| job.progress.store(bytes, Ordering::Relaxed);
    let opened = job.files.open(path).map_err(|error| error.to_string())?;
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

pub(super) fn job(
    engine: &Engine,
    files: &Files,
    settings: &Settings,
    progress: &Arc<AtomicU64>,
    new_history: ReplicationId,
) -> Job {
    Job {
        now_ms: engine.now_ms,
        files: files.clone(),
        databases: engine.dbs.len(),
        names: engine.names.clone(),
        limits: engine.limits,
        checksum: settings.rdbchecksum,
        truncated: settings.aof_load_truncated,
        edited: settings.aof_load_edited.then(|| *new_history.as_bytes()),
        drop_expired: settings.replicaof.is_none(),
        progress: Arc::clone(progress),
        policy: engine.eviction.policy,
        frequency: engine.eviction.frequency,
    }
}

/// Says what of loaded data is not as it might be expected; `wrong`: why libraries of functions cannot be run.
pub(crate) fn remark_on(meta: Option<&LoadedMeta>, wrong: &[String]) {
    for name in meta.iter().flat_map(|meta| &meta.empty_names) {
        tracing::info!(
            "The snapshot is loaded skipping empty key: {}",
            String::from_utf8_lossy(name)
        );
    }
    if let Some((count @ 1.., names)) = meta.map(|meta| &meta.streams_mended) {
        let names: Vec<_> = names.iter().map(|name| String::from_utf8_lossy(name)).collect();
        let more = if *count > names.len() as u64 { " and others" } else { "" };
        tracing::warn!(
            "Streams that said something wrong of their own entries (their number, the last ID, or how many were ever \
             added), which was made out anew from the entries: {count}, {}{more}",
            names.join(", ")
        );
    }
    for reason in wrong {
        tracing::warn!(
            "A library of functions cannot be run here: {reason}. It is kept, and written to snapshots and to replicas."
        );
    }
}
