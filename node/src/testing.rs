//! A world for tests of this crate: it has memory and files, and nothing happens in it by itself.
//!
//! - here: the least of it, for tests of one turn
//! - [`bench`]: a node whose outside the test is; [`pair`]: two of them; [`memory`]: files; [`outside`]: jobs, children, the log

pub mod bench;
pub mod memory;
pub mod outside;
pub mod pair;

use crate::config::Settings;
use crate::node::Node;
use crate::time::Now;
use memory::Memory;
use outside::Scripted;
use protocol::resp::request::Bounds;
use protocol::resp::{Batch, Parser};

/// The moment at which tests begin.
pub const BEGINNING: Now = Now { unix_ms: 1_700_000_000_000, steady_ns: 1_000_000_000_000 };

/// So much later.
pub fn later(now: Now, ms: u64) -> Now {
    Now { unix_ms: now.unix_ms + ms as i64, steady_ns: now.steady_ns + ms * 1_000_000 }
}

/// A node that has begun a turn.
pub fn node() -> Node {
    let world = Box::new(Scripted::new(&Memory::default(), BEGINNING.steady_ns, 0));
    let mut node = Node::new(Settings::default(), None, BEGINNING, world);
    node.begin_turn(BEGINNING);
    node
}

/// Executes requests in one turn of this moment, and returns the replies.
pub fn run_at(node: &mut Node, slot: usize, requests: &[&str], now: Now) -> String {
    let mut bytes: Vec<u8> = Vec::new();
    for request in requests {
        let words = request.split(' ').map(str::as_bytes);
        protocol::resp::encode::command(&mut bytes, words.collect::<Vec<_>>().into_iter());
    }
    let (mut batch, mut out) = (Batch::default(), Vec::new());
    let bounds = Bounds { bulk_max: 1 << 20, authenticated: true };
    let (used, parsed) = Parser::default().parse(&mut bytes, bounds, 100, &mut batch);
    assert!(parsed.is_ok() && used == bytes.len());
    node.execute(slot, &bytes, &batch, &mut out, now);
    String::from_utf8_lossy(&out).into_owned()
}

/// The same at the moment of the turn before.
pub fn run(node: &mut Node, slot: usize, requests: &[&str]) -> String {
    let now = node.host.now;
    run_at(node, slot, requests, now)
}
