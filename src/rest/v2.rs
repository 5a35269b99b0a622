//! `/api/v2/document` and `/api/v2/doctype`: documents and definitions as Frappe's second API sends them.

use poem::http::{HeaderValue, Method, StatusCode};
use poem::{Endpoint, Request, Response};
use serde_json::{Map, Value as Json};

use crate::error::Result;
use crate::rest::arguments::{Dialect, document_values, filters, list_request};
use crate::rest::envelope::{self, Rows};
use crate::rest::etag::Precondition;
use crate::rest::patch::{self, Patch};
use crate::rest::path::{self, Target};
use crate::rest::stream::{self, Format};
use crate::rest::v1::{options_or_refusal, whole};
use crate::rest::{bulk, cursor, definition, resource};
use crate::web::Exchange;
use crate::web::args::Args;
use crate::web::error::ACCEPT_PATCH;

/// Where documents lie.
pub(super) const PREFIX: &str = "/api/v2/document";

/// What is posted to delete several documents.
const BULK_DELETE: &str = "bulk_delete";
/// What is posted to change several documents.
const BULK_UPDATE: &str = "bulk_update";

/// Answers everything below [`PREFIX`].
pub(super) struct Document;

impl Endpoint for Document {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        Ok(answer(Exchange::new(request)).await?)
    }
}

async fn answer(exchange: Exchange) -> Result<Response> {
    let path = exchange.request.uri().path();
    let target = path::v2(path.strip_prefix(PREFIX).unwrap_or(path))?;
    match (target, exchange.verb()) {
        (Target::Collection { doctype }, &Method::GET | &Method::HEAD) => list(exchange, &doctype).await,
        (Target::Collection { doctype }, &Method::POST) => create(exchange, &doctype).await,
        (Target::Document { doctype, name }, &Method::GET | &Method::HEAD) => read(exchange, &doctype, &name).await,
        (Target::Document { doctype, name }, &Method::PUT) => update(exchange, &doctype, &name).await,
        (Target::Document { doctype, name }, &Method::PATCH) => change(exchange, &doctype, &name).await,
        (Target::Document { doctype, name }, &Method::DELETE) => delete(exchange, &doctype, &name).await,
        (Target::Document { doctype, name }, &Method::POST) if name == BULK_DELETE || name == BULK_UPDATE => {
            several(exchange, &doctype, &name).await
        }
        (Target::Copy { doctype, name }, &Method::GET | &Method::HEAD) => copy(exchange, &doctype, &name).await,
        (Target::Method { doctype, name, method }, &Method::GET | &Method::HEAD) => {
            call(exchange, &doctype, &name, &method, false).await
        }
        (Target::Method { doctype, name, method }, &Method::POST) => {
            call(exchange, &doctype, &name, &method, true).await
        }
        (target, verb) => {
            let allow = match target {
                Target::Root | Target::Copy { .. } => "GET, HEAD, OPTIONS",
                Target::Collection { .. } | Target::Method { .. } => "GET, POST, HEAD, OPTIONS",
                Target::Document { .. } => "GET, PUT, PATCH, DELETE, HEAD, OPTIONS",
            };
            let mut response = options_or_refusal(verb, allow)?;
            if allow.contains("PATCH") {
                response.headers_mut().insert(ACCEPT_PATCH, HeaderValue::from_static(patch::ACCEPT));
            }
            Ok(response)
        }
    }
}

async fn list(mut exchange: Exchange, doctype: &str) -> Result<Response> {
    let values = exchange.values().await?;
    list_of(&exchange, doctype, &values).await
}

async fn list_of(exchange: &Exchange, doctype: &str, values: &Map<String, Json>) -> Result<Response> {
    let mut request = list_request(doctype, values, Dialect::V2)?;
    if let Some(format) = Format::accepted(exchange.request.headers()) {
        stream::check(values.contains_key("cursor"))?;
        if !values.contains_key("limit") {
            request.limit = None;
        }
        return Box::pin(stream::answer(exchange, &request, format)).await;
    }
    cursor::read(exchange.site.documents.site_key(), Args(values), &mut request)?;
    let shape = match Args(values).flag("as_dict")? {
        Some(false) => Rows::PageOfArrays,
        _ => Rows::Page,
    };
    envelope::list(exchange, &request, shape).await
}

async fn create(mut exchange: Exchange, doctype: &str) -> Result<Response> {
    let target = exchange.site.documents.doctype(doctype)?;
    let values = document_values(exchange.values().await?, &target)?;
    let document = resource::create(&exchange.site, exchange.session(), doctype, &values, true).await?;
    Ok(envelope::document(&exchange.context, document))
}

async fn read(mut exchange: Exchange, doctype: &str, name: &str) -> Result<Response> {
    if exchange.request.uri().query().is_some() {
        let values = exchange.values().await?;
        if Args(&values).flag("expand_links")?.unwrap_or(false) {
            let document = resource::read_expanded(&exchange.site, exchange.session(), doctype, name).await?;
            return Ok(envelope::data(&exchange.context, Json::Object(document)));
        }
    }
    whole(&exchange, doctype, name).await
}

async fn change(mut exchange: Exchange, doctype: &str, name: &str) -> Result<Response> {
    let patch = Patch::of(&mut exchange.request).await?;
    let mut response = match patch {
        Some(patch) => {
            let precondition = Precondition::of(exchange.request.headers())?;
            let (site, session) = (&exchange.site, exchange.session());
            let changed = Box::pin(resource::patch(site, session, doctype, name, patch, &precondition)).await?;
            envelope::document(&exchange.context, changed)
        }
        None => update(exchange, doctype, name).await?,
    };
    response.headers_mut().insert(ACCEPT_PATCH, HeaderValue::from_static(patch::ACCEPT));
    Ok(response)
}

async fn update(mut exchange: Exchange, doctype: &str, name: &str) -> Result<Response> {
    let target = exchange.site.documents.doctype(doctype)?;
    let values = document_values(exchange.values().await?, &target)?;
    let headers = exchange.request.headers();
    let (children, precondition) = (resource::children(headers), Precondition::of(headers)?);
    let (site, session) = (&exchange.site, exchange.session());
    let document = resource::update(site, session, doctype, name, values, children, &precondition).await?;
    Ok(envelope::document(&exchange.context, document))
}

async fn delete(exchange: Exchange, doctype: &str, name: &str) -> Result<Response> {
    let precondition = Precondition::of(exchange.request.headers())?;
    resource::delete(&exchange.site, exchange.session(), doctype, name, &precondition).await?;
    Ok(envelope::with_status(&exchange.context, StatusCode::ACCEPTED, Json::from("ok")))
}

async fn copy(exchange: Exchange, doctype: &str, name: &str) -> Result<Response> {
    let documents = &exchange.site.documents;
    let copy = documents.copy(exchange.session(), doctype, name).await?;
    let mut json = documents.to_json(exchange.session(), &copy);
    // What only a stored document has is not part of a copy.
    for key in ["name", "owner", "creation", "modified", "modified_by", "docstatus", "idx"] {
        json.shift_remove(key);
    }
    Ok(envelope::data(&exchange.context, Json::Object(json)))
}

async fn call(mut exchange: Exchange, doctype: &str, name: &str, method: &str, write: bool) -> Result<Response> {
    let values = exchange.values().await?;
    let (site, session) = (&exchange.site, exchange.session());
    let result = resource::call(site, session, (doctype, name), method, &values, write).await?;
    let renamed = (method == "rename").then(|| result.as_str().map(str::to_owned)).flatten();
    let mut body = Map::from_iter([("data".to_owned(), result)]);
    // The document as it is now, where it can still be read.
    match site.documents.get(session, doctype, renamed.as_deref().unwrap_or(name)).await {
        Ok(document) => {
            body.insert("docs".to_owned(), Json::Array(vec![resource::seen(site, session, &document)]));
        }
        Err(error) if resource::is_hidden(&error) => {}
        Err(error) => return Err(error),
    }
    Ok(envelope::object(&exchange.context, StatusCode::OK, body))
}

/// The definition of a DocType, as far as the user may know it.
pub(super) async fn meta(exchange: Exchange) -> Result<Response> {
    exchange.context.require_login()?;
    let doctype = definition::known(&exchange.site, exchange.session(), exchange.param("doctype"))?;
    Ok(envelope::data(&exchange.context, Json::Object(definition::doctype(&doctype))))
}

/// How many documents the session may read.
pub(super) async fn count(mut exchange: Exchange) -> Result<Response> {
    let doctype = exchange.param("doctype").to_owned();
    let values = exchange.values().await?;
    let arguments = Args(&values);
    let mut request = crate::document::ListRequest::new(doctype);
    request.parent = arguments.text("parent")?;
    request.filters = filters(arguments, "filters")?;
    request.or_filters = filters(arguments, "or_filters")?;
    let limit = arguments.count("limit")?.filter(|limit| *limit > 0);
    let count = exchange.site.documents.count_at_most(exchange.session(), &request, limit).await?;
    Ok(envelope::data(&exchange.context, Json::from(count)))
}

/// A list asked for by a body of any length.
pub(super) async fn list_by_body(mut exchange: Exchange) -> Result<Response> {
    let doctype = exchange.param("doctype").to_owned();
    let values = exchange.values().await?;
    list_of(&exchange, &doctype, &values).await
}

/// Deletes or changes several documents, each by itself.
async fn several(mut exchange: Exchange, doctype: &str, what: &str) -> Result<Response> {
    let values = exchange.values().await?;
    let (documents, session) = (&exchange.site.documents, exchange.session());
    let told = match what {
        BULK_DELETE => Box::pin(bulk::delete_named(documents, session, doctype, &values)).await?,
        _ => Box::pin(bulk::update_named(documents, session, doctype, &values)).await?,
    };
    Ok(envelope::data(&exchange.context, told))
}
