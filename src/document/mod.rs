//! The engine's face: get, list, insert, save, delete, submit, cancel, rename, with permissions inside.

pub mod controller;
pub mod list;
pub mod work;

use std::sync::Arc;

use arc_swap::ArcSwap;
use serde_json::{Map, Value as Json};

pub use controller::{Controller, Controllers};
pub use list::{Cell, List, ListRequest};
pub use work::Work;

use crate::clock::Clock;
use crate::database::Database;
use crate::error::Result;
use crate::meta::{DocType, Document, Registry, Right};
use crate::permissions::{Grant, Session, UserAccess};

/// How child rows in an update are read (`Prefer: children=patch`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Children {
    /// The rows that come are the rows there are; others are deleted. As Frappe does.
    #[default]
    Replace,
    /// A row with `name` updates, one with `_delete: true` goes, others are added; the rest stay.
    Patch,
}

/// Every document of a site, under permissions. Cheap to clone.
#[derive(Clone)]
pub struct Documents(Arc<Inner>);

struct Inner {
    database: Database,
    registry: ArcSwap<Registry>,
    controllers: Controllers,
    clock: Clock,
    site_url: String,
}

impl Documents {
    /// Opens the documents of a site whose schema is in step with the registry.
    pub fn new(
        database: Database,
        registry: Registry,
        controllers: Controllers,
        clock: Clock,
        site_url: String,
    ) -> Self {
        let registry = ArcSwap::from_pointee(registry);
        Self(Arc::new(Inner { database, registry, controllers, clock, site_url }))
    }

    /// The DocTypes now in force.
    pub fn registry(&self) -> Arc<Registry> {
        self.0.registry.load_full()
    }

    /// Puts another set of DocTypes in force; caches that depend on the old one are dropped.
    pub fn set_registry(&self, registry: Registry) {
        self.0.registry.store(Arc::new(registry));
    }

    /// The DocType of that name, or `DoesNotExist`.
    pub fn doctype(&self, name: &str) -> Result<Arc<DocType>> {
        todo!("{name}")
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// The public URL of the site, without a trailing slash.
    pub fn site_url(&self) -> &str {
        &self.0.site_url
    }

    /// The controllers.
    pub fn controllers(&self) -> &Controllers {
        &self.0.controllers
    }

    /// The database, for schema work and health checks; documents are read and written through this type only.
    pub fn database(&self) -> &Database {
        &self.0.database
    }

    /// What decides about an enabled user's rights, cached until User, Role or User Permission change. `None`: no such user, or disabled.
    pub async fn access(&self, user: &str) -> Result<Option<Arc<UserAccess>>> {
        todo!("{user}")
    }

    /// What the session may do with documents of the DocType; `limited` and level masks included.
    pub fn grant(&self, session: &Session, doctype: &DocType) -> Grant {
        Grant::of(session, doctype)
    }

    /// Fails with `Permission` (or `InsufficientScope`, or `Authentication` for guests) unless the session has the right.
    pub fn check_permission(
        &self,
        session: &Session,
        doctype: &DocType,
        document: Option<&Document>,
        right: Right,
    ) -> Result<()> {
        todo!("{session:?}{}{document:?}{right:?}", doctype.name)
    }

    /// A document that the session may read (whole, with every level; [`Documents::to_json`] leaves out what may not be read).
    ///
    /// A document that exists but may not be read answers like one that does not exist, unless the session may read the DocType.
    pub async fn get(&self, session: &Session, doctype: &str, name: &str) -> Result<Arc<Document>> {
        todo!("{session:?}{doctype}{name}")
    }

    /// The same as the bytes of `{"data":{…}}`, from the cache where possible: the hot path of REST.
    pub async fn get_data(&self, session: &Session, doctype: &str, name: &str) -> Result<Arc<[u8]>> {
        todo!("{session:?}{doctype}{name}")
    }

    /// A document as this session may see it: levels it may not read are left out.
    pub fn to_json(&self, session: &Session, document: &Document) -> Map<String, Json> {
        todo!("{session:?}{document:?}")
    }

    /// A new document with its defaults filled in, not stored.
    pub async fn new_document(&self, session: &Session, doctype: &str) -> Result<Document> {
        todo!("{session:?}{doctype}")
    }

    /// A page of documents that the session may read.
    pub async fn list(&self, session: &Session, request: &ListRequest) -> Result<List> {
        todo!("{session:?}{request:?}")
    }

    /// How many documents that list would have without paging.
    pub async fn count(&self, session: &Session, request: &ListRequest) -> Result<u64> {
        todo!("{session:?}{request:?}")
    }

    /// Inserts a document from JSON: one transaction, the whole lifecycle.
    pub async fn insert(&self, session: &Session, doctype: &str, values: &Map<String, Json>) -> Result<Document> {
        todo!("{session:?}{doctype}{values:?}")
    }

    /// Merges JSON into a stored document and saves it. `modified` in the values switches the optimistic lock on;
    /// `docstatus` 1 or 2 submits or cancels.
    pub async fn update(
        &self,
        session: &Session,
        doctype: &str,
        name: &str,
        values: &Map<String, Json>,
        children: Children,
    ) -> Result<Document> {
        todo!("{session:?}{doctype}{name}{values:?}{children:?}")
    }

    /// Deletes a document; it stays readable as a Deleted Document.
    pub async fn delete(&self, session: &Session, doctype: &str, name: &str) -> Result<()> {
        todo!("{session:?}{doctype}{name}")
    }

    /// Draft → submitted.
    pub async fn submit(&self, session: &Session, doctype: &str, name: &str) -> Result<Document> {
        todo!("{session:?}{doctype}{name}")
    }

    /// Submitted → cancelled.
    pub async fn cancel(&self, session: &Session, doctype: &str, name: &str) -> Result<Document> {
        todo!("{session:?}{doctype}{name}")
    }

    /// Draft → cancelled, without ever being submitted.
    pub async fn discard(&self, session: &Session, doctype: &str, name: &str) -> Result<Document> {
        todo!("{session:?}{doctype}{name}")
    }

    /// A new draft from a cancelled document, with `amended_from`; not stored.
    pub async fn amend(&self, session: &Session, doctype: &str, name: &str) -> Result<Document> {
        todo!("{session:?}{doctype}{name}")
    }

    /// A new draft from a document, without its `no_copy` fields; not stored.
    pub async fn copy(&self, session: &Session, doctype: &str, name: &str) -> Result<Document> {
        todo!("{session:?}{doctype}{name}")
    }

    /// Renames a document and everything that refers to it; with `merge` into an existing one. Returns the new name.
    pub async fn rename(&self, session: &Session, doctype: &str, old: &str, new: &str, merge: bool) -> Result<String> {
        todo!("{session:?}{doctype}{old}{new}{merge}")
    }

    /// Calls a whitelisted document method through the DocType's controllers; the engine's own are `submit`, `cancel`,
    /// `discard`, `rename`. With `write`, the document is loaded for writing. `None`: no such method.
    pub async fn call(
        &self,
        session: &Session,
        doctype: &str,
        name: &str,
        method: &str,
        arguments: &Map<String, Json>,
        write: bool,
    ) -> Result<Option<Json>> {
        todo!("{session:?}{doctype}{name}{method}{arguments:?}{write}")
    }

    /// Begins a transaction for several steps. Dropping it undoes them; [`Work::commit`] makes them durable.
    pub async fn begin(&self, session: &Session) -> Result<Work<'_>> {
        todo!("{session:?}")
    }
}
