//! When two replies are the same.
//!
//! Errors are compared as they are, under every rule.

use super::wire::Reply;

/// How the replies to a request are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rule {
    /// Byte by byte.
    Exact,
    /// Numbers by their value: 7.0 prints 17 digits of a score, 7.2 the shortest text that means it.
    Scores,
    /// Elements have no order.
    Unordered,
    /// Elements have no order, but two by two belong together.
    Pairs,
    /// Times that pass, or began to a little later on one side.
    Near,
    /// Of the same type: both servers may choose what they say.
    SameKind,
    /// The replies of SORT: see [`Rule::of`].
    Sorted,
    /// Chosen by chance.
    Chance,
    /// The replies of the requests in the queue.
    Exec,
}

/// By how much times may differ: a loaded machine does not reach it (milliseconds, or seconds).
const NEAR: i64 = 100_000;

impl Rule {
    /// The rule for a request: that of SORT depends on its options. With BY, elements may weigh the same, or a set has no
    /// order to begin with; which of them are within a LIMIT is open then.
    pub fn of(self, words: &[Vec<u8>]) -> Rule {
        let has = |option: &str| words.iter().any(|w| w.eq_ignore_ascii_case(option.as_bytes()));
        match self {
            Rule::Sorted if !has("BY") => Rule::Exact,
            Rule::Sorted if has("LIMIT") => Rule::SameKind,
            Rule::Sorted => Rule::Unordered,
            rule => rule,
        }
    }

    /// Whether `ours` and `peers` are the same.
    pub fn holds(self, ours: &Reply, peers: &Reply) -> bool {
        if ours == peers {
            return true;
        }
        if ours.is_error() || peers.is_error() {
            return false;
        }
        match self {
            Rule::Exact | Rule::Exec | Rule::Sorted => false,
            Rule::Scores => by_value(ours) == by_value(peers),
            Rule::Unordered => unordered(ours) == unordered(peers),
            Rule::Pairs => pairs(ours) == pairs(peers),
            Rule::Near => match (ours, peers) {
                (Reply::Integer(a), Reply::Integer(b)) => {
                    *a >= 0 && *b >= 0 && (a - b).abs() <= NEAR
                }
                _ => false,
            },
            Rule::SameKind => std::mem::discriminant(ours) == std::mem::discriminant(peers),
            Rule::Chance => shape(ours) == shape(peers),
        }
    }
}

/// A reply whose numbers have one spelling for each value.
pub fn by_value(reply: &Reply) -> Reply {
    let value = |text: &str| text.parse::<f64>().ok().map(|value| format!("{:e}", value + 0.0));
    match reply {
        Reply::Double(text) => Reply::Double(value(text).unwrap_or_else(|| text.clone())),
        Reply::Bulk(text) => match std::str::from_utf8(text).ok().and_then(value) {
            Some(text) => Reply::Bulk(text.into_bytes()),
            None => reply.clone(),
        },
        _ => rebuilt(reply, |all| all.iter().map(by_value).collect()),
    }
}

fn unordered(reply: &Reply) -> Reply {
    rebuilt(reply, |all| {
        let mut all = all.to_vec();
        all.sort();
        all
    })
}

fn pairs(reply: &Reply) -> Reply {
    rebuilt(reply, |all| {
        let mut pairs: Vec<&[Reply]> = all.chunks(2).collect();
        pairs.sort();
        pairs.concat()
    })
}

/// Which types a reply consists of.
fn shape(reply: &Reply) -> Reply {
    match reply {
        Reply::Bulk(_) => Reply::Bulk(Vec::new()),
        Reply::Double(_) => Reply::Double(String::new()),
        _ => rebuilt(reply, |all| all.iter().map(shape).collect()),
    }
}

fn rebuilt(reply: &Reply, change: impl FnOnce(&[Reply]) -> Vec<Reply>) -> Reply {
    match reply {
        Reply::Array(all) => Reply::Array(change(all)),
        Reply::Set(all) => Reply::Set(change(all)),
        Reply::Push(all) => Reply::Push(change(all)),
        Reply::Map(all) => Reply::Map(change(all)),
        _ => reply.clone(),
    }
}

/// All texts in a reply, numbers by their value.
pub fn texts(reply: &Reply) -> Vec<Vec<u8>> {
    match by_value(reply) {
        Reply::Bulk(text) => vec![text],
        Reply::Double(text) => vec![text.into_bytes()],
        other => other.elements().iter().flat_map(texts).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Reply {
        Reply::Bulk(text.into())
    }

    #[test]
    fn rules_see_what_differs_and_nothing_else() {
        let array = |texts: &[&str]| Reply::Array(texts.iter().map(|text| bulk(text)).collect());
        let cases = [
            (Rule::Exact, bulk("1"), bulk("1"), true),
            (Rule::Exact, bulk("1"), bulk("1.0"), false),
            (Rule::Exact, bulk("1"), Reply::Integer(1), false),
            (Rule::Scores, bulk("0.1"), bulk("0.10000000000000001"), true),
            (Rule::Scores, bulk("0.1"), bulk("0.2"), false),
            (Rule::Scores, Reply::Double("1e21".into()), Reply::Double("1e+21".into()), true),
            (Rule::Scores, array(&["a", "1"]), array(&["1", "a"]), false),
            (Rule::Unordered, array(&["a", "b"]), array(&["b", "a"]), true),
            (Rule::Unordered, array(&["a", "a"]), array(&["a", "b"]), false),
            (Rule::Pairs, array(&["a", "1", "b", "2"]), array(&["b", "2", "a", "1"]), true),
            (Rule::Pairs, array(&["a", "1", "b", "2"]), array(&["a", "2", "b", "1"]), false),
            (Rule::Near, Reply::Integer(1000), Reply::Integer(999), true),
            (Rule::Near, Reply::Integer(-1), Reply::Integer(5), false),
            (Rule::Near, Reply::Integer(1), Reply::Integer(1_000_000), false),
            (Rule::Chance, array(&["a", "b"]), array(&["c", "d"]), true),
            (Rule::Chance, array(&["a"]), array(&["c", "d"]), false),
            (Rule::SameKind, bulk("a"), Reply::Error(b"ERR a".to_vec()), false),
            (Rule::Unordered, Reply::Error(b"a".to_vec()), Reply::Error(b"b".to_vec()), false),
        ];
        for (rule, ours, peers, same) in cases {
            assert_eq!(rule.holds(&ours, &peers), same, "{rule:?} {ours:?} {peers:?}");
        }
    }
}
