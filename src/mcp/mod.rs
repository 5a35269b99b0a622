//! AI assistants: the Model Context Protocol over DocTypes at `/mcp`, without state, behind our own OAuth.
//!
//! Every request is one POST with an access token; its session passes through the engine as at any other door, so that
//! the rights of the person, the scopes of the token and the roles of the client count here as they do for REST.

mod call;
mod compact;
mod confirm;
mod describe;
mod message;
mod panel;
mod read;
mod record;
mod resources;
mod settings;
mod tools;
mod write;

use poem::Response;
use poem::http::StatusCode;
use serde_json::{Value as Json, json};

use crate::error::{AuthenticationError, Error, Result};
use crate::mcp::message::{Fault, Incoming, Message, Refused, STATELESS, WITH_HANDSHAKE};
use crate::mcp::record::Record;
use crate::mcp::settings::{ChecksTools, McpClient, McpSettings};
use crate::web::method::json_response;
use crate::web::{Credentials, Exchange, MCP, Plugins, RequestContext, Route, Site, arguments};

/// For how long, in milliseconds, a client may keep what is the same until somebody changes a definition.
const KEEP: u64 = 300_000;
/// What every assistant is told.
const INSTRUCTIONS: &str = "Documents of this site are rows of DocTypes (tables). `describe` names the DocTypes and their \
    fields, `search` and `list` find documents, `get` reads one. What you may do is what the person behind your access \
    token may do, as far as its scopes go.";

/// Registers the feature.
pub(crate) fn register(plugins: &mut Plugins) {
    plugins.controllers.needs_fields_of::<McpSettings>();
    plugins.controllers.needs_fields_of::<McpClient>();
    plugins.controller(settings::CLIENT, ChecksTools);
    plugins.panels(settings::SETTINGS, panel::ConnectPanels);
    let record = Record::default();
    plugins.route(Route::new(MCP).post(move |exchange| handle(exchange, record.clone())));
    plugins.log(record::MCP_CALL, 90);
}

/// Who calls, and with what.
struct Caller<'a> {
    site: &'a Site,
    context: &'a RequestContext,
    message: &'a Message,
    client: &'a McpClient,
    record: &'a Record,
}

/// Why a request has no result: the protocol says so, or the site does.
enum Failure {
    /// Told in the message.
    Fault(Fault),
    /// Told by the status, with a challenge where a token is wanted.
    Error(Error),
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// A result, or why there is none.
type Reply = Result<Json, Failure>;

/// Answers one message.
async fn handle(mut exchange: Exchange, record: Record) -> Result<Response> {
    let documents = exchange.site.documents.clone();
    let settings = McpSettings::load(&documents).await?;
    if !settings.enabled {
        return Err(Error::NoSuchRoute("There is nothing at this address".to_owned()));
    }
    match exchange.context.credentials {
        Credentials::Bearer => {}
        Credentials::None | Credentials::Cookie => return Err(Error::Authentication(AuthenticationError::Missing)),
        Credentials::ApiKey => {
            let message = "This address takes OAuth access tokens, no API keys".to_owned();
            return Err(Error::Authentication(AuthenticationError::BadToken(message)));
        }
    }
    if let Some(refused) = refuse_media_types(&exchange) {
        return Ok(refused);
    }
    let body = match arguments::read_json(&mut exchange.request).await {
        Err(Error::BadRequest(message)) => {
            let refused = Refused { fault: Fault::new(Fault::PARSE, message), id: None };
            return Ok(send(refused.answer()));
        }
        other => other?,
    };
    let message = match message::read(exchange.request.headers(), body) {
        Ok(Incoming::Request(message)) => message,
        Ok(Incoming::Notification) => return Ok(Response::builder().status(StatusCode::ACCEPTED).finish()),
        Err(refused) => return Ok(send(refused.answer())),
    };
    let client = McpClient::load(&documents, exchange.context.client.as_deref()).await?;
    let (site, context) = (&exchange.site, &exchange.context);
    let caller = Caller { site, context, message: &message, client: &client, record: &record };
    let reply = match dispatch(&caller, &settings).await {
        Ok(result) => Ok(result),
        Err(Failure::Fault(fault)) => Err(fault),
        Err(Failure::Error(error)) => return Err(error),
    };
    Ok(send(message.answer(reply)))
}

/// Answers who sends something else than JSON, or takes something else.
fn refuse_media_types(exchange: &Exchange) -> Option<Response> {
    let is_json =
        |media_type: &str| media_type.split(';').next().is_some_and(|essence| essence.trim() == "application/json");
    let refuse =
        |status, message: &'static str| Some(send((status, Fault::new(Fault::INVALID_REQUEST, message).to_json(None))));
    if !exchange.request.content_type().is_some_and(|sent| is_json(&sent.to_ascii_lowercase())) {
        return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Send JSON: Content-Type: application/json");
    }
    let takes = exchange.header("accept").is_none_or(|accept| {
        accept.to_ascii_lowercase().split(',').any(|range| {
            let essence = range.split(';').next().unwrap_or_default().trim();
            matches!(essence, "application/json" | "application/*" | "*/*")
        })
    });
    if takes { None } else { refuse(StatusCode::NOT_ACCEPTABLE, "Accept application/json and text/event-stream") }
}

fn send((status, message): (StatusCode, Json)) -> Response {
    json_response(status, &message)
}

/// The methods of the protocol.
async fn dispatch(caller: &Caller<'_>, settings: &McpSettings) -> Reply {
    let message = caller.message;
    match (message.method.as_str(), message.is_stateless) {
        ("initialize", false) => Ok(initialize(message, settings)),
        ("server/discover", true) => Ok(keep_privately(discover(settings))),
        ("ping", false) => Ok(json!({})),
        ("tools/list", _) => Ok(keep_privately(json!({ "tools": tools::listed(caller.client) }))),
        ("tools/call", _) => call::call(caller).await,
        ("resources/list", _) => resources::list(caller).map(keep_privately),
        ("resources/templates/list", _) => Ok(keep_privately(resources::templates())),
        ("resources/read", _) => resources::read(caller).await,
        // There are none; clients that ask without looking at the capabilities get an answer they can show.
        ("prompts/list", _) => Ok(keep_privately(json!({ "prompts": [] }))),
        ("prompts/get", _) => Err(Fault::params("Unknown prompt").into()),
        (unknown, _) => {
            let message = format!("There is no method {unknown}");
            Err(Fault::new(Fault::METHOD_NOT_FOUND, message).into())
        }
    }
}

/// For how long a client may keep a result that is the same for everything with this token; up to the revision 2025-11-25
/// nobody reads it.
fn keep_privately(mut result: Json) -> Json {
    result["ttlMs"] = Json::from(KEEP);
    result["cacheScope"] = Json::from("private");
    result
}

/// The handshake. Nothing is kept of it: there is no session, and each request carries its token.
fn initialize(message: &Message, settings: &McpSettings) -> Json {
    let asked = message.params.get("protocolVersion").and_then(Json::as_str).unwrap_or_default();
    let newest = WITH_HANDSHAKE[WITH_HANDSHAKE.len() - 1];
    let version = WITH_HANDSHAKE.into_iter().find(|known| *known == asked).unwrap_or(newest);
    json!({
        "protocolVersion": version,
        "capabilities": capabilities(),
        "serverInfo": message::server_info(),
        "instructions": instructions(settings),
    })
}

fn discover(settings: &McpSettings) -> Json {
    json!({
        "supportedVersions": WITH_HANDSHAKE.into_iter().chain([STATELESS]).rev().collect::<Vec<_>>(),
        "capabilities": capabilities(),
        "instructions": instructions(settings),
    })
}

fn capabilities() -> Json {
    json!({ "tools": {}, "resources": {}, "prompts": {} })
}

fn instructions(settings: &McpSettings) -> String {
    match &settings.instructions {
        Some(own) => format!("{INSTRUCTIONS}\n\n{own}"),
        None => INSTRUCTIONS.to_owned(),
    }
}
