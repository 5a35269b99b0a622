//! What follows a commit in memory: the same whether it was made here or at another node.

use std::sync::{Arc, Weak};

use async_trait::async_trait;
use tokio::sync::watch;

use crate::database::Written;
use crate::database::nodes::Ear;
use crate::document::queue::{BACKGROUND_JOB, SCHEDULED_JOB_TYPE};
use crate::document::workflow::{WORKFLOW, WORKFLOW_STATE};
use crate::document::{Documents, Inner, SYSTEM_SETTINGS, access, cache};
use crate::error::Result;
use crate::meta::Registry;

impl Documents {
    /// Whether what is kept in memory counts: nobody else writes, or everything that others write is heard of.
    pub(crate) fn hears_others(&self) -> bool {
        self.database().hears_others()
    }

    /// Listens to what other nodes write, for as long as these documents are used.
    pub(crate) fn listen(&self) {
        self.database().listen(Others(Arc::downgrade(&self.0)));
    }

    /// Changes whenever another node may have put definitions in force.
    pub(crate) fn definitions_elsewhere(&self) -> watch::Receiver<()> {
        self.0.definitions.subscribe()
    }

    /// Drops whatever was made from what a commit wrote, here or at another node.
    pub(super) fn forget(&self, written: &Written) {
        let registry = self.0.registry.load();
        self.note_written(&registry, written);
        for (doctype, name) in written.documents() {
            match name {
                Some(name) => self.0.cache.forget(&cache::key(doctype, name)),
                None => self.0.cache.clear(),
            }
            self.controllers().of(doctype).iter().for_each(|controller| controller.forget(name));
        }
        if written.is_everything() {
            self.0.cache.clear();
            self.controllers().all().for_each(|controller| controller.forget(None));
        }
        if !written.is_empty() {
            self.0.writes.send_replace(());
        }
        if written.concerns(BACKGROUND_JOB) || written.concerns(SCHEDULED_JOB_TYPE) {
            self.0.jobs.send_replace(());
        }
        if written.concerns(WORKFLOW) || written.concerns(WORKFLOW_STATE) {
            self.0.workflows.forget();
        }
        if written.is_everything() || written.doctypes().any(|doctype| access::decides(&registry, doctype)) {
            self.0.access.clear();
        }
    }

    /// Drops whatever is kept in memory.
    pub(crate) fn forget_everything(&self) {
        self.forget(&Written::everything());
    }

    /// Notes what replicas must have before lists of it are read there. With a document its rows were written.
    fn note_written(&self, registry: &Registry, written: &Written) {
        let database = self.database();
        if !database.has_replicas() {
            return;
        }
        if written.concerns_definitions() {
            database.note_everything_written();
        }
        for doctype in written.doctypes().chain(written.logs()) {
            let rows = registry.get(doctype).into_iter().flat_map(|doctype| doctype.table_fields());
            database.note_written([doctype].into_iter().chain(rows.map(|field| field.options.trim())));
        }
    }

    /// Reads anew what is not read again by itself.
    pub(super) async fn follow(&self, written: &Written) -> Result<()> {
        if written.concerns(SYSTEM_SETTINGS) { self.load_zone().await } else { Ok(()) }
    }
}

/// Where the documents of a site hear of other nodes.
struct Others(Weak<Inner>);

impl Others {
    async fn follow(&self, written: &Written) {
        let Some(inner) = self.0.upgrade() else { return };
        let documents = Documents(inner);
        documents.forget(written);
        if written.concerns_definitions() {
            documents.0.definitions.send_replace(());
        }
        if let Err(error) = documents.follow(written).await {
            tracing::warn!(%error, "what another node has changed is not read");
        }
    }
}

#[async_trait]
impl Ear for Others {
    async fn heard(&self, written: &Written) {
        self.follow(written).await;
    }

    async fn deaf(&self) {
        // What is kept does not count meanwhile; the zone is the one thing that is asked for without reading.
        let Some(inner) = self.0.upgrade() else { return };
        if let Err(error) = Documents(inner).load_zone().await {
            tracing::debug!(%error, "the zone of the site is not read");
        }
    }

    fn is_closed(&self) -> bool {
        self.0.strong_count() == 0
    }
}
