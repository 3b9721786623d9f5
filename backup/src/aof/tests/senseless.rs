//! Commands that make no sense, at every place of a file.

use super::*;

/// Units: commands, and transactions of some.
const UNITS: &[&[&str]] = &[
    &["SELECT 0"],
    &["SET a 1"],
    &["MULTI", "SET b 2", "SET c 3", "EXEC"],
    &["SET d 4"],
    &["MULTI", "SET e 5", "SET f 6", "EXEC"],
];

/// The first `count` units, with a senseless command in the place of one.
fn units(count: usize, unit: usize, place: usize) -> Vec<Vec<&'static str>> {
    let mut units: Vec<Vec<&str>> = UNITS[..count].iter().map(|unit| unit.to_vec()).collect();
    units[unit][place] = "SET x";
    units
}

fn executed(units: &[Vec<&'static str>]) -> Vec<&'static str> {
    let all = units.iter().flatten().copied();
    all.filter(|line| !["MULTI", "EXEC"].contains(line)).collect()
}

fn text(units: &[Vec<&str>]) -> Vec<u8> {
    units.iter().flat_map(|unit| commands(unit)).collect()
}

#[test]
fn a_senseless_command_refuses_the_start_or_is_cut_off_the_very_end() {
    let folder = tempfile::tempdir().expect("a folder");
    for count in 1..=UNITS.len() {
        for unit in 0..count {
            for place in 0..UNITS[unit].len() {
                if ["MULTI", "EXEC"].contains(&UNITS[unit][place]) {
                    continue;
                }
                let units = units(count, unit, place);
                let bytes = text(&units);
                let before = text(&units[..unit]).len();
                let at = before + commands(&units[unit][..place]).len();
                let dir = directory(folder.path(), &[&bytes]);
                let path = dir.directory().join("P.1.incr.aof");
                let error = refused(&dir, false);
                assert!(error.contains(&format!("P.1.incr.aof, byte {at}: 'SET x'")), "{error}");
                assert_eq!(fs::read(&path).expect("read"), bytes, "nothing is cut");
                if unit + 1 < count {
                    assert_eq!(refused(&dir, true), error);
                    assert_eq!(fs::read(&path).expect("read"), bytes, "nothing is cut");
                    continue;
                }
                let (loaded, host) = try_load(&dir, true).expect("cut");
                assert_eq!(host.commands, executed(&units[..unit]), "no part of the unit stays");
                assert_eq!((host.restarts, loaded.commands), (1, host.commands.len() as u64));
                let cut = loaded.cut.expect("cut");
                assert_eq!((cut.offset, cut.bytes), (before as u64, (bytes.len() - before) as u64));
                assert_eq!(fs::read(cut.aside).expect("kept aside"), bytes[before..]);
                assert_eq!(fs::read(&path).expect("read"), bytes[..before]);
                assert_eq!(try_load(&dir, false).expect("whole now").1.commands, host.commands);
            }
        }
    }
}

#[test]
fn only_the_last_file_is_cut_and_no_block_that_is_what_was_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let senseless = commands(&["SET a 1", "SET x"]);
    let dir = directory(folder.path(), &[&senseless, &command("SET b 2")]);
    assert!(refused(&dir, true).contains("P.1.incr.aof, byte 27: 'SET x'"));
    // Its checksum says that nothing was torn: so it was written.
    let marked = block(0, &["SET a 1", "SET x"]);
    let dir = directory(folder.path(), &[&marked]);
    let at = marked.len() - command("SET x").len();
    assert!(refused(&dir, true).contains(&format!("P.1.incr.aof, byte {at}: 'SET x'")));
    // The name of a command that is not known was not torn either.
    let dir = directory(folder.path(), &[&commands(&["SET a 1", "NOSUCH"])]);
    assert!(refused(&dir, true).contains("P.1.incr.aof, byte 27: unknown command"));
}

#[test]
fn in_a_block_that_the_file_does_not_finish_a_senseless_command_is_part_of_the_tear() {
    let folder = tempfile::tempdir().expect("a folder");
    let lines = ["SET a 1", "MULTI", "SET b 2", "SET x", "EXEC", "SET c 3", "SET d 4"];
    let bytes = block(100, &lines);
    let mark = bytes.len() - commands(&lines).len();
    let kept = mark + command("SET a 1").len();
    for len in mark + commands(&lines[..5]).len()..bytes.len() {
        let dir = directory(folder.path(), &[&bytes[..len]]);
        let (loaded, host) = try_load(&dir, true).expect("cut");
        assert_eq!((host.commands, loaded.position), (vec!["SET a 1".to_string()], Some(127)));
        assert_eq!(loaded.cut.expect("cut").bytes, (len - kept) as u64);
        assert_eq!(try_load(&dir, false).expect("whole now").0.position, Some(127));
    }
}

#[test]
fn words_of_transactions_have_their_shape_too() {
    let folder = tempfile::tempdir().expect("a folder");
    for (lines, reason) in [
        (&["SET a 1", "EXEC"][..], "byte 27: EXEC without MULTI"),
        (&["MULTI", "SET a 1", "MULTI"], "byte 42: MULTI inside MULTI"),
    ] {
        let dir = directory(folder.path(), &[&commands(lines)]);
        let error = refused(&dir, true);
        assert!(error.contains(reason), "{error}");
    }
    // With an argument they are commands like others, for the host to refuse.
    let dir = directory(folder.path(), &[&commands(&["MULTI x", "EXEC x"])]);
    assert_eq!(try_load(&dir, true).expect("loads").1.commands, ["MULTI x", "EXEC x"]);
}
