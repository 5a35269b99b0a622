//! The life of a document, one function for each step of it, in Frappe's order (`docs/frappe/model.md`: Life of a document).

use std::sync::Arc;

use crate::database::{auth, documents};
use crate::document::changes::ChangeKind;
use crate::document::controller::DocEvent;
use crate::document::formulas::{Which, check_validations};
use crate::document::guard::changes;
use crate::document::naming::{is_named_by_field, keep_naming_field};
use crate::document::restore::{DELETED_DOCUMENT, VERSION};
use crate::document::stored_rows::StoredRows;
use crate::document::transition::{
    Transition, check_cancels_only, check_deletes, check_saves, check_update_after_submit,
};
use crate::document::work::Work;
use crate::document::{input, validate, version};
use crate::error::{Conflict, Error, FieldProblem, Invalid, ProblemKind, Result};
use crate::meta::doctype::slot;
use crate::meta::validation::On;
use crate::meta::{Document, Right, Value, View};
use crate::pace;

/// How many problems of one save are told.
const MOST_PROBLEMS: usize = 200;

impl Work<'_> {
    /// Inserts a document: the whole lifecycle. A name that it carries is kept where the naming rule allows.
    pub async fn insert(&mut self, mut document: Document) -> Result<Document> {
        let doctype = Arc::clone(&document.doctype);
        let mut problems = std::mem::take(&mut self.pending);
        if doctype.issingle {
            self.pending = problems;
            return self.save(document).await;
        }
        if doctype.is_virtual || doctype.istable {
            return Err(Error::misuse(format!(
                "{} has no documents of its own to insert{}",
                doctype.name,
                if doctype.istable { ": add rows to its parent" } else { "" }
            )));
        }
        document.is_new = true;
        self.stamp_new(&mut document);
        self.begin_workflow(&mut document, &mut problems).await?;
        let transition = Transition::of_insert(&document)?;
        self.documents.check_permission(&self.session, &doctype, None, Right::Create)?;
        self.check_amended(&document).await?;
        self.check_links(&mut document, None, &mut problems).await?;
        if transition == Transition::Submit {
            self.documents.check_permission(&self.session, &doctype, None, Right::Submit)?;
        }
        let controllers = self.controllers(&doctype.name);
        for controller in &controllers {
            collect(controller.before_insert(self, &mut document).await, &mut problems)?;
        }
        let is_named = self.registry.formulas(&doctype.name).is_some_and(|formulas| formulas.names);
        if is_named && !has_wrong_link(&problems) {
            self.compute(&mut document, Which::All).await?;
        }
        // A document that cannot be named may still have other problems to tell of.
        collect(self.set_new_name(&mut document).await, &mut problems)?;
        self.adopt_rows(&mut document);
        if !self.restoring {
            self.reset_levels(&mut document, None);
        }
        self.documents.check_permission(&self.session, &doctype, Some(&document), Right::Create)?;
        self.check_guarded(&document, None)?;
        self.before_write(&mut document, None, transition, &mut problems).await?;
        let secrets = self.seal_passwords(&mut document).await?;
        input::normalise(&mut document);
        match self.insert_rows(&mut document).await {
            Err(Error::Conflict(Conflict::DuplicateName { name, .. })) if name == document.name() => {
                return Err(self.documents.name_taken(&self.session, &doctype, &name).await);
            }
            inserted => inserted?,
        }
        self.store_sealed(&document, secrets).await?;
        document.is_new = false;
        self.note(ChangeKind::Insert, &doctype.name, &document.name(), None);
        for controller in &controllers {
            controller.after_insert(self, &document).await?;
        }
        self.note_waiting(&document, None).await?;
        self.tell(DocEvent::AfterInsert, &document, None).await?;
        self.after_write(&document, None, transition).await?;
        Ok(document)
    }

    /// Saves a document that is stored: the whole lifecycle. Its docstatus decides between save, submit, update after submit and cancel.
    pub async fn save(&mut self, document: Document) -> Result<Document> {
        let doctype = document.doctype.name.clone();
        let before = self.load(&doctype, &document.name(), true).await?;
        let before = self.readable(&doctype, &document.name(), before, Right::Write).await?;
        self.save_over(document, &before).await
    }

    /// Saves a document over its stored state, which has been read and locked in this work.
    pub(super) async fn save_over(&mut self, mut document: Document, before: &Document) -> Result<Document> {
        let doctype = Arc::clone(&document.doctype);
        let mut problems = std::mem::take(&mut self.pending);
        check_saves(&doctype)?;
        document.is_new = false;
        for fixed in [slot::NAME, slot::OWNER, slot::CREATION] {
            document.values[fixed] = before.values[fixed].clone();
        }
        if before.is_new {
            // A Single that was never saved.
            self.stamp_new(&mut document);
            document.values[slot::NAME] = Value::from(doctype.name.as_str());
        }
        let step = self.follow_workflow(&mut document, before).await?;
        let transition = Transition::of_update(before, &document)?;
        let right = transition.right();
        self.check(before, right).await?;
        self.stamp_change(&mut document, before.modified());
        self.adopt_rows(&mut document);
        self.reset_levels(&mut document, Some(before));
        match transition {
            // Whoever changes something on the way needs the right to change it.
            Transition::Submit if changes(&document, before).next().is_some() => {
                self.check(before, Right::Write).await?;
            }
            Transition::Cancel => check_cancels_only(&document, before)?,
            _ => {}
        }
        if transition != Transition::Cancel {
            self.check_links(&mut document, Some(before), &mut problems).await?;
            // What it becomes must be within the user's permissions too.
            let ours = self.documents.check_permission(&self.session, &doctype, Some(&document), right);
            if let Err(error) = ours
                && !self.documents.is_shared(self.executor(), &self.session, &document, right).await?
            {
                return Err(error);
            }
        }
        self.check_guarded(&document, Some(before))?;
        if let Some(step) = &step {
            step.take(&mut document);
        }
        self.before_write(&mut document, Some(before), transition, &mut problems).await?;
        self.seal_passwords(&mut document).await?;
        input::normalise(&mut document);
        self.update_rows(&mut document, before).await?;
        if let Some(step) = &step {
            self.note_step(&document, step).await?;
            self.note_waiting(&document, Some(step)).await?;
        }
        self.after_write(&document, Some(before), transition).await?;
        Ok(document)
    }

    /// The hooks before a write and the generic rules; every problem found so far comes out here.
    async fn before_write(
        &mut self,
        document: &mut Document,
        before: Option<&Document>,
        transition: Transition,
        problems: &mut Vec<FieldProblem>,
    ) -> Result<()> {
        self.name_new_rows(document, before, problems).await?;
        let (which, about): (Which, &[On]) = match transition {
            // What a Link leads to that the writer may not set must not show in what is computed and told.
            _ if has_wrong_link(problems) => (Which::None, &[]),
            Transition::Save => (Which::All, &[On::Save]),
            Transition::Submit => (Which::All, &[On::Save, On::Submit]),
            Transition::UpdateAfterSubmit => (Which::AllowedOnSubmit, &[On::Save]),
            Transition::Cancel => (Which::None, &[On::Cancel]),
        };
        let mut linked = self.compute(document, which).await?;
        let controllers = self.controllers(&document.doctype.name);
        for controller in &controllers {
            if transition != Transition::Cancel && transition != Transition::UpdateAfterSubmit {
                collect(controller.before_validate(self, document).await, problems)?;
                collect(controller.validate(self, document, before).await, problems)?;
            }
            let hook = match transition {
                Transition::Save => controller.before_save(self, document, before).await,
                Transition::Submit => controller.before_submit(self, document).await,
                Transition::Cancel => controller.before_cancel(self, document).await,
                Transition::UpdateAfterSubmit => controller.before_update_after_submit(self, document).await,
            };
            collect(hook, problems)?;
        }
        if transition != Transition::Cancel {
            self.check_tree(document, before, problems).await?;
            self.adopt_rows(document);
            self.name_new_rows(document, before, problems).await?;
            if !controllers.is_empty() {
                linked = self.compute(document, which).await?;
            }
            let around = self.around(&linked);
            pace::aside(document.has_many_rows(), || validate::validate(&around, about, document, before, problems));
            if self.restoring {
                validate::excuse_passwords(document, problems);
            }
            keep_naming_field(document);
            let stored = StoredRows::of(before);
            for (table, rows) in document.tables.iter_mut().enumerate() {
                for row in rows {
                    if stored.get(table, row).is_some_and(is_named_by_field) {
                        keep_naming_field(row);
                    }
                }
            }
        }
        if transition == Transition::Cancel {
            check_validations(document, about, &self.around(&linked), problems);
        }
        if transition == Transition::UpdateAfterSubmit
            && let Some(before) = before
        {
            check_update_after_submit(document, before, problems);
        }
        Invalid { problems: at_most(std::mem::take(problems)) }.into_result()
    }

    /// The hooks after a write, the Version, and the caches.
    async fn after_write(
        &mut self,
        document: &Document,
        before: Option<&Document>,
        transition: Transition,
    ) -> Result<()> {
        self.touch(&document.doctype.name, &document.name());
        let controllers = self.controllers(&document.doctype.name);
        let events: &[DocEvent] = match transition {
            Transition::Save => &[DocEvent::OnUpdate],
            Transition::Submit => &[DocEvent::OnUpdate, DocEvent::OnSubmit],
            Transition::UpdateAfterSubmit => &[DocEvent::OnUpdateAfterSubmit],
            Transition::Cancel => &[DocEvent::OnCancel],
        };
        for event in events {
            for controller in &controllers {
                match event {
                    DocEvent::OnUpdate => controller.on_update(self, document, before).await?,
                    DocEvent::OnSubmit => controller.on_submit(self, document).await?,
                    DocEvent::OnUpdateAfterSubmit => controller.on_update_after_submit(self, document).await?,
                    _ => controller.on_cancel(self, document).await?,
                }
            }
        }
        if transition == Transition::Cancel {
            self.check_back_links(document, "cancel", true).await?;
        }
        for event in events {
            self.tell(*event, document, before).await?;
        }
        if let Some(before) = before.filter(|before| document.doctype.track_changes && !before.is_new)
            && let Some((data, kept)) =
                pace::aside(document.has_many_rows() || before.has_many_rows(), || version::diff(before, document))
        {
            let values = [
                ("ref_doctype", Value::from(document.doctype.name.as_str())),
                ("docname", Value::from(document.name())),
                ("data", Value::from(data)),
                ("kept", Value::from(kept)),
            ];
            self.insert_log(VERSION, &values).await?;
        }
        for controller in &controllers {
            controller.on_change(self, document).await?;
        }
        // Something new has not changed (Frappe's webhooks say so too).
        match before {
            Some(_) => self.tell(DocEvent::OnChange, document, before).await,
            None => Ok(()),
        }
    }

    /// Tells everybody who listens what has happened.
    pub(super) async fn tell(&mut self, event: DocEvent, document: &Document, before: Option<&Document>) -> Result<()> {
        let documents = self.documents;
        for listener in documents.controllers().doc_events() {
            if listener.listens(documents, event, &document.doctype) {
                listener.happened(self, event, document, before).await?;
            }
        }
        Ok(())
    }

    /// Draft → cancelled without ever being submitted (Frappe's `discard`).
    pub async fn discard(&mut self, doctype: &str, name: &str) -> Result<Document> {
        let mut document = self.get_for_update(doctype, name).await?;
        let doctype = Arc::clone(&document.doctype);
        if !doctype.is_submittable || document.docstatus() != 0 {
            return Err(Error::invalid(
                ProblemKind::DocstatusTransition,
                "Only drafts of submittable documents can be discarded",
            ));
        }
        self.check(&document, Right::Write).await?;
        if let Some(workflow) = self.workflow(&doctype.name).await?.filter(|_| !self.session.is_system()) {
            self.check_editor(&workflow, &document)?;
        }
        let controllers = self.controllers(&doctype.name);
        for controller in &controllers {
            controller.before_discard(self, &mut document).await?;
        }
        document.values[slot::DOCSTATUS] = Value::Int(2);
        let before = document.modified().to_owned();
        self.stamp_change(&mut document, &before);
        self.adopt_rows(&mut document);
        documents::update(self.executor(), &document).await?;
        for row in document.tables.iter().flatten() {
            documents::update(self.executor(), row).await?;
        }
        self.touch(&doctype.name, name);
        for controller in &controllers {
            controller.on_discard(self, &document).await?;
        }
        Ok(document)
    }

    /// Deletes a document with its rows and secrets; it stays readable as a Deleted Document.
    pub async fn delete(&mut self, doctype: &str, name: &str) -> Result<()> {
        let found = self.load(doctype, name, true).await?;
        let mut document = self.readable(doctype, name, found, Right::Delete).await?;
        let doctype = Arc::clone(&document.doctype);
        self.check(&document, Right::Delete).await?;
        check_deletes(&document)?;
        self.check_delete(&mut document).await?;
        self.check_tree_delete(&document).await?;
        let controllers = self.controllers(&doctype.name);
        for controller in &controllers {
            controller.on_trash(self, &document).await?;
        }
        for controller in &controllers {
            controller.on_change(self, &document).await?;
        }
        self.tell(DocEvent::OnTrash, &document, None).await?;
        self.forget_waiting(&document).await?;
        self.delete_cascade(&document).await?;
        self.check_back_links(&document, "delete", false).await?;
        crate::document::naming::revert_series(self.executor(), &document).await?;
        for field in doctype.table_fields() {
            if let Some(child) = self.registry.get(&field.options).cloned() {
                documents::delete_children(self.executor(), &child, &doctype.name, name).await?;
            }
        }
        documents::delete(self.executor(), &doctype, name).await?;
        auth::delete(self.executor(), &doctype.name, name, None).await?;
        for rows in &document.tables {
            let names: Vec<String> = rows.iter().map(Document::name).collect();
            if let Some(first) = rows.first() {
                auth::delete_all(self.executor(), &first.doctype.name, &names).await?;
            }
        }
        self.touch(&doctype.name, name);
        self.note(ChangeKind::Delete, &doctype.name, name, None);
        for controller in &controllers {
            controller.after_delete(self, &document).await?;
        }
        if doctype.keeps_deleted() {
            let (data, kept) = pace::aside(document.has_many_rows(), || {
                let text = |view| serde_json::Value::Object(document.to_json(view)).to_string();
                (text(View::MASKED), document.has_masks().then(|| text(View::WHOLE)))
            });
            let values = [
                ("deleted_doctype", Value::from(doctype.name.as_str())),
                ("deleted_name", Value::from(name)),
                ("data", Value::from(data)),
                ("kept", Value::from(kept)),
            ];
            self.insert_log(DELETED_DOCUMENT, &values).await?;
        }
        Ok(())
    }
}

/// As many problems as somebody can read; of the others only how many there are.
fn at_most(mut problems: Vec<FieldProblem>) -> Vec<FieldProblem> {
    if problems.len() > MOST_PROBLEMS {
        let left_out = problems.len() - MOST_PROBLEMS;
        problems.truncate(MOST_PROBLEMS);
        let message = format!("There are {left_out} more problems");
        problems.push(FieldProblem::general(ProblemKind::Validation, message));
    }
    problems
}

/// Whether a Link points at what is not there, for the writer at least.
fn has_wrong_link(problems: &[FieldProblem]) -> bool {
    problems.iter().any(|problem| problem.kind == ProblemKind::LinkValidation)
}

/// Lets validation problems of a hook join the others; everything else ends the work.
fn collect(result: Result<()>, problems: &mut Vec<FieldProblem>) -> Result<()> {
    match result {
        Err(Error::Validation(invalid)) => {
            problems.extend(invalid.problems);
            Ok(())
        }
        other => other,
    }
}
