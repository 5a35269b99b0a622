//! A unit of work: one transaction on behalf of one session, with what must happen after its commit.

use serde_json::{Map, Value as Json};

use crate::document::list::{List, ListRequest};
use crate::document::{Children, Documents};
use crate::error::Result;
use crate::meta::{Document, Value};
use crate::permissions::Session;

/// One transaction. Dropping it rolls back.
pub struct Work<'a> {
    /// The documents it works on.
    pub documents: &'a Documents,
    /// On whose behalf; controllers act as [`Session::system`] through [`Work::as_system`].
    pub session: Session,
}

impl Work<'_> {
    /// The time of this work as documents store it; the same throughout.
    pub fn now(&self) -> &str {
        todo!()
    }

    /// A new document with its defaults.
    pub async fn new_document(&mut self, doctype: &str) -> Result<Document> {
        todo!("{doctype}")
    }

    /// A document that the session may read.
    pub async fn get(&mut self, doctype: &str, name: &str) -> Result<Document> {
        todo!("{doctype}{name}")
    }

    /// The same; `None` if it does not exist.
    pub async fn find(&mut self, doctype: &str, name: &str) -> Result<Option<Document>> {
        todo!("{doctype}{name}")
    }

    /// Rows under the session's permissions.
    pub async fn list(&mut self, request: &ListRequest) -> Result<List> {
        todo!("{request:?}")
    }

    /// Parses JSON into a document; problems are collected and reported by the save that follows.
    pub fn apply(&self, document: &mut Document, values: &Map<String, Json>, children: Children) -> Result<()> {
        todo!("{document:?}{values:?}{children:?}")
    }

    /// The whole lifecycle of an insert.
    pub async fn insert(&mut self, document: Document) -> Result<Document> {
        todo!("{document:?}")
    }

    /// The whole lifecycle of a save; its docstatus decides between save, submit, update after submit and cancel.
    pub async fn save(&mut self, document: Document) -> Result<Document> {
        todo!("{document:?}")
    }

    /// Deletes.
    pub async fn delete(&mut self, doctype: &str, name: &str) -> Result<()> {
        todo!("{doctype}{name}")
    }

    /// Writes columns as they stand, without validation and hooks but `on_change` (Frappe's `db_set`). Also for Single DocTypes.
    pub async fn set_values(&mut self, doctype: &str, name: &str, values: &[(&str, Value)]) -> Result<()> {
        todo!("{doctype}{name}{values:?}")
    }

    /// The plain text of a Password field; `None` if nothing is stored.
    pub async fn get_password(&mut self, doctype: &str, name: &str, fieldname: &str) -> Result<Option<String>> {
        todo!("{doctype}{name}{fieldname}")
    }

    /// Does something as the program itself.
    pub async fn as_system<T>(&mut self, act: impl AsyncFnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let session = std::mem::replace(&mut self.session, Session::system());
        let result = act(self).await;
        self.session = session;
        result
    }

    /// Runs something once the commit has succeeded.
    pub fn after_commit(&mut self, act: impl FnOnce() + Send + 'static) {
        drop(act);
    }

    /// Makes everything durable, drops what caches held of it, runs what waits for the commit.
    pub async fn commit(self) -> Result<()> {
        todo!()
    }
}
