//! What we listen on, and who is let in.

use super::connection::Connection;
use super::handle::Handle;
use super::stream::Stream;
use crate::shell::Shared;
use node::config::Settings;
use rustix::net::sockopt;
use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::os::fd::AsFd;
use std::path::Path;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, UnixListener, UnixSocket};

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

impl Listener {
    /// Lets the next client in.
    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Stream>> {
        match self {
            Listener::Tcp(listener) => {
                listener.poll_accept(cx).map_ok(|(stream, _)| Stream::Tcp(stream))
            }
            Listener::Unix(listener) => {
                listener.poll_accept(cx).map_ok(|(stream, _)| Stream::Unix(stream))
            }
        }
    }
}

/// A listener that a task accepts on, and that may be closed without that task.
#[derive(Clone)]
pub struct Socket(Rc<RefCell<Option<Listener>>>);

impl Socket {
    /// Open.
    pub fn new(listener: Listener) -> Socket {
        Socket(Rc::new(RefCell::new(Some(listener))))
    }

    /// Closes it: when this returns, its address is free.
    pub fn close(&self) {
        let Some(listener) = self.0.take() else { return };
        if let Listener::Tcp(listener) = &listener {
            // A child that was forked just now may have a copy for a moment: that one does not listen any more either.
            let _ = rustix::net::shutdown(listener, rustix::net::Shutdown::Read);
        }
    }

    /// The next client; nothing once it was closed.
    async fn accept(&self) -> Option<io::Result<Stream>> {
        let next = |cx: &mut Context<'_>| match &*self.0.borrow() {
            Some(listener) => listener.poll_accept(cx).map(Some),
            None => Poll::Ready(None),
        };
        std::future::poll_fn(next).await
    }
}

/// Binds a TCP address and listens there.
pub fn bind_tcp(address: SocketAddr, backlog: u32) -> io::Result<Listener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => {
            let socket = TcpSocket::new_v6()?;
            sockopt::set_ipv6_v6only(&socket, true)?;
            socket
        }
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
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
        tokio::task::spawn_local(accept(Socket::new(Listener::Unix(listener)), Rc::clone(shell)));
    }
    Ok(())
}

/// A TCP address that the configuration names.
pub struct Wanted {
    /// Where to listen.
    pub address: SocketAddr,
    /// It may be missing.
    pub optional: bool,
    /// How it was written.
    name: String,
}

impl Wanted {
    /// It cannot be had: the log says so, and what is returned is the reason for whoever wants it.
    pub fn failed(&self, error: &io::Error) -> String {
        cannot_listen(&self.name, self.address.port(), error)
    }
}

fn cannot_listen(name: &str, port: u16, error: &io::Error) -> String {
    tracing::warn!("Warning: Could not create server TCP listening socket {name}:{port}: {error}");
    failed_on(port)
}

/// Why nothing is begun, or changed.
pub fn failed_on(port: u16) -> String {
    format!("Failed listening on port {port} (tcp), aborting.")
}

/// The TCP addresses of the configuration. Of those that are optional, only what has a number.
///
/// # Errors
/// When a name has no number.
pub fn wanted(settings: &Settings) -> Result<Vec<Wanted>, String> {
    let (port, mut wanted) = (settings.port, Vec::new());
    if port == 0 {
        return Ok(wanted);
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
            name => resolve(name, port),
        };
        match address {
            Ok(ip) => {
                let address = SocketAddr::new(ip, port);
                wanted.push(Wanted { address, optional, name: name.to_string() });
            }
            Err(_) if optional => {}
            Err(error) => return Err(cannot_listen(name, port, &error)),
        }
    }
    Ok(wanted)
}

fn resolve(name: &str, port: u16) -> io::Result<IpAddr> {
    let mut found = (name, port).to_socket_addrs()?;
    found.next().map(|address| address.ip()).ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// Accepts connections until the socket is closed.
pub async fn accept(socket: Socket, shell: Shared) {
    let mut failures = AcceptFailures::default();
    while let Some(accepted) = socket.accept().await {
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

    /// Within one turn, in which no task does anything.
    #[tokio::test]
    async fn the_address_of_a_closed_socket_is_free_at_once() {
        let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        let listener = bind_tcp(any, 8).expect("a listener");
        let Listener::Tcp(tcp) = &listener else { panic!("{any} is TCP") };
        let address = tcp.local_addr().expect("an address");
        let copy = tcp.as_fd().try_clone_to_owned().expect("a descriptor");
        let socket = Socket::new(listener);
        let waiting = socket.clone();
        let mut accepting = std::pin::pin!(waiting.accept());
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(accepting.as_mut().poll(&mut cx).is_pending());
        let taken = bind_tcp(address, 8).err().map(|error| error.kind());
        assert_eq!(taken, Some(io::ErrorKind::AddrInUse));
        socket.close();
        let again = bind_tcp(address, 8).expect("the address is free");
        assert!(accepting.as_mut().poll(&mut cx).is_ready());
        std::net::TcpStream::connect(address).expect("somebody listens");
        drop((again, copy));
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
