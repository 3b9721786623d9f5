//! Full syncs: which replicas share a snapshot and when it is due, and its pieces' way to them.
//!
//! ```text
//! due ─► prepare ─► (the node forks) ─► begin ─► happened … ─► over
//!                                └ failed
//! ```
//!
//! All of the first row happens in one turn of the node, so the journal ends where the snapshot does.
//!
//! # Invariants
//! - a replica's cursor stands where its snapshot ends
//! - what happens to a full sync that is over, or to another one, is not heard

use super::action::{Action, SyncEvent, Turn};
use super::settings::Settings;
use super::sync::{FullSync, Phase, Then};
use super::{Primary, Replica};
use crate::capability::LeftOut;
use crate::feed::State;
use crate::transfer::MARK_LEN;
use bytes::Bytes;
use journal::{Class, History, Journal, Offset, ReplicationId};

/// Bytes of snapshot that wait for one replica before the child has to wait too.
const QUEUE_MAX: usize = 4 * 1024 * 1024;

/// A full sync that should begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Through a pipe; else by a file.
    pub by_pipe: bool,
    /// What the snapshot is without.
    pub left_out: LeftOut,
    /// For these replicas.
    pub slots: Vec<usize>,
}

/// A full sync for which the journal is prepared: the snapshot ends here.
#[derive(Debug)]
#[must_use = "it begins, or has failed"]
pub struct Prepared {
    due: Due,
    end: Offset,
}

impl Primary {
    /// The full sync that should begin now, if a child may.
    pub fn due(&self, settings: &Settings, now_ms: u64) -> Option<Due> {
        if self.sync.is_some() {
            return None;
        }
        let all = || {
            self.feeds().filter_map(|(slot, feed)| match feed.state() {
                State::Waiting { since_ms } => Some((slot, since_ms, &feed.known)),
                _ => None,
            })
        };
        let (_, since_ms, known) = all().min_by_key(|(_, since_ms, _)| *since_ms)?;
        // They share a snapshot if they want the same of it.
        let left_out = known.left_out;
        let waiting = || all().filter(|(_, _, known)| known.left_out == left_out);
        let by_pipe = settings.diskless && waiting().any(|(_, _, known)| known.eof);
        let wanted = settings.diskless_max_replicas;
        let enough = wanted > 0 && waiting().count() >= wanted;
        let waited_ms = now_ms.saturating_sub(since_ms);
        if by_pipe && waited_ms < settings.diskless_delay_ms && !enough {
            return None;
        }
        let takes_it = waiting().filter(|(_, _, known)| known.eof || !by_pipe);
        Some(Due { by_pipe, left_out, slots: takes_it.map(|(slot, ..)| slot).collect() })
    }

    /// Makes the journal ready for a snapshot of what the data is now. `id` names a new history, where nobody can have
    /// followed the present one.
    pub fn prepare(&mut self, due: Due, id: ReplicationId, turn: &mut Turn<'_>) -> Prepared {
        let journal = &mut *turn.journal;
        if !journal.has_backlog() {
            if !journal.has_readers() {
                // What happened so far was not journaled: nobody can have followed the history.
                journal.history = History::new(id);
                tracing::info!(
                    "Replication backlog created, my new replication IDs are '{}' and '{}'",
                    journal.history.id,
                    journal.history.second_id
                );
            }
            journal.start_backlog(turn.settings.backlog_bytes);
            turn.actions.push(Action::NoteHistory);
        }
        let target = if due.by_pipe { "replicas sockets" } else { "disk" };
        tracing::info!("Starting BGSAVE for SYNC with target: {target}");
        journal.seal();
        journal.announce();
        Prepared { due, end: journal.end() }
    }

    /// There is no child: who was to get its snapshot is told to go, and asks again.
    pub fn failed(&mut self, prepared: Prepared, error: &str, turn: &mut Turn<'_>) {
        tracing::warn!("BGSAVE for replication failed: {error}");
        for slot in prepared.due.slots {
            self.give_up(slot, turn);
        }
    }

    /// The child is there, with the data as it was when the journal was prepared. `mark` is a random name, which ends a
    /// snapshot that comes through a pipe. Returns the number of the full sync.
    pub fn begin(&mut self, prepared: Prepared, mark: [u8; MARK_LEN], turn: &mut Turn<'_>) -> u64 {
        assert!(self.sync.is_none(), "one full sync at a time");
        assert_eq!(turn.journal.end(), prepared.end, "the journal ends where the snapshot does");
        let Due { by_pipe, slots, .. } = prepared.due;
        self.syncs += 1;
        let number = self.syncs;
        let phase = if by_pipe { Phase::Pipe { mark, child: None } } else { Phase::Saving };
        self.sync = Some(FullSync { number, phase });
        let waits = |replica: &&mut Replica| matches!(replica.feed.state(), State::Waiting { .. });
        for slot in slots {
            if let Some(replica) = self.replicas.get_mut(&slot).filter(waits) {
                enter_bulk(slot, replica, number, !by_pipe, turn);
            }
        }
        if by_pipe {
            self.spread(number, &Bytes::from([&b"$EOF:"[..], &mark, b"\r\n"].concat()), turn);
        }
        self.look_whether_forsaken(turn);
        number
    }

    /// Whether the next bytes of the full sync's pipe or file should be read. To be asked again behind each call: while one
    /// queue is full nothing is read, and the child waits.
    pub fn wants_piece(&self) -> bool {
        let Some(sync) = self.sync.as_ref().filter(|sync| sync.reads()) else { return false };
        let queues = self.in_bulk(sync.number).map(|(_, replica)| replica.feed.queued_bytes());
        queues.max().unwrap_or(0) <= QUEUE_MAX
    }

    /// The number that the next full sync will have.
    pub fn next_sync_number(&self) -> u64 {
        self.syncs + 1
    }

    /// The number of the full sync under way.
    pub fn sync_number(&self) -> Option<u64> {
        self.sync.as_ref().map(|sync| sync.number)
    }

    /// Something happened to the full sync of this number.
    pub fn happened(&mut self, number: u64, event: SyncEvent, turn: &mut Turn<'_>) {
        let awaiting = self.in_bulk(number).count();
        let Some(sync) = self.sync.as_mut().filter(|sync| sync.number == number) else { return };
        let then = match event {
            SyncEvent::Piece(bytes) => {
                if sync.reads() {
                    self.spread(number, &bytes, turn);
                }
                Then::Nothing
            }
            SyncEvent::AllRead => {
                if matches!(sync.phase, Phase::Pipe { .. }) {
                    tracing::info!(
                        "Diskless rdb transfer, done reading from pipe, {awaiting} replicas still up."
                    );
                }
                sync.all_read()
            }
            SyncEvent::ReadFailed(error) => sync.read_failed(error),
            SyncEvent::Opened(bytes) => {
                sync.opened();
                self.spread(number, &Bytes::from(format!("${bytes}\r\n")), turn);
                Then::Nothing
            }
            SyncEvent::ChildEnded(result) => sync.child_ended(result),
        };
        self.go_on_with(number, then, turn);
    }

    /// A replica is gone. If nobody waits for the full sync any more, it ends.
    pub(super) fn look_whether_forsaken(&mut self, turn: &mut Turn<'_>) {
        let Some(number) = self.sync_number() else { return };
        if self.in_bulk(number).next().is_some() {
            return;
        }
        let Some(sync) = self.sync.as_mut() else { return };
        let is_pipe = matches!(sync.phase, Phase::Pipe { .. });
        let then = sync.forsaken();
        if is_pipe {
            tracing::info!("Diskless rdb transfer, last replica dropped, killing fork child.");
        }
        self.go_on_with(number, then, turn);
    }

    fn go_on_with(&mut self, number: u64, then: Then, turn: &mut Turn<'_>) {
        match then {
            Then::Nothing => {}
            Then::KillChild => turn.actions.push(Action::KillChild),
            Then::OpenFile => turn.actions.push(Action::OpenFile),
            Then::Over(Ok(last)) => {
                if !last.is_empty() {
                    self.spread(number, &Bytes::from(last), turn);
                }
                self.end_sync(number, Ok(()), turn);
            }
            Then::Over(Err(error)) => self.end_sync(number, Err(error), turn),
        }
    }

    fn end_sync(&mut self, number: u64, result: Result<(), String>, turn: &mut Turn<'_>) {
        self.sync = None;
        turn.actions.push(Action::SyncEnded);
        let slots: Vec<usize> = self.in_bulk(number).map(|(slot, _)| *slot).collect();
        for slot in slots {
            match &result {
                Ok(()) => {
                    let replica = self.replicas.get_mut(&slot).expect("it was just found");
                    replica.feed.complete();
                    turn.actions.push(Action::Wake(slot));
                }
                Err(_) => self.give_up(slot, turn),
            }
        }
        match result {
            Ok(()) => tracing::info!("Background RDB transfer terminated with success"),
            Err(error) => tracing::warn!("Background transfer error: {error}"),
        }
    }

    /// Those that get this snapshot.
    fn in_bulk(&self, number: u64) -> impl Iterator<Item = (&usize, &Replica)> {
        let gets_it = move |replica: &Replica| replica.feed.state() == State::Bulk { sync: number };
        self.replicas.iter().filter(move |(_, replica)| gets_it(replica))
    }

    /// Hands a piece to all who get it.
    fn spread(&mut self, number: u64, bytes: &Bytes, turn: &mut Turn<'_>) {
        for (slot, Replica { feed, .. }) in &mut self.replicas {
            if feed.state() == (State::Bulk { sync: number }) {
                feed.queue(bytes.clone(), turn.now_ms);
                turn.actions.push(Action::Wake(*slot));
            }
        }
    }

    /// Tells a replica to go, once.
    pub(super) fn give_up(&mut self, slot: usize, turn: &mut Turn<'_>) {
        if let Some(replica) = self.replicas.get_mut(&slot)
            && !std::mem::replace(&mut replica.given_up, true)
        {
            turn.actions.push(Action::Kill(slot));
        }
    }
}

/// The snapshot of this number begins for a replica, and behind it the stream.
fn enter_bulk(slot: usize, replica: &mut Replica, sync: u64, at_once: bool, turn: &mut Turn<'_>) {
    let journal: &mut Journal = turn.journal;
    let line = format!("+FULLRESYNC {} {}\r\n", journal.history.id, journal.end());
    let cursor = journal.subscribe(Class::Replica);
    assert_eq!(journal.behind(cursor), 0, "the stream begins where the snapshot ends");
    replica.feed.begin(sync, cursor, at_once, turn.now_ms);
    if !replica.feed.old {
        turn.actions.push(Action::Send(slot, line.into_bytes()));
    }
    turn.actions.push(Action::Wake(slot));
}
