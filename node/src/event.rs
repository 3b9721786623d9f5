//! What happens to a node, and the turn that each of it gets.

use crate::actions::Actions;
use crate::child::Progress;
use crate::config::PrimaryAddress;
use crate::jobs::JobDone;
use crate::node::Node;
use crate::shutdown::Asking;
use crate::time::Now;
use bytes::Bytes;

/// What has happened.
pub enum Event {
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
    /// The child's process has ended, and what it made is still on its way to replicas.
    ChildExited,
    /// A child that wrote a file has ended, with the result of its job.
    ChildEnded {
        /// Its number.
        pid: i32,
        /// What it said at its end, or why it failed.
        result: Result<String, String>,
    },
    /// The snapshot of a full sync begins: with its length, where that is known.
    SyncBegins(u64, Option<u64>),
    /// A piece of it.
    SyncPiece(u64, Bytes),
    /// It has ended, and so has its child.
    SyncEnded(u64, Result<(), String>),
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
    pub fn turn(&mut self, event: Event, now: Now, actions: &mut Actions) {
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
            Event::ChildExited => self.child_exited(),
            Event::ChildEnded { pid, result } => self.child_ended(pid, result),
            Event::SyncBegins(number, len) => self.begin_sync(number, len),
            Event::SyncPiece(number, bytes) => self.spread(number, &bytes),
            Event::SyncEnded(number, result) => self.end_sync(number, result),
            Event::JobDone(done) => self.job_done(done),
            Event::Signal(asking) => self.signal(asking),
            Event::LookAtEnd => self.look_at_end(),
            Event::End => self.end(),
        }
        self.collect(actions);
    }

    /// Hands over what is to be done. To be called at the end of whatever was done with the node, [`Node::turn`] included.
    #[inline]
    pub fn collect(&mut self, actions: &mut Actions) {
        assert!(actions.is_empty(), "what was to be done has been done");
        std::mem::swap(&mut self.host.actions, actions);
    }

    /// A job is done.
    fn job_done(&mut self, done: JobDone) {
        match done {
            JobDone::Loaded(outcome) => self.loaded(*outcome),
            JobDone::FirstFiles(made) => self.first_files_made(*made),
        }
    }
}
