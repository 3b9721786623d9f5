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
use crate::libraries::Registered;
use crate::lua::*;
use crate::{convert, sandbox};
use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};
use protocol::resp::{Args, Span};
use std::alloc::{Layout, alloc, dealloc, realloc};
use std::any::Any;
use std::ffi::{c_int, c_void};
use std::ptr::{self, NonNull};

/// Bytes of the stack that scripts run on. Pages that nobody has touched take no memory.
const STACK_BYTES: usize = 16 << 20;
/// Instructions after which it is looked how long a script has been running. Source: Redis.
const LOOK_EVERY: c_int = 100_000;
/// How long a library may take to register its functions, nanoseconds. Source: Redis.
const LOAD_MAX_NS: u64 = 500_000_000;
/// What a script is told that is killed.
const KILLED: &[u8] = b"Script killed by user with SCRIPT KILL...";
/// Buffers above that many bytes are given back after use.
const KEEP_BYTES: usize = 64 << 10;
/// The interpreter's data are aligned to that.
const ALIGN: usize = 16;

/// A compiled script or function, as long as its interpreter lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function(pub(crate) c_int);

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

/// Why a script failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The text of the error reply, without a `-`.
    pub text: Vec<u8>,
    /// It has been counted already, as the error of a command.
    pub counted: bool,
}

/// How far a script is.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// It has ended: its reply is where it was to go, or it has failed.
    Done(Result<(), Failure>),
    /// It has taken too long, and can be gone on with.
    Paused,
}

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
    yielder: *const Yielder<(), ()>,
    /// Lent for the piece of work that is being done.
    caller: Option<NonNull<dyn Caller>>,
    job: Job,
    /// What came of it: a compiled function.
    made: c_int,
    /// The command that a script calls: as bytes, and where its words lie.
    pub request: Vec<u8>,
    pub spans: Vec<Span>,
    /// Its reply.
    pub answer: Vec<u8>,
    /// The script's own reply.
    pub reply: Vec<u8>,
    pub reply_resp3: bool,
    /// The name of what runs, for messages.
    pub name: Vec<u8>,
    /// The version that replies of commands are in.
    pub resp3: bool,
    pub failure: Option<Failure>,
    /// A panic of the caller, on its way through the interpreter.
    panic: Option<Box<dyn Any + Send>>,
    /// The functions that a library has registered so far, while it is loaded.
    pub registered: Option<Vec<Registered>>,
    /// Where text is put together.
    pub text: Vec<u8>,
    start_ns: u64,
    killed: bool,
    /// The state of `math.random`, 48 bits.
    pub random: u64,
    used_bytes: usize,
    limit_bytes: usize,
    /// Registry references of what is needed often.
    pub worker: c_int,
    pub handler: c_int,
    pub globals: c_int,
}

impl Machine {
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
        // SAFETY: it is lent for as long as the script's stack is switched to.
        unsafe { (*machine).caller.map(|caller| &mut *caller.as_ptr()) }
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
        let machine = Box::new(Machine {
            state: ptr::null_mut(),
            kind,
            yielder: ptr::null(),
            caller: None,
            job: Job::None,
            made: 0,
            request: Vec::new(),
            spans: Vec::new(),
            answer: Vec::new(),
            reply: Vec::new(),
            reply_resp3: false,
            name: Vec::new(),
            resp3: false,
            failure: None,
            panic: None,
            registered: None,
            text: Vec::new(),
            start_ns: 0,
            killed: false,
            random: seed & 0xffff_ffff_ffff,
            used_bytes: 0,
            limit_bytes,
            worker: 0,
            handler: 0,
            globals: 0,
        });
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
        // list of free references is there.
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
        machine.start_ns = caller.ticks_ns();
        // SAFETY: the words are looked at before the script runs, so while they are lent.
        let args = unsafe { std::mem::transmute::<Args<'_>, Args<'static>>(args) };
        let start = out.len();
        std::mem::swap(&mut machine.reply, out);
        self.work(Job::Run { function: function.0, args, keys }, Some(caller));
        self.progress(start, out)
    }

    /// Goes on with a script that has paused.
    pub fn resume(&mut self, caller: &mut dyn Caller, out: &mut Vec<u8>) -> Progress {
        assert!(self.paused, "there is something to go on with");
        let start = out.len();
        std::mem::swap(&mut self.machine_mut().reply, out);
        self.switch(Some(caller));
        self.progress(start, out)
    }

    fn progress(&mut self, start: usize, out: &mut Vec<u8>) -> Progress {
        let paused = self.paused;
        let machine = self.machine_mut();
        std::mem::swap(&mut machine.reply, out);
        if paused {
            assert_eq!(out.len(), start, "who pauses has not replied yet");
            return Progress::Paused;
        }
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
            (*machine).caller = caller.map(|caller| {
                NonNull::from(std::mem::transmute::<&mut dyn Caller, &mut (dyn Caller + 'static)>(
                    caller,
                ))
            });
            let stack = self.stack.as_mut().expect("it is there until the end");
            let result = stack.resume(());
            assert!(matches!(result, CoroutineResult::Yield(())), "its work has no end");
            (*machine).caller = None;
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

/// The interpreter's memory comes from the process's allocator, counted and bounded.
unsafe extern "C" fn allocate(
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

/// Does the job that is waiting, on the script's stack.
unsafe fn do_job(machine: *mut Machine) {
    // SAFETY: the machine is ours while its stack is switched to.
    unsafe {
        let state = (*machine).state;
        lua_settop(state, 0);
        let status = match (*machine).job {
            Job::Setup => lua_cpcall(state, setup, ptr::null_mut()),
            _ => {
                push_element(state, LUA_REGISTRYINDEX, (*machine).worker);
                lua_pcall(state, 0, 0, 0)
            }
        };
        if status != 0 && (*machine).failure.is_none() {
            let text = bytes_at(state, -1).to_vec();
            (*machine).failure =
                Some(Failure { text: [b"ERR ", &text[..]].concat(), counted: false });
        }
        lua_sethook(state, None, 0, 0);
        lua_settop(state, 0);
        (*machine).job = Job::None;
        if (*machine).used_bytes > (*machine).limit_bytes / 8 * 7 {
            // Collecting may need a little memory, and nobody is there to hear that there is none.
            let limit = std::mem::replace(&mut (*machine).limit_bytes, usize::MAX);
            lua_gc(state, LUA_GCCOLLECT, 0);
            (*machine).limit_bytes = limit;
        }
    }
}

unsafe extern "C-unwind" fn setup(state: *mut lua_State) -> c_int {
    // SAFETY: called by the interpreter, in protected mode.
    unsafe {
        let machine = Machine::of(state);
        sandbox::set_up(state, machine);
        lua_pushcclosure(state, worker, 0);
        (*machine).worker = luaL_ref(state, LUA_REGISTRYINDEX);
    }
    0
}

/// Whatever is not setting up: called in protected mode, with an empty stack.
unsafe extern "C-unwind" fn worker(state: *mut lua_State) -> c_int {
    // SAFETY: called by the interpreter.
    unsafe {
        let machine = Machine::of(state);
        // A script may have put another table in their place.
        push_element(state, LUA_REGISTRYINDEX, (*machine).globals);
        lua_replace(state, LUA_GLOBALSINDEX);
        match (*machine).job {
            Job::None | Job::Setup => {}
            Job::Compile { code } => compile(state, machine, &*code),
            Job::Load { code } => load(state, machine, &*code),
            Job::Run { function, args, keys } => run(state, machine, function, args, keys),
        }
    }
    0
}

/// Compiles a chunk and leaves it at the top. Returns whether it is one; else the reason is there.
unsafe fn parse(state: *mut lua_State, machine: *mut Machine, code: &[u8]) -> bool {
    // SAFETY: called in protected mode.
    unsafe {
        let name = match (*machine).kind {
            Kind::Eval => c"@user_script",
            Kind::Functions => c"@user_function",
        };
        luaL_loadbuffer(state, code.as_ptr().cast(), code.len(), name.as_ptr()) == 0
    }
}

unsafe fn compile(state: *mut lua_State, machine: *mut Machine, code: &[u8]) {
    // SAFETY: called in protected mode.
    unsafe {
        if parse(state, machine, code) {
            (*machine).made = luaL_ref(state, LUA_REGISTRYINDEX);
            return;
        }
        let text = bytes_at(state, -1).to_vec();
        (*machine).failure = Some(Failure { text, counted: false });
    }
}

unsafe fn load(state: *mut lua_State, machine: *mut Machine, code: &[u8]) {
    // SAFETY: called in protected mode; texts are made when nothing raises any more.
    unsafe {
        sandbox::show_library_api(state, machine, true);
        let parsed = parse(state, machine, code);
        let mut status = 0;
        if parsed {
            if let Some(caller) = Machine::caller(machine) {
                (*machine).start_ns = caller.ticks_ns();
            }
            lua_sethook(state, Some(on_count_while_loading), LUA_MASKCOUNT, LOOK_EVERY);
            status = lua_pcall(state, 0, 0, 0);
            lua_sethook(state, None, 0, 0);
        }
        sandbox::show_library_api(state, machine, false);
        if !parsed {
            let text = [b"Error compiling function: ", bytes_at(state, -1)].concat();
            (*machine).failure = Some(Failure { text, counted: false });
        } else if status != 0 {
            let error = convert::failure_at_top(state);
            let text = [b"Error registering functions: ", &error.text[..]].concat();
            (*machine).failure = Some(Failure { text, counted: false });
        }
    }
}

unsafe fn run(
    state: *mut lua_State,
    machine: *mut Machine,
    function: c_int,
    args: Args<'static>,
    keys: usize,
) {
    // SAFETY: called in protected mode.
    unsafe {
        (*machine).resp3 = false;
        push_element(state, LUA_REGISTRYINDEX, (*machine).handler);
        push_element(state, LUA_REGISTRYINDEX, function);
        let is_eval = (*machine).kind == Kind::Eval;
        if is_eval {
            set_readonly(state, LUA_GLOBALSINDEX, false);
        }
        for (from, to, name) in [(3, 3 + keys, c"KEYS"), (3 + keys, args.len(), c"ARGV")] {
            lua_createtable(state, (to - from) as c_int, 0);
            for at in from..to {
                push_bytes(state, args.at(at));
                set_element(state, -2, (at - from + 1) as c_int);
            }
            if is_eval {
                lua_setfield(state, LUA_GLOBALSINDEX, name.as_ptr());
            }
        }
        if is_eval {
            set_readonly(state, LUA_GLOBALSINDEX, true);
        }
        lua_sethook(state, Some(on_count), LUA_MASKCOUNT, LOOK_EVERY);
        let status = lua_pcall(state, if is_eval { 0 } else { 2 }, 1, 1);
        lua_sethook(state, None, 0, 0);
        match status {
            // It has caught its end, and had nothing left to do.
            0 if (*machine).killed => {
                let text = [b"ERR ", KILLED].concat();
                (*machine).failure = Some(Failure { text, counted: false });
            }
            0 => convert::reply(state, machine),
            _ => convert::report(state, machine),
        }
    }
}

/// A script has executed some more instructions.
unsafe extern "C-unwind" fn on_count(state: *mut lua_State, _: *mut lua_Debug) {
    // SAFETY: called by the interpreter, on the script's stack.
    unsafe {
        let machine = Machine::of(state);
        if !(*machine).killed {
            let Some(caller) = Machine::caller(machine) else { return };
            let elapsed_ns = caller.ticks_ns().saturating_sub((*machine).start_ns);
            if !caller.must_pause(elapsed_ns) {
                return;
            }
            (*(*machine).yielder).suspend(());
        }
        if (*machine).killed {
            die(state, machine);
        }
    }
}

/// Ends a script that was killed, whatever it does to catch that: each line of it raises from now on.
unsafe fn die(state: *mut lua_State, machine: *mut Machine) {
    // SAFETY: as above.
    unsafe {
        for state in [state, (*machine).state] {
            lua_sethook(state, Some(on_count), LUA_MASKLINE | LUA_MASKCOUNT, 1000);
        }
        convert::push_error(state, machine, KILLED);
        lua_error(state);
    }
}

/// A library has executed some more instructions.
unsafe extern "C-unwind" fn on_count_while_loading(state: *mut lua_State, _: *mut lua_Debug) {
    // SAFETY: as above.
    unsafe {
        let machine = Machine::of(state);
        let Some(caller) = Machine::caller(machine) else { return };
        if caller.ticks_ns().saturating_sub((*machine).start_ns) > LOAD_MAX_NS {
            lua_sethook(state, Some(on_count_while_loading), LUA_MASKLINE | LUA_MASKCOUNT, 1000);
            convert::push_error(state, machine, b"FUNCTION LOAD timeout");
            lua_error(state);
        }
    }
}
