//! Transcripts: a stream, cut at every byte.

use super::*;
use protocol::resp::encode;

const DATABASES: usize = 4;

/// Keeps what it gets, and executes like an engine would: transactions at their EXEC.
#[derive(Default)]
struct Recorder {
    /// Bytes journaled, and of these what is for the disk.
    stream: Vec<u8>,
    disk: Vec<u8>,
    db: usize,
    /// Names that were executed outside transactions or by EXEC.
    executed: Vec<String>,
    queue: Option<Vec<String>>,
    /// A name that is refused.
    refuses: Option<&'static str>,
    /// It is left out, and what is behind it goes on.
    skips: bool,
}

impl Target for Recorder {
    fn execute(&mut self, _start: Offset, bytes: &[u8], batch: &Batch) -> Executed {
        let mut done = Executed::all(batch);
        for (index, request) in batch.requests().iter().enumerate() {
            let name = String::from_utf8_lossy(batch.args(bytes, request).at(0)).into_owned();
            if self.refuses.is_some_and(|refused| refused == name) {
                if self.skips {
                    done.skipped.push(Skipped::Request(index));
                    continue;
                }
                done.count = index;
                done.end = Err(Refused { text: name, torn: false });
                return done;
            }
            match (name.as_str(), &mut self.queue) {
                ("MULTI", _) => self.queue = Some(Vec::new()),
                ("EXEC", queue) => {
                    let queued = queue.take().unwrap_or_default();
                    for (place, name) in queued.into_iter().enumerate() {
                        match name == "LATE" {
                            true => done.skipped.push(Skipped::Queued(index, place)),
                            false => self.executed.push(name),
                        }
                    }
                }
                ("DISCARD", _) => self.queue = None,
                (_, Some(queue)) => queue.push(name),
                (_, None) => self.executed.push(name),
            }
        }
        done
    }

    fn journal(&mut self, kind: Kind, bytes: &[u8]) {
        if kind != Kind::Local {
            self.stream.extend_from_slice(bytes);
        }
        if kind != Kind::Control {
            self.disk.extend_from_slice(bytes);
        }
    }

    fn end_batch(&mut self, db: Option<usize>) {
        self.db = db.unwrap_or(self.db);
    }
}

fn stream(commands: &[&[&str]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for words in commands {
        encode::command(&mut bytes, words.iter().map(|word| word.as_bytes()));
    }
    bytes
}

/// A stream with all that moves its state.
fn all_kinds() -> Vec<Vec<u8>> {
    let commands: &[&[&str]] = &[
        &["SET", "a", "1"],
        &["ping"],
        &["SELECT", "2"],
        &["SET", "b", "2"],
        &["MULTI"],
        &["SET", "c", "3"],
        &["SELECT", "3"],
        &["PUBLISH", "news", "inside"],
        &["SET", "d", "4"],
        &["EXEC"],
        &["publish", "news", "outside"],
        &["SET", "e", "5"],
        &["REPLCONF", "GETACK", "*"],
        &["MULTI"],
        &["SELECT", "1"],
        &["DISCARD"],
        &["select", "0"],
        &["MULTI"],
        &["INCR", "f"],
        &["EXEC"],
        &["SPUBLISH", "shard", "x"],
    ];
    commands.iter().map(|command| stream(&[command])).collect()
}

/// Reads a prefix of the commands in the plainest way: the offset, the database and the bytes of the open transaction
/// behind the last unit that is whole.
fn reference(commands: &[Vec<u8>], cut: usize, start_db: usize) -> (usize, usize, usize) {
    let (mut at, mut applied, mut db) = (0, 0, start_db);
    let mut inside: Option<usize> = None;
    for command in commands {
        if at + command.len() > cut {
            break;
        }
        at += command.len();
        let text = String::from_utf8(command.clone()).unwrap().to_uppercase();
        let words: Vec<&str> = text.split("\r\n").skip(2).step_by(2).collect();
        match words[0] {
            "MULTI" => inside = Some(db),
            "EXEC" => db = inside.take().unwrap_or(db),
            "DISCARD" => inside = None,
            "SELECT" => {
                let to = words[1].parse().unwrap();
                match &mut inside {
                    Some(inside) => *inside = to,
                    None => db = to,
                }
            }
            _ => {}
        }
        if inside.is_none() {
            applied = at;
        }
    }
    (applied, db, at - applied)
}

fn at(number: usize) -> Offset {
    Offset::from_wire(number as u64).unwrap()
}

fn intake(offset: usize, db: usize) -> Intake {
    Intake::new(StreamPoint::at(at(offset), db, DATABASES))
}

#[test]
fn the_position_is_that_of_a_plain_reader_at_every_cut() {
    let commands = all_kinds();
    let whole = commands.concat();
    let mut uncut = Recorder::default();
    intake(0, 1).take(&mut whole.clone(), &mut uncut).unwrap();
    assert_eq!(uncut.stream, whole);
    for cut in 0..=whole.len() {
        let (offset, db, open) = reference(&commands, cut, 1);
        for size in [1, 7, whole.len()] {
            let (mut target, mut first) = (Recorder { db: 1, ..Recorder::default() }, intake(0, 1));
            let mut buffer = Vec::new();
            for piece in whole[..cut].chunks(size) {
                buffer.extend_from_slice(piece);
                first.take(&mut buffer, &mut target).unwrap();
                assert_eq!(first.point().applied, at(target.stream.len()));
            }
            assert_eq!(target.stream, whole[..offset], "at {cut} in pieces of {size}");
            assert_eq!((target.db, first.point().db()), (db, db), "at {cut}");
            assert_eq!(first.open_bytes(), open, "at {cut}");
            // The connection ends here; what came of an open transaction comes again on the next one.
            target.queue = None;
            let mut second = intake(offset, db);
            second.take(&mut whole[offset..].to_vec(), &mut target).unwrap();
            assert_eq!(target.stream, whole);
            assert_eq!((target.db, &target.disk), (uncut.db, &uncut.disk));
            assert_eq!(target.executed, uncut.executed, "at {cut}: each once");
        }
    }
}

#[test]
fn an_acknowledgement_excludes_the_question() {
    let commands = all_kinds();
    let asked = commands[..12].concat().len();
    let acks = intake(100, 0).take(&mut commands.concat(), &mut Recorder::default());
    assert_eq!(acks, Ok(vec![at(100 + asked)]));
}

#[test]
fn what_is_control_is_not_for_the_disk() {
    let mut target = Recorder::default();
    intake(0, 0).take(&mut all_kinds().concat(), &mut target).unwrap();
    let text = String::from_utf8(target.disk).unwrap().to_uppercase();
    assert!(!text.contains("PING") && !text.contains("OUTSIDE") && !text.contains("SHARD"));
    assert!(text.contains("INSIDE"), "a transaction is whole");
}

#[test]
fn a_refused_command_stops_the_stream_before_it() {
    let commands = [
        stream(&[&["SET", "a", "1"]]),
        stream(&[&["SELECT", "2"]]),
        stream(&[&["NEWER", "b"]]),
        stream(&[&["SELECT", "3"]]),
        stream(&[&["SET", "c", "1"]]),
    ];
    let before = commands[..2].concat();
    for size in 1..=commands.concat().len() {
        let mut target = Recorder { refuses: Some("NEWER"), ..Recorder::default() };
        let (mut stream, mut buffer, mut end) = (intake(10, 0), Vec::new(), Ok(Vec::new()));
        for piece in commands.concat().chunks(size) {
            buffer.extend_from_slice(piece);
            end = stream.take(&mut buffer, &mut target);
            if end.is_err() {
                break;
            }
        }
        let refused = Refused { text: "NEWER".into(), torn: false };
        let offset = at(10 + before.len());
        assert_eq!(end, Err(StreamError::Refused { offset, refused }));
        assert!(!end.unwrap_err().loses_position());
        assert_eq!((target.stream, target.db), (before.clone(), 2));
    }
}

#[test]
fn a_refused_command_in_a_transaction_stops_before_the_transaction() {
    let before = stream(&[&["SELECT", "2"], &["SET", "a", "1"]]);
    let mut bytes =
        [&before[..], &stream(&[&["MULTI"], &["SET", "b", "1"], &["NEWER"], &["EXEC"]])].concat();
    let mut target = Recorder { refuses: Some("NEWER"), ..Recorder::default() };
    let error = intake(0, 0).take(&mut bytes, &mut target).unwrap_err();
    assert!(matches!(error, StreamError::Refused { offset, .. } if offset == at(before.len())));
    assert_eq!((target.stream, target.db), (before, 2));
    assert_eq!(target.executed, ["SELECT", "SET"]);
}

#[test]
fn a_database_that_is_not_there_stops_the_stream_before_it() {
    let before = stream(&[&["SELECT", "3"], &["SET", "a", "1"]]);
    for inside in [false, true] {
        let multi = if inside { stream(&[&["MULTI"]]) } else { Vec::new() };
        let rest = stream(&[&["SELECT", "4"], &["SET", "b", "1"]]);
        let mut target = Recorder::default();
        let mut bytes = [&before[..], &multi, &rest].concat();
        let error = intake(0, 0).take(&mut bytes, &mut target).unwrap_err();
        assert!(error.to_string().contains(&format!("at offset {}", before.len())), "{error}");
        assert_eq!((target.stream, target.db), (before.clone(), 3));
        assert_eq!(target.executed, ["SELECT", "SET"]);
    }
}

#[test]
fn what_is_no_command_loses_the_position() {
    let good = stream(&[&["SET", "a", "1"]]);
    for bad in [&b"PING\r\n"[..], b"\r\n", b"*0\r\n", b"*-1\r\n", b"+OK\r\n", b"*1\r\n:3\r\n"] {
        for tail in [&good[..], b""] {
            let mut bytes = [&good[..], bad, tail].concat();
            let result = intake(0, 0).take(&mut bytes, &mut Recorder::default());
            let error = result.expect_err(&String::from_utf8_lossy(bad));
            assert!(matches!(error, StreamError::Protocol(_)) && error.loses_position());
        }
    }
}

#[test]
fn what_is_left_out_goes_to_replicas_and_not_to_the_disk() {
    let commands: &[&[&str]] = &[
        &["SET", "a", "1"],
        &["NEWER", "x"],
        &["ping"],
        &["MULTI"],
        &["SET", "b", "1"],
        &["NEWER", "y"],
        &["SELECT", "2"],
        &["LATE", "z"],
        &["SET", "c", "1"],
        &["EXEC"],
        &["NEWER", "last"],
        &["MULTI"],
        &["NEWER", "alone"],
        &["EXEC"],
        &["SET", "d", "1"],
    ];
    let whole = stream(commands);
    let known = commands.iter().filter(|words| !matches!(words[0], "NEWER" | "LATE" | "ping"));
    let known: Vec<&[&str]> = known.copied().collect();
    for size in 1..=whole.len() {
        let (mut target, mut intake) = (Recorder::default(), intake(0, 1));
        (target.refuses, target.skips, target.db) = (Some("NEWER"), true, 1);
        let mut buffer = Vec::new();
        for piece in whole.chunks(size) {
            buffer.extend_from_slice(piece);
            intake.take(&mut buffer, &mut target).unwrap();
            assert_eq!(intake.point().applied, at(target.stream.len()));
        }
        assert_eq!(target.stream, whole, "in pieces of {size}");
        assert_eq!(target.disk, stream(&known), "in pieces of {size}");
        assert_eq!(target.db, 2);
    }
}
