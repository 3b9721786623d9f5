//! Clients that mean harm, or are only slow: what they can make the server do, and keep, stays in bounds.

use integration::data::command;
use integration::{Node, TIMEOUT, eventually};

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
