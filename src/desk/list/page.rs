//! Answers `/app/<slug>`: the list, or the form of a Single; and the deletion of several documents.

use std::sync::Arc;

use poem::Response;
use poem::http::StatusCode;

use super::params::ListParams;
use super::view::ListView;
use super::{ListInput, list_view};
use crate::desk::form::page::{self, PanelsByDocType, doctype_of};
use crate::desk::form::view::Link;
use crate::desk::shell::{self, Flash};
use crate::desk::titles::list_titles;
use crate::document::List;
use crate::error::{Error, Result};
use crate::meta::{DocType, Right};
use crate::web::Exchange;
use crate::web::error::see_other;
use crate::web::templates::html;

/// Names in one message about what was not deleted.
const MAX_NAMED: usize = 5;

/// GET
pub async fn get(exchange: Exchange, panels: PanelsByDocType) -> Result<Response> {
    shell::require_desk(&exchange)?;
    let doctype = doctype_of(&exchange)?;
    if doctype.issingle {
        return page::get_document(exchange, panels, &doctype, &doctype.name.clone()).await;
    }
    show(&exchange, &doctype, &[], false).await
}

/// POST
pub async fn post(mut exchange: Exchange, panels: PanelsByDocType) -> Result<Response> {
    shell::require_desk(&exchange)?;
    let doctype = doctype_of(&exchange)?;
    if doctype.issingle {
        return page::post_document(exchange, panels, &doctype, Some(doctype.name.clone())).await;
    }
    let form = exchange.form().await?;
    let names: Vec<String> =
        form.fields.iter().filter(|(name, _)| name == "names").map(|(_, value)| value.clone()).collect();
    match form.first("__action") {
        Some("delete") if !names.is_empty() => show(&exchange, &doctype, &names, true).await,
        Some("delete_confirmed") => delete(&exchange, &doctype, &names).await,
        _ => Ok(see_other(&own_address(&exchange))),
    }
}

fn own_address(exchange: &Exchange) -> String {
    exchange.request.uri().path_and_query().map_or("/app", |address| address.as_str()).to_owned()
}

async fn delete(exchange: &Exchange, doctype: &DocType, names: &[String]) -> Result<Response> {
    let mut deleted = 0;
    let mut problems = Vec::new();
    for name in names {
        match exchange.site.documents.delete(exchange.session(), &doctype.name, name).await {
            Ok(()) => deleted += 1,
            Err(error @ (Error::Internal(_) | Error::Unavailable(_))) => return Err(error),
            Err(error) => problems.push(format!("{name}: {error}")),
        }
    }
    let kept = problems.len();
    problems.truncate(MAX_NAMED);
    let count = |count: usize| if count == 1 { "1 document".to_owned() } else { format!("{count} documents") };
    let flash = if kept == 0 {
        Flash::done(format!("Deleted {}", count(deleted)))
    } else {
        Flash::failed(format!("Deleted {}, kept {}. {}", count(deleted), count(kept), problems.join(". ")))
    };
    flash.keep(exchange);
    Ok(see_other(&own_address(exchange)))
}

async fn show(exchange: &Exchange, doctype: &Arc<DocType>, selected: &[String], confirm: bool) -> Result<Response> {
    let documents = &exchange.site.documents;
    let session = exchange.session();
    documents.check_permission(session, doctype, None, Right::Read)?;
    let grant = documents.grant(session, doctype);
    let params = ListParams::parse(doctype, &grant, &exchange.query());
    let request = params.to_request(doctype, &grant);
    let (list, total, problem) = match documents.list(session, &request).await {
        Ok(list) => {
            let total = documents.count(session, &request).await?;
            (list, total, String::new())
        }
        // A filter that does not parse (a date, a number) is said beside the filters.
        Err(error @ (Error::Validation(_) | Error::BadRequest(_))) => (List::default(), 0, error.to_string()),
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
        now: documents.clock().now_naive(),
    });
    let crumbs = vec![Link { label: doctype.name.clone(), href: format!("/app/{}", doctype.slug()) }];
    let text = shell::render(exchange, "desk/list", &doctype.name, crumbs, view).await?;
    Ok(html(StatusCode::OK, text))
}
