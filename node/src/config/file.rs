//! Configuration files and the command line.
//!
//! The options of the command line are turned into lines of a file and read after it, as Redis does
//! it, so both follow the same rules and report errors in the same block:
//!
//! ```text
//!   redis.conf        --port 7000 --save "" --bind 127.0.0.1 ::1
//!   ──────────        ──────────────────────────────────────────
//!   port 6379         port "7000"
//!   save 900 1        save ""
//!   include x.conf    bind "127.0.0.1" "::1"
//! ```
//!
//! # Invariants
//! - a later line wins; `save` adds to the earlier ones, but its first line replaces the default
//!
//! # Not here
//! - `-`, the configuration from standard input, is refused
//! - `user` lines are handed on as words: the engine's ACL knows what they mean

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::table::{Row, Settings};
use crate::version::REDIS_VERSION;
use backup::files::{FileError, Files};
use engine::acl::lines;
use engine::acl::rules::Ground;
use engine::names::{Names, Renamed};

/// How deep files may include each other; a file that includes itself ends here.
const MAX_INCLUDE_DEPTH: usize = 16;
/// The longest file that is read, in bytes.
const FILE_MAX: u64 = 64 << 20;

/// Lines of a file that set no directive, and what they do.
pub(super) const LINES: &[(&str, &str)] = &[
    ("include", "reads another file in this place"),
    ("loadmodule", "refused: modules are not supported"),
    ("rename-command", "gives a command another name for clients, or takes it away"),
    ("sentinel", "refused: this is no sentinel"),
    ("user", "makes a user"),
];

/// Directives of Redis that are refused, and why. A plain build of Redis does not have them either.
pub(super) const REFUSED: &[(&str, &str)] = &[
    ("client-default-resp", "requests and replies are not recorded"),
    ("tls-auth-clients", TLS),
    ("tls-ca-cert-dir", TLS),
    ("tls-ca-cert-file", TLS),
    ("tls-cert-file", TLS),
    ("tls-ciphers", TLS),
    ("tls-ciphersuites", TLS),
    ("tls-client-cert-file", TLS),
    ("tls-client-key-file", TLS),
    ("tls-client-key-file-pass", TLS),
    ("tls-dh-params-file", TLS),
    ("tls-key-file", TLS),
    ("tls-key-file-pass", TLS),
    ("tls-prefer-server-ciphers", TLS),
    ("tls-protocols", TLS),
    ("tls-session-cache-size", TLS),
    ("tls-session-cache-timeout", TLS),
    ("tls-session-caching", TLS),
];
const TLS: &str = "TLS is not supported";

/// What a file and a command line say.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The values of all directives.
    pub settings: Settings,
    /// The file's absolute path, which stays right after a change of directory.
    pub file: Option<PathBuf>,
    /// The words after `user` of each ACL user's line, in order.
    pub users: Vec<Vec<String>>,
    /// What clients may call commands, if a line says so.
    pub names: Option<Names>,
    /// What is to be known of some lines, for the log.
    pub advice: Vec<String>,
}

/// Why the server cannot start with this configuration.
#[derive(Debug)]
pub enum ConfigError {
    /// A file could not be read.
    Read {
        /// The path as it was written.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
    /// A line was refused.
    Line {
        /// The file, or none for the command line.
        file: Option<PathBuf>,
        /// The line of the file, or the how-manieth option, from 1.
        number: usize,
        /// The line without surrounding blanks.
        line: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::Read { path, error } => {
                write!(f, "Fatal error, can't open config file '{}': {error}", path.display())
            }
            ConfigError::Line { file, number, line, reason } => {
                writeln!(f, "\n*** FATAL CONFIG FILE ERROR (Redis {REDIS_VERSION}) ***")?;
                write!(f, "Reading the configuration file, at line {number}")?;
                match file {
                    Some(path) => writeln!(f, " of {}", path.display())?,
                    None => writeln!(f, " of the command line's options")?,
                }
                writeln!(f, ">>> '{line}'")?;
                write!(f, "{reason}")
            }
        }
    }
}

impl std::error::Error for ConfigError {}

impl ConfigError {
    /// The same in one line: `redis.conf:12: 'port many': argument couldn't be parsed into an integer`.
    pub fn brief(&self) -> String {
        match self {
            ConfigError::Read { path, error } => format!("{}: {error}", path.display()),
            ConfigError::Line { file, number, line, reason } => match file {
                Some(path) => format!("{}:{number}: '{line}': {reason}", path.display()),
                None => format!("option {number}: '{line}': {reason}"),
            },
        }
    }
}

impl Settings {
    /// Reads a whole command line without the program's name: `[FILE] [--name value …]`.
    pub fn from_command_line(files: &Files, args: &[String]) -> Result<Loaded, ConfigError> {
        let (file, options) = file_and_options(args);
        Settings::load(files, file, options)
    }

    /// Reads the file, if there is one, and then the options after it on the command line.
    pub fn load(
        files: &Files,
        file: Option<&Path>,
        args: &[String],
    ) -> Result<Loaded, ConfigError> {
        Reader::new(files).all(file, args)
    }

    /// The same without stopping at what is wrong: what the rest says, and all that is wrong, in order.
    pub fn examine(files: &Files, args: &[String]) -> (Loaded, Vec<ConfigError>) {
        let (file, options) = file_and_options(args);
        let mut reader = Reader { wrong: Some(Vec::new()), ..Reader::new(files) };
        let loaded = reader.all(file, options).expect("what is wrong is kept");
        (loaded, reader.wrong.unwrap_or_default())
    }
}

/// The words of a command line: `[FILE] [--name value …]`.
fn file_and_options(args: &[String]) -> (Option<&Path>, &[String]) {
    match args {
        [file, options @ ..] if !file.starts_with('-') => (Some(Path::new(file)), options),
        _ => (None, args),
    }
}

/// What has been read so far.
struct Reader<'a> {
    files: &'a Files,
    settings: Settings,
    /// The directives that were set, by their names in the table.
    seen: BTreeSet<&'static str>,
    users: Vec<Vec<String>>,
    names: Option<Names>,
    advice: Vec<String>,
    /// What is wrong, if reading goes on behind it.
    wrong: Option<Vec<ConfigError>>,
}

/// Why a line was refused: itself, or something in a file that it includes.
enum Refusal {
    Here(String),
    Included(ConfigError),
}

impl Refusal {
    fn at(self, file: Option<&Path>, number: usize, line: &str) -> ConfigError {
        match self {
            Refusal::Here(reason) => ConfigError::Line {
                file: file.map(Path::to_path_buf),
                number,
                line: line.trim().into(),
                reason,
            },
            Refusal::Included(error) => error,
        }
    }
}

impl From<&str> for Refusal {
    fn from(reason: &str) -> Refusal {
        Refusal::Here(reason.into())
    }
}

impl Reader<'_> {
    fn new(files: &Files) -> Reader<'_> {
        Reader {
            files,
            settings: Settings::default(),
            seen: BTreeSet::new(),
            users: Vec::new(),
            names: None,
            advice: Vec::new(),
            wrong: None,
        }
    }

    fn all(&mut self, file: Option<&Path>, args: &[String]) -> Result<Loaded, ConfigError> {
        if let Some(path) = file {
            self.file(path, 0)?;
        }
        for (index, line) in option_lines(args).iter().enumerate() {
            let done = self.line(line.as_bytes(), 0);
            self.note(done.map_err(|refusal| refusal.at(None, index + 1, line)))?;
        }
        let (settings, users) = (self.settings.clone(), std::mem::take(&mut self.users));
        let (names, advice) = (self.names.take(), std::mem::take(&mut self.advice));
        Ok(Loaded { settings, file: file.map(Path::to_path_buf), users, names, advice })
    }

    /// Keeps what is wrong if reading goes on behind it.
    fn note(&mut self, done: Result<(), ConfigError>) -> Result<(), ConfigError> {
        match (&mut self.wrong, done) {
            (Some(wrong), Err(error)) => wrong.push(error),
            (_, done) => return done,
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, depth: usize) -> Result<(), ConfigError> {
        let text = self.files.read_small(path, FILE_MAX);
        let text = match text.map_err(|error| unread(path, error)) {
            Ok(text) => text,
            Err(error) => return self.note(Err(error)),
        };
        for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let done = self.line(line, depth);
            self.note(done.map_err(|refusal| {
                refusal.at(Some(path), index + 1, &String::from_utf8_lossy(line))
            }))?;
        }
        Ok(())
    }

    /// Obeys one line of a file that was included through `depth` others.
    fn line(&mut self, line: &[u8], depth: usize) -> Result<(), Refusal> {
        let line = line.trim_ascii();
        if line.is_empty() || line[0] == b'#' {
            return Ok(());
        }
        let words = split_words(line).ok_or("Unbalanced quotes in configuration line")?;
        let words: Result<Vec<String>, _> = words.into_iter().map(String::from_utf8).collect();
        let words = words.map_err(|_| "The line is not valid UTF-8")?;
        let Some((name, values)) = words.split_first() else {
            return Ok(());
        };
        if let Some(row) = Row::find(name) {
            let append = !self.seen.insert(row.name);
            return row.assign(&mut self.settings, values, append).map_err(Refusal::Here);
        }
        match (name.to_ascii_lowercase().as_str(), values) {
            ("include", [path]) => self.include(path, depth + 1),
            ("user", [user, ..]) => {
                if self.users.iter().any(|known| known[0] == *user) {
                    return Err(Refusal::Here(format!(
                        "Error in user declaration '{user}': Duplicate user found. A user can only be defined once in config files"
                    )));
                }
                // What `acl-pubsub-default` is in the end is not known yet, and changes no rule into a wrong one.
                let ground = Ground { table: engine::family::table(), all_channels: false };
                lines::configured(values, ground).map_err(Refusal::Here)?;
                self.users.push(values.to_vec());
                Ok(())
            }
            ("rename-command", [old, new]) => {
                self.rename(old, new)?;
                Ok(())
            }
            ("loadmodule", _) => Err("modules are not supported".into()),
            ("sentinel", _) => Err("sentinel directive while not in sentinel mode".into()),
            (name, _) => match REFUSED.iter().find(|(known, _)| *known == name) {
                Some((_, why)) => Err((*why).into()),
                None => Err("Bad directive or wrong number of arguments".into()),
            },
        }
    }

    /// Lets clients find a command under another name.
    fn rename(&mut self, old: &str, new: &str) -> Result<(), Refusal> {
        let names = self.names.get_or_insert_with(|| Names::of(engine::family::table()));
        let renamed = names.rename(old.as_bytes(), new.as_bytes())?;
        let line = format!("'rename-command {old} {new}'");
        if renamed == Renamed::NotThere && !new.is_empty() {
            let text = format!(
                "WARNING The directive {line} has no effect: this version does not have the command."
            );
            self.advice.push(text);
        }
        let own = engine::family::table().find(new.as_bytes());
        if own
            .is_some_and(|own| names.find(new.as_bytes()).is_none_or(|spec| spec.name != own.name))
        {
            self.advice.push(format!(
                "WARNING {line}: '{new}' is another command's own name. A file or a primary of Redis that says it would be \
                 misunderstood."
            ));
        }
        Ok(())
    }

    /// Reads the files that a path means, in the order of their names if it has wildcards.
    fn include(&mut self, path: &str, depth: usize) -> Result<(), Refusal> {
        if depth > MAX_INCLUDE_DEPTH {
            let text = format!("files include each other more than {MAX_INCLUDE_DEPTH} deep");
            return Err(Refusal::Here(text));
        }
        for path in expand(self.files, Path::new(path)).map_err(Refusal::Included)? {
            self.file(&path, depth).map_err(Refusal::Included)?;
        }
        Ok(())
    }
}

/// The existing files that match a path with `*` or `?` in its last part; any other path itself.
fn expand(files: &Files, path: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    let pattern = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let Some(pattern) = pattern.filter(|name| name.contains(['*', '?'])) else {
        return Ok(vec![path.into()]);
    };
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    let mut found = Vec::new();
    for name in files.list(parent).map_err(|error| unread(path, error))? {
        let text = name.to_string_lossy();
        let hidden = text.starts_with('.') && !pattern.starts_with('.');
        if !hidden && wildcard(pattern.as_bytes(), text.as_bytes()) {
            found.push(parent.join(&name));
        }
    }
    found.sort();
    Ok(found)
}

fn unread(path: &Path, error: FileError) -> ConfigError {
    ConfigError::Read { path: path.into(), error: error.source }
}

/// Whether `text` matches a pattern of `*`, `?` and plain bytes.
fn wildcard(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => (0..=text.len()).any(|skip| wildcard(rest, &text[skip..])),
        (Some((b'?', pattern)), Some((_, text))) => wildcard(pattern, text),
        (Some((a, pattern)), Some((b, text))) if a == b => wildcard(pattern, text),
        _ => false,
    }
}

/// Turns the options of the command line into lines of a file.
///
/// A word that begins with `--` starts an option, unless it can only be the value of the one just
/// before it: `--logfile --odd-name`. Only `--save` can stand without a value, which means `""`.
fn option_lines(args: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut value_expected = false;
    for (index, arg) in args.iter().enumerate() {
        let option = arg.strip_prefix("--").filter(|_| !value_expected);
        let Some(option) = option else {
            match lines.last_mut() {
                Some(line) => *line = format!("{line} {}", quoted(arg)),
                None => lines.push(quoted(arg)),
            }
            value_expected = false;
            continue;
        };
        let mut line = option.trim().to_string();
        let alone = split_words(arg.as_bytes()).is_some_and(|words| words.len() == 1);
        let next_is_option = args.get(index + 1).is_none_or(|next| next.starts_with("--"));
        value_expected = alone;
        if alone && next_is_option && line.eq_ignore_ascii_case("save") {
            line.push_str(" \"\"");
            value_expected = false;
        }
        lines.push(line);
    }
    lines
}

/// Splits a line into words by Redis's rules, or nothing if the quotes are not balanced.
///
/// `"…"` knows `\n \r \t \b \a \xHH`, and any other escaped byte stands for itself; `'…'` knows only
/// `\'`. A closing quote must be followed by a blank or the end.
pub(super) fn split_words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = line.trim_ascii_start();
    while !rest.is_empty() {
        let mut word = Vec::new();
        while let Some((&byte, after)) = rest.split_first() {
            rest = after;
            match byte {
                b'"' | b'\'' => {
                    rest = quoted_part(byte, rest, &mut word)?;
                    if rest.first().is_some_and(|next| !next.is_ascii_whitespace()) {
                        return None;
                    }
                }
                _ if byte.is_ascii_whitespace() => break,
                _ => word.push(byte),
            }
        }
        words.push(word);
        rest = rest.trim_ascii_start();
    }
    Some(words)
}

/// Appends what stands before the closing quote to `word`; returns what follows the quote.
fn quoted_part<'a>(quote: u8, mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        rest = match rest {
            [byte, after @ ..] if *byte == quote => return Some(after),
            [b'\\', b'\'', after @ ..] if quote == b'\'' => {
                word.push(b'\'');
                after
            }
            [b'\\', b'x', high, low, after @ ..]
                if quote == b'"' && high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                let digit =
                    |byte: &u8| char::from(*byte).to_digit(16).expect("checked above") as u8;
                word.push(digit(high) << 4 | digit(low));
                after
            }
            [b'\\', byte, after @ ..] if quote == b'"' => {
                word.push(match byte {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => *other,
                });
                after
            }
            [byte, after @ ..] => {
                word.push(*byte);
                after
            }
            [] => return None,
        };
    }
}

/// A word in double quotes, so that [`split_words`] gives it back.
pub(super) fn quoted(word: &str) -> String {
    let mut text = String::from('"');
    for c in word.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            c if c.is_ascii_control() => text.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => text.push(c),
        }
    }
    text.push('"');
    text
}
