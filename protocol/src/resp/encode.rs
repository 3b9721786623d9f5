//! Commands as arrays of bulk strings: the form of the journal, of files and of links.

use crate::number::push_i64;

/// Appends `*<argc>`, the head of a command.
#[inline]
pub fn head(out: &mut Vec<u8>, argc: usize) {
    out.push(b'*');
    push_i64(out, argc as i64);
    out.extend_from_slice(b"\r\n");
}

/// Appends one argument.
#[inline]
pub fn arg(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'$');
    push_i64(out, bytes.len() as i64);
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// Appends an integer as an argument.
#[inline]
pub fn int_arg(out: &mut Vec<u8>, value: i64) {
    arg(out, itoa::Buffer::new().format(value).as_bytes());
}

/// Appends a whole command.
pub fn command<'a>(out: &mut Vec<u8>, args: impl ExactSizeIterator<Item = &'a [u8]>) {
    head(out, args.len());
    args.for_each(|bytes| arg(out, bytes));
}

/// Appends a text in double quotes, with escapes for what is not printable: inline requests read it back.
pub fn quote(out: &mut Vec<u8>, word: &[u8]) {
    out.push(b'"');
    for byte in word {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x07 => out.extend_from_slice(b"\\a"),
            0x08 => out.extend_from_slice(b"\\b"),
            b' '..=b'~' => out.push(*byte),
            _ => out.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    #[test]
    fn ping_of_a_primary_is_14_bytes() {
        let mut out = Vec::new();
        super::command(&mut out, [&b"ping"[..]].into_iter());
        assert_eq!(out, b"*1\r\n$4\r\nping\r\n");
    }
}
