//! How others wake a connection's task: a message was published to it, it is to be closed, its wait is over.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Waker;

/// Shared between a connection's task and everybody who has something for it.
#[derive(Default)]
pub struct Handle {
    waker: RefCell<Option<Waker>>,
    kill: Cell<bool>,
}

impl Handle {
    /// A fresh handle.
    pub fn new() -> Rc<Handle> {
        Rc::new(Handle::default())
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
        self.wake();
    }

    /// Whether the connection is to be closed at once.
    pub fn is_killed(&self) -> bool {
        self.kill.get()
    }
}
