//! Links: that they point at something, what is fetched through them, and who points here.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::database::{documents, references};
use crate::document::stored_rows::StoredRows;
use crate::document::validate::{same, strip_tags};
use crate::document::work::Work;
use crate::error::{Error, FieldProblem, ProblemKind, Result};
use crate::meta::docfield::OnDelete;
use crate::meta::{DocField, DocType, Document, Fieldtype, Value};
use crate::pace::breathe;

/// What is known of a link's target: its docstatus, and the row where something is fetched from it.
struct Target {
    docstatus: i64,
    row: Option<Document>,
}

/// How many targets one statement looks up.
const AT_ONCE: usize = 50;

/// Targets looked up in this save, so that ten rows with one link cost one query.
type Targets = HashMap<(String, String), Option<Target>>;

/// Targets to be looked up together, each once.
#[derive(Default)]
struct Wanted {
    targets: Vec<(Arc<DocType>, String)>,
    known: HashSet<(String, String)>,
}

impl Work<'_> {
    /// Checks every Link and Dynamic Link that is new or changed, and fills in `fetch_from` fields.
    pub(super) async fn check_links(
        &mut self,
        document: &mut Document,
        before: Option<&Document>,
        problems: &mut Vec<FieldProblem>,
    ) -> Result<()> {
        let mut targets = Targets::new();
        let stored = StoredRows::of(before);
        self.look_up_targets(document, before, &stored, &mut targets).await?;
        self.check_links_of(document, before, &mut targets, problems).await?;
        let doctype = Arc::clone(&document.doctype);
        for (table, field) in doctype.table_fields().enumerate() {
            let mut rows = std::mem::take(&mut document.tables[table]);
            for (index, row) in rows.iter_mut().enumerate() {
                breathe(index).await;
                let mut found = Vec::new();
                self.check_links_of(row, stored.get(table, row), &mut targets, &mut found).await?;
                problems.extend(found.into_iter().map(|problem| problem.in_row(&field.fieldname, index + 1)));
            }
            document.tables[table] = rows;
        }
        Ok(())
    }

    /// Looks up together what only has to exist, in the document and its rows: each statement costs a way to the database
    /// and back. Targets from which something is fetched, and those without a table, are looked up where they are met.
    async fn look_up_targets(
        &mut self,
        document: &Document,
        before: Option<&Document>,
        stored: &StoredRows<'_>,
        targets: &mut Targets,
    ) -> Result<()> {
        let mut wanted = Wanted::default();
        self.collect_targets(document, before, &mut wanted);
        for (table, rows) in document.tables.iter().enumerate() {
            for (index, row) in rows.iter().enumerate() {
                breathe(index).await;
                self.collect_targets(row, stored.get(table, row), &mut wanted);
            }
        }
        let Wanted { targets: wanted, .. } = wanted;
        for together in wanted.chunks(AT_ONCE) {
            let found = documents::docstatuses(self.executor(), together).await?;
            for ((doctype, name), docstatus) in together.iter().zip(found) {
                let target = docstatus.map(|docstatus| Target { docstatus, row: None });
                targets.insert((doctype.name.clone(), name.clone()), target);
            }
        }
        Ok(())
    }

    fn collect_targets(&self, document: &Document, before: Option<&Document>, wanted: &mut Wanted) {
        let doctype = &document.doctype;
        for field in doctype.fields.iter().filter(|field| is_link(field)) {
            let value = document.get(&field.fieldname).to_string();
            let unchanged =
                before.is_some_and(|before| same(before.get(&field.fieldname), &Value::from(value.as_str())));
            if value.is_empty() || unchanged || fetching_through(doctype, &field.fieldname).next().is_some() {
                continue;
            }
            let Ok(target) = link_target(doctype, document, field) else { continue };
            let Some(target) = self.registry.get(target).filter(|target| target.has_table()) else { continue };
            if target.name != "DocType" && wanted.known.insert((target.name.clone(), value.clone())) {
                wanted.targets.push((Arc::clone(target), value));
            }
        }
    }

    async fn check_links_of(
        &mut self,
        document: &mut Document,
        before: Option<&Document>,
        targets: &mut Targets,
        problems: &mut Vec<FieldProblem>,
    ) -> Result<()> {
        let doctype = Arc::clone(&document.doctype);
        for field in &doctype.fields {
            if !is_link(field) {
                continue;
            }
            let value = document.get(&field.fieldname).to_string();
            let fetches: Vec<&DocField> = fetching_through(&doctype, &field.fieldname).collect();
            if value.is_empty() {
                clear_fetched(document, &fetches);
                continue;
            }
            let target_doctype = match link_target(&doctype, document, field) {
                Ok(target) => target.to_owned(),
                Err(message) => {
                    problems.push(FieldProblem::at(
                        ProblemKind::LinkValidation,
                        &field.fieldname,
                        &field.label,
                        message,
                    ));
                    continue;
                }
            };
            let unchanged =
                before.is_some_and(|before| same(before.get(&field.fieldname), &Value::from(value.as_str())));
            if unchanged && fetches.is_empty() {
                continue;
            }
            let key = (target_doctype, value);
            if !targets.contains_key(&key) {
                let found = self.find_target(&key.0, &key.1, !fetches.is_empty()).await?;
                targets.insert(key.clone(), found);
            }
            match &targets[&key] {
                None if unchanged => {}
                None => {
                    let message = format!("Could not find {}: {} is not the name of a {}", field.label, key.1, key.0);
                    problems.push(FieldProblem::at(
                        ProblemKind::LinkValidation,
                        &field.fieldname,
                        &field.label,
                        message,
                    ));
                }
                Some(target) => {
                    if field.fieldname == "amended_from" && document.is_new && target.docstatus != 2 {
                        let message = format!("{} is not cancelled: cancel it before you amend it", key.1);
                        problems.push(FieldProblem::at(
                            ProblemKind::Validation,
                            &field.fieldname,
                            &field.label,
                            message,
                        ));
                    } else if target.docstatus == 2
                        && field.fieldname != "amended_from"
                        && !unchanged
                        && doctype.is_submittable
                    {
                        let message = format!("{}: {} is cancelled, link to another one", field.label, key.1);
                        problems.push(FieldProblem::at(
                            ProblemKind::CancelledLink,
                            &field.fieldname,
                            &field.label,
                            message,
                        ));
                    }
                    if let Some(row) = &target.row {
                        fetch(document, &fetches, row);
                    }
                }
            }
            if !unchanged && field.link_filters.is_some() {
                self.check_link_filters(document, field, &key.1, problems).await?;
            }
        }
        Ok(())
    }

    /// Looks a link's target up. A DocType that is not loaded is not checked.
    async fn find_target(&mut self, doctype: &str, name: &str, whole: bool) -> Result<Option<Target>> {
        if doctype == "DocType" {
            return Ok(self.registry.get(name).map(|_| Target { docstatus: 0, row: None }));
        }
        let Some(target) = self.registry.get(doctype).cloned() else {
            return Ok(Some(Target { docstatus: 0, row: None }));
        };
        if target.issingle {
            return Ok((name == target.name).then_some(Target { docstatus: 0, row: None }));
        }
        if target.is_virtual {
            let found = self.virtual_document(&target, name).await?;
            return Ok(found.map(|row| Target { docstatus: row.docstatus(), row: Some(row) }));
        }
        if whole {
            let row = documents::find(self.executor(), &target, name, false).await?;
            return Ok(row.map(|row| Target { docstatus: row.docstatus(), row: Some(row) }));
        }
        let found = documents::exists(self.executor(), &target, name).await?;
        Ok(found.map(|(_, docstatus)| Target { docstatus, row: None }))
    }

    /// The filters of a Link (`link_filters`) hold on the server too. `eval:doc.x` in a value is the field's value.
    async fn check_link_filters(
        &mut self,
        document: &Document,
        field: &DocField,
        value: &str,
        problems: &mut Vec<FieldProblem>,
    ) -> Result<()> {
        let Some(serde_json::Value::Array(filters)) = &field.link_filters else { return Ok(()) };
        if self.registry.get(&field.options).is_none_or(|target| target.is_virtual || target.issingle) {
            return Ok(());
        }
        let mut filters: Vec<serde_json::Value> = filters.clone();
        for filter in &mut filters {
            if let Some(last) = filter.as_array_mut().and_then(|filter| filter.last_mut())
                && let Some(fieldname) = last.as_str().and_then(|text| text.strip_prefix("eval:"))
            {
                let fieldname = fieldname.trim().trim_start_matches("doc.").to_owned();
                *last = document.get(&fieldname).to_json();
            }
        }
        filters.push(serde_json::json!(["name", "=", value]));
        let request = crate::document::ListRequest::new(&field.options).filters(filters.into());
        let caller = self.become_system();
        let found = self.count(&request).await;
        self.session = caller;
        if found? == 0 {
            let message =
                format!("{}: {value} does not meet the conditions of this link, choose another one", field.label);
            problems.push(FieldProblem::at(ProblemKind::LinkValidation, &field.fieldname, &field.label, message));
        }
        Ok(())
    }

    /// Refuses to delete or cancel what others link to, naming one of them. Links that say `on_delete: cascade` take their
    /// documents along; those that say `on_delete: ignore` do not count.
    pub(super) async fn check_back_links(
        &mut self,
        document: &Document,
        verb: &str,
        submitted_only: bool,
    ) -> Result<()> {
        let registry = Arc::clone(&self.registry);
        let name = document.name();
        let own = &document.doctype.name;
        let links = registry.links_to(own).iter().chain(registry.dynamic_links());
        for reference in links {
            let Some(doctype) = registry.get(&reference.doctype) else { continue };
            let Some(field) = doctype.field(&reference.fieldname) else { continue };
            if doctype.is_virtual || field.on_delete != OnDelete::Refuse {
                continue;
            }
            let ignored = self.controllers(own).iter().any(|controller| controller.ignores_links_from(&doctype.name));
            if ignored {
                continue;
            }
            if doctype.issingle {
                let refers = reference.type_field.is_none()
                    && references::single_refers(self.executor(), &doctype.name, &field.fieldname, &name).await?;
                if refers && !submitted_only && doctype.name != *own {
                    return Err(linked(verb, document, &doctype.name, &doctype.name, 0));
                }
                continue;
            }
            let type_field = reference.type_field.as_deref().map(|type_field| (type_field, own.as_str()));
            let is_own_table = document.doctype.table_fields().any(|table| table.options == doctype.name);
            let except = (doctype.name == *own || is_own_table).then_some(name.as_str());
            let found = references::first_referrer(
                self.executor(),
                doctype,
                &field.fieldname,
                type_field,
                &name,
                except,
                submitted_only,
            )
            .await?;
            if let Some(referrer) = found {
                let by = referrer.parenttype.as_deref().unwrap_or(&doctype.name);
                return Err(linked(verb, document, by, &referrer.name, referrer.idx));
            }
        }
        Ok(())
    }

    /// Deletes the documents whose links say `on_delete: cascade`.
    pub(super) async fn delete_cascade(&mut self, document: &Document) -> Result<()> {
        let registry = Arc::clone(&self.registry);
        let own = document.doctype.name.as_str();
        for reference in registry.links_to(own).iter().chain(registry.dynamic_links()) {
            let Some(doctype) = registry.get(&reference.doctype) else { continue };
            let cascades =
                doctype.field(&reference.fieldname).is_some_and(|field| field.on_delete == OnDelete::Cascade);
            if !cascades || !doctype.has_table() || doctype.istable {
                continue;
            }
            let type_field = reference.type_field.as_deref().map(|type_field| (type_field, own));
            let field = &reference.fieldname;
            let names = references::referrers(self.executor(), doctype, field, type_field, &document.name()).await?;
            for name in names {
                let caller = self.become_system();
                let deleted = Box::pin(self.delete(&doctype.name, &name)).await;
                self.session = caller;
                deleted?;
            }
        }
        Ok(())
    }
}

fn linked(verb: &str, document: &Document, doctype: &str, name: &str, idx: i64) -> Error {
    let row = if idx > 0 { format!(" at row {idx}") } else { String::new() };
    let mut message = format!(
        "Cannot {verb} {} {} because {doctype} {name} is linked to it{row}",
        document.doctype.name,
        document.name()
    );
    if document.doctype.field("enabled").is_some() || document.doctype.field("disabled").is_some() {
        message.push_str(". You can disable it instead");
    }
    Error::invalid(ProblemKind::LinkExists, message)
}

/// Whether the field holds a link that is stored.
fn is_link(field: &DocField) -> bool {
    matches!(field.fieldtype, Fieldtype::Link | Fieldtype::DynamicLink) && field.has_column()
}

/// The DocType that a Link or Dynamic Link points at.
fn link_target<'d>(doctype: &'d DocType, document: &'d Document, field: &'d DocField) -> Result<&'d str, String> {
    if field.fieldtype == Fieldtype::Link {
        return Ok(field.options.trim());
    }
    let type_field = field.options.trim();
    let target = document.text(type_field);
    if target.is_empty() {
        let label = doctype.field(type_field).map_or(type_field, |field| field.label.as_str());
        return Err(format!("{label} must be set first: it says what {} points at", field.label));
    }
    Ok(target)
}

/// The fields that fetch through a Link.
fn fetching_through<'d>(doctype: &'d DocType, link: &'d str) -> impl Iterator<Item = &'d DocField> {
    doctype.fields.iter().filter(move |field| {
        field.has_column() && field.fetch_from.as_ref().is_some_and(|(through, _)| through == link)
    })
}

/// Copies the values of a link's target into the fields that ask for them.
fn fetch(document: &mut Document, fields: &[&DocField], source: &Document) {
    for field in fields {
        let Some((_, source_field)) = &field.fetch_from else { continue };
        if document.docstatus() == 1 && !field.allow_on_submit && !document.is_new {
            continue;
        }
        if field.fetch_if_empty && !document.get(&field.fieldname).is_blank() {
            continue;
        }
        let Some(from) = source.doctype.field(source_field) else { continue };
        if from.secret || from.fieldtype == Fieldtype::Password {
            continue;
        }
        let value = match source.get(source_field) {
            Value::Text(html)
                if from.fieldtype == Fieldtype::TextEditor && field.fieldtype != Fieldtype::TextEditor =>
            {
                Value::Text(strip_tags(html))
            }
            value => value.clone(),
        };
        document.set(&field.fieldname, value);
    }
}

/// An emptied Link empties what was fetched through it, unless people may type there themselves.
fn clear_fetched(document: &mut Document, fields: &[&DocField]) {
    for field in fields.iter().filter(|field| field.read_only && !field.fetch_if_empty) {
        let empty = if field.fieldtype.is_never_null() { Value::Int(0) } else { Value::Null };
        document.set(&field.fieldname, empty);
    }
}
