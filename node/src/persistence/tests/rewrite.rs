//! Rewrites: another file, the child's base, and what is left where either fails or the process ends in between.

use super::expect_each_loads;
use crate::child::Kind;
use crate::config::Settings;
use crate::testing::bench::Bench;
use crate::testing::memory::Call;

const STARTED: &str = "+Background append only file rewriting started";
const SCHEDULED: &str = "+Background append only file rewriting scheduled";

fn appending(change: impl FnOnce(&mut Settings)) -> (Bench, usize) {
    let mut bench = Bench::new(|settings| {
        settings.appendonly = true;
        change(settings);
    });
    let slot = bench.connect();
    (bench, slot)
}

/// A rewrite has begun, and something was journaled since.
fn rewriting(change: impl FnOnce(&mut Settings)) -> (Bench, usize) {
    let (mut bench, slot) = appending(change);
    bench.ask(slot, "SET before 1");
    bench.ask(slot, "INCR counter");
    assert_eq!(bench.ask(slot, "BGREWRITEAOF"), STARTED);
    bench.ask(slot, "INCR counter");
    (bench, slot)
}

/// Names of the files in the folder, without what they have in common.
fn files(bench: &Bench) -> String {
    let names = bench.memory.listed();
    names.replace("appendonlydir/appendonly.aof.", "")
}

#[track_caller]
fn expect_whole(bench: &mut Bench) {
    assert_eq!(bench.reloaded_now(), bench.digest());
}

#[test]
fn what_was_journaled_before_is_in_the_base_and_what_came_since_in_the_new_file() {
    let (mut bench, slot) = rewriting(|_| ());
    let [old, new] = ["1", "2"].map(|number| {
        bench.memory.text(&format!("appendonlydir/appendonly.aof.{number}.incr.aof"))
    });
    assert!(old.contains("before") && old.matches("INCR").count() == 1, "{old}");
    assert!(!new.contains("before") && new.matches("INCR").count() == 1, "{new}");
    assert!(new.contains("SELECT"), "each file begins with its own: {new}");
    expect_whole(&mut bench);
    bench.child_ends();
    assert_eq!(files(&bench), "2.base.rdb 2.incr.aof manifest");
    expect_whole(&mut bench);
    bench.ask(slot, "INCR counter");
    expect_whole(&mut bench);
    let figures = ["aof_rewrites", "aof_last_bgrewrite_status", "aof_rewrite_in_progress"];
    assert_eq!(figures.map(|name| bench.info(name)), ["1", "ok", "0"]);
    let (base, all) = (bench.info("aof_base_size"), bench.info("aof_current_size"));
    let size =
        |name: &str| bench.memory.read(&format!("appendonlydir/appendonly.aof.{name}")).len();
    assert_eq!(base, size("2.base.rdb").to_string());
    assert_eq!(all, (size("2.base.rdb") + size("2.incr.aof")).to_string());
}

#[test]
fn a_base_of_commands_is_one_as_well() {
    let (mut bench, _) = rewriting(|settings| settings.aof_use_rdb_preamble = false);
    bench.child_ends();
    assert_eq!(files(&bench), "2.base.aof 2.incr.aof manifest");
    let base = bench.memory.text("appendonlydir/appendonly.aof.2.base.aof");
    assert!(base.contains("SET") && base.contains("before"), "{base}");
    expect_whole(&mut bench);
}

#[test]
fn the_process_may_end_between_any_two_steps() {
    for (rdb, keeps) in [(true, false), (false, false), (true, true)] {
        let (mut bench, slot) = appending(|settings| {
            settings.aof_use_rdb_preamble = rdb;
            settings.aof_disable_auto_gc = keeps;
        });
        let mut digests = vec![bench.digest()];
        bench.memory.record();
        bench.ask(slot, "SET before 1");
        digests.push(bench.digest());
        assert_eq!(bench.ask(slot, "BGREWRITEAOF"), STARTED);
        bench.ask(slot, "SET since 1");
        digests.push(bench.digest());
        bench.child_works();
        bench.ask(slot, "SET late 1");
        digests.push(bench.digest());
        bench.child_ends();
        bench.ask(slot, "SET behind 1");
        digests.push(bench.digest());
        assert_eq!(bench.ask(slot, "CONFIG SET aof-disable-auto-gc no"), "+OK");
        assert_eq!(bench.ask(slot, "BGREWRITEAOF"), STARTED);
        bench.child_ends();
        expect_each_loads(&bench, bench.memory.recorded(), &digests);
        let base = if rdb { "3.base.rdb" } else { "3.base.aof" };
        assert_eq!(files(&bench), format!("{base} 3.incr.aof manifest"));
    }
}

#[test]
fn a_child_that_fails_leaves_a_set_that_is_whole() {
    let (mut bench, slot) = rewriting(|_| ());
    bench.child_is_half_way();
    bench.child_fails("no room");
    assert_eq!(files(&bench), "1.base.rdb 1.incr.aof 2.incr.aof manifest");
    assert_eq!(bench.info("aof_last_bgrewrite_status"), "err");
    assert_eq!(bench.info("aof_rewrites_consecutive_failures"), "1");
    expect_whole(&mut bench);
    // The next one takes all of it.
    assert_eq!(bench.ask(slot, "BGREWRITEAOF"), STARTED);
    bench.ask(slot, "INCR counter");
    bench.child_ends();
    assert_eq!(files(&bench), "2.base.rdb 3.incr.aof manifest");
    assert_eq!(bench.info("aof_rewrites_consecutive_failures"), "0");
    expect_whole(&mut bench);
}

#[test]
fn a_base_that_does_not_get_its_place_leaves_a_set_that_is_whole() {
    let calls = [
        (Call::Rename, "2.base.rdb"),
        (Call::Rename, "manifest"),
        (Call::Write, "manifest"),
        (Call::Sync, "manifest"),
        (Call::Create, "manifest"),
        (Call::SyncFolder, "appendonlydir"),
    ];
    for (call, part) in calls {
        let (mut bench, slot) = rewriting(|_| ());
        bench.memory.fail(call, part, 1);
        bench.child_ends();
        assert_eq!(bench.memory.left_to_fail(), 0, "{call:?} {part}");
        assert_eq!(bench.info("aof_last_bgrewrite_status"), "err", "{call:?} {part}");
        expect_whole(&mut bench);
        bench.ask(slot, "INCR counter");
        expect_whole(&mut bench);
        assert_eq!(bench.ask(slot, "BGREWRITEAOF"), STARTED);
        bench.ask(slot, "INCR counter");
        bench.child_ends();
        expect_whole(&mut bench);
        assert_eq!(bench.info("aof_last_bgrewrite_status"), "ok");
        assert!(!bench.memory.listed().contains("temp-rewriteaof"), "{}", files(&bench));
    }
}

#[test]
fn a_rewrite_that_cannot_begin_is_refused_and_changes_no_file() {
    for (call, part) in
        [(Call::Create, "2.incr"), (Call::Rename, "manifest"), (Call::Create, "temp-")]
    {
        let (mut bench, slot) = appending(|_| ());
        bench.ask(slot, "SET a 1");
        bench.memory.fail(call, part, 1);
        let answer = bench.ask(slot, "BGREWRITEAOF");
        assert!(answer.starts_with("-ERR Can't execute an AOF background rewriting"), "{answer}");
        assert_eq!((bench.children(), bench.info("aof_last_bgrewrite_status")), (0, "err".into()));
        bench.ask(slot, "SET b 1");
        expect_whole(&mut bench);
        assert_eq!(bench.ask(slot, "BGREWRITEAOF"), STARTED);
        bench.child_ends();
        expect_whole(&mut bench);
    }
    let (mut bench, slot) = appending(|_| ());
    bench.outer().no_forks = true;
    assert!(bench.ask(slot, "BGREWRITEAOF").starts_with("-ERR"));
    bench.ask(slot, "SET a 1");
    expect_whole(&mut bench);
}

#[test]
fn what_has_failed_is_tried_ever_more_seldom() {
    let (mut bench, slot) = appending(|settings| settings.auto_aof_rewrite_min_size = 1);
    bench.ask(slot, &format!("SET big {}", "x".repeat(10_000)));
    let (mut begun, mut failed_ms) = (Vec::new(), bench.now.unix_ms);
    for _ in 0..11 {
        bench.pass_until_child();
        begun.push((bench.now.unix_ms - failed_ms) / 60_000);
        bench.child_fails("no room");
        failed_ms = bench.now.unix_ms;
    }
    assert_eq!(begun, [0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60], "minutes");
    // What somebody asks for is not put off, and a success makes all that forgotten.
    assert_eq!(bench.ask(slot, "BGREWRITEAOF"), STARTED);
    bench.child_ends();
    bench.ask(slot, &format!("SET other {}", "x".repeat(30_000)));
    bench.pass(100);
    assert_eq!(bench.children(), 1);
}

#[test]
fn a_file_is_rewritten_by_itself_when_it_has_grown_enough() {
    let (mut bench, slot) = appending(|settings| settings.auto_aof_rewrite_min_size = 4000);
    let write = |bench: &mut Bench, bytes: usize| {
        let request = format!("APPEND log {}", "x".repeat(bytes));
        bench.ask(slot, &request);
        bench.pass(200);
        bench.children()
    };
    assert_eq!(write(&mut bench, 3000), 0, "it is too small");
    assert_eq!(write(&mut bench, 1000), 1);
    assert_eq!(bench.ask(slot, "CONFIG SET rdbcompression no"), "+OK");
    bench.child_ends();
    assert_eq!(bench.ask(slot, "BGREWRITEAOF"), STARTED);
    bench.child_ends();
    let base: usize = bench.info("aof_base_size").parse().expect("a number");
    assert!((4000..5000).contains(&base), "{base}");
    assert_eq!(write(&mut bench, 3500), 0, "it has not doubled");
    assert_eq!(write(&mut bench, 1000), 1);
    bench.child_ends();
    assert_eq!(bench.ask(slot, "CONFIG SET auto-aof-rewrite-percentage 0"), "+OK");
    assert_eq!(write(&mut bench, 50_000), 0);
    expect_whole(&mut bench);
}

#[test]
fn who_asks_while_a_child_is_at_work_waits_or_is_refused() {
    let (mut bench, slot) = rewriting(|_| ());
    let answer = bench.ask(slot, "BGREWRITEAOF");
    assert_eq!(answer, "-ERR Background append only file rewriting already in progress");
    bench.child_ends();
    assert_eq!(bench.children(), 0);
    assert_eq!(bench.ask(slot, "BGSAVE"), "+Background saving started");
    assert_eq!(bench.ask(slot, "BGREWRITEAOF"), SCHEDULED);
    assert_eq!(bench.info("aof_rewrite_scheduled"), "1");
    bench.child_ends();
    assert_eq!(bench.children(), 1);
    assert!(bench.node.host.child.running_as(Kind::Rewrite).is_some());
    bench.child_ends();
    for request in ["MULTI", "SET in-exec 1", "BGREWRITEAOF"] {
        bench.ask(slot, request);
    }
    assert_eq!(bench.ask(slot, "EXEC"), format!("*2 +OK {SCHEDULED}"));
    assert_eq!(bench.children(), 0, "not inside a transaction");
    bench.pass(100);
    assert_eq!(bench.children(), 1);
    bench.child_ends();
    expect_whole(&mut bench);
}

#[test]
fn without_an_append_only_file_the_base_alone_is_made() {
    let mut bench = Bench::new(|_| ());
    let slot = bench.connect();
    bench.ask(slot, "SET a 1");
    assert_eq!(bench.ask(slot, "BGREWRITEAOF"), STARTED);
    bench.child_ends();
    assert_eq!(files(&bench), "1.base.rdb manifest");
    assert_eq!(bench.ask(slot, "BGREWRITEAOF"), STARTED);
    bench.child_ends();
    assert_eq!(files(&bench), "2.base.rdb manifest", "it is our own by now");
    bench.node.host.settings.appendonly = true;
    expect_whole(&mut bench);
}

#[test]
fn a_folder_that_nobody_has_loaded_is_kept() {
    let (mut other, slot) = appending(|_| ());
    other.ask(slot, "SET precious 1");
    let precious = other.digest();
    let mut bench =
        Bench::start_with(crate::testing::memory::Memory::of(other.memory.image()), |_| ());
    bench.run_jobs();
    let slot = bench.connect();
    assert_eq!(bench.ask(slot, "BGREWRITEAOF"), STARTED);
    bench.child_ends();
    assert_eq!(bench.info("aof_folders_kept"), "1");
    let names = bench.memory.names();
    let kept: Vec<_> = names.iter().filter(|name| name.starts_with("appendonlydir.")).collect();
    assert_eq!(kept.len(), 3, "{names:?}");
    let kept = kept[0].split('/').next().expect("a folder").to_string();
    bench.node.host.settings.appendonly = true;
    expect_whole(&mut bench);
    bench.node.host.settings.appenddirname = kept;
    assert_eq!(bench.reloaded_now(), precious);
}
