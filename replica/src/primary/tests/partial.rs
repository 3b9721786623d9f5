//! REPLCONF and PSYNC: who goes on where it was, and what it gets.

use super::*;

/// A primary that was a replica of `id(1)` up to the middle of its stream.
fn promoted() -> (Stage, Offset) {
    let mut stage = Stage::new();
    stage.journal.start_backlog(1 << 20);
    (0..5).for_each(|_| stage.write(3));
    let fork = stage.journal.end();
    stage.turn(|primary, turn| primary.promoted(id(2), turn));
    (0..5).for_each(|_| stage.write(3));
    (stage, fork)
}

#[test]
fn who_goes_on_gets_each_byte_behind_its_offset() {
    let (stage, fork) = promoted();
    let end = stage.journal.end().get();
    assert!(end > 150 && fork.get() > 50);
    for known in [id(1), id(2)] {
        let last = if known == id(1) { fork.get() } else { end };
        for offset in 0..=end + 1 {
            let (mut stage, _) = promoted();
            stage.introduce(1);
            let (welcome, told) = told(|| stage.psync(1, known.as_str(), offset as i64 + 1));
            if offset > last {
                assert_eq!(welcome, Welcome::Waits { refused: true }, "{known} {offset}");
                assert_eq!(told.len(), 2, "{told:?}");
                assert!(stage.due().is_none(), "it waits for others");
                continue;
            }
            let line = format!("CONTINUE {}", id(2));
            assert_eq!(welcome, Welcome::Continue(line.clone()));
            let expected = [
                "Replica 10.0.0.1:7001 asks for synchronization".to_string(),
                format!(
                    "Partial resynchronization request from 10.0.0.1:7001 accepted. Sending {} bytes of backlog starting from \
                     offset {}.",
                    end - offset,
                    offset + 1
                ),
            ];
            assert_eq!(told, expected);
            stage.write(10);
            stage.pump(1, 1 + offset as usize % 7);
            stage.pump(1, usize::MAX);
            stage.expect_got(1, &[format!("+{line}\r\n").as_bytes()], at(offset));
            assert_eq!(stage.state(1), "online");
        }
    }
}

#[test]
fn what_was_just_written_pushes_out_what_is_asked_for() {
    let mut stage = Stage::new();
    stage.journal.start_backlog(100);
    stage.write(60);
    stage.introduce(1);
    // It is not sealed yet, and longer than the backlog.
    stage.journal.append(Kind::Effect, (1, 1), &[b'x'; 200]);
    assert_eq!(stage.psync(1, id(1).as_str(), 1), Welcome::Waits { refused: true });
}

#[test]
fn offsets_that_cannot_be_are_refused() {
    for next in [-1, 0, i64::MIN, i64::MAX, 1 << 62] {
        let (mut stage, _) = promoted();
        stage.introduce(1);
        let welcome = stage.psync(1, id(2).as_str(), next);
        assert_eq!(welcome, Welcome::Waits { refused: true }, "{next}");
    }
    let (mut stage, _) = promoted();
    let words = Some((&b"?"[..], &b"first"[..]));
    let error = stage.turn(|primary, turn| primary.psync(1, "10.0.0.1", words, turn));
    let error = error.expect_err("it is no number");
    assert_eq!(error.to_string(), "ERR value is not an integer or out of range");
    assert!(stage.primary.is_empty(), "it is no replica");
}

#[test]
fn old_replicas_hear_no_name_and_get_no_partial_sync_by_sync() {
    let (mut stage, _) = promoted();
    let end = stage.journal.end();
    assert_eq!(
        stage.psync(1, id(2).as_str(), end.next_byte()),
        Welcome::Continue("CONTINUE".into())
    );
    assert_eq!(stage.sync_command(2), Welcome::Waits { refused: false });
}

#[test]
fn who_has_asked_gets_nothing_more_into_its_stream() {
    let mut stage = Stage::new();
    stage.online(1);
    assert_eq!(stage.psync(1, "?", -1), Welcome::Silence);
    assert_eq!(stage.sync_command(1), Welcome::Silence);
    assert_eq!(stage.state(1), "online");
}

#[test]
fn a_filter_needs_a_mark() {
    let mut stage = Stage::new();
    stage.replconf(1, &["rdb-filter-only", "functions"]);
    let words = Some((&b"?"[..], &b"-1"[..]));
    let error = stage.turn(|primary, turn| primary.psync(1, "10.0.0.1", words, turn));
    let error = error.expect_err("it knows no mark");
    assert_eq!(error.to_string(), "ERR Filtered replica requires EOF capability");
    stage.replconf(1, &["capa", "eof"]);
    assert_eq!(stage.psync(1, "?", -1), Welcome::Waits { refused: false });
}

#[test]
fn acknowledgements_are_kept_and_nobody_has_more_than_there_is() {
    let mut stage = Stage::new();
    stage.online(1);
    stage.write(10);
    let end = stage.journal.end();
    assert_eq!(stage.replconf(1, &["ACK", "7", "FACK", "3"]), Replconf::Acknowledged);
    let acknowledged = |stage: &Stage| {
        let acknowledged = stage.primary.feed(1).expect("there").acknowledged();
        (acknowledged.applied, acknowledged.durable)
    };
    assert_eq!(acknowledged(&stage), (at(7), Some(at(3))));
    stage.replconf(1, &["ACK", "99999999", "FACK", "99999999"]);
    assert_eq!(acknowledged(&stage), (end, Some(end)));
    assert_eq!(stage.replconf(1, &["GETACK", "*"]), Replconf::Silence);
    let words: [&[u8]; 1] = [b"ack"];
    let error = stage.turn(|primary, turn| primary.replconf(1, "10.0.0.1", &words, turn));
    assert_eq!(error, Err("ERR syntax error".to_string()));
}

#[test]
fn a_promotion_closes_all_and_they_go_on() {
    let mut stage = Stage::new();
    stage.online(1);
    stage.waiting(2);
    stage.introduce(3);
    stage.write(10);
    stage.pump(1, usize::MAX);
    let end = stage.journal.end();
    stage.now_ms += 20_000;
    let ((), told) = told(|| stage.turn(|primary, turn| primary.promoted(id(2), turn)));
    let expected = [
        format!(
            "Setting secondary replication ID to {}, valid up to offset: {}. New replication ID is {}",
            id(1),
            end.next_byte(),
            id(2)
        ),
        "Connection with replica 10.0.0.1:7001 lost.".into(),
        "Connection with replica 10.0.0.1:7002 lost.".into(),
        "MASTER MODE enabled (user request)".into(),
    ];
    assert_eq!(told, expected);
    assert_eq!(stage.others, [Action::NoteHistory]);
    let killed: Vec<usize> = (1..=3).map(|slot| stage.peers[&slot].killed).collect();
    assert_eq!(killed, [1, 1, 0], "who has only introduced itself may ask");
    stage.gone(1);
    // It was away; what is written next stands in a database that is said.
    let db = stage.journal.selected();
    stage.journal.append(Kind::Effect, (db, db), b"SET k v\r\n");
    stage.collect();
    stage.introduce(4);
    let welcome = stage.psync(4, id(1).as_str(), end.next_byte());
    assert_eq!(welcome, Welcome::Continue(format!("CONTINUE {}", id(2))));
    stage.pump(4, usize::MAX);
    assert!(stage.got(4).contains("\r\n*2\r\n$6\r\nSELECT\r\n"), "{}", stage.got(4));
    // The time for a PING begins with the promotion.
    stage.pass(9_900);
    stage.pump(4, usize::MAX);
    assert!(!stage.got(4).contains("ping"));
    stage.pass(100);
    stage.pump(4, usize::MAX);
    assert!(stage.got(4).contains("ping"));
}
