//! Libraries of functions.

use super::World;

#[test]
fn functions_are_registered_and_called() {
    let mut world = World::new();
    let code = "#!lua name=lib
        local n = 0
        redis.register_function('first', function(keys, args) return {keys[1], args[1]} end)
        redis.register_function{function_name='Second', callback=function() n = n + 1 return n end,
            description='counts', flags={'no-writes', 'allow-oom'}}
        redis.register_function('third', function() return redis.call('echo', 'x') end)";
    assert_eq!(world.load(code), "lib");
    assert_eq!(world.function("first", &["k"], &["a"]), "*2 $1 k $1 a");
    assert_eq!(world.function("second", &[], &[]), ":1");
    assert_eq!(world.function("SECOND", &[], &[]), ":2");
    assert_eq!(world.function("third", &[], &[]), "$1 x");
    assert_eq!(world.function("fourth", &[], &[]), "-ERR Function not found");
    let second = world.libraries.function(b"second").unwrap();
    assert_eq!((second.flags.0, second.description.as_deref()), (3, Some(&b"counts"[..])));
    assert_eq!(world.load(code), "-Library 'lib' already exists");
    assert!(world.libraries.delete(b"lib") && !world.libraries.delete(b"lib"));
    assert_eq!(world.function("first", &[], &[]), "-ERR Function not found");
}

#[test]
fn what_is_wrong_with_a_library() {
    let mut world = World::new();
    world.load("#!lua name=other\nredis.register_function('taken', function() end)");
    for (code, error) in [
        ("return 1", "Missing library metadata"),
        (
            "#!lua name=a-b\n",
            "Library names can only contain letters, numbers, or underscores(_) and must be at least one character long",
        ),
        ("#!js name=a\n", "Engine 'js' not found"),
        ("#!lua name=a\nreturn 1", "No functions registered"),
        (
            "#!lua name=a\nreturn )",
            "Error compiling function: user_function:2: unexpected symbol near ')'",
        ),
        (
            "#!lua name=a\nlocal x = nil + 1",
            "Error registering functions: ERR user_function:2: attempt to perform arithmetic on a nil value",
        ),
        (
            "#!lua name=a\nerror('x')",
            "Error registering functions: ERR user_function:2: Script attempted to access nonexistent global variable 'error'",
        ),
        (
            "#!lua name=a\nredis.call('ok')",
            "Error registering functions: ERR user_function:2: Script attempted to access nonexistent global variable 'call'",
        ),
        ("#!lua name=a\nreturn nothing", "nonexistent global variable 'nothing'"),
        ("#!lua name=a\nx = 1", "Attempt to modify a readonly table"),
        (
            "#!lua name=a\nredis.register_function('x')",
            "calling redis.register_function with a single argument is only applicable to Lua table (representing named arguments).",
        ),
        (
            "#!lua name=a\nredis.register_function()",
            "wrong number of arguments to redis.register_function",
        ),
        (
            "#!lua name=a\nredis.register_function('x', 1)",
            "second argument to redis.register_function must be a function",
        ),
        (
            "#!lua name=a\nredis.register_function({}, 1)",
            "first argument to redis.register_function must be a string",
        ),
        (
            "#!lua name=a\nredis.register_function('x y', function() end)",
            "Library names can only contain",
        ),
        (
            "#!lua name=a\nlocal f = function() end redis.register_function('x', f) redis.register_function('x', f)",
            "Function already exists in the library",
        ),
        (
            "#!lua name=a\nredis.register_function('taken', function() end)",
            "Function taken already exists",
        ),
        (
            "#!lua name=a\nredis.register_function{function_name='x'}",
            "redis.register_function must get a callback argument",
        ),
        (
            "#!lua name=a\nredis.register_function{callback=function() end}",
            "redis.register_function must get a function name argument",
        ),
        (
            "#!lua name=a\nredis.register_function{function_name='x', callback=function() end, flags={'y'}}",
            "unknown flag given",
        ),
        (
            "#!lua name=a\nredis.register_function{function_name='x', callback=function() end, more=1}",
            "unknown argument given to redis.register_function",
        ),
    ] {
        let said = world.load(code);
        assert!(said.starts_with('-') && said.contains(error), "{code}: {said}");
        assert_eq!(world.libraries.all().len(), 1, "{code}");
        assert_eq!(world.function("taken", &[], &[]), "$-1");
    }
}

#[test]
fn registering_has_a_time() {
    let mut world = World::new();
    world.host.step_ns = 100_000_000;
    let said = world.load("#!lua name=a\nwhile true do redis.log(redis.LOG_DEBUG, 'x') end");
    assert_eq!(said, "-Error registering functions: ERR FUNCTION LOAD timeout");
}

#[test]
fn libraries_do_not_reach_each_other() {
    let mut world = World::new();
    world.load(
        "#!lua name=a\nlocal secret = 1 redis.register_function('a', function() return secret end)",
    );
    world.load("#!lua name=b\nlocal r = redis.register_function redis.register_function('b', function() return r('c', function() end) end) redis.register_function('d', function() x = 1 end) redis.register_function('e', function() return _G.secret end)");
    let said = world.function("b", &[], &[]);
    assert!(said.contains("can only be called on FUNCTION LOAD command"), "{said}");
    assert!(world.function("d", &[], &[]).contains("Attempt to modify a readonly table"));
    assert!(world.function("e", &[], &[]).contains("nonexistent global variable 'secret'"));
    assert_eq!(world.function("a", &[], &[]), ":1");
}
