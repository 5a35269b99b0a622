//! What both versions of the API do with documents: read, list, create, change, delete, call a method.

use std::collections::HashMap;

use poem::http::HeaderMap;
use serde_json::{Map, Value as Json};

use crate::document::{Children, Documents, method};
use crate::error::{Error, Result};
use crate::meta::{DocType, Document, Fieldtype, Right};
use crate::permissions::Session;
use crate::rest::etag::Precondition;
use crate::rest::patch::Patch;
use crate::rest::{comment, files};
use crate::web::Site;

/// The header that says how child rows in a change are read.
const PREFER: &str = "prefer";

/// A document as the session may see it, with its links replaced by documents.
pub(super) async fn read_expanded(
    site: &Site,
    session: &Session,
    doctype: &str,
    name: &str,
) -> Result<Map<String, Json>> {
    let document = site.documents.get(session, doctype, name).await?;
    let mut json = site.documents.to_json(session, &document);
    let mut known = HashMap::new();
    expand_links(site, session, &document.doctype, &mut json, &mut known).await?;
    let registry = site.documents.registry();
    for field in document.doctype.table_fields() {
        let Some(child) = registry.get(&field.options) else { continue };
        let Some(Json::Array(rows)) = json.get_mut(&field.fieldname) else { continue };
        for row in rows {
            if let Json::Object(row) = row {
                expand_links(site, session, child, row, &mut known).await?;
            }
        }
    }
    Ok(json)
}

/// Documents that links led to, by DocType and name; `None` for those the session may not read.
type Known = HashMap<(String, String), Option<Json>>;

async fn expand_links(
    site: &Site,
    session: &Session,
    doctype: &DocType,
    json: &mut Map<String, Json>,
    known: &mut Known,
) -> Result<()> {
    for field in &doctype.fields {
        let target = match field.fieldtype {
            Fieldtype::Link => field.options.clone(),
            Fieldtype::DynamicLink => json.get(&field.options).and_then(Json::as_str).unwrap_or("").to_owned(),
            _ => continue,
        };
        let Some(value) = json.get(&field.fieldname).and_then(Json::as_str).filter(|value| !value.is_empty()) else {
            continue;
        };
        let key = (target, value.to_owned());
        if !known.contains_key(&key) {
            let found = match site.documents.get(session, &key.0, &key.1).await {
                Ok(document) => Some(Json::Object(site.documents.to_json(session, &document))),
                Err(error) if is_hidden(&error) => None,
                Err(error) => return Err(error),
            };
            known.insert(key.clone(), found);
        }
        if let Some(Some(document)) = known.get(&key) {
            json.insert(field.fieldname.clone(), document.clone());
        }
    }
    Ok(())
}

/// Whether a document is, for this session, as good as not there.
pub(super) fn is_hidden(error: &Error) -> bool {
    matches!(
        error,
        Error::DoesNotExist { .. }
            | Error::Permission(_)
            | Error::InsufficientScope { .. }
            | Error::Authentication(_)
            | Error::Validation(_)
    )
}

/// Fails unless the session has the right on a document, by role or by a share.
pub(super) async fn check(site: &Site, session: &Session, document: &Document, right: Right) -> Result<()> {
    let documents = &site.documents;
    match documents.check_permission(session, &document.doctype, Some(document), right) {
        Err(error @ Error::Permission(_)) => {
            let shared = documents.is_shared(documents.database(), session, document, right).await?;
            if shared { Ok(()) } else { Err(error) }
        }
        other => other,
    }
}

/// Whether a File document comes with its content, which is stored with it.
pub(super) fn brings_content(doctype: &str, values: &Map<String, Json>) -> bool {
    doctype == "File" && values.get("content").is_some_and(|content| !content.is_null())
}

/// Inserts a document. With `keep_name`, a `name` in the values counts whatever the naming rule.
pub(super) async fn create(
    site: &Site,
    session: &Session,
    doctype: &str,
    values: &Map<String, Json>,
    keep_name: bool,
) -> Result<Map<String, Json>> {
    if brings_content(doctype, values)
        && let Json::Object(file) = files::store_document(site, session, values).await?
    {
        return Ok(file);
    }
    let document = if keep_name {
        let doctype = site.documents.doctype(doctype)?;
        let mut work = site.documents.begin(session).await?;
        let document = work.insert_json(&doctype, values, true).await?;
        work.commit().await?;
        document
    } else {
        site.documents.insert(session, doctype, values).await?
    };
    Ok(site.documents.to_json(session, &document))
}

/// Merges values into a document and saves it.
pub(super) async fn update(
    site: &Site,
    session: &Session,
    doctype: &str,
    name: &str,
    mut values: Map<String, Json>,
    children: Children,
    precondition: &Precondition,
) -> Result<Map<String, Json>> {
    // The address says which document it is.
    values.shift_remove("doctype");
    values.shift_remove("name");
    let mut work = site.documents.begin(session).await?;
    precondition.check(&mut work, doctype, name).await?;
    let document = work.update_json(doctype, name, &values, children).await?;
    work.commit().await?;
    Ok(site.documents.to_json(session, &document))
}

/// Changes a document by a patch.
pub(super) async fn patch(
    site: &Site,
    session: &Session,
    doctype: &str,
    name: &str,
    patch: Patch,
    precondition: &Precondition,
) -> Result<Map<String, Json>> {
    let mut work = site.documents.begin(session).await?;
    precondition.check(&mut work, doctype, name).await?;
    let document = patch.apply(&mut work, doctype, name).await?;
    work.commit().await?;
    Ok(site.documents.to_json(session, &document))
}

/// Deletes a document.
pub(super) async fn delete(
    site: &Site,
    session: &Session,
    doctype: &str,
    name: &str,
    precondition: &Precondition,
) -> Result<()> {
    if precondition.is_none() {
        return site.documents.delete(session, doctype, name).await;
    }
    let mut work = site.documents.begin(session).await?;
    precondition.check(&mut work, doctype, name).await?;
    work.delete(doctype, name).await?;
    work.commit().await
}

/// A document's own method. With `write` it may change things and needs the right to.
pub(super) async fn call(
    site: &Site,
    session: &Session,
    target: (&str, &str),
    method: &str,
    arguments: &Map<String, Json>,
    write: bool,
) -> Result<Json> {
    let (doctype, name) = target;
    if write && method == comment::ADD {
        let mut work = site.documents.begin(session).await?;
        let comment = comment::add_by_method(&mut work, target, arguments).await?;
        work.commit().await?;
        return Ok(comment);
    }
    match site.documents.call(session, doctype, name, method, arguments, write).await? {
        Some(result) => Ok(result),
        None => Err(no_such_method(&site.documents, doctype, method, write)),
    }
}

/// What a method that a DocType does not have is answered with, or one that changes something and was not meant to.
pub(super) fn no_such_method(documents: &Documents, doctype: &str, method: &str, write: bool) -> Error {
    let is_known = documents.registry().get(doctype).is_some_and(|doctype| {
        method::of(documents.controllers(), doctype).iter().any(|known| known.name == method)
            || (doctype.is_virtual && matches!(method, "submit" | "cancel" | "discard" | "rename"))
    });
    if is_known && !write {
        return Error::Permission(format!("Not permitted: call {method} with POST, as it changes the document"));
    }
    Error::NoSuchRoute(format!("{doctype} has no method {method}"))
}

/// `Prefer: children=patch` asks that child rows be patched.
pub(super) fn children(headers: &HeaderMap) -> Children {
    let asks = headers
        .get_all(PREFER)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split([',', ';']))
        .filter_map(|preference| preference.split_once('='))
        .any(|(name, value)| {
            name.trim().eq_ignore_ascii_case("children") && value.trim().trim_matches('"').eq_ignore_ascii_case("patch")
        });
    if asks { Children::Patch } else { Children::Replace }
}

/// A document whose fields that were never set are left out, as the first version answers an insert.
pub(super) fn without_nulls(mut document: Map<String, Json>) -> Map<String, Json> {
    document.retain(|_, value| !value.is_null());
    document
}

/// What a session sees of a document just written, with its name as text.
pub(super) fn seen(site: &Site, session: &Session, document: &Document) -> Json {
    Json::Object(site.documents.to_json(session, document))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn child_rows_are_patched_only_when_asked() {
        for (header, expected) in [
            ("children=patch", Children::Patch),
            ("respond-async, Children=\"patch\"", Children::Patch),
            ("children=replace", Children::Replace),
            ("patch", Children::Replace),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(PREFER, header.parse().unwrap());
            assert_eq!(children(&headers), expected, "{header}");
        }
        assert_eq!(children(&HeaderMap::new()), Children::Replace);
    }
}
