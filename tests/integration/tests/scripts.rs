//! The scripts, called as they should not be: what is wrong is said in a line, and nothing is left behind.

use integration::document::{root, script, text};
use integration::node::{free_ports, server};
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};

/// All scripts that people run.
const SCRIPTS: [&str; 9] = [
    "bench",
    "check",
    "cluster",
    "failover-lab",
    "fuzz",
    "kill-nine",
    "simulate",
    "test",
    "topology",
];

fn folder() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("tidemark test ").tempdir().expect("a folder")
}

fn run(mut command: Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.output().expect("it runs");
    (status.code(), text(&stdout), text(&stderr))
}

/// Runs a script that must end with this code and say so without a traceback. Python's argparse adds how it is meant.
fn refused(code: i32, mut command: Command, words: &[&str]) -> String {
    command.args(words);
    let what = format!("{command:?}");
    let (status, said, errors) = run(command);
    assert_eq!(status, Some(code), "{what}\n{said}{errors}");
    assert!(!errors.contains("Traceback"), "{what}\n{errors}");
    let lines =
        errors.lines().filter(|line| !line.starts_with("usage: ") && !line.starts_with("  "));
    assert_eq!(lines.count(), 1, "{what}\n{errors}");
    errors
}

#[test]
fn every_script_is_in_the_list() {
    let mut names: Vec<String> = fs::read_dir(root().join("scripts"))
        .expect("scripts")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_file() && path.extension().is_none())
        .map(|path| path.file_name().expect("a name").to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert_eq!(names, SCRIPTS);
}

#[test]
fn a_wrong_call_is_told_from_a_failure() {
    let cases: &[(&str, &[&str])] = &[
        ("bench", &["--rounds", "0"]),
        ("bench", &["--requests", "many"]),
        ("bench", &["--members", "-1"]),
        ("bench", &["--only", "nosuch"]),
        ("bench", &["--peer", "/nonexistent/redis-server"]),
        ("bench", &["--peer", "/"]),
        ("bench", &["--peer", "/etc/passwd"]),
        ("bench", &["--peer", ""]),
        ("check", &["nosuch"]),
        ("cluster", &[]),
        ("cluster", &["nosuch"]),
        ("cluster", &["up", "--port"]),
        ("cluster", &["up", "--port", "70000"]),
        ("cluster", &["up", "--replicas", "x"]),
        ("cluster", &["up", "--sentinels", "0"]),
        ("cluster", &["up", "--sentinel-port", "30000"]),
        ("cluster", &["up", "--port", "60000", "--sentinels", "3"]),
        ("cluster", &["down", "--nosuch"]),
        ("failover-lab", &["--nosuch"]),
        ("failover-lab", &["--rounds", "3"]),
        ("failover-lab", &["--sentinels", "--only", "nosuch"]),
        ("fuzz", &["nosuch"]),
        ("fuzz", &["all", "0"]),
        ("kill-nine", &["--rounds", "0"]),
        ("kill-nine", &["--port", "70000"]),
        ("test", &["--nosuch"]),
        ("topology", &["--nodes", "1"]),
        ("topology", &["--peer", "/nonexistent/redis-server"]),
        ("topology", &["--port", "65530"]),
    ];
    let here = folder();
    for (name, words) in cases {
        let mut command = script(name);
        command.env("TIDEMARK_NODES", here.path().join("nodes"));
        refused(2, command, words);
    }
    assert!(!here.path().join("nodes").exists());
}

#[test]
fn a_script_is_found_from_anywhere_and_through_links() {
    let here = folder();
    let copy = here.path().join("a copy");
    fs::create_dir(&copy).expect("a folder");
    let copied = Command::new("cp").arg("-r").arg(root().join("scripts")).arg(&copy).status();
    assert!(copied.expect("cp").success());
    for name in SCRIPTS {
        let link = here.path().join(format!("link to {name}"));
        symlink(copy.join("scripts").join(name), &link).expect("a link");
        let mut command = Command::new(&link);
        // Where cd looks for relative folders, if it is set; a script must not care.
        command.arg("--help").current_dir("/").env("CDPATH", here.path());
        let (code, said, errors) = run(command);
        assert_eq!((code, errors.as_str()), (Some(0), ""), "{name}");
        assert!(said.lines().count() > 3, "{name}: {said}");
    }
    // A whole life, with blanks in every path.
    let ports = free_ports(3).to_string();
    for (words, expected) in [
        (&["up", "--port", &ports, "--", "--appendfsync", "no"][..], "Connect to the primary"),
        (&["switch", "2"], "node-2 is the primary"),
        (&["cli", "SET", "a b", "c d"], "OK"),
        (&["kill", "1"], "node-1 killed"),
        (&["start", "1"], "node-1 started as a replica of node-2"),
        (&["down", "--purge"], "data of all nodes deleted"),
    ] {
        let mut command = Command::new(here.path().join("link to cluster"));
        command.args(words).current_dir("/").env("TIDEMARK_SERVER", server());
        let (code, said, errors) = run(command);
        assert_eq!(code, Some(0), "{words:?}\n{said}{errors}");
        assert!(said.contains(expected), "{said}");
    }
    let left = fs::read_dir(&copy).expect("the copy").count();
    assert_eq!(left, 1, "the scripts, and nothing else");
}

#[test]
fn a_server_that_cannot_be_run_is_named() {
    let here = folder();
    for name in ["bench", "cluster", "failover-lab", "kill-nine", "topology"] {
        for program in ["/nonexistent/server", "/", "/etc/passwd", "nosuch-server"] {
            let mut command = script(name);
            command
                .env("TIDEMARK_SERVER", program)
                .env("TIDEMARK_NODES", here.path().join("nodes"));
            command.env("TMPDIR", here.path());
            let words: &[&str] = if name == "cluster" { &["up", "--port", "7"] } else { &[] };
            command.args(words);
            let (code, _, errors) = run(command);
            assert_eq!(code, Some(1), "{name} {program}: {errors}");
            let expected = format!("TIDEMARK_SERVER: cannot run {program}");
            assert!(
                errors.contains(&expected) && !errors.contains("Traceback"),
                "{name}: {errors}"
            );
        }
    }
}

#[test]
fn a_port_in_use_is_named_and_nothing_is_left() {
    let here = folder();
    let listener = TcpListener::bind(("127.0.0.1", free_ports(1))).expect("a port");
    let port = listener.local_addr().expect("an address").port().to_string();
    let cases: &[(&str, &[&str])] = &[
        ("cluster", &["up", "--port", &port]),
        ("failover-lab", &["--port", &port]),
        ("kill-nine", &["--port", &port, "--rounds", "1"]),
        ("topology", &["--port", &port, "--minutes", "0.1"]),
    ];
    for (name, words) in cases {
        let mut command = script(name);
        command.env("TIDEMARK_NODES", here.path().join("nodes")).env("TMPDIR", here.path());
        let (code, said, errors) = run({
            command.args(*words);
            command
        });
        assert_eq!(code, Some(1), "{name}: {said}{errors}");
        let named = errors.contains(&port) && errors.contains("in use by another process");
        assert!(named && !errors.contains("Traceback"), "{name}: {errors}");
    }
    // So that another port may be chosen at once.
    let nodes = here.path().join("nodes");
    assert!(!nodes.exists() || fs::read_dir(nodes).expect("nodes").next().is_none());
}

// --- scripts/bench ---

/// A program, made of text.
fn program(path: &Path, text: &str) {
    fs::write(path, text).expect("a file");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a program");
}

#[test]
fn bench_calls_a_peer_by_the_name_it_was_given() {
    let here = folder();
    let small = ["--rounds", "1", "--requests", "1000", "--members", "200", "--only", "zscore"];
    // As Debian's redis-server, which is a link to redis-check-rdb: the name decides what it is.
    let many = here.path().join("many-things");
    let body = format!(
        "#!/bin/bash\n[[ ${{0##*/}} == *-server ]] || {{ echo 'no rdb file'; exit 1; }}\nexec '{}' \"$@\"\n",
        server().display()
    );
    program(&many, &body);
    let link = here.path().join("linked-server");
    symlink(&many, &link).expect("a link");
    // Two of one name are two.
    let others = ["one", "two"].map(|name| here.path().join(name));
    let mut command = script("bench");
    command.args(small).arg("--peer").arg(&link);
    for other in &others {
        fs::create_dir(other).expect("a folder");
        symlink(server(), other.join("redis-server")).expect("a link");
        command.arg("--peer").arg(other.join("redis-server"));
    }
    let (code, said, errors) = run(command);
    assert_eq!(code, Some(0), "{said}{errors}");
    for name in ["ours ", "linked-server ", "one/redis-server ", "two/redis-server "] {
        assert!(said.contains(name), "no {name}: {said}");
    }
    assert_eq!(said.lines().count(), 5, "{said}");

    // What does not serve is a failure that says what it said.
    let mut command = script("bench");
    command.args(small).arg("--peer").arg(&many);
    let errors = refused(1, command, &[]);
    assert!(errors.contains("does not start (exit code 1): no rdb file"), "{errors}");
}
