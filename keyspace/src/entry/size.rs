//! How large allocations are: the allocator's size classes, and what a string is given that grows.

use std::collections::TryReserveError;

/// The size that jemalloc gives to an allocation of `size` bytes: one every 8 bytes up to 64, then four in each
/// doubling, then every page.
///
/// Blocks are allocated in these sizes, so a value has all of its block to grow in, and what is told of memory is
/// true. The server has a test that its allocator does so.
#[inline]
pub fn class_bytes(size: usize) -> usize {
    let step = if size <= 64 { 8 } else { (1 << ((size - 1).ilog2() - 2)).min(4096) };
    size.next_multiple_of(step)
}

/// Most bytes that a string gets beyond those it needs when it grows.
const SPARE_MAX: usize = 1 << 20;

/// Bytes below which an allocation is not asked for beforehand: the process needs as much for other things all the time.
const ASKED_FROM: usize = 1 << 20;

/// Asks the system for so many bytes and gives them back: whether an allocation that a client sizes will succeed. Memory that
/// is not written costs nothing.
pub fn can_allocate(bytes: usize) -> Result<(), TryReserveError> {
    if bytes < ASKED_FROM {
        return Ok(());
    }
    Vec::<u8>::new().try_reserve_exact(bytes)
}

/// Bytes that a string of `least` bytes is given when it has grown to that.
pub fn grown_bytes(least: usize) -> usize {
    least.saturating_add(least.min(SPARE_MAX))
}

/// Fills a string up with zeros to `least` bytes. Short strings double, so that growing bit by bit costs little; long ones
/// get a little more than they need, where doubling would waste half of the memory.
pub(crate) fn grow(bytes: &mut Vec<u8>, least: usize) {
    if bytes.len() < least {
        if bytes.capacity() < least {
            bytes.reserve_exact(grown_bytes(least) - bytes.len());
        }
        bytes.resize(least, 0);
    }
}
