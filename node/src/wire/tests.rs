//! The socket half on a thread of its own: only a batch goes to the node, only bytes and receipts come back.

use super::Half;
use crate::requests::Answered;
use crate::testing;
use journal::release::OnDisk;
use journal::{Position, Receipt};
use protocol::resp::queue::Slices;
use protocol::resp::request::Bounds;
use protocol::resp::{Batch, encode};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

/// What goes from a socket half to the node.
struct Asked {
    session: usize,
    bytes: Vec<u8>,
    batch: Batch,
}

/// What comes back.
struct Told {
    asked: Asked,
    replies: Vec<u8>,
    answered: Answered,
    released: OnDisk,
}

const BOUNDS: Bounds = Bounds { bulk_max: 1 << 20, authenticated: true };

/// Requests whose answers depend on all that were before them.
fn requests(session: usize, count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut say = |words: &[&str]| {
        encode::command(&mut bytes, words.iter().map(|word| word.as_bytes()));
    };
    let key = format!("k{session}");
    for number in 0..count {
        let value = "x".repeat(number * 7 % 300);
        match number % 5 {
            0 => say(&["APPEND", &key, &value]),
            1 => say(&["INCR", &format!("n{session}")]),
            2 => say(&["GETRANGE", &key, "0", "-1"]),
            3 => say(&["MULTI"]),
            _ => say(&["EXEC"]),
        }
    }
    bytes
}

/// The pieces in which they come: of all lengths.
fn pieces(bytes: &[u8], seed: usize) -> Vec<Vec<u8>> {
    let (mut rest, mut pieces, mut step) = (bytes, Vec::new(), seed);
    while !rest.is_empty() {
        step = (step * 31 + 17) % 997;
        let (piece, behind) = rest.split_at(rest.len().min(1 + step % 120));
        pieces.push(piece.to_vec());
        rest = behind;
    }
    pieces
}

/// What may leave of a half's output.
fn take_free(half: &mut Half, released: OnDisk) -> Vec<u8> {
    let mut left = Vec::new();
    loop {
        let (free, _) = half.free_output(released);
        let mut slices = Slices::default();
        half.output_slices(free, &mut slices);
        let taken: Vec<u8> = slices.get().iter().flat_map(|slice| slice.to_vec()).collect();
        if taken.is_empty() {
            return left;
        }
        half.advance_output(taken.len());
        left.extend(taken);
    }
}

/// The life of a socket half, on whatever thread: takes in pieces, asks the node, and returns all that left, with what was
/// kept back when the pieces were over.
fn serve(
    session: usize,
    incoming: Vec<Vec<u8>>,
    ask: &mut dyn FnMut(Asked) -> Told,
) -> (Vec<u8>, Half) {
    let (mut half, mut sent) = (Half::default(), Vec::new());
    for piece in incoming {
        let mut bytes = {
            let mut input = half.take_input();
            let mut all = input.unexecuted().to_vec();
            all.extend(piece);
            all
        };
        loop {
            let mut batch = Batch::default();
            let parsed = half.parse(&mut bytes, BOUNDS, &mut batch);
            assert!(parsed.error.is_none());
            let mut told = ask(Asked { session, bytes, batch });
            let Asked { batch, bytes: back, .. } = told.asked;
            let used = half.executed(&parsed, &batch, &told.answered, &mut told.replies);
            if half.put_replies(&told.replies, told.answered.receipt, told.released) {
                sent.append(&mut told.replies);
            } else {
                half.keep_output(&told.replies);
                sent.extend(take_free(&mut half, told.released));
            }
            bytes = back[used..].to_vec();
            if !half.has_unexecuted() {
                break;
            }
        }
        half.keep(&bytes);
    }
    (sent, half)
}

/// A node that answers what is asked until nobody is left who could.
fn answer(asked: &Receiver<(Asked, Sender<Told>)>, released: impl Fn() -> OnDisk) -> Receipt {
    let mut node = testing::node();
    node.host.journal.start_backlog(1 << 20);
    node.see_facts();
    let slots = [node.engine.connect(), node.engine.connect(), node.engine.connect()];
    for (question, back) in asked {
        let (now, slot) = (node.host.now, slots[question.session]);
        let mut replies = Vec::new();
        let answered = node.execute(slot, &question.bytes, &question.batch, &mut replies, now);
        let told = Told { asked: question, replies, answered, released: released() };
        back.send(told).expect("its half waits");
    }
    node.host.journal.receipt()
}

/// Three sessions, each half on its own thread, the node on this one. Returns what each sent.
fn on_threads(released: impl Fn() -> OnDisk) -> (Vec<(Vec<u8>, Half)>, Receipt) {
    let (asking, asked) = channel();
    let threads: Vec<_> = (0..3)
        .map(|session| {
            let asking: Sender<(Asked, Sender<Told>)> = asking.clone();
            let incoming = pieces(&requests(session, 400), session + 3);
            thread::spawn(move || {
                let (back, told) = channel();
                serve(session, incoming, &mut |question| {
                    asking.send((question, back.clone())).expect("the node is there");
                    told.recv().expect("it answers")
                })
            })
        })
        .collect();
    drop(asking);
    let end = answer(&asked, released);
    (threads.into_iter().map(|thread| thread.join().expect("it ends well")).collect(), end)
}

/// One session, all on this thread.
fn alone(session: usize) -> Vec<u8> {
    let mut node = testing::node();
    let slot = node.engine.connect();
    let incoming = vec![requests(session, 400)];
    let mut ask = |question: Asked| {
        let (mut replies, now) = (Vec::new(), node.host.now);
        let answered = node.execute(slot, &question.bytes, &question.batch, &mut replies, now);
        Told { asked: question, replies, answered, released: OnDisk::NOT_AWAITED }
    };
    serve(session, incoming, &mut ask).0
}

#[test]
fn halves_on_other_threads_send_what_they_send_on_this_one() {
    let (sent, _) = on_threads(|| OnDisk::NOT_AWAITED);
    for (session, (bytes, half)) in sent.into_iter().enumerate() {
        assert!(half.output_is_empty() && half.is_empty());
        assert_eq!(bytes, alone(session), "session {session}");
    }
}

#[test]
fn a_half_elsewhere_keeps_back_what_the_disk_does_not_have() {
    // The disk is at its beginning until all is over.
    let (sent, end) = on_threads(|| OnDisk::up_to(Position::START));
    for (session, (mut bytes, mut half)) in sent.into_iter().enumerate() {
        assert!(bytes.is_empty(), "the first request writes, and all replies wait behind it");
        assert!(half.is_gated());
        bytes.extend(take_free(&mut half, OnDisk::up_to(end.position)));
        assert!(half.output_is_empty() && !half.is_gated());
        assert_eq!(bytes, alone(session), "session {session}");
    }
}
