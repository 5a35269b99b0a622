//! JSON that is saved: values merged into new and stored documents, and child rows that are written by themselves.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::clock::Zone;
use crate::document::guard::changes;
use crate::document::{Children, Work, access};
use crate::error::{Error, FieldProblem, Invalid, ProblemKind, Result};
use crate::meta::doctype::slot;
use crate::meta::naming_rule::NamingRule;
use crate::meta::{DocType, Document, Right, Value};
use crate::permissions::decide::Denied;

impl Work<'_> {
    /// Inserts from JSON. With `keep_name`, a `name` counts whatever the naming rule (v2's insert).
    pub async fn insert_json(
        &mut self,
        doctype: &Arc<DocType>,
        values: &Map<String, Json>,
        keep_name: bool,
    ) -> Result<Document> {
        if doctype.istable {
            return self.insert_row(doctype, values).await;
        }
        if doctype.issingle {
            return self.update_json(&doctype.name, &doctype.name, values, Children::Replace).await;
        }
        let mut document = self.new_document(&doctype.name)?;
        let requested = ["name", "__newname"].iter().find_map(|key| values.get(*key)).and_then(name_text);
        let people_choose = matches!(doctype.naming_rule, NamingRule::Prompt | NamingRule::Uuid);
        if let Some(name) = requested.filter(|_| people_choose || keep_name) {
            document.set_name(name);
        }
        if let Some(docstatus) = requested_docstatus(values)? {
            document.values[slot::DOCSTATUS] = Value::Int(docstatus);
        }
        self.apply(&mut document, values, Children::Replace);
        self.insert(document).await
    }

    /// Merges JSON into a stored document and saves it.
    pub async fn update_json(
        &mut self,
        doctype: &str,
        name: &str,
        values: &Map<String, Json>,
        children: Children,
    ) -> Result<Document> {
        let target = self.doctype(doctype)?;
        if target.istable {
            return self.update_row(&target, name, values.clone()).await;
        }
        let found = self.load(doctype, name, true).await?;
        let before = self.readable(doctype, name, found, Right::Write).await?;
        check_latest(&before, values.get("modified").and_then(Json::as_str), self.documents.zone(&self.session))?;
        let mut document = before.clone();
        if let Some(docstatus) = requested_docstatus(values)? {
            document.values[slot::DOCSTATUS] = Value::Int(docstatus);
        }
        self.apply(&mut document, values, children);
        self.pending.extend(changed_origin(&before, values, self.documents.zone(&self.session)));
        self.save_over(document, &before).await
    }

    /// The same, unless nothing would change: then nothing is written, and `None` comes back.
    pub async fn update_json_if_changed(
        &mut self,
        doctype: &str,
        name: &str,
        values: &Map<String, Json>,
        children: Children,
    ) -> Result<Option<Document>> {
        let found = self.load(doctype, name, true).await?;
        let before = self.readable(doctype, name, found, Right::Write).await?;
        let mut document = before.clone();
        self.apply(&mut document, values, children);
        if self.pending.is_empty() && changes(&document, &before).next().is_none() {
            // Whoever may not change it is told so also where nothing changes.
            self.check(&before, Right::Write).await?;
            return Ok(None);
        }
        self.save_over(document, &before).await.map(Some)
    }

    /// Deletes a document, or a child row by its name.
    pub async fn remove(&mut self, doctype: &str, name: &str) -> Result<()> {
        let target = self.doctype(doctype)?;
        if target.istable {
            let values = Map::from_iter([("_delete".to_owned(), Json::Bool(true))]);
            return self.update_row(&target, name, values).await.map(drop);
        }
        self.delete(doctype, name).await
    }

    /// A child row that is written by itself is written through its parent, whose rules and permissions count.
    pub(super) async fn update_row(
        &mut self,
        child: &Arc<DocType>,
        name: &str,
        mut values: Map<String, Json>,
    ) -> Result<Document> {
        if child.is_virtual {
            // Who may not read it is told nothing; who may is told why it stays as it is.
            self.get(&child.name, name).await?;
            return Err(Error::misuse(format!("{} is virtual: its rows cannot be changed here", child.name)));
        }
        let row = self.find_row(&child.name, name).await?;
        let Some(row) = row else {
            return Err(if self.session.is_administrator() {
                Error::does_not_exist(&child.name, name)
            } else {
                access::refusal(&self.session, child, Some(name), Right::Write, &Denied::Role)
            });
        };
        values.insert("name".to_owned(), Json::from(name));
        let parent = row.text("parent").to_owned();
        let change = Map::from_iter([(row.text("parentfield").to_owned(), Json::Array(vec![Json::Object(values)]))]);
        let saved = Box::pin(self.update_json(row.text("parenttype"), &parent, &change, Children::Patch)).await?;
        let rows = saved.rows(row.text("parentfield"));
        Ok(rows.iter().find(|saved| saved.name() == name).cloned().unwrap_or(row))
    }

    async fn insert_row(&mut self, child: &Arc<DocType>, values: &Map<String, Json>) -> Result<Document> {
        let text = |key: &str| values.get(key).and_then(Json::as_str).unwrap_or_default();
        let (parenttype, parent, field) = (text("parenttype"), text("parent"), text("parentfield"));
        let fits = self.registry.get(parenttype).and_then(|doctype| doctype.field(field)).map(|field| &field.options);
        if parent.is_empty() || fits != Some(&child.name) {
            return Err(Error::misuse(format!(
                "A {} belongs to a document: send parent, parenttype and the table field as parentfield",
                child.name
            )));
        }
        let mut row = values.clone();
        row.remove("name");
        let change = Map::from_iter([(field.to_owned(), Json::Array(vec![Json::Object(row)]))]);
        let saved = Box::pin(self.update_json(parenttype, parent, &change, Children::Patch)).await?;
        saved.rows(field).last().cloned().ok_or_else(|| Error::misuse("The row was not kept"))
    }
}

fn requested_docstatus(values: &Map<String, Json>) -> Result<Option<i64>> {
    let Some(value) = values.get("docstatus") else { return Ok(None) };
    let number = match value {
        Json::Null => return Ok(None),
        Json::String(text) => text.trim().parse().ok(),
        value => value.as_i64(),
    };
    number.filter(|number| (0..=2).contains(number)).map(Some).ok_or_else(|| {
        Error::invalid(
            ProblemKind::DocstatusTransition,
            format!("docstatus is 0 (draft), 1 (submitted) or 2 (cancelled), not {value}"),
        )
    })
}

/// A name as JSON sends it: text, or the number of an autoincrement DocType.
fn name_text(value: &Json) -> Option<String> {
    match value {
        Json::String(name) => Some(name.clone()).filter(|name| !name.is_empty()),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The optimistic lock: fails if the document is no longer as it was when `modified` was read, in the zone or as stored.
/// `None` asks for no lock.
pub(super) fn check_latest(before: &Document, modified: Option<&str>, zone: Zone) -> Result<()> {
    let stored = zone.shown(before.modified());
    match modified {
        Some(modified)
            if !before.is_new && !same_moment(modified, &stored) && !same_moment(modified, before.modified()) =>
        {
            Err(modified_meanwhile(before, &stored, modified))
        }
        _ => Ok(()),
    }
}

/// The same time, however many digits the client kept of it.
fn same_moment(sent: &str, stored: &str) -> bool {
    let short = |text: &str| text.trim().replace('T', " ").trim_end_matches('0').trim_end_matches('.').to_owned();
    short(sent) == short(stored)
}

/// Who made a document and when never changes; sent back as they were read, both are fine.
fn changed_origin(before: &Document, values: &Map<String, Json>, zone: Zone) -> Vec<FieldProblem> {
    let created = before.text("creation");
    let shown = zone.shown(created);
    let mut problems = Vec::new();
    for (fieldname, label) in [("owner", "Created By"), ("creation", "Created On")] {
        let is_kept = match values.get(fieldname) {
            None | Some(Json::Null) => true,
            Some(Json::String(sent)) if fieldname == "owner" => sent.is_empty() || sent == before.owner(),
            Some(Json::String(sent)) => sent.is_empty() || same_moment(sent, created) || same_moment(sent, &shown),
            Some(_) => false,
        };
        if !is_kept && !before.is_new {
            let message = format!("{label} cannot be changed: leave {fieldname} out, or send it as it was read");
            problems.push(FieldProblem::at(ProblemKind::CannotChangeConstant, fieldname, label, message));
        }
    }
    problems
}

fn modified_meanwhile(before: &Document, stored: &str, sent: &str) -> Error {
    let message = format!(
        "Error: {} ({}) has been modified after you have opened it ({stored}, {sent}). Please refresh to get the latest document",
        before.name(),
        before.doctype.name
    );
    Error::Validation(Invalid { problems: vec![FieldProblem::general(ProblemKind::TimestampMismatch, message)] })
}
