//! The tools that write: create, update, delete, run.

use serde_json::{Map, Value as Json, json};

use crate::document::workflow::APPLY;
use crate::document::{Children, method};
use crate::error::{Error, Result};
use crate::mcp::call::{Arguments, Done};
use crate::mcp::compact::{self, LONG};
use crate::mcp::confirm::{Answer, Intention, question};
use crate::mcp::read::check;
use crate::mcp::record::Outcome;
use crate::mcp::{Caller, Failure};
use crate::meta::doctype::STANDARD_COLUMNS;
use crate::meta::{DocType, Document, Fieldtype, Right};

/// What must be asked back of the methods that the engine has.
const FINAL: [(&str, Right); 5] = [
    ("submit", Right::Submit),
    ("cancel", Right::Cancel),
    ("discard", Right::Write),
    ("rename", Right::Write),
    (APPLY, Right::Write),
];

/// Creates a document.
pub(super) async fn create(caller: &Caller<'_>, arguments: Arguments<'_>) -> Result<Done> {
    let (documents, session) = (&caller.site.documents, &caller.context.session);
    let doctype = documents.doctype(arguments.required("doctype"))?;
    documents.check_permission(session, &doctype, None, Right::Create)?;
    let values = arguments.object("values");
    check_values(caller, &doctype, &values)?;
    let document = documents.insert(session, &doctype.name, &values).await?;
    Ok(written(caller, &document))
}

/// Changes a document.
pub(super) async fn update(caller: &Caller<'_>, arguments: Arguments<'_>) -> Result<Done> {
    let (documents, session) = (&caller.site.documents, &caller.context.session);
    let doctype = documents.doctype(arguments.required("doctype"))?;
    let mut values = arguments.object("values");
    check_values(caller, &doctype, &values)?;
    if let Some(workflow) = documents.workflow(&doctype.name).await?
        && values.contains_key(&workflow.declared.workflow_state_field)
    {
        let field = &workflow.declared.workflow_state_field;
        return Err(Error::misuse(format!("`{field}` is changed by `run` with the method {APPLY}")));
    }
    for said in ["doctype", "name", "modified"] {
        values.shift_remove(said);
    }
    if let Some(modified) = arguments.text("modified") {
        values.insert("modified".to_owned(), Json::from(modified));
    }
    let name = arguments.required("name");
    let document = documents.update(session, &doctype.name, name, &values, Children::Replace).await?;
    Ok(written(caller, &document))
}

/// A document as it is now.
fn written(caller: &Caller<'_>, document: &Document) -> Done {
    let json = caller.site.documents.to_json(&caller.context.session, document);
    Done::json(&Json::Object(compact::document(json, LONG))).about(document.name())
}

/// Fails for what would be dropped in silence, and for what needs the consent of a person first.
fn check_values(caller: &Caller<'_>, doctype: &DocType, values: &Map<String, Json>) -> Result<()> {
    let registry = caller.site.documents.registry();
    check_names(doctype, values)?;
    for field in doctype.table_fields() {
        let Some(child) = registry.get(&field.options) else { continue };
        for row in values.get(&field.fieldname).and_then(Json::as_array).into_iter().flatten() {
            if let Some(row) = row.as_object() {
                check_names(child, row)?;
            }
        }
    }
    Ok(())
}

fn check_names(doctype: &DocType, values: &Map<String, Json>) -> Result<()> {
    let said = |name: &&String| name.as_str() == "docstatus" && values[name.as_str()] != json!(0);
    if values.keys().any(|name| said(&name)) {
        return Err(Error::misuse("`docstatus` is changed by `run` with the method submit, cancel or discard"));
    }
    let is_known = |name: &str| {
        name == "doctype"
            || matches!(name, "parent" | "parentfield" | "parenttype")
            || STANDARD_COLUMNS.iter().any(|(known, _)| *known == name)
            || doctype
                .field(name)
                .is_some_and(|field| field.has_column() || field.fieldtype.is_table() || field.is_virtual)
            || doctype.column(name).is_some()
    };
    let unknown: Vec<&str> = values.keys().map(String::as_str).filter(|name| !is_known(name)).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let fields = doctype.fields.iter().filter(|field| !field.secret && !field.fieldtype.is_layout());
    let fields: Vec<&str> = fields
        .filter(|field| field.fieldtype != Fieldtype::Button)
        .map(|field| field.fieldname.as_str())
        .take(60)
        .collect();
    Err(Error::misuse(format!(
        "{} has no field {}; its fields are {}",
        doctype.name,
        unknown.join(", "),
        fields.join(", ")
    )))
}

/// Deletes a document, once a person agreed.
pub(super) async fn delete(caller: &Caller<'_>, arguments: Arguments<'_>) -> Result<Done, Failure> {
    let (doctype, name) = (arguments.required("doctype"), arguments.required("name"));
    let document = check(caller, doctype, name, Right::Delete).await?;
    let intention = Intention { action: "delete", doctype, name, modified: document.modified(), details: &Json::Null };
    if let Some(asked) = ask(caller, arguments, &intention, &format!("Delete {}?", shown(&document)))? {
        return Ok(asked);
    }
    caller.site.documents.delete(&caller.context.session, doctype, name).await?;
    Ok(Done::text(format!("{doctype} {name} is deleted.")))
}

/// Calls a method of a document, once a person agreed where it is final.
pub(super) async fn run(caller: &Caller<'_>, arguments: Arguments<'_>) -> Result<Done, Failure> {
    let (documents, session) = (&caller.site.documents, &caller.context.session);
    let (doctype, name, wanted) =
        (arguments.required("doctype"), arguments.required("name"), arguments.required("method"));
    let definition = documents.doctype(doctype)?;
    let leads_on = wanted == APPLY && documents.workflow(doctype).await?.is_some();
    let methods = method::of(documents.controllers(), &definition);
    let found = methods.iter().find(|method| method.name == wanted && method.name != "add_comment");
    if found.is_none() && !leads_on {
        let known: Vec<&str> = methods.iter().map(|method| method.name).filter(|name| *name != "add_comment").collect();
        let known = if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", known.join(", ")) };
        return Err(Error::NoSuchRoute(format!("{doctype} has no method {wanted}: {known}")).into());
    }
    let reads = found.is_some_and(|found| found.reads);
    let details = Json::Object(arguments.object("arguments"));
    if let Some((_, right)) = FINAL.iter().find(|(name, _)| *name == wanted) {
        let document = check(caller, doctype, name, *right).await?;
        let action = format!("run {wanted}");
        let intention = Intention { action: &action, doctype, name, modified: document.modified(), details: &details };
        let what = match (wanted, details.get("name").or_else(|| details.get("new_name")).and_then(Json::as_str)) {
            ("rename", Some(new)) => format!("Rename {} to {new}, and all that refers to it?", shown(&document)),
            ("submit", _) => format!("Submit {}? It cannot be changed freely afterwards.", shown(&document)),
            ("cancel", _) => format!("Cancel {}?", shown(&document)),
            (APPLY, _) => match details.get("action").and_then(Json::as_str) {
                Some(action) => format!("{action}: {}?", shown(&document)),
                None => return Err(Error::misuse(format!("{APPLY} needs the argument action")).into()),
            },
            ("discard", _) => format!("Discard {}?", shown(&document)),
            _ => format!("Run {wanted} on {}?", shown(&document)),
        };
        if let Some(asked) = ask(caller, arguments, &intention, &what)? {
            return Ok(asked);
        }
    }
    let result = documents.call(session, doctype, name, wanted, &arguments.object("arguments"), !reads).await?;
    match result {
        Some(Json::Object(document)) => Ok(Done::json(&Json::Object(compact::document(document, LONG)))),
        Some(Json::Null) => Ok(Done::text(format!("{wanted} is done."))),
        Some(other) => Ok(Done::json(&other)),
        None => Err(Error::NoSuchRoute(format!("{doctype} has no method {wanted}")).into()),
    }
}

/// A document as a question names it.
fn shown(document: &Document) -> String {
    let (name, title) = (document.name(), document.title());
    let kind = &document.doctype.name;
    if title.is_empty() || title == name {
        format!("{kind} {name}")
    } else {
        format!("{kind} {name} ({})", compact::cut(title, 100))
    }
}

/// What to answer instead of doing it; `None`: the person agreed.
fn ask(
    caller: &Caller<'_>,
    arguments: Arguments<'_>,
    intention: &Intention<'_>,
    what: &str,
) -> Result<Option<Done>, Failure> {
    Ok(match intention.answer(caller, arguments.text("confirm"))? {
        Answer::Yes => None,
        Answer::No => Some(Done::not_done("The person declined: nothing was done.", Outcome::AskedBack)),
        Answer::Ask(code) if caller.message.can_ask => {
            Some(Done { result: question(what, &code), outcome: Outcome::AskedBack, name: None })
        }
        Answer::Ask(code) => Some(Done::not_done(
            format!(
                "Nothing was done yet. Ask the person: {what} If they agree, call again with the same arguments and \
                 confirm: \"{code}\". This code holds for ten minutes, and only while the document stays as it is."
            ),
            Outcome::AskedBack,
        )),
    })
}
