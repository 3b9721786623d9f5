//! A process that ends by a fault of its own says in its log what it was doing, and ends as any program does.

use integration::node::{free_ports, server};
use integration::{TIMEOUT, eventually};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use tempfile::TempDir;

/// A server that is going to crash.
struct Doomed {
    folder: TempDir,
    child: Child,
    port: u16,
}

impl Doomed {
    fn start(options: &[&str]) -> Doomed {
        let folder = tempfile::Builder::new().prefix("tidemark-test-").tempdir().expect("a folder");
        let port = free_ports(1);
        let child = Command::new(server())
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--logfile", "log"])
            .args(["--enable-debug-command", "yes", "--save", ""])
            .args(options)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a server");
        let doomed = Doomed { folder, child, port };
        eventually(TIMEOUT, "it listens", || doomed.log().contains("Ready to accept connections"));
        doomed
    }

    fn log(&self) -> String {
        let bytes = fs::read(self.folder.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Says something, and waits for the end of the connection or a reply.
    fn say(&self, line: &str) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("a connection");
        stream.write_all(format!("{line}\r\n").as_bytes()).expect("a request");
        let _ = stream.read(&mut [0; 64]);
    }

    fn signal(&self, number: i32) {
        let status = Command::new("kill")
            .arg(format!("-{number}"))
            .arg(self.child.id().to_string())
            .status();
        assert!(status.expect("kill").success());
    }

    fn end(&mut self) -> ExitStatus {
        self.child.wait().expect("its end")
    }
}

impl Drop for Doomed {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const SEGV: i32 = 11;
const ABRT: i32 = 6;

#[test]
fn a_fault_is_reported_with_names_and_then_has_its_own_end() {
    let mut server = Doomed::start(&[]);
    server.say("GET key");
    server.say("DEBUG SEGFAULT");
    assert_eq!(server.end().signal(), Some(SEGV));
    let log = server.log();
    for part in [
        "=== REDIS BUG REPORT START: Cut & paste starting from here ===",
        "crashed by signal: 11, si_code: 1",
        "Accessing address: 0x8",
        "------ STACK TRACE ------",
        // The function that did it, and one on the way there.
        "crash (",
        "execute_batch",
        "------ LAST COMMAND ------\ndebug from 127.0.0.1:",
        "------ INFO OUTPUT ------\n# Server",
        "cmdstat_",
        "------ CLIENT LIST OUTPUT ------",
        "=== REDIS BUG REPORT END.",
    ] {
        assert!(log.contains(part), "{part}: {log}");
    }
}

#[test]
fn who_sends_a_signal_is_named() {
    let mut server = Doomed::start(&[]);
    server.say("SET key value");
    server.signal(ABRT);
    assert_eq!(server.end().signal(), Some(ABRT));
    let log = server.log();
    assert!(log.contains("crashed by signal: 6, si_code: 0"), "{log}");
    assert!(log.contains("Killed by PID: "), "{log}");
    assert!(log.contains("LAST COMMAND ------\nset from "), "{log}");
}

#[test]
fn a_panic_and_a_lack_of_memory_are_reported_too() {
    let server = Doomed::start(&[]);
    // What a panic ends depends on how the program was built; what it says does not.
    server.say("DEBUG PANIC");
    eventually(TIMEOUT, "it is reported", || server.log().contains("REDIS BUG REPORT END"));
    let log = server.log();
    assert!(log.contains("Guru Meditation: called by user request #"), "{log}");
    assert!(log.contains("execute_batch"), "{log}");
    let mut server = Doomed::start(&[]);
    server.say("DEBUG OOM");
    assert_eq!(server.end().signal(), Some(ABRT));
    assert!(server.log().contains("crashed by signal: 6"), "{}", server.log());
}

#[test]
fn nothing_is_reported_where_that_is_not_wanted() {
    let mut server = Doomed::start(&["--crash-log-enabled", "no"]);
    server.say("DEBUG SEGFAULT");
    assert_eq!(server.end().signal(), Some(SEGV));
    assert!(!server.log().contains("BUG REPORT"), "{}", server.log());
}

#[test]
fn a_program_that_starts_anew_keeps_its_process_and_what_was_saved() {
    let server = Doomed::start(&["--appendonly", "yes"]);
    server.say("SET key value");
    server.say("DEBUG RESTART");
    eventually(TIMEOUT, "it is there again", || {
        server.log().matches("Ready to accept connections").count() == 2
    });
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).expect("a connection");
    stream.write_all(b"GET key\r\n").expect("a request");
    let mut reply = [0; 11];
    stream.read_exact(&mut reply).expect("a reply");
    assert_eq!(&reply, b"$5\r\nvalue\r\n");
}
