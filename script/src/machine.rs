//! The state of one interpreter that is ours: all that the functions which scripts call need, and nothing on their frames
//! has room for.
//!
//! # Invariants
//! - it is reached by its pointer alone: while a script runs nobody holds a reference to all of it
//!
//! # Not here
//! - how work is done: `work`; who asks for it: `interpreter`

#![expect(
    unsafe_code,
    reason = "it is found by the pointer that the interpreter keeps, which is a C library"
)]

use crate::caller::Caller;
use crate::function::{Failure, Registered};
use crate::lua::*;
use corosensei::Yielder;
use protocol::resp::{Args, Span};
use std::alloc::{Layout, alloc, dealloc, realloc};
use std::any::Any;
use std::ffi::{c_int, c_void};
use std::ptr;

/// Values that are written between two looks.
const LOOK_EVERY: u32 = 1 << 15;
/// What a script is told that is killed.
pub(crate) const KILLED: &[u8] = b"Script killed by user with SCRIPT KILL...";
/// The interpreter's data are aligned to that.
const ALIGN: usize = 16;

/// What kind of scripts an interpreter runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Those of EVAL: keys and arguments are globals.
    Eval,
    /// Functions of libraries: they are handed over.
    Functions,
}

/// The work that is to be done next.
#[derive(Clone, Copy)]
pub(crate) enum Job {
    None,
    Setup,
    Compile { code: *const [u8] },
    Load { code: *const [u8] },
    Run { function: c_int, args: Args<'static>, keys: usize },
}

/// All that the functions which scripts call need. They find it by the state that they are handed.
pub(crate) struct Machine {
    pub state: *mut lua_State,
    pub kind: Kind,
    pub yielder: *const Yielder<(), ()>,
    /// Where the reference to the caller lies that is lent for the piece of work that is being done; null if there is none.
    pub caller: *mut c_void,
    pub job: Job,
    /// What came of it: a compiled function.
    pub made: c_int,
    /// The command that a script calls: as bytes, and where its words lie.
    pub request: Vec<u8>,
    pub spans: Vec<Span>,
    /// Its reply.
    pub answer: Vec<u8>,
    /// The script's own reply.
    pub reply: Vec<u8>,
    pub reply_resp3: bool,
    /// Where in `reply` it begins.
    pub reply_start: usize,
    /// The name of what runs, for messages.
    pub name: Vec<u8>,
    /// The version that replies of commands are in.
    pub resp3: bool,
    pub failure: Option<Failure>,
    /// A panic of the caller, on its way through the interpreter.
    pub panic: Option<Box<dyn Any + Send>>,
    /// The functions that a library has registered so far, while it is loaded.
    pub registered: Option<Vec<Registered>>,
    /// Where text is put together.
    pub text: Vec<u8>,
    /// Values that were written, of texts and replies.
    pub values: u32,
    /// What there is of the reply while the script has paused in the midst of it.
    pub partial: Vec<u8>,
    /// When the loading of a library began.
    pub start_ns: u64,
    pub killed: bool,
    /// The state of `math.random`, 48 bits.
    pub random: u64,
    pub used_bytes: usize,
    pub limit_bytes: usize,
    /// What was in use when all garbage had been collected last.
    pub kept_bytes: usize,
    /// Registry references of what is needed often.
    pub worker: c_int,
    pub handler: c_int,
    pub globals: c_int,
    pub keys_name: c_int,
    pub argv_name: c_int,
}

impl Machine {
    /// That of an interpreter that is to be made.
    pub fn new(kind: Kind, seed: u64, limit_bytes: usize) -> Machine {
        Machine {
            state: ptr::null_mut(),
            kind,
            yielder: ptr::null(),
            caller: ptr::null_mut(),
            job: Job::None,
            made: 0,
            request: Vec::new(),
            spans: Vec::new(),
            answer: Vec::new(),
            reply: Vec::new(),
            reply_resp3: false,
            reply_start: 0,
            name: Vec::new(),
            resp3: false,
            failure: None,
            panic: None,
            registered: None,
            text: Vec::new(),
            values: 0,
            partial: Vec::new(),
            start_ns: 0,
            killed: false,
            random: seed & 0xffff_ffff_ffff,
            used_bytes: 0,
            limit_bytes,
            kept_bytes: 0,
            worker: 0,
            handler: 0,
            globals: 0,
            keys_name: 0,
            argv_name: 0,
        }
    }

    /// That of a state.
    ///
    /// # Safety
    /// The state is one of ours.
    #[inline]
    pub unsafe fn of(state: *mut lua_State) -> *mut Machine {
        let mut machine = ptr::null_mut();
        // SAFETY: it was made with the machine beside its allocator.
        unsafe { lua_getallocf(state, &mut machine) };
        machine.cast()
    }

    /// The caller that is lent.
    ///
    /// # Safety
    /// Called on the script's stack, between a switch there and the next one back; the reference does not outlive that.
    #[inline]
    pub unsafe fn caller<'a>(machine: *mut Machine) -> Option<&'a mut dyn Caller> {
        // SAFETY: it is lent for as long as the script's stack is switched to, and lies there as such a reference.
        unsafe {
            let lent = (*machine).caller.cast::<&mut dyn Caller>();
            if lent.is_null() { None } else { Some(&mut **lent) }
        }
    }

    /// Whether it is time to look how long the script has been running: another value was written.
    #[inline]
    unsafe fn is_time_to_look(machine: *mut Machine) -> bool {
        // SAFETY: as above.
        unsafe {
            (*machine).values = (*machine).values.wrapping_add(1);
            (*machine).values.is_multiple_of(LOOK_EVERY)
        }
    }

    /// What is put together for a script may take as much as all that it has. A value that is in it many times may take long.
    ///
    /// # Safety
    /// Called by a function that the interpreter has called, for each value: it may raise.
    #[inline]
    pub unsafe fn check_text(state: *mut lua_State, machine: *mut Machine) {
        // SAFETY: as above.
        unsafe {
            if Machine::is_time_to_look(machine) {
                look(state);
            }
            let text = &(*machine).text;
            if text.len() > (*machine).limit_bytes {
                (*machine).text = Vec::new();
                raise(state, b"not enough memory");
            }
        }
    }

    /// The same for the reply.
    ///
    /// # Safety
    /// As above.
    pub unsafe fn check_reply(state: *mut lua_State, machine: *mut Machine) {
        // SAFETY: as above.
        unsafe {
            if Machine::is_time_to_look(machine) {
                let must_pause = Machine::caller(machine).is_some_and(|caller| caller.must_pause());
                if must_pause && !(*machine).killed {
                    (*(*machine).yielder).suspend(());
                }
                if (*machine).killed {
                    let text = [b"ERR ", KILLED].concat();
                    (*machine).failure = Some(Failure { text, counted: false });
                    raise(state, KILLED);
                }
            }
            let reply = &(*machine).reply;
            if reply.len() - (*machine).reply_start > (*machine).limit_bytes {
                raise(state, b"the reply is too large");
            }
        }
    }

    /// A panic in something that a script has called: it goes on behind the interpreter.
    ///
    /// # Safety
    /// As above.
    pub unsafe fn note_panic(machine: *mut Machine, panic: Box<dyn Any + Send>) {
        // SAFETY: as above.
        unsafe {
            (*machine).panic = Some(panic);
            (*machine).killed = true;
        }
    }
}

/// The interpreter's memory comes from the process's allocator, counted and bounded.
pub(crate) unsafe extern "C" fn allocate(
    machine: *mut c_void,
    block: *mut c_void,
    old_bytes: usize,
    new_bytes: usize,
) -> *mut c_void {
    let machine: *mut Machine = machine.cast();
    // SAFETY: the interpreter says of each block how large it is, as it got it from here.
    unsafe {
        let layout = |bytes| Layout::from_size_align_unchecked(bytes, ALIGN);
        let old_bytes = if block.is_null() { 0 } else { old_bytes };
        let used = &mut (*machine).used_bytes;
        if new_bytes == 0 {
            if !block.is_null() {
                *used -= old_bytes;
                dealloc(block.cast(), layout(old_bytes));
            }
            return ptr::null_mut();
        }
        let wanted = (*used - old_bytes).saturating_add(new_bytes);
        // It counts on it that what shrinks is not refused.
        if new_bytes > old_bytes && wanted > (*machine).limit_bytes
            || new_bytes > isize::MAX as usize / 2
        {
            return ptr::null_mut();
        }
        let new = match block.is_null() {
            true => alloc(layout(new_bytes)),
            false => realloc(block.cast(), layout(old_bytes), new_bytes),
        };
        if !new.is_null() {
            *used = wanted;
        }
        new.cast()
    }
}
