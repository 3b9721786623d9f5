//! Scripts that mean harm: each is refused or ends, and the next script finds nothing of it.

use super::{World, expect};

fn fails(world: &mut World, script: &str, error: &str) {
    let said = world.run(script);
    assert!(said.starts_with('-') && said.contains(error), "{script}: {said}");
}

/// CVE-2022-24735, CVE-2025-46818: code that is left behind for the scripts of others.
#[test]
fn what_all_scripts_share_cannot_be_changed() {
    let mut world = World::new();
    for script in [
        "x = 1",
        "_G.x = 1",
        "redis.call = function() end",
        "redis = {}",
        "string.format = function() end",
        "table.insert(math, 1)",
        "rawset(_G, 'x', 1)",
        "rawset(redis, 'call', 1)",
        "rawset(cjson, 'decode', 1)",
        "setmetatable(_G, {})",
        "setmetatable(string, {__index = 1})",
        "getmetatable(_G).__index = nil",
        "getmetatable('').__index = function() return 1 end",
        "getmetatable('').__add = function() return 1 end",
        "rawset(getmetatable(''), '__add', 1)",
        "setmetatable(getmetatable(''), {})",
        "getmetatable('').__index.upper = nil",
        "table.sort(redis)",
        "table.remove(coroutine)",
        "table.setn = 1",
    ] {
        let said = world.run(script);
        let refused = said.contains("Attempt to modify a readonly table")
            || said.contains("nonexistent global variable")
            || said.contains("attempt to");
        // Some change nothing, so they need not be refused.
        assert!(refused || ["*0", "$-1"].contains(&&*said), "{script}: {said}");
    }
    assert_eq!(
        world.run("return ('x'):upper() .. string.format('%d', 1) .. redis.call('ok').ok"),
        "$4 X1OK"
    );
    // Other globals for this thread last no longer than this script.
    assert_eq!(world.run("setfenv(0, {}) return 1"), ":1");
    assert_eq!(world.run("return redis.call('ok')"), "+OK");
    fails(&mut world, "return hidden", "nonexistent global variable");
    assert_eq!(world.run("setfenv(0, setmetatable({}, {__index = function() return 7 end})) return loadstring('return hidden')()"), ":7");
    fails(&mut world, "return loadstring('return hidden')()", "nonexistent global variable");
}

#[test]
fn what_reaches_out_is_not_there() {
    let mut world = World::new();
    for name in ["print", "dofile", "loadfile", "require", "module", "package", "io", "os", "debug"]
    {
        fails(&mut world, &format!("return {name}"), "nonexistent global variable");
    }
    expect(&[("collectgarbage('stop') return collectgarbage('count') > 0", ":1")]);
}

#[test]
fn compiled_code_is_not_taken() {
    let mut world = World::new();
    assert_eq!(world.run("return loadstring(string.dump(function() return 1 end)) == nil"), ":1");
    assert_eq!(world.run("return load(function() return nil end) ~= nil"), ":1");
    fails(&mut world, "\u{1b}Lua", "Error compiling script");
}

/// CVE-2025-46817 and its kin: numbers that overflow.
#[test]
fn results_are_counted_wide() {
    let mut world = World::new();
    for script in [
        "return {unpack({1, 2, 3}, -2147483648, 2147483647)}",
        "return {unpack({1, 2, 3}, 0, 2147483647)}",
        "return {unpack({1, 2, 3}, -2, 2147483647)}",
        "return {unpack({1, 2, 3}, -2147483648, -2147483648 + 100000)}",
    ] {
        fails(&mut world, script, "too many results to unpack");
    }
    assert_eq!(world.run("return {unpack({1, 2, 3}, 2147483646, 2147483647)}"), "*0");
    assert_eq!(world.run("return {unpack({1, 2, 3}, 2, 3)}"), "*2 :2 :3");
    assert_eq!(world.run("return {unpack({}, 2147483647, -2147483648)}"), "*0");
}

/// CVE-2025-46819: long brackets.
#[test]
fn long_brackets_have_an_end() {
    let mut world = World::new();
    let level = "=".repeat(1_000_001);
    fails(&mut world, &format!("return [{level}[x]{level}]"), "long bracket is too long");
    let level = "=".repeat(1000);
    assert_eq!(world.run(&format!("return [{level}[x]{level}]")), "$1 x");
}

/// CVE-2025-49844: the collector runs while a chunk is parsed.
#[test]
fn a_chunk_is_parsed_while_memory_is_collected() {
    let mut world = World::new();
    let script = "
        for i = 1, 300 do
            local name = ('n'):rep(1000) .. i
            local code = 'return \"' .. ('x'):rep(3000) .. i .. '\", {1, 2, 3}'
            local chunk = loadstring(code, name)
            collectgarbage('step')
            local bad, why = loadstring(code .. ' )', name)
            if bad or not why then return 'no' end
            chunk()
        end
        return 'done'";
    assert_eq!(world.run(script), "$4 done");
}

#[test]
fn nesting_has_an_end() {
    let mut world = World::new();
    fails(&mut world, "local function f() return 1 + f() end return f()", "stack overflow");
    fails(
        &mut world,
        "local function f() return pcall(f) end local ok, e = f() error(tostring(e))",
        "",
    );
    fails(
        &mut world,
        "local t = setmetatable({}, {}) getmetatable(t).__index = function(t, k) return t[k] end return t.x",
        "C stack overflow",
    );
    fails(
        &mut world,
        "local function f() return coroutine.wrap(f)() end return f()",
        "C stack overflow",
    );
    fails(
        &mut world,
        "local function f(s) return (s:gsub('.', f)) end return f('x')",
        "C stack overflow",
    );
    fails(
        &mut world,
        &format!("return {}1{}", "(".repeat(300), ")".repeat(300)),
        "too many syntax levels",
    );
    fails(
        &mut world,
        "return string.find(('a'):rep(5000), ('a?'):rep(5000))",
        "pattern too complex",
    );
    fails(
        &mut world,
        "return string.find(('a'):rep(500000), ('.-'):rep(100000) .. 'b')",
        "pattern too complex",
    );
    assert_eq!(world.run("return #string.rep('', 2147483647)"), ":0");
}

/// Tables that contain themselves, as replies.
#[test]
fn a_reply_without_end_ends() {
    let mut world = World::new();
    let said = world.run("local a = {} local b = {a} a[1] = b return a");
    assert!(said.ends_with("*1 -ERR reached lua stack limit"), "{}", said.len());
    assert!(said.starts_with("*1 *1 "));
    let said = world.run("local a = {} a.map = {x = a} return a");
    assert!(said.ends_with("-ERR reached lua stack limit"));
    let said = world.run("local a = {} a.set = {[a] = true} return a");
    assert!(said.ends_with("-ERR reached lua stack limit"));
    assert_eq!(world.run("return 1"), ":1");
}

#[test]
fn memory_has_a_bound() {
    let mut world = World::new();
    for script in [
        "return string.rep('x', 2147483647)",
        "return #string.rep('x', 1e9)",
        "local t = {} while true do t[#t + 1] = {} end",
        "local s = 'x' while true do s = s .. s end",
        "return string.format('%s', string.rep('x', 1e8))",
        "local t = {} for i = 1, 1e8 do t[i] = i end",
        "return table.concat(setmetatable({}, {__index = 1}), string.rep('x', 1e7), 1, 100)",
    ] {
        let said = world.run(script);
        assert!(said.starts_with('-'), "{script}: {said}");
        assert!(world.with(|interpreter| interpreter.used_bytes()) <= super::LIMIT);
        assert_eq!(world.run("return 1"), ":1", "{script}");
    }
    // What they took is given back, also if nobody comes behind them.
    world.run("return #string.rep('x', 2e7)");
    assert!(
        world.with(|interpreter| interpreter.used_bytes()) < 16 << 20,
        "{}",
        world.with(|interpreter| interpreter.used_bytes())
    );
}

#[test]
fn errors_cannot_speak_the_protocol() {
    let mut world = World::new();
    for script in [
        "error('x\\r\\n+OK\\r\\n')",
        "error({err='x\\r\\n+OK\\r\\n'})",
        "return redis.error_reply('x\\r\\n+OK\\r\\n')",
        "return {err='x\\r\\n+OK\\r\\n'}",
        "return {ok='x\\r\\n+OK\\r\\n'}",
        "return {big_number='x\\r\\n+OK\\r\\n'}",
        "return {verbatim_string={format='\\r\\n+', string='x'}}",
    ] {
        for resp3 in [false, true] {
            world.resp3 = resp3;
            world.run(script);
            let reply = world.replied.split_off(b"before ".len());
            let mut reader = protocol::resp::read::Reader::new(&reply);
            if !reply.is_empty() {
                reader.skip().unwrap_or_else(|_| panic!("{script}"));
                assert!(reader.rest().is_empty(), "{script}: one reply");
            }
        }
    }
}

#[test]
fn odd_errors() {
    let mut world = World::new();
    fails(&mut world, "error()", "nil");
    fails(&mut world, "error({})", "unknown error");
    fails(&mut world, "error({err=5})", "-5");
    fails(&mut world, "error(redis)", "unknown error");
    fails(
        &mut world,
        "error(setmetatable({}, {__newindex = function() error('again') end}))",
        "unknown error",
    );
    fails(
        &mut world,
        "error(setmetatable({}, {__index = function() while true do end end}))",
        "unknown error",
    );
    fails(
        &mut world,
        "local p = newproxy(true) getmetatable(p).__tostring = function() error('again') end error(p)",
        "",
    );
    assert_eq!(world.run("return 1"), ":1");
}

#[test]
fn coroutines_leave_nothing() {
    let mut world = World::new();
    assert_eq!(
        world.run("local c = coroutine.create(function() coroutine.yield(1) end) return select(2, coroutine.resume(c))"),
        ":1"
    );
    fails(&mut world, "coroutine.yield(1)", "attempt to yield");
    assert_eq!(
        world.run("return coroutine.wrap(function() return redis.call('echo', 'x') end)()"),
        "$1 x"
    );
    // The hooks of a thread that a script leaves are not ours to be called by.
    assert_eq!(world.run("local c = coroutine.wrap(function() while true do coroutine.yield(1) end end) return c()"), ":1");
}

/// Code that runs whenever memory is collected would run in the midst of anything, and nothing could end it.
#[test]
fn nothing_runs_when_memory_is_collected() {
    let mut world = World::new();
    let count = "local ran = 0
        for i = 1, 100 do getmetatable(newproxy(true)).__gc = function() ran = ran + 1 end end
        collectgarbage() collectgarbage()
        return ran";
    assert_eq!(world.run(count), ":0");
    // Nor when the interpreter goes.
    let endless = "getmetatable(newproxy(true)).__gc = function() while true do end end return 1";
    assert_eq!(world.run(endless), ":1");
    world.cache.flush();
}

/// Giving a function back happens outside of all that could catch an error.
#[test]
fn forgetting_takes_no_memory() {
    for kept in 0..70 {
        let mut world = World::new();
        assert_eq!(world.run("return 1"), ":1");
        world.with(|interpreter| {
            for _ in 0..kept {
                interpreter.compile(b"return 2").unwrap();
            }
            let function = interpreter.compile(b"return 3").unwrap();
            interpreter.set_memory_limit(1);
            interpreter.forget(function);
        });
    }
}
