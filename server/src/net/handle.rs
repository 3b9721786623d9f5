//! How others wake a connection's task: a message was published to it, it is to be closed, its wait is over.

use std::cell::{Cell, RefCell};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// Shared between a connection's task and everybody who has something for it.
#[derive(Default)]
pub struct Handle {
    waker: RefCell<Option<Waker>>,
    kill: Cell<bool>,
    /// Shut down when it is killed: the other side learns of it even if our task gets no turn for a while.
    socket: Option<OwnedFd>,
}

impl Handle {
    /// A fresh handle.
    pub fn new() -> Rc<Handle> {
        Rc::new(Handle::default())
    }

    /// A fresh handle that shuts `socket`, a duplicate of the connection's, down when it is killed.
    pub fn with_socket(socket: OwnedFd) -> Rc<Handle> {
        Rc::new(Handle { socket: Some(socket), ..Handle::default() })
    }

    /// The task says how it is woken. Called at each of its turns.
    #[inline]
    pub fn register(&self, waker: &Waker) {
        let mut slot = self.waker.borrow_mut();
        match &*slot {
            Some(old) if old.will_wake(waker) => {}
            _ => *slot = Some(waker.clone()),
        }
    }

    /// Lets the task have a turn.
    pub fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    /// Makes the task close its connection at once.
    pub fn kill(&self) {
        self.kill.set(true);
        if let Some(socket) = &self.socket {
            // It may be closed by the other side already.
            let _ = rustix::net::shutdown(socket, rustix::net::Shutdown::Both);
        }
        self.wake();
    }

    /// Waits until the connection is to be closed at once: for a task that is not polled by hand.
    pub async fn killed(&self) {
        std::future::poll_fn(|context| {
            self.register(context.waker());
            if self.is_killed() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Whether the connection is to be closed at once.
    pub fn is_killed(&self) -> bool {
        self.kill.get()
    }
}

/// The handles of all connections, by slot: who wakes and who closes them share it.
#[derive(Default)]
pub struct Handles(RefCell<Vec<Option<Rc<Handle>>>>);

impl Handles {
    /// A connection has this slot.
    pub fn register(&self, slot: usize, handle: Rc<Handle>) {
        let mut handles = self.0.borrow_mut();
        if handles.len() <= slot {
            handles.resize_with(slot + 1, || None);
        }
        handles[slot] = Some(handle);
    }

    /// It has it no more, if it still had.
    pub fn forget(&self, slot: usize, handle: &Rc<Handle>) {
        if let Some(registered) = self.0.borrow_mut().get_mut(slot) {
            registered.take_if(|registered| Rc::ptr_eq(registered, handle));
        }
    }

    /// Does something with the connection of a slot, if there is one.
    #[inline]
    pub fn with(&self, slot: usize, act: impl FnOnce(&Handle)) {
        if let Some(Some(handle)) = self.0.borrow().get(slot) {
            act(handle);
        }
    }
}
