//! The service manager that started us (`supervised`): it is told when we are ready, when we end, and what we are doing.
//!
//! ```text
//! systemd: STATUS=… is loading ─► EXTEND_TIMEOUT_USEC, STATUS while loading ─► READY=1 ─► STOPPING=1
//! upstart: we stop ourselves, and are continued
//! ```
//!
//! A load or a last snapshot that takes longer than `TimeoutStartSec` and `TimeoutStopSec` of the unit is not cut short:
//! the manager is asked for more time, again and again, as long as there is progress.
//!
//! # Source
//! - moments and most texts: Redis 7.2; `sd_notify(3)`

use node::config::Supervision;
use node::world::Report;
use rustix::process::{Signal, getpid, kill_process};
use sd_notify::NotifyState;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// How much time is asked for beyond what is foreseen. The next message comes sooner.
const MARGIN: Duration = Duration::from_secs(30);
/// How long a message may wait for a manager that has not read the ones before.
const PATIENCE: Duration = Duration::from_millis(500);
/// How much time is asked for a last snapshot, which is written without a pause.
const SAVING: Duration = Duration::from_secs(600);

/// Who supervises this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Supervisor {
    /// Nobody.
    Nobody,
    /// Upstart.
    Upstart,
    /// Systemd.
    Systemd,
}

impl Supervisor {
    /// Finds out whether the manager that is configured is there, and says that we begin.
    pub fn greet(configured: Supervision) -> Supervisor {
        let is_set = |name| std::env::var_os(name).is_some();
        let wanted = match configured {
            Supervision::Auto if is_set("UPSTART_JOB") => {
                tracing::debug!("Upstart supervision detected.");
                Supervision::Upstart
            }
            Supervision::Auto if is_set("NOTIFY_SOCKET") => {
                tracing::debug!("Systemd supervision detected.");
                Supervision::Systemd
            }
            other => other,
        };
        match wanted {
            Supervision::Upstart if !is_set("UPSTART_JOB") => {
                tracing::warn!("upstart supervision requested, but UPSTART_JOB not found!");
                Supervisor::Nobody
            }
            Supervision::Upstart => {
                tracing::info!("supervised by upstart, will stop to signal readiness.");
                if let Err(error) = kill_process(getpid(), Signal::STOP) {
                    tracing::warn!("Can't stop: {}", std::io::Error::from(error));
                }
                Supervisor::Upstart
            }
            Supervision::Systemd if !is_set("NOTIFY_SOCKET") => {
                tracing::warn!("systemd supervision error: NOTIFY_SOCKET not found!");
                Supervisor::Nobody
            }
            Supervision::Systemd => {
                let greeted = tell(&[NotifyState::Status("Tidemark is loading...")]);
                if !greeted {
                    return Supervisor::Nobody;
                }
                tracing::info!(
                    "Supervised by systemd. Please make sure you set appropriate values for TimeoutStartSec and TimeoutStopSec in \
                     your service unit."
                );
                Supervisor::Systemd
            }
            Supervision::Auto | Supervision::No => Supervisor::Nobody,
        }
    }

    /// Its name in INFO.
    pub fn name(self) -> &'static str {
        match self {
            Supervisor::Nobody => "no",
            Supervisor::Upstart => "upstart",
            Supervisor::Systemd => "systemd",
        }
    }

    fn tell(self, states: &[NotifyState<'_>]) {
        if self == Supervisor::Systemd {
            tell(states);
        }
    }

    /// Passes on what the node reports.
    pub fn report(self, report: Report<'_>) {
        match report {
            Report::Status(text) => self.status(text),
            Report::Loading { loaded, total } => self.loading(loaded, total),
            Report::Synced(how) => self.synced(how),
            Report::Stopping => self.stopping(),
            Report::Extend(time) => self.extend(time),
            Report::Saving => self.saving(),
            Report::PutOff => self.saves(),
        }
    }

    /// What we are doing.
    fn status(self, text: &str) {
        self.tell(&[NotifyState::Status(text)]);
    }

    /// So much of what is to be loaded has been.
    fn loading(self, loaded_bytes: u64, total_bytes: u64) {
        if self == Supervisor::Systemd {
            let share = loaded_bytes.saturating_mul(100) / total_bytes.max(1);
            let text = format!("Tidemark is loading... {}%", share.min(100));
            tell(&[NotifyState::Status(&text), NotifyState::ExtendTimeoutUsec(usec(MARGIN))]);
        }
    }

    /// We serve.
    pub fn ready(self, is_replica: bool) {
        let text = match is_replica {
            false => "Ready to accept connections",
            true => {
                "Ready to accept connections in read-only mode. Waiting for MASTER <-> REPLICA sync"
            }
        };
        self.tell(&[NotifyState::Status(text), NotifyState::Ready]);
    }

    /// We have what our primary has.
    fn synced(self, how: &str) {
        if self == Supervisor::Systemd {
            let text = format!(
                "MASTER <-> REPLICA sync: {how}. Ready to accept connections in read-write mode."
            );
            self.status(&text);
        }
    }

    /// The end begins.
    fn stopping(self) {
        self.tell(&[NotifyState::Stopping]);
    }

    /// What is done now takes up to so long.
    fn extend(self, time: Duration) {
        self.tell(&[NotifyState::ExtendTimeoutUsec(usec(time.saturating_add(MARGIN)))]);
    }

    /// The last snapshot is written.
    fn saving(self) {
        self.status("Saving the final RDB snapshot");
        self.saves();
    }

    /// All data are written to disk before the end comes.
    fn saves(self) {
        self.extend(SAVING);
    }
}

fn usec(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}

fn tell(states: &[NotifyState<'_>]) -> bool {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET") else { return true };
    let lines: String = states.iter().map(|state| format!("{state}\n")).collect();
    match send(&socket, lines.as_bytes()) {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!("systemd supervision error: sd_notify: {error}");
            false
        }
    }
}

/// Sends a message to the manager's socket. The main thread does this: a manager that does not read its messages must not
/// hold it up, so the wait is bounded.
fn send(socket: &OsStr, message: &[u8]) -> io::Result<()> {
    let address = match socket.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(socket)?,
    };
    let datagram = UnixDatagram::unbound()?;
    datagram.set_write_timeout(Some(PATIENCE))?;
    datagram.send_to_addr(message, &address).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manager_hears_of_us_wherever_its_socket_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let by_path = UnixDatagram::bind(&path).expect("a socket");
        let name = format!("tidemark-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("a name");
        let abstract_one = UnixDatagram::bind_addr(&address).expect("a socket");
        for (socket, name) in
            [(by_path, path.into_os_string()), (abstract_one, format!("@{name}").into())]
        {
            send(&name, b"READY=1\n").expect("it is there");
            let mut buffer = [0; 100];
            let len = socket.recv(&mut buffer).expect("a message");
            assert_eq!(&buffer[..len], b"READY=1\n");
        }
        assert!(send(OsStr::new("/nowhere/at/all"), b"READY=1\n").is_err());
    }

    #[test]
    fn a_manager_that_does_not_read_holds_nobody_up_for_ever() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let _unread = UnixDatagram::bind(&path).expect("a socket");
        let result = (0..100_000).find_map(|_| send(path.as_os_str(), b"STATUS=x\n").err());
        assert_eq!(result.map(|error| error.kind()), Some(io::ErrorKind::WouldBlock));
    }
}
