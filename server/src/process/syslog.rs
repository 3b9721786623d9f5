//! The system's log (`syslog-enabled`): each line of the log goes there, too.
//!
//! ```text
//! <priority>Mon DD HH:MM:SS ident[pid]: text       to the datagram socket /dev/log
//! ```
//!
//! A line that cannot be sent is lost, as with everybody who logs there; the socket is opened anew for the next one, so a log
//! daemon that was restarted is found again. Nothing waits: the socket does not block.
//!
//! # Source
//! - RFC 3164, section 4.1; priorities of levels: Redis 7.2

use node::config::{Settings, SyslogFacility};
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

/// Where the system's log listens.
pub const SOCKET: &str = "/dev/log";
/// The most bytes of a line's text: what a datagram of syslog may surely have.
const TEXT_MAX: usize = 2048;

/// A way to the system's log.
#[derive(Debug)]
pub struct Syslog {
    path: PathBuf,
    socket: Option<UnixDatagram>,
    ident: String,
    facility: u8,
}

impl Syslog {
    /// The one that the configuration asks for, if it does.
    pub fn of(settings: &Settings, path: &Path) -> Option<Syslog> {
        settings.syslog_enabled.then(|| Syslog {
            path: path.to_path_buf(),
            socket: None,
            ident: settings.syslog_ident.clone(),
            facility: number(settings.syslog_facility),
        })
    }

    /// Sends a line; `mark` is that of its level in the log, `time` is `Mon DD HH:MM:SS`.
    pub fn send(&mut self, mark: char, time: &str, text: &str) {
        let priority = self.facility * 8 + severity(mark);
        let end = (0..=TEXT_MAX.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
        let text = &text[..end.unwrap_or(0)];
        let pid = std::process::id();
        let line = format!("<{priority}>{time} {}[{pid}]: {text}", self.ident);
        // A daemon that was restarted has another socket behind the same name.
        if self.try_send(&line).is_err() {
            self.socket = None;
            let _ = self.try_send(&line);
        }
    }

    fn try_send(&mut self, line: &str) -> io::Result<()> {
        let socket = match &self.socket {
            Some(socket) => socket,
            None => {
                let socket = UnixDatagram::unbound()?;
                socket.set_nonblocking(true)?;
                socket.connect(&self.path)?;
                self.socket.insert(socket)
            }
        };
        socket.send(line.as_bytes()).map(|_| ())
    }
}

fn number(facility: SyslogFacility) -> u8 {
    match facility {
        SyslogFacility::User => 1,
        SyslogFacility::Local0 => 16,
        SyslogFacility::Local1 => 17,
        SyslogFacility::Local2 => 18,
        SyslogFacility::Local3 => 19,
        SyslogFacility::Local4 => 20,
        SyslogFacility::Local5 => 21,
        SyslogFacility::Local6 => 22,
        SyslogFacility::Local7 => 23,
    }
}

/// Warning, notice, information, debug.
fn severity(mark: char) -> u8 {
    match mark {
        '#' => 4,
        '*' => 5,
        '-' => 6,
        _ => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receive(socket: &UnixDatagram) -> String {
        let mut bytes = [0; 4096];
        let len = socket.recv(&mut bytes).expect("a line");
        String::from_utf8_lossy(&bytes[..len]).into_owned()
    }

    #[test]
    fn lines_go_to_whoever_listens_and_find_a_daemon_that_was_restarted() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        let settings = Settings {
            syslog_enabled: true,
            syslog_ident: "tide".into(),
            syslog_facility: SyslogFacility::Local3,
            ..Settings::default()
        };
        let mut syslog = Syslog::of(&settings, &path).expect("it is on");
        syslog.send('#', "Nov 29 01:02:03", "nobody hears this");
        let pid = std::process::id();
        for mark in ['#', '*', '-', '.'] {
            let _ = std::fs::remove_file(&path);
            let daemon = UnixDatagram::bind(&path).expect("a socket");
            syslog.send(mark, "Nov 29 01:02:03", "all is well");
            let priority = 19 * 8 + severity(mark);
            let expected = format!("<{priority}>Nov 29 01:02:03 tide[{pid}]: all is well");
            assert_eq!(receive(&daemon), expected);
        }
        let daemon = {
            let _ = std::fs::remove_file(&path);
            UnixDatagram::bind(&path).expect("a socket")
        };
        syslog.send('*', "Nov 29 01:02:03", &"ä".repeat(5000));
        assert!(receive(&daemon).len() < TEXT_MAX + 60);
        assert!(Syslog::of(&Settings::default(), &path).is_none());
    }
}
