//! [`Kept`]: values in memory that were read from the database, dropped when a commit changes what they were made from.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::document::Documents;

/// Into how many parts it is cut, so that what is dropped keeps few readers from keeping what they read.
const SHARDS: usize = 64;

/// A cache in which "read, then keep" holds against a write in between, by whichever node.
///
/// Whatever is read out of it counts only while everything that other nodes write is heard of.
pub(crate) struct Kept<V> {
    values: moka::sync::Cache<String, V>,
    /// How often something in each part was dropped.
    drops: Vec<Mutex<u64>>,
}

/// What a reader takes before it reads, to hand in with what it read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    shard: usize,
    drops: u64,
}

impl<V: Clone + Send + Sync + 'static> Kept<V> {
    /// In a cache with limits of its own.
    pub(crate) fn new(values: moka::sync::Cache<String, V>) -> Self {
        Self { values, drops: (0..SHARDS).map(|_| Mutex::new(0)).collect() }
    }

    /// What is kept under a key, unless something may have changed that is not known here yet.
    pub(crate) fn get(&self, documents: &Documents, key: &str) -> Option<V> {
        documents.hears_others().then(|| self.values.get(key)).flatten()
    }

    /// How many values are kept.
    pub(crate) fn len(&self) -> u64 {
        self.values.entry_count()
    }

    /// To be taken before the database is read.
    pub(crate) fn ticket(&self, key: &str) -> Ticket {
        let shard = shard(key);
        Ticket { shard, drops: *self.lock(shard) }
    }

    /// Keeps a value unless something in its part was dropped since the ticket was taken.
    pub(crate) fn keep(&self, ticket: Ticket, key: &str, value: V) {
        let drops = self.lock(ticket.shard);
        if *drops == ticket.drops {
            self.values.insert(key.to_owned(), value);
        }
    }

    /// Forgets a value: called once a change is committed, before the writer gets an answer.
    pub(crate) fn forget(&self, key: &str) {
        let mut drops = self.lock(shard(key));
        *drops += 1;
        self.values.invalidate(key);
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        for shard in 0..SHARDS {
            *self.lock(shard) += 1;
        }
        self.values.invalidate_all();
    }

    fn lock(&self, shard: usize) -> MutexGuard<'_, u64> {
        self.drops[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn shard(key: &str) -> usize {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    usize::try_from(hasher.finish() % SHARDS as u64).unwrap_or(0)
}
