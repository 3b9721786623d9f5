//! A run of random requests against two servers, step by step.
//!
//! Most requests are sent in pipelines and their replies compared one by one. Steps of their own are what chance has a
//! part in (what SPOP took from ours is removed from the peer's set), iterations (compared as a whole), transactions,
//! and payloads of DUMP, which the other server restores. Every now and then the data are compared.
//!
//! After a difference of data both servers begin anew, so that one fault is told once.

use super::forms::{ANYWHERE, CHANCES, ELSEWHERE, EXPIRED};
use super::grammar::Form;
use super::holes::Holes;
use super::known::{is_half_done, is_known};
use super::rules::{Rule, by_value, texts};
use super::wire::{Reply, Wire};
use crate::node::Node;
use crate::peer::Peer;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Requests that are kept to tell what led to a difference.
const HISTORY: usize = 3000;
/// Requests that are shown with a difference.
const SHOWN: usize = 12;
/// Differences after which a run ends.
const MOST_DIFFERENCES: usize = 25;
/// Databases that requests select.
const DATABASES: [&str; 4] = ["0", "1", "2", "15"];

/// Limits of packed forms that small collections outgrow already.
const SMALL: [(&str, &str); 8] = [
    ("hash-max-listpack-entries", "12"),
    ("hash-max-listpack-value", "20"),
    ("zset-max-listpack-entries", "12"),
    ("zset-max-listpack-value", "20"),
    ("set-max-intset-entries", "10"),
    ("list-max-listpack-size", "6"),
    ("list-compress-depth", "1"),
    ("hll-sparse-max-bytes", "300"),
];

/// A request and how its replies are compared.
struct Request {
    words: Vec<Vec<u8>>,
    rule: Rule,
}

impl Request {
    fn line(line: &str, rule: Rule) -> Request {
        Request { words: line.split(' ').map(|word| word.as_bytes().to_vec()).collect(), rule }
    }
}

/// What a run did.
#[derive(Default, Debug)]
pub struct Report {
    /// Requests sent to each server.
    pub requests: u64,
    /// Of them, those that were refused.
    pub errors: u64,
    /// Differences between versions that are explained.
    pub known: u64,
    /// How often all data were compared.
    pub digests: u64,
    /// Transactions that were executed.
    pub transactions: u64,
    /// What differed.
    pub differences: Vec<String>,
    /// How often each command was sent.
    pub commands: BTreeMap<String, u64>,
}

/// Two servers and the requests that both are sent.
pub struct Contest {
    seed: u64,
    ours: Wire,
    peers: Wire,
    nodes: (Node, Node),
    holes: Holes,
    forms: Vec<(Rule, Form, &'static str)>,
    chances: Vec<(Form, &'static str)>,
    expired: Vec<Form>,
    history: VecDeque<(u64, Vec<Vec<u8>>)>,
    /// The peer has kept a part of what it refused: the data are thrown away.
    half_done: bool,
    report: Report,
}

impl Contest {
    /// Starts a server of ours and one of `peer`'s. The seed chooses the protocol and the limits of packed forms, too.
    pub fn new(peer: &Peer, seed: u64) -> Contest {
        let options: &[(&str, &str)] = if seed.is_multiple_of(2) { &SMALL } else { &[] };
        let mut own_options = options.to_vec();
        if !options.is_empty() {
            own_options.push(("set-max-listpack-entries", "10"));
        }
        let nodes = (Node::start("ours", &own_options), peer.start("peer", options));
        let ours = Wire::new("ours", &nodes.0);
        let peers = Wire::new("peer", &nodes.1);
        let mut forms = Vec::new();
        for (weight, text, rule) in ANYWHERE.iter().copied().flatten() {
            forms.extend((0..*weight).map(|_| (*rule, Form::parse(text), *text)));
        }
        let mut contest = Contest {
            seed,
            ours,
            peers,
            nodes,
            holes: Holes::new(seed),
            forms,
            chances: CHANCES.iter().map(|(form, all)| (Form::parse(form), *all)).collect(),
            expired: EXPIRED.iter().map(|form| Form::parse(form)).collect(),
            history: VecDeque::new(),
            half_done: false,
            report: Report::default(),
        };
        if seed / 2 % 2 == 1 {
            contest.ours.ask_line("HELLO 3");
            contest.peers.ask_line("HELLO 3");
        }
        contest
    }

    /// Sends `count` requests, compares all data after each `between_digests` of them and at the end, and has a replica of the peer's kind follow ours.
    pub fn run(mut self, peer: &Peer, count: u64, between_digests: u64) -> Report {
        let mut next_digest = between_digests;
        while self.report.requests < count && self.report.differences.len() < MOST_DIFFERENCES {
            self.step();
            if self.report.requests >= next_digest {
                next_digest = self.report.requests + between_digests;
                self.compare_data();
            }
        }
        self.compare_data();
        let replica = peer.start("replica", &[]);
        replica.follow(&self.nodes.0);
        replica.wait_for_sync(&self.nodes.0);
        self.report
    }

    fn step(&mut self) {
        match self.holes.random.below(100) {
            0..4 => self.pop(),
            4..6 => self.iterate(),
            6..10 => self.carry(),
            10..20 => self.transaction(),
            20..26 => self.by_chance(),
            26..28 => {
                let form = self.holes.random.below(self.expired.len());
                let words = self.expired[form].fill(&mut self.holes);
                let look = vec![b"EXISTS".to_vec(), words[1].clone()];
                let rule = Rule::Exact;
                self.ask(vec![Request { words, rule }, Request { words: look, rule }]);
            }
            28 if self.holes.random.once_in(20) => {
                let line = ["FLUSHALL", "FLUSHDB", "FLUSHDB ASYNC", "FLUSHALL SYNC", "FLUSHALL x"];
                let line = self.holes.random.pick(&line);
                self.ask(vec![Request::line(line, Rule::Exact)]);
            }
            _ => {
                let count = 1 + self.holes.random.below(30);
                let requests = (0..count).map(|_| self.request(true)).collect();
                self.ask(requests);
            }
        }
    }

    /// A random request, at times spoiled.
    fn request(&mut self, outside: bool) -> Request {
        loop {
            let at = self.holes.random.below(self.forms.len());
            let (rule, form, text) = &self.forms[at];
            let waits = text.contains("<timeout>");
            if waits && outside && !self.holes.random.once_in(4) {
                continue;
            }
            let mut words = form.fill(&mut self.holes);
            // By chance; or (ZRANK) with an argument more in 7.2, which then aborts no transaction; or of one score only.
            let kept = [
                "SPOP",
                "RANDMEMBER",
                "HRANDFIELD",
                "ZRANK",
                "ZREVRANK",
                "<names>",
                "<kept-stream>",
            ];
            if !waits
                && !kept.iter().any(|word| text.contains(word))
                && self.holes.random.once_in(25)
            {
                let times = ["EX", "<seconds>", "<milliseconds>", "PX", "<past>", "<far"];
                let harmless = !times.iter().any(|word| text.contains(word));
                self.holes.spoil(&mut words, harmless);
            }
            return Request { rule: rule.of(&words), words };
        }
    }

    // --- steps ---

    /// Removes members by chance: the peer loses the same ones.
    fn pop(&mut self) {
        let mut words = vec![b"SPOP".to_vec()];
        let kind = self.holes.random.pick(&["set", "set", "ints", "key"]);
        self.holes.fill(kind, &mut words);
        if self.holes.random.once_in(2) {
            self.holes.fill("count", &mut words);
        }
        self.note(&words);
        let ours = self.ours.ask(&words);
        let took = if words.len() == 2 { std::slice::from_ref(&ours) } else { ours.elements() };
        let took: Vec<Vec<u8>> = took
            .iter()
            .filter(|reply| matches!(reply, Reply::Bulk(_)))
            .map(|reply| reply.bytes().to_vec())
            .collect();
        if took.is_empty() {
            let peers = self.peers.ask(&words);
            self.compare(&Request { words, rule: Rule::Exact }, &ours, &peers);
            return;
        }
        let mut removal = vec![b"SREM".to_vec(), words[1].clone()];
        removal.extend(took.iter().cloned());
        let peers = self.peers.ask(&removal);
        let expected = Reply::Integer(took.len() as i64);
        self.compare(&Request { words: removal, rule: Rule::Exact }, &expected, &peers);
    }

    /// Iterates over everything, on both servers.
    fn iterate(&mut self) {
        let (name, kind) = *self.holes.random.pick(&[
            &("SCAN", ""),
            &("SSCAN", "set"),
            &("HSCAN", "hash"),
            &("ZSCAN", "zset"),
        ]);
        let mut start = vec![name.as_bytes().to_vec()];
        if !kind.is_empty() {
            self.holes.fill(kind, &mut start);
        }
        let mut options = Vec::new();
        for (option, value) in [("MATCH", "pattern"), ("COUNT", "small"), ("TYPE", "type")] {
            let fits = option != "TYPE" || kind.is_empty();
            if fits && self.holes.random.once_in(2) {
                options.push(option.as_bytes().to_vec());
                self.holes.fill(value, &mut options);
            }
        }
        let pairs = kind == "hash" || kind == "zset";
        self.note(&[start.clone(), options.clone()].concat());
        let ours = iterate(&mut self.ours, &start, &options, pairs);
        let peers = iterate(&mut self.peers, &start, &options, pairs);
        let words = [start, options].concat();
        self.compare(&Request { words, rule: Rule::Exact }, &ours, &peers);
    }

    /// Each server restores what the other one dumped.
    fn carry(&mut self) {
        let mut keys = Vec::new();
        self.holes.fill("key", &mut keys);
        self.holes.fill("key", &mut keys);
        let dump = [b"DUMP".to_vec(), keys[0].clone()];
        self.note(&dump);
        let (ours, peers) = (self.ours.ask(&dump), self.peers.ask(&dump));
        let (Reply::Bulk(ours), Reply::Bulk(peers)) = (&ours, &peers) else {
            self.compare(&Request { words: dump.to_vec(), rule: Rule::Exact }, &ours, &peers);
            return;
        };
        let mut options = Vec::new();
        let form = *self.holes.random.pick(&[&"0", &"<milliseconds>", &"<far-ms>", &"1"]);
        match form {
            "<far-ms>" | "1" => {
                if form == "1" {
                    options.push(b"1".to_vec())
                } else {
                    self.holes.fill("far-ms", &mut options)
                }
                options.push(b"ABSTTL".to_vec());
            }
            "<milliseconds>" => self.holes.fill("milliseconds", &mut options),
            _ => options.push(b"0".to_vec()),
        }
        let ttl = options.remove(0);
        if self.holes.random.once_in(2) {
            options.push(b"REPLACE".to_vec());
        }
        let restore = |payload: &[u8]| {
            let mut words =
                vec![b"RESTORE".to_vec(), keys[1].clone(), ttl.clone(), payload.to_vec()];
            words.extend(options.iter().cloned());
            words
        };
        let words = restore(peers);
        self.note(&words);
        let (ours, peers) = (self.ours.ask(&words), self.peers.ask(&restore(ours)));
        self.compare(&Request { words, rule: Rule::Exact }, &ours, &peers);
    }

    /// MULTI, some requests, and mostly EXEC.
    fn transaction(&mut self) {
        let mut all = Vec::new();
        if self.holes.random.once_in(6) {
            let mut words = vec![b"WATCH".to_vec()];
            self.holes.fill("key", &mut words);
            all.push(Request { words, rule: Rule::Exact });
            if self.holes.random.once_in(2) {
                all.push(self.request(true));
            }
            if self.holes.random.once_in(8) {
                all.push(Request::line("UNWATCH", Rule::Exact));
            }
        }
        all.push(Request::line("MULTI", Rule::Exact));
        for _ in 0..1 + self.holes.random.below(8) {
            all.push(self.request(false));
        }
        if self.holes.random.once_in(30) {
            let odd = self.holes.random.pick(&["MULTI", "WATCH a", "EXEC 1", "DISCARD 1"]);
            all.push(Request::line(odd, Rule::Exact));
        }
        let (end, rule) = match self.holes.random.below(10) {
            0 => ("DISCARD", Rule::Exact),
            _ => ("EXEC", Rule::Exec),
        };
        all.push(Request::line(end, rule));
        if self.holes.random.once_in(30) {
            let odd = self.holes.random.pick(&["EXEC", "DISCARD", "UNWATCH"]);
            all.push(Request::line(odd, Rule::Exact));
        }
        self.ask(all);
    }

    /// A request whose reply is made by chance, and what may be chosen.
    fn by_chance(&mut self) {
        let at = self.holes.random.below(self.chances.len());
        let (form, all) = &self.chances[at];
        let words = form.fill(&mut self.holes);
        let mut look = vec![all.as_bytes().to_vec()];
        match *all {
            "KEYS" => look.push(b"*".to_vec()),
            "ZRANGE" => {
                look.extend([&words[1][..], b"0", b"-1", b"WITHSCORES"].map(<[u8]>::to_vec))
            }
            _ => look.push(words[1].clone()),
        }
        let rule = match *all {
            "ZRANGE" => Rule::Scores,
            "HGETALL" => Rule::Pairs,
            _ => Rule::Unordered,
        };
        let replies = self.ask(vec![
            Request { words: words.clone(), rule: Rule::Chance },
            Request { words: look, rule },
        ]);
        let [chosen, all] = &replies[..] else { unreachable!("two replies to two requests") };
        if chosen.is_error() || all.is_error() {
            return;
        }
        let may_be: BTreeSet<Vec<u8>> = texts(all).into_iter().collect();
        let chosen_texts = texts(chosen);
        let count =
            words.get(2).and_then(|word| std::str::from_utf8(word).ok()?.parse::<i64>().ok());
        let twice = count.is_some_and(|count| count > 0)
            && words.len() == 3
            && chosen.elements().iter().collect::<BTreeSet<_>>().len() < chosen.elements().len();
        if twice || !chosen_texts.iter().all(|text| may_be.contains(text)) {
            self.tell(&words, &format!("chosen {chosen:?}\n   from {all:?}"));
        }
    }

    // --- comparing ---

    /// Sends requests to both servers in a pipeline, compares the replies and gives ours.
    fn ask(&mut self, requests: Vec<Request>) -> Vec<Reply> {
        for request in &requests {
            self.note(&request.words);
        }
        let before = self.report.requests - requests.len() as u64;
        self.ours.send(requests.iter().map(|request| &request.words[..]));
        self.peers.send(requests.iter().map(|request| &request.words[..]));
        let mut queued: Vec<&Request> = Vec::new();
        let mut replies = Vec::new();
        let total = self.report.requests;
        for (at, request) in requests.iter().enumerate() {
            let (ours, peers) = (self.ours.reply(), self.peers.reply());
            self.report.requests = before + at as u64 + 1;
            if request.rule == Rule::Exec {
                self.compare_transaction(request, &queued, &ours, &peers);
                queued.clear();
            } else {
                self.compare(request, &ours, &peers);
            }
            if ours == Reply::Simple(b"QUEUED".to_vec()) {
                queued.push(request);
            }
            replies.push(ours);
        }
        self.report.requests = total;
        if std::mem::take(&mut self.half_done) {
            self.both(&[b"FLUSHALL".to_vec()]);
        }
        replies
    }

    fn compare_transaction(
        &mut self,
        exec: &Request,
        queued: &[&Request],
        ours: &Reply,
        peers: &Reply,
    ) {
        let (Reply::Array(own), Reply::Array(others)) = (ours, peers) else {
            return self.compare(exec, ours, peers);
        };
        self.report.transactions += 1;
        if own.len() != queued.len() || others.len() != queued.len() {
            return self.tell(&exec.words, &format!("ours  {ours:?}\n   peer  {peers:?}"));
        }
        for (request, (ours, peers)) in queued.iter().zip(own.iter().zip(others)) {
            self.compare(request, ours, peers);
        }
    }

    fn compare(&mut self, request: &Request, ours: &Reply, peers: &Reply) {
        self.report.errors += u64::from(peers.is_error());
        self.half_done |= is_half_done(&request.words, peers);
        if request.rule.holds(ours, peers) {
            return;
        }
        let name = String::from_utf8_lossy(&request.words[0]).to_lowercase();
        if is_known(&name, &request.words, ours, peers) {
            self.report.known += 1;
            return;
        }
        self.tell(&request.words, &format!("ours  {ours:?}\n   peer  {peers:?}"));
    }

    /// Compares all data; begins anew if they differ.
    fn compare_data(&mut self) {
        self.report.digests += 1;
        let line = "DEBUG DIGEST";
        let mut differ = self.ours.ask_line(line) != self.peers.ask_line(line);
        let (mut found, mut expiries) = (false, 0);
        for db in DATABASES {
            self.both(&[b"SELECT".to_vec(), db.as_bytes().to_vec()]);
            for key in Holes::all_keys() {
                if differ {
                    let words = [b"DEBUG".to_vec(), b"DIGEST-VALUE".to_vec(), key.clone()];
                    let (ours, peers) = self.both(&words);
                    if ours != peers {
                        found = true;
                        self.tell_value(&key);
                    }
                }
                expiries += usize::from(self.compare_key(&key));
            }
        }
        if differ && !found {
            self.tell(&[], "the data differ, but no key does");
        }
        differ |= expiries > 0;
        if differ {
            self.both(&[b"FLUSHALL".to_vec()]);
        }
        self.both(&[b"SELECT".to_vec(), b"0".to_vec()]);
    }

    /// Compares what the digest does not show: the form of a value, when it expires and the order of a set of integers.
    /// Whether they differ.
    fn compare_key(&mut self, key: &[u8]) -> bool {
        let before = self.report.differences.len();
        let words = |line: &[&str]| -> Vec<Vec<u8>> {
            line.iter()
                .map(|w| if *w == "key" { key.to_vec() } else { w.as_bytes().to_vec() })
                .collect()
        };
        let encoding = words(&["OBJECT", "ENCODING", "key"]);
        let (ours, peers) = self.both(&encoding);
        let packed = ours == peers && [&b"listpack"[..], b"intset"].contains(&ours.bytes());
        self.compare(&Request { words: encoding, rule: Rule::Exact }, &ours, &peers);
        let expiry = words(&["PEXPIRETIME", "key"]);
        let (ours, peers) = self.both(&expiry);
        self.compare(&Request { words: expiry, rule: Rule::Near }, &ours, &peers);
        let kind = self.ours.ask(&words(&["TYPE", "key"]));
        let look = match kind.bytes() {
            b"hash" => words(&["HGETALL", "key"]),
            b"set" => words(&["SMEMBERS", "key"]),
            _ => return self.report.differences.len() > before,
        };
        if packed {
            let (ours, peers) = self.both(&look);
            let rule = if kind.bytes() == b"hash" { Rule::Pairs } else { Rule::Exact };
            self.compare(&Request { words: look, rule }, &ours, &peers);
        }
        self.report.differences.len() > before
    }

    fn both(&mut self, words: &[Vec<u8>]) -> (Reply, Reply) {
        (self.ours.ask(words), self.peers.ask(words))
    }

    // --- telling ---

    fn note(&mut self, words: &[Vec<u8>]) {
        self.report.requests += 1;
        let name = String::from_utf8_lossy(&words[0]).to_lowercase();
        *self.report.commands.entry(name).or_default() += 1;
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        self.history.push_back((self.report.requests, words.to_vec()));
    }

    fn tell_value(&mut self, key: &[u8]) {
        let dump = |wire: &mut Wire| {
            let words = |line: &str| -> Vec<Vec<u8>> {
                line.split(' ').map(|w| if w == "key" { key.to_vec() } else { w.into() }).collect()
            };
            let kind = wire.ask(&words("TYPE key"));
            let value = match kind.bytes() {
                b"string" => wire.ask(&words("GET key")),
                b"list" => wire.ask(&words("LRANGE key 0 -1")),
                b"hash" => wire.ask(&words("HGETALL key")),
                b"set" => wire.ask(&words("SORT key ALPHA")),
                b"zset" => wire.ask(&words("ZRANGE key 0 -1 WITHSCORES")),
                _ => Reply::Null,
            };
            format!("{kind:?} {value:?} expires {:?}", wire.ask(&words("PEXPIRETIME key")))
        };
        let (ours, peers) = (dump(&mut self.ours), dump(&mut self.peers));
        self.tell(&[b"(data)".to_vec(), key.to_vec()], &format!("ours  {ours}\n   peer  {peers}"));
    }

    fn tell(&mut self, words: &[Vec<u8>], what: &str) {
        let keys: Vec<&Vec<u8>> = words.iter().skip(1).collect();
        let all_keys = Holes::all_keys();
        let touches = |other: &[Vec<u8>]| {
            other.iter().skip(1).any(|word| keys.contains(&word) && all_keys.contains(word))
                || other[0].eq_ignore_ascii_case(b"SWAPDB")
        };
        let at = self.report.requests;
        let mut before: Vec<String> = (self.history.iter().rev())
            .filter(|(position, other)| *position <= at && touches(other))
            .take(SHOWN)
            .map(|(position, other)| format!("   {position:>7} {}", show(other)))
            .collect();
        before.reverse();
        self.report.differences.push(format!(
            "seed {} at {at}: {}\n   {what}\n   before:\n{}",
            self.seed,
            show(words),
            before.join("\n")
        ));
    }
}

/// Names of commands that requests are made of, or that have a reason not to be.
pub fn covered() -> BTreeSet<String> {
    let rows = ANYWHERE.iter().copied().flatten().map(|(_, text, _)| *text);
    let chances = CHANCES.iter().map(|(text, _)| *text);
    let named =
        rows.chain(chances).chain(EXPIRED.iter().copied()).map(|text| Form::parse(text).name());
    named.chain(ELSEWHERE.iter().map(|(name, _)| name.to_string())).collect()
}

fn show(words: &[Vec<u8>]) -> String {
    const MOST: usize = 400;
    let texts = words.iter().map(|word| match word.escape_ascii().to_string() {
        text if text.is_empty() || text.contains(' ') => format!("\"{text}\""),
        text => text,
    });
    let mut line = texts.collect::<Vec<_>>().join(" ");
    if line.len() > MOST {
        line.truncate(MOST);
        line += " …";
    }
    line
}

/// All that an iteration gives, without order, or its error.
fn iterate(wire: &mut Wire, start: &[Vec<u8>], options: &[Vec<u8>], pairs: bool) -> Reply {
    let mut cursor = b"0".to_vec();
    let mut all = BTreeSet::new();
    loop {
        let mut words = start.to_vec();
        words.push(cursor);
        words.extend(options.iter().cloned());
        let reply = wire.ask(&words);
        let [next, elements] = reply.elements() else { return reply };
        let step = if pairs { 2 } else { 1 };
        for chunk in elements.elements().chunks(step) {
            all.insert(chunk.iter().map(by_value).collect::<Vec<_>>());
        }
        cursor = next.bytes().to_vec();
        if cursor == b"0" {
            return Reply::Array(all.into_iter().flatten().collect());
        }
    }
}
