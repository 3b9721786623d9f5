//! A replica's side of a snapshot transfer: from the `$` line to the last byte.
//!
//! ```text
//! $<length>\r\n  then exactly so many bytes
//! $EOF:<40 bytes>\r\n  then bytes until the same 40 come again
//! ```
//!
//! Bytes go in as they arrive; what belongs to the snapshot comes out at once, but for the last 40 bytes in the second form,
//! which may be the mark.

use std::ops::Range;

/// Bytes of a mark.
pub const MARK_LEN: usize = 40;
/// The longest header line, in bytes.
pub const HEADER_MAX: usize = 256;

/// How the snapshot comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// So many bytes.
    Length(u64),
    /// Until the mark.
    Mark([u8; MARK_LEN]),
}

/// Why a transfer cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransferError {
    /// The primary reports an error instead of a snapshot.
    #[error("MASTER aborted replication with an error: {0}")]
    Aborted(String),
    /// The header is none.
    #[error(
        "Bad protocol from MASTER, the first byte is not '$' (we received '{0}'), are you sure the host and port are right?"
    )]
    Header(String),
}

/// Reads the header line (without its end). `None` for a keepalive.
pub fn header(line: &[u8]) -> Result<Option<Form>, TransferError> {
    let text = || String::from_utf8_lossy(&line[..line.len().min(HEADER_MAX)]).into_owned();
    match line {
        [] => Ok(None),
        [b'-', rest @ ..] => {
            Err(TransferError::Aborted(String::from_utf8_lossy(rest).into_owned()))
        }
        [b'$', b'E', b'O', b'F', b':', mark @ ..] => {
            let mark = mark.try_into().map_err(|_| TransferError::Header(text()))?;
            Ok(Some(Form::Mark(mark)))
        }
        [b'$', digits @ ..] => protocol::number::parse_i64(digits)
            .and_then(|len| u64::try_from(len).ok())
            .map(|len| Some(Form::Length(len)))
            .ok_or_else(|| TransferError::Header(text())),
        _ => Err(TransferError::Header(text())),
    }
}

/// A transfer under way.
#[derive(Debug)]
pub struct Transfer {
    form: Form,
    received: u64,
    /// The last bytes, which may be the beginning of the mark.
    held: Vec<u8>,
}

/// What became of some bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Whether the snapshot is complete.
    pub complete: bool,
    /// How many bytes were taken; the rest belongs to the stream.
    pub used: usize,
}

impl Transfer {
    /// A transfer after its header.
    pub fn new(form: Form) -> Transfer {
        Transfer { form, received: 0, held: Vec::new() }
    }

    /// Bytes of the snapshot that came so far.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Bytes of the whole snapshot, if they were announced.
    pub fn total(&self) -> Option<u64> {
        match self.form {
            Form::Length(len) => Some(len),
            Form::Mark(_) => None,
        }
    }

    /// Takes bytes; what is part of the snapshot is given to `write` in order.
    pub fn take<E>(
        &mut self,
        bytes: &[u8],
        mut write: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<Taken, E> {
        match self.form {
            Form::Length(len) => {
                let part: Range<usize> = 0..bytes.len().min((len - self.received) as usize);
                write(&bytes[part.clone()])?;
                self.received += part.len() as u64;
                Ok(Taken { complete: self.received == len, used: part.len() })
            }
            Form::Mark(mark) => {
                // Nothing follows the mark until we answer, so it can only be at the very end.
                let total = self.held.len() + bytes.len();
                let release = total.saturating_sub(MARK_LEN);
                let from_held = release.min(self.held.len());
                let from_bytes = release - from_held;
                write(&self.held[..from_held])?;
                write(&bytes[..from_bytes])?;
                self.received += release as u64;
                self.held.drain(..from_held);
                self.held.extend_from_slice(&bytes[from_bytes..]);
                let complete = self.held == mark;
                Ok(Taken { complete, used: bytes.len() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(form: Form, bytes: &[u8], size: usize) -> (Vec<u8>, bool, usize) {
        let (mut transfer, mut out, mut used, mut complete) =
            (Transfer::new(form), vec![], 0, false);
        for piece in bytes.chunks(size) {
            let taken = transfer
                .take(piece, |part| {
                    out.extend_from_slice(part);
                    Ok::<_, ()>(())
                })
                .unwrap();
            used += taken.used;
            complete = taken.complete;
            if complete {
                break;
            }
        }
        assert_eq!(transfer.received(), out.len() as u64);
        (out, complete, used)
    }

    #[test]
    fn a_snapshot_is_the_same_however_it_is_cut() {
        let data: Vec<u8> = (0..200u8).collect();
        let mark = [b'm'; MARK_LEN];
        let marked = [&data[..], &mark].concat();
        let followed = [&data[..], b"stream"].concat();
        for size in 1..=marked.len() {
            assert_eq!(run(Form::Mark(mark), &marked, size), (data.clone(), true, marked.len()));
            let (out, complete, used) = run(Form::Length(200), &followed, size);
            assert_eq!((out, complete, used), (data.clone(), true, 200));
        }
        assert!(!run(Form::Mark(mark), &marked[..marked.len() - 1], 7).1);
    }

    #[test]
    fn headers() {
        assert_eq!(header(b""), Ok(None));
        assert_eq!(header(b"$12"), Ok(Some(Form::Length(12))));
        let mark = [b'a'; 40];
        assert_eq!(header(&[&b"$EOF:"[..], &mark].concat()), Ok(Some(Form::Mark(mark))));
        for bad in [&b"$-1"[..], b"$EOF:short", b"hello", b"$", b"$9x"] {
            assert!(matches!(header(bad), Err(TransferError::Header(_))));
        }
        assert_eq!(header(b"-ERR no"), Err(TransferError::Aborted("ERR no".into())));
    }
}
