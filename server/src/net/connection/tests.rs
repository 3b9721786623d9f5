//! A connection on a socket of its own, with the allocator as witness: what it takes is what waits, and a constant.

use super::*;
use crate::memory::own;
use crate::process::supervisor::Supervisor;
use crate::world::Process;
use backup::files::Files;
use node::config::Settings;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// What a connection may take beyond the bytes that wait: pieces, and the buffers that all share.
const BEYOND: i64 = 512 << 10;

/// Runs a test on a node without a listener, on one thread.
fn on_node<F: Future<Output = ()>>(test: impl FnOnce(Shared) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(tokio::runtime::LocalOptions::default())
        .expect("a runtime");
    let loaded = Settings::from_command_line(&Files::real(), &[]).expect("defaults");
    let process =
        Process { title: None, supervisor: Supervisor::Nobody, published: Arc::default() };
    runtime.block_on(test(Shell::start(loaded, |shell, handles| process.of(shell, handles))));
}

/// The other end of a new connection, and its slot.
fn connect(shell: &Shared) -> (UnixStream, usize) {
    let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    let stream = Stream::Unix(theirs);
    let handle = Handle::new();
    let slot = shell.borrow_mut().admit(stream.arrival(), Rc::clone(&handle));
    tokio::task::spawn_local(Connection::new(stream, Rc::clone(shell), slot, handle));
    (ours, slot)
}

/// Sends requests and waits for exactly this answer.
async fn ask(client: &mut UnixStream, requests: &[u8], answer: &[u8]) {
    client.write_all(requests).await.expect("sent");
    let mut bytes = vec![0; answer.len()];
    client.read_exact(&mut bytes).await.expect("answered");
    assert_eq!(bytes, answer);
}

#[test]
fn a_reader_with_replies_always_on_their_way_costs_what_waits() {
    on_node(async |shell| {
        let (mut client, slot) = connect(&shell);
        let set =
            [&b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000\r\n"[..], &[b'x'; 1000], b"\r\n"].concat();
        ask(&mut client, &set, b"+OK\r\n").await;
        let reply = [&b"$1000\r\n"[..], &[b'x'; 1000], b"\r\n"].concat();
        let get = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";
        let many = get.repeat(2_000);
        let mut bytes = vec![0; reply.len()];
        ask(&mut client, get, &reply).await;
        let before = own();
        client.write_all(&many).await.expect("sent");
        let in_flight = (2_000 * reply.len()) as i64;
        for round in 0..20_000 {
            client.read_exact(&mut bytes).await.expect("a reply");
            client.write_all(get).await.expect("sent");
            if round % 100 == 0 {
                let taken = own() - before;
                assert!(taken <= in_flight + BEYOND, "{taken} bytes for {in_flight}");
                let counted =
                    shell.borrow().node.host.clients.get(slot).map(|client| client.output_bytes);
                let counted = counted.expect("it is connected") as i64;
                assert!(counted <= in_flight + BEYOND, "{counted} bytes are counted");
            }
        }
        for _ in 0..2_000 {
            client.read_exact(&mut bytes).await.expect("a reply");
        }
        assert!(own() - before <= BEYOND, "{} bytes are left", own() - before);
    });
}

#[test]
fn a_request_in_pieces_costs_what_has_come() {
    let request =
        [&b"*30001\r\n$3\r\nDEL\r\n"[..], &b"$10\r\n0123456789\r\n".repeat(30_000)].concat();
    for piece in [1, 16, 4096] {
        on_node(async |shell| {
            let (mut client, slot) = connect(&shell);
            ask(&mut client, b"PING\r\n", b"+PONG\r\n").await;
            let before = own();
            let (mut sent, mut most) = (0, 0);
            for part in request.chunks(piece) {
                client.write_all(part).await.expect("sent");
                sent += part.len() as i64;
                tokio::task::yield_now().await;
                most = most.max(own() - before - sent);
            }
            let mut answer = [0; 4];
            client.read_exact(&mut answer).await.expect("answered");
            assert_eq!(&answer, b":0\r\n");
            // Places of arguments, 8 bytes each, once with the parser and once with the batch; and room to grow.
            let places = 30_000 * 8 * 4;
            let room = request.len() as i64;
            assert!(
                most <= places + room + BEYOND,
                "by {piece}: {most} bytes beyond what had come"
            );
            // What it took is given back: a second request does not find it.
            ask(&mut client, b"PING\r\n", b"+PONG\r\n").await;
            let kept = own() - before;
            assert!(kept <= BEYOND, "by {piece}: {kept} bytes are kept");
            let client = shell.borrow().node.host.clients.get(slot).map(|client| client.input.room);
            assert!(client.is_some_and(|room| room <= 32 << 10));
        });
    }
}

#[test]
fn an_idle_connection_is_small() {
    on_node(async |shell| {
        let mut clients = Vec::with_capacity(1_000);
        let (mut first, _) = connect(&shell);
        ask(&mut first, b"PING\r\n", b"+PONG\r\n").await;
        let before = own();
        for _ in 0..500 {
            let (mut client, _) = connect(&shell);
            client.write_all(b"PING\r\n").await.expect("sent");
            let mut answer = [0; 7];
            client.read_exact(&mut answer).await.expect("answered");
            clients.push(client);
        }
        // Both ends of a pair are of this thread.
        let each = (own() - before) / 500;
        assert!(each <= 4_000, "{each} bytes for a connection");
        // Half a request, and not more of it.
        for client in &mut clients {
            client.write_all(b"*3\r\n$3\r\nSET\r\n$1\r\n").await.expect("sent");
        }
        ask(&mut first, b"PING\r\n", b"+PONG\r\n").await;
        let each = (own() - before) / 500;
        assert!(each <= 4_000 + (20 << 10), "{each} bytes for half a request");
    });
}

#[test]
fn replies_that_are_held_come_in_order_and_nobody_waits_for_who_is_gone() {
    on_node(async |shell| {
        let before = eventloop::figures().turns_held;
        let mut clients: Vec<_> = (0..8).map(|_| connect(&shell)).collect();
        for round in 0..300 {
            // Now and then somebody goes, whatever he holds.
            if round % 10 == 9 {
                clients[0].0.write_all(&b"PING\r\n".repeat(40)).await.expect("sent");
                clients[0] = connect(&shell);
            }
            for (number, (client, _)) in clients.iter_mut().enumerate() {
                let requests: String =
                    (0..40).map(|at| format!("ECHO {round}-{number}-{at}\r\n")).collect();
                client.write_all(requests.as_bytes()).await.expect("sent");
            }
            for (number, (client, slot)) in clients.iter_mut().enumerate() {
                let texts = (0..40).map(|at| format!("{round}-{number}-{at}"));
                let expected: String =
                    texts.map(|text| format!("${}\r\n{text}\r\n", text.len())).collect();
                let mut bytes = vec![0; expected.len()];
                client.read_exact(&mut bytes).await.expect("answered");
                assert_eq!(String::from_utf8_lossy(&bytes), expected);
                let shell = shell.borrow();
                let client = shell.node.host.clients.get(*slot).expect("it is connected");
                assert_eq!((client.output_bytes, client.output_room), (0, 0), "as if it had left");
            }
        }
        // Who is closed in the turn whose replies are held leaves nothing that others would wait for.
        let others = (0..200).map(|_| {
            let (mut client, slot) = connect(&shell);
            let shell = Rc::clone(&shell);
            async move {
                client.write_all(&b"PING\r\n".repeat(40)).await.expect("sent");
                tokio::task::yield_now().await;
                shell.borrow_mut().node.host.kill(slot);
            }
        });
        for other in others {
            other.await;
        }
        drop(clients);
        let (mut last, _) = connect(&shell);
        ask(&mut last, b"PING\r\n", b"+PONG\r\n").await;
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert!(!shell.borrow().holding.holds(), "nobody is there who holds anything");
        assert!(eventloop::figures().turns_held > before, "some were held");
    });
}
