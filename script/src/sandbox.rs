//! What scripts find in an interpreter, and what they cannot change.
//!
//! All scripts share the tables of an interpreter, so all that can be reached from the globals is marked as not to be
//! changed, the metatables of basic types included. What a global that is not there would hide, a misspelt local, is an
//! error. Functions that read files or write to the terminal are not there.
//!
//! # Source
//! - the names that Redis 7.2 has

#![expect(unsafe_code, reason = "tables of the interpreter")]

use crate::api;
use crate::library;
use crate::lua::*;
use crate::machine::{Kind, Machine};
use std::ffi::{CStr, c_int};

/// The functions of the base library that scripts do not have.
const LEFT_OUT: &[&CStr] = &[c"dofile", c"loadfile", c"print"];

/// Where in the registry lies what libraries see while they register functions.
const LIBRARY_API: &CStr = c"library api";
/// Where in the registry lies what functions see.
const SHARED: &CStr = c"shared globals";

/// Makes the world of scripts.
///
/// # Safety
/// Called in protected mode, once.
pub(crate) unsafe fn set_up(state: *mut lua_State, machine: *mut Machine) {
    // SAFETY: as above.
    unsafe {
        for (open, name) in [
            (luaopen_base as Function, c""),
            (luaopen_table, c"table"),
            (luaopen_string, c"string"),
            (luaopen_math, c"math"),
        ] {
            lua_pushcclosure(state, open, 0);
            lua_pushstring_(state, name.as_ptr());
            lua_call(state, 1, 0);
        }
        for name in LEFT_OUT {
            lua_pushnil(state);
            lua_setfield(state, LUA_GLOBALSINDEX, name.as_ptr());
        }
        library::open(state);
        api::open(state, machine, (*machine).kind);
        // The metatable of strings can be reached from any of them.
        push_bytes(state, b"");
        if lua_getmetatable(state, -1) != 0 {
            protect(state);
        }
        lua_settop(state, 0);
        lua_pushvalue(state, LUA_GLOBALSINDEX);
        set_error_metatable(state);
        protect(state);
        if (*machine).kind == Kind::Functions {
            set_up_libraries(state);
        }
        lua_pushvalue(state, LUA_GLOBALSINDEX);
        (*machine).globals = luaL_ref(state, LUA_REGISTRYINDEX);
    }
}

/// Functions have globals of their own, an empty table that shows either the shared ones or those for registering.
unsafe fn set_up_libraries(state: *mut lua_State) {
    // SAFETY: see set_up; at the top are the globals.
    unsafe {
        lua_setfield(state, LUA_REGISTRYINDEX, SHARED.as_ptr());
        lua_createtable(state, 0, 0);
        api::push_library_table(state);
        set_error_metatable(state);
        set_field(state, c"redis");
        set_error_metatable(state);
        protect(state);
        lua_setfield(state, LUA_REGISTRYINDEX, LIBRARY_API.as_ptr());
        lua_createtable(state, 0, 0);
        lua_createtable(state, 0, 1);
        lua_getfield_(state, LUA_REGISTRYINDEX, SHARED.as_ptr());
        set_field(state, c"__index");
        lua_setmetatable(state, -2);
        protect(state);
        lua_replace(state, LUA_GLOBALSINDEX);
        lua_settop(state, 0);
    }
}

/// Shows what libraries see while they register functions, or what functions see.
///
/// # Safety
/// Called in protected mode, of an interpreter for functions.
pub(crate) unsafe fn show_library_api(state: *mut lua_State, _: *mut Machine, registering: bool) {
    // SAFETY: as above; what is set is there already, so nothing raises.
    unsafe {
        let shown = if registering { LIBRARY_API } else { SHARED };
        lua_getmetatable(state, LUA_GLOBALSINDEX);
        set_readonly(state, -1, false);
        lua_getfield_(state, LUA_REGISTRYINDEX, shown.as_ptr());
        set_field(state, c"__index");
        set_readonly(state, -1, true);
        lua_settop(state, -2);
    }
}

/// Marks the table at the top, and all that it leads to, as not to be changed. Leaves it there.
unsafe fn protect(state: *mut lua_State) {
    // SAFETY: see set_up.
    unsafe {
        if is_readonly(state, -1) {
            return;
        }
        set_readonly(state, -1, true);
        lua_checkstack(state, 4);
        lua_pushnil(state);
        while lua_next(state, -2) != 0 {
            if lua_type(state, -1) == LUA_TTABLE {
                protect(state);
            }
            lua_settop(state, -2);
        }
        if lua_getmetatable(state, -1) != 0 {
            protect(state);
            lua_settop(state, -2);
        }
    }
}

/// Makes a name that is not in the table at the top an error.
unsafe fn set_error_metatable(state: *mut lua_State) {
    // SAFETY: see set_up.
    unsafe {
        lua_createtable(state, 0, 1);
        set_function(state, c"__index", missing_global);
        lua_setmetatable(state, -2);
    }
}

unsafe extern "C-unwind" fn missing_global(state: *mut lua_State) -> c_int {
    // SAFETY: called by the interpreter.
    unsafe {
        if lua_gettop(state) != 2 || lua_isstring(state, 2) == 0 {
            raise(state, b"Script attempted to access a nonexistent global variable");
        }
        luaL_where(state, 1);
        push_bytes(state, b"Script attempted to access nonexistent global variable '");
        lua_pushvalue(state, 2);
        push_bytes(state, b"'");
        lua_concat(state, 4);
        lua_error(state)
    }
}
