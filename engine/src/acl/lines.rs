//! Users as lines of a file: `user <name> <rule> …`, of a configuration or of a file of their own (`aclfile`).
//!
//! # Source
//! - forms and texts of errors: Redis 7.2

use super::rules::{self, Ground, RuleError};
use super::user::{DEFAULT, User};
use std::collections::BTreeMap;

/// Why rules were not applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A parenthesis is not closed: the word that it stands in.
    Parenthesis(Vec<u8>),
    /// A rule is wrong.
    Rule(Vec<u8>, RuleError),
}

/// Applies rules to a user, all or none.
pub fn apply<'a>(
    user: &User,
    words: impl Iterator<Item = &'a [u8]> + Clone,
    ground: Ground,
) -> Result<User, Failure> {
    let mut changed = user.clone();
    let merged = rules::merge(words.clone())
        .map_err(|at| Failure::Parenthesis(words.clone().nth(at).unwrap_or_default().to_vec()))?;
    for rule in merged {
        rules::apply(&mut changed, &rule, ground).map_err(|error| Failure::Rule(rule, error))?;
    }
    Ok(changed)
}

/// A user of a configuration: the words after `user`. The default one begins as a new one does.
pub fn configured(words: &[String], ground: Ground) -> Result<User, String> {
    let name = words.first().map_or(&b""[..], |name| name.as_bytes());
    if !rules::is_plain(name) {
        return Err("Spaces not allowed in ACL usernames".into());
    }
    let rules = words.iter().skip(1).map(|word| word.as_bytes());
    let shown = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
    apply(&User::new(name, ground.all_channels), rules, ground).map_err(|failure| match failure {
        Failure::Parenthesis(word) => {
            format!("Unmatched parenthesis in acl selector starting at '{}'.", shown(&word))
        }
        Failure::Rule(rule, error) => format!(
            "Error in user declaration '{}': {}",
            shown(&without_secret(&rule)),
            error.text()
        ),
    })
}

/// A rule as it may be shown to others: without a password.
fn without_secret(rule: &[u8]) -> Vec<u8> {
    match rule.first() {
        Some(sign @ (b'>' | b'<')) => vec![*sign],
        _ => rule.to_vec(),
    }
}

/// All users of a file of their own, by name. Otherwise all that is wrong with it, in one line; `path` is how the file is
/// called there.
pub fn read(text: &[u8], path: &str, ground: Ground) -> Result<BTreeMap<Vec<u8>, User>, Vec<u8>> {
    let (mut users, mut errors) = (BTreeMap::new(), Vec::new());
    for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        match read_line(line, ground) {
            Ok(user) if users.contains_key(&user.name) => errors.extend_from_slice(
                &[
                    b"WARNING: Duplicate user '",
                    &user.name[..],
                    format!("' found on line {}. ", index + 1).as_bytes(),
                ]
                .concat(),
            ),
            Ok(user) => {
                users.insert(user.name.clone(), user);
            }
            Err(reason) => {
                errors.extend_from_slice(format!("{path}:{}", index + 1).as_bytes());
                errors.extend_from_slice(&reason);
            }
        }
    }
    if !errors.is_empty() {
        errors.extend_from_slice(
            b"WARNING: ACL errors detected, no change to the previously active ACL rules was performed",
        );
        return Err(errors);
    }
    users.entry(DEFAULT.to_vec()).or_insert_with(User::new_default);
    Ok(users)
}

/// One line that is not empty. Otherwise what comes behind the number of the line.
fn read_line(line: &[u8], ground: Ground) -> Result<User, Vec<u8>> {
    let mut words = line.split(|byte| *byte == b' ');
    let (first, name) = (words.next(), words.next());
    let (Some(b"user"), Some(name)) = (first, name) else {
        return Err(b" should start with user keyword followed by the username. ".to_vec());
    };
    if !rules::is_plain(name) {
        return Err([b": username '", name, b"' contains invalid characters. "].concat());
    }
    let words = words.map(<[u8]>::trim_ascii);
    let merged = rules::merge(words)
        .map_err(|_| b": Unmatched parenthesis in selector definition.".to_vec())?;
    let (mut user, mut wrong, mut told) = (User::new(name, ground.all_channels), Vec::new(), false);
    for rule in merged {
        let Err(error) = rules::apply(&mut user, &rule, ground) else { continue };
        let text = error.text().as_bytes();
        // Names of commands are no secrets. Of what else is wrong the first is told, as others may follow from it.
        if error == RuleError::Unknown {
            let parts = [b": Error in applying operation '", &rule[..], b"': ", text, b". "];
            wrong.push(parts.concat());
        } else if !std::mem::replace(&mut told, true) {
            wrong.push([b": ", text, b". "].concat());
        }
    }
    match wrong.is_empty() {
        true => Ok(user),
        false => Err(wrong.concat()),
    }
}
