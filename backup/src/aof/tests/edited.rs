//! Files that somebody has edited: whatever was done to one, it is loaded as it is or refused with the way out; rot is
//! refused in any case.

use super::*;
use proptest::prelude::*;
use std::ops::Range;

pub(super) const OLD: [u8; 40] = [b'a'; 40];
pub(super) const NEW: [u8; 40] = [b'e'; 40];

/// A file as it is written, and where what is in it.
struct Sample {
    bytes: Vec<u8>,
    /// The lines of marks, each with its history if it has one.
    marks: Vec<Range<usize>>,
    /// The commands of each block.
    blocks: Vec<Vec<(Range<usize>, String)>>,
}

impl Sample {
    fn commands(&self) -> Vec<(Range<usize>, String)> {
        self.blocks.concat()
    }

    fn lines(&self) -> Vec<String> {
        self.commands().into_iter().map(|(_, line)| line).collect()
    }

    /// Without some of its bytes.
    fn without(&self, mut ranges: Vec<Range<usize>>) -> Vec<u8> {
        ranges.sort_by_key(|range| range.start);
        let mut bytes = self.bytes.clone();
        for range in ranges.into_iter().rev() {
            bytes.drain(range);
        }
        bytes
    }
}

/// Appends blocks of such commands.
fn sample(blocks: &[Vec<String>], start: u64) -> Sample {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("f");
    let file = open_append(&path);
    let mut appender = Appender::new(file).expect("appendable");
    appender.set_history(HistoryMark { id: OLD, second_id: [b'0'; 40], second_offset: -1 });
    let mut start = start;
    for lines in blocks {
        let bytes: Vec<Bytes> = lines.iter().map(|line| Bytes::from(command(line))).collect();
        let len: usize = bytes.iter().map(Bytes::len).sum();
        appender.append([to_append(start, bytes, len, None)].iter()).expect("appended");
        start += len as u64;
    }
    let bytes = fs::read(&path).expect("read");
    let mut at = 0;
    let (mut marks, mut places) = (Vec::new(), Vec::new());
    for lines in blocks {
        let len = commands(&lines.iter().map(String::as_str).collect::<Vec<_>>()).len();
        let mut mark = bytes[at..].split_inclusive(|byte| *byte == b'\n');
        let mut end = at;
        while let Some(line) = mark.next().filter(|line| line.starts_with(b"#tm")) {
            end += line.len();
        }
        marks.push(at..end);
        let mut block = Vec::new();
        let mut from = end;
        for line in lines {
            let to = from + command(line).len();
            block.push((from..to, line.clone()));
            from = to;
        }
        places.push(block);
        at = end + len;
    }
    assert_eq!(at, bytes.len());
    Sample { bytes, marks, blocks: places }
}

/// Loads, allowing what was edited or not.
pub(super) fn load_as(dir: &AofDir, edited: bool) -> Result<(Loaded, Host), AofError> {
    let mut host = Host::new();
    let options = LoadLimits { edited: edited.then_some(NEW), ..options(true) };
    load(dir, options, &mut host).map(|loaded| (loaded, host))
}

/// What becomes of a file that was edited until it has these commands.
fn check_edited(files: &[&[u8]], expected: &[String]) {
    let folder = tempfile::tempdir().expect("a folder");
    match load_as(&directory(folder.path(), files), false) {
        // Refused, with the way out; or nothing shows, and nothing is claimed that is not so.
        Err(error) => {
            let text = error.to_string();
            assert!(text.contains("edited") && text.contains("aof-load-edited yes"), "{text}");
        }
        Ok((loaded, host)) => {
            assert_eq!(host.commands, expected);
            assert_eq!(loaded.edited, None);
        }
    }
    let dir = directory(folder.path(), files);
    let (loaded, host) = load_as(&dir, true).expect("loaded as it is");
    assert_eq!(host.commands, expected);
    if loaded.edited.is_some() {
        assert_eq!(loaded.position, None);
    }
    // Afterwards it is a file like others, in a history of its own, or of an unknown position.
    let (again, host) = load_as(&dir, false).expect("it has marks that fit");
    assert_eq!(host.commands, expected);
    assert_eq!((again.cut, again.edited), (None, None));
    if loaded.edited.is_some() && again.position.is_some() {
        assert_eq!(again.history.expect("a history").id, NEW);
    }
    let report = crate::check::check_aof(&dir, 0).expect("readable");
    assert!(report.is_whole());
    // And what rots in it now is seen.
    let path = dir.directory().join("P.1.incr.aof");
    let bytes = fs::read(&path).expect("read");
    if loaded.edited.is_some()
        && let Some(at) = bytes.windows(5).position(|part| part == b"$3\r\nS")
    {
        let mut rotten = bytes;
        rotten[at + 4] ^= 0x20;
        fs::write(&path, rotten).expect("written");
        assert!(load_as(&dir, true).is_err());
    }
}

fn lines(blocks: &[&[&str]]) -> Vec<Vec<String>> {
    blocks.iter().map(|block| block.iter().map(ToString::to_string).collect()).collect()
}

#[test]
fn the_flushall_of_the_guide_can_be_taken_out_wherever_it_is() {
    let blocks = lines(&[
        &["SELECT 0", "SET a 1", "SET b 2"],
        &["SET c 3", "FLUSHALL", "SET d 4"],
        &["SET e 5"],
        &["SET f 6", "SET g 7"],
    ]);
    let sample = sample(&blocks, 100);
    let flush = sample.commands().into_iter().find(|(_, line)| line == "FLUSHALL").expect("there");
    let expected: Vec<String> =
        sample.lines().into_iter().filter(|line| line != "FLUSHALL").collect();
    let bytes = sample.without(vec![flush.0]);
    check_edited(&[&bytes], &expected);
    let folder = tempfile::tempdir().expect("a folder");
    let text = refused(&directory(folder.path(), &[&bytes]), true);
    assert!(
        text.contains("the block behind this mark is 18 byte(s) shorter than it says"),
        "{text}"
    );
}

#[test]
fn a_block_that_lost_more_than_all_that_follows_is_not_taken_for_torn() {
    let long = format!("SET long {}", "x".repeat(2000));
    let blocks = lines(&[&["SET a 1", &long, "SET b 2"], &["SET c 3"], &["SET d 4", "SET e 5"]]);
    let sample = sample(&blocks, 0);
    let gone = sample.blocks[0][1].0.clone();
    let expected: Vec<String> = sample.lines().into_iter().filter(|line| *line != long).collect();
    let bytes = sample.without(vec![gone.clone()]);
    check_edited(&[&bytes], &expected);
    let folder = tempfile::tempdir().expect("a folder");
    let text = refused(&directory(folder.path(), &[&bytes]), true);
    assert!(text.contains("aof-load-edited"), "{text}");
    // With a mistake in what was edited nothing is cut either: marks follow.
    let mut wrong = bytes;
    wrong[gone.start] = b'?';
    let dir = directory(folder.path(), &[&wrong]);
    for edited in [false, true] {
        let error = load_as(&dir, edited).err().expect("refused").to_string();
        assert!(!error.contains("aof-load-edited"), "{error}");
        assert_eq!(fs::read(dir.directory().join("P.1.incr.aof")).expect("read"), wrong);
    }
}

#[test]
fn a_file_that_ends_between_two_commands_of_a_block_claims_no_position() {
    let blocks = lines(&[&["SET a 1"], &["SET b 2", "FLUSHALL", "SET c 3", "SET d 4"]]);
    let sample = sample(&blocks, 100);
    // As if torn behind FLUSHALL, and as if FLUSHALL was taken out.
    let torn = sample.bytes[..sample.blocks[1][1].0.end].to_vec();
    let edited = sample.without(vec![sample.blocks[1][1].0.clone()]);
    for (bytes, count) in [(torn, 3), (edited, 4)] {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = directory(folder.path(), &[&bytes]);
        for _ in 0..2 {
            let (loaded, host) = try_load(&dir, true).expect("whole commands");
            assert_eq!((host.commands.len(), loaded.position), (count, None));
        }
    }
}

#[test]
fn files_behind_an_edited_one_no_longer_claim_the_old_history() {
    let first = sample(&lines(&[&["SET a 1"], &["FLUSHALL", "SET b 2"], &["SET c 3"]]), 100);
    let second = sample(&lines(&[&["SELECT 0", "SET d 4"], &["SET e 5"]]), 500);
    let edited = first.without(vec![first.blocks[1][0].0.clone()]);
    let expected = ["SET a 1", "SET b 2", "SET c 3", "SELECT 0", "SET d 4", "SET e 5"];
    let expected = expected.map(ToString::to_string);
    check_edited(&[&edited, &second.bytes], &expected);
    let folder = tempfile::tempdir().expect("a folder");
    let dir = directory(folder.path(), &[&edited, &second.bytes]);
    let (loaded, _) = load_as(&dir, true).expect("loaded");
    assert_eq!(loaded.edited.expect("edited").files, 2);
    // The last block of a file that is not the last: it cannot be torn.
    let shorter = first.bytes[..first.blocks[1][0].0.end].to_vec();
    let expected = ["SET a 1", "FLUSHALL", "SELECT 0", "SET d 4", "SET e 5"];
    check_edited(&[&shorter, &second.bytes], &expected.map(ToString::to_string));
    // Only what comes after it: what was before is what it was.
    let before = sample(&lines(&[&["SELECT 0", "SET d 4"], &["SET e 5"]]), 0);
    let dir = directory(folder.path(), &[&before.bytes, &edited]);
    let (loaded, _) = load_as(&dir, true).expect("loaded");
    assert_eq!(loaded.edited.expect("edited").files, 1);
    assert_eq!(fs::read(dir.directory().join("P.1.incr.aof")).expect("read"), before.bytes);
}

#[test]
fn whatever_call_of_marking_anew_fails_the_next_start_does_it_again() {
    let first = sample(&lines(&[&["SET a 1"], &["FLUSHALL", "SET b 2"], &["SET c 3"]]), 100);
    let second = sample(&lines(&[&["SELECT 0", "SET d 4"], &["SET e 5"]]), 500);
    let edited = first.without(vec![first.blocks[1][0].0.clone()]);
    for fault in FAULTS {
        for at in 0.. {
            let folder = tempfile::tempdir().expect("a folder");
            directory(folder.path(), &[&edited, &second.bytes]);
            let (files, faulty) = Faulty::new();
            let dir = open_in(&files, folder.path()).expect("opened").0;
            faulty.arm(at, fault);
            let first = load_as(&dir, true);
            let fired = faulty.disarm();
            assert_eq!(first.is_err(), fired, "{fault:?} at {at}");
            match load_as(&dir, false) {
                Err(error) => assert!(matches!(error, AofError::Edited { .. }), "{error}"),
                Ok((loaded, host)) => {
                    assert_eq!(host.commands.len(), 6);
                    assert_eq!(loaded.history.expect("a history").id, NEW);
                }
            }
            assert_eq!(load_as(&dir, true).expect("again").1.commands.len(), 6);
            assert!(load_as(&dir, false).is_ok(), "{fault:?} at {at}");
            if !fired {
                assert!(at > 10);
                break;
            }
        }
    }
}

#[test]
fn whatever_bit_rots_the_file_is_refused_also_where_edited_ones_are_loaded() {
    let blocks = lines(&[
        &["SELECT 0", "SET a 1"],
        // Lengths of one digit and of several, and a value that looks like commands.
        &["SET k xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "MULTI", "SET b 2", "EXEC"],
        &["SET c *1\r\n$4\r\nPING\r\n"],
        &["SET d 4"],
        &["SET e 5", "SET f 6"],
    ]);
    let sample = sample(&blocks, 0);
    let expected = {
        let folder = tempfile::tempdir().expect("a folder");
        load_as(&directory(folder.path(), &[&sample.bytes]), false).expect("whole").1.commands
    };
    let folder = tempfile::tempdir().expect("a folder");
    for bit in 0..8 * sample.bytes.len() {
        let mut bytes = sample.bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        // What is refused where edited files are loaded is refused elsewhere too.
        for edited in [true, false] {
            let dir = directory(folder.path(), &[&bytes]);
            let Ok((loaded, host)) = load_as(&dir, edited) else { break };
            // The CR that ends a line of a mark says nothing.
            let line = sample.marks.iter().any(|mark| mark.contains(&(bit / 8)));
            let at = bit / 8;
            assert!(line && sample.bytes[at] == b'\r', "bit {bit}");
            assert_eq!((host.commands, loaded.edited, loaded.cut), (expected.clone(), None, None));
        }
    }
}

/// A bit of the only such part is flipped.
fn rotten(bytes: &[u8], part: &[u8], at: usize, flip: u8) -> Vec<u8> {
    let mut places = bytes.windows(part.len()).enumerate().filter(|(_, window)| *window == part);
    let (place, _) = places.next().expect("it is there");
    assert!(places.next().is_none(), "once");
    let mut bytes = bytes.to_vec();
    bytes[place + at] ^= flip;
    bytes
}

#[test]
fn a_length_that_rots_is_rot_however_far_it_reaches() {
    let big = format!("SET big {}", "x".repeat(1000));
    let mut blocks = lines(&[&["SELECT 0", "SET a 1"], &[&big, "SET c 3"]]);
    for number in 0..100 {
        blocks.push(vec![format!("SET after{number} y")]);
    }
    let middle = sample(&blocks, 0);
    let last = sample(&blocks[..2], 0);
    let second_last = sample(&blocks[..3], 0);
    // Over a part of what follows, over all of it; shorter than it was; to the end and beyond.
    for (at, flip) in [(1, 8), (1, 2), (2, 1), (3, 8), (1, 0x10)] {
        for sample in [&middle, &second_last, &last] {
            let bytes = rotten(&sample.bytes, b"$1000\r\n", at, flip);
            for files in [&[&bytes[..]][..], &[&bytes, &bytes[..0]], &[&bytes, b"#\r\n"]] {
                for edited in [false, true] {
                    let folder = tempfile::tempdir().expect("a folder");
                    let dir = directory(folder.path(), files);
                    let error = load_as(&dir, edited).err().expect("refused").to_string();
                    let told = error.contains("checksum") && !error.contains("aof-load-edited");
                    assert!(told, "{at} {flip}: {error}");
                    let path = dir.directory().join("P.1.incr.aof");
                    assert_eq!(fs::read(path).expect("read"), bytes);
                }
            }
        }
    }
}

#[test]
fn a_length_that_is_wrong_in_what_was_edited_never_cuts_what_follows() {
    let big = format!("SET big {}", "x".repeat(1000));
    let blocks = lines(&[
        &["SELECT 0", "SET a 1"],
        &["FLUSHALL", &big],
        &["SET b 2"],
        &["SET c 3", "SET d 4"],
    ]);
    let sample = sample(&blocks, 0);
    // FLUSHALL is taken out, and a length of the same block is wrong; the mark of the block is taken out as well.
    let flushall = sample.blocks[1][0].0.clone();
    let mark = sample.marks[1].clone();
    for gone in [vec![flushall.clone()], vec![mark.clone()], vec![mark, flushall]] {
        let bytes = sample.without(gone);
        for (at, flip) in [(1, 8), (1, 2), (2, 1)] {
            let bytes = rotten(&bytes, b"$1000\r\n", at, flip);
            let folder = tempfile::tempdir().expect("a folder");
            for edited in [false, true] {
                let dir = directory(folder.path(), &[&bytes]);
                assert!(load_as(&dir, edited).is_err(), "{at} {flip}");
                let path = dir.directory().join("P.1.incr.aof");
                assert_eq!(fs::read(path).expect("read"), bytes);
            }
        }
    }
}

#[test]
fn a_value_with_the_lines_of_another_file_is_no_mark() {
    // As long as that file is shorter than what is before it here.
    let other = sample(&lines(&[&["SET x 1"], &["SET y 2"]]), 500);
    let text = String::from_utf8(other.bytes.clone()).expect("ASCII").replace(' ', "_");
    let real = String::from_utf8(other.bytes).expect("ASCII");
    let first: Vec<String> = (0..20).map(|number| format!("SET before:{number} 1")).collect();
    let sample = sample(&[first.clone(), vec![format!("SET k {text}")], vec!["SET b 2".into()]], 0);
    let mut bytes = sample.bytes.clone();
    // The blanks are put in when the lengths are made, so that it is one argument.
    let at = bytes.windows(text.len()).position(|part| part == text.as_bytes()).expect("there");
    bytes[at..at + real.len()].copy_from_slice(real.as_bytes());
    let folder = tempfile::tempdir().expect("a folder");
    // Torn behind the value's marks, in the last block: it is cut like others.
    let (loaded, host) =
        try_load(&directory(folder.path(), &[&remarked(&bytes)]), true).expect("whole");
    assert_eq!((host.commands.len(), loaded.cut), (22, None));
    let whole = remarked(&bytes);
    let end = whole.windows(real.len()).position(|part| part == real.as_bytes()).expect("there");
    let torn = &whole[..end + real.len() - 5];
    let (loaded, host) = try_load(&directory(folder.path(), &[torn]), true).expect("cut");
    assert_eq!(host.commands.len(), 20);
    assert!(loaded.cut.is_some());
}

/// The same commands in the same blocks, with marks that fit.
fn remarked(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let (mut at, mut spans) = (0, Vec::new());
    let mut open: Option<(u64, u64, Vec<u8>)> = None;
    let close = |open: &mut Option<(u64, u64, Vec<u8>)>, out: &mut Vec<u8>| {
        if let Some((start, end, body)) = open.take() {
            let place = out.len() as u64;
            BlockMark::of(start, end, &body).at(place).encode(out);
            out.extend(body);
        }
    };
    while at < bytes.len() {
        match protocol::aof::parse_record(&bytes[at..], &mut spans) {
            protocol::aof::Record::Annotation { text, len } => {
                match protocol::aof::Annotation::parse(text).expect("whole") {
                    protocol::aof::Annotation::Block(mark) => {
                        close(&mut open, &mut out);
                        open = Some((mark.start, mark.end, Vec::new()));
                    }
                    _ => out.extend(&bytes[at..at + len]),
                }
                at += len;
            }
            protocol::aof::Record::Command { len } => {
                open.as_mut().expect("a block").2.extend(&bytes[at..at + len]);
                at += len;
            }
            record => panic!("{record:?}"),
        }
    }
    close(&mut open, &mut out);
    out
}

#[test]
fn whatever_is_taken_out_of_the_last_block_of_a_file_that_is_not_the_last_it_was_edited() {
    let blocks = lines(&[&["SELECT 0", "SET a 1"], &["SET x 1", "FLUSHDB", "SET y 2"]]);
    let first = sample(&blocks, 0);
    let alone = sample(&lines(&[&["SELECT 0", "SET a 1"], &["FLUSHDB"]]), 0);
    let second = sample(&lines(&[&["SELECT 0", "SET b 2"]]), 5000);
    let part = |sample: &Sample, at: usize| sample.blocks[1][at].0.clone();
    for (bytes, expected) in [
        (alone.without(vec![part(&alone, 0)]), &["SELECT 0", "SET a 1"][..]),
        (first.without(vec![part(&first, 1)]), &["SELECT 0", "SET a 1", "SET x 1", "SET y 2"]),
        (
            first.without(vec![part(&first, 1), part(&first, 2)]),
            &["SELECT 0", "SET a 1", "SET x 1"],
        ),
        (
            first.without(vec![part(&first, 0), part(&first, 1)]),
            &["SELECT 0", "SET a 1", "SET y 2"],
        ),
        (first.without(vec![part(&first, 2)]), &["SELECT 0", "SET a 1", "SET x 1", "FLUSHDB"]),
    ] {
        let expected = [expected, &["SELECT 0", "SET b 2"]].concat();
        let expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
        check_edited(&[&bytes, &second.bytes], &expected);
        // In the last file that is not empty it may also be torn.
        check_edited(&[&bytes, b""], &expected[..expected.len() - 2]);
    }
}

/// Blocks of commands of many lengths.
fn any_blocks() -> impl Strategy<Value = Vec<Vec<String>>> {
    let line = (0..30_u32, 1..40_usize).prop_map(|(key, len)| match key {
        0 => "FLUSHALL".to_string(),
        key => format!("SET key:{key} {}", "v".repeat(len)),
    });
    prop::collection::vec(prop::collection::vec(line, 1..5), 2..7)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_commands_are_taken_out(blocks in any_blocks(), picks in any::<u64>()) {
        let sample = sample(&blocks, 1000);
        let all = sample.commands();
        let gone = |index: usize| picks >> (index % 64) & 1 == 1;
        let picked = (0..all.len()).filter(|index| gone(*index)).map(|index| all[index].0.clone());
        let expected: Vec<String> =
            (0..all.len()).filter(|index| !gone(*index)).map(|index| all[index].1.clone()).collect();
        check_edited(&[&sample.without(picked.collect())], &expected);
    }

    #[test]
    fn any_bit_rots(blocks in any_blocks(), pick in any::<usize>()) {
        let sample = sample(&blocks, 1000);
        let bit = pick % (8 * sample.bytes.len());
        let mut bytes = sample.bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let folder = tempfile::tempdir().expect("a folder");
        for edited in [false, true] {
            let loaded = load_as(&directory(folder.path(), &[&bytes]), edited);
            let in_mark = sample.marks.iter().any(|mark| mark.contains(&(bit / 8)));
            prop_assert!(loaded.is_err() || in_mark && sample.bytes[bit / 8] == b'\r');
        }
    }

    #[test]
    fn an_argument_gets_another_length(blocks in any_blocks(), pick in any::<usize>(), len in 0..60_usize) {
        let mut sample = sample(&blocks, 1000);
        let all = sample.commands();
        let pick = pick % all.len();
        let line = format!("SET other {}", "w".repeat(len));
        let mut expected = sample.lines();
        prop_assume!(command(&line).len() != all[pick].0.len());
        sample.bytes.splice(all[pick].0.clone(), command(&line));
        expected[pick] = line;
        check_edited(&[&sample.bytes], &expected);
    }

    #[test]
    fn a_command_is_added(blocks in any_blocks(), pick in any::<usize>(), len in 0..60_usize) {
        let mut sample = sample(&blocks, 1000);
        let all = sample.commands();
        let pick = pick % (all.len() + 1);
        let at = all.get(pick).map_or(sample.bytes.len(), |(range, _)| range.start);
        let line = format!("SET added {}", "w".repeat(len));
        let mut expected = sample.lines();
        sample.bytes.splice(at..at, command(&line));
        expected.insert(pick, line);
        check_edited(&[&sample.bytes], &expected);
    }

    #[test]
    fn whole_blocks_are_taken_out_with_their_marks(blocks in any_blocks(), picks in any::<u64>()) {
        let sample = sample(&blocks, 1000);
        let gone = |index: usize| picks >> index & 1 == 1;
        let (mut ranges, mut expected) = (Vec::new(), Vec::new());
        for (index, block) in sample.blocks.iter().enumerate() {
            if gone(index) {
                ranges.push(sample.marks[index].start..block.last().expect("a command").0.end);
            } else {
                expected.extend(block.iter().map(|(_, line)| line.clone()));
            }
        }
        check_edited(&[&sample.without(ranges)], &expected);
    }

    #[test]
    fn marks_are_taken_out(blocks in any_blocks(), picks in any::<u64>(), all in any::<bool>()) {
        let sample = sample(&blocks, 1000);
        let gone = |index: usize| all || picks >> index & 1 == 1;
        let ranges = (0..sample.marks.len()).filter(|index| gone(*index));
        let ranges = ranges.map(|index| sample.marks[index].clone()).collect();
        check_edited(&[&sample.without(ranges)], &sample.lines());
    }

    #[test]
    fn the_last_lines_are_taken_out(blocks in any_blocks(), pick in any::<usize>()) {
        let sample = sample(&blocks, 1000);
        let all = sample.commands();
        let pick = pick % all.len();
        check_edited(&[&sample.bytes[..all[pick].0.end]], &sample.lines()[..=pick]);
    }
}
