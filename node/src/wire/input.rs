//! What a connection keeps of its input: half a request, or requests that could not be executed yet.
//!
//! ```text
//! bytes:  [ executed | unfinished, or not executed yet | room ]
//!         0          start                             len    capacity
//! ```
//!
//! Executed bytes stay until they are at least as many as what follows them; then that is moved to the front. Room is
//! added in proportion to what is there. So each byte is moved a bounded number of times, however small the pieces in
//! which it comes and however many requests lie before it. Up to 4 MiB there is room for what a client announces, as in
//! Redis, where it counts for `maxmemory-clients` from then on; a buffer is not sized by more than that alone.
//!
//! # Not here
//! - where requests begin and end: [`protocol::resp::Parser`], which works once on every byte as well

/// Bytes read at once.
pub const READ_BYTES: usize = 64 * 1024;
/// Bytes for which there is room at least when more is read. Less than is added at once, or each byte would add some.
const ROOM_LEAST: usize = 4 * 1024;
/// The least that is added, in bytes.
const GROWTH_LEAST: usize = 16 * 1024;
/// The most that is read at once when a long argument is on its way, and that an announcement alone makes room for.
pub const READ_MAX: usize = 4 * 1024 * 1024;
/// Up to here a buffer doubles; beyond, it grows by a quarter.
const DOUBLES_UP_TO: usize = 1024 * 1024;
/// An empty buffer that is larger is given back: there are many connections.
const KEPT_BYTES: usize = 16 * 1024;

/// The buffer.
#[derive(Default)]
pub struct Input {
    bytes: Vec<u8>,
    start: usize,
    /// Bytes copied from one place to another.
    #[cfg(test)]
    moved: usize,
}

impl Input {
    /// How many bytes there are that were not executed.
    #[inline]
    pub fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Bytes allocated beyond those that were not executed.
    #[inline]
    pub fn room(&self) -> usize {
        self.bytes.capacity() - self.len()
    }

    /// What was not executed.
    #[inline]
    pub fn unexecuted(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..]
    }

    /// The first `used` of these bytes were executed.
    pub fn consume(&mut self, used: usize) {
        self.start += used;
        assert!(self.start <= self.bytes.len(), "only what is there can be executed");
        if self.start == self.bytes.len() {
            self.bytes.clear();
            self.start = 0;
            if self.bytes.capacity() > KEPT_BYTES {
                self.bytes = Vec::new();
            }
        } else if self.start >= self.len() {
            self.move_to_front();
        }
    }

    /// Keeps what was read into another buffer and could not be executed. `wanted` more bytes complete an argument, 0 if
    /// none has begun.
    pub fn keep(&mut self, left: &[u8], wanted: usize) {
        assert!(self.is_empty(), "later bytes are read behind these");
        if self.bytes.capacity() < left.len() {
            self.bytes = Vec::with_capacity(left.len() + wanted.min(READ_MAX));
        }
        self.bytes.extend_from_slice(left);
        self.note_moved(left.len());
    }

    /// Makes room for the next bytes; `wanted` complete a request, 0 if that is not known, and `argument` an argument of it.
    /// Returns the buffer that they are to be appended to, and how many of them at most; `None` if there is no memory for
    /// any.
    pub fn make_room(&mut self, wanted: usize, argument: usize) -> Option<(&mut Vec<u8>, usize)> {
        // No more than the request needs, if that is known: what comes behind it would have to be moved.
        let least = if argument == 0 { ROOM_LEAST } else { argument.min(ROOM_LEAST) };
        if self.bytes.capacity() - self.bytes.len() < least {
            self.move_to_front();
            let len = self.bytes.len();
            let growth = if len < DOUBLES_UP_TO { len } else { len / 4 };
            let more = match wanted {
                // Never less than in proportion: there may be many arguments.
                0 => growth.max(GROWTH_LEAST).max(argument.min(READ_MAX)),
                _ => wanted.min(growth.max(READ_MAX)),
            };
            if self.bytes.capacity() - len < more {
                self.note_moved(len);
                let room = self.bytes.try_reserve_exact(more);
                room.or_else(|_| self.bytes.try_reserve_exact(least)).ok()?;
            }
        }
        let room = self.bytes.capacity() - self.bytes.len();
        let most = if argument == 0 { READ_BYTES } else { READ_MAX };
        Some((&mut self.bytes, room.min(most)))
    }

    fn move_to_front(&mut self) {
        if self.start > 0 {
            self.note_moved(self.len());
            self.bytes.drain(..self.start);
            self.start = 0;
        }
    }

    #[inline]
    #[cfg_attr(not(test), expect(clippy::unused_self, reason = "tests count"))]
    fn note_moved(&mut self, _bytes: usize) {
        #[cfg(test)]
        {
            self.moved += _bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::resp::request::Bounds;
    use protocol::resp::{Batch, Parser};

    const BOUNDS: Bounds = Bounds { bulk_max: 512 << 20, authenticated: true };

    /// What a connection does with its input, without a socket.
    #[derive(Default)]
    struct Reader {
        input: Input,
        parser: Parser,
        batch: Batch,
        requests: usize,
        arguments: usize,
        /// The most bytes allocated beyond those that were needed.
        room_most: usize,
    }

    impl Reader {
        /// Takes all of `bytes` in, in reads of `piece` bytes, and at most `ahead` requests at a time.
        fn take(&mut self, mut bytes: &[u8], piece: usize, ahead: usize) {
            while !bytes.is_empty() {
                if self.input.is_empty() {
                    let (mut shared, rest) = {
                        let (now, rest) = bytes.split_at(piece.min(bytes.len()).min(READ_BYTES));
                        (now.to_vec(), rest)
                    };
                    bytes = rest;
                    let used = self.parse(&mut shared, ahead);
                    if used < shared.len() {
                        let wanted = self.parser.wanted_by_argument(shared.len() - used);
                        self.input.keep(&shared[used..], wanted);
                    }
                } else {
                    let wanted = self.parser.wanted(self.input.len());
                    let argument = self.parser.wanted_by_argument(self.input.len());
                    let (buffer, most) = self.input.make_room(wanted, argument).expect("memory");
                    let (now, rest) = bytes.split_at(piece.min(bytes.len()).min(most));
                    buffer.extend_from_slice(now);
                    bytes = rest;
                }
                self.room_most = self.room_most.max(self.input.room());
                // All that is there, before more is read.
                while !self.input.is_empty() {
                    let mut input = std::mem::take(&mut self.input);
                    let before = self.requests;
                    let used = self.parse(input.unexecuted(), ahead);
                    input.consume(used);
                    self.input = input;
                    if self.requests == before {
                        break;
                    }
                }
            }
        }

        fn parse(&mut self, buffer: &mut [u8], ahead: usize) -> usize {
            self.batch.clear();
            let (used, result) = self.parser.parse(buffer, BOUNDS, ahead, &mut self.batch);
            result.expect("good requests");
            for request in self.batch.requests() {
                self.requests += 1;
                self.arguments += self.batch.args(buffer, request).len();
            }
            used
        }
    }

    #[test]
    fn bytes_are_moved_a_bounded_number_of_times_however_they_come() {
        let many = [&b"*100001\r\n$4\r\nSADD\r\n"[..], &b"$3\r\nabc\r\n".repeat(100_000)].concat();
        let long = [&b"*2\r\n$4\r\nECHO\r\n$3000000\r\n"[..], &[b'x'; 3_000_000], b"\r\n"].concat();
        let tiny = b"*1\r\n$4\r\nPING\r\n".repeat(100_000);
        let values = [
            &b"*200\r\n"[..],
            &[&b"$20000\r\n"[..], &[b'x'; 20_000], b"\r\n"].concat().repeat(200),
        ]
        .concat();
        let mixed = [&long[..], &tiny[..], &many[..]].concat();
        for (name, bytes, requests, arguments) in [
            ("many arguments", many, 1, 100_001),
            ("a long argument", long, 1, 2),
            ("long arguments", values, 1, 200),
            ("tiny requests", tiny, 100_000, 100_000),
            ("all of them", mixed, 100_002, 200_003),
        ] {
            for piece in [1, 16, 4096, usize::MAX] {
                for ahead in [1, 1024] {
                    let mut reader = Reader::default();
                    reader.take(&bytes, piece, ahead);
                    assert_eq!(
                        (reader.requests, reader.arguments),
                        (requests, arguments),
                        "{name}"
                    );
                    let moved = reader.input.moved;
                    let times = moved as f64 / bytes.len() as f64;
                    assert!(
                        times < 6.0,
                        "{name} by {piece}, {ahead} ahead: each byte {times} times"
                    );
                    assert!(reader.input.is_empty() && reader.input.room() <= KEPT_BYTES);
                }
            }
        }
    }

    #[test]
    fn room_is_in_proportion_to_what_has_come() {
        // Half a gigabyte is announced, a few bytes come.
        let mut reader = Reader::default();
        let announced = b"*2\r\n$4\r\nECHO\r\n$500000000\r\nxxxxxxxxxx";
        reader.take(announced, 4096, 1024);
        assert!(reader.input.room() <= READ_MAX, "{} bytes of room", reader.input.room());
        let mut come = announced.len();
        for _ in 0..2_000 {
            reader.take(&[b'x'; 4096], 4096, 1024);
            come += 4096;
            let room = reader.input.room();
            assert!(room <= READ_MAX.max(come / 4), "{room} for {come}");
        }
    }
}
