//! What the rules know about this repository: exceptions, each with its reason. All of these lists may only shrink.

use crate::layers::Knot;
use crate::words::{Ban, Place};

/// Cycles between the files of a crate.
pub const CYCLES: &[Knot] = &[Knot {
    folder: "engine",
    files: &[
        "blocking.rs",
        "command.rs",
        "context.rs",
        "engine.rs",
        "eviction.rs",
        "host.rs",
        "messages.rs",
        "names.rs",
        "refused.rs",
        "scripting/mod.rs",
        "session.rs",
        "statistics.rs",
        "tracking.rs",
        "watch.rs",
    ],
    reason: "one machine in several files: `Engine` consists of the types of these, and each adds to it what it \
                 does with its own; a row of the table has a handler, which takes a context, which has the row",
}];

/// Files that are too long.
pub const LONG_FILES: &[(&str, usize)] = &[];

/// Functions that are too long.
pub const LONG_FUNCTIONS: &[(&str, usize)] = &[
    ("backup/src/snapshot/load.rs::load_values", 77),
    ("engine/src/dispatch.rs::execute", 71),
    ("engine/src/family/geo.rs::query", 82),
    ("engine/src/family/streams/changes.rs::options", 74),
    ("engine/src/family/streams/reads.rs::serve_group", 76),
    ("keyspace/src/stream/node.rs::from_bytes", 82),
    ("node/src/admin/info.rs::stats", 72),
];

/// Files with `unsafe`, and what for.
pub const UNSAFE_FILES: &[(&str, &str)] = &[
    ("backup/src/fork.rs", "fork, and what a child may do before it ends"),
    ("keyspace/src/block.rs", "blocks of memory laid out by hand"),
    ("keyspace/src/db.rs", "lends what lies in blocks, and owns them"),
    ("keyspace/src/entry.rs", "blocks of memory laid out by hand"),
    ("keyspace/src/entry/tests.rs", "tests of these"),
    ("keyspace/src/packed.rs", "a length that lies before the bytes, behind a thin pointer"),
    ("keyspace/src/slot.rs", "lends what lies in a block"),
    ("keyspace/src/table.rs", "items are thin pointers"),
    ("keyspace/src/table/collisions.rs", "tests of these"),
    ("keyspace/src/table/segment.rs", "buckets of a cache line each, prefetched"),
    ("keyspace/src/table/tests.rs", "tests of these"),
    ("script/src/api.rs", "functions that the interpreter calls, which is a C library"),
    ("script/src/convert.rs", "values on the interpreter's stack"),
    ("script/src/interpreter.rs", "a C library, on a stack of its own"),
    ("script/src/library/bit.rs", "functions that the interpreter calls"),
    ("script/src/library/json/decode.rs", "functions that the interpreter calls"),
    ("script/src/library/json/encode.rs", "functions that the interpreter calls"),
    ("script/src/library/json/mod.rs", "functions that the interpreter calls"),
    ("script/src/library/json/settings.rs", "they lie in the interpreter's memory"),
    ("script/src/library/mod.rs", "the interpreter's stack"),
    ("script/src/library/msgpack.rs", "functions that the interpreter calls"),
    ("script/src/library/pack.rs", "functions that the interpreter calls"),
    ("script/src/lua.rs", "the interface of a C library"),
    ("script/src/machine.rs", "found by the pointer that the interpreter keeps; its memory"),
    ("script/src/sandbox.rs", "tables of the interpreter"),
    ("script/src/work.rs", "the interpreter is a C library"),
    ("server/src/allocator.rs", "the allocator of the process"),
    ("server/src/memory.rs", "figures and settings of the allocator"),
    ("server/src/net/stream.rs", "reads into memory that was not zeroed"),
    ("server/src/process/crash.rs", "handlers, which run between any two instructions"),
    ("server/src/process/daemon.rs", "fork before there are threads"),
    ("server/src/process/title.rs", "the memory in which the system looks for the title"),
    ("server/src/signals.rs", "handlers, which run between any two instructions"),
];

/// Paths that are named and are none of ours.
pub const FOREIGN_PATHS: &[(&str, &str)] = &[];

const LIBRARIES: Place = Place::BelowWithoutTests(&[
    "protocol/src/",
    "keyspace/src/",
    "journal/src/",
    "engine/src/",
    "script/src/",
    "backup/src/",
    "replica/src/",
    "node/src/",
    "simulation/src/",
]);
/// Those that know no clock, socket, file or thread.
const PURE: Place = Place::BelowWithoutTests(&[
    "protocol/src/",
    "keyspace/src/",
    "journal/src/",
    "engine/src/",
    "script/src/",
    "replica/src/",
    "node/src/",
    "simulation/src/",
]);

const ORDER: &str =
    "its order is chance, and shows: an ordered map, or what engine/src/tables.rs has";
const TALK: &str = "libraries have no terminal: return it, or an error";
const OUTSIDE: &str =
    "this crate knows nothing outside of the process: take it as an argument, or ask the Host";
const UNFINISHED: &str = "finish it, or answer with a clear error";
const EXPECT: &str = "expect(…, reason = …), so that it goes when the need goes";

const fn everywhere(words: &'static [&'static str], instead: &'static str) -> Ban {
    Ban { words, place: Place::Everywhere, except: &[], instead }
}

const fn in_libraries(words: &'static [&'static str], instead: &'static str) -> Ban {
    Ban { words, place: LIBRARIES, except: &[], instead }
}

const fn in_pure(words: &'static [&'static str]) -> Ban {
    Ban { words, place: PURE, except: &[], instead: OUTSIDE }
}

/// Words that may not be said.
pub const BANS: &[Ban] = &[
    // Chance.
    Ban {
        except: &[(
            "engine/src/tables.rs",
            "the one place: with a hash of ours, and its order does not leave it",
        )],
        ..in_libraries(&["HashMap"], ORDER)
    },
    Ban {
        except: &[("keyspace/src/block.rs", "with a hash of ours, and only asked what is in it")],
        ..in_libraries(&["HashSet"], ORDER)
    },
    in_libraries(&["RandomState"], ORDER),
    in_libraries(&["DefaultHasher"], ORDER),
    // The outside.
    in_pure(&["std", "::", "fs"]),
    in_pure(&["std", "::", "net"]),
    in_pure(&["std", "::", "thread"]),
    in_pure(&["std", "::", "process"]),
    in_pure(&["std", "::", "env"]),
    in_pure(&["std", "::", "{"]),
    in_pure(&["Instant"]),
    in_pure(&["SystemTime"]),
    in_pure(&["tokio"]),
    in_pure(&["libc"]),
    in_pure(&["rustix"]),
    in_pure(&["std", "::", "fs"]),
    // Clocks and renames: clippy knows the calls, here is who may say that they are meant.
    Ban {
        words: &["disallowed_methods"],
        place: Place::Everywhere,
        except: &[
            ("server/src/clock.rs", "the clock"),
            ("node/src/lib.rs", "tests of this crate have files and threads; its code has not"),
            ("backup/src/files/real.rs", "renames"),
            ("tests/integration/src/wait.rs", "limits of waits"),
            ("tests/integration/tests/stream.rs", "a peer's clock"),
        ],
        instead: "clocks are read in server::clock, files are renamed in backup::files",
    },
    // Waiting.
    Ban {
        words: &["sleep"],
        place: Place::Below(&["tests/integration/"]),
        except: &[("tests/integration/src/wait.rs", "between two looks at a condition")],
        instead: "wait for a condition: integration::wait::eventually",
    },
    Ban {
        words: &["thread", "::", "sleep"],
        place: Place::BelowWithoutTests(&["server/src/", "backup/src/"]),
        except: &[
            (
                "server/src/world.rs",
                "DEBUG SLEEP, which is to block, and the last write: nothing else is to happen before it is on disk",
            ),
            ("backup/src/snapshot/save.rs", "rdb-key-save-delay, in a child"),
            ("backup/src/aof/thread.rs", "a slow disk for tests, on the thread of the file"),
        ],
        instead: "a task waits with tokio; the main thread never",
    },
    // What is not finished, or not run.
    everywhere(
        &["#", "[", "ignore"],
        "a test that is not run proves nothing: mend it, or remove it",
    ),
    everywhere(&["todo", "!"], UNFINISHED),
    everywhere(&["unimplemented", "!"], UNFINISHED),
    everywhere(&["dbg", "!"], "remove it"),
    // Talking.
    in_libraries(&["print", "!"], TALK),
    in_libraries(&["println", "!"], TALK),
    in_libraries(&["eprint", "!"], TALK),
    in_libraries(&["eprintln", "!"], TALK),
    // Ways around the compiler.
    everywhere(&["#", "[", "allow"], EXPECT),
    everywhere(&["#", "!", "[", "allow"], EXPECT),
    everywhere(&["transmute"], "name the conversion, or lay the bytes out"),
];
