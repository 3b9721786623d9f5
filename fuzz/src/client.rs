//! A server with one client: the engine, a host that keeps nothing, requests in and reply bytes out.

use engine::context::{Context, Done};
use engine::host::{Answers, Conversation, EntryKind, HostCall, Interruption, LogLevel, Receipt};
use engine::{Engine, Host, Refusal, Session};
use keyspace::db::EntryRef;
use keyspace::limits::Limits;
use keyspace::table::hash_bytes;
use protocol::resp::Args;
use protocol::resp::request::{OwnedArgs, split_inline};

/// A host that takes everything and gives nothing.
struct Nowhere;

impl Host for Nowhere {
    fn journal(&mut self, _: (usize, usize), _: EntryKind, unit: &[u8]) -> Receipt {
        let mut rest = unit;
        while !rest.is_empty() {
            assert!(skip_reply(&mut rest), "a unit is made of whole commands");
        }
        Receipt::default()
    }

    fn ticks_ns(&mut self) -> u64 {
        0
    }

    fn excess_bytes(&mut self) -> u64 {
        0
    }

    fn converse(&mut self, _: &Conversation<'_>) -> Answers {
        Answers { interruption: Some(Interruption::Connecting), ..Answers::default() }
    }

    fn log(&mut self, _: LogLevel, _: &str) {}

    fn secret(&mut self) -> [u8; 20] {
        [7; 20]
    }

    fn describe(&self, _: &Session, _: i64) -> String {
        String::new()
    }

    fn disconnect(&mut self, engine: &mut Engine, slot: usize) {
        engine.withdraw(slot);
    }

    fn perform(&mut self, _: HostCall, _: &mut Context<'_>, _: Args<'_>) -> Result<Done, Refusal> {
        Err(Refusal::fixed("ERR there is no host"))
    }
}

/// A server with one client.
pub struct Client {
    /// The server.
    pub engine: Engine,
    slot: usize,
    out: Vec<u8>,
}

impl Client {
    /// On an empty server whose journal is read. Always the same one.
    pub fn new(limits: Limits) -> Self {
        let mut engine = Engine::new(1, 42);
        engine.limits = limits;
        engine.nobody_reads = false;
        engine.now_ms = 1_700_000_000_000;
        let slot = engine.connect();
        Self { engine, slot, out: Vec::new() }
    }

    /// Executes a request and gives the bytes of its reply, which is one whole reply.
    pub fn call(&mut self, words: &[&[u8]]) -> &[u8] {
        let args = OwnedArgs::of(words.iter().copied());
        let mut session = self.engine.take_session(self.slot);
        self.out.clear();
        self.engine.execute_one(&mut Nowhere, &mut session, args.args(), &mut self.out);
        self.engine.return_session(session);
        let mut rest = &self.out[..];
        let whole = skip_reply(&mut rest) && rest.is_empty();
        assert!(whole, "one reply: {}", self.out.escape_ascii());
        &self.out
    }

    /// The same with a line, as an inline request.
    pub fn line(&mut self, line: &str) -> &[u8] {
        let mut buffer = line.as_bytes().to_vec();
        let (mut spans, len) = (Vec::new(), buffer.len());
        split_inline(&mut buffer, 0, len, &mut spans).expect("quotes are balanced");
        let words: Vec<&[u8]> = Args::new(&buffer, &spans).iter_from(0).collect();
        self.call(&words)
    }

    /// What a request answers, if that is a bulk string.
    pub fn bulk(&mut self, words: &[&[u8]]) -> Option<Vec<u8>> {
        let reply = self.call(words);
        let end = reply.windows(2).position(|pair| pair == b"\r\n")? + 2;
        let is_text = reply.first() == Some(&b'$') && !reply.starts_with(b"$-");
        is_text.then(|| reply[end..reply.len() - 2].to_vec())
    }

    /// What is under a key.
    pub fn entry(&self, key: &[u8]) -> Option<EntryRef<'_>> {
        self.engine.dbs[0].get(hash_bytes(key), key)
    }
}

/// Takes one reply, of version 2 or 3, off the front. Returns whether there was a whole one.
pub fn skip_reply(rest: &mut &[u8]) -> bool {
    let mut missing = 1_u64;
    while missing > 0 {
        missing -= 1;
        let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") else { return false };
        let (line, behind) = (&rest[..end], &rest[end + 2..]);
        let [kind, line @ ..] = line else { return false };
        *rest = behind;
        let number = || std::str::from_utf8(line).ok().and_then(|text| text.parse::<i64>().ok());
        match kind {
            b'+' | b'-' | b',' | b'(' | b'_' | b'#' => {}
            b':' => {
                if number().is_none() {
                    return false;
                }
            }
            b'$' | b'=' | b'!' => match number() {
                Some(-1) => {}
                Some(len @ 0..) => {
                    let len = len as usize;
                    if rest.get(len..len + 2) != Some(b"\r\n") {
                        return false;
                    }
                    *rest = &rest[len + 2..];
                }
                _ => return false,
            },
            b'*' | b'~' | b'>' | b'%' => match number() {
                Some(-1) => {}
                Some(count @ 0..) => missing += count as u64 * if *kind == b'%' { 2 } else { 1 },
                _ => return false,
            },
            _ => return false,
        }
    }
    true
}
