//! What happens to a node, and the turn that each of it gets.

use crate::actions::Actions;
use crate::child::Progress;
use crate::config::PrimaryAddress;
use crate::jobs::JobDone;
use crate::node::Node;
use crate::persistence::loader::Outcome;
use crate::shutdown::Asking;
use crate::time::Now;
use replica::link::{Attempt, Event as LinkEvent};
use replica::primary::SyncEvent;

/// What has happened.
pub enum Event<'a> {
    /// The process is there: what is on disk is to be loaded.
    Start,
    /// The configuration names a primary, and what is on disk is loaded.
    Follow(PrimaryAddress),
    /// A tenth of a second has passed.
    Tick,
    /// The moment of [`Node::next_alarm_ms`] has come, or may have.
    Alarm,
    /// Something cannot wait for the next tick: see [`Actions::react`].
    React,
    /// All that was ready has had its turn: what was journaled goes to disk and to replicas.
    Flush,
    /// What the append thread published has changed.
    Disk,
    /// A session's connection is gone.
    Gone(usize),
    /// The child at work reports.
    ChildReported(Progress),
    /// A child that wrote a file has ended, with the result of its job.
    ChildEnded {
        /// Its number.
        pid: i32,
        /// What it said at its end, or why it failed.
        result: Result<String, String>,
    },
    /// Something happened to the full sync of this number. Pieces only while [`Node::wants_sync_piece`].
    Sync(u64, SyncEvent),
    /// Something happened to an attempt of the link to our primary.
    Link(Attempt, Box<LinkEvent<Outcome>>),
    /// Something came on it. What is left in the buffer stays there, and new bytes come behind it; how many:
    /// [`Node::link_read_size`].
    LinkBytes(Attempt, &'a mut Vec<u8>),
    /// A job is done.
    JobDone(JobDone),
    /// A signal asks for the end.
    Signal(Asking),
    /// Whether the end can come now: asked again while it is wanted ([`Node::wants_to_end`]).
    LookAtEnd,
    /// The end comes, after [`Event::LookAtEnd`] found that it can and what was flushed is on its way.
    End,
}

impl Node {
    /// One turn: something has happened, and what is to be done is put into `actions`.
    pub fn turn(&mut self, event: Event<'_>, now: Now, actions: &mut Actions) {
        self.begin_turn(now);
        match event {
            Event::Start => self.load_at_start(),
            Event::Follow(primary) => self.follow(&primary.host, primary.port),
            Event::Tick => self.tick(),
            Event::Alarm => self.alarm(),
            Event::React => self.react(),
            Event::Flush => self.flush(),
            Event::Disk => self.disk_progress(),
            Event::Gone(slot) => self.forget_client(slot),
            Event::ChildReported(progress) => self.host.child.note(progress),
            Event::ChildEnded { pid, result } => self.child_ended(pid, result),
            Event::Sync(number, event) => self.sync_happened(number, event),
            Event::Link(attempt, event) => self.link_happened(attempt, *event),
            Event::LinkBytes(attempt, buffer) => self.link_bytes(attempt, buffer),
            Event::JobDone(done) => self.job_done(done),
            Event::Signal(asking) => self.signal(asking),
            Event::LookAtEnd => self.look_at_end(),
            Event::End => self.end(),
        }
        self.collect(actions);
    }

    /// Whether there is something to hand over.
    #[inline]
    pub fn wants_something(&self) -> bool {
        !self.host.actions.is_empty()
    }

    /// Hands over what is to be done. To be called at the end of whatever was done with the node, [`Node::turn`] included.
    #[inline]
    pub fn collect(&mut self, actions: &mut Actions) {
        assert!(actions.is_empty(), "what was to be done has been done");
        std::mem::swap(&mut self.host.actions, actions);
    }

    /// A job is done.
    pub(crate) fn job_done(&mut self, done: JobDone) {
        // Data are not replaced behind the back of a script that is in the midst of them.
        if self.engine.is_paused_in_script() {
            self.host.held_back.push(done);
            return;
        }
        match done {
            JobDone::Loaded(outcome) => self.loaded(*outcome),
            JobDone::FirstFiles(made) => self.first_files_made(*made),
            JobDone::Link(attempt, event) => self.link_happened(attempt, *event),
            JobDone::SnapshotPlaced(attempt, result) => self.snapshot_placed(attempt, result),
        }
    }
}
