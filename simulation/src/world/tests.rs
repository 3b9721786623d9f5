//! Worlds that have gone well, and are doctored: each check finds what is not as it must be.

use super::*;
use crate::trace::Lines;
use keyspace::hashing::hash_bytes;

const LOG: Log = Log { client: 1, which: 1 };

fn list(numbers: impl IntoIterator<Item = u64>) -> Vec<Vec<u8>> {
    let entry = |number| Entry { log: LOG, number, epoch: 3 }.to_string().into_bytes();
    numbers.into_iter().map(entry).collect()
}

#[test]
fn a_log_with_a_hole_a_double_or_an_end_too_early_is_found() {
    assert_eq!(check_log(LOG, &[list(0..5), list(0..5)], 5), Ok(()));
    for (lists, least) in [
        (vec![list([0, 1, 3])], 0),
        (vec![list([0, 1, 1, 2])], 0),
        (vec![list([1, 2])], 0),
        (vec![list(0..5)], 6),
        (vec![list(0..5), list(0..4)], 4),
    ] {
        assert!(check_log(LOG, &lists, least).is_err(), "{lists:?}");
    }
}

/// A world in calm that is over, of at least two nodes; nothing was violated.
fn world() -> World {
    let scenario = Scenario::find("calm").expect("a scenario");
    let worlds = (1..).map(|seed| World::new(seed, scenario, 2_000 * MS, Trace::new(Lines::Off)));
    let mut world = { worlds }.find(|world| world.machines.len() > 1).expect("one of them");
    world.run();
    assert_eq!(world.around.violation, None);
    world
}

fn violated(world: &World) -> Option<Invariant> {
    world.around.violation.as_ref().map(|violation| violation.invariant)
}

/// Removes a log's list from the data of a node, behind the back of its journal.
fn lose(world: &mut World, place: Place, log: Log) {
    let process = world.machines[place].process.as_mut().expect("it is up");
    for key in log.keys() {
        let key = key.as_bytes();
        let removed = process.node.engine.dbs[log.db()].remove(hash_bytes(key), key);
        assert!(removed.is_some(), "the clients wrote to all logs");
    }
}

#[test]
fn data_that_differ_at_the_same_offset_are_found() {
    let mut world = world();
    world.check_last();
    assert_eq!(violated(&world), None);
    lose(&mut world, 1, LOG);
    world.check_last();
    assert_eq!(violated(&world), Some(Invariant::Equal));
}

#[test]
fn nodes_that_are_not_at_the_same_offset_have_not_come_to_rest() {
    let mut world = world();
    assert_eq!(world.rest(), Ok(()));
    let World { machines, around, .. } = &mut world;
    let primary = machines[around.primary].process.as_mut().expect("it is up");
    assert_eq!(primary.command(&["SET", "a", "b"], around), "+OK");
    assert!(world.rest().is_err_and(|why| why.contains("its primary")));
}

#[test]
fn what_was_acknowledged_and_is_gone_in_the_end_is_found() {
    let mut world = world();
    for place in 0..world.machines.len() {
        lose(&mut world, place, LOG);
    }
    world.check_last();
    assert_eq!(violated(&world), Some(Invariant::Kept));
}

#[test]
fn a_start_that_has_less_than_the_files_say_is_found() {
    let mut world = world();
    let check = |world: &World| {
        let process = world.machines[1].process.as_ref().expect("it is up");
        world.check_prefix(1, process)
    };
    assert_eq!(check(&world), Ok(()));
    lose(&mut world, 1, LOG);
    assert!(check(&world).is_err_and(|text| text.contains("it ends with nothing")));
}

#[test]
fn a_start_that_is_where_nobody_was_is_found() {
    let mut world = world();
    let process = world.machines[1].process.as_mut().expect("it is up");
    process.node.host.journal.append_raw(journal::Kind::Effect, b"more");
    let process = world.machines[1].process.as_ref().expect("it is up");
    let checked = world.check_prefix(1, process);
    assert!(checked.is_err_and(|text| text.contains("which nobody has written")));
}

#[test]
fn a_start_that_is_refused_without_a_reason_or_a_place_is_found() {
    let refused = |rotten: bool, error: &str| {
        let mut world = world();
        if rotten {
            world.machines[1].rotten.insert(DUMP.into());
        }
        world.exited(1, Exit::NotLoaded(error.into()));
        violated(&world)
    };
    let (well, place) = ("dump.rdb, byte 7: no", "somewhere: no");
    assert_eq!(refused(true, well), None);
    assert_eq!(refused(true, place), Some(Invariant::Prefix));
    assert_eq!(refused(false, well), Some(Invariant::Prefix));
}

#[test]
fn a_bit_that_flipped_excuses_until_its_file_is_looked_at() {
    let mut world = world();
    let process = world.machines[1].process.as_ref().expect("it is up");
    let loads_dump = !process.node.host.settings.appendonly;
    let (dump, file) = (PathBuf::from(DUMP), PathBuf::from("appendonlydir/file"));
    world.machines[1].rotten.extend([dump.clone(), file.clone()]);
    world.check_loaded(1);
    let left = if loads_dump { file } else { dump };
    assert_eq!(world.machines[1].rotten, BTreeSet::from([left]));
}

#[test]
fn a_journal_beyond_its_bounds_is_found() {
    for bytes in [1 << 20, 8 << 20] {
        let mut world = world();
        let World { machines, around, .. } = &mut world;
        let process = machines[0].process.as_mut().expect("it is up");
        let settings = &mut process.node.host.settings;
        (settings.repl_backlog_size, settings.aof_buffer_limit) = (0, 0);
        settings.client_output_buffer_limit.replica.hard_bytes = 0;
        process.node.host.journal.append_raw(journal::Kind::Effect, &vec![b'x'; bytes]);
        process.check_bounds(around);
        let is_found = violated(&world) == Some(Invariant::Bounds);
        assert_eq!(is_found, bytes > 4 << 20, "{bytes} bytes");
    }
}
