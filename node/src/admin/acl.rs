//! The file of users (`aclfile`): ACL LOAD and ACL SAVE, and the users of a start.
//!
//! # Not here
//! - what the lines mean, and what becomes of clients whose user is gone: `engine::acl`

use crate::node::{Node, Outside};
use engine::context::{Context, Done};
use engine::refusal::Refusal;
use std::path::Path;

/// The longest file of users that is read, in bytes.
const FILE_MAX: u64 = 64 << 20;

const NO_FILE: Refusal = Refusal::fixed(
    "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER command \
     and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store users in the Redis \
     configuration.",
);

impl Outside {
    /// The text of the file of users. Otherwise why there is none.
    fn read_users(&self) -> Result<Vec<u8>, String> {
        let path = &self.settings.aclfile;
        let read = self.files.read_small(Path::new(path), FILE_MAX);
        read.map_err(|error| match error.is_missing() {
            true => format!("Error loading ACLs, opening file '{path}': No such file or directory"),
            false => format!("Error loading ACLs, opening file '{path}': {error}"),
        })
    }
}

/// `ACL LOAD`.
pub fn load(host: &mut Outside, ctx: &mut Context<'_>) -> Result<Done, Refusal> {
    if host.settings.aclfile.is_empty() {
        return Err(NO_FILE);
    }
    let refused = |reason: &[u8]| Refusal::from([b"ERR ", reason].concat());
    let text = host.read_users().map_err(|reason| refused(reason.as_bytes()))?;
    let path = host.settings.aclfile.clone();
    let loaded = ctx.engine.load_users(host, Some(&mut *ctx.session), &text, &path);
    loaded.map_err(|errors| refused(&errors))?;
    ctx.reply.ok();
    Ok(Done::NOTHING)
}

/// `ACL SAVE`.
pub fn save(host: &mut Outside, ctx: &mut Context<'_>) -> Result<Done, Refusal> {
    if host.settings.aclfile.is_empty() {
        return Err(NO_FILE);
    }
    let mut text = ctx.engine.users.lines().join(&b'\n');
    text.push(b'\n');
    let path = Path::new(&host.settings.aclfile);
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".tmp-{}", host.world.pid()));
    if let Err(error) = host.files.write_whole(path, Path::new(&temporary), &text) {
        tracing::warn!("Writing ACL file for ACL SAVE: {error}");
        return Err(Refusal::fixed(
            "ERR There was an error trying to save the ACLs. Please check the server logs for more information",
        ));
    }
    ctx.reply.ok();
    Ok(Done::NOTHING)
}

impl Node {
    /// Makes the users of a start: those of the configuration, or of their own file. `users`: the words after `user` of each line.
    pub fn begin_users(&mut self, users: &[Vec<String>]) -> Result<(), String> {
        let path = self.host.settings.aclfile.clone();
        for words in users {
            self.engine.add_configured_user(words)?;
            let name = words.first().map_or("", String::as_str);
            let user = self.engine.users.get(name.as_bytes());
            if user.is_some_and(|user| !user.enabled) {
                tracing::info!(
                    "The user '{name}' is disabled (there is no 'on' modifier in the user description). Make sure this is not \
                     a configuration error."
                );
            }
        }
        if path.is_empty() {
            return Ok(());
        }
        let text = self.host.read_users();
        let loaded = text
            .map_err(String::into_bytes)
            .and_then(|text| self.engine.load_users(&mut self.host, None, &text, &path));
        loaded.map_err(|errors| {
            let errors = String::from_utf8_lossy(&errors);
            format!("Aborting Redis startup because of ACL errors: {errors}")
        })
    }
}
