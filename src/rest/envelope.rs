//! The envelopes of answers: rows and documents as bytes, in one pass where lists are long.

use poem::Response;
use poem::http::StatusCode;
use serde_json::{Map, Value as Json};

use crate::document::{Cell, List};
use crate::web::RequestContext;
use crate::web::method::json_response;

/// An answer under `data`.
pub(super) fn data(context: &RequestContext, value: Json) -> Response {
    with_status(context, StatusCode::OK, value)
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

/// A list's answer, written in one pass.
pub(super) fn list(context: &RequestContext, list: &List, shape: Rows) -> Response {
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
    if context.session_expired {
        out.extend_from_slice(b",\"session_expired\":1");
    }
    out.push(b'}');
    crate::web::method::json_bytes(StatusCode::OK, out)
}

/// The rows of a list as a method's result: objects, or arrays of values alone.
pub(super) fn rows(list: &List, as_arrays: bool) -> Json {
    if as_arrays { Json::Array(value_rows(list)) } else { list.to_json().into_iter().map(Json::Object).collect() }
}

/// The rows of a list as arrays of values.
pub(super) fn value_rows(list: &List) -> Vec<Json> {
    list.rows.iter().map(|row| row.iter().map(Cell::to_json).collect()).collect()
}
