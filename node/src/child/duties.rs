//! The child's way to the world, the engine and the log: beginning, killing, ending, and starting what waited.

use super::{Ended, Forked, Kind, Leave, Purpose};
use crate::node::{Node, Outside};
use crate::world::ChildJob;
use engine::Engine;
use engine::latency::Event;
use std::io;
use std::time::Duration;

/// Keys of all databases.
pub fn all_keys(engine: &Engine) -> u64 {
    engine.dbs.iter().map(|db| db.len() as u64).sum()
}

impl Outside {
    /// Starts a child, which has to be there when this returns.
    pub fn start_child(&mut self, job: ChildJob<'_>, keys: u64) -> io::Result<Forked> {
        let start = self.world.ticks_ns();
        let pid = self.world.start_child(job, &self.settings)?;
        let took = Duration::from_nanos(self.world.ticks_ns() - start);
        Ok(Forked { pid, took, keys, bytes: self.world.memory_now() })
    }

    /// A child has been started.
    pub fn begin_child(
        &mut self,
        engine: &mut Engine,
        leave: &Leave,
        purpose: Purpose,
        forked: Forked,
    ) {
        engine.note_latency(Event::Fork, forked.took.as_nanos() as u64);
        self.child.begin(leave, purpose, forked, engine.steady_ms);
        engine.set_memory_shared(self.child.shares_memory());
    }

    /// The child at work has ended. Replicas that wait are looked at as soon as this turn is over.
    pub fn end_child(&mut self, engine: &mut Engine, kind: Kind) -> Option<Ended> {
        let ended = self.child.end(kind, engine.steady_ms);
        engine.set_memory_shared(self.child.shares_memory());
        self.actions.react = true;
        ended
    }

    /// The process of the child at work has ended, before what it made is used up.
    pub fn child_exited(&mut self, engine: &mut Engine) {
        self.child.exited();
        engine.set_memory_shared(self.child.shares_memory());
    }

    /// Ends the child at work if it is of this kind; what it did is thrown away. Returns its process if it had to be killed.
    pub fn kill_child(&mut self, kind: Kind) -> Option<i32> {
        let pid = self.child.kill(kind)?;
        match kind {
            Kind::Rewrite => tracing::info!("Killing running AOF rewrite child: {pid}"),
            Kind::Save | Kind::FullSync => tracing::warn!("Killing running child: {pid}"),
        }
        self.world.kill_child(pid);
        Some(pid)
    }
}

impl Node {
    /// A child that wrote for the disk has ended: what waited for that begins.
    pub(crate) fn child_ended(&mut self, pid: i32, result: Result<String, String>) {
        let Some(running) = self.host.child.running() else { return };
        let Some(ended) = self.host.end_child(&mut self.engine, running.purpose.kind()) else {
            return;
        };
        match ended.purpose {
            Purpose::Save { dirty } => self.end_bgsave(pid, dirty, ended.killed, result),
            Purpose::Rewrite { rewriting, is_rdb } => {
                self.end_rewrite(pid, (rewriting, is_rdb), ended.killed, result);
            }
            Purpose::FullSync { .. } => unreachable!("its end is that of what it made"),
        }
        self.run_scheduled();
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
