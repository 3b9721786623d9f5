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
//! - how a second SIGINT ends the process at once: [`crate::signals`]
//!
//! # Source
//! - order of the steps, log lines and replies: Redis 7.2. Where it would end though the append-only file cannot be
//!   fsynced, or has no base, we refuse: what was acknowledged would be lost. FORCE ends all the same.

use crate::child::Kind;
use crate::clock;
use crate::config::ShutdownFlags;
use crate::facts::{Changed, Fact};
use crate::node::{Node, Outside, SharedNode};
use crate::replication::wait::GETACK;
use crate::signals;
use engine::Engine;
use engine::arguments::is;
use engine::context::{Context, Done};
use engine::engine::Pause;
use engine::refusal::Refusal;
use journal::Offset;
use protocol::resp::Args;
use replica::feed::Feed;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Notify;

/// Between two looks at whether replicas have caught up.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// The longest that the append thread is waited for at the end.
const LAST_WRITE_MOST: Duration = Duration::from_secs(60);
/// The reply to those who asked for an end that does not come.
const FAILED: &str = "ERR Errors trying to SHUTDOWN. Check logs.";

/// An end that has begun.
#[derive(Clone, Copy, Debug)]
struct UnderWay {
    flags: ShutdownFlags,
    /// The signal that asked, if it was one.
    asking: Option<signals::Asking>,
    /// Replicas are waited for until then, a moment of the steady clock in milliseconds; none if they are not.
    until_ms: Option<i64>,
}

/// Asking for the end.
pub struct Shutdown {
    under_way: Fact<Option<UnderWay>>,
    /// A signal asked for it, and nothing was done about that yet.
    signalled: Option<signals::Asking>,
    /// It waits for the first base of the append-only file.
    waits_for_base: bool,
    /// The slots of clients that asked and wait for the outcome.
    waiting: Vec<usize>,
    /// Those to whom it was refused.
    refused: Vec<usize>,
    /// Wakes the task that does it.
    asked: Rc<Notify>,
}

impl Shutdown {
    /// Nobody asks.
    pub fn new(changed: &Changed) -> Shutdown {
        Shutdown {
            under_way: Fact::new(None, changed),
            signalled: None,
            waits_for_base: false,
            waiting: Vec::new(),
            refused: Vec::new(),
            asked: Rc::default(),
        }
    }

    /// A signal asks.
    pub fn signal(&mut self, asking: signals::Asking) {
        self.signalled = Some(asking);
        self.waits_for_base = false;
        self.asked.notify_one();
    }

    /// How long replicas are still waited for, milliseconds; none if they are not.
    pub fn left_ms(&self, now_ms: i64) -> Option<i64> {
        Some((*self.under_way)?.until_ms? - now_ms)
    }

    /// How many clients wait for the outcome.
    pub fn waiting_len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether writes wait for the end.
    pub fn pauses(&self) -> bool {
        self.under_way.is_some_and(|end| end.until_ms.is_some())
    }

    /// A client is gone.
    pub fn forget(&mut self, slot: usize) {
        self.waiting.retain(|other| *other != slot);
        self.refused.retain(|other| *other != slot);
    }

    /// Nobody wants to end any more.
    fn cancel(&mut self) {
        *self.under_way = None;
        self.signalled = None;
        self.waits_for_base = false;
        self.refused.append(&mut self.waiting);
        signals::forget();
        self.asked.notify_one();
    }
}

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
        ctx.session.suspended = true;
        self.shutdown.waiting.push(ctx.session.slot);
        self.begin_end(ctx.engine, flags, None);
        self.shutdown.asked.notify_one();
        Ok(Done::NOTHING)
    }

    /// `SHUTDOWN ABORT`.
    fn abort(&mut self, engine: &mut Engine) -> Result<(), Refusal> {
        if self.shutdown.under_way.is_none() && self.shutdown.signalled.is_none() {
            return Err(Refusal::fixed("ERR No shutdown in progress."));
        }
        self.shutdown.cancel();
        self.see_facts(engine);
        tracing::info!("Shutdown manually aborted.");
        self.supervisor.status("Shutdown aborted. Ready to accept connections");
        Ok(())
    }

    /// Begins an end, unless one has begun: replicas that lack something are waited for, and nothing is written meanwhile.
    fn begin_end(
        &mut self,
        engine: &mut Engine,
        mut flags: ShutdownFlags,
        asking: Option<signals::Asking>,
    ) {
        if self.shutdown.under_way.is_some() {
            return;
        }
        if self.persistence.is_loading() {
            // What is there now is not all.
            (flags.save, flags.nosave) = (false, true);
        }
        tracing::info!("User requested shutdown...");
        self.supervisor.stopping();
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
        self.supervisor.extend(Duration::from_millis(timeout_ms as u64));
        tracing::info!("Waiting for replicas before shutting down.");
    }

    /// Whether all replicas have acknowledged all that there is.
    fn replicas_have_all(&self) -> bool {
        let end = self.journal.end();
        self.shown_replicas().all(|replica| has_all(replica, end))
    }

    fn shown_replicas(&self) -> impl Iterator<Item = &Feed> {
        self.replication.replicas.values().filter(|replica| replica.is_shown())
    }

    /// Whether the first base of the append-only file is being written, or about to be.
    fn is_getting_its_base(&self) -> bool {
        self.persistence.lacks_base() && self.persistence.last_rewrite_ok
    }

    /// The end that a signal asked for comes when the append-only file has its first base.
    fn put_end_off(&mut self, engine: &mut Engine, asking: signals::Asking, reason: &str) {
        tracing::warn!("{reason}");
        tracing::warn!("The end comes when it is written, unless SHUTDOWN ABORT takes it back.");
        self.supervisor.status(reason);
        self.supervisor.saves();
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
        self.supervisor.status(reason);
        // A signal that was put off is obeyed all the same: it was somebody else who was refused.
        let put_off = self.shutdown.signalled.filter(|_| self.shutdown.waits_for_base);
        self.shutdown.cancel();
        self.shutdown.waits_for_base = put_off.is_some();
        self.shutdown.signalled = put_off;
        self.see_facts(engine);
    }
}

/// Whether a replica has all up to `end`. One that still gets its snapshot has not, wherever we are in the stream.
fn has_all(replica: &Feed, end: Offset) -> bool {
    replica.is_online() && replica.acked() == end
}

/// Waits until somebody asks, and ends the process. Returns never but for the process's end.
pub async fn run(node: SharedNode) {
    let asked = Rc::clone(&node.borrow().host.shutdown.asked);
    loop {
        let waits = {
            let node = node.borrow();
            node.host.shutdown.under_way.is_some() || node.host.shutdown.signalled.is_some()
        };
        tokio::select! {
            () = asked.notified() => {}
            () = tokio::time::sleep(LOOK_AGAIN), if waits => {}
        }
        answer_refused(&mut node.borrow_mut());
        if is_ready(&mut node.borrow_mut()) {
            // What was journaled last is on its way to replicas when the process is gone.
            node.borrow().host.flush.notify_one();
            tokio::task::yield_now().await;
            end(&mut node.borrow_mut());
            answer_refused(&mut node.borrow_mut());
        }
    }
}

/// Obeys a signal, and says whether the end is there.
fn is_ready(node: &mut Node) -> bool {
    let Node { engine, host } = node;
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
    let late = |until: i64| clock::monotonic_ms() as i64 >= until;
    end.until_ms.is_none_or(late) || host.replicas_have_all()
}

fn end(node: &mut Node) {
    node.begin_timer_turn();
    let Node { engine, host } = node;
    // It may have been taken back meanwhile.
    let Some(UnderWay { flags, asking, .. }) = *host.shutdown.under_way else { return };
    match host.finish(engine, flags) {
        Ok(()) => leave(),
        Err(reason) => match asking.filter(|_| host.is_getting_its_base()) {
            Some(asking) => host.put_end_off(engine, asking, &reason),
            None => host.refuse_end(engine, &reason),
        },
    }
}

fn leave() -> ! {
    tracing::warn!("Tidemark is now ready to exit, bye bye...");
    std::process::exit(0);
}

/// Answers those whose end does not come.
fn answer_refused(node: &mut Node) {
    for slot in std::mem::take(&mut node.host.shutdown.refused) {
        if let Some(session) = node.engine.session_mut(slot) {
            session.post(|reply| reply.error(FAILED.as_bytes()));
        }
        node.resume(slot);
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
        let start = clock::now();
        while aof.durable() < shipped {
            if let Some(error) = status.error() {
                return Err(format!("Fail to fsync the AOF file: {error}."));
            }
            if clock::since(start) > LAST_WRITE_MOST {
                return Err("Fail to fsync the AOF file: it takes too long.".into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Says which replicas lack something.
    fn log_lagging_replicas(&self) {
        let (end, now) = (self.journal.end(), clock::monotonic_ms());
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
    fn end_child(&mut self, flags: ShutdownFlags) -> Result<(), String> {
        if self.child.saving().is_some() {
            tracing::warn!("There is a child saving an .rdb. Killing it!");
            let killed = self.kill_child(Kind::Save).or_else(|| self.kill_child(Kind::FullSync));
            let temporary = killed.map(|pid| PathBuf::from(backup::fork::temporary_name(pid)));
            let file = self.replication.sync.as_ref().and_then(|sync| sync.file.as_ref());
            for path in temporary.iter().chain(file) {
                let _ = backup::files::Files::real().remove(path);
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
                    let _ = backup::files::Files::real().remove(Path::new(&name));
                }
            }
        }
        Ok(())
    }

    /// Puts everything where it must be before the process ends.
    fn finish(&mut self, engine: &mut Engine, flags: ShutdownFlags) -> Result<(), String> {
        self.log_lagging_replicas();
        self.end_child(flags)?;
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
            self.supervisor.saving();
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
        self.remove_places();
        Ok(())
    }

    /// Removes what tells others that we are there: the file with our id, and the Unix socket.
    pub fn remove_places(&self) {
        if !self.settings.pidfile.is_empty() {
            tracing::info!("Removing the pid file.");
        }
        for path in [&self.settings.pidfile, &self.settings.unixsocket] {
            if !path.is_empty() {
                let _ = std::fs::remove_file(path);
            }
        }
    }
}
