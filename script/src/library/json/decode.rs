//! JSON to values.

#![expect(unsafe_code, reason = "functions that the interpreter calls")]

use super::number::parse_prefix;
use super::settings::Settings;
use crate::lua::*;
use crate::machine::Machine;
use std::ffi::{CStr, c_int};

/// What comes next in the text.
#[derive(Clone, Copy, PartialEq)]
enum Token {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    /// It is in the machine's text.
    String,
    Number(f64),
    Boolean(bool),
    Null,
    Colon,
    Comma,
    End,
    Wrong(&'static CStr),
}

impl Token {
    /// How errors call it.
    fn name(self) -> &'static CStr {
        match self {
            Token::ObjectBegin => c"T_OBJ_BEGIN",
            Token::ObjectEnd => c"T_OBJ_END",
            Token::ArrayBegin => c"T_ARR_BEGIN",
            Token::ArrayEnd => c"T_ARR_END",
            Token::String => c"T_STRING",
            Token::Number(_) => c"T_NUMBER",
            Token::Boolean(_) => c"T_BOOLEAN",
            Token::Null => c"T_NULL",
            Token::Colon => c"T_COLON",
            Token::Comma => c"T_COMMA",
            Token::End => c"T_END",
            Token::Wrong(what) => what,
        }
    }
}

/// A text that is being read.
struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    /// Where the last token began.
    token_at: usize,
    depth: c_int,
    settings: Settings,
}

/// `cjson.decode(text)`
pub(super) unsafe extern "C-unwind" fn decode(state: *mut lua_State) -> c_int {
    // SAFETY: called by the interpreter; the parser has nothing that has to be dropped.
    unsafe {
        if lua_gettop(state) != 1 {
            raise_argument(state, 1, c"expected 1 argument");
        }
        luaL_checklstring(state, 1, std::ptr::null_mut());
        let text = bytes_at(state, 1);
        charge(state, 8 * text.len());
        if text.len() >= 2 && (text[0] == 0 || text[1] == 0) {
            raise(state, b"JSON parser does not support UTF-16 or UTF-32");
        }
        let settings = *Settings::of(state);
        let mut parser = Parser { text, at: 0, token_at: 0, depth: 0, settings };
        let word = &mut (*Machine::of(state)).text;
        let token = parser.next(word);
        push_value(state, &mut parser, token);
        let token = parser.next(word);
        if token != Token::End {
            fail(state, &parser, c"the end", token);
        }
        1
    }
}

unsafe fn fail(state: *mut lua_State, parser: &Parser<'_>, wanted: &CStr, found: Token) -> ! {
    // SAFETY: called by a function that the interpreter has called.
    unsafe {
        luaL_error(
            state,
            c"Expected %s but found %s at character %d".as_ptr(),
            wanted.as_ptr(),
            found.name().as_ptr(),
            (parser.token_at + 1) as c_int,
        );
    }
    unreachable!("it has raised")
}

unsafe fn word<'a>(state: *mut lua_State) -> &'a mut Vec<u8> {
    // SAFETY: nothing else uses the machine's text while one is decoded.
    unsafe { &mut (*Machine::of(state)).text }
}

/// Pushes the value that begins with this token.
unsafe fn push_value(state: *mut lua_State, parser: &mut Parser<'_>, token: Token) {
    // SAFETY: as above.
    unsafe {
        match token {
            Token::String => push_bytes(state, word(state)),
            Token::Number(number) => lua_pushnumber(state, number),
            Token::Boolean(value) => lua_pushboolean(state, c_int::from(value)),
            Token::ObjectBegin => push_object(state, parser),
            Token::ArrayBegin => push_array(state, parser),
            Token::Null => lua_pushlightuserdata(state, std::ptr::null_mut()),
            found => fail(state, parser, c"value", found),
        }
    }
}

unsafe fn descend(state: *mut lua_State, parser: &mut Parser<'_>) {
    // SAFETY: as above.
    unsafe {
        parser.depth += 1;
        if parser.depth > parser.settings.decode_max_depth || lua_checkstack(state, 3) == 0 {
            luaL_error(
                state,
                c"Found too many nested data structures (%d) at character %d".as_ptr(),
                parser.depth,
                parser.at as c_int,
            );
        }
    }
}

unsafe fn push_object(state: *mut lua_State, parser: &mut Parser<'_>) {
    // SAFETY: as above.
    unsafe {
        descend(state, parser);
        lua_createtable(state, 0, 0);
        let mut token = parser.next(word(state));
        if token == Token::ObjectEnd {
            parser.depth -= 1;
            return;
        }
        loop {
            if token != Token::String {
                fail(state, parser, c"object key string", token);
            }
            push_bytes(state, word(state));
            token = parser.next(word(state));
            if token != Token::Colon {
                fail(state, parser, c"colon", token);
            }
            token = parser.next(word(state));
            push_value(state, parser, token);
            lua_rawset(state, -3);
            match parser.next(word(state)) {
                Token::ObjectEnd => break,
                Token::Comma => token = parser.next(word(state)),
                found => fail(state, parser, c"comma or object end", found),
            }
        }
        parser.depth -= 1;
    }
}

unsafe fn push_array(state: *mut lua_State, parser: &mut Parser<'_>) {
    // SAFETY: as above.
    unsafe {
        descend(state, parser);
        lua_createtable(state, 0, 0);
        let mut token = parser.next(word(state));
        if token == Token::ArrayEnd {
            parser.depth -= 1;
            return;
        }
        for at in 1.. {
            push_value(state, parser, token);
            set_element(state, -2, at);
            match parser.next(word(state)) {
                Token::ArrayEnd => break,
                Token::Comma => token = parser.next(word(state)),
                found => fail(state, parser, c"comma or array end", found),
            }
        }
        parser.depth -= 1;
    }
}

impl Parser<'_> {
    /// The byte at a place; 0 beyond the end, which is the end.
    fn byte(&self, at: usize) -> u8 {
        self.text.get(at).copied().unwrap_or(0)
    }

    fn wrong(&mut self, what: &'static CStr) -> Token {
        self.token_at = self.at;
        Token::Wrong(what)
    }

    /// The next token. A string's text is put into `word`.
    fn next(&mut self, word: &mut Vec<u8>) -> Token {
        while matches!(self.byte(self.at), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
        self.token_at = self.at;
        let simple = match self.byte(self.at) {
            0 => return Token::End,
            b'{' => Token::ObjectBegin,
            b'}' => Token::ObjectEnd,
            b'[' => Token::ArrayBegin,
            b']' => Token::ArrayEnd,
            b',' => Token::Comma,
            b':' => Token::Colon,
            b'"' => return self.string(word),
            b'-' | b'0'..=b'9' => {
                if self.settings.decode_invalid_numbers == 0 && self.is_invalid_number() {
                    return self.wrong(c"invalid number");
                }
                return self.number();
            }
            b'f' | b'i' | b'I' | b'n' | b'N' | b't' | b'+' => return self.name(),
            _ => return self.wrong(c"invalid token"),
        };
        self.at += 1;
        simple
    }

    fn name(&mut self) -> Token {
        let rest = &self.text[self.at..];
        for (name, token) in [
            (&b"true"[..], Token::Boolean(true)),
            (b"false", Token::Boolean(false)),
            (b"null", Token::Null),
        ] {
            if rest.starts_with(name) {
                self.at += name.len();
                return token;
            }
        }
        if self.settings.decode_invalid_numbers != 0 && self.is_invalid_number() {
            return self.number();
        }
        self.wrong(c"invalid token")
    }

    /// Whether what looks like a number is one that JSON does not know.
    fn is_invalid_number(&self) -> bool {
        if self.byte(self.at) == b'+' {
            return true;
        }
        let at = self.at + usize::from(self.byte(self.at) == b'-');
        if self.byte(at) == b'0' {
            let next = self.byte(at + 1);
            return next | 0x20 == b'x' || next.is_ascii_digit();
        }
        if self.byte(at) <= b'9' {
            return false;
        }
        let head: [u8; 3] = std::array::from_fn(|n| self.byte(at + n).to_ascii_lowercase());
        &head == b"inf" || &head == b"nan"
    }

    fn number(&mut self) -> Token {
        match parse_prefix(&self.text[self.at..]) {
            Some((number, len)) => {
                self.at += len;
                Token::Number(number)
            }
            None => self.wrong(c"invalid number"),
        }
    }

    fn string(&mut self, word: &mut Vec<u8>) -> Token {
        word.clear();
        self.at += 1;
        loop {
            match self.byte(self.at) {
                b'"' => break,
                0 => return self.wrong(c"unexpected end of string"),
                b'\\' => {
                    let byte = match self.byte(self.at + 1) {
                        byte @ (b'"' | b'\\' | b'/') => byte,
                        b'b' => 0x08,
                        b't' => b'\t',
                        b'n' => b'\n',
                        b'f' => 0x0c,
                        b'r' => b'\r',
                        b'u' => {
                            if self.unicode(word).is_none() {
                                return self.wrong(c"invalid unicode escape code");
                            }
                            continue;
                        }
                        _ => return self.wrong(c"invalid escape code"),
                    };
                    word.push(byte);
                    self.at += 2;
                }
                byte => {
                    word.push(byte);
                    self.at += 1;
                }
            }
        }
        self.at += 1;
        Token::String
    }

    fn hex4(&self, at: usize) -> Option<u32> {
        (at..at + 4).try_fold(0, |code, at| Some(code << 4 | (self.byte(at) as char).to_digit(16)?))
    }

    /// `\uXXXX`, or two of them that are one letter.
    fn unicode(&mut self, word: &mut Vec<u8>) -> Option<()> {
        let mut code = self.hex4(self.at + 2)?;
        let mut len = 6;
        if code & 0xf800 == 0xd800 {
            let is_pair = code & 0x400 == 0
                && self.byte(self.at + 6) == b'\\'
                && self.byte(self.at + 7) == b'u';
            let low = if is_pair { self.hex4(self.at + 8)? } else { return None };
            if low & 0xfc00 != 0xdc00 {
                return None;
            }
            code = ((code & 0x3ff) << 10 | low & 0x3ff) + 0x10000;
            len = 12;
        }
        let letter = char::from_u32(code)?;
        word.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
        self.at += len;
        Some(())
    }
}
