//! Files that do not belong together, whatever the manifest says: told by what each says that it follows.

use super::edited::{NEW, OLD, load_as};
use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// A place in the stream.
fn at(number: u64) -> Offset {
    Offset::from_wire(number).expect("small")
}

const HISTORY: HistoryMark = HistoryMark { id: OLD, second_id: [b'0'; 40], second_offset: -1 };

/// Files that were written one behind the other from an offset on, each made of blocks of commands. Between two files is what
/// replicas alone get.
fn written(start: u64, files: &[&[&[&str]]]) -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |number: usize| folder.path().join(number.to_string());
    let new = |number: usize| open_append(&path(number));
    let mut appender = Appender::new(new(0)).expect("appendable").begin_at(at(start), None);
    appender.set_history(HISTORY);
    let mut start = start;
    for (index, blocks) in files.iter().enumerate() {
        if index > 0 {
            appender.switch_to(new(index), Some(index as u64)).expect("appendable");
            start += 14;
        }
        for lines in *blocks {
            let bytes = Bytes::from(commands(lines));
            let end = start + bytes.len() as u64;
            let block =
                Block { bytes: vec![bytes], start: at(start), end: at(end), timestamp_s: None };
            appender.append([block].iter()).expect("appended");
            start = end;
        }
    }
    (0..files.len()).map(|index| fs::read(path(index)).expect("read")).collect()
}

const FIRST: &[&[&str]] = &[&["SELECT 0", "SET a 1"], &["SET b 2"], &["SET c 3", "SET d 4"]];
const SECOND: &[&[&str]] = &[&["SELECT 0", "SET e 5"], &["SET f 6"]];
const THIRD: &[&[&str]] = &[&["SELECT 0", "RPUSH g 7"]];
const FOURTH: &[&[&str]] = &[&["SELECT 0", "SET h 8"], &["SET i 9"]];

fn lines_of(files: &[&[&[&str]]]) -> Vec<String> {
    files.iter().flat_map(|blocks| blocks.concat()).map(ToString::to_string).collect()
}

/// A directory with these files, under a manifest of one's own.
fn set(folder: &Path, files: &[(&str, &[u8])], manifest: &str) -> AofDir {
    let directory = folder.join("appendonlydir");
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir(&directory).expect("a folder");
    for (name, bytes) in files {
        fs::write(directory.join(name), bytes).expect("written");
    }
    fs::write(directory.join("P.manifest"), manifest).expect("written");
    open(folder).0
}

/// A base with so many keys, which says that it was made at an offset.
fn base(keys: usize, offset: Option<u64>) -> Vec<u8> {
    let mut db = Db::new();
    for number in 0..keys {
        assert!(db.add_new_bytes(format!("key:{number}").as_bytes(), b"v", None, 0));
    }
    let point = |offset| ReplicationPoint { id: OLD, offset, stream_db: 0 };
    let meta = SnapshotMeta { replication: offset.map(point), ..meta() };
    let mut bytes = Vec::new();
    let saved = SaveOptions::default();
    crate::snapshot::write_snapshot(&mut bytes, &[db], &meta, saved, &mut |_| ())
        .expect("a vector takes all");
    bytes
}

/// The offset at the end of a file, by its last mark.
fn end_of(bytes: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(bytes);
    let last = text.lines().rfind(|line| line.starts_with("#tm ")).expect("a mark");
    last.split(' ').nth(2).expect("an end").parse().expect("a number")
}

fn manifest(numbers: &[u64]) -> String {
    numbers.iter().map(|number| format!("file P.{number}.incr.aof seq {number} type i\n")).collect()
}

#[track_caller]
fn misplaced(dir: &AofDir) {
    for edited in [false, true] {
        let error = load_as(dir, edited).err().expect("refused");
        let text = error.to_string();
        assert!(matches!(error, AofError::Misplaced { .. }), "{text}");
        assert!(text.contains("Ways out") && text.contains(", byte "), "{text}");
    }
}

#[test]
fn files_that_follow_each_other_are_loaded_and_empty_ones_do_not_matter() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = written(100, &[FIRST, &[], SECOND, &[], &[], THIRD, &[]]);
    let parts: Vec<&[u8]> = files.iter().map(Vec::as_slice).collect();
    let (loaded, host) = try_load(&directory(folder.path(), &parts), false).expect("whole");
    assert_eq!(host.commands, lines_of(&[FIRST, SECOND, THIRD]));
    assert_eq!((loaded.edited, loaded.position), (None, Some(end_of(&files[5]))));
    assert!(crate::check::check_aof(&open(folder.path()).0, 0).expect("readable").is_whole());
    // What peers or older versions wrote says nothing of the kind.
    let plain = [lines_of(&[FIRST]), lines_of(&[SECOND])];
    let plain = plain.map(|lines| commands(&lines.iter().map(String::as_str).collect::<Vec<_>>()));
    let dir = directory(folder.path(), &[&plain[0], &plain[1], &files[0]]);
    assert_eq!(try_load(&dir, false).expect("whole").1.commands.len(), 13);
}

#[test]
fn a_restart_goes_on_behind_the_file_that_was_written_last() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = written(100, &[FIRST, &[]]);
    directory(folder.path(), &[&files[0], b"", b""]);
    let offset = end_of(&files[0]);
    let mut dir = open(folder.path()).0;
    assert_eq!(dir.appended(), None);
    let file = dir.open_last().expect("opened");
    let follows = dir.followed().expect("looked at").expect("behind the first");
    assert_eq!((dir.appended(), follows.sequence), (Some(3), 1));
    let mut appender = Appender::new(file).expect("appendable").begin_at(at(offset), Some(follows));
    appender.set_history(HISTORY);
    let block = |start: u64| {
        let bytes = Bytes::from(command("SET z 1"));
        Block {
            end: at(start + bytes.len() as u64),
            start: at(start),
            bytes: vec![bytes],
            timestamp_s: None,
        }
    };
    appender.append([block(offset)].iter()).expect("appended");
    // And so it is after the next one: a file that has something follows what it followed.
    drop(appender);
    let mut dir = open(folder.path()).0;
    let file = dir.open_last().expect("opened");
    assert_eq!(dir.followed().expect("looked at"), None);
    let end = offset + 27;
    let mut appender = Appender::new(file).expect("appendable").begin_at(at(end), None);
    appender.set_history(HISTORY);
    let before = dir.appended();
    let (file, _) = dir.begin_rewrite().expect("begun");
    appender.switch_to(file, before).expect("appendable");
    appender.append([block(end + 14)].iter()).expect("appended");
    let (loaded, host) = try_load(&dir, false).expect("whole");
    assert_eq!((host.commands.len(), loaded.position), (7, Some(end + 14 + 27)));
    // Each is tied: none can be left out.
    let all: Vec<(String, Vec<u8>)> = [1, 3, 4]
        .map(|number| format!("P.{number}.incr.aof"))
        .into_iter()
        .map(|name| (name.clone(), fs::read(dir.directory().join(name)).expect("read")))
        .collect();
    let all: Vec<(&str, &[u8])> = all.iter().map(|(name, file)| (&name[..], &file[..])).collect();
    for numbers in [&[1, 4][..], &[3, 4], &[4]] {
        misplaced(&set(folder.path(), &all, &manifest(numbers)));
    }
}

#[test]
fn blocks_that_are_taken_from_the_end_of_a_file_that_is_not_the_last_are_an_edit() {
    let files = written(100, &[FIRST, SECOND, THIRD]);
    for cut in [0, 1] {
        let starts = (0..files[cut].len()).filter(|at| files[cut][*at..].starts_with(b"#tm "));
        // All of it, and every beginning of it that ends with a block.
        for end in starts.skip(1).chain([0]) {
            let mut parts: Vec<&[u8]> = files.iter().map(Vec::as_slice).collect();
            let all: Vec<_> = parts.iter().map(|part| part.to_vec()).collect();
            parts[cut] = &all[cut][..end];
            let blocks = String::from_utf8_lossy(parts[cut]).matches("#tm ").count();
            let left = lines_of(&[&[FIRST, SECOND][cut][..blocks]]);
            let mut expected = [lines_of(&[FIRST]), lines_of(&[SECOND]), lines_of(&[THIRD])];
            expected[cut] = left;
            let expected = expected.concat();
            let folder = tempfile::tempdir().expect("a folder");
            let dir = directory(folder.path(), &parts);
            let error = load_as(&dir, false).err().expect("refused").to_string();
            assert!(
                error.contains("the file before it") && error.contains("aof-load-edited"),
                "{error}"
            );
            let (loaded, host) = load_as(&dir, true).expect("as it is");
            assert_eq!((&host.commands, loaded.position), (&expected, None));
            assert_eq!(loaded.edited.expect("edited").files, 2 - cut);
            // Afterwards it is a set like any other, in a history of its own.
            let (again, host) = load_as(&dir, false).expect("it fits");
            assert_eq!((&host.commands, again.edited), (&expected, None));
            assert_eq!(again.history.expect("a history").id, NEW);
            assert!(again.position.is_some());
        }
    }
    // Something added there is one as well.
    let longer = [&files[0][..], &command("SET more 1")].concat();
    let folder = tempfile::tempdir().expect("a folder");
    let dir = directory(folder.path(), &[&longer, &files[1], &files[2]]);
    assert!(matches!(load_as(&dir, false), Err(AofError::Edited { .. })));
    assert_eq!(load_as(&dir, true).expect("as it is").1.commands.len(), 11);
    assert!(load_as(&dir, false).expect("it fits").0.edited.is_none());
}

#[test]
fn a_manifest_that_leaves_out_doubles_or_exchanges_files_is_refused() {
    let files = written(100, &[FIRST, SECOND, THIRD, FOURTH]);
    let folder = tempfile::tempdir().expect("a folder");
    let names = ["P.1.incr.aof", "P.2.incr.aof", "P.3.incr.aof", "P.4.incr.aof"];
    let all: Vec<(&str, &[u8])> = names.into_iter().zip(files.iter().map(Vec::as_slice)).collect();
    assert!(try_load(&set(folder.path(), &all, &manifest(&[1, 2, 3, 4])), false).is_ok());
    for numbers in [&[1, 3, 4][..], &[1, 2, 4], &[1, 4], &[2, 3, 4], &[3, 4], &[4], &[1, 3]] {
        misplaced(&set(folder.path(), &all, &manifest(numbers)));
    }
    // The contents of files change places, and one is there twice.
    for order in
        [[1, 0, 2, 3], [0, 2, 1, 3], [0, 1, 3, 2], [0, 0, 2, 3], [0, 1, 1, 3], [0, 1, 2, 2]]
    {
        let mixed: Vec<(&str, &[u8])> =
            names.into_iter().zip(order.map(|at: usize| &files[at][..])).collect();
        let dir = set(folder.path(), &mixed, &manifest(&[1, 2, 3, 4]));
        for edited in [false, true] {
            assert!(load_as(&dir, edited).is_err(), "{order:?}");
        }
    }
    // A beginning is what a start with fewer files would have had.
    let (_, host) = try_load(&set(folder.path(), &all, &manifest(&[1, 2])), false).expect("whole");
    assert_eq!(host.commands, lines_of(&[FIRST, SECOND]));
}

#[test]
fn a_base_is_tied_to_the_file_behind_it() {
    let files = written(100, &[FIRST, SECOND]);
    let (end, start) = (end_of(&files[0]), end_of(&files[0]) + 14);
    let folder = tempfile::tempdir().expect("a folder");
    let text = "file P.2.base.rdb seq 2 type b\nfile P.2.incr.aof seq 2 type i\n";
    // A rewrite made it between the two files.
    for offset in [end, end + 5, start] {
        let all = [("P.2.base.rdb", &base(3, Some(offset))[..]), ("P.2.incr.aof", &files[1][..])];
        let (loaded, host) = try_load(&set(folder.path(), &all, text), false).expect("whole");
        assert_eq!((host.loaded, loaded.position), (vec![3], Some(end_of(&files[1]))));
    }
    // One of before the first file, of behind the second, or of whom nothing is known.
    for offset in [Some(100), Some(end - 1), Some(start + 1), None] {
        let all = [("P.2.base.rdb", &base(3, offset)[..]), ("P.2.incr.aof", &files[1][..])];
        misplaced(&set(folder.path(), &all, text));
    }
    // The first file follows nothing, and must not begin before the base ends.
    let text = "file P.1.base.rdb seq 1 type b\nfile P.1.incr.aof seq 1 type i\n";
    for (offset, fits) in [(Some(100), true), (Some(90), true), (None, true), (Some(101), false)] {
        let all = [("P.1.base.rdb", &base(3, offset)[..]), ("P.1.incr.aof", &files[0][..])];
        let dir = set(folder.path(), &all, text);
        match fits {
            true => assert!(try_load(&dir, false).is_ok(), "{offset:?}"),
            false => misplaced(&dir),
        }
    }
}

#[test]
fn a_file_of_which_only_the_beginning_was_left_may_go_on_in_another_history() {
    let files = written(100, &[FIRST, SECOND]);
    let end = end_of(&files[0]);
    let text = "file P.2.base.rdb seq 2 type b\nfile P.2.incr.aof seq 2 type i\n";
    // What a power cut left: the line that ties it, and perhaps one that names a history.
    let line = |line: &str| line.len() + 2;
    let second = String::from_utf8_lossy(&files[1]).into_owned();
    let lines: Vec<&str> = second.split("\r\n").take(2).collect();
    assert!(lines[0].starts_with("#tm-follows ") && lines[1].starts_with("#tm-history "));
    for kept in [line(lines[0]), line(lines[0]) + line(lines[1])] {
        for start in [0, end - 1, end, end + 1000] {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("file");
            fs::write(&path, &files[1][..kept]).expect("written");
            let mut appender =
                Appender::new(open_append(&path)).expect("appendable").begin_at(at(start), None);
            appender.set_history(HistoryMark { id: NEW, ..HISTORY });
            let bytes = Bytes::from(command("SET z 1"));
            let after = start + bytes.len() as u64;
            let block =
                Block { bytes: vec![bytes], start: at(start), end: at(after), timestamp_s: None };
            appender.append([block].iter()).expect("appended");
            let file = fs::read(&path).expect("read");
            let all = [("P.2.base.rdb", &base(3, Some(end))[..]), ("P.2.incr.aof", &file[..])];
            let (loaded, host) =
                try_load(&set(folder.path(), &all, text), false).expect("its own process's file");
            assert_eq!((host.commands.len(), loaded.position), (1, Some(after)), "{kept}, {start}");
            // A base of before the file that it follows is another's all the same.
            let all = [("P.2.base.rdb", &base(3, Some(end - 1))[..]), ("P.2.incr.aof", &file[..])];
            misplaced(&set(folder.path(), &all, text));
        }
    }
}

#[test]
fn a_base_of_commands_that_was_edited_still_has_its_files_behind_it() {
    let files = written(100, &[FIRST, SECOND]);
    let end = end_of(&files[0]);
    let lines = ["SELECT 0", "SET a 1", "SET b 2", "SET c 3"];
    for (gone, blocks) in [(1, 1), (3, 1), (1, 2), (3, 2)] {
        // Blocks of one offset, as the rewrite between the two files writes them.
        let (mut bytes, mut place) = (Vec::new(), None);
        HISTORY.encode(&mut bytes);
        for (index, part) in lines.chunks(lines.len() / blocks).enumerate() {
            let body = commands(part);
            let at = bytes.len() as u64;
            BlockMark::of(end, end, &body).at(at).encode(&mut bytes);
            if gone / part.len() == index {
                place = Some(bytes.len() + commands(&part[..gone % part.len()]).len());
            }
            bytes.extend(body);
        }
        let text = "file P.2.base.aof seq 2 type b\nfile P.2.incr.aof seq 2 type i\n";
        let folder = tempfile::tempdir().expect("a folder");
        let whole =
            set(folder.path(), &[("P.2.base.aof", &bytes), ("P.2.incr.aof", &files[1])], text);
        assert_eq!(try_load(&whole, false).expect("whole").0.position, Some(end_of(&files[1])));
        let at = place.expect("it is in one of them");
        bytes.drain(at..at + command(lines[gone]).len());
        let all = [("P.2.base.aof", &bytes[..]), ("P.2.incr.aof", &files[1][..])];
        let dir = set(folder.path(), &all, text);
        assert!(matches!(load_as(&dir, false), Err(AofError::Edited { .. })));
        let (loaded, host) = load_as(&dir, true).expect("as it is");
        let mut expected = lines.to_vec();
        expected.remove(gone);
        let expected = [expected, SECOND.concat()].concat();
        assert_eq!(
            (host.commands, loaded.position),
            (expected.iter().map(ToString::to_string).collect(), None)
        );
        let (again, host) = load_as(&dir, false).expect("it fits");
        assert_eq!((host.commands.len(), again.edited), (expected.len(), None));
    }
}

#[test]
fn what_is_called_history_and_comes_after_the_base_is_refused_and_so_not_deleted() {
    let files = written(100, &[FIRST, SECOND, THIRD]);
    let end = end_of(&files[0]);
    let folder = tempfile::tempdir().expect("a folder");
    let old = base(1, Some(100));
    let new = base(2, Some(end + 3));
    let unknown = base(1, None);
    let load_of = |base: &[u8], text: &str| {
        let all = [
            ("P.1.base.rdb", base),
            ("P.2.base.rdb", &new[..]),
            ("P.1.incr.aof", &files[0]),
            ("P.2.incr.aof", &files[1]),
            ("P.3.incr.aof", &files[2]),
        ];
        set(folder.path(), &all, text)
    };
    for base in [&old, &unknown] {
        for text in [
            "file P.1.base.rdb seq 1 type b\nfile P.1.incr.aof seq 1 type h\n",
            "file P.1.base.rdb seq 1 type b\nfile P.1.incr.aof seq 1 type h\nfile P.2.incr.aof seq 2 type i\n",
        ] {
            misplaced(&load_of(base, text));
        }
    }
    // As a rewrite leaves it, before what is history is deleted.
    let text = "file P.2.base.rdb seq 2 type b\nfile P.1.incr.aof seq 1 type h\n\
                file P.1.base.rdb seq 1 type h\nfile P.2.incr.aof seq 2 type i\n\
                file P.3.incr.aof seq 3 type i\n";
    for base in [&old, &unknown] {
        let (_, host) = try_load(&load_of(base, text), false).expect("whole");
        assert_eq!(host.commands, lines_of(&[SECOND, THIRD]));
    }
    // The file behind the new base is called history.
    let text = "file P.2.base.rdb seq 2 type b\nfile P.2.incr.aof seq 2 type h\n\
                file P.1.incr.aof seq 1 type h\nfile P.1.base.rdb seq 1 type h\n\
                file P.3.incr.aof seq 3 type i\n";
    misplaced(&load_of(&old, text));
}

/// Whatever bit of a manifest rots, and of files as well: the same is loaded, or nothing.
fn check_bits(files: &[(&str, &[u8])], manifest: &str, expected: &[String], rots: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = set(folder.path(), files, manifest);
    assert_eq!(try_load(&dir, false).expect("whole").1.commands, expected);
    let mut outcomes = BTreeSet::new();
    let parts = files.iter().copied().chain([("P.manifest", manifest.as_bytes())]);
    for (name, bytes) in parts.filter(|(name, _)| rots.contains(name)) {
        let path = dir.directory().join(name);
        for bit in 0..8 * bytes.len() {
            let mut rotten = bytes.to_vec();
            rotten[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, &rotten).expect("written");
            // What is refused where edited files are loaded is refused elsewhere too.
            for edited in [true, false] {
                let found = open_in(&Files::real(), folder.path());
                let loaded = found.and_then(|(dir, opened)| {
                    assert_eq!(opened, Opened::Files, "{name} {bit}");
                    load_as(&dir, edited)
                });
                outcomes.insert(loaded.is_ok());
                let Ok((loaded, host)) = loaded else { break };
                assert_eq!(host.commands, expected, "{name} {bit}");
                assert_eq!((loaded.edited, loaded.cut), (None, None), "{name} {bit}");
            }
            assert_eq!(fs::read(&path).expect("read"), rotten, "{name} {bit}: it is untouched");
        }
        fs::write(&path, bytes).expect("written");
    }
    assert!(outcomes.contains(&false));
}

#[test]
fn whatever_bit_of_a_set_rots_it_loads_as_it_was_or_is_refused() {
    let files = written(100, &[&[&["SET a 1"], &["SET b 2"]], &[&["SET c 3"]], &[&["SET d 4"]]]);
    let end = end_of(&files[0]);
    let (old, new) = (base(1, Some(100)), base(1, Some(end)));
    let first = "file P.1.base.rdb seq 1 type b\nfile P.1.incr.aof seq 1 type i\n\
                 file P.2.incr.aof seq 2 type i\nfile P.3.incr.aof seq 3 type i\n";
    let rewritten = "file P.2.base.rdb seq 2 type b\nfile P.1.incr.aof seq 1 type h\n\
                     file P.1.base.rdb seq 1 type h\nfile P.2.incr.aof seq 2 type i\n\
                     file P.3.incr.aof seq 3 type i\n";
    let all = [
        ("P.1.base.rdb", &old[..]),
        ("P.2.base.rdb", &new[..]),
        ("P.1.incr.aof", &files[0][..]),
        ("P.2.incr.aof", &files[1][..]),
        ("P.3.incr.aof", &files[2][..]),
    ];
    let expected = ["SET a 1", "SET b 2", "SET c 3", "SET d 4"].map(ToString::to_string);
    let incremental = ["P.manifest", "P.1.incr.aof", "P.2.incr.aof", "P.3.incr.aof"];
    check_bits(&all, first, &expected, &incremental);
    check_bits(&all, rewritten, &expected[2..], &["P.manifest"]);
    // A base without a position, as the first one is.
    let mut unknown = all;
    let base = base(1, None);
    unknown[0].1 = &base;
    check_bits(&unknown, first, &expected, &["P.manifest"]);
}

/// How a set is edited.
#[derive(Clone, Copy, Debug)]
enum Edit {
    /// Some of the commands of a file are taken out.
    Commands,
    /// Some of its blocks are, with their marks.
    Blocks,
    /// A command is added.
    Added,
}

/// Edits one file. Returns it, the commands that are left, and whether anything is another than before.
fn edit(file: &[u8], edit: Edit, picks: u64) -> (Vec<u8>, Vec<String>, bool) {
    let (mut bytes, mut lines, mut spans) = (Vec::new(), Vec::new(), Vec::new());
    let (mut at, mut blocks, mut count, mut changed, mut drops) = (0, 0, 0, false, false);
    let picked = |number: u32| picks >> (number % 64) & 1 == 1;
    while at < file.len() {
        let record = protocol::aof::parse_record(&file[at..], &mut spans);
        let (len, is_command) = match record {
            protocol::aof::Record::Command { len } => (len, true),
            protocol::aof::Record::Annotation { text, len } => {
                if text.starts_with(b"tm ") {
                    drops = matches!(edit, Edit::Blocks) && picked(blocks);
                    blocks += 1;
                }
                (len, false)
            }
            record => panic!("{record:?}"),
        };
        let part = &file[at..at + len];
        at += len;
        let gone = drops || (is_command && matches!(edit, Edit::Commands) && picked(count));
        changed |= gone;
        if gone {
            count += u32::from(is_command);
            continue;
        }
        bytes.extend_from_slice(part);
        if !is_command {
            continue;
        }
        let words = spans.iter().map(|span| String::from_utf8_lossy(span.of(part)));
        lines.push(words.collect::<Vec<_>>().join(" "));
        if matches!(edit, Edit::Added) && !changed && picked(count) {
            changed = true;
            bytes.extend(command("SET added 1"));
            lines.push("SET added 1".into());
        }
        count += 1;
    }
    (bytes, lines, changed)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_file_of_a_set_is_edited(
        sizes in prop::collection::vec(prop::collection::vec(prop::collection::vec(1..30_usize, 1..4), 1..4), 2..4),
        which in any::<usize>(),
        how in prop::sample::select(vec![Edit::Commands, Edit::Blocks, Edit::Added]),
        picks in any::<u64>(),
    ) {
        let files: Vec<Vec<Vec<String>>> = sizes
            .iter()
            .map(|blocks| {
                let line = |len: &usize| format!("SET k {}", "v".repeat(*len));
                blocks.iter().map(|lens| lens.iter().map(line).collect()).collect()
            })
            .collect();
        let blocks: Vec<Vec<Vec<&str>>> = files
            .iter()
            .map(|blocks| blocks.iter().map(|b| b.iter().map(String::as_str).collect()).collect())
            .collect();
        let blocks: Vec<Vec<&[&str]>> =
            blocks.iter().map(|blocks| blocks.iter().map(Vec::as_slice).collect()).collect();
        let slices: Vec<&[&[&str]]> = blocks.iter().map(Vec::as_slice).collect();
        let mut parts = written(100, &slices);
        let mut lines: Vec<Vec<String>> = slices.iter().map(|blocks| lines_of(&[blocks])).collect();
        let which = which % parts.len();
        let (bytes, left, changed) = edit(&parts[which], how, picks);
        prop_assume!(changed);
        (parts[which], lines[which]) = (bytes, left);
        let expected = lines.concat();
        let folder = tempfile::tempdir().expect("a folder");
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        let is_last = which + 1 == parts.len();
        match load_as(&directory(folder.path(), &parts), false) {
            Err(AofError::Edited { .. }) => {}
            // Of the last file the end may be missing; inside of a block it may be torn as well.
            Err(AofError::Torn { .. }) if is_last => {}
            Ok((loaded, host)) if is_last => {
                prop_assert_eq!((&host.commands, loaded.edited), (&expected, None));
            }
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("nothing was said"),
        }
        let dir = directory(folder.path(), &parts);
        let (loaded, host) = load_as(&dir, true).expect("as it is");
        prop_assert_eq!(&host.commands, &expected);
        prop_assert!(loaded.edited.is_none() || loaded.position.is_none());
        prop_assert!(is_last || loaded.edited.is_some());
        let (again, host) = load_as(&dir, false).expect("it fits");
        prop_assert_eq!((&host.commands, again.edited), (&expected, None));
    }
}

#[test]
fn a_file_whose_first_block_was_torn_says_where_it_stands_and_is_gone_on_with_in_any_history() {
    let files = written(100, &[FIRST, SECOND]);
    let line = files[1].windows(4).position(|bytes| bytes == b"#tm ").expect("a mark");
    let other = HistoryMark { id: NEW, ..HISTORY };
    let heir = HistoryMark { id: NEW, second_id: OLD, second_offset: 1 + end_of(&files[0]) as i64 };
    for len in [line + 5, files[1].len() - 60] {
        for (history, start) in [(HISTORY, None), (heir, None), (other, Some(0))] {
            let folder = tempfile::tempdir().expect("a folder");
            let dir = directory(folder.path(), &[&files[0], &files[1][..len]]);
            let (first, _) = try_load(&dir, true).expect("cut");
            assert!(first.cut.is_some());
            // Nothing was written, and the next start reads what is left.
            let (again, host) = try_load(&open(folder.path()).0, true).expect("whole");
            assert_eq!(
                (again.cut, again.position, again.history),
                (None, first.position, first.history)
            );
            let position = again.position.expect("known");
            let file = open_append(&dir.directory().join("P.2.incr.aof"));
            let mut appender = Appender::new(file).expect("appendable");
            appender.set_history(history);
            let start = start.unwrap_or(position);
            appender
                .append([to_append(start, vec![Bytes::from(command("SET z 1"))], 27, None)].iter())
                .expect("appended");
            let (loaded, after) = try_load(&open(folder.path()).0, true).expect("whole");
            assert_eq!(after.commands.len(), host.commands.len() + 1);
            assert_eq!((loaded.position, loaded.history), (Some(start + 27), Some(history)));
        }
    }
}
