//! The envelopes of answers: rows and documents as bytes, in one pass where lists are long.

use poem::Response;
use poem::http::{HeaderMap, StatusCode};
use serde_json::{Map, Value as Json};

use crate::document::{Cell, Data, List, ListRequest};
use crate::error::{Error, Result};
use crate::permissions::Session;
use crate::rest::{cursor, etag};
use crate::web::method::{json_bytes, json_response};
use crate::web::spool::Spool;
use crate::web::{Answer, Call, Exchange, RequestContext, Site};

/// An answer under `data`.
pub(super) fn data(context: &RequestContext, value: Json) -> Response {
    with_status(context, StatusCode::OK, value)
}

/// A document that was just written, under `data`, with its `ETag`.
pub(super) fn document(context: &RequestContext, document: Map<String, Json>) -> Response {
    if context.session_expired {
        return data(context, Json::Object(document));
    }
    etag::answer(Data::of(document), &HeaderMap::new())
}

/// An answer under `data` with a status of its own.
pub(super) fn with_status(context: &RequestContext, status: StatusCode, value: Json) -> Response {
    object(context, status, Map::from_iter([("data".to_owned(), value)]))
}

/// An answer with these keys.
pub(super) fn object(context: &RequestContext, status: StatusCode, mut body: Map<String, Json>) -> Response {
    if context.session_expired {
        body.insert("session_expired".to_owned(), Json::from(1));
    }
    json_response(status, &Json::Object(body))
}

/// Which keys stand around the rows of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rows {
    /// `{"data":[{…}]}`
    Objects,
    /// `{"data":[[…]]}`
    Arrays,
    /// `{"has_next_page":…,"data":[{…}]}`
    Page,
    /// `{"has_next_page":…,"data":[[…]]}`
    PageOfArrays,
}

/// A list's answer.
pub(super) async fn list(exchange: &Exchange, request: &ListRequest, shape: Rows) -> Result<Response> {
    let (site, session) = (&exchange.site, exchange.session());
    if !request.is_long() {
        let list = site.documents.list(session, request).await?;
        let cursor = match (&request.position, &list.next) {
            (Some(_), Some(next)) => Some(cursor::write(site.documents.site_key(), &request.doctype, next)),
            (Some(_), None) if list.has_next_page => return Err(no_places(&request.doctype)),
            _ => None,
        };
        return Ok(short_list(&exchange.context, &list, shape, cursor.as_deref()));
    }
    let as_arrays = matches!(shape, Rows::Arrays | Rows::PageOfArrays);
    let (spool, has_next_page) = spool_rows(site, session, request, as_arrays).await?;
    let mut others = Map::new();
    if matches!(shape, Rows::Page | Rows::PageOfArrays) {
        others.insert("has_next_page".to_owned(), Json::from(has_next_page));
    }
    if exchange.context.session_expired {
        others.insert("session_expired".to_owned(), Json::from(1));
    }
    Ok(spool.into_json_response(StatusCode::OK, "data", &others))
}

/// A list as a method's result: objects, or arrays of values alone.
pub(super) async fn list_answer(call: &Call, request: &ListRequest, as_arrays: bool) -> Result<Answer> {
    if !request.is_long() {
        return Ok(Answer::message(rows(&call.site.documents.list(call.session(), request).await?, as_arrays)));
    }
    Ok(Answer::spooled(spool_rows(&call.site, call.session(), request, as_arrays).await?.0))
}

/// The rows of a long list as a JSON array, and whether a further page has rows.
async fn spool_rows(site: &Site, session: &Session, request: &ListRequest, as_arrays: bool) -> Result<(Spool, bool)> {
    let mut spool = Spool::new(site);
    spool.memory.push(b'[');
    let has_next_page = spool_parts(site, session, request, as_arrays, &mut spool, |_, _| {}).await?;
    spool.memory.push(b']');
    spool.finish()?;
    Ok((spool, has_next_page))
}

/// Writes the rows of a long list with commas between them; `before` writes what stands before the first row.
pub(super) async fn spool_parts(
    site: &Site,
    session: &Session,
    request: &ListRequest,
    as_arrays: bool,
    spool: &mut Spool,
    mut before: impl FnMut(&List, &mut Vec<u8>) + Send,
) -> Result<bool> {
    let mut is_first = true;
    site.documents
        .list_in_parts(session, request, |list| {
            if !list.rows.is_empty() {
                if is_first {
                    before(list, &mut spool.memory);
                } else {
                    spool.memory.push(b',');
                }
                is_first = false;
            }
            if as_arrays {
                list.write_arrays(&mut spool.memory);
            } else {
                list.write_objects(&mut spool.memory);
            }
            spool.settle()
        })
        .await
}

fn no_places(doctype: &str) -> Error {
    let message =
        format!("This list of {doctype} takes no cursor, as its rows are groups or not stored: use start and limit");
    Error::misuse(message)
}

/// A list's answer, written in one pass.
fn short_list(context: &RequestContext, list: &List, shape: Rows, cursor: Option<&str>) -> Response {
    let mut out = Vec::with_capacity(64 + list.rows.len() * list.keys.len() * 24);
    out.extend_from_slice(match shape {
        Rows::Page | Rows::PageOfArrays if list.has_next_page => b"{\"has_next_page\":true,\"data\":".as_slice(),
        Rows::Page | Rows::PageOfArrays => b"{\"has_next_page\":false,\"data\":",
        Rows::Objects | Rows::Arrays => b"{\"data\":",
    });
    match shape {
        Rows::Arrays | Rows::PageOfArrays => list.write_json_rows(&mut out),
        Rows::Objects | Rows::Page => list.write_json(&mut out),
    }
    if let Some(cursor) = cursor {
        out.extend_from_slice(format!(",\"next_cursor\":{}", Json::from(cursor)).as_bytes());
    }
    if context.session_expired {
        out.extend_from_slice(b",\"session_expired\":1");
    }
    out.push(b'}');
    json_bytes(StatusCode::OK, out)
}

/// The rows of a list as a method's result: objects, or arrays of values alone.
fn rows(list: &List, as_arrays: bool) -> Json {
    if as_arrays { Json::Array(value_rows(list)) } else { list.to_json().into_iter().map(Json::Object).collect() }
}

/// The rows of a list as arrays of values.
pub(super) fn value_rows(list: &List) -> Vec<Json> {
    list.rows.iter().map(|row| row.iter().map(Cell::to_json).collect()).collect()
}
