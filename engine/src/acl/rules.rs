//! Rules: what each word of ACL SETUSER changes.
//!
//! ```text
//! user      on off nopass resetpass reset clearselectors (skip-)sanitize-payload
//!           >password #hash <password !hash (selector)
//! selector  allkeys resetkeys ~pattern %R~pattern %W~pattern %RW~pattern
//!           allchannels resetchannels &pattern
//!           allcommands nocommands +command -command +@category -@category +command|subcommand +command|word
//! ```
//!
//! # Source
//! - Redis 7.2, also for which rules about commands are kept to be shown

use super::categories;
use super::pattern::{Access, KeyPattern, Pattern, READ, READ_WRITE, WRITE};
use super::user::{CommandRule, HASH_BYTES, Selector, User};
use crate::command::{Spec, Table};
use crate::grammar;
use protocol::resp::request::split_inline;
use sha2::{Digest, Sha256};

/// What is wrong with a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleError {
    /// It means nothing.
    Syntax,
    /// No such command or category.
    Unknown,
    /// A pattern of keys where all are allowed already.
    AllKeysBefore,
    /// A pattern of channels where all are allowed already.
    AllChannelsBefore,
    /// A password to be removed is not there.
    NoSuchPassword,
    /// A hash is none.
    BadHash,
    /// A word is allowed for a subcommand.
    WordOfSubcommand,
}

impl RuleError {
    /// The text for users.
    pub fn text(self) -> &'static str {
        match self {
            RuleError::Syntax => "Syntax error",
            RuleError::Unknown => "Unknown command or category name in ACL",
            RuleError::AllKeysBefore => {
                "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. Try \
                 'resetkeys' to start with an empty list of patterns"
            }
            RuleError::AllChannelsBefore => {
                "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. Try \
                 'resetchannels' to start with an empty list of channels"
            }
            RuleError::NoSuchPassword => {
                "The password you are trying to remove from the user does not exist"
            }
            RuleError::BadHash => {
                "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
            }
            RuleError::WordOfSubcommand => "Allowing first-arg of a subcommand is not supported",
        }
    }
}

/// Whether a name can stand in a line of a file as it is.
pub fn is_plain(name: &[u8]) -> bool {
    !name.iter().any(|byte| *byte == 0 || byte.is_ascii_whitespace() || *byte == 0x0b)
}

/// The SHA-256 of a password.
pub fn hash(password: &[u8]) -> [u8; HASH_BYTES] {
    Sha256::digest(password).into()
}

/// Brings the parts of selectors together that are several words. Otherwise the place of the word with the parenthesis
/// that nothing closes.
pub fn merge<'a>(words: impl Iterator<Item = &'a [u8]>) -> Result<Vec<Vec<u8>>, usize> {
    let mut merged: Vec<Vec<u8>> = Vec::new();
    let mut open: Option<(usize, Vec<u8>)> = None;
    for (place, word) in words.enumerate() {
        match &mut open {
            Some((_, selector)) => {
                selector.push(b' ');
                selector.extend_from_slice(word);
                if word.ends_with(b")") {
                    merged.extend(open.take().map(|(_, selector)| selector));
                }
            }
            None if word.starts_with(b"(") && !word.ends_with(b")") => {
                open = Some((place, word.to_vec()));
            }
            None => merged.push(word.to_vec()),
        }
    }
    match open {
        Some((place, _)) => Err(place),
        None => Ok(merged),
    }
}

/// What rules are about beside themselves.
#[derive(Clone, Copy)]
pub struct Ground {
    /// The commands that there are.
    pub table: &'static Table,
    /// New selectors allow all channels (`acl-pubsub-default`).
    pub all_channels: bool,
}

/// Applies one rule to a user.
pub fn apply(user: &mut User, rule: &[u8], ground: Ground) -> Result<(), RuleError> {
    let Some((sign, rest)) = rule.split_first() else { return Ok(()) };
    match sign {
        b'>' => add_password(user, hash(rest)),
        b'#' => add_password(user, read_hash(rest)?),
        b'<' => remove_password(user, &hash(rest))?,
        b'!' => remove_password(user, &read_hash(rest)?)?,
        b'(' if rule.ends_with(b")") => user.selectors.push(selector(rule, ground)?),
        _ => return apply_word(user, rule, ground),
    }
    Ok(())
}

fn apply_word(user: &mut User, rule: &[u8], ground: Ground) -> Result<(), RuleError> {
    match rule.to_ascii_lowercase().as_slice() {
        b"on" => user.enabled = true,
        b"off" => user.enabled = false,
        b"skip-sanitize-payload" => user.skips_sanitizing = true,
        b"sanitize-payload" => user.skips_sanitizing = false,
        b"nopass" => (user.nopass, user.passwords) = (true, Vec::new()),
        b"resetpass" => (user.nopass, user.passwords) = (false, Vec::new()),
        b"clearselectors" => user.selectors.truncate(1),
        b"reset" => *user = User::new(&user.name, ground.all_channels),
        _ => return apply_to_selector(user.root(), rule, ground.table),
    }
    Ok(())
}

/// Makes this the user's only password; none is needed if it is empty.
pub fn set_password(user: &mut User, password: &[u8]) {
    user.nopass = password.is_empty();
    user.passwords = if password.is_empty() { Vec::new() } else { vec![hash(password)] };
}

/// The default user of a server with this password (`requirepass`), or none.
pub fn default_user(password: &[u8]) -> User {
    let mut user = User::new_default();
    set_password(&mut user, password);
    user
}

fn add_password(user: &mut User, hash: [u8; HASH_BYTES]) {
    user.nopass = false;
    if !user.passwords.contains(&hash) {
        user.passwords.push(hash);
    }
}

fn remove_password(user: &mut User, hash: &[u8; HASH_BYTES]) -> Result<(), RuleError> {
    let place = user.passwords.iter().position(|known| known == hash);
    user.passwords.remove(place.ok_or(RuleError::NoSuchPassword)?);
    Ok(())
}

fn read_hash(text: &[u8]) -> Result<[u8; HASH_BYTES], RuleError> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        _ => Err(RuleError::BadHash),
    };
    let mut hash = [0; HASH_BYTES];
    if text.len() != 2 * HASH_BYTES {
        return Err(RuleError::BadHash);
    }
    for (byte, pair) in hash.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Ok(hash)
}

/// A selector of what stands between parentheses.
fn selector(rule: &[u8], ground: Ground) -> Result<Selector, RuleError> {
    let inside = &rule[1..rule.len() - 1];
    let mut selector = Selector::new(ground.all_channels);
    let (mut words, mut spans) = (inside.to_vec(), Vec::new());
    let len = words.len();
    split_inline(&mut words, 0, len, &mut spans).map_err(|_| RuleError::Syntax)?;
    for span in &spans {
        let word = &words[span.start as usize..][..span.len as usize];
        apply_to_selector(&mut selector, word, ground.table)?;
    }
    Ok(selector)
}

/// Applies one rule to a selector.
fn apply_to_selector(selector: &mut Selector, rule: &[u8], table: &Table) -> Result<(), RuleError> {
    match rule.to_ascii_lowercase().as_slice() {
        b"allkeys" | b"~*" => (selector.all_keys, selector.keys) = (true, Vec::new()),
        b"resetkeys" => (selector.all_keys, selector.keys) = (false, Vec::new()),
        b"allchannels" | b"&*" => (selector.all_channels, selector.channels) = (true, Vec::new()),
        b"resetchannels" => (selector.all_channels, selector.channels) = (false, Vec::new()),
        b"allcommands" | b"+@all" => selector.begin(true),
        b"nocommands" | b"-@all" => selector.begin(false),
        word => match rule.split_first() {
            Some((b'~', pattern)) => add_keys(selector, pattern, READ_WRITE)?,
            Some((b'%', rest)) => {
                let (access, pattern) = read_access(rest)?;
                add_keys(selector, pattern, access)?;
            }
            Some((b'&', pattern)) => add_channels(selector, pattern)?,
            Some((b'+' | b'-', [b'@', ..])) => {
                change_category(selector, &word[1..], word[0] == b'+', table)?;
            }
            Some((b'+', _)) => allow_command(selector, &word[1..], table)?,
            Some((b'-', _)) => {
                let (name, spec) = find(&word[1..], table).ok_or(RuleError::Unknown)?;
                change_command(selector, spec, false);
                keep_rule(selector, name.as_bytes(), false);
            }
            _ => return Err(RuleError::Syntax),
        },
    }
    Ok(())
}

/// What stands between `%` and `~`, and the pattern behind.
fn read_access(rest: &[u8]) -> Result<(Access, &[u8]), RuleError> {
    let tilde = rest.iter().position(|byte| *byte == b'~').ok_or(RuleError::Syntax)?;
    let mut access = 0;
    for letter in &rest[..tilde] {
        let bit = match letter.to_ascii_uppercase() {
            b'R' => READ,
            b'W' => WRITE,
            _ => return Err(RuleError::Syntax),
        };
        if access & bit != 0 {
            return Err(RuleError::Syntax);
        }
        access |= bit;
    }
    match access {
        0 => Err(RuleError::Syntax),
        access => Ok((access, &rest[tilde + 1..])),
    }
}

fn add_keys(selector: &mut Selector, pattern: &[u8], access: Access) -> Result<(), RuleError> {
    if selector.all_keys {
        return Err(RuleError::AllKeysBefore);
    }
    if !is_plain(pattern) {
        return Err(RuleError::Syntax);
    }
    match selector.keys.iter_mut().find(|known| known.pattern.text() == pattern) {
        Some(known) => known.access |= access,
        None => selector.keys.push(KeyPattern { pattern: Pattern::new(pattern), access }),
    }
    Ok(())
}

fn add_channels(selector: &mut Selector, pattern: &[u8]) -> Result<(), RuleError> {
    if selector.all_channels {
        return Err(RuleError::AllChannelsBefore);
    }
    if !is_plain(pattern) {
        return Err(RuleError::Syntax);
    }
    if !selector.channels.iter().any(|known| known.text() == pattern) {
        selector.channels.push(Pattern::new(pattern));
    }
    Ok(())
}

/// A command or subcommand by its name in small letters, with its row. There is no row for one that Redis has and this
/// server has not: rules about it are kept, as it may come.
fn find(name: &[u8], table: &Table) -> Option<(&'static str, Option<&'static Spec>)> {
    let name = std::str::from_utf8(name).ok()?;
    let container = name.split_once('|').map_or(name, |(container, _)| container);
    let row = table.find(container.as_bytes()).and_then(|row| match name == container {
        true => Some(row),
        false => row.subcommands.iter().find(|sub| sub.name == name),
    });
    match row {
        Some(row) => Some((row.name, Some(row))),
        None => Some((grammar::find(name)?.name, None)),
    }
}

fn has_subcommands(name: &str, spec: Option<&Spec>) -> bool {
    let of_it = |row: &grammar::Grammar| {
        row.name.strip_prefix(name).is_some_and(|rest| rest.starts_with('|'))
    };
    match spec {
        Some(spec) => !spec.subcommands.is_empty(),
        None => grammar::GROUPS.iter().flat_map(|(_, rows)| *rows).any(of_it),
    }
}

/// `+command`, `+command|subcommand`, or, of a command without subcommands, `+command|word`.
fn allow_command(selector: &mut Selector, name: &[u8], table: &Table) -> Result<(), RuleError> {
    let Some(bar) = name.iter().rposition(|byte| *byte == b'|') else {
        let (name, spec) = find(name, table).ok_or(RuleError::Unknown)?;
        change_command(selector, spec, true);
        keep_rule(selector, name.as_bytes(), true);
        return Ok(());
    };
    let (base, spec) = find(&name[..bar], table).ok_or(RuleError::Unknown)?;
    let word = &name[bar + 1..];
    if base.contains('|') {
        return Err(RuleError::WordOfSubcommand);
    }
    if word.is_empty() {
        return Err(RuleError::Syntax);
    }
    if has_subcommands(base, spec) {
        let (_, spec) = find(name, table).ok_or(RuleError::Unknown)?;
        change_command(selector, spec, true);
    } else if let Some(spec) = spec {
        let rule = (spec.index, word.to_vec());
        if !selector.first_words.contains(&rule) {
            selector.first_words.push(rule);
        }
    }
    keep_rule(selector, name, true);
    Ok(())
}

/// Allows or forbids a command and its subcommands.
fn change_command(selector: &mut Selector, spec: Option<&Spec>, allows: bool) {
    let Some(spec) = spec else { return };
    selector.all_commands &= allows;
    selector.first_words.retain(|(index, _)| *index != spec.index);
    selector.commands.set(spec.index, allows);
    spec.subcommands.iter().for_each(|sub| selector.commands.set(sub.index, allows));
}

/// `@category` in small letters.
fn change_category(
    selector: &mut Selector,
    name: &[u8],
    allows: bool,
    table: &Table,
) -> Result<(), RuleError> {
    let category = categories::find(&name[1..]).ok_or(RuleError::Unknown)?;
    for spec in categories::commands(table, category) {
        change_command(selector, Some(spec), allows);
    }
    keep_rule(selector, name, allows);
    Ok(())
}

/// Keeps a rule about commands to be shown. It takes the place of what was said about the same command before, or about
/// its subcommands.
fn keep_rule(selector: &mut Selector, name: &[u8], allows: bool) {
    let is_of_it = |rule: &CommandRule| {
        let rest = rule.name.strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"|"))
    };
    selector.rules.retain(|rule| !is_of_it(rule));
    selector.rules.push(CommandRule { allows, name: name.to_vec() });
}
