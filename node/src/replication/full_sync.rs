//! A full sync as its primary does it: one forked child, and a task that hands its snapshot to all replicas that waited.
//!
//! The child writes into a pipe; the task reads it and hands each piece, shared, to all of them. Each has a cursor into the
//! journal from the moment of the fork on, so nothing is buffered for it twice. (A replica without `capa eof`, or with
//! `repl-diskless-sync no`: the child writes a file, which is then sent.)
//!
//! # Invariants
//! - the pipe is read only while every queue has room, so a slow replica slows the child and not our memory
//! - the child's reports are read while it lives: it never waits for us to take them
//!
//! # Not here
//! - what is kept of each replica, and when it is given up: `replica::feed`

use super::RunningSync;
use crate::child::duties::all_keys;
use crate::child::{Forked, Kind, Leave, Purpose};
use crate::node::Node;
use crate::world::{ChildJob, SaveData};
use bytes::Bytes;
use journal::Class;
use replica::capability::{Capabilities, LeftOut};
use replica::feed::{Feed, State};
use std::io;
use std::path::PathBuf;

/// Bytes of snapshot that wait for one replica before the child has to wait too.
const QUEUE_MAX: usize = 4 * 1024 * 1024;

/// A replica that waits for a full sync.
struct Waiting<'a> {
    slot: usize,
    since_ms: u64,
    known: &'a Capabilities,
}

/// A full sync that should begin.
struct DueSync {
    /// Through a pipe; else by a file.
    by_pipe: bool,
    left_out: LeftOut,
    leave: Leave,
    /// For these replicas.
    slots: Vec<usize>,
}

impl Node {
    /// The full sync that should begin now.
    fn due_for_sync(&self) -> Option<DueSync> {
        let host = &self.host;
        let leave = host.child.try_begin(Kind::FullSync, false).ok()?;
        let now = self.engine.steady_ms as u64;
        let all = || {
            host.replication.replicas.iter().filter_map(|(slot, replica)| match replica.state() {
                State::Waiting { since_ms } => {
                    Some(Waiting { slot: *slot, since_ms, known: &replica.known })
                }
                _ => None,
            })
        };
        let oldest = all().min_by_key(|waiting| waiting.since_ms)?;
        // They share a snapshot if they want the same of it.
        let left_out = oldest.known.left_out;
        let waiting = || all().filter(|waiting| waiting.known.left_out == left_out);
        let by_pipe = host.settings.repl_diskless_sync && waiting().any(|one| one.known.eof);
        let wanted = host.settings.repl_diskless_sync_max_replicas as usize;
        let enough = wanted > 0 && waiting().count() >= wanted;
        let delay = host.settings.repl_diskless_sync_delay as u64 * 1000;
        if by_pipe && now.saturating_sub(oldest.since_ms) < delay && !enough {
            return None;
        }
        let slots = waiting().filter(|one| one.known.eof || !by_pipe).map(|one| one.slot).collect();
        Some(DueSync { by_pipe, left_out, leave, slots })
    }

    /// Begins a full sync if one is due.
    pub fn start_full_sync(&mut self) {
        let Some(due) = self.due_for_sync() else { return };
        let DueSync { by_pipe, left_out, leave, slots } = due;
        let new_id = self.host.new_replication_id();
        let journal = &mut self.host.journal;
        if !journal.has_backlog() {
            if !journal.has_readers() {
                // What happened so far was not journaled: nobody can have followed the history.
                journal.history = journal::History::new(new_id);
                tracing::info!(
                    "Replication backlog created, my new replication IDs are '{}' and '{}'",
                    journal.history.id,
                    journal.history.second_id
                );
            }
            journal.start_backlog(self.host.settings.repl_backlog_size);
            self.host.persistence.note_history(self.host.journal.history);
        }
        let target = if by_pipe { "replicas sockets" } else { "disk" };
        tracing::info!("Starting BGSAVE for SYNC with target: {target}");
        let number = self.host.replication.syncs + 1;
        let file =
            (!by_pipe).then(|| PathBuf::from(format!("temp-repl-{}.rdb", self.host.journal.end())));
        let forked = match self.fork_for_sync(number, left_out, file.clone()) {
            Ok(forked) => forked,
            Err(error) => {
                tracing::warn!("BGSAVE for replication failed: {error}");
                slots.iter().for_each(|slot| self.host.kill(*slot));
                return;
            }
        };
        match by_pipe {
            true => tracing::info!("Background RDB transfer started by pid {}", forked.pid),
            false => tracing::info!("Background saving started by pid {}", forked.pid),
        }
        let mark = self.host.new_replication_id();
        self.host.replication.syncs = number;
        self.host.replication.sync = Some(RunningSync { number, mark, file });
        self.host.begin_child(&mut self.engine, &leave, Purpose::FullSync { number }, forked);
        slots.iter().for_each(|slot| self.enter_bulk(*slot, number, !by_pipe));
    }

    fn enter_bulk(&mut self, slot: usize, sync: u64, streams_at_once: bool) {
        let now = self.engine.steady_ms as u64;
        let journal = &mut self.host.journal;
        let line = format!("+FULLRESYNC {} {}\r\n", journal.history.id, journal.end());
        let Some(replica) = self.host.replication.replicas.get_mut(&slot) else { return };
        let cursor = journal.subscribe(Class::Replica);
        assert_eq!(journal.behind(cursor), 0, "the stream begins where the snapshot ends");
        replica.begin(sync, cursor, streams_at_once, now);
        if let Some(session) = self.engine.session_mut(slot).filter(|_| !replica.old) {
            session.outbox.extend_from_slice(line.as_bytes());
        }
        self.host.actions.wake(slot);
    }

    /// Forks for a snapshot that is exactly what the journal has up to its end, but for what is left out.
    fn fork_for_sync(
        &mut self,
        number: u64,
        left_out: LeftOut,
        file: Option<PathBuf>,
    ) -> io::Result<Forked> {
        self.host.journal.seal();
        self.host.journal.announce();
        let mut meta = self.host.snapshot_meta(&self.engine, false);
        if left_out.functions {
            meta.functions.clear();
        }
        let options = self.host.save_options();
        let dbs = if left_out.data { &[] } else { &self.engine.dbs[..] };
        let data = SaveData { dbs, meta: &meta, options };
        let keys = if left_out.data { 0 } else { all_keys(&self.engine) };
        self.host.start_child(ChildJob::FullSync { number, data, file }, keys)
    }

    /// The snapshot begins to come: of this length, if it is known.
    pub(crate) fn begin_sync(&mut self, number: u64, len: Option<u64>) {
        let Some(sync) = self.host.replication.sync.as_ref().filter(|s| s.number == number) else {
            return;
        };
        let header = match len {
            Some(len) => format!("${len}\r\n"),
            None => format!("$EOF:{}\r\n", sync.mark),
        };
        self.spread(number, &Bytes::from(header));
    }

    /// Hands a piece to all replicas of a full sync.
    pub(crate) fn spread(&mut self, number: u64, bytes: &Bytes) {
        let now = self.host.now.steady_ms();
        let (replicas, actions) = (&mut self.host.replication.replicas, &mut self.host.actions);
        for (slot, replica) in replicas.iter_mut() {
            if replica.state() == (State::Bulk { sync: number }) {
                replica.queue(bytes.clone(), now);
                actions.wake(*slot);
            }
        }
    }

    /// Whether the replicas that wait for this full sync can take more of it.
    pub fn sync_has_room(&self, number: u64) -> bool {
        self.fullest_queue(number) <= QUEUE_MAX
    }

    fn fullest_queue(&self, number: u64) -> usize {
        let of_sync = |r: &&Feed| r.state() == State::Bulk { sync: number };
        let replicas = self.host.replication.replicas.values().filter(of_sync);
        replicas.map(Feed::queued_bytes).max().unwrap_or(0)
    }

    /// How many replicas wait for this full sync.
    pub fn awaiting(&self, number: u64) -> usize {
        let replicas = self.host.replication.replicas.values();
        replicas.filter(|replica| replica.state() == State::Bulk { sync: number }).count()
    }

    /// The snapshot has come, all of it or not.
    pub(crate) fn end_sync(&mut self, number: u64, result: Result<(), String>) {
        let sync = self.host.replication.sync.take_if(|sync| sync.number == number);
        let Some(RunningSync { mark, file, .. }) = sync else { return };
        if result.is_ok() && file.is_none() {
            self.spread(number, &Bytes::copy_from_slice(mark.as_bytes()));
        }
        self.end_child(Kind::FullSync);
        let slots: Vec<usize> = self.host.replication.replicas.keys().copied().collect();
        for slot in slots {
            let Some(replica) = self.host.replication.replicas.get_mut(&slot) else { continue };
            if replica.state() != (State::Bulk { sync: number }) {
                continue;
            }
            match &result {
                Ok(()) => {
                    replica.complete();
                    self.host.actions.wake(slot);
                }
                Err(_) => self.host.kill(slot),
            }
        }
        match result {
            Ok(()) => tracing::info!("Background RDB transfer terminated with success"),
            Err(error) => tracing::warn!("Background transfer error: {error}"),
        }
    }
}
