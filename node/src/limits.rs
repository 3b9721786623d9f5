//! What clients may take: memory for their buffers, and replies that wait for them.

use crate::admin::client;
use crate::clients::InputBytes;
use crate::config::OutputLimit;
use crate::node::{Node, Outside};
use engine::session::{OutboxLimits, Peer};

/// The most that waits for a client that has not proven who it is: one piece of replies and a kilobyte. Source: Redis 7.2.8
/// and its static buffer.
const STRANGERS_LIMIT: OutputLimit =
    OutputLimit { hard_bytes: (16 + 1) << 10, soft_bytes: 0, soft_seconds: 0 };

impl Node {
    /// What a client's buffers take after its turn. Above `maxmemory-clients` the clients that take the most go.
    #[inline]
    pub fn note_buffers(&mut self, slot: usize, input: InputBytes, output: usize) {
        let Some(client) = self.host.clients.get_mut(slot) else { return };
        client.input = input;
        client.output_room = output;
        self.limit_outbox(slot);
        let most = self.host.clients_limit();
        if most > 0 {
            self.count_client(slot);
            self.evict_clients(most);
        }
    }

    fn count_client(&mut self, slot: usize) {
        let Some(session) = self.engine.session(slot) else { return };
        let counts = session.peer == Peer::Client && !session.no_evict && !session.monitor;
        let client = self.host.clients.get(slot).filter(|client| counts && !client.is_killed);
        let bytes = client.map_or(0, |client| client.memory_bytes(session));
        self.host.clients.count_bytes(slot, bytes);
    }

    /// Counts all clients: the limit may be another than when they were last looked at.
    pub(crate) fn recount_clients(&mut self) {
        let most = self.host.clients_limit();
        let slots: Vec<usize> = self.host.clients.iter().map(|(slot, _)| slot).collect();
        slots.iter().for_each(|slot| self.limit_outbox(*slot));
        if most > 0 {
            slots.into_iter().for_each(|slot| self.count_client(slot));
            self.evict_clients(most);
        }
    }

    /// Closes clients until all that count take no more than `most` bytes.
    fn evict_clients(&mut self, most: u64) {
        while self.host.clients.counted_bytes() as u64 > most {
            let Some(slot) = self.host.clients.largest() else { return };
            if let (Some(client), Some(session)) =
                (self.host.clients.get(slot), self.engine.session(slot))
            {
                let line = client::line(client, session, self.engine.steady_ms, 0);
                tracing::info!("Evicting client: {line}");
                self.host.kill(slot);
            }
            self.host.clients.give_up(slot);
            self.host.stats.evicted_clients += 1;
        }
    }

    /// Closes a client whose replies pile up beyond its class's limits.
    #[inline]
    pub fn check_output(&mut self, slot: usize, bytes: usize) {
        let Some(client) = self.host.clients.get_mut(slot) else { return };
        client.output_bytes = bytes;
        match bytes {
            0 => client.soft_limit_since_ms = None,
            _ => self.check_output_limit(slot),
        }
    }

    /// The limits of a client's class.
    fn output_limit(&self, slot: usize) -> Option<OutputLimit> {
        let session = self.engine.session(slot)?;
        let limits = &self.host.settings.client_output_buffer_limit;
        if session.peer == Peer::Replica {
            // What waits for replicas has limits of its own: `replica::primary`.
            return None;
        }
        if session.account.is_stranger() {
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
        let now = self.host.now.steady_ms() as i64;
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
            self.host.close_for_output(slot);
        }
    }
}

impl Outside {
    /// Closes a client for which too much waits.
    pub fn close_for_output(&mut self, slot: usize) {
        let Some(client) = self.clients.get(slot) else { return };
        if !client.is_killed {
            tracing::warn!(
                "Client id={} addr={} closed for overcoming of output buffer limits.",
                client.id,
                client.address
            );
            self.kill(slot);
            self.stats.output_buffer_limit_disconnections += 1;
        }
    }
}
