//! The work of an interpreter, done on its stack: compiling, loading libraries, running, and looking at the time.

#![expect(unsafe_code, reason = "the interpreter is a C library")]

use crate::function::Failure;
use crate::lua::*;
use crate::machine::{Job, KILLED, Kind, Machine};
use crate::{api, convert, sandbox};
use protocol::resp::Args;
use std::ffi::c_int;
use std::ptr;

/// Instructions after which it is looked how long a script has been running. Source: Redis.
const LOOK_EVERY: c_int = 100_000;
/// How long a library may take to register its functions, nanoseconds. Source: Redis.
const LOAD_MAX_NS: u64 = 500_000_000;
/// A script that leaves so much more than was kept before is cleaned up after at once: the next one may not come soon.
const GARBAGE_BYTES: usize = 16 << 20;

/// Does the job that is waiting, on the script's stack.
///
/// # Safety
/// Called there, by the loop that is its main function.
pub(crate) unsafe fn do_job(machine: *mut Machine) {
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
        let used = (*machine).used_bytes;
        if used > (*machine).limit_bytes / 8 * 7 || used > 2 * (*machine).kept_bytes + GARBAGE_BYTES
        {
            // Collecting may need a little memory, and nobody is there to hear that there is none.
            let limit = std::mem::replace(&mut (*machine).limit_bytes, usize::MAX);
            lua_gc(state, LUA_GCCOLLECT, 0);
            (*machine).limit_bytes = limit;
            (*machine).kept_bytes = (*machine).used_bytes;
        }
    }
}

unsafe extern "C-unwind" fn setup(state: *mut lua_State) -> c_int {
    // SAFETY: called by the interpreter, in protected mode.
    unsafe {
        let machine = Machine::of(state);
        // The list of free references, empty. It is there from now on, so that giving one back never takes memory.
        lua_pushnumber(state, 0.0);
        set_element(state, LUA_REGISTRYINDEX, 0);
        sandbox::set_up(state, machine);
        push_bytes(state, b"KEYS");
        (*machine).keys_name = luaL_ref(state, LUA_REGISTRYINDEX);
        push_bytes(state, b"ARGV");
        (*machine).argv_name = luaL_ref(state, LUA_REGISTRYINDEX);
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
        let (keys_name, argv_name) = ((*machine).keys_name, (*machine).argv_name);
        for (from, to, name) in [(3, 3 + keys, keys_name), (3 + keys, args.len(), argv_name)] {
            if is_eval {
                push_element(state, LUA_REGISTRYINDEX, name);
            }
            lua_createtable(state, (to - from) as c_int, 0);
            for at in from..to {
                push_bytes(state, args.at(at));
                set_element(state, -2, (at - from + 1) as c_int);
            }
            if is_eval {
                lua_rawset(state, LUA_GLOBALSINDEX);
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
            if !caller.must_pause() {
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
        api::add_place(state, lua_gettop(state), 0);
        // It would run without hooks, as this does.
        drop_handler(state);
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
