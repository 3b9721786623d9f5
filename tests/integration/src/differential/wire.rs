//! A connection that shows replies as they are: a client library would hide what differs.

use crate::node::Node;
use crate::wait::TIMEOUT;
use std::fmt;
use std::io::{BufReader, Read, Write};
use std::net::TcpStream;

/// A reply. Texts are bytes: doubles and nulls are told apart as they were spelled.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reply {
    Simple(Vec<u8>),
    Error(Vec<u8>),
    Integer(i64),
    Bulk(Vec<u8>),
    NullBulk,
    NullArray,
    Null,
    Double(String),
    Boolean(bool),
    Verbatim(Vec<u8>),
    Array(Vec<Reply>),
    Set(Vec<Reply>),
    Push(Vec<Reply>),
    Map(Vec<Reply>),
}

impl Reply {
    /// Whether it is an error.
    pub fn is_error(&self) -> bool {
        matches!(self, Reply::Error(_))
    }

    /// What it consists of: nothing if it is no aggregate.
    pub fn elements(&self) -> &[Reply] {
        match self {
            Reply::Array(all) | Reply::Set(all) | Reply::Push(all) | Reply::Map(all) => all,
            _ => &[],
        }
    }

    /// The bytes of a text; nothing for what is none.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Reply::Bulk(text) | Reply::Simple(text) | Reply::Error(text) => text,
            _ => &[],
        }
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = |name: &str, all: &[Reply]| {
            f.write_str(name)?;
            f.debug_list().entries(all).finish()
        };
        match self {
            Reply::Simple(text) => write!(f, "+{}", text.escape_ascii()),
            Reply::Error(text) => write!(f, "-{}", text.escape_ascii()),
            Reply::Integer(number) => write!(f, ":{number}"),
            Reply::Bulk(text) => write!(f, "\"{}\"", text.escape_ascii()),
            Reply::NullBulk => f.write_str("nil"),
            Reply::NullArray => f.write_str("nil[]"),
            Reply::Null => f.write_str("null"),
            Reply::Double(text) => write!(f, ",{text}"),
            Reply::Boolean(value) => write!(f, "#{value}"),
            Reply::Verbatim(text) => write!(f, "={}", text.escape_ascii()),
            Reply::Array(all) => list("", all),
            Reply::Set(all) => list("~", all),
            Reply::Push(all) => list(">", all),
            Reply::Map(all) => list("%", all),
        }
    }
}

/// A connection to a server.
pub struct Wire {
    name: &'static str,
    stream: BufReader<TcpStream>,
}

impl Wire {
    /// Connects to `node`, which failures call `name`.
    pub fn new(name: &'static str, node: &Node) -> Wire {
        let stream = TcpStream::connect(("127.0.0.1", node.port())).expect("a server that listens");
        stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
        stream.set_write_timeout(Some(TIMEOUT)).expect("a timeout");
        stream.set_nodelay(true).expect("a socket of TCP");
        Wire { name, stream: BufReader::new(stream) }
    }

    /// Sends requests without waiting for replies.
    pub fn send<'a>(&mut self, requests: impl Iterator<Item = &'a [Vec<u8>]>) {
        let mut bytes = Vec::new();
        for words in requests {
            bytes.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
            for word in words {
                bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
                bytes.extend_from_slice(word);
                bytes.extend_from_slice(b"\r\n");
            }
        }
        let sent = self.stream.get_mut().write_all(&bytes);
        sent.unwrap_or_else(|error| panic!("sending to {}: {error}", self.name));
    }

    /// Sends one request and reads its reply.
    pub fn ask(&mut self, words: &[Vec<u8>]) -> Reply {
        self.send([words].into_iter());
        self.reply()
    }

    /// The same from a line of words.
    pub fn ask_line(&mut self, line: &str) -> Reply {
        let words: Vec<Vec<u8>> = line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        self.ask(&words)
    }

    /// Reads a reply.
    pub fn reply(&mut self) -> Reply {
        let line = self.line();
        let (kind, rest) = line.split_first().unwrap_or_else(|| panic!("{}: no type", self.name));
        let text = String::from_utf8_lossy(rest).into_owned();
        let number = || text.parse::<i64>().unwrap_or_else(|_| panic!("{}: {text}", self.name));
        match kind {
            b'+' => Reply::Simple(rest.to_vec()),
            b'-' => Reply::Error(rest.to_vec()),
            b':' => Reply::Integer(number()),
            b'_' => Reply::Null,
            b',' => Reply::Double(text),
            b'#' => Reply::Boolean(text == "t"),
            b'$' if number() == -1 => Reply::NullBulk,
            b'*' if number() == -1 => Reply::NullArray,
            b'$' => Reply::Bulk(self.bulk(number())),
            b'=' => Reply::Verbatim(self.bulk(number())),
            b'*' => Reply::Array(self.several(number())),
            b'~' => Reply::Set(self.several(number())),
            b'>' => Reply::Push(self.several(number())),
            b'%' => Reply::Map(self.several(number() * 2)),
            _ => panic!("{} replied {}", self.name, line.escape_ascii()),
        }
    }

    fn several(&mut self, count: i64) -> Vec<Reply> {
        (0..count).map(|_| self.reply()).collect()
    }

    fn bulk(&mut self, len: i64) -> Vec<u8> {
        let mut bytes = vec![0; len as usize + 2];
        self.stream.read_exact(&mut bytes).unwrap_or_else(|e| panic!("{}: {e}", self.name));
        assert!(bytes.ends_with(b"\r\n"), "{}: a bulk ends otherwise", self.name);
        bytes.truncate(len as usize);
        bytes
    }

    fn line(&mut self) -> Vec<u8> {
        use std::io::BufRead;
        let mut line = Vec::new();
        let read = self.stream.read_until(b'\n', &mut line);
        read.unwrap_or_else(|error| panic!("reading from {}: {error}", self.name));
        assert!(line.ends_with(b"\r\n"), "{} ended the connection", self.name);
        line.truncate(line.len() - 2);
        line
    }
}
