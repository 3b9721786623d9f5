//! The child's way to the process, the engine and the log: beginning, killing, ending, and starting what waited.

use super::{Ended, Forked, Kind, Leave, Purpose, follow};
use crate::node::{Node, Outside};
use backup::fork::Child as Process;
use engine::Engine;
use std::cell::RefCell;
use std::rc::Weak;

/// Keys of all databases.
pub fn all_keys(engine: &Engine) -> u64 {
    engine.dbs.iter().map(|db| db.len() as u64).sum()
}

impl Outside {
    /// A child has been forked.
    pub fn begin_child(
        &mut self,
        engine: &mut Engine,
        leave: &Leave,
        purpose: Purpose,
        forked: Forked,
    ) {
        self.child.begin(leave, purpose, forked, engine.steady_ms);
        self.oom.apply_to_child(&self.settings, forked.pid);
        engine.set_memory_shared(self.child.shares_memory());
    }

    /// Ends the child at work if it is of this kind; what it did is thrown away. Returns its process if it had to be killed.
    pub fn kill_child(&mut self, kind: Kind) -> Option<i32> {
        let pid = self.child.kill(kind)?;
        match kind {
            Kind::Rewrite => tracing::info!("Killing running AOF rewrite child: {pid}"),
            Kind::Save | Kind::FullSync => tracing::warn!("Killing running child: {pid}"),
        }
        if let Some(pid) = rustix::process::Pid::from_raw(pid) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        Some(pid)
    }
}

/// Follows a child that writes for the disk until it ends, and begins what waited for that.
pub async fn watch(node: Weak<RefCell<Node>>, process: Process, kind: Kind) {
    let pid = process.pid;
    let result = follow::follow(process, |progress| {
        if let Some(node) = node.upgrade() {
            node.borrow_mut().host.child.note(progress);
        }
    });
    let result = result.await;
    let Some(node) = node.upgrade() else { return };
    let node = &mut *node.borrow_mut();
    node.begin_timer_turn();
    let Some(ended) = node.end_child(kind) else { return };
    match ended.purpose {
        Purpose::Save { dirty } => node.end_bgsave(pid, dirty, ended.killed, result),
        Purpose::Rewrite { rewriting, is_rdb } => {
            node.end_rewrite(pid, (rewriting, is_rdb), ended.killed, result);
        }
        Purpose::FullSync { .. } => unreachable!("it is followed by its own task"),
    }
    node.run_scheduled();
}

impl Node {
    /// The child at work has ended. Replicas that wait are looked at as soon as this turn is over.
    pub fn end_child(&mut self, kind: Kind) -> Option<Ended> {
        let ended = self.host.child.end(kind, self.engine.steady_ms);
        self.engine.set_memory_shared(self.host.child.shares_memory());
        self.host.replication.kick.notify_one();
        ended
    }

    /// The process of the child at work has ended, before what it made is used up.
    pub fn child_exited(&mut self) {
        self.host.child.exited();
        self.engine.set_memory_shared(self.host.child.shares_memory());
    }

    /// Begins what waited for a child to end.
    pub fn run_scheduled(&mut self) {
        let now_ms = self.engine.steady_ms;
        let host = &mut self.host;
        for (kind, leave) in host.child.next() {
            // A failure is logged and remembered where it happened.
            match kind {
                Kind::Rewrite if !host.rewrite_is_put_off(now_ms) => {
                    let _ = host.start_rewrite(&mut self.engine, &leave);
                    return;
                }
                Kind::Save if host.persistence.may_try_to_save(now_ms) => {
                    let _ = host.start_bgsave(&mut self.engine, &leave);
                    return;
                }
                _ => {}
            }
        }
    }
}
