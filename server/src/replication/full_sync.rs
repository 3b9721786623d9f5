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

use super::Replication;
use crate::child::process::all_keys;
use crate::child::{Forked, Kind, Leave, Purpose, follow};
use crate::node::{Node, SharedNode, new_replication_id};
use backup::fork::{Child, SaveJob, save_to_fd_child, save_to_file_child};
use bytes::{Bytes, BytesMut};
use journal::Class;
use replica::capability::{Capabilities, LeftOut};
use replica::feed::{Feed, State};
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::sync::Notify;

/// Bytes of snapshot that wait for one replica before the child has to wait too.
const QUEUE_MAX: usize = 4 * 1024 * 1024;
/// Bytes read from the pipe at a time.
const PIECE: usize = 256 * 1024;

/// A full sync under way.
pub struct RunningSync {
    /// Wakes the task that reads the pipe when a queue has room again.
    pub(super) room: Rc<Notify>,
    /// The file that its child writes, if there is one.
    pub file: Option<PathBuf>,
}

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
    pub fn start_full_sync(&mut self, shared: &SharedNode) {
        let Some(due) = self.due_for_sync() else { return };
        let DueSync { by_pipe, left_out, leave, slots } = due;
        let journal = &mut self.host.journal;
        if !journal.has_backlog() {
            if !journal.has_readers() {
                // What happened so far was not journaled: nobody can have followed the history.
                journal.history = journal::History::new(new_replication_id());
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
        let started =
            if by_pipe { self.fork_into_pipe(left_out) } else { self.fork_into_file(left_out) };
        let (child, source, took) = match started {
            Ok(started) => started,
            Err(error) => {
                tracing::warn!("BGSAVE for replication failed: {error}");
                slots.iter().for_each(|slot| self.kill(*slot));
                return;
            }
        };
        let replication = &mut self.host.replication;
        replication.syncs += 1;
        let number = replication.syncs;
        let room = Rc::new(Notify::new());
        replication.sync = Some(RunningSync {
            room: Rc::clone(&room),
            file: match &source {
                Source::File(path) => Some(path.clone()),
                Source::Pipe(_) => None,
            },
        });
        let purpose = Purpose::FullSync { number };
        let keys = if left_out.data { 0 } else { all_keys(&self.engine) };
        let forked = Forked { pid: child.pid, took, keys };
        self.host.begin_child(&mut self.engine, &leave, purpose, forked);
        slots.iter().for_each(|slot| self.enter_bulk(*slot, number, !by_pipe));
        tokio::task::spawn_local(pump(Rc::clone(shared), child, source, number, room));
    }

    fn kill(&self, slot: usize) {
        if let Some(client) = self.host.clients.get(slot) {
            client.handle.kill();
        }
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
        self.host.clients.wake(slot);
    }

    /// Forks for a snapshot that is exactly what the journal has up to its end, but for what is left out.
    fn fork_with(
        &mut self,
        left_out: LeftOut,
        fork: impl FnOnce(SaveJob<'_>) -> io::Result<Child>,
    ) -> io::Result<(Child, Duration)> {
        self.host.journal.seal();
        self.host.journal.announce();
        let mut meta = self.host.snapshot_meta(&self.engine, false);
        if left_out.functions {
            meta.functions.clear();
        }
        let options = self.host.save_options();
        let job = SaveJob {
            dbs: if left_out.data { &[] } else { &self.engine.dbs },
            meta: &meta,
            options,
            clock_ms: crate::clock::monotonic_ms,
        };
        let start = crate::clock::now();
        let child = fork(job)?;
        Ok((child, crate::clock::since(start)))
    }

    fn fork_into_pipe(&mut self, left_out: LeftOut) -> io::Result<(Child, Source, Duration)> {
        let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        let _ = rustix::pipe::fcntl_setpipe_size(&writer, 1 << 20);
        rustix::io::ioctl_fionbio(&reader, true)?;
        let reader = tokio::net::unix::pipe::Receiver::from_owned_fd(reader)?;
        let (child, took) =
            self.fork_with(left_out, |job| save_to_fd_child(job, writer.as_fd()))?;
        tracing::info!("Background RDB transfer started by pid {}", child.pid);
        Ok((child, Source::Pipe(reader), took))
    }

    fn fork_into_file(&mut self, left_out: LeftOut) -> io::Result<(Child, Source, Duration)> {
        let path = PathBuf::from(format!("temp-repl-{}.rdb", self.host.journal.end()));
        let (child, took) = self.fork_with(left_out, |job| {
            save_to_file_child(&backup::files::Files::real(), job, &path)
        })?;
        tracing::info!("Background saving started by pid {}", child.pid);
        Ok((child, Source::File(path), took))
    }

    /// Hands a piece to all replicas of a full sync. False if none is left.
    fn spread(&mut self, number: u64, bytes: &Bytes) -> bool {
        let (mut any, now) = (false, crate::clock::monotonic_ms());
        let Replication { replicas, .. } = &mut self.host.replication;
        for (slot, replica) in replicas.iter_mut() {
            if replica.state() == (State::Bulk { sync: number }) {
                replica.queue(bytes.clone(), now);
                self.host.clients.wake(*slot);
                any = true;
            }
        }
        any
    }

    fn fullest_queue(&self, number: u64) -> usize {
        let of_sync = |r: &&Feed| r.state() == State::Bulk { sync: number };
        let replicas = self.host.replication.replicas.values().filter(of_sync);
        replicas.map(Feed::queued_bytes).max().unwrap_or(0)
    }

    /// How many replicas wait for this full sync.
    fn awaiting(&self, number: u64) -> usize {
        let replicas = self.host.replication.replicas.values();
        replicas.filter(|replica| replica.state() == State::Bulk { sync: number }).count()
    }

    fn end_sync(&mut self, number: u64, result: Result<(), String>) {
        self.begin_timer_turn();
        self.host.replication.sync = None;
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
                    self.host.clients.wake(slot);
                }
                Err(_) => self.kill(slot),
            }
        }
        match result {
            Ok(()) => tracing::info!("Background RDB transfer terminated with success"),
            Err(error) => tracing::warn!("Background transfer error: {error}"),
        }
    }
}

/// Where a snapshot comes from.
enum Source {
    Pipe(tokio::net::unix::pipe::Receiver),
    File(PathBuf),
}

/// Moves a snapshot from the child to the replicas that wait for it.
async fn pump(node: SharedNode, child: Child, source: Source, number: u64, room: Rc<Notify>) {
    let result = match source {
        Source::Pipe(reader) => pump_pipe(&node, child, reader, number, &room).await,
        Source::File(path) => {
            let result = pump_file(&node, child, &path, number, &room).await;
            let _ = backup::files::Files::real().remove(&path);
            result
        }
    };
    node.borrow_mut().end_sync(number, result);
}

async fn wait_for_room(node: &SharedNode, number: u64, room: &Notify) {
    while node.borrow().fullest_queue(number) > QUEUE_MAX {
        room.notified().await;
    }
}

/// Follows the child: its reports are shown in INFO. The task ends when the child does.
fn follow(node: &SharedNode, child: Child) -> tokio::task::JoinHandle<Result<String, String>> {
    let node = Rc::downgrade(node);
    tokio::task::spawn_local(async move {
        let result = follow::follow(child, |progress| {
            if let Some(node) = node.upgrade() {
                node.borrow_mut().host.child.note(progress);
            }
        });
        let result = result.await;
        if let Some(node) = node.upgrade() {
            node.borrow_mut().child_exited();
        }
        result
    })
}

async fn wait_for(child: tokio::task::JoinHandle<Result<String, String>>) -> Result<(), String> {
    child.await.map_err(|error| format!("waiting for the child: {error}"))?.map(|_| ())
}

const ALL_GONE: &str = "all replicas are gone";

async fn pump_pipe(
    node: &SharedNode,
    child: Child,
    mut reader: tokio::net::unix::pipe::Receiver,
    number: u64,
    room: &Notify,
) -> Result<(), String> {
    let process = child.process();
    let ended = follow(node, child);
    let mark: [u8; 40] = *new_replication_id().as_bytes();
    let header = [&b"$EOF:"[..], &mark, b"\r\n"].concat();
    node.borrow_mut().spread(number, &Bytes::from(header));
    let mut failure = None;
    loop {
        wait_for_room(node, number, room).await;
        let mut piece = BytesMut::with_capacity(PIECE);
        // Also while the child writes nothing it is noticed that nobody waits for it any more.
        let read = tokio::select! {
            read = reader.read_buf(&mut piece) => read,
            () = room.notified() => match node.borrow().awaiting(number) {
                0 => Ok(1),
                _ => continue,
            },
        };
        match read {
            Ok(0) => {
                let left = node.borrow().awaiting(number);
                tracing::info!(
                    "Diskless rdb transfer, done reading from pipe, {left} replicas still up."
                );
                break;
            }
            Ok(_) if node.borrow_mut().spread(number, &piece.freeze()) => {}
            Ok(_) => {
                tracing::info!("Diskless rdb transfer, last replica dropped, killing fork child.");
                failure = Some(ALL_GONE.to_string());
            }
            Err(error) => failure = Some(format!("reading from the child: {error}")),
        }
        if failure.is_some() {
            let _ = process.kill();
            break;
        }
    }
    let result = wait_for(ended).await;
    if let Some(failure) = failure {
        return Err(failure);
    }
    result?;
    node.borrow_mut().spread(number, &Bytes::copy_from_slice(&mark));
    Ok(())
}

async fn pump_file(
    node: &SharedNode,
    child: Child,
    path: &Path,
    number: u64,
    room: &Notify,
) -> Result<(), String> {
    let process = child.process();
    let mut ended = follow(node, child);
    loop {
        tokio::select! {
            result = &mut ended => {
                result.map_err(|error| format!("waiting for the child: {error}"))??;
                break;
            }
            () = room.notified() => {
                if node.borrow().awaiting(number) == 0 {
                    let _ = process.kill();
                    let _ = wait_for(ended).await;
                    return Err(ALL_GONE.into());
                }
            }
        }
    }
    let mut file = tokio::fs::File::open(path).await.map_err(|error| error.to_string())?;
    let len = file.metadata().await.map_err(|error| error.to_string())?.len();
    node.borrow_mut().spread(number, &Bytes::from(format!("${len}\r\n")));
    loop {
        wait_for_room(node, number, room).await;
        let mut piece = BytesMut::with_capacity(PIECE);
        if file.read_buf(&mut piece).await.map_err(|error| error.to_string())? == 0 {
            return Ok(());
        }
        if !node.borrow_mut().spread(number, &piece.freeze()) {
            return Err(ALL_GONE.into());
        }
    }
}
