//! Replies of commands as values of a script, and a script's value as a reply.
//!
//! | reply | value |
//! |---|---|
//! | integer | number |
//! | string | string |
//! | array | table with 1, 2, … |
//! | status | table with the field `ok` |
//! | error | table with the field `err` |
//! | nothing | `false` in version 2, `nil` in version 3 |
//! | truth value, double, map, set, … (version 3) | itself; tables with the fields `double`, `map`, `set`, … |
//!
//! # Source
//! - "Redis Lua API reference", data type conversion

#![expect(unsafe_code, reason = "values lie on the interpreter's stack")]

use crate::function::Failure;
use crate::lua::*;
use crate::machine::Machine;
use protocol::resp::Reply;
use protocol::resp::read::{Item, Reader};
use std::ffi::c_int;

/// Pushes a reply of a command. Raises if there is no memory or no room for it.
///
/// # Safety
/// Called by a function that the interpreter has called. The reply outlives what is pushed of it.
pub(crate) unsafe fn push_reply(state: *mut lua_State, reader: &mut Reader<'_>) {
    // SAFETY: as above; the reader is no value that has to be dropped.
    unsafe {
        if lua_checkstack(state, 6) == 0 {
            raise(state, b"reached lua stack limit");
        }
        let Ok(item) = reader.item() else {
            raise(state, b"a reply that cannot be read");
        };
        match item {
            Item::Bulk(text) => push_bytes(state, text),
            Item::Int(number) => lua_pushnumber(state, number as f64),
            Item::NullBulk | Item::NullArray => lua_pushboolean(state, 0),
            Item::Null => lua_pushnil(state),
            Item::Boolean(value) => lua_pushboolean(state, c_int::from(value)),
            Item::Simple(text) => push_tagged(state, c"ok", |state| push_bytes(state, text)),
            Item::Error(text) => {
                push_tagged(state, c"err", |state| push_bytes(state, text));
                lua_pushboolean(state, 1);
                set_field(state, c"ignore_error_stats_update");
            }
            Item::Double(number) => {
                push_tagged(state, c"double", |state| lua_pushnumber(state, number));
            }
            Item::BigNumber(digits) => {
                push_tagged(state, c"big_number", |state| push_bytes(state, digits));
            }
            Item::Verbatim(format, text) => push_tagged(state, c"verbatim_string", |state| {
                push_tagged(state, c"string", |state| push_bytes(state, text));
                push_bytes(state, format);
                set_field(state, c"format");
            }),
            Item::Array(len) | Item::Push(len) => push_array(state, reader, len),
            Item::Map(len) => {
                lua_createtable(state, 0, 1);
                lua_createtable(state, 0, small(len));
                for _ in 0..len {
                    push_reply(state, reader);
                    push_reply(state, reader);
                    lua_rawset(state, -3);
                }
                set_field(state, c"map");
            }
            Item::Set(len) => {
                lua_createtable(state, 0, 1);
                lua_createtable(state, 0, small(len));
                for _ in 0..len {
                    push_reply(state, reader);
                    lua_pushboolean(state, 1);
                    lua_rawset(state, -3);
                }
                set_field(state, c"set");
            }
            // Scripts do not see them.
            Item::Attribute(len) => {
                (0..len * 2).for_each(|_| _ = reader.skip());
                push_reply(state, reader);
            }
        }
    }
}

/// Room that is made before what is to come is there.
fn small(len: usize) -> c_int {
    len.min(1 << 20) as c_int
}

unsafe fn push_array(state: *mut lua_State, reader: &mut Reader<'_>, len: usize) {
    // SAFETY: see push_reply.
    unsafe {
        lua_createtable(state, small(len), 0);
        for at in 0..len {
            push_reply(state, reader);
            set_element(state, -2, (at + 1) as c_int);
        }
    }
}

/// Pushes a table with one field, which `push` pushes.
unsafe fn push_tagged(
    state: *mut lua_State,
    tag: &std::ffi::CStr,
    push: impl FnOnce(*mut lua_State),
) {
    // SAFETY: see push_reply.
    unsafe {
        lua_createtable(state, 0, 1);
        push(state);
        set_field(state, tag);
    }
}

/// Pushes the table of an error. A text that begins with `-` has its code; others get `ERR`.
///
/// # Safety
/// It may raise, for want of memory.
pub(crate) unsafe fn push_error(state: *mut lua_State, machine: *mut Machine, text: &[u8]) {
    // SAFETY: the text is put together in the machine, which outlives this.
    unsafe {
        let whole = &mut (*machine).text;
        whole.clear();
        match text.strip_prefix(b"-") {
            Some(text) if text.contains(&b' ') => whole.extend_from_slice(text),
            Some(text) => whole.extend_from_slice(&[b"ERR ", text].concat()),
            None => whole.extend_from_slice(&[b"ERR ", text].concat()),
        }
        while matches!(whole.last(), Some(b'\r' | b'\n')) {
            whole.pop();
        }
        lua_createtable(state, 0, 2);
        push_bytes(state, &(*machine).text);
        set_field(state, c"err");
    }
}

/// What the error at the top says.
///
/// # Safety
/// It is in the midst of nothing that raises.
pub(crate) unsafe fn failure_at_top(state: *mut lua_State) -> Failure {
    // SAFETY: fields are looked up with keys that are there already, or are pushed in protected mode.
    unsafe {
        match lua_type(state, -1) {
            LUA_TSTRING => {
                Failure { text: [b"ERR ", bytes_at(state, -1)].concat(), counted: false }
            }
            LUA_TTABLE => {
                let table = lua_gettop(state);
                push_field(state, table, b"ignore_error_stats_update");
                let counted = lua_toboolean(state, -1) != 0;
                push_field(state, table, b"err");
                // Of a number its text.
                let text = match text_at(state, -1) {
                    Some(text) => text.to_vec(),
                    None => b"ERR unknown error".to_vec(),
                };
                lua_settop(state, table);
                Failure { text, counted }
            }
            _ => Failure { text: b"ERR unknown error".to_vec(), counted: false },
        }
    }
}

/// Makes the error at the top the end of the script.
///
/// # Safety
/// Called in protected mode.
pub(crate) unsafe fn report(state: *mut lua_State, machine: *mut Machine) {
    // SAFETY: as above.
    unsafe {
        let failure = if lua_type(state, -1) == LUA_TTABLE {
            let table = lua_gettop(state);
            // They are pushed first, as that may raise, and read when nothing does any more.
            push_field(state, table, b"source");
            push_field(state, table, b"line");
            lua_pushvalue(state, table);
            let mut failure = failure_at_top(state);
            lua_settop(state, table + 2);
            if lua_type(state, -2) == LUA_TSTRING && lua_type(state, -1) == LUA_TNUMBER {
                let (source, line) = (bytes_at(state, -2), lua_tonumber(state, -1));
                failure.text.extend_from_slice(b" script: ");
                failure.text.extend_from_slice(&(*machine).name);
                failure.text.extend_from_slice(b", on ");
                failure.text.extend_from_slice(source);
                failure.text.extend_from_slice(format!(":{line}.").as_bytes());
            }
            failure
        } else {
            const MOST: usize = 100;
            let reason = match bytes_at(state, -1) {
                [] => b"execution failure",
                text => &text[..text.len().min(MOST)],
            };
            let name = &(*machine).name;
            let text = [b"ERR Error running script ", &name[..], b", ", reason].concat();
            Failure { text, counted: false }
        };
        (*machine).failure = Some(failure);
    }
}

/// Makes the value at the top the reply of the script.
///
/// # Safety
/// Called in protected mode.
pub(crate) unsafe fn reply(state: *mut lua_State, machine: *mut Machine) {
    // SAFETY: as above; the reply lies in the machine.
    unsafe {
        // An error as the whole of the reply is the script's failure.
        let top = lua_gettop(state);
        if lua_type(state, top) == LUA_TTABLE && push_field(state, top, b"err") == LUA_TSTRING {
            lua_settop(state, top);
            (*machine).failure = Some(failure_at_top(state));
            return;
        }
        lua_settop(state, top);
        write(state, machine);
    }
}

fn writer<'a>(machine: *mut Machine) -> Reply<'a> {
    // SAFETY: nobody else writes while a value is converted; the writer is used for one item and given up.
    unsafe { Reply::new(&mut (*machine).reply, (*machine).reply_resp3) }
}

/// Writes the value at the top, and removes it.
unsafe fn write(state: *mut lua_State, machine: *mut Machine) {
    // SAFETY: as above.
    unsafe {
        // A table that contains itself is written until there is no room for it.
        if lua_checkstack(state, 6) == 0 {
            writer(machine).error(b"ERR reached lua stack limit");
            lua_settop(state, -2);
            return;
        }
        Machine::check_reply(state, machine);
        match lua_type(state, -1) {
            LUA_TSTRING => writer(machine).bulk(bytes_at(state, -1)),
            LUA_TBOOLEAN => {
                let value = lua_toboolean(state, -1) != 0;
                match (*machine).resp3 {
                    true => writer(machine).boolean(value),
                    false if value => writer(machine).int(1),
                    false => writer(machine).null(),
                }
            }
            LUA_TNUMBER => writer(machine).int(to_i64(lua_tonumber(state, -1))),
            LUA_TTABLE => write_table(state, machine),
            _ => writer(machine).null(),
        }
        lua_settop(state, -2);
    }
}

/// Writes the table at the top, and leaves it there.
unsafe fn write_table(state: *mut lua_State, machine: *mut Machine) {
    // SAFETY: as above.
    unsafe {
        let table = lua_gettop(state);
        if push_field(state, table, b"err") == LUA_TSTRING {
            lua_settop(state, table);
            let failure = failure_at_top(state);
            if !failure.counted
                && let Some(caller) = Machine::caller(machine)
            {
                caller.answered_error(&failure.text);
            }
            writer(machine).error(&failure.text);
        } else if push_field(state, table, b"ok") == LUA_TSTRING {
            let out = &mut (*machine).reply;
            out.push(b'+');
            let clean = |byte: &u8| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte };
            // As a C text, which a byte 0 ends.
            let text = bytes_at(state, -1).iter().take_while(|byte| **byte != 0);
            out.extend(text.map(clean));
            out.extend_from_slice(b"\r\n");
        } else if push_field(state, table, b"double") == LUA_TNUMBER {
            writer(machine).double(lua_tonumber(state, -1));
        } else if push_field(state, table, b"big_number") == LUA_TSTRING {
            let clean = |byte: &u8| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte };
            let out = &mut (*machine).text;
            out.clear();
            out.extend(bytes_at(state, -1).iter().map(clean));
            writer(machine).big_digits(out);
        } else if !write_verbatim(state, machine, table) {
            lua_settop(state, table);
            write_aggregate(state, machine, table);
        }
        lua_settop(state, table);
    }
}

/// Writes a table as text for people, if it is one.
unsafe fn write_verbatim(state: *mut lua_State, machine: *mut Machine, table: c_int) -> bool {
    // SAFETY: as above.
    unsafe {
        lua_settop(state, table);
        if push_field(state, table, b"verbatim_string") != LUA_TTABLE {
            return false;
        }
        let inner = table + 1;
        let is_text = push_field(state, inner, b"format") == LUA_TSTRING
            && push_field(state, inner, b"string") == LUA_TSTRING;
        if is_text {
            // Three letters, whatever the script says.
            let mut format = *b"   ";
            let given = bytes_at(state, -2);
            let len = given.len().min(3);
            format[..len].copy_from_slice(&given[..len]);
            let is_clean = format.iter().all(|letter| letter.is_ascii_graphic() || *letter == b' ');
            let format = if is_clean { format } else { *b"txt" };
            let format = std::str::from_utf8(&format).unwrap_or("txt");
            writer(machine).verbatim(format, bytes_at(state, -1));
        }
        is_text
    }
}

/// Writes a table of many values: a map, a set or an array.
unsafe fn write_aggregate(state: *mut lua_State, machine: *mut Machine, table: c_int) {
    // SAFETY: as above. The table cannot change while it is written: no code of scripts runs.
    unsafe {
        if push_field(state, table, b"map") == LUA_TTABLE {
            writer(machine).map(count(state, table + 1));
            lua_pushnil(state);
            while lua_next(state, table + 1) != 0 {
                lua_pushvalue(state, -2);
                write(state, machine);
                write(state, machine);
            }
            return;
        }
        lua_settop(state, table);
        if push_field(state, table, b"set") == LUA_TTABLE {
            writer(machine).set(count(state, table + 1));
            lua_pushnil(state);
            while lua_next(state, table + 1) != 0 {
                lua_settop(state, -2);
                lua_pushvalue(state, -1);
                write(state, machine);
            }
            return;
        }
        lua_settop(state, table);
        let mut len: c_int = 0;
        loop {
            push_element(state, table, len + 1);
            let is_end = lua_type(state, -1) == LUA_TNIL;
            lua_settop(state, table);
            if is_end {
                break;
            }
            len += 1;
        }
        writer(machine).array(len as usize);
        for at in 1..=len {
            push_element(state, table, at);
            write(state, machine);
        }
    }
}

/// How many pairs a table has.
unsafe fn count(state: *mut lua_State, table: c_int) -> usize {
    // SAFETY: as above.
    unsafe {
        let mut len = 0;
        lua_pushnil(state);
        while lua_next(state, table) != 0 {
            lua_settop(state, -2);
            len += 1;
        }
        len
    }
}
