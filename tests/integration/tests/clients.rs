//! Connections: who is let in, who is listed, killed and paused, and what a protocol error does.

use integration::data::command;
use integration::{Node, TIMEOUT, eventually};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

/// A bare connection, which sends what it is told.
fn bare(node: &Node) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", node.port())).expect("a connection");
    stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
    stream
}

/// Reads until the other side closes.
fn read_all(mut stream: impl Read) -> String {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Err(error) if error.kind() != std::io::ErrorKind::ConnectionReset => panic!("{error}"),
        _ => String::from_utf8_lossy(&bytes).into_owned(),
    }
}

/// Reads so many lines.
fn read_lines(stream: &mut impl Read, count: usize) -> String {
    let mut text = String::new();
    while text.matches("\r\n").count() < count {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        text.push(byte[0] as char);
    }
    text
}

/// Reads exactly the bytes of `expected`.
fn expect(stream: &mut impl Read, expected: &str) {
    let mut bytes = vec![0; expected.len()];
    stream.read_exact(&mut bytes).expect("a reply");
    assert_eq!(String::from_utf8_lossy(&bytes), expected);
}

#[test]
fn a_protocol_error_closes_only_its_connection() {
    let node = Node::start("node", &[]);
    let mut other = node.connect();
    let cases: [(&str, &str); 5] = [
        ("*x\r\n", "-ERR Protocol error: invalid multibulk length\r\n"),
        ("*1\r\nPING\r\n", "-ERR Protocol error: expected '$', got 'P'\r\n"),
        ("*1\r\n$-5\r\n", "-ERR Protocol error: invalid bulk length\r\n"),
        ("*3\r\n$3\r\nSET\r\n$99999999999\r\n", "-ERR Protocol error: invalid bulk length\r\n"),
        ("SET \"key\r\n", "-ERR Protocol error: unbalanced quotes in request\r\n"),
    ];
    for (request, reply) in cases {
        let mut stream = bare(&node);
        // What came before it is answered.
        stream.write_all(format!("PING\r\n{request}").as_bytes()).expect("a request");
        assert_eq!(read_all(stream), format!("+PONG\r\n{reply}"), "{request:?}");
        let pong: String = redis::cmd("PING").query(&mut other).expect("the others go on");
        assert_eq!(pong, "PONG");
    }
    // A browser that was lured here gets no answer.
    let mut stream = bare(&node);
    stream.write_all(b"POST / HTTP/1.1\r\nHost: here\r\n\r\nSET a b\r\n").expect("a request");
    assert_eq!(read_all(stream), "");
    assert_eq!(node.run::<i64>(&["DBSIZE"]), 0);
}

#[test]
fn requests_may_come_in_any_pieces() {
    let node = Node::start("node", &[]);
    let mut stream = bare(&node);
    stream.set_nodelay(true).expect("an option");
    let request = b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\nget key\r\n";
    for byte in request {
        stream.write_all(&[*byte]).expect("a byte");
    }
    expect(&mut stream, "+OK\r\n$5\r\nvalue\r\n");
}

#[test]
fn clients_are_listed_and_killed() {
    let node = Node::start("node", &[]);
    let mut victim = node.connect();
    command(&["CLIENT", "SETNAME", "victim"]).exec(&mut victim).expect("a name");
    let id: i64 = redis::cmd("CLIENT").arg("ID").query(&mut victim).expect("an id");
    let list: String = node.run(&["CLIENT", "LIST"]);
    let line = list.lines().find(|line| line.contains(" name=victim ")).expect("a line");
    assert!(line.starts_with(&format!("id={id} addr=127.0.0.1:")), "{line}");
    assert_eq!(node.run::<String>(&["CLIENT", "LIST", "ID", &id.to_string()]).lines().count(), 1);

    assert_eq!(node.run::<i64>(&["CLIENT", "KILL", "ID", &id.to_string()]), 1);
    redis::cmd("PING").exec(&mut victim).expect_err("a closed connection");
    eventually(TIMEOUT, "it is gone", || {
        !node.run::<String>(&["CLIENT", "LIST"]).contains("name=victim")
    });
    assert_eq!(node.run::<i64>(&["CLIENT", "KILL", "ID", &id.to_string()]), 0);
    assert_eq!(node.refused(&["CLIENT", "KILL", "1.2.3.4:5"]), "ERR No such client");
}

/// Sends requests in one go, and reads what is answered.
fn ask(node: &Node, requests: &[&str], expected: &str) {
    let mut stream = bare(node);
    stream.write_all((requests.join("\r\n") + "\r\n").as_bytes()).unwrap();
    expect(&mut stream, expected);
}

#[test]
fn who_was_killed_is_gone_for_the_next_request_of_the_same_read() {
    let node = Node::start("node", &[]);
    for transaction in [false, true] {
        let (mut waiter, mut listener) = (bare(&node), bare(&node));
        waiter.write_all(b"CLIENT SETNAME waiter\r\nCLIENT ID\r\n").unwrap();
        listener.write_all(b"CLIENT ID\r\nSUBSCRIBE c\r\n").unwrap();
        let id = |text: String| text.split(':').nth(1).unwrap().trim().to_string();
        let ids = [id(read_lines(&mut waiter, 2)), id(read_lines(&mut listener, 1))];
        waiter.write_all(b"BLPOP l 0\r\n").unwrap();
        eventually(TIMEOUT, "both wait", || {
            node.number("blocked_clients") == 1 && node.number("pubsub_clients") == 1
        });
        let kill = |id: &str| format!("CLIENT KILL ID {id}");
        let requests =
            [&kill(&ids[0]), &kill(&ids[1]), &kill(&ids[0]), "RPUSH l v", "PUBLISH c m", "LPOP l"];
        match transaction {
            false => ask(&node, &requests, ":1\r\n:1\r\n:0\r\n:1\r\n:0\r\n$1\r\nv\r\n"),
            true => {
                let queued = "+QUEUED\r\n".repeat(6);
                let replies = ":1\r\n:1\r\n:0\r\n:1\r\n:0\r\n$1\r\nv\r\n";
                let whole = [&["MULTI"], &requests[..], &["EXEC"]].concat();
                ask(&node, &whole, &format!("+OK\r\n{queued}*6\r\n{replies}"));
            }
        }
        assert_eq!(read_all(waiter), "");
        eventually(TIMEOUT, "both are gone", || node.number("connected_clients") == 1);
    }
}

#[test]
fn a_client_that_leaves_while_it_waits_is_noticed_behind_all_that_it_sent() {
    let node = Node::start("node", &[]);
    let mut stream = bare(&node);
    stream.write_all(b"BLPOP l 0\r\n").unwrap();
    eventually(TIMEOUT, "it waits", || node.number("blocked_clients") == 1);
    // More than the node reads ahead, and less than the system takes in.
    stream.write_all(&b"SET k v\r\n".repeat(11_000)).unwrap();
    drop(stream);
    eventually(TIMEOUT, "it is gone", || node.number("blocked_clients") == 0);
    ask(&node, &["RPUSH l v", "EXISTS k"], ":1\r\n:0\r\n");
}

#[test]
fn a_role_holds_for_the_next_request_of_the_same_read() {
    let (node, other) = (Node::start("node", &[]), Node::start("other", &[]));
    let follow = format!("REPLICAOF 127.0.0.1 {}", other.port());
    let refused = "-READONLY You can't write against a read only replica.\r\n";
    let requests = [&follow, "SET a 1", "REPLICAOF NO ONE", "SET a 2", "GET a"];
    ask(&node, &requests, &format!("+OK\r\n{refused}+OK\r\n+OK\r\n$1\r\n2\r\n"));
    let id = node.info("master_replid");
    let mut waiter = bare(&node);
    waiter.write_all(b"BLPOP l 0\r\n").unwrap();
    eventually(TIMEOUT, "it waits", || node.number("blocked_clients") == 1);
    ask(&node, &[&follow, "REPLICAOF NO ONE", "ROLE"], "+OK\r\n+OK\r\n*3\r\n$6\r\nmaster\r\n");
    expect(&mut waiter, "-UNBLOCKED force unblock from blocking operation");
    assert_ne!(node.info("master_replid"), id);
    let transaction = ["MULTI", &follow, "EXEC", "SET a 3"];
    ask(&node, &transaction, &format!("+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n{refused}"));
}

#[test]
fn a_pause_holds_writes_back_until_it_ends() {
    let node = Node::start("node", &[]);
    let mut writer = bare(&node);
    let _: String = node.run(&["SET", "key", "before"]);
    let _: String = node.run(&["CLIENT", "PAUSE", "100000", "WRITE"]);
    writer.write_all(b"GET key\r\nSET key after\r\nGET key\r\n").expect("requests");
    // Reads go on, and what stands behind the write waits with it.
    expect(&mut writer, "$6\r\nbefore\r\n");
    assert_eq!(node.run::<String>(&["GET", "key"]), "before");
    let _: String = node.run(&["CLIENT", "UNPAUSE"]);
    expect(&mut writer, "+OK\r\n$5\r\nafter\r\n");

    // One that nobody ends, ends by itself.
    let _: String = node.run(&["CLIENT", "PAUSE", "50", "ALL"]);
    writer.write_all(b"GET key\r\n").expect("a request");
    expect(&mut writer, "$5\r\nafter\r\n");
}

#[test]
fn a_client_that_leaves_in_a_pause_is_forgotten() {
    let node = Node::start("node", &[]);
    let mut writer = bare(&node);
    let _: String = node.run(&["CLIENT", "PAUSE", "100000", "WRITE"]);
    writer.write_all(b"PING\r\nSET key value\r\n").expect("requests");
    expect(&mut writer, "+PONG\r\n");
    drop(writer);
    eventually(TIMEOUT, "it is gone", || node.number("connected_clients") == 1);
    let _: String = node.run(&["CLIENT", "UNPAUSE"]);
    assert_eq!(node.run::<i64>(&["DBSIZE"]), 0, "a client that is gone writes nothing");
}

#[test]
fn a_unix_socket_serves() {
    let node = Node::start("node", &[("unixsocket", "node.sock"), ("unixsocketperm", "700")]);
    let mut stream = UnixStream::connect(node.path("node.sock")).expect("a connection");
    stream.write_all(b"SET key value\r\nGET key\r\n").expect("requests");
    expect(&mut stream, "+OK\r\n$5\r\nvalue\r\n");
    let url = format!("redis+unix://{}", node.path("node.sock").display());
    let mut connection =
        redis::Client::open(url).expect("a path").get_connection().expect("a connection");
    let value: String = redis::cmd("GET").arg("key").query(&mut connection).expect("a value");
    assert_eq!(value, "value");
}

#[test]
fn a_password_is_asked_for() {
    let node = Node::start("node", &[("requirepass", "secret")]);
    assert!(node.refused(&["GET", "key"]).starts_with("NOAUTH"));
    assert!(node.refused(&["AUTH", "wrong"]).starts_with("WRONGPASS"));
    let client = redis::Client::open(format!("redis://:secret@127.0.0.1:{}/", node.port()));
    let mut connection = client.expect("an address").get_connection().expect("the password");
    command(&["SET", "key", "value"]).exec(&mut connection).expect("a write");
    let _: String = node.run(&["AUTH", "default", "secret"]);
    assert_eq!(node.run::<String>(&["GET", "key"]), "value");
    // A replica needs it too.
    let replica = Node::start("replica", &[("masterauth", "wrong")]);
    replica.follow(&node);
    eventually(TIMEOUT, "the wrong one is refused", || replica.log().contains("WRONGPASS"));
    assert!(!replica.is_linked());
    let _: String = replica.run(&["CONFIG", "SET", "masterauth", "secret"]);
    replica.wait_for_sync(&node);
}

#[test]
fn no_more_clients_than_allowed_are_let_in() {
    let node = Node::start("node", &[("maxclients", "4")]);
    let _: String = node.run(&["PING"]);
    eventually(TIMEOUT, "only we are there", || node.number("connected_clients") == 1);
    let mut others = [bare(&node), bare(&node), bare(&node)];
    for other in &mut others {
        other.write_all(b"PING\r\n").expect("a request");
        expect(other, "+PONG\r\n");
    }
    assert_eq!(read_all(bare(&node)), "-ERR max number of clients reached\r\n");
    assert_eq!(node.number("rejected_connections"), 1);
    // When one leaves, another may come.
    drop(others);
    eventually(TIMEOUT, "they are gone", || node.number("connected_clients") == 1);
    let mut stream = bare(&node);
    stream.write_all(b"PING\r\n").expect("a request");
    expect(&mut stream, "+PONG\r\n");
}

#[test]
fn a_subscriber_that_does_not_read_is_closed() {
    let node = Node::start("node", &[("client-output-buffer-limit", "pubsub 1mb 0 0")]);
    let mut lazy = bare(&node);
    lazy.write_all(b"SUBSCRIBE news\r\n").expect("a request");
    expect(&mut lazy, "*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n");
    let message = "x".repeat(100_000);
    eventually(TIMEOUT, "it is closed", || node.run::<i64>(&["PUBLISH", "news", &message]) == 0);
    assert_eq!(node.number("client_output_buffer_limit_disconnections"), 1);
    drop(lazy);
}

#[test]
fn the_request_that_is_executed_counts_as_input() {
    let node = Node::start("node", &[]);
    let mut connection = node.connect();
    let mut shown =
        |words: &[&str]| -> String { command(words).query(&mut connection).expect("text") };
    // *2 $6 CLIENT $4 LIST, each with its line end.
    assert!(shown(&["CLIENT", "LIST"]).contains(" qbuf=26 "));
    assert!(shown(&["CLIENT", "INFO"]).contains(" qbuf=26 "));
}

#[test]
fn who_has_said_all_still_hears_what_waits_for_the_disk() {
    let options =
        [("appendonly", "yes"), ("appendfsync", "always"), ("enable-debug-command", "yes")];
    let node = Node::start("node", &options);
    node.run::<()>(&["DEBUG", "AOF-FLUSH-SLEEP", "100000"]);
    for requests in ["SET a 1\r\n", "SET a 2\r\nGET a\r\nINCR a\r\n"] {
        let mut stream = bare(&node);
        stream.write_all(requests.as_bytes()).expect("sent");
        stream.shutdown(std::net::Shutdown::Write).expect("half of it is closed");
        let replies = read_all(stream);
        assert_eq!(replies.lines().next(), Some("+OK"), "{replies}");
        assert_eq!(replies.ends_with(":3\r\n"), requests.contains("INCR"), "{replies}");
    }
    eventually(TIMEOUT, "they are gone", || node.number("connected_clients") == 1);
}
