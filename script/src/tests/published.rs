//! The published weaknesses of scripts in servers of this kind, by their numbers.
//!
//! | number | what it was | test |
//! |---|---|---|
//! | CVE-2018-11218, -11219 | cmsgpack and struct: lengths that overflow | below; `fuzz`: cmsgpack, struct |
//! | CVE-2022-24735 | code that is left behind for the scripts of others | `hostile::what_all_scripts_share_cannot_be_changed` |
//! | CVE-2022-24736 | a script that ends the function that it is put into | below |
//! | CVE-2022-24834 | cjson and cmsgpack: buffers whose length is counted in `int` | below; `fuzz`: cjson, cmsgpack |
//! | CVE-2023-41056 | a text that is resized to another size than its owner knows | crate `engine`: `strings::texts_of_all_sizes_keep_their_bytes` |
//! | CVE-2024-31449 | bit.tohex: a number of digits that has no opposite | below |
//! | CVE-2024-46981 | code that runs when the interpreter is collected or goes | `hostile::nothing_runs_when_memory_is_collected`, below |
//! | CVE-2025-46817 | unpack: a count that overflows | `hostile::results_are_counted_wide` |
//! | CVE-2025-46818 | metatables of basic types that all scripts share | `hostile::what_all_scripts_share_cannot_be_changed` |
//! | CVE-2025-46819 | long brackets: a count that overflows | `hostile::long_brackets_have_an_end` |
//! | CVE-2025-49844 | the name of a chunk is collected while it is parsed | `hostile::a_chunk_is_parsed_while_memory_is_collected` |
//! | CVE-2025-67733 | errors that speak the protocol | `hostile::errors_cannot_speak_the_protocol` |
//! | CVE-2026-23631 | a full sync while a script has paused | crate `node`: `replication::tests::scripts` |

use super::World;

/// CVE-2022-24736
#[test]
fn a_script_is_a_chunk_of_its_own() {
    let mut world = World::new();
    let fill = "\n".repeat(100_000);
    for script in [
        "end",
        "end return 1",
        "return 1 end return 2",
        "return 1 end f = function() return 2",
        ") end (function() return 1",
        "end) return (function()",
        "function",
        "\0",
        "return \0",
        "return 'x\0",
        "--[[",
        "[==[",
        "return 1; local function f(",
        "#!lua\nend",
        "#!lua",
        "#!",
        "goto x",
        &format!("{fill}end"),
        &"{".repeat(10_000),
        &"x.".repeat(10_000),
    ] {
        let said = world.run(script);
        assert!(said.starts_with('-'), "{script}: {said}");
        assert_eq!(world.run("return 1"), ":1", "{script}");
    }
    for script in ["", "--", "\n", ";", "do end"] {
        let said = world.run(script);
        assert!(said == "$-1" || said.starts_with('-'), "{script}: {said}");
    }
    let said = world.run("return f");
    assert!(said.contains("nonexistent global variable 'f'"), "{said}");
}

/// CVE-2022-24834
#[test]
fn what_libraries_write_is_counted_wide() {
    let mut world = World::new();
    for script in [
        // Each byte becomes six.
        "return #cjson.encode(string.rep('\\1', 3e7))",
        "return #cjson.encode({[string.rep('\\1', 2e7)] = 1})",
        "local s = string.rep('\\1', 1e6) local t = {} for i = 1, 100 do t[i] = s end return #cjson.encode(t)",
        "local s = string.rep('x', 1e6) local t = {} for i = 1, 1000 do t[i] = s end return #cmsgpack.pack(t)",
        "local s = string.rep('x', 1e6) local t = {} for i = 1, 1000 do t[i] = s end return #cmsgpack.pack(unpack(t))",
        "local s = string.rep('x', 1e6) local t = {} for i = 1, 1000 do t[i] = s end return #struct.pack(('s'):rep(1000), unpack(t))",
    ] {
        let said = world.run(script);
        assert!(said.starts_with('-') && said.contains("memory"), "{script}: {said}");
        assert_eq!(world.run("return 1"), ":1", "{script}");
    }
    assert_eq!(world.run("return #cjson.encode(string.rep('\\1', 1e6))"), ":6000002");
}

/// CVE-2018-11218, -11219
#[test]
fn what_libraries_read_is_bounded_by_what_is_there() {
    let mut world = World::new();
    for script in [
        "return cmsgpack.unpack('\\221\\255\\255\\255\\255')",
        "return cmsgpack.unpack('\\223\\255\\255\\255\\255')",
        "return cmsgpack.unpack('\\219\\255\\255\\255\\255x')",
        "return cmsgpack.unpack(string.rep('\\145', 1e6))",
        "return cmsgpack.unpack_limit('x', 2147483647, 2147483647)",
        "return struct.unpack('c2147483647', 'x')",
        "return struct.unpack('I32I32', 'x', 2147483647)",
        "return struct.unpack('i99999999999999999999', 'x')",
        "return struct.pack('>!16c99999999999', 'x')",
    ] {
        let said = world.run(script);
        assert!(said.starts_with('-'), "{script}: {said}");
        assert_eq!(world.run("return 1"), ":1", "{script}");
    }
}

/// CVE-2024-31449
#[test]
fn digits_are_counted_though_a_number_has_no_opposite() {
    let mut world = World::new();
    for (count, digits) in [
        ("-2147483648", "00ABCDEF"),
        ("-2147483647", "00ABCDEF"),
        ("2147483647", "00abcdef"),
        ("2147483648", "00ABCDEF"),
        ("-3", "DEF"),
        ("0", ""),
    ] {
        let said = world.run(&format!("return bit.tohex(0xabcdef, {count})"));
        assert_eq!(said.trim_end(), format!("${} {digits}", digits.len()).trim_end(), "{count}");
    }
}

/// CVE-2024-46981
#[test]
fn an_interpreter_goes_with_all_that_scripts_have_left_in_it() {
    for script in [
        "local t = setmetatable({}, {__mode = 'kv'}) for i = 1, 1000 do t[{}] = {} end collectgarbage() return 1",
        "local c = coroutine.wrap(function() for i = 1, 10 do coroutine.yield(i) end end) c() return c()  - 1",
        "for i = 1, 100 do local p = newproxy(true) getmetatable(p).__gc = error getmetatable(p).__mode = 'k' end return 1",
        "local p = newproxy(true) getmetatable(p).__gc = function(x) redis.call('set', 'k', 'v') end p = nil collectgarbage() return 1",
        "local t = {} for i = 1, 100 do t[i] = coroutine.create(function() local u = t coroutine.yield(u) end) coroutine.resume(t[i]) end return 1",
    ] {
        let mut world = World::new();
        assert_eq!(world.run(script), ":1", "{script}");
        world.cache.flush();
        assert_eq!(world.run("collectgarbage() return 1"), ":1", "{script}");
        assert_eq!(world.run(script), ":1", "{script}");
    }
}
