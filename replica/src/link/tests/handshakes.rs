//! Up to the answer to PSYNC: who the primary is, and what it says to each question.

use super::*;

#[test]
fn a_link_goes_on_where_it_was() {
    let make = || Node {
        credentials: Some(("default".into(), "secret".into())),
        address: Some("10.0.0.7".into()),
        durable: Some(at(450)),
        ..Node::new()
    };
    let answer = format!("\n\n+CONTINUE {}\r\n", id(2));
    let set = command(&["SET", "a", "1"]);
    let moves = [
        Timer,
        Connected,
        says("-NOAUTH Authentication required.\r\n"),
        says("+OK\r\n\n+OK\r\n-ERR Unrecognized REPLCONF option: ip-address\r\n"),
        says("+OK\r\n"),
        Says([answer.as_bytes(), &set].concat()),
    ];
    let (play, lines) = transcript(make, &moves);
    let (old, new) = (id(1), id(2));
    let expected = [
        "entered Connecting".to_string(),
        "dial".into(),
        "entered Handshake".into(),
        "send PING".into(),
        "send AUTH default secret, REPLCONF listening-port 6380, REPLCONF ip-address 10.0.0.7, \
         REPLCONF capa eof capa psync2"
            .into(),
        format!("send PSYNC {old} 501"),
        format!("continue_history as {new}"),
        "enter_stream".into(),
        "entered Connected".into(),
        "synced: Partial Resynchronization accepted".into(),
        "send REPLCONF ACK 500 FACK 450".into(),
    ];
    assert_eq!(play.node.calls, expected);
    assert_eq!(play.node.executed, ["SET a 1"]);
    assert_eq!(play.node.journaled, [(Kind::Effect, set.clone())]);
    assert_eq!(play.node.input, set.len());
    let told = [
        "Connecting to MASTER primary:6379",
        "MASTER <-> REPLICA sync started",
        &format!("Trying a partial resynchronization (request {old}:501)."),
        "Successful partial resynchronization with master.",
    ];
    assert_eq!(lines, told);
    let figures = play.link.figures();
    assert!(play.link.is_up() && figures.was_up && figures.down_since_ms.is_none());
    assert_eq!(figures.received, at(OWN_END + set.len() as u64));
}

#[test]
fn an_old_primary_knows_no_options_and_says_no_name() {
    let moves = [
        Timer,
        Connected,
        says("+PONG\r\n"),
        says("-ERR unknown command\r\n-ERR unknown command\r\n"),
        says("+CONTINUE\r\n"),
    ];
    let (play, _) = transcript(Node::new, &moves);
    assert!(play.link.is_up());
    assert!(play.node.calls.contains(&"continue_history".to_string()));
    assert_eq!(play.node.history, id(1));
}

/// What fails, in which words; whether the next attempt asks for everything, and when it begins.
#[test]
fn what_is_no_welcome_ends_the_attempt() {
    let ping = "Error reply to PING from master: '-MISCONF disk'";
    let auth = "Unable to AUTH to MASTER: -WRONGPASS invalid";
    let loading =
        "Master is currently unable to PSYNC but should be in the future: LOADING Redis is loading";
    let no_link =
        "Master is currently unable to PSYNC but should be in the future: NOMASTERLINK Can't SYNC";
    let refused = "Error reply to PSYNC from master: '-ERR unknown command'";
    let nonsense = "Unexpected reply to PSYNC from master: '+HELLO'";
    let cases: &[(&[&str], &str, bool)] = &[
        (&["-MISCONF disk\r\n"], ping, false),
        (&["+PONG\r\n", "-WRONGPASS invalid\r\n"], auth, false),
        (&["+PONG\r\n", "+OK\r\n+OK\r\n+OK\r\n", "-LOADING Redis is loading\r\n"], loading, false),
        (&["+PONG\r\n", "+OK\r\n+OK\r\n+OK\r\n", "-NOMASTERLINK Can't SYNC\r\n"], no_link, false),
        (&["+PONG\r\n", "+OK\r\n+OK\r\n+OK\r\n", "-ERR unknown command\r\n"], refused, true),
        (&["+PONG\r\n", "+OK\r\n+OK\r\n+OK\r\n", "+HELLO\r\n"], nonsense, false),
    ];
    for (lines, reason, starts_over) in cases {
        let mut moves = vec![Timer, Connected];
        moves.extend(lines.iter().map(|line| says(line)));
        let make = || Node { credentials: Some((String::new(), "secret".into())), ..Node::new() };
        let (mut play, told) = transcript(make, &moves);
        assert_eq!(play.reason(), *reason);
        assert_eq!(told.last().map(String::as_str), Some(*reason));
        assert_eq!(play.link.stage(), Stage::Connect);
        let end = ["leave_stream", "entered Connect", "close"];
        assert!(play.node.calls.ends_with(&end.map(String::from)), "{:?}", play.node.calls);
        assert_eq!(play.link.next_timer_ms(), Some(START_MS + 1000));
        let told = play.play_all(&[Timer, Connected], Cut::Nowhere);
        let asks = told.iter().any(|line| line.starts_with("Trying a partial"));
        assert_eq!(asks, !starts_over, "{reason}");
    }
}

#[test]
fn nobody_goes_on_without_a_position() {
    let make = || Node { has_position: false, ..Node::new() };
    let (play, told) = transcript(make, &going_on());
    assert!(play.node.calls.contains(&"send PSYNC ? -1".to_string()));
    assert!(told.contains(&"Partial resynchronization not possible (no cached master)".into()));
    assert_eq!(play.reason(), "Unexpected reply to PSYNC from master: '+CONTINUE'");
}

#[test]
fn a_line_without_end_ends_the_attempt() {
    let longest = crate::handshake::LINE_MAX;
    let mut play = Play::new(Node::new());
    let line = format!("-{}", "x".repeat(longest - 1));
    play.play_all(&[Timer, Connected, says(&line)], Cut::Every(1000));
    assert_eq!(play.link.stage(), Stage::Handshake, "it may end with the next byte");
    play.play_all(&[says("x")], Cut::Nowhere);
    assert_eq!(play.reason(), "MASTER sent a line of more than 4096 bytes");
    // The same in one piece, also where its end is there.
    let whole = format!("{line}x\r\n");
    let mut play = Play::new(Node::new());
    play.play_all(&[Timer, Connected, says(&whole)], Cut::Nowhere);
    assert_eq!(play.reason(), "MASTER sent a line of more than 4096 bytes");
}

#[test]
fn a_header_without_end_ends_the_attempt() {
    let header = format!("${}", "1".repeat(transfer::HEADER_MAX));
    let moves = &full_sync(&header)[..6];
    let (play, _) = transcript(Node::new, moves);
    assert_eq!(play.reason(), "MASTER sent a line of more than 256 bytes");
}
