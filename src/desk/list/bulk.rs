//! What is done with several documents at once: each by itself, as if by its own form, with a result for each.

use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use super::view::ResultView;
use crate::desk::document_url;
use crate::document::Children;
use crate::error::{Error, Result};
use crate::meta::DocType;
use crate::web::Exchange;
use crate::web::arguments::Form;
use crate::web::error::describe;

/// How many documents one form may name.
const MOST: usize = 500;

/// What is to be done.
pub(super) enum What {
    /// Give a field a value.
    Edit {
        fieldname: String,
        value: String,
    },
    Submit,
    Cancel,
    Tag(String),
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
            "bulk:tag" => Self::Tag(text("__tag")),
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
            Self::Tag(_) => "Tagged",
            Self::Assign(_) => "Assigned",
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
        What::Tag(tag) => {
            let arguments = json!({"dt": doctype.name, "dn": name, "tag": tag});
            call(exchange, "frappe.desk.doctype.tag.tag.add_tag", arguments).await
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
