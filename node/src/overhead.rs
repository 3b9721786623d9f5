//! What memory is used for besides data: for INFO, MEMORY STATS and MEMORY DOCTOR.

use crate::node::Outside;
use crate::world::Memory;
use engine::{Engine, Session};

/// Bytes of an expiry inside a key's block.
const EXPIRY_BYTES: usize = 8;
/// Below this use nothing can be said about ratios.
const TOO_LITTLE: usize = 5 << 20;
/// What one client, and all replicas, may hold without being worth a word.
const CLIENT_BYTES: usize = 200 << 10;
const REPLICAS_BYTES: usize = 10 << 20;
/// How much memory must be concerned before a ratio is worth a word.
const NOTABLE: i64 = 10 << 20;

/// A database that holds keys.
pub struct DbOverhead {
    /// Its number.
    pub index: usize,
    /// Its table.
    pub table: usize,
    /// Expiries, in the blocks of their keys.
    pub expiries: usize,
}

/// Who uses how many bytes.
pub struct Overhead {
    /// What allocator and system say.
    pub figures: Memory,
    /// The most that was in use.
    pub peak: usize,
    /// In use before there were data.
    pub startup: usize,
    /// The journal as far as it is the backlog.
    pub backlog: usize,
    /// The journal beyond it, while there are replicas.
    pub replicas: usize,
    /// Buffers and state of clients that are no replicas.
    pub clients: usize,
    /// What waits to be appended to the file.
    pub aof_buffer: usize,
    /// Databases that hold keys.
    pub dbs: Vec<DbOverhead>,
    /// All keys.
    pub keys: usize,
    replica_count: usize,
    client_count: usize,
}

impl Overhead {
    /// As it is now; the session that asks is not in its slot.
    pub fn of(host: &Outside, engine: &Engine, executing: &Session) -> Overhead {
        let figures = host.world.memory();
        let held = host.journal.memory_bytes();
        let replica_count = host.replication.primary.feeds().count();
        let sending: usize =
            host.replication.primary.feeds().map(|(_, feed)| feed.held_bytes()).sum();
        let backlog = match replica_count {
            0 => held,
            _ => held.min(host.settings.repl_backlog_size as usize),
        };
        let mut clients = (0, 0);
        for (slot, client) in host.clients.iter() {
            let session = match slot == executing.slot {
                true => Some(executing),
                false => engine.session(slot),
            };
            if let Some(session) = session
                && host.replication.primary.feed(slot).is_none()
            {
                clients = (clients.0 + 1, clients.1 + client.memory_bytes(session));
            }
        }
        let aof = host.persistence.aof.as_ref();
        let dbs = engine.dbs.iter().enumerate().filter(|(_, db)| !db.is_empty());
        Overhead {
            figures,
            peak: figures.peak,
            startup: figures.at_start,
            backlog,
            replicas: held - backlog + sending,
            clients: clients.1,
            aof_buffer: aof.map_or(0, |aof| aof.thread.status().queued_bytes() as usize),
            dbs: dbs
                .map(|(index, db)| DbOverhead {
                    index,
                    table: db.table_bytes(),
                    expiries: db.expiring_len() * EXPIRY_BYTES,
                })
                .collect(),
            keys: engine.dbs.iter().map(keyspace::db::Db::len).sum(),
            replica_count,
            client_count: clients.0,
        }
    }

    /// All that is no data.
    pub fn total(&self) -> usize {
        let dbs: usize = self.dbs.iter().map(|db| db.table + db.expiries).sum();
        self.startup + self.backlog + self.replicas + self.clients + self.aof_buffer + dbs
    }

    /// What is left for the data.
    pub fn dataset(&self) -> usize {
        self.figures.used.saturating_sub(self.total())
    }

    /// In use beyond what there was at the start; never 0.
    fn net(&self) -> usize {
        self.figures.used.saturating_sub(self.startup).max(1)
    }

    /// The data's share of what was added since the start, percent.
    pub fn dataset_percent(&self) -> f64 {
        self.dataset() as f64 * 100.0 / self.net() as f64
    }

    /// Bytes for each key, all included.
    pub fn bytes_per_key(&self) -> usize {
        self.net().checked_div(self.keys).unwrap_or(0)
    }

    /// What is in use, of the most that was, percent.
    pub fn peak_percent(&self) -> f64 {
        self.figures.used as f64 * 100.0 / self.peak.max(1) as f64
    }

    /// Pages in use beyond what was given out.
    pub fn allocator_fragmentation(&self) -> Excess {
        Excess::of(self.figures.active, self.figures.used)
    }

    /// Pages that the allocator keeps beyond those in use.
    pub fn allocator_rss(&self) -> Excess {
        Excess::of(self.figures.resident, self.figures.active)
    }

    /// Memory of the process beyond the allocator's.
    pub fn rss(&self) -> Excess {
        Excess::of(self.figures.rss, self.figures.resident)
    }

    /// Memory of the process beyond what was given out.
    pub fn fragmentation(&self) -> Excess {
        Excess::of(self.figures.rss, self.figures.used)
    }

    /// What is worth a word, in sentences.
    pub fn report(&self) -> String {
        if self.figures.used < TOO_LITTLE {
            return "There is hardly any data here: nothing can be said about its use of memory.\n"
                .into();
        }
        let megabytes = |bytes: i64| bytes >> 20;
        let mut lines = Vec::new();
        if self.peak as f64 / self.figures.used as f64 > 1.5 {
            lines.push(format!(
                "Peak: {} MB were in use once, more than 1.5 times of today's {} MB. Ratios of fragmentation are high for \
                 that reason alone. MEMORY PURGE gives back what can be given back.",
                megabytes(self.peak as i64),
                megabytes(self.figures.used as i64)
            ));
        }
        for (excess, most, name, advice) in [
            (
                self.fragmentation(),
                1.4,
                "Memory of the process",
                "A peak, or values of changing sizes, leave such holes.",
            ),
            (
                self.allocator_fragmentation(),
                1.1,
                "Fragmentation inside the allocator",
                "Values of changing sizes leave such holes; new ones of like sizes fill them.",
            ),
            (
                self.allocator_rss(),
                1.1,
                "Free pages of the allocator",
                "MEMORY PURGE gives them back to the system.",
            ),
            (
                self.rss(),
                1.1,
                "Memory of the process beside the allocator",
                "This is code, stacks and mapped files.",
            ),
        ] {
            if excess.ratio > most && excess.bytes > NOTABLE {
                let (ratio, bytes) = (excess.ratio, megabytes(excess.bytes));
                lines.push(format!("{name}: {ratio:.2} times as much, {bytes} MB more. {advice}"));
            }
        }
        if self.replica_count > 0 && self.replicas > REPLICAS_BYTES {
            lines.push(format!(
                "Replicas: {} MB wait for them. One of them reads too slowly; INFO replication shows the lags.",
                megabytes(self.replicas as i64)
            ));
        }
        if self.client_count > 0 && self.clients / self.client_count > CLIENT_BYTES {
            lines.push(format!(
                "Clients: they hold {} KB each on average. CLIENT LIST shows which (tot-mem).",
                (self.clients / self.client_count) >> 10
            ));
        }
        if lines.is_empty() {
            return "Nothing is wrong with the use of memory here.\n".into();
        }
        let mut text = String::from("What stands out in the use of memory:\n\n");
        for line in lines {
            text += &format!(" * {line}\n\n");
        }
        text
    }
}

/// How much larger something is than something else.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Excess {
    /// As a ratio.
    pub ratio: f64,
    /// In bytes.
    pub bytes: i64,
}

impl Excess {
    fn of(larger: usize, smaller: usize) -> Excess {
        Excess {
            ratio: larger as f64 / smaller.max(1) as f64,
            bytes: larger as i64 - smaller as i64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quiet() -> Overhead {
        let mb = 1 << 20;
        Overhead {
            figures: Memory {
                used: 100 * mb,
                active: 102 * mb,
                resident: 105 * mb,
                rss: 108 * mb,
                ..Memory::default()
            },
            peak: 101 * mb,
            startup: mb,
            backlog: 2 * mb,
            replicas: 0,
            clients: 1024,
            aof_buffer: 0,
            dbs: vec![DbOverhead { index: 0, table: 10 * mb, expiries: 8 }],
            keys: 99,
            replica_count: 0,
            client_count: 1,
        }
    }

    #[test]
    fn the_parts_make_up_the_whole() {
        let overhead = quiet();
        assert_eq!(overhead.total(), (13 << 20) + 1024 + 8);
        assert_eq!(overhead.total() + overhead.dataset(), 100 << 20);
        assert_eq!(overhead.bytes_per_key(), 1 << 20);
    }

    #[test]
    fn the_report_names_what_stands_out() {
        assert!(quiet().report().starts_with("Nothing is wrong"));
        let mut empty = quiet();
        empty.figures.used = 1 << 20;
        assert!(empty.report().starts_with("There is hardly any data"));
        for (change, word) in [
            (&(|o: &mut Overhead| o.peak = 151 << 20) as &dyn Fn(&mut Overhead), "Peak"),
            (&|o| o.figures.active = 120 << 20, "Fragmentation inside"),
            (&|o| o.figures.resident = 120 << 20, "Free pages"),
            (&|o| o.figures.rss = 130 << 20, "beside the allocator"),
            (&|o| o.figures.rss = 150 << 20, "Memory of the process:"),
            (&|o| (o.replica_count, o.replicas) = (1, 11 << 20), "Replicas"),
            (&|o| o.clients = 201 << 10, "Clients"),
        ] {
            let mut changed = quiet();
            change(&mut changed);
            assert!(changed.report().contains(word), "{word}: {}", changed.report());
        }
    }
}
