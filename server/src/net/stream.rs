//! A connected socket, TCP or Unix.

use node::clients::Arrival;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// A connected socket.
pub enum Stream {
    /// TCP.
    Tcp(TcpStream),
    /// Unix domain.
    Unix(UnixStream),
}

impl Stream {
    /// Reads into spare room of `buffer`, at most `most` bytes. 0 is the end.
    #[inline]
    pub fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut Vec<u8>,
        most: usize,
    ) -> Poll<io::Result<usize>> {
        if buffer.capacity() - buffer.len() < most.min(16 * 1024) {
            buffer.reserve(most.min(16 * 1024));
        }
        let spare = buffer.spare_capacity_mut();
        let room = spare.len().min(most);
        let mut into = ReadBuf::uninit(&mut spare[..room]);
        let result = match self {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, &mut into),
            Stream::Unix(stream) => Pin::new(stream).poll_read(cx, &mut into),
        };
        match result {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) => {
                let read = into.filled().len();
                let len = buffer.len() + read;
                // SAFETY: `read` bytes behind the old length were filled, inside the capacity.
                unsafe { buffer.set_len(len) };
                Poll::Ready(Ok(read))
            }
        }
    }

    /// Whether the client has closed the connection, or its half of it: also while what it sent before was not read.
    pub fn is_closed_by_client(&self) -> bool {
        let closed = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
        let mut polled = [PollFd::from_borrowed_fd(self.as_fd(), closed)];
        let now = Timespec::default();
        poll(&mut polled, Some(&now)).is_ok() && polled[0].revents().intersects(closed)
    }

    /// Writes some bytes.
    #[inline]
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    /// Writes some of several slices.
    pub fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self {
            Stream::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Stream::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    /// Where it comes from.
    pub fn arrival(&self) -> Arrival {
        let (address, local_address) = self.addresses();
        let is_unix = matches!(self, Stream::Unix(_));
        Arrival { address, local_address, fd: self.number(), is_unix }
    }

    /// The descriptor's number, for CLIENT LIST.
    fn number(&self) -> i32 {
        match self {
            Stream::Tcp(stream) => stream.as_raw_fd(),
            Stream::Unix(stream) => stream.as_raw_fd(),
        }
    }

    /// Both ends' addresses as CLIENT LIST shows them: theirs, ours.
    fn addresses(&self) -> (String, String) {
        match self {
            Stream::Tcp(stream) => tcp_addresses(stream),
            Stream::Unix(stream) => {
                let path = stream.local_addr().ok();
                let path = path.as_ref().and_then(|a| a.as_pathname());
                let text = path.map_or_else(|| "?".to_string(), |p| p.display().to_string());
                (format!("{text}:0"), format!("{text}:0"))
            }
        }
    }
}

/// Both ends' addresses of a TCP connection: theirs, ours.
pub fn tcp_addresses(stream: &TcpStream) -> (String, String) {
    let show = |address: io::Result<std::net::SocketAddr>| {
        address.map_or_else(|_| "?:0".to_string(), |address| address.to_string())
    };
    (show(stream.peer_addr()), show(stream.local_addr()))
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Stream::Tcp(stream) => stream.as_fd(),
            Stream::Unix(stream) => stream.as_fd(),
        }
    }
}
