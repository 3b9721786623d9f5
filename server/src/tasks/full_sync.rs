//! The snapshot of a full sync on its way from the child to the node, which hands it to the replicas that wait for it.
//!
//! ```text
//! child ─► pipe ─► read while the replicas' queues have room ─► Event::SyncPiece
//! child ─► file, whole ─► read in the same way
//! ```
//!
//! A child whose pipe nobody reads waits; where nobody is left that wants the snapshot it is killed.
//!
//! # Not here
//! - when a full sync begins, and for whom: `node::replication::full_sync`

use super::child;
use crate::shell::{Shell, Signals};
use backup::fork::Child;
use bytes::BytesMut;
use node::Event;
use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::rc::{Rc, Weak};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::task::JoinHandle;

/// Bytes read at a time.
const PIECE: usize = 256 * 1024;
/// Bytes that a pipe holds, where the system allows it.
const PIPE_BYTES: usize = 1 << 20;
const ALL_GONE: &str = "all replicas are gone";

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
    tokio::task::spawn_local(async move {
        let sync = Sync::new(&shell, number);
        let result = match &sync {
            Some(sync) => sync.pump_pipe(child, reader).await,
            None => return,
        };
        child::turn(&shell, Event::SyncEnded(number, result));
    });
    pid
}

/// Waits until a child has written a file, and reads that. Returns its number.
pub fn start_file(shell: Weak<RefCell<Shell>>, child: Child, path: PathBuf, number: u64) -> i32 {
    let pid = child.pid;
    tokio::task::spawn_local(async move {
        let Some(sync) = Sync::new(&shell, number) else { return };
        let result = sync.pump_file(child, &path).await;
        let _ = backup::files::Files::real().remove(&path);
        child::turn(&shell, Event::SyncEnded(number, result));
    });
    pid
}

/// A full sync under way.
struct Sync {
    shell: Weak<RefCell<Shell>>,
    signals: Rc<Signals>,
    number: u64,
}

impl Sync {
    fn new(shell: &Weak<RefCell<Shell>>, number: u64) -> Option<Sync> {
        let signals = Rc::clone(&shell.upgrade()?.borrow().signals);
        Some(Sync { shell: shell.clone(), signals, number })
    }

    fn turn(&self, event: Event) {
        child::turn(&self.shell, event);
    }

    /// How many replicas wait for it.
    fn awaiting(&self) -> usize {
        self.shell.upgrade().map_or(0, |shell| shell.borrow().node.awaiting(self.number))
    }

    fn has_room(&self) -> bool {
        self.shell.upgrade().is_none_or(|shell| shell.borrow().node.sync_has_room(self.number))
    }

    async fn wait_for_room(&self) {
        while !self.has_room() {
            self.signals.sync_room.notified().await;
        }
    }

    /// Follows the child: its reports are shown in INFO. The task ends when the child does.
    fn follow(&self, child: Child) -> JoinHandle<Result<String, String>> {
        let shell = self.shell.clone();
        tokio::task::spawn_local(async move {
            let result = child::follow(child, |progress| child::report(&shell, progress)).await;
            child::turn(&shell, Event::ChildExited);
            result
        })
    }

    /// Hands on a piece. False if nobody is left that wants it.
    fn spread(&self, piece: BytesMut) -> bool {
        let any = self.awaiting() > 0;
        self.turn(Event::SyncPiece(self.number, piece.freeze()));
        any
    }

    async fn pump_pipe(&self, child: Child, mut reader: Receiver) -> Result<(), String> {
        let process = child.process();
        let ended = self.follow(child);
        self.turn(Event::SyncBegins(self.number, None));
        let mut failure = None;
        loop {
            self.wait_for_room().await;
            let mut piece = BytesMut::with_capacity(PIECE);
            // Also while the child writes nothing it is noticed that nobody waits for it any more.
            let read = tokio::select! {
                read = reader.read_buf(&mut piece) => read,
                () = self.signals.sync_room.notified() => match self.awaiting() {
                    0 => Ok(1),
                    _ => continue,
                },
            };
            match read {
                Ok(0) => {
                    tracing::info!(
                        "Diskless rdb transfer, done reading from pipe, {} replicas still up.",
                        self.awaiting()
                    );
                    break;
                }
                Ok(_) if self.spread(piece) => {}
                Ok(_) => {
                    tracing::info!(
                        "Diskless rdb transfer, last replica dropped, killing fork child."
                    );
                    failure = Some(ALL_GONE.to_string());
                }
                Err(error) => failure = Some(format!("reading from the child: {error}")),
            }
            if failure.is_some() {
                let _ = process.kill();
                break;
            }
        }
        let result = wait_for(ended).await;
        failure.map_or(result, Err)
    }

    async fn pump_file(&self, child: Child, path: &Path) -> Result<(), String> {
        let process = child.process();
        let mut ended = self.follow(child);
        loop {
            tokio::select! {
                result = &mut ended => {
                    result.map_err(|error| format!("waiting for the child: {error}"))??;
                    break;
                }
                () = self.signals.sync_room.notified() => {
                    if self.awaiting() == 0 {
                        let _ = process.kill();
                        let _ = wait_for(ended).await;
                        return Err(ALL_GONE.into());
                    }
                }
            }
        }
        let mut file = tokio::fs::File::open(path).await.map_err(|error| error.to_string())?;
        let len = file.metadata().await.map_err(|error| error.to_string())?.len();
        self.turn(Event::SyncBegins(self.number, Some(len)));
        loop {
            self.wait_for_room().await;
            let mut piece = BytesMut::with_capacity(PIECE);
            if file.read_buf(&mut piece).await.map_err(|error| error.to_string())? == 0 {
                return Ok(());
            }
            if !self.spread(piece) {
                return Err(ALL_GONE.into());
            }
        }
    }
}

async fn wait_for(child: JoinHandle<Result<String, String>>) -> Result<(), String> {
    child.await.map_err(|error| format!("waiting for the child: {error}"))?.map(|_| ())
}
