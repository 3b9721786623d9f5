//! The thread that frees big values, so that the executing thread does not wait for the allocator.

use keyspace::db::Db;
use keyspace::entry::Value;
use node::world::Freeing;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

/// What is to be freed.
type Garbage = (Vec<Value>, Vec<Db>, usize);

/// The way to the thread.
pub struct LazyFree {
    sender: mpsc::Sender<Garbage>,
    pending: Arc<AtomicU64>,
    pending_bytes: Arc<AtomicUsize>,
    freed: Arc<AtomicU64>,
}

impl LazyFree {
    /// Starts the thread. It ends with the process.
    pub fn start() -> LazyFree {
        let (sender, receiver) = mpsc::channel::<Garbage>();
        let pending = Arc::new(AtomicU64::new(0));
        let pending_bytes = Arc::new(AtomicUsize::new(0));
        let (counter, bytes) = (Arc::clone(&pending), Arc::clone(&pending_bytes));
        let freed = Arc::new(AtomicU64::new(0));
        let done = Arc::clone(&freed);
        std::thread::Builder::new()
            .name("lazy-free".into())
            .spawn(move || {
                for garbage in receiver {
                    let (values, dbs, size) = garbage;
                    let count = (values.len() + dbs.len()) as u64;
                    drop((values, dbs));
                    bytes.fetch_sub(size, Ordering::Relaxed);
                    counter.fetch_sub(count, Ordering::Relaxed);
                    done.fetch_add(count, Ordering::Relaxed);
                }
            })
            .expect("a thread can be started");
        LazyFree { sender, pending, pending_bytes, freed }
    }

    /// Frees values and databases in the background. `bytes`: what those of them take that were given up for want of
    /// memory.
    pub fn free(&self, values: Vec<Value>, dbs: Vec<Db>, bytes: usize) {
        self.pending_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.pending.fetch_add((values.len() + dbs.len()) as u64, Ordering::Relaxed);
        // If the thread is gone the process is ending, and the values are freed right here.
        let _ = self.sender.send((values, dbs, bytes));
    }

    /// What there is still to free, and what was freed in all.
    pub fn figures(&self) -> Freeing {
        Freeing {
            pending_bytes: self.pending_bytes.load(Ordering::Relaxed),
            pending: self.pending.load(Ordering::Relaxed),
            freed: self.freed.load(Ordering::Relaxed),
        }
    }
}
