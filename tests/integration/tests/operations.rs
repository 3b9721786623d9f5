//! `docs/operations.md`, procedure by procedure: its own blocks are run, with other ports and folders.

use integration::data::Writes;
use integration::document::{Document, Shell, read, root, text};
use integration::node::{free_ports, server};
use integration::peer::{check_file, tool};
use integration::{Node, Peer, TIMEOUT, eventually};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

fn operations() -> Document {
    Document::open("docs/operations.md")
}

fn folder() -> TempDir {
    tempfile::Builder::new().prefix("tidemark-test-").tempdir().expect("a folder")
}

#[test]
fn every_block_is_run() {
    let tests = read("tests/integration/tests/operations.rs");
    let blocks = operations().blocks();
    for block in &blocks {
        let name = block.name.as_deref().unwrap_or_else(|| panic!("no name: {}", block.text));
        assert!(tests.contains(&format!("\"{name}\"")), "no test runs the block {name}");
    }
    assert!(blocks.len() > 10, "{} blocks", blocks.len());
}

// --- moving in and out ---

/// Runs a block that moves the primary from one port to the other, until it says that it did.
fn switch(name: &str, redis: &Node, ours: &Node) {
    let block = operations().block(name);
    let block =
        block.with("6379", &redis.port().to_string()).with("7379", &ours.port().to_string());
    let here = folder();
    // A PING may come between: then the document says to try again.
    eventually(TIMEOUT, "the primary has moved", || {
        let said = block.run(&Shell::new(here.path()));
        assert!(said.contains("moved, at offset") || said.contains("not moved"), "{said}");
        said.contains("moved, at offset")
    });
}

#[test]
fn data_move_in_and_back_out() {
    for peer in Peer::all() {
        let redis = peer.start("redis", &[]);
        let ours = Node::start("ours", &[]);
        let mut writes = Writes::new(11);
        writes.send(&mut redis.connect(), 3000);
        let here = folder();
        let block = |name: &str| {
            let block = operations().block(name).with("7379", &ours.port().to_string());
            let redis_too = block.text.contains("6379");
            if redis_too { block.with("6379", &redis.port().to_string()) } else { block }
        };
        block("move-in-follow").run(&Shell::new(here.path()));
        writes.send(&mut redis.connect(), 1000);
        ours.wait_for_sync(&redis);
        let said = block("move-in-watch").run(&Shell::new(here.path()));
        for line in
            ["master_link_status:up", "replica_commands_failed:0", "replica_commands_unsupported:0"]
        {
            assert!(said.contains(line), "{said}");
        }

        switch("move-in-switch", &redis, &ours);
        assert_eq!((ours.info("role"), redis.info("role")), ("master".into(), "slave".into()));
        writes.send(&mut ours.connect(), 1000);
        assert!(redis.refused(&["SET", "a", "1"]).starts_with("READONLY"));
        redis.wait_for_sync(&ours);
        assert_eq!(ours.number("sync_full"), 0, "the way back needs no full sync");

        switch("move-out-switch", &redis, &ours);
        assert_eq!((redis.info("role"), ours.info("role")), ("master".into(), "slave".into()));
        writes.send(&mut redis.connect(), 1000);
        ours.wait_for_sync(&redis);
        assert_eq!(ours.number("replica_commands_failed"), 0);
    }
}

// --- a service, with a systemctl that knows start and stop ---

/// What the document installs, under a folder instead of the root.
struct Service {
    folder: TempDir,
    port: u16,
}

/// Starts what ExecStart of the installed unit says, and ends it. `@` is the folder, `#` the port.
const SYSTEMCTL: &str = r#"#!/bin/bash
set -eu
case $1 in
daemon-reload) ;;
start | enable)
    mkdir -p @/var/lib/tidemark @/run/tidemark
    command=$(sed -n 's/^ExecStart=//p' @/etc/systemd/system/tidemark.service)
    cd @/var/lib/tidemark
    nohup ${command//' /'/' @/'} >>@/log 2>&1 </dev/null &
    echo $! >@/pid
    until [ "$(redis-cli -p # PING)" = PONG ]; do
        kill -0 "$(cat @/pid)"
        sleep 0.05
    done
    ;;
stop)
    kill "$(cat @/pid)"
    while kill -0 "$(cat @/pid)" 2>/dev/null; do sleep 0.05; done
    rm @/pid
    ;;
*) exit 2 ;;
esac
"#;

impl Service {
    /// Runs the document's installation, with `options` added to the configuration.
    fn install(options: &str) -> Service {
        let service = Service { folder: folder(), port: free_ports(1) };
        let programs = service.path("programs");
        fs::create_dir(&programs).expect("a folder");
        let here = service.folder.path().to_str().expect("a plain path");
        let systemctl = SYSTEMCTL.replace('@', here).replace('#', &service.port.to_string());
        let systemctl = systemctl.replacen(&service.port.to_string(), "#", 1); // of #!
        for (name, text) in [
            ("systemctl", systemctl.as_str()),
            ("chown", "#!/bin/sh\n"),
            ("useradd", "#!/bin/sh\n"),
        ] {
            let path = programs.join(name);
            fs::write(&path, text).expect("a program");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a program");
        }
        let binary = server().to_str().expect("a plain path");
        let install = operations().block("install").with("target/release/tidemark-server", binary);
        let shell = Shell { folder: root(), programs: None, destination: service.path("") };
        install.run(&shell);
        service.adapt(
            "etc/tidemark/tidemark.conf",
            &[("/var/lib/", "var/lib/"), ("/run/", "run/")],
            options,
        );
        service.adapt("etc/systemd/system/tidemark.service", &[("=/usr/bin", "usr/bin")], "");
        service
            .run(operations().block("enable").with("/etc/tidemark", &service.text("etc/tidemark")));
        service
    }

    /// Makes the paths in an installed file those of the folder.
    fn adapt(&self, name: &str, paths: &[(&str, &str)], options: &str) {
        let mut text = fs::read_to_string(self.path(name)).expect("an installed file");
        for (old, new) in paths {
            assert!(text.contains(old), "{name} has no {old}");
            let before = if old.starts_with('=') { "=" } else { "" };
            text = text.replace(old, &format!("{before}{}", self.text(new)));
        }
        text = text.replace("\nport 6379\n", &format!("\nport {}\n", self.port));
        fs::write(self.path(name), text + options).expect("an installed file");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().expect("a plain path").to_string()
    }

    /// Runs a block with this service's port and data.
    fn run(&self, mut block: integration::document::Block) -> String {
        if block.text.contains("/var/lib/tidemark") && block.name.as_deref() != Some("enable") {
            block = block.with("/var/lib/tidemark", &self.text("var/lib/tidemark"));
        }
        if block.text.contains("7379") {
            block = block.with("7379", &self.port.to_string());
        }
        let shell = Shell {
            folder: self.folder.path().into(),
            programs: Some(self.path("programs")),
            destination: self.folder.path().into(),
        };
        block.run(&shell)
    }

    fn connect(&self) -> redis::Connection {
        let client = redis::Client::open(("127.0.0.1", self.port)).expect("an address");
        client.get_connection_with_timeout(TIMEOUT).expect("a connection")
    }

    fn ask(&self, words: &[&str]) -> String {
        integration::data::command(words).query(&mut self.connect()).expect("an answer")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Ok(pid) = fs::read_to_string(self.path("pid")) {
            let _ = Command::new("kill").args(["-9", pid.trim()]).status();
        }
        if std::thread::panicking() {
            eprintln!("{}", fs::read_to_string(self.path("log")).unwrap_or_default());
        }
    }
}

/// Data, a backup of it, and the loss of it: the restore brings it back.
fn lose_and_restore(service: &Service, backup: &str, restore: &str) {
    Writes::new(12).send(&mut service.connect(), 2000);
    let digest = service.ask(&["DEBUG", "DIGEST"]);
    service.run(operations().block(backup));
    service.ask(&["FLUSHALL"]);
    service.ask(&["SET", "after", "the mistake"]);
    service.run(operations().block(restore));
    assert_eq!(service.ask(&["DEBUG", "DIGEST"]), digest);
    // And it stays, also after one more stop.
    service.ask(&["SET", "later", "1"]);
    let digest = service.ask(&["DEBUG", "DIGEST"]);
    let restart = |word: &str| {
        let status =
            Command::new(service.path("programs/systemctl")).args([word, "tidemark"]).status();
        assert!(status.expect("our systemctl").success(), "{word}");
    };
    restart("stop");
    restart("start");
    assert_eq!(service.ask(&["DEBUG", "DIGEST"]), digest);
}

const DEBUG: &str = "enable-debug-command local\n";

#[test]
fn a_service_is_installed_and_its_data_backed_up_over_the_network_and_restored() {
    let service = Service::install(&format!("{DEBUG}appendonly no\n"));
    lose_and_restore(&service, "backup-remote", "restore-rdb");
    check_file("redis-check-rdb", &service.path("backup.rdb"));
}

#[test]
fn a_snapshot_is_restored_into_a_node_with_an_append_only_file() {
    let service = Service::install(DEBUG);
    lose_and_restore(&service, "backup-local", "restore-rdb-into-aof");
}

#[test]
fn an_append_only_file_is_backed_up_and_restored() {
    let service = Service::install(DEBUG);
    lose_and_restore(&service, "backup-aof", "restore-aof");
}

#[test]
fn the_configuration_in_contrib_has_nothing_that_is_refused_or_warned_of() {
    let service = Service::install("");
    let log = fs::read_to_string(service.path("log")).expect("a log");
    // What is said of this machine, not of the configuration.
    let known = ["overcommit_memory", "Transparent Huge Pages", "TCP backlog", "NOTIFY_SOCKET"];
    for line in log.lines().filter(|line| line.split(' ').nth(5) == Some("#")) {
        assert!(known.iter().any(|word| line.contains(word)), "{line}");
    }
    let block = operations()
        .block("check-config")
        .with("tidemark-server", &service.text("usr/bin/tidemark-server"));
    let said = service.run(block.with("/etc/tidemark", &service.text("etc/tidemark")));
    assert!(!said.contains("no effect"), "{said}");
    assert_eq!(service.ask(&["CONFIG", "REWRITE"]), "OK");
}

#[test]
fn the_unit_is_told_when_the_server_is_ready_and_when_it_stops() {
    let unit = read("contrib/tidemark.service");
    let line = |name: &str| {
        let value = unit.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        value.unwrap_or_else(|| panic!("no {name} in the unit")).to_string()
    };
    assert_eq!(line("Type"), "notify");
    let here = folder();
    let socket = UnixDatagram::bind(here.path().join("notify")).expect("a socket");
    socket.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
    let said = |what: &str| {
        let mut all = String::new();
        eventually(TIMEOUT, what, || {
            let mut part = [0; 4096];
            let length =
                socket.recv(&mut part).unwrap_or_else(|e| panic!("no {what} but {all:?}: {e}"));
            all += &String::from_utf8_lossy(&part[..length]);
            all += "\n";
            all.lines().any(|line| line == what)
        });
    };
    let command = line("ExecStart");
    let mut words = command.split(' ');
    assert_eq!(words.next(), Some("/usr/bin/tidemark-server"));
    assert_eq!(words.next(), Some("/etc/tidemark/tidemark.conf"));
    let text = read("contrib/tidemark.conf")
        .replace("\nport 6379\n", &format!("\nport {}\n", free_ports(1)));
    let here_text = here.path().to_str().expect("a plain path");
    let text = text.replace("/var/lib/tidemark", here_text).replace("/run/tidemark", here_text);
    fs::write(here.path().join("tidemark.conf"), text).expect("a file");
    let child = Command::new(server())
        .arg(here.path().join("tidemark.conf"))
        .args(words)
        .env("NOTIFY_SOCKET", here.path().join("notify"))
        .current_dir(here.path())
        .stdout(Stdio::null())
        .spawn();
    let mut child = Ended(child.expect("a server"));
    said("READY=1");
    let pid = rustix::process::Pid::from_child(&child.0);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("a child of ours");
    said("STOPPING=1");
    assert!(child.0.wait().expect("a child of ours").success());
}

// --- what stands in front ---

/// A program of somebody else, which ends with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a program whose words are given; what it says goes to a file in `folder`.
fn start(folder: &Path, program: &Path, words: &[&str]) -> Ended {
    let log = fs::File::create(folder.join("program.log")).expect("a file");
    let errors = log.try_clone().expect("a second descriptor");
    let child = Command::new(program)
        .args(words)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .spawn();
    Ended(child.unwrap_or_else(|e| panic!("{}: {e}", program.display())))
}

/// A command on a connection of its own, to whatever listens there.
fn ask(port: u16, words: &[&str]) -> redis::RedisResult<String> {
    let client = redis::Client::open(("127.0.0.1", port))?;
    let mut connection = client.get_connection_with_timeout(TIMEOUT)?;
    connection.set_read_timeout(Some(TIMEOUT))?;
    integration::data::command(words).query(&mut connection)
}

#[test]
fn sentinel_promotes_a_replica() {
    let mut primary = Node::start("first", &[]);
    let replica = Node::start("second", &[]);
    replica.follow(&primary);
    replica.wait_for_sync(&primary);
    let ports = free_ports(3);
    let here = folder();
    let sentinel = tool("redis-sentinel");
    let mut sentinels = Vec::new();
    for number in 0..3 {
        let port = (ports + number).to_string();
        let own = here.path().join(&port);
        fs::create_dir(&own).expect("a folder");
        let block = operations().block("sentinel").with("26379", &port);
        let block = block.with("7379", &primary.port().to_string());
        fs::write(own.join("sentinel.conf"), block.text + "bind 127.0.0.1\n").expect("a file");
        sentinels.push(start(&own, &sentinel, &["sentinel.conf"]));
    }
    let knows = |port: u16, what: &[(&str, &str)]| {
        let fields: redis::RedisResult<Vec<String>> = redis::Client::open(("127.0.0.1", port))
            .and_then(|client| client.get_connection_with_timeout(TIMEOUT))
            .and_then(|mut c| redis::cmd("SENTINEL").arg("MASTER").arg("mymaster").query(&mut c));
        let fields = fields.unwrap_or_default();
        let has = |(name, value): &(&str, &str)| {
            fields.chunks(2).any(|pair| pair.len() == 2 && pair[0] == *name && pair[1] == *value)
        };
        what.iter().all(has)
    };
    for port in ports..ports + 3 {
        eventually(TIMEOUT, "the Sentinels see each other and the replica", || {
            knows(port, &[("num-slaves", "1"), ("num-other-sentinels", "2"), ("flags", "master")])
        });
    }
    primary.kill();
    // On a new connection each time: Sentinel closes them when it promotes.
    eventually(TIMEOUT, "the replica is promoted", || {
        let info = ask(replica.port(), &["INFO", "replication"]);
        info.is_ok_and(|info| info.contains("role:master"))
    });
    let new = replica.port().to_string();
    eventually(TIMEOUT, "the Sentinels say so", || knows(ports, &[("port", &new)]));
}

#[test]
fn haproxy_sends_connections_to_the_primary() {
    let first = Node::start("first", &[]);
    let second = Node::start("second", &[]);
    second.follow(&first);
    second.wait_for_sync(&first);
    let (port, here) = (free_ports(1), folder());
    let block = operations().block("haproxy").with("6400", &port.to_string());
    let block =
        block.with("7379", &first.port().to_string()).with("7380", &second.port().to_string());
    fs::write(here.path().join("haproxy.cfg"), block.text).expect("a file");
    let _haproxy = start(here.path(), &tool("haproxy"), &["-db", "-f", "haproxy.cfg"]);
    // It believes in both at first, and takes them in turn.
    eventually(TIMEOUT, "all writes go to the primary", || {
        (0..4).all(|_| ask(port, &["SET", "a", "1"]).is_ok())
    });
    assert_eq!(first.run::<String>(&["GET", "a"]), "1");
    // A connection to the old primary is closed, a new one goes to the new.
    let client = redis::Client::open(("127.0.0.1", port)).expect("an address");
    let mut kept = client.get_connection_with_timeout(TIMEOUT).expect("a connection");
    kept.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
    eventually(TIMEOUT, "the replica has it", || {
        second.run::<Option<String>>(&["GET", "a"]).is_some()
    });
    let _: String = first.run(&["REPLICAOF", "127.0.0.1", &first.port().to_string()]);
    let _: String = second.run(&["REPLICAOF", "NO", "ONE"]);
    first.follow(&second);
    eventually(TIMEOUT, "the old connection is closed", || {
        redis::cmd("PING").query::<String>(&mut kept).is_err()
    });
    eventually(TIMEOUT, "a write goes to the new primary", || {
        ask(port, &["SET", "a", "2"]).is_ok()
    });
    assert_eq!(second.run::<String>(&["GET", "a"]), "2");
}

#[test]
fn nutcracker_spreads_keys_over_primaries() {
    let shards = [Node::start("first", &[]), Node::start("second", &[])];
    let (port, here) = (free_ports(2), folder());
    let block = operations().block("nutcracker").with("22121", &port.to_string());
    let block = block.with("7379", &shards[0].port().to_string());
    let block = block.with("7380", &shards[1].port().to_string());
    fs::write(here.path().join("nutcracker.yml"), block.text).expect("a file");
    let figures = (port + 1).to_string();
    let words = ["-c", "nutcracker.yml", "-s", &figures, "-a", "127.0.0.1"];
    let _nutcracker = start(here.path(), &tool("nutcracker"), &words);
    // By redis-cli, which asks nothing that nutcracker does not know.
    let cli = |words: &[String]| {
        let cli = tool("redis-cli");
        let output = Command::new(cli).args(["-p", &port.to_string()]).args(words).output();
        text(&output.expect("redis-cli").stdout)
    };
    let words = |text: &str| text.split(' ').map(str::to_string).collect::<Vec<_>>();
    eventually(TIMEOUT, "a write passes", || cli(&words("SET key:0 0")) == "OK\n");
    let keys: Vec<String> = (0..200).map(|number| format!("key:{number}")).collect();
    let pairs = (0..200).flat_map(|number| [format!("key:{number}"), number.to_string()]);
    assert_eq!(cli(&[words("MSET"), pairs.collect()].concat()), "OK\n");
    let values = cli(&[words("MGET"), keys.clone()].concat());
    assert!(values.lines().eq((0..200).map(|number| number.to_string())), "{values}");
    let sizes = shards.each_ref().map(|shard| shard.run::<u64>(&["DBSIZE"]));
    assert!(sizes[0] + sizes[1] == 200 && sizes[0].min(sizes[1]) > 20, "{sizes:?}");
    assert_eq!(cli(&[words("DEL"), keys].concat()), "200\n");
}

// --- what to watch ---

#[test]
fn the_exporter_finds_what_there_is_to_watch() {
    let primary = Node::start("primary", &[("appendonly", "yes"), ("save", "3600 1")]);
    let replica = Node::start("replica", &[]);
    replica.follow(&primary);
    replica.wait_for_sync(&primary);
    for (node, expected) in [
        (&primary, ["redis_up 1", "redis_connected_slaves 1", "redis_aof_last_write_status 1"]),
        (&replica, ["redis_up 1", "redis_rdb_last_bgsave_status 1", "redis_master_link_up{"]),
    ] {
        let (port, here) = (free_ports(1), folder());
        let block = operations().block("exporter").with("9121", &port.to_string());
        let block = block.with("7379", &node.port().to_string());
        let words: Vec<&str> = block.text.split_whitespace().collect();
        let _exporter = start(here.path(), &tool(words[0]), &words[1..]);
        let mut found = String::new();
        eventually(TIMEOUT, "the exporter answers", || {
            found = get(port, "/metrics").unwrap_or_default();
            found.contains("redis_up")
        });
        for line in expected {
            assert!(found.lines().any(|l| l.starts_with(line)), "no {line} in\n{found}");
        }
    }
}

/// The answer to a GET by HTTP.
fn get(port: u16, path: &str) -> std::io::Result<String> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// The table of what to watch names fields that INFO has, on a primary or on a replica whose link is down.
#[test]
fn what_is_to_be_watched_is_in_info() {
    let primary = Node::start("primary", &[("appendonly", "yes")]);
    let replica = Node::start("replica", &[("repl-timeout", "2")]);
    let _: String = replica.run(&["REPLICAOF", "127.0.0.1", &free_ports(1).to_string()]);
    eventually(TIMEOUT, "the replica says why its link is down", || {
        replica.run::<String>(&["INFO", "replication"]).contains("master_link_down_reason:")
    });
    let info =
        [&primary, &replica].map(|node| node.run::<String>(&["INFO", "everything"])).concat();
    let mut count = 0;
    let document = read("docs/operations.md");
    let table = document.split("| field of INFO |").nth(1).expect("the table");
    for row in table.lines().skip(2).take_while(|line| line.starts_with('|')) {
        let column = row.split('|').nth(2).expect("a second column");
        for field in column.split('`').skip(1).step_by(2) {
            assert!(
                info.lines().any(|line| line.starts_with(&format!("{field}:"))),
                "no {field} in INFO"
            );
            count += 1;
        }
    }
    assert!(count > 15, "{count} fields");
}
