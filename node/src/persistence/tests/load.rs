//! The start: which files count, what is refused, and where the data leave the node in the stream.

use super::expect_each_loads;
use crate::actions::Exit;
use crate::config::{PrimaryAddress, Settings};
use crate::event::Event;
use crate::testing::bench::Bench;
use crate::testing::memory::{Call, Memory};
use journal::History;

const MANIFEST: &str = "appendonlydir/appendonly.aof.manifest";
const INCR: &str = "appendonlydir/appendonly.aof.1.incr.aof";

fn with_aof(settings: &mut Settings) {
    settings.appendonly = true;
}

/// Files of a node that has written this, and its digest.
fn written(change: impl FnOnce(&mut Settings), requests: &[&str]) -> (Memory, String) {
    let mut bench = Bench::new(change);
    let slot = bench.connect();
    requests.iter().for_each(|request| drop(bench.ask(slot, request)));
    (Memory::of(bench.memory.image()), bench.digest())
}

/// A node that has loaded these files.
#[track_caller]
fn loaded(memory: &Memory, change: impl FnOnce(&mut Settings)) -> Bench {
    let mut bench = Bench::start_with(Memory::of(memory.image()), change);
    bench.run_jobs();
    assert_eq!((&bench.exit, bench.ready), (&None, true));
    bench
}

/// Why these files are not loaded; none of them is changed.
#[track_caller]
fn refused(memory: &Memory, change: impl FnOnce(&mut Settings)) -> String {
    let memory = Memory::of(memory.image());
    let before: Vec<_> = memory.names().into_iter().map(|n| (memory.read(&n), n)).collect();
    let mut bench = Bench::start_with(memory.clone(), change);
    bench.run_jobs();
    let after: Vec<_> = memory.names().into_iter().map(|n| (memory.read(&n), n)).collect();
    assert!(before == after, "{}", memory.listed());
    assert!(!bench.ready);
    match bench.exit {
        Some(Exit::NotLoaded(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn without_files_there_are_no_data() {
    let mut bench = loaded(&Memory::default(), |_| ());
    let slot = bench.connect();
    assert_eq!((bench.ask(slot, "DBSIZE"), bench.memory.listed()), (":0".into(), String::new()));
    let bench = loaded(&Memory::default(), with_aof);
    assert_eq!(
        bench.memory.listed().replace("appendonlydir/appendonly.aof.", ""),
        "1.base.rdb 1.incr.aof manifest"
    );
}

#[test]
fn the_file_that_is_configured_counts() {
    let (dump, dumped) = written(|_| (), &["SET a dump", "SAVE"]);
    let (aof, appended) = written(with_aof, &["SET a aof", "SET b aof"]);
    assert_eq!(loaded(&dump, |_| ()).digest(), dumped);
    aof.put("dump.rdb", &dump.read("dump.rdb"));
    assert_eq!(loaded(&aof, with_aof).digest(), appended, "with both");
    assert_eq!(loaded(&aof, |_| ()).digest(), dumped);
    let names = aof.names();
    assert_eq!(loaded(&aof, |_| ()).memory.names(), names, "the other one stays");
}

#[test]
fn while_it_loads_clients_hear_so_and_the_manager_how_far_it_is() {
    let (dump, dumped) = written(|_| (), &["SET a 1", "SAVE"]);
    let mut bench = Bench::start_with(Memory::of(dump.image()), |_| ());
    let slot = bench.connect();
    assert!(bench.ask(slot, "GET a").starts_with("-LOADING"));
    assert_eq!(bench.info("loading"), "1");
    bench.pass(2500);
    let total = dump.read("dump.rdb").len();
    let told: Vec<_> = bench.outer().reports.clone();
    assert_eq!(told, vec![format!("Loading {{ loaded: 0, total: {total} }}"); 3]);
    assert!(!bench.ready);
    bench.run_jobs();
    assert!(bench.ready);
    assert_eq!((bench.ask(slot, "GET a"), bench.info("loading")), ("$1 1".into(), "0".into()));
    assert_eq!(bench.digest(), dumped);
    assert_eq!(bench.info("rdb_last_load_keys_loaded"), "1");
}

#[test]
fn a_dump_becomes_the_base_of_the_first_append_only_file() {
    let (dump, dumped) = written(|_| (), &["SET a 1", "RPUSH l 1 2 3", "SAVE"]);
    let memory = Memory::of(dump.image());
    memory.record();
    let mut bench = Bench::start_with(memory, with_aof);
    assert!(bench.run_job());
    let slot = bench.connect();
    assert!(bench.ask(slot, "GET a").starts_with("-LOADING"), "not before the base is there");
    bench.run_jobs();
    assert_eq!(bench.digest(), dumped);
    bench.ask(slot, "SET b 1");
    let digests = [dumped, bench.digest()];
    expect_each_loads(&bench, bench.memory.recorded(), &digests);
    assert_eq!(bench.memory.read("dump.rdb"), dump.read("dump.rdb"), "it stays as it is");
}

#[test]
fn a_dump_that_is_to_be_ignored_is_not_read() {
    let (dump, dumped) = written(|_| (), &["SET a 1", "SAVE"]);
    let mut bench = loaded(&dump, |settings| {
        (settings.appendonly, settings.aof_ignore_dump) = (true, true);
    });
    assert_ne!(bench.digest(), dumped);
    assert_eq!(bench.memory.read("dump.rdb"), dump.read("dump.rdb"));
}

#[test]
fn what_cannot_be_loaded_ends_the_start_and_changes_nothing() {
    let (dump, _) = written(|_| (), &["SET a 1", "SAVE"]);
    let whole = dump.read("dump.rdb");
    for at in [0, whole.len() / 2, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        dump.put("dump.rdb", &bytes);
        assert!(refused(&dump, |_| ()).contains("dump.rdb"));
        let reason = refused(&dump, with_aof);
        assert!(reason.contains("Ways out") && reason.contains("aof-ignore-dump"), "{reason}");
    }
    let (aof, _) = written(with_aof, &["SET a 1", "SET b 2"]);
    let text = aof.text(INCR);
    let damaged = [
        (INCR, text.replacen("$1\r\na", "$1\r\nX", 1)),
        (INCR, text.replacen("SET", "WET", 1)),
        (MANIFEST, "file what.aof seq 1 type i\nrubbish".into()),
        (MANIFEST, aof.text(MANIFEST).replace("1.incr", "7.incr")),
        ("appendonlydir/appendonly.aof.1.base.rdb", "rubbish".into()),
    ];
    for (path, contents) in damaged {
        let memory = Memory::of(aof.image());
        memory.put(path, contents.as_bytes());
        let reason = refused(&memory, with_aof);
        assert!(reason.contains("appendonlydir"), "{path}: {reason}");
    }
}

#[test]
fn files_without_a_manifest_are_not_overwritten() {
    let (aof, _) = written(with_aof, &["SET a 1"]);
    aof.remove(MANIFEST);
    let reason = refused(&aof, with_aof);
    assert!(reason.contains("no manifest") && reason.contains("Ways out"), "{reason}");
    let mut bench = loaded(&aof, |settings| {
        (settings.appendonly, settings.aof_ignore_dump) = (true, true);
    });
    let slot = bench.connect();
    assert_eq!(bench.ask(slot, "DBSIZE"), ":0");
}

#[test]
fn a_torn_end_is_cut_and_kept_aside() {
    let (aof, _) = written(with_aof, &["SET a 1"]);
    let whole = aof.read(INCR);
    let (aof, _) = written(with_aof, &["SET a 1", "SET b 2"]);
    let longer = aof.read(INCR);
    assert!(longer.starts_with(&whole));
    let (_, first) = written(with_aof, &["SET a 1"]);
    for len in [longer.len() - 1, longer.len() - 20, whole.len() + 3] {
        aof.put(INCR, &longer[..len]);
        let mut bench = loaded(&aof, with_aof);
        assert_eq!(bench.digest(), first, "{len} of {}", longer.len());
        let aside = format!("{INCR}.cut-{}", whole.len());
        assert_eq!(bench.memory.read(&aside), &longer[whole.len()..len]);
        let slot = bench.connect();
        bench.ask(slot, "SET c 3");
        assert_eq!(bench.reloaded_now(), bench.digest());
        let reason = refused(&aof, |settings| {
            (settings.appendonly, settings.aof_load_truncated) = (true, false);
        });
        assert!(reason.contains("Unexpected end of file"), "{reason}");
    }
}

#[test]
fn a_start_that_cannot_make_its_first_files_ends() {
    let (dump, _) = written(|_| (), &["SET a 1", "SAVE"]);
    for memory in [Memory::default(), dump] {
        for (call, part) in [
            (Call::MakeFolder, "appendonlydir"),
            (Call::Write, "temp-base.rdb"),
            (Call::Rename, "base.rdb"),
            (Call::Rename, "manifest"),
        ] {
            let memory = Memory::of(memory.image());
            memory.fail(call, part, 1);
            let mut bench = Bench::start_with(memory.clone(), with_aof);
            bench.run_jobs();
            assert!(matches!(bench.exit, Some(Exit::NotLoaded(_))), "{:?}", bench.exit);
            assert!(!bench.ready && memory.left_to_fail() == 0, "{call:?} {part}");
            // The next one does the same again.
            loaded(&memory, with_aof);
        }
    }
}

#[test]
fn a_primary_forks_the_history_and_a_replica_goes_on_with_it() {
    for appendonly in [false, true] {
        let mut bench = Bench::new(|settings| settings.appendonly = appendonly);
        bench.node.host.journal.start_backlog(1 << 20);
        let slot = bench.connect();
        bench.ask(slot, "SELECT 2");
        bench.ask(slot, "SET a 1");
        bench.ask(slot, "SAVE");
        let journal = &bench.node.host.journal;
        let (history, end) = (journal.history, journal.end());
        let primary = bench.again_with(bench.memory.image());
        let forked = &primary.node.host.journal;
        assert_eq!((forked.history.second_id, forked.end()), (history.id, end));
        assert_eq!(forked.history.second_offset, end.next_byte());
        assert_ne!(forked.history.id, history.id);
        assert!(forked.has_backlog());
        let replica = loaded(&bench.memory, |settings| {
            settings.appendonly = appendonly;
            settings.replicaof = Some(PrimaryAddress { host: "primary".into(), port: 1 });
        });
        let continued = &replica.node.host.journal;
        assert_eq!((continued.history, continued.end()), (History::new(history.id), end));
        assert_eq!(continued.selected(), 2, "the stream stands in that database");
    }
}

#[test]
fn replicas_hear_of_what_had_expired_when_it_was_loaded() {
    let mut bench = Bench::new(|_| ());
    bench.node.host.journal.start_backlog(1 << 20);
    let slot = bench.connect();
    bench.ask(slot, "SET kept 1");
    bench.ask(slot, "SET gone 1 PX 500");
    bench.ask(slot, "SAVE");
    let end = bench.node.host.journal.end();
    let mut other = bench.again_with(bench.memory.image());
    let slot = other.connect();
    assert_eq!(other.ask(slot, "DBSIZE"), ":1");
    assert_eq!(other.info("rdb_last_load_keys_expired"), "1");
    assert!(other.node.host.journal.end() > end, "a DEL for replicas that go on from there");
    // A replica keeps it until its primary says that it is gone.
    let mut replica = Bench::start_with(Memory::of(bench.memory.image()), |settings| {
        settings.replicaof = Some(PrimaryAddress { host: "primary".into(), port: 1 });
    });
    replica.pass(2000);
    replica.run_jobs();
    let slot = replica.connect();
    assert_eq!(replica.ask(slot, "DBSIZE"), ":2");
    assert_eq!(replica.node.host.journal.end(), end);
}

#[test]
fn a_position_that_is_none_is_not_gone_on_with() {
    let mut bench = Bench::new(|_| ());
    bench.node.host.journal.start_backlog(1 << 20);
    let slot = bench.connect();
    bench.ask(slot, "SELECT 9");
    bench.ask(slot, "SET a 1");
    bench.ask(slot, "SELECT 0");
    bench.ask(slot, "DEL nothing");
    bench.ask(slot, "SAVE");
    let digest = bench.digest();
    let mut other = Bench::start_with(Memory::of(bench.memory.image()), |_| ());
    other.run_jobs();
    assert_eq!(other.digest(), digest);
    bench.ask(slot, "SELECT 9");
    bench.ask(slot, "DEL a");
    bench.ask(slot, "SAVE");
    // There are no data in a database beyond those that are there, but the stream stands in one.
    let other = loaded(&bench.memory, |settings| settings.databases = 4);
    let journal = &other.node.host.journal;
    assert_eq!(journal.end().get(), 0);
    assert!(!journal.has_backlog());
}

#[test]
fn what_is_loaded_is_followed_only_when_it_is_there() {
    let (dump, dumped) = written(|_| (), &["SET a 1", "SAVE"]);
    let primary = || PrimaryAddress { host: "primary".into(), port: 1 };
    let mut bench = loaded(&dump, |settings| settings.replicaof = Some(primary()));
    assert!(bench.link.is_empty());
    bench.turn(Event::Follow(primary()));
    bench.dialled();
    assert_eq!(bench.digest(), dumped);
}
