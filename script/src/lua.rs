//! The interpreter's C interface, as far as this crate uses it, and what is said often about it.
//!
//! # Invariants
//! - a call that may raise leaves by a jump over our frames: none of them holds a value that has to be dropped. What
//!   needs memory of its own lies in the [`crate::machine::Machine`].
//!
//! # Source
//! - reference manual of Lua 5.1, chapter 3

#![expect(unsafe_code, reason = "the interface of a C library")]

pub(crate) use mlua_sys::lua51::*;
use std::ffi::{CStr, c_char, c_int};

/// A function that scripts call.
pub(crate) type Function = unsafe extern "C-unwind" fn(*mut lua_State) -> c_int;

unsafe extern "C-unwind" {
    fn tidemark_set_readonly(state: *mut lua_State, index: c_int, readonly: c_int);
    fn tidemark_drop_handler(state: *mut lua_State);
    fn tidemark_look(state: *mut lua_State);
    fn tidemark_charge(state: *mut lua_State, bytes: usize);
    fn tidemark_is_readonly(state: *mut lua_State, index: c_int) -> c_int;
    #[link_name = "lua_pushlstring"]
    fn push_lstring(state: *mut lua_State, bytes: *const c_char, len: usize);
    #[link_name = "lua_rawgeti"]
    fn raw_get_i(state: *mut lua_State, index: c_int, n: c_int);
    #[link_name = "lua_rawseti"]
    fn raw_set_i(state: *mut lua_State, index: c_int, n: c_int);
    #[link_name = "lua_rawget"]
    fn raw_get(state: *mut lua_State, index: c_int);
}

/// Pushes a string.
///
/// # Safety
/// The state has room for it; it may raise.
#[inline]
pub(crate) unsafe fn push_bytes(state: *mut lua_State, bytes: &[u8]) {
    // SAFETY: the interpreter copies the bytes.
    unsafe { push_lstring(state, bytes.as_ptr().cast(), bytes.len()) }
}

/// Pushes element `n` of a table.
///
/// # Safety
/// At the index is a table.
#[inline]
pub(crate) unsafe fn push_element(state: *mut lua_State, index: c_int, n: c_int) {
    // SAFETY: as above; it does not raise.
    unsafe { raw_get_i(state, index, n) }
}

/// Makes the value at the top element `n` of a table.
///
/// # Safety
/// At the index is a table; it may raise.
#[inline]
pub(crate) unsafe fn set_element(state: *mut lua_State, index: c_int, n: c_int) {
    // SAFETY: as above.
    unsafe { raw_set_i(state, index, n) }
}

/// Pushes a field of a table, whatever its metatable says. Returns its type.
///
/// # Safety
/// At the index, which is not relative to the top, is a table; it may raise.
pub(crate) unsafe fn push_field(state: *mut lua_State, index: c_int, name: &[u8]) -> c_int {
    // SAFETY: as above.
    unsafe {
        push_bytes(state, name);
        raw_get(state, index);
        lua_type(state, -1)
    }
}

/// The bytes of a string. Empty for what is none.
///
/// # Safety
/// They live as long as the string is on the stack.
#[inline]
pub(crate) unsafe fn bytes_at<'a>(state: *mut lua_State, index: c_int) -> &'a [u8] {
    // SAFETY: a number would be made a string, in place, and raise: it is not asked.
    unsafe {
        if lua_type(state, index) != LUA_TSTRING {
            return &[];
        }
        let mut len = 0;
        let bytes = lua_tolstring(state, index, &mut len);
        std::slice::from_raw_parts(bytes.cast(), len)
    }
}

/// The same for a number as well, which becomes a string where it stands. `None` for what is neither.
///
/// # Safety
/// As above; it may raise.
pub(crate) unsafe fn text_at<'a>(state: *mut lua_State, index: c_int) -> Option<&'a [u8]> {
    // SAFETY: as above.
    unsafe {
        let mut len = 0;
        let bytes = lua_tolstring(state, index, &mut len);
        (!bytes.is_null()).then(|| std::slice::from_raw_parts(bytes.cast(), len))
    }
}

/// Sets a field of the table at the top.
///
/// # Safety
/// At the top is the value, below it a table without a say of its own; it may raise.
pub(crate) unsafe fn set_field(state: *mut lua_State, name: &CStr) {
    // SAFETY: as above.
    unsafe { lua_setfield(state, -2, name.as_ptr()) }
}

/// Puts a function into the table at the top.
///
/// # Safety
/// At the top is a table; it may raise.
pub(crate) unsafe fn set_function(state: *mut lua_State, name: &CStr, function: Function) {
    // SAFETY: as above.
    unsafe {
        lua_pushcclosure(state, function, 0);
        set_field(state, name);
    }
}

/// Puts a number into the table at the top.
///
/// # Safety
/// At the top is a table; it may raise.
pub(crate) unsafe fn set_number(state: *mut lua_State, name: &CStr, number: f64) {
    // SAFETY: as above.
    unsafe {
        lua_pushnumber(state, number);
        set_field(state, name);
    }
}

/// Says whether a table can be changed.
///
/// # Safety
/// At the index is a table.
pub(crate) unsafe fn set_readonly(state: *mut lua_State, index: c_int, readonly: bool) {
    // SAFETY: as above.
    unsafe { tidemark_set_readonly(state, index, c_int::from(readonly)) }
}

/// Looks how long the script has been running: it may pause here, or be ended.
///
/// # Safety
/// Called by a function that the interpreter has called: it may raise.
pub(crate) unsafe fn look(state: *mut lua_State) {
    // SAFETY: as above.
    unsafe { tidemark_look(state) }
}

/// The function that was called goes through so many bytes: it is looked the sooner how long the script has been running.
///
/// # Safety
/// The state is one of ours.
pub(crate) unsafe fn charge(state: *mut lua_State, bytes: usize) {
    // SAFETY: as above.
    unsafe { tidemark_charge(state, bytes) }
}

/// The error that is raised next is shown to no handler of the script.
///
/// # Safety
/// Called by a function that the interpreter has called, which raises then.
pub(crate) unsafe fn drop_handler(state: *mut lua_State) {
    // SAFETY: as above; whoever catches the error puts the handler of before in place again.
    unsafe { tidemark_drop_handler(state) }
}

/// Whether a table cannot be changed.
///
/// # Safety
/// At the index is a table.
pub(crate) unsafe fn is_readonly(state: *mut lua_State, index: c_int) -> bool {
    // SAFETY: as above.
    unsafe { tidemark_is_readonly(state, index) != 0 }
}

/// Raises an error of a text, with the place of the script before it.
///
/// # Safety
/// It is called by a function that the interpreter has called, and no frame up to there holds what has to be dropped.
pub(crate) unsafe fn raise(state: *mut lua_State, text: &[u8]) -> ! {
    // SAFETY: as above.
    unsafe {
        luaL_where(state, 1);
        push_bytes(state, text);
        lua_concat(state, 2);
        lua_error(state)
    }
}

/// Raises the error of an argument that will not do.
///
/// # Safety
/// As above.
pub(crate) unsafe fn raise_argument(state: *mut lua_State, argument: c_int, text: &CStr) -> ! {
    // SAFETY: as above.
    unsafe {
        luaL_argerror(state, argument, text.as_ptr());
    }
    unreachable!("it has raised")
}

/// A number as C makes a 64-bit integer of it on the machines that scripts are written on.
#[inline]
pub(crate) fn to_i64(number: f64) -> i64 {
    const BOUND: f64 = 9_223_372_036_854_775_808.0;
    if (-BOUND..BOUND).contains(&number) { number as i64 } else { i64::MIN }
}

/// A name that the interpreter gives out.
///
/// # Safety
/// It ends in a byte 0, or is null.
pub(crate) unsafe fn name_of<'a>(text: *const c_char) -> &'a [u8] {
    if text.is_null() {
        return b"?";
    }
    // SAFETY: as above.
    unsafe { CStr::from_ptr(text).to_bytes() }
}
