//! What happens by itself: ten times a second, once a second, and when something was put off until a certain moment.

use crate::clock;
use crate::config::OutputLimit;
use crate::eventloop;
use crate::node::{Node, SharedNode};
use engine::engine::Pause;
use engine::session::OutboxLimits;
use std::rc::Rc;
use std::time::Duration;

/// Milliseconds between two ticks.
pub const TICK_MS: u64 = 100;
/// The longest time to sleep at once.
const HOUR: Duration = Duration::from_secs(3600);
/// The most that waits for a client that has not proven who it is: one piece of replies and a kilobyte. Source: Redis 7.2.8
/// and its static buffer.
const STRANGERS_LIMIT: OutputLimit =
    OutputLimit { hard_bytes: (16 + 1) << 10, soft_bytes: 0, soft_seconds: 0 };
/// The most time that a tick spends on expired keys, microseconds.
const SWEEP_US: u128 = 2_500;

/// Ticks until the process ends.
pub async fn run(node: SharedNode) {
    let mut tick = tokio::time::interval(Duration::from_millis(TICK_MS));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut count = 0u64;
    loop {
        tick.tick().await;
        let node_mut = &mut *node.borrow_mut();
        if node_mut.host.cron_paused {
            continue;
        }
        eventloop::timer(|| node_mut.tick(&node, count.is_multiple_of(10)));
        count += 1;
    }
}

/// Reacts at once to what cannot wait for the next tick: a replica that waits, an acknowledgement, a new role.
pub async fn react(node: SharedNode) {
    let kick = Rc::clone(&node.borrow().host.replication.kick);
    loop {
        kick.notified().await;
        let node_mut = &mut *node.borrow_mut();
        node_mut.begin_timer_turn();
        node_mut.check_waits();
        node_mut.run_scheduled();
        node_mut.start_full_sync(&node);
        node_mut.end_turn();
    }
}

/// Ships the journal after the writes of a loop iteration.
pub async fn flush(node: SharedNode) {
    let notify = Rc::clone(&node.borrow().host.flush);
    loop {
        notify.notified().await;
        let node = &mut *node.borrow_mut();
        node.host.journal.seal();
        eventloop::append(|| node.host.ship_to_disk());
        node.host.note_shipped();
        node.limit_replicas();
        node.look_at_append_queue();
        let fed = node.host.replication.replicas.iter().filter(|(_, r)| r.is_online());
        fed.for_each(|(slot, _)| node.host.clients.wake(*slot));
    }
}

/// Looks at what the append thread published.
pub async fn disk(node: SharedNode) {
    let published = std::sync::Arc::clone(&node.borrow().host.persistence.published);
    loop {
        published.notified().await;
        node.borrow_mut().disk_progress();
    }
}

/// Ends waits and pauses at their moment.
pub async fn alarms(node: SharedNode) {
    let (alarm, unpaused) = {
        let node = node.borrow();
        (Rc::clone(&node.host.alarm), Rc::clone(&node.host.unpaused))
    };
    loop {
        let next = node.borrow().next_alarm_ms();
        let sleep = match next {
            // No longer than the runtime's clock reaches: then it looks again.
            Some(at) => {
                Duration::from_millis((at as u64).saturating_sub(clock::monotonic_ms())).min(HOUR)
            }
            None => HOUR,
        };
        tokio::select! {
            _ = tokio::time::sleep(sleep) => {}
            _ = alarm.notified() => {}
            _ = unpaused.notified() => node.borrow_mut().resume_paused(),
        }
        let node = &mut *node.borrow_mut();
        node.begin_timer_turn();
        node.check_waits();
        node.engine.end_overdue_waits();
        let until = node.host.pause_until_ms;
        if until > 0 && until <= node.engine.steady_ms {
            node.end_pause();
        }
        node.end_turn();
    }
}

impl Node {
    /// What happens ten times a second.
    fn tick(&mut self, shared: &SharedNode, each_second: bool) {
        self.begin_timer_turn();
        self.look_at_append_queue();
        // What goes is journaled: nothing does by itself while too much waits for the disk, or while writes are paused.
        let is_paused = self.engine.conditions.pause != Pause::Nothing;
        if !is_paused && !self.host.persistence.append_queue_is_full() {
            self.sweep();
            if self.engine.eviction.unfinished {
                self.engine.make_room(&mut self.host);
            }
        }
        self.limit_replicas();
        self.replication_timer();
        self.persistence_timer();
        self.start_full_sync(shared);
        self.check_clients(each_second);
        if each_second {
            self.keep_waiting_replicas();
            self.host.other_servers.close_idle();
            self.host.trim_scratch();
            self.host.measure_rates(&self.engine);
        }
        self.end_turn();
    }

    /// Removes expired keys, for a bounded time.
    fn sweep(&mut self) {
        let start = clock::now();
        while self.engine.sweep(&mut self.host) {
            if clock::since(start).as_micros() > SWEEP_US {
                self.host.stats.sweeps_cut_short += 1;
                break;
            }
        }
        self.host.stats.sweep_us += clock::since(start).as_micros() as u64;
    }

    /// When something that waits is due: a moment of the steady clock, milliseconds.
    fn next_alarm_ms(&self) -> Option<i64> {
        let waits = self.host.replication.waits.iter().filter_map(|wait| wait.until_ms);
        let pause = Some(self.host.pause_until_ms).filter(|until| *until > 0);
        waits.chain(pause).chain(self.engine.next_deadline_ms()).min()
    }

    /// Notes who was active; once a second closes who is idle or does not read its replies.
    fn check_clients(&mut self, each_second: bool) {
        let now = self.engine.steady_ms;
        let timeout_ms = self.host.settings.timeout as i64 * 1000;
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
                client.handle.kill();
            }
        }
        if each_second {
            let slots: Vec<usize> = self.host.clients.iter().map(|(slot, _)| slot).collect();
            slots.into_iter().for_each(|slot| self.check_output_limit(slot));
        }
    }

    /// The limits of a client's class.
    fn output_limit(&self, slot: usize) -> Option<OutputLimit> {
        let session = self.engine.session(slot)?;
        let limits = &self.host.settings.client_output_buffer_limit;
        if session.peer == engine::session::Peer::Replica {
            // It gets what is in the backlog anyway.
            let least = self.host.settings.repl_backlog_size;
            let at_least = |bytes: u64| if bytes > 0 { bytes.max(least) } else { 0 };
            return Some(OutputLimit {
                hard_bytes: at_least(limits.replica.hard_bytes),
                soft_bytes: at_least(limits.replica.soft_bytes),
                ..limits.replica
            });
        }
        if !session.authenticated {
            return Some(STRANGERS_LIMIT);
        }
        Some(match session.subscriptions() {
            0 => self.ordinary_limit(session.monitor),
            _ => limits.pubsub,
        })
    }

    /// The limits of a client without a subscription. A monitor is one, and those may have no limit; but it is others that
    /// fill its output.
    fn ordinary_limit(&self, is_monitor: bool) -> OutputLimit {
        let limits = &self.host.settings.client_output_buffer_limit;
        match limits.normal {
            OutputLimit { hard_bytes: 0, soft_bytes: 0, .. } if is_monitor => limits.replica,
            normal => normal,
        }
    }

    /// Lets the engine know how much may wait for a client: what is published comes faster than its connection gets turns.
    #[inline]
    pub fn limit_outbox(&mut self, slot: usize) {
        let Some(session) = self.engine.session(slot) else { return };
        let waiting = self.host.clients.get(slot).map_or(0, |client| client.output_bytes);
        let left = |limit: OutputLimit| match limit.hard_bytes as usize {
            0 => usize::MAX,
            most => most.saturating_sub(waiting),
        };
        let limits = OutboxLimits {
            ordinary: left(self.ordinary_limit(session.monitor)),
            subscribed: left(self.host.settings.client_output_buffer_limit.pubsub),
        };
        if let Some(session) = self.engine.session_mut(slot) {
            session.outbox_limits = limits;
        }
    }

    /// Closes a client whose replies pile up beyond its class's limits.
    pub fn check_output_limit(&mut self, slot: usize) {
        let Some(limit) = self.output_limit(slot) else { return };
        let now = clock::monotonic_ms() as i64;
        let Some(client) = self.host.clients.get_mut(slot) else { return };
        let bytes = client.output_bytes as u64;
        let over = |limit: u64| limit > 0 && bytes >= limit;
        let too_long = if over(limit.soft_bytes) {
            let since = *client.soft_limit_since_ms.get_or_insert(now);
            now - since > limit.soft_seconds as i64 * 1000
        } else {
            client.soft_limit_since_ms = None;
            false
        };
        if over(limit.hard_bytes) || too_long {
            self.close_for_output(slot);
        }
    }

    /// Closes a client for which too much waits.
    pub fn close_for_output(&mut self, slot: usize) {
        let Some(client) = self.host.clients.get(slot) else { return };
        if !client.handle.is_killed() {
            tracing::warn!(
                "Client id={} addr={} closed for overcoming of output buffer limits.",
                client.id,
                client.address
            );
            client.handle.kill();
            self.host.stats.output_buffer_limit_disconnections += 1;
        }
    }
}
