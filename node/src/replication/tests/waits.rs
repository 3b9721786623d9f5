//! WAIT and WAITAOF: answered, given up, ended by somebody else, and by a new role.

use super::{acknowledge, synced};
use crate::testing::bench::Bench;
use crate::testing::pair::Pair;

const DEMOTED: &str =
    "-UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)";

/// A node with a replica that has all, and a client that has written what it has not.
fn with_replica() -> (Bench, usize, usize) {
    let mut bench = Bench::new(|_| ());
    let replica = synced(&mut bench);
    let client = bench.connect();
    assert_eq!(bench.ask(client, "SET a 1"), "+OK");
    bench.hear(replica);
    (bench, replica, client)
}

#[test]
fn who_waits_is_answered_when_enough_have_it() {
    let (mut bench, replica, client) = with_replica();
    assert_eq!(bench.ask(client, "WAIT 0 0"), ":0");
    assert_eq!(bench.ask(client, "WAIT 1 0"), "");
    assert!(bench.hear(replica).contains("GETACK"), "it is asked at once");
    acknowledge(&mut bench, replica);
    assert_eq!(bench.hear(client), ":1");
    assert_eq!(bench.ask(client, "WAIT 1 0"), ":1", "it has it already");
    let other = bench.connect();
    bench.ask(client, "SET a 2");
    assert_eq!(bench.ask(other, "WAIT 1 0"), ":1", "who has written nothing waits for nothing");
}

#[test]
fn who_has_waited_long_enough_hears_how_many_have_it() {
    let (mut bench, replica, client) = with_replica();
    assert_eq!(bench.ask(client, "WAIT 2 500"), "");
    acknowledge(&mut bench, replica);
    bench.pass(400);
    assert_eq!(bench.hear(client), "");
    bench.pass(100);
    assert_eq!(bench.hear(client), ":1");
    assert_eq!(bench.ask(client, "GET a"), "$1 1", "and goes on");
    // Requests behind it wait as well.
    bench.ask(client, "SET a 2");
    bench.say(client, "WAIT 2 300");
    assert_eq!(bench.ask(client, "GET a"), "");
    bench.pass(300);
    assert_eq!(bench.hear(client), ":0 $1 2");
}

#[test]
fn inside_a_transaction_nobody_waits() {
    let (mut bench, _, client) = with_replica();
    for request in ["MULTI", "SET b 1", "WAIT 1 0"] {
        bench.ask(client, request);
    }
    assert_eq!(bench.ask(client, "EXEC"), "*2 +OK :0");
}

#[test]
fn who_waits_can_be_unblocked() {
    let (mut bench, _, client) = with_replica();
    let admin = bench.connect();
    let id = bench.ask(client, "CLIENT ID");
    let id = id.trim_start_matches(':').to_string();
    bench.say(client, "WAIT 1 0");
    assert_eq!(bench.info("blocked_clients"), "1");
    assert_eq!(bench.ask(admin, &format!("CLIENT UNBLOCK {id}")), ":1");
    assert_eq!(bench.hear(client), ":0");
    bench.say(client, "WAIT 1 0");
    assert_eq!(bench.ask(admin, &format!("CLIENT UNBLOCK {id} ERROR")), ":1");
    assert_eq!(bench.hear(client), "-UNBLOCKED client unblocked via CLIENT UNBLOCK");
    assert_eq!(bench.ask(admin, &format!("CLIENT UNBLOCK {id}")), ":0", "it does not wait");
    // One that hangs up is forgotten.
    bench.say(client, "WAIT 1 0");
    bench.hang_up(client);
    assert_eq!(bench.info("blocked_clients"), "0");
}

#[test]
fn the_own_disk_is_waited_for_without_being_hurried() {
    let mut bench = Bench::new(|settings| settings.appendonly = true);
    bench.hold_disk();
    let client = bench.connect();
    bench.ask(client, "SET a 1");
    assert_eq!(bench.ask(client, "WAITAOF 1 0 0"), "");
    bench.write();
    assert_eq!(bench.hear(client), "", "not yet");
    bench.pass(1000);
    bench.fsync();
    assert_eq!(bench.hear(client), "*2 :1 :0");
    bench.ask(client, "SET a 2");
    bench.say(client, "WAITAOF 1 1 200");
    bench.pass(200);
    assert_eq!(bench.hear(client), "*2 :0 :0");
    // Where the file goes, nobody can wait for it.
    bench.say(client, "WAITAOF 1 0 0");
    let admin = bench.connect();
    assert_eq!(bench.ask(admin, "CONFIG SET appendonly no"), "+OK");
    assert!(bench.hear(client).starts_with("-ERR WAITAOF cannot be used when numlocal is set"));
    for request in ["WAITAOF 1 0 0", "WAITAOF 2 0 0", "WAITAOF 0 -1 0", "WAITAOF 0 0 -1"] {
        assert!(bench.ask(client, request).starts_with("-ERR"), "{request}");
    }
}

#[test]
fn the_disks_of_replicas_are_waited_for() {
    let mut pair = Pair::new(|_| (), |settings| settings.appendonly = true);
    pair.follow();
    pair.pump();
    pair.replica.child_ends();
    pair.replica.hold_disk();
    let client = pair.primary.connect();
    pair.primary.ask(client, "SET a 1");
    pair.primary.say(client, "WAITAOF 0 1 0");
    pair.pass(2000);
    assert_eq!(pair.primary.ask(client, "PING"), "", "applied is not enough");
    pair.replica.free_disk();
    pair.pass(2500);
    assert_eq!(pair.primary.hear(client), "*2 :0 :1 +PONG");
}

#[test]
fn a_new_role_ends_all_waits() {
    let (mut bench, _, client) = with_replica();
    let (blocked, admin) = (bench.connect(), bench.connect());
    bench.say(client, "WAIT 1 0");
    bench.say(blocked, "BLPOP list 0");
    assert_eq!(bench.ask(admin, "REPLICAOF somebody 1"), "+OK");
    // The last words of a connection are kept where it is closed behind them.
    assert_eq!(bench.hear(blocked), DEMOTED);
    assert!(!bench.is_connected(client), "its writes are nobody's any more");
    assert_eq!(bench.info("blocked_clients"), "0");
    for request in ["WAIT 1 0", "WAITAOF 0 1 0"] {
        assert!(bench.ask(admin, request).contains("cannot be used with replica"), "{request}");
    }
    assert_eq!(bench.ask(admin, "REPLICAOF NO ONE"), "+OK");
    assert_eq!(bench.ask(admin, "WAIT 0 0"), ":0");
}
