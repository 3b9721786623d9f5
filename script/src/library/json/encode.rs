//! Values to JSON.

#![expect(unsafe_code, reason = "functions that the interpreter calls")]

use super::number::push_general;
use super::settings::Settings;
use crate::lua::*;
use crate::machine::Machine;
use std::ffi::{CStr, c_int};

/// `cjson.encode(value)`
pub(super) unsafe extern "C-unwind" fn encode(state: *mut lua_State) -> c_int {
    // SAFETY: called by the interpreter; the text is the machine's.
    unsafe {
        if lua_gettop(state) != 1 {
            raise_argument(state, 1, c"expected 1 argument");
        }
        let settings = *Settings::of(state);
        let machine = Machine::of(state);
        (*machine).text.clear();
        put_value(state, machine, &settings, 0);
        push_bytes(state, &(*machine).text);
        1
    }
}

unsafe fn fail(state: *mut lua_State, at: c_int, reason: &CStr) -> ! {
    // SAFETY: called by a function that the interpreter has called.
    unsafe {
        let name = luaL_typename(state, at);
        luaL_error(state, c"Cannot serialise %s: %s".as_ptr(), name, reason.as_ptr());
    }
    unreachable!("it has raised")
}

/// Writes the value at the top.
unsafe fn put_value(
    state: *mut lua_State,
    machine: *mut Machine,
    settings: &Settings,
    depth: c_int,
) {
    // SAFETY: as above.
    unsafe {
        let out = &mut (*machine).text;
        match lua_type(state, -1) {
            LUA_TSTRING => put_string(out, bytes_at(state, -1)),
            LUA_TNUMBER => put_number(state, machine, settings, -1),
            LUA_TBOOLEAN => {
                let text: &[u8] = if lua_toboolean(state, -1) != 0 { b"true" } else { b"false" };
                out.extend_from_slice(text);
            }
            LUA_TTABLE => put_table(state, machine, settings, depth + 1),
            LUA_TNIL => out.extend_from_slice(b"null"),
            LUA_TLIGHTUSERDATA if lua_touserdata(state, -1).is_null() => {
                out.extend_from_slice(b"null");
            }
            _ => fail(state, -1, c"type not supported"),
        }
        Machine::check_text(state, machine);
    }
}

fn put_string(out: &mut Vec<u8>, text: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.reserve(text.len() + 2);
    out.push(b'"');
    for byte in text {
        let escape: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'/' => b"\\/",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0x08 => b"\\b",
            0x0c => b"\\f",
            0..=0x1f | 0x7f => {
                out.extend_from_slice(b"\\u00");
                out.push(DIGITS[usize::from(byte >> 4)]);
                out.push(DIGITS[usize::from(byte & 15)]);
                continue;
            }
            _ => {
                out.push(*byte);
                continue;
            }
        };
        out.extend_from_slice(escape);
    }
    out.push(b'"');
}

unsafe fn put_number(state: *mut lua_State, machine: *mut Machine, settings: &Settings, at: c_int) {
    // SAFETY: as above.
    unsafe {
        let number = lua_tonumber(state, at);
        let out = &mut (*machine).text;
        match settings.encode_invalid_numbers {
            _ if number.is_finite() => push_general(out, number, settings.precision as usize),
            0 => fail(state, at, c"must not be NaN or Inf"),
            2 => out.extend_from_slice(b"null"),
            _ if number.is_nan() => out.extend_from_slice(b"nan"),
            _ if number > 0.0 => out.extend_from_slice(b"inf"),
            _ => out.extend_from_slice(b"-inf"),
        }
    }
}

/// How many elements the table at the top has as an array; none if it is no array.
unsafe fn array_len(state: *mut lua_State, settings: &Settings) -> Option<c_int> {
    // SAFETY: as above.
    unsafe {
        let (mut highest, mut items) = (0i32, 0u64);
        lua_pushnil(state);
        while lua_next(state, -2) != 0 {
            let key = match lua_type(state, -2) {
                LUA_TNUMBER => lua_tonumber(state, -2),
                _ => 0.0,
            };
            if !(key.floor() == key && key >= 1.0) {
                lua_settop(state, -3);
                return None;
            }
            if key > f64::from(highest) {
                // A number that is none of a list (a client's, say) makes it an object, unless a smaller one follows.
                highest = if key < 2_147_483_648.0 { key as i32 } else { i32::MIN };
            }
            items += 1;
            lua_settop(state, -2);
        }
        let ratio = f64::from(settings.sparse_ratio);
        let is_sparse = ratio > 0.0
            && f64::from(highest) > items as f64 * ratio
            && highest > settings.sparse_safe;
        if is_sparse {
            if settings.sparse_convert == 0 {
                fail(state, -1, c"excessively sparse array");
            }
            return None;
        }
        (highest > 0).then_some(highest)
    }
}

unsafe fn put_table(
    state: *mut lua_State,
    machine: *mut Machine,
    settings: &Settings,
    depth: c_int,
) {
    // SAFETY: as above.
    unsafe {
        if depth > settings.encode_max_depth || lua_checkstack(state, 4) == 0 {
            luaL_error(state, c"Cannot serialise, excessive nesting (%d)".as_ptr(), depth);
        }
        let Some(len) = array_len(state, settings) else {
            return put_object(state, machine, settings, depth);
        };
        for at in 1..=len {
            (*machine).text.push(if at == 1 { b'[' } else { b',' });
            push_element(state, -1, at);
            put_value(state, machine, settings, depth);
            lua_settop(state, -2);
        }
        (*machine).text.push(b']');
    }
}

unsafe fn put_object(
    state: *mut lua_State,
    machine: *mut Machine,
    settings: &Settings,
    depth: c_int,
) {
    // SAFETY: as above.
    unsafe {
        (*machine).text.push(b'{');
        let mut is_first = true;
        lua_pushnil(state);
        while lua_next(state, -2) != 0 {
            if !std::mem::replace(&mut is_first, false) {
                (*machine).text.push(b',');
            }
            match lua_type(state, -2) {
                LUA_TNUMBER => {
                    (*machine).text.push(b'"');
                    put_number(state, machine, settings, -2);
                    (*machine).text.push(b'"');
                }
                LUA_TSTRING => put_string(&mut (*machine).text, bytes_at(state, -2)),
                _ => fail(state, -2, c"table key must be a number or string"),
            }
            (*machine).text.push(b':');
            put_value(state, machine, settings, depth);
            lua_settop(state, -2);
        }
        (*machine).text.push(b'}');
    }
}
