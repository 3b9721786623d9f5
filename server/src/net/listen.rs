//! What we listen on, and who is let in.

use super::connection::Connection;
use super::handle::Handle;
use super::stream::Stream;
use crate::shell::Shared;
use node::config::Settings;
use rustix::net::sockopt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::os::fd::AsFd;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, UnixListener, UnixSocket};
use tokio::task::AbortHandle;

/// After an attempt to accept that failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How often the log says that attempts fail.
const ACCEPT_LOG_PERIOD: Duration = Duration::from_secs(10);

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

/// Bytes that the path of a Unix socket may have, the zero at its end left out. Source: unix(7).
const UNIX_PATH_MAX: usize = 107;

/// A Unix socket that has its place and its permissions, and does not listen: nobody gets in before they hold. One that a
/// process before us left behind is replaced.
fn place_unix(path: &Path, mode: Option<u32>) -> io::Result<UnixSocket> {
    if path.as_os_str().len() > UNIX_PATH_MAX {
        let text = format!("a path may have {UNIX_PATH_MAX} bytes, this one has more");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let socket = UnixSocket::new_stream()?;
    socket.bind(path)?;
    if let Some(mode) = mode {
        let mode = rustix::fs::Mode::from_raw_mode(mode);
        rustix::fs::chmod(path, mode)?;
    }
    Ok(socket)
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

/// Binds the Unix socket that the configuration names, and accepts from then on.
pub fn start_unix(shell: &Shared) -> Result<(), String> {
    let node = &shell.borrow().node;
    let settings = &node.host.settings;
    let path = &settings.unixsocket;
    if !path.is_empty() {
        let mode = Some(settings.unixsocketperm).filter(|mode| *mode > 0);
        let listener = place_unix(Path::new(path), mode)
            .and_then(|socket| socket.listen(settings.tcp_backlog))
            .map_err(|error| format!("Failed opening Unix socket: bind: {error}"))?;
        tokio::task::spawn_local(accept(Listener::Unix(listener), Rc::clone(shell)));
    }
    Ok(())
}

/// Accepts on all of these from now on.
pub fn accept_all(bound: Vec<Listener>, shell: &Shared) -> Vec<AbortHandle> {
    let accept = |listener| tokio::task::spawn_local(accept(listener, Rc::clone(shell)));
    bound.into_iter().map(|listener| accept(listener).abort_handle()).collect()
}

/// Binds the TCP addresses of the configuration.
pub fn bind_configured(settings: &Settings) -> Result<Vec<Listener>, String> {
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

/// Accepts connections until the process ends.
async fn accept(listener: Listener, shell: Shared) {
    let mut failures = AcceptFailures::default();
    loop {
        let accepted = match &listener {
            Listener::Tcp(listener) => listener.accept().await.map(|(s, _)| Stream::Tcp(s)),
            Listener::Unix(listener) => listener.accept().await.map(|(s, _)| Stream::Unix(s)),
        };
        match accepted {
            Ok(stream) => {
                failures.end();
                admit(stream, &shell);
            }
            // The client was quicker.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                failures.note(&error, crate::clock::monotonic_ns());
                // Out of descriptors or memory: the next try would fail at once as well.
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Attempts to accept that failed, one after the other. They are many when descriptors are short, and say the same.
#[derive(Default)]
struct AcceptFailures {
    count: u64,
    said_at_ns: Option<u64>,
}

impl AcceptFailures {
    /// One failed: the log says so, if it has not for a while.
    fn note(&mut self, error: &io::Error, now_ns: u64) {
        self.count += 1;
        let long_ago = |at: u64| now_ns.saturating_sub(at) >= ACCEPT_LOG_PERIOD.as_nanos() as u64;
        if self.said_at_ns.is_none_or(long_ago) {
            self.said_at_ns = Some(now_ns);
            tracing::warn!("Accepting client connection: {error} ({} attempts)", self.count);
        }
    }

    /// One succeeded.
    fn end(&mut self) {
        self.count = 0;
    }
}

/// Lets a client in, or tells it why not.
fn admit(stream: Stream, shared: &Shared) {
    let shell = &mut *shared.borrow_mut();
    let local = match &stream {
        Stream::Tcp(tcp) => tcp.peer_addr().is_ok_and(|a| a.ip().to_canonical().is_loopback()),
        Stream::Unix(_) => true,
    };
    if let Some(text) = shell.node.refuses_client(local) {
        shell.node.host.stats.rejected_connections += 1;
        // The client may be gone already; what it misses is a reason.
        let _ = match &stream {
            Stream::Tcp(tcp) => tcp.try_write(text.as_bytes()),
            Stream::Unix(unix) => unix.try_write(text.as_bytes()),
        };
        return;
    }
    if let Err(error) = tune(&stream, shell.node.host.settings.tcp_keepalive as u64) {
        tracing::debug!("Setting socket options: {error}");
    }
    let handle = Handle::new();
    let slot = shell.admit(stream.arrival(), Rc::clone(&handle));
    let connection = Connection::new(stream, Rc::clone(shared), slot, handle);
    tokio::task::spawn_local(connection);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixStream;

    /// As a client sees it that tries at every moment: it is refused until the permissions are in force.
    #[tokio::test]
    async fn a_unix_socket_has_its_permissions_before_it_listens() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("socket");
        for mode in [0o700, 0o777, 0o600] {
            let socket = place_unix(&path, Some(mode)).expect("a place");
            let metadata = std::fs::metadata(&path).expect("it is there");
            assert_eq!(metadata.permissions().mode() & 0o777, mode);
            let refused = UnixStream::connect(&path).expect_err("it does not listen");
            assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
            let listener = socket.listen(8).expect("a listener");
            UnixStream::connect(&path).expect("it listens");
            drop(listener);
        }
    }

    #[test]
    fn what_fails_many_times_is_said_now_and_then() {
        let mut failures = AcceptFailures::default();
        let error = io::Error::other("too many open files");
        let period = ACCEPT_LOG_PERIOD.as_nanos() as u64;
        failures.note(&error, 5);
        assert_eq!((failures.count, failures.said_at_ns), (1, Some(5)));
        failures.note(&error, period);
        assert_eq!((failures.count, failures.said_at_ns), (2, Some(5)));
        failures.note(&error, period + 5);
        assert_eq!((failures.count, failures.said_at_ns), (3, Some(period + 5)));
        failures.end();
        assert_eq!(failures.count, 0);
    }
}
