//! What a disk keeps, loses and lets fail, against a model that remembers every moment.

use super::*;
use backup::files::{File, Taken};
use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom, Write};

mod sequences;

const SECTOR: usize = 512;

fn path(name: &str) -> &Path {
    Path::new(name)
}

fn contents(files: &Files, name: &str) -> Vec<u8> {
    files.read_small(path(name), 1 << 30).expect("a file")
}

/// A file with a name that lasts.
fn lasting(disk: &Disk, name: &str, bytes: &[u8]) {
    let files = disk.files();
    files.write_whole(path(name), path("temporary"), bytes).expect("written");
}

/// Whether a sector is as at one of these moments, or begins as at one and ends as at an earlier one.
fn is_explained(found: &[u8], moments: &[&[u8]]) -> bool {
    let common = |one: &[u8]| found.iter().zip(one).take_while(|(a, b)| a == b).count();
    (0..moments.len()).any(|late| {
        let begins = common(moments[late]);
        moments[..=late].iter().any(|early| {
            let ends = found.iter().zip(*early).rev().take_while(|(a, b)| a == b).count();
            begins + ends >= found.len()
        })
    })
}

/// The sector at an offset, zeros where the contents have ended.
fn sector_of(contents: &[u8], from: usize, len: usize) -> Vec<u8> {
    let there = contents.get(from.min(contents.len())..).unwrap_or_default();
    let mut sector = there[..there.len().min(len)].to_vec();
    sector.resize(len, 0);
    sector
}

/// Random operations since an fsync; what was seen after each.
fn random_moments(file: &mut File, first: Vec<u8>, chance: &mut Chance) -> Vec<Vec<u8>> {
    let mut moments = vec![first];
    for number in 0..chance.below(8) {
        let mut now = moments[moments.len() - 1].clone();
        match chance.below(5) {
            0 => {
                let len = chance.index(now.len() + 700);
                file.set_len(len as u64).expect("cut");
                now.resize(len, 0);
            }
            kind => {
                let offset = if kind == 1 { chance.index(now.len() + 300) } else { now.len() };
                let bytes = vec![number as u8 + 1; chance.index(2000)];
                file.seek(SeekFrom::Start(offset as u64)).expect("sought");
                file.write_all(&bytes).expect("written");
                if !bytes.is_empty() {
                    now.resize(now.len().max(offset + bytes.len()), 0);
                    now[offset..offset + bytes.len()].copy_from_slice(&bytes);
                }
            }
        }
        moments.push(now);
    }
    moments
}

#[test]
fn after_a_power_cut_every_sector_is_of_some_moment_and_what_was_synced_is_there() {
    let mut lost = 0;
    for seed in 0..3000 {
        let mut chance = Chance::new(seed);
        let disk = Disk::new(seed);
        let order = if chance.one_in(2) { DataOrder::Any } else { DataOrder::Ordered };
        disk.set_order(order);
        let first: Vec<u8> = vec![0xEE; chance.index(3000)];
        lasting(&disk, "f", &first);
        let mut file = File::new(
            disk.files().system().open(path("f"), backup::files::Mode::Write).expect("opened"),
        );
        let moments = random_moments(&mut file, first, &mut chance);
        assert_eq!(contents(&disk.files(), "f"), moments[moments.len() - 1]);
        disk.power_cut(&mut chance);
        let found = contents(&disk.files(), "f");
        let lens = || moments.iter().map(Vec::len);
        assert!(lens().min() <= Some(found.len()) && Some(found.len()) <= lens().max());
        if moments.len() == 1 {
            assert_eq!(found, moments[0]);
        }
        lost += u32::from(found != moments[moments.len() - 1]);
        for from in (0..found.len()).step_by(SECTOR) {
            let len = SECTOR.min(found.len() - from);
            let mut seen: Vec<Vec<u8>> =
                moments.iter().map(|moment| sector_of(moment, from, len)).collect();
            // What is not on disk is zeros, but not what was there all the time.
            let sure = lens().min().unwrap_or(0).saturating_sub(from).min(len);
            let mut nothing = seen[0].clone();
            nothing[sure..].fill(0);
            seen.insert(0, nothing);
            let seen: Vec<&[u8]> = seen.iter().map(Vec::as_slice).collect();
            let piece = &found[from..from + len];
            let explained = match order {
                DataOrder::Any => is_explained(piece, &seen),
                // What was added is of one moment, and what was there before it of others.
                DataOrder::Ordered => {
                    (0..len).all(|at| seen.iter().any(|moment| moment[at] == piece[at]))
                }
            };
            assert!(explained, "{seed} at {from}");
            let untouched = |at: &usize| moments.iter().all(|m| m.get(from + at) == Some(&0xEE));
            assert!((0..len).filter(untouched).all(|at| piece[at] == 0xEE), "{seed} at {from}");
        }
    }
    assert!(lost > 1000, "{lost}");
}

#[test]
fn what_was_added_in_order_is_a_beginning_and_then_zeros() {
    let (mut zeros, mut parts) = (0, 0);
    for seed in 0..2000 {
        let mut chance = Chance::new(seed);
        let disk = Disk::new(seed);
        lasting(&disk, "f", b"sure.");
        let mut file = disk.files().open_append(path("f")).expect("opened");
        let mut all = b"sure.".to_vec();
        for number in 0..chance.below(6) {
            let bytes = vec![b'a' + number as u8; chance.index(1500)];
            file.write_all(&bytes).expect("written");
            all.extend(bytes);
        }
        disk.power_cut(&mut chance);
        let found = contents(&disk.files(), "f");
        let beginning = found.iter().zip(&all).take_while(|(a, b)| a == b).count();
        assert!(beginning >= 5 && found[beginning..].iter().all(|byte| *byte == 0), "{seed}");
        zeros += u32::from(beginning < found.len());
        parts += u32::from(5 < beginning && beginning < all.len());
    }
    assert!(zeros > 100 && parts > 300, "{zeros} {parts}");
}

/// All names, with what they lead to.
fn tree(files: &Files, directory: &str) -> BTreeMap<String, Option<u64>> {
    let mut all = BTreeMap::new();
    for name in files.list(path(directory)).expect("listed") {
        let name = format!("{directory}/{}", name.display());
        let metadata = files.system().metadata(path(&name)).expect("there");
        all.insert(name.clone(), (!metadata.is_directory()).then_some(metadata.inode));
        if metadata.is_directory() {
            all.extend(tree(files, &name));
        }
    }
    all
}

#[test]
fn after_a_power_cut_names_are_those_of_some_moment_behind_the_last_fsync() {
    let (mut moved, mut kept) = (0, 0);
    for seed in 0..2000 {
        let mut chance = Chance::new(seed);
        let disk = Disk::new(seed);
        let files = disk.files();
        let system = files.system();
        let mut moments = vec![tree(&files, ".")];
        let mut least = 0;
        for _ in 0..12 {
            let names = ["a", "b", "d/a", "d/b", "d"];
            let [one, other] = [0, 1].map(|_| path(names[chance.index(names.len())]));
            // Most are refused: then nothing has happened.
            let _ = match chance.below(7) {
                0 | 1 => files.create(one).map(drop).is_ok(),
                2 => system.rename(one, other, Taken::Replace).is_ok(),
                3 => system.rename(one, other, Taken::Refuse).is_ok(),
                4 => system.hard_link(one, other).is_ok(),
                5 => system.create_directory(path("d")).is_ok(),
                _ => system.remove_file(one).is_ok(),
            };
            moments.push(tree(&files, "."));
            if chance.one_in(6) {
                files.sync_directory(path(".")).expect("synced");
                let in_root = |names: &BTreeMap<String, Option<u64>>| {
                    let top = names.iter().filter(|(name, _)| name.matches('/').count() == 1);
                    top.map(|(name, inode)| (name.clone(), *inode)).collect::<Vec<_>>()
                };
                // Behind the last change in that directory.
                let now = in_root(&moments[moments.len() - 1]);
                let first = moments.iter().rposition(|moment| in_root(moment) != now);
                least = least.max(first.map_or(0, |before| before + 1));
            }
        }
        disk.power_cut(&mut chance);
        let found = tree(&disk.files(), ".");
        assert!(moments[least..].contains(&found), "{seed}: {found:?}\n{moments:#?}");
        moved += u32::from(Some(&found) != moments.last());
        kept += u32::from(least > 0);
    }
    assert!(moved > 500 && kept > 500, "{moved} {kept}");
}

#[test]
fn an_fsync_makes_contents_last_and_not_the_name() {
    let (mut lost, mut there) = (0, 0);
    for seed in 0..100 {
        let disk = Disk::new(seed);
        let mut file = disk.files().create(path("f")).expect("created");
        file.write_all(b"contents").expect("written");
        file.sync_all().expect("synced");
        disk.power_cut(&mut Chance::new(seed));
        match disk.files().size(path("f")).expect("looked at") {
            None => lost += 1,
            Some(_) => {
                assert_eq!(contents(&disk.files(), "f"), b"contents");
                there += 1;
            }
        }
    }
    assert!(lost > 10 && there > 10, "{lost} {there}");
}

#[test]
fn a_file_renamed_over_another_before_its_fsync_may_be_empty() {
    let mut empty = 0;
    for seed in 0..200 {
        let disk = Disk::new(seed);
        lasting(&disk, "f", b"old");
        let files = disk.files();
        let mut file = files.create(path("new")).expect("created");
        file.write_all(b"new").expect("written");
        files.rename_synced(path("new"), path("f")).expect("renamed");
        disk.power_cut(&mut Chance::new(seed));
        empty += u32::from(contents(&disk.files(), "f").is_empty());
    }
    assert!(empty > 20, "{empty}");
}

#[test]
fn a_kill_loses_nothing_and_ends_what_the_process_had() {
    let disk = Disk::new(1);
    let files = disk.files();
    let mut file = files.create(path("f")).expect("created");
    file.write_all(b"contents").expect("written");
    let mut reader = files.open(path("f")).expect("opened");
    disk.kill();
    assert!(file.write_all(b"more").is_err() && file.sync_all().is_err());
    assert!(file.set_len(0).is_err() && file.metadata().is_err());
    assert!(reader.read(&mut [0]).is_err() && reader.seek(SeekFrom::Start(0)).is_err());
    assert!(files.create(path("g")).is_err() && files.list(path(".")).is_err());
    assert!(files.remove(path("f")).is_err());
    drop((file, reader));
    assert_eq!(contents(&disk.files(), "f"), b"contents");
    assert_eq!(disk.files().list(path(".")).expect("listed"), ["f"]);
    // It can end in the middle of what it does.
    let files = disk.files();
    disk.kill_at(1);
    let mut file = files.create(path("g")).expect("the first call");
    assert!(file.write_all(b"x").is_err() && files.open(path("g")).is_err());
    disk.kill();
    assert_eq!(contents(&disk.files(), "g"), b"");
}

#[test]
fn an_open_file_outlives_its_name_and_room_comes_back_when_it_is_closed() {
    let disk = Disk::new(1);
    disk.set_capacity(Some(1000));
    let files = disk.files();
    let mut file = files.create(path("f")).expect("created");
    assert_eq!(file.write(&[b'x'; 1500]).expect("a part"), 1000);
    let full = file.write(b"x").expect_err("full");
    assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    // What is there can be written over.
    file.seek(SeekFrom::Start(10)).expect("sought");
    file.write_all(b"y").expect("written");
    let mut reader = files.open(path("f")).expect("opened");
    drop(file);
    files.remove(path("f")).expect("removed");
    assert_eq!(disk.used(), 1000);
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).expect("read");
    assert_eq!((bytes.len(), bytes[10]), (1000, b'y'));
    drop(reader);
    assert_eq!(disk.used(), 0);
    let mut file = files.create(path("g")).expect("created");
    file.write_all(&[b'x'; 1000]).expect("room");
}

#[test]
fn planned_calls_fail_and_no_others() {
    let disk = Disk::new(1);
    let files = disk.files();
    let fault = |call, failure| Fault { call, path: None, skip: 0, count: 1, failure };
    disk.plan(Fault { path: Some("g".into()), skip: 1, ..fault(Call::Write, Failure::Half) });
    let mut f = files.create(path("f")).expect("created");
    let mut g = files.create(path("g")).expect("created");
    assert_eq!((f.write(b"1234").expect("ok"), f.write(b"1234").expect("ok")), (4, 4));
    assert_eq!((g.write(b"1234").expect("ok"), g.write(b"1234").expect("half")), (4, 2));
    assert_eq!(g.write(b"1234").expect("ok"), 4);
    disk.plan(fault(Call::Rename, Failure::NotDone(IO_ERROR)));
    assert!(files.rename_synced(path("f"), path("h")).is_err());
    assert_eq!(files.list(path(".")).expect("listed"), ["f", "g"]);
    disk.plan(fault(Call::Rename, Failure::Done(IO_ERROR)));
    assert!(files.rename_synced(path("f"), path("h")).is_err());
    assert_eq!(files.list(path(".")).expect("listed"), ["g", "h"]);
    disk.plan(fault(Call::Open, Failure::NotDone(NO_SPACE)));
    let error = files.create(path("i")).expect_err("planned");
    assert!(error.to_string().contains("No space left on device"), "{error}");
    disk.plan(Fault { count: 5, ..fault(Call::Sync, Failure::NotDone(IO_ERROR)) });
    assert!(g.sync_all().is_err());
    disk.heal();
    g.sync_all().expect("healed");
}

#[test]
fn a_failed_fsync_calls_pages_clean_that_are_not_on_disk() {
    let (mut lost, mut there) = (0, 0);
    for seed in 0..400 {
        let disk = Disk::new(seed);
        lasting(&disk, "f", b"");
        let mut file = disk.files().open_append(path("f")).expect("opened");
        file.write_all(&[b'a'; 3 * SECTOR]).expect("written");
        let failure = Failure::NotDone(IO_ERROR);
        disk.plan(Fault { call: Call::Sync, path: None, skip: 0, count: 1, failure });
        // Who has it open is told, once; who comes later is not.
        let mut other = disk.files().open(path("f")).expect("opened");
        assert!(file.sync_all().is_err() && other.sync_all().is_err());
        other.sync_all().expect("told");
        disk.files().sync(path("f")).expect("not told");
        // In another sector: the process sees all, and is told that all is on disk.
        file.write_all(&[b'b'; SECTOR]).expect("written");
        file.sync_all().expect("synced");
        let seen = contents(&disk.files(), "f");
        assert_eq!(seen, [vec![b'a'; 3 * SECTOR], vec![b'b'; SECTOR]].concat());
        disk.power_cut(&mut Chance::new(seed));
        let found = contents(&disk.files(), "f");
        assert_eq!((found.len(), &found[3 * SECTOR..]), (4 * SECTOR, &[b'b'; SECTOR][..]));
        assert!(found[..3 * SECTOR].iter().all(|byte| [b'a', 0].contains(byte)));
        match found == seen {
            true => there += 1,
            false => lost += 1,
        }
    }
    assert!(lost > 100 && there > 50, "{lost} {there}");
}

#[test]
fn a_bit_at_rest_changes_for_everybody_and_for_good() {
    let disk = Disk::new(1);
    lasting(&disk, "f", b"abc");
    disk.flip(path("f"), 8).expect("it is there");
    assert_eq!(contents(&disk.files(), "f"), b"acc");
    disk.power_cut(&mut Chance::new(1));
    assert_eq!(contents(&disk.files(), "f"), b"acc");
    assert!(disk.flip(path("f"), 24).is_err() && disk.flip(path("g"), 0).is_err());
}

#[test]
fn faults_by_chance_come_about_as_often_as_was_asked_for() {
    let disk = Disk::new(9);
    disk.set_rates(Rates { sync_one_in: 10, write_one_in: 4, ..Rates::default() });
    let mut file = disk.files().create(path("f")).expect("created");
    let (mut failed, mut halves, mut syncs) = (0, 0, 0);
    for _ in 0..4000 {
        match file.write(b"1234") {
            Ok(4) => {}
            Ok(2) => halves += 1,
            Ok(other) => panic!("{other}"),
            Err(_) => failed += 1,
        }
        syncs += u32::from(file.sync_data().is_err());
    }
    assert!((400..600).contains(&failed) && (400..600).contains(&halves), "{failed} {halves}");
    assert!((300..500).contains(&syncs), "{syncs}");
}

#[test]
fn calls_take_as_long_as_was_said() {
    let disk = Disk::new(1);
    disk.set_latency(Latency {
        call_us: 1,
        write_us_per_mib: 1000,
        sync_us: 500,
        sync_us_per_mib: 4000,
        ..Latency::default()
    });
    let mut file = disk.files().create(path("f")).expect("created");
    assert_eq!(disk.take_spent_us(), 1);
    file.write_all(&vec![0; 1 << 20]).expect("written");
    assert_eq!((disk.take_spent_us(), disk.draw_sync_us()), (1001, 4500));
    file.sync_all().expect("synced");
    assert_eq!((disk.take_spent_us(), disk.draw_sync_us()), (4501, 500));
    disk.set_latency(Latency { sync_us: 5, slow_one_in: 3, slow_us: 90, ..Latency::default() });
    let drawn: Vec<u64> = (0..300).map(|_| disk.draw_sync_us()).collect();
    let slow = drawn.iter().filter(|us| **us > 5).count();
    assert!((70..130).contains(&slow) && drawn.iter().all(|us| (5..=95).contains(us)), "{slow}");
}

#[test]
fn the_same_seed_leaves_the_same_disk() {
    let image = |seed| {
        let mut chance = Chance::new(seed);
        let disk = Disk::new(seed);
        disk.set_rates(Rates { sync_one_in: 3, write_one_in: 5, ..Rates::default() });
        for number in 0..20_u8 {
            let name = format!("f{}", number % 3);
            let Ok(mut file) = disk.files().open_append(path(&name)) else { continue };
            let _ = file.write_all(&vec![number; 700]);
            let _ = file.sync_all();
        }
        disk.power_cut(&mut chance);
        let files = disk.files();
        let names = files.list(path(".")).expect("listed");
        let all =
            names.iter().map(|name| files.read_small(Path::new(name), 1 << 20).expect("read"));
        (all.collect::<Vec<_>>(), names)
    };
    assert!((0..50).all(|seed| image(seed) == image(seed)));
    assert_ne!(image(1), image(2));
}

#[test]
fn paths_are_the_same_however_they_begin_and_dates_are_those_of_the_world() {
    let disk = Disk::new(1);
    disk.set_time(5_000_000);
    let files = disk.files();
    files.create_directory(path("d")).expect("made");
    files.create(path("./d/f")).expect("created");
    assert_eq!(files.size(path("/d/../d/f")).expect("looked at"), Some(0));
    assert_eq!(files.modified_ms(path("d/f")), Some(5));
    let error = files.create(path("d/f/g")).expect_err("a file is no directory");
    assert_eq!(error.source.kind(), io::ErrorKind::NotADirectory);
    assert!(files.create(path("none/f")).expect_err("none").is_missing());
    assert!(files.open(path("d")).is_err() && files.system().remove_file(path("d")).is_err());
    let into_itself = files.system().rename(path("d"), path("d/e"), Taken::Replace);
    assert!(into_itself.is_err());
    files.system().remove_directory_all(path("d")).expect("removed");
    assert_eq!(files.list(path(".")).expect("listed").len(), 0);
}
