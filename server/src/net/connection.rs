//! One client: bytes from its socket to the engine, replies back. A task of its own on the executing thread.
//!
//! ```text
//! turn: [signals, messages] ─► write what may leave ─► read once ─► execute the batch ─► write once
//! ```
//!
//! A turn reads into a buffer that all connections share and answers into another one, so an idle client costs no buffers and the
//! hot ones stay in the cache. Only what is left over (half a request, bytes that the socket did not take, replies
//! that must wait for the disk) is kept by the connection.
//!
//! Replies wait for the journal: each turn's output carries the receipt of what it depends on, and leaves when that is released
//! under the policy in force ([`Gates`]).
//!
//! # Not here
//! - what a replica is sent: [`crate::replication::feed`]

use super::handle::Handle;
use super::input::{Input, READ_BYTES};
use super::stream::Stream;
use crate::clients::InputBytes;
use crate::node::{Node, SharedNode};
use bytes::{Buf, Bytes};
use engine::Flow;
use engine::session::Peer;
use engine::session::Session;
use journal::Receipt;
use journal::release::OnDisk;
use protocol::resp::queue::Slices;
use protocol::resp::request::Bounds;
use protocol::resp::{ByteQueue, Parser, ProtocolError, Reply};
use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Sleep;

/// Requests executed in one turn before others get theirs.
const BATCH_MAX: usize = 1024;
/// Bytes of one long argument that are read before others get a turn.
const LONG_READ_BYTES: usize = 1024 * 1024;
/// Turns in a row before others get theirs.
const TURNS_MAX: usize = 4;
/// Above this, a buffer that was needed once is given back.
const KEEP_BYTES: usize = 256 * 1024;
/// Replies of a turn up to which limits are not looked at before they are sent, in bytes.
const UNCOUNTED_OUTPUT: usize = 16 << 10;
/// Gates of replies for which an idle connection has room.
const GATES_KEPT: usize = 64;

/// Which bytes of an output may leave.
#[derive(Default)]
struct Gates {
    /// Bytes ever put into the output.
    total: u64,
    /// Of these, how many may leave.
    free: u64,
    /// Output up to `.0` may leave once the disk covers `.1`.
    waiting: VecDeque<(u64, Receipt)>,
}

impl Gates {
    /// `len` bytes were put out; they depend on what `receipt` is for.
    #[inline]
    fn put(&mut self, len: usize, receipt: Receipt, released: OnDisk) {
        self.total += len as u64;
        if self.waiting.is_empty() && released.covers(&receipt) {
            self.free = self.total;
            return;
        }
        match self.waiting.back_mut() {
            Some(last) if last.1.includes(&receipt) => last.0 = self.total,
            _ => self.waiting.push_back((self.total, receipt)),
        }
    }

    /// Bytes allocated.
    #[inline]
    fn memory_bytes(&self) -> usize {
        self.waiting.capacity() * size_of::<(u64, Receipt)>()
    }

    /// How many bytes at the end of the output must stay.
    #[inline]
    fn held(&mut self, released: OnDisk) -> usize {
        while let Some((end, receipt)) = self.waiting.front()
            && released.covers(receipt)
        {
            self.free = *end;
            self.waiting.pop_front();
        }
        if self.waiting.is_empty() && self.waiting.capacity() > GATES_KEPT {
            self.waiting = VecDeque::new();
        }
        (self.total - self.free) as usize
    }
}

/// One client's connection.
pub struct Connection {
    stream: Stream,
    node: SharedNode,
    slot: usize,
    handle: Rc<Handle>,
    parser: Parser,
    /// Bytes of requests that could not be executed yet.
    input: Input,
    /// How many requests are looked at in one turn: fewer after one of them stopped the connection, as those behind it are
    /// looked at again.
    ahead: usize,
    /// Whether there may be whole requests in `input`.
    unexecuted: bool,
    /// Replies that have not left yet.
    output: ByteQueue,
    gates: Gates,
    /// What a replica is sent.
    feed: VecDeque<Bytes>,
    closing: bool,
    /// Until when it waits for the sake of a replica.
    delay: Option<Pin<Box<Sleep>>>,
}

/// Why a connection's turn ends.
enum Turn {
    /// Nothing more to do until something happens.
    Wait,
    /// The connection is over.
    Close,
}

impl Connection {
    /// A connection whose session has been made.
    pub fn new(stream: Stream, node: SharedNode, slot: usize, handle: Rc<Handle>) -> Connection {
        Connection {
            stream,
            node,
            slot,
            handle,
            parser: Parser::default(),
            input: Input::default(),
            ahead: BATCH_MAX,
            unexecuted: false,
            output: ByteQueue::default(),
            gates: Gates::default(),
            feed: VecDeque::new(),
            closing: false,
            delay: None,
        }
    }

    fn turn(&mut self, cx: &mut Context<'_>) -> Turn {
        let shared = Rc::clone(&self.node);
        let (mut turns, mut read_bytes) = (0, 0);
        while turns < TURNS_MAX {
            let node = &mut *shared.borrow_mut();
            if self.handle.is_killed() {
                return Turn::Close;
            }
            self.take_messages(node);
            if self.handle.is_killed() {
                return Turn::Close;
            }
            if self.flush(cx, node).is_err() {
                return Turn::Close;
            }
            if self.closing {
                if self.output.is_empty() {
                    return Turn::Close;
                }
                return Turn::Wait;
            }
            if node.is_suspended(self.slot) {
                return self.read_ahead(cx);
            }
            if node.host.feeds_come_first() {
                break;
            }
            if self.waits_for_replicas(cx) {
                return Turn::Wait;
            }
            if self.unexecuted {
                let mut input = std::mem::take(&mut self.input);
                let used = self.execute(cx, node, input.unexecuted());
                input.consume(used);
                self.input = input;
                turns += 1;
                continue;
            }
            match self.read(cx, node) {
                Poll::Pending => return Turn::Wait,
                Poll::Ready(Err(_) | Ok(0)) => return Turn::Close,
                Poll::Ready(Ok(read)) => read_bytes += read,
            }
            // A long argument is taken in at one go, as far as it has come: nothing is executed for it yet.
            let inside = self.parser.wanted_by_argument(self.input.len()) > 0
                && read_bytes < LONG_READ_BYTES;
            turns += usize::from(!inside);
            if self.input_bytes_held(node) > node.host.settings.client_query_buffer_limit {
                node.log_query_buffer_limit(self.slot);
                return Turn::Close;
            }
        }
        cx.waker().wake_by_ref();
        Turn::Wait
    }

    /// Bytes of requests that were not executed: what is queued in a transaction is a part of them.
    #[inline]
    fn input_bytes_held(&self, node: &Node) -> u64 {
        let queued = node.engine.session(self.slot).map_or(0, Session::multi_bytes);
        (self.input.len() + queued) as u64
    }

    /// Whether it has written, and has to wait a little so that a replica is not given up.
    #[inline]
    fn waits_for_replicas(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(delay) = &mut self.delay else { return false };
        let waits = delay.as_mut().poll(cx).is_pending();
        if !waits {
            self.delay = None;
        }
        waits
    }

    /// Tells what the buffers take. True if it was too much, and the connection is to be closed.
    #[inline]
    fn note_buffers(&mut self) -> bool {
        let node = &mut *self.node.borrow_mut();
        let input = input_bytes(&self.input, &self.parser);
        node.note_buffers(self.slot, input, self.output_memory());
        self.handle.is_killed()
    }

    /// Takes in what comes while the client's last command waits, so that its disconnecting is noticed.
    fn read_ahead(&mut self, cx: &mut Context<'_>) -> Turn {
        while self.input.len() < READ_BYTES {
            let Some((buffer, most)) = self.input.make_room(0, 0) else { return Turn::Close };
            match self.stream.poll_read(cx, buffer, most) {
                Poll::Pending => return Turn::Wait,
                Poll::Ready(Err(_) | Ok(0)) => return Turn::Close,
                Poll::Ready(Ok(_)) => self.unexecuted = true,
            }
        }
        Turn::Wait
    }

    /// Moves messages that answer no request into the output.
    #[inline]
    fn take_messages(&mut self, node: &mut Node) {
        let Some(session) = node.engine.session_mut(self.slot) else { return };
        if !session.outbox.is_empty() {
            let receipt = node.host.recall(std::mem::take(&mut session.outbox_receipt));
            self.gates.put(session.outbox.len(), receipt, node.host.released());
            self.output.append(&mut session.outbox);
        }
        if session.close_after_reply {
            self.closing = true;
        }
        if session.outbox_overrun {
            node.close_for_output(self.slot);
        }
    }

    /// Reads once and executes what came.
    #[inline]
    fn read(&mut self, cx: &mut Context<'_>, node: &mut Node) -> Poll<io::Result<usize>> {
        if !self.input.is_empty() {
            let mut input = std::mem::take(&mut self.input);
            let wanted = self.parser.wanted(input.len());
            let argument = self.parser.wanted_by_argument(input.len());
            let Some((buffer, most)) = input.make_room(wanted, argument) else {
                node.log_no_memory(self.slot, input.len());
                return Poll::Ready(Ok(0));
            };
            let result = self.stream.poll_read(cx, buffer, most);
            if let Poll::Ready(Ok(read @ 1..)) = result {
                node.host.note_input(self.slot, read);
                // What a long request takes counts before it is executed: it may be the last.
                if node.host.clients_limit() > 0 {
                    let bytes = input_bytes(&input, &self.parser);
                    node.note_buffers(self.slot, bytes, self.output_memory());
                    if self.handle.is_killed() {
                        return Poll::Ready(Ok(0));
                    }
                }
                let used = self.execute(cx, node, input.unexecuted());
                input.consume(used);
            }
            self.input = input;
            return result;
        }
        let mut buffer = std::mem::take(&mut node.host.scratch.input);
        buffer.clear();
        let result = self.stream.poll_read(cx, &mut buffer, READ_BYTES);
        if let Poll::Ready(Ok(read @ 1..)) = result {
            node.host.note_input(self.slot, read);
            let used = self.execute(cx, node, &mut buffer);
            if used < buffer.len() {
                let wanted = self.parser.wanted_by_argument(buffer.len() - used);
                self.input.keep(&buffer[used..], wanted);
            }
        }
        node.host.scratch.input = buffer;
        result
    }

    /// Executes the whole requests in `buffer`, answers them, and returns how many bytes they took.
    fn execute(&mut self, cx: &mut Context<'_>, node: &mut Node, buffer: &mut [u8]) -> usize {
        let mut batch = std::mem::take(&mut node.host.scratch.batch);
        let mut out = std::mem::take(&mut node.host.scratch.output);
        batch.clear();
        out.clear();
        node.begin_turn();
        let mut session = node.engine.take_session(self.slot);
        let before = session.receipt;
        let bounds =
            Bounds { bulk_max: node.host.bulk_max(), authenticated: session.authenticated };
        // What AUTH allows holds for the very next request.
        let ahead = if session.authenticated { self.ahead } else { 1 };
        let (mut used, parsed) = self.parser.parse(buffer, bounds, ahead, &mut batch);
        let (executed, flow) =
            node.engine.execute_batch(&mut node.host, &mut session, buffer, &batch, 0, &mut out);
        let requests = batch.requests();
        self.unexecuted = requests.len() == ahead;
        self.ahead = BATCH_MAX.min(self.ahead * 2);
        if executed < requests.len() {
            self.ahead = executed.max(1);
            used = executed.checked_sub(1).map_or(0, |last| requests[last].end as usize);
            self.parser = Parser::default();
            self.unexecuted = true;
            let stopped = flow == Flow::Stop && !session.suspended;
            if stopped && !session.close_after_reply && !session.close_now {
                session.suspended = true;
                node.host.paused.push(self.slot);
            }
        } else if let Err(error) = parsed {
            if !session.close_after_reply {
                self.protocol_error(node, &error, &mut out);
            }
            self.closing = true;
        }
        if flow == Flow::Stop && (session.close_after_reply || session.close_now) {
            self.closing = true;
        }
        let receipt = session.receipt;
        let slow_ms = node.host.replication.slow_ms;
        if slow_ms > 0 && receipt != before && session.peer == Peer::Client {
            node.host.replication.slowed += 1;
            self.delay = Some(Box::pin(tokio::time::sleep(Duration::from_millis(slow_ms))));
        }
        if session.outbox_overrun {
            out.clear();
            node.close_for_output(self.slot);
        }
        node.engine.return_session(session);
        node.end_turn();
        self.send(cx, node, &out, node.host.recall(receipt));
        out.truncate(0);
        if out.capacity() > KEEP_BYTES {
            out = Vec::new();
        }
        node.host.scratch.output = out;
        node.host.scratch.batch = batch;
        used
    }

    fn protocol_error(&mut self, node: &mut Node, error: &ProtocolError, out: &mut Vec<u8>) {
        node.log_protocol_error(self.slot, error);
        if !error.attack {
            Reply::new(out, false).error(format!("ERR Protocol error: {}", error.text).as_bytes());
        }
    }

    /// Sends replies: at once if nothing is in their way, else they are kept.
    #[inline]
    fn send(&mut self, cx: &mut Context<'_>, node: &mut Node, replies: &[u8], receipt: Receipt) {
        if replies.is_empty() {
            return;
        }
        // What a turn answers counts as a whole, as with Redis: also what the system would take at once.
        let answered = self.held_bytes() + replies.len();
        if answered > UNCOUNTED_OUTPUT {
            node.check_output(self.slot, answered);
            if self.handle.is_killed() {
                return;
            }
        }
        let released = node.host.released();
        self.gates.put(replies.len(), receipt, released);
        let mut sent = 0;
        if self.output.is_empty() && self.gates.waiting.is_empty() {
            while sent < replies.len() {
                match self.stream.poll_write(cx, &replies[sent..]) {
                    Poll::Ready(Ok(n @ 1..)) => sent += n,
                    Poll::Ready(_) => {
                        self.handle.kill();
                        return;
                    }
                    Poll::Pending => break,
                }
            }
            node.host.note_output(self.slot, sent);
        }
        self.output.extend_from_slice(&replies[sent..]);
        if !self.gates.waiting.is_empty() {
            node.host.wait_for_release(self.slot);
        }
        if !self.output.is_empty() || answered > UNCOUNTED_OUTPUT {
            node.check_output(self.slot, self.held_bytes());
        }
    }

    /// Bytes that the replies take which wait.
    #[inline]
    fn held_bytes(&self) -> usize {
        if self.output.is_empty() { 0 } else { self.output_memory() }
    }

    /// Bytes that the buffers of replies take.
    #[inline]
    fn output_memory(&self) -> usize {
        self.output.memory_bytes() + self.gates.memory_bytes()
    }

    /// Writes what may leave.
    fn flush(&mut self, cx: &mut Context<'_>, node: &mut Node) -> io::Result<()> {
        if !self.output.is_empty() {
            let held = self.gates.held(node.host.released());
            assert!(held <= self.output.len(), "what is held back has not left");
            let mut free = self.output.len() - held;
            while free > 0 {
                let mut slices = Slices::default();
                self.output.slices(free, &mut slices);
                match self.stream.poll_write_vectored(cx, slices.get()) {
                    Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                    Poll::Ready(Ok(n)) => {
                        self.output.advance(n);
                        free -= n;
                        node.host.note_output(self.slot, n);
                    }
                    Poll::Ready(Err(error)) => return Err(error),
                    Poll::Pending => break,
                }
            }
            if !self.output.is_empty() && held > 0 {
                node.host.wait_for_release(self.slot);
            }
            node.check_output(self.slot, self.held_bytes());
            if !self.output.is_empty() {
                return Ok(());
            }
        }
        self.flush_feed(cx, node)
    }

    /// Writes what a replica is to get: snapshot, then stream.
    fn flush_feed(&mut self, cx: &mut Context<'_>, node: &mut Node) -> io::Result<()> {
        loop {
            if self.feed.is_empty() && !node.next_feed(self.slot, &mut self.feed) {
                return Ok(());
            }
            let slices: Vec<IoSlice<'_>> =
                self.feed.iter().take(64).map(|bytes| IoSlice::new(bytes)).collect();
            match self.stream.poll_write_vectored(cx, &slices) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(mut n)) => {
                    node.host.note_feed_output(self.slot, n);
                    while n > 0 {
                        let front = self.feed.front_mut().expect("it was written from");
                        let part = n.min(front.len());
                        front.advance(part);
                        n -= part;
                        if front.is_empty() {
                            self.feed.pop_front();
                        }
                    }
                }
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => return Ok(()),
            }
        }
    }
}

impl Future for Connection {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.handle.register(cx.waker());
        match self.turn(cx) {
            Turn::Wait if self.note_buffers() => Poll::Ready(()),
            Turn::Wait => Poll::Pending,
            Turn::Close => Poll::Ready(()),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Ok(mut node) = self.node.try_borrow_mut() {
            node.forget_client(self.slot);
        }
    }
}

/// What the buffer of unfinished input takes.
#[inline]
fn input_bytes(input: &Input, parser: &Parser) -> InputBytes {
    let understood = parser.understood().min(input.len());
    InputBytes {
        unparsed: input.len() - understood,
        arguments: understood + parser.memory_bytes(),
        room: input.room(),
    }
}

#[cfg(test)]
mod tests;
