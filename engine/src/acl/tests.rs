//! Users as clients see them: rules and how they are shown, what is refused, what becomes of sessions.

use crate::testing::{Server, expect, with};

mod keys;
mod replicate;

/// A server with a second client, which is the user `alice` with these rules.
fn alice(rules: &str) -> (Server, usize) {
    let mut server = Server::new();
    server.ok(&format!("ACL SETUSER alice on nopass {rules}"));
    let slot = server.join();
    assert_eq!(server.run_as(slot, "AUTH alice any"), "+OK");
    (server, slot)
}

fn shown(server: &mut Server, user: &str) -> String {
    let list = server.run("ACL LIST");
    let line = list.split(" user ").find(|line| line.contains(&format!("{user} ")));
    line.unwrap_or_default().trim_matches(['[', ']']).trim_start_matches("user ").to_string()
}

#[test]
fn users_are_shown_as_rules_that_make_them_again() {
    let cases = [
        ("", "off sanitize-payload resetchannels -@all"),
        ("on nopass allkeys &* +@all", "on nopass sanitize-payload ~* &* +@all"),
        ("%R~a %W~b %RW~c %r~c ~d", "off sanitize-payload %R~a %W~b ~c ~d resetchannels -@all"),
        ("%R~a %W~a", "off sanitize-payload ~a resetchannels -@all"),
        ("skip-sanitize-payload &x &y &x", "off skip-sanitize-payload resetchannels &x &y -@all"),
        (
            "(+get ~k) ( +set %W~k &c )",
            "off sanitize-payload resetchannels -@all (~k resetchannels -@all +get) \
             (%W~k resetchannels &c -@all +set)",
        ),
        (
            "#34344e4d60c2b6d639b7bd22e18f2b0b91bc34bf0ac5f9952744435093cfb4e6",
            "off sanitize-payload #34344e4d60c2b6d639b7bd22e18f2b0b91bc34bf0ac5f9952744435093cfb4e6 \
             resetchannels -@all",
        ),
        (
            "+@all -@hash -@slow +hget -@hash",
            "off sanitize-payload resetchannels +@all -@slow +hget -@hash",
        ),
        (
            "-@all +@HASH +@hash +hGeT +HGET",
            "off sanitize-payload resetchannels -@all +@hash +hget",
        ),
        (
            "+client|list +client|list +config|get +config +acl|list -acl",
            "off sanitize-payload resetchannels -@all +client|list +config -acl",
        ),
        (
            "+select|0 +SELECT|0 +debug|segfault +debug",
            "off sanitize-payload resetchannels -@all +select|0 +debug",
        ),
        (
            "+config +config|get -config|set +config",
            "off sanitize-payload resetchannels -@all +config",
        ),
        ("+@all +get nocommands", "off sanitize-payload resetchannels -@all"),
    ];
    for (rules, expected) in cases {
        let mut server = Server::new();
        server.ok(&format!("ACL SETUSER u {rules}"));
        let first = shown(&mut server, "u");
        assert_eq!(first, format!("u {expected}"), "{rules}");
        server.ok("ACL DELUSER u");
        server.ok(&format!("ACL SETUSER {first}"));
        assert_eq!(shown(&mut server, "u"), first, "the same again");
    }
}

#[test]
fn wrong_rules_are_refused_and_change_nothing() {
    let mut server = with(&["ACL SETUSER u on +get ~a"]);
    let before = shown(&mut server, "u");
    let modifier =
        |rule: &str, text: &str| format!("-ERR Error in ACL SETUSER modifier '{rule}': {text}");
    let syntax = "Syntax error";
    let unknown = "Unknown command or category name in ACL";
    let cases = [
        ("nonsense", syntax),
        ("%~a", syntax),
        ("%RR~a", syntax),
        ("%X~a", syntax),
        ("%R", syntax),
        ("+", unknown),
        ("+nosuch", unknown),
        ("-nosuch", unknown),
        ("+@nosuch", unknown),
        ("+config|nosuch", unknown),
        ("-config|nosuch", unknown),
        ("-get|key1", unknown),
        ("+get|a|b", unknown),
        ("+debug|", syntax),
        ("+config|get|appendonly", "Allowing first-arg of a subcommand is not supported"),
        ("<nosuch", "The password you are trying to remove from the user does not exist"),
        (
            "#34344e4d",
            "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters",
        ),
        ("(this-is-invalid)", syntax),
        (")", syntax),
    ];
    for (rule, text) in cases {
        let reply = server.run(&format!("ACL SETUSER u off +set resetkeys {rule} +del"));
        assert_eq!(reply, modifier(rule, text));
        assert_eq!(shown(&mut server, "u"), before, "{rule}");
    }
    let reply = server.run("ACL SETUSER u ~* ~b");
    assert!(reply.contains("'allkeys' flag"), "{reply}");
    let reply = server.run("ACL SETUSER u (&* &b)");
    assert!(reply.contains("'(&* &b)'") && reply.contains("'allchannels' flag"), "{reply}");
    let open = "-ERR Unmatched parenthesis in acl selector starting at '(+PING'.";
    assert_eq!(server.run("ACL SETUSER new (+PING (+SELECT"), open);
    assert_eq!(server.run("ACL GETUSER new"), "nil", "it was not made");
    let spaces = "-ERR Usernames can't contain spaces or null characters";
    assert_eq!(server.run("ACL SETUSER \"a b\""), spaces);
}

#[test]
fn passwords_are_compared_and_never_shown() {
    let mut server = with(&["ACL SETUSER u >one >two on +@all"]);
    let wrong = "-WRONGPASS invalid username-password pair or user is disabled.";
    expect(&mut server, &[("AUTH u one", "+OK"), ("ACL WHOAMI", "u"), ("AUTH u two", "+OK")]);
    expect(&mut server, &[("AUTH u three", wrong), ("AUTH nobody one", wrong)]);
    expect(&mut server, &[("ACL SETUSER u <one", "+OK"), ("AUTH u one", wrong)]);
    expect(&mut server, &[("ACL SETUSER u off", "+OK"), ("AUTH u two", wrong), ("PING", "+PONG")]);
    expect(&mut server, &[("ACL SETUSER u on nopass", "+OK"), ("AUTH u any", "+OK")]);
    expect(&mut server, &[("ACL SETUSER u resetpass", "+OK"), ("AUTH u \"\"", wrong)]);
    assert_eq!(server.engine.stats.acl_access_denied_auth, 5);
    let none = "-ERR AUTH <password> called without any password configured for the default user. Are you sure your \
                configuration is correct?";
    expect(&mut server, &[("AUTH one", none), ("AUTH a b c", "-ERR syntax error")]);
}

#[test]
fn the_password_of_the_default_user_is_asked_of_who_comes_later() {
    let mut server = Server::new();
    server.engine.set_default_password(None, b"secret");
    expect(&mut server, &[("PING", "+PONG")]);
    let late = server.join();
    assert_eq!(server.run_as(late, "PING"), "-NOAUTH Authentication required.");
    assert!(server.run_as(late, "HELLO 3").starts_with("-NOAUTH HELLO must be called"));
    // Nobody has to log in any more.
    server.ok("ACL SETUSER default nopass");
    assert_eq!(server.run_as(late, "PING"), "+PONG");
    server.ok("ACL SETUSER default >other");
    assert_eq!(server.run_as(late, "PING"), "-NOAUTH Authentication required.");
    assert_eq!(server.run_as(late, "AUTH other"), "+OK");
    server.ok("ACL SETUSER default off");
    assert_eq!(server.run_as(late, "PING"), "+PONG", "who is in stays in");
    assert_eq!(server.run_as(late, "RESET"), "+RESET");
    assert_eq!(server.run_as(late, "PING"), "-NOAUTH Authentication required.");
}

#[test]
fn commands_keys_and_channels_are_refused_with_the_words_of_redis() {
    let rules = "+@all -flushall -config|set ~app:* %R~shared:* resetchannels &news:*";
    let (mut server, slot) = alice(rules);
    let key = "-NOPERM No permissions to access a key";
    let channel = "-NOPERM No permissions to access a channel";
    let cases = [
        ("SET app:1 x", "+OK"),
        ("SET other x", key),
        ("GET shared:1", "nil"),
        ("SET shared:1 x", key),
        ("MGET app:1 other", key),
        ("COPY app:1 shared:1", key),
        ("COPY shared:1 app:2", "0"),
        ("FLUSHALL", "-NOPERM User alice has no permissions to run the 'flushall' command"),
        ("CONFIG SET a b", "-NOPERM User alice has no permissions to run the 'config|set' command"),
        ("PUBLISH news:1 x", "0"),
        ("PUBLISH other x", channel),
        ("SUBSCRIBE news:1 other", channel),
        ("PSUBSCRIBE news:1*", channel),
        ("SSUBSCRIBE other", channel),
        ("EXISTS other", key),
        ("ACL WHOAMI", "alice"),
    ];
    for (line, reply) in cases {
        assert_eq!(server.run_as(slot, line), reply, "{line}");
    }
    let stats = &server.engine.stats;
    let counts =
        (stats.acl_access_denied_cmd, stats.acl_access_denied_key, stats.acl_access_denied_channel);
    assert_eq!(counts, (2, 5, 4));
    assert_eq!(server.engine.users.log.iter().len(), 6, "alike ones are one");
}

#[test]
fn selectors_are_alternatives_and_do_not_add_up() {
    let (mut server, slot) = alice("(%R~read* +@all) (%W~write* +@all)");
    let key = "-NOPERM No permissions to access a key";
    for (line, reply) in [
        ("LPUSH write 1", "1"),
        ("GET read", "nil"),
        ("GET write", key),
        ("LPUSH read 1", key),
        ("COPY read write", key),
    ] {
        assert_eq!(server.run_as(slot, line), reply, "{line}");
    }
}

#[test]
fn a_word_may_be_allowed_of_a_command_that_is_not() {
    let (mut server, slot) = alice("+select|0");
    assert_eq!(server.run_as(slot, "SELECT 0"), "+OK");
    let refused = "-NOPERM User alice has no permissions to run the 'select' command";
    assert_eq!(server.run_as(slot, "SELECT 1"), refused);
}

#[test]
fn flags_of_keys_follow_the_options() {
    let (mut server, slot) = alice("+@all %W~w %R~r");
    let key = "-NOPERM No permissions to access a key";
    for (line, reply) in [
        ("SET w x", "+OK"),
        ("SET w GET", "+OK"),
        ("SET w x GET", key),
        ("SET r x", key),
        ("BITFIELD r GET u4 0", "[0]"),
        ("BITFIELD r GET u4 0 SET u4 0 1", key),
        ("BITFIELD w SET u4 0 1", key),
        ("EXISTS w", "1"),
        ("STRLEN w", "3"),
    ] {
        assert_eq!(server.run_as(slot, line), reply, "{line}");
    }
}

#[test]
fn sort_leads_to_keys_that_nobody_named() {
    let (mut server, slot) = alice("(+@all ~list ~v*)");
    server.ok("RPUSH list 1");
    let refused = |option: &str| {
        format!("-ERR {option} option of SORT denied due to insufficient ACL permissions.")
    };
    for command in ["SORT", "SORT_RO"] {
        assert_eq!(server.run_as(slot, &format!("{command} list BY v*")), refused("BY"));
        assert_eq!(server.run_as(slot, &format!("{command} list GET v*")), refused("GET"));
        assert_eq!(server.run_as(slot, &format!("{command} list BY nosort")), "[1]");
    }
    server.ok("ACL SETUSER alice (+sort ~list %W~*)");
    assert_eq!(server.run_as(slot, "SORT list BY v*"), refused("BY"));
    server.ok("ACL SETUSER alice (+sort ~list %R~*)");
    assert_eq!(server.run_as(slot, "SORT list BY v*"), "[1]");
}

#[test]
fn a_queue_is_looked_at_again_when_it_is_executed() {
    let (mut server, slot) = alice("+@all ~*");
    for line in ["MULTI", "INCR a", "INCR b"] {
        server.run_as(slot, line);
    }
    server.ok("ACL SETUSER alice resetkeys ~a");
    let reply = server.run_as(slot, "EXEC");
    let text = "[1 -NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This \
                command is no longer allowed for the following reason: no permission to touch the specified keys]";
    assert_eq!(reply, text);
    let entry = server.engine.users.log.iter().next().expect("one");
    assert_eq!((entry.event.origin.name(), &entry.event.object[..]), ("multi", &b"b"[..]));
    // Refused before it can be queued.
    server.run_as(slot, "MULTI");
    assert!(server.run_as(slot, "INCR b").starts_with("-NOPERM"));
    assert!(server.run_as(slot, "EXEC").starts_with("-EXECABORT"));
}

#[test]
fn who_waits_is_looked_at_again_when_it_is_served() {
    let (mut server, slot) = alice("+@all ~*");
    assert_eq!(server.run_as(slot, "BLPOP list 0"), "");
    server.ok("ACL SETUSER alice resetkeys");
    server.ok("RPUSH list x");
    assert_eq!(server.sent_to(slot), "-NOPERM No permissions to access a key");
    assert_eq!(server.run("LLEN list"), "1");
}

#[test]
fn subscribers_that_lose_a_channel_are_disconnected_and_others_are_not() {
    let stays = ["allchannels", "resetchannels &a &b* &more", "resetchannels &b* &a (&x)"];
    let goes = ["resetchannels", "resetchannels &b*", "resetchannels &a", "resetchannels &a &b?"];
    for (rules, closed) in stays.iter().map(|r| (r, false)).chain(goes.iter().map(|r| (r, true))) {
        let (mut server, slot) = alice("+@all ~* &a &b*");
        server.run_as(slot, "SUBSCRIBE a");
        server.run_as(slot, "PSUBSCRIBE b*");
        server.ok(&format!("ACL SETUSER alice {rules}"));
        assert_eq!(server.closed() == [slot], closed, "{rules}");
    }
}

#[test]
fn the_clients_of_a_user_that_is_gone_go_as_well() {
    let (mut server, slot) = alice("+@all");
    assert_eq!(server.run("ACL DELUSER nobody alice"), "1");
    assert_eq!(server.closed(), [slot]);
    let error = "-ERR The 'default' user cannot be removed";
    assert_eq!(server.run("ACL DELUSER alice default"), error);
    // Who is executing hears the reply first.
    expect(
        &mut server,
        &[("ACL SETUSER u on nopass +@all", "+OK"), ("AUTH u x", "+OK"), ("ACL DELUSER u", "1")],
    );
    assert!(server.session().close_after_reply);
    assert_eq!(server.run("ACL WHOAMI"), "default");
}

#[test]
fn a_file_replaces_all_users_or_none() {
    let (mut server, slot) = alice("+@all");
    let mut host = crate::testing::Nobody::default();
    let engine = &mut server.engine;
    let text = b"user alice on nopass ~* +@all\n\n\tuser bob (+get ~a) \r\n";
    assert_eq!(engine.load_users(&mut host, None, text, "users.acl"), Ok(()));
    assert_eq!(host.closed, [slot], "though the new file has that name, too");
    let names: Vec<_> = engine.users.iter().map(|user| user.name.clone()).collect();
    assert_eq!(names, [&b"alice"[..], b"bob", b"default"]);
    let bad =
        b"user a +nosuch nonsense >p\nuser alice\nuser alice\nnonsense\nuser b (+get\nuser c ~a ~*";
    let errors = engine.load_users(&mut host, None, bad, "f").expect_err("it is bad");
    assert_eq!(
        String::from_utf8_lossy(&errors),
        "f:1: Error in applying operation '+nosuch': Unknown command or category name in ACL. : Syntax error. WARNING: \
         Duplicate user 'alice' found on line 3. f:4 should start with user keyword followed by the username. f:5: Unmatched \
         parenthesis in selector definition.WARNING: ACL errors detected, no change to the previously active ACL rules was \
         performed"
    );
    assert_eq!(engine.users.iter().len(), 3);
}

#[test]
fn dryrun_says_what_would_be_in_the_way() {
    let mut server = with(&["ACL SETUSER u +@all -get %R~r* %W~w*"]);
    let cases = [
        ("ACL DRYRUN u SET w 1", "+OK"),
        ("ACL DRYRUN u GET r", "User u has no permissions to run the 'get' command"),
        ("ACL DRYRUN u STRLEN x", "User u has no permissions to access the 'x' key"),
        ("ACL DRYRUN u PUBLISH c m", "User u has no permissions to access the 'c' channel"),
        ("ACL DRYRUN u SORT r STORE r", "User u has no permissions to access the 'r' key"),
        ("ACL DRYRUN u GEORADIUS r 1 1 1 M STORE w", "+OK"),
        (
            "ACL DRYRUN u GEORADIUS r 1 1 1 M STORE w STORE x",
            "User u has no permissions to access the 'x' key",
        ),
        ("ACL DRYRUN nobody GET r", "-ERR User 'nobody' not found"),
        ("ACL DRYRUN u nosuch r", "-ERR Command 'nosuch' not found"),
        ("ACL DRYRUN u SET w", "-ERR wrong number of arguments for 'set' command"),
    ];
    expect(&mut server, &cases);
    assert_eq!(server.engine.users.log.iter().len(), 0);
}

#[test]
fn the_log_and_other_subcommands_answer() {
    let (mut server, slot) = alice("+get");
    server.engine.now_ms = 1000;
    server.run_as(slot, "SET k v");
    server.engine.now_ms = 3500;
    server.run_as(slot, "SET k v");
    let entry = "[[count 2 reason command context toplevel object set username alice age-seconds 0 client-info id=2 cmd=set \
                 entry-id 0 timestamp-created 1000 timestamp-last-updated 3500]]";
    expect(
        &mut server,
        &[
            ("ACL LOG", entry),
            ("ACL LOG 0", "[]"),
            ("ACL LOG -1", "[]"),
            ("ACL LOG RESET", "+OK"),
            ("ACL LOG", "[]"),
            ("ACL LOG x", "-ERR value is not an integer or out of range"),
            ("ACL USERS", "[alice default]"),
            ("ACL WHOAMI", "default"),
            ("ACL GENPASS 5", "01"),
            ("ACL GENPASS 16", "0202"),
            ("ACL CAT hyperloglog", "[pfadd pfcount pfdebug pfmerge pfselftest]"),
            ("ACL CAT nosuch", "-ERR Unknown category 'nosuch'"),
            (
                "ACL CAT a b",
                "-ERR unknown subcommand or wrong number of arguments for 'CAT'. Try ACL HELP.",
            ),
            (
                "ACL GETUSER alice",
                "[flags [on nopass sanitize-payload] passwords [] commands -@all +get keys  channels  selectors []]",
            ),
        ],
    );
    let bits = "-ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096";
    expect(&mut server, &[("ACL GENPASS 0", bits), ("ACL GENPASS 4097", bits)]);
    assert_eq!(server.run("ACL GENPASS").len(), 64);
    assert_eq!(server.run("ACL GENPASS 4096").len(), 1024);
}

#[test]
fn our_primary_and_files_are_not_asked() {
    let mut server = with(&["ACL SETUSER default -@all resetkeys"]);
    assert!(server.run("SET k v").starts_with("-NOPERM"));
    server.as_primary(|server| assert_eq!(server.run("SET k v"), "+OK"));
}
