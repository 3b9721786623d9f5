//! How long the slowest insertion takes while a database, or one collection, grows to ten million elements.
//!
//! Time is the thread's processor time, so that other programs on the machine do not count. Run it with
//! `cargo run --release -p keyspace --example growth [keys|hash|set|zset|list]`.

use keyspace::db::Db;
use keyspace::hash::Hash;
use keyspace::limits::Limits;
use keyspace::list::{End, List};
use keyspace::set::Set;
use keyspace::table::hash_bytes;
use keyspace::zset::Zset;
use rustix::time::{ClockId, clock_gettime};

/// Elements to insert.
const ELEMENTS: u64 = 10_000_000;
/// How many of the slowest are shown.
const SHOWN: usize = 8;

fn cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Inserts all elements, and shows the slowest insertions.
fn measure(what: &str, mut insert: impl FnMut(u64, &[u8])) {
    let mut slowest: Vec<(u64, u64)> = Vec::new();
    let mut total = 0;
    for number in 0..ELEMENTS {
        let name = format!("name:{number:012}");
        let start = cpu_ns();
        insert(number, name.as_bytes());
        let took = cpu_ns() - start;
        total += took;
        if slowest.len() < SHOWN || took > slowest[SHOWN - 1].0 {
            slowest.push((took, number));
            slowest.sort_unstable_by(|a, b| b.cmp(a));
            slowest.truncate(SHOWN);
        }
    }
    println!("{what}: {} ns on average", total / ELEMENTS);
    for (took, number) in slowest {
        println!("  insertion {number}: {:.3} ms", took as f64 / 1e6);
    }
}

fn main() {
    let limits = Limits::default();
    let value = b"sixteen bytes...";
    let asked = std::env::args().nth(1);
    let wanted = |what: &str| asked.as_deref().is_none_or(|asked| asked == what);
    if wanted("keys") {
        let mut db = Db::new();
        measure("keys", |_, name| {
            drop(db.set_bytes(hash_bytes(name), name, value, None, 0));
        });
    }
    if wanted("hash") {
        let mut hash = Hash::new();
        measure("hash", |_, name| {
            hash.set(name, value, &limits);
        });
    }
    if wanted("set") {
        let mut set = Set::new();
        measure("set", |_, name| {
            set.add(name, &limits);
        });
    }
    if wanted("zset") {
        let mut zset = Zset::new();
        measure("zset", |number, name| {
            // Scores come in no order.
            let score = (number * 7919 % ELEMENTS) as f64;
            zset.add(name, score, &limits);
        });
    }
    if wanted("list") {
        let mut list = List::new();
        measure("list", |_, name| list.push(End::Back, name, &limits));
    }
}
