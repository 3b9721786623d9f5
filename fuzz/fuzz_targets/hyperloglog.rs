//! HyperLogLogs made of any bytes, as SET and SETRANGE can make them: PFCOUNT, PFADD, PFMERGE and PFDEBUG answer or
//! refuse, and leave alone what they refuse. Where the bytes are a HyperLogLog, its registers behave as an array of
//! maxima does, in either form, and what changes keeps the form valid.
//!
//! ```text
//! input:  kind u8 | elements u8 | elements … | len u8 | len bytes of one body | bytes of another body
//! ```

#![no_main]

use engine::Engine;
use fuzzing::Input;
use fuzzing::client::Client;
use keyspace::hyperloglog::{self as hll, DENSE_BYTES, Encoding, REGISTERS};
use keyspace::limits::Limits;
use libfuzzer_sys::fuzz_target;
use protocol::listpack::Value as Text;
use std::cell::RefCell;

thread_local! {
    static CLIENT: RefCell<Client> = RefCell::new(Client::new(Limits::DEFAULT));
}

type Registers = Vec<u8>;

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let kind = input.byte();
    let count = input.below(4);
    let elements: Vec<Vec<u8>> = (0..count).map(|_| input.element()).collect();
    let len = usize::from(input.byte());
    let first = string_of(kind & 7, input.take(len));
    let second = string_of(kind >> 3 & 7, input.0);
    CLIENT.with_borrow_mut(|client| {
        let most = if len & 1 == 0 { 3000 } else { 60 };
        client.engine.limits = Limits { hll_sparse_max_bytes: most, ..Limits::DEFAULT };
        forget(&mut client.engine);
        run(
            client,
            (&first, &second),
            &elements,
            kind & 0x40 != 0,
            kind & 0x80 != 0 && len & 7 == 7,
        );
    });
});

/// All keys, and what was drawn by chance.
fn forget(engine: &mut Engine) {
    if !engine.dbs[0].is_empty() {
        engine.dbs[0] = keyspace::db::Db::new();
    }
}

fn string_of(kind: u8, body: &[u8]) -> Vec<u8> {
    // Magic, form, three bytes without meaning, the count that is kept.
    let header = |form: u8, stale: u8| {
        let mut bytes = b"HYLL\0\0\0\0".to_vec();
        bytes[4] = form;
        bytes.extend_from_slice(&[9, 0, 0, 0, 0, 0, 0, stale]);
        bytes
    };
    match kind {
        // As it comes.
        0 => body.to_vec(),
        // Runs as they come, with and without a count.
        1 => [header(1, 0), body.to_vec()].concat(),
        2 => [header(1, 0x80), body.to_vec()].concat(),
        // Dense, what comes again and again.
        3 => {
            let mut bytes = header(0, 0x80);
            let fill = if body.is_empty() { &[0][..] } else { body };
            bytes.extend(fill.iter().cycle().take(DENSE_BYTES - bytes.len()));
            bytes
        }
        // Dense, but not as long as it has to be.
        4 => [header(0, 0x80), body.to_vec()].concat(),
        // Runs as they come, filled up so that they are all registers.
        _ => {
            let mut bytes = header(1, 0x80);
            bytes.extend_from_slice(body);
            let mut left = REGISTERS.saturating_sub(hll::runs(&bytes).map(|r| r.registers()).sum());
            while left > 0 {
                let run = left.min(if kind == 5 { 16384 } else { 64 });
                match run {
                    65.. => bytes.extend([0x40 | ((run - 1) >> 8) as u8, (run - 1) as u8]),
                    _ => bytes.push((run - 1) as u8),
                }
                left -= run;
            }
            bytes
        }
    }
}

/// The registers, read as plainly as can be; `None` if the bytes are no HyperLogLog.
fn registers(bytes: &[u8]) -> Option<Registers> {
    let body = bytes.get(16..).filter(|_| bytes.starts_with(b"HYLL"))?;
    match bytes[4] {
        0 if bytes.len() == DENSE_BYTES => {
            // Six bits each, the lowest first, across the bytes.
            let byte = |at: usize| u16::from(body.get(at).copied().unwrap_or(0));
            let register = |index: usize| {
                let (at, shift) = (index * 6 / 8, index * 6 % 8);
                ((byte(at) | byte(at + 1) << 8) >> shift) as u8 & 63
            };
            Some((0..REGISTERS).map(register).collect())
        }
        1 => {
            let mut all = Registers::with_capacity(REGISTERS);
            let mut body = body.iter();
            while let Some(&head) = body.next() {
                let (rank, len) = match head >> 6 {
                    0 => (0, usize::from(head) + 1),
                    1 => (0, (usize::from(head & 63) << 8 | usize::from(*body.next()?)) + 1),
                    _ => ((head >> 2 & 31) + 1, usize::from(head & 3) + 1),
                };
                if all.len() + len > REGISTERS {
                    return None;
                }
                all.resize(all.len() + len, rank);
            }
            (all.len() == REGISTERS).then_some(all)
        }
        _ => None,
    }
}

/// Whether the last run lacks its second byte. It is taken for 0, as Redis takes it, but only where it is not changed:
/// such a string is both sound and not.
fn is_cut(bytes: &[u8]) -> bool {
    hll::encoding(bytes) == Some(Encoding::Sparse)
        && matches!(hll::runs(bytes).last(), Some(hll::Run::WideZeros(_)))
        && 16 + hll::runs(bytes).map(|run| 1 + usize::from(is_wide(run))).sum::<usize>()
            > bytes.len()
}

fn is_wide(run: hll::Run) -> bool {
    matches!(run, hll::Run::WideZeros(_))
}

fn run(
    client: &mut Client,
    (first, second): (&[u8], &[u8]),
    elements: &[Vec<u8>],
    merge: bool,
    wide: bool,
) {
    assert_eq!(client.call(&[b"SET", b"a", first]), b"+OK\r\n");
    assert_eq!(client.call(&[b"SET", b"b", second]), b"+OK\r\n");
    if is_cut(first) || is_cut(second) {
        let mut words: Vec<&[u8]> = vec![b"PFADD", b"a"];
        words.extend(elements.iter().map(Vec::as_slice));
        client.call(&words);
        for line in
            ["PFCOUNT a", "PFCOUNT a b", "PFMERGE c a b", "PFMERGE b a", "PFDEBUG TODENSE b"]
        {
            client.line(line);
        }
        return;
    }
    match merge {
        false => count_and_add(client, first, elements),
        true => merge_both(client, second, &[registers(first), registers(second)]),
    }
    if wide {
        client.call(&[b"PFDEBUG", b"GETREG", b"a"]);
        client.call(&[b"PFDEBUG", b"DECODE", b"a"]);
        client.call(&[b"PFDEBUG", b"TODENSE", b"b"]);
        client.call(&[b"PFADD", b"b", b"more"]);
        client.call(&[b"PFMERGE", b"c", b"a", b"b"]);
    }
}

fn count_and_add(client: &mut Client, first: &[u8], elements: &[Vec<u8>]) {
    let sound = registers(first);
    let counted = client.call(&[b"PFCOUNT", b"a"]).to_vec();
    if sound.is_some() {
        assert!(counted.starts_with(b":"), "{}", counted.escape_ascii());
        let kept = first[15] & 0x80 == 0;
        let expected = if kept { 9 } else { hll::count(first).expect("it is sound") };
        // Ranks that no element has can count beyond what a reply can say: it is negative then, as in Redis.
        assert_eq!(counted, format!(":{}\r\n", expected as i64).into_bytes());
        assert_eq!(client.call(&[b"PFCOUNT", b"a"]), counted, "and again, from what is kept");
    }
    // A count may have been written; nothing else.
    let before = string(client, b"a");
    let mut words: Vec<&[u8]> = vec![b"PFADD", b"a"];
    words.extend(elements.iter().map(Vec::as_slice));
    let reply = client.call(&words).to_vec();
    let after = string(client, b"a");
    match sound {
        Some(old) => {
            let mut new = old.clone();
            for element in elements {
                let (index, rank) = hll::place(element);
                new[index] = new[index].max(rank);
            }
            assert_eq!(reply, if new == old { b":0\r\n" } else { b":1\r\n" });
            assert_eq!(registers(&after), Some(new), "maxima after PFADD");
        }
        None if reply.starts_with(b"-") => assert_eq!(after, before, "what is refused stays"),
        None => {}
    }
}

fn merge_both(client: &mut Client, second: &[u8], sound: &[Option<Registers>; 2]) {
    let both = client.call(&[b"PFCOUNT", b"a", b"b"]);
    assert_eq!(both.starts_with(b":"), sound.iter().all(Option::is_some));
    let reply = client.call(&[b"PFMERGE", b"b", b"a"]).to_vec();
    let bytes = string(client, b"b");
    let [Some(left), Some(right)] = sound else {
        assert!(reply.starts_with(b"-"));
        assert_eq!(bytes, second, "what is refused stays");
        return;
    };
    assert_eq!(reply, b"+OK\r\n");
    let most: Registers = left.iter().zip(right).map(|(a, b)| *a.max(b)).collect();
    assert_eq!(registers(&bytes).as_ref(), Some(&most), "maxima after PFMERGE");
    let dense = match hll::encoding(&bytes) {
        Some(Encoding::Sparse) => hll::to_dense(&bytes).expect("it is sound"),
        _ => bytes.clone(),
    };
    assert_eq!(hll::dense_registers(&dense).as_slice(), most);
    assert_eq!(hll::count(&bytes), hll::count(&dense), "the forms count alike");
    assert_eq!(registers(&dense), Some(most));
}

fn string(client: &Client, key: &[u8]) -> Vec<u8> {
    let entry = client.entry(key).expect("it was set");
    match entry.value() {
        keyspace::entry::ValueRef::Str(Text::Bytes(bytes)) => bytes.to_vec(),
        keyspace::entry::ValueRef::Str(text) => text.to_vec(),
        other => panic!("{other:?} is no string"),
    }
}
