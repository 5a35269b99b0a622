//! Links: that they point at something, what is fetched through them, and who points here.

use std::collections::HashSet;
use std::sync::Arc;

use crate::database::references;
use crate::document::link_target::Targets;
use crate::document::stored_rows::StoredRows;
use crate::document::validate::{same, strip_tags};
use crate::document::work::Work;
use crate::error::{Error, FieldProblem, ProblemKind, Result};
use crate::meta::docfield::OnDelete;
use crate::meta::{DocField, DocType, Document, Fieldtype, Value};
use crate::pace::breathe;

/// How many referrers of one DocType are counted where a deletion is refused.
const MOST_COUNTED: usize = 100;
/// How many of them are looked at for one that may be named.
const MOST_LOOKED_AT: usize = 20;

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
        let mut targets = Targets::default();
        let stored = StoredRows::of(before);
        let mut wanted = Wanted::default();
        self.collect_targets(document, before, &mut wanted);
        for (table, rows) in document.tables.iter().enumerate() {
            for (index, row) in rows.iter().enumerate() {
                breathe(index).await;
                self.collect_targets(row, stored.get(table, row), &mut wanted);
            }
        }
        self.look_up_targets(wanted.targets, &mut targets).await?;
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
            let at = |kind, message: String| FieldProblem::at(kind, &field.fieldname, &field.label, message);
            let value = document.get(&field.fieldname).to_string();
            let fetches: Vec<&DocField> = fetching_through(&doctype, &field.fieldname).collect();
            if value.is_empty() {
                clear_fetched(document, &fetches);
                continue;
            }
            let target_doctype = match link_target(&doctype, document, field) {
                Ok(target) => target.to_owned(),
                Err(message) => {
                    problems.push(at(ProblemKind::LinkValidation, message));
                    continue;
                }
            };
            let unchanged =
                before.is_some_and(|before| same(before.get(&field.fieldname), &Value::from(value.as_str())));
            if unchanged && fetches.is_empty() {
                continue;
            }
            let found = self.target(targets, &target_doctype, &value, !fetches.is_empty()).await?;
            let ignores_rights = field.ignore_permissions;
            // What the writer may not know answers as what is not there.
            let Some(target) = found.filter(|target| unchanged || ignores_rights || target.sight.is_some()) else {
                if !unchanged {
                    let message =
                        format!("Could not find {}: {value} is not the name of a {target_doctype}", field.label);
                    problems.push(at(ProblemKind::LinkValidation, message));
                }
                continue;
            };
            if field.fieldname == "amended_from" && document.is_new && target.docstatus != 2 {
                let message = format!("{value} is not cancelled: cancel it before you amend it");
                problems.push(at(ProblemKind::Validation, message));
            } else if target.docstatus == 2 && field.fieldname != "amended_from" && !unchanged && doctype.is_submittable
            {
                let message = format!("{}: {value} is cancelled, link to another one", field.label);
                problems.push(at(ProblemKind::CancelledLink, message));
            }
            if let Some(row) = &target.row {
                for fetching in &fetches {
                    let source = fetching.fetch_from.as_ref().map_or("", |(_, source)| source);
                    let shows = (ignores_rights || target.shows(&row.doctype, source)) && !self.masks(row, source);
                    if shows {
                        fetch(document, fetching, row);
                    } else {
                        keep_fetched(document, fetching, before.filter(|_| unchanged));
                    }
                }
            }
            if !unchanged && field.link_filters.is_some() {
                self.check_link_filters(document, field, &value, problems).await?;
            }
        }
        Ok(())
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

    /// Refuses to delete or cancel what others link to, naming one that the session may read and counting the rest. Links that say `on_delete: cascade` take their
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
        let mut found: Vec<Linking> = Vec::new();
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
                    add(&mut found, Linking { doctype: doctype.name.clone(), name: doctype.name.clone(), idx: 0 });
                }
                continue;
            }
            let type_field = reference.type_field.as_deref().map(|type_field| (type_field, own.as_str()));
            let is_own_table = document.doctype.table_fields().any(|table| table.options == doctype.name);
            let except = (doctype.name == *own || is_own_table).then_some(name.as_str());
            let referrers = references::some_referrers(
                self.executor(),
                (doctype, &field.fieldname),
                type_field,
                &name,
                except,
                submitted_only,
                MOST_COUNTED,
            )
            .await?;
            for referrer in referrers {
                let doctype = referrer.parenttype.unwrap_or_else(|| doctype.name.clone());
                add(&mut found, Linking { doctype, name: referrer.name, idx: referrer.idx });
            }
        }
        if found.is_empty() { Ok(()) } else { Err(self.linked(verb, document, &found).await?) }
    }

    /// The refusal that names one of those that link to a document.
    async fn linked(&mut self, verb: &str, document: &Document, found: &[Linking]) -> Result<Error> {
        let mut named = None;
        for linking in found.iter().take(MOST_LOOKED_AT) {
            match self.get(&linking.doctype, &linking.name).await {
                Ok(_) => {
                    named = Some(linking);
                    break;
                }
                Err(error) if error.is_failure() => return Err(error),
                Err(_) => {}
            }
        }
        let what = format!("Cannot {verb} {} {}", document.doctype.name, document.name());
        let mut message = match (named, found.len()) {
            (Some(Linking { doctype, name, idx }), count) => {
                let row = if *idx > 0 { format!(" at row {idx}") } else { String::new() };
                let others = match count - 1 {
                    0 => String::new(),
                    1 => ", as is 1 other document".to_owned(),
                    others => format!(", as are {others} other documents"),
                };
                format!("{what} because {doctype} {name} is linked to it{row}{others}")
            }
            (None, 1) => format!("{what} because a document that you may not read is linked to it"),
            (None, count) => format!("{what} because {count} documents that you may not read are linked to it"),
        };
        if document.doctype.field("enabled").is_some() || document.doctype.field("disabled").is_some() {
            message.push_str(". You can disable it instead");
        }
        Ok(Error::invalid(ProblemKind::LinkExists, message))
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

/// A document that links to another one; the 1-based row where the link stands in one.
struct Linking {
    doctype: String,
    name: String,
    idx: i64,
}

/// Adds a document, unless another of its links has been found.
fn add(found: &mut Vec<Linking>, linking: Linking) {
    if !found.iter().any(|known| known.doctype == linking.doctype && known.name == linking.name) {
        found.push(linking);
    }
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

/// Copies a value of a link's target into the field that asks for it.
fn fetch(document: &mut Document, field: &DocField, source: &Document) {
    let Some((_, source_field)) = &field.fetch_from else { return };
    let is_final = document.docstatus() == 1 && !field.allow_on_submit && !document.is_new;
    // A number that nobody touched is empty, as it is for Frappe.
    let is_empty = |value: &Value| match value {
        Value::Int(number) => *number == 0,
        Value::Float(number) => *number == 0.0,
        Value::Null | Value::Text(_) => value.is_blank(),
    };
    if is_final || field.fetch_if_empty && !is_empty(document.get(&field.fieldname)) {
        return;
    }
    let Some(from) = source.doctype.field(source_field) else { return };
    if from.secret || from.fieldtype == Fieldtype::Password {
        return;
    }
    let value = match source.get(source_field) {
        Value::Text(html) if from.fieldtype == Fieldtype::TextEditor && field.fieldtype != Fieldtype::TextEditor => {
            Value::Text(strip_tags(html))
        }
        value => value.clone(),
    };
    document.set(&field.fieldname, value);
}

/// A value that the writer may not see is not fetched for them: what is stored stays, and a new link starts without one.
/// Where people may type themselves, they may go on to.
fn keep_fetched(document: &mut Document, field: &DocField, before: Option<&Document>) {
    if field.fetch_if_empty && !field.read_only {
        return;
    }
    let empty = if field.fieldtype.is_never_null() { Value::Int(0) } else { Value::Null };
    document.set(&field.fieldname, before.map_or(empty, |before| before.get(&field.fieldname).clone()));
}

/// An emptied Link empties what was fetched through it, unless people may type there themselves.
fn clear_fetched(document: &mut Document, fields: &[&DocField]) {
    for field in fields.iter().filter(|field| field.read_only && !field.fetch_if_empty) {
        let empty = if field.fieldtype.is_never_null() { Value::Int(0) } else { Value::Null };
        document.set(&field.fieldname, empty);
    }
}
