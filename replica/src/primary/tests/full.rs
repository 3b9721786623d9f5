//! Full syncs: who shares one, each piece's way, and what can go wrong with it.

use super::*;

const SNAPSHOT: &[u8] = b"REDIS0011 all keys of ours";

fn full_line(id: ReplicationId, offset: Offset) -> Vec<u8> {
    format!("+FULLRESYNC {id} {offset}\r\n").into_bytes()
}

fn pipe_header() -> Vec<u8> {
    [&b"$EOF:"[..], &MARK, b"\r\n"].concat()
}

/// A primary with a full sync by pipe for these replicas.
fn by_pipe(slots: &[usize]) -> Stage {
    let mut stage = Stage::new();
    slots.iter().for_each(|slot| stage.waiting(*slot));
    stage.now_ms += 5000;
    stage.write(10);
    stage.begin();
    stage
}

/// One by file.
fn by_file(slots: &[usize]) -> Stage {
    let mut stage = Stage::new();
    stage.settings.diskless = false;
    slots.iter().for_each(|slot| stage.waiting(*slot));
    stage.write(10);
    stage.begin();
    stage
}

/// Its pipe is read to the end, and its child is gone.
fn end_of_pipe(stage: &mut Stage) {
    stage.sync_event(SyncEvent::AllRead);
    stage.sync_event(SyncEvent::ChildEnded(Ok(())));
}

#[test]
fn by_pipe_each_gets_header_snapshot_mark_and_stream() {
    for cut in 0..=SNAPSHOT.len() {
        for socket in [1, 5, usize::MAX] {
            let mut stage = by_pipe(&[1, 2]);
            let offset = at(stage.stream.len() as u64);
            assert_eq!(stage.others, [Action::NoteHistory], "a backlog was begun");
            for piece in [&SNAPSHOT[..cut], &SNAPSHOT[cut..]].iter().filter(|p| !p.is_empty()) {
                stage.write(20);
                stage.piece(piece);
                stage.pump(1, socket);
            }
            stage.write(20);
            // The child may be gone before its last bytes are read.
            if cut % 2 == 0 {
                end_of_pipe(&mut stage);
            } else {
                stage.sync_event(SyncEvent::ChildEnded(Ok(())));
                stage.sync_event(SyncEvent::AllRead);
            }
            stage.pump_all();
            assert_eq!((stage.state(1), stage.state(2)), ("send_bulk", "send_bulk"));
            stage.write(20);
            stage.pump_all();
            let head = [&full_line(id(1), offset)[..], &pipe_header(), SNAPSHOT, &MARK];
            assert_eq!(stage.got(1), String::from_utf8_lossy(&head.concat()), "no stream yet");
            for slot in [1, 2] {
                stage.ack(slot);
                assert_eq!(stage.state(slot), "online");
                stage.pump(slot, socket);
                stage.pump(slot, usize::MAX);
                stage.expect_got(slot, &head, offset);
            }
            assert_eq!(stage.others, [Action::NoteHistory, Action::SyncEnded]);
        }
    }
}

#[test]
fn by_file_the_stream_follows_at_once() {
    for cut in 0..=SNAPSHOT.len() {
        let mut stage = by_file(&[1]);
        let offset = stage.journal.end();
        stage.write(20);
        assert!(!stage.primary.wants_piece(), "there is no file yet");
        stage.pass(1000);
        let waited = [&full_line(id(1), offset)[..], b"\n"];
        stage.expect_got(1, &waited, stage.journal.end());
        stage.sync_event(SyncEvent::ChildEnded(Ok(())));
        assert_eq!(stage.others.pop(), Some(Action::OpenFile));
        stage.sync_event(SyncEvent::Opened(SNAPSHOT.len() as u64));
        stage.pass(1000);
        for piece in [&SNAPSHOT[..cut], &SNAPSHOT[cut..]].iter().filter(|p| !p.is_empty()) {
            stage.piece(piece);
            stage.pump(1, 3);
        }
        stage.sync_event(SyncEvent::AllRead);
        assert_eq!(stage.others.pop(), Some(Action::SyncEnded));
        stage.write(20);
        stage.pump(1, usize::MAX);
        assert_eq!(stage.state(1), "online");
        stage.expect_got(1, &[&waited.concat(), b"$26\r\n", SNAPSHOT], offset);
    }
}

#[test]
fn an_old_replica_gets_no_line_in_front_of_it() {
    let mut stage = Stage::new();
    assert_eq!(stage.sync_command(1), Welcome::Waits { refused: false });
    stage.pass(1000);
    let due = stage.due().expect("nobody knows a mark: by file, at once");
    assert!(!due.by_pipe);
    stage.begin();
    let offset = stage.journal.end();
    stage.sync_event(SyncEvent::ChildEnded(Ok(())));
    stage.sync_event(SyncEvent::Opened(2));
    stage.piece(b"ab");
    stage.sync_event(SyncEvent::AllRead);
    stage.write(9);
    stage.pump(1, usize::MAX);
    stage.expect_got(1, &[b"\n$2\r\nab"], offset);
    assert_eq!(stage.state(1), "online");
}

#[test]
fn they_share_a_snapshot_that_wait_for_the_same() {
    let mut stage = Stage::new();
    stage.waiting(1);
    stage.pass(3000);
    stage.waiting(2);
    stage.introduce(3);
    stage.replconf(3, &["rdb-filter-only", "functions"]);
    stage.psync(3, "?", -1);
    // This one knows no mark.
    stage.replconf(4, &["capa", "psync2"]);
    stage.psync(4, "?", -1);
    stage.pass(1900);
    assert_eq!(stage.due(), None, "the first one waits for others");
    stage.pass(100);
    let due = stage.due().expect("it has waited");
    let all = LeftOut::default();
    assert_eq!(due, Due { by_pipe: true, left_out: all, slots: vec![1, 2] });
    stage.begin();
    assert_eq!(stage.due(), None, "one at a time");
    stage.piece(SNAPSHOT);
    end_of_pipe(&mut stage);
    // Now the filtered one, or the one by file: by who came first.
    stage.pass(3000);
    let due = stage.due().expect("the next one");
    assert_eq!((due.left_out.data, due.slots), (true, vec![3]));
    stage.gone(3);
    let due = stage.due().expect("the next one");
    assert_eq!((due.by_pipe, due.slots), (false, vec![4]));
}

#[test]
fn enough_of_them_wait_for_nobody() {
    let mut stage = Stage::new();
    stage.settings.diskless_max_replicas = 2;
    stage.waiting(1);
    assert_eq!(stage.due(), None);
    stage.waiting(2);
    assert_eq!(stage.due().map(|due| due.slots), Some(vec![1, 2]));
    stage.settings.diskless = false;
    assert_eq!(stage.due().map(|due| due.by_pipe), Some(false));
    assert_eq!(Stage::new().due(), None, "nobody waits");
}

#[test]
fn a_history_that_nobody_can_have_followed_gets_a_name() {
    let mut stage = Stage::new();
    stage.journal.unsubscribe(stage.witness);
    stage.waiting(1);
    stage.now_ms += 5000;
    let (_, told) = told(|| stage.begin());
    assert_eq!(stage.journal.history.id, id(9));
    assert!(stage.journal.has_backlog());
    assert!(stage.got(1).starts_with(&format!("+FULLRESYNC {} 0\r\n", id(9))));
    let expected = [
        format!(
            "Replication backlog created, my new replication IDs are '{}' and '{}'",
            id(9),
            ReplicationId::NONE
        ),
        "Starting BGSAVE for SYNC with target: replicas sockets".into(),
    ];
    assert_eq!(told, expected);
    // Where there is a backlog all stays.
    let mut stage = Stage::new();
    stage.online(1);
    stage.waiting(2);
    stage.now_ms += 5000;
    stage.begin();
    assert_eq!((stage.journal.history.id, stage.others.len()), (id(1), 0));
}

#[test]
fn who_does_not_take_its_snapshot_slows_the_child() {
    let mut stage = by_pipe(&[1, 2]);
    let piece = vec![b'x'; 256 * 1024];
    let mut pieces = 0;
    while stage.primary.wants_piece() {
        stage.piece(&piece);
        stage.pump(2, usize::MAX);
        pieces += 1;
    }
    assert_eq!(pieces, 16, "until one queue holds more than four megabytes");
    stage.pump(1, 2 * piece.len());
    assert!(stage.primary.wants_piece());
    // The slow one goes: the other one waits for nobody.
    (0..3).for_each(|_| stage.piece(&piece));
    assert!(!stage.primary.wants_piece());
    stage.gone(1);
    assert!(stage.primary.wants_piece());
    assert_eq!(stage.peers[&2].killed, 0);
}

#[test]
fn one_drops_out_and_the_other_one_gets_all() {
    let mut stage = by_pipe(&[1, 2]);
    let offset = stage.journal.end();
    stage.piece(&SNAPSHOT[..5]);
    stage.gone(1);
    stage.piece(&SNAPSHOT[5..]);
    end_of_pipe(&mut stage);
    stage.pump(2, usize::MAX);
    stage.ack(2);
    stage.pump(2, usize::MAX);
    let head = [&full_line(id(1), offset)[..], &pipe_header(), SNAPSHOT, &MARK];
    stage.expect_got(2, &head, offset);
}

#[test]
fn the_last_one_drops_out_and_the_child_is_ended() {
    let mut stage = by_pipe(&[1, 2]);
    stage.piece(b"a");
    let number = stage.primary.sync_number().expect("one is under way");
    stage.gone(1);
    assert_eq!(stage.others, [Action::NoteHistory]);
    let ((), lines) = told(|| stage.gone(2));
    assert_eq!(lines[1], "Diskless rdb transfer, last replica dropped, killing fork child.");
    assert_eq!(stage.others.pop(), Some(Action::KillChild));
    assert!(!stage.primary.wants_piece() && stage.primary.sync_number().is_some());
    // What was on its way is not used. A new one waits until the child is gone.
    stage.sync_event(SyncEvent::Piece(Bytes::from_static(b"late")));
    stage.sync_event(SyncEvent::AllRead);
    stage.waiting(3);
    stage.now_ms += 10_000;
    assert_eq!(stage.due(), None);
    let killed = SyncEvent::ChildEnded(Err("killed".into()));
    let ((), lines) = told(|| stage.sync_event(killed.clone()));
    assert_eq!(lines, ["Background transfer error: all replicas are gone"]);
    assert_eq!(stage.others.pop(), Some(Action::SyncEnded));
    assert_eq!(stage.peers[&3].killed, 0);
    stage.begin();
    // Of the one before nothing is heard any more.
    stage.turn(|primary, turn| primary.happened(number, killed, turn));
    assert!(stage.primary.wants_piece());
    end_of_pipe(&mut stage);
    assert_eq!((stage.others.pop(), stage.peers[&3].killed), (Some(Action::SyncEnded), 0));
}

#[test]
fn what_is_read_behind_an_error_goes_nowhere() {
    let mut stage = by_pipe(&[1]);
    stage.pump(1, usize::MAX);
    let before = stage.got(1);
    stage.sync_event(SyncEvent::ReadFailed("broken".into()));
    stage.sync_event(SyncEvent::Piece(Bytes::from_static(b"late")));
    stage.pump(1, usize::MAX);
    assert_eq!(stage.got(1), before);
}

#[test]
fn the_stream_behind_a_snapshot_says_its_database() {
    let mut stage = by_pipe(&[1]);
    let (offset, db) = (stage.journal.end(), stage.journal.selected());
    stage.journal.append(Kind::Effect, (db, db), b"SET k v\r\n");
    stage.collect();
    let stream = String::from_utf8_lossy(&stage.stream[offset.get() as usize..]).into_owned();
    assert!(stream.starts_with(&format!("*2\r\n$6\r\nSELECT\r\n$1\r\n{db}\r\n")), "{stream}");
}

#[test]
fn nobody_waits_for_a_file() {
    // While the child writes it.
    let mut stage = by_file(&[1]);
    stage.gone(1);
    assert_eq!(stage.others.pop(), Some(Action::KillChild));
    stage.sync_event(SyncEvent::ChildEnded(Ok(())));
    assert_eq!(stage.others.pop(), Some(Action::SyncEnded), "it is not opened");
    // While it is opened, and while it is sent.
    for opened in [false, true] {
        let mut stage = by_file(&[1]);
        stage.sync_event(SyncEvent::ChildEnded(Ok(())));
        if opened {
            stage.sync_event(SyncEvent::Opened(10));
        }
        stage.gone(1);
        assert_eq!(stage.others.pop(), Some(Action::SyncEnded));
        assert_eq!(stage.primary.sync_number(), None);
    }
}

/// What goes wrong, and in which words; the child has to be ended for it or not.
#[test]
fn a_full_sync_that_fails_closes_who_waits_for_it() {
    let failed = |text: &str| SyncEvent::ReadFailed(text.into());
    let child = |text: &str| SyncEvent::ChildEnded(Err(text.into()));
    let good = SyncEvent::ChildEnded(Ok(()));
    type Case = (fn(&[usize]) -> Stage, Vec<SyncEvent>, &'static str, bool);
    let cases: Vec<Case> = vec![
        (by_pipe, vec![SyncEvent::AllRead, child("no room")], "no room", false),
        (by_pipe, vec![child("no room"), SyncEvent::AllRead], "no room", false),
        (by_pipe, vec![failed("broken"), good.clone()], "reading from the child: broken", true),
        (by_pipe, vec![good.clone(), failed("broken")], "reading from the child: broken", false),
        (by_file, vec![child("no room")], "no room", false),
        (by_file, vec![good.clone(), failed("not there")], "not there", false),
        (by_file, vec![good, SyncEvent::Opened(9), failed("broken")], "broken", false),
    ];
    for (make, events, text, kills) in cases {
        let mut stage = make(&[1, 2]);
        let ((), told) = told(|| events.into_iter().for_each(|event| stage.sync_event(event)));
        assert_eq!(told.last(), Some(&format!("Background transfer error: {text}")));
        assert_eq!(stage.others.contains(&Action::KillChild), kills, "{text}");
        assert_eq!(stage.others.last(), Some(&Action::SyncEnded));
        assert_eq!((stage.peers[&1].killed, stage.peers[&2].killed), (1, 1));
        stage.gone(1);
        stage.gone(2);
        assert!(stage.primary.is_empty() && stage.primary.sync_number().is_none());
        stage.journal.unsubscribe(stage.witness);
        stage.journal.drop_backlog();
        assert!(!stage.journal.has_readers(), "all cursors are given back");
    }
}

#[test]
fn a_child_that_cannot_be_made_closes_who_waits_for_it() {
    let mut stage = Stage::new();
    stage.waiting(1);
    stage.now_ms += 5000;
    let due = stage.due().expect("it has waited");
    let prepared = stage.turn(|primary, turn| primary.prepare(due, id(9), turn));
    let fail = |stage: &mut Stage| {
        stage.turn(|primary, turn| primary.failed(prepared, "no memory", turn));
    };
    let ((), lines) = told(|| fail(&mut stage));
    assert_eq!(lines, ["BGSAVE for replication failed: no memory"]);
    assert_eq!((stage.peers[&1].killed, stage.primary.sync_number()), (1, None));
}

#[test]
fn a_promotion_ends_the_full_sync_under_way() {
    let mut stage = by_pipe(&[1, 2]);
    stage.piece(b"a");
    stage.turn(|primary, turn| primary.promoted(id(2), turn));
    assert!(stage.others.contains(&Action::KillChild) && stage.primary.is_empty());
    stage.sync_event(SyncEvent::ChildEnded(Err("killed".into())));
    assert_eq!(stage.others.last(), Some(&Action::SyncEnded));
}

#[test]
fn who_came_for_the_snapshot_alone_is_closed_behind_it() {
    let mut stage = Stage::new();
    stage.introduce(1);
    stage.replconf(1, &["rdb-only", "1"]);
    stage.psync(1, "?", -1);
    stage.now_ms += 5000;
    stage.begin();
    stage.piece(SNAPSHOT);
    assert!(!stage.pump(1, usize::MAX));
    end_of_pipe(&mut stage);
    stage.write(10);
    assert!(stage.pump(1, usize::MAX), "it has what it came for");
    let head = [&full_line(id(1), Offset::START)[..], &pipe_header(), SNAPSHOT, &MARK];
    assert_eq!(stage.got(1), String::from_utf8_lossy(&head.concat()));
}

#[test]
#[should_panic(expected = "the journal ends where the snapshot does")]
fn a_write_between_snapshot_and_cursor_is_noticed() {
    let mut stage = Stage::new();
    stage.waiting(1);
    stage.now_ms += 5000;
    let due = stage.due().expect("it has waited");
    let prepared = stage.turn(|primary, turn| primary.prepare(due, id(9), turn));
    stage.write(1);
    stage.turn(|primary, turn| primary.begin(prepared, MARK, turn));
}

#[test]
#[should_panic(expected = "nothing is read in")]
fn bytes_from_where_none_are_read_are_noticed() {
    by_file(&[1]).sync_event(SyncEvent::AllRead);
}
