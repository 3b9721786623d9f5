//! SIGTERM and SIGINT ask for the end; a second SIGINT does not wait for it. SIGHUP and SIGALRM mean nothing.
//!
//! The first is taken note of by the handler, and obeyed by the task that ends the process. The second may come while the
//! main thread writes a snapshot and does nothing else, so the handler itself ends the process then.
//!
//! ```text
//! SIGTERM, SIGINT ─► handler: asked ─► task: log, flags of the directive ─► shutdown
//! SIGINT again ────► handler: was asked ─► a line in the log, the unfinished snapshot removed ─► _exit(1)
//! ```
//!
//! # Invariants
//! - a handler allocates nothing, takes no lock and calls only what signal-safety(7) lists
//!
//! # Source
//! - what counts as the second, lines and exit code: Redis 7.2

use crate::shell::Shared;
use node::Event;
use node::shutdown::Asking;
use signal_hook_registry::register;
use std::ffi::CString;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::signal::unix::{SignalKind, signal};

/// A signal came, and the end that it asks for has neither come nor been refused.
static ASKED: AtomicBool = AtomicBool::new(false);

/// Ignores what ends a program without handlers though it asks for nothing: a terminal that is gone, a timer of others.
/// To be called before anything that takes time.
pub fn ignore_strangers() {
    for signal in [libc::SIGHUP, libc::SIGALRM] {
        // SAFETY: sets a disposition without a handler.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

/// No end is asked for any more: the next SIGINT is the first again.
pub fn forget() {
    ASKED.store(false, Ordering::SeqCst);
}

/// Installs the handlers.
pub fn install() -> Result<(), String> {
    let failed = |error: io::Error| format!("Can't handle signals: {error}");
    let temporary = backup::fork::temporary_name(std::process::id() as i32);
    let temporary = CString::new(temporary).expect("a name of digits");
    let terminate = || ASKED.store(true, Ordering::SeqCst);
    let interrupt = move || {
        if ASKED.swap(true, Ordering::SeqCst) {
            insist(&temporary);
        }
    };
    // SAFETY: the actions store to an atomic, and call write, unlink and _exit: all may be called by a handler.
    unsafe { register(libc::SIGTERM, terminate) }.map_err(failed)?;
    // SAFETY: as above.
    unsafe { register(libc::SIGINT, interrupt) }.map_err(failed)?;
    Ok(())
}

/// Ends the process at once: for a handler.
fn insist(temporary: &CString) -> ! {
    let mut line = [0u8; 96];
    let mut rest = &mut line[..];
    let pid = rustix::path::DecInt::new(std::process::id());
    for part in [pid.as_bytes(), b":signal-handler # You insist... exiting now.\n"] {
        // It fits: a process id has at most ten digits.
        let _ = rest.write(part);
    }
    let left = rest.len();
    let len = line.len() - left;
    // SAFETY: the line is as long as it says, and the name ends with a zero byte.
    unsafe {
        libc::write(crate::log::descriptor(), line.as_ptr().cast(), len);
        libc::unlink(temporary.as_ptr());
        libc::_exit(1)
    }
}

/// Tells the node what the handlers have noted.
pub async fn follow(shell: Shared) {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::warn!("Can't wait for signals: SIGTERM and SIGINT have no effect.");
        return;
    };
    loop {
        let asking = tokio::select! {
            _ = terminate.recv() => Asking::Terminate,
            _ = interrupt.recv() => Asking::Interrupt,
        };
        shell.borrow_mut().turn(Event::Signal(asking));
    }
}
