//! The thread that frees big values, so that the executing thread does not wait for the allocator.

use keyspace::db::Db;
use keyspace::entry::Value;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

/// What is to be freed.
type Garbage = (Vec<Value>, Vec<Db>);

/// The way to the thread.
pub struct LazyFree {
    sender: mpsc::Sender<Garbage>,
    pending: Arc<AtomicU64>,
}

impl LazyFree {
    /// Starts the thread. It ends with the process.
    pub fn start() -> LazyFree {
        let (sender, receiver) = mpsc::channel::<Garbage>();
        let pending = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&pending);
        std::thread::Builder::new()
            .name("lazy-free".into())
            .spawn(move || {
                for garbage in receiver {
                    let count = (garbage.0.len() + garbage.1.len()) as u64;
                    drop(garbage);
                    counter.fetch_sub(count, Ordering::Relaxed);
                }
            })
            .expect("a thread can be started");
        LazyFree { sender, pending }
    }

    /// Frees values and databases in the background.
    pub fn free(&self, values: Vec<Value>, dbs: Vec<Db>) {
        self.pending.fetch_add((values.len() + dbs.len()) as u64, Ordering::Relaxed);
        // If the thread is gone the process is ending, and the values are freed right here.
        let _ = self.sender.send((values, dbs));
    }

    /// How many values wait to be freed.
    pub fn pending(&self) -> u64 {
        self.pending.load(Ordering::Relaxed)
    }
}
