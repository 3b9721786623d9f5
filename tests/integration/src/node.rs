//! A server process with a port and a folder of its own.
//!
//! ```text
//! folder/node.conf   what it is started with; CONFIG REWRITE changes it
//! folder/node.log    its log; shown when the test fails
//! folder/output.log  what it says beside the log
//! ```
//!
//! # Invariants
//! - a node that is up answered by itself: the process id in INFO is that of the process started here
//! - a process is ended by its id, at the latest when the node is dropped

use crate::wait::{TIMEOUT, eventually, register, show_on_failure};
use redis::{Client, Connection, FromRedisValue, RedisResult};
use rustix::process::{Pid, Signal, kill_process};
use std::cell::RefCell;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

/// What all nodes are started with.
const OPTIONS: [(&str, &str); 8] = [
    ("bind", "127.0.0.1"),
    ("dir", "./"),
    ("logfile", "node.log"),
    ("loglevel", "verbose"),
    ("save", ""),
    ("appendonly", "no"),
    ("enable-debug-command", "local"),
    ("repl-diskless-sync-delay", "0"),
];

/// A server process, or one that can be started.
pub struct Node {
    name: String,
    program: PathBuf,
    port: u16,
    folder: TempDir,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    child: Option<Child>,
    has_served: bool,
    connection: RefCell<Option<Connection>>,
}

impl Node {
    /// Starts a Tidemark server, with `options` beyond those that all nodes have.
    pub fn start(name: &str, options: &[(&str, &str)]) -> Node {
        let mut node = Node::prepare(name, options);
        node.launch();
        node
    }

    /// A Tidemark server that is not started yet: files may be put into its folder.
    pub fn prepare(name: &str, options: &[(&str, &str)]) -> Node {
        Node::prepare_program(server(), name, options)
    }

    pub(crate) fn prepare_program(program: &Path, name: &str, options: &[(&str, &str)]) -> Node {
        let folder = tempfile::Builder::new().prefix("tidemark-test-").tempdir();
        let folder = folder.expect("a temporary folder");
        register(name, &folder.path().join("node.log"));
        let port = free_port();
        let node = Node {
            name: name.to_string(),
            program: program.to_path_buf(),
            port,
            folder,
            arguments: Vec::new(),
            environment: Vec::new(),
            child: None,
            has_served: false,
            connection: RefCell::new(None),
        };
        let given = |name: &str| options.iter().any(|(other, _)| *other == name);
        let mut text = format!("port {port}\n");
        for (name, value) in OPTIONS.iter().filter(|(name, _)| !given(name)).chain(options) {
            text += &line(name, value);
        }
        std::fs::write(node.path("node.conf"), text).expect("a configuration file");
        node
    }

    /// Sets an option for the next start.
    pub fn set_option(&self, name: &str, value: &str) {
        let path = self.path("node.conf");
        let text = std::fs::read_to_string(&path).expect("a configuration file");
        let others = text.lines().filter(|line| line.split(' ').next() != Some(name));
        let mut text: String = others.map(|line| format!("{line}\n")).collect();
        text += &line(name, value);
        std::fs::write(path, text).expect("a configuration file");
    }

    /// What the command line says behind the file, at the next start.
    pub fn set_arguments(&mut self, arguments: &[&str]) {
        self.arguments = arguments.iter().map(|word| word.to_string()).collect();
    }

    /// Sets a variable of the environment for the next start.
    pub fn set_environment(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_string(), value.to_string()));
    }

    // --- the process ---

    fn spawn(&mut self) {
        assert!(self.child.is_none(), "{} runs already", self.name);
        let output = File::options().create(true).append(true).open(self.path("output.log"));
        let output = output.expect("a file for the output");
        let errors = output.try_clone().expect("a second descriptor");
        let child = Command::new(&self.program)
            .arg(self.path("node.conf"))
            .args(&self.arguments)
            .current_dir(self.folder())
            .env("TZ", "UTC")
            .env_remove("NOTIFY_SOCKET")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn();
        let child = child.unwrap_or_else(|e| panic!("cannot run {}: {e}", self.program.display()));
        self.child = Some(child);
    }

    /// Starts the process and does not wait for anything.
    pub fn begin(&mut self) {
        self.spawn();
    }

    /// Waits until the process that was begun serves.
    pub fn wait_until_up(&self) {
        eventually(TIMEOUT, &format!("{} serves", self.name), || self.is_serving());
    }

    /// Starts the process and waits until it serves: its data is loaded.
    pub fn launch(&mut self) {
        let mut said = self.all_output().len();
        self.spawn();
        eventually(TIMEOUT, &format!("{} serves", self.name), || {
            if let Some(status) = self.exited() {
                let output = self.all_output();
                let in_use = output.get(said..).is_some_and(|new| new.contains("already in use"));
                assert!(in_use, "{} did not start: {status}\n{output}", self.name);
                // Somebody was quicker. Before the first start any other port will do; later it has to be this one.
                if !self.has_served {
                    self.port = free_port();
                    self.set_option("port", &self.port.to_string());
                }
                said = output.len();
                self.child = None;
                self.spawn();
            }
            self.is_serving()
        });
        self.has_served = true;
    }

    /// Starts the process and waits for nothing: it may be killed while it loads.
    pub fn launch_unattended(&mut self) {
        self.spawn();
    }

    /// Starts the process, which is to end by itself with an error. Returns all that it said.
    pub fn launch_refused(&mut self) -> String {
        self.spawn();
        let mut status = None;
        eventually(TIMEOUT, &format!("{} refuses to start", self.name), || {
            status = self.exited();
            status.is_some()
        });
        self.child = None;
        assert!(!status.is_some_and(|s| s.success()), "{} ended without an error", self.name);
        self.all_output()
    }

    fn exited(&mut self) -> Option<ExitStatus> {
        self.child.as_mut()?.try_wait().expect("a child of ours")
    }

    fn is_serving(&self) -> bool {
        let Some(id) = self.child.as_ref().map(Child::id) else { return false };
        let Ok(mut connection) = self.try_connect("") else { return false };
        let pong: RedisResult<String> = redis::cmd("PING").query(&mut connection);
        let info: RedisResult<String> = redis::cmd("INFO").arg("server").query(&mut connection);
        match (pong, info) {
            (Ok(pong), Ok(info)) => {
                pong == "PONG" && info.lines().any(|line| line == format!("process_id:{id}"))
            }
            // A password is no reason to wait: somebody answers who knows it.
            (Err(error), _) => error.code() == Some("NOAUTH"),
            _ => false,
        }
    }

    /// Ends the process in order, by SIGTERM, and waits for its end.
    pub fn stop(&mut self) {
        *self.connection.borrow_mut() = None;
        if self.child.is_some() {
            self.signal(Signal::TERM);
            self.wait_for_end();
        }
    }

    /// Makes the process stand still, with all its connections open.
    pub fn suspend(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(self.child.as_ref().expect("it runs"));
        kill_process(pid, signal).expect("a child of ours");
    }

    /// Waits until the process has ended by itself.
    pub fn wait_for_end(&mut self) {
        eventually(TIMEOUT, &format!("{} ends", self.name), || self.exited().is_some());
        self.child = None;
    }

    /// Ends the process without a warning, as by `kill -9`.
    pub fn kill(&mut self) {
        *self.connection.borrow_mut() = None;
        if let Some(mut child) = self.child.take() {
            child.kill().expect("a child of ours");
            child.wait().expect("a child of ours");
        }
    }

    /// Ends the process in order and starts it again.
    pub fn restart(&mut self) {
        self.stop();
        self.launch();
    }

    // --- what belongs to it ---

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The id of its process.
    ///
    /// # Panics
    /// When it does not run.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("a running node").id()
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A file in its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.path("node.log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn all_output(&self) -> String {
        let output = std::fs::read(self.path("output.log")).unwrap_or_default();
        format!("{}{}", String::from_utf8_lossy(&output), self.log())
    }

    // --- asking it ---

    /// A new connection.
    ///
    /// # Panics
    /// When there is none.
    pub fn connect(&self) -> Connection {
        self.connect_as("")
    }

    /// A new connection with options of the client's URL, as `?protocol=resp3`.
    ///
    /// # Panics
    /// When there is none.
    pub fn connect_as(&self, options: &str) -> Connection {
        self.try_connect(options).unwrap_or_else(|e| panic!("connecting to {}: {e}", self.name))
    }

    /// A new connection with options of the client's URL, as `?protocol=resp3`, if it can be had.
    pub fn try_connect(&self, options: &str) -> RedisResult<Connection> {
        let client = Client::open(format!("redis://127.0.0.1:{}/{options}", self.port))?;
        let connection = client.get_connection_with_timeout(TIMEOUT)?;
        connection.set_read_timeout(Some(TIMEOUT))?;
        connection.set_write_timeout(Some(TIMEOUT))?;
        Ok(connection)
    }

    /// Runs a command, on a connection that is kept.
    ///
    /// # Panics
    /// When it fails.
    pub fn run<T: FromRedisValue>(&self, words: &[&str]) -> T {
        self.try_run(words).unwrap_or_else(|e| panic!("{} {words:?}: {e}", self.name))
    }

    /// Runs a command, on a connection that is kept, and may fail.
    pub fn try_run<T: FromRedisValue>(&self, words: &[&str]) -> RedisResult<T> {
        let mut kept = self.connection.borrow_mut();
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => self.try_connect("")?,
        };
        let result = crate::data::command(words).query(&mut connection);
        if !matches!(&result, Err(error) if error.is_io_error() || error.is_unrecoverable_error()) {
            *kept = Some(connection);
        }
        result
    }

    /// Runs a command that must be refused, and returns the error's line.
    ///
    /// # Panics
    /// When it succeeds.
    pub fn refused(&self, words: &[&str]) -> String {
        match self.try_run::<redis::Value>(words) {
            Ok(reply) => panic!("{} {words:?}: {reply:?}", self.name),
            Err(error) => match (error.code(), error.detail()) {
                (Some(code), Some(detail)) => format!("{code} {detail}"),
                _ => error.to_string(),
            },
        }
    }

    /// A field of INFO.
    ///
    /// # Panics
    /// When it is not there.
    pub fn info(&self, field: &str) -> String {
        let text: String = self.run(&["INFO", "everything"]);
        let value = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        value.unwrap_or_else(|| panic!("{}: no {field} in INFO", self.name)).to_string()
    }

    /// A number in INFO.
    ///
    /// # Panics
    /// When it is not there, or not a number.
    pub fn number(&self, field: &str) -> i64 {
        let text = self.info(field);
        text.parse().unwrap_or_else(|_| panic!("{}: {field} is {text}", self.name))
    }

    /// A digest of all data.
    pub fn digest(&self) -> String {
        self.run(&["DEBUG", "DIGEST"])
    }

    /// Makes it a replica of `primary`.
    pub fn follow(&self, primary: &Node) {
        let _: String = self.run(&["REPLICAOF", "127.0.0.1", &primary.port.to_string()]);
    }

    /// Waits until it has all that `primary` has.
    ///
    /// # Panics
    /// When that takes too long.
    pub fn wait_for_sync(&self, primary: &Node) {
        let what = format!("{} has the data of {}", self.name, primary.name);
        eventually(TIMEOUT, &what, || self.is_linked() && self.digest() == primary.digest());
    }

    /// Whether it is a replica with a link that carries the stream.
    pub fn is_linked(&self) -> bool {
        let text: String = self.try_run(&["INFO", "replication"]).unwrap_or_default();
        text.lines().any(|line| line == "master_link_status:up")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        show_on_failure();
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn line(name: &str, value: &str) -> String {
    format!("{name} {}\n", if value.is_empty() { "\"\"" } else { value })
}

/// A port that nobody listens on.
fn free_port() -> u16 {
    free_ports(1)
}

/// The first of `count` ports in a row that nobody listens on. Below those that the system gives to connections, and each
/// process of tests begins elsewhere, so that nobody takes it meanwhile.
pub fn free_ports(count: u16) -> u16 {
    const FIRST: u32 = 10_000;
    const PORTS: u32 = 22_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let base = std::process::id().wrapping_mul(101);
    loop {
        let number = base.wrapping_add(NEXT.fetch_add(u32::from(count), Ordering::Relaxed));
        let port = (FIRST + number % PORTS) as u16;
        if !(port..port + count).any(is_taken) {
            return port;
        }
    }
}

/// Whether somebody listens on a port. Not tried: a child that another test forks in that moment would have a copy of our
/// socket, and the port would be taken when it is wanted.
fn is_taken(port: u16) -> bool {
    const LISTENS: &str = "0A";
    let here = format!(":{port:04X}");
    ["/proc/net/tcp", "/proc/net/tcp6"].iter().any(|path| {
        std::fs::read_to_string(path).unwrap_or_default().lines().skip(1).any(|line| {
            let mut words = line.split_whitespace().skip(1);
            let (local, state) = (words.next().unwrap_or(""), words.nth(1).unwrap_or(""));
            local.ends_with(&here) && state == LISTENS
        })
    })
}

/// The server to test: `TIDEMARK_SERVER`, or cargo's build beside this test, brought up to date once per process.
pub fn server() -> &'static Path {
    static SERVER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let server = SERVER.get_or_init(|| match std::env::var_os("TIDEMARK_SERVER") {
        Some(path) => std::path::absolute(path).map_err(|e| format!("TIDEMARK_SERVER: {e}")),
        None => build(),
    });
    server.as_ref().unwrap_or_else(|error| panic!("{error}"))
}

/// `target/<profile>/deps/<test>` → `target/<profile>/tidemark-server`.
fn build() -> Result<PathBuf, String> {
    let test = std::env::current_exe().expect("the path of this test");
    let profile = test.parent().and_then(Path::parent).expect("a folder of cargo's");
    let target = profile.parent().expect("a folder of cargo's");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "-p", "tidemark-server", "--bin", "tidemark-server", "--target-dir"]);
    command.arg(target).current_dir(env!("CARGO_MANIFEST_DIR"));
    if profile.file_name().is_some_and(|name| name == "release") {
        command.arg("--release");
    }
    let output = command.output().map_err(|error| format!("running cargo: {error}"))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        return Err(format!("building the server failed:\n{errors}"));
    }
    Ok(profile.join("tidemark-server"))
}
