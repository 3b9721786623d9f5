//! Replies as whoever asked reads them: one item after the other, in both versions of the protocol.
//!
//! An aggregate is its header; what belongs to it follows. So a reader that makes values of its own (a script's tables)
//! needs none of ours, and nothing is copied before it has its place.
//!
//! # Invariants
//! - nothing is read beyond the bytes, whatever they say; a length is not believed before that much is there

use crate::number::{parse_f64, parse_i64};
use memchr::memchr;

/// One item of a reply.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Item<'a> {
    /// A line.
    Simple(&'a [u8]),
    /// An error, its prefix included.
    Error(&'a [u8]),
    /// An integer.
    Int(i64),
    /// A string.
    Bulk(&'a [u8]),
    /// No string, in version 2.
    NullBulk,
    /// No array, in version 2.
    NullArray,
    /// Nothing, in version 3.
    Null,
    /// A truth value.
    Boolean(bool),
    /// A floating point number.
    Double(f64),
    /// An integer of any size, as its digits.
    BigNumber(&'a [u8]),
    /// Text for people: its format, of three letters, and itself.
    Verbatim(&'a [u8], &'a [u8]),
    /// So many items follow.
    Array(usize),
    /// The same, each of them once.
    Set(usize),
    /// So many pairs follow.
    Map(usize),
    /// So many pairs follow that say something about the reply behind them.
    Attribute(usize),
    /// A message that answers no request: so many items follow.
    Push(usize),
}

/// Bytes that are no reply, or not all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Reads items from the front.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader of these bytes.
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    /// What has not been read.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next item.
    pub fn item(&mut self) -> Result<Item<'a>, Malformed> {
        let (kind, line) = self.line()?;
        let number = || parse_i64(line).ok_or(Malformed);
        let several = || usize::try_from(number()?).map_err(|_| Malformed);
        Ok(match kind {
            b'+' => Item::Simple(line),
            b'-' => Item::Error(line),
            b':' => Item::Int(number()?),
            b'$' if line == b"-1" => Item::NullBulk,
            b'*' if line == b"-1" => Item::NullArray,
            b'$' => Item::Bulk(self.text(several()?)?),
            b'=' => {
                let text = self.text(several()?)?;
                match text {
                    [_, _, _, b':', own @ ..] => Item::Verbatim(&text[..3], own),
                    _ => return Err(Malformed),
                }
            }
            b'_' => Item::Null,
            b'#' if line == b"t" => Item::Boolean(true),
            b'#' if line == b"f" => Item::Boolean(false),
            b',' => Item::Double(match line {
                b"nan" | b"-nan" => f64::NAN,
                line => parse_f64(line).ok_or(Malformed)?,
            }),
            b'(' => Item::BigNumber(line),
            b'*' => Item::Array(several()?),
            b'~' => Item::Set(several()?),
            b'%' => Item::Map(several()?),
            b'|' => Item::Attribute(several()?),
            b'>' => Item::Push(several()?),
            _ => return Err(Malformed),
        })
    }

    /// Leaves out a whole reply, with all that belongs to it.
    pub fn skip(&mut self) -> Result<(), Malformed> {
        let mut left = 1usize;
        while left > 0 {
            let more = match self.item()? {
                Item::Array(len) | Item::Set(len) | Item::Push(len) => len,
                Item::Map(len) => len.checked_mul(2).ok_or(Malformed)?,
                // The reply that it belongs to is still to come.
                Item::Attribute(len) => {
                    len.checked_mul(2).and_then(|n| n.checked_add(1)).ok_or(Malformed)?
                }
                _ => 0,
            };
            left = (left - 1).checked_add(more).ok_or(Malformed)?;
        }
        Ok(())
    }

    fn line(&mut self) -> Result<(u8, &'a [u8]), Malformed> {
        let end = memchr(b'\r', self.rest).ok_or(Malformed)?;
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest.strip_prefix(b"\r\n").ok_or(Malformed)?;
        line.split_first().map(|(kind, text)| (*kind, text)).ok_or(Malformed)
    }

    fn text(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let text = self.rest.get(..len).ok_or(Malformed)?;
        self.rest = self.rest[len..].strip_prefix(b"\r\n").ok_or(Malformed)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::Reply;

    fn written(resp3: bool) -> Vec<u8> {
        let mut out = Vec::new();
        let mut reply = Reply::new(&mut out, resp3);
        reply.array(12);
        reply.simple("PONG");
        reply.error(b"ERR no");
        reply.int(-7);
        reply.bulk(b"a\r\nb");
        reply.null();
        reply.null_array();
        reply.map(1);
        reply.bulk(b"k");
        reply.double(1.5);
        reply.set(1);
        reply.boolean(true);
        reply.push(0);
        reply.verbatim("txt", b"t\r\nt");
        reply.big_number("123");
        reply.double(f64::INFINITY);
        out
    }

    fn items(bytes: &[u8]) -> Vec<Item<'_>> {
        let mut reader = Reader::new(bytes);
        let mut items = Vec::new();
        while !reader.rest().is_empty() {
            items.push(reader.item().unwrap());
        }
        items
    }

    #[test]
    fn what_is_written_is_read() {
        use Item::*;
        let three = written(true);
        let expected = [
            Array(12),
            Simple(b"PONG"),
            Error(b"ERR no"),
            Int(-7),
            Bulk(b"a\r\nb"),
            Null,
            Null,
            Map(1),
            Bulk(b"k"),
            Double(1.5),
            Set(1),
            Boolean(true),
            Push(0),
            Verbatim(b"txt", b"t\r\nt"),
            BigNumber(b"123"),
            Double(f64::INFINITY),
        ];
        assert_eq!(items(&three), expected);
        let two = written(false);
        assert_eq!(items(&two)[5..9], [NullBulk, NullArray, Array(2), Bulk(b"k")]);
        for whole in [&two, &three] {
            let mut reader = Reader::new(whole);
            reader.skip().unwrap();
            assert!(reader.rest().is_empty());
        }
    }

    #[test]
    fn cut_at_every_byte_it_is_not_whole() {
        for whole in [written(false), written(true)] {
            for end in 0..whole.len() {
                assert_eq!(Reader::new(&whole[..end]).skip(), Err(Malformed), "{end}");
            }
        }
    }

    #[test]
    fn rubbish_is_refused() {
        for text in [
            "",
            "\r\n",
            "?\r\n",
            "$-2\r\n",
            "*-2\r\n",
            "$3\r\nabcd\r\n",
            ":x\r\n",
            "#x\r\n",
            "=3\r\nabc\r\n",
            ",x\r\n",
            "$9223372036854775807\r\n",
            "*9223372036854775807\r\n",
            "%9223372036854775807\r\n",
            "|9223372036854775807\r\n",
            "+a\rb\r\n",
        ] {
            assert_eq!(Reader::new(text.as_bytes()).skip(), Err(Malformed), "{text:?}");
        }
    }
}
