//! A disk that stands still, or is full: nothing grows, nothing that was acknowledged is lost, and INFO and the log tell.
//!
//! ```text
//! a disk that stands still:  the next append-only file is a pipe whose reader does not read
//! a disk that is full:       the next append-only file is /dev/full
//! ```
//!
//! A rewrite makes the server go on in that file.

use integration::data::Writes;
use integration::{Node, TIMEOUT, eventually};
use redis::{Connection, RedisError};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

/// The file to which the first rewrite switches.
const NEXT: &str = "appendonlydir/appendonly.aof.2.incr.aof";

/// A pipe cannot be fsynced, and no other rewrite is to come.
const PATIENT: [(&str, &str); 3] =
    [("appendonly", "yes"), ("appendfsync", "no"), ("auto-aof-rewrite-percentage", "0")];

/// Lets the node go on appending to a pipe, and gives its other end.
fn append_to_a_pipe(node: &Node) -> File {
    let path = node.path(NEXT);
    mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe");
    // Open both ways, so that neither side waits for the other.
    let reader = OpenOptions::new().read(true).write(true).open(path).expect("a reader");
    let _: String = node.run(&["BGREWRITEAOF"]);
    eventually(TIMEOUT, "the rewrite ends", || node.number("aof_rewrites") == 1);
    reader
}

/// Reads `pipe` until `end` comes by, then goes on without keeping anything.
fn read_until(mut pipe: File, end: &'static str) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let (mut all, mut part) = (Vec::new(), vec![0; 1 << 16]);
        while !String::from_utf8_lossy(&all[all.len().saturating_sub(1 << 17)..]).contains(end) {
            let read = pipe.read(&mut part).expect("readable");
            all.extend_from_slice(&part[..read]);
        }
        let _ = sender.send(String::from_utf8_lossy(&all).into_owned());
        while pipe.read(&mut part).is_ok_and(|read| read > 0) {}
    });
    receiver
}

/// Writes 1 KiB under ever higher numbers, until it is told to end or refused. Returns how many were acknowledged, and
/// the error if there was one.
fn write_until(mut connection: Connection, ends: &AtomicBool) -> (usize, Option<RedisError>) {
    let value = "x".repeat(1024);
    for number in 0.. {
        if ends.load(Ordering::SeqCst) {
            return (number, None);
        }
        let set = redis::cmd("SET").arg(format!("key:{number}:")).arg(&value).exec(&mut connection);
        if let Err(error) = set {
            return (number, Some(error));
        }
    }
    unreachable!("it is told to end")
}

/// A thread that writes until it is told to end.
fn writer(node: &Node) -> (Arc<AtomicBool>, JoinHandle<(usize, Option<RedisError>)>) {
    let (connection, ends) = (node.connect(), Arc::new(AtomicBool::new(false)));
    let told = Arc::clone(&ends);
    (ends, thread::spawn(move || write_until(connection, &told)))
}

#[test]
fn writers_wait_for_a_disk_that_stands_still_and_readers_do_not() {
    let node = Node::start("node", &PATIENT);
    let _: String = node.run(&["SET", "read", "me"]);
    let pipe = append_to_a_pipe(&node);
    let (ends, writer) = writer(&node);
    eventually(TIMEOUT, "writers wait", || node.number("aof_buffer_full") == 1);
    ends.store(true, Ordering::SeqCst);
    // What is read is read; who watches sees how much waits, and for how long.
    assert_eq!(node.run::<String>(&["GET", "read"]), "me");
    let waiting = node.number("aof_buffer_length");
    assert!(waiting > 0 && node.number("aof_buffer_age_ms") > 2000);
    assert_eq!(node.number("aof_buffer_stalls"), 1);
    let mut other = node.connect();
    let waits = thread::spawn(move || {
        let mut pipe = redis::pipe();
        pipe.cmd("GET").arg("read").cmd("SET").arg("the last").arg("1").cmd("GET").arg("the last");
        pipe.query::<(String, String, String)>(&mut other).expect("answers, in the end")
    });
    let listed = |node: &Node| node.run::<String>(&["CLIENT", "LIST"]);
    eventually(TIMEOUT, "another waits", || listed(&node).contains("cmd=get"));
    assert_eq!(node.number("aof_buffer_length"), waiting, "nothing is taken in any more");
    assert!(node.log().contains("Commands that write wait"), "{}", node.log());

    let written = read_until(pipe, "the last");
    let answers = waits.join().expect("no panic");
    assert_eq!(answers, ("me".to_string(), "OK".to_string(), "1".to_string()));
    let text = written.recv_timeout(TIMEOUT).expect("all of it");
    eventually(TIMEOUT, "nobody waits", || node.number("aof_buffer_full") == 0);
    assert!(node.log().contains("The AOF file is written again after"), "{}", node.log());
    // All that was acknowledged is in the file, once and in order.
    let (acknowledged, error) = writer.join().expect("no panic");
    assert!(error.is_none() && acknowledged * 1100 > waiting as usize, "{acknowledged} {error:?}");
    let numbers: Vec<usize> = text
        .split("key:")
        .skip(1)
        .map(|rest| rest.split(':').next().and_then(|n| n.parse().ok()).expect("a number"))
        .collect();
    assert_eq!(numbers, (0..acknowledged).collect::<Vec<_>>());
}

#[test]
fn the_append_queue_has_a_limit() {
    let node = Node::start("node", &[&PATIENT[..], &[("aof-buffer-limit", "1mb")]].concat());
    let pipe = append_to_a_pipe(&node);
    // Long before two seconds are over.
    let value = "x".repeat(200_000);
    let mut connection = node.connect();
    let writer = thread::spawn(move || {
        (0..40).for_each(|number| {
            redis::cmd("SET").arg(number).arg(&value).exec(&mut connection).expect("written");
        });
    });
    eventually(TIMEOUT, "writers wait", || node.number("aof_buffer_full") == 1);
    // The limit, and what one iteration of the loop has brought, of 8 MB in all.
    assert!(node.number("aof_buffer_length") < 2 << 20);
    let written = read_until(pipe, "the last");
    writer.join().expect("no panic");
    let _: String = node.run(&["SET", "the last", "1"]);
    let text = written.recv_timeout(TIMEOUT).expect("all of it");
    assert_eq!(text.matches("$200000").count(), 40);
}

#[test]
fn switching_the_file_off_is_an_end_of_waiting_too() {
    let node = Node::start("node", &PATIENT);
    let pipe = append_to_a_pipe(&node);
    let (ends, writer) = writer(&node);
    eventually(TIMEOUT, "writers wait", || node.number("aof_buffer_full") == 1);
    ends.store(true, Ordering::SeqCst);
    // What was acknowledged has to be written first.
    let written = read_until(pipe, "key:0:");
    let _: String = node.run(&["CONFIG", "SET", "appendonly", "no"]);
    let _: String = node.run(&["SET", "later", "1"]);
    written.recv_timeout(TIMEOUT).expect("something came");
    let (acknowledged, error) = writer.join().expect("no panic");
    assert!(error.is_none() && acknowledged > 0, "{error:?}");
    assert_eq!(node.run::<i64>(&["DBSIZE"]), acknowledged as i64 + 1);
}

#[test]
fn a_full_disk_refuses_writes_and_says_so() {
    let node = Node::start("node", &[("appendonly", "yes")]);
    let _: String = node.run(&["SET", "read", "me"]);
    symlink("/dev/full", node.path(NEXT)).expect("a link");
    let _: String = node.run(&["BGREWRITEAOF"]);
    eventually(TIMEOUT, "the rewrite ends", || node.number("aof_rewrites") == 1);
    let (_, error) = write_until(node.connect(), &AtomicBool::new(false));
    assert_eq!(error.as_ref().and_then(RedisError::code), Some("MISCONF"), "{error:?}");
    assert_eq!(node.info("aof_last_write_status"), "err");
    assert_eq!(node.run::<String>(&["GET", "read"]), "me");
    // Also when it has been full for so long that the queue would make writers wait: they are told.
    eventually(TIMEOUT, "the queue is late", || node.number("aof_buffer_age_ms") > 2500);
    assert_eq!(node.number("aof_buffer_full"), 1);
    assert!(node.refused(&["SET", "a", "1"]).starts_with("MISCONF"));
    assert!(node.log().contains("Error writing to the AOF file"), "{}", node.log());
}

#[test]
fn a_rewrite_that_cannot_begin_is_shown_and_tried_ever_more_seldom() {
    let mut node =
        Node::start("node", &[("appendonly", "yes"), ("auto-aof-rewrite-min-size", "1")]);
    // Where the next file is to be there is a folder.
    fs::create_dir(node.path(NEXT)).expect("a folder");
    let text = node.refused(&["BGREWRITEAOF"]);
    assert!(text.starts_with("ERR Can't execute an AOF background rewriting"), "{text}");
    assert_eq!(node.info("aof_last_bgrewrite_status"), "err");
    assert!(node.number("aof_rewrites_consecutive_failures") >= 1);
    // By itself it is tried a few times, and then ever more seldom.
    let _: String = node.run(&["SET", "key", &"x".repeat(1000)]);
    let put_off = "Background AOF rewrite has repeatedly failed and triggered the limit";
    eventually(TIMEOUT, "it is put off", || node.log().contains(put_off));
    assert_eq!(node.number("aof_rewrites_consecutive_failures"), 3);
    assert_eq!(node.log().matches("Can't begin a rewrite").count(), 3, "{}", node.log());
    // Who asks for it is not put off.
    fs::remove_dir(node.path(NEXT)).expect("the folder");
    let _: String = node.run(&["BGREWRITEAOF"]);
    eventually(TIMEOUT, "the rewrite ends", || node.number("aof_rewrites") == 1);
    assert_eq!(node.info("aof_last_bgrewrite_status"), "ok");
    assert_eq!(node.number("aof_rewrites_consecutive_failures"), 0);
    let digest = node.digest();
    node.restart();
    assert_eq!(node.digest(), digest);
}

#[test]
fn a_file_that_cannot_begin_anew_after_a_full_sync_is_shown_and_tried_again() {
    let primary = Node::start("primary", &[]);
    Writes::new(11).send(&mut primary.connect(), 500);
    let mut replica = Node::start("replica", &[("appendonly", "yes")]);
    let _: String = replica.run(&["SET", "old", "1"]);
    // Where the file is to be there is a folder, and it is not empty.
    let folder = replica.path("appendonlydir/temp-appendonly.aof.incr");
    fs::create_dir_all(folder.join("full")).expect("a folder");
    replica.follow(&primary);
    replica.wait_for_sync(&primary);
    assert_eq!(replica.number("aof_enabled"), 0);
    assert_eq!(replica.info("aof_last_write_status"), "err");
    eventually(TIMEOUT, "it is tried again", || {
        replica.number("aof_restarts_consecutive_failures") >= 2
    });
    let said = replica.log();
    assert_eq!(said.matches("Failed enabling the AOF").count(), 1, "once for a reason: {said}");
    // As a primary it takes no writes that would be lost.
    let _: String = replica.run(&["REPLICAOF", "NO", "ONE"]);
    assert!(replica.refused(&["SET", "a", "1"]).starts_with("MISCONF Errors writing to the AOF"));
    fs::remove_dir_all(&folder).expect("the folder");
    eventually(TIMEOUT, "it is on again", || replica.number("aof_enabled") == 1);
    assert_eq!(replica.info("aof_last_write_status"), "ok");
    assert_eq!(replica.number("aof_restarts_consecutive_failures"), 0);
    let _: String = replica.run(&["SET", "new", "1"]);
    eventually(TIMEOUT, "the first base is there", || replica.number("aof_rewrites") == 1);
    let digest = replica.digest();
    replica.restart();
    assert_eq!(replica.digest(), digest);
}

#[test]
fn a_disk_that_cannot_take_a_snapshot_leaves_the_old_data_and_is_tried_again() {
    let primary = Node::start("primary", &[]);
    Writes::new(12).send(&mut primary.connect(), 500);
    let replica = Node::start("replica", &[]);
    let _: String = replica.run(&["SET", "old", "1"]);
    let digest = replica.digest();
    // The names of files to be received tell the second and the process.
    let first: u64 = replica.run::<Vec<u64>>(&["TIME"])[0];
    let links: Vec<_> = (first..first + 2 * TIMEOUT.as_secs())
        .map(|second| replica.path(&format!("temp-{second}.{}.rdb", replica.pid())))
        .collect();
    links.iter().for_each(|link| symlink("/dev/full", link).expect("a link"));
    replica.follow(&primary);
    let failure = "Write error or short write writing to the DB dump file";
    eventually(TIMEOUT, "it fails", || replica.log().contains(failure));
    assert_eq!(replica.digest(), digest, "the old data stays");
    for link in links {
        let _ = fs::remove_file(link);
    }
    replica.wait_for_sync(&primary);
}
