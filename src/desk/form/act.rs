//! Does what the pressed button of a form says: saves, submits, renames, deletes, calls a method.

use std::sync::Arc;

use poem::Response;
use serde_json::{Map, Value as Json, json};

use crate::clock::Zone;
use crate::desk::document_url;
use crate::desk::form::access::access;
use crate::desk::form::activity::Reading;
use crate::desk::form::merge::{self, COMPARED};
use crate::desk::form::page::show_once;
use crate::desk::form::posted::Posted;
use crate::desk::form::view::Pair;
use crate::desk::form::{back, control};
use crate::desk::shell::Flash;
use crate::document::Children;
use crate::document::restore::{Moment, VERSION};
use crate::error::{Error, ProblemKind, Result};
use crate::meta::doctype::unscrub;
use crate::meta::{DocType, Document, Fieldtype, Right};
use crate::web::error::see_other;
use crate::web::{Exchange, UploadedFile};

/// The name of the file input beside an Attach field.
const FILE: &str = ".__file";

/// The name of the file input beside the form.
const ATTACHMENT: &str = "__attachment";

/// The action that saves over what somebody else has saved meanwhile; what others save after that is not overwritten.
const OVERWRITE: &str = "overwrite";

/// The action that restores a version begins so; its name follows.
pub(crate) const RESTORE: &str = "restore:";
/// The action that restores what was before a version.
pub(crate) const RESTORE_BEFORE: &str = "restore-before:";

/// The action that takes a step of the workflow begins so; what the workflow calls it follows.
const STEP: &str = "workflow:";

/// Does what the pressed button says.
pub(super) async fn act(
    exchange: &Exchange,
    doctype: &Arc<DocType>,
    name: Option<&str>,
    posted: &Posted,
) -> Result<Response> {
    let documents = &exchange.site.documents;
    let session = exchange.session();
    let slug = doctype.slug();
    let finish = |message: String, location: &str| {
        Flash::done(message).keep(exchange);
        Ok(see_other(location))
    };
    let address = |name: &str| if doctype.issingle { format!("/app/{slug}") } else { document_url(&slug, name) };
    match (posted.action.as_str(), name) {
        ("delete", Some(name)) => {
            documents.delete(session, &doctype.name, name).await?;
            finish(format!("Deleted {name}"), &format!("/app/{slug}"))
        }
        ("cancel", Some(name)) => {
            documents.cancel(session, &doctype.name, name).await?;
            finish("Cancelled".to_owned(), &address(name))
        }
        ("discard", Some(name)) => {
            documents.discard(session, &doctype.name, name).await?;
            finish("Discarded".to_owned(), &address(name))
        }
        ("rename", Some(name)) => {
            let merge = posted.text("__merge") == "1";
            let new = posted.text("__new_name").trim();
            let renamed = documents.rename(session, &doctype.name, name, new, merge).await?;
            finish(format!("Renamed to {renamed}"), &address(&renamed))
        }
        ("restore", Some(name)) => {
            let new_name = Some(posted.text("__new_name").trim()).filter(|name| !name.is_empty());
            let restored = documents.restore(session, name, new_name).await?;
            let (doctype, name) = (&restored.document.doctype, restored.document.name());
            restored_flash(&format!("Restored {name}"), &restored.notes).keep(exchange);
            let readable = documents.get(session, &doctype.name, &name).await.is_ok();
            Ok(see_other(&if readable { document_url(&doctype.slug(), &name) } else { format!("/app/{slug}") }))
        }
        (action, Some(name)) if action.starts_with(RESTORE) || action.starts_with(RESTORE_BEFORE) => {
            let version = action.split_once(':').map_or("", |(_, version)| version);
            let moment = if action.starts_with(RESTORE) { Moment::After } else { Moment::Before };
            let modified = Some(posted.text("modified")).filter(|modified| !modified.is_empty());
            let of = documents.get(session, VERSION, version).await?;
            if of.text("ref_doctype") != doctype.name || of.text("docname") != name {
                return Err(Error::does_not_exist(VERSION, version));
            }
            let restored = documents.restore_version(session, version, moment, modified).await?;
            restored_flash("Earlier version restored", &restored.notes).keep(exchange);
            Ok(see_other(&address(name)))
        }
        (action, Some(name)) if let Some(step) = action.strip_prefix(STEP) => {
            let modified = save_first(exchange, doctype, name, posted).await?;
            let document = documents.apply_workflow(session, &doctype.name, name, step, modified.as_deref()).await?;
            let standing = documents.standing(session, &document).await?;
            let state = exchange.say(&standing.map_or_else(String::new, |standing| standing.state));
            let message = exchange.language().filled("It is {state} now", &[("state", state.into())]);
            finish(message, &address(name))
        }
        (action, _) => {
            let is_new = name.is_none();
            let saved = save(exchange, doctype, name, posted).await?;
            let name = saved.name();
            if !saved.revealed.is_empty() {
                let label = |name: &str| doctype.field(name).map_or_else(|| unscrub(name), control::label);
                let pair = |(name, value): &(&str, String)| Pair { name: label(name), value: value.clone() };
                let shown_once = saved.revealed.iter().map(pair).collect();
                return show_once(exchange, doctype, &name, shown_once).await;
            }
            match action.strip_prefix("call:") {
                Some(method) => call(exchange, doctype, &name, method).await,
                None if is_new && let Some(back) = back::way_back_with(exchange, &name) => {
                    finish(format!("Saved {}", saved.title()), &back)
                }
                None if action == "submit" => finish("Submitted".to_owned(), &address(&name)),
                None => finish("Saved".to_owned(), &address(&name)),
            }
        }
    }
}

/// What was restored, and what could not be.
pub(crate) fn restored_flash(done: &str, notes: &[String]) -> Flash {
    match notes {
        [] => Flash::done(done),
        notes => Flash::done(format!("{done}. {}", notes.join(". "))),
    }
}

/// Inserts or updates; with `submit`, submits in the same step.
async fn save(exchange: &Exchange, doctype: &Arc<DocType>, name: Option<&str>, posted: &Posted) -> Result<Document> {
    let documents = &exchange.site.documents;
    let session = exchange.session();
    let registry = exchange.registry();
    let Some(name) = name else {
        let values = posted.to_values(&registry, doctype, None);
        return documents.insert(session, &doctype.name, &values).await;
    };
    let stored = documents.get(session, &doctype.name, name).await?;
    let shown = stored.as_ref().clone().seen(documents.view(session, &stored));
    let mut values = posted.to_values(&registry, doctype, Some(&shown));
    if posted.action == "submit" {
        values.insert("docstatus".to_owned(), Json::from(1));
    }
    if posted.action.starts_with("call:")
        && documents.check_permission(session, doctype, Some(&stored), Right::Write).is_err()
    {
        return Ok(stored.as_ref().clone());
    }
    let modified = posted.text(if posted.action == OVERWRITE { COMPARED } else { "modified" });
    if !modified.is_empty() {
        values.insert("modified".to_owned(), Json::from(modified));
    }
    documents.update(session, &doctype.name, name, &values, Children::Replace).await
}

/// Saves what was typed before a step is taken; without it, says which version the person looked at.
async fn save_first(
    exchange: &Exchange,
    doctype: &Arc<DocType>,
    name: &str,
    posted: &Posted,
) -> Result<Option<String>> {
    let documents = &exchange.site.documents;
    let session = exchange.session();
    let stored = documents.get(session, &doctype.name, name).await?;
    let shown = stored.as_ref().clone().seen(documents.view(session, &stored));
    let (grant, access) = access(exchange, &stored).await?;
    let registry = exchange.registry();
    let read = Reading { registry: &registry, grant: &grant, zone: Zone::UTC };
    if access.write && merge::is_touched(&read, session, &shown, posted) {
        save(exchange, doctype, Some(name), posted).await?;
        return Ok(None);
    }
    Ok(Some(posted.text("modified").to_owned()).filter(|modified| !modified.is_empty()))
}

/// Presses a Button field: calls the document's method and shows what it answers.
async fn call(exchange: &Exchange, doctype: &Arc<DocType>, name: &str, method: &str) -> Result<Response> {
    let documents = &exchange.site.documents;
    let button = doctype.fields.iter().find(|field| {
        field.fieldtype == Fieldtype::Button && (field.options.trim() == method || field.fieldname == method)
    });
    let button = button.ok_or_else(|| Error::NoSuchRoute(format!("{} has no button {method}", doctype.name)))?;
    let answer = documents.call(exchange.session(), &doctype.name, name, method, &Map::new(), true).await?;
    let answer = answer.ok_or_else(|| {
        Error::invalid(
            ProblemKind::Validation,
            format!("{} does nothing yet: {} has no method {method}", button.label, doctype.name),
        )
    })?;
    let shown_once = shown_once(doctype, &answer);
    if !shown_once.is_empty() {
        return show_once(exchange, doctype, name, shown_once).await;
    }
    let message = answer.as_str().or_else(|| answer.get("message").and_then(Json::as_str));
    Flash::done(message.map_or_else(|| format!("{}: done", control::label(button)), str::to_owned)).keep(exchange);
    let slug = doctype.slug();
    Ok(see_other(&if doctype.issingle { format!("/app/{slug}") } else { document_url(&slug, name) }))
}

/// The values in a method's answer that are shown once: those under `shown_once`, or an object of nothing but texts.
fn shown_once(doctype: &DocType, answer: &Json) -> Vec<Pair> {
    let texts = |values: &Map<String, Json>| {
        let pair = |(name, value): (&String, &Json)| {
            let label = doctype.field(name).map_or_else(|| unscrub(name), control::label);
            Some(Pair { name: label, value: value.as_str()?.to_owned() })
        };
        values.iter().map(pair).collect::<Option<Vec<Pair>>>()
    };
    let values = match answer.get("shown_once").unwrap_or(answer) {
        Json::Object(values) if !values.contains_key("doctype") && !values.contains_key("message") => texts(values),
        _ => None,
    };
    values.unwrap_or_default()
}

/// Files that came with the form itself, from browsers without JavaScript, go the way of `upload_file`.
pub(super) async fn upload(
    exchange: &Exchange,
    doctype: &DocType,
    name: Option<&str>,
    files: Vec<UploadedFile>,
    posted: &mut Posted,
) -> Result<()> {
    for mut file in files {
        let Some(fieldname) = file.field.strip_suffix(FILE).map(str::to_owned) else { continue };
        "file".clone_into(&mut file.field);
        let mut arguments = Map::from_iter([
            ("is_private".to_owned(), json!("1")),
            ("doctype".to_owned(), json!(doctype.name)),
            ("fieldname".to_owned(), json!(if fieldname == ATTACHMENT { "" } else { &fieldname })),
        ]);
        if let Some(name) = name {
            arguments.insert("docname".to_owned(), json!(name));
        }
        let stored = exchange.call_method("upload_file", Json::Object(arguments), vec![file]).await?;
        if let Some(url) = stored.get("file_url").and_then(Json::as_str) {
            posted.set(&fieldname, url);
        }
    }
    Ok(())
}
