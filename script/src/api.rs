//! The table `redis`, and what replaces functions of Lua.
//!
//! # Source
//! - "Redis Lua API reference" of Redis 7.2

#![expect(unsafe_code, reason = "functions that the interpreter calls")]

use crate::caller::{Audience, Level, Request};
use crate::convert::{push_error, push_reply};
use crate::flags::Flags;
use crate::function::hex;
use crate::function::{Function as Compiled, Registered};
use crate::lua::*;
use crate::machine::{Kind, Machine};
use crate::{flags, version};
use protocol::number::{push_f64, push_i64};
use protocol::resp::read::Reader;
use protocol::resp::{Args, Span};
use sha1::{Digest, Sha1};
use std::ffi::{CStr, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};

const LEVELS: [(&CStr, Level); 4] = [
    (c"LOG_DEBUG", Level::Debug),
    (c"LOG_VERBOSE", Level::Verbose),
    (c"LOG_NOTICE", Level::Notice),
    (c"LOG_WARNING", Level::Warning),
];

/// Puts the table `redis` and our functions among the globals.
///
/// # Safety
/// Called in protected mode, with the libraries of Lua there.
pub(crate) unsafe fn open(state: *mut lua_State, machine: *mut Machine, kind: Kind) {
    // SAFETY: as above.
    unsafe {
        for (name, function) in
            [(c"pcall", pcall as Function), (c"collectgarbage", collect_garbage)]
        {
            lua_pushcclosure(state, function, 0);
            lua_setfield(state, LUA_GLOBALSINDEX, name.as_ptr());
        }
        lua_getfield_(state, LUA_GLOBALSINDEX, c"math".as_ptr());
        set_function(state, c"random", random);
        set_function(state, c"randomseed", random_seed);
        lua_settop(state, 0);

        lua_createtable(state, 0, 32);
        for (name, function) in [
            (c"call", call as Function),
            (c"pcall", call_protected),
            (c"setresp", set_resp),
            (c"sha1hex", sha1_hex),
            (c"error_reply", error_reply),
            (c"status_reply", status_reply),
            (c"set_repl", set_repl),
            (c"acl_check_cmd", acl_check_cmd),
        ] {
            set_function(state, name, function);
        }
        set_common(state);
        for (name, bits) in [
            (c"REPL_NONE", 0),
            (c"REPL_AOF", Audience::DISK),
            (c"REPL_SLAVE", Audience::REPLICAS),
            (c"REPL_REPLICA", Audience::REPLICAS),
            (c"REPL_ALL", Audience::ALL.0),
        ] {
            set_number(state, name, f64::from(bits));
        }
        if kind == Kind::Eval {
            set_function(state, c"breakpoint", breakpoint);
            set_function(state, c"debug", debug);
            set_function(state, c"replicate_commands", replicate_commands);
        }
        lua_setfield(state, LUA_GLOBALSINDEX, c"redis".as_ptr());
        lua_getfield_(state, LUA_GLOBALSINDEX, c"tostring".as_ptr());
        lua_pushcclosure(state, describe_error, 1);
        (*machine).handler = luaL_ref(state, LUA_REGISTRYINDEX);
    }
}

/// Pushes the table `redis` as libraries see it while they register functions.
///
/// # Safety
/// Called in protected mode.
pub(crate) unsafe fn push_library_table(state: *mut lua_State) {
    // SAFETY: as above.
    unsafe {
        lua_createtable(state, 0, 8);
        set_function(state, c"register_function", register_function);
        set_common(state);
    }
}

unsafe fn set_common(state: *mut lua_State) {
    // SAFETY: as above; at the top is the table.
    unsafe {
        set_function(state, c"log", log);
        for (number, (name, _)) in LEVELS.iter().enumerate() {
            set_number(state, name, number as f64);
        }
        set_number(state, c"REDIS_VERSION_NUM", f64::from(version::NUMBER));
        push_bytes(state, version::TEXT.as_bytes());
        set_field(state, c"REDIS_VERSION");
    }
}

/// Raises the table of an error.
unsafe fn fail(state: *mut lua_State, machine: *mut Machine, text: &[u8]) -> ! {
    // SAFETY: called by a function that the interpreter has called.
    unsafe {
        push_error(state, machine, text);
        lua_error(state)
    }
}

/// Writes the arguments on the stack as a request into the machine. Returns what is wrong with them.
unsafe fn gather(state: *mut lua_State, machine: *mut Machine) -> Option<&'static [u8]> {
    // SAFETY: nothing here raises: numbers are not made strings in place.
    unsafe {
        let argc = lua_gettop(state);
        if argc == 0 {
            return Some(b"Please specify at least one argument for this redis lib call");
        }
        let (bytes, spans) = (&mut (*machine).request, &mut (*machine).spans);
        bytes.clear();
        spans.clear();
        bytes.push(b'*');
        push_i64(bytes, i64::from(argc));
        bytes.extend_from_slice(b"\r\n");
        for at in 1..=argc {
            let mut number = [0u8; 40];
            let text: &[u8] = match lua_type(state, at) {
                LUA_TSTRING => bytes_at(state, at),
                LUA_TNUMBER => format_number(lua_tonumber(state, at), &mut number),
                _ => return Some(b"Lua redis lib command arguments must be strings or integers"),
            };
            bytes.push(b'$');
            push_i64(bytes, text.len() as i64);
            bytes.extend_from_slice(b"\r\n");
            let start = bytes.len();
            // What is larger does not fit into the positions of words; no reply could carry it either.
            if start + text.len() > protocol::resp::request::BUFFER_MAX {
                bytes.clear();
                return Some(b"The arguments of this redis lib call are too long");
            }
            bytes.extend_from_slice(text);
            spans.push(Span { start: start as u32, len: text.len() as u32 });
            bytes.extend_from_slice(b"\r\n");
        }
        lua_settop(state, 0);
        None
    }
}

/// A number as a word: without a fraction where it has none, else the shortest text that means it.
fn format_number(number: f64, buffer: &mut [u8; 40]) -> &[u8] {
    // Half of what 64 bits hold. Source: Redis.
    const EXACT: f64 = 4_611_686_018_427_387_904.0;
    if number == number.trunc() && number.abs() <= EXACT {
        let mut digits = itoa::Buffer::new();
        let text = digits.format(number as i64).as_bytes();
        buffer[..text.len()].copy_from_slice(text);
        return &buffer[..text.len()];
    }
    let mut text = Vec::with_capacity(buffer.len());
    push_f64(&mut text, number);
    let len = text.len().min(buffer.len());
    buffer[..len].copy_from_slice(&text[..len]);
    &buffer[..len]
}

/// `redis.call(…)`
unsafe extern "C-unwind" fn call(state: *mut lua_State) -> c_int {
    // SAFETY: called by the interpreter.
    unsafe { call_command(state, true) }
}

/// `redis.pcall(…)`
unsafe extern "C-unwind" fn call_protected(state: *mut lua_State) -> c_int {
    // SAFETY: called by the interpreter.
    unsafe { call_command(state, false) }
}

/// How a command that a script called has ended.
enum Ended {
    Replied,
    Refused,
    Panicked,
}

unsafe fn call_command(state: *mut lua_State, raises: bool) -> c_int {
    // SAFETY: called by a function that the interpreter has called; what has to be dropped is in `execute`'s frame, which
    // has returned before anything raises.
    unsafe {
        let machine = Machine::of(state);
        if let Some(wrong) = gather(state, machine) {
            push_error(state, machine, wrong);
            return if raises { lua_error(state) } else { 1 };
        }
        let raises = match execute(machine) {
            Ended::Replied => {
                let answer: *const [u8] = (*machine).answer.as_slice();
                push_reply(state, &mut Reader::new(&*answer));
                raises && (*answer).first() == Some(&b'-')
            }
            Ended::Refused => {
                // The reason is where replies are.
                let reason = std::mem::take(&mut (*machine).answer);
                let pushed = PutBack { machine, reason };
                pushed.push(state);
                raises
            }
            Ended::Panicked => fail(state, machine, b"this command cannot be executed"),
        };
        if raises { lua_error(state) } else { 1 }
    }
}

/// The reason of a refusal, which goes back where replies are.
struct PutBack {
    machine: *mut Machine,
    reason: Vec<u8>,
}

impl PutBack {
    unsafe fn push(self, state: *mut lua_State) {
        // SAFETY: the reason is back in the machine before anything raises.
        unsafe {
            (*self.machine).answer = self.reason;
            let reason: *const [u8] = (*self.machine).answer.as_slice();
            push_error(state, self.machine, &*reason);
            lua_pushboolean(state, 1);
            set_field(state, c"ignore_error_stats_update");
        }
    }
}

/// Executes the request in the machine.
unsafe fn execute(machine: *mut Machine) -> Ended {
    // SAFETY: the caller is lent while the script's stack is switched to.
    unsafe {
        let Some(caller) = Machine::caller(machine) else { return Ended::Panicked };
        let (bytes, spans) = (&(*machine).request, &(*machine).spans);
        let args = Args::new(bytes, spans);
        let request = Request { args, raw: bytes, resp3: (*machine).resp3 };
        let out = &mut (*machine).answer;
        out.clear();
        let called = catch_unwind(AssertUnwindSafe(|| caller.call(request, out)));
        match called {
            Ok(Ok(())) => Ended::Replied,
            Ok(Err(reason)) => {
                out.clear();
                out.extend_from_slice(&reason);
                Ended::Refused
            }
            Err(panic) => {
                Machine::note_panic(machine, panic);
                Ended::Panicked
            }
        }
    }
}

/// `redis.acl_check_cmd(…)`: whether the user may run a command.
unsafe extern "C-unwind" fn acl_check_cmd(state: *mut lua_State) -> c_int {
    // SAFETY: called by the interpreter.
    unsafe {
        let machine = Machine::of(state);
        if let Some(wrong) = gather(state, machine) {
            fail(state, machine, wrong);
        }
        let args = Args::new(&(*machine).request, &(*machine).spans);
        match Machine::caller(machine).and_then(|caller| caller.may_run(args)) {
            Some(may) => lua_pushboolean(state, c_int::from(may)),
            None => fail(state, machine, b"Invalid command passed to redis.acl_check_cmd()"),
        }
        1
    }
}

/// `redis.log(level, text, …)`
unsafe extern "C-unwind" fn log(state: *mut lua_State) -> c_int {
    // SAFETY: called by the interpreter.
    unsafe {
        let machine = Machine::of(state);
        let argc = lua_gettop(state);
        if argc < 2 {
            fail(state, machine, b"redis.log() requires two arguments or more.");
        }
        if lua_isnumber(state, 1) == 0 {
            fail(state, machine, b"First argument must be a number (log level).");
        }
        let level = to_i64(lua_tonumber(state, 1));
        let Some((_, level)) = usize::try_from(level).ok().and_then(|at| LEVELS.get(at)) else {
            fail(state, machine, b"Invalid debug level.");
        };
        (*machine).text.clear();
        for at in 2..=argc {
            if let Some(text) = text_at(state, at) {
                let line = &mut (*machine).text;
                if at > 2 {
                    line.push(b' ');
                }
                line.extend_from_slice(text);
            }
        }
        if let Some(caller) = Machine::caller(machine) {
            caller.log(*level, &(*machine).text);
        }
        0
    }
}

/// `redis.setresp(version)`
unsafe extern "C-unwind" fn set_resp(state: *mut lua_State) -> c_int {
    // SAFETY: called by the interpreter.
    unsafe {
        let machine = Machine::of(state);
        if lua_gettop(state) != 1 {
            fail(state, machine, b"redis.setresp() requires one argument.");
        }
        match to_i64(lua_tonumber(state, 1)) {
            2 => (*machine).resp3 = false,
            3 => (*machine).resp3 = true,
            _ => fail(state, machine, b"RESP version must be 2 or 3."),
        }
        0
    }
}

/// `redis.sha1hex(text)`
unsafe extern "C-unwind" fn sha1_hex(state: *mut lua_State) -> c_int {
    // A byte of it takes as long as many that are copied.
    const COST: usize = 32;
    // SAFETY: called by the interpreter.
    unsafe {
        if lua_gettop(state) != 1 {
            fail(state, Machine::of(state), b"wrong number of arguments");
        }
        let text = text_at(state, 1).unwrap_or_default();
        charge(state, COST * text.len());
        let hex = hex(&Sha1::digest(text).into());
        push_bytes(state, &hex);
        1
    }
}

/// `redis.error_reply(text)`
unsafe extern "C-unwind" fn error_reply(state: *mut lua_State) -> c_int {
    // SAFETY: called by the interpreter.
    unsafe {
        let machine = Machine::of(state);
        if lua_gettop(state) != 1 || lua_type(state, 1) != LUA_TSTRING {
            push_error(state, machine, b"wrong number or type of arguments");
            return 1;
        }
        let text = bytes_at(state, 1);
        let text = text.split(|byte| *byte == 0).next().unwrap_or(text);
        let text = text.strip_prefix(b"-").unwrap_or(text);
        // A text of one word has no code.
        let whole = &mut (*machine).request;
        whole.clear();
        whole.push(b'-');
        whole.extend_from_slice(text);
        let whole: *const [u8] = whole.as_slice();
        push_error(state, machine, &*whole);
        1
    }
}

/// `redis.status_reply(text)`
unsafe extern "C-unwind" fn status_reply(state: *mut lua_State) -> c_int {
    // SAFETY: called by the interpreter.
    unsafe {
        if lua_gettop(state) != 1 || lua_type(state, 1) != LUA_TSTRING {
            push_error(state, Machine::of(state), b"wrong number or type of arguments");
            return 1;
        }
        lua_createtable(state, 0, 1);
        lua_pushvalue(state, 1);
        set_field(state, c"ok");
        1
    }
}

/// `redis.set_repl(who)`
unsafe extern "C-unwind" fn set_repl(state: *mut lua_State) -> c_int {
    // SAFETY: called by the interpreter.
    unsafe {
        let machine = Machine::of(state);
        if lua_gettop(state) != 1 {
            fail(state, machine, b"redis.set_repl() requires one argument.");
        }
        let bits = to_i64(lua_tonumber(state, 1));
        if bits & !i64::from(Audience::ALL.0) != 0 {
            fail(
                state,
                machine,
                b"Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.",
            );
        }
        if let Some(caller) = Machine::caller(machine) {
            caller.set_audience(Audience(bits as u8));
        }
        0
    }
}

/// `redis.breakpoint()`: nobody debugs.
unsafe extern "C-unwind" fn breakpoint(state: *mut lua_State) -> c_int {
    // SAFETY: called by the interpreter.
    unsafe { lua_pushboolean(state, 0) };
    1
}

/// `redis.debug(…)`: nobody debugs.
unsafe extern "C-unwind" fn debug(_: *mut lua_State) -> c_int {
    0
}

/// `redis.replicate_commands()`: effects are what is passed on, always.
unsafe extern "C-unwind" fn replicate_commands(state: *mut lua_State) -> c_int {
    // SAFETY: called by the interpreter.
    unsafe { lua_pushboolean(state, 1) };
    1
}

/// `pcall(function, …)`: an error of ours comes back as its text, as it did before errors were tables.
unsafe extern "C-unwind" fn pcall(state: *mut lua_State) -> c_int {
    // SAFETY: called by the interpreter.
    unsafe {
        luaL_checkany(state, 1);
        let argc = lua_gettop(state);
        lua_pushboolean(state, 1);
        lua_insert(state, 1);
        if lua_pcall(state, argc - 1, LUA_MULTRET, 0) != 0 {
            lua_remove(state, 1);
            if lua_type(state, -1) == LUA_TTABLE {
                let table = lua_gettop(state);
                push_field(state, table, b"err");
                if lua_isstring(state, -1) != 0 {
                    lua_replace(state, -2);
                } else {
                    lua_settop(state, -2);
                }
            }
            lua_pushboolean(state, 0);
            lua_insert(state, 1);
        }
        lua_gettop(state)
    }
}

/// Makes any error a table that says where it was raised.
unsafe extern "C-unwind" fn describe_error(state: *mut lua_State) -> c_int {
    // SAFETY: called by the interpreter, with the error.
    unsafe {
        lua_settop(state, 1);
        if lua_type(state, 1) != LUA_TTABLE {
            push_bytes(state, b"ERR ");
            lua_pushvalue(state, lua_upvalueindex(1));
            lua_pushvalue(state, 1);
            lua_call(state, 1, 1);
            lua_concat(state, 2);
            lua_createtable(state, 0, 3);
            lua_insert(state, 2);
            lua_setfield(state, 2, c"err".as_ptr());
            lua_replace(state, 1);
        }
        // Who raised it; of a function of ours, who called that.
        add_place(state, 1, 1);
        1
    }
}

/// Puts into the table at `at` where the function at a level is, or who called it if it is none of the script's.
///
/// # Safety
/// Called by a function that the interpreter has called: it may raise.
pub(crate) unsafe fn add_place(state: *mut lua_State, at: c_int, level: c_int) {
    // SAFETY: as above.
    unsafe {
        let mut place: lua_Debug = std::mem::zeroed();
        let mut found = false;
        for level in level..=level + 1 {
            if lua_getstack(state, level, &mut place) == 0 {
                break;
            }
            lua_getinfo(state, c"Sl".as_ptr(), &mut place);
            found = true;
            if name_of(place.what) != b"C" {
                break;
            }
        }
        if found && !is_readonly(state, at) {
            push_bytes(state, b"source");
            push_bytes(state, name_of(place.source));
            lua_rawset(state, at);
            push_bytes(state, b"line");
            lua_pushnumber(state, f64::from(place.currentline));
            lua_rawset(state, at);
        }
    }
}

/// `collectgarbage(what)`: what is asked for one script alone. The rest would be a setting for all of them.
unsafe extern "C-unwind" fn collect_garbage(state: *mut lua_State) -> c_int {
    // SAFETY: called by the interpreter.
    unsafe {
        let what =
            if lua_gettop(state) == 0 { b"collect" } else { text_at(state, 1).unwrap_or(b"") };
        match what {
            b"count" => {
                // In bytes they would not fit into the integers that the interpreter counts with.
                let kib = f64::from(lua_gc(state, LUA_GCCOUNT, 0));
                lua_pushnumber(state, kib + f64::from(lua_gc(state, LUA_GCCOUNTB, 0)) / 1024.0);
            }
            b"collect" => lua_pushnumber(state, f64::from(lua_gc(state, LUA_GCCOLLECT, 0))),
            b"step" => lua_pushboolean(state, lua_gc(state, LUA_GCSTEP, 0)),
            b"stop" | b"restart" => lua_pushnumber(state, 0.0),
            b"setpause" | b"setstepmul" => lua_pushnumber(state, 200.0),
            _ => raise_argument(state, 1, c"invalid option"),
        }
        1
    }
}

/// What `drand48` is made of: the same numbers on all machines. Source: POSIX.
const FACTOR: u64 = 0x5_deec_e66d;
const MASK: u64 = 0xffff_ffff_ffff;

/// `math.random([m [, n]])`
unsafe extern "C-unwind" fn random(state: *mut lua_State) -> c_int {
    // SAFETY: called by the interpreter.
    unsafe {
        let machine = Machine::of(state);
        let next = (*machine).random.wrapping_mul(FACTOR).wrapping_add(0xb) & MASK;
        (*machine).random = next;
        // 31 bits, of which the largest number is left out.
        const MOST: u64 = i32::MAX as u64;
        let part = ((next >> 17) % MOST) as f64 / MOST as f64;
        let number = match lua_gettop(state) {
            0 => part,
            1 => {
                let high = luaL_checkinteger(state, 1) as c_int;
                if high < 1 {
                    raise_argument(state, 1, c"interval is empty");
                }
                (part * f64::from(high)).floor() + 1.0
            }
            2 => {
                let low = luaL_checkinteger(state, 1) as c_int;
                let high = luaL_checkinteger(state, 2) as c_int;
                if low > high {
                    raise_argument(state, 2, c"interval is empty");
                }
                let count = high.wrapping_sub(low).wrapping_add(1);
                (part * f64::from(count)).floor() + f64::from(low)
            }
            _ => raise(state, b"wrong number of arguments"),
        };
        lua_pushnumber(state, number);
        1
    }
}

/// `math.randomseed(seed)`
unsafe extern "C-unwind" fn random_seed(state: *mut lua_State) -> c_int {
    // SAFETY: called by the interpreter.
    unsafe {
        let seed = luaL_checkinteger(state, 1) as i32 as u32;
        (*Machine::of(state)).random = (u64::from(seed) << 16) + 0x330e;
        0
    }
}

/// `redis.register_function(name, callback)`, or with a table of named arguments.
unsafe extern "C-unwind" fn register_function(state: *mut lua_State) -> c_int {
    // SAFETY: called by the interpreter.
    unsafe {
        let machine = Machine::of(state);
        if (*machine).registered.is_none() {
            let text = b"redis.register_function can only be called on FUNCTION LOAD command";
            fail(state, machine, text);
        }
        let wrong = match lua_gettop(state) {
            1 => register_named(state),
            2 => register_plain(state),
            _ => Some(&b"wrong number of arguments to redis.register_function"[..]),
        };
        // The name is at 3, the callback at 4, the description at 5, the flags at 6.
        let wrong = wrong.or_else(|| note_registered(state, machine));
        if let Some(wrong) = wrong {
            fail(state, machine, wrong);
        }
        0
    }
}

unsafe fn register_plain(state: *mut lua_State) -> Option<&'static [u8]> {
    // SAFETY: see register_function.
    unsafe {
        if lua_isstring(state, 1) == 0 {
            return Some(b"first argument to redis.register_function must be a string");
        }
        if lua_type(state, 2) != LUA_TFUNCTION {
            return Some(b"second argument to redis.register_function must be a function");
        }
        lua_pushvalue(state, 1);
        lua_pushvalue(state, 2);
        lua_pushnil(state);
        lua_pushnumber(state, 0.0);
        None
    }
}

unsafe fn register_named(state: *mut lua_State) -> Option<&'static [u8]> {
    // SAFETY: see register_function.
    unsafe {
        if lua_type(state, 1) != LUA_TTABLE {
            return Some(
                b"calling redis.register_function with a single argument is only applicable to Lua table (representing named arguments).",
            );
        }
        lua_settop(state, 2);
        for _ in 0..3 {
            lua_pushnil(state);
        }
        lua_pushnumber(state, 0.0);
        lua_pushnil(state);
        while lua_next(state, 1) != 0 {
            // At 7 is the key, at 8 the value.
            if lua_type(state, 7) != LUA_TSTRING {
                return Some(
                    b"named argument key given to redis.register_function is not a string",
                );
            }
            let key = bytes_at(state, 7);
            let place = if key.eq_ignore_ascii_case(b"function_name") {
                if lua_isstring(state, 8) == 0 {
                    return Some(
                        b"function_name argument given to redis.register_function must be a string",
                    );
                }
                3
            } else if key.eq_ignore_ascii_case(b"description") {
                if lua_isstring(state, 8) == 0 {
                    return Some(
                        b"description argument given to redis.register_function must be a string",
                    );
                }
                5
            } else if key.eq_ignore_ascii_case(b"callback") {
                if lua_type(state, 8) != LUA_TFUNCTION {
                    return Some(
                        b"callback argument given to redis.register_function must be a function",
                    );
                }
                4
            } else if key.eq_ignore_ascii_case(b"flags") {
                if lua_type(state, 8) != LUA_TTABLE {
                    return Some(
                        b"flags argument to redis.register_function must be a table representing function flags",
                    );
                }
                let Some(bits) = read_flags(state) else { return Some(b"unknown flag given") };
                lua_pushnumber(state, f64::from(bits));
                lua_replace(state, 8);
                6
            } else {
                return Some(b"unknown argument given to redis.register_function");
            };
            lua_replace(state, place);
        }
        if lua_type(state, 3) == LUA_TNIL {
            return Some(b"redis.register_function must get a function name argument");
        }
        if lua_type(state, 4) == LUA_TNIL {
            return Some(b"redis.register_function must get a callback argument");
        }
        None
    }
}

/// The flags that the table at 8 names.
unsafe fn read_flags(state: *mut lua_State) -> Option<u8> {
    // SAFETY: see register_function.
    unsafe {
        let mut bits = 0;
        for at in 1.. {
            push_element(state, 8, at);
            if lua_type(state, -1) == LUA_TNIL {
                lua_settop(state, 8);
                break;
            }
            let flag = Flags::named(&bytes_at(state, -1).to_ascii_lowercase())?;
            bits |= flag;
            lua_settop(state, 8);
        }
        Some(bits)
    }
}

/// Adds the function whose parts are at 3 to 6.
unsafe fn note_registered(state: *mut lua_State, machine: *mut Machine) -> Option<&'static [u8]> {
    // SAFETY: see register_function; strings are made and references taken before anything of ours is.
    unsafe {
        text_at(state, 3);
        if lua_type(state, 5) != LUA_TNIL {
            text_at(state, 5);
        }
        let name = bytes_at(state, 3);
        let registered = (*machine).registered.as_mut()?;
        if !flags::is_name(name) {
            return Some(flags::WRONG_NAME);
        }
        if registered.iter().any(|function| function.name == name) {
            return Some(b"Function already exists in the library");
        }
        lua_pushvalue(state, 4);
        let function = Compiled(luaL_ref(state, LUA_REGISTRYINDEX));
        let has_description = lua_type(state, 5) == LUA_TSTRING;
        registered.push(Registered {
            name: name.to_vec(),
            description: has_description.then(|| bytes_at(state, 5).to_vec()),
            flags: Flags(lua_tonumber(state, 6) as u8),
            function,
        });
        None
    }
}

#[cfg(test)]
mod tests {
    use super::format_number;

    #[test]
    fn numbers_as_words() {
        for (number, text) in [
            (1.0, "1"),
            (-0.0, "0"),
            (1e9, "1000000000"),
            (3.5, "3.5"),
            (0.1, "0.1"),
            (1e100, "1e+100"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(format_number(number, &mut [0; 40]), text.as_bytes(), "{number}");
        }
    }
}
