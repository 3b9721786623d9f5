//! Requests of clients: the same requests and the same error however the bytes are cut; what is found as an array is the
//! one way to write it, since these bytes go on to the journal as they are; memory grows with what has come only.
//!
//! ```text
//! input:  kind u8 | cuts u8 | bytes as a client sends them
//! ```

#![no_main]

use fuzzing::client::skip_reply;
use libfuzzer_sys::fuzz_target;
use protocol::aof::{Record, parse_record};
use protocol::resp::encode::{command, quote};
use protocol::resp::request::{Bounds, split_inline};
use protocol::resp::{Args, Batch, Parser, ProtocolError};

type Words = Vec<Vec<u8>>;

fuzz_target!(|data: &[u8]| {
    let [kind, cuts, bytes @ ..] = data else { return };
    let bulk_max = if kind & 2 == 0 { 512 << 20 } else { 20_000 };
    let bounds = Bounds { bulk_max, authenticated: kind & 1 == 0 };

    let whole = parse(bytes, bounds, usize::MAX, |left| left);
    let mut state = u32::from(*cuts);
    let most = 1 + usize::from(kind >> 4);
    let cut = parse(bytes, bounds, most, |left| {
        if cuts & 3 == 0 {
            return 1;
        }
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (1 + (state >> 16) as usize % 23).min(left)
    });
    assert_eq!(whole, cut, "cut in pieces");

    // In the form of the journal they are read back by every reader there is.
    let mut journal = Vec::new();
    for words in &whole.0 {
        command(&mut journal, words.iter().map(Vec::as_slice));
        read_back(words);
    }
    let open = Bounds { bulk_max: 512 << 20, authenticated: true };
    assert_eq!(parse(&journal, open, usize::MAX, |left| left), (whole.0.clone(), None));
    let (mut rest, mut args) = (&journal[..], Vec::new());
    for words in &whole.0 {
        let Record::Command { len } = parse_record(rest, &mut args) else { panic!("a command") };
        assert!(args.iter().map(|span| span.of(rest)).eq(words.iter().map(Vec::as_slice)));
        let mut reply = &rest[..len];
        assert!(skip_reply(&mut reply) && reply.is_empty());
        rest = &rest[len..];
    }
    assert!(rest.is_empty());
});

/// Parses bytes that come in pieces, as long as `next` says, as a connection does.
fn parse(
    bytes: &[u8],
    bounds: Bounds,
    most: usize,
    mut next: impl FnMut(usize) -> usize,
) -> (Vec<Words>, Option<ProtocolError>) {
    let (mut parser, mut buffer, mut found) = (Parser::default(), Vec::new(), Vec::new());
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, later) = rest.split_at(next(rest.len()));
        rest = later;
        buffer.extend_from_slice(piece);
        loop {
            let mut batch = Batch::default();
            let (used, result) = parser.parse(&mut buffer, bounds, most, &mut batch);
            assert!(used <= buffer.len() && batch.requests().len() <= most);
            for request in batch.requests() {
                let args = batch.args(&buffer, request);
                assert!(args.len() > 0, "a request has a name");
                let raw = &buffer[request.start as usize..request.end as usize];
                assert!(request.end as usize <= used);
                if request.array {
                    let mut again = Vec::new();
                    command(&mut again, args.iter_from(0));
                    assert_eq!(again, raw, "the one way to write it");
                }
                found.push(words_of(args));
            }
            let full = batch.requests().len() == most;
            buffer.drain(..used);
            if let Err(error) = result {
                return (found, Some(error));
            }
            let wanted = parser.wanted(buffer.len()) as u64;
            assert!(wanted <= bounds.bulk_max as u64 + 2, "more than an argument is wanted");
            if !full {
                break;
            }
        }
    }
    (found, None)
}

fn words_of(args: Args<'_>) -> Words {
    args.iter_from(0).map(<[u8]>::to_vec).collect()
}

/// As an inline request with quotes, the words are read back as they were.
fn read_back(words: &Words) {
    let mut line = Vec::new();
    for word in words {
        quote(&mut line, word);
        line.push(b' ');
    }
    let (mut spans, len) = (Vec::new(), line.len());
    split_inline(&mut line, 0, len, &mut spans).expect("quotes are balanced");
    assert_eq!(&words_of(Args::new(&line, &spans)), words);
}
