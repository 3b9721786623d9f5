//! The snapshot of a full sync on its way from the child to the node, which hands it to the replicas that wait for it.
//!
//! ```text
//! child ─► pipe ─► read while the node wants more ─► Event::Sync
//! child ─► file, whole ─► read in the same way
//! ```
//!
//! A child whose pipe nobody reads waits.
//!
//! # Not here
//! - when a full sync begins, for whom, and when it ends: `replica::primary`

use super::child;
use crate::shell::{Shell, Signals};
use backup::fork::Child;
use bytes::BytesMut;
use node::Event;
use replica::primary::SyncEvent;
use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::rc::{Rc, Weak};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::unix::pipe::Receiver;

/// Bytes read at a time.
const PIECE: usize = 256 * 1024;
/// Bytes that a pipe holds, where the system allows it.
const PIPE_BYTES: usize = 1 << 20;

/// A pipe for a snapshot: our end, and the child's.
pub fn pipe() -> io::Result<(Receiver, OwnedFd)> {
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let _ = rustix::pipe::fcntl_setpipe_size(&writer, PIPE_BYTES);
    rustix::io::ioctl_fionbio(&reader, true)?;
    Ok((Receiver::from_owned_fd(reader)?, writer))
}

/// Reads what a child writes into a pipe. Returns its number.
pub fn start_pipe(shell: Weak<RefCell<Shell>>, child: Child, reader: Receiver, number: u64) -> i32 {
    let pid = child.pid;
    follow(shell.clone(), child, number);
    tokio::task::spawn_local(async move {
        if let Some(sync) = Sync::new(&shell, number) {
            sync.read(reader).await;
        }
    });
    pid
}

/// Waits until a child has written a file, and reads that. Returns its number.
pub fn start_file(shell: Weak<RefCell<Shell>>, child: Child, path: PathBuf, number: u64) -> i32 {
    let pid = child.pid;
    follow(shell.clone(), child, number);
    tokio::task::spawn_local(async move {
        if let Some(sync) = Sync::new(&shell, number) {
            sync.read_file(&path).await;
        }
    });
    pid
}

/// Follows the child: its reports are shown in INFO.
fn follow(shell: Weak<RefCell<Shell>>, child: Child, number: u64) {
    tokio::task::spawn_local(async move {
        let result = child::follow(child, |progress| child::report(&shell, progress)).await;
        let event = SyncEvent::ChildEnded(result.map(|_| ()));
        child::turn(&shell, Event::Sync(number, event));
    });
}

/// A full sync under way.
struct Sync {
    shell: Weak<RefCell<Shell>>,
    signals: Rc<Signals>,
    number: u64,
}

impl Sync {
    fn new(shell: &Weak<RefCell<Shell>>, number: u64) -> Option<Sync> {
        let shared = shell.upgrade()?;
        let signals = Signals::of(&shared);
        Some(Sync { shell: shell.clone(), signals, number })
    }

    fn tell(&self, event: SyncEvent) {
        child::turn(&self.shell, Event::Sync(self.number, event));
    }

    /// Looks at the shell.
    fn ask<T>(&self, ask: impl FnOnce(&mut Shell) -> T) -> Option<T> {
        self.shell.upgrade().map(|shell| ask(&mut shell.borrow_mut()))
    }

    /// Whether it is over: nobody wants more of it.
    fn is_over(&self) -> bool {
        let current = self.ask(|shell| shell.node.host.replication.primary.sync_number());
        current.flatten() != Some(self.number)
    }

    /// Reads a pipe or file while that is wanted.
    async fn read(&self, mut source: impl AsyncRead + Unpin) {
        let mut buffer = BytesMut::new();
        loop {
            // Asked for before the node is, so that a change in between is not missed.
            let (room, over) = (self.signals.sync_room.notified(), self.signals.sync.notified());
            if self.is_over() {
                return;
            }
            let wants = self.ask(|shell| shell.node.wants_sync_piece(self.number)) == Some(true);
            // Small pieces share a buffer.
            if wants && buffer.capacity() < PIECE / 4 {
                buffer.reserve(PIECE);
            }
            // Also while the child writes nothing it is noticed that nobody waits for it any more.
            let read = tokio::select! {
                read = source.read_buf(&mut buffer), if wants => read,
                () = room => continue,
                () = over => continue,
            };
            match read {
                Ok(0) => return self.tell(SyncEvent::AllRead),
                Ok(_) => self.tell(SyncEvent::Piece(buffer.split().freeze())),
                Err(error) => return self.tell(SyncEvent::ReadFailed(error.to_string())),
            }
        }
    }

    /// Opens the file when the child has written it, and reads that.
    async fn read_file(&self, path: &Path) {
        loop {
            let changed = self.signals.sync.notified();
            if self.is_over() {
                return;
            }
            if self.ask(|shell| std::mem::take(&mut shell.open_sync_file)) == Some(true) {
                break;
            }
            changed.await;
        }
        match open(path).await {
            Ok((file, len)) => {
                self.tell(SyncEvent::Opened(len));
                self.read(file).await;
            }
            Err(error) => self.tell(SyncEvent::ReadFailed(error.to_string())),
        }
    }
}

async fn open(path: &Path) -> io::Result<(tokio::fs::File, u64)> {
    let file = tokio::fs::File::open(path).await?;
    let len = file.metadata().await?.len();
    Ok((file, len))
}
