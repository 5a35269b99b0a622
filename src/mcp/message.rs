//! The messages of MCP: JSON-RPC 2.0 as the revisions 2025-11-25 (with a handshake) and 2026-07-28 (every request says
//! for itself which revision it speaks and what its client can) put it into HTTP. Pure.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use poem::http::{HeaderMap, StatusCode};
use serde_json::{Map, Value as Json, json};

/// The revision without a handshake.
pub(super) const STATELESS: &str = "2026-07-28";
/// The revisions with one, the newest last.
pub(super) const WITH_HANDSHAKE: [&str; 3] = ["2025-03-26", "2025-06-18", "2025-11-25"];
/// What says in `_meta` which revision a request speaks.
const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// What says there what its client can.
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// What says there which program answers.
const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

/// Why a request is not answered with a result (JSON-RPC 2.0 §5.1).
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fault {
    /// The number of the error.
    pub code: i64,
    /// What is wrong and how to fix it.
    pub message: Cow<'static, str>,
    /// More for programs.
    pub data: Option<Json>,
}

impl Fault {
    /// The body is not JSON.
    pub(super) const PARSE: i64 = -32700;
    /// The body is not one request.
    pub(super) const INVALID_REQUEST: i64 = -32600;
    /// There is no such method.
    pub(super) const METHOD_NOT_FOUND: i64 = -32601;
    /// The parameters do not fit the method.
    pub(super) const INVALID_PARAMS: i64 = -32602;
    /// A header says something else than the body.
    pub(super) const HEADER_MISMATCH: i64 = -32020;
    /// The revision is not one of ours.
    pub(super) const UNSUPPORTED_VERSION: i64 = -32022;
    /// There is no such resource, up to the revision 2025-11-25.
    pub(super) const RESOURCE_NOT_FOUND: i64 = -32002;

    /// A fault with its message.
    pub(super) fn new(code: i64, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    /// Parameters that do not fit.
    pub(super) fn params(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Self::INVALID_PARAMS, message)
    }

    /// With more for programs.
    #[must_use]
    pub(super) fn with(mut self, data: Json) -> Self {
        self.data = Some(data);
        self
    }

    /// A revision that is not spoken here.
    fn unsupported(requested: &str) -> Self {
        let supported: Vec<&str> = WITH_HANDSHAKE.into_iter().chain([STATELESS]).rev().collect();
        Self::new(Self::UNSUPPORTED_VERSION, "Unsupported protocol version")
            .with(json!({"supported": supported, "requested": requested}))
    }

    /// The error as a message; without an id where none could be read.
    pub(super) fn to_json(&self, id: Option<&Json>) -> Json {
        let mut error = Map::from_iter([
            ("code".to_owned(), Json::from(self.code)),
            ("message".to_owned(), Json::from(self.message.as_ref())),
        ]);
        if let Some(data) = &self.data {
            error.insert("data".to_owned(), data.clone());
        }
        let mut message = Map::from_iter([("jsonrpc".to_owned(), Json::from("2.0"))]);
        if let Some(id) = id {
            message.insert("id".to_owned(), id.clone());
        }
        message.insert("error".to_owned(), Json::Object(error));
        Json::Object(message)
    }

    /// The status of its answer where the revision ties one to it.
    fn status(&self) -> StatusCode {
        match self.code {
            Self::METHOD_NOT_FOUND => StatusCode::NOT_FOUND,
            Self::PARSE
            | Self::INVALID_REQUEST
            | Self::INVALID_PARAMS
            | Self::HEADER_MISMATCH
            | Self::UNSUPPORTED_VERSION => StatusCode::BAD_REQUEST,
            _ => StatusCode::OK,
        }
    }
}

/// What came.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Incoming {
    /// Something that wants an answer.
    Request(Message),
    /// Something that wants none: it is taken note of.
    Notification,
}

/// A request.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Message {
    /// Its id: a text or a number.
    pub id: Json,
    /// The method.
    pub method: String,
    /// The parameters.
    pub params: Map<String, Json>,
    /// It speaks the revision without a handshake.
    pub is_stateless: bool,
    /// Its client can ask a person by a form, in the course of a request.
    pub can_ask: bool,
}

impl Message {
    /// A parameter that is a text.
    pub(super) fn text(&self, name: &str) -> Result<&str, Fault> {
        let found = self.params.get(name).and_then(Json::as_str);
        found.ok_or_else(|| Fault::params(format!("{} needs the text `{name}` in its params", self.method)))
    }

    /// The answer: status and message. A result gets what its revision wants of every result.
    pub(super) fn answer(&self, reply: Result<Json, Fault>) -> (StatusCode, Json) {
        match reply {
            Ok(mut result) => {
                if self.is_stateless
                    && let Some(members) = result.as_object_mut()
                {
                    members.entry("resultType").or_insert_with(|| Json::from("complete"));
                    let meta = members.entry("_meta").or_insert_with(|| json!({}));
                    meta[SERVER_INFO] = server_info();
                }
                let members = [("jsonrpc", Json::from("2.0")), ("id", self.id.clone()), ("result", result)];
                let members = members.map(|(name, value)| (name.to_owned(), value));
                (StatusCode::OK, Json::Object(Map::from_iter(members)))
            }
            Err(fault) => {
                let status = if self.is_stateless { fault.status() } else { StatusCode::OK };
                (status, fault.to_json(Some(&self.id)))
            }
        }
    }
}

/// Which program this is.
pub(super) fn server_info() -> Json {
    json!({"name": "doctyped", "title": "Doctyped", "version": env!("CARGO_PKG_VERSION")})
}

/// What is wrong with a message as a whole: the status, and the id if one could be read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refused {
    /// The fault.
    pub fault: Fault,
    /// The id of the request.
    pub id: Option<Json>,
}

impl Refused {
    /// Status and message.
    pub(super) fn answer(&self) -> (StatusCode, Json) {
        (self.fault.status(), self.fault.to_json(self.id.as_ref()))
    }
}

/// Reads the body of a request, with its headers.
pub(super) fn read(headers: &HeaderMap, body: Json) -> Result<Incoming, Box<Refused>> {
    let invalid = |message| Box::new(Refused { fault: Fault::new(Fault::INVALID_REQUEST, message), id: None });
    let Json::Object(mut body) = body else {
        return Err(invalid("Send one JSON-RPC message, as an object: batches are not part of MCP any more"));
    };
    let id = body.shift_remove("id");
    if body.get("jsonrpc") != Some(&Json::from("2.0")) {
        return Err(invalid("The message is not JSON-RPC: `jsonrpc` must be \"2.0\""));
    }
    let method = match body.shift_remove("method") {
        Some(Json::String(method)) => method,
        // An answer to a question that was never asked.
        None if body.contains_key("result") || body.contains_key("error") => {
            return match header(headers, "mcp-protocol-version") {
                Some(STATELESS) => Err(invalid("Send requests only: nothing here waits for an answer")),
                _ => Ok(Incoming::Notification),
            };
        }
        _ => return Err(invalid("The message has no method")),
    };
    let Some(id) = id else {
        check_version(header(headers, "mcp-protocol-version"))
            .map_err(|fault| Box::new(Refused { fault, id: None }))?;
        return Ok(Incoming::Notification);
    };
    if !id.is_string() && !id.is_number() {
        return Err(invalid("The id of a request is a text or a number"));
    }
    let refused = |fault| Box::new(Refused { fault, id: Some(id.clone()) });
    let params = match body.shift_remove("params") {
        Some(Json::Object(params)) => params,
        None => Map::new(),
        Some(_) => return Err(refused(Fault::params("params must be an object"))),
    };
    let meta = params.get("_meta").and_then(Json::as_object);
    let version = header(headers, "mcp-protocol-version");
    let is_stateless = version == Some(STATELESS) || meta.is_some_and(|meta| meta.contains_key(VERSION));
    let mut can_ask = false;
    if is_stateless {
        check_stateless(headers, &method, &params).map_err(refused)?;
        let elicitation = meta.and_then(|meta| meta.get(CAPABILITIES)?.get("elicitation")?.as_object());
        // An empty object means forms, as before there were other modes.
        can_ask = elicitation.is_some_and(|modes| modes.is_empty() || modes.contains_key("form"));
    } else {
        check_version(version).map_err(refused)?;
    }
    Ok(Incoming::Request(Message { id: id.clone(), method, params, is_stateless, can_ask }))
}

/// The header `MCP-Protocol-Version`, which may be missing before the handshake.
fn check_version(version: Option<&str>) -> Result<(), Fault> {
    match version {
        Some(version) if version != STATELESS && !WITH_HANDSHAKE.contains(&version) => Err(Fault::unsupported(version)),
        _ => Ok(()),
    }
}

/// What a request of the revision 2026-07-28 must say, and say the same in its headers as in its body.
fn check_stateless(headers: &HeaderMap, method: &str, params: &Map<String, Json>) -> Result<(), Fault> {
    let meta = params.get("_meta").and_then(Json::as_object);
    let in_meta = |name: &str| {
        meta.and_then(|meta| meta.get(name)).ok_or_else(|| Fault::params(format!("params._meta is missing {name}")))
    };
    let (version, capabilities) = (in_meta(VERSION)?, in_meta(CAPABILITIES)?);
    if !capabilities.is_object() {
        return Err(Fault::params(format!("{CAPABILITIES} must be an object")));
    }
    let mismatch = |name: &str| {
        Err(Fault::new(
            Fault::HEADER_MISMATCH,
            format!("The header {name} must come once and say the same as the body"),
        ))
    };
    let Some(version) = version.as_str() else {
        return Err(Fault::params(format!("{VERSION} must be a text")));
    };
    if header(headers, "mcp-protocol-version") != Some(version) {
        return mismatch("MCP-Protocol-Version");
    }
    if header(headers, "mcp-method") != Some(method) {
        return mismatch("Mcp-Method");
    }
    let named = match method {
        "tools/call" | "prompts/get" => params.get("name"),
        "resources/read" => params.get("uri"),
        _ => None,
    };
    if let Some(named) = named.and_then(Json::as_str)
        && header(headers, "mcp-name").and_then(decoded).as_deref() != Some(named)
    {
        return mismatch("Mcp-Name");
    }
    if version == STATELESS { Ok(()) } else { Err(Fault::unsupported(version)) }
}

/// A header that came once.
fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok().map(str::trim),
        _ => None,
    }
}

/// A name as it stands in a header: as it is, or `=?base64?…?=` where a header could not hold it.
fn decoded(value: &str) -> Option<Cow<'_, str>> {
    let Some(coded) = value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) else {
        return Some(Cow::Borrowed(value));
    };
    String::from_utf8(STANDARD.decode(coded).ok()?).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn call(name: &str) -> Json {
        let meta = json!({VERSION: STATELESS, CAPABILITIES: {"elicitation": {}}});
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "_meta": meta}})
    }

    fn code(headers: &HeaderMap, body: Json) -> i64 {
        read(headers, body).unwrap_err().fault.code
    }

    #[test]
    fn what_is_not_one_message_is_refused() {
        let none = HeaderMap::new();
        for body in [
            json!([]),
            json!("x"),
            json!({}),
            json!({"jsonrpc": "2.0", "id": 1}),
            json!({"jsonrpc": "1.0", "id": 1, "method": "ping"}),
            json!({"jsonrpc": "2.0", "id": null, "method": "ping"}),
            json!({"jsonrpc": "2.0", "id": {}, "method": "ping"}),
            json!({"jsonrpc": "2.0", "id": 1, "method": 7}),
        ] {
            assert_eq!(code(&none, body.clone()), Fault::INVALID_REQUEST, "{body}");
        }
        assert_eq!(code(&none, json!({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": []})), -32602);
        let notification = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        assert_eq!(read(&none, notification), Ok(Incoming::Notification));
    }

    #[test]
    fn a_revision_that_is_not_spoken_is_named_with_those_that_are() {
        let headers = headers(&[("mcp-protocol-version", "2030-01-01")]);
        let refused = read(&headers, json!({"jsonrpc": "2.0", "id": "a", "method": "ping"})).unwrap_err();
        let (status, message) = refused.answer();
        assert_eq!((status, message["id"].as_str()), (StatusCode::BAD_REQUEST, Some("a")));
        assert_eq!(message["error"]["data"]["supported"][0], STATELESS);
        assert_eq!(message["error"]["data"]["requested"], "2030-01-01");
    }

    #[test]
    fn a_stateless_request_says_the_same_in_its_headers() {
        let version = ("mcp-protocol-version", STATELESS);
        let good = headers(&[version, ("mcp-method", "tools/call"), ("mcp-name", "get")]);
        let Ok(Incoming::Request(message)) = read(&good, call("get")) else { panic!("it is a request") };
        assert!(message.is_stateless && message.can_ask);
        for pairs in [
            vec![version, ("mcp-method", "tools/list"), ("mcp-name", "get")],
            vec![version, ("mcp-method", "tools/call"), ("mcp-name", "list")],
            vec![version, ("mcp-method", "tools/call")],
            vec![version, ("mcp-name", "get")],
            vec![("mcp-method", "tools/call"), ("mcp-name", "get")],
            vec![("mcp-protocol-version", "2025-11-25"), ("mcp-method", "tools/call"), ("mcp-name", "get")],
            vec![version, ("mcp-method", "tools/call"), ("mcp-name", "get"), ("mcp-name", "get")],
        ] {
            assert_eq!(code(&headers(&pairs), call("get")), Fault::HEADER_MISMATCH, "{pairs:?}");
        }
    }

    #[test]
    fn a_name_that_no_header_can_hold_comes_in_base64() {
        let coded = format!("=?base64?{}?=", STANDARD.encode("grün"));
        let pairs = [("mcp-protocol-version", STATELESS), ("mcp-method", "tools/call"), ("mcp-name", coded.as_str())];
        assert!(read(&headers(&pairs), call("grün")).is_ok());
        assert_eq!(code(&headers(&pairs), call("grau")), Fault::HEADER_MISMATCH);
    }

    #[test]
    fn a_stateless_request_needs_its_envelope() {
        let pairs = headers(&[("mcp-protocol-version", STATELESS), ("mcp-method", "ping")]);
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"_meta": {VERSION: STATELESS}}});
        let refused = read(&pairs, body).unwrap_err();
        assert_eq!(refused.fault.code, Fault::INVALID_PARAMS);
        assert!(refused.fault.message.contains(CAPABILITIES));
    }
}
