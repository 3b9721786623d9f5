use crate::lua::lua_State;
#[expect(unsafe_code)]
pub(super) unsafe fn open(_: *mut lua_State) {}
