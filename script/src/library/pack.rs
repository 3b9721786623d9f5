//! `struct`: values as bytes, laid out as a format says.
//!
//! ```text
//! > < big, little end first      !n largest alignment      (blank) nothing
//! b h l i[n] and B H L T I[n]    integers, signed and unsigned
//! f d    floating point          x a byte 0       s a string and a 0       c[n] n bytes
//! ```
//!
//! # Source
//! - the library `struct` 0.2 as Redis 7.2 has it

#![expect(unsafe_code, reason = "functions that the interpreter calls")]

use crate::lua::*;
use crate::machine::Machine;
use std::ffi::c_int;

/// The most bytes of an integer.
const INTEGER_MAX: usize = 32;
/// The largest alignment that `!` alone means.
const ALIGN_MAX: usize = 8;

/// Puts the library among the globals.
///
/// # Safety
/// Called in protected mode.
pub(super) unsafe fn open(state: *mut lua_State) {
    // SAFETY: as above.
    unsafe {
        lua_createtable(state, 0, 3);
        for (name, function) in [(c"pack", pack as Function), (c"unpack", unpack), (c"size", size)]
        {
            set_function(state, name, function);
        }
        lua_setfield(state, LUA_GLOBALSINDEX, c"struct".as_ptr());
    }
}

/// A format that is being read.
struct Format<'a> {
    rest: &'a [u8],
    big: bool,
    align: usize,
}

/// An element of a format: its letter and its size.
#[derive(Clone, Copy)]
struct Element {
    letter: u8,
    bytes: usize,
}

/// What is wrong with a format.
enum Wrong {
    Overflow,
    TooLarge(usize),
    NoPower(usize),
    Unknown(u8),
}

impl<'a> Format<'a> {
    fn new(text: &'a [u8]) -> Format<'a> {
        // As a C text, which a byte 0 ends.
        let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
        Format { rest: &text[..end], big: cfg!(target_endian = "big"), align: 1 }
    }

    fn number(&mut self, default: usize) -> Result<usize, Wrong> {
        let mut number = None;
        while let Some(digit @ b'0'..=b'9') = self.rest.first() {
            let digit = i32::from(digit - b'0');
            let more = number.unwrap_or(0i32).checked_mul(10).and_then(|n| n.checked_add(digit));
            number = Some(more.ok_or(Wrong::Overflow)?);
            self.rest = &self.rest[1..];
        }
        Ok(number.map_or(default, |number| number as usize))
    }

    fn next(&mut self) -> Result<Option<Element>, Wrong> {
        let Some((letter, rest)) = self.rest.split_first() else { return Ok(None) };
        self.rest = rest;
        let bytes = match letter {
            b'B' | b'b' | b'x' => 1,
            b'H' | b'h' => 2,
            b'L' | b'l' | b'T' | b'd' => 8,
            b'f' => 4,
            b'c' => self.number(1)?,
            b'i' | b'I' => match self.number(4)? {
                bytes @ ..=INTEGER_MAX => bytes,
                bytes => return Err(Wrong::TooLarge(bytes)),
            },
            _ => 0,
        };
        Ok(Some(Element { letter: *letter, bytes }))
    }

    /// What has no value of its own.
    fn control(&mut self, letter: u8) -> Result<(), Wrong> {
        match letter {
            b' ' => {}
            b'>' => self.big = true,
            b'<' => self.big = false,
            b'!' => match self.number(ALIGN_MAX)? {
                align if align.is_power_of_two() => self.align = align,
                align => return Err(Wrong::NoPower(align)),
            },
            _ => return Err(Wrong::Unknown(letter)),
        }
        Ok(())
    }

    /// Bytes that are left out before an element.
    fn padding(&self, at: usize, element: Element) -> usize {
        if element.bytes == 0 || element.letter == b'c' {
            return 0;
        }
        let size = element.bytes.min(self.align);
        (size - (at & (size - 1))) & (size - 1)
    }
}

unsafe fn raise_wrong(state: *mut lua_State, wrong: &Wrong) -> ! {
    // SAFETY: called by a function that the interpreter has called.
    unsafe {
        match wrong {
            Wrong::Overflow => raise(state, b"integral size overflow"),
            Wrong::TooLarge(bytes) => {
                luaL_error(
                    state,
                    c"integral size %d is larger than limit of %d".as_ptr(),
                    *bytes as c_int,
                    INTEGER_MAX as c_int,
                );
            }
            Wrong::NoPower(align) => {
                luaL_error(state, c"alignment %d is not a power of 2".as_ptr(), *align as c_int);
            }
            Wrong::Unknown(letter) => {
                let text = c"invalid format option '%c'".as_ptr();
                let text = lua_pushfstring(state, text, c_int::from(*letter));
                luaL_argerror(state, 1, text);
            }
        }
        unreachable!("it has raised")
    }
}

unsafe fn format<'a>(state: *mut lua_State) -> Format<'a> {
    // SAFETY: as above; the text stays on the stack as an argument.
    unsafe {
        luaL_checklstring(state, 1, std::ptr::null_mut());
        charge(state, 16 * bytes_at(state, 1).len());
        Format::new(bytes_at(state, 1))
    }
}

unsafe fn next(state: *mut lua_State, format: &mut Format<'_>) -> Option<Element> {
    // SAFETY: as above.
    unsafe {
        match format.next() {
            Ok(element) => element,
            Err(wrong) => raise_wrong(state, &wrong),
        }
    }
}

unsafe fn control(state: *mut lua_State, format: &mut Format<'_>, letter: u8) {
    // SAFETY: as above.
    unsafe {
        if let Err(wrong) = format.control(letter) {
            raise_wrong(state, &wrong);
        }
    }
}

/// A number as an integer without a sign, as the processors that Redis usually runs on make one of it: what is beyond 64 bits
/// is 0.
fn unsigned(number: f64) -> u64 {
    const TOP: f64 = 9_223_372_036_854_775_808.0;
    match number {
        _ if number < TOP => number as i64 as u64,
        _ if number < 2.0 * TOP => number as u64,
        _ if number.is_nan() => 1 << 63,
        _ => 0,
    }
}

/// An integer's bytes, the last one first.
fn integer_bytes(number: f64, bytes: usize, big: bool) -> [u8; INTEGER_MAX] {
    let value = unsigned(number);
    let mut all = [0; INTEGER_MAX];
    all[..8].copy_from_slice(&value.to_le_bytes());
    if big {
        all[..bytes].reverse();
    }
    all
}

/// `struct.pack(format, …)`
unsafe extern "C-unwind" fn pack(state: *mut lua_State) -> c_int {
    // SAFETY: called by the interpreter; the bytes are the machine's.
    unsafe {
        let mut format = format(state);
        let machine = Machine::of(state);
        (*machine).text.clear();
        // What is missing is nil, in messages too.
        lua_pushnil(state);
        let mut argument = 2;
        while let Some(element) = next(state, &mut format) {
            let out = &mut (*machine).text;
            let padded = out.len() + format.padding(out.len(), element);
            out.resize(padded, 0);
            let bytes = element.bytes;
            match element.letter {
                b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                    let number = luaL_checknumber(state, argument);
                    argument += 1;
                    out.extend_from_slice(&integer_bytes(number, bytes, format.big)[..bytes]);
                }
                b'x' => out.push(0),
                b'f' => {
                    let number = luaL_checknumber(state, argument) as f32;
                    argument += 1;
                    let bytes =
                        if format.big { number.to_be_bytes() } else { number.to_le_bytes() };
                    out.extend_from_slice(&bytes);
                }
                b'd' => {
                    let number = luaL_checknumber(state, argument);
                    argument += 1;
                    let bytes =
                        if format.big { number.to_be_bytes() } else { number.to_le_bytes() };
                    out.extend_from_slice(&bytes);
                }
                letter @ (b'c' | b's') => {
                    luaL_checklstring(state, argument, std::ptr::null_mut());
                    let text = bytes_at(state, argument);
                    argument += 1;
                    let wanted = if bytes == 0 { text.len() } else { bytes };
                    let Some(text) = text.get(..wanted) else {
                        raise_argument(state, argument, c"string too short")
                    };
                    out.extend_from_slice(text);
                    if letter == b's' {
                        out.push(0);
                    }
                }
                letter => control(state, &mut format, letter),
            }
            Machine::check_text(state, machine);
        }
        push_bytes(state, &(*machine).text);
        1
    }
}

fn integer(bytes: &[u8], big: bool, signed: bool) -> f64 {
    let mut value = 0u64;
    let mut add = |byte: &u8| value = value << 8 | u64::from(*byte);
    match big {
        true => bytes.iter().for_each(&mut add),
        false => bytes.iter().rev().for_each(&mut add),
    }
    if !signed {
        return value as f64;
    }
    // Of more than eight bytes the last ones count, and the sign is looked for where a shift by so much ends.
    let above = u64::MAX.wrapping_shl((8 * bytes.len() as u32).wrapping_sub(1));
    (if value & above == 0 { value } else { value | above }) as i64 as f64
}

/// The number that an element holds.
fn number(element: Element, bytes: &[u8], big: bool) -> f64 {
    match element.letter {
        b'f' => {
            let bytes: [u8; 4] = std::array::from_fn(|at| bytes[at]);
            f64::from(if big { f32::from_be_bytes(bytes) } else { f32::from_le_bytes(bytes) })
        }
        b'd' => {
            let bytes: [u8; 8] = std::array::from_fn(|at| bytes[at]);
            if big { f64::from_be_bytes(bytes) } else { f64::from_le_bytes(bytes) }
        }
        letter => integer(bytes, big, letter.is_ascii_lowercase()),
    }
}

/// `struct.unpack(format, bytes [, position])` → the values, and the position behind them.
unsafe extern "C-unwind" fn unpack(state: *mut lua_State) -> c_int {
    // SAFETY: called by the interpreter.
    unsafe {
        let mut format = format(state);
        luaL_checklstring(state, 2, std::ptr::null_mut());
        let data = bytes_at(state, 2);
        charge(state, data.len());
        let position = luaL_optinteger(state, 3, 1) as usize;
        if position == 0 {
            raise_argument(state, 3, c"offset must be 1 or greater");
        }
        let (mut at, mut values) = (position - 1, 0);
        while let Some(element) = next(state, &mut format) {
            at = at.saturating_add(format.padding(at, element));
            let mut bytes = element.bytes;
            let Some(rest) = data.get(at..).filter(|rest| rest.len() >= bytes) else {
                raise_argument(state, 2, c"data string too short")
            };
            luaL_checkstack_(state, 2, c"too many results".as_ptr());
            values += 1;
            match element.letter {
                b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' | b'f' | b'd' => {
                    lua_pushnumber(state, number(element, &rest[..bytes], format.big));
                }
                b'c' => {
                    if bytes == 0 {
                        if values < 2 || lua_isnumber(state, -1) == 0 {
                            raise(state, b"format 'c0' needs a previous size");
                        }
                        let number = lua_tonumber(state, -1);
                        lua_settop(state, -2);
                        values -= 1;
                        bytes = unsigned(number) as usize;
                        if bytes > rest.len() {
                            raise_argument(state, 2, c"data string too short");
                        }
                    }
                    push_bytes(state, &rest[..bytes]);
                }
                b's' => {
                    let Some(end) = rest.iter().position(|byte| *byte == 0) else {
                        raise(state, b"unfinished string in data")
                    };
                    push_bytes(state, &rest[..end]);
                    bytes = end + 1;
                }
                letter => {
                    values -= 1;
                    if letter != b'x' {
                        control(state, &mut format, letter);
                    }
                }
            }
            at += bytes;
        }
        lua_pushinteger(state, (at + 1) as lua_Integer);
        values + 1
    }
}

/// `struct.size(format)`
unsafe extern "C-unwind" fn size(state: *mut lua_State) -> c_int {
    // SAFETY: called by the interpreter.
    unsafe {
        let mut format = format(state);
        let mut at = 0usize;
        while let Some(element) = next(state, &mut format) {
            at = at.saturating_add(format.padding(at, element));
            match element.letter {
                b's' => raise_argument(state, 1, c"option 's' has no fixed size"),
                b'c' if element.bytes == 0 => {
                    raise_argument(state, 1, c"option 'c0' has no fixed size")
                }
                letter if !letter.is_ascii_alphanumeric() => control(state, &mut format, letter),
                _ => {}
            }
            at = at.saturating_add(element.bytes);
        }
        lua_pushinteger(state, at as lua_Integer);
        1
    }
}
