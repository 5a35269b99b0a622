//! The engine's face: get, list, insert, save, delete, submit, cancel, rename, with permissions inside.

mod access;
mod cache;
mod call;
pub(crate) mod changes;
mod committed;
pub(crate) mod controller;
mod copy;
pub(crate) mod defaults;
pub(crate) mod explain;
pub(crate) mod find;
mod formulas;
pub(crate) mod guard;
mod input;
mod json;
pub(crate) mod kept;
mod levels;
mod lifecycle;
mod link_target;
mod links;
pub(crate) mod list;
mod load;
mod markdown;
pub(crate) mod method;
mod naming;
pub(crate) mod password;
pub(crate) mod queue;
mod read;
mod rename;
pub(crate) mod report;
pub(crate) mod reseal;
pub(crate) mod restore;
pub(crate) mod scope;
pub(crate) mod search;
mod store;
mod stored_rows;
mod transition;
mod tree;
mod validate;
mod version;
pub(crate) mod view;
pub(crate) mod work;
pub(crate) mod workflow;

use std::sync::Arc;

use arc_swap::ArcSwap;
use serde_json::{Map, Value as Json};
use tokio::sync::watch;

pub(crate) use controller::{Controller, Controllers, DocEvent, DocEvents};
pub use list::ListRequest;
pub(crate) use list::{Cell, List, Position};
pub(crate) use work::Work;

use crate::clock::{Clock, Zone};
use crate::database::Database;
pub(crate) use crate::document::cache::Data;
use crate::document::cache::DocumentCache;
use crate::document::kept::Kept;
use crate::document::workflow::Workflows;
use crate::error::{Error, Result};
use crate::meta::{DocType, Document, Registry, Right, View};
use crate::pace;
use crate::permissions::{Grant, Session, TimesIn, UserAccess};
use crate::secret::SiteKey;

/// The Single that holds what is true of the whole site.
const SYSTEM_SETTINGS: &str = "System Settings";

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
    site_key: SiteKey,
    site_url: String,
    max_rows: usize,
    cache: DocumentCache,
    access: Kept<Arc<UserAccess>>,
    workflows: Workflows,
    zone: ArcSwap<Zone>,
    /// Changes when another process may have put definitions in force.
    definitions: watch::Sender<()>,
    /// Changes when jobs were put into the queue or changed.
    jobs: watch::Sender<()>,
    /// Changes when documents were written.
    writes: watch::Sender<()>,
}

impl Documents {
    /// Opens the documents of a site whose schema is in step with the registry.
    pub fn new(
        database: Database,
        registry: Registry,
        controllers: Controllers,
        clock: Clock,
        site_key: SiteKey,
        site_url: String,
        max_rows: usize,
    ) -> Self {
        Self(Arc::new(Inner {
            database,
            registry: ArcSwap::from_pointee(registry),
            controllers,
            clock,
            site_key,
            site_url,
            max_rows,
            cache: cache::new(),
            access: Kept::new(moka::sync::Cache::new(10_000)),
            workflows: Workflows::default(),
            zone: ArcSwap::from_pointee(Zone::UTC),
            definitions: watch::Sender::new(()),
            jobs: watch::Sender::new(()),
            writes: watch::Sender::new(()),
        }))
    }

    /// The DocTypes now in force.
    pub fn registry(&self) -> Arc<Registry> {
        self.0.registry.load_full()
    }

    /// Puts another set of DocTypes in force; caches that depend on the old one are dropped.
    pub fn set_registry(&self, registry: Registry) {
        self.0.registry.store(Arc::new(registry));
        self.database().metrics().reloads.count();
        self.database().note_everything_written();
        self.0.cache.clear();
        self.0.access.clear();
    }

    /// The DocType of that name, or `DoesNotExist`.
    pub fn doctype(&self, name: &str) -> Result<Arc<DocType>> {
        self.0.registry.load().get(name).cloned().ok_or_else(|| Error::does_not_exist("DocType", name))
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// The zone of the site, from System Settings.
    pub fn site_zone(&self) -> Zone {
        **self.0.zone.load()
    }

    /// The zone in which the session reads and writes datetimes.
    pub fn zone(&self, session: &Session) -> Zone {
        match session.times_in {
            TimesIn::Utc => Zone::UTC,
            TimesIn::Site => self.site_zone(),
            TimesIn::Own => self.own_zone(session),
        }
    }

    /// The zone of the person, for pages that show them times; the site's where they chose none.
    pub fn own_zone(&self, session: &Session) -> Zone {
        session.access.time_zone.unwrap_or_else(|| self.site_zone())
    }

    /// Reads the zone of the site anew: once at the start, and whenever the settings were written.
    pub async fn load_zone(&self) -> Result<()> {
        if self.registry().get(SYSTEM_SETTINGS).is_none() {
            return Ok(());
        }
        let settings = self.get_uncached(&Session::system(), SYSTEM_SETTINGS, SYSTEM_SETTINGS).await?;
        let zone = Zone::parse(settings.text("time_zone")).unwrap_or_default();
        if zone != self.site_zone() {
            self.0.zone.store(Arc::new(zone));
        }
        Ok(())
    }

    fn surroundings<'a>(&'a self, session: &'a Session) -> defaults::Surroundings<'a> {
        defaults::Surroundings { session, clock: self.clock(), zone: self.zone(session) }
    }

    /// The key that seals Password fields.
    pub fn site_key(&self) -> &SiteKey {
        &self.0.site_key
    }

    /// The public URL of the site, without a trailing slash.
    pub fn site_url(&self) -> &str {
        &self.0.site_url
    }

    /// How many child rows a document and a request may have.
    pub fn max_rows(&self) -> usize {
        self.0.max_rows
    }

    /// The controllers.
    pub fn controllers(&self) -> &Controllers {
        &self.0.controllers
    }

    /// The database, for schema work and health checks; documents are read and written through this type only.
    pub fn database(&self) -> &Database {
        &self.0.database
    }

    /// The workflows in force.
    pub(crate) fn workflows(&self) -> &Workflows {
        &self.0.workflows
    }

    /// How many documents are kept in memory.
    pub(crate) fn cached_documents(&self) -> u64 {
        self.0.cache.len()
    }

    /// What the session may do with documents of the DocType; `limited` and level masks included.
    pub fn grant(&self, session: &Session, doctype: &DocType) -> Grant {
        Grant::of(session, doctype)
    }

    /// A document as this session may see it: levels it may not read are left out.
    pub fn to_json(&self, session: &Session, document: &Document) -> Map<String, Json> {
        let view = self.view(session, document);
        pace::aside(document.has_many_rows(), || document.to_json(view))
    }

    /// What the session sees of a document that it may read.
    pub fn view(&self, session: &Session, document: &Document) -> View {
        let zone = self.zone(session);
        if session.is_administrator() {
            return View { zone, ..View::WHOLE };
        }
        // A row has the levels of its parent.
        let parent = document.doctype.istable.then(|| self.0.registry.load().get(document.text("parenttype")).cloned());
        let doctype = parent.flatten();
        // Whoever may read a document at all, by a share for example, reads level 0.
        let grant = self.grant(session, doctype.as_ref().unwrap_or(&document.doctype));
        View { levels: grant.read_levels | 1, unmasked: grant.unmasked, zone }
    }

    /// A new document with its defaults filled in, not stored.
    #[expect(clippy::unused_async, reason = "defaults may come from the database one day; callers await every step")]
    pub async fn new_document(&self, session: &Session, doctype: &str) -> Result<Document> {
        let doctype = self.doctype(doctype)?;
        self.check_permission(session, &doctype, None, Right::Create)?;
        Ok(defaults::new_document(&doctype, &self.surroundings(session)))
    }

    /// Begins a transaction for several steps. Dropping it undoes them; [`Work::commit`] makes them durable.
    pub async fn begin(&self, session: &Session) -> Result<Work<'_>> {
        Work::begin(self, session).await
    }

    /// The same to read several things only: it holds neither a transaction nor SQLite's one writer, and cannot change anything.
    pub fn reading(&self, session: &Session) -> Work<'_> {
        Work::reading(self, session)
    }

    /// Inserts a document from JSON: one transaction, the whole lifecycle.
    ///
    /// `name` (or `__newname`) counts where the naming rule lets people choose; `docstatus` 1 submits at once.
    pub async fn insert(&self, session: &Session, doctype: &str, values: &Map<String, Json>) -> Result<Document> {
        let doctype = self.doctype(doctype)?;
        self.check_permission(session, &doctype, None, Right::Create)
            .or_else(|error| if doctype.istable { Ok(()) } else { Err(error) })?;
        let mut work = self.begin(session).await?;
        let document = work.insert_json(&doctype, values, false).await?;
        work.commit().await?;
        Ok(document)
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
        let mut work = self.begin(session).await?;
        let document = work.update_json(doctype, name, values, children).await?;
        work.commit().await?;
        Ok(document)
    }

    /// Deletes a document; it stays readable as a Deleted Document.
    pub async fn delete(&self, session: &Session, doctype: &str, name: &str) -> Result<()> {
        let mut work = self.begin(session).await?;
        work.remove(doctype, name).await?;
        work.commit().await
    }

    /// Draft → submitted.
    pub async fn submit(&self, session: &Session, doctype: &str, name: &str) -> Result<Document> {
        self.update(session, doctype, name, &call::docstatus(1), Children::Patch).await
    }

    /// Submitted → cancelled.
    pub async fn cancel(&self, session: &Session, doctype: &str, name: &str) -> Result<Document> {
        self.update(session, doctype, name, &call::docstatus(2), Children::Patch).await
    }

    /// Draft → cancelled, without ever being submitted.
    pub async fn discard(&self, session: &Session, doctype: &str, name: &str) -> Result<Document> {
        let mut work = self.begin(session).await?;
        let document = work.discard(doctype, name).await?;
        work.commit().await?;
        Ok(document)
    }

    /// Renames a document and everything that refers to it; with `merge` into an existing one. Returns the new name.
    pub async fn rename(&self, session: &Session, doctype: &str, old: &str, new: &str, merge: bool) -> Result<String> {
        let mut work = self.begin(session).await?;
        let name = work.rename(doctype, old, new, merge).await?;
        work.commit().await?;
        Ok(name)
    }
}

#[cfg(test)]
mod tests {
    //! Futures of the engine are sent between threads.

    use super::*;

    fn check<T: Send>(_: T) {}

    #[expect(dead_code, reason = "compiling it is the test")]
    fn futures_are_send(documents: &Documents, session: &Session, values: &Map<String, Json>) {
        check(documents.insert(session, "X", values));
        check(documents.update(session, "X", "x", values, Children::Replace));
        check(documents.delete(session, "X", "x"));
        check(documents.rename(session, "X", "x", "y", false));
        check(documents.get_data(session, "X", "x"));
        check(documents.call(session, "X", "x", "m", values, true));
    }
}
