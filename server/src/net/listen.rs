//! What we listen on, and who is let in.

use super::connection::Connection;
use super::handle::Handle;
use super::stream::Stream;
use crate::config::Settings;
use crate::node::{Outside, SharedNode};
use rustix::net::sockopt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::os::fd::AsFd;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, UnixListener};

/// A bound listener.
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// Unix domain.
    Unix(UnixListener),
}

/// Binds a TCP address.
pub fn bind_tcp(address: IpAddr, port: u16, backlog: u32) -> io::Result<Listener> {
    let socket = match address {
        IpAddr::V4(_) => TcpSocket::new_v4()?,
        IpAddr::V6(_) => {
            let socket = TcpSocket::new_v6()?;
            sockopt::set_ipv6_v6only(&socket, true)?;
            socket
        }
    };
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::new(address, port))?;
    Ok(Listener::Tcp(socket.listen(backlog)?))
}

/// Binds a Unix socket; one that a process before us left behind is replaced.
pub fn bind_unix(path: &Path, mode: Option<u32>) -> io::Result<Listener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    if let Some(mode) = mode {
        let mode = rustix::fs::Mode::from_raw_mode(mode);
        rustix::fs::chmod(path, mode)?;
    }
    Ok(Listener::Unix(listener))
}

/// Sets what every client's TCP socket gets.
pub fn tune(stream: &Stream, keepalive_s: u64) -> io::Result<()> {
    let Stream::Tcp(tcp) = stream else { return Ok(()) };
    tcp.set_nodelay(true)?;
    if keepalive_s > 0 {
        let fd = stream.as_fd();
        sockopt::set_socket_keepalive(fd, true)?;
        sockopt::set_tcp_keepidle(fd, Duration::from_secs(keepalive_s))?;
        sockopt::set_tcp_keepintvl(fd, Duration::from_secs((keepalive_s / 3).max(1)))?;
        sockopt::set_tcp_keepcnt(fd, 3)?;
    }
    Ok(())
}

/// Binds everything that the configuration names, and accepts from then on.
pub fn start(node: &SharedNode) -> Result<(), String> {
    let host = &mut node.borrow_mut().host;
    let mut tasks = Vec::new();
    for listener in bind_configured(&host.settings)? {
        tasks.push(tokio::task::spawn_local(accept(listener, Rc::clone(node))).abort_handle());
    }
    host.listeners = tasks;
    let path = &host.settings.unixsocket;
    if !path.is_empty() {
        let mode = Some(host.settings.unixsocketperm).filter(|mode| *mode > 0);
        let listener = bind_unix(Path::new(path), mode)
            .map_err(|error| format!("Failed opening Unix socket: bind: {error}"))?;
        tokio::task::spawn_local(accept(listener, Rc::clone(node)));
    }
    Ok(())
}

/// Binds the TCP addresses of the configuration.
fn bind_configured(settings: &Settings) -> Result<Vec<Listener>, String> {
    let mut bound = Vec::new();
    if settings.port == 0 {
        return Ok(bound);
    }
    for text in &settings.bind.0 {
        let (optional, name) = match text.strip_prefix('-') {
            Some(name) => (true, name),
            None => (false, text.as_str()),
        };
        let address = match name {
            "" => continue,
            "*" => Ok(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            "::*" => Ok(IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
            name => resolve(name, settings.port),
        };
        let listener = address.and_then(|a| bind_tcp(a, settings.port, settings.tcp_backlog));
        match listener {
            Ok(listener) => bound.push(listener),
            Err(_) if optional => {}
            Err(error) => {
                let port = settings.port;
                tracing::warn!(
                    "Warning: Could not create server TCP listening socket {name}:{port}: {error}"
                );
                return Err(format!("Failed listening on port {port} (tcp), aborting."));
            }
        }
    }
    if bound.is_empty() && !settings.bind.0.is_empty() {
        return Err(format!("Failed listening on port {} (tcp), aborting.", settings.port));
    }
    Ok(bound)
}

fn resolve(name: &str, port: u16) -> io::Result<IpAddr> {
    let mut found = (name, port).to_socket_addrs()?;
    found.next().map(|address| address.ip()).ok_or_else(|| io::ErrorKind::NotFound.into())
}

impl Outside {
    /// `port` or `bind` was changed: listens there instead.
    pub fn relisten(&mut self) -> Result<(), String> {
        let node = self.myself.upgrade().ok_or("the process is ending")?;
        let bound = bind_configured(&self.settings)
            .map_err(|_| "Unable to listen on this port. Check server logs.".to_string())?;
        for task in self.listeners.drain(..) {
            task.abort();
        }
        for listener in bound {
            let task = tokio::task::spawn_local(accept(listener, Rc::clone(&node)));
            self.listeners.push(task.abort_handle());
        }
        Ok(())
    }
}

/// Accepts connections until the process ends.
pub async fn accept(listener: Listener, node: SharedNode) {
    loop {
        let accepted = match &listener {
            Listener::Tcp(listener) => listener.accept().await.map(|(s, _)| Stream::Tcp(s)),
            Listener::Unix(listener) => listener.accept().await.map(|(s, _)| Stream::Unix(s)),
        };
        match accepted {
            Ok(stream) => admit(stream, &node),
            Err(error) => {
                tracing::warn!("Accepting client connection: {error}");
                // Out of descriptors: the next try would fail at once as well.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// Lets a client in, or tells it why not.
fn admit(stream: Stream, node: &SharedNode) {
    let refused = {
        let node = node.borrow();
        let local = match &stream {
            Stream::Tcp(tcp) => tcp.peer_addr().is_ok_and(|a| a.ip().to_canonical().is_loopback()),
            Stream::Unix(_) => true,
        };
        node.refuses_client(local)
    };
    if let Some(text) = refused {
        node.borrow_mut().host.stats.rejected_connections += 1;
        // The client may be gone already; what it misses is a reason.
        let _ = match &stream {
            Stream::Tcp(tcp) => tcp.try_write(text.as_bytes()),
            Stream::Unix(unix) => unix.try_write(text.as_bytes()),
        };
        return;
    }
    let keepalive_s = node.borrow().host.settings.tcp_keepalive as u64;
    if let Err(error) = tune(&stream, keepalive_s) {
        tracing::debug!("Setting socket options: {error}");
    }
    let handle = Handle::new();
    let slot = node.borrow_mut().add_client(&stream, Rc::clone(&handle));
    let connection = Connection::new(stream, Rc::clone(node), slot, handle);
    tokio::task::spawn_local(connection);
}
