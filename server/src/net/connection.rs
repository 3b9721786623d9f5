//! One client: its socket, the socket half of its session, and their turns. A task of its own on the executing thread.
//!
//! ```text
//! turn: [signals, messages] ─► write what may leave ─► read once ─► execute the batch ─► write once, now or in a moment
//! ```
//!
//! A turn reads into a buffer that all connections share and answers into another one, so an idle client costs no buffers and the
//! hot ones stay in the cache. Only what is left over (half a request, bytes that the socket did not take, replies
//! that must wait for the disk) is kept, by the [`Half`].
//!
//! # Not here
//! - when several connections' replies leave together: [`super::holding`]
//! - which replies may leave: `node::wire`; what a batch does: `node::requests`
//! - what a replica is sent: `node::replication::feed`

use super::handle::Handle;
use super::stream::Stream;
use crate::clock;
use crate::eventloop;
use crate::shell::{OUTPUT_KEPT, Shared, Shell};
use bytes::{Buf, Bytes};
use engine::session::Session;
use node::Event;
use node::wire::Half;
use node::wire::input::READ_BYTES;
use protocol::resp::queue::Slices;
use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Sleep;

/// Bytes of one long argument that are read before others get a turn.
const LONG_READ_BYTES: usize = 1024 * 1024;
/// Turns in a row before others get theirs.
const TURNS_MAX: usize = 4;
/// Replies of a turn up to which limits are not looked at before they are sent, in bytes.
const UNCOUNTED_OUTPUT: usize = 16 << 10;

/// Between two looks whether a client that waits is still there, where nothing more is read from it.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// One client's connection.
pub struct Connection {
    stream: Stream,
    shell: Shared,
    slot: usize,
    handle: Rc<Handle>,
    half: Half,
    /// What a replica is sent.
    feed: VecDeque<Bytes>,
    /// Replies that are held until others have had their turns. They count as if they had left.
    held: Vec<u8>,
    /// It has just let those go first who hold replies.
    has_yielded: bool,
    /// Until when it waits for the sake of a replica.
    delay: Option<Pin<Box<Sleep>>>,
    /// When it is looked next whether the client is still there, while nothing is read from it.
    look: Option<Pin<Box<Sleep>>>,
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
    pub fn new(stream: Stream, shell: Shared, slot: usize, handle: Rc<Handle>) -> Connection {
        let (half, feed) = (Half::default(), VecDeque::new());
        let (held, has_yielded, delay, look) = (Vec::new(), false, None, None);
        Connection { stream, shell, slot, handle, half, feed, held, has_yielded, delay, look }
    }

    /// Whether those go first who have held their replies for long enough.
    #[inline]
    fn lets_others_go_first(&mut self) -> bool {
        let holding = &self.shell.borrow().holding;
        // Once at most: so nobody waits for one who is gone.
        let yields = holding.holds() && self.held.is_empty() && !self.has_yielded;
        self.has_yielded = yields && holding.is_over(clock::monotonic_ns());
        self.has_yielded
    }

    /// Sends the replies that were held.
    fn send_held(&mut self, cx: &mut Context<'_>) {
        let (held, shared) = (std::mem::take(&mut self.held), Rc::clone(&self.shell));
        let shell = &mut *shared.borrow_mut();
        shell.holding.end();
        self.write(cx, shell, &held);
    }

    fn turn(&mut self, cx: &mut Context<'_>) -> Turn {
        let shared = Rc::clone(&self.shell);
        let (mut turns, mut read_bytes) = (0, 0);
        while turns < TURNS_MAX && self.held.is_empty() {
            let shell = &mut *shared.borrow_mut();
            if self.handle.is_killed() {
                return Turn::Close;
            }
            if shell.node.has_messages(self.slot) {
                self.take_messages(shell);
                if self.handle.is_killed() {
                    return Turn::Close;
                }
            }
            if self.flush(cx, shell).is_err() {
                return Turn::Close;
            }
            if self.half.is_closing() {
                if self.half.output_is_empty() {
                    return Turn::Close;
                }
                return Turn::Wait;
            }
            if shell.node.is_suspended(self.slot) {
                return self.read_ahead(cx);
            }
            if shell.node.host.feeds_come_first() {
                break;
            }
            if self.waits_for_replicas(cx) {
                return Turn::Wait;
            }
            if self.half.has_unexecuted() {
                let mut input = self.half.take_input();
                let used = self.execute(cx, shell, input.unexecuted());
                self.half.put_back(input, used);
                turns += 1;
                continue;
            }
            match self.read(cx, shell) {
                Poll::Pending => return Turn::Wait,
                Poll::Ready(Ok(0)) => return self.end_of_input(),
                Poll::Ready(Err(_)) => return Turn::Close,
                Poll::Ready(Ok(read)) => read_bytes += read,
            }
            // A long argument is taken in at one go, as far as it has come: nothing is executed for it yet.
            let inside = self.half.is_inside_an_argument() && read_bytes < LONG_READ_BYTES;
            turns += usize::from(!inside);
            if self.input_bytes_held(shell) > shell.node.host.settings.client_query_buffer_limit {
                shell.node.log_query_buffer_limit(self.slot);
                return Turn::Close;
            }
        }
        cx.waker().wake_by_ref();
        Turn::Wait
    }

    /// Bytes of requests that were not executed: what is queued in a transaction is a part of them.
    #[inline]
    fn input_bytes_held(&self, shell: &Shell) -> u64 {
        let queued = shell.node.engine.session(self.slot).map_or(0, Session::multi_bytes);
        (self.half.input_len() + queued) as u64
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

    /// Tells what the buffers take, and has done what is to be done. True if it was too much, and the connection is to be
    /// closed.
    #[inline]
    fn end_turn(&mut self) -> bool {
        let shell = &mut *self.shell.borrow_mut();
        shell.node.note_buffers(self.slot, self.half.input_bytes(), self.half.output_memory());
        shell.act();
        self.handle.is_killed()
    }

    /// Takes in what comes while the client's last command waits, so that its disconnecting is noticed.
    fn read_ahead(&mut self, cx: &mut Context<'_>) -> Turn {
        while !self.half.is_full_ahead() {
            let Some((buffer, most)) = self.half.make_room_ahead() else { return Turn::Close };
            match self.stream.poll_read(cx, buffer, most) {
                Poll::Pending => return Turn::Wait,
                Poll::Ready(Ok(0)) => return self.end_of_input(),
                Poll::Ready(Err(_)) => return Turn::Close,
                Poll::Ready(Ok(_)) => self.half.note_ahead(),
            }
        }
        self.look_after_the_client(cx)
    }

    /// The same where so much has come that no more is read: its disconnecting stands behind that, and the system does not tell
    /// of it by itself. (Where not even the system takes in what it sends, it cannot say that it leaves.)
    fn look_after_the_client(&mut self, cx: &mut Context<'_>) -> Turn {
        loop {
            if self.stream.is_closed_by_client() {
                self.look = None;
                return self.end_of_input();
            }
            let next = || Box::pin(tokio::time::sleep(LOOK_EVERY));
            if self.look.get_or_insert_with(next).as_mut().poll(cx).is_pending() {
                return Turn::Wait;
            }
            self.look = None;
        }
    }

    /// The client says no more. What waits for the disk is what it may still want to hear.
    fn end_of_input(&mut self) -> Turn {
        if !self.half.is_gated() {
            return Turn::Close;
        }
        self.half.close_after_output();
        Turn::Wait
    }

    /// Moves messages that answer no request into the output.
    fn take_messages(&mut self, shell: &mut Shell) {
        let (messages, closes) = shell.node.take_messages(self.slot);
        if let Some((mut messages, receipt)) = messages {
            self.half.put_messages(&mut messages, receipt, shell.node.host.released());
        }
        if closes {
            self.half.close_after_output();
        }
        shell.act();
    }

    /// Reads once and executes what came.
    #[inline]
    fn read(&mut self, cx: &mut Context<'_>, shell: &mut Shell) -> Poll<io::Result<usize>> {
        if !self.half.is_empty() {
            return self.read_more(cx, shell);
        }
        let mut buffer = std::mem::take(&mut shell.scratch.input);
        buffer.clear();
        let result = self.stream.poll_read(cx, &mut buffer, READ_BYTES);
        if let Poll::Ready(Ok(read @ 1..)) = result {
            shell.node.host.note_input(self.slot, read);
            let used = self.execute(cx, shell, &mut buffer);
            if used < buffer.len() {
                self.half.keep(&buffer[used..]);
            }
        }
        shell.scratch.input = buffer;
        result
    }

    /// The same, behind what is left over.
    fn read_more(&mut self, cx: &mut Context<'_>, shell: &mut Shell) -> Poll<io::Result<usize>> {
        let have = self.half.input_len();
        let Some((buffer, most)) = self.half.make_room() else {
            shell.node.log_no_memory(self.slot, have);
            return Poll::Ready(Ok(0));
        };
        let result = self.stream.poll_read(cx, buffer, most);
        if let Poll::Ready(Ok(read @ 1..)) = result {
            shell.node.host.note_input(self.slot, read);
            // What a long request takes counts before it is executed: it may be the last.
            if shell.node.host.clients_limit() > 0 && self.is_too_much(shell) {
                return Poll::Ready(Ok(0));
            }
            let mut input = self.half.take_input();
            let used = self.execute(cx, shell, input.unexecuted());
            self.half.put_back(input, used);
        }
        result
    }

    /// Tells what the buffers take: whether that is too much.
    fn is_too_much(&mut self, shell: &mut Shell) -> bool {
        let bytes = self.half.input_bytes();
        shell.node.note_buffers(self.slot, bytes, self.half.output_memory());
        shell.act();
        self.handle.is_killed()
    }

    /// Executes the whole requests in `buffer`, answers them, and returns how many bytes they took.
    fn execute(&mut self, cx: &mut Context<'_>, shell: &mut Shell, buffer: &mut [u8]) -> usize {
        let mut batch = std::mem::take(&mut shell.scratch.batch);
        let mut out = std::mem::take(&mut shell.scratch.output);
        batch.clear();
        out.clear();
        let parsed = self.half.parse(buffer, shell.node.bounds(self.slot), &mut batch);
        let now = clock::instant();
        let answered = shell.node.execute(self.slot, buffer, &batch, &mut out, now);
        eventloop::note_turn(shell.node.engine.stats.commands);
        if let Some(error) = parsed.error.as_ref().filter(|_| answered.is_whole(&batch)) {
            shell.node.log_protocol_error(self.slot, error);
        }
        let used = self.half.executed(&parsed, &batch, &answered, &mut out);
        if answered.delay_ms > 0 {
            let delay = Duration::from_millis(answered.delay_ms);
            self.delay = Some(Box::pin(tokio::time::sleep(delay)));
        }
        shell.act();
        self.send(cx, shell, &out, answered.receipt, now.steady_ns);
        out.truncate(0);
        if out.capacity() > OUTPUT_KEPT {
            out.shrink_to(OUTPUT_KEPT);
        }
        shell.scratch.output = out;
        shell.scratch.batch = batch;
        used
    }

    /// Sends replies: at once if nothing is in their way, else they are kept. `began_ns`: when the turn did.
    #[inline]
    fn send(
        &mut self,
        cx: &mut Context<'_>,
        shell: &mut Shell,
        replies: &[u8],
        receipt: journal::Receipt,
        began_ns: u64,
    ) {
        if replies.is_empty() {
            return;
        }
        let node = &mut shell.node;
        // What a turn answers counts as a whole, as with Redis: also what the system would take at once.
        let answered = self.half.held_bytes() + replies.len();
        if answered > UNCOUNTED_OUTPUT {
            node.check_output(self.slot, answered);
            if node.host.is_killed(self.slot) {
                return;
            }
        }
        if self.half.put_replies(replies, receipt, node.host.released()) {
            // Much is not worth a copy.
            if answered <= UNCOUNTED_OUTPUT
                && shell.holding.takes(began_ns, node.engine.last_tick_ns())
            {
                self.held.extend_from_slice(replies);
                eventloop::note_held();
                return;
            }
            return self.write(cx, shell, replies);
        }
        self.half.keep_output(replies);
        self.look_at_output(shell, answered);
    }

    /// Writes replies that nothing is in the way of; what the socket does not take is kept.
    #[inline]
    fn write(&mut self, cx: &mut Context<'_>, shell: &mut Shell, replies: &[u8]) {
        let mut sent = 0;
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
        shell.node.host.note_output(self.slot, sent);
        self.half.keep_output(&replies[sent..]);
        self.look_at_output(shell, replies.len());
    }

    /// Looks at what is kept of what was `answered`.
    #[inline]
    fn look_at_output(&mut self, shell: &mut Shell, answered: usize) {
        let node = &mut shell.node;
        if self.half.is_gated() {
            node.host.wait_for_release(self.slot);
        }
        if !self.half.output_is_empty() || answered > UNCOUNTED_OUTPUT {
            node.check_output(self.slot, self.half.held_bytes());
        }
    }

    /// Writes what may leave.
    fn flush(&mut self, cx: &mut Context<'_>, shell: &mut Shell) -> io::Result<()> {
        let node = &mut shell.node;
        if !self.half.output_is_empty() {
            let (mut free, held) = self.half.free_output(node.host.released());
            while free > 0 {
                let mut slices = Slices::default();
                self.half.output_slices(free, &mut slices);
                match self.stream.poll_write_vectored(cx, slices.get()) {
                    Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                    Poll::Ready(Ok(n)) => {
                        self.half.advance_output(n);
                        free -= n;
                        node.host.note_output(self.slot, n);
                    }
                    Poll::Ready(Err(error)) => return Err(error),
                    Poll::Pending => break,
                }
            }
            if !self.half.output_is_empty() && held > 0 {
                node.host.wait_for_release(self.slot);
            }
            node.check_output(self.slot, self.half.held_bytes());
            if !self.half.output_is_empty() {
                return Ok(());
            }
        }
        self.flush_feed(cx, shell)
    }

    /// Writes what a replica is to get: snapshot, then stream.
    fn flush_feed(&mut self, cx: &mut Context<'_>, shell: &mut Shell) -> io::Result<()> {
        loop {
            if self.feed.is_empty() && !shell.node.next_feed(self.slot, &mut self.feed) {
                return Ok(());
            }
            let slices: Vec<IoSlice<'_>> =
                self.feed.iter().take(64).map(|bytes| IoSlice::new(bytes)).collect();
            match self.stream.poll_write_vectored(cx, &slices) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(mut n)) => {
                    shell.node.host.note_feed_output(self.slot, n);
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
        if self.lets_others_go_first() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if !self.held.is_empty() {
            self.send_held(cx);
        }
        match self.turn(cx) {
            Turn::Wait if self.end_turn() => Poll::Ready(()),
            Turn::Wait => Poll::Pending,
            Turn::Close => Poll::Ready(()),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Ok(mut shell) = self.shell.try_borrow_mut() {
            shell.handles.forget(self.slot, &self.handle);
            if !self.held.is_empty() {
                // Nobody else may be there to end it.
                shell.holding.end();
            }
            shell.turn(Event::Gone(self.slot));
        }
    }
}

#[cfg(test)]
mod tests;
