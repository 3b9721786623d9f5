//! The connection to our primary: dials it, and carries bytes between it and the node, one attempt after the other.
//!
//! # Not here
//! - what is said: `replica`; what becomes of it: `node::replication::link`

use crate::clock;
use crate::net::handle::Handle;
use crate::net::stream::tcp_addresses;
use crate::shell::{Shared, Signals};
use backup::files::Files;
use journal::{Offset, ReplicationId};
use node::Node;
use node::child;
use node::clients::Arrival;
use node::config::Settings;
use node::jobs::Temporary;
use node::persistence::load::snapshot_loader;
use node::replication::link::Failure;
use node::replication::link_state::LinkState;
use node::world::Report;
use replica::handshake::{Handshake, Outcome, Step};
use replica::intake::Intake;
use replica::retry::Retry;
use replica::transfer::{self, Transfer};
use std::convert::Infallible;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::timeout;

const SILENT: &str = "MASTER timeout: no data nor PING received...";
const CLOSED: &str = "Connection with MASTER closed by the other side";

fn failed(what: &'static str) -> impl Fn(io::Error) -> Failure {
    move |error| Failure::network(format!("{what}: {error}"))
}

/// What failed on our side, and will again.
fn cannot(what: &'static str) -> impl Fn(io::Error) -> Failure {
    move |error| Failure::repeating(format!("{what}: {error}"))
}

/// Follows whatever primary the node wants to follow, until the process ends.
pub async fn run(shell: Shared) {
    let signals = Signals::of(&shell);
    let mut task: Option<tokio::task::AbortHandle> = None;
    loop {
        signals.link_changed.notified().await;
        if let Some(task) = task.take() {
            task.abort();
        }
        let link = shell.borrow().node.host.replication.link().map(|l| (l.host.clone(), l.port));
        if let Some(address) = link {
            let follow = follow(Rc::clone(&shell), address);
            task = Some(tokio::task::spawn_local(follow).abort_handle());
        }
    }
}

/// The life of a link: one attempt after the other, until the task is aborted.
async fn follow(shell: Shared, address: (String, u16)) {
    let mut retry = Retry::default();
    loop {
        let Err(failure) = attempt(&shell, &address).await;
        let delay = with(&shell, |node| node.attempt_failed(&mut retry, failure));
        let Some(delay_ms) = delay else { return };
        if delay_ms > 0 {
            tokio::time::sleep(Duration::from_millis(delay_ms)).await;
        }
    }
}

/// Does something with the node, in a turn of its own.
fn with<T>(shell: &Shared, act: impl FnOnce(&mut Node) -> T) -> T {
    let shell = &mut *shell.borrow_mut();
    shell.node.begin_turn(clock::instant());
    let result = act(&mut shell.node);
    shell.act();
    result
}

fn settings<T>(shell: &Shared, get: impl FnOnce(&Settings) -> T) -> T {
    get(&shell.borrow().node.host.settings)
}

fn set_state(shell: &Shared, state: LinkState) {
    with(shell, |node| node.set_link_state(state));
}

/// One connection to the primary, from its beginning to its end.
async fn attempt(shell: &Shared, address: &(String, u16)) -> Result<Infallible, Failure> {
    let limit = Duration::from_secs(settings(shell, |s| s.repl_timeout as u64));
    tracing::info!("Connecting to MASTER {}:{}", address.0, address.1);
    set_state(shell, LinkState::Connecting);
    tracing::info!("MASTER <-> REPLICA sync started");
    let source = settings(shell, |s| s.bind_source_addr.clone());
    let stream = timeout(limit, connect(address, &source))
        .await
        .map_err(|_| Failure::network("Timeout connecting to the MASTER..."))?
        .map_err(failed("Error condition on socket for SYNC"))?;
    let _ = stream.set_nodelay(true);
    set_state(shell, LinkState::Handshake);
    let socket = stream.as_fd().try_clone_to_owned();
    let handle = Handle::with_socket(socket.map_err(failed("Error duplicating the socket"))?);
    let (address, local_address) = tcp_addresses(&stream);
    let arrival = Arrival { address, local_address, fd: stream.as_raw_fd(), is_unix: false };
    if let Some(slot) = with(shell, |node| node.register_link(arrival)) {
        shell.borrow_mut().register(slot, Rc::clone(&handle));
    }
    let wire = Wire { stream, buffer: Vec::new(), limit };
    tokio::select! {
        end = converse(shell, wire) => end,
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
async fn converse(shell: &Shared, mut wire: Wire) -> Result<Infallible, Failure> {
    let outcome = shake_hands(shell, &mut wire).await?;
    match outcome {
        Outcome::Later(reason) => Err(Failure::network(format!(
            "Master is currently unable to PSYNC but should be in the future: {reason}"
        ))),
        Outcome::Continue { id } => {
            tracing::info!("Successful partial resynchronization with master.");
            with(shell, |node| node.continue_history(id));
            with(shell, |node| synced(node, "Partial Resynchronization accepted"));
            stream_in(shell, wire).await
        }
        Outcome::Full { id, offset } => {
            tracing::info!("Full resync from master: {id}:{offset}");
            set_state(shell, LinkState::Sync);
            let snapshot = receive(shell, &mut wire).await?;
            load(shell, &mut wire, snapshot, id, offset).await?;
            stream_in(shell, wire).await
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

async fn shake_hands(shell: &Shared, wire: &mut Wire) -> Result<Outcome, Failure> {
    let introduction = with(shell, |node| node.introduction());
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
async fn receive(shell: &Shared, wire: &mut Wire) -> Result<Temporary, Failure> {
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
    let temporary = Temporary(Files::real(), PathBuf::from(name));
    let mut file = Files::real().create(&temporary.1).map_err(|error| {
        Failure::repeating(format!(
            "Opening the temp file needed for MASTER <-> REPLICA synchronization: {error}"
        ))
    })?;
    loop {
        let taken = transfer
            .take(&wire.buffer, |part| file.write_all(part))
            .map_err(cannot("Write error or short write writing to the DB dump file needed for MASTER <-> REPLICA synchronization"))?;
        wire.buffer.drain(..taken.used);
        with(shell, |node| node.note_transfer(transfer.total(), transfer.received()));
        if taken.complete {
            break;
        }
        let read = wire.fill().await?;
        with(shell, |node| node.host.stats.note_link_input(read));
    }
    let done = wire.while_busy(move || file.sync_all().map(|()| temporary)).await?;
    done.map_err(cannot(
        "Error fsyncing the DB dump file needed for MASTER <-> REPLICA synchronization",
    ))
}

fn synced(node: &mut Node, how: &str) {
    node.host.world.report(Report::Synced(how));
}

/// Loads a received snapshot on another thread. If it is good, it takes the place of our own on disk, and then in memory.
async fn load(
    shell: &Shared,
    wire: &mut Wire,
    snapshot: Temporary,
    id: ReplicationId,
    offset: Offset,
) -> Result<(), Failure> {
    tracing::info!("MASTER <-> REPLICA sync: Loading DB in memory");
    let loader = with(shell, |node| {
        node.begin_loading();
        snapshot_loader(node)
    });
    let file = snapshot.1.clone();
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
    let (target, rule) = with(shell, |node| {
        // What it saves is about to be replaced, and so must not come after what replaces it.
        node.host.kill_child(child::Kind::Save);
        (PathBuf::from(&node.host.settings.dbfilename), node.host.keep_rule())
    });
    let replaced =
        wire.while_busy(move || Files::real().replace_snapshot(&snapshot.1, &target, &rule));
    let replaced = replaced.await?.map_err(|error| {
        Failure::repeating(format!(
            "Failed trying to rename the temp DB into the DB file in MASTER <-> REPLICA synchronization: {error}"
        ))
    })?;
    with(shell, |node| {
        node.host.note_replaced(&replaced);
        node.adopt(outcome, id, offset);
    });
    tracing::info!("MASTER <-> REPLICA sync: Finished with success");
    with(shell, |node| synced(node, "Finished with success"));
    Ok(())
}

/// Takes the stream in until the connection ends.
async fn stream_in(shell: &Shared, mut wire: Wire) -> Result<Infallible, Failure> {
    let mut intake = Intake::new(with(shell, Node::enter_stream));
    let first = acknowledgement(shell, intake.point().applied);
    wire.send(&first).await?;
    // What came behind the snapshot, or the reply to PSYNC, in the same read.
    with(shell, |node| node.note_stream(wire.buffer.len()));
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let signals = Signals::of(shell);
    let mut silent = 0u32;
    loop {
        if !wire.buffer.is_empty() {
            let mut buffer = std::mem::take(&mut wire.buffer);
            let acks = with(shell, |node| intake.take(&mut buffer, node));
            wire.buffer = buffer;
            let acks = acks?;
            shell.borrow().node.check_stream(intake.point());
            for ack in acks {
                let bytes = acknowledgement(shell, ack);
                wire.send(&bytes).await?;
            }
        }
        // Where the disk is late the stream waits in the primary, whose backlog has a bound.
        let full = shell.borrow().node.host.persistence.append_queue_is_full();
        let has_room = signals.link_room.notified();
        wire.buffer.reserve(64 * 1024 + intake.wanted(wire.buffer.len()).min(1 << 22));
        tokio::select! {
            () = has_room, if full => {}
            read = wire.stream.read_buf(&mut wire.buffer), if !full => {
                match read.map_err(failed("I/O error reading from MASTER"))? {
                    0 => return Err(Failure::network(CLOSED)),
                    read => with(shell, |node| node.note_stream(read)),
                }
                silent = 0;
            }
            _ = tick.tick() => {
                silent += u32::from(!full);
                if u64::from(silent) > settings(shell, |s| s.repl_timeout as u64) {
                    return Err(Failure::network(SILENT));
                }
                let bytes = acknowledgement(shell, intake.point().applied);
                wire.send(&bytes).await?;
            }
        }
    }
}

fn acknowledgement(shell: &Shared, offset: Offset) -> Vec<u8> {
    shell.borrow().node.acknowledgement(offset)
}
