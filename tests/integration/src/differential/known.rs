//! What is known to differ between Redis 7.0, the peer, and 7.2, which we are to behave as. Each entry has its reason.

use super::wire::Reply;

/// A difference that is explained.
struct Known {
    #[expect(dead_code, reason = "it is there to be read")]
    reason: &'static str,
    /// Looks at the request, its name in lower case before it, our reply and the peer's.
    fits: fn(&str, &[Vec<u8>], &Reply, &Reply) -> bool,
}

const KNOWN: &[Known] = &[
    Known {
        reason: "7.2 has listpacks for small sets, and for lists of one node, where 7.0 has not",
        fits: |name, words, ours, peers| {
            name == "object"
                && words.len() == 3
                && ours.bytes() == b"listpack"
                && [&b"hashtable"[..], b"quicklist"].contains(&peers.bytes())
        },
    },
    Known {
        reason: "a string that was changed in place, or computed, keeps the form it got then; ours always has the tightest",
        fits: |name, words, ours, peers| {
            name == "object"
                && words.len() == 3
                && [&b"int"[..], b"embstr"].contains(&ours.bytes())
                && [&b"embstr"[..], b"raw"].contains(&peers.bytes())
        },
    },
    Known {
        reason: "SORT makes a small sorted set a large one; ours reads it as it is",
        fits: |name, words, ours, peers| {
            name == "object"
                && words.len() == 3
                && ours.bytes() == b"listpack"
                && peers.bytes() == b"skiplist"
        },
    },
    Known {
        reason: "7.2 makes a large form at once of a ZADD, SADD or HSET with more members than a small one may have, 7.0 \
                 counts those that differ",
        fits: |name, words, ours, peers| {
            let forms: [[&[u8]; 2]; 3] = [
                [b"skiplist", b"listpack"],
                [b"hashtable", b"listpack"],
                [b"hashtable", b"intset"],
            ];
            name == "object" && words.len() == 3 && forms.contains(&[ours.bytes(), peers.bytes()])
        },
    },
    Known {
        reason: "Redis shares small integers, which then have this many owners; ours are never shared",
        fits: |name, words, ours, peers| {
            name == "object"
                && words.len() == 3
                && *ours == Reply::Integer(1)
                && *peers == Reply::Integer(i32::MAX.into())
        },
    },
    Known {
        reason: "SDIFFSTORE of Redis removes members from a copy, which keeps the form it had with them",
        fits: |name, words, ours, peers| {
            let sets: [&[u8]; 2] = [b"set:", b"ints:"];
            name == "object"
                && words.last().is_some_and(|key| sets.iter().any(|set| key.starts_with(set)))
                && ours.bytes() == b"intset"
                && peers.bytes() == b"hashtable"
        },
    },
    Known {
        reason: "7.2 refuses the least integer as a rank of LPOS at once, 7.0 after the other options",
        fits: |name, _, ours, peers| {
            name == "lpos"
                && ours.bytes().starts_with(b"ERR value is out of range, value must between")
                && (peers.is_error() || peers.elements().is_empty())
        },
    },
    Known {
        reason: "7.2 names the command and its special id when streams and ids are not as many",
        fits: |name, _, ours, peers| {
            ["xread", "xreadgroup"].contains(&name)
                && ours.bytes().starts_with(b"ERR Unbalanced 'xread")
                && peers.bytes().starts_with(b"ERR Unbalanced XREAD list")
        },
    },
    Known {
        reason: "errors of Redis quote a word up to its first byte 0, some of ours quote all of it",
        fits: |_, words, ours, peers| {
            let quoted = ours.bytes().split(|byte| *byte == 0).next().unwrap_or_default();
            ours.is_error()
                && peers.is_error()
                && words.iter().any(|word| word.contains(&0))
                && peers.bytes().starts_with(quoted)
        },
    },
    Known {
        reason: "SORT of Redis takes an overflow in an earlier command for one of its own: a stale errno",
        fits: |name, _, ours, peers| {
            ["sort", "sort_ro"].contains(&name)
                && !ours.is_error()
                && peers.bytes() == b"ERR One or more scores can't be converted into double"
        },
    },
    Known {
        reason: "7.2 looks at the arguments of BITCOUNT and BITPOS even if there is no key",
        fits: |name, _, ours, peers| {
            ["bitcount", "bitpos"].contains(&name)
                && ours.is_error()
                && matches!(peers, Reply::Integer(0 | -1))
        },
    },
];

/// Whether a difference is explained.
pub fn is_known(name: &str, words: &[Vec<u8>], ours: &Reply, peers: &Reply) -> bool {
    KNOWN.iter().any(|known| (known.fits)(name, words, ours, peers))
}

/// Whether the peer may have kept a part of a request that it refused: elements of a PFADD before the one that meets the
/// damage of a HyperLogLog stay added, and neither its file nor its replicas hear of them. Ours adds all or none.
pub fn is_half_done(words: &[Vec<u8>], peers: &Reply) -> bool {
    words.len() > 3
        && words[0].eq_ignore_ascii_case(b"PFADD")
        && peers.bytes().starts_with(b"INVALIDOBJ")
}
