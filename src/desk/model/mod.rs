//! DocTypes changed by form: `/app/_model` for a new one, `/app/_model/<DocType>` for one that is there. What a person wants is
//! turned into a change of a file, shown as such beside what it does to the tables, and applied when they agree.

mod review;
mod wish;

use std::sync::Arc;

use poem::Response;
use poem::http::StatusCode;
use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::desk::document_url;
use crate::desk::form::access::Access;
use crate::desk::form::build::{FormInput, form_view};
use crate::desk::form::control;
use crate::desk::form::page::DOCTYPE;
use crate::desk::form::posted::Posted;
use crate::desk::form::view::{FormView, Link, Pair};
use crate::desk::shell::{self, Flash, ago};
use crate::desk::titles::form_titles;
use crate::document::ListRequest;
use crate::document::restore::VERSION;
use crate::error::{Error, FieldProblem, Invalid, Result};
use crate::meta::{DocType, Document};
use crate::pace;
use crate::permissions::Grant;
use crate::permissions::session::ROLE_SYSTEM_MANAGER;
use crate::web::Exchange;
pub(crate) use crate::web::desk_address::model_url as url;
use crate::web::error::see_other;
use crate::web::model::{FileWish, ModelFile};
use crate::web::templates::html;
use review::Review;
use wish::Wish;

/// Where a new one is defined.
pub(crate) const NEW: &str = "/app/_model";
/// The input that says what the file held when the form was made.
const BASE: &str = "modified";
/// What the file held when its change was shown.
const SEEN: &str = "__seen";
/// The whole text of the file, in place of a form.
const TEXT: &str = "__text";
/// The action of a form that the browser kept and sends to have it shown again.
const DRAFT: &str = "draft";
/// How many earlier changes are shown.
const MOST: u64 = 20;

/// Everything that `desk/model.hbs` places.
#[derive(Serialize)]
struct ModelPage {
    form: FormView,
    /// The file that it is written into.
    file: FileView,
    /// The whole text, where that is edited in place of a form.
    text: Option<String>,
    /// The other way of editing it.
    other_url: String,
    history: Vec<Past>,
    base: String,
}

/// A file.
#[derive(Clone, Debug, Serialize)]
struct FileView {
    path: String,
    is_new: bool,
    is_overlay: bool,
    obstacle: String,
}

/// An earlier change.
#[derive(Serialize)]
struct Past {
    who: String,
    when: String,
    ago: String,
    why: String,
    undo_url: String,
}

/// What is changed.
struct Subject {
    /// As it is shown; a new one is empty.
    document: Document,
    /// The DocType; `None` for a new one.
    doctype: Option<Arc<DocType>>,
    /// Its file; that of a new one is known once it has a name.
    file: Option<ModelFile>,
}

impl Subject {
    fn url(&self) -> String {
        self.doctype.as_ref().map_or_else(|| NEW.to_owned(), |doctype| url(&doctype.name))
    }

    /// What stands for the text of the file.
    fn digest(&self) -> String {
        digest(self.file.as_ref().and_then(|file| file.text.as_deref()))
    }
}

/// What stands for the text of a file, or for there being none.
fn digest(text: Option<&str>) -> String {
    text.map(crate::secret::digest).unwrap_or_default()
}

fn require_manager(exchange: &Exchange) -> Result<()> {
    shell::require_desk(exchange)?;
    exchange.site.documents.check_unlimited(exchange.session(), "change DocTypes")?;
    if exchange.session().has_role(ROLE_SYSTEM_MANAGER) {
        return Ok(());
    }
    Err(Error::Permission("DocTypes are changed by System Managers".to_owned()))
}

/// A new DocType: nobody but System Managers may anything with its documents until a row says so.
fn new_document(exchange: &Exchange) -> Result<Document> {
    let registry = exchange.site.documents.registry();
    let known = |name: &str| registry.get(name).cloned().ok_or_else(|| Error::does_not_exist(DOCTYPE, name));
    let mut document = Document::new(known(DOCTYPE)?);
    document.set("track_changes", true);
    let mut row = Document::new(known("DocPerm")?);
    row.set("role", ROLE_SYSTEM_MANAGER);
    for right in ["read", "write", "create", "delete", "share", "export", "report"] {
        row.set(right, true);
    }
    if let Some(rows) = document.rows_mut("permissions") {
        rows.push(row);
    }
    Ok(document)
}

async fn subject(exchange: &Exchange) -> Result<Subject> {
    let name = exchange.param("doctype").to_owned();
    if name.is_empty() {
        return Ok(Subject { document: new_document(exchange)?, doctype: None, file: None });
    }
    let documents = &exchange.site.documents;
    let registry = documents.registry();
    let doctype = registry.get(&name).cloned().ok_or_else(|| Error::does_not_exist(DOCTYPE, &name))?;
    let document = documents.get(exchange.session(), DOCTYPE, &name).await?.as_ref().clone();
    let file = pace::aside(true, || exchange.site.model.file_of(&exchange.site, &doctype))?;
    Ok(Subject { document, doctype: Some(doctype), file: Some(file) })
}

/// GET `/app/_model`, `/app/_model/<DocType>`, with `?as=text` its file, with `?undo=<Version>` what was before a change.
pub(crate) async fn get(exchange: Exchange) -> Result<Response> {
    require_manager(&exchange)?;
    let subject = subject(&exchange).await?;
    let query = exchange.query();
    let asked = |key: &str| query.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
    if let (Some(version), Some(doctype)) = (asked("undo"), &subject.doctype) {
        let text = text_before(&exchange, doctype, version).await?;
        let wish = wish::of_text(&exchange, &subject, text)?;
        let found = review::check(&exchange, &subject, &wish).await?;
        return review::show(&exchange, &subject, wish, found, Review::default()).await;
    }
    show(&exchange, &subject, None, Vec::new(), asked("as") == Some("text")).await
}

/// POST: shows what would become of the file, applies it, or shows the form again.
pub(crate) async fn post(mut exchange: Exchange) -> Result<Response> {
    require_manager(&exchange)?;
    let (form, in_time) = exchange.form_or_late_form().await?;
    let pairs = form.fields.clone();
    let mut posted = Posted::new(form.fields);
    let subject = subject(&exchange).await?;
    let registry = exchange.site.documents.registry();
    posted.settle(&registry, &subject.document.doctype);
    let as_text = posted.fields.contains_key(TEXT);
    if !in_time || matches!(posted.action.as_str(), "edit" | DRAFT) {
        return show(&exchange, &subject, Some(&posted), Vec::new(), as_text).await;
    }
    let is_stale = |name: &str| posted.fields.get(name).is_some_and(|digest| *digest != subject.digest());
    if is_stale(BASE) || is_stale(SEEN) {
        let message = "Somebody changed the file meanwhile. Copy what you need from here, then open the DocType again";
        let problem = FieldProblem::general(crate::error::ProblemKind::TimestampMismatch, message);
        return show(&exchange, &subject, Some(&posted), vec![problem], as_text).await;
    }
    let wish = if as_text {
        wish::of_text(&exchange, &subject, Some(posted.text(TEXT).to_owned()))
    } else {
        wish::of_form(&exchange, &subject, &posted)
    };
    let outcome = match wish {
        Ok(wish) if posted.action == "download" => return Ok(download(&wish)),
        Ok(wish) => go_on(&exchange, &subject, wish, &posted, pairs).await,
        Err(error) => Err(error),
    };
    match outcome {
        Err(Error::Validation(Invalid { problems })) => {
            show(&exchange, &subject, Some(&posted), problems, as_text).await
        }
        other => other,
    }
}

/// Shows the change, or applies it if it was shown and agreed to.
async fn go_on(
    exchange: &Exchange,
    subject: &Subject,
    wish: Wish,
    posted: &Posted,
    pairs: Vec<(String, String)>,
) -> Result<Response> {
    let why = posted.text("__why").trim().to_owned();
    let agreed = posted.text("__agree") == "1";
    let review = Review { pairs, why: why.clone(), ..Review::default() };
    let found = review::check(exchange, subject, &wish).await?;
    if posted.action != "apply" {
        return review::show(exchange, subject, wish, found, review).await;
    }
    if !agreed && found.plan.iter().any(|step| step.is_risky) {
        let review = Review { problem: "Tick the box: the change can lose data".to_owned(), ..review };
        return review::show(exchange, subject, wish, found, review).await;
    }
    let site = &exchange.site;
    match site.model.apply(site, exchange.session(), &wish.file, agreed, &why).await {
        Ok(()) => {
            let FileWish { doctype, path, .. } = &wish.file;
            Flash::done(format!("{doctype} is changed in {path} and in force")).keep(exchange);
            Ok(see_other(&document_url("doctype", doctype)))
        }
        Err(Error::Validation(Invalid { problems })) => {
            let problem: Vec<String> = problems.iter().map(|problem| problem.message.to_string()).collect();
            let review = Review { problem: problem.join("\n"), ..review };
            review::show(exchange, subject, wish, found, review).await
        }
        Err(error) => Err(error),
    }
}

fn download(wish: &Wish) -> Response {
    let name = wish.file.path.rsplit(['/', '\\']).next().unwrap_or("doctype.yaml");
    let name: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')).collect();
    Response::builder()
        .content_type("application/yaml; charset=utf-8")
        .header("content-disposition", format!("attachment; filename=\"{name}\""))
        .body(wish.file.after.clone().unwrap_or_default())
}

/// The text of the file before a change that was made here.
async fn text_before(exchange: &Exchange, doctype: &DocType, version: &str) -> Result<Option<String>> {
    let gone = || Error::does_not_exist(VERSION, version);
    let document = exchange.site.documents.get(exchange.session(), VERSION, version).await?;
    if document.text("ref_doctype") != DOCTYPE || document.text("docname") != doctype.name {
        return Err(gone());
    }
    let data: Json = serde_json::from_str(document.text("data")).map_err(|_| gone())?;
    data.get("file").ok_or_else(gone)?;
    Ok(data.get("before").and_then(Json::as_str).map(str::to_owned))
}

/// The latest changes that were made here.
async fn history(exchange: &Exchange, doctype: &DocType) -> Result<Vec<Past>> {
    let documents = &exchange.site.documents;
    let mut request = ListRequest::new(VERSION)
        .fields(&["name", "owner", "creation", "data"])
        .filters(json!({"ref_doctype": DOCTYPE, "docname": doctype.name}))
        .order_by("creation desc");
    request.limit = Some(MOST);
    let list = documents.list(exchange.session(), &request).await?;
    let now = documents.clock().now_in(documents.zone(exchange.session()));
    let past = |row: usize| {
        let data: Json = serde_json::from_str(list.text(row, "data")).ok()?;
        data.get("file")?;
        Some(Past {
            who: list.text(row, "owner").to_owned(),
            when: list.text(row, "creation").to_owned(),
            ago: ago(list.text(row, "creation"), now),
            why: data.get("why").and_then(Json::as_str).unwrap_or_default().to_owned(),
            undo_url: format!("{}?undo={}", url(&doctype.name), list.text(row, "name")),
        })
    };
    Ok((0..list.rows.len()).filter_map(past).collect())
}

/// Shows the form, or the text of the file.
async fn show(
    exchange: &Exchange,
    subject: &Subject,
    posted: Option<&Posted>,
    problems: Vec<FieldProblem>,
    as_text: bool,
) -> Result<Response> {
    let registry = exchange.registry();
    let titles = form_titles(exchange, &registry, &subject.document, posted).await?;
    let input = FormInput {
        registry: &registry,
        doctype: registry.get(&subject.document.doctype.name).unwrap_or(&subject.document.doctype),
        document: &subject.document,
        session: exchange.session(),
        language: exchange.language(),
        grant: &Grant::ALL,
        access: Access { write: true, ..Access::default() },
        standing: None,
        posted: posted.filter(|_| !as_text),
        problems: &problems,
        titles: &titles,
        carry: false,
        confirm: crate::desk::form::view::Confirm::default(),
        now: exchange.site.documents.clock().now_naive(),
        in_site_zone: true,
    };
    let mut form = pace::aside(true, || form_view(&input));
    form.url = subject.url();
    form.problems_title = match form.problems.len() {
        1 => "Nothing changed yet: 1 problem".to_owned(),
        count => format!("Nothing changed yet: {count} problems"),
    };
    let title = match &subject.doctype {
        Some(doctype) => format!("Change {}", doctype.name),
        None => "New DocType".to_owned(),
    };
    form.title.clone_from(&title);
    let file = subject.file.clone();
    let text = as_text.then(|| {
        let typed = posted.and_then(|posted| posted.fields.get(TEXT)).cloned();
        typed.or_else(|| wish::text_or_empty(subject)).unwrap_or_default()
    });
    let page = ModelPage {
        base: posted.and_then(|posted| posted.fields.get(BASE)).cloned().unwrap_or_else(|| subject.digest()),
        other_url: match (&subject.doctype, as_text) {
            (Some(_), false) => format!("{}?as=text", form.url),
            (Some(_), true) => form.url.clone(),
            (None, _) => String::new(),
        },
        history: match &subject.doctype {
            Some(doctype) => history(exchange, doctype).await?,
            None => Vec::new(),
        },
        file: FileView {
            path: file.as_ref().map(|file| file.path.clone()).unwrap_or_default(),
            is_new: file.as_ref().is_none_or(|file| file.text.is_none()),
            is_overlay: file.as_ref().is_some_and(|file| file.is_overlay),
            obstacle: file.map(|file| file.obstacle).unwrap_or_default(),
        },
        text,
        form,
    };
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::EXPECTATION_FAILED };
    let text = shell::render(exchange, "desk/model", &exchange.say(&title), crumbs(subject), page).await?;
    Ok(html(status, text))
}

fn crumbs(subject: &Subject) -> Vec<Link> {
    let link = |label: &str, href: String| Link { label: label.to_owned(), href };
    let mut crumbs = vec![link(DOCTYPE, "/app/doctype".to_owned())];
    match &subject.doctype {
        Some(doctype) => {
            crumbs.push(link(&doctype.name, document_url("doctype", &doctype.name)));
            crumbs.push(link("Change", subject.url()));
        }
        None => crumbs.push(link("New", subject.url())),
    }
    crumbs
}

/// A problem of a field.
fn at_field(doctype: &DocType, fieldname: &str, message: String) -> FieldProblem {
    let label = doctype.field(fieldname).map_or_else(|| fieldname.to_owned(), control::label);
    FieldProblem::at(crate::error::ProblemKind::Validation, fieldname, label, message)
}

/// What travels with a page that shows a change: everything typed.
fn carried(pairs: Vec<(String, String)>) -> Vec<Pair> {
    const OWN: [&str; 6] = ["__action", "csrf_token", "__why", "__agree", SEEN, BASE];
    pairs
        .into_iter()
        .filter(|(name, _)| !OWN.contains(&name.as_str()))
        .map(|(name, value)| Pair { name, value })
        .collect()
}
