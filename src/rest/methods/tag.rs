//! Tags and likes: the columns `_user_tags` and `_liked_by` of a document.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use crate::document::{ListRequest, Work};
use crate::error::{Error, Result};
use crate::meta::{Document, Right, Value};
use crate::rest::methods::add;
use crate::web::{Answer, Call, Param, Plugins, Verbs};

const TAG: Param = Param::required("tag", "string", "The tag");
const DT: Param = Param::required("dt", "string", "The DocType");
const DN: Param = Param::required("dn", "string", "The name of the document");
/// How many documents are looked at for their tags.
const MOST_LOOKED_AT: u64 = 1000;

/// Registers the methods.
pub(super) fn register(plugins: &mut Plugins) {
    let params = const { &[TAG, DT, DN] };
    add(plugins, "frappe.desk.doctype.tag.tag.add_tag", Verbs::WRITE, "Tags a document", params, add_tag);
    let summary = "Takes a tag off a document";
    add(plugins, "frappe.desk.doctype.tag.tag.remove_tag", Verbs::DELETE, summary, params, remove_tag);
    let params = const {
        &[
            Param::required("tags", "array", "The tags"),
            DT,
            Param::required("docs", "array", "The names of the documents"),
        ]
    };
    add(plugins, "frappe.desk.doctype.tag.tag.add_tags", Verbs::WRITE, "Tags documents", params, add_tags);
    let params = const {
        &[
            Param::required("doctype", "string", "The DocType"),
            Param::optional("txt", "string", "What the tags must contain"),
        ]
    };
    let summary = "Lists the tags of a DocType's documents";
    add(plugins, "frappe.desk.doctype.tag.tag.get_tags", Verbs::READ, summary, params, get_tags);
    let params = const { &[Param::required("doctype", "string", "The DocType"), TAG] };
    let summary = "Lists the documents with a tag";
    add(plugins, "frappe.desk.doctype.tag.tag.get_tagged_docs", Verbs::READ, summary, params, get_tagged_docs);
    let params = const {
        &[
            Param::required("doctype", "string", "The DocType"),
            Param::required("name", "string", "The name of the document"),
            Param::optional("add", "string", "`Yes` to like it, `No` to take that back"),
        ]
    };
    add(plugins, "frappe.desk.like.toggle_like", Verbs::WRITE, "Likes a document", params, toggle_like);
}

/// `,a,b` as a list.
fn tags_of(column: &str) -> Vec<String> {
    column.split(',').map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned).collect()
}

/// A list as `,a,b`.
fn column_of(tags: &[String]) -> Value {
    if tags.is_empty() { Value::Null } else { Value::Text(format!(",{}", tags.join(","))) }
}

/// A tag as it is kept.
pub(in crate::rest) fn tag_text(tag: &str) -> Result<String> {
    let tag = tag.trim();
    if tag.is_empty() || tag.contains([',', '<', '>', '\n']) || tag.chars().count() > 100 {
        return Err(Error::misuse("A tag is short text without commas and angle brackets"));
    }
    Ok(tag.to_owned())
}

async fn change(call: &Call, doctype: &str, name: &str, change: impl FnOnce(&mut Vec<String>) + Send) -> Result<()> {
    let mut work = call.site.documents.begin(call.session()).await?;
    change_in(&mut work, doctype, name, change).await?;
    work.commit().await
}

/// Changes the tags of a document that the session may change.
pub(in crate::rest) async fn change_in(
    work: &mut Work<'_>,
    doctype: &str,
    name: &str,
    change: impl FnOnce(&mut Vec<String>) + Send,
) -> Result<()> {
    let document = work.get_for_update(doctype, name).await?;
    check_has_column(&document, "_user_tags")?;
    work.check(&document, Right::Write).await?;
    let mut tags = tags_of(document.text("_user_tags"));
    change(&mut tags);
    work.set_values(doctype, &document.name(), &[("_user_tags", column_of(&tags))]).await
}

fn check_has_column(document: &Document, column: &str) -> Result<()> {
    if document.doctype.column(column).is_none() {
        return Err(Error::misuse(format!("{} cannot be tagged or liked", document.doctype.name)));
    }
    Ok(())
}

async fn add_tag(call: Call) -> Result<Answer> {
    let arguments = call.args();
    let tag = tag_text(&arguments.required("tag")?)?;
    let (doctype, name) = (arguments.required("dt")?, arguments.required("dn")?);
    change(&call, &doctype, &name, |tags| add_once(tags, &tag)).await?;
    Ok(Answer::message(tag))
}

/// Adds a tag unless it is there.
pub(in crate::rest) fn add_once(tags: &mut Vec<String>, tag: &str) {
    if !tags.iter().any(|known| known == tag) {
        tags.push(tag.to_owned());
    }
}

async fn remove_tag(call: Call) -> Result<Answer> {
    let arguments = call.args();
    let tag = tag_text(&arguments.required("tag")?)?;
    let (doctype, name) = (arguments.required("dt")?, arguments.required("dn")?);
    change(&call, &doctype, &name, |tags| tags.retain(|known| *known != tag)).await?;
    Ok(Answer::nothing())
}

async fn add_tags(call: Call) -> Result<Answer> {
    let arguments = call.args();
    let doctype = arguments.required("dt")?;
    let tags = arguments.names("tags")?.unwrap_or_default();
    let tags: Vec<String> = tags.iter().map(|tag| tag_text(tag)).collect::<Result<_>>()?;
    for name in arguments.names("docs")?.unwrap_or_default() {
        change(&call, &doctype, &name, |known| tags.iter().for_each(|tag| add_once(known, tag))).await?;
    }
    Ok(Answer::nothing())
}

async fn get_tags(call: Call) -> Result<Answer> {
    let arguments = call.args();
    let text = arguments.text("txt")?.unwrap_or_default().to_lowercase();
    let mut request = ListRequest::new(arguments.required("doctype")?).fields(&["_user_tags"]);
    request.filters = json!([["_user_tags", "is", "set"]]);
    request.limit = Some(MOST_LOOKED_AT);
    let list = call.site.documents.list(call.session(), &request).await?;
    let tags: BTreeSet<String> = (0..list.rows.len())
        .flat_map(|row| tags_of(list.text(row, "_user_tags")))
        .filter(|tag| tag.to_lowercase().contains(&text))
        .collect();
    Ok(Answer::message(tags.into_iter().map(Json::from).collect::<Json>()))
}

async fn get_tagged_docs(call: Call) -> Result<Answer> {
    let arguments = call.args();
    let tag = tag_text(&arguments.required("tag")?)?;
    let mut request = ListRequest::new(arguments.required("doctype")?).fields(&["name", "_user_tags"]);
    request.filters = json!([["_user_tags", "like", format!("%,{tag}%")]]);
    request.limit = Some(MOST_LOOKED_AT);
    let list = call.site.documents.list(call.session(), &request).await?;
    let names: Vec<Json> = list
        .to_json()
        .into_iter()
        .filter(|row| row.get("_user_tags").and_then(Json::as_str).is_some_and(|column| tags_of(column).contains(&tag)))
        .filter_map(|mut row| row.shift_remove("name"))
        .collect();
    Ok(Answer::message(names))
}

async fn toggle_like(call: Call) -> Result<Answer> {
    let arguments = call.args();
    let (doctype, name) = (arguments.required("doctype")?, arguments.required("name")?);
    let like = match arguments.get("add") {
        Some(Json::String(text)) => matches!(text.to_lowercase().as_str(), "yes" | "1" | "true"),
        Some(value) => *value != 0 && *value != false,
        None => true,
    };
    let mut work = call.site.documents.begin(call.session()).await?;
    let document = work.get_for_update(&doctype, &name).await?;
    check_has_column(&document, "_liked_by")?;
    let mut likes: Vec<String> = serde_json::from_str(document.text("_liked_by")).unwrap_or_default();
    likes.retain(|user| user != call.session().user());
    if like {
        likes.push(call.session().user().to_owned());
    }
    let column = if likes.is_empty() { Value::Null } else { Value::Text(Json::from(likes).to_string()) };
    work.set_values(&doctype, &document.name(), &[("_liked_by", column)]).await?;
    work.commit().await?;
    Ok(Answer::nothing())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_kept_behind_commas() {
        assert_eq!(tags_of(",a, b,,"), ["a", "b"]);
        assert_eq!(column_of(&tags_of(",a,b")), Value::from(",a,b"));
        assert_eq!(column_of(&[]), Value::Null);
        assert!(tag_text("a,b").is_err() && tag_text(" ").is_err());
    }
}
