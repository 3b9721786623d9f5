//! Counters of a node beside the engine's own, for INFO.

/// Counters of the outside; see INFO.
#[derive(Default)]
pub struct HostStats {
    /// Connections that were let in.
    pub connections: u64,
    /// Connections that were not.
    pub rejected_connections: u64,
    /// Bytes from clients.
    pub input_bytes: u64,
    /// Bytes to clients and replicas.
    pub output_bytes: u64,
    /// Bytes from our primary.
    pub repl_input_bytes: u64,
    /// Bytes to replicas.
    pub repl_output_bytes: u64,
    /// Full syncs that replicas asked for.
    pub sync_full: u64,
    /// Partial syncs granted.
    pub sync_partial_ok: u64,
    /// Partial syncs refused.
    pub sync_partial_err: u64,
    /// Clients closed for a request without end.
    pub query_buffer_limit_disconnections: u64,
    /// Clients closed that did not read.
    pub output_buffer_limit_disconnections: u64,
    /// Clients closed for want of memory.
    pub evicted_clients: u64,
    /// Reads from sockets that brought something.
    pub reads: u64,
    /// Writes to sockets that took something.
    pub writes: u64,
    /// Sweeps for expired keys that had no time left.
    pub sweeps_cut_short: u64,
    /// Time spent on removing expired keys, microseconds.
    pub sweep_us: u64,
}

impl HostStats {
    /// Bytes received in all: from clients, and from the primary.
    pub fn all_input_bytes(&self) -> u64 {
        self.input_bytes + self.repl_input_bytes
    }

    /// Bytes came from the primary.
    pub fn note_link_input(&mut self, bytes: usize) {
        self.repl_input_bytes += bytes as u64;
        self.reads += 1;
    }
}

/// Of the last second.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rates {
    /// Commands.
    pub commands: u64,
    /// Bytes from clients and from the primary.
    pub input_bytes: u64,
    /// Bytes to clients and replicas.
    pub output_bytes: u64,
    /// Bytes from the primary.
    pub repl_input_bytes: u64,
    /// Bytes to replicas.
    pub repl_output_bytes: u64,
    /// Cycles of the event loop.
    pub cycles: u64,
    /// The time that one took, on average, microseconds.
    pub cycle_us: u64,
    /// What the counters were when it ended.
    pub(crate) totals: [u64; 7],
}
