//! The append-only file: shipping the journal to it, rewriting it, switching it on and off.
//!
//! ```text
//! journal ──cursor──► ship (once per loop iteration) ──orders──► append thread ──► file, fsync
//!                                                                      └── published ──► replies released
//! ```
//!
//! A rewrite begins a new incremental file, forks a child that writes a base of what was before it, and then puts both into
//! the manifest. Switching on at run time is the same with a file that no manifest names until the base is there.
//!
//! # Invariants
//! - what was journaled before a switch of files is in the old one, everything after it in the new one
//! - every file begins with its own SELECT

use super::aof::{Aof, Rewriting, note_order};
use super::queue::{AppendQueue, LATE_MS, Reason};
use super::{MissingAof, Second, policy};
use crate::actions::Exit;
use crate::child::duties::all_keys;
use crate::child::{Kind as ChildKind, Leave, Purpose, WhoIsThere};
use crate::node::{Node, Outside};
use crate::world::ChildJob;
use backup::aof::{AofDir, AppendLog, Appender, BaseForm, BaseJob, Order};
use backup::files::File;
use backup::fork::rewrite_names;
use bytes::Bytes;
use engine::Engine;
use engine::context::{Context, Done};
use engine::latency::Event;
use engine::refusal::Refusal;
use journal::planted::{self, Fault};
use journal::release::OnDisk;
use journal::{Class, Receipt};
use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

/// Bytes of journal shipped with one order.
const SHIP_BYTES: usize = 4 * 1024 * 1024;
/// After so many failures in a row, rewrites by themselves are tried ever more seldom. Source: Redis.
const FAILURES_BEFORE_DELAY: u32 = 3;
/// The longest such delay, minutes.
const DELAY_MINUTES_MAX: i64 = 60;
/// Before a file that could not be begun anew is tried again, milliseconds: at first, and the most. Each time it is twice
/// as long.
const RESTART_MS: (u64, u64) = (1000, 60_000);

fn open_dir(host: &Outside) -> Result<(AofDir, backup::aof::Opened), String> {
    let settings = &host.settings;
    AofDir::open(
        &host.files,
        Path::new("."),
        OsStr::new(&settings.appenddirname),
        OsStr::new(&settings.appendfilename),
    )
    .map_err(|error| error.to_string())
}

impl Outside {
    /// Begins to append to `file` of `dir`.
    pub fn start_appending(&mut self, dir: AofDir, file: File) -> io::Result<()> {
        let policy = policy(&self.settings);
        // The file of a set that is loaded goes on where that ends; one that is in no manifest follows nothing.
        let is_named = dir.appended().is_some();
        let follows = match is_named {
            true => dir.followed().map_err(io::Error::other)?,
            false => None,
        };
        let appender = Appender::new(file)?.begin_at(self.journal.end(), follows);
        let thread = self.world.start_appending(appender, policy)?;
        self.journal.seal();
        let cursor = self.journal.subscribe(Class::Disk);
        let (base_bytes, all_bytes) = dir.sizes().unwrap_or((0, 0));
        let size = thread.status().size();
        let start = self.journal.receipt();
        self.persistence.aof = Some(Aof {
            thread,
            policy,
            base_bytes,
            before_bytes: all_bytes.saturating_sub(size),
            waits_for_base: false,
            dir,
            cursor,
            queue: AppendQueue::new(&self.persistence.changed),
            history: None,
            orders: VecDeque::new(),
            shipped: start.position,
            first: start.position,
            durable_offset: start.offset,
            timestamp_s: 0,
        });
        if is_named {
            self.note_own_folder();
        }
        self.persistence.note_history(self.journal.history);
        self.journal.announce();
        Ok(())
    }

    /// Opens what is there for appending, after a load; makes the first files if there are none.
    pub fn open_aof(&mut self, engine: &Engine, dir: Option<AofDir>) -> Result<(), String> {
        let mut dir = match dir {
            Some(dir) => dir,
            None => open_dir(self)?.0,
        };
        let file = if dir.manifest().base.is_none() && dir.manifest().incremental.is_empty() {
            let meta = self.snapshot_meta(engine, true);
            let (options, form) = (self.save_options(), self.base_form());
            let base = BaseJob { dbs: &engine.dbs, meta: &meta, options, form };
            tracing::info!(
                "Creating AOF base file {}.1.base.{} on server start",
                self.settings.appendfilename,
                if form.is_rdb() { "rdb" } else { "aof" }
            );
            tracing::info!(
                "Creating AOF incr file {}.1.incr.aof on server start",
                self.settings.appendfilename
            );
            dir.initialize(base).map_err(|error| error.to_string())?
        } else {
            dir.open_last().map_err(|error| error.to_string())?
        };
        self.start_appending(dir, file).map_err(|error| error.to_string())
    }

    /// In which form a base is written (`aof-use-rdb-preamble`).
    pub fn base_form(&self) -> BaseForm {
        if self.settings.aof_use_rdb_preamble {
            return BaseForm::Snapshot;
        }
        let now_s = self.now.unix_ms.div_euclid(1000);
        BaseForm::Commands { timestamp_s: self.settings.aof_timestamp_enabled.then_some(now_s) }
    }

    /// The directory to load from.
    pub fn aof_to_load(&self) -> Result<(AofDir, backup::aof::Opened), String> {
        open_dir(self)
    }

    /// Ships what was journaled to the append thread.
    pub fn ship_to_disk(&mut self) {
        let second = self.persistence.second;
        let Some(aof) = &mut self.persistence.aof else { return };
        let mut pieces = Vec::new();
        self.journal.read(aof.cursor, usize::MAX, &mut pieces);
        let mut pieces = pieces.into_iter().peekable();
        while let Some(first) = pieces.next() {
            let is_local = first.is_local();
            let (start, mut end, mut len) = (first.start, first.end, first.bytes.len());
            let mut position = first.position;
            let mut bytes: Vec<Bytes> = vec![first.bytes];
            // All bytes of a block count, or none.
            while len < SHIP_BYTES
                && let Some(piece) =
                    pieces.next_if(|piece| piece.start == end && piece.is_local() == is_local)
            {
                (end, position, len) = (piece.end, piece.position, len + piece.bytes.len());
                bytes.push(piece.bytes);
            }
            assert!(aof.shipped < position, "orders ascend");
            aof.shipped = position;
            aof.queue.shipped(position, self.now.steady_ms());
            note_order(&mut aof.orders, Receipt { offset: end, position });
            // As in Redis: a clock that goes back says nothing until it is where it was.
            let timestamp_s = second.now_s.filter(|now_s| *now_s > aof.timestamp_s);
            aof.timestamp_s = timestamp_s.unwrap_or(aof.timestamp_s);
            aof.thread.order(Order::Append { bytes, start, end, position, timestamp_s });
        }
        assert!(aof.durable() <= aof.shipped, "what is durable was ordered");
        let durable = OnDisk::up_to(aof.durable());
        while let Some(order) = aof.orders.front().filter(|order| durable.covers(order)) {
            aof.durable_offset = order.offset;
            aof.orders.pop_front();
        }
    }

    /// The second is another: what was journaled before belongs to the one before.
    #[cold]
    pub fn begin_second(&mut self, now_ms: i64) {
        self.journal.seal();
        self.ship_to_disk();
        self.persistence.second = Second::of(now_ms, self.settings.aof_timestamp_enabled);
    }

    /// `BGREWRITEAOF`.
    pub fn bgrewriteaof(&mut self, ctx: &mut Context<'_>) -> Result<Done, Refusal> {
        match self.child.try_begin(ChildKind::Rewrite, ctx.session.in_exec) {
            Err(WhoIsThere::Child(ChildKind::Rewrite)) => {
                return Err(Refusal::fixed(
                    "ERR Background append only file rewriting already in progress",
                ));
            }
            Err(_) => {
                self.child.schedule(ChildKind::Rewrite);
                ctx.reply.simple("Background append only file rewriting scheduled");
            }
            Ok(leave) if self.start_rewrite(ctx.engine, &leave).is_ok() => {
                ctx.reply.simple("Background append only file rewriting started");
            }
            Ok(_) => {
                return Err(Refusal::fixed(
                    "ERR Can't execute an AOF background rewriting. Please check the server logs for more information.",
                ));
            }
        }
        Ok(Done::NOTHING)
    }

    /// Whether the file has grown enough to be rewritten by itself.
    pub fn rewrite_is_due(&mut self, now_ms: i64) -> bool {
        let Some(aof) = &self.persistence.aof else { return false };
        let percentage = self.settings.auto_aof_rewrite_percentage as u64;
        let size = aof.size();
        if percentage == 0 || size < self.settings.auto_aof_rewrite_min_size {
            return false;
        }
        let base = aof.base_bytes.max(1);
        let growth = (size * 100 / base).saturating_sub(100);
        if growth >= percentage && !self.rewrite_is_put_off(now_ms) {
            tracing::info!("Starting automatic rewriting of AOF on {growth}% growth");
            return true;
        }
        false
    }

    /// Whether a rewrite that nobody asked for just now has to wait, because the last ones failed.
    ///
    /// The wait begins with the first rewrite that is put off, and is twice as long each time.
    pub fn rewrite_is_put_off(&mut self, now_ms: i64) -> bool {
        let persistence = &mut self.persistence;
        if persistence.figures.rewrite_failures < FAILURES_BEFORE_DELAY {
            (persistence.rewrite_delay_minutes, persistence.rewrite_not_before_ms) = (0, 0);
            return false;
        }
        if persistence.rewrite_not_before_ms > 0 {
            let waits = now_ms < persistence.rewrite_not_before_ms;
            if !waits {
                persistence.rewrite_not_before_ms = 0;
            }
            return waits;
        }
        let minutes = (persistence.rewrite_delay_minutes * 2).clamp(1, DELAY_MINUTES_MAX);
        persistence.rewrite_delay_minutes = minutes;
        persistence.rewrite_not_before_ms = now_ms + minutes * 60_000;
        tracing::warn!(
            "Background AOF rewrite has repeatedly failed and triggered the limit, will retry in {minutes} minutes"
        );
        true
    }

    /// Begins a rewrite: new file, then the child.
    pub fn start_rewrite(&mut self, engine: &mut Engine, leave: &Leave) -> Result<(), String> {
        self.child.cancel(ChildKind::Rewrite);
        if self.persistence.aof.is_none() {
            // Without an append-only file the base alone is made, as Redis does.
            return self.fork_base(engine, leave, Rewriting::Base);
        }
        self.journal.seal();
        self.ship_to_disk();
        let aof = self.persistence.aof.as_mut().expect("looked at above");
        let before = aof.dir.appended();
        let begun = match aof.waits_for_base {
            // Another attempt, with another file that no manifest names. The one before it is unlinked and not cut: the
            // thread may still be writing there.
            true => (aof.dir.cancel_switch_on())
                .and_then(|()| aof.dir.begin_switch_on())
                .map(|file| (file, Rewriting::SwitchOn)),
            false => aof
                .dir
                .begin_rewrite()
                .map(|(file, first_kept)| (file, Rewriting::Shrink { first_kept })),
        };
        let (file, rewriting) = match begun {
            Ok(begun) => begun,
            Err(error) => {
                tracing::warn!("Can't begin a rewrite: {error}");
                self.rewrite_not_begun();
                return Err(error.to_string());
            }
        };
        if !aof.waits_for_base {
            aof.before_bytes += aof.thread.status().size();
        }
        aof.thread.order(Order::Switch(file, before));
        self.journal.announce();
        self.fork_base(engine, leave, rewriting)
    }

    /// A rewrite failed before there was a child: it counts like others, so that it is shown, and tried ever more seldom.
    fn rewrite_not_begun(&mut self) {
        let persistence = &mut self.persistence;
        persistence.last_rewrite_ok = false;
        persistence.figures.rewrite_failures += 1;
        // A file without its base cannot be loaded: that one has to come.
        if persistence.lacks_base() {
            self.child.schedule(ChildKind::Rewrite);
        }
    }

    fn fork_base(
        &mut self,
        engine: &mut Engine,
        leave: &Leave,
        rewriting: Rewriting,
    ) -> Result<(), String> {
        let meta = self.snapshot_meta(engine, true);
        let (options, form) = (self.save_options(), self.base_form());
        let job = BaseJob { dbs: &engine.dbs, meta: &meta, options, form };
        let forked = match self.start_child(ChildJob::Rewrite(job), all_keys(engine)) {
            Ok(forked) => forked,
            Err(error) => {
                tracing::warn!("Can't rewrite append only file in background: fork: {error}");
                self.rewrite_not_begun();
                return Err(error.to_string());
            }
        };
        let purpose = Purpose::Rewrite { rewriting, is_rdb: form.is_rdb() };
        let pid = forked.pid;
        self.begin_child(engine, leave, purpose, forked);
        tracing::info!("Background append only file rewriting started by pid {pid}");
        Ok(())
    }

    /// CONFIG SET appendonly: on or off, at run time.
    ///
    /// Inside a transaction nothing is forked: what it has changed so far is not journaled yet.
    pub fn switch_aof(&mut self, engine: &mut Engine, in_exec: bool) -> Result<(), String> {
        if !self.settings.appendonly {
            self.stop_aof();
            *self.persistence.missing_aof = None;
            return Ok(());
        }
        if self.persistence.aof.is_some() {
            return Ok(());
        }
        self.begin_anew(engine, in_exec)?;
        *self.persistence.missing_aof = None;
        Ok(())
    }

    /// Begins to append to a new file, and to make its base.
    fn begin_anew(&mut self, engine: &mut Engine, in_exec: bool) -> Result<(), String> {
        self.keep_other_folder()?;
        let (mut dir, _) = open_dir(self)?;
        let file = dir.begin_switch_on().map_err(|error| error.to_string())?;
        if !self.journal.has_readers() {
            // What happened so far was not journaled: the offsets of the old name are void.
            self.journal.history = journal::History::new(self.new_replication_id());
        }
        self.start_appending(dir, file).map_err(|error| error.to_string())?;
        if let Some(aof) = &mut self.persistence.aof {
            aof.waits_for_base = true;
        }
        let there = match self.child.try_begin(ChildKind::Rewrite, in_exec) {
            Ok(leave) => return self.fork_base(engine, &leave, Rewriting::SwitchOn),
            Err(there) => there,
        };
        self.child.schedule(ChildKind::Rewrite);
        match there {
            WhoIsThere::Transaction => tracing::info!(
                "AOF was enabled during a transaction. An AOF background was scheduled to start when possible."
            ),
            // Its base is of another time.
            WhoIsThere::Child(ChildKind::Rewrite) => {
                tracing::warn!(
                    "AOF was enabled but there is already an AOF rewriting in background. Stopping background AOF and starting a rewrite now."
                );
                self.kill_child(ChildKind::Rewrite);
            }
            WhoIsThere::Child(_) => tracing::info!(
                "AOF was enabled but there is already another background operation. An AOF background was scheduled to start when possible."
            ),
        }
        Ok(())
    }

    /// Switches the append-only file off: what is journaled is written and fsynced first.
    pub fn stop_aof(&mut self) {
        if let Some(thread) = self.end_aof() {
            thread.stop();
        }
        self.wake_gated();
    }

    /// Nothing is appended any more. The thread that is given back still has to write what was.
    fn end_aof(&mut self) -> Option<Box<dyn AppendLog>> {
        self.journal.seal();
        self.ship_to_disk();
        let mut aof = self.persistence.aof.take()?;
        // With it go its error, and what waited for it.
        self.persistence.append_error.update(None);
        self.persistence.changed.note();
        if aof.waits_for_base {
            self.child.cancel(ChildKind::Rewrite);
        }
        // Even if it ended well just before: its base is not for what may be switched on next.
        self.kill_child(ChildKind::Rewrite);
        if aof.waits_for_base {
            let _ = aof.dir.cancel_switch_on();
        }
        self.journal.unsubscribe(aof.cursor);
        Some(aof.thread)
    }
}

impl Node {
    /// The data was replaced as a whole: the append-only file begins anew with it. Where that fails it is tried again, and
    /// shown, until it succeeds.
    pub fn replace_aof(&mut self) {
        if !self.host.settings.appendonly {
            return;
        }
        // The old files stay as they are, for a start before the new ones are there. What was appended last is given to
        // them, but not waited for: a disk that stands still must not hold up the data that have just come.
        drop(self.host.end_aof());
        self.host.wake_gated();
        self.begin_aof_anew();
    }

    /// Tries again what has failed, when it is time.
    pub fn retry_missing_aof(&mut self) {
        let now_ms = self.host.now.steady_ms();
        let due = |missing: &MissingAof| missing.retry_ms <= now_ms;
        if self.host.persistence.missing_aof.as_ref().is_some_and(due) {
            self.begin_aof_anew();
        }
    }

    fn begin_aof_anew(&mut self) {
        let before = self.host.persistence.missing_aof.take();
        if let Err(error) = self.host.switch_aof(&mut self.engine, false) {
            // The file is on if only the child could not be forked: that is scheduled.
            if !self.host.persistence.aof_is_on() {
                let failures = before.as_ref().map_or(0, |missing| missing.failures) + 1;
                let (first, most) = RESTART_MS;
                let wait_ms = (first << (failures - 1).min(16)).min(most);
                let retry_ms = self.host.now.steady_ms() + wait_ms;
                if before.is_none_or(|missing| missing.error != error) {
                    tracing::warn!(
                        "Failed enabling the AOF after successful master synchronization! Trying it again. {error}"
                    );
                }
                *self.host.persistence.missing_aof = Some(MissingAof { error, failures, retry_ms });
            }
        } else if before.is_some() {
            tracing::info!("The AOF is enabled again, after it could not be for a while.");
        }
    }

    /// Looks at what waits to be appended: writers begin or cease to wait for it. Called when something was shipped, when
    /// the thread has done something, and ten times a second.
    pub fn look_at_append_queue(&mut self) {
        let limit = self.host.settings.aof_buffer_limit;
        let persistence = &mut self.host.persistence;
        let Some(aof) = &mut persistence.aof else { return };
        let (now, status) = (self.host.now.steady_ms(), aof.thread.status());
        aof.queue.written(status.written());
        let since = aof.queue.full_since_ms();
        if !aof.queue.look(status.queued_bytes(), limit, now) {
            return;
        }
        let (bytes, syncing) = (status.queued_bytes(), status.is_syncing());
        match aof.queue.full() {
            Some(reason) => {
                persistence.figures.queue_stalls += 1;
                if reason == Reason::Late && syncing {
                    persistence.figures.delayed_fsyncs += 1;
                    tracing::warn!(
                        "Asynchronous AOF fsync is taking too long (disk is busy?). Commands that write wait until it ends."
                    );
                } else if reason == Reason::Late {
                    tracing::warn!(
                        "Appending to the AOF file is late by more than {LATE_MS} ms. Commands that write wait for it."
                    );
                } else {
                    tracing::warn!(
                        "{bytes} bytes wait to be appended to the AOF file. Commands that write wait for them."
                    );
                }
            }
            None => {
                let waited_ms = now.saturating_sub(since.unwrap_or(now));
                tracing::info!("The AOF file is written again after {waited_ms} ms.");
            }
        }
        self.watch_log();
        self.see_facts();
    }

    /// Lets the append log tell of what it does only if somebody waits for that.
    pub(crate) fn watch_log(&mut self) {
        let waits = !self.host.replication.waits.is_empty();
        self.host.persistence.watch_log(waits);
    }

    /// What the append thread published has changed.
    pub fn disk_progress(&mut self) {
        self.host.wake_gated();
        self.look_at_append_queue();
        self.check_waits();
        let Some(aof) = &self.host.persistence.aof else { return };
        let status = aof.thread.status();
        if status.is_fatal() {
            let error = status.error().unwrap_or_default();
            tracing::error!(
                "Can't persist AOF for fsync error when the AOF fsync policy is 'always': {error}. Exiting..."
            );
            self.host.actions.exit = Some(Exit::Fatal);
            return;
        }
        let known = self.host.persistence.append_error.is_some();
        if known || status.failed() {
            let error = status.error();
            match &error {
                Some(error) if !known => tracing::warn!("Error writing to the AOF file: {error}"),
                None if known => {
                    tracing::info!("AOF write error looks solved. The server can write again.");
                }
                _ => {}
            }
            self.host.persistence.append_error.update(error);
        }
        self.watch_log();
        self.see_facts();
    }

    fn rewrite_failed(&mut self, rewriting: Rewriting, error: &str) {
        let persistence = &mut self.host.persistence;
        tracing::warn!("Background AOF rewrite terminated with error: {error}");
        persistence.last_rewrite_ok = false;
        persistence.figures.rewrite_failures += 1;
        if let (Some(aof), Rewriting::SwitchOn) = (&mut persistence.aof, rewriting) {
            tracing::info!("Removing the temp incr aof file of the failed rewrite");
            if let Err(error) = aof.dir.cancel_switch_on() {
                tracing::warn!("Removing the temp incr aof file: {error}");
            }
            self.host.child.schedule(ChildKind::Rewrite);
        }
    }

    /// Puts a finished base into the manifest.
    fn install_base(&mut self, pid: i32, rewriting: Rewriting, rdb: bool) -> Result<(), String> {
        let base = PathBuf::from(rewrite_names(pid).1);
        if self.host.persistence.aof.is_none() {
            self.host.keep_other_folder()?;
        }
        let Some(aof) = &mut self.host.persistence.aof else {
            // Nothing is appended: all that was appended once is in the base.
            let mut dir = self.host.aof_to_load()?.0;
            dir.finish_rewrite(&base, rdb, u64::MAX).map_err(|error| error.to_string())?;
            if !self.host.settings.aof_disable_auto_gc
                && let Err(error) = dir.delete_history()
            {
                tracing::warn!("Deleting old AOF files: {error}");
            }
            self.host.note_own_folder();
            return Ok(());
        };
        match rewriting {
            Rewriting::Shrink { first_kept } if !aof.waits_for_base => {
                let first_kept = first_kept + u64::from(planted::is(Fault::RewriteLosesTail));
                aof.dir.finish_rewrite(&base, rdb, first_kept)
            }
            Rewriting::SwitchOn if aof.waits_for_base => {
                let done = aof.dir.finish_switch_on(&base, rdb);
                aof.waits_for_base = done.is_err();
                done
            }
            // It was switched off or on meanwhile: this base is of another time.
            _ => self.host.files.remove(&base),
        }
        .map_err(|error| error.to_string())?;
        if let Ok((base, all)) = aof.dir.sizes() {
            aof.base_bytes = base;
            aof.before_bytes = all.saturating_sub(aof.thread.status().size());
        }
        self.host.note_own_folder();
        self.host.collect_history();
        Ok(())
    }

    /// A child that made a base has ended: what it is for, and whether it is a snapshot.
    pub fn end_rewrite(
        &mut self,
        pid: i32,
        (rewriting, is_rdb): (Rewriting, bool),
        killed: bool,
        result: Result<String, String>,
    ) {
        let result = match killed {
            true => Err(String::new()),
            false => result.and_then(|_| {
                tracing::info!("Background AOF rewrite terminated with success");
                let start_ns = self.host.world.ticks_ns();
                let installed = self.install_base(pid, rewriting, is_rdb);
                let took_ns = self.host.world.ticks_ns() - start_ns;
                self.engine.note_latency(Event::AofRename, took_ns);
                installed
            }),
        };
        if result.is_err() {
            let (temporary, complete) = rewrite_names(pid);
            let files = &self.host.files;
            let _ = files.remove(Path::new(&temporary));
            let _ = files.remove(Path::new(&complete));
        }
        match result {
            Ok(()) => {
                let persistence = &mut self.host.persistence;
                persistence.last_rewrite_ok = true;
                persistence.figures.rewrites += 1;
                persistence.figures.rewrite_failures = 0;
                tracing::info!("Background AOF rewrite finished successfully");
            }
            Err(_) if killed => tracing::warn!("Background AOF rewrite terminated by signal 9"),
            Err(error) => self.rewrite_failed(rewriting, &error),
        }
        self.check_waits();
    }
}

impl Outside {
    /// Deletes the files that are no longer needed, unless that is switched off (`aof-disable-auto-gc`).
    pub fn collect_history(&mut self) {
        let disabled = self.settings.aof_disable_auto_gc;
        let Some(aof) = &mut self.persistence.aof else { return };
        if !disabled && let Err(error) = aof.dir.delete_history() {
            tracing::warn!("Deleting old AOF files: {error}");
        }
    }
}
