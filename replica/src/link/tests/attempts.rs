//! Attempts, one after the other: when they begin, what ends them in each state, and that what has ended does nothing more.

use super::*;

/// A run through all states, with the place of each move in it.
fn life() -> Vec<Move> {
    let snapshot = full_sync("$19\r\nREDIS0011 some");
    let rest = vec![says(" keys"), Synced(true), Loaded(Some(3)), Replaced(true)];
    let stream = vec![Says(command(&["SET", "a", "1"])), says("*1\r\n$4\r\nPI")];
    [snapshot[..6].to_vec(), rest, stream].concat()
}

/// A run of the first moves of a life.
fn lived(moves: usize) -> Play {
    let mut play = Play::new(Node::new());
    play.play_all(&life()[..moves], Cut::Nowhere);
    play
}

#[test]
fn a_life_goes_through_all_states() {
    let stages: Vec<Stage> = (0..=life().len()).map(|moves| lived(moves).link.stage()).collect();
    use Stage::*;
    let expected = [
        Connect, Connecting, Handshake, Handshake, Handshake, Transfer, Transfer, Transfer, Load,
        Load, Connected, Connected, Connected,
    ];
    assert_eq!(stages, expected);
    assert_eq!(Stage::Connect.name(), "connect");
    assert_eq!(Stage::Connecting.name(), "connecting");
    assert_eq!(Stage::Handshake.name(), "handshake");
    assert_eq!((Transfer.name(), Load.name()), ("sync", "sync"));
    assert_eq!(Connected.name(), "connected");
    transcript(Node::new, &life());
}

#[test]
fn what_was_stopped_does_nothing_more() {
    for moves in 0..=life().len() {
        let mut play = lived(moves);
        let (was_open, had_file) = (play.is_open, play.node.file.is_some());
        play.node.calls.clear();
        let told = play.play_all(&[Stop], Cut::Nowhere);
        let mut expected = Vec::new();
        let dropped = play.node.calls.iter().find(|call| call.starts_with("drop_file of"));
        expected.extend(had_file.then(|| dropped.expect("it is dropped").clone()));
        expected.extend(was_open.then_some("close".to_string()));
        assert_eq!(play.node.calls, expected, "after {moves} moves");
        assert_eq!((play.node.file.is_none(), told.len()), (true, 0));
        assert_eq!((play.link.next_timer_ms(), play.read_size()), (None, 0));
        // Whatever comes now.
        let all = [Connected, DialFailed, Closed, Killed, SendFailed, Stuck, Drained];
        let late = [Synced(true), Synced(false), Loaded(Some(0)), Loaded(None), Replaced(true)];
        play.is_open = true;
        let told = play.play_all(&[&all[..], &late, &life()[2..], &[Stop]].concat(), Cut::Nowhere);
        assert_eq!((play.node.calls, told), (expected, vec![]), "after {moves} moves");
    }
}

#[test]
fn a_connection_can_end_in_every_state() {
    let ends = [
        (Closed, "Connection with MASTER closed by the other side"),
        (Killed, "Connection with MASTER was closed by CLIENT KILL"),
        (SendFailed, "Error writing to MASTER: planted"),
    ];
    for (end, reason) in ends {
        for moves in 2..=life().len() {
            if matches!(end, SendFailed) && JOBS.contains(&moves) {
                continue;
            }
            let mut play = lived(moves);
            let was_up = play.link.is_up();
            let before = (play.node.end, play.node.history);
            play.node.calls.clear();
            let told = play.play_all(std::slice::from_ref(&end), Cut::Nowhere);
            assert_eq!(play.reason(), reason, "after {moves} moves");
            assert_eq!(told[0] == "Connection with master lost.", was_up);
            assert_eq!(play.node.calls.iter().filter(|call| *call == "close").count(), 1);
            assert!(play.node.file.is_none(), "after {moves} moves");
            assert_eq!((play.node.end, play.node.history), before, "the data stays");
            assert_eq!(play.link.figures().failed_attempts, 1);
            assert_eq!(play.link.figures().transfer, None);
            // After a link that was up at once, else in a second.
            let expected = if was_up { Stage::Connecting } else { Stage::Connect };
            assert_eq!(play.link.stage(), expected);
            // What its jobs and its connection still say is not heard.
            let (calls, attempt) = (play.node.calls.clone(), play.attempt);
            if !was_up {
                let late = [Closed, Synced(true), Loaded(Some(0)), Replaced(true), Connected];
                play.play_all(&late, Cut::Nowhere);
                assert_eq!((play.node.calls, play.attempt), (calls, attempt));
            }
        }
    }
}

/// After so many moves of a life a job is under way.
const JOBS: std::ops::RangeInclusive<usize> = 7..=9;

#[test]
fn a_primary_that_takes_nothing_while_its_snapshot_is_loaded_does_not_spoil_it() {
    for moves in JOBS {
        let mut play = lived(moves);
        play.play_all(&[SendFailed], Cut::Nowhere);
        assert_eq!(play.link.figures().failed_attempts, 0, "after {moves} moves");
        play.node.calls.clear();
        play.play_all(&[Wait(3000), Timer], Cut::Nowhere);
        play.play_all(&life()[moves..11], Cut::Nowhere);
        assert!(play.link.is_up(), "after {moves} moves");
        assert!(play.node.calls.iter().any(|call| call.starts_with("adopt")), "{moves} moves");
        assert_eq!(play.node.executed, ["SET a 1"], "what had come behind it");
        let told = play.play_all(&[Wait(1500), Timer, Closed], Cut::Nowhere);
        let sends = play.node.calls.iter().filter(|call| call.starts_with("send"));
        assert_eq!(sends.count(), 0, "after {moves} moves");
        assert!(told.iter().any(|line| line == "Caching the disconnected master state."));
    }
}

#[test]
fn what_belongs_to_an_earlier_attempt_is_not_heard() {
    let mut play = lived(8);
    let old = play.attempt.expect("there is one");
    play.play_all(&[Closed, Timer, Connected], Cut::Nowhere);
    play.node.calls.clear();
    let late = [
        Event::Synced(Ok(())),
        Event::Loaded(Ok(1)),
        Event::Replaced(Ok(())),
        Event::Connected,
        Event::Closed,
        Event::Killed,
        Event::Stuck,
        Event::ReadFailed("late".into()),
    ];
    for event in late {
        play.turn(|link, _, turn| link.happened(old, event, turn));
    }
    let mut buffer = b"+PONG\r\n".to_vec();
    play.turn(|link, _, turn| link.bytes(old, &mut buffer, turn));
    assert!(buffer.is_empty(), "it is nobody's");
    assert_eq!((play.node.calls, play.link.stage()), (vec![], Stage::Handshake));
}

/// Each state in which something is awaited of the other side ends after `repl-timeout`, and not before.
#[test]
fn nobody_is_waited_for_forever() {
    for moves in 1..=6 {
        let mut play = lived(moves);
        play.play_all(&[Wait(TIMEOUT_MS - 1)], Cut::Nowhere);
        assert_eq!(play.link.figures().failed_attempts, 0, "after {moves} moves");
        play.play_all(&[Wait(1)], Cut::Nowhere);
        let expected = match moves {
            1 => "Timeout connecting to the MASTER...",
            _ => "MASTER timeout: no data nor PING received...",
        };
        assert_eq!(play.reason(), expected, "after {moves} moves");
    }
    // Each byte gives it the whole time again, up to the bound of a line.
    let mut play = lived(5);
    for _ in 0..30 {
        play.play_all(&[Wait(TIMEOUT_MS - 1), says("\n")], Cut::Nowhere);
    }
    assert_eq!(play.link.stage(), Stage::Transfer);
}

#[test]
fn a_primary_that_is_not_there_is_tried_every_other_second() {
    let mut play = Play::new(Node::new());
    let (mut delays, mut told) = (Vec::new(), Vec::new());
    for _ in 0..6 {
        told.extend(play.play_all(&[Timer, DialFailed], Cut::Nowhere));
        delays.push(play.link.next_timer_ms().expect("again") - play.now_ms);
    }
    assert_eq!(delays, [1000, 1000, 2000, 2000, 2000, 2000]);
    let reason = "Error condition on socket for SYNC: planted";
    assert_eq!(told.iter().filter(|line| *line == reason).count(), 1, "what repeats is counted");
    let figures = play.link.figures();
    assert_eq!((figures.failed_attempts, figures.was_up), (6, false));
    assert_eq!(figures.down_since_ms, Some(START_MS));
}

#[test]
fn after_a_link_that_worked_at_once_again() {
    let mut play = Play::new(Node::new());
    let worked = [going_on(), vec![Wait(1500), Closed]].concat();
    play.play_all(&worked, Cut::Nowhere);
    let down_since = play.now_ms;
    assert_eq!(play.link.stage(), Stage::Connecting);
    assert_eq!(play.link.figures().down_since_ms, Some(down_since));
    play.play_all(&[DialFailed, Timer, DialFailed, Timer], Cut::Nowhere);
    assert_eq!(play.now_ms - down_since, 3000);
    assert_eq!(play.link.figures().down_since_ms, Some(down_since), "since it was lost");
    // It works for long: what failed before is another story, and is told again.
    play.play_all(&going_on()[1..], Cut::Nowhere);
    assert_eq!(play.link.figures().down_since_ms, None);
    let pings = vec![Says(command(&["PING"])), Wait(SETTLED_MS)];
    let told = play.play_all(&[pings, vec![Closed]].concat(), Cut::Nowhere);
    assert!(told.contains(&"Connection with MASTER closed by the other side".to_string()));
}

#[test]
fn a_reason_is_told_again_after_a_link_that_worked_for_long() {
    let mut play = Play::new(Node::new());
    let mut told = Vec::new();
    for up_ms in [100, 100, 2000, SETTLED_MS, 100, SETTLED_MS + 1] {
        if play.link.stage() == Stage::Connect {
            play.play_all(&[Timer], Cut::Nowhere);
        }
        play.play_all(&going_on()[1..], Cut::Nowhere);
        for _ in 0..up_ms / 100 {
            play.play_all(&[Wait(100), Says(command(&["PING"]))], Cut::Nowhere);
        }
        play.now_ms += up_ms % 100;
        let lines = play.play_all(&[Closed], Cut::Nowhere);
        told.push(lines.iter().any(|line| line.ends_with("closed by the other side")));
    }
    assert_eq!(told, [true, false, false, true, false, true]);
}

#[test]
fn a_timer_that_rings_early_does_nothing() {
    for moves in 0..=life().len() {
        let mut play = lived(moves);
        let due = play.link.next_timer_ms().expect("something is due");
        play.node.calls.clear();
        if due > play.now_ms {
            play.now_ms = due - 1;
            play.timer();
            assert_eq!((play.node.calls, play.link.next_timer_ms()), (vec![], Some(due)));
        }
    }
}

#[test]
fn who_we_follow_is_known() {
    let link: Link<usize> = Link::new("10.0.0.1", 7000, 1, 5);
    assert_eq!((link.host(), link.port()), ("10.0.0.1", 7000));
    assert_eq!(link.next_timer_ms(), Some(5), "it begins as soon as it is asked");
    assert!(!link.is_up() && !link.stage().is_sync());
}

#[test]
#[should_panic(expected = "a job ends that had begun")]
fn a_job_that_nobody_began_is_noticed() {
    lived(3).play(&Synced(true), Cut::Nowhere);
}

#[test]
#[should_panic(expected = "a connection comes once")]
fn a_second_connection_is_noticed() {
    lived(3).play(&Connected, Cut::Nowhere);
}
