//! Fork: a child with a frozen keyspace, and the pipe through which it reports.
//!
//! The child gets the memory of this moment for the price of page tables, writes it out and exits. The parent goes
//! on and pays by copying the pages that it changes meanwhile.
//!
//! ```text
//! parent ── fork ──► runs on:  Child { pid, report pipe } ─► ReportParser: Progress … Progress, Succeeded | Failed
//!             ╰────► child:    die with the parent ─► default signals ─► close all but what it needs
//!                              ─► job(&mut Reporter) ─► last report ─► _exit, never a return
//! ```
//!
//! # Why this is sound
//! After a fork in a process of several threads only the calling thread exists in the child; whatever another one
//! held is held for ever. The threads at that time, and what of theirs the child could meet:
//! - *main*, which calls this from its one-threaded runtime, between two turns or inside a command that changes no
//!   data itself (BGSAVE, BGREWRITEAOF, CONFIG SET; inside EXEC they are put off or refused). It is the thread that
//!   goes on in the child, so its own data (the keyspace above all) is whole: nothing is half executed.
//! - *append* and *lazy free*: they own what they work on (file, queue, values given up); the keyspace is not shared
//!   with them. The child touches neither their channels nor their files.
//! - *blocking pool* of the runtime (loading into databases of its own, waiting for children, fsync of a received
//!   snapshot, names): the same.
//!
//! What they do share is the allocator and the standard library:
//! - *allocating* is safe: jemalloc registers fork handlers (`pthread_atfork`) that take its locks before the fork and
//!   reinitialize them in the child, where its background thread is off; glibc's allocator, used in tests, does the same inside `fork`.
//! - *locks*: the child takes none that another thread may hold: it does not log or trace, and does not use stdout,
//!   stderr, the environment or the runtime. Errors go through the pipe. (A panic prints, and so could block on
//!   stderr's lock; the parent's time limit and signal end such a child. In release builds a panic aborts.)
//! - *epoll*: the child closes its copies of all descriptors but those it needs, which does not unregister anything in
//!   the parent, and lets a connection that the parent closes end at once instead of with the child.
//!
//! The child never returns into the runtime, runs no destructor of the parent's values and no `atexit` handler: it
//! ends in `_exit`, whatever the job does, panics included. SIGTERM and the like kill it (handlers are reset, masks
//! cleared), and it dies with its parent (`PR_SET_PDEATHSIG`), so no orphan writes a file that nobody waits for.
//!
//! # Invariants
//! - the last report is sent exactly once, after all others; a pipe that ends without it means a killed child
//! - a slow parent never holds up the child: reports of progress that do not fit in the pipe are dropped
//!
//! # Not here
//! - when to fork, exclusion of several, waiting for the process, dense tables meanwhile: `server`

mod report;
mod save;

pub use report::{Report, ReportError, ReportParser, Reporter};
pub use save::{
    FdSink, SaveJob, rewrite_child, rewrite_names, save_snapshot_child, save_to_fd_child,
    save_to_file_child, temporary_name,
};

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A running child, as its parent sees it. Dropping this neither ends the child nor waits for it.
#[derive(Debug)]
pub struct Child {
    /// The process.
    pub pid: i32,
    /// Its reports, for a [`ReportParser`]; non-blocking. It ends when the child does.
    pub reports: OwnedFd,
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this code: 0 if the job succeeded.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// The process of a child, apart from its reports: for who waits for it on another thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    pid: i32,
}

impl Child {
    /// Its process.
    pub fn process(&self) -> Process {
        Process { pid: self.pid }
    }
}

impl Process {
    /// How it ended, if it has; never waits. Must not be called again after an answer.
    pub fn try_wait(&self) -> io::Result<Option<Exit>> {
        wait(self.pid, libc::WNOHANG)
    }

    /// Waits until it has ended.
    pub fn wait(&self) -> io::Result<Exit> {
        loop {
            match wait(self.pid, 0) {
                Ok(Some(exit)) => return Ok(exit),
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Ends it at once. It is still to be waited for, and what it left is to be removed.
    pub fn kill(&self) -> io::Result<()> {
        // SAFETY: a plain system call. The process has not been waited for, so the number is still its own.
        let result = unsafe { libc::kill(self.pid, libc::SIGKILL) };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

fn wait(pid: i32, flags: i32) -> io::Result<Option<Exit>> {
    let mut status = 0;
    // SAFETY: a plain system call that writes to `status`.
    match unsafe { libc::waitpid(pid, &raw mut status, flags) } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(None),
        _ if libc::WIFEXITED(status) => Ok(Some(Exit::Code(libc::WEXITSTATUS(status)))),
        _ => Ok(Some(Exit::Signal(libc::WTERMSIG(status)))),
    }
}

/// Forks a child that runs `job` and exits. `keep` are the descriptors that it needs besides its reports and the
/// standard three; `clock_ms` is asked by the child for how long things take (any monotonic time).
///
/// What the job gives back goes into its last report: at most 1024 bytes.
///
/// The job must keep to the rules in the module's header: no logging, no locks, no runtime.
pub fn fork_child(
    keep: &[BorrowedFd<'_>],
    clock_ms: fn() -> u64,
    job: impl FnOnce(&mut Reporter) -> Result<String, String>,
) -> io::Result<Child> {
    let (read_end, write_end) = pipe()?;
    let mut kept: Vec<RawFd> = keep.iter().map(AsRawFd::as_raw_fd).collect();
    kept.extend([0, 1, 2, write_end.as_raw_fd()]);
    kept.sort_unstable();
    let parent = std::process::id() as i32;
    // SAFETY: the module's header argues why going on in the child is sound, and that it never returns from here.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => run_child(parent, &kept, Reporter::new(File::from(write_end), clock_ms), job),
        pid => Ok(Child { pid, reports: read_end }),
    }
}

/// All of the child's life.
fn run_child(
    parent: i32,
    kept: &[RawFd],
    mut reporter: Reporter,
    job: impl FnOnce(&mut Reporter) -> Result<String, String>,
) -> ! {
    die_with(parent);
    reset_signals();
    close_all_but(kept);
    let result = catch_unwind(AssertUnwindSafe(|| job(&mut reporter)));
    let result = result.unwrap_or_else(|_| Err("the child panicked".to_string()));
    let code = i32::from(result.is_err());
    reporter.finish(result);
    exit_now(code)
}

fn exit_now(code: i32) -> ! {
    // SAFETY: ends the process without destructors and exit handlers, which belong to the parent.
    unsafe { libc::_exit(code) }
}

fn die_with(parent: i32) {
    // SAFETY: plain system calls on this process.
    let orphan = unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        // The parent may have died before the call above.
        libc::getppid() != parent
    };
    if orphan {
        exit_now(1);
    }
}

/// Every signal does what it does to a program without handlers. SIGPIPE stays ignored, so that a reader that goes
/// away is an error of `write` with a text; so does SIGHUP, as the parent ignores it.
fn reset_signals() {
    for signal in 1..=libc::SIGRTMAX() {
        if !matches!(signal, libc::SIGKILL | libc::SIGSTOP | libc::SIGPIPE | libc::SIGHUP) {
            // SAFETY: sets a disposition without a handler. Numbers that the C library reserves are refused.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
    }
    // SAFETY: a signal set is plain data that sigemptyset initializes; the mask is this thread's.
    unsafe {
        let mut none = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

/// Closes the descriptors between the kept ones, which are sorted. A kernel before 5.9 cannot; then they stay open.
fn close_all_but(kept: &[RawFd]) {
    let mut first = 0;
    for fd in kept {
        let fd = *fd as libc::c_uint;
        if fd > first {
            close_range(first, fd - 1);
        }
        first = first.max(fd + 1);
    }
    close_range(first, libc::c_uint::MAX);
}

fn close_range(first: libc::c_uint, last: libc::c_uint) {
    // SAFETY: closes this process's descriptors. Their owners are values of the parent that never run again here.
    unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
}

/// Both ends non-blocking, and closed by whatever program is executed.
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [0; 2];
    // SAFETY: pipe2 writes two descriptors into the array.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: both were just opened and belong to nobody else.
    unsafe { Ok((OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1]))) }
}

#[cfg(test)]
mod tests;
