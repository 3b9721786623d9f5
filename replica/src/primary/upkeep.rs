//! What happens to replicas from time to time, or all at once: timeouts, limits, newlines, PING, the end of the backlog,
//! a new role; and those that are gone.

use super::action::{Action, Turn};
use super::{Primary, Replica};
use journal::planted::{self, Fault};
use journal::{History, ReplicationId};

/// PING as it goes into the stream.
const PING: &[u8] = b"*1\r\n$4\r\nping\r\n";
/// Between two newlines for a replica that waits, milliseconds.
const NEWLINES_MS: u64 = 1000;

impl Primary {
    /// What happens ten times a second. `id` names a new history, if the present one ends.
    pub fn timer(&mut self, is_replica: bool, id: ReplicationId, turn: &mut Turn<'_>) {
        self.drop_overdue(turn);
        if turn.now_ms.saturating_sub(self.newlines_ms) >= NEWLINES_MS {
            self.newlines_ms = turn.now_ms;
            self.send_newlines(turn);
        }
        self.ping(is_replica, turn);
        self.expire_backlog(is_replica, id, turn);
    }

    /// Gives up the replicas that are too far behind, and finds for how long writers are slowed so that it does not come to
    /// that. What is on its way to each is bounded, whatever state it is in. To be called whenever the journal was shipped,
    /// and ten times a second.
    pub fn limit(&mut self, turn: &mut Turn<'_>) {
        self.slow_ms = 0;
        if self.replicas.is_empty() {
            return;
        }
        let (limit, on, now_ms) =
            (turn.settings.output_limit(), turn.settings.pressure(), turn.now_ms);
        let is_over = |bytes: u64, most: u64| most > 0 && bytes >= most;
        let mut slow_ms = 0;
        for (slot, replica) in &mut self.replicas {
            if !replica.feed.is_fed() || replica.given_up {
                continue;
            }
            let pending = replica.feed.pending_bytes(turn.journal);
            slow_ms = slow_ms.max(replica.feed.pressure(pending, on, now_ms));
            let too_long = if is_over(pending, limit.soft_bytes) {
                let since = *replica.over_since_ms.get_or_insert(now_ms);
                now_ms.saturating_sub(since) > limit.soft_ms
            } else {
                replica.over_since_ms = None;
                false
            };
            if too_long || is_over(pending, limit.hard_bytes) {
                replica.given_up = true;
                turn.actions.push(Action::Overflow(*slot));
            }
        }
        self.slow_ms = self.patience.allow(slow_ms, turn.settings.slow_most_ms, now_ms);
    }

    /// The node has become a primary: the history is continued under the name `id`, and its time as a primary begins.
    pub fn promoted(&mut self, id: ReplicationId, turn: &mut Turn<'_>) {
        let journal = &mut *turn.journal;
        let end = journal.end();
        if !planted::is(Fault::NameKept) {
            journal.history.fork(id, end);
        }
        journal.announce();
        if planted::is(Fault::BacklogDropped) {
            journal.drop_backlog();
        }
        // What a primary does from time to time starts now: so its replicas have the whole time to come back.
        (self.pinged_ms, self.alone_since_ms) = (turn.now_ms, turn.now_ms);
        let history = &turn.journal.history;
        tracing::info!(
            "Setting secondary replication ID to {}, valid up to offset: {}. New replication ID is {}",
            history.second_id,
            history.second_offset,
            history.id
        );
        turn.actions.push(Action::NoteHistory);
        // They have to learn the new name; with it they go on where they are.
        self.close_all(turn);
        tracing::info!("MASTER MODE enabled (user request)");
    }

    /// Closes the connections of all replicas: the history that they follow has another name, or is another one.
    pub fn close_all(&mut self, turn: &mut Turn<'_>) {
        let asked = self.replicas.iter().filter(|(_, replica)| replica.asked);
        let slots: Vec<usize> = asked.map(|(slot, _)| *slot).collect();
        for slot in slots {
            self.give_up(slot, turn);
            self.gone(slot, turn);
        }
    }

    /// Its connection is gone, or is to be. Nothing happens if it is no replica.
    pub fn gone(&mut self, slot: usize, turn: &mut Turn<'_>) {
        let Some(Replica { feed, .. }) = self.replicas.remove(&slot) else { return };
        if feed.is_shown() {
            tracing::info!("Connection with replica {} lost.", feed.name());
        }
        feed.end(turn.journal);
        self.look_whether_forsaken(turn);
    }

    /// Gives up the replicas that have not gone on for too long.
    fn drop_overdue(&mut self, turn: &mut Turn<'_>) {
        for (slot, replica) in &mut self.replicas {
            if !replica.given_up
                && let Some(why) = replica.feed.overdue(turn.settings.timeout_ms, turn.now_ms)
            {
                let name = replica.feed.name();
                tracing::warn!("Disconnecting timedout replica ({why}): {name}");
                replica.given_up = true;
                turn.actions.push(Action::Kill(*slot));
            }
        }
    }

    /// Sends a newline to the replicas that wait for a snapshot, so that they do not give up.
    fn send_newlines(&self, turn: &mut Turn<'_>) {
        let waiting = self.feeds().filter(|(_, feed)| feed.may_get_newlines());
        for (slot, _) in waiting {
            turn.actions.push(Action::Send(slot, b"\n".to_vec()));
        }
    }

    fn ping(&mut self, is_replica: bool, turn: &mut Turn<'_>) {
        let waited_ms = turn.now_ms.saturating_sub(self.pinged_ms);
        if is_replica || waited_ms < turn.settings.ping_period_ms {
            return;
        }
        self.pinged_ms = turn.now_ms;
        if self.is_read() {
            turn.actions.push(Action::Journal(PING));
        }
    }

    /// Gives the backlog up when no replica has come back for long: a primary's history then ends.
    fn expire_backlog(&mut self, is_replica: bool, id: ReplicationId, turn: &mut Turn<'_>) {
        if is_replica || self.feeds().any(|(_, feed)| feed.is_shown()) {
            self.alone_since_ms = turn.now_ms;
            return;
        }
        let ttl_ms = turn.settings.backlog_ttl_ms;
        let alone_ms = turn.now_ms.saturating_sub(self.alone_since_ms);
        if ttl_ms == 0 || alone_ms <= ttl_ms || !turn.journal.has_backlog() {
            return;
        }
        turn.journal.drop_backlog();
        turn.journal.history = History::new(id);
        turn.actions.push(Action::NoteHistory);
        tracing::info!(
            "Replication backlog freed after {} seconds without connected replicas.",
            ttl_ms / 1000
        );
    }
}
