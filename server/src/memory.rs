//! What the allocator and the system say about memory and processor time.

use node::world::{Memory, Thread, Whose};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use tikv_jemalloc_ctl::thread::{self, ThreadLocal};
use tikv_jemalloc_ctl::{epoch, stats};

static PEAK: AtomicUsize = AtomicUsize::new(0);
static AT_START: AtomicUsize = AtomicUsize::new(0);

/// Bytes given out by the allocator.
pub fn used() -> usize {
    // The figures are cached until the epoch is advanced. Errors mean that there are no statistics.
    let _ = epoch::advance();
    // What threads keep for reuse counts as given out, though nobody uses it.
    // SAFETY: the name has a value of C's type size_t; 4096 stands for all arenas.
    let cached = unsafe { tikv_jemalloc_ctl::raw::read(b"stats.arenas.4096.tcache_bytes\0") };
    let used = stats::allocated::read().unwrap_or(0).saturating_sub(cached.unwrap_or(0usize));
    PEAK.fetch_max(used, Ordering::Relaxed);
    used
}

thread_local! {
    /// What was in use when the allocator was last asked, less what this thread had taken in all by then.
    static BASE: Cell<i64> = const { Cell::new(0) };
    /// Where the allocator counts what this thread takes and gives back.
    static OWN: Option<(ThreadLocal<u64>, ThreadLocal<u64>)> =
        Some((thread::allocatedp::read().ok()?, thread::deallocatedp::read().ok()?));
}

/// Bytes that this thread has taken and not given back; it may have given back more than it took.
pub(crate) fn own() -> i64 {
    OWN.with(|own| {
        own.as_ref().map_or(0, |(taken, given)| taken.get().wrapping_sub(given.get()) as i64)
    })
}

/// Asks the allocator how much is in use.
pub fn refresh() {
    BASE.set(used() as i64 - own());
}

/// Bytes given out by the allocator, with what other threads did since the last [`refresh`] left out.
#[inline]
pub fn used_now() -> usize {
    (BASE.get() + own()).max(0) as usize
}

/// All figures of now.
pub fn figures() -> Memory {
    let used = used();
    Memory {
        used,
        active: stats::active::read().unwrap_or(0),
        resident: stats::resident::read().unwrap_or(0),
        rss: rss(),
        peak: PEAK.load(Ordering::Relaxed),
        at_start: AT_START.load(Ordering::Relaxed),
        system: system_bytes(),
    }
}

/// Remembers what is in use before there is any data.
pub fn note_start() {
    AT_START.store(used(), Ordering::Relaxed);
}

/// How long freed pages are kept for reuse, milliseconds.
///
/// The allocator's 10 s are long for a server whose collections grow: each step of a growing value leaves a hole behind,
/// and for so long all of them count as memory of the process (measured: 1000 lists of 2000 elements that grow in turns
/// took 23 bytes per element instead of 17). The background thread returns them, so commands do not pay for it.
const DIRTY_DECAY_MS: isize = 250;

/// Prepares the allocator; to be called before there are threads.
pub fn prepare() {
    for name in [&b"arenas.dirty_decay_ms\0"[..], b"arena.0.dirty_decay_ms\0"] {
        // SAFETY: both names take a value of C's type ssize_t. A refusal leaves the default.
        let _ = unsafe { tikv_jemalloc_ctl::raw::write(name, DIRTY_DECAY_MS) };
    }
}

/// Whether a thread of the allocator gives pages back (`jemalloc-bg-thread`).
pub fn set_background_thread(on: bool) {
    if let Err(error) = tikv_jemalloc_ctl::background_thread::write(on) {
        tracing::warn!("Cannot switch the allocator's background thread: {error}");
    }
}

/// Gives unused pages back to the system.
pub fn purge() {
    // SAFETY: `arena.<all>.purge` takes and gives no value; 4096 stands for all arenas.
    let _ = unsafe { tikv_jemalloc_ctl::raw::write(b"arena.4096.purge\0", ()) };
}

/// What the allocator says about itself, in its own words.
pub fn allocator_report() -> Vec<u8> {
    let mut text = Vec::new();
    let options = tikv_jemalloc_ctl::stats_print::Options::default();
    // Writing to a vector does not fail.
    let _ = tikv_jemalloc_ctl::stats_print::stats_print(&mut text, options);
    text
}

/// Reads a number of the allocator by its name (`mallctl`), after setting it if there is a value.
pub fn allocator_number(name: &str, value: Option<i64>) -> Result<i64, String> {
    let name = [name.as_bytes(), b"\0"].concat();
    // Numbers there have 8, 4 or 1 bytes: the one whose size is right is the only one that is taken.
    type Attempt = fn(&[u8], Option<i64>) -> tikv_jemalloc_ctl::Result<i64>;
    const ATTEMPTS: [Attempt; 3] = [
        |name, value| of::<u64>(name, value, |value| value as u64).map(|n| n as i64),
        |name, value| of::<u32>(name, value, |value| value as u32).map(i64::from),
        |name, value| of::<bool>(name, value, |value| value != 0).map(i64::from),
    ];
    let mut failed = String::new();
    for attempt in ATTEMPTS {
        match attempt(&name, value) {
            Ok(number) => return Ok(number),
            Err(error) => failed = error.to_string(),
        }
    }
    Err(failed)
}

fn of<T: Copy>(
    name: &[u8],
    value: Option<i64>,
    make: fn(i64) -> T,
) -> tikv_jemalloc_ctl::Result<T> {
    // SAFETY: the allocator compares the size of what it reads or writes with its own, and refuses another one; the name
    // ends with a zero byte.
    unsafe {
        if let Some(value) = value {
            tikv_jemalloc_ctl::raw::write(name, make(value))?;
        }
        tikv_jemalloc_ctl::raw::read(name)
    }
}

/// Reads a text of the allocator by its name.
pub fn allocator_text(name: &str) -> Result<String, String> {
    let name = [name.as_bytes(), b"\0"].concat();
    // What is no text is no pointer either; these are the names of texts.
    const TEXTS: [&[u8]; 6] = [
        b"version\0",
        b"opt.dss\0",
        b"opt.malloc_conf\0",
        b"config.malloc_conf\0",
        b"opt.junk\0",
        b"opt.percpu_arena\0",
    ];
    if !TEXTS.contains(&&name[..]) {
        return Err("unknown text".into());
    }
    // SAFETY: each of these is a pointer to a C text that lives as long as the process.
    let text =
        unsafe { tikv_jemalloc_ctl::raw::read_str(&name) }.map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(text).trim_end_matches('\0').to_string())
}

fn rss() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: usize = statm.split(' ').nth(1).and_then(|n| n.parse().ok()).unwrap_or(0);
    pages * rustix::param::page_size()
}

/// Bytes of the process that are in huge pages.
pub fn huge_page_bytes() -> usize {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    let line = rollup.lines().find_map(|line| line.strip_prefix("AnonHugePages:"));
    let kilobytes = line.and_then(|rest| rest.split_ascii_whitespace().next());
    kilobytes.and_then(|text| text.parse::<usize>().ok()).unwrap_or(0) << 10
}

/// Bytes of memory that the machine has.
pub fn system_bytes() -> usize {
    let info = rustix::system::sysinfo();
    info.totalram as usize * info.mem_unit as usize
}

/// Memory of a machine in GiB, and how much of it data may take at most, in percent: what is left is for the pages that
/// writes copy while a child makes a snapshot, for the system and for replication.
const ADVISED: [(f64, f64); 6] =
    [(2.0, 33.0), (4.0, 50.0), (8.0, 58.0), (16.0, 63.0), (32.0, 65.0), (64.0, 66.0)];

/// The advised share of a machine's memory for data, in percent: between the sizes of [`ADVISED`] on a straight line.
fn advised_percent(system_bytes: usize) -> f64 {
    let gib = system_bytes as f64 / (1u64 << 30) as f64;
    let above = ADVISED.iter().position(|(size, _)| gib < *size);
    match above {
        Some(0) => ADVISED[0].1,
        None => ADVISED[ADVISED.len() - 1].1,
        Some(at) => {
            let ((low, from), (high, to)) = (ADVISED[at - 1], ADVISED[at]);
            from + (to - from) * (gib - low) / (high - low)
        }
    }
}

/// A warning, if a limit leaves too little memory for snapshots. 0 is no limit.
pub fn too_little_for_snapshots(maxmemory: u64) -> Option<String> {
    let system = system_bytes();
    warning_of(maxmemory, system)
}

fn warning_of(maxmemory: u64, system: usize) -> Option<String> {
    let advised = advised_percent(system);
    let (limit_mb, system_mb) = (maxmemory >> 20, system >> 20);
    (maxmemory as f64 > system as f64 * advised / 100.0).then(|| {
        format!(
            "WARNING maxmemory is {limit_mb} MB of the {system_mb} MB of this machine. While a snapshot, a rewrite or a full \
             synchronization is made, memory that is written to is copied: more than {advised:.0} % for data may not leave \
             enough room."
        )
    })
}

/// Processor time, user and system, seconds.
pub fn cpu_seconds(whose: Whose) -> (f64, f64) {
    let who = match whose {
        Whose::Own => libc::RUSAGE_SELF,
        Whose::Children => libc::RUSAGE_CHILDREN,
        Whose::Thread => libc::RUSAGE_THREAD,
    };
    // SAFETY: `rusage` is plain numbers, for which zeros are valid; the call fills the one it is given.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        if libc::getrusage(who, &mut usage) != 0 {
            return (0.0, 0.0);
        }
        usage
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    (seconds(usage.ru_utime), seconds(usage.ru_stime))
}

/// All threads of this process, the main thread first.
pub fn threads() -> Vec<Thread> {
    let Ok(entries) = std::fs::read_dir("/proc/self/task") else { return Vec::new() };
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    let thread = |entry: std::fs::DirEntry| {
        let id = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
        let seconds = |field: &str| Some(field.parse::<f64>().ok()? / ticks);
        // Fields 14 and 15, the first of the rest being the third.
        let mut fields = rest.split_whitespace().skip(11);
        let cpu_seconds = (seconds(fields.next()?)?, seconds(fields.next()?)?);
        Some(Thread { name: name.to_owned(), id, cpu_seconds })
    };
    let mut threads: Vec<Thread> = entries.flatten().filter_map(thread).collect();
    threads.sort_by_key(|thread| thread.id);
    threads
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_those_advised() {
        for (gib, percent) in ADVISED {
            let system = (gib as usize) << 30;
            assert_eq!(advised_percent(system), percent);
            let most = (system as f64 * percent / 100.0) as u64;
            assert_eq!(warning_of(most, system), None);
            assert!(warning_of(most + 1, system).is_some());
        }
        assert_eq!(advised_percent(1 << 30), 33.0);
        assert_eq!(advised_percent(12 << 30), 60.5);
        assert_eq!(advised_percent(512 << 30), 66.0);
        assert_eq!(warning_of(0, 1 << 30), None);
    }

    /// The keyspace lets values grow to the end of their block, and tells of memory, by these sizes.
    #[test]
    fn the_allocator_has_the_classes_that_the_keyspace_counts_with() {
        for size in (1..4096).chain([4097, 14_000, 20_481, 70_000]) {
            let before = own();
            let bytes = std::hint::black_box(Vec::<u8>::with_capacity(size));
            assert_eq!(own() - before, keyspace::entry::class_bytes(size) as i64, "{size} bytes");
            drop(bytes);
        }
    }
}
