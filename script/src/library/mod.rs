//! The libraries that scripts find beside Lua's own: bit, cjson, cmsgpack and struct.
//!
//! Each gives the results that the C libraries of the same names give in Redis 7.2, and none of their overruns: lengths
//! are computed wide, and bounded by what is there.

mod bit;
mod json;
mod msgpack;
mod pack;

use crate::lua::lua_State;

/// Puts them among the globals.
///
/// # Safety
/// Called in protected mode, while the interpreter is set up.
#[expect(unsafe_code, reason = "the interpreter's stack")]
pub(crate) unsafe fn open(state: *mut lua_State) {
    // SAFETY: as above.
    unsafe {
        bit::open(state);
        json::open(state);
        msgpack::open(state);
        pack::open(state);
    }
}
