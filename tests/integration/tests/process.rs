//! What operators and service managers expect of a process: going to the background, telling how it is, its log.

use integration::node::server;
use integration::{Node, TIMEOUT, eventually};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use std::fs;
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::Builder::new().prefix("tidemark-test-").tempdir().expect("a folder")
}

/// Runs the server with `options` in `folder` until it, or the parent that it leaves behind, has ended.
fn run(folder: &Path, options: &[&str]) -> Output {
    let mut command = Command::new(server());
    command.args(options).current_dir(folder).stdin(Stdio::null()).env_remove("NOTIFY_SOCKET");
    command.output().expect("a server")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A server in the background, ended by its id.
struct Background {
    pid: Pid,
}

impl Background {
    fn of(pidfile: &Path) -> Background {
        let id = fs::read_to_string(pidfile).expect("a pid file");
        let pid = id.trim().parse().ok().and_then(Pid::from_raw);
        Background { pid: pid.expect("a process id") }
    }

    fn stop(self) {
        kill_process(self.pid, Signal::TERM).expect("our server");
        eventually(TIMEOUT, "it ends", || test_kill_process(self.pid).is_err());
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = kill_process(self.pid, Signal::KILL);
    }
}

// ---- Going to the background

#[test]
fn a_start_in_the_background_that_fails_is_told() {
    let folder = folder();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("an address").port().to_string();
    fs::write(folder.path().join("bad.rdb"), "REDIS0010 and then rubbish").expect("a file");
    fs::create_dir_all(folder.path().join("aof/folder.aof.manifest")).expect("a folder");
    let cases: [(&[&str], &str); 8] = [
        (&["--port", &taken], "Failed listening on port"),
        (&["--logfile", "missing/log"], "Can't open the log file: No such file or directory"),
        (&["--dir", "/nowhere/at/all"], "Can't chdir to '/nowhere/at/all': No such file"),
        (&["--dbfilename", "bad.rdb"], "Fatal error loading the DB"),
        (&["--unixsocket", "/nowhere/at/all"], "Failed opening Unix socket"),
        (&["--port", "0"], "Configured to not listen anywhere"),
        (
            &["--appendonly", "yes", "--appenddirname", "aof", "--appendfilename", "folder.aof"],
            "Fatal",
        ),
        (&["--maxmemory", "lots"], "FATAL CONFIG FILE ERROR"),
    ];
    for (options, reason) in cases {
        for log in [None, Some("server.log")] {
            let free = free_port();
            let mut all = vec!["--port", &free, "--bind", "127.0.0.1", "--daemonize", "yes"];
            all.extend(["--pidfile", "server.pid"]);
            all.extend(log.iter().flat_map(|path| ["--logfile", path]));
            all.extend(options);
            let output = run(folder.path(), &all);
            let errors = text(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{options:?}: {errors}");
            assert!(errors.contains(reason), "{options:?}: {errors}");
            assert!(!errors.contains("os error") && !errors.contains("Os {"), "{errors}");
            assert!(!folder.path().join("server.pid").exists(), "{options:?}: nobody is there");
        }
    }
}

fn free_port() -> String {
    // The system gives each of these to one caller; nobody else is likely to take it meanwhile.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port().to_string()
}

#[test]
fn the_parent_leaves_when_the_server_serves() {
    let folder = folder();
    let port = free_port();
    let options = ["--port", &port, "--bind", "127.0.0.1", "--daemonize", "yes", "--save", ""];
    let files = ["--pidfile", "server.pid", "--logfile", "server.log"];
    let output = run(folder.path(), &[&options[..], &files[..]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!((text(&output.stdout), text(&output.stderr)), (String::new(), String::new()));
    let server = Background::of(&folder.path().join("server.pid"));
    // At once, without waiting: it is loaded.
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).expect("an address");
    let mut connection = client.get_connection().expect("it listens");
    let pong: String = redis::cmd("PING").query(&mut connection).expect("it serves");
    assert_eq!(pong, "PONG");
    // It has a session of its own, and nothing of its parent's.
    let id = server.pid.as_raw_nonzero().get();
    let status = fs::read_to_string(format!("/proc/{id}/stat")).expect("its state");
    let session = status.rsplit(')').next().expect("fields").split(' ').nth(4).expect("a session");
    assert_eq!(session, id.to_string());
    for descriptor in 0..=2 {
        let target = fs::read_link(format!("/proc/{id}/fd/{descriptor}")).expect("a descriptor");
        assert_eq!(target, PathBuf::from("/dev/null"), "{descriptor}");
    }
    server.stop();
    assert!(!folder.path().join("server.pid").exists());
    let log = fs::read_to_string(folder.path().join("server.log")).expect("a log");
    assert!(log.contains("Removing the pid file."), "{log}");
}

#[test]
fn a_pid_file_that_cannot_be_written_is_told_and_no_reason_not_to_serve() {
    let folder = folder();
    let port = free_port();
    let options = ["--port", &port, "--bind", "127.0.0.1", "--daemonize", "yes", "--save", ""];
    let files = ["--pidfile", "missing/server.pid", "--logfile", "server.log"];
    let output = run(folder.path(), &[&options[..], &files[..]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let said = "Failed to write PID file: No such file or directory";
    assert!(text(&output.stderr).contains(said), "{}", text(&output.stderr));
    let log = fs::read_to_string(folder.path().join("server.log")).expect("a log");
    assert!(log.contains(said) && !log.contains("os error"), "{log}");
    let pid = log.split(':').next().and_then(|id| id.parse().ok()).and_then(Pid::from_raw);
    let pids: Vec<Pid> = log
        .lines()
        .filter_map(|line| line.split(':').next()?.parse().ok())
        .filter_map(Pid::from_raw)
        .collect();
    let server = Background { pid: *pids.last().or(pid.as_ref()).expect("its id is in the log") };
    server.stop();
}

/// A second start where one runs already must not take its pid file away.
#[test]
fn a_port_in_use_leaves_the_pid_file_of_the_other() {
    let folder = folder();
    let mut node = Node::prepare("node", &[("pidfile", "node.pid")]);
    node.launch();
    let port = node.port().to_string();
    let path = node.path("node.pid");
    let before = fs::read_to_string(&path).expect("a pid file");
    assert_eq!(before, format!("{}\n", node.pid()));
    for daemonize in ["yes", "no"] {
        let pidfile = path.to_string_lossy();
        let options = ["--port", &port, "--bind", "127.0.0.1", "--pidfile", &pidfile];
        let output = run(folder.path(), &[&options[..], &["--daemonize", daemonize]].concat());
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(fs::read_to_string(&path).expect("a pid file"), before);
    }
    node.stop();
    assert!(!path.exists());
}

#[test]
fn a_parent_learns_that_its_server_was_killed_while_it_loads() {
    let folder = folder();
    let fifo = folder.path().join("dump.rdb");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    // A snapshot that never comes: loading takes as long as it likes.
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0)
        .expect("a pipe");
    for (signal, said) in [(Signal::KILL, "ended by signal 9"), (Signal::TERM, "told to end")] {
        let port = free_port();
        let mut command = Command::new(server());
        command.args(["--port", &port, "--bind", "127.0.0.1", "--daemonize", "yes"]);
        command.args(["--pidfile", "server.pid", "--logfile", "server.log"]);
        command.current_dir(folder.path()).stderr(Stdio::piped());
        let mut parent = command.spawn().expect("a server");
        let pidfile = folder.path().join("server.pid");
        let is_there = || fs::read_to_string(&pidfile).is_ok_and(|text| text.ends_with('\n'));
        eventually(TIMEOUT, "it loads", || {
            is_there() && TcpListener::bind(format!("127.0.0.1:{port}")).is_err()
        });
        assert_eq!(parent.try_wait().expect("a child"), None, "the parent waits");
        let server = Background::of(&pidfile);
        // Its handlers are installed right behind the line.
        let log = || fs::read_to_string(folder.path().join("server.log")).unwrap_or_default();
        eventually(TIMEOUT, "it handles signals", || log().contains("Server initialized"));
        kill_process(server.pid, signal).expect("our server");
        let output = parent.wait_with_output().expect("its end");
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(errors.contains(said), "{errors}");
        let _ = fs::remove_file(&pidfile);
    }
}

// ---- Service managers

/// What a service manager hears.
struct Manager {
    socket: UnixDatagram,
    heard: Vec<String>,
}

impl Manager {
    fn at(path: &Path) -> Manager {
        let socket = UnixDatagram::bind(path).expect("a socket");
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
        Manager { socket, heard: Vec::new() }
    }

    /// All that was said so far.
    fn heard(&mut self) -> &[String] {
        let mut bytes = [0; 4096];
        while let Ok(len) = self.socket.recv(&mut bytes) {
            self.heard.extend(text(&bytes[..len]).lines().map(String::from));
        }
        &self.heard
    }

    fn wait_for(&mut self, line: &str) {
        eventually(TIMEOUT, line, || self.heard().iter().any(|heard| heard.contains(line)));
    }
}

/// Debian's unit starts the server with Debian's configuration and these options behind it.
#[test]
fn debians_unit_hears_of_every_step() {
    let mut node = Node::prepare("node", &[("supervised", "systemd"), ("save", "3600 1")]);
    let mut manager = Manager::at(&node.path("notify"));
    node.set_environment("NOTIFY_SOCKET", &node.path("notify").to_string_lossy());
    node.launch();
    manager.wait_for("READY=1");
    let heard = manager.heard();
    let place = |line: &str| heard.iter().position(|heard| heard == line);
    let loading = place("STATUS=Tidemark is loading...").expect("it says that it loads");
    let ready = place("READY=1").expect("it is ready");
    assert!(loading < ready, "{heard:?}");
    assert!(place("STATUS=Ready to accept connections").is_some(), "{heard:?}");
    assert_eq!(node.info("process_supervised"), "systemd");
    assert!(node.log().contains("Supervised by systemd."), "{}", node.log());
    // An end that is refused says why.
    let _: String = node.run(&["SET", "key", "value"]);
    fs::create_dir(node.path("dump.rdb")).expect("a folder in the way");
    node.refused(&["SHUTDOWN"]);
    manager.wait_for("STOPPING=1");
    manager.wait_for("STATUS=Saving the final RDB snapshot");
    manager.wait_for("STATUS=Error trying to save the DB, can't exit.");
    fs::remove_dir(node.path("dump.rdb")).expect("the folder");
    node.stop();
}

#[test]
fn a_manager_is_found_by_its_socket_and_missed_without_it() {
    let mut node = Node::prepare("node", &[("supervised", "auto")]);
    let mut manager = Manager::at(&node.path("notify"));
    node.set_environment("NOTIFY_SOCKET", &node.path("notify").to_string_lossy());
    node.launch();
    manager.wait_for("READY=1");
    node.stop();
    manager.wait_for("STOPPING=1");
    for (mode, said) in [
        ("systemd", "systemd supervision error: NOTIFY_SOCKET not found!"),
        ("upstart", "upstart supervision requested, but UPSTART_JOB not found!"),
    ] {
        let mut node = Node::start("node", &[("supervised", mode)]);
        assert_eq!(node.info("process_supervised"), "no");
        assert!(node.log().contains(said), "{}", node.log());
        node.stop();
    }
    let node = Node::start("node", &[("supervised", "auto")]);
    assert_eq!(node.info("process_supervised"), "no");
}

/// Who is supervised stays in the foreground, whatever `daemonize` says.
#[test]
fn a_supervised_server_stays_in_the_foreground() {
    let mut node = Node::prepare("node", &[("supervised", "systemd"), ("daemonize", "yes")]);
    let mut manager = Manager::at(&node.path("notify"));
    node.set_environment("NOTIFY_SOCKET", &node.path("notify").to_string_lossy());
    node.launch();
    manager.wait_for("READY=1");
    node.stop();
}

#[test]
fn a_replica_tells_its_manager_when_it_is_in_sync() {
    let primary = Node::start("primary", &[]);
    let mut replica = Node::prepare("replica", &[("supervised", "systemd")]);
    replica.set_option("replicaof", &format!("127.0.0.1 {}", primary.port()));
    let mut manager = Manager::at(&replica.path("notify"));
    replica.set_environment("NOTIFY_SOCKET", &replica.path("notify").to_string_lossy());
    replica.launch();
    manager.wait_for(
        "STATUS=Ready to accept connections in read-only mode. Waiting for MASTER <-> REPLICA sync",
    );
    manager.wait_for(
        "STATUS=MASTER <-> REPLICA sync: Finished with success. Ready to accept connections in read-write mode.",
    );
}

/// A load may take longer than the unit allows for a start.
#[test]
fn a_long_load_asks_its_manager_for_more_time() {
    let mut node = Node::prepare("node", &[("supervised", "systemd")]);
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    let fifo = node.path("dump.rdb");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0)
        .expect("a pipe");
    let mut manager = Manager::at(&node.path("notify"));
    node.set_environment("NOTIFY_SOCKET", &node.path("notify").to_string_lossy());
    node.begin();
    manager.wait_for("EXTEND_TIMEOUT_USEC=");
    manager.wait_for("STATUS=Tidemark is loading... 0%");
    assert!(!manager.heard().iter().any(|line| line == "READY=1"));
    node.kill();
}

#[test]
fn upstart_sees_it_stop_and_lets_it_go_on() {
    let mut node = Node::prepare("node", &[("supervised", "auto")]);
    node.set_environment("UPSTART_JOB", "tidemark");
    node.begin();
    let pid = node.pid();
    let state = || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("its state");
        stat.rsplit(')').next().expect("fields").trim().chars().next()
    };
    eventually(TIMEOUT, "it stands still", || state() == Some('T'));
    node.resume();
    node.wait_until_up();
    assert_eq!(node.info("process_supervised"), "upstart");
}

/// The configuration that Debian installs, with the options of its unit.
#[test]
fn debians_own_configuration_is_accepted() {
    let original = include_str!("fixtures/debian-redis.conf");
    let mut node = Node::prepare("node", &[]);
    // Ports and folders of its own, as the last lines of the same file.
    let own = fs::read_to_string(node.path("node.conf")).expect("a file");
    fs::write(node.path("node.conf"), format!("{original}\npidfile node.pid\n{own}"))
        .expect("a file");
    let mut manager = Manager::at(&node.path("notify"));
    node.set_environment("NOTIFY_SOCKET", &node.path("notify").to_string_lossy());
    node.set_arguments(&["--supervised", "systemd", "--daemonize", "no"]);
    node.launch();
    manager.wait_for("READY=1");
    assert!(!node.log().contains("has no effect"), "{}", node.log());
    node.stop();
    manager.wait_for("STOPPING=1");
}

// ---- The log

#[test]
fn a_log_that_was_moved_is_begun_anew() {
    let node = Node::start("node", &[]);
    for turn in 0..3 {
        let path = node.path("node.log");
        match turn {
            // As logrotate does it without any word to us; then as `rm`, and with a new file put in its place.
            0 => {
                fs::hard_link(&path, node.path("node.log.1")).expect("another name");
                fs::remove_file(&path).expect("renamed");
            }
            1 => fs::remove_file(&path).expect("removed"),
            _ => {
                fs::remove_file(&path).expect("removed");
                fs::write(&path, "").expect("a file");
            }
        }
        let _: String = node.run(&["CONFIG", "SET", "save", &format!("{} 1", 1000 + turn)]);
        node.refused(&["CONFIG", "REWRITE", "now"]);
        let _: String = node.run(&["CONFIG", "REWRITE"]);
        assert!(node.log().contains("CONFIG REWRITE executed with success."), "turn {turn}");
    }
}

/// What the system says stands in the log and in replies as it says it.
#[test]
fn errors_of_the_system_are_said_in_its_words() {
    let node = Node::start("node", &[("enable-protected-configs", "local")]);
    let error = node.refused(&["CONFIG", "SET", "dir", "/nowhere/at/all"]);
    assert!(error.ends_with("No such file or directory"), "{error}");
    fs::create_dir(node.path(&format!("temp-{}.rdb", node.pid()))).expect("a folder in the way");
    node.refused(&["SAVE"]);
    let _: String = node.run(&["REPLICAOF", "127.0.0.1", "1"]);
    eventually(TIMEOUT, "the link fails", || node.number("master_link_failed_attempts") > 0);
    let reason = node.info("master_link_down_reason");
    let log = node.log();
    assert!(log.contains("Error saving DB on disk") && log.contains("refused"), "{log}");
    for text in [&log, &reason] {
        assert!(!text.contains("os error") && !text.contains("Os {"), "{text}");
    }
}

/// All who ask for the version hear the same one.
#[test]
fn one_version_is_promised() {
    let node = Node::start("node", &[]);
    let version = node.info("redis_version");
    let hello: std::collections::HashMap<String, redis::Value> = {
        let mut connection = node.connect_as("?protocol=resp3");
        redis::cmd("HELLO").arg("3").query(&mut connection).expect("HELLO")
    };
    let said = redis::from_redis_value_ref::<String>(&hello["version"]).expect("a version");
    assert_eq!(said, version);
    let _: String = node.run(&["SAVE"]);
    let snapshot = fs::read(node.path("dump.rdb")).expect("a snapshot");
    assert!(text(&snapshot).contains(&format!("redis-ver\u{5}{version}")));
    let output = text(&run(node.folder(), &["--version"]).stdout);
    assert!(output.contains(&format!("redis-{version}")), "{output}");
    let refused = text(&run(node.folder(), &["--port", "none"]).stderr);
    assert!(refused.contains(&format!("(Redis {version})")), "{refused}");
}

// ---- A folder that cannot be written to

/// Nobody can make a file in /proc, whoever he is.
#[test]
fn a_folder_that_cannot_be_written_to_is_named_at_the_start() {
    for (option, value, warned) in
        [("save", "3600 1", true), ("save", "", false), ("replicaof", "127.0.0.1 1", true)]
    {
        let mut node = Node::prepare("node", &[]);
        let log = node.path("node.log");
        node.set_option("logfile", &log.to_string_lossy());
        node.set_option("dir", "/proc");
        node.set_option(option, value);
        node.launch();
        let log = node.log();
        let said = log.contains("WARNING The folder '/proc' cannot be written to");
        assert_eq!(said, warned, "{option} {value}: {log}");
        node.kill();
    }
    let node = Node::start("node", &[("save", "3600 1"), ("enable-protected-configs", "local")]);
    let _: String = node.run(&["CONFIG", "SET", "dir", "/proc"]);
    assert!(node.log().contains("WARNING The folder '/proc' cannot be written to"));
}

// ---- What of a configuration is wrong, and what has no effect

#[test]
fn a_configuration_is_checked_without_starting_anything() {
    let folder = folder();
    let port = free_port();
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).expect("a port");
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("a file");
    write("dump.rdb", "no snapshot at all");
    write(
        "good.conf",
        &format!("port {port}\nbind 127.0.0.1\nrename-command CONFIG \"\"\nappendonly yes\n"),
    );
    let check = |words: &[&str]| {
        let output = run(folder.path(), &[&["--check-config"], words].concat());
        (output.status.code(), text(&output.stdout))
    };
    let (code, said) = check(&["good.conf"]);
    assert_eq!((code, said.as_str()), (Some(0), "0 error(s), 0 warning(s)\n"));
    let (code, said) = check(&["good.conf", "--io-threads", "4", "--supervised", "systemd"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("'io-threads 4' has no effect: one thread serves all"), "{said}");
    write(
        "bad.conf",
        "port many\nhz 50\nno-such-directive 1\ninclude good.conf\nrename-command GET SET\ninclude missing.conf\n\
         logfile /nowhere/at/all\ncluster-enabled yes\nrename-command FAILOVER run\nuser somebody +nosuch\n",
    );
    let (code, said) = check(&["bad.conf", "--maxmemory", "lots"]);
    assert_eq!(code, Some(1), "{said}");
    for line in [
        "ERROR bad.conf:1: 'port many'",
        "ERROR bad.conf:3: 'no-such-directive 1'",
        "ERROR bad.conf:5: 'rename-command GET SET': Target command name already exists",
        "ERROR missing.conf: No such file or directory",
        "ERROR bad.conf:8: 'cluster-enabled yes'",
        "ERROR option 1: 'maxmemory \"lots\"'",
        "ERROR Can't open the log file '/nowhere/at/all': No such file or directory",
        "ERROR bad.conf:10: 'user somebody +nosuch': Error in user declaration '+nosuch': Unknown command",
        "WARNING The directive 'hz 50' has no effect",
        "WARNING The directive 'rename-command FAILOVER run' has no effect",
        "8 error(s), 2 warning(s)",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
    let (code, said) = check(&["good.conf", "--dir", "/nowhere/at/all"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("Can't chdir to '/nowhere/at/all': No such file"), "{said}");
    drop(listener);
    let mut names: Vec<_> = fs::read_dir(folder.path()).expect("a folder").collect();
    names.retain(|entry| entry.as_ref().is_ok_and(|entry| !entry.path().ends_with(".conf")));
    assert_eq!(names.len(), 3, "nothing was made: {names:?}");
}

#[test]
fn what_has_no_effect_is_named_at_the_start_and_when_it_is_set() {
    let options = [
        ("io-threads", "4"),
        ("cluster-node-timeout", "15000"),
        ("active-expire-effort", "5"),
        ("repl-diskless-load", "swapdb"),
        ("maxclients", "50"),
    ];
    let node = Node::start("node", &options);
    let warned = |name: &str| {
        let start = format!("WARNING The directive '{name} ");
        node.log().lines().filter(|line| line.contains(&start)).count()
    };
    for (name, lines) in [
        ("io-threads", 1),
        ("cluster-node-timeout", 0),
        ("active-expire-effort", 1),
        ("repl-diskless-load", 1),
        ("maxclients", 0),
    ] {
        assert_eq!(warned(name), lines, "{name}: {}", node.log());
    }
    let set = |pairs: &[&str]| {
        let reply: String = node.run(&[&["CONFIG", "SET"], pairs].concat());
        assert_eq!(reply, "OK");
    };
    set(&["hz", "100", "maxclients", "60", "list-compress-depth", "2"]);
    assert_eq!((warned("hz"), warned("maxclients"), warned("list-compress-depth")), (1, 0, 1));
    // Its default is nothing to warn of, nor what was refused.
    set(&["hz", "10"]);
    node.refused(&["CONFIG", "SET", "hz", "200", "maxclients", "many"]);
    assert_eq!(warned("hz"), 1);
    assert_eq!(node.info("hz"), "10");
}

// ---- What ps shows

#[test]
fn the_title_says_where_it_listens() {
    let title = |node: &Node| {
        let line = fs::read(format!("/proc/{}/cmdline", node.pid())).expect("a process");
        text(&line).trim_end_matches('\0').to_string()
    };
    let mut node = Node::start("node", &[]);
    let program = server().to_string_lossy().into_owned();
    let usual = format!("{program} 127.0.0.1:{}", node.port());
    assert_eq!(title(&node), usual);
    let set = |template: &str| {
        let _: String = node.run(&["CONFIG", "SET", "proc-title-template", template]);
    };
    set("mine {port} {tls-port} {config-file}{unixsocket}");
    let file = node.path("node.conf");
    assert_eq!(title(&node), format!("mine {} 0 {}", node.port(), file.display()));
    // Longer than the command line and the environment, and as short as can be.
    set(&"long ".repeat(600));
    assert_eq!(title(&node), "long ".repeat(600).trim_end());
    set("x");
    assert_eq!(title(&node), "x");
    let error = node.refused(&["CONFIG", "SET", "proc-title-template", "{nonsense}"]);
    assert!(error.contains("template format is invalid"), "{error}");
    assert_eq!(title(&node), "x");
    // The environment is what it was.
    let environment = fs::read(format!("/proc/{}/environ", node.pid())).expect("a process");
    assert!(text(&environment).contains("TZ=UTC"));
    node.stop();
    node.set_option("set-proc-title", "no");
    node.launch();
    assert_eq!(title(&node), format!("{program}\0{}", file.display()));
}
