//! The crash log: what the process was doing when it ended by a fault of its own.
//!
//! ```text
//! SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT ─► handler: signal, address, return addresses ─► pipe ─► reporter
//!                 the signal's own end ◄── handler ◄── pipe, or ten seconds ◄── names, INFO, clients: the log
//! a panic ─► hook: the same report, on the thread that panicked ─► SIGABRT, or exit code 1 (`use-exit-on-panic`)
//! ```
//!
//! # Why it is sound
//! - The handler runs between any two instructions. It allocates nothing, takes no lock of ours and formats nothing: it stores
//!   numbers in atomics, walks its own stack, writes one byte into a pipe and polls another. All of that signal-safety(7)
//!   lists, but for the walk: the unwinder reads tables that the linker has mapped, and waits for the loader's lock, which
//!   nobody holds once the program has started, as it loads nothing later. It runs on a stack of its own, so that the
//!   overflow of the usual one is reported, too.
//! - All that may not be done there is done by a thread that waits for it from the start. If the fault was inside the
//!   allocator, that thread may wait for a lock for ever: the handler gives it [`PATIENCE_MS`], and goes on.
//! - The reporter reads the node only if the main thread is the one that stands in the handler: nobody else changes the node,
//!   and main does not go on. Main may have stopped half-way through a change, so what is read may be wrong; that comes last,
//!   and a fault on the way ends the process by the same kind of signal, with all that was written before it in the log.
//! - Whatever happens, the signal then has its own action: core dump, exit status and who waits for the process see what they
//!   would have seen. What the processor has signalled happens again where it did, so a core shows the place.
//!
//! Children that save have neither: a fork resets the signals.
//!
//! # Source
//! - lines by which programs know a report: Redis 7.2

use crate::log;
use crate::shell::Shell;
use node::config::Settings;
use node::version::{REDIS_VERSION, TIDEMARK_VERSION};
use node::world::Crash;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::fmt::Write;
use std::io;
use std::panic::PanicHookInfo;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicUsize, Ordering};

/// How long the handler waits for the reporter, milliseconds.
const PATIENCE_MS: libc::c_int = 10_000;
/// The most return addresses of a report.
const FRAMES: usize = 96;
/// The handler's own stack on the main thread, bytes.
const STACK_BYTES: usize = 64 << 10;
/// What is reported.
const SIGNALS: [libc::c_int; 5] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGABRT];

/// What the handler found: plain numbers, written before the byte that tells the reporter.
struct Found {
    signal: AtomicI32,
    code: AtomicI32,
    /// The address that could not be used; of a signal that somebody sent, who: process and user.
    address: AtomicUsize,
    user: AtomicUsize,
    /// Where it happened, if the processor says so.
    instruction: AtomicUsize,
    on_main: AtomicBool,
    frames: [AtomicUsize; FRAMES],
    frames_len: AtomicUsize,
}

static FOUND: Found = Found {
    signal: AtomicI32::new(0),
    code: AtomicI32::new(0),
    address: AtomicUsize::new(0),
    user: AtomicUsize::new(0),
    instruction: AtomicUsize::new(0),
    on_main: AtomicBool::new(false),
    frames: [const { AtomicUsize::new(0) }; FRAMES],
    frames_len: AtomicUsize::new(0),
};

/// A report is being made, or was: what happens now is not reported.
static REPORTING: AtomicBool = AtomicBool::new(false);
/// `use-exit-on-panic`.
static EXITS_ON_PANIC: AtomicBool = AtomicBool::new(false);
/// `crash-log-enabled`.
static ENABLED: AtomicBool = AtomicBool::new(false);
/// The main thread, as the system numbers threads.
static MAIN: AtomicI32 = AtomicI32::new(0);
/// What the main thread serves.
static SHELL: AtomicPtr<Shell> = AtomicPtr::new(std::ptr::null_mut());
/// Ends of the pipes: the handler writes into the first, and reads the second.
static TO_REPORTER: AtomicI32 = AtomicI32::new(-1);
static FROM_REPORTER: AtomicI32 = AtomicI32::new(-1);
/// What keeps them open.
static PIPES: OnceLock<[OwnedFd; 2]> = OnceLock::new();

/// Brings what the configuration says into force. The first call that wants reports starts the reporter.
pub fn apply(settings: &Settings) {
    EXITS_ON_PANIC.store(settings.use_exit_on_panic, Ordering::Relaxed);
    let wanted = settings.crash_log_enabled;
    if ENABLED.swap(wanted, Ordering::Relaxed) == wanted {
        return;
    }
    if !wanted {
        SIGNALS.iter().for_each(|signal| default_action(*signal));
        return;
    }
    if let Err(error) = prepare() {
        tracing::warn!("Crashes will not be reported: {error}");
        return;
    }
    SIGNALS.iter().for_each(|signal| handle(*signal));
}

/// Says what the main thread serves, which is the thread that calls.
pub fn note_main(shell: *mut Shell) {
    SHELL.store(shell, Ordering::Relaxed);
    MAIN.store(thread_id(), Ordering::Relaxed);
}

/// Crashes on purpose.
pub fn crash(how: Crash) {
    match how {
        Crash::Segfault => {
            // SAFETY: it is not: nothing can be written there. That is what DEBUG SEGFAULT is asked for.
            unsafe { std::ptr::without_provenance_mut::<u8>(8).write_volatile(b'x') };
        }
        Crash::Panic => panic!("called by user request"),
        Crash::Assert => assert!(std::hint::black_box(1) == 2, "1 == 2, called by user request"),
        Crash::OutOfMemory => {
            let layout = std::alloc::Layout::from_size_align(isize::MAX as usize - 64, 1);
            std::alloc::handle_alloc_error(layout.expect("the largest there is"));
        }
    }
}

fn thread_id() -> i32 {
    rustix::thread::gettid().as_raw_nonzero().get()
}

/// The hook, the pipes and the thread: once.
fn prepare() -> io::Result<()> {
    if PIPES.get().is_some() {
        return Ok(());
    }
    let (wait, tell) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let (hear, answer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let thread = std::thread::Builder::new().name("crash-report".into());
    thread.spawn(move || wait_and_report(&wait, &answer))?;
    TO_REPORTER.store(raw(&tell), Ordering::Relaxed);
    FROM_REPORTER.store(raw(&hear), Ordering::Relaxed);
    // Nobody else calls this: settings are applied by the main thread.
    let _ = PIPES.set([tell, hear]);
    give_stack();
    std::panic::set_hook(Box::new(panicked));
    Ok(())
}

fn raw(fd: &OwnedFd) -> i32 {
    std::os::fd::AsRawFd::as_raw_fd(fd)
}

/// Lets handlers on this thread have a stack of their own that is large enough.
fn give_stack() {
    // It is used until the process ends.
    let stack: &'static mut [u8] = Vec::leak(vec![0; STACK_BYTES]);
    let stack =
        libc::stack_t { ss_sp: stack.as_mut_ptr().cast(), ss_flags: 0, ss_size: STACK_BYTES };
    // SAFETY: the memory is as long as it says, and nobody else's.
    unsafe { libc::sigaltstack(&stack, std::ptr::null_mut()) };
}

fn handle(signal: libc::c_int) {
    // SAFETY: an action is plain data of which zero is a value.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = handler;
    action.sa_sigaction = handler as *const () as libc::sighandler_t;
    // Once: what comes while it runs, or when it returns, has the signal's own action.
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESETHAND | libc::SA_NODEFER;
    // SAFETY: the handler does only what a handler may, see the module's header.
    unsafe { libc::sigaction(signal, &action, std::ptr::null_mut()) };
}

fn default_action(signal: libc::c_int) {
    // SAFETY: sets a disposition without a handler.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
}

extern "C" fn handler(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the system gives a handler of this kind a valid `info`.
    let code = unsafe { (*info).si_code };
    if !REPORTING.swap(true, Ordering::SeqCst) {
        // SAFETY: as above; which of its numbers mean something follows from the code.
        unsafe {
            let was_sent = code <= 0;
            let address =
                if was_sent { (*info).si_pid() as usize } else { (*info).si_addr() as usize };
            FOUND.address.store(address, Ordering::Relaxed);
            FOUND
                .user
                .store(if was_sent { (*info).si_uid() as usize } else { 0 }, Ordering::Relaxed);
        }
        FOUND.signal.store(signal, Ordering::Relaxed);
        FOUND.code.store(code, Ordering::Relaxed);
        FOUND.instruction.store(instruction(context), Ordering::Relaxed);
        FOUND.on_main.store(thread_id() == MAIN.load(Ordering::Relaxed), Ordering::Relaxed);
        walk();
        ask_reporter();
    }
    // What the processor signals happens again as soon as this returns. What somebody has sent, or `abort`, does not.
    if code <= 0 || signal == libc::SIGABRT {
        // SAFETY: its action is the default one by now.
        unsafe { libc::raise(signal) };
    }
}

/// Stores the return addresses of this thread.
fn walk() {
    let mut len = 0;
    // SAFETY: no other thread walks by this function: the first to report is alone.
    unsafe {
        backtrace::trace_unsynchronized(|frame| {
            FOUND.frames[len].store(frame.ip() as usize, Ordering::Relaxed);
            len += 1;
            len < FRAMES
        });
    }
    FOUND.frames_len.store(len, Ordering::Release);
}

/// Lets the reporter write, and waits for it, but not for ever.
fn ask_reporter() {
    let (to, from) = (TO_REPORTER.load(Ordering::Relaxed), FROM_REPORTER.load(Ordering::Relaxed));
    let mut answer = libc::pollfd { fd: from, events: libc::POLLIN, revents: 0 };
    // SAFETY: one byte is there to be written, and one descriptor to be looked at.
    unsafe {
        libc::write(to, [0u8; 1].as_ptr().cast(), 1);
        libc::poll(&mut answer, 1, PATIENCE_MS);
    }
}

/// Where the thread was, as the system has saved it for the handler.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn instruction(context: *mut libc::c_void) -> usize {
    // SAFETY: the system gives a handler of this kind a valid context.
    unsafe {
        (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs[libc::REG_RIP as usize] as usize
    }
}

#[cfg(all(target_os = "linux", target_arch = "aarch64"))]
fn instruction(context: *mut libc::c_void) -> usize {
    // SAFETY: the system gives a handler of this kind a valid context.
    unsafe { (*context.cast::<libc::ucontext_t>()).uc_mcontext.pc as usize }
}

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
fn instruction(_context: *mut libc::c_void) -> usize {
    0
}

/// The reporter's life.
fn wait_and_report(wait: &OwnedFd, answer: &OwnedFd) {
    if !matches!(rustix::io::read(wait, &mut [0u8; 1]), Ok(1)) {
        return;
    }
    let (signal, code) = (FOUND.signal.load(Ordering::Relaxed), FOUND.code.load(Ordering::Relaxed));
    let mut lines = vec![format!(
        "Tidemark {TIDEMARK_VERSION} (Redis {REDIS_VERSION}) crashed by signal: {signal}, si_code: {code}"
    )];
    let address = FOUND.address.load(Ordering::Relaxed);
    if code <= 0 {
        let user = FOUND.user.load(Ordering::Relaxed);
        lines.push(format!("Killed by PID: {address}, UID: {user}"));
    } else {
        lines.push(format!("Accessing address: {address:#x}"));
    }
    let instruction = FOUND.instruction.load(Ordering::Relaxed);
    if instruction != 0 {
        lines.push(format!("Crashed running the instruction at: {instruction:#x}"));
    }
    begin(&lines);
    let len = FOUND.frames_len.load(Ordering::Acquire);
    let frames = FOUND.frames[..len].iter().map(|frame| frame.load(Ordering::Relaxed));
    trace(&frames.collect::<Vec<_>>(), instruction);
    if FOUND.on_main.load(Ordering::Relaxed) {
        state();
    }
    end();
    let _ = rustix::io::write(answer, &[0]);
}

/// A thread has panicked. In a release that ends the process.
fn panicked(info: &PanicHookInfo<'_>) {
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or(payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("");
    let place = info.location().map_or(String::new(), |at| format!("{}:{}", at.file(), at.line()));
    if REPORTING.swap(true, Ordering::SeqCst) {
        return;
    }
    if text.starts_with("assertion") || text.contains("==") {
        begin(&["=== ASSERTION FAILED ===".into(), format!("==> {place} '{text}' is not true")]);
    } else {
        begin(&[
            "!!! Software Failure. Press left mouse button to continue".into(),
            format!("Guru Meditation: {text} #{place}"),
        ]);
    }
    walk();
    let len = FOUND.frames_len.load(Ordering::Acquire);
    let frames = FOUND.frames[..len].iter().map(|frame| frame.load(Ordering::Relaxed));
    trace(&frames.collect::<Vec<_>>(), 0);
    if thread_id() == MAIN.load(Ordering::Relaxed) {
        state();
    }
    end();
    eprintln!("{place}: {text}");
    if cfg!(panic = "abort") {
        if EXITS_ON_PANIC.load(Ordering::Relaxed) {
            std::process::exit(1);
        }
        default_action(libc::SIGABRT);
    }
}

/// Writes to the log, past its lock: who holds that may be the one that crashed.
fn write(text: &str) {
    // SAFETY: the log's file is open for as long as the process lives.
    let log = unsafe { BorrowedFd::borrow_raw(log::descriptor()) };
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        match rustix::io::write(log.as_fd(), rest) {
            Ok(written) => rest = &rest[written..],
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return,
        }
    }
}

fn begin(lines: &[String]) {
    let mut text =
        "\n\n=== REDIS BUG REPORT START: Cut & paste starting from here ===\n".to_string();
    for line in lines {
        text += &log::line('#', line);
    }
    write(&text);
}

fn end() {
    write(
        "\n=== REDIS BUG REPORT END. Make sure to include from START to END. ===\n\n    \
         This is a fault of Tidemark, not of Redis. Report it to its authors with the text above.\n\n",
    );
}

/// Functions, from the one that crashed outwards. Those of the handler are left out.
fn trace(frames: &[usize], instruction: usize) {
    let mut text = String::from("\n------ STACK TRACE ------\n");
    // The outermost frame has no address.
    let frames = &frames[..frames.iter().position(|ip| *ip == 0).unwrap_or(frames.len())];
    let first = frames.iter().position(|ip| *ip == instruction);
    let shown = &frames[first.unwrap_or(0)..];
    for (number, ip) in shown.iter().enumerate() {
        // A return address is behind its call. Where a signal came is where it is.
        let at = if first.is_some() && number == 0 { *ip } else { ip.saturating_sub(1) };
        let mut is_named = false;
        backtrace::resolve(std::ptr::without_provenance_mut(at), |symbol| {
            is_named = true;
            let _ = write!(text, "#{number} {ip:#x} ");
            let _ = match symbol.name() {
                Some(name) => write!(text, "{name:#}"),
                None => write!(text, "?"),
            };
            if let (Some(file), Some(line)) = (symbol.filename(), symbol.lineno()) {
                let _ = write!(text, " ({}:{line})", file.display());
            }
            text.push('\n');
        });
        if !is_named {
            let _ = writeln!(text, "#{number} {ip:#x} ?");
        }
    }
    write(&text);
}

/// What the node was doing.
fn state() {
    let shell = SHELL.load(Ordering::Relaxed);
    if shell.is_null() {
        return;
    }
    // SAFETY: the main thread, whose it is, stands in the handler or is this one; it has not ended, and goes on no more. What
    // it was changing may be half done: see the module's header.
    let node = unsafe { &(*shell).node };
    for part in node::crash::PARTS {
        write(&format!("\n------ {} ------\n{}", part.title, (part.text)(node)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_names() {
        walk();
        let len = FOUND.frames_len.load(Ordering::Acquire);
        let frames = FOUND.frames[..len].iter().map(|frame| frame.load(Ordering::Relaxed));
        let mut names = Vec::new();
        for ip in frames {
            backtrace::resolve(std::ptr::without_provenance_mut(ip.saturating_sub(1)), |symbol| {
                names.extend(symbol.name().map(|name| name.to_string()));
            });
        }
        assert!(names.iter().any(|name| name.contains("addresses_have_names")), "{names:#?}");
    }
}
