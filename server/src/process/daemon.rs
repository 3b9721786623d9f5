//! Going to the background (`daemonize yes`), so that whoever started us learns whether that succeeded.
//!
//! The parent waits until the server serves or has ended; it says why on its standard error, and its exit code is 0 or 1.
//! (Redis's parent leaves at once with 0, whatever becomes of the child.) Loading counts: a file that cannot be loaded
//! is a failure of the start. There is no limit of time, as only the size of the data limits loading; the parent may be
//! ended meanwhile, and the server goes on.
//!
//! ```text
//! parent ── fork ──► reads the pipe ── a byte: exit 0
//!             │                     └─ its end: the child is gone, exit 1
//!             └────► child: setsid, no input and output ─► binds, loads ─► a byte, no standard error any more
//! ```

use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, read, write};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, WaitOptions, setsid, waitpid};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};
use std::os::fd::OwnedFd;

/// What the child writes when it serves.
const READY: &[u8] = b"R";

/// The child's side of the pipe.
pub struct Report {
    pipe: OwnedFd,
    nowhere: OwnedFd,
}

impl Report {
    /// The server serves: the parent may leave, and nothing is said on its standard error any more.
    pub fn ready(self) {
        // If these fail the parent learns of the end of this process only; it serves all the same.
        let _ = dup2_stderr(&self.nowhere);
        let _ = write(&self.pipe, READY);
    }
}

/// Goes on in the background. The parent does not return from here.
///
/// No other thread may exist yet.
pub fn detach() -> Result<Report, String> {
    let failed = |error: Errno| format!("Can't daemonize: {}", std::io::Error::from(error));
    let (from_child, to_parent) = pipe_with(PipeFlags::CLOEXEC).map_err(failed)?;
    let nowhere =
        open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).map_err(failed)?;
    // SAFETY: there is no other thread whose locks the child could miss.
    match unsafe { libc::fork() } {
        -1 => {
            return Err(failed(
                Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::AGAIN),
            ));
        }
        0 => {}
        child => {
            drop(to_parent);
            std::process::exit(wait_for(child, &from_child));
        }
    }
    drop(from_child);
    setsid().map_err(failed)?;
    dup2_stdin(&nowhere).map_err(failed)?;
    dup2_stdout(&nowhere).map_err(failed)?;
    Ok(Report { pipe: to_parent, nowhere })
}

/// The parent's exit code. What the child has to say it says itself.
fn wait_for(child: i32, pipe: &OwnedFd) -> i32 {
    let mut byte = [0; 1];
    let is_ready = loop {
        match read(pipe, &mut byte) {
            Err(Errno::INTR) => {}
            result => break result == Ok(READY.len()),
        }
    };
    if is_ready {
        return 0;
    }
    let status = loop {
        match waitpid(Pid::from_raw(child), WaitOptions::empty()) {
            Err(Errno::INTR) => {}
            Ok(found) => break found.map(|(_, status)| status),
            Err(_) => break None,
        }
    };
    match status {
        Some(status) if status.exit_status().is_some_and(|code| code != 0) => {}
        Some(status) => match status.terminating_signal() {
            Some(signal) => {
                eprintln!("The server was ended by signal {signal} before it was ready.")
            }
            None => eprintln!("The server was told to end before it was ready."),
        },
        None => eprintln!("The server ended before it was ready."),
    }
    1
}
