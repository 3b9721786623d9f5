//! Replies, as a client reads them: RESP 2.

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A line.
    Line(String),
    /// An error.
    Error(String),
    /// A number.
    Int(i64),
    /// A text.
    Text(Vec<u8>),
    /// Nothing.
    Nil,
    /// Several.
    Array(Vec<Reply>),
}

fn line(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    Some((&bytes[..end], end + 2))
}

fn number(text: &[u8]) -> i64 {
    protocol::number::parse_i64(text).unwrap_or_else(|| panic!("a number, not {text:?}"))
}

impl Reply {
    /// Reads one from the front, and how many bytes it took; `None` if it is not whole.
    ///
    /// # Panics
    /// If it is no reply: a node has sent it.
    pub fn read(bytes: &[u8]) -> Option<(Self, usize)> {
        let (head, used) = line(bytes)?;
        let (kind, text) = head.split_first().expect("a reply has a kind");
        let said = || String::from_utf8_lossy(text).into_owned();
        match kind {
            b'+' => Some((Self::Line(said()), used)),
            b'-' => Some((Self::Error(said()), used)),
            b':' => Some((Self::Int(number(text)), used)),
            b'$' => match usize::try_from(number(text)) {
                Err(_) => Some((Self::Nil, used)),
                Ok(len) => {
                    let text = bytes.get(used..used + len)?;
                    bytes.get(used + len..used + len + 2)?;
                    Some((Self::Text(text.to_vec()), used + len + 2))
                }
            },
            b'*' => {
                let Ok(len) = usize::try_from(number(text)) else { return Some((Self::Nil, used)) };
                let (mut all, mut used) = (Vec::new(), used);
                for _ in 0..len {
                    let (one, more) = Self::read(&bytes[used..])?;
                    all.push(one);
                    used += more;
                }
                Some((Self::Array(all), used))
            }
            _ => panic!("no reply begins with {:?}", String::from_utf8_lossy(head)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_read_when_they_are_whole() {
        let bytes = b"*4\r\n:7\r\n$3\r\na\r\n\r\n-ERR no\r\n*-1\r\n";
        for cut in 0..bytes.len() {
            assert_eq!(Reply::read(&bytes[..cut]), None, "{cut}");
        }
        let parts = [Reply::Int(7), Reply::Text(b"a\r\n".to_vec())];
        let parts = [&parts[..], &[Reply::Error("ERR no".into()), Reply::Nil]].concat();
        assert_eq!(Reply::read(bytes), Some((Reply::Array(parts), bytes.len())));
        assert_eq!(Reply::read(b"$-1\r\n+"), Some((Reply::Nil, 5)));
    }
}
