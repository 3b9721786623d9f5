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

#[cfg(test)]
mod tests {
    #[test]
    fn ping_of_a_primary_is_14_bytes() {
        let mut out = Vec::new();
        super::command(&mut out, [&b"ping"[..]].into_iter());
        assert_eq!(out, b"*1\r\n$4\r\nping\r\n");
    }
}
