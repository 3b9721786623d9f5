//! Records of an append-only file: commands and annotation lines, out of a window of its bytes.
//!
//! ```text
//! *3\r\n $3\r\nSET\r\n $1\r\nk\r\n $1\r\nv\r\n      a command
//! #TS:1700000000\r\n                             an annotation, only where a command could begin
//! ```
//!
//! The rules are those of peers, so that whatever they load, we load: numbers are read as far as they are digits, and
//! the two bytes behind an argument are skipped unseen. Nothing is copied; arguments are given as places in the
//! window, in a vector that is reused from record to record.
//!
//! # Invariants
//! - the answer for a window does not depend on what follows the record in it
//! - a record that is whole is never called incomplete, and none is called whole before its last byte is there
//!
//! # Not here
//! - what to do about damage: `backup`; what annotations mean: [`super::Annotation`]
//!
//! # Source
//! - `aof.c` of Redis 7.2

use memchr::memchr;
use thiserror::Error;

/// The longest annotation with its line end; peers refuse longer ones.
pub const MAX_ANNOTATION_BYTES: usize = 1023;
/// The longest line with a count or a length.
const MAX_COUNT_LINE_BYTES: usize = 127;
/// The most arguments of a command.
const MAX_ARGUMENTS: i64 = i32::MAX as i64;
/// The longest argument. Redis's own limit is a directive (512 MB by default); what it let in, we read.
const MAX_ARGUMENT_BYTES: i64 = 1 << 40;

/// The place of an argument in the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its first byte.
    pub start: usize,
    /// The byte after its last.
    pub end: usize,
}

impl Span {
    /// The argument itself.
    #[must_use]
    pub fn of(self, window: &[u8]) -> &[u8] {
        &window[self.start..self.end]
    }
}

/// Why no record begins here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("byte {offset} of the record: {reason}")]
pub struct RecordError {
    /// Where, counted from the window's first byte.
    pub offset: usize,
    /// What is wrong there.
    pub reason: &'static str,
}

/// What a window begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// A command of `len` bytes; its arguments are in the vector.
    Command {
        /// How far it reaches.
        len: usize,
    },
    /// An annotation of `len` bytes.
    Annotation {
        /// The line without `#` and line end.
        text: &'a [u8],
        /// How far it reaches.
        len: usize,
    },
    /// The window ends inside the record, or is empty. At the end of a file: it is torn here.
    Incomplete {
        /// A window below this is sure to be incomplete again.
        needed: usize,
    },
    /// No record begins like this.
    Malformed(RecordError),
}

/// Reads the record at the front of `window`; a command's arguments replace what was in `args`.
pub fn parse_record<'a>(window: &'a [u8], args: &mut Vec<Span>) -> Record<'a> {
    args.clear();
    match window.first() {
        None => Record::Incomplete { needed: 1 },
        Some(b'#') => annotation(window),
        Some(_) => match command(window, args) {
            Ok(len) => Record::Command { len },
            Err(Stop::Incomplete { needed }) => Record::Incomplete { needed },
            Err(Stop::Malformed(error)) => Record::Malformed(error),
        },
    }
}

fn annotation(window: &[u8]) -> Record<'_> {
    let line = &window[..window.len().min(MAX_ANNOTATION_BYTES)];
    match memchr(b'\n', line) {
        Some(end) => {
            let text = &window[1..end];
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            Record::Annotation { text, len: end + 1 }
        }
        None if line.len() < MAX_ANNOTATION_BYTES => {
            Record::Incomplete { needed: window.len() + 1 }
        }
        None => Record::Malformed(RecordError { offset: 0, reason: "annotation is too long" }),
    }
}

enum Stop {
    Incomplete { needed: usize },
    Malformed(RecordError),
}

/// Reads a command and returns its length.
fn command(window: &[u8], args: &mut Vec<Span>) -> Result<usize, Stop> {
    let fail = |offset, reason| Err(Stop::Malformed(RecordError { offset, reason }));
    let (count, mut at) = count_line(window, 0, b'*', "not a command")?;
    if !(1..=MAX_ARGUMENTS).contains(&count) {
        return fail(0, "count of arguments is out of range");
    }
    for _ in 0..count {
        let (len, start) = count_line(window, at, b'$', "not an argument")?;
        if !(0..=MAX_ARGUMENT_BYTES).contains(&len) {
            return fail(at, "length of an argument is out of range");
        }
        let end = start + len as usize;
        at = end + 2;
        if at > window.len() {
            return Err(Stop::Incomplete { needed: at });
        }
        args.push(Span { start, end });
    }
    Ok(at)
}

/// Reads a line of a mark and a number, and returns the number and where the next line begins.
#[inline]
fn count_line(
    window: &[u8],
    at: usize,
    mark: u8,
    otherwise: &'static str,
) -> Result<(i64, usize), Stop> {
    let malformed = |reason| Stop::Malformed(RecordError { offset: at, reason });
    let line = &window[at..];
    match line.first() {
        None => return Err(Stop::Incomplete { needed: at + 4 }),
        Some(&byte) if byte != mark => return Err(malformed(otherwise)),
        Some(_) => {}
    }
    // Nearly every line is a mark, one or two digits, and the line end.
    if let [_, digit @ b'0'..=b'9', b'\r', b'\n', ..] = line {
        return Ok((i64::from(digit - b'0'), at + 4));
    }
    let line = &line[..line.len().min(MAX_COUNT_LINE_BYTES)];
    match memchr(b'\n', line) {
        Some(end) => Ok((leading_number(&line[1..end]), at + end + 1)),
        None if line.len() < MAX_COUNT_LINE_BYTES => {
            Err(Stop::Incomplete { needed: window.len() + 1 })
        }
        None => Err(malformed("line of a number is too long")),
    }
}

/// The number at the front of a text, as far as there are digits; 0 without any, as peers read it.
fn leading_number(text: &[u8]) -> i64 {
    let text = text.trim_ascii_start();
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    let number = digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .fold(0_i64, |n, byte| n.saturating_mul(10).saturating_add(i64::from(byte - b'0')));
    if negative { -number } else { number }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(window: &[u8]) -> (Record<'_>, Vec<&[u8]>) {
        let mut args = Vec::new();
        let record = parse_record(window, &mut args);
        (record, args.into_iter().map(|span| span.of(window)).collect())
    }

    const SET: &[u8] = b"*3\r\n$3\r\nset\r\n$1\r\nk\r\n$12\r\nhello\r\nworld\r\n";

    #[test]
    fn commands() {
        let args: [&[u8]; 3] = [b"set", b"k", b"hello\r\nworld"];
        assert_eq!(parse(SET), (Record::Command { len: SET.len() }, args.to_vec()));
        let twice = [SET, b"garbage"].concat();
        assert_eq!(parse(&twice).0, Record::Command { len: SET.len() });
        for len in 0..SET.len() {
            let (record, _) = parse(&SET[..len]);
            let Record::Incomplete { needed } = record else { panic!("{len}: {record:?}") };
            assert!(needed > len && needed <= SET.len(), "{len}: {needed}");
        }
    }

    #[test]
    fn what_peers_tolerate() {
        let loose = b"* 2 arguments\n$4x\nPINGab$0\r\n\r\n";
        assert_eq!(parse(loose), (Record::Command { len: loose.len() }, vec![&b"PING"[..], b""]));
    }

    #[test]
    fn what_no_command_begins_with() {
        for (window, offset) in [
            (&b"\0\0\0"[..], 0),
            (b"PING\r\n", 0),
            (b"*0\r\n", 0),
            (b"*-1\r\n", 0),
            (b"*x\r\n", 0),
            (b"*99999999999999999999\r\n", 0),
            (b"*1\r\n:4\r\n", 4),
            (b"*1\r\n$-1\r\n", 4),
            (b"*1\r\n$9999999999999999\r\n", 4),
            (b"*1\r\n#TS:1\r\n", 4),
            (&[b'*'; 200], 0),
        ] {
            let (Record::Malformed(error), _) = parse(window) else { panic!("{window:?}") };
            assert_eq!(error.offset, offset, "{window:?}");
        }
    }

    #[test]
    fn annotations() {
        let (text, len) = (&b"TS:1700000000"[..], 16);
        assert_eq!(parse(b"#TS:1700000000\r\n*1").0, Record::Annotation { text, len });
        assert_eq!(parse(b"#\n").0, Record::Annotation { text: b"", len: 2 });
        assert_eq!(parse(b"#TS:17").0, Record::Incomplete { needed: 7 });
        let mut line = vec![b'#'; 1021];
        line.extend(b"\r\n");
        assert!(matches!(parse(&line).0, Record::Annotation { len: 1023, .. }));
        line.insert(0, b'#');
        assert!(matches!(parse(&line).0, Record::Malformed(_)));
        assert!(matches!(parse(&[b'#'; 1022]).0, Record::Incomplete { .. }));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn commands_round_trip(
            args in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..120), 1..12),
        ) {
            let mut bytes = format!("*{}\r\n", args.len()).into_bytes();
            for arg in &args {
                bytes.extend(format!("${}\r\n", arg.len()).bytes());
                bytes.extend(arg);
                bytes.extend(b"\r\n");
            }
            let (record, found) = parse(&bytes);
            prop_assert_eq!(record, Record::Command { len: bytes.len() });
            prop_assert_eq!(found, args);
        }

        #[test]
        fn any_bytes_are_read_without_harm(window in prop::collection::vec(any::<u8>(), 0..60)) {
            parse(&window);
            parse(&[b"*2\r\n$", &window[..]].concat());
        }
    }
}
