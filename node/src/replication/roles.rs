//! Becoming a replica or a primary, and what a primary does from time to time.

use super::link_state::Link;
use crate::node::{Node, Outside};
use replica::feed::Feed;

impl Node {
    /// `REPLICAOF host port`: follows a primary. Our own data and history stay until that one says otherwise.
    pub fn follow(&mut self, name: &str, port: u16) {
        self.stop_following();
        let slot = self.engine.connect();
        if let Some(session) = self.engine.session_mut(slot) {
            session.peer = engine::session::Peer::Primary;
            session.authenticated = true;
            session.db = self.host.journal.selected();
        }
        self.end_all_waits("UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)");
        let host = &mut self.host;
        host.replication.links += 1;
        let (number, now) = (host.replication.links, host.now.steady_ms());
        let link = Link::new((name, port), slot, number, now, &host.changed);
        host.replication.set_link(Some(link));
        host.world.note_role(true);
        host.actions.link_changed = true;
    }

    /// Ends the link, if there is one, without changing what we are a continuation of.
    fn stop_following(&mut self) {
        if let Some(link) = self.host.replication.set_link(None) {
            self.host.world.note_role(false);
            self.host.actions.link_changed = true;
            self.host.clients.remove(link.slot);
            self.engine.disconnect(link.slot);
        }
    }

    /// `REPLICAOF NO ONE`: becomes a primary. The old history is continued under a new name.
    pub fn promote(&mut self) {
        if self.host.replication.link.is_none() {
            return;
        }
        self.stop_following();
        let end = self.host.journal.end();
        let new_id = self.host.new_replication_id();
        self.host.journal.history.fork(new_id, end);
        self.host.journal.announce();
        // What a primary does from time to time starts now: so its replicas have the whole time to come back.
        let now = self.host.now.steady_ms();
        (self.host.replication.pinged_ms, self.host.replication.alone_since_ms) = (now, now);
        let history = self.host.journal.history;
        tracing::info!(
            "Setting secondary replication ID to {}, valid up to offset: {}. New replication ID is {}",
            history.second_id,
            history.second_offset,
            history.id
        );
        self.host.persistence.note_history(history);
        // They have to learn the new name; with it they go on where they are.
        self.close_replicas();
        tracing::info!("MASTER MODE enabled (user request)");
    }

    /// Closes the connections of all replicas.
    pub fn close_replicas(&mut self) {
        let slots: Vec<usize> = self.host.replication.replicas.keys().copied().collect();
        for slot in slots {
            if self.engine.session(slot).is_some_and(|s| s.peer == engine::session::Peer::Replica) {
                self.replica_gone(slot);
                self.host.kill(slot);
            }
        }
    }

    /// What the timer does for replication, ten times a second.
    pub fn replication_timer(&mut self) {
        let now = self.engine.steady_ms as u64;
        self.drop_overdue_replicas(now);
        self.ping_replicas(now);
        self.expire_backlog(now);
        self.check_waits();
        // Who has said nothing for too long is none of the good ones any more.
        self.host.count_good_replicas(self.engine.steady_ms);
    }

    fn ping_replicas(&mut self, now: u64) {
        let period = self.host.settings.repl_ping_replica_period as u64 * 1000;
        let host = &mut self.host;
        if host.replication.is_replica() || now.saturating_sub(host.replication.pinged_ms) < period
        {
            return;
        }
        host.replication.pinged_ms = now;
        if host.replication.replicas.values().any(Feed::is_fed) {
            host.journal_control(b"*1\r\n$4\r\nping\r\n");
        }
    }

    /// Gives the backlog up when no replica has come back for long: a primary's history then ends.
    fn expire_backlog(&mut self, now: u64) {
        let host = &mut self.host;
        let fed = host.replication.replicas.values().any(Feed::is_shown);
        if host.replication.is_replica() || fed {
            host.replication.alone_since_ms = now;
            return;
        }
        let ttl = host.settings.repl_backlog_ttl.saturating_mul(1000);
        let alone = now.saturating_sub(host.replication.alone_since_ms);
        if ttl == 0 || alone <= ttl || !host.journal.has_backlog() {
            return;
        }
        host.journal.drop_backlog();
        host.journal.history = journal::History::new(host.new_replication_id());
        host.persistence.note_history(host.journal.history);
        tracing::info!(
            "Replication backlog freed after {} seconds without connected replicas.",
            host.settings.repl_backlog_ttl
        );
    }
}

impl Outside {
    /// Notes whether there are more good replicas now, or fewer.
    pub fn count_good_replicas(&mut self, now_ms: i64) {
        let good = self.good_replicas(now_ms);
        self.replication.good.update(good);
    }

    /// How many replicas are online and answered lately.
    pub fn good_replicas(&self, now_ms: i64) -> usize {
        let lag = self.settings.min_replicas_max_lag as u64 * 1000;
        let good = |r: &&Feed| r.is_online() && r.silent_ms(now_ms as u64) <= lag;
        self.replication.replicas.values().filter(good).count()
    }
}
