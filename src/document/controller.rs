//! How a DocType gets behaviour of its own: hooks under Frappe's names, called by the lifecycle.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value as Json};

use crate::document::Documents;
use crate::document::view::{NeededFields, View};
use crate::document::work::Work;
use crate::error::{Error, Need, Result};
use crate::meta::{DocType, Document, Right};
use crate::permissions::Session;

/// Behaviour that one DocType adds to the document lifecycle; every hook defaults to nothing.
///
/// The order is Frappe's (`docs/frappe/model.md`: Life of a document). Hooks that may change the document get it `&mut`; those after the write do not.
/// `before` is the stored document, on updates. Effects that leave the process go through [`Work::after_commit`].
#[async_trait]
#[expect(unused_variables, reason = "the defaults do nothing with what they get")]
pub trait Controller: Send + Sync {
    /// Before naming and validation of a new document.
    async fn before_insert(&self, work: &mut Work<'_>, document: &mut Document) -> Result<()> {
        Ok(())
    }
    /// Names the document (`autoname` empty), or leaves it to the naming rule.
    async fn autoname(&self, work: &mut Work<'_>, document: &mut Document) -> Result<()> {
        Ok(())
    }
    /// Before `validate`, on every save.
    async fn before_validate(&self, work: &mut Work<'_>, document: &mut Document) -> Result<()> {
        Ok(())
    }
    /// The DocType's own rules, before the generic ones; may fill fields in.
    async fn validate(&self, work: &mut Work<'_>, document: &mut Document, before: Option<&Document>) -> Result<()> {
        Ok(())
    }
    /// Right before the write of a draft.
    async fn before_save(&self, work: &mut Work<'_>, document: &mut Document, before: Option<&Document>) -> Result<()> {
        Ok(())
    }
    /// Instead of `before_save` when the document becomes submitted.
    async fn before_submit(&self, work: &mut Work<'_>, document: &mut Document) -> Result<()> {
        Ok(())
    }
    /// When the document becomes cancelled.
    async fn before_cancel(&self, work: &mut Work<'_>, document: &mut Document) -> Result<()> {
        Ok(())
    }
    /// When a submitted document is saved.
    async fn before_update_after_submit(&self, work: &mut Work<'_>, document: &mut Document) -> Result<()> {
        Ok(())
    }
    /// After the row of a new document is written.
    async fn after_insert(&self, work: &mut Work<'_>, document: &Document) -> Result<()> {
        Ok(())
    }
    /// After every write of a draft.
    async fn on_update(&self, work: &mut Work<'_>, document: &Document, before: Option<&Document>) -> Result<()> {
        Ok(())
    }
    /// After the document became submitted.
    async fn on_submit(&self, work: &mut Work<'_>, document: &Document) -> Result<()> {
        Ok(())
    }
    /// After the document became cancelled.
    async fn on_cancel(&self, work: &mut Work<'_>, document: &Document) -> Result<()> {
        Ok(())
    }
    /// After a submitted document was saved.
    async fn on_update_after_submit(&self, work: &mut Work<'_>, document: &Document) -> Result<()> {
        Ok(())
    }
    /// Last, whatever changed; also after [`Work::set_values`] and on delete.
    async fn on_change(&self, work: &mut Work<'_>, document: &Document) -> Result<()> {
        Ok(())
    }
    /// After a commit, here or at another node, that changed a document: what is kept in memory of it goes. `None`: of any.
    fn forget(&self, name: Option<&str>) {}
    /// Before a draft is discarded.
    async fn before_discard(&self, work: &mut Work<'_>, document: &mut Document) -> Result<()> {
        Ok(())
    }
    /// After a draft was discarded.
    async fn on_discard(&self, work: &mut Work<'_>, document: &Document) -> Result<()> {
        Ok(())
    }
    /// Before a document is deleted.
    async fn on_trash(&self, work: &mut Work<'_>, document: &Document) -> Result<()> {
        Ok(())
    }
    /// After a document was deleted.
    async fn after_delete(&self, work: &mut Work<'_>, document: &Document) -> Result<()> {
        Ok(())
    }
    /// Before a document gets another name.
    async fn before_rename(&self, work: &mut Work<'_>, old: &str, new: &str, merge: bool) -> Result<()> {
        Ok(())
    }
    /// After a document got another name.
    async fn after_rename(&self, work: &mut Work<'_>, old: &str, new: &str, merge: bool) -> Result<()> {
        Ok(())
    }
    /// May deny what roles allow; never the other way round.
    fn has_permission(&self, session: &Session, document: &Document, right: Right) -> bool {
        true
    }
    /// What [`Controller::has_permission`] asks, in a sentence for people; empty where it denies nothing.
    fn permission_rule(&self) -> &'static str {
        ""
    }
    /// Whether deleting a document of this DocType ignores links from that one (logs, for example).
    fn ignores_links_from(&self, doctype: &str) -> bool {
        false
    }
    /// Virtual DocTypes: the document of that name.
    async fn virtual_get(&self, work: &mut Work<'_>, name: &str) -> Result<Option<Document>> {
        Ok(None)
    }
    /// Virtual DocTypes: all documents; the engine filters, sorts and cuts them.
    async fn virtual_list(&self, work: &mut Work<'_>) -> Result<Vec<Document>> {
        Ok(Vec::new())
    }
    /// A whitelisted document method (`/api/v2/document/…/method/…`, `run_doc_method`); `None` if there is none of that name.
    async fn call(
        &self,
        work: &mut Work<'_>,
        document: &mut Document,
        method: &str,
        arguments: &Map<String, Json>,
    ) -> Option<Result<Json>> {
        None
    }
    /// Whether a document method does nothing but read, so that a GET may call it. A link can have any browser send one,
    /// with the cookie of whoever is logged in there.
    fn reads(&self, method: &str) -> bool {
        false
    }
    /// Whether a document method waits for other servers: then [`Controller::call_outside`] answers it.
    fn runs_outside(&self, method: &str) -> bool {
        false
    }
    /// A whitelisted document method that runs outside of any transaction, because it may take long. The session may
    /// read the document; whatever else the method needs is its own to check.
    async fn call_outside(
        &self,
        documents: &Documents,
        session: &Session,
        document: &Document,
        method: &str,
        arguments: &Map<String, Json>,
    ) -> Result<Json> {
        Ok(Json::Null)
    }
    /// The names of the methods that [`Controller::call`] and [`Controller::call_outside`] answer, with a description each; for discovery and OpenAPI.
    fn methods(&self) -> Vec<(&'static str, &'static str)> {
        Vec::new()
    }
    /// All that calling one of them takes, for OpenAPI: the right to write, unless the controller knows better.
    fn needs(&self, doctype: &str, method: &str) -> Vec<Need> {
        vec![need(doctype, Right::Write)]
    }
}

/// What a right on this DocType takes: where it is guarded, credentials that nothing limits.
pub(crate) fn need_on(doctype: &DocType, right: Right) -> Need {
    if doctype.guarded_rights.contains(right) { Need::Unlimited } else { need(&doctype.name, right) }
}

/// A right on a DocType, as something needed.
pub(crate) fn need(doctype: &str, right: Right) -> Need {
    Need::Right { doctype: doctype.to_owned(), right: right.as_str() }
}

/// What happens to a document, under Frappe's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DocEvent {
    /// It is new.
    AfterInsert,
    /// A draft was written: inserted, saved or submitted.
    OnUpdate,
    /// It became submitted.
    OnSubmit,
    /// It was saved after it had been submitted.
    OnUpdateAfterSubmit,
    /// It became cancelled.
    OnCancel,
    /// It is about to be deleted.
    OnTrash,
    /// Last, whatever changed a stored document.
    OnChange,
}

impl DocEvent {
    /// Frappe's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Self::AfterInsert => "after_insert",
            Self::OnUpdate => "on_update",
            Self::OnSubmit => "on_submit",
            Self::OnUpdateAfterSubmit => "on_update_after_submit",
            Self::OnCancel => "on_cancel",
            Self::OnTrash => "on_trash",
            Self::OnChange => "on_change",
        }
    }
}

/// What is done when something happens to documents of any DocType (Frappe's `doc_events` for `*`).
#[async_trait]
pub trait DocEvents: Send + Sync {
    /// Whether it is to be told; asked for every event of every write.
    fn listens(&self, documents: &Documents, event: DocEvent, doctype: &DocType) -> bool;
    /// It has happened, in the transaction of `work`, and the DocType's own controllers know of it; `before` is the stored
    /// document, on updates.
    async fn happened(
        &self,
        work: &mut Work<'_>,
        event: DocEvent,
        document: &Document,
        before: Option<&Document>,
    ) -> Result<()>;
}

/// The controllers of every DocType, in order of registration.
#[derive(Clone, Default)]
pub struct Controllers {
    by_doctype: HashMap<String, Vec<Arc<dyn Controller>>>,
    doc_events: Vec<Arc<dyn DocEvents>>,
    needed_fields: Vec<NeededFields>,
}

/// The DocTypes without which the program cannot run, with the fields of theirs that it reads or writes by name.
pub(crate) type Needed = BTreeMap<String, BTreeSet<&'static str>>;

impl Controllers {
    /// Adds a controller for a DocType, behind those already there.
    pub fn add(&mut self, doctype: &str, controller: impl Controller + 'static) {
        self.by_doctype.entry(doctype.to_owned()).or_default().push(Arc::new(controller));
    }

    /// Adds what listens to events of every DocType.
    pub fn add_doc_events(&mut self, listener: impl DocEvents + 'static) {
        self.doc_events.push(Arc::new(listener));
    }

    /// What listens to events of every DocType, in order of registration.
    pub fn doc_events(&self) -> &[Arc<dyn DocEvents>] {
        &self.doc_events
    }

    /// The controllers of a DocType.
    pub fn of(&self, doctype: &str) -> &[Arc<dyn Controller>] {
        self.by_doctype.get(doctype).map_or(&[], Vec::as_slice)
    }

    /// The controllers of every DocType.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<dyn Controller>> {
        self.by_doctype.values().flatten()
    }

    /// Notes that the program reads a typed view.
    pub fn needs_fields_of<V: View>(&mut self) {
        self.needed_fields.extend(NeededFields::of::<V>());
    }

    /// Notes that the program reads or writes these fields beside those of its views.
    pub fn needs_fields(&mut self, doctype: &'static str, fields: &[&'static str]) {
        self.needed_fields.push(NeededFields { doctype, fields: fields.to_vec() });
    }

    /// What definitions must have so that the program can run on them.
    pub fn needed(&self) -> Needed {
        let mut needed: Needed = self.doctypes().map(|doctype| (doctype.to_owned(), BTreeSet::new())).collect();
        for NeededFields { doctype, fields } in &self.needed_fields {
            needed.entry((*doctype).to_owned()).or_default().extend(fields);
        }
        needed
    }

    /// The DocTypes that have controllers.
    pub fn doctypes(&self) -> impl Iterator<Item = &str> {
        self.by_doctype.keys().map(String::as_str)
    }
}

impl std::fmt::Debug for Controllers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.doctypes()).finish()
    }
}

/// What a virtual DocType without a controller answers.
pub(super) fn no_controller(doctype: &str) -> Error {
    Error::invalid(
        crate::error::ProblemKind::Validation,
        format!("{doctype} is virtual and has no controller that supplies its documents"),
    )
}
