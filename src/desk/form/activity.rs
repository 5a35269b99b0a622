//! What happened to a document, for the panel beside its form: versions and comments, as far as one may read them.

use chrono::NaiveDateTime;
use serde_json::{Value as Json, json};

use crate::desk::form::control::label;
use crate::desk::form::view::{Activity, Change};
use crate::desk::help;
use crate::desk::shell::ago;
use crate::document::{Documents, List, ListRequest};
use crate::error::{Error, Result};
use crate::meta::{DocType, Document, Fieldtype};
use crate::permissions::{Grant, Session};

/// How many of each are shown.
const LIMIT: u64 = 10;
/// Longer values are cut.
const LONGEST: usize = 140;

/// The latest versions and comments, newest first.
pub async fn activity(
    documents: &Documents,
    session: &Session,
    grant: &Grant,
    document: &Document,
) -> Result<Vec<Activity>> {
    let registry = documents.registry();
    let doctype = &document.doctype;
    let now = documents.clock().now_naive();
    let mut found = Vec::new();
    if doctype.track_changes && registry.get("Version").is_some() {
        let request = latest("Version", &["owner", "creation", "data"])
            .filters(json!([["ref_doctype", "=", doctype.name], ["docname", "=", document.name()]]));
        let list = readable(documents.list(session, &request).await)?;
        found.extend((0..list.rows.len()).filter_map(|row| version(&list, row, doctype, grant, now)));
    }
    if registry.get("Comment").is_some() {
        let request = latest("Comment", &["owner", "comment_by", "creation", "content"])
            .filters(json!([["reference_doctype", "=", doctype.name], ["reference_name", "=", document.name()]]));
        let list = readable(documents.list(session, &request).await)?;
        found.extend((0..list.rows.len()).map(|row| comment(&list, row, now)));
    }
    found.sort_by(|a, b| b.when.cmp(&a.when));
    Ok(found)
}

fn latest(doctype: &str, fields: &[&str]) -> ListRequest {
    let mut request = ListRequest::new(doctype).fields(fields).order_by("creation desc");
    request.limit = Some(LIMIT);
    request
}

/// Whoever may not read versions or comments sees none.
fn readable(result: Result<List>) -> Result<List> {
    match result {
        Err(error @ (Error::Internal(_) | Error::Unavailable(_))) => Err(error),
        other => Ok(other.unwrap_or_default()),
    }
}

fn version(list: &List, row: usize, doctype: &DocType, grant: &Grant, now: NaiveDateTime) -> Option<Activity> {
    let data: Json = serde_json::from_str(list.text(row, "data")).ok()?;
    let mut changes: Vec<Change> =
        entries(&data, "changed").filter_map(|entry| change(entry, doctype, grant)).collect();
    for (key, from, to) in [("added", "", "row added"), ("removed", "row removed", "")] {
        for entry in entries(&data, key) {
            changes.extend(change(&json!([entry.get(0)?, from, to]), doctype, grant));
        }
    }
    for entry in entries(&data, "row_changed") {
        let row = entry.get(1).and_then(Json::as_i64).unwrap_or(0) + 1;
        changes.extend(change(&json!([entry.get(0)?, "", format!("row {row} changed")]), doctype, grant));
    }
    (!changes.is_empty()).then(|| moment(list, row, "owner", "changed", changes, now))
}

fn entries<'a>(data: &'a Json, key: &str) -> impl Iterator<Item = &'a Json> {
    data.get(key).and_then(Json::as_array).into_iter().flatten()
}

/// `[fieldname, old, new]`, if the field is one that the session may read.
fn change(entry: &Json, doctype: &DocType, grant: &Grant) -> Option<Change> {
    let fieldname = entry.get(0)?.as_str()?;
    let field = doctype.field(fieldname);
    if field.is_some_and(|field| {
        field.secret || field.fieldtype == Fieldtype::Password || !grant.reads_level(field.permlevel)
    }) {
        return None;
    }
    let text = |at: usize| {
        let text = match entry.get(at) {
            None | Some(Json::Null) => String::new(),
            Some(Json::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        text.char_indices().nth(LONGEST).map_or(text.clone(), |(end, _)| format!("{}…", &text[..end]))
    };
    let label = field.map_or_else(|| crate::meta::doctype::unscrub(fieldname), label);
    Some(Change { label, from: text(1), to: text(2) })
}

fn comment(list: &List, row: usize, now: NaiveDateTime) -> Activity {
    let who = if list.text(row, "comment_by").is_empty() { "owner" } else { "comment_by" };
    let content = help::plain(list.text(row, "content"));
    moment(list, row, who, &format!("wrote: {content}"), Vec::new(), now)
}

fn moment(list: &List, row: usize, who: &str, what: &str, changes: Vec<Change>, now: NaiveDateTime) -> Activity {
    let when = list.text(row, "creation");
    Activity {
        who: list.text(row, who).to_owned(),
        when: when.to_owned(),
        ago: ago(when, now),
        what: what.to_owned(),
        changes,
    }
}
