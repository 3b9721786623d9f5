//! A user: passwords and selectors, and the text that makes the same user again.
//!
//! A selector says which commands may be run on which keys and channels. Every user has one, the root; others stand in
//! parentheses. A request is allowed if one selector allows all of it.
//!
//! ```text
//! on #<hash> sanitize-payload ~app:* resetchannels &news -@all +@read (~tmp:* resetchannels +@all)
//! ╰──────── the user ───────╯ ╰──────────── the root ───────────────╯ ╰───── another selector ────╯
//! ```

use super::pattern::{KeyPattern, Pattern, READ};

/// The most commands and subcommands that a selector tells apart. Source: Redis 7.2.
pub const COMMANDS_MOST: usize = 1024;
/// The name of the user that clients are before they say who they are.
pub const DEFAULT: &[u8] = b"default";
/// Bytes of a password's SHA-256.
pub const HASH_BYTES: usize = 32;

/// A bit for every command and subcommand of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandSet([u64; COMMANDS_MOST / 64]);

impl CommandSet {
    /// None of them.
    pub const NONE: CommandSet = CommandSet([0; COMMANDS_MOST / 64]);
    /// All.
    pub const ALL: CommandSet = CommandSet([u64::MAX; COMMANDS_MOST / 64]);

    /// Whether the command of this index is in it.
    #[inline]
    pub fn has(&self, index: usize) -> bool {
        self.0[index / 64 % self.0.len()] & 1 << (index % 64) != 0
    }

    /// Adds or removes it.
    pub fn set(&mut self, index: usize, on: bool) {
        let word = &mut self.0[index / 64];
        match on {
            true => *word |= 1 << (index % 64),
            false => *word &= !(1 << (index % 64)),
        }
    }
}

/// A rule about commands that is kept, in the order given, to be shown again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandRule {
    /// `+` or `-`.
    pub allows: bool,
    /// A category with its `@`, a command, or a command and what follows a bar; in small letters.
    pub name: Vec<u8>,
}

/// Which commands may be run on which keys and channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    /// The commands.
    pub commands: CommandSet,
    /// `+@all` was said and nothing was taken away since: no bit has to be looked at.
    pub all_commands: bool,
    /// `+@all` was the beginning: commands of later versions are allowed.
    pub begins_with_all: bool,
    /// Commands that are allowed if a certain word is their first argument.
    pub first_words: Vec<(usize, Vec<u8>)>,
    /// What was said about commands since `+@all` or `-@all`.
    pub rules: Vec<CommandRule>,
    /// All keys, to read and to write.
    pub all_keys: bool,
    /// The keys, if not all.
    pub keys: Vec<KeyPattern>,
    /// All channels.
    pub all_channels: bool,
    /// The channels, if not all.
    pub channels: Vec<Pattern>,
}

impl Selector {
    /// One that allows nothing but, if wanted, all channels.
    pub fn new(all_channels: bool) -> Selector {
        Selector {
            commands: CommandSet::NONE,
            all_commands: false,
            begins_with_all: false,
            first_words: Vec::new(),
            rules: Vec::new(),
            all_keys: false,
            keys: Vec::new(),
            all_channels,
            channels: Vec::new(),
        }
    }

    /// Allows every command, or none.
    pub fn begin(&mut self, with_all: bool) {
        self.commands = if with_all { CommandSet::ALL } else { CommandSet::NONE };
        (self.all_commands, self.begins_with_all) = (with_all, with_all);
        self.first_words.clear();
        self.rules.clear();
    }

    /// Whether it allows everything.
    pub fn is_unrestricted(&self) -> bool {
        self.all_commands && self.all_keys && self.all_channels
    }

    /// Whether it allows to read every key.
    pub fn reads_all_keys(&self) -> bool {
        let reads_all = |key: &KeyPattern| key.access & READ != 0 && key.pattern.is_all();
        self.all_keys || self.keys.iter().any(reads_all)
    }

    /// What it says about commands.
    pub fn describe_commands(&self) -> Vec<u8> {
        let mut text = if self.begins_with_all { b"+@all".to_vec() } else { b"-@all".to_vec() };
        for rule in &self.rules {
            text.extend_from_slice(if rule.allows { b" +" } else { b" -" });
            text.extend_from_slice(&rule.name);
        }
        text
    }

    /// What it says about keys.
    pub fn describe_keys(&self) -> Vec<u8> {
        if self.all_keys {
            return b"~*".to_vec();
        }
        let write = |key: &KeyPattern| {
            let mut rule = Vec::new();
            key.write(&mut rule);
            rule
        };
        self.keys.iter().map(write).collect::<Vec<_>>().join(&b' ')
    }

    /// What it says about channels.
    pub fn describe_channels(&self) -> Vec<u8> {
        if self.all_channels {
            return b"&*".to_vec();
        }
        let rule = |channel: &Pattern| [b"&", channel.text()].concat();
        self.channels.iter().map(rule).collect::<Vec<_>>().join(&b' ')
    }

    /// All of it, as rules that make the same selector of a new one.
    pub fn describe(&self) -> Vec<u8> {
        let reset = if self.all_channels { &b""[..] } else { b"resetchannels" };
        let parts = [
            self.describe_keys(),
            reset.to_vec(),
            self.describe_channels(),
            self.describe_commands(),
        ];
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.join(&b' ')
    }
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Its name.
    pub name: Vec<u8>,
    /// It may log in.
    pub enabled: bool,
    /// Any password will do.
    pub nopass: bool,
    /// What it restores from a dump is not looked at element by element.
    pub skips_sanitizing: bool,
    /// Passwords, as their SHA-256.
    pub passwords: Vec<[u8; HASH_BYTES]>,
    /// The root, and the others behind it.
    pub selectors: Vec<Selector>,
}

impl User {
    /// A new user: it may not log in, and nothing else either but, if wanted, use all channels.
    pub fn new(name: &[u8], all_channels: bool) -> User {
        User {
            name: name.to_vec(),
            enabled: false,
            nopass: false,
            skips_sanitizing: false,
            passwords: Vec::new(),
            selectors: vec![Selector::new(all_channels)],
        }
    }

    /// The user that new clients are: it may do everything, without a password.
    pub fn new_default() -> User {
        let mut user = User::new(DEFAULT, true);
        let root = user.root();
        root.begin(true);
        root.all_keys = true;
        (user.enabled, user.nopass) = (true, true);
        user
    }

    /// The selector that is not in parentheses.
    pub fn root(&mut self) -> &mut Selector {
        &mut self.selectors[0]
    }

    /// Whether clients are this user without a word.
    pub fn is_open(&self) -> bool {
        self.enabled && self.nopass
    }

    /// Whether it may do everything.
    pub fn is_unrestricted(&self) -> bool {
        self.selectors.iter().any(Selector::is_unrestricted)
    }

    /// Its flags, in the order in which they are shown.
    pub fn flags(&self) -> Vec<&'static str> {
        let mut flags = vec![if self.enabled { "on" } else { "off" }];
        flags.extend(self.nopass.then_some("nopass"));
        flags.push(match self.skips_sanitizing {
            true => "skip-sanitize-payload",
            false => "sanitize-payload",
        });
        flags
    }

    /// The rules that make the same user of a new one.
    pub fn rules(&self) -> Vec<Vec<u8>> {
        let mut parts: Vec<Vec<u8>> =
            self.flags().iter().map(|flag| flag.as_bytes().to_vec()).collect();
        parts.extend(self.passwords.iter().map(|hash| [b"#", hex(hash).as_bytes()].concat()));
        for (place, selector) in self.selectors.iter().enumerate() {
            let text = selector.describe();
            match place {
                // No rule of a selector has a blank in it.
                0 => parts.extend(text.split(|byte| *byte == b' ').map(<[u8]>::to_vec)),
                _ => parts.push([b"(", &text[..], b")"].concat()),
            }
        }
        parts
    }

    /// The same as one text.
    pub fn describe(&self) -> Vec<u8> {
        self.rules().join(&b' ')
    }

    /// The line that stands for it in a file.
    pub fn line(&self) -> Vec<u8> {
        [b"user ", &self.name[..], b" ", &self.describe()].concat()
    }

    /// Whether a password is right. All are compared to their end: the time taken tells nothing of how much was right.
    pub fn accepts(&self, hash: &[u8; HASH_BYTES]) -> bool {
        let same = |known: &[u8; HASH_BYTES]| {
            let pairs = known.iter().zip(hash);
            pairs.fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
        };
        let known = self.passwords.iter().fold(false, |found, known| found | same(known));
        self.enabled & (self.nopass | known)
    }
}

/// Bytes in small hexadecimal letters.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
