//! What `maxmemory` costs, and what it does not: keys that go are gone everywhere, and nobody's slowness costs keys.

use integration::data::Writes;
use integration::{Node, TIMEOUT, eventually};

/// Memory that counts against `maxmemory` now.
fn counted(node: &Node) -> i64 {
    node.number("used_memory") - node.number("mem_not_counted_for_evict")
}

fn config(node: &Node, settings: &[(&str, &str)]) {
    for (name, value) in settings {
        let _: String = node.run(&["CONFIG", "SET", name, value]);
    }
}

#[test]
fn what_goes_on_the_primary_goes_on_the_replica() {
    for policy in ["allkeys-lru", "allkeys-lfu", "allkeys-random"] {
        let primary = Node::start("primary", &[("maxmemory-policy", policy)]);
        let replica = Node::start("replica", &[("appendonly", "yes")]);
        replica.follow(&primary);
        Writes::new(1).send(&mut primary.connect(), 2000);
        replica.wait_for_sync(&primary);
        let most = counted(&primary) + (1 << 20);
        // The replica has no limit: it goes by its primary's word.
        config(&primary, &[("maxmemory", &most.to_string())]);
        let mut connection = primary.connect();
        let value = "v".repeat(1000);
        for from in (0..5000).step_by(100) {
            let mut pipe = redis::pipe();
            for number in from..from + 100 {
                pipe.cmd("SET").arg(format!("more:{number}")).arg(&value).ignore();
            }
            pipe.query::<()>(&mut connection).expect("there is always something to remove");
        }
        assert!(primary.number("evicted_keys") > 1000, "{policy}");
        // The room for what the next request may take is kept as well.
        assert!(
            counted(&primary) <= most + (256 << 10),
            "{policy}: {} of {most}",
            counted(&primary)
        );
        replica.wait_for_sync(&primary);
        assert_eq!(replica.number("evicted_keys"), 0);
    }
}

#[test]
fn a_replica_that_does_not_read_costs_no_keys() {
    let primary = Node::start("primary", &[("maxmemory-policy", "allkeys-random")]);
    let replica = Node::start("replica", &[]);
    let settings =
        [("client-output-buffer-limit", "replica 0 0 0"), ("repl-backlog-size", "16384")];
    config(&primary, &settings);
    for number in 0..100 {
        let _: i64 = primary.run(&["SETRANGE", &format!("key:{number}"), "20000", "end"]);
    }
    replica.follow(&primary);
    replica.wait_for_sync(&primary);
    let most = counted(&primary) + (64 << 10);
    config(&primary, &[("maxmemory", &most.to_string())]);
    replica.suspend();
    let part = "x".repeat(1000);
    eventually(TIMEOUT, "much waits for the replica", || {
        // Each a turn of its own, as clients send them that wait for their replies.
        for _ in 0..1000 {
            let _: i64 = primary.run(&["SETRANGE", "key:0", "0", &part]);
        }
        primary.number("mem_clients_slaves") > 3 << 20
    });
    replica.resume();
    assert_eq!((primary.number("evicted_keys"), primary.run::<i64>(&["DBSIZE"])), (0, 100));
    replica.wait_for_sync(&primary);
}
