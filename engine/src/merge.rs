//! Data that were loaded, and data that are there: both (DEBUG RELOAD NOFLUSH).
//!
//! # Invariants
//! - what cannot be merged changes nothing

use crate::engine::Engine;
use keyspace::db::Db;
use keyspace::table::hash_bytes;

/// What becomes of keys and libraries that are there and in what was loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Twice {
    /// What was loaded takes their place.
    Replace,
    /// Nothing is loaded.
    Refuse,
}

/// The name of a library, as its first line says it.
fn name_of(source: &[u8]) -> Vec<u8> {
    script::flags::of_library(source).map_or_else(|_| source.to_vec(), |library| library.name)
}

impl Engine {
    /// Puts what is there with what was loaded: both are in `dbs` and `functions` then, which are to
    /// [take the place](Engine::replace_data) of what is there. If that is refused, the reason comes back.
    pub fn merge_present(
        &mut self,
        dbs: &mut [Db],
        functions: &mut Vec<Vec<u8>>,
        twice: Twice,
    ) -> Result<(), String> {
        let loaded: Vec<Vec<u8>> = functions.iter().map(|source| name_of(source)).collect();
        let (both, mut others): (Vec<_>, Vec<_>) =
            self.function_sources().into_iter().partition(|one| loaded.contains(&name_of(one)));
        let is_in = |db: &Db, key: &[u8]| db.get(hash_bytes(key), key).is_some();
        if twice == Twice::Refuse {
            if let Some(source) = both.first() {
                let name = name_of(source);
                return Err(format!("library '{}' is there already", name.escape_ascii()));
            }
            for (present, loaded) in self.dbs.iter().zip(&*dbs) {
                if let Some(entry) = present.iter().find(|entry| is_in(loaded, entry.key())) {
                    return Err(format!("key '{}' is there already", entry.key().escape_ascii()));
                }
            }
        }
        for (present, loaded) in self.dbs.iter_mut().zip(dbs) {
            let others = present.iter().filter(|entry| !is_in(loaded, entry.key()));
            let keys: Vec<_> = others.map(|entry| (entry.key().to_vec(), entry.clock())).collect();
            for (key, clock) in keys {
                let removed = present.remove(hash_bytes(&key), &key).expect("it was seen");
                loaded.add_new(&key, removed.value, removed.expiry, clock);
            }
        }
        functions.append(&mut others);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::with;

    const ONE: &str = "#!lua name=one\nredis.register_function('f', function() return 1 end)";

    #[test]
    fn what_is_there_stays_beside_what_was_loaded_and_nothing_is_lost_if_that_is_refused() {
        let there = ["SET a 1", "SET both 1", "EXPIRE both 100", "RPUSH list x"];
        for twice in [Twice::Replace, Twice::Refuse] {
            let mut server = with(&there);
            let digest = server.run("DEBUG DIGEST");
            let mut dbs: Vec<Db> = server.engine.dbs.iter().map(|_| Db::new()).collect();
            dbs[0].add_new_bytes(b"both", b"2", None, 0);
            dbs[0].add_new_bytes(b"new", b"2", None, 0);
            let mut functions = vec![ONE.as_bytes().to_vec()];
            let merged = server.engine.merge_present(&mut dbs, &mut functions, twice);
            assert_eq!(merged.is_ok(), twice == Twice::Replace);
            if merged.is_err() {
                assert_eq!(server.run("DEBUG DIGEST"), digest);
                continue;
            }
            assert_eq!(server.engine.replace_data(dbs, functions, None), [""; 0]);
            for (line, reply) in [
                ("DBSIZE", "4"),
                ("GET both", "2"),
                ("TTL both", "-1"),
                ("GET a", "1"),
                ("LRANGE list 0 -1", "[x]"),
                ("GET new", "2"),
                ("FCALL f 0", "1"),
            ] {
                assert_eq!(server.run(line), reply, "{line}");
            }
            // The same library again is refused, or takes the place of the first.
            let mut dbs: Vec<Db> = server.engine.dbs.iter().map(|_| Db::new()).collect();
            let mut functions = vec![ONE.as_bytes().to_vec()];
            let refused = server.engine.merge_present(&mut dbs, &mut functions, Twice::Refuse);
            assert_eq!(refused, Err("library 'one' is there already".to_string()));
            server.engine.merge_present(&mut dbs, &mut functions, Twice::Replace).expect("merged");
            assert_eq!(functions.len(), 1);
        }
    }
}
