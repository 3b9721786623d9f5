//! The connection to our primary: dials when the node says so, and carries bytes between the socket and the node.
//!
//! ```text
//! node: dial ─► a task for the attempt ─► connected ─► reads as much as the node wants, writes what it says ─► closed
//! node: send ─► the task's queue;  close ─► the task ends
//! ```
//!
//! # Not here
//! - what is said, and when it is tried again: `replica::link`

use crate::clock;
use crate::net::handle::Handle;
use crate::net::stream::tcp_addresses;
use crate::shell::{Shared, Signals};
use node::Event;
use node::clients::Arrival;
use replica::link::{Action, Attempt, Event as LinkEvent};
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};
use std::rc::Rc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;

/// The attempt under way.
struct Dialled {
    attempt: Attempt,
    task: AbortHandle,
    /// What is to be sent. What waits there has a bound: the task takes all of it before it reads again, and the node says
    /// no more while a connection is stuck. So it is what one read, and the timers meanwhile, make the node say.
    outgoing: UnboundedSender<Vec<u8>>,
}

/// Does what the node's link wants done, until the process ends.
pub async fn run(shell: Shared) {
    let signals = Signals::of(&shell);
    let mut dialled: Option<Dialled> = None;
    loop {
        let Some(action) = shell.borrow_mut().link_actions.pop_front() else {
            signals.link.notified().await;
            continue;
        };
        match action {
            Action::Dial(attempt) => {
                let (outgoing, queue) = unbounded_channel();
                let task = tokio::task::spawn_local(dial(Rc::clone(&shell), attempt, queue));
                let next = Dialled { attempt, task: task.abort_handle(), outgoing };
                if let Some(before) = dialled.replace(next) {
                    before.task.abort();
                }
            }
            Action::Send(attempt, bytes) => {
                if let Some(dialled) = dialled.as_ref().filter(|one| one.attempt == attempt) {
                    // A task that has just ended takes no more.
                    let _ = dialled.outgoing.send(bytes);
                }
            }
            Action::Close(attempt) => {
                if let Some(dialled) = dialled.take_if(|one| one.attempt == attempt) {
                    dialled.task.abort();
                }
            }
            Action::Start(..) => unreachable!("the node starts jobs itself"),
        }
    }
}

/// What happens to an attempt.
type Happened = LinkEvent<node::persistence::loader::Outcome>;

fn tell(shell: &Shared, attempt: Attempt, event: Happened) {
    shell.borrow_mut().turn(Event::Link(attempt, Box::new(event)));
}

/// The life of an attempt. It is aborted when the node closes it.
async fn dial(shell: Shared, attempt: Attempt, queue: UnboundedReceiver<Vec<u8>>) {
    let (address, source) = {
        let host = &shell.borrow().node.host;
        let Some(following) = host.replication.following() else { return };
        let address = (following.host.clone(), following.port);
        (address, host.settings.bind_source_addr.clone())
    };
    let stream = match connect(&address, &source).await {
        Ok(stream) => stream,
        Err(error) => return tell(&shell, attempt, LinkEvent::DialFailed(error.to_string())),
    };
    let _ = stream.set_nodelay(true);
    let handle = match stream.as_fd().try_clone_to_owned() {
        Ok(socket) => Handle::with_socket(socket),
        Err(error) => return tell(&shell, attempt, LinkEvent::DialFailed(error.to_string())),
    };
    let _registered = Registered::new(&shell, attempt, &stream, &handle);
    tell(&shell, attempt, LinkEvent::Connected);
    let wire = Wire { shell: Rc::clone(&shell), attempt, queue, out: VecDeque::new() };
    let end = tokio::select! {
        end = wire.carry(stream) => end,
        () = handle.killed() => LinkEvent::Killed,
    };
    tell(&shell, attempt, end);
}

/// CLIENT LIST and CLIENT KILL know of the connection, which has a handle as long as this lives: the handle has a duplicate of
/// the socket, and while that is open the other side does not see that we have closed ours.
struct Registered {
    shell: Shared,
    slot: Option<usize>,
    handle: Rc<Handle>,
}

impl Registered {
    fn new(
        shared: &Shared,
        attempt: Attempt,
        stream: &TcpStream,
        handle: &Rc<Handle>,
    ) -> Registered {
        let (address, local_address) = tcp_addresses(stream);
        let arrival = Arrival { address, local_address, fd: stream.as_raw_fd(), is_unix: false };
        let shell = &mut *shared.borrow_mut();
        shell.node.host.now = clock::instant();
        let slot = shell.node.register_link(attempt, arrival);
        if let Some(slot) = slot {
            shell.handles.register(slot, Rc::clone(handle));
        }
        Registered { shell: Rc::clone(shared), slot, handle: Rc::clone(handle) }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        if let (Some(slot), Ok(shell)) = (self.slot, self.shell.try_borrow()) {
            shell.handles.forget(slot, &self.handle);
        }
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

/// Bytes between a socket and the node.
struct Wire {
    shell: Shared,
    attempt: Attempt,
    queue: UnboundedReceiver<Vec<u8>>,
    /// What the socket did not take at once.
    out: VecDeque<u8>,
}

impl Wire {
    /// Carries bytes until one side ends it. Returns why.
    async fn carry(mut self, mut stream: TcpStream) -> Happened {
        let signals = Signals::of(&self.shell);
        let (mut reader, mut writer) = stream.split();
        let mut buffer: Vec<u8> = Vec::new();
        loop {
            // Asked for before the node is, so that a change in between is not missed.
            let room = signals.link_room.notified();
            let wanted = self.shell.borrow().node.link_read_size(buffer.len());
            buffer.reserve(wanted);
            tokio::select! {
                biased;
                bytes = self.queue.recv() => {
                    let Some(bytes) = bytes else { return LinkEvent::Closed };
                    let before = self.out.is_empty();
                    self.out.extend(bytes);
                    if let Err(error) = self.write_some(writer.as_ref()) {
                        self.cannot_send(&error);
                    } else if before && !self.out.is_empty() {
                        tell(&self.shell, self.attempt, LinkEvent::Stuck);
                    }
                }
                written = writer.write(self.out.as_slices().0), if !self.out.is_empty() => {
                    match written {
                        Ok(written) => drop(self.out.drain(..written)),
                        Err(error) => {
                            self.cannot_send(&error);
                            continue;
                        }
                    }
                    if self.out.is_empty() {
                        tell(&self.shell, self.attempt, LinkEvent::Drained);
                    }
                }
                read = reader.read_buf(&mut buffer), if wanted > 0 => match read {
                    Ok(0) => return LinkEvent::Closed,
                    Ok(_) => {
                        let event = Event::LinkBytes(self.attempt, &mut buffer);
                        self.shell.borrow_mut().turn(event);
                    }
                    Err(error) => return LinkEvent::ReadFailed(error.to_string()),
                },
                () = room, if wanted == 0 => {}
            }
            if wanted == 0 && !buffer.is_empty() {
                // A job has ended, or there is room again: what had come is looked at.
                let event = Event::LinkBytes(self.attempt, &mut buffer);
                self.shell.borrow_mut().turn(event);
            }
        }
    }

    /// The socket takes nothing any more. The node closes it, or wants what has come on it all the same.
    fn cannot_send(&mut self, error: &io::Error) {
        self.out.clear();
        tell(&self.shell, self.attempt, LinkEvent::SendFailed(error.to_string()));
    }

    /// Writes what the socket takes at once.
    fn write_some(&mut self, stream: &TcpStream) -> io::Result<()> {
        while !self.out.is_empty() {
            match stream.try_write(self.out.as_slices().0) {
                Ok(written) => drop(self.out.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
