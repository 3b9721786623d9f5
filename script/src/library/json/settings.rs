//! What a script may set for `cjson`.

#![expect(unsafe_code, reason = "they lie in the interpreter's memory")]

use crate::lua::*;
use std::ffi::c_int;

/// What a script may set, for its table of functions.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Settings {
    pub sparse_convert: c_int,
    pub sparse_ratio: c_int,
    pub sparse_safe: c_int,
    pub encode_max_depth: c_int,
    /// 0: an error, 1: as they are, 2: as null.
    pub encode_invalid_numbers: c_int,
    pub precision: c_int,
    pub keep_buffer: c_int,
    pub decode_invalid_numbers: c_int,
    pub decode_max_depth: c_int,
}

impl Settings {
    pub const USUAL: Settings = Settings {
        sparse_convert: 0,
        sparse_ratio: 2,
        sparse_safe: 10,
        encode_max_depth: 1000,
        encode_invalid_numbers: 0,
        precision: 14,
        keep_buffer: 1,
        decode_invalid_numbers: 1,
        decode_max_depth: 1000,
    };

    /// Those of the function that is being called.
    ///
    /// # Safety
    /// Called by one of them.
    pub unsafe fn of<'a>(state: *mut lua_State) -> &'a mut Settings {
        // SAFETY: each function of the library has them beside it, and scripts cannot reach them.
        unsafe { &mut *lua_touserdata(state, lua_upvalueindex(1)).cast::<Settings>() }
    }
}
