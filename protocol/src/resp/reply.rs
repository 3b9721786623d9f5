//! Replies, written once into an output buffer, in version 2 or 3 of the protocol.
//!
//! Types that version 2 does not have are written in the form that Redis gives them there: maps as flat arrays, doubles
//! as bulk strings, booleans as integers.

use crate::listpack::Value as Text;
use crate::number::{push_f64, push_i64};

/// A place in the output where the header of an aggregate goes once its length is known.
#[must_use]
pub struct Mark(usize);

/// Writes one client's replies.
pub struct Reply<'a> {
    out: &'a mut Vec<u8>,
    resp3: bool,
}

impl<'a> Reply<'a> {
    /// A writer into `out`.
    #[inline]
    pub fn new(out: &'a mut Vec<u8>, resp3: bool) -> Self {
        Reply { out, resp3 }
    }

    /// Whether the client speaks version 3.
    pub fn is_resp3(&self) -> bool {
        self.resp3
    }

    /// Changes the version, as HELLO does before its reply.
    pub fn set_resp3(&mut self, resp3: bool) {
        self.resp3 = resp3;
    }

    /// The output so far.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        self.out
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether nothing was written yet.
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// Takes back everything after `len`.
    pub fn truncate(&mut self, len: usize) {
        self.out.truncate(len);
    }

    #[inline]
    fn line(&mut self, kind: u8, number: i64) {
        self.out.push(kind);
        push_i64(self.out, number);
        self.out.extend_from_slice(b"\r\n");
    }

    /// `+OK`.
    #[inline]
    pub fn ok(&mut self) {
        self.out.extend_from_slice(b"+OK\r\n");
    }

    /// A simple string; it must not hold CR or LF.
    pub fn simple(&mut self, text: &str) {
        debug_assert!(!text.contains(['\r', '\n']));
        self.out.push(b'+');
        self.out.extend_from_slice(text.as_bytes());
        self.out.extend_from_slice(b"\r\n");
    }

    /// An error, its prefix included (`ERR …`). CR and LF become blanks.
    pub fn error(&mut self, text: &[u8]) {
        self.out.push(b'-');
        let clean = |byte: &u8| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte };
        self.out.extend(text.iter().map(clean));
        self.out.extend_from_slice(b"\r\n");
    }

    /// An integer.
    #[inline]
    pub fn int(&mut self, value: i64) {
        match value {
            0 => self.out.extend_from_slice(b":0\r\n"),
            1 => self.out.extend_from_slice(b":1\r\n"),
            _ => self.line(b':', value),
        }
    }

    /// A bulk string.
    #[inline]
    pub fn bulk(&mut self, bytes: &[u8]) {
        self.out.reserve(bytes.len() + 24);
        self.line(b'$', bytes.len() as i64);
        self.out.extend_from_slice(bytes);
        self.out.extend_from_slice(b"\r\n");
    }

    /// A bulk string from a value that may be kept as an integer.
    #[inline]
    pub fn text(&mut self, text: Text<'_>) {
        match text {
            Text::Bytes(bytes) => self.bulk(bytes),
            Text::Int(int) => {
                let mut buffer = itoa::Buffer::new();
                self.bulk(buffer.format(int).as_bytes());
            }
        }
    }

    /// A bulk string that holds an integer's text.
    pub fn bulk_int(&mut self, value: i64) {
        self.text(Text::Int(value));
    }

    /// Nothing: a null bulk string in version 2.
    #[inline]
    pub fn null(&mut self) {
        self.out.extend_from_slice(if self.resp3 { b"_\r\n" } else { b"$-1\r\n" });
    }

    /// Nothing where an array is usual: a null array in version 2.
    pub fn null_array(&mut self) {
        self.out.extend_from_slice(if self.resp3 { b"_\r\n" } else { b"*-1\r\n" });
    }

    /// The header of an array of `len` elements.
    #[inline]
    pub fn array(&mut self, len: usize) {
        self.line(b'*', len as i64);
    }

    /// The header of a map of `len` pairs.
    pub fn map(&mut self, len: usize) {
        if self.resp3 { self.line(b'%', len as i64) } else { self.line(b'*', len as i64 * 2) }
    }

    /// The header of a set.
    pub fn set(&mut self, len: usize) {
        self.line(if self.resp3 { b'~' } else { b'*' }, len as i64);
    }

    /// The header of `len` pairs that say something about the reply behind them. Version 2 has no such thing.
    pub fn attribute(&mut self, len: usize) {
        debug_assert!(self.resp3);
        self.line(b'|', len as i64);
    }

    /// The header of a message that answers no request.
    pub fn push(&mut self, len: usize) {
        self.line(if self.resp3 { b'>' } else { b'*' }, len as i64);
    }

    /// Leaves room for the header of an array whose length is not known yet.
    pub fn open(&mut self) -> Mark {
        Mark(self.out.len())
    }

    /// Puts the header of an array of `len` elements where `mark` is.
    pub fn close_array(&mut self, mark: Mark, len: usize) {
        self.close(mark, b'*', len);
    }

    /// Puts the header of a map of `len` pairs where `mark` is.
    pub fn close_map(&mut self, mark: Mark, len: usize) {
        if self.resp3 { self.close(mark, b'%', len) } else { self.close(mark, b'*', len * 2) }
    }

    /// Puts the header of a set where `mark` is.
    pub fn close_set(&mut self, mark: Mark, len: usize) {
        self.close(mark, if self.resp3 { b'~' } else { b'*' }, len);
    }

    fn close(&mut self, mark: Mark, kind: u8, len: usize) {
        let mut buffer = itoa::Buffer::new();
        let digits = buffer.format(len).as_bytes();
        let header = [kind].into_iter().chain(digits.iter().copied()).chain(*b"\r\n");
        self.out.splice(mark.0..mark.0, header);
    }

    /// A floating point number.
    pub fn double(&mut self, value: f64) {
        if self.resp3 {
            self.out.push(b',');
            push_f64(self.out, value);
            self.out.extend_from_slice(b"\r\n");
        } else {
            let mut text = Vec::with_capacity(24);
            push_f64(&mut text, value);
            self.bulk(&text);
        }
    }

    /// A truth value.
    pub fn boolean(&mut self, value: bool) {
        match (self.resp3, value) {
            (true, true) => self.out.extend_from_slice(b"#t\r\n"),
            (true, false) => self.out.extend_from_slice(b"#f\r\n"),
            (false, _) => self.int(value as i64),
        }
    }

    /// An integer of any size, as its digits.
    pub fn big_number(&mut self, digits: &str) {
        self.big_digits(digits.as_bytes());
    }

    /// The same as whoever sent it wrote it; it must not hold CR or LF.
    pub fn big_digits(&mut self, digits: &[u8]) {
        if !self.resp3 {
            return self.bulk(digits);
        }
        self.out.push(b'(');
        self.out.extend_from_slice(digits);
        self.out.extend_from_slice(b"\r\n");
    }

    /// Text for people, in a format of three letters (`txt`, `mkd`).
    pub fn verbatim(&mut self, format: &str, text: &[u8]) {
        debug_assert_eq!(format.len(), 3);
        if !self.resp3 {
            return self.bulk(text);
        }
        self.line(b'=', text.len() as i64 + 4);
        self.out.extend_from_slice(format.as_bytes());
        self.out.push(b':');
        self.out.extend_from_slice(text);
        self.out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(resp3: bool, write: impl FnOnce(&mut Reply<'_>)) -> String {
        let mut out = Vec::new();
        write(&mut Reply::new(&mut out, resp3));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_type_in_both_versions() {
        type Write = fn(&mut Reply<'_>);
        let cases: [(Write, &str, &str); 11] = [
            (|r| r.null(), "$-1\r\n", "_\r\n"),
            (|r| r.null_array(), "*-1\r\n", "_\r\n"),
            (|r| r.map(2), "*4\r\n", "%2\r\n"),
            (|r| r.set(3), "*3\r\n", "~3\r\n"),
            (|r| r.push(3), "*3\r\n", ">3\r\n"),
            (|r| r.double(1.5), "$3\r\n1.5\r\n", ",1.5\r\n"),
            (|r| r.boolean(true), ":1\r\n", "#t\r\n"),
            (|r| r.big_number("123"), "$3\r\n123\r\n", "(123\r\n"),
            (|r| r.verbatim("txt", b"hi"), "$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n"),
            (|r| r.error(b"ERR a\r\nb"), "-ERR a  b\r\n", "-ERR a  b\r\n"),
            (|r| r.text(Text::Int(-12)), "$3\r\n-12\r\n", "$3\r\n-12\r\n"),
        ];
        for (write, two, three) in cases {
            assert_eq!(
                (written(false, write).as_str(), written(true, write).as_str()),
                (two, three)
            );
        }
    }

    #[test]
    fn a_header_can_come_after_its_elements() {
        let text = written(true, |reply| {
            let mark = reply.open();
            (0..3).for_each(|n| reply.int(n));
            reply.close_set(mark, 3);
        });
        assert_eq!(text, "~3\r\n:0\r\n:1\r\n:2\r\n");
    }
}
