//! Becoming a replica or a primary.

use super::Following;
use crate::node::Node;
use replica::link::{Link, Stage};
use replica::primary::Primary;

impl Node {
    /// `REPLICAOF host port`: follows a primary. Our own data and history stay until that one says otherwise.
    pub fn follow(&mut self, name: &str, port: u16) {
        self.stop_following();
        self.engine.users.digest_of_primary = None;
        let slot = self.engine.connect();
        if let Some(session) = self.engine.session_mut(slot) {
            session.peer = engine::session::Peer::Primary;
            session.account = engine::acl::account::Account::default();
            session.db = self.host.journal.selected();
        }
        self.end_all_waits("UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)");
        let host = &mut self.host;
        let now_ms = host.now.steady_ms();
        host.replication.links += 1;
        let number = host.replication.links;
        let stage = Stage::Connect;
        *host.replication.following =
            Some(Following { host: name.to_string(), port, slot, stage, number });
        host.replication.link = Some(Link::new(name, port, number, now_ms));
        host.world.note_role(true);
        host.actions.alarm = true;
    }

    /// Ends the link, if there is one, without changing what we are a continuation of.
    fn stop_following(&mut self) {
        self.stop_link();
        if let Some(Following { slot, .. }) = self.host.replication.following.take() {
            self.host.world.note_role(false);
            self.host.clients.remove(slot);
            self.engine.disconnect(slot);
        }
    }

    /// `REPLICAOF NO ONE`: becomes a primary. The old history is continued under a new name.
    pub fn promote(&mut self) {
        if !self.host.replication.is_replica() {
            return;
        }
        self.stop_following();
        let new_id = self.host.new_replication_id();
        self.with_primary(|primary, turn| primary.promoted(new_id, turn));
        self.host.replication.users_due = true;
    }

    /// Closes the connections of all replicas: the history that they follow is another one.
    pub fn close_replicas(&mut self) {
        self.with_primary(Primary::close_all);
    }
}
