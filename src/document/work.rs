//! A unit of work: one transaction on behalf of one session, with what must happen after its commit.

use std::sync::Arc;

use serde_json::{Map, Value as Json};
use tracing::Instrument as _;

use crate::clock;
use crate::database::{Backend, Executor, Reading, Transaction, Written, documents};
use crate::document::changes::Noted;
use crate::document::controller::{Controller, DocEvent, no_controller};
use crate::document::defaults::{self, Surroundings};
use crate::document::input::RowLimit;
use crate::document::list::{self, List, ListRequest};
use crate::document::{Children, Documents, access, input, load};
use crate::error::{Conflict, Error, FieldProblem, Result};
use crate::meta::doctype::slot;
use crate::meta::{DocType, Document, Registry, Right, Value};
use crate::permissions::{Once, Session};

/// The log of requests with an `Idempotency-Key`.
pub(crate) const IDEMPOTENT_REQUEST: &str = "Idempotent Request";

/// One transaction, or what looks like one but only reads. Dropping it rolls back.
pub struct Work<'a> {
    /// The documents it works on.
    pub documents: &'a Documents,
    /// On whose behalf; controllers act as the program itself after [`Work::become_system`].
    pub session: Session,
    pub(super) registry: Arc<Registry>,
    pub(super) pending: Vec<FieldProblem>,
    /// What is inserted was there before: what was kept of it counts, whoever brings it back.
    pub(super) restoring: bool,
    pub(super) row_limit: RowLimit,
    /// What was done to documents besides changing them.
    pub(super) noted: Vec<Noted>,
    pub(super) written: Written,
    on: On,
    now: String,
    once: Option<Arc<Once>>,
    after_commit: Vec<Box<dyn FnOnce() + Send>>,
}

/// What the statements of a work run on.
enum On {
    Transaction(Transaction),
    /// Nothing is written, so that nothing is held either.
    Readers(Reading),
}

impl<'a> Work<'a> {
    pub(super) async fn begin(documents: &'a Documents, session: &Session) -> Result<Self> {
        let transaction = documents.database().begin().await?;
        Ok(Self::on(On::Transaction(transaction), documents, session))
    }

    pub(super) fn reading(documents: &'a Documents, session: &Session) -> Self {
        Self::on(On::Readers(Reading(documents.database().clone())), documents, session)
    }

    fn on(on: On, documents: &'a Documents, session: &Session) -> Self {
        Self {
            documents,
            session: session.clone(),
            registry: documents.registry(),
            pending: Vec::new(),
            restoring: false,
            row_limit: RowLimit::new(documents.max_rows()),
            noted: Vec::new(),
            on,
            // The time is taken inside the transaction, so that later commits never carry earlier times.
            now: documents.clock().now_text(),
            written: Written::default(),
            once: session.once.clone(),
            after_commit: Vec::new(),
        }
    }

    /// Whether a deleted document is being brought back, with what it said about itself.
    pub fn is_restoring(&self) -> bool {
        self.restoring
    }

    /// The time of this work as documents store it; the same throughout.
    pub fn now(&self) -> &str {
        &self.now
    }

    /// The DocTypes in force for this work.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// The DocType of that name, or `DoesNotExist`.
    pub fn doctype(&self, name: &str) -> Result<Arc<DocType>> {
        self.registry.get(name).cloned().ok_or_else(|| Error::does_not_exist("DocType", name))
    }

    pub(super) fn executor(&self) -> &dyn Executor {
        match &self.on {
            On::Transaction(transaction) => transaction,
            On::Readers(readers) => readers,
        }
    }

    pub(super) fn backend(&self) -> Backend {
        self.executor().backend()
    }

    pub(super) fn controllers(&self, doctype: &str) -> Vec<Arc<dyn Controller>> {
        self.documents.controllers().of(doctype).to_vec()
    }

    /// Notes that caches must forget a document once this is committed.
    pub(super) fn touch(&mut self, doctype: &str, name: &str) {
        self.written.add(doctype, name);
    }

    /// Whether documents of a DocType have been written so far.
    pub(crate) fn has_written(&self, doctype: &str) -> bool {
        self.written.concerns(doctype)
    }

    /// The same of every document.
    pub(super) fn touch_everything(&mut self) {
        self.written.add_everything();
    }

    /// A new document with its defaults.
    pub fn new_document(&self, doctype: &str) -> Result<Document> {
        Ok(defaults::new_document(&self.doctype(doctype)?, &self.surroundings()))
    }

    pub(super) fn surroundings(&self) -> Surroundings<'_> {
        self.documents.surroundings(&self.session)
    }

    /// A document that the session may read, or `DoesNotExist`.
    pub async fn get(&mut self, doctype: &str, name: &str) -> Result<Document> {
        let found = self.load(doctype, name, false).await?;
        self.readable(doctype, name, found, Right::Read).await
    }

    /// A document that the session may read; `None` if it does not exist.
    pub async fn find(&mut self, doctype: &str, name: &str) -> Result<Option<Document>> {
        match self.get(doctype, name).await {
            Ok(document) => Ok(Some(document)),
            Err(Error::DoesNotExist { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A document to be changed: its row is locked until the work ends, unless the work only reads.
    pub async fn get_for_update(&mut self, doctype: &str, name: &str) -> Result<Document> {
        let found = self.load(doctype, name, true).await?;
        self.readable(doctype, name, found, Right::Write).await
    }

    /// Answers for one that was looked up: the document, or the refusal that tells strangers nothing.
    ///
    /// `intent` is what will be done with it, and what a refusal names: nobody changes what they cannot read.
    pub(super) async fn readable(
        &mut self,
        doctype: &str,
        name: &str,
        found: Option<Document>,
        intent: Right,
    ) -> Result<Document> {
        let doctype = self.doctype(doctype)?;
        let (documents, session) = (self.documents, &self.session);
        let read = documents.check_found(self.executor(), session, &doctype, name, found.as_ref(), Right::Read).await;
        read.map_err(|error| access::refusal_of(error, session, &doctype, name, intent))?;
        found.ok_or_else(|| Error::does_not_exist(&doctype.name, name))
    }

    /// Fails unless the session has the right on a stored document that it may read.
    pub async fn check(&mut self, document: &Document, right: Right) -> Result<()> {
        let (documents, session, doctype) = (self.documents, &self.session, &document.doctype);
        documents.check_found(self.executor(), session, doctype, &document.name(), Some(document), right).await
    }

    /// A stored document, whoever asks.
    pub(super) async fn load(&mut self, doctype: &str, name: &str, for_update: bool) -> Result<Option<Document>> {
        let doctype = self.doctype(doctype)?;
        if doctype.is_virtual {
            return self.virtual_document(&doctype, name).await;
        }
        let for_update = for_update && matches!(self.on, On::Transaction(_));
        let mut found = load::find(self.executor(), &self.registry, &doctype, name, for_update).await?;
        if let Some(document) = &mut found {
            Box::pin(self.compute_virtual(document)).await?;
        }
        Ok(found)
    }

    /// A document's own row, whoever asks.
    pub(super) async fn find_row(&mut self, doctype: &str, name: &str) -> Result<Option<Document>> {
        let doctype = self.doctype(doctype)?;
        Ok(documents::find(self.executor(), &doctype, name, false).await?)
    }

    pub(super) async fn virtual_document(&mut self, doctype: &Arc<DocType>, name: &str) -> Result<Option<Document>> {
        let controllers = self.controllers(&doctype.name);
        if controllers.is_empty() {
            return Err(no_controller(&doctype.name));
        }
        for controller in controllers {
            if let Some(document) = controller.virtual_get(self, name).await? {
                return Ok(Some(document));
            }
        }
        Ok(None)
    }

    /// Rows under the session's permissions, as this transaction sees them.
    pub async fn list(&mut self, request: &ListRequest) -> Result<List> {
        match self.virtual_documents(&request.doctype).await? {
            Some(documents) => list::run_virtual(self.list_context(), &documents, request).await,
            None => list::run(self.list_context(), request).await,
        }
    }

    /// How many documents that list would have without paging.
    pub async fn count(&mut self, request: &ListRequest) -> Result<u64> {
        match self.virtual_documents(&request.doctype).await? {
            Some(documents) => list::count_virtual(self.list_context(), &documents, request),
            None => list::count(self.list_context(), request, None).await,
        }
    }

    fn list_context(&self) -> list::Context<'_> {
        let (registry, clock) = (&*self.registry, self.documents.clock());
        let zone = self.documents.zone(&self.session);
        list::Context { registry, exec: self.executor(), index: None, session: &self.session, clock, zone }
    }

    /// All documents of a virtual DocType; `None` for every other.
    async fn virtual_documents(&mut self, doctype: &str) -> Result<Option<Vec<Document>>> {
        if self.registry.get(doctype).is_none_or(|doctype| !doctype.is_virtual) {
            return Ok(None);
        }
        let controllers = self.controllers(doctype);
        if controllers.is_empty() {
            return Err(no_controller(doctype));
        }
        let mut documents = Vec::new();
        for controller in controllers {
            documents.extend(controller.virtual_list(self).await?);
        }
        Ok(Some(documents))
    }

    /// Parses JSON into a document; problems are collected and reported by the save that follows.
    pub fn apply(&mut self, document: &mut Document, values: &Map<String, Json>, children: Children) {
        let mut problems = std::mem::take(&mut self.pending);
        let grant = self.documents.grant(&self.session, &document.doctype);
        let mut limit = std::mem::replace(&mut self.row_limit, RowLimit::new(0));
        let reading = input::Reading { surroundings: &self.surroundings(), grant };
        input::apply(document, values, children, &self.registry, &reading, &mut limit, &mut problems);
        self.row_limit = limit;
        self.pending = problems;
    }

    /// Writes columns as they stand, without validation and hooks but `on_change` (Frappe's `db_set`). Also for Single DocTypes.
    pub async fn set_values(&mut self, doctype: &str, name: &str, values: &[(&str, Value)]) -> Result<()> {
        let doctype = self.doctype(doctype)?;
        if doctype.issingle {
            documents::set_single(self.executor(), &doctype, values).await?;
        } else {
            documents::set(self.executor(), &doctype, name, values)
                .await
                .map_err(|error| crate::document::store::write_error(self.backend(), &doctype, name, error))?;
        }
        self.touch(&doctype.name, name);
        let controllers = self.controllers(&doctype.name);
        let mut listeners = self.documents.controllers().doc_events().iter();
        let is_told = listeners.any(|listener| listener.listens(self.documents, DocEvent::OnChange, &doctype));
        if (is_told || !controllers.is_empty())
            && let Some(document) = self.load(&doctype.name, name, false).await?
        {
            for controller in controllers {
                controller.on_change(self, &document).await?;
            }
            self.tell(DocEvent::OnChange, &document, None).await?;
        }
        Ok(())
    }

    /// The same as [`Work::set_values`], but only if a column still holds what is expected; says whether it did.
    ///
    /// Of several works that want the same change at once, one alone succeeds: how something is used only once.
    pub async fn set_values_if(
        &mut self,
        doctype: &str,
        name: &str,
        expected: (&str, &Value),
        values: &[(&str, Value)],
    ) -> Result<bool> {
        let target = self.doctype(doctype)?;
        let changed = documents::set_if(self.executor(), &target, name, &[expected], values)
            .await
            .map_err(|error| crate::document::store::write_error(self.backend(), &target, name, error))?;
        if changed {
            self.set_values(doctype, name, &[]).await?;
        }
        Ok(changed)
    }

    /// The document whose column holds this value, for fields that are unique or nearly so; under the session's permissions.
    pub async fn find_by(&mut self, doctype: &str, fieldname: &str, value: &str) -> Result<Option<Document>> {
        let target = self.doctype(doctype)?;
        match documents::name_by(self.executor(), &target, fieldname, value).await? {
            Some(name) => self.find(doctype, &name).await,
            None => Ok(None),
        }
    }

    /// Writes a row of a DocType that the program itself keeps as a log (Version, Deleted Document, MCP Call): no hooks, no
    /// validation, whoever asks.
    pub async fn insert_log(&mut self, doctype: &str, values: &[(&str, Value)]) -> Result<()> {
        self.insert_log_as(crate::secret::random_name(), doctype, values).await
    }

    /// The same under a name of one's own.
    pub(crate) async fn insert_log_as(&mut self, name: String, doctype: &str, values: &[(&str, Value)]) -> Result<()> {
        let Some(doctype) = self.registry.get(doctype).cloned().filter(|doctype| doctype.has_table()) else {
            return Ok(());
        };
        let mut document = defaults::new_document(&doctype, &self.surroundings());
        document.set_name(name);
        self.stamp_new(&mut document);
        for (field, value) in values {
            document.set(field, value.clone());
        }
        input::normalise(&mut document);
        let inserted = documents::insert(self.executor(), &[&document]).await;
        let name = document.name();
        inserted.map_err(|error| crate::document::store::write_error(self.backend(), &doctype, &name, error))?;
        self.written.add_log(&doctype.name);
        Ok(())
    }

    /// Notes in the transaction that the request has happened, so that it cannot happen once more.
    async fn note_once(&mut self) -> Result<Option<Arc<Once>>> {
        let Some(once) = self.once.take().filter(|once| !once.is_noted() && !self.written.is_empty()) else {
            return Ok(None);
        };
        let values = [
            ("user", Value::from(once.user.as_str())),
            ("request", Value::from(once.request.as_str())),
            ("fingerprint", Value::from(once.fingerprint.as_str())),
        ];
        match self.insert_log_as(once.name.clone(), IDEMPOTENT_REQUEST, &values).await {
            Ok(()) => Ok(Some(once)),
            Err(Error::Conflict(_)) => Err(Conflict::Underway.into()),
            Err(error) => Err(error),
        }
    }

    /// Notes on a document what was done to it besides changing values, as a comment of the kind `Edit`.
    pub(super) async fn insert_edit(&mut self, doctype: &str, name: &str, content: String) -> Result<()> {
        let values = [
            ("comment_type", Value::from("Edit")),
            ("reference_doctype", Value::from(doctype)),
            ("reference_name", Value::from(name)),
            ("comment_email", Value::from(self.session.user())),
            ("content", Value::from(content)),
        ];
        self.insert_log("Comment", &values).await
    }

    /// Owner, creation and modification of something new; what the client sent for them does not count.
    pub(super) fn stamp_new(&self, document: &mut Document) {
        let user = Value::from(self.session.user());
        document.values[slot::OWNER] = user.clone();
        document.values[slot::CREATION] = Value::from(self.now());
        document.values[slot::MODIFIED] = Value::from(self.now());
        document.values[slot::MODIFIED_BY] = user;
    }

    /// Who changed a stored document, and when: never before the last change, should the clock have gone back.
    pub(super) fn stamp_change(&self, document: &mut Document, before: &str) {
        let at = if self.now() < before { clock::just_after(before) } else { self.now().to_owned() };
        document.values[slot::MODIFIED] = Value::from(at);
        document.values[slot::MODIFIED_BY] = Value::from(self.session.user());
    }

    /// From here on the program itself acts; the session that comes back is to be put into [`Work::session`] again.
    #[must_use = "put the session back"]
    pub fn become_system(&mut self) -> Session {
        std::mem::replace(&mut self.session, Session::system())
    }

    /// Runs something once the commit has succeeded.
    pub fn after_commit(&mut self, act: impl FnOnce() + Send + 'static) {
        self.after_commit.push(Box::new(act));
    }

    /// Makes everything durable, drops what caches held of it, runs what waits for the commit.
    ///
    /// Runs to its end even if the request that asked for it is gone, so that a cache never outlives what it holds.
    pub async fn commit(mut self) -> Result<()> {
        if matches!(self.on, On::Transaction(_)) {
            Box::pin(self.write_changes()).await?;
        }
        let once = Box::pin(self.note_once()).await?;
        let Self { documents, on, written, after_commit, .. } = self;
        let On::Transaction(transaction) = on else { return Ok(()) };
        let documents = documents.clone();
        let committing = async move {
            let done = transaction.commit_and_tell(&written).await;
            // Also after a failure: of a connection that ended meanwhile, nobody knows how far the database got.
            documents.forget(&written);
            done?;
            if let Some(once) = once {
                once.noted();
            }
            documents.follow(&written).await?;
            for act in after_commit {
                act();
            }
            Ok(())
        };
        let committed = tokio::spawn(committing.in_current_span());
        committed.await.map_err(Error::internal)?
    }
}
