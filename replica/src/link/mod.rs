//! A replica's whole side: it connects, introduces itself, takes a snapshot if it must, and then the stream.
//!
//! ```text
//! Waiting ─► Connecting ─► Handshake ─► Header ─► Transfer ─► Syncing ─► Loading ─► Replacing ─► Stream
//!    ▲                         └── +CONTINUE ────────────────────────────────────────────────────► │
//!    └──── any error: logged once, then again, ever more seldom ───────────────────────────────────┘
//! ```
//!
//! A machine without socket, clock, file or thread. What happened goes in ([`Link::happened`], [`Link::bytes`],
//! [`Link::timer`]); what is to be done comes out as [`Action`]s, or is asked of the node at once ([`Follower`]). Who drives
//! it asks behind each of these calls when it wants to be woken ([`Link::next_timer_ms`]) and whether it reads
//! ([`Link::read_size`]).
//!
//! The stream is executed batch by batch and journaled verbatim, so offsets stay equal down a chain. A snapshot goes to a
//! file first and is loaded by another thread into databases of its own: until it is complete and good, the old data stays.
//!
//! # Invariants
//! - the journal's end is the applied offset: between two calls they are equal
//! - a link that was stopped does nothing any more, nor does what belongs to an attempt that has ended
//! - however the bytes are cut, the same is done
//! - a temporary file is dropped once, whatever happens to its snapshot
//! - a snapshot that is whole is taken, whatever happens to its connection meanwhile
//!
//! # Contents
//! - [`follower`]: what the link asks of its node, and what it tells its driver to do; [`stage`]: what INFO and ROLE show
//! - `state`: a type for each state; `failure`: why an attempt ended; `answer`: lines and acknowledgements
//!
//! # Not here
//! - what is said: [`crate::handshake`], [`crate::transfer`], [`crate::intake`]; when it tries again: [`crate::retry`]

mod answer;
mod failure;
pub mod follower;
pub mod stage;
mod state;

use crate::handshake::{self, Handshake, Outcome, Step};
use crate::intake::Intake;
use crate::retry::{Retry, SETTLED_MS};
use crate::transfer::{self, Transfer};
use answer::{acknowledgement, take_line};
use failure::Failure;
pub use follower::{Action, Attempt, Event, Follower, Job};
use journal::planted::{self, Fault};
pub use stage::{Figures, Stage, TransferProgress};
use state::{Newlines, Origin, State, Stream, Talk, Wire};

/// Between two acknowledgements, and between two newlines while a job lasts, milliseconds.
const SECOND_MS: u64 = 1000;
/// Bytes that are read at a time.
const READ_BYTES: usize = 64 * 1024;
/// The most that is read at a time for the sake of one long request.
const LONG_READ_BYTES: usize = 4 * 1024 * 1024;

/// One call of the machine: on behalf of whom, when, and where what is to be done goes.
pub struct Turn<'a, F> {
    /// The node.
    pub follower: &'a mut F,
    /// A moment of a clock that never goes back, milliseconds.
    pub now_ms: u64,
    /// What is to be done, in order.
    pub actions: &'a mut Vec<Action>,
}

/// The link to our primary.
pub struct Link<L> {
    host: String,
    port: u16,
    state: State<L>,
    attempt: Attempt,
    retry: Retry,
    figures: Figures,
    /// Since when it has carried the stream.
    up_since_ms: Option<u64>,
    /// The position means nothing any more: the next attempt asks for everything.
    starts_over: bool,
    /// What the node knows of how far it has come.
    told: Stage,
}

impl<L> Link<L> {
    /// A link that wants to connect as soon as its timer is asked. `number` is one that no other link of the process has.
    pub fn new(host: &str, port: u16, number: u32, now_ms: u64) -> Link<L> {
        Link {
            host: host.to_string(),
            port,
            state: State::Waiting { until_ms: now_ms },
            attempt: Attempt::none(number),
            retry: Retry::default(),
            figures: Figures::new(now_ms),
            up_since_ms: None,
            starts_over: false,
            told: Stage::Connect,
        }
    }

    // --- what it is ---

    /// The primary's host, as given.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The primary's port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How far it has come.
    pub fn stage(&self) -> Stage {
        self.state.stage()
    }

    /// Whether the stream flows.
    pub fn is_up(&self) -> bool {
        self.stage() == Stage::Connected
    }

    /// What INFO shows of it.
    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    /// When [`Link::timer`] has something to do, if nothing happens before. `None`: it is over.
    pub fn next_timer_ms(&self) -> Option<u64> {
        self.state.due_ms()
    }

    /// How many bytes should be read now behind the `have` that are in the buffer; 0 if none should. To be asked again behind
    /// each call, and when the stream need not wait any more.
    pub fn read_size<F: Follower<Loaded = L>>(&self, have: usize, follower: &F) -> usize {
        let State::Talking(wire, talk) = &self.state else { return 0 };
        match talk {
            // What does not take what we say gets no more to say.
            _ if wire.stuck_since_ms.is_some() => 0,
            Talk::Handshake(_) | Talk::Header(_) | Talk::Transfer(..) => READ_BYTES,
            Talk::Syncing(..) | Talk::Loading(..) | Talk::Replacing(..) => 0,
            Talk::Stream(_) if follower.stream_waits() => 0,
            Talk::Stream(stream) => READ_BYTES + stream.intake.wanted(have).min(LONG_READ_BYTES),
        }
    }

    // --- what happens to it ---

    /// It ends, without changing what the data is a continuation of.
    pub fn stop<F: Follower<Loaded = L>>(&mut self, turn: &mut Turn<'_, F>) {
        self.hang_up(turn);
        self.state = State::Stopped;
    }

    /// Something happened to an attempt. What is left in the buffer is not looked at: [`Link::bytes`] follows if there is any.
    pub fn happened<F: Follower<Loaded = L>>(
        &mut self,
        attempt: Attempt,
        event: Event<L>,
        turn: &mut Turn<'_, F>,
    ) {
        if !self.is_under_way(attempt) {
            return;
        }
        let result = match event {
            Event::Connected => {
                self.introduce(turn);
                Ok(())
            }
            Event::DialFailed(error) => {
                Err(Failure::network(format!("Error condition on socket for SYNC: {error}")))
            }
            Event::Closed | Event::ReadFailed(_)
                if planted::is(Fault::TransferCutShort) && self.stage() == Stage::Transfer =>
            {
                self.take_what_came(turn)
            }
            Event::Closed => Err(Failure::network(failure::CLOSED)),
            Event::ReadFailed(error) => {
                Err(Failure::network(format!("I/O error reading from MASTER: {error}")))
            }
            Event::SendFailed(error) => self.send_failed(&error),
            Event::Killed => Err(Failure::network(failure::KILLED)),
            Event::Stuck | Event::Drained => {
                self.note_stuck(matches!(event, Event::Stuck), turn.now_ms);
                Ok(())
            }
            Event::Synced(result) => self.synced(result, turn),
            Event::Loaded(result) => self.loaded(result, turn),
            Event::Replaced(result) => self.replaced(result, turn),
        };
        if let Err(failure) = result {
            self.fail(failure, turn);
        }
    }

    /// Takes what has come in as far as possible off the buffer, which is the attempt's own: what is left stays in it, and new
    /// bytes come behind that.
    pub fn bytes<F: Follower<Loaded = L>>(
        &mut self,
        attempt: Attempt,
        buffer: &mut Vec<u8>,
        turn: &mut Turn<'_, F>,
    ) {
        if !self.is_under_way(attempt) {
            buffer.clear();
            return;
        }
        if let State::Talking(wire, _) = &mut self.state {
            wire.heard_ms = turn.now_ms;
        }
        loop {
            match self.step(buffer, turn) {
                Ok(true) => {}
                Ok(false) => return,
                Err(failure) => {
                    buffer.clear();
                    return self.fail(failure, turn);
                }
            }
        }
    }

    /// Time has passed. To be called at [`Link::next_timer_ms`]; earlier does no harm.
    pub fn timer<F: Follower<Loaded = L>>(&mut self, turn: &mut Turn<'_, F>) {
        if self.next_timer_ms().is_none_or(|due| turn.now_ms < due) {
            return;
        }
        let result = match &mut self.state {
            State::Stopped => Ok(()),
            State::Waiting { .. } => {
                self.connect(turn);
                Ok(())
            }
            State::Connecting { .. } => Err(Failure::network(failure::NOT_CONNECTED)),
            State::Talking(wire, _)
                if wire.stuck_until_ms().is_some_and(|at| at <= turn.now_ms) =>
            {
                Err(Failure::network(failure::NOT_SENT))
            }
            State::Talking(_, Talk::Handshake(_) | Talk::Header(_) | Talk::Transfer(..)) => {
                Err(Failure::network(failure::SILENT))
            }
            State::Talking(_, Talk::Syncing(..) | Talk::Loading(..) | Talk::Replacing(..)) => {
                self.show_life(turn);
                Ok(())
            }
            State::Talking(_, Talk::Stream(_)) => self.second_of_stream(turn),
        };
        if let Err(failure) = result {
            self.fail(failure, turn);
        }
    }

    /// Whether this is the attempt under way: nothing is heard of others.
    pub fn is_under_way(&self, attempt: Attempt) -> bool {
        let is_there = matches!(self.state, State::Connecting { .. } | State::Talking(..));
        is_there && attempt == self.attempt
    }

    // --- the steps of an attempt ---

    fn connect<F: Follower<Loaded = L>>(&mut self, turn: &mut Turn<'_, F>) {
        self.attempt = self.attempt.next();
        let limit_ms = turn.follower.timeout_ms();
        tracing::info!("Connecting to MASTER {}:{}", self.host, self.port);
        self.figures.last_io_ms = turn.now_ms;
        let until_ms = turn.now_ms.saturating_add(limit_ms);
        self.enter(State::Connecting { until_ms, limit_ms }, turn);
        tracing::info!("MASTER <-> REPLICA sync started");
        turn.actions.push(Action::Dial(self.attempt));
    }

    fn introduce<F: Follower<Loaded = L>>(&mut self, turn: &mut Turn<'_, F>) {
        let State::Connecting { limit_ms, .. } = self.state else {
            panic!("a connection comes once")
        };
        let mut introduction = turn.follower.introduction();
        introduction.position.take_if(|_| self.starts_over);
        match &introduction.position {
            Some((id, offset)) => tracing::info!(
                "Trying a partial resynchronization (request {id}:{}).",
                offset.next_byte()
            ),
            None => tracing::info!("Partial resynchronization not possible (no cached master)"),
        }
        let (handshake, first) = Handshake::begin(introduction);
        self.figures.last_io_ms = turn.now_ms;
        let wire = Wire::new(limit_ms, turn.now_ms);
        self.enter(State::Talking(wire, Talk::Handshake(handshake)), turn);
        self.send(first, turn);
    }

    /// Takes the next thing off the buffer. False if it is not whole yet, or nothing is to be read now.
    fn step<F: Follower<Loaded = L>>(
        &mut self,
        buffer: &mut Vec<u8>,
        turn: &mut Turn<'_, F>,
    ) -> Result<bool, Failure> {
        let State::Talking(_, talk) = &mut self.state else { return Ok(false) };
        match talk {
            Talk::Handshake(handshake) => {
                let Some(line) = take_line(buffer, handshake::LINE_MAX)? else { return Ok(false) };
                match handshake.line(&line)? {
                    Step::Wait => {}
                    Step::Send(bytes) => self.send(bytes, turn),
                    Step::Done(outcome) => self.answered(outcome, turn)?,
                }
                Ok(true)
            }
            Talk::Header(origin) => {
                let origin = *origin;
                let Some(line) = take_line(buffer, transfer::HEADER_MAX)? else { return Ok(false) };
                if let Some(form) = transfer::header(&line)? {
                    self.receive(origin, Transfer::new(form), turn)?;
                }
                Ok(true)
            }
            Talk::Transfer(..) => self.transfer(buffer, turn),
            Talk::Syncing(..) | Talk::Loading(..) | Talk::Replacing(..) => Ok(false),
            Talk::Stream(_) => self.take_stream(buffer, turn).map(|()| false),
        }
    }

    /// The answer to PSYNC.
    fn answered<F: Follower<Loaded = L>>(
        &mut self,
        outcome: Outcome,
        turn: &mut Turn<'_, F>,
    ) -> Result<(), Failure> {
        match outcome {
            Outcome::Later(reason) => {
                return Err(Failure::network(format!(
                    "Master is currently unable to PSYNC but should be in the future: {reason}"
                )));
            }
            Outcome::Continue { id } => {
                tracing::info!("Successful partial resynchronization with master.");
                turn.follower.continue_history(id);
                self.begin_stream("Partial Resynchronization accepted", turn);
            }
            Outcome::Full { id, offset } => {
                tracing::info!("Full resync from master: {id}:{offset}");
                self.figures.last_io_ms = turn.now_ms;
                self.say(Talk::Header(Origin { id, offset }), turn);
            }
        }
        Ok(())
    }

    // --- a snapshot ---

    fn receive<F: Follower<Loaded = L>>(
        &mut self,
        origin: Origin,
        transfer: Transfer,
        turn: &mut Turn<'_, F>,
    ) -> Result<(), Failure> {
        match transfer.total() {
            Some(total) => {
                tracing::info!(
                    "MASTER <-> REPLICA sync: receiving {total} bytes from master to disk"
                )
            }
            None => tracing::info!(
                "MASTER <-> REPLICA sync: receiving streamed RDB from master with EOF to disk"
            ),
        }
        let opened = turn.follower.begin_file();
        opened.map_err(|error| Failure::ours(failure::OPENING, error))?;
        self.say(Talk::Transfer(origin, transfer), turn);
        Ok(())
    }

    /// True if the snapshot is whole.
    fn transfer<F: Follower<Loaded = L>>(
        &mut self,
        buffer: &mut Vec<u8>,
        turn: &mut Turn<'_, F>,
    ) -> Result<bool, Failure> {
        let State::Talking(_, Talk::Transfer(origin, transfer)) = &mut self.state else {
            panic!("a snapshot is received that was announced")
        };
        let (origin, follower) = (*origin, &mut *turn.follower);
        let taken = transfer.take(buffer, |part| match part {
            [] => Ok(()),
            part => follower.append_file(part),
        });
        let taken = taken.map_err(|error| Failure::ours(failure::WRITING, error))?;
        buffer.drain(..taken.used);
        follower.note_input(taken.used);
        self.figures.last_io_ms = turn.now_ms;
        self.figures.transfer = Some(TransferProgress {
            total: transfer.total(),
            received: transfer.received(),
            last_io_ms: turn.now_ms,
        });
        if taken.complete {
            self.begin_job(Job::Sync, |newlines| Talk::Syncing(origin, newlines), turn);
        }
        Ok(taken.complete)
    }

    /// A mistake: what came of a snapshot is taken for all of it.
    fn take_what_came<F: Follower<Loaded = L>>(
        &mut self,
        turn: &mut Turn<'_, F>,
    ) -> Result<(), Failure> {
        let State::Talking(_, Talk::Transfer(origin, _)) = &self.state else {
            return Err(Failure::network(failure::CLOSED));
        };
        let origin = *origin;
        self.begin_job(Job::Sync, |newlines| Talk::Syncing(origin, newlines), turn);
        Ok(())
    }

    fn synced<F: Follower<Loaded = L>>(
        &mut self,
        result: Result<(), String>,
        turn: &mut Turn<'_, F>,
    ) -> Result<(), Failure> {
        let State::Talking(_, Talk::Syncing(origin, _)) = &self.state else {
            panic!("a job ends that had begun")
        };
        let origin = *origin;
        result.map_err(|error| Failure::ours(failure::FSYNCING, error))?;
        tracing::info!("MASTER <-> REPLICA sync: Loading DB in memory");
        self.figures.transfer = None;
        self.begin_job(Job::Load, |newlines| Talk::Loading(origin, newlines), turn);
        Ok(())
    }

    fn loaded<F: Follower<Loaded = L>>(
        &mut self,
        result: Result<L, String>,
        turn: &mut Turn<'_, F>,
    ) -> Result<(), Failure> {
        let State::Talking(_, Talk::Loading(origin, _)) = &self.state else {
            panic!("a job ends that had begun")
        };
        let origin = *origin;
        let loaded = result.map_err(|error| Failure::ours(failure::LOADING, error))?;
        turn.follower.kill_saving_child();
        self.begin_job(Job::Replace, |newlines| Talk::Replacing(origin, loaded, newlines), turn);
        Ok(())
    }

    /// The snapshot is on disk in the place of our own: now it takes the place of the data.
    fn replaced<F: Follower<Loaded = L>>(
        &mut self,
        result: Result<(), String>,
        turn: &mut Turn<'_, F>,
    ) -> Result<(), Failure> {
        result.map_err(|error| Failure::ours(failure::RENAMING, error))?;
        let (wire, origin, loaded) = match std::mem::replace(&mut self.state, State::Stopped) {
            State::Talking(wire, Talk::Replacing(origin, loaded, _)) => (wire, origin, loaded),
            _ => panic!("a job ends that had begun"),
        };
        turn.follower.drop_file();
        turn.follower.adopt(loaded, origin.id, origin.offset);
        tracing::info!("MASTER <-> REPLICA sync: Finished with success");
        // There is no snapshot any more; what is said next is the stream.
        self.state = State::Talking(wire, Talk::Header(origin));
        self.begin_stream("Finished with success", turn);
        Ok(())
    }

    /// Begins a job, and shows the primary that we are there while it lasts.
    fn begin_job<F: Follower<Loaded = L>>(
        &mut self,
        job: Job,
        talk: impl FnOnce(Newlines) -> Talk<L>,
        turn: &mut Turn<'_, F>,
    ) {
        self.say(talk(Newlines { next_ms: turn.now_ms }), turn);
        turn.actions.push(Action::Start(self.attempt, job));
        self.show_life(turn);
    }

    fn show_life<F: Follower<Loaded = L>>(&mut self, turn: &mut Turn<'_, F>) {
        let State::Talking(wire, talk) = &mut self.state else { return };
        let Some(newlines) = talk.newlines() else { return };
        newlines.next_ms = turn.now_ms.saturating_add(SECOND_MS);
        if wire.stuck_since_ms.is_none() {
            self.send(b"\n".to_vec(), turn);
        }
    }

    // --- the stream ---

    /// The data is at the journal's end: from there on the stream is followed.
    fn begin_stream<F: Follower<Loaded = L>>(&mut self, how: &'static str, turn: &mut Turn<'_, F>) {
        let point = turn.follower.enter_stream();
        let (now_ms, applied) = (turn.now_ms, point.applied);
        let figures = &mut self.figures;
        figures.transfer = None;
        figures.was_up = true;
        figures.down_since_ms = None;
        figures.received = applied;
        figures.last_io_ms = now_ms;
        self.starts_over = false;
        self.up_since_ms = Some(now_ms);
        let stream = Stream {
            intake: Intake::new(point),
            next_ack_ms: now_ms.saturating_add(SECOND_MS),
            silent: 0,
            counted: 0,
        };
        self.say(Talk::Stream(stream), turn);
        turn.follower.synced(how);
        self.send(acknowledgement(turn.follower, applied), turn);
    }

    fn take_stream<F: Follower<Loaded = L>>(
        &mut self,
        buffer: &mut Vec<u8>,
        turn: &mut Turn<'_, F>,
    ) -> Result<(), Failure> {
        let State::Talking(_, Talk::Stream(stream)) = &mut self.state else {
            panic!("a stream is taken in that has begun")
        };
        assert!(buffer.len() >= stream.counted, "what was left in the buffer stays in it");
        let fresh = buffer.len() - stream.counted;
        if fresh == 0 {
            return Ok(());
        }
        turn.follower.note_input(fresh);
        self.figures.last_io_ms = turn.now_ms;
        self.figures.received = self.figures.received.after(fresh as u64);
        stream.silent = 0;
        let acks = stream.intake.take(buffer, turn.follower)?;
        stream.counted = buffer.len();
        let point = stream.intake.point();
        let (end, db) = turn.follower.stream_end();
        assert_eq!(end, point.applied, "what is applied is journaled");
        assert_eq!(db, point.db(), "the stream stands in one database");
        for applied in acks {
            self.send(acknowledgement(turn.follower, applied), turn);
        }
        Ok(())
    }

    /// A second of the stream is over.
    fn second_of_stream<F: Follower<Loaded = L>>(
        &mut self,
        turn: &mut Turn<'_, F>,
    ) -> Result<(), Failure> {
        let State::Talking(wire, Talk::Stream(stream)) = &mut self.state else {
            panic!("a stream goes on that has begun")
        };
        stream.next_ack_ms = turn.now_ms.saturating_add(SECOND_MS);
        if wire.stuck_since_ms.is_some() {
            return Ok(());
        }
        // While we do not read, nobody is silent.
        stream.silent += u64::from(!turn.follower.stream_waits());
        if stream.silent.saturating_mul(SECOND_MS) > turn.follower.timeout_ms() {
            return Err(Failure::network(failure::SILENT));
        }
        let applied = stream.intake.point().applied;
        self.send(acknowledgement(turn.follower, applied), turn);
        Ok(())
    }

    // --- the connection ---

    fn send<F>(&self, bytes: Vec<u8>, turn: &mut Turn<'_, F>) {
        if !matches!(&self.state, State::Talking(wire, _) if wire.is_mute) {
            turn.actions.push(Action::Send(self.attempt, bytes));
        }
    }

    /// A primary that ends while its snapshot is loaded takes no newlines: that is no reason to throw the snapshot away.
    fn send_failed(&mut self, error: &str) -> Result<(), Failure> {
        if let State::Talking(wire, talk) = &mut self.state
            && talk.newlines().is_some()
        {
            (wire.is_mute, wire.stuck_since_ms) = (true, None);
            return Ok(());
        }
        Err(Failure::network(format!("Error writing to MASTER: {error}")))
    }

    fn note_stuck(&mut self, is_stuck: bool, now_ms: u64) {
        let State::Talking(wire, _) = &mut self.state else { return };
        match is_stuck {
            true => wire.stuck_since_ms = wire.stuck_since_ms.or(Some(now_ms)),
            false => (wire.stuck_since_ms, wire.heard_ms) = (None, now_ms),
        }
    }

    /// Goes on with the same connection.
    fn say<F: Follower<Loaded = L>>(&mut self, next: Talk<L>, turn: &mut Turn<'_, F>) {
        let State::Talking(_, talk) = &mut self.state else {
            panic!("a conversation goes on that had begun")
        };
        *talk = next;
        self.tell_stage(turn);
    }

    fn enter<F: Follower<Loaded = L>>(&mut self, state: State<L>, turn: &mut Turn<'_, F>) {
        self.state = state;
        self.tell_stage(turn);
    }

    fn tell_stage<F: Follower<Loaded = L>>(&mut self, turn: &mut Turn<'_, F>) {
        let stage = self.stage();
        if std::mem::replace(&mut self.told, stage) != stage {
            turn.follower.entered(stage);
        }
    }

    /// Gives back what an attempt has.
    fn hang_up<F: Follower<Loaded = L>>(&mut self, turn: &mut Turn<'_, F>) {
        if self.is_under_way(self.attempt) {
            turn.actions.push(Action::Close(self.attempt));
        }
        if self.state.has_file() {
            turn.follower.drop_file();
        }
    }

    /// An attempt has ended.
    fn fail<F: Follower<Loaded = L>>(&mut self, failure: Failure, turn: &mut Turn<'_, F>) {
        self.hang_up(turn);
        turn.follower.leave_stream();
        let up_ms = self.up_since_ms.take().map(|since| turn.now_ms.saturating_sub(since));
        let delay_ms = self.retry.after(failure.cause, up_ms);
        self.figures.transfer = None;
        self.figures.failed_attempts += 1;
        if up_ms.is_some() {
            self.figures.down_since_ms = Some(turn.now_ms);
        }
        self.enter(State::Waiting { until_ms: turn.now_ms.saturating_add(delay_ms) }, turn);
        if up_ms.is_some() {
            tracing::info!("Connection with master lost.");
        }
        if failure.loses_position {
            self.starts_over = true;
        } else if up_ms.is_some() {
            tracing::info!("Caching the disconnected master state.");
        }
        if up_ms.is_some_and(|up| up >= SETTLED_MS) {
            // What failed before the link worked for so long is another story.
            self.figures.reason = None;
        }
        // Each reason once: what repeats is counted.
        if self.figures.reason.as_ref() != Some(&failure.text) {
            tracing::warn!("{}", failure.text);
            self.figures.reason = Some(failure.text);
        }
        if failure.torn {
            turn.follower.leave_history();
        }
        if delay_ms == 0 {
            self.connect(turn);
        }
    }
}

#[cfg(test)]
mod tests;
