//! What a power cut leaves of files as they are written: cut anywhere, with sectors missing in between, and repairs that were torn
//! themselves.

use super::*;

/// A file with marks that say where they stand, and the lines of its commands with the places where they begin and end.
fn sample() -> (Vec<u8>, Vec<(String, usize, usize)>) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("f");
    let mut appender = Appender::new(open_append(&path)).expect("appendable");
    appender.set_history(HistoryMark { id: [b'a'; 40], second_id: [b'0'; 40], second_offset: -1 });
    let (mut start, mut commands) = (100, Vec::new());
    for count in [1, 3, 2] {
        let lines: Vec<String> = (0..count)
            .map(|number| format!("SET key:{count}:{number} {}", "v".repeat(97 * (count + number))))
            .collect();
        let bytes = Bytes::from(lines.iter().flat_map(|line| command(line)).collect::<Vec<u8>>());
        let len = bytes.len();
        appender.append([to_append(start, vec![bytes], len, None)].iter()).expect("appended");
        let mut end = appender.size() as usize - len;
        for line in lines {
            let from = end;
            end += command(&line).len();
            commands.push((line, from, end));
        }
        start += len as u64;
    }
    (fs::read(&path).expect("read"), commands)
}

/// Loads twice: with repair, and what that has left without.
fn loaded_and_again(bytes: &[u8]) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = directory(folder.path(), &[bytes]);
    let (_, host) = try_load(&dir, true).unwrap_or_else(|error| panic!("{error}"));
    let (_, again) = try_load(&dir, false).unwrap_or_else(|error| panic!("again: {error}"));
    assert_eq!(host.commands, again.commands);
    host.commands
}

#[test]
fn wherever_a_written_file_is_torn_its_whole_commands_are_loaded() {
    let (bytes, commands) = sample();
    for len in 0..bytes.len() {
        let whole = commands.iter().take_while(|(_, _, end)| *end <= len);
        let expected: Vec<&String> = whole.map(|(line, _, _)| line).collect();
        let loaded = loaded_and_again(&bytes[..len]);
        assert_eq!(loaded.iter().collect::<Vec<_>>(), expected, "{len}");
    }
}

#[test]
fn a_torn_block_is_taken_up_to_a_sector_that_is_not_on_disk() {
    let (bytes, commands) = sample();
    let (_, last, _) = commands[commands.len() - 1];
    let block = bytes[..last].windows(4).rposition(|bytes| bytes == b"#tm ").expect("a mark");
    let body = commands.iter().find(|(_, from, _)| *from > block).expect("commands").1;
    let torn = &bytes[..bytes.len() - 3];
    for sector in body.div_ceil(512)..torn.len() / 512 {
        // All of it, or its end.
        for hole in [512 * sector, 512 * sector + 500] {
            let mut bytes = torn.to_vec();
            bytes[hole..512 * (sector + 1)].fill(0);
            let before = commands.iter().filter(|(_, _, end)| *end <= 512 * sector).count();
            assert_eq!(loaded_and_again(&bytes).len(), before, "{hole}");
        }
    }
}

#[test]
fn a_repair_that_is_torn_while_it_writes_its_mark_leaves_the_commands() {
    let (bytes, commands) = sample();
    let whole = commands[commands.len() - 2].2;
    let torn = &bytes[..whole + 20];
    let folder = tempfile::tempdir().expect("a folder");
    let dir = directory(folder.path(), &[torn]);
    try_load(&dir, true).expect("cut");
    let repaired = fs::read(dir.directory().join("P.1.incr.aof")).expect("read");
    assert_eq!(repaired.len(), whole);
    let changed = |at: &usize| repaired[*at] != torn[*at];
    let (first, last) = ((0..whole).find(changed), (0..whole).rfind(changed));
    let (first, last) = (first.expect("a mark"), last.expect("a mark"));
    let mark = torn[..first].windows(4).rposition(|bytes| bytes == b"#tm ").expect("a mark");
    for at in first..=last {
        // One sector is written, and the other is not: either may be the first.
        for (one, other) in [(&repaired[..], torn), (torn, &repaired[..])] {
            let mut bytes = [&one[..at], &other[at..whole]].concat();
            bytes[mark + 1] = protocol::aof::UNFINISHED;
            assert_eq!(loaded_and_again(&bytes).len(), commands.len() - 1, "{at}");
        }
    }
}
