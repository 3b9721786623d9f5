//! What commands may do, as it follows from the state of the outside: derived at the beginning of a turn, never pushed.
//!
//! ```text
//! settings, link, loading, disk, replicas, pause ── Fact: whoever changes it notes so ─╮
//! readers of the journal ──────────────────────── the journal notes so itself ────────┤
//!                                                                                      ▼
//!            begin of a turn, or behind a command that the host answers: noted? ─► derive ─► Engine::conditions
//! ```
//!
//! Who changes a fact cannot forget to say so: a [`fact::Fact`] is read as if it were the value, and notes what reaches for it to
//! change it. (Each who changed something called for the derivation before, at seventeen places; and a condition that nobody
//! refreshed was wrong until the next tick.)
//!
//! # Invariants
//! - no request is executed under conditions that do not follow from the facts
//! - a turn in which nothing changed tests whether something did, and does nothing else
//!
//! # Not here
//! - memory: whether there is too much is the engine's to know, while it executes; only whether there is a limit is a fact

pub mod fact;

use crate::node::{Node, Outside};
use engine::Engine;
use engine::engine::Pause;

impl Outside {
    /// Sees to it that the engine's conditions follow from the facts as they are now.
    #[inline]
    pub fn see_facts(&mut self, engine: &mut Engine) {
        if self.changed.is_noted() | self.journal.readers_changed() {
            self.derive(engine);
        }
    }

    #[cold]
    fn derive(&mut self, engine: &mut Engine) {
        #[cfg(test)]
        tests::DERIVED.set(tests::DERIVED.get() + 1);
        // First: what is noted from here on is for the next time.
        self.changed.take();
        self.journal.take_readers_changed();
        let is_replica = self.replication.is_replica();
        engine.is_replica = is_replica;
        engine.nobody_reads = !self.journal.has_readers();
        let limited = self.is_limited();
        if !std::mem::replace(&mut engine.eviction.limited, limited) && limited {
            // Nobody has kept count while there was no limit.
            self.world.refresh_memory();
        }
        let conditions = &mut engine.conditions;
        conditions.out_of_memory &= limited;
        conditions.read_only = is_replica && self.settings.replica_read_only;
        conditions.stale =
            is_replica && !self.replication.link_is_up() && !self.settings.replica_serve_stale_data;
        conditions.loading = self.persistence.is_loading() || self.replication.is_loading();
        conditions.disk_error = self.persistence.refusal(&self.settings);
        let least = self.settings.min_replicas_to_write as usize;
        conditions.too_few_replicas =
            least > 0 && self.settings.min_replicas_max_lag > 0 && self.good_replicas() < least;
        // Where writes are refused they need not wait; a replica does not refuse those that it may take.
        let is_full = self.persistence.append_queue_is_full();
        let is_late = is_full && (is_replica || conditions.disk_error.is_none());
        let was_late = std::mem::replace(&mut conditions.disk_is_late, is_late);
        let pause = self.pause_in_force();
        let paused = std::mem::replace(&mut conditions.pause, pause);
        if paused != pause && paused != Pause::Nothing {
            self.pause_changed = true;
            self.actions.alarm = true;
        }
        if was_late && !is_late {
            self.resume_paused(engine);
        }
        self.actions.link_room |= !is_full;
    }
}

impl Node {
    /// [`Outside::see_facts`], where no turn begins and somebody waits for what has changed.
    #[inline]
    pub fn see_facts(&mut self) {
        self.host.see_facts(&mut self.engine);
    }
}

#[cfg(test)]
mod tests;
