//! The payloads of DUMP, RESTORE, FUNCTION DUMP and FUNCTION RESTORE.
//!
//! ```text
//! DUMP:           type u8 | value              | version u16 LE | checksum u64 LE
//! FUNCTION DUMP:  (F5 | source str) per library | version u16 LE | checksum u64 LE
//! ```
//!
//! The checksum covers everything before it, the version included. Zero is no exception here, unlike in files.
//!
//! We always write version 10. A payload of a newer version that a client restores here must be journaled re-encoded:
//! peers propagate it verbatim, and it silently vanishes on a replica that cannot read it.
//!
//! # Source
//! - `cluster.c` (DUMP, RESTORE) and `functions.c` of Redis 7.2

use super::error::{DumpError, Malformed, ReadError};
use super::read::{Item, Reader, known_type};
use super::value::ValueVisitor;
use super::version::Version;
use super::{FOOTER_BYTES, ObjectType};
use crate::crc64::RdbCrc;
use std::convert::Infallible;

/// Larger payloads are read through a buffer of this size.
const BUFFER_BYTES: usize = 64 * 1024;

/// A DUMP payload whose footer is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DumpPayload<'a> {
    /// How the value is laid out.
    pub object_type: ObjectType,
    /// The value; not checked yet.
    pub body: &'a [u8],
    /// What wrote it.
    pub version: Version,
}

/// Whether a payload's checksum has to be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sum {
    /// It has.
    Verified,
    /// It is not looked at: for experiments with damaged payloads.
    Ignored,
}

/// Checks the footer and splits it off.
fn verify_footer(payload: &[u8], sum: Sum) -> Result<(&[u8], Version), DumpError> {
    let Some(body_bytes) = payload.len().checked_sub(FOOTER_BYTES) else {
        return Err(DumpError::VersionOrChecksum);
    };
    let (body, footer) = payload.split_at(body_bytes);
    let (version, checksum) = footer.split_at(2);
    let mut crc = RdbCrc::new();
    crc.update(body);
    crc.update(version);
    if sum == Sum::Verified && crc.value().to_le_bytes() != checksum {
        return Err(DumpError::VersionOrChecksum);
    }
    let version = Version::from_number(u16::from_le_bytes([version[0], version[1]]))
        .map_err(|_| DumpError::VersionOrChecksum)?;
    Ok((body, version))
}

/// Checks footer and type of a DUMP payload.
pub fn verify_dump_payload(payload: &[u8], sum: Sum) -> Result<DumpPayload<'_>, DumpError> {
    let (body, version) = verify_footer(payload, sum)?;
    let Some((&byte, body)) = body.split_first() else {
        return Err(DumpError::BadFormat(Malformed::Truncated));
    };
    let object_type = known_type(byte, version).map_err(DumpError::BadFormat)?;
    Ok(DumpPayload { object_type, body, version })
}

/// Reads the value of a checked payload; nothing may follow it. An empty collection is the visitor's to refuse.
pub fn read_dump_value<V: ValueVisitor>(
    payload: &DumpPayload<'_>,
    visitor: &mut V,
) -> Result<(), DumpError> {
    let mut reader = bare(payload.body, payload.version);
    reader.pending = Some(payload.object_type);
    reader.read_value(payload.object_type, visitor).map_err(bad_format)?;
    if !reader.input.at_end().map_err(bad_format)? {
        return Err(DumpError::BadFormat(Malformed::invalid("bytes after the value")));
    }
    Ok(())
}

/// Checks the footer of a FUNCTION DUMP payload and returns what is before it.
pub fn verify_dump_functions(payload: &[u8]) -> Result<(&[u8], Version), DumpError> {
    verify_footer(payload, Sum::Verified)
}

/// The sources of the libraries in a FUNCTION DUMP payload.
pub fn read_dump_functions(payload: &[u8]) -> Result<Vec<Vec<u8>>, DumpError> {
    let (body, version) = verify_footer(payload, Sum::Verified)?;
    let mut reader = bare(body, version);
    let mut sources = Vec::new();
    while !reader.input.at_end().map_err(bad_format)? {
        match reader.next().map_err(bad_format)? {
            Item::Function(source) => sources.push(source.to_vec()),
            _ => return Err(DumpError::BadFormat(Malformed::invalid("not a function"))),
        }
    }
    Ok(sources)
}

fn bare(body: &[u8], version: Version) -> Reader<&[u8]> {
    // Four times the body: then every string of it can be lent.
    Reader::bare(body, body.len().saturating_mul(4).min(BUFFER_BYTES), version)
}

fn bad_format(error: ReadError<Infallible>) -> DumpError {
    match error {
        ReadError::Malformed { reason, .. } => DumpError::BadFormat(reason),
        ReadError::Source(never) => match never {},
    }
}
