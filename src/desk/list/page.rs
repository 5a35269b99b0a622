//! Answers `/app/<slug>`: the list, or the form of a Single; and the deletion of several documents.

use std::sync::Arc;

use poem::Response;
use poem::http::StatusCode;

use super::params::ListParams;
use super::view::ListView;
use super::{ListInput, MOST_COUNTED, list_view};
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
use crate::web::error::see_other;
use crate::web::templates::html;
use crate::web::{Exchange, resend};

/// Names in one message about what was not deleted.
const MAX_NAMED: usize = 5;

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
    show(&exchange, &doctype, &[], false).await
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
        let mut page = show(&exchange, &doctype, &names, confirm).await?;
        page.set_status(StatusCode::BAD_REQUEST);
        return Ok(page);
    }
    match form.first("__action") {
        Some("delete") if !names.is_empty() => show(&exchange, &doctype, &names, true).await,
        Some("delete_confirmed") => delete(&exchange, &doctype, &names).await,
        Some("restore") if doctype.name == DELETED_DOCUMENT && !names.is_empty() => restore(&exchange, &names).await,
        _ => Ok(see_other(&own_address(&exchange))),
    }
}

fn own_address(exchange: &Exchange) -> String {
    exchange.request.uri().path_and_query().map_or("/app", |address| address.as_str()).to_owned()
}

async fn delete(exchange: &Exchange, doctype: &DocType, names: &[String]) -> Result<Response> {
    let mut outcome = Outcome::default();
    for name in names {
        outcome.note(name, exchange.site.documents.delete(exchange.session(), &doctype.name, name).await)?;
    }
    Ok(outcome.answer(exchange, "Deleted", "kept"))
}

/// Brings deleted documents back, each by itself.
async fn restore(exchange: &Exchange, names: &[String]) -> Result<Response> {
    let mut outcome = Outcome::default();
    for name in names {
        let restored = exchange.site.documents.restore(exchange.session(), name, None).await;
        outcome.notes.extend(restored.iter().flat_map(|restored| restored.notes.iter().cloned()));
        outcome.note(name, restored.map(drop))?;
    }
    Ok(outcome.answer(exchange, "Restored", "left"))
}

/// What became of several documents.
#[derive(Default)]
struct Outcome {
    done: usize,
    problems: Vec<String>,
    notes: Vec<String>,
}

impl Outcome {
    fn note(&mut self, name: &str, result: Result<()>) -> Result<()> {
        match result {
            Ok(()) => self.done += 1,
            Err(error) if error.is_failure() => return Err(error),
            Err(error) => self.problems.push(format!("{name}: {error}")),
        }
        Ok(())
    }

    /// Back to the list, which says so: `Deleted 2 documents, kept 1 document. …`
    fn answer(mut self, exchange: &Exchange, done: &str, not_done: &str) -> Response {
        let not = self.problems.len();
        self.problems.truncate(MAX_NAMED);
        self.notes.truncate(MAX_NAMED);
        let count = |count: usize| if count == 1 { "1 document".to_owned() } else { format!("{count} documents") };
        let flash = if not == 0 {
            restored_flash(&format!("{done} {}", count(self.done)), &self.notes)
        } else {
            let problems = self.problems.join(". ");
            Flash::failed(format!("{done} {}, {not_done} {}. {problems}", count(self.done), count(not)))
        };
        flash.keep(exchange);
        see_other(&own_address(exchange))
    }
}

async fn show(exchange: &Exchange, doctype: &Arc<DocType>, selected: &[String], confirm: bool) -> Result<Response> {
    let documents = &exchange.site.documents;
    let session = exchange.session();
    documents.check_permission(session, doctype, None, Right::Read)?;
    let grant = documents.grant(session, doctype);
    let params = ListParams::parse(doctype, &grant, &exchange.query());
    let request = params.to_request(doctype, &grant);
    let asked = match params.problem.as_str() {
        "" => documents.list(session, &request).await,
        problem => Err(Error::BadRequest(problem.to_owned())),
    };
    let (list, total, problem) = match asked {
        Ok(list) => {
            let total = documents.count_at_most(session, &request, Some(MOST_COUNTED + 1)).await?;
            (list, total, String::new())
        }
        // A filter that does not parse (a date, a number) is said beside the filters.
        Err(error @ (Error::Validation(_) | Error::BadRequest(_) | Error::Permission(_))) => {
            (List::default(), 0, error.to_string())
        }
        Err(error) => return Err(error),
    };
    let registry = documents.registry();
    let titles = list_titles(exchange, &registry, doctype, &list).await?;
    let view: ListView = list_view(&ListInput {
        registry: &registry,
        doctype,
        session,
        grant: &grant,
        params: &params,
        list: &list,
        total,
        titles: &titles,
        selected,
        confirm,
        problem,
        now: documents.clock().now_in(documents.zone(session)),
    });
    let crumbs = vec![Link { label: doctype.name.clone(), href: format!("/app/{}", doctype.slug()) }];
    let text = shell::render(exchange, "desk/list", &doctype.name, crumbs, view).await?;
    Ok(html(StatusCode::OK, text))
}
