//! Whole documents in memory, as they are sent: dropped exactly when a commit changes them.

use std::any::Any;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::meta::{Document, View};

/// How many bytes of documents are kept.
const CAPACITY: u64 = 12 * 1024 * 1024;
/// Into how many parts the cache is cut, so that a write holds up few readers.
const SHARDS: usize = 64;

/// A document with the answers made from it.
#[derive(Debug)]
pub(super) struct Cached {
    /// The document, child rows included.
    pub document: Arc<Document>,
    /// `{"data":…}` by what of it is seen and how; most DocTypes have one.
    answers: Mutex<Vec<(View, Bytes)>>,
    /// The typed view of it, if one was asked for.
    typed: Mutex<Option<Arc<dyn Any + Send + Sync>>>,
}

impl Cached {
    /// A document that is not kept.
    pub(super) fn once(document: Arc<Document>) -> Self {
        Self { document, answers: Mutex::default(), typed: Mutex::default() }
    }

    /// The typed view that is kept, if it still `holds`, or else one that is made now and kept.
    pub(super) fn typed<T: Any + Send + Sync>(
        &self,
        holds: impl FnOnce(&T) -> bool,
        make: impl FnOnce(&Document) -> T,
    ) -> Arc<T> {
        let kept = self.typed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(view) = kept.and_then(|view| view.downcast::<T>().ok()).filter(|view| holds(view)) {
            return view;
        }
        let view = Arc::new(make(&self.document));
        *self.typed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::<T>::clone(&view));
        view
    }

    /// The answer for readers with this view, made on first use.
    pub(super) fn answer(&self, view: View, make: impl FnOnce(&Document) -> Bytes) -> Bytes {
        let known = |answers: &[(View, Bytes)]| {
            answers.iter().find(|(known, _)| *known == view).map(|(_, bytes)| bytes.clone())
        };
        if let Some(bytes) = known(&self.answers.lock().unwrap_or_else(PoisonError::into_inner)) {
            return bytes;
        }
        // Made without the lock, for it may take long: at worst twice.
        let bytes = make(&self.document);
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if known(&answers).is_none() {
            answers.push((view, bytes.clone()));
        }
        bytes
    }
}

/// The cache. A load that overlaps a write is not kept.
#[derive(Debug)]
pub(super) struct DocumentCache {
    documents: moka::sync::Cache<String, Arc<Cached>>,
    /// How many writes each part has seen; guards "read, then keep" against a write in between.
    writes: Vec<Mutex<u64>>,
}

/// What a reader takes before it reads, to hand in with what it read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket {
    shard: usize,
    writes: u64,
}

impl DocumentCache {
    pub(super) fn new() -> Self {
        let documents = moka::sync::Cache::builder()
            .max_capacity(CAPACITY)
            .weigher(|key: &String, cached: &Arc<Cached>| {
                u32::try_from(key.len() + weight(&cached.document)).unwrap_or(u32::MAX)
            })
            .build();
        Self { documents, writes: (0..SHARDS).map(|_| Mutex::new(0)).collect() }
    }

    pub(super) fn get(&self, doctype: &str, name: &str) -> Option<Arc<Cached>> {
        self.documents.get(&key(doctype, name))
    }

    /// To be taken before the database is read.
    pub(super) fn ticket(&self, doctype: &str, name: &str) -> Ticket {
        let shard = shard(&key(doctype, name));
        Ticket { shard, writes: *self.lock(shard) }
    }

    /// Keeps a document unless something in its part was written since the ticket was taken.
    pub(super) fn keep(&self, ticket: Ticket, doctype: &str, name: &str, document: Arc<Document>) -> Arc<Cached> {
        let cached = Arc::new(Cached::once(document));
        let writes = self.lock(ticket.shard);
        if *writes == ticket.writes {
            self.documents.insert(key(doctype, name), Arc::clone(&cached));
        }
        cached
    }

    /// Forgets a document: called once its change is committed, before the writer gets an answer.
    pub(super) fn drop_document(&self, doctype: &str, name: &str) {
        let key = key(doctype, name);
        let mut writes = self.lock(shard(&key));
        *writes += 1;
        self.documents.invalidate(&key);
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        for shard in 0..SHARDS {
            *self.lock(shard) += 1;
        }
        self.documents.invalidate_all();
    }

    fn lock(&self, shard: usize) -> std::sync::MutexGuard<'_, u64> {
        self.writes[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(doctype: &str, name: &str) -> String {
    let mut key = String::with_capacity(doctype.len() + name.len() + 1);
    key.push_str(doctype);
    key.push('\0');
    key.push_str(name);
    key
}

fn shard(key: &str) -> usize {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    usize::try_from(hasher.finish() % SHARDS as u64).unwrap_or(0)
}

/// About how many bytes a document takes here, with one answer made from it.
fn weight(document: &Document) -> usize {
    let own: usize = document.values.iter().map(|value| 32 + value.text().len() * 2 + 24).sum();
    own + document.tables.iter().flatten().map(weight).sum::<usize>()
}
