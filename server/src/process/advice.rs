//! What an operator should know of a configuration: what keeps the server from starting, what is risky, what has no effect.
//!
//! `--check-config` says all of it without starting anything: nothing is opened but configuration files. A start refuses
//! for the same reasons and says the same of what has no effect.

use super::places;
use backup::files::Files;
use node::config::{Loaded, Settings};
use std::path::{Path, PathBuf};

/// Why the server does not start with this configuration, though each line of it is right.
pub fn obstacle(loaded: &Loaded) -> Option<String> {
    let settings = &loaded.settings;
    if !loaded.users.is_empty() && !settings.aclfile.is_empty() {
        return Some(
            "Users are declared in the configuration file, and aclfile names a file of users as well. That is likely a mistake, \
             and one that may let somebody in: declare them in one of the two places"
                .into(),
        );
    }
    if settings.port == 0 && settings.unixsocket.is_empty() {
        return Some("Configured to not listen anywhere, exiting.".into());
    }
    None
}

/// What has no effect, and what else there is to know: a line each.
fn advice(loaded: &Loaded) -> Vec<String> {
    let settings = &loaded.settings;
    let idle = settings.without_effect().map(|row| row.advice(settings));
    idle.chain(loaded.advice.iter().cloned()).collect()
}

/// Logs it.
pub fn log(loaded: &Loaded) {
    advice(loaded).iter().for_each(|line| tracing::warn!("{line}"));
}

/// `--check-config [FILE] [--name value …]`: prints what there is to say. True if the server would take it.
pub fn check(args: &[String]) -> bool {
    let (loaded, wrong) = Settings::examine(&Files::real(), args);
    let settings = &loaded.settings;
    let mut errors: Vec<String> = wrong.iter().map(|error| error.brief()).collect();
    errors.extend(obstacle(&loaded));
    let folder = Path::new(&settings.dir);
    let mut warnings = Vec::new();
    match std::fs::metadata(folder) {
        Ok(found) if found.is_dir() => {
            warnings.extend(places::unwritable(settings, folder, places::forbidden));
            let log = missing_folder(folder, &settings.logfile, "Can't open the log file");
            let socket = missing_folder(folder, &settings.unixsocket, "Failed opening Unix socket");
            errors.extend([log, socket].into_iter().flatten());
            let pid_file = missing_folder(folder, &settings.pidfile, "Failed to write PID file");
            warnings.extend(pid_file.map(|text| format!("WARNING {text}")));
        }
        Ok(_) => errors.push(format!("Can't chdir to '{}': Not a directory", settings.dir)),
        Err(error) => errors.push(format!("Can't chdir to '{}': {error}", settings.dir)),
    }
    warnings.extend(advice(&loaded));
    for text in &errors {
        println!("ERROR {}", node::text::plain(text));
    }
    for text in &warnings {
        println!("{}", node::text::plain(text));
    }
    let (errors, warnings) = (errors.len(), warnings.len());
    println!("{errors} error(s), {warnings} warning(s)");
    errors == 0
}

/// Why a file cannot be made where `path` says, seen from the working folder.
fn missing_folder(folder: &Path, path: &str, what: &str) -> Option<String> {
    let path: PathBuf = match path {
        "" => return None,
        path => folder.join(path),
    };
    // What is there already is opened and not made.
    let wanted = if path.is_file() { path.as_path() } else { path.parent()? };
    let error = match path.is_file() {
        true => places::forbidden_file(wanted)?,
        false => places::forbidden(wanted)?,
    };
    Some(format!("{what} '{}': {error}", path.display()))
}
