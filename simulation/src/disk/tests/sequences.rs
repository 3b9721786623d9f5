//! What `backup` does with files, ended at any call by a kill or a power cut: the old or the whole new one is there, and of an
//! append-only file all that was called durable.

use super::*;
use backup::aof::{
    AofDir, AofError, AppendWorker, Appender, Apply, BaseForm, BaseJob, Block, CommandRefused,
    FsyncPolicy, LoadLimits, Loaded, Opened, Order, Work, load,
};
use backup::files::{FileError, KeepRule, OwnFiles};
use backup::snapshot::{
    LoadOptions, ReplicationPoint, SaveOptions, SnapshotMeta, save_file, save_snapshot,
};
use bytes::Bytes;
use journal::{Journal, Kind, Offset, Position, ReplicationId};
use keyspace::db::Db;
use keyspace::limits::Limits;
use protocol::aof::{FollowsMark, HistoryMark};
use protocol::rdb::KeyMeta;
use protocol::resp::Batch;

/// The process has ended, in half of all cases since the machine has lost its power.
fn end(disk: &Disk, chance: &mut Chance) {
    match chance.one_in(2) {
        true => disk.kill(),
        false => disk.power_cut(chance),
    }
}

#[test]
fn a_file_is_replaced_as_a_whole_or_not_at_all() {
    for seed in 0..300 {
        for at in 0.. {
            let mut chance = Chance::new(seed);
            let disk = Disk::new(seed);
            let (old, new) = (vec![b'o'; chance.index(3000)], vec![b'n'; chance.index(3000)]);
            lasting(&disk, "f", &old);
            let files = disk.files();
            disk.kill_at(at);
            let done = files.write_whole(path("f"), path("temporary"), &new);
            end(&disk, &mut chance);
            let found = contents(&disk.files(), "f");
            assert!(found == new || (found == old && done.is_err()), "{seed} at {at}");
            if done.is_ok() {
                break;
            }
        }
    }
}

fn rule() -> KeepRule {
    KeepRule { own: OwnFiles::default(), most: 3, now_ms: 1_000_000 }
}

fn meta(replication: Option<ReplicationPoint>) -> SnapshotMeta {
    SnapshotMeta {
        redis_ver: "7.2.4".into(),
        ctime_s: 0,
        used_mem_bytes: 0,
        replication,
        aof_base: replication.is_some(),
        functions: Vec::new(),
        users: None,
    }
}

fn keys(range: std::ops::Range<u64>) -> [Db; 1] {
    let mut db = Db::new();
    for number in range {
        assert!(db.add_new_bytes(format!("k{number}").as_bytes(), b"v", None, 0));
    }
    [db]
}

fn options() -> LoadOptions<'static> {
    LoadOptions { now_ms: 0, drop_expired: false, checksum: true, clock: &|_: &KeyMeta| 0 }
}

#[test]
fn a_snapshot_takes_its_place_and_neither_is_lost() {
    let loaded = |files: &Files, name: &Path| {
        let mut dbs = [Db::new()];
        let loaded = backup::snapshot::load_file(
            files,
            name,
            &mut dbs,
            &Limits::DEFAULT,
            options(),
            &mut |_| (),
        );
        loaded.unwrap_or_else(|error| panic!("{error}")).keys_loaded
    };
    for seed in 0..200 {
        for at in 0.. {
            let mut chance = Chance::new(seed);
            let disk = Disk::new(seed);
            let files = disk.files();
            let (target, temporary, meta) = (path("dump.rdb"), path("temp-1.rdb"), meta(None));
            let save = |files: &Files, dbs: &[Db]| {
                let (options, rule) = (SaveOptions::default(), rule());
                save_snapshot(files, target, temporary, (dbs, &meta), options, &rule, &mut |_| ())
            };
            save(&files, &keys(0..3)).expect("saved");
            disk.kill_at(at);
            let done = save(&files, &keys(0..200));
            end(&disk, &mut chance);
            let files = disk.files();
            let found = loaded(&files, target);
            assert!(found == 200 || (found == 3 && done.is_err()), "{seed} at {at}: {found}");
            let kept = files.kept_of(target).expect("listed");
            assert!(kept.iter().all(|path| loaded(&files, path) == 3));
            assert!(found == 3 || kept.len() == 1, "the one before it is kept");
            if done.is_ok() {
                break;
            }
        }
    }
}

/// Takes keys of a base, and then commands that go on where it ends.
struct Host {
    dbs: [Db; 1],
    base: u64,
    commands: Vec<String>,
}

impl Host {
    fn new() -> Self {
        Self { dbs: [Db::new()], base: 0, commands: Vec::new() }
    }

    /// How many commands it has the effect of.
    fn count(&self) -> u64 {
        for (number, command) in (self.base..).zip(&self.commands) {
            assert_eq!(*command, line(number), "nothing is missing, doubled or out of order");
        }
        self.base + self.commands.len() as u64
    }
}

impl Apply for Host {
    fn databases(&mut self) -> (&mut [Db], &mut dyn FnMut(u64)) {
        (&mut self.dbs, Box::leak(Box::new(|_| ())))
    }

    fn restart(&mut self) {
        *self = Self::new();
    }

    fn snapshot(&mut self, meta: &backup::snapshot::LoadedMeta) -> Result<(), String> {
        self.base = meta.keys_loaded;
        Ok(())
    }

    fn commands(&mut self, buffer: &[u8], batch: &Batch) -> Result<(), CommandRefused> {
        for request in batch.requests() {
            let args = batch.args(buffer, request);
            let words: Vec<_> = args.iter_from(0).map(String::from_utf8_lossy).collect();
            self.commands.push(words.join(" "));
        }
        Ok(())
    }
}

/// The command of this number. Some are longer than a sector.
fn line(number: u64) -> String {
    format!("SET k{number} {}", "v".repeat((number * number * 37 % 1400) as usize + 1))
}

fn encoded(line: &str) -> Bytes {
    let words: Vec<&str> = line.split(' ').collect();
    let mut bytes = format!("*{}\r\n", words.len());
    words.iter().for_each(|word| bytes.push_str(&format!("${}\r\n{word}\r\n", word.len())));
    Bytes::from(bytes)
}

fn point(id: [u8; 40], journal: &Journal) -> ReplicationPoint {
    ReplicationPoint { id, offset: journal.end().get(), stream_db: 0 }
}

/// A worker that goes on in a file at the end of a journal.
fn worker(
    file: File,
    follows: Option<FollowsMark>,
    (id, journal): ([u8; 40], &Journal),
    policy: FsyncPolicy,
    now_ms: u64,
) -> Result<AppendWorker, FileError> {
    let at = |error| FileError::new("look at", path("last"), error);
    let appender = Appender::new(file).map_err(at)?.begin_at(journal.end(), follows);
    let mut worker = AppendWorker::new(appender, policy, now_ms);
    let second_id = [b'0'; 40];
    worker.push(Order::History(HistoryMark { id, second_id, second_offset: -1 }));
    Ok(worker)
}

/// A server, as far as its append-only file goes.
struct Server {
    files: Files,
    dir: AofDir,
    worker: AppendWorker,
    policy: FsyncPolicy,
    journal: Journal,
    /// Whose offsets are counted.
    id: [u8; 40],
    now_ms: u64,
    /// All commands executed, those of lives before included.
    executed: u64,
    /// Where each one ended.
    ends: Vec<(Position, u64)>,
    /// So many are durable whatever the worker says.
    floor: u64,
    /// Whether a start loads what the worker writes: not while the file is switched on.
    counts: bool,
}

fn open(files: &Files) -> Result<(AofDir, Opened), AofError> {
    AofDir::open(files, path("."), "appendonlydir".as_ref(), "P".as_ref())
}

/// What a start loads; `None` is nothing.
fn try_load(files: &Files) -> Result<(AofDir, Option<(u64, Loaded)>), AofError> {
    let (dir, opened) = open(files)?;
    if opened == Opened::Nothing {
        return Ok((dir, None));
    }
    let mut host = Host::new();
    let limits = &Limits::DEFAULT;
    let options = LoadLimits { truncated: true, edited: None, limits, snapshot: options() };
    let loaded = load(&dir, options, &mut host)?;
    Ok((dir, Some((host.count(), loaded))))
}

impl Server {
    /// Starts with what there is; fails where a call does.
    fn start(disk: &Disk, life: u8, policy: FsyncPolicy) -> Result<Self, AofError> {
        let files = disk.files();
        let (mut dir, loaded) = try_load(&files)?;
        let mut journal = Journal::new(ReplicationId::NONE);
        let mut id = [b'a' + life; 40];
        let (executed, file) = match loaded {
            None => {
                let (meta, options) = (meta(Some(point(id, &journal))), SaveOptions::default());
                let form = BaseForm::Snapshot;
                (0, dir.initialize(BaseJob { dbs: &keys(0..0), meta: &meta, options, form })?)
            }
            Some((executed, Loaded { history, position, .. })) => {
                // Where the position is unknown, a history of its own begins.
                if let (Some(history), Some(position)) = (history, position) {
                    id = history.id;
                    journal.restart_at(Offset::from_wire(position).expect("small"));
                }
                (executed, dir.open_last()?)
            }
        };
        let follows = dir.followed()?;
        let worker = worker(file, follows, (id, &journal), policy, 0)?;
        let (ends, floor, counts) = (Vec::new(), 0, true);
        let now_ms = 0;
        Ok(Self { files, dir, worker, policy, journal, id, now_ms, executed, ends, floor, counts })
    }

    fn execute(&mut self) {
        let start = self.journal.end();
        let bytes = vec![self.execute_unwritten()];
        let (end, position) = (self.journal.end(), self.journal.receipt().position);
        self.worker.push(Order::Append { bytes, start, end, position, timestamp_s: None });
        self.ends.push((position, self.executed));
    }

    fn execute_unwritten(&mut self) -> Bytes {
        let bytes = encoded(&line(self.executed));
        self.journal.append_raw(Kind::Effect, &bytes);
        self.executed += 1;
        bytes
    }

    /// Does what is due. It may end in the middle of an fsync.
    fn work(&mut self, ms: u64) {
        self.now_ms += ms;
        while self.worker.work(self.now_ms) == Work::Fsync {
            self.worker.fsync();
        }
    }

    /// So many commands are durable, as far as this life has made them so.
    fn durable(&self) -> u64 {
        let durable = self.worker.status().durable();
        let ends = self.ends.iter().take_while(|(position, _)| self.counts && *position <= durable);
        ends.last().map_or(0, |(_, count)| *count).max(self.floor)
    }

    /// What the child of a rewrite makes.
    fn base(&self, dbs: &[Db], at: ReplicationPoint) -> Result<&'static Path, FileError> {
        let (complete, temporary, meta) = (path("complete"), path("temp-base"), meta(Some(at)));
        let options = SaveOptions::default();
        save_file(&self.files, complete, temporary, dbs, &meta, options, &mut |_| ())?;
        Ok(complete)
    }

    /// The file is off for a while, and on again.
    fn switch_off_and_on(&mut self) -> Result<(), FileError> {
        self.worker.push(Order::Stop);
        self.work(1);
        (self.floor, self.counts) = (self.durable(), false);
        self.execute_unwritten();
        self.dir.cancel_switch_on()?;
        let file = self.dir.begin_switch_on()?;
        self.worker = worker(file, None, (self.id, &self.journal), self.policy, self.now_ms)?;
        let (dbs, at) = (keys(0..self.executed), point(self.id, &self.journal));
        let base = self.executed;
        self.execute();
        self.work(10);
        let complete = self.base(&dbs, at)?;
        self.dir.finish_switch_on(complete, true)?;
        (self.floor, self.counts) = (base, true);
        self.dir.delete_history().map(drop)
    }

    fn rewrite(&mut self) -> Result<(), FileError> {
        let before = self.dir.appended();
        let (file, first_kept) = self.dir.begin_rewrite()?;
        self.worker.push(Order::Switch(file, before));
        let (dbs, at) = (keys(0..self.executed), point(self.id, &self.journal));
        self.execute();
        self.work(10);
        let complete = self.base(&dbs, at)?;
        self.dir.finish_rewrite(complete, true, first_kept)?;
        self.execute();
        self.dir.delete_history().map(drop)
    }

    /// Lives until it is ended, or for a while.
    fn live(&mut self, chance: &mut Chance) {
        for _ in 0..chance.below(12) {
            let step = match chance.below(12) {
                0 => self.rewrite(),
                1 => self.switch_off_and_on(),
                _ => Ok(()),
            };
            if step.is_err() {
                return;
            }
            match chance.below(8) {
                1 => self.work(1000),
                2 => self.worker.push(Order::Sync),
                _ => (0..chance.below(4)).for_each(|_| self.execute()),
            }
            if !chance.one_in(3) {
                self.work(chance.below(300));
            }
        }
    }
}

#[derive(Debug, Default)]
struct Tally {
    fatal: u32,
    refused: u32,
    cut: u32,
    lost: u32,
    killed_in_start: u32,
}

/// What is wrong with a disk besides that its power goes.
#[derive(Clone, Copy, Debug, Default)]
struct Faults {
    order: Option<DataOrder>,
    rates: Rates,
}

/// Several lives on one disk, each ended at some call. What is loaded is all that was durable at least, and a beginning of all.
fn lives(seed: u64, policy: FsyncPolicy, faults: Faults, tally: &mut Tally) {
    let mut chance = Chance::new(seed);
    let disk = Disk::new(seed);
    let order = faults.order.unwrap_or(DataOrder::Ordered);
    disk.set_order(order);
    let (mut least, mut most) = (0, 0);
    for life in 0..4 {
        let most_calls = if chance.one_in(2) { 30 } else { 120 };
        disk.kill_at(chance.below(most_calls));
        match Server::start(&disk, life, policy) {
            Ok(mut server) => {
                assert!(least <= server.executed && server.executed <= most, "{seed} {life}");
                // It was loaded for good.
                least = server.executed;
                disk.set_rates(faults.rates);
                server.live(&mut chance);
                disk.heal();
                let is_fatal = server.worker.status().is_fatal();
                tally.fatal += u32::from(is_fatal);
                if is_fatal && disk.failures() > 0 && server.files.list(path(".")).is_err() {
                    // Killed before it could cut off what the system calls clean: no start can tell that it is not on disk.
                    return;
                }
                least = least.max(server.durable());
                most = server.executed;
            }
            Err(_) => tally.killed_in_start += 1,
        }
        end(&disk, &mut chance);
        match try_load(&disk.files()) {
            Ok((_, found)) => {
                let (count, loaded) = found.unwrap_or_default();
                assert!(least <= count && count <= most, "{seed} {life}: {least} {count} {most}");
                tally.cut += u32::from(loaded.cut.is_some());
                tally.lost += u32::from(count < most);
            }
            Err(AofError::Malformed { .. } | AofError::Edited { .. } | AofError::Torn { .. })
                if order == DataOrder::Any =>
            {
                tally.refused += 1;
                return;
            }
            Err(error) => panic!("{seed} {life}: {error}"),
        }
    }
}

#[test]
fn an_append_only_file_loads_to_what_was_durable_at_least() {
    for policy in [FsyncPolicy::Always, FsyncPolicy::EverySec, FsyncPolicy::No] {
        let mut tally = Tally::default();
        for seed in 0..700 {
            lives(seed, policy, Faults::default(), &mut tally);
        }
        assert_eq!(tally.refused, 0);
        assert!(tally.cut > 20 && tally.lost > 100 && tally.killed_in_start > 100, "{tally:?}");
    }
}

/// A directory whose only file ends inside of a block, all of it on disk. Returns how many commands are whole.
fn torn(disk: &Disk, chance: &mut Chance) -> u64 {
    let files = disk.files();
    files.create_directory(path("appendonlydir")).expect("made");
    let name = path("appendonlydir/P.1.incr.aof");
    let mut appender = Appender::new(files.open_append(name).expect("created")).expect("a size");
    let mut journal = Journal::new(ReplicationId::NONE);
    let (mut executed, mut ends) = (0, Vec::new());
    for _ in 0..=chance.below(3) {
        let start = journal.end();
        let mut bytes = Vec::new();
        let before = appender.size();
        for _ in 0..=chance.below(5) {
            bytes.push(encoded(&line(executed)));
            executed += 1;
        }
        bytes.iter().for_each(|bytes| journal.append_raw(Kind::Effect, bytes));
        let lens: Vec<u64> = bytes.iter().map(|bytes| bytes.len() as u64).collect();
        let block = Block { bytes, start, end: journal.end(), timestamp_s: None };
        appender.append([block].iter()).expect("appended");
        let mut end = appender.size() - lens.iter().sum::<u64>();
        assert!(before < end, "a mark stands in front of it");
        for len in lens {
            end += len;
            ends.push(end);
        }
    }
    drop(appender);
    let len = ends.len().checked_sub(2).map_or(0, |last_but_one| ends[last_but_one]);
    let cut = len + 1 + chance.below(size(&files, name) - len - 1);
    files.cut(name, cut).expect("cut");
    let manifest = b"file P.1.incr.aof seq 1 type i\n";
    files.write_whole(path("appendonlydir/P.manifest"), path("temp"), manifest).expect("written");
    files.sync_directory(path("appendonlydir")).expect("synced");
    ends.iter().filter(|end| **end <= cut).count() as u64
}

fn size(files: &Files, name: &Path) -> u64 {
    files.size(name).expect("looked at").expect("there")
}

#[test]
fn a_repair_that_loses_its_power_is_done_again() {
    let mut repaired = 0;
    for seed in 0..400 {
        for at in 0.. {
            let mut chance = Chance::new(seed);
            let disk = Disk::new(seed);
            if chance.one_in(2) {
                disk.set_order(DataOrder::Any);
            }
            let whole = torn(&disk, &mut chance);
            disk.kill_at(at);
            let done = try_load(&disk.files()).is_ok();
            end(&disk, &mut Chance::new(seed * 1000 + at));
            let (_, found) = try_load(&disk.files()).unwrap_or_else(|e| panic!("{seed} {at}: {e}"));
            let (count, loaded) = found.expect("files");
            assert_eq!(count, whole, "{seed} at {at}");
            repaired += u32::from(loaded.cut.is_some());
            if done {
                break;
            }
        }
    }
    assert!(repaired > 400, "{repaired}");
}

#[test]
fn where_sectors_come_in_any_order_a_start_loads_no_less_or_is_refused() {
    for policy in [FsyncPolicy::Always, FsyncPolicy::EverySec] {
        let mut tally = Tally::default();
        let faults = Faults { order: Some(DataOrder::Any), ..Faults::default() };
        (0..700).for_each(|seed| lives(seed, policy, faults, &mut tally));
        assert!(tally.refused > 0 && tally.cut > 20 && tally.lost > 100, "{tally:?}");
    }
}

#[test]
fn with_always_a_failed_fsync_or_write_costs_nothing_that_was_called_durable() {
    let rates = Rates { sync_one_in: 8, write_one_in: 8, open_one_in: 50, rename_one_in: 20 };
    let (faults, mut tally) = (Faults { order: None, rates }, Tally::default());
    (0..2000).for_each(|seed| lives(seed, FsyncPolicy::Always, faults, &mut tally));
    assert!(tally.fatal > 300 && tally.cut > 20, "{tally:?}");
}
