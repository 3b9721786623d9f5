//! Directories are opened, upgraded, rewritten; files are loaded, torn at every place, and damaged.

use super::*;
use crate::files::fault::{FAULTS, Faulty};
use crate::files::{File, Files};
use crate::snapshot::{LoadOptions, LoadedMeta, ReplicationPoint, SaveOptions, SnapshotMeta};
use bytes::Bytes;
use journal::Offset;
use keyspace::db::Db;
use keyspace::limits::Limits;
use protocol::aof::{BlockMark, HistoryMark};
use protocol::rdb::KeyMeta;
use protocol::resp::Batch;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

mod edited;
mod faults;
mod senseless;
mod tears;
mod tie;

/// Commands of `len` bytes of the stream that begin at `start`.
fn to_append(start: u64, bytes: Vec<Bytes>, len: usize, timestamp_s: Option<i64>) -> Block {
    let start = Offset::from_wire(start).expect("small");
    Block { bytes, start, end: start.after(len as u64), timestamp_s }
}

const LIMITS: Limits = Limits::DEFAULT;

/// Takes everything as text.
#[derive(Default)]
struct Host {
    dbs: Vec<Db>,
    loaded: Vec<u64>,
    base: Option<LoadedMeta>,
    files: usize,
    commands: Vec<String>,
    bytes: u64,
    restarts: u32,
}

impl Host {
    fn new() -> Self {
        Self { dbs: (0..16).map(|_| Db::new()).collect(), ..Self::default() }
    }
}

/// Stands in for the callback, whose figures no test looks at.
fn nobody() -> &'static mut dyn FnMut(u64) {
    Box::leak(Box::new(|_| ()))
}

impl Apply for Host {
    fn databases(&mut self) -> (&mut [Db], &mut dyn FnMut(u64)) {
        (&mut self.dbs, nobody())
    }

    fn restart(&mut self) {
        *self = Self::new();
        self.restarts += 1;
    }

    fn snapshot(&mut self, meta: &LoadedMeta) -> Result<(), String> {
        self.base = Some(meta.clone());
        self.loaded.push(meta.keys_loaded);
        Ok(())
    }

    fn begin_file(&mut self, _: &Path) {
        self.files += 1;
    }

    fn commands(&mut self, buffer: &[u8], batch: &Batch) -> Result<(), CommandRefused> {
        for (index, request) in batch.requests().iter().enumerate() {
            let args = batch.args(buffer, request);
            let words: Vec<_> =
                args.iter_from(0).map(|arg| String::from_utf8_lossy(arg).into_owned()).collect();
            if words[0] == "NOSUCH" {
                let reason = "unknown command 'NOSUCH'".to_string();
                return Err(CommandRefused { index, reason, may_be_torn: false });
            }
            if words[0] == "SET" && words.len() != 3 {
                let reason = format!("'{}' makes no sense", words.join(" "));
                return Err(CommandRefused { index, reason, may_be_torn: true });
            }
            self.commands.push(words.join(" "));
        }
        Ok(())
    }

    fn progress(&mut self, bytes: u64) {
        self.bytes = bytes;
    }
}

fn command(words: &str) -> Vec<u8> {
    let words: Vec<&str> = words.split(' ').collect();
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n{word}\r\n", word.len()).bytes());
    }
    bytes
}

fn commands(lines: &[&str]) -> Vec<u8> {
    lines.iter().flat_map(|line| command(line)).collect()
}

/// A block behind its mark, whose bytes all count.
fn block(start: u64, lines: &[&str]) -> Vec<u8> {
    let body = commands(lines);
    let mut bytes = Vec::new();
    BlockMark::of(start, start + body.len() as u64, &body).encode(&mut bytes);
    bytes.extend(body);
    bytes
}

fn options(truncated: bool) -> LoadLimits<'static> {
    let snapshot =
        LoadOptions { now_ms: 0, drop_expired: false, checksum: true, clock: &|_: &KeyMeta| 0 };
    LoadLimits { truncated, edited: None, limits: &LIMITS, snapshot }
}

fn meta() -> SnapshotMeta {
    SnapshotMeta {
        redis_ver: "7.2.4".into(),
        ctime_s: 0,
        used_mem_bytes: 0,
        replication: None,
        aof_base: true,
        functions: Vec::new(),
        users: None,
    }
}

fn open_in(files: &Files, folder: &Path) -> Result<(AofDir, Opened), AofError> {
    AofDir::open(files, folder, "appendonlydir".as_ref(), "P".as_ref())
}

fn open(folder: &Path) -> (AofDir, Opened) {
    open_in(&Files::real(), folder).expect("opened")
}

/// The names in a folder, sorted.
fn list(folder: &Path) -> Vec<OsString> {
    Files::real().list(folder).expect("listed")
}

fn open_append(path: &Path) -> File {
    Files::real().open_append(path).expect("a file")
}

/// A directory with these incremental files.
fn directory(folder: &Path, incremental: &[&[u8]]) -> AofDir {
    let directory = folder.join("appendonlydir");
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir(&directory).expect("a folder");
    let mut manifest = String::new();
    for (index, bytes) in incremental.iter().enumerate() {
        let name = format!("P.{}.incr.aof", index + 1);
        fs::write(directory.join(&name), bytes).expect("written");
        manifest.push_str(&format!("file {name} seq {} type i\n", index + 1));
    }
    fs::write(directory.join("P.manifest"), manifest).expect("written");
    open(folder).0
}

fn try_load(dir: &AofDir, truncated: bool) -> Result<(Loaded, Host), AofError> {
    let mut host = Host::new();
    load(dir, options(truncated), &mut host).map(|loaded| (loaded, host))
}

fn refused(dir: &AofDir, truncated: bool) -> String {
    try_load(dir, truncated).err().expect("refused").to_string()
}

#[test]
fn from_nothing_to_files_and_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut dir, opened) = open(folder.path());
    assert_eq!(opened, Opened::Nothing);
    let dbs = [Db::new()];
    let base = BaseJob {
        dbs: &dbs,
        meta: &meta(),
        options: SaveOptions::default(),
        form: BaseForm::Snapshot,
    };
    dir.initialize(base).expect("initialized");
    let (mut dir, opened) = open(folder.path());
    assert_eq!(opened, Opened::Files);
    let names = list(dir.directory());
    assert_eq!(names, ["P.1.base.rdb", "P.1.incr.aof", "P.manifest"]);
    let mut appender = Appender::new(dir.open_last().expect("opened")).expect("appendable");
    let bytes = vec![Bytes::from(commands(&["SELECT 3", "SET k v"]))];
    appender.append([to_append(100, bytes, 49, None)].iter()).expect("appended");
    appender.sync().expect("synced");
    let (loaded, host) = try_load(&open(folder.path()).0, true).expect("loads");
    assert_eq!(host.commands, ["SELECT 3", "SET k v"]);
    assert_eq!((loaded.commands, loaded.selected_db, loaded.position), (2, 3, Some(149)));
    assert!(loaded.base.expect("a base").aof_base);
    let (base, all) = dir.sizes().expect("sizes");
    assert_eq!((all, loaded.bytes, host.bytes), (base + appender.size(), all, all));
}

#[test]
fn a_rewrite_replaces_everything_before_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut dir, _) = open(folder.path());
    let base = BaseJob {
        dbs: &[],
        meta: &meta(),
        options: SaveOptions::default(),
        form: BaseForm::Snapshot,
    };
    dir.initialize(base).expect("initialized");
    fs::write(dir.directory().join("P.1.incr.aof"), command("SET old 1")).expect("written");
    let (_, first_kept) = dir.begin_rewrite().expect("begun");
    fs::write(dir.directory().join("P.2.incr.aof"), command("SET new 1")).expect("written");
    let (_, host) = try_load(&open(folder.path()).0, true).expect("a set at every step");
    assert_eq!(host.commands, ["SET old 1", "SET new 1"]);

    let mut db = Db::new();
    db.add_new_bytes(b"old", b"1", None, 0);
    let temporary = folder.path().join("temp-rewriteaof-bg-1.aof");
    let point = ReplicationPoint { id: [b'a'; 40], offset: 77, stream_db: 5 };
    let meta = SnapshotMeta { replication: Some(point), ..meta() };
    let (scratch, saved) = (folder.path().join("t"), SaveOptions::default());
    crate::snapshot::save_file(
        &Files::real(),
        &temporary,
        &scratch,
        &[db],
        &meta,
        saved,
        &mut |_| (),
    )
    .expect("saved");
    dir.finish_rewrite(&temporary, true, first_kept).expect("finished");
    let (_, host) = try_load(&open(folder.path()).0, true).expect("a set at every step");
    assert_eq!((host.commands, host.loaded), (vec!["SET new 1".to_string()], vec![1]));
    assert_eq!(dir.delete_history().expect("deleted").len(), 2);
    assert_eq!(dir.delete_history().expect("nothing left").len(), 0);
    let names = list(dir.directory());
    assert_eq!(names, ["P.2.base.rdb", "P.2.incr.aof", "P.manifest"]);

    // With nothing behind it, the base's position is the position; unmarked commands lose it.
    assert_eq!(try_load(&dir, true).expect("loads").0.position, None);
    fs::write(dir.directory().join("P.2.incr.aof"), b"").expect("written");
    let (loaded, _) = try_load(&dir, true).expect("loads");
    assert_eq!((loaded.position, loaded.selected_db), (Some(77), 5));
    assert_eq!(loaded.history.expect("a history").id, [b'a'; 40]);
    fs::write(dir.directory().join("P.2.incr.aof"), block(77, &["SET a b"])).expect("written");
    assert_eq!(try_load(&dir, true).expect("loads").0.position, Some(77 + 27));
    fs::write(dir.directory().join("P.2.incr.aof"), block(76, &["SET a b"])).expect("written");
    assert!(refused(&dir, true).contains("brings the replication offset back"));
}

#[test]
fn a_file_with_data_that_the_manifest_has_lost_is_not_overwritten() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut dir = directory(folder.path(), &[&command("SET a 1"), b"", b""]);
    fs::write(dir.directory().join("P.2.incr.aof"), command("SET b 2")).expect("written");
    fs::write(dir.directory().join("P.manifest"), "file P.1.incr.aof seq 1 type i\n").expect("cut");
    let mut reopened = open(folder.path()).0;
    let (_, sequence) = reopened.begin_rewrite().expect("begun");
    // The empty one behind it is what a crash leaves.
    assert_eq!(sequence, 3);
    assert_eq!(fs::read(dir.directory().join("P.2.incr.aof")).expect("read"), command("SET b 2"));
    dir = open(folder.path()).0;
    assert_eq!(dir.begin_rewrite().expect("begun").1, 4);
}

#[test]
fn switching_on_at_run_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut dir = directory(folder.path(), &[&command("SET off 1")]);
    dir.begin_switch_on().expect("begun");
    let names = list(dir.directory());
    assert_eq!(names, ["P.1.incr.aof", "P.manifest", "temp-P.incr"]);
    fs::write(dir.directory().join("temp-P.incr"), command("SET on 1")).expect("written");
    let temporary = folder.path().join("temp-base");
    fs::write(&temporary, command("SET base 1")).expect("written");
    dir.finish_switch_on(&temporary, false).expect("finished");
    dir.delete_history().expect("deleted");
    let (_, host) = try_load(&open(folder.path()).0, true).expect("loads");
    assert_eq!(host.commands, ["SET base 1", "SET on 1"]);
    dir.begin_switch_on().expect("begun");
    dir.cancel_switch_on().expect("cancelled");
    let names = list(dir.directory());
    assert_eq!(names, ["P.1.base.aof", "P.2.incr.aof", "P.manifest"]);
}

#[test]
fn files_with_data_and_no_manifest_are_named_and_what_a_first_start_leaves_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let directory = folder.path().join("appendonlydir");
    let strays = || open(folder.path()).0.strays().expect("looked at").len();
    assert_eq!(strays(), 0, "no folder");
    fs::create_dir(&directory).expect("a folder");
    // What a first start leaves wherever it stops, and what is not of the set.
    for (name, contents) in [
        ("P.1.base.rdb", &b"REDIS0011"[..]),
        ("temp-base.rdb", b"REDIS"),
        ("temp-P.incr", b"*1\r\n$4\r\nPING\r\n"),
        ("P.1.incr.aof", b""),
        ("other.7.incr.aof", b"x"),
        ("P.1.incr.aof.cut-7", b"x"),
    ] {
        fs::write(directory.join(name), contents).expect("written");
        assert_eq!(strays(), 0, "{name}");
    }
    for (count, name) in (1..).zip(["P.1.incr.aof", "P.7.incr.aof", "P.2.base.rdb", "P.3.base.aof"])
    {
        fs::write(directory.join(name), b"x").expect("written");
        assert_eq!(strays(), count, "{name}");
    }
    fs::write(directory.join("P.manifest"), b"file P.7.incr.aof seq 7 type i\n").expect("written");
    assert_eq!(strays(), 0, "there is a manifest");
    // Switching on at run time leaves one as well, wherever it stops.
    for fault in FAULTS {
        for at in 0.. {
            fs::remove_dir_all(&directory).expect("removed");
            let (files, faulty) = Faulty::new();
            let mut dir = open_in(&files, folder.path()).expect("opened").0;
            dir.begin_switch_on().expect("begun");
            assert!(!dir.has_data().expect("looked at"));
            fs::write(directory.join("temp-P.incr"), b"*1\r\n$4\r\nPING\r\n").expect("written");
            let temporary = folder.path().join("temp-base");
            fs::write(&temporary, b"").expect("written");
            faulty.arm(at, fault);
            let done = dir.finish_switch_on(&temporary, false);
            let fired = faulty.disarm();
            assert_eq!(strays(), 0, "{fault:?} at {at}: {done:?}");
            if !fired {
                assert!(
                    done.is_ok() && at > 8 && open(folder.path()).0.has_data().expect("looked at")
                );
                break;
            }
        }
    }
}

#[test]
fn an_old_single_file_is_taken_over_whatever_step_was_the_last() {
    let folder = tempfile::tempdir().expect("a folder");
    let single = folder.path().join("P");
    let directory = folder.path().join("appendonlydir");
    for step in 0..3 {
        let _ = fs::remove_dir_all(&directory);
        fs::write(&single, commands(&["SELECT 0", "SET k v"])).expect("written");
        if step > 0 {
            fs::create_dir(&directory).expect("a folder");
        }
        if step > 1 {
            fs::write(directory.join("P.manifest"), b"file P seq 1 type b\n").expect("written");
        }
        let (mut dir, opened) = open(folder.path());
        assert_eq!(opened, Opened::Upgraded);
        assert_eq!(try_load(&dir, true).expect("loads").1.commands.len(), 2);
        assert!(!single.exists());
        dir.open_last().expect("a new file");
        assert_eq!(open(folder.path()).1, Opened::Files);
        let names = list(&directory);
        assert_eq!(names, ["P", "P.1.incr.aof", "P.manifest"]);
    }
}

#[test]
fn a_missing_file_and_a_bad_manifest_are_fatal() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = directory(folder.path(), &[b"", b""]);
    assert_eq!(try_load(&dir, true).expect("all empty").0.commands, 0);
    fs::remove_file(dir.directory().join("P.2.incr.aof")).expect("removed");
    assert!(refused(&dir, true).contains("P.2.incr.aof is named in the manifest"));
    fs::write(dir.directory().join("P.manifest"), b"").expect("written");
    let error = open_in(&Files::real(), folder.path());
    assert!(error.expect_err("empty").to_string().contains("P.manifest: manifest, line 1"));
}

#[test]
fn transactions_are_whole_or_not_at_all() {
    let lines = ["SET a 1", "MULTI", "SET b 2", "SET c 3", "EXEC", "SET d 4"];
    let bytes = commands(&lines);
    let folder = tempfile::tempdir().expect("a folder");
    let before = command("SET a 1").len();
    let whole = commands(&lines[..5]).len();
    for len in 0..bytes.len() {
        let dir = directory(folder.path(), &[&bytes[..len]]);
        let (loaded, host) = try_load(&dir, true).expect("cut");
        let (kept, expected) = match len {
            len if len < before => (0, 0),
            len if len < whole => (before, 1),
            _ => (whole, 3),
        };
        assert_eq!(host.commands.len(), expected, "{len}");
        let path = dir.directory().join("P.1.incr.aof");
        assert_eq!(fs::read(&path).expect("read"), bytes[..kept]);
        assert_eq!(loaded.cut.is_some(), len != kept, "{len}");
        if let Some(cut) = loaded.cut {
            assert_eq!((cut.offset, cut.bytes), (kept as u64, (len - kept) as u64));
            assert_eq!(fs::read(&cut.aside).expect("kept aside"), bytes[kept..len]);
            assert!(cut.aside.ends_with(format!("P.1.incr.aof.cut-{kept}")));
        }
        assert!(try_load(&dir, false).expect("whole now").0.cut.is_none());
    }
    let dir = directory(folder.path(), &[&bytes]);
    assert_eq!(
        try_load(&dir, true).expect("whole").1.commands,
        ["SET a 1", "SET b 2", "SET c 3", "SET d 4"]
    );
}

#[test]
fn a_torn_block_keeps_its_commands_and_gets_a_mark_that_fits() {
    let first = block(1000, &["SELECT 0", "SET a 1"]);
    let second = block(1050, &["SET bbbb 22222", "SET c 3", "SET d 4"]);
    let bytes = [&first[..], &second].concat();
    let mark = second.len() - commands(&["SET bbbb 22222", "SET c 3", "SET d 4"]).len();
    let folder = tempfile::tempdir().expect("a folder");
    for len in first.len()..bytes.len() {
        let dir = directory(folder.path(), &[&bytes[..len]]);
        let torn = len != first.len();
        assert_eq!(try_load(&dir, false).is_err(), torn);
        let (loaded, host) = try_load(&dir, true).expect("cut");
        assert_eq!(loaded.cut.is_some(), torn, "{len}");
        // What was cut is whole now, and ends at the same place.
        let (again, host_again) = try_load(&dir, false).expect("whole");
        assert_eq!((&host_again.commands, again.position), (&host.commands, loaded.position));
        let kept: usize =
            commands(&["SET bbbb 22222", "SET c 3", "SET d 4"][..host.commands.len() - 2]).len();
        // Between two commands it may have been edited as well.
        let is_known = kept == 0 || first.len() + mark + kept != len;
        assert_eq!(loaded.position, is_known.then_some(1050 + kept as u64));
        let report = crate::check::check_aof(&dir, 0).expect("readable");
        assert!(report.is_whole());
        assert_eq!(report.position, loaded.position);
        assert_eq!(report.files[0].blocks, 1 + u64::from(kept > 0 && is_known));
    }
}

#[test]
fn a_torn_block_of_which_only_some_bytes_count_loses_the_position() {
    let body = commands(&["SET a 1", "SET b 2"]);
    for (end, known) in [(500, Some(500)), (510, None), (500 + body.len() as u64, Some(527))] {
        let mut bytes = Vec::new();
        BlockMark::of(500, end, &body).encode(&mut bytes);
        bytes.extend(&body[..body.len() - 3]);
        let folder = tempfile::tempdir().expect("a folder");
        let dir = directory(folder.path(), &[&bytes]);
        let (loaded, host) = try_load(&dir, true).expect("cut");
        assert_eq!((host.commands.len(), loaded.position), (1, known));
        let (again, host) = try_load(&dir, false).expect("whole");
        assert_eq!((host.commands.len(), again.position), (1, known));
    }
}

#[test]
fn a_base_of_our_own_is_not_cut() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut dir, _) = open(folder.path());
    let mut db = Db::new();
    for number in 0..4000 {
        db.add_new_bytes(format!("key:{number}").as_bytes(), b"v", None, 0);
    }
    let point = ReplicationPoint { id: [b'a'; 40], offset: 77, stream_db: 0 };
    let base = BaseJob {
        dbs: &[db],
        meta: &SnapshotMeta { replication: Some(point), ..meta() },
        options: SaveOptions::default(),
        form: BaseForm::Commands { timestamp_s: None },
    };
    dir.initialize(base).expect("initialized");
    let path = dir.directory().join("P.1.base.aof");
    let whole = fs::read(&path).expect("read");
    let (loaded, _) = try_load(&dir, true).expect("whole");
    assert_eq!(loaded.position, Some(77));
    for len in (1..whole.len()).step_by(331) {
        fs::write(&path, &whole[..len]).expect("written");
        match try_load(&dir, true) {
            // Of its first line nothing says yet whose it is: there is no data, and no position.
            Ok((loaded, host)) => {
                assert_eq!((loaded.position, host.commands.len()), (None, 0), "{len}");
            }
            Err(error) => assert!(error.to_string().contains("no crash tears"), "{len}: {error}"),
        }
    }
    // An editor may have taken out its last commands, which is said to be loaded: then the position is unknown.
    let block = whole.windows(3).rposition(|bytes| bytes == b"#tm").expect("a mark");
    let last = block + whole[block..].windows(2).rposition(|bytes| bytes == b"*3").expect("a SET");
    fs::write(&path, &whole[..last]).expect("written");
    let error = refused(&dir, true);
    assert!(error.contains("aof-load-edited yes"), "{error}");
    let (loaded, host) = edited::load_as(&dir, true).expect("it was meant");
    assert_eq!((loaded.position, host.commands.len()), (None, 4000));
}

#[test]
fn rot_in_the_middle_is_never_cut() {
    let bytes = [block(0, &["SET a 1"]), block(27, &["SET b 2"])].concat();
    let folder = tempfile::tempdir().expect("a folder");
    for at in [40, bytes.len() - 4] {
        let mut rotten = bytes.clone();
        rotten[at] ^= 1;
        let dir = directory(folder.path(), &[&rotten]);
        let error = refused(&dir, true);
        assert!(error.contains("P.1.incr.aof, byte ") && error.contains("checksum"), "{error}");
        let path = dir.directory().join("P.1.incr.aof");
        assert_eq!(fs::read(path).expect("read"), rotten);
    }
    let dir = directory(folder.path(), &[b"garbage\r\n"]);
    assert!(refused(&dir, true).contains("byte 0: not a command"));
    let dir = directory(folder.path(), &[&[command("SET a 1"), command("NOSUCH")].concat()]);
    assert!(refused(&dir, true).contains("byte 27: unknown command 'NOSUCH'"));
    let inside = [&b"#tm 0 5 27 0000000000000000\r\n"[..], &command("SET a 1")].concat();
    let dir = directory(folder.path(), &[&inside]);
    assert!(refused(&dir, true).contains("checksum"));
}

#[test]
fn whole_blocks_that_are_missing_doubled_or_out_of_order_are_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("file");
    let file = open_append(&path);
    let mut appender = Appender::new(file).expect("appendable");
    let id = [b'a'; 40];
    appender.set_history(HistoryMark { id, second_id: id, second_offset: -1 });
    let lines: Vec<String> = (0..6).map(|number| format!("SET key:{number} v")).collect();
    // Between the blocks is what replicas alone get: so offsets do not tell that one is missing.
    let blocks: Vec<Block> = (0..)
        .zip(&lines)
        .map(|(number, line)| {
            let bytes = Bytes::from(command(line));
            let len = bytes.len();
            to_append(number * 1000, vec![bytes], len, None)
        })
        .collect();
    for group in [&blocks[..1], &blocks[1..4], &blocks[4..]] {
        appender.append(group.iter()).expect("appended");
    }
    let whole = fs::read(&path).expect("read");
    let mut starts: Vec<usize> =
        (0..whole.len()).filter(|at| whole[*at..].starts_with(b"#tm ")).collect();
    starts.push(whole.len());
    let part = |at: usize| &whole[starts[at]..starts[at + 1]];
    let with = |order: &[usize]| {
        let parts: Vec<&[u8]> = order.iter().map(|at| part(*at)).collect();
        [&whole[..starts[0]], &parts.concat()].concat()
    };
    let load_of = |bytes: &[u8]| try_load(&directory(folder.path(), &[bytes]), true);
    let (loaded, host) = load_of(&with(&[0, 1, 2, 3, 4, 5])).expect("it is whole");
    assert_eq!((host.commands, loaded.cut), (lines.clone(), None));
    for upto in 0..6 {
        let order: Vec<usize> = (0..upto).collect();
        let (_, host) = load_of(&with(&order)).expect("its beginning is a state that was");
        assert_eq!(host.commands, lines[..upto]);
    }
    for at in 0..5 {
        let mut missing: Vec<usize> = (0..6).collect();
        let mut doubled = missing.clone();
        let mut swapped = missing.clone();
        missing.remove(at);
        doubled.insert(at, at);
        swapped.swap(at, at + 1);
        for order in [missing, doubled, swapped] {
            let error = load_of(&with(&order)).err().expect("refused").to_string();
            let told = error.contains("what is before this mark is");
            assert!(told, "{order:?}: {error}");
        }
    }
}

#[test]
fn a_file_that_is_cut_at_any_time_that_it_says_is_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("f");
    let file = open_append(&path);
    let mut appender = Appender::new(file).expect("appendable");
    appender.set_history(HistoryMark { id: [b'a'; 40], second_id: [b'0'; 40], second_offset: -1 });
    let blocks: Vec<Block> = (0..6)
        .map(|number: u64| {
            let bytes = Bytes::from(command(&format!("SET key:{number} v")));
            let len = bytes.len();
            let timestamp_s = number.is_multiple_of(2).then_some(1_700_000_000 + number as i64);
            to_append(number * 1000, vec![bytes], len, timestamp_s)
        })
        .collect();
    // A time may come in the middle of one write.
    for group in [&blocks[..1], &blocks[1..4], &blocks[4..]] {
        appender.append(group.iter()).expect("appended");
    }
    let whole = fs::read(&path).expect("read");
    assert!(whole.starts_with(b"#TS:1700000000\r\n#tm-history "));
    let starts = (0..whole.len()).filter(|at| whole[*at..].starts_with(b"#TS:"));
    for (index, end) in starts.chain([whole.len()]).enumerate() {
        let dir = directory(folder.path(), &[&whole[..end]]);
        // Nothing is torn, also where no tear is allowed.
        let (loaded, host) = try_load(&dir, false).expect("whole");
        let last = (2 * index).checked_sub(1);
        assert_eq!(host.commands.len(), 2 * index);
        assert_eq!(loaded.position, last.map(|last| blocks[last].end.get()));
    }
}

#[test]
fn a_torn_file_that_is_not_the_last_stays_as_it_is() {
    let torn = &command("SET a 1")[..20];
    let folder = tempfile::tempdir().expect("a folder");
    let dir = directory(folder.path(), &[torn, &command("SET b 2")]);
    for _ in 0..2 {
        let error = refused(&dir, true);
        assert!(
            error.contains("P.1.incr.aof, byte 0") && error.contains("not the last"),
            "{error}"
        );
    }
    // Nothing was written to the files behind it: it is the one that was torn by the crash.
    let dir = directory(folder.path(), &[torn, b""]);
    assert_eq!(try_load(&dir, true).expect("cut").0.cut.expect("cut").bytes, 20);
}

#[test]
fn torn_annotations_and_unwritten_zeros_are_cut() {
    let whole = block(0, &["SET a 1"]);
    let folder = tempfile::tempdir().expect("a folder");
    for tail in [&b"#TS:17"[..], b"#tm 27 54 27 00", &[0; 5000], b"*3\r\n$3\r\nSET\0\0\0"] {
        let dir = directory(folder.path(), &[&[&whole[..], tail].concat()]);
        assert!(try_load(&dir, false).is_err());
        let (loaded, host) = try_load(&dir, true).expect("cut");
        assert_eq!((host.commands.len(), loaded.position), (1, Some(27)));
        let cut = loaded.cut.expect("cut");
        assert_eq!((cut.offset, cut.bytes), (whole.len() as u64, tail.len() as u64));
        assert_eq!(fs::read(cut.aside).expect("kept aside"), tail);
    }
    let timestamp = [&whole[..], b"#TS:1700000000\r\n"].concat();
    let dir = directory(folder.path(), &[&timestamp]);
    assert_eq!(try_load(&dir, false).expect("whole").0.position, Some(27));
}

#[test]
fn an_old_preamble_file_torn_in_its_first_command_keeps_the_preamble() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut db = Db::new();
    db.add_new_bytes(b"k", b"v", None, 0);
    let mut snapshot = Vec::new();
    crate::snapshot::write_snapshot(
        &mut snapshot,
        &[db],
        &meta(),
        SaveOptions::default(),
        &mut |_| (),
    )
    .expect("a vector takes all");
    for tail in [&b""[..], &command("SET a 1")[..9], &command("SET a 1")] {
        let _ = fs::remove_dir_all(folder.path().join("appendonlydir"));
        fs::write(folder.path().join("P"), [&snapshot[..], tail].concat()).expect("written");
        let (dir, opened) = open(folder.path());
        assert_eq!(opened, Opened::Upgraded);
        let (loaded, host) = try_load(&dir, true).expect("cut");
        assert_eq!(host.loaded, [1]);
        assert_eq!(host.commands.len(), usize::from(tail.len() > 9));
        let kept = loaded.cut.map_or(snapshot.len() + tail.len(), |cut| cut.offset as usize);
        assert!(kept >= snapshot.len());
        assert_eq!(fs::read(dir.directory().join("P")).expect("read").len(), kept);
    }
    // The snapshot itself is never cut.
    let _ = fs::remove_dir_all(folder.path().join("appendonlydir"));
    fs::write(folder.path().join("P"), &snapshot[..snapshot.len() - 1]).expect("written");
    assert!(refused(&open(folder.path()).0, true).contains("ends too early"));
}

#[test]
fn histories_are_written_before_the_first_block_of_each_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = directory(folder.path(), &[b"", b""]);
    let [first, second] =
        [1, 2].map(|number| open_append(&dir.directory().join(format!("P.{number}.incr.aof"))));
    let history = HistoryMark { id: [b'a'; 40], second_id: [b'b'; 40], second_offset: 9 };
    let mut appender = Appender::new(first).expect("appendable");
    appender.set_history(history);
    assert_eq!(appender.size(), 0, "never the last thing in a file");
    let block =
        |start| to_append(start, vec![Bytes::new(), Bytes::from(command("SET a 1"))], 27, None);
    appender.append([block(0), block(27)].iter()).expect("appended");
    appender.set_history(history);
    appender.append([block(54)].iter()).expect("appended");
    let first_size = appender.size();
    appender.switch_to(second, Some(1)).expect("appendable");
    appender.append([block(81)].iter()).expect("appended");
    let (loaded, host) = try_load(&dir, false).expect("whole");
    assert_eq!((loaded.history, loaded.position), (Some(history), Some(108)));
    assert_eq!(host.commands.len(), 4);
    for (number, lines) in [(1, 1), (2, 1)] {
        let bytes = fs::read(dir.directory().join(format!("P.{number}.incr.aof"))).expect("read");
        let text = String::from_utf8(bytes).expect("ASCII");
        // The second one says what it follows.
        let follows = format!("#tm-follows 1 {} 81 s", first_size);
        assert!(text.starts_with(if number == 1 { "#tm-history " } else { &follows }), "{text}");
        assert_eq!(text.matches("#tm-history").count(), lines);
    }
}

#[test]
fn records_longer_than_the_window_are_seen_whole() {
    let long = "x".repeat(700_000);
    let lines = ["SET a 1", "MULTI", &format!("SET b {long}"), &format!("SET c {long}"), "EXEC"];
    let plain = commands(&lines);
    let marked = block(0, &lines);
    let many: Vec<u8> = (0..20_000).flat_map(|n| block(0, &[&format!("SET k{n} v")])).collect();
    let folder = tempfile::tempdir().expect("a folder");
    for (bytes, count) in [(plain, 3), (marked, 3)] {
        let dir = directory(folder.path(), &[&bytes]);
        let (loaded, host) = try_load(&dir, false).expect("whole");
        assert_eq!((host.commands.len(), loaded.bytes), (count, bytes.len() as u64));
        assert!(host.commands[2].len() > 700_000);
        let dir = directory(folder.path(), &[&bytes[..bytes.len() - 1]]);
        assert_eq!(try_load(&dir, true).expect("cut").1.commands, ["SET a 1"]);
    }
    let dir = directory(folder.path(), &[&many]);
    assert!(refused(&dir, true).contains("offset back"), "each begins at 0");
    let plain: Vec<u8> = (0..50_000).flat_map(|n| command(&format!("SET k{n} v"))).collect();
    let dir = directory(folder.path(), &[&plain]);
    let (loaded, host) = try_load(&dir, false).expect("whole");
    assert_eq!((loaded.commands, host.commands[49_999].as_str()), (50_000, "SET k49999 v"));
}

#[test]
#[should_panic(expected = "a block lies in one history")]
fn a_block_does_not_reach_from_one_history_into_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("f");
    let file = open_append(&path);
    let mut appender = Appender::new(file).expect("appendable");
    let [start, end] = [100, 50].map(|number| Offset::from_wire(number).expect("small"));
    let bytes = vec![Bytes::from(command("SET a 1"))];
    let _ = appender.append([Block { bytes, start, end, timestamp_s: None }].iter());
}
