//! `scripts/cluster`: its switch loses nothing and is undone where it cannot be, its Sentinels promote, and its client
//! needs no redis-cli.

use integration::cluster::{Cluster, Writers};
use integration::document::{script, text};
use integration::node::free_ports;
use integration::peer::tool;
use integration::{TIMEOUT, eventually};
use rustix::process::{Signal, kill_process};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::process::Stdio;

/// Ends a test of a cluster under writes: nothing is missing, and all nodes are equal.
fn nothing_is_missing(cluster: &Cluster, writers: Writers) {
    writers.wait_for(200);
    let primary = cluster.primary().expect("one primary");
    let (missing, there) = writers.missing(&mut cluster.connect(primary).expect("the primary"));
    assert!(
        missing.is_empty(),
        "{} of {} are missing: {missing:?}",
        missing.len(),
        there + missing.len()
    );
    assert!(there > 500, "{there} writes");
    cluster.wait_for_equal_data();
}

// --- the planned switch ---

#[test]
fn a_switch_under_writes_loses_nothing() {
    let cluster = Cluster::up(&[]);
    let writers = Writers::start(4, &cluster);
    for new in ["2", "node-3", "1", "2"] {
        writers.wait_for(200);
        let said = cluster.run(&["switch", new]);
        let number = &new[new.len() - 1..];
        assert!(
            said.starts_with(&format!("node-{number} is the primary\nwrites paused ")),
            "{said}"
        );
        assert!(said.contains("\noffset ") && said.contains("\nlost           0 bytes"), "{said}");
        assert_eq!(cluster.primary().map(|n| n.to_string()).as_deref(), Some(number));
    }
    let again = cluster.run(&["switch", "2"]);
    assert_eq!(again, "node-2 is the primary already\n");
    nothing_is_missing(&cluster, writers);
    // And the roles last.
    cluster.run(&["down"]);
    cluster.run(&["up"]);
    assert_eq!(cluster.primary(), Some(2));
}

/// What a switch from the old to the new primary comes to.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ending {
    /// The old primary goes on.
    Undone,
    /// The old primary is gone; it is the primary when it is back.
    Gone,
    /// No node takes writes until one is promoted.
    Nobody,
    /// The new primary is there.
    Done,
}

#[test]
fn a_switch_that_fails_is_undone_and_loses_nothing() {
    // `always`: what a killed primary has acknowledged is on its disk. OLD, NEW and THIRD are nodes.
    let cluster = Cluster::up(&["--appendfsync", "always"]);
    let script = integration::document::root().join("scripts/cluster");
    let kill = |node: &str| format!("'{}' kill {node}", script.display());
    let (old, new, third) = (kill("OLD"), kill("NEW"), kill("THIRD"));
    let stop = "kill -STOP $(cat \"$TIDEMARK_NODES\"/NEW/server.pid)".to_string();
    let word = |text: &str| text.to_string();
    use Ending::{Done, Gone, Nobody, Undone};
    let cases = [
        ("ready", word("exit 1"), 1, Undone),
        ("paused", word("exit 1"), 1, Undone),
        ("reached", word("exit 1"), 1, Undone),
        ("fenced", word("exit 1"), 1, Undone),
        ("promoted", word("exit 1"), 1, Done),
        ("ready", new.clone(), 1, Undone),
        ("paused", new.clone(), 1, Undone),
        ("reached", new.clone(), 1, Undone),
        ("fenced", new, 1, Undone),
        ("ready", stop.clone(), 1, Undone),
        ("paused", stop.clone(), 1, Undone),
        ("fenced", stop, 1, Undone),
        ("ready", old.clone(), 1, Gone),
        ("paused", old.clone(), 1, Gone),
        ("reached", old.clone(), 1, Gone),
        ("fenced", old.clone(), 1, Nobody),
        ("promoted", old, 0, Done),
        ("fenced", third, 0, Done),
        ("paused", word("kill -TERM $PPID"), 1, Undone),
        ("fenced", word("kill -INT $PPID; kill -TERM $PPID"), 1, Undone),
        ("paused", word("kill -KILL $PPID"), -1, Undone),
        ("fenced", word("kill -KILL $PPID"), -1, Nobody),
    ];
    let writers = Writers::start(3, &cluster);
    for (step, action, code, ending) in cases {
        writers.wait_for(50);
        let before = cluster.primary().expect("one primary");
        let after = before % 3 + 1;
        let names = [before, after, after % 3 + 1].map(|number| format!("node-{number}"));
        let [old, new, third] = names.each_ref().map(String::as_str);
        let action = action.replace("OLD", old).replace("NEW", new).replace("THIRD", third);
        let what = format!("{step}, {action}");
        let hook = cluster.hook(step, &action);
        // Also the pause of a script that was killed is over soon.
        let output = cluster
            .command(&["switch", new, "--hook", &hook])
            .env("TIDEMARK_PAUSE", "4")
            .output()
            .expect("bash");
        let errors = text(&output.stderr);
        assert_eq!(output.status.code().unwrap_or(-1), code, "{what}: {errors}");
        if let Some(pid) = cluster.pid(new) {
            kill_process(pid, Signal::CONT).ok();
        }
        let said = match ending {
            _ if code == -1 => "",
            Undone if step == "ready" && action == "exit 1" => "nothing has changed",
            Undone => "undone: writes go on",
            Gone | Nobody => "does not answer",
            Done => "",
        };
        assert!(errors.contains(said), "{what}: {errors}");
        match ending {
            Undone => {
                // At once, and not only when the pause would end by itself; unless nobody could end it.
                assert_eq!(cluster.primary(), Some(before), "{what}");
                writers.wait_for(20);
            }
            Gone => assert_eq!(cluster.primary(), None, "{what}"),
            Nobody => {
                assert_eq!(cluster.primary(), None, "{what}");
                cluster.run(&["promote", new]);
                assert_eq!(cluster.primary(), Some(after), "{what}");
            }
            Done => assert_eq!(cluster.primary(), Some(after), "{what}"),
        }
        cluster.run(&["up"]);
        let expected = if matches!(ending, Undone | Gone) { before } else { after };
        assert_eq!(cluster.primary(), Some(expected), "{what}");
    }
    nothing_is_missing(&cluster, writers);
}

#[test]
fn a_switch_that_cannot_begin_changes_nothing() {
    let cluster = Cluster::up(&[]);
    cluster.run(&["cli", "1", "SET", "a", "1"]);
    cluster.run(&["kill", "3"]);
    assert!(cluster.fails(1, &["switch", "3"]).contains("node-3 does not run"));
    assert!(cluster.fails(1, &["switch", "4"]).contains("no node 4"));
    cluster.run(&["cli", "2", "REPLICAOF", "127.0.0.1", "1"]);
    assert!(cluster.fails(1, &["switch", "2"]).contains("has no link to node-1"));
    cluster.run(&["kill", "1"]);
    assert!(
        cluster
            .fails(1, &["switch", "2"])
            .contains("if it is gone: scripts/cluster promote node-2")
    );
    for words in [
        &["switch"][..],
        &["switch", "2", "3"],
        &["switch", "--nosuch"],
        &["switch", "2", "--hook"],
        &["switch", "2", "--hook", "/nonexistent"],
    ] {
        let errors = cluster.fails(2, words);
        assert_eq!(errors.lines().count(), 1, "{errors}");
    }
    cluster.run(&["cli", "2", "REPLICAOF", "127.0.0.1", &cluster.port().to_string()]);
    cluster.run(&["start", "1"]);
    assert_eq!(cluster.primary(), Some(1));
    assert_eq!(cluster.run(&["cli", "GET", "a"]), "1\n");
}

// --- Sentinels ---

#[test]
fn sentinels_promote_are_switched_and_remember() {
    let cluster = Cluster::prepare();
    let (port, sentinels) = (cluster.port().to_string(), cluster.sentinel_port().to_string());
    let said =
        cluster.run(&["up", "--port", &port, "--sentinels", "3", "--sentinel-port", &sentinels]);
    for line in ["sentinel-1 ", "sentinel-2 ", "sentinel-3 "] {
        let line = said.lines().find(|l| l.starts_with(line)).unwrap_or_else(|| panic!("{said}"));
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[3..], ["up", "node-1", "2", "3", "2"], "{said}");
    }
    // They ask nodes for their roles and priorities every ten seconds; here more often.
    for sentinel in ["sentinel-1", "sentinel-2", "sentinel-3"] {
        cluster.run(&["cli", sentinel, "SENTINEL", "DEBUG", "info-period", "1000"]);
    }
    let writers = Writers::start(2, &cluster);
    writers.wait_for(100);
    // As planned work.
    let said = cluster.run(&["switch", "2"]);
    assert!(said.contains("lost           0 bytes"), "{said}");
    assert_eq!(cluster.primary(), Some(2));
    writers.wait_for(100);
    // A promotion against them would not last.
    assert!(cluster.fails(1, &["promote", "3"]).contains("scripts/cluster switch node-3"));
    assert!(cluster.fails(1, &["switch", "sentinel-1"]).contains("sentinel-1 is a Sentinel"));
    // A switch that is undone leaves no other preference behind.
    let hook = cluster.hook("fenced", "exit 1");
    assert!(cluster.fails(1, &["switch", "3", "--hook", &hook]).contains("undone"));
    assert_eq!(cluster.primary(), Some(2));
    assert_eq!(
        cluster.run(&["cli", "3", "CONFIG", "GET", "replica-priority"]),
        "replica-priority\n100\n"
    );
    nothing_is_missing(&cluster, writers);

    cluster.run(&["cli", "SET", "before", "the crash"]);
    cluster.wait_for_equal_data();
    cluster.run(&["kill", "2"]);
    eventually(TIMEOUT, "another node is promoted", || cluster.primary().is_some());
    let new = cluster.primary().expect("one primary");
    assert_ne!(new, 2);
    eventually(TIMEOUT, "the Sentinels agree", || {
        let port = (cluster.port() + new - 1).to_string();
        let said =
            cluster.run(&["cli", "sentinel-3", "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster"]);
        said.lines().nth(1) == Some(&port)
    });
    let said = cluster.run(&["start", "2"]);
    assert_eq!(said, format!("node-2 started as a replica of node-{new}\n"));
    assert_eq!(cluster.run(&["cli", "GET", "before"]), "the crash\n");

    let names = ["node-1", "node-2", "node-3", "sentinel-1", "sentinel-2", "sentinel-3"];
    let pids = names.map(|name| cluster.pid(name).unwrap_or_else(|| panic!("{name} does not run")));
    cluster.run(&["down"]);
    for pid in pids {
        // One that has ended may not be collected yet: then it has no command line.
        let line = std::fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero()));
        assert!(line.is_err() || line.is_ok_and(|line| line.is_empty()), "a process is left");
    }
    cluster.run(&["up"]);
    assert_eq!(cluster.primary(), Some(new));
    cluster.run(&["down", "--purge"]);
    assert!(!cluster.path("nodes").exists());
}

#[test]
fn without_a_sentinel_to_run_nothing_is_begun() {
    let cluster = Cluster::prepare();
    let port = cluster.port().to_string();
    let up = ["up", "--port", &port, "--sentinels", "3"];
    let named =
        cluster.command(&up).env("TIDEMARK_SENTINEL", "/nonexistent").output().expect("bash");
    assert!(text(&named.stderr).contains("TIDEMARK_SENTINEL: cannot run /nonexistent"));
    let programs = few_programs(&cluster);
    let none = cluster.command(&up).env("PATH", programs).output().expect("bash");
    let errors = text(&none.stderr);
    assert!(errors.contains("no redis-sentinel in PATH: install it"), "{errors}");
    for output in [named, none] {
        assert_eq!(output.status.code(), Some(1));
    }
    assert!(!cluster.path("nodes/node-1").exists());
}

// --- the experiments with it ---

#[test]
fn a_failover_lab_ends_with_equal_data() {
    let (port, sentinels) = (free_ports(6), "--sentinels --rounds 1 --only switch --sentinel-port");
    let more = format!("{sentinels} {}", port + 3);
    for words in ["", &more] {
        let here = tempfile::tempdir().expect("a folder");
        let output = script("failover-lab")
            .args(["--writes", "200", "--port", &port.to_string()])
            .args(words.split_whitespace())
            .env("TMPDIR", here.path())
            .output()
            .expect("bash");
        let (said, errors) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{words}\n{said}{errors}");
        assert!(said.contains("all nodes ha"), "{said}");
        assert_eq!(
            std::fs::read_dir(here.path()).expect("the folder").count(),
            0,
            "it leaves nothing"
        );
    }
}

// --- the client ---

/// A folder that is a PATH without redis-cli: bash and coreutils.
fn few_programs(cluster: &Cluster) -> std::path::PathBuf {
    let folder = cluster.path("programs");
    std::fs::create_dir(&folder).expect("a folder");
    for name in [
        "bash", "env", "cat", "dirname", "basename", "head", "mkdir", "mv", "nohup", "readlink",
        "rm", "rmdir", "sleep", "sort", "tail", "touch", "wc",
    ] {
        symlink(tool(name), folder.join(name)).expect("a link");
    }
    folder
}

#[test]
fn a_client_is_there_without_redis_cli() {
    let cluster = Cluster::up(&[]);
    let programs = few_programs(&cluster);
    let ask = |words: &[&str], input: &[u8]| {
        let mut command = cluster.command(&[&["cli"], words].concat());
        command.env("PATH", &programs).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).spawn().expect("bash");
        child.stdin.take().expect("its input").write_all(input).expect("it reads");
        child.wait_with_output().expect("it ends")
    };
    // One command, of the primary if no node is named; its errors are a failure.
    let set = ask(&["SET", "a b", "ü \"1\""], b"");
    assert_eq!((set.status.code(), text(&set.stdout)), (Some(0), "OK\n".to_string()));
    assert_eq!(text(&ask(&["1", "GET", "a b"], b"").stdout), "ü \"1\"\n");
    let refused = ask(&["2", "SET", "a", "1"], b"");
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stdout).starts_with("READONLY"));
    assert_eq!(ask(&["--bigkeys"], b"").status.code(), Some(1));
    // All bytes come out as they are, zeros and line ends too.
    let bytes: Vec<u8> = (0..=255).chain(0..=255).chain(*b"\r\n\0").collect();
    let mut connection = cluster.connect(1).expect("the primary");
    let _: String = redis::cmd("SET").arg("bytes").arg(&bytes).query(&mut connection).expect("SET");
    assert_eq!(ask(&["GET", "bytes"], b"").stdout, [&bytes[..], b"\n"].concat());
    // Commands on its input, with quotes, on one connection.
    let lines = b"SELECT 3\nSET \"x\\x41\\n\" 'it\\'s'\nGET \"xA\\n\"\n\nRPUSH l 1 2\nLRANGE l 0 -1\nEXISTS nosuch\nquit\nSET never 1\n";
    let output = ask(&["node-1"], lines);
    assert_eq!(text(&output.stdout), "OK\nOK\nit's\n2\n1\n2\n0\n");
    assert_eq!(output.status.code(), Some(0));
    let output = ask(&["1"], b"GET \"open\nNOSUCH\nPING\n");
    assert!(text(&output.stdout).ends_with("\nPONG\n"), "{}", text(&output.stdout));
    assert_eq!(output.status.code(), Some(1));
    // RESP3, and a node that is not there.
    let output = ask(&[], b"HELLO 3\nCONFIG GET port\nZADD z 1.5 m\nZSCORE z m\nGET nosuch\n");
    let port = cluster.port();
    assert!(
        text(&output.stdout).ends_with(&format!("\nport\n{port}\n1\n1.5\n\n")),
        "{}",
        text(&output.stdout)
    );
    cluster.run(&["kill", "3"]);
    assert!(text(&ask(&["3", "PING"], b"").stderr).contains("node-3 does not run"));
    assert!(cluster.fails(1, &["cli", "node-9", "PING"]).contains("no node node-9"));
}
