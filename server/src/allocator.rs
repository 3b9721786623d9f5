//! The process's allocator: jemalloc, with every alignment that Rust asks for.
//!
//! Its size classes are 8 bytes apart up to 64 bytes (`.cargo/config.toml`), so one of 24, 40 or 56 bytes gives
//! addresses that are multiples of 8 only. The crate that binds it takes for granted that the platform's largest common
//! alignment, 16, comes by itself: so it did not for a hash table of the standard library with 56 bytes, whose aligned
//! loads then ended the process. Here such sizes are rounded up to a multiple of 16, whose classes are all aligned.

use std::alloc::{GlobalAlloc, Layout};
use tikv_jemallocator::Jemalloc;

/// The alignment that jemalloc is wrongly taken to give by itself.
const TAKEN_FOR_GRANTED: usize = 16;

/// jemalloc with alignments of 16.
pub struct Allocator;

/// The layout to ask jemalloc for: of a class that is aligned.
#[inline]
fn aligned(layout: Layout) -> Layout {
    match layout.align() {
        TAKEN_FOR_GRANTED => layout.pad_to_align(),
        _ => layout,
    }
}

// SAFETY: each call is passed on with a layout that is at least as large and has the same alignment, the same one for
// the same request.
unsafe impl GlobalAlloc for Allocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: by the caller's contract; padding makes no size zero.
        unsafe { Jemalloc.alloc(aligned(layout)) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe { Jemalloc.alloc_zeroed(aligned(layout)) }
    }

    #[inline]
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: `at` was allocated with this layout, padded in the same way.
        unsafe { Jemalloc.dealloc(at, aligned(layout)) }
    }

    #[inline]
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let size = match layout.align() {
            TAKEN_FOR_GRANTED => new_size.next_multiple_of(TAKEN_FOR_GRANTED),
            _ => new_size,
        };
        // SAFETY: as above; by contract the size rounded up to the alignment is a valid one.
        unsafe { Jemalloc.realloc(at, aligned(layout), size) }
    }
}

#[cfg(test)]
mod tests {
    use std::alloc::{Layout, alloc, dealloc, realloc};

    #[test]
    fn addresses_have_the_alignment_asked_for() {
        for align in [1, 2, 4, 8, 16, 32, 64, 4096] {
            for size in 1..400 {
                let layout = Layout::from_size_align(size, align).expect("a layout");
                // Neighbours of a slab: every second one would be off.
                let found: Vec<*mut u8> = (0..8)
                    .map(|_| {
                        // SAFETY: the size is not zero.
                        unsafe { alloc(layout) }
                    })
                    .collect();
                for at in &found {
                    assert!(at.addr().is_multiple_of(align), "{size} bytes at {at:?} for {align}");
                }
                for (more, at) in found.into_iter().enumerate() {
                    let grown = size + more * 8;
                    // SAFETY: allocated above with `layout`, and then with the grown one.
                    unsafe {
                        let at = realloc(at, layout, grown);
                        assert!(at.addr().is_multiple_of(align), "{grown} bytes for {align}");
                        dealloc(at, Layout::from_size_align_unchecked(grown, align));
                    }
                }
            }
        }
    }
}
