//! What our replicas get: a snapshot if they need one, then the journal.
//!
//! ```text
//! REPLCONF…     PSYNC            snapshot starts        all sent        ACK
//! Preparing ──► Waiting ───────► Bulk ────────────────► AwaitAck ─────► Online
//!     │                            └── by file, or to SYNC ──────────────▲
//!     └── can go on where it was ────────────────────────────────────────┘
//! ```
//!
//! One forked child writes the snapshot into a pipe; a task reads the pipe and hands each piece, shared, to all replicas that
//! waited. Each has a cursor into the journal from the moment of the fork on, so nothing is buffered for it twice.
//! (A replica without `capa eof`, or with `repl-diskless-sync no`: the child writes a file, which is then sent.)
//!
//! # Invariants
//! - a replica in `Bulk`, `AwaitAck` or `Online` has a cursor
//! - the pipe is read only while every queue has room, so a slow replica slows the child and not our memory

use super::Replication;
use crate::node::{Feed, Node, Outside, SharedNode, new_replication_id};
use backup::fork::{Child, Exit, SaveJob, save_to_fd_child, save_to_file_child};
use bytes::{Bytes, BytesMut};
use engine::context::{Context, Done};
use engine::refusal::Refusal;
use engine::session::Peer;
use journal::{Class, CursorId};
use protocol::resp::Args;
use replica::capability::{Capabilities, Request};
use replica::decision::{Answer, Asked, Reason, decide};
use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use tokio::io::AsyncReadExt;
use tokio::sync::Notify;

/// Bytes of snapshot that wait for one replica before the child has to wait too.
const QUEUE_MAX: usize = 4 * 1024 * 1024;
/// Bytes read from the pipe at a time.
const PIECE: usize = 256 * 1024;
/// Bytes of journal handed to a connection at a time.
const STREAM_BYTES: usize = 1024 * 1024;

/// How far a replica has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It introduces itself.
    Preparing,
    /// It waits for a snapshot to begin.
    Waiting {
        /// Since when, unix milliseconds.
        since_ms: i64,
    },
    /// It gets the snapshot of this number.
    Bulk {
        /// The full sync's number.
        sync: u64,
    },
    /// It has the snapshot, and has not said yet that it loaded it.
    AwaitAck,
    /// It gets the stream.
    Online,
}

/// One replica.
pub struct Replica {
    /// What it said of itself.
    pub known: Capabilities,
    /// The address it connected from.
    pub peer_address: String,
    /// How far it has come.
    pub state: State,
    /// It has applied up to here.
    pub acked: u64,
    /// It has this on disk, if it says so.
    pub durable: Option<u64>,
    /// When it last said something, unix milliseconds.
    pub acked_ms: i64,
    /// It used SYNC: it gets no `+FULLRESYNC` and sends no acknowledgements.
    pub old: bool,
    cursor: Option<CursorId>,
    queue: VecDeque<Bytes>,
    queued_bytes: usize,
    /// Bytes that its connection has taken and not sent yet: they are no longer the journal's.
    unsent_bytes: usize,
    /// The snapshot's header is in the queue, or was: what is sent now is part of the snapshot.
    begun: bool,
    /// The whole snapshot is in the queue.
    complete: bool,
    /// The stream may begin right behind the snapshot.
    streams_at_once: bool,
}

impl Replica {
    /// Bytes on their way to it, beyond what the journal holds.
    pub fn held_bytes(&self) -> usize {
        self.queued_bytes + self.unsent_bytes
    }

    /// Bytes were sent to it.
    pub fn note_sent(&mut self, bytes: usize) {
        self.unsent_bytes = self.unsent_bytes.saturating_sub(bytes);
    }

    fn new(peer_address: String, now_ms: i64) -> Replica {
        Replica {
            known: Capabilities::default(),
            peer_address,
            state: State::Preparing,
            acked: 0,
            durable: None,
            acked_ms: now_ms,
            old: false,
            cursor: None,
            queue: VecDeque::new(),
            queued_bytes: 0,
            unsent_bytes: 0,
            begun: false,
            complete: false,
            streams_at_once: false,
        }
    }

    /// Whether the stream reaches it.
    pub fn is_online(&self) -> bool {
        self.state == State::Online
    }

    /// Whether it is shown as a replica: it asked for data.
    pub fn is_shown(&self) -> bool {
        self.state != State::Preparing
    }

    /// Whether what is journaled now will reach it.
    pub fn is_fed(&self) -> bool {
        self.cursor.is_some()
    }

    /// The address to show, and the port it listens on.
    pub fn address(&self) -> (&str, u16) {
        let own = self.known.address.as_str();
        (if own.is_empty() { &self.peer_address } else { own }, self.known.listening_port)
    }

    /// `address:port`, for log lines.
    pub fn name(&self) -> String {
        let (address, port) = self.address();
        format!("{address}:{port}")
    }

    /// The state's name in INFO.
    pub fn state_name(&self) -> &'static str {
        match self.state {
            State::Preparing | State::Waiting { .. } => "wait_bgsave",
            State::Bulk { .. } | State::AwaitAck => "send_bulk",
            State::Online => "online",
        }
    }

    fn queue(&mut self, bytes: Bytes) {
        self.begun = true;
        self.queued_bytes += bytes.len();
        self.queue.push_back(bytes);
    }
}

/// A full sync under way.
pub struct RunningSync {
    /// Wakes the task that reads the pipe when a queue has room again.
    room: Rc<Notify>,
}

impl Outside {
    fn replica_of(&mut self, ctx: &Context<'_>) -> &mut Replica {
        let slot = ctx.session.slot;
        let address = self.clients.get(slot).map_or_else(String::new, |client| {
            client.address.rsplit_once(':').map_or("", |(ip, _)| ip).trim_matches(['[', ']']).into()
        });
        let now = ctx.engine.now_ms;
        let replicas = &mut self.replication.replicas;
        replicas.entry(slot).or_insert_with(|| Replica::new(address, now))
    }

    /// `REPLCONF option value …`.
    pub fn replconf(&mut self, ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
        if ctx.session.is_trusted() {
            // GETACK of our primary: the link answers it, it knows the offset.
            return Ok(Done::NOTHING);
        }
        let words: Vec<&[u8]> = args.iter_from(1).collect();
        let now = ctx.engine.now_ms;
        let slot = ctx.session.slot;
        let request = self.replica_of(ctx).known.take(&words).map_err(Refusal::new)?;
        match request {
            Request::Stored => ctx.reply.ok(),
            Request::GetAck => {}
            Request::Ack { offset, durable } => {
                let Some(replica) = self.replication.replicas.get_mut(&slot) else {
                    return Ok(Done::NOTHING);
                };
                replica.acked_ms = now;
                replica.acked = replica.acked.max(offset);
                replica.durable = durable.or(replica.durable);
                if replica.state == State::AwaitAck {
                    replica.state = State::Online;
                    tracing::info!("Synchronization with replica {} succeeded", replica.name());
                    self.clients.wake(slot);
                }
                self.replication.kick.notify_one();
            }
        }
        Ok(Done::NOTHING)
    }

    /// `PSYNC id offset` and `SYNC`.
    pub fn psync(&mut self, ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
        if ctx.session.peer == Peer::Replica {
            return Ok(Done::NOTHING);
        }
        if self.replication.is_replica() && !self.replication.link_is_up() {
            return Err(Refusal::fixed(
                "NOMASTERLINK Can't SYNC while not connected with my master",
            ));
        }
        if self.persistence.is_loading() {
            return Err(Refusal::fixed("LOADING Redis is loading the dataset in memory"));
        }
        let old = args.len() == 1;
        let asked = match old {
            true => Asked { id: None, next: -1 },
            false => Asked::parse(args.at(1), args.at(2)).ok_or(Refusal::NOT_INTEGER)?,
        };
        ctx.session.peer = Peer::Replica;
        let now = ctx.engine.now_ms;
        let replica = self.replica_of(ctx);
        replica.old = old;
        replica.acked_ms = now;
        let name = replica.name();
        tracing::info!("Replica {name} asks for synchronization");
        self.journal.seal();
        match decide(&self.journal, asked) {
            Answer::Partial { from } if !old => self.go_on(ctx, from, &name),
            Answer::Full { reason } => self.start_over(ctx, reason, asked, &name),
            Answer::Partial { .. } => self.start_over(ctx, Reason::Asked, asked, &name),
        }
        Ok(Done::NOTHING)
    }

    fn go_on(&mut self, ctx: &mut Context<'_>, from: u64, name: &str) {
        let cursor = self.journal.subscribe_at(from).expect("it was decided that this is there");
        let id = self.journal.history.id;
        let behind = self.journal.end() - from;
        let now = ctx.engine.now_ms;
        let replica = self.replica_of(ctx);
        replica.cursor = Some(cursor);
        replica.state = State::Online;
        replica.acked = from;
        replica.acked_ms = now;
        match replica.known.psync2 {
            true => ctx.reply.simple(&format!("CONTINUE {id}")),
            false => ctx.reply.simple("CONTINUE"),
        }
        self.stats.sync_partial_ok += 1;
        tracing::info!(
            "Partial resynchronization request from {name} accepted. Sending {behind} bytes of backlog starting from offset {}.",
            from + 1
        );
        ctx.engine.nobody_reads = false;
    }

    fn start_over(&mut self, ctx: &mut Context<'_>, reason: Reason, asked: Asked, name: &str) {
        let now = ctx.engine.now_ms;
        self.stats.sync_full += 1;
        if reason != Reason::Asked {
            self.stats.sync_partial_err += 1;
        }
        match reason {
            Reason::Asked => tracing::info!("Full resync requested by replica {name}"),
            Reason::OtherHistory => tracing::info!(
                "Partial resynchronization not accepted: Replication ID mismatch (Replica asked for '{}', my replication IDs \
                 are '{}' and '{}')",
                asked.id.map_or_else(String::new, |id| id.to_string()),
                self.journal.history.id,
                self.journal.history.second_id
            ),
            Reason::NotInBacklog => tracing::info!(
                "Unable to partial resync with replica {name} for lack of backlog (Replica request was: {}).",
                asked.next
            ),
        }
        let replica = self.replica_of(ctx);
        replica.state = State::Waiting { since_ms: now };
        self.replication.kick.notify_one();
    }
}

impl Node {
    /// A connection is gone, or is to be: what belonged to a replica is given back.
    pub fn replica_gone(&mut self, slot: usize) {
        let Some(replica) = self.host.replication.replicas.remove(&slot) else { return };
        if let Some(cursor) = replica.cursor {
            self.host.journal.unsubscribe(cursor);
        }
        if replica.state != State::Preparing {
            tracing::info!("Connection with replica {} lost.", replica.name());
        }
        if let Some(sync) = &self.host.replication.sync {
            sync.room.notify_one();
        }
        self.refresh_conditions();
    }

    /// Puts what a replica gets next into its connection's queue. False if there is nothing.
    #[inline]
    pub fn next_feed(&mut self, slot: usize, feed: &mut Feed) -> bool {
        if self.host.replication.replicas.is_empty() {
            return false;
        }
        let Outside { replication, journal, clients, .. } = &mut self.host;
        let Some(replica) = replication.replicas.get_mut(&slot) else { return false };
        if matches!(replica.state, State::Bulk { .. }) {
            if let Some(bytes) = replica.queue.pop_front() {
                replica.queued_bytes -= bytes.len();
                replica.unsent_bytes += bytes.len();
                feed.push_back(bytes);
                if let Some(sync) = &replication.sync {
                    sync.room.notify_one();
                }
                return true;
            }
            if !replica.complete {
                return false;
            }
            if replica.known.snapshot_only {
                // All of it has been written to the socket: that is what it came for.
                if let Some(client) = clients.get(slot) {
                    client.handle.kill();
                }
                return false;
            }
            if replica.streams_at_once {
                replica.state = State::Online;
                tracing::info!("Synchronization with replica {} succeeded", replica.name());
            } else {
                replica.state = State::AwaitAck;
                tracing::info!(
                    "Streamed replica with replica {} succeeded. Waiting for REPLCONF ACK from replica to enable streaming",
                    replica.name()
                );
            }
        }
        let (State::Online, Some(cursor)) = (replica.state, replica.cursor) else { return false };
        let mut pieces = Vec::new();
        journal.read(cursor, STREAM_BYTES, &mut pieces);
        replica.unsent_bytes += pieces.iter().map(|piece| piece.bytes.len()).sum::<usize>();
        feed.extend(pieces.into_iter().map(|piece| piece.bytes));
        if let Some(client) = clients.get_mut(slot) {
            client.output_bytes = journal.behind(cursor) as usize;
        }
        !feed.is_empty()
    }

    /// Closes replicas that have not answered for too long.
    pub(super) fn drop_silent_replicas(&mut self, now: i64) {
        let timeout = self.host.settings.repl_timeout as i64 * 1000;
        for (slot, replica) in &self.host.replication.replicas {
            let silent = replica.is_online() && !replica.old && now - replica.acked_ms > timeout;
            if silent && let Some(client) = self.host.clients.get(*slot) {
                tracing::warn!(
                    "Disconnecting timedout replica (streaming sync): {}",
                    replica.name()
                );
                client.handle.kill();
            }
        }
    }

    /// Sends a newline to the replicas that wait for a snapshot, so that they do not give up.
    pub fn keep_waiting_replicas(&mut self) {
        let waiting = |r: &Replica| match r.state {
            State::Waiting { .. } => true,
            State::Bulk { .. } => r.streams_at_once && !r.begun,
            _ => false,
        };
        let slots: Vec<usize> = self
            .host
            .replication
            .replicas
            .iter()
            .filter(|(_, replica)| waiting(replica))
            .map(|(slot, _)| *slot)
            .collect();
        for slot in slots {
            if let Some(session) = self.engine.session_mut(slot) {
                session.outbox.push(b'\n');
                self.host.clients.wake(slot);
            }
        }
    }

    /// Whether a full sync should begin now, and for whom.
    fn due_for_sync(&self) -> Option<(bool, Vec<usize>)> {
        let host = &self.host;
        if host.replication.sync.is_some() || host.persistence.has_child() {
            return None;
        }
        let now = self.engine.now_ms;
        let waiting: Vec<(usize, i64, bool)> = host
            .replication
            .replicas
            .iter()
            .filter_map(|(slot, r)| match r.state {
                State::Waiting { since_ms } => Some((*slot, since_ms, r.known.eof)),
                _ => None,
            })
            .collect();
        let oldest = waiting.iter().map(|(_, since, _)| *since).min()?;
        let diskless = host.settings.repl_diskless_sync;
        let pipe = diskless && waiting.iter().any(|(_, _, eof)| *eof);
        let wanted = host.settings.repl_diskless_sync_max_replicas as usize;
        let enough = wanted > 0 && waiting.len() >= wanted;
        let delay = host.settings.repl_diskless_sync_delay as i64 * 1000;
        if pipe && now - oldest < delay && !enough {
            return None;
        }
        let fits = |(_, _, eof): &&(usize, i64, bool)| *eof || !pipe;
        Some((pipe, waiting.iter().filter(fits).map(|(slot, _, _)| *slot).collect()))
    }

    /// Begins a full sync if one is due.
    pub fn start_full_sync(&mut self, shared: &SharedNode) {
        let Some((by_pipe, slots)) = self.due_for_sync() else { return };
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
        let started = if by_pipe { self.fork_into_pipe() } else { self.fork_into_file() };
        let (child, source) = match started {
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
        replication.sync = Some(RunningSync { room: Rc::clone(&room) });
        slots.iter().for_each(|slot| self.enter_bulk(*slot, number, !by_pipe));
        self.engine.set_memory_shared(true);
        self.refresh_conditions();
        tokio::task::spawn_local(pump(Rc::clone(shared), child, source, number, room));
    }

    fn kill(&self, slot: usize) {
        if let Some(client) = self.host.clients.get(slot) {
            client.handle.kill();
        }
    }

    fn enter_bulk(&mut self, slot: usize, sync: u64, streams_at_once: bool) {
        let journal = &mut self.host.journal;
        let line = format!("+FULLRESYNC {} {}\r\n", journal.history.id, journal.end());
        let Some(replica) = self.host.replication.replicas.get_mut(&slot) else { return };
        replica.cursor = Some(journal.subscribe(Class::Replica));
        replica.state = State::Bulk { sync };
        replica.streams_at_once = streams_at_once || replica.old;
        if let Some(session) = self.engine.session_mut(slot).filter(|_| !replica.old) {
            session.outbox.extend_from_slice(line.as_bytes());
        }
        self.host.clients.wake(slot);
    }

    /// Forks for a snapshot that is exactly what the journal has up to its end.
    fn fork_with(
        &mut self,
        fork: impl FnOnce(SaveJob<'_>) -> io::Result<Child>,
    ) -> io::Result<Child> {
        self.host.journal.seal();
        self.host.journal.forget_selected();
        let meta = self.host.snapshot_meta(&self.engine, false);
        let options = self.host.save_options();
        let job = SaveJob {
            dbs: &self.engine.dbs,
            meta: &meta,
            options,
            clock_ms: crate::clock::monotonic_ms,
        };
        let start = crate::clock::now();
        let child = fork(job)?;
        self.host.note_fork(crate::clock::since(start));
        Ok(child)
    }

    fn fork_into_pipe(&mut self) -> io::Result<(Child, Source)> {
        let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        let _ = rustix::pipe::fcntl_setpipe_size(&writer, 1 << 20);
        rustix::io::ioctl_fionbio(&reader, true)?;
        let reader = tokio::net::unix::pipe::Receiver::from_owned_fd(reader)?;
        let child = self.fork_with(|job| save_to_fd_child(job, writer.as_fd()))?;
        tracing::info!("Background RDB transfer started by pid {}", child.pid);
        Ok((child, Source::Pipe(reader)))
    }

    fn fork_into_file(&mut self) -> io::Result<(Child, Source)> {
        let path = PathBuf::from(format!("temp-repl-{}.rdb", self.host.journal.end()));
        let child = self.fork_with(|job| save_to_file_child(job, &path))?;
        tracing::info!("Background saving started by pid {}", child.pid);
        Ok((child, Source::File(path)))
    }

    /// Hands a piece to all replicas of a full sync. False if none is left.
    fn spread(&mut self, number: u64, bytes: &Bytes) -> bool {
        let mut any = false;
        let Replication { replicas, .. } = &mut self.host.replication;
        for (slot, replica) in replicas.iter_mut() {
            if replica.state == (State::Bulk { sync: number }) {
                replica.queue(bytes.clone());
                self.host.clients.wake(*slot);
                any = true;
            }
        }
        any
    }

    fn fullest_queue(&self, number: u64) -> usize {
        let of_sync = |r: &&Replica| r.state == State::Bulk { sync: number };
        self.host
            .replication
            .replicas
            .values()
            .filter(of_sync)
            .map(|r| r.queued_bytes)
            .max()
            .unwrap_or(0)
    }

    fn end_sync(&mut self, number: u64, result: Result<(), String>) {
        self.host.replication.sync = None;
        self.engine.set_memory_shared(self.host.persistence.child.is_some());
        let slots: Vec<usize> = self.host.replication.replicas.keys().copied().collect();
        for slot in slots {
            let Some(replica) = self.host.replication.replicas.get_mut(&slot) else { continue };
            if replica.state != (State::Bulk { sync: number }) {
                continue;
            }
            match &result {
                Ok(()) => {
                    replica.complete = true;
                    self.host.clients.wake(slot);
                }
                Err(_) => self.kill(slot),
            }
        }
        match result {
            Ok(()) => tracing::info!("Background RDB transfer terminated with success"),
            Err(error) => tracing::warn!("Background transfer error: {error}"),
        }
        self.host.replication.kick.notify_one();
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
            let _ = backup::files::remove(&path);
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

async fn pump_pipe(
    node: &SharedNode,
    child: Child,
    mut reader: tokio::net::unix::pipe::Receiver,
    number: u64,
    room: &Notify,
) -> Result<(), String> {
    let mark: [u8; 40] = *new_replication_id().as_bytes();
    let header = [&b"$EOF:"[..], &mark, b"\r\n"].concat();
    node.borrow_mut().spread(number, &Bytes::from(header));
    loop {
        wait_for_room(node, number, room).await;
        let mut piece = BytesMut::with_capacity(PIECE);
        match reader.read_buf(&mut piece).await {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) => return Err(format!("reading from the child: {error}")),
        }
        if !node.borrow_mut().spread(number, &piece.freeze()) {
            // Nobody is left to send it to. The reports' descriptor closes with the child.
            let _ = child.kill();
            let _ = wait_for(child).await;
            return Err("all replicas are gone".into());
        }
    }
    wait_for(child).await?;
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
    wait_for(child).await?;
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
            return Err("all replicas are gone".into());
        }
    }
}

/// Waits for a child's end on another thread.
async fn wait_for(child: Child) -> Result<(), String> {
    let exit = tokio::task::spawn_blocking(move || child.wait()).await;
    match exit {
        Ok(Ok(Exit::Code(0))) => Ok(()),
        Ok(Ok(Exit::Code(code))) => Err(format!("the child ended with code {code}")),
        Ok(Ok(Exit::Signal(signal))) => Err(format!("the child was ended by signal {signal}")),
        Ok(Err(error)) => Err(format!("waiting for the child: {error}")),
        Err(error) => Err(format!("waiting for the child: {error}")),
    }
}
