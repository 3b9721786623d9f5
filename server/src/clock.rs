//! The only place that reads clocks. Everything else gets the time as an argument.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

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

/// A moment for measuring how long something takes.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub fn now() -> Instant {
    Instant::now()
}

/// Time since a moment.
pub fn since(start: Instant) -> Duration {
    now().saturating_duration_since(start)
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
