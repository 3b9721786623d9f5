//! How long the slowest insertion takes while a database grows to ten million keys.
//!
//! Time is the thread's processor time, so that other programs on the machine do not count. Run it with
//! `cargo run --release -p keyspace --example growth`.

use keyspace::db::Db;
use keyspace::table::hash_bytes;
use rustix::time::{ClockId, clock_gettime};

/// Keys to insert.
const KEYS: u64 = 10_000_000;

fn cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn main() {
    let mut db = Db::new();
    let mut slowest: Vec<(u64, u64)> = Vec::new();
    let mut total = 0;
    for n in 0..KEYS {
        let key = format!("key:{n:012}");
        let hash = hash_bytes(key.as_bytes());
        let start = cpu_ns();
        db.set_bytes(hash, key.as_bytes(), b"sixteen bytes...", None, 0);
        let took = cpu_ns() - start;
        total += took;
        if slowest.len() < 8 || took > slowest[7].0 {
            slowest.push((took, n));
            slowest.sort_unstable_by(|a, b| b.cmp(a));
            slowest.truncate(8);
        }
    }
    println!("{} keys, {} ns on average", db.len(), total / KEYS);
    for (took, n) in slowest {
        println!("insertion {n}: {:.3} ms", took as f64 / 1e6);
    }
}
