//! Effects in forms that every server takes: Redis 7.0 to 8, Valkey 9, and we ourselves.
//!
//! Most requests are passed on as they came. Some are not taken everywhere, though they mean one thing: Valkey reads no
//! hexadecimal numbers, Redis 8 none in bounds of scores, both no blanks before a bound. And some mean what the server makes
//! of them: which of two equal texts SORT puts first, how a distance on the earth is rounded. The first are passed on with
//! the number spelt as all do, the others as what they have stored.
//!
//! ```text
//! ZADD key 0x10 member           ─► ZADD key 16 member
//! SORT … STORE destination       ─► DEL destination, RPUSH destination element …
//! GEOSEARCHSTORE destination …   ─► DEL destination, ZADD destination score member …
//! ```
//!
//! # Invariants
//! - what is stated has the same outcome here as the request had
//!
//! # Source
//! - tests/integration/tests/effects.rs, which lets real servers execute what is passed on

use crate::arguments::bound_float;
use crate::context::{Context, Key};
use keyspace::list::List;
use keyspace::zset::Zset;
use protocol::number::push_f64;
use protocol::resp::Args;
use std::borrow::Cow;

/// The most elements of one command that is passed on: old servers take a million arguments at most.
const ELEMENTS_MAX: usize = 1 << 16;

/// Whether a number that we read is spelt as not all servers read it. `(` may come first, as in bounds.
#[inline]
fn is_odd(text: &[u8]) -> bool {
    let number = text.strip_prefix(b"(").unwrap_or(text);
    let digits = number.strip_prefix(b"-").or(number.strip_prefix(b"+")).unwrap_or(number);
    matches!(digits, [b'0', b'x' | b'X', ..] | [b' ' | b'\t'..=b'\r', ..])
        || text.contains(&0)
        || (text.iter().any(|byte| matches!(byte, b'e' | b'E')) && !fits(number))
}

/// Whether a number is neither too large nor too small for a double of full precision: else servers differ in whether they
/// read it.
#[cold]
fn fits(number: &[u8]) -> bool {
    bound_float(number).is_none_or(f64::is_normal)
}

/// The same number as all servers read it.
fn plain(text: &[u8]) -> Option<Vec<u8>> {
    let (mut plain, number) = match text {
        [b'(', number @ ..] => (b"(".to_vec(), number),
        number => (Vec::new(), number),
    };
    push_f64(&mut plain, bound_float(number)?);
    Some(plain)
}

impl Context<'_> {
    /// Passes the request on with the numbers at these positions spelt so that all servers read them. Does nothing if they
    /// are: then the request is passed on as it came.
    #[inline]
    pub(crate) fn respell(
        &mut self,
        args: Args<'_>,
        mut numbers: impl Iterator<Item = usize> + Clone,
    ) {
        if numbers.clone().any(|at| is_odd(args.at(at))) {
            let mut words: Vec<Cow<'_, [u8]>> = args.iter_from(0).map(Cow::Borrowed).collect();
            for at in numbers.by_ref().filter(|at| is_odd(args.at(*at))) {
                if let Some(plain) = plain(args.at(at)) {
                    words[at] = plain.into();
                }
            }
            self.effect_of(words.iter().map(|word| &word[..]));
        }
    }

    /// Passes on what a list is to be, in place of the request that makes it.
    pub(crate) fn list_outcome(&mut self, destination: Key<'_>, list: &List) {
        if !self.removal(destination) {
            return;
        }
        let elements: Vec<Vec<u8>> = list.iter().map(|element| element.to_vec()).collect();
        for part in elements.chunks(ELEMENTS_MAX) {
            let words = [&b"RPUSH"[..], destination.bytes];
            self.effect(
                &words.into_iter().chain(part.iter().map(Vec::as_slice)).collect::<Vec<_>>(),
            );
        }
    }

    /// The same for a sorted set.
    pub(crate) fn zset_outcome(&mut self, destination: Key<'_>, zset: &Zset) {
        if !self.removal(destination) {
            return;
        }
        let pairs = zset.iter().flat_map(|(member, score)| {
            let mut text = Vec::new();
            push_f64(&mut text, score);
            [text, member.to_vec()]
        });
        let pairs: Vec<Vec<u8>> = pairs.collect();
        for part in pairs.chunks(ELEMENTS_MAX) {
            let words = [&b"ZADD"[..], destination.bytes];
            self.effect(
                &words.into_iter().chain(part.iter().map(Vec::as_slice)).collect::<Vec<_>>(),
            );
        }
    }

    /// Passes on that what is there goes, if something is there, and not the request itself. Returns whether anybody
    /// listens.
    fn removal(&mut self, key: Key<'_>) -> bool {
        self.no_effect();
        if !self.engine.is_journaling(self.session) {
            return false;
        }
        if self.engine.exists(self.scope, key) {
            let name: &[u8] = if self.engine.unlinks_removed { b"UNLINK" } else { b"DEL" };
            self.effect(&[name, key.bytes]);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::with;

    #[test]
    fn odd_spellings() {
        for text in
            ["1", "-1.5e+3", "+5", "inf", "-Infinity", "(1", "(-inf", "", "(", "x", "00", "."]
        {
            assert!(!is_odd(text.as_bytes()), "{text}");
        }
        for (text, number) in [
            ("0x10", "16"),
            ("-0X1p-1", "-0.5"),
            ("+0x10", "16"),
            ("(0x10", "(16"),
            (" 1", "1"),
            ("(\t-2", "(-2"),
            ("5\0x", "5"),
            ("0x1p100", "1.2676506002282294e+30"),
            ("1e400", "inf"),
            ("(-1E400", "(-inf"),
            ("1e-310", "1e-310"),
            ("1e-400", "0"),
        ] {
            assert!(is_odd(text.as_bytes()), "{text}");
            assert_eq!(plain(text.as_bytes()).as_deref(), Some(number.as_bytes()), "{text}");
        }
    }

    #[test]
    fn numbers_are_passed_on_as_all_servers_read_them() {
        for (line, effect) in [
            ("ZADD z 0x10 a 1 b", "ZADD z 16 a 1 b"),
            ("ZADD z CH 0x10 0x10", "ZADD z CH 16 0x10"),
            ("ZADD z 1e1 a", "ZADD z 1e1 a"),
            ("ZINCRBY z -0x1p-1 c", "ZINCRBY z -0.5 c"),
            (
                "ZUNIONSTORE d 2 z z WEIGHTS 0x2 3 WEIGHTS 1 0x3",
                "ZUNIONSTORE d 2 z z WEIGHTS 2 3 WEIGHTS 1 3",
            ),
            (
                "ZINTERSTORE d 1 z AGGREGATE MAX WEIGHTS 0x2",
                "ZINTERSTORE d 1 z AGGREGATE MAX WEIGHTS 2",
            ),
            ("ZRANGESTORE d z \" 0\" (0xff BYSCORE", "ZRANGESTORE d z 0 (255 BYSCORE"),
            ("ZRANGESTORE d z [0x1 + BYLEX REV", ""),
            ("ZREMRANGEBYSCORE z -inf 0xff", "ZREMRANGEBYSCORE z -inf 255"),
            ("LREM l -9223372036854775808 a", "LREM l -9223372036854775807 a"),
            ("LREM l -9223372036854775807 a", "LREM l -9223372036854775807 a"),
        ] {
            let mut server = with(&["ZADD z 1 c 2 0x2", "RPUSH l a b a"]);
            server.ok(line);
            assert_eq!(server.journal(), effect, "{line}");
        }
        // What changes nothing is not passed on.
        let mut server = with(&["ZADD z 16 a"]);
        server.ok("ZADD z 0x10 a");
        server.ok("ZREMRANGEBYSCORE z 0x20 0x30");
        assert_eq!(server.journal(), "");
    }

    #[test]
    fn what_is_stored_is_passed_on_where_servers_may_differ() {
        for (line, effect) in [
            ("SORT l STORE d", "RPUSH d 1 2 10"),
            ("SORT l BY w_* ALPHA STORE l", "MULTI | DEL l | RPUSH l 10 2 1 | EXEC"),
            ("SORT none STORE l", "DEL l"),
            ("SORT none STORE d", ""),
            (
                "GEOSEARCHSTORE l geo FROMLONLAT 15 37 BYRADIUS 0xff km",
                "MULTI | DEL l | ZADD l 3479099956230698 P 3479447370796909 C | EXEC",
            ),
            ("GEORADIUSBYMEMBER geo C 1 m STOREDIST d", "ZADD d 0 C"),
            ("GEORADIUSBYMEMBER none C 1 m STORE l", "DEL l"),
        ] {
            let mut server =
                with(&["RPUSH l 10 2 1", "GEOADD geo 13.361389 38.115556 P 15.087269 37.502669 C"]);
            server.ok(line);
            assert_eq!(server.journal(), effect, "{line}");
        }
        let mut server = with(&["RPUSH l 1", "SET d x"]);
        server.engine.unlinks_removed = true;
        server.ok("SORT l STORE d");
        assert_eq!(server.journal(), "MULTI | UNLINK d | RPUSH d 1 | EXEC");
    }
}
