//! What is done with several documents at once: each by itself, as if by its own form, with a result for each.

use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use super::grouped;
use super::view::{AskView, ResultView};
use crate::desk::document_url;
use crate::desk::form::control::label;
use crate::document::Children;
use crate::error::{Error, Result};
use crate::meta::DocType;
use crate::web::Exchange;
use crate::web::arguments::Form;
use crate::web::error::describe;

/// How many documents are changed while whoever asked for it waits; more are changed by a Bulk Change.
pub(super) const MOST: usize = 500;
/// How many documents that match are changed at all.
pub(super) const MOST_MATCHING: u64 = 10_000;

/// What is to be done.
pub(super) enum What {
    /// Give a field a value.
    Edit {
        fieldname: String,
        value: String,
    },
    Submit,
    Cancel,
    Delete,
    Tag(String),
    Untag(String),
    Assign(String),
}

impl What {
    /// What the pressed button says.
    pub(super) fn of(action: &str, form: &Form) -> Option<Self> {
        let text = |name: &str| form.first(name).unwrap_or_default().trim().to_owned();
        Some(match action {
            "bulk:edit" => Self::Edit { fieldname: text("__field"), value: text("__value") },
            "bulk:submit" => Self::Submit,
            "bulk:cancel" => Self::Cancel,
            "bulk:delete" => Self::Delete,
            "bulk:tag" => Self::Tag(text("__tag")),
            "bulk:untag" => Self::Untag(text("__tag")),
            "bulk:assign" => Self::Assign(text("__assign_to")),
            _ => return None,
        })
    }

    /// What the list says of those for which it was done.
    pub(super) fn done(&self) -> &'static str {
        match self {
            Self::Edit { .. } => "Changed",
            Self::Submit => "Submitted",
            Self::Cancel => "Cancelled",
            Self::Delete => "Deleted",
            Self::Tag(_) => "Tagged",
            Self::Untag(_) => "Untagged",
            Self::Assign(_) => "Assigned",
        }
    }

    /// What a Bulk Change calls it, and the data that it needs.
    pub(super) fn as_change(&self) -> (&'static str, Json) {
        match self {
            Self::Edit { fieldname, value } => ("Update", json!({ fieldname: value })),
            Self::Submit => ("Submit", json!({})),
            Self::Cancel => ("Cancel", json!({})),
            Self::Delete => ("Delete", json!({})),
            Self::Tag(tag) => ("Add Tag", json!({ "tag": tag })),
            Self::Untag(tag) => ("Remove Tag", json!({ "tag": tag })),
            Self::Assign(user) => ("Assign", json!({ "assign_to": [user] })),
        }
    }

    /// The question before it is done with all that match.
    pub(super) fn question(&self, doctype: &DocType, count: u64, form: &Form) -> AskView {
        let documents = if count == 1 { "1 document".to_owned() } else { format!("{} documents", grouped(count)) };
        let label = |name: &str| doctype.field(name).map_or_else(|| name.to_owned(), label);
        let (title, button) = match self {
            Self::Edit { fieldname, value } if value.is_empty() => {
                (format!("Empty {} of {documents}?", label(fieldname)), "Change")
            }
            Self::Edit { fieldname, value } => {
                (format!("Change {} of {documents} to “{value}”?", label(fieldname)), "Change")
            }
            Self::Submit => (format!("Submit {documents}?"), "Submit"),
            Self::Cancel => (format!("Cancel {documents}?"), "Cancel documents"),
            Self::Delete => (format!("Delete {documents}?"), "Delete"),
            Self::Tag(tag) => (format!("Tag {documents} with “{tag}”?"), "Tag"),
            Self::Untag(tag) => (format!("Take the tag “{tag}” off {documents}?"), "Untag"),
            Self::Assign(user) => (format!("Assign {documents} to {user}?"), "Assign"),
        };
        let action = if matches!(self, Self::Delete) { Some("bulk:delete") } else { form.first("__action") };
        let typed = ["__field", "__value", "__tag", "__assign_to"];
        let typed = typed.into_iter().filter_map(|name| Some((name.to_owned(), form.first(name)?.to_owned())));
        let mut fields: Vec<(String, String)> = typed.collect();
        fields.push(("__all".to_owned(), "1".to_owned()));
        fields.push(("__confirmed".to_owned(), count.to_string()));
        AskView {
            title,
            button: button.to_owned(),
            action: action.unwrap_or_default().to_owned(),
            danger: matches!(self, Self::Delete | Self::Cancel),
            later: count > MOST as u64,
            fields,
        }
    }
}

/// Does it with each document by itself.
pub(super) async fn run(
    exchange: &Exchange,
    doctype: &Arc<DocType>,
    names: &[String],
    what: &What,
) -> Result<Vec<ResultView>> {
    if names.len() > MOST {
        return Err(Error::BadRequest(format!("Choose at most {MOST} documents at once")));
    }
    let mut results = Vec::with_capacity(names.len());
    for name in names {
        let done = one(exchange, doctype, name, what).await;
        results.push(result(doctype, name, done)?);
    }
    Ok(results)
}

async fn one(exchange: &Exchange, doctype: &Arc<DocType>, name: &str, what: &What) -> Result<()> {
    let documents = &exchange.site.documents;
    let session = exchange.session();
    match what {
        What::Edit { fieldname, value } => {
            if doctype.field(fieldname).is_none() {
                return Err(Error::misuse(format!("{} has no field `{fieldname}` to change", doctype.name)));
            }
            let values = Map::from_iter([(fieldname.clone(), json!(value))]);
            documents.update(session, &doctype.name, name, &values, Children::Patch).await.map(drop)
        }
        What::Submit => {
            let values = Map::from_iter([("docstatus".to_owned(), json!(1))]);
            documents.update(session, &doctype.name, name, &values, Children::Patch).await.map(drop)
        }
        What::Cancel => documents.cancel(session, &doctype.name, name).await.map(drop),
        What::Delete => documents.delete(session, &doctype.name, name).await,
        What::Tag(tag) | What::Untag(tag) => {
            let verb = if matches!(what, What::Tag(_)) { "add_tag" } else { "remove_tag" };
            let arguments = json!({"dt": doctype.name, "dn": name, "tag": tag});
            call(exchange, &format!("frappe.desk.doctype.tag.tag.{verb}"), arguments).await
        }
        What::Assign(user) => {
            let arguments = json!({"doctype": doctype.name, "name": name, "assign_to": [user]});
            call(exchange, "frappe.desk.form.assign_to.add", arguments).await
        }
    }
}

async fn call(exchange: &Exchange, method: &str, arguments: Json) -> Result<()> {
    exchange.call_method(method, arguments, Vec::new()).await.map(drop)
}

/// What became of one document; only what has to do with none of them is an error.
pub(super) fn result(doctype: &DocType, name: &str, done: Result<()>) -> Result<ResultView> {
    let (problem, status) = match done {
        Ok(()) => (String::new(), 200),
        Err(error) if error.is_failure() => return Err(error),
        Err(error) => (error.to_string(), describe(&error).status.as_u16()),
    };
    Ok(ResultView { name: name.to_owned(), href: document_url(&doctype.slug(), name), problem, status })
}
