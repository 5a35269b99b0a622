//! Answers `/app/<slug>/<name>`: shows the form, takes it back, and says what became of it.

use std::collections::HashMap;
use std::sync::Arc;

use poem::Response;
use poem::http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use crate::desk::form::build::{Access, FormInput, form_view};
use crate::desk::form::posted::Posted;
use crate::desk::form::view::{Confirm, FormView, Link, Pair, Panel, Story};
use crate::desk::form::{activity, control};
use crate::desk::shell::{self, Flash, ago};
use crate::desk::titles::form_titles;
use crate::desk::{document_url, help};
use crate::document::Children;
use crate::document::restore::{Moment, VERSION};
use crate::error::{Conflict, Error, FieldProblem, Invalid, ProblemKind, Result};
use crate::meta::doctype::unscrub;
use crate::meta::{DocType, Document, Fieldtype, Right};
use crate::pace;
use crate::permissions::Grant;
use crate::web::error::{describe, see_other};
use crate::web::templates::html;
use crate::web::{Call, Exchange, Panels, UploadedFile};

/// The panels that features supply, by DocType.
pub type PanelsByDocType = Arc<HashMap<String, Vec<Arc<dyn Panels>>>>;

/// The name of the file input beside an Attach field.
const FILE: &str = ".__file";

/// The action that restores a version begins so; its name follows.
pub const RESTORE: &str = "restore:";
/// The action that restores what was before a version.
pub const RESTORE_BEFORE: &str = "restore-before:";

/// What the form's template gets beyond the layout's keys.
#[derive(Serialize)]
struct FormPage {
    form: FormView,
    query: String,
    enctype: &'static str,
}

/// What is to be shown, besides the document.
#[derive(Default)]
struct Showing<'a> {
    posted: Option<&'a Posted>,
    problems: Vec<FieldProblem>,
    carry: bool,
    confirm: Confirm,
    shown_once: Vec<Pair>,
    status: StatusCode,
}

/// The DocType in the address.
pub fn doctype_of(exchange: &Exchange) -> Result<Arc<DocType>> {
    let slug = exchange.param("slug");
    let registry = exchange.site.documents.registry();
    let found = registry.by_slug(slug).or_else(|| registry.get(slug)).filter(|doctype| !doctype.istable);
    found.cloned().ok_or_else(|| Error::NoSuchRoute(format!("There is no DocType at /app/{slug}")))
}

/// GET
pub async fn get(exchange: Exchange, panels: PanelsByDocType) -> Result<Response> {
    shell::require_desk(&exchange)?;
    let doctype = doctype_of(&exchange)?;
    let name = exchange.param("name").to_owned();
    if name == "new" && !doctype.issingle {
        return get_new(&exchange, &panels, &doctype).await;
    }
    get_document(exchange, panels, &doctype, &name).await
}

/// POST
pub async fn post(exchange: Exchange, panels: PanelsByDocType) -> Result<Response> {
    shell::require_desk(&exchange)?;
    let doctype = doctype_of(&exchange)?;
    let name = Some(exchange.param("name").to_owned()).filter(|name| name != "new" || doctype.issingle);
    post_document(exchange, panels, &doctype, name).await
}

/// The form of a stored document, or of a Single.
pub async fn get_document(
    exchange: Exchange,
    panels: PanelsByDocType,
    doctype: &Arc<DocType>,
    name: &str,
) -> Result<Response> {
    let document = exchange.site.documents.get(exchange.session(), &doctype.name, name).await?;
    let query = exchange.query();
    let asked = query.iter().find(|(name, _)| name == "confirm").map_or("", |(_, value)| value);
    let confirm = Confirm {
        delete: asked == "delete",
        cancel: asked == "cancel",
        discard: asked == "discard",
        rename: asked == "rename",
        restore: asked == "restore",
    };
    show(&exchange, &panels, &document, Showing { confirm, ..Showing::default() }).await
}

async fn get_new(exchange: &Exchange, panels: &PanelsByDocType, doctype: &Arc<DocType>) -> Result<Response> {
    let (document, carry) = new_document(exchange, doctype).await?;
    show(exchange, panels, &document, Showing { carry, ..Showing::default() }).await
}

/// A new document: empty, a copy or an amendment, with what the address fills in; and whether it is one of the latter.
async fn new_document(exchange: &Exchange, doctype: &Arc<DocType>) -> Result<(Document, bool)> {
    let documents = &exchange.site.documents;
    let session = exchange.session();
    let query = exchange.query();
    let from = |key: &str| query.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
    if let Some(name) = from("amend") {
        return Ok((documents.amend(session, &doctype.name, name).await?, true));
    }
    if let Some(name) = from("copy") {
        return Ok((documents.copy(session, &doctype.name, name).await?, true));
    }
    let mut document = documents.new_document(session, &doctype.name).await?;
    for (name, text) in &query {
        if let Some(field) = doctype.field(name)
            && let Some(column_type) = field.fieldtype.column_type(field)
            && !field.secret
            && let Ok(value) = crate::meta::fieldtype::parse_text_in(documents.zone(session), field, column_type, text)
        {
            document.set(name, value);
        }
    }
    Ok((document, false))
}

/// Takes a form; `name` is that of the stored document.
pub async fn post_document(
    mut exchange: Exchange,
    panels: PanelsByDocType,
    doctype: &Arc<DocType>,
    name: Option<String>,
) -> Result<Response> {
    let form = exchange.form().await?;
    let mut posted = Posted::new(form.fields);
    let registry = exchange.site.documents.registry();
    posted.settle(&registry, doctype);
    upload(&exchange, doctype, name.as_deref(), form.files, &mut posted).await?;
    let error = match act(&exchange, &panels, doctype, name.as_deref(), &posted).await {
        Ok(response) => return Ok(response),
        Err(error) => error,
    };
    // What people typed comes back to them; only what is not about the document becomes an error page.
    let problems = match &error {
        Error::Validation(Invalid { problems }) => problems.clone(),
        Error::Conflict(conflict) => vec![conflict_problem(doctype, conflict)],
        Error::Permission(message) => vec![FieldProblem::general(ProblemKind::Validation, message.clone())],
        _ => return Err(error),
    };
    let status = describe(&error).status;
    if let Some(name) = &name {
        let document = exchange.site.documents.get(exchange.session(), &doctype.name, name).await?;
        let posted = saves(&posted.action).then_some(&posted);
        show(&exchange, &panels, &document, Showing { posted, problems, status, ..Showing::default() }).await
    } else {
        let (document, carry) = new_document(&exchange, doctype).await?;
        let showing = Showing { posted: Some(&posted), problems, status, carry, ..Showing::default() };
        show(&exchange, &panels, &document, showing).await
    }
}

/// Whether the action stores what was typed.
fn saves(action: &str) -> bool {
    !matches!(action, "delete" | "cancel" | "discard" | "rename" | "restore")
        && !action.starts_with(RESTORE)
        && !action.starts_with(RESTORE_BEFORE)
}

fn conflict_problem(doctype: &DocType, conflict: &Conflict) -> FieldProblem {
    let message = conflict.to_string();
    let field = doctype.autoname.strip_prefix("field:").and_then(|name| doctype.field(name));
    match field {
        Some(field) => FieldProblem::at(ProblemKind::InvalidName, &field.fieldname, control::label(field), message),
        None => FieldProblem::at(ProblemKind::InvalidName, "name", "Name", message),
    }
}

/// Does what the pressed button says.
async fn act(
    exchange: &Exchange,
    panels: &PanelsByDocType,
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
        (action, _) => {
            let saved = save(exchange, doctype, name, posted).await?;
            let name = saved.name();
            if !saved.revealed.is_empty() {
                // A secret that this save made: never over a redirect, for it is not kept anywhere.
                let label = |name: &str| doctype.field(name).map_or_else(|| unscrub(name), control::label);
                let pair = |(name, value): &(&str, String)| Pair { name: label(name), value: value.clone() };
                let shown_once = saved.revealed.iter().map(pair).collect();
                let document = documents.get(session, &doctype.name, &name).await?;
                return show(exchange, panels, &document, Showing { shown_once, ..Showing::default() }).await;
            }
            match action.strip_prefix("call:") {
                Some(method) => call(exchange, panels, doctype, &name, method).await,
                None if action == "submit" => finish("Submitted".to_owned(), &address(&name)),
                None => finish("Saved".to_owned(), &address(&name)),
            }
        }
    }
}

/// What was restored, and what could not be.
pub fn restored_flash(done: &str, notes: &[String]) -> Flash {
    match notes {
        [] => Flash::done(done),
        notes => Flash::done(format!("{done}. {}", notes.join(". "))),
    }
}

/// Inserts or updates; with `submit`, submits in the same step.
async fn save(exchange: &Exchange, doctype: &Arc<DocType>, name: Option<&str>, posted: &Posted) -> Result<Document> {
    let documents = &exchange.site.documents;
    let session = exchange.session();
    let registry = documents.registry();
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
    let modified = posted.text("modified");
    if !modified.is_empty() {
        values.insert("modified".to_owned(), Json::from(modified));
    }
    documents.update(session, &doctype.name, name, &values, Children::Replace).await
}

/// Presses a Button field: calls the document's method and shows what it answers.
async fn call(
    exchange: &Exchange,
    panels: &PanelsByDocType,
    doctype: &Arc<DocType>,
    name: &str,
    method: &str,
) -> Result<Response> {
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
        // Never over a redirect: what is shown once is not kept anywhere.
        let document = documents.get(exchange.session(), &doctype.name, name).await?;
        return show(exchange, panels, &document, Showing { shown_once, ..Showing::default() }).await;
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
async fn upload(
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
            ("fieldname".to_owned(), json!(fieldname)),
        ]);
        if let Some(name) = name {
            arguments.insert("docname".to_owned(), json!(name));
        }
        let call = Call {
            site: exchange.site.clone(),
            context: exchange.context.clone(),
            arguments,
            verb: poem::http::Method::POST,
            headers: exchange.request.headers().clone(),
            files: vec![file],
        };
        let answer = exchange.site.methods.call("upload_file", call).await?;
        if let Some(url) = answer.message.as_ref().and_then(|file| file.get("file_url")).and_then(Json::as_str) {
            posted.set(&fieldname, url);
        }
    }
    Ok(())
}

async fn show(
    exchange: &Exchange,
    panels: &PanelsByDocType,
    document: &Document,
    mut showing: Showing<'_>,
) -> Result<Response> {
    let documents = &exchange.site.documents;
    let session = exchange.session();
    let document = &document.clone().seen(documents.view(session, document));
    let doctype = &document.doctype;
    let registry = documents.registry();
    let (grant, access) = access(exchange, document).await?;
    let conflict = showing.problems.iter().any(|problem| problem.kind == ProblemKind::TimestampMismatch);
    showing.problems.retain(|problem| problem.kind != ProblemKind::TimestampMismatch);
    let titles = form_titles(exchange, &registry, document, showing.posted).await?;
    let input = FormInput {
        registry: &registry,
        doctype,
        document,
        session,
        grant: &grant,
        access,
        posted: showing.posted,
        problems: &showing.problems,
        titles: &titles,
        carry: showing.carry,
        confirm: showing.confirm,
    };
    let mut form = pace::aside(document.has_many_rows(), || form_view(&input));
    form.conflict = conflict;
    if let Some(posted) = showing.posted
        && conflict
    {
        // The old stamp stays: saving again must not overwrite what somebody else wrote.
        posted.text("modified").clone_into(&mut form.modified);
    }
    form.shown_once = showing.shown_once;
    if !document.is_new {
        form.story = Some(story(exchange, document));
        form.activity = activity::activity(documents, session, &grant, document, access.write).await?;
    }
    // A Single that nobody has saved yet is there all the same.
    if !document.is_new || doctype.issingle {
        for supplier in panels.get(&doctype.name).into_iter().flatten() {
            form.panels.extend(supplier.panels(&exchange.site, session, document).await?.into_iter().map(panel));
        }
    }
    let title = form.title.clone();
    let list = Link { label: doctype.name.clone(), href: format!("/app/{}", doctype.slug()) };
    let crumbs = if doctype.issingle {
        vec![list]
    } else {
        let label = if document.is_new { "New".to_owned() } else { title.clone() };
        vec![list, Link { label, href: form.url.clone() }]
    };
    let has_files =
        doctype.fields.iter().any(|field| matches!(field.fieldtype, Fieldtype::Attach | Fieldtype::AttachImage));
    let query = if document.is_new {
        exchange.request.uri().query().map_or_else(String::new, |query| format!("?{query}"))
    } else {
        String::new()
    };
    let page = FormPage {
        form,
        query,
        enctype: if has_files { "multipart/form-data" } else { "application/x-www-form-urlencoded" },
    };
    let text = shell::render(exchange, "desk/form", &title, crumbs, page).await?;
    Ok(html(showing.status, text))
}

/// What the session may do with the document, shares included.
async fn access(exchange: &Exchange, document: &Document) -> Result<(Grant, Access)> {
    let documents = &exchange.site.documents;
    let session = exchange.session();
    let doctype = &document.doctype;
    let mut grant = documents.grant(session, doctype);
    let may = |right| documents.check_permission(session, doctype, Some(document), right).is_ok();
    let create = documents.check_permission(session, doctype, None, Right::Create).is_ok();
    let mut access = Access {
        write: if document.is_new && !doctype.issingle { create } else { may(Right::Write) },
        create,
        delete: may(Right::Delete),
        submit: may(Right::Submit),
        cancel: may(Right::Cancel),
        amend: may(Right::Amend) && create,
    };
    if !document.is_new {
        // Whoever got here may read it; without a role for it, by a share.
        grant.read_levels |= 1;
        if !access.write {
            let name = document.name();
            if documents.is_shared(documents.database(), session, doctype, &name, Right::Write).await? {
                access.write = true;
                grant.write_levels |= 1;
            }
        }
    }
    Ok((grant, access))
}

fn story(exchange: &Exchange, document: &Document) -> Story {
    let documents = &exchange.site.documents;
    let now = documents.clock().now_in(documents.zone(exchange.session()));
    let (created, modified) = (document.text("creation"), document.modified());
    Story {
        created_by: document.owner().to_owned(),
        created: created.to_owned(),
        created_ago: ago(created, now),
        modified_by: document.text("modified_by").to_owned(),
        modified: modified.to_owned(),
        modified_ago: ago(modified, now),
    }
}

fn panel(panel: crate::web::Panel) -> Panel {
    let pairs = |pairs: Vec<(String, String)>| pairs.into_iter().map(|(name, value)| Pair { name, value }).collect();
    Panel {
        title: panel.title,
        help: help::spans(&panel.help),
        values: pairs(panel.values),
        examples: pairs(panel.examples),
        is_wide: panel.is_wide,
        links: panel
            .links
            .into_iter()
            .filter_map(|(label, href)| Some(Link { label, href: help::safe_url(&href)?.to_owned() }))
            .collect(),
    }
}
