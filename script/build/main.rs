//! Builds the interpreter: Lua 5.1.5 as the crate `lua-src` carries it, with our mends applied.
//!
//! The sources stay where cargo has put them: `cargo metadata` says where that is, a mended copy goes into the folder of
//! this build, and the library is made of that. So there is no copy of Lua in the repository, and what we changed is one
//! readable list ([`mends`]). A mend whose place is not there exactly once stops the build.
//!
//! Only what scripts may use is compiled: no files, no processes, no loading of modules, no debug library.

mod mends;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// The files that are compiled.
const FILES: &[&str] = &[
    "lapi", "lauxlib", "lbaselib", "lcode", "ldebug", "ldo", "ldump", "lfunc", "lgc", "llex",
    "lmathlib", "lmem", "lobject", "lopcodes", "lparser", "lstate", "lstring", "lstrlib", "ltable",
    "ltablib", "ltm", "lundump", "lvm", "lzio",
];

fn main() {
    println!("cargo:rerun-if-changed=build");
    let source = lua_sources().join("lua-5.1.5");
    let target = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it")).join("lua");
    fs::create_dir_all(&target).expect("the folder of this build can be written");
    copy_mended(&source, &target);
    let mut build = cc::Build::new();
    for file in FILES {
        build.file(target.join(format!("{file}.c")));
    }
    build
        .include(&target)
        .define("LUA_USE_ULONGJMP", None)
        // It is too slow to be tested with otherwise.
        .opt_level(2)
        .warnings(false)
        .flag_if_supported("-fno-common")
        .flag_if_supported("-fno-omit-frame-pointer")
        .compile("lua5.1");
}

/// Copies sources and headers, each with its mends.
fn copy_mended(source: &Path, target: &Path) {
    let mut pending: Vec<&mends::Mend> = mends::MENDS.iter().collect();
    for entry in fs::read_dir(source).expect("the sources are there").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.ends_with(".c") && !name.ends_with(".h") {
            continue;
        }
        let bytes = fs::read(entry.path()).expect("a source can be read");
        // One of them has a letter in Latin-1 in a comment.
        let mut text: String = bytes.into_iter().map(char::from).collect();
        pending.retain(|mend| {
            if mend.file != name {
                return true;
            }
            assert_eq!(text.matches(mend.place).count(), 1, "{name}: {}", mend.place);
            text = text.replacen(mend.place, mend.by, 1);
            false
        });
        let bytes: Vec<u8> = text.chars().map(|letter| letter as u8).collect();
        fs::write(target.join(&name), bytes).expect("the folder of this build can be written");
    }
    assert!(pending.is_empty(), "a mend of a file that is not there");
}

/// Where cargo has put the crate `lua-src`.
fn lua_sources() -> PathBuf {
    let from = env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it");
    // What is built is there already; but with another lock file than ours (fuzz/) not all that ours names is.
    let found = ["--offline", "--locked"].iter().find_map(|how| metadata(&from, how));
    let text = found.expect("cargo metadata tells where the sources are");
    let package = text.find("\"name\":\"lua-src\"").expect("lua-src is among our dependencies");
    let key = "\"manifest_path\":\"";
    let path = &text[package..][text[package..].find(key).expect("each has one") + key.len()..];
    let path = path[..path.find('"').expect("a string ends")].replace("\\\\", "\\");
    Path::new(&path).parent().expect("a file is in a folder").to_owned()
}

fn metadata(from: &std::ffi::OsStr, how: &str) -> Option<String> {
    let cargo = env::var_os("CARGO").expect("cargo sets it");
    let output = Command::new(cargo)
        .args(["metadata", "--format-version=1", how])
        .current_dir(from)
        .output()
        .ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
