//! Formulas and validations of a document: computed after values are fetched, checked with everything else.

use std::sync::Arc;

use crate::database::documents;
use crate::document::load;
use crate::document::scope::{Around, DocumentScope, Linked, target};
use crate::document::work::Work;
use crate::error::{FieldProblem, Invalid, ProblemKind, Result};
use crate::meta::expression::{Expression, Read, Through};
use crate::meta::formula::{Formulas, Step, reads_others};
use crate::meta::validation::On;
use crate::meta::{DocField, Document};
use crate::pace::breathe;

/// Which formulas are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// All of them.
    All,
    /// Of a submitted document: those that may still change.
    AllowedOnSubmit,
    /// Those without a column.
    Virtual,
    /// None, of what is about to end.
    None,
}

impl Which {
    fn takes(self, step: &Step) -> bool {
        match self {
            Self::All | Self::AllowedOnSubmit => true,
            Self::Virtual => step.is_virtual,
            Self::None => false,
        }
    }
}

impl Work<'_> {
    /// The formulas of a document, if its DocType has any; also names of other documents that its validations read are
    /// looked up.
    pub(super) async fn compute(&mut self, document: &mut Document, which: Which) -> Result<Linked> {
        let mut linked = Linked::default();
        let Some(formulas) = self.registry.formulas(&document.doctype.name).cloned() else { return Ok(linked) };
        for step in formulas.steps.iter().filter(|step| which.takes(step)) {
            self.compute_step(document, step, which, &mut linked).await?;
        }
        if formulas.has_validations && which != Which::Virtual {
            self.look_up_for_validations(document, &mut linked).await?;
        }
        Ok(linked)
    }

    /// The same for documents of which some fields are computed on reading.
    pub(super) async fn compute_virtual(&mut self, document: &mut Document) -> Result<()> {
        let formulas = self.registry.formulas(&document.doctype.name);
        if formulas.is_some_and(|formulas| formulas.has_virtual) {
            self.compute(document, Which::Virtual).await?;
        }
        Ok(())
    }

    async fn compute_step(
        &mut self,
        document: &mut Document,
        step: &Step,
        which: Which,
        linked: &mut Linked,
    ) -> Result<()> {
        let doctype = Arc::clone(&document.doctype);
        let Some(table) = &step.table else {
            let Some(field) = doctype.field(&step.fieldname) else { return Ok(()) };
            if which == Which::AllowedOnSubmit && !field.allow_on_submit && !field.is_virtual {
                return Ok(());
            }
            if let Some(formula) = field.formula.as_ref().filter(|_| step.reads_others) {
                self.look_up(document, None, &formula.0, linked).await?;
            }
            self.set(document, None, field, linked);
            return Ok(());
        };
        let (Some(index), Some(table)) = (doctype.table(table), doctype.field(table)) else { return Ok(()) };
        let mut rows = std::mem::take(&mut document.tables[index]);
        for (at, row) in rows.iter_mut().enumerate() {
            breathe(at).await;
            let child = Arc::clone(&row.doctype);
            let Some(field) = child.field(&step.fieldname) else { break };
            let may_change = table.allow_on_submit || field.allow_on_submit || field.is_virtual;
            if which == Which::AllowedOnSubmit && !may_change {
                break;
            }
            if let Some(formula) = field.formula.as_ref().filter(|_| step.reads_others) {
                self.look_up(row, Some(document), &formula.0, linked).await?;
            }
            self.set(row, Some(document), field, linked);
        }
        document.tables[index] = rows;
        Ok(())
    }

    fn set(&self, document: &mut Document, parent: Option<&Document>, field: &DocField, linked: &Linked) {
        let Some(formula) = &field.formula else { return };
        let around = self.around(linked);
        let scope = DocumentScope { document, parent, around: &around };
        let value = formula.compute(field, &scope, around.zone);
        document.set_computed(&field.fieldname, value);
    }

    /// What conditions see beside a document.
    pub(super) fn around<'l>(&'l self, linked: &'l Linked) -> Around<'l> {
        let documents = self.documents;
        Around { session: &self.session, clock: documents.clock(), zone: documents.site_zone(), linked }
    }

    async fn look_up_for_validations(&mut self, document: &Document, linked: &mut Linked) -> Result<()> {
        for validation in &document.doctype.validations {
            self.look_up(document, None, &validation.when, linked).await?;
        }
        for row in document.tables.iter().flatten() {
            for validation in &row.doctype.validations {
                self.look_up(row, Some(document), &validation.when, linked).await?;
            }
        }
        Ok(())
    }

    /// Reads the documents that an expression reads: for the definition, not for whoever writes. A Link that they may not
    /// set is refused by itself.
    async fn look_up(
        &mut self,
        document: &Document,
        parent: Option<&Document>,
        expression: &Expression,
        linked: &mut Linked,
    ) -> Result<()> {
        for read in expression.reads().into_iter().filter(reads_others) {
            match read {
                Read::Linked(through, _) => self.look_up_one(document, parent, through, linked).await?,
                Read::OfRows(table, read) => {
                    let Read::Linked(through, _) = *read else { continue };
                    for row in document.rows(table) {
                        self.look_up_one(row, Some(document), through, linked).await?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    async fn look_up_one(
        &mut self,
        document: &Document,
        parent: Option<&Document>,
        through: &Through,
        linked: &mut Linked,
    ) -> Result<()> {
        let key = match through {
            Through::Doc(link) => target(document, link),
            Through::Parent(link) => parent.and_then(|parent| target(parent, link)),
            Through::Single(doctype) => Some((doctype.clone(), doctype.clone())),
        };
        let Some(key) = key.filter(|key| !linked.0.contains_key(key)) else { return Ok(()) };
        let found = match self.registry.get(&key.0).cloned() {
            None => None,
            Some(doctype) if doctype.has_table() => documents::find(self.executor(), &doctype, &key.1, false).await?,
            Some(doctype) if doctype.is_virtual => Box::pin(self.virtual_document(&doctype, &key.1)).await?,
            // A Single without what it computes on reading, which may lead back here.
            Some(doctype) => {
                let registry = Arc::clone(&self.registry);
                load::find(self.executor(), &registry, &doctype, &key.1, false).await?
            }
        };
        linked.0.insert(key, found);
        Ok(())
    }

    /// The validations that hold when a document is about to be deleted.
    pub(super) async fn check_delete(&mut self, document: &mut Document) -> Result<()> {
        let linked = self.compute(document, Which::None).await?;
        let mut problems = Vec::new();
        check_validations(document, &[On::Delete], &self.around(&linked), &mut problems);
        Invalid { problems }.into_result()
    }
}

/// Adds a problem for every validation that holds of a document or its rows.
pub(super) fn check_validations(
    document: &Document,
    about: &[On],
    around: &Around<'_>,
    problems: &mut Vec<FieldProblem>,
) {
    check_own(document, None, about, around, problems);
    for (table, rows) in document.doctype.table_fields().zip(&document.tables) {
        for (index, row) in rows.iter().enumerate() {
            let mut found = Vec::new();
            check_own(row, Some(document), about, around, &mut found);
            problems.extend(found.into_iter().map(|problem| problem.in_row(&table.fieldname, index + 1)));
        }
    }
}

fn check_own(
    document: &Document,
    parent: Option<&Document>,
    about: &[On],
    around: &Around<'_>,
    problems: &mut Vec<FieldProblem>,
) {
    let scope = DocumentScope { document, parent, around };
    for validation in &document.doctype.validations {
        if !validation.on.iter().any(|on| about.contains(on)) || !validation.when.requires(&scope) {
            continue;
        }
        let message = validation.told(document);
        let field = validation.field.as_deref().and_then(|name| document.doctype.field(name));
        problems.push(match field {
            Some(field) => FieldProblem::at(ProblemKind::Validation, &field.fieldname, &field.label, message),
            None => FieldProblem::general(ProblemKind::Validation, message),
        });
    }
}

/// Whether a document of the DocType has fields that are computed on reading.
pub(super) fn has_virtual(formulas: Option<&Arc<Formulas>>) -> bool {
    formulas.is_some_and(|formulas| formulas.has_virtual)
}
