//! Following a primary: a task that connects, introduces itself, takes a snapshot if it must, and then the stream.
//!
//! ```text
//! Connect ─► Connecting ─► Handshake ─► Transfer ─► Loading ─► Connected
//!    ▲                         └── +CONTINUE ───────────────────► │
//!    └──── any error: logged once, then again, ever more seldom ──┘
//! ```
//!
//! The stream is executed batch by batch and journaled verbatim, so offsets stay equal down a chain. A snapshot goes to a
//! file first and is loaded by another thread into databases of its own: until it is complete and good, the old data stays.
//!
//! # Invariants
//! - the journal's end is the applied offset: between turns they are equal
//! - one task per link; a link that was replaced does nothing any more

use crate::child;
use crate::clients::Client;
use crate::clock;
use crate::facts::{Changed, Fact};
use crate::net::handle::Handle;
use crate::net::stream::tcp_addresses;
use crate::node::{Node, Outside, SharedNode, new_replication_id};
use crate::persistence::load::{self, snapshot_loader};
use engine::session::Peer;
use journal::{History, Kind, Offset, ReplicationId};
use protocol::resp::{Batch, encode};
use replica::handshake::{Handshake, HandshakeError, Introduction, Outcome, Step};
use replica::intake::{Executed, Intake, StreamError, Target};
use replica::retry::{Cause, Retry, SETTLED_MS};
use replica::stream::StreamPoint;
use replica::transfer::{self, Transfer};
use std::cell::RefCell;
use std::convert::Infallible;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;
use std::rc::{Rc, Weak};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::timeout;

/// How far a link has come; the names are those of ROLE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// It has to connect.
    Connect,
    /// It is connecting.
    Connecting,
    /// It introduces itself.
    Handshake,
    /// It receives or loads a snapshot.
    Sync,
    /// It carries the stream.
    Connected,
}

impl LinkState {
    /// The name in ROLE.
    pub fn name(self) -> &'static str {
        match self {
            LinkState::Connect => "connect",
            LinkState::Connecting => "connecting",
            LinkState::Handshake => "handshake",
            LinkState::Sync => "sync",
            LinkState::Connected => "connected",
        }
    }
}

/// Progress of a transfer, for INFO.
#[derive(Clone, Copy, Debug, Default)]
pub struct TransferProgress {
    /// Bytes of the snapshot, if they were announced.
    pub total: Option<u64>,
    /// Bytes received.
    pub received: u64,
    /// When something last came: a moment of the steady clock, milliseconds.
    pub last_io_ms: u64,
}

/// The link to our primary.
pub struct Link {
    /// Its host, as given.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How far we have come.
    pub state: Fact<LinkState>,
    /// The slot of the session that executes its commands.
    pub slot: usize,
    /// When something last came: like all times here a moment of the steady clock, milliseconds.
    pub last_io_ms: u64,
    /// Since when it has been down.
    pub down_since_ms: Option<u64>,
    /// Since when it has carried the stream.
    up_since_ms: Option<u64>,
    /// Why the last attempt failed, since the link was last up for long.
    pub reason: Option<String>,
    /// Attempts that failed.
    pub failed_attempts: u64,
    /// The position means nothing any more: the next attempt asks for everything.
    starts_over: bool,
    /// It was up at least once.
    pub was_up: bool,
    /// A snapshot is being received.
    pub transfer: Option<TransferProgress>,
    /// A snapshot is being loaded.
    pub loading: Fact<bool>,
    /// How much of the stream was received.
    pub received: Offset,
    task: tokio::task::AbortHandle,
}

impl Link {
    /// Starts the task.
    pub fn start(
        (host, port): (&str, u16),
        slot: usize,
        node: Weak<RefCell<Node>>,
        changed: &Changed,
    ) -> Link {
        let now_ms = clock::monotonic_ms();
        let address = (host.to_string(), port);
        let task = tokio::task::spawn_local(async move {
            if let Some(node) = node.upgrade() {
                follow(node, address).await;
            }
        });
        Link {
            host: host.to_string(),
            port,
            state: Fact::new(LinkState::Connect, changed),
            slot,
            last_io_ms: now_ms,
            down_since_ms: Some(now_ms),
            up_since_ms: None,
            reason: None,
            failed_attempts: 0,
            starts_over: false,
            was_up: false,
            transfer: None,
            loading: Fact::new(false, changed),
            received: Offset::START,
            task: task.abort_handle(),
        }
    }

    /// Ends the task.
    pub fn stop(&self) {
        self.task.abort();
    }

    /// Whether the stream flows.
    pub fn is_up(&self) -> bool {
        *self.state == LinkState::Connected
    }
}

/// Why an attempt ended.
struct Failure {
    /// A line for the log and for INFO.
    text: String,
    cause: Cause,
    /// What came is no stream, or the data is at no position of it: the next attempt asks for everything.
    loses_position: bool,
    /// The data is at no position of the stream any more.
    torn: bool,
}

impl Failure {
    fn network(text: impl Into<String>) -> Failure {
        Failure { text: text.into(), cause: Cause::Network, loses_position: false, torn: false }
    }

    fn repeating(text: impl Into<String>) -> Failure {
        Failure { cause: Cause::Repeating, ..Failure::network(text) }
    }
}

impl From<StreamError> for Failure {
    fn from(error: StreamError) -> Failure {
        let (loses_position, torn) = (error.loses_position(), error.is_torn());
        Failure { loses_position, torn, ..Failure::repeating(error.to_string()) }
    }
}

impl From<HandshakeError> for Failure {
    fn from(error: HandshakeError) -> Failure {
        match error {
            // It takes our question for none: another one may do, as Redis tries SYNC then.
            HandshakeError::Refused { to: "PSYNC", .. } => {
                Failure { loses_position: true, ..Failure::network(error.to_string()) }
            }
            HandshakeError::Refused { .. } => Failure::network(error.to_string()),
            _ => Failure::repeating(error.to_string()),
        }
    }
}

fn failed(what: &'static str) -> impl Fn(std::io::Error) -> Failure {
    move |error| Failure::network(format!("{what}: {error}"))
}

/// What failed on our side, and will again.
fn cannot(what: &'static str) -> impl Fn(std::io::Error) -> Failure {
    move |error| Failure::repeating(format!("{what}: {error}"))
}

/// The life of a link: one attempt after the other, until the task is aborted.
async fn follow(node: SharedNode, address: (String, u16)) {
    let mut retry = Retry::default();
    loop {
        let Err(failure) = attempt(&node, &address).await;
        let Some(delay_ms) = node.borrow_mut().attempt_failed(&mut retry, failure) else { return };
        if delay_ms > 0 {
            tokio::time::sleep(Duration::from_millis(delay_ms)).await;
        }
    }
}

impl Node {
    /// Ends an attempt. Returns after how many milliseconds the next one may begin; `None` if there is no link any more.
    fn attempt_failed(&mut self, retry: &mut Retry, failure: Failure) -> Option<u64> {
        let now = clock::monotonic_ms();
        let link = self.host.replication.link.as_mut()?;
        self.host.clients.remove(link.slot);
        if let Some(session) = self.engine.session_mut(link.slot) {
            // What came of a transaction without its end comes again.
            session.multi = None;
        }
        let up_ms = link.up_since_ms.take().map(|since| now.saturating_sub(since));
        link.state.update(LinkState::Connect);
        link.transfer = None;
        link.loading.update(false);
        link.failed_attempts += 1;
        if up_ms.is_some() {
            link.down_since_ms = Some(now);
            tracing::info!("Connection with master lost.");
        }
        if failure.loses_position {
            link.starts_over = true;
        } else if up_ms.is_some() {
            tracing::info!("Caching the disconnected master state.");
        }
        if up_ms.is_some_and(|up| up >= SETTLED_MS) {
            // What failed before the link worked for so long is another story.
            link.reason = None;
        }
        // Each reason once: what repeats is counted.
        if link.reason.as_ref() != Some(&failure.text) {
            tracing::warn!("{}", failure.text);
            link.reason = Some(failure.text);
        }
        if failure.torn {
            self.leave_history();
        }
        Some(retry.after(failure.cause, up_ms))
    }
}

fn set_state(node: &SharedNode, state: LinkState) {
    let node = &mut *node.borrow_mut();
    if let Some(link) = &mut node.host.replication.link {
        link.state.update(state);
        link.last_io_ms = clock::monotonic_ms();
    }
}

/// One connection to the primary, from its beginning to its end.
async fn attempt(node: &SharedNode, address: &(String, u16)) -> Result<Infallible, Failure> {
    let limit = Duration::from_secs(node.borrow().host.settings.repl_timeout as u64);
    tracing::info!("Connecting to MASTER {}:{}", address.0, address.1);
    set_state(node, LinkState::Connecting);
    tracing::info!("MASTER <-> REPLICA sync started");
    let source = node.borrow().host.settings.bind_source_addr.clone();
    let stream = timeout(limit, connect(address, &source))
        .await
        .map_err(|_| Failure::network("Timeout connecting to the MASTER..."))?
        .map_err(failed("Error condition on socket for SYNC"))?;
    let _ = stream.set_nodelay(true);
    set_state(node, LinkState::Handshake);
    let socket = stream.as_fd().try_clone_to_owned();
    let handle = Handle::with_socket(socket.map_err(failed("Error duplicating the socket"))?);
    node.borrow_mut().register_link(&stream, Rc::clone(&handle));
    let wire = Wire { stream, buffer: Vec::new(), limit };
    tokio::select! {
        end = converse(node, wire) => end,
        () = handle.killed() => Err(Failure::network("Connection with MASTER was closed by CLIENT KILL")),
    }
}

/// Connects, from `bind-source-addr` if there is one; where that does not work, from where the system chooses.
async fn connect(address: &(String, u16), source: &str) -> io::Result<TcpStream> {
    let place = (address.0.as_str(), address.1);
    if let Ok(source) = source.parse::<IpAddr>() {
        for target in lookup_host(place).await?.filter(|ip| ip.is_ipv4() == source.is_ipv4()) {
            let socket = if source.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
            match socket.bind(SocketAddr::new(source, 0)) {
                Ok(()) => return socket.connect(target).await,
                Err(error) => tracing::warn!("Can't connect from {source}: {error}"),
            }
        }
    }
    TcpStream::connect(place).await
}

/// All that is said on a connection to the primary.
async fn converse(node: &SharedNode, mut wire: Wire) -> Result<Infallible, Failure> {
    let outcome = shake_hands(node, &mut wire).await?;
    match outcome {
        Outcome::Later(reason) => Err(Failure::network(format!(
            "Master is currently unable to PSYNC but should be in the future: {reason}"
        ))),
        Outcome::Continue { id } => {
            tracing::info!("Successful partial resynchronization with master.");
            node.borrow_mut().continue_history(id);
            node.borrow().host.supervisor.synced("Partial Resynchronization accepted");
            stream_in(node, wire).await
        }
        Outcome::Full { id, offset } => {
            tracing::info!("Full resync from master: {id}:{offset}");
            set_state(node, LinkState::Sync);
            let snapshot = receive(node, &mut wire).await?;
            load(node, &mut wire, snapshot, id, offset).await?;
            stream_in(node, wire).await
        }
    }
}

/// The socket, and bytes of it that were read too early.
struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
    limit: Duration,
}

impl Wire {
    /// Reads some more into the buffer.
    async fn fill(&mut self) -> Result<usize, Failure> {
        self.buffer.reserve(64 * 1024);
        match timeout(self.limit, self.stream.read_buf(&mut self.buffer)).await {
            Err(_) => Err(Failure::network(SILENT)),
            Ok(Err(error)) => {
                Err(Failure::network(format!("I/O error reading from MASTER: {error}")))
            }
            Ok(Ok(0)) => Err(Failure::network(CLOSED)),
            Ok(Ok(read)) => Ok(read),
        }
    }

    /// Takes one line off the buffer, without its end.
    async fn line(&mut self, most: usize) -> Result<Vec<u8>, Failure> {
        loop {
            if let Some(at) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let mut line: Vec<u8> = self.buffer.drain(..=at).collect();
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(line);
            }
            if self.buffer.len() > most {
                return Err(Failure::repeating(format!(
                    "MASTER sent a line of more than {most} bytes"
                )));
            }
            self.fill().await?;
        }
    }

    /// Does something long on another thread. The primary must not think meanwhile that we are gone.
    async fn while_busy<T: Send + 'static>(
        &mut self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let mut job = tokio::task::spawn_blocking(job);
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        loop {
            tokio::select! {
                done = &mut job => return done.map_err(|e| Failure::repeating(e.to_string())),
                _ = tick.tick() => self.send(b"\n").await?,
            }
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        timeout(self.limit, self.stream.write_all(bytes))
            .await
            .map_err(|_| Failure::network("Timeout writing to MASTER"))?
            .map_err(failed("Error writing to MASTER"))
    }
}

async fn shake_hands(node: &SharedNode, wire: &mut Wire) -> Result<Outcome, Failure> {
    let introduction = node.borrow().introduction();
    match &introduction.position {
        Some((id, offset)) => {
            tracing::info!(
                "Trying a partial resynchronization (request {id}:{}).",
                offset.next_byte()
            );
        }
        None => tracing::info!("Partial resynchronization not possible (no cached master)"),
    }
    let (mut handshake, first) = Handshake::begin(introduction);
    wire.send(&first).await?;
    loop {
        let line = wire.line(replica::handshake::LINE_MAX).await?;
        match handshake.line(&line)? {
            Step::Wait => {}
            Step::Send(bytes) => wire.send(&bytes).await?,
            Step::Done(outcome) => return Ok(outcome),
        }
    }
}

/// Receives a snapshot into a file beside our own.
async fn receive(node: &SharedNode, wire: &mut Wire) -> Result<Temporary, Failure> {
    let form = loop {
        let line = wire.line(transfer::HEADER_MAX).await?;
        let form = transfer::header(&line);
        if let Some(form) = form.map_err(|error| Failure::repeating(error.to_string()))? {
            break form;
        }
    };
    let mut transfer = Transfer::new(form);
    match transfer.total() {
        Some(total) => {
            tracing::info!("MASTER <-> REPLICA sync: receiving {total} bytes from master to disk")
        }
        None => tracing::info!(
            "MASTER <-> REPLICA sync: receiving streamed RDB from master with EOF to disk"
        ),
    }
    let name = format!("temp-{}.{}.rdb", clock::unix_ms() / 1000, std::process::id());
    let temporary = Temporary(PathBuf::from(name));
    let mut file = backup::files::Files::real().create(&temporary.0).map_err(|error| {
        Failure::repeating(format!(
            "Opening the temp file needed for MASTER <-> REPLICA synchronization: {error}"
        ))
    })?;
    loop {
        let taken = transfer
            .take(&wire.buffer, |part| file.write_all(part))
            .map_err(cannot("Write error or short write writing to the DB dump file needed for MASTER <-> REPLICA synchronization"))?;
        wire.buffer.drain(..taken.used);
        note_transfer(node, &transfer);
        if taken.complete {
            break;
        }
        let read = wire.fill().await?;
        node.borrow_mut().host.stats.note_link_input(read);
    }
    let done = wire.while_busy(move || file.sync_all().map(|()| temporary)).await?;
    done.map_err(cannot(
        "Error fsyncing the DB dump file needed for MASTER <-> REPLICA synchronization",
    ))
}

/// A file that is removed unless it was renamed.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = backup::files::Files::real().remove(&self.0);
    }
}

fn note_transfer(node: &SharedNode, transfer: &Transfer) {
    let now = clock::monotonic_ms();
    if let Some(link) = &mut node.borrow_mut().host.replication.link {
        link.last_io_ms = now;
        let progress = TransferProgress {
            total: transfer.total(),
            received: transfer.received(),
            last_io_ms: now,
        };
        link.transfer = Some(progress);
    }
}

/// Loads a received snapshot on another thread. If it is good, it takes the place of our own on disk, and then in memory.
async fn load(
    node: &SharedNode,
    wire: &mut Wire,
    snapshot: Temporary,
    id: ReplicationId,
    offset: Offset,
) -> Result<(), Failure> {
    tracing::info!("MASTER <-> REPLICA sync: Loading DB in memory");
    let loader = {
        let mut node = node.borrow_mut();
        if let Some(link) = &mut node.host.replication.link {
            link.transfer = None;
            link.loading.update(true);
        }
        snapshot_loader(&node)
    };
    let file = snapshot.0.clone();
    let loaded = wire.while_busy(move || loader(&file)).await?.and_then(|outcome| {
        let (selected, databases) = (outcome.selected(), outcome.dbs.len());
        match selected < databases {
            true => Ok(outcome),
            false => {
                Err(format!("its stream stands in database {selected}, there are {databases}"))
            }
        }
    });
    let outcome = loaded.map_err(|error| {
        Failure::repeating(format!(
            "Failed trying to load the MASTER synchronization DB from disk: {error}"
        ))
    })?;
    let (target, rule) = {
        let host = &mut node.borrow_mut().host;
        // What it saves is about to be replaced, and so must not come after what replaces it.
        host.kill_child(child::Kind::Save);
        (PathBuf::from(&host.settings.dbfilename), host.keep_rule())
    };
    let replaced = wire.while_busy(move || {
        backup::files::Files::real().replace_snapshot(&snapshot.0, &target, &rule)
    });
    let replaced = replaced.await?.map_err(|error| {
        Failure::repeating(format!(
            "Failed trying to rename the temp DB into the DB file in MASTER <-> REPLICA synchronization: {error}"
        ))
    })?;
    node.borrow_mut().host.note_replaced(&replaced);
    node.borrow_mut().adopt(outcome, id, offset);
    tracing::info!("MASTER <-> REPLICA sync: Finished with success");
    node.borrow().host.supervisor.synced("Finished with success");
    Ok(())
}

impl Node {
    /// Lets CLIENT LIST and CLIENT KILL know of the connection to our primary.
    fn register_link(&mut self, stream: &TcpStream, handle: Rc<Handle>) {
        let Some(link) = &self.host.replication.link else { return };
        let id = self.engine.session(link.slot).map_or(0, |session| session.id);
        let fd = stream.as_raw_fd();
        let client =
            Client::new(id, tcp_addresses(stream), fd, handle, clock::monotonic_ms() as i64);
        self.host.clients.add(link.slot, client);
    }

    fn introduction(&self) -> Introduction {
        let settings = &self.host.settings;
        let announced = settings.replica_announce_port;
        let port = if announced > 0 { announced } else { settings.port };
        let address = &settings.replica_announce_ip;
        let journal = &self.host.journal;
        let starts_over = self.host.replication.link.as_ref().is_some_and(|link| link.starts_over);
        Introduction {
            listening_port: port,
            address: (!address.is_empty()).then(|| address.clone()),
            credentials: (!settings.masterauth.is_empty())
                .then(|| (settings.masteruser.clone(), settings.masterauth.clone())),
            position: (journal.has_readers() && !starts_over)
                .then(|| (journal.history.id, journal.end())),
        }
    }

    /// The primary continues our history, perhaps under a new name.
    fn continue_history(&mut self, id: Option<ReplicationId>) {
        let journal = &mut self.host.journal;
        if let Some(id) = id.filter(|id| *id != journal.history.id) {
            let end = journal.end();
            journal.history.fork(id, end);
            tracing::info!("Master replication ID changed to {id}");
            self.close_replicas();
        }
        if !self.host.journal.has_backlog() {
            self.host.journal.start_backlog(self.host.settings.repl_backlog_size);
        }
        self.host.persistence.note_history(self.host.journal.history);
        self.link_is_up();
    }

    /// The data of the primary takes the place of ours.
    fn adopt(&mut self, outcome: load::Outcome, id: ReplicationId, offset: Offset) {
        self.begin_timer_turn();
        self.close_replicas();
        let db = outcome.selected();
        self.engine.replace_data(outcome.dbs, outcome.functions, None);
        load::remark_on(outcome.meta.as_ref(), &self.engine.functions);
        self.host.begin_history(id, offset, db);
        self.engine.dirty = 0;
        self.replace_aof();
        self.link_is_up();
        // Not before commands are let in again.
        self.see_facts();
        self.engine.serve_waiters(&mut self.host);
        self.end_turn();
    }

    fn link_is_up(&mut self) {
        let end = self.host.journal.end();
        let now = clock::monotonic_ms();
        if let Some(link) = &mut self.host.replication.link {
            link.state.update(LinkState::Connected);
            link.loading.update(false);
            link.transfer = None;
            link.was_up = true;
            link.starts_over = false;
            link.down_since_ms = None;
            link.up_since_ms = Some(now);
            link.received = end;
            link.last_io_ms = now;
        }
    }

    /// `REPLCONF ACK` for what is applied.
    fn acknowledgement(&self, offset: Offset) -> Vec<u8> {
        let mut bytes = Vec::new();
        let applied = offset.to_string();
        let durable =
            self.host.persistence.durable_offset().map(|durable| durable.min(offset).to_string());
        match &durable {
            Some(durable) => encode::command(
                &mut bytes,
                [&b"REPLCONF"[..], b"ACK", applied.as_bytes(), b"FACK", durable.as_bytes()]
                    .into_iter(),
            ),
            None => encode::command(
                &mut bytes,
                [&b"REPLCONF"[..], b"ACK", applied.as_bytes()].into_iter(),
            ),
        }
        bytes
    }
}

const SILENT: &str = "MASTER timeout: no data nor PING received...";
const CLOSED: &str = "Connection with MASTER closed by the other side";

/// Takes the stream in until the connection ends.
async fn stream_in(node: &SharedNode, mut wire: Wire) -> Result<Infallible, Failure> {
    let mut intake = Intake::new(node.borrow_mut().enter_stream());
    let first = node.borrow().acknowledgement(intake.point().applied);
    wire.send(&first).await?;
    // What came behind the snapshot, or the reply to PSYNC, in the same read.
    note_stream(node, wire.buffer.len());
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let room = Rc::clone(&node.borrow().host.persistence.queue_has_room);
    let mut silent = 0u32;
    loop {
        if !wire.buffer.is_empty() {
            let mut buffer = std::mem::take(&mut wire.buffer);
            let acks = intake.take(&mut buffer, &mut *node.borrow_mut());
            wire.buffer = buffer;
            let acks = acks?;
            node.borrow().check_stream(intake.point());
            for ack in acks {
                let bytes = node.borrow().acknowledgement(ack);
                wire.send(&bytes).await?;
            }
        }
        // Where the disk is late the stream waits in the primary, whose backlog has a bound.
        let full = node.borrow().host.persistence.append_queue_is_full();
        let has_room = room.notified();
        wire.buffer.reserve(64 * 1024 + intake.wanted(wire.buffer.len()).min(1 << 22));
        tokio::select! {
            () = has_room, if full => {}
            read = wire.stream.read_buf(&mut wire.buffer), if !full => {
                match read.map_err(failed("I/O error reading from MASTER"))? {
                    0 => return Err(Failure::network(CLOSED)),
                    read => note_stream(node, read),
                }
                silent = 0;
            }
            _ = tick.tick() => {
                silent += u32::from(!full);
                if u64::from(silent) > node.borrow().host.settings.repl_timeout as u64 {
                    return Err(Failure::network(SILENT));
                }
                let bytes = node.borrow().acknowledgement(intake.point().applied);
                wire.send(&bytes).await?;
            }
        }
    }
}

fn note_stream(node: &SharedNode, bytes: usize) {
    let host = &mut node.borrow_mut().host;
    host.stats.note_link_input(bytes);
    if let Some(link) = &mut host.replication.link {
        link.last_io_ms = clock::monotonic_ms();
        link.received = link.received.after(bytes as u64);
    }
}

impl Node {
    /// The data is at no position of the history that it came from: it begins one of its own, which nobody else has.
    fn leave_history(&mut self) {
        self.host.journal.history = History::new(new_replication_id());
        self.host.persistence.note_history(self.host.journal.history);
        self.close_replicas();
    }

    /// What holds between two pieces of the stream: the journal stands where the intake does.
    fn check_stream(&self, point: &StreamPoint) {
        let journal = &self.host.journal;
        assert_eq!(journal.end(), point.applied, "what is applied is journaled");
        assert_eq!(journal.selected(), point.db(), "the stream stands in one database");
    }

    /// The session that executes the stream goes on where the journal ends.
    fn enter_stream(&mut self) -> StreamPoint {
        let journal = &self.host.journal;
        let (end, db) = (journal.end(), journal.selected());
        if let Some(link) = &self.host.replication.link
            && let Some(session) = self.engine.session_mut(link.slot)
        {
            session.db = db;
            session.multi = None;
        }
        StreamPoint::at(end, db, self.engine.dbs.len())
    }
}

impl Outside {
    /// Goes on at `offset` of another history, in database `db`.
    fn begin_history(&mut self, id: ReplicationId, offset: Offset, db: usize) {
        // What was journaled before counts in the history before: it must not get to the disk under the new name.
        self.journal.seal();
        self.ship_to_disk();
        self.journal.history = History::new(id);
        self.journal.restart_at(offset);
        self.journal.start_backlog(self.settings.repl_backlog_size);
        self.journal.set_selected(db);
        self.persistence.note_history(self.journal.history);
    }
}

impl Target for Node {
    fn execute(&mut self, start: Offset, bytes: &[u8], batch: &Batch) -> Executed {
        self.begin_turn();
        let link = self.host.replication.link.as_ref().expect("its stream ends with the link");
        let mut session = self.engine.take_session(link.slot);
        assert_eq!(session.peer, Peer::Primary);
        session.halts = !self.host.settings.replica_ignore_unsupported;
        // Nobody reads them: what was refused is kept by the engine.
        let mut replies = std::mem::take(&mut self.host.scratch.output);
        replies.clear();
        let (count, _) =
            self.engine.execute_batch(&mut self.host, &mut session, bytes, batch, 0, &mut replies);
        self.engine.return_session(session);
        self.host.scratch.output = replies;
        let refusals = self.engine.take_refused();
        let mut executed = Executed { count, skipped: Vec::new(), end: Ok(()) };
        if !refusals.list.is_empty() {
            let offset = |index: usize| start.after(u64::from(batch.requests()[index].start));
            let halts = !self.host.settings.replica_ignore_unsupported;
            self.host.replication.refused.judge(refusals, halts, offset, &mut executed);
        }
        executed
    }

    fn journal(&mut self, kind: Kind, bytes: &[u8]) {
        self.host.journal_verbatim(kind, bytes);
    }

    fn end_batch(&mut self, db: Option<usize>) {
        if let Some(db) = db {
            self.host.journal.set_selected(db);
        }
        self.end_turn();
    }
}

#[cfg(test)]
mod tests;
