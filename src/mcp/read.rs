//! The tools that read: search, describe, list, get.

use serde_json::{Map, Value as Json, json};

use crate::document::search::{Search, as_text};
use crate::document::{Documents, ListRequest};
use crate::error::{Error, Result};
use crate::mcp::call::{Arguments, Done};
use crate::mcp::compact::{self, IN_ROW, LONG, LONGEST};
use crate::mcp::{Caller, describe};
use crate::meta::doctype::STANDARD_COLUMNS;
use crate::meta::{DocType, Right};
use crate::permissions::Session;

/// How many DocTypes one search looks through.
const MOST_DOCTYPES: usize = 40;
/// How many documents of each DocType a search through many finds.
const OF_EACH: u64 = 5;
/// How many bytes the rows of a list may have.
const MOST_BYTES: usize = 100_000;
/// How many fields a row of a list has if nobody says.
const MOST_FIELDS: usize = 8;

/// Finds documents by a text.
pub(super) async fn search(caller: &Caller<'_>, arguments: Arguments<'_>) -> Result<Done> {
    let (documents, session) = (&caller.site.documents, &caller.context.session);
    let (text, limit) = (arguments.required("text"), arguments.limit()?);
    let mut rows = Vec::new();
    if let Some(name) = arguments.text("doctype") {
        let doctype = documents.doctype(name)?;
        let found = Search { limit, ..Search::new(documents, session, doctype, text, None) };
        rows.extend(found.run(documents, session).await?.iter().map(|row| result(&found, row)));
        return Ok(Done::structured(json!({ "rows": rows })));
    }
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let readable = describe::readable(documents, session);
    let lower = text.to_lowercase();
    let is_meant = |doctype: &DocType| {
        doctype.name.to_lowercase().contains(&lower) || doctype.description.to_lowercase().contains(&lower)
    };
    rows.extend(
        readable
            .iter()
            .filter(|doctype| is_meant(doctype))
            .take(limit.min(10))
            .map(|doctype| json!({ "doctype": "DocType", "name": doctype.name, "title": doctype.name })),
    );
    // What people work with before what administers the site.
    let (own, others): (Vec<_>, Vec<_>) = readable
        .into_iter()
        .filter(|doctype| doctype.has_table())
        .partition(|doctype| doctype.document_type().is_none_or(|kind| kind == "Document"));
    for doctype in own.into_iter().chain(others).take(MOST_DOCTYPES) {
        if rows.len() >= limit {
            break;
        }
        let found = Search { limit: OF_EACH, ..Search::new(documents, session, doctype, text, None) };
        match found.run(documents, session).await {
            Ok(documents) => rows.extend(documents.iter().map(|row| result(&found, row))),
            Err(error) if error.is_failure() => return Err(error),
            // One that cannot be searched hides nothing of the others.
            Err(_) => {}
        }
    }
    rows.truncate(limit);
    Ok(Done::structured(json!({ "rows": rows })))
}

/// A document that was found.
fn result(search: &Search, row: &Map<String, Json>) -> Json {
    let text = |field: &str| row.get(field).map(as_text).filter(|text| !text.is_empty());
    let mut result = json!({ "doctype": search.doctype.name, "name": text("name").unwrap_or_default() });
    let title = search.doctype.title_field.as_deref();
    if let Some(title) = title.and_then(text) {
        result["title"] = Json::from(compact::cut(title, IN_ROW));
    }
    let others = search.fields.iter().skip(1).filter(|field| Some(field.as_str()) != title);
    let others: Vec<String> = others.filter_map(|field| text(field)).collect();
    if !others.is_empty() {
        result["description"] = Json::from(compact::cut(others.join(", "), IN_ROW));
    }
    result
}

/// Names the DocTypes, or tells all about one.
pub(super) async fn describe(caller: &Caller<'_>, arguments: Arguments<'_>) -> Result<Done> {
    let (documents, session) = (&caller.site.documents, &caller.context.session);
    let Some(name) = arguments.text("doctype") else {
        let readable = describe::readable(documents, session);
        let lines: Vec<Json> = readable.iter().map(|doctype| describe::summary(doctype)).collect();
        return Ok(Done::json(&json!({ "doctypes": lines })));
    };
    let doctype = describe::known(documents, session, name)?;
    Ok(Done::json(&describe::doctype(documents, session, &doctype).await?))
}

/// A page of documents.
pub(super) async fn list(caller: &Caller<'_>, arguments: Arguments<'_>) -> Result<Done> {
    let (documents, session) = (&caller.site.documents, &caller.context.session);
    let doctype = documents.doctype(arguments.required("doctype"))?;
    let limit = arguments.limit()?;
    let start = match arguments.text("cursor") {
        None => 0,
        Some(cursor) => {
            cursor.parse().map_err(|_| Error::misuse("`cursor` is not a `next_cursor` of a page before"))?
        }
    };
    let mut request = ListRequest::new(doctype.name.as_str());
    request.fields = match arguments.0.get("fields") {
        None | Some(Json::Null) => usual_fields(documents, session, &doctype),
        Some(fields) => fields.clone(),
    };
    request.filters = arguments.0.get("filters").cloned().unwrap_or(Json::Null);
    request.order_by = arguments.text("order_by").map(str::to_owned);
    request.group_by = arguments.text("group_by").map(str::to_owned);
    request.start = start;
    request.limit = Some(limit);
    let list = documents.list(session, &request).await?;
    let count = list.rows.len();
    let mut rows = Vec::with_capacity(count);
    let mut bytes = 0;
    for row in list.to_json() {
        let row = Json::Object(compact::document(row, IN_ROW));
        bytes += row.to_string().len();
        if bytes > MOST_BYTES && !rows.is_empty() {
            break;
        }
        rows.push(row);
    }
    let has_more = list.has_next_page || rows.len() < count;
    let next = start.saturating_add(rows.len() as u64);
    let mut page = json!({ "rows": rows });
    if has_more {
        page["next_cursor"] = Json::from(next.to_string());
    }
    Ok(Done::structured(page))
}

/// What a row of a list shows: the name, the title, and what the list view shows, as far as the session may read it.
fn usual_fields(documents: &Documents, session: &Session, doctype: &DocType) -> Json {
    let grant = documents.grant(session, doctype);
    let mut fields = vec!["name"];
    let shown = doctype.fields.iter().filter(|field| field.in_list_view && field.has_column() && !field.secret);
    let title = doctype.title_field.iter().filter_map(|title| doctype.field(title));
    for field in title.chain(shown) {
        if grant.reads_level(field.permlevel)
            && !fields.contains(&field.fieldname.as_str())
            && fields.len() < MOST_FIELDS
        {
            fields.push(&field.fieldname);
        }
    }
    if doctype.is_submittable {
        fields.push("docstatus");
    }
    if !doctype.issingle && !doctype.is_virtual {
        fields.push("modified");
    }
    json!(fields)
}

/// One document.
pub(super) async fn get(caller: &Caller<'_>, arguments: Arguments<'_>) -> Result<Done> {
    let (doctype, name) = (arguments.required("doctype"), arguments.required("name"));
    let fields: Option<Vec<&str>> = arguments
        .0
        .get("fields")
        .and_then(Json::as_array)
        .map(|fields| fields.iter().filter_map(Json::as_str).collect());
    let documents = &caller.site.documents;
    if let Some(fields) = &fields {
        let doctype = describe::known(documents, &caller.context.session, doctype)?;
        let is_known =
            |field: &str| STANDARD_COLUMNS.iter().any(|(name, _)| *name == field) || doctype.field(field).is_some();
        if let Some(unknown) = fields.iter().find(|field| !is_known(field)) {
            return Err(Error::misuse(format!("{} has no field {unknown}", doctype.name)));
        }
    }
    Ok(Done::json(&document(caller, doctype, name, fields.as_deref()).await?))
}

/// A document as assistants get it, whole or in these fields.
pub(super) async fn document(caller: &Caller<'_>, doctype: &str, name: &str, fields: Option<&[&str]>) -> Result<Json> {
    let (documents, session) = (&caller.site.documents, &caller.context.session);
    let document = documents.get(session, doctype, name).await?;
    let mut json = documents.to_json(session, &document);
    if let Some(fields) = fields {
        json.retain(|field, _| fields.contains(&field.as_str()));
    }
    let most = if fields.is_some() { LONGEST } else { LONG };
    Ok(Json::Object(compact::document(json, most)))
}

/// Fails unless the session may do that with a document that it may read.
pub(super) async fn check(
    caller: &Caller<'_>,
    doctype: &str,
    name: &str,
    right: Right,
) -> Result<std::sync::Arc<crate::meta::Document>> {
    let (documents, session) = (&caller.site.documents, &caller.context.session);
    let document = documents.get(session, doctype, name).await?;
    documents.check_found(documents.database(), session, &document.doctype, name, Some(&document), right).await?;
    Ok(document)
}
