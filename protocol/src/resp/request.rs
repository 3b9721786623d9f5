//! Requests: an incremental parser whose arguments stay in the read buffer.
//!
//! One call takes as many requests as the buffer holds (a batch). A request that is not complete yet is remembered
//! with what was understood of it: bytes are looked at once and arguments noted once, however small the pieces they come in.
//!
//! Inline requests are unescaped in place: their text never gets longer.
//!
//! # Source
//! - `networking` chapter of the RESP specification; limits and error texts of Redis 7.2

use crate::number::parse_i64;
use memchr::memchr;
use std::ops::Index;

/// The longest header line or inline request, in bytes. Source: `PROTO_INLINE_MAX_SIZE` of Redis.
pub const LINE_MAX: usize = 64 * 1024;
/// The most arguments of a request. Source: Redis 7.0 (earlier 1024 * 1024).
pub const ARGC_MAX: i64 = i32::MAX as i64;
/// The most bytes of a buffer of requests: a [`Span`] has 32 bits. Limits that can be configured stay below by more than what
/// is read at once.
pub const BUFFER_MAX: usize = u32::MAX as usize - 1;
/// Before authentication: the most arguments, and the longest one in bytes. Source: Redis 6.2.
pub const UNAUTHENTICATED_ARGC_MAX: i64 = 10;
/// See [`UNAUTHENTICATED_ARGC_MAX`].
pub const UNAUTHENTICATED_BULK_MAX: i64 = 16384;

/// Bytes of a line's end. Inline requests may end in LF alone; a header may not, since the bytes of a request in array
/// form go on to files and replicas as they are, and Redis refuses them there.
const CRLF: usize = 2;

/// A part of the read buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Length in bytes.
    pub len: u32,
}

/// The arguments of one request, the command's name included.
#[derive(Clone, Copy)]
pub struct Args<'a> {
    bytes: &'a [u8],
    spans: &'a [Span],
}

impl<'a> Args<'a> {
    /// Arguments that lie in `bytes` at `spans`.
    #[inline]
    pub fn new(bytes: &'a [u8], spans: &'a [Span]) -> Self {
        Args { bytes, spans }
    }

    /// Where they lie.
    pub fn spans(&self) -> &'a [Span] {
        self.spans
    }

    /// The bytes that they lie in.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// How many there are, the name included.
    #[inline]
    #[expect(clippy::len_without_is_empty, reason = "a request always has a name")]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// One argument, with the lifetime of the buffer.
    ///
    /// # Panics
    /// If there is no such argument: arity is checked before a handler runs.
    #[inline]
    pub fn at(&self, index: usize) -> &'a [u8] {
        let span = self.spans[index];
        &self.bytes[span.start as usize..span.start as usize + span.len as usize]
    }

    /// One argument, if it is there.
    pub fn get(&self, index: usize) -> Option<&'a [u8]> {
        (index < self.spans.len()).then(|| self.at(index))
    }

    /// All from `from` on.
    pub fn iter_from(self, from: usize) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone {
        let spans = self.spans.get(from..).unwrap_or(&[]);
        let bytes = self.bytes;
        spans.iter().map(move |s| &bytes[s.start as usize..s.start as usize + s.len as usize])
    }

    /// The arguments from `from` on, as a request of their own.
    pub fn tail(self, from: usize) -> Args<'a> {
        Args { bytes: self.bytes, spans: &self.spans[from..] }
    }
}

impl Index<usize> for Args<'_> {
    type Output = [u8];
    #[inline]
    fn index(&self, index: usize) -> &[u8] {
        self.at(index)
    }
}

/// Arguments that own their bytes: queued in a transaction, or made by the server itself.
#[derive(Clone, Default)]
pub struct OwnedArgs {
    bytes: Vec<u8>,
    spans: Vec<Span>,
}

impl OwnedArgs {
    /// A copy of some arguments.
    pub fn of<'a>(args: impl Iterator<Item = &'a [u8]>) -> OwnedArgs {
        let mut owned = OwnedArgs::default();
        args.for_each(|bytes| owned.push(bytes));
        owned
    }

    /// Adds one argument.
    pub fn push(&mut self, bytes: &[u8]) {
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(bytes);
        self.spans.push(Span { start, len: bytes.len() as u32 });
    }

    /// The arguments.
    pub fn args(&self) -> Args<'_> {
        Args::new(&self.bytes, &self.spans)
    }

    /// Bytes held.
    pub fn memory_bytes(&self) -> usize {
        self.bytes.capacity() + self.spans.capacity() * size_of::<Span>()
    }
}

/// A complete request in a batch.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    first: u32,
    argc: u32,
    /// Where the request's bytes begin in the buffer.
    pub start: u32,
    /// Where they end.
    pub end: u32,
    /// Whether it came as an array, so that its bytes can be passed on as they are.
    pub array: bool,
}

/// The requests that one call found.
#[derive(Default)]
pub struct Batch {
    spans: Vec<Span>,
    requests: Vec<Request>,
}

impl Batch {
    /// The requests.
    #[inline]
    pub fn requests(&self) -> &[Request] {
        &self.requests
    }

    /// Gives back what an unusually large batch has left.
    pub fn trim(&mut self) {
        self.clear();
        self.spans.shrink_to(1024);
        self.requests.shrink_to(1024);
    }

    /// The arguments of one of them.
    #[inline]
    pub fn args<'a>(&'a self, buffer: &'a [u8], request: &Request) -> Args<'a> {
        let first = request.first as usize;
        Args::new(buffer, &self.spans[first..first + request.argc as usize])
    }

    /// Adds a request in array form that another reader has found at `start..end` of the buffer, by the places of its
    /// arguments: those of an append-only file obey looser rules than clients do.
    #[inline]
    pub fn push(
        &mut self,
        start: usize,
        end: usize,
        args: impl ExactSizeIterator<Item = (usize, usize)>,
    ) {
        assert!(end <= BUFFER_MAX, "the buffer is bounded below 4 GiB");
        let (first, argc) = (self.spans.len() as u32, args.len() as u32);
        self.spans
            .extend(args.map(|(from, to)| Span { start: from as u32, len: (to - from) as u32 }));
        self.requests.push(Request {
            first,
            argc,
            start: start as u32,
            end: end as u32,
            array: true,
        });
    }

    /// Forgets the requests that begin at `offset` of the buffer or later.
    pub fn truncate_at(&mut self, offset: usize) {
        while let Some(request) = self.requests.pop_if(|request| request.start as usize >= offset) {
            self.spans.truncate(request.first as usize);
        }
    }

    /// Forgets all, and gives back memory that one huge request took.
    pub fn clear(&mut self) {
        self.requests.clear();
        self.spans.clear();
        if self.spans.capacity() > 64 * 1024 {
            self.spans = Vec::new();
        }
    }
}

/// Why a connection cannot go on: the text of the error reply, after `Protocol error: `.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtocolError {
    /// The reason, in Redis's words.
    pub text: String,
    /// Whether it looks like a browser that was tricked into talking to us: closed without a reply.
    pub attack: bool,
}

impl ProtocolError {
    fn new(text: impl Into<String>) -> Self {
        ProtocolError { text: text.into(), attack: false }
    }
}

/// What applies to one connection.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The longest argument, in bytes (`proto-max-bulk-len`).
    pub bulk_max: i64,
    /// Whether the client has proven who it is; others get tight limits.
    pub authenticated: bool,
}

/// What is known of a request that is not complete.
#[derive(Default)]
pub struct Parser {
    /// How far the buffer has been understood, from the start of the unfinished request.
    position: usize,
    /// Arguments still to come; `None` before the request's first line is complete.
    missing: Option<u32>,
    /// Length of the argument whose bytes come next.
    bulk: Option<usize>,
    /// How far there is no end of the line that comes next, from the start of the unfinished request.
    searched: usize,
    /// Its arguments so far, from its start. They move to the batch when it is complete.
    partial: Vec<Span>,
}

/// Room for arguments of unfinished requests that a connection keeps.
const PARTIAL_KEPT: usize = 1024;

enum Line {
    /// Offset after the LF, and the end of the text before CR LF.
    Whole {
        next: usize,
        end: usize,
    },
    Unfinished,
    TooLong,
}

/// The line that begins at `from`; up to `searched` there is no end of it.
fn line(buffer: &[u8], from: usize, searched: usize) -> Line {
    let begin = from.max(searched).min(buffer.len());
    let most = buffer.len().min(from + LINE_MAX + 1);
    let unseen = buffer.get(begin..most).unwrap_or(&[]);
    let found = memchr(b'\n', unseen);
    #[cfg(test)]
    tests::note_work(found.map_or(unseen.len(), |at| at + 1));
    match found {
        Some(at) => {
            let at = begin + at;
            let end = if at > from && buffer[at - 1] == b'\r' { at - 1 } else { at };
            Line::Whole { next: at + 1, end }
        }
        None if buffer.len() - from > LINE_MAX => Line::TooLong,
        None => Line::Unfinished,
    }
}

impl Parser {
    /// Whether a part of a request has been taken in.
    pub fn is_inside(&self) -> bool {
        self.missing.is_some()
    }

    /// Bytes that complete the unfinished request, beyond those of which the buffer has `have`: known once its last argument
    /// has begun, 0 before.
    pub fn wanted(&self, have: usize) -> usize {
        match self.bulk {
            Some(len) if self.missing == Some(1) => (self.position + len + 2).saturating_sub(have),
            _ => 0,
        }
    }

    /// Bytes that complete the argument that has begun, beyond those of which the buffer has `have`; 0 if none has.
    pub fn wanted_by_argument(&self, have: usize) -> usize {
        self.bulk.map_or(0, |len| (self.position + len + 2).saturating_sub(have))
    }

    /// Bytes of the unfinished request that have been understood.
    pub fn understood(&self) -> usize {
        self.position
    }

    /// Bytes that its arguments take until it is finished.
    pub fn memory_bytes(&self) -> usize {
        self.partial.capacity() * size_of::<Span>()
    }

    /// Finds the complete requests in `buffer`, at most `most`, and adds them to `batch`.
    ///
    /// Returns how many bytes of the buffer they take: the caller drops these once the batch is done, and calls
    /// again with the rest in front. An error belongs after the requests found before it.
    pub fn parse(
        &mut self,
        buffer: &mut [u8],
        bounds: Bounds,
        most: usize,
        batch: &mut Batch,
    ) -> (usize, Result<(), ProtocolError>) {
        assert!(buffer.len() <= BUFFER_MAX, "the query buffer is bounded below 4 GiB");
        let mut start = 0;
        while batch.requests.len() < most && start + self.position < buffer.len() {
            let first = batch.spans.len();
            let resumed = self.missing.is_some();
            match self.one(buffer, start, bounds, batch) {
                Ok(Some((end, array))) => {
                    if resumed {
                        self.complete(start, batch);
                    }
                    let argc = batch.spans.len() - first;
                    if argc > 0 {
                        batch.requests.push(Request {
                            first: first as u32,
                            argc: argc as u32,
                            start: start as u32,
                            end: end as u32,
                            array,
                        });
                    }
                    start = end;
                    (self.position, self.missing, self.bulk, self.searched) = (0, None, None, 0);
                }
                Ok(None) => {
                    // What one that goes on has found is in its place already.
                    let unfinished = batch.spans.drain(first..);
                    #[cfg(test)]
                    tests::note_work(unfinished.len());
                    let shift = start as u32;
                    self.partial.extend(unfinished.map(|s| Span { start: s.start - shift, ..s }));
                    break;
                }
                Err(error) => {
                    batch.spans.truncate(first);
                    return (start, Err(error));
                }
            }
        }
        (start, Ok(()))
    }

    /// The request at `start` that came in pieces is complete: its arguments join the others of the batch.
    fn complete(&mut self, start: usize, batch: &mut Batch) {
        #[cfg(test)]
        tests::note_work(self.partial.len());
        let shift = start as u32;
        let arguments = self.partial.drain(..).map(|s| Span { start: s.start + shift, ..s });
        batch.spans.extend(arguments);
        if self.partial.capacity() > PARTIAL_KEPT {
            self.partial = Vec::new();
        }
    }

    /// Goes on with the request at `start`. Returns its end when it is complete, and whether it is an array.
    #[inline]
    fn one(
        &mut self,
        buffer: &mut [u8],
        start: usize,
        bounds: Bounds,
        batch: &mut Batch,
    ) -> Result<Option<(usize, bool)>, ProtocolError> {
        let mut at = start + self.position;
        let resumed = self.missing.is_some();
        if !resumed {
            if buffer[start] != b'*' {
                return self.inline(buffer, start, batch);
            }
            let (next, argc) = match short_number(buffer, start + 1) {
                Some(found) => found,
                None => match self.head(buffer, start)? {
                    Some(found) => found,
                    None => return Ok(None),
                },
            };
            if argc > UNAUTHENTICATED_ARGC_MAX && !bounds.authenticated {
                return Err(ProtocolError::new("unauthenticated multibulk length"));
            }
            at = next;
            self.missing = Some(argc.max(0) as u32);
            self.position = at - start;
        }
        let mut missing = self.missing.expect("set above");
        while missing > 0 {
            let len = match self.bulk {
                Some(len) => len,
                None => {
                    let searched = start + self.searched;
                    let Some((next, len)) = bulk_len(buffer, at, searched, bounds)? else {
                        self.missing = Some(missing);
                        self.position = at - start;
                        self.searched = buffer.len() - start;
                        return Ok(None);
                    };
                    at = next;
                    len
                }
            };
            if buffer.len() < at + len + 2 {
                (self.missing, self.bulk) = (Some(missing), Some(len));
                self.position = at - start;
                return Ok(None);
            }
            if buffer[at + len] != b'\r' || buffer[at + len + 1] != b'\n' {
                return Err(ProtocolError::new("invalid CRLF in request"));
            }
            let span = Span { start: at as u32, len: len as u32 };
            if resumed {
                self.partial.push(Span { start: span.start - start as u32, ..span });
            } else {
                batch.spans.push(span);
            }
            self.bulk = None;
            at += len + 2;
            missing -= 1;
        }
        Ok(Some((at, true)))
    }

    fn head(&mut self, buffer: &[u8], start: usize) -> Result<Option<(usize, i64)>, ProtocolError> {
        match line(buffer, start, start + self.searched) {
            Line::Unfinished => {
                self.searched = buffer.len() - start;
                Ok(None)
            }
            Line::TooLong => Err(ProtocolError::new("too big mbulk count string")),
            Line::Whole { next, end } => match parse_i64(&buffer[start + 1..end]) {
                Some(argc) if argc <= ARGC_MAX && next - end == CRLF => Ok(Some((next, argc))),
                _ => Err(ProtocolError::new("invalid multibulk length")),
            },
        }
    }

    fn inline(
        &mut self,
        buffer: &mut [u8],
        start: usize,
        batch: &mut Batch,
    ) -> Result<Option<(usize, bool)>, ProtocolError> {
        let (next, end) = match line(buffer, start, start + self.searched) {
            Line::Unfinished => {
                self.searched = buffer.len() - start;
                return Ok(None);
            }
            Line::TooLong => return Err(ProtocolError::new("too big inline request")),
            Line::Whole { next, end } => (next, end),
        };
        let first = batch.spans.len();
        split_inline(buffer, start, end, &mut batch.spans)
            .map_err(|UnbalancedQuotes| ProtocolError::new("unbalanced quotes in request"))?;
        if let Some(span) = batch.spans.get(first) {
            let word = &buffer[span.start as usize..][..span.len as usize];
            if word.eq_ignore_ascii_case(b"POST") || word.eq_ignore_ascii_case(b"Host:") {
                let text = "possible cross protocol scripting".to_string();
                return Err(ProtocolError { text, attack: true });
            }
        }
        Ok(Some((next, false)))
    }
}

/// The header of the argument at `at`: where its bytes begin, and how many there are.
#[inline]
fn bulk_len(
    buffer: &[u8],
    at: usize,
    searched: usize,
    bounds: Bounds,
) -> Result<Option<(usize, usize)>, ProtocolError> {
    let Some(kind) = buffer.get(at) else { return Ok(None) };
    if *kind == b'$'
        && let Some((next, len)) = short_number(buffer, at + 1)
    {
        return Ok(Some((next, len as usize)));
    }
    match line(buffer, at, searched) {
        Line::Unfinished => Ok(None),
        Line::TooLong => Err(ProtocolError::new("too big bulk count string")),
        Line::Whole { .. } if *kind != b'$' => {
            let got = if kind.is_ascii_graphic() || *kind == b' ' { *kind as char } else { '?' };
            Err(ProtocolError::new(format!("expected '$', got '{got}'")))
        }
        Line::Whole { next, end } => match parse_i64(&buffer[at + 1..end]) {
            Some(len) if (0..=bounds.bulk_max).contains(&len) && next - end == CRLF => {
                if len > UNAUTHENTICATED_BULK_MAX && !bounds.authenticated {
                    return Err(ProtocolError::new("unauthenticated bulk length"));
                }
                Ok(Some((next, len as usize)))
            }
            _ => Err(ProtocolError::new("invalid bulk length")),
        },
    }
}

/// A number of one to four digits followed by CR LF, the common case. Anything else is left to the careful path.
#[inline]
fn short_number(buffer: &[u8], at: usize) -> Option<(usize, i64)> {
    let mut value = 0i64;
    let rest = buffer.get(at..)?;
    for (index, byte) in rest.iter().take(5).enumerate() {
        match byte {
            b'0' if index == 0 && rest.get(1) != Some(&b'\r') => return None,
            b'0'..=b'9' if index < 4 => value = value * 10 + (byte - b'0') as i64,
            b'\r' if index > 0 && rest.get(index + 1) == Some(&b'\n') => {
                return Some((at + index + 2, value));
            }
            _ => return None,
        }
    }
    None
}

fn hex(byte: u8) -> Option<u8> {
    (byte as char).to_digit(16).map(|digit| digit as u8)
}

/// A quote was opened and not closed, or something follows directly behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnbalancedQuotes;

/// Splits a line into words as a shell would, unescaping in place: `"…"` knows `\n \r \t \b \a \xHH`, `'…'` knows `\'`.
///
/// A closing quote must be followed by a blank or the end. The line is good for nothing after an error.
pub fn split_inline(
    buffer: &mut [u8],
    start: usize,
    end: usize,
    spans: &mut Vec<Span>,
) -> Result<(), UnbalancedQuotes> {
    let blank = |byte: u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c | 0);
    let mut read = start;
    loop {
        while read < end && blank(buffer[read]) {
            read += 1;
        }
        if read == end {
            return Ok(());
        }
        let first = read;
        let mut write = read;
        while read < end && !blank(buffer[read]) {
            let quote = buffer[read];
            if quote != b'"' && quote != b'\'' {
                buffer[write] = quote;
                (read, write) = (read + 1, write + 1);
                continue;
            }
            read += 1;
            loop {
                if read >= end {
                    return Err(UnbalancedQuotes);
                }
                let byte = buffer[read];
                if byte == quote {
                    read += 1;
                    if read < end && !blank(buffer[read]) {
                        return Err(UnbalancedQuotes);
                    }
                    break;
                }
                let (value, taken) = unescape(&buffer[read..end], quote);
                buffer[write] = value;
                (read, write) = (read + taken, write + 1);
            }
        }
        spans.push(Span { start: first as u32, len: (write - first) as u32 });
    }
}

/// The byte that a quoted text begins with, and how many bytes it takes.
fn unescape(text: &[u8], quote: u8) -> (u8, usize) {
    match (quote, text) {
        (b'"', [b'\\', b'x', high, low, ..]) if hex(*high).is_some() && hex(*low).is_some() => {
            (hex(*high).unwrap_or(0) << 4 | hex(*low).unwrap_or(0), 4)
        }
        (b'"', [b'\\', escaped, ..]) => {
            let value = match escaped {
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'b' => 8,
                b'a' => 7,
                other => *other,
            };
            (value, 2)
        }
        (b'\'', [b'\\', b'\'', ..]) => (b'\'', 2),
        _ => (text[0], 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    thread_local! {
        /// Bytes that were searched for the end of a line, and arguments that were moved.
        static WORK: Cell<usize> = const { Cell::new(0) };
    }

    pub(super) fn note_work(amount: usize) {
        WORK.set(WORK.get() + amount);
    }

    const OPEN: Bounds = Bounds { bulk_max: 512 << 20, authenticated: true };

    fn whole(bytes: &[u8]) -> (Vec<Vec<Vec<u8>>>, Result<(), ProtocolError>) {
        pieces(bytes, bytes.len().max(1))
    }

    /// Parses bytes that arrive in pieces of `size`.
    fn pieces(bytes: &[u8], size: usize) -> (Vec<Vec<Vec<u8>>>, Result<(), ProtocolError>) {
        let (mut parser, mut buffer, mut found) = (Parser::default(), Vec::new(), Vec::new());
        for piece in bytes.chunks(size) {
            buffer.extend_from_slice(piece);
            let mut batch = Batch::default();
            let (used, result) = parser.parse(&mut buffer, OPEN, usize::MAX, &mut batch);
            for request in batch.requests() {
                let args = batch.args(&buffer, request);
                found.push(args.iter_from(0).map(<[u8]>::to_vec).collect());
                if request.array {
                    let mut again = Vec::new();
                    encode(&mut again, args);
                    assert_eq!(again, &buffer[request.start as usize..request.end as usize]);
                }
            }
            buffer.drain(..used);
            if result.is_err() {
                return (found, result);
            }
        }
        (found, Ok(()))
    }

    fn encode(out: &mut Vec<u8>, args: Args<'_>) {
        crate::resp::encode::command(out, args.iter_from(0));
    }

    #[test]
    fn requests_are_the_same_however_they_are_cut() {
        let bytes = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*0\r\nPING\r\n\r\n*-1\r\n\
            *3\r\n$3\r\nSET\r\n$0\r\n\r\n$12\r\nhello\r\nworld\r\nset \"a\\x41\\n\" 'it\\'s' plain\n";
        let (expected, result) = whole(bytes);
        assert_eq!(result, Ok(()));
        let words = |w: &[&[u8]]| w.iter().map(|b| b.to_vec()).collect::<Vec<_>>();
        assert_eq!(
            expected,
            [
                words(&[b"GET", b"k"]),
                words(&[b"PING"]),
                words(&[b"SET", b"", b"hello\r\nworld"]),
                words(&[b"set", b"aA\n", b"it's", b"plain"]),
            ]
        );
        for size in 1..bytes.len() {
            assert_eq!(pieces(bytes, size).0, expected, "pieces of {size}");
        }
    }

    /// Whatever the pieces, no byte is searched twice and no argument moved more than twice.
    #[test]
    fn work_is_linear_in_bytes_and_arguments_however_they_come() {
        let many = [&b"*20000\r\n"[..], &b"$3\r\nabc\r\n".repeat(20_000)].concat();
        let long_headers =
            [&b"*3000\r\n"[..], &b"$10000\r\n"[..], &[b'x'; 10_000], b"\r\n"].concat();
        let inline = [&[b'a'; LINE_MAX - 2][..], b"\r\n"].concat();
        let tiny = b"PING\r\n*1\r\n$4\r\nPING\r\n".repeat(5_000);
        let padded = [&b"*1\r\n$"[..], &[b'0'; LINE_MAX - 10]].concat();
        for (name, bytes) in [
            ("many arguments", many),
            ("a long argument", long_headers),
            ("a long inline request", inline),
            ("tiny requests", tiny),
            ("a long header", padded),
        ] {
            for size in [1, 16, 4096] {
                WORK.set(0);
                pieces(&bytes, size).1.expect("good requests");
                let work = WORK.get();
                assert!(work <= 2 * bytes.len(), "{name} by {size}: {work} for {}", bytes.len());
            }
        }
    }

    #[test]
    fn errors_have_the_texts_of_redis() {
        let long = [&b"*"[..], &[b'1'; LINE_MAX + 10]].concat();
        let line = vec![b'a'; LINE_MAX + 10];
        let bulk = [&b"*1\r\n$"[..], &[b'1'; LINE_MAX + 10]].concat();
        let cases: [(&[u8], &str); 15] = [
            (b"*1\n$4\r\nPING\r\n", "invalid multibulk length"),
            (b"*1\r\n$4\nPING\r\n", "invalid bulk length"),
            (b"*3000000000\r\n", "invalid multibulk length"),
            (b"*x\r\n", "invalid multibulk length"),
            (b"*+1\r\n", "invalid multibulk length"),
            (b"*1\r\n$-1\r\n", "invalid bulk length"),
            (b"*1\r\n$2000000000\r\n", "invalid bulk length"),
            (b"*1\r\n$01\r\nx\r\n", "invalid bulk length"),
            (b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n", "expected '$', got 'f'"),
            (b"*1\r\n$1\r\nxyz", "invalid CRLF in request"),
            (b"set \"x\r\n", "unbalanced quotes in request"),
            (b"set \"x\"y\r\n", "unbalanced quotes in request"),
            (&long, "too big mbulk count string"),
            (&line, "too big inline request"),
            (&bulk, "too big bulk count string"),
        ];
        for (bytes, text) in cases {
            let error = whole(bytes).1.unwrap_err();
            assert_eq!((error.text.as_str(), error.attack), (text, false));
        }
        assert!(whole(b"POST / HTTP/1.1\r\n").1.unwrap_err().attack);
    }

    #[test]
    fn requests_before_an_error_are_found() {
        let (found, result) = whole(b"PING\r\n*1\r\n$4\r\nECHO\r\n*1\r\n!\r\n");
        assert_eq!((found.len(), result.is_err()), (2, true));
    }

    #[test]
    fn strangers_get_tight_limits() {
        let closed = Bounds { authenticated: false, ..OPEN };
        for (bytes, text) in [
            (&b"*11\r\n"[..], "unauthenticated multibulk length"),
            (b"*1\r\n$16385\r\n", "unauthenticated bulk length"),
        ] {
            let mut bytes = bytes.to_vec();
            let result = Parser::default().parse(&mut bytes, closed, 9, &mut Batch::default()).1;
            assert_eq!(result.unwrap_err().text, text);
        }
    }
}
