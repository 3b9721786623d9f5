//! What random requests are made of: few keys and members, so that requests meet, and odd values.

use super::random::Random;

/// Keys of each kind.
const KEYS: usize = 4;
/// Sorted sets whose scores are all equal.
const NAMES: usize = 3;
/// The kinds of keys. Any command may come upon any key, but mostly it comes upon one of its kind.
const KINDS: [&str; 11] =
    ["stream", "string", "number", "bits", "hll", "list", "hash", "set", "ints", "zset", "geo"];
/// An expiry that no test lives to see, unix seconds (the year 2100).
const FAR: i64 = 4_102_444_800;

/// Values that break what expects another: none of them makes a command wait, take long or need much memory.
const ODD: [&[u8]; 20] = [
    b"",
    b"abc",
    b"-1",
    b"0",
    b"1",
    b"01",
    b"+1",
    b" 1",
    b"1.5",
    b"1e3",
    b"nan",
    b"inf",
    b"-inf",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"9223372036854775808",
    b"99999999999999999999999",
    b"a\x00\xff\r\n",
    b"(1",
    b"[a",
];

/// Scripts for two keys and some arguments. What they say has an order of its own; where commands give none they sort.
const SCRIPTS: [&[u8]; 30] = [
    b"return redis.call('get', KEYS[1])",
    b"return redis.pcall('get', KEYS[1])",
    b"return redis.pcall('set', KEYS[1], ARGV[1])",
    b"return {redis.pcall('incr', KEYS[1]), redis.pcall('type', KEYS[2]), redis.pcall('exists', unpack(KEYS))}",
    b"redis.call('append', KEYS[1], ARGV[1]) return redis.call('getrange', KEYS[1], 0, 5)",
    b"for i = 1, #ARGV do redis.call('rpush', KEYS[1], ARGV[i]) end return redis.call('lrange', KEYS[1], 0, -1)",
    b"redis.pcall('sadd', KEYS[1], ARGV[1], 7) local r = redis.pcall('smembers', KEYS[1]) if not r.err then table.sort(r) end return r",
    b"redis.pcall('hset', KEYS[1], 'f', ARGV[1]) return redis.pcall('hget', KEYS[1], 'f')",
    b"redis.pcall('zadd', KEYS[1], 1, ARGV[1]) return redis.pcall('zcard', KEYS[1])",
    b"redis.call('del', KEYS[1]) return redis.call('lpush', KEYS[1], 'x', ARGV[1])",
    b"local r = {} for i, v in ipairs(ARGV) do r[i] = tonumber(v) or v end return r",
    b"return cjson.encode({KEYS[1], ARGV[1], ARGV[2]})",
    b"local ok, v = pcall(cjson.decode, ARGV[1]) return {tostring(ok), type(v), type(v) == 'table' and #v or tostring(v)}",
    b"return cmsgpack.pack(KEYS, ARGV)",
    b"return #cmsgpack.unpack(cmsgpack.pack(ARGV))",
    b"local ok, v = pcall(struct.pack, '>I2c0d', #ARGV[1], ARGV[1], tonumber(ARGV[2]) or 0) return v",
    b"return {bit.band(tonumber(ARGV[2]) or 0, 255), bit.tohex(tonumber(ARGV[2]) or -1)}",
    b"return redis.status_reply(string.gsub(ARGV[1], '%c', ''))",
    b"return tostring(ARGV[1] + 1)",
    b"return ARGV[1] .. nil",
    b"error(ARGV[1])",
    b"error({err = 'MINE ' .. #ARGV[1]})",
    b"return {1, 2, {3, {ARGV[1]}}, nil, 4}",
    b"return {1.9, -1.9, true, false, 'x', #ARGV}",
    b"return redis.sha1hex(ARGV[1])",
    b"return redis.call('no-such-command', KEYS[1])",
    b"return redis.call('get')",
    b"return redis.pcall('set', KEYS[1])",
    b"return some_name",
    b"return )",
];
/// Libraries of functions, and what is none.
const LIBRARIES: [&[u8]; 5] = [
    b"#!lua name=lib\nredis.register_function('look', function(keys) return redis.call('get', keys[1]) end)\n\
      redis.register_function('bump', function(keys, args) return redis.call('incrby', keys[1], args[1] or 1) end)",
    b"#!lua name=other\nredis.register_function{function_name='look', callback=function(keys) return redis.pcall('get', keys[1]) end, flags={'no-writes'}}",
    b"#!lua name=lib\nreturn )",
    b"#!lua name=lib\nreturn 1",
    b"#!js name=lib\nx",
];
/// Digests of the first of them, of one that is not there, and what is none.
const DIGESTS: [&[u8]; 4] = [
    b"4e6d8fc8bb01276962cce5371fa795a7763657ae",
    b"4E6D8FC8BB01276962CCE5371FA795A7763657AE",
    b"ffffffffffffffffffffffffffffffffffffffff",
    b"short",
];

/// A source of words for requests.
pub struct Holes {
    /// What all choices are made by.
    pub random: Random,
}

impl Holes {
    /// The words of `seed`.
    pub fn new(seed: u64) -> Holes {
        Holes { random: Random::new(seed) }
    }

    /// All keys that requests name.
    pub fn all_keys() -> Vec<Vec<u8>> {
        let mut keys: Vec<Vec<u8>> = KINDS
            .iter()
            .flat_map(|kind| (0..KEYS).map(move |n| format!("{kind}:{n}").into_bytes()))
            .collect();
        keys.extend((0..NAMES).map(|n| format!("names:{n}").into_bytes()));
        keys.extend([b"no-names".to_vec(), b"kept-stream".to_vec()]);
        keys.extend([b"".to_vec(), b"\x00\r\n\xff".to_vec(), b"17".to_vec(), vec![b'k'; 300]]);
        keys
    }

    /// A word in letters of any case, as often as not as it is.
    pub fn any_case(&mut self, word: &str) -> Vec<u8> {
        let mut word = word.as_bytes().to_vec();
        if self.random.once_in(4) {
            for byte in word.iter_mut().filter(|_| self.random.once_in(2)) {
                *byte = byte.to_ascii_lowercase();
            }
        }
        word
    }

    /// Spoils a request: a word too many or too few, or an odd one unless that might be a time which comes to pass soon.
    pub fn spoil(&mut self, words: &mut Vec<Vec<u8>>, any_word: bool) {
        let at = 1 + self.random.below(words.len());
        let odd = self.odd();
        match self.random.below(if any_word { 5 } else { 3 }) {
            0 => words.insert(at, odd),
            1 if at < words.len() => drop(words.remove(at)),
            2 => words.truncate(at),
            _ if at < words.len() => words[at] = odd,
            _ => words.push(odd),
        }
    }

    fn odd(&mut self) -> Vec<u8> {
        self.random.pick(&ODD).to_vec()
    }

    fn key(&mut self, kind: &str) -> Vec<u8> {
        match self.random.below(100) {
            0 => {
                return self
                    .random
                    .pick(&[&b""[..], b"\x00\r\n\xff", b"17", &[b'k'; 300]])
                    .to_vec();
            }
            1..8 => {
                let kind = self.random.pick(&KINDS);
                return self.key(kind);
            }
            _ => {}
        }
        format!("{kind}:{}", self.random.below(KEYS)).into_bytes()
    }

    /// Fills the hole called `name`.
    ///
    /// # Panics
    /// When there is no such hole.
    pub fn fill(&mut self, name: &str, words: &mut Vec<Vec<u8>>) {
        if let Some(kind) = name.strip_prefix("count-of-") {
            self.counted(kind, words);
            return;
        }
        let word = match name {
            kind if KINDS.contains(&kind) => self.key(kind),
            // Ranges of members are defined where all scores are equal: these keys have no other scores, or are no sorted sets.
            "names" => format!("names:{}", self.random.below(NAMES)).into_bytes(),
            // From which nothing is deleted: 7.0 lets XSETID go behind what was, 7.2 does not.
            "kept-stream" => b"kept-stream".to_vec(),
            "no-names" => b"no-names".to_vec(),
            "key" => {
                let kind = self.random.pick(&KINDS);
                self.key(kind)
            }
            "sets" => {
                let kind = self.random.pick(&["zset", "zset", "zset", "geo", "set", "ints"]);
                self.key(kind)
            }
            "value" | "member" | "field" => self.text(),
            "int" => self.integer(),
            "float" => self.float(),
            "score" => self.score(),
            // A plus would repeat what is before it.
            "end" => b"+".to_vec(),
            "id" => self.id(30),
            // Most ids are higher than those before.
            "new-id" => match self.random.below(12) {
                0 => self.id(30),
                1 => b"0-0".to_vec(),
                2..5 => format!("{}-*", self.random.below(3000)).into_bytes(),
                _ => self.id(3000),
            },
            "group" => self.random.pick(&[&b"g1"[..], b"g1", b"g2", b""]).to_vec(),
            "consumer" => self.random.pick(&[&b"c1"[..], b"c2", b"c3", b""]).to_vec(),
            "weight" => self.number(1, 9),
            "min" | "max" => self.bound(),
            "low" | "high" => self.name_bound(),
            "index" => self.number(-6, 12),
            "count" => self.number(0, 8),
            "some" => self.number(-5, 20),
            "small" => self.number(1, 5),
            "offset" => self.offset(),
            "bit" => self.offset_of_bit(),
            "bitvalue" => self.random.pick(&[&b"0"[..], b"1", b"1", b"1", b"2"]).to_vec(),
            "field-type" => self.field_type(),
            "field-offset" => self.field_offset(),
            "far" => (FAR + self.random.between(0, 9)).to_string().into_bytes(),
            "far-ms" => ((FAR + self.random.between(0, 9)) * 1000).to_string().into_bytes(),
            "past" => self.number(-5, 1_000_000),
            "seconds" => (self.random.between(1, 3) * 1_000_000).to_string().into_bytes(),
            "milliseconds" => (self.random.between(1, 3) * 1_000_000_000).to_string().into_bytes(),
            "db" => self.random.pick(&[&b"0"[..], b"1", b"1", b"2", b"15", b"16", b"x"]).to_vec(),
            "lon" => self.place(180.0, 181.0),
            "lat" => self.place(85.0, 86.0),
            "distance" => self.random.pick(&DISTANCES).to_vec(),
            "pattern" => self.random.pick(&PATTERNS).to_vec(),
            "by" => self.random.pick(&BY).to_vec(),
            "get" => self.random.pick(&GET).to_vec(),
            "type" => self.random.pick(&TYPES).to_vec(),
            "timeout" => self.random.pick(&TIMEOUTS).to_vec(),
            "script" => self.random.pick(&SCRIPTS).to_vec(),
            "digest" => self.random.pick(&DIGESTS).to_vec(),
            "library" => self.random.pick(&LIBRARIES).to_vec(),
            "odd" => self.odd(),
            "hll-member" => format!("m{}", self.random.below(5000)).into_bytes(),
            _ => panic!("no hole is called {name}"),
        };
        words.push(word);
    }

    /// A count and so many keys; at times the count is wrong.
    fn counted(&mut self, kind: &str, words: &mut Vec<Vec<u8>>) {
        let keys = 1 + self.random.below(3);
        let said = match self.random.below(30) {
            0 => self.odd(),
            1 => self.number(-1, 9),
            _ => keys.to_string().into_bytes(),
        };
        words.push(said);
        for _ in 0..keys {
            self.fill(kind, words);
        }
    }

    fn number(&mut self, low: i64, high: i64) -> Vec<u8> {
        self.random.between(low, high).to_string().into_bytes()
    }

    /// A value, member or field: mostly one of few, at times long enough to leave packed forms.
    fn text(&mut self) -> Vec<u8> {
        match self.random.below(40) {
            0 => self.odd(),
            1 => vec![b'x'; *self.random.pick(&[&20, &63, &64, &65, &200, &1100])],
            2 => self.random.pick(&TEXTS).to_vec(),
            3 => format!("m{}", self.random.below(1000)).into_bytes(),
            4..16 => self.number(-3, 20),
            16..18 => self.integer(),
            18 => self.float(),
            _ => format!("m{}", self.random.below(24)).into_bytes(),
        }
    }

    /// An id in a stream.
    fn id(&mut self, most: usize) -> Vec<u8> {
        match self.random.below(16) {
            0 => self.odd(),
            1 => b"18446744073709551615-18446744073709551615".to_vec(),
            2..6 => self.random.below(most).to_string().into_bytes(),
            _ => format!("{}-{}", self.random.below(most), self.random.below(3)).into_bytes(),
        }
    }

    fn integer(&mut self) -> Vec<u8> {
        match self.random.below(24) {
            0 => self.odd(),
            1..3 => {
                // Around the bounds of integers of every width.
                let power =
                    1i128 << *self.random.pick(&[&7, &8, &12, &15, &16, &23, &31, &32, &63]);
                let near = power + i128::from(self.random.between(-2, 1));
                let sign = if self.random.once_in(2) { -1 } else { 1 };
                (near * sign).to_string().into_bytes()
            }
            3..6 => self.number(-1_000_000, 1_000_000),
            _ => self.number(-5, 30),
        }
    }

    fn float(&mut self) -> Vec<u8> {
        match self.random.below(16) {
            0 => self.odd(),
            1 => self.random.pick(&FLOATS).to_vec(),
            2..5 => self.integer(),
            5..9 => format!("{}", self.random.between(-4000, 4000) as f64 / 100.0).into_bytes(),
            _ => format!("{}", self.random.between(-400, 400) as f64 / 8.0).into_bytes(),
        }
    }

    fn score(&mut self) -> Vec<u8> {
        match self.random.below(4) {
            // No negative zero: a packed sorted set of 7.2 forgets its sign, one of 7.0 does not.
            0 => match self.float() {
                float if float.starts_with(b"-0") && !float.contains(&b'.') => b"0".to_vec(),
                float if float == b"-0.0" => b"0".to_vec(),
                float => float,
            },
            _ => self.number(-5, 20),
        }
    }

    /// A bound of a range of scores.
    fn bound(&mut self) -> Vec<u8> {
        match self.random.below(8) {
            0 => b"-inf".to_vec(),
            1 => b"+inf".to_vec(),
            2 => [&b"("[..], &self.score()].concat(),
            _ => self.score(),
        }
    }

    /// A bound of a range of members.
    fn name_bound(&mut self) -> Vec<u8> {
        match self.random.below(9) {
            0..2 => b"-".to_vec(),
            2..4 => b"+".to_vec(),
            4 => self.text(),
            5..7 => [&b"("[..], &self.text()].concat(),
            _ => [&b"["[..], &self.text()].concat(),
        }
    }

    /// A place in a string: never one that would need much memory.
    fn offset(&mut self) -> Vec<u8> {
        match self.random.below(30) {
            0 => self.odd(),
            1 => b"536870912".to_vec(),
            2 => self.number(100, 2000),
            _ => self.number(0, 40),
        }
    }

    fn offset_of_bit(&mut self) -> Vec<u8> {
        match self.random.below(30) {
            0 => self.odd(),
            1 => b"4294967296".to_vec(),
            2 => self.number(100, 10_000),
            _ => self.number(0, 200),
        }
    }

    fn field_type(&mut self) -> Vec<u8> {
        match self.random.below(20) {
            0 => self.random.pick(&[&b"u64"[..], b"i65", b"u0", b"x8", b"u", b"", b"i-1"]).to_vec(),
            _ => {
                let signed = self.random.once_in(2);
                let width = self.random.between(1, if signed { 64 } else { 63 });
                format!("{}{width}", if signed { 'i' } else { 'u' }).into_bytes()
            }
        }
    }

    fn field_offset(&mut self) -> Vec<u8> {
        match self.random.below(20) {
            0 => self.random.pick(&[&b"#"[..], b"-1", b"#-1", b"#x", b"", b"4294967296"]).to_vec(),
            1..8 => format!("#{}", self.random.below(12)).into_bytes(),
            _ => self.number(0, 200),
        }
    }

    /// A coordinate: mostly within ±`most`, rarely ±`beyond`.
    fn place(&mut self, most: f64, beyond: f64) -> Vec<u8> {
        match self.random.below(30) {
            0 => self.odd(),
            1 => beyond.to_string().into_bytes(),
            2 => (-most).to_string().into_bytes(),
            3 => most.to_string().into_bytes(),
            4..20 => format!("{}", self.random.between(-3000, 3000) as f64 / 1000.0).into_bytes(),
            _ => {
                let unit = self.random.between(-100_000, 100_000) as f64 / 100_000.0;
                format!("{}", unit * most).into_bytes()
            }
        }
    }
}

const TEXTS: [&[u8]; 6] = [b"", b"a\x00\xff\r\n", b"OK", b"foo bar", b"\xc3\xa4", b"{tag}x"];
const FLOATS: [&[u8]; 12] = [
    b"3.0e3",
    b"1e-7",
    b"1e21",
    b"-0",
    b"-0.0",
    b"1e308",
    b"0.1",
    b"1e-300",
    b".5",
    b"5.",
    b"0x1p3",
    b"123456789.123456789",
];
const DISTANCES: [&[u8]; 9] = [b"0", b"1", b"50", b"100.5", b"500", b"5000", b"40000", b"-1", b"x"];
const PATTERNS: [&[u8]; 12] = [
    b"*", b"*1*", b"s*", b"m?", b"m[1-5]*", b"[^m]*", b"z\\*", b"", b"*:0", b"m[", b"?", b"**m**2",
];
const BY: [&[u8]; 7] =
    [b"nosort", b"number:*", b"string:*", b"hash:*->m1", b"hash:1->*", b"*", b"none:*"];
const GET: [&[u8]; 7] =
    [b"#", b"number:*", b"hash:*->1", b"*", b"hash:1->m*", b"none*", b"hash:1->*"];
const TYPES: [&[u8]; 6] = [b"string", b"list", b"hash", b"set", b"zset", b"STRING"];
const TIMEOUTS: [&[u8]; 8] = [b"0.01", b"0.001", b"0.01", b"0.02", b"1e-3", b"-1", b"x", b"0.005"];
