//! Whole documents in memory, as they are sent: dropped exactly when a commit changes them.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use serde_json::{Map, Value as Json};

use crate::document::kept::Kept;
use crate::meta::{Document, View};
use crate::secret;

/// Characters of the digest in a version.
const DIGEST: usize = 16;
/// How many bytes of documents are kept.
const CAPACITY: u64 = 12 * 1024 * 1024;

/// A document as it is sent, in the envelope of its answer.
#[derive(Clone, Debug)]
pub(crate) struct Data {
    /// `{"data":{…}}`.
    pub bytes: Bytes,
    /// `2026-11-28T08:06:07.348842-<digest>`: when the document was changed last, and what of it is seen. `None` of what has no
    /// time of its last change.
    pub version: Option<Arc<str>>,
}

impl Data {
    /// Of a document in JSON.
    pub(crate) fn of(document: Map<String, Json>) -> Self {
        let modified = document.get("modified").and_then(Json::as_str).filter(|time| !time.is_empty());
        let modified = modified.map(|time| time.replace(' ', "T"));
        let answer = Json::Object(Map::from_iter([("data".to_owned(), Json::Object(document))]));
        let bytes = Bytes::from(answer.to_string());
        let version = modified.map(|time| format!("{time}-{}", &secret::hex(&secret::sha256(&bytes))[..DIGEST]).into());
        Self { bytes, version }
    }
}

/// A document with the answers made from it.
#[derive(Debug)]
pub(super) struct Cached {
    /// The document, child rows included.
    pub document: Arc<Document>,
    /// `{"data":…}` by what of it is seen and how; most DocTypes have one.
    answers: Mutex<Vec<(View, Data)>>,
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
    pub(super) fn answer(&self, view: View, make: impl FnOnce(&Document) -> Data) -> Data {
        let known =
            |answers: &[(View, Data)]| answers.iter().find(|(known, _)| *known == view).map(|(_, data)| data.clone());
        if let Some(data) = known(&self.answers.lock().unwrap_or_else(PoisonError::into_inner)) {
            return data;
        }
        // Made without the lock, for it may take long: at worst twice.
        let data = make(&self.document);
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if known(&answers).is_none() {
            answers.push((view, data.clone()));
        }
        data
    }
}

/// The cache of whole documents.
pub(super) type DocumentCache = Kept<Arc<Cached>>;

/// An empty cache.
pub(super) fn new() -> DocumentCache {
    let documents = moka::sync::Cache::builder()
        .max_capacity(CAPACITY)
        .weigher(|key: &String, cached: &Arc<Cached>| {
            u32::try_from(key.len() + weight(&cached.document)).unwrap_or(u32::MAX)
        })
        .build();
    Kept::new(documents)
}

/// The key of a document.
pub(super) fn key(doctype: &str, name: &str) -> String {
    let mut key = String::with_capacity(doctype.len() + name.len() + 1);
    key.push_str(doctype);
    key.push('\0');
    key.push_str(name);
    key
}

/// About how many bytes a document takes here, with one answer made from it.
fn weight(document: &Document) -> usize {
    let own: usize = document.values.iter().map(|value| 32 + value.text().len() * 2 + 24).sum();
    own + document.tables.iter().flatten().map(weight).sum::<usize>()
}
