//! `/api/resource`: documents as Frappe's first API sends them (`docs/frappe/rest.md`: Addresses).

use poem::http::{Method, StatusCode, header};
use poem::{Endpoint, Request, Response};
use serde_json::Value as Json;

use crate::error::{Error, Result};
use crate::rest::arguments::{Dialect, document_values, list_request};
use crate::rest::envelope::{self, Rows};
use crate::rest::etag::Precondition;
use crate::rest::path::{self, Target};
use crate::rest::{etag, resource};
use crate::web::Exchange;
use crate::web::args::Args;
use crate::web::method::json_bytes;

/// Where it lies; the pipeline has taken `/v1` and trailing slashes away.
pub(super) const PREFIX: &str = "/api/resource";

/// Answers everything at and below [`PREFIX`].
pub(super) struct Resource;

impl Endpoint for Resource {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        Ok(answer(Exchange::new(request)).await?)
    }
}

async fn answer(exchange: Exchange) -> Result<Response> {
    let path = exchange.request.uri().path();
    let target = path::v1(path.strip_prefix(PREFIX).unwrap_or(path))?;
    match (target, exchange.verb()) {
        (Target::Root, &Method::GET | &Method::HEAD) => doctypes(&exchange),
        (Target::Collection { doctype }, &Method::GET | &Method::HEAD) => list(exchange, &doctype).await,
        (Target::Collection { doctype }, &Method::POST) => create(exchange, &doctype).await,
        (Target::Document { doctype, name }, &Method::GET | &Method::HEAD) => read(exchange, &doctype, &name).await,
        (Target::Document { doctype, name }, &Method::PUT) => update(exchange, &doctype, &name).await,
        (Target::Document { doctype, name }, &Method::DELETE) => delete(exchange, &doctype, &name).await,
        (Target::Document { doctype, name }, &Method::POST) => run_method(exchange, &doctype, &name).await,
        (target, verb) => refuse(&target, verb),
    }
}

fn refuse(target: &Target, verb: &Method) -> Result<Response> {
    let allow = match target {
        Target::Root => "GET, HEAD, OPTIONS",
        Target::Collection { .. } => "GET, POST, HEAD, OPTIONS",
        _ => "GET, PUT, DELETE, POST, HEAD, OPTIONS",
    };
    options_or_refusal(verb, allow)
}

/// 200 with `Allow` for OPTIONS, 405 with it for the rest.
pub(super) fn options_or_refusal(verb: &Method, allow: &str) -> Result<Response> {
    if verb == Method::OPTIONS {
        return Ok(Response::builder().status(StatusCode::OK).header(header::ALLOW, allow).finish());
    }
    Err(Error::MethodNotAllowed { allow: allow.to_owned() })
}

/// The names of the DocTypes whose documents the session may read.
fn doctypes(exchange: &Exchange) -> Result<Response> {
    exchange.context.require_login()?;
    let registry = exchange.site.documents.registry();
    let names: Vec<Json> = registry
        .iter()
        .filter(|doctype| !doctype.istable)
        .filter(|doctype| exchange.site.documents.grant(exchange.session(), doctype).may(crate::meta::Right::Read))
        .map(|doctype| serde_json::json!({ "name": doctype.name }))
        .collect();
    Ok(envelope::data(&exchange.context, Json::Array(names)))
}

async fn list(mut exchange: Exchange, doctype: &str) -> Result<Response> {
    let values = exchange.values().await?;
    let request = list_request(doctype, &values, Dialect::V1)?;
    let shape = match Args(&values).flag("as_dict")? {
        Some(false) => Rows::Arrays,
        _ => Rows::Objects,
    };
    envelope::list(&exchange, &request, shape).await
}

async fn create(mut exchange: Exchange, doctype: &str) -> Result<Response> {
    let target = exchange.site.documents.doctype(doctype)?;
    let values = document_values(exchange.values().await?, &target)?;
    let document = resource::create(&exchange.site, exchange.session(), doctype, &values, false).await?;
    Ok(envelope::document(&exchange.context, resource::without_nulls(document)))
}

async fn read(mut exchange: Exchange, doctype: &str, name: &str) -> Result<Response> {
    // The most frequent request has neither query nor body, and is answered with bytes that are ready.
    if exchange.request.uri().query().is_some() || exchange.header("content-length").is_some_and(|length| length != "0")
    {
        let mut values = exchange.values().await?;
        let arguments = Args(&values);
        if let Some(method) = arguments.text("run_method")? {
            values.shift_remove("run_method");
            let target = (doctype, name);
            let result = resource::call(&exchange.site, exchange.session(), target, &method, &values, false).await?;
            return Ok(envelope::data(&exchange.context, result));
        }
        if arguments.flag("expand_links")?.unwrap_or(false) {
            let document = resource::read_expanded(&exchange.site, exchange.session(), doctype, name).await?;
            return Ok(envelope::data(&exchange.context, Json::Object(document)));
        }
    }
    whole(&exchange, doctype, name).await
}

/// A document's answer from the bytes that the engine keeps ready.
pub(super) async fn whole(exchange: &Exchange, doctype: &str, name: &str) -> Result<Response> {
    let data = exchange.site.documents.get_data(exchange.session(), doctype, name).await?;
    if exchange.context.session_expired
        && let Some(open) = data.bytes.strip_suffix(b"}")
    {
        return Ok(json_bytes(StatusCode::OK, [open, b",\"session_expired\":1}"].concat()));
    }
    Ok(etag::answer(data, exchange.request.headers()))
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

async fn run_method(mut exchange: Exchange, doctype: &str, name: &str) -> Result<Response> {
    let in_query = exchange.query().into_iter().find(|(key, _)| key == "run_method").map(|(_, method)| method);
    let mut values = exchange.values().await?;
    let in_body = Args(&values).text("run_method")?;
    let Some(method) = in_body.or(in_query) else {
        return Err(Error::misuse("A POST to a document names a method in run_method; use PUT to change the document"));
    };
    values.shift_remove("run_method");
    let result = resource::call(&exchange.site, exchange.session(), (doctype, name), &method, &values, true).await?;
    Ok(envelope::data(&exchange.context, result))
}
