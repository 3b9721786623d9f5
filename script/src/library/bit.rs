//! `bit`: operations on the bits of numbers, 32 of them.
//!
//! # Source
//! - semantics of BitOp 1.0.2: a number is taken modulo 2^32, a result is signed

#![expect(unsafe_code, reason = "functions that the interpreter calls")]

use crate::lua::*;
use std::ffi::c_int;

/// Puts the library among the globals.
///
/// # Safety
/// Called in protected mode.
pub(super) unsafe fn open(state: *mut lua_State) {
    // SAFETY: as above.
    unsafe {
        lua_createtable(state, 0, 12);
        for (name, function) in [
            (c"tobit", to_bit as Function),
            (c"bnot", not),
            (c"band", and),
            (c"bor", or),
            (c"bxor", xor),
            (c"lshift", shift_left),
            (c"rshift", shift_right),
            (c"arshift", shift_arithmetic),
            (c"rol", rotate_left),
            (c"ror", rotate_right),
            (c"bswap", swap_bytes),
            (c"tohex", to_hex),
        ] {
            set_function(state, name, function);
        }
        lua_setfield(state, LUA_GLOBALSINDEX, c"bit".as_ptr());
    }
}

/// The low 32 bits of a number, rounded to the nearest integer, halves to even.
fn bits_of(number: f64) -> u32 {
    // Added to it, a number of up to 2^51 has its integer in the low bits.
    const SHIFT: f64 = 6_755_399_441_055_744.0;
    (number + SHIFT).to_bits() as u32
}

unsafe fn argument(state: *mut lua_State, at: c_int) -> u32 {
    // SAFETY: called by a function that the interpreter has called.
    unsafe { bits_of(luaL_checknumber(state, at)) }
}

unsafe fn result(state: *mut lua_State, bits: u32) -> c_int {
    // SAFETY: as above.
    unsafe { lua_pushnumber(state, f64::from(bits as i32)) };
    1
}

unsafe fn fold(state: *mut lua_State, join: fn(u32, u32) -> u32) -> c_int {
    // SAFETY: as above.
    unsafe {
        let mut bits = argument(state, 1);
        // From the last one on: that is told which is none.
        for at in (2..=lua_gettop(state)).rev() {
            bits = join(bits, argument(state, at));
        }
        result(state, bits)
    }
}

unsafe fn shift(state: *mut lua_State, by: fn(u32, u32) -> u32) -> c_int {
    // SAFETY: as above.
    unsafe {
        let bits = argument(state, 1);
        let count = argument(state, 2) & 31;
        result(state, by(bits, count))
    }
}

unsafe extern "C-unwind" fn to_bit(state: *mut lua_State) -> c_int {
    // SAFETY: called by the interpreter.
    unsafe { result(state, argument(state, 1)) }
}

unsafe extern "C-unwind" fn not(state: *mut lua_State) -> c_int {
    // SAFETY: called by the interpreter.
    unsafe { result(state, !argument(state, 1)) }
}

unsafe extern "C-unwind" fn and(state: *mut lua_State) -> c_int {
    // SAFETY: called by the interpreter.
    unsafe { fold(state, |one, other| one & other) }
}

unsafe extern "C-unwind" fn or(state: *mut lua_State) -> c_int {
    // SAFETY: called by the interpreter.
    unsafe { fold(state, |one, other| one | other) }
}

unsafe extern "C-unwind" fn xor(state: *mut lua_State) -> c_int {
    // SAFETY: called by the interpreter.
    unsafe { fold(state, |one, other| one ^ other) }
}

unsafe extern "C-unwind" fn shift_left(state: *mut lua_State) -> c_int {
    // SAFETY: called by the interpreter.
    unsafe { shift(state, |bits, count| bits << count) }
}

unsafe extern "C-unwind" fn shift_right(state: *mut lua_State) -> c_int {
    // SAFETY: called by the interpreter.
    unsafe { shift(state, |bits, count| bits >> count) }
}

unsafe extern "C-unwind" fn shift_arithmetic(state: *mut lua_State) -> c_int {
    // SAFETY: called by the interpreter.
    unsafe { shift(state, |bits, count| ((bits as i32) >> count) as u32) }
}

unsafe extern "C-unwind" fn rotate_left(state: *mut lua_State) -> c_int {
    // SAFETY: called by the interpreter.
    unsafe { shift(state, u32::rotate_left) }
}

unsafe extern "C-unwind" fn rotate_right(state: *mut lua_State) -> c_int {
    // SAFETY: called by the interpreter.
    unsafe { shift(state, u32::rotate_right) }
}

unsafe extern "C-unwind" fn swap_bytes(state: *mut lua_State) -> c_int {
    // SAFETY: called by the interpreter.
    unsafe { result(state, argument(state, 1).swap_bytes()) }
}

/// `bit.tohex(x [, n])`: `n` digits, large letters if it is negative.
unsafe extern "C-unwind" fn to_hex(state: *mut lua_State) -> c_int {
    // SAFETY: called by the interpreter.
    unsafe {
        let bits = argument(state, 1);
        let wanted = if lua_type(state, 2) == LUA_TNONE { 8 } else { argument(state, 2) as i32 };
        let count = wanted.unsigned_abs().min(8) as usize;
        let digits: &[u8; 16] = if wanted < 0 { b"0123456789ABCDEF" } else { b"0123456789abcdef" };
        let mut text = [0u8; 8];
        for (at, letter) in text[..count].iter_mut().enumerate() {
            let shift = 4 * (count - 1 - at);
            *letter = digits[(bits >> shift & 15) as usize];
        }
        push_bytes(state, &text[..count]);
        1
    }
}
