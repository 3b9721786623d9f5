//! The stream: acknowledged, journaled as it came, and what ends it.

use super::*;

/// Commands, joined.
fn stream(commands: &[&[&str]]) -> Vec<u8> {
    commands.iter().flat_map(|words| command(words)).collect()
}

/// A link that carries `bytes` behind an answer of +CONTINUE.
fn carrying(bytes: Vec<u8>) -> Vec<Move> {
    [going_on(), vec![Says(bytes)]].concat()
}

/// The calls since the stream began.
fn since_up(play: &Play) -> Vec<&str> {
    let calls = play.node.calls.iter().map(String::as_str);
    calls.skip_while(|call| !call.starts_with("synced")).skip(1).collect()
}

#[test]
fn the_stream_is_journaled_as_it_came_and_acknowledged_when_asked() {
    let getack = command(&["REPLCONF", "GETACK", "*"]);
    let first = stream(&[&["SET", "a", "1"], &["PING"]]);
    let transaction =
        stream(&[&["MULTI"], &["SELECT", "3"], &["INCR", "b"], &["EXEC"], &["SET", "c", "1"]]);
    let bytes = [&first[..], &getack, &transaction, &getack].concat();
    let (play, _) = transcript(Node::new, &carrying(bytes.clone()));
    assert_eq!(play.node.journal_bytes(), bytes);
    assert_eq!((play.node.end, play.node.db), (at(OWN_END + bytes.len() as u64), 3));
    let executed =
        "SET a 1|PING|REPLCONF GETACK *|MULTI|SELECT 3|INCR b|EXEC|SET c 1|REPLCONF GETACK *";
    assert_eq!(play.node.executed.join("|"), executed);
    let kinds: Vec<Kind> = play.node.journaled.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, [Kind::Effect, Kind::Control, Kind::Effect, Kind::Control]);
    // Each answer says what lies before its question.
    let asked = [first.len(), bytes.len() - getack.len()];
    let acks = asked.map(|before| format!("send REPLCONF ACK {}", OWN_END + before as u64));
    assert_eq!(since_up(&play), ["send REPLCONF ACK 500", &acks[0], &acks[1]]);
}

#[test]
fn what_is_applied_is_acknowledged_once_a_second() {
    let set = command(&["SET", "a", "1"]);
    let half = command(&["MULTI"]);
    let (mut play, _) = transcript(Node::new, &carrying(set.clone()));
    let end = OWN_END + set.len() as u64;
    play.play_all(&[Wait(999)], Cut::Nowhere);
    assert_eq!(since_up(&play), ["send REPLCONF ACK 500"]);
    play.node.durable = Some(at(end + 7));
    play.play_all(&[Says(half.clone()), Wait(1)], Cut::Nowhere);
    let ack = format!("send REPLCONF ACK {end} FACK {end}");
    assert_eq!(since_up(&play)[1..], [&ack], "a unit that has not ended is not applied");
    play.node.durable = Some(at(end - 3));
    play.play_all(&[Wait(2000)], Cut::Nowhere);
    let ack = format!("send REPLCONF ACK {end} FACK {}", end - 3);
    assert_eq!(since_up(&play)[2..], [&ack, &ack]);
    assert_eq!(play.link.figures().received, at(end + half.len() as u64));
}

#[test]
fn silence_ends_it_but_not_while_the_disk_is_late() {
    let (mut play, _) = transcript(Node::new, &going_on());
    play.play_all(&[Full(true), Wait(10 * TIMEOUT_MS)], Cut::Nowhere);
    assert!(play.link.is_up());
    assert_eq!(play.read_size(), 0, "the stream waits in the primary");
    play.play_all(&[Full(false), Wait(TIMEOUT_MS)], Cut::Nowhere);
    assert!(play.link.is_up() && play.read_size() == READ_BYTES);
    play.play_all(&[Says(command(&["PING"])), Wait(TIMEOUT_MS)], Cut::Nowhere);
    assert!(play.link.is_up(), "it has spoken");
    let told = play.play_all(&[Wait(1000)], Cut::Nowhere);
    assert_eq!(play.reason(), "MASTER timeout: no data nor PING received...");
    let lost = [
        "Connection with master lost.",
        "Caching the disconnected master state.",
        "MASTER timeout: no data nor PING received...",
        "Connecting to MASTER primary:6379",
        "MASTER <-> REPLICA sync started",
    ];
    assert_eq!(told, lost, "after a link that worked at once again");
}

#[test]
fn who_does_not_take_our_acknowledgements_gets_no_more_of_them() {
    let (mut play, _) = transcript(Node::new, &going_on());
    play.play_all(&[Stuck, Wait(TIMEOUT_MS - 1)], Cut::Nowhere);
    assert_eq!(since_up(&play), ["send REPLCONF ACK 500"]);
    assert_eq!(play.read_size(), 0);
    play.play_all(&[Drained, Wait(2000)], Cut::Nowhere);
    assert_eq!(since_up(&play), ["send REPLCONF ACK 500"; 3]);
    play.play_all(&[Stuck, Wait(1000), Stuck, Wait(TIMEOUT_MS - 1000)], Cut::Nowhere);
    assert_eq!(play.reason(), "Timeout writing to MASTER");
}

#[test]
fn a_long_request_is_read_in_one_go() {
    let mut play = Play::new(Node::new());
    play.play_all(&going_on(), Cut::Nowhere);
    play.play_all(&[says("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1000000\r\n")], Cut::Nowhere);
    assert!(play.read_size() > 1_000_000, "{}", play.read_size());
    let mut play = Play::new(Node::new());
    play.play_all(&going_on(), Cut::Nowhere);
    play.play_all(&[says("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$400000000\r\n")], Cut::Nowhere);
    assert_eq!(play.read_size(), READ_BYTES + LONG_READ_BYTES, "it is bounded");
}

/// What ends the stream; how far it is executed; whether the position and the history last.
#[test]
fn a_stream_that_cannot_be_followed() {
    let before = stream(&[&["SET", "a", "1"]]);
    let end = OWN_END + before.len() as u64;
    let select = format!(
        "The stream of MASTER cannot be followed at offset {end}: SELECT of database '4', there are 4 (see the directive \
         'databases')"
    );
    let refused = format!(
        "The stream of MASTER cannot be followed at offset {end}: 'UNKNOWN' is not known here"
    );
    let torn = format!(
        "The stream of MASTER cannot be followed at offset {end}: 'TORN' is not known here"
    );
    let protocol = "Protocol error from MASTER: something that is no command in the stream".into();
    let cases: [(Vec<u8>, String, bool, bool); 4] = [
        (command(&["SELECT", "4"]), select, false, false),
        (command(&["UNKNOWN"]), refused, false, false),
        (command(&["TORN"]), torn, true, true),
        (b"\r\nSET a 2\r\n".to_vec(), protocol, true, false),
    ];
    for (bad, reason, starts_over, leaves) in cases {
        let moves = [carrying(before.clone()), vec![Says(bad)]].concat();
        let mut play = Play::new(Node::new());
        let told = play.play_all(&moves, Cut::Nowhere);
        assert_eq!(play.reason(), reason);
        assert_eq!(play.node.executed, ["SET a 1"]);
        assert_eq!(play.node.end, at(end));
        let caches = told.iter().any(|line| line == "Caching the disconnected master state.");
        assert_eq!(caches, !starts_over, "{reason}");
        let has_left = play.node.calls.iter().any(|call| call == "leave_history");
        assert_eq!(has_left, leaves, "{reason}");
        assert_eq!(play.link.next_timer_ms(), Some(START_MS + 1000), "not at once: it will repeat");
        let told = play.play_all(&[Timer, Connected], Cut::Nowhere);
        let asks = told.iter().any(|line| line.starts_with("Trying a partial"));
        assert_eq!(asks, !starts_over, "{reason}");
        // A snapshot makes the position good again.
        let snapshot = full_sync("$0\r\n");
        play.play_all(&snapshot[2..], Cut::Nowhere);
        let told = play.play_all(&[Closed, Timer, Connected], Cut::Nowhere);
        assert!(told.iter().any(|line| line.starts_with("Trying a partial")), "{told:?}");
    }
}

#[test]
fn bad_streams_are_the_same_however_they_are_cut() {
    for bad in [command(&["SELECT", "4"]), command(&["UNKNOWN"]), command(&["TORN"])] {
        let bytes = [stream(&[&["SET", "a", "1"], &["MULTI"], &["INCR", "b"], &["EXEC"]]), bad];
        let (play, _) = transcript(Node::new, &carrying(bytes.concat()));
        assert_eq!(play.node.executed, ["SET a 1", "MULTI", "INCR b", "EXEC"]);
        assert_eq!(play.node.end, at(OWN_END + bytes[0].len() as u64));
        assert_eq!(play.link.stage(), Stage::Connect);
    }
}

#[test]
fn half_a_transaction_comes_again() {
    let set = command(&["SET", "a", "1"]);
    let half = stream(&[&["MULTI"], &["INCR", "b"]]);
    let whole = stream(&[&["MULTI"], &["INCR", "b"], &["EXEC"]]);
    let first = [&set[..], &half].concat();
    let end = OWN_END + set.len() as u64;
    let moves = [carrying(first), vec![Closed]].concat();
    let (mut play, _) = transcript(Node::new, &moves);
    assert_eq!(play.node.end, at(end));
    // Lost at once: it had not carried the stream for long.
    let again = [Connected, says("+PONG\r\n+OK\r\n+OK\r\n+CONTINUE\r\n"), Says(whole.clone())];
    play.play_all(&again, Cut::Nowhere);
    assert!(play.node.calls.contains(&format!("send PSYNC {} {}", id(1), end + 1)));
    assert_eq!(play.node.journal_bytes(), [set, whole].concat());
    assert!(play.link.is_up());
}

#[test]
#[should_panic(expected = "what is applied is journaled")]
fn a_journal_that_stands_elsewhere_is_noticed() {
    let mut play = Play::new(Node::new());
    play.play_all(&going_on(), Cut::Nowhere);
    play.node.end = at(7);
    play.play(&Says(command(&["PING"])), Cut::Nowhere);
}

#[test]
#[should_panic(expected = "the stream stands in one database")]
fn a_journal_that_stands_in_another_database_is_noticed() {
    let mut play = Play::new(Node::new());
    play.play_all(&going_on(), Cut::Nowhere);
    play.node.db = 1;
    play.play(&Says(b"*1\r\n$4\r\n".to_vec()), Cut::Nowhere);
}

#[test]
#[should_panic(expected = "what was left in the buffer stays in it")]
fn bytes_that_vanish_are_noticed() {
    let mut play = Play::new(Node::new());
    play.play_all(&going_on(), Cut::Nowhere);
    play.play(&says("*1\r\n$4\r\nPI"), Cut::Nowhere);
    play.buffer.clear();
    play.play(&says("NG\r\n"), Cut::Nowhere);
}
