//! The types of directives that consist of several words or lines.
//!
//! Each reads all its words before it changes anything, so a refused line leaves the old value.
//!
//! # Source
//! - Redis 7.2: order and spelling of what CONFIG GET shows, and the error texts

use super::types::{Value, WRONG_NUMBER, bytes, decimal, not_one_of, with_unit};

/// The words, where one empty word means none at all (`save ""`).
fn unless_blank(words: &[String]) -> &[String] {
    match words {
        [word] if word.is_empty() => &[],
        _ => words,
    }
}

fn join<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(" ")
}

/// The words of one line, where none at all are written as one empty word.
fn one_line(words: Vec<String>) -> Vec<Vec<String>> {
    if words.is_empty() { vec![vec![String::new()]] } else { vec![words] }
}

// ---- bind ---------------------------------------------------------------------------------------

/// Addresses to listen on. A leading `-` means: go on without it if it is not available.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses(
    /// The addresses as written.
    pub Vec<String>,
);

impl Addresses {
    /// The most addresses that `bind` takes (Redis 7.2).
    pub const MAX: usize = 16;

    /// Every address of this host.
    pub fn all() -> Addresses {
        Addresses(vec!["*".into(), "-::*".into()])
    }
}

impl Value for Addresses {
    type Rule = ();
    const SEVERAL_WORDS: bool = true;

    fn read(&mut self, words: &[String], _rule: &(), _append: bool) -> Result<(), String> {
        if words.is_empty() {
            return Err(WRONG_NUMBER.into());
        }
        if words.len() > Self::MAX {
            return Err("Too many bind addresses specified.".into());
        }
        *self = Addresses(unless_blank(words).to_vec());
        Ok(())
    }

    fn show(&self, _rule: &()) -> String {
        self.0.join(" ")
    }

    fn lines(&self, _rule: &()) -> Vec<Vec<String>> {
        one_line(self.0.clone())
    }
}

// ---- save ---------------------------------------------------------------------------------------

/// One rule for automatic snapshots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SavePoint {
    /// More than so many seconds after the last snapshot …
    pub seconds: u64,
    /// … and after at least so many changes.
    pub changes: u64,
}

/// The rules for automatic snapshots; none means that there are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavePoints(
    /// The points in the order in which they were given.
    pub Vec<SavePoint>,
);

impl SavePoints {
    /// What holds when nothing is configured.
    pub fn usual() -> SavePoints {
        let points = [(3600, 1), (300, 100), (60, 10000)];
        SavePoints(points.map(|(seconds, changes)| SavePoint { seconds, changes }).to_vec())
    }
}

impl Value for SavePoints {
    type Rule = ();
    const SEVERAL_WORDS: bool = true;
    const ACCUMULATES: bool = true;

    fn read(&mut self, words: &[String], _rule: &(), append: bool) -> Result<(), String> {
        const TEXT: &str = "Invalid save parameters";
        let words = unless_blank(words);
        let (pairs, rest) = words.as_chunks::<2>();
        let mut points = Vec::with_capacity(pairs.len());
        for [seconds, changes] in pairs {
            let seconds = decimal(seconds).and_then(|n| u64::try_from(n).ok()).ok_or(TEXT)?;
            let changes = decimal(changes).and_then(|n| u64::try_from(n).ok()).ok_or(TEXT)?;
            points.push(SavePoint { seconds, changes });
        }
        if !rest.is_empty() || points.iter().any(|point| point.seconds == 0) {
            return Err(TEXT.into());
        }
        if !append || points.is_empty() {
            self.0.clear();
        }
        self.0.append(&mut points);
        Ok(())
    }

    fn show(&self, _rule: &()) -> String {
        join(self.0.iter().flat_map(|point| [point.seconds, point.changes]))
    }

    fn lines(&self, _rule: &()) -> Vec<Vec<String>> {
        if self.0.is_empty() {
            return one_line(Vec::new());
        }
        self.0.iter().map(|p| vec![p.seconds.to_string(), p.changes.to_string()]).collect()
    }
}

// ---- client-output-buffer-limit -----------------------------------------------------------------

/// When a client that does not read its replies is disconnected. Zeros mean no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputLimit {
    /// At once, beyond so many bytes.
    pub hard_bytes: u64,
    /// Beyond so many bytes …
    pub soft_bytes: u64,
    /// … for so many seconds.
    pub soft_seconds: u64,
}

/// The limits of each class of clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputLimits {
    /// Ordinary clients, MONITOR included.
    pub normal: OutputLimit,
    /// Replicas.
    pub replica: OutputLimit,
    /// Clients with a subscription.
    pub pubsub: OutputLimit,
}

impl OutputLimits {
    /// What holds when nothing is configured.
    pub fn usual() -> OutputLimits {
        let limit = |hard_mb: u64, soft_mb: u64, soft_seconds| OutputLimit {
            hard_bytes: hard_mb << 20,
            soft_bytes: soft_mb << 20,
            soft_seconds,
        };
        OutputLimits {
            normal: limit(0, 0, 0),
            replica: limit(256, 64, 60),
            pubsub: limit(32, 8, 60),
        }
    }

    fn classes(&self) -> [(&'static str, OutputLimit); 3] {
        [("normal", self.normal), ("slave", self.replica), ("pubsub", self.pubsub)]
    }

    /// The name under which a class is shown.
    fn class(word: &str) -> Option<&'static str> {
        match word.to_ascii_lowercase().as_str() {
            "normal" => Some("normal"),
            "slave" | "replica" => Some("slave"),
            "pubsub" => Some("pubsub"),
            _ => None,
        }
    }
}

impl Value for OutputLimits {
    type Rule = ();
    const SEVERAL_WORDS: bool = true;

    fn read(&mut self, words: &[String], _rule: &(), _append: bool) -> Result<(), String> {
        const NUMBERS: &str =
            "Error in hard, soft or soft_seconds setting in buffer limit configuration.";
        let (groups, rest) = words.as_chunks::<4>();
        if groups.is_empty() || !rest.is_empty() {
            return Err("Wrong number of arguments in buffer limit configuration.".into());
        }
        let mut limits = *self;
        for [class, hard, soft, seconds] in groups {
            let place = match Self::class(class) {
                Some("normal") => &mut limits.normal,
                Some("slave") => &mut limits.replica,
                Some("pubsub") => &mut limits.pubsub,
                _ => {
                    let text = "Invalid client class specified in buffer limit configuration.";
                    return Err(text.into());
                }
            };
            let size = |word: &str| bytes(word).and_then(|n| u64::try_from(n).ok()).ok_or(NUMBERS);
            *place = OutputLimit {
                hard_bytes: size(hard)?,
                soft_bytes: size(soft)?,
                soft_seconds: seconds.parse().map_err(|_| NUMBERS)?,
            };
        }
        *self = limits;
        Ok(())
    }

    fn show(&self, _rule: &()) -> String {
        join(self.classes().map(|(class, limit)| {
            format!("{class} {} {} {}", limit.hard_bytes, limit.soft_bytes, limit.soft_seconds)
        }))
    }

    fn lines(&self, _rule: &()) -> Vec<Vec<String>> {
        let line = |(class, limit): (&str, OutputLimit)| {
            vec![
                class.into(),
                with_unit(i128::from(limit.hard_bytes)),
                with_unit(i128::from(limit.soft_bytes)),
                limit.soft_seconds.to_string(),
            ]
        };
        self.classes().map(line).to_vec()
    }

    fn part(words: &[String]) -> String {
        match words {
            [class, _, _, _] => Self::class(class).unwrap_or_default().into(),
            _ => String::new(),
        }
    }
}

// ---- replicaof ----------------------------------------------------------------------------------

/// Where the primary is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrimaryAddress {
    /// Its host name or IP address.
    pub host: String,
    /// Its TCP port.
    pub port: u16,
}

impl Value for Option<PrimaryAddress> {
    type Rule = ();
    const SEVERAL_WORDS: bool = true;

    fn read(&mut self, words: &[String], _rule: &(), _append: bool) -> Result<(), String> {
        let [host, port] = words else {
            return Err(WRONG_NUMBER.into());
        };
        if host.eq_ignore_ascii_case("no") && port.eq_ignore_ascii_case("one") {
            *self = None;
            return Ok(());
        }
        let port = decimal(port).and_then(|port| u16::try_from(port).ok());
        let port = port.ok_or("Invalid master port")?;
        *self = Some(PrimaryAddress { host: host.clone(), port });
        Ok(())
    }

    fn show(&self, _rule: &()) -> String {
        self.as_ref()
            .map_or_else(String::new, |primary| format!("{} {}", primary.host, primary.port))
    }

    fn lines(&self, _rule: &()) -> Vec<Vec<String>> {
        self.iter().map(|primary| vec![primary.host.clone(), primary.port.to_string()]).collect()
    }
}

// ---- notify-keyspace-events ---------------------------------------------------------------------

/// Which events are published: a set of the letters `g$lshzxetdnKEm`, where `A` means the first ten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeyspaceEvents(u16);

impl KeyspaceEvents {
    /// The letters in the order in which they are shown; a letter's index is its bit.
    const LETTERS: &'static [u8] = b"g$lshzxetdnKEm";
    /// Those that `A` stands for: the first ten.
    const ALL: u16 = (1 << 10) - 1;

    /// Whether the event or channel type of this letter is on. `A` asks for all ten types.
    pub fn has(self, letter: u8) -> bool {
        let wanted = Self::bits(letter).expect("a letter of notify-keyspace-events");
        self.0 & wanted == wanted
    }

    fn bits(letter: u8) -> Option<u16> {
        match letter {
            b'A' => Some(Self::ALL),
            _ => Self::LETTERS.iter().position(|known| *known == letter).map(|index| 1 << index),
        }
    }
}

impl Value for KeyspaceEvents {
    type Rule = ();

    fn read(&mut self, words: &[String], _rule: &(), _append: bool) -> Result<(), String> {
        let [word] = words else {
            return Err(WRONG_NUMBER.into());
        };
        let mut flags = 0;
        for letter in word.bytes() {
            flags |= Self::bits(letter)
                .ok_or("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")?;
        }
        *self = KeyspaceEvents(flags);
        Ok(())
    }

    /// Unlike Redis 7.2 this shows `n` beside `A` too: without it CONFIG REWRITE would lose it.
    fn show(&self, _rule: &()) -> String {
        let mut text = String::new();
        let mut rest = self.0;
        if self.has(b'A') {
            text.push('A');
            rest &= !Self::ALL;
        }
        for (index, letter) in Self::LETTERS.iter().enumerate() {
            if rest & (1 << index) != 0 {
                text.push(char::from(*letter));
            }
        }
        text
    }
}

// ---- shutdown-on-sigint, shutdown-on-sigterm ----------------------------------------------------

/// How a signal shuts the server down. All false means: save if there are save points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ShutdownFlags {
    /// Save even without save points.
    pub save: bool,
    /// Do not save even with save points.
    pub nosave: bool,
    /// Do not wait for replicas that lag behind.
    pub now: bool,
    /// Ignore what would prevent the shutdown.
    pub force: bool,
}

impl ShutdownFlags {
    fn words(self) -> Vec<String> {
        let flags = [
            (self.save, "save"),
            (self.nosave, "nosave"),
            (self.now, "now"),
            (self.force, "force"),
        ];
        let words: Vec<String> =
            flags.iter().filter(|(set, _)| *set).map(|(_, word)| (*word).into()).collect();
        if words.is_empty() { vec!["default".into()] } else { words }
    }
}

impl Value for ShutdownFlags {
    type Rule = ();
    const SEVERAL_WORDS: bool = true;

    fn read(&mut self, words: &[String], _rule: &(), _append: bool) -> Result<(), String> {
        let refuse = || not_one_of(["default", "save", "nosave", "now", "force"].into_iter());
        let mut flags = ShutdownFlags::default();
        if words.is_empty() {
            return Err(refuse());
        }
        for word in words {
            match word.to_ascii_lowercase().as_str() {
                "default" => {}
                "save" => flags.save = true,
                "nosave" => flags.nosave = true,
                "now" => flags.now = true,
                "force" => flags.force = true,
                _ => return Err(refuse()),
            }
        }
        if flags.save && flags.nosave {
            return Err("shutdown options SAVE and NOSAVE can't be used simultaneously".into());
        }
        *self = flags;
        Ok(())
    }

    fn show(&self, _rule: &()) -> String {
        self.words().join(" ")
    }

    fn lines(&self, _rule: &()) -> Vec<Vec<String>> {
        vec![self.words()]
    }
}

// ---- oom-score-adj-values -----------------------------------------------------------------------

/// The `oom_score_adj` of a primary, a replica and a background child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OomScores {
    /// While this is a primary.
    pub primary: i32,
    /// While this is a replica.
    pub replica: i32,
    /// For child processes.
    pub child: i32,
}

impl OomScores {
    /// What holds when nothing is configured.
    pub fn usual() -> OomScores {
        OomScores { primary: 0, replica: 200, child: 800 }
    }
}

impl Value for OomScores {
    type Rule = ();
    const SEVERAL_WORDS: bool = true;

    fn read(&mut self, words: &[String], _rule: &(), _append: bool) -> Result<(), String> {
        let [primary, replica, child] = words else {
            return Err(WRONG_NUMBER.into());
        };
        let score = |word: &str| {
            let number = decimal(word).and_then(|number| i32::try_from(number).ok());
            number
                .filter(|number| (-2000..=2000).contains(number))
                .ok_or("Invalid oom-score-adj-values, elements must be between -2000 and 2000.")
        };
        *self =
            OomScores { primary: score(primary)?, replica: score(replica)?, child: score(child)? };
        Ok(())
    }

    fn show(&self, _rule: &()) -> String {
        join([self.primary, self.replica, self.child])
    }

    fn lines(&self, _rule: &()) -> Vec<Vec<String>> {
        vec![vec![self.primary.to_string(), self.replica.to_string(), self.child.to_string()]]
    }
}

// ---- latency-tracking-info-percentiles ----------------------------------------------------------

/// Percentiles that INFO shows for each command.
#[derive(Debug, Clone, PartialEq)]
pub struct Percentiles(
    /// From 0 to 100 each.
    pub Vec<f64>,
);

impl Percentiles {
    /// What holds when nothing is configured.
    pub fn usual() -> Percentiles {
        Percentiles(vec![50.0, 99.0, 99.9])
    }
}

impl Value for Percentiles {
    type Rule = ();
    const SEVERAL_WORDS: bool = true;

    fn read(&mut self, words: &[String], _rule: &(), _append: bool) -> Result<(), String> {
        let mut percentiles = Vec::new();
        for word in unless_blank(words) {
            let number: f64 =
                word.parse().map_err(|_| "Invalid latency-tracking-info-percentiles parameters")?;
            if !(0.0..=100.0).contains(&number) {
                let text =
                    "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]";
                return Err(text.into());
            }
            percentiles.push(number);
        }
        *self = Percentiles(percentiles);
        Ok(())
    }

    fn show(&self, _rule: &()) -> String {
        join(&self.0)
    }

    fn lines(&self, _rule: &()) -> Vec<Vec<String>> {
        one_line(self.0.iter().map(f64::to_string).collect())
    }
}
