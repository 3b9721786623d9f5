//! Scripts that take too long.

use super::World;

const MS: u64 = 1_000_000;

fn slow() -> World {
    let mut world = World::new();
    world.host.step_ns = MS;
    world.host.pause_after_ns = 5 * MS;
    world
}

#[test]
fn a_script_pauses_and_goes_on() {
    let mut world = slow();
    let mut said = world.run("local n = 0 for i = 1, 3000000 do n = n + 1 end return n");
    let mut pauses = 0;
    while said == "(paused)" {
        pauses += 1;
        said = world.resume();
    }
    assert!(pauses > 10, "{pauses}");
    assert_eq!(said, ":3000000");
    assert_eq!(world.run("return 1"), ":1");
}

#[test]
fn it_pauses_wherever_it_is() {
    for script in [
        "while true do end",
        "pcall(function() while true do end end)",
        "local function f() while true do end end xpcall(f, function() end)",
        "xpcall(function() while true do end end, function() while true do end end)",
        "while true do xpcall(function() while true do end end, function() while true do end end) end",
        "coroutine.wrap(function() while true do end end)()",
        "string.gsub('x', '.', function() while true do end end)",
        "table.sort({1, 2, 3}, function() while true do end end)",
        "return setmetatable({}, {__index = function() while true do end end}).x",
        "while true do pcall(redis.call, 'error') end",
        "while true do pcall(function() while true do end end) end",
        "while true do pcall(coroutine.wrap(function() while true do end end)) end",
        "local function f() return pcall(f) end while true do f() end",
        "for i = 1, 1e9 do local ok = pcall(error, 'x') end",
    ] {
        let mut world = slow();
        assert_eq!(world.run(script), "(paused)", "{script}");
        assert_eq!(world.resume(), "(paused)", "{script}");
        world.with(|interpreter| interpreter.kill());
        let said = world.resume();
        assert!(
            said.starts_with("-ERR Script killed by user with SCRIPT KILL..."),
            "{script}: {said}"
        );
        assert_eq!(world.run("return 1"), ":1", "{script}");
    }
}

/// Each coroutine alone does little.
#[test]
fn instructions_count_in_whichever_coroutine_they_are() {
    let tree = "local function f(n)
            if n > 0 then for i = 1, 2 do {call} end end
            return 1
        end
        f({depth})";
    for call in [
        "coroutine.wrap(f)(n - 1)",
        "pcall(coroutine.wrap(f), n - 1)",
        "coroutine.resume(coroutine.create(f), n - 1)",
        "pcall(function() return coroutine.resume(coroutine.create(f), n - 1) end)",
        "local c = coroutine.wrap(function() coroutine.yield() f(n - 1) end) c() c()",
    ] {
        // The same with an end, and without one that anybody would live to see.
        for (depth, ends) in [("15", true), ("60", false)] {
            let script = tree.replace("{call}", call).replace("{depth}", depth);
            let mut world = slow();
            assert_eq!(world.run(&script), "(paused)", "{script}");
            if ends {
                while world.resume() == "(paused)" {}
            } else {
                world.with(|interpreter| interpreter.kill());
                assert!(world.resume().starts_with("-ERR Script killed by user"), "{script}");
            }
            assert_eq!(world.run("return 1"), ":1", "{script}");
        }
    }
}

/// A coroutine that a library keeps has the clock of who calls it, not of who made it.
#[test]
fn a_coroutine_that_is_kept_pauses_as_its_caller_does() {
    let mut world = World::new();
    world.host.step_ns = MS;
    let library = "#!lua name=kept
        local kept
        redis.register_function('make', function()
            kept = coroutine.wrap(function() coroutine.yield(1) while true do end end)
            return kept()
        end)
        redis.register_function('go', function() return kept() end)";
    assert_eq!(world.load(library), "kept");
    assert_eq!(world.function("make", &[], &[]), ":1");
    world.host.pause_after_ns = 5 * MS;
    world.host.now_ns = 0;
    assert_eq!(world.function("go", &[], &[]), "(paused)");
}

#[test]
fn it_can_be_given_up_while_it_pauses() {
    let mut world = slow();
    world.run("local t = {} pcall(function() while true do t[#t + 1] = {} end end)");
    drop(world);
}

/// What works for long within one instruction is looked at, too.
#[test]
fn functions_that_work_for_long_pause() {
    let mut world = World::new();
    world.host.step_ns = 1;
    world.host.pause_after_ns = 1;
    for script in [
        "return (('a'):rep(3000)):find('.-.-.-.-b')",
        "return pcall(string.gsub, ('a'):rep(3000), '.-.-.-.-b', '')",
        "for found in (('a'):rep(3000)):gmatch('.-.-.-.-b') do end",
        "table.insert({}, -2147483648, 1)",
        "local t = {} for i = 1, 2000 do t[i] = unpack(t, 1, 2000) end",
    ] {
        assert_eq!(world.run(script), "(paused)", "{script}");
        world.with(|interpreter| interpreter.kill());
        assert!(world.resume().contains("Script killed by user"), "{script}");
    }
}

/// Few instructions, and much that each of them does: values that are in a table many times, and long texts.
#[test]
fn what_goes_through_much_pauses() {
    const DAG: &str = "local t = {1} for i = 1, 19 do t = {t, t} end ";
    for script in [
        "return #cjson.encode(t)",
        "return select('#', pcall(cjson.encode, t))",
        "local u = {1} for i = 1, 5 do local v = {} for j = 1, 12 do v[j] = u end u = v end return #cmsgpack.pack(u)",
        "local s = ('x'):rep(4e6) for i = 1, 9 do s:upper() end return 1",
        "local s = ('x'):rep(4e6) for i = 1, 9 do s:reverse():lower() end return 1",
        "local s = ('x'):rep(4e6) for i = 1, 9 do redis.sha1hex(s) end return 1",
        "local s = ('x'):rep(8e6) for i = 1, 9 do s:find('b', 1, true) end return 1",
        "local s = ('x'):rep(4e6) for i = 1, 9 do s = s .. 'y' end return 1",
        "local s = ('x'):rep(8e6) for i = 1, 9 do local a = s < s end return 1",
        "local s = ('x'):rep(8e6) for i = 1, 9 do struct.unpack('s', s .. '\\0') end return 1",
        "local s = ('i4'):rep(1e6) for i = 1, 9 do struct.size(s) end return 1",
        "local s = '[' .. ('1,'):rep(5e4) .. '1]' for i = 1, 60 do cjson.decode(s) end return 1",
        "local s = ('\\1'):rep(1e6) for i = 1, 9 do pcall(cmsgpack.unpack, s) end return 1",
        "local t = {} for i = 1, 3e5 do t[i] = -i end for i = 1, 9 do table.sort(t) end return 1",
        "local t = {} for i = 1, 3e5 do t[i] = 'x' end for i = 1, 40 do table.concat(t) end return 1",
        "local t = {} for i = 1, 2e5 do t[i] = '1234567' end for i = 1, 40 do table.concat(t, ',') end return 1",
        "local t = {} for i = 1, 3e5 do t[i] = 'x' end for i = 1, 9 do table.remove(t, 1) end return 1",
        "local s = ('a'):rep(3e5) for i = 1, 9 do s:gsub('a', 'bcdefghijklmnopq') end return 1",
        "local s = '' for i = 1, 3000 do s = s .. 'some text that makes it longer' end return 1",
    ] {
        let mut world = World::new();
        (world.host.step_ns, world.host.pause_after_ns) = (1, u64::MAX);
        let whole = world.run(&format!("{DAG}{script}"));
        assert!(world.host.now_ns > 4, "{script}: {} looks", world.host.now_ns);
        assert!(whole.starts_with(':'), "{script}: {whole}");
        // From its first look on it pauses, and says the same in the end; or ends.
        let mut world = World::new();
        (world.host.step_ns, world.host.pause_after_ns) = (1, 2);
        assert_eq!(world.run(&format!("{DAG}{script}")), "(paused)", "{script}");
        let mut said = world.resume();
        while said == "(paused)" {
            said = world.resume();
        }
        assert_eq!(said, whole, "{script}");
    }
}

/// The reply is what takes long: it comes whole, or not at all.
#[test]
fn a_script_pauses_in_the_midst_of_its_reply() {
    let script = "local t = {1, {map = {a = 2}}} for i = 1, 16 do t = {t, t} end return t";
    let mut world = World::new();
    world.run(script);
    let whole = std::mem::take(&mut world.replied);
    assert!(whole.len() > 1 << 20);
    for ends in [true, false] {
        let mut world = World::new();
        (world.host.step_ns, world.host.pause_after_ns) = (1, 2);
        let (mut said, mut pauses) = (world.run(script), 0);
        while said == "(paused)" {
            assert_eq!(world.replied, b"before ", "nothing of it");
            pauses += 1;
            if !ends && pauses == 4 {
                world.with(|interpreter| interpreter.kill());
            }
            said = world.resume();
        }
        assert!(pauses >= 4, "{pauses}");
        match ends {
            true => assert!(world.replied == whole),
            false => assert_eq!(said, "-ERR Script killed by user with SCRIPT KILL..."),
        }
        world.host.pause_after_ns = 0;
        assert_eq!(world.run("return 1"), ":1");
    }
}
