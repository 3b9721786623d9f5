//! The socket half of a session: what has come and was not executed, and what was answered and has not left.
//!
//! ```text
//! socket ─► bytes ─► Half::parse ─► batch ─────────────────► Node::execute
//!                    input: what is left over                      │ replies, and the receipt that they depend on
//! socket ◄─ slices ◄─ output, gates ◄─ Half::answer ◄──────────────╯
//! ```
//!
//! It knows no node and no socket, and can move to another thread: between it and the node goes a batch of requests one way,
//! bytes and a receipt the other.
//!
//! # Not here
//! - what a session is to the engine: `engine::session`

use super::gates::Gates;
use super::input::{Input, READ_BYTES};
use crate::clients::InputBytes;
use crate::requests::Answered;
use journal::Receipt;
use journal::release::OnDisk;
use protocol::resp::queue::Slices;
use protocol::resp::request::Bounds;
use protocol::resp::{Batch, ByteQueue, Parser, ProtocolError, Reply};

/// Requests executed in one turn before others get theirs.
const BATCH_MAX: usize = 1024;

/// What a look at bytes has found.
pub struct Parsed {
    /// Bytes of whole requests.
    used: usize,
    /// What is behind them is no request.
    pub error: Option<ProtocolError>,
}

/// The socket half of a session.
pub struct Half {
    parser: Parser,
    /// Bytes of requests that could not be executed yet.
    input: Input,
    /// How many requests are looked at in one turn: fewer after one of them stopped the session, as those behind it are
    /// looked at again.
    ahead: usize,
    /// Whether there may be whole requests in `input`.
    unexecuted: bool,
    /// Replies that have not left yet.
    output: ByteQueue,
    gates: Gates,
    closing: bool,
}

impl Default for Half {
    fn default() -> Half {
        Half {
            parser: Parser::default(),
            input: Input::default(),
            ahead: BATCH_MAX,
            unexecuted: false,
            output: ByteQueue::default(),
            gates: Gates::default(),
            closing: false,
        }
    }
}

impl Half {
    // --- what has come ---

    /// Whether nothing is left over of what has come: more of it may be read anywhere, and be given to [`Half::parse`].
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.input.is_empty()
    }

    /// Whether there may be whole requests in what is left over.
    #[inline]
    pub fn has_unexecuted(&self) -> bool {
        self.unexecuted
    }

    /// Bytes that were not executed.
    #[inline]
    pub fn input_len(&self) -> usize {
        self.input.len()
    }

    /// Whether a long argument is on its way: nothing is executed for it yet.
    #[inline]
    pub fn is_inside_an_argument(&self) -> bool {
        self.parser.wanted_by_argument(self.input.len()) > 0
    }

    /// Where more is to be read behind what is left over, and how much of it at most. `None` if there is no memory.
    pub fn make_room(&mut self) -> Option<(&mut Vec<u8>, usize)> {
        let (wanted, argument) = match self.input.len() {
            0 => (0, 0),
            len => (self.parser.wanted(len), self.parser.wanted_by_argument(len)),
        };
        self.input.make_room(wanted, argument)
    }

    /// The same while the session's last command waits: no more than is read at once in any case.
    pub fn make_room_ahead(&mut self) -> Option<(&mut Vec<u8>, usize)> {
        self.input.make_room(0, 0)
    }

    /// Whether so much has come while the last command waits that no more is read.
    pub fn is_full_ahead(&self) -> bool {
        self.input.len() >= READ_BYTES
    }

    /// Something came while the last command waits.
    pub fn note_ahead(&mut self) {
        self.unexecuted = true;
    }

    /// What is left over, to be parsed. It is given back by [`Half::put_back`].
    #[inline]
    pub fn take_input(&mut self) -> Input {
        std::mem::take(&mut self.input)
    }

    /// What was taken, of which the first `used` bytes were executed.
    #[inline]
    pub fn put_back(&mut self, mut input: Input, used: usize) {
        input.consume(used);
        self.input = input;
    }

    /// Keeps what was read elsewhere and could not be executed.
    pub fn keep(&mut self, left: &[u8]) {
        let wanted = self.parser.wanted_by_argument(left.len());
        self.input.keep(left, wanted);
    }

    /// Looks for whole requests in `bytes`.
    #[inline]
    pub fn parse(&mut self, bytes: &mut [u8], bounds: Bounds, batch: &mut Batch) -> Parsed {
        // What AUTH allows holds for the very next request.
        let ahead = if bounds.authenticated { self.ahead } else { 1 };
        let (used, result) = self.parser.parse(bytes, bounds, ahead, batch);
        self.unexecuted = batch.requests().len() == ahead;
        Parsed { used, error: result.err() }
    }

    /// A batch was executed, as far as it was. Returns how many bytes it took. What is wrong behind it is answered.
    #[inline]
    pub fn executed(
        &mut self,
        parsed: &Parsed,
        batch: &Batch,
        answered: &Answered,
        out: &mut Vec<u8>,
    ) -> usize {
        let (requests, mut used) = (batch.requests(), parsed.used);
        self.ahead = BATCH_MAX.min(self.ahead * 2);
        if answered.executed < requests.len() {
            self.ahead = answered.executed.max(1);
            used = answered.executed.checked_sub(1).map_or(0, |last| requests[last].end as usize);
            self.parser = Parser::default();
            self.unexecuted = true;
        } else if let Some(error) = &parsed.error {
            if !answered.closes && !error.attack {
                let text = format!("ERR Protocol error: {}", error.text);
                Reply::new(out, false).error(text.as_bytes());
            }
            self.closing = true;
        }
        self.closing |= answered.closes && answered.stopped;
        used
    }

    /// What the buffer of unfinished input takes.
    #[inline]
    pub fn input_bytes(&self) -> InputBytes {
        self.bytes_of(&self.input)
    }

    /// The same for what was taken.
    #[inline]
    pub fn bytes_of(&self, input: &Input) -> InputBytes {
        let understood = self.parser.understood().min(input.len());
        InputBytes {
            unparsed: input.len() - understood,
            arguments: understood + self.parser.memory_bytes(),
            room: input.room(),
        }
    }

    // --- what was answered ---

    /// Whether the connection ends when all that was answered has left.
    #[inline]
    pub fn is_closing(&self) -> bool {
        self.closing
    }

    /// It does.
    pub fn close_after_output(&mut self) {
        self.closing = true;
    }

    /// Whether all that was answered has left.
    #[inline]
    pub fn output_is_empty(&self) -> bool {
        self.output.is_empty()
    }

    /// Messages that answer no request.
    pub fn put_messages(&mut self, messages: &mut ByteQueue, receipt: Receipt, released: OnDisk) {
        self.gates.put(messages.len(), receipt, released);
        self.output.append(messages);
    }

    /// Replies. True if they may leave at once: then the caller writes them, and gives the rest to [`Half::keep_output`].
    #[inline]
    pub fn put_replies(&mut self, replies: &[u8], receipt: Receipt, released: OnDisk) -> bool {
        self.gates.put(replies.len(), receipt, released);
        self.output.is_empty() && self.gates.are_open()
    }

    /// Replies, or what is left of them, that cannot leave yet.
    #[inline]
    pub fn keep_output(&mut self, replies: &[u8]) {
        self.output.extend_from_slice(replies);
    }

    /// Whether replies wait for the disk.
    #[inline]
    pub fn is_gated(&self) -> bool {
        !self.gates.are_open()
    }

    /// How many bytes of the output may leave, and how many may not.
    pub fn free_output(&mut self, released: OnDisk) -> (usize, usize) {
        let held = self.gates.held(released);
        assert!(held <= self.output.len(), "what is held back has not left");
        (self.output.len() - held, held)
    }

    /// The first `len` bytes of the output.
    pub fn output_slices<'a>(&'a self, len: usize, slices: &mut Slices<'a>) {
        self.output.slices(len, slices);
    }

    /// So many have left.
    pub fn advance_output(&mut self, len: usize) {
        self.output.advance(len);
    }

    /// Bytes that the replies take which wait.
    #[inline]
    pub fn held_bytes(&self) -> usize {
        if self.output.is_empty() { 0 } else { self.output_memory() }
    }

    /// Bytes that the buffers of replies take.
    #[inline]
    pub fn output_memory(&self) -> usize {
        self.output.memory_bytes() + self.gates.memory_bytes()
    }
}
