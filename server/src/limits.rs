//! Limits that the system sets for the process: how many files it may have open, and so how many clients.
//!
//! # Source
//! - `adjustOpenFilesLimit` of Redis 7.2: what is kept back, the order of attempts, the lines of the log

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that the process needs for itself: files, pipes, listeners. Source: `CONFIG_MIN_RESERVED_FDS` of Redis.
const RESERVED: u64 = 32;

/// What came of making room for clients.
#[derive(Debug, PartialEq, Eq)]
enum Room {
    /// There is enough, and there was.
    Enough,
    /// The limit was raised.
    Raised { from: u64 },
    /// No more than so many files may be open.
    Limited { files: u64, was: u64, reason: Errno },
}

/// Makes the limit of open files so high that `clients` can be served, and says in the log what came of that. Returns how
/// many can be served.
pub fn make_room_for(clients: u32) -> Result<u32, String> {
    let limit = getrlimit(Resource::Nofile);
    admit(
        clients,
        make_room(limit, u64::from(clients) + RESERVED, |limit| setrlimit(Resource::Nofile, limit)),
    )
}

/// The same while serving: fails, with the text for the client, if there is no room for all of them.
pub fn make_room_for_all(clients: u32) -> Result<(), String> {
    match make_room_for(clients) {
        Ok(possible) if possible == clients => Ok(()),
        possible => Err(format!(
            "The operating system is not able to handle the specified number of clients, try with {}",
            possible.unwrap_or(0)
        )),
    }
}

fn make_room(limit: Rlimit, wanted: u64, mut set: impl FnMut(Rlimit) -> Result<(), Errno>) -> Room {
    let was = match limit.current {
        Some(current) if current < wanted => current,
        _ => return Room::Enough,
    };
    // A process with the right to do so raises its hard limit as well.
    let maximum = limit.maximum.map(|maximum| maximum.max(wanted));
    let Err(reason) = set(Rlimit { current: Some(wanted), maximum }) else {
        return Room::Raised { from: was };
    };
    let best = limit.maximum.unwrap_or(was).clamp(was, wanted);
    let files = match set(Rlimit { current: Some(best), maximum: limit.maximum }) {
        Ok(()) if best == wanted => return Room::Raised { from: was },
        Ok(()) => best,
        Err(_) => was,
    };
    Room::Limited { files, was, reason }
}

/// Says what came of it. Returns how many clients can be served.
fn admit(clients: u32, room: Room) -> Result<u32, String> {
    let wanted = u64::from(clients) + RESERVED;
    match room {
        Room::Enough => Ok(clients),
        Room::Raised { from } => {
            tracing::info!(
                "Increased maximum number of open files to {wanted} (it was originally set to {from})."
            );
            Ok(clients)
        }
        Room::Limited { files: ..=RESERVED, was, .. } => Err(format!(
            "Your current 'ulimit -n' of {was} is not enough for the server to start. Please increase your open file limit to at \
             least {wanted}. Exiting."
        )),
        Room::Limited { files, reason, .. } => {
            let possible = (files - RESERVED) as u32;
            tracing::warn!(
                "You requested maxclients of {clients} requiring at least {wanted} max file descriptors."
            );
            tracing::warn!(
                "Server can't set maximum open files to {wanted} because of OS error: {}.",
                std::io::Error::from(reason)
            );
            tracing::warn!(
                "Current maximum open files is {files}. maxclients has been reduced to {possible} to compensate for low ulimit. If \
                 you need higher maxclients increase 'ulimit -n'."
            );
            Ok(possible)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A system without privileges for us: the hard limit stays.
    fn system(current: u64, maximum: u64) -> (Rlimit, impl FnMut(Rlimit) -> Result<(), Errno>) {
        let limit = Rlimit { current: Some(current), maximum: Some(maximum) };
        let set = move |new: Rlimit| match new {
            Rlimit { current: Some(soft), maximum: Some(hard) } if soft <= hard => {
                if hard <= maximum { Ok(()) } else { Err(Errno::PERM) }
            }
            _ => Err(Errno::INVAL),
        };
        (limit, set)
    }

    #[test]
    fn descriptors_are_kept_back_and_clients_are_as_many_as_fit() {
        for (current, maximum, clients, possible) in [
            (10_032, 10_032, 10_000, Ok(10_000)),
            (1_024, 20_000, 10_000, Ok(10_000)),
            (1_024, 10_032, 10_000, Ok(10_000)),
            (1_024, 10_031, 10_000, Ok(9_999)),
            (1_024, 1_024, 10_000, Ok(992)),
            (64, 64, 10_000, Ok(32)),
            (33, 33, 10_000, Ok(1)),
            (32, 32, 10_000, Err(32)),
            (10, 10, 1, Err(10)),
            (64, 64, 32, Ok(32)),
            (64, 64, 33, Ok(32)),
        ] {
            let (limit, set) = system(current, maximum);
            let room = make_room(limit, clients + RESERVED, set);
            let expected: Result<u32, String> = possible.map_err(|was: u64| {
                format!(
                    "Your current 'ulimit -n' of {was} is not enough for the server to start. Please increase your open file \
                     limit to at least {}. Exiting.",
                    clients + RESERVED
                )
            });
            assert_eq!(admit(clients as u32, room), expected, "{current} of {maximum}, {clients}");
        }
        let privileged = Rlimit { current: Some(1_024), maximum: Some(4_096) };
        let room = make_room(privileged, 10_032, |_| Ok(()));
        assert_eq!(room, Room::Raised { from: 1_024 });
        let unlimited = Rlimit { current: None, maximum: None };
        assert_eq!(make_room(unlimited, 10_032, |_| panic!("there is none")), Room::Enough);
    }
}
