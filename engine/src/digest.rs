//! A digest of the data: equal data gives equal digests, on any server that speaks Redis's DEBUG DIGEST.
//!
//! Order matters where the type has one (lists, streams) and not where it has none (keys, sets, hashes, sorted sets): ordered parts are
//! mixed (hash of the state after adding), unordered ones are added by exclusive or.
//!
//! # Source
//! - behaviour of DEBUG DIGEST of Redis 7.0, compared in the integration tests

use keyspace::db::{Db, EntryRef};
use keyspace::entry::{Kind, ValueRef};
use keyspace::stream::StreamId;
use protocol::listpack::{TextBuffer, Value as Text};
use sha1::{Digest as _, Sha1};

/// A digest of 20 bytes.
pub type Digest = [u8; 20];

fn xor(digest: &mut Digest, bytes: &[u8]) {
    let hash: Digest = Sha1::digest(bytes).into();
    digest.iter_mut().zip(hash).for_each(|(d, h)| *d ^= h);
}

fn mix(digest: &mut Digest, bytes: &[u8]) {
    xor(digest, bytes);
    *digest = Sha1::digest(*digest).into();
}

fn mix_text(digest: &mut Digest, text: Text<'_>) {
    mix(digest, text.to_text(&mut TextBuffer::new()));
}

/// A score as `%.17g` prints it: what the digest of a sorted set is made of.
fn score_text(score: f64) -> String {
    if score.is_infinite() {
        return if score > 0.0 { "inf".into() } else { "-inf".into() };
    }
    if score == 0.0 {
        return if score.is_sign_negative() { "-0".into() } else { "0".into() };
    }
    let text = format!("{score:.16e}");
    let (mantissa, exponent) = text.split_once('e').expect("an exponent is always printed");
    let exponent: i32 = exponent.parse().expect("a decimal exponent");
    let trim = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_string(),
        false => text.to_string(),
    };
    if !(-4..17).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", trim(mantissa), exponent.abs());
    }
    let decimals = (16 - exponent) as usize;
    trim(&format!("{score:.decimals$}"))
}

/// The digest of one value with its expiry.
pub fn of_value(entry: EntryRef<'_>) -> Digest {
    let mut digest = Digest::default();
    add_value(&mut digest, entry);
    digest
}

fn add_value(digest: &mut Digest, entry: EntryRef<'_>) {
    // The numbers of the types in Redis: they go into the digest, highest byte first.
    let number: u32 = match entry.kind() {
        Kind::String => 0,
        Kind::List => 1,
        Kind::Set => 2,
        Kind::Zset => 3,
        Kind::Hash => 4,
        Kind::Stream => 6,
    };
    mix(digest, &number.to_be_bytes());
    match entry.value() {
        ValueRef::Str(text) => mix_text(digest, text),
        ValueRef::List(list) => list.iter().for_each(|item| mix_text(digest, item)),
        ValueRef::Set(set) => {
            set.iter().for_each(|m| xor(digest, m.to_text(&mut TextBuffer::new())));
        }
        ValueRef::Zset(zset) => zset.iter().for_each(|(member, score)| {
            let mut element = Digest::default();
            mix_text(&mut element, member);
            mix(&mut element, score_text(score).as_bytes());
            xor(digest, &element);
        }),
        ValueRef::Hash(hash) => hash.iter().for_each(|(field, value)| {
            let mut element = Digest::default();
            mix_text(&mut element, field);
            mix_text(&mut element, value);
            xor(digest, &element);
        }),
        // Entries only: neither counters nor groups count.
        ValueRef::Stream(stream) => {
            for entry in stream.entries().range(StreamId::MIN, StreamId::MAX) {
                mix(digest, format!("{}.{}", entry.id.ms, entry.id.seq).as_bytes());
                for (field, value) in entry.pairs() {
                    mix_text(digest, field);
                    mix_text(digest, value);
                }
            }
        }
    }
    if entry.expiry().is_some() {
        xor(digest, b"!!expire!!");
    }
}

/// The digest of all databases. All zeros if there is no key.
pub fn of_all(dbs: &[Db]) -> Digest {
    let mut total = Digest::default();
    for (index, db) in dbs.iter().enumerate().filter(|(_, db)| !db.is_empty()) {
        mix(&mut total, &(index as u32).to_be_bytes());
        for entry in db.iter() {
            let mut digest = Digest::default();
            mix(&mut digest, entry.key());
            add_value(&mut digest, entry);
            xor(&mut total, &digest);
        }
    }
    total
}

/// As DEBUG DIGEST prints it.
pub fn hex(digest: &Digest) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_print_with_17_digits() {
        for (score, text) in [
            (1.0, "1"),
            (0.1, "0.10000000000000001"),
            (1e-5, "1.0000000000000001e-05"),
            (4e18, "4e+18"),
            (1e16, "10000000000000000"),
            (-2.5, "-2.5"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(score_text(score), text);
        }
    }

    #[test]
    fn no_data_is_all_zeros() {
        assert_eq!(hex(&of_all(&[Db::new()])), "0".repeat(40));
    }
}
