//! The only place that reads clocks. Everything else gets the time as an argument.

use node::Now;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// What is added to the wall clock, milliseconds: experiments let it jump.
static SHIFT_MS: AtomicI64 = AtomicI64::new(0);

/// Lets the wall clock of this process jump by so many milliseconds, against the system's (DEBUG SHIFT-CLOCK).
pub fn shift_wall_clock(ms: i64) {
    SHIFT_MS.store(ms, Ordering::Relaxed);
}

/// Milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub fn unix_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64);
    now.saturating_add(SHIFT_MS.load(Ordering::Relaxed)).max(0)
}

/// The time of a turn that begins now.
#[inline]
pub fn instant() -> Now {
    Now { unix_ms: unix_ms(), steady_ns: monotonic_ns() }
}

/// Nanoseconds since some moment before the first call, never going back.
#[inline]
pub fn monotonic_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Milliseconds since some moment before the first call, never going back.
pub fn monotonic_ms() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    time.tv_sec as u64 * 1000 + time.tv_nsec as u64 / 1_000_000
}
