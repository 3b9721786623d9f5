//! The end: orderly, so that nothing acknowledged is lost and replicas can go on.
//!
//! ```text
//! SHUTDOWN ─► begin ─► ready? ─────────────────────────────────────────────► finish ─► exit 0
//! signal ───►           └─► writes pause, replicas catch up (shutdown-timeout) ─┘  └─► refused: all goes on
//! ```
//!
//! A signal is obeyed by the task, not before: until then it can be taken back, and while the timer stands still
//! (DEBUG PAUSE-CRON) nothing comes of it. While the append-only file gets its first base nobody ends the process but by
//! FORCE; a signal is obeyed afterwards, as a service manager sends one only, and what it sends then loses all data.
//!
//! # Not here
//! - how a second SIGINT ends the process at once: the process's handler of signals
//!
//! # Source
//! - order of the steps, log lines and replies: Redis 7.2. Where it would end though the append-only file cannot be
//!   fsynced, or has no base, we refuse: what was acknowledged would be lost. FORCE ends all the same.

use super::{Asking, UnderWay};
use crate::actions::Exit;
use crate::child::Kind;
use crate::config::ShutdownFlags;
use crate::node::{Node, Outside};
use crate::replication::wait::GETACK;
use crate::world::Report;
use engine::Engine;
use engine::arguments::is;
use engine::context::{Context, Done};
use engine::engine::Pause;
use engine::refusal::Refusal;
use journal::Offset;
use protocol::resp::Args;
use replica::feed::Feed;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The longest that the append thread is waited for at the end.
const LAST_WRITE_MOST: Duration = Duration::from_secs(60);
/// The reply to those who asked for an end that does not come.
const FAILED: &str = "ERR Errors trying to SHUTDOWN. Check logs.";

/// What a SHUTDOWN says: how, or that it is taken back.
fn parse(args: Args<'_>) -> Result<Option<ShutdownFlags>, Refusal> {
    let (mut flags, mut abort) = (ShutdownFlags::default(), false);
    for word in args.iter_from(1) {
        let flag = if is(word, "NOSAVE") {
            &mut flags.nosave
        } else if is(word, "SAVE") {
            &mut flags.save
        } else if is(word, "NOW") {
            &mut flags.now
        } else if is(word, "FORCE") {
            &mut flags.force
        } else if is(word, "ABORT") {
            &mut abort
        } else {
            return Err(Refusal::SYNTAX);
        };
        *flag = true;
    }
    if (abort && flags != ShutdownFlags::default()) || (flags.save && flags.nosave) {
        return Err(Refusal::SYNTAX);
    }
    Ok((!abort).then_some(flags))
}

impl Outside {
    /// Nobody wants to end any more.
    fn cancel_end(&mut self) {
        self.shutdown.cancel();
        self.world.forget_signals();
        self.actions.end = true;
    }

    /// `SHUTDOWN [NOSAVE|SAVE] [NOW] [FORCE] [ABORT]`.
    pub fn shutdown_command(
        &mut self,
        ctx: &mut Context<'_>,
        args: Args<'_>,
    ) -> Result<Done, Refusal> {
        let Some(flags) = parse(args)? else {
            self.abort(ctx.engine)?;
            ctx.reply.ok();
            return Ok(Done::NOTHING);
        };
        if ctx.engine.is_paused_in_script() && !flags.nosave {
            return Err(Refusal::fixed(ctx.engine.busy_text()));
        }
        ctx.session.suspended = true;
        self.shutdown.waiting.push(ctx.session.slot);
        self.begin_end(ctx.engine, flags, None);
        self.actions.end = true;
        Ok(Done::NOTHING)
    }

    /// `SHUTDOWN ABORT`.
    fn abort(&mut self, engine: &mut Engine) -> Result<(), Refusal> {
        if self.shutdown.under_way.is_none() && self.shutdown.signalled.is_none() {
            return Err(Refusal::fixed("ERR No shutdown in progress."));
        }
        self.cancel_end();
        self.see_facts(engine);
        tracing::info!("Shutdown manually aborted.");
        self.world.report(Report::Status("Shutdown aborted. Ready to accept connections"));
        Ok(())
    }

    /// Begins an end, unless one has begun: replicas that lack something are waited for, and nothing is written meanwhile.
    fn begin_end(&mut self, engine: &mut Engine, mut flags: ShutdownFlags, asking: Option<Asking>) {
        if self.shutdown.under_way.is_some() {
            return;
        }
        if self.persistence.is_loading() {
            // What is there now is not all.
            (flags.save, flags.nosave) = (false, true);
        }
        tracing::info!("User requested shutdown...");
        self.world.report(Report::Stopping);
        let timeout_ms = i64::from(self.settings.shutdown_timeout) * 1000;
        let waits = !flags.now && timeout_ms > 0 && !self.replicas_have_all();
        let until_ms = waits.then(|| engine.steady_ms + timeout_ms);
        *self.shutdown.under_way = Some(UnderWay { flags, asking, until_ms });
        if !waits {
            return;
        }
        // A replica says nothing of its own in its primary's stream; its replicas acknowledge once a second in any case.
        if !self.replication.is_replica() && engine.conditions.pause == Pause::Nothing {
            self.journal_control(GETACK);
        }
        self.see_facts(engine);
        self.world.report(Report::Extend(Duration::from_millis(timeout_ms as u64)));
        tracing::info!("Waiting for replicas before shutting down.");
    }

    /// Whether all replicas have acknowledged all that there is.
    fn replicas_have_all(&self) -> bool {
        let end = self.journal.end();
        self.shown_replicas().all(|replica| has_all(replica, end))
    }

    /// Whether the first base of the append-only file is being written, or about to be.
    fn is_getting_its_base(&self) -> bool {
        self.persistence.lacks_base() && self.persistence.last_rewrite_ok
    }

    /// The end that a signal asked for comes when the append-only file has its first base.
    fn put_end_off(&mut self, engine: &mut Engine, asking: Asking, reason: &str) {
        tracing::warn!("{reason}");
        tracing::warn!("The end comes when it is written, unless SHUTDOWN ABORT takes it back.");
        self.world.report(Report::Status(reason));
        self.world.report(Report::PutOff);
        *self.shutdown.under_way = None;
        self.shutdown.signalled = Some(asking);
        self.shutdown.waits_for_base = true;
        self.shutdown.refused.append(&mut self.shutdown.waiting);
        self.see_facts(engine);
    }

    /// The end does not come: those who asked hear of it, and all goes on.
    fn refuse_end(&mut self, engine: &mut Engine, reason: &str) {
        tracing::warn!("{reason}");
        tracing::warn!(
            "Errors trying to shut down the server. Check the logs for more information."
        );
        self.world.report(Report::Status(reason));
        // A signal that was put off is obeyed all the same: it was somebody else who was refused.
        let put_off = self.shutdown.signalled.filter(|_| self.shutdown.waits_for_base);
        self.cancel_end();
        self.shutdown.waits_for_base = put_off.is_some();
        self.shutdown.signalled = put_off;
        self.see_facts(engine);
    }
}

/// Whether a replica has all up to `end`. One that still gets its snapshot has not, wherever we are in the stream.
fn has_all(replica: &Feed, end: Offset) -> bool {
    replica.is_online() && replica.acked() == end
}

impl Node {
    /// Whether somebody wants the end, and [`crate::Event::LookAtEnd`] is to come again and again.
    pub fn wants_to_end(&self) -> bool {
        self.host.shutdown.under_way.is_some() || self.host.shutdown.signalled.is_some()
    }

    /// A signal asks.
    pub(crate) fn signal(&mut self, asking: Asking) {
        match self.host.persistence.is_loading() {
            true => tracing::warn!("Received shutdown signal during loading, scheduling shutdown."),
            false => tracing::warn!("Received {} scheduling shutdown...", asking.name()),
        }
        self.host.shutdown.signal(asking);
        self.host.actions.end = true;
    }

    /// Obeys a signal, and says whether the end is there: then what was journaled is flushed first.
    pub(crate) fn look_at_end(&mut self) {
        self.answer_refused();
        if self.end_is_there() {
            self.host.actions.flush = true;
            self.host.actions.end_is_there = true;
        }
    }

    fn end_is_there(&mut self) -> bool {
        let Node { engine, host } = self;
        if engine.is_paused_in_script() {
            // What it has done by half is not to be saved, and not to be cut off for anything less.
            return host.shutdown.under_way.is_some_and(|end| end.flags.nosave);
        }
        if host.cron_paused {
            // Without the timer nothing happens by itself: not what signals ask for either, as in Redis.
            return host.shutdown.under_way.is_some_and(|end| end.until_ms.is_none());
        }
        // Also while a base that failed is tried again: a signal that was put off is not forgotten.
        let waits_for_base = host.shutdown.waits_for_base && host.persistence.lacks_base();
        if !waits_for_base && let Some(asking) = host.shutdown.signalled.take() {
            host.shutdown.waits_for_base = false;
            host.begin_end(engine, asking.flags(&host.settings), Some(asking));
        }
        let Some(end) = *host.shutdown.under_way else { return false };
        end.until_ms.is_none_or(|until| engine.steady_ms >= until) || host.replicas_have_all()
    }

    /// The end, unless something is in its way.
    pub(crate) fn end(&mut self) {
        let Node { engine, host } = self;
        // It may have been taken back meanwhile.
        let Some(UnderWay { flags, asking, .. }) = *host.shutdown.under_way else { return };
        match host.finish(engine, flags) {
            Ok(()) => {
                tracing::warn!("Tidemark is now ready to exit, bye bye...");
                host.actions.exit = Some(Exit::Done);
            }
            Err(reason) => match asking.filter(|_| host.is_getting_its_base()) {
                Some(asking) => host.put_end_off(engine, asking, &reason),
                None => host.refuse_end(engine, &reason),
            },
        }
        self.answer_refused();
    }

    /// Answers those whose end does not come.
    fn answer_refused(&mut self) {
        for slot in std::mem::take(&mut self.host.shutdown.refused) {
            if let Some(session) = self.engine.session_mut(slot) {
                session.post(|reply| reply.error(FAILED.as_bytes()));
            }
            self.resume(slot);
        }
    }
}

impl Outside {
    /// Writes and fsyncs all that was journaled.
    pub fn finish_writing(&mut self) -> Result<(), String> {
        self.journal.seal();
        self.ship_to_disk();
        self.persistence.request_sync();
        let Some(aof) = &self.persistence.aof else { return Ok(()) };
        let shipped = aof.shipped();
        let status = std::sync::Arc::clone(aof.thread.status());
        let start = self.world.ticks_ns();
        while aof.durable() < shipped {
            if let Some(error) = status.error() {
                return Err(format!("Fail to fsync the AOF file: {error}."));
            }
            if self.world.ticks_ns() - start > LAST_WRITE_MOST.as_nanos() as u64 {
                return Err("Fail to fsync the AOF file: it takes too long.".into());
            }
            self.world.stand_still(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Says which replicas lack something.
    fn log_lagging_replicas(&self) {
        let (end, now) = (self.journal.end(), self.now.steady_ms());
        let (mut all, mut lagging) = (0, 0);
        for replica in self.shown_replicas() {
            all += 1;
            if has_all(replica, end) {
                continue;
            }
            lagging += 1;
            let lag = if replica.is_online() { replica.silent_ms(now) / 1000 } else { 0 };
            tracing::info!(
                "Lagging replica {} reported offset {} behind master, lag={lag}, state={}.",
                replica.name(),
                end.since(replica.acked()),
                replica.state_name()
            );
        }
        if all > 0 {
            tracing::info!("{} of {all} replicas are in sync when shutting down.", all - lagging);
        }
    }

    /// Ends the child at work: what it writes would come in the way of what is written now.
    fn end_work(&mut self, flags: ShutdownFlags) -> Result<(), String> {
        if self.child.saving().is_some() {
            tracing::warn!("There is a child saving an .rdb. Killing it!");
            let killed = self.kill_child(Kind::Save).or_else(|| self.kill_child(Kind::FullSync));
            let temporary = killed.map(|pid| PathBuf::from(backup::fork::temporary_name(pid)));
            let file = &self.replication.sync_file;
            for path in temporary.iter().chain(file) {
                let _ = self.files.remove(path);
            }
        }
        if self.persistence.lacks_base() {
            if !flags.force {
                return Err("Writing initial AOF, can't exit.".into());
            }
            tracing::warn!("Writing initial AOF. Exit anyway.");
        }
        if self.child.running_as(Kind::Rewrite).is_some() {
            tracing::warn!("There is a child rewriting the AOF. Killing it!");
            if let Some(pid) = self.kill_child(Kind::Rewrite) {
                let (temporary, complete) = backup::fork::rewrite_names(pid);
                for name in [temporary, complete] {
                    let _ = self.files.remove(Path::new(&name));
                }
            }
        }
        Ok(())
    }

    /// Puts everything where it must be before the process ends.
    fn finish(&mut self, engine: &mut Engine, flags: ShutdownFlags) -> Result<(), String> {
        self.log_lagging_replicas();
        self.end_work(flags)?;
        let mut is_writing = true;
        if self.persistence.aof_is_on() {
            tracing::info!("Calling fsync() on the AOF file.");
            match self.finish_writing() {
                Err(error) if !flags.force => return Err(error),
                // The append thread is not waited for: a disk that stands still would keep the process for ever.
                Err(error) => {
                    tracing::warn!("{error}");
                    is_writing = false;
                }
                Ok(()) => {}
            }
        }
        let saves = !self.settings.save.0.is_empty();
        if (saves && !flags.nosave) || flags.save {
            tracing::info!("Saving the final RDB snapshot before exiting.");
            self.world.report(Report::Saving);
            if self.save_here(engine).is_err() {
                if !flags.force {
                    return Err("Error trying to save the DB, can't exit.".into());
                }
                tracing::warn!("Error trying to save the DB. Exit anyway.");
            }
        }
        if is_writing {
            self.stop_aof();
        }
        self.world.remove_places(&self.settings);
        Ok(())
    }
}
