//! No acknowledged write is missing after kill -9, with `appendfsync always`.
//!
//! A short form of `scripts/kill-nine`, for every run of the tests.

use integration::Node;
use redis::ConnectionLike;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

const WRITERS: usize = 8;
const ROUNDS: u64 = 5;
/// Acknowledged writes after which a round's server is killed: more each time.
const WRITES_PER_ROUND: u64 = 400;
/// Writes that a writer sends at once.
const BATCH: u64 = 4;

/// Writes `<number> = <number>` in ascending order until the server dies, from `next` on. Returns how many were
/// acknowledged.
fn write_until_killed(
    connection: &mut redis::Connection,
    writer: usize,
    mut next: u64,
    total: &AtomicU64,
    killed: &AtomicBool,
) -> u64 {
    loop {
        let mut pipe = redis::Pipeline::new();
        for number in next..next + BATCH {
            pipe.cmd("SET").arg(format!("{writer}:{number}")).arg(number);
        }
        pipe.cmd("RPUSH").arg(format!("list:{writer}")).arg(next);
        match connection.req_packed_commands(&pipe.get_packed_pipeline(), 0, pipe.len()) {
            Ok(replies) => {
                for reply in replies {
                    assert!(!matches!(reply, redis::Value::ServerError(_)), "{reply:?}");
                }
                next += BATCH;
                total.fetch_add(BATCH, Ordering::SeqCst);
            }
            Err(error) => {
                assert!(killed.load(Ordering::SeqCst), "before the kill: {error}");
                return next;
            }
        }
    }
}

#[test]
fn no_acknowledged_write_is_missing_after_kill_nine() {
    let options = [("appendonly", "yes"), ("appendfsync", "always")];
    let mut node = Node::start("node", &options);
    let mut acknowledged = [0u64; WRITERS];
    for round in 1..=ROUNDS {
        let (total, killed) = (AtomicU64::new(0), AtomicBool::new(false));
        let connections: Vec<_> = (0..WRITERS).map(|_| node.connect()).collect();
        thread::scope(|scope| {
            let writers: Vec<_> = connections
                .into_iter()
                .enumerate()
                .map(|(writer, mut connection)| {
                    let (total, killed, next) = (&total, &killed, acknowledged[writer]);
                    scope.spawn(move || {
                        write_until_killed(&mut connection, writer, next, total, killed)
                    })
                })
                .collect();
            if round % 2 == 0 {
                // In every other round a rewrite is under way.
                let _: String = node.run(&["BGREWRITEAOF"]);
            }
            let due = || total.load(Ordering::SeqCst) >= round * WRITES_PER_ROUND;
            while !due() && !writers.iter().any(thread::ScopedJoinHandle::is_finished) {
                thread::yield_now();
            }
            killed.store(true, Ordering::SeqCst);
            node.kill();
            for (writer, thread) in writers.into_iter().enumerate() {
                acknowledged[writer] = thread.join().expect("a writer without a complaint");
            }
        });
        node.launch();
        check(&node, &acknowledged);
    }
    assert!(acknowledged.iter().sum::<u64>() >= ROUNDS * WRITES_PER_ROUND);
}

/// Every write that was acknowledged is there.
fn check(node: &Node, acknowledged: &[u64]) {
    let mut connection = node.connect();
    for (writer, count) in acknowledged.iter().enumerate() {
        let keys: Vec<String> = (0..*count).map(|number| format!("{writer}:{number}")).collect();
        for (part, keys) in keys.chunks(500).enumerate() {
            let values: Vec<Option<u64>> =
                redis::cmd("MGET").arg(keys).query(&mut connection).expect("values");
            for (index, value) in values.into_iter().enumerate() {
                let number = (part * 500 + index) as u64;
                assert_eq!(value, Some(number), "writer {writer} of {acknowledged:?}");
            }
        }
        let numbers: Vec<u64> = node.run(&["LRANGE", &format!("list:{writer}"), "0", "-1"]);
        let mut distinct = numbers.clone();
        distinct.dedup();
        let expected: Vec<u64> = (0..*count).step_by(BATCH as usize).collect();
        assert!(distinct.starts_with(&expected), "writer {writer}: {numbers:?}");
    }
}

#[test]
fn a_reply_waits_for_a_slow_write_and_no_longer() {
    let options = [("appendonly", "yes"), ("appendfsync", "always")];
    let node = Node::start("node", &options);
    let file = std::fs::read_dir(node.path("appendonlydir")).expect("a folder").flatten();
    let file =
        file.map(|entry| entry.path()).find(|path| path.to_string_lossy().contains(".incr."));
    let file = file.expect("a file that grows");
    let _: String = node.run(&["DEBUG", "AOF-FLUSH-SLEEP", "20000"]);
    let mut connection = node.connect();
    for n in 0..10 {
        let text = format!("value-{n}");
        let _: String = redis::cmd("SET").arg("key").arg(&text).query(&mut connection).expect("OK");
        let bytes = std::fs::read(&file).expect("it can be read");
        assert!(bytes.windows(text.len()).any(|window| window == text.as_bytes()), "{text}");
    }
    // A reader does not wait for the write of another.
    let _: String = node.run(&["DEBUG", "AOF-FLUSH-SLEEP", "60000000"]);
    connection
        .send_packed_command(&redis::cmd("SET").arg("a").arg(1).get_packed_command())
        .expect("sent");
    assert_eq!(node.run::<String>(&["GET", "key"]), "value-9");
    assert!(node.refused(&["DEBUG", "AOF-FLUSH-SLEEP", "-1"]).starts_with("ERR"));
}
