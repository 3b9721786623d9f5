//! CLIENT's subcommands about what a client keeps of what it reads: TRACKING and its kin, NO-TOUCH.
//!
//! Their rows are with CLIENT's others.
//!
//! # Not here
//! - who is told what: [`crate::tracking`]

use crate::arguments::{int, is};
use crate::context::{Context, Done};
use crate::refusal::Refusal;
use crate::session::SessionId;
use crate::tracking::Mode;
use protocol::resp::Args;

/// `CLIENT CACHING YES|NO`: about the keys of the next command.
pub(super) fn caching(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let mode = ctx.session.tracking.as_deref_mut();
    let mode = mode.ok_or(Refusal::fixed(
        "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
    ))?;
    match args.at(2) {
        word if is(word, "YES") && mode.opt_in => {}
        word if is(word, "YES") => {
            return Err(Refusal::fixed(
                "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.",
            ));
        }
        word if is(word, "NO") && mode.opt_out => {}
        word if is(word, "NO") => {
            return Err(Refusal::fixed(
                "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.",
            ));
        }
        _ => return Err(Refusal::SYNTAX),
    }
    mode.caching = true;
    ctx.reply.ok();
    Ok(Done::NOTHING)
}

/// `CLIENT GETREDIR` → the id of the client that gets the messages; 0 if it is this one, −1 without tracking.
pub(super) fn getredir(ctx: &mut Context<'_>, _args: Args<'_>) -> Result<Done, Refusal> {
    let id = redirect_id(ctx);
    ctx.reply.int(id);
    Ok(Done::NOTHING)
}

fn redirect_id(ctx: &Context<'_>) -> i64 {
    ctx.session.tracking.as_ref().map_or(-1, |mode| mode.redirect.unwrap_or(0) as i64)
}

/// `CLIENT NO-TOUCH ON|OFF`.
pub(super) fn no_touch(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    ctx.session.no_touch = match args.at(2) {
        word if is(word, "ON") => true,
        word if is(word, "OFF") => false,
        _ => return Err(Refusal::SYNTAX),
    };
    ctx.reply.ok();
    Ok(Done::NOTHING)
}

/// `CLIENT TRACKING ON|OFF [REDIRECT id] [PREFIX prefix …] [BCAST] [OPTIN] [OPTOUT] [NOLOOP]`.
pub(super) fn tracking(ctx: &mut Context<'_>, args: Args<'_>) -> Result<Done, Refusal> {
    let mode = options(ctx, args)?;
    match args.at(2) {
        word if is(word, "ON") => {
            check(ctx.session.tracking.as_deref(), &mode)?;
            ctx.engine.start_tracking(ctx.session, mode);
        }
        word if is(word, "OFF") => ctx.engine.stop_tracking(ctx.session),
        _ => return Err(Refusal::SYNTAX),
    }
    ctx.reply.ok();
    Ok(Done::NOTHING)
}

fn options(ctx: &Context<'_>, args: Args<'_>) -> Result<Mode, Refusal> {
    let (mut mode, mut at) = (Mode::default(), 3);
    while let Some(word) = args.get(at) {
        let more = args.get(at + 1);
        at += 1;
        match more {
            Some(id) if is(word, "REDIRECT") => {
                if mode.redirect.is_some() {
                    return Err(Refusal::fixed(
                        "ERR A client can only redirect to a single other client",
                    ));
                }
                mode.redirect = redirect(ctx, int(id)?)?;
                at += 1;
            }
            Some(prefix) if is(word, "PREFIX") => {
                mode.prefixes.push(prefix.to_vec());
                at += 1;
            }
            _ if is(word, "BCAST") => mode.broadcast = true,
            _ if is(word, "OPTIN") => mode.opt_in = true,
            _ if is(word, "OPTOUT") => mode.opt_out = true,
            _ if is(word, "NOLOOP") => mode.no_loop = true,
            _ => return Err(Refusal::SYNTAX),
        }
    }
    Ok(mode)
}

/// A client that is there; `None` if it is this one.
fn redirect(ctx: &Context<'_>, id: i64) -> Result<Option<SessionId>, Refusal> {
    let id = SessionId::try_from(id).ok().filter(|id| ctx.engine.slot_of(*id).is_some());
    id.map(Some).ok_or(Refusal::fixed("ERR The client ID you want redirect to does not exist"))
}

/// Whether a mode makes sense, and goes with the one in force.
fn check(old: Option<&Mode>, new: &Mode) -> Result<(), Refusal> {
    if !new.broadcast && !new.prefixes.is_empty() {
        return Err(Refusal::fixed("ERR PREFIX option requires BCAST mode to be enabled"));
    }
    if old.is_some_and(|old| old.broadcast != new.broadcast) {
        return Err(Refusal::fixed(
            "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a different mode.",
        ));
    }
    if new.broadcast && (new.opt_in || new.opt_out) {
        return Err(Refusal::fixed("ERR OPTIN and OPTOUT are not compatible with BCAST"));
    }
    if new.opt_in && new.opt_out {
        return Err(Refusal::fixed("ERR You can't specify both OPTIN mode and OPTOUT mode"));
    }
    if old.is_some_and(|old| new.opt_in && old.opt_out || new.opt_out && old.opt_in) {
        return Err(Refusal::fixed(
            "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with a different mode.",
        ));
    }
    check_overlaps(old.map_or(&[], |old| &old.prefixes), &new.prefixes)
}

/// Refuses new prefixes of which one begins with another, or with an existing one, or the other way round.
fn check_overlaps(existing: &[Vec<u8>], new: &[Vec<u8>]) -> Result<(), Refusal> {
    let Some(index) = first_overlapping(existing, new) else { return Ok(()) };
    let prefix = &new[index];
    let overlaps = |other: &&Vec<u8>| prefix.starts_with(other) || other.starts_with(prefix);
    let (which, other) = match existing.iter().find(overlaps) {
        Some(other) => ("an existing", other),
        None => {
            let other = new[index + 1..].iter().find(overlaps);
            ("another provided", other.expect("the first one overlaps with a later one"))
        }
    };
    let (a, b) = (String::from_utf8_lossy(prefix), String::from_utf8_lossy(other));
    Err(Refusal::new(format!(
        "ERR Prefix '{a}' overlaps with {which} prefix '{b}'. Prefixes for a single client must not overlap."
    )))
}

/// The index of the first new prefix that overlaps with any other. In order, all that begin with a prefix follow it.
fn first_overlapping(existing: &[Vec<u8>], new: &[Vec<u8>]) -> Option<usize> {
    let new = new.iter().enumerate().map(|(index, prefix)| (prefix, Some(index)));
    let mut all: Vec<_> = existing.iter().map(|prefix| (prefix, None)).chain(new).collect();
    all.sort_unstable();
    let mut first = None::<usize>;
    let mut root = *all.first()?;
    for next in &all[1..] {
        if next.0.starts_with(root.0) {
            for index in [root.1, next.1].into_iter().flatten() {
                first = Some(first.map_or(index, |first| first.min(index)));
            }
        } else {
            root = *next;
        }
    }
    first
}

/// `CLIENT TRACKINGINFO` → flags, redirection and prefixes.
pub(super) fn trackinginfo(ctx: &mut Context<'_>, _args: Args<'_>) -> Result<Done, Refusal> {
    let redirect = redirect_id(ctx);
    let mode = ctx.session.tracking.as_deref();
    let mut flags = vec![if mode.is_some() { "on" } else { "off" }];
    if let Some(mode) = mode {
        let all = [
            (mode.broadcast, "bcast"),
            (mode.opt_in, "optin"),
            (mode.opt_in && mode.caching, "caching-yes"),
            (mode.opt_out, "optout"),
            (mode.opt_out && mode.caching, "caching-no"),
            (mode.no_loop, "noloop"),
            (mode.broken, "broken_redirect"),
        ];
        flags.extend(all.iter().filter(|(on, _)| *on).map(|(_, name)| name));
    }
    let reply = &mut ctx.reply;
    reply.map(3);
    reply.bulk(b"flags");
    reply.set(flags.len());
    flags.iter().for_each(|flag| reply.bulk(flag.as_bytes()));
    reply.bulk(b"redirect");
    reply.int(redirect);
    reply.bulk(b"prefixes");
    let prefixes = mode.map_or(&[][..], |mode| &mode.prefixes);
    reply.array(prefixes.len());
    prefixes.iter().for_each(|prefix| reply.bulk(prefix));
    Ok(Done::NOTHING)
}

#[cfg(test)]
mod tests {
    use crate::testing::{Server, expect, with};

    /// Two clients that speak version 3: the first tracks.
    fn pair(options: &str) -> (Server, usize) {
        let mut server = Server::new();
        let tracker = server.join();
        server.engine.session_mut(tracker).expect("in its slot").resp3 = true;
        assert_eq!(server.run_as(tracker, &format!("CLIENT TRACKING ON {options}")), "+OK");
        (server, tracker)
    }

    #[test]
    fn what_was_read_is_told_once_when_it_changes() {
        let (mut server, tracker) = pair("");
        server.run_as(tracker, "GET a");
        server.run_as(tracker, "MGET b c");
        server.ok("SET a 1");
        server.ok("SET a 2");
        assert_eq!(server.sent_to(tracker), ">[invalidate [a]]");
        server.ok("SET other 1");
        server.ok("DEL b");
        assert_eq!(server.sent_to(tracker), "", "a key that is not there does not go");
        server.ok("MSET b 1 c 1");
        assert_eq!(server.sent_to(tracker), ">[invalidate [b]]; >[invalidate [c]]");
        let counts = server.engine.tracking_counts();
        assert_eq!((counts.clients, counts.keys, counts.items), (1, 0, 0));
    }

    #[test]
    fn a_flush_forgets_also_what_those_read_who_do_not_track_any_more() {
        let (mut server, tracker) = pair("");
        server.run_as(tracker, "GET a");
        server.run_as(tracker, "CLIENT TRACKING OFF");
        assert_eq!(server.engine.tracking_counts().items, 1);
        server.ok("FLUSHALL");
        assert_eq!(server.engine.tracking_counts().items, 0);
        server.run_as(tracker, "CLIENT TRACKING ON");
        server.ok("SET a 1");
        assert_eq!(server.sent_to(tracker), "");
    }

    #[test]
    fn its_own_changes_come_behind_the_reply_unless_it_wants_none() {
        let (mut server, tracker) = pair("");
        server.run_as(tracker, "GET a");
        assert_eq!(server.run_as(tracker, "SET a 1"), "+OK");
        assert_eq!(server.sent_to(tracker), ">[invalidate [a]]");
        let (mut server, tracker) = pair("NOLOOP");
        server.run_as(tracker, "GET a");
        assert_eq!(server.run_as(tracker, "SET a 1"), "+OK");
        server.run_as(tracker, "GET a");
        server.ok("SET a 2");
        assert_eq!(server.sent_to(tracker), ">[invalidate [a]]");
    }

    #[test]
    fn a_choice_is_made_for_one_command() {
        let (mut server, tracker) = pair("OPTIN");
        server.run_as(tracker, "GET a");
        server.run_as(tracker, "CLIENT CACHING YES");
        server.run_as(tracker, "GET b");
        server.run_as(tracker, "GET c");
        server.ok("MSET a 1 b 1 c 1");
        assert_eq!(server.sent_to(tracker), ">[invalidate [b]]");
        let (mut server, tracker) = pair("OPTOUT");
        server.run_as(tracker, "GET a");
        for line in ["CLIENT CACHING NO", "MULTI", "GET b", "GET c", "EXEC", "GET d"] {
            server.run_as(tracker, line);
        }
        server.ok("MSET a 1 b 1 c 1 d 1");
        assert_eq!(server.sent_to(tracker), ">[invalidate [a]]; >[invalidate [d]]");
    }

    #[test]
    fn prefixes_are_told_together_at_the_end_of_the_turn() {
        let (mut server, tracker) = pair("BCAST PREFIX a: PREFIX b: NOLOOP");
        server.ok("MSET a:1 1 a:2 1 c:1 1");
        server.ok("SET b:1 1");
        server.run_as(tracker, "SET a:3 1");
        assert_eq!(server.sent_to(tracker), "");
        server.engine.end_tracking_turn();
        assert_eq!(server.sent_to(tracker), ">[invalidate [a:1 a:2]]; >[invalidate [b:1]]");
        server.engine.end_tracking_turn();
        assert_eq!(server.sent_to(tracker), "");
        assert_eq!(server.engine.tracking_counts().prefixes, 2);
        server.engine.disconnect(tracker);
        assert_eq!(server.engine.tracking_counts().prefixes, 0);
    }

    #[test]
    fn messages_go_to_another_client_while_it_is_there() {
        let mut server = Server::new();
        let (tracker, target) = (server.join(), server.join());
        let id = server.engine.session(target).expect("in its slot").id;
        server.run_as(target, "SUBSCRIBE __redis__:invalidate");
        server.engine.session_mut(tracker).expect("in its slot").resp3 = true;
        let line = format!("CLIENT TRACKING ON REDIRECT {id}");
        assert_eq!(server.run_as(tracker, &line), "+OK");
        assert_eq!(server.run_as(tracker, "CLIENT GETREDIR"), id.to_string());
        server.run_as(tracker, "GET a");
        server.run_as(tracker, "GET b");
        server.ok("SET a 1");
        assert_eq!(server.sent_to(target), "[message __redis__:invalidate [a]]");
        assert_eq!(server.run_as(tracker, "SET b 1"), "+OK");
        assert_eq!(server.sent_to(target), "[message __redis__:invalidate [b]]");
        server.ok("FLUSHALL");
        assert_eq!(server.sent_to(target), "[message __redis__:invalidate nil]");
        server.engine.disconnect(target);
        server.run_as(tracker, "GET a");
        server.ok("SET a 2");
        assert_eq!(server.sent_to(tracker), format!(">[tracking-redir-broken {id}]"));
        let info = server.run_as(tracker, "CLIENT TRACKINGINFO");
        assert_eq!(info, format!("%[flags ~[on broken_redirect] redirect {id} prefixes []]"));
    }

    #[test]
    fn all_keys_go_at_once_and_too_many_are_forgotten_with_a_word() {
        let (mut server, tracker) = pair("");
        server.run_as(tracker, "GET a");
        server.ok("FLUSHALL");
        assert_eq!(server.sent_to(tracker), ">[invalidate _]");
        assert_eq!(server.run_as(tracker, "FLUSHDB"), "+OK");
        assert_eq!(server.sent_to(tracker), ">[invalidate _]");
        server.run_as(tracker, "MGET a b c");
        server.engine.tracking_table_max = 2;
        server.engine.end_tracking_turn();
        assert_eq!(server.sent_to(tracker).matches("invalidate").count(), 1);
        assert_eq!(server.engine.tracking_counts().keys, 2);
    }

    /// What is sorted finds the same as a look at all pairs.
    #[test]
    fn the_first_overlapping_prefix_is_found() {
        let mut draw = crate::random::Random::new(7);
        let mut some = |most: u64| -> Vec<Vec<u8>> {
            let count = draw.draw() % most;
            (0..count)
                .map(|_| (0..1 + draw.draw() % 4).map(|_| b'a' + (draw.draw() % 4) as u8).collect())
                .collect()
        };
        let overlap = |a: &[u8], b: &[u8]| a.starts_with(b) || b.starts_with(a);
        for _ in 0..5_000 {
            let (mut existing, new) = (some(3), some(6));
            existing.dedup_by(|a, b| overlap(a, b));
            let expected = (0..new.len()).find(|i| {
                existing.iter().any(|e| overlap(e, &new[*i]))
                    || new[i + 1..].iter().any(|n| overlap(n, &new[*i]))
            });
            assert_eq!(super::first_overlapping(&existing, &new), expected, "{existing:?} {new:?}");
        }
    }

    #[test]
    fn modes_that_make_no_sense_are_refused() {
        let switch = "-ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a different mode.";
        let both = "-ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with a different mode.";
        expect(
            &mut with(&[]),
            &[
                ("CLIENT TRACKING maybe", "-ERR syntax error"),
                ("CLIENT TRACKING ON WHAT", "-ERR syntax error"),
                (
                    "CLIENT TRACKING ON REDIRECT 99",
                    "-ERR The client ID you want redirect to does not exist",
                ),
                (
                    "CLIENT TRACKING ON PREFIX a",
                    "-ERR PREFIX option requires BCAST mode to be enabled",
                ),
                (
                    "CLIENT TRACKING ON BCAST OPTIN",
                    "-ERR OPTIN and OPTOUT are not compatible with BCAST",
                ),
                (
                    "CLIENT TRACKING ON OPTIN OPTOUT",
                    "-ERR You can't specify both OPTIN mode and OPTOUT mode",
                ),
                (
                    "CLIENT TRACKING ON BCAST PREFIX foo PREFIX foobar",
                    "-ERR Prefix 'foo' overlaps with another provided prefix 'foobar'. Prefixes for a single client must not overlap.",
                ),
                (
                    "CLIENT CACHING YES",
                    "-ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
                ),
                ("CLIENT TRACKING ON BCAST PREFIX foo", "+OK"),
                (
                    "CLIENT TRACKING ON BCAST PREFIX fo",
                    "-ERR Prefix 'fo' overlaps with an existing prefix 'foo'. Prefixes for a single client must not overlap.",
                ),
                ("CLIENT TRACKING ON BCAST PREFIX bar", "+OK"),
                ("CLIENT TRACKINGINFO", "[flags [on bcast] redirect 0 prefixes [foo bar]]"),
                ("CLIENT TRACKING ON", switch),
                ("CLIENT TRACKING OFF", "+OK"),
                ("CLIENT GETREDIR", "-1"),
                ("CLIENT TRACKING ON OPTIN", "+OK"),
                ("CLIENT TRACKING ON OPTOUT", both),
                (
                    "CLIENT CACHING NO",
                    "-ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.",
                ),
                ("CLIENT CACHING NEVER", "-ERR syntax error"),
                ("CLIENT CACHING YES", "+OK"),
                ("CLIENT TRACKINGINFO", "[flags [on optin caching-yes] redirect 0 prefixes []]"),
                ("RESET", "+RESET"),
                ("CLIENT TRACKINGINFO", "[flags [off] redirect -1 prefixes []]"),
            ],
        );
    }

    #[test]
    fn monitors_see_commands_but_no_passwords() {
        let mut server = Server::new();
        let monitor = server.join();
        assert_eq!(server.run_as(monitor, "MONITOR"), "+OK");
        for line in ["SET k \"a\\x00\\\"\"", "MULTI", "GET k", "EXEC", "DEBUG DIGEST"] {
            server.run(line);
        }
        let seen = server.sent_to(monitor);
        let lines: Vec<&str> = seen.split("; ").collect();
        assert_eq!(lines[0], "+1700000000.000000 [0 ] \"SET\" \"k\" \"a\\x00\\\"\"");
        let words: Vec<&str> =
            lines.iter().map(|line| line.split('"').nth(1).unwrap_or("")).collect();
        assert_eq!(words, ["SET", "MULTI", "GET", "EXEC"]);
        server.run_as(monitor, "RESET");
        server.ok("PING");
        assert_eq!(server.sent_to(monitor), "");
    }
}
