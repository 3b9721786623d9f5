//! A cluster of `scripts/cluster`, in a folder whose name has a blank in it, and writers that remember what was acknowledged.

use crate::document::{script, text};
use crate::node::free_ports;
use crate::{TIMEOUT, eventually};
use redis::{Client, Connection, RedisResult};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tempfile::TempDir;

/// Ports that a cluster takes: up to four nodes, then up to four Sentinels.
const PORTS: u16 = 8;

/// Nodes that the script has started, or can start. They end with it.
pub struct Cluster {
    folder: TempDir,
    port: u16,
}

impl Cluster {
    /// No node yet.
    pub fn prepare() -> Cluster {
        let folder = tempfile::Builder::new().prefix("tidemark test ").tempdir().expect("a folder");
        Cluster { folder, port: free_ports(PORTS) }
    }

    /// Three nodes, with options of the server.
    pub fn up(options: &[&str]) -> Cluster {
        let cluster = Cluster::prepare();
        let port = cluster.port.to_string();
        cluster.run(&[&["up", "--port", &port, "--"], options].concat());
        cluster
    }

    /// The port of node-1; those of the others follow.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port of sentinel-1, if it is asked for.
    pub fn sentinel_port(&self) -> u16 {
        self.port + PORTS / 2
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The script, about to be run on this cluster.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = script("cluster");
        command
            .args(words)
            .env("TIDEMARK_NODES", self.path("nodes"))
            .current_dir(self.folder.path());
        command
    }

    /// Runs the script, whatever comes of it.
    pub fn try_run(&self, words: &[&str]) -> Output {
        self.command(words).output().expect("bash")
    }

    /// Runs the script, and returns what it prints.
    ///
    /// # Panics
    /// When it fails.
    pub fn run(&self, words: &[&str]) -> String {
        let output = self.try_run(words);
        let (said, errors) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "cluster {words:?}: {}\n{said}{errors}", output.status);
        said
    }

    /// Runs the script, which must end with this code, and returns its errors.
    ///
    /// # Panics
    /// When it ends with another code.
    pub fn fails(&self, code: i32, words: &[&str]) -> String {
        let output = self.try_run(words);
        let (said, errors) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "cluster {words:?}\n{said}{errors}");
        errors
    }

    /// A program for `switch --hook`: bash that is run at a step. `$PPID` is the script.
    pub fn hook(&self, step: &str, action: &str) -> String {
        let path = self.path("hook");
        let text = format!("#!/bin/bash\n[[ $1 == {step} ]] || exit 0\n{action}\n");
        fs::write(&path, text).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a program");
        path.to_str().expect("a plain path").to_string()
    }

    /// The process of a node or Sentinel, if its file names one.
    pub fn pid(&self, name: &str) -> Option<Pid> {
        let text = fs::read_to_string(self.path("nodes").join(name).join("server.pid")).ok()?;
        Pid::from_raw(text.trim().parse().ok()?)
    }

    /// A connection to node `number`, if there is one.
    pub fn connect(&self, number: u16) -> RedisResult<Connection> {
        connect(self.port + number - 1)
    }

    /// The number of the node that says it is the primary, if exactly one does.
    pub fn primary(&self) -> Option<u16> {
        let says = |number: &u16| {
            let info = self.connect(*number).and_then(|mut connection| {
                redis::cmd("INFO").arg("replication").query::<String>(&mut connection)
            });
            info.is_ok_and(|info| info.contains("role:master"))
        };
        let acting: Vec<u16> = (1..=3).filter(says).collect();
        if let [one] = acting[..] { Some(one) } else { None }
    }

    /// Waits until all nodes have the same data.
    ///
    /// # Panics
    /// When that takes too long.
    pub fn wait_for_equal_data(&self) {
        eventually(TIMEOUT, "all nodes have the same data", || {
            let digest = |number: u16| {
                self.connect(number).and_then(|mut connection| {
                    redis::cmd("DEBUG").arg("DIGEST").query::<String>(&mut connection)
                })
            };
            let first = digest(1).ok();
            first.is_some() && (2..=3).all(|number| digest(number).ok() == first)
        });
    }

    /// The names of all nodes and Sentinels that have a folder.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("nodes")).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let names = self.names();
        let pids: Vec<Pid> = names.iter().filter_map(|name| self.pid(name)).collect();
        if std::thread::panicking() {
            for name in &names {
                let log =
                    fs::read(self.path("nodes").join(name).join("server.log")).unwrap_or_default();
                let log = text(&log);
                let lines: Vec<&str> = log.lines().collect();
                eprintln!("{name}:\n{}", lines[lines.len().saturating_sub(40)..].join("\n"));
            }
        }
        // The proof that a process is ours is its command line, or the folder it works in.
        let here = self.folder.path().to_string_lossy().into_owned();
        for pid in pids {
            let proc = format!("/proc/{}", pid.as_raw_nonzero());
            let line = fs::read(format!("{proc}/cmdline")).unwrap_or_default();
            let folder = fs::read_link(format!("{proc}/cwd")).unwrap_or_default();
            if text(&line).contains(&here) || folder.starts_with(&here) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

fn connect(port: u16) -> RedisResult<Connection> {
    const ANSWER: Duration = Duration::from_secs(10);
    let client = Client::open(("127.0.0.1", port))?;
    let connection = client.get_connection_with_timeout(ANSWER)?;
    connection.set_read_timeout(Some(ANSWER))?;
    connection.set_write_timeout(Some(ANSWER))?;
    Ok(connection)
}

/// Programs that write to whoever takes their writes, and count what was acknowledged.
pub struct Writers {
    ends: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    threads: Vec<JoinHandle<Vec<u64>>>,
}

impl Writers {
    /// Starts so many writers on the three nodes of a cluster.
    pub fn start(count: usize, cluster: &Cluster) -> Writers {
        let ends = Arc::new(AtomicBool::new(false));
        let acknowledged = Arc::new(AtomicU64::new(0));
        let threads = (0..count).map(|id| {
            let (ends, total) = (Arc::clone(&ends), Arc::clone(&acknowledged));
            let port = cluster.port;
            std::thread::spawn(move || write(id, port, &ends, &total))
        });
        let threads = threads.collect();
        Writers { ends, acknowledged, threads }
    }

    /// Waits until so many more writes are acknowledged.
    ///
    /// # Panics
    /// When that takes too long.
    pub fn wait_for(&self, count: u64) {
        let target = self.acknowledged.load(Ordering::SeqCst) + count;
        eventually(TIMEOUT, &format!("{count} more writes"), || {
            self.acknowledged.load(Ordering::SeqCst) >= target
        });
    }

    /// Stops them, and returns how many of the acknowledged writes the node does not have, and how many it has.
    ///
    /// # Panics
    /// When the node does not answer.
    pub fn missing(self, node: &mut Connection) -> (Vec<String>, usize) {
        self.ends.store(true, Ordering::SeqCst);
        let (mut missing, mut there) = (Vec::new(), 0);
        for (id, thread) in self.threads.into_iter().enumerate() {
            let numbers = thread.join().expect("a writer");
            for part in numbers.chunks(500) {
                let keys: Vec<String> = part.iter().map(|number| key(id, *number)).collect();
                let values: Vec<Option<u64>> =
                    redis::cmd("MGET").arg(&keys).query(node).expect("an answer");
                for (key, (number, value)) in keys.into_iter().zip(part.iter().zip(values)) {
                    if value == Some(*number) { there += 1 } else { missing.push(key) }
                }
            }
        }
        (missing, there)
    }
}

fn key(id: usize, number: u64) -> String {
    format!("writer:{id}:{number}")
}

/// Writes ever higher numbers. One that was not acknowledged is not tried again: it may be there, or not.
fn write(id: usize, port: u16, ends: &AtomicBool, total: &AtomicU64) -> Vec<u64> {
    let (mut acknowledged, mut connection, mut node) = (Vec::new(), None, 0);
    for number in 0.. {
        if ends.load(Ordering::SeqCst) {
            break;
        }
        let Some(open) = &mut connection else {
            eventually(TIMEOUT, "a node takes connections", || {
                connection = connect(port + node).ok();
                node = (node + 1) % 3;
                connection.is_some() || ends.load(Ordering::SeqCst)
            });
            continue;
        };
        match redis::cmd("SET").arg(key(id, number)).arg(number).query::<String>(open) {
            Ok(_) => {
                acknowledged.push(number);
                total.fetch_add(1, Ordering::SeqCst);
            }
            Err(_) => connection = None,
        }
    }
    acknowledged
}
