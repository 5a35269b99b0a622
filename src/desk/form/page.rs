//! Answers `/app/<slug>/<name>`: shows the form, takes it back, and says what became of it.

use std::sync::Arc;

use poem::Response;
use poem::http::StatusCode;
use serde::Serialize;
use serde_json::json;

use crate::clock::Zone;
use crate::desk::form::access::access;
use crate::desk::form::act::{RESTORE, RESTORE_BEFORE, act, upload};
use crate::desk::form::activity::Reading;
use crate::desk::form::build::{FormInput, form_view};
use crate::desk::form::merge::{self, BASE, Merged};
use crate::desk::form::posted::Posted;
use crate::desk::form::view::{Again, Confirm, FormView, Link, Pair, Panel, Story};
use crate::desk::form::{activity, attachments, back, beginning, control, modules, problems, side};
use crate::desk::shell::{self, Flash, ago};
use crate::desk::titles::form_titles;
use crate::desk::{document_url, frappe_address, help, model};
use crate::error::{Conflict, Error, FieldProblem, Invalid, ProblemKind, Result};
use crate::language::Language;
use crate::meta::naming_rule::NamingRule;
use crate::meta::{DocType, Document};
use crate::pace;
use crate::permissions::session::ROLE_SYSTEM_MANAGER;
use crate::web::error::{describe, see_other};
use crate::web::templates::html;
use crate::web::{Exchange, resend, shown_once};

/// The action of a form that the browser kept and sends to have it shown again.
const DRAFT: &str = "draft";

/// The same of a form whose link was away to be made: see [`back::way_back`].
const BACK: &str = "back";

/// The action of the button that only saves.
const SAVE: &str = "save";

/// The DocType of definitions.
pub(in crate::desk) const DOCTYPE: &str = "DocType";

/// What the form's template gets beyond the layout's keys.
#[derive(Serialize)]
struct FormPage {
    form: FormView,
    query: String,
    enctype: &'static str,
    /// Scripts that are fetched while the page is read.
    modules: Vec<&'static str>,
}

/// What is to be shown, besides the document.
#[derive(Default)]
struct Showing<'a> {
    posted: Option<&'a Posted>,
    /// The button that was pressed.
    action: &'a str,
    problems: Vec<FieldProblem>,
    carry: bool,
    confirm: Confirm,
    shown_once: Vec<Pair>,
    /// What became of it beside what somebody else saved.
    merged: Option<Merged>,
    /// Why what was typed stands here again without having been saved.
    again: Option<Again>,
    status: StatusCode,
}

/// The DocType in the address.
pub(crate) fn doctype_of(exchange: &Exchange) -> Result<Arc<DocType>> {
    let slug = exchange.param("slug");
    let registry = exchange.registry();
    let found = registry.by_slug(slug).or_else(|| registry.get(slug)).filter(|doctype| !doctype.istable);
    found.cloned().ok_or_else(|| Error::NoSuchRoute(format!("There is no DocType at /app/{slug}")))
}

/// GET
pub(crate) async fn get(exchange: Exchange) -> Result<Response> {
    shell::require_desk(&exchange)?;
    if let Some(response) = frappe_address::redirect(&exchange, &[exchange.param("slug"), exchange.param("name")]) {
        return Ok(response);
    }
    let doctype = doctype_of(&exchange)?;
    let name = exchange.param("name").to_owned();
    if name == "new" && !doctype.issingle {
        return get_new(&exchange, &doctype).await;
    }
    get_document(exchange, &doctype, &name).await
}

/// POST
pub(crate) async fn post(exchange: Exchange) -> Result<Response> {
    if let Some(login) = resend::to_login(&exchange) {
        return Ok(login);
    }
    shell::require_desk(&exchange)?;
    let doctype = doctype_of(&exchange)?;
    let name = Some(exchange.param("name").to_owned()).filter(|name| name != "new" || doctype.issingle);
    post_document(exchange, &doctype, name).await
}

/// The form of a stored document, or of a Single.
pub(crate) async fn get_document(exchange: Exchange, doctype: &Arc<DocType>, name: &str) -> Result<Response> {
    let document = exchange.site.documents.get(exchange.session(), &doctype.name, name).await?;
    let query = exchange.query();
    let asked = query.iter().find(|(name, _)| name == "confirm").map_or("", |(_, value)| value);
    let confirm = Confirm::of(asked);
    let pairs = shown_once::take(&exchange, exchange.request.uri().path()).await?;
    let shown_once = pairs.into_iter().map(|(name, value)| Pair { name, value }).collect();
    show(&exchange, &document, Showing { confirm, shown_once, ..Showing::default() }).await
}

/// Shows values this once, on the page of the document that they belong to.
pub(super) async fn show_once(
    exchange: &Exchange,
    doctype: &Arc<DocType>,
    name: &str,
    shown_once: Vec<Pair>,
) -> Result<Response> {
    let slug = doctype.slug();
    let address = if doctype.issingle { format!("/app/{slug}") } else { document_url(&slug, name) };
    let pairs = shown_once.iter().map(|pair| (pair.name.clone(), pair.value.clone())).collect();
    if shown_once::keep(exchange, &address, pairs).await? {
        return Ok(see_other(&address));
    }
    let document = exchange.site.documents.get(exchange.session(), &doctype.name, name).await?;
    show(exchange, &document, Showing { shown_once, ..Showing::default() }).await
}

async fn get_new(exchange: &Exchange, doctype: &Arc<DocType>) -> Result<Response> {
    let (document, carry) = new_document(exchange, doctype).await?;
    show(exchange, &document, Showing { carry, ..Showing::default() }).await
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
    if doctype.naming_rule == NamingRule::Prompt
        && let Some(name) = from("name")
    {
        document.set("name", name);
    }
    Ok((document, false))
}

/// Takes a form; `name` is that of the stored document.
pub(crate) async fn post_document(
    mut exchange: Exchange,
    doctype: &Arc<DocType>,
    name: Option<String>,
) -> Result<Response> {
    let (form, in_time) = exchange.form_or_late_form().await?;
    let mut posted = Posted::new(form.fields);
    let registry = exchange.registry();
    posted.settle(&registry, doctype);
    if !in_time || matches!(posted.action.as_str(), DRAFT | BACK) {
        return show_again(&exchange, doctype, name.as_deref(), &posted).await;
    }
    if let Some(name) = name.as_deref().filter(|_| posted.action.starts_with(side::SIDE)) {
        match beside(&exchange, doctype, name, &posted).await {
            Ok(response) => return Ok(response),
            Err(error) => return refuse(&exchange, doctype, Some(name), &posted, None, error).await,
        }
    }
    upload(&exchange, doctype, name.as_deref(), form.files, &mut posted).await?;
    let mut error = match act(&exchange, doctype, name.as_deref(), &posted).await {
        Ok(response) => return Ok(response),
        Err(error) => error,
    };
    let mut merged = None;
    if let Some(name) = name.as_deref().filter(|_| is_conflict(&error) && saves(&posted.action)) {
        let found = merge_with_stored(&exchange, doctype, name, &mut posted).await?;
        if found.collisions.is_empty() && posted.action == SAVE {
            error = match act(&exchange, doctype, Some(name), &posted).await {
                Ok(response) => {
                    if !found.kept.is_empty() && response.status().is_redirection() {
                        Flash::done(merge::kept_sentence(&found.kept)).keep(&exchange);
                    }
                    return Ok(response);
                }
                Err(error) => error,
            };
        }
        merged = Some(found);
    }
    refuse(&exchange, doctype, name.as_deref(), &posted, merged, error).await
}

/// Does what a button beside the form says. What was typed into the form stays there, if it is anything.
async fn beside(exchange: &Exchange, doctype: &Arc<DocType>, name: &str, posted: &Posted) -> Result<Response> {
    let flash = Flash::done(side::act(exchange, doctype, name, posted).await?);
    let documents = &exchange.site.documents;
    let session = exchange.session();
    let stored = documents.get(session, &doctype.name, name).await?;
    let stored = stored.as_ref().clone().seen(documents.view(session, &stored));
    let (grant, access) = access(exchange, &stored).await?;
    let registry = exchange.registry();
    let read = Reading { registry: &registry, grant: &grant, zone: Zone::UTC };
    if access.write && merge::is_touched(&read, session, &stored, posted) {
        let showing = Showing { posted: Some(posted), again: Some(Again::Beside), ..Showing::default() };
        return show(exchange, &stored, showing).await;
    }
    flash.keep(exchange);
    let slug = doctype.slug();
    Ok(see_other(&if doctype.issingle { format!("/app/{slug}") } else { document_url(&slug, name) }))
}

/// Shows the form with what was typed into it and why it was not done.
async fn refuse(
    exchange: &Exchange,
    doctype: &Arc<DocType>,
    name: Option<&str>,
    posted: &Posted,
    merged: Option<Merged>,
    error: Error,
) -> Result<Response> {
    // What people typed comes back to them; only what is not about the document becomes an error page.
    let problems = match &error {
        Error::Validation(Invalid { problems }) => problems.clone(),
        Error::Conflict(conflict) => vec![conflict_problem(doctype, conflict)],
        Error::RateLimited { .. } | Error::Unavailable(_) | Error::BadRequest(_) => {
            vec![FieldProblem::general(ProblemKind::Validation, error.to_string())]
        }
        Error::Permission(message) => vec![FieldProblem::general(ProblemKind::Validation, message.clone())],
        _ => return Err(error),
    };
    let status = describe(&error).status;
    if let Some(name) = name {
        let document = exchange.site.documents.get(exchange.session(), &doctype.name, name).await?;
        let action = posted.action.as_str();
        let posted = saves(action).then_some(posted);
        show(exchange, &document, Showing { posted, action, problems, merged, status, ..Showing::default() }).await
    } else {
        let (document, carry) = new_document(exchange, doctype).await?;
        let action = posted.action.as_str();
        let showing = Showing { posted: Some(posted), action, problems, status, carry, ..Showing::default() };
        show(exchange, &document, showing).await
    }
}

/// Whether somebody else saved the document since its form was made.
fn is_conflict(error: &Error) -> bool {
    let Error::Validation(Invalid { problems }) = error else { return false };
    problems.iter().any(|problem| problem.kind == ProblemKind::TimestampMismatch)
}

/// Merges a form with what somebody else saved; without anything to choose, it is a form of the newest version then.
async fn merge_with_stored(exchange: &Exchange, doctype: &DocType, name: &str, posted: &mut Posted) -> Result<Merged> {
    let documents = &exchange.site.documents;
    let session = exchange.session();
    let stored = documents.get(session, &doctype.name, name).await?;
    let stored = stored.as_ref().clone().seen(documents.view(session, &stored));
    let (grant, _) = access(exchange, &stored).await?;
    let registry = exchange.registry();
    let merged =
        merge::merge(&Reading { registry: &registry, grant: &grant, zone: Zone::UTC }, session, &stored, posted);
    if merged.collisions.is_empty() {
        posted.fields.insert("modified".to_owned(), stored.modified().to_owned());
    }
    Ok(merged)
}

/// Shows a form with what was typed into it and does nothing else: the button has to be pressed once more.
async fn show_again(
    exchange: &Exchange,
    doctype: &Arc<DocType>,
    name: Option<&str>,
    posted: &Posted,
) -> Result<Response> {
    let (again, status) = match posted.action.as_str() {
        DRAFT => (Again::Draft, StatusCode::OK),
        BACK => (Again::Back, StatusCode::OK),
        _ => (Again::Late, StatusCode::BAD_REQUEST),
    };
    let confirm = Confirm::of(&posted.action);
    let showing = Showing { posted: Some(posted), again: Some(again), confirm, status, ..Showing::default() };
    if let Some(name) = name {
        let document = exchange.site.documents.get(exchange.session(), &doctype.name, name).await?;
        show(exchange, &document, showing).await
    } else {
        let (document, carry) = new_document(exchange, doctype).await?;
        show(exchange, &document, Showing { carry, ..showing }).await
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

async fn show(exchange: &Exchange, document: &Document, mut showing: Showing<'_>) -> Result<Response> {
    let documents = &exchange.site.documents;
    let session = exchange.session();
    let registry = exchange.registry();
    let standing = if document.is_new { None } else { documents.standing(session, document).await? };
    let mut document = document.clone().seen(documents.view(session, document));
    if let Some(doctype) = registry.get(&document.doctype.name) {
        document.doctype = Arc::clone(doctype);
    }
    let document = &document;
    let doctype = &document.doctype;
    let (grant, access) = access(exchange, document).await?;
    let conflict = showing.problems.iter().any(|problem| problem.kind == ProblemKind::TimestampMismatch);
    showing.problems.retain(|problem| problem.kind != ProblemKind::TimestampMismatch);
    let titles = form_titles(exchange, &registry, document, showing.posted).await?;
    let input = FormInput {
        registry: &registry,
        doctype,
        document,
        session,
        language: exchange.language(),
        grant: &grant,
        access,
        standing: standing.as_ref(),
        posted: showing.posted,
        problems: &showing.problems,
        titles: &titles,
        carry: showing.carry,
        confirm: showing.confirm,
        now: documents.clock().now_in(documents.site_zone()),
        in_site_zone: documents.zone(session) == documents.site_zone(),
    };
    let mut form = pace::aside(document.has_many_rows(), || form_view(&input));
    form.conflict = conflict;
    form.again = showing.again;
    form.problems_title = exchange.say(&problems::title(showing.action, form.problems.len()));
    if access.write && !document.is_new && !doctype.is_virtual {
        // What is seen here is in the zone of whoever looks.
        let read = Reading { registry: &registry, grant: &grant, zone: Zone::UTC };
        form.base = pace::aside(document.has_many_rows(), || merge::base(&read, session, document));
    }
    let collides = showing.merged.as_ref().is_some_and(|merged| !merged.collisions.is_empty());
    if let Some(posted) = showing.posted
        && (collides || showing.again.is_some() || conflict && showing.merged.is_none())
    {
        // The old stamp stays: saving again must not overwrite what somebody else wrote.
        form.compared = std::mem::replace(&mut form.modified, posted.text("modified").to_owned());
        posted.text(BASE).clone_into(&mut form.base);
    }
    form.collisions = showing.merged.take().unwrap_or_default().collisions;
    let suppliers = exchange.site.panels.get(&doctype.name).map_or(&[][..], Vec::as_slice);
    let presets = suppliers.iter().find_map(|supplier| supplier.presets());
    form.presets = presets.map_or_else(String::new, |presets| json!(presets).to_string());
    form.shown_once = showing.shown_once;
    if !document.is_new {
        // What no table holds was made by nobody at no time.
        form.story = (!doctype.is_virtual).then(|| story(exchange, document));
        let all = exchange.query().iter().any(|(key, _)| key == "activity");
        let (found, more) = activity::activity(documents, session, &grant, document, access.write, all).await?;
        form.activity = found;
        form.side = side::side(exchange, document, access).await?;
        if more {
            form.side.activity_url = format!("{}?activity=all#activity", form.url);
        }
    }
    if attachments::has_any(documents, document) {
        form.attachments = attachments::attachments(documents, session, document).await?;
        form.attaches = access.write;
    }
    // A Single that nobody has saved yet is there all the same.
    if !document.is_new || doctype.issingle {
        for supplier in suppliers {
            form.panels.extend(
                supplier
                    .panels(&exchange.site, session, document)
                    .await?
                    .into_iter()
                    .map(|found| panel(found, exchange.language())),
            );
        }
    }
    if doctype.name == DOCTYPE {
        let may_change = session.has_role(ROLE_SYSTEM_MANAGER);
        form.panels
            .extend(registry.get(&document.name()).map(|defined| definition(defined, may_change, exchange.language())));
    }
    let title = form.title.clone();
    let list = Link { label: exchange.say(&doctype.name), href: format!("/app/{}", doctype.slug()) };
    let crumbs = if doctype.issingle {
        vec![list]
    } else {
        let label = if document.is_new { exchange.say("New") } else { title.clone() };
        vec![list, Link { label, href: form.url.clone() }]
    };
    let has_files = form.attaches || attachments::takes_files(doctype);
    let query = if document.is_new { back::own_query(exchange) } else { String::new() };
    if document.is_new && !doctype.issingle {
        form.back = back::way_back(exchange).unwrap_or_default();
        form.beginnings = beginning::question(exchange, suppliers, &form.url);
    }
    let page = FormPage {
        modules: modules::of(doctype, form.editable),
        form,
        query,
        enctype: if has_files { "multipart/form-data" } else { "application/x-www-form-urlencoded" },
    };
    let text = shell::render(exchange, "desk/form", &title, crumbs, page).await?;
    Ok(html(showing.status, text))
}

/// Where a DocType leads, and where it comes from; whoever `may_change` it, is led there.
fn definition(doctype: &DocType, may_change: bool, language: &Language) -> Panel {
    let link = |label: &str, href: String| Link { label: label.to_owned(), href };
    let name = percent_encoding::utf8_percent_encode(&doctype.name, percent_encoding::NON_ALPHANUMERIC);
    let mut links = Vec::new();
    if may_change {
        links.push(link("Change this DocType", model::url(&doctype.name)));
        links.push(link("Who may do what", format!("/app/_rights?doctype={name}")));
    }
    if !doctype.istable {
        let label = if doctype.issingle { "Open the form" } else { "Open the list" };
        links.push(link(label, format!("/app/{}", doctype.slug())));
        if !doctype.issingle && !doctype.in_create && !doctype.is_virtual {
            links.push(link(&format!("New {}", doctype.name), format!("/app/{}/new", doctype.slug())));
        }
        links.push(link("Read it through the API", format!("/api/resource/{name}")));
    }
    let values = doctype.sources.iter().map(|path| Pair { name: "File".to_owned(), value: path.clone() }).collect();
    Panel {
        title: "Where it is".to_owned(),
        help: help::spans(&language.say("A DocType is what its file says: a saved file counts at once.")),
        values,
        links,
        ..Panel::default()
    }
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

fn panel(panel: crate::web::Panel, language: &Language) -> Panel {
    let pairs = |pairs: Vec<(String, String)>| pairs.into_iter().map(|(name, value)| Pair { name, value }).collect();
    Panel {
        title: panel.title,
        help: help::spans(&language.say(&panel.help)),
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
