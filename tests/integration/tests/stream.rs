//! The stream is right: no replica serves or executes what its primary gave up, in another database, or half.

use integration::data::Writes;
use integration::peer::Peer;
use integration::{Node, TIMEOUT, eventually};
use redis::Connection;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

fn encode(commands: &[&[&str]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for words in commands {
        bytes.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
        for word in *words {
            bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
        }
    }
    bytes
}

/// A primary that says what the test wants.
struct Scripted {
    listener: TcpListener,
    port: u16,
}

const ID: &str = "0123456789012345678901234567890123456789";

impl Scripted {
    fn new() -> Scripted {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        Scripted { listener, port }
    }

    fn lead(&self, replica: &Node) {
        let _: String = replica.run(&["REPLICAOF", "127.0.0.1", &self.port.to_string()]);
    }

    /// Takes the next connection up to its PSYNC, and returns that with the connection.
    fn accept(&self) -> (TcpStream, String) {
        let (mut stream, _) = self.listener.accept().expect("a replica");
        stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
        stream.write_all(b"+PONG\r\n+OK\r\n+OK\r\n").expect("an introduction");
        let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
        let mut words: Vec<String> = Vec::new();
        while !words.iter().any(|word| word == "PSYNC") {
            words.push(read_line(&mut reader));
        }
        let mut asked = || (read_line(&mut reader), read_line(&mut reader)).1;
        let asked = format!("{} {}", asked(), asked());
        (stream, asked)
    }
}

fn read_line(reader: &mut impl BufRead) -> String {
    let mut line = String::new();
    reader.read_line(&mut line).expect("a line in time");
    assert!(!line.is_empty(), "the replica hung up");
    line.trim_end().to_string()
}

/// A replica, and a scripted primary that has given it an empty data set at an offset.
fn synced(options: &[(&str, &str)], offset: u64) -> (Node, Scripted, TcpStream) {
    let data = Node::start("data", &[]);
    let replica = Node::start("replica", options);
    let primary = Scripted::new();
    primary.lead(&replica);
    let (mut stream, _) = primary.accept();
    full_sync(&mut stream, offset, &data);
    (replica, primary, stream)
}

/// `+FULLRESYNC` at an offset, with what a server that has `data` saves.
fn full_sync(stream: &mut TcpStream, offset: u64, data: &Node) {
    let _: String = data.run(&["SAVE"]);
    let snapshot = std::fs::read(data.path("dump.rdb")).expect("a snapshot");
    let head = format!("+FULLRESYNC {ID} {offset}\r\n${}\r\n", snapshot.len());
    stream.write_all(head.as_bytes()).expect("the head");
    stream.write_all(&snapshot).expect("the snapshot");
}

fn hung_up(stream: &mut TcpStream) -> bool {
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

fn cut_replicas(node: &Node) {
    let _: i64 = node.run(&["CLIENT", "KILL", "TYPE", "replica"]);
}

#[test]
fn a_history_that_was_given_up_is_served_to_nobody() {
    // The first primary is far ahead of the second one: the full sync leads to a lower offset.
    let far = Node::start("far", &[]);
    let near = Node::start("near", &[]);
    for persistence in ["yes", "no"] {
        let middle = Node::start("middle", &[("appendonly", persistence)]);
        let last = Node::start("last", &[]);
        middle.follow(&far);
        last.follow(&middle);
        Writes::new(1).send(&mut far.connect(), 3000);
        middle.wait_for_sync(&far);
        last.wait_for_sync(&middle);
        Writes::new(2).send(&mut near.connect(), 60);
        middle.follow(&near);
        middle.wait_for_sync(&near);
        last.wait_for_sync(&middle);
        assert!(middle.number("master_repl_offset") < far.number("master_repl_offset"));
        let mut writes = Writes::new(3);
        for round in 0..3 {
            let granted = middle.number("sync_partial_ok");
            cut_replicas(&middle);
            eventually(TIMEOUT, "it goes on", || middle.number("sync_partial_ok") > granted);
            writes.send(&mut near.connect(), 20);
            last.wait_for_sync(&near);
            assert_eq!(middle.number("sync_partial_ok"), granted + 1, "once, in round {round}");
        }
        assert_eq!(last.info("master_repl_offset"), near.info("master_repl_offset"));
    }
}

/// Writes in database 2, which a stream names once.
fn push(connection: &mut Connection) {
    let _: i64 = redis::cmd("RPUSH").arg("in:two").arg("x").query(connection).expect("a push");
}

#[test]
fn a_full_sync_by_a_replica_goes_on_in_the_database_of_the_stream() {
    let primary = Node::start("primary", &[]);
    let middle = Node::start("middle", &[]);
    middle.follow(&primary);
    eventually(TIMEOUT, "a link", || middle.is_linked());
    let mut connection = primary.connect_as("2");
    push(&mut connection);
    middle.wait_for_sync(&primary);
    for diskless in ["yes", "no"] {
        let _: String = middle.run(&["CONFIG", "SET", "repl-diskless-sync", diskless]);
        let last = Node::start("last", &[("appendonly", "yes")]);
        last.follow(&middle);
        last.wait_for_sync(&primary);
        // The stream does not say again where it is, here nor down the chain.
        push(&mut connection);
        last.wait_for_sync(&primary);
        assert_eq!(last.digest(), middle.digest());
    }
}

#[test]
fn the_end_of_a_replica_adds_nothing_to_the_stream() {
    let primary = Node::start("primary", &[]);
    let mut middle = Node::start("middle", &[("save", "3600 1")]);
    let last = Node::start("last", &[]);
    middle.follow(&primary);
    last.follow(&middle);
    Writes::new(1).send(&mut primary.connect(), 300);
    last.wait_for_sync(&primary);
    // The end waits for the last one, which does not acknowledge.
    last.suspend();
    Writes::new(2).send(&mut primary.connect(), 300);
    middle.wait_for_sync(&primary);
    let offset = primary.number("master_repl_offset");
    let _: String = middle.run(&["CONFIG", "SET", "shutdown-timeout", "1"]);
    middle.set_option("replicaof", &format!("127.0.0.1 {}", primary.port()));
    middle.stop();
    last.resume();
    middle.launch();
    middle.wait_for_sync(&primary);
    assert_eq!(primary.number("sync_full"), 1, "it ended at {offset}, where its primary was");
    Writes::new(3).send(&mut primary.connect(), 300);
    last.wait_for_sync(&primary);
}

#[test]
fn files_of_a_replica_know_the_database_of_the_stream() {
    let primary = Node::start("primary", &[]);
    let mut replica = Node::start("replica", &[]);
    replica.set_option("replicaof", &format!("127.0.0.1 {}", primary.port()));
    replica.follow(&primary);
    eventually(TIMEOUT, "a link", || replica.is_linked());
    let mut connection = primary.connect_as("2");
    push(&mut connection);
    replica.wait_for_sync(&primary);
    // A full sync of another replica must not make this one forget where the stream is.
    let other = Node::start("other", &[]);
    other.follow(&replica);
    other.wait_for_sync(&primary);
    let _: String = replica.run(&["SAVE"]);
    replica.kill();
    push(&mut connection);
    replica.launch();
    replica.wait_for_sync(&primary);
    assert_eq!(primary.number("sync_full"), 1, "it went on from its snapshot");
    // The same with an append-only file that is switched on in the midst of the stream.
    let _: String = replica.run(&["CONFIG", "SET", "appendonly", "yes"]);
    eventually(TIMEOUT, "a base", || replica.number("aof_rewrites") >= 1);
    push(&mut connection);
    replica.wait_for_sync(&primary);
    replica.set_option("appendonly", "yes");
    replica.stop();
    replica.launch();
    replica.wait_for_sync(&primary);
}

#[test]
fn a_transaction_that_is_cut_leaves_the_database_where_it_was() {
    let (replica, primary, mut stream) = synced(&[("databases", "4")], 0);
    let whole = encode(&[&["SELECT", "3"], &["SET", "a", "1"]]);
    let open = encode(&[&["MULTI"], &["SET", "b", "1"], &["SELECT", "1"]]);
    stream.write_all(&[&whole[..], &open].concat()).expect("a stream");
    eventually(TIMEOUT, "it has come", || {
        replica.number("slave_read_repl_offset") == (whole.len() + open.len()) as i64
    });
    assert_eq!(replica.number("slave_repl_offset"), whole.len() as i64);
    drop(stream);
    let (mut stream, asked) = primary.accept();
    assert_eq!(asked, format!("{ID} {}", whole.len() + 1));
    stream.write_all(b"+CONTINUE\r\n").expect("an answer");
    stream.write_all(&encode(&[&["SET", "c", "1"]])).expect("a stream");
    let mut connection = replica.connect_as("3");
    eventually(TIMEOUT, "it is in database 3", || {
        redis::cmd("EXISTS").arg("c").query(&mut connection) == Ok(1i64)
    });
    let found: i64 = redis::cmd("EXISTS").arg("b").query(&mut connection).expect("an answer");
    assert_eq!(found, 0);
}

#[test]
fn a_database_that_is_not_there_stops_the_link() {
    let (replica, primary, mut stream) = synced(&[("databases", "4")], 0);
    let before = encode(&[&["SET", "a", "1"]]);
    let bad = encode(&[&["SELECT", "4"], &["SET", "a", "2"]]);
    stream.write_all(&[&before[..], &bad].concat()).expect("a stream");
    assert!(hung_up(&mut stream));
    let (_stream, asked) = primary.accept();
    assert_eq!(asked, format!("{ID} {}", before.len() + 1), "it stands in front of it");
    assert_eq!(replica.run::<String>(&["GET", "a"]), "1");
    let reason = replica.info("master_link_down_reason");
    assert!(reason.contains("database '4'") && reason.contains("there are 4"), "{reason}");
}

#[test]
fn what_a_replica_cannot_execute_stops_the_link_and_is_named() {
    let cases: [(&[&str], &str); 8] = [
        (&["SYNC"], "sync"),
        (&["QUIT"], "quit"),
        (&["SHUTDOWN", "NOSAVE"], "shutdown"),
        (&["MIGRATE", "127.0.0.1", "1", "a", "0", "1000"], "migrate"),
        (&["FUNCTION", "LOAD", "#!lua name=x"], "function"),
        (&["SET", "a", "2", "IFEQ", "1"], "set"),
        (&["HPEXPIRE", "h", "1", "FIELDS", "1", "f"], "hpexpire"),
        (&["XADD", "s", "KEEPREF", "MAXLEN", "1", "1-1", "f", "v"], "xadd"),
    ];
    for (bad, name) in cases {
        for inside in [false, true] {
            let (mut replica, primary, mut stream) = synced(&[("appendonly", "yes")], 0);
            let before = encode(&[&["SET", "a", "1"]]);
            let unit: Vec<&[&str]> = match inside {
                true => vec![&["MULTI"], &["SET", "b", "1"], bad, &["EXEC"]],
                false => vec![bad, &["SET", "b", "1"]],
            };
            stream.write_all(&[before.clone(), encode(&unit)].concat()).expect("a stream");
            assert!(hung_up(&mut stream));
            let reason = replica.info("master_link_down_reason");
            assert!(
                reason.to_lowercase().contains(name) && reason.contains("at offset"),
                "{reason}"
            );
            let (_stream, asked) = primary.accept();
            // A transaction of which a part was executed leaves no position to go on from.
            let torn = inside && ["set", "xadd", "function"].contains(&name);
            let goes_on = asked == format!("{ID} {}", before.len() + 1);
            assert_eq!(goes_on, !torn, "{bad:?}: {asked}");
            assert_eq!(replica.number("replica_commands_unsupported"), 0);
            assert_eq!(replica.run::<String>(&["GET", "a"]), "1");
            // What it has on disk can be loaded.
            let _: String = replica.run(&["REPLICAOF", "NO", "ONE"]);
            replica.set_option("appendonly", "yes");
            replica.restart();
            assert_eq!(replica.run::<String>(&["GET", "a"]), "1");
        }
    }
}

#[test]
fn with_replica_ignore_unsupported_the_link_goes_on_and_the_disk_is_whole() {
    let options = [("appendonly", "yes"), ("replica-ignore-unsupported", "yes")];
    let (mut replica, _primary, mut stream) = synced(&options, 0);
    let bad: [&[&str]; 3] = [
        &["FUNCTION", "LOAD", "#!lua name=x"],
        &["SET", "x", "2", "IFEQ", "1"],
        &["NOSUCH", "thing"],
    ];
    let mut sent = Vec::new();
    for (number, bad) in bad.iter().enumerate() {
        let keys = [format!("a{number}"), format!("b{number}"), format!("c{number}")];
        sent.extend(encode(&[&["SET", &keys[0], "1"], bad, &["MULTI"], &["SET", &keys[1], "1"]]));
        sent.extend(encode(&[bad, &["SET", &keys[2], "1"], &["EXEC"]]));
    }
    stream.write_all(&sent).expect("a stream");
    eventually(TIMEOUT, "all has come", || {
        replica.number("slave_repl_offset") == sent.len() as i64
    });
    assert!(replica.is_linked());
    assert_eq!(replica.number("replica_commands_unsupported"), 6);
    assert_eq!(replica.run::<i64>(&["DBSIZE"]), 9);
    let log = replica.log();
    assert_eq!(log.matches("== CRITICAL ==").count(), 3, "each name once");
    assert!(log.contains("after processing the command 'NOSUCH'"));
    let digest = replica.digest();
    let _: String = replica.run(&["REPLICAOF", "NO", "ONE"]);
    replica.restart();
    assert_eq!(replica.digest(), digest, "what the link tolerated is loaded");
}

#[test]
fn what_failed_for_the_data_is_told_and_the_link_goes_on() {
    let (mut replica, _primary, mut stream) = synced(&[("appendonly", "yes")], 0);
    let mut sent = encode(&[&["SET", "text", "x"]]);
    for _ in 0..5 {
        sent.extend(encode(&[&["INCR", "text"], &["LPUSH", "text", "y"]]));
    }
    sent.extend(encode(&[&["SET", "last", "1"]]));
    stream.write_all(&sent).expect("a stream");
    eventually(TIMEOUT, "all has come", || replica.try_run(&["EXISTS", "last"]) == Ok(1i64));
    assert!(replica.is_linked());
    assert_eq!(replica.number("replica_commands_failed"), 10);
    assert_eq!(replica.log().matches("== CRITICAL ==").count(), 2);
    let _: String = replica.run(&["REPLICAOF", "NO", "ONE"]);
    replica.restart();
    assert_eq!(replica.run::<String>(&["GET", "text"]), "x");
}

#[test]
fn a_function_of_a_real_primary_runs_and_one_that_cannot_stops_the_link_with_its_name() {
    for peer in Peer::all() {
        let primary = peer.start("peer", &[]);
        let replica = Node::start("replica", &[]);
        replica.follow(&primary);
        eventually(TIMEOUT, "a link", || replica.is_linked());
        let code = "#!lua name=lib\nredis.register_function{function_name='f', callback=function() return 7 end, flags={'no-writes'}}";
        let _: String = primary.run(&["FUNCTION", "LOAD", code]);
        let _: String = primary.run(&["SET", "after", "1"]);
        replica.wait_for_sync(&primary);
        assert_eq!(replica.run::<i64>(&["FCALL_RO", "f", "0"]), 7);
        assert_eq!(replica.run::<i64>(&["EXISTS", "after"]), 1);
    }
    let (replica, _primary, mut stream) = synced(&[], 0);
    stream
        .write_all(&encode(&[&["FUNCTION", "LOAD", "#!lua name=x\nreturn )"]]))
        .expect("a stream");
    assert!(hung_up(&mut stream));
    let reason = replica.info("master_link_down_reason");
    assert!(reason.to_lowercase().contains("function"), "{reason}");
}

#[test]
fn whoever_refuses_a_position_is_asked_for_everything() {
    let (replica, primary, mut stream) = synced(&[], 7);
    let data = Node::start("data", &[]);
    for refusal in ["-ERR value is not an integer or out of range", "-ERR unknown command"] {
        eventually(TIMEOUT, "a link", || replica.is_linked());
        drop(stream);
        let (mut again, asked) = primary.accept();
        assert_eq!(asked, format!("{ID} 8"));
        again.write_all(format!("{refusal}\r\n").as_bytes()).expect("an answer");
        assert!(hung_up(&mut again));
        let (mut last, asked) = primary.accept();
        assert_eq!(asked, "? -1", "after {refusal}");
        full_sync(&mut last, 7, &data);
        stream = last;
    }
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "delays have a least; that they have is no matter of speed"
)]
fn attempts_that_must_fail_again_wait_longer_each_time() {
    let data = Node::start("data", &[]);
    let replica = Node::start("replica", &[]);
    let primary = Scripted::new();
    primary.lead(&replica);
    let (mut stream, _) = primary.accept();
    full_sync(&mut stream, 7, &data);
    stream.write_all(b"rubbish\r\n").expect("a stream");
    assert!(hung_up(&mut stream));
    let mut gaps = Vec::new();
    for attempt in 0..4 {
        let start = std::time::Instant::now();
        let (mut stream, asked) = primary.accept();
        gaps.push(start.elapsed().as_millis());
        assert_eq!(asked, "? -1", "a protocol error drops the position");
        full_sync(&mut stream, 7, &data);
        stream.write_all(b"rubbish\r\n").expect("a stream");
        assert!(hung_up(&mut stream));
        assert!(replica.number("master_link_failed_attempts") > attempt);
    }
    let least = [900, 900, 1900, 3900];
    assert!(gaps.iter().zip(least).all(|(gap, least)| *gap >= least), "{gaps:?}");
    let reason = replica.info("master_link_down_reason");
    assert!(reason.starts_with("Protocol error from MASTER"), "{reason}");
    assert_eq!(replica.log().matches(reason.as_str()).count(), 1, "logged once");
}

#[test]
fn a_promoted_replica_keeps_its_backlog() {
    let options = [("repl-backlog-ttl", "4")];
    let mut old = Node::start("old", &[]);
    let new = Node::start("new", &options);
    let other = Node::start("other", &options);
    for replica in [&new, &other] {
        replica.follow(&old);
    }
    Writes::new(1).send(&mut old.connect(), 300);
    new.wait_for_sync(&old);
    other.wait_for_sync(&old);
    // Longer as a replica than a primary keeps a backlog without replicas.
    eventually(TIMEOUT, "time passes", || new.number("uptime_in_seconds") >= 6);
    old.kill();
    let _: String = new.run(&["REPLICAOF", "NO", "ONE"]);
    // The timer has had some turns before anybody comes.
    let promoted = new.number("uptime_in_seconds");
    eventually(TIMEOUT, "a second passes", || new.number("uptime_in_seconds") > promoted);
    other.follow(&new);
    other.wait_for_sync(&new);
    assert_eq!(new.number("sync_full"), 0, "it went on where it was");
    assert_eq!(new.number("sync_partial_ok"), 1);
    // As a primary it gives the backlog up after all.
    let _: String = other.run(&["REPLICAOF", "NO", "ONE"]);
    eventually(TIMEOUT, "it is given up", || new.number("repl_backlog_active") == 0);
}

#[test]
fn who_takes_no_snapshot_is_given_up_and_holds_up_nobody() {
    let options = [("repl-timeout", "1"), ("rdbcompression", "no")];
    let primary = Node::start("primary", &options);
    // More than the sockets hold.
    let _: String = primary.run(&["DEBUG", "POPULATE", "300000", "key", "100"]);
    let mut asks = TcpStream::connect(("127.0.0.1", primary.port())).expect("a connection");
    asks.write_all(b"REPLCONF capa eof\r\nPSYNC ? -1\r\n").expect("a question");
    eventually(TIMEOUT, "a snapshot begins", || primary.number("rdb_bgsave_in_progress") == 1);
    eventually(TIMEOUT, "it is given up", || primary.number("connected_slaves") == 0);
    assert!(primary.log().contains("Disconnecting timedout replica (full sync)"));
    // Who has it and says nothing is given up, too.
    let mut silent = TcpStream::connect(("127.0.0.1", primary.port())).expect("a connection");
    silent.write_all(b"REPLCONF capa eof\r\nPSYNC ? -1\r\n").expect("a question");
    assert!(hung_up(&mut silent));
    assert!(primary.log().contains("Disconnecting timedout replica (after full sync)"));
    let saves = primary.number("rdb_saves");
    let _: String = primary.run(&["BGSAVE"]);
    eventually(TIMEOUT, "a snapshot is saved", || primary.number("rdb_saves") > saves);
}

#[test]
fn a_snapshot_that_nobody_waits_for_any_more_is_given_up() {
    // A key takes the child a minute: it writes nothing for that long.
    let primary = Node::start("primary", &[("rdb-key-save-delay", "60000000")]);
    for number in 0..10 {
        let _: String = primary.run(&["SET", &format!("key:{number}"), "x"]);
    }
    for diskless in ["yes", "no"] {
        let _: String = primary.run(&["CONFIG", "SET", "repl-diskless-sync", diskless]);
        let mut asks = TcpStream::connect(("127.0.0.1", primary.port())).expect("a connection");
        asks.write_all(b"REPLCONF capa eof\r\nPSYNC ? -1\r\n").expect("a question");
        eventually(TIMEOUT, "a snapshot begins", || primary.number("rdb_bgsave_in_progress") == 1);
        drop(asks);
        eventually(TIMEOUT, "it is given up", || primary.number("rdb_bgsave_in_progress") == 0);
    }
}

#[test]
fn what_waits_for_a_replica_is_bounded_in_every_state() {
    let limit = [
        ("client-output-buffer-limit", "replica 4mb 0 0"),
        ("repl-backlog-size", "16kb"),
        ("repl-timeout", "3600"),
        ("rdbcompression", "no"),
    ];
    let primary = Node::start("primary", &limit);
    let value = "x".repeat(100_000);
    let fill = |from: usize| {
        for number in from..from + 100 {
            let _: String = primary.run(&["SET", &format!("key:{number}"), &value]);
        }
    };
    // The snapshot is more than the sockets hold, and nobody reads it while 10 MB are written.
    for round in 0..2 {
        (0..5).for_each(|part| fill(100 * part));
        let mut asks = TcpStream::connect(("127.0.0.1", primary.port())).expect("a connection");
        asks.write_all(b"REPLCONF capa eof\r\nPSYNC ? -1\r\n").expect("a question");
        eventually(TIMEOUT, "a snapshot begins", || primary.number("rdb_bgsave_in_progress") == 1);
        fill(0);
        eventually(TIMEOUT, "it is given up", || primary.number("connected_slaves") == 0);
        let closed = primary.number("client_output_buffer_limit_disconnections");
        assert_eq!(closed, round + 1, "for its buffer");
        assert!(primary.number("mem_not_counted_for_evict") < 8_000_000);
        eventually(TIMEOUT, "the child ends", || primary.number("rdb_bgsave_in_progress") == 0);
    }
}

#[test]
fn writers_are_slowed_for_a_replica_that_is_slower() {
    let limit = [("client-output-buffer-limit", "replica 8mb 0 0"), ("repl-backlog-size", "16kb")];
    let primary = Node::start("primary", &limit);
    let mut peer = TcpStream::connect(("127.0.0.1", primary.port())).expect("a connection");
    peer.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
    peer.write_all(b"REPLCONF capa eof\r\nPSYNC ? -1\r\n").expect("a question");
    let mut buffer = vec![0; 64 << 10];
    let mut take = || {
        assert!(peer.read(&mut buffer).expect("there is something") > 0, "it was given up");
        peer.write_all(b"REPLCONF ACK 0\r\n").expect("an acknowledgement");
    };
    // Snapshot and newlines, until the stream begins: then PINGs are all there is.
    eventually(TIMEOUT, "the stream begins", || {
        let online = primary.info("slave0").contains("state=online");
        if !online {
            take();
        }
        online
    });
    let mut connection = primary.connect();
    let mut batch = redis::pipe();
    (0..50).for_each(|_| {
        batch.cmd("SET").arg("key").arg("x".repeat(10_000)).ignore();
    });
    // For each half megabyte that is written it takes a part.
    let mut written = 0;
    while primary.number("repl_backpressure_delays") == 0 {
        batch.query::<()>(&mut connection).expect("writes");
        take();
        written += 1;
        assert!(written < 200, "nobody was slowed in 100 MB");
    }
    assert_eq!(primary.number("connected_slaves"), 1, "it was not given up");
    assert_eq!(primary.number("client_output_buffer_limit_disconnections"), 0);
}

#[test]
fn data_that_are_replaced_are_replaced_for_all_who_look() {
    let primary = Node::start("primary", &[]);
    let _: String = primary.run(&["SET", "there", "new"]);
    let _: String = primary.run(&["SET", "fresh", "1"]);
    type Replace = fn(&Node, &Node);
    let by_sync: Replace = |node, primary| {
        node.follow(primary);
        node.wait_for_sync(primary);
    };
    let by_reload: Replace = |node, _| {
        let _: String = node.run(&["DEBUG", "RELOAD"]);
    };
    let by_load: Replace = |node, _| {
        let _: String = node.run(&["DEBUG", "LOADAOF"]);
    };
    for (how, replace) in [("sync", by_sync), ("RELOAD", by_reload), ("LOADAOF", by_load)] {
        let node = Node::start("node", &[("appendonly", "yes"), ("replica-read-only", "no")]);
        let _: String = node.run(&["SET", "there", "old"]);
        let watch = |key: &str| {
            let mut connection = node.connect();
            let _: String = redis::cmd("WATCH").arg(key).query(&mut connection).expect("OK");
            connection
        };
        let (there, missing) = (watch("there"), watch("never"));
        let fresh = watch("fresh");
        let mut caching = node.connect_as("?protocol=resp3");
        let (sender, pushed) = std::sync::mpsc::channel();
        caching.set_push_sender(sender);
        let _: String =
            redis::cmd("CLIENT").arg("TRACKING").arg("ON").query(&mut caching).expect("OK");
        let _: String = redis::cmd("GET").arg("there").query(&mut caching).expect("a value");
        replace(&node, &primary);
        let exec = |mut connection: Connection| -> Option<i64> {
            let reply: Option<(i64,)> = redis::pipe()
                .atomic()
                .cmd("DBSIZE")
                .query(&mut connection)
                .expect("an answer to EXEC");
            reply.map(|(size,)| size)
        };
        assert_eq!(exec(there), None, "{how}: the key was replaced");
        assert!(exec(missing).is_some(), "{how}: it was missing before and after");
        assert_eq!(exec(fresh).is_none(), how == "sync", "{how}: it came with the data");
        eventually(TIMEOUT, "the cache is told", || {
            let _: Option<String> = redis::cmd("GET").arg("other").query(&mut caching).unwrap();
            pushed.try_iter().any(|push| push.kind == redis::PushKind::Invalidate)
        });
    }
}

#[test]
fn access_counts_survive_a_full_sync() {
    let lfu = [("maxmemory-policy", "allkeys-lfu"), ("lfu-log-factor", "0")];
    let primary = Node::start("primary", &lfu);
    let replica = Node::start("replica", &lfu);
    let _: String = primary.run(&["SET", "used", "1"]);
    for _ in 0..30 {
        let _: String = primary.run(&["GET", "used"]);
    }
    let before: i64 = primary.run(&["OBJECT", "FREQ", "used"]);
    replica.follow(&primary);
    replica.wait_for_sync(&primary);
    let after: i64 = replica.run(&["OBJECT", "FREQ", "used"]);
    assert!(before >= 30 && (before - 1..=before).contains(&after), "{before}, then {after}");
}

#[test]
fn who_waits_for_a_stream_is_served_by_a_full_sync() {
    let primary = Node::start("primary", &[]);
    let _: String = primary.run(&["XADD", "s", "5-1", "f", "v"]);
    let node = Node::start("node", &[]);
    let other = Node::start("other", &[]);
    // A replica already, so that the change of role does not end the wait.
    node.follow(&other);
    eventually(TIMEOUT, "a link", || node.is_linked());
    let mut reader = node.connect();
    let wait = std::thread::spawn(move || {
        redis::cmd("XREAD")
            .arg(&["BLOCK", "0", "STREAMS", "s", "0"])
            .query::<redis::Value>(&mut reader)
    });
    eventually(TIMEOUT, "it waits", || node.number("blocked_clients") == 1);
    // The same link, another primary behind it: by the other one's own full sync.
    other.follow(&primary);
    let reply = wait.join().expect("a thread").expect("a reply");
    assert!(format!("{reply:?}").contains("5-1"), "{reply:?}");
}

#[test]
fn a_wall_clock_that_jumps_stops_nothing_that_lasts() {
    let options = [("repl-ping-replica-period", "1"), ("repl-timeout", "5")];
    let primary = Node::start("primary", &options);
    let replica = Node::start("replica", &options);
    replica.follow(&primary);
    eventually(TIMEOUT, "a link", || replica.is_linked());
    for hours in [-1i64, 24, 0] {
        let waiting = |words: &'static [&'static str]| {
            let mut connection = primary.connect();
            std::thread::spawn(move || {
                redis::cmd(words[0]).arg(&words[1..]).query::<redis::Value>(&mut connection)
            })
        };
        let popped = waiting(&["BLPOP", "none", "1"]);
        let waited = waiting(&["WAIT", "5", "1000"]);
        eventually(TIMEOUT, "both wait", || primary.number("blocked_clients") == 2);
        let _: String = primary.run(&["CLIENT", "PAUSE", "1000", "WRITE"]);
        for node in [&primary, &replica] {
            let shift = (hours * 3_600_000).to_string();
            let _: String = node.run(&["DEBUG", "SHIFT-CLOCK", &shift]);
        }
        assert_eq!(popped.join().expect("a thread"), Ok(redis::Value::Nil));
        let acknowledged = waited.join().expect("a thread");
        assert!(matches!(acknowledged, Ok(redis::Value::Int(0..=1))), "{acknowledged:?}");
        let _: String = primary.run(&["SET", "after", &hours.to_string()]);
        // PINGs go on: so many bytes as three of them.
        let offset = primary.number("master_repl_offset");
        eventually(TIMEOUT, "the primary pings", || {
            primary.number("master_repl_offset") >= offset + 3 * 14
        });
        replica.wait_for_sync(&primary);
        assert_eq!(primary.number("sync_full"), 1, "the link holds");
        assert_eq!(primary.number("sync_partial_ok"), 0, "the link holds");
        let idle: i64 = replica.number("master_last_io_seconds_ago");
        assert!((0..60).contains(&idle), "{idle}");
    }
}
