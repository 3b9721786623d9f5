//! One interpreter: its memory, its stack, and the one piece of work that it is doing.
//!
//! All work is done on a stack of its own, which is there as long as the interpreter is. A piece of work is put where
//! `work` finds it, and the stack is switched to; when it switches back, the work is done or pauses.
//!
//! # Invariants
//! - between two calls of the interpreter's functions no [`Caller`] is kept
//! - an interpreter that pauses does nothing but go on or end
//!
//! # Not here
//! - which scripts there are: [`crate::cache`], [`crate::libraries`]

#![expect(unsafe_code, reason = "the interpreter is a C library, on a stack of its own")]

use crate::caller::Caller;
use crate::function::{Failure, Function, Registered};
use crate::lua::*;
use crate::machine::{Job, Kind, Machine, allocate};
use crate::work::do_job;
use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};
use protocol::resp::Args;
use std::ptr::{self, NonNull};

/// Bytes of the stack that scripts run on. Pages that nobody has touched take no memory.
const STACK_BYTES: usize = 16 << 20;
/// Buffers above that many bytes are given back after use.
const KEEP_BYTES: usize = 64 << 10;

/// What an interpreter that could not be made leaves to say.
pub(crate) const NO_MEMORY: &[u8] = b"not enough memory";

/// What is to be run, and with what.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    /// What.
    pub function: Function,
    /// How it is called in messages: a digest, or a name.
    pub name: &'a [u8],
    /// The request: keys and arguments are among its words.
    pub args: Args<'a>,
    /// How many keys there are, from word 3 on. The rest are arguments.
    pub keys: usize,
    /// The version of the protocol that the reply is to be in.
    pub resp3: bool,
}

/// How far a script is.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// It has ended: its reply is where it was to go, or it has failed.
    Done(Result<(), Failure>),
    /// It has taken too long, and can be gone on with.
    Paused,
}

/// An interpreter.
pub struct Interpreter {
    machine: NonNull<Machine>,
    stack: Option<Coroutine<(), (), (), DefaultStack>>,
    paused: bool,
}

impl Interpreter {
    /// An interpreter; `seed` is what `math.random` begins with. `None` if there is no memory for it.
    pub(crate) fn new(kind: Kind, seed: u64, limit_bytes: usize) -> Option<Interpreter> {
        let stack = DefaultStack::new(STACK_BYTES).ok()?;
        let machine = Box::new(Machine::new(kind, seed, limit_bytes));
        let machine = NonNull::from(Box::leak(machine));
        let pointer = machine.as_ptr();
        // SAFETY: the machine lives as long as the interpreter, which frees it last.
        let state = unsafe { lua_newstate(allocate, pointer.cast()) };
        let main = move |yielder: &Yielder<(), ()>, ()| {
            // SAFETY: as above; nobody else uses the machine while this stack is switched to.
            unsafe {
                (*pointer).yielder = yielder;
                loop {
                    do_job(pointer);
                    yielder.suspend(());
                }
            }
        };
        let stack = Some(Coroutine::with_stack(stack, main));
        // SAFETY: nobody else knows it yet.
        unsafe { (*pointer).state = state };
        let mut interpreter = Interpreter { machine, stack, paused: false };
        if state.is_null() {
            return None;
        }
        interpreter.work(Job::Setup, None);
        (interpreter.machine().failure.is_none()).then_some(interpreter)
    }

    fn machine(&self) -> &Machine {
        // SAFETY: the script's stack is not switched to.
        unsafe { self.machine.as_ref() }
    }

    fn machine_mut(&mut self) -> &mut Machine {
        // SAFETY: as above.
        unsafe { self.machine.as_mut() }
    }

    /// Compiles a script. What is wrong with it comes back.
    pub fn compile(&mut self, code: &[u8]) -> Result<Function, Vec<u8>> {
        assert!(!self.paused, "one thing at a time");
        self.work(Job::Compile { code }, None);
        match self.machine_mut().failure.take() {
            None => Ok(Function(self.machine().made)),
            Some(failure) => Err(failure.text),
        }
    }

    /// Frees what was compiled.
    pub fn forget(&mut self, function: Function) {
        // SAFETY: the reference is given up by its owner; removing from the registry does not raise, as the place of the
        // list of free references is there from the beginning.
        unsafe { luaL_unref(self.machine().state, LUA_REGISTRYINDEX, function.0) };
    }

    /// Lets a library register its functions.
    pub(crate) fn load(
        &mut self,
        code: &[u8],
        caller: &mut dyn Caller,
    ) -> Result<Vec<Registered>, Vec<u8>> {
        assert!(!self.paused, "one thing at a time");
        self.machine_mut().registered = Some(Vec::new());
        self.work(Job::Load { code }, Some(caller));
        let registered = self.machine_mut().registered.take().unwrap_or_default();
        match self.machine_mut().failure.take() {
            None => Ok(registered),
            Some(failure) => {
                registered.iter().for_each(|function| self.forget(function.function));
                Err(failure.text)
            }
        }
    }

    /// Runs a script from its beginning. Its reply is put behind what is in `out`.
    pub fn start(&mut self, run: Run<'_>, caller: &mut dyn Caller, out: &mut Vec<u8>) -> Progress {
        assert!(!self.paused, "one thing at a time");
        let Run { function, name, args, keys, resp3 } = run;
        let machine = self.machine_mut();
        machine.reply_resp3 = resp3;
        machine.name.clear();
        machine.name.extend_from_slice(name);
        // SAFETY: the words are looked at before the script runs, so while they are lent.
        let args = unsafe { for_ever(args) };
        let start = out.len();
        machine.reply_start = start;
        std::mem::swap(&mut machine.reply, out);
        self.work(Job::Run { function: function.0, args, keys }, Some(caller));
        self.progress(start, out)
    }

    /// Goes on with a script that has paused.
    pub fn resume(&mut self, caller: &mut dyn Caller, out: &mut Vec<u8>) -> Progress {
        assert!(self.paused, "there is something to go on with");
        let start = out.len();
        self.machine_mut().reply_start = start;
        let machine = self.machine_mut();
        std::mem::swap(&mut machine.reply, out);
        // Much, maybe: it is copied once at most, when it goes behind other replies.
        match machine.reply.is_empty() {
            true => std::mem::swap(&mut machine.reply, &mut machine.partial),
            false => machine.reply.append(&mut machine.partial),
        }
        self.switch(Some(caller));
        self.progress(start, out)
    }

    fn progress(&mut self, start: usize, out: &mut Vec<u8>) -> Progress {
        let paused = self.paused;
        let machine = self.machine_mut();
        std::mem::swap(&mut machine.reply, out);
        if paused {
            // It may be in the midst of its reply.
            machine.partial = match start {
                0 => std::mem::take(out),
                _ => out.split_off(start),
            };
            return Progress::Paused;
        }
        machine.partial = Vec::new();
        if let Some(panic) = machine.panic.take() {
            std::panic::resume_unwind(panic);
        }
        if machine.failure.is_some() {
            out.truncate(start);
        }
        for buffer in [&mut machine.request, &mut machine.answer, &mut machine.text] {
            buffer.clear();
            buffer.shrink_to(KEEP_BYTES);
        }
        Progress::Done(machine.failure.take().map_or(Ok(()), Err))
    }

    /// Whether a script has paused.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// The script that has paused is to end as soon as it goes on.
    pub fn kill(&mut self) {
        self.machine_mut().killed = true;
    }

    /// Bytes that scripts take.
    pub fn used_bytes(&self) -> usize {
        self.machine().used_bytes
    }

    /// The most bytes that scripts may take: one that needs more fails.
    pub fn set_memory_limit(&mut self, bytes: usize) {
        self.machine_mut().limit_bytes = bytes;
    }

    fn work(&mut self, job: Job, caller: Option<&mut dyn Caller>) {
        let machine = self.machine_mut();
        machine.job = job;
        machine.failure = None;
        machine.killed = false;
        self.switch(caller);
    }

    /// Switches to the script's stack until its work is done, or pauses.
    fn switch(&mut self, caller: Option<&mut dyn Caller>) {
        let machine = self.machine.as_ptr();
        // SAFETY: the caller is taken back before this returns; the stack uses the machine by its pointer alone.
        unsafe {
            let mut caller = caller;
            if let Some(caller) = &mut caller {
                (*machine).caller = ptr::from_mut(caller).cast();
            }
            let stack = self.stack.as_mut().expect("it is there until the end");
            let result = stack.resume(());
            assert!(matches!(result, CoroutineResult::Yield(())), "its work has no end");
            (*machine).caller = ptr::null_mut();
            self.paused = !matches!((*machine).job, Job::None);
        }
    }
}

impl Drop for Interpreter {
    fn drop(&mut self) {
        let mut stack = self.stack.take().expect("dropped once");
        // SAFETY: no frame on that stack holds what has to be dropped (see the crate's invariants), so it can be given up
        // as it is; then nobody uses the state, and nobody the machine.
        unsafe {
            stack.force_reset();
            let state = self.machine().state;
            if !state.is_null() {
                lua_close(state);
            }
            drop(Box::from_raw(self.machine.as_ptr()));
        }
    }
}

/// The same words without a limit to how long they are lent.
///
/// # Safety
/// They are not looked at longer than they are lent.
unsafe fn for_ever(args: Args<'_>) -> Args<'static> {
    let (bytes, spans) = (args.bytes(), args.spans());
    // SAFETY: both are what they were.
    unsafe {
        Args::new(
            std::slice::from_raw_parts(bytes.as_ptr(), bytes.len()),
            std::slice::from_raw_parts(spans.as_ptr(), spans.len()),
        )
    }
}
