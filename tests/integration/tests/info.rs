//! INFO: the fields that dashboards read, and that they move with what happens.

use integration::{Node, Peer, TIMEOUT, eventually};
use std::collections::BTreeSet;

/// Names of the fields of INFO, without the numbers that some carry.
fn fields(node: &Node, section: &str) -> BTreeSet<String> {
    let text: String = node.run(&["INFO", section]);
    let names = text.lines().filter_map(|line| Some(line.split_once(':')?.0.to_owned()));
    names.filter(|name| !name.starts_with("cmdstat_")).collect()
}

#[test]
fn what_redis_shows_is_shown() {
    let options = [("save", ""), ("appendonly", "yes")];
    let ours = Node::start("node", &options);
    for peer in Peer::all() {
        let theirs = peer.start("peer", &options);
        for node in [&ours, &theirs] {
            node.run::<()>(&["SET", "key", "value", "EX", "1000"]);
            assert!(node.refused(&["NOPE"]).contains("unknown command"));
        }
        for section in ["default", "all", "everything"] {
            let (a, b) = (fields(&ours, section), fields(&theirs, section));
            let missing: Vec<_> = b.difference(&a).filter(|name| !is_later(name)).collect();
            assert!(missing.is_empty(), "INFO {section}: {missing:?}");
        }
        assert!(!fields(&ours, "default").contains("latency_percentiles_usec_set"));
        assert!(!fields(&ours, "everything").contains("eventloop_duration_max"));
    }
}

/// Commands that only they count: our client asks ours for the same, but the two were not started alike.
fn is_later(name: &str) -> bool {
    name.starts_with("latency_percentiles_usec_") && name != "latency_percentiles_usec_set"
}

/// The line of INFO that begins so.
fn line(node: &Node, section: &str, name: &str) -> Option<String> {
    let text: String = node.run(&["INFO", section]);
    text.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.to_owned()))
}

#[test]
fn latencies_have_the_percentiles_that_are_asked_for() {
    let node = Node::start("node", &[]);
    let of_set = || line(&node, "latencystats", "latency_percentiles_usec_set");
    node.run::<()>(&["SET", "a", "1"]);
    let usual = of_set().expect("tracked by default");
    let names: Vec<&str> = usual.split(',').filter_map(|p| Some(p.split_once('=')?.0)).collect();
    assert_eq!(names, ["p50", "p99", "p99.9"]);
    node.run::<()>(&["CONFIG", "SET", "latency-tracking-info-percentiles", "0 100"]);
    let text = of_set().expect("with others");
    assert!(text.starts_with("p0=") && text.contains(",p100="), "{text}");
    node.run::<()>(&["CONFIG", "RESETSTAT"]);
    assert_eq!(of_set(), None);
    node.run::<()>(&["CONFIG", "SET", "latency-tracking", "no"]);
    node.run::<()>(&["SET", "a", "1"]);
    assert_eq!(of_set(), None);
    // What takes long is seen to take long.
    node.run::<()>(&["CONFIG", "SET", "latency-tracking", "yes"]);
    node.run::<()>(&["DEBUG", "SLEEP", "0.02"]);
    let text = line(&node, "latencystats", "latency_percentiles_usec_debug").expect("tracked");
    let longest = text.split("p100=").nth(1).and_then(|us| us.parse::<f64>().ok());
    assert!(longest.is_some_and(|us| us >= 20_000.0), "{text}");
}

#[test]
fn errors_are_counted_by_their_prefix_where_they_happen() {
    let node = Node::start("node", &[]);
    let errors = |prefix: &str| line(&node, "errorstats", &format!("errorstat_{prefix}"));
    node.run::<()>(&["LPUSH", "list", "a"]);
    node.refused(&["GET", "list"]);
    node.refused(&["GET"]);
    assert_eq!(errors("WRONGTYPE").as_deref(), Some("count=1"));
    assert_eq!(errors("ERR").as_deref(), Some("count=1"));
    // In a transaction too.
    node.refused(&["AUTH", "default", "wrong", "more"]);
    assert_eq!(errors("ERR").as_deref(), Some("count=2"));
    let mut connection = node.connect();
    let reply: redis::RedisResult<redis::Value> =
        redis::pipe().atomic().cmd("INCR").arg("list").query(&mut connection);
    assert!(reply.is_err());
    assert_eq!(errors("WRONGTYPE").as_deref(), Some("count=2"));
    // A client that waits and is told to stop by an error.
    let mut waiting = node.connect();
    let id: i64 = redis::cmd("CLIENT").arg("ID").query(&mut waiting).expect("an id");
    let wait = std::thread::spawn(move || {
        redis::cmd("BLPOP").arg("none").arg(0).query::<redis::Value>(&mut waiting)
    });
    eventually(TIMEOUT, "a client waits", || node.number("blocked_clients") == 1);
    node.run::<()>(&["CLIENT", "UNBLOCK", &id.to_string(), "ERROR"]);
    assert!(wait.join().expect("it ends").is_err());
    assert_eq!(errors("UNBLOCKED").as_deref(), Some("count=1"));
    let calls = line(&node, "commandstats", "cmdstat_blpop").expect("counted");
    assert!(calls.starts_with("calls=1,") && calls.ends_with("failed_calls=1"), "{calls}");
    let all = node.number("total_error_replies");
    node.run::<()>(&["CONFIG", "RESETSTAT"]);
    assert!(all >= 5 && node.number("total_error_replies") == 0 && errors("ERR").is_none());
}

#[test]
fn figures_of_the_main_thread_move_with_its_work() {
    let node = Node::start("node", &[("save", "")]);
    let names = [
        "eventloop_cycles",
        "eventloop_duration_sum",
        "eventloop_duration_cmd_sum",
        "total_reads_processed",
        "total_writes_processed",
    ];
    let before = names.map(|name| node.number(name));
    let busy = || -> f64 {
        let parts = ["used_cpu_sys_main_thread", "used_cpu_user_main_thread"];
        parts.map(|name| node.info(name).parse::<f64>().expect("seconds")).iter().sum()
    };
    let busy_before = busy();
    for _ in 0..4 {
        node.run::<()>(&["DEBUG", "POPULATE", "20000"]);
        node.run::<()>(&["FLUSHALL"]);
    }
    let after = names.map(|name| node.number(name));
    for ((name, before), after) in names.iter().zip(before).zip(after) {
        assert!(after > before, "{name}: {before}, {after}");
    }
    assert!(busy() > busy_before);
    let threads = |text: &str| line(&node, "threads", text).unwrap_or_default();
    assert!(threads("thread0").starts_with("name=tidemark-server"), "{}", threads("thread0"));
    assert!(node.number("eventloop_duration_sum") >= 0);
}

#[test]
fn time_above_maxmemory_is_told() {
    let node = Node::start("node", &[("save", ""), ("maxmemory", "1")]);
    assert!(node.refused(&["SET", "a", "1"]).contains("OOM"));
    eventually(TIMEOUT, "time passes", || node.number("current_eviction_exceeded_time") > 0);
    node.run::<()>(&["CONFIG", "SET", "maxmemory", "0"]);
    node.run::<()>(&["SET", "a", "1"]);
    assert_eq!(node.number("current_eviction_exceeded_time"), 0);
    assert!(node.number("total_eviction_exceeded_time") > 0);
}

#[test]
fn keys_that_replicas_expire_themselves_and_stale_ones_are_counted() {
    let primary = Node::start("primary", &[("save", "")]);
    let replica = Node::start("replica", &[("save", ""), ("replica-read-only", "no")]);
    replica.follow(&primary);
    replica.wait_for_sync(&primary);
    replica.run::<()>(&["SET", "own", "1", "EX", "1000"]);
    assert_eq!(replica.number("slave_expires_tracked_keys"), 1);
    primary.run::<()>(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    for n in 0..10 {
        primary.run::<()>(&["SET", &format!("soon{n}"), "1", "PX", "1"]);
        primary.run::<()>(&["SET", &format!("late{n}"), "1", "EX", "1000"]);
    }
    eventually(TIMEOUT, "half of the keys are past their time", || {
        let percent: f64 = primary.info("expired_stale_perc").parse().expect("a number");
        percent > 0.0 && percent < 100.0
    });
    let payload: Vec<u8> = primary.run(&["DUMP", "late1"]);
    let mut connection = primary.connect();
    let restore = redis::cmd("RESTORE").arg("copy").arg(0).arg(payload).query(&mut connection);
    restore.map(|(): ()| ()).expect("restored");
    assert_eq!(primary.number("dump_payload_sanitizations"), 1);
}
