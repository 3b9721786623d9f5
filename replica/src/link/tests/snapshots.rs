//! A full sync: received into a file, brought to disk, loaded, put in place; and what can go wrong with each.

use super::*;

const DATA: &str = "REDIS0011 some keys";
const MARK: &str = "0123456789abcdef0123456789abcdef01234567";

/// The calls behind the answer to PSYNC.
fn behind_answer(play: &Play) -> Vec<&str> {
    let calls = play.node.calls.iter().map(String::as_str);
    calls.skip_while(|call| *call != "entered Transfer").collect()
}

#[test]
fn a_snapshot_takes_the_place_of_the_data() {
    let with_length = format!("\n\n${}\r\n{DATA}", DATA.len());
    let with_mark = format!("\n$EOF:{MARK}\r\n{DATA}{MARK}");
    for (snapshot, total) in [(with_length, Some(DATA.len() as u64)), (with_mark, None)] {
        let moves = full_sync(&snapshot);
        let (play, told) = transcript(Node::new, &moves);
        let expected = [
            "entered Transfer",
            "begin_file",
            "start Sync",
            "send a newline",
            "entered Load",
            "start Load",
            "send a newline",
            "kill_saving_child",
            "start Replace",
            "send a newline",
            "drop_file of 19 bytes",
            "adopt at 900 in 3",
            "enter_stream",
            "entered Connected",
            "synced: Finished with success",
            "send REPLCONF ACK 900",
        ];
        assert_eq!(behind_answer(&play), expected);
        let receiving = match total {
            Some(total) => format!("receiving {total} bytes from master to disk"),
            None => "receiving streamed RDB from master with EOF to disk".into(),
        };
        let expected = [
            format!("Full resync from master: {}:900", id(2)),
            format!("MASTER <-> REPLICA sync: {receiving}"),
            "MASTER <-> REPLICA sync: Loading DB in memory".into(),
            "MASTER <-> REPLICA sync: Finished with success".into(),
        ];
        assert!(told.ends_with(&expected), "{told:?}");
        assert_eq!(play.node.input, total.map_or(DATA.len() + MARK.len(), |len| len as usize));
        assert_eq!((play.link.figures().received, play.node.db), (at(900), 3));
    }
}

#[test]
fn progress_is_shown_while_it_is_received() {
    let snapshot = format!("$19\r\n{}", &DATA[..7]);
    let moves = full_sync(&snapshot);
    let (mut play, _) = transcript(Node::new, &moves[..6]);
    let progress =
        |received, last_io_ms| Some(TransferProgress { total: Some(19), received, last_io_ms });
    assert_eq!(play.link.figures().transfer, progress(7, START_MS));
    assert_eq!(play.read_size(), READ_BYTES);
    play.play_all(&[Wait(300), says(&DATA[7..])], Cut::Nowhere);
    assert_eq!(play.link.figures().transfer, progress(19, START_MS + 300));
    assert_eq!(play.link.stage().name(), "sync");
    assert_eq!(play.node.file.as_deref(), Some(DATA.as_bytes()));
    assert_eq!(play.read_size(), 0, "nothing is read while a job lasts");
    play.play_all(&[Synced(true)], Cut::Nowhere);
    assert_eq!(play.link.figures().transfer, None);
    assert_eq!(play.link.stage(), Stage::Load);
}

#[test]
fn the_stream_may_come_before_the_snapshot_is_loaded() {
    let stream = [command(&["PING"]), command(&["SELECT", "1"]), command(&["SET", "a", "1"])];
    let stream = String::from_utf8(stream.concat()).expect("text");
    let moves = full_sync(&format!("$19\r\n{DATA}{stream}"));
    let (play, _) = transcript(Node::new, &moves);
    assert_eq!(play.node.executed, ["PING", "SELECT 1", "SET a 1"]);
    assert_eq!(play.node.journal_bytes(), stream.as_bytes());
    assert_eq!((play.node.end, play.node.db), (at(900 + stream.len() as u64), 1));
    assert_eq!(play.node.input, DATA.len() + stream.len());
}

#[test]
fn an_empty_snapshot_is_one() {
    for snapshot in ["$0\r\n".to_string(), format!("$EOF:{MARK}\r\n{MARK}")] {
        let (play, _) = transcript(Node::new, &full_sync(&snapshot));
        assert!(play.link.is_up(), "{snapshot}");
        assert!(play.node.calls.contains(&"drop_file of 0 bytes".to_string()));
    }
}

#[test]
fn newlines_show_that_we_load() {
    let snapshot = format!("$19\r\n{DATA}");
    let moves = full_sync(&snapshot);
    for jobs in 0..3 {
        let (mut play, _) = transcript(Node::new, &moves[..6 + jobs]);
        play.node.calls.clear();
        play.play_all(&[Wait(3500)], Cut::Nowhere);
        assert_eq!(play.node.calls, ["send a newline"; 3]);
        // It does not take them: no more are sent, and after the time for everything it is given up.
        play.node.calls.clear();
        play.play_all(&[Stuck, Wait(TIMEOUT_MS - 1)], Cut::Nowhere);
        assert_eq!(play.node.calls, [""; 0]);
        play.play_all(&[Wait(1)], Cut::Nowhere);
        assert_eq!(play.reason(), "Timeout writing to MASTER");
    }
}

/// What goes wrong where; whether it is bound to happen again.
#[test]
fn each_step_can_fail() {
    let good = format!("$19\r\n{DATA}");
    type Case = (Vec<Move>, fn() -> Node, &'static str);
    let mut cases: Vec<Case> = Vec::new();
    let with = |end: Vec<Move>| [full_sync(&good)[..5].to_vec(), end].concat();
    cases.push((
        with(vec![says("-ERR no child\r\n")]),
        Node::new,
        "MASTER aborted replication with an error: ERR no child",
    ));
    cases.push((
        with(vec![says("HTTP/1.1 400\r\n")]),
        Node::new,
        "Bad protocol from MASTER, the first byte is not '$' (we received 'HTTP/1.1 400'), are you sure the host and port are \
         right?",
    ));
    cases.push((
        with(vec![says(&good)]),
        || Node { open_fails: true, ..Node::new() },
        "Opening the temp file needed for MASTER <-> REPLICA synchronization: no room",
    ));
    cases.push((
        with(vec![says(&good)]),
        || Node { disk_takes: 0, ..Node::new() },
        "Write error or short write writing to the DB dump file needed for MASTER <-> REPLICA synchronization: disk is full",
    ));
    cases.push((
        with(vec![says(&good), Synced(false)]),
        Node::new,
        "Error fsyncing the DB dump file needed for MASTER <-> REPLICA synchronization: planted",
    ));
    cases.push((
        with(vec![says(&good), Synced(true), Loaded(None)]),
        Node::new,
        "Failed trying to load the MASTER synchronization DB from disk: planted",
    ));
    cases.push((
        with(vec![says(&good), Synced(true), Loaded(Some(0)), Replaced(false)]),
        Node::new,
        "Failed trying to rename the temp DB into the DB file in MASTER <-> REPLICA synchronization: planted",
    ));
    for (moves, make, reason) in cases {
        let (mut play, told) = transcript(make, &moves);
        assert_eq!(play.reason(), reason);
        assert_eq!(told.last().map(String::as_str), Some(reason));
        assert!(play.node.file.is_none(), "no file is left: {reason}");
        assert_eq!((play.node.end, play.node.history), (at(OWN_END), id(1)), "the old data stays");
        assert!(!play.node.calls.iter().any(|call| call.starts_with("adopt")));
        // The same again and again: ever more seldom.
        let mut delays = Vec::new();
        for _ in 0..8 {
            let next = play.link.next_timer_ms().expect("it tries again");
            delays.push(next - play.now_ms);
            play.play_all(&moves, Cut::Nowhere);
        }
        assert_eq!(delays, [1000, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000], "{reason}");
        assert_eq!(play.link.figures().failed_attempts, 9);
    }
}
