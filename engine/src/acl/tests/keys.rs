//! Over the whole table: what a command touches is among the keys that are checked before, and what it changes among those
//! that are checked for writing.
//!
//! Requests are made from what is documented about each command, by chance and a bit wrong.

use crate::acl::pattern::WRITE;
use crate::arguments::is;
use crate::command::{ADMIN, ANY_KEYS, HasFlags, OFF, Spec};
use crate::family::table;
use crate::grammar::syntax::{Argument, Kind};
use crate::keys_used::each_key;
use crate::random::Random;
use crate::testing::{Server, with};
use protocol::resp::request::OwnedArgs;
use std::collections::BTreeSet;

const SAMPLE: &str = include_str!("../../family/tests/sample.txt");
const WRITES: &str = include_str!("../../family/tests/writes.txt");
/// Keys of the sample and some that are not there.
const KEYS: &[&str] = &[
    "list", "list2", "hash", "set", "ints", "zset", "string", "hll", "geo", "number", "stream",
    "none", "new",
];
const WORDS: &[&str] =
    &["a", "b", "f", "g", "0", "1", "2", "-1", "17", "1-1", "u8", "m", "x", "*", "[a", "+"];
/// How many requests are made for each command.
const ROUNDS: u64 = 400;

/// Makes requests.
struct Maker {
    random: Random,
}

impl Maker {
    fn below(&mut self, n: usize) -> usize {
        (self.random.draw() % n as u64) as usize
    }

    fn one_of(&mut self, words: &[&str]) -> String {
        words[self.below(words.len())].to_string()
    }

    fn words(&mut self, arguments: &[Argument<'_>], out: &mut Vec<String>) {
        let mut count = None;
        for argument in arguments {
            if argument.optional && self.below(2) == 0 {
                continue;
            }
            if argument.name == "numkeys" {
                let n = 1 + self.below(3);
                count = Some(n);
                out.push(n.to_string());
                continue;
            }
            let times = match (argument.multiple, argument.kind) {
                (true, Kind::Key) => count.take().unwrap_or(1 + self.below(3)),
                (true, _) => 1 + self.below(3),
                (false, _) => 1,
            };
            for time in 0..times {
                if let Some(token) = argument.token
                    && (time == 0 || argument.multiple_token)
                    && argument.kind != Kind::PureToken
                {
                    out.push(token.to_string());
                }
                self.value(argument, out);
            }
        }
    }

    fn value(&mut self, argument: &Argument<'_>, out: &mut Vec<String>) {
        match argument.kind {
            Kind::Key => out.push(self.one_of(KEYS)),
            Kind::PureToken => out.push(argument.token.unwrap_or_default().to_string()),
            Kind::Integer | Kind::Double => out.push(self.one_of(&["0", "1", "2", "3", "-1"])),
            Kind::UnixTime => out.push("1900000000000".into()),
            Kind::String | Kind::Pattern => out.push(self.one_of(WORDS)),
            Kind::Block => self.words(&argument.children, out),
            Kind::OneOf => {
                let at = self.below(argument.children.len());
                let chosen = &argument.children[at];
                if let Some(token) = chosen.token.filter(|_| chosen.kind != Kind::PureToken) {
                    out.push(token.to_string());
                }
                self.value(chosen, out);
            }
        }
    }

    /// Takes a word away, repeats one, or puts another in its place.
    fn spoil(&mut self, words: &mut Vec<String>, from: usize) {
        if words.len() <= from {
            return;
        }
        let at = from + self.below(words.len() - from);
        match self.below(4) {
            0 => drop(words.remove(at)),
            1 => words.extend_from_within(at..),
            2 => words[at] = self.one_of(WORDS),
            _ => words[at] = self.one_of(KEYS),
        }
    }
}

/// Runs a request and compares what it touched with what was checked before.
fn check(server: &mut Server, spec: &Spec, words: &[String]) {
    let args = OwnedArgs::of(words.iter().map(|word| word.as_bytes()));
    let (mut checked, mut for_writing) = (BTreeSet::new(), BTreeSet::new());
    let visit = |at: usize, need| {
        checked.insert(args.args().at(at).to_vec());
        if need & WRITE != 0 {
            for_writing.insert(args.args().at(at).to_vec());
        }
        Ok::<(), ()>(())
    };
    each_key(spec, args.args(), visit).expect("it never fails");
    server.engine.touched = Default::default();
    let reply = server.execute(args.args());
    let [touched, changed] = std::mem::take(&mut server.engine.touched);
    for key in &changed {
        assert!(for_writing.contains(key), "{words:?} → {reply}: changes {}", key.escape_ascii());
    }
    for key in &touched {
        assert!(checked.contains(key), "{words:?} → {reply}: touches {}", key.escape_ascii());
    }
}

/// Whether a request comes upon keys that nobody named, for which a permission of another kind is needed.
fn is_free(spec: &Spec, words: &[String]) -> bool {
    let leads_on = |word: &String| is(word.as_bytes(), "BY") || is(word.as_bytes(), "GET");
    spec.flags.has(ANY_KEYS)
        || spec.name.starts_with("sort") && words.iter().any(leads_on)
        || ["dbsize", "keys", "debug"].contains(&spec.name)
}

fn sample() -> Server {
    with(&SAMPLE.lines().collect::<Vec<_>>())
}

#[test]
fn what_a_command_touches_was_checked() {
    let mut maker = Maker { random: Random::new(7) };
    let mut tried = 0;
    for spec in table().with_subcommands() {
        let of_the_process = spec.flags.has(ADMIN | OFF) || spec.group == "server";
        if !spec.subcommands.is_empty() || of_the_process {
            continue;
        }
        let arguments = spec.documented.arguments();
        let mut server = sample();
        for round in 0..ROUNDS {
            let mut words: Vec<String> = spec.name.split('|').map(str::to_uppercase).collect();
            let own = words.len();
            maker.words(&arguments, &mut words);
            (0..round % 3).for_each(|_| maker.spoil(&mut words, own));
            if !spec.arity.fits(words.len()) || is_free(spec, &words) {
                continue;
            }
            check(&mut server, spec, &words);
            tried += 1;
            // What waits or is queued runs later.
            if round % 8 == 0 || server.session().suspended || server.session().multi.is_some() {
                server = sample();
            }
        }
    }
    assert!(tried > 10_000, "{tried}");
}

#[test]
fn what_the_requests_of_other_tests_touch_was_checked() {
    for line in WRITES.lines() {
        let mut words = line.as_bytes().to_vec();
        let (mut spans, len) = (Vec::new(), words.len());
        protocol::resp::request::split_inline(&mut words, 0, len, &mut spans).expect("quotes");
        let args = protocol::resp::Args::new(&words, &spans);
        let spec = table().find(args.at(0)).and_then(|spec| crate::command::subcommand(spec, args));
        let spec = spec.expect("it is there");
        let (mut server, mut checked) = (sample(), BTreeSet::new());
        let visit = |at: usize, _| {
            checked.insert(args.at(at).to_vec());
            Ok::<(), ()>(())
        };
        each_key(spec, args, visit).expect("it never fails");
        server.engine.touched = Default::default();
        server.execute(args);
        let leads_on = args.iter_from(0).any(|word| is(word, "BY") || is(word, "GET"));
        for key in server.engine.touched.iter().flatten() {
            let free = spec.name == "sort" && leads_on || spec.keys == crate::command::NO_KEYS;
            assert!(free || checked.contains(key), "{line}: touches {}", key.escape_ascii());
        }
    }
}
