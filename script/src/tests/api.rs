//! Values, and the table `redis`.

use super::{World, expect};
use crate::caller::Audience;

#[test]
fn values_become_replies() {
    expect(&[
        ("return 1", ":1"),
        ("return 3.99", ":3"),
        ("return -3.99", ":-3"),
        ("return 1e300", ":-9223372036854775808"),
        ("return 'a\\r\\nb'", "$4 a b"),
        ("return true", ":1"),
        ("return false", "$-1"),
        ("return nil", "$-1"),
        ("return", "$-1"),
        ("return function() end", "$-1"),
        ("return {1, 'a', {true, 2}, nil, 4}", "*3 :1 $1 a *2 :1 :2"),
        ("return {}", "*0"),
        ("return {x=1}", "*0"),
        ("return {ok='fine\\r\\n+x'}", "+fine  +x"),
        ("return {err='MY error\\r\\n+x'}", "-MY error  +x"),
        ("return {double=1.5}", "$3 1.5"),
        ("return {big_number='12\\r\\n3'}", "$5 12  3"),
        ("return {verbatim_string={format='txt', string='x'}}", "$1 x"),
        ("return {map={a=1}}", "*2 $1 a :1"),
        ("return {set={a=true}}", "*1 $1 a"),
        ("return {verbatim_string={format=1, string='x'}}", "*0"),
        ("return redis.status_reply('fine')", "+fine"),
        ("return redis.error_reply('MY mistake')", "-MY mistake"),
        ("return redis.error_reply('-MY mistake')", "-MY mistake"),
        ("return redis.error_reply('mistake')", "-ERR mistake"),
        ("return redis.error_reply({})", "-ERR wrong number or type of arguments"),
        ("return redis.sha1hex('')", "$40 da39a3ee5e6b4b0d3255bfef95601890afd80709"),
        ("return {KEYS, ARGV}", "*2 *0 *0"),
        ("return redis.REDIS_VERSION_NUM == 0x00070206", ":1"),
        ("return redis.replicate_commands()", ":1"),
        ("return redis.breakpoint()", "$-1"),
    ]);
}

#[test]
fn in_version_3() {
    let mut world = World::new();
    world.resp3 = true;
    for (script, reply) in [
        ("return nil", "_"),
        ("return true", ":1"),
        ("redis.setresp(3) return {true, false}", "*2 #t #f"),
        ("return {double=1.5}", ",1.5"),
        ("return {big_number='123'}", "(123"),
        ("return {map={a=1}}", "%1 $1 a :1"),
        ("return {set={a=true}}", "~1 $1 a"),
        ("return {verbatim_string={format='mkd', string='x'}}", "=5 mkd:x"),
        ("redis.setresp(3) return redis.call('map')", "%1 $1 k ,1.5"),
        ("redis.setresp(3) return redis.call('set')", "~1 $1 m"),
        ("redis.setresp(3) return redis.call('true')", "#t"),
        ("redis.setresp(3) return redis.call('verbatim')", "=7 mkd:*x*"),
        ("redis.setresp(3) return redis.call('big')", "(12345678901234567890"),
        ("redis.setresp(3) return redis.call('nil') == nil", "#t"),
        ("return redis.call('nil') == false", ":1"),
        ("return redis.call('map')", "*2 $1 k $3 1.5"),
    ] {
        assert_eq!(world.run(script), reply, "{script}");
    }
}

#[test]
fn commands_are_called() {
    let mut world = World::new();
    for (script, reply) in [
        ("return redis.call('echo', KEYS[1])", "$1 k"),
        ("return redis.call('echo', ARGV[2])", "$1 b"),
        (
            "return redis.call('list', 1, 2.5, -0, 1e15, 'x')",
            "*5 $1 1 $3 2.5 $1 0 $16 1000000000000000 $1 x",
        ),
        ("return redis.call('int', 5) + 1", ":6"),
        ("return redis.call('ok').ok", "$2 OK"),
        ("return redis.call('ok')", "+OK"),
        ("return redis.pcall('error').err", "$10 WRONG type"),
        ("return redis.pcall('error')", "-WRONG type"),
        ("return redis.pcall('nothing')", "-ERR Unknown Redis command called from script"),
        ("return redis.call('error')", "-WRONG type script: abcd, on @user_script:1."),
    ] {
        let reply = reply.replace("abcd", &{
            let digest = world.cache.add(script.as_bytes(), 1).unwrap().digest;
            String::from_utf8_lossy(&digest[..4]).into_owned()
        });
        assert_eq!(world.run_with(script, &["k"], &["a", "b"]), reply, "{script}");
    }
    for (script, error) in [
        ("return redis.call()", "Please specify at least one argument for this redis lib call"),
        ("return redis.call({})", "Lua redis lib command arguments must be strings or integers"),
        (
            "return redis.call('echo', nil)",
            "Lua redis lib command arguments must be strings or integers",
        ),
        ("return redis.call('nothing')", "Unknown Redis command called from script"),
        ("return redis.setresp(4)", "RESP version must be 2 or 3."),
        ("return redis.log(1)", "redis.log() requires two arguments or more."),
        ("return redis.log('x', 'y')", "First argument must be a number (log level)."),
        ("return redis.log(9, 'y')", "Invalid debug level."),
        (
            "return redis.set_repl(8)",
            "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.",
        ),
        (
            "return redis.acl_check_cmd('nothing')",
            "Invalid command passed to redis.acl_check_cmd()",
        ),
        ("error('mine')", "user_script:1: mine"),
        ("error({err='mine'})", "mine"),
        (
            "return nothing",
            "user_script:1: Script attempted to access nonexistent global variable 'nothing'",
        ),
    ] {
        let reply = world.run(script);
        assert!(reply.contains(error), "{script}: {reply}");
        assert!(reply.ends_with(", on @user_script:1."), "{script}: {reply}");
    }
    assert_eq!(
        world.run("redis.log(redis.LOG_NOTICE, 'a', 2, {}, 'b') return redis.acl_check_cmd('ok')"),
        ":1"
    );
    assert_eq!(world.host.logged, ["Notice a 2 b"]);
    assert_eq!(
        world.run("redis.set_repl(redis.REPL_AOF) return redis.acl_check_cmd('echo')"),
        "$-1"
    );
    assert_eq!(world.host.audience, Some(Audience(Audience::DISK)));
}

#[test]
fn errors_are_counted_once() {
    let mut world = World::new();
    world.run("return {err='MINE own'}");
    assert_eq!(world.host.answered, Vec::<String>::new());
    world.run("return redis.pcall('error')");
    assert!(world.host.answered.is_empty());
    world.run("return {1, {err='MINE own'}}");
    assert_eq!(world.host.answered, ["MINE own"], "what is within a reply nobody else counts");
}

#[test]
fn what_is_wrong_with_a_script() {
    expect(&[
        (
            "return )",
            "-Error compiling script (new function): user_script:1: unexpected symbol near ')'",
        ),
        ("#!lua flags=x\nreturn 1", "-Unexpected flag in script shebang: x"),
        ("#!lua flags=no-writes\nreturn 1", ":1"),
    ]);
}

#[test]
fn pcall_returns_texts() {
    expect(&[
        (
            "local ok, text = pcall(function() error('x') end) return {tostring(ok), text}",
            "*2 $5 false $16 user_script:1: x",
        ),
        ("local ok, text = pcall(redis.call, 'error') return text", "$10 WRONG type"),
        ("local ok, a, b = pcall(function() return 1, 2 end) return {a, b}", "*2 :1 :2"),
        ("local ok, e = pcall(error, {x=1}) return e.x", ":1"),
    ]);
}

#[test]
fn chance_is_repeated_from_its_seed() {
    let mut world = World::new();
    let script = "math.randomseed(ARGV[1]) return {math.random(100), math.random(5, 10), tostring(math.random())}";
    let first = world.run_with(script, &[], &["1234"]);
    assert_eq!(world.run_with(script, &[], &["1234"]), first);
    assert_ne!(world.run_with(script, &[], &["1235"]), first);
    // As Redis draws them.
    assert_eq!(
        world.run("math.randomseed(0) return {math.random(1000), math.random(1000)}"),
        "*2 :171 :750"
    );
}

#[test]
fn a_panic_of_the_host_goes_through() {
    let mut world = World::new();
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        world.run("while true do pcall(redis.call, 'panic') end")
    }));
    assert!(caught.is_err());
    assert_eq!(world.run("return 1"), ":1");
}
