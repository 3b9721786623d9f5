//! Children of the test process: what they report, save and leave alone.

use super::*;
use crate::files::Files;
use crate::snapshot::{LoadOptions, SaveOptions, SnapshotMeta, load_file, load_snapshot};
use keyspace::db::Db;
use keyspace::limits::Limits;
use protocol::rdb::KeyMeta;
use std::io::Read;
use std::os::fd::AsFd;

/// A clock by which every question takes a second.
fn clock() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NOW: AtomicU64 = AtomicU64::new(0);
    NOW.fetch_add(1000, Ordering::Relaxed)
}

/// Everything that a child reports until its pipe ends, and how it ended.
fn reports(child: &Child) -> (Vec<Report>, Exit) {
    let mut parser = ReportParser::default();
    let mut reports = Vec::new();
    let mut buffer = [0; 7];
    loop {
        use rustix::event::{PollFd, PollFlags, poll};
        poll(&mut [PollFd::new(&child.reports, PollFlags::IN)], None).expect("polled");
        let read = rustix::io::read(&child.reports, &mut buffer).expect("ready");
        parser.feed(&buffer[..read]);
        while let Some(report) = parser.next_report().expect("a report") {
            reports.push(report);
        }
        if read == 0 {
            return (reports, child.process().wait().expect("a child"));
        }
    }
}

fn sample() -> Db {
    let mut db = Db::new();
    for index in 0..5000 {
        assert!(db.add_new_bytes(format!("key {index}").as_bytes(), b"value", None, 0));
    }
    db
}

fn meta() -> SnapshotMeta {
    SnapshotMeta {
        redis_ver: "7.2.4".into(),
        ctime_s: 0,
        used_mem_bytes: 0,
        replication: None,
        aof_base: false,
        functions: Vec::new(),
        users: None,
    }
}

fn load_options() -> LoadOptions<'static> {
    LoadOptions { now_ms: 0, drop_expired: false, checksum: true, clock: &|_: &KeyMeta| 0 }
}

#[test]
fn a_child_reports_and_ends() {
    let child = fork_child(&[], clock, |reporter| {
        reporter.progress(10);
        reporter.progress(20);
        Ok("a result".into())
    });
    let (reports, exit) = reports(&child.expect("forked"));
    assert_eq!(exit, Exit::Code(0));
    let [
        Report::Progress { keys: 10, .. },
        Report::Progress { keys: 20, .. },
        Report::Succeeded { ref result, keys: 20, copied_bytes },
    ] = reports[..]
    else {
        panic!("{reports:?}")
    };
    assert_eq!(result, "a result");
    assert!(copied_bytes > 0, "the child has a stack of its own");
}

#[test]
fn failures_and_panics_are_told() {
    let long = "x".repeat(5000);
    let child = fork_child(&[], clock, |_| Err(long.clone())).expect("forked");
    let (told, exit) = reports(&child);
    assert_eq!(exit, Exit::Code(1));
    assert!(matches!(&told[..], [Report::Failed { reason, .. }] if reason == &long[..1024]));
    let child = fork_child(&[], clock, |_| std::panic::resume_unwind(Box::new(())));
    let (told, exit) = reports(&child.expect("forked"));
    assert_eq!(exit, Exit::Code(1));
    assert!(matches!(&told[..], [Report::Failed { reason, .. }] if reason.contains("panicked")));
}

#[test]
fn a_killed_child_ends_without_a_last_report() {
    let child = fork_child(&[], clock, |_| {
        loop {
            std::thread::park();
        }
    });
    let child = child.expect("forked");
    assert_eq!(child.process().try_wait().expect("a child"), None);
    child.process().kill().expect("killed");
    let (told, exit) = reports(&child);
    assert_eq!((told, exit), (vec![], Exit::Signal(libc::SIGKILL)));
}

#[test]
fn descriptors_that_are_not_needed_are_closed() {
    let (mut read_end, write_end) = io::pipe().expect("a pipe");
    let child = fork_child(&[], clock, |_| {
        loop {
            std::thread::park();
        }
    });
    let child = child.expect("forked");
    drop(write_end);
    // Ends only because the child does not hold the other end open.
    assert_eq!(read_end.read(&mut [0]).expect("read"), 0);
    child.process().kill().expect("killed");
    child.process().wait().expect("a child");
}

#[test]
fn a_child_saves_the_moment_of_its_fork_to_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let target = folder.path().join("dump.rdb");
    let mut dbs = [sample()];
    let meta = meta();
    let job = SaveJob { dbs: &dbs, meta: &meta, options: SaveOptions::default(), clock_ms: clock };
    let child = save_to_file_child(&Files::real(), job, &target).expect("forked");
    dbs[0] = Db::new();
    let (told, exit) = reports(&child);
    assert_eq!(exit, Exit::Code(0), "{told:?}");
    assert!(matches!(told.last(), Some(Report::Succeeded { keys: 5000, .. })), "{told:?}");
    assert_eq!(Files::real().list(folder.path()).expect("listed"), ["dump.rdb"]);
    let loaded =
        load_file(&Files::real(), &target, &mut dbs, &Limits::DEFAULT, load_options(), &mut |_| ())
            .expect("loads");
    assert_eq!(loaded.keys_loaded, 5000);

    let nowhere = folder.path().join("none").join("dump.rdb");
    let job = SaveJob { dbs: &dbs, ..job_of(&meta) };
    let (told, _) = reports(&save_to_file_child(&Files::real(), job, &nowhere).expect("forked"));
    assert!(matches!(&told[..], [Report::Failed { reason, .. }] if reason.contains("create")));
}

#[test]
fn a_child_keeps_the_snapshot_of_somebody_else_and_tells_where() {
    use crate::files::{Identity, KeepRule, OwnFiles};
    let folder = tempfile::tempdir().expect("a folder");
    let target = folder.path().join("dump.rdb");
    std::fs::write(&target, "theirs").expect("written");
    let meta = meta();
    let rule = KeepRule { own: OwnFiles::default(), most: 3, now_ms: 0 };
    let child = save_snapshot_child(&Files::real(), job_of(&meta), &target, &rule).expect("forked");
    let (told, exit) = reports(&child);
    let [.., Report::Succeeded { result, .. }] = &told[..] else { panic!("{told:?}, {exit:?}") };
    let lines: Vec<&str> = result.split('\n').collect();
    let file = Files::real().open(&target).expect("opened");
    assert_eq!(Identity::from_text(lines[0]), Some(Identity::of(&file).expect("looked at")));
    assert_eq!(std::fs::read(lines[1]).expect("kept"), b"theirs");
    assert_eq!(lines[2..], [""]);
}

fn job_of(meta: &SnapshotMeta) -> SaveJob<'_> {
    SaveJob { dbs: &[], meta, options: SaveOptions::default(), clock_ms: clock }
}

#[test]
fn a_child_saves_into_a_pipe() {
    let (read_end, write_end) = io::pipe().expect("a pipe");
    let (dbs, meta) = ([sample()], meta());
    let job = SaveJob { dbs: &dbs, ..job_of(&meta) };
    let child = save_to_fd_child(job, write_end.as_fd()).expect("forked");
    drop(write_end);
    let mut bytes = Vec::new();
    { read_end }.read_to_end(&mut bytes).expect("read");
    let (_, exit) = reports(&child);
    assert_eq!(exit, Exit::Code(0));
    let mut loaded = [Db::new()];
    load_snapshot(&bytes[..], &mut loaded, &Limits::DEFAULT, load_options(), &mut |_| ())
        .expect("loads");
    assert_eq!(loaded[0].len(), 5000);
}

#[test]
fn reports_are_understood_in_any_pieces_and_nothing_else_is() {
    let mut parser = ReportParser::default();
    parser.feed(&[9; 20]);
    assert!(parser.next_report().is_err());
    let mut parser = ReportParser::default();
    let mut done = vec![0; 20];
    done[0] = 2;
    parser.feed(&done[..19]);
    assert_eq!(parser.next_report(), Ok(None));
    parser.feed(&done[19..]);
    let report = Report::Succeeded { result: String::new(), keys: 0, copied_bytes: 0 };
    assert_eq!((parser.next_report(), parser.ended()), (Ok(Some(report)), true));
    parser.feed(&done);
    assert!(parser.next_report().is_err());
}
