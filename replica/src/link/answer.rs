//! Lines off a buffer, and the acknowledgements that go back.

use super::failure::Failure;
use super::follower::Follower;
use journal::Offset;
use protocol::resp::encode;

/// Takes one line off the buffer, without its end. `None` if it is not whole yet; a failure if it is longer than `most`.
pub(super) fn take_line(buffer: &mut Vec<u8>, most: usize) -> Result<Option<Vec<u8>>, Failure> {
    let looked_at = buffer.len().min(most + 1);
    let Some(at) = buffer[..looked_at].iter().position(|byte| *byte == b'\n') else {
        return match buffer.len() > most {
            true => {
                Err(Failure::repeating(format!("MASTER sent a line of more than {most} bytes")))
            }
            false => Ok(None),
        };
    };
    let mut line: Vec<u8> = buffer.drain(..=at).collect();
    line.pop();
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(Some(line))
}

/// `REPLCONF ACK` for what is applied up to `offset`, and what of it is on disk.
pub(super) fn acknowledgement(follower: &impl Follower, offset: Offset) -> Vec<u8> {
    let mut bytes = Vec::new();
    let applied = offset.to_string();
    let durable = follower.durable_offset().map(|durable| durable.min(offset).to_string());
    let mut words = vec![&b"REPLCONF"[..], b"ACK", applied.as_bytes()];
    if let Some(durable) = &durable {
        words.extend([&b"FACK"[..], durable.as_bytes()]);
    }
    encode::command(&mut bytes, words.into_iter());
    bytes
}
