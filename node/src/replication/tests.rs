//! Data elsewhere, as two nodes do it with each other, and one with replicas that the test is.

mod adopt;
mod follow;
mod primary;
mod refused;
mod scripts;
mod waits;

use crate::testing::bench::Bench;

/// Says who it is, and asks for data.
fn introduced(bench: &mut Bench, psync: &str) -> usize {
    let slot = bench.connect();
    for request in ["REPLCONF listening-port 7000", "REPLCONF capa eof capa psync2"] {
        assert_eq!(bench.ask(slot, request), "+OK");
    }
    bench.say(slot, psync);
    slot
}

/// A replica that has got its snapshot by a full sync, and acknowledged it. The snapshot is thrown away.
fn synced(bench: &mut Bench) -> usize {
    let slot = introduced(bench, "PSYNC ? -1");
    bench.full_sync_runs();
    assert!(bench.hear(slot).starts_with("+FULLRESYNC "));
    acknowledge(bench, slot);
    slot
}

/// It has applied all that there is.
fn acknowledge(bench: &mut Bench, slot: usize) {
    let end = bench.node.host.journal.end();
    bench.say(slot, &format!("REPLCONF ACK {end}"));
}
