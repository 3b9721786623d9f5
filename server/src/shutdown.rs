//! The end: orderly, so that nothing acknowledged is lost and replicas can go on.
//!
//! ```text
//! asked ─► writes pause ─► replicas catch up (shutdown-timeout) ─► first base of the AOF ─► AOF fsynced ─► save if asked ─► exit 0
//! ```

use crate::clock;
use crate::config::ShutdownFlags;
use crate::node::{Node, Outside, SharedNode};
use crate::replication::wait::GETACK;
use engine::arguments::is;
use engine::context::{Context, Done};
use engine::engine::Pause;
use engine::refusal::Refusal;
use protocol::resp::Args;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Notify;

/// A request to end, and who waits for its outcome.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// How.
    pub flags: ShutdownFlags,
    /// The slot of the client that asked.
    pub slot: Option<usize>,
}

/// Asking for the end.
#[derive(Default)]
pub struct Shutdown {
    /// What was asked, until it is done or taken back.
    pub request: Option<Request>,
    /// Wakes the task that does it.
    pub asked: Rc<Notify>,
}

impl Outside {
    /// `SHUTDOWN [NOSAVE|SAVE] [NOW] [FORCE] [ABORT]`.
    pub fn shutdown_command(
        &mut self,
        ctx: &mut Context<'_>,
        args: Args<'_>,
    ) -> Result<Done, Refusal> {
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
        if (abort && args.len() > 2) || (flags.save && flags.nosave) {
            return Err(Refusal::SYNTAX);
        }
        if abort {
            let Some(request) = self.shutdown.request.take() else {
                return Err(Refusal::fixed("ERR No shutdown in progress."));
            };
            self.aborted = request.slot;
            self.shutdown.asked.notify_one();
            ctx.engine.conditions.pause = Pause::Nothing;
            self.unpaused.notify_one();
            tracing::warn!("Shutdown manually aborted.");
            ctx.reply.ok();
            return Ok(Done::NOTHING);
        }
        if ctx.session.in_exec {
            return Err(Refusal::fixed(
                "ERR SHUTDOWN without NOW or ABORT isn't allowed in a transaction",
            ));
        }
        ctx.session.suspended = true;
        tracing::warn!("User requested shutdown...");
        self.shutdown.request = Some(Request { flags, slot: Some(ctx.session.slot) });
        self.shutdown.asked.notify_one();
        Ok(Done::NOTHING)
    }
}

/// Waits until somebody asks, and ends the process. Returns never but for the process's end.
pub async fn run(node: SharedNode) {
    let asked = Rc::clone(&node.borrow().host.shutdown.asked);
    loop {
        asked.notified().await;
        answer_aborted(&mut node.borrow_mut());
        let request = node.borrow().host.shutdown.request;
        if let Some(request) = request {
            end(&node, request).await;
        }
    }
}

fn answer_aborted(node: &mut Node) {
    if let Some(slot) = node.host.aborted.take() {
        refuse(node, Some(slot), "ERR Errors trying to SHUTDOWN. Check logs.");
    }
}

fn refuse(node: &mut Node, slot: Option<usize>, text: &str) {
    let Some(slot) = slot else { return };
    if let Some(session) = node.engine.session_mut(slot) {
        session.post(|reply| reply.error(text.as_bytes()));
    }
    node.resume(slot);
}

async fn end(node: &SharedNode, request: Request) {
    if !request.flags.now && !wait_for_replicas(node).await {
        return;
    }
    if !request.flags.now && !request.flags.force && !wait_for_first_base(node).await {
        return;
    }
    let result = node.borrow_mut().finish(request.flags);
    match result {
        Ok(()) => {
            tracing::warn!("Tidemark is now ready to exit, bye bye...");
            std::process::exit(0);
        }
        Err(error) => {
            let node = &mut *node.borrow_mut();
            tracing::warn!("{error}");
            tracing::warn!(
                "Errors trying to shut down the server. Check the logs for more information."
            );
            node.host.shutdown.request = None;
            node.end_pause();
            refuse(node, request.slot, "ERR Errors trying to SHUTDOWN. Check logs.");
        }
    }
}

/// Pauses writes and lets the replicas catch up. False if the request was taken back.
async fn wait_for_replicas(node: &SharedNode) -> bool {
    let timeout = Duration::from_secs(node.borrow().host.settings.shutdown_timeout as u64);
    let start = clock::now();
    let behind = |node: &Node| {
        let end = node.host.journal.end();
        let replicas = &node.host.replication.replicas;
        replicas.values().filter(|r| r.is_online() && !r.old && r.acked() < end).count()
    };
    if behind(&node.borrow()) == 0 || timeout.is_zero() {
        return true;
    }
    {
        let node = &mut *node.borrow_mut();
        node.engine.conditions.pause = Pause::Writes;
        // A replica says nothing of its own in its primary's stream; its replicas acknowledge once a second in any case.
        if !node.host.replication.is_replica() {
            node.host.journal_control(GETACK);
        }
        tracing::info!("Waiting for replicas before shutting down.");
    }
    while clock::since(start) < timeout {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let node = node.borrow();
        if node.host.shutdown.request.is_none() {
            return false;
        }
        if behind(&node) == 0 {
            return true;
        }
    }
    let late = behind(&node.borrow());
    tracing::warn!(
        "{late} of {} replicas are in sync when shutting down.",
        node.borrow().host.replication.replicas.len()
    );
    true
}

/// Lets an append-only file that was switched on get its first base. False if the request was taken back.
async fn wait_for_first_base(node: &SharedNode) -> bool {
    let missing = |node: &Node| node.host.persistence.lacks_base();
    if missing(&node.borrow()) {
        tracing::info!("Waiting for the initial AOF before shutting down.");
    }
    // A failure is told by `finish`.
    while missing(&node.borrow()) && node.borrow().host.persistence.last_rewrite_ok {
        tokio::time::sleep(Duration::from_millis(10)).await;
        if node.borrow().host.shutdown.request.is_none() {
            return false;
        }
    }
    true
}

impl Outside {
    /// Writes and fsyncs all that was journaled.
    pub fn finish_writing(&mut self) -> Result<(), String> {
        self.journal.seal();
        self.ship_to_disk();
        self.persistence.request_sync();
        let Some(aof) = &self.persistence.aof else { return Ok(()) };
        // Not what was journaled last: that may be for replicas only.
        let token = aof.shipped_token();
        let status = std::sync::Arc::clone(aof.thread.status());
        let start = clock::now();
        while aof.durable_token() < token {
            if let Some(error) = status.error() {
                return Err(format!("writing the append only file: {error}"));
            }
            if clock::since(start) > Duration::from_secs(60) {
                return Err("writing the append only file takes too long".into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}

impl Node {
    /// Puts everything where it must be before the process ends.
    fn finish(&mut self, flags: ShutdownFlags) -> Result<(), String> {
        self.begin_turn();
        if self.host.persistence.lacks_base() {
            if !flags.force {
                return Err("Writing initial AOF. Can't exit.".into());
            }
            tracing::warn!("Writing initial AOF. Exit anyway.");
        }
        self.host.kill_child();
        let mut is_writing = true;
        if self.host.persistence.aof_is_on() {
            tracing::info!("Calling fsync() on the AOF file.");
            match self.host.finish_writing() {
                Err(error) if !flags.force => return Err(error),
                // The append thread is not waited for: a disk that stands still would keep the process for ever.
                Err(error) => {
                    tracing::warn!("{error}");
                    is_writing = false;
                }
                Ok(()) => {}
            }
        }
        let saves = !self.host.settings.save.0.is_empty();
        if (saves || flags.save) && !flags.nosave && !self.host.persistence.is_loading() {
            tracing::info!("Saving the final RDB snapshot before exiting.");
            if let Err(error) = self.host.save_here(&mut self.engine) {
                if !flags.force {
                    return Err(format!("Error trying to save the DB, can't exit. {error}"));
                }
                tracing::warn!("Error trying to save the DB, but the shutdown is forced.");
            }
        }
        if is_writing {
            self.host.stop_aof();
        }
        for path in [&self.host.settings.pidfile, &self.host.settings.unixsocket] {
            if !path.is_empty() {
                let _ = std::fs::remove_file(path);
            }
        }
        Ok(())
    }
}
