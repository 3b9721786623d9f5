//! The append-only file's parsers: what a manifest says is kept when it is written again, also after the steps of a
//! rewrite; records do not depend on what follows them, none is called whole before its last byte is there, and what is
//! needed to see more of one is never more than it takes; our marks are read back as they were written.
//!
//! ```text
//! input:  kind u8 | bytes of a manifest, of a file of records, or of an annotation
//! ```

#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::aof::{Annotation, BlockMark, Manifest, Record, Span, parse_record};

fuzz_target!(|data: &[u8]| {
    let Some((kind, bytes)) = data.split_first() else { return };
    match kind & 3 {
        0 => manifest(bytes),
        1 => annotation(bytes),
        _ => records(bytes, kind & 4 != 0),
    }
});

fn manifest(bytes: &[u8]) {
    let Ok(manifest) = Manifest::parse(bytes) else { return };
    let read_back = |manifest: &Manifest| {
        let again = Manifest::parse(&manifest.to_bytes());
        assert_eq!(again.as_ref(), Ok(manifest));
    };
    // Of comments only: nothing would be written, which is no manifest.
    if manifest.files().count() == 0 {
        return;
    }
    read_back(&manifest);
    for (_, entry) in manifest.files() {
        assert!(!entry.name.is_empty() && !entry.name.contains(&b'/') && entry.sequence > 0);
    }
    // A rewrite: a new file, a new base, the old ones become history and go.
    let highest = manifest.files().map(|(_, entry)| entry.sequence).max();
    if highest >= Some(u64::MAX - 2) {
        return;
    }
    let mut next = manifest.clone();
    let first_kept = next.add_incremental(b"P").sequence;
    read_back(&next);
    next.replace_base(b"P", true, first_kept);
    read_back(&next);
    let (named, there) = (next.files().count(), next.history.len());
    assert_eq!(next.take_history().len(), there);
    assert_eq!(next.files().count(), named - there);
    assert_eq!(next.incremental.len(), 1);
    read_back(&next);
}

fn annotation(text: &[u8]) {
    let Ok(annotation) = Annotation::parse(text) else { return };
    let mut line = Vec::new();
    match &annotation {
        Annotation::Block(mark) => mark.encode(&mut line),
        Annotation::History(mark) => mark.encode(&mut line),
        Annotation::Follows(mark) => mark.encode(&mut line),
        Annotation::Timestamp(_) | Annotation::Other => return,
    }
    let mut args = Vec::new();
    match parse_record(&line, &mut args) {
        Record::Annotation { text, len } => {
            assert_eq!(len, line.len());
            assert_eq!(Annotation::parse(text), Ok(annotation));
        }
        other => panic!("{other:?} is no annotation"),
    }
}

fn records(file: &[u8], in_a_block: bool) {
    let (mut rest, mut args): (_, Vec<Span>) = (file, Vec::new());
    loop {
        match parse_record(rest, &mut args) {
            Record::Command { len } => {
                assert!(len <= rest.len() && !args.is_empty() && args.capacity() <= 4 + 2 * len);
                let mut end = 0;
                for span in &args {
                    assert!(end < span.start && span.start <= span.end && span.end + 2 <= len);
                    end = span.end;
                }
                cut(&rest[..len]);
                rest = &rest[len..];
            }
            Record::Annotation { text, len } => {
                assert!(len <= rest.len() && text.len() < len);
                let _ = Annotation::parse(text);
                cut(&rest[..len]);
                rest = &rest[len..];
            }
            Record::Incomplete { needed } => {
                assert!(needed > rest.len(), "it says so again and again");
                break;
            }
            Record::Malformed(error) => {
                assert!(error.offset < rest.len());
                break;
            }
        }
    }
    let block = &file[..file.len() - rest.len()];
    if in_a_block {
        let mark = BlockMark::of(7, 7 + block.len() as u64, block);
        assert!(mark.fits(block));
        if let Some(first) = block.first() {
            let mut other = block.to_vec();
            other[0] = first ^ 1;
            assert!(!mark.fits(&other) && !mark.fits(&block[1..]));
        }
    }
}

/// A record by itself, and some of its beginnings.
fn cut(record: &[u8]) {
    let (mut args, len) = (Vec::new(), record.len());
    let whole = match parse_record(record, &mut args) {
        Record::Command { len } | Record::Annotation { len, .. } => len,
        other => panic!("{other:?}, but it was whole with something behind it"),
    };
    assert_eq!(whole, len);
    for end in [0, 1, len / 4, len / 2, len.saturating_sub(3), len - 1] {
        match parse_record(&record[..end.min(len - 1)], &mut args) {
            Record::Incomplete { needed } => {
                assert!(needed > end.min(len - 1) && needed <= len, "{needed} of {len}");
            }
            other => panic!("{other:?} at {end} of {len} bytes"),
        }
    }
}
