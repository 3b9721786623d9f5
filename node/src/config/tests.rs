//! Tests of the configuration as a whole: files, the command line, CONFIG GET, SET and REWRITE.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::types::EvictionPolicy;
use super::*;

const ANYONE: Caller = Caller { local: false, loading: false };

/// `*` at the ends is all that these tests need of a glob matcher.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let pattern = std::str::from_utf8(pattern).unwrap();
    let text = std::str::from_utf8(text).unwrap();
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(""), _) => true,
        (Some(end), _) => text.ends_with(end),
        (None, Some(start)) => text.starts_with(start),
        (None, None) => text == pattern,
    }
}

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|word| (*word).to_string()).collect()
}

fn started(args: &[&str]) -> Settings {
    Settings::load(&backup::files::Files::real(), None, &words(args))
        .expect("the options are right")
        .settings
}

fn refused(args: &[&str]) -> String {
    Settings::from_command_line(&backup::files::Files::real(), &words(args))
        .expect_err("the options are wrong")
        .to_string()
}

fn get(settings: &Settings, name: &str) -> String {
    let found = settings.get(&[name.as_bytes()], matches);
    assert_eq!(found.len(), 1, "{name}");
    found[0].1.clone()
}

fn set(settings: &mut Settings, pairs: &[(&str, &str)]) -> Result<Vec<&'static str>, String> {
    let pairs: Vec<(Vec<u8>, Vec<u8>)> = pairs
        .iter()
        .map(|(name, value)| (name.as_bytes().into(), value.as_bytes().into()))
        .collect();
    settings.set(&pairs, ANYONE).map_err(|error| error.text)
}

/// A directory of configuration files, removed at the end.
struct Files(PathBuf);

impl Files {
    fn new(name: &str, files: &[(&str, &str)]) -> Files {
        let path =
            std::env::temp_dir().join(format!("tidemark-config-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        let place = path.display().to_string();
        for (name, text) in files {
            std::fs::write(path.join(name), text.replace("DIR", &place)).unwrap();
        }
        Files(path)
    }

    fn load(&self, args: &[&str]) -> Result<Loaded, String> {
        let file = self.0.join("main.conf");
        Settings::load(&backup::files::Files::real(), Some(&file), &words(args))
            .map_err(|error| error.to_string())
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

fn loaded(name: &str, text: &str) -> Settings {
    Files::new(name, &[("main.conf", text)]).load(&[]).expect("the file is right").settings
}

// ---- the table ----------------------------------------------------------------------------------

#[test]
fn names_are_unique_and_in_lower_case() {
    let mut seen = BTreeSet::new();
    for name in ROWS.iter().flat_map(Row::names) {
        assert_eq!(name, name.to_ascii_lowercase());
        assert!(seen.insert(name), "{name} occurs twice");
        assert!(Row::find(&name.to_uppercase()).is_some());
    }
    assert!(Row::find("no-such-directive").is_none());
}

#[test]
fn what_is_secret_is_secret_to_the_engine_too() {
    let secret = ROWS.iter().filter(|row| row.is(table::SENSITIVE)).flat_map(Row::names);
    let mut secret: Vec<&str> = secret.collect();
    secret.sort_unstable();
    assert_eq!(secret, engine::secrets::SECRET_DIRECTIVES);
}

#[test]
fn what_has_no_effect_says_why() {
    for row in ROWS.iter().filter(|row| row.is(NO_EFFECT)) {
        assert!(row.note.is_some_and(|note| !note.is_empty()), "{}", row.name);
    }
}

#[test]
fn what_is_shown_and_what_is_written_can_be_read_back() {
    for row in ROWS {
        let mut settings = Settings::default();
        let shown = row.default();
        if row.name != "replicaof" {
            row.assign(&mut settings, &[shown], false).expect(row.name);
            assert_eq!(settings, Settings::default(), "{}", row.name);
        }
        for (index, line) in (row.lines)(&Settings::default()).iter().enumerate() {
            row.assign(&mut settings, line, index > 0).expect(row.name);
        }
        assert_eq!(settings, Settings::default(), "{}", row.name);
    }
}

#[test]
fn defaults_are_those_of_redis() {
    for (name, value) in [
        ("save", "3600 1 300 100 60 10000"),
        ("bind", "* -::*"),
        (
            "client-output-buffer-limit",
            "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
        ),
        ("repl-backlog-size", "1048576"),
        ("slave-read-only", "yes"),
        ("replicaof", ""),
        ("notify-keyspace-events", ""),
        ("unixsocketperm", "0"),
        ("latency-tracking-info-percentiles", "50 99 99.9"),
        ("oom-score-adj-values", "0 200 800"),
        ("shutdown-on-sigterm", "default"),
        ("list-max-ziplist-size", "-2"),
    ] {
        assert_eq!(get(&Settings::default(), name), value, "{name}");
    }
}

// ---- values -------------------------------------------------------------------------------------

#[test]
fn values_are_shown_in_their_canonical_form() {
    let mut settings = Settings::default();
    for (name, value, shown) in [
        ("maxmemory", "1k", "1000"),
        ("maxmemory", "1KB", "1024"),
        ("maxmemory", "5mb", "5242880"),
        ("maxmemory", "2g", "2000000000"),
        ("maxmemory", "18446744073709551615", "18446744073709551615"),
        ("maxmemory-clients", "5%", "5%"),
        ("maxmemory-clients", "10mb", "10485760"),
        ("appendonly", "YES", "yes"),
        ("appendfsync", "Always", "always"),
        ("oom-score-adj", "relative", "yes"),
        ("hz", "0", "1"),
        ("hz", "1000", "500"),
        ("save", "", ""),
        ("save", "900 1  60 5", "900 1 60 5"),
        ("shutdown-on-sigint", "force nosave now", "nosave now force"),
        ("notify-keyspace-events", "EKl", "lKE"),
        ("notify-keyspace-events", "g$lshzxetdKE", "AKE"),
        ("notify-keyspace-events", "AKEmn", "AnKEm"),
        (
            "client-output-buffer-limit",
            "replica 1mb 5 7",
            "normal 0 0 0 slave 1048576 5 7 pubsub 33554432 8388608 60",
        ),
        ("bind", "127.0.0.1 -::1", "127.0.0.1 -::1"),
        ("bind", "", ""),
        ("latency-tracking-info-percentiles", "", ""),
        ("slowlog-log-slower-than", "-1", "-1"),
        ("proc-title-template", "{title} {port}", "{title} {port}"),
    ] {
        set(&mut settings, &[(name, value)]).expect(name);
        assert_eq!(get(&settings, name), shown, "{name} {value}");
    }
    assert_eq!(get(&started(&["--unixsocketperm", "0770"]), "unixsocketperm"), "770");
    assert!(settings.notify_keyspace_events.has(b'A') && settings.notify_keyspace_events.has(b'm'));
}

#[test]
fn wrong_values_are_refused_in_redis_words() {
    for (name, value, reason) in [
        ("appendonly", "maybe", "argument must be 'yes' or 'no'"),
        ("timeout", "ten", "argument couldn't be parsed into an integer"),
        ("timeout", "007", "argument couldn't be parsed into an integer"),
        ("timeout", "-1", "argument must be between 0 and 2147483647 inclusive"),
        ("port", "65536", "argument must be between 0 and 65535 inclusive"),
        ("maxmemory", "10x", "argument must be a memory value"),
        ("maxmemory", "99999999999gb", "argument must be a memory value"),
        ("maxmemory", "", "argument must be a memory value"),
        ("repl-backlog-size", "0", "argument must be between 1 and 9223372036854775807 inclusive"),
        ("maxmemory-clients", "200%", "percentage argument must be less or equal to 100"),
        ("maxmemory-clients", "x", "argument must be a memory or percent value"),
        ("appendfsync", "often", "argument(s) must be one of the following: everysec, always, no"),
        (
            "shutdown-on-sigint",
            "never",
            "argument(s) must be one of the following: default, save, nosave, now, force",
        ),
        (
            "shutdown-on-sigint",
            "save nosave",
            "shutdown options SAVE and NOSAVE can't be used simultaneously",
        ),
        ("save", "900", "Invalid save parameters"),
        ("save", "0 1", "Invalid save parameters"),
        ("notify-keyspace-events", "KQ", "Invalid event class character. Use 'Ag$lshzxeKEtmdn'."),
        (
            "client-output-buffer-limit",
            "master 0 0 0",
            "Invalid client class specified in buffer limit configuration.",
        ),
        (
            "client-output-buffer-limit",
            "normal 0 0",
            "Wrong number of arguments in buffer limit configuration.",
        ),
        (
            "oom-score-adj-values",
            "-2001 0 0",
            "Invalid oom-score-adj-values, elements must be between -2000 and 2000.",
        ),
        (
            "proc-title-template",
            "{nobody}",
            "template format is invalid or contains unknown variables",
        ),
        ("activedefrag", "yes", "active defragmentation is not supported"),
        ("tls-port", "6380", "TLS is not supported"),
    ] {
        let mut settings = Settings::default();
        let text =
            format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}");
        assert_eq!(set(&mut settings, &[(name, value)]), Err(text));
        assert_eq!(settings, Settings::default());
    }
}

// ---- CONFIG GET and SET -------------------------------------------------------------------------

#[test]
fn get_lists_names_and_aliases_once_and_sorted() {
    let settings = Settings::default();
    let found = settings.get(&[b"*of", b"replicaof", b"BIND", b"maxmemory*"], matches);
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert!(names.contains(&"replicaof") && names.contains(&"slaveof") && names.contains(&"BIND"));
    assert!(names.contains(&"maxmemory") && names.contains(&"maxmemory-clients"));
    let lower: Vec<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
    assert!(lower.is_sorted_by(|a, b| a < b));
    assert_eq!(settings.get(&[b"MAXMEMORY-S*"], matches).len(), 1);
    assert!(settings.get(&[b"nothing"], matches).is_empty());
}

#[test]
fn get_shows_hidden_directives_only_by_name() {
    let settings = Settings::default();
    let all = settings.get(&[b"*"], matches);
    assert!(all.iter().all(|(name, _)| name != "key-load-delay"));
    assert_eq!(settings.get(&[b"key-load-delay"], matches).len(), 1);
}

#[test]
fn set_reports_only_what_changed_by_its_main_name() {
    let mut settings = Settings::default();
    let pairs = [("timeout", "0"), ("SLAVE-read-only", "no"), ("maxmemory", "1mb")];
    assert_eq!(set(&mut settings, &pairs), Ok(vec!["replica-read-only", "maxmemory"]));
    assert!(!settings.replica_read_only);
    assert_eq!(settings.maxmemory, 1 << 20);
}

#[test]
fn set_is_all_or_nothing() {
    let mut settings = Settings::default();
    let pairs =
        [("maxmemory", "10"), ("maxmemory-clients", "200%"), ("client-query-buffer-limit", "x")];
    assert!(set(&mut settings, &pairs).unwrap_err().contains("'maxmemory-clients'"));
    assert_eq!(settings, Settings::default());
}

#[test]
fn set_refuses_by_name_before_it_looks_at_values() {
    let failed = |name: &str, reason: &str| {
        format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}")
    };
    for (pairs, text) in [
        (
            &[("timeout", "x"), ("nonsense", "1")][..],
            "ERR Unknown option or number of arguments for CONFIG SET - 'nonsense'".to_string(),
        ),
        (&[("daemonize", "yes")], failed("daemonize", "can't set immutable config")),
        (&[("dir", "/")], failed("dir", "can't set protected config")),
        (&[("hz", "1"), ("hz", "2")], failed("hz", "duplicate parameter")),
        (
            &[("replica-priority", "1"), ("slave-priority", "2")],
            failed("slave-priority", "duplicate parameter"),
        ),
    ] {
        assert_eq!(set(&mut Settings::default(), pairs), Err(text));
    }
}

#[test]
fn protected_directives_follow_the_permission() {
    let pair = [(b"dbfilename".to_vec(), b"x.rdb".to_vec())];
    for (permission, local, allowed) in
        [("no", true, false), ("local", false, false), ("local", true, true), ("yes", false, true)]
    {
        let mut settings = started(&["--enable-protected-configs", permission]);
        let result = settings.set(&pair, Caller { local, loading: false });
        assert_eq!(result.is_ok(), allowed, "{permission} {local}");
    }
}

#[test]
fn some_directives_wait_for_the_end_of_loading() {
    let caller = Caller { local: true, loading: true };
    let mut settings = started(&["--enable-protected-configs", "yes"]);
    assert!(settings.set(&[(b"loglevel".to_vec(), b"debug".to_vec())], caller).is_ok());
    let error = settings.set(&[(b"dir".to_vec(), b"x".to_vec())], caller).unwrap_err();
    assert!(error.text.starts_with("LOADING "));
}

// ---- the command line ---------------------------------------------------------------------------

#[test]
fn options_take_the_words_up_to_the_next_option() {
    let settings =
        started(&["--port", "7000", "--bind", "127.0.0.1", "::1", "--slaveof", "h", "1"]);
    assert_eq!((settings.port, settings.bind.0.len()), (7000, 2));
    assert_eq!(settings.replicaof, Some(PrimaryAddress { host: "h".into(), port: 1 }));

    let settings = started(&["--maxmemory 700mb", "--maxmemory-policy 'volatile-lru'"]);
    assert_eq!(settings.maxmemory, 734003200);
    assert_eq!(settings.maxmemory_policy, EvictionPolicy::VolatileLru);

    let settings = started(&["loglevel", "verbose", "--maxmemory '700mb'"]);
    assert_eq!((settings.loglevel, settings.maxmemory), (LogLevel::Verbose, 734003200));

    let flags = started(&[
        "--shutdown-on-sigint",
        "nosave",
        "force",
        "now",
        "--shutdown-on-sigterm",
        "nosave force",
    ]);
    assert_eq!(get(&flags, "shutdown-on-sigint"), "nosave now force");
    assert_eq!(get(&flags, "shutdown-on-sigterm"), "nosave force");
}

#[test]
fn a_value_may_look_like_an_option() {
    for args in [
        &["--proc-title-template", "--my--title", "--loglevel", "verbose"][..],
        &["--proc-title-template --my--title", "--loglevel verbose"],
    ] {
        let settings = started(args);
        assert_eq!(settings.proc_title_template, "--my--title");
        assert_eq!(settings.loglevel, LogLevel::Verbose);
    }
}

#[test]
fn save_without_a_value_means_no_snapshots() {
    for args in [
        &["--save", "--loglevel", "verbose"][..],
        &["--loglevel", "verbose", "--save"],
        &["--save", "", "--loglevel", "verbose"],
        &["--proc-title-template", "--save", "--save", "", "--loglevel", "verbose"],
    ] {
        let settings = started(args);
        assert_eq!(settings.save.0, []);
        assert_eq!(settings.loglevel, LogLevel::Verbose);
    }
}

#[test]
fn wrong_options_are_shown_with_their_reason() {
    for (args, line, reason) in [
        (&["--invalid"][..], ">>> 'invalid'", "Bad directive or wrong number of arguments"),
        (&["--port"], ">>> 'port'", "wrong number of arguments"),
        (&["--port", "6380", "--loglevel"], ">>> 'loglevel'", "wrong number of arguments"),
        (&["--port", "6379", "6380"], r#"'port "6379" "6380"'"#, "wrong number of arguments"),
        (&["--port", "--loglevel", "verbose"], r#"'port "--loglevel" "verbose"'"#, "wrong number"),
        (
            &["--port", "--bla", "--loglevel", "verbose"],
            r#"'port "--bla"'"#,
            "parsed into an integer",
        ),
        (
            &["--logfile", "--my--log", "--loglevel", "--bla"],
            r#"'loglevel "--bla"'"#,
            "one of the following",
        ),
        (&["--shutdown-on-sigint"], ">>> 'shutdown-on-sigint'", "one of the following"),
        (
            &["--replicaof", "127.0.0.1", "abc"],
            r#"'replicaof "127.0.0.1" "abc"'"#,
            "Invalid master port",
        ),
        (&["--replicaof", "--127.0.0.1", "--abc"], r#"'replicaof "--127.0.0.1"'"#, "wrong number"),
        (
            &["--cluster-enabled", "yes"],
            ">>> 'cluster-enabled \"yes\"'",
            "cluster mode is not supported",
        ),
        (&["--rename-command", "a", "b"], "rename-command", "No such command in rename-command"),
        (&["--rename-command", "get"], "rename-command", "wrong number of arguments"),
        (&["-"], ">>> '\"-\"'", "Bad directive"),
    ] {
        let text = refused(args);
        assert!(text.contains("*** FATAL CONFIG FILE ERROR (Redis 7.2."), "{text}");
        assert!(text.contains("Reading the configuration file, at line "), "{text}");
        assert!(text.contains(line) && text.contains(reason), "{text}");
    }
}

// ---- files --------------------------------------------------------------------------------------

#[test]
fn words_are_split_by_the_rules_of_quotes() {
    let split = |line: &str| {
        let words = file::split_words(line.as_bytes())?;
        Some(words.into_iter().map(|word| String::from_utf8(word).unwrap()).collect::<Vec<_>>())
    };
    assert_eq!(split("a  \"b c\"\t'd e' "), Some(words(&["a", "b c", "d e"])));
    assert_eq!(split(r#""\x41\n\"\\\q" 'it\'s \n'"#), Some(words(&["A\n\"\\q", r"it's \n"])));
    assert_eq!(split(r#"a"b" """#), Some(words(&["ab", ""])));
    assert_eq!(split(r#""\xzz""#), Some(words(&["xzz"])));
    for wrong in [r#""a"#, "'a", r#""a"b"#, "'a'b", r#""a\""#] {
        assert_eq!(split(wrong), None, "{wrong}");
    }
    for word in ["", "a b", "tab\there", "quote\"s", "back\\slash", "bell\u{7}", "naïve"] {
        assert_eq!(split(&file::quoted(word)), Some(words(&[word])));
    }
}

#[test]
fn files_may_have_comments_and_repeat_themselves() {
    let settings = loaded(
        "plain",
        "# comment\r\n\r\n  PORT 7000 \r\nport 7001\nslave-priority 7\nreplica-priority 8\n\
         logfile ''\ndbfilename \"a b.rdb\"\nshutdown-on-sigterm \"nosave now\"\n",
    );
    assert_eq!((settings.port, settings.replica_priority), (7001, 8));
    assert_eq!(settings.dbfilename, "a b.rdb");
    assert_eq!(get(&settings, "shutdown-on-sigterm"), "nosave now");
}

#[test]
fn save_lines_replace_the_default_and_then_add_up() {
    assert_eq!(get(&loaded("save-1", "port 1\n"), "save"), "3600 1 300 100 60 10000");
    assert_eq!(get(&loaded("save-2", "save 100 100\n"), "save"), "100 100");
    assert_eq!(
        get(&loaded("save-3", "save ''\nsave 900 1\nsave 60 5 7 8\n"), "save"),
        "900 1 60 5 7 8"
    );
    assert_eq!(get(&loaded("save-4", "save 900 1\nsave \"\"\n"), "save"), "");
    let files = Files::new("save-5", &[("main.conf", "save ''\nsave 900 1\n")]);
    let with = |args| get(&files.load(args).unwrap().settings, "save");
    assert_eq!(with(&["--save", "100", "100"]), "900 1 100 100");
    assert_eq!(with(&["--save", ""]), "");
}

#[test]
fn options_come_after_the_file_which_is_remembered_with_its_whole_path() {
    let files = Files::new("options", &[("main.conf", "port 7000\nuser alice on >x ~*\n")]);
    let loaded = files.load(&["--port", "7001"]).unwrap();
    assert_eq!(loaded.settings.port, 7001);
    assert_eq!(loaded.file, Some(files.0.join("main.conf")));
    assert_eq!(loaded.users, [words(&["alice", "on", ">x", "~*"])]);
    let path = files.0.join("main.conf").display().to_string();
    let args = words(&[&path, "--timeout", "5"]);
    let loaded = Settings::from_command_line(&backup::files::Files::real(), &args).unwrap();
    assert_eq!((loaded.settings.port, loaded.settings.timeout), (7000, 5));
}

#[test]
fn files_include_others_in_place() {
    let files = Files::new(
        "include",
        &[
            (
                "main.conf",
                "port 1\ninclude DIR/one.conf\ntimeout 9\ninclude DIR/*.part\ninclude DIR/*.none\n",
            ),
            ("one.conf", "port 2\ntimeout 3\n"),
            ("b.part", "hz 20\n"),
            ("a.part", "hz 30\n"),
        ],
    );
    let settings = files.load(&[]).unwrap().settings;
    assert_eq!((settings.port, settings.timeout, settings.hz), (2, 9, 20));
}

#[test]
fn a_circle_of_includes_ends_with_an_error() {
    let files = Files::new("circle", &[("main.conf", "# me\ninclude DIR/main.conf\n")]);
    let text = files.load(&[]).unwrap_err();
    assert!(text.contains("at line 2 of") && text.contains("more than 16 deep"), "{text}");
}

#[test]
fn errors_name_the_file_and_the_line() {
    let files = Files::new(
        "errors",
        &[
            ("main.conf", "port 1\ninclude DIR/one.conf\n"),
            ("one.conf", "\n  appendonly maybe  \n"),
        ],
    );
    let text = files.load(&[]).unwrap_err();
    let place = format!("at line 2 of {}/one.conf", files.0.display());
    assert!(text.contains(&place) && text.contains(">>> 'appendonly maybe'"), "{text}");
    assert!(text.ends_with("argument must be 'yes' or 'no'"), "{text}");

    let files = Files::new("missing", &[("main.conf", "include DIR/absent.conf\n")]);
    assert!(files.load(&[]).unwrap_err().starts_with("Fatal error, can't open config file '"));
    for line in ["logfile \"x", "save 900", "what ever", "loadmodule x.so", "tls-port 1", "include"]
    {
        let files = Files::new("lines", &[("main.conf", line)]);
        assert!(files.load(&[]).is_err(), "{line}");
    }
}

#[test]
fn only_comments_may_be_in_other_encodings() {
    let files = Files::new("latin", &[]);
    std::fs::write(files.0.join("main.conf"), b"# caf\xe9\nport 7\n").unwrap();
    assert_eq!(files.load(&[]).unwrap().settings.port, 7);
    std::fs::write(files.0.join("main.conf"), b"logfile caf\xe9\n").unwrap();
    assert!(files.load(&[]).unwrap_err().ends_with("The line is not valid UTF-8"));
}

// ---- CONFIG REWRITE -----------------------------------------------------------------------------

/// Rewrites, and checks that the result loads to the same settings and needs no second rewrite.
fn rewritten(name: &str, settings: &Settings, original: &str) -> String {
    let text = settings.rewrite(original);
    assert_eq!(&loaded(name, &text), settings, "{text}");
    assert_eq!(settings.rewrite(&text), text);
    text
}

#[test]
fn rewrite_keeps_what_is_still_right() {
    let text = "# head\n\nmaxmemory  100MB # no\n";
    assert!(Settings::default().rewrite(text).contains("# head\n\nmaxmemory 0\n"));
    let text = "# head\nmaxmemory  100MB\n\n\nslave-read-only YES\nsave ''\nsave 900 1\nhz 10\n";
    let settings = loaded("keep", text);
    assert_eq!(rewritten("keep", &settings, text), text);
}

#[test]
fn rewrite_replaces_in_place_and_adds_at_the_end() {
    let text = "# a\nport 7000\n# b\nslave-priority 5\n# c";
    let mut settings = loaded("replace", text);
    let pairs = [
        ("port", "7001"),
        ("slave-priority", "6"),
        ("maxmemory", "100mb"),
        ("requirepass", "a \"b"),
        ("hash-max-ziplist-entries", "7"),
        ("maxmemory-clients", "5%"),
    ];
    set(&mut settings, &pairs).unwrap();
    assert_eq!(
        rewritten("replace", &settings, text),
        "# a\nport 7001\n# b\nreplica-priority 6\n# c\n# Generated by CONFIG REWRITE\n\
         maxmemory-clients 5%\nrequirepass \"a \\\"b\"\nmaxmemory 100mb\n\
         hash-max-listpack-entries 7\n"
    );
}

#[test]
fn a_file_with_every_directive_says_the_same() {
    let text = "port 7000\nsave 5 6\nrequirepass secret\n";
    let settings = loaded("all", text);
    let all = settings.rewrite_all(text);
    assert_eq!(rewritten("all", &settings, text), text);
    let again = loaded("again", &all);
    for row in ROWS {
        assert!(row.same(&settings, &again), "{}: {}", row.name, row.show(&again));
        let lines = all.lines().filter(|line| line.split(' ').next() == Some(row.name)).count();
        assert!(lines > 0 || row.show(&settings).is_empty(), "{}", row.name);
    }
}

#[test]
fn rewrite_signs_once() {
    let mut settings = Settings::default();
    set(&mut settings, &[("hz", "20")]).unwrap();
    let text = rewritten("sign", &settings, "");
    set(&mut settings, &[("timeout", "3")]).unwrap();
    let text = rewritten("sign", &settings, &text);
    assert_eq!(text, "# Generated by CONFIG REWRITE\nhz 20\ntimeout 3\n");
}

#[test]
fn rewrite_drops_lines_that_no_longer_count() {
    let text = "port 1\nport 2\nhash-max-ziplist-entries 20\nhash-max-listpack-entries 21\n";
    let mut settings = loaded("repeat", text);
    assert_eq!(rewritten("repeat", &settings, text), "port 2\nhash-max-listpack-entries 21\n");
    set(&mut settings, &[("port", "3")]).unwrap();
    assert_eq!(rewritten("repeat", &settings, text), "port 3\nhash-max-listpack-entries 21\n");
}

#[test]
fn rewrite_of_save_points() {
    let text = "save 900 1\n# x\nsave 60 5\n";
    let mut settings = loaded("points", text);
    assert_eq!(rewritten("points", &settings, text), text);
    set(&mut settings, &[("save", "1 2 3 4 5 6")]).unwrap();
    assert_eq!(rewritten("points", &settings, text), "# x\nsave 1 2\nsave 3 4\nsave 5 6\n");
    set(&mut settings, &[("save", "")]).unwrap();
    assert_eq!(rewritten("points", &settings, text), "# x\nsave \"\"\n");
    assert_eq!(
        rewritten("points", &settings, "# y\n"),
        "# y\n# Generated by CONFIG REWRITE\nsave \"\"\n"
    );
    set(&mut settings, &[("save", "3600 1 300 100 60 10000")]).unwrap();
    assert_eq!(rewritten("points", &settings, "# y\n"), "# y\n");
    let back = rewritten("points", &settings, "save 9 9\n");
    assert_eq!(back, "save 3600 1\nsave 300 100\nsave 60 10000\n");
}

#[test]
fn rewrite_of_output_limits_by_class() {
    let text = "client-output-buffer-limit normal 0 0 0\n# r\n\
                client-output-buffer-limit replica 256mb 64mb 60\n";
    let mut settings = loaded("limits", text);
    assert_eq!(rewritten("limits", &settings, text), text);
    set(&mut settings, &[("client-output-buffer-limit", "slave 1mb 0 0 pubsub 5 4 3")]).unwrap();
    assert_eq!(
        rewritten("limits", &settings, text),
        "client-output-buffer-limit normal 0 0 0\n# r\nclient-output-buffer-limit slave 1mb 0 0\n\
         # Generated by CONFIG REWRITE\nclient-output-buffer-limit pubsub 5 4 3\n"
    );
    let mixed = "client-output-buffer-limit normal 1 1 1 pubsub 1 1 1\n";
    assert_eq!(
        rewritten("limits", &settings, mixed),
        "client-output-buffer-limit normal 0 0 0\nclient-output-buffer-limit slave 1mb 0 0\n\
         client-output-buffer-limit pubsub 5 4 3\n"
    );
}

#[test]
fn rewrite_of_the_primary() {
    let text = "slaveof old 1\nport 7\n";
    let mut settings = loaded("primary", text);
    settings.replicaof = Some(PrimaryAddress { host: "new".into(), port: 2 });
    assert_eq!(rewritten("primary", &settings, text), "replicaof new 2\nport 7\n");
    settings.replicaof = None;
    assert_eq!(rewritten("primary", &settings, text), "port 7\n");
}

#[test]
fn rewrite_keeps_includes_users_and_what_it_does_not_know() {
    let text = "include /no/such/file\nuser alice on\nwhat is this\nlogfile \"open\n";
    assert_eq!(Settings::default().rewrite(text), text);
}

#[test]
fn every_directive_survives_a_rewrite() {
    let mut settings = Settings::default();
    for row in ROWS {
        let values = ["no", "yes", "5", "7 8", "7 8 9", "normal 5 5 5", "debug", "x", "h 7", "AKE"];
        let differs = |value: &&str| {
            let mut changed = settings.clone();
            let word = [value.to_string()];
            row.assign(&mut changed, &word, false).is_ok() && !row.same(&changed, &settings)
        };
        if let Some(value) = values.iter().copied().find(differs) {
            row.assign(&mut settings, &[value.to_string()], false).unwrap();
        }
    }
    let text = rewritten("all", &settings, "# all\n");
    assert!(text.lines().count() > 100, "{text}");
}
