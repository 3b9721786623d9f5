//! Clients that mean harm, or are only slow: what they can make the server do, and keep, stays in bounds.

use integration::data::command;
use integration::{Node, TIMEOUT, eventually};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use std::io::{Read, Write};
use std::net::TcpStream;

/// Names that a widespread hash function with public constants, foldhash, gives one hash under every seed: its constant
/// twice, behind eight bytes of choice.
fn names_that_collide(count: u64) -> Vec<Vec<u8>> {
    let constant = 0xc0ac_29b7_c97c_50dd_u64.to_le_bytes();
    (0..count).map(|n| [&n.to_le_bytes()[..], &constant, &constant].concat()).collect()
}

#[test]
fn names_with_the_constants_of_a_hash_function_are_names_like_others() {
    let mut node = Node::start("node", &[("appendonly", "yes")]);
    let names = names_that_collide(3_000);
    let mut connection = node.connect();
    let mut fill = |name: &str, key: Option<&str>, args: &dyn Fn(&[u8]) -> Vec<Vec<u8>>| {
        let mut command = redis::cmd(name);
        if let Some(key) = key {
            command.arg(key);
        }
        for arg in names.iter().flat_map(|name| args(name)) {
            command.arg(arg);
        }
        command.exec(&mut connection).unwrap_or_else(|error| panic!("{name}: {error}"));
    };
    fill("MSET", None, &|name| vec![name.to_vec(), b"v".to_vec()]);
    fill("SADD", Some("set"), &|name| vec![name.to_vec()]);
    fill("HSET", Some("hash"), &|name| vec![name.to_vec(), b"v".to_vec()]);
    fill("ZADD", Some("sorted"), &|name| vec![b"1".to_vec(), name.to_vec()]);
    let payload: Vec<u8> = command(&["DUMP", "set"]).query(&mut connection).expect("a payload");
    let mut restore = command(&["RESTORE", "restored", "0"]);
    restore.arg(payload).exec(&mut connection).expect("the payload is taken");
    let digest: String = node.run(&["DEBUG", "DIGEST"]);
    node.run::<String>(&["BGREWRITEAOF"]);
    eventually(TIMEOUT, "the file is rewritten", || {
        node.info("aof_rewrite_in_progress") == "0" && node.info("aof_rewrites") == "1"
    });
    node.restart();
    assert_eq!(node.run::<i64>(&["DBSIZE"]), 3_004);
    assert_eq!(node.run::<String>(&["DEBUG", "DIGEST"]), digest);
}

/// A bare connection, which sends what it is told.
fn bare(node: &Node) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", node.port())).expect("a connection");
    stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
    stream.set_write_timeout(Some(TIMEOUT)).expect("a timeout");
    stream
}

/// A request as it travels.
fn request(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// What the kernel says of the process's memory, in bytes: `VmRSS` is that of now, `VmHWM` the most there ever was.
fn resident(node: &Node, field: &str) -> i64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", node.pid())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kilobytes.and_then(|text| text.parse::<i64>().ok()).expect("a number of kilobytes") << 10
}

/// A field of the line of CLIENT LIST that has `name`, if there is one.
fn client_field(node: &Node, name: &str, field: &str) -> Option<i64> {
    let list: String = node.run(&["CLIENT", "LIST"]);
    let line = list.lines().find(|line| line.contains(&format!(" name={name} ")))?;
    self::field(line, field)
}

/// A number in a line of CLIENT LIST.
fn field(line: &str, name: &str) -> Option<i64> {
    let value = line.split(' ').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
    value.parse().ok()
}

#[test]
fn a_reader_that_always_has_requests_in_flight_takes_no_more_than_these() {
    const VALUE: usize = 10_000;
    const WINDOW: usize = 1_000;
    let node = Node::start("node", &[]);
    let mut stream = bare(&node);
    stream.write_all(&request(&[b"CLIENT", b"SETNAME", b"reader"])).expect("a name");
    stream.write_all(&request(&[b"SET", b"key", &[b'x'; VALUE]])).expect("a value");
    let mut reply = vec![0; 10];
    stream.read_exact(&mut reply).expect("two replies");
    let get = request(&[b"GET", b"key"]);
    stream.write_all(&get.repeat(WINDOW)).expect("requests");
    let mut reply = vec![0; VALUE + format!("${VALUE}\r\n\r\n").len()];
    let mut most = 0;
    for round in 0..10_000 {
        stream.read_exact(&mut reply).expect("a reply");
        stream.write_all(&get).expect("a request");
        if round % 500 == 0 {
            most = most.max(client_field(&node, "reader", "omem").expect("it is connected"));
        }
    }
    // A hundred megabytes have passed, ten at most were on their way.
    let in_flight = (WINDOW * reply.len()) as i64;
    assert!(most <= in_flight + (256 << 10), "{most} bytes for {in_flight} in flight");
}

#[test]
fn a_subscriber_that_does_not_read_is_closed_at_its_limit() {
    let options = [("client-output-buffer-limit", "pubsub 4mb 2mb 60")];
    let node = Node::start("node", &options);
    let message = vec![b'x'; 100_000];
    for publish in [&b"PUBLISH"[..], b"SPUBLISH"] {
        let subscribe = if publish == b"PUBLISH" { &b"SUBSCRIBE"[..] } else { b"SSUBSCRIBE" };
        let mut slow = bare(&node);
        slow.write_all(&request(&[subscribe, b"channel"])).expect("a subscription");
        let count = || node.number("pubsub_clients");
        eventually(TIMEOUT, "it is subscribed", || count() == 1);
        node.run::<()>(&["CONFIG", "RESETSTAT"]);
        let before = resident(&node, "VmHWM");
        // A hundred megabytes in one go: nobody has a turn between two of the messages of a batch.
        let mut publisher = bare(&node);
        publisher
            .write_all(&request(&[publish, b"channel", &message]).repeat(1_000))
            .expect("sent");
        eventually(TIMEOUT, "the subscriber is closed", || count() == 0);
        assert_eq!(node.number("client_output_buffer_limit_disconnections"), 1);
        let grown = resident(&node, "VmHWM") - before;
        assert!(grown < 24 << 20, "{grown} bytes for a limit of four megabytes");
        assert!(node.log().contains("closed for overcoming of output buffer limits"));
    }
}

#[test]
fn a_transaction_and_messages_to_oneself_stop_at_the_limit() {
    let options = [("client-output-buffer-limit", "normal 4mb 0 0 pubsub 4mb 0 0")];
    let node = Node::start("node", &options);
    node.run::<()>(&["SET", "key", &"x".repeat(1 << 20)]);
    let before = resident(&node, "VmHWM");
    let mut queue = request(&[b"MULTI"]);
    queue.extend(request(&[b"GET", b"key"]).repeat(200));
    queue.extend(request(&[b"INCR", b"executed"]));
    queue.extend(request(&[b"EXEC"]));
    let mut greedy = bare(&node);
    greedy.write_all(&queue).expect("sent");
    let closed = || node.number("client_output_buffer_limit_disconnections");
    eventually(TIMEOUT, "it is closed", || closed() == 1);
    assert_eq!(node.run::<i64>(&["GET", "executed"]), 1);
    let mut talker = bare(&node);
    talker.write_all(&request(&[b"HELLO", b"3"])).expect("sent");
    for n in 0..1_000 {
        let pattern = format!("[c{n}]hannel");
        talker.write_all(&request(&[b"PSUBSCRIBE", pattern.as_bytes()])).expect("sent");
    }
    talker.write_all(&request(&[b"PUBLISH", b"channel", &[b'x'; 100_000]])).expect("sent");
    eventually(TIMEOUT, "it is closed", || closed() == 2);
    let grown = resident(&node, "VmHWM") - before;
    assert!(grown < 32 << 20, "{grown} bytes for a limit of four megabytes");
}

#[test]
fn one_message_that_comes_in_a_thousand_copies_stops_at_the_limit() {
    let node = Node::start("node", &[("client-output-buffer-limit", "pubsub 4mb 0 0")]);
    let mut slow = bare(&node);
    let patterns: Vec<String> = (0..1_000).map(|n| format!("[c{n}]hannel")).collect();
    let words: Vec<&[u8]> =
        [&b"PSUBSCRIBE"[..]].into_iter().chain(patterns.iter().map(|p| p.as_bytes())).collect();
    slow.write_all(&request(&words)).expect("a subscription");
    eventually(TIMEOUT, "it is subscribed", || node.number("pubsub_patterns") == 1_000);
    let before = resident(&node, "VmHWM");
    let told: i64 = node.run(&["PUBLISH", "channel", &"x".repeat(100_000)]);
    assert_eq!(told, 1_000);
    eventually(TIMEOUT, "it is closed", || node.number("pubsub_patterns") == 0);
    let grown = resident(&node, "VmHWM") - before;
    assert!(grown < 24 << 20, "{grown} bytes for a limit of four megabytes");
}

#[test]
fn replies_that_are_not_read_are_counted_within_one_batch() {
    let node = Node::start("node", &[("client-output-buffer-limit", "normal 4mb 0 0")]);
    node.run::<()>(&["SET", "key", &"x".repeat(1 << 20)]);
    let before = resident(&node, "VmHWM");
    let mut greedy = bare(&node);
    // A thousand requests in one read, a gigabyte of replies.
    greedy.write_all(&request(&[b"GET", b"key"]).repeat(1_000)).expect("sent");
    eventually(TIMEOUT, "it is closed", || {
        node.number("client_output_buffer_limit_disconnections") == 1
    });
    let grown = resident(&node, "VmHWM") - before;
    assert!(grown < 24 << 20, "{grown} bytes for a limit of four megabytes");
}

#[test]
fn strangers_that_do_not_read_are_closed() {
    let node = Node::start("node", &[("requirepass", "secret")]);
    let mut admin = node.connect();
    command(&["AUTH", "secret"]).exec(&mut admin).expect("the password");
    let before = resident(&node, "VmHWM");
    let flood = b"PING\r\n".repeat(10_000);
    let mut strangers: Vec<TcpStream> = (0..8).map(|_| bare(&node)).collect();
    for stranger in &mut strangers {
        // The system takes some megabytes of replies, a few hundred thousand requests, before any waits in the server.
        let closed = (0..2_000).any(|_| stranger.write_all(&flood).is_err());
        assert!(closed, "it may go on for ever");
    }
    let grown = resident(&node, "VmHWM") - before;
    assert!(grown < 16 << 20, "{grown} bytes for eight strangers");
    let info: String = command(&["INFO", "stats"]).query(&mut admin).expect("the figures");
    assert!(info.contains("\nclient_output_buffer_limit_disconnections:8\r"), "{info}");
}

#[test]
fn what_strangers_send_is_bounded_in_kilobytes() {
    let node = Node::start("node", &[("requirepass", "secret")]);
    let mut admin = node.connect();
    command(&["AUTH", "secret"]).exec(&mut admin).expect("the password");
    // The most that is taken in of a request, without its end.
    let mut stranger = bare(&node);
    stranger.write_all(b"*10\r\n").expect("sent");
    for _ in 0..9 {
        stranger
            .write_all(format!("$16384\r\n{}\r\n", "x".repeat(16_384)).as_bytes())
            .expect("sent");
    }
    stranger.write_all(b"$16384\r\nxxxxx").expect("sent");
    let mut line = String::new();
    eventually(TIMEOUT, "it has come", || {
        let list: String = command(&["CLIENT", "LIST"]).query(&mut admin).expect("a list");
        line = list.lines().find(|line| line.contains(" cmd=NULL ")).unwrap_or("").to_string();
        field(&line, "argv-mem").is_some_and(|bytes| bytes > 9 * 16_384)
    });
    assert!(field(&line, "tot-mem").expect("a number") < 400 << 10, "{line}");
    for (request, reason) in [
        (&b"*11\r\n"[..], "unauthenticated multibulk length"),
        (b"*1\r\n$16385\r\n", "unauthenticated bulk length"),
        (&[b'x'; 70_000], "too big inline request"),
    ] {
        let mut stranger = bare(&node);
        stranger.write_all(request).expect("sent");
        let mut reply = String::new();
        // What it sent and nobody read may end it harder.
        let _ = stranger.read_to_string(&mut reply);
        assert_eq!(reply, format!("-ERR Protocol error: {reason}\r\n"));
    }
}

#[test]
fn strangers_that_read_are_answered_and_may_become_known() {
    let node = Node::start("node", &[("requirepass", "secret")]);
    let mut stream = bare(&node);
    let refusal = "-NOAUTH Authentication required.\r\n";
    for _ in 0..50 {
        stream.write_all(&b"PING\r\n".repeat(1_000)).expect("sent");
        let mut replies = vec![0; 1_000 * refusal.len()];
        stream.read_exact(&mut replies).expect("replies");
        assert_eq!(replies, refusal.repeat(1_000).as_bytes());
    }
    // In one go: what a stranger may not send is a stranger's no more.
    let mut requests = request(&[b"AUTH", b"secret"]);
    requests.extend(request(&[b"SET", b"key", &[b'x'; 100_000]]));
    let many: Vec<&[u8]> = [&b"DEL"[..]].into_iter().chain([&b"key"[..]; 50]).collect();
    requests.extend(request(&many));
    stream.write_all(&requests).expect("sent");
    let expected = "+OK\r\n+OK\r\n:1\r\n";
    let mut replies = vec![0; expected.len()];
    stream.read_exact(&mut replies).expect("replies");
    assert_eq!(String::from_utf8_lossy(&replies), expected);
}

#[test]
fn what_a_client_asks_for_and_the_system_has_not_is_an_error() {
    let node = Node::start("node", &[("proto-max-bulk-len", "4000mb")]);
    node.run::<()>(&["SET", "text", "value"]);
    node.run::<()>(&["SET", "long", &"a".repeat(30_000)]);
    node.run::<()>(&["SETRANGE", "raw", "99999999", "x"]);
    // Some memory is left for all the rest, but not for what follows.
    let most = Some(resident(&node, "VmSize") as u64 + (300 << 20));
    let limit = Rlimit { current: most, maximum: most };
    let pid = Pid::from_raw(node.pid() as i32);
    prlimit(pid, Resource::As, limit).expect("a process of ours");
    let no_memory = "OOM Insufficient memory, failed allocating the value";
    for request in [
        &["SETRANGE", "new", "2000000000", "x"][..],
        &["SETRANGE", "text", "2000000000", "x"],
        &["SETRANGE", "raw", "2000000000", "x"],
        &["SETBIT", "new", "20000000000", "1"],
        &["SETBIT", "raw", "20000000000", "0"],
        &["BITFIELD", "new", "SET", "u8", "20000000000", "1"],
        &["DEBUG", "POPULATE", "1", "key", "2000000000"],
    ] {
        assert_eq!(node.refused(request), no_memory, "{request:?}");
    }
    assert_eq!(
        node.refused(&["LCS", "long", "long"]),
        "ERR Insufficient memory, failed allocating transient memory for LCS"
    );
    assert_eq!(node.run::<i64>(&["EXISTS", "new"]), 0);
    assert_eq!(node.run::<i64>(&["STRLEN", "text"]), 5);
    assert_eq!(node.run::<i64>(&["STRLEN", "raw"]), 100_000_000);
    // A string that doubles as it grows gets what is left, and then an error.
    let part = "x".repeat(20_000_000);
    let lens = (0..40).map(|_| node.try_run::<i64>(&["APPEND", "raw", &part]).ok());
    let lens: Vec<i64> = lens.map_while(|len| len).collect();
    assert!(lens.len() < 40, "it ends");
    let expected = 100_000_000 + lens.len() as i64 * part.len() as i64;
    assert_eq!(node.run::<i64>(&["STRLEN", "raw"]), expected);
    // A request that finds no room costs its client the connection, and nobody else anything.
    let mut greedy = bare(&node);
    let closed = greedy.write_all(b"*2\r\n$4\r\nECHO\r\n$2000000000\r\n").is_err()
        || (0..100).any(|_| greedy.write_all(part.as_bytes()).is_err());
    assert!(closed, "it cannot be taken in");
    assert_eq!(node.run::<String>(&["PING"]), "PONG");
}

#[test]
fn limits_beyond_what_there_is_room_for_are_refused() {
    let mut node = Node::start("node", &[]);
    for name in ["client-query-buffer-limit", "proto-max-bulk-len"] {
        node.run::<()>(&["CONFIG", "SET", name, "4088mb"]);
        let refusal = node.refused(&["CONFIG", "SET", name, "4gb"]);
        assert!(refusal.contains("argument must be between 1048576 and 4286578688"), "{refusal}");
    }
    node.set_option("client-query-buffer-limit", "8gb");
    node.stop();
    assert!(node.launch_refused().contains("argument must be between 1048576 and 4286578688"));
}

#[test]
fn what_is_queued_in_a_transaction_is_a_part_of_the_query_buffer() {
    let node = Node::start("node", &[("client-query-buffer-limit", "2mb")]);
    let mut stream = bare(&node);
    stream.write_all(&request(&[b"MULTI"])).expect("sent");
    let queued = request(&[b"SET", b"key", &[b'x'; 100_000]]);
    let closed = (0..1_000).any(|_| stream.write_all(&queued).is_err());
    assert!(closed, "it may queue a hundred megabytes");
    assert_eq!(node.number("client_query_buffer_limit_disconnections"), 1);
}

#[test]
fn without_descriptors_the_others_are_served_and_the_log_is_not_filled() {
    let node = Node::start("node", &[]);
    let pong: String = node.run(&["PING"]);
    assert_eq!(pong, "PONG");
    let pid = Pid::from_raw(node.pid() as i32);
    let open = std::fs::read_dir(format!("/proc/{}/fd", node.pid())).expect("it runs").count();
    // The soft limit alone: it may be raised again.
    let before = getrlimit(Resource::Nofile);
    let limit = Rlimit { current: Some(open as u64 + 5), ..before };
    prlimit(pid, Resource::Nofile, limit).expect("a process of ours");
    let mut crowd: Vec<TcpStream> = (0..30).map(|_| bare(&node)).collect();
    crowd.iter_mut().for_each(|one| one.write_all(b"PING\r\n").expect("sent"));
    let said = || node.log().matches("Accepting client connection: ").count();
    eventually(TIMEOUT, "it says so", || said() > 0);
    // Whoever is in goes on; the log says it once in ten seconds, not with each of twenty attempts a second.
    for _ in 0..50 {
        assert_eq!(node.run::<String>(&["ECHO", "word"]), "word");
    }
    assert!(said() < 10, "{} lines", said());
    // Some leave, others get in.
    let mut last = crowd.pop().expect("one of them");
    drop(crowd);
    let mut reply = [0; 7];
    last.read_exact(&mut reply).expect("it is its turn");
    assert_eq!(&reply, b"+PONG\r\n");
    prlimit(pid, Resource::Nofile, before).expect("a process of ours");
}

#[test]
fn there_are_no_more_clients_than_descriptors_allow() {
    let node = Node::start("node", &[]);
    let pid = Pid::from_raw(node.pid() as i32);
    let low = Rlimit { current: Some(100), maximum: Some(100) };
    prlimit(pid, Resource::Nofile, low).expect("a process of ours");
    let refused = node.try_run::<String>(&["CONFIG", "SET", "maxclients", "20000"]);
    match refused {
        // Where the process may not raise the limit, it says how many are possible.
        Err(error) => {
            let text = error.detail().unwrap_or_default().to_string();
            assert!(
                text.ends_with(
                    "The operating system is not able to handle the specified number of clients, try with 68"
                ),
                "{text}"
            );
            assert_eq!(node.info("maxclients"), "10000");
        }
        Ok(_) => assert_eq!(node.info("maxclients"), "20000"),
    }
}

/// Whatever takes many arguments takes time in proportion to them: the square of so many would take minutes.
#[test]
fn requests_of_many_arguments_end() {
    const MANY: usize = 300_000;
    let node = Node::start("node", &[]);
    let mut connection = node.connect_as("?protocol=resp3");
    let name = |prefix: &str, n: usize| format!("{prefix}{n:06}");
    let mut run = |words: &[&str], args: &mut dyn Iterator<Item = String>| {
        let mut request = command(words);
        args.for_each(|arg| {
            request.arg(arg);
        });
        request.exec(&mut connection).unwrap_or_else(|error| panic!("{words:?}: {error}"));
    };
    let names = |prefix: &'static str| (0..MANY).map(move |n| name(prefix, n));
    let pairs = || names("k").flat_map(|name| [name, "v".to_string()]);
    run(&["WATCH"], &mut names("w"));
    run(&["UNWATCH"], &mut std::iter::empty());
    let prefixes = names("p").flat_map(|name| ["PREFIX".to_string(), name]);
    run(&["CLIENT", "TRACKING", "ON", "BCAST"], &mut { prefixes });
    run(&["CLIENT", "TRACKING", "OFF"], &mut std::iter::empty());
    run(&["SADD", "set"], &mut names("m"));
    run(&["SREM", "set"], &mut names("m"));
    run(&["HSET", "hash"], &mut pairs());
    run(&["HDEL", "hash"], &mut names("k"));
    run(&["ZADD", "sorted"], &mut names("m").flat_map(|name| ["1".to_string(), name]));
    run(&["RPUSH", "list"], &mut names("e"));
    run(&["MSET"], &mut pairs());
    run(&["DEL"], &mut names("k"));
    run(&["XADD", "stream", "*"], &mut pairs());
    run(&["PFADD", "counter"], &mut names("e"));
    run(&["BLPOP"], &mut names("b").chain(["0.001".to_string()]));
    let ids = (1..MANY).map(|n| format!("{n}-1"));
    run(&["XDEL", "stream"], &mut { ids });
}
