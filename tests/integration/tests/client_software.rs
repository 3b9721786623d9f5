//! What applications bring with them, each with a user of its own: job queues, locks, rate limiters, sessions, caches.
//!
//! The programs are in tests/clients; `scripts/test` installs the libraries that they use, at the versions that are written
//! there. Each of them looks at its library's results and ends with an error if they are wrong.

use integration::Node;
use integration::document::root;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs a program as a user who may do this, and nothing else.
fn run(program: &str, rules: &[&str]) {
    let installed = root().join("target/clients");
    let (interpreter, needed) = match program.ends_with(".py") {
        true => {
            let python = installed.join("python/bin/python");
            (python.clone(), python)
        }
        false => (PathBuf::from("node"), installed.join("node/node_modules/bullmq")),
    };
    assert!(
        needed.exists(),
        "{} is not there: scripts/test installs what this test needs",
        needed.display()
    );
    // A program of Node.js finds its libraries beside itself.
    let path = installed.join("node").join(program);
    fs::copy(root().join("tests/clients").join(program), &path).expect("it can be copied");
    let node = Node::start("node", &[]);
    let user = Path::new(program).file_stem().and_then(|stem| stem.to_str()).expect("a name");
    let mut words = vec!["ACL", "SETUSER", user, "on", ">secret", "-@all", "+@all", "-@admin"];
    words.extend(["-@dangerous", "+info"]);
    words.extend(rules);
    let _: String = node.run(&words);
    let output = Command::new(interpreter)
        .arg(path)
        .current_dir(node.folder())
        .env("PORT", node.port().to_string())
        .env("USERNAME", user)
        .env("PASSWORD", "secret")
        .output()
        .unwrap_or_else(|error| panic!("{program} cannot be run: {error}"));
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success() && said(&output.stdout).contains(": done"),
        "{program}: {}\n{}\n{}",
        output.status,
        said(&output.stdout),
        said(&output.stderr)
    );
    let denied: Vec<redis::Value> = node.run(&["ACL", "LOG"]);
    assert!(denied.is_empty(), "{program} wanted more than it may: {denied:?}");
}

#[test]
fn a_job_queue() {
    run("queue.mjs", &["~queue:*", "&queue:*"]);
}

#[test]
fn locks() {
    run("locks.mjs", &["~locks:*"]);
}

#[test]
fn a_rate_limiter() {
    run("limits.mjs", &["~limits:*"]);
}

#[test]
fn sessions() {
    run("sessions.mjs", &["~sessions:*"]);
}

#[test]
fn a_cache_in_the_client() {
    run("caching.mjs", &["~caching:*"]);
}

#[test]
fn task_queues() {
    let keys = ["~rq:*", "~*celery*", "~_kombu*", "~unacked*", "~tasks:*"];
    // Celery subscribes to patterns of names that it makes up.
    run("tasks.py", &[&keys[..], &["&*"]].concat());
}
