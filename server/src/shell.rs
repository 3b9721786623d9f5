//! The process around a node: it says what time it is, gives the node its turns, and does what the node wants done.
//!
//! ```text
//! sockets, timers, threads, children ─► tasks ─► Shell::turn ─► Node ─► actions ─► Shell::act ─► wakes tasks
//! ```
//!
//! Everything runs on one thread. Tasks share the shell by `Rc<RefCell<…>>` and borrow it for a turn at a time, never across an
//! await: so a turn is a critical section without a lock.

use crate::clock;
use crate::eventloop;
use crate::net::handle::{Handle, Handles};
use crate::net::holding::Holding;
use node::clients::Arrival;
use node::config::Loaded;
use node::{Actions, Event, Exit, Node, World};
use protocol::resp::Batch;
use replica::link::Action as LinkAction;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use tokio::sync::Notify;

/// The shell as tasks share it.
pub type Shared = Rc<RefCell<Shell>>;

/// Bytes of the buffer of what was read that are kept though nobody needs them.
const INPUT_KEPT: usize = 64 << 10;
/// The same for the buffer of what is answered. Both are there from the start: so what a turn needs is not in use at one time
/// and free at another, and who looks at the memory in use sees what data and clients take.
pub const OUTPUT_KEPT: usize = 256 << 10;

/// Buffers that every turn uses and gives back.
#[derive(Default)]
pub struct Scratch {
    /// What was read.
    pub input: Vec<u8>,
    /// What is answered.
    pub output: Vec<u8>,
    /// The requests found.
    pub batch: Batch,
}

impl Scratch {
    fn at_start() -> Scratch {
        let (input, output) = (Vec::with_capacity(INPUT_KEPT), Vec::with_capacity(OUTPUT_KEPT));
        Scratch { input, output, batch: Batch::default() }
    }

    /// Gives back what unusually large requests and replies have left.
    pub fn trim(&mut self) {
        self.input.shrink_to(INPUT_KEPT);
        self.output.shrink_to(OUTPUT_KEPT);
        self.batch.trim();
    }
}

/// What wakes the tasks.
#[derive(Default)]
pub struct Signals {
    /// A flush is wanted.
    pub flush: Notify,
    /// A reaction is wanted.
    pub react: Notify,
    /// The next alarm may be at another moment.
    pub alarm: Notify,
    /// The snapshot of a full sync may go on.
    pub sync_room: Notify,
    /// The stream of our primary may go on.
    pub link_room: Notify,
    /// The link to our primary wants something done.
    pub link: Notify,
    /// The child of a full sync has written its file, or the full sync is over.
    pub sync: Notify,
    /// The end is asked for.
    pub end: Notify,
    /// Data are loaded.
    pub ready: Notify,
}

impl Signals {
    /// Those of a shell.
    pub fn of(shell: &Shared) -> Rc<Signals> {
        Rc::clone(&shell.borrow().signals)
    }
}

/// The process around a node.
pub struct Shell {
    /// The node.
    pub node: Node,
    /// Buffers of a turn.
    pub scratch: Scratch,
    /// Replies that have not left yet.
    pub holding: Holding,
    /// What wakes the tasks.
    pub signals: Rc<Signals>,
    /// Why the process ends.
    pub exit: Option<Exit>,
    /// What was found when the end was looked for: it can come.
    pub end_is_there: bool,
    /// What the link to our primary wants done.
    pub link_actions: VecDeque<LinkAction>,
    /// The file of the full sync is to be opened.
    pub open_sync_file: bool,
    actions: Actions,
    /// The connections.
    pub handles: Rc<Handles>,
}

impl Shell {
    /// A shell around a node without data.
    pub fn start<W: World + 'static>(
        loaded: Loaded,
        world: impl FnOnce(Weak<RefCell<Shell>>, Rc<Handles>) -> W,
    ) -> Shared {
        Rc::new_cyclic(|shell: &Weak<RefCell<Shell>>| {
            let handles = Rc::<Handles>::default();
            let world = Box::new(world(shell.clone(), Rc::clone(&handles)));
            let mut node = Node::new(loaded.settings, loaded.file, clock::instant(), world);
            node.engine.names = loaded.names.map(Arc::new);
            RefCell::new(Shell {
                node,
                scratch: Scratch::at_start(),
                holding: Holding::default(),
                signals: Rc::default(),
                exit: None,
                end_is_there: false,
                link_actions: VecDeque::new(),
                open_sync_file: false,
                actions: Actions::default(),
                handles,
            })
        })
    }

    /// Something has happened.
    pub fn turn(&mut self, event: Event<'_>) {
        self.node.turn(event, clock::instant(), &mut self.actions);
        eventloop::note_turn(self.node.engine.stats.commands);
        if !self.actions.is_empty() {
            self.do_some();
        }
    }

    /// Does what the node wants done: at the end of whatever was done with it.
    #[inline]
    pub fn act(&mut self) {
        if self.node.wants_something() {
            self.node.collect(&mut self.actions);
            self.do_some();
        }
    }

    fn do_some(&mut self) {
        let Shell { actions, handles, signals, .. } = self;
        actions.wake.drain(..).for_each(|slot| handles.with(slot, Handle::wake));
        let mut flags = [
            (&mut actions.flush, &signals.flush),
            (&mut actions.react, &signals.react),
            (&mut actions.alarm, &signals.alarm),
            (&mut actions.end, &signals.end),
            (&mut actions.ready, &signals.ready),
        ];
        for (flag, signal) in &mut flags {
            if std::mem::take(*flag) {
                signal.notify_one();
            }
        }
        if !actions.link.is_empty() {
            self.link_actions.extend(actions.link.drain(..));
            signals.link.notify_one();
        }
        // A task of before may still wait there too, and would take what is meant for its successor alone.
        if std::mem::take(&mut actions.link_room) {
            signals.link_room.notify_waiters();
        }
        if std::mem::take(&mut actions.sync_room) {
            signals.sync_room.notify_waiters();
        }
        self.open_sync_file |= std::mem::take(&mut actions.open_sync_file);
        let sync_ended = std::mem::take(&mut actions.sync_ended);
        // A file that nobody has opened by then is not the next full sync's.
        self.open_sync_file &= !sync_ended;
        if self.open_sync_file || sync_ended {
            signals.sync.notify_waiters();
        }
        self.end_is_there |= std::mem::take(&mut actions.end_is_there);
        if let Some(exit) = actions.exit.take() {
            self.leave(exit);
        }
    }

    fn leave(&mut self, exit: Exit) {
        match exit {
            Exit::Done => std::process::exit(0),
            Exit::Fatal => std::process::exit(1),
            Exit::NotLoaded(_) => {
                self.exit = Some(exit);
                self.signals.ready.notify_one();
            }
        }
    }

    /// Lets a client in, whose connection is woken and closed through the handle. Returns its slot.
    pub fn admit(&mut self, arrival: Arrival, handle: Rc<Handle>) -> usize {
        self.node.host.now = clock::instant();
        let slot = self.node.add_client(arrival);
        self.handles.register(slot, handle);
        self.act();
        slot
    }
}
