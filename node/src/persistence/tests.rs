//! Data at rest, as a node keeps it: driven from outside, on files in memory.
//!
//! What matters is looked at from the other side: what another process loads that starts with the same files.

mod append;
mod load;
mod rewrite;
mod snapshots;
mod switch;

use crate::testing::bench::Bench;
use crate::testing::memory::Image;

/// A process that starts with what any call has left loads one of these, and never one of those before again.
#[track_caller]
fn expect_each_loads(bench: &Bench, images: Vec<(String, Image)>, digests: &[String]) {
    let (mut at, calls) = (0, images.len());
    assert!(calls > 4, "{calls} calls are no sequence");
    for (call, image) in images {
        let loaded = bench.reloaded(image);
        let found = digests[at..].iter().position(|digest| *digest == loaded);
        at += found.unwrap_or_else(|| panic!("after {call}: {loaded}, behind {}", digests[at]));
    }
    assert_eq!(at, digests.len() - 1, "the last one was reached");
}
