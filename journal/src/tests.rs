//! The journal's promises to its readers.

use super::*;

fn journal() -> Journal {
    Journal::new(ReplicationId::from_random([7; 20]))
}

fn at(number: u64) -> Offset {
    Offset::from_wire(number).expect("small")
}

fn drain(journal: &mut Journal, id: CursorId) -> Vec<u8> {
    let mut pieces = Vec::new();
    journal.seal();
    journal.read(id, usize::MAX, &mut pieces);
    for pair in pieces.windows(2) {
        assert!(pair[0].end <= pair[1].start, "offsets go forward");
    }
    pieces.iter().flat_map(|piece| piece.bytes.to_vec()).collect()
}

#[test]
fn each_class_gets_its_kinds() {
    let mut journal = journal();
    let disk = journal.subscribe(Class::Disk);
    let replica = journal.subscribe(Class::Replica);
    journal.append_raw(Kind::Effect, b"aa");
    journal.append_raw(Kind::Control, b"bbb");
    journal.append_raw(Kind::Local, b"cccc");
    journal.append_raw(Kind::Effect, b"d");
    assert_eq!(journal.end(), at(6));
    assert_eq!(drain(&mut journal, disk), b"aaccccd");
    assert_eq!(drain(&mut journal, replica), b"aabbbd");
    assert_eq!(journal.held_bytes(), 0, "without a backlog nothing is kept");
}

#[test]
fn who_looks_on_sees_what_replicas_get_and_holds_nothing() {
    let mut journal = journal();
    let look = |journal: &Journal, from: u64| {
        let (mut end, mut seen) = (from, Vec::new());
        journal.look_on(at(from), |start, bytes| {
            assert_eq!(start, at(end), "offsets are contiguous");
            end += bytes.len() as u64;
            seen.extend_from_slice(bytes);
        });
        seen
    };
    journal.start_backlog(100);
    journal.append_raw(Kind::Effect, b"aa");
    journal.append_raw(Kind::Local, b"cccc");
    assert_eq!(look(&journal, 0), b"aa");
    journal.append_raw(Kind::Control, b"bbb");
    assert_eq!((look(&journal, 0), look(&journal, 1)), (b"aabbb".to_vec(), b"abbb".to_vec()));
    journal.seal();
    assert_eq!((look(&journal, 4), look(&journal, 5)), (b"b".to_vec(), vec![]));
    journal.drop_backlog();
    assert_eq!((look(&journal, 0), journal.held_bytes()), (vec![], 0));
}

#[test]
fn a_select_comes_where_the_database_changes_and_where_a_reader_may_start() {
    let mut journal = journal();
    let disk = journal.subscribe(Class::Disk);
    journal.announce();
    journal.append(Kind::Effect, (0, 0), b"A");
    journal.append(Kind::Effect, (0, 3), b"B");
    journal.append(Kind::Effect, (3, 3), b"C");
    journal.announce();
    journal.append(Kind::Effect, (3, 3), b"D");
    let select = |db: u8| [&b"*2\r\n$6\r\nSELECT\r\n$1\r\n"[..], &[b'0' + db], b"\r\n"].concat();
    let expected = [&select(0)[..], b"ABC", &select(3), b"D"].concat();
    assert_eq!(drain(&mut journal, disk), expected);
}

#[test]
fn the_disk_learns_of_a_database_that_a_control_entry_selects() {
    let mut journal = journal();
    let disk = journal.subscribe(Class::Disk);
    let replica = journal.subscribe(Class::Replica);
    let select = b"*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n";
    journal.append(Kind::Control, (3, 3), b"A");
    journal.append(Kind::Effect, (3, 3), b"B");
    assert_eq!(drain(&mut journal, replica), [&select[..], b"AB"].concat());
    assert_eq!(drain(&mut journal, disk), [&select[..], b"B"].concat());
}

#[test]
fn what_is_local_leaves_the_stream_in_its_database() {
    let mut journal = journal();
    let disk = journal.subscribe(Class::Disk);
    let replica = journal.subscribe(Class::Replica);
    let select = |db: u8| [&b"*2\r\n$6\r\nSELECT\r\n$1\r\n"[..], &[b'0' + db], b"\r\n"].concat();
    journal.append(Kind::Local, (1, 1), b"A");
    assert_eq!(journal.selected(), 0, "the stream has not begun");
    journal.append_raw(Kind::Effect, &[&select(0)[..], b"B"].concat());
    journal.set_selected(0);
    journal.append(Kind::Local, (1, 2), b"C");
    journal.append(Kind::Local, (0, 0), b"D");
    journal.append_raw(Kind::Effect, b"E");
    let streamed = [&select(0)[..], b"BE"].concat();
    assert_eq!(drain(&mut journal, replica), streamed);
    let expected =
        [&select(1)[..], b"A", &select(0), &select(0), b"B", &select(1), b"C", &select(0), b"DE"];
    assert_eq!(drain(&mut journal, disk), expected.concat());
}

#[test]
fn it_is_noted_whenever_who_reads_may_have_changed() {
    let mut journal = journal();
    let mut read = journal.has_readers();
    let mut look = |journal: &mut Journal| {
        let changed = std::mem::replace(&mut read, journal.has_readers()) != read;
        let noted = journal.take_readers_changed();
        assert!(noted || !changed, "it changed and nobody was told");
        noted
    };
    assert!(!look(&mut journal));
    let disk = journal.subscribe(Class::Disk);
    assert!(look(&mut journal));
    journal.start_backlog(100);
    assert!(look(&mut journal));
    let replica = journal.subscribe_at(at(0)).expect("nothing was dropped");
    assert!(look(&mut journal));
    journal.append_raw(Kind::Effect, b"a");
    drain(&mut journal, disk);
    assert!(!look(&mut journal), "not by what is written and read");
    for reader in [disk, replica] {
        journal.unsubscribe(reader);
        assert!(look(&mut journal));
    }
    journal.drop_backlog();
    assert!(look(&mut journal) && !journal.has_readers());
}

#[test]
fn a_replica_goes_on_from_any_offset_in_the_backlog() {
    let mut journal = journal();
    journal.restart_at(at(1000));
    journal.start_backlog(50);
    let text: Vec<u8> = (0..40).map(|n| b'a' + n % 26).collect();
    for (n, byte) in text.iter().enumerate() {
        journal.append_raw(if n % 5 == 0 { Kind::Control } else { Kind::Effect }, &[*byte]);
        if n % 3 == 0 {
            journal.append_raw(Kind::Local, b"not counted");
        }
    }
    for from in 0..=40u64 {
        let id = journal.subscribe_at(at(1000 + from)).expect("it is in the backlog");
        assert_eq!(journal.behind(id), 40 - from);
        assert_eq!(drain(&mut journal, id), text[from as usize..], "from {from}");
        journal.unsubscribe(id);
    }
    assert!(journal.subscribe_at(at(999)).is_none());
    assert!(journal.subscribe_at(at(1041)).is_none());
}

#[test]
fn what_falls_out_of_the_backlog_is_freed_unless_a_cursor_needs_it() {
    let mut journal = journal();
    journal.start_backlog(100);
    let slow = journal.subscribe(Class::Replica);
    for _ in 0..100 {
        journal.append_raw(Kind::Effect, &[b'x'; 10]);
        journal.seal();
    }
    assert_eq!(journal.held_bytes(), 1000, "the slow reader holds all");
    assert_eq!(drain(&mut journal, slow).len(), 1000);
    assert_eq!(journal.held_bytes(), 100);
    assert_eq!(journal.backlog_extent(), (at(900), 100));
    assert!(journal.can_serve(at(900)) && !journal.can_serve(at(899)));
    journal.drop_backlog();
    assert_eq!(journal.held_bytes(), 0);
    assert!(!journal.can_serve(at(1000)));
}

#[test]
fn a_select_that_a_transaction_needs_is_inside_it() {
    let mut journal = journal();
    let disk = journal.subscribe(Class::Disk);
    let unit = b"*1\r\n$5\r\nMULTI\r\n*1\r\n$1\r\nx\r\n*1\r\n$4\r\nEXEC\r\n";
    journal.append(Kind::Effect, (3, 3), unit);
    journal.append(Kind::Effect, (3, 3), unit);
    let bytes = drain(&mut journal, disk);
    let text = String::from_utf8(bytes).expect("ASCII").replace("\r\n", " ");
    let rest = "*1 $1 x *1 $4 EXEC ";
    let first = format!("*1 $5 MULTI *2 $6 SELECT $1 3 {rest}");
    assert_eq!(text, format!("{first}*1 $5 MULTI {rest}"));
}

#[test]
fn memory_is_counted_until_the_last_block_that_lies_in_it_is_dropped() {
    let mut journal = journal();
    assert!(journal.memory_bytes() < 1024, "nothing is allocated before the first entry");
    let disk = journal.subscribe(Class::Disk);
    let slow = journal.subscribe(Class::Replica);
    let unit = vec![b'x'; TAIL_BYTES / 8];
    // Each entry is a block of its own; eight of them fill an allocation.
    for _ in 0..8 {
        journal.append_raw(Kind::Effect, &unit);
        journal.seal();
    }
    let account = |journal: &Journal| journal.memory_bytes() - journal.allocated_bytes;
    assert_eq!((journal.allocated_bytes, journal.allocations.len()), (TAIL_BYTES, 1));
    assert!(account(&journal) >= 8 * size_of::<Block>());
    drain(&mut journal, disk);
    let mut pieces = Vec::new();
    journal.read(slow, 7 * unit.len(), &mut pieces);
    assert_eq!(journal.held_bytes(), unit.len(), "seven were dropped");
    assert_eq!(journal.allocated_bytes, TAIL_BYTES, "the eighth keeps the memory of all");
    journal.append_raw(Kind::Effect, &vec![b'y'; 3 * TAIL_BYTES]);
    journal.append_raw(Kind::Effect, b"z");
    journal.seal();
    assert_eq!(journal.allocated_bytes, 5 * TAIL_BYTES, "one of each size, one for what follows");
    drain(&mut journal, disk);
    journal.read(slow, usize::MAX, &mut pieces);
    assert_eq!((journal.held_bytes(), journal.allocated_bytes), (0, TAIL_BYTES));
    // What readers have gone by in one allocation again and again is counted once.
    for _ in 0..100 {
        journal.append_raw(Kind::Effect, &unit);
        drain(&mut journal, disk);
        journal.read(slow, usize::MAX, &mut pieces);
        assert_eq!((journal.held_bytes(), journal.allocated_bytes), (0, TAIL_BYTES));
    }
}

#[test]
#[should_panic(expected = "no replicas are fed")]
fn another_history_does_not_begin_under_a_replica_that_is_fed() {
    let mut journal = journal();
    journal.subscribe(Class::Replica);
    journal.restart_at(at(100));
}

#[test]
#[should_panic(expected = "each byte comes once")]
fn a_cursor_that_was_moved_is_noticed_when_it_reads() {
    let mut journal = journal();
    let replica = journal.subscribe(Class::Replica);
    journal.append_raw(Kind::Effect, b"abc");
    journal.seal();
    journal.cursors[replica.0].as_mut().expect("it reads").inside = 1;
    drain(&mut journal, replica);
}

#[test]
#[should_panic(expected = "all was read")]
fn bytes_that_are_missing_are_noticed_at_the_end() {
    let mut journal = journal();
    let disk = journal.subscribe(Class::Disk);
    journal.append_raw(Kind::Effect, b"abc");
    journal.seal();
    journal.blocks[0].bytes.truncate(2);
    drain(&mut journal, disk);
}

#[test]
#[should_panic(expected = "what a reader lacks is kept")]
fn a_block_that_was_dropped_too_early_is_noticed_by_its_reader() {
    let mut journal = journal();
    let replica = journal.subscribe(Class::Replica);
    journal.append_raw(Kind::Effect, b"abc");
    journal.seal();
    journal.blocks.pop_front();
    journal.first_block += 1;
    drain(&mut journal, replica);
}

#[test]
#[should_panic(expected = "a replica reads the present history")]
fn a_replica_that_was_left_in_an_old_history_is_noticed() {
    let mut journal = journal();
    let replica = journal.subscribe(Class::Replica);
    journal.append_raw(Kind::Effect, b"abc");
    journal.seal();
    journal.present = journal.next_block();
    drain(&mut journal, replica);
}

#[test]
#[should_panic(expected = "offsets of one history are contiguous")]
fn a_hole_between_blocks_is_noticed_when_the_second_is_sealed() {
    let mut journal = journal();
    journal.subscribe(Class::Replica);
    journal.append_raw(Kind::Effect, b"abc");
    journal.seal();
    journal.tail_start = journal.tail_start.after(1);
    journal.append_raw(Kind::Effect, b"def");
    journal.seal();
}

#[test]
#[should_panic(expected = "was not given here")]
#[cfg(debug_assertions)]
fn a_receipt_of_another_journal_is_noticed() {
    let (mut ours, mut other) = (journal(), journal());
    ours.append_raw(Kind::Effect, b"a");
    other.append_raw(Kind::Effect, b"abc");
    ours.recall(other.receipt().to_note());
}

#[test]
#[should_panic(expected = "a reader ends once")]
fn a_reader_does_not_end_twice() {
    let mut journal = journal();
    let disk = journal.subscribe(Class::Disk);
    journal.unsubscribe(disk);
    journal.unsubscribe(disk);
}
