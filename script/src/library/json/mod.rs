//! `cjson`: values as JSON.
//!
//! - `settings`: what scripts may set; `number`: numbers as text; `encode`, `decode`: the two directions
//!
//! # Source
//! - RFC 8259; where it leaves a choice, and in its error texts, lua-cjson 2.1.0 as Redis 7.2 has it

#![expect(unsafe_code, reason = "functions that the interpreter calls")]

mod decode;
mod encode;
mod number;
mod settings;

use crate::lua::*;
use settings::Settings;
use std::ffi::{CStr, c_int};

/// Puts the library among the globals.
///
/// # Safety
/// Called in protected mode.
pub(super) unsafe fn open(state: *mut lua_State) {
    // SAFETY: as above.
    unsafe {
        new(state);
        lua_setfield(state, LUA_GLOBALSINDEX, c"cjson".as_ptr());
    }
}

/// `cjson.new()`: another table of functions, with settings of its own.
unsafe extern "C-unwind" fn new(state: *mut lua_State) -> c_int {
    // SAFETY: called by the interpreter, or in protected mode.
    unsafe {
        luaL_checkstack_(state, 4, c"too many results".as_ptr());
        lua_createtable(state, 0, 16);
        let settings = lua_newuserdata(state, size_of::<Settings>());
        settings.cast::<Settings>().write(Settings::USUAL);
        for (name, function) in [
            (c"encode", encode::encode as Function),
            (c"decode", decode::decode),
            (c"encode_sparse_array", encode_sparse_array),
            (c"encode_max_depth", encode_max_depth),
            (c"decode_max_depth", decode_max_depth),
            (c"encode_number_precision", encode_number_precision),
            (c"encode_keep_buffer", encode_keep_buffer),
            (c"encode_invalid_numbers", encode_invalid_numbers),
            (c"decode_invalid_numbers", decode_invalid_numbers),
            (c"new", new),
        ] {
            lua_pushvalue(state, -1);
            lua_pushcclosure(state, function, 1);
            lua_setfield(state, -3, name.as_ptr());
        }
        lua_settop(state, -2);
        lua_pushlightuserdata(state, std::ptr::null_mut());
        set_field(state, c"null");
        for (name, text) in [(c"_NAME", "cjson"), (c"_VERSION", "2.1.0")] {
            push_bytes(state, text.as_bytes());
            set_field(state, name);
        }
        1
    }
}

/// The settings, for a function of so many arguments at most.
unsafe fn arguments<'a>(state: *mut lua_State, most: c_int) -> &'a mut Settings {
    // SAFETY: called by a function that the interpreter has called.
    unsafe {
        if lua_gettop(state) > most {
            raise_argument(state, most + 1, c"found too many arguments");
        }
        lua_settop(state, most);
        Settings::of(state)
    }
}

unsafe fn integer(
    state: *mut lua_State,
    at: c_int,
    setting: &mut c_int,
    (least, most): (c_int, c_int),
) {
    // SAFETY: as above.
    unsafe {
        if lua_type(state, at) != LUA_TNIL {
            let value = luaL_checkinteger(state, at) as c_int;
            if !(least..=most).contains(&value) {
                let text = c"expected integer between %d and %d".as_ptr();
                let text = lua_pushfstring(state, text, least, most);
                luaL_argerror(state, 1, text);
            }
            *setting = value;
        }
        lua_pushnumber(state, f64::from(*setting));
    }
}

/// One of several words; `on` and `off` are also a truth value.
unsafe fn choice(state: *mut lua_State, at: c_int, setting: &mut c_int, words: &[&CStr]) {
    // SAFETY: as above.
    unsafe {
        match lua_type(state, at) {
            LUA_TNIL => {}
            LUA_TBOOLEAN => *setting = lua_toboolean(state, at),
            _ => {
                luaL_checklstring(state, at, std::ptr::null_mut());
                let given = bytes_at(state, at);
                let found = words.iter().position(|word| word.to_bytes() == given);
                match found {
                    Some(found) => *setting = found as c_int,
                    None => {
                        let text = c"invalid option '%s'".as_ptr();
                        let text = lua_pushfstring(state, text, lua_tostring(state, at));
                        luaL_argerror(state, at, text);
                    }
                }
            }
        }
        match usize::try_from(*setting).ok().and_then(|at| words.get(at)) {
            Some(word) if *setting > 1 => push_bytes(state, word.to_bytes()),
            _ => lua_pushboolean(state, *setting),
        }
    }
}

const SWITCH: &[&CStr] = &[c"off", c"on"];

unsafe extern "C-unwind" fn encode_sparse_array(state: *mut lua_State) -> c_int {
    // SAFETY: called by the interpreter.
    unsafe {
        let settings = arguments(state, 3);
        choice(state, 1, &mut settings.sparse_convert, SWITCH);
        integer(state, 2, &mut settings.sparse_ratio, (0, c_int::MAX));
        integer(state, 3, &mut settings.sparse_safe, (0, c_int::MAX));
        3
    }
}

unsafe extern "C-unwind" fn encode_max_depth(state: *mut lua_State) -> c_int {
    // SAFETY: called by the interpreter.
    unsafe {
        let settings = arguments(state, 1);
        integer(state, 1, &mut settings.encode_max_depth, (1, c_int::MAX));
        1
    }
}

unsafe extern "C-unwind" fn decode_max_depth(state: *mut lua_State) -> c_int {
    // SAFETY: called by the interpreter.
    unsafe {
        let settings = arguments(state, 1);
        integer(state, 1, &mut settings.decode_max_depth, (1, c_int::MAX));
        1
    }
}

unsafe extern "C-unwind" fn encode_number_precision(state: *mut lua_State) -> c_int {
    // SAFETY: called by the interpreter.
    unsafe {
        let settings = arguments(state, 1);
        integer(state, 1, &mut settings.precision, (1, 14));
        1
    }
}

/// It says what buffers are kept; here they are the machine's in any case.
unsafe extern "C-unwind" fn encode_keep_buffer(state: *mut lua_State) -> c_int {
    // SAFETY: called by the interpreter.
    unsafe {
        let settings = arguments(state, 1);
        choice(state, 1, &mut settings.keep_buffer, SWITCH);
        1
    }
}

unsafe extern "C-unwind" fn encode_invalid_numbers(state: *mut lua_State) -> c_int {
    // SAFETY: called by the interpreter.
    unsafe {
        let settings = arguments(state, 1);
        choice(state, 1, &mut settings.encode_invalid_numbers, &[c"off", c"on", c"null"]);
        1
    }
}

unsafe extern "C-unwind" fn decode_invalid_numbers(state: *mut lua_State) -> c_int {
    // SAFETY: called by the interpreter.
    unsafe {
        let settings = arguments(state, 1);
        choice(state, 1, &mut settings.decode_invalid_numbers, SWITCH);
        1
    }
}
