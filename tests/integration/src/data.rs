//! Writes of all types, and the same again from the same seed.
//!
//! Keys carry their type in their name, so few commands fail; those that do (nothing to rename, an empty list) fail
//! alike on every server. No key expires while a test runs.

use redis::{Cmd, Connection, ConnectionLike, Pipeline};

/// Databases that [`Writes`] uses, from 0 on.
pub const DATABASES: u64 = 3;
/// Keys of each type and database.
const KEYS: u64 = 24;
/// An expiry that no test lives to see, unix seconds (the year 2100).
const FAR: u64 = 4_102_444_800;

/// A source of writes.
pub struct Writes {
    state: u64,
    /// The time of the next entry of a stream.
    tick: u64,
}

impl Writes {
    /// The writes of `seed`.
    pub fn new(seed: u64) -> Writes {
        Writes { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, tick: 1 }
    }

    /// Sends `count` writes of all types, in pipelines. Commands that the server refuses are none of its business.
    ///
    /// # Panics
    /// When the connection breaks.
    pub fn send(&mut self, connection: &mut Connection, count: usize) {
        let mut left = count;
        while left > 0 {
            let mut pipe = Pipeline::new();
            pipe.cmd("SELECT").arg(self.below(DATABASES));
            for _ in 0..left.min(200) {
                pipe.add_command(self.command());
            }
            left -= left.min(200);
            connection
                .req_packed_commands(&pipe.get_packed_pipeline(), 0, pipe.len())
                .expect("a connection that lasts");
        }
    }

    /// xorshift64*: https://en.wikipedia.org/wiki/Xorshift
    fn next(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn key(&mut self, kind: &str) -> String {
        format!("{kind}:{}", self.below(KEYS))
    }

    /// A member, field or value: mostly short, at times a number, at times long enough to leave packed forms.
    fn text(&mut self) -> String {
        match self.below(20) {
            0 => "x".repeat(65 + self.below(300) as usize),
            1..6 => (self.next() as i32 >> self.below(31)).to_string(),
            _ => format!("m{}", self.below(400)),
        }
    }

    fn command(&mut self) -> Cmd {
        match self.below(14) {
            0..2 => self.string(),
            2..4 => self.list(),
            4..6 => self.hash(),
            6..8 => self.set(),
            8..10 => self.zset(),
            10..12 => self.stream(),
            _ => self.whole_key(),
        }
    }

    fn string(&mut self) -> Cmd {
        let key = self.key("string");
        match self.below(8) {
            0 => command(&["SET", &key, &self.text(), "EXAT", &FAR.to_string()]),
            1 => command(&["APPEND", &key, &self.text()]),
            2 => command(&["SETRANGE", &key, &self.below(50).to_string(), &self.text()]),
            3 => command(&["INCRBY", &self.key("number"), &self.below(1000).to_string()]),
            4 => command(&["INCRBYFLOAT", &self.key("number"), "0.5"]),
            5 => command(&["MSET", &key, &self.text(), &self.key("string"), &self.text()]),
            6 => command(&["GETDEL", &key]),
            _ => command(&["SET", &key, &self.text()]),
        }
    }

    fn list(&mut self) -> Cmd {
        let key = self.key("list");
        match self.below(9) {
            0 => command(&["LPOP", &key]),
            1 => command(&["RPOP", &key, "3"]),
            2 => command(&["LREM", &key, "0", &self.text()]),
            3 => command(&["LINSERT", &key, "BEFORE", &self.text(), &self.text()]),
            4 => command(&["LMOVE", &key, &self.key("list"), "LEFT", "RIGHT"]),
            5 => command(&["LTRIM", &key, "0", "300"]),
            6 => command(&["LSET", &key, "0", &self.text()]),
            7 => command(&["LPUSH", &key, &self.text(), &self.text(), &self.text()]),
            _ => command(&["RPUSH", &key, &self.text(), &self.text(), &self.text()]),
        }
    }

    fn hash(&mut self) -> Cmd {
        let key = self.key("hash");
        match self.below(6) {
            0 => command(&["HDEL", &key, &self.text(), &self.text()]),
            1 => command(&["HINCRBY", &key, &format!("n{}", self.below(5)), "7"]),
            2 => command(&["HINCRBYFLOAT", &key, &format!("f{}", self.below(5)), "0.25"]),
            3 => command(&["HSETNX", &key, &self.text(), &self.text()]),
            _ => command(&["HSET", &key, &self.text(), &self.text(), &self.text(), &self.text()]),
        }
    }

    fn set(&mut self) -> Cmd {
        // Sets of numbers only keep a form of their own.
        let key = self.key("set");
        let numbers = self.key("numbers");
        match self.below(8) {
            0 => command(&["SREM", &key, &self.text()]),
            1 => command(&["SPOP", &key]),
            2 => command(&["SPOP", &key, "4"]),
            3 => command(&["SMOVE", &key, &self.key("set"), &self.text()]),
            4 => command(&["SUNIONSTORE", &key, &self.key("set"), &self.key("set")]),
            5 => command(&["SADD", &numbers, &self.below(100_000).to_string()]),
            _ => command(&["SADD", &key, &self.text(), &self.text(), &self.text()]),
        }
    }

    fn zset(&mut self) -> Cmd {
        let key = self.key("zset");
        let score = (self.below(2000) as f64 - 1000.0) / 8.0;
        match self.below(7) {
            0 => command(&["ZREM", &key, &self.text()]),
            1 => command(&["ZINCRBY", &key, "0.125", &self.text()]),
            2 => command(&["ZPOPMIN", &key, "2"]),
            3 => command(&["ZUNIONSTORE", &key, "2", &key, &self.key("zset"), "AGGREGATE", "MAX"]),
            4 => command(&["ZREMRANGEBYRANK", &key, "200", "-1"]),
            _ => command(&["ZADD", &key, &score.to_string(), &self.text(), "-inf", &self.text()]),
        }
    }

    fn stream(&mut self) -> Cmd {
        let key = self.key("stream");
        let group = format!("g{}", self.below(2));
        let consumer = format!("c{}", self.below(3));
        // An entry of the last few, perhaps of another stream.
        let id = format!("{}-0", self.tick.saturating_sub(self.below(200)));
        self.tick += self.below(3);
        let new = format!("{}-*", self.tick);
        match self.below(16) {
            0 => command(&["XGROUP", "CREATE", &key, &group, "0", "MKSTREAM"]),
            1..4 => {
                let read = ["XREADGROUP", "GROUP", &group, &consumer, "COUNT", "5"];
                command(&[&read[..], &["STREAMS", &key, ">"]].concat())
            }
            4 => {
                let read = ["XREADGROUP", "GROUP", &group, &consumer, "NOACK", "COUNT", "2"];
                command(&[&read[..], &["STREAMS", &key, ">"]].concat())
            }
            5 => command(&["XACK", &key, &group, &id]),
            6 => command(&["XAUTOCLAIM", &key, &group, &consumer, "0", "-", "COUNT", "3"]),
            7 => command(&["XCLAIM", &key, &group, &consumer, "0", &id, "FORCE"]),
            8 => command(&["XDEL", &key, &id]),
            9 => command(&["XTRIM", &key, "MINID", &id]),
            10 => command(&["XADD", &key, "MAXLEN", "~", "150", &new, "f", &self.text()]),
            11 => command(&["XADD", &key, &new, &self.text(), &self.text(), "g", "1"]),
            _ => command(&["XADD", &key, &new, "f", &self.text(), "g", &self.text()]),
        }
    }

    fn whole_key(&mut self) -> Cmd {
        let kinds = ["string", "list", "hash", "set", "zset", "stream"];
        let kind = kinds[self.below(kinds.len() as u64) as usize];
        let key = self.key(kind);
        match self.below(8) {
            0 => command(&["DEL", &key, &self.key("list")]),
            1 => command(&["RENAME", &key, &self.key(kind)]),
            2 => command(&["COPY", &key, &self.key(kind), "REPLACE"]),
            3 => command(&["MOVE", &key, &self.below(DATABASES).to_string()]),
            4 => command(&["PERSIST", &key]),
            5 => command(&["UNLINK", &key]),
            _ => command(&["EXPIREAT", &key, &(FAR + self.below(1000)).to_string()]),
        }
    }
}

/// A command from its words.
pub fn command(words: &[&str]) -> Cmd {
    let mut command = redis::cmd(words[0]);
    for word in &words[1..] {
        command.arg(word);
    }
    command
}
