//! RPC methods under `/api/method/<path>`: the registry for dispatch, discovery and OpenAPI.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use poem::Response;
use poem::http::{self, HeaderMap};
use serde_json::{Map, Value as Json, json};

use crate::error::{Error, Need, Result};
use crate::pace;
use crate::permissions::Session;
use crate::web::args::{Args, missing};
use crate::web::arguments::UploadedFile;
use crate::web::request::RequestContext;
use crate::web::site::Site;
use crate::web::spool::Spool;

/// What runs when a method is called.
pub(crate) type Handler = Arc<dyn Fn(Call) -> BoxFuture<'static, Result<Answer>> + Send + Sync>;

/// Makes a [`Handler`] of an async function.
pub(crate) fn handler<F, Fut>(run: F) -> Handler
where
    F: Fn(Call) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Answer>> + Send + 'static,
{
    Arc::new(move |call| Box::pin(run(call)))
}

/// The HTTP methods that may call something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verbs(pub &'static [&'static str]);

impl Verbs {
    /// Reads nothing but answers; any method.
    pub const ANY: Self = Self(&["GET", "POST", "PUT", "DELETE", "PATCH"]);
    /// Reads.
    pub const READ: Self = Self(&["GET", "POST"]);
    /// Writes.
    pub const WRITE: Self = Self(&["POST", "PUT"]);
    /// Deletes.
    pub const DELETE: Self = Self(&["POST", "PUT", "DELETE"]);
    /// POST alone.
    pub const POST: Self = Self(&["POST"]);
    /// GET alone.
    pub const GET: Self = Self(&["GET"]);

    /// Whether the method is among them; HEAD goes where GET goes.
    pub fn allows(self, method: &http::Method) -> bool {
        let name = if method == http::Method::HEAD { "GET" } else { method.as_str() };
        self.0.contains(&name)
    }
}

/// One argument of a method.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    /// Its name.
    pub name: &'static str,
    /// `string`, `integer`, `number`, `boolean` (0 or 1), `switch` (true or false), `object`, `array`, `file`, `any`, the
    /// name of a schema, or one of these with `[]` for a list of them.
    pub r#type: &'static str,
    /// The call fails without it.
    pub required: bool,
    /// What it says.
    pub description: &'static str,
    /// A value, as it stands in a query.
    pub example: Option<&'static str>,
}

impl Param {
    /// A required argument.
    pub const fn required(name: &'static str, r#type: &'static str, description: &'static str) -> Self {
        Self { name, r#type, required: true, description, example: None }
    }

    /// An argument that may be left out.
    pub const fn optional(name: &'static str, r#type: &'static str, description: &'static str) -> Self {
        Self { name, r#type, required: false, description, example: None }
    }

    /// The same with an example.
    #[must_use]
    pub const fn example(mut self, example: &'static str) -> Self {
        self.example = Some(example);
        self
    }
}

/// An RPC method.
#[derive(Clone)]
pub struct Method {
    /// Its dotted path: `frappe.client.get_list`.
    pub path: &'static str,
    /// The HTTP methods that may call it.
    pub verbs: Verbs,
    /// Callable without credentials.
    pub guest: bool,
    /// Gives or changes credentials: credentials that are limited may not call it, whatever their scope names.
    pub guarded: bool,
    /// What it does: a sentence.
    pub summary: &'static str,
    /// Its arguments.
    pub params: &'static [Param],
    /// What runs.
    pub handler: Handler,
}

impl Method {
    /// What calling it takes of credentials that are limited.
    pub fn need(&self) -> Need {
        if self.guarded { Need::Unlimited } else { Need::Method(self.path.to_owned()) }
    }
}

/// One call of a method.
pub struct Call {
    /// The site.
    pub site: Site,
    /// Who calls.
    pub context: RequestContext,
    /// The arguments.
    pub arguments: Map<String, Json>,
    /// The HTTP method.
    pub verb: http::Method,
    /// The request's headers.
    pub headers: HeaderMap,
    /// Files of a multipart body.
    pub files: Vec<UploadedFile>,
}

impl Call {
    /// On whose behalf.
    pub fn session(&self) -> &Session {
        &self.context.session
    }

    /// The arguments, to be read by type.
    pub fn args(&self) -> Args<'_> {
        Args(&self.arguments)
    }
}

/// A message to people, beside the result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerMessage {
    /// The text.
    pub message: String,
    /// The heading.
    pub title: Option<String>,
    /// `green`, `orange`, `red`, `blue`.
    pub indicator: Option<String>,
    /// Shown as a passing note.
    pub alert: bool,
}

/// What a method answers.
#[derive(Default)]
pub struct Answer {
    /// The result; `message` in v1, `data` in v2.
    pub message: Option<Json>,
    /// Further keys at the top: `docs`, `docinfo`.
    pub extra: Map<String, Json>,
    /// Messages to people.
    pub server_messages: Vec<ServerMessage>,
    /// The status; 200 if `None`.
    pub status: Option<http::StatusCode>,
    /// A result that was too long for memory, in the place of `message`.
    pub spooled: Option<Spool>,
    /// The whole answer, which bypasses the envelope.
    pub raw: Option<Response>,
}

impl Answer {
    /// A result.
    pub fn message(message: impl Into<Json>) -> Self {
        Self { message: Some(message.into()), ..Self::default() }
    }

    /// No result.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// A result that was written as JSON already.
    pub fn spooled(spool: Spool) -> Self {
        Self { spooled: Some(spool), ..Self::default() }
    }

    /// An answer outside the envelope.
    pub fn raw(response: Response) -> Self {
        Self { raw: Some(response), ..Self::default() }
    }

    /// With a further key at the top.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Json>) -> Self {
        self.extra.insert(key.to_owned(), value.into());
        self
    }

    /// With a passing note.
    #[must_use]
    pub fn alert(mut self, message: impl Into<String>, indicator: &str) -> Self {
        self.server_messages.push(ServerMessage {
            message: message.into(),
            indicator: Some(indicator.to_owned()),
            alert: true,
            ..ServerMessage::default()
        });
        self
    }

    /// As `/api/method` sends it.
    pub fn into_v1(self, context: &RequestContext) -> Response {
        let mut body = Map::new();
        if let Some(message) = self.message.filter(|message| !message.is_null()) {
            body.insert("message".to_owned(), message);
        }
        body.extend(self.extra);
        if context.session_expired {
            body.insert("session_expired".to_owned(), json!(1));
        }
        if !self.server_messages.is_empty() {
            body.insert("_server_messages".to_owned(), Json::String(double_encoded(&self.server_messages)));
        }
        if let Some(spool) = self.spooled {
            return spool.into_json_response(self.status.unwrap_or_default(), "message", &body);
        }
        self.raw.unwrap_or_else(|| json_response(self.status.unwrap_or_default(), &Json::Object(body)))
    }

    /// As `/api/v2/method` sends it.
    pub fn into_v2(self, context: &RequestContext) -> Response {
        let mut body = Map::new();
        if self.spooled.is_none() {
            body.insert("data".to_owned(), self.message.unwrap_or(Json::Null));
        }
        body.extend(self.extra);
        if context.session_expired {
            body.insert("session_expired".to_owned(), json!(1));
        }
        if !self.server_messages.is_empty() {
            body.insert("messages".to_owned(), self.server_messages.iter().map(ServerMessage::to_json).collect());
        }
        if let Some(spool) = self.spooled {
            return spool.into_json_response(self.status.unwrap_or_default(), "data", &body);
        }
        self.raw.unwrap_or_else(|| json_response(self.status.unwrap_or_default(), &Json::Object(body)))
    }
}

impl ServerMessage {
    /// As Frappe's clients read it.
    pub fn to_json(&self) -> Json {
        let mut out = Map::new();
        out.insert("message".to_owned(), Json::String(self.message.clone()));
        if let Some(title) = &self.title {
            out.insert("title".to_owned(), Json::String(title.clone()));
        }
        if let Some(indicator) = &self.indicator {
            out.insert("indicator".to_owned(), Json::String(indicator.clone()));
        }
        if self.alert {
            out.insert("alert".to_owned(), json!(1));
        }
        Json::Object(out)
    }
}

/// `_server_messages`: a JSON list of JSON texts.
fn double_encoded(messages: &[ServerMessage]) -> String {
    let texts: Vec<String> = messages.iter().map(|message| message.to_json().to_string()).collect();
    Json::from(texts).to_string()
}

/// A JSON answer.
pub(crate) fn json_response(status: http::StatusCode, body: &Json) -> Response {
    let has_many = |value: &Json| value.as_array().is_some_and(|rows| rows.len() > pace::MANY_ROWS);
    let is_long = body
        .as_object()
        .into_iter()
        .flat_map(Map::values)
        .any(|part| has_many(part) || part.as_object().into_iter().flat_map(Map::values).any(has_many));
    json_bytes(status, pace::aside(is_long, || body.to_string().into_bytes()))
}

/// A JSON answer from bytes that are JSON already.
pub(crate) fn json_bytes(status: http::StatusCode, body: Vec<u8>) -> Response {
    Response::builder().status(status).content_type("application/json").body(body)
}

/// The methods of a site by path.
#[derive(Default)]
pub struct Methods {
    by_path: BTreeMap<&'static str, Method>,
    claimed_twice: Vec<&'static str>,
}

impl Methods {
    /// Adds a method; a path claimed twice fails the start.
    pub fn add(&mut self, method: Method) {
        let path = method.path;
        if self.by_path.insert(path, method).is_some() {
            self.claimed_twice.push(path);
        }
    }

    /// The paths that more than one feature claims.
    pub fn claimed_twice(&self) -> &[&'static str] {
        &self.claimed_twice
    }

    /// The method of that path.
    pub fn get(&self, path: &str) -> Option<&Method> {
        self.by_path.get(path)
    }

    /// All methods, by path.
    pub fn iter(&self) -> impl Iterator<Item = &Method> {
        self.by_path.values()
    }

    /// Calls a method: verb, guest and the limit of the credentials are checked here.
    pub async fn call(&self, path: &str, call: Call) -> Result<Answer> {
        let Some(method) = self.by_path.get(path) else {
            return Err(Error::NoSuchRoute(format!("There is no method {path}")));
        };
        if !method.guest {
            call.context.require_login_for(method.need())?;
        }
        if !method.verbs.allows(&call.verb) {
            return Err(Error::Permission(format!("Not permitted: call {path} with {}", method.verbs.0.join(" or "))));
        }
        if method.guarded {
            call.site.documents.check_unlimited(&call.context.session, &format!("call {path}"))?;
        }
        if let Some(limit) = &call.context.session.limit
            && !method.guest
            && !limit.allows_method(path)
        {
            return Err(Error::InsufficientScope {
                message: format!("The access token may not call {path}"),
                scope: limit.needed_for_method(path),
            });
        }
        if let Some(param) = method
            .params
            .iter()
            .find(|param| param.required && param.r#type != "file" && call.args().get(param.name).is_none())
        {
            return Err(missing(param.name));
        }
        (method.handler)(call).await
    }
}
