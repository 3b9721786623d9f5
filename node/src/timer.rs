//! What happens by itself: ten times a second, once a second, and when something was put off until a certain moment.

use crate::node::{Node, Outside};
use engine::engine::Pause;
use engine::latency::Event;
use journal::planted::{self, Fault};

/// Milliseconds between two ticks.
pub const TICK_MS: u64 = 100;
/// The most time that a tick spends on expired keys, microseconds.
const SWEEP_US: u64 = 2_500;

impl Node {
    /// What happens ten times a second.
    pub(crate) fn tick(&mut self) {
        if self.host.cron_paused {
            return;
        }
        if self.host.persistence.is_loading() {
            self.note_load_progress();
            return;
        }
        let each_second = self.host.ticks.is_multiple_of(10);
        self.host.ticks += 1;
        self.watch_log();
        self.look_at_append_queue();
        // What goes is journaled: nothing does by itself while too much waits for the disk, or while writes are paused.
        let in_script = self.engine.is_paused_in_script();
        let is_paused = self.engine.conditions.pause != Pause::Nothing || in_script;
        if !is_paused && !self.host.persistence.append_queue_is_full() {
            self.sweep();
            if self.engine.eviction.unfinished {
                self.engine.make_room(&mut self.host);
            }
        }
        self.note_latencies();
        self.limit_replicas();
        self.replication_timer();
        // What a script has done by half is no state to be kept.
        if !in_script {
            self.persistence_timer();
            self.start_full_sync();
        }
        self.check_clients(each_second);
        if each_second {
            self.host.world.close_idle_connections();
            self.host.measure_rates(&self.engine);
        }
        self.end_turn();
    }

    /// Reacts at once to what cannot wait for the next tick: a replica that waits, an acknowledgement, a new role.
    pub(crate) fn react(&mut self) {
        self.watch_log();
        self.check_waits();
        self.go_on_with_script();
        if !self.engine.is_paused_in_script() {
            self.run_scheduled();
            self.start_full_sync();
        }
        self.end_turn();
    }

    /// Goes on for a while with the script that has paused, if one has. What had to wait for its end follows it.
    fn go_on_with_script(&mut self) {
        if !self.engine.is_paused_in_script() {
            return;
        }
        if self.engine.go_on_with_script(&mut self.host) {
            self.host.actions.react = true;
            return;
        }
        self.see_facts();
        self.host.actions.link_room = true;
        self.host.actions.end = true;
        for done in std::mem::take(&mut self.host.held_back) {
            self.job_done(done);
        }
    }

    /// Ships the journal after the writes of a round.
    pub(crate) fn flush(&mut self) {
        self.host.journal.seal();
        self.watch_log();
        self.host.ship_to_disk();
        self.host.note_shipped();
        self.limit_replicas();
        self.look_at_append_queue();
        let Outside { replication, actions, .. } = &mut self.host;
        let fed = replication.primary.feeds().filter(|(_, feed)| feed.is_online());
        actions.wake.extend(fed.map(|(slot, _)| slot));
    }

    /// Ends waits and pauses at their moment.
    pub(crate) fn alarm(&mut self) {
        if std::mem::take(&mut self.host.pause_changed) {
            self.resume_paused();
        }
        self.link_timer();
        self.check_waits();
        self.engine.end_overdue_waits();
        let until = self.host.pause_until_ms;
        if until > 0 && until <= self.engine.steady_ms {
            self.end_pause();
        }
        self.end_turn();
    }

    /// Removes expired keys, for a bounded time.
    fn sweep(&mut self) {
        let is_replica = self.engine.is_replica;
        if planted::is(Fault::ReplicaExpires) && is_replica {
            let nobody_reads = self.engine.nobody_reads;
            (self.engine.is_replica, self.engine.nobody_reads) = (false, true);
            self.engine.sweep(&mut self.host);
            (self.engine.is_replica, self.engine.nobody_reads) = (true, nobody_reads);
        }
        let start = self.host.world.ticks_ns();
        loop {
            let is_unfinished = self.engine.sweep(&mut self.host);
            let took_us = (self.host.world.ticks_ns() - start) / 1000;
            if !is_unfinished || took_us > SWEEP_US {
                self.host.stats.sweeps_cut_short += u64::from(is_unfinished);
                self.host.stats.sweep_us += took_us;
                self.engine.note_latency(Event::ExpireCycle, took_us * 1000);
                return;
            }
        }
    }

    /// Tells the latency monitor what took long elsewhere since the last tick.
    fn note_latencies(&mut self) {
        const NS: u64 = 1_000_000;
        if let Some(aof) = &self.host.persistence.aof {
            let [write_ms, fsync_ms] = aof.thread.status().take_longest_ms();
            self.engine.note_latency(Event::AppendWrite, write_ms * NS);
            self.engine.note_latency(Event::AppendFsync, fsync_ms * NS);
        }
        let waited_ms = std::mem::take(&mut self.host.release_wait_ms);
        self.engine.note_latency(Event::ReleaseWait, waited_ms * NS);
    }

    /// When something that waits is due: a moment of the steady clock, milliseconds.
    pub fn next_alarm_ms(&self) -> Option<i64> {
        let waits = self.host.replication.waits.iter().filter_map(|wait| wait.until_ms);
        let pause = Some(self.host.pause_until_ms).filter(|until| *until > 0);
        let link = self.host.replication.link().and_then(|link| link.next_timer_ms());
        let link = link.map(|at| at as i64);
        waits.chain(pause).chain(link).chain(self.engine.next_deadline_ms()).min()
    }

    /// Notes who was active; once a second closes who is idle or does not read its replies.
    fn check_clients(&mut self, each_second: bool) {
        let now = self.engine.steady_ms;
        let timeout_ms = self.host.settings.timeout as i64 * 1000;
        let mut idle_slots = Vec::new();
        for (slot, client) in self.host.clients.iter_mut() {
            if std::mem::take(&mut client.active) {
                client.last_active_ms = now;
            }
            if !each_second || timeout_ms == 0 || now - client.last_active_ms <= timeout_ms {
                continue;
            }
            let idle = self.engine.session(slot).is_some_and(|session| {
                session.peer == engine::session::Peer::Client
                    && session.subscriptions() == 0
                    && !session.monitor
                    && !session.suspended
            });
            if idle {
                tracing::debug!("Closing idle client");
                idle_slots.push(slot);
            }
        }
        idle_slots.into_iter().for_each(|slot| self.host.kill(slot));
        if each_second {
            let slots: Vec<usize> = self.host.clients.iter().map(|(slot, _)| slot).collect();
            slots.into_iter().for_each(|slot| self.check_output_limit(slot));
        }
    }
}
