//! Following a primary: a task that connects, introduces itself, takes a snapshot if it must, and then the stream.
//!
//! ```text
//! Connect ─► Connecting ─► Handshake ─► Transfer ─► Loading ─► Connected
//!    ▲                         └── +CONTINUE ───────────────────► │
//!    └────────────── any error: logged, once more in a second ────┘
//! ```
//!
//! The stream is executed batch by batch and journaled verbatim, so offsets stay equal down a chain. A snapshot goes to a
//! file first and is loaded by another thread into databases of its own: until it is complete and good, the old data stays.
//!
//! # Invariants
//! - the journal's end is the applied offset: between turns they are equal
//! - one task per link; a link that was replaced does nothing any more

use crate::clients::Client;
use crate::clock;
use crate::net::handle::Handle;
use crate::net::stream::tcp_addresses;
use crate::node::{Node, SharedNode};
use backup::snapshot::{LoadOptions, LoadedMeta, load_file};
use engine::session::Peer;
use journal::{History, Kind, ReplicationId};
use keyspace::db::Db;
use protocol::resp::request::Bounds;
use protocol::resp::{Batch, Parser, encode};
use replica::handshake::{Handshake, Introduction, Outcome, Step};
use replica::stream::{Place, Position};
use replica::transfer::{self, Transfer};
use std::cell::RefCell;
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
    /// When something last came, unix milliseconds.
    pub last_io_ms: i64,
}

/// The link to our primary.
pub struct Link {
    /// Its host, as given.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How far we have come.
    pub state: LinkState,
    /// The slot of the session that executes its commands.
    pub slot: usize,
    /// When something last came, unix milliseconds.
    pub last_io_ms: i64,
    /// Since when it has been down, unix milliseconds.
    pub down_since_ms: Option<i64>,
    /// It was up at least once.
    pub was_up: bool,
    /// A snapshot is being received.
    pub transfer: Option<TransferProgress>,
    /// A snapshot is being loaded.
    pub loading: bool,
    /// Bytes of the stream received.
    pub received: u64,
    task: tokio::task::AbortHandle,
}

impl Link {
    /// Starts the task.
    pub fn start(
        host: &str,
        port: u16,
        slot: usize,
        node: Weak<RefCell<Node>>,
        now_ms: i64,
    ) -> Link {
        let address = (host.to_string(), port);
        let task = tokio::task::spawn_local(async move {
            if let Some(node) = node.upgrade() {
                follow(node, address).await;
            }
        });
        Link {
            host: host.to_string(),
            port,
            state: LinkState::Connect,
            slot,
            last_io_ms: now_ms,
            down_since_ms: Some(now_ms),
            was_up: false,
            transfer: None,
            loading: false,
            received: 0,
            task: task.abort_handle(),
        }
    }

    /// Ends the task.
    pub fn stop(&self) {
        self.task.abort();
    }

    /// Whether the stream flows.
    pub fn is_up(&self) -> bool {
        self.state == LinkState::Connected
    }
}

/// Why an attempt ended: a line for the log.
type Failure = String;

fn failed(what: &'static str) -> impl Fn(std::io::Error) -> Failure {
    move |error| format!("{what}: {error}")
}

/// The life of a link: one attempt after the other, until the task is aborted.
async fn follow(node: SharedNode, address: (String, u16)) {
    loop {
        let attempt = attempt(&node, &address).await;
        let was_connected = {
            let node = &mut *node.borrow_mut();
            let now = clock::unix_ms();
            let Some(link) = &mut node.host.replication.link else { return };
            node.host.clients.remove(link.slot);
            if let Some(session) = node.engine.session_mut(link.slot) {
                // What came of a transaction without its end comes again.
                session.multi = None;
            }
            let was_connected = link.state == LinkState::Connected;
            link.state = LinkState::Connect;
            link.transfer = None;
            link.loading = false;
            if was_connected {
                link.down_since_ms = Some(now);
                tracing::info!("Connection with master lost.");
                tracing::info!("Caching the disconnected master state.");
            }
            node.refresh_conditions();
            was_connected
        };
        if let Err(failure) = attempt {
            tracing::warn!("{failure}");
        }
        if !was_connected {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

fn set_state(node: &SharedNode, state: LinkState) {
    let node = &mut *node.borrow_mut();
    if let Some(link) = &mut node.host.replication.link {
        link.state = state;
        link.last_io_ms = clock::unix_ms();
    }
    node.refresh_conditions();
}

/// One connection to the primary, from its beginning to its end.
async fn attempt(node: &SharedNode, address: &(String, u16)) -> Result<(), Failure> {
    let limit = Duration::from_secs(node.borrow().host.settings.repl_timeout as u64);
    tracing::info!("Connecting to MASTER {}:{}", address.0, address.1);
    set_state(node, LinkState::Connecting);
    tracing::info!("MASTER <-> REPLICA sync started");
    let source = node.borrow().host.settings.bind_source_addr.clone();
    let stream = timeout(limit, connect(address, &source))
        .await
        .map_err(|_| "Timeout connecting to the MASTER...".to_string())?
        .map_err(failed("Error condition on socket for SYNC"))?;
    let _ = stream.set_nodelay(true);
    set_state(node, LinkState::Handshake);
    let socket = stream.as_fd().try_clone_to_owned();
    let handle = Handle::with_socket(socket.map_err(failed("Error duplicating the socket"))?);
    node.borrow_mut().register_link(&stream, Rc::clone(&handle));
    let wire = Wire { stream, buffer: Vec::new(), limit };
    tokio::select! {
        end = converse(node, wire) => end,
        () = handle.killed() => Err("Connection with MASTER was closed by CLIENT KILL".into()),
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
async fn converse(node: &SharedNode, mut wire: Wire) -> Result<(), Failure> {
    let outcome = shake_hands(node, &mut wire).await?;
    match outcome {
        Outcome::Later(reason) => Err(format!(
            "Master is currently unable to PSYNC but should be in the future: {reason}"
        )),
        Outcome::Continue { id } => {
            tracing::info!("Successful partial resynchronization with master.");
            node.borrow_mut().continue_history(id);
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
            Err(_) => Err("MASTER timeout: no data nor PING received...".into()),
            Ok(Err(error)) => Err(format!("I/O error reading from MASTER: {error}")),
            Ok(Ok(0)) => Err("Connection with MASTER closed by the other side".into()),
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
                return Err(format!("MASTER sent a line of more than {most} bytes"));
            }
            self.fill().await?;
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        timeout(self.limit, self.stream.write_all(bytes))
            .await
            .map_err(|_| "Timeout writing to MASTER".to_string())?
            .map_err(failed("Error writing to MASTER"))
    }
}

async fn shake_hands(node: &SharedNode, wire: &mut Wire) -> Result<Outcome, Failure> {
    let introduction = node.borrow().introduction();
    match &introduction.position {
        Some((id, offset)) => {
            tracing::info!("Trying a partial resynchronization (request {id}:{}).", offset + 1);
        }
        None => tracing::info!("Partial resynchronization not possible (no cached master)"),
    }
    let (mut handshake, first) = Handshake::begin(introduction);
    wire.send(&first).await?;
    loop {
        let line = wire.line(replica::handshake::LINE_MAX).await?;
        match handshake.line(&line).map_err(|error| error.to_string())? {
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
        if let Some(form) = transfer::header(&line).map_err(|error| error.to_string())? {
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
    let mut file = backup::files::create(&temporary.0).map_err(|error| error.to_string())?;
    loop {
        let taken = transfer
            .take(&wire.buffer, |part| file.write_all(part))
            .map_err(failed("Write error or short write writing to the DB dump file needed for MASTER <-> REPLICA synchronization"))?;
        wire.buffer.drain(..taken.used);
        note_transfer(node, &transfer);
        if taken.complete {
            break;
        }
        let read = wire.fill().await?;
        node.borrow_mut().host.stats.repl_input_bytes += read as u64;
    }
    let done = tokio::task::spawn_blocking(move || {
        file.sync_all().map_err(|error| error.to_string())?;
        Ok::<Temporary, Failure>(temporary)
    });
    done.await.map_err(|error| error.to_string())?
}

/// A file that is removed unless it was renamed.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = backup::files::remove(&self.0);
    }
}

fn note_transfer(node: &SharedNode, transfer: &Transfer) {
    let now = clock::unix_ms();
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
    offset: u64,
) -> Result<(), Failure> {
    tracing::info!("MASTER <-> REPLICA sync: Loading DB in memory");
    let (databases, limits) = {
        let mut node = node.borrow_mut();
        if let Some(link) = &mut node.host.replication.link {
            link.transfer = None;
            link.loading = true;
        }
        node.refresh_conditions();
        (node.engine.dbs.len(), node.engine.limits)
    };
    let file = snapshot.0.clone();
    let mut loading = tokio::task::spawn_blocking(move || {
        let mut dbs: Vec<Db> = (0..databases).map(|_| Db::new()).collect();
        let now_ms = clock::unix_ms();
        let access = |_: &_| (now_ms / 1000) as u32 & 0xff_ffff;
        let options = LoadOptions { now_ms, drop_expired: false, checksum: true, clock: &access };
        load_file(&file, &mut dbs, &limits, options, &mut |_| ()).map(|meta| (dbs, meta))
    });
    // The primary must not think that we are gone.
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    let loaded = loop {
        tokio::select! {
            loaded = &mut loading => break loaded,
            _ = tick.tick() => wire.send(b"\n").await?,
        }
    };
    let (dbs, meta) = loaded.map_err(|error| error.to_string())?.map_err(|error| {
        format!("Failed trying to load the MASTER synchronization DB from disk: {error}")
    })?;
    let target = PathBuf::from(&node.borrow().host.settings.dbfilename);
    let renamed = tokio::task::spawn_blocking(move || {
        backup::files::rename_synced(&snapshot.0, &target).map_err(|error| error.to_string())
    });
    renamed.await.map_err(|error| error.to_string())??;
    node.borrow_mut().adopt(dbs, &meta, id, offset);
    tracing::info!("MASTER <-> REPLICA sync: Finished with success");
    Ok(())
}

impl Node {
    /// Lets CLIENT LIST and CLIENT KILL know of the connection to our primary.
    fn register_link(&mut self, stream: &TcpStream, handle: Rc<Handle>) {
        let Some(link) = &self.host.replication.link else { return };
        let id = self.engine.session(link.slot).map_or(0, |session| session.id);
        let fd = stream.as_raw_fd();
        let client = Client::new(id, tcp_addresses(stream), fd, handle, clock::unix_ms());
        self.host.clients.add(link.slot, client);
    }

    fn introduction(&self) -> Introduction {
        let settings = &self.host.settings;
        let announced = settings.replica_announce_port;
        let port = if announced > 0 { announced } else { settings.port };
        let address = &settings.replica_announce_ip;
        let journal = &self.host.journal;
        Introduction {
            listening_port: port,
            address: (!address.is_empty()).then(|| address.clone()),
            credentials: (!settings.masterauth.is_empty())
                .then(|| (settings.masteruser.clone(), settings.masterauth.clone())),
            position: journal.has_readers().then(|| (journal.history.id, journal.end())),
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
    fn adopt(&mut self, dbs: Vec<Db>, meta: &LoadedMeta, id: ReplicationId, offset: u64) {
        self.close_replicas();
        let old = std::mem::replace(&mut self.engine.dbs, dbs);
        self.engine.garbage_dbs.extend(old);
        self.engine.forget_own_expiring();
        self.engine.functions = meta.functions.clone();
        let journal = &mut self.host.journal;
        journal.seal();
        journal.history = History::new(id);
        journal.restart_at(offset);
        journal.start_backlog(self.host.settings.repl_backlog_size);
        let db = meta.replication.map_or(0, |point| point.stream_db as usize);
        journal.set_selected(Some(db));
        if let Some(link) = &self.host.replication.link
            && let Some(session) = self.engine.session_mut(link.slot)
        {
            session.db = db;
            session.multi = None;
        }
        self.engine.dirty = 0;
        self.host.persistence.note_history(self.host.journal.history);
        self.replace_aof();
        self.end_turn();
        self.link_is_up();
    }

    fn link_is_up(&mut self) {
        let end = self.host.journal.end();
        if let Some(link) = &mut self.host.replication.link {
            link.state = LinkState::Connected;
            link.loading = false;
            link.transfer = None;
            link.was_up = true;
            link.down_since_ms = None;
            link.received = end;
            link.last_io_ms = clock::unix_ms();
        }
        self.refresh_conditions();
    }

    /// `REPLCONF ACK` for what is applied.
    fn acknowledgement(&self, offset: u64) -> Vec<u8> {
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

/// Takes the stream in until the connection ends.
async fn stream_in(node: &SharedNode, mut wire: Wire) -> Result<(), Failure> {
    let mut intake = Intake::new(node.borrow().host.journal.end());
    let first = node.borrow().acknowledgement(intake.position.applied);
    wire.send(&first).await?;
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut silent = 0u32;
    loop {
        if !wire.buffer.is_empty() {
            let mut buffer = std::mem::take(&mut wire.buffer);
            let acks = intake.take(&mut node.borrow_mut(), &mut buffer)?;
            wire.buffer = buffer;
            for ack in acks {
                let bytes = node.borrow().acknowledgement(ack);
                wire.send(&bytes).await?;
            }
        }
        wire.buffer.reserve(64 * 1024 + intake.parser.wanted(wire.buffer.len()).min(1 << 22));
        tokio::select! {
            read = wire.stream.read_buf(&mut wire.buffer) => {
                match read.map_err(failed("I/O error reading from MASTER"))? {
                    0 => return Err("Connection with MASTER closed by the other side".into()),
                    read => note_stream(node, read),
                }
                silent = 0;
            }
            _ = tick.tick() => {
                silent += 1;
                if u64::from(silent) > node.borrow().host.settings.repl_timeout as u64 {
                    return Err("MASTER timeout: no data nor PING received...".into());
                }
                let bytes = node.borrow().acknowledgement(intake.position.applied);
                wire.send(&bytes).await?;
            }
        }
    }
}

fn note_stream(node: &SharedNode, bytes: usize) {
    let host = &mut node.borrow_mut().host;
    host.stats.repl_input_bytes += bytes as u64;
    if let Some(link) = &mut host.replication.link {
        link.last_io_ms = clock::unix_ms();
        link.received += bytes as u64;
    }
}

/// Executes what the stream brings.
struct Intake {
    position: Position,
    parser: Parser,
    batch: Batch,
    /// Bytes of a transaction that has not ended.
    open: Vec<u8>,
    /// Requests executed in a turn.
    replies: Vec<u8>,
}

/// Requests of the stream executed before clients get a turn.
const STREAM_BATCH: usize = 2048;

impl Intake {
    fn new(offset: u64) -> Intake {
        Intake {
            position: Position::at(offset),
            parser: Parser::default(),
            batch: Batch::default(),
            open: Vec::new(),
            replies: Vec::new(),
        }
    }

    /// Executes the whole requests in `buffer` and removes them. Returns the offsets that the primary asks to be acknowledged.
    fn take(&mut self, node: &mut Node, buffer: &mut Vec<u8>) -> Result<Vec<u64>, Failure> {
        let mut acks = Vec::new();
        loop {
            self.batch.clear();
            let bounds = Bounds { bulk_max: i64::from(u32::MAX) - 1, authenticated: true };
            let (used, parsed) = self.parser.parse(buffer, bounds, STREAM_BATCH, &mut self.batch);
            self.position.receive(used);
            let count = self.batch.requests().len();
            self.execute(node, &buffer[..used], &mut acks)?;
            buffer.drain(..used);
            parsed.map_err(|error| format!("Protocol error from MASTER: {}", error.text))?;
            if count < STREAM_BATCH {
                return Ok(acks);
            }
        }
    }

    fn execute(
        &mut self,
        node: &mut Node,
        bytes: &[u8],
        acks: &mut Vec<u64>,
    ) -> Result<(), Failure> {
        let requests = self.batch.requests();
        let mut end = 0;
        for request in requests {
            if !request.array || request.start != end {
                return Err(
                    "Protocol error from MASTER: something that is no command in the stream".into(),
                );
            }
            end = request.end;
        }
        if end as usize != bytes.len() {
            return Err(
                "Protocol error from MASTER: something that is no command in the stream".into()
            );
        }
        if requests.is_empty() {
            return Ok(());
        }
        node.begin_turn();
        let Some(link) = &node.host.replication.link else { return Ok(()) };
        let mut session = node.engine.take_session(link.slot);
        debug_assert_eq!(session.peer, Peer::Primary);
        self.replies.clear();
        node.engine.execute_batch(
            &mut node.host,
            &mut session,
            bytes,
            &self.batch,
            0,
            &mut self.replies,
        );
        let selected = session.db;
        node.engine.return_session(session);
        self.pass_on(node, bytes, acks);
        if self.open.is_empty() {
            node.host.journal.set_selected(Some(selected));
        }
        node.end_turn();
        Ok(())
    }

    /// Journals the units that ended, verbatim, and moves the applied offset.
    ///
    /// What changes no data (PING, GETACK, PUBLISH) counts and goes on to our replicas, but not to disk.
    fn pass_on(&mut self, node: &mut Node, bytes: &[u8], acks: &mut Vec<u64>) {
        let (mut from, mut upto) = (0usize, 0usize);
        let batch = std::mem::take(&mut self.batch);
        for request in batch.requests() {
            let args = batch.args(bytes, request);
            let name = args.at(0);
            let was_inside = self.position.is_inside();
            if self.position.command(name) != Place::Ends {
                continue;
            }
            let end = request.end as usize;
            if was_inside || !is_control(name) {
                upto = end;
                if was_inside && !self.open.is_empty() {
                    self.open.extend_from_slice(&bytes[from..upto]);
                    let unit = std::mem::take(&mut self.open);
                    self.journal(node, Kind::Effect, &unit);
                    from = upto;
                }
                continue;
            }
            self.journal(node, Kind::Effect, &bytes[from..upto]);
            if name.eq_ignore_ascii_case(b"REPLCONF") {
                acks.push(self.position.applied);
            }
            self.journal(node, Kind::Control, &bytes[upto..end]);
            (from, upto) = (end, end);
        }
        self.batch = batch;
        self.journal(node, Kind::Effect, &bytes[from..upto]);
        self.open.extend_from_slice(&bytes[upto..]);
        debug_assert_eq!(node.host.journal.end(), self.position.applied);
    }

    fn journal(&mut self, node: &mut Node, kind: Kind, bytes: &[u8]) {
        if !bytes.is_empty() {
            node.host.journal_verbatim(kind, bytes);
            self.position.apply(bytes.len());
        }
    }
}

/// Whether a command of the stream changes no data.
fn is_control(name: &[u8]) -> bool {
    [&b"PING"[..], b"REPLCONF", b"PUBLISH", b"SPUBLISH"]
        .iter()
        .any(|control| name.eq_ignore_ascii_case(control))
}
