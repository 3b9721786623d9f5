//! The simple types of directives: switches, numbers, choices and texts.
//!
//! Every field of [`Settings`](super::Settings) has a type that knows how to read itself from the
//! words of a line, how CONFIG GET shows it, and which lines a configuration file needs for it. What
//! differs between two directives of the same type (bounds, units, forbidden values) is the type's
//! *rule*, written in the table beside the directive. Keeping the rule out of the type lets most
//! fields be plain `bool`, `u32` or `String`, which the rest of the server can use as they are.
//!
//! # Not here
//! - types made of several words (`save`, `bind`, …): `compound`
//!
//! # Source
//! - error texts: Redis 7.2, which clients and test suites compare

/// A type that a directive can have.
pub trait Value: Clone + PartialEq {
    /// What distinguishes directives of this type: bounds, units, refused values.
    type Rule;

    /// Whether the value consists of several words. If so, one word with blanks inside is split.
    const SEVERAL_WORDS: bool = false;

    /// Whether further lines of a file add to the earlier ones; otherwise the last one wins.
    const ACCUMULATES: bool = false;

    /// Takes the value from `words`; on failure nothing is changed and the text says why.
    /// `append` is set when the same file or command line has already set this directive.
    fn read(&mut self, words: &[String], rule: &Self::Rule, append: bool) -> Result<(), String>;

    /// The value as CONFIG GET shows it.
    fn show(&self, rule: &Self::Rule) -> String;

    /// The words after the directive's name, for each line that a file needs to say this value.
    fn lines(&self, rule: &Self::Rule) -> Vec<Vec<String>> {
        vec![vec![self.show(rule)]]
    }

    /// Names the part of the value that a line with these words sets, if lines set parts.
    fn part(_words: &[String]) -> String {
        String::new()
    }
}

/// The text for a directive with too few or too many words.
pub(super) const WRONG_NUMBER: &str = "wrong number of arguments";

/// The only word, for types of one word.
fn single(words: &[String]) -> Result<&str, String> {
    match words {
        [word] => Ok(word),
        _ => Err(WRONG_NUMBER.into()),
    }
}

// ---- yes and no ---------------------------------------------------------------------------------

/// The rule of a `yes`/`no` directive.
#[derive(Debug, Clone, Copy)]
pub enum Switch {
    /// Both values are accepted.
    Either,
    /// Only `no` is accepted; the text explains it to who tries `yes`.
    OnlyNo(&'static str),
}

impl Value for bool {
    type Rule = Switch;

    fn read(&mut self, words: &[String], rule: &Switch, _append: bool) -> Result<(), String> {
        let word = single(words)?;
        let value = if word.eq_ignore_ascii_case("yes") {
            true
        } else if word.eq_ignore_ascii_case("no") {
            false
        } else {
            return Err("argument must be 'yes' or 'no'".into());
        };
        if let (true, Switch::OnlyNo(reason)) = (value, rule) {
            return Err((*reason).into());
        }
        *self = value;
        Ok(())
    }

    fn show(&self, _rule: &Switch) -> String {
        if *self { "yes".into() } else { "no".into() }
    }
}

// ---- numbers ------------------------------------------------------------------------------------

/// The rule of a numeric directive: its bounds, both inclusive, and how it is written.
#[derive(Debug, Clone, Copy)]
pub struct Number {
    min: i128,
    max: i128,
    form: Form,
}

#[derive(Debug, Clone, Copy)]
enum Form {
    Plain,
    Octal,
    Memory,
    /// Any number from zero is accepted and brought within the bounds.
    Clamped,
    /// Only zero is accepted, for the reason given.
    OnlyZero(&'static str),
}

/// The most bytes of a client's unfinished requests, or of an argument, that can be configured: 8 MiB below the 4 GiB that the
/// parser and the append-only file have room for, as limits are looked at when something has been read.
pub const REQUEST_MAX: i128 = (4096 - 8) << 20;
const _: () = assert!(
    REQUEST_MAX as usize + crate::wire::input::READ_MAX < protocol::resp::request::BUFFER_MAX
);

/// A decimal number from `min` to `max`.
pub const fn within(min: i128, max: i128) -> Number {
    Number { min, max, form: Form::Plain }
}

/// An octal number from `min` to `max`, such as a file's mode.
pub const fn octal(min: i128, max: i128) -> Number {
    Number { min, max, form: Form::Octal }
}

/// A count of bytes with an optional unit, from `min` to `max` bytes.
pub const fn memory(min: i128, max: i128) -> Number {
    Number { min, max, form: Form::Memory }
}

/// A decimal number that is brought within `min` to `max` instead of being refused.
pub const fn clamped(min: i128, max: i128) -> Number {
    Number { min, max, form: Form::Clamped }
}

/// A number of which only zero is accepted, for the reason given.
pub const fn only_zero(reason: &'static str) -> Number {
    Number { min: 0, max: 0, form: Form::OnlyZero(reason) }
}

/// The largest value of directives that Redis holds in a C `int`.
pub const INT: i128 = i32::MAX as i128;
/// … in a C `unsigned int`.
pub const UINT: i128 = u32::MAX as i128;
/// … in a C `long`.
pub const LONG: i128 = i64::MAX as i128;
/// … in a C `unsigned long`.
pub const ULONG: i128 = u64::MAX as i128;

impl Number {
    fn check(&self, word: &str) -> Result<i128, String> {
        let number = match self.form {
            Form::Memory => bytes(word).ok_or("argument must be a memory value")?,
            Form::Octal => {
                octal_digits(word).ok_or("argument couldn't be parsed as an octal number")?
            }
            Form::Plain | Form::Clamped | Form::OnlyZero(_) => {
                decimal(word).ok_or("argument couldn't be parsed into an integer")?
            }
        };
        let (min, max) = match self.form {
            Form::Clamped => (0, INT),
            _ => (self.min, self.max),
        };
        if (min..=max).contains(&number) {
            return Ok(number.clamp(self.min, self.max));
        }
        Err(match self.form {
            Form::OnlyZero(reason) => reason.into(),
            Form::Octal => format!("argument must be between {min:o} and {max:o} inclusive"),
            _ => format!("argument must be between {min} and {max} inclusive"),
        })
    }

    fn write(&self, number: i128) -> String {
        match self.form {
            Form::Octal => format!("{number:o}"),
            _ => number.to_string(),
        }
    }

    fn write_in_file(&self, number: i128) -> String {
        match self.form {
            Form::Memory => with_unit(number),
            _ => self.write(number),
        }
    }
}

/// A decimal number as Redis's strict reader takes it: no `+`, no leading zeros, no blanks.
pub(super) fn decimal(word: &str) -> Option<i128> {
    let number: i64 = word.parse().ok()?;
    (number.to_string() == word).then_some(i128::from(number))
}

/// A count of bytes with one of the units `b k kb m mb g gb`, where `k` is 1000 and `kb` 1024.
pub(crate) fn bytes(word: &str) -> Option<i128> {
    let (digits, unit) =
        word.split_at(word.find(|c: char| !c.is_ascii_digit()).unwrap_or(word.len()));
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" => 1_000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor).map(i128::from)
}

/// The shortest form of a count of bytes: `100mb` instead of `104857600`.
pub(super) fn with_unit(number: i128) -> String {
    let units = [(1 << 30, "gb"), (1 << 20, "mb"), (1 << 10, "kb")];
    match units.into_iter().find(|(size, _)| number != 0 && number % size == 0) {
        Some((size, unit)) => format!("{}{unit}", number / size),
        None => number.to_string(),
    }
}

fn octal_digits(word: &str) -> Option<i128> {
    let all_digits = !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit());
    if all_digits { i64::from_str_radix(word, 8).ok().map(i128::from) } else { None }
}

macro_rules! number_types {
    ($($ty:ty),*) => {$(
        impl Value for $ty {
            type Rule = Number;

            fn read(&mut self, words: &[String], rule: &Number, _append: bool) -> Result<(), String> {
                let number = rule.check(single(words)?)?;
                *self = <$ty>::try_from(number).expect("the table's bounds fit the field's type");
                Ok(())
            }

            fn show(&self, rule: &Number) -> String {
                rule.write(*self as i128)
            }

            fn lines(&self, rule: &Number) -> Vec<Vec<String>> {
                vec![vec![rule.write_in_file(*self as i128)]]
            }
        }
    )*};
}

number_types!(u16, u32, u64, usize, i32, i64);

/// A limit in bytes or in hundredths of `maxmemory`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryOrPercent {
    /// So many bytes; 0 means no limit.
    Bytes(u64),
    /// So many hundredths of `maxmemory`, 0 to 100.
    Percent(u8),
}

impl Value for MemoryOrPercent {
    type Rule = ();

    fn read(&mut self, words: &[String], _rule: &(), _append: bool) -> Result<(), String> {
        const TEXT: &str = "argument must be a memory or percent value";
        let word = single(words)?;
        *self = match word.strip_suffix('%') {
            Some(digits) => match decimal(digits).ok_or(TEXT)? {
                percent @ 0..=100 => MemoryOrPercent::Percent(percent as u8),
                101.. => return Err("percentage argument must be less or equal to 100".into()),
                _ => return Err(TEXT.into()),
            },
            None => match bytes(word).ok_or(TEXT)? {
                size if size <= LONG => MemoryOrPercent::Bytes(size as u64),
                _ => return Err(format!("argument must be between -100 and {LONG} inclusive")),
            },
        };
        Ok(())
    }

    fn show(&self, _rule: &()) -> String {
        match self {
            MemoryOrPercent::Bytes(size) => size.to_string(),
            MemoryOrPercent::Percent(percent) => format!("{percent}%"),
        }
    }

    fn lines(&self, rule: &()) -> Vec<Vec<String>> {
        vec![vec![match self {
            MemoryOrPercent::Bytes(size) => with_unit(i128::from(*size)),
            MemoryOrPercent::Percent(_) => self.show(rule),
        }]]
    }
}

// ---- choices ------------------------------------------------------------------------------------

/// The text for a word that is none of `words`.
pub(super) fn not_one_of<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<&str> = words.collect();
    format!("argument(s) must be one of the following: {}", words.join(", "))
}

/// Declares enums whose variants have names in the file. The first name of a variant is shown.
macro_rules! choices {
    ($(
        $(#[$doc:meta])*
        $name:ident { $( $(#[$variant_doc:meta])* $variant:ident = $first:literal $(| $more:literal)* ),* $(,)? }
    )*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $( $(#[$variant_doc])* $variant, )*
        }

        impl $name {
            /// Every accepted word with its meaning, in the order in which errors list them.
            pub const WORDS: &'static [(&'static str, $name)] =
                &[$( ($first, $name::$variant), $( ($more, $name::$variant), )* )*];

            /// The word for this value.
            pub fn name(self) -> &'static str {
                match self { $( $name::$variant => $first, )* }
            }
        }

        impl Value for $name {
            type Rule = ();

            fn read(&mut self, words: &[String], _rule: &(), _append: bool) -> Result<(), String> {
                let word = single(words)?;
                let found = Self::WORDS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
                match found {
                    Some((_, value)) => *self = *value,
                    None => return Err(not_one_of(Self::WORDS.iter().map(|(name, _)| *name))),
                }
                Ok(())
            }

            fn show(&self, _rule: &()) -> String {
                self.name().into()
            }
        }
    )*};
}

choices! {
    /// What is evicted when `maxmemory` is reached.
    EvictionPolicy {
        /// Keys with a time to live, least recently used first.
        VolatileLru = "volatile-lru",
        /// Keys with a time to live, least frequently used first.
        VolatileLfu = "volatile-lfu",
        /// Keys with a time to live, by chance.
        VolatileRandom = "volatile-random",
        /// Keys with a time to live, shortest first.
        VolatileTtl = "volatile-ttl",
        /// Any key, least recently used first.
        AllKeysLru = "allkeys-lru",
        /// Any key, least frequently used first.
        AllKeysLfu = "allkeys-lfu",
        /// Any key, by chance.
        AllKeysRandom = "allkeys-random",
        /// Nothing: commands that need memory are refused.
        NoEviction = "noeviction",
    }

    /// The facility that messages to syslog carry.
    SyslogFacility {
        /// `user`
        User = "user",
        /// `local0`
        Local0 = "local0",
        /// `local1`
        Local1 = "local1",
        /// `local2`
        Local2 = "local2",
        /// `local3`
        Local3 = "local3",
        /// `local4`
        Local4 = "local4",
        /// `local5`
        Local5 = "local5",
        /// `local6`
        Local6 = "local6",
        /// `local7`
        Local7 = "local7",
    }

    /// How much is logged.
    LogLevel {
        /// Everything, for development.
        Debug = "debug",
        /// Details that are rarely useful.
        Verbose = "verbose",
        /// What an operator wants to know.
        Notice = "notice",
        /// Only what needs attention.
        Warning = "warning",
        /// Nothing at all.
        Nothing = "nothing",
    }

    /// Which service manager is told when the server is ready.
    Supervision {
        /// Upstart, by stopping oneself.
        Upstart = "upstart",
        /// Systemd, by its notification socket.
        Systemd = "systemd",
        /// Whichever the environment points to.
        Auto = "auto",
        /// None.
        No = "no",
    }

    /// When the append-only file is flushed to disk.
    AppendFsync {
        /// Once a second.
        EverySecond = "everysec",
        /// Before any reply to a write.
        Always = "always",
        /// When the operating system likes.
        No = "no",
    }

    /// Whether a replica loads a full sync straight from the socket.
    DisklessLoad {
        /// Never: the snapshot goes through a file.
        Disabled = "disabled",
        /// If there is nothing to lose.
        OnEmptyDb = "on-empty-db",
        /// Into new databases, the old ones serving reads meanwhile.
        SwapDb = "swapdb",
    }

    /// How the process's `oom_score_adj` is set.
    OomScoreAdjustment {
        /// Not at all.
        No = "no",
        /// Relative to the value at start.
        Relative = "yes" | "relative",
        /// To the very values given.
        Absolute = "absolute",
    }

    /// The channels that a new ACL user may use.
    PubsubDefault {
        /// All of them.
        AllChannels = "allchannels",
        /// None of them.
        ResetChannels = "resetchannels",
    }

    /// Whether values from RESTORE and full syncs are verified deeply.
    SanitizePayload {
        /// Never.
        No = "no",
        /// Always.
        Yes = "yes",
        /// Only from connections that are neither the primary's nor exempt by ACL.
        Clients = "clients",
    }

    /// Who may do something dangerous.
    Permission {
        /// Nobody.
        No = "no",
        /// Everybody.
        Yes = "yes",
        /// Connections from this host.
        Local = "local",
    }

    /// How nodes of a cluster prefer to be addressed.
    EndpointType {
        /// By IP address.
        Ip = "ip",
        /// By host name.
        Hostname = "hostname",
        /// By the address the client already uses.
        UnknownEndpoint = "unknown-endpoint",
    }

    /// What a replica does when a command of its primary, or of an append-only file, fails.
    PropagationError {
        /// Log it and go on.
        Ignore = "ignore",
        /// Stop the process.
        Panic = "panic",
        /// Stop the process if it is a replica.
        PanicOnReplicas = "panic-on-replicas",
    }
}

impl Permission {
    /// Whether a connection may, which is from this host if `local`.
    pub fn allows(self, local: bool) -> bool {
        match self {
            Permission::No => false,
            Permission::Yes => true,
            Permission::Local => local,
        }
    }
}

// ---- texts --------------------------------------------------------------------------------------

/// The rule of a text: why it is refused, if it is.
pub type TextRule = fn(&str) -> Result<(), &'static str>;

impl Value for String {
    type Rule = TextRule;

    fn read(&mut self, words: &[String], rule: &TextRule, _append: bool) -> Result<(), String> {
        let word = single(words)?;
        rule(word)?;
        *self = word.into();
        Ok(())
    }

    fn show(&self, _rule: &TextRule) -> String {
        self.clone()
    }
}

/// Accepts any text, also the empty one.
pub fn any(_text: &str) -> Result<(), &'static str> {
    Ok(())
}

/// Accepts `dbfilename`: a name without directories.
pub fn snapshot_name(text: &str) -> Result<(), &'static str> {
    if is_path(text) { Err("dbfilename can't be a path, just a filename") } else { Ok(()) }
}

/// Accepts `appendfilename`: a name without directories, not empty.
pub fn append_file_name(text: &str) -> Result<(), &'static str> {
    match text {
        "" => Err("appendfilename can't be empty"),
        _ if is_path(text) => Err("appendfilename can't be a path, just a filename"),
        _ => Ok(()),
    }
}

/// Accepts `appenddirname`: a name of one directory, not empty.
pub fn append_dir_name(text: &str) -> Result<(), &'static str> {
    match text {
        "" => Err("appenddirname can't be empty"),
        _ if is_path(text) => Err("appenddirname can't be a path, just a dirname"),
        _ => Ok(()),
    }
}

/// `.` and `..` are paths too: a snapshot renamed onto a directory would only fail at the end.
fn is_path(text: &str) -> bool {
    text.contains('/') || text == "." || text == ".."
}

/// Accepts `proc-title-template`: only known names in braces.
pub fn title_template(text: &str) -> Result<(), &'static str> {
    const TEXT: &str = "template format is invalid or contains unknown variables";
    const NAMES: [&str; 7] =
        ["title", "listen-addr", "server-mode", "port", "tls-port", "unixsocket", "config-file"];
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('{') {
        let (name, tail) = after.split_once('}').ok_or(TEXT)?;
        if !NAMES.contains(&name) {
            return Err(TEXT);
        }
        rest = tail;
    }
    Ok(())
}
