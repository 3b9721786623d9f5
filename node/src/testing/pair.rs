//! Two nodes on the bench, and a connection between them: the first is the primary of the second.

use super::bench::Bench;
use crate::clients::Arrival;
use crate::config::Settings;
use crate::event::Event;
use replica::link::{Action, Attempt, Event as LinkEvent, Stage};

/// Steps that one thing may lead to.
const STEPS_MAX: u32 = 100_000;

/// The connection that the replica has dialled.
struct Wire {
    attempt: Attempt,
    slot: usize,
    /// What the primary has sent and the replica has not taken.
    buffer: Vec<u8>,
}

/// A primary and its replica.
pub struct Pair {
    /// The primary.
    pub primary: Bench,
    /// The replica.
    pub replica: Bench,
    /// Nobody can be reached.
    pub cut: bool,
    /// Jobs of the replica are run by the test.
    pub holds_jobs: bool,
    /// Children of the primary work when the test says so.
    pub holds_children: bool,
    wire: Option<Wire>,
}

impl Pair {
    /// Two nodes that do not know each other.
    pub fn new(primary: impl FnOnce(&mut Settings), replica: impl FnOnce(&mut Settings)) -> Pair {
        let primary = Bench::new(primary);
        let replica = Bench::new(|settings| {
            settings.port = 6380;
            replica(settings);
        });
        let (cut, holds_jobs, holds_children) = (false, false, false);
        Pair { primary, replica, cut, holds_jobs, holds_children, wire: None }
    }

    /// Two that follow each other.
    pub fn online() -> Pair {
        let mut pair = Pair::new(|_| (), |_| ());
        pair.follow();
        pair.pump();
        pair.expect_online();
        pair
    }

    /// The second is told to follow the first.
    pub fn follow(&mut self) {
        let slot = self.replica.connect();
        assert_eq!(self.replica.ask(slot, "REPLICAOF primary 6379"), "+OK");
        self.replica.hang_up(slot);
    }

    /// How far the link has come.
    pub fn stage(&self) -> Option<Stage> {
        self.replica.node.host.replication.following().map(|following| following.stage)
    }

    /// Both have the same, at the same offset.
    #[track_caller]
    pub fn expect_online(&mut self) {
        assert_eq!(self.stage(), Some(Stage::Connected));
        let ends = [&self.primary, &self.replica].map(|bench| bench.node.host.journal.end());
        assert_eq!(ends[0], ends[1]);
        assert_eq!(self.primary.digest(), self.replica.digest());
    }

    /// Time passes for both, and what is said is carried.
    pub fn pass(&mut self, ms: u64) {
        for _ in 0..ms.div_ceil(100) {
            self.primary.pass(100);
            self.replica.pass(100);
            self.pump();
        }
    }

    /// The connection breaks.
    pub fn lose(&mut self) {
        let Some(wire) = self.wire.take() else { return };
        self.primary.hang_up(wire.slot);
        self.replica.link_event(wire.attempt, LinkEvent::Closed);
    }

    /// The primary's slot of the replica.
    pub fn slot(&self) -> usize {
        self.wire.as_ref().expect("they are connected").slot
    }

    /// The attempt under way.
    pub fn attempt(&self) -> Attempt {
        self.wire.as_ref().expect("they are connected").attempt
    }

    /// Carries what is said, and does what is to be done, until both are silent.
    pub fn pump(&mut self) {
        for _ in 0..STEPS_MAX {
            if !self.step() {
                return;
            }
        }
        panic!("they are never silent");
    }

    /// One thing. False if there is nothing.
    pub fn step(&mut self) -> bool {
        if let Some(action) = self.replica.link.pop_front() {
            self.act(action);
            return true;
        }
        if self.was_killed() {
            let attempt = self.attempt();
            self.replica.link_event(attempt, LinkEvent::Killed);
            return true;
        }
        if !self.holds_jobs && self.replica.run_job() {
            return true;
        }
        if !self.holds_children && self.primary.children() > 0 {
            match self.primary.node.host.replication.primary.sync_number() {
                Some(_) => self.primary.full_sync_runs(),
                None => self.primary.child_ends(),
            }
            return true;
        }
        self.carry()
    }

    /// Whether the replica has closed the connection to its primary, as CLIENT KILL does.
    fn was_killed(&mut self) -> bool {
        let following = self.replica.node.host.replication.following();
        let slot = following.map(|following| following.slot);
        let closed = std::mem::take(&mut self.replica.closed);
        closed.into_iter().any(|closed| Some(closed) == slot) && self.wire.is_some()
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Dial(attempt) if self.cut => {
                self.replica.link_event(attempt, LinkEvent::DialFailed("no route".into()));
            }
            Action::Dial(attempt) => {
                let slot = self.primary.connect();
                self.wire = Some(Wire { attempt, slot, buffer: Vec::new() });
                self.replica.node.host.now = self.replica.now;
                self.replica.node.register_link(attempt, Arrival::default());
                self.replica.link_event(attempt, LinkEvent::Connected);
            }
            Action::Send(attempt, bytes) => {
                let wire = self.wire.as_ref().filter(|wire| wire.attempt == attempt);
                if let Some(slot) = wire.map(|wire| wire.slot) {
                    self.primary.say_bytes(slot, &bytes);
                }
            }
            Action::Close(attempt) => {
                if let Some(wire) = self.wire.take_if(|wire| wire.attempt == attempt) {
                    self.primary.hang_up(wire.slot);
                }
            }
            Action::Start(..) => unreachable!("the node starts jobs itself"),
        }
    }

    fn carry(&mut self) -> bool {
        let Some(wire) = &mut self.wire else { return false };
        let came = self.primary.hear_bytes(wire.slot);
        let has_come = !came.is_empty();
        wire.buffer.extend(came);
        if !has_come && !self.primary.is_connected(wire.slot) {
            self.lose();
            return true;
        }
        let had = wire.buffer.len();
        if had == 0 || self.replica.node.link_read_size(had) == 0 {
            return false;
        }
        let (attempt, mut buffer) = (wire.attempt, std::mem::take(&mut wire.buffer));
        self.replica.turn(Event::LinkBytes(attempt, &mut buffer));
        let left = buffer.len();
        if let Some(wire) = self.wire.as_mut().filter(|wire| wire.attempt == attempt) {
            wire.buffer = buffer;
        }
        left < had
    }
}
