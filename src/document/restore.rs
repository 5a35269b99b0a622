//! Bringing back what was there before: a deleted document, or an earlier version of one that is still there.

use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use crate::database::documents;
use crate::document::input::RowLimit;
use crate::document::link_target::AT_ONCE;
use crate::document::work::Work;
use crate::document::{Children, Documents, ListRequest, json as writing, version};
use crate::error::{Error, ProblemKind, Result};
use crate::meta::doctype::slot;
use crate::meta::naming_rule::NamingRule;
use crate::meta::{DocType, Document, Fieldtype, Value, keys};
use crate::permissions::{Session, TimesIn};

/// The DocType that keeps deleted documents.
pub(crate) const DELETED_DOCUMENT: &str = "Deleted Document";
/// The DocType that keeps changes.
pub(crate) const VERSION: &str = "Version";

/// What came of restoring something.
#[derive(Clone, Debug)]
pub struct Restored {
    /// The document as it is stored now.
    pub document: Document,
    /// What could not be brought back, a sentence each without a trailing dot.
    pub notes: Vec<String>,
}

impl Restored {
    /// `{"doctype", "name", "notes"}`, as methods answer it.
    pub fn to_json(&self) -> Json {
        json!({ "doctype": self.document.doctype.name, "name": self.document.name(), "notes": self.notes })
    }
}

/// Which state of a document: the one that a change led to, or the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Before the change.
    Before,
    /// After the change.
    After,
}

impl Documents {
    /// Brings a deleted document back: see [`Work::restore`].
    pub async fn restore(&self, session: &Session, deleted: &str, new_name: Option<&str>) -> Result<Restored> {
        let mut work = self.begin(session).await?;
        let restored = work.restore(deleted, new_name).await?;
        work.commit().await?;
        Ok(restored)
    }

    /// Gives a document the values of an earlier version: see [`Work::restore_version`].
    pub async fn restore_version(
        &self,
        session: &Session,
        version: &str,
        moment: Moment,
        modified: Option<&str>,
    ) -> Result<Restored> {
        let mut work = self.begin(session).await?;
        let restored = work.restore_version(version, moment, modified).await?;
        work.commit().await?;
        Ok(restored)
    }
}

impl Documents {
    /// Whether the session could read a document that was deleted, by what was kept of it. Shares went with it.
    pub(crate) async fn could_read_deleted(&self, session: &Session, doctype: &str, name: &str) -> Result<bool> {
        let system = Session::system();
        let filters = json!([["deleted_doctype", "=", doctype], ["deleted_name", "=", name]]);
        let mut request = ListRequest::new(DELETED_DOCUMENT).filters(filters).order_by("creation desc");
        request.limit = Some(1);
        let list = self.list(&system, &request).await?;
        let (Ok(doctype), false) = (self.doctype(doctype), list.rows.is_empty()) else { return Ok(false) };
        let mut work = self.reading(&system);
        let kept = work.get(DELETED_DOCUMENT, list.text(0, "name")).await?;
        let values = kept_values(&kept)?;
        let mut document = work.kept_document(&doctype, &values, &mut Vec::new()).await?;
        document.set_name(name);
        // Everybody may read what they are about to make.
        document.is_new = false;
        for column in [slot::OWNER, slot::CREATION] {
            let fieldname = &doctype.columns[column].name;
            document.values[column] = Value::from(values.get(fieldname).and_then(Json::as_str).unwrap_or_default());
        }
        Ok(self.check_permission(session, &doctype, Some(&document), crate::meta::Right::Read).is_ok())
    }
}

impl Work<'_> {
    /// Inserts a deleted document again, through the whole lifecycle: whoever may read the Deleted Document and create
    /// documents of the kind may.
    ///
    /// It keeps its name, owner and time of creation, and its rows theirs. `new_name` names it anew; without, a name that
    /// is taken by now gives way to the next one of the naming rule. Passwords, secrets and files are not kept, and a
    /// cancelled document comes back as a draft; the notes say so.
    pub async fn restore(&mut self, deleted: &str, new_name: Option<&str>) -> Result<Restored> {
        let kept = self.get(DELETED_DOCUMENT, deleted).await?;
        let (kind, old_name) = (kept.text("deleted_doctype").to_owned(), kept.text("deleted_name").to_owned());
        let Some(doctype) = self.registry.get(&kind).cloned() else {
            let message = format!("{kind} {old_name} cannot be restored: the DocType {kind} no longer exists");
            return Err(Error::invalid(ProblemKind::Validation, message));
        };
        if doctype.issingle || doctype.istable || !doctype.has_table() {
            let message = format!("{kind} {old_name} cannot be restored: {kind} no longer has documents of its own");
            return Err(Error::invalid(ProblemKind::Validation, message));
        }
        // Of several attempts at once, one alone succeeds.
        let fresh = ("restored", &Value::Int(0));
        let caller = self.become_system();
        let won = self.set_values_if(DELETED_DOCUMENT, deleted, fresh, &[("restored", Value::Int(1))]).await;
        self.session = caller;
        if !won? {
            let name = Some(kept.text("new_name")).filter(|name| !name.is_empty()).unwrap_or(&old_name);
            let message = format!("{kind} {old_name} has already been restored, as {name}");
            return Err(Error::invalid(ProblemKind::AlreadyRestored, message));
        }
        let values = kept_values(&kept)?;
        let mut notes = Vec::new();
        let mut document = self.kept_document(&doctype, &values, &mut notes).await?;
        let requested = new_name.map(str::trim).filter(|name| !name.is_empty());
        self.name_restored(&mut document, &values, &old_name, requested).await?;
        self.restoring = true;
        let inserted = self.insert(document).await;
        self.restoring = false;
        let mut document = inserted?;
        let name = document.name();
        self.keep_origin(&mut document, &values).await?;
        crate::document::naming::advance_series(self.executor(), &document, &name).await?;
        let caller = self.become_system();
        let stored = self.set_values(DELETED_DOCUMENT, deleted, &[("new_name", Value::from(name.as_str()))]).await;
        self.session = caller;
        stored?;
        let said = if name == old_name { format!("restored {name}") } else { format!("restored {old_name} as {name}") };
        self.insert_edit(&doctype.name, &name, said).await?;
        Ok(Restored { document, notes })
    }

    /// A new document from the kept JSON, rows with the names that they had.
    async fn kept_document(
        &mut self,
        doctype: &Arc<DocType>,
        values: &Map<String, Json>,
        notes: &mut Vec<String>,
    ) -> Result<Document> {
        let gone = values.keys().filter(|key| doctype.field(key).is_none() && !keys::is_stored(key));
        let gone: Vec<&str> = gone.map(String::as_str).collect();
        if !gone.is_empty() {
            notes.push(format!("{} no longer has: {}", doctype.name, gone.join(", ")));
        }
        if values.get("docstatus").and_then(Json::as_i64) == Some(2) {
            notes.push("It was cancelled and comes back as a draft".to_owned());
        }
        let mut document = self.new_document(&doctype.name)?;
        let (mut plain, mut secrets) = (values.clone(), Vec::new());
        without_passwords(doctype, &mut plain, &mut secrets);
        for field in doctype.table_fields() {
            let Some(child) = self.registry.get(&field.options).cloned() else { continue };
            for row in plain.get_mut(&field.fieldname).and_then(Json::as_array_mut).into_iter().flatten() {
                if let Json::Object(row) = row {
                    without_passwords(&child, row, &mut secrets);
                }
            }
        }
        if !secrets.is_empty() {
            notes.push(format!("Passwords are not kept, enter again: {}", secrets.join(", ")));
        }
        let attached = |field: &&crate::meta::DocField| {
            matches!(field.fieldtype, Fieldtype::Attach | Fieldtype::AttachImage)
                && plain.get(&field.fieldname).and_then(Json::as_str).is_some_and(|url| url.starts_with('/'))
        };
        let files: Vec<&str> = doctype.fields.iter().filter(attached).map(|field| field.label.as_str()).collect();
        if !files.is_empty() {
            notes.push(format!("Attached files were deleted with it, upload again: {}", files.join(", ")));
        }
        self.row_limit = RowLimit::none();
        // What was kept is as it was stored, wherever it is restored.
        let times_in = std::mem::replace(&mut self.session.times_in, TimesIn::Utc);
        self.apply(&mut document, &plain, Children::Replace);
        self.session.times_in = times_in;
        for key in ["_user_tags", "_liked_by"] {
            if let Some(text) = values.get(key).and_then(Json::as_str) {
                document.set(key, text);
            }
        }
        for table in 0..document.tables.len() {
            let field = doctype.table_fields().nth(table).map(|field| field.fieldname.clone()).unwrap_or_default();
            let stored = values.get(&field).and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
            let mut rows = std::mem::take(&mut document.tables[table]);
            let names: Vec<&str> =
                stored.iter().map(|row| row.get("name").and_then(Json::as_str).unwrap_or_default()).collect();
            self.name_rows(&mut rows, &names).await?;
            document.tables[table] = rows;
        }
        Ok(document)
    }

    /// Gives rows that come back the names that they had, unless other rows took them.
    pub(super) async fn name_rows(&mut self, rows: &mut [Document], names: &[&str]) -> Result<()> {
        for (rows, names) in rows.chunks_mut(AT_ONCE).zip(names.chunks(AT_ONCE)) {
            let wanted: Vec<_> =
                rows.iter().zip(names).map(|(row, name)| (Arc::clone(&row.doctype), (*name).to_owned())).collect();
            let found = documents::docstatuses(self.executor(), &wanted).await?;
            for ((row, name), taken) in rows.iter_mut().zip(names).zip(found) {
                if !name.is_empty() && taken.is_none() {
                    self.stamp_new(row);
                    row.set_name(*name);
                }
            }
        }
        Ok(())
    }

    /// Its old name or the one asked for; nothing where the naming rule shall find the next one.
    async fn name_restored(
        &mut self,
        document: &mut Document,
        values: &Map<String, Json>,
        old: &str,
        requested: Option<&str>,
    ) -> Result<()> {
        let doctype = Arc::clone(&document.doctype);
        let is_numbered = doctype.naming_rule == NamingRule::Autoincrement;
        if requested.is_some() && is_numbered {
            let message = format!("{} counts its documents: leave the new name out", doctype.name);
            return Err(Error::invalid(ProblemKind::InvalidName, message));
        }
        let name = match requested {
            Some(name) => Some(name.to_owned()),
            None if documents::exists(self.executor(), &doctype, old).await?.is_none() => Some(old.to_owned()),
            None => match &doctype.naming_rule {
                NamingRule::Prompt => Some(self.free_name(&doctype, old).await?),
                NamingRule::Field(_) | NamingRule::Controller => {
                    let message = format!("{} {old} exists again: give the restored one a new name", doctype.name);
                    return Err(Error::invalid(ProblemKind::InvalidName, message));
                }
                _ => None,
            },
        };
        match name {
            Some(_) if is_numbered => {
                if let Some(number) = values.get("name").and_then(Json::as_i64) {
                    document.set_name(number);
                }
            }
            Some(name) => {
                if let NamingRule::Field(fieldname) = &doctype.naming_rule {
                    document.set(fieldname, name.as_str());
                }
                document.set_name(name);
            }
            None => {}
        }
        Ok(())
    }

    /// `<name>-1`, `-2`, …: the first that is free.
    async fn free_name(&mut self, doctype: &DocType, taken: &str) -> Result<String> {
        let mut number = 1;
        loop {
            let name = format!("{taken}-{number}");
            if documents::exists(self.executor(), doctype, &name).await?.is_none() {
                return Ok(name);
            }
            number += 1;
        }
    }

    /// It is the old document: whose it was and since when stays true.
    async fn keep_origin(&mut self, document: &mut Document, values: &Map<String, Json>) -> Result<()> {
        let text = |key: &str| values.get(key).and_then(Json::as_str).filter(|text| !text.is_empty());
        let (Some(owner), Some(creation)) = (text("owner"), text("creation")) else { return Ok(()) };
        let origin = [("owner", Value::from(owner)), ("creation", Value::from(creation))];
        documents::set(self.executor(), &document.doctype, &document.name(), &origin).await?;
        document.values[slot::OWNER] = Value::from(owner);
        document.values[slot::CREATION] = Value::from(creation);
        Ok(())
    }

    /// Gives a document the values that it had before or after a change, rows included, by an ordinary update: its
    /// rights, levels and rules count, and `modified` switches the optimistic lock on.
    ///
    /// Every later change is undone, the newest first. Passwords and secrets stay as they are now, and so does the
    /// docstatus.
    pub async fn restore_version(&mut self, name: &str, moment: Moment, modified: Option<&str>) -> Result<Restored> {
        let version = self.get(VERSION, name).await?;
        let (kind, docname) = (version.text("ref_doctype").to_owned(), version.text("docname").to_owned());
        if self.registry.get(&kind).is_none() {
            let message = format!("{kind} {docname} cannot be restored: the DocType {kind} no longer exists");
            return Err(Error::invalid(ProblemKind::Validation, message));
        }
        let found = self.load(&kind, &docname, true).await?;
        let before = self.readable(&kind, &docname, found, crate::meta::Right::Write).await?;
        writing::check_latest(&before, modified, self.documents.zone(&self.session))?;
        let filters = json!([["ref_doctype", "=", kind], ["docname", "=", docname]]);
        let request = ListRequest::new(VERSION).fields(&["name", "creation", "data", "kept"]).filters(filters);
        let caller = self.become_system();
        let changes = self.list(&request.order_by("creation desc").all()).await;
        self.session = caller;
        let changes = changes?;
        let mut document = before.clone();
        let mut notes = Vec::new();
        let mut undone = false;
        for row in 0..changes.rows.len() {
            let creation = changes.text(row, "creation");
            let is_this = changes.text(row, "name") == name;
            if creation < version.text("creation") || creation == version.text("creation") && !is_this {
                continue;
            }
            if is_this && moment == Moment::After {
                continue;
            }
            let change: Json =
                serde_json::from_str(whole(changes.text(row, "kept"), changes.text(row, "data"))).unwrap_or_default();
            version::undo(self, (&mut document, &before), &change, &mut notes).await?;
            undone = true;
        }
        if !undone {
            return Err(Error::misuse(format!("{kind} {docname} has not changed since this version")));
        }
        notes.sort();
        notes.dedup();
        // Where it stands in its workflow is not a value that somebody typed.
        if let Some(workflow) = self.workflow(&before.doctype.name).await? {
            let field = &workflow.declared.workflow_state_field;
            document.set(field, before.get(field).clone());
        }
        let document = self.save_over(document, &before).await?;
        Ok(Restored { document, notes })
    }
}

/// What was kept without masks, or what is shown of it if there are none.
fn whole<'t>(kept: &'t str, data: &'t str) -> &'t str {
    if kept.is_empty() { data } else { kept }
}

/// The kept document as JSON.
fn kept_values(kept: &Document) -> Result<Map<String, Json>> {
    serde_json::from_str(whole(kept.text("kept"), kept.text("data"))).map_err(|_| {
        let message = format!("{} cannot be restored: what was kept of it cannot be read", kept.text("deleted_name"));
        Error::invalid(ProblemKind::Validation, message)
    })
}

/// Takes the stars of Password fields out; their labels are noted.
fn without_passwords(doctype: &DocType, values: &mut Map<String, Json>, labels: &mut Vec<String>) {
    for field in doctype.fields.iter().filter(|field| field.fieldtype == Fieldtype::Password) {
        let was = values.shift_remove(&field.fieldname);
        if was.is_some_and(|value| value.as_str().is_some_and(|text| !text.is_empty()))
            && !labels.contains(&field.label)
        {
            labels.push(field.label.clone());
        }
    }
}
