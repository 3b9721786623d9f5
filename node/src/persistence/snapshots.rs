//! SAVE, BGSAVE and save points.

use super::Persistence;
use crate::child::duties::all_keys;
use crate::child::{Kind, Leave, Purpose, WhoIsThere};
use crate::node::{Node, Outside};
use crate::world::{ChildJob, SaveData};
use backup::files::{Identity, KeepRule, Replaced};
use backup::fork::temporary_name;
use backup::snapshot::{Access, ReplicationPoint, SaveOptions, SnapshotMeta, save_snapshot};
use engine::Engine;
use engine::arguments::is;
use engine::context::{Context, Done};
use engine::latency::Event;
use engine::refusal::Refusal;
use keyspace::eviction::Order;
use protocol::resp::Args;
use std::io;
use std::path::{Path, PathBuf};

/// After a failed save, the next one by itself comes no sooner, milliseconds. Source: Redis.
const RETRY_MS: i64 = 5000;

impl Persistence {
    /// This process has loaded or written this snapshot: a later one may overwrite it.
    pub fn note_own(&mut self, file: Identity) {
        self.own_files.note(file);
    }

    /// Whether a snapshot that nobody asked for just now may be tried: not too soon after one that failed.
    pub fn may_try_to_save(&self, now_ms: i64) -> bool {
        *self.last_bgsave_ok || now_ms - self.tried_ms > RETRY_MS
    }
}

impl Outside {
    /// What a snapshot of now says about itself.
    pub fn snapshot_meta(&self, engine: &Engine, aof_base: bool) -> SnapshotMeta {
        let journal = &self.journal;
        let replication = journal.has_readers().then(|| ReplicationPoint {
            id: *journal.history.id.as_bytes(),
            offset: journal.end().get(),
            stream_db: journal.selected() as u64,
        });
        SnapshotMeta {
            redis_ver: crate::version::REDIS_VERSION.into(),
            ctime_s: engine.now_ms / 1000,
            used_mem_bytes: self.world.memory().used as u64,
            replication,
            aof_base,
            users: None,
            functions: engine.function_sources(),
        }
    }

    /// What snapshots say of the last access: what the policy goes by.
    fn access(&self) -> Access {
        let now_ms = self.now.unix_ms as u64;
        match crate::config_apply::policy(self.settings.maxmemory_policy).map(|p| p.order) {
            Some(Order::Recency) => Access::Idle { seconds: (now_ms / 1000) as u32 & 0xff_ffff },
            Some(Order::Frequency) => Access::Freq {
                frequency: crate::config_apply::frequency(&self.settings),
                minutes: now_ms / 60_000,
            },
            _ => Access::None,
        }
    }

    /// How snapshots are written.
    pub fn save_options(&self) -> SaveOptions {
        SaveOptions {
            format: protocol::rdb::Options {
                checksum: self.settings.rdbchecksum,
                compression: self.settings.rdbcompression,
            },
            access: self.access(),
            key_delay_us: self.settings.rdb_key_save_delay,
        }
    }

    /// What becomes of a file that a snapshot replaces.
    pub fn keep_rule(&self) -> KeepRule {
        KeepRule {
            own: self.persistence.own_files.clone(),
            most: self.settings.rdb_keep_replaced as usize,
            now_ms: self.now.unix_ms,
        }
    }

    /// A snapshot has taken its place.
    pub fn note_replaced(&mut self, replaced: &Replaced) {
        self.persistence.note_own(replaced.file);
        let kept = replaced.kept.as_ref().map(|path| path.display().to_string());
        let not_removed = replaced.not_removed.as_ref().map(ToString::to_string);
        self.note_kept(kept.as_deref(), not_removed.as_deref());
    }

    /// The same, as a child tells it.
    fn note_reported(&mut self, text: &str) {
        let mut lines = text.split('\n').map(|line| (!line.is_empty()).then_some(line));
        let mut next = || lines.next().flatten();
        if let Some(file) = next().and_then(Identity::from_text) {
            self.persistence.note_own(file);
        }
        let (kept, not_removed) = (next(), next());
        self.note_kept(kept, not_removed);
    }

    fn note_kept(&mut self, kept: Option<&str>, not_removed: Option<&str>) {
        if let Some(path) = kept {
            self.persistence.figures.snapshots_kept += 1;
            tracing::info!(
                "The snapshot that was in the place of the new one was neither loaded nor written by this process. It is kept \
                 as {path}; at most {} are (rdb-keep-replaced)",
                self.settings.rdb_keep_replaced
            );
        }
        if let Some(error) = not_removed {
            tracing::warn!("Removing older snapshots that were kept: {error}");
        }
    }

    /// `SAVE`: while nothing else happens.
    pub fn save_now(&mut self, ctx: &mut Context<'_>) -> Result<Done, Refusal> {
        if self.child.running_as(Kind::Save).is_some() {
            return Err(Refusal::fixed("ERR Background save already in progress"));
        }
        match self.save_here(ctx.engine) {
            Ok(()) => {
                ctx.reply.ok();
                Ok(Done::NOTHING)
            }
            Err(_) => Err(Refusal::fixed("ERR")),
        }
    }

    /// Saves on this thread. A snapshot at work is of older data, and must not come after this one.
    pub fn save_here(&mut self, engine: &mut Engine) -> Result<(), String> {
        self.kill_child(Kind::Save);
        let meta = self.snapshot_meta(engine, false);
        let temporary = PathBuf::from(temporary_name(self.world.pid() as i32));
        let target = PathBuf::from(&self.settings.dbfilename);
        let options = self.save_options();
        let (data, rule) = ((&engine.dbs[..], &meta), self.keep_rule());
        let saved =
            save_snapshot(&self.files, &target, &temporary, data, options, &rule, &mut |_| ());
        match saved {
            Ok(replaced) => {
                self.note_replaced(&replaced);
                tracing::info!("DB saved on disk");
                engine.dirty = 0;
                self.persistence.note_saved(engine);
                self.persistence.last_bgsave_ok.update(true);
                self.persistence.figures.saves += 1;
                Ok(())
            }
            Err(error) => {
                tracing::warn!("Error saving DB on disk: {error}");
                Err(error.to_string())
            }
        }
    }

    /// After FLUSHALL: where there are save points the empty data are saved at once, so that a restart does not bring back
    /// what was deleted. A snapshot at work is of data that are gone.
    pub fn save_emptied(&mut self, engine: &mut Engine) {
        self.kill_child(Kind::Save);
        if !self.settings.save.0.is_empty() {
            // A failure is logged; the data are gone in any case.
            let _ = self.save_here(engine);
        }
    }

    /// `BGSAVE [SCHEDULE]`.
    pub fn bgsave(&mut self, ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
        let schedule = match args.get(1) {
            None => false,
            Some(word) if args.len() == 2 && is(word, "SCHEDULE") => true,
            Some(_) => return Err(Refusal::SYNTAX),
        };
        match self.child.try_begin(Kind::Save, ctx.session.in_exec) {
            Err(WhoIsThere::Child(Kind::Save)) => {
                return Err(Refusal::fixed("ERR Background save already in progress"));
            }
            Err(WhoIsThere::Child(Kind::Rewrite)) if !schedule => {
                return Err(Refusal::fixed(
                    "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to schedule \
                     a BGSAVE whenever possible.",
                ));
            }
            Err(_) => {
                self.child.schedule(Kind::Save);
                ctx.reply.simple("Background saving scheduled");
            }
            Ok(leave) => match self.start_bgsave(ctx.engine, &leave) {
                Ok(()) => ctx.reply.simple("Background saving started"),
                Err(_) => return Err(Refusal::fixed("ERR")),
            },
        }
        Ok(Done::NOTHING)
    }

    /// Forks a child that saves.
    pub fn start_bgsave(&mut self, engine: &mut Engine, leave: &Leave) -> io::Result<()> {
        self.persistence.tried_ms = engine.steady_ms;
        self.journal.seal();
        let meta = self.snapshot_meta(engine, false);
        let options = self.save_options();
        let data = SaveData { dbs: &engine.dbs, meta: &meta, options };
        let target = PathBuf::from(&self.settings.dbfilename);
        let rule = self.keep_rule();
        let job = ChildJob::Save { data, target: &target, rule: &rule };
        let forked = match self.start_child(job, all_keys(engine)) {
            Ok(forked) => forked,
            Err(error) => {
                tracing::warn!("Can't save in background: fork: {error}");
                self.persistence.last_bgsave_ok.update(false);
                return Err(error);
            }
        };
        let purpose = Purpose::Save { dirty: engine.dirty };
        let pid = forked.pid;
        self.begin_child(engine, leave, purpose, forked);
        tracing::info!("Background saving started by pid {pid}");
        Ok(())
    }
}

impl Node {
    /// A child that saved has ended; `dirty` changes are in its snapshot.
    pub fn end_bgsave(
        &mut self,
        pid: i32,
        dirty: u64,
        killed: bool,
        result: Result<String, String>,
    ) {
        if let Ok(text) = &result {
            self.host.note_reported(text);
        }
        let persistence = &mut self.host.persistence;
        match result {
            Ok(_) => {
                tracing::info!("Background saving terminated with success");
                self.engine.dirty -= dirty.min(self.engine.dirty);
                persistence.note_saved(&self.engine);
                persistence.last_bgsave_ok.update(true);
                persistence.figures.saves += 1;
            }
            Err(error) => {
                let start_ns = self.host.world.ticks_ns();
                let _ = self.host.files.remove(Path::new(&temporary_name(pid)));
                let took_ns = self.host.world.ticks_ns() - start_ns;
                self.engine.note_latency(Event::RdbUnlink, took_ns);
                if killed {
                    tracing::warn!("Background saving terminated by signal 9");
                } else {
                    tracing::warn!("Background saving error: {error}");
                    persistence.last_bgsave_ok.update(false);
                }
            }
        }
    }

    /// What the timer does for persistence, ten times a second.
    pub fn persistence_timer(&mut self) {
        self.retry_missing_aof();
        let now = self.engine.steady_ms;
        let host = &mut self.host;
        if host.persistence.is_loading() {
            return;
        }
        let Ok(leave) = host.child.try_begin(Kind::Save, false) else { return };
        let due = host.settings.save.0.iter().find(|point| {
            self.engine.dirty >= point.changes
                && now - host.persistence.saved_at_ms > point.seconds as i64 * 1000
        });
        if let Some(point) = due.filter(|_| host.persistence.may_try_to_save(now)) {
            tracing::info!("{} changes in {} seconds. Saving...", point.changes, point.seconds);
            // The failure is logged and remembered where it happened.
            let _ = host.start_bgsave(&mut self.engine, &leave);
            return;
        }
        if host.rewrite_is_due(now)
            && let Ok(leave) = host.child.try_begin(Kind::Rewrite, false)
        {
            let _ = host.start_rewrite(&mut self.engine, &leave);
        } else {
            self.run_scheduled();
        }
    }
}
