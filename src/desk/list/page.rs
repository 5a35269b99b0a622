//! Answers `/app/<slug>`: the list, or the form of a Single; and the deletion of several documents.

use std::sync::Arc;

use poem::Response;
use poem::http::StatusCode;

use super::params::ListParams;
use super::shown::Kind;
use super::view::{AskView, ListView, OtherView, ResultView};
use super::{
    ListInput, MOST_COUNTED, MOST_FOUND, board, builder, bulk, calendar, counted, group, list_view, report, saved,
    tree, usual_columns,
};
use crate::desk::document_url;
use crate::desk::form::act::restored_flash;
use crate::desk::form::page::{self, doctype_of};
use crate::desk::form::view::Link;
use crate::desk::frappe_address;
use crate::desk::shell::{self, Flash};
use crate::desk::titles::list_titles;
use crate::document::List;
use crate::document::restore::DELETED_DOCUMENT;
use crate::error::{Error, Result};
use crate::meta::{DocType, Right};
use crate::permissions::Grant;
use crate::web::arguments::Form;
use crate::web::error::see_other;
use crate::web::templates::html;
use crate::web::{Exchange, resend};

/// Notes in one message about what was restored.
const MAX_NOTES: usize = 5;

/// GET
pub(crate) async fn get(exchange: Exchange) -> Result<Response> {
    shell::require_desk(&exchange)?;
    if let Some(response) = frappe_address::redirect(&exchange, &[exchange.param("slug")]) {
        return Ok(response);
    }
    let doctype = doctype_of(&exchange)?;
    if doctype.issingle {
        return page::get_document(exchange, &doctype, &doctype.name.clone()).await;
    }
    if let Some(mut settled) = builder::settled(&exchange.query()) {
        // What is so anyway makes no address longer; a report has other columns.
        let is_report = settled.iter().any(|(name, value)| name == "view" && value == "report");
        let usual = usual_columns(&doctype, &exchange.site.documents.grant(exchange.session(), &doctype));
        settled.retain(|(name, value)| match name.as_str() {
            "columns" => is_report || *value != usual,
            "page_length" => value != "20",
            _ => true,
        });
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(settled).finish();
        let url = format!("/app/{}", doctype.slug());
        return Ok(see_other(&if query.is_empty() { url } else { format!("{url}?{query}") }));
    }
    if let Some(address) = report::saved_address(&exchange, &doctype).await? {
        return Ok(see_other(&address));
    }
    show(&exchange, &doctype, &Showing::default()).await
}

/// What a list shows besides what its address asks for.
#[derive(Default)]
struct Showing<'a> {
    /// Names that are ticked.
    selected: &'a [String],
    /// The question whether to delete them stands open.
    confirm: bool,
    /// The question before something is done with all that match.
    ask: Option<AskView>,
    /// What became of several documents.
    results: Vec<ResultView>,
}

/// POST
pub(crate) async fn post(mut exchange: Exchange) -> Result<Response> {
    if let Some(login) = resend::to_login(&exchange) {
        return Ok(login);
    }
    shell::require_desk(&exchange)?;
    let doctype = doctype_of(&exchange)?;
    if doctype.issingle {
        return page::post_document(exchange, &doctype, Some(doctype.name.clone())).await;
    }
    let (form, in_time) = exchange.form_or_late_form().await?;
    let names: Vec<String> =
        form.fields.iter().filter(|(name, _)| name == "names").map(|(_, value)| value.clone()).collect();
    if !in_time {
        // A form that came too late does nothing: what was ticked is, and the button has to be pressed once more.
        let confirm = form.first("__action").is_some_and(|action| action.starts_with("delete"));
        let showing = Showing { selected: &names, confirm, ..Showing::default() };
        let mut page = show(&exchange, &doctype, &showing).await?;
        page.set_status(StatusCode::BAD_REQUEST);
        return Ok(page);
    }
    if form.first("__all") == Some("1") {
        match form.first("__action") {
            Some("bulk:export") => return Ok(see_other(&export_of(&exchange, &doctype, None))),
            Some(action) => {
                let action = if action.starts_with("delete") { "bulk:delete" } else { action };
                if let Some(what) = bulk::What::of(action, &form) {
                    return Box::pin(all_that_match(&exchange, &doctype, &what, &form)).await;
                }
            }
            None => {}
        }
    }
    match form.first("__action") {
        Some("delete") if !names.is_empty() => {
            let showing = Showing { selected: &names, confirm: true, ..Showing::default() };
            show(&exchange, &doctype, &showing).await
        }
        Some(board::MOVE) => Box::pin(board::move_card(&exchange, &doctype, &form)).await,
        Some(action @ (report::SAVE | report::CHANGE)) => report::save(&exchange, &doctype, action, &form).await,
        Some("save_view") => {
            let (label, shared) = (form.first("__view").unwrap_or_default(), form.first("__shared") == Some("1"));
            saved::save(&exchange, &doctype, label.trim(), shared).await
        }
        Some(action) if action.starts_with(saved::FORGET) => saved::forget(&exchange, action).await,
        Some("bulk:export") if !names.is_empty() => Ok(see_other(&export_of(&exchange, &doctype, Some(&names)))),
        Some(action) if let Some(what) = bulk::What::of(action, &form) => {
            let results = bulk::run(&exchange, &doctype, &names, &what).await?;
            done_with_several(&exchange, &doctype, what.done(), results).await
        }
        Some("delete_confirmed") => {
            let results = bulk::run(&exchange, &doctype, &names, &bulk::What::Delete).await?;
            done_with_several(&exchange, &doctype, "Deleted", results).await
        }
        Some("restore") if doctype.name == DELETED_DOCUMENT && !names.is_empty() => {
            restore(&exchange, &doctype, &names).await
        }
        _ => Ok(see_other(&own_address(&exchange))),
    }
}

pub(super) fn own_address(exchange: &Exchange) -> String {
    exchange.request.uri().path_and_query().map_or("/app", |address| address.as_str()).to_owned()
}

/// Does something with all documents that match, after a question that says how many there are: some hundred at once, more
/// by a Bulk Change.
async fn all_that_match(
    exchange: &Exchange,
    doctype: &Arc<DocType>,
    what: &bulk::What,
    form: &Form,
) -> Result<Response> {
    let (documents, session) = (&exchange.site.documents, exchange.session());
    documents.check_permission(session, doctype, None, Right::Read)?;
    let grant = documents.grant(session, doctype);
    let params = ListParams::parse(doctype, &grant, &exchange.query());
    let mut request = params.to_request(doctype, &grant);
    let count = match params.problem.as_str() {
        "" => documents.count_at_most(session, &request, Some(bulk::MOST_MATCHING + 1)).await,
        problem => Err(Error::BadRequest(problem.to_owned())),
    };
    let count = match count {
        Ok(count) => count,
        Err(error) if error.is_failure() => return Err(error),
        // The list says what is wrong.
        Err(_) => 0,
    };
    if count == 0 {
        return Ok(see_other(&own_address(exchange)));
    }
    if count > bulk::MOST_MATCHING {
        let most = super::grouped(bulk::MOST_MATCHING);
        Flash::failed(format!("Nothing was done: more than {most} documents match. Narrow the filters")).keep(exchange);
        return Ok(see_other(&own_address(exchange)));
    }
    // If others match by now, the question is another one.
    if form.first("__confirmed").and_then(|confirmed| confirmed.parse().ok()) != Some(count) {
        let ask = Some(what.question(doctype, count, form));
        return show(exchange, doctype, &Showing { ask, ..Showing::default() }).await;
    }
    if count > bulk::MOST as u64 {
        let (action, data) = what.as_change();
        let text = |json: &serde_json::Value| serde_json::Value::from(json.to_string());
        let values = [
            ("reference_doctype", serde_json::Value::from(doctype.name.as_str())),
            ("action", action.into()),
            ("data", text(&data)),
            ("filters", text(&request.filters)),
            ("or_filters", text(&request.or_filters)),
        ];
        let values = values.into_iter().map(|(field, value)| (field.to_owned(), value)).collect();
        let change = documents.insert(session, "Bulk Change", &values).await?;
        return Ok(see_other(&document_url("bulk-change", &change.name())));
    }
    request.fields = serde_json::json!(["name"]);
    (request.start, request.limit) = (0, Some(bulk::MOST as u64));
    let list = documents.list(session, &request).await?;
    let names: Vec<String> = (0..list.rows.len()).map(|row| list.text(row, "name").to_owned()).collect();
    let results = bulk::run(exchange, doctype, &names, what).await?;
    done_with_several(exchange, doctype, what.done(), results).await
}

/// Brings deleted documents back, each by itself.
async fn restore(exchange: &Exchange, doctype: &Arc<DocType>, names: &[String]) -> Result<Response> {
    let (mut results, mut notes) = (Vec::with_capacity(names.len()), Vec::new());
    for name in names {
        let restored = exchange.site.documents.restore(exchange.session(), name, None).await;
        notes.extend(restored.iter().flat_map(|restored| restored.notes.iter().cloned()));
        results.push(bulk::result(doctype, name, restored.map(drop))?);
    }
    if results.iter().all(|result| result.problem.is_empty()) {
        notes.truncate(MAX_NOTES);
        restored_flash(&format!("Restored {}", count(results.len())), &notes).keep(exchange);
        return Ok(see_other(&own_address(exchange)));
    }
    done_with_several(exchange, doctype, "Restored", results).await
}

/// Where the chosen documents, or all that match, become a file.
fn export_of(exchange: &Exchange, doctype: &Arc<DocType>, names: Option<&[String]>) -> String {
    let grant = exchange.site.documents.grant(exchange.session(), doctype);
    let params = ListParams::parse(doctype, &grant, &exchange.query());
    let request = params.to_request(doctype, &grant);
    let fields = request.fields.to_string();
    let mut pairs = vec![("doctype", doctype.name.clone()), ("fields", fields)];
    match names {
        Some(names) => pairs.push(("selected_items", serde_json::Value::from(names).to_string())),
        None => pairs.extend([
            ("export_filters", request.filters.to_string()),
            ("export_or_filters", request.or_filters.to_string()),
        ]),
    }
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    format!("/app/_export?{query}")
}

fn count(count: usize) -> String {
    if count == 1 { "1 document".to_owned() } else { format!("{count} documents") }
}

/// Back to the list where all was done; else the list with what became of each, and what was not done still ticked.
async fn done_with_several(
    exchange: &Exchange,
    doctype: &Arc<DocType>,
    done: &str,
    results: Vec<ResultView>,
) -> Result<Response> {
    let failed: Vec<String> =
        results.iter().filter(|result| !result.problem.is_empty()).map(|result| result.name.clone()).collect();
    if results.is_empty() {
        return Ok(see_other(&own_address(exchange)));
    }
    if failed.is_empty() {
        Flash::done(format!("{done} {}", count(results.len()))).keep(exchange);
        return Ok(see_other(&own_address(exchange)));
    }
    // Where nothing was done, the answer says why it was not for the first.
    let status = if failed.len() == results.len() { results[0].status } else { 200 };
    let mut page = show(exchange, doctype, &Showing { selected: &failed, results, ..Showing::default() }).await?;
    page.set_status(StatusCode::from_u16(status).unwrap_or(StatusCode::OK));
    Ok(page)
}

/// Asks for the rows, or for what is shown instead of them.
async fn shown(
    exchange: &Exchange,
    doctype: &Arc<DocType>,
    grant: &Grant,
    params: &ListParams,
    other: &mut OtherView,
) -> Result<List> {
    match params.shown.kind {
        Kind::List => {
            let request = params.to_request(doctype, grant);
            let list = exchange.site.documents.list(exchange.session(), &request).await?;
            other.groups = group::groups(exchange, doctype, grant, params).await?;
            return Ok(list);
        }
        Kind::Report => other.report = Some(report::report_view(exchange, doctype, grant, params).await?),
        Kind::Kanban => other.board = Some(board::board(exchange, doctype, grant, params).await?),
        Kind::Calendar => other.calendar = Some(calendar::calendar(exchange, doctype, grant, params).await?),
        Kind::Tree => other.tree = Some(tree::tree(exchange, doctype, grant, params).await?),
    }
    Ok(List::default())
}

async fn show(exchange: &Exchange, doctype: &Arc<DocType>, showing: &Showing<'_>) -> Result<Response> {
    let documents = &exchange.site.documents;
    let session = exchange.session();
    documents.check_permission(session, doctype, None, Right::Read)?;
    let grant = documents.grant(session, doctype);
    let params = ListParams::parse(doctype, &grant, &exchange.query());
    let request = params.to_request(doctype, &grant);
    let mut other = OtherView { list: params.shown.kind == Kind::List, ..OtherView::default() };
    let asked = match params.problem.as_str() {
        "" => Box::pin(shown(exchange, doctype, &grant, &params, &mut other)).await,
        problem => Err(Error::BadRequest(problem.to_owned())),
    };
    let (list, total, problem) = match asked {
        Ok(list) if !other.list => (list, String::new(), String::new()),
        Ok(list) => {
            let most = if params.query.is_empty() { MOST_COUNTED } else { MOST_FOUND };
            let total = documents.count_at_most(session, &request, Some(most + 1)).await?;
            (list, counted(total, most), String::new())
        }
        // A filter that does not parse (a date, a number) is said beside the filters.
        Err(error @ (Error::Validation(_) | Error::BadRequest(_) | Error::Permission(_))) => {
            (List::default(), String::new(), exchange.say(&error.to_string()))
        }
        Err(error) => return Err(error),
    };
    let registry = exchange.registry();
    let titles = list_titles(exchange, &registry, doctype, &list).await?;
    let mut view: ListView = list_view(&ListInput {
        registry: &registry,
        doctype,
        session,
        language: exchange.language(),
        grant: &grant,
        params: &params,
        list: &list,
        total: &total,
        titles: &titles,
        selected: showing.selected,
        confirm: showing.confirm,
        ask: showing.ask.clone(),
        results: showing.results.clone(),
        saved: saved::list(exchange, doctype).await?,
        reports: report::list(exchange, doctype, &grant).await?,
        problem,
        now: documents.clock().now_in(documents.zone(session)),
    });
    view.other = other;
    let crumbs = vec![Link { label: exchange.say(&doctype.name), href: format!("/app/{}", doctype.slug()) }];
    let name = view.other.report.as_ref().map(|report| report.name.clone()).filter(|name| !name.is_empty());
    let title = name.unwrap_or_else(|| exchange.say(&doctype.name));
    let text = shell::render(exchange, "desk/list", &title, crumbs, view).await?;
    Ok(html(StatusCode::OK, text))
}
