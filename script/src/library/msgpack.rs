//! `cmsgpack`: values as MessagePack.
//!
//! # Source
//! - the specification of MessagePack; what is chosen among several encodings is what cmsgpack 0.4.0 chooses

#![expect(unsafe_code, reason = "functions that the interpreter calls")]

use crate::lua::*;
use crate::machine::Machine;
use std::ffi::c_int;

/// Tables in tables beyond that are packed as nil: so one that contains itself has an end. Source: cmsgpack.
const NESTING_MAX: usize = 16;

/// Puts the library among the globals.
///
/// # Safety
/// Called in protected mode.
pub(super) unsafe fn open(state: *mut lua_State) {
    // SAFETY: as above.
    unsafe {
        lua_createtable(state, 0, 8);
        for (name, function) in [
            (c"pack", pack as Function),
            (c"unpack", unpack),
            (c"unpack_one", unpack_one),
            (c"unpack_limit", unpack_limit),
        ] {
            set_function(state, name, function);
        }
        for (name, text) in [(c"_NAME", "cmsgpack"), (c"_VERSION", "lua-cmsgpack 0.4.0")] {
            push_bytes(state, text.as_bytes());
            set_field(state, name);
        }
        lua_setfield(state, LUA_GLOBALSINDEX, c"cmsgpack".as_ptr());
    }
}

/// `cmsgpack.pack(…)`
unsafe extern "C-unwind" fn pack(state: *mut lua_State) -> c_int {
    // SAFETY: called by the interpreter; the bytes are the machine's.
    unsafe {
        let argc = lua_gettop(state);
        if argc == 0 {
            raise_argument(state, 0, c"MessagePack pack needs input.");
        }
        let machine = Machine::of(state);
        (*machine).text.clear();
        for at in 1..=argc {
            luaL_checkstack_(state, 1, c"in function mp_check".as_ptr());
            lua_pushvalue(state, at);
            put_value(state, machine, 0);
        }
        push_bytes(state, &(*machine).text);
        1
    }
}

/// A header: the short form if the length fits into it, else the first of the long ones that does.
fn put_header(out: &mut Vec<u8>, len: usize, short: (u8, usize), long: [Option<u8>; 3]) {
    if len < short.1 {
        return out.push(short.0 | len as u8);
    }
    match long {
        [Some(kind), _, _] if len <= 0xff => out.extend_from_slice(&[kind, len as u8]),
        [_, Some(kind), _] if len <= 0xffff => {
            out.push(kind);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        [_, _, kind] => {
            out.push(kind.unwrap_or(0));
            out.extend_from_slice(&(len as u32).to_be_bytes());
        }
    }
}

fn put_integer(out: &mut Vec<u8>, number: i64) {
    /// A kind, and the last so many bytes of the number.
    fn put(out: &mut Vec<u8>, kind: u8, number: i64, bytes: usize) {
        out.push(kind);
        out.extend_from_slice(&number.to_be_bytes()[8 - bytes..]);
    }
    match number {
        -32..=0x7f => out.push(number as u8),
        0x80..=0xff => put(out, 0xcc, number, 1),
        0x100..=0xffff => put(out, 0xcd, number, 2),
        0x1_0000..=0xffff_ffff => put(out, 0xce, number, 4),
        0x1_0000_0000.. => put(out, 0xcf, number, 8),
        -0x80..-32 => put(out, 0xd0, number, 1),
        -0x8000..-0x80 => put(out, 0xd1, number, 2),
        -0x8000_0000..-0x8000 => put(out, 0xd2, number, 4),
        _ => put(out, 0xd3, number, 8),
    }
}

fn put_number(out: &mut Vec<u8>, number: f64) {
    let whole = to_i64(number);
    if whole as f64 == number && number < 9_223_372_036_854_775_808.0 {
        return put_integer(out, whole);
    }
    let short = number as f32;
    if f64::from(short) == number {
        out.push(0xca);
        out.extend_from_slice(&short.to_be_bytes());
    } else {
        out.push(0xcb);
        out.extend_from_slice(&number.to_be_bytes());
    }
}

/// Packs the value at the top, and removes it.
unsafe fn put_value(state: *mut lua_State, machine: *mut Machine, level: usize) {
    // SAFETY: called by a function that the interpreter has called.
    unsafe {
        let out = &mut (*machine).text;
        match lua_type(state, -1) {
            LUA_TSTRING => {
                let text = bytes_at(state, -1);
                put_header(out, text.len(), (0xa0, 32), [Some(0xd9), Some(0xda), Some(0xdb)]);
                out.extend_from_slice(text);
            }
            LUA_TBOOLEAN => out.push(0xc2 | lua_toboolean(state, -1) as u8),
            LUA_TNUMBER => put_number(out, lua_tonumber(state, -1)),
            LUA_TTABLE if level < NESTING_MAX => put_table(state, machine, level),
            _ => out.push(0xc0),
        }
        Machine::check_text(state, machine);
        lua_settop(state, -2);
    }
}

/// Packs the table at the top: one with the keys 1 to its length as an array.
unsafe fn put_table(state: *mut lua_State, machine: *mut Machine, level: usize) {
    // SAFETY: as above.
    unsafe {
        luaL_checkstack_(state, 3, c"in function mp_encode_lua_table_as_map".as_ptr());
        let table = lua_gettop(state);
        let (mut count, mut highest, mut is_array) = (0usize, 0.0, true);
        lua_pushnil(state);
        while lua_next(state, table) != 0 {
            lua_settop(state, -2);
            count += 1;
            let key = match lua_type(state, -1) {
                LUA_TNUMBER => lua_tonumber(state, -1),
                _ => 0.0,
            };
            is_array &= key > 0.0 && key == f64::from(key as i32);
            highest = if key > highest { key } else { highest };
        }
        let out = &mut (*machine).text;
        if is_array && highest == count as f64 {
            put_header(out, count, (0x90, 16), [None, Some(0xdc), Some(0xdd)]);
            for at in 1..=count {
                push_element(state, table, at as c_int);
                put_value(state, machine, level + 1);
            }
            return;
        }
        put_header(out, count, (0x80, 16), [None, Some(0xde), Some(0xdf)]);
        lua_pushnil(state);
        while lua_next(state, table) != 0 {
            lua_pushvalue(state, -2);
            put_value(state, machine, level + 1);
            put_value(state, machine, level + 1);
        }
    }
}

/// Bytes that are being unpacked.
struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    unsafe fn take(&mut self, state: *mut lua_State, len: usize) -> &'a [u8] {
        match self.rest.split_at_checked(len) {
            Some((taken, rest)) => {
                self.rest = rest;
                taken
            }
            // SAFETY: called by a function that the interpreter has called.
            None => unsafe { raise(state, b"Missing bytes in input.") },
        }
    }

    /// An integer of so many bytes.
    unsafe fn number(&mut self, state: *mut lua_State, bytes: usize) -> u64 {
        // SAFETY: as above.
        let taken = unsafe { self.take(state, bytes) };
        taken.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

/// Unpacks one value, and pushes it.
unsafe fn push_value(state: *mut lua_State, input: &mut Input<'_>) {
    // SAFETY: called by a function that the interpreter has called.
    unsafe {
        let text = c"too many return values at once; use unpack_one or unpack_limit instead.";
        luaL_checkstack_(state, 3, text.as_ptr());
        let kind = input.number(state, 1) as u8;
        match kind {
            0x00..=0x7f => lua_pushnumber(state, f64::from(kind)),
            0xe0..=0xff => lua_pushnumber(state, f64::from(kind as i8)),
            0x80..=0x8f => push_map(state, input, usize::from(kind & 15)),
            0x90..=0x9f => push_array(state, input, usize::from(kind & 15)),
            0xa0..=0xbf => push_bytes(state, input.take(state, usize::from(kind & 31))),
            0xc0 => lua_pushnil(state),
            0xc2 | 0xc3 => lua_pushboolean(state, c_int::from(kind & 1)),
            0xca => {
                let bits = input.number(state, 4) as u32;
                lua_pushnumber(state, f64::from(f32::from_bits(bits)));
            }
            0xcb => lua_pushnumber(state, f64::from_bits(input.number(state, 8))),
            // Numbers of 64 bits are signed to this library.
            0xcc..=0xcf => {
                let number = input.number(state, 1 << (kind - 0xcc));
                lua_pushnumber(state, number as i64 as f64);
            }
            0xd0..=0xd3 => {
                let bytes = 1usize << (kind - 0xd0);
                let unused = 64 - 8 * bytes;
                let number = (input.number(state, bytes) << unused) as i64 >> unused;
                lua_pushnumber(state, number as f64);
            }
            0xd9..=0xdb => {
                let len = input.number(state, 1 << (kind - 0xd9)) as usize;
                push_bytes(state, input.take(state, len));
            }
            0xdc | 0xdd => {
                let len = input.number(state, 2 << (kind - 0xdc)) as usize;
                push_array(state, input, len);
            }
            0xde | 0xdf => {
                let len = input.number(state, 2 << (kind - 0xde)) as usize;
                push_map(state, input, len);
            }
            _ => raise(state, b"Bad data format in input."),
        }
    }
}

unsafe fn push_array(state: *mut lua_State, input: &mut Input<'_>, len: usize) {
    // SAFETY: as above. Each element is a byte at least, so none is made room for that cannot be there.
    unsafe {
        lua_createtable(state, 0, 0);
        for at in 1..=len {
            push_value(state, input);
            set_element(state, -2, at as c_int);
        }
    }
}

unsafe fn push_map(state: *mut lua_State, input: &mut Input<'_>, len: usize) {
    // SAFETY: as above.
    unsafe {
        lua_createtable(state, 0, 0);
        for _ in 0..len {
            push_value(state, input);
            push_value(state, input);
            lua_rawset(state, -3);
        }
    }
}

/// Unpacks at most `limit` values from `offset` on; with neither, all.
unsafe fn unpack_some(state: *mut lua_State, limit: i64, offset: i64) -> c_int {
    // SAFETY: called by a function that the interpreter has called.
    unsafe {
        luaL_checklstring(state, 1, std::ptr::null_mut());
        let bytes = bytes_at(state, 1);
        let len = bytes.len() as c_int;
        if offset < 0 || limit < 0 {
            let text = c"Invalid request to unpack with offset of %d and limit of %d.";
            return luaL_error(state, text.as_ptr(), offset as c_int, len);
        }
        let Some(rest) = usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..)) else {
            let text = c"Start offset %d greater than input length %d.";
            return luaL_error(state, text.as_ptr(), offset as c_int, len);
        };
        if limit == 0 {
            charge(state, 8 * rest.len());
        }
        let all = limit == 0 && offset == 0;
        let mut input = Input { rest };
        let mut count = 0;
        while !input.rest.is_empty() && (all || count < limit) {
            push_value(state, &mut input);
            count += 1;
        }
        if all {
            return count as c_int;
        }
        let next = bytes.len() - input.rest.len();
        luaL_checkstack_(state, 1, c"in function mp_unpack_full".as_ptr());
        let next = if input.rest.is_empty() { -1.0 } else { next as f64 };
        lua_pushnumber(state, next);
        lua_insert(state, 2);
        count as c_int + 1
    }
}

/// `cmsgpack.unpack(bytes)` → all values.
unsafe extern "C-unwind" fn unpack(state: *mut lua_State) -> c_int {
    // SAFETY: called by the interpreter.
    unsafe {
        lua_settop(state, 1);
        unpack_some(state, 0, 0)
    }
}

/// `cmsgpack.unpack_one(bytes [, offset])` → where the next one begins, and the value.
unsafe extern "C-unwind" fn unpack_one(state: *mut lua_State) -> c_int {
    // SAFETY: called by the interpreter.
    unsafe {
        let offset = luaL_optinteger(state, 2, 0) as i64;
        lua_settop(state, 1);
        unpack_some(state, 1, offset)
    }
}

/// `cmsgpack.unpack_limit(bytes, limit [, offset])` → where the next one begins, and the values.
unsafe extern "C-unwind" fn unpack_limit(state: *mut lua_State) -> c_int {
    // SAFETY: called by the interpreter.
    unsafe {
        let limit = luaL_checkinteger(state, 2) as i64;
        let offset = luaL_optinteger(state, 3, 0) as i64;
        lua_settop(state, 1);
        unpack_some(state, limit, offset)
    }
}
