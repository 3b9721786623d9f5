//! Calls to the system that fail on demand: every one of this thread is counted, and one of them fails. Before each of
//! those that follow it something can be looked at, as a crash there would leave it.
//!
//! # Not here
//! - calls of the append thread: its disk is a trait, with fakes of its own

use std::cell::{Cell, RefCell};
use std::io;

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing was done.
    Before(i32),
    /// It was done, and an error is returned all the same: an fsync that lost nothing, a rename whose answer was lost.
    After(i32),
    /// Half of what was to be written was. Other calls fail as with `Before`.
    Short(i32),
}

/// No space left on device; input/output error.
pub(crate) const FAULTS: [Fault; 3] = [Fault::Before(28), Fault::After(5), Fault::Short(28)];

/// So many calls after the one that failed are looked at.
const LOOKS: u64 = 16;

type Look = Box<dyn Fn()>;

thread_local! {
    static LOOK: RefCell<Option<Look>> = const { RefCell::new(None) };
    static CALLS: Cell<u64> = const { Cell::new(0) };
    static PLAN: Cell<Option<(u64, Fault)>> = const { Cell::new(None) };
}

/// Lets call number `at` fail, counted from now on.
pub(crate) fn arm(at: u64, fault: Fault) {
    CALLS.set(0);
    PLAN.set(Some((at, fault)));
}

/// Looks, before each of the calls behind the one that fails.
pub(crate) fn look_before_calls(look: Look) {
    LOOK.set(Some(look));
}

/// No call fails any more. Returns whether one has.
pub(crate) fn disarm() -> bool {
    let fired = PLAN.get().is_some_and(|(at, _)| CALLS.get() > at);
    PLAN.set(None);
    LOOK.set(None);
    fired
}

/// Does something whose calls neither count nor fail.
pub(crate) fn unharmed<T>(act: impl FnOnce() -> T) -> T {
    let plan = PLAN.take();
    let result = act();
    PLAN.set(plan);
    result
}

/// The fault of the call that is about to be made, if it has one.
pub(super) fn next() -> Option<Fault> {
    let (at, fault) = PLAN.get()?;
    let call = CALLS.get();
    CALLS.set(call + 1);
    if call > at && call <= at + LOOKS {
        unharmed(|| LOOK.with_borrow(|look| look.as_ref().map_or((), |look| look())));
    }
    (call == at).then_some(fault)
}

/// The same, without counting it.
pub(super) fn peek() -> Option<Fault> {
    PLAN.get().filter(|(at, _)| CALLS.get() == *at).map(|(_, fault)| fault)
}

/// Makes a call, or lets it fail.
pub(super) fn call<T>(act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    match next() {
        None => act(),
        Some(Fault::Before(code) | Fault::Short(code)) => Err(io::Error::from_raw_os_error(code)),
        Some(Fault::After(code)) => {
            act()?;
            Err(io::Error::from_raw_os_error(code))
        }
    }
}
