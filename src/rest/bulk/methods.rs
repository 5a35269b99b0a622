//! Frappe's ways to change some hundred documents in one request, each by itself.

use serde_json::{Map, Value as Json, json};

use super::act::{Act, Action};
use crate::document::Documents;
use crate::error::{Error, Result};
use crate::permissions::Session;
use crate::web::args::{missing, wrong_type};
use crate::web::{Answer, Call, Method, Param, Plugins, Verbs, handler};

/// How many documents one request may change.
const MOST: usize = 500;

/// Registers the method of lists.
pub(super) fn register(plugins: &mut Plugins) {
    let params = const {
        &[
            Param::required("doctype", "string", "The DocType"),
            Param::required("docnames", "array", "The names of the documents; 500 at most"),
            Param::optional("action", "string", "`submit` (the default), `cancel` or `update`"),
            Param::optional("data", "object", "The fields to change with their values, for `update`"),
        ]
    };
    plugins.method(Method {
        path: "frappe.desk.doctype.bulk_update.bulk_update.submit_cancel_or_update_docs",
        verbs: Verbs::WRITE,
        guest: false,
        guarded: false,
        summary: "Submits, cancels or changes documents one by one; answers the names of those that refused",
        params,
        handler: handler(submit_cancel_or_update),
    });
}

fn too_many() -> Error {
    Error::misuse(format!("One request changes at most {MOST} documents: create a Bulk Change for more"))
}

fn name_of(value: &Json) -> Option<String> {
    match value {
        Json::String(name) => Some(name.clone()),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

async fn submit_cancel_or_update(call: Call) -> Result<Answer> {
    let arguments = call.args();
    let documents = &call.site.documents;
    let doctype = documents.doctype(&arguments.required("doctype")?)?;
    let names = arguments.list("docnames")?;
    if names.len() > MOST {
        return Err(too_many());
    }
    let action = match arguments.text("action")?.as_deref().unwrap_or("submit") {
        "submit" => Action::Submit,
        "cancel" => Action::Cancel,
        "update" => Action::Update,
        other => return Err(Error::misuse(format!("action is submit, cancel or update, and not {other}"))),
    };
    let data = if action == Action::Update { arguments.object("data")? } else { Map::new() };
    let act = Act::new(&doctype, action, data)?;
    let mut failed = Vec::new();
    for value in names {
        let name = name_of(&value).ok_or_else(|| wrong_type("docnames", "a list of names"))?;
        match act.apply_alone(documents, call.session(), &doctype.name, &name).await {
            Ok(()) => {}
            Err(error) if error.is_failure() => return Err(error),
            Err(_) => failed.push(value),
        }
    }
    Ok(Answer::message(failed))
}

/// What became of several documents, in the words of Frappe's second API.
fn told(done: &str, succeeded: &[Json], failed: &[Json]) -> Json {
    let total = succeeded.len() + failed.len();
    json!({ done: succeeded, "failed": failed, "total": total })
}

/// `POST /api/v2/document/{doctype}/bulk_delete`: deletes `names`, each by itself.
pub(in crate::rest) async fn delete_named(
    documents: &Documents,
    session: &Session,
    doctype: &str,
    values: &Map<String, Json>,
) -> Result<Json> {
    let doctype = documents.doctype(doctype)?;
    let act = Act::new(&doctype, Action::Delete, Map::new())?;
    let (mut deleted, mut failed) = (Vec::new(), Vec::new());
    for value in of_body(values, "names")? {
        let done = match name_of(&value) {
            Some(name) => act.apply_alone(documents, session, &doctype.name, &name).await,
            None => Err(wrong_type("names", "a list of names")),
        };
        sort(done, value, &mut deleted, &mut failed)?;
    }
    Ok(told("deleted", &deleted, &failed))
}

/// `POST /api/v2/document/{doctype}/bulk_update`: changes `docs`, each with its `name`, by itself.
pub(in crate::rest) async fn update_named(
    documents: &Documents,
    session: &Session,
    doctype: &str,
    values: &Map<String, Json>,
) -> Result<Json> {
    let doctype = documents.doctype(doctype)?;
    let (mut updated, mut failed) = (Vec::new(), Vec::new());
    for document in of_body(values, "docs")? {
        let Json::Object(mut fields) = document else { return Err(wrong_type("docs", "a list of objects")) };
        let value = fields.shift_remove("name").unwrap_or_default();
        fields.shift_remove("doctype");
        let done = match (name_of(&value), Act::new(&doctype, Action::Update, fields)) {
            (None, _) => Err(missing("name")),
            (_, Err(error)) => Err(error),
            (Some(name), Ok(act)) => act.apply_alone(documents, session, &doctype.name, &name).await,
        };
        sort(done, value, &mut updated, &mut failed)?;
    }
    Ok(told("updated", &updated, &failed))
}

fn of_body(values: &Map<String, Json>, key: &str) -> Result<Vec<Json>> {
    let list = crate::web::args::Args(values).list(key)?;
    if list.len() > MOST { Err(too_many()) } else { Ok(list) }
}

fn sort(done: Result<()>, name: Json, succeeded: &mut Vec<Json>, failed: &mut Vec<Json>) -> Result<()> {
    match done {
        Ok(()) => succeeded.push(name),
        // Our own fault is not a failure of that document.
        Err(error) if error.is_failure() => return Err(error),
        Err(error) => failed.push(json!({ "name": name, "error": error.to_string() })),
    }
    Ok(())
}
