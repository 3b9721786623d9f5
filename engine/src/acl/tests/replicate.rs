//! What replicas are told of users.

use super::shown;
use crate::session::Peer;
use crate::testing::{Server, expect};

fn primary() -> Server {
    let mut server = Server::new();
    server.engine.users.replicated = true;
    server
}

fn users(server: &mut Server) -> String {
    server.run("ACL LIST")
}

#[test]
fn changes_are_told_as_whole_users_and_make_the_same_ones() {
    let (mut primary, mut replica) = (primary(), primary());
    replica.engine.is_replica = true;
    for line in [
        "ACL SETUSER alice on >secret ~a* %R~b &c +@all -flushall (+get ~x resetchannels)",
        "ACL SETUSER alice -@dangerous",
        "ACL SETUSER bob nopass +select|0",
        "ACL SETUSER default -debug",
        "ACL DELUSER bob nobody",
    ] {
        primary.ok(line);
        replica.replay(&mut primary);
        assert_eq!(users(&mut replica), users(&mut primary), "{line}");
        let told = replica.engine.users.digest_of_primary.clone();
        assert_eq!(told, Some(primary.engine.users.digest()), "{line}");
    }
    // What changes nothing is not told, nor what is refused.
    primary.ok("ACL DELUSER nobody");
    assert!(primary.run("ACL SETUSER alice nonsense").starts_with("-ERR"));
    assert_eq!(primary.journal(), "");
    primary.ok("ACL SETUSER carol");
    let journal = primary.journal();
    let setting = "MULTI | ACL SETUSER carol reset off sanitize-payload resetchannels -@all | ACL DELUSER digest ";
    assert!(journal.starts_with(setting) && journal.ends_with(" | EXEC"), "{journal}");
}

#[test]
fn who_keeps_its_own_users_tells_and_takes_nothing() {
    let (mut primary, mut replica) = (primary(), Server::new());
    replica.ok("ACL SETUSER own +get");
    let before = users(&mut replica);
    primary.ok("ACL SETUSER alice on");
    replica.replay(&mut primary);
    assert_eq!(users(&mut replica), before);
    primary.engine.users.replicated = false;
    primary.ok("ACL SETUSER alice off");
    assert_eq!(primary.journal(), "");
    // Nor does a file change them.
    let lines = ["ACL SETUSER own reset", "ACL DELUSER own"];
    let (done, refused) = replica.feed(Peer::Loader, true, &lines);
    assert_eq!((done, refused.list.len()), (2, 0));
    assert_eq!(users(&mut replica), before);
}

#[test]
fn who_has_just_come_is_told_all_and_gives_up_others() {
    let (mut primary, mut replica) = (primary(), primary());
    primary.ok("ACL SETUSER alice on nopass +get ~a");
    replica.ok("ACL SETUSER other on");
    let slot = replica.join();
    replica.ok("ACL SETUSER other nopass +@all");
    assert_eq!(replica.run_as(slot, "AUTH other x"), "+OK");
    replica.engine.is_replica = true;
    let unit = primary.engine.users.announcement();
    replica.replay_unit(&unit);
    assert_eq!(users(&mut replica), users(&mut primary));
    assert_eq!(replica.closed(), [slot], "its user is gone");
    // A change by its own clients is its own, and shows.
    replica.journal();
    replica.ok("ACL SETUSER alice off");
    assert_eq!(replica.journal(), "");
    assert_ne!(Some(replica.engine.users.digest()), replica.engine.users.digest_of_primary);
    replica.replay_unit(&unit);
    assert!(shown(&mut replica, "alice").starts_with("alice on"));
}

#[test]
fn a_full_sync_brings_users_and_disconnects_those_of_others() {
    let (mut primary, mut replica) = (primary(), primary());
    primary.ok("ACL SETUSER alice on nopass +get ~a (+set ~b)");
    replica.ok("ACL SETUSER alice on nopass +@all");
    replica.ok("ACL SETUSER other on nopass +@all");
    let slots = ["alice", "other"].map(|user| {
        let slot = replica.join();
        assert_eq!(replica.run_as(slot, &format!("AUTH {user} x")), "+OK");
        slot
    });
    let lines = primary.engine.users.lines().join(&b'\n');
    let mut host = crate::testing::Nobody::default();
    replica.engine.adopt_users(&mut host, &lines);
    assert_eq!(users(&mut replica), users(&mut primary));
    assert_eq!(replica.engine.users.digest_of_primary, Some(replica.engine.users.digest()));
    assert_eq!(host.closed, [slots[1]]);
    assert!(replica.run_as(slots[0], "PING").starts_with("-NOPERM"), "it has the new rules");
    // Rules that are not known here change nothing, and show.
    replica.engine.adopt_users(&mut host, b"user alice +from-the-future");
    assert_eq!(users(&mut replica), users(&mut primary));
    assert_ne!(replica.engine.users.digest_of_primary, Some(replica.engine.users.digest()));
}

#[test]
fn rules_that_a_replica_does_not_know_do_not_stop_it() {
    let mut replica = primary();
    replica.as_primary(|replica| {
        expect(replica, &[("ACL SETUSER alice reset on +from-the-future", "+OK")]);
    });
    assert_eq!(replica.run("ACL USERS"), "[default]");
}
