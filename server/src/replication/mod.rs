//! Data elsewhere, as the process does it: sockets, forks and timers around the state machines of the `replica` crate.
//!
//! - [`feed`]: what our replicas get: their commands, and their connections' turns
//! - [`full_sync`]: the snapshot's way from a child to the replicas that wait for it
//! - [`link`]: following a primary; [`refused`]: what it sent and we did not execute
//! - [`wait`]: clients that wait until replicas have their writes

pub mod feed;
pub mod full_sync;
pub mod link;
pub mod refused;
pub mod wait;

use crate::facts::{Changed, Fact};
use crate::node::{Node, Outside, new_replication_id};
use engine::Engine;
use link::Link;
use replica::feed::{Feed, Patience};
use std::collections::BTreeMap;
use std::rc::Rc;
use tokio::sync::Notify;
use wait::Wait;

/// The replication side of the process.
pub struct Replication {
    /// The primary that we follow, if we are a replica. To be replaced by [`Replication::set_link`] only.
    link: Option<Link>,
    changed: Changed,
    /// How many replicas are good, as it was last counted.
    good: Fact<usize>,
    /// Our replicas, by slot. From their first REPLCONF on.
    pub replicas: BTreeMap<usize, Feed>,
    /// Clients that wait for acknowledgements.
    pub waits: Vec<Wait>,
    /// The full sync under way: its number, and the child's process.
    pub sync: Option<full_sync::RunningSync>,
    /// Makes the timer look for waiting replicas at once.
    pub kick: Rc<Notify>,
    /// What our primaries sent and we did not execute.
    pub refused: refused::RefusedCommands,
    /// For how long a client that has just written waits for the sake of a replica, milliseconds.
    pub slow_ms: u64,
    /// How much longer clients may have to.
    pub patience: Patience,
    /// How often clients had to.
    pub slowed: u64,
    /// Full syncs begun so far: their numbers.
    syncs: u64,
    /// When the last PING went into the stream, or our time as a primary began; a moment of the steady clock, milliseconds.
    pinged_ms: u64,
    /// Since when we have been a primary without replicas, in the same way.
    alone_since_ms: u64,
}

impl Replication {
    /// A primary without replicas.
    pub fn new(engine: &Engine, changed: &Changed) -> Replication {
        let now_ms = engine.steady_ms as u64;
        Replication {
            link: None,
            changed: changed.clone(),
            good: Fact::new(0, changed),
            replicas: BTreeMap::new(),
            waits: Vec::new(),
            sync: None,
            kick: Rc::new(Notify::new()),
            refused: Default::default(),
            slow_ms: 0,
            patience: Patience::default(),
            slowed: 0,
            syncs: 0,
            pinged_ms: now_ms,
            alone_since_ms: now_ms,
        }
    }

    /// The primary that we follow, if we are a replica.
    pub fn link(&self) -> Option<&Link> {
        self.link.as_ref()
    }

    /// The link, for who tests what follows from it.
    #[cfg(test)]
    pub fn link_mut(&mut self) -> Option<&mut Link> {
        self.link.as_mut()
    }

    /// Another primary, or none. Returns the link to the one before.
    fn set_link(&mut self, link: Option<Link>) -> Option<Link> {
        self.changed.note();
        crate::log::set_replica(link.is_some());
        std::mem::replace(&mut self.link, link)
    }

    /// Whether we follow a primary.
    pub fn is_replica(&self) -> bool {
        self.link.is_some()
    }

    /// Whether the link to our primary carries the stream.
    pub fn link_is_up(&self) -> bool {
        self.link.as_ref().is_some_and(Link::is_up)
    }

    /// Whether a snapshot of our primary is being loaded in place of the data.
    pub fn is_loading(&self) -> bool {
        self.link.as_ref().is_some_and(|link| *link.loading)
    }
}

impl Node {
    /// `REPLICAOF host port`: follows a primary. Our own data and history stay until that one says otherwise.
    pub fn follow(&mut self, host: &str, port: u16) {
        self.stop_following();
        let slot = self.engine.connect();
        if let Some(session) = self.engine.session_mut(slot) {
            session.peer = engine::session::Peer::Primary;
            session.authenticated = true;
            session.db = self.host.journal.selected();
        }
        self.end_all_waits("UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)");
        let link = Link::start((host, port), slot, self.host.myself.clone(), &self.host.changed);
        self.host.replication.set_link(Some(link));
    }

    /// Ends the link, if there is one, without changing what we are a continuation of.
    fn stop_following(&mut self) {
        if let Some(link) = self.host.replication.set_link(None) {
            link.stop();
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
        self.host.journal.history.fork(new_replication_id(), end);
        self.host.journal.announce();
        // What a primary does from time to time starts now: so its replicas have the whole time to come back.
        let now = crate::clock::monotonic_ms();
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
                if let Some(client) = self.host.clients.get(slot) {
                    client.handle.kill();
                }
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
        host.journal.history = journal::History::new(new_replication_id());
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
