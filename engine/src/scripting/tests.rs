//! Scripts as clients, the journal and other clients see them.

use crate::host::EntryKind;
use crate::testing::{Server, expect, with};

fn eval(script: &str, rest: &str) -> String {
    format!("EVAL \"{script}\" {rest}")
}

/// A server on which each look at the clock takes a millisecond, and scripts may take five.
fn slow() -> Server {
    let mut server = Server::new();
    server.engine.scripts.busy_reply_threshold_ms = 5;
    server.slow_clock(1_000_000);
    server
}

const LOOP: &str = "EVAL \"while true do end\" 0";
const COUNT: &str = "EVAL \"redis.call('set', KEYS[1], 1) for i = 1, 3000000 do end return redis.call('incr', KEYS[1])\" 1 k";

#[test]
fn what_a_script_did_is_one_unit() {
    for (script, effect) in [
        ("return redis.call('set', KEYS[1], 'v')", "set k v"),
        (
            "redis.call('set', KEYS[1], 1) return redis.call('incr', KEYS[1])",
            "MULTI | set k 1 | incr k | EXEC",
        ),
        ("return redis.call('get', KEYS[1])", ""),
        ("redis.call('set', KEYS[1], 1) error('x')", "set k 1"),
        (
            "redis.call('sadd', KEYS[1], 'a') return redis.call('spop', KEYS[1])",
            "MULTI | sadd k a | SREM k a | EXEC",
        ),
        ("redis.call('select', 1) return redis.call('set', KEYS[1], 1)", "set k 1"),
        ("redis.pcall('set', KEYS[1]) return redis.call('set', KEYS[1], 2)", "set k 2"),
        ("return redis.call('SET', KEYS[1], 'v', 'PX', 1000)", "SET k v PXAT 1700000001000"),
    ] {
        let mut server = Server::new();
        server.run(&eval(script, "1 k"));
        assert_eq!(server.journal(), effect, "{script}");
    }
}

#[test]
fn a_transaction_with_scripts_is_one_unit() {
    let mut server = Server::new();
    for line in ["MULTI", "SET a 1", &eval("return redis.call('incr', KEYS[1])", "1 a"), "SET b 2"]
    {
        server.ok(line);
    }
    assert_eq!(server.run("EXEC"), "[+OK 2 +OK]");
    assert_eq!(server.journal(), "MULTI | SET a 1 | incr a | SET b 2 | EXEC");
}

#[test]
fn who_hears_of_what_a_script_writes() {
    let script =
        "redis.call('set', 'a', 1) redis.set_repl(redis.REPL_NONE) redis.call('set', 'b', 1)
        redis.set_repl(redis.REPL_AOF) redis.call('set', 'c', 1) redis.set_repl(redis.REPL_REPLICA)
        redis.call('set', 'd', 1) redis.set_repl(redis.REPL_ALL) redis.call('set', 'e', 1)";
    let mut server = Server::new();
    server.ok(&eval(script, "0"));
    use EntryKind::{Control, Effect, Local};
    assert_eq!(server.kinds(), [Effect, Local, Control, Effect]);
    assert_eq!(server.journal(), "set a 1; set c 1; set d 1; set e 1");
}

#[test]
fn the_session_is_as_it_was() {
    let mut server = Server::new();
    server.ok(&eval("redis.call('select', 3) redis.setresp(3) return 1", "0"));
    assert_eq!((server.session().db, server.session().resp3), (0, false));
    assert!(!server.session().in_exec && !server.session().in_script);
    server.run(&eval("redis.call('select', 3) error('x')", "0"));
    assert_eq!(server.session().db, 0);
}

#[test]
fn commands_that_are_not_for_scripts() {
    let mut server = with(&["SADD s b a c"]);
    for (call, error) in [
        ("'multi'", "This Redis command is not allowed from script"),
        ("'eval', 'return 1', '0'", "This Redis command is not allowed from script"),
        ("'nope'", "Unknown Redis command called from script"),
        ("'get'", "Wrong number of args calling Redis command from script"),
        ("'config', 'nope'", "Unknown Redis command called from script"),
    ] {
        let said = server.run(&eval(&format!("return redis.call({call})"), "0"));
        assert!(said.contains(error), "{call}: {said}");
    }
    server.engine.scripts.all_commands = true;
    let said = server.run(&eval("return redis.call('eval', 'return 1', '0')", "0"));
    assert!(said.starts_with("-ERR"), "one interpreter, one script: {said}");
    expect(&mut server, &[(&eval("return redis.call('sort', 's', 'by', 'x')", "0"), "[a b c]")]);
    // Nothing waits.
    expect(&mut server, &[(&eval("return redis.call('blpop', 'l', 0)", "0"), "nil")]);
}

#[test]
fn reads_only() {
    let mut server = with(&["SET k v"]);
    let write = "return redis.call('set', KEYS[1], 1)";
    for line in [
        format!("EVAL_RO \"{write}\" 1 k"),
        format!("EVAL \"#!lua flags=no-writes\n{write}\" 1 k"),
        "EVAL_RO \"return redis.call('publish', 'c', 'm')\" 0".to_owned(),
    ] {
        let said = server.run(&line);
        assert!(said.contains("Write commands are not allowed from read-only scripts."), "{said}");
    }
    let said = server.run(&format!("EVAL_RO \"#!lua\n{write}\" 1 k"));
    assert_eq!(said, "-ERR Can not execute a script with write flag using *_ro command.");
    assert_eq!(server.run("EVAL_RO \"return redis.call('get', KEYS[1])\" 1 k"), "v");
    assert_eq!(server.journal(), "");
}

#[test]
fn what_the_outside_is_like_counts_until_the_first_write() {
    let write = "return redis.call('set', KEYS[1], 1)";
    let mut server = Server::new();
    server.engine.conditions.out_of_memory = true;
    assert!(server.run(&eval(write, "1 k")).contains("OOM command not allowed"));
    let declared = format!("#!lua\n{write}");
    assert!(server.run(&eval(&declared, "1 k")).starts_with("-OOM"));
    let allowed = format!("#!lua flags=allow-oom\n{write}");
    assert_eq!(server.run(&eval(&allowed, "1 k")), "+OK");
    server.engine.conditions.out_of_memory = false;
    server.engine.conditions.read_only = true;
    assert!(server.run(&eval(write, "1 k")).starts_with("-READONLY"));
    assert!(server.run(&eval(&declared, "1 k")).starts_with("-READONLY"));
    assert_eq!(server.run(&eval("#!lua flags=no-writes\nreturn 1", "0")), "1");
    server.engine.conditions.read_only = false;
    server.engine.conditions.too_few_replicas = true;
    assert!(server.run(&eval(write, "1 k")).starts_with("-NOREPLICAS"));
    server.engine.conditions.too_few_replicas = false;
    server.engine.conditions.stale = true;
    assert!(server.run(&eval("return 1", "0")).starts_with("-MASTERDOWN"));
    let stale = "#!lua flags=allow-stale,no-writes\nreturn redis.call('get', KEYS[1])";
    let said = server.run(&eval(stale, "1 k"));
    assert!(said.contains("Can not execute the command on a stale replica"), "{said}");
}

#[test]
fn errors_are_counted_as_their_commands_are() {
    let mut server = Server::new();
    let calls = |server: &mut Server, name: &str| {
        let spec = crate::family::table().find(name.as_bytes()).unwrap();
        let calls = server.engine.stats.of(spec).clone();
        (calls.calls, calls.rejected, calls.failed)
    };
    server.run(&eval("return redis.pcall('incr', 'x', 'y')", "0"));
    assert_eq!(server.engine.stats.error_replies, 1);
    assert_eq!(calls(&mut server, "eval"), (1, 0, 1));
    server.run("SET x y");
    server.run(&eval("return redis.call('incr', 'x')", "0"));
    assert_eq!(server.engine.stats.error_replies, 2);
    assert_eq!((calls(&mut server, "incr"), calls(&mut server, "eval")), ((1, 1, 1), (2, 0, 2)));
    server.run(&eval("return {err='MINE own'}", "0"));
    assert_eq!(server.engine.stats.error_replies, 3);
}

#[test]
fn a_script_that_takes_too_long_pauses() {
    let mut server = slow();
    let other = server.join();
    assert_eq!(server.run(LOOP), "");
    let busy =
        "-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";
    for line in ["GET k", "PING", "FLUSHALL", "REPLICAOF no one", "EVAL \"return 1\" 0"] {
        assert_eq!(server.run_as(other, line), busy, "{line}");
    }
    assert!(server.go_on());
    assert_eq!(server.run_as(other, "MULTI"), "+OK");
    assert_eq!(server.run_as(other, "GET k"), busy);
    assert_eq!(server.run_as(other, "DISCARD"), "+OK");
    assert_eq!(server.run_as(other, "FUNCTION KILL"), busy);
    assert_eq!(server.run_as(other, "SCRIPT KILL"), "+OK");
    assert!(!server.go_on());
    assert!(server.sent_to(0).starts_with("-ERR Script killed by user with SCRIPT KILL"));
    assert_eq!(server.run_as(other, "GET k"), "nil");
    assert_eq!(server.run_as(other, "SCRIPT KILL"), "-NOTBUSY No scripts in execution right now.");
    let logged = server.logged();
    assert_eq!(logged.len(), 1, "{logged:?}");
    assert!(logged[0].contains("Slow script detected: still in execution after"));
}

#[test]
fn what_it_wrote_is_one_unit_and_it_cannot_be_killed() {
    let mut server = slow();
    let other = server.join();
    assert_eq!(server.run(COUNT), "");
    assert!(server.run_as(other, "SCRIPT KILL").starts_with("-UNKILLABLE"));
    assert_eq!(server.journal(), "", "half of it is nothing");
    while server.go_on() {}
    assert_eq!(server.sent_to(0), "2");
    assert_eq!(server.journal(), "MULTI | set k 1 | incr k | EXEC");
}

#[test]
fn a_transaction_pauses_with_its_script() {
    let mut server = slow();
    let other = server.join();
    for line in ["MULTI", "SET a 1", COUNT, "SET b 2", COUNT, "GET k"] {
        server.ok(line);
    }
    assert_eq!(server.run("EXEC"), "");
    assert!(server.run_as(other, "GET a").starts_with("-BUSY"));
    let mut pieces = 0;
    while server.go_on() {
        pieces += 1;
        assert_eq!(server.journal(), "");
    }
    assert!(pieces > 10, "{pieces}");
    assert_eq!(server.sent_to(0), "[+OK 2 +OK 2 2]");
    let unit = "SET a 1 | set k 1 | incr k | SET b 2 | set k 1 | incr k";
    assert_eq!(server.journal(), format!("MULTI | {unit} | EXEC"));
    assert_eq!(server.run_as(other, "GET k"), "2");
}

#[test]
fn its_client_may_go() {
    let mut server = slow();
    let other = server.join();
    assert_eq!(server.run_as(other, COUNT), "");
    server.leave(other);
    let third = server.join();
    assert!(server.run_as(third, "GET k").starts_with("-BUSY"));
    while server.go_on() {}
    assert_eq!(server.sent_to(third), "", "the next client in its slot gets nothing of it");
    assert_eq!(server.run_as(third, "GET k"), "2");
    assert_eq!(server.journal(), "MULTI | set k 1 | incr k | EXEC");
}

#[test]
fn time_stands_still_for_it() {
    let mut server = slow();
    server.ok("SET k v PX 100");
    let script = "local a = redis.call('pttl', KEYS[1]) for i = 1, 30000000 do end return {a, redis.call('pttl', KEYS[1]), redis.call('exists', KEYS[1])}";
    assert_eq!(server.run(&eval(script, "1 k")), "");
    while server.go_on() {}
    let said = server.sent_to(0);
    let numbers: Vec<&str> = said.trim_matches(['[', ']']).split(' ').collect();
    assert_eq!(numbers[0], numbers[1]);
    assert_eq!(numbers[2], "1");
}

#[test]
fn monitors_see_the_script_before_what_it_does() {
    let mut server = Server::new();
    let monitor = server.join();
    server.run_as(monitor, "MONITOR");
    server.ok(&eval("return redis.call('set', 'a', 1)", "0"));
    let seen = server.sent_to(monitor);
    let lines: Vec<&str> = seen.split("; ").collect();
    assert_eq!(lines.len(), 2, "{seen}");
    assert!(
        lines[0].contains("\"EVAL\"") && lines[1].contains("[0 lua] \"set\" \"a\" \"1\""),
        "{seen}"
    );
}

#[test]
fn libraries_come_and_go() {
    let mut server = Server::new();
    let code = "#!lua name=lib\nredis.register_function('f', function(keys) return redis.call('incr', keys[1]) end)";
    assert_eq!(server.run(&format!("FUNCTION LOAD \"{code}\"")), "lib");
    assert_eq!(server.run("FCALL f 1 k"), "1");
    assert_eq!(
        server.run("FCALL_RO f 1 k"),
        "-ERR Can not execute a script with write flag using *_ro command."
    );
    assert_eq!(server.run("FCALL g 1 k"), "-ERR Function not found");
    let said = server.run(&format!("FUNCTION LOAD \"{code}\""));
    assert_eq!(said, "-ERR Library 'lib' already exists");
    let journal = server.journal();
    assert!(
        journal.starts_with("FUNCTION LOAD #!lua") && journal.ends_with("; incr k"),
        "{journal}"
    );
    assert_eq!(server.engine.function_sources(), [code.as_bytes()]);
    assert_eq!(server.run("FUNCTION DELETE lib"), "+OK");
    assert_eq!(
        server.run("FUNCTION STATS"),
        "[running_script nil engines [LUA [libraries_count 0 functions_count 0]]]"
    );
    let wrong = server.engine.replace_functions(vec![code.into(), b"#!js name=x\ncode".to_vec()]);
    assert_eq!(wrong, ["Engine 'js' not found"]);
    assert_eq!(server.engine.function_sources().len(), 2, "what cannot be run is kept");
}

#[test]
fn who_tracks_keys_hears_of_those_that_a_script_read() {
    for command in ["EVAL", "EVAL_RO"] {
        let mut server = Server::new();
        server.resp3(true);
        server.ok("CLIENT TRACKING ON");
        let other = server.join();
        let own = server.session().slot;
        server
            .run(&eval("return redis.call('get', KEYS[2])", "2 a b").replacen("EVAL", command, 1));
        for line in ["SET a 1", "SET b 1"] {
            server.run_as(other, line);
        }
        assert_eq!(server.sent_to(own), ">[invalidate [b]]", "{command}");
    }
}

#[test]
fn nobody_is_served_what_a_script_has_done_by_half() {
    let mut server = slow();
    let (waiter, other) = (server.join(), server.join());
    assert_eq!(server.run_as(waiter, "BLPOP l 0"), "");
    let script =
        "redis.call('lpush', 'l', 'y') for i = 1, 3000000 do end redis.call('lpush', 'l', 'z')";
    assert_eq!(server.run(&eval(script, "0")), "");
    assert_eq!(server.run_as(other, "HELLO 2"), server.run_as(other, "HELLO 2"));
    assert_eq!(server.sent_to(waiter), "");
    while server.go_on() {}
    assert_eq!(server.sent_to(waiter), "[l z]");
    assert_eq!(server.journal(), "MULTI | lpush l y | lpush l z | EXEC; LPOP l");
}

#[test]
fn nothing_waits_in_any_script_of_a_transaction() {
    let mut server = slow();
    let other = server.join();
    let wait = "for i = 1, 3000000 do end return {redis.call('blpop', 'k1', 0), redis.call('blpop', 'k2', 0)}";
    for (queue, replies) in [
        (&[COUNT, &eval(wait, "0"), &eval(wait, "0")][..], "[2 [nil nil] [nil nil]]"),
        (&[&eval(wait, "0")[..]], "[[nil nil]]"),
    ] {
        server.ok("MULTI");
        queue.iter().for_each(|line| server.ok(line));
        assert_eq!(server.run("EXEC"), "");
        while server.go_on() {}
        assert_eq!(server.sent_to(0), replies);
    }
    assert!(!server.session().in_exec && !server.session().in_script);
    for key in ["k1", "k2", "k1"] {
        let pushed = server.run_as(other, &format!("RPUSH {key} 1"));
        assert!(pushed.parse::<u32>().is_ok(), "{pushed}");
    }
    assert_eq!(server.sent_to(0), "");
}

#[test]
fn who_hears_of_it_is_chosen_and_half_of_it_is_nothing_all_the_same() {
    let script = "redis.call('set', 'a', 1) redis.set_repl(redis.REPL_AOF) redis.call('set', 'b', 1)
        redis.set_repl(redis.REPL_ALL) redis.call('set', 'c', 1) for i = 1, 3000000 do end redis.call('set', 'd', 1)";
    let mut server = slow();
    for line in ["MULTI", "SET x 1", &eval(script, "0"), "SET y 1"] {
        server.ok(line);
    }
    assert_eq!(server.run("EXEC"), "");
    assert_eq!(server.journal(), "");
    while server.go_on() {}
    use EntryKind::{Effect, Local};
    assert_eq!(server.kinds(), [Effect, Local, Effect]);
    let units =
        "MULTI | SET x 1 | set a 1 | EXEC; set b 1; MULTI | set c 1 | set d 1 | SET y 1 | EXEC";
    assert_eq!(server.journal(), units);
}

#[test]
fn what_scripts_take_is_no_reason_for_keys_to_go() {
    let mut server = Server::new();
    server.engine.eviction.limited = true;
    server.engine.eviction.set_policy(Some(keyspace::eviction::Policy {
        order: keyspace::eviction::Order::Chance,
        volatile: false,
    }));
    server.ok("SET k v");
    server.ok(&eval("return 1", "0"));
    let taken = server.engine.scripts.memory_bytes() as u64;
    assert!(taken > 10_000, "{taken}");
    server.excess(taken);
    server.ok("PING");
    assert_eq!(server.run("EXISTS k"), "1");
    server.excess(taken + 100_000);
    server.ok("PING");
    assert_eq!(server.run("EXISTS k"), "0");
}

#[test]
fn no_key_goes_behind_the_back_of_a_script() {
    let mut server = slow();
    let other = server.join();
    server.ok("SET k v");
    assert_eq!(server.run(LOOP), "");
    server.engine.eviction.limited = true;
    server.engine.eviction.set_policy(Some(keyspace::eviction::Policy {
        order: keyspace::eviction::Order::Chance,
        volatile: false,
    }));
    server.excess(1 << 30);
    assert_eq!(server.run_as(other, "SCRIPT KILL"), "+OK");
    assert_eq!(server.engine.dbs[0].len(), 1);
    assert!(!server.go_on());
}

#[test]
fn what_a_client_that_is_gone_does_concerns_nobody_else() {
    let mut server = slow();
    let (gone, other) = (server.join(), server.join());
    for line in ["MULTI", COUNT, "SUBSCRIBE c", "CLIENT TRACKING ON", "GET k", "PUBLISH c m", COUNT]
    {
        server.run_as(gone, line);
    }
    assert_eq!(server.run_as(gone, "EXEC"), "");
    server.leave(gone);
    let third = server.join();
    assert_ne!(third, gone, "its slot is its own");
    while server.go_on() {}
    assert_eq!(server.sent_to(third), "");
    assert_eq!(server.run_as(other, "PUBLISH c m"), "0");
    assert_eq!(server.run_as(other, "GET k"), "2");
    assert_eq!(server.join(), gone, "now it is free");
}

#[test]
fn all_hear_of_what_a_script_found_expired() {
    for who in ["NONE", "AOF", "REPLICA"] {
        let mut server = with(&["SET e 1 PX 50"]);
        server.engine.now_ms += 100;
        let script = format!(
            "redis.set_repl(redis.REPL_{who}) redis.call('set', 'x', 1) return redis.call('get', 'e')"
        );
        assert_eq!(server.run(&eval(&script, "0")), "nil");
        assert!(server.kinds().contains(&EntryKind::Effect), "{who}");
        assert!(server.journal().contains("DEL e"), "{who}");
    }
}
