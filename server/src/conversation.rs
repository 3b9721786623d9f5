//! Conversations with other servers: what MIGRATE asks for, over connections that are kept for the next one.
//!
//! Everything here waits for the network, and the process with it, as Redis does for MIGRATE: each step for no longer
//! than the request's timeout.
//!
//! # Invariants
//! - a kept connection has no answer outstanding: after an interruption it is closed
//!
//! # Not here
//! - which keys move, and what becomes of them: `engine::family::transfer`

use crate::clock;
use engine::host::{Answers, Conversation, Interruption};
use protocol::resp::encode;
use rand::seq::IteratorRandom;
use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// The most connections kept.
const KEPT: usize = 64;
/// How long an unused one is kept, milliseconds.
const IDLE_MS: u64 = 10_000;
/// Bytes that are sent as one step.
const CHUNK: usize = 64 << 10;
/// The longest answer, in bytes: a line that says OK or what is wrong.
const LONGEST_LINE: usize = 64 << 10;

/// Connections to other servers.
#[derive(Default)]
pub struct OtherServers(HashMap<Name, Connection>);

/// Host and port, as the request names them.
type Name = (Vec<u8>, Vec<u8>);

struct Connection {
    stream: BufReader<TcpStream>,
    /// The database selected there, if that is known.
    db: Option<i64>,
    /// When it was used last, on [`clock::monotonic_ms`].
    used_ms: u64,
}

/// An interruption, and whether another attempt makes sense: not if time is over, or if an answer came.
struct Broken {
    what: Interruption,
    retry: bool,
    answers: Vec<Result<(), Vec<u8>>>,
}

impl OtherServers {
    /// Sends the requests and reads their answers. A connection that has broken in the meantime is made anew, once.
    pub fn converse(&mut self, conversation: &Conversation<'_>) -> Answers {
        let name = (conversation.host.to_vec(), conversation.port.to_vec());
        let mut attempts = 2;
        loop {
            attempts -= 1;
            let mut connection = match self.0.remove(&name) {
                Some(connection) => connection,
                None => match Connection::open(conversation) {
                    Ok(connection) => connection,
                    Err(error) => {
                        tracing::debug!("MIGRATE: {error}");
                        let interruption = Some(Interruption::Connecting);
                        return Answers { answers: Vec::new(), interruption };
                    }
                },
            };
            match connection.converse(conversation) {
                Ok(answers) => {
                    self.keep(name, connection);
                    return Answers { answers, interruption: None };
                }
                Err(broken) if broken.retry && attempts > 0 => {}
                Err(Broken { what, answers, .. }) => {
                    return Answers { answers, interruption: Some(what) };
                }
            }
        }
    }

    /// How many connections are kept.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Closes what was not used for a while.
    pub fn close_idle(&mut self) {
        let now = clock::monotonic_ms();
        self.0.retain(|_, connection| now - connection.used_ms <= IDLE_MS);
    }

    fn keep(&mut self, name: Name, mut connection: Connection) {
        if self.0.len() >= KEPT
            && let Some(one) = self.0.keys().choose(&mut rand::rng()).cloned()
        {
            self.0.remove(&one);
        }
        connection.used_ms = clock::monotonic_ms();
        self.0.insert(name, connection);
    }
}

impl Connection {
    fn open(conversation: &Conversation<'_>) -> io::Result<Connection> {
        let text = |bytes| std::str::from_utf8(bytes).map_err(|_| ErrorKind::InvalidInput);
        let port = text(conversation.port)?.parse().map_err(|_| ErrorKind::InvalidInput)?;
        let host: (&str, u16) = (text(conversation.host)?, port);
        let limit = Deadline::after(conversation.timeout_ms);
        let mut error = io::Error::from(ErrorKind::AddrNotAvailable);
        for address in host.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, limit.left()?) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    let stream = BufReader::new(stream);
                    return Ok(Connection { stream, db: None, used_ms: clock::monotonic_ms() });
                }
                Err(reason) => error = reason,
            }
        }
        Err(error)
    }

    fn converse(
        &mut self,
        conversation: &Conversation<'_>,
    ) -> Result<Vec<Result<(), Vec<u8>>>, Broken> {
        let selects = self.db != Some(conversation.db);
        let mut before = Vec::new();
        if let Some((user, password)) = conversation.auth {
            let words = [Some(&b"AUTH"[..]), user, Some(password)];
            let words: Vec<_> = words.into_iter().flatten().collect();
            encode::command(&mut before, words.into_iter());
        }
        if selects {
            let db = conversation.db.to_string();
            encode::command(&mut before, [&b"SELECT"[..], db.as_bytes()].into_iter());
        }
        // Unknown until every answer has been good.
        self.db = None;
        let sent = self.send(&before, conversation.timeout_ms);
        sent.and_then(|()| self.send(conversation.requests, conversation.timeout_ms))
            .map_err(|error| Broken::new(Interruption::Writing, &error, Vec::new()))?;

        // One error of these is the error of all.
        let mut spoiled = None;
        let answers_before = usize::from(conversation.auth.is_some()) + usize::from(selects);
        for _ in 0..answers_before {
            let answer = self.answer(conversation.timeout_ms);
            let answer =
                answer.map_err(|error| Broken::new(Interruption::Reading, &error, Vec::new()))?;
            spoiled = spoiled.or(answer.err());
        }
        let mut answers = Vec::with_capacity(conversation.count);
        for _ in 0..conversation.count {
            match self.answer(conversation.timeout_ms) {
                Ok(answer) => answers.push(spoiled.clone().map_or(answer, Err)),
                Err(error) => return Err(Broken::new(Interruption::Reading, &error, answers)),
            }
        }
        if answers.iter().all(Result::is_ok) {
            self.db = Some(conversation.db);
        }
        Ok(answers)
    }

    fn send(&mut self, bytes: &[u8], timeout_ms: u64) -> io::Result<()> {
        for chunk in bytes.chunks(CHUNK) {
            let limit = Deadline::after(timeout_ms);
            let (stream, mut rest) = (self.stream.get_mut(), chunk);
            while !rest.is_empty() {
                stream.set_write_timeout(Some(limit.left()?))?;
                match stream.write(rest) {
                    Ok(0) => return Err(ErrorKind::WriteZero.into()),
                    Ok(sent) => rest = &rest[sent..],
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// A line: well, or an error's text.
    fn answer(&mut self, timeout_ms: u64) -> io::Result<Result<(), Vec<u8>>> {
        let (limit, mut line) = (Deadline::after(timeout_ms), Vec::new());
        loop {
            self.stream.get_ref().set_read_timeout(Some(limit.left()?))?;
            let bytes = match self.stream.fill_buf() {
                Ok([]) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(bytes) => bytes,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let end = memchr::memchr(b'\n', bytes);
            let taken = end.map_or(bytes.len(), |at| at + 1);
            line.extend_from_slice(&bytes[..taken]);
            self.stream.consume(taken);
            if end.is_some() {
                break;
            }
            if line.len() > LONGEST_LINE {
                return Err(ErrorKind::InvalidData.into());
            }
        }
        let line = line.trim_ascii_end();
        Ok(line.strip_prefix(b"-").map_or(Ok(()), |text| Err(text.to_vec())))
    }
}

impl Broken {
    fn new(what: Interruption, error: &io::Error, answers: Vec<Result<(), Vec<u8>>>) -> Broken {
        tracing::debug!("MIGRATE: {error}");
        let late = matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock);
        Broken { what, retry: !late && answers.is_empty(), answers }
    }
}

/// A moment until which something may take, on [`clock::monotonic_ms`].
struct Deadline(u64);

impl Deadline {
    fn after(ms: u64) -> Deadline {
        Deadline(clock::monotonic_ms().saturating_add(ms))
    }

    /// What is left of it, never nothing.
    fn left(&self) -> io::Result<Duration> {
        match self.0.saturating_sub(clock::monotonic_ms()) {
            0 => Err(ErrorKind::TimedOut.into()),
            left => Ok(Duration::from_millis(left)),
        }
    }
}
